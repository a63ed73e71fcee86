/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the page allocator against its reference model. The first byte of an input chooses a machine, the others are
 * operations with their arguments; after each of them everything that can be asked must agree, or after every eighth: a
 * block that has come back waits until something is asked of its bank. Three CPUs come, go and take turns in one thread.
 */
#include "arch/host/host.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/frames_cache.h"
#include "tests/model/frames_pair.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FRAME(address) ((uint64_t)(address) >> PAGE_SHIFT)
#define GARBAGE page_word(1, 0, PAGE_ALLOC, TAG_USER + 13)
#define BANKS 4
#define CPUS 3
#define MAX_OPERATIONS 200
#define BULK 100
#define RUNS (MAX_OPERATIONS * (BULK + 4)) /* more than they can make */

struct span {
	uint64_t start, pages; /* frames */
	uint32_t node;
	uint64_t given; /* of it, from its second frame on; the others are given by operations */
};

static const struct span machines[][BANKS] = {
	/* Parts of sections, on both sides of 4 GiB. */
	{ { FRAME(GIB(1)) + 0x35, 0x180, 0, 0x100 },
	  { FRAME(GIB(4)) - 70, 70, 1, 60 },
	  { FRAME(GIB(4)), 0x90, 1, 0x80 },
	  { FRAME(GIB(5)) + 0x3ffff, 1, 2, 0 } },
	/* One bank over the border of two sections. */
	{ { FRAME(GIB(2)) - 300, 700, 0, 690 } },
	/* A whole section, and little below 4 GiB. */
	{ { FRAME(GIB(1)), 100, 0, 99 }, { FRAME(GIB(5)) - 3, SECTION_PAGES + 6, 1, SECTION_PAGES + 4 } },
	/* Two whole sections that can be handed out whole. */
	{ { FRAME(GIB(4)), 2 * SECTION_PAGES, 0, 2 * SECTION_PAGES - 1 }, { FRAME(GIB(7)), 64, 1, 63 } },
};

static struct {
	struct frames f;
	struct buddy_model model;
	struct frames_pair pair;
	struct model_run runs[RUNS];
	uint64_t sections[8];
	unsigned cpu;
	unsigned lines; /* logged */
	bool small;	/* the check of everything takes microseconds, not milliseconds */
} g;

static struct {
	_Alignas(64) char bytes[FRAMES_CPU_BYTES];
} cpu_memory[CPUS];

/* What is left of the input; zeros behind its end. */
static const uint8_t *input, *input_end;

static unsigned byte(void)
{
	return input < input_end ? *input++ : 0;
}

static unsigned number(unsigned limit)
{
	unsigned n = byte();

	if (limit > 256)
		n |= byte() << 8;
	if (limit > 65536)
		n |= byte() << 16;
	return n % limit;
}

static void count_lines(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		g.lines += text[i] == '\n';
}

/* A promise of the code under test does not hold: libFuzzer reports the input. */
static void must(bool ok, const char *operation)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz_frames: %s: %s: %ld, must be %ld\n", operation, g.pair.wrong ? g.pair.wrong : "?",
		g.pair.got, g.pair.want);
	abort();
}

/* ---- the machine ------------------------------------------------------------------------------------------------- */

/* Memory that costs nothing where it is not touched, once for all inputs. */
static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		abort();
	}
	return p;
}

