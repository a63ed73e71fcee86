/* SPDX-License-Identifier: BSD-2-Clause */
/* What the page allocator tells of its banks and CPUs, one by one. */
#define SUITE "frames_stats"
#include "tests/suites/frames_world.h"

#if __STDC_HOSTED__
#include "arch/host/host.h"
#endif

static struct world w;

/* Above and below 4 GiB, whole and in part. */
static const struct span banks[] = {
	{ FRAME(GIB(1)), SECTION_PAGES },
	{ FRAME(GIB(2)) + 100, 500 },
	{ FRAME(GIB(5)), 2 * SECTION_PAGES },
};

TEST(DG4, "each bank has its figures, in the order in which banks are asked; together they are those of the whole")
{
	struct frames_bank_stats b[3], none;
	struct frames_stats all;
	uint64_t blocks;
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 3);
	CHECK(frames_get_bank_stats(&w.f, 0, &b[0]));
	CHECK_EQ(b[0].total_pages, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(banks); i++)
		world_add(&w, banks[i].start, banks[i].pages);
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(2)) + 128), 5, TAG_TEST), MM_OK);
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(2)) + 256), 0, TAG_TEST), MM_OK);
	CHECK_EQ(frames_free(&w.f, pfn(FRAME(GIB(2)) + 256), 0), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, MAX_ORDER, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(frames_set_reserve(&w.f, 300), MM_OK);
	for (unsigned i = 0; i < 3; i++)
		CHECK_OR_RETURN(frames_get_bank_stats(&w.f, i, &b[i]));
	CHECK_EQ(b[0].start.n, FRAME(GIB(5)));
	CHECK_EQ(b[0].pages, 2 * SECTION_PAGES);
	CHECK_EQ(b[0].node, 2);
	CHECK_EQ(b[0].used_pages, SECTION_PAGES);
	CHECK_EQ(b[0].free_blocks[MAX_ORDER], 1);
	CHECK_EQ(b[1].start.n, FRAME(GIB(1)));
	CHECK_EQ(b[1].node, 0);
	CHECK_EQ(b[1].used_pages, 0);
	CHECK_EQ(b[1].peak_used_pages, 0);
	CHECK_EQ(b[1].free_blocks[MAX_ORDER], 1);
	CHECK_EQ(b[2].start.n, FRAME(GIB(2)) + 100);
	CHECK_EQ(b[2].pages, 500);
	CHECK_EQ(b[2].node, 1);
	CHECK_EQ(b[2].total_pages, 500);
	CHECK_EQ(b[2].used_pages, 32);
	CHECK_EQ(b[2].peak_used_pages, 33);
	CHECK_EQ(b[2].allocs, 2);
	CHECK_EQ(b[2].frees, 1);
	frames_get_stats(&w.f, &all);
	CHECK_EQ(all.banks, 3);
	CHECK_EQ(b[0].total_pages + b[1].total_pages + b[2].total_pages, all.total_pages);
	CHECK_EQ(b[0].used_pages + b[1].used_pages + b[2].used_pages, all.total_pages - all.free_pages);
	CHECK_EQ(b[0].peak_used_pages + b[1].peak_used_pages + b[2].peak_used_pages, all.peak_used_pages);
	CHECK_EQ(b[0].reserve_pages + b[1].reserve_pages + b[2].reserve_pages, all.reserve_pages);
	CHECK_EQ(b[0].allocs + b[1].allocs + b[2].allocs, all.allocs);
	CHECK_EQ(b[0].frees + b[1].frees + b[2].frees, all.frees);
	for (unsigned i = 0; i < 3; i++) {
		blocks = 0;
		for (unsigned order = 0; order <= MAX_ORDER; order++)
			blocks += b[i].free_blocks[order] << order;
		CHECK_EQ(blocks, b[i].total_pages - b[i].used_pages);
	}
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		CHECK_EQ(b[0].free_blocks[order] + b[1].free_blocks[order] + b[2].free_blocks[order],
			 all.free_blocks[order]);
	memset(&none, 0xff, sizeof(none));
	CHECK(!frames_get_bank_stats(&w.f, 3, &none));
	CHECK_EQ(none.total_pages + none.pages + none.free_blocks[0], 0);
	CHECK(!frames_get_bank_stats(&w.f, UINT32_MAX, &none));
}

