/* SPDX-License-Identifier: BSD-2-Clause */
/* A free: whether it may be, how a block is claimed for it, and what is said when it is refused. Private to mm/frames*.c. */
#ifndef MM_FRAMES_JUDGE_H
#define MM_FRAMES_JUDGE_H

#include "arch/exclusive.h"
#include "mm/frames.h"

/* Why the block of `order` at frame n, which `info` describes, must not be freed; or MM_OK. */
static inline int frames_judge(const struct frame_info *info, uint64_t n, unsigned order)
{
	switch (info->role) {
	case FRAME_FOREIGN:
		return MM_EFOREIGN;
	case FRAME_RESERVED:
		return MM_ERESERVED;
	case FRAME_FREE:
		return MM_EDOUBLE;
	case FRAME_ALLOC:
		break;
	}
	if (info->head.n != n)
		return MM_EINTERIOR;
	if (info->order != order)
		return MM_EORDER;
	return info->ref == 1 ? MM_OK : MM_EBUSY;
}

/*
 * Turns the record of a block with one reference from allocated to cached: from now on the block is this CPU's to give
 * back. False: somebody else has done so, or it is no such block. The section is live, or whole and its bank's lock held.
 */
static always_inline bool frames_claim(struct frames *f, uint64_t n, unsigned order)
{
	return exclusive_flip((page_word_t *)(f->map + n * sizeof(struct page)), page_word(1, order, PAGE_ALLOC, 0),
			      PAGE_WORD_CHECKED, PAGE_WORD_CACHED_BIT);
}

/* delta 1: the caller is about to claim blocks and to bring them somewhere without a lock all the way; -1: they are there. */
static inline void frames_moving(struct frames *f, int delta)
{
	__atomic_fetch_add(&f->moving, (unsigned)delta, __ATOMIC_ACQ_REL);
	/* A store exclusive with release may still be seen after the claims that follow it (Arm ARM B2.3). */
	if (delta > 0)
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* A claimed block is its owner's again. */
static inline void frames_unclaim(struct frames *f, uint64_t n)
{
	__atomic_fetch_xor((page_word_t *)(f->map + n * sizeof(struct page)), PAGE_WORD_CACHED_BIT, __ATOMIC_RELAXED);
}

/*
 * Frees the block of 2^order frames at frame n of a bank, when it is one and has one reference; says nothing otherwise. In
 * mm/frames.c.
 */
bool frames_try_free(struct frames *f, uint64_t n, unsigned order);

/* The address of frame n for a line of log; of a number that is too large for one, the highest. */
static inline uint64_t frames_address(uint64_t n)
{
	return n >> (64 - PAGE_SHIFT) ? UINT64_MAX & ~PAGE_MASK : n << PAGE_SHIFT;
}

/*
 * One line for a free that was refused, and one bad free more: of the frame at pa, as what ("order 3"), and of which
 * block, where there is one. In mm/frames.c.
 */
void frames_report(struct frames *f, uint64_t pa, const char *what, int err, const struct frame_info *info,
		   uintptr_t caller);

#endif
