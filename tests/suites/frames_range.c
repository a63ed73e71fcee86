/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges across blocks: the walk that looks for them, taking one, the best that a fragmented memory has, and giving back
 * what must be right to the last block.
 */
#define SUITE "frames_range"
#include "tests/suites/range_world.h"
#include "arch/arch.h"
#include "arch/spinlock.h"

#if __STDC_HOSTED__
#include "arch/host/host.h"
#include <pthread.h>
#endif

static struct {
	_Alignas(64) char bytes[FRAMES_CPU_BYTES];
} memory[4];

static struct frames_stats stats(void)
{
	struct frames_stats s;

	frames_get_stats(&w.f, &s);
	return s;
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

struct seen {
	struct span range[300]; /* joined */
	unsigned n, pieces, enough;
};

static bool see(void *ctx, uint64_t n, uint64_t pages)
{
	struct seen *s = ctx;

	if (s->n && s->range[s->n - 1].start + s->range[s->n - 1].pages == n)
		s->range[s->n - 1].pages += pages;
	else if (s->n < ARRAY_SIZE(s->range))
		s->range[s->n++] = (struct span){ n, pages };
	return ++s->pieces == s->enough;
}

/* The ranges that a walk over model bank i sees are the model's runs of free frames. */
static void check_walk(unsigned i)
{
	static struct seen seen;
	unsigned k = 0, wrong = 0;

	seen = (struct seen){ .enough = UINT32_MAX };
	buddy_walk_free(world_bank(&w, i), see, &seen);
	for (unsigned r = 0; r < w.model.runs; r++) {
		const struct model_run *run = &w.model.run[r];

		if (run->bank != i || run->state != MODEL_FREE)
			continue;
		wrong += k >= seen.n || seen.range[k].start != run->n || seen.range[k].pages != run->pages;
		k++;
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(seen.n, k);
}

TEST(FX4, "the walk sees all free frames of a bank, by address, in pieces that touch when their frames do")
{
	struct span bank = { FRAME(GIB(1)) + 0x35, 0x2400 };
	uint64_t seed = 4;
	unsigned order, before;
	struct seen seen = { .enough = 3 };
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	check_walk(0);
	world_add(&w, bank.start + 3, 0x1000);
	world_add(&w, bank.start + 0x1004, 0x13fc);
	check_walk(0);
	for (unsigned i = 0; i < 300; i++) {
		const struct model_run *block = world_random_used(&w, &seed);

		if (chance(&seed) % 3 || !block)
			CHECK(world_alloc(&w, (unsigned)(chance(&seed) % 7), 0, TAG_TEST, &f));
		else
			CHECK(world_free(&w, block->n, block->order));
		order = (unsigned)(chance(&seed) % 9);
		CHECK(world_take(&w, ALIGN_DOWN(bank.start + 64 + chance(&seed) % 0x2300, (uint64_t)1 << order), order,
				 TAG_TEST));
		if (i % 10 == 0)
			check_walk(0);
	}
	while (world_random_used(&w, &seed)) {
		const struct model_run *block = world_random_used(&w, &seed);

		CHECK_OR_RETURN(world_free(&w, block->n, block->order));
		if (w.model.runs % 16 == 0)
			check_walk(0);
	}
	check_walk(0);
	/* It ends when it is told to, wherever that is: inside 64 frames, 16 MiB, a section. */
	CHECK(world_take(&w, bank.start + 0x1000 + 4, 0, TAG_TEST));
	CHECK(world_take(&w, bank.start + 0x1000 + 6, 0, TAG_TEST));
	for (before = 1; before < 9; before++) {
		seen = (struct seen){ .enough = before };
		buddy_walk_free(world_bank(&w, 0), see, &seen);
		CHECK_EQ(seen.pieces, before);
	}
}

TEST(FX4, "whole sections, untouched or live, are one piece; what is handed out whole, and what is absent, none")
{
	struct span banks[] = { { FRAME(GIB(1)), SECTION_PAGES }, { FRAME(GIB(2)), 0x40 } };
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 2);
	check_walk(0);
	check_walk(1);
	world_add(&w, banks[0].start, SECTION_PAGES);
	world_add(&w, banks[1].start + 5, 0x30);
	check_walk(0);
	check_walk(1);
	CHECK(world_alloc(&w, MAX_ORDER, 0, TAG_TEST, &f));
	check_walk(0);
	CHECK(world_free(&w, f.n, MAX_ORDER));
	check_walk(0);
	CHECK(world_take(&w, FRAME(GIB(2)) - 1, 0, TAG_TEST));
	check_walk(0);
	CHECK(world_take(&w, FRAME(GIB(1)) + 0x12345, 0, TAG_TEST));
	check_walk(0);
	CHECK(world_free(&w, FRAME(GIB(1)) + 0x12345, 0));
	CHECK(world_free(&w, FRAME(GIB(2)) - 1, 0));
	check_walk(0);
	CHECK_EQ(w.sections[1] & SECTION_STATE_MASK, SECTION_LIVE);
}

/* ---- one range --------------------------------------------------------------------------------------------------- */

TEST(FX3, "a range is taken when all of it is free, and otherwise nothing changes")
{
	struct span bank = { FRAME(GIB(1)), 0x200 };
	struct buddy *b;
	uint64_t before;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, 0x100);
	world_add(&w, bank.start + 0x101, 0xff);
	b = world_bank(&w, 0);
	for (unsigned k = 0; k < 77; k += 4) {
		/* Whichever of its frames is not. */
		CHECK(world_take(&w, bank.start + 3 + k, 0, TAG_TEST));
		before = world_sum(&w);
		for (unsigned length = k + 1; length < 77; length += 11) {
			unsigned long irq = spin_lock(&b->lock);
			int err = buddy_take_range_locked(b, bank.start + 3, length, TAG_HEAP);

			spin_unlock(&b->lock, irq);
			CHECK_EQ(err, MM_EBUSY);
		}
		CHECK(world_sum(&w) == before);
		CHECK(world_free(&w, bank.start + 3 + k, 0));
	}
	for (unsigned first = 0; first < 70; first += 7)
		for (unsigned length = 1; length < 80; length += 13) {
			unsigned long irq = spin_lock(&b->lock);
			int err = buddy_take_range_locked(b, bank.start + first, length, TAG_HEAP);

			spin_unlock(&b->lock, irq);
			CHECK_EQ(err, MM_OK);
			model_take_range(bank.start + first, length, TAG_HEAP);
			world_check(&w);
			CHECK(free_exact(bank.start + first, length));
		}
	/* Never given. */
	{
		unsigned long irq = spin_lock(&b->lock);

		CHECK_EQ(buddy_take_range_locked(b, bank.start + 0xff, 3, TAG_HEAP), MM_EBUSY);
		spin_unlock(&b->lock, irq);
	}
	world_check(&w);
}

