/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One walker for every stage: EL1 stage 1, EL2 stage 1, stage 2, and the tests' fake format.
 *
 * Ranges, not pages: map takes the widest leaf that fits (1 GiB, 2 MiB, 4 KiB), walks once per table, and ends with
 * one barrier or one TLB operation. All or nothing: every call looks first, takes all the tables it will need, and
 * only then changes anything; a call that fails leaves tables and counters as it found them. Mapping over a mapping
 * is MM_EEXIST. A table is complete and visible before it is linked, and freed after the TLB is clean (peers of this
 * code got both wrong).
 *
 * The caller serialises calls on one object. Tables come from the registered page_allocator, and from PT_POOL while
 * there is none. The allocator must not call back into the object that asks it.
 *
 * While a live block is split, or a live mapping changes its memory type, the whole leaf is invalid for a moment
 * (break-before-make, Arm ARM D8.14.1): this CPU has interrupts masked then, and other CPUs must not be using the
 * leaf.
 *
 * Files: pgtable.c (objects, their tables), pgtable_map.c, pgtable_change.c (unmap, protect, split), pgtable_walk.c
 * (reading).
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
	paddr_t root; /* root table, or first of the concatenated ones */
	uint8_t start_level;
	uint8_t input_bits;  /* size of the input address space */
	uint8_t pa_bits;     /* size of the output address space */
	uint8_t root_shift;  /* log2 of the number of root tables */
	bool root_borrowed;  /* the caller gave the root and keeps it */
	bool live;	     /* some CPU may be walking it: TLB maintenance is needed; set by who installs the root */
	uint64_t input_base; /* first input address (0xffff000000000000 for TTBR1, else 0) */
	struct arch_tlb_ctx tlb;
	struct pt_pool *pool;			/* may be NULL */
	const struct page_allocator *allocator; /* NULL until registered; release/acquire */
	void *(*table_virt)(const struct pgtable *pt, paddr_t pa);
	void (*table_event)(const struct pgtable *pt, paddr_t pa, bool made);
	uint64_t pool_tables;	 /* tables of this object that came from the pool, root included */
	uint64_t dynamic_tables; /* from the allocator */
};

struct pgtable_config {
	const struct pgtable_format *format;
	unsigned input_bits; /* 16..48 */
	uint64_t input_base; /* a multiple of 2^input_bits */
	unsigned pa_bits;    /* highest output address this CPU can name (arch_pa_bits()); 0: the format's */
	struct arch_tlb_ctx tlb;
	struct pt_pool *pool;
	const struct page_allocator *allocator;
	/*
	 * Where this CPU reaches a table; linear over concatenated roots. NULL: pool tables by the pool, others by
	 * phys_to_virt().
	 */
	void *(*table_virt)(const struct pgtable *pt, paddr_t pa);
	/*
	 * Sees every table that is taken (made) or given back, also those of a call that fails in the end. NULL: the
	 * verbose line "MMU: Allocated page table at PA 0x%016x" is logged for every table taken.
	 */
	void (*table_event)(const struct pgtable *pt, paddr_t pa, bool made);
};

/*
 * Makes an empty table set: root(s) allocated and cleared. Start level and concatenation follow input_bits (stage 2:
 * as VTCR_EL2.SL0 allows: up to 34 bits level 2, up to 43 level 1, above level 0). Concatenated roots need `roots`:
 * 2^k contiguous, size-aligned tables that the caller owns (NULL where one table does). MM_EINVAL, MM_EALIGN (roots),
 * MM_EPT_POOL, MM_EPT_ALLOC.
 */
must_check int pgtable_init(struct pgtable *pt, const struct pgtable_config *config, const paddr_t *roots);

/* log2 of the number of root tables that pgtable_init() will want for this input size, or MM_EINVAL. */
must_check int pgtable_root_shift(const struct pgtable_format *format, unsigned input_bits);

/*
 * Frees every table (roots given by the caller stay the caller's). The object must not be live (refused with a log
 * line).
 */
void pgtable_destroy(struct pgtable *pt);

/*
 * From here new tables come from a (release-published, acquired where tables are taken). Tables of the pool go back
 * to the pool. Refused with a log line, nothing changed: NULL, and another allocator while tables of the present one
 * are in use (nobody could say later whose they are).
 */
void pgtable_set_allocator(struct pgtable *pt, const struct page_allocator *a);

#define PGTABLE_PAGES_ONLY (1u << 0) /* no leaf wider than 4 KiB */
#define PGTABLE_MAX_2M (1u << 1)     /* no leaf wider than 2 MiB */
#define PGTABLE_NO_TABLE (1u << 2)   /* MM_EEXIST where an (empty) table stands in the place of a leaf that would fit */

