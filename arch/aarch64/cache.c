/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Data cache maintenance by address, and the fast way to zeroes. Arm ARM DDI 0487, "Cache support"; C5.3 for the
 * instructions. No exclusives, no unaligned access: arch_dcache_*() and dcache_inval_poc() may be called before the MMU
 * is on.
 */
#include "arch/aarch64/host_names.h"
#include "arch/arch.h"
#include "arch/aarch64/cache.h"
#include "arch/aarch64/features.h"

#define ZERO_UNIT 64 /* arch_zero() works in multiples of this */

/* The loops compare for equality, so that a range may end with the last byte of the address space. */

/* [AR11] (a64_dcache_clean on the host: host_names.h; likewise below) */
void arch_dcache_clean(const void *va, size_t size)
{
	uint64_t step = cpu_features.dcache_line;
	uint64_t line = ALIGN_DOWN((uintptr_t)va, step);

	if (size) {
		uint64_t last = ALIGN_DOWN((uintptr_t)va + (size - 1), step);

		for (dc_cvac(line); line != last; dc_cvac(line))
			line += step;
	}
	dsb_sy();
}

/* [AR12] a64_dcache_clean_inval */
void arch_dcache_clean_inval(const void *va, size_t size)
{
	uint64_t step = cpu_features.dcache_line;
	uint64_t line = ALIGN_DOWN((uintptr_t)va, step);

	if (size) {
		uint64_t last = ALIGN_DOWN((uintptr_t)va + (size - 1), step);

		for (dc_civac(line); line != last; dc_civac(line))
			line += step;
	}
	dsb_sy();
}

/*
 * [AR13] DMB: IVAC is ordered with earlier non-cacheable stores to the same line only through a barrier (Linux head.S
 * does the same). The line size is this CPU's own: a step of the merged minimum would take whole lines of ours for
 * partial ones.
 */
void dcache_inval_poc(uintptr_t start, uintptr_t end)
{
	uint64_t step = (uint64_t)4 << (READ_SYSREG(ctr_el0) >> 16 & 0xf); /* DminLine, log2 of words */
	uint64_t line = ALIGN_DOWN(start, step);

	dmb_sy();
	for (; line < end; line += step) {
		if (line < start || end - line < step)
			dc_civac(line);
		else
			dc_ivac(line);
	}
	dsb_sy();
}

static inline void zero_two(uintptr_t *at, uintptr_t block)
{
	dc_zva(*at);
	*at += block;
	dc_zva(*at);
	*at += block;
}

/*
 * [AR14] a64_zero: stores up to the first DC ZVA block and after the last one. DC ZVA faults on Device memory, which is
 * what everything is while the MMU is off: arch_zero() is for afterwards.
 */
void arch_zero(void *va, size_t size)
{
	uintptr_t at = (uintptr_t)va;
	uintptr_t block = cpu_features.zva_size;

	if (block) {
		for (; size && !IS_ALIGNED(at, block); size -= ZERO_UNIT, at += ZERO_UNIT)
			store_zero_64(at);
		/* Eight at a time: what a section's 2 MiB of page records cost is this loop. */
		for (uintptr_t end = at + ALIGN_DOWN(size, 8 * block); at != end;) {
			zero_two(&at, block);
			zero_two(&at, block);
			zero_two(&at, block);
			zero_two(&at, block);
		}
		for (size &= 8 * block - 1; size >= block; size -= block, at += block)
			dc_zva(at);
	}
	for (; size; size -= ZERO_UNIT, at += ZERO_UNIT)
		store_zero_64(at);
}
