/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks frame records of a stack that may be damaged: nothing is read that has not been checked to be stack. */
#include "boot/backtrace.h"
#include "boot/symbols.h"
#include "lib/log.h"

struct frame_record {
	uintptr_t next;
	uintptr_t return_address;
};

static bool readable(uintptr_t fp)
{
	/* AAPCS64 asks for 16-byte alignment of SP; frame records stand at multiples of 8 at least, ours of 16. */
	return fp % 16 == 0 && fp <= UINTPTR_MAX - (sizeof(struct frame_record) - 1) && stack_contains(fp) &&
	       stack_contains(fp + sizeof(struct frame_record) - 1);
}

/* [BU21] */
void backtrace_print(uintptr_t fp)
{
	char text[SYMBOL_TEXT_MAX];
	uintptr_t before = 0;

	for (unsigned n = 0; fp != 0; n++) {
		const struct frame_record *record = (const struct frame_record *)fp;

		if (!readable(fp) || fp <= before) {
			log_error("  (frame pointer 0x%lx leads out of the stack)\n", (unsigned long)fp);
			return;
		}
		if (record->next == 0 && record->return_address == 0)
			return;
		if (n == BACKTRACE_MAX) {
			log_error("  (more than %u frames)\n", BACKTRACE_MAX);
			return;
		}
		log_error("  0x%016lx %s\n", (unsigned long)record->return_address,
			  symbols_format_return(record->return_address, text));
		before = fp;
		fp = record->next;
	}
}
