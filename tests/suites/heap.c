/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmalloc and the slab caches under it. On the host each test has a heap of its own, in the kernel they share the live one; in both
 * worlds test_heap_end() checks that every page and object is back.
 */
#define SUITE "heap"
#include "tests/heap_fixture.h"
#include "arch/arch.h"
#include "lib/bitmap.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/slab.h"

#define LARGEST (PAGE_SIZE << MAX_ORDER)

static uint64_t random_state = 1;

static uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static bool zeroed(const void *p, size_t size)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < size; i++) {
		if (b[i] != 0)
			return false;
	}
	return true;
}

/* ---- how much ------------------------------------------------------------------------------------------------------- */

TEST(HP1, "[INIT] recommended heap size: a 128th of RAM in [16 MiB, 64 MiB], a power of two; an eighth of small RAM")
{
	static const struct {
		uint64_t ram, largest, want;
	} t[] = {
		{ MIB(64), MIB(64), MIB(8) },
		{ MIB(64), MIB(16), MIB(8) },
		{ MIB(64), MIB(8), MIB(4) },  /* never over half of the largest free block */
		{ MIB(100), GIB(1), MIB(8) }, /* 12.5 MiB rounded down */
		{ MIB(127), GIB(1), MIB(8) },
		{ MIB(128) - 1, GIB(1), MIB(8) },
		{ MIB(128), GIB(1), MIB(16) },
		{ MIB(128), MIB(32), MIB(16) },
		{ MIB(128), MIB(31), MIB(8) },
		{ MIB(512), GIB(1), MIB(16) }, /* 4 MiB, clamped */
		{ GIB(2), GIB(1), MIB(16) },
		{ GIB(3), GIB(1), MIB(16) }, /* 24 MiB: the seed allocated 8 and used 24 */
		{ GIB(4) - 1, GIB(1), MIB(16) },
		{ GIB(4), GIB(1), MIB(32) },
		{ GIB(6), GIB(1), MIB(32) }, /* 48 MiB */
		{ GIB(8), GIB(1), MIB(64) },
		{ GIB(8) - 1, GIB(1), MIB(32) },
		{ GIB(8), MIB(64), MIB(32) },
		{ GIB(12), GIB(1), MIB(64) },
		{ TIB(1), GIB(1), MIB(64) },
		{ UINT64_MAX, UINT64_MAX, MIB(64) },
		{ MIB(1), MIB(1), KIB(128) },
		{ GIB(8), PAGE_SIZE, PAGE_SIZE / 2 },
		{ GIB(8), 1, 0 },
		{ GIB(8), 0, 0 },
		{ 0, GIB(1), 0 },
		{ 7, GIB(1), 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		CHECK_EQ(recommended_heap_size(t[i].ram, t[i].largest), t[i].want);
}

TEST(HP2, "[HEAP] size classes: four steps per doubling, every size fits, less than a fifth is lost above 64 bytes")
{
	struct test_heap t = test_heap_begin();
	size_t before = 0;
	unsigned classes = 0;

	for (size_t size = 1; size <= SLAB_MAX_SIZE; size++) {
		void *p = kmalloc(size);
		size_t usable = ksize(p);

		CHECK_OR_RETURN(p != NULL);
		CHECK(usable >= size && IS_ALIGNED(usable, 16));
		CHECK(size <= 64 ? usable - size < 16 : (usable - size) * 5 < usable);
		CHECK(usable >= before);
		classes += usable != before;
		before = usable;
		CHECK_EQ(kfree(p), MM_OK);
	}
	CHECK_EQ(classes, 32);
	CHECK_EQ(before, SLAB_MAX_SIZE);
	test_heap_end(&t);
}

/* ---- allocation and free --------------------------------------------------------------------------------------------- */

TEST(HP3,
     "[ALLOC] [HEAP] kmalloc: objects are aligned to 16, powers of two to their size up to a page, and do not overlap")
{
	enum { N = 200 };
	struct test_heap t = test_heap_begin();
	void *p[N];

	for (unsigned i = 0; i < N; i++) {
		size_t size = (i * 37) % 5000 + 1;

		p[i] = kmalloc(size);
		CHECK_OR_RETURN(p[i] != NULL);
		CHECK(IS_ALIGNED((uintptr_t)p[i], HEAP_MIN_ALIGN));
		fill(p[i], ksize(p[i]), i);
	}
	for (unsigned i = 0; i < N; i++) {
		CHECK(filled(p[i], ksize(p[i]), i));
		CHECK_EQ(kfree(p[i]), MM_OK);
	}
	for (size_t size = 16; size <= 65536; size *= 2) {
		void *a = kmalloc(size), *b = kmalloc(size);

		CHECK(a && IS_ALIGNED((uintptr_t)a, min_u64(size, PAGE_SIZE)));
		CHECK(b && IS_ALIGNED((uintptr_t)b, min_u64(size, PAGE_SIZE)));
		CHECK_EQ(ksize(a), size);
		CHECK_EQ(kfree(a), MM_OK);
		CHECK_EQ(kfree(b), MM_OK);
	}
	test_heap_end(&t);
}

TEST(HP3, "kmalloc: size 0, and sizes above the largest block, are NULL; the counters say so")
{
	struct test_heap t = test_heap_begin();
	struct heap_stats s;

	CHECK(kmalloc(0) == NULL && kzalloc(0) == NULL && kcalloc(0, 8) == NULL && kcalloc(8, 0) == NULL);
	CHECK(kmalloc_aligned(0, 16) == NULL);
	heap_get_stats(&s);
	CHECK_EQ(s.failures, t.heap.failures);
	CHECK(kmalloc(LARGEST + 1) == NULL);
	CHECK(kmalloc(SIZE_MAX) == NULL);
	CHECK(kzalloc(SIZE_MAX - PAGE_SIZE + 1) == NULL);
	CHECK(kmalloc((size_t)1 << 63) == NULL);
	heap_get_stats(&s);
	CHECK_EQ(s.failures, t.heap.failures + 4);
	test_heap_end(&t);
}

TEST(HP4, "[HEAP] kfree: the object can be had again; NULL is nothing to free")
{
	struct test_heap t = test_heap_begin();
	struct heap_stats s;
	void *p = kmalloc(100), *q;

	CHECK_OR_RETURN(p != NULL);
	CHECK_EQ(kfree(p), MM_OK);
	q = kmalloc(100); /* lowest first, and nobody else allocates here */
	CHECK(q == p);
	CHECK_EQ(kfree(q), MM_OK);
	CHECK_EQ(kfree(NULL), MM_OK);
	heap_get_stats(&s);
	CHECK_EQ(s.allocs - t.heap.allocs, 2);
	CHECK_EQ(s.frees - t.heap.frees, 2);
	CHECK_EQ(s.bad_frees, t.heap.bad_frees);
	test_heap_end(&t);
}

TEST(HP5, "large objects are blocks of frames owned by the heap, and give every page back")
{
	static const size_t sizes[] = { SLAB_MAX_SIZE + 1, 12288, 12289, 16384, 65536, 65537, MIB(1), MIB(1) + 1 };
	struct test_heap t = test_heap_begin();

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct frame_info info;
		struct frames_stats f;
		struct heap_stats s;
		uint64_t bytes = (uint64_t)2 << word_highest(sizes[i] - 1);
		void *p = kmalloc(sizes[i]);

		CHECK_OR_RETURN(p != NULL);
		CHECK(IS_ALIGNED((uintptr_t)p, PAGE_SIZE));
		frames_query(t.frames, paddr_to_pfn(virt_to_phys(p)), &info);
		CHECK_EQ(info.role, FRAME_ALLOC);
		CHECK_EQ(info.tag, TAG_HEAP);
		CHECK_EQ(PAGE_SIZE << info.order, bytes);
		CHECK_EQ(ksize(p), bytes);
		frames_get_stats(t.frames, &f);
		CHECK_EQ(t.free_pages - f.free_pages, bytes >> PAGE_SHIFT);
		heap_get_stats(&s);
		CHECK_EQ(s.large_objects - t.heap.large_objects, 1);
		CHECK_EQ(s.large_bytes - t.heap.large_bytes, bytes);
		CHECK_EQ(s.live_bytes - t.heap.live_bytes, bytes);
		fill(p, bytes, i);
		CHECK(filled(p, bytes, i));
		CHECK_EQ(kfree(p), MM_OK);
	}
	test_heap_end(&t);
}

TEST(HP6, "[ALLOC] kmalloc_aligned: every power of two up to a page, every size; others are refused")
{
	struct test_heap t = test_heap_begin();

	for (size_t align = 1; align <= PAGE_SIZE; align *= 2) {
		for (size_t size = 1; size <= 20000; size += size < 300 ? 1 : 517) {
			void *p = kmalloc_aligned(size, align);

			CHECK_OR_RETURN(p != NULL);
			CHECK(IS_ALIGNED((uintptr_t)p, align) && IS_ALIGNED((uintptr_t)p, HEAP_MIN_ALIGN));
			CHECK(ksize(p) >= size);
			CHECK_EQ(kfree(p), MM_OK);
		}
	}
	CHECK(kmalloc_aligned(100, 0) == NULL);
	CHECK(kmalloc_aligned(100, 3) == NULL);
	CHECK(kmalloc_aligned(100, 24) == NULL);
	CHECK(kmalloc_aligned(100, 2 * PAGE_SIZE) == NULL);
	CHECK(kmalloc_aligned(100, SIZE_MAX) == NULL);
	CHECK(kmalloc_aligned(SIZE_MAX, 16) == NULL);
	test_heap_end(&t);
}

/* ---- a caller's mistakes --------------------------------------------------------------------------------------------- */

/* kfree(p) must give err, count it, log it, and change nothing else. */
static void check_refused(void *p, int err)
{
	struct heap_stats before, after;
	char want[64];

	heap_get_stats(&before);
	capture_begin();
	CHECK_EQ(kfree(p), err);
	capture_end();
	heap_get_stats(&after);
	gr_snprintf(want, sizeof(want), "kfree: %s: 0x%lx, called from 0x", mm_strerror(err),
		    (unsigned long)(uintptr_t)p);
	CHECK(captured_text(want));
	before.bad_frees++;
	CHECK(memcmp(&before, &after, sizeof(before)) == 0);
	CHECK_EQ(ksize(p), 0);
	capture_begin();
	CHECK(krealloc(p, 10) == NULL);
	capture_end();
	CHECK(captured_text("krealloc: "));
	CHECK_EQ(heap_validate(), MM_OK);
}

TEST(HP7, "kfree refuses what is no object: stack, static data, records of the heap, others' frames, wild addresses")
{
	static uint64_t data[4];
	struct test_heap t = test_heap_begin();
	uint64_t local[4];
	uint8_t *p = kmalloc(16);
	uintptr_t reservation;
	struct frame_info info;
	pfn_t other;

	CHECK_OR_RETURN(p != NULL);
	check_refused(data, MM_EFOREIGN);
	check_refused(local, MM_EFOREIGN);
	check_refused((void *)16, MM_EFOREIGN);
	check_refused((void *)PAGE_SIZE, MM_EFOREIGN);
	check_refused((void *)-16, MM_EFOREIGN);
	check_refused((void *)-1, MM_EFOREIGN);
	check_refused((void *)0x7ffffffffff0, MM_EFOREIGN);
	check_refused((void *)0x8000000000000000, MM_EFOREIGN);

	/* The reservation's own record stands at the beginning of its block. */
	frames_query(t.frames, paddr_to_pfn(virt_to_phys(p)), &info);
	CHECK_EQ(info.tag, TAG_SLAB);
	reservation = (uintptr_t)phys_to_virt(pfn_to_paddr(info.head));
	check_refused((void *)reservation, MM_EFOREIGN);
	check_refused((void *)(reservation + 64), MM_EFOREIGN);

	CHECK_OR_RETURN(frames_alloc(t.frames, 1, 0, TAG_TEST, &other) == MM_OK);
	check_refused(phys_to_virt(pfn_to_paddr(other)), MM_EFOREIGN);
	check_refused(phys_to_virt(paddr(pfn_to_paddr(other).v + PAGE_SIZE)), MM_EFOREIGN);
	check_refused(phys_to_virt(paddr(pfn_to_paddr(other).v + 16)), MM_EFOREIGN);
	CHECK_EQ(frames_free(t.frames, other, 1), MM_OK);
	CHECK_EQ(kfree(p), MM_OK);
	test_heap_end(&t);
}

TEST(HP7, "kfree refuses the rest of a slab behind its last object")
{
	struct test_heap t = test_heap_begin();
	uint8_t *p = kmalloc(80); /* 51 objects of 80 bytes: 16 bytes are left in the page */

	CHECK_OR_RETURN(p != NULL);
	CHECK_EQ(ksize(p), 80);
	p = (uint8_t *)ALIGN_DOWN((uintptr_t)p, PAGE_SIZE);
	check_refused(p + 51 * 80, MM_EFOREIGN);
	check_refused(p + PAGE_SIZE - 1, MM_EFOREIGN);
	check_refused(p + 51 * 80 - 1, MM_EINTERIOR);
	CHECK_EQ(kfree(p), MM_OK);
	test_heap_end(&t);
}

TEST(HP8, "double free: at once, after others, after the slab or the block went back")
{
	struct test_heap t = test_heap_begin();
	uint8_t *a = kmalloc(64), *b = kmalloc(64), *c[200];

	CHECK_OR_RETURN(a && b);
	CHECK_EQ(kfree(a), MM_OK);
	check_refused(a, MM_EDOUBLE);
	check_refused(a, MM_EDOUBLE);
	CHECK_EQ(kfree(b), MM_OK);
	check_refused(b, MM_EDOUBLE);
	check_refused(a, MM_EDOUBLE);

	/* Three slabs and more; when they are empty, all but one have gone. */
	for (unsigned i = 0; i < ARRAY_SIZE(c); i++) {
		c[i] = kmalloc(64);
		CHECK_OR_RETURN(c[i] != NULL);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(c); i++)
		CHECK_EQ(kfree(c[i]), MM_OK);
	for (unsigned i = 0; i < ARRAY_SIZE(c); i += 7)
		check_refused(c[i], MM_EDOUBLE);
	heap_shrink();
	for (unsigned i = 0; i < ARRAY_SIZE(c); i += 7)
		check_refused(c[i], MM_EDOUBLE);

	a = kmalloc(100000);
	CHECK_OR_RETURN(a != NULL);
	CHECK_EQ(kfree(a), MM_OK);
	check_refused(a, MM_EDOUBLE);
	check_refused(a + PAGE_SIZE, MM_EDOUBLE);
	test_heap_end(&t);
}

TEST(HP9, "interior pointers: of small, multi-page and large objects; the object lives on")
{
	static const size_t sizes[] = { 16, 48, 64, 320, 1024, 3584, 5120, 8192, 8193, 65536 };
	struct test_heap t = test_heap_begin();

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint8_t *p = kmalloc(sizes[i]);
		size_t n = ksize(p);

		CHECK_OR_RETURN(p != NULL);
		fill(p, n, i);
		check_refused(p + 1, MM_EINTERIOR);
		check_refused(p + 8, MM_EINTERIOR);
		check_refused(p + n / 2, MM_EINTERIOR);
		check_refused(p + n - 1, MM_EINTERIOR);
		if (n > PAGE_SIZE)
			check_refused(p + PAGE_SIZE, MM_EINTERIOR);
		CHECK_EQ(ksize(p), n);
		CHECK(filled(p, n, i));
		CHECK_EQ(kfree(p), MM_OK);
	}
	test_heap_end(&t);
}

