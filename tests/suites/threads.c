/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page allocator on real threads, each a CPU of its own, everything at once. Owners write to their frames with plain
 * stores, so that ThreadSanitizer (make test-tsan) sees whether everything that one owner did comes before what the next
 * one does, whichever way the frame went: a stack, a batch, a bank, a drain from another CPU.
 */
#define SUITE "threads"
#include "lib/tap.h"

#if __STDC_HOSTED__

#include "arch/arch.h"
#include "arch/host/host.h"
#include "tests/suites/frames_world.h"
#include <pthread.h>
#include <sys/mman.h>

#define THREADS 4
#define STEPS 20000
#define HELD 48	 /* blocks that a thread keeps for itself, at most */
#define SLOTS 64 /* through which they give blocks to each other */
#define WHOLE_SECTION FRAME(GIB(4))
#define PARTS FRAME(GIB(1))
#define RAM_BYTES GIB(5)
#define IDLE_CPU (THREADS + 1) /* a CPU that stopped with a full cache */

static struct world w;

/* Pages of RAM: reserved, and touched where blocks begin and end. */
static uint64_t *ram;

static struct {
	_Alignas(64) char bytes[FRAMES_CPU_BYTES];
} cpu_memory[THREADS + 2];

/*
 * A block on its way to another thread: 0, or its first frame and its order in the low bits. With PARCEL_SHARED it is only
 * one reference to it: nobody may write, and the last one to go frees.
 */
static uint64_t slot[SLOTS];
#define PARCEL_SHARED 0x40
#define PARCEL(n, order) ((n) << 8 | (order) | 0x80)
#define PARCEL_FRAME(parcel) ((parcel) >> 8)
#define PARCEL_ORDER(parcel) ((unsigned)(parcel)&0x1f)

static struct {
	unsigned wrong;
	unsigned freed[THREADS * 16]; /* how often each of the blocks that all try to free was freed */
	unsigned here[THREADS * 16];  /* how many threads are about to do so */
	uint64_t block[THREADS * 16];
	unsigned order[THREADS * 16];
	unsigned blocks;
	pthread_barrier_t start, end;
	bool stop;
} shared;

static void expect(bool ok)
{
	if (!ok)
		__atomic_fetch_add(&shared.wrong, 1, __ATOMIC_RELAXED);
}

/* ---- what an owner does with its memory -------------------------------------------------------------------------- */

static uint64_t *first_word(uint64_t n)
{
	return &ram[n << (PAGE_SHIFT - 3)];
}

static void own(uint64_t n, unsigned order, uint64_t who)
{
	*first_word(n) = who;
	*first_word(n + ((uint64_t)1 << order) - 1) = who;
}

static bool is_mine(uint64_t n, unsigned order, uint64_t who)
{
	return *first_word(n) == who && *first_word(n + ((uint64_t)1 << order) - 1) == who;
}

/* ---- everything at once ------------------------------------------------------------------------------------------ */

struct thread {
	unsigned cpu;
	uint64_t seed;
	uint64_t held[HELD]; /* parcels */
	unsigned n;
	bool online;
};

static void take_block(struct thread *t)
{
	static const unsigned orders[] = { 0, 0, 0, 0, 0, 0, 1, 3, 9, 9, 5, 11 };
	unsigned order = orders[chance(&t->seed) % ARRAY_SIZE(orders)];
	unsigned flags = chance(&t->seed) % 8 ? 0 : FRAMES_BELOW_4G;
	pfn_t f;

	if (t->n == HELD || frames_alloc(&w.f, order, flags, TAG_USER + t->cpu, &f) != MM_OK)
		return;
	own(f.n, order, t->cpu);
	t->held[t->n++] = PARCEL(f.n, order);
}

static void take_many(struct thread *t)
{
	paddr_t pages[16];

	if (t->n + ARRAY_SIZE(pages) > HELD || frames_alloc_bulk(&w.f, ARRAY_SIZE(pages), 0, TAG_USER, pages) != MM_OK)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
		own(paddr_to_pfn(pages[i]).n, 0, t->cpu);
		t->held[t->n++] = PARCEL(paddr_to_pfn(pages[i]).n, 0);
	}
}

/* A block of its own, by chance; 0: none. */
static uint64_t drop(struct thread *t)
{
	unsigned k = t->n ? (unsigned)(chance(&t->seed) % t->n) : 0;
	uint64_t parcel;

	if (!t->n)
		return 0;
	parcel = t->held[k];
	t->held[k] = t->held[--t->n];
	return parcel;
}

static void give_back(struct thread *t)
{
	uint64_t parcel = drop(t);

	if (!parcel)
		return;
	expect(is_mine(PARCEL_FRAME(parcel), PARCEL_ORDER(parcel), t->cpu));
	own(PARCEL_FRAME(parcel), PARCEL_ORDER(parcel), 0);
	expect(frames_free(&w.f, pfn(PARCEL_FRAME(parcel)), PARCEL_ORDER(parcel)) == MM_OK);
}

