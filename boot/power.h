/* SPDX-License-Identifier: BSD-2-Clause */
/* The way out. */
#ifndef BOOT_POWER_H
#define BOOT_POWER_H

/*
 * Ends the machine: by semihosting with this exit status, else by PSCI SYSTEM_OFF (which has no status), else one line
 * and waiting for ever.
 */
_Noreturn void machine_poweroff(int status);

#endif
