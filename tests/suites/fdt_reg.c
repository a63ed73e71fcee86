/* SPDX-License-Identifier: BSD-2-Clause */
/* Cells, tuples and their translation through the buses above (Devicetree Specification 2.3.5 to 2.3.8). */
#define SUITE "fdt_reg"
#include "lib/fdt.h"
#include "lib/string.h"
#include "lib/tap.h"
#include "tests/suites/fdt_writer.h"

static uint8_t blob[4096] __attribute__((aligned(8)));
static struct fdtw w;

TEST(FD13, "cells are big-endian, of any alignment, and refused when the number does not fit 64 bits")
{
	static const uint8_t bytes[] = { 0xee, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8 };
	static const uint8_t large[] = { 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 };
	uint64_t v = 9;

	CHECK(fdt_read_cells(bytes + 1, 0, &v));
	CHECK_EQ(v, 0);
	CHECK(fdt_read_cells(bytes + 9, 1, &v));
	CHECK_EQ(v, 0x01020304);
	CHECK(fdt_read_cells(bytes + 9, 2, &v));
	CHECK_EQ(v, 0x0102030405060708);
	CHECK(fdt_read_cells(bytes + 1, 4, &v));
	CHECK_EQ(v, 0x0102030405060708);
	CHECK(!fdt_read_cells(bytes + 1, 5, &v));
	CHECK(!fdt_read_cells(bytes + 1, UINT32_MAX, &v));
	CHECK(!fdt_read_cells(large, 3, &v));
	CHECK_EQ(v, 0x0102030405060708);
}

TEST(FD13, "cells default to 2 and 1, and a wrong property is no number at all")
{
	struct fdt fdt;
	size_t n;

	fdtw_start(&w, blob, sizeof(blob));
	fdtw_begin(&w, "");
	fdtw_begin(&w, "a");
	fdtw_u32(&w, "#address-cells", 3);
	fdtw_u32(&w, "#size-cells", 0);
	fdtw_end(&w);
	fdtw_begin(&w, "b");
	fdtw_num(&w, "#address-cells", 2, 1);
	fdtw_empty(&w, "#size-cells");
	fdtw_end(&w);
	fdtw_end(&w);
	n = fdtw_finish(&w);
	CHECK_OR_RETURN(fdt_open(&fdt, blob, n));
	CHECK_EQ(fdt_address_cells(&fdt, 0), 2);
	CHECK_EQ(fdt_size_cells(&fdt, 0), 1);
	CHECK_EQ(fdt_address_cells(&fdt, fdt_find(&fdt, "/a", 2)), 3);
	CHECK_EQ(fdt_size_cells(&fdt, fdt_find(&fdt, "/a", 2)), 0);
	CHECK_EQ(fdt_address_cells(&fdt, fdt_find(&fdt, "/b", 2)), UINT32_MAX);
	CHECK_EQ(fdt_size_cells(&fdt, fdt_find(&fdt, "/b", 2)), UINT32_MAX);
}

/* A root with the given cells and a node "n" with a reg of `words` cells: the numbers 1, 2, 3 ... */
static bool tuples_of(struct fdt *fdt, uint32_t address_cells, uint32_t size_cells, unsigned words)
{
	size_t n;

	fdtw_start(&w, blob, sizeof(blob));
	fdtw_begin_root(&w, address_cells, size_cells);
	fdtw_begin(&w, "n");
	fdtw_word(&w, FDTW_PROP);
	fdtw_word(&w, words * 4);
	fdtw_word(&w, fdtw_string(&w, "reg"));
	for (unsigned i = 1; i <= words; i++)
		fdtw_word(&w, i);
	fdtw_end(&w);
	fdtw_end(&w);
	n = fdtw_finish(&w);
	return fdt_open(fdt, blob, n);
}

