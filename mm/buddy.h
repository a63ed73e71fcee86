/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The buddy allocator of one bank: hierarchical bitmaps of free blocks, orders 0 (4 KiB) to 18 (1 GiB), lowest address first.
 *
 * State lives outside what it describes: a free page is never read or written. For each 64 pages one 16-byte node holds the
 * free bits of orders 0 to 5 (64 + 32 + ... + 2 bits); the same shape repeats for 64 nodes (orders 6 to 11, 16 MiB) and for the
 * section (orders 12 to 17, 1 GiB); order 18 is one bit per section. Summary words above them say which children have a free
 * block of an order, so finding is a chain of count-trailing-zeros and a merge test is one bit in the same word.
 *
 * A section is touched first when it is needed: its bitmaps and its part of mem_map are zeroed then and never read before.
 *
 * Caller holds bank->lock for every function that says _locked. Nothing here knows of more than one bank.
 */
#ifndef MM_BUDDY_H
#define MM_BUDDY_H

#include "arch/spinlock.h"
#include "mm/error.h"
#include "mm/page.h"

/* What the section table (one byte for each GiB of physical address space) says; 0 before any bank is there. */
enum section_state {
	SECTION_NONE = 0,      /* no RAM */
	SECTION_UNTOUCHED = 1, /* all free, metadata never written */
	SECTION_WHOLE = 2,     /* handed out as one block of order 18; only its first struct page is valid */
	SECTION_LIVE = 3,      /* metadata valid */
	SECTION_ABSENT = 4,    /* belongs to a bank, but nothing of it has been added yet; metadata never written */
};

struct buddy; /* one bank; fields private to mm/buddy.c, struct in mm/buddy_types.h for those who embed it */

#endif
