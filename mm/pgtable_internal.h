/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the pgtable_*.c files share: the one door for descriptors, the arithmetic of levels, and the tables that a
 * call has taken but not yet used. Private to them and to their tests.
 *
 * Inside, an input address is an offset from pt->input_base ("ia"): at most 2^48, so that ends never wrap. An entry
 * is in one of three states: `invalid`; valid; or switched off (d ^ valid_bit), which only happens within one call: a
 * new table before the barrier that lets it be seen, a leaf between break and make, a removed table until the TLB is
 * clean.
 */
#ifndef MM_PGTABLE_INTERNAL_H
#define MM_PGTABLE_INTERNAL_H

#include "mm/pgtable.h"

/* ---- the door: every descriptor is read and written here, single-copy atomic (Arm ARM B2.2.1) -------------------- */

static inline uint64_t pte_load(const uint64_t *entry)
{
	return *(const volatile uint64_t *)entry;
}

static inline void pte_store(uint64_t *entry, uint64_t desc)
{
	*(volatile uint64_t *)entry = desc;
}

/* n descriptors: first, first + stride, first + 2 * stride... The hot loop: two instructions an entry. */
static inline void pte_store_series(uint64_t *entry, uint64_t first, uint64_t stride, uint64_t n)
{
	uint64_t *end = entry + (n & ~(uint64_t)7), *last = entry + n;
	uint64_t d = first;

	for (; entry != end; entry += 8) {
		pte_store(entry + 0, d);
		d += stride;
		pte_store(entry + 1, d);
		d += stride;
		pte_store(entry + 2, d);
		d += stride;
		pte_store(entry + 3, d);
		d += stride;
		pte_store(entry + 4, d);
		d += stride;
		pte_store(entry + 5, d);
		d += stride;
		pte_store(entry + 6, d);
		d += stride;
		pte_store(entry + 7, d);
		d += stride;
	}
	for (; entry != last; entry++, d += stride)
		pte_store(entry, d);
}

/*
 * Gives a run of leaves other attributes: replaces everything but the address by `put` as long as it is `old`.
 * Returns how many. The loads are plain, so that compilers may pair them: no leaf changes but by us (no hardware
 * update of flags is enabled).
 */
static inline uint64_t pte_repaint_run(uint64_t *entry, uint64_t n, uint64_t address_mask, uint64_t old, uint64_t put)
{
	uint64_t *const first = entry, *const end = entry + n;

	while (end - entry >= 8) {
		const uint64_t *e = entry;
		uint64_t a = e[0] ^ old, b = e[1] ^ old, c = e[2] ^ old, d = e[3] ^ old;
		uint64_t g = e[4] ^ old, h = e[5] ^ old, i = e[6] ^ old, j = e[7] ^ old;

		if ((a | b | c | d | g | h | i | j) & ~address_mask)
			break;
		pte_store(entry + 0, a | put);
		pte_store(entry + 1, b | put);
		pte_store(entry + 2, c | put);
		pte_store(entry + 3, d | put);
		pte_store(entry + 4, g | put);
		pte_store(entry + 5, h | put);
		pte_store(entry + 6, i | put);
		pte_store(entry + 7, j | put);
		entry += 8;
	}
	for (; entry != end; entry++) {
		uint64_t a = pte_load(entry) ^ old;

		if (a & ~address_mask)
			break;
		pte_store(entry, a | put);
	}
	return (uint64_t)(entry - first);
}

/* ---- levels ------------------------------------------------------------------------------------------------------ */

static inline unsigned level_shift(const struct pgtable_format *f, unsigned level)
{
	return f->page_shift + f->bits_per_level * (unsigned)(f->last_level - level);
}

static inline uint64_t level_span(const struct pgtable_format *f, unsigned level)
{
	return (uint64_t)1 << level_shift(f, level);
}

/* The end of the entry that ia lies in, or end if that comes first. */
static inline uint64_t entry_end(uint64_t ia, unsigned shift, uint64_t end)
{
	return min_u64(((ia >> shift) + 1) << shift, end);
}

