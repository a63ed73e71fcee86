/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TAP runner: finds the tests that the linker gathered, selects, runs and prints them (Test Anything Protocol, version 13).
 * No memory, no locks, no output of its own: one CPU runs tests, and the world it runs in supplies the print function.
 */
#include "lib/tap.h"
#include "lib/printf.h"
#include "lib/string.h"

/* The linker defines these for an output section whose name is a C identifier. */
extern const struct tap_test __start_tap_tests[] __attribute__((visibility("hidden")));
extern const struct tap_test __stop_tap_tests[] __attribute__((visibility("hidden")));

void (*tap_before)(const struct tap_test *t);
void (*tap_after)(const struct tap_test *t, bool ok);

/* A loop of failing checks must not drown the report. */
#define MAX_REPORTS 16

/* One run. The runner's own tests run another inside a test, so this is saved and restored. */
struct tap_state {
	tap_print_fn print;
	const char *skip;
	unsigned failed_checks; /* of the current test */
};

static struct tap_state tap;

static void emit(const char *fmt, ...) printf_like(1, 2);
static void emit(const char *fmt, ...)
{
	char line[320];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = gr_vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(line)) {
		n = (int)sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	if (tap.print && n > 0)
		tap.print(line, (size_t)n);
}

void tap_check(bool ok, const char *expr, const char *file, int line)
{
	if (ok)
		return;
	if (tap.failed_checks++ < MAX_REPORTS)
		emit("# %s:%d: failed: %s\n", file, line, expr);
}

void tap_check_eq(uint64_t got, uint64_t want, const char *expr, const char *file, int line)
{
	if (got == want)
		return;
	if (tap.failed_checks++ < MAX_REPORTS)
		emit("# %s:%d: failed: %s: got %#llx (%lld), want %#llx (%lld)\n", file, line, expr,
		     (unsigned long long)got, (long long)got, (unsigned long long)want, (long long)want);
}

void tap_skip(const char *why)
{
	tap.skip = why;
}

/* Each line of it is a comment: a note must not be taken for a result. */
void tap_note(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	gr_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (const char *s = text; *s != '\0';) {
		const char *end = strchr(s, '\n');
		size_t n = end ? (size_t)(end - s) : strlen(s);

		emit("# %.*s\n", (int)n, s);
		s += n + (end != NULL);
	}
}

/* Whether the name [s, end) of a specification (SUITE or SUITE:ID) means this test. A suite whose name begins with '_' is
 * a fixture of the runner's own tests: it runs only when it is named. */
static bool name_matches(const char *s, const char *end, const struct tap_test *t)
{
	const char *colon = memchr(s, ':', (size_t)(end - s));
	size_t suite_len = (size_t)((colon ? colon : end) - s);

	if (!colon && suite_len == 3 && memcmp(s, "all", 3) == 0)
		return t->suite[0] != '_';
	if (strlen(t->suite) != suite_len || memcmp(s, t->suite, suite_len) != 0)
		return false;
	if (!colon)
		return true;
	return strlen(t->id) == (size_t)(end - colon - 1) && memcmp(colon + 1, t->id, strlen(t->id)) == 0;
}

/* Cuts the next name off a comma-separated list: false at the end. Empty names are passed over. */
static bool next_name(const char **list, const char **name, const char **end)
{
	const char *s = *list;

	while (*s == ',')
		s++;
	if (*s == '\0')
		return false;
	*name = s;
	while (*s != '\0' && *s != ',')
		s++;
	*end = s;
	*list = s;
	return true;
}

static bool selected(const char *suites, enum tap_where where, const struct tap_test *t)
{
	const char *s, *end;

	if (!(t->where & (uint64_t)where))
		return false;
	while (next_name(&suites, &s, &end)) {
		if (name_matches(s, end, t))
			return true;
	}
	return false;
}

static bool name_selects_any(const char *s, const char *end, enum tap_where where)
{
	for (const struct tap_test *t = __start_tap_tests; t < __stop_tap_tests; t++) {
		if ((t->where & (uint64_t)where) && name_matches(s, end, t))
			return true;
	}
	return false;
}

/* '#' begins a directive in TAP, so a title's own must be escaped; the escape itself too. */
static void escape(char *out, size_t n, const char *s)
{
	size_t i = 0;

	for (; *s != '\0' && i + 3 < n; s++) {
		if (*s == '#' || *s == '\\')
			out[i++] = '\\';
		out[i++] = *s;
	}
	out[i] = '\0';
}

static bool run_one(const struct tap_test *t, unsigned number)
{
	char title[200];
	bool ok;

	tap.failed_checks = 0;
	tap.skip = NULL;
	if (tap_before)
		tap_before(t);
	t->run();
	ok = tap.failed_checks == 0;
	if (tap_after) {
		tap_after(t, ok); /* may find fault itself: a leak, say */
		ok = tap.failed_checks == 0;
	}
	if (tap.failed_checks > MAX_REPORTS)
		emit("# and %u more failed checks\n", tap.failed_checks - MAX_REPORTS);
	escape(title, sizeof(title), t->title);
	if (ok && tap.skip)
		emit("ok %u - %s %s # SKIP %s\n", number, t->id, title, tap.skip);
	else
		emit("%s %u - %s %s\n", ok ? "ok" : "not ok", number, t->id, title);
	return ok;
}

/* [L1] [L2] [L3] [L4] */
unsigned tap_run(const char *suites, enum tap_where where, tap_print_fn print)
{
	const struct tap_state outer = tap;
	unsigned planned = 0, number = 0, failed = 0;
	const char *list, *s, *end, *suite = "";

	tap = (struct tap_state){ .print = print };
	if (!suites)
		suites = "all";

	for (const struct tap_test *t = __start_tap_tests; t < __stop_tap_tests; t++)
		planned += selected(suites, where, t);
	for (list = suites; next_name(&list, &s, &end);)
		planned += !name_selects_any(s, end, where);
	/* Nothing asked for, nothing run: that is not a success. */
	if (planned == 0) {
		emit("TAP version 13\n1..1\nnot ok 1 - no test selected\n");
		tap = outer;
		return 1;
	}

	emit("TAP version 13\n1..%u\n", planned);
	for (const struct tap_test *t = __start_tap_tests; t < __stop_tap_tests; t++) {
		if (!selected(suites, where, t))
			continue;
		if (strcmp(suite, t->suite) != 0) {
			suite = t->suite;
			emit("# SUITE %s\n", suite);
		}
		failed += !run_one(t, ++number);
	}
	for (list = suites; next_name(&list, &s, &end);) {
		if (!name_selects_any(s, end, where)) {
			emit("not ok %u - no test matches %.*s\n", ++number, (int)(end - s), s);
			failed++;
		}
	}
	emit("# %u of %u failed\n", failed, planned);
	tap = outer;
	return failed;
}

/* [L18] */
void tap_list(enum tap_where where, tap_print_fn print)
{
	const struct tap_state outer = tap;

	tap = (struct tap_state){ .print = print };
	for (const struct tap_test *t = __start_tap_tests; t < __stop_tap_tests; t++) {
		if (t->where & (uint64_t)where)
			emit("%s:%s %s\n", t->suite, t->id, t->title);
	}
	tap = outer;
}
