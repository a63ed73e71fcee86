/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VMSAv8-64 descriptor formats, 4 KiB granule, 48-bit output addresses (Arm ARM DDI 0487, D8.3): EL1&0 stage 1,
 * EL2 stage 1 with HCR_EL2.E2H = 0, and stage 2 with HCR_EL2.FWB = 0. Bits only: no register is read and no policy
 * lives here.
 */
#include "arch/format.h"

/* D8.3.1: bit 0 valid; bit 1 table at levels 0 to 2, page at level 3, and 0 for a block. */
#define DESC_VALID ((uint64_t)1 << 0)
#define DESC_TABLE_OR_PAGE ((uint64_t)1 << 1)
#define DESC_TABLE (DESC_VALID | DESC_TABLE_OR_PAGE)
#define DESC_ADDRESS 0x0000fffffffff000 /* 47:12; low bits of a block's output address are RES0 */

/*
 * Bits 11:2 of a table descriptor are IGNORED in both stages (D8.3.1; FEAT_HAFT and TCR.DS = 1 would claim some:
 * unused).
 */
#define TABLE_COUNT_SHIFT 2

#define LAST_LEVEL 3
#define FIRST_BLOCK_LEVEL 1 /* with 4 KiB, level 0 holds tables only */
#define BITS_PER_LEVEL 9

/* Leaf fields, stage 1 (D8.3.2, D8.4.1 to D8.4.5). */
#define S1_ATTR_INDEX(n) ((uint64_t)(n) << 2)
#define S1_ATTR_INDEX_OF(d) ((unsigned)((d) >> 2 & 7))
#define S1_AP_EL0 ((uint64_t)1 << 6) /* AP[1]: RES1 where one exception level uses the regime */
#define S1_AP_READ_ONLY ((uint64_t)1 << 7)
#define LEAF_SH_INNER ((uint64_t)3 << 8)
#define LEAF_AF ((uint64_t)1 << 10)
#define S1_NONGLOBAL ((uint64_t)1 << 11)
#define S1_PXN ((uint64_t)1 << 53)
#define S1_XN ((uint64_t)1 << 54) /* UXN in EL1&0 */

/* Leaf fields, stage 2 (D8.3.2, D8.5.5 for MemAttr with FWB = 0). */
#define S2_MEMATTR(n) ((uint64_t)(n) << 2)
#define S2_MEMATTR_OF(d) ((unsigned)((d) >> 2 & 15))
#define S2_AP_READ ((uint64_t)1 << 6)
#define S2_AP_WRITE ((uint64_t)1 << 7)
#define S2_XN ((uint64_t)1 << 54) /* XN[1]; XN[0] = 0: no execution at EL1 and EL0, with and without FEAT_XNX */

/* ---- what the three formats share -------------------------------------------------------------------------------- */

static uint64_t shape(unsigned level)
{
	return level == LAST_LEVEL ? DESC_VALID | DESC_TABLE_OR_PAGE : DESC_VALID;
}

/* [M3] */
static uint64_t table(void)
{
	return DESC_TABLE;
}

/* [M29] */
static uint64_t encode_pa(uint64_t pa)
{
	return pa & DESC_ADDRESS;
}

static bool is_valid(uint64_t desc)
{
	return desc & DESC_VALID;
}

static bool is_table(uint64_t desc, unsigned level)
{
	return level < LAST_LEVEL && (desc & DESC_TABLE) == DESC_TABLE;
}

static uint64_t decode_pa(uint64_t desc, unsigned level, bool to_table)
{
	unsigned shift = PAGE_SHIFT + (to_table ? 0 : BITS_PER_LEVEL * (LAST_LEVEL - level));

	return ALIGN_DOWN(desc & DESC_ADDRESS, (uint64_t)1 << shift);
}

static bool is_device(enum pt_memory memory)
{
	return memory == PT_DEVICE_nGnRnE || memory == PT_DEVICE_nGnRE;
}

/* ---- stage 1 ----------------------------------------------------------------------------------------------------- */

