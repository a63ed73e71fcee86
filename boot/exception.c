/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where vectors.S arrives: two instructions that may fault by design are mended, everything else is reported and ends the
 * machine with a non-zero status.
 */
#include "arch/aarch64/exception.h"
#include "arch/aarch64/probe.h"
#include "boot/boot.h"
#include "boot/panic.h"
#include "lib/panic.h"

#define EC_UNKNOWN 0x00
#define EC_DATA_ABORT_SAME_EL 0x25
#define DFSC_EXTERNAL 0x10 /* synchronous external abort, not on a table walk */
#define ESR_FNV (1 << 10)  /* FAR says nothing */
#define PAR_F 1
#define PAR_PA_MASK 0x0000fffffffff000

extern char semihost_insn[], probe_insn[], probe_failed[];

void exception_entry(struct exception_frame *frame);

/*
 * While memory is brought up, a bus that answers nothing is nearly always RAM that the tree names and the machine does not have:
 * that deserves a sentence. Afterwards it is an exception like any other. [BT28]
 */
static void say_missing_ram(const struct exception_frame *frame)
{
	uint64_t par;

	if (boot.up || ((frame->esr >> 26) & 0x3f) != EC_DATA_ABORT_SAME_EL || (frame->esr & 0x3f) != DFSC_EXTERNAL ||
	    (frame->esr & ESR_FNV))
		return;
	__asm__ volatile("at s1e1r, %1\n\tisb\n\tmrs %0, par_el1" : "=r"(par) : "r"(frame->far) : "memory");
	if (!(par & PAR_F))
		panic("no memory answers at physical address 0x%lx: does the device tree name RAM that is not there?",
		      (unsigned long)((par & PAR_PA_MASK) | (frame->far & PAGE_MASK)));
}

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
	say_missing_ram(frame);
	panic_exception(frame);
}
