/* SPDX-License-Identifier: BSD-2-Clause */
/* Slab caches and the regions under them, on small pools of their own that a test can fill, damage and fight over. */
#define SUITE "slab"
#include "tests/heap_fixture.h"
#include "arch/arch.h"
#include "mm/slab.h"
#if __STDC_HOSTED__
#include "arch/host/host.h"
#include <pthread.h>
#endif

TEST(HP2, "slabs hold eight objects or more and waste at most a sixteenth, and the index of every object is exact")
{
	struct test_heap t = test_heap_begin();
	struct slab_pool pool;
	struct slab_cache c;

	CHECK_OR_RETURN(slab_pool_init(&pool, t.frames, 6) == MM_OK);
	for (uint32_t size = 16; size <= SLAB_MAX_SIZE; size += 16) {
		uint64_t bytes;

		slab_cache_init(&c, &pool, size);
		bytes = PAGE_SIZE << c.order;
		CHECK(c.order <= SLAB_MAX_ORDER && c.objects >= 8 && c.objects <= SLAB_MAX_OBJECTS);
		CHECK(c.objects * (uint64_t)size <= bytes && (c.objects + (uint64_t)1) * size > bytes);
		CHECK(bytes % size <= bytes / 16 || c.order == SLAB_MAX_ORDER);
		for (uint64_t offset = 0; offset < bytes; offset++) {
			if (offset * c.inverse >> 32 != offset / size) {
				CHECK_EQ(offset * c.inverse >> 32, offset / size);
				break;
			}
		}
	}
	CHECK_EQ(slab_pool_destroy(&pool), MM_OK);
	test_heap_end(&t);
}

/* ---- the reservation and beyond ---------------------------------------------------------------------------------------- */

TEST(HP12, "[INIT] heap_init: a second heap is refused; a pool of every order comes up on garbage and goes back")
{
	struct test_heap t = test_heap_begin();
	struct slab_pool pool;

	CHECK_EQ(heap_init(t.frames, MIB(1)), MM_EEXIST);
	CHECK_EQ(slab_pool_init(&pool, t.frames, 0), MM_EINVAL);
	CHECK_EQ(slab_pool_init(&pool, t.frames, MAX_ORDER + 1), MM_EINVAL);
	for (unsigned order = SLAB_REGION_MIN_ORDER; order <= 11; order++) {
		struct slab_cache c;
		uint64_t frames_free_now, end;
		struct frames_stats s;
		pfn_t block;
		void *p;

		/* Garbage that looks right: what another life of the machine left there. */
		CHECK_OR_RETURN(frames_alloc(t.frames, order, 0, TAG_TEST, &block) == MM_OK);
		memset(phys_to_virt(pfn_to_paddr(block)), 0xff, PAGE_SIZE << order);
		CHECK_EQ(frames_free(t.frames, block, order), MM_OK);

		CHECK_OR_RETURN(slab_pool_init(&pool, t.frames, order) == MM_OK);
		frames_get_stats(t.frames, &s);
		frames_free_now = s.free_pages;
		CHECK_EQ(t.free_pages - frames_free_now, (uint64_t)1 << order);
		slab_cache_init(&c, &pool, 16);
		CHECK_EQ(slab_validate(&pool, &c, 1), MM_OK);
		/* Memory of the region that was never in a slab. */
		end = pfn_to_paddr(block).v + (PAGE_SIZE << order);
		CHECK_EQ(slab_free(&pool, phys_to_virt(paddr(end - 16))), MM_EDOUBLE);
		p = slab_alloc(&c, 1);
		CHECK(p != NULL);
		CHECK_EQ(slab_pool_destroy(&pool), MM_EBUSY);
		CHECK_EQ(slab_validate(&pool, &c, 1), MM_OK);
		CHECK_EQ(slab_free(&pool, p), MM_OK);
		CHECK_EQ(slab_cache_shrink(&c), PAGE_SIZE);
		CHECK_EQ(slab_pool_destroy(&pool), MM_OK);
	}
	test_heap_end(&t);
}

/* A pool that is small enough to be filled in either world. */
struct small_pool {
	struct slab_pool pool;
	struct slab_cache c[4];
};

static const uint32_t small_sizes[4] = { 16, 1280, 4096, 8192 }; /* slabs of 1, 2, 8 and 16 pages */

static bool small_pool_make(struct small_pool *s, struct frames *f, unsigned order)
{
	if (slab_pool_init(&s->pool, f, order) != MM_OK)
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(s->c); i++)
		slab_cache_init(&s->c[i], &s->pool, small_sizes[i]);
	return true;
}

