/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records which functions each test enters, for the behaviour inventory (tools/inventory.py). Linked into the host's `trace` build
 * only, where the compiler calls __cyg_profile_func_enter() at the start of every other function. With GRANULE_TRACE=FILE
 * the program writes one line per test, "T suite:id", followed by one line per function entered, "F address".
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/tap.h"

#define UNTRACED __attribute__((no_instrument_function))

/* Open addressing; a program has a few thousand functions. Threads of a test may enter functions at the same time. */
#define SLOTS 16384u
static _Atomic uintptr_t entered[SLOTS];
static FILE *out;

/* Where the linker's addresses begin: what is written is as nm and addr2line know it. */
extern char __executable_start[];

void __cyg_profile_func_enter(void *fn, void *call_site) UNTRACED;
void __cyg_profile_func_exit(void *fn, void *call_site) UNTRACED;
static void before(const struct tap_test *t) UNTRACED;
static void after(const struct tap_test *t, bool ok) UNTRACED;
static void start(void) __attribute__((constructor)) UNTRACED;

void __cyg_profile_func_enter(void *fn, void *call_site)
{
	uintptr_t address = (uintptr_t)fn;
	unsigned slot = (unsigned)(address * UINT64_C(0x9e3779b97f4a7c15) >> 40) % SLOTS;

	(void)call_site;
	for (unsigned i = 0; i < SLOTS; i++, slot = (slot + 1) % SLOTS) {
		uintptr_t old = atomic_load_explicit(&entered[slot], memory_order_relaxed);

		if (old == address)
			return;
		if (old == 0 && atomic_compare_exchange_strong(&entered[slot], &old, address))
			return;
		if (old == address)
			return;
	}
	fprintf(stderr, "trace: more than %u functions\n", SLOTS);
	abort();
}

void __cyg_profile_func_exit(void *fn, void *call_site)
{
	(void)fn;
	(void)call_site;
}

static void before(const struct tap_test *t)
{
	(void)t;
	for (unsigned i = 0; i < SLOTS; i++)
		atomic_store_explicit(&entered[i], 0, memory_order_relaxed);
}

static void after(const struct tap_test *t, bool ok)
{
	(void)ok;
	fprintf(out, "T %s:%s\n", t->suite, t->id);
	for (unsigned i = 0; i < SLOTS; i++) {
		uintptr_t address = atomic_load_explicit(&entered[i], memory_order_relaxed);

		if (address != 0)
			fprintf(out, "F %lx\n", (unsigned long)(address - (uintptr_t)__executable_start));
	}
}

static void start(void)
{
	const char *path = getenv("GRANULE_TRACE");

	if (path == NULL)
		return;
	out = fopen(path, "w");
	if (out == NULL) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	tap_before = before;
	tap_after = after;
}
