/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The map of physical memory: one record ("claim") for every range that the device tree or the image names, with where it
 * came from; from these claims, and from nothing else, it is derived who owns each byte.
 *
 * Overlap: nomap > image > dtb > initrd > reserved > memreserve > free; the strongest kind wins, all names are kept.
 * Rounding to 4 KiB: RAM inwards, reservations outwards. Address 0 is an address like any other.
 */
#ifndef MM_RAM_H
#define MM_RAM_H

#include "arch/addr.h"
#include "lib/fdt_mem.h"
#include "mm/error.h"

enum ram_kind { /* ascending strength */
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

/* One claim. A bank is a claim of kind RAM_FREE. */
struct ram_claim {
	uint64_t base; /* as named, not rounded */
	uint64_t size;
	enum ram_kind kind;
	bool reusable;
	bool dynamic;	  /* placed by us */
	uint32_t numa_node; /* banks */
	int node;	  /* device-tree node, or FDT_NONE */
	unsigned index;	  /* tuple, /memreserve/ entry */
	const char *symbol; /* for the image and others that no node names; or NULL */
};

struct ram_map {
	struct ram_claim *claims; /* sorted by base, then size */
	unsigned count;
	unsigned capacity;
	const struct fdt *fdt; /* for names; may be NULL */
};

/* The image or another range that does not come from the tree. */
struct ram_extra {
	uint64_t base;
	uint64_t size;
	enum ram_kind kind;
	const char *symbol;
};

/* An upper bound for the claims that ram_build() makes of this tree with n_extra extras. Negative: the tree is malformed. */
int ram_claims_needed(struct fdt *fdt, unsigned n_extra);

/*
 * Collects every claim of the tree: banks, reserved-memory, memreserve, initrd, the blob itself (dtb_pa, totalsize), then the
 * extras; then places the size-only reservations (alignment, alloc-ranges; highest fit that overlaps nothing, as Linux
 * does). storage must hold ram_claims_needed(). MM_OK; MM_ENOMEM: storage too small; MM_EINVAL: malformed
 * (fdt->error); MM_ENOMEM with fdt->error: no place for a size-only region, which is never dropped silently.
 */
must_check int ram_build(struct ram_map *map, struct ram_claim *storage, unsigned capacity, struct fdt *fdt, paddr_t dtb_pa,
			 const struct ram_extra *extra, unsigned n_extra);

/* A piece of RAM with one owner: page-rounded, maximal (neighbours of the same kind and the same claims are one). */
struct ram_range {
	uint64_t base;
	uint64_t size;
	enum ram_kind kind;
	uint32_t numa_node;
};

/*
 * The piece of RAM that contains, or is the first after, address `from`. Reservations outside RAM are not pieces of RAM.
 * Returns false at the end of RAM. Walk: for (a = 0; ram_next(map, a, &r); a = r.base + r.size).
 * (base + size may be 2^64 only if RAM ends there; such a last page is left out.)
 */
bool ram_next(const struct ram_map *map, uint64_t from, struct ram_range *out);

/* The same for the pieces of one kind only / for banks (contiguous RAM whatever its owners, one NUMA node). */
bool ram_next_of(const struct ram_map *map, uint64_t from, enum ram_kind kind, struct ram_range *out);
bool ram_next_bank(const struct ram_map *map, uint64_t from, struct ram_range *out);

/* All RAM, and RAM of a kind, in bytes after rounding. */
uint64_t ram_total(const struct ram_map *map);
uint64_t ram_total_of(const struct ram_map *map, enum ram_kind kind);

/* The claims that cover address a (rounded as their kind asks), strongest first: writes at most n, returns how many there are. */
unsigned ram_owners(const struct ram_map *map, uint64_t a, const struct ram_claim **out, unsigned n);

/* "/reserved-memory/splash@fac00000 reg[0]", "/memreserve/[2]", "image": where a claim comes from. As snprintf. */
int ram_source(const struct ram_map *map, const struct ram_claim *c, char *buf, size_t n);

/* Re-derives the pieces and checks them against the claims: sorted, disjoint, covering all RAM once. MM_OK or MM_ECORRUPT (logged). */
must_check int ram_validate(const struct ram_map *map);

#endif
