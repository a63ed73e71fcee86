/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One record for each 4 KiB page of RAM: the mem_map. A vmemmap: map + pfn is the record of frame pfn, whether or not the
 * frames between two banks exist; only the parts that describe RAM are backed.
 *
 * All-zero means "belongs to no block of its own": a reserved page, a hole, or the inside of a block whose head says so.
 * Blocks are naturally aligned, so the head of an inner page is found in at most 18 probes.
 */
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include "arch/addr.h"

#define MAX_ORDER 18 /* 1 GiB: the largest block, and the size of a section */
#define SECTION_SHIFT (PAGE_SHIFT + MAX_ORDER)
#define SECTION_PAGES ((uint64_t)1 << MAX_ORDER)

enum page_state {
	PAGE_NONE = 0,	 /* no head here */
	PAGE_FREE = 1,	 /* head of a free block of the buddy */
	PAGE_ALLOC = 2,	 /* head of a block that somebody owns */
	PAGE_CACHED = 3, /* head of a block in a per-CPU cache: free to the rest of the world */
};

/* Who holds a block: small numbers, named by page_tag_name(). */
enum page_tag {
	TAG_NONE,
	TAG_PGTABLE,
	TAG_HEAP,
	TAG_SLAB,
	TAG_STACK,
	TAG_MEMMAP,
	TAG_STAGE2,
	TAG_TEST,
	TAG_USER, /* first number for an embedder's own */
};

struct page {
	uint32_t ref; /* references; 1 when allocated */
	uint32_t order : 5;
	uint32_t state : 3; /* enum page_state */
	uint32_t tag : 8;   /* enum page_tag: owner, or last owner */
	uint32_t aux : 16;  /* the owner's: slab index, table entry count */
};
_Static_assert(sizeof(struct page) == 8, "mem_map is 8 bytes a page: 2 MiB for each 1 GiB section");

const char *page_tag_name(unsigned tag);

#endif
