/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The recorded trace: what the kernel asked of its page allocator in a boot and a load (tests/bench/packing/record.c,
 * record_load.c), as tests/bench/packing/record.py packed it. record.py describes the format.
 */
#ifndef TESTS_BENCH_PACKING_REPLAY_H
#define TESTS_BENCH_PACKING_REPLAY_H

#include "tests/bench/packing/player.h"

#define REPLAY_SAMPLES 256

struct recording {
	uint64_t start, pages; /* frames that the machine's memory lies in; start is a multiple of SECTION_PAGES */
	uint32_t blocks;       /* live at a time, at most */
	uint64_t events;       /* allocations and frees */
	const uint8_t *data;
	size_t bytes;
};

/* Reads the first line of a trace of `bytes` bytes, which must stay. False: this is none. */
must_check bool replay_open(struct recording *r, const uint8_t *file, size_t bytes);

/*
 * Plays it: gives memory, allocates and frees, and calls player_point(p, "sample") REPLAY_SAMPLES times, evenly by events.
 * False: the trace is broken off, or names what cannot be; what was played until then was played.
 */
must_check bool replay_play(const struct recording *r, struct player *p);

#endif
