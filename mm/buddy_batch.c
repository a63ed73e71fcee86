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
#include "arch/exclusive.h"
#include "mm/buddy_fast.h"

#define LEAF_ORDER NODE_ORDERS /* a whole leaf is a block of this order, and stands in the mid */
#define LEAF_FRAMES (1u << LEAF_ORDER)
#define LINE_RECORDS (64u / (unsigned)sizeof(struct page)) /* in a cache line */

/* ---- taking ------------------------------------------------------------------------------------------------------ */

/* First frame of the lowest leaf that has a free block of an order below LEAF_ORDER, or BUDDY_NONE. */
static uint64_t lowest_leaf(struct buddy *b) REQUIRES(b->lock)
{
	uint64_t s = UINT64_MAX, mids = 0, leaves = 0, n;
	const uint64_t *node;
	const bool flat = b->depth == 1;

	for (unsigned order = 0; order < LEAF_ORDER; order++)
		if (b->top[order])
			s = min_u64(s, top_find(b, order, flat));
	if (s == UINT64_MAX)
		return BUDDY_NONE;
	n = (s + b->first_section) << MAX_ORDER;
	node = section_at(b, n);
	for (unsigned order = 0; order < LEAF_ORDER; order++)
		mids |= node[order];
	n += (uint64_t)lowest_bit(mids) << 2 * LEAF_ORDER;
	node = mid_at(b, n);
	for (unsigned order = 0; order < LEAF_ORDER; order++)
		leaves |= node[order];
	return n + ((uint64_t)lowest_bit(leaves) << LEAF_ORDER);
}

/* Eight frames from address a on are taken, each a block of its own: their records at `to`. */
static always_inline void take_eight(page_word_t *to, uint64_t a, uint64_t *pa, uint64_t record)
{
	shared_store_eight(to, record);
	pa[0] = a;
	pa[1] = a + PAGE_SIZE;
	pa[2] = a + 2 * PAGE_SIZE;
	pa[3] = a + 3 * PAGE_SIZE;
	pa[4] = a + 4 * PAGE_SIZE;
	pa[5] = a + 5 * PAGE_SIZE;
	pa[6] = a + 6 * PAGE_SIZE;
	pa[7] = a + 7 * PAGE_SIZE;
}

/* The first n frames of the block are taken, each a block of its own. The price of a batch is here. */
static always_inline unsigned take_frames(struct buddy *b, uint64_t first, unsigned n, uint64_t *pa, uint64_t record)
	REQUIRES(b->lock)
{
	page_word_t *to = record_at(b, first);
	uint64_t a = first << PAGE_SHIFT;
	unsigned i = 0;

	for (; i + 8 <= n; i += 8, a += 8 * PAGE_SIZE)
		take_eight(to + i, a, pa + i, record);
	for (; i < n; i++, a += PAGE_SIZE) {
		record_store(b, first + i, record);
		pa[i] = a;
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
		unsigned order = lowest_bit(from), slot = leaf_slot(from, order);

		word[slot >> 6] |= bit64(slot);
		record_store(b, from, page_word(0, order, PAGE_FREE, 0) | tag);
		from += (uint64_t)1 << order;
	}
}

/* The leaf at frame n becomes `word`: tells the nodes above which orders it has lost, and which it has got. */
static void leaf_store(struct buddy *b, uint64_t n, const uint64_t word[LEAF_WORDS]) REQUIRES(b->lock)
{
	const struct spot at = spot_of(b, n, 0);
	const bool flat = b->depth == 1;
	uint64_t *leaf = leaf_at(b, n);

	for (unsigned order = 0; order < LEAF_ORDER; order++) {
		uint64_t old = leaf[order != 0] & leaf_field[order], new = word[order != 0] & leaf_field[order];

		if (old && !new)
			lost(b, &at, order, 0, flat);
		else if (!old && new)
			gained(b, &at, order, 0, flat);
	}
	leaf[0] = word[0];
	leaf[1] = word[1];
}

/*
 * How many frames of a block of `size` a batch takes that has `got` and lacks `want`. A block is cut between two cache
 * lines of records, so that whoever gets its other part writes no line of ours; a batch that has something is rather short.
 */
