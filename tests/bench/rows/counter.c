/* SPDX-License-Identifier: BSD-2-Clause */
/* How a loop is measured, and the price of measuring: two readings of the counter, one after the other. */
#include "tests/bench/rows/bench.h"

uint64_t bench_pair_cost;
uint64_t bench_pages[PAGES_MAX];

void bench_counter(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < RUNS; i++) {
		uint64_t start = bench_now();
		uint64_t cost = bench_now() - start;

		least = cost < least ? cost : least;
	}
	bench_pair_cost = least;
}

/* Not inlined, so that the loop and its empty twin are called by the same instructions. */
static __attribute__((noinline)) uint64_t timed(const struct loop *l, loop_fn *loop, int *bad)
{
	uint64_t start = bench_now();
	int result = loop(l);
	uint64_t cost = bench_now() - start - bench_pair_cost;

	*bad |= result;
	return cost;
}

int64_t bench_loop(const struct loop *l, loop_fn *before, loop_fn *live, loop_fn *empty, loop_fn *after, int *bad)
{
	uint64_t least = UINT64_MAX, least_empty = UINT64_MAX, cost;
	int ignored = 0;

	for (unsigned i = 0; i < RUNS; i++) {
		if (before)
			*bad |= before(l);
		cost = timed(l, live, bad);
		least = cost < least ? cost : least;
		if (after)
			*bad |= after(l);
	}
	for (unsigned i = 0; i < RUNS; i++) {
		cost = timed(l, empty, &ignored);
		least_empty = cost < least_empty ? cost : least_empty;
	}
	return (int64_t)(least - least_empty);
}
