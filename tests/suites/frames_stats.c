/* SPDX-License-Identifier: BSD-2-Clause */
/* What the page allocator tells about itself: banks, fragmentation, owners, and what came after a mark. */
#define SUITE "frames_stats"
#include "tests/suites/frames_world.h"

#if __STDC_HOSTED__
#include <pthread.h>
#endif

static struct world w;
static struct {
	_Alignas(64) char bytes[FRAMES_CPU_BYTES];
} cpu_memory;

/* Above and below 4 GiB, whole and in part. */
static const struct span banks[] = {
	{ FRAME(GIB(1)), SECTION_PAGES },
	{ FRAME(GIB(2)) + 100, 500 },
	{ FRAME(GIB(5)), 2 * SECTION_PAGES },
};

static void add_all(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(banks); i++)
		world_add(&w, banks[i].start, banks[i].pages);
}

/* ---- banks, fragmentation ---------------------------------------------------------------------------------------- */

TEST(DG4, "each bank has its figures, in the order in which banks are asked; together they are those of the whole")
{
	struct frames_bank_stats b[3], none;
	struct frames_stats all;
	uint64_t blocks;
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 3);
	CHECK(frames_get_bank_stats(&w.f, 0, &b[0]));
	CHECK_EQ(b[0].total_pages, 0);
	add_all();
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(2)) + 128), 5, TAG_TEST), MM_OK);
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(2)) + 256), 0, TAG_TEST), MM_OK);
	CHECK_EQ(frames_free(&w.f, pfn(FRAME(GIB(2)) + 256), 0), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, MAX_ORDER, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(frames_set_reserve(&w.f, 300), MM_OK);
	for (unsigned i = 0; i < 3; i++)
		CHECK_OR_RETURN(frames_get_bank_stats(&w.f, i, &b[i]));
	CHECK_EQ(b[0].start.n, FRAME(GIB(5)));
	CHECK_EQ(b[0].pages, 2 * SECTION_PAGES);
	CHECK_EQ(b[0].node, 2);
	CHECK_EQ(b[0].used_pages, SECTION_PAGES);
	CHECK_EQ(b[0].free_blocks[MAX_ORDER], 1);
	CHECK_EQ(b[1].start.n, FRAME(GIB(1)));
	CHECK_EQ(b[1].node, 0);
	CHECK_EQ(b[1].used_pages, 0);
	CHECK_EQ(b[1].peak_used_pages, 0);
	CHECK_EQ(b[1].free_blocks[MAX_ORDER], 1);
	CHECK_EQ(b[2].start.n, FRAME(GIB(2)) + 100);
	CHECK_EQ(b[2].pages, 500);
	CHECK_EQ(b[2].node, 1);
	CHECK_EQ(b[2].total_pages, 500);
	CHECK_EQ(b[2].used_pages, 32);
	CHECK_EQ(b[2].peak_used_pages, 33);
	CHECK_EQ(b[2].allocs, 2);
	CHECK_EQ(b[2].frees, 1);
	frames_get_stats(&w.f, &all);
	CHECK_EQ(all.banks, 3);
	CHECK_EQ(b[0].total_pages + b[1].total_pages + b[2].total_pages, all.total_pages);
	CHECK_EQ(b[0].used_pages + b[1].used_pages + b[2].used_pages, all.total_pages - all.free_pages);
	CHECK_EQ(b[0].peak_used_pages + b[1].peak_used_pages + b[2].peak_used_pages, all.peak_used_pages);
	CHECK_EQ(b[0].reserve_pages + b[1].reserve_pages + b[2].reserve_pages, all.reserve_pages);
	CHECK_EQ(b[0].allocs + b[1].allocs + b[2].allocs, all.allocs);
	CHECK_EQ(b[0].frees + b[1].frees + b[2].frees, all.frees);
	for (unsigned i = 0; i < 3; i++) {
		blocks = 0;
		for (unsigned order = 0; order <= MAX_ORDER; order++)
			blocks += b[i].free_blocks[order] << order;
		CHECK_EQ(blocks, b[i].total_pages - b[i].used_pages);
	}
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		CHECK_EQ(b[0].free_blocks[order] + b[1].free_blocks[order] + b[2].free_blocks[order],
			 all.free_blocks[order]);
	memset(&none, 0xff, sizeof(none));
	CHECK(!frames_get_bank_stats(&w.f, 3, &none));
	CHECK_EQ(none.total_pages + none.pages + none.free_blocks[0], 0);
	CHECK(!frames_get_bank_stats(&w.f, UINT32_MAX, &none));
}

