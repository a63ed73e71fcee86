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

static void empty_slots(void)
{
	for (uint64_t i = 0; i < slot_count; i++) {
		if (slots[i])
			give(&work[0].loop, slots[i]);
		slots[i] = 0;
	}
}

static struct sums look_at_all(void)
{
	struct sums sum = { .least_ticks = UINT64_MAX };

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

/* What is free is what was free, block by block; the caches are empty, as they were. */
static void check_state(const struct frames_stats *before)
{
	struct frames_stats after;

	CHECK_EQ(frames_validate(boot.frames), MM_OK);
	(void)frames_drain(boot.frames);
	frames_get_stats(boot.frames, &after);
	CHECK_EQ(after.free_pages, before->free_pages);
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		CHECK_EQ(after.free_blocks[order], before->free_blocks[order]);
	CHECK_EQ(after.bad_frees, before->bad_frees);
	CHECK_EQ(after.cached_pages, 0);
	CHECK_EQ(after.cpus, boot.cpus_online);
}

static struct sums stress(void)
{
	struct frames_stats before;
	struct sums sum;

	(void)frames_drain(boot.frames);
	frames_get_stats(boot.frames, &before);
	if (irq_timer())
		CHECK_EQ(irq_handle(irq_timer(), tick), MM_OK);
	smp_run(run, NULL);
	if (irq_timer())
		CHECK_EQ(irq_handle(irq_timer(), NULL), MM_OK);
	empty_slots();
	sum = look_at_all();
	check_state(&before);
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
	struct frames_stats before;
	struct sums sum;
	uint64_t list;

