/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every row of `make bench` is measured with, on the target and on the host alike: a counter, the best of 25 runs, an empty
 * loop to subtract (loops.h). The files of rows/ hold the operations; kernel/ and host/ answer bench_now() and print.
 */
#ifndef TESTS_BENCH_ROWS_BENCH_H
#define TESTS_BENCH_ROWS_BENCH_H

#include "mm/library/granule.h"
#include "tests/bench/rows/loops.h"

#define RUNS 25
#define TAG GR_TAG_USER

/* Executed instructions (target) or nanoseconds or instructions (host) until now, of all CPUs together. */
uint64_t bench_now(void);
/*
 * Prints the line of a row: cost / operations. A row with an error, without operations, or cheaper than nothing fails the run.
 */
void bench_row(const char *key, int64_t cost, uint64_t operations, int error);
/* The same for a figure that is no count of instructions: value / divisor. */
void bench_figure(const char *key, uint64_t value, uint64_t divisor);
/* Says why the rows that follow cannot be measured, and fails the run. */
void bench_fail(const char *why);
/* RAM that nobody claims for himself when gr_init() is called: bytes of RAM less the image and the device tree. */
uint64_t bench_usable_bytes(void);

/* What two calls of bench_now() cost, one after the other. */
extern uint64_t bench_pair_cost;

/*
 * The least cost of `work` over RUNS runs; `before` and `after` are not in the price.
 */
#define LEAST(before, work, after)                                      \
	({                                                              \
		uint64_t least_ = UINT64_MAX;                           \
		for (unsigned run_ = 0; run_ < RUNS; run_++) {          \
			uint64_t start_, cost_;                         \
			before;                                         \
			start_ = bench_now();                           \
			work;                                           \
			cost_ = bench_now() - start_ - bench_pair_cost; \
			after;                                          \
			least_ = cost_ < least_ ? cost_ : least_;       \
		}                                                       \
		least_;                                                 \
	})

/*
 * The least cost of a loop over RUNS runs, less that of the empty one. `before` and `after` (NULL: none) are not in the price. *bad
 * collects what the loops return.
 */
int64_t bench_loop(const struct loop *l, loop_fn *before, loop_fn *live, loop_fn *empty, loop_fn *after, int *bad);

#define PAGES_MAX 65536
extern uint64_t bench_pages[PAGES_MAX];

/* Calibrates; first of all. */
void bench_counter(void);

/* Groups of rows. */
void bench_metadata(void); /* straight after gr_init() */
void bench_frames_uncached(void);
void bench_pair0(void);
void bench_frames(void); /* bench_pair0() too */
void bench_first_touch(void);
void bench_levels(void);
void bench_map4k(void);
void bench_pgtable(void); /* bench_map4k() too */
void bench_heap(void);

#endif
