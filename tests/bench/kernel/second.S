/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where PSCI starts another CPU of the bench kernel (x0: its number), with the MMU off: CPU 0's tables and registers, a stack,
 * and its job. The way to firmware. Only for QEMU's virt machine entered at EL1: nothing is cleaned for a CPU without caches.
 */
	.section .text, "ax"

	.global bench_second
bench_second:
	msr	daifset, #0xf
	mov	x19, x0
	adrp	x1, bench_registers
	add	x1, x1, :lo12:bench_registers
	ldp	x2, x3, [x1]
	ldp	x4, x5, [x1, #16]
	ldr	x6, [x1, #32]
	msr	ttbr0_el1, x2
	msr	ttbr1_el1, x3
	msr	mair_el1, x4
	msr	tcr_el1, x5
	dsb	sy
	tlbi	vmalle1
	dsb	nsh
	isb
	msr	sctlr_el1, x6
	isb
	msr	tpidr_el1, x19
	ldr	x1, [x1, #40]		/* stacks; 4 KiB each, this one's end */
	add	x2, x19, #1
	add	x1, x1, x2, lsl #12
	mov	sp, x1
	mov	x29, xzr
	mov	x0, x19
	bl	bench_second_main
1:	wfi
	b	1b

/* int64_t bench_psci(uint64_t function, uint64_t a, uint64_t b, uint64_t c) */
	.global bench_psci
bench_psci:
	hvc	#0
	ret
