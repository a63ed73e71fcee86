/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The check of a bank: damage of each kind is told by its name and nothing else is; banks of odd shapes that are healthy
 * are left in peace. And what a bank does that finds itself broken.
 */
#define SUITE "buddy_check"
#include "tests/suites/capture.h"
#include "tests/suites/frames_world.h"

#if __STDC_HOSTED__
#include "tests/host/panic.h"
#endif

static struct world w;

/* ---- healthy ----------------------------------------------------------------------------------------------------- */

TEST(B18, "free blocks of every order anywhere in a GiB, and pieces that were given, are no findings")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	/* 16 MiB pieces 0, 1, 5, 63; leaves 0, 1, 63. */
	for (unsigned i = 0; i < 4; i++) {
		static const unsigned mid[] = { 0, 1, 5, 63 }, leaf[] = { 0, 1, 5, 63 };

		for (unsigned k = 0; k < 4; k++) {
			CHECK(world_take(&w, bank.start + mid[i] * 0x1000 + leaf[k] * 64 + i * 7, 0, TAG_TEST));
			world_check(&w);
		}
	}
}

TEST(B18, "banks that begin and end anywhere, given in pieces of any size, are no findings")
{
	/* Ends behind, begins before, or inside of 64 frames, 16 MiB, 1 GiB. */
	struct span banks[] = { { FRAME(GIB(1)) + 0x3ffc1, 0x7f },
				{ FRAME(GIB(5)) - 0x1003, 0x2006 },
				{ FRAME(GIB(6)) + 1, SECTION_PAGES } };

	WORLD_OR_RETURN(&w, banks, 3);
	world_check(&w);
	world_add(&w, banks[0].start + 62, 3);
	world_add(&w, banks[0].start, 1);
	world_add(&w, banks[0].start + 0x7e, 1);
	world_check(&w);
	world_add(&w, banks[1].start + 3, 0x1000);
	world_check(&w);
	world_add(&w, banks[1].start + 0x1003, 64);
	world_add(&w, banks[1].start + 0x1003 + 128, 63);
	world_check(&w);
	world_add(&w, banks[2].start, SECTION_PAGES);
	world_check(&w);
	for (unsigned order = 0; order < 7; order++) {
		pfn_t f;

		CHECK(world_alloc(&w, order, 0, TAG_TEST, &f));
		CHECK(world_alloc(&w, order, FRAMES_BELOW_4G, TAG_TEST, &f));
		world_check(&w);
	}
}

#if __STDC_HOSTED__

TEST_ON(TAP_HOST, B18, "banks of 65 to 4170 sections, the last of which are free, in parts or live, are no findings")
{
	static const uint64_t sections[] = { 63, 64, 65, 70, 127, 128, 129, 4095, 4096, 4097, 4170 };

	for (unsigned i = 0; i < ARRAY_SIZE(sections); i++) {
		struct span bank = { FRAME(GIB(4)), sections[i] * SECTION_PAGES - 9 };
		uint64_t last = bank.start + (sections[i] - 1) * SECTION_PAGES;
		struct frames_stats s;

		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, bank.pages);
		CHECK_EQ(frames_validate(&w.f), MM_OK);
		CHECK(world_take(&w, last + 0x1234, 0, TAG_TEST));
		CHECK(world_take(&w, last - SECTION_PAGES, MAX_ORDER, TAG_TEST));
		CHECK(world_take(&w, last - 2 * SECTION_PAGES + 5, 0, TAG_TEST));
		CHECK_EQ(frames_validate(&w.f), MM_OK);
		frames_get_stats(&w.f, &s);
		CHECK_EQ(s.free_blocks[MAX_ORDER], sections[i] - 3);
		CHECK(world_free(&w, last - 2 * SECTION_PAGES + 5, 0));
		CHECK_EQ(frames_validate(&w.f), MM_OK);
		frames_get_stats(&w.f, &s);
		CHECK_EQ(s.free_blocks[MAX_ORDER], sections[i] - 2);
	}
}

#endif

/* ---- what it is made of ------------------------------------------------------------------------------------------ */

