/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: every line goes through here. Lines printed before a sink exists (or before the command line says whether
 * verbose lines are wanted) are kept in a fixed ring and shown when the sink comes (or the word is known).
 *
 * Works before the MMU is on: plain loads and stores, no pointer into itself. The functions given here (sink, lock) are
 * pointers, so they are set at the address the code finally runs at, or set again after it has moved.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include "lib/defs.h"
#include <stdarg.h>

enum log_level {
	LOG_ERROR,   /* always shown */
	LOG_INFO,    /* always shown: the boot report, the monitor, TAP */
	LOG_VERBOSE, /* shown with `verbose` on the command line */
};

/* Writes n bytes somewhere a person can read them. Called with the log's lock held where locks work; must not log. */
typedef void (*log_sink_fn)(const char *text, size_t n);

/* printf-like (lib/printf.h says which conversions). No newline is added: the format carries it. The text of one call is not
 * mixed with another CPU's once log_set_lock() has been called. */
void log_printf(enum log_level level, const char *fmt, ...) printf_like(2, 3);
void log_vprintf(enum log_level level, const char *fmt, va_list ap);

#define log_error(...) log_printf(LOG_ERROR, __VA_ARGS__)
#define log_info(...) log_printf(LOG_INFO, __VA_ARGS__)
/* Arguments are not evaluated when nobody will ever see the line: callers on warm paths pay for a test only. */
#define log_verbose(...)                                      \
	do {                                                  \
		if (unlikely(!log_drops_verbose))             \
			log_printf(LOG_VERBOSE, __VA_ARGS__); \
	} while (0)
extern bool log_drops_verbose; /* log_set_verbose(false) was the last word */

/* Whether verbose lines are shown from now on (and in the replay of the ring). Until the first call it is undecided:
 * verbose lines are kept even where there is a sink, and shown by log_set_verbose(true). */
void log_set_verbose(bool on);
bool log_is_verbose(void);

/* Sets the sink (NULL: none) and, when one is given, replays the kept lines that none has seen. When the ring was too small
 * the oldest lines are gone and the replay says how many. */
void log_set_sink(log_sink_fn sink);
log_sink_fn log_sink(void);

/*
 * How several CPUs take turns: lock() returns what unlock() is given (the interrupt state). Both NULL: none, as before the
 * MMU is on.
 */
void log_set_lock(unsigned long (*lock)(void), void (*unlock)(unsigned long state));

#endif
