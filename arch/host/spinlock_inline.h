/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What arch/spinlock.h asks, with compiler atomics: a real lock between threads, visible to ThreadSanitizer. Included
 * there only.
 */
#ifndef ARCH_HOST_SPINLOCK_INLINE_H
#define ARCH_HOST_SPINLOCK_INLINE_H

#include "arch/arch.h"

static inline uint32_t ticket_take(uint32_t *word)
{
	return __atomic_fetch_add(word, (uint32_t)1 << 16, __ATOMIC_ACQUIRE);
}

static inline uint32_t ticket_taken(uint32_t before)
{
	return (before ^ before >> 16) & 0xffff;
}

static inline void ticket_serve_next(uint32_t *word)
{
	uint32_t old = __atomic_load_n(word, __ATOMIC_RELAXED);
	uint32_t new;

	do {
		new = (old & 0xffff0000) | (uint16_t)(old + 1);
	} while (!__atomic_compare_exchange_n(word, &old, new, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

/* Gives the processor to others. [AR19] */
static inline void ticket_wait(uint32_t *word, uint32_t mine)
{
	while ((__atomic_load_n(word, __ATOMIC_ACQUIRE) & 0xffff) != mine)
		arch_cpu_relax();
}

#endif
