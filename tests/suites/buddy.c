/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One bank: splitting, merging, sections that come to life, edges, exact blocks, and the check.
 */
#define SUITE "buddy"
#include "tests/suites/frames_world.h"

static struct world w;

/* ---- records ----------------------------------------------------------------------------------------------------- */

TEST(B24, "a record as one word has the fields of struct page, and every tag has a name")
{
	union {
		struct page page;
		uint64_t word;
	} u = { .page = {
			.ref = 0x89abcdef, .order = 18, .state = PAGE_CACHED, .tag = 0xa5, .old = 1, .aux = 0x1234 } };

	CHECK_EQ(u.word, page_word(0x89abcdef, 18, PAGE_CACHED, 0xa5) | (uint64_t)0x1234 << 32 | PAGE_WORD_OLD);
	CHECK_EQ(page_word_ref(u.word), 0x89abcdef);
	CHECK_EQ(page_word_order(u.word), 18);
	CHECK_EQ(page_word_state(u.word), PAGE_CACHED);
	CHECK_EQ(page_word_tag(u.word), 0xa5);
	CHECK_EQ(u.word & PAGE_WORD_AUX_MASK, (uint64_t)0x1234 << 32);
	CHECK(!strcmp(page_tag_name(TAG_NONE), "none"));
	CHECK(!strcmp(page_tag_name(TAG_PGTABLE), "pgtable"));
	CHECK(!strcmp(page_tag_name(TAG_HEAP), "heap"));
	CHECK(!strcmp(page_tag_name(TAG_SLAB), "slab"));
	CHECK(!strcmp(page_tag_name(TAG_STACK), "stack"));
	CHECK(!strcmp(page_tag_name(TAG_MEMMAP), "memmap"));
	CHECK(!strcmp(page_tag_name(TAG_STAGE2), "stage2"));
	CHECK(!strcmp(page_tag_name(TAG_TEST), "test"));
	CHECK(!strcmp(page_tag_name(TAG_USER), "user"));
	CHECK(!strcmp(page_tag_name(255), "user"));
	CHECK(!strcmp(page_tag_name(UINT32_MAX), "user"));
}

/* ---- split and merge --------------------------------------------------------------------------------------------- */

TEST(B3, "a larger block is split down to the order asked for, and every half stays free")
{
	/* One block of each order from 0 to 17 after a single page has been taken from a section. */
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };
	struct frames_stats stats;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned order = 0; order <= 17; order++) {
		CHECK(world_alloc(&w, order, 0, TAG_TEST, &f));
		CHECK_EQ(f.n, bank.start);
		frames_get_stats(&w.f, &stats);
		for (unsigned k = 0; k <= MAX_ORDER; k++)
			CHECK_EQ(stats.free_blocks[k], k >= order && k < MAX_ORDER);
		CHECK(world_free(&w, f.n, order));
		CHECK_EQ(frames_largest_free(&w.f), MAX_ORDER);
	}
	world_check(&w);
}

TEST(B3, "the smallest sufficient order is split, and of it the lowest block")
{
	struct span bank = { FRAME(GIB(1)), FRAME(MIB(64)) };
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start + 1, 1);	  /* order 0 */
	world_add(&w, bank.start + 0x808, 8);	  /* order 3 */
	world_add(&w, bank.start + 0x400, 8);	  /* order 3, lower */
	world_add(&w, bank.start + 0x1000, 4096); /* order 12 */
	CHECK(world_alloc(&w, 1, 0, TAG_TEST, &f));
	CHECK_EQ(f.n, bank.start + 0x400);
	CHECK(world_alloc(&w, 0, 0, TAG_TEST, &f));
	CHECK_EQ(f.n, bank.start + 1);
	CHECK(world_alloc(&w, 3, 0, TAG_TEST, &f));
	CHECK_EQ(f.n, bank.start + 0x808);
	CHECK(world_alloc(&w, 3, 0, TAG_TEST, &f));
	CHECK_EQ(f.n, bank.start + 0x1000);
	world_check(&w);
}

TEST(B4, "a freed block merges with its buddy, as far as it goes, whichever half comes first")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned order = 0; order < MAX_ORDER; order++) {
		uint64_t half = (uint64_t)1 << order;

		for (unsigned upper_first = 0; upper_first < 2; upper_first++) {
			CHECK(world_alloc(&w, order, 0, TAG_TEST, &f));
			CHECK(world_alloc(&w, order, 0, TAG_TEST, &f));
			CHECK_EQ(f.n, bank.start + half);
			CHECK(world_free(&w, bank.start + (upper_first ? half : 0), order));
			CHECK_EQ(frames_largest_free(&w.f), order == 17 ? 17 : MAX_ORDER - 1);
			CHECK(world_free(&w, bank.start + (upper_first ? 0 : half), order));
			CHECK_EQ(frames_largest_free(&w.f), MAX_ORDER);
		}
	}
	world_check(&w);
}

TEST(B4, "what was given page by page is one block in the end, and no record stays inside")
{
	struct span bank = { FRAME(GIB(1)), 4096 };
	unsigned records = 0;

	WORLD_OR_RETURN(&w, &bank, 1);
	/* From both ends to the middle. */
	for (uint64_t i = 0; i < bank.pages / 2; i++) {
		CHECK_EQ(frames_add_memory(&w.f, pfn(bank.start + i), 1), MM_OK);
		CHECK_EQ(frames_add_memory(&w.f, pfn(bank.start + bank.pages - 1 - i), 1), MM_OK);
	}
	CHECK_EQ(model_add_memory(&w.model, bank.start, bank.pages), MM_OK);
	CHECK_EQ(frames_largest_free(&w.f), 12);
	for (uint64_t n = bank.start; n < bank.start + bank.pages; n++)
		records += *world_record(&w, n) != 0;
	CHECK_EQ(records, 1);
	world_check(&w);
}