TEST_ON(TAP_HOST, FX6, "one range across sections: whole ones stay whole, and all of it comes back at once")
{
	struct span banks[] = { { FRAME(GIB(10)) - 0x1234, 3 * SECTION_PAGES }, { FRAME(GIB(5)), 0x40 } };
	struct frames_request r = { .tag = TAG_USER };
	const uint64_t pages = 0x1234 - 0x34 + 2 * SECTION_PAGES + 5;
	unsigned n;

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, banks[0].pages);
	world_add(&w, banks[1].start, banks[1].pages);
	/* Aligned to 0x100 frames; the other bank comes first, but is too small. */
	CHECK(alloc_runs(pages, 0x100, &r, 1, &n) && n == 1);
	CHECK_EQ(runs[0].first.n, FRAME(GIB(10)) - 0x1200);
	CHECK_EQ(w.sections[10] & SECTION_STATE_MASK, SECTION_WHOLE);
	CHECK_EQ(w.sections[11] & SECTION_STATE_MASK, SECTION_WHOLE);
	world_check(&w);
	CHECK(free_exact(runs[0].first.n, pages));
	CHECK_EQ(w.sections[10] & SECTION_STATE_MASK, SECTION_UNTOUCHED);
	world_check(&w);
	/* All of a bank, and one frame more. */
	CHECK(alloc_runs(banks[0].pages, 1, &r, 1, &n) && n == 1);
	CHECK(free_exact(runs[0].first.n, banks[0].pages));
	CHECK(alloc_runs(banks[0].pages + 1, 1, &r, 1, &n) && n == 0);
	world_check(&w);
}

/* Four stretches of 1 to 4 x 16 frames, one frame apart. */
static void fragmented(uint64_t start)
{
	uint64_t n = start;

	for (unsigned i = 1; i <= 4; i++) {
		world_add(&w, n, 16 * i);
		n += 16 * i + 1;
	}
}

