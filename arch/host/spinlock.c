/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for the ticket lock of arch/spinlock.h, by giving the processor to others. */
#include "arch/arch.h"
#include "arch/spinlock.h"

/* [AR19] */
void ticket_wait(uint32_t *word, uint32_t mine)
{
	while ((__atomic_load_n(word, __ATOMIC_ACQUIRE) & 0xffff) != mine)
		arch_cpu_relax();
}
