/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests with wishes: an address limit, a node, an exact number of frames, a contiguous range of any length, or the few
 * ranges that come nearest to one. Everything comes from the banks.
 *
 * Ranges across blocks are found in two steps. Looking walks a bank's free memory with its lock taken for 16 MiB at a
 * time, so what it finds may be gone; taking holds the lock and either gets all of it or changes nothing. Whoever finds
 * that somebody was faster looks again.
 */
#include "arch/arch.h"
#include "arch/exclusive.h"
#include "arch/spinlock.h"
#include "lib/printf.h"
#include "lib/sort.h"
#include "mm/buddy_fast.h"
#include "mm/frames_cache.h"
#include "mm/frames_judge.h"

#define TRIES 8 /* how often a request looks again because others were faster */

/* ---- what is wished for ------------------------------------------------------------------------------------------ */

struct wish {
	unsigned flags;
	unsigned tag;
	uint64_t end;  /* no frame at or behind it */
	uint32_t node; /* asked first */
	bool only_node;
};

static int read_request(const struct frames_request *r, unsigned flags, struct wish *w)
{
	unsigned bits = r->address_bits ? r->address_bits : 64;

	if (r->flags & ~flags || bits < PAGE_SHIFT || bits > 64 || (r->only_node && !r->has_node))
		return MM_EINVAL;
	if (r->flags & FRAMES_BELOW_4G && bits > 32)
		bits = 32;
	*w = (struct wish){
		.flags = r->flags,
		.tag = r->tag,
		.end = (uint64_t)1 << (bits - PAGE_SHIFT),
		.node = r->has_node ? r->node : FRAMES_ANY_NODE,
		.only_node = r->only_node,
	};
	return MM_OK;
}

/* Like frames_next_bank(), of the banks that may answer. */
static struct buddy *next_bank(struct frames *f, const struct wish *w, uint64_t *cursor)
{
	struct buddy *b;

	do
		b = frames_next_bank(f, w->node, cursor);
	while (b && (b->start >= w->end || (w->only_node && b->numa_node != w->node)));
	return b;
}

static void count_failure(struct frames *f)
{
	__atomic_fetch_add(&f->failures, 1, __ATOMIC_RELAXED);
}

static void zero_frames(uint64_t first, uint64_t pages)
{
	arch_zero(phys_to_virt(pfn_to_paddr(pfn(first))), pages << PAGE_SHIFT);
}

/* ---- out of one block -------------------------------------------------------------------------------------------- */

static uint64_t take_lowest(struct frames *f, uint64_t pages, const struct wish *w)
{
	uint64_t cursor = 0, n = BUDDY_NONE;
	struct buddy *b;

	while (n == BUDDY_NONE && (b = next_bank(f, w, &cursor)) != NULL) {
		unsigned long irq = spin_lock(&b->lock);

		if (frames_bank_room(b, pages, w->flags) == pages)
			n = buddy_take_lowest_locked(b, pages, w->end, w->tag);
		spin_unlock(&b->lock, irq);
	}
	return n;
}

/* [FX1] [FX2] [FX9] */
int frames_alloc_exact(struct frames *f, uint64_t pages, const struct frames_request *r, pfn_t *first)
{
	struct wish w;
	uint64_t n;

	if (!pages || pages > SECTION_PAGES || read_request(r, FRAMES_ZERO | FRAMES_BELOW_4G | FRAMES_RESERVE, &w))
		return MM_EINVAL;
	n = take_lowest(f, pages, &w);
	/* As in frames_alloc_from_banks(). */
	for (unsigned tries = 0; n == BUDDY_NONE && tries < 2 && frames_drain(f); tries++)
		n = take_lowest(f, pages, &w);
	if (n == BUDDY_NONE) {
		count_failure(f);
	} else {
		if (w.flags & FRAMES_ZERO)
			zero_frames(n, pages);
		first->n = n;
	}
	frames_watch_moved(f);
	return n == BUDDY_NONE ? MM_ENOMEM : MM_OK;
}

int frames_alloc_request(struct frames *f, unsigned order, const struct frames_request *r, pfn_t *out)
{
	return order > MAX_ORDER ? MM_EINVAL : frames_alloc_exact(f, (uint64_t)1 << order, r, out);
}