TEST(HP9, "a large object whose frames somebody else refers to is not freed, by kfree or with another order")
{
	struct test_heap t = test_heap_begin();
	void *p = kmalloc(20000);
	pfn_t f;

	CHECK_OR_RETURN(p != NULL);
	f = paddr_to_pfn(virt_to_phys(p));
	capture_begin();
	CHECK_EQ(frames_free(t.frames, f, 1), MM_EORDER);
	CHECK_EQ(frames_free(t.frames, pfn(f.n + 1), 0), MM_EINTERIOR);
	capture_end();
	CHECK_EQ(ksize(p), 32768);
	CHECK_EQ(kfree(p), MM_OK);
	test_heap_end(&t);
}

TEST(HP10, "ksize: usable bytes of a live object, 0 for everything else")
{
	struct test_heap t = test_heap_begin();
	uint8_t *p = kmalloc(65);

	CHECK_EQ(ksize(p), 80);
	CHECK_EQ(ksize(p + 16), 0);
	CHECK_EQ(ksize(NULL), 0);
	CHECK_EQ(ksize(&t), 0);
	CHECK_EQ(kfree(p), MM_OK);
	CHECK_EQ(ksize(p), 0);
	test_heap_end(&t);
}

TEST(HP11, "[HEAP] kzalloc and kcalloc: zeroed also where memory was used before; n * size that overflows is NULL")
{
	static const size_t sizes[] = { 1, 16, 17, 64, 100, 4096, 8192, 8193, 40000 };
	struct test_heap t = test_heap_begin();

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (unsigned round = 0; round < 3; round++) {
			uint8_t *p = round == 2 ? kcalloc(sizes[i], 1) : kzalloc(sizes[i]);

			CHECK_OR_RETURN(p != NULL);
			CHECK(zeroed(p, sizes[i]));
			memset(p, 0xff, ksize(p));
			CHECK_EQ(kfree(p), MM_OK);
		}
	}
	CHECK(kcalloc(SIZE_MAX, 2) == NULL);
	CHECK(kcalloc(2, SIZE_MAX) == NULL);
	CHECK(kcalloc((size_t)1 << 32, (size_t)1 << 32) == NULL);
	CHECK(kcalloc(((size_t)1 << 61) + 1, 8) == NULL); /* the product wraps to 8 */
	test_heap_end(&t);
}

