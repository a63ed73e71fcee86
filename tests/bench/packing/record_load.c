/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The load under which the packing benchmark's trace is recorded (`test=record` on the command line of record.elf, which
 * alone has it): what a kernel does with this subsystem, as a suite of one test.
 *
 * Address spaces come and go. Each has a kernel stack, page tables of its own, pages that are mapped as they are touched,
 * and kernel objects; it dies as a whole. Beside them live a cache of small objects that outlive the spaces, replaced one by
 * one, and buffers of a few pages for a short while. How much is used swings between a fifth and four fifths of the memory.
 */
#define SUITE "record"
#include "boot/boot.h"
#include "lib/string.h"
#include "lib/tap.h"
#include "mm/heap.h"
#include "mm/pgtable.h"

#define SPACES 96
#define PAGES 2048  /* of a space, at most */
#define OBJECTS 128 /* of a space, at most */
#define CACHED 3072 /* objects of the cache */
#define BUFFERS 24
#define STEPS 29000
#define STACK_ORDER 2
#define USER_BASE MIB(4)

struct space {
	struct pgtable tables;
	pfn_t stack;
	unsigned pages, page_limit, objects;
	uint64_t next_va;
	void *object[OBJECTS];
	struct mapped {
		uint64_t va;
		paddr_t pa;
	} page[PAGES];
};

static struct space *space[SPACES];
static unsigned spaces;
static void *cached[CACHED];
static struct buffer {
	pfn_t first;
	unsigned order;
} buffer[BUFFERS];
static unsigned buffers;
static uint64_t seed;
static unsigned failures; /* requests that were not granted, and frees that were refused */

/* splitmix64; 0 .. n - 1 */
static unsigned below(unsigned n)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (unsigned)((z ^ z >> 31) % n);
}

static uint64_t used_pages(void)
{
	struct frames_stats stats;

	frames_get_stats(boot.frames, &stats);
	return stats.total_pages - stats.free_pages;
}

/* A boot says each table it takes; thousands of lines would only slow the recording. */
static void no_line(const struct pgtable *pt, paddr_t pa, bool made)
{
	(void)pt;
	(void)pa;
	(void)made;
}

/* ---- address spaces ---------------------------------------------------------------------------------------------- */

static void space_starts(void)
{
	struct space *s = kmalloc(sizeof(*s));
	const struct pgtable_config config = {
		.format = &format_el1_stage1,
		.input_bits = 48,
		.allocator = &mm_frame_allocator,
		.table_event = no_line,
	};

	if (!s || pgtable_init(&s->tables, &config, NULL) ||
	    frames_alloc(boot.frames, STACK_ORDER, 0, TAG_STACK, &s->stack)) {
		failures++;
		return;
	}
	s->pages = s->objects = 0;
	s->page_limit = PAGES >> below(6);
	s->next_va = USER_BASE;
	space[spaces++] = s;
}

/* Some pages are touched, now and then in a new mapping. */
static void space_faults(struct space *s)
{
	if (below(8) == 0)
		s->next_va = USER_BASE + MIB(2) * below(2048);
	for (unsigned n = 1 + below(16); n && s->pages < s->page_limit; n--, s->next_va += PAGE_SIZE) {
		struct mapped *m = &s->page[s->pages];
		struct pgtable_entry there;

		if (pgtable_query(&s->tables, s->next_va, &there) == MM_OK)
			continue;
		*m = (struct mapped){ s->next_va, frames_alloc_page(boot.frames, TAG_USER) };
		if (!frames_is_page(m->pa) ||
		    pgtable_map(&s->tables, m->va, m->pa, PAGE_SIZE, (struct pt_attrs){ PT_WRITE, PT_NORMAL }, 0)) {
			failures++;
			return;
		}
		s->pages++;
	}
}

static void space_dies(unsigned i)
{
	struct space *s = space[i];

	for (unsigned p = 0; p < s->pages; p++)
		failures += pgtable_unmap(&s->tables, s->page[p].va, PAGE_SIZE) != MM_OK ||
			    frames_free_page(boot.frames, s->page[p].pa) != MM_OK;
	for (unsigned o = 0; o < s->objects; o++)
		failures += kfree(s->object[o]) != MM_OK;
	pgtable_destroy(&s->tables);
	failures += frames_free(boot.frames, s->stack, STACK_ORDER) != MM_OK;
	failures += kfree(s) != MM_OK;
	space[i] = space[--spaces];
}

/* ---- objects and buffers ----------------------------------------------------------------------------------------- */

static void *new_object(unsigned most)
{
	void *p = kmalloc(16 + below(most));

	failures += p == NULL;
	return p;
}

static void replace_cached(void)
{
	unsigned i = below(CACHED);

	failures += kfree(cached[i]) != MM_OK;
	cached[i] = new_object(2048);
}

static void drop_buffer(unsigned i)
{
	failures += frames_free(boot.frames, buffer[i].first, buffer[i].order) != MM_OK;
	buffer[i] = buffer[--buffers];
}

static void replace_buffer(void)
{
	if (buffers == BUFFERS)
		drop_buffer(below(BUFFERS));
	buffer[buffers].order = below(6);
	if (frames_alloc(boot.frames, buffer[buffers].order, 0, TAG_USER, &buffer[buffers].first))
		failures++;
	else
		buffers++;
}

static void step(uint64_t target)
{
	struct space *s;

	if (spaces < SPACES && (spaces < 4 || below(64) == 0))
		space_starts();
	s = space[below(spaces)];
	space_faults(s);
	if (s->objects < OBJECTS && below(2) == 0)
		s->object[s->objects++] = new_object(4096);
	if (below(2) == 0)
		replace_cached();
	if (below(8) == 0)
		replace_buffer();
	while (spaces > 4 && used_pages() > target)
		space_dies(below(spaces));
}

TEST_ON(TAP_TARGET, LOAD, "a load of address spaces, objects and buffers gives everything back")
{
	struct frames_stats stats;
	uint64_t before, target = 0;

	(void)heap_shrink();
	frames_get_stats(boot.frames, &stats);
	before = used_pages();
	seed = 1;
	for (unsigned i = 0; i < STEPS && !failures; i++) {
		if (i % 1000 == 0)
			target = before + (stats.free_pages * (20 + below(60))) / 100;
		step(target);
	}
	while (spaces)
		space_dies(spaces - 1);
	while (buffers)
		drop_buffer(buffers - 1);
	for (unsigned i = 0; i < CACHED; i++) {
		failures += kfree(cached[i]) != MM_OK;
		cached[i] = NULL;
	}
	(void)heap_shrink();
	CHECK_EQ(failures, 0);
	CHECK_EQ(used_pages(), before);
	CHECK_EQ(frames_validate(boot.frames), MM_OK);
}
