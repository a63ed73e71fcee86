/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocator and model in step: see frames_pair.h. */
#include "tests/model/frames_pair.h"
#include "arch/arch.h"
#include "lib/string.h"

#define CACHE_BLOCK 9	       /* order of the blocks that are cached beside single frames */
#define ALL_CACHES_SHARE 64    /* together they hold at most this part of all frames */
#define UNTOUCHED 0x123456789a /* what a failure leaves in *out */

void pair_init(struct frames_pair *p, struct frames *f, struct buddy_model *m)
{
	*p = (struct frames_pair){ .f = f, .model = m };
}

static bool check(struct frames_pair *p, const char *what, long got, long want)
{
	if (got != want && !p->wrong) {
		p->wrong = what;
		p->got = got;
		p->want = want;
	}
	return got == want;
}

/* ---- caches ------------------------------------------------------------------------------------------------------ */

static bool any_cpu(struct frames_pair *p)
{
	struct frames_cpu_stats cpu;

	return frames_get_cpu_stats(p->f, 0, &cpu);
}

/* What the cache of the CPU that this thread plays has. All 0: there is none. */
static struct frames_cpu_stats this_cpu(struct frames_pair *p)
{
	struct frames_cpu_stats cpu;

	for (unsigned i = 0; frames_get_cpu_stats(p->f, i, &cpu); i++)
		if (cpu.cpu == arch_cpu_id())
			break;
	return cpu;
}

/* Finds the cached blocks among the free frames, by going from block to block as the allocator has them. */
bool pair_learn(struct frames_pair *p)
{
	struct buddy_model *m = p->model;

	p->batches |= model_drain(m) != 0 || any_cpu(p);
	if (!any_cpu(p))
		return true;
	for (unsigned i = 0; i < m->runs; i++) {
		uint64_t n = m->run[i].n, end = n + m->run[i].pages;
		struct frame_info info;

		if (m->run[i].state != MODEL_FREE)
			continue;
		frames_query(p->f, pfn(n), &info);
		while (n < end && info.role == FRAME_FREE && !info.cached && info.head.n == n) {
			n += (uint64_t)1 << info.order;
			if (n < end)
				frames_query(p->f, pfn(n), &info);
		}
		if (n >= end)
			continue;
		if (!check(p, "role of a free frame", (long)info.role, FRAME_FREE) ||
		    !check(p, "head of a free block", (long)info.head.n, (long)n) ||
		    !check(p, "order of a cached block", info.order == 0 || info.order == CACHE_BLOCK, true) ||
		    !check(p, "a cached block is free", model_cache(m, n, info.order), true))
			return false;
		/* Run i is now what is before the block, or the block. */
	}
	return true;
}

/* Whether the counts of all CPUs are what lies in caches, and within what they may hold. */
static bool shares_agree(struct frames_pair *p, const struct frames_stats *is, const struct frames_stats *should)
{
	struct frames_cpu_stats cpu;
	uint64_t held = 0, limit = 0;
	unsigned cpus = 0;

	for (; frames_get_cpu_stats(p->f, cpus, &cpu); cpus++) {
		held += cpu.pages + ((uint64_t)cpu.blocks << CACHE_BLOCK);
		limit += cpu.page_limit + ((uint64_t)cpu.block_limit << CACHE_BLOCK);
		if (!check(p, "single frames of a CPU above its limit", cpu.pages > cpu.page_limit, false) ||
		    !check(p, "2 MiB blocks of a CPU above its limit", cpu.blocks > cpu.block_limit, false))
			return false;
	}
	return check(p, "CPUs", is->cpus, cpus) && check(p, "cached frames", (long)is->cached_pages, (long)held) &&
	       check(p, "cached frames by their records", (long)should->cached_pages, (long)held) &&
	       check(p, "limit of all caches", (long)is->cache_limit_pages, (long)limit) &&
	       check(p, "limit of all caches above their share", limit > should->total_pages / ALL_CACHES_SHARE, false);
}

/* The end of each operation: both results, and what the caches did. */
static bool results(struct frames_pair *p, int got, int want, int *err)
{
	if (err)
		*err = got;
	return check(p, "result", got, want) && pair_learn(p);
}

