/* SPDX-License-Identifier: BSD-2-Clause */
/* The search for a hole: try an address, and on a collision go on behind what was hit. */
#include "boot/early_hole.h"

#include "lib/fdt_mem.h"

/* If [base, base + size) meets [start, end], moves *end_of_hit up to the address after it. */
static void collide(uint64_t base, uint64_t size, uint64_t start, uint64_t length, uint64_t *end_of_hit)
{
	uint64_t last = start + length - 1;

	if (length && last >= start && base <= last && start <= base + (size - 1) && last >= *end_of_hit)
		*end_of_hit = last == UINT64_MAX ? UINT64_MAX : last + 1;
}

/* 0: nothing is in the way; otherwise the first address behind everything that is. */
static uint64_t obstacle(struct fdt *fdt, const struct ram_extra *extra, unsigned n_extra, paddr_t dtb_pa,
			 uint64_t base, uint64_t size)
{
	struct fdt_region_iter it = { 0 };
	struct fdt_region r;
	uint64_t hit = 0, start, end;
	int more;

	while ((more = get_reserved_regions(fdt, &it, &r)) > 0)
		if (r.kind != FDT_REGION_DYNAMIC)
			collide(base, size, r.base, r.size, &hit);
	if (more < 0)
		return UINT64_MAX;
	collide(base, size, dtb_pa.v, fdt->totalsize, &hit);
	if (fdt_initrd(fdt, &start, &end) > 0)
		collide(base, size, start, end - start, &hit);
	for (unsigned i = 0; i < n_extra; i++)
		collide(base, size, extra[i].base, extra[i].size, &hit);
	return hit;
}

/* [BT10] */
bool early_hole(struct fdt *fdt, const struct ram_extra *extra, unsigned n_extra, paddr_t dtb_pa, uint64_t size,
		uint64_t align, paddr_t *out)
{
	struct fdt_region_iter it = { 0 };
	struct fdt_region r;
	bool found = false;

	while (get_memory_regions(fdt, &it, &r) > 0) {
		uint64_t last = r.base + (r.size - 1), base = r.base;

		for (;;) {
			uint64_t hit;

			if (base > UINT64_MAX - (align - 1))
				break;
			base = ALIGN_UP(base, align);
			if (base > last || last - base < size - 1 || (found && base >= out->v))
				break;
			hit = obstacle(fdt, extra, n_extra, dtb_pa, base, size);
			if (hit == 0) {
				*out = paddr(base);
				found = true;
				break;
			}
			base = hit;
		}
	}
	return found;
}