TEST(FX7, "the best that there is: the longest ranges, as few as possible, all or nothing")
{
	struct span bank = { FRAME(GIB(1)), 0x200 };
	struct frames_request r = { .tag = TAG_USER, .flags = FRAMES_BEST_EFFORT };
	uint64_t before;
	unsigned n;

	WORLD_OR_RETURN(&w, &bank, 1);
	fragmented(bank.start);
	CHECK(alloc_runs(64, 1, &r, 4, &n) && n == 1);
	CHECK(free_exact(runs[0].first.n, 64));
	CHECK(alloc_runs(65, 1, &r, 4, &n) && n == 2);
	CHECK_EQ(runs[0].pages, 64);
	CHECK_EQ(runs[1].pages, 1);
	for (unsigned i = 0; i < n; i++)
		CHECK(free_exact(runs[i].first.n, runs[i].pages));
	CHECK(alloc_runs(160, 1, &r, 4, &n) && n == 4);
	CHECK_EQ(stats().free_pages, 0);
	for (unsigned i = 0; i < n; i++)
		CHECK(free_exact(runs[i].first.n, runs[i].pages));
	before = world_sum(&w);
	CHECK(alloc_runs(160, 1, &r, 3, &n) && n == 0);
	CHECK(alloc_runs(161, 1, &r, 8, &n) && n == 0);
	CHECK(alloc_runs(65, 1, &r, 1, &n) && n == 0);
	r.flags = 0;
	CHECK(alloc_runs(65, 1, &r, 4, &n) && n == 0);
	CHECK(world_sum(&w) == before);
	/* The borders of the ranges are at 17, 50 and 99; aligned to 16, they begin at 0, 32, 64 and 112. */
	r.flags = FRAMES_BEST_EFFORT;
	CHECK(alloc_runs(52, 16, &r, 4, &n) && n == 2);
	CHECK_EQ(runs[0].first.n, bank.start + 112);
	CHECK_EQ(runs[0].pages, 51);
	world_check(&w);
}

TEST(FX7,
     "short ranges that were seen on the way to one that is long enough stay free; nothing is read behind the runs")
{
	struct span bank = { FRAME(GIB(1)), 0x200 };
	struct frames_request best = { .tag = TAG_TEST, .flags = FRAMES_BEST_EFFORT };
	static struct frames_run three[3], one[1];
	unsigned n = 0;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned i = 0; i < 8; i++)
		CHECK(world_take(&w, bank.start + 0x1f + i * 0x20, 0, TAG_TEST));
	CHECK_EQ(frames_alloc_runs(&w.f, 0x40, 1, &best, three, 3, &n), MM_OK);
	CHECK_EQ(n, 1);
	CHECK_EQ(three[0].first.n, bank.start + 0x100);
	CHECK_EQ(stats().free_pages, 0x200 - 8 - 0x40);
	CHECK_EQ(frames_free_exact(&w.f, three[0].first, 0x40), MM_OK);
	/* As many ranges as there is room for, and too few frames. */
	CHECK_EQ(frames_alloc_runs(&w.f, 0x100 + 2 * 0x1f + 1, 1, &best, three, 3, &n), MM_ENOMEM);
	CHECK_EQ(frames_alloc_runs(&w.f, 0x101, 1, &best, one, 1, &n), MM_ENOMEM);
	CHECK_EQ(stats().free_pages, 0x200 - 8);
	CHECK_EQ(frames_alloc_runs(&w.f, 0x100 + 2 * 0x1f, 1, &best, three, 3, &n), MM_OK);
	CHECK_EQ(n, 3);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(FX7, "of more ranges than runs the longest are had, whichever the walk sees last")
{
	/* The shortest last, when the runs are all in use; then a longer one. */
	static const unsigned lengths[][5] = { { 16, 8, 12 }, { 8, 16, 12 }, { 16, 12, 8, 12 }, { 20, 16, 12, 4, 8 } };
	struct span bank = { FRAME(GIB(1)), 0x100 };
	struct frames_request r = { .tag = TAG_USER, .flags = FRAMES_BEST_EFFORT };

	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		unsigned max = i < 2 ? 2 : i + 1, total = 0, count = 0, shortest = UINT32_MAX, n;
		uint64_t at = bank.start;

		WORLD_OR_RETURN(&w, &bank, 1);
		for (; count < 5 && lengths[i][count]; count++) {
			world_add(&w, at, lengths[i][count]);
			at += lengths[i][count] + 1;
			total += lengths[i][count];
			shortest = lengths[i][count] < shortest ? lengths[i][count] : shortest;
		}
		CHECK_EQ(count, max + 1);
		CHECK(alloc_runs(total - shortest + 1, 1, &r, max, &n) && n == 0);
		CHECK(alloc_runs(total - shortest, 1, &r, max, &n) && n == max);
		world_check(&w);
	}
}

