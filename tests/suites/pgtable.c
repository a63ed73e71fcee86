/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mapping: indices and sizes of the seeds, the widest leaf, arguments, obstacles, tables counted and refused. Tables
 * are drawn where a drawing helps. Random sequences against a model are in pgtable_model.c.
 */
#define SUITE "pgtable"
#include "lib/tap.h"

#include "tests/suites/pgtable_world.h"

/* ---- indices: one page whose four indices all differ, found by hand at each level -------------------------------- */

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

/* ---- the seeds' numbers ------------------------------------------------------------------------------------------ */

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
		.format = &format_el1_stage1,
		.input_bits = 48,
		.pool = &pool,
		.table_virt = arena_table_virt,
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
	CHECK_EQ(pgtable_map(&pt, RAM_128M, paddr(RAM_128M), RAM_128M_END - RAM_128M, data, PGTABLE_PAGES_ONLY),
		 MM_EPT_POOL);
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
	CHECK_EQ(map_block_2mb(&pt, 0x40400000, paddr(0x80000000), (struct pt_attrs){ PT_WRITE | PT_EXEC, PT_NORMAL }),
		 MM_EPERM);
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

/* ---- map --------------------------------------------------------------------------------------------------------- */

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
		.format = &format_el2_stage1,
		.input_bits = 39,
		.pa_bits = 40,
		.allocator = &arena_allocator,
		.table_virt = arena_table_virt,
	};
	uint64_t before;

	make_el1();
	before = state();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_EQ(pgtable_map(&pt, rows[i].va, paddr(rows[i].pa), rows[i].size, rows[i].attrs, rows[i].flags),
			 rows[i].err);
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
