/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot CPU's own data, which is there before any allocator, and the answer to "which CPU". Kernel only. */
#include "arch/aarch64/percpu.h"
#include "arch/arch.h"

extern char exception_stack_top[];

struct cpu boot_cpu = { .exception_stack = (uintptr_t)exception_stack_top };

/* [AR21] */
unsigned arch_cpu_id(void)
{
	return this_cpu()->index;
}
