/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the device tree says about interrupts: the controller and its registers, and which of its inputs the architected
 * timer is wired to. Reads the tree, nothing else. Compiled for the host too.
 */
#ifndef BOOT_IRQ_TREE_H
#define BOOT_IRQ_TREE_H

#include "arch/aarch64/gic.h"
#include "lib/fdt.h"

/* A controller that was found but not yet mapped. */
struct irq_desc {
	const struct gic_driver *driver;
	int node;
	uint64_t dist_base; /* of the distributor's registers; a multiple of 4 KiB */
	uint64_t dist_size; /* bytes, at least driver->dist_bytes */
	/* CPU interface or redistributors: reg[1 + i] for i < region_count, which irq_tree_region() reads. */
	unsigned region_count;
	uint64_t stride; /* GICv3: redistributor-stride, or 0 */
};

/*
 * The first enabled controller that has a driver. Returns NULL and fills *out; or a sentence that says why there is none
 * (constant; *out is unchanged).
 */
const char *irq_tree_controller(struct fdt *fdt, struct irq_desc *out);

/* The i-th region's registers, of IRQ_REGION_MAX bytes at the most. False: they cannot be used. */
#define IRQ_REGION_MAX GIB(1)
must_check bool irq_tree_region(struct fdt *fdt, const struct irq_desc *desc, unsigned i, uint64_t *base,
				uint64_t *size);

struct irq_timer_desc {
	unsigned intid;	    /* of the virtual timer: 16..31 */
	uint32_t frequency; /* Hz, when the tree corrects CNTFRQ_EL0; otherwise 0 */
};
/* The architected timer (arm,armv8-timer) as wired to that controller. As irq_tree_controller(). */
const char *irq_tree_timer(const struct fdt *fdt, const struct irq_desc *controller, struct irq_timer_desc *out);

#endif
