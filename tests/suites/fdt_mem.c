/* SPDX-License-Identifier: BSD-2-Clause */
/* What a tree says about memory and boot: banks, reservations, initrd, command line, console. */
#define SUITE "fdt_mem"
#include "lib/fdt_mem.h"
#include "lib/string.h"
#include "lib/tap.h"
#include "tests/suites/fdt_writer.h"

static uint8_t blob[16384] __attribute__((aligned(8)));
static struct fdtw w;
static struct fdt fdt;

static void start(uint32_t address_cells, uint32_t size_cells)
{
	fdtw_start(&w, blob, sizeof(blob));
	fdtw_begin_root(&w, address_cells, size_cells);
}

static bool done(void)
{
	size_t n;

	fdtw_end(&w);
	n = fdtw_finish(&w);
	return n != 0 && fdt_open(&fdt, blob, n);
}

/* Calls the iterator to its end; the number of regions, or -1. */
static int count_of(int (*next)(struct fdt *, struct fdt_region_iter *, struct fdt_region *))
{
	struct fdt_region_iter it = { 0 };
	struct fdt_region r;
	int n = 0, more;

	while ((more = next(&fdt, &it, &r)) > 0)
		n++;
	if (more < 0)
		CHECK(fdt.error != NULL);
	return more < 0 ? -1 : n;
}

TEST(FD18, "all tuples of all enabled memory nodes come in tree order, wherever in the tree, cells as given")
{
	struct fdt_region_iter it = { 0 };
	struct fdt_region r;
	static const struct {
		uint64_t base, size;
		uint32_t numa;
		unsigned index;
	} want[] = {
		{ 0x880000000, 0x80000000, 1, 0 },			/* highest first, as QEMU lists NUMA nodes */
		{ 0x900000000, 0x80000000, 1, 1 }, { 0, 0x1000, 0, 0 }, /* address 0 is an address */
		{ 0x10000000, 0x100, 0, 2 },	   { 0x70001000, 0x1000, 3, 0 },
	};
	unsigned i = 0;
	int more;

	start(2, 1);
	fdtw_begin_memory(&w, "memory@880000000");
	FDTW_REG(&w, 2, 1, 0x880000000, 0x80000000, 0x900000000, 0x80000000);
	fdtw_u32(&w, "numa-node-id", 1);
	fdtw_end(&w);
	fdtw_begin_memory(&w, "memory@0");
	FDTW_REG(&w, 2, 1, 0, 0x1000, 0x5000, 0, 0x10000000, 0x100);
	fdtw_end(&w);
	fdtw_begin_memory(&w, "secram@e000000"); /* as QEMU's secure=on */
	FDTW_REG(&w, 2, 1, 0xe000000, 0x1000000);
	fdtw_str(&w, "status", "disabled");
	fdtw_end(&w);
	fdtw_begin(&w, "memory@deadbeef"); /* no device_type */
	FDTW_REG(&w, 2, 1, 0xdeadbeef, 0x1000);
	fdtw_end(&w);
	fdtw_begin(&w, "memory-controller");
	fdtw_str(&w, "device_type", "memory-controller");
	FDTW_REG(&w, 2, 1, 0x1000, 0x1000);
	fdtw_end(&w);
	fdtw_begin_memory(&w, "memory"); /* to be filled in by a loader that did not */
	fdtw_end(&w);
	fdtw_begin(&w, "bus");
	fdtw_u32(&w, "#address-cells", 1);
	fdtw_u32(&w, "#size-cells", 1);
	FDTW_REG(&w, 2, 1, 0, 0);
	fdtw_word(&w, FDTW_PROP);
	fdtw_word(&w, 16);
	fdtw_word(&w, fdtw_string(&w, "ranges"));
	fdtw_cell(&w, 1, 0);
	fdtw_cell(&w, 2, 0x70000000);
	fdtw_cell(&w, 1, 0x10000);
	fdtw_begin_memory(&w, "sram");
	FDTW_REG(&w, 1, 1, 0x1000, 0x1000);
	fdtw_u32(&w, "numa-node-id", 3);
	fdtw_end(&w);
	fdtw_end(&w);
	CHECK_OR_RETURN(done());
	while ((more = get_memory_regions(&fdt, &it, &r)) > 0) {
		CHECK_OR_RETURN(i < ARRAY_SIZE(want));
		CHECK_EQ(r.kind, FDT_REGION_MEMORY);
		CHECK_EQ(r.base, want[i].base);
		CHECK_EQ(r.size, want[i].size);
		CHECK_EQ(r.numa_node, want[i].numa);
		CHECK_EQ(r.index, want[i].index);
		CHECK(!r.no_map && !r.reusable);
		i++;
	}
	CHECK_EQ(more, 0);
	CHECK_EQ(i, ARRAY_SIZE(want));
	CHECK_EQ(get_memory_regions(&fdt, &it, &r), 0); /* the end stays the end */
}