TEST(B4, "buddies merge only within their order, and never across a section")
{
	struct span bank = { FRAME(GIB(1)), 2 * SECTION_PAGES };
	pfn_t f[4];

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_largest_free(&w.f), MAX_ORDER);
	CHECK(world_alloc(&w, 17, 0, TAG_TEST, &f[0]));
	CHECK(world_alloc(&w, 17, 0, TAG_TEST, &f[1]));
	CHECK(world_alloc(&w, 17, 0, TAG_TEST, &f[2]));
	CHECK(world_alloc(&w, 16, 0, TAG_TEST, &f[3]));
	CHECK(world_free(&w, f[1].n, 17)); /* the neighbour of f[2], but in another section */
	CHECK(world_free(&w, f[2].n, 17)); /* its buddy is split */
	CHECK_EQ(frames_largest_free(&w.f), 17);
	CHECK(world_free(&w, f[3].n, 16));
	CHECK_EQ(frames_largest_free(&w.f), MAX_ORDER);
	CHECK(world_free(&w, f[0].n, 17));
	world_check(&w);
}

/* ---- giving ------------------------------------------------------------------------------------------------------ */

TEST(B10, "frames are given once: what overlaps in any way is refused and changes nothing")
{
	struct span bank = { FRAME(GIB(1)), 0x9000 };
	/* Given: 1, 3..6, a leaf, 16 MiB, the end of the bank. */
	static const struct span given[] = { { 1, 1 },	    { 3, 4 },		{ 0x140, 0x40 },  { 0x1000, 0x1000 },
					     { 0x8fff, 1 }, { 0x4000, 0x2000 }, { 0x6101, 0x2aa } };
	uint64_t before;
	unsigned accepted = 0, refused = 0;

	WORLD_OR_RETURN(&w, &bank, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(given); i++)
		world_add(&w, bank.start + given[i].start, given[i].pages);
	before = world_sum(&w);
	for (unsigned i = 0; i < ARRAY_SIZE(given); i++) {
		uint64_t start = bank.start + given[i].start, end = start + given[i].pages;

		accepted += frames_add_memory(&w.f, pfn(start), given[i].pages) != MM_EEXIST;
		accepted += frames_add_memory(&w.f, pfn(start), 1) != MM_EEXIST;
		accepted += frames_add_memory(&w.f, pfn(end - 1), 1) != MM_EEXIST;
		accepted += frames_add_memory(&w.f, pfn(bank.start), bank.pages) != MM_EEXIST;
		accepted += frames_add_memory(&w.f, pfn(start - 1), given[i].pages + 1) != MM_EEXIST;
		if (end < bank.start + bank.pages)
			accepted += frames_add_memory(&w.f, pfn(end - 1), 2) != MM_EEXIST;
	}
	CHECK_EQ(accepted, 0);
	CHECK(world_sum(&w) == before);
	world_check(&w);

	/* Every page by itself: exactly those that were left out are accepted. */
	for (uint64_t n = bank.start; n < bank.start + bank.pages; n++)
		if (frames_add_memory(&w.f, pfn(n), 1) == MM_OK)
			accepted++;
		else
			refused++;
	CHECK_EQ(refused, 1 + 4 + 0x40 + 0x1000 + 1 + 0x2000 + 0x2aa);
	CHECK_EQ(accepted, bank.pages - refused);
	model_init(&w.model, w.model.run, WORLD_RUNS);
	model_add_bank(&w.model, bank.start, bank.pages, 0);
	CHECK_EQ(model_add_memory(&w.model, bank.start, bank.pages), MM_OK);
	world_check(&w);
}

TEST(B10, "allocated and merged frames still count as given")
{
	struct span bank = { FRAME(GIB(1)), 0x2000 };
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, 32);
	world_add(&w, bank.start + 32, 32); /* merges to order 6 */
	CHECK_EQ(frames_add_memory(&w.f, pfn(bank.start + 40), 1), MM_EEXIST);
	CHECK(world_alloc(&w, 6, 0, TAG_TEST, &f));
	CHECK_EQ(frames_add_memory(&w.f, pfn(bank.start + 40), 1), MM_EEXIST);
	CHECK_EQ(frames_add_memory(&w.f, pfn(bank.start), 128), MM_EEXIST);
	world_add(&w, bank.start + 64, 0x1000 - 64);
	CHECK_EQ(frames_add_memory(&w.f, pfn(bank.start), 0x1000), MM_EEXIST);
	world_check(&w);
}

TEST(B10, "a range outside the bank, empty, or too long is MM_EINVAL; a whole section is given once")
{
	struct span bank = { FRAME(GIB(1)) + 5, SECTION_PAGES * 2 - 5 };
	uint64_t second = FRAME(GIB(2));
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	CHECK_EQ(frames_add_memory(&w.f, pfn(bank.start), 0), MM_EINVAL);
	CHECK_EQ(frames_add_memory(&w.f, pfn(bank.start - 1), 2), MM_EINVAL);
	CHECK_EQ(frames_add_memory(&w.f, pfn(bank.start), bank.pages + 1), MM_EINVAL);
	CHECK_EQ(frames_add_memory(&w.f, pfn(bank.start), UINT64_MAX), MM_EINVAL);
	CHECK_EQ(frames_add_memory(&w.f, pfn(FRAME(GIB(3))), 1), MM_EINVAL);
	CHECK_EQ(frames_add_memory(&w.f, pfn(UINT64_MAX), 1), MM_EINVAL);
	world_add(&w, second, SECTION_PAGES);
	CHECK_EQ(frames_add_memory(&w.f, pfn(second), SECTION_PAGES), MM_EEXIST);
	CHECK_EQ(frames_add_memory(&w.f, pfn(second + 7), 1), MM_EEXIST);
	/* The first part is new, the second is not: neither is taken. */
	CHECK_EQ(frames_add_memory(&w.f, pfn(second - 64), 65), MM_EEXIST);
	CHECK(world_alloc(&w, MAX_ORDER, 0, TAG_TEST, &f));
	CHECK_EQ(frames_add_memory(&w.f, pfn(second), SECTION_PAGES), MM_EEXIST);
	CHECK(world_free(&w, f.n, MAX_ORDER));
	CHECK(world_alloc(&w, 0, 0, TAG_TEST, &f)); /* alive now */
	CHECK_EQ(frames_add_memory(&w.f, pfn(second), SECTION_PAGES), MM_EEXIST);
	CHECK_EQ(frames_add_memory(&w.f, pfn(second + 7), 1), MM_EEXIST);
	CHECK_EQ(frames_add_memory(&w.f, pfn(second + 4096), 4096), MM_EEXIST);
	world_add(&w, second - 64, 64);
	world_check(&w);
}

/* ---- sections ---------------------------------------------------------------------------------------------------- */

TEST(B12, "garbage that looks like allocated pages is never believed")
{
	struct span bank = { FRAME(GIB(1)) + 3, 0x1000 };
	struct frame_info info;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	frames_query(&w.f, pfn(bank.start + 8), &info);
	CHECK_EQ(info.role, FRAME_RESERVED);
	world_log_begin();
	CHECK_EQ(frames_free(&w.f, pfn(bank.start + 8), 0), MM_ERESERVED);
	CHECK_EQ(world_log_end(), 1);
	CHECK_EQ(*world_record(&w, bank.start + 8), GARBAGE);
	world_add(&w, bank.start + 9, 100);
	CHECK_EQ(*world_record(&w, bank.start + 8), 0);
	CHECK_EQ(*world_record(&w, bank.start - 1), GARBAGE);
	CHECK_EQ(*world_record(&w, bank.start + bank.pages), GARBAGE);
	world_log_begin();
	CHECK_EQ(frames_free(&w.f, pfn(bank.start + 8), 0), MM_ERESERVED);
	CHECK_EQ(frames_free(&w.f, pfn(bank.start + 10), 0), MM_EDOUBLE);
	CHECK_EQ(world_log_end(), 2);
	CHECK(world_alloc(&w, 0, 0, TAG_TEST, &f));
	world_check(&w);
}

TEST(B12, "an untouched section comes to life when less than all of it is needed, and stays so")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };
	struct frame_info info;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(w.sections[1] & SECTION_STATE_MASK, SECTION_UNTOUCHED);
	CHECK_EQ(*world_record(&w, bank.start), GARBAGE);
	CHECK_EQ(*world_record(&w, bank.start + 0x2000), GARBAGE);
	frames_query(&w.f, pfn(bank.start + 0x2001), &info);
	CHECK_EQ(info.role, FRAME_FREE);
	CHECK_EQ(info.head.n, bank.start);
	CHECK_EQ(info.order, MAX_ORDER);
	world_log_begin();
	CHECK_EQ(frames_free(&w.f, pfn(bank.start + 0x2000), 0), MM_EDOUBLE);
	CHECK_EQ(world_log_end(), 1);
	CHECK_EQ(w.sections[1] & SECTION_STATE_MASK, SECTION_UNTOUCHED);
	world_check(&w);

	CHECK(world_alloc(&w, 3, 0, TAG_TEST, &f));
	CHECK_EQ(w.sections[1] & SECTION_STATE_MASK, SECTION_LIVE);
	world_check(&w);
	CHECK(world_free(&w, f.n, 3));
	CHECK_EQ(w.sections[1] & SECTION_STATE_MASK, SECTION_LIVE);
	CHECK_EQ(frames_largest_free(&w.f), MAX_ORDER);
	CHECK(world_alloc(&w, MAX_ORDER, 0, TAG_TEST, &f));
	CHECK_EQ(w.sections[1] & SECTION_STATE_MASK, SECTION_LIVE);
	world_check(&w);
	CHECK(world_free(&w, f.n, MAX_ORDER));
	world_check(&w);
}

