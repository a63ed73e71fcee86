/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From ID registers to struct cpu_features. Field positions: Arm ARM DDI 0487, the register descriptions of
 * ID_AA64*_EL1, CTR_EL0, DCZID_EL0 and MIDR_EL1; how a field that grows is compared: "Principles of the ID scheme for
 * fields in ID registers".
 */
#include "arch/aarch64/features.h"
#include "arch/aarch64/insn.h"

#define DCACHE_LINE_SMALLEST 4 /* CTR_EL0.DminLine counts in words: 0 is one word */

struct cpu_features cpu_features = { .dcache_line = DCACHE_LINE_SMALLEST, .icache_line = DCACHE_LINE_SMALLEST };

static unsigned field(uint64_t reg, unsigned low)
{
	return (unsigned)(reg >> low) & 0xf;
}

/*
 * ID_AA64MMFR0_EL1.PARange. 52 and more bits need TCR.DS or 64 KiB pages; a value we do not know promises at least as
 * much.
 */
static uint8_t pa_bits_of(unsigned parange)
{
	static const uint8_t bits[] = { 32, 36, 40, 42, 44, 48 };

	return parange < ARRAY_SIZE(bits) ? bits[parange] : 48;
}

/* ---- errata, by MIDR_EL1 ----------------------------------------------------------------------------------------- */

#define MIDR_MODEL_MASK 0xff00fff0 /* implementer and part number; all variants and revisions */
#define MIDR_ARM(part) (0x41000000 | (part) << 4)
#define MIDR_CORTEX_A55 MIDR_ARM(0xd05)
#define MIDR_MICROSOFT_COBALT_100 0x6d00d490
#define MIDR_NVIDIA_OLYMPUS 0x4e000100

/*
 * After a broadcast TLBI and its DSB, accesses by way of the old translation may still be under way: Cortex-A55 2441007, Cortex-A510
 * 2441009, and CVE-2025-10263 (4118414 and its siblings) in the others, all revisions. The list is Linux' (silicon-errata.rst).
 */
static const uint32_t repeat_tlbi[] = {
	MIDR_CORTEX_A55,	   MIDR_ARM(0xd46), /* Cortex-A510 */
	MIDR_ARM(0xd0b),			    /* Cortex-A76 */
	MIDR_ARM(0xd0e),			    /* Cortex-A76AE */
	MIDR_ARM(0xd0d),			    /* Cortex-A77 */
	MIDR_ARM(0xd41),			    /* Cortex-A78 */
	MIDR_ARM(0xd42),			    /* Cortex-A78AE */
	MIDR_ARM(0xd4b),			    /* Cortex-A78C */
	MIDR_ARM(0xd47),			    /* Cortex-A710 */
	MIDR_ARM(0xd44),			    /* Cortex-X1 */
	MIDR_ARM(0xd4c),			    /* Cortex-X1C */
	MIDR_ARM(0xd48),			    /* Cortex-X2 */
	MIDR_ARM(0xd4e),			    /* Cortex-X3 */
	MIDR_ARM(0xd82),			    /* Cortex-X4 */
	MIDR_ARM(0xd85),			    /* Cortex-X925 */
	MIDR_ARM(0xd0c),			    /* Neoverse-N1 */
	MIDR_ARM(0xd49),			    /* Neoverse-N2 */
	MIDR_ARM(0xd40),			    /* Neoverse-V1 */
	MIDR_ARM(0xd4f),			    /* Neoverse-V2 */
	MIDR_ARM(0xd84),			    /* Neoverse-V3 */
	MIDR_ARM(0xd83),			    /* Neoverse-V3AE */
	MIDR_ARM(0xd8c),			    /* C1-Ultra */
	MIDR_ARM(0xd90),			    /* C1-Premium */
	MIDR_MICROSOFT_COBALT_100, MIDR_NVIDIA_OLYMPUS,
};

/* [AR2] */
static void apply_errata(struct cpu_features *f, uint64_t midr)
{
	uint32_t model = midr & MIDR_MODEL_MASK;

	for (size_t i = 0; i < ARRAY_SIZE(repeat_tlbi); i++)
		f->repeat_tlbi = f->repeat_tlbi || model == repeat_tlbi[i];
	/* 1024718: hardware dirty state may be lost. */
	if (model == MIDR_CORTEX_A55 && f->hafdbs > 1)
		f->hafdbs = 1;
}

/* ---- one CPU ----------------------------------------------------------------------------------------------------- */