/*
 * MAIR_ELx, eight bits an index (D19.2.97): 0xff write-back read- and write-allocate, 0x44 non-cacheable, 0x00, 0x04.
 * [M10]
 */
uint64_t format_mair(void)
{
	return (uint64_t)0xff << (8 * FORMAT_MAIR_INDEX_NORMAL) | (uint64_t)0x44 << (8 * FORMAT_MAIR_INDEX_NORMAL_NC) |
	       (uint64_t)0x00 << (8 * FORMAT_MAIR_INDEX_nGnRnE) | (uint64_t)0x04 << (8 * FORMAT_MAIR_INDEX_nGnRE);
}

/* [M4] [M5] [M9] */
static uint64_t s1_memory(enum pt_memory memory)
{
	switch (memory) {
	case PT_NORMAL:
		return S1_ATTR_INDEX(FORMAT_MAIR_INDEX_NORMAL) | LEAF_SH_INNER;
	case PT_NORMAL_NC:
		return S1_ATTR_INDEX(FORMAT_MAIR_INDEX_NORMAL_NC) | LEAF_SH_INNER;
	case PT_DEVICE_nGnRnE:
		return S1_ATTR_INDEX(FORMAT_MAIR_INDEX_nGnRnE);
	case PT_DEVICE_nGnRE:
		break;
	}
	return S1_ATTR_INDEX(FORMAT_MAIR_INDEX_nGnRE);
}

static enum pt_memory s1_decode_memory(uint64_t desc)
{
	switch (S1_ATTR_INDEX_OF(desc)) {
	case FORMAT_MAIR_INDEX_NORMAL:
		return PT_NORMAL;
	case FORMAT_MAIR_INDEX_NORMAL_NC:
		return PT_NORMAL_NC;
	case FORMAT_MAIR_INDEX_nGnRnE:
		return PT_DEVICE_nGnRnE;
	default:
		return PT_DEVICE_nGnRE;
	}
}

/* Execution is granted to one side only: EL1 by clearing PXN, EL0 by clearing UXN. [M1] [M2] [M6] [M7] [M8] */
static uint64_t el1_leaf(struct pt_attrs attrs, unsigned level)
{
	uint64_t d = shape(level) | s1_memory(attrs.memory) | LEAF_AF | S1_PXN | S1_XN;

	if (attrs.access & PT_USER)
		d |= S1_AP_EL0;
	if (!(attrs.access & PT_WRITE))
		d |= S1_AP_READ_ONLY;
	if (attrs.access & PT_NONGLOBAL)
		d |= S1_NONGLOBAL;
	if ((attrs.access & PT_EXEC) && !is_device(attrs.memory))
		d &= ~(attrs.access & PT_USER ? S1_XN : S1_PXN);
	return d;
}

static struct pt_attrs el1_decode_attrs(uint64_t desc, unsigned level)
{
	struct pt_attrs attrs = { 0, s1_decode_memory(desc) };

	(void)level;
	if (!(desc & S1_AP_READ_ONLY))
		attrs.access |= PT_WRITE;
	if (desc & S1_AP_EL0)
		attrs.access |= PT_USER;
	if (desc & S1_NONGLOBAL)
		attrs.access |= PT_NONGLOBAL;
	if (!(desc & (desc & S1_AP_EL0 ? S1_XN : S1_PXN)))
		attrs.access |= PT_EXEC;
	return attrs;
}

/* One privilege level: AP[1] is RES1, bit 54 is XN, bit 53 RES0, no nG (D8.4.1, D8.4.3). [M28] */
static uint64_t el2_leaf(struct pt_attrs attrs, unsigned level)
{
	uint64_t d = shape(level) | s1_memory(attrs.memory) | LEAF_AF | S1_AP_EL0 | S1_XN;

	if (!(attrs.access & PT_WRITE))
		d |= S1_AP_READ_ONLY;
	if ((attrs.access & PT_EXEC) && !is_device(attrs.memory))
		d &= ~S1_XN;
	return d;
}

static struct pt_attrs el2_decode_attrs(uint64_t desc, unsigned level)
{
	struct pt_attrs attrs = { 0, s1_decode_memory(desc) };

