/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page allocator and its reference model, worked in step: each function asks both the same and says whether the
 * allocator's answer is right. Suites, the fuzzer and the enumeration go through here.
 *
 * What the model does not determine is learned from the allocator and then checked: which free blocks lie in caches, and
 * so which of several right answers a cache gives.
 *
 * For one thread, which may play several CPUs in turn.
 */
#ifndef TESTS_MODEL_FRAMES_PAIR_H
#define TESTS_MODEL_FRAMES_PAIR_H

#include "tests/model/buddy_model.h"

struct frames_pair {
	struct frames *f;
	struct buddy_model *model;
	/*
	 * How many blocks left and entered the banks is no longer the model's to say: caches moved some. These counters
	 * and the peak are not compared any more.
	 */
	bool batches;
	const char *wrong; /* what did not agree first, or NULL */
	long got, want;	   /* and with which numbers */
};

/* Both are in the same state. */
void pair_init(struct frames_pair *p, struct frames *f, struct buddy_model *m);

/*
 * One operation on both. True: the allocator did what it must. *err: what it returned (NULL: of no interest); *out and
 * pages: where it is MM_OK.
 */
bool pair_add_memory(struct frames_pair *p, uint64_t start, uint64_t pages, int *err);
bool pair_alloc(struct frames_pair *p, unsigned order, unsigned flags, unsigned tag, uint64_t *out, int *err);
bool pair_take(struct frames_pair *p, uint64_t n, unsigned order, unsigned tag, int *err);
bool pair_free(struct frames_pair *p, uint64_t n, unsigned order, int *err);
bool pair_alloc_request(struct frames_pair *p, unsigned order, const struct frames_request *r, uint64_t *out, int *err);
bool pair_alloc_exact(struct frames_pair *p, uint64_t pages, const struct frames_request *r, uint64_t *out, int *err);
bool pair_free_exact(struct frames_pair *p, uint64_t n, uint64_t pages, int *err);
/* spare: room for as many runs of the model as it may have. */
bool pair_alloc_runs(struct frames_pair *p, uint64_t pages, uint64_t align, const struct frames_request *r,
		     struct frames_run *runs, unsigned max_runs, unsigned *n_runs, struct model_run *spare, int *err);
bool pair_get(struct frames_pair *p, uint64_t n, int *err);
bool pair_put(struct frames_pair *p, uint64_t n, int *err);
bool pair_alloc_bulk(struct frames_pair *p, unsigned count, unsigned flags, unsigned tag, paddr_t *pages, int *err);
bool pair_free_bulk(struct frames_pair *p, unsigned count, const paddr_t *pages, int *err);
bool pair_set_reserve(struct frames_pair *p, uint64_t pages, int *err);
bool pair_drain(struct frames_pair *p);
/* memory: for the cache of the CPU that this thread plays. */
bool pair_online(struct frames_pair *p, unsigned cpu, uint32_t node, void *memory, int *err);
bool pair_offline(struct frames_pair *p, int *err);
bool pair_dead(struct frames_pair *p, unsigned cpu, int *err);

/*
 * Learns which free blocks are cached; the functions above do it themselves. False: what the allocator says of its free
 * blocks cannot be.
 */
bool pair_learn(struct frames_pair *p);

/* Whether frames_query() says of frame n what it must. */
bool pair_query(struct frames_pair *p, uint64_t n);

/*
 * Everything that can be asked about now: first, middle and last frame of each block, the neighbours of each bank, free
 * blocks, CPUs' shares.
 */
bool pair_agrees(struct frames_pair *p);
/* What has happened so far; meaningful when all of it went through here. */
bool pair_counters_agree(struct frames_pair *p);
/* How much each owner has. Walks all records. */
bool pair_owners_agree(struct frames_pair *p);
/* The allocator's own check, which drains the caches. */
bool pair_validate(struct frames_pair *p);

#endif