TEST(HP11, "a free object is neither written nor read: what stood in it still does")
{
	struct test_heap t = test_heap_begin();
	uint8_t *keep = kmalloc(256), *p = kmalloc(256), *q = kmalloc(256);

	CHECK_OR_RETURN(keep && p && q);
	fill(p, 256, 1);
	fill(q, 256, 2);
	CHECK_EQ(kfree(q), MM_OK);
	CHECK_EQ(kfree(p), MM_OK);
	CHECK(filled(p, 256, 1));
	CHECK(filled(q, 256, 2));
	memset(p, 0xff, 256); /* nothing that anybody needs */
	memset(q, 0xff, 256);
	CHECK_EQ(heap_validate(), MM_OK);
	CHECK_EQ(kfree(keep), MM_OK);
	test_heap_end(&t);
}

/* ---- the heap as a whole ----------------------------------------------------------------------------------------------- */

TEST_ON(TAP_HOST, HP12,
	"[INIT] heap_init: sizes that are no power of two, too small or too large are refused; no memory is MM_ENOMEM")
{
	struct test_heap t = test_heap_begin();

	CHECK_EQ(heap_destroy(), MM_OK);
	CHECK_EQ(heap_init(t.frames, 0), MM_EINVAL);
	CHECK_EQ(heap_init(t.frames, HEAP_MIN_SIZE / 2), MM_EINVAL);
	CHECK_EQ(heap_init(t.frames, HEAP_MIN_SIZE + PAGE_SIZE), MM_EINVAL);
	CHECK_EQ(heap_init(t.frames, MIB(24)), MM_EINVAL);
	CHECK_EQ(heap_init(t.frames, 2 * LARGEST), MM_EINVAL);
	CHECK_EQ(heap_init(t.frames, LARGEST), MM_ENOMEM);
	CHECK(kmalloc(16) == NULL);
	CHECK_EQ(quiet_kfree(&t), MM_EFOREIGN);
	CHECK_EQ(heap_destroy(), MM_EINVAL);
	CHECK_EQ(heap_validate(), MM_OK);
	CHECK_EQ(heap_init(t.frames, KIB(128)), MM_OK);
	t = (struct test_heap){ .frames = t.frames, .free_pages = t.free_pages };
	test_heap_end(&t);
}