TEST(FX6, "a range is aligned also where a bank begins with frame 0, 1 or 2")
{
	struct frames_request r = { .tag = TAG_USER };
	unsigned n;

	for (uint64_t start = 0; start < 3; start++) {
		struct span bank = { start, 0x40 };

		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, bank.pages);
		CHECK(alloc_runs(0x11, 0x10, &r, 1, &n) && n == 1);
		CHECK_EQ(runs[0].first.n, start ? 0x10 : 0);
		world_check(&w);
	}
}

TEST(FX7, "a request that is refused for want of memory counts as one failure, whatever it asked for")
{
	struct span bank = { FRAME(GIB(1)), 0x40 };
	struct frames_request r = { .flags = FRAMES_BEST_EFFORT }, plain = { .tag = TAG_TEST };
	unsigned n;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, 0x40);
	CHECK_EQ(frames_alloc_exact(&w.f, 0x41, &plain, &f), MM_ENOMEM);
	CHECK_EQ(stats().failures, 1);
	CHECK_EQ(frames_alloc_request(&w.f, 7, &plain, &f), MM_ENOMEM);
	CHECK_EQ(stats().failures, 2);
	CHECK_EQ(frames_alloc_runs(&w.f, 0x41, 1, &plain, runs, 1, &n), MM_ENOMEM);
	CHECK_EQ(stats().failures, 3);
	CHECK_EQ(frames_alloc_runs(&w.f, 0x41, 1, &r, runs, MAX_RUNS, &n), MM_ENOMEM);
	CHECK_EQ(stats().failures, 4);
	/* What makes no sense is no failure of memory. */
	CHECK_EQ(frames_alloc_runs(&w.f, 1, 3, &r, runs, MAX_RUNS, &n), MM_EINVAL);
	CHECK_EQ(frames_alloc_exact(&w.f, 0, &plain, &f), MM_EINVAL);
	CHECK_EQ(stats().failures, 4);
}

/* ---- the reserve, and caches --------------------------------------------------------------------------------------- */

