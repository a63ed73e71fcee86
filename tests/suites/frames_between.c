/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Somebody else between two steps of the page allocator: each test makes one call again and again, and each time another
 * CPU, or an interrupt handler, makes a call of its own at the next place where it could (arch/host/between.h). What comes
 * out must be what one after the other gives, in either order.
 */
#define SUITE "frames_between"
#include "lib/tap.h"

#if __STDC_HOSTED__

#include "arch/host/between.h"
#include "arch/host/host.h"
#include "mm/frames_cache.h"
#include "tests/suites/frames_world.h"

static struct world w;

/* ---- who may act where --------------------------------------------------------------------------------------------- */

static bool is_held(const struct spinlock *lock)
{
	return ((lock->ticket ^ lock->ticket >> 16) & 0xffff) != 0;
}

/* Another CPU acts where it need not wait. It brings no CPU up or down. */
static bool nothing_is_held(void)
{
	for (unsigned i = 0; i < w.model.banks; i++)
		if (is_held(&world_bank(&w, i)->lock))
			return false;
	for (const struct frames_cpu *cpu = w.f.cpus; cpu; cpu = cpu->next)
		for (unsigned kind = 0; kind < CACHE_KINDS; kind++)
			if (!cpu->cache[kind].word[0] && cpu->cache[kind].limit)
				return false;
	return !is_held(&w.f.watch_lock);
}

/* A handler acts where interrupts are on. */
static bool interrupts_are_on(void)
{
	return host_irq_depth() == 0;
}

static struct {
	void (*prepare)(void);
	void (*op)(void), (*other)(void);
	void (*check)(void);
	uint64_t cpu; /* that the other one is */
	bool (*may)(void);
	unsigned left; /* places to go */
	bool done;
} scene;

static void as_another(void)
{
	host_set_cpu_id(scene.cpu);
	scene.other();
	host_set_cpu_id(0);
}

static void between(void)
{
	if (scene.done || !scene.may() || scene.left--)
		return;
	scene.done = true;
	as_another();
}

/* The scene, at one place after the other: how many there are. The last time one comes after the other. */
static unsigned everywhere(bool (*may)(void))
{
	unsigned places = 0;

	do {
		scene.prepare();
		scene.may = may;
		scene.left = places;
		scene.done = false;
		host_between_hook = between;
		scene.op();
		host_between_hook = NULL;
		if (!scene.done)
			as_another();
		scene.check();
	} while (scene.done && ++places);
	return places;
}

static struct {
	_Alignas(64) char bytes[FRAMES_CPU_BYTES];
} memory[3];
static uint64_t all_pages;

/* Gives the banks' frames; and this CPU and the other one have caches, or not. */
static void give(const struct span *banks, unsigned n, bool cached)
{
	all_pages = 0;
	for (unsigned i = 0; i < n; i++) {
		world_add(&w, banks[i].start, banks[i].pages);
		all_pages += banks[i].pages;
	}
	for (unsigned cpu = 0; cached && cpu < 2; cpu++) {
		host_set_cpu_id(cpu);
		CHECK_EQ(frames_cpu_online(&w.f, cpu, 0, &memory[cpu]), MM_OK);
	}
	host_set_cpu_id(0);
}

static uint64_t free_pages(void)
{
	struct frames_stats s;

	frames_get_stats(&w.f, &s);
	return s.free_pages;
}

/* ---- the reserve ------------------------------------------------------------------------------------------------- */

static const struct span two_banks[] = { { FRAME(GIB(1)), 0x40 }, { FRAME(GIB(4)), 0x40 } };

static paddr_t bulk[0x200];
static int op_err, other_err;

static uint64_t kept(void)
{
	return world_bank(&w, 0)->reserve_pages + world_bank(&w, 1)->reserve_pages;
}

static void keep_nothing(void)
{
	CHECK_EQ(frames_set_reserve(&w.f, 0), MM_OK);
}

static void keep_most(void)
{
	op_err = frames_set_reserve(&w.f, 0x70);
}

static void take_some(void)
{
	other_err = frames_alloc_bulk(&w.f, 0x20, 0, TAG_TEST, bulk);
}

static void most_is_kept(void)
{
	uint64_t rest = 0;
	paddr_t pa[0x10];

	CHECK(op_err == MM_OK || other_err == MM_OK);
	CHECK_EQ(op_err, op_err ? MM_ENOMEM : MM_OK);
	CHECK_EQ(kept(), op_err ? 0 : 0x70);
	if (!other_err)
		CHECK_EQ(frames_free_bulk(&w.f, 0x20, bulk), MM_OK);
	/* All of it has come back: as if nothing had been taken. */
	while (!op_err && rest < 0x10 && frames_alloc_bulk(&w.f, 1, 0, TAG_TEST, &pa[rest]) == MM_OK)
		rest++;
	CHECK_EQ(rest, op_err ? 0 : 0x10);
	CHECK(op_err || frames_alloc_bulk(&w.f, 1, 0, TAG_TEST, bulk) == MM_ENOMEM);
	CHECK_EQ(frames_free_bulk(&w.f, (unsigned)rest, pa), MM_OK);
}

