/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Batches of single frames between a bank and the caches in front of it.
 *
 * A batch empties leaves (64 frames), the lowest first that has anything free, whatever the orders. That is cheaper than a
 * search for each frame, and it packs memory: what is freed and asked for again moves down, and the leaves above drain. To
 * take the smallest blocks first, wherever they are, would fill every single hole up there before a pair at the bottom is
 * touched, and nothing would ever drain (make packing).
 */
#include "mm/buddy.h"
#include "mm/buddy_fast.h"

#define LEAF_ORDER NODE_ORDERS /* a whole leaf is a block of this order, and stands in the mid */

/* ---- taking ------------------------------------------------------------------------------------------------------ */

/* First frame of the lowest leaf that has a free block of an order below LEAF_ORDER, or BUDDY_NONE. */
static uint64_t lowest_leaf(struct buddy *b) REQUIRES(b->lock)
{
	uint64_t s = UINT64_MAX, mids = 0, leaves = 0, n;
	const uint64_t *node;

	for (unsigned order = 0; order < LEAF_ORDER; order++)
		if (b->top[order])
			s = min_u64(s, top_find(b, order));
	if (s == UINT64_MAX)
		return BUDDY_NONE;
	n = (s + b->first_section) << MAX_ORDER;
	node = section_at(b, n) + NODE_HAS;
	for (unsigned order = 0; order < LEAF_ORDER; order++)
		mids |= node[order];
	n += (uint64_t)lowest_bit(mids) << 2 * NODE_SHIFT;
	node = mid_at(b, n) + NODE_HAS;
	for (unsigned order = 0; order < LEAF_ORDER; order++)
		leaves |= node[order];
	return n + ((uint64_t)lowest_bit(leaves) << NODE_SHIFT);
}

/* The first n frames of the block are taken, each a block of its own. */
static unsigned take_frames(struct buddy *b, uint64_t first, unsigned n, uint64_t *pa, uint64_t record)
	REQUIRES(b->lock)
{
	const uintptr_t map = b->map;

	for (unsigned i = 0; i < n; i++) {
		record_store_at(map, first + i, record);
		pa[i] = (first + i) << PAGE_SHIFT;
	}
	return n;
}

/*
 * Frames [from, to) of one leaf, what is left of a block that ends at `to`, are free: the aligned blocks they are made of.
 * Nothing merges, their buddies have been taken. word: the leaf's, not stored yet. tag: of the block's record.
 */
static void leave_frames(struct buddy *b, uint64_t from, uint64_t to, uint64_t word[LEAF_WORDS], uint64_t tag)
	REQUIRES(b->lock)
{
	while (from < to) {
		unsigned order = lowest_bit(from), slot = node_slot(from, 0, order);

		word[slot >> 6] |= bit64(slot);
		record_store(b, from, page_word(0, order, PAGE_FREE, 0) | tag);
		from += (uint64_t)1 << order;
	}
}

/* The leaf at frame n becomes `word`: tells the nodes above which orders it has lost, and which it has got. */
static void leaf_store(struct buddy *b, uint64_t n, const uint64_t word[LEAF_WORDS]) REQUIRES(b->lock)
{
	const struct above above = above_node(b, n, 0);
	uint64_t *leaf = leaf_at(b, n);

	for (unsigned order = 0; order < LEAF_ORDER; order++) {
		uint64_t old = leaf[order != 0] & node_field[order], new = word[order != 0] & node_field[order];

		if (old && !new)
			summary_clear(b, &above, order, 0);
		else if (!old && new)
			summary_set(b, &above, order, 0);
	}
	leaf[0] = word[0];
	leaf[1] = word[1];
}

/* Up to `want` frames of the leaf at frame n, which has something: its smallest blocks first. */
static unsigned take_from_leaf(struct buddy *b, uint64_t n, uint64_t *pa, unsigned want, uint64_t record)
	REQUIRES(b->lock)
{
	uint64_t word[LEAF_WORDS] = { leaf_at(b, n)[0], leaf_at(b, n)[1] };
	unsigned got = 0;

	for (unsigned order = 0; order < LEAF_ORDER && got < want; order++) {
		uint64_t *w = &word[order != 0];
		unsigned shift = node_field_shift(order), size = 1u << order;

		while (got < want && *w & node_field[order]) {
			unsigned i = lowest_bit((*w & node_field[order]) >> shift);
			uint64_t first = n + ((uint64_t)i << order);
			uint64_t tag = record_load(b, first) & PAGE_WORD_TAG_MASK;
			unsigned part = size < want - got ? size : want - got;

			*w &= ~bit64(shift + i);
			got += take_frames(b, first, part, pa + got, record);
			leave_frames(b, first + part, first + size, word, tag);
		}
	}
	leaf_store(b, n, word);
	return got;
}

/* Up to `want` frames of a leaf that is free as a whole, or of a larger block: the lowest of the smallest. */
static unsigned take_from_whole(struct buddy *b, uint64_t *pa, unsigned want, uint64_t record) REQUIRES(b->lock)
{
	uint64_t n = b->top[LEAF_ORDER] ? buddy_pop(b, LEAF_ORDER) : buddy_split_locked(b, LEAF_ORDER);
	uint64_t word[LEAF_WORDS], tag;

	if (n == BUDDY_NONE)
		return 0;
	word[0] = leaf_at(b, n)[0];
	word[1] = leaf_at(b, n)[1];
	tag = record_load(b, n) & PAGE_WORD_TAG_MASK;
	take_frames(b, n, want, pa, record);
	leave_frames(b, n + want, n + (1 << LEAF_ORDER), word, tag);
	leaf_store(b, n, word);
	return want;
}

/* [PK6] */
unsigned buddy_take_batch_locked(struct buddy *b, uint64_t *pa, unsigned want, uint64_t record)
{
	unsigned got = 0, more = 1;

	while (got < want && more) {
		uint64_t n = lowest_leaf(b);

		more = n != BUDDY_NONE ? take_from_leaf(b, n, pa + got, want - got, record)
				       : take_from_whole(b, pa + got, want - got, record);
		got += more;
	}
	b->used_pages += got;
	b->peak_used_pages = max_u64(b->peak_used_pages, b->used_pages);
	b->allocs += got;
	return got;
}

/* ---- giving back ------------------------------------------------------------------------------------------------- */

void buddy_put_batch_locked(struct buddy *b, const uint64_t *pa, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		buddy_free_locked(b, pa[i] >> PAGE_SHIFT, 0, record_load(b, pa[i] >> PAGE_SHIFT));
}
