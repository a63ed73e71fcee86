/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regions: where slabs get their pages. A region is one block of frames that begins with its own record: descriptors, a bitmap of
 * free pages, and for each slab order a summary of the bitmap words that have room. Nothing in the record is read before it is
 * written, so that taking a region costs one bit a page and not one descriptor a page.
 *
 * A region that was added when the reservation was full is found again by asking frames for the head of the block that an address
 * lies in: blocks with TAG_SLAB are regions and nothing else.
 */
#include "mm/slab.h"
#include "arch/arch.h"
#include "lib/bitmap.h"
#include "lib/log.h"
#include "lib/panic.h"

#define SLAB_REGION_MAGIC 0x6772616e736c6162u
#define GROW_ORDER 9 /* 2 MiB, or what fragmentation leaves */

static void fit_update(struct slab_region *r, uint64_t w)
{
	for (unsigned n = 0; n <= SLAB_MAX_ORDER; n++) {
		if (word_runs(r->free[w], n))
			bitmap_set(r->fit[n], w);
		else
			bitmap_clear(r->fit[n], w);
	}
}

/* Writes the record at the beginning of a block of garbage. */
static struct slab_region *region_init(void *block, unsigned order)
{
	struct slab_region *r = block;
	uint32_t pages = (uint32_t)1 << order;
	uint32_t words = BITMAP_WORDS(pages);
	uint32_t fit_words = BITMAP_WORDS(words);
	uint64_t *next;

	*r = (struct slab_region){ .base = (uintptr_t)block, .pages = pages, .words = words, .order = order };
	next = (uint64_t *)(region_slabs(r) + pages);
	r->free = next;
	next += words;
	for (unsigned n = 0; n <= SLAB_MAX_ORDER; n++) {
		r->fit[n] = next;
		for (uint32_t i = 0; i < fit_words; i++)
			next[i] = 0;
		next += fit_words;
	}
	r->first_page = (uint32_t)(ALIGN_UP((uintptr_t)next - r->base, PAGE_SIZE) >> PAGE_SHIFT);
	for (uint32_t w = 0; w < words; w++) {
		uint32_t begin = w * 64;
		uint64_t bits = word_mask(pages - begin < 64 ? pages - begin : 64);

		if (begin < r->first_page)
			bits &= ~word_mask(r->first_page - begin < 64 ? r->first_page - begin : 64);
		r->free[w] = bits;
		fit_update(r, w);
	}
	r->magic = SLAB_REGION_MAGIC ^ r->base;
	return r;
}

/* [HP12] */
int slab_pool_init(struct slab_pool *pool, struct frames *f, unsigned order)
{
	pfn_t block;
	int err;

	if (order < SLAB_REGION_MIN_ORDER || order > MAX_ORDER)
		return MM_EINVAL;
	err = frames_alloc(f, order, 0, TAG_SLAB, &block);
	if (err != MM_OK)
		return err;
	*pool = (struct slab_pool){ .frames = f };
	pool->reservation = region_init(phys_to_virt(pfn_to_paddr(block)), order);
	return MM_OK;
}

static void region_release(struct slab_pool *pool, struct slab_region *r)
{
	pfn_t block = paddr_to_pfn(virt_to_phys((void *)r->base));
	unsigned order = r->order;
	int err;

	r->magic = 0;
	err = frames_free(pool->frames, block, order);
	if (err != MM_OK)
		panic("slab: region at frame 0x%lx, order %u, cannot be freed: %s", (unsigned long)block.n, order,
		      mm_strerror(err));
}

int slab_pool_destroy(struct slab_pool *pool)
{
	unsigned long state = spin_lock(&pool->lock);
	struct slab_region *r = pool->reservation;
	bool busy = pool->used_pages != 0;

	if (!busy)
		pool->reservation = NULL;
	spin_unlock(&pool->lock, state);
	if (busy)
		return MM_EBUSY;
	region_release(pool, r);
	return MM_OK;
}