/* Words over this many sections in two or three levels, the root not counted; for each order. */
static uint64_t tree_words(uint64_t sections)
{
	uint64_t words = (sections + 63) / 64;

	return sections <= 64 ? 0 : words <= 64 ? words : words + (words + 63) / 64;
}

TEST(B15, "metadata has the nodes of the sections, 16 MiB and MiB that the bank touches, and no more")
{
	static const uint64_t sizes[] = { 1,
					  63,
					  64,
					  255,
					  256,
					  4095,
					  4096,
					  SECTION_PAGES - 1,
					  SECTION_PAGES,
					  63 * SECTION_PAGES,
					  64 * SECTION_PAGES,
					  65 * SECTION_PAGES,
					  4095 * SECTION_PAGES,
					  4096 * SECTION_PAGES,
					  4097 * SECTION_PAGES };
	static const uint64_t starts[] = { 0, 1, 63, 64, 255, 256, 4095, 4096, SECTION_PAGES - 1, SECTION_PAGES };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(starts); k++) {
			uint64_t first = FRAME(GIB(4)) + starts[k], last = first + sizes[i] - 1;
			uint64_t sections = (last >> MAX_ORDER) - (first >> MAX_ORDER) + 1;
			uint64_t mids = (last >> 12) - (first >> 12) + 1, megabytes = (last >> 8) - (first >> 8) + 1;
			uint64_t tree = ALIGN_UP(tree_words(sections) * (MAX_ORDER + 1) * 8, 64);

			CHECK_EQ(frames_bank_metadata_size(pfn(first), sizes[i]), ALIGN_UP(sizeof(struct buddy), 64) +
											  tree + sections * 256 +
											  mids * 128 + megabytes * 64);
		}
}

TEST(B17, "the largest free block's order, -1 when nothing is free")
{
	struct span bank = { FRAME(GIB(1)), 0x40 };
	struct buddy *b;
	unsigned long irq;

	WORLD_OR_RETURN(&w, &bank, 1);
	b = world_bank(&w, 0);
	for (int order = -1; order <= 6; order++) {
		if (order >= 0)
			world_add(&w, bank.start + (order ? 1u << (order - 1) : 0), order ? 1u << (order - 1) : 1);
		irq = spin_lock(&b->lock);
		CHECK_EQ(buddy_largest_locked(b), order);
		spin_unlock(&b->lock, irq);
		CHECK_EQ(frames_largest_free(&w.f), order);
	}
}

/* ---- damaged ------------------------------------------------------------------------------------------------------- */

