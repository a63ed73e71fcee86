/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first page tables: built from PT_POOL by code that still runs at its physical address with the MMU off, and taken over by
 * kernel_main() once it runs in the high half.
 */
#ifndef BOOT_EARLY_MAP_H
#define BOOT_EARLY_MAP_H

#include "arch/aarch64/mmu_on.h"
#include "mm/mmu.h"

extern struct mmu_config boot_mmu;	     /* what every CPU switches on with */
extern struct pt_pool boot_pool;	     /* PT_POOL */
extern const uint8_t empty_table[PAGE_SIZE]; /* what TTBR0 points to when nothing is mapped in the low half */

/*
 * MMU off, called from entry.S: the image one to one (text only, for the switch) and in the high half by section. Returns
 * &boot_mmu (a physical address). Prints the seeds' verbose lines into the log's ring. Panics when PT_POOL is too small.
 */
struct mmu_config *early_map(void);

/* MMU on, high half: makes boot_pool and mmu_kernel speak in virtual addresses. */
void early_map_adopt(void);

/* High half: maps and clears the BSS of the suites, which is part of the image only when tests are asked for. */
void early_map_suites(void);

/* Physical address of a byte of the image, given as the running code reaches it in the high half. */
paddr_t image_paddr(const void *p);

#endif
