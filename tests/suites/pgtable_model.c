/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables against a naive model: an array that says for each unit of a window where it is mapped and how.
 * Thousands of random calls on every format, each compared in full, with allocations that fail. On the host the same
 * sequences run once more with a TLB, walk caches and barriers that forgive nothing.
 */
#define SUITE "pgtable_model"
#include "lib/tap.h"

#include "mm/pgtable.h"
#include "tests/suites/table_arena.h"

#if __STDC_HOSTED__
#include "arch/host/host.h"
#define CALLS 2500
#define CALLS_FULL_SIZE 150 /* such trees hold a hundred times as much to compare */
#else
#define CALLS 250
#define CALLS_FULL_SIZE 40
#endif

#define MAX_UNITS 4096

/* The window: units of one page, and where the tree is deep, of 2 MiB and 1 GiB between pages at every boundary. */
static uint64_t unit_ia[MAX_UNITS + 1];
static unsigned units;

static struct {
	bool mapped;
	struct pt_attrs attrs;
	uint64_t pa;
} model[MAX_UNITS];

static struct pgtable pt;
static struct rng rng;
static uint64_t root_pages; /* in the arena, not the object's */

/* ---- the world --------------------------------------------------------------------------------------------------- */

static void add_units(uint64_t *ia, unsigned n, uint64_t size)
{
	for (unsigned i = 0; i < n; i++) {
		unit_ia[units++] = *ia;
		*ia += size;
	}
	unit_ia[units] = *ia;
}

static void make(const struct pgtable_format *f, uint64_t seed)
{
	bool small = f->bits_per_level < 9;
	unsigned bits = small ? f->max_concatenated_shift ? 23 : 24 : f->max_concatenated_shift ? 43 : 48;
	struct pgtable_config config = {
		.format = f,
		.input_bits = bits,
		.input_base = f == &format_el1_stage1 ? 0xffff000000000000 : 0,
		.tlb = { .regime = f->write_exec ? REGIME_STAGE2 : REGIME_EL1_GLOBAL, .id = 3 },
		.allocator = &arena_allocator,
		.table_virt = arena_table_virt,
	};
	uint64_t ia = small ? 0 : ((uint64_t)512 << 30) - GIB(1);
	int shift = pgtable_root_shift(f, bits);
	paddr_t roots;

	rng.state = seed;
	arena_reset();
	units = 0;
	if (small) {
		add_units(&ia, 1u << (bits - 12), PAGE_SIZE);
	} else {
		/* 1 GiB, the level-0 boundary, 1 GiB, and one more that is never cut. */
		add_units(&ia, 512, PAGE_SIZE);
		add_units(&ia, 510, MIB(2));
		add_units(&ia, 1024, PAGE_SIZE);
		add_units(&ia, 510, MIB(2));
		add_units(&ia, 512, PAGE_SIZE);
		add_units(&ia, 1, GIB(1));
	}
	for (unsigned i = 0; i < units; i++)
		model[i].mapped = false;
	root_pages = shift > 0 ? (uint64_t)1 << shift : 0;
	if (shift > 0)
		CHECK(arena_alloc_roots(NULL, (unsigned)shift, &roots));
	CHECK_EQ(pgtable_init(&pt, &config, shift > 0 ? &roots : NULL), MM_OK);
}

/* ---- comparison -------------------------------------------------------------------------------------------------- */

struct comparison {
	unsigned unit; /* leaves come in order */
	uint64_t bytes;
	uint64_t wrong;
	uint64_t leaves_at[8]; /* when each table on the way began */
	uint64_t leaves;
	unsigned depth;
};

static bool same_attrs(struct pt_attrs a, struct pt_attrs b)
{
	return a.access == b.access && a.memory == b.memory;
}

