/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Distances between NUMA nodes: from the tree's /distance-map to the bank that answers a request; in written trees, and
 * on the target in the machine's own.
 */
#define SUITE "numa"
#include "mm/numa.h"
#include "tests/suites/fdt_writer.h"
#include "tests/suites/frames_world.h"

static struct world w;
static uint8_t blob[4096] __attribute__((aligned(8)));
static struct fdt fdt;

static bool build(const char *compatible, const char *matrix, unsigned cells, const uint32_t *numbers)
{
	struct fdtw tree;
	size_t n;

	fdtw_start(&tree, blob, sizeof(blob));
	fdtw_begin_root(&tree, 2, 2);
	fdtw_begin(&tree, "memory@0");
	fdtw_end(&tree);
	fdtw_begin(&tree, "distance-map");
	fdtw_str(&tree, "compatible", compatible);
	fdtw_word(&tree, FDTW_PROP);
	fdtw_word(&tree, cells * 4);
	fdtw_word(&tree, fdtw_string(&tree, matrix));
	for (unsigned i = 0; i < cells; i++)
		fdtw_word(&tree, numbers[i]);
	fdtw_end(&tree);
	fdtw_end(&tree);
	n = fdtw_finish(&tree);
	return n != 0 && fdt_open(&fdt, blob, n);
}

#define BUILD(...)                                                                                                 \
	do {                                                                                                       \
		static const uint32_t numbers_[] = { __VA_ARGS__ };                                                \
		CHECK_OR_RETURN(build("numa-distance-map-v1", "distance-matrix", ARRAY_SIZE(numbers_), numbers_)); \
	} while (0)

/* Three nodes with a frame each. */
static bool three_nodes(void)
{
	static const struct span banks[] = { { FRAME(GIB(1)), 1 }, { FRAME(GIB(2)), 1 }, { FRAME(GIB(3)), 1 } };

	if (!world_make(&w, banks, 3))
		return false;
	for (unsigned i = 0; i < 3; i++)
		world_add(&w, banks[i].start, 1);
	return true;
}

/* The nodes in the order in which a request near `node` is answered, as decimal digits. */
static unsigned order_of(uint32_t node)
{
	struct frames_request r = { .has_node = true, .node = node };
	unsigned digits = 0;
	pfn_t f[3];

	for (unsigned i = 0; i < 3; i++) {
		if (frames_alloc_request(&w.f, 0, &r, &f[i]))
			return 0;
		digits = digits * 10 + (unsigned)(f[i].n / FRAME(GIB(1)));
	}
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(frames_free(&w.f, f[i], 0), MM_OK);
	return digits;
}

TEST(FX11, "requests fall back by the distances of the tree; an entry counts for both directions")
{
	CHECK_OR_RETURN(three_nodes());
	CHECK_EQ(order_of(0), 123);
	CHECK_EQ(order_of(1), 213);
	CHECK_EQ(order_of(2), 312);
	BUILD(0, 0, 10, 0, 1, 40, 0, 2, 15, 1, 1, 10, 1, 2, 300, 2, 2, 10);
	CHECK_EQ(numa_read_distances(&w.f, &fdt), 6);
	CHECK_EQ(order_of(0), 132);
	CHECK_EQ(order_of(1), 213);
	CHECK_EQ(order_of(2), 312);
	CHECK_EQ(w.f.distance[1][2], 255);
	CHECK_EQ(w.f.distance[2][0], 15);
	/* Both directions named, and different. */
	BUILD(0, 1, 11, 0, 2, 12, 1, 0, 20, 1, 2, 15, 2, 0, 14, 2, 1, 13);
	CHECK_EQ(numa_read_distances(&w.f, &fdt), 6);
	CHECK_EQ(order_of(0), 123);
	CHECK_EQ(order_of(1), 231);
	CHECK_EQ(order_of(2), 321);
	test_arena_reset();
}

