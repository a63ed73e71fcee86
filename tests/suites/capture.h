/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes what a test prints to the log, so that it can be looked at. One CPU. Included by the suites that need it. */
#ifndef TESTS_SUITES_CAPTURE_H
#define TESTS_SUITES_CAPTURE_H

#include "lib/log.h"
#include "lib/string.h"

static char captured[32768];
static size_t captured_bytes; /* also those that had no room */
static log_sink_fn captured_from;

static inline void capture_sink(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++, captured_bytes++)
		if (captured_bytes < sizeof(captured) - 1)
			captured[captured_bytes] = text[i];
}

static inline void capture_begin(void)
{
	captured_bytes = 0;
	captured_from = log_sink();
	log_set_sink(capture_sink);
}

/* Back to where it went before; returns what was printed, NUL-terminated. */
static inline const char *capture_end(void)
{
	size_t n = captured_bytes < sizeof(captured) ? captured_bytes : sizeof(captured) - 1;

	log_set_sink(captured_from);
	captured[n] = '\0';
	return captured;
}

/* Where the first `what` in text begins, or NULL. */
static inline const char *find_text(const char *text, const char *what)
{
	size_t n = strlen(what);

	for (; *text != '\0'; text++)
		if (strncmp(text, what, n) == 0)
			return text;
	return n == 0 ? text : NULL;
}

static inline bool has_text(const char *text, const char *what)
{
	return find_text(text, what) != NULL;
}

static inline unsigned count_text(const char *text, const char *what)
{
	unsigned n = 0;

	for (text = find_text(text, what); text != NULL; text = find_text(text + 1, what))
		n++;
	return n;
}

/* The longest line, without its newline. */
static inline size_t longest_line(const char *text)
{
	size_t longest = 0;
	size_t here = 0;

	for (; *text != '\0'; text++) {
		here = *text == '\n' ? 0 : here + 1;
		if (here > longest)
			longest = here;
	}
	return longest;
}

#endif
