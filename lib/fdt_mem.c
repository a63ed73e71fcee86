/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tree's nodes mean for memory and boot. Everything here is an iterator or a lookup over lib/fdt.c: nothing
 * is stored, so nothing can run out and be dropped.
 */
#include "lib/fdt_mem.h"
#include "lib/fdt_blob.h"
#include "lib/string.h"

#define MIN_ALIGNMENT KIB(4)

/* Stages of an iterator; 0 is what the caller starts with. */
enum {
	START,
	SEARCH, /* it->node is the node to look at */
	TUPLES, /* it->node is one whose tuples are being handed out */
	MEMRESERVE,
};

static bool is_memory(const struct fdt *fdt, int node)
{
	const char *type = fdt_prop_string(fdt, node, "device_type");

	return type && strcmp(type, "memory") == 0 && fdt_enabled(fdt, node);
}

/* The next tuple of it->node that is not empty. */
static int next_tuple(struct fdt *fdt, struct fdt_region_iter *it, struct fdt_region *out)
{
	int r;

	do {
		r = fdt_reg(fdt, it->node, it->index, &out->base, &out->size);
		if (r > 0)
			out->index = it->index++;
	} while (r > 0 && out->size == 0);
	out->node = it->node;
	return r;
}

/* [FD18] */
int get_memory_regions(struct fdt *fdt, struct fdt_region_iter *it, struct fdt_region *out)
{
	struct fdt_region region = { .kind = FDT_REGION_MEMORY };
	int r;

	fdt_no_error(fdt);
	if (it->stage == START) {
		it->node = fdt_next_with(fdt, fdt_root(fdt), "device_type");
		it->stage = SEARCH;
	}
	while (it->node != FDT_NONE) {
		if (it->stage == SEARCH && is_memory(fdt, it->node)) {
			it->stage = TUPLES;
			it->index = 0;
		}
		if (it->stage == TUPLES) {
			r = next_tuple(fdt, it, &region);
			if (r < 0)
				return r;
			if (r > 0) {
				(void)fdt_prop_u32(fdt, it->node, "numa-node-id", &region.numa_node);
				*out = region;
				return 1;
			}
		}
		it->stage = SEARCH;
		it->node = fdt_next_with(fdt, fdt_next_node(fdt, it->node, NULL), "device_type");
	}
	return 0;
}

/* The next /reserved-memory after one. More than one is odd, but what it says must not be lost. */
static int next_reserved_memory(const struct fdt *fdt, int node)
{
	do {
		node = fdt_next_sibling(fdt, node);
	} while (node != FDT_NONE && strcmp(fdt_node_name(fdt, node), "reserved-memory") != 0);
	return node;
}

/* A property that is one number of one to four cells. 1, 0 when absent, -1 when it is none. */
static int read_number(struct fdt *fdt, int node, const char *name, uint64_t *out)
{
	size_t len;
	const void *p = fdt_prop(fdt, node, name, &len);

	if (!p)
		return 0;
	if (len == 0 || len > 16 || (len & 3) != 0 || !fdt_read_cells(p, (unsigned)len / 4, out))
		return fdt_fail(fdt, node, "a property is not one number");
	return 1;
}

/* [FD20] */
static int read_dynamic(struct fdt *fdt, int node, struct fdt_region *out)
{
	int r = read_number(fdt, node, "size", &out->size);

	if (r <= 0 || out->size == 0)
		return r < 0 ? r : 0;
	if (read_number(fdt, node, "alignment", &out->alignment) < 0)
		return -1;
	if (out->alignment < MIN_ALIGNMENT && (out->alignment == 0 || is_pow2(out->alignment)))
		out->alignment = MIN_ALIGNMENT;
	if (!is_pow2(out->alignment))
		return fdt_fail(fdt, node, "an alignment is no power of two");
	out->kind = FDT_REGION_DYNAMIC;
	out->node = node;
	return 1;
}

/* [FD19] What it->node still has to say: 1, 0 when it is done, -1. */
static int next_of_child(struct fdt *fdt, struct fdt_region_iter *it, struct fdt_region *out)
{
	int r;

	if (it->stage == SEARCH) {
		if (!fdt_enabled(fdt, it->node))
			return 0;
		it->stage = TUPLES;
		it->index = 0;
	}
	if (fdt_prop(fdt, it->node, "reg", NULL)) {
		out->kind = FDT_REGION_RESERVED;
		r = next_tuple(fdt, it, out);
	} else {
		r = it->index++ == 0 ? read_dynamic(fdt, it->node, out) : 0;
	}
	if (r > 0) {
		out->no_map = fdt_prop(fdt, it->node, "no-map", NULL);
		out->reusable = !out->no_map && fdt_prop(fdt, it->node, "reusable", NULL);
	}
	return r;
}

