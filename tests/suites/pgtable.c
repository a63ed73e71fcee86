/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables, behaviour by behaviour, with the tables drawn where a drawing helps: sizes and indices of the seeds, arguments,
 * allocators, splitting, protection, reading, the seeds' names. Random sequences against a model are in pgtable_model.c.
 */
#define SUITE "pgtable"
#include "lib/tap.h"

#include "lib/log.h"
#include "lib/string.h"
#include "mm/mmu.h"
#include "mm/pgtable_internal.h"
#include "tests/suites/capture.h"
#include "tests/suites/table_arena.h"

#if __STDC_HOSTED__
#include "tests/host/panic.h"
#endif

static struct pgtable pt;
static struct pt_pool pool;

static const struct pt_attrs data = { PT_WRITE, PT_NORMAL };
static const struct pt_attrs rodata = { 0, PT_NORMAL };
static const struct pt_attrs text = { PT_EXEC, PT_NORMAL };
static const struct pt_attrs device = { PT_WRITE, PT_DEVICE_nGnRnE };

/* An EL1 object of `bits` over the arena, the root from the arena too. */
static void make(const struct pgtable_format *f, unsigned bits, uint64_t base)
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

static void make_el1(void)
{
	make(&format_el1_stage1, 48, 0);
}

/* Tables from a pool of n, none registered. */
static int make_pooled(unsigned n)
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
static void sound(void)
{
	CHECK_EQ(pgtable_validate(&pt), MM_OK);
	CHECK_EQ(pt.dynamic_tables, arena.in_use);
	CHECK_EQ(arena.errors, 0);
}

static void destroy(void)
{
	pt.live = false;
	pgtable_destroy(&pt);
	CHECK_EQ(arena.in_use, 0);
	CHECK_EQ(pt.dynamic_tables, 0);
	CHECK_EQ(arena.errors, 0);
}

/* Everything that a failing call must leave alone. */
static uint64_t state(void)
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

static int tally_visit(void *ctx, enum pgtable_event event, const struct pgtable_entry *e)
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

static uint64_t entry_at(paddr_t table, unsigned index)
{
	return ((const uint64_t *)arena_table_virt(&pt, table))[index];
}

/* The table that entry `index` of `table` points to, read by hand. */
static paddr_t below(paddr_t table, unsigned index)
{
	uint64_t d = entry_at(table, index);

	CHECK_EQ(d & 3, 3);
	return paddr(d & 0x0000fffffffff000);
}

static void maps(uint64_t va, uint64_t pa, unsigned level, struct pt_attrs attrs)
{
	struct pgtable_entry e = { .size = 0 };

	CHECK_EQ(pgtable_query(&pt, va, &e), MM_OK);
	CHECK_EQ(e.pa.v, pa);
	CHECK_EQ(e.level, level);
	CHECK_EQ(e.attrs.access, attrs.access);
	CHECK_EQ(e.attrs.memory, attrs.memory);
}

static void maps_nothing(uint64_t va)
{
	struct pgtable_entry e;

	CHECK_EQ(pgtable_query(&pt, va, &e), MM_ENOENT);
}

/* ---- indices: one page whose four indices all differ, found by hand at each level ---------------------------------------- */

#define VA_1234 (((uint64_t)0x101 << 39) | ((uint64_t)0x0a2 << 30) | ((uint64_t)0x1c3 << 21) | ((uint64_t)0x0e4 << 12))

static void map_1234(void)
{
	make_el1();
	CHECK_EQ(pgtable_map(&pt, VA_1234, paddr(0x56789000), PAGE_SIZE, data, 0), MM_OK);
}

TEST(M11, "the level-0 index is VA bits 47:39")
{
	map_1234();
	for (unsigned i = 0; i < 512; i++)
		CHECK_EQ(entry_at(pt.root, i) != 0, i == 0x101);
	destroy();
}

TEST(M12, "the level-1 index is VA bits 38:30")
{
	map_1234();
	for (unsigned i = 0; i < 512; i++)
		CHECK_EQ(entry_at(below(pt.root, 0x101), i) != 0, i == 0x0a2);
	destroy();
}

TEST(M13, "the level-2 index is VA bits 29:21")
{
	map_1234();
	for (unsigned i = 0; i < 512; i++)
		CHECK_EQ(entry_at(below(below(pt.root, 0x101), 0x0a2), i) != 0, i == 0x1c3);
	destroy();
}

TEST(M14, "the level-3 index is VA bits 20:12, and all other entries of a new table are empty")
{
	paddr_t l3;

	map_1234();
	l3 = below(below(below(pt.root, 0x101), 0x0a2), 0x1c3);
	for (unsigned i = 0; i < 512; i++)
		CHECK_EQ(entry_at(l3, i), i == 0x0e4 ? 0x0060000056789703 : 0);
	sound();
	destroy();
}

/* ---- the seeds' numbers --------------------------------------------------------------------------------------------------- */

#define RAM_128M 0x40080000
#define RAM_128M_END 0x48000000

TEST(M15, "0x40080000-0x48000000 in 4 KiB pages takes 67 tables, the root included")
{
	uint64_t size = RAM_128M_END - RAM_128M;

	CHECK_EQ(make_pooled(PT_POOL_TABLES), MM_OK);
	CHECK_EQ(pgtable_tables_missing(&pt, RAM_128M, paddr(RAM_128M), size, PGTABLE_PAGES_ONLY), 66);
	CHECK_EQ(pgtable_map(&pt, RAM_128M, paddr(RAM_128M), size, data, PGTABLE_PAGES_ONLY), MM_OK);
	CHECK_EQ(pool.used, 67);
	CHECK_EQ(pool.peak, 67);
	CHECK_EQ(pt.pool_tables, 67);
	CHECK_EQ(tally().leaves[3], 32640);
	CHECK_EQ(tally().tables, 66);
	CHECK_EQ(pgtable_validate(&pt), MM_OK);
	pgtable_destroy(&pt);
	CHECK_EQ(pool.used, 0);
}

TEST(M16, "the same as an identity range: 63 blocks of 2 MiB and 384 pages in 4 tables")
{
	struct tally t;

	CHECK_EQ(make_pooled(PT_POOL_TABLES), MM_OK);
	CHECK_EQ(identity_map_range(&pt, paddr(RAM_128M), RAM_128M_END - RAM_128M, data), MM_OK);
	t = tally();
	CHECK_EQ(t.leaves[2], 63);
	CHECK_EQ(t.leaves[3], 384);
	CHECK_EQ(t.leaves[1], 0);
	CHECK_EQ(pool.used, 4);
	CHECK_EQ(pgtable_validate(&pt), MM_OK);
}

TEST(M17, "a pool of 8 beside the root gives out at VA 0x40C00000, page by page")
{
	paddr_t root;
	struct pgtable_config config = {
		.format = &format_el1_stage1, .input_bits = 48, .pool = &pool, .table_virt = arena_table_virt,
	};
	uint64_t va = RAM_128M;
	int err = MM_OK;

	arena_reset();
	CHECK(arena_alloc_roots(NULL, 0, &root));
	arena_make_pool(&pool, 8);
	CHECK_EQ(pgtable_init(&pt, &config, &root), MM_OK);
	for (; va < RAM_128M_END; va += PAGE_SIZE) {
		err = map_page(&pt, va, paddr(va), data);
		if (err)
			break;
	}
	CHECK_EQ(err, MM_EPT_POOL);
	CHECK_EQ(va, 0x40c00000);
	CHECK(strcmp(mm_strerror(err), "Page table pool exhausted") == 0);
	CHECK_EQ(pool.used, 8);
	/* As one range: refused at once, and nothing of it is there. */
	pgtable_destroy(&pt);
	CHECK_EQ(pool.used, 0);
	CHECK_EQ(pgtable_init(&pt, &config, &root), MM_OK);
	CHECK_EQ(pgtable_map(&pt, RAM_128M, paddr(RAM_128M), RAM_128M_END - RAM_128M, data, PGTABLE_PAGES_ONLY), MM_EPT_POOL);
	CHECK_EQ(pool.used, 0);
	CHECK_EQ(tally().tables, 0);
}

TEST(M18, "map_block_2mb refuses a VA that is not 2 MiB-aligned, in the seed's words")
{
	make_el1();
	CHECK_EQ(map_block_2mb(&pt, 0x40100000, paddr(0x40200000), data), MM_EVA_ALIGN);
	CHECK_EQ(map_block_2mb(&pt, 0x40001000, paddr(0x40001000), data), MM_EVA_ALIGN);
	CHECK(strcmp(mm_strerror(MM_EVA_ALIGN), "VA not 2MB aligned for block mapping") == 0);
	CHECK_EQ(tally().tables, 0);
	CHECK_EQ(map_block_2mb(&pt, 0x40200000, paddr(0x80000000), data), MM_OK);
	maps(0x40200000 + 0x12345, 0x80012345, 2, data);
	CHECK_EQ(map_block_2mb(&pt, 0x40200000, paddr(0x80000000), data), MM_EEXIST);
	CHECK_EQ(map_block_2mb(&pt, 0x40400000, paddr(0x80000000), (struct pt_attrs){ PT_WRITE | PT_EXEC, PT_NORMAL }), MM_EPERM);
	sound();
	destroy();
}

