/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arm's Generic Interrupt Controllers, as far as a memory subsystem needs one: the private interrupts of each CPU (SGI 0 to
 * 15, PPI 16 to 31), group 1, one priority. Shared interrupts are masked and stay so. Drivers for GICv2 (Arm IHI 0048) and
 * GICv3 and later with its system registers (IHI 0069).
 *
 * The caller has found the registers in the device tree and mapped them as device memory; a driver touches nothing else,
 * and finds out whether the controller does what it is told: what firmware keeps for the secure side is refused, not
 * believed. Nothing here allocates, logs or takes a lock.
 */
#ifndef ARCH_AARCH64_GIC_H
#define ARCH_AARCH64_GIC_H

#include "arch/aarch64/percpu.h"

#define GIC_SGIS 16    /* INTID 0..15: software generated */
#define GIC_PRIVATE 32 /* SGIs and PPIs */

struct gic_range {
	uintptr_t va;
	uint64_t size;
};

/* Where the registers are mapped. */
struct gic_regs {
	struct gic_range dist;
	/* GICv2: one, the CPU interface (each CPU sees its own there). GICv3: the regions of redistributors. */
	const struct gic_range *regions;
	unsigned region_count;
	uint64_t stride; /* GICv3: bytes from one redistributor to the next; 0: as GICR_TYPER implies */
};

struct gic_driver {
	const char *name;
	uint64_t dist_bytes;   /* of the distributor's registers that are used */
	uint64_t region_bytes; /* of a region, at the least */
	unsigned dist_probe;   /* a register of each that may be read at any time, to see whether anything answers */
	unsigned region_probe;
	/*
	 * The distributor, once, by the boot CPU; regs and what it points to stay. Returns NULL, or a sentence that says
	 * why it cannot be used.
	 */
	const char *(*start)(const struct gic_regs *regs);
	/*
	 * The calling CPU's own interface; cpu is this_cpu(). All its private interrupts are masked and inactive. Returns
	 * as above.
	 */
	const char *(*start_cpu)(struct cpu *cpu);
	/*
	 * Lets interrupt intid (< GIC_PRIVATE) through to the calling CPU, or masks it. False: the controller does not obey
	 * (not implemented, or secure).
	 */
	bool (*enable)(struct cpu *cpu, unsigned intid);
	void (*disable)(struct cpu *cpu, unsigned intid);
	/*
	 * Acknowledges the most urgent pending interrupt: *intid, and the value that end() wants. False: there is none
	 * (spurious), and end() must not be called.
	 */
	bool (*acknowledge)(struct cpu *cpu, unsigned *intid, uint32_t *token);
	void (*end)(struct cpu *cpu, uint32_t token);
	/* SGI intid to every CPU but this one; what was stored before it is visible to them first. */
	void (*send_others)(unsigned intid);
};

extern const struct gic_driver gic_v2;
extern const struct gic_driver gic_v3;

#endif
