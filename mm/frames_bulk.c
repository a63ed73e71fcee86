/* SPDX-License-Identifier: BSD-2-Clause */
/* Many single frames in one call: straight from the banks, a leaf at a time. */
#include "arch/arch.h"
#include "arch/spinlock.h"
#include "mm/frames_cache.h"
#include "mm/frames_judge.h"

/* As many as there are, up to n. */
static unsigned take(struct frames *f, unsigned n, unsigned flags, unsigned tag, uint64_t *out)
{
	const uint64_t record = page_word(1, 0, PAGE_ALLOC, tag);
	unsigned got = 0;

	for (struct buddy *b = flags & FRAMES_BELOW_4G ? f->low : f->banks; b && got < n; b = b->next) {
		unsigned batch;

		do {
			unsigned want = n - got < FRAMES_CACHE_BATCH ? n - got : FRAMES_CACHE_BATCH;
			unsigned long irq = spin_lock(&b->lock);

			want = (unsigned)frames_bank_room(b, want, flags);
			batch = want == FRAMES_CACHE_BATCH ? buddy_take_leaf_locked(b, out + got, record) : 0;
			if (!batch)
				batch = buddy_take_batch_locked(b, out + got, want, record);
			spin_unlock(&b->lock, irq);
			got += batch;
		} while (batch && got < n);
	}
	return got;
}

/* A whole leaf of the first bank, if that has nothing to keep back: the simplest case, and all of it for 64 frames. */
static always_inline unsigned take_leaf(struct frames *f, unsigned tag, uint64_t *out)
{
	struct buddy *b = f->banks;
	unsigned got = 0;
	unsigned long irq;

	if (unlikely(!b))
		return 0;
	irq = spin_lock(&b->lock);
	if (likely(!b->reserve_pages))
		got = buddy_take_leaf_locked(b, out, page_word(1, 0, PAGE_ALLOC, tag));
	spin_unlock(&b->lock, irq);
	return got;
}

/* One reference of each: somebody may be looking at a frame, and have another one. */
static void give_back(struct frames *f, const uint64_t *pa, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int err = frames_put(f, pfn(pa[i] >> PAGE_SHIFT), NULL);

		(void)err; /* a mistake of others, reported */
	}
}

/* [FB1] */
int frames_alloc_bulk(struct frames *f, unsigned n, unsigned flags, uint8_t tag, paddr_t *out)
{
	uint64_t *pa = &out->v;
	unsigned got = 0;

	if (unlikely(flags > (FRAMES_ZERO | FRAMES_BELOW_4G | FRAMES_RESERVE)))
		return MM_EINVAL;
	if (likely(n >= FRAMES_CACHE_BATCH && !flags))
		got = take_leaf(f, tag, pa);
	if (got < n)
		got += take(f, n - got, flags, tag, pa + got);
	for (unsigned tries = 0; unlikely(got < n) && tries < 2 && frames_drain(f); tries++)
		got += take(f, n - got, flags, tag, pa + got);
	if (unlikely(got < n)) {
		give_back(f, pa, got);
		__atomic_fetch_add(&f->failures, 1, __ATOMIC_RELAXED);
		frames_watch_moved(f);
		return MM_ENOMEM;
	}
	if (flags & FRAMES_ZERO)
		for (unsigned i = 0; i < n; i++)
			arch_zero(phys_to_virt(out[i]), PAGE_SIZE);
	frames_watch_moved(f);
	return MM_OK;
}

/* [FB2] */
int frames_free_bulk(struct frames *f, unsigned n, const paddr_t *pages)
{
	uint64_t claimed[FRAMES_CACHE_BATCH];
	unsigned held = 0;
	int first = MM_OK;

	frames_moving(f, 1);
	for (unsigned i = 0; i < n; i++) {
		if (likely(frames_has_record(f, pages[i].v) && frames_claim(f, pages[i].v >> PAGE_SHIFT, 0))) {
			claimed[held++] = pages[i].v;
		} else {
			int err = frames_free_slow(f, pages[i].v, 0, caller_address());

			first = first ? first : err;
		}
		if (held == FRAMES_CACHE_BATCH) {
			frames_give_batch(f, claimed, held, CACHE_PAGE);
			held = 0;
		}
	}
	if (held)
		frames_give_batch(f, claimed, held, CACHE_PAGE);
	frames_moving(f, -1);
	frames_watch_moved(f);
	return first;
}
