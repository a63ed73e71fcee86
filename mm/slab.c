/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slab caches: objects of one size. Which objects are live is one bit each in the slab's descriptor; finding a free one is
 * counting trailing zeros. A slab that becomes empty is given back unless it is the only one with room, so that a lone
 * alloc/free pair does not make and unmake a slab each time.
 */
#include "mm/slab.h"
#include "lib/bitmap.h"
#include "lib/log.h"

/* [HP2] */
void slab_cache_init(struct slab_cache *c, struct slab_pool *pool, uint32_t size)
{
	unsigned order = 0;

	for (; order < SLAB_MAX_ORDER; order++) {
		uint64_t bytes = PAGE_SIZE << order;

		if (bytes / size >= 8 && bytes % size <= bytes / 16)
			break;
	}
	*c = (struct slab_cache){
		.size = size,
		/* offset < 2^16, size <= 2^13: the rounding error stays below 2^16 * 2^13 / 2^32, less than one. */
		.inverse = (uint32_t)((((uint64_t)1 << 32) + size - 1) / size),
		.objects = (uint16_t)((PAGE_SIZE << order) / size),
		.order = (uint8_t)order,
		.pool = pool,
	};
}

static void list_push(struct slab_cache *c, struct slab *s) REQUIRES(c->lock)
{
	s->prev = NULL;
	s->next = c->partial;
	if (s->next)
		s->next->prev = s;
	c->partial = s;
}

static void list_remove(struct slab_cache *c, struct slab *s) REQUIRES(c->lock)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		c->partial = s->next;
	if (s->next)
		s->next->prev = s->prev;
}

static struct slab *slab_make(struct slab_cache *c) REQUIRES(c->lock)
{
	struct slab *s = slab_pages_alloc(c->pool, c->order);

	if (!s)
		return NULL;
	for (unsigned w = 0; w < ARRAY_SIZE(s->live); w++) {
		unsigned begin = w * 64;

		s->live[w] = c->objects <= begin ? UINT64_MAX : ~word_mask(c->objects - begin);
	}
	s->used = 0;
	__atomic_store_n(&s->cache, c, __ATOMIC_RELAXED);
	list_push(c, s);
	c->slabs++;
	return s;
}

static void slab_unmake(struct slab_cache *c, struct slab *s) REQUIRES(c->lock)
{
	list_remove(c, s);
	__atomic_store_n(&s->cache, NULL, __ATOMIC_RELAXED);
	c->slabs--;
	slab_pages_free(c->pool, s, c->order);
}

/* [HP3] */
void *slab_alloc(struct slab_cache *c, size_t requested)
{
	unsigned long state = spin_lock(&c->lock);
	struct slab *s = c->partial ? c->partial : slab_make(c);
	void *p = NULL;

	if (s) {
		unsigned w = 0, i;

		while (s->live[w] == UINT64_MAX)
			w++;
		i = word_lowest(~s->live[w]);
		s->live[w] |= (uint64_t)1 << i;
		if (++s->used == c->objects)
			list_remove(c, s);
		c->live++;
		c->allocs++;
		c->requested += requested;
		p = (void *)(slab_base(s) + (w * 64 + i) * c->size);
	}
	spin_unlock(&c->lock, state);
	return p;
}

/* The index of the live object at addr, or an error. */
static int object_index(const struct slab_cache *c, const struct slab *s, uintptr_t addr) REQUIRES(c->lock)
{
	uint64_t offset = addr - slab_base(s);
	uint64_t i = offset * c->inverse >> 32;

	if (i >= c->objects)
		return MM_EFOREIGN;
	if (i * c->size != offset)
		return MM_EINTERIOR;
	return bitmap_test(s->live, i) ? (int)i : MM_EDOUBLE;
}

/*
 * The slab of addr with its cache's lock held; or an error and no lock. In a region that may go away while nobody holds the lock,
 * the answer is asked for again with the lock: a slab, and so its region, goes only under its cache's lock. [HP21]
 */
static int lookup_locked(struct slab_pool *pool, uintptr_t addr, struct slab **s, struct slab_cache **cache,
			 unsigned long *state) NO_THREAD_SAFETY_ANALYSIS
{
	bool settled, unused;
	int err = slab_lookup(pool, addr, s, cache, &settled);

	if (err != MM_OK)
		return err;
	if (!*cache)
		return MM_EDOUBLE; /* its slab is made or unmade just now: no object of it is live */
	*state = spin_lock(&(*cache)->lock);
	if (settled) {
		err = __atomic_load_n(&(*s)->cache, __ATOMIC_RELAXED) == *cache ? MM_OK : MM_EDOUBLE;
	} else {
		struct slab *again;
		struct slab_cache *cache_again;

		err = slab_lookup(pool, addr, &again, &cache_again, &unused);
		if (err == MM_OK && (again != *s || cache_again != *cache))
			err = MM_EDOUBLE;
	}
	if (err != MM_OK)
		spin_unlock(&(*cache)->lock, *state);
	return err;
}

/* [HP4] [HP7] [HP8] [HP9] */
int slab_free(struct slab_pool *pool, const void *p) NO_THREAD_SAFETY_ANALYSIS
{
	struct slab_cache *c;
	struct slab *s;
	unsigned long state;
	int i = lookup_locked(pool, (uintptr_t)p, &s, &c, &state);

	if (i != MM_OK)
		return i;
	i = object_index(c, s, (uintptr_t)p);
	if (i >= 0) {
		bitmap_clear(s->live, (unsigned)i);
		c->live--;
		c->frees++;
		if (s->used-- == c->objects)
			list_push(c, s);
		if (s->used == 0 && (s->prev || s->next))
			slab_unmake(c, s);
	}
	spin_unlock(&c->lock, state);
	return i < 0 ? i : MM_OK;
}

