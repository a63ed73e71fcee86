/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fair lock that is safe in interrupt context: taking it masks interrupts on this CPU, releasing it restores them.
 * Works on Normal cacheable memory only, so never before the MMU is on.
 */
#ifndef ARCH_SPINLOCK_H
#define ARCH_SPINLOCK_H

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
unsigned long spin_lock(struct spinlock *lock) ACQUIRE(lock);

/* Release semantics. state: what spin_lock() returned. */
void spin_unlock(struct spinlock *lock, unsigned long state) RELEASE(lock);

#endif
