/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a buddy allocator is, in the plainest words: the reference that mm/buddy*.c and mm/frames*.c are compared with.
 *
 * Every frame has a state. Blocks are aligned to their size and never cross a section. There is no list, no bitmap and
 * no merging: the free block around a free frame IS the largest aligned block in which every frame is free. A request is
 * answered by looking at all free blocks, from end to end. Frames of one state that stand side by side are written down
 * as one run, so that a terabyte of equal frames costs one line; an allocated block is always a run of its own.
 *
 * Which blocks lie in CPUs' caches is the allocator's own affair: the model is told (tests/model/frames_pair.c finds
 * out), and says what follows. Such a block is free to the world, but no part of a larger free block.
 *
 * Speed is no aim. Nothing here shares code with what it judges: only numbers and names come from mm/.
 */
#ifndef TESTS_MODEL_BUDDY_MODEL_H
#define TESTS_MODEL_BUDDY_MODEL_H

#include "mm/frames.h"

#define MODEL_BANKS 8

enum model_state {
	MODEL_RESERVED, /* in a bank, never given */
	MODEL_FREE,
	MODEL_CACHED, /* the run is one block, with an order */
	MODEL_USED,   /* the run is one block, with order, tag and references */
};

struct model_run {
	uint64_t n; /* first frame */
	uint64_t pages;
	uint32_t ref;
	uint8_t state; /* enum model_state */
	uint8_t order;
	uint8_t tag;
	uint8_t bank;
};

struct model_bank {
	uint64_t start; /* frame */
	uint64_t pages;
	uint32_t node;
	uint64_t reserve;    /* frames kept back for FRAMES_RESERVE */
	uint64_t used, peak; /* frames in blocks that are out, now and at most; cached ones are not */
};

struct buddy_model {
	struct model_bank bank[MODEL_BANKS]; /* in the order in which they are asked */
	unsigned banks;
	struct model_run *run; /* by bank, then by address; all frames of all banks, each in one run */
	unsigned runs, max_runs;
	uint8_t distance[FRAMES_MAX_NODES][FRAMES_MAX_NODES]; /* 0: not said */
	uint64_t allocs, frees, failures, bad_frees;
};

/* A model without banks; runs: memory for max_runs runs. A model that needs more panics. */
void model_init(struct buddy_model *m, struct model_run *runs, unsigned max_runs);

/* A bank more (the caller has checked it), nothing of it given. High memory is asked first, then by address. */
void model_add_bank(struct buddy_model *m, uint64_t start, uint64_t pages, uint32_t node);

/*
 * What the functions of mm/frames.h with the same names must return, and what they must do. Requests are those that go
 * to the banks: what a CPU's cache answers is checked by model_hand_out().
 */
int model_add_memory(struct buddy_model *m, uint64_t start, uint64_t pages);
int model_alloc(struct buddy_model *m, unsigned order, unsigned flags, unsigned tag, uint64_t *out);
int model_alloc_request(struct buddy_model *m, unsigned order, const struct frames_request *r, uint64_t *out);
int model_alloc_exact(struct buddy_model *m, uint64_t pages, const struct frames_request *r, uint64_t *out);
int model_free_exact(struct buddy_model *m, uint64_t n, uint64_t pages);
int model_take(struct buddy_model *m, uint64_t n, unsigned order, unsigned tag);
int model_free(struct buddy_model *m, uint64_t n, unsigned order);
int model_get(struct buddy_model *m, uint64_t n);
int model_put(struct buddy_model *m, uint64_t n, bool *freed);
void model_query(const struct buddy_model *m, uint64_t n, struct frame_info *out);
/* Members that are about CPUs' limits and batches, and metadata_bytes, are 0. */
void model_get_stats(const struct buddy_model *m, struct frames_stats *out);
int model_largest_free(const struct buddy_model *m);
/* Every cached block is free like others again. Returns how many frames that were. */
uint64_t model_drain(struct buddy_model *m);

/* What model_free() and model_take() would return; nothing changes. */
int model_free_error(const struct buddy_model *m, uint64_t n, unsigned order);
int model_take_error(const struct buddy_model *m, uint64_t n, unsigned order);

/*
 * The first frame of what a request for `pages` frames in one block is answered with when no cache is drained for it, or
 * BUDDY_NONE: the lowest free block of the smallest sufficient order in the nearest bank that has any.
 */
uint64_t model_choose(const struct buddy_model *m, uint64_t pages, const struct frames_request *r);
/*
 * The same for a range across blocks that begins at a multiple of align: the lowest in the nearest bank that has any.
 */
uint64_t model_choose_range(const struct buddy_model *m, uint64_t pages, uint64_t align,
			    const struct frames_request *r);
/*
 * The longest range of at most `pages` free frames that begins at a multiple of align, in any bank that the request
 * allows; of equal ones the lowest. Returns its length, 0: there is none.
 */
uint64_t model_longest_range(const struct buddy_model *m, uint64_t pages, uint64_t align,
			     const struct frames_request *r, uint64_t *n);
/* How many frames of bank b (its number) a request with these flags may take. */
uint64_t model_room(const struct buddy_model *m, unsigned b, unsigned flags);

/* The block of `order` at n goes into a cache, or out to an owner. False: it is not free, or cached as another block. */
bool model_cache(struct buddy_model *m, uint64_t n, unsigned order);
bool model_hand_out(struct buddy_model *m, uint64_t n, unsigned order, unsigned tag);
/* A range goes out as blocks, each as large as its first frame's alignment and the end allow. */
bool model_hand_out_range(struct buddy_model *m, uint64_t n, uint64_t pages, unsigned tag);

/* The run around frame n, or NULL when no bank has it. */
struct model_run *model_find(const struct buddy_model *m, uint64_t n);

/* model_query() of a frame of this run, or of none (NULL). */
void model_query_run(const struct model_run *r, uint64_t n, struct frame_info *out);
/* Whether frames_query() may say `got`. A free block's last owner is history and left out. */
bool model_info_agrees(const struct frame_info *want, const struct frame_info *got);

#endif
