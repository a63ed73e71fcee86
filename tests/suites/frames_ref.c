/* SPDX-License-Identifier: BSD-2-Clause */
/* References to blocks: counted to the last one, from several CPUs, also by those who only look whether a block is there. */
#define SUITE "frames_ref"
#include "tests/suites/frames_world.h"

#if __STDC_HOSTED__
#include "arch/host/host.h"
#include <pthread.h>
#include <sched.h>
#endif

static struct world w;

static uint32_t references(uint64_t n)
{
	struct frame_info info;

	frames_query(&w.f, pfn(n), &info);
	return info.ref;
}

TEST(FR1, "a block of any order has as many references as it was given, and what its owner keeps there stays")
{
	struct span bank = { FRAME(GIB(1)) + 5, 0x2000 };
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned order = 0; order < 12; order++) {
		bool freed = true;
		struct page *page;

		CHECK_OR_RETURN(world_alloc(&w, order, 0, TAG_HEAP, &f));
		page = frames_page(&w.f, f);
		CHECK_OR_RETURN(page != NULL);
		page->aux = 0xfedc;
		for (unsigned i = 2; i < 10; i++) {
			CHECK_EQ(frames_get(&w.f, f), MM_OK);
			CHECK_EQ(references(f.n), i);
		}
		CHECK_EQ(page->aux, 0xfedc);
		CHECK_EQ(page->tag, TAG_HEAP);
		/* As long as there are others nobody frees it. */
		world_log_begin();
		CHECK_EQ(frames_free(&w.f, f, order), MM_EBUSY);
		CHECK_EQ(frames_free_exact(&w.f, f, (uint64_t)1 << order), MM_EBUSY);
		CHECK_EQ(world_log_end(), 2);
		for (unsigned i = 9; i > 1; i--) {
			CHECK_EQ(references(f.n), i);
			CHECK_EQ(frames_put(&w.f, f, i % 2 ? &freed : NULL), MM_OK);
			CHECK(i % 2 == 0 || !freed);
		}
		CHECK_EQ(references(f.n), 1);
		CHECK_EQ(frames_put(&w.f, f, &freed), MM_OK);
		CHECK(freed);
		CHECK_EQ(model_free(&w.model, f.n, order), MM_OK);
		world_check(&w);
	}
}

TEST(FR1, "one reference more than 2^32 - 1 is refused, and all of them can be given back")
{
	struct span bank = { FRAME(GIB(1)), 0x40 };
	uint64_t before;
	struct page *page;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_OR_RETURN(world_alloc(&w, 2, 0, TAG_HEAP, &f));
	page = frames_page(&w.f, f);
	page->ref = UINT32_MAX - 1;
	page->aux = 1;
	CHECK_EQ(frames_get(&w.f, f), MM_OK);
	CHECK_EQ(page->ref, UINT32_MAX);
	before = world_sum(&w);
	world_log_begin();
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(frames_get(&w.f, f), MM_EOVERFLOW);
	CHECK_EQ(world_log_end(), 0);
	CHECK(world_sum(&w) == before);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	CHECK_EQ(frames_put(&w.f, f, NULL), MM_OK);
	CHECK_EQ(page->ref, UINT32_MAX - 1);
	CHECK_EQ(page->aux, 1);
	page->ref = 1;
	CHECK_EQ(frames_put(&w.f, f, NULL), MM_OK);
	CHECK_EQ(model_free(&w.model, f.n, 2), MM_OK);
	world_check(&w);
}

static int bad_put(uint64_t n)
{
	uint64_t before = world_sum(&w);
	bool freed = true;
	int err;

	world_log_begin();
	err = frames_put(&w.f, pfn(n), &freed);
	CHECK_EQ(world_log_end(), 1);
	CHECK(contains(world_line, "frames: bad free of 0x"));
	CHECK(!freed);
	CHECK(world_sum(&w) == before);
	return err;
}

static int bad_get(uint64_t n)
{
	uint64_t before = world_sum(&w);
	int err = frames_get(&w.f, pfn(n));

	CHECK(world_sum(&w) == before);
	return err;
}