/* The check says `what` and no more than `lines` lines, and finds nothing when all is as it was. */
static void found(uint64_t *where, uint64_t value, unsigned lines, const char *what)
{
	uint64_t old = *where;
	const char *said;

	*where = value;
	capture_begin();
	CHECK_EQ(frames_validate(&w.f), MM_ECORRUPT);
	said = capture_end();
	if (!has_text(said, what) || count_text(said, "\n") != lines) {
		tap_note("wanted %u lines with: %s", lines, what);
		tap_note("%s", said);
		CHECK(!"the finding");
	}
	*where = old;
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

static uint64_t *record(uint64_t n)
{
	return (uint64_t *)(void *)world_record(&w, n);
}

TEST(B18, "each kind of damage to a record is told by its name")
{
	struct span bank = { FRAME(GIB(1)) + 0x40, 0x80 };
	uint64_t n = bank.start, state = (uint64_t)1 << PAGE_WORD_STATE_SHIFT;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, n, 0x78);
	/* Free: 1, 2..3, 6..7, 8..f, 10..1f, ... */
	CHECK(world_take(&w, n, 0, TAG_TEST));
	CHECK(world_take(&w, n + 4, 1, TAG_TEST));
	CHECK(world_take(&w, n + 0x40, 4, TAG_TEST));
	CHECK(world_take(&w, n + 0x70, 3, TAG_TEST));
	world_check(&w);
	found(record(n + 5), 1, 1, "record 0x0000000000000001 inside a block");
	found(record(n + 4), 1, 5, "record 0x0000000000000001 is in no block and no head");
	found(record(n + 4), *record(n + 4) - 1, 1, "allocated, order 1, without a reference");
	found(record(n + 1), *record(n + 1) | 1, 2, "free, order 0, but record 0x");
	found(record(n + 1), *record(n + 1) | (uint64_t)1 << 32, 1, "free, order 0, but record 0x");
	found(record(n + 1), *record(n + 1) | (uint64_t)1 << 47, 1, "free, order 0, but record 0x");
	/* What it was marked with, and its last owner's name, do not matter. */
	*record(n + 1) |= PAGE_WORD_OLD | (uint64_t)0xff << PAGE_WORD_TAG_SHIFT;
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	/* Too long for its place: at the end of the bank, not aligned, of no order. */
	found(record(n + 0x70), page_word(1, 5, PAGE_ALLOC, 0), 4, "head of an impossible order 5");
	found(record(n + 4), page_word(1, 3, PAGE_ALLOC, 0), 5, "head of an impossible order 3");
	found(record(n), page_word(1, 19, PAGE_ALLOC, 0), 1, "head of an impossible order 19");
	/* Cached by its record, but with two references: it is no head. */
	found(record(n), page_word(2, 0, PAGE_CACHED, 0), 1, "is in no block and no head");
	/* In no cache. */
	found(record(n), page_word(1, 0, PAGE_CACHED, 0), 1, " 1 frames are cached by their records, but in no cache");
	found(record(n + 4), page_word(1, 1, PAGE_CACHED, 0), 1,
	      " 2 frames are cached by their records, but in no cache");
	/* Free by its record: in no bitmap, and counted as free. */
	found(record(n + 0x40), *record(n + 0x40) - 1 - state, 3, "free block of order 4 is not in the bitmap");
	/* Allocated by its record: its bit stands for nothing. */
	found(record(n + 1), page_word(1, 0, PAGE_ALLOC, 0), 2, "bit of order 0, but no such free block");
}

TEST(B18, "each kind of damage to bitmaps and flags is told by its name")
{
	struct span bank = { FRAME(GIB(1)) + 0x40, 0x3000 };
	uint64_t n = bank.start;
	struct buddy *b;
	uint64_t *leaf, *mid, *section;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, n, 0x20);
	world_add(&w, n + 0x40, 0x40);
	world_add(&w, n + 0xfc0, 0x1000);
	CHECK(world_take(&w, n + 0xfc0 + 3, 0, TAG_TEST));
	b = world_bank(&w, 0);
	world_check(&w);
	/* Bits of nothing: before the bank, behind it, of a hole, of an allocated frame. */
	leaf = leaf_at(b, n);
	found(&leaf[0], leaf[0] | (uint64_t)1 << 40, 2, "bit of order 0, but no such free block");
	found(&leaf[1], leaf[1] | (uint64_t)1 << 62, 1, "bits of no block");
	found(&leaf[1], leaf[1] | (uint64_t)1 << 63, 1, "bits of no block");
	mid = mid_at(b, n);
	found(&mid[6], mid[6] | 1, 1, "bit of order 6, but no such free block");
	found(&mid[3], mid[3] ^ 1, 2, "16 MiB summary of order 3");
	section = section_at(b, n);
	found(&section[0], section[0] ^ 2, 2, "1 GiB summary of order 0");
	found(&section[13], section[13] | 1, 2, "bit of order 13, but no such free block");
	found(&b->top[0], 0, 1, "bank summary of order 0");
	found(&b->top[MAX_ORDER], 1, 1, "bank summary of order 18");
	found(&b->top[4], b->top[4] | 2, 1, "bits behind the bank's last section");
	/* What was given. */
	found(&mid[MID_ANY], mid[MID_ANY] & ~bit64(n >> 6), 1, "32 in blocks, but nothing was given");
	found(&mid[MID_ANY], mid[MID_ANY] | bit64((n >> 6) + 2), 1, "0 in blocks, but something was given");
	found(&mid[MID_ALL], mid[MID_ALL] | bit64(n >> 6), 1, "32 in blocks, but everything was given");
	found(&section[SECTION_ANY], section[SECTION_ANY] & ~(uint64_t)1, 1, "what was given does not match");
	found(&section[SECTION_ANY], section[SECTION_ANY] | 4, 1, "what was given does not match");
	found(&section[SECTION_GIVEN], section[SECTION_GIVEN] - 1, 1, "frames in blocks,");
	/* The bank's numbers. */
	found(&b->given_pages, b->given_pages + 1, 1, "were given");
	found(&b->used_pages, b->used_pages - 1, 1, "1 frames in use, the counter says 0");
	found(&b->used_pages, b->used_pages + 1, 2, "is below the 2 in use");
	found(&b->peak_used_pages, 0, 1, "peak of 0 frames is below the 1 in use");
	found(&b->live, b->used_pages + 1, 1, "2 blocks in use, of 1 frames");
	found(&b->top[MAX_ORDER + 1], 0, 1, "the end mark of the search is gone");
}

