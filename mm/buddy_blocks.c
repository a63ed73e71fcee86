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

/* These of the free bits in word 1 whose order is below `order` < 6. */
static always_inline uint64_t orders_below(unsigned order)
{
	return bit64(leaf_shift(order)) - 1;
}

/* ---- the lowest free block --------------------------------------------------------------------------------------- */

/* Takes the lowest free block of order < MAX_ORDER off the bitmaps (there is one); returns its first frame. */
static always_inline uint64_t pop(struct buddy *b, unsigned order, const bool flat) REQUIRES(b->lock)
{
	uint64_t s = top_find(b, order, flat);
	uint64_t n = s + b->first_section;
	uint64_t *section = section_at(b, n << MAX_ORDER) + order, *mid, in_section = *section, in_mid;
	unsigned i = lowest_bit(in_section);

	if (order < 2 * NODE_ORDERS) {
		n = n << 6 | i;
		mid = mid_at(b, n << 12) + order;
		in_mid = *mid;
		i = lowest_bit(in_mid);
		if (order < NODE_ORDERS) {
			uint64_t *word;
			unsigned shift = leaf_shift(order);

			n = n << 6 | i;
			word = leaf_at(b, n << 6) + (order != 0);
			/* Higher orders stand above the field, lower ones are shifted out: no mask to find the lowest. */
			i = lowest_bit(*word >> shift);
			*word &= ~bit64(shift + i);
			n = n << 6 | (uint64_t)i << order;
			if (*word & leaf_field[order])
				return n;
		} else {
			n = n << 12 | (uint64_t)i << order;
		}
		in_mid &= in_mid - 1;
		*mid = in_mid;
		if (in_mid)
			return n;
	} else {
		n = n << MAX_ORDER | (uint64_t)i << order;
	}
	in_section &= in_section - 1;
	*section = in_section;
	if (in_section)
		return n;
	if (flat)
		b->top[order] &= b->top[order] - 1;
	else
		buddy_deep_clear(b, order, s);
	return n;
}

/* ---- split ------------------------------------------------------------------------------------------------------- */

/*
 * The block of order `from` at frame n, the smallest free one that had at least `order`, is off the bitmaps. Frees all but
 * its first 2^order frames: one buddy of each order between. The bank has no free block of these orders, so that words
 * of bitmaps and summaries are written without a look. tag: of the block's record. [B3]
 */
