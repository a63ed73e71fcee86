/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The caches in front of the banks: what they keep, when they go to the banks, that nothing is lost in them, and CPUs
 * that come and go. A host thread may play several CPUs one after the other; on the target there is the running one.
 */
#define SUITE "frames_cache"
#include "tests/suites/frames_world.h"

static struct world w;
static struct {
	_Alignas(64) char bytes[FRAMES_CPU_BYTES];
} memory[8];

/* 1 GiB at 1 GiB, all given: an open section once it is touched. */
static const struct span gigabyte = { FRAME(GIB(1)), FRAME(GIB(1)) };

static struct frames_stats stats(void)
{
	struct frames_stats s;

	frames_get_stats(&w.f, &s);
	return s;
}

static struct frames_cpu_stats cpu_stats(unsigned i)
{
	struct frames_cpu_stats s;

	CHECK(frames_get_cpu_stats(&w.f, i, &s));
	return s;
}

TEST(PC1, "a CPU with a cache goes to the bank once in 64 allocations, and once in 64 frees")
{
	static paddr_t pa[1024];
	uint64_t allocs, held;

	WORLD_OR_RETURN(&w, &gigabyte, 1);
	world_add(&w, gigabyte.start, gigabyte.pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory[0]), MM_OK);
	CHECK_EQ(cpu_stats(0).page_limit, 128);
	for (unsigned i = 0; i < 1024; i++) {
		pa[i] = frames_alloc_page(&w.f, TAG_TEST);
		CHECK(frames_is_page(pa[i]));
	}
	CHECK_EQ(cpu_stats(0).refills, 16);
	CHECK_EQ(stats().free_pages, gigabyte.pages - 1024);
	for (unsigned i = 0; i < 1024; i++)
		CHECK_EQ(frames_free_page(&w.f, pa[i]), MM_OK);
	CHECK(cpu_stats(0).drains <= 15);
	CHECK_EQ(stats().free_pages, gigabyte.pages);
	CHECK_EQ(stats().cached_pages, cpu_stats(0).pages);
	/* In between nothing moves. */
	allocs = stats().allocs;
	for (unsigned i = 0; i < 1000; i++)
		CHECK_EQ(frames_free_page(&w.f, frames_alloc_page(&w.f, TAG_TEST)), MM_OK);
	CHECK_EQ(stats().allocs, allocs);
	held = cpu_stats(0).pages;
	CHECK_EQ(frames_drain(&w.f), held);
	CHECK_EQ(stats().cached_pages, 0);
	world_check(&w);
}

TEST(PC3, "a frame in a cache is free to everybody: to questions, to a second free, to a request for it")
{
	struct frame_info info;
	paddr_t a, b;

	WORLD_OR_RETURN(&w, &gigabyte, 1);
	world_add(&w, gigabyte.start, gigabyte.pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory[0]), MM_OK);
	a = frames_alloc_page(&w.f, TAG_HEAP);
	b = frames_alloc_page(&w.f, TAG_TEST);
	CHECK_EQ(a.v, GIB(1));
	CHECK_EQ(b.v, GIB(1) + PAGE_SIZE);
	CHECK_EQ(frames_free_page(&w.f, a), MM_OK);
	frames_query(&w.f, paddr_to_pfn(a), &info);
	CHECK_EQ(info.role, FRAME_FREE);
	CHECK_EQ(info.ref, 0);
	CHECK_EQ(info.tag, TAG_HEAP);
	CHECK(info.cached);
	CHECK(frames_page(&w.f, paddr_to_pfn(a)) == NULL);
	world_log_begin();
	CHECK_EQ(frames_free_page(&w.f, a), MM_EDOUBLE);
	CHECK_EQ(world_log_end(), 1);
	CHECK(contains(world_line, "heap"));
	/* The whole section but for b can be had: the cache is drained for it. */
	CHECK_EQ(frames_take(&w.f, paddr_to_pfn(a), 0, TAG_TEST), MM_OK);
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(GIB(1)) + FRAME(MIB(512))), 17, TAG_TEST), MM_OK);
	CHECK_EQ(frames_take(&w.f, paddr_to_pfn(b), 0, TAG_TEST), MM_EBUSY);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	CHECK_EQ(frames_free(&w.f, pfn(FRAME(GIB(1)) + FRAME(MIB(512))), 17), MM_OK);
	CHECK_EQ(frames_free_page(&w.f, a), MM_OK);
	CHECK_EQ(frames_free_page(&w.f, b), MM_OK);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	world_check(&w);
}