TEST(B13, "a whole untouched section is handed out and comes back with nothing touched but its first record")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };
	struct frame_info info;
	struct frames_stats stats;
	struct page *page;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned round = 0; round < 3; round++) {
		CHECK(world_alloc(&w, MAX_ORDER, 0, TAG_HEAP, &f));
		CHECK_EQ(f.n, bank.start);
		CHECK_EQ(w.sections[1] & SECTION_STATE_MASK, SECTION_WHOLE);
		CHECK_EQ(*world_record(&w, f.n), page_word(1, MAX_ORDER, PAGE_ALLOC, TAG_HEAP));
		CHECK_EQ(*world_record(&w, f.n + 1), GARBAGE);
		frames_query(&w.f, pfn(f.n + 12345), &info);
		CHECK_EQ(info.role, FRAME_ALLOC);
		CHECK_EQ(info.head.n, f.n);
		CHECK_EQ(info.order, MAX_ORDER);
		CHECK_EQ(info.tag, TAG_HEAP);
		world_check(&w);
		world_log_begin();
		CHECK_EQ(frames_free(&w.f, pfn(f.n), 0), MM_EORDER);
		CHECK_EQ(frames_free(&w.f, pfn(f.n + 1), 0), MM_EINTERIOR);
		CHECK_EQ(frames_free(&w.f, pfn(f.n + SECTION_PAGES / 2), 17), MM_EINTERIOR);
		/* Garbage that looks like a whole section, where none can begin. */
		*world_record(&w, f.n + 1) = page_word(1, MAX_ORDER, PAGE_ALLOC, 0);
		CHECK_EQ(frames_free(&w.f, pfn(f.n + 1), MAX_ORDER), MM_EINTERIOR);
		*world_record(&w, f.n + 1) = GARBAGE;
		page = frames_page(&w.f, f);
		CHECK_OR_RETURN(page == (struct page *)world_record(&w, f.n));
		page->ref = 2;
		CHECK_EQ(frames_free(&w.f, f, MAX_ORDER), MM_EBUSY);
		page->ref = 1;
		CHECK_EQ(world_log_end(), 5);
		CHECK_EQ(w.sections[1] & SECTION_STATE_MASK, SECTION_WHOLE);
		CHECK(world_free(&w, f.n, MAX_ORDER));
		CHECK_EQ(w.sections[1] & SECTION_STATE_MASK, SECTION_UNTOUCHED);
		world_log_begin();
		CHECK_EQ(frames_free(&w.f, f, MAX_ORDER), MM_EDOUBLE);
		CHECK_EQ(world_log_end(), 1);
		world_check(&w);
	}
	frames_get_stats(&w.f, &stats);
	CHECK_EQ(stats.allocs, 3);
	CHECK_EQ(stats.frees, 3);
	CHECK_EQ(stats.bad_frees, 18);
}

/* ---- the block that was handed out last ----------------------------------------------------------------------------- */

TEST(B60,
     "a block that comes back at once waits: the bitmaps stay as they are, and the next request of its order has it")
{
	struct span bank = { FRAME(GIB(1)), 2 * SECTION_PAGES };
	struct buddy *b;
	uint64_t top;
	pfn_t first, f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	b = w.metadata[0];
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		CHECK(world_alloc(&w, order, 0, TAG_HEAP, &first));
		CHECK_EQ(b->last, first.n << LAST_SHIFT | order);
		top = b->top[MAX_ORDER];
		for (unsigned round = 0; round < 3; round++) {
			CHECK(world_free(&w, first.n, order));
			CHECK_EQ(b->last, first.n << LAST_SHIFT | LAST_BACK | order);
			CHECK_EQ(b->top[MAX_ORDER], top);
			CHECK_EQ(page_word_state(*world_record(&w, first.n)), PAGE_CACHED);
			CHECK(world_alloc(&w, order, 0, TAG_TEST, &f));
			CHECK_EQ(f.n, first.n);
			CHECK_EQ(*world_record(&w, f.n), page_word(1, order, PAGE_ALLOC, TAG_TEST));
		}
		CHECK(world_free(&w, first.n, order));
		world_check(&w);
		CHECK_EQ(b->last, LAST_NONE);
	}
}

enum asked { ASK_SMALLER, ASK_LARGER, ASK_FREE, ASK_FREE_AGAIN, ASK_TAKE, ASK_FRAME, ASK_COUNT, ASK_ADD, ASKED };

/* Whatever it is, the block that waits, order 3 at `waits`, is free for it. `other`: an allocated page. */
static void ask(enum asked what, pfn_t waits, pfn_t other)
{
	struct buddy *b = w.metadata[0];
	struct frames_stats stats;
	struct frame_info info;
	pfn_t f;

	switch (what) {
	case ASK_SMALLER:
		CHECK(world_alloc(&w, 2, 0, TAG_TEST, &f));
		CHECK_EQ(b->last, f.n << LAST_SHIFT | 2);
		return;
	case ASK_LARGER:
		CHECK(world_alloc(&w, 17, 0, TAG_TEST, &f));
		CHECK_EQ(b->last, f.n << LAST_SHIFT | 17);
		return;
	case ASK_FREE:
		CHECK(world_free(&w, other.n, 0));
		break;
	case ASK_FREE_AGAIN:
		world_log_begin();
		CHECK_EQ(frames_free(&w.f, waits, 3), MM_EDOUBLE);
		CHECK_EQ(world_log_end(), 1);
		break;
	case ASK_TAKE:
		CHECK_EQ(frames_take(&w.f, pfn(waits.n + 1), 0, TAG_TEST), MM_OK);
		CHECK_EQ(model_take(&w.model, waits.n + 1, 0, TAG_TEST), MM_OK);
		break;
	case ASK_FRAME:
		frames_query(&w.f, pfn(waits.n + 5), &info);
		CHECK_EQ(info.role, FRAME_FREE);
		CHECK(!info.cached);
		CHECK_EQ(info.tag, TAG_HEAP);
		break;
	case ASK_COUNT:
		frames_get_stats(&w.f, &stats);
		CHECK_EQ(stats.free_pages, SECTION_PAGES - 1);
		CHECK_EQ(frames_largest_free(&w.f), 17);
		break;
	case ASK_ADD:
		world_add(&w, FRAME(GIB(1)) + SECTION_PAGES, 64);
		break;
	default:
		break;
	}
	CHECK_EQ(b->last, LAST_NONE);
}

