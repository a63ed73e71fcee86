/* SPDX-License-Identifier: BSD-2-Clause */
/* Powering off, by whoever listens. Kernel only. */
#include "boot/power.h"
#include "arch/aarch64/psci.h"
#include "arch/aarch64/semihost.h"
#include "arch/arch.h"
#include "lib/log.h"

/* [BU28] */
_Noreturn void machine_poweroff(int status)
{
	(void)arch_irq_save();
	semihost_exit(status);
	if (psci_available())
		psci_system_off();
	log_error("power off: nobody to ask (no semihosting, no PSCI); status %d, halted\n", status);
	for (;;)
		__asm__ volatile("wfe");
}