/* [AR1] */
void features_read(struct cpu_features *out)
{
	uint64_t mmfr0 = READ_SYSREG(id_aa64mmfr0_el1);
	uint64_t mmfr1 = READ_SYSREG(id_aa64mmfr1_el1);
	uint64_t mmfr2 = READ_SYSREG(id_aa64mmfr2_el1);
	uint64_t isar0 = READ_SYSREG(id_aa64isar0_el1);
	uint64_t ctr = READ_SYSREG(ctr_el0);
	uint64_t dczid = READ_SYSREG(dczid_el0);
	unsigned tgran4 = field(mmfr0, 28);

	*out = (struct cpu_features){
		.pa_bits = pa_bits_of(field(mmfr0, 0)),
		.asid_bits = field(mmfr0, 4) >= 2 ? 16 : 8,
		.vmid_bits = field(mmfr1, 4) >= 2 ? 16 : 8,
		.hafdbs = field(mmfr1, 0) < 2 ? (uint8_t)field(mmfr1, 0) : 2,
		.bbm = field(mmfr2, 52) < 2 ? (uint8_t)field(mmfr2, 52) : 2,
		.dcache_line = (uint16_t)(4u << field(ctr, 16)),
		.icache_line = (uint16_t)(4u << field(ctr, 0)),
		/* BS above 9 (2 KiB) is reserved */
		.zva_size = dczid & 0x10 || field(dczid, 0) > 9 ? 0 : (uint16_t)(4u << field(dczid, 0)),
		.granule_4k = tgran4 < 8, /* a signed field: 0b1111 is "not supported" */
		.lpa2 = tgran4 >= 1 && tgran4 < 8,
		.lse = field(isar0, 20) >= 2,
		.tlb_range = field(isar0, 56) >= 2,
		.ttl = field(mmfr2, 48) >= 1,
		.cnp = field(mmfr2, 0) >= 1,
		.pan = field(mmfr1, 20) >= 1,
		.bti = field(READ_SYSREG(id_aa64pfr1_el1), 0) >= 1,
		.fwb = field(mmfr2, 40) >= 1,
		.idc = ctr >> 28 & 1,
		.dic = ctr >> 29 & 1,
	};
	apply_errata(out, READ_SYSREG(midr_el1));
}

/* [BT2] */
void features_init(void)
{
	features_read(&cpu_features);
}

/* ---- all CPUs ---------------------------------------------------------------------------------------------------- */

#define TAKE_MIN(field_)                            \
	do {                                        \
		if (cpu->field_ < into->field_)     \
			into->field_ = cpu->field_; \
	} while (0)
#define TAKE_AND(field_) (into->field_ = into->field_ && cpu->field_)
#define TAKE_OR(field_) (into->field_ = into->field_ || cpu->field_)

/* [AR3] */
void features_merge(struct cpu_features *into, const struct cpu_features *cpu)
{
	TAKE_MIN(pa_bits);
	TAKE_MIN(asid_bits);
	TAKE_MIN(vmid_bits);
	TAKE_MIN(hafdbs);
	TAKE_MIN(bbm);
	TAKE_MIN(dcache_line);
	TAKE_MIN(icache_line);
	/* A thread may move in the middle of arch_zero(): one size for all, or none. */
	if (cpu->zva_size != into->zva_size)
		into->zva_size = 0;
	TAKE_AND(granule_4k);
	TAKE_AND(lpa2);
	TAKE_AND(lse);
	TAKE_AND(tlb_range);
	TAKE_AND(ttl);
	TAKE_AND(cnp);
	TAKE_AND(pan);
	TAKE_AND(bti);
	TAKE_AND(fwb);
	TAKE_AND(idc);
	TAKE_AND(dic);
	TAKE_OR(repeat_tlbi);
}

/*
 * The running system's tables, TCR and lock words depend on the first four. Range TLBIs that are under way on other
 * CPUs would reach a CPU that does not know them. The rest only makes code slower when it goes. [AR4]
 */
bool features_join(void)
{
	struct cpu_features mine;

	features_read(&mine);
	if (mine.pa_bits < cpu_features.pa_bits || mine.asid_bits < cpu_features.asid_bits ||
	    (cpu_features.granule_4k && !mine.granule_4k) || (cpu_features.lse && !mine.lse) ||
	    (cpu_features.tlb_range && !mine.tlb_range))
		return false;
	features_merge(&cpu_features, &mine);
	return true;
}