TEST(B60, "a block that waits is put back before anything else is asked of its bank")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES + 64 };
	pfn_t other, waits;

	for (unsigned what = 0; what < ASKED; what++) {
		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, SECTION_PAGES);
		CHECK(world_alloc(&w, 0, 0, TAG_TEST, &other));
		CHECK(world_alloc(&w, 3, 0, TAG_HEAP, &waits));
		CHECK(world_free(&w, waits.n, 3));
		ask(what, waits, other);
		world_check(&w);
	}
}

/* ---- edges ------------------------------------------------------------------------------------------------------- */

/* Every page of the bank is taken one by one, and everything comes back in another order. */
static void exhaust(const struct span *bank)
{
	pfn_t f;
	uint64_t n = 0;

	WORLD_OR_RETURN(&w, bank, 1);
	world_add(&w, bank->start, bank->pages);
	world_check(&w);
	for (; frames_alloc(&w.f, 0, 0, TAG_TEST, &f) == MM_OK; n++)
		if (!model_find(&w.model, f.n))
			break;
	CHECK_EQ(n, bank->pages);
	CHECK_EQ(frames_largest_free(&w.f), -1);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	for (n = 0; n < bank->pages; n += 2)
		CHECK_EQ(frames_free(&w.f, pfn(bank->start + n), 0), MM_OK);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	for (n = 1; n < bank->pages; n += 2)
		CHECK_EQ(frames_free(&w.f, pfn(bank->start + n), 0), MM_OK);
	world_check(&w);
}

TEST(B19, "banks of one page, at address 0, and with every kind of ragged end")
{
	static const struct span banks[] = {
		{ 0, 1 },	   { 0, 2 },
		{ 0, 64 },	   { 0, 4097 },
		{ 1, 1 },	   { 1, 2 },
		{ 1, 62 },	   { 63, 2 },
		{ 7, 1000 },	   { 4095, 2 },
		{ 4033, 4160 },	   { 0x3ffff, 1 },
		{ 0x3ffff, 2 },			   /* across a section */
		{ 0x3ffc1, 0x7f }, { 0xfffff, 1 }, /* the last below 4 GiB */
		{ 0x100000, 1 },		   /* the first above */
		{ 0x100000, 333 }, { 0xfffffffff, 1 } /* the last of 48 bits */,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(banks); i++) {
		/* The section table of the last one is 2 MiB. */
		exhaust(&banks[i]);
	}
}

TEST(B19, "a buddy below the bank, above it, or in a hole is not looked up")
{
	/* Both neighbours of the bank have records that look like free blocks of the right order. */
	struct span bank = { FRAME(GIB(1)) + 0x41, 0x100 };
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	*world_record(&w, bank.start - 1) = page_word(0, 0, PAGE_FREE, 0);
	*world_record(&w, bank.start + bank.pages) = page_word(0, 0, PAGE_FREE, 0);
	world_add(&w, bank.start, 7);
	world_add(&w, bank.start + 8, bank.pages - 8); /* 7: a hole */
	CHECK(world_alloc(&w, 0, 0, TAG_TEST, &f));
	CHECK_EQ(f.n, bank.start);
	CHECK(world_free(&w, f.n, 0));
	CHECK(world_take(&w, bank.start + bank.pages - 1, 0, TAG_TEST));
	CHECK(world_free(&w, bank.start + bank.pages - 1, 0));
	CHECK(world_take(&w, bank.start + 6, 0, TAG_TEST));
	CHECK(world_free(&w, bank.start + 6, 0));
	CHECK_EQ(*world_record(&w, bank.start - 1), page_word(0, 0, PAGE_FREE, 0));
	CHECK_EQ(*world_record(&w, bank.start + bank.pages), page_word(0, 0, PAGE_FREE, 0));
	*world_record(&w, bank.start - 1) = GARBAGE;
	*world_record(&w, bank.start + bank.pages) = GARBAGE;
	world_check(&w);
}

