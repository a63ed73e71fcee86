/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `make packing`: how well the shipped page allocator keeps free memory whole, against a textbook buddy with LIFO lists, on
 * the same traces.
 *
 *	packing [--gib N] [--seeds N] [--only TRACE] --recorded FILE [--json FILE] [--memory FILE]
 *
 * Prints a table; --json: the figures as a flat object (docs/benchmarks.md names the keys); --memory: how full each 2 MiB is
 * after the first trace, for the picture. Status 0: ours is ahead on every trace; 1: it is not; 2: something is wrong with
 * an allocator or a trace.
 */
#include "tests/bench/packing/replay.h"
#include "tests/bench/packing/subjects.h"
#include "tests/bench/packing/traces.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What is compared. The shipped allocator runs with the caches of four CPUs in front of its bank; without them is how it
 * serves a CPU that has none.
 */
enum { SHIPPED, UNCACHED, LIFO, LIFO10, SUBJECTS };

static const struct {
	const char *title;
	const char *suffix; /* of the keys */
} subject_names[SUBJECTS] = {
	[SHIPPED] = { "Granule", "" },
	[UNCACHED] = { "Granule, caches off", ".uncached" },
	[LIFO] = { "LIFO buddy", ".lifo" },
	[LIFO10] = { "LIFO buddy, 4 MiB", ".lifo10" },
};

/* The address at which the synthetic traces' memory begins: all of one limit class. */
#define MEMORY_START GIB(4)
#define MAX_SEEDS 16

/* Ahead by how many percent of the free memory, at least, that it is no chance; and what may be called equal. */
#define AHEAD 0.5
#define EQUAL 0.1

/* Of one trace with one allocator, in percent of the free memory; sums over samples and seeds until they are divided. */
struct figures {
	double whole_2m, whole_1g;
	double undrained_2m, undrained_1g;
	double after_2m; /* at the point `half` */
	double requests_2m;
	double largest; /* MiB */
};

struct run {
	struct figures sum; /* over `samples` points */
	unsigned samples;
	double after_2m;
	uint64_t digest, failures;
};

static struct {
	unsigned gib, seeds;
	const char *only, *recorded, *json, *memory;
} options = { .gib = 4, .seeds = 3 };

static _Noreturn void give_up(const char *what, const char *which)
{
	fprintf(stderr, "packing: %s %s\n", what, which);
	exit(2);
}

/* ---- one run ----------------------------------------------------------------------------------------------------- */

static void add_sample(struct run *run, struct player *p)
{
	struct packing undrained = player_packing_undrained(p), drained = player_packing(p);

	run->samples++;
	run->sum.whole_2m += 100 * packing_share_2m(&drained);
	run->sum.whole_1g += 100 * packing_share_1g(&drained);
	run->sum.undrained_2m += 100 * packing_share_2m(&undrained);
	run->sum.undrained_1g += 100 * packing_share_1g(&undrained);
	run->sum.requests_2m += (double)drained.whole_2m;
	run->sum.largest += drained.largest < 0 ? 0 : (double)((uint64_t)4096 << drained.largest) / (double)MIB(1);
}

static void on_point(struct player *p, const char *name)
{
	struct run *run = p->ctx;

	if (!strcmp(name, "sample")) {
		add_sample(run, p);
	} else if (!strcmp(name, "half")) {
		struct packing packing = player_packing(p);

		run->after_2m = 100 * packing_share_2m(&packing);
	}
}

static struct subject make_subject(unsigned which, uint64_t start, uint64_t pages)
{
	if (which == LIFO || which == LIFO10)
		return subject_lifo(start, pages, which == LIFO ? MAX_ORDER : 10);
	return subject_granule(start, pages, which == SHIPPED);
}

/* The state after the trace counts, unless it has samples of its own. */
static void finish(struct run *run, struct player *p)
{
	struct packing packing;

	if (!run->samples)
		add_sample(run, p);
	player_check(p);
	packing = player_packing(p);
	if (player_probe_2m(p) != packing.whole_2m)
		give_up("requests of 2 MiB and free memory differ:", p->name);
	run->digest = p->digest;
	run->failures = p->failures;
}

