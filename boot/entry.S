/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the first instruction to kernel_main(): the 64-byte Linux Image header, EL3 and EL2 left behind, caches and BSS in a known
 * state, the image relocated, page tables built by C code, MMU on, jump to the high half. Secondary CPUs come in at
 * secondary_entry and share the same steps.
 *
 * Until the MMU is on every access is Device or Non-cacheable (Arm ARM DDI 0487, D8.2.9): no exclusives, no unaligned access.
 */

#define LAYOUT_IMAGE 0xffffa00000000000
#define IMAGE_ALIGN 0x200000

#define CURRENT_EL_2 (2 << 2)
#define CURRENT_EL_3 (3 << 2)
#define SCTLR_M (1 << 0)
#define SCTLR_C (1 << 2)
#define SCTLR_I (1 << 12)
#define SCTLR_EL1_OFF 0x30d00800 /* RES1 bits of Armv8.0, MMU and caches off, little-endian */
#define SCTLR_EL2_OFF 0x30c50830
#define SPSR_EL1H 0x3c5 /* EL1 with SP_EL1, DAIF masked */
#define SPSR_EL2H 0x3c9
#define HCR_RW 31
#define HCR_E2H 34
#define SCR_VALUE 0x531 /* NS, RES1 5:4, HCE, RW */
#define SCR_FGTEN 27
#define SCR_HXEN 38
#define ICC_SRE_ENABLE 9 /* SRE, and the level below may use its own */
#define CPUECTLR_SMPEN (1 << 6)
#define R_AARCH64_RELATIVE 1027

/* Offsets in struct boot_info (boot/boot.h). */
#define BOOT_X 0
#define BOOT_ENTRY_EL 32
#define BOOT_ENTRY_SCTLR 40
#define BOOT_IMAGE_PA 48
#define BOOT_EL2_STUB 56
/* Offset in struct cpu (arch/aarch64/percpu.h). */
#define CPU_STACK_TOP 0

	.section .head, "ax"
	.global _start
_start:
	b	entry			/* code0 */
	.long	0			/* code1 */
	.quad	0			/* text_offset */
	.long	image_size_lo		/* image_size: with BSS, so that no loader puts the DTB inside it */
	.long	image_size_hi
	.quad	0xa			/* flags: little-endian, 4 KiB pages, any 2 MiB-aligned base */
	.quad	0
	.quad	0
	.quad	0
	.ascii	"ARM\x64"
	.long	0
	.long	0

	.section .text.entry, "ax"

/* \reg = address of \sym, position-independent. */
.macro	adr_l reg, sym
	adrp	\reg, \sym
	add	\reg, \reg, :lo12:\sym
.endm

/* [BT1] x20-x23: x0-x3 of the loader; x19: entry EL; x24: SCTLR at entry; x25: image base. */
entry:
	msr	daifset, #0xf
	mov	x20, x0
	mov	x21, x1
	mov	x22, x2
	mov	x23, x3
	adr	x25, _start
	/* First of all, and without ADRP: nothing else is where the code believes it to be when this does not hold. */
	tst	x25, #(IMAGE_ALIGN - 1)
	b.ne	misaligned
	mrs	x19, CurrentEL
	cmp	x19, #CURRENT_EL_2
	b.hi	1f
	b.eq	2f
	adr_l	x0, el1_early_vectors
	msr	vbar_el1, x0
	mrs	x24, sctlr_el1
	b	3f
2:	adr_l	x0, el2_vectors
	msr	vbar_el2, x0
	mrs	x24, sctlr_el2
	b	3f
1:	adr_l	x0, el3_vectors
	msr	vbar_el3, x0
	mrs	x24, sctlr_el3
3:	isb
	mov	x0, #(SCTLR_M | SCTLR_C)
	tst	x24, x0
	b.eq	4f
	bl	leave_mmu
4:	bl	elect_boot_cpu
	bl	el_setup
	/* EL1, MMU off. */
	adr_l	x0, boot_cpu		/* arch/aarch64/percpu.h; for C code that runs before the MMU is on */
	msr	tpidr_el1, x0
	adr_l	x0, boot_stack_top
	mov	sp, x0
	mov	x29, xzr
	/*
	 * BSS and the uninitialised sections may hold dirty lines of whoever ran before us: they must not be evicted over what we
	 * are about to write past the caches.
	 */
	adr_l	x0, image_data_end
	adr_l	x1, bss_end
	bl	invalidate_poc
	adr_l	x0, bss_start
	adr_l	x1, bss_end
