/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block that a bank has handed out last, which bitmaps and counters do not know about until something else is asked:
 * nobody can tell. Every operation in every such state of a small bank, and by hand what is special about sections.
 */
#define SUITE "buddy_hot"
#include "tests/suites/frames_world.h"

static struct world w;

static bool alloc(unsigned order, uint64_t *n)
{
	pfn_t f;
	bool agrees = world_alloc(&w, order, 0, TAG_TEST, &f);

	*n = f.n;
	return agrees;
}

static bool is_hot(uint64_t n, unsigned hot)
{
	struct buddy *b = world_bank(&w, 0);

	return b->hot == hot && b->hot_block == n;
}

static bool there_is_one(unsigned order)
{
	static const struct frames_request any;

	return model_choose(&w.model, (uint64_t)1 << order, &any) != BUDDY_NONE;
}

/* The lowest block of the order, handed out for the third time in a row; false: there is none. */
static bool make_hot(unsigned order, uint64_t *n)
{
	uint64_t again;

	if (!there_is_one(order))
		return false;
	world_settle(&w, 0);
	CHECK(alloc(order, n));
	CHECK(is_hot(*n, order | HOT_NEW));
	CHECK(world_free(&w, *n, order));
	CHECK(is_hot(*n, order));
	CHECK(alloc(order, &again));
	CHECK_EQ(again, *n);
	CHECK(is_hot(*n, order | HOT_OUT));
	return true;
}

/* ---- every operation in every state ------------------------------------------------------------------------------ */

static struct {
	uint64_t start;
	unsigned order; /* of the bank, which is one block */
	uint64_t states, operations;
	unsigned wrong;
} e;

/* Whether everything that can be asked is what it must be; the check comes last, for it settles. */
static void agree(void)
{
	struct frames_stats stats, want;

	for (unsigned i = 0; i < 1u << e.order; i++)
		e.wrong += !world_query_agrees(&w, e.start + i);
	e.wrong += frames_largest_free(&w.f) != model_largest_free(&w.model);
	e.wrong += frames_validate(&w.f) != MM_OK;
	frames_get_stats(&w.f, &stats);
	model_get_stats(&w.model, &want);
	e.wrong += stats.free_pages != want.free_pages || stats.allocs != want.allocs || stats.frees != want.frees ||
		   stats.peak_used_pages != want.peak_used_pages;
	e.operations++;
}

/* The state that is looked at: the block of `order` is out, or back again, and nobody has written that down. */
static uint64_t put_off(unsigned order, bool out)
{
	uint64_t n;

	if (!make_hot(order, &n))
		return BUDDY_NONE;
	if (!out) {
		e.wrong += !world_free(&w, n, order);
		e.wrong += !is_hot(n, order);
	}
	return n;
}

static void give_back(uint64_t n)
{
	const struct model_run *r = model_find(&w.model, n);

	if (r->state == MODEL_USED)
		e.wrong += !world_free(&w, r->n, r->order);
}

static void try_requests(unsigned order, bool out)
{
	uint64_t n = 0, other;

	for (unsigned k = 0; k <= e.order + 1; k++) {
		n = put_off(order, out);
		e.wrong += !alloc(k, &other);
		agree();
		if (model_find(&w.model, other) && other != n)
			give_back(other);
		give_back(n);
	}
	for (unsigned i = 0; i < 1u << e.order; i++)
		for (unsigned k = 0; k <= e.order && !(i & ((1u << k) - 1)); k++) {
			bool takes;

			n = put_off(order, out);
			takes = model_take_error(&w.model, e.start + i, k) == MM_OK;
			e.wrong += !world_take(&w, e.start + i, k, TAG_STACK);
			agree();
			if (takes)
				give_back(e.start + i);
			if (!takes || e.start + i != n)
				give_back(n);
		}
}

