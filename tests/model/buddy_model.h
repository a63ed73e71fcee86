/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a buddy allocator is, in the plainest words: the reference that mm/buddy*.c and mm/frames*.c are compared with.
 *
 * Every frame has a state. Blocks are aligned to their size and never cross a section. There is no list, no bitmap and
 * no merging: the free block around a free frame IS the largest aligned block in which every frame is free. A request is
 * answered by looking at all free blocks, from end to end. Frames of one state that stand side by side are written down
 * as one run, so that a terabyte of equal frames costs one line; an allocated block is always a run of its own.
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
	MODEL_USED, /* the run is one block, with order, tag and references */
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
	uint64_t used, peak; /* frames in blocks that are out, now and at most */
};

struct buddy_model {
	struct model_bank bank[MODEL_BANKS]; /* in the order in which they are asked */
	unsigned banks;
	struct model_run *run; /* by bank, then by address; all frames of all banks, each in one run */
	unsigned runs, max_runs;
	uint64_t allocs, frees, failures, bad_frees;
};

/* A model without banks; runs: memory for max_runs runs. A model that needs more panics. */
void model_init(struct buddy_model *m, struct model_run *runs, unsigned max_runs);

/* A bank more (the caller has checked it), nothing of it given. High memory is asked first, then by address. */
void model_add_bank(struct buddy_model *m, uint64_t start, uint64_t pages);

/* What the functions of mm/frames.h with the same names must return, and what they must do. */
int model_add_memory(struct buddy_model *m, uint64_t start, uint64_t pages);
int model_alloc(struct buddy_model *m, unsigned order, unsigned flags, unsigned tag, uint64_t *out);
int model_take(struct buddy_model *m, uint64_t n, unsigned order, unsigned tag);
int model_free(struct buddy_model *m, uint64_t n, unsigned order);
void model_query(const struct buddy_model *m, uint64_t n, struct frame_info *out);
/* All members but metadata_bytes, which is 0. */
void model_get_stats(const struct buddy_model *m, struct frames_stats *out);
int model_largest_free(const struct buddy_model *m);

/* What model_free() and model_take() would return; nothing changes. */
int model_free_error(const struct buddy_model *m, uint64_t n, unsigned order);
int model_take_error(const struct buddy_model *m, uint64_t n, unsigned order);

/* The first frame of the block that a request is answered with, or BUDDY_NONE. */
uint64_t model_choose(const struct buddy_model *m, unsigned order, unsigned flags);

/* The run around frame n, or NULL when no bank has it. */
struct model_run *model_find(const struct buddy_model *m, uint64_t n);

/* Whether frames_query() may say `got` of frame n: a free block's owner is history and left out. */
bool model_query_agrees(const struct buddy_model *m, uint64_t n, const struct frame_info *got);

#endif
