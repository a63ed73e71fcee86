/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rows of page tables: a 48-bit EL1 address space that a CPU may be walking (live: changes come with barriers and TLB
 * maintenance), tables allocated, zeroed and freed in the price.
 */
#include "tests/bench/rows/bench.h"

#define GIB ((uint64_t)1 << 30)
#define VA (64 * GIB)
#define ENTRIES (GIB / GR_PAGE_SIZE)
#define PA_ODD (GIB + GR_PAGE_SIZE) /* never a multiple of 2 MiB where the virtual address is one: pages only */

static uint64_t space[64];
static struct gr_pgtable *const pt = (struct gr_pgtable *)(void *)space;

static int map(uint64_t va, uint64_t pa, uint64_t size)
{
	return gr_pgtable_map(pt, va, pa, size, GR_PT_WRITE, GR_NORMAL);
}

static bool open_space(void)
{
	if (gr_pgtable_size() > sizeof(space) || gr_pgtable_init(pt, GR_EL1_STAGE1, 48, 0, 1) != GR_OK) {
		bench_fail("no page tables");
		return false;
	}
	gr_pgtable_set_live(pt, true);
	return true;
}

static void close_space(void)
{
	gr_pgtable_set_live(pt, false);
	gr_pgtable_destroy(pt);
}

static void map4k(void)
{
	int bad = 0;
	uint64_t cost = LEAST((void)0, bad |= map(VA, PA_ODD, GIB), bad |= gr_pgtable_unmap(pt, VA, GIB));

	bench_row("pt.map4k", (int64_t)cost, ENTRIES, bad);
}

static void unmap4k(void)
{
	int bad = 0;
	uint64_t cost = LEAST(bad |= map(VA, PA_ODD, GIB), bad |= gr_pgtable_unmap(pt, VA, GIB), (void)0);

	bench_row("pt.unmap4k", (int64_t)cost, ENTRIES, bad);
}

static void protect4k(void)
{
	int bad = 0;
	uint64_t cost = LEAST(bad |= map(VA, PA_ODD, GIB), bad |= gr_pgtable_protect(pt, VA, GIB, 0, GR_NORMAL),
			      bad |= gr_pgtable_unmap(pt, VA, GIB));

	bench_row("pt.protect4k", (int64_t)cost, ENTRIES, bad);
}

static void blocks(void)
{
	int bad = 0;
	uint64_t cost = LEAST((void)0, bad |= map(VA, GIB, 8 * GIB), bad |= gr_pgtable_unmap(pt, VA, 8 * GIB));

	bench_row("pt.map8g_blocks", (int64_t)cost, 1, bad);
}

void bench_map4k(void)
{
	if (!open_space())
		return;
	map4k();
	close_space();
}

void bench_pgtable(void)
{
	if (!open_space())
		return;
	map4k();
	unmap4k();
	protect4k();
	blocks();
	close_space();
}