TEST(B15, "metadata is at most 0.27 bytes a page and a page for the bank, exact to the word for small banks")
{
	static const uint64_t sizes[] = { 1,
					  2,
					  63,
					  64,
					  4096,
					  FRAME(MIB(64)),
					  FRAME(GIB(1)),
					  FRAME(GIB(8)),
					  FRAME(GIB(64)),
					  FRAME(TIB(1)),
					  FRAME(TIB(64)) };

	CHECK_EQ(frames_bank_metadata_size(pfn(0), 0), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		for (uint64_t start = 0; start < 3; start++) {
			uint64_t bytes = frames_bank_metadata_size(pfn(FRAME(GIB(8)) + start * 0x1fff), sizes[i]);

			CHECK(bytes <= sizes[i] * 29 / 100 + 4096);
			CHECK_EQ(bytes % 64, 0);
		}
	/* Targets: with 8 bytes of record, 8.5 a page at 8 GiB and 9 at 64 MiB. */
	CHECK(frames_bank_metadata_size(pfn(FRAME(GIB(8))), FRAME(GIB(8))) * 2 < FRAME(GIB(8)));
	CHECK(frames_bank_metadata_size(pfn(FRAME(GIB(1))), FRAME(MIB(64))) < FRAME(MIB(64)));
}

/* ---- exact blocks ------------------------------------------------------------------------------------------------ */

TEST(B16, "an exact block is taken out of whatever free block it is in, or refused")
{
	struct span bank = { FRAME(GIB(1)) + 2, SECTION_PAGES - 2 };
	uint64_t before;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, FRAME(GIB(1)) + 64, SECTION_PAGES - 128);
	CHECK(world_take(&w, FRAME(GIB(1)) + 0x12345, 0, TAG_STACK));
	CHECK(world_take(&w, FRAME(GIB(1)) + 0x20000, 17, TAG_STACK)); /* not all given */
	CHECK(world_take(&w, FRAME(GIB(1)) + 0x20000, 16, TAG_STACK));
	CHECK(world_take(&w, FRAME(GIB(1)) + 0x3ff00, 7, TAG_STACK));
	CHECK(world_take(&w, FRAME(GIB(1)) + 64, 6, TAG_STACK));
	CHECK(world_take(&w, FRAME(GIB(1)) + 0x12344, 1, TAG_STACK)); /* a half of it is taken */
	CHECK(world_take(&w, FRAME(GIB(1)) + 0x12344, 0, TAG_STACK));
	world_check(&w);
	before = world_sum(&w);
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(1)) + 0x12345), 0, TAG_TEST), MM_EBUSY);
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(1)) + 0x20010), 4, TAG_TEST), MM_EBUSY);
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(1)) + 0x12341), 1, TAG_TEST), MM_EALIGN);
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(1)) + 3), 0, TAG_TEST), MM_ERESERVED);
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(1)) + 1), 0, TAG_TEST), MM_EFOREIGN);
	CHECK_EQ(frames_take(&w.f, pfn(0), 0, TAG_TEST), MM_EFOREIGN);
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(5))), 0, TAG_TEST), MM_EFOREIGN);
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(1)) + 64), MAX_ORDER + 1, TAG_TEST), MM_EINVAL);
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(1)) + 0x1000), 0, (enum page_tag)256), MM_EINVAL);
	CHECK(world_sum(&w) == before);
	CHECK(world_free(&w, FRAME(GIB(1)) + 0x12344, 0));
	CHECK(world_free(&w, FRAME(GIB(1)) + 0x20000, 16));
	CHECK(world_free(&w, FRAME(GIB(1)) + 0x12345, 0));
	CHECK(world_free(&w, FRAME(GIB(1)) + 64, 6));
	CHECK(world_free(&w, FRAME(GIB(1)) + 0x3ff00, 7));
	world_check(&w);
}

TEST(B16, "an exact block of an untouched section brings it to life; a whole one does not")
{
	struct span bank = { FRAME(GIB(1)), 2 * SECTION_PAGES };

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK(world_take(&w, FRAME(GIB(2)), MAX_ORDER, TAG_TEST));
	CHECK_EQ(w.sections[2] & SECTION_STATE_MASK, SECTION_WHOLE);
	CHECK(world_take(&w, FRAME(GIB(1)) + 0x3ffff, 0, TAG_TEST));
	CHECK_EQ(w.sections[1] & SECTION_STATE_MASK, SECTION_LIVE);
	world_check(&w);
	CHECK(world_free(&w, FRAME(GIB(2)), MAX_ORDER));
	CHECK(world_free(&w, FRAME(GIB(1)) + 0x3ffff, 0));
	CHECK(world_take(&w, FRAME(GIB(1)), MAX_ORDER, TAG_TEST));
	CHECK_EQ(w.sections[1] & SECTION_STATE_MASK, SECTION_LIVE);
	world_check(&w);
}

/* ---- the check --------------------------------------------------------------------------------------------------- */

/* Writes a wrong value, sees that the check finds it, and puts the right one back. */
static void corrupt(uint64_t *where, uint64_t value, const char *what)
{
	uint64_t old = *where;
	unsigned lines;
	int err;

	CHECK(old != value);
	*where = value;
	world_log_begin();
	err = frames_validate(&w.f);
	lines = world_log_end();
	if (err != MM_ECORRUPT || !lines) {
		tap_note("not found: %s", what);
		CHECK_EQ(err, MM_ECORRUPT);
		CHECK(lines > 0);
	}
	*where = old;
}

static void corrupt32(uint32_t *where, uint32_t value, const char *what)
{
	uint32_t old = *where;

	*where = value;
	world_log_begin();
	if (frames_validate(&w.f) != MM_ECORRUPT) {
		tap_note("not found: %s", what);
		CHECK(false);
	}
	CHECK(world_log_end() > 0);
	*where = old;
}