TEST(FX7, "what is kept back for others shortens ranges; as few runs all the same")
{
	/* 60 and 50 frames, of which 100 may be had; 10, 10, 10. */
	struct span banks[] = { { FRAME(GIB(1)), 0x100 }, { FRAME(GIB(2)), 0x100 } };
	struct frames_request r = { .flags = FRAMES_BEST_EFFORT };
	unsigned n = 0;

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, 60);
	world_add(&w, banks[0].start + 61, 50);
	for (unsigned i = 0; i < 3; i++)
		world_add(&w, banks[1].start + 11 * i, 10);
	w.model.bank[0].used = 0;
	CHECK_EQ(frames_set_reserve(&w.f, 14), MM_OK);
	CHECK_EQ(world_bank(&w, 0)->reserve_pages + world_bank(&w, 1)->reserve_pages, 14);
	world_bank(&w, 0)->reserve_pages = 10;
	world_bank(&w, 1)->reserve_pages = 0;
	CHECK_EQ(frames_alloc_runs(&w.f, 110, 1, &r, runs, 3, &n), MM_OK);
	CHECK_EQ(n, 3);
	CHECK_EQ(runs[0].pages, 60);
	CHECK_EQ(runs[1].pages, 40);
	CHECK_EQ(runs[2].pages, 10);
	for (unsigned i = 0; i < n; i++)
		CHECK_EQ(frames_free_exact(&w.f, runs[i].first, runs[i].pages), MM_OK);
	/* One too many runs, one frame too many: nothing has changed. */
	CHECK_EQ(frames_alloc_runs(&w.f, 111, 1, &r, runs, 3, &n), MM_ENOMEM);
	CHECK_EQ(frames_alloc_runs(&w.f, 131, 1, &r, runs, MAX_RUNS, &n), MM_ENOMEM);
	CHECK_EQ(stats().free_pages, 140);
	CHECK_EQ(frames_alloc_runs(&w.f, 130, 1, &r, runs, MAX_RUNS, &n), MM_OK);
	CHECK_EQ(n, 5);
	for (unsigned i = 0; i < n; i++)
		CHECK_EQ(frames_free_exact(&w.f, runs[i].first, runs[i].pages), MM_OK);
	r.flags |= FRAMES_RESERVE;
	CHECK_EQ(frames_alloc_runs(&w.f, 140, 1, &r, runs, MAX_RUNS, &n), MM_OK);
	CHECK_EQ(n, 5);
	CHECK_EQ(stats().free_pages, 0);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(FX6, "what a reserve keeps back is not in a range or an exact number, but for those who may have it")
{
	struct span bank = { FRAME(GIB(1)), 0x100 };
	struct frames_request r = { .tag = TAG_TEST };
	unsigned n;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, 0x100);
	CHECK_EQ(frames_set_reserve(&w.f, 0x10), MM_OK);
	CHECK_EQ(frames_alloc_runs(&w.f, 0xf1, 1, &r, runs, 1, &n), MM_ENOMEM);
	CHECK_EQ(frames_alloc_exact(&w.f, 0xf1, &r, &f), MM_ENOMEM);
	CHECK_EQ(frames_alloc_exact(&w.f, 0xf0, &r, &f), MM_OK);
	CHECK_EQ(frames_alloc_request(&w.f, 0, &r, &f), MM_ENOMEM);
	CHECK_EQ(frames_alloc_runs(&w.f, 1, 1, &r, runs, 1, &n), MM_ENOMEM);
	r.flags = FRAMES_RESERVE;
	CHECK_EQ(frames_alloc_request(&w.f, 3, &r, &f), MM_OK);
	CHECK_EQ(frames_alloc_runs(&w.f, 8, 1, &r, runs, 1, &n), MM_OK);
	CHECK_EQ(stats().free_pages, 0);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(FX6, "ranges and exact numbers are found although caches hold a part of them")
{
	struct span bank = { FRAME(MIB(512)), FRAME(MIB(16)) };
	struct frames_request r = { .tag = TAG_TEST };
	unsigned n = 0;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory[0]), MM_OK);
	for (unsigned i = 0; i < 4; i++) {
		paddr_t pa = frames_alloc_page(&w.f, TAG_TEST);

		CHECK_EQ(frames_free_page(&w.f, pa), MM_OK);
		CHECK(stats().cached_pages);
		r.flags = i == 3 ? FRAMES_BEST_EFFORT : 0;
		if (i == 0)
			CHECK_EQ(frames_alloc_request(&w.f, 12, &r, &f), MM_OK);
		else if (i == 1)
			CHECK_EQ(frames_alloc_exact(&w.f, bank.pages - 1, &r, &f), MM_OK);
		else
			CHECK_EQ(frames_alloc_runs(&w.f, bank.pages, 1, &r, runs, MAX_RUNS, &n), MM_OK);
		CHECK_EQ(stats().cached_pages, 0);
		CHECK_EQ(frames_free_exact(&w.f, pfn(bank.start), bank.pages - (i == 1)), MM_OK);
	}
	CHECK_EQ(n, 1);
	CHECK_EQ(stats().failures, 0);
	world_check(&w);
}

TEST(FX6, "a range that is found at the first look leaves in the caches what they hold")
{
	struct span bank = { FRAME(MIB(512)), FRAME(MIB(16)) };
	struct frames_request r = { .tag = TAG_TEST };
	uint64_t cached;
	unsigned n = 0;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory[0]), MM_OK);
	CHECK_EQ(frames_free_page(&w.f, frames_alloc_page(&w.f, TAG_TEST)), MM_OK);
	cached = stats().cached_pages;
	CHECK(cached > 0);
	for (unsigned i = 0; i < 2; i++) {
		r.flags = i ? FRAMES_BEST_EFFORT : 0;
		CHECK_EQ(frames_alloc_runs(&w.f, 0x300, 1, &r, runs, MAX_RUNS, &n), MM_OK);
		CHECK_EQ(n, 1);
		CHECK_EQ(stats().cached_pages, cached);
		CHECK_EQ(frames_free_exact(&w.f, runs[0].first, 0x300), MM_OK);
	}
	CHECK_EQ(stats().free_pages, bank.pages);
	world_check(&w);
}

