/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slab caches: objects of one size, carved from slabs of 2^n pages, which are carved from regions (power-of-two blocks of frames).
 *
 *	region	| record, descriptors, free bitmap | page | page | page | ...
 *		               | one per page       |<--- slab of 2 pages --->|
 *
 * What is known about an object stands in its slab's descriptor, one bit each, and never in the object: a free object is not
 * read or written, and a free of something else than a live object is always found. From an address to its slab it takes one
 * subtraction and two loads: page index in the region, descriptor of that page, descriptor of the slab's first page.
 *
 * Locks, outermost first: slab_cache.lock -> slab_pool.lock -> those of frames.
 */
#ifndef MM_SLAB_H
#define MM_SLAB_H

#include "arch/spinlock.h"
#include "mm/error.h"
#include "mm/frames.h"

#define SLAB_MAX_ORDER 4 /* slabs of up to 64 KiB */
#define SLAB_MAX_OBJECTS 256
#define SLAB_MAX_SIZE 8192	/* of an object; so that at least eight fit the largest slab */
#define SLAB_REGION_MIN_ORDER 1 /* a page of record and one that is left */

struct slab_cache;

/*
 * Descriptor of one page of a region. `first` and `cache` are valid for each page that is not free; the rest only in the
 * descriptor of a slab's first page. Descriptors of free pages are garbage: they are written when the page is taken.
 */
struct slab {
	uint64_t live[SLAB_MAX_OBJECTS / 64]; /* 1: handed out, or beyond the last object */
	struct slab *next;		      /* in the cache's list of slabs that have a free object */
	struct slab *prev;
	struct slab_cache *cache; /* NULL: nobody's yet, or no more; also in pages that are not a slab's first */
	uint32_t first;		  /* index of the slab's first page in the region */
	uint32_t used;		  /* live objects */
};
_Static_assert(sizeof(struct slab) == 64, "one cache line a page");

/* A block of frames that slabs are carved from; stands at its beginning, followed by the descriptors and the bitmaps. */
struct slab_region {
	uint64_t magic; /* SLAB_REGION_MAGIC ^ base */
	uintptr_t base; /* virtual address of the block */
	uint32_t pages;
	uint32_t first_page;		   /* pages before it hold this record */
	uint32_t words;			   /* of the bitmap */
	uint32_t used;			   /* pages in slabs */
	uint64_t *free;			   /* 1: free page */
	uint64_t *fit[SLAB_MAX_ORDER + 1]; /* fit[n] bit w: free[w] has 2^n aligned free pages */
	struct slab_region *next;
	struct slab_region *prev;
	unsigned order;
} __attribute__((aligned(64)));

/* Where slabs get their pages: the reservation, and regions taken from frames when it is full. */
struct slab_pool {
	struct spinlock lock;
	struct frames *frames;
	struct slab_region *reservation; /* first of the list; never given back; constant after init */
	uint64_t grown_pages;		 /* in further regions */
	uint64_t used_pages;		 /* in slabs */
};

struct slab_cache {
	struct spinlock lock;
	uint32_t size;	  /* of an object, a multiple of 16 */
	uint32_t inverse; /* 2^32 / size, rounded up: offset * inverse >> 32 is the object's index */
	uint16_t objects; /* in a slab */
	uint8_t order;	  /* of a slab */
	struct slab_pool *pool;
	struct slab *partial; /* slabs with a free object; at most one of them is empty */
	uint64_t slabs;
	uint64_t live;
	uint64_t allocs;
	uint64_t frees;
	uint64_t requested; /* bytes asked for by all successful allocations */
	/* slab_validate()'s own, while it holds the lock. */
	struct {
		unsigned long state; /* what spin_lock() returned */
		uint64_t slabs, live, partial, empty;
	} counted;
};

/* Takes the reservation, 2^order frames, from f. order 1 to MAX_ORDER. Cost does not depend on its size but for one bit a page.
 * MM_EINVAL, MM_ENOMEM. */
must_check int slab_pool_init(struct slab_pool *pool, struct frames *f, unsigned order);
/* Gives it back. No cache may have a slab left (MM_EBUSY, nothing changed). */
must_check int slab_pool_destroy(struct slab_pool *pool);

/* size: a multiple of 16, 16 to SLAB_MAX_SIZE. Objects are aligned to the largest power of two that divides size, at most 4 KiB.
 * The slab is the smallest that holds eight objects and wastes at most a sixteenth. */
void slab_cache_init(struct slab_cache *c, struct slab_pool *pool, uint32_t size);

/* An object, or NULL: neither the reservation nor frames have room. requested: for the counter. */
void *slab_alloc(struct slab_cache *c, size_t requested) EXCLUDES(c->lock);

/*
 * MM_OK; MM_ENOENT: p is in no region of this pool; otherwise nothing is changed: MM_EDOUBLE (a free object, or free memory of a
 * region), MM_EINTERIOR (inside an object), MM_EFOREIGN (the pool's records, or the rest of a slab behind its last object).
 */
must_check int slab_free(struct slab_pool *pool, const void *p);

/* The size of the live object at p; 0 and *err as slab_free() would return when it is none. */
uint32_t slab_object_size(struct slab_pool *pool, const void *p, int *err);

/* Gives the cache's empty slab back, if it has one. Returns the bytes. */
uint64_t slab_cache_shrink(struct slab_cache *c) EXCLUDES(c->lock);

/*
 * Checks the regions, and every slab against its cache, which must be one of caches[0..n). Takes all their locks, so that it is
 * exact while other CPUs go on. MM_OK or MM_ECORRUPT, with findings logged.
 */
must_check int slab_validate(struct slab_pool *pool, struct slab_cache *caches, unsigned n);

/* ---- between slab.c and slab_region.c -------------------------------------------------------------------------------- */

static inline struct slab *region_slabs(const struct slab_region *r)
{
	return (struct slab *)(uintptr_t)(r + 1);
}

/* s: descriptor of a slab's first page. */
static inline struct slab_region *slab_region(const struct slab *s)
{
	return (struct slab_region *)(uintptr_t)(s - s->first) - 1;
}

static inline uintptr_t slab_base(const struct slab *s)
{
	return slab_region(s)->base + s->first * PAGE_SIZE;
}

/* 2^order pages from a region, or NULL; the descriptor has `first` set and no cache. */
struct slab *slab_pages_alloc(struct slab_pool *pool, unsigned order) EXCLUDES(pool->lock);
void slab_pages_free(struct slab_pool *pool, struct slab *s, unsigned order) EXCLUDES(pool->lock);
/* The slab that the byte at addr belongs to, and its cache (NULL while it is made or unmade). MM_OK; MM_ENOENT, MM_EFOREIGN,
 * MM_EDOUBLE as slab_free(). *settled: the answer cannot be out of date once cache->lock is held and s->cache is still cache. */
int slab_lookup(struct slab_pool *pool, uintptr_t addr, struct slab **s, struct slab_cache **cache, bool *settled)
	EXCLUDES(pool->lock);
/* The regions for themselves: records, bitmaps, summaries, counters. Number of findings. */
unsigned slab_regions_check(struct slab_pool *pool) REQUIRES(pool->lock);

#endif
