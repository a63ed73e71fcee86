/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The load under which the packing benchmark's trace is recorded (`test=record` on the command line of record.elf, which
 * alone has it): what a kernel does with this subsystem, as a suite of one test.
 *
 * Address spaces come and go. Each has a kernel stack, page tables of its own, pages that are mapped as they are touched,
 * and kernel objects; it dies as a whole. Beside them live a cache of small objects that outlive the spaces, replaced one by
 * one, and buffers of a few pages for a short while. Every CPU has its share of all this. How much is used swings between
 * a fifth and four fifths of the memory.
 */
#define SUITE "record"
#include "boot/boot.h"
#include "boot/smp.h"
#include "lib/string.h"
#include "lib/tap.h"
#include "mm/heap.h"
#include "mm/pgtable.h"

#define SPACES 32
#define PAGES 4096  /* of a space, at most */
#define OBJECTS 128 /* of a space, at most */
#define CACHED 512  /* objects of the cache */
#define BUFFERS 6
#define STEPS 24000 /* of all CPUs together */
#define SWING 1000  /* after so many of them another load is aimed at */
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

/* One CPU's part of the load. */
struct load {
	struct space *space[SPACES];
	unsigned spaces;
	void *cached[CACHED];
	struct buffer {
		pfn_t first;
		unsigned order;
	} buffer[BUFFERS];
	unsigned buffers;
	uint64_t seed, target;
	unsigned failures; /* requests that were not granted, and frees that were refused */
};

/* splitmix64; 0 .. n - 1 */
static unsigned chance(uint64_t *seed, unsigned n)
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (unsigned)((z ^ z >> 31) % n);
}

static unsigned below(struct load *l, unsigned n)
{
	return chance(&l->seed, n);
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

static void space_starts(struct load *l)
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
		l->failures++;
		return;
	}
	s->pages = s->objects = 0;
	s->page_limit = PAGES >> below(l, 6);
	s->next_va = USER_BASE;
	l->space[l->spaces++] = s;
}

/* Some pages are touched, now and then in a new mapping. */
static void space_faults(struct load *l, struct space *s)
{
	if (below(l, 8) == 0)
		s->next_va = USER_BASE + MIB(2) * below(l, 2048);
	for (unsigned n = 1 + below(l, 64); n && s->pages < s->page_limit; n--, s->next_va += PAGE_SIZE) {
		struct mapped *m = &s->page[s->pages];
		struct pgtable_entry there;

		if (pgtable_query(&s->tables, s->next_va, &there) == MM_OK)
			continue;
		*m = (struct mapped){ s->next_va, frames_alloc_page(boot.frames, TAG_USER) };
		if (!frames_is_page(m->pa) ||
		    pgtable_map(&s->tables, m->va, m->pa, PAGE_SIZE, (struct pt_attrs){ PT_WRITE, PT_NORMAL }, 0)) {
			l->failures++;
			return;
		}
		s->pages++;
	}
}

static void space_dies(struct load *l, unsigned i)
{
	struct space *s = l->space[i];

	for (unsigned p = 0; p < s->pages; p++)
		l->failures += pgtable_unmap(&s->tables, s->page[p].va, PAGE_SIZE) != MM_OK ||
			       frames_free_page(boot.frames, s->page[p].pa) != MM_OK;
	for (unsigned o = 0; o < s->objects; o++)
		l->failures += kfree(s->object[o]) != MM_OK;
	pgtable_destroy(&s->tables);
	l->failures += frames_free(boot.frames, s->stack, STACK_ORDER) != MM_OK;
	l->failures += kfree(s) != MM_OK;
	l->space[i] = l->space[--l->spaces];
}

/* ---- objects and buffers ----------------------------------------------------------------------------------------- */

static void *new_object(struct load *l, unsigned most)
{
	void *p = kmalloc(16 + below(l, most));

	l->failures += p == NULL;
	return p;
}

static void replace_cached(struct load *l)
{
	unsigned i = below(l, CACHED);

	l->failures += kfree(l->cached[i]) != MM_OK;
	l->cached[i] = new_object(l, 2048);
}

static void drop_buffer(struct load *l, unsigned i)
{
	l->failures += frames_free(boot.frames, l->buffer[i].first, l->buffer[i].order) != MM_OK;
	l->buffer[i] = l->buffer[--l->buffers];
}

static void replace_buffer(struct load *l)
{
	struct buffer *b;

	if (l->buffers == BUFFERS)
		drop_buffer(l, below(l, BUFFERS));
	b = &l->buffer[l->buffers];
	b->order = below(l, 6);
	if (frames_alloc(boot.frames, b->order, 0, TAG_USER, &b->first))
		l->failures++;
	else
		l->buffers++;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void step(struct load *l)
{
	struct space *s;

	if (l->spaces < SPACES && (l->spaces < 2 || below(l, 64) == 0))
		space_starts(l);
	if (l->failures)
		return;
	s = l->space[below(l, l->spaces)];
	space_faults(l, s);
	if (s->objects < OBJECTS && below(l, 2) == 0)
		s->object[s->objects++] = new_object(l, 4096);
	if (below(l, 2) == 0)
		replace_cached(l);
	if (below(l, 8) == 0)
		replace_buffer(l);
}

/* Down to what is aimed at. The count is the dearest thing here. */
static void make_room(struct load *l)
{
	while (l->spaces > 2 && used_pages() > l->target)
		space_dies(l, below(l, l->spaces));
}

static struct load *loads;
static uint64_t pages_before, pages_free;

/* All CPUs swing together: each draws its targets from the same numbers. */
static void run_load(void *arg)
{
	struct load *l = &loads[arch_cpu_id()];
	uint64_t common = 1;

	(void)arg;
	l->seed = 2 + arch_cpu_id();
	for (unsigned i = 0; i < STEPS / boot.cpus_online && !l->failures; i++) {
		if (i % (SWING / boot.cpus_online) == 0)
			l->target = pages_before + pages_free * (20 + chance(&common, 60)) / 100;
		step(l);
		if (i % 8 == 0)
			make_room(l);
		/* QEMU goes on with another CPU here. */
		arch_cpu_relax();
	}
	while (l->spaces)
		space_dies(l, l->spaces - 1);
	while (l->buffers)
		drop_buffer(l, l->buffers - 1);
	for (unsigned i = 0; i < CACHED; i++)
		l->failures += kfree(l->cached[i]) != MM_OK;
}

TEST_ON(TAP_TARGET, LOAD, "a load of address spaces, objects and buffers on all CPUs gives everything back")
{
	struct frames_stats stats;
	unsigned order = 0;
	pfn_t memory;

	while (PAGE_SIZE << order < boot.cpus_online * sizeof(*loads))
		order++;
	CHECK_OR_RETURN(frames_alloc(boot.frames, order, FRAMES_ZERO, TAG_TEST, &memory) == MM_OK);
	loads = phys_to_virt(pfn_to_paddr(memory));
	(void)heap_shrink();
	pages_before = used_pages();
	frames_get_stats(boot.frames, &stats);
	pages_free = stats.free_pages;
	smp_run(run_load, NULL);
	(void)heap_shrink();
	for (unsigned i = 0; i < boot.cpus_online; i++)
		CHECK_EQ(loads[i].failures, 0);
	CHECK_EQ(used_pages(), pages_before);
	CHECK_EQ(frames_free(boot.frames, memory, order), MM_OK);
	CHECK_EQ(frames_validate(boot.frames), MM_OK);
}
