/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pgtable_map(): survey, take the tables, build. The survey finds every obstacle and the exact number of new tables,
 * so the building cannot fail and nothing ever has to be taken back. Runs with the MMU and caches off, too.
 */
#include "mm/pgtable_internal.h"

/* One call. Offsets only: the output address of ia is ia + delta. */
struct map_job {
	const struct pgtable *pt;
	struct pgtable *owner; /* the same, for taking tables */
	const struct pgtable_format *f;
	uint64_t delta;
	unsigned top; /* level of the widest leaf that flags and the alignment of delta allow */
	bool no_table;
	struct pt_attrs attrs;
	uint64_t leaf[8]; /* templates; the format's `invalid` until they are needed */
	struct pt_reserve reserve;
};

_Static_assert(PGTABLE_MAX_2M == 2 && PGTABLE_NO_TABLE == 4, "flags are one bit each");

/*
 * The widest leaf: aligned input and output can only meet on a block boundary when their distance is a multiple of
 * it. [M30]
 */
static unsigned widest_level(const struct pgtable_format *f, uint64_t delta, unsigned flags)
{
	unsigned level = f->first_block_level;

	if ((flags & PGTABLE_MAX_2M) && level + 1 < f->last_level)
		level = f->last_level - 1u;
	if (flags & PGTABLE_PAGES_ONLY)
		level = f->last_level;
	while (level < f->last_level && !IS_ALIGNED(delta, level_span(f, level)))
		level++;
	return level;
}

/* ---- survey ------------------------------------------------------------------------------------------------------ */

/*
 * Tables below empty entries of level for [s, t), in closed form: above the widest leaf every entry that is touched
 * needs a table; from there down only those that are covered in part, which are at most two a level.
 */
static uint64_t tables_for_empty(const struct map_job *job, unsigned level, uint64_t s, uint64_t t)
{
	uint64_t n = 0;

	for (; level < job->f->last_level; level++) {
		unsigned shift = level_shift(job->f, level);

		if (level < job->top)
			n += ((t - 1) >> shift) - (s >> shift) + 1;
		else
			n += partial_entries(shift, s, t);
	}
	return n;
}

/* Adds to *missing the tables that [s, t) needs; MM_EEXIST when something is mapped there. [M32] [M40] */
static int survey(const struct map_job *job, const uint64_t *table, unsigned level, uint64_t s, uint64_t t,
		  uint64_t *missing)
{
	const struct pgtable_format *f = job->f;
	unsigned shift = level_shift(f, level);
	const uint64_t *e = &table[entry_index(job->pt, level, s)];

	while (s < t) {
		uint64_t end = entry_end(s, shift, t);
		uint64_t d = pte_load(e++);
		int err;

		if (d == f->invalid) {
			while (end < t && pte_load(e) == f->invalid) {
				end = entry_end(end, shift, t);
				e++;
			}
			*missing += tables_for_empty(job, level, s, end);
		} else if (f->is_table(d, level)) {
			if (job->no_table && level >= job->top && end - s == (uint64_t)1 << shift)
				return MM_EEXIST;
			/* A last-level table with nothing in it is no obstacle and needs no look. */
			if (level + 1 < f->last_level || count_of(f, d)) {
				err = survey(job, table_below(job->pt, d, level), level + 1, s, end, missing);
				if (err)
					return err;
			}
		} else {
			return MM_EEXIST;
		}
		s = end;
	}
	return MM_OK;
}

/* ---- build ------------------------------------------------------------------------------------------------------- */

static uint64_t leaf_template(struct map_job *job, unsigned level)
{
	if (job->leaf[level] == job->f->invalid)
		job->leaf[level] = job->f->leaf(job->attrs, level);
	return job->leaf[level];
}

static uint64_t build_table(struct map_job *job, unsigned level, uint64_t s, uint64_t t);

/* Entries of a table that nobody walks yet: plain stores, in order. Returns how many there are now. */
static uint64_t build_private(struct map_job *job, uint64_t *e, unsigned level, uint64_t s, uint64_t t)
{
	const struct pgtable_format *f = job->f;
	unsigned shift = level_shift(f, level);
	uint64_t made = 0;

	while (s < t) {
		uint64_t whole = IS_ALIGNED(s, (uint64_t)1 << shift) ? (t - s) >> shift : 0;

		if (whole && level >= job->top) {
			pte_store_series(e, leaf_template(job, level) | f->encode_pa(s + job->delta),
					 f->encode_pa((uint64_t)1 << shift), whole);
			e += whole;
			s += whole << shift;
			made += whole;
		} else {
			uint64_t end = entry_end(s, shift, t);

			pte_store(e++, build_table(job, level + 1, s, end));
			s = end;
			made++;
		}
	}
	return made;
}

/*
 * A new table of level that maps [s, t), and the descriptor that will link it. Cleared only where the range leaves it
 * empty.
 */
