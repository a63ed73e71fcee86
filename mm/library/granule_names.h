/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Optional: the names that kernel code expects, over libgranule.a. Static inlines only, so that nothing clashes at link time; leave it
 * out when the kernel has a kmalloc() of its own.
 */
#ifndef GRANULE_NAMES_H
#define GRANULE_NAMES_H

#include "granule.h"

static inline void *kmalloc(size_t size)
{
	return gr_kmalloc(size);
}

static inline void *kzalloc(size_t size)
{
	return gr_kzalloc(size);
}

static inline void *kcalloc(size_t n, size_t size)
{
	return gr_kcalloc(n, size);
}

static inline void *krealloc(void *p, size_t size)
{
	return gr_krealloc(p, size);
}

static inline int kfree(void *p)
{
	return gr_kfree(p);
}

/* The seeds' page-table calls. */
static inline int map_page(struct gr_pgtable *pt, uint64_t va, uint64_t pa, unsigned access, enum gr_memory memory)
{
	if ((va | pa) & (GR_PAGE_SIZE - 1))
		return GR_EALIGN;
	return gr_pgtable_map(pt, va, pa, GR_PAGE_SIZE, access, memory);
}

static inline int map_block_2mb(struct gr_pgtable *pt, uint64_t va, uint64_t pa, unsigned access, enum gr_memory memory)
{
	const uint64_t block = 512 * GR_PAGE_SIZE;

	if (va & (block - 1))
		return GR_EVA_ALIGN;
	if (pa & (block - 1))
		return GR_EPA_ALIGN;
	return gr_pgtable_map(pt, va, pa, block, access, memory);
}

static inline int identity_map_range(struct gr_pgtable *pt, uint64_t pa, uint64_t size, unsigned access,
				     enum gr_memory memory)
{
	return gr_pgtable_map(pt, pa, pa, size, access, memory);
}

static inline int unmap_page(struct gr_pgtable *pt, uint64_t va)
{
	return gr_pgtable_unmap(pt, va, GR_PAGE_SIZE);
}

#endif