TEST(PC6, "memory that only caches hold is not out of memory")
{
	const struct span small = { FRAME(MIB(512)), FRAME(MIB(16)) };
	uint64_t got = 0;
	pfn_t f;

	WORLD_OR_RETURN(&w, &small, 1);
	world_add(&w, small.start, small.pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory[0]), MM_OK);
	CHECK_EQ(cpu_stats(0).page_limit, small.pages / 64);
	while (frames_is_page(frames_alloc_page(&w.f, TAG_TEST)))
		got++;
	CHECK_EQ(got, small.pages);
	CHECK_EQ(stats().failures, 1);
	for (uint64_t n = 0; n < small.pages; n++)
		CHECK_EQ(frames_free_page(&w.f, pfn_to_paddr(pfn(small.start + n))), MM_OK);
	CHECK(stats().cached_pages);
	CHECK_EQ(frames_alloc(&w.f, 12, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(frames_free(&w.f, f, 12), MM_OK);
	world_check(&w);
}

TEST(PC9, "a CPU's cache: once, in aligned memory that is nobody else's; going away gives everything back")
{
	paddr_t pa;

	WORLD_OR_RETURN(&w, &gigabyte, 1);
	world_add(&w, gigabyte.start, gigabyte.pages);
	CHECK_EQ(frames_cpu_offline(&w.f), MM_ENOENT);
	CHECK_EQ(frames_cpu_online(&w.f, 3, 0, NULL), MM_EINVAL);
	CHECK_EQ(frames_cpu_online(&w.f, 3, 0, memory[0].bytes + 8), MM_EALIGN);
	CHECK_EQ(frames_cpu_online(&w.f, 3, 0, &memory[0]), MM_OK);
	CHECK_EQ(frames_cpu_online(&w.f, 3, 0, &memory[1]), MM_EEXIST);
	CHECK_EQ(cpu_stats(0).cpu, 3);
	pa = frames_alloc_page(&w.f, TAG_TEST);
	CHECK_EQ(stats().cached_pages, 63);
	CHECK_EQ(frames_cpu_offline(&w.f), MM_OK);
	CHECK_EQ(stats().cached_pages, 0);
	CHECK_EQ(stats().cpus, 0);
	/* Without a cache everything works. */
	CHECK_EQ(frames_free_page(&w.f, pa), MM_OK);
	CHECK_EQ(stats().cached_pages, 0);
	world_check(&w);
	CHECK_EQ(frames_cpu_dead(&w.f, 3), MM_ENOENT);
	CHECK_EQ(frames_cpu_online(&w.f, 4, 0, &memory[0]), MM_OK);
	pa = frames_alloc_page(&w.f, TAG_TEST);
	CHECK_EQ(frames_cpu_dead(&w.f, 4), MM_OK);
	CHECK_EQ(frames_free_page(&w.f, pa), MM_OK);
	world_check(&w);
}

TEST(PC7, "blocks of 2 MiB are cached where there is 1 GiB, and all caches together hold no more than 1/64")
{
	paddr_t a, b;

	WORLD_OR_RETURN(&w, &gigabyte, 1);
	world_add(&w, gigabyte.start, gigabyte.pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory[0]), MM_OK);
	CHECK_EQ(cpu_stats(0).block_limit, 7);
	CHECK(stats().cache_limit_pages <= gigabyte.pages / 64);
	a = frames_alloc_2m(&w.f, TAG_TEST);
	b = frames_alloc_2m(&w.f, TAG_TEST);
	CHECK_EQ(a.v, GIB(1));
	CHECK_EQ(b.v, GIB(1) + MIB(2));
	CHECK_EQ(cpu_stats(0).blocks, 2);
	CHECK_EQ(frames_free_2m(&w.f, a), MM_OK);
	CHECK_EQ(cpu_stats(0).blocks, 3);
	CHECK_EQ(stats().free_pages, gigabyte.pages - 512);
	CHECK_EQ(frames_free(&w.f, paddr_to_pfn(b), 9), MM_OK);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	world_check(&w);
}