TEST_ON(TAP_HOST, FW1,
	"frames that another CPU takes while a reserve is made are kept back as soon as they are free again")
{
	WORLD_OR_RETURN(&w, two_banks, 2);
	give(two_banks, 2, false);
	scene = (typeof(scene)){ keep_nothing, keep_most, take_some, most_is_kept, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 5);
	CHECK_EQ(free_pages(), 0x80);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

static void keep_all(void)
{
	op_err = frames_set_reserve(&w.f, 0x80);
}

/* The block waits to be had again. */
static void come_and_go(void)
{
	pfn_t f;

	if (frames_alloc(&w.f, 3, 0, TAG_TEST, &f) == MM_OK)
		CHECK_EQ(frames_free(&w.f, f, 3), MM_OK);
}

static void all_is_kept(void)
{
	pfn_t f;

	CHECK_EQ(op_err, MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 3, 0, TAG_TEST, &f), MM_ENOMEM);
	CHECK_EQ(kept(), 0x80);
}

TEST_ON(TAP_HOST, FW1, "a block that comes and goes while a reserve is made belongs to it")
{
	WORLD_OR_RETURN(&w, two_banks, 2);
	give(two_banks, 2, false);
	scene = (typeof(scene)){ keep_nothing, keep_all, come_and_go, all_is_kept, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 5);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

/* ---- references and frees ------------------------------------------------------------------------------------------ */

static pfn_t block;
static bool op_freed, other_freed;
static unsigned block_order;

static void one_reference(void)
{
	CHECK_EQ(frames_alloc(&w.f, block_order, 0, TAG_TEST, &block), MM_OK);
}

static void other_get(void)
{
	other_err = frames_get(&w.f, block);
}

static void op_put(void)
{
	op_err = frames_put(&w.f, block, &op_freed);
}

static uint32_t references(void)
{
	struct frame_info info;

	frames_query(&w.f, block, &info);
	return info.ref;
}

/* Whoever got a reference has it. */
static void had_or_free(int get_err, int put_err, bool freed)
{
	CHECK_EQ(put_err, MM_OK);
	CHECK_EQ(get_err, freed ? MM_EDOUBLE : MM_OK);
	CHECK_EQ(references(), !freed);
	if (!freed)
		CHECK_EQ(frames_put(&w.f, block, NULL), MM_OK);
	CHECK_EQ(free_pages(), all_pages);
}

static void other_had_or_free(void)
{
	had_or_free(other_err, op_err, op_freed);
}

TEST_ON(TAP_HOST, FR11, "a reference that is got anywhere in the last put is had, or the block is free")
{
	for (unsigned i = 0; i < 2; i++) {
		WORLD_OR_RETURN(&w, two_banks, 2);
		give(two_banks, 2, i != 0);
		for (block_order = 0; block_order < 4; block_order += 3) {
			scene = (typeof(scene)){ one_reference, op_put, other_get, other_had_or_free, .cpu = 1 };
			CHECK(everywhere(nothing_is_held) > 2);
			CHECK(everywhere(interrupts_are_on) > 2);
		}
		CHECK_EQ(frames_validate(&w.f), MM_OK);
	}
}

/* A reference comes while the last one goes; then it goes. */
static void other_get_and_put(void)
{
	other_err = frames_get(&w.f, block);
	other_freed = false;
	if (!other_err)
		CHECK_EQ(frames_put(&w.f, block, &other_freed), MM_OK);
}

static void one_has_freed(void)
{
	CHECK_EQ(op_err, MM_OK);
	CHECK_EQ(op_freed + other_freed, 1);
	CHECK_EQ(references(), 0);
	CHECK_EQ(free_pages(), all_pages);
}

TEST_ON(TAP_HOST, FR10, "a reference that comes and goes anywhere in the last put: the block is freed once")
{
	for (unsigned i = 0; i < 2; i++) {
		WORLD_OR_RETURN(&w, two_banks, 2);
		give(two_banks, 2, i != 0);
		for (block_order = 0; block_order < 4; block_order += 3) {
			scene = (typeof(scene)){ one_reference, op_put, other_get_and_put, one_has_freed, .cpu = 1 };
			CHECK(everywhere(nothing_is_held) > 2);
			CHECK(everywhere(interrupts_are_on) > 2);
		}
		CHECK_EQ(frames_validate(&w.f), MM_OK);
	}
}

/* A put by mistake, of a free block; the other one is handed out just this block. */
static void no_reference(void)
{
	one_reference();
	CHECK_EQ(frames_put(&w.f, block, NULL), MM_OK);
	world_log_begin();
}

static void other_take(void)
{
	other_err = frames_take(&w.f, block, block_order, TAG_USER);
}

static void said_what_it_did(void)
{
	CHECK_EQ(world_log_end(), op_err != MM_OK);
	CHECK_EQ(other_err, MM_OK);
	CHECK(op_err == MM_OK || op_err == MM_EDOUBLE);
	CHECK_EQ(op_freed, op_err == MM_OK);
	CHECK_EQ(references(), !op_freed);
	if (!op_freed)
		CHECK_EQ(frames_put(&w.f, block, NULL), MM_OK);
	CHECK_EQ(free_pages(), all_pages);
}

TEST_ON(TAP_HOST, FR2, "a put by mistake, while another CPU is handed out the block: it says what it did")
{
	WORLD_OR_RETURN(&w, two_banks, 2);
	give(two_banks, 2, false);
	block_order = 0;
	scene = (typeof(scene)){ no_reference, op_put, other_take, said_what_it_did, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 2);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

/* Two frees of one block. */
static void one_block(void)
{
	one_reference();
	world_log_begin();
}

static void op_free(void)
{
	op_err = frames_free(&w.f, block, block_order);
}

static void op_free_exact(void)
{
	op_err = frames_free_exact(&w.f, block, (uint64_t)1 << block_order);
}

static void op_free_bulk(void)
{
	paddr_t pa = pfn_to_paddr(block);

	op_err = frames_free_bulk(&w.f, 1, &pa);
}

static void other_free(void)
{
	other_err = frames_free(&w.f, block, block_order);
}

static void other_free_exact(void)
{
	other_err = frames_free_exact(&w.f, block, (uint64_t)1 << block_order);
}

static void freed_once(void)
{
	CHECK_EQ(world_log_end(), 1);
	CHECK((op_err == MM_OK) != (other_err == MM_OK));
	CHECK_EQ(op_err ? op_err : other_err, MM_EDOUBLE);
	CHECK_EQ(references(), 0);
	CHECK_EQ(free_pages(), all_pages);
}

TEST_ON(TAP_HOST, B23, "of two frees of one block, whichever way and one anywhere in the other, one is refused")
{
	for (unsigned i = 0; i < 2; i++) {
		WORLD_OR_RETURN(&w, two_banks, 2);
		give(two_banks, 2, i != 0);
		for (block_order = 0; block_order < 4; block_order += 3) {
			void (*ops[])(void) = { op_free, op_free_exact, op_put, op_free_bulk };

			for (unsigned k = 0; k < ARRAY_SIZE(ops) - (block_order != 0); k++) {
				scene = (typeof(scene)){ one_block, ops[k], other_free, freed_once, .cpu = 1 };
				CHECK(everywhere(nothing_is_held) > 1);
				scene.cpu = 0;
				CHECK(everywhere(interrupts_are_on) > 1);
				scene = (typeof(scene)){ one_block, ops[k], other_free_exact, freed_once, .cpu = 1 };
				CHECK(everywhere(nothing_is_held) > 1);
			}
		}
		CHECK_EQ(frames_validate(&w.f), MM_OK);
	}
}

/* ---- what caches hold ---------------------------------------------------------------------------------------------- */

static const struct span one_bank = { FRAME(GIB(1)), 0x200 };
static struct frames_run runs[8];
static unsigned n_runs;

/* A page comes and goes: its cache is filled. */
static void other_fills(void)
{
	paddr_t pa = frames_alloc_page(&w.f, TAG_TEST);

	if (frames_is_page(pa))
		CHECK_EQ(frames_free_page(&w.f, pa), MM_OK);
}

static void fill(void)
{
	host_set_cpu_id(scene.cpu);
	other_fills();
	host_set_cpu_id(0);
}

static const struct frames_request plain = { .tag = TAG_TEST }, best = { .tag = TAG_TEST, .flags = FRAMES_BEST_EFFORT };

static void all_at_once(void)
{
	op_err = frames_alloc(&w.f, 9, 0, TAG_TEST, &block);
}

static void all_requested(void)
{
	op_err = frames_alloc_request(&w.f, 9, &plain, &block);
}

static void all_taken(void)
{
	op_err = frames_take(&w.f, pfn(one_bank.start), 9, TAG_TEST);
}

static void all_in_bulk(void)
{
	op_err = frames_alloc_bulk(&w.f, 0x200, 0, TAG_TEST, bulk);
}

static void all_in_a_run(void)
{
	op_err = frames_alloc_runs(&w.f, 0x200, 1, &plain, runs, 1, &n_runs);
}

static void all_in_runs(void)
{
	op_err = frames_alloc_runs(&w.f, 0x200, 1, &best, runs, 8, &n_runs);
}

static void all_was_had(void)
{
	CHECK_EQ(op_err, MM_OK);
	CHECK_EQ(free_pages(), 0);
	if (!op_err)
		CHECK_EQ(frames_free_exact(&w.f, pfn(one_bank.start), 0x200), MM_OK);
	CHECK_EQ(free_pages(), all_pages);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST_ON(TAP_HOST, PC6, "memory that a cache takes back while it is drained for a request is had all the same")
{
	void (*ops[])(void) = { all_at_once, all_requested, all_taken, all_in_bulk, all_in_a_run, all_in_runs };

	WORLD_OR_RETURN(&w, &one_bank, 1);
	give(&one_bank, 1, true);
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		scene = (typeof(scene)){ fill, ops[i], other_fills, all_was_had, .cpu = 1 };
		CHECK(everywhere(nothing_is_held) > 4);
		scene.cpu = 0;
		CHECK(everywhere(interrupts_are_on) > 4);
	}
}

/* Somebody takes the frame in the middle, and gives it back before he is asked again. */
static void other_takes_one(void)
{
	other_err = frames_take(&w.f, pfn(one_bank.start + 0x100), 0, TAG_USER);
}

static void most_in_runs(void)
{
	op_err = frames_alloc_runs(&w.f, 0x180, 1, &best, runs, 8, &n_runs);
}

static void nothing(void)
{
}

static void most_was_had(void)
{
	uint64_t together = 0;

	CHECK_EQ(op_err, MM_OK);
	for (unsigned i = 0; i < n_runs; i++) {
		together += runs[i].pages;
		CHECK(i == 0 || runs[i].pages <= runs[i - 1].pages);
		CHECK_EQ(frames_free_exact(&w.f, runs[i].first, runs[i].pages), MM_OK);
	}
	CHECK_EQ(together, 0x180);
	if (!other_err)
		CHECK_EQ(frames_free(&w.f, pfn(one_bank.start + 0x100), 0), MM_OK);
	CHECK_EQ(free_pages(), all_pages);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST_ON(TAP_HOST, FX10, "a frame that is lost to another CPU while a range is looked for: others make up for it")
{
	WORLD_OR_RETURN(&w, &one_bank, 1);
	give(&one_bank, 1, false);
	scene = (typeof(scene)){ nothing, most_in_runs, other_takes_one, most_was_had, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 4);
}

/* As many frames as there are besides, in one range or in some: what was looked at is gone, another one is there. */
static void one_range(void)
{
	op_err = frames_alloc_runs(&w.f, 0x100, 1, &plain, runs, 8, &n_runs);
}

static void some_ranges(void)
{
	op_err = frames_alloc_runs(&w.f, 0x100, 1, &best, runs, 8, &n_runs);
}

static void other_takes_an_early_one(void)
{
	other_err = frames_take(&w.f, pfn(one_bank.start + 0x20), 0, TAG_USER);
}

static void half_was_had(void)
{
	uint64_t together = 0;

	CHECK_EQ(op_err, MM_OK);
	for (unsigned i = 0; i < n_runs && !op_err; i++) {
		together += runs[i].pages;
		CHECK(i == 0 || runs[i].pages <= runs[i - 1].pages);
		CHECK_EQ(frames_free_exact(&w.f, runs[i].first, runs[i].pages), MM_OK);
	}
	CHECK_EQ(together, 0x100);
	if (!other_err)
		CHECK_EQ(frames_free(&w.f, pfn(one_bank.start + 0x20), 0), MM_OK);
}

TEST_ON(TAP_HOST, FX10, "when another CPU was faster, a range is looked for again")
{
	WORLD_OR_RETURN(&w, &one_bank, 1);
	give(&one_bank, 1, false);
	scene = (typeof(scene)){ nothing, one_range, other_takes_an_early_one, half_was_had, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 4);
	/* No range is long enough; the first one is the longest. */
	for (unsigned i = 0x80; i < 0x200; i += 0x80)
		CHECK_EQ(frames_take(&w.f, pfn(one_bank.start + i), 0, TAG_TEST), MM_OK);
	scene = (typeof(scene)){ nothing, some_ranges, other_takes_an_early_one, half_was_had, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 6);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

/* Another CPU takes a frame of the second run, and gives back what is longer than the first. */
static void eight_small_ones(void)
{
	CHECK_EQ(frames_take(&w.f, pfn(one_bank.start), 7, TAG_USER), MM_OK);
	for (unsigned i = 0x80; i < 0x180; i += 0x20)
		CHECK_EQ(frames_take(&w.f, pfn(one_bank.start + i), 0, TAG_USER), MM_OK);
	CHECK_EQ(frames_take(&w.f, pfn(one_bank.start + 0x180), 7, TAG_USER), MM_OK);
}

static void three_ranges(void)
{
	op_err = frames_alloc_runs(&w.f, 90, 1, &best, runs, 8, &n_runs);
}

static void other_takes_and_gives(void)
{
	other_err = frames_take(&w.f, pfn(one_bank.start + 0xa5), 0, TAG_USER);
	CHECK_EQ(frames_free(&w.f, pfn(one_bank.start), 7), MM_OK);
}

static void longest_first(void)
{
	uint64_t together = 0;

	CHECK_EQ(op_err, MM_OK);
	for (unsigned i = 0; i < n_runs && !op_err; i++) {
		together += runs[i].pages;
		CHECK(i == 0 || runs[i].pages <= runs[i - 1].pages);
		CHECK_EQ(frames_free_exact(&w.f, runs[i].first, runs[i].pages), MM_OK);
	}
	CHECK_EQ(together, 90);
	if (!other_err)
		CHECK_EQ(frames_free(&w.f, pfn(one_bank.start + 0xa5), 0), MM_OK);
	for (unsigned i = 0x80; i < 0x180; i += 0x20)
		CHECK_EQ(frames_free(&w.f, pfn(one_bank.start + i), 0), MM_OK);
	CHECK_EQ(frames_free(&w.f, pfn(one_bank.start + 0x180), 7), MM_OK);
	CHECK_EQ(free_pages(), all_pages);
}

TEST_ON(TAP_HOST, FX10, "runs are told the longest first, also when a longer one is found late")
{
	WORLD_OR_RETURN(&w, &one_bank, 1);
	give(&one_bank, 1, false);
	scene = (typeof(scene)){ eight_small_ones, three_ranges, other_takes_and_gives, longest_first, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 6);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

/* A storm: at one of `period` places somebody takes the frame, at another one he gives it back, again and again. */
static struct {
	unsigned period, take, give, place;
	bool taken;
} storm;

static void blow(void)
{
	unsigned now = storm.place % storm.period;

	if (!nothing_is_held())
		return;
	host_between_hook = NULL;
	storm.place++;
	if (now == storm.take && !storm.taken)
		storm.taken = frames_take(&w.f, pfn(one_bank.start + 0x20), 0, TAG_USER) == MM_OK;
	else if (now == storm.give && storm.taken)
		storm.taken = frames_free(&w.f, pfn(one_bank.start + 0x20), 0) != MM_OK;
	host_between_hook = blow;
}

TEST_ON(TAP_HOST, FX10, "a storm of others who are always faster ends a search in time, with all of it or with nothing")
{
	void (*ops[])(void) = { one_range, some_ranges, some_ranges };
	unsigned refused = 0;

	WORLD_OR_RETURN(&w, &one_bank, 1);
	give(&one_bank, 1, false);
	/* One range has 0x100 frames, as long as none of them is lost. */
	CHECK_EQ(frames_take(&w.f, pfn(one_bank.start + 0x101), 0, TAG_TEST), MM_OK);
	for (unsigned i = 0x110; i < 0x200; i += 0x10)
		CHECK_EQ(frames_take(&w.f, pfn(one_bank.start + i), 4, TAG_TEST), MM_OK);
	CHECK_EQ(frames_take(&w.f, pfn(one_bank.start + 0x108), 3, TAG_TEST), MM_OK);
	all_pages = free_pages();
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		/* No range is long enough now, and all of them are needed. */
		if (i == 2) {
			CHECK_EQ(frames_take(&w.f, pfn(one_bank.start + 0x60), 0, TAG_TEST), MM_OK);
			CHECK_EQ(frames_take(&w.f, pfn(one_bank.start + 0xa0), 0, TAG_TEST), MM_OK);
			all_pages -= 2;
		}
		for (storm.period = 2; storm.period < 16; storm.period++)
			for (unsigned k = 0; k < storm.period * storm.period; k++) {
				storm.take = k % storm.period;
				storm.give = k / storm.period;
				storm.place = 0;
				storm.taken = false;
				host_between_hook = blow;
				ops[i]();
				host_between_hook = NULL;
				CHECK(op_err == MM_OK || op_err == MM_ENOMEM);
				refused += op_err != MM_OK;
				for (unsigned r = 0; r < n_runs && !op_err; r++)
					CHECK_EQ(frames_free_exact(&w.f, runs[r].first, runs[r].pages), MM_OK);
				if (storm.taken)
					CHECK_EQ(frames_free(&w.f, pfn(one_bank.start + 0x20), 0), MM_OK);
			}
	}
	CHECK(refused > 0);
	CHECK_EQ(free_pages(), all_pages);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

/* A range of three blocks, of which another CPU frees the second: one of the two is refused, and has changed nothing. */
static void three_blocks(void)
{
	CHECK_EQ(frames_alloc_exact(&w.f, 100, &plain, &block), MM_OK);
	world_log_begin();
}

static void op_frees_all(void)
{
	op_err = frames_free_exact(&w.f, block, 100);
}

static void other_frees_one(void)
{
	other_err = frames_free(&w.f, pfn(block.n + 64), 5);
}

static void other_frees_the_last(void)
{
	other_err = frames_free_exact(&w.f, pfn(block.n + 64), 36);
}

static void all_or_one(void)
{
	unsigned had_of_them = scene.other == other_frees_one ? 32 : 36;

	CHECK_EQ(world_log_end(), 1);
	CHECK((op_err == MM_OK) != (other_err == MM_OK));
	CHECK_EQ(op_err ? op_err : other_err, MM_EDOUBLE);
	CHECK_EQ(free_pages(), op_err ? all_pages - 100 + had_of_them : all_pages);
	if (op_err) {
		CHECK_EQ(frames_free_exact(&w.f, block, 64), MM_OK);
		if (had_of_them == 32)
			CHECK_EQ(frames_free_exact(&w.f, pfn(block.n + 96), 4), MM_OK);
	}
	CHECK_EQ(free_pages(), all_pages);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST_ON(TAP_HOST, FX5,
	"a range, a block of which another CPU frees meanwhile: one of them is refused and has changed nothing")
{
	WORLD_OR_RETURN(&w, &one_bank, 1);
	give(&one_bank, 1, false);
	scene = (typeof(scene)){ three_blocks, op_frees_all, other_frees_one, all_or_one, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 4);
	scene = (typeof(scene)){ three_blocks, op_frees_all, other_frees_the_last, all_or_one, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 4);
	scene.cpu = 0;
	CHECK(everywhere(interrupts_are_on) > 4);
}

/*
 * A storm of references: got at one place of `period`, put at another one. It calms down: who is unlucky each time tries
 * again each time.
 */
static void blow_references(void)
{
	unsigned now = storm.place % storm.period;

	if (!nothing_is_held() || (storm.place > 40 && !storm.taken))
		return;
	host_between_hook = NULL;
	storm.place++;
	if (now == storm.take && !storm.taken)
		storm.taken = frames_get(&w.f, block) == MM_OK;
	else if (now == storm.give && storm.taken)
		storm.taken = frames_put(&w.f, block, &other_freed) != MM_OK;
	host_between_hook = blow_references;
}

TEST_ON(TAP_HOST, FR11,
	"references that come and go all the time: a put always works, a free is refused while one is out")
{
	void (*ops[])(void) = { op_put, op_free, op_free_exact };
	unsigned refused = 0;

	for (unsigned i = 0; i < 2; i++) {
		WORLD_OR_RETURN(&w, &one_bank, 1);
		give(&one_bank, 1, i != 0);
		for (unsigned k = 0; k < 2 * ARRAY_SIZE(ops); k++)
			for (storm.period = 2; storm.period < 10; storm.period++)
				for (unsigned at = 0; at < storm.period * storm.period; at++) {
					storm.take = at % storm.period;
					storm.give = at / storm.period;
					storm.place = 0;
					storm.taken = other_freed = false;
					block_order = k % 2 ? 3 : 0;
					one_reference();
					world_log_begin();
					host_between_hook = blow_references;
					ops[k / 2]();
					host_between_hook = NULL;
					CHECK_EQ(world_log_end(), op_err != MM_OK);
					CHECK(op_err == MM_OK || (op_err == MM_EBUSY && k >= 2));
					refused += op_err != MM_OK;
					if (op_err)
						CHECK_EQ(frames_put(&w.f, block, NULL), MM_OK);
					if (storm.taken)
						CHECK_EQ(frames_put(&w.f, block, NULL), MM_OK);
					CHECK_EQ(free_pages(), all_pages);
				}
		CHECK_EQ(frames_validate(&w.f), MM_OK);
	}
	CHECK(refused > 0);
}

/* ---- stacks -------------------------------------------------------------------------------------------------------- */

static paddr_t had[16];

static void come(void)
{
	for (unsigned i = 0; i < 8; i++)
		had[i] = frames_alloc_page(&w.f, TAG_TEST);
}

static void go(void)
{
	for (unsigned i = 0; i < 8; i++)
		CHECK_EQ(frames_free_page(&w.f, had[i]), MM_OK);
}

static void other_works(void)
{
	for (unsigned i = 8; i < 16; i++)
		had[i] = frames_alloc_page(&w.f, TAG_TEST);
	for (unsigned i = 8; i < 16; i++)
		CHECK_EQ(frames_free_page(&w.f, had[i]), MM_OK);
}

static void other_drains(void)
{
	frames_drain(&w.f);
}

static void other_checks(void)
{
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

static void eight_are_out(void)
{
	for (unsigned i = 0; i < 8; i++)
		for (unsigned k = 0; k < i; k++)
			CHECK(had[i].v != had[k].v);
	CHECK_EQ(free_pages(), all_pages - 8);
	go();
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

static void none_is_out(void)
{
	CHECK_EQ(free_pages(), all_pages);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST_ON(TAP_HOST, PC6, "a cache is drained, refilled, checked between any two steps of a CPU that works with it")
{
	void (*others[])(void) = { other_works, other_drains, other_checks };

	for (unsigned i = 0; i < 2; i++) {
		WORLD_OR_RETURN(&w, &one_bank, 1);
		give(&one_bank, 1, i != 0);
		for (unsigned k = 0; k < ARRAY_SIZE(others); k++) {
			scene = (typeof(scene)){ other_drains, come, others[k], eight_are_out, .cpu = 1 };
			CHECK(everywhere(nothing_is_held) > 8);
			scene.cpu = 0;
			CHECK(everywhere(interrupts_are_on) > 8);
			scene = (typeof(scene)){ come, go, others[k], none_is_out, .cpu = 1 };
			CHECK(everywhere(nothing_is_held) > 8);
			scene.cpu = 0;
			CHECK(everywhere(interrupts_are_on) > 8);
		}
	}
}

static void many(void)
{
	CHECK_EQ(frames_alloc_bulk(&w.f, 100, 0, TAG_TEST, bulk), MM_OK);
}

static void many_go(void)
{
	CHECK_EQ(frames_free_bulk(&w.f, 100, bulk), MM_OK);
}

static void exact(void)
{
	CHECK_EQ(frames_alloc_exact(&w.f, 100, &plain, &block), MM_OK);
}

static void exact_goes(void)
{
	CHECK_EQ(frames_free_exact(&w.f, block, 100), MM_OK);
}

static void last_goes(void)
{
	CHECK_EQ(frames_put(&w.f, block, NULL), MM_OK);
}

/* What is in no cache, and on nobody's way, is found: nobody counts as moving something for ever. */
static void lost_is_found(void)
{
	uint64_t n = one_bank.start + 77;

	none_is_out();
	CHECK_EQ(frames_take(&w.f, pfn(n), 0, TAG_USER), MM_OK);
	*world_record(&w, n) ^= PAGE_WORD_CACHED_BIT;
	world_log_begin();
	CHECK_EQ(frames_validate(&w.f), MM_ECORRUPT);
	CHECK_EQ(world_log_end(), 1);
	*world_record(&w, n) ^= PAGE_WORD_CACHED_BIT;
	CHECK_EQ(frames_free(&w.f, pfn(n), 0), MM_OK);
}

TEST_ON(TAP_HOST, B18, "the check finds nothing wrong with frames that are on their way back to their bank")
{
	WORLD_OR_RETURN(&w, &one_bank, 1);
	give(&one_bank, 1, true);
	scene = (typeof(scene)){ many, many_go, other_checks, lost_is_found, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 100);
	scene = (typeof(scene)){ exact, exact_goes, other_checks, lost_is_found, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 4);
	for (block_order = 0; block_order < 4; block_order += 3) {
		scene = (typeof(scene)){ one_reference, last_goes, other_checks, lost_is_found, .cpu = 1 };
		CHECK(everywhere(nothing_is_held) > 2);
	}
}

static void op_checks(void)
{
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

static void other_frees_many(void)
{
	for (unsigned i = 0; i < 20; i++)
		CHECK_EQ(frames_free_page(&w.f, paddr(bulk[i].v)), MM_OK);
	CHECK_EQ(frames_free_bulk(&w.f, 80, bulk + 20), MM_OK);
}

TEST_ON(TAP_HOST, B18, "the check finds nothing wrong while another CPU takes and frees between any two of its steps")
{
	WORLD_OR_RETURN(&w, &one_bank, 1);
	give(&one_bank, 1, true);
	scene = (typeof(scene)){ many, op_checks, other_frees_many, none_is_out, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 8);
	scene = (typeof(scene)){ nothing, op_checks, other_works, none_is_out, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 8);
}

static struct {
	unsigned every, place;
	paddr_t page; /* FRAMES_NO_PAGE: not taken */
} restless;

/* Another CPU takes a frame and frees it again, in turns, at each so-many-th place. */
static void take_or_free(void)
{
	void (*hook)(void) = host_between_hook;

	if (!nothing_is_held() || ++restless.place % restless.every)
		return;
	host_between_hook = NULL;
	host_set_cpu_id(1);
	if (!frames_is_page(restless.page)) {
		restless.page = frames_alloc_page(&w.f, TAG_TEST);
	} else {
		CHECK_EQ(frames_free_page(&w.f, restless.page), MM_OK);
		restless.page = FRAMES_NO_PAGE;
	}
	host_set_cpu_id(0);
	host_between_hook = hook;
}

TEST_ON(TAP_HOST, PV4, "the check finds nothing wrong while another CPU takes and frees one frame again and again")
{
	WORLD_OR_RETURN(&w, &one_bank, 1);
	give(&one_bank, 1, true);
	restless.page = FRAMES_NO_PAGE;
	for (unsigned every = 1; every < 60; every++)
		for (unsigned first = 0; first < every; first++) {
			restless.every = every;
			restless.place = first;
			host_between_hook = take_or_free;
			CHECK_EQ(frames_validate(&w.f), MM_OK);
			host_between_hook = NULL;
		}
	if (frames_is_page(restless.page))
		CHECK_EQ(frames_free_page(&w.f, restless.page), MM_OK);
	none_is_out();
}

/* ---- CPUs that come and go ----------------------------------------------------------------------------------------- */

static void goes_away(void)
{
	CHECK_EQ(frames_cpu_offline(&w.f), MM_OK);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory[2]), MM_OK);
}

TEST_ON(TAP_HOST, PC10, "a CPU goes away and comes again while others work, and a handler of its own")
{
	WORLD_OR_RETURN(&w, &one_bank, 1);
	give(&one_bank, 1, true);
	CHECK_EQ(frames_cpu_offline(&w.f), MM_OK);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory[2]), MM_OK);
	scene = (typeof(scene)){ come, goes_away, other_works, eight_are_out, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 8);
	scene.cpu = 0;
	CHECK(everywhere(interrupts_are_on) > 2);
	scene = (typeof(scene)){ nothing, come, goes_away, eight_are_out, .cpu = 0 };
	CHECK(everywhere(interrupts_are_on) > 8);
}

/* Two come at once to what one has left. */
static char *ram;

static bool no_cpu_comes(void)
{
	return nothing_is_held() && !is_held(&w.f.cpus_lock);
}

static void one_has_left(void)
{
	CHECK_OR_RETURN(world_make(&w, &one_bank, 1));
	give(&one_bank, 1, false);
	ram = test_arena(0x200 * PAGE_SIZE);
	CHECK_OR_RETURN(ram != NULL);
	arch_linear_base = (uintptr_t)ram - GIB(1);
	CHECK_EQ(frames_cpu_online(&w.f, 7, 0, &memory[0]), MM_OK);
	CHECK_EQ(frames_cpu_offline(&w.f), MM_OK);
}

static void op_starts(void)
{
	op_err = frames_cpu_start(&w.f, 0, 0);
}

static void other_starts(void)
{
	other_err = frames_cpu_start(&w.f, 1, 0);
}

static void both_are_there(void)
{
	struct frames_stats s;

	CHECK_EQ(op_err, MM_OK);
	CHECK_EQ(other_err, MM_OK);
	frames_get_stats(&w.f, &s);
	CHECK_EQ(s.cpus, 2);
	/* What was left serves one of them. */
	CHECK_EQ(s.free_pages, all_pages - 1);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	test_arena_reset();
}

TEST_ON(TAP_HOST, PC9, "two CPUs start at once, and one has left its memory: both get some, and none is wasted")
{
	uintptr_t base = arch_linear_base;

	scene = (typeof(scene)){ one_has_left, op_starts, other_starts, both_are_there, .cpu = 1 };
	CHECK(everywhere(no_cpu_comes) > 2);
	arch_linear_base = base;
}

/* ---- watermarks ---------------------------------------------------------------------------------------------------- */

static unsigned told_low, told_high;

static void told(void *ctx, enum frames_level level, uint64_t free)
{
	(void)ctx;
	(void)free;
	told_low += level == FRAMES_LEVEL_LOW;
	told_high += level == FRAMES_LEVEL_HIGH;
}

static void watch(void)
{
	told_low = told_high = 0;
	CHECK_EQ(frames_watch(&w.f, 0x1c0, 0x1f8, told, NULL), MM_OK);
}

/* Below the low mark, and above the high one again. */
static void down_and_up(void)
{
	pfn_t f;

	CHECK_EQ(frames_alloc(&w.f, 7, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(frames_free(&w.f, f, 7), MM_OK);
}

/* Each may have been told of it, or one for both; in turns. */
static void told_in_turns(void)
{
	CHECK(told_low == 1 || told_low == 2);
	CHECK_EQ(told_high, told_low);
	CHECK_EQ(free_pages(), all_pages);
}

TEST_ON(TAP_HOST, FW2, "two cross both marks, one anywhere between the other's steps: low and high are told in turns")
{
	WORLD_OR_RETURN(&w, &one_bank, 1);
	give(&one_bank, 1, false);
	scene = (typeof(scene)){ watch, down_and_up, down_and_up, told_in_turns, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 4);
	scene.cpu = 0;
	CHECK(everywhere(interrupts_are_on) > 4);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

/* One block comes and goes, the bank's last one each time; a watcher comes in between. */
static void nobody_watches(void)
{
	CHECK_EQ(frames_watch(&w.f, 0, 0, NULL, NULL), MM_OK);
	told_low = told_high = 0;
}

static void comes_and_goes_twice(void)
{
	for (unsigned i = 0; i < 2; i++) {
		pfn_t f = { 0 };

		CHECK_EQ(frames_alloc(&w.f, 3, 0, TAG_TEST, &f), MM_OK);
		CHECK_EQ(f.n, one_bank.start);
		CHECK_EQ(frames_free(&w.f, f, 3), MM_OK);
	}
}

static void other_watches(void)
{
	CHECK_EQ(frames_watch(&w.f, 0x1fc, 0x1ff, told, NULL), MM_OK);
}

/* Low is told for each time that it is had after the watcher has come. */
static void told_as_it_was(void)
{
	CHECK(told_low <= 2);
	CHECK_EQ(told_high, told_low);
	CHECK_EQ(free_pages(), all_pages);
}

TEST_ON(TAP_HOST, FW3, "a watcher that comes between any two steps of others is told what they do from then on")
{
	WORLD_OR_RETURN(&w, &one_bank, 1);
	give(&one_bank, 1, false);
	scene = (typeof(scene)){ nobody_watches, comes_and_goes_twice, other_watches, told_as_it_was, .cpu = 1 };
	CHECK(everywhere(nothing_is_held) > 8);
	scene.cpu = 0;
	CHECK(everywhere(interrupts_are_on) > 8);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

#endif