TEST(M19, "map_block_2mb refuses a PA that is not 2 MiB-aligned, and never falls back to pages")
{
	paddr_t l1, l2, l3;

	make_el1();
	CHECK_EQ(map_block_2mb(&pt, 0x40200000, paddr(0x40201000), data), MM_EPA_ALIGN);
	CHECK_EQ(map_block_2mb(&pt, 0x40200000, paddr(0x40300000), data), MM_EPA_ALIGN);
	CHECK(strcmp(mm_strerror(MM_EPA_ALIGN), "PA not 2MB aligned for block mapping") == 0);
	/* An empty table where the block would stand. */
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 0, 0, &l1), MM_OK);
	CHECK_EQ(pgtable_get_or_create_table(&pt, l1, 1, 1, &l2), MM_OK);
	CHECK_EQ(pgtable_get_or_create_table(&pt, l2, 1, 2, &l3), MM_OK);
	CHECK_EQ(map_block_2mb(&pt, 0x40200000, paddr(0x40200000), data), MM_EEXIST);
	CHECK_EQ(map_block_2mb(&pt, 0x40400000, paddr(0x40400000), data), MM_OK);
	sound();
	destroy();
	/* A tree without a level for blocks. */
	make(&format_el1_stage1, 21, 0);
	CHECK_EQ(pt.start_level, 3);
	CHECK_EQ(map_block_2mb(&pt, 0, paddr(0), data), MM_EUNSUPPORTED);
	CHECK_EQ(pgtable_map(&pt, 0, paddr(0), MIB(2), data, 0), MM_OK);
	CHECK_EQ(tally().leaves[3], 512);
	destroy();
}

/* ---- addresses of tables ------------------------------------------------------------------------------------------------- */

TEST(M20, "a table's physical address becomes a pointer by phys_to_virt(), and back")
{
	paddr_t pa;

	arena_reset_linear();
	CHECK(arena_allocator.alloc_page(arena_allocator.ctx, &pa));
	pt = (struct pgtable){ .format = &format_el1_stage1 };
	CHECK((uint8_t *)pgtable_table_virt(&pt, pa) == (uint8_t *)phys_to_virt(pa));
	CHECK((uintptr_t)phys_to_virt(pa) == arch_linear_base + (uintptr_t)pa.v);
	CHECK_EQ(virt_to_phys(pgtable_table_virt(&pt, pa)).v, pa.v);
	*pgtable_table_virt(&pt, pa) = 0x1122334455667788;
	CHECK_EQ(*(uint64_t *)arena_table_virt(&pt, pa), 0x1122334455667788);
	arena_allocator.free_page(arena_allocator.ctx, pa);
	CHECK_EQ(arena.errors, 0);
}

TEST(M21, "a pool table is reached through the pool, wherever the pool is, other tables are not")
{
	static uint8_t memory[2][PAGE_SIZE] __attribute__((aligned(4096)));
	paddr_t pa = paddr(0x41001000);

	pt_pool_init(&pool, memory, paddr(0x41000000), 2);
	pt = (struct pgtable){ .format = &format_el1_stage1, .pool = &pool };
	CHECK((uint8_t *)pgtable_table_virt(&pt, pa) == memory[1]);
	CHECK((uint8_t *)pgtable_table_virt(&pt, paddr(0x41002000)) == (uint8_t *)phys_to_virt(paddr(0x41002000)));
	CHECK_EQ(virt_to_phys(phys_to_virt(paddr(0xfedcba987654))).v, 0xfedcba987654);
}

/* ---- allocators ----------------------------------------------------------------------------------------------------------- */

static const struct page_allocator other_allocator; /* never called: only its address matters */

TEST(M23, "the allocator that is registered is the one that answers; NULL is refused")
{
	struct pgtable saved = mmu_kernel;
	const char *said;

	mmu_kernel = (struct pgtable){ .format = &format_el1_stage1 };
	CHECK(mmu_page_allocator() == NULL);
	mmu_set_page_allocator(&arena_allocator);
	CHECK(mmu_page_allocator() == &arena_allocator);
	capture_begin();
	mmu_set_page_allocator(NULL);
	said = capture_end();
	CHECK(mmu_page_allocator() == &arena_allocator);
	CHECK(strlen(said) > 0);
	mmu_kernel = saved;
}

TEST(M24, "after the hand-over tables are alloc_page()'s and go back by free_page()")
{
	CHECK_EQ(make_pooled(8), MM_OK);
	CHECK_EQ(map_page(&pt, 0x40000000, paddr(0x40000000), data), MM_OK);
	CHECK_EQ(pool.used, 4);
	CHECK_EQ(arena.allocs, 0);
	pgtable_set_allocator(&pt, &arena_allocator);
	CHECK_EQ(map_page(&pt, 0x80000000, paddr(0x40000000), data), MM_OK);
	CHECK_EQ(pool.used, 4);
	CHECK_EQ(arena.allocs, 2);
	CHECK_EQ(pt.pool_tables, 4);
	CHECK_EQ(pt.dynamic_tables, 2);
	CHECK_EQ(unmap_page(&pt, 0x80000000), MM_OK);
	CHECK_EQ(arena.frees, 2);
	CHECK_EQ(pt.dynamic_tables, 0);
	CHECK_EQ(pgtable_validate(&pt), MM_OK);
}

TEST(M25, "a table of the pool goes back to the pool even after the hand-over, never to the allocator")
{
	CHECK_EQ(make_pooled(8), MM_OK);
	CHECK_EQ(map_page(&pt, 0x40000000, paddr(0x40000000), data), MM_OK);
	pgtable_set_allocator(&pt, &arena_allocator);
	CHECK_EQ(unmap_page(&pt, 0x40000000), MM_OK);
	CHECK_EQ(arena.frees, 0);
	CHECK_EQ(pool.used, 1);
	CHECK_EQ(pool.peak, 4);
	CHECK_EQ(pt.pool_tables, 1);
	pgtable_destroy(&pt);
	CHECK_EQ(pool.used, 0);
	CHECK_EQ(arena.errors, 0);
}

TEST(M26, "get_or_create_table: the registered allocator supplies it, cleared; a second call follows it; none left is an error")
{
	paddr_t l1 = paddr(0), again = paddr(0), out = paddr(0);
	uint64_t before;

	make_el1();
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 5, 0, &l1), MM_OK);
	CHECK_EQ(arena.allocs, 2);
	for (unsigned i = 0; i < 512; i++)
		CHECK_EQ(entry_at(l1, i), 0);
	CHECK_EQ(below(pt.root, 5).v, l1.v);
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 5, 0, &again), MM_OK);
	CHECK_EQ(again.v, l1.v);
	CHECK_EQ(arena.allocs, 2);
	CHECK_EQ(pgtable_get_or_create_table(&pt, l1, 511, 1, &out), MM_OK);
	CHECK_EQ(below(l1, 511).v, out.v);
	sound();

	arena_fail_at(0);
	before = state();
	CHECK_EQ(pgtable_get_or_create_table(&pt, l1, 0, 1, &out), MM_EPT_ALLOC);
	CHECK(strcmp(mm_strerror(MM_EPT_ALLOC), "Page table allocation failed") == 0);
	arena_fail_at(ARENA_NEVER);
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 512, 0, &out), MM_ERANGE);
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 0, 3, &out), MM_EINVAL);
	CHECK_EQ(pgtable_get_or_create_table(&pt, l1, 0, 0, &out), MM_EINVAL);
	CHECK_EQ(pgtable_get_or_create_table(&pt, l1, 0, 2, &out), MM_EINVAL);
	CHECK_EQ(pgtable_get_or_create_table(&pt, paddr(0x1000), 0, 1, &out), MM_EINVAL);
	CHECK_EQ(pgtable_get_or_create_table(&pt, paddr(pt.root.v + 8), 0, 0, &out), MM_EINVAL);
	CHECK_EQ(state(), before);
	CHECK_EQ(pgtable_map(&pt, 0, paddr(0), GIB(1), data, 0), MM_OK);
	CHECK_EQ(pgtable_get_or_create_table(&pt, below(pt.root, 0), 0, 1, &out), MM_EEXIST);
	sound();
	/* The tables that were made empty take mappings, and go when the last one goes. */
	CHECK_EQ(map_page(&pt, ((uint64_t)5 << 39) + ((uint64_t)511 << 30), paddr(0), data), MM_OK);
	sound();
	CHECK_EQ(unmap_page(&pt, ((uint64_t)5 << 39) + ((uint64_t)511 << 30)), MM_OK);
	sound();
	CHECK_EQ(entry_at(pt.root, 5), 0);
	destroy();

	/* The root of 40 bits has two entries that mean something. */
	make(&format_el1_stage1, 40, 0);
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 1, 0, &out), MM_OK);
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 2, 0, &out), MM_ERANGE);
	sound();
	destroy();
}

