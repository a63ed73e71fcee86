/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exception vectors of EL1 (Arm ARM D1.4.2): every exception but an IRQ saves a struct exception_frame and calls
 * exception_entry(), which returns only for what it has mended. An IRQ saves what a C function may change (AAPCS64) and calls
 * irq_entry(). Position-independent: the same table serves before the MMU is on and in the high half.
 *
 * A stack that has run into its guard page cannot take a frame: the address is tried first (AT S1E1W), and when it does not
 * translate the frame goes to the CPU's exception stack. TPIDR_EL0 and TPIDRRO_EL0 are scratch: there is no EL0, and DAIF is masked
 * from the exception on. An IRQ comes between any two instructions, so also between somebody's own AT and the read of
 * PAR_EL1: it gives that back as well, also when an exception in the handler has used AT.
 */

#define CPU_EXCEPTION_STACK 8 /* struct cpu, arch/aarch64/percpu.h */
#define FRAME_SIZE 304
/* Of an IRQ: x0 to x18, x30, a frame record (x29 and the interrupted PC, AAPCS64 6.4.6), SPSR, PAR_EL1. */
#define IRQ_FRAME_SIZE 192
#define IRQ_X18 144
#define IRQ_RECORD 160
#define IRQ_SPSR 176

	.section .text.vectors, "ax"

.macro	vector n
	.balign	128
	msr	tpidr_el0, x0
	sub	x0, sp, #FRAME_SIZE
	at	s1e1w, x0
	isb
	mrs	x0, par_el1
	tbnz	x0, #0, stack_lost_\n
	mrs	x0, tpidr_el0
	sub	sp, sp, #FRAME_SIZE
	stp	x0, x1, [sp]
	mov	x1, #\n
	add	x0, sp, #FRAME_SIZE
	b	save_frame
	stack_lost \n
.endm

/* x0 is in TPIDR_EL0. A frame for the report, and vector + 16 to say why it is here. */
.macro	stack_lost n
stack_lost_\n:
	mov	x0, sp
	msr	tpidrro_el0, x0
	mrs	x0, tpidr_el1
	ldr	x0, [x0, #CPU_EXCEPTION_STACK]
	sub	x0, x0, #FRAME_SIZE
	mov	sp, x0
	mrs	x0, tpidr_el0
	stp	x0, x1, [sp]
	mov	x1, #(\n + 16)
	mrs	x0, tpidrro_el0
	b	save_frame
.endm

.macro	irq_vector n
	.balign	128
	msr	tpidr_el0, x0
	mrs	x0, par_el1
	msr	tpidrro_el0, x0
	sub	x0, sp, #FRAME_SIZE	/* as much as the others ask for: one that comes in the handler must fit as well */
	at	s1e1w, x0
	isb
	mrs	x0, par_el1
	tbnz	x0, #0, stack_lost_\n
	mrs	x0, tpidr_el0
	sub	sp, sp, #IRQ_FRAME_SIZE
	stp	x0, x1, [sp]
	b	take_irq
	stack_lost \n
.endm

	.balign	2048
	.global vectors
vectors:
	vector	0
	vector	1
	vector	2
	vector	3
	vector	4
	irq_vector 5			/* IRQ, current EL with SPx: SP_EL0 is never used, and there is no lower EL */
	vector	6
	vector	7
	vector	8
	vector	9
	vector	10
	vector	11
	vector	12
	vector	13
	vector	14
	vector	15

/* x0: SP of the interrupted code; x1: vector; x0 and x1 of the interrupted code are in the frame already. */
	.balign	128
save_frame:
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x19, [sp, #144]
	stp	x20, x21, [sp, #160]
	stp	x22, x23, [sp, #176]
	stp	x24, x25, [sp, #192]
	stp	x26, x27, [sp, #208]
	stp	x28, x29, [sp, #224]
	stp	x30, x0, [sp, #240]
	mrs	x2, elr_el1
	mrs	x3, spsr_el1
	stp	x2, x3, [sp, #256]
	mrs	x2, esr_el1
	mrs	x3, far_el1
	stp	x2, x3, [sp, #272]
	stp	x1, xzr, [sp, #288]
	mov	x29, xzr
	mov	x0, sp
	bl	exception_entry
	ldp	x2, x3, [sp, #256]
	msr	elr_el1, x2
	msr	spsr_el1, x3
	ldp	x28, x29, [sp, #224]
	ldr	x30, [sp, #240]
	ldp	x26, x27, [sp, #208]
	ldp	x24, x25, [sp, #192]
	ldp	x22, x23, [sp, #176]
	ldp	x20, x21, [sp, #160]
	ldp	x18, x19, [sp, #144]
	ldp	x16, x17, [sp, #128]
	ldp	x14, x15, [sp, #112]
	ldp	x12, x13, [sp, #96]
	ldp	x10, x11, [sp, #80]
	ldp	x8, x9, [sp, #64]
	ldp	x6, x7, [sp, #48]
	ldp	x4, x5, [sp, #32]
	ldp	x2, x3, [sp, #16]
	ldp	x0, x1, [sp]
	add	sp, sp, #FRAME_SIZE
	eret

/* An IRQ; x0 and x1 of the interrupted code are in the frame already. x19 to x28 survive a C function. [BT53] */
	.balign	64
take_irq:
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x30, [sp, #IRQ_X18]
	mrs	x2, elr_el1
	mrs	x3, spsr_el1
	stp	x29, x2, [sp, #IRQ_RECORD]
	mrs	x2, tpidrro_el0		/* PAR_EL1 (irq_vector) */
	stp	x3, x2, [sp, #IRQ_SPSR]
	add	x29, sp, #IRQ_RECORD	/* a backtrace from the handler goes on in the interrupted code */
	bl	irq_entry
	ldp	x29, x2, [sp, #IRQ_RECORD]
	ldp	x3, x4, [sp, #IRQ_SPSR]
	msr	elr_el1, x2
	msr	spsr_el1, x3
	msr	par_el1, x4
	ldp	x18, x30, [sp, #IRQ_X18]
	ldp	x16, x17, [sp, #128]
	ldp	x14, x15, [sp, #112]
	ldp	x12, x13, [sp, #96]
	ldp	x10, x11, [sp, #80]
	ldp	x8, x9, [sp, #64]
	ldp	x6, x7, [sp, #48]
	ldp	x4, x5, [sp, #32]
	ldp	x2, x3, [sp, #16]
	ldp	x0, x1, [sp]
	add	sp, sp, #IRQ_FRAME_SIZE
	eret

/*
 * bool probe_read32(const volatile uint32_t *p, uint32_t *out): reads a word that may not exist. exception_entry() sends a
 * synchronous fault at probe_insn to probe_failed.
 */
	.section .text.probe, "ax"
	.global probe_read32, probe_insn, probe_failed
probe_read32:
probe_insn:
	ldr	w2, [x0]
	str	w2, [x1]
	mov	w0, #1
	ret
probe_failed:
	mov	w0, #0
	ret
