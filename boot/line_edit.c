/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's line editor: pure, so that the tests type as fast as they like. */
#include "boot/line_edit.h"

#define CTRL(c) ((c)&0x1f)

void line_reset(struct line_edit *e)
{
	e->text[0] = '\0';
	e->length = 0;
	e->escape = 0;
}

/* One column back, blank, back again; so often that the longest line goes. */
#define RUB "\b \b"
#define RUB8 RUB RUB RUB RUB RUB RUB RUB RUB
#define RUB32 RUB8 RUB8 RUB8 RUB8
static const char rub_out[] = RUB32 RUB32 RUB32 RUB32;
#define RUB_BYTES (sizeof(RUB) - 1)
_Static_assert(sizeof(rub_out) - 1 >= (LINE_EDIT_MAX - 1) * RUB_BYTES,
	       "^U must reach the beginning of the longest line");

/* The text that rubs out n columns. */
static const char *rub(unsigned n)
{
	return rub_out + sizeof(rub_out) - 1 - n * RUB_BYTES;
}

/* [BU30] */
enum line_event line_feed(struct line_edit *e, int byte, const char **echo)
{
	bool after_cr = e->after_cr;

	*echo = "";
	e->after_cr = byte == '\r';
	if (e->escape == 1) {
		/* ESC [ and ESC O begin a sequence, ESC and another byte is one. */
		e->escape = byte == '[' || byte == 'O' ? 2 : 0;
		return LINE_MORE;
	}
	if (e->escape == 2) {
		if (byte >= 0x40 && byte <= 0x7e)
			e->escape = 0; /* ECMA-48: the final byte */
		if (byte >= ' ' && byte <= 0x7e)
			return LINE_MORE;
		e->escape = 0; /* a control byte ends a broken sequence and means itself */
	}
	switch (byte) {
	case '\n':
		if (after_cr)
			return LINE_MORE;
		__attribute__((fallthrough));
	case '\r':
		*echo = "\n";
		return LINE_READY;
	case CTRL('C'):
		line_reset(e);
		*echo = "^C\n";
		return LINE_ABANDONED;
	case CTRL('U'):
		*echo = rub(e->length);
		line_reset(e);
		return LINE_MORE;
	case '\b':
	case 0x7f:
		if (e->length == 0)
			return LINE_MORE;
		e->text[--e->length] = '\0';
		*echo = rub(1);
		return LINE_MORE;
	case 0x1b:
		e->escape = 1;
		return LINE_MORE;
	default:
		break;
	}
	if (byte < ' ' || byte > 0x7e)
		return LINE_MORE;
	if (e->length == LINE_EDIT_MAX - 1) {
		*echo = "\a";
		return LINE_MORE;
	}
	e->text[e->length++] = (char)byte;
	e->text[e->length] = '\0';
	*echo = &e->text[e->length - 1];
	return LINE_MORE;
}
