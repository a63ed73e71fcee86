/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel's own files supply to boot/ and a host program cannot: the boot object, stacks, the embedded symbols,
 * semihosting, power. And a small machine for the monitor and the report: 64 MiB of RAM at 1 GiB, brought up by
 * mm_init().
 */
#ifndef TESTS_HOST_BOOT_FAKES_H
#define TESTS_HOST_BOOT_FAKES_H

#include "boot/boot.h"
#include "boot/symbols.h"

/* The next stack_contains() says yes for [base, base + size) only. */
void fake_stack(const void *base, size_t size);
/* What symbols_table() gives; NULL: an empty table. */
void fake_symbols(const struct symbol_table *table);

/* Whether semihosting listens, and what was written to it since this call. */
void fake_semihost(bool listens);
const char *fake_semihost_text(void);

/*
 * machine_poweroff(status) panics with FAKE_POWEROFF and the status, so that expect_panic() catches it.
 */
#define FAKE_POWEROFF "machine_poweroff: "

/* Brings up the machine once; boot, mmu_kernel and the heap are then as after a boot. */
void fake_machine(void);

#endif
