/* SPDX-License-Identifier: BSD-2-Clause */
/* panic() for host programs: caught by expect_panic(), otherwise printed, and the process aborts. */
#include "tests/host/panic.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

static jmp_buf catcher;
static bool catching;
static char text[512];

_Noreturn void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	gr_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (catching) {
		catching = false;
		longjmp(catcher, 1);
	}
	fflush(stdout);
	fprintf(stderr, "PANIC: %s\n", text);
	abort();
}

const char *expect_panic(void (*fn)(void))
{
	if (setjmp(catcher) != 0)
		return text;
	catching = true;
	fn();
	catching = false;
	return NULL;
}
