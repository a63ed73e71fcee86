/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap when there is no memory left, and when several CPUs use it at once. */
#define SUITE "heap_limits"
#include "tests/heap_fixture.h"
#include "arch/arch.h"
#include "mm/slab.h"
#if __STDC_HOSTED__
#include "arch/host/host.h"
#include <pthread.h>
#endif

/* ---- no memory --------------------------------------------------------------------------------------------------------- */

#define SINGLES 96

/*
 * Takes every free frame: SINGLES of them one by one (neighbours, if the allocator has that many), the rest in a list through
 * their first words.
 */
struct hog {
	struct frames *frames;
	pfn_t single[SINGLES];
	uint64_t blocks; /* physical address of the first, | order; 1: end */
};

static bool hog_make(struct hog *h, struct frames *f)
{
	pfn_t b;

	h->frames = f;
	h->blocks = UINT64_MAX;
	for (unsigned i = 0; i < SINGLES; i++) {
		if (frames_alloc(f, 0, 0, TAG_TEST, &h->single[i]) != MM_OK)
			return false;
	}
	for (int order = MAX_ORDER; order >= 0; order--) {
		while (frames_alloc(f, (unsigned)order, 0, TAG_TEST, &b) == MM_OK) {
			*(uint64_t *)phys_to_virt(pfn_to_paddr(b)) = h->blocks;
			h->blocks = pfn_to_paddr(b).v | (unsigned)order;
		}
	}
	return true;
}

/* The singles have been given back by the caller. */
static void hog_drop(struct hog *h)
{
	while (h->blocks != UINT64_MAX) {
		uint64_t b = h->blocks;

		h->blocks = *(uint64_t *)phys_to_virt(paddr(b & ~PAGE_MASK));
		CHECK_EQ(frames_free(h->frames, pfn(b >> PAGE_SHIFT), b & PAGE_MASK), MM_OK);
	}
}

/* One alloc of every kind, all held; what fails must change nothing. Returns how many succeeded. */
static unsigned exhausting_script(struct held **list)
{
	static const size_t sizes[] = { 16, 9000, 64, 100, 1000, 5000, 17000, 2048, 8192, 40000, 32, 3000 };
	unsigned done = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct heap_stats before, after;
		void *p, *q;

		heap_get_stats(&before);
		p = i % 3 == 0 ? kmalloc(sizes[i]) : i % 3 == 1 ? kzalloc(sizes[i]) : kmalloc_aligned(sizes[i], 64);
		heap_get_stats(&after);
		CHECK_EQ(after.live_objects, before.live_objects + (p != NULL));
		CHECK_EQ(after.failures, before.failures + (p == NULL));
		if (!p)
			continue;
		fill(p, sizes[i], i);
		q = krealloc(p, sizes[i] * 3);
		heap_get_stats(&after);
		CHECK_EQ(after.live_objects, before.live_objects + 1);
		CHECK(filled(q ? q : p, sizes[i], i));
		if (q)
			p = q;
		q = krealloc(p, sizes[i] * 5 / 8); /* shrinking does not fail */
		CHECK(q != NULL);
		hold(list, q);
		done++;
	}
	return done;
}

TEST(HP19, "exhaustion with k frames left, for every k: a failing call changes nothing, and everything comes back")
{
	struct test_heap t = test_heap_begin();
	struct held *full = NULL;
	struct hog hog;
	unsigned least = 0, most = 0;

	CHECK_OR_RETURN(hog_make(&hog, t.frames));
	/* The reservation too, to the last object of each class, from large to small. */
	for (size_t size = SLAB_MAX_SIZE; size >= 16; size -= 16) {
		void *p;

		while ((p = kmalloc(size)) != NULL)
			hold(&full, p);
	}
	CHECK_EQ(heap_validate(), MM_OK);

	for (unsigned k = 0; k <= SINGLES; k++) {
		struct held *list = NULL;
		unsigned done;
		pfn_t extra;

		for (unsigned i = 0; i < k; i++)
			CHECK_EQ(frames_free(t.frames, hog.single[i], 0), MM_OK);
		done = exhausting_script(&list);
		if (k == 0)
			least = done;
		most = done;
		if (k % 16 == 0)
			CHECK_EQ(heap_validate(), MM_OK);
		while (list) {
			void *p = let_go(&list);

			CHECK_EQ(kfree(p), MM_OK);
		}
		heap_shrink();
		/* Exactly the k frames are free again. */
		for (unsigned i = 0; i < k; i++)
			CHECK_EQ(frames_alloc(t.frames, 0, 0, TAG_TEST, &hog.single[i]), MM_OK);
		CHECK_EQ(frames_alloc(t.frames, 0, 0, TAG_TEST, &extra), MM_ENOMEM);
	}
	CHECK_EQ(least, 0);
	CHECK(most > 4);

	while (full) {
		void *p = let_go(&full);

		CHECK_EQ(kfree(p), MM_OK);
	}
	for (unsigned i = 0; i < SINGLES; i++)
		CHECK_EQ(frames_free(t.frames, hog.single[i], 0), MM_OK);
	hog_drop(&hog);
	test_heap_end(&t);
}