static int compare_visit(void *ctx, enum pgtable_event event, const struct pgtable_entry *e)
{
	struct comparison *c = ctx;
	uint64_t at = e->va - pt.input_base, end = at + e->size;

	if (event == PGTABLE_TABLE_BEFORE) {
		c->leaves_at[c->depth++] = c->leaves;
		return 0;
	}
	if (event == PGTABLE_TABLE_AFTER) {
		c->wrong += c->leaves_at[--c->depth] == c->leaves; /* an empty table */
		return 0;
	}
	c->leaves++;
	c->bytes += e->size;
	while (at < end) {
		uint64_t next;

		while (c->unit < units && unit_ia[c->unit + 1] <= at)
			c->unit++;
		if (c->unit == units || at < unit_ia[c->unit] || !model[c->unit].mapped) {
			c->wrong++;
			return 0;
		}
		next = min_u64(unit_ia[c->unit + 1], end);
		c->wrong += e->pa.v + (at - (e->va - pt.input_base)) != model[c->unit].pa + (at - unit_ia[c->unit]);
		c->wrong += !same_attrs(e->attrs, model[c->unit].attrs);
		at = next;
	}
	return 0;
}

static bool agrees(void)
{
	struct comparison c = { .unit = 0 };
	uint64_t bytes = 0;
	struct pgtable_entry e;
	bool ok;

	for (unsigned i = 0; i < units; i++)
		bytes += model[i].mapped ? unit_ia[i + 1] - unit_ia[i] : 0;
	ok = pgtable_walk(&pt, pt.input_base, (uint64_t)1 << pt.input_bits, compare_visit, &c) == 0;
	ok = ok && c.wrong == 0 && c.bytes == bytes && c.depth == 0;
	for (unsigned i = 0; i < 8; i++) {
		unsigned u = (unsigned)rng_below(&rng, units);
		uint64_t in = rng_below(&rng, unit_ia[u + 1] - unit_ia[u]);
		int err = pgtable_query(&pt, pt.input_base + unit_ia[u] + in, &e);

		ok = ok && err == (model[u].mapped ? MM_OK : MM_ENOENT);
		if (!err)
			ok = ok && e.pa.v == model[u].pa + in && same_attrs(e.attrs, model[u].attrs);
	}
	return ok && pgtable_validate(&pt) == MM_OK && pt.dynamic_tables + root_pages == arena.in_use &&
	       arena.errors == 0;
}

/* ---- random calls ------------------------------------------------------------------------------------------------ */

enum call { MAP, UNMAP, CLEAR, PROTECT };

/* What every unit is like before and after the call, for those who watch it while it runs. */
static unsigned first_unit, end_unit;
static enum call the_call;

static struct pt_attrs random_attrs(void)
{
	const struct pgtable_format *f = pt.format;
	struct pt_attrs a;

	a.access = (unsigned)rng_below(&rng, 16) & f->access_mask;
	a.memory = (enum pt_memory)rng_below(&rng, PT_MEMORY_KINDS);
	if (a.memory >= PT_DEVICE_nGnRnE || ((a.access & PT_WRITE) && !f->write_exec))
		a.access &= ~PT_EXEC;
	return a;
}

/* Ranges of all lengths, often cut at the boundaries of blocks. */
static void random_range(void)
{
	unsigned n = 1u << rng_below(&rng, pt.format->bits_per_level < 9 ? 11 : 12);
	unsigned align = 1u << (rng_below(&rng, 4) * 3);

	first_unit = (unsigned)rng_below(&rng, units) & ~(align - 1);
	end_unit = first_unit + 1 + (unsigned)rng_below(&rng, n);
	if (rng_below(&rng, 2))
		end_unit = (end_unit + align - 1) & ~(align - 1);
	if (end_unit > units)
		end_unit = units;
}

static unsigned mapped_units(void)
{
	unsigned n = 0;

	for (unsigned i = first_unit; i < end_unit; i++)
		n += model[i].mapped;
	return n;
}

