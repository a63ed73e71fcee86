/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a bank can say about itself: the block around a frame, how much is free, and whether all of its state agrees.
 * The check derives everything again from the records of mem_map and shares with mm/buddy.c only the geometry of the
 * nodes.
 */
#include "lib/log.h"
#include "mm/buddy.h"
#include "mm/buddy_fast.h"

/* ---- questions --------------------------------------------------------------------------------------------------- */

/* [B6] */
void buddy_query_locked(struct buddy *b, uint64_t n, struct frame_info *out)
{
	uint64_t section = ALIGN_DOWN(n, SECTION_PAGES);
	uint64_t word;

	buddy_settle_locked(b);
	*out = (struct frame_info){ .role = FRAME_RESERVED };
	switch (section_state(b, n)) {
	case SECTION_NONE:
	case SECTION_ABSENT:
		return;
	case SECTION_UNTOUCHED:
		*out = (struct frame_info){ .role = FRAME_FREE, .head = pfn(section), .order = MAX_ORDER };
		return;
	case SECTION_WHOLE:
	case SECTION_LIVE:
		break;
	}

	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		uint64_t head = n & ~(((uint64_t)1 << order) - 1);

		if (section_state(b, n) == SECTION_WHOLE)
			head = section;
		else if (order && head == (n & ~(((uint64_t)1 << (order - 1)) - 1)))
			continue; /* asked already */
		if (head < b->start)
			return;
		word = record_load(b, head);
		if (page_word_state(word) == PAGE_NONE)
			continue;
		/* Blocks do not overlap: the nearest head below decides. */
		if ((n - head) >> page_word_order(word))
			return;
		out->role = page_word_state(word) == PAGE_ALLOC ? FRAME_ALLOC : FRAME_FREE;
		out->head = pfn(head);
		out->order = page_word_order(word);
		out->tag = page_word_tag(word);
		out->ref = out->role == FRAME_ALLOC ? page_word_ref(word) : 0;
		out->cached = page_word_state(word) == PAGE_CACHED;
		return;
	}
}

int buddy_largest_locked(struct buddy *b)
{
	buddy_settle_locked(b);
	for (int order = MAX_ORDER; order >= 0; order--)
		if (b->top[order])
			return order;
	return -1;
}

/* Whether the section has its bit in the order's bitmap. */
static bool top_is_set(const struct buddy *b, unsigned order, uint64_t s)
{
	return (b->depth == 1 ? b->top[order] : b->tree[(uint64_t)order * b->tree_words + (s >> 6)]) >> (s & 63) & 1;
}

/* Written out: __builtin_popcountll() calls a library function where there are no vector registers. */
static uint64_t count_bits(uint64_t w)
{
	w -= w >> 1 & 0x5555555555555555;
	w = (w & 0x3333333333333333) + (w >> 2 & 0x3333333333333333);
	w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return w * 0x0101010101010101 >> 56;
}

static void count_leaf(const uint64_t *leaf, uint64_t *counts)
{
	for (unsigned k = 0; k < NODE_ORDERS; k++)
		counts[k] += count_bits(leaf[k != 0] & leaf_field[k]);
}

static void count_mid(struct buddy *b, uint64_t n, uint64_t *counts) REQUIRES(b->lock)
{
	const uint64_t *mid = mid_at(b, n);
	uint64_t any = 0;

	for (unsigned k = 0; k < NODE_ORDERS; k++) {
		any |= mid[k];
		counts[NODE_ORDERS + k] += count_bits(mid[NODE_ORDERS + k]);
	}
	for (; any; any &= any - 1)
		count_leaf(leaf_at(b, n + ((uint64_t)lowest_bit(any) << 6)), counts);
}

/* [B17] */
void buddy_count_free(struct buddy *b, uint64_t *counts)
{
	for (uint64_t s = b->first_section; s < b->first_section + b->n_sections; s++) {
		uint64_t any = 0;
		unsigned long irq = spin_lock(&b->lock);
		enum section_state state;

		buddy_settle_locked(b);
		state = section_state(b, s << MAX_ORDER);
		if (state == SECTION_UNTOUCHED)
			counts[MAX_ORDER]++;
		if (state == SECTION_LIVE) {
			const uint64_t *section = section_at(b, s << MAX_ORDER);

			for (unsigned k = 0; k < 2 * NODE_ORDERS; k++)
				any |= section[k];
			for (unsigned k = 2 * NODE_ORDERS; k < MAX_ORDER; k++)
				counts[k] += count_bits(section[k]);
			if (top_is_set(b, MAX_ORDER, s - b->first_section))
				counts[MAX_ORDER]++;
		}
		spin_unlock(&b->lock, irq);

		for (; any; any &= any - 1) {
			irq = spin_lock(&b->lock);
			buddy_settle_locked(b);
			count_mid(b, (s << MAX_ORDER) + ((uint64_t)lowest_bit(any) << 12), counts);
			spin_unlock(&b->lock, irq);
		}
	}
}

