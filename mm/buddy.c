/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The buddy of one bank: its metadata, sections that come to life, splitting, merging, taking an exact block. The fast
 * halves are in mm/buddy_fast.h, the questions and the check in mm/buddy_check.c.
 */
#include "mm/buddy.h"
#include "arch/arch.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mm/buddy_fast.h"

/* ---- metadata ---------------------------------------------------------------------------------------------------- */

/* Offsets in bytes from the bank's metadata; every part is a multiple of 64 bytes. */
struct layout {
	uint64_t tree, sections, mids, leaves, size;
	uint64_t n_sections;
	uint64_t first_mid;
	uint64_t first_leaf;
	uint32_t tree_words, tree_leaves, depth;
};

static struct layout layout_of(uint64_t start, uint64_t end)
{
	struct layout l = { 0 };
	uint64_t first_section = start >> MAX_ORDER;
	uint64_t n_mids, n_leaves;

	l.n_sections = ((end - 1) >> MAX_ORDER) - first_section + 1;
	l.first_mid = start >> 12;
	n_mids = ((end - 1) >> 12) - l.first_mid + 1;
	/* Four leaves are 64 bytes. */
	l.first_leaf = ALIGN_DOWN(start >> 6, 4);
	n_leaves = ALIGN_UP(((end - 1) >> 6) + 1, 4) - l.first_leaf;

	l.depth = 1;
	if (l.n_sections > 64) {
		l.depth = 2;
		l.tree_leaves = (uint32_t)((l.n_sections + 63) / 64);
		l.tree_words = l.tree_leaves;
		if (l.tree_leaves > 64) {
			l.depth = 3;
			l.tree_words += (l.tree_leaves + 63) / 64;
		}
	}

	l.tree = ALIGN_UP(sizeof(struct buddy), BUDDY_ALIGN);
	l.sections = ALIGN_UP(l.tree + (uint64_t)l.tree_words * (MAX_ORDER + 1) * 8, BUDDY_ALIGN);
	l.mids = l.sections + l.n_sections * SECTION_WORDS * 8;
	l.leaves = l.mids + n_mids * MID_WORDS * 8;
	l.size = l.leaves + n_leaves * LEAF_WORDS * 8;
	return l;
}

/* [B15] */
uint64_t buddy_metadata_size(uint64_t start, uint64_t pages)
{
	return pages ? layout_of(start, start + pages).size : 0;
}

/* [B19] */
struct buddy *buddy_init(void *metadata, uint64_t start, uint64_t pages, uintptr_t map, uint64_t *section_table,
			 uint32_t numa_node)
{
	struct buddy *b = metadata;
	struct layout l = layout_of(start, start + pages);
	uintptr_t base = (uintptr_t)metadata;

	memset(b, 0, sizeof(*b));
	b->map = map;
	b->first_section = start >> MAX_ORDER;
	b->n_sections = l.n_sections;
	b->sections = base + l.sections - b->first_section * SECTION_WORDS * 8;
	b->mids = base + l.mids - l.first_mid * MID_WORDS * 8;
	b->leaves = base + l.leaves - l.first_leaf * LEAF_WORDS * 8;
	b->start = start;
	b->end = start + pages;
	b->section_table = section_table;
	b->tree = (uint64_t *)(base + l.tree);
	b->tree_words = l.tree_words;
	b->tree_leaves = l.tree_leaves;
	b->depth = l.depth;
	b->numa_node = numa_node;
	b->metadata_bytes = l.size;
	b->top[MAX_ORDER + 1] = 1;
	memset(b->tree, 0, (size_t)l.tree_words * (MAX_ORDER + 1) * 8);
	return b;
}

/* ---- bitmaps over more than 64 sections [B25] -------------------------------------------------------------------- */

void buddy_deep_set(struct buddy *b, unsigned order, uint64_t s)
{
	uint64_t *words = b->tree + (uint64_t)order * b->tree_words;
	uint64_t old = words[s >> 6];

	words[s >> 6] = old | bit64(s);
	if (old)
		return;
	s >>= 6;
	if (b->depth == 3) {
		words += b->tree_leaves;
		old = words[s >> 6];
		words[s >> 6] = old | bit64(s);
		if (old)
			return;
		s >>= 6;
	}
	b->top[order] |= bit64(s);
}

