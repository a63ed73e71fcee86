/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every CPU at once, and its timer's interrupt handler on top of it, take page frames and give them back; most blocks are
 * given back by another CPU than the one that took them. Blocks change hands in an array of slots: whoever puts one in takes
 * out what was there and frees it. Every page of a block is stamped by its taker and looked at before it is freed, so that a
 * page that two have at once shows. In the end all stop, the state must validate, and every page must be back.
 *
 * Nothing is measured in time: each CPU goes on until it has done its rounds and its handler has come often enough.
 */
#define SUITE "stress"
#include "lib/tap.h"

#if defined(__aarch64__) && !__STDC_HOSTED__

#include "arch/aarch64/timer.h"
#include "arch/arch.h"
#include "boot/boot.h"
#include "boot/irq.h"
#include "boot/smp.h"
#include "mm/frames.h"
#include "mm/heap.h"

#define STEPS_ALL 60000 /* of all CPUs together */
#define STEPS_MIN 600	/* of one CPU */
#define TICKS_MIN 40	/* of one CPU */
#define BURST 150	/* single frames that a CPU holds at once: more than a batch of the per-CPU caches, twice */
#define SLOTS_EACH 8
#define ORDER_2M 9

/* What one context (main loop or handler of one CPU) works with, in cache lines of its own. */
struct worker {
	uint64_t random;
	uint32_t serial;
	uint32_t name; /* CPU and context */
	uint64_t taken[MAX_ORDER + 1];
	uint64_t freed;
	uint64_t remote; /* of them: taken by another worker */
	uint64_t none;	 /* requests for which there was no memory */
	uint64_t bad;
	/* The first bad one: what was done, the block's word, what was found. */
	const char *what;
	uint64_t block, found;
} __attribute__((aligned(64)));

struct cpu_work {
	struct worker loop, handler;
	uint64_t ticks;
	uint64_t journeys; /* away and back */
	uint64_t held[BURST];
	paddr_t pages[BURST];
};

static struct cpu_work *work;
static uint64_t *slots;
static uint64_t slot_count;
static uint64_t steps_each;
static uint64_t tick_least, tick_spread; /* counter ticks from one interrupt to the next: at least, and how much more */

/* xorshift64*: the high bits are good. */
static uint64_t random(struct worker *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * 0x2545f4914f6cdd1d >> 20;
}

static void complain(struct worker *w, const char *what, uint64_t block, uint64_t found)
{
	if (w->bad++ == 0) {
		w->what = what;
		w->block = block;
		w->found = found;
	}
}

/* ---- blocks ------------------------------------------------------------------------------------------------------------ */

/* A block in one word, never 0: 63:28 frame, 27:23 order, 22:13 worker, 12:1 serial, 0 set. */
static uint64_t block_word(struct worker *w, pfn_t f, unsigned order)
{
	return f.n << 28 | (uint64_t)order << 23 | (uint64_t)w->name << 13 | (uint64_t)(w->serial++ & 0xfff) << 1 | 1;
}

static pfn_t block_pfn(uint64_t block)
{
	return pfn(block >> 28);
}

static unsigned block_order(uint64_t block)
{
	return block >> 23 & 0x1f;
}

static uint32_t block_owner(uint64_t block)
{
	return block >> 13 & 0x3ff;
}

