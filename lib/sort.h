/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sorting in place, without recursion or allocation, of anything that can compare and swap two of its elements by
 * number.
 */
#ifndef LIB_SORT_H
#define LIB_SORT_H

#include "lib/defs.h"

typedef bool (*sort_less_fn)(const void *what, unsigned a, unsigned b);
typedef void (*sort_swap_fn)(void *what, unsigned a, unsigned b);

/* Heap sort of elements 0..n-1, ascending; not stable. At most 2 n log2 n comparisons whatever the order was. */
void sort_elements(void *what, unsigned n, sort_less_fn less, sort_swap_fn swap);

#endif
