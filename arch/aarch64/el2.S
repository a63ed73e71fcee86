/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stays behind at EL2 and EL3 when the kernel has gone to EL1. MMU and caches of these levels stay off, so that nothing
 * here touches memory: state is kept in registers (TPIDR_EL2: ESR of the last fault; SP_EL2: scratch).
 *
 * EL2 answers HVC #0 (arch/aarch64/el2.h): a stage 2 can be switched on and off, translated through and tested. An abort
 * from EL1 is a stage-2 fault: it is remembered and the instruction is skipped (for an
 * instruction abort: returned from), so that a test can see faults one by one. (PSTATE comes back with ERET, flags included.)
 * What else comes from EL1 is a trap that nobody asked for: EL1 gets it back as an undefined instruction.
 */

#define FN_VERSION 0
#define FN_STAGE2_ON 1
#define FN_STAGE2_OFF 2
#define FN_AT_S12 3
#define FN_LAST_FAULT 4
#define FN_TLBI_IPA 5

#define EC_HVC 0x16
#define EC_SMC 0x17
#define EC_IABT_LOWER 0x20
#define EC_DABT_LOWER 0x24
#define HCR_VM (1 << 0)

	.section .text.vectors, "ax"

/* Semihosting where nobody listens: HLT is undefined (EC 0); say -1 and go on. Anything else is the end, with one line. */
.macro	skip_hlt el
	mrs	x2, esr_\el
	lsr	x2, x2, #26
	cbnz	x2, fatal_exception
	mrs	x2, elr_\el
	add	x2, x2, #4
	msr	elr_\el, x2
	mov	x0, #-1
	eret
.endm

	.balign	2048
	.global el2_vectors
el2_vectors:
	.rept	4			/* current EL, SP_EL0 */
	.balign	128
	b	fatal_exception
	.endr
	.balign	128
	skip_hlt el2			/* current EL, SP_EL2: synchronous */
	.rept	3
	.balign	128
	b	fatal_exception
	.endr
	.balign	128
	b	el2_sync		/* lower EL, AArch64: synchronous */
	.rept	7
	.balign	128
	b	fatal_exception
	.endr

	.balign	2048
	.global el3_vectors
el3_vectors:
	.rept	4
	.balign	128
	b	fatal_exception
	.endr
	.balign	128
	skip_hlt el3
	.rept	3
	.balign	128
	b	fatal_exception
	.endr
	/* Lower EL: nobody is here who could answer an SMC: SMCCC NOT_SUPPORTED (Arm DEN 0028). A trap would come back for ever. */
	.balign	128
	mrs	x0, esr_el3
	ubfx	x0, x0, #26, #6
	cmp	x0, #EC_SMC
	b.ne	fatal_exception
	mov	x0, #-1
	eret
	.rept	7
	.balign	128
	b	fatal_exception
	.endr

/* EL1 before it has a stack, and a secondary CPU until its MMU is on. */
	.balign	2048
	.global el1_early_vectors
el1_early_vectors:
	.rept	4
	.balign	128
	b	fatal_exception
	.endr
	.balign	128
	skip_hlt el1
	.rept	11
	.balign	128
	b	fatal_exception
	.endr

	.section .text.el2, "ax"
el2_sync:
	mov	sp, x9			/* no stack: SP_EL2 is where one register is kept */
	mrs	x9, esr_el2
	ubfx	x9, x9, #26, #6
	cmp	x9, #EC_HVC
	b.ne	el2_fault
	cmp	x0, #FN_STAGE2_ON
	b.eq	stage2_on
	cmp	x0, #FN_STAGE2_OFF
	b.eq	stage2_off
	cmp	x0, #FN_AT_S12
	b.eq	at_s12
	cmp	x0, #FN_LAST_FAULT
	b.eq	last_fault
	cmp	x0, #FN_TLBI_IPA
	b.eq	tlbi_ipa
	cmp	x0, #FN_VERSION
	b.ne	unknown_call
	movz	x0, #0x4752, lsl #16	/* "GR", version 1 */
	movk	x0, #1
	b	done
