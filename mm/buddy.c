/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The buddy of one bank: its metadata, sections that come to life, an exact block, giving frames. Blocks that come and go
 * are mm/buddy_blocks.c, the questions and the check mm/buddy_check.c.
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
	b->last = LAST_NONE;
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

void buddy_section_become(struct buddy *b, uint64_t n, enum section_state state)
{
	uint64_t first = ALIGN_DOWN(n, SECTION_PAGES);
	bool open = state == SECTION_LIVE && first >= b->start && b->end - first >= SECTION_PAGES;

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

/* [B12] */
void buddy_section_make_live(struct buddy *b, uint64_t n)
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
	buddy_section_become(b, n, SECTION_LIVE);
}

/* ---- an exact block ---------------------------------------------------------------------------------------------- */

/* [B16] */
int buddy_take_locked(struct buddy *b, uint64_t n, unsigned order, unsigned tag)
{
	struct frame_info info;

	buddy_query_locked(b, n, &info);
	if (info.role == FRAME_RESERVED)
		return MM_ERESERVED;
	if (info.role != FRAME_FREE || info.cached || info.order < order)
		return MM_EBUSY;
	if (!buddy_take_off_locked(b, info.head.n, info.order))
		panic("frames: free block of order %u at frame 0x%llx has no bit", info.order,
		      (unsigned long long)info.head.n);
	if (section_state(b, n) == SECTION_UNTOUCHED) {
		if (order == MAX_ORDER)
			buddy_section_become(b, n, SECTION_WHOLE);
		else
			buddy_section_make_live(b, n);
	}
	while (info.order-- > order) {
		uint64_t half = (n ^ (uint64_t)1 << info.order) & ~(((uint64_t)1 << info.order) - 1);

		buddy_put_back_locked(b, half, info.order, (uint64_t)info.tag << PAGE_WORD_TAG_SHIFT);
	}
	record_store(b, n, page_word(1, order, PAGE_ALLOC, tag));
	count_alloc(b, (uint64_t)1 << order);
	return MM_OK;
}

/* ---- giving frames ----------------------------------------------------------------------------------------------- */

/* Bits of a word of what was given that stand for the parts, 2^part_order frames each, of the block at n. */
static uint64_t parts(uint64_t n, unsigned order, unsigned part_order)
{
	uint64_t bits = order - part_order < 6 ? bit64((uint64_t)1 << (order - part_order)) - 1 : UINT64_MAX;

	return bits << ((n >> part_order) & 63);
}

/* Whether a frame of the block, in a live section, has been given before. Looks at 32 records at most. */
static bool block_given(struct buddy *b, uint64_t n, unsigned order) REQUIRES(b->lock)
{
	const uint64_t *section = section_at(b, n), *mid = mid_at(b, n);
	uint64_t end = n + ((uint64_t)1 << order);
	struct frame_info info;

	if (section[SECTION_GIVEN] == SECTION_PAGES)
		return true;
	if (order >= 2 * NODE_ORDERS)
		return (section[SECTION_ANY] | section[SECTION_ALL]) & parts(n, order, 2 * NODE_ORDERS);
	if (section[SECTION_ALL] & bit64(n >> 12))
		return true;
	if (order >= NODE_ORDERS)
		return (mid[MID_ANY] | mid[MID_ALL]) & parts(n, order, NODE_ORDERS);
	if (mid[MID_ALL] & bit64(n >> 6))
		return true;
	if (!(mid[MID_ANY] & bit64(n >> 6)))
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
	uint64_t *section = section_at(b, n), *mid = mid_at(b, n);

	section[SECTION_GIVEN] += (uint64_t)1 << order;
	if (order >= 2 * NODE_ORDERS) {
		section[SECTION_ALL] |= parts(n, order, 2 * NODE_ORDERS);
	} else {
		section[SECTION_ANY] |= bit64(n >> 12);
		if (order >= NODE_ORDERS)
			mid[MID_ALL] |= parts(n, order, NODE_ORDERS);
		else
			mid[MID_ANY] |= bit64(n >> 6);
	}
	buddy_put_back_locked(b, n, order, 0);
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

	buddy_settle_locked(b);
	for (n = start; n < end; n = next) {
		unsigned order = fitting_order(n, end);

		next = n + ((uint64_t)1 << order);
		if (order == MAX_ORDER) {
			buddy_section_become(b, n, SECTION_UNTOUCHED);
			top_set(b, MAX_ORDER, (n >> MAX_ORDER) - b->first_section, b->depth == 1);
			continue;
		}
		if (section_state(b, n) == SECTION_ABSENT)
			buddy_section_make_live(b, n);
		block_give(b, n, order);
	}
	b->given_pages += end - start;
	return MM_OK;
}
