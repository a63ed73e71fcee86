/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happens to entries that are there already: unmap, protect, and the splitting of blocks that both need. What
 * may become of a descriptor is decided by one pure function, pgtable_change(); the rest obeys it.
 *
 * Every call: survey (all mapped? how many tables will splits take?), take the tables, change, one TLB operation, and
 * only then free what was unlinked. A table that goes is switched off in its parent, which keeps its address there
 * for the last pass.
 */
#include "mm/pgtable_internal.h"

#include "lib/panic.h"

/* ---- policy ------------------------------------------------------------------------------------------------------ */

bool pgtable_well_formed(const struct pgtable_format *f, unsigned level, uint64_t desc)
{
	bool table = f->is_table(desc, level);
	uint64_t pa = f->decode_pa(desc, level, table);

	if (pa >> f->max_pa_bits)
		return false;
	if (table)
		return (desc & ~count_bits(f, (2u << f->bits_per_level) - 1)) == (f->table() | f->encode_pa(pa));
	return level >= f->first_block_level && level <= f->last_level &&
	       desc == (f->leaf(f->decode_attrs(desc, level), level) | f->encode_pa(pa));
}

/* [M37] */
enum pt_change pgtable_change(const struct pgtable_format *f, unsigned level, uint64_t old, uint64_t new)
{
	bool old_table, new_table;
	struct pt_attrs was, will;

	if (level > f->last_level)
		return PT_CHANGE_REFUSE;
	if (!f->is_valid(new))
		return PT_CHANGE_IN_PLACE;
	new_table = f->is_table(new, level);
	if (!pgtable_well_formed(f, level, new))
		return PT_CHANGE_REFUSE;
	will = f->decode_attrs(new, level);
	if (!new_table && pgtable_check_attrs(f, will))
		return PT_CHANGE_REFUSE;
	if (!f->is_valid(old))
		return PT_CHANGE_IN_PLACE;
	if (!pgtable_well_formed(f, level, old))
		return PT_CHANGE_REFUSE;

	old_table = f->is_table(old, level);
	if (old_table != new_table || f->decode_pa(old, level, old_table) != f->decode_pa(new, level, new_table))
		return PT_CHANGE_BREAK_BEFORE_MAKE;
	if (new_table)
		return PT_CHANGE_IN_PLACE;
	was = f->decode_attrs(old, level);
	/* A global entry must not meet TLB entries of the same page that carry an ASID. */
	if (was.memory != will.memory || (was.access & ~will.access & PT_NONGLOBAL))
		return PT_CHANGE_BREAK_BEFORE_MAKE;
	return PT_CHANGE_IN_PLACE;
}

/* ---- one call ---------------------------------------------------------------------------------------------------- */

struct change_job {
	struct pgtable *pt;
	const struct pgtable_format *f;
	bool holes;   /* pgtable_clear(): what is not mapped is passed over */
	bool protect; /* else unmap */
	struct pt_attrs attrs;
	uint64_t splits;  /* tables that splits will take */
	unsigned levels;  /* bit n: leaves of level n changed and the TLB does not know yet */
	bool tables_gone; /* some tables are switched off */
	bool broken;	  /* some leaves are switched off; interrupts are masked */
	unsigned long irq;
	/* What protect makes of leaves like `seen` of seen_level: found once, used for the run. */
	unsigned seen_level;
	uint64_t seen, put;
	struct pt_reserve reserve;
};

#define NO_LEVEL 0xff
#define EVERY_LEVEL 0xffu

/*
 * Whether this CPU would lose what it is standing on if the block were invalid for a moment: this code, its stack,
 * the object, or the table that holds the entry. (A stage 2 is not what we run on.) [M49]
 */
static bool cuts_own_branch(const struct change_job *job, const uint64_t *entry, unsigned level, uint64_t ia)
{
	uint64_t span = level_span(job->f, level), va = job->pt->input_base + ALIGN_DOWN(ia, span);
	int here;
	const uintptr_t needed[] = { (uintptr_t)entry, (uintptr_t)&here, (uintptr_t)job->pt, (uintptr_t)job->pt->format,
				     (uintptr_t)&cuts_own_branch };

	if (!job->pt->live || job->pt->tlb.regime == REGIME_STAGE2)
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(needed); i++) {
		if (needed[i] - va < span)
			return true;
	}
	return false;
}

