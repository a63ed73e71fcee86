/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packing benchmark's own parts, on the host: the textbook buddy that it measures against, the account that it measures
 * with, and the recorded trace. What comes of it is `make packing`.
 */
#define SUITE "packing"
#include "lib/tap.h"

#if __STDC_HOSTED__

#include "lib/string.h"
#include "tests/bench/packing/lifo_buddy.h"
#include "tests/bench/packing/player.h"
#include "tests/bench/packing/replay.h"
#include "tests/bench/packing/subjects.h"
#include "tests/bench/packing/traces.h"
#include "tests/suites/frames_world.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define START SECTION_PAGES

/* ---- the textbook buddy ------------------------------------------------------------------------------------------ */

#define SMALL 1024

static struct lifo_frame frames[SMALL];
static struct lifo_buddy buddy;

static uint64_t take(unsigned order)
{
	uint64_t n = UINT64_MAX;

	CHECK_EQ(lifo_alloc(&buddy, order, &n), MM_OK);
	return n - START;
}

static void give(uint64_t n, unsigned order)
{
	CHECK_EQ(lifo_free(&buddy, START + n, order), MM_OK);
}

static void make_small(uint64_t pages, unsigned max_order)
{
	memset(frames, 0xa5, sizeof(frames));
	CHECK_EQ(lifo_init(&buddy, frames, START, SMALL, max_order), MM_OK);
	CHECK_EQ(lifo_add_memory(&buddy, START, pages), MM_OK);
	CHECK_EQ(lifo_validate(&buddy), MM_OK);
}

TEST_ON(TAP_HOST, PK1, "the reference splits down and gives out what was freed last")
{
	make_small(16, 4);
	CHECK_EQ(take(0), 0);
	/* 1, 2-3, 4-7 and 8-15 are left. */
	for (unsigned order = 0; order <= 4; order++)
		CHECK_EQ(lifo_count_blocks(&buddy, order), order < 4);
	CHECK_EQ(take(1), 2);
	CHECK_EQ(take(0), 1);
	CHECK_EQ(take(0), 4);
	CHECK_EQ(take(0), 5);
	CHECK_EQ(take(0), 6);
	give(1, 0);
	give(5, 0);
	CHECK_EQ(buddy.free_pages, 16 - 5 + 0);
	/* 7, 1, 5 are free: the last one first. */
	CHECK_EQ(take(0), 5);
	CHECK_EQ(take(0), 1);
	CHECK_EQ(take(0), 7);
	CHECK_EQ(lifo_validate(&buddy), MM_OK);
}

TEST_ON(TAP_HOST, PK1, "the reference merges while the buddy is free, up to its largest order")
{
	make_small(64, 4);
	CHECK_EQ(lifo_count_blocks(&buddy, 4), 4);
	for (unsigned i = 0; i < 64; i++)
		(void)take(0);
	CHECK_EQ(buddy.free_pages, 0);
	for (unsigned i = 0; i < 64; i += 2)
		give(i, 0);
	CHECK_EQ(lifo_count_blocks(&buddy, 0), 32);
	give(17, 0);
	CHECK_EQ(lifo_count_blocks(&buddy, 1), 1);
	give(19, 0);
	CHECK_EQ(lifo_count_blocks(&buddy, 2), 1);
	for (unsigned i = 1; i < 64; i += 2)
		if (i != 17 && i != 19)
			give(i, 0);
	CHECK_EQ(lifo_count_blocks(&buddy, 4), 4);
	CHECK_EQ(buddy.free_pages, 64);
	CHECK_EQ(lifo_validate(&buddy), MM_OK);
}

TEST_ON(TAP_HOST, PK1, "the reference refuses bad arguments and bad frees, and changes nothing")
{
	uint64_t n;

	CHECK_EQ(lifo_init(&buddy, frames, START + 1, SMALL, 4), MM_EALIGN);
	CHECK_EQ(lifo_init(&buddy, frames, START, 0, 4), MM_EINVAL);
	CHECK_EQ(lifo_init(&buddy, frames, START, SMALL, MAX_ORDER + 1), MM_EINVAL);
	CHECK_EQ(lifo_init(&buddy, frames, START, UINT32_MAX, 4), MM_ERANGE);
	make_small(40, 4);
	CHECK_EQ(lifo_add_memory(&buddy, START + 39, 2), MM_EEXIST);
	CHECK_EQ(lifo_add_memory(&buddy, START - 1, 2), MM_ERANGE);
	CHECK_EQ(lifo_add_memory(&buddy, START + SMALL - 1, 2), MM_ERANGE);
	CHECK_EQ(lifo_alloc(&buddy, 5, &n), MM_EINVAL);
	CHECK_EQ(lifo_alloc(&buddy, 3, &n), MM_OK);
	CHECK_EQ(lifo_free(&buddy, n + 1, 0), MM_EINTERIOR);
	CHECK_EQ(lifo_free(&buddy, n, 2), MM_EORDER);
	CHECK_EQ(lifo_free(&buddy, START + 40, 0), MM_EFOREIGN);
	CHECK_EQ(lifo_free(&buddy, START - 1, 0), MM_EFOREIGN);
	CHECK_EQ(lifo_free(&buddy, START + SMALL, 0), MM_EFOREIGN);
	CHECK_EQ(lifo_free(&buddy, n, 3), MM_OK);
	CHECK_EQ(lifo_free(&buddy, n, 3), MM_EDOUBLE);
	CHECK_EQ(lifo_free(&buddy, n + 1, 0), MM_EDOUBLE);
	CHECK_EQ(buddy.free_pages, 40);
	for (unsigned i = 0; i < 2; i++)
		(void)take(4);
	CHECK_EQ(lifo_alloc(&buddy, 4, &n), MM_ENOMEM);
	CHECK_EQ(lifo_validate(&buddy), MM_OK);
}

