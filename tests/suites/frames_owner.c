/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose the frames are, what came after a mark and has not gone again, and how scattered the free ones lie. */
#define SUITE "frames_owner"
#include "tests/suites/frames_world.h"

#if __STDC_HOSTED__
#include "arch/host/host.h"
#include <pthread.h>
#endif

static struct world w;
static struct {
	_Alignas(64) char bytes[FRAMES_CPU_BYTES];
} memory[4];

/* ---- owners ------------------------------------------------------------------------------------------------------ */

static void check_owners(void)
{
	static uint64_t owned[256], want[256];
	unsigned wrong = 0;

	memset(want, 0, sizeof(want));
	memset(owned, 0xff, sizeof(owned));
	for (unsigned i = 0; i < w.model.runs; i++)
		if (w.model.run[i].state == MODEL_USED)
			want[w.model.run[i].tag] += w.model.run[i].pages;
	frames_count_owners(&w.f, owned);
	for (unsigned i = 0; i < 256; i++)
		wrong += owned[i] != want[i];
	CHECK_EQ(wrong, 0);
}

TEST(FC2, "each owner's frames are counted, to the last, in banks that begin and end anywhere")
{
	struct span banks[] = { { FRAME(GIB(1)) + 0x123, 0x777 },
				{ FRAME(GIB(4)) - 0x301, 0x301 },
				{ FRAME(GIB(6)), 0x40 } };
	uint64_t seed = 2;
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 3);
	check_owners();
	world_add(&w, banks[0].start, 0x300);
	world_add(&w, banks[0].start + 0x301, 0x476);
	world_add(&w, banks[1].start + 1, 0x300);
	for (unsigned i = 0; i < 400; i++) {
		const struct model_run *block = world_random_used(&w, &seed);

		if (chance(&seed) % 5 < 3 || !block)
			CHECK(world_alloc(&w, (unsigned)(chance(&seed) % 5), 0, (unsigned)(chance(&seed) % 256), &f));
		else
			CHECK(world_free(&w, block->n, block->order));
		if (i % 20 == 0)
			check_owners();
	}
	check_owners();
	/* The first and the last frame of a bank. */
	CHECK(world_take(&w, banks[1].start + 1, 0, 255) && world_take(&w, FRAME(GIB(4)) - 1, 0, 254));
	check_owners();
}

TEST(FC2, "whole sections are counted by their one record, and what caches hold is nobody's")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };
	static uint64_t owned[256];
	paddr_t pa;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	check_owners();
	CHECK(world_alloc(&w, MAX_ORDER, 0, TAG_USER + 5, &f));
	check_owners();
	CHECK(world_free(&w, f.n, MAX_ORDER));
	check_owners();
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory[0]), MM_OK);
	pa = frames_alloc_page(&w.f, TAG_HEAP);
	CHECK_EQ(frames_free_page(&w.f, frames_alloc_page(&w.f, TAG_SLAB)), MM_OK);
	frames_count_owners(&w.f, owned);
	for (unsigned i = 0; i < 256; i++)
		CHECK_EQ(owned[i], i == TAG_HEAP);
	CHECK_EQ(frames_free_page(&w.f, pa), MM_OK);
}

/* ---- leaks ------------------------------------------------------------------------------------------------------- */

static struct {
	struct frame_info block[64];
	unsigned n;
} shown;

static void show(void *ctx, const struct frame_info *block)
{
	CHECK(ctx == &shown);
	if (shown.n < ARRAY_SIZE(shown.block))
		shown.block[shown.n] = *block;
	shown.n++;
}

static uint64_t leaks(void)
{
	uint64_t pages;

	shown.n = 0;
	pages = frames_leaks(&w.f, show, &shown);
	CHECK_EQ(frames_leaks(&w.f, NULL, NULL), pages);
	return pages;
}

