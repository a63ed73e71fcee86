/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's end: says what broke, shows who called, and stops the machine with a non-zero status. Kernel only. */
#include "boot/panic.h"
#include "arch/aarch64/semihost.h"
#include "arch/arch.h"
#include "boot/backtrace.h"
#include "boot/console/console.h"
#include "boot/exception_report.h"
#include "boot/log_lock.h"
#include "lib/log.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"

/* What the first report is about, for the second one when the first cannot be read. */
static char panic_text[512];
static const struct exception_frame *exception;

static _Noreturn void wait_forever(void)
{
	for (;;)
		__asm__ volatile("wfe");
}

static _Noreturn void stop(void)
{
	semihost_exit(1);
	wait_forever();
}

static void sink_semihost(const char *text, size_t n)
{
	(void)semihost_write(text, n);
}

/*
 * Makes sure that what is said next can be read, or stops. The first time any sink will do. The second time is a fault
 * or a panic of the report itself, perhaps of its console: semihosting is the only voice left. After that nothing is
 * tried.
 */
static void begin(void)
{
	static unsigned depth;

	(void)arch_irq_save();
	if (!log_lock_seize())
		wait_forever(); /* the first one speaks */
	if (++depth > 2)
		stop();
	if (depth == 2 && !semihost_present())
		stop();
	if ((depth == 2 || log_sink() == NULL) && semihost_present())
		log_set_sink(sink_semihost); /* shows the lines that were kept, too */
	if (depth == 2)
		log_error("\nPANIC: again, while the first was being reported: %s\n",
			  exception != NULL ? "unexpected exception" : panic_text);
	if (depth == 2 && exception != NULL)
		log_error("the first: ESR 0x%08lx FAR 0x%016lx ELR 0x%016lx\n", (unsigned long)exception->esr,
			  (unsigned long)exception->far, (unsigned long)exception->elr);
}

/* [BU27] [BT59] */
_Noreturn void panic(const char *fmt, ...)
{
	va_list ap;
	int n;

	begin();
	va_start(ap, fmt);
	n = gr_vsnprintf(panic_text, sizeof(panic_text), fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(panic_text) && panic_text[n - 1] == '\n')
		panic_text[n - 1] = '\0';
	/* A test may be listening to the log; the panic is for people. */
	if (log_sink() != NULL && !console_has_log()) {
		console_say("PANIC: ", 7);
		console_say(panic_text, strlen(panic_text));
		console_say("\n", 1);
	}
	log_error("PANIC: %s%s\n", panic_text, n >= (int)sizeof(panic_text) ? "..." : "");
	log_error("backtrace:\n");
	backtrace_print((uintptr_t)__builtin_frame_address(0));
	stop();
}

/* [BU29] [BT59] */
_Noreturn void panic_exception(const struct exception_frame *frame)
{
	begin();
	exception = frame;
	exception_report(frame);
	log_error("PANIC: unexpected exception on CPU %u\n", arch_cpu_id());
	stop();
}
