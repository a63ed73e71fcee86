/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loops that are measured, and each again without its calls (_empty), which is what a row subtracts: counter and branch, the load
 * or store of the caller's array, the OR that collects errors. In the price stay the moves that make arguments, the branch
 * into the library, the library, and its return.
 *
 * On the target they are assembly (kernel/loops.S), so that no compiler has a say in what is subtracted; on the host C
 * (host/loops.c). All return the OR of what the frees returned: 0, or some error. A request that fails is seen by the free.
 */
#ifndef TESTS_BENCH_ROWS_LOOPS_H
#define TESTS_BENCH_ROWS_LOOPS_H

#include <stdint.h>

/* What a loop works on; kernel/loops.S knows the offsets. */
struct loop {
	uint64_t n;	      /* turns */
	void *array;	      /* uint64_t pages[n], or void *objects[] */
	uint64_t argument;    /* order, or bytes of an object */
	const uint16_t *slot; /* loop_churn only */
	const uint16_t *size;
};
typedef int loop_fn(const struct loop *l);

/* A pair each turn: gr_alloc_page() and gr_free_page(); gr_alloc_2m() and gr_free_2m(); gr_alloc_pages() and gr_free_pages(). */
loop_fn loop_pairs, loop_pairs_empty, loop_pairs_2m, loop_pairs_2m_empty, loop_pairs_order, loop_pairs_order_empty;

/* n frames into the array, and back in that order. */
loop_fn loop_alloc, loop_alloc_empty, loop_free, loop_free_empty;

/* Back in the order i * 4097 mod n; n is a power of two, so that each index comes once. */
loop_fn loop_free_strided, loop_free_strided_empty;

/* n frames, not kept: the OR of their addresses, in which bit 0 is set when one was not there (GR_NO_PAGE). */
loop_fn loop_touch, loop_touch_empty;

/* Pairs of gr_kmalloc() and gr_kfree(); n objects into the array, and back. */
loop_fn loop_heap_pairs, loop_heap_pairs_empty;
loop_fn loop_heap_alloc, loop_heap_alloc_empty, loop_heap_free, loop_heap_free_empty;

/* objects[slot[i]] is freed, and one of size[i] bytes takes its place. */
loop_fn loop_churn, loop_churn_empty;

#endif
