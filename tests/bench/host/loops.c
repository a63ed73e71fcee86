/* SPDX-License-Identifier: BSD-2-Clause */
/* The measured loops in C, for the host: each body stands in a macro, with its calls or with values that the compiler cannot see. */
#include "tests/bench/rows/loops.h"
#include "tests/bench/rows/bench.h"

/* A value that nobody computes; takes `argument` as a call would. */
#define NO_CALL(argument)                                                        \
	({                                                                       \
		uint64_t value_;                                                 \
		__asm__ volatile("" : "=r"(value_) : "0"((uint64_t)(argument))); \
		value_;                                                          \
	})

#define LOOPS(name, body)                           \
	int name(const struct loop *l)              \
	{                                           \
		const bool live = true;             \
		int bad = 0;                        \
		for (uint64_t i = 0; i < l->n; i++) \
			body;                       \
		return bad;                         \
	}                                           \
	int name##_empty(const struct loop *l)      \
	{                                           \
		const bool live = false;            \
		int bad = 0;                        \
		for (uint64_t i = 0; i < l->n; i++) \
			body;                       \
		return bad;                         \
	}

/* A call, or nothing that the compiler could leave out. */
#define CALL(call, argument) (live ? (uint64_t)(call) : NO_CALL(argument))
#define PAGE(i) (((uint64_t *)l->array)[i])
#define OBJECT(i) (((void **)l->array)[i])
#define STRIDED PAGE(i * 4097 & (l->n - 1))

static uint64_t pair_order(unsigned order)
{
	uint64_t pa;
	int err = gr_alloc_pages(order, 0, TAG, &pa);

	return (uint64_t)(err ? err : gr_free_pages(pa, order));
}

LOOPS(loop_pairs, bad |= (int)CALL(gr_free_page(gr_alloc_page(TAG)), i))
LOOPS(loop_pairs_2m, bad |= (int)CALL(gr_free_2m(gr_alloc_2m(TAG)), i))
LOOPS(loop_pairs_order, bad |= (int)CALL(pair_order((unsigned)l->argument), i))
LOOPS(loop_alloc, PAGE(i) = CALL(gr_alloc_page(TAG), i))
LOOPS(loop_free, bad |= (int)CALL(gr_free_page(PAGE(i)), PAGE(i)))
LOOPS(loop_free_strided, bad |= (int)CALL(gr_free_page(STRIDED), STRIDED))
LOOPS(loop_touch, bad |= (int)CALL(gr_alloc_page(TAG), i))
LOOPS(loop_heap_pairs, bad |= (int)CALL(gr_kfree(gr_kmalloc(l->argument)), i))
LOOPS(loop_heap_alloc, OBJECT(i) = (void *)CALL((uintptr_t)gr_kmalloc(l->argument), i))
LOOPS(loop_heap_free, bad |= (int)CALL(gr_kfree(OBJECT(i)), (uintptr_t)OBJECT(i)))
LOOPS(loop_churn, {
	bad |= (int)CALL(gr_kfree(OBJECT(l->slot[i])), (uintptr_t)OBJECT(l->slot[i]));
	OBJECT(l->slot[i]) = (void *)CALL((uintptr_t)gr_kmalloc(l->size[i]), l->size[i]);
})