unknown_call:
	mov	x0, #-1
done:
	mov	x9, sp
	eret

/*
 * x1: VTCR_EL2, x2: VTTBR_EL2. The TLB may hold anything of this VMID. It is cleaned when stage 2 is on already: entries are tagged with
 * VTTBR_EL2.VMID while stage 2 is off as well, so one that a speculated AT made in between (Cortex-A76 1165522, A55 1530923) would
 * be a translation without stage 2. EL2 itself is not subject to it.
 */
stage2_on:
	msr	vtcr_el2, x1
	msr	vttbr_el2, x2
	isb
	mrs	x0, hcr_el2
	orr	x0, x0, #HCR_VM
	msr	hcr_el2, x0
	isb
	dsb	ishst			/* the tables, as their writer left them */
	tlbi	vmalls12e1is
	dsb	ish
	isb
	msr	tpidr_el2, xzr
	mov	x0, xzr
	b	done

stage2_off:
	mrs	x0, hcr_el2
	bic	x0, x0, #HCR_VM
	msr	hcr_el2, x0
	isb
	tlbi	vmalls12e1is
	dsb	ish
	isb
	mov	x0, xzr
	b	done

/* x1: EL1 virtual address, x2: 0 read, 1 write. Returns PAR_EL1 of the walk through both stages. */
at_s12:
	cbnz	x2, 1f
	at	s12e1r, x1
	b	2f
1:	at	s12e1w, x1
2:	isb
	mrs	x0, par_el1
	b	done

/* Returns x0 = ESR, x1 = FAR, x2 = HPFAR of the last fault and forgets it; x0 = 0: none since stage 2 went on. */
last_fault:
	mrs	x0, tpidr_el2
	mrs	x1, far_el2
	mrs	x2, hpfar_el2
	msr	tpidr_el2, xzr
	b	done

/* x1: intermediate physical address. A changed stage-2 entry: IPAS2E1IS, then what combines both stages (DDI 0487 D8.14.5). */
tlbi_ipa:
	dsb	ishst
	lsr	x1, x1, #12
	tlbi	ipas2e1is, x1
	dsb	ish
	tlbi	vmalle1is
	dsb	ish
	isb
	mov	x0, xzr
	b	done

el2_fault:
	cmp	x9, #EC_IABT_LOWER
	b.eq	1f
	cmp	x9, #EC_DABT_LOWER
	b.ne	inject_undefined
1:	mrs	x9, esr_el2
	msr	tpidr_el2, x9
	ubfx	x9, x9, #26, #6
	cmp	x9, #EC_IABT_LOWER
	b.ne	1f
	msr	elr_el2, x30
	mov	x9, sp
	eret
1:	mrs	x9, elr_el2
	add	x9, x9, #4
	msr	elr_el2, x9
	mov	x9, sp
	eret

/* An instruction that EL2 traps and does not emulate is undefined at EL1, whose vectors report it (EC 0, IL). */
inject_undefined:
	mrs	x9, elr_el2
	msr	elr_el1, x9
	mrs	x9, spsr_el2
	msr	spsr_el1, x9
	and	x9, x9, #0xf		/* M[3:0]: 5 EL1 with SP_EL1, 4 EL1 with SP_EL0, 0 EL0 */
	cmp	x9, #4
	mov	x9, #(1 << 25)
	msr	esr_el1, x9
	mrs	x9, vbar_el1
	b.eq	2f
	b.lo	1f
	add	x9, x9, #0x200
	b	2f
1:	add	x9, x9, #0x400
2:	msr	elr_el2, x9
	mov	x9, #0x3c5		/* EL1h, DAIF masked */
	msr	spsr_el2, x9
	mov	x9, sp
	eret
