/* SPDX-License-Identifier: BSD-2-Clause */
/* Unmapping, splitting and protecting, and the policy behind them. What the TLB sees of it is in pgtable_model.c. */
#define SUITE "pgtable_change"
#include "lib/tap.h"

#include "tests/suites/pgtable_world.h"

/* ---- unmap ------------------------------------------------------------------------------------------------------- */

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

/* ---- protect ----------------------------------------------------------------------------------------------------- */

TEST(M43, "protect changes attributes and nothing else; blocks inside stay blocks, those that stick out are split")
{
	struct tally t;
	uint64_t tables;

	make_el1();
	CHECK_EQ(pgtable_map(&pt, MIB(2) - 3 * PAGE_SIZE, paddr(GIB(1) - 3 * PAGE_SIZE), MIB(4) + 6 * PAGE_SIZE, data,
			     0),
		 MM_OK);
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
static enum pt_change expected(const struct pgtable_format *f, unsigned level, struct pt_attrs a, struct pt_attrs b,
			       bool same_pa)
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
					uint64_t same = leaf_of(f, y, level, GIB(1), &b),
						 other = leaf_of(f, y, level, GIB(2), &b);

					if ((b.access & PT_EXEC) && b.memory >= PT_DEVICE_nGnRnE &&
					    f->decode_attrs(same, level).access != b.access)
						continue;
					wrong += pgtable_change(f, level, old, same) != expected(f, level, a, b, true);
					wrong += pgtable_change(f, level, old, other) !=
						 expected(f, level, a, b, false);
					if (expected(f, level, b, b, true) == PT_CHANGE_REFUSE)
						continue;
					wrong += pgtable_change(f, level, f->invalid, same) != PT_CHANGE_IN_PLACE;
					wrong += pgtable_change(f, level, old ^ f->valid_bit, same) !=
						 PT_CHANGE_IN_PLACE;
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
	/*
	 * A block at level 0; the contiguous hint (bit 52) in old or new; a block address off its boundary; a level-3
	 * block.
	 */
	CHECK_EQ(pgtable_change(&format_el1_stage1, 0, 0, 0x0060000000000701), PT_CHANGE_REFUSE);
	CHECK_EQ(pgtable_change(&format_el1_stage1, 3, 0x0070000040000703, 0x0060000040000783), PT_CHANGE_REFUSE);
	CHECK_EQ(pgtable_change(&format_el1_stage1, 3, 0x0060000040000703, 0x0070000040000703), PT_CHANGE_REFUSE);
	CHECK_EQ(pgtable_change(&format_el1_stage1, 2, 0, 0x0060000040001701), PT_CHANGE_REFUSE);
	CHECK_EQ(pgtable_change(&format_el1_stage1, 3, 0, 0x0060000040000701), PT_CHANGE_REFUSE);
	CHECK_EQ(pgtable_change(&format_el1_stage1, 3, 0x0070000040000703, 0), PT_CHANGE_IN_PLACE);
}
