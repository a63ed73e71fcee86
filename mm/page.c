/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of the owners of page frames. [B24] */
#include "mm/page.h"

const char *page_tag_name(unsigned tag)
{
	static const char *const names[] = {
		[TAG_NONE] = "none",	 [TAG_PGTABLE] = "pgtable", [TAG_HEAP] = "heap",
		[TAG_SLAB] = "slab",	 [TAG_STACK] = "stack",	    [TAG_MEMMAP] = "memmap",
		[TAG_STAGE2] = "stage2", [TAG_TEST] = "test",	    [TAG_USER] = "user",
	};

	return names[tag < TAG_USER ? tag : TAG_USER];
}