/*
 * Maps [va, va + size) to [pa, pa + size), all multiples of 4 KiB, size > 0. MM_EINVAL (size 0, unknown flag),
 * MM_EALIGN, MM_ERANGE (input or output range), MM_EUNSUPPORTED (the format has no such attribute), MM_EPERM
 * (writable and executable together, executable device memory), MM_EEXIST, MM_EPT_POOL, MM_EPT_ALLOC. Cost: 3
 * instructions an entry; new tables are cleared only where the range leaves them empty.
 */
must_check int pgtable_map(struct pgtable *pt, uint64_t va, paddr_t pa, uint64_t size, struct pt_attrs attrs,
			   unsigned flags);

/*
 * Removes every leaf in the range; all of it must be mapped (MM_ENOENT, nothing changed). A block that sticks out of
 * the range is split first: MM_EPT_POOL, MM_EPT_ALLOC, and MM_EBUSY when this very code, its stack or its tables are
 * reached through the live block that would have to be broken. Tables that become empty are freed after the TLB
 * maintenance. Argument errors as pgtable_map(). Cost: O(1) for a table that the range covers whole.
 */
must_check int pgtable_unmap(struct pgtable *pt, uint64_t va, uint64_t size);

/* The same for whatever is mapped in the range: holes are passed over (never MM_ENOENT). */
must_check int pgtable_clear(struct pgtable *pt, uint64_t va, uint64_t size);

/*
 * Changes the attributes of a mapped range (MM_ENOENT); in place where the architecture allows, else
 * break-before-make with one TLB operation for the range. Errors as pgtable_unmap(), and MM_EPERM, MM_EUNSUPPORTED
 * for attributes as pgtable_map().
 */
must_check int pgtable_protect(struct pgtable *pt, uint64_t va, uint64_t size, struct pt_attrs attrs);

struct pgtable_entry {
	paddr_t pa;    /* output address of va itself */
	uint64_t va;   /* first input address of the leaf */
	uint64_t size; /* of the leaf */
	unsigned level;
	struct pt_attrs attrs;
	uint64_t desc;
};
/* What va translates to: MM_OK or MM_ENOENT / MM_ERANGE. Any va, aligned or not. */
must_check int pgtable_query(const struct pgtable *pt, uint64_t va, struct pgtable_entry *out);

enum pgtable_event { PGTABLE_LEAF, PGTABLE_TABLE_BEFORE, PGTABLE_TABLE_AFTER };
/*
 * Called for every valid entry in address order; non-zero stops the walk and is returned. In a leaf, e->pa is the
 * output address of e->va (the leaf's first byte, which may lie before the range). For tables e->pa is the table and
 * e->level the level of the entry that points to it. The visitor must not change the tables.
 */
typedef int (*pgtable_visit_fn)(void *ctx, enum pgtable_event event, const struct pgtable_entry *e);
/* MM_OK at the end, what the visitor returned, or MM_EINVAL / MM_ERANGE for the range (which need not be aligned). */
int pgtable_walk(const struct pgtable *pt, uint64_t va, uint64_t size, pgtable_visit_fn visit, void *ctx);

/*
 * How many tables pgtable_map() with these arguments would take that are not there yet (attributes do not matter); 0
 * when the arguments are refused. Exact for one call: two ranges counted before either is mapped may each count a
 * table they share.
 */
uint64_t pgtable_tables_missing(const struct pgtable *pt, uint64_t va, paddr_t pa, uint64_t size, unsigned flags);

/*
 * The seed's get_or_create_table(): the table below entry `index` of `table` (a table of `level`): followed when
 * there, else one from the registered allocator [M26], or from PT_POOL while none is registered [M27]; cleared, then
 * linked. MM_EINVAL (no such level, or `table` is no table of this object at that level), MM_ERANGE (index),
 * MM_EEXIST when a block is there; MM_EPT_ALLOC; MM_EPT_POOL. Cost below the root: a search of the levels above for
 * `table`.
 */
must_check int pgtable_get_or_create_table(struct pgtable *pt, paddr_t table, unsigned index, unsigned level,
					   paddr_t *out);

/*
 * What a live descriptor of `level` may become (Arm ARM D8.14.1). Pure. REFUSE: the new one is not well formed or
 * grants what policy forbids, or the old one is not well formed (a contiguous hint, say, which must be broken as a
 * group).
 */
enum pt_change {
	PT_CHANGE_IN_PLACE,	     /* one store; TLB maintenance afterwards when access was taken away */
	PT_CHANGE_BREAK_BEFORE_MAKE, /* invalid, TLB maintenance, then the new one */
	PT_CHANGE_REFUSE,
};
enum pt_change pgtable_change(const struct pgtable_format *f, unsigned level, uint64_t old, uint64_t new);

/* Re-derives counters and reachability; MM_OK or MM_ECORRUPT with findings logged. */
must_check int pgtable_validate(const struct pgtable *pt);

#endif