static always_inline unsigned part_of(unsigned size, unsigned got, unsigned want)
{
	unsigned lines = want & ~(LINE_RECORDS - 1);

	if (size <= want)
		return size;
	return lines || got ? lines : want;
}

/* Frames of the leaf at frame n, which has something, until pa[] has `want`: its smallest blocks first. */
static unsigned take_from_leaf(struct buddy *b, uint64_t n, uint64_t *pa, unsigned got, unsigned want, uint64_t record)
	REQUIRES(b->lock)
{
	uint64_t word[LEAF_WORDS] = { leaf_at(b, n)[0], leaf_at(b, n)[1] };

	for (unsigned order = 0; order < LEAF_ORDER; order++) {
		uint64_t *w = &word[order != 0];
		unsigned shift = leaf_shift(order), size = 1u << order, part;

		while (*w & leaf_field[order] && (part = part_of(size, got, want - got)) != 0) {
			unsigned i = lowest_bit((*w & leaf_field[order]) >> shift);
			uint64_t first = n + ((uint64_t)i << order);
			uint64_t tag = record_load(b, first) & PAGE_WORD_TAG_MASK;

			*w &= ~bit64(shift + i);
			got += take_frames(b, first, part, pa + got, record);
			leave_frames(b, first + part, first + size, word, tag);
		}
	}
	leaf_store(b, n, word);
	return got;
}

/* The same of a leaf that is free as a whole, or of a larger block: the lowest of the smallest. */
static unsigned take_from_whole(struct buddy *b, uint64_t *pa, unsigned got, unsigned want, uint64_t record)
	REQUIRES(b->lock)
{
	unsigned part = part_of(LEAF_FRAMES, got, want - got);
	uint64_t n = part ? buddy_carve_locked(b, LEAF_ORDER) : BUDDY_NONE, word[LEAF_WORDS], tag;

	if (n == BUDDY_NONE)
		return got;
	if (likely(part == LEAF_FRAMES))
		return got + take_frames(b, n, LEAF_FRAMES, pa + got, record);
	word[0] = leaf_at(b, n)[0];
	word[1] = leaf_at(b, n)[1];
	tag = record_load(b, n) & PAGE_WORD_TAG_MASK;
	take_frames(b, n, part, pa + got, record);
	leave_frames(b, n + part, n + LEAF_FRAMES, word, tag);
	leaf_store(b, n, word);
	return got + part;
}

/* [PK6] */
unsigned buddy_take_batch_locked(struct buddy *b, uint64_t *pa, unsigned want, uint64_t record)
{
	unsigned got = 0, before;

	buddy_settle_locked(b);
	do {
		uint64_t n = lowest_leaf(b);

		before = got;
		/* Half a batch is enough: another leaf is rather left whole. */
		if (n == BUDDY_NONE && got >= LEAF_FRAMES / 2)
			break;
		got = n != BUDDY_NONE ? take_from_leaf(b, n, pa, got, want, record)
				      : take_from_whole(b, pa, got, want, record);
	} while (got < want && got > before);
	b->used_pages += got;
	b->peak_used_pages = max_u64(b->peak_used_pages, b->used_pages);
	b->live += got;
	return got;
}

/* [PK7] */
unsigned buddy_take_leaf_locked(struct buddy *b, uint64_t *pa, uint64_t record)
{
	uint64_t last = b->last, n, a;
	page_word_t *to;

	if (likely((last & LAST_MASK) == (LEAF_ORDER | LAST_BACK))) {
		n = last >> LAST_SHIFT;
		b->live += LEAF_FRAMES - 1;
	} else {
		buddy_settle_locked(b);
		n = buddy_carve_locked(b, LEAF_ORDER);
		if (n == BUDDY_NONE)
			return 0;
		b->live += LEAF_FRAMES;
		b->used_pages += LEAF_FRAMES;
		b->peak_used_pages = max_u64(b->peak_used_pages, b->used_pages);
	}
	b->last = b->reserve_pages ? LAST_NONE : n << LAST_SHIFT | LEAF_ORDER;
	to = record_at(b, n);
	a = n << PAGE_SHIFT;
	for (unsigned i = 0; i < LEAF_FRAMES; i += 32, a += 32 * PAGE_SIZE) {
		take_eight(to + i, a, pa + i, record);
		take_eight(to + i + 8, a + 8 * PAGE_SIZE, pa + i + 8, record);
		take_eight(to + i + 16, a + 16 * PAGE_SIZE, pa + i + 16, record);
		take_eight(to + i + 24, a + 24 * PAGE_SIZE, pa + i + 24, record);
	}
	return LEAF_FRAMES;
}