TEST(FD18, "no memory node is no error; a malformed one is, and stays one")
{
	struct fdt_region_iter it = { 0 };
	struct fdt_region r = { .base = 77 };

	start(2, 2);
	CHECK_OR_RETURN(done());
	CHECK_EQ(count_of(get_memory_regions), 0);
	start(2, 2);
	fdtw_begin_memory(&w, "memory");
	FDTW_REG(&w, 2, 2, UINT64_MAX, 2);
	fdtw_end(&w);
	CHECK_OR_RETURN(done());
	CHECK_EQ(get_memory_regions(&fdt, &it, &r), -1);
	CHECK_EQ(get_memory_regions(&fdt, &it, &r), -1);
	CHECK_EQ(fdt.error_node, fdt_find(&fdt, "/memory", SIZE_MAX));
	CHECK_EQ(r.base, 77);
	start(2, 2);
	fdtw_begin_memory(&w, "memory");
	FDTW_REG(&w, 2, 1, 0, 2);
	fdtw_end(&w);
	CHECK_OR_RETURN(done());
	CHECK_EQ(count_of(get_memory_regions), -1);
	/* Behind a bus that the processor cannot see through. */
	start(2, 2);
	fdtw_begin(&w, "bus");
	fdtw_begin_memory(&w, "memory");
	FDTW_REG(&w, 2, 1, 0, 2);
	fdtw_end(&w);
	fdtw_end(&w);
	CHECK_OR_RETURN(done());
	CHECK_EQ(count_of(get_memory_regions), -1);
}

TEST(FD18, "there is no limit of banks: 500 tuples in 5 nodes all come")
{
	struct fdt_region_iter it = { 0 };
	struct fdt_region r;
	uint64_t sum = 0;
	unsigned n = 0;

	start(1, 1);
	for (unsigned node = 0; node < 5; node++) {
		fdtw_begin_memory(&w, "memory");
		fdtw_word(&w, FDTW_PROP);
		fdtw_word(&w, 100 * 8);
		fdtw_word(&w, fdtw_string(&w, "reg"));
		for (unsigned i = 0; i < 100; i++) {
			fdtw_word(&w, (node * 100 + i) * 0x10000);
			fdtw_word(&w, 0x8000);
		}
		fdtw_end(&w);
	}
	CHECK_OR_RETURN(done());
	while (get_memory_regions(&fdt, &it, &r) > 0) {
		sum += r.base;
		n++;
	}
	CHECK_EQ(n, 500);
	CHECK_EQ(sum, 0x10000ULL * 500 * 499 / 2);
}