static paddr_t random_pa(uint64_t ia, uint64_t size)
{
	unsigned block = pt.format->bits_per_level;
	uint64_t limit = (uint64_t)1 << pt.pa_bits, pa = ia;

	switch (rng_below(&rng, 4)) {
	case 0: /* the widest leaves */
		pa = ia + ((1 + rng_below(&rng, 3)) << (12 + 2 * block));
		break;
	case 1: /* blocks of the lower kind */
		pa = ia + ((1 + rng_below(&rng, 60)) << (12 + block));
		break;
	case 2: /* pages only */
		pa = rng_below(&rng, (uint64_t)1 << 26) << 12;
		break;
	default:
		break;
	}
	return paddr(pa + size <= limit ? pa : 0);
}

/* One call and what it did to the model. False when the result is not what the model says. */
static bool one_call(void)
{
	unsigned bias = (unsigned)rng_below(&rng, 8);
	struct pt_attrs attrs = random_attrs();
	unsigned mapped, flags = 0;
	uint64_t va, size, hash = 0, missing = 0, tables = pt.dynamic_tables;
	bool inject = rng_below(&rng, 4) == 0, starved = false;
	paddr_t pa;
	int err, want = MM_OK;

	random_range();
	the_call = bias < 4 ? MAP : bias < 5 ? UNMAP : bias < 6 ? CLEAR : PROTECT;
	/* Mostly calls that can succeed: cut the range down to its first run. */
	mapped = mapped_units();
	if (mapped && mapped != end_unit - first_unit && the_call != CLEAR && rng_below(&rng, 4)) {
		bool like = the_call != MAP;

		while (model[first_unit].mapped != like)
			first_unit++;
		for (unsigned i = first_unit; i < end_unit; i++)
			if (model[i].mapped != like)
				end_unit = i;
		mapped = mapped_units();
	}
	va = pt.input_base + unit_ia[first_unit];
	size = unit_ia[end_unit] - unit_ia[first_unit];
	pa = random_pa(unit_ia[first_unit], size);
	if (rng_below(&rng, 2))
		flags = (unsigned)rng_below(&rng, 4);
	arena_fail_at(inject ? rng_below(&rng, 5) : ARENA_NEVER);
	if (inject || rng_below(&rng, 8) == 0)
		hash = arena_hash();

	switch (the_call) {
	case MAP:
		want = mapped ? MM_EEXIST : MM_OK;
		missing = pgtable_tables_missing(&pt, va, pa, size, flags);
		err = pgtable_map(&pt, va, pa, size, attrs, flags);
		break;
	case UNMAP:
		want = mapped == end_unit - first_unit ? MM_OK : MM_ENOENT;
		err = pgtable_unmap(&pt, va, size);
		break;
	case CLEAR:
		err = pgtable_clear(&pt, va, size);
		break;
	default:
		want = mapped == end_unit - first_unit ? MM_OK : MM_ENOENT;
		err = pgtable_protect(&pt, va, size, attrs);
		break;
	}
	starved = err == MM_EPT_ALLOC && (inject || arena.in_use > ARENA_PAGES / 2 || missing > ARENA_PAGES / 2);
	arena_fail_at(ARENA_NEVER);
	if (starved && want == MM_OK)
		want = err;
	if (err != want) {
		tap_note("call %d of units %u..%u: %d, not %d", the_call, first_unit, end_unit, err, want);
		return false;
	}
	if (err)
		return pt.dynamic_tables == tables && (hash == 0 || arena_hash() == hash);
	if (the_call == MAP && pt.dynamic_tables != tables + missing)
		return false;
	for (unsigned i = first_unit; i < end_unit; i++) {
		if (the_call == MAP) {
			model[i].mapped = true;
			model[i].pa = pa.v + (unit_ia[i] - unit_ia[first_unit]);
		}
		if (the_call == MAP || the_call == PROTECT)
			model[i].attrs = attrs;
		if (the_call == UNMAP || the_call == CLEAR)
			model[i].mapped = false;
	}
	return true;
}