/* Takes 2^order free pages: lowest address that fits. The descriptors are written before the bitmap says that they are valid. */
static struct slab *region_carve(struct slab_pool *pool, struct slab_region *r, unsigned order) REQUIRES(pool->lock)
{
	for (uint32_t i = 0; i < BITMAP_WORDS(r->words); i++) {
		struct slab *s;
		uint32_t first;
		uint64_t w;
		unsigned bit;

		if (r->fit[order][i] == 0)
			continue;
		w = (uint64_t)i * 64 + word_lowest(r->fit[order][i]);
		bit = word_lowest(word_runs(r->free[w], order));
		first = (uint32_t)(w * 64 + bit);
		s = region_slabs(r) + first;
		for (uint32_t k = 0; k < (uint32_t)1 << order; k++) {
			__atomic_store_n(&s[k].first, first, __ATOMIC_RELAXED);
			__atomic_store_n(&s[k].cache, NULL, __ATOMIC_RELAXED);
		}
		__atomic_store_n(&r->free[w], r->free[w] & ~(word_mask(1u << order) << bit), __ATOMIC_RELEASE);
		fit_update(r, w);
		r->used += (uint32_t)1 << order;
		pool->used_pages += (uint64_t)1 << order;
		return s;
	}
	return NULL;
}

/* Another region, large enough for a slab of this order: half of it remains aligned for the slab whatever the record takes. */
static struct slab_region *pool_grow(struct slab_pool *pool, unsigned order) REQUIRES(pool->lock)
{
	for (int size = GROW_ORDER; size > (int)order; size--) {
		struct slab_region *r;
		pfn_t block;

		if (frames_alloc(pool->frames, (unsigned)size, 0, TAG_SLAB, &block) != MM_OK)
			continue;
		r = region_init(phys_to_virt(pfn_to_paddr(block)), (unsigned)size);
		r->prev = pool->reservation;
		r->next = pool->reservation->next;
		if (r->next)
			r->next->prev = r;
		pool->reservation->next = r;
		pool->grown_pages += r->pages;
		return r;
	}
	return NULL;
}

/* [HP13] [HP14] */
struct slab *slab_pages_alloc(struct slab_pool *pool, unsigned order)
{
	unsigned long state = spin_lock(&pool->lock);
	struct slab_region *r = pool->reservation;
	struct slab *s;

	do {
		s = region_carve(pool, r, order);
		r = r->next;
	} while (!s && r);
	if (!s) {
		r = pool_grow(pool, order);
		if (r)
			s = region_carve(pool, r, order);
	}
	spin_unlock(&pool->lock, state);
	return s;
}

/* A region other than the reservation goes back to frames with its last slab. [HP14] */
void slab_pages_free(struct slab_pool *pool, struct slab *s, unsigned order)
{
	unsigned long state = spin_lock(&pool->lock);
	struct slab_region *r = slab_region(s);
	uint64_t w = s->first / 64;

	__atomic_store_n(&r->free[w], r->free[w] | word_mask(1u << order) << (s->first % 64), __ATOMIC_RELEASE);
	fit_update(r, w);
	r->used -= (uint32_t)1 << order;
	pool->used_pages -= (uint64_t)1 << order;
	if (r->used == 0 && r != pool->reservation) {
		pool->grown_pages -= r->pages;
		r->prev->next = r->next;
		if (r->next)
			r->next->prev = r->prev;
		region_release(pool, r);
	}
	spin_unlock(&pool->lock, state);
}

static int region_lookup(const struct slab_region *r, uintptr_t addr, struct slab **s, struct slab_cache **cache)
{
	uint64_t page = (addr - r->base) >> PAGE_SHIFT;
	struct slab *d = region_slabs(r) + page;

	if (page < r->first_page)
		return MM_EFOREIGN;
	if ((__atomic_load_n(&r->free[page / 64], __ATOMIC_ACQUIRE) >> (page % 64)) & 1)
		return MM_EDOUBLE;
	*s = region_slabs(r) + __atomic_load_n(&d->first, __ATOMIC_RELAXED);
	*cache = __atomic_load_n(&(*s)->cache, __ATOMIC_RELAXED);
	return MM_OK;
}

