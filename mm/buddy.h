/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The buddy allocator of one bank: hierarchical bitmaps of free blocks, orders 0 (4 KiB) to 18 (1 GiB), lowest first.
 *
 * State lives outside what it describes: a free page is never read or written. A bank has three kinds of node, each an
 * array of 64-bit words that covers 64 nodes of the kind below:
 *
 *	leaf	 64 pages, 256 KiB	words 0, 1: free blocks of orders 0 to 5
 *	mid	 64 leaves, 16 MiB	word k < 6: leaves with a free block of order k; word k < 12: free blocks of order k
 *	section	 64 mids, 1 GiB		word k < 12: mids with a free block of order k; word k < 18: free blocks of order k
 *
 * and behind these words, in mid and section, which children something, or everything, of has been given to the allocator.
 *
 * The 126 free bits of a leaf are a binary tree stored bottom up: slot 0..63 order 0, 64..95 order 1, ..., 124 and 125
 * order 5. The parent of slot s is 64 + s / 2, its buddy s ^ 1. In mids and sections each order has a word of its own.
 * Everywhere a merge test is one bit in the same word, and a buddy below the bank's base or in a hole has a bit that is
 * never set, so that nothing outside the bank is ever looked up.
 *
 * Above the sections stands, for each order, a bitmap of the sections that have a free block of it (order 18: that are
 * free as a whole), with up to two levels of summary when there are more than 64. Finding is a chain of
 * count-trailing-zeros.
 *
 * A section is touched first when it is needed: its nodes and its part of mem_map are zeroed then and never read
 * before.
 *
 * The caller holds bank->lock for every function that says _locked. Nothing here knows of more than one bank. Works
 * with the MMU on only (locks need Normal cacheable memory).
 */
#ifndef MM_BUDDY_H
#define MM_BUDDY_H

#include "arch/spinlock.h"
#include "mm/error.h"
#include "mm/page.h"

/*
 * What the section table (one word for each GiB of physical address space) says in its low bits; the rest of the word
 * is the address of the bank. 0 before any bank is there. States change under the bank's lock; a section that is LIVE
 * stays so.
 */
enum section_state {
	SECTION_NONE = 0,      /* no RAM */
	SECTION_UNTOUCHED = 1, /* all free, metadata never written */
	SECTION_WHOLE = 2,     /* handed out as one block of order 18; only its first struct page is valid */
	SECTION_LIVE = 3,      /* metadata valid */
	SECTION_ABSENT = 4,    /* belongs to a bank, but nothing of it has been added yet; metadata never written */
};

#define SECTION_STATE_MASK ((uint64_t)7)
/*
 * Beside SECTION_LIVE: the bank has the whole GiB, so that every frame of it has a record. A free that sees this bit
 * needs to know nothing of the bank.
 */
#define SECTION_OPEN ((uint64_t)8)
#define SECTION_BANK_MASK (~(uint64_t)(BUDDY_ALIGN - 1))
#define BUDDY_ALIGN 64 /* of a bank's metadata; leaves room for the state beside its address */
#define BUDDY_MAX_SECTIONS ((uint64_t)1 << 18)
#define BUDDY_NONE UINT64_MAX /* no such frame */

/*
 * A block that is given back before anything else has happened in its bank leaves everything as it was, and would be
 * handed out again by the next request of its order. So it is put back, and merged, only when something else is asked of
 * the bank: who allocates and frees a block in turns pays for neither. struct buddy.last is the block that was handed
 * out last: first frame << LAST_SHIFT | order, with LAST_BACK when it has come back and waits (its record is PAGE_CACHED
 * then, and it counts as used); LAST_NONE when something else has happened since.
 */
#define LAST_SHIFT 8
#define LAST_MASK ((uint64_t)0xff)
#define LAST_BACK ((uint64_t)0x80)
#define LAST_NONE ((uint64_t)0x7f)

/*
 * One bank, at the start of its own metadata. Private to mm/buddy*.[ch]; mm/frames*.c reads the counters under the lock
 * and the second group.
 */
