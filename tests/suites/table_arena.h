/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical memory for the page-table suites: a static buffer that plays 2 MiB of RAM at a made-up address, a page
 * allocator over it that counts, fails on request and fills what it takes and gives with garbage, and a format that
 * is deliberately not the architecture's. The same in both worlds.
 */
#ifndef TESTS_SUITES_TABLE_ARENA_H
#define TESTS_SUITES_TABLE_ARENA_H

#include "mm/pgtable.h"

#define ARENA_PAGES 512
#define ARENA_PA 0x7fe00000 /* of the first page, after arena_reset() */
#define ARENA_NEVER UINT64_MAX

struct arena {
	paddr_t base; /* of the first page */
	uint64_t in_use;
	uint64_t allocs, frees;
	uint64_t fail_at; /* the allocation (counted from 0 by allocs_tried) that fails, and all after it */
	uint64_t tried;	  /* since arena_fail_at() */
	uint64_t errors;  /* freed twice, foreign, or reached while free: a suite checks that it stays 0 */
	bool busy[ARENA_PAGES];
	void (*on_free)(paddr_t pa); /* before the page is taken back; may be NULL */
};

extern struct arena arena;
extern const struct page_allocator arena_allocator;

/* Empties the arena: all pages free, counters 0. */
void arena_reset(void);
/*
 * The same, and the pages' addresses are those that phys_to_virt() expects: for objects without a table_virt of their
 * own.
 */
void arena_reset_linear(void);
/* The k-th allocation from now (0: the next) fails, and every later one; ARENA_NEVER: none. */
void arena_fail_at(uint64_t k);
/* table_virt of the objects under test. A page that is not handed out counts as an error. */
void *arena_table_virt(const struct pgtable *pt, paddr_t pa);
/* 2^order contiguous aligned pages, contents garbage; the callback of stage2_init(). */
bool arena_alloc_roots(void *ctx, unsigned order, paddr_t *out);
void arena_free_roots(void *ctx, unsigned order, paddr_t roots);
/* A pool of n tables inside the arena (its pages count as in use). */
void arena_make_pool(struct pt_pool *pool, unsigned n);
/* A sum over the contents of every page that is in use, and which they are. */
uint64_t arena_hash(void);

/*
 * Eight entries a table, four levels, 24-bit input: a "2 MiB" block is 32 KiB and a "1 GiB" block 256 KiB. Valid bit
 * inverted, empty is not zero, address shifted up, attributes and level elsewhere.
 */
extern const struct pgtable_format format_fake;
/* The same with up to four concatenated roots. */
extern const struct pgtable_format format_fake_concatenated;
#define FAKE_INPUT_BITS 24
#define FAKE_PAGES (1u << (FAKE_INPUT_BITS - 12))

/* Every format under test. */
extern const struct pgtable_format *const all_formats[5];

/* A deterministic source of numbers. */
struct rng {
	uint64_t state;
};
uint64_t rng_next(struct rng *r);
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
	return (rng_next(r) >> 11) % n;
}

#endif
