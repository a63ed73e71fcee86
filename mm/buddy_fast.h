/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside of the buddy: how a frame number leads to a node and a bit (mm/buddy.h has the picture), and the allocation
 * without a split and the free without a merge, inline for mm/frames.c. Private to mm/buddy*.c and mm/frames.c.
 */
#ifndef MM_BUDDY_FAST_H
#define MM_BUDDY_FAST_H

#include "mm/buddy.h"

#define NODE_SHIFT 6 /* log2 of the children of a node, and the number of orders in it */
#define NODE_ORDERS 6
#define NODE_LEVELS 3 /* leaf, mid, section */
#define NODE_HAS 2    /* word of the first summary */
#define LEAF_WORDS 2
#define MID_WORDS 8
#define SECTION_WORDS 16
#define SECTION_GIVEN 14 /* word of a section: frames given */

/* Flags in word 1 of leaf and mid. */
#define NODE_ANY ((uint64_t)1 << 62)
#define NODE_ALL ((uint64_t)1 << 63)
#define NODE_FLAGS (NODE_ANY | NODE_ALL)

static inline uint64_t bit64(uint64_t n)
{
	return (uint64_t)1 << (n & 63);
}

static inline unsigned lowest_bit(uint64_t word)
{
	return (unsigned)__builtin_ctzll(word);
}

/* The order of the largest aligned block that begins at n and ends at or before end. */
static inline unsigned fitting_order(uint64_t n, uint64_t end)
{
	unsigned fits = 63 - (unsigned)__builtin_clzll(end - n);
	unsigned aligned = n ? lowest_bit(n) : MAX_ORDER;
	unsigned order = fits < aligned ? fits : aligned;

	return order < MAX_ORDER ? order : MAX_ORDER;
}

/* The free bits of a node's j-th order, in the word where they stand: word 0 for j = 0, else word 1. */
static const uint64_t node_field[NODE_ORDERS] = {
	UINT64_MAX, 0x00000000ffffffff, 0x0000ffff00000000, 0x00ff000000000000, 0x0f00000000000000, 0x3000000000000000,
};

/* Position of the first of these bits. */
static inline unsigned node_field_shift(unsigned j)
{
	return (0u - (128u >> j)) & 63;
}

/* The slot, in its node of `level`, of the block of the j-th order of that level that contains frame n. */
static always_inline unsigned node_slot(uint64_t n, unsigned level, unsigned j)
{
	/* 128 - (128 >> j) + (i >> j), in one arithmetic shift of a negative number. */
	return (unsigned)(((int)((n >> (NODE_SHIFT * level)) & 63) - 128) >> j) & 127;
}

static always_inline uint64_t *leaf_at(const struct buddy *b, uint64_t n)
{
	return (uint64_t *)(b->leaves + (n >> 6) * (LEAF_WORDS * 8));
}

static always_inline uint64_t *mid_at(const struct buddy *b, uint64_t n)
{
	return (uint64_t *)(b->mids + (n >> 12) * (MID_WORDS * 8));
}

static always_inline uint64_t *section_at(const struct buddy *b, uint64_t n)
{
	return (uint64_t *)(b->sections + (n >> 18) * (SECTION_WORDS * 8));
}

static always_inline uint64_t *node_at(const struct buddy *b, uint64_t n, unsigned level)
{
	return level == 0 ? leaf_at(b, n) : level == 1 ? mid_at(b, n) : section_at(b, n);
}

static always_inline page_word_t *record_at(const struct buddy *b, uint64_t n)
{
	return (page_word_t *)(b->map + n * sizeof(struct page));
}

/* Owners write their records (references, aux) without the bank's lock; hence the atomic word. */
static always_inline uint64_t record_load(const struct buddy *b, uint64_t n)
{
	return __atomic_load_n(record_at(b, n), __ATOMIC_RELAXED);
}

/* map: b->map, read once. */
static always_inline void record_store_at(uintptr_t map, uint64_t n, uint64_t word)
{
	__atomic_store_n((page_word_t *)(map + n * sizeof(struct page)), word, __ATOMIC_RELAXED);
}

