/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The traces of the packing benchmark. Each is a function that plays requests to a player: the same ones for the same
 * seed, whatever the allocator answers. A trace is scaled to the memory it is played on.
 */
#ifndef TESTS_BENCH_PACKING_TRACES_H
#define TESTS_BENCH_PACKING_TRACES_H

#include "tests/bench/packing/player.h"

struct trace {
	const char *name; /* as in the keys of packing.json */
	const char *title;
	/* Plays it on memory that has been given. Ends the program when a request fails. */
	void (*play)(struct player *p, uint64_t seed);
};

extern const struct trace traces[];
extern const unsigned n_traces;

/* Most blocks that a trace has at a time, on `pages` frames. */
uint32_t trace_blocks(uint64_t pages);

/*
 * 90 % of memory filled with single frames, a random half of them freed (point "half"); then life goes on: 128 times a
 * random tenth of what is used is freed and as much is asked for anew.
 */
void trace_fill(struct player *p, uint64_t seed);

/*
 * A stream of bursts, each 1 to 2048 frames that are freed together, in random order; of all frames that are asked for,
 * every 4096th is kept for ever. The load swings between 10 % and 80 % of memory and is low most of the time (the mean of
 * what it swings to is a fifth of the way up). At the end everything short-lived goes.
 */
void trace_long_lived(struct player *p, uint64_t seed);

/*
 * Address spaces: each begins with a kernel stack (order 2), grows by bursts of single frames (tables and pages) and by
 * blocks of order 3 (slabs) while others grow as well, and dies as a whole. The load swings between 20 % and 80 %; at the
 * end it is brought down to 20 %.
 */
void trace_spaces(struct player *p, uint64_t seed);

#endif
