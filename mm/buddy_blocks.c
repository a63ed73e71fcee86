/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of one bank go out and come back: the lowest is found, split, and merged again. The bank itself is mm/buddy.c,
 * batches of single frames are mm/buddy_batch.c.
 *
 * Most functions stand here twice, for banks with and without a tree over their sections (flat): the way of a bank
 * without one has no call, and needs no frame.
 */
#include "lib/panic.h"
#include "mm/buddy.h"
#include "mm/buddy_fast.h"

/* ---- leaves ------------------------------------------------------------------------------------------------------ */

/* Free bits, in word 1 of a leaf, of the buddies of slot s, of its parent, and so on up to the largest order. */
#define SLOT_UP(s) (64 + ((s) >> 1))
#define SLOT_BUDDY(s) ((s) >= 64 && (s) < 126 ? (uint64_t)1 << (((s) ^ 1) & 63) : 0)
#define SLOT_PATH2(s) (SLOT_BUDDY(s) | SLOT_BUDDY(SLOT_UP(s)))
#define SLOT_PATH4(s) (SLOT_PATH2(s) | SLOT_PATH2(SLOT_UP(SLOT_UP(s))))
#define SLOT_PATH(s) (SLOT_PATH4(s) | SLOT_PATH2(SLOT_UP(SLOT_UP(SLOT_UP(SLOT_UP(s))))))
#define PATHS4(s) SLOT_PATH(s), SLOT_PATH((s) + 1), SLOT_PATH((s) + 2), SLOT_PATH((s) + 3)
#define PATHS16(s) PATHS4(s), PATHS4((s) + 4), PATHS4((s) + 8), PATHS4((s) + 12)
#define PATHS64(s) PATHS16(s), PATHS16((s) + 16), PATHS16((s) + 32), PATHS16((s) + 48)

static const uint64_t buddies_above[128] = { PATHS64(0), PATHS64(64) };

/* These of the free bits in word 1 whose order is below `order`. */
static always_inline uint64_t orders_below(unsigned order)
{
	return order < NODE_ORDERS ? bit64(leaf_shift(order)) - 1 : UINT64_MAX;
}

/* ---- the lowest free block --------------------------------------------------------------------------------------- */

/* Takes the lowest free block of order < MAX_ORDER off the bitmaps (there is one); returns its first frame. */
static always_inline uint64_t pop(struct buddy *b, unsigned order, const bool flat) REQUIRES(b->lock)
{
	uint64_t s = top_find(b, order, flat);
	uint64_t n = s + b->first_section;
	uint64_t *section = section_at(b, n << MAX_ORDER), *mid, *leaf;
	unsigned i = lowest_bit(section[order]);

	if (order < 2 * NODE_ORDERS) {
		n = n << 6 | i;
		mid = mid_at(b, n << 12);
		i = lowest_bit(mid[order]);
		if (order < NODE_ORDERS) {
			uint64_t *word;
			unsigned shift = leaf_shift(order);

			n = n << 6 | i;
			leaf = leaf_at(b, n << 6);
			word = leaf + (order != 0);
			/* Higher orders stand above the field, lower ones are shifted out: no mask to find the lowest. */
			i = lowest_bit(*word >> shift);
			*word &= ~bit64(shift + i);
			n = n << 6 | (uint64_t)i << order;
			if (*word & leaf_field[order])
				return n;
			if ((mid[order] &= mid[order] - 1) != 0)
				return n;
		} else {
			n = n << 12 | (uint64_t)i << order;
			if ((mid[order] &= mid[order] - 1) != 0)
				return n;
		}
	} else {
		n = n << MAX_ORDER | (uint64_t)i << order;
	}
	if ((section[order] &= section[order] - 1) != 0)
		return n;
	if (flat)
		b->top[order] &= b->top[order] - 1;
	else
		buddy_deep_clear(b, order, s);
	return n;
}

/* ---- split ------------------------------------------------------------------------------------------------------- */

/*
 * The block of order `from` at frame n, the smallest free one that had at least `order`, and larger (or MAX_ORDER), is off
 * the bitmaps. Frees all but its first 2^order frames: one buddy of each order between. The bank has no free block of these orders, so that words
 * of bitmaps and summaries are written without a look. tag: of the block's record. [B3]
 */