/* One allocator on one trace; the allocators of a trace run side by side, a thread each. */
struct job {
	unsigned which;
	const struct trace *trace; /* or */
	const struct recording *recording;
	uint64_t seed;
	pthread_t thread;
	struct run run;
	uint16_t *used_2m; /* the caller's, when not NULL: used frames of each 2 MiB at the end */
};

static void *run_job(void *ctx)
{
	struct job *job = ctx;
	const struct recording *r = job->recording;
	uint64_t start = r ? r->start : MEMORY_START >> PAGE_SHIFT;
	uint64_t pages = r ? r->pages : (uint64_t)options.gib << MAX_ORDER;
	struct subject subject = make_subject(job->which, start, pages);
	struct player player;

	player_init(&player, &subject, subject_names[job->which].title, start, pages,
		    r ? r->blocks : trace_blocks(pages));
	player.point = on_point;
	player.ctx = &job->run;
	if (r) {
		if (!replay_play(r, &player))
			give_up("broken trace", options.recorded);
	} else {
		player_give(&player, start, pages);
		job->trace->play(&player, job->seed);
	}
	finish(&job->run, &player);
	if (job->used_2m)
		memcpy(job->used_2m, player.used_2m, (pages >> ORDER_2M) * sizeof(*job->used_2m));
	player_end(&player);
	return NULL;
}

/* ---- all runs of a trace ----------------------------------------------------------------------------------------- */

struct row {
	const char *name, *title;
	bool has_after;	       /* a point `half` */
	bool absent[SUBJECTS]; /* cannot play it */
	struct figures mean[SUBJECTS];
	double worst;	       /* over seeds: how far ours is ahead of the better LIFO in 2 MiB, at least */
	double worst_uncached; /* the same without caches */
};

static double better_lifo(const struct figures *f)
{
	return f[LIFO].whole_2m > f[LIFO10].whole_2m ? f[LIFO].whole_2m : f[LIFO10].whole_2m;
}

static struct figures average(const struct run *run)
{
	double n = run->samples;

	return (struct figures){
		.whole_2m = run->sum.whole_2m / n,
		.whole_1g = run->sum.whole_1g / n,
		.undrained_2m = run->sum.undrained_2m / n,
		.undrained_1g = run->sum.undrained_1g / n,
		.after_2m = run->after_2m,
		.requests_2m = run->sum.requests_2m / n,
		.largest = run->sum.largest / n,
	};
}

static void add_seed(struct row *row, const struct job *jobs, unsigned seeds, bool first)
{
	struct figures f[SUBJECTS];
	double ahead, ahead_uncached;

	for (unsigned i = 0; i < SUBJECTS; i++) {
		struct figures *m = &row->mean[i];

		f[i] = (struct figures){ 0 };
		if (row->absent[i])
			continue;
		if (jobs[i].run.digest != jobs[0].run.digest || jobs[i].run.failures)
			give_up("the allocators did not do the same on", row->name);
		f[i] = average(&jobs[i].run);
		m->whole_2m += f[i].whole_2m / seeds;
		m->whole_1g += f[i].whole_1g / seeds;
		m->undrained_2m += f[i].undrained_2m / seeds;
		m->undrained_1g += f[i].undrained_1g / seeds;
		m->after_2m += f[i].after_2m / seeds;
		m->requests_2m += f[i].requests_2m / seeds;
		m->largest += f[i].largest / seeds;
	}
	ahead = f[SHIPPED].whole_2m - better_lifo(f);
	ahead_uncached = f[UNCACHED].whole_2m - better_lifo(f);
	if (first || ahead < row->worst)
		row->worst = ahead;
	if (first || ahead_uncached < row->worst_uncached)
		row->worst_uncached = ahead_uncached;
}

