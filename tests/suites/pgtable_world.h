/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the pgtable suites share: one object over the arena, and questions about it that are answered from its tables.
 */
#ifndef TESTS_SUITES_PGTABLE_WORLD_H
#define TESTS_SUITES_PGTABLE_WORLD_H

#include "lib/log.h"
#include "lib/string.h"
#include "lib/tap.h"
#include "mm/mmu.h"
#include "mm/pgtable_internal.h"
#include "tests/suites/table_arena.h"

static struct pgtable pt;
static struct pt_pool pool;

static const struct pt_attrs data = { PT_WRITE, PT_NORMAL };
static const struct pt_attrs rodata = { 0, PT_NORMAL };
static const struct pt_attrs text = { PT_EXEC, PT_NORMAL };
static const struct pt_attrs device = { PT_WRITE, PT_DEVICE_nGnRnE };

/* An EL1 object of `bits` over the arena, the root from the arena too. */
static inline void make(const struct pgtable_format *f, unsigned bits, uint64_t base)
{
	struct pgtable_config config = {
		.format = f,
		.input_bits = bits,
		.input_base = base,
		.allocator = &arena_allocator,
		.table_virt = arena_table_virt,
	};

	arena_reset();
	CHECK_EQ(pgtable_init(&pt, &config, NULL), MM_OK);
}

static inline void make_el1(void)
{
	make(&format_el1_stage1, 48, 0);
}

/* Tables from a pool of n, none registered. */
static inline int make_pooled(unsigned n)
{
	struct pgtable_config config = {
		.format = &format_el1_stage1,
		.input_bits = 48,
		.pool = &pool,
		.table_virt = arena_table_virt,
	};

	arena_reset();
	arena_make_pool(&pool, n);
	return pgtable_init(&pt, &config, NULL);
}

/* Nothing wrong, nothing leaked: every page that is in use is reachable. */
static inline void sound(void)
{
	CHECK_EQ(pgtable_validate(&pt), MM_OK);
	CHECK_EQ(pt.dynamic_tables, arena.in_use);
	CHECK_EQ(arena.errors, 0);
}

static inline void destroy(void)
{
	pt.live = false;
	pgtable_destroy(&pt);
	CHECK_EQ(arena.in_use, 0);
	CHECK_EQ(pt.dynamic_tables, 0);
	CHECK_EQ(arena.errors, 0);
}

/* Everything that a failing call must leave alone. */
static inline uint64_t state(void)
{
	return arena_hash() ^ (pt.dynamic_tables << 32) ^ (pt.pool_tables << 40) ^ (arena.in_use << 48);
}

struct tally {
	unsigned leaves[4];
	unsigned tables;
	unsigned depth, deepest;
	uint64_t last;
	bool ordered;
	unsigned stop_after;
};

static inline int tally_visit(void *ctx, enum pgtable_event event, const struct pgtable_entry *e)
{
	struct tally *t = ctx;

	if (event == PGTABLE_LEAF) {
		t->leaves[e->level]++;
		t->ordered = t->ordered && (t->last == UINT64_MAX || e->va > t->last);
		t->last = e->va;
	} else if (event == PGTABLE_TABLE_BEFORE) {
		t->tables++;
		if (++t->depth > t->deepest)
			t->deepest = t->depth;
	} else {
		t->depth--;
	}
	return t->stop_after && --t->stop_after == 0 ? 77 : 0;
}

static struct tally tally(void)
{
	struct tally t = { .ordered = true, .last = UINT64_MAX };

	CHECK_EQ(pgtable_walk(&pt, pt.input_base, (uint64_t)1 << pt.input_bits, tally_visit, &t), MM_OK);
	return t;
}

static inline uint64_t entry_at(paddr_t table, unsigned index)
{
	return ((const uint64_t *)arena_table_virt(&pt, table))[index];
}

/* The table that entry `index` of `table` points to, read by hand. */
static inline paddr_t below(paddr_t table, unsigned index)
{
	uint64_t d = entry_at(table, index);

	CHECK_EQ(d & 3, 3);
	return paddr(d & 0x0000fffffffff000);
}

static inline void maps(uint64_t va, uint64_t pa, unsigned level, struct pt_attrs attrs)
{
	struct pgtable_entry e = { .size = 0 };

	CHECK_EQ(pgtable_query(&pt, va, &e), MM_OK);
	CHECK_EQ(e.pa.v, pa);
	CHECK_EQ(e.level, level);
	CHECK_EQ(e.attrs.access, attrs.access);
	CHECK_EQ(e.attrs.memory, attrs.memory);
}

static inline void maps_nothing(uint64_t va)
{
	struct pgtable_entry e;

	CHECK_EQ(pgtable_query(&pt, va, &e), MM_ENOENT);
}

#endif