TEST(HP13, "every page of a reservation can be in a slab, of any order, and no page is in two")
{
	struct test_heap t = test_heap_begin();
	struct small_pool s;
	uint64_t pages;

	CHECK_OR_RETURN(small_pool_make(&s, t.frames, 8)); /* 256 pages, of which 5 hold the record */
	for (unsigned i = 0; i < ARRAY_SIZE(s.c); i++) {
		struct held *list = NULL;
		uint64_t n = 0, key;

		/* Until the pool grows: everything that fits has been found. */
		while (s.pool.grown_pages == 0) {
			void *p = slab_alloc(&s.c[i], 1);

			CHECK_OR_RETURN(p != NULL);
			CHECK_EQ(slab_free(&s.pool, (uint8_t *)p + 1), MM_EINTERIOR);
			fill(p, s.c[i].size, n++);
			hold(&list, p);
		}
		pages = s.pool.used_pages - ((uint64_t)1 << s.c[i].order);
		CHECK_EQ(pages,
			 ALIGN_DOWN(256 - ALIGN_UP(5, (uint64_t)1 << s.c[i].order), (uint64_t)1 << s.c[i].order));
		CHECK_EQ(slab_validate(&s.pool, s.c, ARRAY_SIZE(s.c)), MM_OK);
		for (key = n; list;) {
			void *p = let_go(&list);

			key--;
			/* The first word was the list's. */
			CHECK(((uint64_t *)p)[1] == key * 0x9e3779b97f4a7c15u + 1);
			CHECK_EQ(slab_free(&s.pool, p), MM_OK);
		}
		CHECK_EQ(slab_validate(&s.pool, s.c, ARRAY_SIZE(s.c)), MM_OK);
		slab_cache_shrink(&s.c[i]);
		CHECK_EQ(s.pool.used_pages, 0);
		CHECK_EQ(s.pool.grown_pages, 0);
	}
	CHECK_EQ(slab_pool_destroy(&s.pool), MM_OK);
	test_heap_end(&t);
}

TEST(HP14, "growth: beyond the reservation slabs come from frames, are found by address, and the regions go back")
{
	struct test_heap t = test_heap_begin();
	struct small_pool s;
	struct frames_stats f;
	struct held *list = NULL;
	struct slab_region *forged;
	uint8_t *last = NULL;
	unsigned n = 0;
	pfn_t block;

	CHECK_OR_RETURN(small_pool_make(&s, t.frames, 1)); /* one page of record, one for a slab */
	while (s.pool.grown_pages < 1024) {
		last = slab_alloc(&s.c[n % 4], 1);
		CHECK_OR_RETURN(last != NULL);
		fill(last, small_sizes[n % 4], n);
		hold(&list, last);
		n++;
	}
	CHECK_EQ(slab_validate(&s.pool, s.c, ARRAY_SIZE(s.c)), MM_OK);
	frames_get_stats(t.frames, &f);
	CHECK_EQ(t.free_pages - f.free_pages, 2 + s.pool.grown_pages);

	/* Somebody else's block that looks like a region to the last bit: frames says whose it is. */
	CHECK_OR_RETURN(frames_alloc(t.frames, 1, 0, TAG_TEST, &block) == MM_OK);
	forged = phys_to_virt(pfn_to_paddr(block));
	memcpy(forged, s.pool.reservation, PAGE_SIZE);
	forged->magic ^= (uintptr_t)forged ^ forged->base;
	forged->base = (uintptr_t)forged;
	CHECK_EQ(slab_free(&s.pool, (uint8_t *)forged + PAGE_SIZE), MM_ENOENT);
	CHECK_EQ(frames_free(t.frames, block, 1), MM_OK);
	/* And one with the tag that only regions should have, but without a record. */
	CHECK_OR_RETURN(frames_alloc(t.frames, 1, FRAMES_ZERO, TAG_SLAB, &block) == MM_OK);
	CHECK_EQ(slab_free(&s.pool, (uint8_t *)phys_to_virt(pfn_to_paddr(block)) + PAGE_SIZE), MM_ENOENT);
	CHECK_EQ(frames_free(t.frames, block, 1), MM_OK);

	/* Mistakes in a region that was added. */
	CHECK_EQ(slab_free(&s.pool, last + 1), MM_EINTERIOR);
	CHECK_EQ(slab_free(&s.pool, &t), MM_ENOENT);
	CHECK_EQ(slab_free(&s.pool, (void *)-16), MM_ENOENT);
	let_go(&list);
	CHECK_EQ(slab_free(&s.pool, last), MM_OK);
	CHECK(slab_free(&s.pool, last) == MM_EDOUBLE);
	CHECK_EQ(slab_validate(&s.pool, s.c, ARRAY_SIZE(s.c)), MM_OK);

	while (list) {
		void *p = let_go(&list);

		CHECK_EQ(slab_free(&s.pool, p), MM_OK);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(s.c); i++)
		slab_cache_shrink(&s.c[i]);
	CHECK_EQ(s.pool.grown_pages, 0);
	CHECK_EQ(s.pool.used_pages, 0);
	CHECK_EQ(slab_free(&s.pool, last), MM_ENOENT); /* its region is gone: frames answers for it */
	CHECK_EQ(quiet_kfree(last), MM_EDOUBLE);
	CHECK_EQ(slab_pool_destroy(&s.pool), MM_OK);
	test_heap_end(&t);
}