TEST(FC3, "what came after the mark and is still there: each block once, by address, with its owner")
{
	struct span banks[] = { { FRAME(GIB(1)) + 0x20, 0x400 }, { FRAME(GIB(4)), 0x400 } };
	pfn_t old[3], new[4], f;

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, banks[0].pages);
	world_add(&w, banks[1].start, banks[1].pages);
	CHECK_EQ(leaks(), 0);
	for (unsigned i = 0; i < 3; i++)
		CHECK(world_alloc(&w, i, i == 1 ? FRAMES_BELOW_4G : 0, TAG_USER + i, &old[i]));
	/* Without a mark everything is new. */
	CHECK_EQ(leaks(), 7);
	CHECK_EQ(shown.n, 3);
	frames_mark(&w.f);
	CHECK_EQ(leaks(), 0);
	CHECK_EQ(shown.n, 0);
	for (unsigned i = 0; i < 4; i++)
		CHECK(world_alloc(&w, 3 - i, i % 2 ? FRAMES_BELOW_4G : 0, TAG_USER + 10 + i, &new[i]));
	CHECK_EQ(frames_get(&w.f, new[2]), MM_OK);
	model_find(&w.model, new[2].n)->ref = 2;
	CHECK_EQ(leaks(), 15);
	CHECK_EQ(shown.n, 4);
	for (unsigned i = 0; i < shown.n; i++) {
		struct frame_info *block = &shown.block[i];
		unsigned which = block->tag - TAG_USER - 10;

		CHECK_OR_RETURN(which < 4);
		CHECK_EQ(block->head.n, new[which].n);
		CHECK_EQ(block->order, 3 - which);
		CHECK_EQ(block->ref, which == 2 ? 2 : 1);
		CHECK_EQ(block->role, FRAME_ALLOC);
		/* Banks in the order in which they are asked, by address inside them. */
		CHECK(i == 0 || shown.block[i - 1].head.n < block->head.n ||
		      (block->head.n < FRAME(GIB(4)) && shown.block[i - 1].head.n >= FRAME(GIB(4))));
	}
	/* References and frees of old blocks do not make them new; what takes their place is. */
	CHECK_EQ(frames_get(&w.f, old[0]), MM_OK);
	CHECK_EQ(frames_put(&w.f, old[0], NULL), MM_OK);
	CHECK_EQ(leaks(), 15);
	CHECK(world_free(&w, old[0].n, 0));
	CHECK_EQ(leaks(), 15);
	CHECK(world_alloc(&w, 0, 0, TAG_USER + 20, &f));
	CHECK_EQ(f.n, old[0].n);
	CHECK_EQ(leaks(), 16);
	CHECK(world_free(&w, f.n, 0));
	CHECK(world_free(&w, new[0].n, 3));
	CHECK_EQ(leaks(), 7);
	frames_mark(&w.f);
	CHECK_EQ(leaks(), 0);
	world_check(&w);
}

TEST(FC3, "a frame that goes through a cache is new when it comes out; whole sections are marked as well")
{
	struct span bank = { FRAME(GIB(8)), 2 * SECTION_PAGES };
	paddr_t a, b;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory[0]), MM_OK);
	a = frames_alloc_page(&w.f, TAG_USER);
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(9))), MAX_ORDER, TAG_USER), MM_OK);
	f = pfn(FRAME(GIB(9)));
	CHECK_EQ(leaks(), SECTION_PAGES + 1);
	frames_mark(&w.f);
	CHECK_EQ(leaks(), 0);
	CHECK_EQ(frames_free_page(&w.f, a), MM_OK);
	b = frames_alloc_page(&w.f, TAG_USER);
	CHECK_EQ(a.v, b.v);
	CHECK_EQ(leaks(), 1);
	CHECK_EQ(frames_free(&w.f, f, MAX_ORDER), MM_OK);
	CHECK_EQ(frames_take(&w.f, f, MAX_ORDER, TAG_USER), MM_OK);
	CHECK_EQ(leaks(), SECTION_PAGES + 1);
	CHECK_EQ(shown.block[1].order, MAX_ORDER);
	CHECK_EQ(shown.block[1].head.n, f.n);
	CHECK_EQ(frames_free(&w.f, f, MAX_ORDER), MM_OK);
	CHECK_EQ(frames_free_page(&w.f, b), MM_OK);
	CHECK_EQ(leaks(), 0);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

/* ---- fragmentation ----------------------------------------------------------------------------------------------- */