static uint64_t stamp_of(uint64_t block, uint64_t page)
{
	return (block ^ page * 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
}

static volatile uint64_t *page_words(uint64_t block, uint64_t page)
{
	return phys_to_virt(pfn_to_paddr(pfn(block_pfn(block).n + page)));
}

/* The first and the last word of each page. */
static void stamp(uint64_t block)
{
	for (uint64_t page = 0; page < (uint64_t)1 << block_order(block); page++) {
		volatile uint64_t *p = page_words(block, page);

		p[0] = stamp_of(block, page);
		p[PAGE_SIZE / 8 - 1] = ~stamp_of(block, page);
	}
}

static void check_stamp(struct worker *w, uint64_t block)
{
	for (uint64_t page = 0; page < (uint64_t)1 << block_order(block); page++) {
		volatile uint64_t *p = page_words(block, page);

		if (p[0] != stamp_of(block, page))
			complain(w, "first word of a page", block, p[0]);
		if (p[PAGE_SIZE / 8 - 1] != ~stamp_of(block, page))
			complain(w, "last word of a page", block, p[PAGE_SIZE / 8 - 1]);
	}
}

static void check_zero(struct worker *w, uint64_t block)
{
	volatile uint64_t *p = page_words(block, 0);

	for (unsigned i = 0; i < (PAGE_SIZE << block_order(block)) / 8; i++) {
		if (p[i] != 0) {
			complain(w, "zeroed memory", block, p[i]);
			return;
		}
	}
}

/* Most are single frames; some 2 to 8, a few 512. */
static unsigned some_order(uint64_t r)
{
	r &= 0xff;
	return r < 176 ? 0 : r < 252 ? 1 + r % 3 : ORDER_2M;
}

/* What the allocator was asked for by another name than frames_alloc(). */
static int take_short(unsigned order, pfn_t *out)
{
	paddr_t pa = order == 0 ? frames_alloc_page(boot.frames, TAG_TEST) : frames_alloc_2m(boot.frames, TAG_TEST);

	if (!frames_is_page(pa))
		return MM_ENOMEM;
	*out = paddr_to_pfn(pa);
	return MM_OK;
}

static int give_short(unsigned order, pfn_t f)
{
	return order == 0 ? frames_free_page(boot.frames, pfn_to_paddr(f))
			  : frames_free_2m(boot.frames, pfn_to_paddr(f));
}

static bool has_short(unsigned order)
{
	return order == 0 || order == ORDER_2M;
}

/* The frames are the worker's now. */
static uint64_t taken(struct worker *w, pfn_t f, unsigned order, bool zero)
{
	uint64_t block = block_word(w, f, order);

	w->taken[order]++;
	if (zero)
		check_zero(w, block);
	stamp(block);
	return block;
}

/* A stamped block, or 0: there is no memory for it. */
static uint64_t take(struct worker *w, unsigned order, bool zero)
{
	pfn_t f;
	int err = !zero && has_short(order) && random(w) % 2
			  ? take_short(order, &f)
			  : frames_alloc(boot.frames, order, zero ? FRAMES_ZERO : 0, TAG_TEST, &f);

	if (err == MM_ENOMEM) {
		w->none++;
		return 0;
	}
	if (err) {
		complain(w, "alloc", order, (uint64_t)err);
		return 0;
	}
	return taken(w, f, order, zero);
}

/* The last reference goes, after one that came on top of it. */
static int put_twice(pfn_t f)
{
	bool freed = true;
	int err = frames_get(boot.frames, f);

	if (!err)
		err = frames_put(boot.frames, f, &freed);
	if (!err && freed)
		return MM_EBUSY;
	if (!err)
		err = frames_put(boot.frames, f, &freed);
	return !err && !freed ? MM_EBUSY : err;
}

static void give(struct worker *w, uint64_t block)
{
	unsigned order = block_order(block), how = random(w) % 8;
	pfn_t f = block_pfn(block);
	int err;

	check_stamp(w, block);
	if (how == 0)
		err = put_twice(f);
	else if (how < 4 && has_short(order))
		err = give_short(order, f);
	else
		err = frames_free(boot.frames, f, order);
	if (err)
		complain(w, "free", block, (uint64_t)err);
	w->freed++;
	w->remote += block_owner(block) != w->name;
}

/* ---- what a worker does ------------------------------------------------------------------------------------------------ */

/* Takes a block, leaves it for somebody else, and frees what somebody else has left. */
static void exchange(struct worker *w)
{
	uint64_t r = random(w);
	unsigned order = some_order(r);
	uint64_t block = take(w, order, order < 2 && (r >> 8) % 16 == 0);
	uint64_t old = __atomic_exchange_n(&slots[(r >> 16) % slot_count], block, __ATOMIC_ACQ_REL);

	if (old)
		give(w, old);
}

/* Takes many single frames, one by one, and gives them back in another order. */
static void burst(struct worker *w, uint64_t held[BURST])
{
	unsigned n = 0;

	while (n < BURST && (held[n] = take(w, 0, false)) != 0)
		n++;
	for (unsigned i = 0; n != 0; n--) {
		uint64_t block;

		i = (unsigned)(random(w) % n);
		block = held[i];
		held[i] = held[n - 1];
		give(w, block);
	}
}

/* Many at once, and back at once. */
static void bulk(struct worker *w, uint64_t held[BURST], paddr_t pages[BURST])
{
	unsigned n = (unsigned)(1 + random(w) % BURST);
	int err = frames_alloc_bulk(boot.frames, n, 0, TAG_TEST, pages);

	if (err == MM_ENOMEM) {
		w->none++;
		return;
	}
	if (err) {
		complain(w, "bulk alloc", n, (uint64_t)err);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		held[i] = taken(w, paddr_to_pfn(pages[i]), 0, false);
	for (unsigned i = 0; i < n; i++)
		check_stamp(w, held[i]);
	err = frames_free_bulk(boot.frames, n, pages);
	if (err)
		complain(w, "bulk free", n, (uint64_t)err);
	w->freed += n;
}

/*
 * This CPU gives its cache away and works without for a while, interrupts included. Several may do so at once; nobody needs
 * new memory to come back.
 */
static void go_away(struct cpu_work *c)
{
	const struct cpu *cpu = this_cpu();
	int err;

	err = frames_cpu_offline(boot.frames);
	for (unsigned i = 0; i < 8; i++)
		exchange(&c->loop);
	if (!err)
		err = frames_cpu_start(boot.frames, cpu->index, cpu->node);
	if (err)
		complain(&c->loop, "offline and online", cpu->index, (uint64_t)err);
	c->journeys++;
}

/* What concerns all CPUs, from one of them in the middle of the others' work. */
static void look_after_all(struct cpu_work *c, uint64_t step)
{
	struct frames_stats stats;

	frames_get_stats(boot.frames, &stats);
	if (stats.free_pages > stats.total_pages)
		complain(&c->loop, "free pages", stats.free_pages, stats.total_pages);
	if (step == STEPS_MIN / 2 && frames_validate(boot.frames) != MM_OK)
		complain(&c->loop, "the state in the middle", step, 0);
}

static void set_timer(struct worker *w)
{
	timer_set(timer_now() + tick_least + random(w) % tick_spread);
}

static void tick(void)
{
	struct cpu_work *c = &work[arch_cpu_id()];

	for (uint64_t n = 1 + random(&c->handler) % 3; n != 0; n--)
		exchange(&c->handler);
	c->ticks++;
	set_timer(&c->handler);
}

static void run(void *arg)
{
	struct cpu_work *c = &work[arch_cpu_id()];
	bool ticks = irq_timer() != 0;

	(void)arg;
	if (ticks) {
		if (!irq_enable(irq_timer()))
			complain(&c->loop, "the timer's interrupt", 0, 0);
		set_timer(&c->handler);
		irq_unmask();
	}
	for (uint64_t step = 0;
	     step < steps_each || (ticks && __atomic_load_n(&c->ticks, __ATOMIC_RELAXED) < TICKS_MIN); step++) {
		if (step % 128 == 7)
			burst(&c->loop, c->held);
		else if (step % 128 == 47)
			bulk(&c->loop, c->held, c->pages);
		else if (step % 128 == 87)
			go_away(c);
		else if (step % 512 == 200)
			(void)frames_drain(boot.frames); /* the others' caches, while they use them */
		else if (arch_cpu_id() == 0 && step % (STEPS_MIN / 2) == 0)
			look_after_all(c, step);
		else
			exchange(&c->loop);
	}
	(void)arch_irq_save();
	timer_stop();
	irq_disable(irq_timer());
}

/* ---- the test ---------------------------------------------------------------------------------------------------------- */

static bool begin(uint64_t steps_all)
{
	unsigned cpus = boot.cpus_online;
	/* One host thread plays them all when there are many: what is often for each is seldom for all. */
	uint64_t usec = cpus > 4 ? cpus / 4 : 1;

	slot_count = SLOTS_EACH * cpus;
	steps_each = max_u64(steps_all / cpus, STEPS_MIN);
	tick_least = timer_hz() * usec / 20000 + 1;
	tick_spread = 3 * tick_least;
	work = kcalloc(cpus, sizeof(*work));
	slots = kcalloc(slot_count, sizeof(*slots));
	for (unsigned i = 0; work && i < cpus; i++) {
		work[i].loop.name = 2 * i;
		work[i].handler.name = 2 * i + 1;
		work[i].loop.random = 2 * i + 1000;
		work[i].handler.random = 2 * i + 1001;
	}
	return work && slots;
}

struct sums {
	uint64_t blocks, large, remote, none, ticks, journeys, least_ticks;
};

static void add_worker(struct sums *sum, const struct worker *w)
{
	if (w->bad)
		tap_note("worker %u: %llu faults, the first: %s of block 0x%llx: 0x%llx", w->name,
			 (unsigned long long)w->bad, w->what, (unsigned long long)w->block,
			 (unsigned long long)w->found);
	CHECK_EQ(w->bad, 0);
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		sum->blocks += w->taken[order];
	sum->large += w->taken[ORDER_2M];
	sum->remote += w->remote;
	sum->none += w->none;
}

/* Gives what is left in the slots back. */
static struct sums end(void)
{
	struct sums sum = { .least_ticks = UINT64_MAX };

	for (uint64_t i = 0; i < slot_count; i++) {
		if (slots[i])
			give(&work[0].loop, slots[i]);
	}
	for (unsigned i = 0; i < boot.cpus_online; i++) {
		add_worker(&sum, &work[i].loop);
		add_worker(&sum, &work[i].handler);
		sum.ticks += work[i].ticks;
		sum.journeys += work[i].journeys;
		sum.least_ticks = min_u64(sum.least_ticks, work[i].ticks);
		CHECK_EQ(smp_cpu(i)->unwanted, 0);
	}
	CHECK(sum.remote > 0 && sum.journeys > 0);
	CHECK(irq_timer() == 0 || sum.least_ticks >= TICKS_MIN);
	tap_note(
		"stress: %u CPUs, %llu blocks (%llu of 2 MiB), %llu freed by another, %llu times no memory, %llu interrupts",
		boot.cpus_online, (unsigned long long)sum.blocks, (unsigned long long)sum.large,
		(unsigned long long)sum.remote, (unsigned long long)sum.none, (unsigned long long)sum.ticks);
	return sum;
}

/* Runs it all. What is free is the same in the end, block by block: the caches are empty then, and before. */
static struct sums stress(void)
{
	struct frames_stats before, after;
	struct sums sum;

	(void)frames_drain(boot.frames);
	frames_get_stats(boot.frames, &before);
	if (irq_timer())
		CHECK_EQ(irq_handle(irq_timer(), tick), MM_OK);
	smp_run(run, NULL);
	if (irq_timer())
		CHECK_EQ(irq_handle(irq_timer(), NULL), MM_OK);
	sum = end();
	CHECK_EQ(frames_validate(boot.frames), MM_OK);
	frames_get_stats(boot.frames, &after);
	CHECK_EQ(after.free_pages, before.free_pages);
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		CHECK_EQ(after.free_blocks[order], before.free_blocks[order]);
	CHECK_EQ(after.bad_frees, before.bad_frees);
	CHECK_EQ(after.cached_pages, 0);
	CHECK_EQ(after.cpus, boot.cpus_online);
	return sum;
}

static void drop(void)
{
	CHECK_EQ(kfree(slots), MM_OK);
	CHECK_EQ(kfree(work), MM_OK);
}

TEST_ON(TAP_TARGET, BT58, "all CPUs and their interrupt handlers take and free frames across each other; all come back")
{
	CHECK_OR_RETURN(begin(STEPS_ALL));
	(void)stress();
	drop();
}

/* Takes blocks, largest first, until about `keep` frames are free; each holds the word of the one before it. */
static uint64_t take_all_but(uint64_t keep)
{
	struct worker nobody = { 0 };
	struct frames_stats stats;
	uint64_t list = 0;
	pfn_t f;

	for (int order = MAX_ORDER; order >= 0; order--) {
		for (;;) {
			frames_get_stats(boot.frames, &stats);
			if (stats.free_pages < keep + ((uint64_t)1 << order) ||
			    frames_alloc(boot.frames, (unsigned)order, 0, TAG_TEST, &f) != MM_OK)
				break;
			*page_words(f.n << 28, 0) = list;
			list = block_word(&nobody, f, (unsigned)order);
		}
	}
	return list;
}

static void give_all(uint64_t list)
{
	while (list) {
		uint64_t next = *page_words(list, 0);

		CHECK_EQ(frames_free(boot.frames, block_pfn(list), block_order(list)), MM_OK);
		list = next;
	}
}

TEST_ON(TAP_TARGET, BT58,
	"the same while there is hardly any memory: nobody gets what is not there, and caches are emptied")
{
	struct frames_stats before, after;
	struct sums sum;
	uint64_t list;

	CHECK_OR_RETURN(begin(STEPS_ALL / 4));
	(void)frames_drain(boot.frames);
	frames_get_stats(boot.frames, &before);
	list = take_all_but(before.reserve_pages + BURST / 2 + 24 * boot.cpus_online);
	sum = stress();
	CHECK(sum.none > 0);
	give_all(list);
	(void)frames_drain(boot.frames);
	frames_get_stats(boot.frames, &after);
	CHECK_EQ(after.free_pages, before.free_pages);
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		CHECK_EQ(after.free_blocks[order], before.free_blocks[order]);
	drop();
}

#endif