static void try_frees(unsigned order, bool out)
{
	for (unsigned i = 0; i < 1u << e.order; i++)
		for (unsigned k = 0; k <= e.order; k++) {
			uint64_t n = put_off(order, out);
			struct model_run r = *model_find(&w.model, e.start + i);
			bool frees = model_free_error(&w.model, e.start + i, k) == MM_OK;

			/* Bad ones are slow: they are put into words. */
			if (frees || e.states % 16 == 0) {
				e.wrong += !world_free(&w, e.start + i, k);
				agree();
			}
			if (frees && r.n != n)
				e.wrong += !world_take(&w, r.n, r.order, r.tag);
			if (!frees || r.n != n)
				give_back(n);
		}
}

/* Every way to fill the bank from page i on: each block is free, or out as a whole. */
static void fill(unsigned i)
{
	if (i == 1u << e.order) {
		for (unsigned order = 0; order <= e.order; order++)
			for (unsigned out = 0; out < 2; out++) {
				if (!there_is_one(order))
					continue;
				try_requests(order, out);
				try_frees(order, out);
			}
		e.states++;
		return;
	}
	fill(i + 1);
	for (unsigned order = 0; order <= e.order && !(i & ((1u << order) - 1)); order++) {
		e.wrong += !world_take(&w, e.start + i, order, TAG_HEAP);
		fill(i + (1u << order));
		e.wrong += !world_free(&w, e.start + i, order);
	}
}

static void every_state(unsigned order, uint64_t states)
{
	struct span bank = { FRAME(GIB(1)) + 0x540, (uint64_t)1 << order };

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	memset(&e, 0, sizeof(e));
	e.start = bank.start;
	e.order = order;
	world_log_begin();
	fill(0);
	world_log_end();
	CHECK_EQ(e.states, states);
	CHECK_EQ(e.wrong, 0);
	tap_note("%llu states, %llu operations", (unsigned long long)e.states, (unsigned long long)e.operations);
}

TEST(B60, "every operation while a block's way out or back is not written down: 1, 2 and 4 pages")
{
	every_state(0, 2);
	every_state(1, 5);
	every_state(2, 26);
}

TEST_ON(TAP_HOST, B60, "every operation while a block's way out or back is not written down: 8 pages")
{
	every_state(3, 677);
}

/* ---- larger blocks ----------------------------------------------------------------------------------------------- */

/* Of each order, out of a whole section: the rest answers although nothing says so yet, then says so. */
static void split_off(uint64_t whole)
{
	struct frames_stats stats;
	uint64_t n;

	for (unsigned order = 0; order < MAX_ORDER; order++) {
		unsigned wrong = 0;

		CHECK(make_hot(order, &n));
		CHECK_EQ(n, whole);
		for (unsigned k = 0; k < MAX_ORDER; k++) {
			wrong += !world_query_agrees(&w, whole + ((uint64_t)1 << k));
			wrong += !world_query_agrees(&w, whole + ((uint64_t)2 << k) - 1);
		}
		wrong += !world_query_agrees(&w, whole - 1) + !world_query_agrees(&w, whole + SECTION_PAGES);
		CHECK_EQ(wrong, 0);
		CHECK(is_hot(whole, order | HOT_OUT));
		frames_get_stats(&w.f, &stats);
		for (unsigned k = 0; k < MAX_ORDER; k++)
			CHECK_EQ(stats.free_blocks[k], k >= order);
		CHECK_EQ(frames_validate(&w.f), MM_OK);
		CHECK(world_free(&w, n, order));
	}
	world_check(&w);
}

TEST(B60, "a block of each order out of a section; what is left of it answers before it is written down")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	split_off(bank.start);
}

TEST_ON(TAP_HOST, B60, "the same in a bank with three levels over its sections")
{
	struct span bank = { FRAME(GIB(4)), 5000 * SECTION_PAGES };
	uint64_t whole = bank.start + 4321 * SECTION_PAGES;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, whole, SECTION_PAGES);
	split_off(whole);
}