TEST_ON(TAP_HOST, PK2, "the reference is valid after each of 20000 random operations, and finds each damage")
{
	struct {
		uint64_t n;
		unsigned order;
	} block[SMALL];
	unsigned blocks = 0;
	uint64_t seed = 7;

	make_small(SMALL - 37, 7);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned order = chance(&seed) % 4, k;

		if (chance(&seed) % 2 && lifo_alloc(&buddy, order, &block[blocks].n) == MM_OK) {
			block[blocks++].order = order;
		} else if (blocks) {
			k = (unsigned)(chance(&seed) % blocks);
			CHECK_EQ(lifo_free(&buddy, block[k].n, block[k].order), MM_OK);
			block[k] = block[--blocks];
		}
		CHECK_OR_RETURN(lifo_validate(&buddy) == MM_OK);
	}
	CHECK(blocks > 0);

	/* Every field of every record and every head is changed in turn. Links of what is in no list are nobody's. */
	for (unsigned i = 0; i < SMALL; i++) {
		const struct lifo_frame good = frames[i];

		for (unsigned field = 0; field < 4; field++) {
			bool linked = good.state == LIFO_FREE, sized = linked || good.state == LIFO_USED;

			if ((field < 2 && !linked) || (field == 3 && !sized))
				continue;
			if (field == 0)
				frames[i].next = good.next == LIFO_NONE ? i : LIFO_NONE;
			else if (field == 1)
				frames[i].prev = good.prev == LIFO_NONE ? i : LIFO_NONE;
			else if (field == 2)
				frames[i].state = good.state == LIFO_INSIDE ? LIFO_USED : LIFO_INSIDE;
			else
				frames[i].order ^= 1;
			CHECK_EQ(lifo_validate(&buddy), MM_ECORRUPT);
			frames[i] = good;
		}
	}
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		uint32_t good = buddy.head[order];

		buddy.head[order] = good == LIFO_NONE ? 0 : LIFO_NONE;
		CHECK_EQ(lifo_validate(&buddy), MM_ECORRUPT);
		buddy.head[order] = good;
	}
	buddy.free_pages++;
	CHECK_EQ(lifo_validate(&buddy), MM_ECORRUPT);
	buddy.free_pages--;
	CHECK_EQ(lifo_validate(&buddy), MM_OK);
}

/* ---- the player -------------------------------------------------------------------------------------------------- */

#define SOME_PAGES (MIB(256) >> PAGE_SHIFT)
#define SEEDS 3
#define PERCENT(x) (unsigned)((x)*100), (unsigned)((x)*1000) % 10

static struct subject make_subject(unsigned which)
{
	return which < 2 ? subject_granule(START, SOME_PAGES, which)
			 : subject_lifo(START, SOME_PAGES, which == 2 ? MAX_ORDER : 10);
}

TEST_ON(TAP_HOST, PK3,
	"all allocators play the same trace, their free blocks are the account's, and the shipped one keeps more of them whole")
{
	for (unsigned t = 0; t < n_traces; t++) {
		uint64_t digest = 0, requests = 0;
		double share[4] = { 0 };

		/* One seed alone may have it the other way round in so little memory. */
		for (uint64_t seed = 5; seed < 5 + SEEDS; seed++) {
			for (unsigned which = 0; which < 4; which++) {
				struct subject s = make_subject(which);
				struct player p;
				struct packing packing;

				player_init(&p, &s, traces[t].name, START, SOME_PAGES, trace_blocks(SOME_PAGES));
				player_give(&p, START, SOME_PAGES);
				traces[t].play(&p, seed);
				/* Ends the program when the allocator's blocks are not what the account says, or its lists are wrong. */
				player_check(&p);
				packing = player_packing(&p);
				CHECK_EQ(player_probe_2m(&p), packing.whole_2m);
				player_check(&p);
				share[which] += packing_share_2m(&packing) / SEEDS;
				CHECK(p.requests > SOME_PAGES / 2);
				CHECK_EQ(p.failures, 0);
				if (which == 0) {
					digest = p.digest;
					requests = p.requests;
				}
				CHECK_EQ(p.digest, digest);
				CHECK_EQ(p.requests, requests);
				player_end(&p);
			}
		}
		tap_note("%s: %u.%u %% of the free memory in whole 2 MiB, without caches %u.%u, LIFO %u.%u",
			 traces[t].name, PERCENT(share[1]), PERCENT(share[0]), PERCENT(share[2]));
		CHECK(share[1] > share[2] && share[1] > share[3]);
	}
}

