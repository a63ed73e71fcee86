/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every state that a small machine can reach, and every operation in it, against the reference model: the sizes that are
 * quick. `make prove` does the larger ones (tests/proof/main.c).
 */
#define SUITE "enumerate"
#include "lib/tap.h"
#include "tests/proof/enumerate.h"
#include "tests/suites/arena.h"

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

TEST_ON(TAP_HOST, B21, "every reachable state of 12 pages")
{
	static const struct enumeration e = { .bank = { { FRAME(GIB(1)) + 0x540, 12 } } };

	all_states(&e, MIB(64), 677 * 26);
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

TEST_ON(TAP_HOST, B21, "every reachable state of 8 pages that are given one range at a time")
{
	static const struct enumeration e = { .bank = { { FRAME(GIB(1)) + 0x540, 8 } }, .grow = true };

	all_states(&e, MIB(64), 10202);
}
