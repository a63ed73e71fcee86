/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/irq.h for AArch64: DAIF.I and F. Debug exceptions and SError stay as they are. Included there only, and by
 * itself includes nothing: what arch/aarch64 has to offer is not for mm/.
 */
#ifndef ARCH_AARCH64_IRQ_INLINE_H
#define ARCH_AARCH64_IRQ_INLINE_H

#include "lib/defs.h"

/* Writes of PSTATE are seen by the next instruction without ISB (Arm ARM DDI 0487, C5.1.3). [AR22] */
static always_inline unsigned long arch_irq_save(void)
{
	unsigned long state;

	__asm__ volatile("mrs	%0, daif\n\t"
			 "msr	daifset, #3"
			 : "=r"(state)
			 :
			 : "memory");
	return state;
}

static always_inline void arch_irq_restore(unsigned long state)
{
	__asm__ volatile("msr	daif, %0" ::"r"(state) : "memory");
}

#endif
