/* SPDX-License-Identifier: BSD-2-Clause */
/* References to allocated blocks: counted in their records, by compare-and-swap, without a lock while all is well. */
#include "arch/spinlock.h"
#include "mm/frames_cache.h"
#include "mm/frames_judge.h"

/* The record of frame n, or NULL when it has none yet. */
static page_word_t *record_of(struct frames *f, uint64_t n)
{
	struct buddy *b = frames_bank_of(f, n);
	uint64_t entry;

	if (!b)
		return NULL;
	entry = __atomic_load_n(&f->sections[n >> MAX_ORDER], __ATOMIC_ACQUIRE) & SECTION_STATE_MASK;
	if (entry != SECTION_LIVE && !(entry == SECTION_WHOLE && IS_ALIGNED(n, SECTION_PAGES)))
		return NULL;
	return (page_word_t *)(f->map + n * sizeof(struct page));
}

/* Why frame n has no references to count. */
static int why_not(struct frames *f, uint64_t n)
{
	struct frame_info info;
	int err;

	frames_query(f, pfn(n), &info);
	err = frames_judge(&info, n, info.order);
	return err ? err : MM_EBUSY;
}

/* [FR1] [FR10] [FR11] */
int frames_get(struct frames *f, pfn_t first)
{
	page_word_t *record = record_of(f, first.n);
	uint64_t word;

	if (!record)
		return why_not(f, first.n);
	word = __atomic_load_n(record, __ATOMIC_RELAXED);
	do {
		if (page_word_state(word) != PAGE_ALLOC || !page_word_ref(word))
			return why_not(f, first.n);
		if (page_word_ref(word) == UINT32_MAX)
			return MM_EOVERFLOW;
	} while (!__atomic_compare_exchange_n(record, &word, word + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return MM_OK;
}

/*
 * Release, and acquire before the block is freed: what the other holders did with it comes before its next owner. The
 * last one may meet somebody who gets a reference at this moment: then it is not the last.
 * [FR2] [FR10] [FR11] [DG3]
 */
static int put(struct frames *f, uint64_t n, bool *freed, uintptr_t caller)
{
	page_word_t *record = record_of(f, n);
	uint64_t word = record ? __atomic_load_n(record, __ATOMIC_RELAXED) : 0;
	int err;

	if (freed)
		*freed = false;
	while (page_word_state(word) == PAGE_ALLOC && page_word_ref(word)) {
		if (page_word_ref(word) > 1) {
			if (__atomic_compare_exchange_n(record, &word, word - 1, true, __ATOMIC_RELEASE,
							__ATOMIC_RELAXED))
				return MM_OK;
			continue;
		}
		/* No fence: ThreadSanitizer does not see fences. */
		(void)__atomic_load_n(record, __ATOMIC_ACQUIRE);
		if (frames_try_free(f, n, page_word_order(word))) {
			if (freed)
				*freed = true;
			return MM_OK;
		}
		word = __atomic_load_n(record, __ATOMIC_RELAXED);
	}
	/* A mistake: the free finds out which. */
	err = frames_free_slow(f, frames_address(n), page_word_state(word) == PAGE_ALLOC ? page_word_order(word) : 0,
			       caller);
	if (freed)
		*freed = !err;
	return err;
}

int frames_put(struct frames *f, pfn_t first, bool *freed)
{
	return put(f, first.n, freed, caller_address());
}

int frames_put_paddr(struct frames *f, paddr_t pa, bool *freed)
{
	if (IS_ALIGNED(pa.v, PAGE_SIZE))
		return put(f, pa.v >> PAGE_SHIFT, freed, caller_address());
	if (freed)
		*freed = false;
	return frames_free_slow(f, pa.v, 0, caller_address());
}
