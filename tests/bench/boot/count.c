/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the counter that stub.S started when the boot is done. Linked over the kernel's own objects with --wrap=report_boot:
 * everything up to the call of report_boot() is as it is shipped.
 */
#include "boot/report.h"
#include "lib/log.h"

void __real_report_boot(const struct boot_info *b);
void __wrap_report_boot(const struct boot_info *b);

static unsigned long cycles(void)
{
	unsigned long n;

	__asm__ volatile("isb\n\tmrs %0, pmccntr_el0" : "=r"(n)::"memory");
	return n;
}

void __wrap_report_boot(const struct boot_info *b)
{
	unsigned long up = cycles(), reported;
	struct frames_stats s;

	__real_report_boot(b);
	reported = cycles();
	frames_get_stats(b->frames, &s);
	log_info("BENCH boot %lu\nBENCH report %lu\n", up, reported);
	log_info("BENCH ram %lu\nBENCH taken %lu\n", (unsigned long)ram_total(&b->ram),
		 (unsigned long)(ram_total(&b->ram) - s.free_pages * PAGE_SIZE - b->mm.heap_bytes));
}
