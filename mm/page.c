/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of the owners of page frames. */
#include "mm/page.h"

/* Pointers to constant text, written and read as a whole: any CPU may name while another reports. */
static const char *names[256] = {
	[TAG_NONE] = "none",   [TAG_PGTABLE] = "pgtable", [TAG_HEAP] = "heap",	   [TAG_SLAB] = "slab",
	[TAG_STACK] = "stack", [TAG_MEMMAP] = "memmap",	  [TAG_STAGE2] = "stage2", [TAG_TEST] = "test",
};

/* [B24] */
const char *page_tag_name(unsigned tag)
{
	const char *name = tag < ARRAY_SIZE(names) ? __atomic_load_n(&names[tag], __ATOMIC_ACQUIRE) : NULL;

	return name ? name : "user";
}

/* [DG2] */
int page_tag_set_name(unsigned tag, const char *name)
{
	if (tag < TAG_USER || tag >= ARRAY_SIZE(names))
		return MM_EINVAL;
	__atomic_store_n(&names[tag], name, __ATOMIC_RELEASE);
	return MM_OK;
}