TEST(B18, "an aligned block that is longer than what is left of the bank is told")
{
	struct span bank = { FRAME(GIB(1)), 0x78 };

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK(world_take(&w, bank.start + 0x70, 3, TAG_TEST));
	found(record(bank.start + 0x70), page_word(1, 4, PAGE_ALLOC, 0), 4, "head of an impossible order 4");
}

TEST(B18, "what was given of the last frames of a bank is checked wherever it ends")
{
	for (uint64_t pages = 0x41; pages <= 0x80; pages++) {
		struct span bank = { FRAME(GIB(1)), pages };
		uint64_t *mid;

		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, 0x41);
		mid = mid_at(world_bank(&w, 0), bank.start);
		found(&mid[MID_ANY], mid[MID_ANY] & ~(uint64_t)2, 1, "1 in blocks, but nothing was given");
		if (pages > 0x41)
			found(&mid[MID_ALL], mid[MID_ALL] | 2, 1, "1 in blocks, but everything was given");
	}
}

TEST(B18, "a bit behind a bank's last section is found, whichever is the last")
{
	static const uint64_t sections[] = { 1, 2, 3, 5 };

	for (unsigned i = 0; i < ARRAY_SIZE(sections); i++) {
		struct span bank = { FRAME(GIB(4)), sections[i] * SECTION_PAGES };
		struct buddy *b;

		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, bank.pages);
		b = world_bank(&w, 0);
		for (unsigned order = 0; order <= MAX_ORDER; order += 6) {
			found(&b->top[order], b->top[order] | bit64(sections[i]), 1,
			      "bits behind the bank's last section");
			found(&b->top[order], b->top[order] | bit64(63), 1, "bits behind the bank's last section");
		}
	}
}

TEST(B18, "each kind of damage to the section table is told by its name")
{
	struct span bank = { FRAME(GIB(1)), 2 * SECTION_PAGES + 0x40 };
	struct buddy *b;

	WORLD_OR_RETURN(&w, &bank, 1);
	b = world_bank(&w, 0);
	world_add(&w, bank.start, 2 * SECTION_PAGES);
	CHECK(world_take(&w, bank.start, MAX_ORDER, TAG_TEST));
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	found(&w.sections[1], (uintptr_t)b | SECTION_UNTOUCHED, 2, "bank summary of order 18");
	found(&w.sections[2], (uintptr_t)b | SECTION_ABSENT, 2, "bank summary of order 18");
	found(&w.sections[2], (uintptr_t)b | 6, 2, "unknown state 6");
	found(&w.sections[3], (uintptr_t)b | SECTION_UNTOUCHED, 1, "given as a whole, but the bank has only a part");
	found(&w.sections[2], ((uintptr_t)b + 64) | SECTION_UNTOUCHED, 2, "names another bank");
	found(record(bank.start), page_word(0, MAX_ORDER, PAGE_ALLOC, 0), 1, "handed out whole, but its record is 0x");
	found(record(bank.start), page_word(1, 17, PAGE_ALLOC, 0), 1, "handed out whole, but its record is 0x");
	found(record(bank.start), page_word(1, MAX_ORDER, PAGE_FREE, 0), 1, "handed out whole, but its record is 0x");
	found(record(bank.start), page_word(1, MAX_ORDER, PAGE_CACHED, 0), 1, " 262144 frames are cached");
	found(&b->top[0], 1, 1, "bank summary of order 0");
	found(&b->top[17], 2, 1, "bank summary of order 17");
}

