/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptor bits against constants written down from the architecture (Arm ARM DDI 0487, D8.3 to D8.5), never taken
 * from the code under test; and the promises that every format makes to the walker.
 */
#define SUITE "format"
#include "lib/tap.h"

#include "tests/suites/table_arena.h"

#define BIT(n) ((uint64_t)1 << (n))
#define FIELD(d, high, low) (((d) >> (low)) & (BIT((high) - (low) + 1) - 1))

static uint64_t el1(unsigned access, enum pt_memory memory, unsigned level)
{
	return format_el1_stage1.leaf((struct pt_attrs){ access, memory }, level);
}

static uint64_t el2(unsigned access, enum pt_memory memory, unsigned level)
{
	return format_el2_stage1.leaf((struct pt_attrs){ access, memory }, level);
}

TEST(M1, "a page descriptor has type 0b11 and its address in bits 47:12")
{
	uint64_t d = el1(PT_WRITE, PT_NORMAL, 3) | format_el1_stage1.encode_pa(0xfedcba987000);

	CHECK_EQ(d & 3, 3);
	CHECK_EQ(d & 0x0000fffffffff000, 0xfedcba987000);
	CHECK_EQ(format_el1_stage1.decode_pa(d, 3, false), 0xfedcba987000);
	CHECK(format_el1_stage1.is_valid(d));
	CHECK(!format_el1_stage1.is_table(d, 3));
	/* Kernel data, as the whole number: UXN PXN AF ISH AttrIndx 0. */
	CHECK_EQ(d, 0x0060fedcba987703);
}

TEST(M2, "a block descriptor has type 0b01 at levels 1 and 2, and level 0 has none")
{
	for (unsigned level = 1; level <= 2; level++) {
		uint64_t pa = level == 1 ? 0xffffc0000000 : 0xffffffe00000;
		uint64_t d = el1(PT_WRITE, PT_NORMAL, level) | format_el1_stage1.encode_pa(pa);

		CHECK_EQ(d & 3, 1);
		CHECK_EQ(d & 0x0000fffffffff000, pa);
		CHECK_EQ(format_el1_stage1.decode_pa(d, level, false), pa);
		CHECK(!format_el1_stage1.is_table(d, level));
		CHECK_EQ(d, 0x0060000000000701 | pa);
	}
	CHECK_EQ(format_el1_stage1.first_block_level, 1);
	CHECK_EQ(format_el2_stage1.first_block_level, 1);
	CHECK_EQ(format_stage2.first_block_level, 1);
}

TEST(M3, "a table descriptor has type 0b11, no attributes, and is one at levels 0 to 2 only")
{
	for (unsigned i = 0; i < 3; i++) {
		const struct pgtable_format *f = all_formats[i];
		uint64_t d = f->table() | f->encode_pa(0x123456789000);

		CHECK_EQ(d, 0x0000123456789003);
		for (unsigned level = 0; level < 3; level++)
			CHECK(f->is_table(d, level) && f->decode_pa(d, level, true) == 0x123456789000);
		CHECK(!f->is_table(d, 3));
		CHECK(!f->is_table(0x0000123456789001, 1)); /* a block */
		CHECK(!f->is_table(0x0000123456789002, 1)); /* not valid */
		/* The walker's count lies in bits 11:2, which the architecture ignores in table descriptors. */
		CHECK_EQ(f->count_shift, 2);
		CHECK_EQ(f->decode_pa(d | 0xffc, 1, true), 0x123456789000);
	}
}

TEST(M4, "Normal memory: attribute index 0, inner shareable; non-cacheable: index 1")
{
	CHECK_EQ(FIELD(el1(0, PT_NORMAL, 3), 4, 2), 0);
	CHECK_EQ(FIELD(el1(0, PT_NORMAL, 3), 9, 8), 3);
	CHECK_EQ(FIELD(el1(0, PT_NORMAL_NC, 2), 4, 2), 1);
	CHECK_EQ(FIELD(el1(0, PT_NORMAL_NC, 2), 9, 8), 3);
	CHECK_EQ(FIELD(el1(0, PT_NORMAL, 1), 5, 5), 0); /* NS */
}

