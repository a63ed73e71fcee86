/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For the suites about the monitor: a machine that it runs on, a line typed, what was said, and figures in it. Included by
 * one file each.
 */
#ifndef TESTS_SUITES_MONITOR_SAY_H
#define TESTS_SUITES_MONITOR_SAY_H

#include "boot/boot.h"
#include "boot/monitor.h"
#include "lib/printf.h"
#include "tests/suites/capture.h"
#ifdef GRANULE_HOST
#include "tests/host/boot_fakes.h"
#endif

/* The real machine on the target, a small one of 64 MiB on the host. */
static inline void machine(void)
{
#ifdef GRANULE_HOST
	fake_machine();
#endif
}

static int result; /* of say() */

/* Executes a line; returns what was said. */
static inline const char *say(const char *fmt, ...) printf_like(1, 2);
static inline const char *say(const char *fmt, ...)
{
	char line[200];
	va_list ap;

	va_start(ap, fmt);
	gr_vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	capture_begin();
	result = monitor_execute(line);
	return capture_end();
}

static inline struct frames_stats stats_now(void)
{
	struct frames_stats s;

	frames_get_stats(boot.frames, &s);
	return s;
}

/* The number that stands behind the first `what`, in decimal or 0x. */
static inline uint64_t number_after(const char *text, const char *what)
{
	const char *p = find_text(text, what);
	uint64_t n = UINT64_MAX;

	if (p == NULL)
		return UINT64_MAX;
	p += strlen(what);
	while (*p == ' ')
		p++;
	/* No suffix: "4 KiB" is 4 and a unit, and "16M" is never printed. */
	if (parse_u64(p, p + strlen(p), &n) == NULL)
		return UINT64_MAX;
	return n;
}

/* The line of text that begins at p, with its newline; and what stands behind it. */
static inline const char *next_line(const char *p)
{
	while (*p != '\0' && *p++ != '\n')
		;
	return p;
}

#endif
