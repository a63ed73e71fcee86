/* SPDX-License-Identifier: BSD-2-Clause */
/* The allocators under comparison (tests/bench/packing/subjects.h). */
#include "tests/bench/packing/subjects.h"
#include "arch/host/host.h"
#include "mm/frames.h"
#include "tests/bench/packing/lifo_buddy.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "packing: %s\n", what);
	exit(2);
}

/* Address space that costs nothing until it is touched, zero. */
static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		give_up("no address space");
	return p;
}

/* ---- the shipped allocator --------------------------------------------------------------------------------------- */

struct granule {
	struct frames frames;
	struct page *map; /* of frames 0 .. end - 1 */
	uint64_t *sections;
	void *bank;
	char *caches; /* not from the memory that is measured; NULL: none */
	uint64_t map_bytes, sections_bytes, bank_bytes;
};

static bool granule_give(void *state, uint64_t start, uint64_t pages)
{
	struct granule *g = state;

	return frames_add_memory(&g->frames, pfn(start), pages) == MM_OK;
}

static bool granule_alloc(void *state, unsigned cpu, unsigned order, uint64_t *n)
{
	struct granule *g = state;
	pfn_t first;

	host_set_cpu_id(cpu);
	if (frames_alloc(&g->frames, order, 0, TAG_TEST, &first) != MM_OK)
		return false;
	*n = first.n;
	return true;
}

static bool granule_free(void *state, unsigned cpu, uint64_t n, unsigned order)
{
	struct granule *g = state;

	host_set_cpu_id(cpu);
	return frames_free(&g->frames, pfn(n), order) == MM_OK;
}

static void granule_drain(void *state)
{
	struct granule *g = state;

	(void)frames_drain(&g->frames);
}

static uint64_t granule_count(void *state, uint64_t blocks[MAX_ORDER + 1])
{
	struct granule *g = state;
	struct frames_cpu_stats cpu;
	struct frames_stats stats;
	uint64_t cached_2m = 0;

	frames_get_stats(&g->frames, &stats);
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		blocks[order] = stats.free_blocks[order];
	for (unsigned i = 0; frames_get_cpu_stats(&g->frames, i, &cpu); i++)
		cached_2m += cpu.blocks;
	return cached_2m;
}

static bool granule_validate(void *state)
{
	struct granule *g = state;

	return frames_validate(&g->frames) == MM_OK;
}

static void granule_end(void *state)
{
	struct granule *g = state;

	munmap(g->map, g->map_bytes);
	munmap(g->sections, g->sections_bytes);
	munmap(g->bank, g->bank_bytes);
	free(g->caches);
	free(g);
}

static void bring_cpus_online(struct granule *g)
{
	g->caches = aligned_alloc(FRAMES_CPU_BYTES, SUBJECT_CPUS * FRAMES_CPU_BYTES);
	if (!g->caches)
		give_up("no memory");
	for (unsigned cpu = 0; cpu < SUBJECT_CPUS; cpu++) {
		host_set_cpu_id(cpu);
		if (frames_cpu_online(&g->frames, cpu, 0, g->caches + cpu * FRAMES_CPU_BYTES) != MM_OK)
			give_up("the allocator refuses a CPU");
	}
}

struct subject subject_granule(uint64_t start, uint64_t pages, bool caches)
{
	struct granule *g = calloc(1, sizeof(*g));
	uint64_t n_sections = (start + pages + SECTION_PAGES - 1) >> MAX_ORDER;

	if (!g)
		give_up("no memory");
	g->map_bytes = (start + pages) * sizeof(struct page);
	g->sections_bytes = frames_section_table_size(n_sections);
	g->bank_bytes = frames_bank_metadata_size(pfn(start), pages);
	g->map = reserve(g->map_bytes);
	g->sections = reserve(g->sections_bytes);
	g->bank = reserve(g->bank_bytes);
	frames_init(&g->frames, g->map, g->sections, n_sections);
	if (frames_add_bank(&g->frames, pfn(start), pages, 0, g->bank) != MM_OK)
		give_up("the allocator refuses the bank");
	if (caches)
		bring_cpus_online(g);
	return (struct subject){
		.state = g,
		.max_order = MAX_ORDER,
		.give = granule_give,
		.alloc = granule_alloc,
		.free = granule_free,
		.drain = granule_drain,
		.count = granule_count,
		.validate = granule_validate,
		.end = granule_end,
	};
}

/* ---- the textbook ------------------------------------------------------------------------------------------------ */

struct lifo {
	struct lifo_buddy buddy;
	uint64_t bytes;
};

static bool lifo_give_memory(void *state, uint64_t start, uint64_t pages)
{
	struct lifo *l = state;

	return lifo_add_memory(&l->buddy, start, pages) == MM_OK;
}

static bool lifo_alloc_block(void *state, unsigned cpu, unsigned order, uint64_t *n)
{
	struct lifo *l = state;

	(void)cpu;
	return lifo_alloc(&l->buddy, order, n) == MM_OK;
}

static bool lifo_free_block(void *state, unsigned cpu, uint64_t n, unsigned order)
{
	struct lifo *l = state;

	(void)cpu;
	return lifo_free(&l->buddy, n, order) == MM_OK;
}

static void lifo_drain(void *state)
{
	(void)state;
}

static uint64_t lifo_count(void *state, uint64_t blocks[MAX_ORDER + 1])
{
	struct lifo *l = state;

	for (unsigned order = 0; order <= MAX_ORDER; order++)
		blocks[order] = lifo_count_blocks(&l->buddy, order);
	return 0;
}

static bool lifo_is_valid(void *state)
{
	struct lifo *l = state;

	return lifo_validate(&l->buddy) == MM_OK;
}

static void lifo_end(void *state)
{
	struct lifo *l = state;

	munmap(l->buddy.frames, l->bytes);
	free(l);
}

struct subject subject_lifo(uint64_t start, uint64_t pages, unsigned max_order)
{
	struct lifo *l = calloc(1, sizeof(*l));

	if (!l)
		give_up("no memory");
	l->bytes = pages * sizeof(struct lifo_frame);
	if (lifo_init(&l->buddy, reserve(l->bytes), start, pages, max_order) != MM_OK)
		give_up("the reference refuses the range");
	return (struct subject){
		.state = l,
		.max_order = max_order,
		.give = lifo_give_memory,
		.alloc = lifo_alloc_block,
		.free = lifo_free_block,
		.drain = lifo_drain,
		.count = lifo_count,
		.validate = lifo_is_valid,
		.end = lifo_end,
	};
}