/* All allocators on one trace with one seed. used_2m: for the shipped one and LIFO, or NULL. */
static void run_seed(struct row *row, const struct trace *t, const struct recording *r, uint64_t seed, unsigned seeds,
		     uint16_t **used_2m)
{
	struct job jobs[SUBJECTS] = { 0 };

	for (unsigned i = 0; i < SUBJECTS; i++) {
		jobs[i].which = i;
		jobs[i].trace = t;
		jobs[i].recording = r;
		jobs[i].seed = seed;
		jobs[i].used_2m = used_2m ? used_2m[i] : NULL;
		if (!row->absent[i] && pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]))
			give_up("no thread for", row->name);
	}
	for (unsigned i = 0; i < SUBJECTS; i++)
		if (!row->absent[i] && pthread_join(jobs[i].thread, NULL))
			give_up("no thread for", row->name);
	add_seed(row, jobs, seeds, seed == 1);
}

static void print_row(const struct row *row)
{
	printf("%s (%s)\n", row->name, row->title);
	for (unsigned i = 0; i < SUBJECTS; i++) {
		const struct figures *f = &row->mean[i];

		if (row->absent[i])
			continue;
		printf("  %-20s %7.1f %%  %7.1f %%  %7.0f  %7.0f MiB", subject_names[i].title, f->whole_2m, f->whole_1g,
		       f->requests_2m, f->largest);
		if (i == SHIPPED)
			printf("    caches full: %.1f %%, %.1f %%", f->undrained_2m, f->undrained_1g);
		if (row->has_after)
			printf("    before the rounds: %.1f %%", f->after_2m);
		printf("\n");
	}
	printf("  ahead of the better LIFO by %.1f at least; without caches by %.1f\n\n", row->worst,
	       row->worst_uncached);
	fflush(stdout);
}

static bool row_is_good(const struct row *row)
{
	bool good = row->worst >= AHEAD && row->worst_uncached >= -EQUAL &&
		    row->mean[SHIPPED].whole_1g >= row->mean[LIFO].whole_1g - EQUAL;

	if (!good)
		printf("not ahead on %s\n", row->name);
	return good;
}

static void print_json_row(FILE *out, const struct row *row, const char **comma)
{
	for (unsigned i = 0; i < SUBJECTS; i++) {
		const struct figures *f = &row->mean[i];
		const char *suffix = subject_names[i].suffix;

		if (row->absent[i])
			continue;
		fprintf(out, "%s\n  \"packing.2m.%s%s\": %.2f", *comma, row->name, suffix, f->whole_2m);
		*comma = ",";
		fprintf(out, ",\n  \"packing.1g.%s%s\": %.2f", row->name, suffix, f->whole_1g);
		fprintf(out, ",\n  \"packing.requests2m.%s%s\": %.1f", row->name, suffix, f->requests_2m);
		fprintf(out, ",\n  \"packing.largest_mib.%s%s\": %.1f", row->name, suffix, f->largest);
		if (row->has_after)
			fprintf(out, ",\n  \"packing.2m.%s_half%s\": %.2f", row->name, suffix, f->after_2m);
	}
	fprintf(out, ",\n  \"packing.2m.%s.undrained\": %.2f", row->name, row->mean[SHIPPED].undrained_2m);
	fprintf(out, ",\n  \"packing.1g.%s.undrained\": %.2f", row->name, row->mean[SHIPPED].undrained_1g);
	fprintf(out, ",\n  \"packing.2m.%s.ahead\": %.2f", row->name, row->worst);
}

/* ---- files and words --------------------------------------------------------------------------------------------- */

static FILE *open_for_writing(const char *path)
{
	FILE *out = path ? fopen(path, "w") : NULL;

	if (path && !out)
		give_up("cannot write", path);
	return out;
}

static void close_written(FILE *out, const char *path)
{
	if (out && (ferror(out) || fclose(out)))
		give_up("cannot write", path);
}

static uint8_t *read_file(const char *path, size_t *bytes)
{
	FILE *in = fopen(path, "rb");
	uint8_t *data;
	long end;

	if (!in || fseek(in, 0, SEEK_END) || (end = ftell(in)) < 0 || fseek(in, 0, SEEK_SET))
		give_up("cannot read", path);
	data = malloc((size_t)end + 1);
	if (!data || fread(data, 1, (size_t)end, in) != (size_t)end)
		give_up("cannot read", path);
	fclose(in);
	*bytes = (size_t)end;
	return data;
}