TEST(B18, "the check finds every kind of damage to records, bitmaps, summaries, flags, counters and tables")
{
	/* Section 1: a part. Section 2: live. Section 3: untouched, handed out whole. */
	struct span bank = { FRAME(GIB(1)) + 0x3f000, 0x1000 + 2 * SECTION_PAGES };
	uint64_t first = bank.start;
	struct buddy *b;
	uint64_t *record, *free_head;
	pfn_t f, g;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, first + 1, 0xfff);
	world_add(&w, FRAME(GIB(2)), 2 * SECTION_PAGES);
	b = world_bank(&w, 0);
	CHECK(world_take(&w, FRAME(GIB(3)), MAX_ORDER, TAG_TEST));
	CHECK(world_take(&w, FRAME(GIB(2)) + 0x3000, 0, TAG_TEST));
	CHECK(world_alloc(&w, 2, 0, TAG_TEST, &f));
	CHECK(world_alloc(&w, 0, 0, TAG_TEST, &g));
	world_check(&w);

	/* records */
	record = (uint64_t *)world_record(&w, f.n);
	corrupt(record, 0, "an allocated block without a head");
	corrupt(record, page_word(0, 2, PAGE_ALLOC, TAG_TEST), "an allocated block without a reference");
	corrupt(record, page_word(1, 1, PAGE_ALLOC, TAG_TEST), "a block that is too short");
	corrupt(record, page_word(1, 3, PAGE_ALLOC, TAG_TEST), "a block that is not aligned or overlaps");
	corrupt(record, page_word(1, 19, PAGE_ALLOC, TAG_TEST), "a block of an impossible order");
	corrupt(record, page_word(1, 17, PAGE_ALLOC, TAG_TEST), "a block that is longer than the section");
	corrupt(record, page_word(1, 2, PAGE_CACHED, TAG_TEST), "a head of an unknown state");
	corrupt(record, page_word(0, 2, PAGE_FREE, TAG_TEST), "an allocated block that says it is free");
	corrupt(record + 1, page_word(1, 0, PAGE_ALLOC, TAG_TEST), "a head inside a block");
	corrupt(record + 2, 1, "a reference inside a block");
	corrupt((uint64_t *)world_record(&w, first), page_word(1, 0, PAGE_ALLOC, 0), "a block where nothing was given");
	corrupt((uint64_t *)world_record(&w, first), 7, "a word where nothing was given");
	free_head = (uint64_t *)world_record(&w, FRAME(GIB(2)) + 0x2000);
	CHECK_EQ(page_word_state(*free_head), PAGE_FREE);
	corrupt(free_head, *free_head | 1, "a free block with a reference");
	corrupt(free_head, *free_head | (uint64_t)1 << 32, "a free block with an owner's number");
	corrupt(free_head, 0, "a free block without a head");
	corrupt(free_head, page_word(0, 11, PAGE_FREE, 0), "a free block that is too short");
	corrupt(free_head, page_word(1, page_word_order(*free_head), PAGE_ALLOC, 0),
		"a free block that says it is allocated");
	corrupt((uint64_t *)world_record(&w, FRAME(GIB(3))), GARBAGE, "a section handed out whole with another record");
	corrupt((uint64_t *)world_record(&w, FRAME(GIB(3))), page_word(0, MAX_ORDER, PAGE_ALLOC, 0),
		"the same without a reference");

	/* every word of every node */
	for (unsigned level = 0; level < 3; level++) {
		uint64_t *node = level == 0 ? leaf_at(b, f.n) : level == 1 ? mid_at(b, f.n) : section_at(b, f.n);
		unsigned words = level == 0 ? LEAF_WORDS : level == 1 ? 2 * NODE_ORDERS : SECTION_GIVEN + 1;

		for (unsigned i = 0; i < words; i++)
			for (unsigned bit = 0; bit < 64; bit++) {
				/* Of a section that was given as a whole these mean nothing. */
				if (level == 2 && (i == SECTION_ANY || i == SECTION_ALL))
					continue;
				corrupt(node + i, node[i] ^ (uint64_t)1 << bit, "a bit of a node");
			}
	}
	corrupt(&mid_at(b, first)[MID_ANY], mid_at(b, first)[MID_ANY] ^ bit64(first >> 6),
		"a leaf of which something was given");
	corrupt(&mid_at(b, first)[MID_ALL], mid_at(b, first)[MID_ALL] ^ bit64(first >> 6),
		"a leaf of which not everything was given");
	corrupt(&mid_at(b, first)[MID_ALL], mid_at(b, first)[MID_ALL] ^ bit64((first >> 6) + 1),
		"a leaf of which everything was given");
	corrupt(&section_at(b, first)[SECTION_ANY], section_at(b, first)[SECTION_ANY] ^ bit64(first >> 12),
		"16 MiB of which something was given");
	corrupt(&section_at(b, first)[SECTION_ALL], section_at(b, first)[SECTION_ALL] ^ bit64(first >> 12),
		"16 MiB of which not everything was given");

	/* the bank */
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		for (unsigned bit = 0; bit < 5; bit++)
			corrupt(&b->top[order], b->top[order] ^ (uint64_t)1 << bit,
				"a bit of the bitmap over sections");
	corrupt(&b->top[3], b->top[3] | (uint64_t)1 << 63, "a bit behind the last section");
	corrupt(&b->used_pages, b->used_pages + 1, "pages in use");
	corrupt(&b->given_pages, b->given_pages - 1, "pages given");
	corrupt(&b->peak_used_pages, b->used_pages - 1, "the peak");
	corrupt(&b->live, b->used_pages + 1, "more blocks in use than frames");

	/* tables */
	corrupt(&w.sections[1], (uintptr_t)b | SECTION_ABSENT, "a live section that is absent");
	corrupt(&w.sections[1], (uintptr_t)b | SECTION_UNTOUCHED, "a part of a section that is untouched");
	corrupt(&w.sections[1], (uintptr_t)b | SECTION_WHOLE, "a part of a section that is whole");
	corrupt(&w.sections[2], (uintptr_t)b | SECTION_UNTOUCHED, "a live section that is untouched");
	corrupt(&w.sections[3], (uintptr_t)b | SECTION_UNTOUCHED, "a section handed out that is untouched");
	corrupt(&w.sections[3], (uintptr_t)b | SECTION_ABSENT, "a section handed out that is absent");
	corrupt(&w.sections[3], (uintptr_t)b | 7, "an unknown state");
	corrupt(&w.sections[3], (uintptr_t)b, "no state");
	corrupt(&w.sections[3], 0, "a section without a bank");
	corrupt(&w.sections[2], ((uintptr_t)b + 64) | SECTION_LIVE, "a section of another bank");
	corrupt(&w.sections[0], (uintptr_t)b | SECTION_ABSENT, "a section too many");
	corrupt32(&w.f.bank_count, 2, "the number of banks");
	world_check(&w);
}

