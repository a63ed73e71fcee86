/* SPDX-License-Identifier: BSD-2-Clause */
/* What the monitor's commands share: words of a line, and how they are understood. Private to boot/monitor*.c. */
#ifndef BOOT_MONITOR_WORDS_H
#define BOOT_MONITOR_WORDS_H

#include "lib/defs.h"

struct word {
	const char *s; /* not terminated */
	size_t n;
};

bool word_is(const struct word *w, const char *s);
/* "'WORD' is WHAT", and MM_EINVAL. */
int complain(const struct word *w, const char *what);
/* A number as lib/string.h reads it; MM_EINVAL, with a complaint, for anything else. */
must_check int parse_number(const struct word *w, uint64_t *out);

/* Commands: words[0] is the command's own; n counts it. MM_OK, or the error that what they printed explains. */
int command_buddy(const struct word *words, unsigned n);
int command_owners(const struct word *words, unsigned n);
int command_mark(const struct word *words, unsigned n);
int command_leaks(const struct word *words, unsigned n);

#endif