TEST(FD14, "tuples are read with the parent's cells, whatever they are")
{
	uint64_t base = 0, size = 0;
	struct fdt fdt;
	int node;

	CHECK_OR_RETURN(tuples_of(&fdt, 2, 1, 6)); /* as on GS101 */
	node = fdt_find(&fdt, "/n", 2);
	CHECK_EQ(fdt_reg(&fdt, node, 0, &base, &size), 1);
	CHECK_EQ(base, 0x100000002);
	CHECK_EQ(size, 3);
	CHECK_EQ(fdt_reg(&fdt, node, 1, &base, &size), 1);
	CHECK_EQ(base, 0x400000005);
	CHECK_EQ(size, 6);
	CHECK_EQ(fdt_reg(&fdt, node, 2, &base, &size), 0);
	CHECK_EQ(fdt_reg(&fdt, node, UINT32_MAX, &base, &size), 0);
	CHECK(fdt.error == NULL);

	CHECK_OR_RETURN(tuples_of(&fdt, 1, 0, 3)); /* cpus */
	CHECK_EQ(fdt_reg(&fdt, node = fdt_find(&fdt, "/n", 2), 2, &base, &size), 1);
	CHECK_EQ(base, 3);
	CHECK_EQ(size, 0);
	CHECK_OR_RETURN(tuples_of(&fdt, 2, 2, 0));
	CHECK_EQ(fdt_reg(&fdt, fdt_find(&fdt, "/n", 2), 0, &base, &size), 0);
}

TEST(FD14, "cells out of range, ragged lengths and numbers over 64 bits are malformed where they are used")
{
	static const uint32_t bad[][3] = {
		{ 0, 1, 1 }, { 5, 1, 6 }, { 1, 5, 6 }, { UINT32_MAX, 1, 2 }, { 1, UINT32_MAX, 2 }, /* cells */
		{ 2, 2, 3 }, { 2, 2, 5 },							   /* length */
		{ 3, 1, 4 }, { 2, 4, 6 },							   /* number */
	};
	uint64_t base = 77, size = 77;
	struct fdt fdt;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_OR_RETURN(tuples_of(&fdt, bad[i][0], bad[i][1], bad[i][2]));
		CHECK_EQ(fdt_reg(&fdt, fdt_find(&fdt, "/n", 2), 0, &base, &size), -1);
		CHECK(fdt.error != NULL);
		CHECK_EQ(fdt.error_node, fdt_find(&fdt, "/n", 2));
		CHECK_EQ(fdt_reg(&fdt, fdt_root(&fdt), 0, &base, &size), 0); /* not used: no harm */
		CHECK(fdt.error == NULL);
	}
	CHECK_EQ(base, 77);
	CHECK_EQ(size, 77);
}

TEST(FD14, "a range may end with the address space but not wrap; the root has no parent to say its cells")
{
	const uint64_t top[] = {
		UINT64_MAX - 0xfff, 0x1000, UINT64_MAX, 1, 1, UINT64_MAX, 2, UINT64_MAX, UINT64_MAX, 0
	};
	uint64_t base, size;
	struct fdt fdt;
	size_t n;
	int node;

	fdtw_start(&w, blob, sizeof(blob));
	fdtw_begin_root(&w, 2, 2);
	fdtw_reg(&w, "reg", 2, 2, 5, top);
	fdtw_begin(&w, "n");
	fdtw_reg(&w, "reg", 2, 2, 5, top);
	fdtw_end(&w);
	fdtw_end(&w);
	n = fdtw_finish(&w);
	CHECK_OR_RETURN(fdt_open(&fdt, blob, n));
	node = fdt_find(&fdt, "/n", 2);
	CHECK_EQ(fdt_reg(&fdt, node, 0, &base, &size), 1);
	CHECK_EQ(fdt_reg(&fdt, node, 1, &base, &size), 1);
	CHECK_EQ(fdt_reg(&fdt, node, 2, &base, &size), 1);
	CHECK_EQ(base, 1);
	CHECK_EQ(size, UINT64_MAX);
	CHECK_EQ(fdt_reg(&fdt, node, 3, &base, &size), -1);
	CHECK_EQ(fdt_reg(&fdt, node, 4, &base, &size), 1);
	CHECK_EQ(fdt_reg(&fdt, fdt_root(&fdt), 0, &base, &size), -1);
	CHECK(fdt.error != NULL);
	CHECK_EQ(fdt_reg(&fdt, node + 4, 0, &base, &size), 0); /* no node has no reg */
}