TEST(HP16, "the counters add up: live, granted and requested bytes, pages in slabs")
{
	struct test_heap t = test_heap_begin();
	void *a = kmalloc(65), *b = kmalloc(8193), *c = kzalloc(16);
	struct heap_stats s;

	heap_get_stats(&s);
	CHECK_EQ(s.live_objects - t.heap.live_objects, 3);
	CHECK_EQ(s.live_bytes - t.heap.live_bytes, 80 + 16384 + 16);
	CHECK_EQ(s.requested_bytes - t.heap.requested_bytes, 65 + 8193 + 16);
	CHECK_EQ(s.granted_bytes - t.heap.granted_bytes, 80 + 16384 + 16);
	CHECK_EQ(s.allocs - t.heap.allocs, 3);
	CHECK(s.reserved_used_bytes >= t.heap.reserved_used_bytes);
	CHECK(is_pow2(s.reserved_bytes) && s.reserved_bytes >= HEAP_MIN_SIZE);
	CHECK_EQ(kfree(a), MM_OK);
	CHECK_EQ(kfree(b), MM_OK);
	CHECK_EQ(kfree(c), MM_OK);
	heap_get_stats(&s);
	CHECK_EQ(s.requested_bytes - t.heap.requested_bytes, 65 + 8193 + 16);
	CHECK_EQ(s.live_bytes, t.heap.live_bytes);
	test_heap_end(&t);
}

