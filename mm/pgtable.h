/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One walker for every stage: EL1 stage 1, EL2 stage 1, stage 2, and the host tests' fake format.
 *
 * Ranges, not pages: map takes the widest leaf that fits (1 GiB, 2 MiB, 4 KiB), walks once per table, and ends with one barrier
 * or one TLB operation. All or nothing: a call that fails leaves tables and counters as it found them. Mapping over a mapping is
 * MM_EEXIST. A table is zeroed and made visible before it is linked, and freed after the TLB is clean (peers of this code got
 * both wrong). Writable and executable together, and executable device memory, are MM_EPERM.
 *
 * The caller serialises calls on one object. Tables come from the registered page_allocator, and from PT_POOL while there is none.
 */
#ifndef MM_PGTABLE_H
#define MM_PGTABLE_H

#include "arch/arch.h"
#include "arch/format.h"
#include "mm/error.h"
#include "mm/ptpool.h"

/* Supplies table pages: the seed's PageAllocator. Both functions get ctx. */
struct page_allocator {
	/* One 4 KiB page, contents arbitrary; false when there is none. */
	bool (*alloc_page)(void *ctx, paddr_t *out);
	void (*free_page)(void *ctx, paddr_t pa);
	void *ctx;
};

struct pgtable {
	const struct pgtable_format *format;
	paddr_t root;	      /* root table, or first of the concatenated ones */
	uint8_t start_level;
	uint8_t input_bits;   /* size of the input address space */
	uint8_t root_shift;   /* log2 of the number of root tables */
	uint64_t input_base;  /* first input address (0xffff000000000000 for TTBR1, else 0) */
	struct arch_tlb_ctx tlb;
	bool live;	      /* some CPU may be walking it: TLB maintenance is needed */
	struct pt_pool *pool; /* may be NULL */
	const struct page_allocator *allocator; /* NULL until registered; release/acquire */
	void *(*table_virt)(const struct pgtable *pt, paddr_t pa); /* NULL: pool tables by the pool, others by phys_to_virt() */
	void (*table_event)(const struct pgtable *pt, paddr_t pa, bool made); /* verbose line, tests; may be NULL */
	uint64_t pool_tables;	 /* tables of this object that came from the pool, root included */
	uint64_t dynamic_tables; /* from the allocator */
};

struct pgtable_config {
	const struct pgtable_format *format;
	unsigned input_bits;	/* 16..48 */
	uint64_t input_base;
	struct arch_tlb_ctx tlb;
	struct pt_pool *pool;
	const struct page_allocator *allocator;
	void *(*table_virt)(const struct pgtable *pt, paddr_t pa);
	void (*table_event)(const struct pgtable *pt, paddr_t pa, bool made);
};

/* Makes an empty table set: root(s) allocated and cleared. Start level and concatenation follow input_bits (stage 2: as
 * VTCR_EL2.SL0 allows). MM_EINVAL, MM_EPT_POOL, MM_EPT_ALLOC. Concatenated roots need `roots`: 2^k contiguous, size-aligned
 * tables that the caller owns (NULL where one table does). */
must_check int pgtable_init(struct pgtable *pt, const struct pgtable_config *config, const paddr_t *roots);

/* Frees every table (roots given by the caller stay the caller's). The object must not be live. */
void pgtable_destroy(struct pgtable *pt);

/* From here new tables come from a (acquire/release published; NULL is refused). Old ones go back to where they came from. */
void pgtable_set_allocator(struct pgtable *pt, const struct page_allocator *a);

#define PGTABLE_PAGES_ONLY (1u << 0) /* no leaf wider than 4 KiB */
#define PGTABLE_MAX_2M (1u << 1)     /* no leaf wider than 2 MiB */

/*
 * Maps [va, va + size) to [pa, pa + size), all multiples of 4 KiB, size > 0. MM_EALIGN, MM_ERANGE (input or output range),
 * MM_EEXIST, MM_EPERM, MM_EPT_POOL, MM_EPT_ALLOC.
 */
must_check int pgtable_map(struct pgtable *pt, uint64_t va, paddr_t pa, uint64_t size, struct pt_attrs attrs, unsigned flags);

/* Removes every leaf in the range; all of it must be mapped (MM_ENOENT, nothing changed). A block that sticks out of the
 * range is split first. Tables that become empty are freed after the TLB maintenance. */
must_check int pgtable_unmap(struct pgtable *pt, uint64_t va, uint64_t size);

/* Changes the attributes of a mapped range (MM_ENOENT); in place where the architecture allows, else break-before-make. */
must_check int pgtable_protect(struct pgtable *pt, uint64_t va, uint64_t size, struct pt_attrs attrs);

struct pgtable_entry {
	paddr_t pa;	 /* output address of va itself */
	uint64_t va;	 /* first input address of the leaf */
	uint64_t size;	 /* of the leaf */
	unsigned level;
	struct pt_attrs attrs;
	uint64_t desc;
};
/* What va translates to: MM_OK or MM_ENOENT / MM_ERANGE. */
must_check int pgtable_query(const struct pgtable *pt, uint64_t va, struct pgtable_entry *out);

enum pgtable_event { PGTABLE_LEAF, PGTABLE_TABLE_BEFORE, PGTABLE_TABLE_AFTER };
/* Called for every valid entry in address order; non-zero stops the walk and is returned. For tables e->pa is the table. */
typedef int (*pgtable_visit_fn)(void *ctx, enum pgtable_event event, const struct pgtable_entry *e);
int pgtable_walk(const struct pgtable *pt, uint64_t va, uint64_t size, pgtable_visit_fn visit, void *ctx);

/* How many tables pgtable_map() with these arguments would take that are not there yet (attributes do not matter). */
uint64_t pgtable_tables_missing(const struct pgtable *pt, uint64_t va, paddr_t pa, uint64_t size, unsigned flags);

/*
 * The seed's get_or_create_table(): the table below entry `index` of `table` (a table of `level`): followed when there, else one
 * from the registered allocator [M26], or from PT_POOL while none is registered [M27]; zeroed, then linked.
 * MM_EEXIST when a block is there; MM_EPT_ALLOC; MM_EPT_POOL.
 */
must_check int pgtable_get_or_create_table(struct pgtable *pt, paddr_t table, unsigned index, unsigned level, paddr_t *out);

/* Re-derives counters and reachability; MM_OK or MM_ECORRUPT with findings logged. */
must_check int pgtable_validate(const struct pgtable *pt);

#endif