/* ---- the check --------------------------------------------------------------------------------------------------- */

struct check {
	unsigned findings;
	uint64_t given; /* frames in blocks */
	uint64_t free;
	uint64_t cached; /* of what is in use: frames in caches, or on their way */
};

typedef unsigned long long ull;

/* A finding; "frames: " stands in front. */
#define finding(c, ...)                            \
	do {                                       \
		(c)->findings++;                   \
		log_error("frames: " __VA_ARGS__); \
	} while (0)

static bool bit_is_set(const struct buddy *b, uint64_t n, unsigned order)
{
	if (order < NODE_ORDERS) {
		unsigned slot = leaf_slot(n, order);

		return leaf_at(b, n)[slot >> 6] >> (slot & 63) & 1;
	}
	return (order < 2 * NODE_ORDERS ? mid_at(b, n) : section_at(b, n))[order] >> block_bit(n, order) & 1;
}

/*
 * The record of frame n, which is inside no block before it, in a section that ends (for this bank) at end. The block's
 * length.
 */
static uint64_t check_head(struct buddy *b, struct check *c, uint64_t n, uint64_t word, uint64_t start, uint64_t end)
	REQUIRES(b->lock)
{
	unsigned state = page_word_state(word), order = page_word_order(word);
	uint64_t size = (uint64_t)1 << order;
	uint64_t buddy = n ^ size;

	if (state == PAGE_NONE || (state == PAGE_CACHED && page_word_ref(word) != 1)) {
		finding(c, "frame 0x%llx: record 0x%016llx is in no block and no head\n", (ull)n, (ull)word);
		return 1;
	}
	if (order > MAX_ORDER || n & (size - 1) || size > end - n) {
		finding(c, "frame 0x%llx: head of an impossible order %u\n", (ull)n, order);
		return 1;
	}
	if (state != PAGE_FREE) {
		if (state == PAGE_CACHED)
			c->cached += size;
		if (page_word_ref(word) == 0)
			finding(c, "frame 0x%llx: allocated, order %u, without a reference\n", (ull)n, order);
		return size;
	}
	c->free += size;
	if (page_word_ref(word) || word & PAGE_WORD_AUX_MASK)
		finding(c, "frame 0x%llx: free, order %u, but record 0x%016llx is in use\n", (ull)n, order, (ull)word);
	if (order == MAX_ORDER)
		return size; /* check_summaries() looks at its bit */
	if (!bit_is_set(b, n, order))
		finding(c, "frame 0x%llx: free block of order %u is not in the bitmap\n", (ull)n, order);
	if (buddy < n && buddy >= start && !((record_load(b, buddy) ^ word) & PAGE_WORD_CHECKED))
		finding(c, "frames 0x%llx and 0x%llx: two free buddies of order %u\n", (ull)buddy, (ull)n, order);
	return size;
}

/* How many frames of the leaf around n are in blocks, against what was given. */
static void check_given(struct buddy *b, struct check *c, uint64_t n, uint64_t covered, uint64_t frames)
	REQUIRES(b->lock)
{
	const uint64_t *section = section_at(b, n), *mid = mid_at(b, n);
	bool any = mid[MID_ANY] & bit64(n >> 6);
	bool all = section[SECTION_GIVEN] == SECTION_PAGES || section[SECTION_ALL] & bit64(n >> 12) ||
		   mid[MID_ALL] & bit64(n >> 6);

	if (all ? covered != frames : any ? covered == 0 : covered != 0)
		finding(c, "frames 0x%llx to 0x%llx: %llu in blocks, but %s was given\n", (ull)ALIGN_DOWN(n, 64),
			(ull)ALIGN_DOWN(n, 64) + 63, (ull)covered,
			all   ? "everything"
			: any ? "something"
			      : "nothing");
}

/* Every record from start to end, in one walk. */
static void check_records(struct buddy *b, struct check *c, uint64_t start, uint64_t end) REQUIRES(b->lock)
{
	uint64_t block_end = start, covered = 0, frames = 0, given = 0;

	for (uint64_t n = start; n < end; n++) {
		uint64_t word = record_load(b, n);

		if (n < block_end) {
			if (word)
				finding(c, "frame 0x%llx: record 0x%016llx inside a block\n", (ull)n, (ull)word);
		} else if (word) {
			uint64_t size = check_head(b, c, n, word, start, end);

			block_end = n + size;
			given += size;
		}
		covered += n < block_end;
		frames++;
		if ((n & 63) == 63 || n + 1 == end) {
			check_given(b, c, n, covered, frames);
			covered = 0;
			frames = 0;
		}
	}
	if (given != section_at(b, start)[SECTION_GIVEN])
		finding(c, "section 0x%llx: %llu frames in blocks, %llu given\n", (ull)(start >> MAX_ORDER), (ull)given,
			(ull)section_at(b, start)[SECTION_GIVEN]);
	c->given += given;
}

