/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/exclusive.h in instructions. */
#ifndef ARCH_AARCH64_EXCLUSIVE_INLINE_H
#define ARCH_AARCH64_EXCLUSIVE_INLINE_H

#include "lib/defs.h"

typedef uint64_t __attribute__((may_alias)) exclusive_word_t;

static always_inline uint64_t arch_cpu_key(void)
{
	uint64_t mpidr;

	__asm__("mrs %0, mpidr_el1" : "=r"(mpidr));
	return mpidr;
}

static always_inline bool exclusive_take(exclusive_word_t *word, uint64_t *old)
{
	uint64_t value;
	uint32_t failed;

	__asm__ goto("1:	ldaxr	%[value], %[word]\n\t"
		     "cbz	%[value], %l[no]\n\t"
		     "stxr	%w[failed], xzr, %[word]\n\t"
		     "cbnz	%w[failed], 1b"
		     : [value] "=&r"(value), [failed] "=&r"(failed), [word] "+Q"(*word)
		     :
		     : "memory"
		     : no);
	*old = value;
	return true;
no:
	return false;
}

static always_inline bool exclusive_take_above(exclusive_word_t *word, uint64_t floor, uint64_t *old)
{
	uint64_t value;
	uint32_t failed;

	__asm__ goto("1:	ldaxr	%[value], %[word]\n\t"
		     "cmp	%[value], %[floor]\n\t"
		     "b.ls	%l[no]\n\t"
		     "stxr	%w[failed], xzr, %[word]\n\t"
		     "cbnz	%w[failed], 1b"
		     : [value] "=&r"(value), [failed] "=&r"(failed), [word] "+Q"(*word)
		     : [floor] "rI"(floor)
		     : "memory", "cc"
		     : no);
	*old = value;
	return true;
no:
	return false;
}

static always_inline void exclusive_release(exclusive_word_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static always_inline bool exclusive_flip(exclusive_word_t *word, uint64_t want, uint64_t mask, uint64_t flip)
{
	uint64_t value, differs;

	__asm__ goto("1:	ldxr	%[value], %[word]\n\t"
		     "eor	%[differs], %[value], %[want]\n\t"
		     "tst	%[differs], %[mask]\n\t"
		     "b.ne	%l[no]\n\t"
		     "eor	%[value], %[value], %[flip]\n\t"
		     "stxr	%w[differs], %[value], %[word]\n\t"
		     "cbnz	%w[differs], 1b"
		     : [value] "=&r"(value), [differs] "=&r"(differs), [word] "+Q"(*word)
		     : [want] "rL"(want), [mask] "rL"(mask), [flip] "rL"(flip)
		     : "cc"
		     : no);
	return true;
no:
	return false;
}

static always_inline uint64_t shared_load(const void *base, uint64_t index)
{
	uint64_t value;

	__asm__ volatile("ldr %0, [%1, %2, lsl #3]" : "=r"(value) : "r"(base), "r"(index));
	return value;
}

static always_inline uint64_t rare_load(const uint64_t *word)
{
	return *word;
}

static always_inline void *cheap_base(void *p)
{
	__asm__("" : "+r"(p));
	return p;
}

static always_inline __attribute__((no_instrument_function)) uint64_t deposit_byte(uint64_t word, uint8_t byte,
										   unsigned shift)
{
	__asm__("bfi %0, %x1, %2, #8" : "+r"(word) : "r"(byte), "i"(shift));
	return word;
}

static always_inline void shared_store(void *at, uint64_t value)
{
	*(volatile exclusive_word_t *)at = value;
}

static always_inline void shared_store_two(void *at, uint64_t value)
{
	struct two {
		exclusive_word_t word[2];
	};

	__asm__("stp %x1, %x1, %0" : "=Q"(*(struct two *)at) : "rZ"(value));
}

static always_inline void shared_store_eight(void *at, uint64_t value)
{
	struct eight {
		exclusive_word_t word[8];
	};

	__asm__("stp %x2, %x2, [%1]\n\t"
		"stp %x2, %x2, [%1, #16]\n\t"
		"stp %x2, %x2, [%1, #32]\n\t"
		"stp %x2, %x2, [%1, #48]"
		: "=m"(*(struct eight *)at)
		: "r"(at), "rZ"(value));
}

#endif