TEST_ON(TAP_HOST, HP17, "heap_destroy: refused while an object lives, small or large; then every frame is back")
{
	struct test_heap t = test_heap_begin();
	void *p = kmalloc(20), *q;

	CHECK_EQ(heap_destroy(), MM_EBUSY);
	CHECK_EQ(ksize(p), 32);
	CHECK_EQ(kfree(p), MM_OK);
	q = kmalloc(20000);
	CHECK_EQ(heap_destroy(), MM_EBUSY);
	CHECK_EQ(ksize(q), 32768);
	CHECK_EQ(kfree(q), MM_OK);
	test_heap_end(&t); /* ends with the heap_destroy() that succeeds */
}

TEST(HP18, "krealloc: contents move along, growing and shrinking, between slabs and frames")
{
	static const size_t sizes[] = { 1, 16, 17, 100, 90, 4096, 8192, 8193, 70000, 16385, 8192, 20, 1 };
	struct test_heap t = test_heap_begin();
	uint8_t *p = NULL, *q;
	size_t old = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		p = krealloc(p, sizes[i]);
		CHECK_OR_RETURN(p != NULL);
		CHECK(ksize(p) >= sizes[i]);
		for (size_t k = 0; k < min_u64(old, sizes[i]); k++) {
			if (p[k] != (uint8_t)(k * 7 + k / 256)) {
				CHECK_EQ(p[k], (uint8_t)(k * 7 + k / 256));
				break;
			}
		}
		for (size_t k = 0; k < sizes[i]; k++)
			p[k] = (uint8_t)(k * 7 + k / 256);
		old = sizes[i];
	}
	CHECK_EQ(ksize(p), 16);
	q = krealloc(p, 16); /* the same class: the same place */
	CHECK(q == p);
	CHECK(krealloc(p, SIZE_MAX) == NULL);
	CHECK_EQ(ksize(p), 16); /* p stays as it is */
	CHECK_EQ(p[0], 0);
	CHECK(krealloc(p, 0) == NULL);
	CHECK_EQ(quiet_kfree(p), MM_EDOUBLE);
	test_heap_end(&t);
}