static void build(const struct span *banks)
{
	static uint64_t *records, *metadata[BANKS];
	const size_t metadata_bytes = MIB(1);

	if (!records) {
		records = reserve(ARRAY_SIZE(g.sections) * SECTION_PAGES * sizeof(struct page));
		for (unsigned i = 0; i < BANKS; i++)
			metadata[i] = reserve(metadata_bytes);
	}
	g.lines = 0;
	g.cpu = 0;
	host_set_cpu_id(0);
	memset(g.sections, 0, sizeof(g.sections));
	frames_init(&g.f, (struct page *)records, g.sections, ARRAY_SIZE(g.sections));
	model_init(&g.model, g.runs, RUNS);
	pair_init(&g.pair, &g.f, &g.model);
	for (unsigned i = 0; i < BANKS && banks[i].pages; i++) {
		const struct span *b = &banks[i];
		uint64_t bytes = frames_bank_metadata_size(pfn(b->start), b->pages);

		/* Some of it is enough: of the rest, the inputs before have left garbage. */
		for (uint64_t k = 0; k < bytes / 8 && k < 512; k++)
			metadata[i][k] = GARBAGE;
		for (uint64_t k = 0; k < b->pages && k < 512; k++)
			records[b->start + k] = GARBAGE;
		must(frames_add_bank(&g.f, pfn(b->start), b->pages, b->node, metadata[i]) == MM_OK, "add_bank");
		model_add_bank(&g.model, b->start, b->pages, b->node);
		must(!b->given || pair_add_memory(&g.pair, b->start + 1, b->given, NULL), "add_memory");
	}
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

/* A block that is out, or NULL. */
static const struct model_run *pick_used(void)
{
	const struct buddy_model *m = &g.model;
	unsigned used = 0, k;

	for (unsigned i = 0; i < m->runs; i++)
		used += m->run[i].state == MODEL_USED;
	if (!used)
		return NULL;
	k = number(used);
	for (unsigned i = 0;; i++)
		if (m->run[i].state == MODEL_USED && !k--)
			return &m->run[i];
}

/* A frame near what is going on: of a run, or a little outside of it. */
static uint64_t pick_frame(void)
{
	const struct buddy_model *m = &g.model;
	const struct model_run *r = &m->run[number(m->runs)];
	uint64_t size = r->pages + 2;

	return r->n - 1 + number(size < 0x10000 ? (unsigned)size : 0x10000);
}

/* Small ones more often. */
static unsigned pick_order(void)
{
	unsigned n = byte();

	return n < 128 ? n % 4 : n < 240 ? n % 10 : n % 20;
}

static unsigned pick_flags(void)
{
	unsigned n = byte();

	/* Zeroing needs memory behind the frames: a matter of suites. */
	return n < 160 ? 0 : n < 200 ? FRAMES_BELOW_4G : n < 240 ? FRAMES_RESERVE : n < 250 ? n & 6 : 8u << n % 8;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static void alloc(void)
{
	unsigned order = pick_order(), flags = pick_flags();
	uint64_t n;

	must(pair_alloc(&g.pair, order, flags, TAG_USER + order, &n, NULL), "alloc");
}

static void free_used(void)
{
	const struct model_run *r = pick_used();

	if (r)
		must(pair_free(&g.pair, r->n, r->order, NULL), "free");
}

static void free_any(void)
{
	uint64_t n = pick_frame();
	unsigned order = pick_order();

	must(pair_free(&g.pair, n, order, NULL), "bad free");
}

static void take(void)
{
	uint64_t n = pick_frame();
	unsigned order = pick_order();

	if (order < 64 && byte() % 8)
		n = ALIGN_DOWN(n, (uint64_t)1 << order);
	must(pair_take(&g.pair, n, order, TAG_TEST, NULL), "take");
}

static struct frames_request pick_request(void)
{
	unsigned what = byte();
	struct frames_request r = { .flags = pick_flags() & ~FRAMES_ZERO, .tag = TAG_STACK };

	/* Limits in the middle of banks, as well as senseless ones. */
	if (what & 1)
		r.address_bits = (uint8_t)(what & 2 ? 28 + byte() % 6 : byte() % 70);
	r.has_node = what & 4;
	r.only_node = what & 8 && (r.has_node || what & 16);
	r.node = what >> 6;
	return r;
}

static uint64_t pick_length(void)
{
	unsigned n = byte();

	return n < 200 ? n % 40 : n < 250 ? number(1024) : number(1 << 20);
}

static void alloc_request(void)
{
	struct frames_request r = pick_request();
	unsigned order = pick_order();
	uint64_t n;

	must(pair_alloc_request(&g.pair, order, &r, &n, NULL), "alloc_request");
}

static void alloc_exact(void)
{
	struct frames_request r = pick_request();
	uint64_t pages = pick_length(), n;

	must(pair_alloc_exact(&g.pair, pages, &r, &n, NULL), "alloc_exact");
}

/* From the first frame of a block over some of its neighbours, or anything. */
static void free_exact(void)
{
	const struct model_run *r = byte() % 8 ? pick_used() : NULL;
	uint64_t n = r ? r->n : pick_frame(), end = r ? n : n + pick_length();

	if (r)
		for (unsigned blocks = 1 + byte() % 8; blocks && r < g.runs + g.model.runs; blocks--, r++)
			if (r->n == end && r->state == MODEL_USED)
				end = r->n + r->pages;
	if (byte() % 8 == 0)
		end -= byte() % 4;
	must(pair_free_exact(&g.pair, n, end - n, NULL), "free_exact");
}

static void alloc_runs(void)
{
	static struct frames_run runs[BULK];
	static struct model_run spare[RUNS];
	struct frames_request r = pick_request();
	uint64_t pages = pick_length(), align = (uint64_t)1 << byte() % 12;
	unsigned max_runs = byte() % BULK, n;

	if (byte() % 4)
		r.flags |= FRAMES_BEST_EFFORT;
	if (byte() % 16 == 0)
		align++;
	must(pair_alloc_runs(&g.pair, pages, align, &r, runs, max_runs, &n, spare, NULL), "alloc_runs");
}

static void count_reference(bool get)
{
	const struct model_run *r = byte() % 8 ? pick_used() : NULL;
	uint64_t n = r ? r->n : pick_frame();

	must(get ? pair_get(&g.pair, n, NULL) : pair_put(&g.pair, n, NULL), get ? "get" : "put");
}

static void alloc_bulk(void)
{
	static paddr_t pages[BULK];
	unsigned count = number(BULK + 1), flags = pick_flags();

	must(pair_alloc_bulk(&g.pair, count, flags, TAG_HEAP, pages, NULL), "alloc_bulk");
}

/* Mostly what may be freed; sometimes anything, sometimes the same again. */
static void free_bulk(void)
{
	paddr_t pages[BULK];
	unsigned count = number(BULK + 1);
	const struct buddy_model *m = &g.model;
	unsigned k = number(m->runs);

	for (unsigned i = 0; i < count; i++) {
		unsigned left = m->runs;

		do {
			k = (k + 1) % m->runs;
		} while ((m->run[k].state != MODEL_USED || m->run[k].order) && --left);
		pages[i] = pfn_to_paddr(pfn(m->run[k].n));
		if (i % 16 == 15) {
			unsigned what = byte();

			if (what < 64)
				pages[i] = pfn_to_paddr(pfn(pick_frame()));
			else if (what < 80)
				pages[i].v |= what;
		}
	}
	must(pair_free_bulk(&g.pair, count, pages, NULL), "free_bulk");
}

static void cpu_comes_or_goes(void)
{
	unsigned what = number(8);

	if (what < 4) {
		g.cpu = number(CPUS);
		host_set_cpu_id(g.cpu);
		/* A CPU's memory is its own, so nobody else's. */
		must(pair_online(&g.pair, g.cpu, number(3), &cpu_memory[g.cpu], NULL), "online");
	} else if (what < 5) {
		must(pair_offline(&g.pair, NULL), "offline");
	} else if (what < 6) {
		must(pair_dead(&g.pair, number(CPUS), NULL), "dead");
	} else {
		must(pair_drain(&g.pair), "drain");
	}
}

static void set_reserve(void)
{
	must(pair_set_reserve(&g.pair, number(1024), NULL), "set_reserve");
}

static void set_distance(void)
{
	unsigned from = number(3), to = number(3), distance = 10 + byte() % 246;

	must(frames_set_distance(&g.f, from, to, distance) == MM_OK, "set_distance");
	g.model.distance[from][to] = (uint8_t)distance;
}

static void add_memory(void)
{
	uint64_t n = pick_frame();

	must(pair_add_memory(&g.pair, n, 1 + number(64), NULL), "add_memory");
}

static void operate(void)
{
	unsigned what = byte();

	if (what < 56)
		alloc();
	else if (what < 112)
		free_used();
	else if (what < 120)
		free_any();
	else if (what < 130)
		take();
	else if (what < 142)
		count_reference(what & 1);
	else if (what < 150)
		alloc_bulk();
	else if (what < 158)
		free_bulk();
	else if (what < 166)
		alloc_request();
	else if (what < 176)
		alloc_exact();
	else if (what < 188)
		free_exact();
	else if (what < 200)
		alloc_runs();
	else if (what < 216) {
		g.cpu = what % CPUS;
		host_set_cpu_id(g.cpu);
	} else if (what < 232)
		cpu_comes_or_goes();
	else if (what < 238)
		set_reserve();
	else if (what < 242)
		set_distance();
	else if (what < 250)
		add_memory();
	else if (g.small)
		must(pair_validate(&g.pair), "validate");
}

/* Long inputs from the beginning: a short one does nothing worth while. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char *words[64] = { NULL, "-max_len=600", "-len_control=0" };
	int n = 3;

	words[0] = (*argv)[0];
	for (int i = 1; i < *argc && n < (int)ARRAY_SIZE(words) - 1; i++)
		words[n++] = (*argv)[i];
	words[n] = NULL;
	*argc = n;
	*argv = words;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned what;

	input = data;
	input_end = data + size;
	log_set_sink(count_lines);
	what = byte();
	/* Machines with whole sections take long. */
	build(machines[what < 112 ? 0 : what < 224 ? 1 : what < 240 ? 2 : 3]);
	g.small = what < 224;
	for (unsigned i = 0; i < MAX_OPERATIONS && input < input_end; i++) {
		operate();
		if (!(what & 1) || i % 8 == 7)
			must(pair_agrees(&g.pair) && pair_counters_agree(&g.pair), "afterwards");
		/* Each bad free is one line, and nothing else is worth one. */
		must(g.lines == g.model.bad_frees, "lines logged");
		must(host_irq_depth() == 0, "interrupts");
	}
	must(pair_validate(&g.pair) && pair_agrees(&g.pair) && pair_owners_agree(&g.pair), "at the end");
	return 0;
}