void buddy_deep_clear(struct buddy *b, unsigned order, uint64_t s)
{
	uint64_t *words = b->tree + (uint64_t)order * b->tree_words;

	if ((words[s >> 6] &= ~bit64(s)) != 0)
		return;
	s >>= 6;
	if (b->depth == 3) {
		words += b->tree_leaves;
		if ((words[s >> 6] &= ~bit64(s)) != 0)
			return;
		s >>= 6;
	}
	b->top[order] &= ~bit64(s);
}

uint64_t buddy_deep_find(struct buddy *b, unsigned order)
{
	uint64_t *words = b->tree + (uint64_t)order * b->tree_words;
	uint64_t s = lowest_bit(b->top[order]);

	if (b->depth == 3)
		s = s << 6 | lowest_bit(words[b->tree_leaves + s]);
	return s << 6 | lowest_bit(words[s]);
}

/* ---- sections ---------------------------------------------------------------------------------------------------- */

static enum section_state section_state(const struct buddy *b, uint64_t n) REQUIRES(b->lock)
{
	return (enum section_state)(b->section_table[n >> MAX_ORDER] & SECTION_STATE_MASK);
}

/* Frees look at the table before they take the lock; hence the atomic word. */
static void section_become(struct buddy *b, uint64_t n, enum section_state state) REQUIRES(b->lock)
{
	uint64_t first = ALIGN_DOWN(n, SECTION_PAGES);
	bool open = state == SECTION_LIVE && first >= b->start && b->end - first >= SECTION_PAGES;

	/* Release: who sees an open section may read its records. */
	__atomic_store_n(&b->section_table[n >> MAX_ORDER], (uintptr_t)b | (uint64_t)state | (open ? SECTION_OPEN : 0),
			 __ATOMIC_RELEASE);
}

/* Zeroes [start, end), any alignment; whole cache lines without reading them. */
static void zero_bytes(uintptr_t start, uintptr_t end)
{
	uintptr_t first = ALIGN_UP(start, 64), last = ALIGN_DOWN(end, 64);

	if (first >= last) {
		memset((void *)start, 0, end - start);
		return;
	}
	memset((void *)start, 0, first - start);
	arch_zero((void *)first, last - first);
	memset((void *)last, 0, end - last);
}

/*
 * The section at frame n gets metadata: zero nodes and zero records, of its part of the bank only. Zeroing is the first
 * access, so garbage from before the boot is never believed. [B12]
 */
static void section_make_live(struct buddy *b, uint64_t n) REQUIRES(b->lock)
{
	uint64_t first = max_u64(ALIGN_DOWN(n, SECTION_PAGES), b->start);
	uint64_t last = min_u64(ALIGN_DOWN(n, SECTION_PAGES) + SECTION_PAGES, b->end) - 1;
	uint64_t *section = section_at(b, n);

	zero_bytes((uintptr_t)section, (uintptr_t)(section + SECTION_WORDS));
	zero_bytes((uintptr_t)mid_at(b, first), (uintptr_t)(mid_at(b, last) + MID_WORDS));
	zero_bytes((uintptr_t)leaf_at(b, first), (uintptr_t)(leaf_at(b, last) + LEAF_WORDS));
	zero_bytes((uintptr_t)record_at(b, first), (uintptr_t)(record_at(b, last) + 1));
	if (section_state(b, n) == SECTION_UNTOUCHED)
		section[SECTION_GIVEN] = SECTION_PAGES;
	section_become(b, n, SECTION_LIVE);
}

/* ---- split ------------------------------------------------------------------------------------------------------- */

/* Free bits, in word 1 of a node, of the buddies of slot s, of its parent, and so on up to the largest order. */
#define SLOT_UP(s) (64 + ((s) >> 1))
#define SLOT_BUDDY(s) ((s) >= 64 && (s) < 126 ? (uint64_t)1 << (((s) ^ 1) & 63) : 0)
#define SLOT_PATH2(s) (SLOT_BUDDY(s) | SLOT_BUDDY(SLOT_UP(s)))
#define SLOT_PATH4(s) (SLOT_PATH2(s) | SLOT_PATH2(SLOT_UP(SLOT_UP(s))))
#define SLOT_PATH(s) (SLOT_PATH4(s) | SLOT_PATH2(SLOT_UP(SLOT_UP(SLOT_UP(SLOT_UP(s))))))
#define PATHS4(s) SLOT_PATH(s), SLOT_PATH((s) + 1), SLOT_PATH((s) + 2), SLOT_PATH((s) + 3)
#define PATHS16(s) PATHS4(s), PATHS4((s) + 4), PATHS4((s) + 8), PATHS4((s) + 12)
#define PATHS64(s) PATHS16(s), PATHS16((s) + 16), PATHS16((s) + 32), PATHS16((s) + 48)

