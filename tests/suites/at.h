/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor's own answer to "what does this address translate to": AT and PAR_EL1 (Arm ARM DDI 0487, C5.5 and
 * D19.2 PAR_EL1), an oracle that shares no code with mm/pgtable; and the few registers that the tests of a running
 * machine look at. Target only.
 */
#ifndef TESTS_SUITES_AT_H
#define TESTS_SUITES_AT_H

#include "lib/defs.h"

#define PAR_F ((uint64_t)1)
#define PAR_PA(par) ((par)&0x0000fffffffff000)
#define PAR_ATTR(par) ((par) >> 56)
#define PAR_FST(par) (((par) >> 1) & 0x3f)
#define PAR_ATTR_NORMAL_WB 0xff /* inner and outer write-back, allocate: the MAIR encoding */
/* Fault status codes without their level (two low bits). */
#define FST_TRANSLATION 0x04
#define FST_PERMISSION 0x0c

#define read_sysreg(name)                                      \
	({                                                     \
		uint64_t v_;                                   \
		__asm__ volatile("mrs %0, " #name : "=r"(v_)); \
		v_;                                            \
	})

static inline uint64_t at_s1e1r(uintptr_t va)
{
	uint64_t par;

	__asm__ volatile("at s1e1r, %1\n\tisb\n\tmrs %0, par_el1" : "=r"(par) : "r"(va) : "memory");
	return par;
}

static inline uint64_t at_s1e1w(uintptr_t va)
{
	uint64_t par;

	__asm__ volatile("at s1e1w, %1\n\tisb\n\tmrs %0, par_el1" : "=r"(par) : "r"(va) : "memory");
	return par;
}

/* Reading va works and reaches exactly pa. */
static inline bool at_reads(uintptr_t va, uint64_t pa)
{
	uint64_t par = at_s1e1r(va);

	return !(par & PAR_F) && PAR_PA(par) == (pa & ~(uint64_t)0xfff);
}

static inline bool at_writes(uintptr_t va, uint64_t pa)
{
	uint64_t par = at_s1e1w(va);

	return !(par & PAR_F) && PAR_PA(par) == (pa & ~(uint64_t)0xfff);
}

/* Nothing is mapped at va (a translation fault, not a permission fault). */
static inline bool at_unmapped(uintptr_t va)
{
	uint64_t par = at_s1e1r(va);

	return (par & PAR_F) && (PAR_FST(par) & ~(uint64_t)3) == FST_TRANSLATION;
}

/* va is mapped, but writing it is a permission fault. */
static inline bool at_write_refused(uintptr_t va)
{
	uint64_t par = at_s1e1w(va);

	return (par & PAR_F) && (PAR_FST(par) & ~(uint64_t)3) == FST_PERMISSION && !(at_s1e1r(va) & PAR_F);
}

#endif
