/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One record for each 4 KiB page of RAM: the mem_map. A vmemmap: map + pfn is the record of frame pfn, whether or not
 * the frames between two banks exist; only the parts that describe RAM are backed.
 *
 * All-zero means "belongs to no block of its own": a reserved page, a hole, or the inside of a block whose head says
 * so. Blocks are naturally aligned, so the head of an inner page is found in at most 18 probes.
 */
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include "arch/addr.h"
#include "mm/error.h"

#define MAX_ORDER 18 /* 1 GiB: the largest block, and the size of a section */
#define SECTION_SHIFT (PAGE_SHIFT + MAX_ORDER)
#define SECTION_PAGES ((uint64_t)1 << MAX_ORDER)

enum page_state {
	PAGE_NONE = 0,	 /* no head here */
	PAGE_FREE = 1,	 /* head of a free block of the buddy */
	PAGE_ALLOC = 2,	 /* head of a block that somebody owns */
	PAGE_CACHED = 3, /* head of a block in a per-CPU cache, or on its way there: free to the rest of the world */
};

/* Who holds a block: small numbers up to 255, named by page_tag_name(). */
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
	uint32_t ref;	  /* references; 1 when allocated. Atomic: mm/frames.h counts */
	uint16_t aux;	  /* the owner's: slab index, table entry count. No bit-field: a store writes nothing else */
	uint16_t tag : 8; /* enum page_tag: owner, or last owner */
	uint16_t old : 1; /* allocated before the last frames_mark() */
	uint16_t order : 5;
	uint16_t state : 2; /* enum page_state */
};
_Static_assert(sizeof(struct page) == 8, "mem_map is 8 bytes a page: 2 MiB for each 1 GiB section");

/*
 * The same record as one word, for code that reads or writes all of it at once: ref in bits 31:0, aux 47:32, tag 55:48,
 * old 56, order 61:57, state 63:62 (how both compilers lay out the bit-fields above on a little-endian machine; a test
 * compares). What a free has to check is one run of bits around the word's end, and so is what it has to find there: both
 * are immediates of A64's logical instructions.
 */
typedef uint64_t __attribute__((may_alias)) page_word_t;

#define PAGE_WORD_AUX_MASK ((uint64_t)0xffff << 32)
#define PAGE_WORD_TAG_SHIFT 48
#define PAGE_WORD_TAG_MASK ((uint64_t)0xff << PAGE_WORD_TAG_SHIFT)
#define PAGE_WORD_OLD ((uint64_t)1 << 56)
#define PAGE_WORD_ORDER_SHIFT 57
#define PAGE_WORD_STATE_SHIFT 62

/* What says whether a block may be freed with an order: state, order, references. */
#define PAGE_WORD_CHECKED ~(PAGE_WORD_AUX_MASK | PAGE_WORD_TAG_MASK | PAGE_WORD_OLD)
/* PAGE_ALLOC ^ PAGE_CACHED. */
#define PAGE_WORD_CACHED_BIT ((uint64_t)1 << PAGE_WORD_STATE_SHIFT)

static inline uint64_t page_word(uint32_t ref, unsigned order, enum page_state state, unsigned tag)
{
	return ref | (uint64_t)order << PAGE_WORD_ORDER_SHIFT | (uint64_t)state << PAGE_WORD_STATE_SHIFT |
	       (uint64_t)tag << PAGE_WORD_TAG_SHIFT;
}

static inline uint32_t page_word_ref(uint64_t w)
{
	return (uint32_t)w;
}

static inline unsigned page_word_order(uint64_t w)
{
	return (unsigned)(w >> PAGE_WORD_ORDER_SHIFT) & 31;
}

static inline unsigned page_word_state(uint64_t w)
{
	return (unsigned)(w >> PAGE_WORD_STATE_SHIFT) & 3;
}

static inline unsigned page_word_tag(uint64_t w)
{
	return (unsigned)(w >> PAGE_WORD_TAG_SHIFT) & 0xff;
}

/* "none", "pgtable", "heap", ...; "user" for a number from TAG_USER on that has no name of its own. Never NULL. */
const char *page_tag_name(unsigned tag);

/*
 * From now on reports call tag (TAG_USER to 255) so; NULL: "user" again. The text is kept, not copied. MM_EINVAL: one of
 * Granule's own tags, or above 255.
 */
must_check int page_tag_set_name(unsigned tag, const char *name);

#endif
