/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each CPU has of its own, reached by TPIDR_EL1 in one instruction. Kernel only: libgranule.a runs in kernels that
 * keep something else in that register, and reads it nowhere (the build checks).
 *
 * TPIDR_EL1 points to a struct cpu wherever C code runs: entry.S sets it on the boot CPU before the first C function
 * (to the physical address of boot_cpu, and again in the high half) and on every other CPU with its stack, in front of
 * its vectors.
 */
#ifndef ARCH_AARCH64_PERCPU_H
#define ARCH_AARCH64_PERCPU_H

#include "lib/defs.h"

/* MPIDR_EL1 without the bits that are no affinity: Aff3 in 39:32, Aff2 to Aff0 in 23:0. */
#define MPIDR_AFFINITY 0xff00ffffffULL

/* One for each CPU, in cache lines of its own. Without comment: written by its CPU alone. */
struct cpu {
	/* Read by entry.S and vectors.S: these offsets are known there. Written by the boot CPU, as the next three. */
	uintptr_t stack_top;
	uintptr_t exception_stack; /* its end: for an exception that finds no room on the CPU's stack */
	uint32_t index;		   /* 0: the boot CPU */
	uint32_t node;		   /* NUMA node, by the cpu node's numa-node-id */
	uint64_t mpidr;		   /* affinity fields only */
	uint32_t state;		   /* enum cpu_state (boot/smp.c); by both */
	bool irq_ready;		   /* its interrupt interface is up */
	uintptr_t gic_redist;	   /* GICv3: where its redistributor's first frame is mapped */

	/* How many interrupts came, what came when nothing was pending any more, and what nobody had asked for. */
	uint64_t irqs;
	uint64_t spurious;
	uint64_t unwanted;
} __attribute__((aligned(64)));
_Static_assert(offsetof(struct cpu, stack_top) == 0, "entry.S");
_Static_assert(offsetof(struct cpu, exception_stack) == 8, "vectors.S");

extern struct cpu boot_cpu;

/* The running CPU's own. Stable only while interrupts are masked or nothing moves the caller to another CPU. */
static inline struct cpu *this_cpu(void)
{
	struct cpu *cpu;

	__asm__("mrs %0, tpidr_el1" : "=r"(cpu));
	return cpu;
}

#endif