TEST(HP15, "an empty slab is kept only where it is the one with room; shrinking gives it back")
{
	struct test_heap t = test_heap_begin();
	struct small_pool s;
	void *a, *b[9];

	CHECK_OR_RETURN(small_pool_make(&s, t.frames, 8));
	a = slab_alloc(&s.c[3], 1);
	CHECK_EQ(s.c[3].slabs, 1);
	CHECK_EQ(slab_free(&s.pool, a), MM_OK);
	CHECK_EQ(s.c[3].slabs, 1); /* a lone pair does not make and unmake a slab each time */
	for (unsigned i = 0; i < ARRAY_SIZE(b); i++)
		b[i] = slab_alloc(&s.c[3], 1); /* eight fill the first slab */
	CHECK_EQ(s.c[3].slabs, 2);
	CHECK_EQ(slab_free(&s.pool, b[0]), MM_OK);
	CHECK_EQ(slab_free(&s.pool, b[8]), MM_OK); /* its slab is empty, and the other has room */
	CHECK_EQ(s.c[3].slabs, 1);
	CHECK_EQ(slab_cache_shrink(&s.c[3]), 0);
	for (unsigned i = 1; i < 8; i++)
		CHECK_EQ(slab_free(&s.pool, b[i]), MM_OK);
	CHECK_EQ(s.c[3].slabs, 1);
	CHECK_EQ(slab_validate(&s.pool, s.c, ARRAY_SIZE(s.c)), MM_OK);
	CHECK_EQ(slab_cache_shrink(&s.c[3]), 65536);
	CHECK_EQ(slab_cache_shrink(&s.c[3]), 0);
	CHECK_EQ(s.pool.used_pages, 0);
	CHECK_EQ(slab_pool_destroy(&s.pool), MM_OK);
	test_heap_end(&t);
}

/* ---- validate -------------------------------------------------------------------------------------------------------- */

static bool damage_found(struct small_pool *s, const char *text)
{
	int err;

	capture_begin();
	err = slab_validate(&s->pool, s->c, ARRAY_SIZE(s->c));
	capture_end();
	return err == MM_ECORRUPT && captured_text(text);
}

/* Damages one field, sees it found with these words, repairs it, sees that nothing is found. */
#define DAMAGE(field, value, text)                                             \
	do {                                                                   \
		__typeof__(field) saved_ = (field);                            \
		(field) = (value);                                             \
		CHECK(damage_found(&s, text));                                 \
		(field) = saved_;                                              \
		CHECK_EQ(slab_validate(&s.pool, s.c, ARRAY_SIZE(s.c)), MM_OK); \
	} while (0)