/* [FD19] */
static int next_memreserve(struct fdt *fdt, struct fdt_region_iter *it, struct fdt_region *out)
{
	out->kind = FDT_REGION_MEMRESERVE;
	out->node = FDT_NONE;
	while (fdt_memreserve(fdt, it->index, &out->base, &out->size)) {
		if (out->size != 0 && out->base > UINT64_MAX - (out->size - 1))
			return fdt_fail(fdt, FDT_NONE, "a /memreserve/ entry runs past the end of the address space");
		out->index = it->index++;
		if (out->size != 0)
			return 1;
	}
	return 0;
}

/* [FD19] */
int get_reserved_regions(struct fdt *fdt, struct fdt_region_iter *it, struct fdt_region *out)
{
	struct fdt_region region = { 0 };
	int r;

	fdt_no_error(fdt);
	if (it->stage == START) {
		it->parent = fdt->reserved_memory;
		it->node = fdt_first_child(fdt, it->parent);
		it->stage = SEARCH;
	}
	while (it->stage != MEMRESERVE) {
		if (it->node != FDT_NONE) {
			r = next_of_child(fdt, it, &region);
			if (r > 0)
				*out = region;
			if (r != 0)
				return r;
			it->stage = SEARCH;
			it->node = fdt_next_sibling(fdt, it->node);
		} else if (it->parent != FDT_NONE) {
			it->parent = next_reserved_memory(fdt, it->parent);
			it->node = fdt_first_child(fdt, it->parent);
		} else {
			it->stage = MEMRESERVE;
			it->index = 0;
		}
	}
	r = next_memreserve(fdt, it, &region);
	if (r > 0)
		*out = region;
	return r;
}

/* [FD20] */
int fdt_alloc_range(struct fdt *fdt, const struct fdt_region *r, unsigned i, uint64_t *base, uint64_t *size)
{
	return fdt_tuple(fdt, r->node, "alloc-ranges", i, base, size);
}

/* [FD26] */
int get_distances(struct fdt *fdt, struct fdt_region_iter *it, struct fdt_distance *out)
{
	struct fdt_distance d;
	const uint8_t *p;
	size_t len;

	fdt_no_error(fdt);
	if (it->stage == START) {
		it->node = fdt_find(fdt, "/distance-map", strlen("/distance-map"));
		it->stage = fdt_compatible(fdt, it->node, "numa-distance-map-v1") ? TUPLES : SEARCH;
	}
	if (it->stage != TUPLES)
		return 0;
	p = fdt_prop(fdt, it->node, "distance-matrix", &len);
	if (!p || len % 12 != 0)
		return fdt_fail(fdt, it->node, "distance-matrix is missing, or no list of three cells each");
	if (it->index >= len / 12)
		return 0;
	p += (size_t)12 * it->index++;
	d = (struct fdt_distance){ be32(p), be32(p + 4), be32(p + 8) };
	if (d.from == d.to ? d.distance != 10 : d.distance <= 10)
		return fdt_fail(fdt, it->node, "a distance inside a node is not 10, or one between nodes not above 10");
	*out = d;
	return 1;
}

/* [FD21] */
int fdt_initrd(struct fdt *fdt, uint64_t *start, uint64_t *end)
{
	int node = fdt->chosen, has_start, has_end;
	uint64_t s = 0, e = 0;

	fdt_no_error(fdt);
	has_start = read_number(fdt, node, "linux,initrd-start", &s);
	has_end = read_number(fdt, node, "linux,initrd-end", &e);
	if (has_start < 0 || has_end < 0)
		return -1;
	if (has_start != has_end)
		return fdt_fail(fdt, node, "linux,initrd-start and -end do not come together");
	if (s > e)
		return fdt_fail(fdt, node, "linux,initrd-end is below linux,initrd-start");
	if (s == e)
		return 0;
	*start = s;
	*end = e;
	return 1;
}

/* [FD22] */
const char *fdt_bootargs(const struct fdt *fdt)
{
	const char *args = fdt_prop_string(fdt, fdt->chosen, "bootargs");

	return args ? args : "";
}

/* [FD22] */
int fdt_stdout(const struct fdt *fdt)
{
	int node = fdt->chosen;
	const char *path = fdt_prop_string(fdt, node, "stdout-path");

	if (!path)
		path = fdt_prop_string(fdt, node, "linux,stdout-path");
	return path ? fdt_find(fdt, path, strlen(path)) : FDT_NONE;
}