/* root(2/2) / outer(1/1) / inner(1/1) / dev reg = <base size>, with the ranges given as words; NULL: none. */
static int through(const uint32_t *outer, unsigned n_outer, const uint32_t *inner, unsigned n_inner, uint32_t at,
		   uint32_t len, uint64_t *base)
{
	static struct fdt fdt;
	uint64_t size = 0;
	size_t n;
	int r;

	fdtw_start(&w, blob, sizeof(blob));
	fdtw_begin_root(&w, 2, 2);
	for (unsigned level = 0; level < 2; level++) {
		const uint32_t *words = level == 0 ? outer : inner;
		unsigned count = level == 0 ? n_outer : n_inner;

		fdtw_begin(&w, level == 0 ? "outer" : "inner");
		fdtw_u32(&w, "#address-cells", 1);
		fdtw_u32(&w, "#size-cells", 1);
		if (words) {
			fdtw_word(&w, FDTW_PROP);
			fdtw_word(&w, count * 4);
			fdtw_word(&w, fdtw_string(&w, "ranges"));
			for (unsigned i = 0; i < count; i++)
				fdtw_word(&w, words[i]);
		}
	}
	fdtw_begin(&w, "dev");
	FDTW_REG(&w, 1, 1, at, len);
	fdtw_end(&w);
	fdtw_end(&w);
	fdtw_end(&w);
	fdtw_end(&w);
	n = fdtw_finish(&w);
	if (!fdt_open(&fdt, blob, n))
		return -2;
	r = fdt_reg(&fdt, fdt_find(&fdt, "/outer/inner/dev", SIZE_MAX), 0, base, &size);
	CHECK(r < 0 || size == len);
	CHECK_EQ(r < 0, fdt.error != NULL);
	return r;
}

TEST(FD15, "addresses go up through every ranges; an empty one is identity, a missing one a wall")
{
	/* child(1) parent(2) size(1) for the outer, child(1) parent(1) size(1) for the inner bus */
	static const uint32_t outer[] = { 0x1000000, 8, 0x80000000, 0x1000000, 0x4000000, 9, 0, 0x1000 };
	static const uint32_t inner[] = { 0, 0x1800000, 0x1000, 0x10000, 0x4000000, 0x1000 };
	uint64_t base = 0;

	CHECK_EQ(through(outer, 8, inner, 6, 0x10, 0x20, &base), 1);
	CHECK_EQ(base, 0x880800010);
	CHECK_EQ(through(outer, 8, inner, 6, 0x10000, 0x1000, &base), 1);
	CHECK_EQ(base, 0x900000000);
	CHECK_EQ(through(outer, 8, inner, 0, 0x1000004, 4, &base), 1);
	CHECK_EQ(base, 0x880000004);
	CHECK_EQ(through(outer, 0, inner, 0, 0xfffffffc, 4, &base), 1);
	CHECK_EQ(base, 0xfffffffc);
	CHECK_EQ(through(NULL, 0, inner, 6, 0x10, 4, &base), -1);
	CHECK_EQ(through(outer, 8, NULL, 0, 0x10, 4, &base), -1);
	/* The whole range must lie in one entry, to its last byte. */
	CHECK_EQ(through(outer, 8, inner, 6, 0xff0, 0x10, &base), 1);
	CHECK_EQ(through(outer, 8, inner, 6, 0xff0, 0x11, &base), -1);
	CHECK_EQ(through(outer, 8, inner, 6, 0x1000, 0, &base), -1);
	CHECK_EQ(through(outer, 8, inner, 6, 0xfff, 0, &base), 1);
	CHECK_EQ(through(outer, 8, inner, 6, 0x10000, UINT32_MAX, &base), -1);
	/* Ragged. */
	CHECK_EQ(through(outer, 7, inner, 6, 0x10, 4, &base), -1);
	CHECK_EQ(through(outer, 8, inner, 5, 0x10, 4, &base), -1);
}