static always_inline void split(struct buddy *b, uint64_t n, unsigned from, unsigned order, uint64_t tag,
				const bool flat) REQUIRES(b->lock)
{
	page_word_t *records = record_at(b, n);
	uint64_t record = page_word(0, order, PAGE_FREE, 0) | tag;
	uint64_t next_order = (uint64_t)1 << PAGE_WORD_ORDER_SHIFT;
	uint64_t two = 2; /* the bit beside that of the block, which is the lower of two at every order */
	struct spot at = spot_of(b, n, order < NODE_ORDERS ? 0 : order < 2 * NODE_ORDERS ? 1 : 2);

	in_register(two);
	in_register(next_order);
	if (order < NODE_ORDERS) {
		uint64_t *leaf = leaf_at(b, n);
		unsigned slot = leaf_slot(n, order);

		if (order == 0)
			leaf[0] = bit64(slot ^ 1);
		leaf[1] |= buddies_above[slot] & orders_below(from);
	}

	/* Written out for each order: then there is little left to compute. */
#define SPLIT(k)                                                   \
	case k:                                                    \
		if (from == (k))                                   \
			break;                                     \
		shared_store(records, (uint64_t)1 << (k), record); \
		record += next_order;                              \
		if ((k) < NODE_ORDERS)                             \
			at.mid[k] = at.leaf_bit;                   \
		else if ((k) < 2 * NODE_ORDERS)                    \
			at.mid[k] = two << block_bit(n, k);        \
		if ((k) < 2 * NODE_ORDERS)                         \
			at.section[k] = at.mid_bit;                \
		else                                               \
			at.section[k] = two << block_bit(n, k);    \
		if (flat)                                          \
			b->top[k] = at.section_bit;                \
		else                                               \
			buddy_deep_set(b, k, at.s);                \
		__attribute__((fallthrough))
	switch (order) {
		SPLIT(0);
		SPLIT(1);
		SPLIT(2);
		SPLIT(3);
		SPLIT(4);
		SPLIT(5);
		SPLIT(6);
		SPLIT(7);
		SPLIT(8);
		SPLIT(9);
		SPLIT(10);
		SPLIT(11);
		SPLIT(12);
		SPLIT(13);
		SPLIT(14);
		SPLIT(15);
		SPLIT(16);
		SPLIT(17);
	default:
		break;
	}
#undef SPLIT
}

/* ---- allocation -------------------------------------------------------------------------------------------------- */

/* The block at n, of which the bitmaps know, gets its record. */
static always_inline uint64_t handed_out(struct buddy *b, uint64_t n, unsigned order, unsigned from, unsigned tag)
	REQUIRES(b->lock)
{
	b->hot = (uint16_t)(order | HOT_NEW);
	b->hot_from = (uint16_t)from;
	b->hot_block = n;
	record_store(b, n, page_word(1, order, PAGE_ALLOC, tag));
	count_alloc(b, 1, (uint64_t)1 << order);
	return n;
}

static noinline uint64_t alloc_slow(struct buddy *b, unsigned order, unsigned tag) REQUIRES(b->lock);

/* The lowest free block is the section at n, of which there is no metadata yet. [B12] [B13] */
static noinline uint64_t alloc_untouched(struct buddy *b, uint64_t n, unsigned order, unsigned tag) REQUIRES(b->lock)
{
	if (order == MAX_ORDER) {
		top_clear(b, MAX_ORDER, (n >> MAX_ORDER) - b->first_section, b->depth == 1);
		buddy_section_become(b, n, SECTION_WHOLE);
		return handed_out(b, n, order, order, tag);
	}
	buddy_section_make_live(b, n);
	return alloc_slow(b, order, tag);
}

