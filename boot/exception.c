/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where vectors.S arrives: two instructions that may fault by design are mended, everything else is reported and ends the
 * machine with a non-zero status.
 */
#include "arch/aarch64/exception.h"
#include "arch/aarch64/probe.h"
#include "boot/panic.h"

#define EC_UNKNOWN 0x00
#define EC_DATA_ABORT_SAME_EL 0x25

extern char semihost_insn[], probe_insn[], probe_failed[];

void exception_entry(struct exception_frame *frame);

void exception_entry(struct exception_frame *frame)
{
	unsigned ec = (frame->esr >> 26) & 0x3f;

	/* Nobody listens to semihosting: HLT was undefined. */
	if (ec == EC_UNKNOWN && frame->elr == (uintptr_t)semihost_insn) {
		frame->x[0] = (uint64_t)-1;
		frame->elr += 4;
		return;
	}
	if (ec == EC_DATA_ABORT_SAME_EL && frame->elr == (uintptr_t)probe_insn) {
		frame->elr = (uintptr_t)probe_failed;
		return;
	}
	panic_exception(frame);
}
