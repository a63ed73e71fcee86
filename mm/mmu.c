/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seeds' names: one page, one block, one identity range, and the hand-over from PT_POOL to the page allocator.
 * Each is one call of the walker with the seed's error texts. Runs with the MMU and caches off, too.
 */
#include "mm/mmu.h"

#define BLOCK_2MB MIB(2)

struct pgtable mmu_kernel;

/* [M23] [M24] [M25] */
void mmu_set_page_allocator(const struct page_allocator *a)
{
	pgtable_set_allocator(&mmu_kernel, a);
}

const struct page_allocator *mmu_page_allocator(void)
{
	return __atomic_load_n(&mmu_kernel.allocator, __ATOMIC_ACQUIRE);
}

/* [M52] [BT42] */
int map_page(struct pgtable *pt, uint64_t va, paddr_t pa, struct pt_attrs attrs)
{
	return pgtable_map(pt, va, pa, PAGE_SIZE, attrs, PGTABLE_PAGES_ONLY);
}

/* [M18] [M19] [BT42] */
int map_block_2mb(struct pgtable *pt, uint64_t va, paddr_t pa, struct pt_attrs attrs)
{
	if (!IS_ALIGNED(va, BLOCK_2MB))
		return MM_EVA_ALIGN;
	if (!IS_ALIGNED(pa.v, BLOCK_2MB))
		return MM_EPA_ALIGN;
	if (pt->start_level >= pt->format->last_level)
		return MM_EUNSUPPORTED;
	return pgtable_map(pt, va, pa, BLOCK_2MB, attrs, PGTABLE_MAX_2M | PGTABLE_NO_TABLE);
}

/* [M16] [M53] */
int identity_map_range(struct pgtable *pt, paddr_t pa, uint64_t size, struct pt_attrs attrs)
{
	uint64_t start = ALIGN_DOWN(pa.v, PAGE_SIZE), last;

	if (size == 0)
		return MM_EINVAL;
	last = pa.v + (size - 1);
	if (last < pa.v)
		return MM_ERANGE;
	size = ALIGN_DOWN(last, PAGE_SIZE) - start + PAGE_SIZE;
	if (size == 0)
		return MM_ERANGE; /* all of 2^64 */
	return pgtable_map(pt, start, paddr(start), size, attrs, PGTABLE_MAX_2M);
}

/* [M54] [BT43] */
int unmap_page(struct pgtable *pt, uint64_t va)
{
	return pgtable_unmap(pt, va, PAGE_SIZE);
}