/* [M35] [M43] */
static int survey(struct change_job *job, const uint64_t *table, unsigned level, uint64_t s, uint64_t t)
{
	const struct pgtable_format *f = job->f;
	unsigned shift = level_shift(f, level);
	const uint64_t *e = &table[entry_index(job->pt, level, s)];
	int err;

	if (level == f->last_level) {
		for (uint64_t n = (t - s) >> shift; n && !job->holes; n--) {
			if (pte_load(e++) == f->invalid)
				return MM_ENOENT;
		}
		return MM_OK;
	}
	for (uint64_t end; s < t; s = end, e++) {
		uint64_t d = pte_load(e);
		bool whole;

		end = entry_end(s, shift, t);
		whole = end - s == (uint64_t)1 << shift;
		if (d == f->invalid) {
			if (!job->holes)
				return MM_ENOENT;
		} else if (f->is_table(d, level)) {
			/* A full table of pages, or one that goes whatever it holds, needs no look. */
			if (whole && (job->holes || (level + 1 == f->last_level && count_of(f, d) == table_entries(f))))
				continue;
			err = survey(job, table_below(job->pt, d, level), level + 1, s, end);
			if (err)
				return err;
		} else if (!whole) {
			if (job->protect && (d & ~leaf_address_mask(f, level)) == f->leaf(job->attrs, level))
				continue;
			if (cuts_own_branch(job, e, level, s))
				return MM_EBUSY;
			for (unsigned l = level; l < f->last_level; l++)
				job->splits += partial_entries(level_shift(f, l), s, end);
		}
	}
	return MM_OK;
}

/* ---- splitting --------------------------------------------------------------------------------------------------- */

/*
 * A table that says what the block `old` of level said, but for [s, t), which is already unmapped or has the new
 * attributes. Returns its descriptor. Nobody walks it yet.
 */
static uint64_t split_table(struct change_job *job, uint64_t old, unsigned level, uint64_t s, uint64_t t)
{
	const struct pgtable_format *f = job->f;
	unsigned below = level + 1, shift = level_shift(f, below), kept = table_entries(f);
	uint64_t span = (uint64_t)1 << shift, stride = f->encode_pa(span);
	uint64_t block_pa = f->decode_pa(old, level, false), block_ia = ALIGN_DOWN(s, level_span(f, level));
	paddr_t pa = pgtable_reserve_take(job->pt, &job->reserve);
	uint64_t *table = pgtable_table_virt(job->pt, pa);

	pte_store_series(table, f->leaf(f->decode_attrs(old, level), below) | f->encode_pa(block_pa), stride, kept);
	while (s < t) {
		uint64_t *e = &table[entry_index(job->pt, below, s)];
		uint64_t whole = IS_ALIGNED(s, span) ? (t - s) >> shift : 0;

		if (whole && job->protect) {
			pte_store_series(e, f->leaf(job->attrs, below) | f->encode_pa(block_pa + (s - block_ia)),
					 stride, whole);
			s += whole << shift;
		} else if (whole) {
			pte_store_series(e, f->invalid, 0, whole);
			kept -= (unsigned)whole;
			s += whole << shift;
		} else {
			uint64_t end = entry_end(s, shift, t);

			pte_store(e, split_table(job, pte_load(e), below, s, end));
			s = end;
		}
	}
	return f->table() | f->encode_pa(pa.v) | count_bits(f, kept);
}

/* Break-before-make, nothing in between that could need the block. [M36] */
static void split(struct change_job *job, uint64_t *entry, unsigned level, uint64_t s, uint64_t t)
{
	uint64_t span = level_span(job->f, level);
	uint64_t desc = split_table(job, pte_load(entry), level, s, t);
	unsigned long irq;

	arch_pt_table_ready();
	if (!job->pt->live) {
		pte_store(entry, desc);
		return;
	}
	irq = arch_irq_save();
	pte_store(entry, job->f->invalid);
	arch_tlb_flush_range(&job->pt->tlb, job->pt->input_base + ALIGN_DOWN(s, span), span, level, false);
	pte_store(entry, desc);
	arch_pt_publish();
	arch_irq_restore(irq);
}

/* ---- unmap ------------------------------------------------------------------------------------------------------- */