TEST(M27, "get_or_create_table: PT_POOL supplies it while no allocator is registered, until it is exhausted")
{
	paddr_t out = paddr(0);

	CHECK_EQ(make_pooled(2), MM_OK);
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 1, 0, &out), MM_OK);
	CHECK(pt_pool_busy(&pool, out));
	CHECK_EQ(pool.used, 2);
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 2, 0, &out), MM_EPT_POOL);
	CHECK_EQ(entry_at(pt.root, 2), 0);
	CHECK_EQ(make_pooled(0), MM_EPT_POOL);
	CHECK_EQ(pgtable_init(&pt, &(struct pgtable_config){ .format = &format_el1_stage1, .input_bits = 48 }, NULL), MM_EPT_POOL);
}

static bool give_bad(void *ctx, paddr_t *out)
{
	*out = paddr(*(uint64_t *)ctx);
	return true;
}

static unsigned bad_returned;

static void take_bad(void *ctx, paddr_t pa)
{
	bad_returned += pa.v == *(uint64_t *)ctx;
}

TEST(M51, "an allocator is not replaced while its tables are in use, and its garbage is refused")
{
	uint64_t bad = 0x40000008;
	const struct page_allocator liar = { give_bad, take_bad, &bad };
	const char *said;

	make_el1();
	capture_begin();
	pgtable_set_allocator(&pt, &other_allocator);
	CHECK(pt.allocator == &arena_allocator);
	pgtable_set_allocator(&pt, &arena_allocator);
	CHECK(pt.allocator == &arena_allocator);
	pgtable_set_allocator(&pt, NULL);
	CHECK(pt.allocator == &arena_allocator);
	said = capture_end();
	CHECK(strlen(said) > 0);
	destroy();

	capture_begin();
	CHECK_EQ(make_pooled(1), MM_OK);
	pgtable_set_allocator(&pt, &liar);
	CHECK_EQ(map_page(&pt, 0, paddr(0), data), MM_EPT_ALLOC);
	bad = (uint64_t)1 << 48;
	CHECK_EQ(map_page(&pt, 0, paddr(0), data), MM_EPT_ALLOC);
	said = capture_end();
	CHECK_EQ(bad_returned, 2);
	CHECK_EQ(pt.dynamic_tables, 0);
	CHECK_EQ(pgtable_validate(&pt), MM_OK);
}

/* ---- map ------------------------------------------------------------------------------------------------------------------ */

TEST(M30, "the widest leaf that fits, by input, output, size and flags")
{
	static const struct {
		uint64_t va, pa, size;
		unsigned flags, leaves[4];
	} rows[] = {
		{ 0, 0, GIB(1), 0, { 0, 1, 0, 0 } },
		{ 0, 0, GIB(1), PGTABLE_MAX_2M, { 0, 0, 512, 0 } },
		{ 0, 0, MIB(4), PGTABLE_PAGES_ONLY, { 0, 0, 0, 1024 } },
		{ GIB(1), MIB(2), GIB(1), 0, { 0, 0, 512, 0 } }, /* the output is not 1 GiB-aligned */
		{ MIB(2), PAGE_SIZE, MIB(2), 0, { 0, 0, 0, 512 } },
		{ GIB(1) - PAGE_SIZE, GIB(3) - PAGE_SIZE, GIB(1) + 2 * PAGE_SIZE, 0, { 0, 1, 0, 2 } },
		{ GIB(1) - MIB(2), GIB(3) - MIB(2), GIB(8) + MIB(4), 0, { 0, 8, 2, 0 } },
		{ MIB(2) - PAGE_SIZE, MIB(2) - PAGE_SIZE, MIB(2) + 2 * PAGE_SIZE, 0, { 0, 0, 1, 2 } },
		{ ((uint64_t)1 << 39) - GIB(1), 0, GIB(2), 0, { 0, 2, 0, 0 } },
		{ ((uint64_t)1 << 48) - PAGE_SIZE, ((uint64_t)1 << 48) - PAGE_SIZE, PAGE_SIZE, 0, { 0, 0, 0, 1 } },
		{ 0, 0, (uint64_t)1 << 39, 0, { 0, 512, 0, 0 } }, /* never a block at level 0 */
		{ 0x40080000, 0x40080000, 0x7f80000, PGTABLE_MAX_2M | PGTABLE_PAGES_ONLY, { 0, 0, 0, 32640 } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tally t;

		make_el1();
		CHECK_EQ(pgtable_map(&pt, rows[i].va, paddr(rows[i].pa), rows[i].size, data, rows[i].flags), MM_OK);
		t = tally();
		for (unsigned level = 0; level < 4; level++)
			CHECK_EQ(t.leaves[level], rows[i].leaves[level]);
		for (uint64_t step = 0; step < rows[i].size; step += rows[i].size / 7 + 1) {
			struct pgtable_entry e = { .size = 0 };

			CHECK_EQ(pgtable_query(&pt, rows[i].va + step, &e), MM_OK);
			CHECK_EQ(e.pa.v, rows[i].pa + step);
		}
		sound();
		CHECK_EQ(pgtable_unmap(&pt, rows[i].va, rows[i].size), MM_OK);
		CHECK_EQ(arena.in_use, 1);
		sound();
		destroy();
	}
}

TEST(M30, "an empty table in the middle of a range is filled, not overwritten: blocks, a table of pages, blocks")
{
	paddr_t l1, l2, l3;
	struct tally t;

	make_el1();
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 0, 0, &l1), MM_OK);
	CHECK_EQ(pgtable_get_or_create_table(&pt, l1, 1, 1, &l2), MM_OK);
	CHECK_EQ(pgtable_get_or_create_table(&pt, l2, 7, 2, &l3), MM_OK);
	sound();
	/*
	 *	L1: [0] 1 GiB  [1] -> L2: [0..6] 2 MiB  [7] -> L3: 512 pages  [8..511] 2 MiB	[2] 1 GiB
	 */
	CHECK_EQ(pgtable_tables_missing(&pt, 0, paddr(GIB(4)), GIB(3), 0), 0);
	CHECK_EQ(pgtable_map(&pt, 0, paddr(GIB(4)), GIB(3), data, 0), MM_OK);
	t = tally();
	CHECK(t.leaves[1] == 2 && t.leaves[2] == 511 && t.leaves[3] == 512);
	CHECK_EQ(below(l2, 7).v, l3.v);
	maps(GIB(1) + MIB(14), GIB(5) + MIB(14), 3, data);
	maps(GIB(1) + MIB(16), GIB(5) + MIB(16), 2, data);
	sound();
	CHECK_EQ(pgtable_unmap(&pt, 0, GIB(3)), MM_OK);
	CHECK_EQ(arena.in_use, 1);
	destroy();
}

