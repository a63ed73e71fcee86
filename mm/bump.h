/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bump allocator: memory that only ever grows, for hypervisors that never free. One range, one cursor, no metadata; stands alone
 * (no page frames, no locks: the caller serialises). Behaviours: docs/behavior-inventory.md, BA series.
 */
#ifndef MM_BUMP_H
#define MM_BUMP_H

#include "arch/addr.h"
#include "mm/error.h"

struct bump {
	uint64_t start; /* as given, never moved */
	uint64_t end;	/* first byte after the range */
	uint64_t next;	/* next free byte */
};

/* [start, start + size): MM_EINVAL for size 0, MM_ERANGE when it wraps. */
must_check int bump_new(struct bump *b, paddr_t start, uint64_t size);
/* One 4 KiB page, 4 KiB-aligned. MM_ENOMEM. Contents arbitrary. */
must_check int bump_alloc_page(struct bump *b, paddr_t *out);
/* size > 0 bytes at a multiple of align, a power of two. MM_EINVAL, MM_ENOMEM (also when the arithmetic would wrap). */
must_check int bump_alloc_aligned(struct bump *b, uint64_t size, uint64_t align, paddr_t *out);
/* size bytes, 8-byte aligned. */
must_check int bump_alloc(struct bump *b, uint64_t size, paddr_t *out);
/* Bytes between the cursor and the end / between the start and the cursor (padding included). */
uint64_t bump_remaining(const struct bump *b);
uint64_t bump_allocated(const struct bump *b);
/* Everything is free again; the cursor is back at the stored start. */
void bump_reset(struct bump *b);

#endif
