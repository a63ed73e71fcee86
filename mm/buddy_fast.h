/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside of the buddy: how a frame number leads to a node and a bit (mm/buddy.h has the picture), and what mm/frames.c
 * has inline of it. Private to mm/buddy*.c and mm/frames*.
 */
#ifndef MM_BUDDY_FAST_H
#define MM_BUDDY_FAST_H

#include "arch/exclusive.h"
#include "mm/buddy.h"

#define NODE_ORDERS 6 /* orders whose blocks a node of each kind holds; log2 of its children */
#define NODE_LEVELS 3 /* leaf, mid, section */
#define LEAF_WORDS 2
#define MID_WORDS 16
#define SECTION_WORDS 32

/* Behind the words of the orders. */
#define MID_ANY 12	 /* leaves of which something was given in pieces */
#define MID_ALL 13	 /* leaves that were given as a whole */
#define SECTION_ANY 18	 /* mids likewise */
#define SECTION_ALL 19	 /* */
#define SECTION_GIVEN 20 /* frames given */

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

/* ---- leaves ------------------------------------------------------------------------------------------------------ */

/* The free bits of an order below 6, in the word of the leaf where they stand: word 0 for order 0, else word 1. */
static const uint64_t leaf_field[NODE_ORDERS] = {
	UINT64_MAX, 0x00000000ffffffff, 0x0000ffff00000000, 0x00ff000000000000, 0x0f00000000000000, 0x3000000000000000,
};

/* Position of the first of these bits. */
static inline unsigned leaf_shift(unsigned order)
{
	return (0u - (128u >> order)) & 63;
}

/* The slot of the block of order < 6 that contains frame n. */
static always_inline unsigned leaf_slot(uint64_t n, unsigned order)
{
	/* 128 - (128 >> order) + (i >> order), in one arithmetic shift of a negative number. */
	return (unsigned)(((int)(n & 63) - 128) >> order) & 127;
}

static always_inline uint64_t *leaf_at(const struct buddy *b, uint64_t n)
{
	return (uint64_t *)(b->leaves + (n >> 6) * (LEAF_WORDS * 8));
}

/* ---- mids and sections ------------------------------------------------------------------------------------------- */

static always_inline uint64_t *mid_at(const struct buddy *b, uint64_t n)
{
	return (uint64_t *)(b->mids + (n >> 12) * (MID_WORDS * 8));
}

static always_inline uint64_t *section_at(const struct buddy *b, uint64_t n)
{
	return (uint64_t *)(b->sections + (n >> MAX_ORDER) * (SECTION_WORDS * 8));
}

