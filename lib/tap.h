/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests that run in both worlds. A suite is a file in tests/suites/ that defines SUITE before including this header, and
 * whose tests register themselves in a linker section. The runner prints TAP 13.
 *
 *	#define SUITE "buddy"
 *	#include "lib/tap.h"
 *	TEST(B4, "a freed block merges with its buddy") { CHECK_EQ(...); }
 *
 * ID is the behaviour's name in docs/behavior-inventory.md. One ID may have several tests.
 */
#ifndef LIB_TAP_H
#define LIB_TAP_H

#include "lib/defs.h"

enum tap_where {
	TAP_HOST = 1,
	TAP_TARGET = 2,
	TAP_BOTH = 3,
};

struct tap_test {
	const char *suite;
	const char *id;
	const char *title;
	void (*run)(void);
	uint64_t where; /* enum tap_where */
};

#define TAP_CAT2(a, b) a##b
#define TAP_CAT(a, b) TAP_CAT2(a, b)
#define TEST_AT_(fn, id_, title_, where_)                                                             \
	static void fn(void);                                                                         \
	__attribute__((used, section("tap_tests"), aligned(8))) static const struct tap_test TAP_CAT( \
		fn, _entry) = { SUITE, #id_, title_, fn, where_ };                                    \
	static void fn(void)

#define TEST_ON(where_, id_, title_) TEST_AT_(TAP_CAT(test_##id_##_, __LINE__), id_, title_, where_)
#define TEST(id_, title_) TEST_ON(TAP_BOTH, id_, title_)

/* A failed check is printed with file, line and values; the test goes on, and is "not ok". */
void tap_check(bool ok, const char *expr, const char *file, int line);
void tap_check_eq(uint64_t got, uint64_t want, const char *expr, const char *file, int line);
/* This test cannot run here; CI counts a skip as a failure. */
void tap_skip(const char *why);
/* A line of diagnosis ("# ..."). */
void tap_note(const char *fmt, ...) printf_like(1, 2);

#define CHECK(cond) tap_check((cond), #cond, __FILE__, __LINE__)
#define CHECK_EQ(got, want) tap_check_eq((uint64_t)(got), (uint64_t)(want), #got " == " #want, __FILE__, __LINE__)
/* For a condition without which the rest of the test makes no sense. */
#define CHECK_OR_RETURN(cond)                              \
	do {                                               \
		bool ok_ = (cond);                         \
		tap_check(ok_, #cond, __FILE__, __LINE__); \
		if (!ok_)                                  \
			return;                            \
	} while (0)

/* Prints one line without level or prefix. Set by the world the tests run in. */
typedef void (*tap_print_fn)(const char *text, size_t n);

/*
 * Runs the tests of the comma-separated suites (NULL or "all": every one) that belong in `where`; a name may also be
 * SUITE:ID. Prints the plan first. Returns the number of failed tests; a name that matches nothing counts as one.
 * "all" leaves out suites whose name begins with '_' (fixtures of the runner's own tests).
 */
unsigned tap_run(const char *suites, enum tap_where where, tap_print_fn print);

/* One line "SUITE:ID title" for each test that belongs in `where`. */
void tap_list(enum tap_where where, tap_print_fn print);

/* Called before and after every test when not NULL (coverage, leak accounting). */
extern void (*tap_before)(const struct tap_test *t);
extern void (*tap_after)(const struct tap_test *t, bool ok);

#endif
