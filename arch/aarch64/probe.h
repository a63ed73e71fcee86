/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads of addresses that may not answer. Needs the kernel's vectors. */
#ifndef ARCH_AARCH64_PROBE_H
#define ARCH_AARCH64_PROBE_H

#include "lib/defs.h"

/* Reads the word at p (4-byte aligned). False when the access faults synchronously; *out is unchanged then. */
bool probe_read32(const volatile uint32_t *p, uint32_t *out);

#endif