TEST(M31, "arguments that make no sense are refused by name and change nothing")
{
	const uint64_t end = (uint64_t)1 << 48;
	const struct pt_attrs wx = { PT_WRITE | PT_EXEC, PT_NORMAL }, xdev = { PT_EXEC, PT_DEVICE_nGnRE };
	const struct pt_attrs user_wx = { PT_WRITE | PT_EXEC | PT_USER, PT_NORMAL }, odd = { 0, (enum pt_memory)9 };
	const struct {
		uint64_t va, pa, size;
		struct pt_attrs attrs;
		unsigned flags;
		int err;
	} rows[] = {
		{ 0, 0, 0, data, 0, MM_EINVAL },
		{ 0, 0, PAGE_SIZE, data, 1u << 3, MM_EINVAL },
		{ 0, 0, PAGE_SIZE, odd, 0, MM_EINVAL },
		{ 1, 0, PAGE_SIZE, data, 0, MM_EALIGN },
		{ 0, 0x800, PAGE_SIZE, data, 0, MM_EALIGN },
		{ 0, 0, PAGE_SIZE + 8, data, 0, MM_EALIGN },
		{ end, 0, PAGE_SIZE, data, 0, MM_ERANGE },
		{ end - PAGE_SIZE, 0, 2 * PAGE_SIZE, data, 0, MM_ERANGE },
		{ PAGE_SIZE, 0, end, data, 0, MM_ERANGE },
		{ 0, end, PAGE_SIZE, data, 0, MM_ERANGE },
		{ 0, end - PAGE_SIZE, 2 * PAGE_SIZE, data, 0, MM_ERANGE },
		{ 0, UINT64_MAX - PAGE_MASK, PAGE_SIZE, data, 0, MM_ERANGE },
		{ UINT64_MAX - PAGE_MASK, 0, PAGE_SIZE, data, 0, MM_ERANGE },
		{ 0, 0, UINT64_MAX - PAGE_MASK, data, 0, MM_ERANGE },
		{ 0, 0, PAGE_SIZE, wx, 0, MM_EPERM },
		{ 0, 0, PAGE_SIZE, user_wx, 0, MM_EPERM },
		{ 0, 0, PAGE_SIZE, xdev, 0, MM_EPERM },
		{ 0, 0, PAGE_SIZE, { 1u << 4, PT_NORMAL }, 0, MM_EUNSUPPORTED },
	};
	struct pgtable_config config = {
		.format = &format_el2_stage1, .input_bits = 39, .pa_bits = 40, .allocator = &arena_allocator,
		.table_virt = arena_table_virt,
	};
	uint64_t before;

	make_el1();
	before = state();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_EQ(pgtable_map(&pt, rows[i].va, paddr(rows[i].pa), rows[i].size, rows[i].attrs, rows[i].flags), rows[i].err);
		CHECK_EQ(state(), before);
	}
	CHECK_EQ(pgtable_unmap(&pt, 0, 0), MM_EINVAL);
	CHECK_EQ(pgtable_unmap(&pt, 8, PAGE_SIZE), MM_EALIGN);
	CHECK_EQ(pgtable_unmap(&pt, end, PAGE_SIZE), MM_ERANGE);
	CHECK_EQ(pgtable_clear(&pt, 0, end + PAGE_SIZE), MM_ERANGE);
	CHECK_EQ(pgtable_protect(&pt, 0, 0, data), MM_EINVAL);
	CHECK_EQ(pgtable_protect(&pt, 0, 12, data), MM_EALIGN);
	CHECK_EQ(pgtable_protect(&pt, end - PAGE_SIZE, MIB(2), data), MM_ERANGE);
	CHECK_EQ(pgtable_protect(&pt, 0, PAGE_SIZE, wx), MM_EPERM);
	CHECK_EQ(pgtable_protect(&pt, 0, PAGE_SIZE, xdev), MM_EPERM);
	CHECK_EQ(state(), before);
	destroy();

	/* A regime without EL0, on a CPU of 40 physical bits. */
	arena_reset();
	CHECK_EQ(pgtable_init(&pt, &config, NULL), MM_OK);
	CHECK_EQ(pgtable_map(&pt, 0, paddr(0), PAGE_SIZE, (struct pt_attrs){ PT_USER, PT_NORMAL }, 0), MM_EUNSUPPORTED);
	CHECK_EQ(pgtable_map(&pt, 0, paddr((uint64_t)1 << 40), PAGE_SIZE, data, 0), MM_ERANGE);
	CHECK_EQ(pgtable_map(&pt, 0, paddr(((uint64_t)1 << 40) - PAGE_SIZE), PAGE_SIZE, data, 0), MM_OK);
	destroy();
	config.pa_bits = 49;
	CHECK_EQ(pgtable_init(&pt, &config, NULL), MM_EINVAL);
	config.pa_bits = 0;
	config.input_base = 0x1000;
	CHECK_EQ(pgtable_init(&pt, &config, NULL), MM_EINVAL);
}

TEST(M32, "mapping over a mapping is refused, wherever they touch, and changes nothing")
{
	/*
	 *	0          2M         4M         6M
	 *	|  pages.. |  block   |          |     and a 1 GiB block at 1 GiB
	 */
	static const struct {
		uint64_t va, size;
	} taken[] = {
		{ 0, PAGE_SIZE },
		{ MIB(2) - PAGE_SIZE, PAGE_SIZE },
		{ MIB(2), PAGE_SIZE },
		{ MIB(4) - PAGE_SIZE, 2 * PAGE_SIZE },
		{ 0, MIB(4) },
		{ MIB(4), GIB(1) },
		{ GIB(1) - PAGE_SIZE, 2 * PAGE_SIZE },
		{ GIB(1), GIB(1) },
		{ GIB(2) - PAGE_SIZE, PAGE_SIZE },
		{ 0, (uint64_t)1 << 48 },
	};
	uint64_t before;

	make_el1();
	CHECK_EQ(pgtable_map(&pt, 0, paddr(GIB(4)), MIB(4), data, PGTABLE_PAGES_ONLY), MM_OK);
	CHECK_EQ(pgtable_unmap(&pt, MIB(2), MIB(2)), MM_OK);
	CHECK_EQ(pgtable_map(&pt, MIB(2), paddr(GIB(4)), MIB(2), data, 0), MM_OK);
	CHECK_EQ(pgtable_map(&pt, GIB(1), paddr(GIB(5)), GIB(1), data, 0), MM_OK);
	before = state();
	for (unsigned i = 0; i < ARRAY_SIZE(taken); i++) {
		CHECK_EQ(pgtable_map(&pt, taken[i].va, paddr(0), taken[i].size, data, 0), MM_EEXIST);
		CHECK_EQ(pgtable_map(&pt, taken[i].va, paddr(0), taken[i].size, data, PGTABLE_MAX_2M), MM_EEXIST);
		CHECK_EQ(pgtable_tables_missing(&pt, taken[i].va, paddr(0), taken[i].size, 0), 0);
		CHECK_EQ(state(), before);
	}
	CHECK_EQ(pgtable_map(&pt, MIB(4), paddr(0), GIB(1) - MIB(4), data, 0), MM_OK);
	sound();
	destroy();
}

/* Every k: fails, nothing has moved; then it succeeds with exactly as many tables as were counted. */
TEST(M33, "map with the k-th table refused, for every k: the error, and not one bit changed")
{
	static const struct {
		uint64_t va, pa, size;
		unsigned flags;
	} rows[] = {
		{ PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, 0 },
		{ GIB(1) - MIB(2) - PAGE_SIZE, GIB(2) - MIB(2) - PAGE_SIZE, GIB(2) + MIB(8) + 3 * PAGE_SIZE, 0 },
		{ ((uint64_t)1 << 39) - MIB(5), MIB(3), MIB(11), 0 },
		{ 0, 0, MIB(64), PGTABLE_PAGES_ONLY },
		{ MIB(1), MIB(1), GIB(3), PGTABLE_MAX_2M },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t missing, before, k;
		int err = MM_EPT_ALLOC;

		make_el1();
		/* Neighbours, so that some of the tables are there. */
		CHECK_EQ(map_page(&pt, rows[i].va + rows[i].size, paddr(0), data), MM_OK);
		if (rows[i].va)
			CHECK_EQ(map_page(&pt, rows[i].va - PAGE_SIZE, paddr(0), data), MM_OK);
		missing = pgtable_tables_missing(&pt, rows[i].va, paddr(rows[i].pa), rows[i].size, rows[i].flags);
		before = state();
		for (k = 0; err == MM_EPT_ALLOC && k < 100; k++) {
			arena_fail_at(k);
			err = pgtable_map(&pt, rows[i].va, paddr(rows[i].pa), rows[i].size, data, rows[i].flags);
			if (err)
				CHECK_EQ(state(), before);
		}
		CHECK_EQ(err, MM_OK);
		CHECK_EQ(k - 1, missing);
		arena_fail_at(ARENA_NEVER);
		sound();
		destroy();
	}
}

TEST(M40, "tables_missing counts exactly what map takes, for ranges of every shape beside what is there")
{
	struct rng r = { 0x5eed };

	make_el1();
	for (unsigned i = 0; i < 600; i++) {
		unsigned flags = (unsigned)rng_below(&r, 4);
		uint64_t size = PAGE_SIZE << rng_below(&r, flags & PGTABLE_PAGES_ONLY ? 12 : 20);
		uint64_t va = rng_below(&r, (uint64_t)1 << 22) << PAGE_SHIFT, pa = va;
		uint64_t missing, before = pt.dynamic_tables;
		int err;

		size += rng_below(&r, 3) * PAGE_SIZE;
		if (rng_below(&r, 2))
			va &= ~(GIB(1) - 1);
		if (rng_below(&r, 2))
			pa = rng_below(&r, (uint64_t)1 << 20) << (rng_below(&r, 2) ? 12 : 21);
		missing = pgtable_tables_missing(&pt, va, paddr(pa), size, flags);
		err = pgtable_map(&pt, va, paddr(pa), size, data, flags);
		if (err == MM_OK)
			CHECK_EQ(pt.dynamic_tables - before, missing);
		else
			CHECK(err == MM_EEXIST || err == MM_EPT_ALLOC || err == MM_ERANGE);
		if (arena.in_use > ARENA_PAGES * 3 / 4 || err == MM_EPT_ALLOC)
			CHECK_EQ(pgtable_clear(&pt, 0, (uint64_t)1 << 48), MM_OK);
	}
	sound();
	destroy();
}

/* ---- unmap ------------------------------------------------------------------------------------------------------------------ */

