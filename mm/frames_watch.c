/* SPDX-License-Identifier: BSD-2-Clause */
/* What is kept back for page tables, and who is told when memory runs low. */
#include "arch/spinlock.h"
#include "mm/frames_cache.h"

/* ---- the reserve ------------------------------------------------------------------------------------------------- */

/* left * part / whole, roughly: of numbers below 2^40 each, the product of two would overflow. */
static uint64_t share_of(uint64_t left, uint64_t part, uint64_t whole)
{
	while (whole >> 24) {
		whole >>= 1;
		part >>= 1;
	}
	return whole ? left * part / whole : 0;
}

/* How many more frames bank b could keep back: of what is free now, or of all that it has. */
static uint64_t could_keep(const struct buddy *b, bool free_only) REQUIRES(b->lock)
{
	uint64_t most = free_only ? b->given_pages - b->used_pages : b->given_pages;

	return most > b->reserve_pages ? most - b->reserve_pages : 0;
}

/*
 * Each bank keeps its share, so that no bank's lock is ever taken for another's sake: by its size first, then what others
 * do not have free, and what was taken meanwhile as soon as it comes back. [FW1]
 */
int frames_set_reserve(struct frames *f, uint64_t pages)
{
	uint64_t total = 0, free = 0, left = pages;
	unsigned long irq;

	frames_drain(f);
	irq = spin_lock(&f->cpus_lock); /* one call at a time */
	for (struct buddy *b = f->banks; b; b = b->next) {
		struct bank_counts counts = frames_count_bank(b);

		total += counts.given;
		free += counts.given - counts.used;
	}
	if (pages > free) {
		spin_unlock(&f->cpus_lock, irq);
		return MM_ENOMEM;
	}
	for (unsigned pass = 0; pass < 3; pass++)
		for (struct buddy *b = f->banks; b; b = b->next) {
			unsigned long bank_irq = spin_lock(&b->lock);
			uint64_t more = pass ? left : share_of(pages, b->given_pages, total), most;

			buddy_settle_locked(b);
			if (pass == 0)
				b->reserve_pages = 0;
			most = could_keep(b, pass < 2);
			more = more < most ? more : most;
			b->reserve_pages += more;
			left -= more;
			spin_unlock(&b->lock, bank_irq);
		}
	spin_unlock(&f->cpus_lock, irq);
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

/*
 * Whoever turns the state makes the call; nobody else does until it turns again. Counted under the lock: everybody looks
 * after he has moved something, so the last one decides by what is true. [FW2]
 */
void frames_watch_look(struct frames *f)
{
	unsigned long irq = spin_lock(&f->watch_lock);
	const struct frames_watcher watcher = f->watcher;
	uint64_t free = free_now(f);
	bool low = f->watch_low, turned = watcher.call && (low ? free > watcher.high : free < watcher.low);

	if (turned)
		f->watch_low = !low;
	spin_unlock(&f->watch_lock, irq);
	if (turned)
		watcher.call(watcher.ctx, low ? FRAMES_LEVEL_HIGH : FRAMES_LEVEL_LOW, free);
}

/* [FW3] */
int frames_watch(struct frames *f, uint64_t low, uint64_t high, frames_watch_fn watch, void *ctx)
{
	unsigned long irq;

	if (watch ? !low || low >= high : low || high)
		return MM_EINVAL;
	irq = spin_lock(&f->watch_lock);
	f->watcher = (struct frames_watcher){ watch, ctx, low, high };
	f->watch_low = false;
	__atomic_store_n(&f->watched, watch != NULL, __ATOMIC_RELAXED);
	spin_unlock(&f->watch_lock, irq);
	frames_watch_look(f);
	return MM_OK;
}
