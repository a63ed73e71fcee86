/* SPDX-License-Identifier: BSD-2-Clause */
/* The TAP runner runs fixtures of this file (suites "_tap" and "_other", left out of "all") and its report is read. */
#define SUITE "tap"
#include "lib/tap.h"
#include "lib/string.h"

static char report[4096];
static size_t report_n;
static unsigned runs;

static void collect(const char *text, size_t n)
{
	for (size_t i = 0; i < n && report_n < sizeof(report) - 1; i++)
		report[report_n++] = text[i];
	report[report_n] = '\0';
}

static void (*before_hook)(const struct tap_test *t);
static void (*after_hook)(const struct tap_test *t, bool ok);

/* Runs fixtures without the hooks of the world outside, which account for this test as a whole. */
static unsigned run_fixtures(const char *suites, enum tap_where where)
{
	void (*outer_before)(const struct tap_test *t) = tap_before;
	void (*outer_after)(const struct tap_test *t, bool ok) = tap_after;
	unsigned failed;

	report_n = 0;
	report[0] = '\0';
	runs = 0;
	tap_before = before_hook;
	tap_after = after_hook;
	failed = tap_run(suites, where, collect);
	tap_before = outer_before;
	tap_after = outer_after;
	return failed;
}

static bool reported(const char *want)
{
	for (const char *s = report; *s != '\0'; s++) {
		if (strncmp(s, want, strlen(want)) == 0)
			return true;
	}
	return false;
}

static bool report_is(const char *want)
{
	if (strcmp(report, want) == 0)
		return true;
	tap_note("the report was: %s", report);
	return false;
}

TEST(L1, "tap: version, plan, suite, numbered results with ID and title; the number of failures comes back")
{
	CHECK_EQ(run_fixtures("_other:L1", TAP_BOTH), 0);
	CHECK_EQ(runs, 1);
	CHECK(report_is("TAP version 13\n1..1\n# SUITE _other\nok 1 - L1 passes\n# 0 of 1 failed\n"));
}

TEST(L1, "tap: a '#' or backslash in a title is escaped, so that it is no directive")
{
	CHECK_EQ(run_fixtures("_tap:L1", TAP_BOTH), 0);
	CHECK(reported("ok 1 - L1 a \\# and a \\\\ in a title\n"));
}

TEST(L2, "tap: failed checks are shown with place and values, the test goes on and is not ok")
{
	CHECK_EQ(run_fixtures("_tap:L2", TAP_BOTH), 2);
	CHECK_EQ(runs, 3); /* past the checks; not past CHECK_OR_RETURN */
	CHECK(reported("failed: 1 > 2\n"));
	CHECK(reported("failed: 40 + 1 == 42: got 0x29 (41), want 0x2a (42)\n"));
	CHECK(reported("failed: (uint64_t)-1 == 1: got 0xffffffffffffffff (-1), want 0x1 (1)\n"));
	CHECK(reported("# a note of 7 words\n# and a second line\n"));
	CHECK(reported("tests/suites/tap.c:"));
	CHECK(reported(" - L2 fails three times\n"));
	CHECK(reported(" - L2 returns early\n"));
	CHECK(reported("# 2 of 2 failed\n"));
}

TEST(L2, "tap: a loop of failing checks does not drown the report")
{
	unsigned lines = 0;

	CHECK_EQ(run_fixtures("_other:L2", TAP_TARGET | TAP_HOST), 1);
	for (const char *s = report; *s != '\0'; s++)
		lines += *s == '\n';
	CHECK(lines < 30);
	CHECK(reported("# and 984 more failed checks\n"));
	CHECK(reported("not ok 1 - L2 fails a thousand times\n"));
}

TEST(L3, "tap: suites and SUITE:ID by name, in a list; what matches nothing is a failed test")
{
	CHECK_EQ(run_fixtures("_other:L1,_tap:L1", TAP_BOTH), 0);
	CHECK(reported("1..2\n"));
	CHECK_EQ(run_fixtures(",,_other:L1,,", TAP_BOTH), 0);
	CHECK(reported("1..1\n"));
	CHECK_EQ(run_fixtures("_other:L1,_nobody,_tap:L99", TAP_BOTH), 2);
	CHECK(reported("1..3\n"));
	CHECK(reported("ok 1 - L1 passes\n"));
	CHECK(reported("not ok 2 - no test matches _nobody\n"));
	CHECK(reported("not ok 3 - no test matches _tap:L99\n"));
	CHECK_EQ(run_fixtures("_othe", TAP_BOTH), 1);
	CHECK_EQ(run_fixtures("_other:", TAP_BOTH), 1);
	CHECK_EQ(run_fixtures("_other:L", TAP_BOTH), 1);
	CHECK_EQ(runs, 0);
}