struct buddy {
	/* Under lock. Counters are exact after buddy_settle_locked(). */
	struct spinlock lock;
	uint64_t last;
	/* Side by side in the order in which an allocation and a free count. */
	uint64_t live; /* blocks handed out and not freed: allocations less frees */
	uint64_t used_pages;
	uint64_t frees;
	uint64_t peak_used_pages;

	uint64_t given_pages;
	uint64_t reserve_pages; /* kept back by mm/frames.c for some requests; changed after buddy_settle_locked() */
	/* Root word of each order's bitmap over the sections. Behind the last never 0; the rest is read beside it. */
	uint64_t top[MAX_ORDER + 5];

	/*
	 * Written once, by buddy_init(), and read by CPUs that have no lock: not beside what changes. The first four may
	 * wrap: only the bank's parts of these arrays exist.
	 */
	_Alignas(BUDDY_ALIGN) uintptr_t map; /* address of the record of frame 0 */
	uintptr_t leaves;		     /* address of the leaf of frame 0 */
	uintptr_t mids;			     /* address of the mid of frame 0 */
	uintptr_t sections;		     /* address of the section node of frame 0 */
	uint64_t start;			     /* first frame */
	uint64_t end;			     /* frame after the last */
	uint64_t first_section;
	uint64_t n_sections;
	uint64_t *section_table; /* word of section 0 */
	uint64_t *tree;		 /* bitmaps over sections when there are more than 64; tree_words for each order */
	uint32_t tree_words;
	uint32_t tree_leaves; /* of them, the words that stand for sections; the others summarise these */
	uint32_t depth; /* 1: top[] stands for sections, 2: for words of the tree, 3: for summary words of the tree */
	uint32_t numa_node;
	uint64_t metadata_bytes;
	struct buddy *next; /* in struct frames' order */
};

/* Whether frame n is between the bank's ends. */
static inline bool buddy_has(const struct buddy *b, uint64_t n)
{
	return n - b->start < b->end - b->start;
}

enum frame_role { FRAME_FOREIGN, FRAME_RESERVED, FRAME_FREE, FRAME_ALLOC };

/* What a frame is, and of which block (head, order; meaningful for FREE and ALLOC). */
struct frame_info {
	enum frame_role role;
	pfn_t head;
	unsigned order;
	unsigned tag; /* owner, or last owner of a free block (TAG_NONE where no record is kept) */
	uint32_t ref; /* 0 when free */
	bool cached;  /* free, but in a CPU's cache: not in the bitmaps */
};

/* Bytes of metadata for frames [start, start + pages), struct buddy included; 0 for no pages. */
uint64_t buddy_metadata_size(uint64_t start, uint64_t pages);

/*
 * Makes a bank of frames [start, start + pages) in metadata (aligned to BUDDY_ALIGN, garbage), everything absent. The
 * caller has checked the range, and writes the section table.
 */
struct buddy *buddy_init(void *metadata, uint64_t start, uint64_t pages, uintptr_t map, uint64_t *section_table,
			 uint32_t numa_node);

/* Gives frames [start, end) of the bank (not empty). MM_EEXIST: some of them were given before, nothing changed. */
must_check int buddy_add_locked(struct buddy *b, uint64_t start, uint64_t end) REQUIRES(b->lock);

/* Takes the block of 2^order frames at n if all of it is free. MM_EBUSY, MM_ERESERVED. */
must_check int buddy_take_locked(struct buddy *b, uint64_t n, unsigned order, unsigned tag) REQUIRES(b->lock);

/* 2^order frames, the lowest of the smallest sufficient order, owned by tag; or BUDDY_NONE. */
uint64_t buddy_alloc_locked(struct buddy *b, unsigned order, unsigned tag) REQUIRES(b->lock);

/* Gives back a block whose record the caller has turned to PAGE_CACHED. Its tag stays as last owner. */
void buddy_free_locked(struct buddy *b, uint64_t n, unsigned order) REQUIRES(b->lock);

/* The block that waits goes back into the bitmaps. */
void buddy_put_last_locked(struct buddy *b) REQUIRES(b->lock);

