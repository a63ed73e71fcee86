/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The public page allocator: all banks together.
 *
 * struct frames owns the section table (authority for every free), the banks sorted by limit class (memory at 4 GiB and
 * above is class 1 and is taken first; below is class 0 and is spent last), and the counters. All functions may be
 * called from interrupt context and from any CPU unless they say "boot". A bad free changes nothing, prints one line
 * that names caller and page, and returns the error.
 */
#ifndef MM_FRAMES_H
#define MM_FRAMES_H

#include "mm/buddy.h"
#include "mm/error.h"
#include "mm/page.h"

#define FRAMES_CLASS_SPLIT GIB(4) /* a bank never crosses it */

struct frames {
	/* Written at boot, read by everybody; private to mm/frames*.c. */
	uintptr_t map;	    /* address of the record of frame 0 (may wrap: only banks' parts exist) */
	uint64_t *sections; /* section table: for each GiB, bank | enum section_state */
	uint64_t n_sections;
	struct buddy *banks; /* >= 4 GiB by address, then < 4 GiB by address */
	struct buddy *low;   /* the first of those below 4 GiB */
	unsigned bank_count;
	/* Relaxed atomics. */
	uint64_t failures;
	uint64_t bad_frees;
};

/* ---- bring-up (boot: one CPU) ------------------------------------------------------------------------------------ */

/* Bytes that the section table takes for each GiB of physical address space. */
#define FRAMES_SECTION_BYTES sizeof(uint64_t)

/*
 * map: the vmemmap's base (address of the record of frame 0; only parts that describe banks are ever touched).
 * sections: n_sections zeroed words, FRAMES_SECTION_BYTES each, one for each GiB of physical address space from 0 to
 * the end of the last bank.
 */
void frames_init(struct frames *f, struct page *map, uint64_t *sections, uint64_t n_sections);

/* Bytes of metadata (without mem_map) that a bank of frames [start, start + pages) needs; alignment 64. */
uint64_t frames_bank_metadata_size(pfn_t start, uint64_t pages);

/*
 * Registers a bank: frames [start, start + pages), which shares no section with another bank and does not cross
 * FRAMES_CLASS_SPLIT. metadata: mapped, frames_bank_metadata_size() bytes, contents garbage, 64-byte aligned. A
 * section's part of mem_map that lies in the bank must be mapped before frames of that section are added. No frame is
 * free yet: frames_add_memory() gives them. Cost independent of the bank's size, but for a few words a section.
 * MM_EINVAL, MM_EALIGN (metadata), MM_ERANGE (wraps, or behind the section table), MM_EEXIST (a section of another
 * bank).
 */
must_check int frames_add_bank(struct frames *f, pfn_t start, uint64_t pages, uint32_t numa_node, void *metadata);

/*
 * Gives frames [start, start + pages) to the allocator: they must lie in one bank and never have been given before
 * (MM_EINVAL / MM_EEXIST, nothing changed). Whole sections stay untouched.
 */
must_check int frames_add_memory(struct frames *f, pfn_t start, uint64_t pages);

/* ---- allocation -------------------------------------------------------------------------------------------------- */

#define FRAMES_ZERO (1u << 0)	  /* contents zeroed (through phys_to_virt) */
#define FRAMES_BELOW_4G (1u << 1) /* last byte below 4 GiB */

/* 2^order frames, naturally aligned, reference count 1, owned by tag. MM_ENOMEM; MM_EINVAL for order > MAX_ORDER. */
must_check int frames_alloc(struct frames *f, unsigned order, unsigned flags, enum page_tag tag, pfn_t *out);

/*
 * The block of 2^order frames at first, like frames_alloc(). MM_EALIGN (first is no multiple of 2^order), MM_EFOREIGN,
 * MM_ERESERVED, MM_EBUSY (not all of it is free), MM_EINVAL; nothing is logged.
 */
must_check int frames_take(struct frames *f, pfn_t first, unsigned order, enum page_tag tag);

/*
 * Gives the block back. first must be the first frame of a block that was allocated with this order and has one
 * reference. MM_EDOUBLE, MM_EORDER, MM_EINTERIOR, MM_EFOREIGN, MM_ERESERVED, MM_EBUSY: logged with the caller's
 * address, nothing changed.
 */
must_check int frames_free(struct frames *f, pfn_t first, unsigned order);
/* The same by address, which must be a multiple of 4 KiB (MM_EALIGN). */
must_check int frames_free_paddr(struct frames *f, paddr_t pa, unsigned order);

/* ---- questions --------------------------------------------------------------------------------------------------- */

/* True for every frame at any time, also for frames that are no RAM. */
void frames_query(struct frames *f, pfn_t pfn, struct frame_info *out);

/*
 * The record of an allocated block by its first frame: the owner may count references and keep its own number (aux)
 * there. NULL when the frame is not the first of an allocated block.
 */
struct page *frames_page(struct frames *f, pfn_t first);

struct frames_stats {
	uint64_t total_pages; /* ever given by frames_add_memory() */
	uint64_t free_pages;
	uint64_t peak_used_pages; /* sum of the banks' peaks: exact for one bank, else an upper bound */
	uint64_t free_blocks[MAX_ORDER + 1];
	uint64_t metadata_bytes; /* bitmaps and section descriptors, without mem_map */
	unsigned banks;
	uint64_t allocs, frees, failures, bad_frees;
};
/*
 * free_blocks is counted from the bitmaps of what is in use (16 MiB under the lock at a time); everything else is kept.
 */
void frames_get_stats(struct frames *f, struct frames_stats *out);

/* The order of the largest free block, or -1 when nothing is free. */
int frames_largest_free(struct frames *f);

/*
 * Walks the whole state: tiling, bitmaps against mem_map, summaries, counters. MM_OK, or MM_ECORRUPT with every finding
 * logged. Holds each bank's lock for the whole of its walk, which reads every record of its live sections.
 */
must_check int frames_validate(struct frames *f);

#endif
