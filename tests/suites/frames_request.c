/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests with wishes: address limits, nodes and their distances, exact numbers of frames. */
#define SUITE "frames_request"
#include "tests/suites/range_world.h"
#include "arch/arch.h"

/* ---- limits and nodes -------------------------------------------------------------------------------------------- */

TEST(FX1, "a limit inside a bank: everything below it can be had, block by block, and nothing else")
{
	/* 15 MiB and a page below 32 MiB. */
	struct span bank = { FRAME(MIB(17)) - 1, FRAME(MIB(30)) };
	struct frames_request r = { .tag = TAG_TEST, .address_bits = 25 };
	uint64_t n, got = 0;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (uint64_t size = 0x800; size; size >>= 1) {
		while (alloc_exact(size, &r, &n) && n != BUDDY_NONE) {
			got += size;
			CHECK(n + size <= FRAME(MIB(32)));
		}
		CHECK_EQ(n, BUDDY_NONE);
	}
	CHECK_EQ(got, FRAME(MIB(15)) + 1);
	r.address_bits = 26;
	CHECK(alloc_exact(1, &r, &n) && n >= FRAME(MIB(32)));
	r.address_bits = 24;
	CHECK_EQ(frames_alloc_request(&w.f, 0, &r, &f), MM_ENOMEM);
	world_check(&w);
}

TEST(FX1, "a limit below the size of the block that is free: its first frames")
{
	struct span bank = { 0, 0x100 };
	struct frames_request r = { .address_bits = 13 };
	uint64_t n;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK(alloc_exact(3, &r, &n) && n == BUDDY_NONE);
	CHECK(alloc_exact(2, &r, &n) && n == 0);
	CHECK(alloc_exact(1, &r, &n) && n == BUDDY_NONE);
	r.address_bits = 12;
	CHECK(free_exact(0, 2));
	CHECK(alloc_exact(1, &r, &n) && n == 0);
	CHECK(alloc_exact(1, &r, &n) && n == BUDDY_NONE);
	r.address_bits = 64;
	CHECK(alloc_exact(1, &r, &n) && n == 1);
	world_check(&w);
}

TEST(FX1, "4 GiB and a number of bits are the same kind of limit; the smaller counts")
{
	struct span banks[] = { { FRAME(GIB(3)), 0x40 }, { FRAME(GIB(4)), 0x40 }, { FRAME(GIB(9)), 0x40 } };
	struct frames_request r = { .flags = FRAMES_BELOW_4G, .address_bits = 33 };
	uint64_t n;

	WORLD_OR_RETURN(&w, banks, 3);
	for (unsigned i = 0; i < 3; i++)
		world_add(&w, banks[i].start, banks[i].pages);
	CHECK(alloc_exact(5, &r, &n) && n == FRAME(GIB(3)));
	r.flags = 0;
	CHECK(alloc_exact(5, &r, &n) && n == FRAME(GIB(4)));
	r.address_bits = 32;
	CHECK(alloc_exact(5, &r, &n) && n == FRAME(GIB(3)) + 8);
	r.address_bits = 31;
	CHECK(alloc_exact(1, &r, &n) && n == BUDDY_NONE);
	r.address_bits = 34;
	CHECK(alloc_exact(64, &r, &n) && n == FRAME(GIB(9)));
	world_check(&w);
}

TEST(FX8, "the node that is asked for, then the others by distance; or no other")
{
	/* Node i is bank i. */
	struct span banks[] = {
		{ FRAME(GIB(1)), 8 }, { FRAME(GIB(2)), 8 }, { FRAME(GIB(5)), 8 }, { FRAME(GIB(6)), 8 }
	};
	static const unsigned order[] = { 1, 3, 0, 2 };
	struct frames_request r = { .has_node = true, .node = 1, .tag = TAG_TEST };
	uint64_t n;

	WORLD_OR_RETURN(&w, banks, 4);
	CHECK_EQ(frames_set_distance(&w.f, 1, 3, 15), MM_OK);
	CHECK_EQ(frames_set_distance(&w.f, 1, 0, 16), MM_OK);
	CHECK_EQ(frames_set_distance(&w.f, 3, 1, 255), MM_OK); /* the other way round */
	far[1][3] = 15;
	far[1][0] = 16;
	far[3][1] = 255;
	for (unsigned i = 0; i < 4; i++)
		world_add(&w, banks[i].start, banks[i].pages);
	for (unsigned i = 0; i < 4; i++) {
		CHECK(alloc_exact(8, &r, &n));
		CHECK_EQ(n, banks[order[i]].start);
	}
	CHECK(alloc_exact(1, &r, &n) && n == BUDDY_NONE);
	CHECK(free_exact(banks[1].start, 8));
	CHECK(free_exact(banks[2].start, 8));
	r.node = 3;
	r.only_node = true;
	CHECK(alloc_exact(1, &r, &n) && n == BUDDY_NONE);
	r.only_node = false;
	/* 2 is at 20, 1 at 255. */
	CHECK(alloc_exact(8, &r, &n) && n == banks[2].start);
	r.node = 77; /* nobody's */
	CHECK(alloc_exact(1, &r, &n) && n == banks[1].start);
	r.only_node = true;
	CHECK(alloc_exact(1, &r, &n) && n == BUDDY_NONE);
	r.node = 1;
	CHECK(alloc_exact(7, &r, &n) && n == BUDDY_NONE);
	CHECK(alloc_exact(4, &r, &n) && n == banks[1].start + 4);
	world_check(&w);
	memset(far, 0, sizeof(far));
}

