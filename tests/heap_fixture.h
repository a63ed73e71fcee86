/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A heap for tests. On the host a new one over an arena for each test; in the kernel the one that lives there. Either way the
 * test has to leave it as it found it, and test_heap_end() checks that.
 */
#ifndef TESTS_HEAP_FIXTURE_H
#define TESTS_HEAP_FIXTURE_H

#include "lib/tap.h"
#include "mm/heap.h"

#if __STDC_HOSTED__
/* Frames over an arena of 16 MiB, and a heap of 128 KiB on them. */
struct frames *test_heap_frames(void);
void test_heap_drop(void);
#else
#include "boot/boot.h"
static inline struct frames *test_heap_frames(void)
{
	return boot.frames;
}
static inline void test_heap_drop(void)
{
}
#endif

struct test_heap {
	struct frames *frames;
	struct heap_stats heap;
	uint64_t free_pages;
};

static inline struct test_heap test_heap_begin(void)
{
	struct test_heap t = { .frames = test_heap_frames() };
	struct frames_stats stats;

	heap_shrink();
	frames_get_stats(t.frames, &stats);
	heap_get_stats(&t.heap);
	t.free_pages = stats.free_pages;
	return t;
}

/* Nothing leaked, nothing damaged. */
static inline void test_heap_end(const struct test_heap *t)
{
	struct frames_stats stats;
	struct heap_stats heap;

	heap_shrink();
	frames_get_stats(t->frames, &stats);
	heap_get_stats(&heap);
	CHECK_EQ(stats.free_pages, t->free_pages);
	CHECK_EQ(heap.live_objects, t->heap.live_objects);
	CHECK_EQ(heap.live_bytes, t->heap.live_bytes);
	CHECK_EQ(heap.large_objects, t->heap.large_objects);
	CHECK_EQ(heap.grown_bytes, t->heap.grown_bytes);
	CHECK_EQ(heap.reserved_used_bytes, t->heap.reserved_used_bytes);
	CHECK_EQ(heap.allocs - heap.frees, t->heap.allocs - t->heap.frees);
	CHECK_EQ(heap_validate(), MM_OK);
	CHECK_EQ(frames_validate(t->frames), MM_OK);
	test_heap_drop();
}

#endif
