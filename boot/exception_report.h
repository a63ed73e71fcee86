/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An exception in words. Only formats (through log_error()); reads nothing but the frame and, for the backtrace,
 * checked stack. Compiled for the host too.
 */
#ifndef BOOT_EXCEPTION_REPORT_H
#define BOOT_EXCEPTION_REPORT_H

#include "arch/aarch64/exception.h"

/*
 * Vector, syndrome, FAR, ELR with symbol, SPSR, all registers, backtrace. frame->vector: 0..15 (Arm ARM Table D1-6),
 * plus 16 (EXCEPTION_STACK_LOST) when the interrupted code's stack could not take the frame.
 */
void exception_report(const struct exception_frame *frame);

#define EXCEPTION_STACK_LOST 16

/* The parts, for those who print less and for the tests. What the architecture does not define is "reserved ...". */
const char *exception_vector_name(unsigned vector); /* "Synchronous, current EL with SPx" */
const char *exception_class_name(unsigned ec);	    /* ESR_ELx.EC, 0..63 */
/* ESR_ELx.ISS fault status code (DFSC or IFSC): "translation fault, level 3". Returns buf. */
#define EXCEPTION_TEXT_MAX 160
const char *exception_fault_name(unsigned fsc, char buf[EXCEPTION_TEXT_MAX]);
/* What the ISS adds to the class ("write, translation fault, level 3"); "" when it adds nothing. Returns buf. */
const char *exception_iss_words(uint64_t esr, char buf[EXCEPTION_TEXT_MAX]);
/* "EL1h, DAIF masked, ..." Returns buf. */
const char *exception_spsr_words(uint64_t spsr, char buf[EXCEPTION_TEXT_MAX]);
/* Whether FAR says anything about this exception. */
bool exception_far_valid(uint64_t esr);

#endif