TEST(FX8, "without a distance a node is at 10 from itself and at 20 from others, nodes that have no number here too")
{
	struct span banks[] = { { FRAME(GIB(4)), 8 }, { FRAME(GIB(5)), 8 } };
	/* From a node to the first bank's, to the second bank's; which is asked first. */
	static const struct {
		uint32_t from, node[2];
		unsigned distance[2], first;
	} wish[] = {
		{ 1, { 0, 1 }, { 0, 0 }, 1 },	   { 1, { 0, 1 }, { 11, 0 }, 1 },
		{ 1, { 0, 1 }, { 10, 0 }, 0 }, /* as near as its own: by address */
		{ 1, { 0, 1 }, { 10, 11 }, 0 },	   { 1, { 0, 1 }, { 11, 12 }, 0 },
		{ 3, { 0, 1 }, { 0, 19 }, 1 },	   { 3, { 0, 1 }, { 0, 20 }, 0 },
		{ 3, { 0, 1 }, { 21, 0 }, 1 },	   { 15, { 14, 15 }, { 0, 0 }, 1 },
		{ 15, { 14, 15 }, { 12, 13 }, 0 }, { 16, { 0, 16 }, { 0, 0 }, 1 },
		{ 0, { 16, 1 }, { 0, 0 }, 0 },	   { 14, { 16, 1 }, { 0, 30 }, 0 },
		{ 77, { 16, 77 }, { 0, 0 }, 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(wish); i++) {
		struct frames_request r = { .has_node = true, .node = wish[i].from, .tag = TAG_TEST };
		pfn_t f;

		WORLD_OR_RETURN(&w, banks, 2);
		/* Whoever reads behind a row or column of the table finds this. */
		for (unsigned from = 0; from < FRAMES_MAX_NODES; from++)
			CHECK_EQ(frames_set_distance(&w.f, from, 2, 10), MM_OK);
		for (unsigned to = 2; to < FRAMES_MAX_NODES - 2; to++)
			CHECK_EQ(frames_set_distance(&w.f, 2, to, 10), MM_OK);
		for (unsigned k = 0; k < 2; k++) {
			world_add(&w, banks[k].start, 8);
			world_bank(&w, k)->numa_node = wish[i].node[k];
			if (wish[i].distance[k])
				CHECK_EQ(frames_set_distance(&w.f, wish[i].from, wish[i].node[k], wish[i].distance[k]),
					 MM_OK);
		}
		CHECK_EQ(frames_alloc_request(&w.f, 0, &r, &f), MM_OK);
		CHECK_EQ(f.n, banks[wish[i].first].start);
		/* The other one is asked, too. */
		CHECK_EQ(frames_alloc_request(&w.f, 3, &r, &f), MM_OK);
		CHECK_EQ(f.n, banks[!wish[i].first].start);
	}
}

TEST(FX8, "a node's neighbour in the table is not read for a node behind its end")
{
	struct span banks[] = { { FRAME(GIB(4)), 8 }, { FRAME(GIB(5)), 8 } };
	struct frames_request r = { .has_node = true, .node = 4, .tag = TAG_TEST };
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, 8);
	world_add(&w, banks[1].start, 8);
	/* [4][16] would be [5][0]. */
	world_bank(&w, 1)->numa_node = FRAMES_MAX_NODES;
	CHECK_EQ(frames_set_distance(&w.f, 5, 0, 10), MM_OK);
	CHECK_EQ(frames_alloc_request(&w.f, 0, &r, &f), MM_OK);
	CHECK_EQ(f.n, banks[0].start);
	/* Nor what stands behind the table, for such a node's own requests. */
	for (unsigned i = 0; i < 15; i++)
		CHECK_EQ(frames_alloc(&w.f, 10, 0, TAG_TEST, &f), MM_ENOMEM);
	r.node = FRAMES_MAX_NODES;
	CHECK_EQ(frames_alloc_request(&w.f, 0, &r, &f), MM_OK);
	CHECK_EQ(f.n, banks[1].start);
}