TEST(M35, "unmap removes exactly the range; a hole in it is MM_ENOENT and nothing changes")
{
	uint64_t before;

	make_el1();
	CHECK_EQ(pgtable_map(&pt, MIB(4), paddr(GIB(1)), MIB(4), data, PGTABLE_PAGES_ONLY), MM_OK);
	CHECK_EQ(pgtable_map(&pt, GIB(1), paddr(GIB(1)), GIB(1), data, 0), MM_OK);
	CHECK_EQ(unmap_page(&pt, MIB(6)), MM_OK);
	maps_nothing(MIB(6));
	maps(MIB(6) - PAGE_SIZE, GIB(1) + MIB(2) - PAGE_SIZE, 3, data);
	maps(MIB(6) + PAGE_SIZE, GIB(1) + MIB(2) + PAGE_SIZE, 3, data);
	before = state();
	CHECK_EQ(unmap_page(&pt, MIB(6)), MM_ENOENT);
	CHECK_EQ(pgtable_unmap(&pt, MIB(4), MIB(4)), MM_ENOENT);
	CHECK_EQ(pgtable_unmap(&pt, MIB(4) - PAGE_SIZE, 2 * PAGE_SIZE), MM_ENOENT);
	CHECK_EQ(pgtable_unmap(&pt, MIB(8) - PAGE_SIZE, 2 * PAGE_SIZE), MM_ENOENT);
	CHECK_EQ(pgtable_unmap(&pt, GIB(2) - PAGE_SIZE, 2 * PAGE_SIZE), MM_ENOENT);
	CHECK_EQ(pgtable_unmap(&pt, 0, (uint64_t)1 << 48), MM_ENOENT);
	CHECK_EQ(pgtable_protect(&pt, MIB(4), MIB(4), rodata), MM_ENOENT);
	CHECK_EQ(state(), before);
	CHECK_EQ(pgtable_unmap(&pt, MIB(4), MIB(2)), MM_OK);
	CHECK_EQ(pgtable_unmap(&pt, MIB(6) + PAGE_SIZE, MIB(2) - PAGE_SIZE), MM_OK);
	CHECK_EQ(pgtable_unmap(&pt, GIB(1), GIB(1)), MM_OK);
	CHECK_EQ(arena.in_use, 1);
	sound();
	destroy();
}

TEST(M36, "a block that sticks out is split: 1 GiB minus one page is 511 blocks and 511 pages with the same attributes")
{
	struct tally t;

	make_el1();
	CHECK_EQ(pgtable_map(&pt, GIB(1), paddr(GIB(3)), GIB(1), text, 0), MM_OK);
	CHECK_EQ(unmap_page(&pt, GIB(1) + MIB(2) + 5 * PAGE_SIZE), MM_OK);
	/*
	 *	L1[1] -> L2: [0] block, [1] -> L3: 0..4 pages, 5 empty, 6..511 pages, [2..511] blocks
	 */
	t = tally();
	CHECK_EQ(t.leaves[1], 0);
	CHECK_EQ(t.leaves[2], 511);
	CHECK_EQ(t.leaves[3], 511);
	maps(GIB(1), GIB(3), 2, text);
	maps(GIB(1) + MIB(2) + 4 * PAGE_SIZE, GIB(3) + MIB(2) + 4 * PAGE_SIZE, 3, text);
	maps_nothing(GIB(1) + MIB(2) + 5 * PAGE_SIZE);
	maps(GIB(2) - 1, GIB(4) - 1, 2, text);
	sound();
	/* Both ends of a range in blocks of their own. */
	CHECK_EQ(pgtable_map(&pt, GIB(4), paddr(0), GIB(2), data, 0), MM_OK);
	CHECK_EQ(pgtable_unmap(&pt, GIB(5) - PAGE_SIZE, 2 * PAGE_SIZE), MM_OK);
	maps(GIB(5) - 2 * PAGE_SIZE, GIB(1) - 2 * PAGE_SIZE, 3, data);
	maps_nothing(GIB(5) - PAGE_SIZE);
	maps_nothing(GIB(5));
	maps(GIB(5) + PAGE_SIZE, GIB(1) + PAGE_SIZE, 3, data);
	sound();
	/* A split at level 2 whose table is full but for whole blocks. */
	CHECK_EQ(pgtable_map(&pt, GIB(8), paddr(0), GIB(1), data, 0), MM_OK);
	CHECK_EQ(pgtable_unmap(&pt, GIB(8), MIB(512)), MM_OK);
	maps(GIB(8) + MIB(512), MIB(512), 2, data);
	sound();
	destroy();
}

TEST(M50, "clear passes over holes, splits what sticks out, and leaves no empty table")
{
	make_el1();
	for (unsigned i = 0; i < 600; i += 2)
		CHECK_EQ(map_page(&pt, GIB(1) + i * PAGE_SIZE, paddr(0), data), MM_OK);
	CHECK_EQ(pgtable_map(&pt, GIB(2) - MIB(2), paddr(0), MIB(4), data, 0), MM_OK);
	CHECK_EQ(pgtable_clear(&pt, GIB(4), GIB(4)), MM_OK);
	sound();
	CHECK_EQ(pgtable_clear(&pt, 0, GIB(2)), MM_OK);
	maps_nothing(GIB(1));
	maps_nothing(GIB(2) - 1);
	maps(GIB(2), MIB(2), 2, data);
	CHECK_EQ(pt.dynamic_tables, 3);
	CHECK_EQ(pgtable_clear(&pt, GIB(2) + PAGE_SIZE, GIB(1)), MM_OK);
	maps(GIB(2), MIB(2), 3, data);
	maps_nothing(GIB(2) + PAGE_SIZE);
	sound();
	CHECK_EQ(pgtable_clear(&pt, 0, (uint64_t)1 << 48), MM_OK);
	CHECK_EQ(arena.in_use, 1);
	CHECK_EQ(pgtable_clear(&pt, 0, (uint64_t)1 << 48), MM_OK);
	sound();
	destroy();
}

/* A live object whose input addresses are our own: the block would take this stack, or the table, away. */
TEST(M49, "a live split that would pull away this code's stack or tables is refused")
{
	int here;
	uint64_t block = ALIGN_DOWN((uintptr_t)&here, MIB(2)) & 0x0000ffffffffffff;
	uint64_t base = ALIGN_DOWN((uintptr_t)&here, (uint64_t)1 << 48);
	uint64_t before;

	make(&format_el1_stage1, 48, base);
	CHECK_EQ(pgtable_map(&pt, base + block, paddr(0), MIB(2), data, 0), MM_OK);
	pt.live = true;
	before = state();
	CHECK_EQ(unmap_page(&pt, base + block), MM_EBUSY);
	CHECK_EQ(pgtable_protect(&pt, base + block, PAGE_SIZE, rodata), MM_EBUSY);
	CHECK_EQ(state(), before);
	/* The same block in tables of another world, or in tables that nobody walks. */
	pt.tlb.regime = REGIME_STAGE2;
	pt.live = false;
	CHECK_EQ(pgtable_protect(&pt, base + block, PAGE_SIZE, rodata), MM_OK);
	sound();
	destroy();

	block = ALIGN_DOWN((uintptr_t)arena_table_virt(&pt, paddr(ARENA_PA)), GIB(1)) & 0x0000ffffffffffff;
	make(&format_el1_stage1, 48, base);
	if (ALIGN_DOWN((uintptr_t)arena_table_virt(&pt, pt.root), (uint64_t)1 << 48) == base) {
		CHECK_EQ(pgtable_map(&pt, base + block, paddr(0), GIB(1), data, 0), MM_OK);
		pt.live = true;
		CHECK_EQ(unmap_page(&pt, base + block), MM_EBUSY);
	}
	destroy();
}

/* ---- protect ----------------------------------------------------------------------------------------------------------------- */

TEST(M43, "protect changes attributes and nothing else; blocks inside stay blocks, those that stick out are split")
{
	struct tally t;
	uint64_t tables;

	make_el1();
	CHECK_EQ(pgtable_map(&pt, MIB(2) - 3 * PAGE_SIZE, paddr(GIB(1) - 3 * PAGE_SIZE), MIB(4) + 6 * PAGE_SIZE, data, 0), MM_OK);
	CHECK_EQ(pgtable_protect(&pt, MIB(2) - 3 * PAGE_SIZE, MIB(4) + 6 * PAGE_SIZE, rodata), MM_OK);
	t = tally();
	CHECK(t.leaves[2] == 2 && t.leaves[3] == 6);
	maps(MIB(2) - PAGE_SIZE, GIB(1) - PAGE_SIZE, 3, rodata);
	maps(MIB(2), GIB(1), 2, rodata);
	CHECK_EQ(pgtable_protect(&pt, MIB(2) + PAGE_SIZE, PAGE_SIZE, text), MM_OK);
	maps(MIB(2), GIB(1), 3, rodata);
	maps(MIB(2) + PAGE_SIZE, GIB(1) + PAGE_SIZE, 3, text);
	maps(MIB(2) + 2 * PAGE_SIZE, GIB(1) + 2 * PAGE_SIZE, 3, rodata);
	maps(MIB(4), GIB(1) + MIB(2), 2, rodata);
	sound();
	/* What is so already needs no split and no table. */
	tables = pt.dynamic_tables;
	arena_fail_at(0);
	CHECK_EQ(pgtable_protect(&pt, MIB(4) + PAGE_SIZE, PAGE_SIZE, rodata), MM_OK);
	CHECK_EQ(pt.dynamic_tables, tables);
	arena_fail_at(ARENA_NEVER);
	/* Runs of unlike leaves in one table. */
	for (unsigned i = 0; i < 40; i += 3)
		CHECK_EQ(pgtable_protect(&pt, MIB(2) + i * PAGE_SIZE, PAGE_SIZE, i & 1 ? text : device), MM_OK);
	CHECK_EQ(pgtable_protect(&pt, MIB(2), MIB(4), data), MM_OK);
	for (unsigned i = 0; i < 1024; i++)
		maps(MIB(2) + i * PAGE_SIZE, GIB(1) + i * PAGE_SIZE, i < 512 ? 3 : 2, data);
	sound();
	destroy();
}

