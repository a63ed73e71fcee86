/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel virtual address space that is neither linear map nor image: regions of LAYOUT_VMALLOC, handed out upwards and never given
 * back. Each is followed by an unmapped page. One caller at a time (boot).
 */
#ifndef MM_KSPACE_H
#define MM_KSPACE_H

#include "mm/frames.h"
#include "mm/pgtable.h"

struct kspace {
	struct pgtable *tables;
	struct frames *frames;
	uint64_t next; /* first address that is not handed out */
	uint64_t end;
};

/* [base, base + size), 4 KiB-aligned, of which nothing is mapped. */
void kspace_init(struct kspace *k, struct pgtable *tables, struct frames *frames, uint64_t base, uint64_t size);

/*
 * A stack of 2^order pages with an unmapped page below and above. *top: its first byte after the end (16-byte aligned and
 * more). MM_ENOMEM, MM_ERANGE (address space), the table's errors; nothing is left behind.
 */
must_check int kspace_stack(struct kspace *k, unsigned order, uintptr_t *top);

/*
 * Maps [pa, pa + size) (any alignment) as memory of the given type, never executable, and returns in *va where pa itself appears:
 * by 2 MiB blocks as far as it goes, so that a table or two hold any size.
 * The caller owns the range and knows that its type fits (registers: device). Same errors.
 */
must_check int kspace_map(struct kspace *k, paddr_t pa, uint64_t size, enum pt_memory memory, void **va);

#endif
