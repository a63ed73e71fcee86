/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fair lock that is safe in interrupt context: taking it masks interrupts on this CPU, releasing it restores them.
 * Works on Normal cacheable memory only, so never before the MMU is on.
 *
 * A ticket lock: take a number, wait until it is served. Four bytes. All of it is inline, so that a function that takes
 * a lock and calls nobody else needs no frame.
 */
#ifndef ARCH_SPINLOCK_H
#define ARCH_SPINLOCK_H

#include "arch/irq.h"
#include "lib/annotations.h"
#include "lib/defs.h"

struct CAPABILITY("spinlock") spinlock {
	uint32_t ticket; /* 31:16 next ticket to hand out, 15:0 ticket being served */
};

#define SPINLOCK_INIT \
	{             \
		0     \
	}

/* Returns the interrupt state for spin_unlock(). Acquire semantics. */
static inline unsigned long spin_lock(struct spinlock *lock) ACQUIRE(lock);

/* Release semantics. state: what spin_lock() returned. */
static inline void spin_unlock(struct spinlock *lock, unsigned long state) RELEASE(lock);

/* ---- what a processor answers, for the two above only ------------------------------------------------------------ */

/* Takes a ticket: adds one to the upper half and returns the word from before. Acquire: it may be served already. */
static inline uint32_t ticket_take(uint32_t *word);

/* Not 0 when the halves of `before` differ: somebody has the lock. */
static inline uint32_t ticket_taken(uint32_t before);

/* Serves the next one: adds one to the lower half, without a carry into the upper. Release. For the owner only. */
static inline void ticket_serve_next(uint32_t *word);

/* Returns when the lower half is `mine`, with acquire semantics. */
static inline void ticket_wait(uint32_t *word, uint32_t mine);

#ifdef GRANULE_HOST
#include "arch/host/spinlock_inline.h"
#else
#include "arch/aarch64/spinlock_inline.h"
#endif

/* ---- the lock ---------------------------------------------------------------------------------------------------- */

#define SPINLOCK_INLINE static always_inline

/*
 * Interrupts go off before the number is drawn: a handler that wanted the lock would wait for whom it interrupted.
 * [AR19]
 */
SPINLOCK_INLINE unsigned long spin_lock(struct spinlock *lock) NO_THREAD_SAFETY_ANALYSIS
{
	unsigned long state = arch_irq_save();
	uint32_t before = ticket_take(&lock->ticket);

	if (unlikely(ticket_taken(before)))
		ticket_wait(&lock->ticket, before >> 16);
	return state;
}

/* [AR20] */
SPINLOCK_INLINE void spin_unlock(struct spinlock *lock, unsigned long state) NO_THREAD_SAFETY_ANALYSIS
{
	ticket_serve_next(&lock->ticket);
	arch_irq_restore(state);
}

#endif
