/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bring-up: from the RAM map to "memory is up", in the order that needs nothing it has not yet made. Pure: the page tables are the
 * caller's objects, so that the same code runs in the kernel and on the host.
 *
 *	plan banks -> choose the first good one -> map its window and its mem_map from PT_POOL -> its buddy ->
 *	hand-over -> map everything else from frames -> give every free byte to the allocator -> heap
 */
#ifndef MM_INIT_H
#define MM_INIT_H

#include "mm/frames.h"
#include "mm/pgtable.h"
#include "mm/ram.h"

/* One planned bank: contiguous section-wise, one limit class. */
struct mm_bank {
	pfn_t start;
	uint64_t pages;
	uint32_t numa_node;
	paddr_t metadata; /* stolen: mem_map part first, then bitmaps; when borrowed: the bitmaps, mem_map is scattered pages */
	uint64_t metadata_bytes;
	uint64_t memmap_bytes;
	bool borrowed; /* metadata lies in another bank */
};

/* What bring-up did, for the report, the monitor and the tests. */
struct mm_bringup {
	const struct ram_map *ram;
	struct frames *frames;
	struct pgtable *tables;
	struct mm_bank *banks;
	unsigned bank_count;
	unsigned first_bank; /* whose buddy came up from PT_POOL */
	paddr_t window;	     /* the part of it that was mapped before the hand-over */
	uint64_t window_bytes;
	paddr_t section_table;
	uint64_t section_table_bytes;
	uint64_t stolen_bytes; /* everything taken for the allocator's own records */
	uint64_t heap_bytes;
	unsigned pool_tables_needed; /* counted before they were built */
	unsigned pool_peak;
	uint64_t dynamic_tables;
	uint64_t linear_bytes; /* RAM in the linear map */
};

/* What mm_init() works on. All objects live as long as the system. */
struct mm_init_config {
	const struct ram_map *ram;
	struct frames *frames;	/* storage; initialised by mm_init() */
	struct pgtable *tables; /* the kernel's: linear map and mem_map are made here; NULL: see map_memmap */
	struct pt_pool *pool;	/* where tables come from until the hand-over; with tables */
	uint64_t memmap_va;	/* mem_map: address of the record of frame 0 */
	unsigned
		linear_bits; /* RAM at or above 2^linear_bits cannot be mapped and is left out, with a line that says so */
	void (*hand_over)(
		void *ctx,
		const struct page_allocator *a); /* registers the frames as the table allocator; with tables */
	/*
	 * For an embedder whose own page tables map all RAM already (arch_linear_base says where): maps [pa, pa + size) read-write at
	 * va in mem_map, all multiples of 4 KiB. Returns an mm_error.
	 */
	int (*map_memmap)(void *ctx, uint64_t va, paddr_t pa, uint64_t size);
	void *ctx;
};

/*
 * Brings memory up. What cannot go on panics with the seed's texts, each followed by the numbers that explain it:
 *	PANIC: No RAM regions found in DTB
 *	PANIC: All RAM is reserved - no free memory
 *	PANIC: Cannot allocate mem_map - insufficient contiguous memory
 *	PANIC: PT_POOL exhausted - ...	(counted before anything is built)
 */
void mm_init(const struct mm_init_config *config, struct mm_bringup *out);

/*
 * Keeps 1/MM_RESERVE_SHARE of memory back, at most MM_RESERVE_MAX frames: when ordinary requests find nothing more, page
 * tables can still be made (mm_frame_allocator). For the kernel; after mm_init_heap(), which takes what it needs. An
 * embedder says for himself what is kept back.
 */
#define MM_RESERVE_SHARE 1024
#define MM_RESERVE_MAX (MIB(1) >> PAGE_SHIFT)
void mm_init_reserve(struct mm_bringup *up);

/* Takes the heap's reservation; panics with "Failed to allocate heap". */
void mm_init_heap(struct mm_bringup *up);

/*
 * The next planned bank at or after address from: RAM up to the next limit class (4 GiB), together with all RAM that shares its
 * last section. Fills start, pages and numa_node. False at the end.
 */
bool mm_plan_bank(const struct ram_map *ram, uint64_t from, uint64_t limit, struct mm_bank *out);

/*
 * The page allocator that the hand-over registers: order-0 frames tagged TAG_PGTABLE; what is kept back when there are no
 * others.
 */
extern struct page_allocator mm_frame_allocator;

#endif
