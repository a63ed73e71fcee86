/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What mm/ram_build.c writes and mm/ram.c reads, and nobody else: the rounded extent of a claim, and the edges that
 * the sweep over the claims leaves. All in page frame numbers, where the end of the address space is a number like any
 * other (2^52).
 */
#ifndef MM_RAM_EDGES_H
#define MM_RAM_EDGES_H

#include "mm/ram.h"

/* The last page of the address space is never RAM, so that base + size of a piece does not wrap. */
#define RAM_LAST_PAGE ((UINT64_MAX >> PAGE_SHIFT))

/* The pages that lie wholly in [base, base + size); size > 0 and the last address exists. */
static inline void ram_inner_pages(uint64_t base, uint64_t size, uint64_t *first, uint64_t *end)
{
	uint64_t last = base + (size - 1);

	*first = (base >> PAGE_SHIFT) + ((base & PAGE_MASK) != 0);
	*end = (last >> PAGE_SHIFT) + ((last & PAGE_MASK) == PAGE_MASK);
}

/* A claim's pages: RAM inwards, reservations outwards. False: none is left. */
static inline bool ram_claim_pages(const struct ram_claim *c, uint64_t *first, uint64_t *end)
{
	if (c->kind == RAM_FREE) {
		ram_inner_pages(c->base, c->size, first, end);
		*end = min_u64(*end, RAM_LAST_PAGE);
		return *first < *end;
	}
	*first = c->base >> PAGE_SHIFT;
	*end = ((c->base + (c->size - 1)) >> PAGE_SHIFT) + 1;
	return true;
}

static inline bool ram_claim_covers(const struct ram_claim *c, uint64_t page)
{
	uint64_t first, end;

	return ram_claim_pages(c, &first, &end) && first <= page && page < end;
}

static inline struct ram_edge *ram_edge(const struct ram_map *map, unsigned i)
{
	return &map->claims[i / 2].edge[i % 2];
}

/* How many edges lie at or before the page: the last of them says what the page is. */
static inline unsigned ram_edges_upto(const struct ram_map *map, uint64_t page)
{
	unsigned lo = 0, hi = map->edges;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (ram_edge(map, mid)->page <= page)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The order of the claims: by base, then size; the rest only makes it one order. */
static inline bool ram_claim_before(const struct ram_claim *a, const struct ram_claim *b)
{
	if (a->base != b->base)
		return a->base < b->base;
	if (a->size != b->size)
		return a->size < b->size;
	if (a->kind != b->kind)
		return a->kind < b->kind;
	if (a->node != b->node)
		return a->node < b->node;
	return a->index < b->index;
}

#endif