TEST(FC1, "fragmentation is the share of free memory in blocks that are too small, rounded down, in 1/1000")
{
	struct frames_stats s;

	memset(&s, 0, sizeof(s));
	for (unsigned order = 0; order <= MAX_ORDER + 1; order++)
		CHECK_EQ(frames_fragmentation(&s, order), 1000);
	s.free_blocks[0] = 1;
	CHECK_EQ(frames_fragmentation(&s, 0), 0);
	CHECK_EQ(frames_fragmentation(&s, 1), 1000);
	s.free_blocks[1] = 1;
	CHECK_EQ(frames_fragmentation(&s, 0), 0);
	CHECK_EQ(frames_fragmentation(&s, 1), 333);
	CHECK_EQ(frames_fragmentation(&s, 2), 1000);
	s.free_blocks[18] = 1;
	CHECK_EQ(frames_fragmentation(&s, 2), 0);
	CHECK_EQ(frames_fragmentation(&s, 18), 0);
	CHECK_EQ(frames_fragmentation(&s, 19), 1000);
	/* As much as there can be: 2^48 bytes, nearly all of it in single frames. */
	s.free_blocks[0] = (uint64_t)1 << 36;
	s.free_blocks[1] = 0;
	CHECK_EQ(frames_fragmentation(&s, 1), 999);
	CHECK_EQ(frames_fragmentation(&s, 18), 999);
	s.free_blocks[18] = (uint64_t)1 << 18;
	CHECK_EQ(frames_fragmentation(&s, 9), 500);
}

TEST(FC1, "the figures of free memory say what a request of that order would find")
{
	struct frames_stats s;
	pfn_t f;

	WORLD_OR_RETURN(&w, &banks[1], 1);
	world_add(&w, banks[1].start, banks[1].pages);
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		bool there;

		frames_get_stats(&w.f, &s);
		there = frames_fragmentation(&s, order) < 1000;
		CHECK_EQ(frames_alloc(&w.f, order, 0, TAG_TEST, &f) == MM_OK, there);
	}
}

/* ---- owners ------------------------------------------------------------------------------------------------------ */

static uint64_t pages[256], want[256];

static bool owners_agree(void)
{
	unsigned wrong = 0;

	frames_count_owners(&w.f, pages);
	memset(want, 0, sizeof(want));
	for (unsigned i = 0; i < w.model.runs; i++)
		if (w.model.run[i].state == MODEL_USED)
			want[w.model.run[i].tag] += w.model.run[i].pages;
	for (unsigned tag = 0; tag < 256; tag++)
		wrong += pages[tag] != want[tag];
	return !wrong;
}

TEST(FC2, "each owner's frames are counted: in live, whole and partial sections, of every tag, as the model has them")
{
	uint64_t seed = 1;
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 3);
	CHECK(owners_agree());
	add_all();
	CHECK(owners_agree());
	for (unsigned i = 0; i < 400; i++) {
		if (chance(&seed) % 3) {
			unsigned order = chance(&seed) % 40 ? (unsigned)(chance(&seed) % 9) : MAX_ORDER;

			CHECK(world_alloc(&w, order, chance(&seed) % 2 ? FRAMES_BELOW_4G : 0,
					  (unsigned)(chance(&seed) % 256), &f));
		} else {
			struct model_run *r = world_random_used(&w, &seed);

			if (r)
				CHECK(world_free(&w, r->n, r->order));
		}
		if (i % 16 == 0)
			CHECK_OR_RETURN(owners_agree());
	}
	CHECK(owners_agree());
	/* A frame in a cache is nobody's. */
	CHECK_EQ(frames_cpu_online(&w.f, 0, FRAMES_ANY_NODE, &cpu_memory), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_STACK, &f), MM_OK);
	frames_count_owners(&w.f, pages);
	CHECK_EQ(pages[TAG_STACK], want[TAG_STACK] + 1);
	CHECK_EQ(frames_free(&w.f, f, 0), MM_OK);
	CHECK(owners_agree());
}