/* ---- giving back ------------------------------------------------------------------------------------------------- */

/* The leaf at frame n has got its first free block of `order`, or lost its last: tells those above. */
static noinline void leaf_gained(struct buddy *b, uint64_t n, unsigned order) REQUIRES(b->lock)
{
	const struct spot at = spot_of(b, n, 0);

	gained(b, &at, order, 0, b->depth == 1);
}

static noinline void leaf_lost(struct buddy *b, uint64_t n, unsigned order) REQUIRES(b->lock)
{
	const struct spot at = spot_of(b, n, 0);

	lost(b, &at, order, 0, b->depth == 1);
}

/*
 * One frame: mostly a bit in its leaf, or in half of all cases its buddy's, and so on. What buddy_put_back_locked() does for
 * a block of order 0, without what that finds out for the orders above the leaf.
 */
static always_inline void put_frame(struct buddy *b, uint64_t n) REQUIRES(b->lock)
{
	const uint64_t record = page_word(0, 0, PAGE_FREE, 0) | (record_load(b, n) & PAGE_WORD_TAG_MASK);
	uint64_t *leaf = leaf_at(b, n), old = leaf[0], word;
	unsigned bit; /* of the block in word 1 */

	if (!(old & bit64(n ^ 1))) {
		leaf[0] = old | bit64(n);
		record_store(b, n, record);
		if (unlikely(!old))
			leaf_gained(b, n, 0);
		return;
	}
	old &= ~bit64(n ^ 1);
	leaf[0] = old;
	if (unlikely(!old))
		leaf_lost(b, n, 0);
	record_store(b, n | 1, 0);
	n &= ~(uint64_t)1;
	bit = ((unsigned)n & 63) >> 1;
	word = leaf[1];
	/* Written out for each order: the masks are immediates then. */
#define MERGE(k)                                                                       \
	if (!(word & bit64(bit ^ 1))) {                                                \
		leaf[1] = word | bit64(bit);                                           \
		record_store(b, n, record + ((uint64_t)(k) << PAGE_WORD_ORDER_SHIFT)); \
		if (!(word & leaf_field[k]))                                           \
			leaf_gained(b, n, k);                                          \
		return;                                                                \
	}                                                                              \
	word &= ~bit64(bit ^ 1);                                                       \
	if (!(word & leaf_field[k]))                                                   \
		leaf_lost(b, n, k);                                                    \
	record_store(b, n | (uint64_t)1 << (k), 0);                                    \
	n &= ~((uint64_t)1 << (k));                                                    \
	bit = 32 + (bit >> 1)
	MERGE(1);
	MERGE(2);
	MERGE(3);
	MERGE(4);
	MERGE(5);
#undef MERGE
	leaf[1] = word;
	buddy_put_back_locked(b, n, LEAF_ORDER, record & PAGE_WORD_TAG_MASK);
}

/* The records of the block's frames. */
static always_inline void clear_records(struct buddy *b, uint64_t n, unsigned order) REQUIRES(b->lock)
{
	page_word_t *record = record_at(b, n), *end = record + ((uint64_t)1 << order);

	if (order < 3)
		for (; record < end; record++)
			shared_store(record, 0);
	for (; record < end; record += 8)
		shared_store_eight(record, 0);
}

/* Frames [n, end), each a block of its own: as the largest blocks that they make. */
static void put_frames(struct buddy *b, uint64_t n, uint64_t end) REQUIRES(b->lock)
{
	for (unsigned order; n < end; n += (uint64_t)1 << order) {
		uint64_t tag = record_load(b, n) & PAGE_WORD_TAG_MASK;

		order = fitting_order(n, end);
		clear_records(b, n, order);
		buddy_put_back_locked(b, n, order, tag);
	}
}

/* The same of a whole leaf. */
static always_inline void put_leaf(struct buddy *b, uint64_t n) REQUIRES(b->lock)
{
	uint64_t tag = record_load(b, n) & PAGE_WORD_TAG_MASK;

	clear_records(b, n, LEAF_ORDER);
	buddy_put_back_locked(b, n, LEAF_ORDER, tag);
}

