/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PT_POOL: one bit for each table, lowest first. Runs with the MMU and caches off, so it keeps to plain aligned loads
 * and stores.
 */
#include "mm/ptpool.h"

#include "lib/panic.h"

/* [PP1] */
void pt_pool_init(struct pt_pool *pool, void *base, paddr_t pa, unsigned tables)
{
	uint64_t bytes = tables * PAGE_SIZE;

	if (tables > PT_POOL_TABLES || !IS_ALIGNED((uintptr_t)base, PAGE_SIZE) || !IS_ALIGNED(pa.v, PAGE_SIZE) ||
	    pa.v + bytes < pa.v)
		panic("PT_POOL: bad memory: %u tables at %p, PA 0x%llx", tables, base, (unsigned long long)pa.v);
	pool->base = base;
	pool->pa = pa;
	pool->tables = tables;
	pool->used = 0;
	pool->peak = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(pool->busy); i++)
		pool->busy[i] = 0;
}

/* [PP2] [PP3] */
int pt_pool_alloc(struct pt_pool *pool, paddr_t *out)
{
	for (unsigned w = 0; w < ARRAY_SIZE(pool->busy); w++) {
		unsigned i;

		if (~pool->busy[w] == 0)
			continue;
		i = w * 64 + (unsigned)__builtin_ctzll(~pool->busy[w]);
		if (i >= pool->tables)
			break;
		pool->busy[w] |= (uint64_t)1 << (i % 64);
		if (++pool->used > pool->peak)
			pool->peak = pool->used;
		*out = paddr(pool->pa.v + i * PAGE_SIZE);
		return MM_OK;
	}
	return MM_EPT_POOL;
}

bool pt_pool_owns(const struct pt_pool *pool, paddr_t pa)
{
	return pa.v - pool->pa.v < pool->tables * PAGE_SIZE;
}

bool pt_pool_busy(const struct pt_pool *pool, paddr_t pa)
{
	uint64_t i = (pa.v - pool->pa.v) >> PAGE_SHIFT;

	return pt_pool_owns(pool, pa) && IS_ALIGNED(pa.v, PAGE_SIZE) && (pool->busy[i / 64] >> (i % 64) & 1);
}

/* [PP4] */
int pt_pool_free(struct pt_pool *pool, paddr_t pa)
{
	uint64_t i = (pa.v - pool->pa.v) >> PAGE_SHIFT;

	if (!pt_pool_owns(pool, pa))
		return MM_EFOREIGN;
	if (!IS_ALIGNED(pa.v, PAGE_SIZE))
		return MM_EALIGN;
	if (!pt_pool_busy(pool, pa))
		return MM_EDOUBLE;
	pool->busy[i / 64] &= ~((uint64_t)1 << (i % 64));
	pool->used--;
	return MM_OK;
}

/* [PP5] */
void *pt_pool_virt(const struct pt_pool *pool, paddr_t pa)
{
	return pool->base + (pa.v - pool->pa.v);
}

unsigned pt_pool_available(const struct pt_pool *pool)
{
	return pool->tables - pool->used;
}
