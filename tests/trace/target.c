/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records which functions the kernel enters, for the behaviour inventory (tools/inventory.py). Linked into VARIANT=trace only,
 * where the compiler calls __cyg_profile_func_enter() at the start of every other function, inlined ones included. The answer goes
 * out by semihosting, which QEMU keeps apart from the serial line: "T suite:id" after each test and "T boot" before power-off,
 * each followed by "F offset" for every function entered (since the test began, since the BSS was cleared).
 *
 * Offsets are from image_start, so the same code serves before and after the MMU is on. One byte per function: CPUs that
 * record at the same time write the same value.
 */
#include "arch/aarch64/semihost.h"
#include "boot/boot.h"
#include "lib/tap.h"

#define UNTRACED __attribute__((no_instrument_function))
#define TEXT_MAX MIB(1)
#define FUNCTION_ALIGN 16 /* -falign-functions */

enum {
	SINCE_BOOT = 1,
	SINCE_TEST = 2,
};

#define SYS_WRITE0 0x04

static uint8_t entered[TEXT_MAX / FUNCTION_ALIGN];

uint64_t semihost_insn(uint64_t operation, const void *argument);
void __cyg_profile_func_enter(void *fn, void *call_site) UNTRACED;
void __cyg_profile_func_exit(void *fn, void *call_site) UNTRACED;
static void put(const char *text) UNTRACED;
static void report(const char *suite, const char *id, uint8_t what) UNTRACED;
static void before(const struct tap_test *t) UNTRACED;
static void after(const struct tap_test *t, bool ok) UNTRACED;

static void put(const char *text)
{
	(void)semihost_insn(SYS_WRITE0, text);
}

static void report(const char *suite, const char *id, uint8_t what)
{
	put("\nT ");
	put(suite);
	if (id[0] != '\0') {
		put(":");
		put(id);
	}
	put("\n");
	for (size_t i = 0; i < sizeof(entered); i++) {
		char line[] = "F 00000000\n";
		size_t offset = i * FUNCTION_ALIGN;

		if (!(entered[i] & what))
			continue;
		for (unsigned digit = 9; offset != 0; digit--, offset >>= 4)
			line[digit] = "0123456789abcdef"[offset & 15];
		put(line);
	}
}

static void before(const struct tap_test *t)
{
	(void)t;
	for (size_t i = 0; i < sizeof(entered); i++)
		entered[i] &= SINCE_BOOT;
}

static void after(const struct tap_test *t, bool ok)
{
	(void)ok;
	report(t->suite, t->id, SINCE_TEST);
}

void __cyg_profile_func_enter(void *fn, void *call_site)
{
	uintptr_t offset = (uintptr_t)fn - (uintptr_t)image_start;

	(void)call_site;
	if (offset < TEXT_MAX)
		entered[offset / FUNCTION_ALIGN] |= SINCE_BOOT | SINCE_TEST;
	if (fn == (void *)tap_run) {
		tap_before = before;
		tap_after = after;
	} else if (fn == (void *)semihost_exit) {
		report("boot", "", SINCE_BOOT);
	}
}

void __cyg_profile_func_exit(void *fn, void *call_site)
{
	(void)fn;
	(void)call_site;
}