/* How many entries of 1 << shift bytes [s, t) covers in part. */
static inline uint64_t partial_entries(unsigned shift, uint64_t s, uint64_t t)
{
	uint64_t mask = ((uint64_t)1 << shift) - 1;
	bool head = s & mask, tail = t & mask;

	return s >> shift == (t - 1) >> shift ? head || tail : (uint64_t)head + tail;
}

static inline unsigned table_entries(const struct pgtable_format *f)
{
	return 1u << f->bits_per_level;
}

/* Entries of the table that a walk meets at level: the concatenated roots count as one. */
static inline unsigned entries_at(const struct pgtable *pt, unsigned level)
{
	return table_entries(pt->format) << (level == pt->start_level ? pt->root_shift : 0);
}

static inline unsigned entry_index(const struct pgtable *pt, unsigned level, uint64_t ia)
{
	return (unsigned)(ia >> level_shift(pt->format, level)) & (entries_at(pt, level) - 1);
}

/*
 * How many entries of the table below are not `invalid`; kept in the bits of a table descriptor that hardware
 * ignores.
 */
static inline unsigned count_of(const struct pgtable_format *f, uint64_t desc)
{
	return (unsigned)(desc >> f->count_shift) & ((2u << f->bits_per_level) - 1);
}

static inline uint64_t count_bits(const struct pgtable_format *f, uint64_t n)
{
	return n << f->count_shift;
}

/* Bits of a leaf at level that hold its output address. */
static inline uint64_t leaf_address_mask(const struct pgtable_format *f, unsigned level)
{
	return f->encode_pa((((uint64_t)1 << f->max_pa_bits) - 1) & ~(level_span(f, level) - 1));
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

uint64_t *pgtable_table_virt(const struct pgtable *pt, paddr_t pa);

/* The table below a table descriptor at level. */
static inline uint64_t *table_below(const struct pgtable *pt, uint64_t desc, unsigned level)
{
	return pgtable_table_virt(pt, paddr(pt->format->decode_pa(desc, level, true)));
}

static inline uint64_t *root_table(const struct pgtable *pt)
{
	return pgtable_table_virt(pt, pt->root);
}

/* Tables taken ahead of a change, threaded through their own first words (nobody walks them yet). */
struct pt_reserve {
	paddr_t first;
	uint64_t *last; /* where the address of the next goes */
	uint64_t n;
};

/* Takes n tables: all or none. MM_EPT_POOL, MM_EPT_ALLOC. */
must_check int pgtable_reserve(struct pgtable *pt, struct pt_reserve *r, uint64_t n);
/* The next one, in the order they were taken. Contents arbitrary. */
paddr_t pgtable_reserve_take(struct pgtable *pt, struct pt_reserve *r);
/* Nothing may be left: who counted was wrong. */
void pgtable_reserve_end(const struct pt_reserve *r);

/*
 * Fills a new table with `invalid` but for entries [from, to), which the caller writes (they may be cleared, too). An
 * allocator's table in the linear map is Normal memory, where arch_zero() works; anything else is stored to entry by
 * entry.
 */
void pgtable_table_clear(const struct pgtable *pt, uint64_t *table, unsigned from, unsigned to);

/* Gives a table back to where it came from. */
void pgtable_table_free(struct pgtable *pt, paddr_t pa);
/*
 * Frees the table that an entry at level pointed to, valid or switched off, and all below it. Nobody may be walking
 * it.
 */
void pgtable_subtree_free(struct pgtable *pt, uint64_t desc, unsigned level);

/* Whether a valid descriptor of level is one that this code could have written. */
bool pgtable_well_formed(const struct pgtable_format *f, unsigned level, uint64_t desc);

/* ---- arguments --------------------------------------------------------------------------------------------------- */

/* MM_EINVAL, MM_EALIGN, MM_ERANGE; otherwise *ia is va's offset. */
must_check int pgtable_check_range(const struct pgtable *pt, uint64_t va, uint64_t size, uint64_t *ia);
/* MM_EINVAL, MM_EUNSUPPORTED, MM_EPERM. */
must_check int pgtable_check_attrs(const struct pgtable_format *f, struct pt_attrs attrs);

#endif