	(void)level;
	if (!(desc & S1_AP_READ_ONLY))
		attrs.access |= PT_WRITE;
	if (!(desc & S1_XN))
		attrs.access |= PT_EXEC;
	return attrs;
}

/* ---- stage 2 ----------------------------------------------------------------------------------------------------- */

/* MemAttr[3:0]: 0b1111 Normal write-back, 0b0101 Normal non-cacheable, 0b0000 nGnRnE, 0b0001 nGnRE. [ST1] */
static uint64_t s2_leaf(struct pt_attrs attrs, unsigned level)
{
	uint64_t d = shape(level) | LEAF_AF | S2_AP_READ | S2_XN;

	switch (attrs.memory) {
	case PT_NORMAL:
		d |= S2_MEMATTR(15) | LEAF_SH_INNER;
		break;
	case PT_NORMAL_NC:
		d |= S2_MEMATTR(5) | LEAF_SH_INNER;
		break;
	case PT_DEVICE_nGnRnE:
		d |= S2_MEMATTR(0);
		break;
	case PT_DEVICE_nGnRE:
		d |= S2_MEMATTR(1);
		break;
	}
	if (attrs.access & PT_WRITE)
		d |= S2_AP_WRITE;
	if ((attrs.access & PT_EXEC) && !is_device(attrs.memory))
		d &= ~S2_XN;
	return d;
}

static struct pt_attrs s2_decode_attrs(uint64_t desc, unsigned level)
{
	struct pt_attrs attrs = { 0, PT_DEVICE_nGnRE };

	(void)level;
	switch (S2_MEMATTR_OF(desc)) {
	case 15:
		attrs.memory = PT_NORMAL;
		break;
	case 5:
		attrs.memory = PT_NORMAL_NC;
		break;
	case 0:
		attrs.memory = PT_DEVICE_nGnRnE;
		break;
	default:
		break;
	}
	if (desc & S2_AP_WRITE)
		attrs.access |= PT_WRITE;
	if (!(desc & S2_XN))
		attrs.access |= PT_EXEC;
	return attrs;
}

/* ---- the tables -------------------------------------------------------------------------------------------------- */

#define SHARED                                                                                                       \
	.page_shift = PAGE_SHIFT, .bits_per_level = BITS_PER_LEVEL, .last_level = LAST_LEVEL,                        \
	.first_block_level = FIRST_BLOCK_LEVEL, .max_pa_bits = 48, .count_shift = TABLE_COUNT_SHIFT, .invalid = 0,   \
	.valid_bit = DESC_VALID, .table = table, .encode_pa = encode_pa, .is_valid = is_valid, .is_table = is_table, \
	.decode_pa = decode_pa

_Static_assert(TABLE_COUNT_SHIFT + BITS_PER_LEVEL + 1 <= PAGE_SHIFT, "the count lies below a table's address");

const struct pgtable_format format_el1_stage1 = {
	SHARED,
	.name = "EL1 stage 1",
	.last_start_level = LAST_LEVEL,
	.access_mask = PT_WRITE | PT_EXEC | PT_USER | PT_NONGLOBAL,
	.leaf = el1_leaf,
	.decode_attrs = el1_decode_attrs,
};

const struct pgtable_format format_el2_stage1 = {
	SHARED,
	.name = "EL2 stage 1",
	.last_start_level = LAST_LEVEL,
	.access_mask = PT_WRITE | PT_EXEC,
	.leaf = el2_leaf,
	.decode_attrs = el2_decode_attrs,
};

/* VTCR_EL2.SL0 names levels 0 to 2 without FEAT_TTST, and up to 16 root tables may stand side by side (D8.2.2). */
const struct pgtable_format format_stage2 = {
	SHARED,
	.name = "stage 2",
	.last_start_level = 2,
	.max_concatenated_shift = 4,
	.access_mask = PT_WRITE | PT_EXEC,
	.write_exec = true,
	.leaf = s2_leaf,
	.decode_attrs = s2_decode_attrs,
};
