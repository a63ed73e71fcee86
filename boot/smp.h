/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other CPUs: started one after another by PSCI, each with its own guarded stack and struct cpu; then they wait for work.
 * They run at EL1 like the boot CPU, whatever level firmware sends them in at.
 */
#ifndef BOOT_SMP_H
#define BOOT_SMP_H

#include "arch/aarch64/percpu.h"
#include "lib/fdt.h"
#include "mm/kspace.h"

/*
 * Counts the enabled cpu nodes into boot.cpus_described and, when firmware is there, starts them; boot.cpus_online says how
 * many run (this one included): they have the indices 0 to cpus_online - 1. One that firmware refuses, that lacks what
 * the running ones use, or that does not come within a second gets one line and is left out; after the last kind no other is
 * started. Call after irq_init().
 */
void smp_start(const struct fdt *fdt, struct kspace *space);

/*
 * fn(arg) on every online CPU, this one included, all at once; returns when all have returned. fn starts with interrupts
 * masked and may unmask them (boot/irq.h). The CPUs sleep before and after (WFI; without an interrupt controller WFE). The
 * boot CPU only, and not inside fn: otherwise panic. Everything before the call is visible to fn, everything in fn after
 * it.
 */
void smp_run(void (*fn)(void *arg), void *arg);

/* The CPU's data, or NULL: index is not online. */
struct cpu *smp_cpu(unsigned index);

#endif
