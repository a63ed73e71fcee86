/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values for the EL1&0 translation registers and the order in which they are written. Arm ARM DDI 0487: register
 * descriptions of TCR_EL1, TTBRn_EL1, MAIR_EL1 and SCTLR_EL1; "Context synchronization event" in the glossary: a write
 * to a system register is sure to be seen by what comes after an ISB, and by nothing before.
 */
#include "arch/aarch64/mmu_on.h"
#include "arch/aarch64/insn.h"
#include "arch/format.h"

#define BIT(n) ((uint64_t)1 << (n))

/* ---- TCR_EL1 ----------------------------------------------------------------------------------------------------- */

#define TCR_T0SZ(bits) ((uint64_t)(64 - (bits)) << 0)
#define TCR_T1SZ(bits) ((uint64_t)(64 - (bits)) << 16)
#define TCR_IRGN0_WBWA ((uint64_t)1 << 8)
#define TCR_ORGN0_WBWA ((uint64_t)1 << 10)
#define TCR_SH0_INNER ((uint64_t)3 << 12)
#define TCR_TG0_4K ((uint64_t)0 << 14)
#define TCR_IRGN1_WBWA ((uint64_t)1 << 24)
#define TCR_ORGN1_WBWA ((uint64_t)1 << 26)
#define TCR_SH1_INNER ((uint64_t)3 << 28)
#define TCR_TG1_4K ((uint64_t)2 << 30) /* not coded as TG0 is; and Cortex-A57 erratum 822227 wants TG1[1] set */
#define TCR_IPS_SHIFT 32
#define TCR_AS_16 BIT(36)

#define INPUT_BITS 48

/*
 * Bits left 0 on purpose: EPD0, EPD1 (both halves walk); A1 (ASID from TTBR0); TBI (the top byte is part of the
 * address: a stray pointer faults); HA and HD (every leaf is written with its access flag set and nothing ages pages,
 * so hardware updates would only add walker stores to tables that software owns; Cortex-A55 1024718 loses them
 * besides); DS (48-bit descriptors).
 */
#define TCR_FIXED                                                                                                     \
	(TCR_T0SZ(INPUT_BITS) | TCR_T1SZ(INPUT_BITS) | TCR_IRGN0_WBWA | TCR_ORGN0_WBWA | TCR_SH0_INNER | TCR_TG0_4K | \
	 TCR_IRGN1_WBWA | TCR_ORGN1_WBWA | TCR_SH1_INNER | TCR_TG1_4K)

/* TCR_EL1.IPS: the widest output size that both the CPU and 48-bit descriptors have. */
static uint64_t ips_of(unsigned pa_bits)
{
	return pa_bits >= 48 ? 5 : pa_bits >= 44 ? 4 : pa_bits >= 42 ? 3 : pa_bits >= 40 ? 2 : pa_bits >= 36 ? 1 : 0;
}

/* ---- SCTLR_EL1 --------------------------------------------------------------------------------------------------- */

#define SCTLR_M BIT(0)
#define SCTLR_A BIT(1) /* unaligned accesses fault: the code is built with -mstrict-align, so one is a bug */
#define SCTLR_C BIT(2)
#define SCTLR_SA BIT(3)	 /* SP alignment, EL1 */
#define SCTLR_SA0 BIT(4) /* and EL0 */
#define SCTLR_I BIT(12)
#define SCTLR_WXN BIT(19) /* writable is never executable, even when a descriptor says so */