/* The last one who has looked at a shared block frees it. */
static void let_go(struct thread *t, uint64_t parcel)
{
	uint64_t n = PARCEL_FRAME(parcel);
	unsigned order = PARCEL_ORDER(parcel);

	if (parcel & PARCEL_SHARED) {
		expect(*first_word(n) == *first_word(n + ((uint64_t)1 << order) - 1));
		expect(frames_put(&w.f, pfn(n), NULL) == MM_OK);
	} else {
		own(n, order, t->cpu);
		expect(frames_free(&w.f, pfn(n), order) == MM_OK);
	}
}

/* What is in the slot is somebody else's: it is freed here, on another CPU than it was taken on. */
static void exchange(struct thread *t, uint64_t parcel)
{
	parcel = __atomic_exchange_n(&slot[chance(&t->seed) % SLOTS], parcel, __ATOMIC_ACQ_REL);
	if (parcel)
		let_go(t, parcel);
}

/* One of two references goes to whoever finds it. */
static void share(struct thread *t)
{
	uint64_t parcel = drop(t);

	if (!parcel)
		return;
	expect(frames_get(&w.f, pfn(PARCEL_FRAME(parcel))) == MM_OK);
	exchange(t, parcel | PARCEL_SHARED);
	let_go(t, parcel | PARCEL_SHARED);
}

/* Comes and goes; without a cache it works on the banks. */
static void move(struct thread *t)
{
	if (t->online)
		expect(frames_cpu_offline(&w.f) == MM_OK);
	else
		expect(frames_cpu_online(&w.f, t->cpu, t->cpu % 2, &cpu_memory[t->cpu]) == MM_OK);
	t->online = !t->online;
}

static void *run(void *arg)
{
	struct thread t = { .cpu = (unsigned)(uintptr_t)arg, .seed = (uintptr_t)arg };

	host_set_cpu_id(t.cpu);
	move(&t);
	for (unsigned i = 0; i < STEPS; i++) {
		unsigned what = (unsigned)(chance(&t.seed) % 256);
		struct frame_info info;

		if (what < 100)
			take_block(&t);
		else if (what < 180)
			give_back(&t);
		else if (what < 230)
			exchange(&t, drop(&t));
		else if (what < 242)
			share(&t);
		else if (what < 248)
			take_many(&t);
		else if (what < 252)
			frames_drain(&w.f);
		else if (what < 254)
			frames_query(&w.f, pfn(WHOLE_SECTION + chance(&t.seed) % 1024), &info);
		else
			move(&t);
	}
	while (t.n)
		give_back(&t);
	for (unsigned i = 0; i < SLOTS; i++)
		exchange(&t, 0);
	/* Some go away, some are found stopped. */
	if (t.online && t.cpu % 2)
		move(&t);
	expect(host_irq_depth() == 0);
	return NULL;
}

static bool make_machine(void)
{
	static const struct span banks[] = { { WHOLE_SECTION, SECTION_PAGES }, { PARTS + 0x1234, 0x3000 } };

	memset(&shared, 0, sizeof(shared));
	memset(slot, 0, sizeof(slot));
	if (!world_make(&w, banks, ARRAY_SIZE(banks)))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(banks); i++)
		world_add(&w, banks[i].start, banks[i].pages);
	ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return ram != MAP_FAILED;
}

static void end_machine(void)
{
	munmap(ram, RAM_BYTES);
	test_arena_reset();
	host_set_cpu_id(0);
}

TEST_ON(TAP_HOST, PV2,
	"four CPUs do everything at once: no frame has two owners, each owner sees what the last one did")
{
	pthread_t thread[THREADS];
	struct frames_stats stats;
	unsigned started = 0;

	CHECK_OR_RETURN(make_machine());
	/* One more CPU has stopped with blocks in its cache: others drain it. */
	host_set_cpu_id(IDLE_CPU);
	CHECK_EQ(frames_cpu_online(&w.f, IDLE_CPU, 0, &cpu_memory[IDLE_CPU]), MM_OK);
	for (unsigned i = 0; i < 8; i++)
		CHECK_EQ(frames_free_page(&w.f, frames_alloc_page(&w.f, TAG_TEST)), MM_OK);
	host_set_cpu_id(0);
	while (started < THREADS && !pthread_create(&thread[started], NULL, run, (void *)(uintptr_t)(started + 1)))
		started++;
	CHECK_EQ(started, THREADS);
	for (unsigned i = 0; i < 20; i++) {
		frames_get_stats(&w.f, &stats);
		CHECK(stats.free_pages <= stats.total_pages);
		CHECK_EQ(frames_validate(&w.f), MM_OK);
	}
	for (unsigned i = 0; i < started; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(shared.wrong, 0);
	/* What the last ones left for each other. */
	for (unsigned i = 0; i < SLOTS; i++)
		if (slot[i])
			CHECK_EQ(frames_put(&w.f, pfn(PARCEL_FRAME(slot[i])), NULL), MM_OK);
	for (unsigned cpu = 1; cpu <= IDLE_CPU; cpu++)
		if (frames_cpu_dead(&w.f, cpu) == MM_OK)
			CHECK(cpu % 2 == 0 || cpu == IDLE_CPU);
	frames_get_stats(&w.f, &stats);
	CHECK_EQ(stats.cpus, 0);
	CHECK_EQ(stats.free_pages, stats.total_pages);
	CHECK_EQ(stats.bad_frees, 0);
	world_check(&w);
	end_machine();
}

/* ---- one block, freed by everybody ------------------------------------------------------------------------------- */

#define ROUNDS 400

static struct spinlock log_lock;

static unsigned long lock_log(void) NO_THREAD_SAFETY_ANALYSIS
{
	return spin_lock(&log_lock);
}

static void unlock_log(unsigned long state) NO_THREAD_SAFETY_ANALYSIS
{
	spin_unlock(&log_lock, state);
}

/* Returns when all have come here for the i-th block of the round, as nearly at once as can be. */
static void meet(unsigned i)
{
	unsigned spins = 0;

	__atomic_fetch_add(&shared.here[i], 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&shared.here[i], __ATOMIC_RELAXED) < THREADS)
		if (++spins % 256 == 0)
			arch_cpu_relax(); /* there may be fewer processors than threads */
}

