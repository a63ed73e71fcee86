/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of the EL1&0 stage-1 regime: what goes into them, and the one moment when translation goes on.
 *
 * How the boot uses it: tables built with the MMU off, all that was written past the caches invalidated (cache.h),
 * mmu_config_make(), mmu_switch_on() from a page that is mapped where it stands, jump to the high half,
 * mmu_ttbr0_clear().
 */
#ifndef ARCH_AARCH64_MMU_ON_H
#define ARCH_AARCH64_MMU_ON_H

#include "arch/addr.h"
#include "arch/aarch64/features.h"

/*
 * Code that runs with the MMU off, or across the switch: the linker script keeps it together, the boot maps it one to
 * one.
 */
#define IDMAP_TEXT noinline __attribute__((section(".idmap.text"), no_profile_instrument_function))

/* Values of MAIR_EL1, TCR_EL1, TTBR0_EL1, TTBR1_EL1, SCTLR_EL1. */
struct mmu_config {
	uint64_t mair;
	uint64_t tcr;
	uint64_t ttbr0;
	uint64_t ttbr1;
	uint64_t sctlr;
};

/*
 * Two halves of 48 bits, 4 KiB pages, walks through the write-back inner-shareable caches, ASID from TTBR0. Pure;
 * usable with the MMU off. False when the CPU has no 4 KiB pages, or a root is not 4 KiB-aligned or lies beyond the
 * CPU's physical address bits.
 */
must_check bool mmu_config_make(struct mmu_config *out, const struct cpu_features *f, paddr_t ttbr0_root,
				paddr_t ttbr1_root);

/*
 * Switches translation and caches on and returns to the caller, at the same address. Called at EL1 with MMU and data
 * cache off.
 *
 * - The text of this function and of its caller is mapped one to one, read-only: SCTLR_EL1.WXN makes what is writable
 *   not executable.
 * - *config is read with the MMU off: it has been written the same way, or cleaned to the point of coherency.
 * - No stack is used (leaf, everything inlined): a CPU that comes in while others run with their caches on has none
 *   yet.
 * - Stale lines over what was written with the MMU off are the caller's to invalidate before. Nothing can load such a
 *   line again in between: with the MMU off every data access is Device, which is not speculated.
 */
void mmu_switch_on(const struct mmu_config *config);

/*
 * Takes the identity map away from this CPU: TTBR0 gets an empty table (4 KiB of zeroes that stay), the TLB forgets the
 * low half. Other CPUs keep theirs. An empty table rather than TCR_EL1.EPD0: TCR fields may be cached in the TLB, and
 * switching TTBR0 is what a kernel does later anyway.
 */
void mmu_ttbr0_clear(paddr_t empty_table);

#endif