static void finish(void)
{
	pt.live = false;
	CHECK_EQ(pgtable_clear(&pt, pt.input_base, (uint64_t)1 << pt.input_bits), MM_OK);
	CHECK_EQ(pt.dynamic_tables + root_pages, arena.in_use);
	CHECK_EQ(pt.dynamic_tables, root_pages ? 0 : 1);
	pgtable_destroy(&pt);
	CHECK_EQ(arena.in_use, root_pages);
	CHECK_EQ(arena.errors, 0);
}

TEST(M55,
     "random map, unmap, clear and protect agree with a page-by-page model on every format, also when tables run out")
{
	for (unsigned i = 0; i < ARRAY_SIZE(all_formats); i++) {
		unsigned calls = 0, enough = all_formats[i]->bits_per_level < 9 ? CALLS : CALLS_FULL_SIZE;

		make(all_formats[i], 0x1234567 + i);
		for (; calls < enough; calls++) {
			if (!one_call() || !agrees())
				break;
		}
		if (calls != enough)
			tap_note("%s: wrong after call %u", all_formats[i]->name, calls);
		CHECK_EQ(calls, enough);
		finish();
	}
}

#if __STDC_HOSTED__

/* ---- a TLB that keeps everything it may, and walk caches that do ------------------------------------------------- */

struct translation {
	bool present;
	uint8_t level;
	struct pt_attrs attrs;
	uint64_t pa;
};

static struct translation now[FAKE_PAGES];	 /* what the tables say */
static struct translation cached[FAKE_PAGES];	 /* what some CPU may still use */
static struct translation published[FAKE_PAGES]; /* what this CPU may rely on */
static struct {
	bool reached; /* by a walk now */
	bool cached;  /* some walker may still read it */
	bool ready;   /* a barrier came after it was taken */
	uint64_t ia, size;
} tables[ARENA_PAGES];

static unsigned violations;
static unsigned flushes;

static void violation(const char *what, uint64_t where)
{
	if (violations++ < 3)
		tap_note("%s (0x%llx, call %d of units %u..%u)", what, (unsigned long long)where, the_call, first_unit,
			 end_unit);
}

static uint64_t table_index(uint64_t pa)
{
	return (pa - arena.base.v) >> PAGE_SHIFT;
}

static int observe_visit(void *ctx, enum pgtable_event event, const struct pgtable_entry *e)
{
	(void)ctx;
	if (event == PGTABLE_TABLE_BEFORE) {
		uint64_t i = table_index(e->pa.v);

		tables[i].reached = true;
		tables[i].ia = e->va;
		tables[i].size = e->size;
		if (!tables[i].ready)
			violation("a table was linked before its contents were visible", e->pa.v);
	} else if (event == PGTABLE_LEAF) {
		for (uint64_t n = 0; n < e->size >> PAGE_SHIFT; n++) {
			now[(e->va >> PAGE_SHIFT) + n] = (struct translation){
				true,
				(uint8_t)e->level,
				e->attrs,
				e->pa.v + (n << PAGE_SHIFT),
			};
		}
	}
	return 0;
}

/* The machine may look at any time; it looks whenever something happens, and keeps what it saw. */
static void observe(void)
{
	bool missing = false;

	for (unsigned i = 0; i < units; i++)
		now[i].present = false;
	for (unsigned i = 0; i < ARENA_PAGES; i++)
		tables[i].reached = false;
	if (pgtable_walk(&pt, 0, (uint64_t)1 << pt.input_bits, observe_visit, NULL))
		violation("walk failed", 0);
	for (unsigned i = 0; i < ARENA_PAGES; i++)
		tables[i].cached = tables[i].cached || tables[i].reached;
	for (unsigned i = 0; i < units; i++) {
		bool touched = i >= first_unit && i < end_unit && the_call != PROTECT;

		missing = missing || (model[i].mapped && !touched && !now[i].present);
		if (!now[i].present)
			continue;
		if (!cached[i].present) {
			cached[i] = now[i];
		} else if (cached[i].pa != now[i].pa || cached[i].level != now[i].level ||
			   cached[i].attrs.memory != now[i].attrs.memory ||
			   (cached[i].attrs.access & ~now[i].attrs.access & PT_NONGLOBAL)) {
			violation("a live entry was changed without a break", i);
		}
	}
	if (missing && host_irq_depth() == 0)
		violation("a mapping that stays was broken with interrupts on", 0);
}