TEST(DG4, "a block that was given back last is free in its bank's figures, too, of any order")
{
	struct frames_bank_stats b;
	pfn_t f;

	WORLD_OR_RETURN(&w, &banks[2], 1);
	world_add(&w, banks[2].start, banks[2].pages);
	for (int order = MAX_ORDER; order >= 0; order--) {
		uint64_t blocks = 0;

		CHECK_EQ(frames_alloc(&w.f, (unsigned)order, 0, TAG_TEST, &f), MM_OK);
		/* Nothing is asked in between. */
		CHECK_EQ(frames_free(&w.f, f, (unsigned)order), MM_OK);
		CHECK(frames_get_bank_stats(&w.f, 0, &b));
		CHECK_EQ(b.used_pages, 0);
		for (unsigned k = 0; k <= MAX_ORDER; k++)
			blocks += b.free_blocks[k] << k;
		CHECK_EQ(blocks, b.total_pages);
	}
}

#if __STDC_HOSTED__
TEST_ON(TAP_HOST, DG11, "CPUs are told in the order of their numbers, however they came and went")
{
	static const unsigned numbers[] = { 7, 0, 300, 5, 6 };
	static struct {
		_Alignas(64) char bytes[FRAMES_CPU_BYTES];
	} memory[ARRAY_SIZE(numbers)];
	struct frames_cpu_stats c, same;
	unsigned from = 0;

	WORLD_OR_RETURN(&w, &banks[0], 1);
	world_add(&w, banks[0].start, banks[0].pages);
	CHECK(!frames_next_cpu_stats(&w.f, 0, &c));
	CHECK_EQ(c.cpu + c.pages + c.page_limit, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		host_set_cpu_id(1 + i);
		CHECK_EQ(frames_cpu_online(&w.f, numbers[i], i, &memory[i]), MM_OK);
		/* Each holds another number of frames. */
		for (unsigned k = 0; k <= i; k++)
			CHECK(frames_is_page(frames_alloc_page(&w.f, TAG_TEST)));
	}
	/* 5 goes; its memory serves 1. */
	CHECK_EQ(frames_cpu_dead(&w.f, 5), MM_OK);
	CHECK(frames_next_cpu_stats(&w.f, 1, &c));
	CHECK_EQ(c.cpu, 6);
	host_set_cpu_id(4);
	CHECK_EQ(frames_cpu_start(&w.f, 1, 9), MM_OK);
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		static const unsigned want[] = { 0, 1, 6, 7, 300 }, node[] = { 1, 9, 4, 0, 2 };
		bool found = false;

		CHECK_OR_RETURN(frames_next_cpu_stats(&w.f, from, &c));
		CHECK_EQ(c.cpu, want[i]);
		CHECK_EQ(c.node, node[i]);
		/* What the list by position says of it. */
		for (unsigned k = 0; frames_get_cpu_stats(&w.f, k, &same); k++)
			if (same.cpu == c.cpu) {
				found = true;
				CHECK_EQ(same.pages, c.pages);
				CHECK_EQ(same.page_limit, c.page_limit);
				CHECK_EQ(same.block_limit, c.block_limit);
				CHECK_EQ(same.refills, c.refills);
				CHECK_EQ(same.drains, c.drains);
				CHECK_EQ(same.remote_drains, c.remote_drains);
			}
		CHECK(found);
		from = c.cpu + 1;
	}
	CHECK(!frames_next_cpu_stats(&w.f, 301, &c));
	CHECK(frames_next_cpu_stats(&w.f, 300, &c));
	host_set_cpu_id(0);
}
#endif