/* ---- giving back ------------------------------------------------------------------------------------------------- */

/*
 * Claims the block that begins at frame n for its way back to the bank, if it may be freed and ends at or before `end`.
 * Returns its frames, or 0.
 */
static uint64_t claim_block(struct frames *f, uint64_t n, uint64_t end)
{
	struct buddy *b = frames_bank_of(f, n);
	uint64_t state, size;
	unsigned long irq;
	bool claimed;

	if (!b)
		return 0;
	state = __atomic_load_n(&f->sections[n >> MAX_ORDER], __ATOMIC_ACQUIRE) & SECTION_STATE_MASK;
	if (state == SECTION_LIVE) {
		unsigned order = page_word_order(record_load(b, n));

		size = (uint64_t)1 << order;
		claimed = size <= end - n && frames_claim(f, n, order);
		return claimed ? size : 0;
	}
	if (state != SECTION_WHOLE || !IS_ALIGNED(n, SECTION_PAGES) || end - n < SECTION_PAGES)
		return 0;
	/* Under the lock it is whole as long as it is allocated; claimed, it stays so. */
	irq = spin_lock(&b->lock);
	state = __atomic_load_n(&f->sections[n >> MAX_ORDER], __ATOMIC_RELAXED) & SECTION_STATE_MASK;
	claimed = state == SECTION_WHOLE && frames_claim(f, n, MAX_ORDER);
	spin_unlock(&b->lock, irq);
	return claimed ? SECTION_PAGES : 0;
}

/* Claims every block of [first, end), in turn. Returns `end`, or the frame at which that ended. */
static uint64_t claim_range(struct frames *f, uint64_t first, uint64_t end)
{
	uint64_t n = first, size;

	while (n < end && (size = claim_block(f, n, end)) != 0)
		n += size;
	return n;
}

/* The claimed block's frames. */
static uint64_t claimed_size(struct frames *f, uint64_t n)
{
	return (uint64_t)1 << page_word_order(record_load(frames_bank_of(f, n), n));
}

static void unclaim_range(struct frames *f, uint64_t first, uint64_t end)
{
	for (uint64_t n = first, size; n < end; n += size) {
		size = claimed_size(f, n);
		frames_unclaim(f, n);
	}
}

/* Gives claimed blocks back, some under each lock. */
static void give_range(struct frames *f, uint64_t first, uint64_t end)
{
	for (uint64_t n = first; n < end;) {
		struct buddy *b = frames_bank_of(f, n);
		unsigned long irq = spin_lock(&b->lock);

		for (unsigned i = 0; i < FRAMES_CACHE_BATCH && n < end && n < b->end; i++) {
			unsigned order = page_word_order(record_load(b, n));

			buddy_free_locked(b, n, order);
			n += (uint64_t)1 << order;
		}
		spin_unlock(&b->lock, irq);
	}
}

/* Why the block at frame n must not be freed as a part of what ends at `end`; or MM_OK. */
static int why_not(struct frames *f, uint64_t n, uint64_t end, struct frame_info *info)
{
	int err;

	frames_query(f, pfn(n), info);
	err = frames_judge(info, n, info->order);
	return !err && (uint64_t)1 << info->order > end - n ? MM_EORDER : err;
}

/* The range that a refused free was about, and the frame of it that is wrong. */
static int refuse(struct frames *f, uint64_t bad, uint64_t first, uint64_t pages, int err,
		  const struct frame_info *info, uintptr_t caller)
{
	char what[64];

	gr_snprintf(what, sizeof(what), "in %llu frames from 0x%llx on", (unsigned long long)pages,
		    (unsigned long long)first);
	frames_report(f, bad, what, err, info, caller);
	return err;
}

/* [FX5] [FX9] [FX10] */
static int free_exact(struct frames *f, uint64_t first, uint64_t pages, uintptr_t caller)
{
	struct frame_info info = { .role = FRAME_FOREIGN };
	uint64_t end = first + pages, n = first;
	int err = MM_EINVAL;

	frames_moving(f, 1);
	if (pages && end > first) {
		/* When all is well with the block that was refused, it has changed in between. Once more. */
		do {
			n = claim_range(f, n, end);
			err = n < end ? why_not(f, n, end, &info) : MM_OK;
		} while (n < end && !err);
	}
	if (!err) {
		give_range(f, first, end);
		frames_moving(f, -1);
		frames_watch_moved(f);
		return MM_OK;
	}
	unclaim_range(f, first, n);
	frames_moving(f, -1);
	return refuse(f, frames_address(n), frames_address(first), pages, err, &info, caller);
}

