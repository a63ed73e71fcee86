/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The measured loops (rows/loops.h). Each body is written once and assembled twice: with its calls, and without them as NAME_empty.
 *
 * x19: turns left; w20: OR of the errors; x21: array; x22: argument; x23, x24: slots and sizes; x25: scratch; [sp, #80]: an
 * address that a call hands out.
 */
#define TAG 8 /* GR_TAG_USER */
#define STRIDE 4097
#define PA 80

/* Defines NAME and NAME_empty, whose turns are BODY. */
.macro	loop name, body
	one_loop \name, \body, 1
	one_loop \name\()_empty, \body, 0
.endm

.macro	one_loop name, body, live
	.balign	64
	.global	\name
\name:
	stp	x29, x30, [sp, #-96]!
	mov	x29, sp
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	str	x25, [sp, #64]
	mov	x25, #-1		/* GR_NO_PAGE */
	str	x25, [sp, #PA]
	mov	x25, #0
	ldp	x19, x21, [x0]		/* struct loop */
	ldp	x22, x23, [x0, #16]
	ldr	x24, [x0, #32]
	mov	w20, #0
1:	\body	\live
	subs	x19, x19, #1
	b.ne	1b
	mov	w0, w20
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldr	x25, [sp, #64]
	ldp	x29, x30, [sp], #96
	ret
.endm

.macro	pair live
	.if	\live
	mov	w0, #TAG
	bl	gr_alloc_page
	bl	gr_free_page
	.endif
	orr	w20, w20, w0
.endm

.macro	pair_2m live
	.if	\live
	mov	w0, #TAG
	bl	gr_alloc_2m
	bl	gr_free_2m
	.endif
	orr	w20, w20, w0
.endm

/* A request that fails leaves the address of the turn before, which is free. */
.macro	pair_order live
	.if	\live
	mov	w0, w22
	mov	w1, #0
	mov	w2, #TAG
	add	x3, sp, #PA
	bl	gr_alloc_pages
	ldr	x0, [sp, #PA]
	mov	w1, w22
	bl	gr_free_pages
	.endif
	orr	w20, w20, w0
.endm

.macro	alloc live
	.if	\live
	mov	w0, #TAG
	bl	gr_alloc_page
	.endif
	str	x0, [x21], #8
.endm

.macro	free live
	ldr	x0, [x21], #8
	.if	\live
	bl	gr_free_page
	.endif
	orr	w20, w20, w0
.endm

/* Indices from x25 = 0; the argument is n - 1. */
.macro	free_strided live
	and	x1, x25, x22
	ldr	x0, [x21, x1, lsl #3]
	add	x25, x25, #(STRIDE & ~0xfff)
	add	x25, x25, #(STRIDE & 0xfff)
	.if	\live
	bl	gr_free_page
	.endif
	orr	w20, w20, w0
.endm

.macro	touch live
	.if	\live
	mov	w0, #TAG
	bl	gr_alloc_page
	.endif
	orr	w20, w20, w0
.endm

.macro	heap_pair live
	.if	\live
	mov	x0, x22
	bl	gr_kmalloc
	bl	gr_kfree
	.endif
	orr	w20, w20, w0
.endm

.macro	heap_alloc live
	.if	\live
	mov	x0, x22
	bl	gr_kmalloc
	.endif
	str	x0, [x21], #8
.endm

.macro	heap_free live
	ldr	x0, [x21], #8
	.if	\live
	bl	gr_kfree
	.endif
	orr	w20, w20, w0
.endm

.macro	churn live
	ldrh	w25, [x23], #2
	ldr	x0, [x21, x25, lsl #3]
	.if	\live
	bl	gr_kfree
	.endif
	orr	w20, w20, w0
	ldrh	w0, [x24], #2
	.if	\live
	bl	gr_kmalloc
	.endif
	str	x0, [x21, x25, lsl #3]
.endm

	.section .text, "ax"
	loop	loop_pairs, pair
	loop	loop_pairs_2m, pair_2m
	loop	loop_pairs_order, pair_order
	loop	loop_alloc, alloc
	loop	loop_free, free
	loop	loop_free_strided, free_strided
	loop	loop_touch, touch
	loop	loop_heap_pairs, heap_pair
	loop	loop_heap_alloc, heap_alloc
	loop	loop_heap_free, heap_free
	loop	loop_churn, churn