TEST(FD19, "reservations: children in tree order with their flags, then /memreserve/")
{
	struct fdt_region_iter it = { 0 };
	struct fdt_region r;
	static const struct {
		enum fdt_region_kind kind;
		uint64_t base, size;
		unsigned index;
		bool no_map, reusable;
	} want[] = {
		{ FDT_REGION_RESERVED, 0x1000, 0x1000, 0, true, false },
		{ FDT_REGION_RESERVED, 0x9000, 0x234, 1, true, false },
		{ FDT_REGION_RESERVED, 0, 1, 0, false, true },
		{ FDT_REGION_RESERVED, 0x20000, 0x10, 0, true, false }, /* no-map and reusable: no-map wins */
		{ FDT_REGION_RESERVED, 0x60000, 0x10, 0, false, false },
		{ FDT_REGION_RESERVED, 0x70000, 0x10, 0, false, false },
		{ FDT_REGION_MEMRESERVE, 0x48000000, 0x10000, 0, false, false },
		{ FDT_REGION_MEMRESERVE, UINT64_MAX, 1, 2, false, false },
	};
	unsigned i = 0;
	int more;

	fdtw_start(&w, blob, sizeof(blob));
	fdtw_reserve(&w, 0x48000000, 0x10000);
	fdtw_reserve(&w, 0x5000, 0);
	fdtw_reserve(&w, UINT64_MAX, 1);
	fdtw_begin_root(&w, 2, 2);
	fdtw_begin_reserved(&w, 2, 2);
	fdtw_begin(&w, "a@1000");
	FDTW_REG(&w, 2, 2, 0x1000, 0x1000, 0x9000, 0x234);
	fdtw_empty(&w, "no-map");
	fdtw_end(&w);
	fdtw_begin(&w, "b@0");
	FDTW_REG(&w, 2, 2, 0, 1, 0x7000, 0);
	fdtw_empty(&w, "reusable");
	fdtw_begin(&w, "grandchild"); /* not a child: not a reservation */
	FDTW_REG(&w, 2, 1, 0x5000, 0x10);
	fdtw_end(&w);
	fdtw_end(&w);
	fdtw_begin(&w, "c@20000");
	FDTW_REG(&w, 2, 2, 0x20000, 0x10);
	fdtw_empty(&w, "reusable");
	fdtw_empty(&w, "no-map");
	fdtw_end(&w);
	fdtw_begin(&w, "off@30000");
	FDTW_REG(&w, 2, 2, 0x30000, 0x10);
	fdtw_str(&w, "status", "disabled");
	fdtw_end(&w);
	fdtw_begin(&w, "nothing");
	fdtw_end(&w);
	fdtw_begin(&w, "empty-reg");
	fdtw_empty(&w, "reg");
	fdtw_num(&w, "size", 2, 0x1000);
	fdtw_end(&w);
	fdtw_begin(&w, "both@60000"); /* reg takes precedence over size */
	FDTW_REG(&w, 2, 2, 0x60000, 0x10);
	fdtw_num(&w, "size", 2, 0x1000);
	fdtw_end(&w);
	fdtw_end(&w);
	fdtw_begin(&w, "reserved-memory-not");
	fdtw_begin(&w, "x");
	FDTW_REG(&w, 2, 1, 0x50000, 0x10);
	fdtw_end(&w);
	fdtw_end(&w);
	fdtw_begin_reserved(&w, 1, 1); /* a second one, with cells of its own */
	fdtw_begin(&w, "d");
	FDTW_REG(&w, 1, 1, 0x70000, 0x10);
	fdtw_end(&w);
	fdtw_end(&w);
	CHECK_OR_RETURN(done());
	while ((more = get_reserved_regions(&fdt, &it, &r)) > 0) {
		CHECK_OR_RETURN(i < ARRAY_SIZE(want));
		CHECK_EQ(r.kind, want[i].kind);
		CHECK_EQ(r.base, want[i].base);
		CHECK_EQ(r.size, want[i].size);
		CHECK_EQ(r.index, want[i].index);
		CHECK_EQ(r.no_map, want[i].no_map);
		CHECK_EQ(r.reusable, want[i].reusable);
		CHECK_EQ(r.node == FDT_NONE, r.kind == FDT_REGION_MEMRESERVE);
		i++;
	}
	CHECK_EQ(more, 0);
	CHECK_EQ(i, ARRAY_SIZE(want));
	CHECK_EQ(get_reserved_regions(&fdt, &it, &r), 0);
}

TEST(FD19, "a reservation that wraps, or stands behind a missing ranges, is an error and never lost")
{
	fdtw_start(&w, blob, sizeof(blob));
	fdtw_reserve(&w, UINT64_MAX, 2);
	fdtw_begin_root(&w, 2, 2);
	CHECK_OR_RETURN(done());
	CHECK_EQ(count_of(get_reserved_regions), -1);
	CHECK_EQ(fdt.error_node, FDT_NONE);

	start(2, 2);
	fdtw_begin_reserved(&w, 2, 2);
	fdtw_begin(&w, "a");
	FDTW_REG(&w, 2, 2, UINT64_MAX - 1, 3);
	fdtw_end(&w);
	fdtw_end(&w);
	CHECK_OR_RETURN(done());
	CHECK_EQ(count_of(get_reserved_regions), -1);
	CHECK_EQ(fdt.error_node, fdt_find(&fdt, "/reserved-memory/a", SIZE_MAX));

	start(2, 2);
	fdtw_begin(&w, "reserved-memory");
	fdtw_begin(&w, "a");
	FDTW_REG(&w, 2, 1, 0x1000, 0x1000);
	fdtw_end(&w);
	fdtw_end(&w);
	CHECK_OR_RETURN(done());
	CHECK_EQ(count_of(get_reserved_regions), -1);
	CHECK_EQ(fdt.error_node, fdt_find(&fdt, "/reserved-memory", SIZE_MAX));
}