static always_inline void record_store(const struct buddy *b, uint64_t n, uint64_t word)
{
	__atomic_store_n(record_at(b, n), word, __ATOMIC_RELAXED);
}

/* ---- bitmaps over sections; s counts from the bank's first section ----------------------------------------------- */

void buddy_deep_set(struct buddy *b, unsigned order, uint64_t s) REQUIRES(b->lock);
void buddy_deep_clear(struct buddy *b, unsigned order, uint64_t s) REQUIRES(b->lock);
uint64_t buddy_deep_find(struct buddy *b, unsigned order) REQUIRES(b->lock);

static always_inline void top_set(struct buddy *b, unsigned order, uint64_t s) REQUIRES(b->lock)
{
	if (likely(b->depth == 1))
		b->top[order] |= bit64(s);
	else
		buddy_deep_set(b, order, s);
}

static always_inline void top_clear(struct buddy *b, unsigned order, uint64_t s) REQUIRES(b->lock)
{
	if (likely(b->depth == 1))
		b->top[order] &= ~bit64(s);
	else
		buddy_deep_clear(b, order, s);
}

/* The lowest section that has a free block of order; there is one. */
static always_inline uint64_t top_find(struct buddy *b, unsigned order) REQUIRES(b->lock)
{
	return likely(b->depth == 1) ? lowest_bit(b->top[order]) : buddy_deep_find(b, order);
}

/* ---- summaries --------------------------------------------------------------------------------------------------- */

/*
 * What stands above a node, found once: the stores to bitmaps might change the bank as far as a compiler knows, so that
 * it would look everything up again for each order.
 */
struct above {
	uint64_t *mid_has, *section_has;
	uint64_t mid_bit, section_bit;
	uint64_t s, top_bit;
	bool flat; /* no tree over the sections */
};

static always_inline struct above above_node(const struct buddy *b, uint64_t n, unsigned level)
{
	struct above a = { .s = (n >> MAX_ORDER) - b->first_section, .flat = b->depth == 1 };

	if (level == 0) {
		a.mid_has = mid_at(b, n) + NODE_HAS;
		a.mid_bit = bit64(n >> 6);
	}
	if (level <= 1) {
		a.section_has = section_at(b, n) + NODE_HAS;
		a.section_bit = bit64(n >> 12);
	}
	a.top_bit = bit64(a.s);
	return a;
}

/* The node of `level` has its first free block of order: tells those above. */
static always_inline void summary_set(struct buddy *b, const struct above *a, unsigned order, unsigned level)
	REQUIRES(b->lock)
{
	if (level == 0) {
		uint64_t old = a->mid_has[order];

		a->mid_has[order] = old | a->mid_bit;
		if (old)
			return;
	}
	if (level <= 1) {
		uint64_t old = a->section_has[order];

		a->section_has[order] = old | a->section_bit;
		if (old)
			return;
	}
	if (likely(a->flat))
		b->top[order] |= a->top_bit;
	else
		buddy_deep_set(b, order, a->s);
}

/* It has lost its last one. */
static always_inline void summary_clear(struct buddy *b, const struct above *a, unsigned order, unsigned level)
	REQUIRES(b->lock)
{
	if (level == 0 && (a->mid_has[order] &= ~a->mid_bit) != 0)
		return;
	if (level <= 1 && (a->section_has[order] &= ~a->section_bit) != 0)
		return;
	if (likely(a->flat))
		b->top[order] &= ~a->top_bit;
	else
		buddy_deep_clear(b, order, a->s);
}

/* ---- allocation without a split ---------------------------------------------------------------------------------- */

/*
 * Clears the lowest free bit of the node's j-th order (there is one); *n: in units of the node's children. Whether
 * others are left.
 */
static always_inline bool node_pop(uint64_t *node, unsigned j, uint64_t *n)
{
	uint64_t *word = node + (j != 0);
	unsigned shift = node_field_shift(j);
	/* Higher orders stand above the field, lower ones are shifted out: no mask is needed to find the lowest. */
	unsigned i = lowest_bit(*word >> shift);

	*n = *n << NODE_SHIFT | (uint64_t)i << j;
	*word &= ~bit64(shift + i);
	return (*word & node_field[j]) != 0;
}

