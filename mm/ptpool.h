/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PT_POOL: 80 tables of 4 KiB in the image's BSS, from which the first page tables are built, before there is a page
 * allocator. A table that is freed goes back to the pool and never to the page allocator. No locks: one CPU, or the
 * page table's lock.
 */
#ifndef MM_PTPOOL_H
#define MM_PTPOOL_H

#include "arch/addr.h"
#include "mm/error.h"

#define PT_POOL_TABLES 80

struct pt_pool {
	uint8_t *base;	 /* where this CPU reaches the tables now (moves when the MMU goes on) */
	paddr_t pa;	 /* physical address of base */
	unsigned tables; /* at most PT_POOL_TABLES */
	unsigned used;
	unsigned peak;
	uint64_t busy[(PT_POOL_TABLES + 63) / 64];
};

/*
 * base: tables * 4 KiB, 4 KiB-aligned, contents arbitrary; tables at most PT_POOL_TABLES. A base or pa that is not
 * aligned, or a pool that would wrap, is a mistake of the program: panic.
 */
void pt_pool_init(struct pt_pool *pool, void *base, paddr_t pa, unsigned tables);
/* The lowest free table: MM_OK, or MM_EPT_POOL. Contents of the table are arbitrary. */
must_check int pt_pool_alloc(struct pt_pool *pool, paddr_t *out);
/* MM_OK; MM_EFOREIGN, MM_EALIGN, MM_EDOUBLE: nothing changed. */
must_check int pt_pool_free(struct pt_pool *pool, paddr_t pa);
/* Whether pa lies in the pool, free or not. */
bool pt_pool_owns(const struct pt_pool *pool, paddr_t pa);
/* Whether pa is the first byte of a table that is handed out. */
bool pt_pool_busy(const struct pt_pool *pool, paddr_t pa);
/* pa must be one the pool owns. */
void *pt_pool_virt(const struct pt_pool *pool, paddr_t pa);
unsigned pt_pool_available(const struct pt_pool *pool);

#endif
