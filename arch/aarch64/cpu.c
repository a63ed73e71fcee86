/* SPDX-License-Identifier: BSD-2-Clause */
/* The small things of arch/arch.h that are one or two instructions: a pause, limits. */
#include "arch/aarch64/features.h"
#include "arch/aarch64/insn.h"
#include "arch/arch.h"

uintptr_t arch_linear_base;

/* [AR40] */
void arch_init(void)
{
	features_init();
}

void arch_cpu_relax(void)
{
	__asm__ volatile("yield" ::: "memory");
}

/* [AR23] */
unsigned arch_pa_bits(void)
{
	return cpu_features.pa_bits;
}