/* An allocator that answers what it is told. */
static struct liar {
	uint64_t answer;
	bool grants, frees, valid;
	uint64_t blocks[MAX_ORDER + 1];
} liar;

static bool liar_give(void *state, uint64_t start, uint64_t pages)
{
	(void)state;
	(void)start;
	(void)pages;
	return true;
}

static bool liar_alloc(void *state, unsigned cpu, unsigned order, uint64_t *n)
{
	(void)state;
	(void)cpu;
	(void)order;
	*n = liar.answer;
	return liar.grants;
}

static bool liar_free(void *state, unsigned cpu, uint64_t n, unsigned order)
{
	(void)state;
	(void)cpu;
	(void)n;
	(void)order;
	return liar.frees;
}

static void liar_drain(void *state)
{
	(void)state;
}

static uint64_t liar_count(void *state, uint64_t blocks[MAX_ORDER + 1])
{
	(void)state;
	memcpy(blocks, liar.blocks, sizeof(liar.blocks));
	return 0;
}

static bool liar_validate(void *state)
{
	(void)state;
	return liar.valid;
}

static void make_liar(struct player *p)
{
	const struct subject s = { NULL,       10,	   liar_give,	  liar_alloc, liar_free,
				   liar_drain, liar_count, liar_validate, liar_drain };

	liar = (struct liar){ .answer = START, .grants = true, .frees = true, .valid = true };
	player_init(p, &s, "liar", START, 4096, 64);
	player_give(p, START, 2048);
}

static struct player told;

static void overlap(void)
{
	(void)player_alloc(&told, 0, 0, 2);
	liar.answer = START + 2;
	(void)player_alloc(&told, 0, 1, 1);
}

static void unaligned(void)
{
	liar.answer = START + 1;
	(void)player_alloc(&told, 0, 0, 1);
}

static void no_memory(void)
{
	liar.answer = START + 2048;
	(void)player_alloc(&told, 0, 0, 0);
}

static void outside(void)
{
	liar.answer = START - 1;
	(void)player_alloc(&told, 0, 0, 0);
}

static void refused(void)
{
	(void)player_alloc(&told, 0, 0, 0);
	liar.frees = false;
	player_free(&told, 0, 0);
}

static void freed_twice(void)
{
	(void)player_alloc(&told, 0, 0, 0);
	player_free(&told, 0, 0);
	player_free(&told, 0, 0);
}

static void allocated_twice(void)
{
	(void)player_alloc(&told, 0, 0, 0);
	liar.answer++;
	(void)player_alloc(&told, 0, 0, 0);
}

static void other_blocks(void)
{
	liar.blocks[10] = 1;
	player_check(&told);
}

static void invalid(void)
{
	liar.blocks[10] = 2;
	liar.valid = false;
	player_check(&told);
}

static void nothing(void)
{
	liar.blocks[10] = 2;
	player_check(&told);
}

