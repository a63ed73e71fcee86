/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of /chosen/bootargs that this kernel knows. Words are separated by blanks; quotes mean nothing. A word that
 * is not known (boot loaders add their own: console=..., root=...) is named once and ignored.
 *
 *	verbose		print every step
 *	test=SUITE,...	run these suites (or SUITE:ID; "all") after the boot report, exit with their result
 *	tour		a scripted tour of the monitor instead of the monitor
 *	stats		print all figures as one JSON object after the report (docs/stats.md)
 *	poweroff	power off with status 0 after the report
 *	bump=ADDR,SIZE	reserve [ADDR, ADDR + SIZE) for a bump heap; decimal or 0x, suffixes K, M, G
 */
#ifndef BOOT_CMDLINE_H
#define BOOT_CMDLINE_H

#include "lib/defs.h"

#define CMDLINE_MAX 4096 /* bytes of a command line that are looked at; one line says so when there are more */
#define CMDLINE_TEST_MAX \
	1024 /* bytes of suite names, commas and NUL; a list that does not fit is refused with one line */

struct cmdline {
	bool verbose;
	bool tour;
	bool stats;
	bool poweroff;
	bool bump;
	uint64_t bump_base;	     /* 4 KiB-aligned */
	uint64_t bump_size;	     /* > 0, a multiple of 4 KiB; base + size - 1 does not wrap */
	char test[CMDLINE_TEST_MAX]; /* suites, as tap_run() wants them; "" when no test was asked for */
	/*
	 * A test= word that cannot be obeyed (empty or too long): whoever asked for tests must not be shown a boot
	 * without any. The caller ends with a non-zero status.
	 */
	bool test_refused;
	unsigned unknown; /* distinct unknown words */
	unsigned bad;	  /* known words with a value that makes no sense: ignored, one line each */
};

/* Parses bootargs (never NULL) into *out, which is overwritten. Complaints go to the log as "cmdline: ...". */
void cmdline_parse(const char *bootargs, struct cmdline *out);

#endif
