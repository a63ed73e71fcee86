/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions about the bits of 64-bit words. No call into the compiler's run-time library: without FP registers gcc would turn
 * __builtin_popcountll into one. [L19]
 */
#ifndef LIB_BITMAP_H
#define LIB_BITMAP_H

#include "lib/defs.h"

#define BITMAP_WORDS(bits) (((bits) + 63) / 64)

/* Index of the lowest bit that is set; w != 0. */
static inline unsigned word_lowest(uint64_t w)
{
	return (unsigned)__builtin_ctzll(w);
}

/* Index of the highest bit that is set; w != 0. */
static inline unsigned word_highest(uint64_t w)
{
	return 63 - (unsigned)__builtin_clzll(w);
}

/* n low bits set, 0 <= n <= 64. */
static inline uint64_t word_mask(unsigned n)
{
	return n >= 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1;
}

/* How many bits are set: sums of pairs, nibbles and bytes side by side. */
static inline unsigned word_popcount(uint64_t w)
{
	w -= (w >> 1) & 0x5555555555555555u;
	w = (w & 0x3333333333333333u) + ((w >> 2) & 0x3333333333333333u);
	w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0fu;
	return (unsigned)((w * 0x0101010101010101u) >> 56);
}

/* The places where 2^order set bits begin at a multiple of 2^order (order 0 to 6): one bit for each. */
static inline uint64_t word_runs(uint64_t w, unsigned order)
{
	static const uint64_t starts[] = {
		UINT64_MAX,
		0x5555555555555555u,
		0x1111111111111111u,
		0x0101010101010101u,
		0x0001000100010001u,
		0x0000000100000001u,
		1,
	};

	for (unsigned i = 0; i < order; i++)
		w &= w >> ((uint64_t)1 << i);
	return w & starts[order];
}

static inline bool bitmap_test(const uint64_t *map, uint64_t i)
{
	return (map[i / 64] >> (i % 64)) & 1;
}

static inline void bitmap_set(uint64_t *map, uint64_t i)
{
	map[i / 64] |= (uint64_t)1 << (i % 64);
}

static inline void bitmap_clear(uint64_t *map, uint64_t i)
{
	map[i / 64] &= ~((uint64_t)1 << (i % 64));
}

#endif
