/* SPDX-License-Identifier: BSD-2-Clause */
/* Formatting without a C library: one engine that gives out characters, and the functions that collect them in a buffer. */
#include "lib/printf.h"
#include "lib/string.h"

/* Not <limits.h>: a cross compiler's includes the C library's. */
#define INT_MAX __INT_MAX__

#define COUNT_MAX 100000 /* largest width and precision */

#define F_LEFT (1u << 0)  /* - */
#define F_PLUS (1u << 1)  /* + */
#define F_SPACE (1u << 2) /* space */
#define F_ALT (1u << 3)	  /* # */
#define F_ZERO (1u << 4)  /* 0 */

struct spec {
	unsigned flags;
	int width;
	int precision; /* -1: none given */
};

struct out {
	gr_putn_fn put;
	void *ctx;
	uint64_t total;
};

static void put(struct out *o, const char *s, size_t n)
{
	if (n > 0)
		o->put(o->ctx, s, n);
	o->total += n;
}

static void put_repeat(struct out *o, char c, int n)
{
	for (; n > 0; n--)
		put(o, &c, 1);
}

static void put_padded(struct out *o, const struct spec *sp, const char *s, size_t len)
{
	int pad = len < (size_t)sp->width ? sp->width - (int)len : 0;

	if (!(sp->flags & F_LEFT))
		put_repeat(o, ' ', pad);
	put(o, s, len);
	if (sp->flags & F_LEFT)
		put_repeat(o, ' ', pad);
}

/* prefix: the sign or "0x"; it stands before zeros and after spaces. */
static void put_number(struct out *o, const struct spec *sp, uint64_t v, unsigned base, bool upper, const char *prefix)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char buf[24]; /* 22 octal digits of 64 bits */
	int n = 0, zeros = 0, pad, prefix_len = (int)strlen(prefix);

	for (; v != 0; v /= base)
		buf[sizeof(buf) - 1 - (size_t)n++] = digits[v % base];
	/* C17 7.21.6.1: default precision is 1; an explicit 0 prints no digit for the value 0. */
	if (sp->precision > n)
		zeros = sp->precision - n;
	else if (sp->precision < 0 && n == 0)
		zeros = 1;
	/* "#o" raises the precision until the first digit is a zero. */
	if (base == 8 && (sp->flags & F_ALT) && zeros == 0)
		zeros = 1;

	pad = sp->width - (n + prefix_len);
	pad = pad > zeros ? pad - zeros : 0;
	if (sp->precision < 0 && (sp->flags & (F_ZERO | F_LEFT)) == F_ZERO) {
		zeros += pad;
		pad = 0;
	}
	if (!(sp->flags & F_LEFT))
		put_repeat(o, ' ', pad);
	put(o, prefix, (size_t)prefix_len);
	put_repeat(o, '0', zeros);
	put(o, buf + sizeof(buf) - n, (size_t)n);
	if (sp->flags & F_LEFT)
		put_repeat(o, ' ', pad);
}

/* A decimal count in the format; clipped, so that nonsense neither overflows nor keeps a console busy for minutes. */
static int parse_count(const char **p)
{
	int n = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++)
		n = n >= COUNT_MAX ? COUNT_MAX : n * 10 + (**p - '0');
	return n < COUNT_MAX ? n : COUNT_MAX;
}

enum length { LEN_INT, LEN_CHAR, LEN_SHORT, LEN_LONG };

/* l, ll, z, t and j are all 64 bits wide on every machine this runs on. */
_Static_assert(sizeof(long) == 8 && sizeof(long long) == 8 && sizeof(size_t) == 8 && sizeof(ptrdiff_t) == 8, "LP64");

static enum length parse_length(const char **p)
{
	switch (**p) {
	case 'h':
		(*p)++;
		if (**p != 'h')
			return LEN_SHORT;
		(*p)++;
		return LEN_CHAR;
	case 'l':
		(*p)++;
		if (**p == 'l')
			(*p)++;
		return LEN_LONG;
	case 'z':
	case 't':
	case 'j':
		(*p)++;
		return LEN_LONG;
	default:
		return LEN_INT;
	}
}

static unsigned parse_flags(const char **p)
{
	unsigned flags = 0;

	for (;; (*p)++) {
		switch (**p) {
		case '-':
			flags |= F_LEFT;
			break;
		case '+':
			flags |= F_PLUS;
			break;
		case ' ':
			flags |= F_SPACE;
			break;
		case '#':
			flags |= F_ALT;
			break;
		case '0':
			flags |= F_ZERO;
			break;
		default:
			return flags;
		}
	}
}

static int64_t narrow_signed(int64_t v, enum length len)
{
	switch (len) {
	case LEN_CHAR:
		return (signed char)v;
	case LEN_SHORT:
		return (short)v;
	default:
		return v;
	}
}

static uint64_t narrow_unsigned(uint64_t v, enum length len)
{
	switch (len) {
	case LEN_CHAR:
		return (unsigned char)v;
	case LEN_SHORT:
		return (unsigned short)v;
	default:
		return v;
	}
}

static gr_namer_fn namer;