/* Whether addr lies in a region that was added later: frames knows the head of its block and who owns it. */
static struct slab_region *grown_region(struct slab_pool *pool, uintptr_t addr) REQUIRES(pool->lock)
{
	paddr_t pa = virt_to_phys((const void *)addr);
	struct slab_region *r;
	struct frame_info info;

	if (pool->grown_pages == 0)
		return NULL;
	frames_query(pool->frames, paddr_to_pfn(pa), &info);
	if (info.role != FRAME_ALLOC || info.tag != TAG_SLAB)
		return NULL;
	r = phys_to_virt(pfn_to_paddr(info.head));
	return r->magic == (SLAB_REGION_MAGIC ^ (uintptr_t)r) ? r : NULL;
}

/* [HP7] */
int slab_lookup(struct slab_pool *pool, uintptr_t addr, struct slab **s, struct slab_cache **cache, bool *settled)
{
	const struct slab_region *r = pool->reservation;
	unsigned long state;
	int err = MM_ENOENT;

	/* The reservation stays where it is: no lock. A slab that changes meanwhile changes its cache, under the cache's lock. */
	*settled = true;
	if (addr - r->base < (uint64_t)r->pages << PAGE_SHIFT)
		return region_lookup(r, addr, s, cache);

	*settled = false;
	state = spin_lock(&pool->lock);
	r = grown_region(pool, addr);
	if (r)
		err = region_lookup(r, addr, s, cache);
	spin_unlock(&pool->lock, state);
	return err;
}

/* ---- checking ------------------------------------------------------------------------------------------------------- */

static unsigned region_check(const struct slab_region *r)
{
	uint64_t free_pages = 0;
	unsigned bad = 0;

	for (uint32_t w = 0; w < r->words; w++) {
		free_pages += word_popcount(r->free[w]);
		for (unsigned n = 0; n <= SLAB_MAX_ORDER; n++) {
			if (bitmap_test(r->fit[n], w) != (word_runs(r->free[w], n) != 0)) {
				log_error("slab: region 0x%lx: summary of order %u is wrong for word %u\n",
					  (unsigned long)r->base, n, w);
				bad++;
			}
		}
	}
	for (uint32_t i = 0; i < r->first_page; i++) {
		if (bitmap_test(r->free, i)) {
			log_error("slab: region 0x%lx: page %u of its record is marked free\n", (unsigned long)r->base,
				  i);
			bad++;
		}
	}
	if (r->used + free_pages + r->first_page != r->pages) {
		log_error("slab: region 0x%lx: %u used + %lu free + %u record pages are not %u\n",
			  (unsigned long)r->base, r->used, (unsigned long)free_pages, r->first_page, r->pages);
		bad++;
	}
	return bad;
}

unsigned slab_regions_check(struct slab_pool *pool)
{
	uint64_t used = 0, grown = 0;
	unsigned bad = 0;

	for (const struct slab_region *r = pool->reservation; r; r = r->next) {
		struct frame_info info;

		if (r->magic != (SLAB_REGION_MAGIC ^ (uintptr_t)r) || r->base != (uintptr_t)r ||
		    r->pages != 1u << r->order) {
			log_error("slab: region 0x%lx: its record is damaged\n", (unsigned long)(uintptr_t)r);
			return bad + 1; /* nothing behind it can be believed */
		}
		frames_query(pool->frames, paddr_to_pfn(virt_to_phys(r)), &info);
		if (info.role != FRAME_ALLOC || info.tag != TAG_SLAB || info.order != r->order) {
			log_error("slab: region 0x%lx: frames does not know it as one of order %u\n",
				  (unsigned long)r->base, r->order);
			bad++;
		}
		if (r->next && r->next->prev != r) {
			log_error("slab: region 0x%lx: the list of regions is broken\n", (unsigned long)r->base);
			return bad + 1;
		}
		bad += region_check(r);
		used += r->used;
		grown += r == pool->reservation ? 0 : r->pages;
	}
	if (used != pool->used_pages || grown != pool->grown_pages) {
		log_error("slab: %lu pages in slabs and %lu added, counted %lu and %lu\n",
			  (unsigned long)pool->used_pages, (unsigned long)pool->grown_pages, (unsigned long)used,
			  (unsigned long)grown);
		bad++;
	}
	return bad;
}
