/* SPDX-License-Identifier: BSD-2-Clause */
/* The other CPUs: started one after another by PSCI, each with its own guarded stack, left waiting in the high half. */
#ifndef BOOT_SMP_H
#define BOOT_SMP_H

#include "lib/fdt.h"
#include "mm/kspace.h"

/*
 * Counts the enabled cpu nodes into boot.cpus_described and, when firmware is there, starts them; boot.cpus_online says how many
 * run (this one included). A CPU that does not come within a second gets one line and is left out.
 */
void smp_start(const struct fdt *fdt, struct kspace *space);

#endif
