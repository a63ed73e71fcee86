/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must come of requests with wishes, found by a search through all blocks and runs of the reference model; and the
 * requests themselves, made of both and compared. For suites on page frames.
 */
#ifndef TESTS_SUITES_RANGE_WORLD_H
#define TESTS_SUITES_RANGE_WORLD_H

#include "tests/suites/frames_world.h"

#define NODES 4 /* that have distances */

static struct world w;
static unsigned far[NODES][NODES]; /* distances that were set */
/* ---- what must come of a request --------------------------------------------------------------------------------- */

static inline uint64_t limit_of(const struct frames_request *r)
{
	unsigned bits = r->address_bits ? r->address_bits : 64;

	if (r->flags & FRAMES_BELOW_4G && bits > 32)
		bits = 32;
	return bits == 64 ? UINT64_MAX : FRAME((uint64_t)1 << bits);
}

/* The node of model bank i: world_make() numbers them as they were given, the model by address. */
static inline uint32_t node_of(unsigned i)
{
	return world_bank(&w, i)->numa_node;
}

static inline unsigned distance_of(const struct frames_request *r, unsigned i)
{
	uint32_t node = node_of(i);

	if (!r->has_node)
		return 0;
	if (r->node < NODES && node < NODES && far[r->node][node])
		return far[r->node][node];
	return r->node == node ? 10 : 20;
}

/* The model's banks in the order in which the request asks them; the number of those that it asks at all. */
static inline unsigned banks_for(const struct frames_request *r, unsigned *order)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w.model.banks; i++) {
		unsigned at = n;

		if ((r->only_node && node_of(i) != r->node) || w.model.bank[i].start >= limit_of(r))
			continue;
		for (; at && distance_of(r, order[at - 1]) > distance_of(r, i); at--)
			order[at] = order[at - 1];
		order[at] = i;
		n++;
	}
	return n;
}

/* Where a request for one block, or for the first `pages` frames of one, is answered; or BUDDY_NONE. */
static inline uint64_t expect_exact(uint64_t pages, const struct frames_request *r)
{
	unsigned order[MODEL_BANKS], n = banks_for(r, order), least = 0;

	while (((uint64_t)1 << least) < pages)
		least++;
	for (unsigned i = 0; i < n; i++) {
		uint64_t best = BUDDY_NONE;
		unsigned best_order = MAX_ORDER + 1;

		for (unsigned k = 0; k < w.model.runs; k++) {
			const struct model_run *run = &w.model.run[k];
			struct frame_info info;

			if (run->bank != order[i] || run->state != MODEL_FREE)
				continue;
			for (uint64_t at = run->n; at < run->n + run->pages; at += (uint64_t)1 << info.order) {
				model_query(&w.model, at, &info);
				if (info.order >= least && info.order < best_order && at + pages <= limit_of(r)) {
					best = at;
					best_order = info.order;
				}
			}
		}
		if (best != BUDDY_NONE)
			return best;
	}
	return BUDDY_NONE;
}

/* The part of free run k that a request may use. */
static inline struct span usable(const struct model_run *run, const struct frames_request *r, uint64_t align)
{
	uint64_t start = ALIGN_UP(run->n, align), end = min_u64(run->n + run->pages, limit_of(r));

	return (struct span){ start, run->state == MODEL_FREE && start < end ? end - start : 0 };
}

static inline uint64_t expect_range(uint64_t pages, uint64_t align, const struct frames_request *r)
{
	unsigned order[MODEL_BANKS], n = banks_for(r, order);

	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < w.model.runs; k++) {
			struct span s = usable(&w.model.run[k], r, align);

			if (w.model.run[k].bank == order[i] && s.pages >= pages)
				return s.start;
		}
	return BUDDY_NONE;
}

