/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plays a trace to one allocator of page frames and keeps an account of its own: how many frames of each 2 MiB and of
 * each 1 GiB are used. What is measured comes from this account, the same code for every allocator; what an allocator
 * says of itself is compared with it.
 *
 * A trace names blocks by number, never by address, so that every allocator gets the same requests whatever it answers.
 * An allocator that hands out what is not free, not aligned or not memory, that refuses a free, or whose own numbers
 * contradict the account, ends the program: there is no packing to measure.
 */
#ifndef TESTS_BENCH_PACKING_PLAYER_H
#define TESTS_BENCH_PACKING_PLAYER_H

#include "lib/defs.h"
#include "mm/page.h"

#define ORDER_2M 9
#define NO_BLOCK UINT32_MAX

/* An allocator as the player sees it. Frames are numbered as in mm/; false: it cannot. */
struct subject {
	void *state;
	unsigned max_order; /* of its largest block */
	bool (*give)(void *state, uint64_t start, uint64_t pages);
	bool (*alloc)(void *state, unsigned cpu, unsigned order, uint64_t *n);
	bool (*free)(void *state, unsigned cpu, uint64_t n, unsigned order);
	/* Caches give back what they hold. */
	void (*drain)(void *state);
	/* Free blocks of each order, what caches hold is not in it; returns how many 2 MiB blocks these hold. */
	uint64_t (*count)(void *state, uint64_t blocks[MAX_ORDER + 1]);
	bool (*validate)(void *state);
	void (*end)(void *state);
};

/* How the free memory lies. */
struct packing {
	uint64_t free_pages;
	uint64_t whole_2m; /* aligned ranges of 2 MiB in which everything is free; of 1 GiB */
	uint64_t whole_1g;
	int largest; /* order of the largest free block, 1 GiB at most; -1: nothing is free */
};

/* Share of the free memory that lies in whole ranges, 0 to 1; 1 when nothing is free. */
double packing_share_2m(const struct packing *p);
double packing_share_1g(const struct packing *p);

struct player_block {
	uint64_t n;
	uint8_t order;
	bool live;
};

struct player {
	struct subject subject; /* ended with the player */
	const char *name;
	uint64_t start; /* a multiple of SECTION_PAGES */
	uint64_t pages;
	/* The account. Frames that are no memory count as used. */
	uint8_t *used;	   /* of each frame */
	uint16_t *used_2m; /* how many of each 2 MiB */
	uint32_t *used_1g;
	uint64_t free_pages, total_pages;
	struct player_block *block;
	uint32_t blocks;
	/* The trace as it was played: equal for all allocators that did the same. */
	uint64_t requests, failures;
	uint64_t digest;
	/* Called where the trace says that memory is worth a look. */
	void (*point)(struct player *p, const char *name);
	void *ctx;
};

/* Frames [start, start + pages), none of which is memory yet; at most `blocks` blocks live at a time. */
void player_init(struct player *p, const struct subject *s, const char *name, uint64_t start, uint64_t pages,
		 uint32_t blocks);
void player_end(struct player *p);

void player_give(struct player *p, uint64_t start, uint64_t pages);
/* Asks for 2^order frames, to be block `number` from now on. False: there is none, and no such block. */
bool player_alloc(struct player *p, unsigned cpu, uint32_t number, unsigned order);
void player_free(struct player *p, unsigned cpu, uint32_t number);
void player_point(struct player *p, const char *name);

/* From the account, as if caches were empty. */
struct packing player_packing(const struct player *p);
/* From the allocator's own lists: frames in caches are free, but in no block (2 MiB blocks in caches are). */
struct packing player_packing_undrained(struct player *p);
/* Drains the caches and compares the allocator's free blocks with the account; ends the program when they differ. */
void player_check(struct player *p);
/* How many requests of 2 MiB succeed from here on; all are given back. */
uint64_t player_probe_2m(struct player *p);

#endif
