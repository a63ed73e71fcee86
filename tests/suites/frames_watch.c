/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is kept back, and who is told that memory runs low: several banks, with caches and without, through every call that
 * moves frames.
 */
#define SUITE "frames_watch"
#include "tests/suites/frames_world.h"

#if __STDC_HOSTED__
#include "arch/host/host.h"
#include <pthread.h>
#endif

static struct world w;
static struct {
	_Alignas(64) char bytes[FRAMES_CPU_BYTES];
} memory[4];

static const struct span small = { FRAME(GIB(1)), 0x400 };

static uint64_t free_pages(void)
{
	struct frames_stats s;

	frames_get_stats(&w.f, &s);
	return s.free_pages;
}

static uint64_t kept(unsigned bank)
{
	return world_bank(&w, bank)->reserve_pages;
}

/* ---- the reserve ------------------------------------------------------------------------------------------------- */

TEST(FW1, "what is kept back is refused to all requests but those that may have it, to the frame")
{
	static paddr_t pa[0x100];
	uint64_t got = 0;
	pfn_t f;

	WORLD_OR_RETURN(&w, &small, 1);
	world_add(&w, small.start, small.pages);
	CHECK_EQ(frames_set_reserve(&w.f, small.pages + 1), MM_ENOMEM);
	CHECK_EQ(kept(0), 0);
	CHECK_EQ(frames_set_reserve(&w.f, 0x18), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 9, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 9, 0, TAG_TEST, &f), MM_ENOMEM);
	CHECK_EQ(frames_alloc(&w.f, 9, FRAMES_BELOW_4G, TAG_TEST, &f), MM_ENOMEM);
	CHECK_EQ(frames_alloc_bulk(&w.f, 0x100, 0, TAG_TEST, pa), MM_OK);
	CHECK_EQ(frames_alloc_bulk(&w.f, 0x100 - 0x18 + 1, 0, TAG_TEST, pa), MM_ENOMEM);
	CHECK_EQ(free_pages(), 0x100);
	while (frames_is_page(frames_alloc_page(&w.f, TAG_TEST)))
		got++;
	CHECK_EQ(got, 0x100 - 0x18);
	CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &f), MM_ENOMEM);
	CHECK_EQ(frames_alloc_bulk(&w.f, 1, 0, TAG_TEST, pa), MM_ENOMEM);
	/* An exact frame may be any. */
	CHECK_EQ(frames_take(&w.f, pfn(small.start + small.pages - 1), 0, TAG_TEST), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 3, FRAMES_RESERVE, TAG_TEST, &f), MM_OK);
	CHECK_EQ(frames_alloc_bulk(&w.f, 0xf, FRAMES_RESERVE | FRAMES_BELOW_4G, TAG_TEST, pa), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 0, FRAMES_RESERVE, TAG_TEST, &f), MM_ENOMEM);
	CHECK_EQ(free_pages(), 0);
	/* What comes back fills the reserve first. */
	CHECK_EQ(frames_free_bulk(&w.f, 0xf, pa), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &f), MM_ENOMEM);
	CHECK_EQ(frames_set_reserve(&w.f, 0x10), MM_ENOMEM);
	CHECK_EQ(kept(0), 0x18);
	CHECK_EQ(frames_set_reserve(&w.f, 0xe), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &f), MM_ENOMEM);
	CHECK_EQ(frames_set_reserve(&w.f, 0), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(FW1, "a reserve is spread over the banks by size, as far as they have free frames, and is all there")
{
	struct span banks[] = { { FRAME(GIB(1)), 0x80 }, { FRAME(GIB(4)), 0x100 }, { FRAME(GIB(7)), 0x280 } };
	struct frames_stats s;
	uint64_t got = 0;
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 3);
	for (unsigned i = 0; i < 3; i++)
		world_add(&w, banks[i].start, banks[i].pages);
	/* Banks by address from 4 GiB on, then the low one. */
	CHECK_EQ(frames_set_reserve(&w.f, 0x40), MM_OK);
	CHECK_EQ(kept(0), 0x10);
	CHECK_EQ(kept(1), 0x28);
	CHECK_EQ(kept(2), 8);
	CHECK_EQ(frames_set_reserve(&w.f, 0x41), MM_OK);
	CHECK_EQ(kept(0) + kept(1) + kept(2), 0x41);
	CHECK_EQ(frames_set_reserve(&w.f, 1), MM_OK);
	CHECK_EQ(kept(0) + kept(1) + kept(2), 1);
	CHECK_EQ(frames_set_reserve(&w.f, 0x400), MM_OK);
	CHECK_EQ(kept(1), 0x280);
	CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &f), MM_ENOMEM);
	CHECK_EQ(frames_set_reserve(&w.f, 0), MM_OK);
	/* The largest bank is in use: the others keep its share as well. */
	CHECK_EQ(frames_take(&w.f, pfn(banks[2].start), 9, TAG_TEST), MM_OK);
	CHECK_EQ(frames_take(&w.f, pfn(banks[2].start + 0x200), 6, TAG_TEST), MM_OK);
	CHECK_EQ(frames_set_reserve(&w.f, 0x1c1), MM_ENOMEM);
	CHECK_EQ(frames_set_reserve(&w.f, 0x180), MM_OK);
	CHECK_EQ(kept(1), 0x40);
	CHECK_EQ(kept(0) + kept(2), 0x140);
	frames_get_stats(&w.f, &s);
	CHECK_EQ(s.reserve_pages, 0x180);
	while (frames_alloc(&w.f, 0, 0, TAG_TEST, &f) == MM_OK)
		got++;
	CHECK_EQ(got, 0x40);
	CHECK_EQ(free_pages(), 0x180);
	while (frames_alloc(&w.f, 0, FRAMES_RESERVE | FRAMES_BELOW_4G, TAG_TEST, &f) == MM_OK)
		got++;
	CHECK_EQ(got, 0x40 + kept(2));
	while (frames_alloc(&w.f, 0, FRAMES_RESERVE, TAG_TEST, &f) == MM_OK)
		got++;
	CHECK_EQ(got, 0x1c0);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

