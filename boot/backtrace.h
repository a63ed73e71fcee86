/* SPDX-License-Identifier: BSD-2-Clause */
/* Who called whom, by frame records (AAPCS64, 6.4.6): x29 points to a pair {caller's x29, return address}. */
#ifndef BOOT_BACKTRACE_H
#define BOOT_BACKTRACE_H

#include "lib/defs.h"

#define BACKTRACE_MAX 64 /* frames that are printed; one line says when there are more */

/* Whether the byte at address a belongs to a stack of this kernel, and is mapped. Supplied by who owns the stacks. */
bool stack_contains(uintptr_t a);

/*
 * Prints one line for each return address, with its symbol, beginning at the frame record fp. Reads only records that
 * are 16-byte aligned, lie wholly in a stack and above the one before; says so when the chain ends otherwise than with
 * a zero.
 */
void backtrace_print(uintptr_t fp);

#endif
