/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start of the embedder's kernel: a fixed address, 39-bit address spaces, everything in 1 GiB blocks. As unlike Granule's own
 * boot as possible. Only for QEMU's virt machine.
 */

#define MAIR 0x00000000000000ff /* 0: Normal write-back, 1: Device-nGnRnE */
#define TCR 0x00000002b5193519	/* T0SZ = T1SZ = 25, 4 KiB, inner shareable write-back walks, 40-bit output */
#define SCTLR_MCI 0x1005

	.section .text.start, "ax"
	.global _start
_start:
	msr	daifset, #0xf
	adrp	x0, stack_top
	add	x0, x0, :lo12:stack_top
	mov	sp, x0
	adrp	x0, __bss_start
	add	x0, x0, :lo12:__bss_start
	adrp	x1, __bss_end
	add	x1, x1, :lo12:__bss_end
1:	str	xzr, [x0], #8
	cmp	x0, x1
	b.lo	1b
	bl	build_tables		/* x0: TTBR0 table, x1: TTBR1 table */
	msr	ttbr0_el1, x0
	msr	ttbr1_el1, x1
	mov	x2, #(MAIR & 0xffff)
	msr	mair_el1, x2
	movz	x2, #(TCR >> 32), lsl #32
	movk	x2, #((TCR >> 16) & 0xffff), lsl #16
	movk	x2, #(TCR & 0xffff)
	msr	tcr_el1, x2
	dsb	sy
	tlbi	vmalle1
	dsb	nsh
	isb
	mrs	x2, sctlr_el1
	mov	x3, #SCTLR_MCI
	orr	x2, x2, x3
	msr	sctlr_el1, x2
	isb
	bl	embed_main
1:	wfe
	b	1b

/* int semihost(int op, void *arg) */
	.global semihost
semihost:
	hlt	#0xf000
	ret

/* bool escape_set(uint64_t *context): false when called, true when escape_take(context) comes back to it. 13 words. */
	.global escape_set, escape_take
escape_set:
	stp	x19, x20, [x0]
	stp	x21, x22, [x0, #16]
	stp	x23, x24, [x0, #32]
	stp	x25, x26, [x0, #48]
	stp	x27, x28, [x0, #64]
	stp	x29, x30, [x0, #80]
	mov	x1, sp
	str	x1, [x0, #96]
	mov	w0, #0
	ret
escape_take:
	ldp	x19, x20, [x0]
	ldp	x21, x22, [x0, #16]
	ldp	x23, x24, [x0, #32]
	ldp	x25, x26, [x0, #48]
	ldp	x27, x28, [x0, #64]
	ldp	x29, x30, [x0, #80]
	ldr	x1, [x0, #96]
	mov	sp, x1
	mov	w0, #1
	ret

	.bss
	.balign	16
stack:
	.space	16384
stack_top:
