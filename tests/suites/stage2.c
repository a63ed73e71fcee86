/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage-2 identity mapper by its descriptors and register values, read by hand from the tables. (What the
 * processor makes of them is asked in stage2_hw.c.)
 */
#define SUITE "stage2"
#include "lib/tap.h"

#include "mm/stage2.h"
#include "tests/suites/capture.h"
#include "tests/suites/table_arena.h"

static struct stage2 s2;

/* A mapper of 40-bit IPAs: level 1, two concatenated roots. Tables through phys_to_virt(), as in a kernel. */
static void make(unsigned bits)
{
	arena_reset_linear();
	CHECK_EQ(stage2_init(&s2, bits, 5, &arena_allocator, arena_alloc_roots, NULL), MM_OK);
}

static void destroy(void)
{
	s2.pt.live = false;
	stage2_destroy(&s2, arena_free_roots, NULL);
	CHECK_EQ(arena.in_use, 0);
	CHECK_EQ(arena.errors, 0);
}

static uint64_t entry(uint64_t table, unsigned index)
{
	return ((const uint64_t *)phys_to_virt(paddr(table)))[index];
}

/* The descriptor that a walk from level `level` of 40-bit IPAs ends at (level 1, roots side by side). */
static uint64_t leaf_at(uint64_t ipa, unsigned *level)
{
	uint64_t d = entry(s2.roots.v, (unsigned)(ipa >> 30));

	*level = 1;
	for (unsigned shift = 21; (d & 3) == 3 && *level < 3; shift -= 9) {
		d = entry(d & 0x0000fffffffff000, (unsigned)(ipa >> shift) & 511);
		++*level;
	}
	return d;
}

static void leaf_is(uint64_t ipa, unsigned level, uint64_t desc)
{
	unsigned at;

	CHECK_EQ(leaf_at(ipa, &at), desc);
	CHECK_EQ(at, level);
}

TEST(ST2, "an empty stage 2 has as many roots as SL0 wants, side by side, aligned and cleared; odd sizes are refused")
{
	static const struct {
		unsigned bits, order, start_level;
	} rows[] = { { 32, 2, 2 }, { 36, 0, 1 }, { 40, 1, 1 }, { 42, 3, 1 }, { 44, 0, 0 }, { 48, 0, 0 } };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		make(rows[i].bits);
		CHECK_EQ(s2.root_order, rows[i].order);
		CHECK_EQ(s2.pt.start_level, rows[i].start_level);
		CHECK_EQ(s2.roots.v & ((PAGE_SIZE << rows[i].order) - 1), 0);
		for (unsigned n = 0; n < 512u << rows[i].order; n++)
			CHECK_EQ(entry(s2.roots.v, n), 0);
		CHECK_EQ(arena.in_use, 1u << rows[i].order);
		destroy();
	}
	arena_reset_linear();
	for (unsigned bits = 0; bits < 70; bits++) {
		if (bits != 32 && bits != 36 && bits != 40 && bits != 42 && bits != 44 && bits != 48)
			CHECK_EQ(stage2_init(&s2, bits, 1, &arena_allocator, arena_alloc_roots, NULL), MM_EINVAL);
	}
	CHECK_EQ(stage2_init(&s2, 40, 1, NULL, arena_alloc_roots, NULL), MM_EINVAL);
	CHECK_EQ(stage2_init(&s2, 40, 1, &arena_allocator, NULL, NULL), MM_EINVAL);
	CHECK_EQ(arena.in_use, 0);
}

static bool misaligned_roots(void *ctx, unsigned order, paddr_t *out)
{
	(void)ctx;
	*out = paddr(0x40001000);
	return order > 0;
}

TEST(ST3, "roots that cannot be had, or are not aligned to their size, are an error")
{
	arena_reset_linear();
	arena_fail_at(0);
	CHECK_EQ(stage2_init(&s2, 40, 1, &arena_allocator, arena_alloc_roots, NULL), MM_EPT_ALLOC);
	CHECK_EQ(stage2_init(&s2, 40, 1, &arena_allocator, misaligned_roots, NULL), MM_EALIGN);
	CHECK_EQ(arena.in_use, 0);
}

TEST(ST4, "regions are mapped one to one with the widest leaves and the right bits, in any of the roots")
{
	make(40);
	CHECK_EQ(stage2_map_region(&s2, ipaddr(0x40000000), GIB(1), STAGE2_NORMAL), MM_OK);
	CHECK_EQ(stage2_map_region(&s2, ipaddr(0x80000000), MIB(2), STAGE2_NORMAL_XN), MM_OK);
	CHECK_EQ(stage2_map_region(&s2, ipaddr(0x09000000), PAGE_SIZE, STAGE2_DEVICE), MM_OK);
	CHECK_EQ(stage2_map_region(&s2, ipaddr(0x0a000000), MIB(2), STAGE2_DEVICE), MM_OK);
	CHECK_EQ(stage2_map_region(&s2, ipaddr(0x90000000), MIB(2) + PAGE_SIZE, STAGE2_READONLY), MM_OK);
	CHECK_EQ(stage2_map_region(&s2, ipaddr(0xfffffff000), PAGE_SIZE, STAGE2_NORMAL), MM_OK);
	leaf_is(0x40000000, 1, 0x00000000400007fd);
	leaf_is(0x7fffffff, 1, 0x00000000400007fd);
	leaf_is(0x80000000, 2, 0x00400000800007fd);
	leaf_is(0x09000000, 3, 0x00400000090004c3);
	leaf_is(0x0a000000, 2, 0x004000000a0004c1);
	leaf_is(0x90000000, 2, 0x004000009000077d);
	leaf_is(0x90200000, 3, 0x004000009020077f);
	leaf_is(0xfffffff000, 3, 0x000000fffffff7ff);
	CHECK(entry(s2.roots.v, 1023) != 0); /* the second root's last entry */
	leaf_is(0x80200000, 2, 0);
	CHECK_EQ(pgtable_validate(&s2.pt), MM_OK);
	/* The seed stopped at four tables of level 2. */
	for (unsigned i = 0; i < 32; i++)
		CHECK_EQ(stage2_map_region(&s2, ipaddr(GIB(16 + i)), MIB(2), STAGE2_NORMAL), MM_OK);
	CHECK_EQ(pgtable_validate(&s2.pt), MM_OK);
	destroy();
}

TEST(ST5,
     "unaligned, empty, wrapping and out-of-range regions, and mapping over a mapping, are refused and change nothing")
{
	static const struct {
		uint64_t ipa, size;
		int err;
	} rows[] = {
		{ 0x1234, PAGE_SIZE, MM_EALIGN },
		{ 0x1000, 0x1001, MM_EALIGN },
		{ 0x1000, 0, MM_EINVAL },
		{ UINT64_MAX - PAGE_MASK, 2 * PAGE_SIZE, MM_ERANGE },
		{ PAGE_SIZE, UINT64_MAX - PAGE_MASK, MM_ERANGE },
		{ (uint64_t)1 << 40, PAGE_SIZE, MM_ERANGE },
		{ ((uint64_t)1 << 40) - PAGE_SIZE, 2 * PAGE_SIZE, MM_ERANGE },
		{ 0x40000000, PAGE_SIZE, MM_EEXIST },
		{ 0, GIB(2), MM_EEXIST },
		{ 0x7ffff000, 2 * PAGE_SIZE, MM_EEXIST },
	};
	uint64_t before;

	make(40);
	CHECK_EQ(stage2_map_region(&s2, ipaddr(0x40000000), GIB(1), STAGE2_NORMAL), MM_OK);
	before = arena_hash();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_EQ(stage2_map_region(&s2, ipaddr(rows[i].ipa), rows[i].size, STAGE2_NORMAL), rows[i].err);
	CHECK_EQ(stage2_map_region(&s2, ipaddr(0), PAGE_SIZE, (enum stage2_attr)7), MM_EINVAL);
	arena_fail_at(1);
	CHECK_EQ(stage2_map_region(&s2, ipaddr(0), PAGE_SIZE, STAGE2_NORMAL), MM_EPT_ALLOC);
	CHECK_EQ(arena_hash(), before);
	CHECK_EQ(pgtable_validate(&s2.pt), MM_OK);
	destroy();
}

