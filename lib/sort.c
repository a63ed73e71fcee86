/* SPDX-License-Identifier: BSD-2-Clause */
/* Heap sort (J. W. J. Williams, 1964), with the sift-down that builds the heap bottom-up (R. W. Floyd, 1964). */
#include "lib/sort.h"

static void sift_down(void *what, unsigned root, unsigned n, sort_less_fn less, sort_swap_fn swap)
{
	/* root < n / 2 says that there is a left child, without computing 2 * root + 1 where that could wrap. */
	while (root < n / 2) {
		unsigned child = 2 * root + 1;

		if (child + 1 < n && less(what, child, child + 1))
			child++;
		if (!less(what, root, child))
			return;
		swap(what, root, child);
		root = child;
	}
}

/* [RM16] */
void sort_elements(void *what, unsigned n, sort_less_fn less, sort_swap_fn swap)
{
	for (unsigned i = n / 2; i-- > 0;)
		sift_down(what, i, n, less, swap);
	for (unsigned end = n; end > 1; end--) {
		swap(what, 0, end - 1);
		sift_down(what, 0, end - 1, less, swap);
	}
}
