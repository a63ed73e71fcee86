/* SPDX-License-Identifier: BSD-2-Clause */
/* Batches of single frames between a bank and the caches in front of it. */
#include "mm/buddy.h"
#include "mm/buddy_fast.h"

unsigned buddy_take_batch_locked(struct buddy *b, uint64_t *pa, unsigned want, uint64_t record)
{
	unsigned got = 0;

	for (; got < want; got++) {
		uint64_t n = buddy_alloc_locked(b, 0, TAG_NONE);

		if (n == BUDDY_NONE)
			break;
		record_store(b, n, record);
		pa[got] = n << PAGE_SHIFT;
	}
	return got;
}

void buddy_put_batch_locked(struct buddy *b, const uint64_t *pa, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		buddy_free_locked(b, pa[i] >> PAGE_SHIFT, 0, record_load(b, pa[i] >> PAGE_SHIFT));
}
