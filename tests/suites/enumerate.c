/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every state that a small machine can reach, and every operation in it, against the reference model: the sizes that are
 * quick. `make prove` does the larger ones (tests/proof/main.c).
 */
#define SUITE "enumerate"
#include "lib/tap.h"
#include "tests/proof/enumerate.h"
#include "tests/suites/arena.h"

#if __STDC_HOSTED__
#include "arch/host/host.h"
#endif

#define FRAME(address) ((address) >> 12)
#define LEAF 64u     /* frames */
#define MID 4096u    /* frames */
#define SMALL MIB(1) /* room for some 700 states of a small bank */

static void all_states(const struct enumeration *e, size_t bytes, uint64_t states)
{
	void *memory = test_arena(bytes);
	struct enumerated result;

	CHECK_OR_RETURN(memory != NULL);
	CHECK_EQ(enumerate_expected(e), states);
	if (!enumerate(e, memory, bytes, &result)) {
		tap_note("%s", result.wrong);
		CHECK(!"enumerated");
	}
	tap_note("%llu states, %llu operations, of which %llu accepted", (unsigned long long)result.states,
		 (unsigned long long)result.operations, (unsigned long long)result.steps);
	test_arena_reset();
}

TEST(B21, "every reachable state of 1, 2, 4 and 8 pages, every operation")
{
	static const uint64_t states[] = { 2, 5, 26, 677 };

	for (unsigned i = 0; i < 4; i++) {
		const struct enumeration e = { .bank = { { FRAME(GIB(1)) + 0x540, 1u << i } } };

		all_states(&e, SMALL, states[i]);
	}
}

TEST(B21, "every reachable state of 8 pages of which one is not there")
{
	static const struct enumeration e = { .bank = { { FRAME(GIB(1)), 8 } }, .holes = 1u << 5 };

	all_states(&e, SMALL, 26 * 2 * 5);
}

TEST(B21, "every reachable state of 8 blocks across the border of two kinds of node")
{
	/* Orders 3 to 6: leaf and mid. Orders 9 to 12: mid and section. */
	static const struct enumeration leaf_mid = { .bank = { { FRAME(GIB(1)) + LEAF, 8 } }, .unit = 3 };
	static const struct enumeration mid_section = { .bank = { { FRAME(GIB(1)) + MID, 8 } }, .unit = 9 };

	all_states(&leaf_mid, SMALL, 677);
	all_states(&mid_section, SMALL, 677);
}

TEST_ON(TAP_HOST, B21, "every reachable state of 8 pages in two nodes, in two sections, at address 0")
{
	static const struct enumeration leaves = { .bank = { { FRAME(GIB(1)) + LEAF - 4, 8 } } };
	static const struct enumeration mids = { .bank = { { FRAME(GIB(1)) + MID - 2, 8 } } };
	static const struct enumeration sections = { .bank = { { FRAME(GIB(2)) - 4, 8 } } };
	static const struct enumeration zero = { .bank = { { 0, 8 } } };

	all_states(&leaves, MIB(16), 26 * 26);
	all_states(&mids, MIB(16), 5 * 26 * 5);
	all_states(&sections, MIB(16), 26 * 26);
	all_states(&zero, MIB(16), 677);
}

TEST_ON(TAP_HOST, B21, "every reachable state of 10 pages")
{
	static const struct enumeration e = { .bank = { { FRAME(GIB(1)) + 0x540, 10 } } };

	all_states(&e, MIB(16), 677 * 5);
}

TEST_ON(TAP_HOST, B21, "every reachable state of a whole section in eighths, and of two that are only asked for whole")
{
	static const struct enumeration eighths = { .bank = { { FRAME(GIB(1)), 8 } }, .unit = 15 };
	static const struct enumeration wholes = { .bank = { { FRAME(GIB(1)), 2 } }, .unit = 18 };

	all_states(&eighths, MIB(64), 677 + 3);
	all_states(&wholes, MIB(64), 3 * 3);
}

TEST_ON(TAP_HOST, B21, "every reachable state of 4 pages below and 4 pages above 4 GiB")
{
	static const struct enumeration e = { .bank = { { FRAME(GIB(4)) - 4, 4 }, { FRAME(GIB(4)), 4 } } };

	all_states(&e, MIB(16), 26 * 26);
}

TEST_ON(TAP_HOST, B21, "every reachable state of 6 pages that are given one range at a time")
{
	static const struct enumeration e = { .bank = { { FRAME(GIB(1)) + 0x540, 6 } }, .grow = true };

	all_states(&e, MIB(16), 101 * 10);
}

#if __STDC_HOSTED__

TEST_ON(TAP_HOST, PV1, "every reachable state of 4 pages and two CPUs whose caches hold two of them, or four alone")
{
	/* 256 frames, of which 252 are in use all the time: 1/64 is 4. */
	static const struct enumeration e = { .bank = { { FRAME(GIB(1)) + 0x40, 4 } },
					      .beside = 0x40,
					      .behind = 256 - 0x44,
					      .cpus = 2,
					      .alone = 4,
					      .shared = 2,
					      .be_cpu = host_set_cpu_id };

	all_states(&e, MIB(16), 788);
}

TEST_ON(TAP_HOST, PV1, "every reachable state of 3 pages in a whole section, and of 3 blocks of 2 MiB, and two CPUs")
{
	/* The section table says that every frame has a record, so that frees take the short way. */
	static const struct enumeration pages = { .bank = { { FRAME(GIB(1)) + 0x400, 3 } },
						  .beside = 0x400,
						  .behind = 0x40000 - 0x403,
						  .cpus = 2,
						  .alone = 128,
						  .shared = 128,
						  .be_cpu = host_set_cpu_id,
						  .validate_states = true };
	static const struct enumeration blocks = { .bank = { { FRAME(GIB(1)) + 0x400, 3 } },
						   .beside = 0x400,
						   .behind = 0x40000 - 0xa00,
						   .unit = 9,
						   .cpus = 2,
						   .alone = 7,
						   .shared = 3,
						   .be_cpu = host_set_cpu_id,
						   .validate_states = true };

	all_states(&pages, MIB(64), 188);
	all_states(&blocks, MIB(64), 188);
}

#endif