/* RES1 where the feature is absent, and the behaviour of Armv8.0 where it is present. */
#define SCTLR_ITD BIT(7)     /* no AArch32 at EL0 */
#define SCTLR_SED BIT(8)     /* the same */
#define SCTLR_EOS BIT(11)    /* exception return synchronises context */
#define SCTLR_TSCXT BIT(20)  /* EL0 does not see SCXTNUM_EL0 */
#define SCTLR_EIS BIT(22)    /* exception entry synchronises context */
#define SCTLR_SPAN BIT(23)   /* exceptions leave PSTATE.PAN alone */
#define SCTLR_NTLSMD BIT(28) /* AArch32 load/store multiple: as ever */
#define SCTLR_LSMAOE BIT(29)
#define SCTLR_RES1 \
	(SCTLR_ITD | SCTLR_SED | SCTLR_EOS | SCTLR_TSCXT | SCTLR_EIS | SCTLR_SPAN | SCTLR_NTLSMD | SCTLR_LSMAOE)

/*
 * Left 0: what EL0 may do (UMA, DZE, UCT, UCI: nobody runs there yet), big-endian data (EE, E0E), pointer
 * authentication.
 */
#define SCTLR_ON (SCTLR_RES1 | SCTLR_M | SCTLR_A | SCTLR_C | SCTLR_SA | SCTLR_SA0 | SCTLR_I | SCTLR_WXN)

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* [AR15] [AR16] */
bool mmu_config_make(struct mmu_config *out, const struct cpu_features *f, paddr_t ttbr0_root, paddr_t ttbr1_root)
{
	uint64_t roots = ttbr0_root.v | ttbr1_root.v;

	if (!f->granule_4k || f->pa_bits < 32 || f->pa_bits > 48)
		return false;
	if (!IS_ALIGNED(roots, PAGE_SIZE) || roots >> f->pa_bits != 0)
		return false;
	*out = (struct mmu_config){
		.mair = format_mair(),
		.tcr = TCR_FIXED | ips_of(f->pa_bits) << TCR_IPS_SHIFT | (f->asid_bits == 16 ? TCR_AS_16 : 0),
		.ttbr0 = ttbr0_root.v,
		.ttbr1 = ttbr1_root.v,
		.sctlr = SCTLR_ON,
	};
	return true;
}

/* ---- the switch -------------------------------------------------------------------------------------------------- */

/*
 * [AR17] Each step is needed; the suite takes the barriers out one by one.
 *
 *	dsb sy			all stores to the tables are complete, for the whole system: with the MMU off they were not
 *				Normal inner shareable ones, so no weaker barrier is sure to cover them
 *	tlbi vmalle1, ic iallu	what TLB and instruction cache hold after reset, or from whoever ran before, is unknown
 *	dsb nsh			both are complete on this CPU
 *	msr ...			registers that only matter once M is set
 *	isb			they are in force before M
 *	msr sctlr_el1		M, C and I at once
 *	isb			the next instruction is fetched through the new map
 */
IDMAP_TEXT void mmu_switch_on(const struct mmu_config *config)
{
	uint64_t mair = config->mair;
	uint64_t tcr = config->tcr;
	uint64_t ttbr0 = config->ttbr0;
	uint64_t ttbr1 = config->ttbr1;
	uint64_t sctlr = config->sctlr;

	dsb_sy();
	tlbi_vmalle1();
	ic_iallu();
	dsb_nsh();
	WRITE_SYSREG(mair_el1, mair);
	WRITE_SYSREG(tcr_el1, tcr);
	WRITE_SYSREG(ttbr0_el1, ttbr0);
	WRITE_SYSREG(ttbr1_el1, ttbr1);
	isb();
	WRITE_SYSREG(sctlr_el1, sctlr);
	isb();
}

/*
 * [AR18] DSB: the zeroes of the table are visible to the walker. ISB: the new TTBR0 is in force before the TLBI,
 * otherwise a walk could bring an old entry back after it. The identity map's entries are global, so a new ASID would
 * not hide them. Local: the other CPUs have a TTBR0 of their own.
 */
void mmu_ttbr0_clear(paddr_t empty_table)
{
	dsb_ishst();
	WRITE_SYSREG(ttbr0_el1, empty_table.v);
	isb();
	tlbi_vmalle1();
	dsb_nsh();
	isb();
}