static always_inline void split(struct buddy *b, uint64_t n, unsigned from, unsigned order, uint64_t tag,
				const bool flat) REQUIRES(b->lock)
{
	page_word_t *records = record_at(b, n);
	uint64_t record = page_word(0, order, PAGE_FREE, 0) | tag;
	struct spot at = spot_of(b, n, 0);
	uint64_t next_order = (uint64_t)1 << PAGE_WORD_ORDER_SHIFT, upper = 2; /* the bit beside an even one */

	in_register(next_order);
	in_register(upper);
	in_register(at.section_bit);
	if (order < NODE_ORDERS) {
		uint64_t *leaf = leaf_at(b, n);
		unsigned slot = leaf_slot(n, order);

		if (order == 0)
			leaf[0] = bit64(slot ^ 1);
		if (from < NODE_ORDERS)
			leaf[1] |= buddies_above[slot] & orders_below(from);
		else
			leaf[1] = buddies_above[slot]; /* the leaf was a free block, or part of one */
	}

	/* Written out for each order: then there is little left to compute. */
#define SPLIT(k)                                                    \
	case k:                                                     \
		if (from == (k))                                    \
			break;                                      \
		shared_store(&records[(uint64_t)1 << (k)], record); \
		record += next_order;                               \
		if ((k) < NODE_ORDERS)                              \
			at.mid[k] = at.leaf_bit;                    \
		else if ((k) < 2 * NODE_ORDERS)                     \
			at.mid[k] = upper << block_bit(n, k);       \
		if ((k) < 2 * NODE_ORDERS)                          \
			at.section[k] = at.mid_bit;                 \
		else                                                \
			at.section[k] = upper << block_bit(n, k);   \
		if (flat)                                           \
			b->top[k] = at.section_bit;                 \
		else                                                \
			buddy_deep_set(b, k, at.s);                 \
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
static always_inline uint64_t handed_out(struct buddy *b, uint64_t n, unsigned order, unsigned tag) REQUIRES(b->lock)
{
	/* With a reserve, not everybody may have what has come back. */
	b->last = b->reserve_pages ? LAST_NONE : n << LAST_SHIFT | order;
	record_store(b, n, page_word(1, order, PAGE_ALLOC, tag));
	count_alloc(b, (uint64_t)1 << order);
	return n;
}

/*
 * The lowest block of the smallest sufficient order, off the bitmaps and split to `order`; its record is still that of the
 * free block. Or BUDDY_NONE. [B12] [B13]
 */
static always_inline uint64_t carve(struct buddy *b, unsigned order, const bool flat) REQUIRES(b->lock)
{
	const uint64_t *top = &b->top[order];
	uint64_t n, s;
	unsigned from;

	/*
	 * Neighbouring words, the last of which is never 0. A mask of orders would cost more to keep than these cost
	 * to read.
	 */
	while (!(top[0] | top[1] | top[2] | top[3]))
		top += 4;
	while (!*top)
		top++;
	from = (unsigned)(top - b->top);
	if (likely(from < MAX_ORDER)) {
		n = pop(b, from, flat);
		if (from == order)
			return n;
	} else if (from == MAX_ORDER) {
		s = top_find(b, MAX_ORDER, flat);
		n = (s + b->first_section) << MAX_ORDER;
		top_clear(b, MAX_ORDER, s, flat);
		if (section_state(b, n) != SECTION_LIVE) {
			if (order == MAX_ORDER) {
				buddy_section_become(b, n, SECTION_WHOLE);
				return n;
			}
			buddy_section_make_live(b, n);
		}
	} else {
		return BUDDY_NONE;
	}
	split(b, n, from, order, record_load(b, n) & PAGE_WORD_TAG_MASK, flat);
	return n;
}

static noinline uint64_t carve_flat(struct buddy *b, unsigned order) REQUIRES(b->lock)
{
	return carve(b, order, true);
}

static noinline uint64_t carve_deep(struct buddy *b, unsigned order) REQUIRES(b->lock)
{
	return carve(b, order, false);
}

uint64_t buddy_carve_locked(struct buddy *b, unsigned order)
{
	return b->depth == 1 ? carve_flat(b, order) : carve_deep(b, order);
}

/* [B1] */
uint64_t buddy_alloc_locked(struct buddy *b, unsigned order, unsigned tag)
{
	uint64_t n;

	if (buddy_alloc_last_locked(b, order, tag, &n))
		return n;
	buddy_settle_locked(b);
	n = buddy_carve_locked(b, order);
	return n == BUDDY_NONE ? n : handed_out(b, n, order, tag);
}

/* ---- merge ------------------------------------------------------------------------------------------------------- */

/*
 * A block that is being put back, on its way up. Held in registers: the stores to bitmaps might change the bank as far as a
 * compiler knows.
 */
struct climber {
	struct spot at;
	uintptr_t records;
	uint64_t offset; /* of its first record: frame number * sizeof(struct page) */
	uint64_t one;
	unsigned order;
};

static always_inline uint64_t climber_frame(const struct climber *c)
{
	return c->offset / sizeof(struct page);
}

/* It and its free buddy, of order k, become one: the upper half has no record any more. */
static always_inline void absorb(struct climber *c, unsigned k)
{
	uint64_t size = sizeof(struct page) << k;

	shared_store((void *)(c->records + (c->offset | size)), 0);
	c->offset &= ~size;
}

/*
 * Merges the block of order < 6 inside its leaf as far as it goes. True: it has ended there, and its bit is set. False: the
 * leaf is one free block now, which belongs into the mid.
 */
static always_inline bool merge_in_leaf(struct buddy *b, struct climber *c, const bool flat) REQUIRES(b->lock)
{
	uint64_t *leaf = leaf_at(b, climber_frame(c));
	unsigned slot = leaf_slot(climber_frame(c), c->order);
	uint64_t *word = leaf + (slot >> 6), old = *word;

	/*
	 * When everything else in the leaf is free, its free blocks are exactly the buddies on the way up: one
	 * comparison instead of a test for each order.
	 */
	if (old & bit64(slot ^ 1) && leaf[0] == (slot < 64 ? bit64(slot ^ 1) : 0) && leaf[1] == buddies_above[slot]) {
		leaf[0] = 0;
		leaf[1] = 0;
#define ABSORB(k)                            \
	case k:                              \
		absorb(c, k);                \
		lost(b, &c->at, k, 0, flat); \
		__attribute__((fallthrough))
		switch (c->order) {
			ABSORB(0);
			ABSORB(1);
			ABSORB(2);
			ABSORB(3);
			ABSORB(4);
			ABSORB(5);
		default:
			c->order = NODE_ORDERS;
			return false;
		}
#undef ABSORB
	}

	for (; old & bit64(slot ^ 1); word = leaf + (slot >> 6), old = *word) {
		old &= ~bit64(slot ^ 1);
		*word = old;
		if (!(old & leaf_field[c->order]))
			lost(b, &c->at, c->order, 0, flat);
		absorb(c, c->order);
		c->order++;
		slot = 64 + (slot >> 1);
	}
	*word = old | bit64(slot);
	if (!(old & leaf_field[c->order]))
		gained(b, &c->at, c->order, 0, flat);
	return true;
}

/* The same for one order of a mid or section. */
static always_inline bool merge_in_node(struct buddy *b, struct climber *c, unsigned k, const bool flat)
	REQUIRES(b->lock)
{
	const unsigned level = k < 2 * NODE_ORDERS ? 1 : 2;
	uint64_t *word = (level == 1 ? c->at.mid : c->at.section) + k;
	unsigned i = block_bit(climber_frame(c), k);
	uint64_t old = *word, buddy = c->one << (i ^ 1);

	if (likely(old == buddy)) { /* the only one of its order */
		*word = 0;
		lost(b, &c->at, k, level, flat);
	} else if (old & buddy) {
		*word = old & ~buddy;
	} else {
		*word = old | c->one << i;
		if (!old)
			gained(b, &c->at, k, level, flat);
		return true;
	}
	absorb(c, k);
	return false;
}

/* [B4] [B19] */
static always_inline void put_back(struct buddy *b, uint64_t n, unsigned order, uint64_t tag, const bool flat)
	REQUIRES(b->lock)
{
	struct climber c = {
		.at = spot_of(b, n, 0),
		.records = b->map,
		.offset = n * sizeof(struct page),
		.one = 1,
		.order = order,
	};

	in_register(c.at.section_bit);
	in_register(c.records);
	in_register(c.offset);
	in_register(c.one);
	if (order < NODE_ORDERS) {
		if (merge_in_leaf(b, &c, flat))
			goto done;
	}
	/* Written out for each order: then there is little left to compute. */
#define MERGE(k)                                     \
	case k:                                      \
		if (merge_in_node(b, &c, k, flat)) { \
			c.order = k;                 \
			break;                       \
		}                                    \
		__attribute__((fallthrough))
	switch (c.order) {
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
		c.order = MAX_ORDER;
		top_set(b, MAX_ORDER, c.at.s, flat);
		break;
	}
#undef MERGE
done:
	record_store(b, climber_frame(&c), page_word(0, c.order, PAGE_FREE, 0) | tag);
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

/* Into the bitmaps, or what is left of them where a section was handed out before it had any. [B13] */
static void take_back(struct buddy *b, uint64_t n, unsigned order) REQUIRES(b->lock)
{
	b->live--;
	b->used_pages -= (uint64_t)1 << order;
	if (unlikely(section_state(b, n) == SECTION_WHOLE)) {
		buddy_section_become(b, n, SECTION_UNTOUCHED);
		top_set(b, MAX_ORDER, (n >> MAX_ORDER) - b->first_section, b->depth == 1);
	} else {
		buddy_put_back_locked(b, n, order, record_load(b, n) & PAGE_WORD_TAG_MASK);
	}
}

/* [B60] */
void buddy_put_last_locked(struct buddy *b)
{
	uint64_t last = b->last;

	b->last = LAST_NONE;
	take_back(b, last >> LAST_SHIFT, (unsigned)(last & ~LAST_BACK & LAST_MASK));
}

/* [B2] */
void buddy_free_locked(struct buddy *b, uint64_t n, unsigned order)
{
	if (buddy_free_last_locked(b, n, order))
		return;
	buddy_settle_locked(b);
	b->frees++;
	take_back(b, n, order);
}

/* ---- an exact block ---------------------------------------------------------------------------------------------- */

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
