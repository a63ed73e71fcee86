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

/* One number for each 2 MiB, 0 to 512 frames in use, as a list. */
static void write_memory(FILE *out, const struct player *p, const char *name)
{
	fprintf(out, "  \"%s\": [", name);
	for (uint64_t i = 0; i < p->pages >> ORDER_2M; i++)
		fprintf(out, "%s%u", i ? ", " : "", p->used_2m[i]);
	fprintf(out, "]");
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

static struct run run_trace(const struct trace *t, unsigned which, uint64_t seed, FILE *memory)
{
	uint64_t start = MEMORY_START >> PAGE_SHIFT, pages = (uint64_t)options.gib << MAX_ORDER;
	struct subject subject = make_subject(which, start, pages);
	struct player player;
	struct run run = { 0 };

	player_init(&player, &subject, subject_names[which].title, start, pages, trace_blocks(pages));
	player.point = on_point;
	player.ctx = &run;
	player_give(&player, start, pages);
	t->play(&player, seed);
	finish(&run, &player);
	if (memory)
		write_memory(memory, &player, which == LIFO ? "lifo" : "granule");
	player_end(&player);
	return run;
}

static struct run run_recording(const struct recording *r, unsigned which)
{
	struct subject subject = make_subject(which, r->start, r->pages);
	struct player player;
	struct run run = { 0 };

	player_init(&player, &subject, subject_names[which].title, r->start, r->pages, r->blocks);
	player.point = on_point;
	player.ctx = &run;
	if (!replay_play(r, &player))
		give_up("broken trace", options.recorded);
	finish(&run, &player);
	player_end(&player);
	return run;
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

static void add_seed(struct row *row, const struct run *runs, unsigned seeds, bool first)
{
	struct figures f[SUBJECTS];
	double ahead, ahead_uncached;

	for (unsigned i = 0; i < SUBJECTS; i++) {
		struct figures *m = &row->mean[i];

		f[i] = (struct figures){ 0 };
		if (row->absent[i])
			continue;
		if (runs[i].digest != runs[0].digest || runs[i].failures)
			give_up("the allocators did not do the same on", row->name);
		f[i] = average(&runs[i]);
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
		fprintf(out, "%s\n  \"frames.packing2m.%s%s\": %.2f", *comma, row->name, suffix, f->whole_2m);
		*comma = ",";
		fprintf(out, ",\n  \"frames.packing1g.%s%s\": %.2f", row->name, suffix, f->whole_1g);
		fprintf(out, ",\n  \"frames.packing_requests2m.%s%s\": %.1f", row->name, suffix, f->requests_2m);
		fprintf(out, ",\n  \"frames.packing_largest_mib.%s%s\": %.1f", row->name, suffix, f->largest);
		if (row->has_after)
			fprintf(out, ",\n  \"frames.packing2m.%s_half%s\": %.2f", row->name, suffix, f->after_2m);
	}
	fprintf(out, ",\n  \"frames.packing2m.%s.undrained\": %.2f", row->name, row->mean[SHIPPED].undrained_2m);
	fprintf(out, ",\n  \"frames.packing1g.%s.undrained\": %.2f", row->name, row->mean[SHIPPED].undrained_1g);
	fprintf(out, ",\n  \"frames.packing2m.%s.ahead\": %.2f", row->name, row->worst);
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
	printf("share of the free memory that lies in whole 2 MiB and 1 GiB; 2 MiB requests that succeed; largest free block\n\n");

	for (unsigned t = 0; t < n_traces; t++) {
		struct row row = { .name = traces[t].name, .title = traces[t].title, .has_after = t == 0 };

		if (options.only && strcmp(options.only, row.name))
			continue;
		for (unsigned seed = 1; seed <= options.seeds; seed++) {
			struct run runs[SUBJECTS];

			for (unsigned i = 0; i < SUBJECTS; i++) {
				FILE *picture = t == 0 && seed == 1 && (i == SHIPPED || i == LIFO) ? memory : NULL;

				if (picture)
					fprintf(picture, i == SHIPPED ? "{\n" : ",\n");
				runs[i] = run_trace(&traces[t], i, seed, picture);
				if (picture && i == LIFO)
					fprintf(picture, "\n}\n");
			}
			add_seed(&row, runs, options.seeds, seed == 1);
		}
		print_row(&row);
		good = row_is_good(&row) && good;
		if (json)
			print_json_row(json, &row, &comma);
	}

	if (options.recorded && (!options.only || !strcmp(options.only, "recorded"))) {
		struct row row = { .name = "recorded", .title = "a boot and a load of the kernel" };
		struct run runs[SUBJECTS];
		struct recording r;
		size_t bytes;
		uint8_t *file = read_file(options.recorded, &bytes);

		if (!replay_open(&r, file, bytes))
			give_up("no trace:", options.recorded);
		for (unsigned i = 0; i < SUBJECTS; i++)
			/* The heap's reservation is larger than any block of this one. */
			if (i == LIFO10)
				row.absent[i] = true;
			else
				runs[i] = run_recording(&r, i);
		free(file);
		add_seed(&row, runs, 1, true);
		print_row(&row);
		good = row_is_good(&row) && good;
		if (json)
			print_json_row(json, &row, &comma);
	}

	if (json)
		fprintf(json, "\n}\n");
	close_written(json, options.json);
	close_written(memory, options.memory);
	printf("%s\n", good ? "ours is ahead on every trace" : "ours is NOT ahead on every trace");
	return good ? 0 : 1;
}
