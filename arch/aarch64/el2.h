/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls from EL1 to the stub that stays at EL2 (arch/aarch64/el2.S). Only when boot.el2_stub is set: elsewhere HVC is undefined
 * or belongs to somebody else's hypervisor.
 */
#ifndef ARCH_AARCH64_EL2_H
#define ARCH_AARCH64_EL2_H

#include "lib/defs.h"

enum el2_call {
	EL2_VERSION,   /* 0x47520001 */
	EL2_STAGE2_ON, /* a: VTCR_EL2, b: VTTBR_EL2. Cleans the TLB, sets HCR_EL2.VM on this CPU */
	EL2_STAGE2_OFF,
	EL2_AT_S12,	/* a: EL1 virtual address, b: 0 read, 1 write; returns PAR_EL1 */
	EL2_LAST_FAULT, /* see el2_last_fault() */
	EL2_TLBI_IPA,	/* a: intermediate physical address whose stage-2 entry changed */
};

/* Returns x0 of the stub: -1 for an unknown call. */
static inline uint64_t el2_call(enum el2_call fn, uint64_t a, uint64_t b)
{
	register uint64_t x0 __asm__("x0") = fn;
	register uint64_t x1 __asm__("x1") = a;
	register uint64_t x2 __asm__("x2") = b;

	__asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2) : : "x3", "memory");
	return x0;
}

struct el2_fault {
	uint64_t esr; /* 0: no fault since stage 2 went on or since the last question */
	uint64_t far;
	uint64_t hpfar;
};

static inline struct el2_fault el2_last_fault(void)
{
	register uint64_t x0 __asm__("x0") = EL2_LAST_FAULT;
	register uint64_t x1 __asm__("x1") = 0;
	register uint64_t x2 __asm__("x2") = 0;

	__asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2) : : "x3", "memory");
	return (struct el2_fault){ x0, x1, x2 };
}

#endif
