/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading page tables: query, walk, validate. Nothing here writes.
 */
#include "mm/pgtable_internal.h"

#include "lib/log.h"

/* [M38] */
int pgtable_query(const struct pgtable *pt, uint64_t va, struct pgtable_entry *out)
{
	const struct pgtable_format *f = pt->format;
	uint64_t ia = va - pt->input_base;
	const uint64_t *table = root_table(pt);

	if (va < pt->input_base || ia >> pt->input_bits)
		return MM_ERANGE;
	for (unsigned level = pt->start_level;; level++) {
		uint64_t d = pte_load(&table[entry_index(pt, level, ia)]);
		uint64_t span = level_span(f, level);

		if (!f->is_valid(d))
			return MM_ENOENT;
		if (f->is_table(d, level)) {
			table = table_below(pt, d, level);
			continue;
		}
		*out = (struct pgtable_entry){
			.pa = paddr(f->decode_pa(d, level, false) + (ia & (span - 1))),
			.va = pt->input_base + ALIGN_DOWN(ia, span),
			.size = span,
			.level = level,
			.attrs = f->decode_attrs(d, level),
			.desc = d,
		};
		return MM_OK;
	}
}

/* ---- walk -------------------------------------------------------------------------------------------------------- */

struct walk_job {
	const struct pgtable *pt;
	pgtable_visit_fn visit;
	void *ctx;
};

static int walk(const struct walk_job *job, const uint64_t *table, unsigned level, uint64_t s, uint64_t t)
{
	const struct pgtable_format *f = job->pt->format;
	unsigned shift = level_shift(f, level);
	uint64_t span = (uint64_t)1 << shift;
	const uint64_t *e = &table[entry_index(job->pt, level, s)];

	for (uint64_t end; s < t; s = end, e++) {
		uint64_t d = pte_load(e);
		bool is_table = f->is_table(d, level);
		struct pgtable_entry entry;
		int stop;

		end = entry_end(s, shift, t);
		if (!f->is_valid(d))
			continue;
		entry = (struct pgtable_entry){
			.pa = paddr(f->decode_pa(d, level, is_table)),
			.va = job->pt->input_base + ALIGN_DOWN(s, span),
			.size = span,
			.level = level,
			.desc = d,
		};
		if (!is_table) {
			entry.attrs = f->decode_attrs(d, level);
			stop = job->visit(job->ctx, PGTABLE_LEAF, &entry);
		} else {
			stop = job->visit(job->ctx, PGTABLE_TABLE_BEFORE, &entry);
			if (!stop)
				stop = walk(job, table_below(job->pt, d, level), level + 1, s, end);
			if (!stop)
				stop = job->visit(job->ctx, PGTABLE_TABLE_AFTER, &entry);
		}
		if (stop)
			return stop;
	}
	return MM_OK;
}

/* [M39] */
int pgtable_walk(const struct pgtable *pt, uint64_t va, uint64_t size, pgtable_visit_fn visit, void *ctx)
{
	struct walk_job job = { pt, visit, ctx };
	uint64_t ia = va - pt->input_base, limit = (uint64_t)1 << pt->input_bits;

	if (size == 0)
		return MM_EINVAL;
	if (va < pt->input_base || ia >= limit || size > limit - ia)
		return MM_ERANGE;
	return walk(&job, root_table(pt), pt->start_level, ia, ia + size);
}

/* ---- validate ---------------------------------------------------------------------------------------------------- */

struct check {
	const struct pgtable *pt;
	uint64_t pool, dynamic;			   /* tables reached */
	uint64_t seen[(PT_POOL_TABLES + 63) / 64]; /* pool tables reached */
	unsigned findings;
};

#define MAX_FINDINGS 16 /* lines; a wild table could give thousands */

static void finding(struct check *c, const char *what, unsigned level, uint64_t ia, uint64_t desc)
{
	if (c->findings++ < MAX_FINDINGS)
		log_error("pgtable: %s (level %u, VA 0x%llx, descriptor 0x%llx)\n", what, level,
			  (unsigned long long)(c->pt->input_base + ia), (unsigned long long)desc);
}

/* Where a table comes from; false when its contents had better not be looked at. */
static bool check_table(struct check *c, paddr_t pa, unsigned level, uint64_t ia, uint64_t desc)
{
	const struct pt_pool *pool = c->pt->pool;
	uint64_t i;

	if (!pool || !pt_pool_owns(pool, pa)) {
		if (++c->dynamic <= c->pt->dynamic_tables)
			return true;
		finding(c, "more tables than were taken: one is linked twice", level, ia, desc);
		return false;
	}
	if (!pt_pool_busy(pool, pa)) {
		finding(c, "table is free in PT_POOL", level, ia, desc);
		return false;
	}
	i = (pa.v - pool->pa.v) >> PAGE_SHIFT;
	if (c->seen[i / 64] >> (i % 64) & 1) {
		finding(c, "PT_POOL table is linked twice", level, ia, desc);
		return false;
	}
	c->seen[i / 64] |= (uint64_t)1 << (i % 64);
	c->pool++;
	return true;
}

static void check_entries(struct check *c, const uint64_t *table, unsigned level, uint64_t base, unsigned want)
{
	const struct pgtable_format *f = c->pt->format;
	unsigned shift = level_shift(f, level), n = 0;

	for (unsigned i = 0; i < entries_at(c->pt, level); i++) {
		uint64_t d = pte_load(&table[i]), ia = base + ((uint64_t)i << shift);
		paddr_t pa;

		if (d == f->invalid)
			continue;
		n++;
		if (ia >> c->pt->input_bits)
			finding(c, "entry beyond the input addresses", level, ia, d);
		if (!f->is_valid(d)) {
			finding(c, "neither valid nor empty", level, ia, d);
		} else if (!pgtable_well_formed(f, level, d)) {
			finding(c, "malformed descriptor", level, ia, d);
		} else if (f->is_table(d, level)) {
			pa = paddr(f->decode_pa(d, level, true));
			if (check_table(c, pa, level, ia, d))
				check_entries(c, pgtable_table_virt(c->pt, pa), level + 1, ia, count_of(f, d));
		} else {
			pa = paddr(f->decode_pa(d, level, false));
			if (pa.v >> c->pt->pa_bits)
				finding(c, "output address out of range", level, ia, d);
			if (pgtable_check_attrs(f, f->decode_attrs(d, level)))
				finding(c, "forbidden attributes", level, ia, d);
		}
	}
	if (level != c->pt->start_level && n != want)
		finding(c, "table's count of entries is wrong", level, base, want);
}

/* [M41] */
int pgtable_validate(const struct pgtable *pt)
{
	struct check c = { .pt = pt };

	if (pt->root_borrowed || check_table(&c, pt->root, pt->start_level, 0, 0))
		check_entries(&c, root_table(pt), pt->start_level, 0, 0);
	if (c.pool != pt->pool_tables || c.dynamic != pt->dynamic_tables) {
		finding(&c, "tables taken but not linked", pt->start_level, 0, 0);
		log_error("pgtable: reached %llu of %llu PT_POOL tables, %llu of %llu others\n",
			  (unsigned long long)c.pool, (unsigned long long)pt->pool_tables,
			  (unsigned long long)c.dynamic, (unsigned long long)pt->dynamic_tables);
	}
	if (pt->pool && c.pool > pt->pool->used)
		finding(&c, "more PT_POOL tables in use than handed out", pt->start_level, 0, 0);
	return c.findings ? MM_ECORRUPT : MM_OK;
}
