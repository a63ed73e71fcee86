/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatting without a C library. Conversions: %d %i %u %x %X %o %c %s %p %% with flags - + space # 0, width and precision
 * (also *), lengths hh h l ll z t j. %p is 0x and the digits (0x0 for NULL); %s of NULL is (null). A conversion that is not in
 * the list is printed as it stands; width and precision end at 100,000. No floating point (FP registers are not the kernel's).
 *
 * %pB is a return address, as caller_address() has it: %p, and behind it "(name+0x1c)" where a namer knows the function. No
 * flags, no width.
 */
#ifndef LIB_PRINTF_H
#define LIB_PRINTF_H

#include "lib/defs.h"
#include <stdarg.h>

/* As C's vsnprintf/snprintf: at most n bytes with the terminating NUL; returns the length that was wanted. */
int gr_vsnprintf(char *buf, size_t n, const char *fmt, va_list ap);
int gr_snprintf(char *buf, size_t n, const char *fmt, ...) printf_like(3, 4);

/* The engine: hands the text in pieces to put() (never n = 0). Returns the length. */
typedef void (*gr_putn_fn)(void *ctx, const char *s, size_t n);
int gr_format(gr_putn_fn put, void *ctx, const char *fmt, va_list ap);

/*
 * Who names return addresses for %pB: puts "name+0x1c" into buf and returns it, or returns NULL. Called wherever something is
 * printed, so it takes no lock. NULL, as before the first call: nobody. Boot: one CPU.
 */
#define GR_NAME_MAX 64
typedef const char *(*gr_namer_fn)(uintptr_t return_address, char buf[GR_NAME_MAX]);
void gr_set_namer(gr_namer_fn namer);

#endif
