/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ticket lock of arch/spinlock.h with compiler atomics: a real lock between threads, visible to ThreadSanitizer.
 * "Interrupts" are counted per thread (arch_irq_save), so that a lock that is not given back shows.
 */
#include "arch/arch.h"
#include "arch/spinlock.h"

#define TICKET_ONE ((uint32_t)1 << 16)

/* [AR19] */
unsigned long spin_lock(struct spinlock *lock) NO_THREAD_SAFETY_ANALYSIS
{
	unsigned long state = arch_irq_save();
	uint32_t before = __atomic_fetch_add(&lock->ticket, TICKET_ONE, __ATOMIC_ACQUIRE);
	uint16_t mine = (uint16_t)(before >> 16);

	while ((uint16_t)before != mine) {
		arch_cpu_relax();
		before = __atomic_load_n(&lock->ticket, __ATOMIC_ACQUIRE);
	}
	return state;
}

/* [AR20] */
void spin_unlock(struct spinlock *lock, unsigned long state) NO_THREAD_SAFETY_ANALYSIS
{
	uint32_t old = __atomic_load_n(&lock->ticket, __ATOMIC_RELAXED);
	uint32_t new;

	/* Only the lower half counts up: a carry must not hand out a ticket. */
	do {
		new = (old & 0xffff0000) | (uint16_t)(old + 1);
	} while (!__atomic_compare_exchange_n(&lock->ticket, &old, new, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	arch_irq_restore(state);
}