TEST_ON(TAP_HOST, FX7, "runs that are asked for zeroed are zero, each of them, and nothing between")
{
	struct span bank = { FRAME(GIB(1)), 0x200 };
	struct frames_request r = { .flags = FRAMES_BEST_EFFORT | FRAMES_ZERO };
	uintptr_t base = arch_linear_base;
	size_t clean = 0;
	unsigned n;
	char *ram;

	WORLD_OR_RETURN(&w, &bank, 1);
	fragmented(bank.start);
	ram = test_arena(0x200 * PAGE_SIZE);
	CHECK_OR_RETURN(ram != NULL);
	memset(ram, 0xa5, 0x200 * PAGE_SIZE);
	arch_linear_base = (uintptr_t)ram - GIB(1);
	CHECK_EQ(frames_alloc_runs(&w.f, 150, 1, &r, runs, MAX_RUNS, &n), MM_OK);
	arch_linear_base = base;
	CHECK_EQ(n, 4);
	for (size_t i = 0; i < 0x200 * PAGE_SIZE; i++)
		clean += ram[i] == 0;
	CHECK_EQ(clean, 150 * PAGE_SIZE);
	for (unsigned i = 0; i < n; i++)
		for (size_t k = 0; k < runs[i].pages * PAGE_SIZE; k++)
			clean -= ram[(runs[i].first.n - bank.start) * PAGE_SIZE + k] == 0;
	CHECK_EQ(clean, 0);
}

/* ---- giving back ------------------------------------------------------------------------------------------------- */

static noinline int bad_free(uint64_t n, uint64_t pages)
{
	uint64_t before = world_sum(&w);
	int err;

	world_log_begin();
	err = frames_free_exact(&w.f, pfn(n), pages);
	CHECK_EQ(world_log_end(), 1);
	CHECK(world_sum(&w) == before);
	CHECK(contains(world_line, "frames: bad free of 0x"));
	return err;
}

TEST(FX5, "a range whose k-th block must not be freed is refused for every k, with its error, and nothing changes")
{
	struct span bank = { FRAME(GIB(1)), 0x100 };
	struct frames_request r = { .tag = TAG_HEAP };
	uint64_t n, blocks = 0;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, 0xc0);
	CHECK(alloc_exact(0x5b, &r, &n));
	for (uint64_t at = n; at < n + 0x5b; at += model_find(&w.model, at)->pages, blocks++) {
		struct model_run block = *model_find(&w.model, at);
		struct page *page = frames_page(&w.f, pfn(at));

		CHECK_OR_RETURN(page != NULL);
		page->ref = 2;
		CHECK_EQ(bad_free(n, 0x5b), MM_EBUSY);
		CHECK(contains(world_line, "tag heap (2), 2 references"));
		page->ref = 0;
		CHECK_EQ(bad_free(n, 0x5b), MM_EBUSY);
		page->ref = 1;
		CHECK(world_free(&w, at, block.order));
		CHECK_EQ(bad_free(n, 0x5b), MM_EDOUBLE);
		CHECK(world_take(&w, at, block.order, TAG_HEAP));
	}
	CHECK_EQ(blocks, 5);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	CHECK(free_exact(n, 0x5b));
	CHECK_EQ(bad_free(n, 0x5b), MM_EDOUBLE);
	world_check(&w);
}

TEST(FX5, "a range goes on from one bank into the next, and from one section into the next")
{
	struct span banks[] = { { FRAME(GIB(2)) - 0x100, 0x100 }, { FRAME(GIB(2)), 2 * SECTION_PAGES } };

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, banks[0].pages);
	world_add(&w, banks[1].start, banks[1].pages);
	for (unsigned order = 0; order < 8; order++) {
		uint64_t size = (uint64_t)1 << order;

		for (unsigned i = 1; i < 3; i++) {
			uint64_t n = banks[0].start + 0x100 + (i - 1) * SECTION_PAGES;

			CHECK(world_take(&w, n - size, order, TAG_TEST));
			CHECK(world_take(&w, n, order, TAG_TEST));
			world_check(&w);
			CHECK(free_exact(n - size, 2 * size));
			world_check(&w);
		}
	}
	for (unsigned i = 0; i < 0x80; i++)
		CHECK(world_take(&w, FRAME(GIB(2)) - 0x40 + i, 0, TAG_TEST));
	CHECK(free_exact(FRAME(GIB(2)) - 0x40, 0x80));
	world_check(&w);
	for (unsigned i = 0; i < 0x80; i++)
		CHECK(world_take(&w, FRAME(GIB(2)) - 0x41 + i, 0, TAG_TEST));
	CHECK(free_exact(FRAME(GIB(2)) - 0x41, 0x80));
	world_check(&w);
}