	CHECK_OR_RETURN(begin(STEPS_ALL / 4));
	(void)frames_drain(boot.frames);
	frames_get_stats(boot.frames, &before);
	list = take_all_but(before.reserve_pages + BURST / 2 + 24 * boot.cpus_online);
	sum = stress();
	CHECK(sum.none > 0);
	give_all(list);
	check_state(&before);
	drop();
}

/* ---- an interrupt at each place ------------------------------------------------------------------------------------------ */

#define PLACES_PAST 16	 /* the interrupt came behind the operation, so often in a row: nothing of it is left */
#define PLACES_MAX 20000 /* for each operation */
#define INSNS 125000000	 /* a second, on a machine that counts instructions (tests/qemu/matrix.py) */
#define PLACES_PAGES 150 /* more than a cache holds */

enum place { PLACE_BEFORE, PLACE_INSIDE, PLACE_BEHIND };
static volatile enum place place, came_at;
static volatile uint64_t came;

static void come(void)
{
	struct cpu_work *c = &work[0];

	came_at = place;
	timer_stop();
	for (uint64_t n = 1 + random(&c->handler) % 3; n != 0; n--)
		exchange(&c->handler);
	came++;
}

static paddr_t place_pages[PLACES_PAGES];

static void nothing_before(void)
{
}

/* Pages go through the cache until that is as full as it gets; one is kept. */
static void full_cache(void)
{
	unsigned n = 0;

	while (n < PLACES_PAGES && frames_is_page(place_pages[n] = frames_alloc_page(boot.frames, TAG_TEST)))
		n++;
	while (n > 1)
		CHECK_EQ(frames_free_page(boot.frames, place_pages[--n]), MM_OK);
}

static void empty_cache(void)
{
	(void)frames_drain(boot.frames);
}

static void page(void)
{
	paddr_t pa = frames_alloc_page(boot.frames, TAG_TEST);

	CHECK_EQ(frames_free_page(boot.frames, pa), MM_OK);
}

static void free_kept(void)
{
	CHECK_EQ(frames_free_page(boot.frames, place_pages[0]), MM_OK);
}

static void block_of_8(void)
{
	pfn_t f;

	CHECK_EQ(frames_alloc(boot.frames, 3, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(frames_free(boot.frames, f, 3), MM_OK);
}

static void block_of_2m(void)
{
	paddr_t pa = frames_alloc_2m(boot.frames, TAG_TEST);

	CHECK_EQ(frames_free_2m(boot.frames, pa), MM_OK);
}

static void many(void)
{
	CHECK_EQ(frames_alloc_bulk(boot.frames, PLACES_PAGES, 0, TAG_TEST, place_pages), MM_OK);
	CHECK_EQ(frames_free_bulk(boot.frames, PLACES_PAGES, place_pages), MM_OK);
}

static void references(void)
{
	bool freed = false;
	pfn_t f;

	CHECK_EQ(frames_alloc(boot.frames, 0, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(frames_get(boot.frames, f), MM_OK);
	CHECK_EQ(frames_put(boot.frames, f, &freed), MM_OK);
	CHECK(!freed);
	CHECK_EQ(frames_put(boot.frames, f, &freed), MM_OK);
	CHECK(freed);
}

static void leave_and_return(void)
{
	const struct cpu *cpu = this_cpu();

	CHECK_EQ(frames_cpu_offline(boot.frames), MM_OK);
	CHECK_EQ(frames_cpu_start(boot.frames, cpu->index, cpu->node), MM_OK);
}

/* step: instructions from one place to the next, for what takes thousands of them. */
static const struct {
	const char *name;
	void (*before)(void);
	void (*inside)(void);
	unsigned step;
} operations[] = {
	{ "page", nothing_before, page, 1 },
	{ "refill", empty_cache, page, 5 },
	{ "spill", full_cache, free_kept, 1 },
	{ "drain", full_cache, empty_cache, 7 },
	{ "8 pages", nothing_before, block_of_8, 1 },
	{ "2 MiB", nothing_before, block_of_2m, 1 },
	{ "150 pages", nothing_before, many, 31 },
	{ "references", nothing_before, references, 1 },
	{ "offline and online", nothing_before, leave_and_return, 61 },
};

/* The interrupt is due `delay` instructions after this, one more when it is odd: a tick of the timer may be two. */
static void arm(uint64_t delay)
{
	timer_set(timer_now() + delay * timer_hz() / INSNS);
	if (delay % 2)
		__asm__ volatile("nop");
}

/* How often the interrupt came inside the operation; it came to later and later places until it came behind. */
static unsigned interrupt_everywhere(unsigned i)
{
	unsigned hits = 0, behind = 0;

	for (uint64_t n = 0; n < PLACES_MAX && behind < PLACES_PAST; n++) {
		uint64_t old = came;

		operations[i].before();
		place = PLACE_BEFORE;
		arm(n * operations[i].step);
		place = PLACE_INSIDE;
		operations[i].inside();
		place = PLACE_BEHIND;
		if (operations[i].before == full_cache && operations[i].inside != free_kept)
			free_kept();
		while (came == old)
			isb();
		hits += came_at == PLACE_INSIDE;
		behind = came_at == PLACE_BEHIND ? behind + 1 : 0;
	}
	CHECK_EQ(behind, PLACES_PAST);
	return hits;
}

TEST_ON(TAP_TARGET, BT60,
	"an interrupt at each place of an operation, whose handler takes and frees as well, changes nothing")
{
	struct frames_stats before;
	unsigned long state;

	if (irq_timer() == 0) {
		tap_skip("no interrupt controller, or no timer");
		return;
	}
	CHECK_OR_RETURN(begin(0));
	(void)frames_drain(boot.frames);
	frames_get_stats(boot.frames, &before);
	CHECK_EQ(irq_handle(irq_timer(), come), MM_OK);
	state = arch_irq_save();
	CHECK(irq_enable(irq_timer()));
	irq_unmask();
	for (unsigned i = 0; i < ARRAY_SIZE(operations); i++)
		tap_note("places: %u in: %s", interrupt_everywhere(i), operations[i].name);
	arch_irq_restore(state);
	timer_stop();
	irq_disable(irq_timer());
	CHECK_EQ(irq_handle(irq_timer(), NULL), MM_OK);
	empty_slots();
	CHECK_EQ(work[0].loop.bad + work[0].handler.bad, 0);
	check_state(&before);
	drop();
}

#endif