/* When there is no free block of the order itself. */
static always_inline uint64_t alloc_split(struct buddy *b, unsigned order, unsigned tag, const bool flat)
	REQUIRES(b->lock)
{
	const uint64_t *top = &b->top[order];
	unsigned from;
	uint64_t n;

	/*
	 * At most 20 loads of neighbouring words, the last of which is never 0. A mask of orders would cost more to
	 * keep than these cost to read.
	 */
	while (!*top)
		top++;
	from = (unsigned)(top - b->top);
	if (from < MAX_ORDER) {
		n = pop(b, from, flat);
	} else if (from == MAX_ORDER) {
		uint64_t s = top_find(b, MAX_ORDER, flat);

		n = (s + b->first_section) << MAX_ORDER;
		if (section_state(b, n) != SECTION_LIVE)
			return alloc_untouched(b, n, order, tag);
		top_clear(b, MAX_ORDER, s, flat);
	} else {
		return BUDDY_NONE;
	}
	split(b, n, from, order, record_load(b, n) & PAGE_WORD_TAG_MASK, flat);
	return handed_out(b, n, order, from, tag);
}

static noinline uint64_t alloc_split_flat(struct buddy *b, unsigned order, unsigned tag) REQUIRES(b->lock)
{
	return alloc_split(b, order, tag, true);
}

/* [B1] */
uint64_t buddy_alloc_locked(struct buddy *b, unsigned order, unsigned tag)
{
	uint64_t n;

	if (unlikely(buddy_alloc_hot_locked(b, order, tag, &n)))
		return n;
	if (unlikely(b->hot < HOT_NEW || b->depth != 1))
		return alloc_slow(b, order, tag);
	if (likely(order < MAX_ORDER && b->top[order]))
		return handed_out(b, pop(b, order, true), order, order, tag);
	return alloc_split_flat(b, order, tag);
}

static noinline uint64_t alloc_slow(struct buddy *b, unsigned order, unsigned tag)
{
	buddy_settle_locked(b);
	if (b->depth == 1)
		return buddy_alloc_locked(b, order, tag);
	if (order < MAX_ORDER && b->top[order])
		return handed_out(b, pop(b, order, false), order, order, tag);
	return alloc_split(b, order, tag, false);
}

uint64_t buddy_split_off_locked(struct buddy *b, unsigned order)
{
	const bool flat = b->depth == 1;
	unsigned from = order;
	uint64_t n;

	buddy_settle_locked(b);
	while (!b->top[from])
		from++;
	if (from > MAX_ORDER)
		return BUDDY_NONE;
	if (from == MAX_ORDER) {
		uint64_t s = top_find(b, MAX_ORDER, flat);

		n = (s + b->first_section) << MAX_ORDER;
		top_clear(b, MAX_ORDER, s, flat);
		if (section_state(b, n) != SECTION_LIVE)
			buddy_section_make_live(b, n);
	} else {
		n = pop(b, from, flat);
	}
	if (from > order)
		split(b, n, from, order, record_load(b, n) & PAGE_WORD_TAG_MASK, flat);
	return n;
}

/* ---- merge ------------------------------------------------------------------------------------------------------- */

/* A block on its way up. */
struct rising {
	uint64_t offset; /* of its record in map */
	uintptr_t map;
	uint64_t one;
};

/* Its buddy of `order` is free, and becomes a part of it: the upper half has no record any more. */
static always_inline void absorb(struct rising *r, unsigned order)
{
	uint64_t size = sizeof(struct page) << order;

	shared_store((void *)(r->map + (r->offset | size)), 0, 0);
	r->offset &= ~size;
}

/*
 * Merges the block at frame n, of *order < 6, inside its leaf as far as it goes. True: it has ended there, with *order,
 * and its bit is set. False: the leaf is one free block now, which belongs into the mid.
 */
