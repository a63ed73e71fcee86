/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's panic(): says what broke, shows who called, and ends the machine with a non-zero status. Kernel only. */
#include "lib/panic.h"
#include "arch/aarch64/semihost.h"
#include "arch/arch.h"
#include "boot/backtrace.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/string.h"

static void to_semihost(const char *text, size_t n)
{
	(void)semihost_write(text, n);
}

static _Noreturn void stop(void)
{
	semihost_exit(1);
	for (;;)
		__asm__ volatile("wfe");
}

/* [BU27] */
_Noreturn void panic(const char *fmt, ...)
{
	/* Plain loads and stores: a panic may come before the MMU is on, when exclusives fault. */
	static volatile unsigned depth;
	static volatile unsigned owner;
	static char text[512];
	va_list ap;
	int n;

	(void)arch_irq_save();
	if (depth != 0 && owner != arch_cpu_id()) {
		for (;;) /* the first one speaks */
			__asm__ volatile("wfe");
	}
	owner = arch_cpu_id();
	depth++;
	if (depth > 2)
		stop();
	/* The log's lock may be held by the code that panics. */
	log_set_lock(NULL, NULL);
	if (depth == 2) {
		/* The log or the backtrace is what broke. */
		(void)semihost_write("PANIC: again, while panicking\n", 30);
		stop();
	}
	if (log_sink() == NULL && semihost_present())
		log_set_sink(to_semihost); /* shows the lines that were kept, too */
	va_start(ap, fmt);
	n = gr_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(text) && text[n - 1] == '\n')
		text[n - 1] = '\0';
	log_error("PANIC: %s%s\n", text, n >= (int)sizeof(text) ? "..." : "");
	log_error("backtrace:\n");
	backtrace_print((uintptr_t)__builtin_frame_address(0));
	stop();
}
