/* SPDX-License-Identifier: BSD-2-Clause */
/* PSCI (Arm DEN 0022): power of CPUs and of the machine, by the conduit that the device tree names. */
#ifndef ARCH_AARCH64_PSCI_H
#define ARCH_AARCH64_PSCI_H

#include "lib/fdt.h"

/*
 * Looks for /psci. usable_hvc: HVC goes to firmware (false when EL2 is ours); usable_smc: there is somebody at EL3, or an EL2
 * that answers for it (false when we were entered at EL3). Call once, before the others.
 */
void psci_init(const struct fdt *fdt, bool usable_hvc, bool usable_smc);
bool psci_available(void);

/* 0: the CPU will start at entry (a physical address) with x0 = context; otherwise PSCI's negative error. */
int64_t psci_cpu_on(uint64_t mpidr, uint64_t entry, uint64_t context);

/* Does not return when it works. */
void psci_system_off(void);

#endif
