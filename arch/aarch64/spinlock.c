/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ticket lock of arch/spinlock.h: take a number, wait until it is served. Fair, four bytes. A number is taken with
 * one LSE instruction where every CPU has them, with load/store exclusive elsewhere; both work on the same word, so
 * which one a CPU uses is its own business (Arm ARM DDI 0487, "Synchronization and semaphores").
 *
 * Waiting is WFE: the load-acquire exclusive arms this CPU's monitor on the word, the owner's store to it clears the
 * monitor, and that is the event. No SEV is needed.
 */
#include "arch/aarch64/features.h"
#include "arch/arch.h"
#include "arch/spinlock.h"

/* Adds one to the upper half and returns the word from before. Acquire: in case our number is being served already. */
static uint32_t take_ticket(uint32_t *word)
{
	uint32_t one = (uint32_t)1 << 16;
	uint32_t before, after, failed;

	if (cpu_features.lse) {
		__asm__ volatile(".arch_extension lse\n\t"
				 "ldadda	%w[one], %w[before], %[word]"
				 : [before] "=r"(before), [word] "+Q"(*word)
				 : [one] "r"(one)
				 : "memory");
	} else {
		__asm__ volatile(
			"1:	ldaxr	%w[before], %[word]\n\t"
			"add	%w[after], %w[before], %w[one]\n\t"
			"stxr	%w[failed], %w[after], %[word]\n\t"
			"cbnz	%w[failed], 1b"
			: [before] "=&r"(before), [after] "=&r"(after), [failed] "=&r"(failed), [word] "+Q"(*word)
			: [one] "r"(one)
			: "memory");
	}
	return before;
}

/* Until the lower half is `mine`. SEVL: the first WFE falls through to the load that arms the monitor. */
static void wait_for_turn(uint32_t *word, uint32_t mine)
{
	uint32_t serving;

	__asm__ volatile("	sevl\n"
			 "1:	wfe\n\t"
			 "ldaxrh	%w[serving], %[word]\n\t"
			 "cmp	%w[serving], %w[mine]\n\t"
			 "b.ne	1b"
			 : [serving] "=&r"(serving), [word] "+Q"(*word)
			 : [mine] "r"(mine)
			 : "memory", "cc");
}

/*
 * Interrupts go off before the number is drawn: a handler that wanted the lock would wait for whom it interrupted.
 * [AR19]
 */
unsigned long spin_lock(struct spinlock *lock) NO_THREAD_SAFETY_ANALYSIS
{
	unsigned long state = arch_irq_save();
	uint32_t before = take_ticket(&lock->ticket);
	uint32_t mine = before >> 16;

	if ((before & 0xffff) != mine)
		wait_for_turn(&lock->ticket, mine);
	return state;
}

/* Only the owner writes the lower half (little-endian: the first two bytes), so a plain store-release does. [AR20] */
void spin_unlock(struct spinlock *lock, unsigned long state) NO_THREAD_SAFETY_ANALYSIS
{
	uint32_t serving;

	__asm__ volatile("ldrh	%w[serving], %[word]\n\t"
			 "add	%w[serving], %w[serving], #1\n\t"
			 "stlrh	%w[serving], %[word]"
			 : [serving] "=&r"(serving), [word] "+Q"(lock->ticket)
			 :
			 : "memory");
	arch_irq_restore(state);
}