TEST(FX8, "distances that make no sense are refused")
{
	struct span bank = { FRAME(GIB(1)), 8 };

	WORLD_OR_RETURN(&w, &bank, 1);
	CHECK_EQ(frames_set_distance(&w.f, 0, 1, 9), MM_EINVAL);
	CHECK_EQ(frames_set_distance(&w.f, 0, 1, 0), MM_EINVAL);
	CHECK_EQ(frames_set_distance(&w.f, 0, 1, 256), MM_ERANGE);
	CHECK_EQ(frames_set_distance(&w.f, 0, FRAMES_MAX_NODES, 20), MM_ERANGE);
	CHECK_EQ(frames_set_distance(&w.f, UINT32_MAX, 0, 20), MM_ERANGE);
	CHECK_EQ(frames_set_distance(&w.f, 0, 0, 10), MM_OK);
	CHECK_EQ(frames_set_distance(&w.f, FRAMES_MAX_NODES - 1, 0, 255), MM_OK);
}

TEST(FX2, "arguments that make no sense are MM_EINVAL, and nothing changes")
{
	struct span bank = { FRAME(GIB(1)), 0x100 };
	static const struct frames_request bad[] = {
		{ .flags = FRAMES_BEST_EFFORT << 1 },
		{ .flags = 1u << 31 },
		{ .address_bits = 1 },
		{ .address_bits = 11 },
		{ .address_bits = 65 },
		{ .address_bits = 255 },
		{ .only_node = true },
		{ .only_node = true, .node = 0 },
	};
	const struct frames_request good = { .tag = 255 }, best = { .flags = FRAMES_BEST_EFFORT };
	pfn_t f = pfn(0x1234);
	uint64_t before;
	unsigned n = 99;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	before = world_sum(&w);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(frames_alloc_request(&w.f, 0, &bad[i], &f), MM_EINVAL);
		CHECK_EQ(frames_alloc_exact(&w.f, 3, &bad[i], &f), MM_EINVAL);
		CHECK_EQ(frames_alloc_runs(&w.f, 3, 1, &bad[i], runs, MAX_RUNS, &n), MM_EINVAL);
	}
	CHECK_EQ(frames_alloc_request(&w.f, MAX_ORDER + 1, &good, &f), MM_EINVAL);
	CHECK_EQ(frames_alloc_request(&w.f, 64, &good, &f), MM_EINVAL);
	CHECK_EQ(frames_alloc_request(&w.f, 0, &best, &f), MM_EINVAL);
	CHECK_EQ(frames_alloc_exact(&w.f, 1, &best, &f), MM_EINVAL);
	CHECK_EQ(frames_alloc_exact(&w.f, 0, &good, &f), MM_EINVAL);
	CHECK_EQ(frames_alloc_exact(&w.f, SECTION_PAGES + 1, &good, &f), MM_EINVAL);
	CHECK_EQ(frames_alloc_exact(&w.f, UINT64_MAX, &good, &f), MM_EINVAL);
	CHECK_EQ(frames_alloc_exact(&w.f, SECTION_PAGES, &good, &f), MM_ENOMEM);
	CHECK_EQ(frames_alloc_exact(&w.f, 0x101, &good, &f), MM_ENOMEM);
	CHECK_EQ(frames_alloc_request(&w.f, MAX_ORDER, &good, &f), MM_ENOMEM);
	CHECK_EQ(frames_alloc_runs(&w.f, 0, 1, &good, runs, MAX_RUNS, &n), MM_EINVAL);
	CHECK_EQ(frames_alloc_runs(&w.f, 3, 0, &good, runs, MAX_RUNS, &n), MM_EINVAL);
	CHECK_EQ(frames_alloc_runs(&w.f, 3, 3, &good, runs, MAX_RUNS, &n), MM_EINVAL);
	CHECK_EQ(frames_alloc_runs(&w.f, 3, 1, &good, runs, 0, &n), MM_EINVAL);
	CHECK_EQ(frames_alloc_runs(&w.f, UINT64_MAX, 1, &best, runs, MAX_RUNS, &n), MM_ENOMEM);
	CHECK_EQ(frames_alloc_runs(&w.f, 3, (uint64_t)1 << 63, &best, runs, MAX_RUNS, &n), MM_ENOMEM);
	CHECK_EQ(f.n, 0x1234);
	CHECK_EQ(n, 99);
	CHECK(world_sum(&w) == before);
	world_check(&w);
}

