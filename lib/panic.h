/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A broken promise of our own, or a boot that cannot go on. lib/ declares it; who links the program says what it does:
 * the kernel prints and stops with a non-zero status, the host tests catch it, an embedder gets gr_host_panic().
 */
#ifndef LIB_PANIC_H
#define LIB_PANIC_H

#include "lib/defs.h"

/* Prints "PANIC: " and the text (no newline needed), with the numbers that explain it. Never returns. */
_Noreturn void panic(const char *fmt, ...) printf_like(1, 2);

#endif