/* [HP10] */
uint32_t slab_object_size(struct slab_pool *pool, const void *p, int *err) NO_THREAD_SAFETY_ANALYSIS
{
	struct slab_cache *c;
	struct slab *s;
	unsigned long state;
	uint32_t size = 0;
	int i;

	*err = lookup_locked(pool, (uintptr_t)p, &s, &c, &state);
	if (*err != MM_OK)
		return 0;
	i = object_index(c, s, (uintptr_t)p);
	if (i >= 0)
		size = c->size;
	else
		*err = i;
	spin_unlock(&c->lock, state);
	return size;
}

/* [HP15] */
uint64_t slab_cache_shrink(struct slab_cache *c)
{
	unsigned long state = spin_lock(&c->lock);
	struct slab *s = c->partial;
	uint64_t bytes = 0;

	while (s && s->used != 0)
		s = s->next;
	if (s) {
		slab_unmake(c, s);
		bytes = PAGE_SIZE << c->order;
	}
	spin_unlock(&c->lock, state);
	return bytes;
}

/* ---- checking ------------------------------------------------------------------------------------------------------- */

/* One slab against itself; adds it to what is counted for its cache. */
static unsigned slab_check(const struct slab_region *r, const struct slab *s, struct slab_cache *c)
{
	unsigned live = 0, bad = 0, beyond = SLAB_MAX_OBJECTS - c->objects;

	c->counted.slabs++;
	c->counted.live += s->used;
	c->counted.partial += s->used < c->objects;
	c->counted.empty += s->used == 0;
	for (unsigned w = 0; w < ARRAY_SIZE(s->live); w++)
		live += word_popcount(s->live[w]);
	for (unsigned i = c->objects; i < SLAB_MAX_OBJECTS; i++)
		bad += !bitmap_test(s->live, i);
	if (bad || live - beyond != s->used) {
		log_error(
			"slab: page %u of region 0x%lx: %u objects of size %u, %u counted live, %u bits missing behind the "
			"last\n",
			s->first, (unsigned long)r->base, s->used, c->size, live - beyond, bad);
		bad++;
	}
	for (uint32_t k = 1; k < 1u << c->order; k++) {
		if (s->first + k >= r->pages || bitmap_test(r->free, s->first + k) || s[k].first != s->first) {
			log_error("slab: page %u of region 0x%lx does not belong to the slab at page %u\n",
				  s->first + k, (unsigned long)r->base, s->first);
			return bad + 1;
		}
	}
	return bad;
}

/* Every page of every region that is not free must be in a slab of one of the caches. The regions have been found sound. */
static unsigned slabs_check(struct slab_pool *pool, struct slab_cache *caches, unsigned n)
{
	unsigned bad = 0;

	for (const struct slab_region *r = pool->reservation; r; r = r->next) {
		uint32_t page = r->first_page;

		while (page < r->pages) {
			const struct slab *s = region_slabs(r) + page;

			if (bitmap_test(r->free, page)) {
				page++;
			} else if (s->first == page && s->cache >= caches && s->cache < caches + n) {
				bad += slab_check(r, s, s->cache);
				page += 1u << s->cache->order;
			} else {
				log_error("slab: page %u of region 0x%lx is taken but in no slab\n", page,
					  (unsigned long)r->base);
				bad++;
				page++;
			}
		}
	}
	return bad;
}

/* A cache against what slabs_check() counted for it. */
static unsigned cache_check(const struct slab_cache *c)
{
	const struct slab *prev = NULL;
	uint64_t listed = 0;
	unsigned bad = 0;

	for (const struct slab *s = c->partial; s && listed <= c->counted.partial; prev = s, s = s->next) {
		listed++;
		if (s->prev != prev || s->cache != c || s->used >= c->objects) {
			log_error("slab: size %u: the list of slabs with room is broken\n", c->size);
			return bad + 1;
		}
	}
	if (listed != c->counted.partial || c->counted.empty > 1) {
		log_error("slab: size %u: %lu slabs with room, %lu in the list, %lu empty\n", c->size,
			  (unsigned long)c->counted.partial, (unsigned long)listed, (unsigned long)c->counted.empty);
		bad++;
	}
	if (c->counted.slabs != c->slabs || c->counted.live != c->live || c->allocs - c->frees != c->live) {
		log_error("slab: size %u: %lu slabs, %lu live, %lu allocated - %lu freed; counted %lu and %lu\n",
			  c->size, (unsigned long)c->slabs, (unsigned long)c->live, (unsigned long)c->allocs,
			  (unsigned long)c->frees, (unsigned long)c->counted.slabs, (unsigned long)c->counted.live);
		bad++;
	}
	return bad;
}

/* [HP16] */
int slab_validate(struct slab_pool *pool, struct slab_cache *caches, unsigned n) NO_THREAD_SAFETY_ANALYSIS
{
	unsigned long state;
	unsigned bad;

	for (unsigned i = 0; i < n; i++) {
		state = spin_lock(&caches[i].lock);
		caches[i].counted = (__typeof__(caches[i].counted)){ .state = state };
	}
	state = spin_lock(&pool->lock);
	bad = slab_regions_check(pool);
	if (bad == 0) {
		bad = slabs_check(pool, caches, n);
		for (unsigned i = 0; i < n; i++)
			bad += cache_check(&caches[i]);
	}
	spin_unlock(&pool->lock, state);
	for (unsigned i = n; i-- > 0;)
		spin_unlock(&caches[i].lock, caches[i].counted.state);
	return bad ? MM_ECORRUPT : MM_OK;
}