#if __STDC_HOSTED__

TEST_ON(TAP_HOST, FW1, "a reserve is spread by size also where there are tebibytes")
{
	/* 1/8, 3/8 and 1/2 of 1 TiB. */
	struct span banks[] = { { FRAME(GIB(1024)), FRAME(GIB(128)) },
				{ FRAME(GIB(2048)), FRAME(GIB(384)) },
				{ FRAME(GIB(4096)), FRAME(GIB(512)) } };
	uint64_t all = FRAME(GIB(1024));

	WORLD_OR_RETURN(&w, banks, 3);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(frames_add_memory(&w.f, pfn(banks[i].start), banks[i].pages), MM_OK);
	for (uint64_t pages = 8; pages <= all; pages *= 4) {
		CHECK_EQ(frames_set_reserve(&w.f, pages), MM_OK);
		CHECK_EQ(kept(0), pages / 8);
		CHECK_EQ(kept(1), pages / 8 * 3);
		CHECK_EQ(kept(2), pages / 2);
	}
	CHECK_EQ(frames_set_reserve(&w.f, all + 1), MM_ENOMEM);
	CHECK_EQ(frames_set_reserve(&w.f, 0), MM_OK);
}

#endif

TEST(FW1, "a reserve of nothing can be made where there is nothing")
{
	WORLD_OR_RETURN(&w, &small, 1);
	CHECK_EQ(frames_set_reserve(&w.f, 0), MM_OK);
	CHECK_EQ(frames_set_reserve(&w.f, 1), MM_ENOMEM);
	CHECK_EQ(kept(0), 0);
}

TEST(FW1, "caches are filled with what is not kept back, and what they hold counts as free for the reserve")
{
	struct span bank = { FRAME(GIB(1)), FRAME(MIB(16)) };
	static paddr_t pa[FRAME(MIB(16))];
	unsigned got = 0;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory[0]), MM_OK);
	CHECK_EQ(frames_free_page(&w.f, frames_alloc_page(&w.f, TAG_TEST)), MM_OK);
	CHECK_EQ(frames_set_reserve(&w.f, bank.pages + 1), MM_ENOMEM);
	CHECK_EQ(frames_set_reserve(&w.f, bank.pages), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &f), MM_ENOMEM);
	/* 100 and a half batch: the last refill is cut short. */
	CHECK_EQ(frames_set_reserve(&w.f, 100), MM_OK);
	while (frames_is_page(pa[got] = frames_alloc_page(&w.f, TAG_TEST)))
		got++;
	CHECK_EQ(got, bank.pages - 100);
	for (unsigned i = 0; i < got; i++)
		CHECK_EQ(frames_free_page(&w.f, pa[i]), MM_OK);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	CHECK_EQ(free_pages(), bank.pages);
}