/* ---- a model ----------------------------------------------------------------------------------------------------------- */

TEST(HP20, "random allocations, frees, reallocations and mistakes against a model of what is live")
{
	enum { SLOTS = 300, STEPS = 12000 };
	static struct {
		uint8_t *p;
		size_t size;
		uint64_t key;
	} slot[SLOTS];
	struct test_heap t = test_heap_begin();
	uint64_t live = 0, bad = 0;
	struct heap_stats s;

	memset(slot, 0, sizeof(slot));
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned i = random_u64() % SLOTS;
		size_t size = random_u64() % ((size_t)1 << (4 + random_u64() % (random_u64() % 16 ? 9 : 13))) + 1;
		uint8_t *p;

		if (!slot[i].p) {
			switch (random_u64() % 3) {
			case 0:
				p = kmalloc(size);
				break;
			case 1:
				p = kzalloc(size);
				CHECK(!p || (p[0] == 0 && p[size / 2] == 0 && p[size - 1] == 0));
				break;
			default:
				p = kmalloc_aligned(size, (size_t)1 << random_u64() % 13);
				break;
			}
			CHECK_OR_RETURN(p != NULL);
			live++;
		} else if (random_u64() % 4 == 0) {
			CHECK(filled(slot[i].p, slot[i].size, slot[i].key));
			p = krealloc(slot[i].p, size);
			CHECK_OR_RETURN(p != NULL);
			CHECK(filled(p, min_u64(size, slot[i].size) & ~(size_t)7, slot[i].key));
		} else {
			CHECK(filled(slot[i].p, slot[i].size, slot[i].key));
			CHECK_EQ(kfree(slot[i].p), MM_OK);
			live--;
			if (random_u64() % 8 == 0) {
				CHECK_EQ(quiet_kfree(slot[i].p), MM_EDOUBLE);
				bad++;
			}
			slot[i].p = NULL;
			continue;
		}
		slot[i].p = p;
		slot[i].size = size;
		slot[i].key = random_u64();
		fill(p, size, slot[i].key);
		if (random_u64() % 8 == 0) {
			CHECK_EQ(quiet_kfree(p + 1 + random_u64() % 15), MM_EINTERIOR);
			bad++;
		}
		if (step % 2000 == 0)
			CHECK_EQ(heap_validate(), MM_OK);
	}
	heap_get_stats(&s);
	CHECK_EQ(s.live_objects - t.heap.live_objects, live);
	CHECK_EQ(s.bad_frees - t.heap.bad_frees, bad);
	for (unsigned i = 0; i < SLOTS; i++) {
		if (slot[i].p) {
			CHECK(filled(slot[i].p, slot[i].size, slot[i].key));
			CHECK_EQ(kfree(slot[i].p), MM_OK);
		}
	}
	test_heap_end(&t);
}