/* Takes the lowest free block of order < MAX_ORDER off the bitmaps (there is one); returns its first frame. */
static always_inline uint64_t buddy_pop(struct buddy *b, unsigned order) REQUIRES(b->lock)
{
	uint64_t s = top_find(b, order);
	uint64_t n = s + b->first_section;
	uint64_t *section = section_at(b, n << 18);

	if (order >= 2 * NODE_ORDERS) {
		bool left = node_pop(section, order - 2 * NODE_ORDERS, &n);

		n <<= 2 * NODE_SHIFT;
		if (left)
			return n;
	} else {
		uint64_t *has = section + NODE_HAS + order;
		uint64_t *mid;

		n = n << NODE_SHIFT | lowest_bit(*has);
		mid = mid_at(b, n << 12);
		if (order >= NODE_ORDERS) {
			bool left = node_pop(mid, order - NODE_ORDERS, &n);

			n <<= NODE_SHIFT;
			if (left)
				return n;
		} else {
			uint64_t *leaf;

			n = n << NODE_SHIFT | lowest_bit(mid[NODE_HAS + order]);
			leaf = leaf_at(b, n << 6);
			if (node_pop(leaf, order, &n))
				return n;
			if ((mid[NODE_HAS + order] &= mid[NODE_HAS + order] - 1) != 0)
				return n;
		}
		if ((*has &= *has - 1) != 0)
			return n;
	}
	top_clear(b, order, s);
	return n;
}

/* 2^order frames, the lowest of the smallest sufficient order, owned by tag; or BUDDY_NONE. [B1] */
static always_inline uint64_t buddy_alloc_locked(struct buddy *b, unsigned order, unsigned tag) REQUIRES(b->lock)
{
	uint64_t n;

	if (likely(order < MAX_ORDER && b->top[order])) {
		n = buddy_pop(b, order);
	} else {
		n = buddy_split_locked(b, order);
		if (n == BUDDY_NONE)
			return n;
	}
	record_store(b, n, page_word(1, order, PAGE_ALLOC, tag));
	b->used_pages += (uint64_t)1 << order;
	if (b->used_pages > b->peak_used_pages)
		b->peak_used_pages = b->used_pages;
	b->allocs++;
	return n;
}

/* ---- free without a merge ---------------------------------------------------------------------------------------- */

/* Sets the block's free bit, unless its buddy is free. */
static always_inline bool node_put(struct buddy *b, uint64_t n, unsigned order, unsigned level) REQUIRES(b->lock)
{
	unsigned j = order - NODE_ORDERS * level;
	unsigned slot = node_slot(n, level, j);
	uint64_t *word = node_at(b, n, level) + (j != 0);
	uint64_t old = *word;

	if (old & bit64(slot ^ 1))
		return false;
	*word = old | bit64(slot);
	if (!(old & node_field[j])) {
		struct above a = above_node(b, n, level);

		summary_set(b, &a, order, level);
	}
	return true;
}

static always_inline bool buddy_put(struct buddy *b, uint64_t n, unsigned order) REQUIRES(b->lock)
{
	if (order < NODE_ORDERS)
		return node_put(b, n, order, 0);
	if (order < 2 * NODE_ORDERS)
		return node_put(b, n, order, 1);
	return order < MAX_ORDER && node_put(b, n, order, 2);
}

/* Gives back a block whose record, `record`, the caller has checked. [B2] */
static always_inline void buddy_free_locked(struct buddy *b, uint64_t n, unsigned order, uint64_t record)
	REQUIRES(b->lock)
{
	if (likely(buddy_put(b, n, order)))
		record_store(b, n, page_word(0, order, PAGE_FREE, 0) | (record & PAGE_WORD_TAG_MASK));
	else
		buddy_merge_locked(b, n, order, record & PAGE_WORD_TAG_MASK);
	b->used_pages -= (uint64_t)1 << order;
	b->frees++;
}

#endif
