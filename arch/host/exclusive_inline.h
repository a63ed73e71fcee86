/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/exclusive.h with compiler atomics, which ThreadSanitizer sees. The number of a CPU is what its thread was given. */
#ifndef ARCH_HOST_EXCLUSIVE_INLINE_H
#define ARCH_HOST_EXCLUSIVE_INLINE_H

#include "arch/host/between.h"

typedef uint64_t __attribute__((may_alias)) exclusive_word_t;

extern _Thread_local uint64_t host_cpu_number;

static always_inline uint64_t arch_cpu_key(void)
{
	return host_cpu_number;
}

static always_inline bool exclusive_take_above(exclusive_word_t *word, uint64_t floor, uint64_t *old);

static always_inline bool exclusive_take(exclusive_word_t *word, uint64_t *old)
{
	return exclusive_take_above(word, 0, old);
}

static always_inline bool exclusive_take_above(exclusive_word_t *word, uint64_t floor, uint64_t *old)
{
	uint64_t value = __atomic_load_n(word, __ATOMIC_RELAXED);

	host_between();
	do {
		if (value <= floor)
			return false;
	} while (!__atomic_compare_exchange_n(word, &value, 0, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	*old = value;
	return true;
}

static always_inline void exclusive_release(exclusive_word_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static always_inline bool exclusive_flip(exclusive_word_t *word, uint64_t want, uint64_t mask, uint64_t flip)
{
	uint64_t value = __atomic_load_n(word, __ATOMIC_RELAXED);

	host_between();
	do {
		if ((value ^ want) & mask)
			return false;
	} while (!__atomic_compare_exchange_n(word, &value, value ^ flip, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

/* Acquire: C knows no order by an address that depends on the load. */
static always_inline uint64_t shared_load(const void *base, uint64_t index)
{
	uint64_t value = __atomic_load_n((const exclusive_word_t *)base + index, __ATOMIC_ACQUIRE);

	host_between();
	return value;
}

static always_inline uint64_t rare_load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static always_inline void *cheap_base(void *p)
{
	return p;
}

static always_inline uint64_t deposit_byte(uint64_t word, uint8_t byte, unsigned shift)
{
	return word | (uint64_t)byte << shift;
}

static always_inline void shared_store(void *at, uint64_t value)
{
	__atomic_store_n((exclusive_word_t *)at, value, __ATOMIC_RELAXED);
}

static always_inline void shared_store_two(void *at, uint64_t value)
{
	exclusive_word_t *word = at;

	__atomic_store_n(word, value, __ATOMIC_RELAXED);
	__atomic_store_n(word + 1, value, __ATOMIC_RELAXED);
}

static always_inline void shared_store_eight(void *at, uint64_t value)
{
	for (unsigned i = 0; i < 8; i += 2)
		shared_store_two((exclusive_word_t *)at + i, value);
}

#endif
