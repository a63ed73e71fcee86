/* SPDX-License-Identifier: BSD-2-Clause */
/* The optional names, included where the kernel has none of its own: every one is called. */
#include "mm/library/granule_names.h"

int use_names(void);

static uint64_t space[64];

int use_names(void)
{
	struct gr_pgtable *pt = (struct gr_pgtable *)(void *)space;
	char *p = kmalloc(10), *q = kzalloc(10), *r = kcalloc(3, 5);

	r = krealloc(r, 100);
	if (!p || !q || !r || kfree(p) || kfree(q) || kfree(r))
		return 1;
	if (gr_pgtable_init(pt, GR_EL1_STAGE1, 39, 0, 0))
		return 2;
	if (map_page(pt, 0x1000, 0x40001000, GR_PT_WRITE, GR_NORMAL) ||
	    map_page(pt, 0x1001, 0, 0, GR_NORMAL) != GR_EALIGN)
		return 3;
	if (map_block_2mb(pt, 0x1000, 0, 0, GR_NORMAL) != GR_EVA_ALIGN ||
	    map_block_2mb(pt, 0x200000, 0x1000, 0, GR_NORMAL) != GR_EPA_ALIGN ||
	    map_block_2mb(pt, 0x200000, 0x40200000, 0, GR_NORMAL))
		return 4;
	if (identity_map_range(pt, 0x40000000, 0x3000, GR_PT_WRITE, GR_NORMAL) || unmap_page(pt, 0x40001000))
		return 5;
	gr_pgtable_destroy(pt);
	return 0;
}