TEST(M56, "unmap, clear and protect with the k-th table refused, for every k: the error, and not one bit changed")
{
	for (unsigned what = 0; what < 3; what++) {
		uint64_t before, k;
		int err = MM_EPT_ALLOC;

		make_el1();
		CHECK_EQ(pgtable_map(&pt, GIB(1), paddr(0), GIB(3), data, 0), MM_OK);
		before = state();
		for (k = 0; err == MM_EPT_ALLOC && k < 20; k++) {
			uint64_t va = GIB(2) - MIB(2) - PAGE_SIZE, size = GIB(1) + MIB(6) + 2 * PAGE_SIZE;

			arena_fail_at(k);
			if (what == 0)
				err = pgtable_unmap(&pt, va, size);
			else if (what == 1)
				err = pgtable_clear(&pt, va, size);
			else
				err = pgtable_protect(&pt, va, size, rodata);
			if (err)
				CHECK_EQ(state(), before);
		}
		CHECK_EQ(err, MM_OK);
		CHECK_EQ(k - 1, 4); /* a table for each end at level 2 and at level 3 */
		arena_fail_at(ARENA_NEVER);
		sound();
		destroy();
	}
}

/* The rule, written down once more in other words: what may be changed without a break. */
static enum pt_change expected(const struct pgtable_format *f, unsigned level, struct pt_attrs a, struct pt_attrs b, bool same_pa)
{
	bool device_exec = (b.access & PT_EXEC) && b.memory >= PT_DEVICE_nGnRnE;
	bool wx = (b.access & PT_WRITE) && (b.access & PT_EXEC) && !f->write_exec;

	if (level < 1 || device_exec || wx)
		return PT_CHANGE_REFUSE;
	if (!same_pa || a.memory != b.memory || ((a.access & PT_NONGLOBAL) && !(b.access & PT_NONGLOBAL)))
		return PT_CHANGE_BREAK_BEFORE_MAKE;
	return PT_CHANGE_IN_PLACE;
}

/* All attributes a leaf can have: formats drop what they cannot say. */
static uint64_t leaf_of(const struct pgtable_format *f, unsigned n, unsigned level, uint64_t pa, struct pt_attrs *attrs)
{
	*attrs = (struct pt_attrs){ (n & 15) & f->access_mask, (enum pt_memory)(n >> 4) };
	return f->leaf(*attrs, level) | f->encode_pa(pa);
}

TEST(M37, "what a descriptor may become: every pair of attributes, level and address, on every format")
{
	for (unsigned i = 0; i < ARRAY_SIZE(all_formats); i++) {
		const struct pgtable_format *f = all_formats[i];
		uint64_t t1 = f->table() | f->encode_pa(GIB(1)), t2 = f->table() | f->encode_pa(GIB(1) + PAGE_SIZE);
		uint64_t counted = t1 | (uint64_t)3 << f->count_shift;
		unsigned wrong = 0;

		for (unsigned level = 1; level <= 3; level++) {
			for (unsigned x = 0; x < 64; x++) {
				struct pt_attrs a, b;
				uint64_t old = leaf_of(f, x, level, GIB(1), &a);

				if ((a.access & PT_EXEC) && a.memory >= PT_DEVICE_nGnRnE)
					continue; /* such a leaf cannot be written down (the fake format could) */
				for (unsigned y = 0; y < 64; y++) {
					uint64_t same = leaf_of(f, y, level, GIB(1), &b), other = leaf_of(f, y, level, GIB(2), &b);

					if ((b.access & PT_EXEC) && b.memory >= PT_DEVICE_nGnRnE &&
					    f->decode_attrs(same, level).access != b.access)
						continue;
					wrong += pgtable_change(f, level, old, same) != expected(f, level, a, b, true);
					wrong += pgtable_change(f, level, old, other) != expected(f, level, a, b, false);
					if (expected(f, level, b, b, true) == PT_CHANGE_REFUSE)
						continue;
					wrong += pgtable_change(f, level, f->invalid, same) != PT_CHANGE_IN_PLACE;
					wrong += pgtable_change(f, level, old ^ f->valid_bit, same) != PT_CHANGE_IN_PLACE;
					wrong += pgtable_change(f, level, same, f->invalid) != PT_CHANGE_IN_PLACE;
					if (level == 3)
						continue;
					wrong += pgtable_change(f, level, same, t1) != PT_CHANGE_BREAK_BEFORE_MAKE;
					wrong += pgtable_change(f, level, counted, same) != PT_CHANGE_BREAK_BEFORE_MAKE;
				}
			}
		}
		CHECK_EQ(wrong, 0);
		for (unsigned level = 0; level < 3; level++) {
			CHECK_EQ(pgtable_change(f, level, t1, t1), PT_CHANGE_IN_PLACE);
			CHECK_EQ(pgtable_change(f, level, t1, counted), PT_CHANGE_IN_PLACE);
			CHECK_EQ(pgtable_change(f, level, t1, t2), PT_CHANGE_BREAK_BEFORE_MAKE);
			CHECK_EQ(pgtable_change(f, level, f->invalid, t1), PT_CHANGE_IN_PLACE);
		}
		CHECK_EQ(pgtable_change(f, 4, f->invalid, t1), PT_CHANGE_REFUSE);
	}
	/* A block at level 0; the contiguous hint (bit 52) in old or new; a block address off its boundary; a level-3 block. */
	CHECK_EQ(pgtable_change(&format_el1_stage1, 0, 0, 0x0060000000000701), PT_CHANGE_REFUSE);
	CHECK_EQ(pgtable_change(&format_el1_stage1, 3, 0x0070000040000703, 0x0060000040000783), PT_CHANGE_REFUSE);
	CHECK_EQ(pgtable_change(&format_el1_stage1, 3, 0x0060000040000703, 0x0070000040000703), PT_CHANGE_REFUSE);
	CHECK_EQ(pgtable_change(&format_el1_stage1, 2, 0, 0x0060000040001701), PT_CHANGE_REFUSE);
	CHECK_EQ(pgtable_change(&format_el1_stage1, 3, 0, 0x0060000040000701), PT_CHANGE_REFUSE);
	CHECK_EQ(pgtable_change(&format_el1_stage1, 3, 0x0070000040000703, 0), PT_CHANGE_IN_PLACE);
}

/* ---- reading ------------------------------------------------------------------------------------------------------------------- */

TEST(M38, "query names the leaf around any address, or says that there is none")
{
	struct pgtable_entry e = { .size = 0 };

	make_el1();
	CHECK_EQ(pgtable_map(&pt, GIB(2), paddr(GIB(5)), GIB(1) + MIB(2) + PAGE_SIZE, device, 0), MM_OK);
	CHECK_EQ(pgtable_query(&pt, GIB(2) + 0x12345678, &e), MM_OK);
	CHECK(e.va == GIB(2) && e.size == GIB(1) && e.level == 1 && e.pa.v == GIB(5) + 0x12345678);
	CHECK_EQ(pgtable_query(&pt, GIB(3) + MIB(2) - 1, &e), MM_OK);
	CHECK(e.va == GIB(3) && e.size == MIB(2) && e.level == 2 && e.pa.v == GIB(6) + MIB(2) - 1);
	CHECK_EQ(pgtable_query(&pt, GIB(3) + MIB(2) + 7, &e), MM_OK);
	CHECK(e.va == GIB(3) + MIB(2) && e.size == PAGE_SIZE && e.level == 3 && e.pa.v == GIB(6) + MIB(2) + 7);
	CHECK_EQ(e.desc, 0x006000018020040b);
	CHECK(e.attrs.access == PT_WRITE && e.attrs.memory == PT_DEVICE_nGnRnE);
	CHECK_EQ(pgtable_query(&pt, GIB(2) - 1, &e), MM_ENOENT);
	CHECK_EQ(pgtable_query(&pt, GIB(3) + MIB(2) + PAGE_SIZE, &e), MM_ENOENT);
	CHECK_EQ(pgtable_query(&pt, (uint64_t)1 << 48, &e), MM_ERANGE);
	CHECK_EQ(pgtable_query(&pt, UINT64_MAX, &e), MM_ERANGE);
	destroy();
}

