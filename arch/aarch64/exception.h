/* SPDX-License-Identifier: BSD-2-Clause */
/* What vectors.S saves of the interrupted code; the order is known to the assembly. */
#ifndef ARCH_AARCH64_EXCEPTION_H
#define ARCH_AARCH64_EXCEPTION_H

#include "lib/defs.h"

struct exception_frame {
	uint64_t x[31];
	uint64_t sp;
	uint64_t elr;
	uint64_t spsr;
	uint64_t esr;
	uint64_t far;
	uint64_t vector; /* 0..15: which of the sixteen entries (Arm ARM D1.4.2, Table D1-6) */
	uint64_t pad;
};
_Static_assert(sizeof(struct exception_frame) == 304, "vectors.S");
_Static_assert(sizeof(struct exception_frame) % 16 == 0, "SP alignment");

#endif