static uint64_t build_table(struct map_job *job, unsigned level, uint64_t s, uint64_t t)
{
	const struct pgtable_format *f = job->f;
	paddr_t pa = pgtable_reserve_take(job->owner, &job->reserve);
	uint64_t *table = pgtable_table_virt(job->pt, pa);
	unsigned from = entry_index(job->pt, level, s), to = entry_index(job->pt, level, t - 1) + 1;
	uint64_t made;

	pgtable_table_clear(job->pt, table, from, to);
	made = build_private(job, table + from, level, s, t);
	return f->table() | f->encode_pa(pa.v) | count_bits(f, made);
}

/*
 * Entries of a table that may be walked while we write. New tables are linked switched off first; when all of this
 * table's are there, one barrier makes their contents visible and then they are switched on (rule: contents before
 * link). [M34] Returns how many entries were added.
 */
static uint64_t build_linked(struct map_job *job, uint64_t *table, unsigned level, uint64_t s, uint64_t t)
{
	const struct pgtable_format *f = job->f;
	unsigned shift = level_shift(f, level);
	uint64_t *e = &table[entry_index(job->pt, level, s)];
	uint64_t *first_new = NULL, *last_new = NULL;
	uint64_t made = 0;

	while (s < t) {
		uint64_t end = entry_end(s, shift, t);
		uint64_t d = pte_load(e);

		if (d != f->invalid) {
			uint64_t n = build_linked(job, table_below(job->pt, d, level), level + 1, s, end);

			pte_store(e++, d + count_bits(f, n));
		} else if (level >= job->top && end - s == (uint64_t)1 << shift) {
			uint64_t n = 1, most = (t - s) >> shift;

			/* At the last level the survey saw that all of it is empty. */
			if (level == f->last_level)
				n = most;
			while (n < most && pte_load(e + n) == f->invalid)
				n++;
			pte_store_series(e, leaf_template(job, level) | f->encode_pa(s + job->delta),
					 f->encode_pa((uint64_t)1 << shift), n);
			e += n;
			end = s + (n << shift);
			made += n;
		} else {
			pte_store(e, build_table(job, level + 1, s, end) ^ f->valid_bit);
			first_new = first_new ? first_new : e;
			last_new = e++;
			made++;
		}
		s = end;
	}

	if (first_new) {
		arch_pt_table_ready();
		for (e = first_new; e <= last_new; e++) {
			uint64_t d = pte_load(e);

			if (!f->is_valid(d))
				pte_store(e, d ^ f->valid_bit);
		}
	}
	return made;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static int begin(struct map_job *job, const struct pgtable *pt, uint64_t va, paddr_t pa, uint64_t size, unsigned flags,
		 uint64_t *ia)
{
	const struct pgtable_format *f = pt->format;
	int err;

	if (flags & ~(unsigned)(PGTABLE_PAGES_ONLY | PGTABLE_MAX_2M | PGTABLE_NO_TABLE))
		return MM_EINVAL;
	err = pgtable_check_range(pt, va, size, ia);
	if (err)
		return err;
	if (!IS_ALIGNED(pa.v, (uint64_t)1 << f->page_shift))
		return MM_EALIGN;
	if (pa.v >> pt->pa_bits || size > ((uint64_t)1 << pt->pa_bits) - pa.v)
		return MM_ERANGE;
	job->pt = pt;
	job->f = f;
	job->delta = pa.v - *ia;
	job->top = widest_level(f, job->delta, flags);
	job->no_table = flags & PGTABLE_NO_TABLE;
	for (unsigned i = 0; i <= f->last_level; i++)
		job->leaf[i] = f->invalid;
	return MM_OK;
}

/* [M11] [M12] [M13] [M14] [M15] [M16] [M17] [M30] [M32] [M33] [M47] [M55] */
int pgtable_map(struct pgtable *pt, uint64_t va, paddr_t pa, uint64_t size, struct pt_attrs attrs, unsigned flags)
{
	struct map_job job;
	uint64_t ia, missing = 0;
	int err;

	err = begin(&job, pt, va, pa, size, flags, &ia);
	if (!err)
		err = pgtable_check_attrs(pt->format, attrs);
	if (err)
		return err;
	job.owner = pt;
	job.attrs = attrs;
	err = survey(&job, root_table(pt), pt->start_level, ia, ia + size, &missing);
	if (!err)
		err = pgtable_reserve(pt, &job.reserve, missing);
	if (err)
		return err;
	build_linked(&job, root_table(pt), pt->start_level, ia, ia + size);
	pgtable_reserve_end(&job.reserve);
	arch_pt_publish();
	return MM_OK;
}

/* [M40] */
uint64_t pgtable_tables_missing(const struct pgtable *pt, uint64_t va, paddr_t pa, uint64_t size, unsigned flags)
{
	struct map_job job;
	uint64_t ia, missing = 0;

	if (begin(&job, pt, va, pa, size, flags, &ia))
		return 0;
	if (survey(&job, root_table(pt), pt->start_level, ia, ia + size, &missing))
		return 0;
	return missing;
}