TEST(FC1, "the share of free memory that is too scattered for an order, in thousandths")
{
	struct frames_stats s = { 0 };

	for (unsigned order = 0; order <= MAX_ORDER; order++)
		CHECK_EQ(frames_fragmentation(&s, order), 1000);
	s.free_blocks[0] = 1;
	CHECK_EQ(frames_fragmentation(&s, 0), 0);
	CHECK_EQ(frames_fragmentation(&s, 1), 1000);
	s.free_blocks[3] = 1;
	CHECK_EQ(frames_fragmentation(&s, 0), 0);
	CHECK_EQ(frames_fragmentation(&s, 1), 111);
	CHECK_EQ(frames_fragmentation(&s, 3), 111);
	CHECK_EQ(frames_fragmentation(&s, 4), 1000);
	s.free_blocks[MAX_ORDER] = (uint64_t)1 << 18; /* 256 TiB */
	CHECK_EQ(frames_fragmentation(&s, MAX_ORDER), 0);
	s.free_blocks[MAX_ORDER - 1] = (uint64_t)1 << 18;
	CHECK_EQ(frames_fragmentation(&s, MAX_ORDER), 333);
	CHECK_EQ(frames_fragmentation(&s, MAX_ORDER - 1), 0);
}

TEST(FC1, "of a real memory: nothing is lost to a request while blocks are whole, half of it when every second is")
{
	struct span bank = { FRAME(GIB(1)), 0x400 };
	struct frames_stats s;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	frames_get_stats(&w.f, &s);
	CHECK_EQ(frames_fragmentation(&s, 10), 0);
	for (unsigned i = 0; i < 0x200; i += 2)
		CHECK(world_take(&w, bank.start + i, 0, TAG_TEST));
	frames_get_stats(&w.f, &s);
	CHECK_EQ(frames_fragmentation(&s, 0), 0);
	CHECK_EQ(frames_fragmentation(&s, 1), 333);
	CHECK_EQ(frames_fragmentation(&s, 9), 333);
	CHECK_EQ(frames_fragmentation(&s, 10), 1000);
}

/* ---- several CPUs ------------------------------------------------------------------------------------------------ */

#if __STDC_HOSTED__

#define THREADS 3

static bool working;
static unsigned thread_wrong;

static void *thread_run(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;
	uint64_t seed = id;

	host_set_cpu_id(id);
	if (frames_cpu_online(&w.f, id, 0, &memory[id]))
		return arg;
	while (__atomic_load_n(&working, __ATOMIC_RELAXED)) {
		unsigned order = chance(&seed) % 2 ? 0 : (unsigned)(chance(&seed) % 6), wrong = 0;
		pfn_t f;

		if (frames_alloc(&w.f, order, 0, TAG_USER + id, &f))
			continue;
		wrong += frames_get(&w.f, f) != MM_OK;
		wrong += frames_put(&w.f, f, NULL) != MM_OK;
		wrong += frames_free(&w.f, f, order) != MM_OK;
		__atomic_fetch_add(&thread_wrong, wrong, __ATOMIC_RELAXED);
	}
	return frames_cpu_offline(&w.f) ? arg : NULL;
}

TEST_ON(TAP_HOST, FC3, "marking and listing while others allocate and free: what stays is found, what is new is new")
{
	struct span bank = { FRAME(GIB(1)), 0x2000 };
	pthread_t thread[THREADS];
	static uint64_t owned[256];
	unsigned missing = 0;
	pfn_t old, f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_alloc(&w.f, 2, 0, TAG_HEAP, &old), MM_OK);
	working = true;
	thread_wrong = 0;
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_OR_RETURN(!pthread_create(&thread[i], NULL, thread_run, (void *)(uintptr_t)(i + 1)));
	for (unsigned round = 0; round < 100; round++) {
		bool has_old = false, has_new = false;

		frames_mark(&w.f);
		CHECK_EQ(frames_alloc(&w.f, 3, 0, TAG_STACK, &f), MM_OK);
		shown.n = 0;
		frames_leaks(&w.f, show, &shown);
		for (unsigned i = 0; i < shown.n && i < ARRAY_SIZE(shown.block); i++) {
			has_old |= shown.block[i].head.n == old.n;
			has_new |= shown.block[i].head.n == f.n && shown.block[i].tag == TAG_STACK;
		}
		missing += has_old || !has_new;
		frames_count_owners(&w.f, owned);
		missing += owned[TAG_HEAP] != 4 || owned[TAG_STACK] != 8;
		CHECK_EQ(frames_free(&w.f, f, 3), MM_OK);
	}
	__atomic_store_n(&working, false, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < THREADS; i++) {
		void *back = &w;

		pthread_join(thread[i], &back);
		CHECK(back == NULL);
	}
	CHECK_EQ(missing, 0);
	CHECK_EQ(thread_wrong, 0);
	CHECK_EQ(leaks(), 0);
	CHECK_EQ(frames_free(&w.f, old, 2), MM_OK);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

#endif
