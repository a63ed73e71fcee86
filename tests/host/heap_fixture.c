/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap that the suites use on the host: frames over an arena that stands for RAM at a physical address of its own. */
#include "tests/heap_fixture.h"
#include "arch/arch.h"
#include "lib/panic.h"
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES MIB(16)
#define ARENA_PA GIB(3)
#define HEAP_BYTES KIB(128)

/* One at a time. */
static struct {
	struct frames frames;
	uint64_t sections[ARENA_PA / GIB(1) + 1];
	uint8_t *arena;
	void *metadata;
	struct page *map; /* of the arena's frames */
} fixture;

struct frames *test_heap_frames(void)
{
	const pfn_t first = paddr_to_pfn(paddr(ARENA_PA));
	const uint64_t pages = ARENA_BYTES >> PAGE_SHIFT;
	uint64_t bytes = frames_bank_metadata_size(first, pages);
	uintptr_t map;

	fixture.arena = aligned_alloc(ARENA_BYTES, ARENA_BYTES);
	fixture.metadata = aligned_alloc(64, ALIGN_UP(bytes, 64));
	fixture.map = malloc(pages * sizeof(struct page));
	if (!fixture.arena || !fixture.metadata || !fixture.map)
		panic("the host has no memory for a heap of %lu bytes", (unsigned long)ARENA_BYTES);
	/* RAM is garbage when a machine starts. */
	memset(fixture.arena, 0xa5, ARENA_BYTES);
	memset(fixture.metadata, 0xa5, bytes);
	memset(fixture.map, 0xa5, pages * sizeof(struct page));
	memset(fixture.sections, 0, sizeof(fixture.sections));
	arch_linear_base = (uintptr_t)fixture.arena - ARENA_PA;
	map = (uintptr_t)fixture.map - first.n * sizeof(struct page);
	frames_init(&fixture.frames, (struct page *)map, fixture.sections, ARRAY_SIZE(fixture.sections));
	if (frames_add_bank(&fixture.frames, first, pages, 0, fixture.metadata) != MM_OK ||
	    frames_add_memory(&fixture.frames, first, pages) != MM_OK ||
	    heap_init(&fixture.frames, HEAP_BYTES) != MM_OK)
		panic("cannot set up the test heap");
	return &fixture.frames;
}

void test_heap_drop(void)
{
	struct frames_stats stats;

	CHECK_EQ(heap_destroy(), MM_OK);
	frames_get_stats(&fixture.frames, &stats);
	CHECK_EQ(stats.free_pages, stats.total_pages);
	free(fixture.arena);
	free(fixture.metadata);
	free(fixture.map);
}
