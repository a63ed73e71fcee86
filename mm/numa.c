/* SPDX-License-Identifier: BSD-2-Clause */
/* From the device tree's /distance-map to the order in which banks are asked. */
#include "mm/numa.h"
#include "lib/fdt_mem.h"
#include "lib/log.h"

/* Both directions are equal, says the binding; some maps have them apart, the one to the lower node later. */
static bool use(struct frames *f, const struct fdt_distance *d)
{
	unsigned far = d->distance < UINT8_MAX ? d->distance : UINT8_MAX;

	return frames_set_distance(f, d->from, d->to, far) == MM_OK &&
	       (d->to < d->from || frames_set_distance(f, d->to, d->from, far) == MM_OK);
}

/* [FX11] */
unsigned numa_read_distances(struct frames *f, struct fdt *fdt)
{
	struct fdt_region_iter check = { 0 }, it = { 0 };
	struct fdt_distance d;
	unsigned used = 0;
	int more;

	if (f->bank_count < 2)
		return 0;
	while ((more = get_distances(fdt, &check, &d)) > 0)
		;
	if (more < 0) {
		log_error("numa: the distance map is not used: %s\n", fdt->error);
		return 0;
	}
	while (get_distances(fdt, &it, &d) > 0)
		used += use(f, &d);
	if (used)
		log_verbose("numa: %u distances\n", used);
	return used;
}