/* ---- exact numbers ----------------------------------------------------------------------------------------------- */

TEST(FX2, "any number of frames: an aligned range of owner's blocks, and the tail stays free")
{
	struct span bank = { FRAME(GIB(1)) + 1, 0x1fff };
	struct frames_request r = { .tag = TAG_USER };
	struct frames_stats stats;
	uint64_t n, held[70];

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned pages = 1; pages < 70; pages++) {
		uint64_t align = 1;

		while (align < pages)
			align <<= 1;
		CHECK(alloc_exact(pages, &r, &n));
		CHECK(IS_ALIGNED(n, align));
		held[pages] = n;
	}
	world_check(&w);
	frames_get_stats(&w.f, &stats);
	CHECK_EQ(stats.free_pages, bank.pages - 69 * 70 / 2);
	CHECK_EQ(stats.peak_used_pages, 69 * 70 / 2);
	/* Its blocks may go one by one as well. */
	for (unsigned pages = 1; pages < 70; pages++)
		if (pages % 2)
			CHECK(free_exact(held[pages], pages));
	for (unsigned pages = 2; pages < 70; pages += 2) {
		struct model_run first = *model_find(&w.model, held[pages]);

		CHECK(world_free(&w, first.n, first.order));
		if (pages > first.pages)
			CHECK(free_exact(first.n + first.pages, pages - first.pages));
	}
	world_check(&w);
	CHECK_EQ(frames_largest_free(&w.f), 12);
}

TEST(FX2, "numbers of frames at a section's size, and across what is untouched")
{
	struct span banks[] = { { FRAME(GIB(1)), SECTION_PAGES } };
	struct frames_request r = { .tag = TAG_USER };
	uint64_t n;

	WORLD_OR_RETURN(&w, banks, 1);
	world_add(&w, banks[0].start, banks[0].pages);
	CHECK(alloc_exact(SECTION_PAGES, &r, &n) && n == FRAME(GIB(1)));
	world_check(&w);
	CHECK(alloc_exact(1, &r, &n) && n == BUDDY_NONE);
	CHECK(free_exact(FRAME(GIB(1)), SECTION_PAGES));
	world_check(&w);
	CHECK_EQ(w.sections[1] & SECTION_STATE_MASK, SECTION_UNTOUCHED);
	CHECK(alloc_exact(SECTION_PAGES - 1, &r, &n) && n == FRAME(GIB(1)));
	CHECK(alloc_exact(1, &r, &n) && n == FRAME(GIB(2)) - 1);
	CHECK(free_exact(FRAME(GIB(1)), SECTION_PAGES));
	CHECK(alloc_exact(SECTION_PAGES / 2 + 1, &r, &n) && n == FRAME(GIB(1)));
	CHECK(alloc_exact(SECTION_PAGES / 2, &r, &n) && n == BUDDY_NONE);
	CHECK(alloc_exact(SECTION_PAGES / 4 + 1, &r, &n) && n == BUDDY_NONE);
	CHECK(alloc_exact(SECTION_PAGES / 4, &r, &n) && n == FRAME(GIB(1)) + 3 * SECTION_PAGES / 4);
	world_check(&w);
}