static void *rival(void *arg)
{
	unsigned cpu = (unsigned)(uintptr_t)arg;

	host_set_cpu_id(cpu);
	expect(cpu == THREADS || frames_cpu_online(&w.f, cpu, 0, &cpu_memory[cpu]) == MM_OK);
	for (unsigned round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&shared.start);
		for (unsigned k = 0; k < shared.blocks; k++) {
			unsigned i = (k + round) % shared.blocks;
			pfn_t f = pfn(shared.block[i]);
			int err;

			meet(i);
			if ((round + i) % 3 == 0)
				err = frames_put(&w.f, f, NULL);
			else if ((round + i) % 3 == 1 || shared.order[i])
				err = frames_free(&w.f, f, shared.order[i]);
			else
				err = frames_free_bulk(&w.f, 1, &(paddr_t){ pfn_to_paddr(f).v });
			__atomic_fetch_add(&shared.freed[i], err == MM_OK, __ATOMIC_RELAXED);
			expect(err == MM_OK || err == MM_EDOUBLE || err == MM_EORDER || err == MM_EINTERIOR);
			/* What was freed may be on its way to a bank, or there: nobody allocates. */
			if (k % 8 == cpu)
				frames_drain(&w.f);
		}
		pthread_barrier_wait(&shared.end);
	}
	expect(host_irq_depth() == 0);
	return NULL;
}

TEST_ON(TAP_HOST, PV3, "of four CPUs that free the same block at once exactly one does, whatever the block and the way")
{
	static const unsigned orders[] = { 0, 0, 0, 0, 9, 0, 4, 0 };
	pthread_t thread[THREADS];
	struct frames_stats stats;
	unsigned twice = 0;

	CHECK_OR_RETURN(make_machine());
	pthread_barrier_init(&shared.start, NULL, THREADS + 1);
	pthread_barrier_init(&shared.end, NULL, THREADS + 1);
	log_set_lock(lock_log, unlock_log);
	world_log_begin();
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_OR_RETURN(!pthread_create(&thread[i], NULL, rival, (void *)(uintptr_t)(i + 1)));
	for (unsigned round = 0; round < ROUNDS; round++) {
		shared.blocks = ARRAY_SIZE(shared.block);
		for (unsigned i = 0; i < shared.blocks; i++) {
			pfn_t f = pfn(0);

			shared.order[i] = orders[i % ARRAY_SIZE(orders)];
			/* Half of them in the bank that has only a part of its section. */
			expect(frames_alloc(&w.f, shared.order[i], i % 2 ? FRAMES_BELOW_4G : 0, TAG_TEST, &f) == MM_OK);
			shared.block[i] = f.n;
			shared.freed[i] = shared.here[i] = 0;
		}
		pthread_barrier_wait(&shared.start);
		pthread_barrier_wait(&shared.end);
		for (unsigned i = 0; i < shared.blocks; i++)
			twice += shared.freed[i] != 1;
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(world_log_end(), (THREADS - 1) * ROUNDS * ARRAY_SIZE(shared.block));
	log_set_lock(NULL, NULL);
	CHECK_EQ(shared.wrong, 0);
	CHECK_EQ(twice, 0);
	frames_get_stats(&w.f, &stats);
	CHECK_EQ(stats.free_pages, stats.total_pages);
	CHECK_EQ(stats.bad_frees, (THREADS - 1) * ROUNDS * ARRAY_SIZE(shared.block));
	for (unsigned cpu = 1; cpu < THREADS; cpu++)
		CHECK_EQ(frames_cpu_dead(&w.f, cpu), MM_OK);
	pthread_barrier_destroy(&shared.start);
	pthread_barrier_destroy(&shared.end);
	world_check(&w);
	end_machine();
}

#endif