TEST(FR2, "references to what is no allocated block's first frame: each has its error, nothing changes")
{
	struct span banks[] = { { FRAME(GIB(1)) + 0x10, 0x100 },
				{ FRAME(GIB(2)), SECTION_PAGES },
				{ FRAME(GIB(3)), 0x40 } };
	const uint64_t at = banks[0].start;
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 3);
	world_add(&w, at, 0x80);
	world_add(&w, banks[1].start, SECTION_PAGES);
	CHECK(world_take(&w, at, 3, TAG_STACK));
	CHECK_EQ(bad_get(at + 8), MM_EDOUBLE);
	CHECK_EQ(bad_put(at + 8), MM_EDOUBLE);
	CHECK_EQ(bad_get(at + 9), MM_EDOUBLE);
	CHECK_EQ(bad_get(at + 1), MM_EINTERIOR);
	CHECK_EQ(bad_put(at + 7), MM_EINTERIOR);
	CHECK(contains(world_line, "tag stack"));
	CHECK_EQ(bad_get(at + 0x80), MM_ERESERVED);
	CHECK_EQ(bad_put(at + 0xff), MM_ERESERVED);
	CHECK_EQ(bad_get(at - 1), MM_EFOREIGN); /* a record of garbage, not read */
	CHECK_EQ(bad_put(at - 1), MM_EFOREIGN);
	CHECK_EQ(bad_put(at + 0x100), MM_EFOREIGN);
	CHECK_EQ(bad_get(banks[2].start), MM_ERESERVED); /* absent */
	CHECK_EQ(bad_put(banks[2].start), MM_ERESERVED);
	CHECK_EQ(bad_get(0), MM_EFOREIGN);
	CHECK_EQ(bad_put(UINT64_MAX), MM_EFOREIGN);
	CHECK_EQ(bad_put(FRAME(GIB(1)) + ((uint64_t)1 << 52)), MM_EFOREIGN);
	CHECK_EQ(bad_get(UINT64_MAX), MM_EFOREIGN);
	CHECK_EQ(bad_get(banks[1].start), MM_EDOUBLE); /* untouched: its record was never written */
	CHECK_EQ(bad_put(banks[1].start), MM_EDOUBLE);
	CHECK_EQ(bad_put(banks[1].start + 77), MM_EDOUBLE);
	frames_page(&w.f, pfn(at))->ref = 0;
	CHECK_EQ(bad_get(at), MM_EBUSY);
	CHECK_EQ(bad_put(at), MM_EBUSY);
	frames_page(&w.f, pfn(at))->ref = 1;
	/* A whole section has one record, the others were never written. */
	CHECK_OR_RETURN(frames_alloc(&w.f, MAX_ORDER, 0, TAG_USER, &f) == MM_OK);
	CHECK_EQ(bad_get(f.n + 1), MM_EINTERIOR);
	CHECK_EQ(bad_put(f.n + SECTION_PAGES - 1), MM_EINTERIOR);
	CHECK_EQ(frames_get(&w.f, f), MM_OK);
	CHECK_EQ(references(f.n), 2);
	world_log_begin();
	CHECK_EQ(frames_free(&w.f, f, MAX_ORDER), MM_EBUSY);
	CHECK_EQ(world_log_end(), 1);
	CHECK_EQ(frames_put(&w.f, f, NULL), MM_OK);
	CHECK_EQ(frames_put(&w.f, f, NULL), MM_OK);
	CHECK_EQ(w.sections[2] & SECTION_STATE_MASK, SECTION_UNTOUCHED);
	CHECK_EQ(bad_put(f.n), MM_EDOUBLE);
	CHECK_EQ(bad_get(f.n), MM_EDOUBLE);
	world_check(&w);
}

TEST(FR2, "the last reference gives single frames and 2 MiB to the CPU's cache, in which they are free")
{
	static struct {
		_Alignas(64) char bytes[FRAMES_CPU_BYTES];
	} memory;
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };
	struct frames_cpu_stats s;
	bool freed;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory), MM_OK);
	for (unsigned order = 0; order < 10; order += 9) {
		CHECK_EQ(frames_alloc(&w.f, order, 0, TAG_TEST, &f), MM_OK);
		CHECK_EQ(frames_get(&w.f, f), MM_OK);
		CHECK_EQ(frames_put(&w.f, f, &freed), MM_OK);
		CHECK_EQ(frames_put(&w.f, f, &freed), MM_OK);
		CHECK(freed);
		CHECK_EQ(frames_get(&w.f, f), MM_EDOUBLE);
		world_log_begin();
		CHECK_EQ(frames_put(&w.f, f, &freed), MM_EDOUBLE);
		CHECK_EQ(world_log_end(), 1);
	}
	CHECK(frames_get_cpu_stats(&w.f, 0, &s));
	CHECK_EQ(s.pages, 64);
	CHECK(s.blocks > 0);
	frames_drain(&w.f);
	world_check(&w);
}

/* ---- several CPUs ------------------------------------------------------------------------------------------------ */

#if __STDC_HOSTED__

#define THREADS 4
#define ROUNDS 400
#define LOOKS 8000

static const unsigned orders[] = { 0, 3, 9, MAX_ORDER };

static struct {
	uint64_t block[ARRAY_SIZE(orders)]; /* first frame; UINT64_MAX: none now */
	unsigned freed, wrong;
	pthread_barrier_t start, end;
} shared;

static struct {
	_Alignas(64) char bytes[FRAMES_CPU_BYTES];
} memories[THREADS];

static void count(unsigned *what, bool is)
{
	__atomic_fetch_add(what, is, __ATOMIC_RELAXED);
}