/* The first frame that a request was answered with: the model's, and nothing when it failed. */
static bool first_agrees(struct frames_pair *p, int got, int want, pfn_t first, uint64_t must, uint64_t *out)
{
	if (got != MM_OK)
		return check(p, "out of a failure", (long)first.n, UNTOUCHED);
	if (want == MM_OK && !check(p, "first frame", (long)first.n, (long)must))
		return false;
	*out = first.n;
	return true;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

bool pair_add_memory(struct frames_pair *p, uint64_t start, uint64_t pages, int *err)
{
	int want = model_add_memory(p->model, start, pages);

	return results(p, frames_add_memory(p->f, pfn(start), pages), want, err);
}

/*
 * A request that this CPU's cache answers, when it has one. It gives any block that was free: of its own, or a new one from
 * the banks; and it gives one whenever there is one anywhere.
 */
static bool alloc_cached(struct frames_pair *p, unsigned order, unsigned flags, unsigned tag,
			 const struct frames_cpu_stats *cpu, uint64_t *out, int *err)
{
	struct buddy_model *m = p->model;
	const struct frames_request r = { .tag = (uint8_t)tag, .has_node = true, .node = cpu->node };
	bool own = order ? cpu->blocks : cpu->pages;
	uint64_t from = model_choose(m, (uint64_t)1 << order, &r), must = BUDDY_NONE;
	int got, want = MM_OK;
	pfn_t f = pfn(UNTOUCHED);

	if (!own && from == BUDDY_NONE) {
		(void)model_drain(m);
		must = model_choose(m, (uint64_t)1 << order, &r);
		want = must == BUDDY_NONE ? MM_ENOMEM : MM_OK;
		m->failures += want != MM_OK;
	}
	got = frames_alloc(p->f, order, flags, (enum page_tag)tag, &f);
	if (got != MM_OK && !check(p, "out of a failure", (long)f.n, UNTOUCHED))
		return false;
	if (got == MM_OK && want == MM_OK) {
		const struct model_run *run = model_find(m, f.n);

		if (must != BUDDY_NONE && !check(p, "first frame", (long)f.n, (long)must))
			return false;
		if (own && !check(p, "a block from the CPU's own cache", run && run->state == MODEL_CACHED, true))
			return false;
		if (!own && from != BUDDY_NONE &&
		    !check(p, "a block from the nearest bank", run && run->bank == model_find(m, from)->bank, true))
			return false;
		if (!check(p, "the block was free", model_hand_out(m, f.n, order, tag), true))
			return false;
		*out = f.n;
	}
	return results(p, got, want, err);
}

bool pair_alloc(struct frames_pair *p, unsigned order, unsigned flags, unsigned tag, uint64_t *out, int *err)
{
	struct frames_cpu_stats cpu = this_cpu(p);
	uint64_t n = 0;
	pfn_t f = pfn(UNTOUCHED);
	int got, want;

	if (!(flags & ~FRAMES_ZERO) && tag <= UINT8_MAX &&
	    ((order == 0 && cpu.page_limit) || (order == CACHE_BLOCK && cpu.block_limit)))
		return alloc_cached(p, order, flags, tag, &cpu, out, err);
	want = model_alloc(p->model, order, flags, tag, &n);
	got = frames_alloc(p->f, order, flags, (enum page_tag)tag, &f);
	if (!first_agrees(p, got, want, f, n, out))
		return false;
	return results(p, got, want, err);
}

bool pair_take(struct frames_pair *p, uint64_t n, unsigned order, unsigned tag, int *err)
{
	int want = model_take(p->model, n, order, tag);

	return results(p, frames_take(p->f, pfn(n), order, (enum page_tag)tag), want, err);
}

bool pair_free(struct frames_pair *p, uint64_t n, unsigned order, int *err)
{
	int want = model_free(p->model, n, order);

	return results(p, frames_free(p->f, pfn(n), order), want, err);
}

bool pair_alloc_request(struct frames_pair *p, unsigned order, const struct frames_request *r, uint64_t *out, int *err)
{
	uint64_t n = 0;
	int want = model_alloc_request(p->model, order, r, &n);
	pfn_t f = pfn(UNTOUCHED);
	int got = frames_alloc_request(p->f, order, r, &f);

	if (!first_agrees(p, got, want, f, n, out))
		return false;
	return results(p, got, want, err);
}

bool pair_alloc_exact(struct frames_pair *p, uint64_t pages, const struct frames_request *r, uint64_t *out, int *err)
{
	uint64_t n = 0;
	int want = model_alloc_exact(p->model, pages, r, &n);
	pfn_t f = pfn(UNTOUCHED);
	int got = frames_alloc_exact(p->f, pages, r, &f);

	if (!first_agrees(p, got, want, f, n, out))
		return false;
	return results(p, got, want, err);
}

bool pair_free_exact(struct frames_pair *p, uint64_t n, uint64_t pages, int *err)
{
	int want = model_free_exact(p->model, n, pages);

	return results(p, frames_free_exact(p->f, pfn(n), pages), want, err);
}

/* How many runs the longest ones make together, or 0: they do not suffice. The model is a copy to spoil. */
static unsigned longest_runs(struct buddy_model *m, uint64_t pages, uint64_t align, const struct frames_request *r,
			     unsigned max_runs)
{
	unsigned runs = 0;

	for (uint64_t n, length; pages && runs < max_runs; pages -= length, runs++) {
		length = model_longest_range(m, pages, align, r, &n);
		if (!length)
			return 0;
		(void)model_hand_out_range(m, n, length, r->tag);
	}
	return pages ? 0 : runs;
}

/* The runs must be free, as they may be, the longest first, together what was asked for; then they go out. */
static bool runs_agree(struct frames_pair *p, uint64_t pages, uint64_t align, const struct frames_request *r,
		       const struct frames_run *runs, unsigned n)
{
	struct buddy_model *m = p->model;
	uint64_t end = r->address_bits && r->address_bits < 64 ? (uint64_t)1 << r->address_bits >> PAGE_SHIFT
							       : UINT64_MAX,
		 together = 0;

	if (r->flags & FRAMES_BELOW_4G)
		end = min_u64(end, FRAMES_CLASS_SPLIT >> PAGE_SHIFT);
	for (unsigned i = 0; i < n; i++) {
		uint64_t first = runs[i].first.n, length = runs[i].pages;
		const struct model_run *run = model_find(m, first);

		if (!check(p, "a run begins in free memory", run && run->state == MODEL_FREE, true) ||
		    !check(p, "a run is in one range of free memory", length && length <= run->n + run->pages - first,
			   true) ||
		    !check(p, "a run is aligned", IS_ALIGNED(first, align), true) ||
		    !check(p, "a run is below the limit", first + length <= end, true) ||
		    !check(p, "a run is of the node", !r->only_node || m->bank[run->bank].node == r->node, true) ||
		    !check(p, "a run leaves the reserve", length <= model_room(m, run->bank, r->flags), true) ||
		    !check(p, "the longest run comes first", !i || runs[i - 1].pages >= length, true))
			return false;
		together += length;
		(void)model_hand_out_range(m, first, length, r->tag);
	}
	return check(p, "frames in all runs", (long)together, (long)pages);
}

bool pair_alloc_runs(struct frames_pair *p, uint64_t pages, uint64_t align, const struct frames_request *r,
		     struct frames_run *runs, unsigned max_runs, unsigned *n_runs, struct model_run *spare, int *err)
{
	struct buddy_model *m = p->model, copy;
	struct frames_request wish = *r;
	unsigned n = 0, best = 0;
	uint64_t dummy, range;
	int got, want;

	/* What makes no sense is the same for all requests. */
	wish.flags &= ~FRAMES_BEST_EFFORT;
	copy = *m;
	copy.run = spare;
	copy.runs = 0;
	copy.banks = 0;
	want = model_alloc_exact(&copy, 1, &wish, &dummy) == MM_EINVAL || !pages || !is_pow2(align) || !max_runs
		       ? MM_EINVAL
		       : MM_OK;
	range = want ? BUDDY_NONE : model_choose_range(m, pages, align, &wish);
	if (!want && range == BUDDY_NONE && model_drain(m))
		range = model_choose_range(m, pages, align, &wish);
	if (!want && range == BUDDY_NONE) {
		if (r->flags & FRAMES_BEST_EFFORT) {
			copy = *m;
			copy.run = spare;
			memcpy(spare, m->run, m->runs * sizeof(*spare));
			best = longest_runs(&copy, pages, align, &wish, max_runs);
		}
		want = best ? MM_OK : MM_ENOMEM;
		m->failures += want != MM_OK;
		/* What did not suffice has left the banks and come back. */
		p->batches = true;
	}
	got = frames_alloc_runs(p->f, pages, align, r, runs, max_runs, &n);
	if (got == MM_OK && want == MM_OK) {
		if (!check(p, "runs", n, range == BUDDY_NONE ? best : 1) ||
		    (range != BUDDY_NONE &&
		     !check(p, "first frame of the range", (long)runs[0].first.n, (long)range)) ||
		    !runs_agree(p, pages, align, &wish, runs, n))
			return false;
		*n_runs = n;
	}
	return results(p, got, want, err);
}

bool pair_get(struct frames_pair *p, uint64_t n, int *err)
{
	int want = model_get(p->model, n);

	return results(p, frames_get(p->f, pfn(n)), want, err);
}

bool pair_put(struct frames_pair *p, uint64_t n, int *err)
{
	bool freed = false, must_free;
	int want = model_put(p->model, n, &must_free);
	int got = frames_put(p->f, pfn(n), &freed);

	return check(p, "the last reference", freed, must_free) && results(p, got, want, err);
}

/* Single frames, whichever: each must have been free, and they come when there are as many. */
bool pair_alloc_bulk(struct frames_pair *p, unsigned count, unsigned flags, unsigned tag, paddr_t *pages, int *err)
{
	struct buddy_model *m = p->model;
	int got, want = MM_ENOMEM;

	if (flags & ~(FRAMES_ZERO | FRAMES_BELOW_4G | FRAMES_RESERVE))
		want = MM_EINVAL;
	for (unsigned tries = 0; tries < 2 && want == MM_ENOMEM; tries++) {
		uint64_t room = 0;

		for (unsigned b = 0; b < m->banks; b++)
			if (!(flags & FRAMES_BELOW_4G) || m->bank[b].start < FRAMES_CLASS_SPLIT >> PAGE_SHIFT)
				room += model_room(m, b, flags);
		if (room >= count)
			want = MM_OK;
		else if (!model_drain(m))
			break;
	}
	m->failures += want == MM_ENOMEM;
	got = frames_alloc_bulk(p->f, count, flags, (uint8_t)tag, pages);
	if (got == MM_OK && want == MM_OK)
		for (unsigned i = 0; i < count; i++) {
			const struct model_run *r = model_find(m, paddr_to_pfn(pages[i]).n);

			if (!check(p, "a frame of many was free", r && r->state == MODEL_FREE, true) ||
			    !check(p, "a frame of many is below 4 GiB",
				   !(flags & FRAMES_BELOW_4G) || r->n < FRAMES_CLASS_SPLIT >> PAGE_SHIFT, true))
				return false;
			(void)model_hand_out(m, paddr_to_pfn(pages[i]).n, 0, tag);
		}
	/* What did not suffice has left the banks and come back. */
	p->batches = p->batches || got == MM_ENOMEM;
	return results(p, got, want, err);
}

bool pair_free_bulk(struct frames_pair *p, unsigned count, const paddr_t *pages, int *err)
{
	int want = MM_OK;

	for (unsigned i = 0; i < count; i++) {
		int each;

		if (!IS_ALIGNED(pages[i].v, PAGE_SIZE)) {
			each = MM_EALIGN;
			p->model->bad_frees++;
		} else {
			each = model_free(p->model, paddr_to_pfn(pages[i]).n, 0);
		}
		want = want ? want : each;
	}
	return results(p, frames_free_bulk(p->f, count, pages), want, err);
}

/* How it is spread over the banks is learned. */
bool pair_set_reserve(struct frames_pair *p, uint64_t pages, int *err)
{
	struct buddy_model *m = p->model;
	struct frames_stats stats;
	uint64_t sum = 0;
	int got, want;

	(void)model_drain(m);
	model_get_stats(m, &stats);
	want = pages > stats.free_pages ? MM_ENOMEM : MM_OK;
	got = frames_set_reserve(p->f, pages);
	if (got == MM_OK)
		for (struct buddy *b = p->f->banks; b; b = b->next) {
			struct model_bank *mb = &m->bank[model_find(m, b->start)->bank];

			mb->reserve = b->reserve_pages;
			sum += mb->reserve;
			if (!check(p, "reserve of a bank above its size", mb->reserve > mb->pages, false))
				return false;
		}
	return (got != MM_OK || check(p, "sum of all banks' reserves", (long)sum, (long)pages)) &&
	       results(p, got, want, err);
}

bool pair_drain(struct frames_pair *p)
{
	uint64_t want = model_drain(p->model), got = frames_drain(p->f);

	return check(p, "drained frames", (long)got, (long)want) && pair_learn(p) &&
	       check(p, "frames left in caches", (long)model_drain(p->model), 0);
}

static bool cpu_is_known(struct frames_pair *p, unsigned number)
{
	struct frames_cpu_stats cpu;

	for (unsigned i = 0; frames_get_cpu_stats(p->f, i, &cpu); i++)
		if (cpu.cpu == number)
			return true;
	return false;
}

bool pair_online(struct frames_pair *p, unsigned cpu, uint32_t node, void *memory, int *err)
{
	int want = cpu_is_known(p, arch_cpu_id()) ? MM_EEXIST : MM_OK;

	return results(p, frames_cpu_online(p->f, cpu, node, memory), want, err);
}

/* Nothing of a CPU that is gone may stay in a cache: what is cached now is in the others'. */
bool pair_offline(struct frames_pair *p, int *err)
{
	int want = cpu_is_known(p, arch_cpu_id()) ? MM_OK : MM_ENOENT;
	int got = frames_cpu_offline(p->f);

	return check(p, "the CPU is gone", cpu_is_known(p, arch_cpu_id()), false) && results(p, got, want, err);
}

bool pair_dead(struct frames_pair *p, unsigned cpu, int *err)
{
	int want = cpu_is_known(p, cpu) ? MM_OK : MM_ENOENT;
	int got = frames_cpu_dead(p->f, cpu);

	return check(p, "the CPU is gone", cpu_is_known(p, cpu), false) && results(p, got, want, err);
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

static bool query(struct frames_pair *p, const struct model_run *r, uint64_t n)
{
	struct frame_info is, should;

	frames_query(p->f, pfn(n), &is);
	model_query_run(r, n, &should);
	return model_info_agrees(&should, &is) || check(p, "what is said of this frame", (long)n, -1);
}

bool pair_query(struct frames_pair *p, uint64_t n)
{
	return query(p, model_find(p->model, n), n);
}

bool pair_agrees(struct frames_pair *p)
{
	struct buddy_model *m = p->model;
	struct frames_stats is, should;

	for (unsigned i = 0; i < m->runs; i++) {
		const struct model_run *r = &m->run[i];

		for (uint64_t n = r->n, size; n < r->n + r->pages; n += size) {
			struct frame_info info;

			model_query_run(r, n, &info);
			size = info.role == FRAME_RESERVED ? r->pages : (uint64_t)1 << info.order;
			if (!query(p, r, n) || (size > 2 && !query(p, r, n + size / 2)) ||
			    (size > 1 && !query(p, r, n + size - 1)))
				return false;
		}
	}
	for (unsigned i = 0; i < m->banks; i++) {
		const struct model_bank *b = &m->bank[i];

		if (!pair_query(p, b->start + b->pages) || (b->start && !pair_query(p, b->start - 1)))
			return false;
	}
	frames_get_stats(p->f, &is);
	model_get_stats(m, &should);
	if (!check(p, "total frames", (long)is.total_pages, (long)should.total_pages) ||
	    !check(p, "free frames", (long)is.free_pages, (long)should.free_pages) ||
	    !check(p, "reserve", (long)is.reserve_pages, (long)should.reserve_pages) ||
	    !check(p, "banks", is.banks, should.banks) || !shares_agree(p, &is, &should))
		return false;
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		if (!check(p, "free blocks of an order", (long)is.free_blocks[order], (long)should.free_blocks[order]))
			return false;
	return check(p, "largest free order", frames_largest_free(p->f), model_largest_free(m));
}

bool pair_counters_agree(struct frames_pair *p)
{
	struct frames_stats is, should;

	frames_get_stats(p->f, &is);
	model_get_stats(p->model, &should);
	return check(p, "failures", (long)is.failures, (long)should.failures) &&
	       check(p, "bad frees", (long)is.bad_frees, (long)should.bad_frees) &&
	       (p->batches || (check(p, "allocations", (long)is.allocs, (long)should.allocs) &&
			       check(p, "frees", (long)is.frees, (long)should.frees) &&
			       check(p, "peak", (long)is.peak_used_pages, (long)should.peak_used_pages)));
}

bool pair_owners_agree(struct frames_pair *p)
{
	uint64_t pages[256], used = 0;

	frames_count_owners(p->f, pages);
	for (unsigned i = 0; i < p->model->runs; i++)
		if (p->model->run[i].state == MODEL_USED) {
			pages[p->model->run[i].tag] -= p->model->run[i].pages;
			used += p->model->run[i].pages;
		}
	for (unsigned tag = 0; tag < ARRAY_SIZE(pages); tag++)
		if (!check(p, "frames too many of an owner", (long)pages[tag], 0))
			return false;
	/* Nothing was marked: all of it is new. */
	return check(p, "leaks", (long)frames_leaks(p->f, NULL, NULL), (long)used);
}

bool pair_validate(struct frames_pair *p)
{
	int err = frames_validate(p->f);

	(void)model_drain(p->model);
	return results(p, err, MM_OK, NULL) &&
	       check(p, "frames in caches after the check", (long)model_drain(p->model), 0);
}