/* ---- marks ------------------------------------------------------------------------------------------------------- */

struct seen {
	unsigned blocks;
	uint64_t pages, sum; /* of frame numbers, each with its order and tag */
	uint64_t last;
	bool ascending;
};

static uint64_t print_of(uint64_t n, unsigned order, unsigned tag, uint32_t ref)
{
	uint64_t x = n * 0x9e3779b97f4a7c15 + order * 1000003 + tag * 10007 + ref;

	return x ^ x >> 29;
}

static void see(void *ctx, const struct frame_info *block)
{
	struct seen *s = ctx;

	CHECK_EQ(block->role, FRAME_ALLOC);
	s->blocks++;
	s->pages += (uint64_t)1 << block->order;
	s->sum += print_of(block->head.n, block->order, block->tag, block->ref);
	s->ascending = s->ascending && (s->blocks == 1 || block->head.n > s->last);
	s->last = block->head.n;
}

static struct seen leaks_now(void)
{
	struct seen s = { .ascending = true };
	uint64_t n = frames_leaks(&w.f, see, &s);

	CHECK_EQ(n, s.pages);
	CHECK_EQ(frames_leaks(&w.f, NULL, NULL), n);
	return s;
}

TEST(FC3,
     "what was allocated after the mark and still is, is shown once, with order, owner and references; nothing else")
{
	uint64_t seed = 3, expected_sum = 0, expected_pages = 0;
	unsigned expected = 0;
	struct seen s;
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 3);
	frames_mark(&w.f);
	CHECK_EQ(leaks_now().blocks, 0);
	add_all();
	/* Without a mark everything is new. */
	for (unsigned i = 0; i < 40; i++)
		CHECK(world_alloc(&w, (unsigned)(chance(&seed) % 7), i % 2 ? FRAMES_BELOW_4G : 0, TAG_HEAP, &f));
	CHECK(world_alloc(&w, MAX_ORDER, 0, TAG_STACK, &f));
	CHECK_EQ(leaks_now().blocks, 41);
	frames_mark(&w.f);
	CHECK_EQ(leaks_now().blocks, 0);
	frames_mark(&w.f);
	/* Old ones that go and whose frames come again are new. */
	for (unsigned i = 0; i < 10; i++) {
		struct model_run *r = world_random_used(&w, &seed);

		CHECK_OR_RETURN(r != NULL);
		CHECK(world_free(&w, r->n, r->order));
	}
	CHECK_EQ(leaks_now().blocks, 0);
	for (unsigned i = 0; i < 60; i++) {
		unsigned order = i == 30 ? MAX_ORDER : (unsigned)(chance(&seed) % 7),
			 tag = (unsigned)(chance(&seed) % 256);

		if (!world_alloc(&w, order, i % 2 ? FRAMES_BELOW_4G : 0, tag, &f))
			CHECK(!"the model disagrees");
		if (frames_page(&w.f, f) == NULL || frames_page(&w.f, f)->tag != tag)
			continue;
		if (i % 5 == 0) {
			/* Freed again: no leak. */
			CHECK(world_free(&w, f.n, order));
			continue;
		}
		if (i % 7 == 0)
			CHECK_EQ(frames_get(&w.f, f), MM_OK);
		expected++;
		expected_pages += (uint64_t)1 << order;
		expected_sum += print_of(f.n, order, tag, i % 7 == 0 ? 2 : 1);
	}
	s = leaks_now();
	CHECK(expected > 40);
	CHECK_EQ(s.blocks, expected);
	CHECK_EQ(s.pages, expected_pages);
	CHECK_EQ(s.sum, expected_sum);
	/* References that come and go do not make an old block new, nor a new one old. */
	frames_mark(&w.f);
	for (unsigned i = 0; i < w.model.runs; i++)
		if (w.model.run[i].state == MODEL_USED && frames_page(&w.f, pfn(w.model.run[i].n))->ref == 1) {
			CHECK_EQ(frames_get(&w.f, pfn(w.model.run[i].n)), MM_OK);
			CHECK_EQ(frames_put(&w.f, pfn(w.model.run[i].n), NULL), MM_OK);
		}
	CHECK_EQ(leaks_now().blocks, 0);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(FC3, "blocks are shown bank by bank, by address in each; those in caches not at all")
{
	struct seen s;
	paddr_t pa[3];
	pfn_t f;

	WORLD_OR_RETURN(&w, &banks[0], 1);
	world_add(&w, banks[0].start, banks[0].pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &cpu_memory), MM_OK);
	for (unsigned i = 0; i < 3; i++)
		pa[i] = frames_alloc_page(&w.f, TAG_TEST);
	CHECK_EQ(frames_alloc(&w.f, 5, 0, TAG_TEST, &f), MM_OK);
	s = leaks_now();
	CHECK_EQ(s.blocks, 4);
	CHECK(s.ascending);
	CHECK_EQ(frames_free_page(&w.f, pa[1]), MM_OK);
	CHECK_EQ(leaks_now().blocks, 3);
	frames_mark(&w.f);
	/* Out of the cache, it is new. */
	pa[1] = frames_alloc_page(&w.f, TAG_TEST);
	s = leaks_now();
	CHECK_EQ(s.blocks, 1);
	CHECK_EQ(s.last, paddr_to_pfn(pa[1]).n);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