static const uint64_t buddies_above[128] = { PATHS64(0), PATHS64(64) };

/*
 * For the orders from lo to hi - 1 of one node: writes the record of the buddy on the way to frame n, and tells the
 * nodes above of every order that was empty. all_empty: they all were; otherwise old0 and old1 say.
 */
static always_inline void split_orders(struct buddy *b, uint64_t n, unsigned hi, unsigned lo, unsigned level,
				       uint64_t tag, bool all_empty, uint64_t old0, uint64_t old1) REQUIRES(b->lock)
{
	const struct above above = above_node(b, n, level);
	const uintptr_t map = b->map;
	uint64_t record = page_word(0, lo, PAGE_FREE, 0) | tag;

	n &= ~(((uint64_t)1 << lo) - 1);
	for (unsigned order = lo; order < hi; order++) {
		uint64_t old = order == NODE_ORDERS * level ? old0 : old1, size = (uint64_t)1 << order;

		record_store_at(map, n ^ size, record);
		record += (uint64_t)1 << PAGE_WORD_ORDER_SHIFT;
		n &= ~size;
		if (all_empty || !(old & node_field[order - NODE_ORDERS * level]))
			summary_set(b, &above, order, level);
	}
}

/*
 * Frees what is left in one node of a block of order `hi` around frame n when all but its part of order `lo` is given
 * back: one buddy of each order between. The block's own bit is cleared already. tag: of the block's record.
 */
static always_inline void split_in_node(struct buddy *b, uint64_t n, unsigned hi, unsigned lo, unsigned level,
					uint64_t tag) REQUIRES(b->lock)
{
	unsigned base = NODE_ORDERS * level;
	uint64_t *node = node_at(b, n, level);
	unsigned slot = node_slot(n, level, lo - base);
	uint64_t old0 = node[0], old1 = node[1];
	uint64_t add = buddies_above[slot];

	if (lo == base)
		node[0] = old0 | bit64(slot ^ 1);
	if (hi == base + NODE_ORDERS) {
		/* From above: the whole node was in use. */
		node[1] = old1 | add;
		split_orders(b, n, hi, lo, level, tag, true, 0, 0);
	} else {
		node[1] = old1 | (add & (bit64(node_field_shift(hi - base)) - 1));
		split_orders(b, n, hi, lo, level, tag, false, old0, old1);
	}
}

/* [B3] */
static void split(struct buddy *b, uint64_t n, unsigned from, unsigned order, uint64_t tag) REQUIRES(b->lock)
{
	if (from > 2 * NODE_ORDERS && from > order) {
		unsigned lo = order > 2 * NODE_ORDERS ? order : 2 * NODE_ORDERS;

		split_in_node(b, n, from, lo, 2, tag);
		from = lo;
	}
	if (from > NODE_ORDERS && from > order) {
		unsigned lo = order > NODE_ORDERS ? order : NODE_ORDERS;

		split_in_node(b, n, from, lo, 1, tag);
		from = lo;
	}
	if (from > order)
		split_in_node(b, n, from, order, 0, tag);
}

/*
 * Takes the whole section s (from the bank's first) for a block of `order`; *tag: of its record, 0 where there is none.
 */
static uint64_t take_section(struct buddy *b, uint64_t s, unsigned order, uint64_t *tag) REQUIRES(b->lock)
{
	uint64_t n = (s + b->first_section) << MAX_ORDER;

	top_clear(b, MAX_ORDER, s);
	*tag = 0;
	if (section_state(b, n) == SECTION_LIVE)
		*tag = record_load(b, n) & PAGE_WORD_TAG_MASK;
	else if (order == MAX_ORDER)
		section_become(b, n, SECTION_WHOLE); /* [B13] */
	else
		section_make_live(b, n);
	return n;
}