static void forget(uint64_t va, uint64_t size, unsigned level, bool tables_too)
{
	for (uint64_t i = va >> PAGE_SHIFT; i < (va + size) >> PAGE_SHIFT; i++) {
		if (cached[i].present && (level == ARCH_LEVEL_UNKNOWN || cached[i].level == level))
			cached[i].present = false;
		if (now[i].present && !cached[i].present)
			cached[i] = now[i];
	}
	for (unsigned i = 0; i < ARENA_PAGES && tables_too && level == ARCH_LEVEL_UNKNOWN; i++) {
		if (tables[i].cached && !tables[i].reached && tables[i].ia < va + size &&
		    va < tables[i].ia + tables[i].size)
			tables[i].cached = false;
	}
}

static void on_event(const struct host_event *e)
{
	switch (e->op) {
	case HOST_PT_TABLE_READY:
		observe();
		for (unsigned i = 0; i < ARENA_PAGES; i++)
			tables[i].ready = arena.busy[i];
		break;
	case HOST_TLB_FLUSH_RANGE:
		observe();
		flushes++;
		if (e->ctx.regime != pt.tlb.regime || e->ctx.id != pt.tlb.id)
			violation("flush of another regime", e->va);
		if (e->size == 0 || ((e->va | e->size) & PAGE_MASK) || (e->va + e->size) >> pt.input_bits > 1)
			violation("flush of a bad range", e->va);
		else
			forget(e->va, e->size, e->level, e->tables_too);
		break;
	case HOST_PT_PUBLISH:
		observe();
		break;
	default:
		violation("an operation that nobody should ask for", (uint64_t)e->op);
		break;
	}
	for (unsigned i = 0; i < units; i++)
		published[i] = now[i];
}

static void on_free(paddr_t pa)
{
	uint64_t i = table_index(pa.v);

	if (tables[i].cached)
		violation("a table was freed while walkers may read it", pa.v);
	tables[i].ready = false;
}

static void call_ended(void)
{
	first_unit = end_unit = 0;
	observe();
	for (unsigned i = 0; i < units; i++) {
		if (cached[i].present && !now[i].present)
			violation("an unmapped page is still in the TLB", i);
		else if (now[i].present && !same_attrs(cached[i].attrs, now[i].attrs))
			violation("old permissions are still in the TLB", i);
		if (now[i].present && (!published[i].present || published[i].pa != now[i].pa))
			violation("a mapping was not published", i);
	}
	for (unsigned i = 0; i < ARENA_PAGES; i++) {
		if (tables[i].cached && !tables[i].reached)
			violation("a removed table is still in a walk cache", i);
	}
	if (host_irq_depth() != 0)
		violation("interrupts stayed off", host_irq_depth());
}

/* As above, live; returns the number of calls that went well. */
static unsigned watched(const struct pgtable_format *f, uint64_t seed)
{
	unsigned calls = 0;

	make(f, seed);
	for (unsigned i = 0; i < FAKE_PAGES; i++)
		cached[i].present = published[i].present = now[i].present = false;
	for (unsigned i = 0; i < ARENA_PAGES; i++)
		tables[i].cached = tables[i].ready = tables[i].reached = false;
	violations = flushes = 0;
	pt.live = true;
	arena.on_free = on_free;
	host_event_hook = on_event;
	for (; calls < CALLS && violations == 0; calls++) {
		bool ok = one_call();

		call_ended();
		if (!ok || !agrees())
			break;
	}
	host_event_hook = NULL;
	arena.on_free = NULL;
	finish();
	return calls;
}

