/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot CPU's own data, which is there before any allocator, and the answer to "which CPU". Kernel only. */
#include "arch/aarch64/percpu.h"
#include "arch/arch.h"

struct cpu boot_cpu;

/* [AR21] */
unsigned arch_cpu_id(void)
{
	return this_cpu()->index;
}
