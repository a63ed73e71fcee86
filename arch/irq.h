/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Masking interrupts on this CPU, inline: every lock does it, and a call would cost more than the two instructions that
 * it is.
 */
#ifndef ARCH_IRQ_H
#define ARCH_IRQ_H

/*
 * Masks interrupts on this CPU and returns what arch_irq_restore() needs. Nests. Compilers move no access to memory
 * across either.
 */
static inline unsigned long arch_irq_save(void);
static inline void arch_irq_restore(unsigned long state);

#ifdef GRANULE_HOST
#include "arch/host/irq_inline.h"
#else
#include "arch/aarch64/irq_inline.h"
#endif

#endif
