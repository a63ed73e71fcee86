/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reference that the packing benchmark measures against: the buddy allocator of the textbook (Knowlton 1965; Knuth,
 * TAOCP 1, 2.5), with a doubly linked list of free blocks for each order, last in, first out.
 *
 * A request takes the block that was freed last from the list of the smallest sufficient order and splits it down: the
 * lower half stays, the upper half goes to the head of its list. A free merges while the buddy is a free block of the
 * same size and puts the result at the head of its list. There is nothing else: no second choice of block, no cache, no
 * zones. The largest order is a parameter: 18 as mm/buddy.h has it, 10 as Linux has it.
 *
 * Links stand in an array beside the memory, so that memory need not exist. One thread; no locks.
 */
#ifndef TESTS_BENCH_PACKING_LIFO_BUDDY_H
#define TESTS_BENCH_PACKING_LIFO_BUDDY_H

#include "mm/error.h"
#include "mm/page.h"

#define LIFO_NONE UINT32_MAX /* no frame */

enum lifo_state {
	LIFO_HOLE = 0, /* never given */
	LIFO_INSIDE,   /* in a block that begins at another frame */
	LIFO_FREE,     /* first frame of a free block */
	LIFO_USED,     /* first frame of an allocated block */
};

/* One frame. */
struct lifo_frame {
	uint32_t next, prev; /* of the list, as numbers from the first frame; LIFO_FREE only */
	uint8_t state;	     /* enum lifo_state */
	uint8_t order;	     /* LIFO_FREE and LIFO_USED */
};

struct lifo_buddy {
	struct lifo_frame *frames;
	uint64_t start; /* number of frames[0], a multiple of 2^MAX_ORDER: buddies are computed from absolute numbers */
	uint32_t pages;
	unsigned max_order;
	uint32_t head[MAX_ORDER + 1]; /* LIFO_NONE: empty */
	uint64_t free_pages;
};

/*
 * An allocator over frames [start, start + pages), none of which is there yet. frames: `pages` records, contents
 * garbage. MM_EALIGN: start is no multiple of SECTION_PAGES; MM_EINVAL: max_order above MAX_ORDER, no pages;
 * MM_ERANGE: more than 2^32 - 2.
 */
must_check int lifo_init(struct lifo_buddy *b, struct lifo_frame *frames, uint64_t start, uint64_t pages,
			 unsigned max_order);

/* Gives frames [start, start + pages), by address. MM_ERANGE; MM_EEXIST (some were given before): nothing changed. */
must_check int lifo_add_memory(struct lifo_buddy *b, uint64_t start, uint64_t pages);

/* First frame of a block of 2^order frames in *out. MM_EINVAL (order), MM_ENOMEM. */
must_check int lifo_alloc(struct lifo_buddy *b, unsigned order, uint64_t *out);

/* Gives a block back. MM_EFOREIGN, MM_EDOUBLE, MM_EINTERIOR, MM_EORDER: nothing changed. */
must_check int lifo_free(struct lifo_buddy *b, uint64_t n, unsigned order);

/*
 * Re-derives everything: blocks tile what was given, every free block is aligned, is in the list of its order once, and
 * has no free buddy of its size; links go both ways; the counter is right. MM_OK or MM_ECORRUPT.
 */
must_check int lifo_validate(const struct lifo_buddy *b);

/* Free blocks of `order`. */
uint64_t lifo_count_blocks(const struct lifo_buddy *b, unsigned order);

#endif