TEST_ON(TAP_HOST, M34, "new tables are visible before they are linked, and mappings before the call returns")
{
	CHECK_EQ(watched(&format_fake, 0xbadc0de), CALLS);
	CHECK_EQ(violations, 0);
	CHECK(flushes > 100);
}

TEST_ON(TAP_HOST, M42,
	"tables are freed only when no TLB or walk cache can hold them; stage 2 and concatenated roots alike")
{
	CHECK_EQ(watched(&format_fake_concatenated, 0xfeedbeef), CALLS);
	CHECK_EQ(violations, 0);
	CHECK(flushes > 100);
}

/* ---- single calls, event by event -------------------------------------------------------------------------------- */

static struct host_event journal[16];

static void small_live(const struct pgtable_format *f)
{
	make(f, 1);
	pt.live = true;
}

#define FAKE_BLOCK (PAGE_SIZE << 3)
#define FAKE_GIANT (PAGE_SIZE << 6)

TEST_ON(TAP_HOST, M44, "another memory type for a range: one break, one flush of the range, one make")
{
	static const struct pt_attrs data = { PT_WRITE, PT_NORMAL }, device = { PT_WRITE, PT_DEVICE_nGnRE };
	struct pgtable_entry e;

	small_live(&format_fake);
	CHECK_EQ(pgtable_map(&pt, FAKE_BLOCK - PAGE_SIZE, paddr(FAKE_BLOCK - PAGE_SIZE), 2 * FAKE_BLOCK + PAGE_SIZE,
			     data, 0),
		 MM_OK);
	host_journal_start(journal, ARRAY_SIZE(journal));
	CHECK_EQ(pgtable_protect(&pt, FAKE_BLOCK - PAGE_SIZE, 2 * FAKE_BLOCK + PAGE_SIZE, device), MM_OK);
	CHECK_EQ(host_journal_stop(), 2);
	CHECK_EQ(journal[0].op, HOST_TLB_FLUSH_RANGE);
	CHECK_EQ(journal[0].va, FAKE_BLOCK - PAGE_SIZE);
	CHECK_EQ(journal[0].size, 2 * FAKE_BLOCK + PAGE_SIZE);
	CHECK_EQ(journal[0].level, ARCH_LEVEL_UNKNOWN); /* pages and blocks */
	CHECK(!journal[0].tables_too);
	CHECK_EQ(journal[1].op, HOST_PT_PUBLISH);
	CHECK_EQ(pgtable_query(&pt, 2 * FAKE_BLOCK, &e), MM_OK);
	CHECK(e.level == 2 && e.attrs.memory == PT_DEVICE_nGnRE);
	CHECK_EQ(host_irq_depth(), 0);
	/* Not live: nothing to tell anybody. */
	pt.live = false;
	host_journal_start(journal, ARRAY_SIZE(journal));
	CHECK_EQ(pgtable_protect(&pt, FAKE_BLOCK, FAKE_BLOCK, data), MM_OK);
	CHECK_EQ(host_journal_stop(), 0);
	finish();
}

TEST_ON(TAP_HOST, M43, "permissions in place: one flush that names the level; no change: no flush")
{
	static const struct pt_attrs data = { PT_WRITE, PT_NORMAL }, rodata = { 0, PT_NORMAL };

	small_live(&format_fake);
	CHECK_EQ(pgtable_map(&pt, 0, paddr(0), 5 * PAGE_SIZE, data, 0), MM_OK);
	host_journal_start(journal, ARRAY_SIZE(journal));
	CHECK_EQ(pgtable_protect(&pt, PAGE_SIZE, 2 * PAGE_SIZE, rodata), MM_OK);
	CHECK_EQ(host_journal_count(), 1);
	CHECK_EQ(pgtable_protect(&pt, PAGE_SIZE, 2 * PAGE_SIZE, rodata), MM_OK);
	CHECK_EQ(host_journal_stop(), 1);
	CHECK_EQ(journal[0].op, HOST_TLB_FLUSH_RANGE);
	CHECK_EQ(journal[0].va, PAGE_SIZE);
	CHECK_EQ(journal[0].size, 2 * PAGE_SIZE);
	CHECK_EQ(journal[0].level, 3);
	CHECK(!journal[0].tables_too);
	finish();
}