/* The status of a process that does it, silently. */
static int status_of(void (*fn)(void))
{
	int status = -1;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(3);
		fn();
		_exit(0);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_ON(TAP_HOST, PK3, "an allocator that lies ends the benchmark")
{
	void (*const lies[])(void) = { overlap,	    unaligned,	     no_memory,	   outside, refused,
				       freed_twice, allocated_twice, other_blocks, invalid };

	make_liar(&told);
	CHECK_EQ(status_of(nothing), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++)
		CHECK_EQ(status_of(lies[i]), 2);
	player_end(&told);
}

TEST_ON(TAP_HOST, PK4, "the account counts whole 2 MiB, whole 1 GiB and the largest block")
{
	struct packing k;
	struct player p;

	make_liar(&p);
	/* 2048 frames of 4096 are memory: four whole 2 MiB, the largest block is 8 MiB. */
	k = player_packing(&p);
	CHECK(k.free_pages == 2048 && k.whole_2m == 4 && k.whole_1g == 0 && k.largest == 11);
	CHECK(packing_share_2m(&k) == 1.0 && packing_share_1g(&k) == 0.0);
	liar.answer = START + 512 + 511;
	CHECK(player_alloc(&p, 0, 0, 0));
	k = player_packing(&p);
	CHECK(k.free_pages == 2047 && k.whole_2m == 3 && k.largest == 10);
	CHECK(packing_share_2m(&k) == 3.0 * 512 / 2047);
	liar.answer = START + 1024;
	CHECK(player_alloc(&p, 0, 1, 10));
	k = player_packing(&p);
	CHECK(k.free_pages == 1023 && k.whole_2m == 1 && k.largest == 9);
	liar.answer = START;
	CHECK(player_alloc(&p, 0, 2, 9));
	k = player_packing(&p);
	/* 256, 128, ... 1 of the 511 that are left. */
	CHECK(k.free_pages == 511 && k.whole_2m == 0 && k.largest == 8);
	for (uint32_t i = 0; i < 3; i++)
		player_free(&p, 0, i);
	k = player_packing(&p);
	CHECK(k.free_pages == 2048 && k.whole_2m == 4 && k.largest == 11);
	/* What the allocator itself says: two blocks of 4 MiB. */
	liar.blocks[10] = 2;
	k = player_packing_undrained(&p);
	CHECK(k.free_pages == 2048 && k.whole_2m == 4 && k.whole_1g == 0 && k.largest == 10);
	player_check(&p);
	player_end(&p);

	/* A whole GiB, with the shipped allocator: memory of two, a frame of the second is used. */
	struct subject s = subject_granule(START, 2 * SECTION_PAGES, true);

	player_init(&p, &s, "granule", START, 2 * SECTION_PAGES, 4);
	player_give(&p, START, 2 * SECTION_PAGES);
	k = player_packing(&p);
	CHECK(k.whole_1g == 2 && k.largest == MAX_ORDER && packing_share_1g(&k) == 1.0);
	CHECK(player_alloc(&p, 1, 0, 0));
	k = player_packing(&p);
	CHECK(k.whole_1g == 1 && k.whole_2m == 1023 && k.largest == MAX_ORDER);
	/* The CPU's cache holds a batch less one: its frames are free, and in no block of 2 MiB. */
	k = player_packing_undrained(&p);
	CHECK(k.whole_1g == 1 && k.whole_2m == 1023 && k.free_pages == 2 * SECTION_PAGES - 1);
	player_free(&p, 0, 0);
	/* All is free, but the caches of two CPUs hold some of it. */
	CHECK_EQ(player_packing(&p).whole_1g, 2);
	CHECK_EQ(player_packing_undrained(&p).whole_1g, 1);
	player_check(&p);
	CHECK_EQ(player_packing_undrained(&p).whole_1g, 2);
	player_end(&p);
}

/* ---- which frames a batch takes ---------------------------------------------------------------------------------- */

#define LEAF 64
#define LEAVES 24

static struct world w;
static const struct span some_leaves = { START, LEAVES *LEAF };
/* Frames of a whole GiB go back in batches, those of a part of one go one by one. */
static const struct span gigabyte = { START, SECTION_PAGES };

static bool is_free(uint64_t n, struct frame_info *info)
{
	frames_query(&w.f, pfn(n), info);
	return info->role == FRAME_FREE;
}

/* The frame that a batch takes next, in the plainest words. */
static uint64_t next_frame(void)
{
	uint64_t best = BUDDY_NONE;
	unsigned best_order = MAX_ORDER + 1;
	struct frame_info info;

	for (uint64_t n = START; n < START + some_leaves.pages; n++) {
		/* The lowest leaf of which a part is free; there, the lowest of the smallest blocks. */
		if (best_order < 6 && n % LEAF == 0)
			break;
		if (!is_free(n, &info) || info.order >= best_order)
			continue;
		best = n;
		best_order = info.order;
	}
	return best;
}

TEST_ON(TAP_HOST, PK6, "a batch empties the lowest leaf that is free in part, then a whole one")
{
	struct frame_info info;
	paddr_t pa[64];

	WORLD_OR_RETURN(&w, &some_leaves, 1);
	world_add(&w, START, some_leaves.pages);
	for (uint64_t i = 0; i < 3; i++)
		CHECK(world_take(&w, START + i * LEAF, 6, TAG_TEST));
	CHECK_EQ(frames_free(&w.f, pfn(START + LEAF), 6), MM_OK);
	CHECK_EQ(frames_free(&w.f, pfn(START + 2 * LEAF), 6), MM_OK);
	/* Leaf 1: eight frames in one block; leaf 2: a single one. */
	for (uint64_t i = 0; i < 2 * LEAF; i++)
		if (i / 8 != 1 && i != LEAF + 5)
			CHECK_EQ(frames_take(&w.f, pfn(START + LEAF + i), 0, TAG_TEST), MM_OK);
	CHECK_EQ(frames_alloc_bulk(&w.f, 3, 0, TAG_TEST, pa), MM_OK);
	for (uint64_t i = 0; i < 3; i++)
		CHECK_EQ(paddr_to_pfn(pa[i]).n, START + LEAF + 8 + i);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	/* What is left of the block is free, without references, and was last whose the block was. */
	CHECK(is_free(START + LEAF + 12, &info));
	CHECK(info.order == 2 && info.ref == 0 && info.tag == TAG_TEST);
	CHECK_EQ(frames_alloc_bulk(&w.f, 8, 0, TAG_TEST, pa), MM_OK);
	for (uint64_t i = 0; i < 5; i++)
		CHECK_EQ(paddr_to_pfn(pa[i]).n, START + LEAF + 11 + i);
	CHECK_EQ(paddr_to_pfn(pa[5]).n, START + 2 * LEAF + 5);
	CHECK_EQ(paddr_to_pfn(pa[6]).n, START + 3 * LEAF);
	CHECK_EQ(paddr_to_pfn(pa[7]).n, START + 3 * LEAF + 1);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST_ON(TAP_HOST, PK6, "batches of every size take what the plain words say, after 3000 random operations")
{
	static uint64_t held[LEAVES * LEAF];
	unsigned n_held = 0, refused = 0;
	uint64_t seed = 3;

	WORLD_OR_RETURN(&w, &some_leaves, 1);
	world_add(&w, START, some_leaves.pages);
	for (unsigned round = 0; round < 3000; round++) {
		unsigned n = 1 + (unsigned)(chance(&seed) % 63); /* 64: PK7 */
		/* Mostly empty at times, mostly full at others. */
		bool grow = chance(&seed) % 8 < (round / 200 % 2 ? 5 : 3);

		for (unsigned i = 0; !grow && i < n && n_held; i++) {
			unsigned k = (unsigned)(chance(&seed) % n_held);

			CHECK_EQ(frames_free(&w.f, pfn(held[k]), 0), MM_OK);
			held[k] = held[--n_held];
		}
		if (grow && n_held + n <= some_leaves.pages) {
			uint64_t first = next_frame();
			struct frames_stats before, after;
			paddr_t pa[64];

			frames_get_stats(&w.f, &before);
			CHECK_OR_RETURN(frames_alloc_bulk(&w.f, n, 0, TAG_TEST, pa) == MM_OK);
			frames_get_stats(&w.f, &after);
			CHECK_EQ(paddr_to_pfn(pa[0]).n, first);
			CHECK_EQ(before.free_pages - after.free_pages, n);
			CHECK_EQ(after.allocs - before.allocs, n);
			for (unsigned i = 0; i < n; i++)
				held[n_held++] = paddr_to_pfn(pa[i]).n;
			/* The others one by one: back, and each is the next one. */
			for (unsigned i = n; i; i--)
				CHECK_EQ(frames_free(&w.f, pfn(held[n_held - i]), 0), MM_OK);
			for (unsigned i = 0; i < n; i++) {
				CHECK_EQ(next_frame(), paddr_to_pfn(pa[i]).n);
				CHECK_EQ(frames_take(&w.f, pfn(paddr_to_pfn(pa[i]).n), 0, TAG_TEST), MM_OK);
			}
		} else if (grow) {
			refused++;
		}
		CHECK_OR_RETURN(frames_validate(&w.f) == MM_OK);
	}
	CHECK(refused > 0);
	while (n_held)
		CHECK_EQ(frames_free(&w.f, pfn(held[--n_held]), 0), MM_OK);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	CHECK_EQ(frames_largest_free(&w.f), 10);
}

static bool is_leaf(const paddr_t *pa, uint64_t first)
{
	for (uint64_t i = 0; i < LEAF; i++)
		if (paddr_to_pfn(pa[i]).n != first + i)
			return false;
	return true;
}

TEST_ON(TAP_HOST, PK7,
	"64 frames at once are neighbours, of the smallest block that has them, whatever holes there are")
{
	const uint64_t low = START + 16 * LEAF; /* the smallest block has eight leaves */
	paddr_t pa[2 * LEAF], other;

	WORLD_OR_RETURN(&w, &some_leaves, 1);
	world_add(&w, START, some_leaves.pages);
	/* A hole of 63 frames at the bottom; a block of 64 and one of 128 higher up. */
	CHECK_EQ(frames_alloc_bulk(&w.f, 1, 0, TAG_TEST, &other), MM_OK);
	CHECK_EQ(paddr_to_pfn(other).n, low);
	CHECK(world_take(&w, low + 5 * LEAF, 6, TAG_TEST));
	CHECK_EQ(frames_alloc_bulk(&w.f, LEAF, 0, TAG_TEST, pa), MM_OK);
	CHECK(is_leaf(pa, low + LEAF));
	CHECK_EQ(frames_alloc_bulk(&w.f, LEAF, 0, TAG_TEST, pa + LEAF), MM_OK);
	CHECK(is_leaf(pa + LEAF, low + 4 * LEAF));
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	CHECK_EQ(frames_free_bulk(&w.f, 2 * LEAF, pa), MM_OK);
	/* One leaf and some more: the rest is taken out of the hole. */
	for (unsigned flags = 0; flags <= FRAMES_RESERVE; flags += FRAMES_RESERVE) {
		CHECK_EQ(frames_alloc_bulk(&w.f, LEAF + 2, flags, TAG_TEST, pa), MM_OK);
		CHECK(is_leaf(pa, low + LEAF));
		CHECK_EQ(paddr_to_pfn(pa[LEAF]).n, low + 1);
		CHECK_EQ(paddr_to_pfn(pa[LEAF + 1]).n, low + 2);
		CHECK_EQ(frames_free_bulk(&w.f, LEAF + 2, pa), MM_OK);
	}
	CHECK_EQ(frames_free_bulk(&w.f, 1, &other), MM_OK);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST_ON(TAP_HOST, PK7, "when no 64 frames are free side by side, as many are had from holes")
{
	paddr_t pa[LEAF];

	WORLD_OR_RETURN(&w, &some_leaves, 1);
	world_add(&w, START, some_leaves.pages);
	for (uint64_t i = 0; i < LEAVES; i++)
		CHECK(world_take(&w, START + i * LEAF + 7, 0, TAG_TEST));
	CHECK_EQ(frames_alloc_bulk(&w.f, LEAF, 0, TAG_TEST, pa), MM_OK);
	CHECK_EQ(paddr_to_pfn(pa[0]).n, START + 6);
	CHECK_EQ(paddr_to_pfn(pa[LEAF - 1]).n, START + LEAF + 6);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

/* What may follow when the 64 frames have come back and wait; each is told how it finds the bank. */
enum after { AFTER_BULK, AFTER_BLOCK, AFTER_EXACT, AFTER_HALF, AFTER_FREE, AFTER_STATS, AFTER_CHECK, AFTERS };

static void follow(enum after what, const paddr_t *pa, uint64_t first, const struct span *bank)
{
	const unsigned largest = bank->pages == SECTION_PAGES ? MAX_ORDER : 10;
	struct frames_stats s;
	struct frame_info info;
	paddr_t again[LEAF];
	pfn_t f;

	switch (what) {
	case AFTER_BULK:
		CHECK_EQ(frames_alloc_bulk(&w.f, LEAF, 0, TAG_HEAP, again), MM_OK);
		CHECK(is_leaf(again, first));
		CHECK_EQ(*world_record(&w, first + 63), page_word(1, 0, PAGE_ALLOC, TAG_HEAP));
		frames_get_stats(&w.f, &s);
		CHECK_EQ(s.allocs - s.frees, LEAF);
		CHECK_EQ(frames_free_bulk(&w.f, LEAF, again), MM_OK);
		break;
	case AFTER_BLOCK:
		CHECK_EQ(frames_alloc(&w.f, 6, 0, TAG_HEAP, &f), MM_OK);
		CHECK_EQ(f.n, first);
		frames_get_stats(&w.f, &s);
		CHECK_EQ(s.allocs - s.frees, 1);
		CHECK_EQ(frames_free(&w.f, f, 6), MM_OK);
		break;
	case AFTER_EXACT:
		CHECK_EQ(frames_take(&w.f, pfn(first + 5), 0, TAG_HEAP), MM_OK);
		CHECK_EQ(frames_free(&w.f, pfn(first + 5), 0), MM_OK);
		break;
	case AFTER_HALF:
		CHECK_EQ(frames_alloc_bulk(&w.f, LEAF / 2, 0, TAG_HEAP, again), MM_OK);
		CHECK_EQ(frames_free_bulk(&w.f, LEAF / 2, again), MM_OK);
		break;
	case AFTER_FREE:
		for (unsigned i = 0; i < LEAF; i += 9)
			CHECK_EQ(frames_free(&w.f, paddr_to_pfn(pa[i]), 0), MM_EDOUBLE);
		CHECK_EQ(frames_free(&w.f, pfn(first), 6), MM_EDOUBLE);
		break;
	case AFTER_STATS:
		frames_get_stats(&w.f, &s);
		CHECK_EQ(s.free_pages, bank->pages);
		CHECK_EQ(s.free_blocks[largest], 1);
		CHECK_EQ(s.allocs, s.frees);
		CHECK(is_free(first + 9, &info));
		break;
	default:
		break;
	}
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	frames_get_stats(&w.f, &s);
	CHECK_EQ(s.allocs, s.frees);
	CHECK_EQ(s.free_pages, bank->pages);
	CHECK_EQ(frames_largest_free(&w.f), largest);
}

TEST_ON(TAP_HOST, PK7,
	"64 neighbours that come back are free for whatever follows, and their records are a free block's")
{
	paddr_t pa[LEAF], mixed[LEAF];

	for (enum after what = 0; what < AFTERS; what++) {
		for (unsigned way = 0; way < 8; way++) {
			const struct span *bank = way < 4 ? &some_leaves : &gigabyte;

			WORLD_OR_RETURN(&w, bank, 1);
			world_add(&w, START, bank->pages);
			CHECK_EQ(frames_alloc_bulk(&w.f, LEAF, 0, TAG_TEST, pa), MM_OK);
			CHECK(is_leaf(pa, way < 4 ? START + bank->pages - LEAF * 8 : START));
			/* As they came, the other way round, with the ends in their places, with other ends. */
			for (unsigned i = 0; i < LEAF; i++)
				mixed[i] = pa[way % 4 == 1 ? LEAF - 1 - i : way % 4 == 3 ? i * 5 % LEAF : i];
			if (way % 4 == 2) {
				mixed[7] = pa[8];
				mixed[8] = pa[7];
			}
			CHECK_EQ(frames_free_bulk(&w.f, LEAF, mixed), MM_OK);
			follow(what, pa, paddr_to_pfn(pa[0]).n, bank);
		}
	}
}

TEST_ON(TAP_HOST, PK7,
	"frames that are not the 64 handed out last do not wait: others, some of them, with something in between")
{
	paddr_t a[LEAF], b[LEAF];

	WORLD_OR_RETURN(&w, &some_leaves, 1);
	world_add(&w, START, some_leaves.pages);
	CHECK_EQ(frames_alloc_bulk(&w.f, LEAF, 0, TAG_TEST, a), MM_OK);
	CHECK_EQ(frames_alloc_bulk(&w.f, LEAF, 0, TAG_TEST, b), MM_OK);
	/* The one before: 64 neighbours, the highest as far away as it should be. */
	CHECK_EQ(frames_free_bulk(&w.f, LEAF, a), MM_OK);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	CHECK_EQ(frames_alloc_bulk(&w.f, LEAF, 0, TAG_TEST, a), MM_OK);
	/* One frame of the last comes back alone, then the others; and it has been somebody else's. */
	CHECK_EQ(frames_free(&w.f, paddr_to_pfn(a[3]), 0), MM_OK);
	CHECK_EQ(frames_alloc_bulk(&w.f, 1, 0, TAG_HEAP, a + 3), MM_OK);
	CHECK_EQ(frames_free_bulk(&w.f, LEAF, a), MM_OK);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	/* With a reserve not everybody may have what has come back. */
	CHECK_EQ(frames_free_bulk(&w.f, LEAF, b), MM_OK);
	CHECK_EQ(frames_set_reserve(&w.f, some_leaves.pages - LEAF), MM_OK);
	CHECK_EQ(frames_alloc_bulk(&w.f, LEAF, 0, TAG_TEST, a), MM_OK);
	CHECK_EQ(frames_alloc_bulk(&w.f, LEAF, 0, TAG_TEST, b), MM_ENOMEM);
	CHECK_EQ(frames_alloc_bulk(&w.f, LEAF, FRAMES_RESERVE, TAG_TEST, b), MM_OK);
	CHECK_EQ(frames_free_bulk(&w.f, LEAF, b), MM_OK);
	CHECK_EQ(frames_alloc_bulk(&w.f, LEAF, 0, TAG_TEST, b), MM_ENOMEM);
	CHECK_EQ(frames_free_bulk(&w.f, LEAF, a), MM_OK);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	CHECK_EQ(frames_largest_free(&w.f), 10);
}

TEST_ON(TAP_HOST, PK7,
	"64 frames that come back together wait, whatever their order: no bitmap is written, and who asks next has them")
{
	static uint64_t before[MID_WORDS + LEAVES * LEAF_WORDS], after[ARRAY_SIZE(before)];
	const uint64_t n = START;
	paddr_t pa[LEAF + 1], mixed[LEAF], one;
	struct buddy *b;

	for (unsigned way = 0; way < 6; way++) {
		WORLD_OR_RETURN(&w, &gigabyte, 1);
		world_add(&w, START, gigabyte.pages);
		b = world_bank(&w, 0);
		CHECK_EQ(frames_alloc_bulk(&w.f, LEAF, 0, (uint8_t)(1 << way), pa), MM_OK);
		CHECK(is_leaf(pa, n));
		CHECK_EQ(b->last, n << LAST_SHIFT | 6);
		CHECK(b->live == LEAF && b->used_pages == LEAF && b->peak_used_pages == LEAF && b->frees == 0);
		memcpy(before, (void *)mid_at(b, n), MID_WORDS * 8);
		memcpy(before + MID_WORDS, leaf_at(b, START), LEAVES * LEAF_WORDS * 8);
		for (unsigned i = 0; i < LEAF; i++)
			mixed[i] = pa[way & 1 ? LEAF - 1 - i : i];
		/* The lowest and the highest stay at the ends. */
		for (unsigned i = 1; i < LEAF - 1 && way / 2 == 1; i++)
			mixed[i] = pa[1 + i * 5 % 62];
		if (way / 2 == 2) {
			one = mixed[LEAF / 2];
			mixed[LEAF / 2] = mixed[LEAF / 2 + way - 2];
			mixed[LEAF / 2 + way - 2] = one;
		}
		CHECK_EQ(frames_free_bulk(&w.f, LEAF, mixed), MM_OK);
		CHECK_EQ(b->last, n << LAST_SHIFT | 6 | LAST_BACK);
		CHECK(b->live == 1 && b->used_pages == LEAF && b->frees == LEAF);
		CHECK_EQ(*world_record(&w, n), page_word(1, 6, PAGE_CACHED, 1u << way));
		for (unsigned i = 1; i < LEAF; i++)
			CHECK_EQ(*world_record(&w, n + i), 0);
		memcpy(after, (void *)mid_at(b, n), MID_WORDS * 8);
		memcpy(after + MID_WORDS, leaf_at(b, START), LEAVES * LEAF_WORDS * 8);
		CHECK(!memcmp(before, after, sizeof(before)));
		/* One more than 64: the first of them are had, and one that is none of them. */
		CHECK_EQ(frames_alloc_bulk(&w.f, LEAF + 1, 0, TAG_HEAP, pa), MM_OK);
		CHECK(is_leaf(pa, n));
		CHECK(b->live == LEAF + 1 && b->used_pages == LEAF + 1 && b->peak_used_pages == LEAF + 1);
		CHECK_EQ(b->frees, LEAF);
		/* Something else has happened in between: they are put back at once. */
		CHECK_EQ(frames_free_bulk(&w.f, LEAF, pa), MM_OK);
		CHECK_EQ(b->last, LAST_NONE);
		CHECK(b->live == 1 && b->used_pages == 1 && b->frees == 2 * LEAF);
		CHECK_EQ(frames_free_bulk(&w.f, 1, pa + LEAF), MM_OK);
		CHECK_EQ(b->frees, 2 * LEAF + 1);
		CHECK_EQ(b->peak_used_pages, LEAF + 1);
		world_check(&w);
	}
}

TEST_ON(TAP_HOST, PK7, "64 frames that are not those that were handed out last do not wait, though their ends are")
{
	paddr_t a[LEAF], other, mixed[LEAF];
	struct buddy *b;

	for (unsigned at = 1; at < LEAF - 1; at++) {
		WORLD_OR_RETURN(&w, &gigabyte, 1);
		world_add(&w, START, gigabyte.pages);
		b = world_bank(&w, 0);
		CHECK_EQ(frames_alloc_bulk(&w.f, 1, 0, TAG_HEAP, &other), MM_OK);
		CHECK_EQ(frames_alloc_bulk(&w.f, LEAF, 0, TAG_TEST, a), MM_OK);
		memcpy(mixed, a, sizeof(a));
		mixed[at] = other;
		CHECK_EQ(frames_free_bulk(&w.f, LEAF, mixed), MM_OK);
		CHECK_EQ(b->last, LAST_NONE);
		CHECK(b->live == 1 && b->used_pages == 1 && b->frees == LEAF);
		CHECK_EQ(frames_validate(&w.f), MM_OK);
		CHECK_EQ(frames_free_bulk(&w.f, 1, a + at), MM_OK);
		world_check(&w);
	}
}

/* ---- the recorded trace ------------------------------------------------------------------------------------------ */

static const char good_trace[] = "granule packing trace 1: frames 262144+2048, 288 blocks, 45 events\n"
				 "\x03\x80\x80\x10\x80\x10" /* 2048 frames from 0x40000 on */
				 "\x00"			    /* CPU 0, order 0: block 0 */
				 "\x84\x02"		    /* order 1, three times: blocks 8, 16, 24 */
				 "\x2e"			    /* CPU 3, order 0: block 3 */
				 "\x41"			    /* frees block 8 */
				 "\x07\x02"		    /* and two in steps of 8: 16, 24 */
				 "\x42"			    /* CPU 0 frees block 0, as far from its last as before */
				 "\x80\x23"		    /* order 0, 36 times: blocks 0, 24, 16, 8, 32, 40 ... */
	;
#define GOOD_BYTES (sizeof(good_trace) - 1)

static struct player replayed;
static unsigned samples;

static void count_sample(struct player *p, const char *name)
{
	(void)p;
	samples += !strcmp(name, "sample");
}

static bool replay(const void *file, size_t bytes)
{
	struct subject s = subject_lifo(START, SECTION_PAGES, 10);
	struct recording r;
	bool good;

	if (!replay_open(&r, file, bytes)) {
		s.end(s.state);
		return false;
	}
	player_init(&replayed, &s, "lifo", r.start, r.pages, r.blocks);
	replayed.point = count_sample;
	samples = 0;
	good = replay_play(&r, &replayed);
	player_check(&replayed);
	player_end(&replayed);
	return good;
}

TEST_ON(TAP_HOST, PK5, "a recorded trace is played event by event")
{
	CHECK(replay(good_trace, GOOD_BYTES));
	CHECK_EQ(replayed.requests, 41);
	CHECK_EQ(replayed.failures, 0);
	CHECK_EQ(replayed.total_pages, 2048);
	CHECK_EQ(replayed.free_pages, 2048 - 37);
	/* No more samples than events. */
	CHECK_EQ(samples, 45);
}

TEST_ON(TAP_HOST, PK5, "a trace that is cut off anywhere, or names what is not there, is refused")
{
	char file[GOOD_BYTES];

	for (size_t n = 0; n < GOOD_BYTES; n++)
		CHECK(!replay(good_trace, n));
	/* One event more than the head says; more blocks than there are; what no byte means; a block that is not there. */
	memcpy(file, good_trace, GOOD_BYTES);
	file[GOOD_BYTES - 1] = 0x24;
	CHECK(!replay(file, GOOD_BYTES));
	file[GOOD_BYTES - 1] = 0x7f;
	CHECK(!replay(file, GOOD_BYTES));
	memcpy(file, good_trace, GOOD_BYTES);
	file[GOOD_BYTES - 3] = 0x62;
	CHECK(!replay(file, GOOD_BYTES));
	file[GOOD_BYTES - 3] = 0x0b;
	CHECK(!replay(file, GOOD_BYTES));
	file[GOOD_BYTES - 3] = 0x41;
	CHECK(!replay(file, GOOD_BYTES));
}

#endif