TEST(M39, "walk shows leaves in order and tables around them, in any range, and stops when told")
{
	struct tally t = { .ordered = true, .last = UINT64_MAX };

	make_el1();
	CHECK_EQ(pgtable_map(&pt, MIB(2), paddr(0), GIB(2), data, 0), MM_OK);
	CHECK_EQ(pgtable_map(&pt, 0x7fff00000000, paddr(0), 3 * PAGE_SIZE, data, 0), MM_OK);
	t = tally();
	CHECK(t.ordered);
	CHECK_EQ(t.depth, 0);
	CHECK_EQ(t.deepest, 3);
	CHECK_EQ(t.leaves[2], 1024);
	CHECK_EQ(t.leaves[3], 3);
	CHECK_EQ(t.tables, pt.dynamic_tables - 1);
	t = (struct tally){ .ordered = true, .last = UINT64_MAX };
	CHECK_EQ(pgtable_walk(&pt, MIB(4) + 5, MIB(2), tally_visit, &t), MM_OK);
	CHECK_EQ(t.leaves[2], 2);
	CHECK_EQ(t.last, MIB(6));
	t = (struct tally){ .stop_after = 5 };
	CHECK_EQ(pgtable_walk(&pt, 0, (uint64_t)1 << 48, tally_visit, &t), 77);
	CHECK_EQ(t.leaves[2], 3); /* two tables before them */
	t = (struct tally){ .stop_after = 0 };
	CHECK_EQ(pgtable_walk(&pt, 0, 0, tally_visit, &t), MM_EINVAL);
	CHECK_EQ(pgtable_walk(&pt, 0, ((uint64_t)1 << 48) + 1, tally_visit, &t), MM_ERANGE);
	CHECK_EQ(pgtable_walk(&pt, (uint64_t)1 << 48, 1, tally_visit, &t), MM_ERANGE);
	destroy();
}

/* What is stored there instead, and must be found. */
TEST(M41, "validate finds a wrong count, a malformed or switched-off entry, a table linked twice or lost, bad attributes")
{
	static const struct {
		unsigned level, index;
		uint64_t flip;
	} rows[] = {
		{ 0, 0, 1 << 2 },	     /* count of the level-1 table */
		{ 2, 0, 1 << 11 },	     /* count of the level-3 table */
		{ 3, 1, 1 },		     /* a page switched off */
		{ 3, 1, 2 },		     /* type 0b01 at level 3 */
		{ 3, 1, (uint64_t)1 << 52 }, /* contiguous hint */
		{ 3, 1, (uint64_t)1 << 54 }, /* executable at EL0, too */
		{ 3, 2, 0x0040000000000703 }, /* writable and executable, in an empty entry */
		{ 3, 2, 0x00000000deadbee0 }, /* not valid, not empty */
		{ 1, 3, 0x0060000000001701 }, /* a block off its boundary */
		{ 0, 9, 0x0060000000000701 }, /* a block at level 0 */
		{ 2, 0, 0x1000 },	     /* another table */
	};

	make_el1();
	CHECK_EQ(pgtable_map(&pt, 0, paddr(0), 2 * PAGE_SIZE, data, 0), MM_OK);
	CHECK_EQ(pgtable_map(&pt, MIB(4), paddr(0), PAGE_SIZE, data, 0), MM_OK);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		paddr_t table = pt.root;
		uint64_t *entry;
		const char *said;
		uint64_t errors = arena.errors;

		for (unsigned level = 0; level < rows[i].level; level++)
			table = below(table, 0);
		entry = (uint64_t *)arena_table_virt(&pt, table) + rows[i].index;
		capture_begin();
		pte_store(entry, *entry ^ rows[i].flip);
		CHECK_EQ(pgtable_validate(&pt), MM_ECORRUPT);
		pte_store(entry, *entry ^ rows[i].flip);
		said = capture_end();
		CHECK(strlen(said) > 0);
		arena.errors = errors; /* looking at a table that is not there is what the last rows do */
		CHECK_EQ(pgtable_validate(&pt), MM_OK);
	}
	sound();
	pt.dynamic_tables++;
	CHECK_EQ(pgtable_validate(&pt), MM_ECORRUPT);
	pt.dynamic_tables--;
	destroy();

	CHECK_EQ(make_pooled(8), MM_OK);
	CHECK_EQ(map_page(&pt, 0, paddr(0), data), MM_OK);
	CHECK_EQ(pgtable_validate(&pt), MM_OK);
	pool.busy[0] ^= 2;
	CHECK_EQ(pgtable_validate(&pt), MM_ECORRUPT);
	pool.busy[0] ^= 2;
	((uint64_t *)arena_table_virt(&pt, pt.root))[1] = entry_at(pt.root, 0);
	CHECK_EQ(pgtable_validate(&pt), MM_ECORRUPT);
}

/* ---- objects -------------------------------------------------------------------------------------------------------------------- */

TEST(M45, "destroy gives every table back and keeps its hands off a live object and a borrowed root")
{
	paddr_t root;
	struct pgtable_config config = {
		.format = &format_el1_stage1, .input_bits = 48, .allocator = &arena_allocator, .table_virt = arena_table_virt,
	};
	const char *said;

	make_el1();
	CHECK_EQ(pgtable_map(&pt, MIB(1), paddr(MIB(1)), GIB(3), data, 0), MM_OK);
	CHECK_EQ(map_page(&pt, ((uint64_t)1 << 48) - PAGE_SIZE, paddr(0), data), MM_OK);
	pt.live = true;
	capture_begin();
	pgtable_destroy(&pt);
	said = capture_end();
	CHECK(strlen(said) > 0);
	sound();
	destroy();

	arena_reset();
	CHECK(arena_alloc_roots(NULL, 0, &root));
	CHECK_EQ(pgtable_init(&pt, &config, &root), MM_OK);
	CHECK_EQ(map_page(&pt, 0, paddr(0), data), MM_OK);
	CHECK_EQ(pt.dynamic_tables, 3);
	CHECK_EQ(pgtable_validate(&pt), MM_OK);
	pgtable_destroy(&pt);
	CHECK_EQ(arena.in_use, 1);
	for (unsigned i = 0; i < 512; i++)
		CHECK_EQ(entry_at(root, i), 0);
}