TEST(HP19, "when frames have nothing left, empty slabs that other classes keep are used before kmalloc fails")
{
	struct test_heap t = test_heap_begin();
	struct held *full = NULL;
	struct hog hog;
	struct heap_stats s;
	pfn_t block;
	void *p, *q;

	CHECK_OR_RETURN(frames_alloc(t.frames, 6, 0, TAG_TEST, &block) == MM_OK);
	p = kmalloc(4096);
	CHECK_OR_RETURN(p && kfree(p) == MM_OK); /* 8 pages: an empty slab stays */
	CHECK_OR_RETURN(hog_make(&hog, t.frames));
	while ((q = kmalloc(16)) != NULL)
		hold(&full, q);
	CHECK(kmalloc(4096) == NULL); /* its pages are full of small objects now */
	/* The same for a large one: a region that was added goes back with its empty slab. */
	CHECK_EQ(frames_free(t.frames, block, 6), MM_OK);
	p = kmalloc(8192);
	CHECK(p != NULL);
	CHECK_EQ(kfree(p), MM_OK);
	heap_get_stats(&s);
	CHECK_EQ(s.grown_bytes - t.heap.grown_bytes, PAGE_SIZE << 6);
	p = kmalloc(PAGE_SIZE << 6);
	CHECK(p != NULL);
	CHECK_EQ(kfree(p), MM_OK);
	while (full) {
		q = let_go(&full);
		CHECK_EQ(kfree(q), MM_OK);
	}
	for (unsigned i = 0; i < SINGLES; i++)
		CHECK_EQ(frames_free(t.frames, hog.single[i], 0), MM_OK);
	hog_drop(&hog);
	test_heap_end(&t);
}

/* ---- several CPUs ------------------------------------------------------------------------------------------------------ */

#if __STDC_HOSTED__

#define THREADS 4
#define SHARED 512

static struct {
	void *object[SHARED];
	unsigned freed[THREADS];
	unsigned refused[THREADS];
	unsigned wrong[THREADS];
	unsigned ready;
} race;

static void wait_for_all(unsigned round)
{
	__atomic_add_fetch(&race.ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&race.ready, __ATOMIC_SEQ_CST) < round * THREADS)
		arch_cpu_relax();
}

/* Each thread works on objects of its own, small and large, then all free the same ones. */
static void *race_thread(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	uint64_t seed = me * 977 + 1;
	struct {
		void *p;
		size_t size;
	} mine[32] = { 0 };

	host_set_cpu_id(me);
	wait_for_all(1);
	for (unsigned step = 0; step < 3000; step++) {
		unsigned i;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		i = (seed >> 33) % ARRAY_SIZE(mine);
		if (mine[i].p) {
			race.wrong[me] += !filled(mine[i].p, mine[i].size, me);
			race.wrong[me] += kfree(mine[i].p) != MM_OK;
			mine[i].p = NULL;
		} else {
			mine[i].size = (seed >> 40) % (step % 16 ? 600 : 20000) + 1;
			mine[i].p = kmalloc(mine[i].size);
			if (mine[i].p)
				fill(mine[i].p, mine[i].size, me);
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(mine); i++)
		race.wrong[me] += kfree(mine[i].p) != MM_OK;

	wait_for_all(2);
	for (unsigned i = 0; i < SHARED; i++) {
		int err = kfree(race.object[i]);

		race.freed[me] += err == MM_OK;
		race.refused[me] += err == MM_EDOUBLE;
	}
	race.wrong[me] += host_irq_depth() != 0;
	return NULL;
}

/* Log lines of bad frees, from several threads: not kept. */
static void discard(const char *line, size_t n)
{
	(void)line;
	(void)n;
}

static struct spinlock log_spinlock;

static unsigned long lock_log(void) NO_THREAD_SAFETY_ANALYSIS
{
	return spin_lock(&log_spinlock);
}

static void unlock_log(unsigned long state) NO_THREAD_SAFETY_ANALYSIS
{
	spin_unlock(&log_spinlock, state);
}

TEST_ON(TAP_HOST, HP21,
	"several CPUs at once: of frees of the same object exactly one succeeds; nothing is lost or mixed up")
{
	struct test_heap t = test_heap_begin();
	log_sink_fn outer = log_sink();
	pthread_t thread[THREADS];
	unsigned freed = 0, refused = 0, wrong = 0;

	memset(&race, 0, sizeof(race));
	log_set_lock(lock_log, unlock_log);
	log_set_sink(discard);
	for (unsigned i = 0; i < SHARED; i++) {
		race.object[i] = kmalloc(i % 8 ? 24 * (i % 40 + 1) : 9000);
		CHECK(race.object[i] != NULL);
	}
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&thread[i], NULL, race_thread, (void *)i), 0);
	while (__atomic_load_n(&race.ready, __ATOMIC_SEQ_CST) < 2 * THREADS) {
		CHECK_EQ(heap_validate(), MM_OK); /* exact while the others go on */
		arch_cpu_relax();
	}
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(thread[i], NULL), 0);
	log_set_sink(outer);
	log_set_lock(NULL, NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		freed += race.freed[i];
		refused += race.refused[i];
		wrong += race.wrong[i];
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(freed, SHARED);
	CHECK_EQ(refused, SHARED * (THREADS - 1));
	test_heap_end(&t);
}

#endif