TEST(FX11, "of a malformed map nothing is used; without a map, or with nodes that are too many, nothing is said")
{
	static const uint32_t good[] = { 0, 1, 15 };

	CHECK_OR_RETURN(three_nodes());
	world_log_begin();
	BUILD(0, 1, 15, 1, 1, 11);
	CHECK_EQ(numa_read_distances(&w.f, &fdt), 0);
	BUILD(0, 1, 15, 1, 2, 10);
	CHECK_EQ(numa_read_distances(&w.f, &fdt), 0);
	BUILD(0, 1, 15, 1);
	CHECK_EQ(numa_read_distances(&w.f, &fdt), 0);
	CHECK(contains(world_line, "numa: the distance map is not used: distance-matrix"));
	CHECK_OR_RETURN(build("numa-distance-map-v1", "distance-matrices", 3, good));
	CHECK_EQ(numa_read_distances(&w.f, &fdt), 0);
	CHECK_EQ(world_log_end(), 4);
	world_log_begin();
	CHECK_OR_RETURN(build("numa-distance-map-v2", "distance-matrix", 3, good));
	CHECK_EQ(numa_read_distances(&w.f, &fdt), 0);
	BUILD(0, FRAMES_MAX_NODES, 15, 77, 78, 15, UINT32_MAX, 0, 99);
	CHECK_EQ(numa_read_distances(&w.f, &fdt), 0);
	CHECK_EQ(world_log_end(), 0);
	for (unsigned i = 0; i < FRAMES_MAX_NODES * FRAMES_MAX_NODES; i++)
		CHECK_OR_RETURN(w.f.distance[i / FRAMES_MAX_NODES][i % FRAMES_MAX_NODES] == 0);
	test_arena_reset();
}

/* ---- this machine ------------------------------------------------------------------------------------------------ */

#if defined(__aarch64__) && !__STDC_HOSTED__

#include "boot/boot.h"

static uint32_t machine_node(pfn_t f)
{
	for (unsigned i = 0; i < boot.mm.bank_count; i++)
		if (f.n - boot.mm.banks[i].start.n < boot.mm.banks[i].pages)
			return boot.mm.banks[i].numa_node;
	return UINT32_MAX;
}

/* Straight from the property; 10 and 20 where there is none. */
static uint32_t machine_distance(uint32_t from, uint32_t to)
{
	size_t len = 0;
	const uint8_t *p = fdt_prop(&boot.fdt, fdt_find(&boot.fdt, "/distance-map", 13), "distance-matrix", &len);

	for (size_t i = 0; p && i + 12 <= len; i += 12)
		if (fdtw_peek(p, i) == from && fdtw_peek(p, i + 4) == to)
			return fdtw_peek(p, i + 8);
	return from == to ? 10 : 20;
}

/* Whether the node has a block of the order now. */
static bool has(uint32_t node, unsigned order)
{
	struct frames_request r = { .has_node = true, .only_node = true, .node = node, .tag = TAG_TEST };
	pfn_t f;

	if (frames_alloc_request(boot.frames, order, &r, &f))
		return false;
	CHECK_EQ(machine_node(f), node);
	CHECK_EQ(frames_free(boot.frames, f, order), MM_OK);
	return true;
}

TEST_ON(TAP_TARGET, FX11,
	"on this machine: each node's requests are its own, then the nearest node's that has what is asked for")
{
	unsigned wrong = 0;

	frames_drain(boot.frames);
	for (unsigned i = 0; i < boot.mm.bank_count; i++)
		for (unsigned order = 0; order <= MAX_ORDER; order++) {
			struct frames_request r = { .has_node = true,
						    .node = boot.mm.banks[i].numa_node,
						    .tag = TAG_TEST };
			uint32_t nearest = UINT32_MAX;
			pfn_t f;
			int err;

			for (unsigned k = 0; k < boot.mm.bank_count; k++) {
				uint32_t node = boot.mm.banks[k].numa_node;

				if (has(node, order))
					nearest = min_u64(nearest, machine_distance(r.node, node));
			}
			err = frames_alloc_request(boot.frames, order, &r, &f);
			wrong += (err == MM_OK) != (nearest != UINT32_MAX);
			if (err)
				continue;
			wrong += machine_distance(r.node, machine_node(f)) != nearest;
			if (order == MAX_ORDER)
				tap_note("numa: a GiB for node %u comes from node %u, at distance %u", r.node,
					 machine_node(f), nearest);
			CHECK_EQ(frames_free(boot.frames, f, order), MM_OK);
		}
	CHECK_EQ(wrong, 0);
}

#endif
