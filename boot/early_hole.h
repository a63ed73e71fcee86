/* SPDX-License-Identifier: BSD-2-Clause */
/* A place in RAM before there is a list of what is taken: for the list itself, when the device tree names more than the image has room for. */
#ifndef BOOT_EARLY_HOLE_H
#define BOOT_EARLY_HOLE_H

#include "mm/ram.h"

/*
 * The lowest [*out, *out + size), aligned to align (a power of two, at least 4 KiB), that lies in one bank of the tree and
 * overlaps no reservation, initrd, tree or extra. Keeps no list: walks the tree once for each try. False when there is none
 * (or the tree is malformed: fdt->error).
 */
bool early_hole(struct fdt *fdt, const struct ram_extra *extra, unsigned n_extra, paddr_t dtb_pa, uint64_t size,
		uint64_t align, paddr_t *out);

#endif
