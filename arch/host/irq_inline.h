/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/irq.h over an ordinary process: each thread counts how deep it is. Included there only. */
#ifndef ARCH_HOST_IRQ_INLINE_H
#define ARCH_HOST_IRQ_INLINE_H

#include "arch/host/between.h"

/* What host_irq_depth() says. */
extern _Thread_local unsigned host_irq_nesting;

/* Says what was restored at which depth, and aborts. */
_Noreturn void host_irq_bad_restore(unsigned long state);

/* The state is the depth before: a restore that skips a level, or comes twice, is a bug of the caller. [AR22] */
static inline unsigned long arch_irq_save(void)
{
	host_between();
	return host_irq_nesting++;
}

static inline void arch_irq_restore(unsigned long state)
{
	if (host_irq_nesting == 0 || state != host_irq_nesting - 1)
		host_irq_bad_restore(state);
	host_irq_nesting--;
	host_between();
}

#endif
