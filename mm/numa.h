/* SPDX-License-Identifier: BSD-2-Clause */
/* What a device tree says about the distances between NUMA nodes, for the page allocator. */
#ifndef MM_NUMA_H
#define MM_NUMA_H

#include "lib/fdt.h"
#include "mm/frames.h"

/*
 * Sets the distances of the tree's /distance-map (boot). An entry counts for both directions, unless the map names the
 * other one later. Distances above 255 become 255; nodes that frames_set_distance() does not take stay as they are. Of a
 * malformed map nothing is used, and a line says so. Returns how many entries were used. Not looked for when there is
 * only one bank: nobody is far from anybody.
 */
unsigned numa_read_distances(struct frames *f, struct fdt *fdt);

#endif