TEST(B18, "the check finds two free buddies that have not been merged")
{
	struct span bank = { FRAME(GIB(1)), 2 };
	struct buddy *b;
	uint64_t *leaf;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, 1);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	/* Everything else is right: bit, record, counters, flags. */
	b = world_bank(&w, 0);
	leaf = leaf_at(b, bank.start);
	leaf[0] |= 2;
	*world_record(&w, bank.start + 1) = page_word(0, 0, PAGE_FREE, 0);
	section_at(b, bank.start)[SECTION_GIVEN]++;
	b->given_pages++;
	world_log_begin();
	CHECK_EQ(frames_validate(&w.f), MM_ECORRUPT);
	CHECK_EQ(world_log_end(), 1);
	CHECK(contains(world_line, "two free buddies of order 0"));
}

TEST(B18, "the check finds a free block that is not in the bitmap although its neighbours are, and a lost end mark")
{
	struct span bank = { FRAME(GIB(1)), 8 };
	uint64_t *leaf;

	WORLD_OR_RETURN(&w, &bank, 1);
	for (unsigned i = 1; i < 8; i += 2)
		world_add(&w, bank.start + i, 1);
	leaf = leaf_at(world_bank(&w, 0), bank.start);
	world_log_begin();
	leaf[0] ^= 8;
	CHECK_EQ(frames_validate(&w.f), MM_ECORRUPT);
	leaf[0] ^= 8;
	CHECK_EQ(world_log_end(), 1);
	CHECK(contains(world_line, "free block of order 0 is not in the bitmap"));
	corrupt(&world_bank(&w, 0)->top[MAX_ORDER + 1], 0, "the end mark of the search");
	world_check(&w);
}

/* ---- many sections ----------------------------------------------------------------------------------------------- */

/* The bitmaps over sections of a large bank: whole sections in and out, at random, against the model. */
static void many_sections(uint64_t sections, unsigned steps)
{
	struct span bank = { FRAME(GIB(4)), sections * SECTION_PAGES };
	uint64_t seed = sections;
	unsigned wrong = 0, used = 0;
	static uint64_t held[256];

	WORLD_OR_RETURN(&w, &bank, 1);
	CHECK_EQ(frames_add_memory(&w.f, pfn(bank.start), bank.pages), MM_OK);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	/* Lowest first is known without a model: hold the lowest ones, then free and take back at random. */
	for (unsigned i = 0; i < ARRAY_SIZE(held) && i < sections; i++) {
		pfn_t f;

		wrong += frames_alloc(&w.f, MAX_ORDER, 0, TAG_TEST, &f) != MM_OK ||
			 f.n != bank.start + i * SECTION_PAGES;
		held[used++] = f.n;
	}
	for (unsigned i = 0; i < steps; i++) {
		unsigned k = (unsigned)(chance(&seed) % used);
		uint64_t far = bank.start + chance(&seed) % sections * SECTION_PAGES;
		pfn_t f;

		wrong += frames_free(&w.f, pfn(held[k]), MAX_ORDER) != MM_OK;
		wrong += frames_alloc(&w.f, MAX_ORDER, 0, TAG_TEST, &f) != MM_OK || f.n != held[k];
		if (frames_take(&w.f, pfn(far), MAX_ORDER, TAG_TEST) == MM_OK)
			wrong += frames_free(&w.f, pfn(far), MAX_ORDER) != MM_OK;
		else
			wrong += far >= bank.start + used * SECTION_PAGES;
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST_ON(TAP_HOST, B25, "bitmaps over 65 to 8192 sections: two and three levels")
{
	many_sections(64, 500);
	many_sections(65, 500);
	many_sections(1000, 500);
	many_sections(4096, 100);
	many_sections(4097, 100);
	many_sections(8192, 100);
}

TEST_ON(TAP_HOST, B25, "small blocks far apart in a bank of 5000 sections, and damage to the tree is found")
{
	struct span bank = { FRAME(GIB(4)), 5000 * SECTION_PAGES };
	static const uint64_t section[] = { 0, 1, 63, 64, 4095, 4096, 4999 };
	struct buddy *b;
	uint64_t seed = 9;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	b = world_bank(&w, 0);
	CHECK_EQ(b->depth, 3);
	/* One small piece in each of some sections. */
	for (unsigned i = 0; i < ARRAY_SIZE(section); i++)
		world_add(&w, bank.start + section[i] * SECTION_PAGES + i * 100, 40 + i);
	world_check(&w);
	for (unsigned i = 0; i < 400; i++) {
		unsigned order = (unsigned)(chance(&seed) % 5);

		CHECK(world_alloc(&w, order, 0, TAG_TEST, &f));
		if (i % 3 == 0) {
			struct model_run *used = world_random_used(&w, &seed);

			CHECK(used && world_free(&w, used->n, used->order));
		}
	}
	world_check(&w);
	for (unsigned order = 0; order <= MAX_ORDER; order += 6) {
		uint64_t *words = b->tree + (uint64_t)order * b->tree_words;

		corrupt(&words[1], words[1] ^ 1, "a section in the tree");
		corrupt(&words[64], words[64] ^ 1, "a section in the tree");
		corrupt(&words[78], words[78] ^ (uint64_t)1 << 63, "a section behind the last");
		corrupt(&words[b->tree_leaves], words[b->tree_leaves] ^ 2, "a summary in the tree");
		corrupt(&words[b->tree_leaves + 1], words[b->tree_leaves + 1] ^ (uint64_t)1 << 40,
			"a summary behind the last");
		corrupt(&b->top[order], b->top[order] ^ 2, "the root of the tree");
		corrupt(&b->top[order], b->top[order] ^ 4, "the root of the tree, behind the last");
	}
}
