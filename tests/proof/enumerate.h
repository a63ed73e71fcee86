/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proof by enumeration: runs the shipped page allocator through every state that a small machine can reach, and in each
 * state through every operation, good and bad, and compares each step with the reference model.
 *
 * A state is everything that the allocator keeps: section table, bank, nodes, records, the table of CPUs and what is in
 * their caches, in its order; counters, lock tickets, last owners and what lies behind the end of a stack are left out.
 * Two states are one only when all of these words are equal, so a state that depends on how it was reached shows as a
 * state too many: the number there must be is known from the definition of a buddy.
 */
#ifndef TESTS_PROOF_ENUMERATE_H
#define TESTS_PROOF_ENUMERATE_H

#include "lib/defs.h"

#define ENUMERATE_BANKS 2
#define ENUMERATE_UNITS 16 /* in all banks together */
#define ENUMERATE_CPUS 2

struct enumeration {
	/* Banks of some units each; a unit is a block of 2^unit frames, and nothing smaller is asked for. */
	struct {
		uint64_t start; /* frame */
		unsigned units;
	} bank[ENUMERATE_BANKS];
	unsigned unit;
	uint32_t holes; /* bit u: unit u (counted through the banks) is never given */
	bool grow;	/* nothing is given at first: giving is an operation */
	/*
	 * Frames before and behind the first bank's units that belong to it too, and are in use all the time: what caches
	 * may hold depends on how many frames there are.
	 */
	uint64_t beside, behind;
	/*
	 * Two CPUs or none. be_cpu() makes the calling thread play one. Each of them does each operation, comes and goes.
	 * Caches hold units: so many when a CPU is there alone, and so many when the other is there too.
	 */
	unsigned cpus;
	unsigned alone, shared;
	void (*be_cpu)(uint64_t cpu);
	/* Each step is compared; but the allocator's own check is run once for each state only, where banks are large. */
	bool validate_states;
};

struct enumerated {
	uint64_t states;
	uint64_t operations; /* accepted and refused */
	uint64_t steps;	     /* of these, what led to a state: each is compared and validated */
	uint64_t bytes;	     /* of memory used */
	char wrong[512];     /* what went wrong first, or empty */
};

/*
 * How many states there must be, by the definition of a buddy; with CPUs, if every order in which free units can lie in
 * caches is reached.
 */
uint64_t enumerate_expected(const struct enumeration *e);

/*
 * Enumerates with `bytes` bytes at `memory` (4 KiB-aligned). True when nothing went wrong and the number of states is the
 * expected one.
 */
bool enumerate(const struct enumeration *e, void *memory, size_t bytes, struct enumerated *out);

#endif