TEST_ON(TAP_HOST, FX2, "an exact number of zeroed frames is zero to the last byte, and what is behind is not touched")
{
	struct span bank = { FRAME(GIB(1)), 64 };
	struct frames_request r = { .flags = FRAMES_ZERO };
	uintptr_t base = arch_linear_base;
	char *ram;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	ram = test_arena(64 * PAGE_SIZE);
	CHECK_OR_RETURN(ram != NULL);
	arch_linear_base = (uintptr_t)ram - GIB(1);
	for (unsigned pages = 1; pages < 12; pages += 2) {
		size_t at, dirty = 0;

		memset(ram, 0xa5, 64 * PAGE_SIZE);
		CHECK_EQ(frames_alloc_exact(&w.f, pages, &r, &f), MM_OK);
		at = (size_t)(f.n - bank.start) * PAGE_SIZE;
		for (size_t i = 0; i < pages * PAGE_SIZE; i++)
			dirty += ram[at + i] != 0;
		CHECK_EQ(dirty, 0);
		CHECK_EQ(ram[at + pages * PAGE_SIZE] & 0xff, 0xa5);
	}
	arch_linear_base = base;
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

/* ---- random sequences -------------------------------------------------------------------------------------------- */

/* A run of blocks with one owner tag each stays in the model: any stretch of it may be given back at once. */
static bool free_some(uint64_t *seed)
{
	const struct model_run *block = world_random_used(&w, seed), *next;
	uint64_t n, pages, most = chance(seed) % 40;

	if (!block)
		return true;
	n = block->n;
	pages = block->pages;
	while (most-- && (next = model_find(&w.model, n + pages)) != NULL && next->state == MODEL_USED)
		pages += next->pages;
	return free_exact(n, pages);
}

static void random_walk(uint64_t seed, unsigned steps, uint64_t most)
{
	static const uint8_t bits[] = { 0, 30, 31, 32, 33, 34, 64 };
	unsigned wrong = 0, refused = 0, several = 0, n_runs;
	uint64_t n;
	pfn_t f;

	for (unsigned i = 0; i < steps && !wrong; i++) {
		unsigned dice = (unsigned)(chance(&seed) % 100), growing = i / 256 % 2 ? 35 : 65;
		uint64_t pages = 1 + chance(&seed) % (chance(&seed) % 3 ? 30 : most);
		struct frames_request r = {
			.tag = (uint8_t)(TAG_USER + i % 100),
			.flags = chance(&seed) % 8 ? 0 : FRAMES_BELOW_4G,
			.address_bits = bits[chance(&seed) % ARRAY_SIZE(bits)],
			.has_node = chance(&seed) % 2,
			.node = (uint32_t)(chance(&seed) % NODES),
		};

		r.only_node = r.has_node && chance(&seed) % 4 == 0;
		if (w.model.runs > WORLD_RUNS - 200)
			growing = 0;
		if (dice < growing / 2) {
			wrong += !alloc_exact(pages < SECTION_PAGES ? pages : 1, &r, &n);
			refused += n == BUDDY_NONE;
		} else if (dice < growing) {
			if (chance(&seed) % 2)
				r.flags |= FRAMES_BEST_EFFORT;
			wrong += !alloc_runs(pages, (uint64_t)1 << chance(&seed) % 7, &r,
					     1 + (unsigned)(chance(&seed) % MAX_RUNS), &n_runs);
			refused += n_runs == 0;
			several += n_runs > 1;
		} else if (dice < 85) {
			wrong += !free_some(&seed);
		} else if (dice < 90) {
			wrong += !world_alloc(&w, (unsigned)(chance(&seed) % 6), 0, TAG_TEST, &f);
		} else {
			const struct model_run *block = world_random_used(&w, &seed);

			if (block)
				wrong += !world_free(&w, block->n, block->order);
		}
		if (wrong)
			tap_note("step %u went wrong", i);
		if (i % (steps / 4 + 1) == 9)
			world_check(&w);
	}
	CHECK_EQ(wrong, 0);
	world_check(&w);
	while (world_random_used(&w, &seed))
		CHECK_OR_RETURN(free_some(&seed));
	world_check(&w);
	tap_note("%u requests found no memory, %u found it in several runs", refused, several);
}

TEST(FX9, "random sequences of wishes against the model: two banks on one side of a limit each")
{
	struct span banks[] = { { FRAME(GIB(1)) - 0x123, 0x400 }, { FRAME(GIB(4)) - 0x301, 0x301 } };

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, 0x200);
	world_add(&w, banks[0].start + 0x201, 0x1ff);
	world_add(&w, banks[1].start, 0x301);
	random_walk(5, 2000, 0x300);
}

TEST_ON(TAP_HOST, FX9,
	"random sequences of wishes against the model: four nodes, ranges across sections, limits inside them")
{
	struct span banks[] = { { FRAME(GIB(2)) - 0x7001, 2 * SECTION_PAGES },
				{ FRAME(GIB(9)) + 0x77, 3 * SECTION_PAGES },
				{ FRAME(GIB(5)), 0x2000 },
				{ FRAME(GIB(15)) + 5, 2 * SECTION_PAGES } };

	for (uint64_t seed = 1; seed <= 2; seed++) {
		WORLD_OR_RETURN(&w, banks, 4);
		for (unsigned i = 0; i < 4; i++) {
			world_add(&w, banks[i].start, banks[i].pages / 2);
			world_add(&w, banks[i].start + banks[i].pages / 2 + 1, banks[i].pages - banks[i].pages / 2 - 1);
		}
		for (unsigned from = 0; from < NODES; from++)
			for (unsigned to = 0; to < NODES; to++) {
				far[from][to] = from == to ? 10 : 11 + (unsigned)(chance(&seed) % 5);
				CHECK_EQ(frames_set_distance(&w.f, from, to, far[from][to]), MM_OK);
			}
		random_walk(seed, 6000, 2 * SECTION_PAGES);
	}
	memset(far, 0, sizeof(far));
}