TEST(B60, "a block that is out is written down when its neighbour comes back, and does not merge with it")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };
	uint64_t n, neighbour;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned order = 1; order < MAX_ORDER; order++) {
		CHECK(alloc(order, &n));
		CHECK(alloc(order, &neighbour));
		CHECK_EQ(neighbour, n ^ (uint64_t)1 << order);
		CHECK(world_free(&w, n, order));
		CHECK(make_hot(order, &n));
		CHECK(world_free(&w, neighbour, order));
		CHECK_EQ(frames_largest_free(&w.f), MAX_ORDER - 1);
		CHECK(world_free(&w, n, order));
		CHECK_EQ(frames_largest_free(&w.f), MAX_ORDER);
	}
	world_check(&w);
}

/* ---- whole sections ---------------------------------------------------------------------------------------------- */

TEST(B60, "a section that goes out and comes back whole stays without metadata, and knows a bad free meanwhile")
{
	struct span bank = { FRAME(GIB(1)), 2 * SECTION_PAGES };
	uint64_t n, page;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK(make_hot(MAX_ORDER, &n));
	CHECK_EQ(n, bank.start);
	CHECK_EQ(*world_record(&w, n + 1), GARBAGE);
	world_log_begin();
	CHECK(world_free(&w, n + 1, 0));
	CHECK(world_free(&w, n, 17));
	CHECK(world_free(&w, n, MAX_ORDER));
	CHECK(is_hot(n, MAX_ORDER));
	CHECK(world_free(&w, n, MAX_ORDER)); /* twice */
	CHECK(world_free(&w, n + 5, 0));
	CHECK_EQ(world_log_end(), 4);
	CHECK(world_query_agrees(&w, n));
	CHECK(world_query_agrees(&w, n + 77));
	CHECK(is_hot(n, MAX_ORDER));
	world_settle(&w, 0);
	CHECK_EQ(w.sections[1] & SECTION_STATE_MASK, SECTION_UNTOUCHED);
	world_check(&w);

	/* A page of it is asked for while it is on its way: it comes to life. */
	CHECK(make_hot(MAX_ORDER, &n));
	CHECK(world_free(&w, n, MAX_ORDER));
	CHECK(alloc(1, &page));
	CHECK_EQ(page, n);
	CHECK_EQ(w.sections[1] & SECTION_STATE_MASK, SECTION_LIVE);
	world_check(&w);
	/* And the other one, while it is out. */
	CHECK(make_hot(MAX_ORDER, &n));
	CHECK_EQ(n, bank.start + SECTION_PAGES);
	CHECK(alloc(2, &page));
	CHECK(world_take(&w, n, MAX_ORDER, TAG_TEST));
	CHECK(world_free(&w, n, MAX_ORDER));
	world_check(&w);
}

/* ---- the reserve ------------------------------------------------------------------------------------------------- */

TEST(B60, "a block of the reserve is not handed out again to one who may not have it")
{
	struct span bank = { FRAME(GIB(1)), 64 };
	pfn_t f, g;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_alloc(&w.f, 5, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(frames_set_reserve(&w.f, 16), MM_OK);
	for (unsigned round = 0; round < 3; round++) {
		CHECK_EQ(frames_alloc(&w.f, 5, FRAMES_RESERVE, TAG_TEST, &g), MM_OK);
		CHECK_EQ(frames_free(&w.f, g, 5), MM_OK);
		CHECK_EQ(frames_alloc(&w.f, 5, 0, TAG_TEST, &g), MM_ENOMEM);
	}
	/* One that is not of the reserve, until the reserve grows. */
	for (unsigned round = 0; round < 3; round++) {
		CHECK_EQ(frames_alloc(&w.f, 4, 0, TAG_TEST, &g), MM_OK);
		CHECK_EQ(frames_free(&w.f, g, 4), MM_OK);
	}
	CHECK_EQ(frames_set_reserve(&w.f, 17), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 4, 0, TAG_TEST, &g), MM_ENOMEM);
	CHECK_EQ(frames_free(&w.f, f, 5), MM_OK);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}