TEST(FX5, "ranges that begin or end inside a block, leave the bank, or are no ranges")
{
	struct span banks[] = { { FRAME(GIB(1)), 0x100 }, { FRAME(GIB(2)) - 0x80, 0x80 } };
	const uint64_t at = FRAME(GIB(1));
	struct frames_stats s;
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 1);
	world_add(&w, at, 0x80);
	for (unsigned i = 0; i < 4; i++)
		CHECK(world_alloc(&w, 5, 0, TAG_USER, &f));
	CHECK_EQ(bad_free(at, 0x1f), MM_EORDER);
	CHECK_EQ(bad_free(at, 0x21), MM_EORDER);
	CHECK_EQ(bad_free(at + 1, 0x1f), MM_EINTERIOR);
	CHECK_EQ(bad_free(at + 0x10, 0x70), MM_EINTERIOR);
	CHECK_EQ(bad_free(at, 0x81), MM_ERESERVED);
	CHECK_EQ(bad_free(at + 0x80, 1), MM_ERESERVED);
	CHECK_EQ(bad_free(at - 1, 0x81), MM_EFOREIGN);
	CHECK_EQ(bad_free(at, 0), MM_EINVAL);
	CHECK_EQ(bad_free(at, 0 - at), MM_EINVAL);
	CHECK_EQ(bad_free(at, UINT64_MAX), MM_EINVAL);
	CHECK_EQ(bad_free(UINT64_MAX, 1), MM_EINVAL);
	CHECK_EQ(bad_free(UINT64_MAX - 1, 1), MM_EFOREIGN);
	CHECK(contains(world_line, "0xfffffffffffff000"));
	CHECK_EQ(bad_free(0, 1), MM_EFOREIGN);
	CHECK_EQ(bad_free(at + 0x60, UINT64_MAX / 2), MM_ERESERVED);
	CHECK(contains(world_line, "of 0x40080000, in "));
	CHECK(contains(world_line, "frames from 0x40060000 on, by 0x"));
	frames_get_stats(&w.f, &s);
	CHECK_EQ(s.bad_frees, 14);
	world_log_begin();
	CHECK_EQ(frames_free_exact_paddr(&w.f, paddr(GIB(1) + 8), 0x20), MM_EALIGN);
	CHECK_EQ(world_log_end(), 1);
	CHECK(contains(world_line, "of 0x40000008, in 32 frames from 0x40000008 on, by 0x"));
	CHECK_EQ(frames_free_exact_paddr(&w.f, paddr(GIB(1)), 0x20), MM_OK);
	model_free_range(at, 0x20);
	CHECK(world_take(&w, at, 5, TAG_USER));
	/* Blocks of several requests that lie side by side are one range. */
	CHECK(free_exact(at + 0x20, 0x40));
	CHECK_EQ(bad_free(at, 0x80), MM_EDOUBLE);
	CHECK(free_exact(at, 0x20));
	CHECK(free_exact(at + 0x60, 0x20));
	world_check(&w);
}

TEST_ON(TAP_HOST, FX5, "ranges with whole sections: checked and undone like any block")
{
	struct span bank = { FRAME(GIB(8)), 4 * SECTION_PAGES };
	struct frames_request r = { .tag = TAG_USER };
	const uint64_t at = FRAME(GIB(8));
	unsigned n;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, at, bank.pages);
	CHECK(alloc_runs(3 * SECTION_PAGES + 7, 1, &r, 1, &n) && n == 1);
	frames_page(&w.f, pfn(at + 3 * SECTION_PAGES + 6))->ref = 2;
	CHECK_EQ(bad_free(at, 3 * SECTION_PAGES + 7), MM_EBUSY);
	frames_page(&w.f, pfn(at + 3 * SECTION_PAGES + 6))->ref = 1;
	frames_page(&w.f, pfn(at + SECTION_PAGES))->ref = 3;
	CHECK_EQ(bad_free(at, 3 * SECTION_PAGES + 7), MM_EBUSY);
	frames_page(&w.f, pfn(at + SECTION_PAGES))->ref = 1;
	CHECK_EQ(bad_free(at, 3 * SECTION_PAGES + 8), MM_EDOUBLE);
	CHECK_EQ(bad_free(at, 3 * SECTION_PAGES + 5), MM_EORDER);
	CHECK_EQ(bad_free(at + 5, 3 * SECTION_PAGES + 2), MM_EINTERIOR);
	CHECK_EQ(bad_free(at, SECTION_PAGES - 1), MM_EORDER);
	CHECK(world_free(&w, at + SECTION_PAGES, MAX_ORDER));
	CHECK_EQ(bad_free(at, 3 * SECTION_PAGES + 7), MM_EDOUBLE);
	CHECK(world_alloc(&w, MAX_ORDER, 0, TAG_TEST, &f));
	CHECK_EQ(f.n, at + SECTION_PAGES);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	CHECK(free_exact(at, 3 * SECTION_PAGES + 7));
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(w.sections[8 + i] & SECTION_STATE_MASK, SECTION_UNTOUCHED);
	world_check(&w);
}

