/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes in words, for the boot report and the monitor. */
#include "boot/format_size.h"
#include "lib/printf.h"

/* [BU1] */
const char *format_size(char buf[FORMAT_SIZE_MAX], uint64_t bytes)
{
	static const char unit[] = "BKMGTPE";
	unsigned u = 0;

	while (u + 2 < sizeof(unit) && bytes >> (10 * (u + 1)) != 0)
		u++;
	if (u == 0) {
		gr_snprintf(buf, FORMAT_SIZE_MAX, "%u B", (unsigned)bytes);
		return buf;
	}
	uint64_t whole = bytes >> (10 * u);
	uint64_t rest = bytes & (((uint64_t)1 << (10 * u)) - 1);
	/* Tenths from the next ten bits alone: rest * 10 would overflow for EiB. */
	unsigned tenths = (unsigned)((rest >> (10 * (u - 1))) * 10 / 1024);

	if (rest == 0)
		gr_snprintf(buf, FORMAT_SIZE_MAX, "%u %ciB", (unsigned)whole, unit[u]);
	else
		gr_snprintf(buf, FORMAT_SIZE_MAX, "%u.%u %ciB", (unsigned)whole, tenths, unit[u]);
	return buf;
}