TEST(M5, "Device memory: indices 2 and 3, never executable at either level, whatever is asked")
{
	static const enum pt_memory kinds[] = { PT_DEVICE_nGnRnE, PT_DEVICE_nGnRE };

	for (unsigned i = 0; i < 2; i++) {
		for (unsigned access = 0; access < 16; access++) {
			uint64_t d = el1(access, kinds[i], 3);

			CHECK_EQ(FIELD(d, 4, 2), 2 + i);
			CHECK_EQ(FIELD(d, 9, 8), 0);
			CHECK_EQ(FIELD(d, 54, 53), 3);
		}
		CHECK_EQ(FIELD(el2(PT_EXEC, kinds[i], 2), 54, 54), 1);
	}
	CHECK_EQ(el1(PT_WRITE, PT_DEVICE_nGnRnE, 3), 0x006000000000040b);
	CHECK_EQ(el1(PT_WRITE, PT_DEVICE_nGnRE, 2), 0x006000000000040d);
}

TEST(M6, "read-only is AP[2] = 1 and nothing else")
{
	CHECK_EQ(FIELD(el1(PT_WRITE, PT_NORMAL, 3), 7, 7), 0);
	CHECK_EQ(FIELD(el1(0, PT_NORMAL, 3), 7, 7), 1);
	CHECK_EQ(el1(0, PT_NORMAL, 3) ^ el1(PT_WRITE, PT_NORMAL, 3), BIT(7));
	CHECK_EQ(el2(0, PT_NORMAL, 3) ^ el2(PT_WRITE, PT_NORMAL, 3), BIT(7));
}

TEST(M7, "kernel text: PXN 0, UXN 1; kernel data: both 1")
{
	CHECK_EQ(FIELD(el1(PT_EXEC, PT_NORMAL, 3), 54, 53), 2);
	CHECK_EQ(FIELD(el1(PT_WRITE, PT_NORMAL, 3), 54, 53), 3);
	CHECK_EQ(FIELD(el1(0, PT_NORMAL, 2), 54, 53), 3);
	CHECK_EQ(el1(PT_EXEC, PT_NORMAL, 3), 0x0040000000000783);
}

TEST(M8, "user memory: AP[1] 1; user text PXN 1, UXN 0; nG on request")
{
	uint64_t text = el1(PT_USER | PT_EXEC | PT_NONGLOBAL, PT_NORMAL, 3);

	CHECK_EQ(FIELD(text, 54, 53), 1);
	CHECK_EQ(FIELD(text, 6, 6), 1);
	CHECK_EQ(FIELD(text, 11, 11), 1);
	CHECK_EQ(FIELD(el1(PT_USER | PT_WRITE, PT_NORMAL, 3), 54, 53), 3);
	CHECK_EQ(FIELD(el1(PT_WRITE, PT_NORMAL, 3), 6, 6), 0);
	CHECK_EQ(FIELD(el1(PT_WRITE, PT_NORMAL, 3), 11, 11), 0);
}

TEST(M9, "the access flag is set in every leaf of every stage")
{
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned level = 1; level <= 3; level++) {
			for (unsigned m = 0; m < PT_MEMORY_KINDS; m++)
				CHECK(all_formats[i]->leaf((struct pt_attrs){ 0, (enum pt_memory)m }, level) & BIT(10));
		}
	}
}

TEST(M10, "MAIR: index 0 write-back 0xff, 1 non-cacheable 0x44, 2 nGnRnE 0x00, 3 nGnRE 0x04")
{
	CHECK_EQ(format_mair(), 0x040044ff);
}

TEST(M28, "EL2 stage 1: AP[1] RES1, one XN bit at 54, bit 53 and nG always 0")
{
	for (unsigned access = 0; access < 16; access++) {
		for (unsigned m = 0; m < PT_MEMORY_KINDS; m++) {
			uint64_t d = el2(access, (enum pt_memory)m, 2);

			CHECK_EQ(FIELD(d, 6, 6), 1);
			CHECK_EQ(FIELD(d, 53, 53), 0);
			CHECK_EQ(FIELD(d, 11, 11), 0);
		}
	}
	CHECK_EQ(el2(PT_EXEC, PT_NORMAL, 3), 0x00000000000007c3);
	CHECK_EQ(el2(PT_WRITE, PT_NORMAL, 3), 0x0040000000000743);
	CHECK_EQ(el2(0, PT_NORMAL, 2), 0x00400000000007c1);
}

