/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions of kernel address space: a cursor, a page between neighbours, and the page tables' own errors. */
#include "mm/kspace.h"

#define BLOCK MIB(2)

void kspace_init(struct kspace *k, struct pgtable *tables, struct frames *frames, uint64_t base, uint64_t size)
{
	*k = (struct kspace){ .tables = tables, .frames = frames, .next = base, .end = base + size };
}

/*
 * size: a multiple of 4 KiB. The region starts at least one page above the cursor, and the cursor ends behind it: guards on both
 * sides. One of 2 MiB or more lies in its blocks as pa does, so that blocks map it.
 */
static int reserve(const struct kspace *k, uint64_t pa, uint64_t size, uint64_t *va)
{
	uint64_t gap = PAGE_SIZE;

	if (size == 0)
		return MM_EINVAL;
	if (size >= BLOCK)
		gap += (pa - k->next - gap) & (BLOCK - 1);
	if (size > k->end - k->next || k->end - k->next - size < gap + PAGE_SIZE)
		return MM_ERANGE;
	*va = k->next + gap;
	return MM_OK;
}

/* [KS1] */
int kspace_stack(struct kspace *k, unsigned order, uintptr_t *top)
{
	uint64_t va, size;
	pfn_t f;
	int err;

	if (order > MAX_ORDER)
		return MM_EINVAL;
	size = PAGE_SIZE << order;
	err = reserve(k, 0, size, &va);
	if (err)
		return err;
	err = frames_alloc(k->frames, order, 0, TAG_STACK, &f);
	if (err)
		return err;
	err = pgtable_map(k->tables, va, pfn_to_paddr(f), size, (struct pt_attrs){ PT_WRITE, PT_NORMAL }, 0);
	if (err) {
		int freed = frames_free(k->frames, f, order);

		return freed ? freed : err;
	}
	k->next = va + size;
	*top = (uintptr_t)(va + size);
	return MM_OK;
}

/* [KS2] */
int kspace_map(struct kspace *k, paddr_t pa, uint64_t size, enum pt_memory memory, void **out)
{
	uint64_t first = ALIGN_DOWN(pa.v, PAGE_SIZE), va;
	int err;

	if (size == 0)
		return MM_EINVAL;
	if (size > UINT64_MAX - PAGE_SIZE - pa.v)
		return MM_ERANGE;
	size = ALIGN_UP(pa.v + size, PAGE_SIZE) - first;
	err = reserve(k, first, size, &va);
	if (err)
		return err;
	err = pgtable_map(k->tables, va, paddr(first), size, (struct pt_attrs){ PT_WRITE, memory }, 0);
	if (err)
		return err;
	k->next = va + size;
	*out = (void *)(uintptr_t)(va + (pa.v - first));
	return MM_OK;
}