/*
 * From now on nothing is known of a block that was handed out last: before counters are read, bitmaps are looked at or
 * reserve_pages is changed. The functions of this file do it themselves.
 */
static inline void buddy_settle_locked(struct buddy *b) REQUIRES(b->lock)
{
	if (unlikely(b->last & LAST_BACK))
		buddy_put_last_locked(b);
	b->last = LAST_NONE;
}

/*
 * Batches of single frames, for caches in front of the bank. buddy_take_batch_locked(): up to `want` (<= 64) frames, each
 * with `record` as its record; their addresses go to pa[]. Returns how many. The lowest leaf that is free in part is
 * emptied, its smallest blocks first, and so on; when there is none, the lowest of the smallest larger blocks is begun.
 * buddy_take_leaf_locked(): 64 neighbours, out of the lowest of the smallest blocks that have as many; 0: there is none. When
 * they are given back, in one batch and before anything else happens in the bank, they wait as the last block does.
 * buddy_put_batch_locked(): gives frames back, as frees would, until the first that is not of this bank (pa[0] is); their
 * records are page heads of order 0, whatever their state. Returns how many of the n that were.
 */
unsigned buddy_take_leaf_locked(struct buddy *b, uint64_t *pa, uint64_t record) REQUIRES(b->lock);
unsigned buddy_take_batch_locked(struct buddy *b, uint64_t *pa, unsigned want, uint64_t record) REQUIRES(b->lock);
unsigned buddy_put_batch_locked(struct buddy *b, const uint64_t *pa, unsigned n) REQUIRES(b->lock);

/*
 * `pages` frames (1 .. SECTION_PAGES), all below frame `end`, out of the lowest free block of the smallest order that
 * has them: at its first frame, as a series of blocks, largest first, each a block of its own owned by tag. The first
 * frame, or BUDDY_NONE.
 */
uint64_t buddy_take_lowest_locked(struct buddy *b, uint64_t pages, uint64_t end, unsigned tag) REQUIRES(b->lock);

/*
 * Takes frames [n, n + pages) of the bank, if all of them are free: as the largest blocks that they make, each a block of
 * its own. Some hundred instructions for each block: at most two of each order, and one for each whole section. MM_EBUSY:
 * some are not free, nothing changed.
 */
must_check int buddy_take_range_locked(struct buddy *b, uint64_t n, uint64_t pages, unsigned tag) REQUIRES(b->lock);

/*
 * Calls see(ctx, n, pages) for all free memory of the bank in pieces, by address: frames [n, n + pages) are free. Where
 * two pieces touch, what they are part of goes on. see() returns true to end the walk; it may be called under the lock,
 * and takes none. The lock is held for 16 MiB at a time (at most 40 thousand instructions, and see()'s): what was seen
 * may be gone. Allocated memory is passed over by the summaries: 64 frames, 16 MiB, 1 GiB in a step.
 */
typedef bool (*buddy_see_fn)(void *ctx, uint64_t n, uint64_t pages);
void buddy_walk_free(struct buddy *b, buddy_see_fn see, void *ctx) EXCLUDES(b->lock);

/* True for every frame of the bank at any time: at most MAX_ORDER + 1 probes. */
void buddy_query_locked(struct buddy *b, uint64_t n, struct frame_info *out) REQUIRES(b->lock);

/* The order of the largest free block, or -1. */
int buddy_largest_locked(struct buddy *b) REQUIRES(b->lock);

/*
 * Adds the number of free blocks of each order to counts[MAX_ORDER + 1]. Takes the lock for 16 MiB at a time: exact
 * when nobody else allocates. Reads the nodes of live sections that have something free.
 */
void buddy_count_free(struct buddy *b, uint64_t *counts) EXCLUDES(b->lock);

/*
 * Re-derives the bank's whole state; logs every finding and returns how many there are. Adds to *cached the frames whose
 * records say that they are in a cache.
 */
unsigned buddy_validate_locked(struct buddy *b, uint64_t *cached) REQUIRES(b->lock);

#endif
