/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A descriptor format: all that the page-table walker knows about bits. The walker (mm/pgtable) holds policy and
 * order of stores; a format only says how a descriptor is written and read. arch/aarch64/format.c has EL1 stage 1,
 * EL2 stage 1 and stage 2 (Arm ARM DDI 0487, D8.3, D8.5); the tests add one with a deliberately different encoding.
 *
 * Pure functions and data, no registers: compiled for the host too.
 */
#ifndef ARCH_FORMAT_H
#define ARCH_FORMAT_H

#include "arch/addr.h"

/* What a leaf grants. Readable always. */
#define PT_WRITE (1u << 0)
#define PT_EXEC (1u << 1)      /* executable by the privileged level of the regime (stage 2: by the guest) */
#define PT_USER (1u << 2)      /* accessible from EL0 (stage 1 of EL1&0); with PT_EXEC: executable there, not at EL1 */
#define PT_NONGLOBAL (1u << 3) /* tagged with the ASID */

enum pt_memory {
	PT_NORMAL,    /* Normal, inner and outer write-back, inner shareable */
	PT_NORMAL_NC, /* Normal, non-cacheable */
	PT_DEVICE_nGnRnE,
	PT_DEVICE_nGnRE,
};
#define PT_MEMORY_KINDS 4

struct pt_attrs {
	unsigned access; /* PT_WRITE | ... */
	enum pt_memory memory;
};

/* MAIR_EL1 and MAIR_EL2 as the stage-1 formats index them. */
#define FORMAT_MAIR_INDEX_NORMAL 0
#define FORMAT_MAIR_INDEX_NORMAL_NC 1
#define FORMAT_MAIR_INDEX_nGnRnE 2
#define FORMAT_MAIR_INDEX_nGnRE 3
uint64_t format_mair(void);

/*
 * What the walker relies on, and tests check for every format:
 * - encode_pa() is additive (encode_pa(a) + encode_pa(b) == encode_pa(a + b)) and its bits are in no leaf's or
 *   table's constant part, so a run of leaves is an arithmetic series and a mask separates address from attributes;
 * - d ^ valid_bit of a valid descriptor d is invalid, differs from `invalid`, and back again is d. So an entry can
 *   be switched off and keep what it pointed to until the TLB is clean;
 * - a table descriptor has bits_per_level + 1 bits at count_shift that hardware ignores. The walker counts there
 *   the valid entries of the table below: no other record of a table is needed to know that it is full or empty.
 */
struct pgtable_format {
	const char *name;
	uint8_t page_shift;	   /* log2 of the granule and table size */
	uint8_t bits_per_level;	   /* log2 of the entries of a table */
	uint8_t last_level;	   /* level of pages (3) */
	uint8_t first_block_level; /* lowest level number that may hold a block (1 for 4 KiB) */
	uint8_t last_start_level;  /* highest level number at which a walk may start */
	uint8_t max_pa_bits;
	uint8_t max_concatenated_shift; /* log2 of the root tables that may stand side by side (stage 2: 4) */
	uint8_t count_shift;
	uint8_t access_mask; /* the PT_ access bits that a leaf can express */
	bool write_exec;     /* PT_WRITE with PT_EXEC is a legal grant (stage 2: the guest's own stage 1 decides) */
	uint64_t invalid;    /* what an empty entry holds: a new table is filled with it (0 for the architecture) */
	uint64_t valid_bit;
	/* A valid leaf at level that maps output address 0 with attrs; encode_pa() is or-ed in. */
	uint64_t (*leaf)(struct pt_attrs attrs, unsigned level);
	/* A valid table descriptor without its address, count 0. */
	uint64_t (*table)(void);
	uint64_t (*encode_pa)(uint64_t pa);
	/* Reading back. */
	bool (*is_valid)(uint64_t desc);
	bool (*is_table)(uint64_t desc, unsigned level); /* valid, and points to a table of level + 1 */
	uint64_t (*decode_pa)(uint64_t desc, unsigned level, bool table);
	struct pt_attrs (*decode_attrs)(uint64_t desc, unsigned level);
};

extern const struct pgtable_format format_el1_stage1;
extern const struct pgtable_format format_el2_stage1;
extern const struct pgtable_format format_stage2;

#endif