/* ---- several CPUs ------------------------------------------------------------------------------------------------ */

#if __STDC_HOSTED__

#define THREADS 4
#define RUNS_EACH 3

static unsigned thread_wrong[THREADS], thread_refused[THREADS];

/* Everything that a thread has bears its mark in every block's record: two owners of one frame are seen. */
static void mark_run(unsigned id, uint64_t n, uint64_t pages, unsigned from, unsigned to)
{
	for (uint64_t end = n + pages; n < end;) {
		struct page *page = frames_page(&w.f, pfn(n));

		if (!page || page->tag != TAG_USER + id || page->aux != from || page->ref != 1) {
			thread_wrong[id]++;
			return;
		}
		__atomic_store_n(&page->aux, (uint16_t)to, __ATOMIC_RELAXED); /* the check may be looking */
		n += (uint64_t)1 << page->order;
	}
}

static void *thread_run(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;
	uint64_t seed = id + 1;

	host_set_cpu_id(id);
	if (frames_cpu_online(&w.f, id, id % 2, &memory[id]))
		thread_wrong[id]++;
	for (unsigned i = 0; i < 3000; i++) {
		struct frames_run mine[RUNS_EACH];
		struct frames_request r = { .tag = (uint8_t)(TAG_USER + id),
					    .address_bits = chance(&seed) % 4 ? 0 : 34 };
		uint64_t pages = 1 + chance(&seed) % 600;
		paddr_t pa[5];
		unsigned n = 1;
		int err;

		for (unsigned k = 0; k < ARRAY_SIZE(pa); k++)
			pa[k] = frames_alloc_page(&w.f, (uint8_t)(TAG_USER + id));
		if (chance(&seed) % 3) {
			r.flags = chance(&seed) % 2 ? FRAMES_BEST_EFFORT : 0;
			err = frames_alloc_runs(&w.f, pages, (uint64_t)1 << chance(&seed) % 4, &r, mine, RUNS_EACH, &n);
		} else {
			mine[0].pages = pages;
			err = frames_alloc_exact(&w.f, pages, &r, &mine[0].first);
		}
		thread_refused[id] += err != MM_OK;
		for (unsigned k = 0; k < n && !err; k++)
			mark_run(id, mine[k].first.n, mine[k].pages, 0, 77);
		for (unsigned k = 0; k < ARRAY_SIZE(pa); k++)
			thread_wrong[id] += frames_is_page(pa[k]) && frames_free_page(&w.f, pa[k]) != MM_OK;
		for (unsigned k = 0; k < n && !err; k++) {
			mark_run(id, mine[k].first.n, mine[k].pages, 77, 78);
			thread_wrong[id] += frames_free_exact(&w.f, mine[k].first, mine[k].pages) != MM_OK;
		}
	}
	thread_wrong[id] += frames_cpu_offline(&w.f) != MM_OK;
	return NULL;
}

TEST_ON(TAP_HOST, FX10,
	"four CPUs take and give back ranges of the same memory; nothing is handed out twice, nothing is lost")
{
	struct span banks[] = { { FRAME(GIB(4)) - 0x301, 0x301 }, { FRAME(GIB(9)) + 3, 0x600 } };
	pthread_t thread[THREADS];

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, banks[0].pages);
	world_add(&w, banks[1].start, 0x300);
	world_add(&w, banks[1].start + 0x301, 0x2ff);
	for (unsigned i = 0; i < THREADS; i++) {
		thread_wrong[i] = thread_refused[i] = 0;
		CHECK_OR_RETURN(!pthread_create(&thread[i], NULL, thread_run, (void *)(uintptr_t)i));
	}
	for (unsigned i = 0; i < 30; i++)
		CHECK_EQ(frames_validate(&w.f), MM_OK);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		CHECK_EQ(thread_wrong[i], 0);
		tap_note("CPU %u: %u of 3000 requests refused", i, thread_refused[i]);
	}
	world_check(&w);
}

#endif