/* Every bit of `free`, blocks of `order` from frame n on, must be the head of a free block. */
static void check_bits(struct buddy *b, struct check *c, uint64_t n, unsigned order, uint64_t free, uint64_t start,
		       uint64_t end) REQUIRES(b->lock)
{
	for (; free; free &= free - 1) {
		uint64_t head = n + ((uint64_t)lowest_bit(free) << order);

		if (head < start || head >= end ||
		    (record_load(b, head) & PAGE_WORD_CHECKED) != page_word(0, order, PAGE_FREE, 0))
			finding(c, "frame 0x%llx: bit of order %u, but no such free block\n", (ull)head, order);
	}
}

/* A summary word against what it should be. */
static void check_word(struct check *c, const char *what, uint64_t n, unsigned order, uint64_t is, uint64_t should)
{
	if (is != should)
		finding(c, "frame 0x%llx: %s summary of order %u is 0x%016llx, should be 0x%016llx\n", (ull)n, what,
			order, (ull)is, (ull)should);
}

/* The leaf at frame n, whose bit is added to the mid's words as they should be. */
static void check_leaf(struct buddy *b, struct check *c, uint64_t n, uint64_t *in_mid, uint64_t start, uint64_t end)
	REQUIRES(b->lock)
{
	const uint64_t *leaf = leaf_at(b, n);

	for (unsigned k = 0; k < NODE_ORDERS; k++) {
		uint64_t free = leaf[k != 0] & leaf_field[k];

		check_bits(b, c, n, k, free >> leaf_shift(k), start, end);
		if (free)
			in_mid[k] |= bit64(n >> 6);
	}
	if (leaf[1] & ~((uint64_t)-1 >> 2))
		finding(c, "frames 0x%llx to 0x%llx: bits of no block\n", (ull)n, (ull)n + 63);
}

static void check_nodes(struct buddy *b, struct check *c, uint64_t start, uint64_t end) REQUIRES(b->lock)
{
	const uint64_t *section = section_at(b, start);
	uint64_t first = ALIGN_DOWN(start, SECTION_PAGES), s = (start >> MAX_ORDER) - b->first_section;
	uint64_t in_section[2 * NODE_ORDERS] = { 0 };

	for (uint64_t m = ALIGN_DOWN(start, 1 << 12); m < end; m += 1 << 12) {
		const uint64_t *mid = mid_at(b, m);
		uint64_t in_mid[NODE_ORDERS] = { 0 };

		for (uint64_t l = max_u64(m, ALIGN_DOWN(start, 64)); l < end && l < m + (1 << 12); l += 64)
			check_leaf(b, c, l, in_mid, start, end);
		for (unsigned k = 0; k < NODE_ORDERS; k++)
			check_word(c, "16 MiB", m, k, mid[k], in_mid[k]);
		for (unsigned k = NODE_ORDERS; k < 2 * NODE_ORDERS; k++)
			check_bits(b, c, m, k, mid[k], start, end);
		for (unsigned k = 0; k < 2 * NODE_ORDERS; k++)
			if (mid[k])
				in_section[k] |= bit64(m >> 12);
		if (!(section[SECTION_ANY] & bit64(m >> 12)) != !(mid[MID_ANY] | mid[MID_ALL]))
			finding(c, "frames 0x%llx to 0x%llx: what was given does not match\n", (ull)m, (ull)m + 0xfff);
	}
	for (unsigned k = 0; k < 2 * NODE_ORDERS; k++)
		check_word(c, "1 GiB", first, k, section[k], in_section[k]);
	for (unsigned k = 2 * NODE_ORDERS; k < MAX_ORDER; k++)
		check_bits(b, c, first, k, section[k], start, end);
	for (unsigned k = 0; k < MAX_ORDER; k++)
		check_word(c, "bank", first, k, top_is_set(b, k, s), section[k] != 0);
}

/* What the bitmaps over sections say of a section that is not live, or of a live one as a whole. */
static void check_top(struct buddy *b, struct check *c, uint64_t s, bool live, bool whole_free) REQUIRES(b->lock)
{
	for (unsigned k = live ? MAX_ORDER : 0; k <= MAX_ORDER; k++)
		check_word(c, "bank", (s + b->first_section) << MAX_ORDER, k, top_is_set(b, k, s),
			   k == MAX_ORDER && whole_free);
}