TEST(HP16, "validate finds damage in object states, counters, lists, bitmaps, summaries and records")
{
	struct test_heap t = test_heap_begin();
	struct small_pool s;
	struct slab_region *r;
	struct slab *d;
	void *a, *b;

	CHECK_OR_RETURN(small_pool_make(&s, t.frames, 8));
	a = slab_alloc(&s.c[0], 1);
	b = slab_alloc(&s.c[2], 1);
	CHECK_OR_RETURN(a && b);
	r = s.pool.reservation;
	d = s.c[2].partial;

	DAMAGE(d->live[0], 0x3, "counted live"); /* an object that nobody was given */
	DAMAGE(d->live[0], d->live[0] & ~(uint64_t)1, "counted live");
	DAMAGE(d->live[3], 0, "bits missing behind the last");
	DAMAGE(d->used, 0, "counted live");
	DAMAGE(d->cache, &s.c[1], "size 4096");
	DAMAGE(d->cache, NULL, "taken but in no slab");
	DAMAGE(d->first, d->first + 1, "taken but in no slab");
	DAMAGE(d[1].first, d->first + 1, "does not belong to the slab");
	DAMAGE(d->next, d, "list of slabs with room is broken");
	DAMAGE(d->prev, d, "list of slabs with room is broken");
	DAMAGE(s.c[2].partial, NULL, "slabs with room");
	DAMAGE(s.c[2].live, 2, "counted");
	DAMAGE(s.c[2].slabs, 2, "counted");
	DAMAGE(s.c[2].allocs, 7, "counted");
	DAMAGE(r->free[d->first / 64], r->free[d->first / 64] | (uint64_t)1 << (d->first % 64), "are not 256");
	DAMAGE(r->free[3], 0, "are not 256");
	DAMAGE(r->free[0], r->free[0] | 1, "of its record is marked free");
	DAMAGE(r->fit[0][0], 0, "summary of order 0");
	DAMAGE(r->fit[SLAB_MAX_ORDER][0], 0, "summary of order 4");
	DAMAGE(r->used, r->used + 1, "are not 256");
	DAMAGE(r->magic, 0, "its record is damaged");
	DAMAGE(r->order, 7, "its record is damaged");
	DAMAGE(s.pool.used_pages, 0, "pages in slabs");
	DAMAGE(s.pool.grown_pages, 1, "pages in slabs");

	CHECK_EQ(slab_free(&s.pool, a), MM_OK);
	CHECK_EQ(slab_free(&s.pool, b), MM_OK);
	slab_cache_shrink(&s.c[0]);
	slab_cache_shrink(&s.c[2]);
	CHECK_EQ(slab_pool_destroy(&s.pool), MM_OK);
	test_heap_end(&t);
}

/* ---- several CPUs ------------------------------------------------------------------------------------------------------ */

#if __STDC_HOSTED__

/* One page, in turn in slabs of two sizes, and a thread that frees what it likes at the beginning of it. */
static struct {
	struct slab_pool pool;
	struct slab_cache c[2];
	uintptr_t page;
	unsigned stop;
	uint64_t stolen; /* objects that the thief freed */
} turns;

static void *thief(void *arg)
{
	uint64_t seed = 99;

	(void)arg;
	host_set_cpu_id(1);
	while (!__atomic_load_n(&turns.stop, __ATOMIC_ACQUIRE)) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		if (slab_free(&turns.pool, (void *)(turns.page + ((seed >> 56) & 0xf0))) == MM_OK)
			__atomic_add_fetch(&turns.stolen, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

TEST_ON(TAP_HOST, HP21,
	"several CPUs at once: a late free changes nothing in a slab that another class made of the page")
{
	struct test_heap t = test_heap_begin();
	static void *p[256];
	uint64_t lost = 0;
	pthread_t thread;

	memset(&turns, 0, sizeof(turns));
	CHECK_OR_RETURN(slab_pool_init(&turns.pool, t.frames, 1) == MM_OK);
	slab_cache_init(&turns.c[0], &turns.pool, 16);
	slab_cache_init(&turns.c[1], &turns.pool, 48);
	turns.page = turns.pool.reservation->base + PAGE_SIZE;
	CHECK_EQ(pthread_create(&thread, NULL, thief, NULL), 0);
	/* Until the two have really met, or a machine with one processor has had its time. */
	for (unsigned round = 0; round < 200000 && __atomic_load_n(&turns.stolen, __ATOMIC_RELAXED) < 5000; round++) {
		struct slab_cache *c = &turns.c[round % 2];
		unsigned n = round % 7 + 1;

		for (unsigned i = 0; i < n; i++)
			p[i] = slab_alloc(c, 1);
		for (unsigned i = 0; i < n; i++)
			lost += slab_free(&turns.pool, p[i]) != MM_OK;
		slab_cache_shrink(c);
	}
	__atomic_store_n(&turns.stop, 1, __ATOMIC_RELEASE);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(turns.c[0].live + turns.c[1].live, 0);
	CHECK_EQ(turns.stolen, lost); /* each object was freed once, by one or the other */
	tap_note("%lu of %lu objects stolen", (unsigned long)lost,
		 (unsigned long)(turns.c[0].allocs + turns.c[1].allocs));
	CHECK_EQ(slab_validate(&turns.pool, turns.c, 2), MM_OK);
	slab_cache_shrink(&turns.c[0]);
	slab_cache_shrink(&turns.c[1]);
	CHECK_EQ(slab_pool_destroy(&turns.pool), MM_OK);
	test_heap_end(&t);
}

#endif