/* How many frames the `max` longest ranges have together: *n of them are enough for `pages`. */
static inline uint64_t expect_runs(uint64_t pages, uint64_t align, const struct frames_request *r, unsigned max,
				   unsigned *n)
{
	static uint64_t best[64];
	unsigned order[MODEL_BANKS], banks = banks_for(r, order), count = 0;
	uint64_t together = 0;

	for (unsigned i = 0; i < banks; i++)
		for (unsigned k = 0; k < w.model.runs; k++) {
			uint64_t length = usable(&w.model.run[k], r, align).pages;
			unsigned at;

			if (w.model.run[k].bank != order[i] || !length)
				continue;
			for (at = count < max ? count++ : max; at && best[at - 1] < length; at--)
				if (at < max)
					best[at] = best[at - 1];
			if (at < max)
				best[at] = length;
		}
	for (*n = 0; *n < count && together < pages; ++*n)
		together += best[*n];
	return together;
}

/* ---- both, compared ---------------------------------------------------------------------------------------------- */

/* The model hands [n, n + pages) out as the largest blocks that it is made of. */
static inline void model_take_range(uint64_t n, uint64_t pages, unsigned tag)
{
	while (pages) {
		unsigned k = MAX_ORDER;

		while (!IS_ALIGNED(n, (uint64_t)1 << k) || pages >> k == 0)
			k--;
		CHECK_EQ(model_take(&w.model, n, k, tag), MM_OK);
		n += (uint64_t)1 << k;
		pages -= (uint64_t)1 << k;
	}
}

static inline void model_free_range(uint64_t n, uint64_t pages)
{
	for (uint64_t end = n + pages; n < end;) {
		unsigned order = model_find(&w.model, n)->order;

		CHECK_EQ(model_free(&w.model, n, order), MM_OK);
		n += (uint64_t)1 << order;
	}
}

static inline bool alloc_exact(uint64_t pages, const struct frames_request *r, uint64_t *out)
{
	uint64_t n = expect_exact(pages, r);
	pfn_t first = pfn(BUDDY_NONE);
	int err = is_pow2(pages) ? frames_alloc_request(&w.f, (unsigned)__builtin_ctzll(pages), r, &first)
				 : frames_alloc_exact(&w.f, pages, r, &first);

	if (!err && first.n == n)
		model_take_range(n, pages, r->tag);
	*out = n;
	return first.n == n && err == (n == BUDDY_NONE ? MM_ENOMEM : MM_OK);
}

#define MAX_RUNS 8

static struct frames_run runs[MAX_RUNS];

/* Any number of runs, from 0 when there is not enough. *n: how many; they are in runs[]. */
static inline bool alloc_runs(uint64_t pages, uint64_t align, const struct frames_request *r, unsigned max, unsigned *n)
{
	uint64_t one = expect_range(pages, align, r), together, sum = 0;
	unsigned want, got = 0;
	int err = frames_alloc_runs(&w.f, pages, align, r, runs, max, &got);

	*n = 0;
	if (one != BUDDY_NONE) {
		if (err || got != 1 || runs[0].first.n != one || runs[0].pages != pages)
			return false;
		model_take_range(one, pages, r->tag);
		*n = 1;
		return true;
	}
	together = expect_runs(pages, align, r, max, &want);
	if (!(r->flags & FRAMES_BEST_EFFORT) || together < pages)
		return err == MM_ENOMEM && got == 0;
	if (err || got != want)
		return false;
	for (unsigned i = 0; i < got; i++) {
		const struct model_run *free = model_find(&w.model, runs[i].first.n);
		struct span s = usable(free, r, align);

		/* All but the last one are as long as they can be. */
		if (s.start != runs[i].first.n || (i + 1 < got ? s.pages != runs[i].pages : s.pages < runs[i].pages) ||
		    (i && runs[i].pages > runs[i - 1].pages))
			return false;
		sum += runs[i].pages;
	}
	for (unsigned i = 0; i < got; i++)
		model_take_range(runs[i].first.n, runs[i].pages, r->tag);
	*n = got;
	return sum == pages;
}

static inline bool free_exact(uint64_t n, uint64_t pages)
{
	model_free_range(n, pages);
	return frames_free_exact(&w.f, pfn(n), pages) == MM_OK;
}

#endif
