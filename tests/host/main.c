/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host test program: every suite in one process.
 *
 *	host-tests [--list] [SUITE[:ID][,...] ...]
 *
 * Prints TAP to stdout, the log as TAP comments. A test that leaves interrupts masked has failed. Exit status 0 only when
 * nothing failed.
 */
#include "arch/host/host.h"
#include "lib/log.h"
#include "lib/tap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_stdout(const char *text, size_t n)
{
	fwrite(text, 1, n, stdout);
	fflush(stdout); /* what was printed before a crash must be seen */
}

/* Log lines must not be taken for TAP. */
static void log_as_comment(const char *text, size_t n)
{
	static bool in_line;

	for (size_t i = 0; i < n; i++) {
		if (!in_line)
			fputs("# log: ", stdout);
		fputc(text[i], stdout);
		in_line = text[i] != '\n';
	}
	fflush(stdout);
}

static void (*after_before)(const struct tap_test *t, bool ok); /* tests/trace/host.c's, where it is linked */

static void after(const struct tap_test *t, bool ok)
{
	bool masked = host_irq_depth() != 0;

	CHECK(!masked);
	while (host_irq_depth())
		arch_irq_restore(host_irq_depth() - 1);
	if (after_before)
		after_before(t, ok && !masked);
}

int main(int argc, char **argv)
{
	size_t length = 1;
	char *suites;
	unsigned failed;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		tap_list(TAP_HOST, print_stdout);
		return EXIT_SUCCESS;
	}
	log_set_verbose(false);
	log_set_sink(log_as_comment);
	after_before = tap_after;
	tap_after = after;

	for (int i = 1; i < argc; i++)
		length += strlen(argv[i]) + 1;
	suites = calloc(1, length);
	if (!suites)
		return EXIT_FAILURE;
	for (int i = 1; i < argc; i++) {
		strcat(suites, argv[i]);
		strcat(suites, ",");
	}
	failed = tap_run(argc > 1 ? suites : NULL, TAP_HOST, print_stdout);
	free(suites);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
