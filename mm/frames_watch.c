/* SPDX-License-Identifier: BSD-2-Clause */
/* What is kept back for page tables, and who is told when memory runs low. */
#include "arch/spinlock.h"
#include "mm/frames_cache.h"

/* ---- the reserve ------------------------------------------------------------------------------------------------- */

/*
 * Each bank keeps its share, so that no bank's lock is ever taken for another's sake; the last ones to be asked take what
 * rounding leaves. [FW1]
 */
int frames_set_reserve(struct frames *f, uint64_t pages)
{
	uint64_t total = 0, free = 0, left = pages;

	frames_drain(f);
	for (struct buddy *b = f->banks; b; b = b->next) {
		struct bank_counts counts = frames_count_bank(b);

		total += counts.given;
		free += counts.given - counts.used;
	}
	if (pages > free)
		return MM_ENOMEM;
	for (struct buddy *b = f->banks; b; b = b->next) {
		unsigned long irq = spin_lock(&b->lock);
		/* Sizes below 2^52 bytes have fewer than 2^40 frames: a product of two would overflow. */
		uint64_t share = b->next ? left / total * b->given_pages + left % total * b->given_pages / total : left;

		share = share < b->given_pages ? share : b->given_pages;
		b->reserve_pages = share;
		left -= share;
		total -= b->given_pages;
		spin_unlock(&b->lock, irq);
	}
	return MM_OK;
}

/* ---- watermarks -------------------------------------------------------------------------------------------------- */

/* Bank by bank: a sum that was never exactly true, but is as soon as nobody moves anything. */
static uint64_t free_now(struct frames *f)
{
	uint64_t free = frames_cached(f);

	for (struct buddy *b = f->banks; b; b = b->next) {
		struct bank_counts counts = frames_count_bank(b);

		free += counts.given - counts.used;
	}
	return free;
}

/* Whoever turns the state makes the call; nobody else does until it turns again. [FW2] */
void frames_watch_look(struct frames *f)
{
	uint32_t state = __atomic_load_n(&f->watch_state, __ATOMIC_RELAXED), other;
	uint64_t free = free_now(f);

	if (state == FRAMES_LEVEL_HIGH && free < f->watch_low)
		other = FRAMES_LEVEL_LOW;
	else if (state == FRAMES_LEVEL_LOW && free > f->watch_high)
		other = FRAMES_LEVEL_HIGH;
	else
		return;
	if (__atomic_compare_exchange_n(&f->watch_state, &state, other, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		f->watch(f->watch_ctx, (enum frames_level)other, free);
}

/* [FW3] */
int frames_watch(struct frames *f, uint64_t low, uint64_t high, frames_watch_fn watch, void *ctx)
{
	if (watch ? !low || low >= high : low || high)
		return MM_EINVAL;
	/* No looks while the parts do not belong together. */
	__atomic_store_n(&f->watch_high, 0, __ATOMIC_RELAXED);
	if (!watch)
		return MM_OK;
	f->watch_low = low;
	f->watch = watch;
	f->watch_ctx = ctx;
	__atomic_store_n(&f->watch_state, FRAMES_LEVEL_HIGH, __ATOMIC_RELAXED);
	__atomic_store_n(&f->watch_high, high, __ATOMIC_RELEASE);
	frames_watch_look(f);
	return MM_OK;
}
