/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers in a flattened tree: cells, (address, size) tuples and their way up through `ranges` to the CPU's addresses,
 * and the memory reservation block.
 *
 * Section numbers are those of the Devicetree Specification v0.4.
 */
#include "lib/fdt_blob.h"

#define MAX_CELLS 4

static unsigned cells_of(const struct fdt *fdt, int node, const char *name, unsigned fallback)
{
	uint32_t cells;

	if (fdt_prop_u32(fdt, node, name, &cells))
		return cells;
	return fdt_prop(fdt, node, name, NULL) ? UINT32_MAX : fallback;
}

/* [FD13] */
unsigned fdt_address_cells(const struct fdt *fdt, int node)
{
	return cells_of(fdt, node, "#address-cells", 2);
}

/* [FD13] */
unsigned fdt_size_cells(const struct fdt *fdt, int node)
{
	return cells_of(fdt, node, "#size-cells", 1);
}

/* [FD13] Byte by byte: the caller's p may have any alignment. */
bool fdt_read_cells(const void *p, unsigned cells, uint64_t *out)
{
	const uint8_t *b = p;
	uint64_t v = 0;

	if (cells > MAX_CELLS)
		return false;
	for (unsigned i = 0; i < cells * 4; i++) {
		if (v >> 56 != 0)
			return false;
		v = v << 8 | b[i];
	}
	*out = v;
	return true;
}

/* Whether [base, base + size) has a last address; an empty range at any base has. */
static bool fits(uint64_t base, uint64_t size)
{
	return size == 0 || base <= UINT64_MAX - (size - 1);
}

/*
 * [FD15] From the addresses of the bus's children to those of the bus's own parent (2.3.8). The whole range must lie
 * in one entry. An entry that does not fit 64 bits (PCI's three cells carry flags in the first) cannot hold it and is
 * passed over.
 */
static int translate(struct fdt *fdt, int bus, int parent, uint64_t *base, uint64_t size)
{
	unsigned child_cells = fdt_address_cells(fdt, bus), size_cells = fdt_size_cells(fdt, bus);
	unsigned parent_cells = fdt_address_cells(fdt, parent);
	uint64_t from, to, n, last = size != 0 ? size - 1 : 0;
	size_t len, entry;
	const uint8_t *p = fdt_prop(fdt, bus, "ranges", &len);

	if (!p)
		return fdt_fail(fdt, bus, "a bus without ranges cannot be translated");
	if (len == 0)
		return 1;
	if (child_cells - 1 >= MAX_CELLS || parent_cells - 1 >= MAX_CELLS || size_cells > MAX_CELLS)
		return fdt_fail(fdt, bus, "#address-cells or #size-cells is out of range");
	entry = (size_t)(child_cells + parent_cells + size_cells) * 4;
	if (len % entry != 0)
		return fdt_fail(fdt, bus, "ranges is not a whole number of entries");
	for (; len != 0; p += entry, len -= entry) {
		if (!fdt_read_cells(p, child_cells, &from) ||
		    !fdt_read_cells(p + (size_t)child_cells * 4, parent_cells, &to) ||
		    !fdt_read_cells(p + (size_t)(child_cells + parent_cells) * 4, size_cells, &n))
			continue;
		if (*base < from || *base - from >= n || last >= n - (*base - from))
			continue;
		if (to > UINT64_MAX - (*base - from) || !fits(to + (*base - from), size))
			return fdt_fail(fdt, bus, "ranges leads past the end of the address space");
		*base = to + (*base - from);
		return 1;
	}
	return fdt_fail(fdt, bus, "an address is not covered by the ranges of its bus");
}

/* [FD14] */
int fdt_tuple(struct fdt *fdt, int node, const char *name, unsigned i, uint64_t *base, uint64_t *size)
{
	struct fdt_cursor *c = &fdt->cursor;
	unsigned address_cells, size_cells;
	size_t len, tuple;
	const uint8_t *p = fdt_prop(fdt, node, name, &len);
	uint64_t at, n;

	fdt_no_error(fdt);
	if (!p)
		return 0;
	if (!fdt_locate(fdt, c, node) || c->depth == 0)
		return fdt_fail(fdt, FDT_NONE, "a range where there is no parent to say its cells");
	address_cells = fdt_address_cells(fdt, c->path[c->depth - 1]);
	size_cells = fdt_size_cells(fdt, c->path[c->depth - 1]);
	if (address_cells - 1 >= MAX_CELLS || size_cells > MAX_CELLS)
		return fdt_fail(fdt, node, "#address-cells or #size-cells is out of range");
	tuple = (size_t)(address_cells + size_cells) * 4;
	if (len % tuple != 0)
		return fdt_fail(fdt, node, "a range is not a whole number of tuples");
	if (i >= len / tuple)
		return 0;
	p += i * tuple;
	if (!fdt_read_cells(p, address_cells, &at) || !fdt_read_cells(p + (size_t)address_cells * 4, size_cells, &n))
		return fdt_fail(fdt, node, "an address or size does not fit 64 bits");
	if (!fits(at, n))
		return fdt_fail(fdt, node, "a range runs past the end of the address space");
	for (int d = c->depth - 1; d > 0; d--) {
		if (translate(fdt, c->path[d], c->path[d - 1], &at, n) < 0)
			return -1;
	}
	*base = at;
	*size = n;
	return 1;
}

/* [FD14] */
int fdt_reg(struct fdt *fdt, int node, unsigned i, uint64_t *base, uint64_t *size)
{
	return fdt_tuple(fdt, node, "reg", i, base, size);
}

static uint64_t be64(const uint8_t *p)
{
	return (uint64_t)be32(p) << 32 | be32(p + 4);
}

/* [FD17] */
int fdt_memreserve(const struct fdt *fdt, unsigned i, uint64_t *base, uint64_t *size)
{
	const uint8_t *p;

	if (i >= fdt->rsv_count)
		return 0;
	p = fdt->blob + fdt->rsv_off + (size_t)i * FDT_RSV_ENTRY;
	*base = be64(p);
	*size = be64(p + 8);
	return 1;
}
