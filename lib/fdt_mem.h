/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a device tree says about memory and about the boot: banks (Devicetree Specification 3.4), reservations (3.5,
 * 5.3), and /chosen (3.6). Iterators over all of it in tree order; they keep no list and so have no limit.
 */
#ifndef LIB_FDT_MEM_H
#define LIB_FDT_MEM_H

#include "lib/fdt.h"

enum fdt_region_kind {
	FDT_REGION_MEMORY,     /* a memory node's reg tuple */
	FDT_REGION_MEMRESERVE, /* a /memreserve/ entry */
	FDT_REGION_RESERVED,   /* /reserved-memory child with reg */
	FDT_REGION_DYNAMIC,    /* /reserved-memory child with size only: to be placed by the reader */
};

struct fdt_region {
	enum fdt_region_kind kind;
	uint64_t base;	/* DYNAMIC: 0 */
	uint64_t size;	/* > 0; base + size - 1 does not wrap */
	int node;	/* FDT_NONE for MEMRESERVE */
	unsigned index; /* which tuple or entry */
	bool no_map;
	bool reusable;	    /* never together with no_map, which wins (as in Linux) */
	uint32_t numa_node; /* MEMORY: numa-node-id, 0 when absent */
	uint64_t alignment; /* DYNAMIC: a power of two, at least 4 KiB */
};

struct fdt_region_iter {
	int node; /* private: start with { 0 } */
	int parent;
	unsigned index;
	unsigned stage;
};

/*
 * The next bank: every tuple of every enabled node with device_type "memory" (wherever in the tree it stands, cells as
 * its parent says). Zero-size tuples are passed over. 1: *out is filled; 0: the end; -1: malformed, fdt->error says
 * how. A node is not believed to be memory by its name: device_type is required (3.4; so does Linux).
 */
must_check int get_memory_regions(struct fdt *fdt, struct fdt_region_iter *it, struct fdt_region *out);

/*
 * The same for reservations: first every /reserved-memory child that is enabled, in tree order, then /memreserve/. A
 * child with `reg` is static whatever else it has (3.5.2); one with neither `reg` nor `size`, and every empty range,
 * is passed over. `size` and `alignment` are read by their own length: the specification counts them in #size-cells,
 * Linux wants #address-cells for `alignment`, and trees exist for both. An alignment below 4 KiB is raised to it.
 */
must_check int get_reserved_regions(struct fdt *fdt, struct fdt_region_iter *it, struct fdt_region *out);

/*
 * The i-th alloc-ranges tuple of a DYNAMIC region: 1 (size may be 0), 0 at the end (none at all: anywhere), -1
 * malformed.
 */
must_check int fdt_alloc_range(struct fdt *fdt, const struct fdt_region *r, unsigned i, uint64_t *base, uint64_t *size);

/* How far memory of NUMA node `to` is from node `from`: 10 is local. */
struct fdt_distance {
	uint32_t from, to, distance;
};

/*
 * The next entry of /distance-map (binding numa-distance-map-v1), as in get_memory_regions(): 1, 0 at the end (there is
 * no map: at once), -1: malformed, which is also a node that is not 10 from itself, and two that are not farther apart.
 */
must_check int get_distances(struct fdt *fdt, struct fdt_region_iter *it, struct fdt_distance *out);

/*
 * /chosen linux,initrd-start and -end (one or two cells each). 1: there is one and start < end; 0: none, or an empty
 * one; -1: malformed (one without the other, another length, end before start).
 */
must_check int fdt_initrd(struct fdt *fdt, uint64_t *start, uint64_t *end);

/* /chosen bootargs, or "". */
const char *fdt_bootargs(const struct fdt *fdt);

/*
 * The node that /chosen stdout-path (or linux,stdout-path) names, through /aliases, options after ':' cut; or
 * FDT_NONE.
 */
int fdt_stdout(const struct fdt *fdt);

#endif
