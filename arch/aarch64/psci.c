/* SPDX-License-Identifier: BSD-2-Clause */
/* PSCI calls. SMCCC: x0-x17 may be changed by the callee. */
#include "arch/aarch64/psci.h"

#include "lib/log.h"
#include "lib/string.h"

#define PSCI_CPU_ON_64 0xc4000003u
#define PSCI_SYSTEM_OFF 0x84000008u

enum conduit { CONDUIT_NONE, CONDUIT_SMC, CONDUIT_HVC };

static enum conduit conduit;
static uint32_t fn_cpu_on = PSCI_CPU_ON_64;
static uint32_t fn_system_off = PSCI_SYSTEM_OFF;

static int64_t call(uint64_t fn, uint64_t a, uint64_t b, uint64_t c)
{
	register uint64_t x0 __asm__("x0") = fn;
	register uint64_t x1 __asm__("x1") = a;
	register uint64_t x2 __asm__("x2") = b;
	register uint64_t x3 __asm__("x3") = c;

	if (conduit == CONDUIT_SMC)
		__asm__ volatile("smc #0"
				 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
				 :
				 : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
				   "x17", "memory");
	else
		__asm__ volatile("hvc #0"
				 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
				 :
				 : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
				   "x17", "memory");
	return (int64_t)x0;
}

void psci_init(const struct fdt *fdt, bool usable_hvc, bool usable_smc)
{
	int node = FDT_NONE;
	const char *method;

	for (int n = fdt_root(fdt); n != FDT_NONE && node == FDT_NONE; n = fdt_next_node(fdt, n, NULL)) {
		if (fdt_compatible(fdt, n, "arm,psci-1.0") || fdt_compatible(fdt, n, "arm,psci-0.2") ||
		    fdt_compatible(fdt, n, "arm,psci"))
			node = n;
	}
	if (node == FDT_NONE || !fdt_enabled(fdt, node))
		return;
	method = fdt_prop_string(fdt, node, "method");
	if (method && !strcmp(method, "smc") && usable_smc)
		conduit = CONDUIT_SMC;
	else if (method && !strcmp(method, "hvc") && usable_hvc)
		conduit = CONDUIT_HVC;
	/* PSCI 0.1 names its function numbers in the tree and has no SYSTEM_OFF. */
	if (!fdt_compatible(fdt, node, "arm,psci-1.0") && !fdt_compatible(fdt, node, "arm,psci-0.2")) {
		fn_system_off = 0;
		if (!fdt_prop_u32(fdt, node, "cpu_on", &fn_cpu_on))
			conduit = CONDUIT_NONE;
	}
}

bool psci_available(void)
{
	return conduit != CONDUIT_NONE;
}

int64_t psci_cpu_on(uint64_t mpidr, uint64_t entry, uint64_t context)
{
	if (conduit == CONDUIT_NONE)
		return -1;
	return call(fn_cpu_on, mpidr, entry, context);
}

void psci_system_off(void)
{
	if (conduit != CONDUIT_NONE && fn_system_off)
		call(fn_system_off, 0, 0, 0);
}