TEST(FD20,
     "size-only children: size and alignment by their own length, alignment at least 4 KiB, alloc-ranges as tuples")
{
	static const struct {
		unsigned size_cells, align_cells;
		uint64_t alignment, want;
	} cases[] = {
		{ 1, 0, 0, 0x1000 },	      { 2, 1, 0, 0x1000 },
		{ 1, 1, 1, 0x1000 },	      { 1, 1, 8, 0x1000 },
		{ 2, 2, 0x1000, 0x1000 },     { 1, 2, 0x10000, 0x10000 },
		{ 1, 3, 0x400000, 0x400000 }, { 2, 2, 1ULL << 63, 1ULL << 63 },
	};
	const uint64_t ranges[] = { 0x40000000, 0x10000000, 0x5000, 0, 0x880000000, 0x80000000 };
	struct fdt_region_iter it = { 0 };
	struct fdt_region r;
	uint64_t base, size;

	start(2, 1);
	fdtw_begin_reserved(&w, 2, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		fdtw_begin(&w, "pool");
		fdtw_num(&w, "size", cases[i].size_cells, 0x200000 + i);
		if (cases[i].align_cells)
			fdtw_num(&w, "alignment", cases[i].align_cells, cases[i].alignment);
		if (i == 0)
			fdtw_reg(&w, "alloc-ranges", 2, 1, 3, ranges);
		if (i == 1)
			fdtw_empty(&w, "reusable");
		fdtw_end(&w);
	}
	fdtw_begin(&w, "zero");
	fdtw_u32(&w, "size", 0);
	fdtw_end(&w);
	fdtw_end(&w);
	CHECK_OR_RETURN(done());
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_EQ(get_reserved_regions(&fdt, &it, &r), 1);
		CHECK_EQ(r.kind, FDT_REGION_DYNAMIC);
		CHECK_EQ(r.base, 0);
		CHECK_EQ(r.size, 0x200000 + i);
		CHECK_EQ(r.alignment, cases[i].want);
		CHECK_EQ(r.reusable, i == 1);
		if (i != 0) {
			CHECK_EQ(fdt_alloc_range(&fdt, &r, 0, &base, &size), 0);
			continue;
		}
		for (unsigned j = 0; j < 3; j++) {
			CHECK_EQ(fdt_alloc_range(&fdt, &r, j, &base, &size), 1);
			CHECK_EQ(base, ranges[2 * j]);
			CHECK_EQ(size, ranges[2 * j + 1]);
		}
		CHECK_EQ(fdt_alloc_range(&fdt, &r, 3, &base, &size), 0);
	}
	CHECK_EQ(get_reserved_regions(&fdt, &it, &r), 0);
}

