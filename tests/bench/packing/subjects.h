/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The allocators that the packing benchmark compares, behind struct subject: the shipped page allocator (mm/frames.h),
 * with and without its per-CPU caches, and the textbook one.
 */
#ifndef TESTS_BENCH_PACKING_SUBJECTS_H
#define TESTS_BENCH_PACKING_SUBJECTS_H

#include "tests/bench/packing/player.h"

#define SUBJECT_CPUS 4 /* that a trace may name */

/*
 * mm/frames.h over one bank [start, start + pages), nothing of it given; start: a multiple of SECTION_PAGES, not 0. caches:
 * CPUs 0 .. SUBJECT_CPUS - 1 are online. Ends the program when there is no memory. Each for one thread.
 */
struct subject subject_granule(uint64_t start, uint64_t pages, bool caches);

/* lifo_buddy.h over the same range. */
struct subject subject_lifo(uint64_t start, uint64_t pages, unsigned max_order);

#endif
