/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the other CPUs of tests/bench/storeset come up: PSCI starts them with the MMU off, and they take over the translation
 * that the first one runs under (tests/embed/start.S is its way). Only for QEMU's virt machine, at EL1.
 */

	.text
/* x0: struct secondary (tests/bench/storeset/main.c) */
	.global secondary_start
secondary_start:
	msr	daifset, #0xf
	ldp	x1, x2, [x0]
	msr	ttbr0_el1, x1
	msr	ttbr1_el1, x2
	ldp	x1, x2, [x0, #16]
	msr	mair_el1, x1
	msr	tcr_el1, x2
	dsb	sy
	tlbi	vmalle1
	dsb	nsh
	isb
	ldp	x1, x2, [x0, #32]
	msr	sctlr_el1, x1
	isb
	mov	sp, x2
	ldr	x0, [x0, #48]
	bl	secondary_main
1:	wfe
	b	1b

/* int64_t psci_cpu_on(uint64_t mpidr, void (*entry)(void), void *context): CPU_ON of PSCI 0.2, 64-bit, by HVC */
	.global psci_cpu_on
psci_cpu_on:
	mov	x3, x2
	mov	x2, x1
	mov	x1, x0
	movz	x0, #0xc400, lsl #16
	movk	x0, #0x0003
	hvc	#0
	ret