TEST(ST6, "unmapping splits what sticks out and gives tables back; what is not mapped is refused")
{
	make(40);
	CHECK_EQ(stage2_map_region(&s2, ipaddr(0x40000000), GIB(1), STAGE2_NORMAL), MM_OK);
	CHECK_EQ(stage2_unmap_region(&s2, ipaddr(0x40200000), PAGE_SIZE), MM_OK);
	leaf_is(0x40000000, 2, 0x00000000400007fd);
	leaf_is(0x40200000, 3, 0);
	leaf_is(0x40201000, 3, 0x00000000402017ff);
	CHECK_EQ(arena.in_use, 4);
	CHECK_EQ(stage2_unmap_region(&s2, ipaddr(0x40000000), GIB(1)), MM_ENOENT);
	CHECK_EQ(stage2_unmap_region(&s2, ipaddr(0x40201000), GIB(1) - 0x201000), MM_OK);
	CHECK_EQ(stage2_unmap_region(&s2, ipaddr(0x40000000), MIB(2)), MM_OK);
	CHECK_EQ(arena.in_use, 2);
	CHECK_EQ(stage2_unmap_region(&s2, ipaddr(0x40000000), PAGE_SIZE), MM_ENOENT);
	destroy();
}

TEST(ST7, "VTTBR and VTCR: bit 31, PS, granule, shareability, cacheability, SL0, T0SZ, VMID and root")
{
	static const struct {
		unsigned bits;
		uint64_t vtcr;
	} rows[] = {
		/*	RES1        PS<<16    SH0 ORGN IRGN   SL0      T0SZ */
		{ 32, 0x80000000 | 0 << 16 | 0x3500 | 0x00 | 32 }, { 36, 0x80000000 | 1 << 16 | 0x3500 | 0x40 | 28 },
		{ 40, 0x80000000 | 2 << 16 | 0x3500 | 0x40 | 24 }, { 42, 0x80000000 | 3 << 16 | 0x3500 | 0x40 | 22 },
		{ 44, 0x80000000 | 4 << 16 | 0x3500 | 0x80 | 20 }, { 48, 0x80000000 | 5 << 16 | 0x3500 | 0x80 | 16 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		make(rows[i].bits);
		CHECK_EQ(stage2_vtcr(&s2), rows[i].vtcr);
		CHECK_EQ(stage2_vttbr(&s2), (uint64_t)5 << 48 | s2.roots.v);
		destroy();
	}
	arena_reset_linear();
	CHECK_EQ(stage2_init(&s2, 40, 0xabcd, &arena_allocator, arena_alloc_roots, NULL), MM_OK);
	CHECK_EQ(stage2_vttbr(&s2) >> 48, 0xabcd);
	CHECK_EQ(stage2_vtcr(&s2), rows[2].vtcr | 1 << 19);
	CHECK_EQ(s2.pt.tlb.regime, REGIME_STAGE2);
	CHECK_EQ(s2.pt.tlb.id, 0xabcd);
	destroy();
}

TEST(ST8, "destroy gives back every table and the roots, but not of a live object")
{
	const char *said;

	make(42);
	CHECK_EQ(stage2_map_region(&s2, ipaddr(PAGE_SIZE), GIB(1), STAGE2_NORMAL), MM_OK);
	s2.pt.live = true;
	capture_begin();
	stage2_destroy(&s2, arena_free_roots, NULL);
	said = capture_end();
	CHECK(has_text(said, "VMID 5"));
	CHECK(arena.in_use > 8);
	destroy();
}
