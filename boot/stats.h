/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything that is known about memory at this moment, for tools: one JSON object on the log, whose keys docs/stats.md
 * describes.
 */
#ifndef BOOT_STATS_H
#define BOOT_STATS_H

#define STATS_SCHEMA "granule-stats"
#define STATS_VERSION 1 /* another one when a key is taken away, renamed, or means something else */

/*
 * Prints it. Each line is one message of the log, so that what another CPU says may stand between two lines, never in
 * one; the first line is "{", the last "}", and all others begin with a blank. Memory must be up. One CPU at a time.
 *
 * The figures of one room belong together; other CPUs may be at work between one room and the next. Cost: walks the
 * records of all sections that are in use.
 */
void stats_print_json(void);

#endif
