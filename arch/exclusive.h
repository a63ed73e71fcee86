/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The accesses of the page allocator's paths that other CPUs may see, inline, and the number of the running CPU. An
 * exclusive_ step that takes or flips is one load exclusive and one store exclusive with no other access between them (Arm
 * ARM DDI 0487, B2.9.5), in memory that other CPUs hardly ever touch; so it is the same with and without FEAT_LSE. A shared_
 * access is one for each 64-bit word (B2.2.1). Normal cacheable memory only.
 */
#ifndef ARCH_EXCLUSIVE_H
#define ARCH_EXCLUSIVE_H

#ifdef GRANULE_HOST
#include "arch/host/exclusive_inline.h"
#else
#include "arch/aarch64/exclusive_inline.h"
#endif

/*
 * uint64_t arch_cpu_key(void);
 *
 *	A number that is the running CPU's alone: MPIDR_EL1. Read without touching a register that belongs to whoever
 *	the allocator is linked into (TPIDR_ELx), at EL1 and EL2.
 *
 * bool exclusive_take(exclusive_word_t *word, uint64_t *old);
 *
 *	When *word is not 0: *old becomes *word, and *word 0. False, nothing written: it is. Acquire.
 *
 * bool exclusive_take_above(exclusive_word_t *word, uint64_t floor, uint64_t *old);
 *
 *	The same when *word is above floor (0 .. 4095, a constant).
 *
 * void exclusive_release(exclusive_word_t *word, uint64_t value);
 *
 *	Gives a word that was taken its value. Release.
 *
 * bool exclusive_flip(exclusive_word_t *word, uint64_t want, uint64_t mask, uint64_t flip);
 *
 *	When *word and want agree in the bits of mask: *word becomes *word ^ flip. False, nothing written: they do not.
 *	want, mask and flip as constants should be immediates of A64's logical instructions. No order with other accesses.
 *
 * uint64_t shared_load(const void *base, uint64_t index);
 *
 *	base[index], of 64-bit words that other CPUs write: one access, before those whose address comes from it.
 *	Compilers' own atomic loads cost an instruction more for the address.
 *
 * uint64_t rare_load(const uint64_t *word);
 *
 *	*word, which other CPUs write hardly ever: an access that a compiler may make one with its neighbour's.
 *
 * void shared_store(void *at, uint64_t value);
 *
 *	value into the 64-bit word at a multiple of 8 that other CPUs may read: one access, no order. gcc's own atomic stores
 *	know no address with an offset.
 *
 * void shared_store_two(void *at, uint64_t value);
 * void shared_store_eight(void *at, uint64_t value);
 *
 *	value into so many 64-bit words from a multiple of 8 on that other CPUs may read: each is one access, no order. One
 *	STP for two.
 *
 * uint64_t deposit_byte(uint64_t word, uint8_t byte, unsigned shift);
 *
 *	word, whose eight bits from `shift` on are 0, with byte in their place. In one instruction: compilers first
 *	clear what may stand above a byte argument in its register.
 *
 * void *cheap_base(void *p);
 *
 *	p, of which a compiler no longer knows what it is: it keeps it in one register instead of making it anew, in two
 *	instructions, for each use.
 */

#endif