TEST(L3, "tap: nothing asked for and nothing run is not a success")
{
	CHECK_EQ(run_fixtures("", TAP_BOTH), 1);
	CHECK(report_is("TAP version 13\n1..1\nnot ok 1 - no test selected\n"));
	CHECK_EQ(run_fixtures(",", TAP_BOTH), 1);
}

TEST(L3, "tap: a test runs only in the world it belongs to")
{
	CHECK_EQ(run_fixtures("_other:L3", TAP_HOST), 0);
	CHECK(reported("1..1\n") && reported("ok 1 - L3 on the host\n"));
	CHECK_EQ(run_fixtures("_other:L3", TAP_TARGET), 0);
	CHECK(reported("1..1\n") && reported("ok 1 - L3 on the target\n"));
}

TEST(L4, "tap: a skip says why, and is no excuse for a failure")
{
	/* One of three fails. Their order is the compiler's, so that the numbers are not known. */
	CHECK_EQ(run_fixtures("_tap:L4", TAP_BOTH), 1);
	CHECK(reported(" - L4 skips # SKIP no hardware\n"));
	CHECK(reported(" - L4 fails and skips\n"));
	CHECK(reported(" - L4 after a skip\n"));
	CHECK(!reported("after a skip #"));
}

static unsigned hooked;

static void count_before(const struct tap_test *t)
{
	hooked += strcmp(t->id, "L1") == 0;
}

static void count_after(const struct tap_test *t, bool ok)
{
	hooked += 10 * (strcmp(t->suite, "_other") == 0);
	CHECK(!ok); /* the hook itself finds fault */
}

TEST(L4, "tap: hooks run before and after each test, and can fail it")
{
	hooked = 0;
	before_hook = count_before;
	after_hook = count_after;
	CHECK_EQ(run_fixtures("_other:L1", TAP_BOTH), 1);
	before_hook = NULL;
	after_hook = NULL;
	CHECK_EQ(hooked, 11);
	CHECK(reported("failed: !ok\n") && reported("not ok 1 - L1 passes\n"));
}

static bool listed_all, listed_line;

static void look_for(const char *text, size_t n)
{
	static const char want[] = "_other:L1 passes\n";

	listed_all &= n > 0 && text[n - 1] == '\n';
	listed_line |= n == sizeof(want) - 1 && memcmp(text, want, n) == 0;
}

TEST(L18, "tap: the list has a line for each test")
{
	listed_all = true;
	listed_line = false;
	tap_list(TAP_BOTH, look_for);
	CHECK(listed_all && listed_line);
}

/* ---- fixtures ---------------------------------------------------------------------------------------------------------- */

#undef SUITE
#define SUITE "_tap"

TEST(L1, "a # and a \\ in a title")
{
	runs++;
}

TEST(L2, "fails three times")
{
	runs++;
	CHECK(1 > 2);
	CHECK_EQ(40 + 1, 42);
	CHECK_EQ((uint64_t)-1, 1);
	tap_note("a note of %d words\nand a second line", 7);
	runs++;
}

TEST(L2, "returns early")
{
	runs++;
	CHECK_OR_RETURN(runs == 0);
	runs++;
}

TEST(L4, "skips")
{
	tap_skip("no hardware");
}

TEST(L4, "fails and skips")
{
	tap_skip("no hardware");
	CHECK(false);
}

TEST(L4, "after a skip")
{
}

#undef SUITE
#define SUITE "_other"

TEST(L1, "passes")
{
	runs++;
	CHECK(true);
	CHECK_EQ(1, 1);
}

TEST(L2, "fails a thousand times")
{
	for (unsigned i = 0; i < 1000; i++)
		CHECK_EQ(i, 1000);
}

TEST_ON(TAP_HOST, L3, "on the host")
{
}

TEST_ON(TAP_TARGET, L3, "on the target")
{
}