/*
 * Empties [s, t) of a table; returns how many of its entries went. Tables are switched off, not freed; *off is how
 * many. [M35] [M42]
 */
static unsigned remove(struct change_job *job, uint64_t *table, unsigned level, uint64_t s, uint64_t t, unsigned *off)
{
	const struct pgtable_format *f = job->f;
	unsigned shift = level_shift(f, level), gone = 0;
	uint64_t *e = &table[entry_index(job->pt, level, s)];

	*off = 0;
	if (level == f->last_level && !job->holes) {
		uint64_t n = (t - s) >> shift;

		pte_store_series(e, f->invalid, 0, n);
		job->levels |= 1u << level;
		return (unsigned)n;
	}
	for (uint64_t end; s < t; s = end, e++) {
		uint64_t d = pte_load(e);
		bool whole;

		end = entry_end(s, shift, t);
		whole = end - s == (uint64_t)1 << shift;
		if (d == f->invalid)
			continue;
		if (f->is_table(d, level)) {
			if (whole) {
				job->levels |= level + 1 == f->last_level ? 1u << f->last_level : EVERY_LEVEL;
			} else {
				unsigned off_below;
				unsigned n = remove(job, table_below(job->pt, d, level), level + 1, s, end, &off_below);

				if (n == 0)
					continue;
				d -= count_bits(f, n);
				if (count_of(f, d)) {
					pte_store(e, d);
					continue;
				}
				d += count_bits(f, off_below); /* what the last pass will find there */
			}
			pte_store(e, d ^ f->valid_bit);
			job->tables_gone = true;
			gone++;
			++*off;
		} else if (whole) {
			pte_store(e, f->invalid);
			job->levels |= 1u << level;
			gone++;
		} else {
			split(job, e, level, s, end);
		}
	}
	return gone;
}

/* Frees what remove() switched off. The TLB is clean: nobody walks it any more. [M42] */
static void sweep(struct change_job *job, uint64_t *table, unsigned level, uint64_t s, uint64_t t)
{
	const struct pgtable_format *f = job->f;
	unsigned shift = level_shift(f, level);
	uint64_t *e = &table[entry_index(job->pt, level, s)];

	if (level == f->last_level)
		return;
	for (uint64_t end; s < t; s = end, e++) {
		uint64_t d = pte_load(e);

		end = entry_end(s, shift, t);
		if (d == f->invalid)
			continue;
		if (!f->is_valid(d)) {
			pte_store(e, f->invalid);
			pgtable_subtree_free(job->pt, d ^ f->valid_bit, level);
		} else if (f->is_table(d, level)) {
			sweep(job, table_below(job->pt, d, level), level + 1, s, end);
		}
	}
}

/*
 * One TLB operation for all that changed. A level is named only when all leaves were of it and no table went: a wrong
 * TTL hint may invalidate nothing, and it speaks of leaves only (Arm ARM D8.14.5). [M42] [M43]
 */
static void flush(const struct change_job *job, uint64_t ia, uint64_t size)
{
	unsigned level = ARCH_LEVEL_UNKNOWN;

	if (!job->pt->live || !job->levels)
		return;
	if (is_pow2(job->levels) && !job->tables_gone)
		level = (unsigned)__builtin_ctz(job->levels);
	arch_tlb_flush_range(&job->pt->tlb, job->pt->input_base + ia, size, level, job->tables_gone);
}

static int begin(struct change_job *job, uint64_t va, uint64_t size, uint64_t *ia)
{
	int err = pgtable_check_range(job->pt, va, size, ia);

	if (!err)
		err = survey(job, root_table(job->pt), job->pt->start_level, *ia, *ia + size);
	return err ? err : pgtable_reserve(job->pt, &job->reserve, job->splits);
}

static int unmap(struct pgtable *pt, uint64_t va, uint64_t size, bool holes)
{
	struct change_job job = { .pt = pt, .f = pt->format, .holes = holes };
	unsigned off;
	uint64_t ia;
	int err = begin(&job, va, size, &ia);

	if (err)
		return err;
	remove(&job, root_table(pt), pt->start_level, ia, ia + size, &off);
	pgtable_reserve_end(&job.reserve);
	flush(&job, ia, size);
	if (job.tables_gone)
		sweep(&job, root_table(pt), pt->start_level, ia, ia + size);
	return MM_OK;
}