/* The bit of the block of order 6 to 17 that contains frame n, in word `order` of its mid or section. */
static always_inline unsigned block_bit(uint64_t n, unsigned order)
{
	return (unsigned)((n & (order < 2 * NODE_ORDERS ? (1 << 12) - 1 : SECTION_PAGES - 1)) >> order);
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static always_inline page_word_t *record_at(const struct buddy *b, uint64_t n)
{
	return (page_word_t *)(b->map + n * sizeof(struct page));
}

/* Owners write their records (references, aux) without the bank's lock; hence the atomic word. */
static always_inline uint64_t record_load(const struct buddy *b, uint64_t n)
{
	return __atomic_load_n(record_at(b, n), __ATOMIC_RELAXED);
}

static always_inline void record_store(const struct buddy *b, uint64_t n, uint64_t word)
{
	shared_store(record_at(b, n), word);
}

/* ---- sections (mm/buddy.c) --------------------------------------------------------------------------------------- */

static inline enum section_state section_state(const struct buddy *b, uint64_t n) REQUIRES(b->lock)
{
	return (enum section_state)(b->section_table[n >> MAX_ORDER] & SECTION_STATE_MASK);
}

/* Frees look at the table before they take the lock: release, for who sees an open section may read its records. */
void buddy_section_become(struct buddy *b, uint64_t n, enum section_state state) REQUIRES(b->lock);

/*
 * The section at frame n gets metadata: zero nodes and zero records, of its part of the bank only. Zeroing is the first
 * access, so garbage from before the boot is never believed.
 */
void buddy_section_make_live(struct buddy *b, uint64_t n) REQUIRES(b->lock);

/* ---- bitmaps over sections; s counts from the bank's first section (mm/buddy.c) ---------------------------------- */

void buddy_deep_set(struct buddy *b, unsigned order, uint64_t s) REQUIRES(b->lock);
void buddy_deep_clear(struct buddy *b, unsigned order, uint64_t s) REQUIRES(b->lock);
uint64_t buddy_deep_find(struct buddy *b, unsigned order) REQUIRES(b->lock);

/* flat: the bank has no tree over its sections (depth 1). */
static always_inline void top_set(struct buddy *b, unsigned order, uint64_t s, bool flat) REQUIRES(b->lock)
{
	if (flat)
		b->top[order] |= bit64(s);
	else
		buddy_deep_set(b, order, s);
}

static always_inline void top_clear(struct buddy *b, unsigned order, uint64_t s, bool flat) REQUIRES(b->lock)
{
	if (flat)
		b->top[order] &= ~bit64(s);
	else
		buddy_deep_clear(b, order, s);
}

/* The lowest section that has a free block of order; there is one. */
static always_inline uint64_t top_find(struct buddy *b, unsigned order, bool flat) REQUIRES(b->lock)
{
	return flat ? lowest_bit(b->top[order]) : buddy_deep_find(b, order);
}

/* ---- what stands above a frame ----------------------------------------------------------------------------------- */

/*
 * Found once: the stores to bitmaps might change the bank as far as a compiler knows, so that it would look everything up
 * again for each order. Without the part below `level` that is not asked for.
 */
struct spot {
	uint64_t *mid, *section;
	uint64_t leaf_bit, mid_bit; /* in words of mid, of section */
	uint64_t s, section_bit;    /* in the word of a flat bank */
};

static always_inline struct spot spot_of(const struct buddy *b, uint64_t n, unsigned level)
{
	struct spot at = { .s = (n >> MAX_ORDER) - b->first_section, .section = section_at(b, n) };

	at.section_bit = bit64(at.s);
	if (level <= 1) {
		at.mid = mid_at(b, n);
		at.mid_bit = bit64(n >> 12);
	}
	if (level == 0)
		at.leaf_bit = bit64(n >> 6);
	return at;
}

/* The node of `level` has its first free block of order: tells those above. */
static always_inline void gained(struct buddy *b, const struct spot *at, unsigned order, unsigned level, bool flat)
	REQUIRES(b->lock)
{
	if (level == 0) {
		uint64_t old = at->mid[order];

		at->mid[order] = old | at->leaf_bit;
		if (old)
			return;
	}
	if (level <= 1) {
		uint64_t old = at->section[order];

		at->section[order] = old | at->mid_bit;
		if (old)
			return;
	}
	if (flat)
		b->top[order] |= at->section_bit;
	else
		buddy_deep_set(b, order, at->s);
}

/* It has lost its last one. */
static always_inline void lost(struct buddy *b, const struct spot *at, unsigned order, unsigned level, bool flat)
	REQUIRES(b->lock)
{
	if (level == 0 && (at->mid[order] &= ~at->leaf_bit) != 0)
		return;
	if (level <= 1 && (at->section[order] &= ~at->mid_bit) != 0)
		return;
	if (flat)
		b->top[order] &= ~at->section_bit;
	else
		buddy_deep_clear(b, order, at->s);
}

/* ---- blocks (mm/buddy_blocks.c) ---------------------------------------------------------------------------------- */

/*
 * Takes the lowest block of the smallest sufficient order off the bitmaps and splits it to `order`: its first frame, or
 * BUDDY_NONE. Its record stays that of the free block (garbage where a section is handed out whole); nothing is counted.
 */
uint64_t buddy_carve_locked(struct buddy *b, unsigned order) REQUIRES(b->lock);

/* Takes the free block of `order` at frame n off the bitmaps; its record stays. False: there is none. */
bool buddy_take_off_locked(struct buddy *b, uint64_t n, unsigned order) REQUIRES(b->lock);

/* Puts the block of `order` < MAX_ORDER at frame n into the bitmaps, merged as far as it goes, with its record. */
void buddy_put_back_locked(struct buddy *b, uint64_t n, unsigned order, uint64_t tag) REQUIRES(b->lock);

static always_inline void count_alloc(struct buddy *b, uint64_t pages) REQUIRES(b->lock)
{
	uint64_t used = b->used_pages + pages;

	b->live++;
	b->used_pages = used;
	if (used > b->peak_used_pages)
		b->peak_used_pages = used;
}

/* ---- the block that was handed out last (struct buddy says what is known of it) ---------------------------------- */

/* buddy_alloc_locked() when that block has come back; false: nothing has been done. [B60] */
static always_inline bool buddy_alloc_last_locked(struct buddy *b, unsigned order, unsigned tag, uint64_t *n)
	REQUIRES(b->lock)
{
	uint64_t last = b->last;

	if (unlikely((last & LAST_MASK) != (order | LAST_BACK)))
		return false;
	b->last = last ^ LAST_BACK;
	*n = last >> LAST_SHIFT;
	record_store(b, *n, page_word(1, order, PAGE_ALLOC, tag));
	return true;
}

/* buddy_free_locked() of that block, whose record is PAGE_CACHED; false: it is another. [B60] */
static always_inline bool buddy_free_last_locked(struct buddy *b, uint64_t n, unsigned order) REQUIRES(b->lock)
{
	if (unlikely(b->last != (n << LAST_SHIFT | order)))
		return false;
	b->last |= LAST_BACK;
	b->frees++;
	return true;
}

#endif
