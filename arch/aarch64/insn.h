/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only place with barriers, TLB and cache maintenance and system-register access. Every instruction is one row of
 * INSN_LIST and becomes one static inline function of that name.
 *
 * Built freestanding for AArch64 the function is the instruction. Built into a hosted program (any machine) it calls
 * host_insn(), which arch/host/record.c appends to a recording; system registers live in a table that the test fills.
 * So the same tlb.c, cache.c, mmu_on.c and features.c run on the host, and suites check what they would execute, in
 * which order.
 */
#ifndef ARCH_AARCH64_INSN_H
#define ARCH_AARCH64_INSN_H

#include "lib/defs.h"

#if defined(__aarch64__) && !__STDC_HOSTED__
#define INSN_RECORDED 0
#else
#define INSN_RECORDED 1
#endif

/*
 * PLAIN(name, assembly): no operand. OPERAND(name, assembly): one 64-bit register, %0. Encodings: Arm ARM DDI 0487,
 * C5.3 (caches), C5.5 (TLB), C6.2 (barriers). The range forms are of FEAT_TLBIRANGE (Armv8.4), which an armv8-a
 * assembler does not name: given as SYS; the caller asks cpu_features.tlb_range first.
 */
/* clang-format off */
#define INSN_LIST(PLAIN, OPERAND)						\
	PLAIN(isb, "isb")							\
	PLAIN(dsb_sy, "dsb sy")							\
	PLAIN(dsb_ish, "dsb ish")						\
	PLAIN(dsb_ishst, "dsb ishst")						\
	PLAIN(dsb_nsh, "dsb nsh")						\
	PLAIN(dmb_sy, "dmb sy")							\
	PLAIN(dmb_ish, "dmb ish")						\
	PLAIN(dmb_ishst, "dmb ishst")						\
	/* EL1&0, stage 1 */							\
	PLAIN(tlbi_vmalle1, "tlbi vmalle1")					\
	PLAIN(tlbi_vmalle1is, "tlbi vmalle1is")					\
	OPERAND(tlbi_aside1is, "tlbi aside1is, %0")				\
	OPERAND(tlbi_vae1is, "tlbi vae1is, %0")					\
	OPERAND(tlbi_vale1is, "tlbi vale1is, %0")				\
	OPERAND(tlbi_vaae1is, "tlbi vaae1is, %0")				\
	OPERAND(tlbi_vaale1is, "tlbi vaale1is, %0")				\
	OPERAND(tlbi_rvae1is, "sys #0, c8, c2, #1, %0")				\
	OPERAND(tlbi_rvaae1is, "sys #0, c8, c2, #3, %0")			\
	OPERAND(tlbi_rvale1is, "sys #0, c8, c2, #5, %0")			\
	OPERAND(tlbi_rvaale1is, "sys #0, c8, c2, #7, %0")			\
	/* EL2 only: its own stage 1, and the stage 2 of EL1&0 */		\
	PLAIN(tlbi_alle2is, "tlbi alle2is")					\
	OPERAND(tlbi_vae2is, "tlbi vae2is, %0")					\
	OPERAND(tlbi_vale2is, "tlbi vale2is, %0")				\
	OPERAND(tlbi_rvae2is, "sys #4, c8, c2, #1, %0")				\
	OPERAND(tlbi_rvale2is, "sys #4, c8, c2, #5, %0")			\
	PLAIN(tlbi_vmalls12e1is, "tlbi vmalls12e1is")				\
	OPERAND(tlbi_ipas2e1is, "tlbi ipas2e1is, %0")				\
	OPERAND(tlbi_ipas2le1is, "tlbi ipas2le1is, %0")				\
	OPERAND(tlbi_ripas2e1is, "sys #4, c8, c0, #2, %0")			\
	OPERAND(tlbi_ripas2le1is, "sys #4, c8, c0, #6, %0")			\
	/* caches */								\
	OPERAND(dc_cvac, "dc cvac, %0")						\
	OPERAND(dc_civac, "dc civac, %0")					\
	OPERAND(dc_ivac, "dc ivac, %0")						\
	OPERAND(dc_zva, "dc zva, %0")						\
	PLAIN(ic_iallu, "ic iallu")						\
	PLAIN(ic_ialluis, "ic ialluis")
/* clang-format on */

#define INSN_ENUM_(name, text) INSN_##name,
enum insn {
	INSN_none,
	INSN_LIST(INSN_ENUM_, INSN_ENUM_) INSN_msr, /* write of a system register: a recording names it */
	INSN_store_zero,			    /* the 64 bytes at the operand are cleared by stores */
	INSN_COUNT,
};

/* Always inlined: mmu_switch_on() may call nothing outside its section. */
#define INSN_INLINE static always_inline

#if INSN_RECORDED

/* arch/host/record.c */
void host_insn(enum insn insn, uint64_t operand);
void host_msr(const char *name, uint64_t value);
uint64_t host_mrs(const char *name);

#define INSN_PLAIN_(name, text)            \
	INSN_INLINE void name(void)        \
	{                                  \
		host_insn(INSN_##name, 0); \
	}
#define INSN_OPERAND_(name, text)                \
	INSN_INLINE void name(uint64_t operand)  \
	{                                        \
		host_insn(INSN_##name, operand); \
	}

#define READ_SYSREG(reg) host_mrs(#reg)
#define WRITE_SYSREG(reg, value) host_msr(#reg, (value))

INSN_INLINE void store_zero_64(uintptr_t va)
{
	host_insn(INSN_store_zero, va);
}

#else

#define INSN_PLAIN_(name, text)                      \
	INSN_INLINE void name(void)                  \
	{                                            \
		__asm__ volatile(text ::: "memory"); \
	}
#define INSN_OPERAND_(name, text)                                 \
	INSN_INLINE void name(uint64_t operand)                   \
	{                                                         \
		__asm__ volatile(text ::"r"(operand) : "memory"); \
	}

/* reg: the Arm ARM's name in lower case (tcr_el1), or S<op0>_<op1>_C<n>_C<m>_<op2>. */
#define READ_SYSREG(reg)                                                           \
	({                                                                         \
		uint64_t sysreg_value_;                                            \
		__asm__ volatile("mrs %0, " #reg : "=r"(sysreg_value_)::"memory"); \
		sysreg_value_;                                                     \
	})
#define WRITE_SYSREG(reg, value) __asm__ volatile("msr " #reg ", %x0" ::"rZ"((uint64_t)(value)) : "memory")

/* Clears 64 bytes; va a multiple of 16. Not a C loop: compilers turn that into memset(), which may be built on this. */
INSN_INLINE void store_zero_64(uintptr_t va)
{
	__asm__ volatile("stp xzr, xzr, [%0]\n\t"
			 "stp xzr, xzr, [%0, #16]\n\t"
			 "stp xzr, xzr, [%0, #32]\n\t"
			 "stp xzr, xzr, [%0, #48]" ::"r"(va)
			 : "memory");
}

#endif

INSN_LIST(INSN_PLAIN_, INSN_OPERAND_)

#undef INSN_PLAIN_
#undef INSN_OPERAND_
#undef INSN_ENUM_

#endif