TEST(FD15, "ranges that lead past the end of the address space are malformed")
{
	static const uint32_t top[] = { 0, 0xffffffff, 0xfffff000, 0x10000 };
	uint64_t base = 0;

	CHECK_EQ(through(top, 4, top, 0, 0, 0x1000, &base), 1);
	CHECK_EQ(base, UINT64_MAX - 0xfff);
	CHECK_EQ(through(top, 4, top, 0, 0, 0x1001, &base), -1);
	CHECK_EQ(through(top, 4, top, 0, 0x1000, 1, &base), -1);
	CHECK_EQ(through(top, 4, top, 0, 0xfff, 1, &base), 1);
	CHECK_EQ(base, UINT64_MAX);
}

TEST(FD15, "bad cells of a bus are malformed only for who goes through it; PCI's three-cell entries are passed over")
{
	uint64_t base, size;
	struct fdt fdt;
	size_t n;

	fdtw_start(&w, blob, sizeof(blob));
	fdtw_begin_root(&w, 1, 1);
	fdtw_begin(&w, "pcie");
	fdtw_u32(&w, "#address-cells", 3);
	fdtw_u32(&w, "#size-cells", 2);
	fdtw_word(&w, FDTW_PROP);
	fdtw_word(&w, 2 * 6 * 4);
	fdtw_word(&w, fdtw_string(&w, "ranges"));
	fdtw_cell(&w, 1, 0x2000000); /* a flagged entry, then a plain one */
	fdtw_cell(&w, 2, 0x1000);
	fdtw_cell(&w, 1, 0x70000000);
	fdtw_cell(&w, 2, 0x1000);
	fdtw_cell(&w, 3, 0x1000);
	fdtw_cell(&w, 1, 0x30000000);
	fdtw_cell(&w, 2, 0x1000);
	fdtw_begin(&w, "plain");
	FDTW_REG(&w, 3, 2, 0x1800, 0x100);
	fdtw_end(&w);
	fdtw_begin(&w, "flagged");
	fdtw_word(&w, FDTW_PROP);
	fdtw_word(&w, 20);
	fdtw_word(&w, fdtw_string(&w, "reg"));
	fdtw_cell(&w, 1, 0x2000000);
	fdtw_cell(&w, 2, 0x1000);
	fdtw_cell(&w, 2, 0x100);
	fdtw_end(&w);
	fdtw_end(&w);
	fdtw_begin(&w, "odd");
	fdtw_u32(&w, "#address-cells", 9);
	fdtw_empty(&w, "ranges");
	fdtw_begin(&w, "child");
	fdtw_u32(&w, "reg", 1);
	fdtw_end(&w);
	fdtw_begin(&w, "silent");
	fdtw_end(&w);
	fdtw_end(&w);
	fdtw_end(&w);
	n = fdtw_finish(&w);
	CHECK_OR_RETURN(fdt_open(&fdt, blob, n));
	CHECK_EQ(fdt_reg(&fdt, fdt_find(&fdt, "/pcie/plain", SIZE_MAX), 0, &base, &size), 1);
	CHECK_EQ(base, 0x30000800);
	CHECK_EQ(size, 0x100);
	CHECK_EQ(fdt_reg(&fdt, fdt_find(&fdt, "/pcie/flagged", SIZE_MAX), 0, &base, &size), -1);
	CHECK_EQ(fdt_reg(&fdt, fdt_find(&fdt, "/odd/child", SIZE_MAX), 0, &base, &size), -1);
	CHECK_EQ(fdt_reg(&fdt, fdt_find(&fdt, "/odd/silent", SIZE_MAX), 0, &base, &size), 0);
}