static always_inline bool merge_in_leaf(struct buddy *b, const struct spot *at, struct rising *r, uint64_t n,
					unsigned *order, const bool flat) REQUIRES(b->lock)
{
	uint64_t *leaf = leaf_at(b, n);
	unsigned slot = leaf_slot(n, *order);

	/*
	 * When everything else in the leaf is free, its free blocks are exactly the buddies on the way up: one
	 * comparison instead of a test for each order.
	 */
	if (leaf[0] == (slot < 64 ? bit64(slot ^ 1) : 0) && leaf[1] == buddies_above[slot]) {
		leaf[0] = 0;
		leaf[1] = 0;
#define ABSORB(k)                        \
	case k:                          \
		absorb(r, k);            \
		lost(b, at, k, 0, flat); \
		__attribute__((fallthrough))
		switch (*order) {
			ABSORB(0);
			ABSORB(1);
			ABSORB(2);
			ABSORB(3);
			ABSORB(4);
			ABSORB(5);
		default:
			*order = NODE_ORDERS;
			return false;
		}
#undef ABSORB
	}

	for (;;) {
		uint64_t *word = leaf + (slot >> 6);
		uint64_t old = *word, field = leaf_field[*order];

		if (!(old & bit64(slot ^ 1))) {
			*word = old | bit64(slot);
			if (!(old & field))
				gained(b, at, *order, 0, flat);
			return true;
		}
		old &= ~bit64(slot ^ 1);
		*word = old;
		if (!(old & field))
			lost(b, at, *order, 0, flat);
		absorb(r, *order);
		++*order;
		slot = 64 + (slot >> 1);
	}
}

/* The same for one order of a mid or section. */
static always_inline bool merge_in_node(struct buddy *b, const struct spot *at, struct rising *r, unsigned order,
					const bool flat) REQUIRES(b->lock)
{
	const unsigned level = order < 2 * NODE_ORDERS ? 1 : 2;
	uint64_t *word = (level == 1 ? at->mid : at->section) + order;
	unsigned i = block_bit(r->offset / sizeof(struct page), order);
	uint64_t old = *word, buddy = r->one << (i ^ 1);

	if (!(old & buddy)) {
		*word = old | r->one << i;
		if (!old)
			gained(b, at, order, level, flat);
		return true;
	}
	old &= ~buddy;
	*word = old;
	if (!old)
		lost(b, at, order, level, flat);
	absorb(r, order);
	return false;
}

/* [B4] [B19] */
static always_inline void put_back(struct buddy *b, uint64_t n, unsigned order, uint64_t tag, const bool flat)
	REQUIRES(b->lock)
{
	const struct spot at = spot_of(b, n, order < NODE_ORDERS ? 0 : order < 2 * NODE_ORDERS ? 1 : 2);
	struct rising r = { n * sizeof(struct page), b->map, 1 };

	in_register(r.one);
	in_register(r.map);
	if (order < NODE_ORDERS && merge_in_leaf(b, &at, &r, n, &order, flat))
		goto done;
		/* Written out for each order: then there is little left to compute. */
#define MERGE(k)                                          \
	case k:                                           \
		if (merge_in_node(b, &at, &r, k, flat)) { \
			order = k;                        \
			break;                            \
		}                                         \
		__attribute__((fallthrough))
	switch (order) {
		MERGE(6);
		MERGE(7);
		MERGE(8);
		MERGE(9);
		MERGE(10);
		MERGE(11);
		MERGE(12);
		MERGE(13);
		MERGE(14);
		MERGE(15);
		MERGE(16);
		MERGE(17);
	default:
		order = MAX_ORDER;
		top_set(b, MAX_ORDER, at.s, flat);
		break;
	}
#undef MERGE
done:
	shared_store((void *)(r.map + r.offset), 0, page_word(0, order, PAGE_FREE, 0) | tag);
}

static noinline void put_back_flat(struct buddy *b, uint64_t n, unsigned order, uint64_t tag) REQUIRES(b->lock)
{
	put_back(b, n, order, tag, true);
}

static noinline void put_back_deep(struct buddy *b, uint64_t n, unsigned order, uint64_t tag) REQUIRES(b->lock)
{
	put_back(b, n, order, tag, false);
}

void buddy_put_back_locked(struct buddy *b, uint64_t n, unsigned order, uint64_t tag)
{
	if (b->depth == 1)
		put_back_flat(b, n, order, tag);
	else
		put_back_deep(b, n, order, tag);
}

/* ---- free -------------------------------------------------------------------------------------------------------- */

/*
 * Block n is back. It was handed out last: then it will be what is handed out next, and stays counted. (Unless it came from
 * the reserve, where not everybody may go.)
 */