/* Everybody has one reference of each block, gets and gives back others, and lets it go. */
static void *holder(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;
	uint64_t seed = id;

	host_set_cpu_id(id);
	count(&shared.wrong, frames_cpu_online(&w.f, id, 0, &memories[id]) != MM_OK);
	for (unsigned round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&shared.start);
		for (unsigned b = 0; b < ARRAY_SIZE(orders); b++) {
			pfn_t f = pfn(shared.block[b]);
			unsigned mine = 1;
			bool freed = false;

			for (unsigned i = 0; i < 6; i++) {
				if (chance(&seed) % 2) {
					count(&shared.wrong, frames_get(&w.f, f) != MM_OK);
					mine++;
				} else if (mine > 1) {
					count(&shared.wrong, frames_put(&w.f, f, &freed) != MM_OK || freed);
					mine--;
				}
			}
			while (mine--) {
				count(&shared.wrong, freed || frames_put(&w.f, f, &freed) != MM_OK);
				count(&shared.freed, freed);
			}
		}
		pthread_barrier_wait(&shared.end);
	}
	count(&shared.wrong, frames_cpu_offline(&w.f) != MM_OK);
	return NULL;
}

TEST_ON(TAP_HOST, FR10, "four CPUs get and put references of the same blocks: exactly one of them frees each block")
{
	struct span bank = { FRAME(GIB(1)), 2 * SECTION_PAGES };
	pthread_t thread[THREADS];
	struct frames_stats stats;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	memset(&shared, 0, sizeof(shared));
	pthread_barrier_init(&shared.start, NULL, THREADS + 1);
	pthread_barrier_init(&shared.end, NULL, THREADS + 1);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_OR_RETURN(!pthread_create(&thread[i], NULL, holder, (void *)(uintptr_t)i));
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned b = 0; b < ARRAY_SIZE(orders); b++) {
			pfn_t f = pfn(0);

			count(&shared.wrong, frames_alloc(&w.f, orders[b], 0, TAG_TEST, &f) != MM_OK);
			for (unsigned i = 1; i < THREADS; i++)
				count(&shared.wrong, frames_get(&w.f, f) != MM_OK);
			shared.block[b] = f.n;
		}
		pthread_barrier_wait(&shared.start);
		pthread_barrier_wait(&shared.end);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(shared.wrong, 0);
	CHECK_EQ(shared.freed, ROUNDS * ARRAY_SIZE(orders));
	frames_get_stats(&w.f, &stats);
	CHECK_EQ(stats.bad_frees, 0);
	CHECK_EQ(stats.free_pages, bank.pages);
	world_check(&w);
}

static bool looking;

/* Looks for blocks that others free, and lets go at once what it got. */
static void *looker(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;

	host_set_cpu_id(id);
	while (__atomic_load_n(&looking, __ATOMIC_RELAXED))
		for (unsigned b = 0; b < ARRAY_SIZE(orders); b++) {
			uint64_t n = __atomic_load_n(&shared.block[b], __ATOMIC_RELAXED);
			bool freed;

			if (n == UINT64_MAX || frames_get(&w.f, pfn(n)))
				continue;
			count(&shared.wrong, frames_put(&w.f, pfn(n), &freed) != MM_OK);
			count(&shared.freed, freed);
		}
	return NULL;
}

TEST_ON(TAP_HOST, FR11,
	"whoever gets a reference while the last one goes has it or finds the block free, and nothing is lost")
{
	struct span bank = { FRAME(GIB(8)), 5 * SECTION_PAGES };
	pthread_t thread[2];
	struct frames_stats stats;
	uint64_t met = 0;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	memset(&shared, 0, sizeof(shared));
	memset(shared.block, 0xff, sizeof(shared.block));
	looking = true;
	for (unsigned i = 0; i < 2; i++)
		CHECK_OR_RETURN(!pthread_create(&thread[i], NULL, looker, (void *)(uintptr_t)(i + 1)));
	for (unsigned round = 0; round < LOOKS; round++) {
		unsigned b = round % ARRAY_SIZE(orders);
		bool freed = false;
		pfn_t f = pfn(0);

		count(&shared.wrong, frames_alloc(&w.f, orders[b], 0, TAG_TEST, &f) != MM_OK);
		__atomic_store_n(&shared.block[b], f.n, __ATOMIC_RELAXED);
		if (round % 3 == 0)
			sched_yield();
		count(&shared.wrong, frames_put(&w.f, f, &freed) != MM_OK);
		count(&shared.freed, freed);
		met += !freed;
	}
	__atomic_store_n(&looking, false, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(shared.wrong, 0);
	CHECK_EQ(shared.freed, LOOKS);
	frames_get_stats(&w.f, &stats);
	CHECK_EQ(stats.bad_frees, 0);
	CHECK_EQ(stats.free_pages, bank.pages);
	world_check(&w);
	tap_note("%u times somebody else had the last reference", (unsigned)met);
}

#endif