TEST(FD20, "a size, alignment or alloc-ranges that is none is malformed")
{
	for (unsigned i = 0; i < 7; i++) {
		start(2, 1);
		fdtw_begin_reserved(&w, 2, 1);
		fdtw_begin(&w, "pool");
		if (i == 0)
			fdtw_empty(&w, "size");
		else if (i == 1)
			fdtw_prop(&w, "size", "abc", 3);
		else if (i == 2)
			fdtw_prop(&w, "size", "\1\0\0\0\0\0\0\0\0\0\0\0", 12);
		else
			fdtw_u32(&w, "size", 0x1000);
		if (i == 3)
			fdtw_u32(&w, "alignment", 0x3000);
		if (i == 4)
			fdtw_u32(&w, "alignment", 3);
		if (i == 5)
			fdtw_empty(&w, "alignment");
		if (i == 6)
			fdtw_prop(&w, "size", "123456789012345678901234", 20);
		fdtw_end(&w);
		fdtw_end(&w);
		CHECK_OR_RETURN(done());
		/* 6: the property that comes first counts. */
		CHECK_EQ(count_of(get_reserved_regions), i == 6 ? 1 : -1);
	}
	start(2, 1);
	fdtw_begin_reserved(&w, 2, 1);
	fdtw_begin(&w, "pool");
	fdtw_u32(&w, "size", 0x1000);
	fdtw_num(&w, "alloc-ranges", 2, 0);
	fdtw_end(&w);
	fdtw_end(&w);
	CHECK_OR_RETURN(done());
	struct fdt_region_iter it = { 0 };
	struct fdt_region r;
	uint64_t base, size;

	CHECK_EQ(get_reserved_regions(&fdt, &it, &r), 1);
	CHECK_EQ(fdt_alloc_range(&fdt, &r, 0, &base, &size), -1);
}

/* /chosen with the two initrd properties of so many cells; 0 cells: absent. */
static int initrd(unsigned start_cells, uint64_t s, unsigned end_cells, uint64_t e)
{
	uint64_t from = 77, to = 77;
	int r;

	start(2, 2);
	fdtw_begin(&w, "chosen");
	if (start_cells)
		fdtw_num(&w, "linux,initrd-start", start_cells, s);
	if (end_cells)
		fdtw_num(&w, "linux,initrd-end", end_cells, e);
	fdtw_end(&w);
	if (!done())
		return -2;
	r = fdt_initrd(&fdt, &from, &to);
	CHECK_EQ(from, r > 0 ? s : 77);
	CHECK_EQ(to, r > 0 ? e : 77);
	CHECK_EQ(fdt.error != NULL, r < 0);
	return r;
}

TEST(FD21,
     "the initrd has one or two cells at either end; half of one, or one that ends before it starts, is malformed")
{
	uint64_t from, to;

	CHECK_EQ(initrd(1, 0x48000000, 1, 0x48001234), 1);
	CHECK_EQ(initrd(2, 0x880000000, 2, 0x880000001), 1);
	CHECK_EQ(initrd(1, 0, 2, 0x880000001), 1);
	CHECK_EQ(initrd(2, 0, 2, UINT64_MAX), 1);
	CHECK_EQ(initrd(0, 0, 0, 0), 0);
	CHECK_EQ(initrd(2, 5, 2, 5), 0);
	CHECK_EQ(initrd(2, 0, 2, 0), 0);
	CHECK_EQ(initrd(2, 6, 2, 5), -1);
	CHECK_EQ(initrd(2, 6, 0, 0), -1);
	CHECK_EQ(initrd(0, 0, 1, 5), -1);
	CHECK_EQ(initrd(5, 0, 1, 5), -1);
	start(2, 2);
	CHECK_OR_RETURN(done());
	CHECK_EQ(fdt_initrd(&fdt, &from, &to), 0);
}

TEST(FD22, "bootargs are a string or nothing")
{
	start(2, 2);
	CHECK_OR_RETURN(done());
	CHECK(strcmp(fdt_bootargs(&fdt), "") == 0);
	start(2, 2);
	fdtw_begin(&w, "chosen");
	fdtw_str(&w, "bootargs", "verbose test=buddy");
	fdtw_end(&w);
	CHECK_OR_RETURN(done());
	CHECK(strcmp(fdt_bootargs(&fdt), "verbose test=buddy") == 0);
	start(2, 2);
	fdtw_begin(&w, "chosen");
	fdtw_prop(&w, "bootargs", "verbose", 7);
	fdtw_end(&w);
	CHECK_OR_RETURN(done());
	CHECK(strcmp(fdt_bootargs(&fdt), "") == 0);
}

/* Where stdout-path (or the old name) leads in a tree with /soc/uart and the alias serial0. */
static int stdout_of(const char *name, const char *path)
{
	start(2, 2);
	fdtw_begin(&w, "aliases");
	fdtw_str(&w, "serial0", "/soc/uart");
	fdtw_end(&w);
	fdtw_begin(&w, "chosen");
	fdtw_str(&w, name, path);
	fdtw_end(&w);
	fdtw_begin(&w, "soc");
	fdtw_begin(&w, "uart");
	fdtw_end(&w);
	fdtw_end(&w);
	return done() ? fdt_stdout(&fdt) : -2;
}

