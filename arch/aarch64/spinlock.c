/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for the ticket lock of arch/spinlock.h.
 *
 * Waiting is WFE: the load-acquire exclusive arms this CPU's monitor on the word, the owner's store to it clears the
 * monitor, and that is the event. No SEV is needed.
 */
#include "arch/spinlock.h"

/* SEVL: the first WFE falls through to the load that arms the monitor. */
void ticket_wait(uint32_t *word, uint32_t mine)
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
