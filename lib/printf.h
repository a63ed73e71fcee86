/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatting without a C library. Conversions: %d %i %u %x %X %o %c %s %p %% with flags - + space # 0, width and precision
 * (also *), lengths hh h l ll z t j. No floating point (FP registers are not the kernel's).
 */
#ifndef LIB_PRINTF_H
#define LIB_PRINTF_H

#include "lib/defs.h"
#include <stdarg.h>

/* As C's vsnprintf/snprintf: at most n bytes with the terminating NUL; returns the length that was wanted. */
int gr_vsnprintf(char *buf, size_t n, const char *fmt, va_list ap);
int gr_snprintf(char *buf, size_t n, const char *fmt, ...) printf_like(3, 4);

#endif