1:	stp	xzr, xzr, [x0], #16
	stp	xzr, xzr, [x0], #16
	stp	xzr, xzr, [x0], #16
	stp	xzr, xzr, [x0], #16
	cmp	x0, x1
	b.lo	1b

	adr_l	x0, boot
	stp	x20, x21, [x0, #BOOT_X]
	stp	x22, x23, [x0, #(BOOT_X + 16)]
	lsr	x1, x19, #2
	stp	x1, x24, [x0, #BOOT_ENTRY_EL]
	stp	x25, x28, [x0, #BOOT_IMAGE_PA]	/* x28: EL2 is ours (el_setup) */

	/* First for the addresses we run at now, so that C code may use any pointer; after it for the high half. */
	mov	x0, x25
	bl	relocate
	adr_l	x0, vectors		/* stack, BSS and pointers are good: exceptions can be reported */
	msr	vbar_el1, x0
	isb
	bl	early_map
	mov	x26, x0			/* struct mmu_config *, physical */
	movz	x27, #(LAYOUT_IMAGE >> 48), lsl #48
	movk	x27, #((LAYOUT_IMAGE >> 32) & 0xffff), lsl #32
	movk	x27, #((LAYOUT_IMAGE >> 16) & 0xffff), lsl #16
	mov	x0, x27
	bl	relocate
	/*
	 * What was written past the caches must not be shadowed by lines that were loaded speculatively before (Linux does the
	 * same in primary_entry). DMB: the stores before the maintenance.
	 */
	dmb	sy
	adr_l	x0, image_text_end
	adr_l	x1, bss_end
	bl	invalidate_poc
	ic	iallu			/* the loader need not have made the image visible to the instruction side here */
	dsb	nsh
	isb
	mov	x0, x26
	bl	mmu_switch_on
	sub	x27, x27, x25		/* virtual minus physical */
	adr_l	x0, high_half
	add	x0, x0, x27
	br	x0
high_half:			/* [BT41] */
	mov	x0, sp
	add	x0, x0, x27
	mov	sp, x0
	adr_l	x0, boot_cpu
	msr	tpidr_el1, x0
	adr_l	x0, vectors
	msr	vbar_el1, x0
	isb
	mov	x29, xzr
	mov	x30, xzr
	bl	kernel_main
	b	park

/* ---- a secondary CPU: PSCI CPU_ON, x0 = its struct cpu, as the high half has it ------------------------------------------ */
	.global secondary_entry
secondary_entry:
	msr	daifset, #0xf
	mov	x20, x0
	adr_l	x25, _start
	bl	el_setup
	/*
	 * No stack until the MMU is on: what is written past the caches here could be shadowed by lines of the CPUs that run with
	 * their caches on. mmu_switch_on() uses none (the build checks).
	 */
	adr_l	x0, boot_mmu
	bl	mmu_switch_on
	movz	x27, #(LAYOUT_IMAGE >> 48), lsl #48
	movk	x27, #((LAYOUT_IMAGE >> 32) & 0xffff), lsl #32
	movk	x27, #((LAYOUT_IMAGE >> 16) & 0xffff), lsl #16
	sub	x27, x27, x25
	adr_l	x0, 1f
	add	x0, x0, x27
	br	x0
1:	/* What the vectors and the C code behind them ask for comes before them. */
	msr	tpidr_el1, x20
	ldr	x0, [x20, #CPU_STACK_TOP]
	mov	sp, x0
	adr_l	x0, vectors
	msr	vbar_el1, x0
	isb
	mov	x29, xzr
	mov	x30, xzr
	bl	secondary_main
	b	park

/* ---- steps shared by all CPUs ------------------------------------------------------------------------------------------ */

	.global park
park:
	wfe
	b	park

/*
 * One CPU boots, the others that the loader sent here wait for ever (PSCI systems never send them). Without exclusives: CPU 0
 * by affinity claims at once, any other one only when nobody has claimed for a while; whoever finds the word taken parks. [BT3]
 */
elect_boot_cpu:
	mrs	x0, mpidr_el1
	and	x1, x0, #0xffffff
	ubfx	x0, x0, #32, #8
	orr	x1, x1, x0, lsl #24
	adr_l	x2, boot_cpu_claim
	add	x4, x1, #1		/* never 0 */
	mov	x3, #0x20000
	cbz	x1, 2f
1:	ldr	x0, [x2]
	cbnz	x0, park
	subs	x3, x3, #1
	b.ne	1b
2:	ldr	x0, [x2]
	cbnz	x0, park
	str	x4, [x2]
	dsb	sy
	mov	x3, #0x100
3:	subs	x3, x3, #1
	b.ne	3b
	ldr	x0, [x2]
	cmp	x0, x4
	b.ne	park
	ret

/*
 * Entered with MMU or caches on: allowed when the mapping of the image is the identity. Cleans the image to the point of
 * coherency (what a loader has just written may still be in the cache) and switches off. Keeps x19-x25. [BT15]
 */
leave_mmu:
	mov	x9, x30
	tbz	x24, #0, 3f
	cmp	x19, #CURRENT_EL_2
	b.hi	1f
	b.eq	2f
	at	s1e1r, x25
	b	4f
2:	at	s1e2r, x25
	b	4f
1:	at	s1e3r, x25
4:	isb
	mrs	x0, par_el1
	tbnz	x0, #0, 5f
	and	x0, x0, #0x0000fffffffff000
	cmp	x0, x25
	b.ne	5f
3:	adr_l	x0, _start
	adr_l	x1, image_end
	bl	clean_invalidate_poc
	mov	x0, #(SCTLR_M | SCTLR_C)
	orr	x0, x0, #SCTLR_I
	bic	x0, x24, x0
	cmp	x19, #CURRENT_EL_2
	b.hi	1f
	b.eq	2f
	msr	sctlr_el1, x0
	isb
	tlbi	vmalle1
	b	4f
2:	msr	sctlr_el2, x0
	isb
	tlbi	alle2
	b	4f
1:	msr	sctlr_el3, x0
	isb
	tlbi	alle3
4:	ic	iallu
	dsb	nsh
	isb
	mov	x30, x9
	ret
5:	adr_l	x0, msg_not_identity
	b	fatal_line

/* \reg = SCTLR_EL1_OFF */
.macro	sctlr_el1_off reg
	movz	\reg, #(SCTLR_EL1_OFF >> 16), lsl #16
	movk	\reg, #(SCTLR_EL1_OFF & 0xffff)
.endm

/*
 * [BT1] Leaves EL3 and EL2 and returns to its caller in EL1 with the MMU off. x28 = 1 when EL2 is ours. Uses x0-x3.
 *
 * The registers of a level below the highest one are UNKNOWN after reset (Arm ARM DDI 0487, the reset values of SCTLR_ELx, HCR_EL2),
 * or as whoever ran there left them: what takes effect with the ERET is written before it.
 */
el_setup:
	mov	x28, xzr
	mrs	x0, CurrentEL
	cmp	x0, #CURRENT_EL_3
	b.ne	2f

	adr_l	x0, el3_vectors
	msr	vbar_el3, x0
	mov	x0, #SCR_VALUE
	mrs	x1, id_aa64mmfr0_el1
	ubfx	x1, x1, #56, #4		/* FEAT_FGT: otherwise EL2 traps to here when it clears its fine-grained traps */
	cbz	x1, 1f
	orr	x0, x0, #(1 << SCR_FGTEN)
1:	mrs	x1, id_aa64mmfr1_el1
	ubfx	x1, x1, #40, #4		/* FEAT_HCX: the same for HCRX_EL2 */
	cbz	x1, 1f
	orr	x0, x0, #(1 << SCR_HXEN)
1:	msr	scr_el3, x0
	msr	cptr_el3, xzr
	msr	mdcr_el3, xzr
	mrs	x0, id_aa64pfr0_el1
	ubfx	x0, x0, #24, #4		/* GIC system registers: without Enable, ICC_SRE_EL2 traps to here (Arm IHI 0069) */
	cbz	x0, 1f
	mrs	x0, s3_6_c12_c12_5	/* ICC_SRE_EL3 */
	mov	x1, #ICC_SRE_ENABLE
	orr	x0, x0, x1
	msr	s3_6_c12_c12_5, x0
	isb
1:
	/*
	 * Cortex-A53, A35, A57, A72 and A73 do not cache inner-shareable memory coherently before CPUECTLR_EL1.SMPEN, not even a single
	 * CPU (their TRMs: before caches and MMU are enabled). Firmware does it; here there is none.
	 */
	mrs	x0, midr_el1
	lsr	w1, w0, #24		/* implementer: Arm */
	cmp	w1, #0x41
	b.ne	1f
	ubfx	w1, w0, #4, #12
	sub	w1, w1, #0xd00
	sub	w1, w1, #3		/* 0 A53, 1 A35, 4 A57, 5 A72, 6 A73 */
	cmp	w1, #6
	b.hi	1f
	mov	w2, #0x73
	lsr	w2, w2, w1
	tbz	w2, #0, 1f
	mrs	x0, s3_1_c15_c2_1	/* CPUECTLR_EL1 */
	orr	x0, x0, #CPUECTLR_SMPEN
	msr	s3_1_c15_c2_1, x0
	isb
1:	sctlr_el1_off x0
	msr	sctlr_el1, x0
	mrs	x0, id_aa64pfr0_el1
	ubfx	x0, x0, #8, #4		/* EL2 implemented? */
	cbz	x0, 1f
	mov	x0, #(1 << HCR_RW)
	msr	hcr_el2, x0
	movz	x0, #(SCTLR_EL2_OFF >> 16), lsl #16
	movk	x0, #(SCTLR_EL2_OFF & 0xffff)
	msr	sctlr_el2, x0
	mov	x0, #SPSR_EL2H
	adr	x1, 3f
	b	4f
1:	mov	x0, #SPSR_EL1H
	adr	x1, 5f
4:	msr	spsr_el3, x0
	msr	elr_el3, x1
	isb
	eret

2:	cmp	x0, #CURRENT_EL_2
	b.ne	5f
3:	adr_l	x0, el2_vectors
	msr	vbar_el2, x0
	/* E2H changes the layout of half of the EL2 registers: it must be 0, and on some CPUs it cannot be. */
	mov	x0, #(1 << HCR_RW)
	msr	hcr_el2, x0
	isb
	mrs	x0, hcr_el2
	tbnz	x0, #HCR_E2H, e2h_stuck
	movz	x0, #(SCTLR_EL2_OFF >> 16), lsl #16
	movk	x0, #(SCTLR_EL2_OFF & 0xffff)
	msr	sctlr_el2, x0
	sctlr_el1_off x0
	msr	sctlr_el1, x0
	mov	x0, #0x33ff		/* RES1 bits: without E2H that traps SVE and SME, which nobody here uses; FP is not trapped */
	msr	cptr_el2, x0
	msr	hstr_el2, xzr
	msr	vttbr_el2, xzr
	mrs	x0, midr_el1
	msr	vpidr_el2, x0
	mrs	x0, mpidr_el1
	msr	vmpidr_el2, x0
	mov	x0, #3			/* EL1 may use the physical counter and timer */
	msr	cnthctl_el2, x0
	msr	cntvoff_el2, xzr
	mrs	x0, id_aa64dfr0_el1
	ubfx	x0, x0, #8, #4		/* PMUVer: every event counter belongs to EL1 */
	sub	x1, x0, #1
	cmp	x1, #0xe		/* 0: none; 0xf: not the architecture's */
	mov	x1, xzr
	b.hs	1f
	mrs	x1, pmcr_el0
	ubfx	x1, x1, #11, #5
1:	msr	mdcr_el2, x1
	mrs	x0, id_aa64pfr0_el1
	ubfx	x0, x0, #24, #4		/* GIC system registers: EL1 may use them */
	cbz	x0, 1f
	mrs	x0, s3_4_c12_c9_5	/* ICC_SRE_EL2 */
	mov	x1, #ICC_SRE_ENABLE
	orr	x0, x0, x1
	msr	s3_4_c12_c9_5, x0
	isb
	mrs	x0, s3_4_c12_c9_5	/* it stays 0 where EL3 keeps to memory-mapped registers: then there is no ICH_HCR_EL2 */
	tbz	x0, #0, 1f
	msr	s3_4_c12_c11_0, xzr	/* ICH_HCR_EL2 */
1:	mrs	x0, id_aa64mmfr0_el1
	ubfx	x0, x0, #56, #4		/* FEAT_FGT: UNKNOWN after reset; a set bit would trap TLBI, DC or AT of EL1 */
	cbz	x0, 1f
	msr	s3_4_c1_c1_4, xzr	/* HFGRTR_EL2 */
	msr	s3_4_c1_c1_5, xzr	/* HFGWTR_EL2 */
	msr	s3_4_c1_c1_6, xzr	/* HFGITR_EL2 */
	msr	s3_4_c3_c1_4, xzr	/* HDFGRTR_EL2 */
	msr	s3_4_c3_c1_5, xzr	/* HDFGWTR_EL2 */
1:	mrs	x0, id_aa64mmfr1_el1
	ubfx	x0, x0, #40, #4		/* FEAT_HCX: TCR2_EL1 and SCTLR2_EL1, which nobody sets up, count as 0 */
	cbz	x0, 1f
	msr	s3_4_c1_c2_2, xzr	/* HCRX_EL2 */
1:	mov	x28, #1
	mov	x0, #SPSR_EL1H
	msr	spsr_el2, x0
	adr	x0, 5f
	msr	elr_el2, x0
	isb
	eret

5:	/* EL1 */
	adr_l	x0, el1_early_vectors
	msr	vbar_el1, x0
	sctlr_el1_off x0
	msr	sctlr_el1, x0
	msr	cpacr_el1, xzr		/* FP and SIMD trap: nobody here uses them */
	msr	mdscr_el1, xzr		/* no single step, no breakpoints: UNKNOWN after reset */
	msr	spsel, #1
	isb
	ret

e2h_stuck:
	adr_l	x0, msg_e2h
	b	fatal_line

misaligned:
	adr	x0, msg_alignment
	b	fatal_line

/* An exception where nobody can report it: at EL2 and EL3, and at EL1 before there are stack, BSS and good pointers. */
	.global fatal_exception
fatal_exception:
	adr_l	x0, msg_exception
	b	fatal_line

/* x0: text with NUL. Says it by semihosting if anybody listens (the early vectors skip the instruction otherwise), and parks. */
fatal_line:
	mov	x1, x0
	mov	w0, #4			/* SYS_WRITE0 */
	hlt	#0xf000
	adr	x1, fatal_exit
	mov	w0, #0x20		/* SYS_EXIT_EXTENDED */
	hlt	#0xf000
	b	park

/* [x0, x1): data cache by address to the point of coherency. Both ends lie on cache lines or in memory nobody else uses. */
.macro	to_poc op
	mrs	x2, ctr_el0
	ubfx	x2, x2, #16, #4		/* DminLine, log2 of words */
	mov	x3, #4
	lsl	x3, x3, x2
	sub	x2, x3, #1
	bic	x0, x0, x2
1:	dc	\op, x0
	add	x0, x0, x3
	cmp	x0, x1
	b.lo	1b
	dsb	sy
	ret
.endm

invalidate_poc:
	to_poc	ivac

clean_invalidate_poc:
	to_poc	civac

/*
 * Applies the image's relative relocations for a run at x0 (address of image_start as the pointers shall see it). May be
 * repeated with another address: every field is written from its addend. [BT15]
 */
relocate:
	movz	x1, #(LAYOUT_IMAGE >> 48), lsl #48
	movk	x1, #((LAYOUT_IMAGE >> 32) & 0xffff), lsl #32
	movk	x1, #((LAYOUT_IMAGE >> 16) & 0xffff), lsl #16
	sub	x2, x0, x1		/* what pointers get */
	sub	x3, x25, x1		/* where fields are written now */
	adr_l	x4, rela_start
	adr_l	x5, rela_end
1:	cmp	x4, x5
	b.hs	2f
	ldp	x6, x7, [x4], #16	/* offset, info */
	ldr	x8, [x4], #8		/* addend */
	cmp	w7, #R_AARCH64_RELATIVE
	b.ne	3f
	add	x8, x8, x2
	str	x8, [x6, x3]
	b	1b
2:	ret
3:	adr_l	x0, msg_relocation
	b	fatal_line

	/* In reach of ADR: for an image that lies where ADRP misses. */
msg_alignment:
	.asciz	"PANIC: the image must lie at a multiple of 2 MiB\n"
	.balign	8
fatal_exit:
	.quad	0x20026, 1		/* ADP_Stopped_ApplicationExit, status */

	.section .rodata.entry, "a"
msg_exception:
	.asciz	"PANIC: an exception before it can be reported, or at EL2 or EL3\n"
msg_not_identity:
	.asciz	"PANIC: entered with the MMU on and the image not mapped one to one\n"
msg_e2h:
	.asciz	"PANIC: HCR_EL2.E2H cannot be cleared on this CPU\n"
msg_relocation:
	.asciz	"PANIC: relocation of an unknown type\n"

	/* Not in BSS: it is read and written before BSS is cleared. */
	.section .data.entry, "aw"
	.balign	64
boot_cpu_claim:
	.quad	0
	.balign	64