/* [M35] [M36] [M42] [M55] [M56] */
int pgtable_unmap(struct pgtable *pt, uint64_t va, uint64_t size)
{
	return unmap(pt, va, size, false);
}

/* [M50] */
int pgtable_clear(struct pgtable *pt, uint64_t va, uint64_t size)
{
	return unmap(pt, va, size, true);
}

/* ---- protect ----------------------------------------------------------------------------------------------------- */

/* What a leaf like d (address aside) is to be replaced by, switched off when it must be broken first. [M43] [M44] */
static void decide(struct change_job *job, uint64_t d, unsigned level, uint64_t address_mask)
{
	const struct pgtable_format *f = job->f;
	uint64_t new = f->leaf(job->attrs, level);

	job->seen_level = level;
	job->seen = d & ~address_mask;
	job->put = new;
	switch (pgtable_change(f, level, d, new | (d & address_mask))) {
	case PT_CHANGE_IN_PLACE:
		return;
	case PT_CHANGE_BREAK_BEFORE_MAKE:
		if (!job->pt->live)
			return;
		job->put = new ^ f->valid_bit;
		if (!job->broken)
			job->irq = arch_irq_save();
		job->broken = true;
		return;
	case PT_CHANGE_REFUSE:
		break;
	}
	panic("pgtable: %s descriptor 0x%llx at level %u is not ours", f->name, (unsigned long long)d, level);
}

static void repaint(struct change_job *job, uint64_t *e, uint64_t n, unsigned level)
{
	uint64_t mask = leaf_address_mask(job->f, level);

	while (n) {
		uint64_t d = pte_load(e), run;

		if (job->seen_level != level || job->seen != (d & ~mask))
			decide(job, d, level, mask);
		if (job->put != job->seen)
			job->levels |= 1u << level;
		run = pte_repaint_run(e, n, mask, job->seen, job->put);
		e += run;
		n -= run;
	}
}

static void change(struct change_job *job, uint64_t *table, unsigned level, uint64_t s, uint64_t t)
{
	const struct pgtable_format *f = job->f;
	unsigned shift = level_shift(f, level);
	uint64_t *e = &table[entry_index(job->pt, level, s)];

	if (level == f->last_level) {
		repaint(job, e, (t - s) >> shift, level);
		return;
	}
	for (uint64_t end; s < t; s = end, e++) {
		uint64_t d = pte_load(e);

		end = entry_end(s, shift, t);
		if (f->is_table(d, level))
			change(job, table_below(job->pt, d, level), level + 1, s, end);
		else if (end - s == (uint64_t)1 << shift)
			repaint(job, e, 1, level);
		else if ((d & ~leaf_address_mask(f, level)) != f->leaf(job->attrs, level))
			split(job, e, level, s, end);
	}
}

/* Switches the broken leaves on again, now with their new attributes. [M44] */
static void make(struct change_job *job, uint64_t *table, unsigned level, uint64_t s, uint64_t t)
{
	const struct pgtable_format *f = job->f;
	unsigned shift = level_shift(f, level);
	uint64_t *e = &table[entry_index(job->pt, level, s)];

	for (uint64_t end; s < t; s = end, e++) {
		uint64_t d = pte_load(e);

		end = entry_end(s, shift, t);
		if (!f->is_valid(d))
			pte_store(e, d ^ f->valid_bit);
		else if (f->is_table(d, level))
			make(job, table_below(job->pt, d, level), level + 1, s, end);
	}
}

/* [M43] [M44] [M55] [M56] */
int pgtable_protect(struct pgtable *pt, uint64_t va, uint64_t size, struct pt_attrs attrs)
{
	struct change_job job = { .pt = pt, .f = pt->format, .protect = true, .attrs = attrs, .seen_level = NO_LEVEL };
	uint64_t ia;
	int err = pgtable_check_attrs(pt->format, attrs);

	if (!err)
		err = begin(&job, va, size, &ia);
	if (err)
		return err;
	change(&job, root_table(pt), pt->start_level, ia, ia + size);
	pgtable_reserve_end(&job.reserve);
	flush(&job, ia, size);
	if (job.broken) {
		make(&job, root_table(pt), pt->start_level, ia, ia + size);
		arch_pt_publish();
		arch_irq_restore(job.irq);
	}
	return MM_OK;
}