int frames_free_exact(struct frames *f, pfn_t first, uint64_t pages)
{
	return free_exact(f, first.n, pages, caller_address());
}

int frames_free_exact_paddr(struct frames *f, paddr_t pa, uint64_t pages)
{
	const struct frame_info nothing = { .role = FRAME_FOREIGN };

	if (IS_ALIGNED(pa.v, PAGE_SIZE))
		return free_exact(f, pa.v >> PAGE_SHIFT, pages, caller_address());
	return refuse(f, pa.v, pa.v, pages, MM_EALIGN, &nothing, caller_address());
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

/* A walk over free memory, for one range of `pages` frames, and for the longest ones that are too short. */
struct search {
	uint64_t pages, align, end; /* what is wanted */
	uint64_t room;		    /* what may be taken of the bank, up to `pages` */
	uint64_t from, to;	    /* the range that the walk is in, aligned; empty when from >= to */
	struct frames_run *runs;    /* the longest ones: when all are used, a heap with the shortest on top */
	unsigned n, max;
	bool raced; /* somebody was faster */
};

/* By length; of equal ones the lower is the longer. */
static bool is_shorter(const struct frames_run *a, const struct frames_run *b)
{
	return a->pages != b->pages ? a->pages < b->pages : a->first.n > b->first.n;
}

static bool comes_first(const void *runs, unsigned a, unsigned b)
{
	const struct frames_run *run = runs;

	return is_shorter(&run[b], &run[a]);
}

static bool comes_last(const void *runs, unsigned a, unsigned b)
{
	return comes_first(runs, b, a);
}

static void swap_runs(void *runs, unsigned a, unsigned b)
{
	struct frames_run *run = runs, old = run[a];

	run[a] = run[b];
	run[b] = old;
}

/* The shortest run makes room for another one. */
static void replace_shortest(struct search *s, struct frames_run run)
{
	unsigned at = 0;

	while (at < s->max / 2) {
		unsigned child = 2 * at + 1;

		if (child + 1 < s->max && is_shorter(&s->runs[child + 1], &s->runs[child]))
			child++;
		if (!is_shorter(&s->runs[child], &run))
			break;
		s->runs[at] = s->runs[child];
		at = child;
	}
	s->runs[at] = run;
}

static uint64_t range_length(const struct search *s)
{
	return s->to > s->from ? s->to - s->from : 0;
}

/* The range has ended. */
static void keep_range(struct search *s)
{
	struct frames_run run = { pfn(s->from), min_u64(range_length(s), s->room) };

	if (!run.pages)
		return;
	if (s->n < s->max) {
		s->runs[s->n++] = run;
		/* Sorted, they are a heap. */
		if (s->n == s->max)
			sort_elements(s->runs, s->n, comes_last, swap_runs);
	} else if (s->max && is_shorter(&s->runs[0], &run)) {
		replace_shortest(s, run);
	}
}

static bool see_range(void *search, uint64_t n, uint64_t pages)
{
	struct search *s = search;

	if (n >= s->end)
		return true;
	if (n != s->to) {
		keep_range(s);
		s->from = ALIGN_UP(n, s->align);
	}
	s->to = min_u64(n + pages, s->end);
	return s->room == s->pages && range_length(s) >= s->pages;
}

static uint64_t room_of(struct buddy *b, const struct search *s, unsigned flags)
{
	unsigned long irq = spin_lock(&b->lock);
	uint64_t room = frames_bank_room(b, s->pages, flags);

	spin_unlock(&b->lock, irq);
	return room;
}

static bool take_run(struct frames *f, const struct wish *w, uint64_t first, uint64_t pages)
{
	struct buddy *b = frames_its_bank(f, first);
	unsigned long irq = spin_lock(&b->lock);
	bool taken = frames_bank_room(b, pages, w->flags) == pages &&
		     buddy_take_range_locked(b, first, pages, w->tag) == MM_OK;

	spin_unlock(&b->lock, irq);
	return taken;
}

/* What is not enough goes back, one reference of each block: somebody may be looking at it, and have another one. */
static void put_run(struct frames *f, uint64_t n, uint64_t end)
{
	for (uint64_t size; n < end; n += size) {
		int err;

		size = (uint64_t)1 << fitting_order(n, end);
		err = frames_put(f, pfn(n), NULL);
		(void)err; /* a mistake of others, reported */
	}
}

/*
 * Looks for one range, in bank after bank, and takes the first that is long enough: true, it begins at *first. False:
 * s->runs holds the longest ones that were seen.
 */
static bool take_one(struct frames *f, const struct wish *w, struct search *s, pfn_t *first)
{
	uint64_t cursor = 0;
	struct buddy *b;

	while ((b = next_bank(f, w, &cursor)) != NULL) {
		s->from = s->to = 0;
		s->room = room_of(b, s, w->flags);
		if (!s->room)
			continue;
		buddy_walk_free(b, see_range, s);
		if (s->room == s->pages && range_length(s) >= s->pages) {
			if (take_run(f, w, s->from, s->pages)) {
				*first = pfn(s->from);
				return true;
			}
			s->raced = true;
		}
		keep_range(s);
	}
	return false;
}

/*
 * Takes the runs that were seen, the longest first, until s->pages is reached. Ends at the first that cannot be had as it
 * was seen: somebody was faster, or those before it have used up what the bank may give; what is the longest now must be
 * looked at again. Returns how many were taken; nothing is when they are too few together.
 */
static unsigned take_some(struct frames *f, const struct wish *w, struct search *s)
{
	uint64_t together = 0, left = s->pages;
	unsigned taken = 0;

	sort_elements(s->runs, s->n, comes_first, swap_runs);
	for (unsigned i = 0; i < s->n && together < left; i++)
		together += min_u64(s->runs[i].pages, left);
	if (together < left)
		return 0;
	for (; left && taken < s->n; taken++) {
		struct frames_run *run = &s->runs[taken];

		run->pages = min_u64(run->pages, left);
		if (!take_run(f, w, run->first.n, run->pages)) {
			s->raced = true;
			break;
		}
		left -= run->pages;
	}
	return taken;
}

/* [FX6] [FX7] [FX9] [FX10] */
int frames_alloc_runs(struct frames *f, uint64_t pages, uint64_t align, const struct frames_request *r,
		      struct frames_run *runs, unsigned max_runs, unsigned *n_runs)
{
	unsigned got = 0, tries = 0, drains = 0;
	uint64_t left = pages;
	struct wish w;

	if (!pages || !is_pow2(align) || !max_runs ||
	    read_request(r, FRAMES_ZERO | FRAMES_BELOW_4G | FRAMES_RESERVE | FRAMES_BEST_EFFORT, &w))
		return MM_EINVAL;
	while (left && got < max_runs) {
		struct search s = {
			.pages = left,
			.align = align,
			.end = w.end,
			.runs = runs + got,
			.max = w.flags & FRAMES_BEST_EFFORT ? max_runs - got : 0,
		};
		unsigned taken;
		pfn_t first;

		if (take_one(f, &w, &s, &first)) {
			runs[got++] = (struct frames_run){ first, left };
			left = 0;
			break;
		}
		if ((s.raced && tries++ < TRIES) || (drains++ < 2 && frames_drain(f)))
			continue;
		s.raced = false;
		taken = take_some(f, &w, &s);
		for (unsigned i = 0; i < taken; i++)
			left -= s.runs[i].pages;
		got += taken;
		if (!taken && !(s.raced && tries++ < TRIES))
			break;
	}
	if (left) {
		while (got--)
			put_run(f, runs[got].first.n, runs[got].first.n + runs[got].pages);
		count_failure(f);
		frames_watch_moved(f);
		return MM_ENOMEM;
	}
	/* Somebody who was faster may have mixed them up. */
	sort_elements(runs, got, comes_first, swap_runs);
	for (unsigned i = 0; i < got && w.flags & FRAMES_ZERO; i++)
		zero_frames(runs[i].first.n, runs[i].pages);
	*n_runs = got;
	frames_watch_moved(f);
	return MM_OK;
}
