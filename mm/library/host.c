/* SPDX-License-Identifier: BSD-2-Clause */
/* What lib/ expects of the program it is linked into, answered by the embedder's hooks. */
#include "lib/panic.h"
#include "lib/printf.h"
#include "mm/library/granule.h"

/* [EM3] */
_Noreturn void panic(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	gr_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	gr_host_panic(text);
}
