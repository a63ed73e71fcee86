/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Semihosting (Arm IHI 0082): the tests' way out, and the last-resort voice when no console is known. HLT #0xF000 is
 * undefined where no debugger or emulator listens; the vectors recognise the instruction and return -1 for it.
 */
#ifndef ARCH_AARCH64_SEMIHOST_H
#define ARCH_AARCH64_SEMIHOST_H

#include "lib/defs.h"

/* Whether somebody answers (asked once, remembered). Vectors must be installed. */
bool semihost_present(void);
/* Writes text (n bytes, need not end in NUL). False when nobody listens. */
bool semihost_write(const char *text, size_t n);
/* Ends the emulator with this exit status; returns when nobody listens. */
void semihost_exit(int status);

#endif
