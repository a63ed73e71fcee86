/* SPDX-License-Identifier: BSD-2-Clause */
/* kmalloc over slab caches and page frames: size classes, large blocks, and the answers to a caller's mistakes. */
#include "mm/heap.h"
#include "arch/arch.h"
#include "lib/bitmap.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/slab.h"

#define CLASSES 32
#define STEP_SHIFT 2 /* four classes per doubling */

struct heap_counters {
	uint64_t large_objects;
	uint64_t large_bytes;
	uint64_t large_allocs;
	uint64_t large_frees;
	uint64_t large_requested;
	uint64_t large_granted;
	uint64_t failures;
	uint64_t bad_frees;
};

static struct {
	struct slab_cache classes[CLASSES];
	struct slab_pool pool;
	struct spinlock lock; /* counters */
	struct heap_counters counters;
	bool up;
} heap;

static uint64_t pow2_down(uint64_t x)
{
	return x == 0 ? 0 : (uint64_t)1 << word_highest(x);
}

/* [HP1] */
uint64_t recommended_heap_size(uint64_t total_ram, uint64_t largest_free)
{
	uint64_t size;

	if (total_ram < MIB(128))
		size = total_ram / 8;
	else
		size = min_u64(max_u64(total_ram / 128, MIB(16)), MIB(64));
	return pow2_down(min_u64(size, largest_free / 2));
}

/* 16, 32, 48, 64, then 5/4, 6/4, 7/4 and 8/4 of each power of two from 64. */
static uint32_t class_size(unsigned index)
{
	unsigned group = index >> STEP_SHIFT;
	unsigned step = (index & 3) + 1;

	return group == 0 ? 16 * step : (64u << (group - 1)) + (16u << (group - 1)) * step;
}

/* The smallest class that holds size bytes, 1 to SLAB_MAX_SIZE. [HP2] */
static unsigned class_of(size_t size)
{
	size_t last = size - 1;
	unsigned top;

	if (size <= 64)
		return (unsigned)(last / 16);
	top = word_highest(last);
	return ((top - 5) << STEP_SHIFT) + ((last >> (top - STEP_SHIFT)) & 3);
}

/* [HP12] */
int heap_init(struct frames *f, uint64_t size)
{
	int err;

	if (heap.up)
		return MM_EEXIST;
	if (!is_pow2(size) || size < HEAP_MIN_SIZE || size > PAGE_SIZE << MAX_ORDER)
		return MM_EINVAL;
	err = slab_pool_init(&heap.pool, f, word_lowest(size) - PAGE_SHIFT);
	if (err != MM_OK)
		return err;
	for (unsigned i = 0; i < CLASSES; i++)
		slab_cache_init(&heap.classes[i], &heap.pool, class_size(i));
	heap.counters = (struct heap_counters){ 0 };
	heap.up = true;
	return MM_OK;
}

/* [HP17] */
int heap_destroy(void)
{
	int err;

	if (!heap.up)
		return MM_EINVAL;
	if (heap.counters.large_objects != 0)
		return MM_EBUSY;
	heap_shrink();
	err = slab_pool_destroy(&heap.pool);
	if (err == MM_OK)
		heap.up = false;
	return err;
}

/* [HP15] */
uint64_t heap_shrink(void)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; heap.up && i < CLASSES; i++)
		bytes += slab_cache_shrink(&heap.classes[i]);
	return bytes;
}

static void count_failure(void)
{
	unsigned long state = spin_lock(&heap.lock);

	heap.counters.failures++;
	spin_unlock(&heap.lock, state);
}

/* ---- large: a block of frames ---------------------------------------------------------------------------------------- */

/* size > 0. Above MAX_ORDER for sizes above the largest block. */
static unsigned large_order(size_t size)
{
	uint64_t last_page = (size - 1) >> PAGE_SHIFT;

	return last_page == 0 ? 0 : word_highest(last_page) + 1;
}

/* [HP5] */
static void *large_alloc(size_t size, unsigned flags)
{
	unsigned order = large_order(size);
	unsigned long state;
	pfn_t block;

	if (frames_alloc(heap.pool.frames, order, flags, TAG_HEAP, &block) != MM_OK)
		return NULL;
	state = spin_lock(&heap.lock);
	heap.counters.large_objects++;
	heap.counters.large_allocs++;
	heap.counters.large_bytes += PAGE_SIZE << order;
	heap.counters.large_requested += size;
	heap.counters.large_granted += PAGE_SIZE << order;
	spin_unlock(&heap.lock, state);
	return phys_to_virt(pfn_to_paddr(block));
}