#if __STDC_HOSTED__
#define HELD 200

static uint32_t stop;

/* Allocates and frees in the same sections all the while. */
static void *churn(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct {
			pfn_t f;
			unsigned order;
		} mine[8];
		unsigned n = 0;

		for (; n < 8; n++) {
			mine[n].order = (unsigned)(chance(&seed) % 6);
			if (frames_alloc(&w.f, mine[n].order, 0, TAG_HEAP, &mine[n].f))
				break;
		}
		while (n--)
			CHECK_EQ(frames_free(&w.f, mine[n].f, mine[n].order), MM_OK);
	}
	return NULL;
}

struct mine {
	unsigned blocks;
	uint64_t pages;
};

static void see_mine(void *ctx, const struct frame_info *block)
{
	struct mine *m = ctx;

	if (block->tag == TAG_STACK) {
		m->blocks++;
		m->pages += (uint64_t)1 << block->order;
	}
}

TEST_ON(TAP_HOST, FC3,
	"what stays allocated is counted, marked and shown exactly once while other CPUs allocate and free")
{
	static pfn_t held[HELD];
	pthread_t thread[2];
	uint64_t total = 0;

	WORLD_OR_RETURN(&w, &banks[0], 1);
	world_add(&w, banks[0].start, banks[0].pages);
	for (unsigned i = 0; i < HELD; i++) {
		CHECK_OR_RETURN(frames_alloc(&w.f, i % 4, 0, TAG_STACK, &held[i]) == MM_OK);
		total += (uint64_t)1 << (i % 4);
	}
	/* Holes between them, for the others. */
	for (unsigned i = 0; i < HELD; i += 2) {
		CHECK_EQ(frames_free(&w.f, held[i], i % 4), MM_OK);
		total -= (uint64_t)1 << (i % 4);
	}
	__atomic_store_n(&stop, 0, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++)
		CHECK_OR_RETURN(!pthread_create(&thread[i], NULL, churn, (void *)(uintptr_t)(i + 1)));
	for (unsigned i = 0; i < 200; i++) {
		struct mine m = { 0 };

		frames_count_owners(&w.f, pages);
		CHECK_EQ(pages[TAG_STACK], total);
		(void)frames_leaks(&w.f, see_mine, &m);
		/* Before the mark all are new, after it none; every other mark is followed by new ones. */
		CHECK_EQ(m.blocks, i ? 1 : HELD / 2);
		frames_mark(&w.f);
		m = (struct mine){ 0 };
		(void)frames_leaks(&w.f, see_mine, &m);
		CHECK_EQ(m.blocks, 0);
		/* One of them is freed and taken again. */
		CHECK_EQ(frames_free(&w.f, held[1], 1), MM_OK);
		CHECK_OR_RETURN(frames_alloc(&w.f, 1, 0, TAG_STACK, &held[1]) == MM_OK);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}
#endif