uint64_t buddy_split_locked(struct buddy *b, unsigned order)
{
	const uint64_t *top = &b->top[order];
	uint64_t n, tag;
	unsigned from;

	/*
	 * At most 20 loads of neighbouring words, the last of which is never 0. A mask of orders would cost more to
	 * keep than these cost to read.
	 */
	while (!*top)
		top++;
	from = (unsigned)(top - b->top);
	if (from > MAX_ORDER)
		return BUDDY_NONE;
	if (from == MAX_ORDER) {
		n = take_section(b, top_find(b, MAX_ORDER), order, &tag);
	} else {
		n = buddy_pop(b, from);
		tag = record_load(b, n) & PAGE_WORD_TAG_MASK;
	}
	split(b, n, from, order, tag);
	return n;
}

/* ---- merge ------------------------------------------------------------------------------------------------------- */

/*
 * Merges the block at *n, of *order, inside one node as far as it goes. True: it has ended there, and its bit is set.
 * False: the node is one free block now; *n and *order are that block, which belongs into the node above.
 */
static always_inline bool merge_in_node(struct buddy *b, uint64_t *n, unsigned *order, unsigned level) REQUIRES(b->lock)
{
	unsigned base = NODE_ORDERS * level;
	uint64_t *node = node_at(b, *n, level);
	unsigned slot = node_slot(*n, level, *order - base);
	uint64_t old0 = node[0], old1 = node[1];
	const struct above above = above_node(b, *n, level);
	const uintptr_t map = b->map;

	/*
	 * When everything else in the node is free, its free blocks are exactly the buddies on the way up: one
	 * comparison instead of a test for each order.
	 */
	if (old0 == (slot < 64 ? bit64(slot ^ 1) : 0) && (old1 & ~NODE_FLAGS) == buddies_above[slot]) {
		node[0] = 0;
		node[1] = old1 & NODE_FLAGS;
		for (; *order < base + NODE_ORDERS; ++*order) {
			uint64_t size = (uint64_t)1 << *order;

			record_store_at(map, *n | size, 0);
			*n &= ~size;
			summary_clear(b, &above, *order, level);
		}
		return false;
	}

	for (;;) {
		uint64_t *word = node + (slot >> 6);
		uint64_t old = *word;
		uint64_t field = node_field[*order - base];

		if (!(old & bit64(slot ^ 1))) {
			*word = old | bit64(slot);
			if (!(old & field))
				summary_set(b, &above, *order, level);
			return true;
		}
		*word = old & ~bit64(slot ^ 1);
		if (!(*word & field))
			summary_clear(b, &above, *order, level);
		record_store_at(map, *n | (uint64_t)1 << *order, 0);
		*n &= ~((uint64_t)1 << *order);
		++*order;
		slot = 64 + (slot >> 1);
	}
}

/* [B4] [B19] */
void buddy_merge_locked(struct buddy *b, uint64_t n, unsigned order, uint64_t tag)
{
	bool done = false;

	if (order < NODE_ORDERS)
		done = merge_in_node(b, &n, &order, 0);
	if (!done && order < 2 * NODE_ORDERS)
		done = merge_in_node(b, &n, &order, 1);
	if (!done && order < MAX_ORDER)
		done = merge_in_node(b, &n, &order, 2);
	if (!done)
		top_set(b, MAX_ORDER, (n >> MAX_ORDER) - b->first_section);
	record_store(b, n, page_word(0, order, PAGE_FREE, 0) | tag);
}

void buddy_free_whole_locked(struct buddy *b, uint64_t n)
{
	section_become(b, n, SECTION_UNTOUCHED);
	top_set(b, MAX_ORDER, (n >> MAX_ORDER) - b->first_section);
	b->used_pages -= SECTION_PAGES;
	b->frees++;
}

/* ---- an exact block ---------------------------------------------------------------------------------------------- */

/* Clears the free bit of the block of order < MAX_ORDER at n, if it is set. */
static bool node_take(struct buddy *b, uint64_t n, unsigned order, unsigned level) REQUIRES(b->lock)
{
	unsigned j = order - NODE_ORDERS * level;
	unsigned slot = node_slot(n, level, j);
	uint64_t *word = node_at(b, n, level) + (j != 0);

	if (!(*word & bit64(slot)))
		return false;
	*word &= ~bit64(slot);
	if (!(*word & node_field[j])) {
		struct above a = above_node(b, n, level);

		summary_clear(b, &a, order, level);
	}
	return true;
}