/* What frames says of an address outside the slabs' regions: MM_OK and its block, or why it is no large object. [HP7] */
static int large_lookup(const void *p, struct frame_info *info)
{
	paddr_t pa = virt_to_phys(p);

	/* An address that is not in the linear map gives a frame number that frames does not know. */
	frames_query(heap.pool.frames, paddr_to_pfn(pa), info);
	if (info->role == FRAME_FREE)
		return MM_EDOUBLE;
	if (info->role != FRAME_ALLOC || info->tag != TAG_HEAP)
		return MM_EFOREIGN;
	return pa.v == pfn_to_paddr(info->head).v ? MM_OK : MM_EINTERIOR;
}

static int large_free(const void *p)
{
	struct frame_info info;
	unsigned long state;
	int err = large_lookup(p, &info);

	if (err == MM_OK)
		err = frames_free(heap.pool.frames, info.head, info.order);
	if (err != MM_OK)
		return err;
	state = spin_lock(&heap.lock);
	heap.counters.large_objects--;
	heap.counters.large_frees++;
	heap.counters.large_bytes -= PAGE_SIZE << info.order;
	spin_unlock(&heap.lock, state);
	return MM_OK;
}

/* ---- the public names ------------------------------------------------------------------------------------------------ */

/* index: the class of size, or one above it that is aligned as wanted. One more try after the other caches gave back what
 * they can. [HP19] */
static void *alloc_small(unsigned index, size_t size)
{
	void *p = slab_alloc(&heap.classes[index], size);

	if (unlikely(!p) && heap_shrink() != 0)
		p = slab_alloc(&heap.classes[index], size);
	return p;
}

static void *alloc_large(size_t size, unsigned flags)
{
	void *p = large_alloc(size, flags);

	if (unlikely(!p) && heap_shrink() != 0)
		p = large_alloc(size, flags);
	return p;
}

static void *heap_alloc(size_t size, bool zero)
{
	void *p;

	if (size == 0 || !heap.up)
		return NULL;
	if (size <= SLAB_MAX_SIZE) {
		p = alloc_small(class_of(size), size);
		if (p && zero)
			memset(p, 0, size);
	} else {
		p = alloc_large(size, zero ? FRAMES_ZERO : 0);
	}
	if (!p)
		count_failure();
	return p;
}

/* [HP3] [HP5] [HP6] [HP20] */
void *kmalloc(size_t size)
{
	return heap_alloc(size, false);
}

/* [HP11] */
void *kzalloc(size_t size)
{
	return heap_alloc(size, true);
}

/* [HP11] */
void *kcalloc(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		count_failure();
		return NULL;
	}
	return heap_alloc(bytes, true);
}

/* [HP6] */
void *kmalloc_aligned(size_t size, size_t align)
{
	unsigned index;
	void *p;

	if (size == 0 || !heap.up || !is_pow2(align) || align > PAGE_SIZE)
		return NULL;
	if (size > SLAB_MAX_SIZE)
		return heap_alloc(size, false); /* a block of frames: aligned to its size */
	/* Objects are aligned to what divides their size. The last class, 8 KiB, is divided by every align. */
	for (index = class_of(max_u64(size, align)); !IS_ALIGNED(class_size(index), align);)
		index++;
	p = alloc_small(index, size);
	if (!p)
		count_failure();
	return p;
}

static int bad_pointer(const char *function, const void *p, int err, uintptr_t caller)
{
	unsigned long state = spin_lock(&heap.lock);

	heap.counters.bad_frees++;
	spin_unlock(&heap.lock, state);
	log_error("%s: %s: 0x%lx, called from %pB\n", function, mm_strerror(err), (unsigned long)(uintptr_t)p,
		  (void *)caller);
	return err;
}

static int free_object(const char *function, void *p, uintptr_t caller)
{
	int err;

	if (!p)
		return MM_OK;
	err = heap.up ? slab_free(&heap.pool, p) : MM_EFOREIGN;
	if (err == MM_ENOENT)
		err = large_free(p);
	return err == MM_OK ? MM_OK : bad_pointer(function, p, err, caller);
}