/* Only in this order of addresses, in GiB, banks are in order. */
TEST(B18, "banks out of order are told: high memory first, then by address")
{
	static const unsigned in_order[] = { 4, 6, 1, 3 };
	struct span banks[] = {
		{ FRAME(GIB(4)), 8 }, { FRAME(GIB(6)), 8 }, { FRAME(GIB(1)), 8 }, { FRAME(GIB(3)), 8 }
	};
	struct buddy *b[4];

	WORLD_OR_RETURN(&w, banks, 4);
	for (unsigned i = 0; i < 4; i++) {
		b[i] = world_bank(&w, i);
		CHECK_EQ(b[i]->start, FRAME(GIB(in_order[i])));
	}
	for (unsigned code = 0; code < 256; code++) {
		unsigned p[] = { code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 }, wrong = 0;

		if ((1u << p[0] | 1u << p[1] | 1u << p[2] | 1u << p[3]) != 0xf)
			continue;
		for (unsigned i = 0; i < 4; i++)
			b[p[i]]->next = i < 3 ? b[p[i + 1]] : NULL;
		for (unsigned i = 0; i < 3; i++)
			wrong += p[i] > p[i + 1];
		w.f.banks = b[p[0]];
		world_log_begin();
		CHECK_EQ(frames_validate(&w.f), wrong ? MM_ECORRUPT : MM_OK);
		CHECK_EQ(world_log_end(), wrong);
		CHECK(!wrong || contains(world_line, "are out of order"));
	}
}

TEST(B13, "inside a section that was handed out whole no record is believed, whatever it says")
{
	/* In an even GiB, and in an odd one. */
	struct span bank = { FRAME(GIB(2)), 2 * SECTION_PAGES };
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned i = 0; i < 2; i++) {
		CHECK(world_alloc(&w, MAX_ORDER, 0, TAG_TEST, &f));
		for (unsigned order = 0; order < MAX_ORDER; order++) {
			uint64_t n = f.n + ((uint64_t)1 << order), lie = page_word(1, order, PAGE_ALLOC, TAG_TEST);

			*record(n) = lie;
			world_log_begin();
			CHECK_EQ(frames_free(&w.f, pfn(n), order), MM_EINTERIOR);
			CHECK_EQ(frames_put(&w.f, pfn(n), NULL), MM_EINTERIOR);
			CHECK_EQ(frames_free_exact(&w.f, pfn(n), (uint64_t)1 << order), MM_EINTERIOR);
			CHECK_EQ(world_log_end(), 3);
			CHECK_EQ(frames_get(&w.f, pfn(n)), MM_EINTERIOR);
			CHECK(frames_page(&w.f, pfn(n)) == NULL);
			CHECK_EQ(*record(n), lie);
		}
	}
	world_check(&w);
	CHECK(world_free(&w, FRAME(GIB(2)), MAX_ORDER));
	CHECK(world_free(&w, FRAME(GIB(3)), MAX_ORDER));
	world_check(&w);
}

#if __STDC_HOSTED__

TEST_ON(TAP_HOST, B25, "a bit behind the last of 62, 63, 65 or 127 sections is found")
{
	static const uint64_t sections[] = { 62, 63, 65, 127 };

	for (unsigned i = 0; i < ARRAY_SIZE(sections); i++) {
		struct span bank = { FRAME(GIB(4)), sections[i] * SECTION_PAGES };
		struct buddy *b;
		uint64_t *word;

		WORLD_OR_RETURN(&w, &bank, 1);
		b = world_bank(&w, 0);
		world_add(&w, bank.start, bank.pages);
		word = i < 2 ? &b->top[MAX_ORDER] : b->tree + MAX_ORDER * b->tree_words + 1;
		found(word, *word | bit64(sections[i]), 1, "bits behind the bank's last section");
		found(word, *word | bit64(63), 1, "bits behind the bank's last section");
	}
}

