/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The boot loader of the boot rows: starts PMCCNTR_EL0 and goes to the image with x0 = the device tree. Raw code at any address, for
 * QEMU's `-device loader`; run.py writes the two addresses behind it. The counter starts one instruction (the branch) before
 * the image's first; the image itself is as it is shipped and knows nothing of it.
 */
	.section .text, "ax"
	ldr	x0, 1f
	mov	x1, xzr
	mov	x2, xzr
	mov	x3, xzr
	ldr	x4, 2f
	mov	x5, #(1 << 31)
	mov	x6, #0x47		/* PMCR_EL0 E, P, C, LC */
	msr	pmccfiltr_el0, xzr
	msr	pmcntenset_el0, x5
	msr	pmcr_el0, x6
	isb
	br	x4
	.balign	8
1:	.quad	0			/* device tree */
2:	.quad	0			/* image */
