/* SPDX-License-Identifier: BSD-2-Clause */
/* A line editor for a serial line: one byte in, what is to be echoed out. Knows no console. */
#ifndef BOOT_LINE_EDIT_H
#define BOOT_LINE_EDIT_H

#include "lib/defs.h"

#define LINE_EDIT_MAX 128 /* bytes with NUL */

struct line_edit {
	char text[LINE_EDIT_MAX]; /* NUL-terminated at any time */
	unsigned length;
	uint8_t escape; /* inside an escape sequence of the terminal: 1 after ESC, 2 after ESC [ */
	bool after_cr;	/* the LF of CR LF is not a second line */
};

enum line_event {
	LINE_MORE,	/* nothing complete yet */
	LINE_READY,	/* text is a line; line_reset() before the next byte */
	LINE_ABANDONED, /* ^C: text is empty, a new prompt is due */
};

/*
 * Takes one byte. Return or line feed ends the line; backspace and DEL take back one byte, ^U all; ^C abandons the
 * line. Other control bytes, escape sequences (cursor keys) and bytes above 0x7e are passed over; what does not fit
 * rings the bell. *echo: what the terminal should get, "" for nothing; valid until the next call on this editor.
 */
enum line_event line_feed(struct line_edit *e, int byte, const char **echo);
void line_reset(struct line_edit *e);

#endif