TEST_ON(TAP_HOST, B25, "damage to each word of the tree over sections is found")
{
	static const uint64_t sections[] = { 130, 4170 };

	for (unsigned i = 0; i < ARRAY_SIZE(sections); i++) {
		struct span bank = { FRAME(GIB(4)), sections[i] * SECTION_PAGES };
		struct buddy *b;

		WORLD_OR_RETURN(&w, &bank, 1);
		b = world_bank(&w, 0);
		world_add(&w, bank.start, bank.pages);
		for (unsigned order = 0; order <= MAX_ORDER; order += 9) {
			uint64_t *words = b->tree + (uint64_t)order * b->tree_words;

			for (unsigned k = 0; k < b->tree_words; k++)
				for (unsigned bit = 0; bit < 64; bit += k % 16 ? 63 : 9) {
					words[k] ^= bit64(bit);
					world_log_begin();
					CHECK_EQ(frames_validate(&w.f), MM_ECORRUPT);
					CHECK(world_log_end() > 0);
					words[k] ^= bit64(bit);
				}
			for (unsigned bit = 0; bit < 64; bit += 1) {
				b->top[order] ^= bit64(bit);
				world_log_begin();
				CHECK_EQ(frames_validate(&w.f), MM_ECORRUPT);
				CHECK_EQ(world_log_end(), 1);
				b->top[order] ^= bit64(bit);
			}
		}
		CHECK_EQ(frames_validate(&w.f), MM_OK);
	}
}

/* ---- what is below a limit --------------------------------------------------------------------------------------- */

static uint64_t take_lowest(uint64_t pages, uint64_t end)
{
	struct buddy *b = world_bank(&w, 0);
	unsigned long irq = spin_lock(&b->lock);
	uint64_t n = buddy_take_lowest_locked(b, pages, end, TAG_TEST);

	spin_unlock(&b->lock, irq);
	return n;
}

TEST_ON(TAP_HOST, FX1, "a limit at any frame: what ends at it is had, and what ends one frame behind it is not")
{
	struct span bank = { FRAME(GIB(1)) + 0x40, 0x40 };
	uint64_t n = bank.start;

	for (uint64_t pages = 1; pages <= 0x40; pages++)
		for (uint64_t room = 0; room <= 0x40; room++) {
			WORLD_OR_RETURN(&w, &bank, 1);
			world_add(&w, n, bank.pages);
			CHECK_EQ(take_lowest(pages, n + room), room >= pages ? n : BUDDY_NONE);
			CHECK_EQ(frames_validate(&w.f), MM_OK);
		}
}

/* ---- broken: it says so and stops -------------------------------------------------------------------------------- */

static void take_one(void)
{
	(void)take_lowest(1, UINT64_MAX);
}

static void take_exactly(void)
{
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(1)) + 2), 0, TAG_TEST), MM_OK);
}

static void stops(void (*fn)(void), const char *why)
{
	const char *said = expect_panic(fn);

	CHECK_OR_RETURN(said != NULL);
	if (!contains(said, why))
		tap_note("%s", said);
	CHECK(contains(said, why));
}

TEST_ON(TAP_HOST, B16, "a bank whose bitmaps and records disagree hands out nothing and stops")
{
	struct span bank = { FRAME(GIB(1)), 8 };

	for (unsigned i = 0; i < 2; i++) {
		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, 8);
		CHECK(world_take(&w, bank.start, 0, TAG_TEST));
		if (i == 0) {
			/* Frame 1 is free by its bit only. */
			*record(bank.start + 1) = page_word(1, 0, PAGE_ALLOC, TAG_TEST);
			stops(take_one, "bit of order 0 at frame 0x40001, but no such free block");
		} else {
			/* Frames 2 and 3 by their record only. */
			leaf_at(world_bank(&w, 0), bank.start)[1] = (uint64_t)1 << (32 + 1);
			stops(take_exactly, "free block of order 1 at frame 0x40002 has no bit");
		}
	}
}

#endif
