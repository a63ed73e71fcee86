/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser of /chosen/bootargs. Keeps no pointer into the text, which lies in the device tree. */
#include "boot/cmdline.h"
#include "arch/addr.h"
#include "lib/log.h"
#include "lib/string.h"

#define SHOWN_MAX 60 /* bytes of a word that a complaint shows */

struct word {
	const char *s;
	size_t n;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

/* The next word of [*at, end); false at the end. */
static bool next_word(const char **at, const char *end, struct word *w)
{
	const char *p = *at;

	while (p < end && is_blank(*p))
		p++;
	w->s = p;
	while (p < end && !is_blank(*p))
		p++;
	w->n = (size_t)(p - w->s);
	*at = p;
	return w->n != 0;
}

static bool same(const struct word *w, const char *s, size_t n)
{
	return w->n == n && memcmp(w->s, s, n) == 0;
}

static bool word_is(const struct word *w, const char *name)
{
	return same(w, name, strlen(name));
}

/* Whether w is name=VALUE; name includes the '='. */
static bool word_value(const struct word *w, const char *name, struct word *value)
{
	size_t n = strlen(name);

	if (w->n < n || memcmp(w->s, name, n) != 0)
		return false;
	value->s = w->s + n;
	value->n = w->n - n;
	return true;
}

/* A copy that a terminal can stand: what is not printable ASCII becomes '?', what is too long ends in "...". */
static const char *shown(const struct word *w, char buf[SHOWN_MAX + 4])
{
	size_t n = w->n < SHOWN_MAX ? w->n : SHOWN_MAX;

	for (size_t i = 0; i < n; i++)
		buf[i] = w->s[i] >= ' ' && w->s[i] < 0x7f ? w->s[i] : '?';
	memcpy(buf + n, "...", 4);
	if (n == w->n)
		buf[n] = '\0';
	return buf;
}

/* Whether the word has stood before its place: compared with the text itself, so that no list of words can run full. */
static bool seen_before(const char *text, const struct word *w)
{
	const char *at = text;
	struct word earlier;

	while (next_word(&at, w->s, &earlier))
		if (same(w, earlier.s, earlier.n))
			return true;
	return false;
}

/* [BU4] */
static void parse_test(struct cmdline *out, const struct word *value)
{
	size_t have = strlen(out->test);
	size_t comma = have != 0;

	if (value->n == 0) {
		log_error("cmdline: test= names no suite\n");
		goto refused;
	}
	if (have + comma + value->n >= sizeof(out->test)) {
		log_error("cmdline: test=... is longer than %u bytes, no test is run\n", CMDLINE_TEST_MAX - 1);
		goto refused;
	}
	if (comma)
		out->test[have] = ',';
	memcpy(out->test + have + comma, value->s, value->n);
	out->test[have + comma + value->n] = '\0';
	return;
refused:
	out->test_refused = true;
	out->bad++;
}

/* [BU5] */
static void parse_bump(struct cmdline *out, const struct word *w, const struct word *value)
{
	char buf[SHOWN_MAX + 4];
	const char *end = value->s + value->n;
	const char *problem = NULL;
	uint64_t base = 0;
	uint64_t size = 0;
	const char *p = parse_u64(value->s, end, &base);

	if (p == NULL || p == end || *p != ',')
		problem = "wants ADDR,SIZE";
	else if (parse_u64(p + 1, end, &size) != end)
		problem = "wants ADDR,SIZE: the size is no number";
	else if (size == 0)
		problem = "has size 0";
	else if (base + (size - 1) < base)
		problem = "wraps around the end of the address space";
	else if (!IS_ALIGNED(base, PAGE_SIZE) || !IS_ALIGNED(size, PAGE_SIZE))
		problem = "is not a multiple of 4 KiB";
	else if (out->bump)
		problem = "comes after another bump=, which counts";
	if (problem != NULL) {
		log_error("cmdline: '%s' %s: ignored\n", shown(w, buf), problem);
		out->bad++;
		return;
	}
	out->bump = true;
	out->bump_base = base;
	out->bump_size = size;
}

/* [BU2] [BU3] [BT22] */
void cmdline_parse(const char *bootargs, struct cmdline *out)
{
	size_t n = strnlen(bootargs, CMDLINE_MAX);
	const char *at = bootargs;
	const char *end = bootargs + n;
	struct word w;
	struct word value;
	char buf[SHOWN_MAX + 4];

	memset(out, 0, sizeof(*out));
	if (n == CMDLINE_MAX && bootargs[n] != '\0') {
		/* Cut at a blank: half a word may be another word. */
		while (end > bootargs && !is_blank(end[-1]))
			end--;
		log_error("cmdline: longer than %u bytes, what comes after byte %u is ignored\n", CMDLINE_MAX,
			  (unsigned)(end - bootargs));
		out->bad++;
	}
	while (next_word(&at, end, &w)) {
		if (word_is(&w, "verbose")) {
			out->verbose = true;
		} else if (word_is(&w, "tour")) {
			out->tour = true;
		} else if (word_is(&w, "stats")) {
			out->stats = true;
		} else if (word_is(&w, "poweroff")) {
			out->poweroff = true;
		} else if (word_value(&w, "test=", &value)) {
			parse_test(out, &value);
		} else if (word_value(&w, "bump=", &value)) {
			parse_bump(out, &w, &value);
		} else if (!seen_before(bootargs, &w)) {
			log_error("cmdline: unknown word '%s' ignored\n", shown(&w, buf));
			out->unknown++;
		}
	}
}