static void check_section(struct buddy *b, struct check *c, uint64_t s) REQUIRES(b->lock)
{
	uint64_t first = (s + b->first_section) << MAX_ORDER;
	uint64_t start = max_u64(first, b->start), end = min_u64(first + SECTION_PAGES, b->end);
	uint64_t entry = b->section_table[first >> MAX_ORDER];
	bool whole_free = false;
	uint64_t word;

	if ((entry & SECTION_BANK_MASK) != (uintptr_t)b) {
		finding(c, "section 0x%llx: entry 0x%llx names another bank\n", (ull)(first >> MAX_ORDER), (ull)entry);
		return;
	}
	switch (entry & SECTION_STATE_MASK) {
	case SECTION_ABSENT:
		break;
	case SECTION_UNTOUCHED:
	case SECTION_WHOLE:
		if (end - start != SECTION_PAGES) {
			finding(c, "section 0x%llx: given as a whole, but the bank has only a part\n",
				(ull)(first >> MAX_ORDER));
			return;
		}
		c->given += SECTION_PAGES;
		whole_free = (entry & SECTION_STATE_MASK) == SECTION_UNTOUCHED;
		if (whole_free) {
			c->free += SECTION_PAGES;
			break;
		}
		word = record_load(b, first);
		if (page_word_state(word) == PAGE_CACHED)
			c->cached += SECTION_PAGES;
		if (page_word_state(word) < PAGE_ALLOC || page_word_order(word) != MAX_ORDER ||
		    page_word_ref(word) == 0)
			finding(c, "section 0x%llx: handed out whole, but its record is 0x%016llx\n",
				(ull)(first >> MAX_ORDER), (ull)word);
		break;
	case SECTION_LIVE:
		check_records(b, c, start, end);
		check_nodes(b, c, start, end);
		whole_free = start == first && page_word_state(record_load(b, first)) == PAGE_FREE &&
			     page_word_order(record_load(b, first)) == MAX_ORDER;
		check_top(b, c, s, true, whole_free);
		return;
	default:
		finding(c, "section 0x%llx: unknown state %llu\n", (ull)(first >> MAX_ORDER),
			(ull)(entry & SECTION_STATE_MASK));
		return;
	}
	check_top(b, c, s, false, whole_free);
}

/* The levels above the bitmap over sections; bits behind the last section. */
static void check_tree(struct buddy *b, struct check *c, unsigned order) REQUIRES(b->lock)
{
	const uint64_t *words = &b->top[order];
	uint64_t n = b->n_sections;

	if (b->depth == 1) {
		if (n < 64 && *words >> n)
			finding(c, "order %u: bits behind the bank's last section\n", order);
		return;
	}
	words = b->tree + (uint64_t)order * b->tree_words;
	if (n & 63 && words[n >> 6] >> (n & 63))
		finding(c, "order %u: bits behind the bank's last section\n", order);
	for (unsigned depth = b->depth; depth > 1; depth--) {
		uint64_t n_words = (n + 63) / 64;
		const uint64_t *above = depth == 2 ? &b->top[order] : words + n_words;

		for (uint64_t w = 0; w < ALIGN_UP(n_words, 64); w++)
			if ((above[w >> 6] >> (w & 63) & 1) != (w < n_words && words[w]))
				finding(c, "order %u: summary over sections %llu to %llu is wrong\n", order,
					(ull)(w * 64), (ull)(w * 64 + 63));
		words = above;
		n = n_words;
	}
}

/* [B18] */
unsigned buddy_validate_locked(struct buddy *b, uint64_t *cached)
{
	struct check c = { 0 };

	buddy_settle_locked(b);
	for (uint64_t s = 0; s < b->n_sections; s++)
		check_section(b, &c, s);
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		check_tree(b, &c, order);
	if (!b->top[MAX_ORDER + 1])
		finding(&c, "bank 0x%llx: the end mark of the search is gone\n", (ull)b->start);
	if (c.given != b->given_pages)
		finding(&c, "bank 0x%llx: %llu frames in blocks, %llu were given\n", (ull)b->start, (ull)c.given,
			(ull)b->given_pages);
	if (c.given - c.free != b->used_pages)
		finding(&c, "bank 0x%llx: %llu frames in use, the counter says %llu\n", (ull)b->start,
			(ull)(c.given - c.free), (ull)b->used_pages);
	else if (b->live > b->used_pages)
		finding(&c, "bank 0x%llx: %llu blocks in use, of %llu frames\n", (ull)b->start, (ull)b->live,
			(ull)b->used_pages);
	if (b->used_pages > b->peak_used_pages)
		finding(&c, "bank 0x%llx: peak of %llu frames is below the %llu in use\n", (ull)b->start,
			(ull)b->peak_used_pages, (ull)b->used_pages);
	*cached += c.cached;
	return c.findings;
}
