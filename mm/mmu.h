/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seeds' names over a page table: what a kernel calls when it wants one page or one block. Each function returns an
 * enum mm_error whose text (mm_strerror) is the seed's.
 */
#ifndef MM_MMU_H
#define MM_MMU_H

#include "mm/pgtable.h"

/* The kernel's own tables (TTBR1), set at boot; what mmu_set_page_allocator() acts on. */
extern struct pgtable mmu_kernel;

/* Hand-over: from here new kernel tables come from a. Published with release; never back to NULL. [M23] [M24] [M25] */
void mmu_set_page_allocator(const struct page_allocator *a);
const struct page_allocator *mmu_page_allocator(void);

/* One 4 KiB page. MM_EALIGN, MM_EEXIST, MM_EPERM, MM_EPT_POOL, MM_EPT_ALLOC. */
must_check int map_page(struct pgtable *pt, uint64_t va, paddr_t pa, struct pt_attrs attrs);
/* One 2 MiB block. MM_EVA_ALIGN "VA not 2MB aligned for block mapping", MM_EPA_ALIGN "PA not 2MB aligned for block mapping". */
must_check int map_block_2mb(struct pgtable *pt, uint64_t va, paddr_t pa, struct pt_attrs attrs);
/* [pa, pa + size) at va = pa with the widest leaves up to 2 MiB; start rounded down, end up, to 4 KiB. */
must_check int identity_map_range(struct pgtable *pt, paddr_t pa, uint64_t size, struct pt_attrs attrs);
/* One page: MM_ENOENT when nothing is mapped; a block around it is split; empty tables go back. */
must_check int unmap_page(struct pgtable *pt, uint64_t va);

#endif
