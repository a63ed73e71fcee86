/* SPDX-License-Identifier: BSD-2-Clause */
/* panic() for host programs: caught by expect_panic(), otherwise printed, and the process aborts. */
#include "tests/host/panic.h"
#include "arch/host/host.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

static jmp_buf catcher;
static unsigned irq_depth; /* where it was set */
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
	irq_depth = host_irq_depth();
	if (setjmp(catcher) != 0) {
		while (host_irq_depth() > irq_depth)
			arch_irq_restore(host_irq_depth() - 1);
		return text;
	}
	catching = true;
	fn();
	catching = false;
	return NULL;
}