/* ---- watermarks -------------------------------------------------------------------------------------------------- */

static struct {
	unsigned low, high;
	uint64_t free; /* of the last call */
	enum frames_level level;
	void *ctx;
	bool in_call;
} heard;

static void listener(void *ctx, enum frames_level level, uint64_t free)
{
	heard.low += level == FRAMES_LEVEL_LOW;
	heard.high += level == FRAMES_LEVEL_HIGH;
	heard.free = free;
	heard.level = level;
	heard.ctx = ctx;
#if __STDC_HOSTED__
	CHECK_EQ(host_irq_depth(), 0);
#endif
}

static void listen(uint64_t low, uint64_t high)
{
	memset(&heard, 0, sizeof(heard));
	CHECK_EQ(frames_watch(&w.f, low, high, listener, &heard), MM_OK);
}

TEST(FW2, "each crossing is told once: below the low mark, above the high mark, nothing between and nothing at them")
{
	static pfn_t f[0x400];
	unsigned n = 0;

	WORLD_OR_RETURN(&w, &small, 1);
	world_add(&w, small.start, small.pages);
	listen(0x100, 0x200);
	for (unsigned round = 1; round < 4; round++) {
		while (free_pages() > 0x100)
			CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &f[n++]), MM_OK);
		CHECK_EQ(heard.low, round - 1);
		CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &f[n++]), MM_OK);
		CHECK_EQ(heard.low, round);
		CHECK_EQ(heard.free, 0xff);
		CHECK(heard.level == FRAMES_LEVEL_LOW && heard.ctx == &heard);
		for (unsigned i = 0; i < 8; i++)
			CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &f[n++]), MM_OK);
		/* Up to the low mark and down again is nothing. */
		while (free_pages() < 0x200)
			CHECK_EQ(frames_free(&w.f, f[--n], 0), MM_OK);
		CHECK_EQ(heard.high, round - 1);
		CHECK_EQ(frames_free(&w.f, f[--n], 0), MM_OK);
		CHECK_EQ(heard.high, round);
		CHECK_EQ(heard.free, 0x201);
		CHECK_EQ(heard.level, FRAMES_LEVEL_HIGH);
		while (free_pages() < 0x300)
			CHECK_EQ(frames_free(&w.f, f[--n], 0), MM_OK);
		CHECK_EQ(heard.low, round);
		CHECK_EQ(heard.high, round);
	}
	CHECK_EQ(frames_watch(&w.f, 0, 0, NULL, NULL), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 9, 0, TAG_TEST, f), MM_OK);
	CHECK_EQ(heard.low, 3);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(FW3,
     "marks that make no sense change nothing; a watcher that comes late is told at once; a second replaces the first")
{
	pfn_t f;

	WORLD_OR_RETURN(&w, &small, 1);
	world_add(&w, small.start, small.pages);
	listen(0x200, 0x300);
	CHECK_EQ(frames_watch(&w.f, 0, 0x100, listener, NULL), MM_EINVAL);
	CHECK_EQ(frames_watch(&w.f, 0x100, 0x100, listener, NULL), MM_EINVAL);
	CHECK_EQ(frames_watch(&w.f, 0x101, 0x100, listener, NULL), MM_EINVAL);
	CHECK_EQ(frames_watch(&w.f, 0, 0, listener, NULL), MM_EINVAL);
	CHECK_EQ(frames_watch(&w.f, 1, 2, NULL, NULL), MM_EINVAL);
	CHECK_EQ(frames_watch(&w.f, 0, 2, NULL, NULL), MM_EINVAL);
	CHECK_EQ(frames_watch(&w.f, 1, 0, NULL, NULL), MM_EINVAL);
	CHECK_EQ(frames_alloc(&w.f, 9, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(heard.low, 0);
	CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(heard.low, 1);
	CHECK_EQ(heard.ctx, &heard);
	/* Already below these marks. */
	listen(0x280, 0x300);
	CHECK_EQ(heard.low, 1);
	CHECK_EQ(heard.free, 0x1ff);
	/* Above these: the first one's state is gone with it. */
	CHECK_EQ(frames_watch(&w.f, 0x10, 0x20, listener, &w), MM_OK);
	CHECK_EQ(heard.low + heard.high, 1);
	CHECK_EQ(frames_alloc(&w.f, 8, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 7, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 6, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(heard.low, 1);
	CHECK_EQ(frames_alloc(&w.f, 5, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 4, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(heard.low, 2);
	CHECK_EQ(heard.ctx, &w);
	/* Memory that is added counts. */
	CHECK_EQ(frames_watch(&w.f, 0, 0, NULL, NULL), MM_OK);
	CHECK_EQ(frames_free(&w.f, f, 4), MM_OK);
	CHECK_EQ(heard.high, 0);
}

/* What the next call must have been told when free frames went from 0x300 to less and back. */
static void expect_told(const char *what, unsigned low, unsigned high)
{
	if (heard.low != low || heard.high != high)
		tap_note("%s: told %u times of low, %u of high", what, heard.low, heard.high);
	CHECK_EQ(heard.low, low);
	CHECK_EQ(heard.high, high);
}

TEST(FW2, "every call that moves frames between banks and users is noticed")
{
	struct frames_request r = { .tag = TAG_TEST, .flags = FRAMES_BEST_EFFORT };
	struct frames_run runs[2];
	static paddr_t pa[0x180];
	unsigned n;
	pfn_t f;

	WORLD_OR_RETURN(&w, &small, 1);
	world_add(&w, small.start, small.pages);
	listen(0x380, 0x3ff);
	CHECK_EQ(frames_alloc(&w.f, 8, 0, TAG_TEST, &f), MM_OK);
	expect_told("alloc", 1, 0);
	CHECK_EQ(frames_free(&w.f, f, 8), MM_OK);
	expect_told("free", 1, 1);
	CHECK_EQ(frames_alloc(&w.f, 8, FRAMES_BELOW_4G, TAG_TEST, &f), MM_OK);
	expect_told("alloc below 4 GiB", 2, 1);
	CHECK_EQ(frames_put(&w.f, f, NULL), MM_OK);
	expect_told("put", 2, 2);
	CHECK_EQ(frames_take(&w.f, pfn(small.start), 8, TAG_TEST), MM_OK);
	expect_told("take", 3, 2);
	CHECK_EQ(frames_free_paddr(&w.f, paddr(GIB(1)), 8), MM_OK);
	expect_told("free by address", 3, 3);
	CHECK_EQ(frames_alloc_bulk(&w.f, 0x180, 0, TAG_TEST, pa), MM_OK);
	expect_told("bulk", 4, 3);
	CHECK_EQ(frames_free_bulk(&w.f, 0x180, pa), MM_OK);
	expect_told("free of bulk", 4, 4);
	r.flags = 0;
	CHECK_EQ(frames_alloc_exact(&w.f, 0x181, &r, &f), MM_OK);
	expect_told("exact", 5, 4);
	CHECK_EQ(frames_free_exact(&w.f, f, 0x181), MM_OK);
	expect_told("free of exact", 5, 5);
	CHECK_EQ(frames_alloc_request(&w.f, 8, &r, &f), MM_OK);
	expect_told("request", 6, 5);
	CHECK_EQ(frames_free(&w.f, f, 8), MM_OK);
	expect_told("free of a request", 6, 6);
	CHECK_EQ(frames_alloc_runs(&w.f, 0x181, 1, &r, runs, 2, &n), MM_OK);
	expect_told("runs", 7, 6);
	CHECK_EQ(frames_free_exact(&w.f, runs[0].first, runs[0].pages), MM_OK);
	expect_told("free of runs", 7, 7);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(FW2, "whole sections are noticed, freed or put")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	listen(1, 2);
	for (unsigned i = 1; i < 4; i++) {
		CHECK_EQ(frames_alloc(&w.f, MAX_ORDER, 0, TAG_TEST, &f), MM_OK);
		expect_told("alloc", i, i - 1);
		CHECK_EQ(i == 1	  ? frames_free(&w.f, f, MAX_ORDER)
			 : i == 2 ? frames_put(&w.f, f, NULL)
				  : frames_free_exact(&w.f, f, SECTION_PAGES),
			 MM_OK);
		expect_told("free", i, i);
	}
}

TEST(FW2, "through a cache a crossing is told one batch late at most; what caches hold is free")
{
	struct span bank = { FRAME(GIB(1)), FRAME(MIB(32)) };
	static paddr_t pa[FRAME(MIB(32))];
	unsigned n = 0;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory[0]), MM_OK);
	listen(0x1000, 0x1800);
	for (unsigned round = 1; round < 3; round++) {
		while (heard.low < round && n < bank.pages)
			CHECK(frames_is_page(pa[n++] = frames_alloc_page(&w.f, TAG_TEST)));
		CHECK(bank.pages - n < 0x1000 && bank.pages - n + FRAMES_CACHE_BATCH >= 0x1000);
		CHECK(heard.free <= bank.pages - n + 1 && heard.free >= bank.pages - n);
		for (unsigned i = 0; i < 200; i++)
			CHECK(frames_is_page(pa[n++] = frames_alloc_page(&w.f, TAG_TEST)));
		while (heard.high < round && n)
			CHECK_EQ(frames_free_page(&w.f, pa[--n]), MM_OK);
		CHECK(bank.pages - n > 0x1800 && bank.pages - n - FRAMES_CACHE_BATCH <= 0x1800);
		CHECK_EQ(heard.low, round);
	}
	while (n)
		CHECK_EQ(frames_free_page(&w.f, pa[--n]), MM_OK);
	/* A drain moves frames, but none becomes free or used. */
	CHECK(frames_drain(&w.f) > 0);
	expect_told("drain", 2, 2);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

/* Gives back what was set aside, and tries everything else that it may. */
static pfn_t set_aside;

static void helper(void *ctx, enum frames_level level, uint64_t free)
{
	paddr_t pa = frames_alloc_page(&w.f, TAG_USER);

	(void)ctx;
	(void)free;
	CHECK(frames_is_page(pa));
	CHECK_EQ(frames_free_page(&w.f, pa), MM_OK);
	heard.low += level == FRAMES_LEVEL_LOW;
	heard.high += level == FRAMES_LEVEL_HIGH;
	if (level == FRAMES_LEVEL_LOW) {
		CHECK(!heard.in_call);
		heard.in_call = true;
		CHECK_EQ(frames_free(&w.f, set_aside, 9), MM_OK);
		/* This went above the high mark: the other call came in between. */
		CHECK_EQ(heard.high, heard.low);
		CHECK_EQ(frames_validate(&w.f), MM_OK);
		heard.in_call = false;
	} else {
		CHECK(heard.in_call);
	}
}

TEST(FW2, "the callback may allocate and free; what it frees is told as well")
{
	pfn_t f;
	unsigned n;

	WORLD_OR_RETURN(&w, &small, 1);
	world_add(&w, small.start, small.pages);
	memset(&heard, 0, sizeof(heard));
	for (unsigned round = 1; round < 3; round++) {
		CHECK_EQ(frames_alloc(&w.f, 9, 0, TAG_TEST, &set_aside), MM_OK);
		if (round == 1)
			CHECK_EQ(frames_watch(&w.f, 0x100, 0x180, helper, NULL), MM_OK);
		for (n = 0; heard.low < round && n < 0x400; n++)
			CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &f), MM_OK);
		CHECK_EQ(n, 0x101);
		expect_told("helper", round, round);
		CHECK_EQ(frames_watch(&w.f, 0x100, 0x180, helper, NULL), MM_OK);
		for (n = 0; n < 0x101; n++)
			CHECK_EQ(frames_free(&w.f, pfn(world_bank(&w, 0)->start + 0x200 + n), 0), MM_OK);
	}
}

/* ---- several CPUs ------------------------------------------------------------------------------------------------ */

#if __STDC_HOSTED__

#define THREADS 4

static unsigned turns_low, turns_high;
static pthread_barrier_t full;

static void counter(void *ctx, enum frames_level level, uint64_t free)
{
	(void)ctx;
	(void)free;
	__atomic_fetch_add(level == FRAMES_LEVEL_LOW ? &turns_low : &turns_high, 1, __ATOMIC_RELAXED);
}

static void *thread_run(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;
	static paddr_t held[THREADS][0x400];

	host_set_cpu_id(id);
	if (frames_cpu_online(&w.f, id, 0, &memory[id]))
		return NULL;
	for (unsigned i = 0; i < 60; i++) {
		unsigned n = 0;

		while (n < 0x300 && frames_is_page(held[id][n] = frames_alloc_page(&w.f, TAG_TEST)))
			n++;
		/* Once at least all of them have what they can get, whatever else runs on this machine. */
		if (!i)
			pthread_barrier_wait(&full);
		while (n)
			if (frames_free_page(&w.f, held[id][--n]))
				return NULL;
	}
	return frames_cpu_offline(&w.f) ? NULL : arg;
}

TEST_ON(TAP_HOST, FW2, "with four CPUs at work, turns alternate, and the last one told is what is true")
{
	struct span bank = { FRAME(GIB(1)), 0x800 };
	pthread_t thread[THREADS];

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	turns_low = turns_high = 0;
	CHECK_OR_RETURN(!pthread_barrier_init(&full, NULL, THREADS));
	CHECK_EQ(frames_watch(&w.f, 0x200, 0x400, counter, NULL), MM_OK);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_OR_RETURN(!pthread_create(&thread[i], NULL, thread_run, (void *)(uintptr_t)i));
	for (unsigned i = 0; i < THREADS; i++) {
		void *back;

		pthread_join(thread[i], &back);
		CHECK_EQ((uintptr_t)back, i);
	}
	pthread_barrier_destroy(&full);
	CHECK(turns_low > 0);
	CHECK_EQ(turns_low, turns_high);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	tap_note("memory ran low %u times", turns_low);
}

#endif

/* ---- the kernel's own reserve ------------------------------------------------------------------------------------ */

#if defined(__aarch64__) && !__STDC_HOSTED__

#include "arch/arch.h"
#include "boot/boot.h"
#include "mm/layout.h"
#include "mm/mmu.h"

#define WINDOW (LAYOUT_VMALLOC + LAYOUT_VMALLOC_SIZE - GIB(2)) /* nobody has mapped anything near */

TEST_ON(TAP_TARGET, FX12,
	"with the last ordinary page taken, a mapping that needs tables can still be made, and goes again")
{
	struct frames_stats before, stats;
	uint64_t head = UINT64_MAX;
	paddr_t page;
	int err;

	frames_get_stats(boot.frames, &before);
	CHECK(before.reserve_pages > 0);
	CHECK(before.reserve_pages <= FRAME(MIB(1)));
	CHECK(before.reserve_pages <= before.total_pages / 1024);
	for (int order = MAX_ORDER; order >= 0; order--) {
		pfn_t f;

		while (frames_alloc(boot.frames, (unsigned)order, 0, TAG_TEST, &f) == MM_OK) {
			*(uint64_t *)phys_to_virt(pfn_to_paddr(f)) = head;
			head = pfn_to_paddr(f).v | (unsigned)order;
		}
	}
	frames_get_stats(boot.frames, &stats);
	CHECK_EQ(stats.free_pages, before.reserve_pages);
	page = paddr(head & ~PAGE_MASK);
	err = pgtable_map(&mmu_kernel, WINDOW, page, PAGE_SIZE, (struct pt_attrs){ 0, PT_NORMAL }, 0);
	CHECK_EQ(err, MM_OK);
	frames_get_stats(boot.frames, &stats);
	CHECK(stats.free_pages < before.reserve_pages);
	if (!err) {
		CHECK_EQ(*(volatile uint64_t *)WINDOW, *(volatile uint64_t *)phys_to_virt(page));
		CHECK_EQ(pgtable_unmap(&mmu_kernel, WINDOW, PAGE_SIZE), MM_OK);
	}
	frames_get_stats(boot.frames, &stats);
	CHECK_EQ(stats.free_pages, before.reserve_pages);
	while (head != UINT64_MAX) {
		uint64_t block = head;

		head = *(uint64_t *)phys_to_virt(paddr(block & ~PAGE_MASK));
		CHECK_EQ(frames_free(boot.frames, pfn(block >> PAGE_SHIFT), block & PAGE_MASK), MM_OK);
	}
	frames_get_stats(boot.frames, &stats);
	CHECK_EQ(stats.free_pages, before.free_pages);
	CHECK_EQ(stats.reserve_pages, before.reserve_pages);
	CHECK_EQ(frames_validate(boot.frames), MM_OK);
}

#endif
