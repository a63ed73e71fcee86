/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A heap for tests. On the host a new one over an arena for each test; in the kernel the one that lives there. Either way the
 * test has to leave it as it found it, and test_heap_end() checks that.
 */
#ifndef TESTS_HEAP_FIXTURE_H
#define TESTS_HEAP_FIXTURE_H

#include "lib/log.h"
#include "lib/string.h"
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

/* ---- what tests of the heap share ----------------------------------------------------------------------------------------- */

/* What was logged while captured, the sink put aside. */
static struct {
	char text[4096];
	size_t n;
	log_sink_fn from;
} captured;

static inline void capture(const char *text, size_t n)
{
	for (size_t i = 0; i < n && captured.n < sizeof(captured.text) - 1; i++)
		captured.text[captured.n++] = text[i];
	captured.text[captured.n] = '\0';
}

static inline void capture_begin(void)
{
	captured.n = 0;
	captured.text[0] = '\0';
	captured.from = log_sink();
	log_set_sink(capture);
}

static inline void capture_end(void)
{
	log_set_sink(captured.from);
}

static inline bool captured_text(const char *want)
{
	for (const char *s = captured.text; *s != '\0'; s++) {
		if (strncmp(s, want, strlen(want)) == 0)
			return true;
	}
	return false;
}

/* Bad frees are logged; the report should not be full of them. */
static inline int quiet_kfree(void *p)
{
	int err;

	capture_begin();
	err = kfree(p);
	capture_end();
	return err;
}

/* Fills an object with a pattern that depends on its address and a key; words, so that the emulator is not kept long. */
static inline void fill(void *p, size_t size, uint64_t key)
{
	uint64_t *w = p;
	uint8_t *b = p;

	for (size_t i = 0; i < size / 8; i++)
		w[i] = key * 0x9e3779b97f4a7c15u + i;
	for (size_t i = size & ~(size_t)7; i < size; i++)
		b[i] = (uint8_t)(key + i);
}

static inline bool filled(const void *p, size_t size, uint64_t key)
{
	const uint64_t *w = p;
	const uint8_t *b = p;

	for (size_t i = 0; i < size / 8; i++) {
		if (w[i] != key * 0x9e3779b97f4a7c15u + i)
			return false;
	}
	for (size_t i = size & ~(size_t)7; i < size; i++) {
		if (b[i] != (uint8_t)(key + i))
			return false;
	}
	return true;
}

/* Objects that a test holds, in a list through their first words. */
struct held {
	struct held *next;
};

static inline void hold(struct held **list, void *p)
{
	struct held *h = p;

	if (!h)
		return;
	h->next = *list;
	*list = h;
}

static inline void *let_go(struct held **list)
{
	struct held *h = *list;

	if (h)
		*list = h->next;
	return h;
}

#endif
