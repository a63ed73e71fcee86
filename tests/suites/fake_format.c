/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A descriptor format that shares no bit with the architecture's, so that a walker that knows more than its format
 * shows:
 *
 *	63	1 = not valid		62	table
 *	55:54	level of a leaf		53:52	memory, numbered backwards
 *	51:48	access, inverted	47:20	output address 39:12
 *	11:8	count (table)		0	always 1 in what is valid; empty entries hold 0x80000000000000ee
 */
#include "tests/suites/table_arena.h"

#define FAKE_NOT_VALID ((uint64_t)1 << 63)
#define FAKE_TABLE ((uint64_t)1 << 62)
#define FAKE_ADDRESS 0x0000fffffff00000
#define FAKE_ADDRESS_SHIFT 8
#define FAKE_ONE ((uint64_t)1)
#define FAKE_EMPTY 0x80000000000000ee

static uint64_t leaf(struct pt_attrs attrs, unsigned level)
{
	return FAKE_ONE | (uint64_t)level << 54 | (uint64_t)(3 - attrs.memory) << 52 |
	       (uint64_t)(~attrs.access & 15) << 48;
}

static uint64_t table(void)
{
	return FAKE_ONE | FAKE_TABLE;
}

static uint64_t encode_pa(uint64_t pa)
{
	return (pa << FAKE_ADDRESS_SHIFT) & FAKE_ADDRESS;
}

static bool is_valid(uint64_t desc)
{
	return !(desc & FAKE_NOT_VALID);
}

static bool is_table(uint64_t desc, unsigned level)
{
	return level < 3 && is_valid(desc) && (desc & FAKE_TABLE);
}

static uint64_t decode_pa(uint64_t desc, unsigned level, bool to_table)
{
	uint64_t pa = (desc & FAKE_ADDRESS) >> FAKE_ADDRESS_SHIFT;

	return to_table ? pa : ALIGN_DOWN(pa, PAGE_SIZE << (3 * (3 - level)));
}

static struct pt_attrs decode_attrs(uint64_t desc, unsigned level)
{
	(void)level;
	return (struct pt_attrs){ ~(unsigned)(desc >> 48) & 15, (enum pt_memory)(3 - (desc >> 52 & 3)) };
}

#define FAKE                                                                                                     \
	.page_shift = 12, .bits_per_level = 3, .last_level = 3, .first_block_level = 1, .max_pa_bits = 40,       \
	.count_shift = 8, .access_mask = PT_WRITE | PT_EXEC | PT_USER | PT_NONGLOBAL, .invalid = FAKE_EMPTY,     \
	.valid_bit = FAKE_NOT_VALID, .leaf = leaf, .table = table, .encode_pa = encode_pa, .is_valid = is_valid, \
	.is_table = is_table, .decode_pa = decode_pa, .decode_attrs = decode_attrs

const struct pgtable_format format_fake = { FAKE, .name = "fake", .last_start_level = 3 };

const struct pgtable_format format_fake_concatenated = {
	FAKE, .name = "fake, concatenated", .last_start_level = 2, .max_concatenated_shift = 2, .write_exec = true,
};

const struct pgtable_format *const all_formats[5] = {
	&format_el1_stage1, &format_el2_stage1, &format_stage2, &format_fake, &format_fake_concatenated,
};