TEST_ON(TAP_HOST, M36, "splitting a live block: table ready, break, flush of the whole block at its level, make")
{
	static const struct pt_attrs data = { PT_WRITE, PT_NORMAL };

	small_live(&format_fake);
	CHECK_EQ(pgtable_map(&pt, FAKE_GIANT, paddr(FAKE_GIANT), FAKE_GIANT, data, 0), MM_OK);
	host_journal_start(journal, ARRAY_SIZE(journal));
	CHECK_EQ(pgtable_unmap(&pt, FAKE_GIANT + 3 * PAGE_SIZE, PAGE_SIZE), MM_OK);
	CHECK_EQ(host_journal_stop(), 3);
	CHECK_EQ(journal[0].op, HOST_PT_TABLE_READY);
	CHECK_EQ(journal[1].op, HOST_TLB_FLUSH_RANGE);
	CHECK(journal[1].va == FAKE_GIANT && journal[1].size == FAKE_GIANT && journal[1].level == 1 &&
	      !journal[1].tables_too);
	CHECK_EQ(journal[2].op, HOST_PT_PUBLISH);
	finish();
}

TEST_ON(TAP_HOST, M35, "one flush for a whole range: pages alone name their level, tables go with walk caches")
{
	static const struct pt_attrs data = { PT_WRITE, PT_NORMAL };

	small_live(&format_fake);
	CHECK_EQ(pgtable_map(&pt, 0, paddr(0), FAKE_GIANT - PAGE_SIZE, data, PGTABLE_PAGES_ONLY), MM_OK);
	host_journal_start(journal, ARRAY_SIZE(journal));
	CHECK_EQ(pgtable_unmap(&pt, PAGE_SIZE, 3 * PAGE_SIZE), MM_OK);
	CHECK_EQ(host_journal_stop(), 1);
	CHECK(journal[0].op == HOST_TLB_FLUSH_RANGE && journal[0].level == 3 && !journal[0].tables_too);
	host_journal_start(journal, ARRAY_SIZE(journal));
	CHECK_EQ(pgtable_unmap(&pt, 4 * PAGE_SIZE, FAKE_GIANT - 5 * PAGE_SIZE), MM_OK);
	CHECK_EQ(host_journal_stop(), 1);
	CHECK(journal[0].op == HOST_TLB_FLUSH_RANGE && journal[0].level == ARCH_LEVEL_UNKNOWN && journal[0].tables_too);
	CHECK_EQ(journal[0].va, 4 * PAGE_SIZE);
	CHECK_EQ(journal[0].size, FAKE_GIANT - 5 * PAGE_SIZE);
	/* Mapping into empty entries needs the barrier alone. */
	host_journal_start(journal, ARRAY_SIZE(journal));
	CHECK_EQ(pgtable_map(&pt, PAGE_SIZE, paddr(0), PAGE_SIZE, data, 0), MM_OK);
	CHECK_EQ(host_journal_stop(), 1);
	CHECK_EQ(journal[0].op, HOST_PT_PUBLISH);
	host_journal_start(journal, ARRAY_SIZE(journal));
	CHECK_EQ(pgtable_map(&pt, FAKE_BLOCK + PAGE_SIZE, paddr(PAGE_SIZE), FAKE_GIANT, data, PGTABLE_PAGES_ONLY),
		 MM_OK);
	CHECK(host_journal_stop() <= 4); /* a barrier for each table that existed, not for each that is new */
	finish();
}
#endif