void gr_set_namer(gr_namer_fn fn)
{
	namer = fn;
}

/* [DG1] */
static void put_return_address(struct out *o, uintptr_t address)
{
	const struct spec plain = { .precision = -1 };
	char buf[GR_NAME_MAX];
	const char *name = namer ? namer(address, buf) : NULL;

	put_number(o, &plain, address, 16, false, "0x");
	if (name) {
		put(o, " (", 2);
		put(o, name, strlen(name));
		put(o, ")", 1);
	}
}

/* A va_list that is a parameter may have decayed to a pointer: a struct keeps one type on every ABI. */
struct args {
	va_list ap;
};

/* One conversion after '%'; returns the first byte behind it. [L5] */
static const char *convert(struct out *o, const char *p, struct args *a)
{
	const char *start = p - 1;
	struct spec sp = { .flags = parse_flags(&p), .precision = -1 };
	enum length len;
	uint64_t u;
	int64_t d;
	const char *s;
	char c;

	if (*p == '*') {
		p++;
		sp.width = va_arg(a->ap, int);
		if (sp.width < 0) {
			sp.flags |= F_LEFT;
			sp.width = sp.width < -COUNT_MAX ? COUNT_MAX : -sp.width;
		}
		sp.width = sp.width < COUNT_MAX ? sp.width : COUNT_MAX;
	} else {
		sp.width = parse_count(&p);
	}
	if (*p == '.') {
		p++;
		if (*p == '*') {
			p++;
			sp.precision = va_arg(a->ap, int);
			sp.precision = sp.precision < 0 ? -1 : sp.precision < COUNT_MAX ? sp.precision : COUNT_MAX;
		} else {
			sp.precision = parse_count(&p);
		}
	}
	len = parse_length(&p);

	switch (*p) {
	case 'd':
	case 'i':
		d = narrow_signed(len == LEN_LONG ? va_arg(a->ap, long) : va_arg(a->ap, int), len);
		put_number(o, &sp, d < 0 ? 0 - (uint64_t)d : (uint64_t)d, 10, false,
			   d < 0		? "-"
			   : sp.flags & F_PLUS	? "+"
			   : sp.flags & F_SPACE ? " "
						: "");
		break;
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		u = narrow_unsigned(len == LEN_LONG ? va_arg(a->ap, unsigned long) : va_arg(a->ap, unsigned), len);
		if (*p == 'u')
			put_number(o, &sp, u, 10, false, "");
		else if (*p == 'o')
			put_number(o, &sp, u, 8, false, "");
		else
			put_number(o, &sp, u, 16, *p == 'X',
				   !(sp.flags & F_ALT) || u == 0 ? ""
				   : *p == 'X'			 ? "0X"
								 : "0x");
		break;
	case 'p':
		if (p[1] == 'B') {
			put_return_address(o, (uintptr_t)va_arg(a->ap, void *));
			return p + 2;
		}
		put_number(o, &sp, (uintptr_t)va_arg(a->ap, void *), 16, false, "0x");
		break;
	case 'c':
		c = (char)va_arg(a->ap, int);
		put_padded(o, &sp, &c, 1);
		break;
	case 's':
		s = va_arg(a->ap, const char *);
		if (!s)
			s = "(null)";
		put_padded(o, &sp, s, sp.precision < 0 ? strlen(s) : strnlen(s, (size_t)sp.precision));
		break;
	case '%':
		put(o, "%", 1);
		break;
	case '\0':
		put(o, start, (size_t)(p - start));
		return p;
	default: /* not ours: shown as it stands, so that the mistake is seen; no argument is taken */
		put(o, start, (size_t)(p + 1 - start));
		break;
	}
	return p + 1;
}

/* [L5] [L6] */
int gr_format(gr_putn_fn fn, void *ctx, const char *fmt, va_list ap)
{
	struct out o = { .put = fn, .ctx = ctx };
	struct args a;

	va_copy(a.ap, ap);
	while (*fmt != '\0') {
		const char *literal = fmt;

		while (*fmt != '\0' && *fmt != '%')
			fmt++;
		put(&o, literal, (size_t)(fmt - literal));
		if (*fmt == '%')
			fmt = convert(&o, fmt + 1, &a);
	}
	va_end(a.ap);
	return o.total > INT_MAX ? INT_MAX : (int)o.total;
}

struct buffer {
	char *buf;
	size_t n;
	size_t used;
};

static void put_buffer(void *ctx, const char *s, size_t n)
{
	struct buffer *b = ctx;

	for (size_t i = 0; i < n && b->used + 1 < b->n; i++)
		b->buf[b->used++] = s[i];
}

int gr_vsnprintf(char *buf, size_t n, const char *fmt, va_list ap)
{
	struct buffer b = { .buf = buf, .n = n };
	int total = gr_format(put_buffer, &b, fmt, ap);

	if (n > 0)
		buf[b.used] = '\0';
	return total;
}

int gr_snprintf(char *buf, size_t n, const char *fmt, ...)
{
	va_list ap;
	int total;

	va_start(ap, fmt);
	total = gr_vsnprintf(buf, n, fmt, ap);
	va_end(ap);
	return total;
}
