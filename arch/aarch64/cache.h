/* SPDX-License-Identifier: BSD-2-Clause */
/* Cache maintenance that only the boot needs; what mm/ may ask for is in arch/arch.h. */
#ifndef ARCH_AARCH64_CACHE_H
#define ARCH_AARCH64_CACHE_H

#include "lib/defs.h"

/*
 * For memory that was written with the MMU off, hence past the caches: discards what the caches of all CPUs say about
 * [start, end), so that a line loaded before does not shadow it once the caches are on. DMB SY first, DSB SY last.
 * Callable with the MMU off.
 *
 * DC IVAC loses dirty data, so a line that sticks out of the range is cleaned and invalidated instead, for its
 * neighbour's sake. If such a line was dirty, the clean overwrites our part of it too: make the range whole lines where
 * that may be.
 */
void dcache_inval_poc(uintptr_t start, uintptr_t end);

#endif