/* [B16] */
int buddy_take_locked(struct buddy *b, uint64_t n, unsigned order, unsigned tag)
{
	struct frame_info info;
	uint64_t old_tag;

	buddy_query_locked(b, n, &info);
	if (info.role == FRAME_RESERVED)
		return MM_ERESERVED;
	if (info.role != FRAME_FREE || info.cached || info.order < order)
		return MM_EBUSY;
	if (info.order == MAX_ORDER) {
		take_section(b, (n >> MAX_ORDER) - b->first_section, order, &old_tag);
	} else {
		old_tag = record_load(b, info.head.n) & PAGE_WORD_TAG_MASK;
		if (!node_take(b, info.head.n, info.order, info.order / NODE_ORDERS))
			panic("frames: free block of order %u at frame 0x%llx has no bit", info.order,
			      (unsigned long long)info.head.n);
	}
	split(b, n, info.order, order, old_tag);
	record_store(b, n, page_word(1, order, PAGE_ALLOC, tag));
	b->used_pages += (uint64_t)1 << order;
	b->peak_used_pages = max_u64(b->peak_used_pages, b->used_pages);
	b->allocs++;
	return MM_OK;
}

/* ---- giving frames ----------------------------------------------------------------------------------------------- */

/* Whether a frame of the block, in a live section, has been given before. Looks at 64 nodes at most, or 32 records. */
static bool block_given(struct buddy *b, uint64_t n, unsigned order) REQUIRES(b->lock)
{
	uint64_t end = n + ((uint64_t)1 << order);
	struct frame_info info;

	if (section_at(b, n)[SECTION_GIVEN] == SECTION_PAGES)
		return true;
	if (order >= 2 * NODE_ORDERS) {
		for (; n < end; n += 1 << 12)
			if (mid_at(b, n)[1] & NODE_FLAGS)
				return true;
		return false;
	}
	if (mid_at(b, n)[1] & NODE_ALL)
		return true;
	if (order >= NODE_ORDERS) {
		for (; n < end; n += 1 << 6)
			if (leaf_at(b, n)[1] & NODE_FLAGS)
				return true;
		return false;
	}
	if (leaf_at(b, n)[1] & NODE_ALL)
		return true;
	if (!(leaf_at(b, n)[1] & NODE_ANY))
		return false;
	/* A block that overlaps this one contains its first frame, or begins behind it. */
	buddy_query_locked(b, n, &info);
	if (info.role != FRAME_RESERVED)
		return true;
	while (++n < end)
		if (page_word_state(record_load(b, n)) != PAGE_NONE)
			return true;
	return false;
}

static void block_give(struct buddy *b, uint64_t n, unsigned order) REQUIRES(b->lock)
{
	uint64_t end = n + ((uint64_t)1 << order);

	section_at(b, n)[SECTION_GIVEN] += (uint64_t)1 << order;
	if (order >= 2 * NODE_ORDERS) {
		for (uint64_t i = n; i < end; i += 1 << 12)
			mid_at(b, i)[1] |= NODE_ALL;
	} else {
		mid_at(b, n)[1] |= NODE_ANY;
		if (order >= NODE_ORDERS) {
			for (uint64_t i = n; i < end; i += 1 << 6)
				leaf_at(b, i)[1] |= NODE_ALL;
		} else {
			leaf_at(b, n)[1] |= NODE_ANY;
		}
	}
	buddy_merge_locked(b, n, order, 0);
}

/* [B10] [B22] */
int buddy_add_locked(struct buddy *b, uint64_t start, uint64_t end)
{
	uint64_t n, next;

	for (n = start; n < end; n = next) {
		unsigned order = fitting_order(n, end);

		next = n + ((uint64_t)1 << order);
		switch (section_state(b, n)) {
		case SECTION_ABSENT:
			next = min_u64(ALIGN_DOWN(n, SECTION_PAGES) + SECTION_PAGES, end);
			break;
		case SECTION_LIVE:
			if (block_given(b, n, order))
				return MM_EEXIST;
			break;
		default:
			return MM_EEXIST;
		}
	}

	for (n = start; n < end; n = next) {
		unsigned order = fitting_order(n, end);

		next = n + ((uint64_t)1 << order);
		if (order == MAX_ORDER) {
			section_become(b, n, SECTION_UNTOUCHED);
			top_set(b, MAX_ORDER, (n >> MAX_ORDER) - b->first_section);
			continue;
		}
		if (section_state(b, n) == SECTION_ABSENT)
			section_make_live(b, n);
		block_give(b, n, order);
	}
	b->given_pages += end - start;
	return MM_OK;
}