static always_inline void back_in(struct buddy *b, uint64_t n, unsigned order, uint64_t tag) REQUIRES(b->lock)
{
	b->frees++;
	if (b->hot_block == n && b->hot == (order | HOT_NEW) && b->used_pages <= b->given_pages - b->reserve_pages) {
		b->hot = (uint16_t)order;
		b->hot_tag = tag;
	} else {
		b->hot = HOT_NONE;
		b->used_pages -= (uint64_t)1 << order;
	}
}

/* Whatever buddy_free_locked() does not do itself. */
static noinline void free_slow(struct buddy *b, uint64_t n, unsigned order, uint64_t tag) REQUIRES(b->lock)
{
	if (b->hot < HOT_NEW)
		buddy_write_down_locked(b);
	back_in(b, n, order, tag);
	buddy_put_back_locked(b, n, order, tag);
}

/* [B2] */
void buddy_free_locked(struct buddy *b, uint64_t n, unsigned order, uint64_t record)
{
	uint64_t tag = record & PAGE_WORD_TAG_MASK;

	if (unlikely(b->hot < HOT_NEW || b->depth != 1)) {
		if (!buddy_free_hot_locked(b, n, order, record))
			free_slow(b, n, order, tag);
		return;
	}
	back_in(b, n, order, tag);
	put_back_flat(b, n, order, tag);
}

void buddy_free_whole_locked(struct buddy *b, uint64_t n)
{
	uint64_t record = record_load(b, n), tag = record & PAGE_WORD_TAG_MASK;

	if (buddy_free_hot_locked(b, n, MAX_ORDER, record))
		return;
	if (b->hot < HOT_NEW)
		buddy_write_down_locked(b);
	back_in(b, n, MAX_ORDER, tag);
	top_set(b, MAX_ORDER, (n >> MAX_ORDER) - b->first_section, b->depth == 1);
	if (b->hot == HOT_NONE)
		buddy_section_become(b, n, SECTION_UNTOUCHED);
	else
		record_store(b, n, page_word(0, MAX_ORDER, PAGE_FREE, 0) | tag);
}

/* ---- what was put off -------------------------------------------------------------------------------------------- */

bool buddy_take_off_locked(struct buddy *b, uint64_t n, unsigned order)
{
	const bool flat = b->depth == 1;
	const unsigned level = order / NODE_ORDERS;
	uint64_t s = (n >> MAX_ORDER) - b->first_section, *word, field = UINT64_MAX;
	struct spot at;
	unsigned i;

	if (order == MAX_ORDER) {
		top_clear(b, MAX_ORDER, s, flat);
		return true;
	}
	at = spot_of(b, n, level);
	if (level == 0) {
		i = leaf_slot(n, order);
		word = leaf_at(b, n) + (i >> 6);
		field = leaf_field[order];
	} else {
		i = block_bit(n, order);
		word = (level == 1 ? at.mid : at.section) + order;
	}
	if (!(*word & bit64(i)))
		return false;
	*word &= ~bit64(i);
	if (!(*word & field))
		lost(b, &at, order, level, flat);
	return true;
}

/* [B60] */
noinline void buddy_write_down_locked(struct buddy *b)
{
	unsigned order = b->hot & (HOT_OUT - 1), from = b->hot_from;
	bool out = b->hot & HOT_OUT;
	uint64_t n = b->hot_block;

	b->hot = HOT_NONE;
	b->allocs += b->hot_returns + out;
	b->frees += b->hot_returns;
	b->hot_returns = 0;
	if (!out) {
		b->used_pages -= (uint64_t)1 << order;
		if (section_state(b, n) == SECTION_WHOLE)
			buddy_section_become(b, n, SECTION_UNTOUCHED);
		return;
	}
	if (!buddy_take_off_locked(b, n, from))
		panic("frames: free block of order %u at frame 0x%llx has no bit", from, (unsigned long long)n);
	if (from == order)
		return;
	if (b->depth == 1)
		split(b, n, from, order, b->hot_tag, true);
	else
		split(b, n, from, order, b->hot_tag, false);
}