TEST(M46, "start level and concatenation follow the input size, as TCR and VTCR can say it")
{
	static const struct {
		const struct pgtable_format *f;
		unsigned bits;
		int level, shift; /* -1: refused */
	} rows[] = {
		{ &format_el1_stage1, 48, 0, 0 }, { &format_el1_stage1, 40, 0, 0 }, { &format_el1_stage1, 39, 1, 0 },
		{ &format_el1_stage1, 36, 1, 0 }, { &format_el1_stage1, 31, 1, 0 }, { &format_el1_stage1, 30, 2, 0 },
		{ &format_el1_stage1, 25, 2, 0 }, { &format_el1_stage1, 16, 3, 0 }, { &format_el1_stage1, 15, -1, 0 },
		{ &format_el1_stage1, 49, -1, 0 }, { &format_el2_stage1, 48, 0, 0 }, { &format_stage2, 48, 0, 0 },
		{ &format_stage2, 44, 0, 0 }, { &format_stage2, 43, 1, 4 }, { &format_stage2, 42, 1, 3 },
		{ &format_stage2, 40, 1, 1 }, { &format_stage2, 39, 1, 0 }, { &format_stage2, 36, 1, 0 },
		{ &format_stage2, 35, 1, 0 }, { &format_stage2, 34, 2, 4 }, { &format_stage2, 32, 2, 2 },
		{ &format_stage2, 30, 2, 0 }, { &format_stage2, 25, 2, 0 }, { &format_stage2, 21, -1, 0 },
		{ &format_fake, 24, 0, 0 }, { &format_fake, 25, -1, 0 }, { &format_fake_concatenated, 23, 1, 2 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pgtable_config config = {
			.format = rows[i].f, .input_bits = rows[i].bits, .allocator = &arena_allocator,
			.table_virt = arena_table_virt,
		};
		uint64_t top = ((uint64_t)1 << (rows[i].bits & 63)) - PAGE_SIZE;
		paddr_t roots = paddr(0);

		arena_reset();
		CHECK_EQ(pgtable_root_shift(rows[i].f, rows[i].bits), rows[i].level < 0 ? MM_EINVAL : rows[i].shift);
		if (rows[i].level < 0) {
			CHECK_EQ(pgtable_init(&pt, &config, NULL), MM_EINVAL);
			continue;
		}
		if (rows[i].shift) {
			CHECK_EQ(pgtable_init(&pt, &config, NULL), MM_EINVAL);
			CHECK(arena_alloc_roots(NULL, (unsigned)rows[i].shift, &roots));
			CHECK_EQ(pgtable_init(&pt, &config, &(paddr_t){ roots.v + PAGE_SIZE }), MM_EALIGN);
		}
		CHECK_EQ(pgtable_init(&pt, &config, rows[i].shift ? &roots : NULL), MM_OK);
		CHECK_EQ(pt.start_level, rows[i].level);
		CHECK_EQ(pt.root_shift, rows[i].shift);
		/* First and last page, and in the last root table the last entry. */
		CHECK_EQ(map_page(&pt, top, paddr(0x5000), data), MM_OK);
		CHECK_EQ(map_page(&pt, 0, paddr(0x6000), data), MM_OK);
		maps(top, 0x5000, 3, data);
		maps(0, 0x6000, 3, data);
		CHECK_EQ(map_page(&pt, top + PAGE_SIZE, paddr(0), data), MM_ERANGE);
		CHECK_EQ(pgtable_validate(&pt), MM_OK);
		if (rows[i].shift) {
			unsigned n = table_entries(pt.format) << rows[i].shift;

			CHECK(((uint64_t *)arena_table_virt(&pt, roots))[n - 1] != pt.format->invalid);
			CHECK_EQ(pgtable_get_or_create_table(&pt, paddr(roots.v + (PAGE_SIZE << rows[i].shift)), 0, pt.start_level,
							     &roots), MM_EINVAL);
		}
		pgtable_destroy(&pt);
		CHECK_EQ(arena.in_use, rows[i].shift ? 1u << rows[i].shift : 0);
		CHECK_EQ(arena.errors, 0);
	}
}

TEST(M47, "TTBR1: input addresses from 0xffff000000000000 to the last page of all")
{
	const uint64_t base = 0xffff000000000000, last = 0xfffffffffffff000;

	make(&format_el1_stage1, 48, base);
	CHECK_EQ(map_page(&pt, last, paddr(0x7000), data), MM_OK);
	CHECK_EQ(pgtable_map(&pt, base, paddr(0), GIB(1), data, 0), MM_OK);
	maps(UINT64_MAX, 0x7fff, 3, data);
	maps(base + 5, 5, 1, data);
	CHECK_EQ(tally().last, last);
	CHECK_EQ(map_page(&pt, base - PAGE_SIZE, paddr(0), data), MM_ERANGE);
	CHECK_EQ(map_page(&pt, 0, paddr(0), data), MM_ERANGE);
	CHECK_EQ(pgtable_map(&pt, last, paddr(0), 2 * PAGE_SIZE, data, 0), MM_ERANGE);
	CHECK_EQ(pgtable_protect(&pt, last, PAGE_SIZE, rodata), MM_OK);
	maps(last, 0x7000, 3, rodata);
	CHECK_EQ(pgtable_unmap(&pt, last, PAGE_SIZE), MM_OK);
	CHECK_EQ(pgtable_unmap(&pt, base, GIB(1)), MM_OK);
	CHECK_EQ(arena.in_use, 1);
	sound();
	destroy();
}

static unsigned events_made, events_gone;

static void count_event(const struct pgtable *p, paddr_t pa, bool made)
{
	(void)p;
	(void)pa;
	events_made += made;
	events_gone += !made;
}

TEST(M48, "every new table has its verbose line, only when verbose, and only once; an owner may say it himself")
{
	static const char wanted[] = "MMU: Allocated page table at PA 0x000000007fe00000\n"
				     "MMU: Allocated page table at PA 0x000000007fe01000\n"
				     "MMU: Allocated page table at PA 0x000000007fe02000\n"
				     "MMU: Allocated page table at PA 0x000000007fe03000\n";
	bool verbose = log_is_verbose();
	const char *said;

	for (unsigned on = 0; on < 2; on++) {
		capture_begin();
		log_set_verbose(on);
		make_el1();
		CHECK_EQ(map_page(&pt, 0, paddr(0), data), MM_OK);
		CHECK_EQ(map_page(&pt, PAGE_SIZE, paddr(0), data), MM_OK);
		said = capture_end();
		CHECK(strcmp(said, on ? wanted : "") == 0);
		destroy();
	}
	capture_begin();
	make_el1();
	pt.table_event = count_event;
	events_made = events_gone = 0;
	CHECK_EQ(map_page(&pt, 0, paddr(0), data), MM_OK);
	CHECK_EQ(unmap_page(&pt, 0), MM_OK);
	said = capture_end();
	log_set_verbose(verbose);
	CHECK_EQ(events_made, 3);
	CHECK_EQ(events_gone, 3);
	destroy();
}

TEST(M58, "new tables in the linear map are cleared whatever was in them, whether few or many entries are used")
{
	struct pgtable_config config = { .format = &format_el1_stage1, .input_bits = 48, .allocator = &arena_allocator };
	static const struct {
		uint64_t va, size;
	} rows[] = {
		{ 5 * PAGE_SIZE, PAGE_SIZE }, { 0, 448 * PAGE_SIZE }, { 0, 447 * PAGE_SIZE }, { 64 * PAGE_SIZE, 448 * PAGE_SIZE },
		{ 65 * PAGE_SIZE, 447 * PAGE_SIZE }, { 0, MIB(2) }, { 511 * PAGE_SIZE, PAGE_SIZE },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tally t = { .ordered = true, .last = UINT64_MAX };

		arena_reset_linear();
		CHECK_EQ(pgtable_init(&pt, &config, NULL), MM_OK);
		CHECK_EQ(pgtable_map(&pt, rows[i].va, paddr(0), rows[i].size, data, PGTABLE_PAGES_ONLY), MM_OK);
		CHECK_EQ(pgtable_walk(&pt, 0, (uint64_t)1 << 48, tally_visit, &t), MM_OK);
		CHECK_EQ(t.leaves[3], rows[i].size / PAGE_SIZE);
		CHECK_EQ(t.tables, 3);
		sound();
		destroy();
	}
}

TEST(M52, "map_page maps one page and nothing wider")
{
	make_el1();
	CHECK_EQ(map_page(&pt, GIB(1), paddr(GIB(2)), data), MM_OK);
	maps(GIB(1), GIB(2), 3, data);
	CHECK_EQ(map_page(&pt, GIB(1), paddr(GIB(3)), data), MM_EEXIST);
	CHECK_EQ(map_page(&pt, GIB(1) + 1, paddr(GIB(3)), data), MM_EALIGN);
	maps(GIB(1), GIB(2), 3, data);
	sound();
	destroy();
}

TEST(M53, "identity_map_range rounds outwards to 4 KiB and refuses what is empty or wraps")
{
	make_el1();
	CHECK_EQ(identity_map_range(&pt, paddr(0x40000fff), 2, data), MM_OK);
	maps(0x40000000, 0x40000000, 3, data);
	maps(0x40001fff, 0x40001fff, 3, data);
	maps_nothing(0x40002000);
	maps_nothing(0x3ffff000);
	CHECK_EQ(identity_map_range(&pt, paddr(0), 0, data), MM_EINVAL);
	CHECK_EQ(identity_map_range(&pt, paddr(UINT64_MAX), 2, data), MM_ERANGE);
	CHECK_EQ(identity_map_range(&pt, paddr(0), UINT64_MAX, data), MM_ERANGE);
	CHECK_EQ(identity_map_range(&pt, paddr((uint64_t)1 << 48), 1, data), MM_ERANGE);
	CHECK_EQ(identity_map_range(&pt, paddr(((uint64_t)1 << 48) - 1), 1, data), MM_OK);
	CHECK_EQ(identity_map_range(&pt, paddr(GIB(4)), GIB(1), data), MM_OK);
	CHECK_EQ(tally().leaves[2], 512); /* never wider than 2 MiB */
	sound();
	destroy();
}

TEST(M54, "unmap_page takes one page, splits a block around it, and gives empty tables back")
{
	make_el1();
	CHECK_EQ(map_block_2mb(&pt, MIB(2), paddr(MIB(8)), data), MM_OK);
	CHECK_EQ(unmap_page(&pt, MIB(2) + 1), MM_EALIGN);
	CHECK_EQ(unmap_page(&pt, MIB(4)), MM_ENOENT);
	for (unsigned i = 0; i < 512; i++) {
		CHECK_EQ(unmap_page(&pt, MIB(2) + i * PAGE_SIZE), MM_OK);
		CHECK_EQ(pt.dynamic_tables, i < 511 ? 4 : 1);
	}
	sound();
	destroy();
}

#if __STDC_HOSTED__
/* Broken promises: a pool table that the pool does not know, and a table from nowhere. */
static void free_twice(void)
{
	pgtable_table_free(&pt, paddr(pool.pa.v + PAGE_SIZE));
}

TEST_ON(TAP_HOST, M57, "a table that its source does not know is a broken promise: panic with the address")
{
	const char *said;

	CHECK_EQ(make_pooled(4), MM_OK);
	said = expect_panic(free_twice);
	CHECK(said && strlen(said) > 0);
	pt.pool = NULL;
	said = expect_panic(free_twice);
	CHECK(said && strlen(said) > 0);
}
#endif
