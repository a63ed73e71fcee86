/* SPDX-License-Identifier: BSD-2-Clause */
/* Small words that every room uses: attributes, sizes, alignment. No types of memory management live here. */
#ifndef LIB_DEFS_H
#define LIB_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define must_check __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define noinline __attribute__((noinline))
#define always_inline inline __attribute__((always_inline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define caller_address() ((uintptr_t)__builtin_return_address(0))
/* x stays in a register, where the compiler would rather compute or load it again each time. */
#define in_register(x) __asm__("" : "+r"(x))

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)
#define TIB(n) ((uint64_t)(n) << 40)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* a: a power of two. ALIGN_UP wraps to a small number above UINT64_MAX - a + 1: the caller excludes that first. */
#define ALIGN_MASK(a) (0 - (uint64_t)(a))
#define ALIGN_DOWN(x, a) ((x)&ALIGN_MASK(a))
#define ALIGN_UP(x, a) (((x) + ~ALIGN_MASK(a)) & ALIGN_MASK(a))
#define IS_ALIGNED(x, a) (((x) & ~ALIGN_MASK(a)) == 0)

static inline bool is_pow2(uint64_t x)
{
	return x != 0 && (x & (x - 1)) == 0;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif
