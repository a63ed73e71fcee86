/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The map of physical memory: one record ("claim") for every range that the device tree or the image names, with where
 * it came from; from these claims, and from nothing else, it is derived who owns each byte.
 *
 * Overlap: nomap > image > dtb > initrd > reserved > memreserve > free; the strongest kind wins, all names are kept.
 * Rounding to 4 KiB: RAM inwards, reservations outwards. Address 0 is an address like any other.
 */
#ifndef MM_RAM_H
#define MM_RAM_H

#include "arch/addr.h"
#include "lib/fdt_mem.h"
#include "mm/error.h"

/* In ascending strength. */
enum ram_kind {
	RAM_FREE,
	RAM_MEMRESERVE,
	RAM_RESERVED, /* /reserved-memory that may be mapped; also reusable pools and placed dynamic regions */
	RAM_INITRD,
	RAM_DTB,
	RAM_IMAGE,
	RAM_NOMAP,
	RAM_KINDS,
};

/* "free", "memreserve", "reserved", "initrd", "dtb", "image", "nomap". */
const char *ram_kind_name(enum ram_kind kind);

/* A place where the owner of RAM changes: what holds from this page to the next edge. Private to mm/ram*.c. */
struct ram_edge {
	uint64_t page; /* frame number */
	uint32_t who;  /* NUMA node (while sorting: which claim starts or ends here) */
	uint8_t kind;
	bool ram; /* false: no bank covers it */
};

/* One claim. A bank is a claim of kind RAM_FREE. */
struct ram_claim {
	uint64_t base; /* as named, not rounded */
	uint64_t size;
	enum ram_kind kind;
	bool reusable;
	bool dynamic;		 /* placed by us */
	uint32_t numa_node;	 /* banks */
	int node;		 /* device-tree node, or FDT_NONE */
	unsigned index;		 /* tuple, /memreserve/ entry */
	const char *symbol;	 /* for the image and others that no node names; or NULL */
	struct ram_edge edge[2]; /* private: the map's edges, spread over the array; these are not this claim's own */
};

struct ram_map {
	struct ram_claim *claims; /* sorted by base, then size */
	unsigned count;
	unsigned capacity;
	unsigned edges;	       /* at most 2 * count */
	const struct fdt *fdt; /* for names; may be NULL */
};

/* The image or another range that does not come from the tree (of kind RAM_FREE: a bank, on NUMA node 0). */
struct ram_extra {
	uint64_t base;
	uint64_t size;
	enum ram_kind kind;
	const char *symbol;
};

/*
 * An upper bound for the claims that ram_build() makes of this tree with n_extra extras. MM_EINVAL: the tree is
 * malformed (fdt->error, fdt->error_node); MM_EOVERFLOW: n_extra is absurd.
 */
must_check int ram_claims_needed(struct fdt *fdt, unsigned n_extra);

/*
 * Collects every claim of the tree: banks, reserved-memory, memreserve, initrd, the blob itself (dtb_pa, totalsize),
 * then the extras; then places the size-only reservations in tree order: in RAM that no other claim touches, inside
 * one bank, in the first of its alloc-ranges that has room, as high as it fits. fdt may be NULL: the extras alone.
 * storage must hold ram_claims_needed() and stay; it is scratch when the call fails, and *map is then as it was.
 *
 * MM_OK. MM_EINVAL: malformed tree, or an extra that is empty, wraps or has no kind. MM_ENOMEM with fdt->error NULL:
 * storage too small; with fdt->error: no place for the size-only reservation fdt->error_node, which is never dropped
 * silently. Cost: n log n for n claims, and n for each size-only reservation.
 */
must_check int ram_build(struct ram_map *map, struct ram_claim *storage, unsigned capacity, struct fdt *fdt,
			 paddr_t dtb_pa, const struct ram_extra *extra, unsigned n_extra);

/*
 * A piece of RAM with one owner: page-rounded, maximal (neighbours of the same kind and the same claims are one).
 * Where banks of several NUMA nodes overlap, the one that comes first in the list of claims counts.
 */
struct ram_range {
	uint64_t base;
	uint64_t size;
	enum ram_kind kind;
	uint32_t numa_node;
};

/*
 * The piece of RAM that contains, or is the first after, address `from`. Reservations outside RAM are not pieces of
 * RAM. Returns false at the end of RAM. Walk: for (a = 0; ram_next(map, a, &r); a = r.base + r.size). (base + size may
 * be 2^64 only if RAM ends there; such a last page is left out.) Cost: log n.
 */
bool ram_next(const struct ram_map *map, uint64_t from, struct ram_range *out);

/* The same for the pieces of one kind only / for banks (contiguous RAM whatever its owners, one NUMA node). */
bool ram_next_of(const struct ram_map *map, uint64_t from, enum ram_kind kind, struct ram_range *out);
bool ram_next_bank(const struct ram_map *map, uint64_t from, struct ram_range *out);

/* All RAM, and RAM of a kind, in bytes after rounding. */
uint64_t ram_total(const struct ram_map *map);
uint64_t ram_total_of(const struct ram_map *map, enum ram_kind kind);

/*
 * The claims that cover address a (rounded as their kind asks), strongest first: writes at most n, returns how many
 * there are.
 */
unsigned ram_owners(const struct ram_map *map, uint64_t a, const struct ram_claim **out, unsigned n);

/* "/reserved-memory/splash@fac00000 reg[0]", "/memreserve/[2]", "image": where a claim comes from. As snprintf. */
int ram_source(const struct ram_map *map, const struct ram_claim *c, char *buf, size_t n);

/*
 * Checks claims and pieces against each other, each from the other's side: claims sorted and sane; pieces sorted,
 * disjoint, covering all RAM once, each as strong as its strongest claim. MM_OK or MM_ECORRUPT (logged).
 */
must_check int ram_validate(const struct ram_map *map);

#endif
