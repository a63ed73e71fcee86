/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of the kernel by an exception that nothing mends. (panic() itself: lib/panic.h.) */
#ifndef BOOT_PANIC_H
#define BOOT_PANIC_H

#include "arch/aarch64/exception.h"

/*
 * Reports the exception and stops with a non-zero status. Called instead of exception_report() by the vectors: it gets
 * the log for this CPU alone first, and knows an exception of the report itself, which goes to semihosting instead of the
 * console that may have caused it; a third one stops without a word.
 */
_Noreturn void panic_exception(const struct exception_frame *frame);

#endif