static void parse_words(int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (!value)
			give_up("what for?", argv[i]);
		if (!strcmp(argv[i], "--gib"))
			options.gib = (unsigned)strtoul(value, NULL, 10);
		else if (!strcmp(argv[i], "--seeds"))
			options.seeds = (unsigned)strtoul(value, NULL, 10);
		else if (!strcmp(argv[i], "--only"))
			options.only = value;
		else if (!strcmp(argv[i], "--recorded"))
			options.recorded = value;
		else if (!strcmp(argv[i], "--json"))
			options.json = value;
		else if (!strcmp(argv[i], "--memory"))
			options.memory = value;
		else
			give_up("no such word:", argv[i]);
	}
	if (options.gib < 1 || options.gib > 1024 || options.seeds < 1 || options.seeds > MAX_SEEDS)
		give_up("--gib is 1 to 1024, --seeds", "1 to 16");
}

/* How full each 2 MiB is, 0 to 512 frames, in the order of addresses. */
static void write_memory(FILE *out, const char *name, const uint16_t *used_2m)
{
	fprintf(out, "  \"%s\": [", name);
	for (uint64_t i = 0; i < (uint64_t)options.gib << (MAX_ORDER - ORDER_2M); i++)
		fprintf(out, "%s%u", i ? ", " : "", used_2m[i]);
	fprintf(out, "]");
}

static bool measure_trace(unsigned t, FILE *memory, FILE *json, const char **comma)
{
	struct row row = { .name = traces[t].name, .title = traces[t].title, .has_after = t == 0 };
	uint16_t *used_2m[SUBJECTS] = { NULL };
	bool picture = memory && t == 0;

	for (unsigned i = 0; picture && i < SUBJECTS; i++) {
		used_2m[i] = calloc((size_t)options.gib << (MAX_ORDER - ORDER_2M), sizeof(*used_2m[i]));
		if (!used_2m[i])
			give_up("no memory for the picture of", row.name);
	}
	for (unsigned seed = 1; seed <= options.seeds; seed++)
		run_seed(&row, &traces[t], NULL, seed, options.seeds, picture && seed == 1 ? used_2m : NULL);
	if (picture) {
		fprintf(memory, "{\n");
		write_memory(memory, "granule", used_2m[SHIPPED]);
		fprintf(memory, ",\n");
		write_memory(memory, "lifo", used_2m[LIFO]);
		fprintf(memory, "\n}\n");
	}
	for (unsigned i = 0; i < SUBJECTS; i++)
		free(used_2m[i]);
	print_row(&row);
	if (json)
		print_json_row(json, &row, comma);
	return row_is_good(&row);
}

static bool measure_recording(FILE *json, const char **comma)
{
	/* The heap's reservation is larger than any block of the last one. */
	struct row row = { .name = "recorded", .title = "a boot and a load of the kernel", .absent[LIFO10] = true };
	struct recording r;
	size_t bytes;
	uint8_t *file = read_file(options.recorded, &bytes);

	if (!replay_open(&r, file, bytes))
		give_up("no trace:", options.recorded);
	run_seed(&row, NULL, &r, 1, 1, NULL);
	free(file);
	print_row(&row);
	if (json)
		print_json_row(json, &row, comma);
	return row_is_good(&row);
}

int main(int argc, char **argv)
{
	const char *comma = "";
	bool good = true;
	FILE *json, *memory;

	parse_words(argc, argv);
	json = open_for_writing(options.json);
	memory = open_for_writing(options.memory);
	if (json)
		fprintf(json, "{");
	printf("share of the free memory that lies in whole 2 MiB and 1 GiB; 2 MiB requests that succeed; largest free "
	       "block\n\n");
	for (unsigned t = 0; t < n_traces; t++)
		if (!options.only || !strcmp(options.only, traces[t].name))
			good = measure_trace(t, memory, json, &comma) && good;
	if (options.recorded && (!options.only || !strcmp(options.only, "recorded")))
		good = measure_recording(json, &comma) && good;
	if (json)
		fprintf(json, "\n}\n");
	close_written(json, options.json);
	close_written(memory, options.memory);
	printf("%s\n", good ? "ours is ahead on every trace" : "ours is NOT ahead on every trace");
	return good ? 0 : 1;
}