TEST(FD22, "stdout-path names the console by path or alias, options cut, in either spelling")
{
	static const char *const good[] = { "/soc/uart", "serial0", "serial0:115200n8", "/soc/uart:9600" };
	int uart;

	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		uart = stdout_of("stdout-path", good[i]);
		CHECK(uart >= 0 && strcmp(fdt_node_name(&fdt, uart), "uart") == 0);
		uart = stdout_of("linux,stdout-path", good[i]);
		CHECK(uart >= 0 && strcmp(fdt_node_name(&fdt, uart), "uart") == 0);
	}
	CHECK_EQ(stdout_of("stdout-path", "serial1"), FDT_NONE);
	CHECK_EQ(stdout_of("stdout-path", ""), FDT_NONE);
	CHECK_EQ(stdout_of("stdout", "serial0"), FDT_NONE);
	start(2, 2);
	CHECK_OR_RETURN(done());
	CHECK_EQ(fdt_stdout(&fdt), FDT_NONE);
}

/* A tree with /distance-map: its cells. */
static bool with_distances(const char *compatible, unsigned cells, const uint32_t *numbers)
{
	start(2, 2);
	fdtw_begin(&w, "distance-map");
	fdtw_str(&w, "compatible", compatible);
	fdtw_word(&w, FDTW_PROP);
	fdtw_word(&w, cells * 4);
	fdtw_word(&w, fdtw_string(&w, "distance-matrix"));
	for (unsigned i = 0; i < cells; i++)
		fdtw_word(&w, numbers[i]);
	fdtw_end(&w);
	return done();
}

/* How many entries there are, or -1. */
static int distances(void)
{
	struct fdt_region_iter it = { 0 };
	struct fdt_distance d;
	int n = 0, more;

	while ((more = get_distances(&fdt, &it, &d)) > 0)
		n++;
	if (more < 0)
		CHECK(fdt.error != NULL);
	return more < 0 ? -1 : n;
}

TEST(FD26, "the distances between nodes come in tree order; what is no distance is malformed")
{
	static const uint32_t numbers[] = { 0, 0, 10, 0, 1, 11, 1, 0, UINT32_MAX, 7, 7, 10 };
	static const uint32_t bad[][3] = { { 1, 1, 11 }, { 1, 1, 0 }, { 0, 1, 10 }, { 0, 1, 0 } };
	struct fdt_region_iter it = { 0 };
	struct fdt_distance d;

	CHECK_OR_RETURN(with_distances("numa-distance-map-v1", ARRAY_SIZE(numbers), numbers));
	for (unsigned i = 0; i < 4; i++) {
		CHECK_EQ(get_distances(&fdt, &it, &d), 1);
		CHECK_EQ(d.from, numbers[3 * i]);
		CHECK_EQ(d.to, numbers[3 * i + 1]);
		CHECK_EQ(d.distance, numbers[3 * i + 2]);
	}
	CHECK_EQ(get_distances(&fdt, &it, &d), 0);
	CHECK_EQ(get_distances(&fdt, &it, &d), 0);
	CHECK_EQ(d.from, 7); /* as it was */
	for (unsigned cells = 10; cells < 12; cells++) {
		CHECK_OR_RETURN(with_distances("numa-distance-map-v1", cells, numbers));
		CHECK_EQ(distances(), -1);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_OR_RETURN(with_distances("numa-distance-map-v1", 3, bad[i]));
		CHECK_EQ(distances(), -1);
	}
	CHECK_OR_RETURN(with_distances("numa-distance-map-v1", 0, NULL));
	CHECK_EQ(distances(), 0);
	CHECK_OR_RETURN(with_distances("numa-distance-map", 3, bad[0]));
	CHECK_EQ(distances(), 0);
	start(2, 2);
	CHECK_OR_RETURN(done());
	CHECK_EQ(distances(), 0);
	start(2, 2);
	fdtw_begin(&w, "distance-map");
	fdtw_str(&w, "compatible", "numa-distance-map-v1");
	fdtw_end(&w);
	CHECK_OR_RETURN(done());
	CHECK_EQ(distances(), -1);
}
