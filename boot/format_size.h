/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes in words: "0 B", "4 KiB", "126.5 MiB", "2 GiB". */
#ifndef BOOT_FORMAT_SIZE_H
#define BOOT_FORMAT_SIZE_H

#include "lib/defs.h"

#define FORMAT_SIZE_MAX 16 /* "1023.9 GiB" and its NUL */

/*
 * Writes bytes in the largest unit that gives at least 1, and returns buf. An exact number of units has no point ("2
 * GiB"); one decimal, truncated, says that it is not exact ("2.0 GiB" is 2 GiB and a little more). Truncated, so that
 * no size is promised that is not there.
 */
const char *format_size(char buf[FORMAT_SIZE_MAX], uint64_t bytes);

#endif
