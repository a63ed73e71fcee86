/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts: the controller of the machine, and who handles what. Private interrupts only (SGIs, PPIs). Without a
 * controller that has a driver everything here says so and the kernel goes on without.
 *
 * A handler runs on the interrupted stack with interrupts masked. It may allocate and free (mm/frames.h, mm/heap.h) and
 * write to the log; every lock of the kernel masks interrupts while it is held.
 */
#ifndef BOOT_IRQ_H
#define BOOT_IRQ_H

#include "lib/fdt.h"
#include "mm/error.h"
#include "mm/kspace.h"

/* SGIs by use. */
#define IRQ_WAKE 0 /* a CPU that waits looks for work (boot/smp.c); its handler does nothing */

/* Boot CPU: finds the controller, maps and starts it, and this CPU's interface with it. One line says what came of it. */
void irq_init(struct fdt *fdt, struct kspace *space);

/* The calling CPU's own interface; this_cpu()->irq_ready says whether it takes interrupts. One CPU at a time. */
void irq_start_cpu(void);

typedef void (*irq_fn)(void);
/*
 * fn is called for interrupt intid on every CPU that has enabled it; NULL: nobody handles it any more (disable it
 * first). MM_EINVAL: no private interrupt; MM_EEXIST: another one has it.
 */
must_check int irq_handle(unsigned intid, irq_fn fn);

/*
 * Lets a private interrupt through to the calling CPU, which stays masked until irq_unmask(); and masks it again. False: the
 * interface is not up, or the controller does not obey.
 */
must_check bool irq_enable(unsigned intid);
void irq_disable(unsigned intid);

/* SGI intid to every other CPU whose interface is up; they see what was stored before. Nothing without a controller. */
void irq_send_others(unsigned intid);

/* INTID of the virtual timer (arch/aarch64/timer.h), or 0: none that can interrupt. */
unsigned irq_timer(void);

/* This CPU takes interrupts. Only when this_cpu()->irq_ready. (Masking: arch/irq.h.) */
static inline void irq_unmask(void)
{
	__asm__ volatile("msr daifclr, #2" ::: "memory");
}

#endif