TEST(ST1, "stage 2 encodings with FWB = 0: 0x7FD/0x7FF, 0x4C1/0x4C3, 0x77D/0x77F, device and data also XN")
{
	static const struct {
		unsigned access;
		enum pt_memory memory;
		uint64_t block, page;
	} rows[] = {
		{ PT_WRITE | PT_EXEC, PT_NORMAL, 0x7fd, 0x7ff },
		{ PT_WRITE, PT_NORMAL, 0x00400000000007fd, 0x00400000000007ff },
		{ PT_WRITE, PT_DEVICE_nGnRnE, 0x00400000000004c1, 0x00400000000004c3 },
		{ PT_WRITE, PT_DEVICE_nGnRE, 0x00400000000004c5, 0x00400000000004c7 },
		{ 0, PT_NORMAL, 0x004000000000077d, 0x004000000000077f },
		{ PT_EXEC, PT_NORMAL, 0x77d, 0x77f },
		{ PT_WRITE, PT_NORMAL_NC, 0x00400000000007d5, 0x00400000000007d7 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pt_attrs attrs = { rows[i].access, rows[i].memory };

		CHECK_EQ(format_stage2.leaf(attrs, 1), rows[i].block);
		CHECK_EQ(format_stage2.leaf(attrs, 2), rows[i].block);
		CHECK_EQ(format_stage2.leaf(attrs, 3), rows[i].page);
	}
	CHECK_EQ(format_stage2.leaf((struct pt_attrs){ PT_EXEC, PT_DEVICE_nGnRnE }, 3), 0x0040000000000443);
}

/* The promises in arch/format.h, for the architecture's formats and the fake one alike. */
TEST(M29, "every format: what is written reads back; address and attributes share no bit; switching off is reversible")
{
	static const uint64_t pas[] = { 0, 0x1000, 0x7000, 0x40000000, 0x123456789000, 0xfffffffff000 };

	for (unsigned i = 0; i < ARRAY_SIZE(all_formats); i++) {
		const struct pgtable_format *f = all_formats[i];
		uint64_t address = f->encode_pa((BIT(f->max_pa_bits) - 1) & ~PAGE_MASK);
		uint64_t count = ((uint64_t)(2u << f->bits_per_level) - 1) << f->count_shift;
		uint64_t t = f->table();

		CHECK(!f->is_valid(f->invalid));
		CHECK_EQ(t & (address | count), 0);
		CHECK_EQ(address & count, 0);
		CHECK(f->is_table(t | count, 1) && f->decode_pa(t | count, 1, true) == 0);
		CHECK(!f->is_valid((t | count) ^ f->valid_bit) && ((t | count) ^ f->valid_bit) != f->invalid);
		for (unsigned a = 0; a < ARRAY_SIZE(pas); a++) {
			for (unsigned b = 0; b < ARRAY_SIZE(pas); b++) {
				uint64_t x = pas[a] & (BIT(f->max_pa_bits) - 1), y = pas[b] & (BIT(f->max_pa_bits) - 1);

				if ((x + y) >> f->max_pa_bits == 0)
					CHECK_EQ(f->encode_pa(x) + f->encode_pa(y), f->encode_pa(x + y));
			}
		}
		for (unsigned level = f->first_block_level; level <= f->last_level; level++) {
			uint64_t span = BIT(f->page_shift + f->bits_per_level * (f->last_level - level));

			for (unsigned access = 0; access < 16; access++) {
				for (unsigned m = 0; m < PT_MEMORY_KINDS; m++) {
					struct pt_attrs attrs = { access & f->access_mask, (enum pt_memory)m }, back;
					uint64_t d;

					if (m >= PT_DEVICE_nGnRnE)
						attrs.access &= ~PT_EXEC;
					d = f->leaf(attrs, level);
					CHECK_EQ(d & address, 0);
					CHECK(f->is_valid(d) && !f->is_table(d, level));
					CHECK(!f->is_valid(d ^ f->valid_bit) && (d ^ f->valid_bit) != f->invalid);
					back = f->decode_attrs(d | address, level);
					CHECK_EQ(back.access, attrs.access);
					CHECK_EQ(back.memory, attrs.memory);
					for (unsigned a = 0; a < ARRAY_SIZE(pas); a++) {
						uint64_t pa = pas[a] & (BIT(f->max_pa_bits) - 1) & ~(span - 1);

						CHECK_EQ(f->decode_pa(d | f->encode_pa(pa), level, false), pa);
					}
				}
			}
		}
	}
}