/*
 * Whether the frames at pa[0..63] are 64 neighbours, whose lowest and highest are at the ends. A frame is never twice in a
 * batch, so it is enough that none is too far away.
 */
static always_inline bool neighbours(const uint64_t *pa)
{
	uint64_t lowest = min_u64(pa[0], pa[LEAF_FRAMES - 1]), far;

	if (pa[0] + pa[LEAF_FRAMES - 1] != 2 * lowest + (LEAF_FRAMES - 1) * PAGE_SIZE)
		return false;
#define FAR4(i) ((pa[i] - lowest) | (pa[(i) + 1] - lowest) | (pa[(i) + 2] - lowest) | (pa[(i) + 3] - lowest))
#define FAR16(i) (FAR4(i) | FAR4((i) + 4) | FAR4((i) + 8) | FAR4((i) + 12))
	far = FAR16(0) | FAR16(16) | FAR16(32) | FAR16(48);
#undef FAR16
#undef FAR4
	return far < LEAF_FRAMES * PAGE_SIZE;
}

/* How many entries from the first on are neighbours, each `step` bytes above the one before. */
static always_inline unsigned run_of(const uint64_t *pa, unsigned n, uint64_t step)
{
	uint64_t next = pa[0] + step;
	unsigned run = 1;

	for (; run < n && pa[run] == next; run++)
		next += step;
	return run;
}

/* p[0] and p[1] are neighbours: gives back these and those that continue them. Returns how many. */
static noinline unsigned put_run(struct buddy *b, const uint64_t *p, uint64_t left, uint64_t step) REQUIRES(b->lock)
{
	unsigned run = left >= LEAF_FRAMES && neighbours(p) ? LEAF_FRAMES : run_of(p, (unsigned)left, step);
	uint64_t first = (step == PAGE_SIZE ? p[0] : p[run - 1]) >> PAGE_SHIFT;

	/* Over the border between two banks: one by one, until the border. */
	if (unlikely(first < b->start || first + run > b->end)) {
		put_frame(b, p[0] >> PAGE_SHIFT);
		return 1;
	}
	if (run == LEAF_FRAMES && first % LEAF_FRAMES == 0)
		put_leaf(b, first);
	else
		put_frames(b, first, first + run);
	return run;
}

/*
 * When the batch is the leaf that buddy_take_leaf_locked() handed out last: it waits as a block of its order does, and is as
 * one from now on. False: it is something else. [PK7]
 */
static noinline bool put_last_leaf(struct buddy *b, const uint64_t *pa) REQUIRES(b->lock)
{
	uint64_t n = b->last >> LAST_SHIFT, tag;

	if ((b->last & LAST_MASK) != LEAF_ORDER || (pa[0] & pa[LEAF_FRAMES - 1]) >> PAGE_SHIFT != n || !neighbours(pa))
		return false;
	tag = record_load(b, n) & PAGE_WORD_TAG_MASK;
	clear_records(b, n, LEAF_ORDER);
	record_store(b, n, page_word(1, LEAF_ORDER, PAGE_CACHED, 0) | tag);
	b->last |= LAST_BACK;
	b->live -= LEAF_FRAMES - 1;
	b->frees += LEAF_FRAMES;
	return true;
}

/* Stacks are full of neighbours: pages that were taken one after the other, and given back so or the other way round. */
unsigned buddy_put_batch_locked(struct buddy *b, const uint64_t *pa, unsigned n)
{
	const uint64_t start = b->start, pages = b->end - start, *p = pa, *end = pa + n;
	unsigned done;

	if (unlikely(b->last != LAST_NONE)) {
		if (n == LEAF_FRAMES && put_last_leaf(b, pa))
			return n;
		buddy_settle_locked(b);
	}
	while (p < end && (p[0] >> PAGE_SHIFT) - start < pages) {
		uint64_t step = p + 1 < end ? p[1] - p[0] : 0;

		if (step == PAGE_SIZE || step == -PAGE_SIZE)
			p += put_run(b, p, (uint64_t)(end - p), step);
		else
			put_frame(b, *p++ >> PAGE_SHIFT);
	}
	done = (unsigned)(p - pa);
	b->live -= done;
	b->used_pages -= done;
	b->frees += done;
	return done;
}