/* [HP4] [HP7] [HP8] [HP9] */
noinline int kfree(void *p)
{
	return free_object("kfree", p, caller_address());
}

/* Usable bytes, or 0 and why not. */
static size_t object_size(const void *p, int *err)
{
	struct frame_info info;
	size_t size;

	*err = MM_EFOREIGN;
	if (!p || !heap.up)
		return 0;
	size = slab_object_size(&heap.pool, p, err);
	if (*err != MM_ENOENT)
		return size;
	*err = large_lookup(p, &info);
	return *err == MM_OK ? PAGE_SIZE << info.order : 0;
}

/* [HP10] */
size_t ksize(const void *p)
{
	int err;

	return object_size(p, &err);
}

/* The size that kmalloc(size) would really have. */
static size_t granted_size(size_t size)
{
	return size <= SLAB_MAX_SIZE ? class_size(class_of(size)) : PAGE_SIZE << large_order(size);
}

/* [HP18] */
noinline void *krealloc(void *p, size_t size)
{
	size_t old;
	void *new;
	int err;

	if (!p)
		return heap_alloc(size, false);
	if (size == 0) {
		(void)free_object("krealloc", p, caller_address());
		return NULL;
	}
	old = object_size(p, &err);
	if (err != MM_OK) {
		bad_pointer("krealloc", p, err, caller_address());
		return NULL;
	}
	if (size <= old && granted_size(size) == old)
		return p;
	new = heap_alloc(size, false);
	if (!new)
		return size <= old ? p : NULL;
	memcpy(new, p, min_u64(old, size));
	if (free_object("krealloc", p, caller_address()) != MM_OK) {
		/* Freed by somebody else meanwhile: the copy is of nobody's memory. */
		(void)free_object("krealloc", new, caller_address());
		return NULL;
	}
	return new;
}

/* [HP16] */
void heap_get_stats(struct heap_stats *out)
{
	unsigned long state;

	*out = (struct heap_stats){ 0 };
	if (!heap.up)
		return;
	for (unsigned i = 0; i < CLASSES; i++) {
		struct slab_cache *c = &heap.classes[i];

		state = spin_lock(&c->lock);
		out->live_objects += c->live;
		out->live_bytes += c->live * c->size;
		out->allocs += c->allocs;
		out->frees += c->frees;
		out->requested_bytes += c->requested;
		out->granted_bytes += c->allocs * c->size;
		spin_unlock(&c->lock, state);
	}
	state = spin_lock(&heap.pool.lock);
	out->reserved_bytes = heap.pool.reservation->pages * PAGE_SIZE;
	out->grown_bytes = heap.pool.grown_pages * PAGE_SIZE;
	out->reserved_used_bytes = heap.pool.used_pages * PAGE_SIZE;
	spin_unlock(&heap.pool.lock, state);
	state = spin_lock(&heap.lock);
	out->live_objects += heap.counters.large_objects;
	out->live_bytes += heap.counters.large_bytes;
	out->large_objects = heap.counters.large_objects;
	out->large_bytes = heap.counters.large_bytes;
	out->allocs += heap.counters.large_allocs;
	out->frees += heap.counters.large_frees;
	out->requested_bytes += heap.counters.large_requested;
	out->granted_bytes += heap.counters.large_granted;
	out->failures = heap.counters.failures;
	out->bad_frees = heap.counters.bad_frees;
	spin_unlock(&heap.lock, state);
}

/* [HP16] */
int heap_validate(void)
{
	struct heap_counters n;
	unsigned long state;
	int err;

	if (!heap.up)
		return MM_OK;
	err = slab_validate(&heap.pool, heap.classes, CLASSES);
	state = spin_lock(&heap.lock);
	n = heap.counters;
	spin_unlock(&heap.lock, state);
	if (n.large_allocs - n.large_frees != n.large_objects || n.large_bytes < n.large_objects * PAGE_SIZE ||
	    n.large_bytes > n.large_granted || !IS_ALIGNED(n.large_bytes, PAGE_SIZE)) {
		log_error("heap: %lu large objects of %lu bytes, but %lu were allocated and %lu freed\n",
			  (unsigned long)n.large_objects, (unsigned long)n.large_bytes, (unsigned long)n.large_allocs,
			  (unsigned long)n.large_frees);
		err = MM_ECORRUPT;
	}
	return err;
}
