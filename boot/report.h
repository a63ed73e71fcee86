/* SPDX-License-Identifier: BSD-2-Clause */
/* What the boot made of the machine, on one screen; the pieces of it that the monitor shows, too. */
#ifndef BOOT_REPORT_H
#define BOOT_REPORT_H

#include "boot/boot.h"

/* The boot report. The last line is "memory is up: N MiB free of M MiB". */
void report_boot(const struct boot_info *b);

/*
 * One line for each piece of RAM (with_free: also for what nobody claims), and one for each further claim of the same
 * piece. Nothing is left out, however long the list.
 */
void report_owners(const struct ram_map *ram, bool with_free);

/* "order:blocks" for every order that has free blocks, wrapped below the label. */
void report_free_orders(const struct frames_stats *stats);

#endif
