/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bump allocator: a cursor between two bounds. Sums are never formed before it is known that they fit: padding is taken from
 * what remains, then the size from what remains after it.
 */
#include "mm/bump.h"

/* [BA1] [BA2] */
int bump_new(struct bump *b, paddr_t start, uint64_t size)
{
	if (size == 0)
		return MM_EINVAL;
	if (size > UINT64_MAX - start.v)
		return MM_ERANGE;
	*b = (struct bump){ .start = start.v, .end = start.v + size, .next = start.v };
	return MM_OK;
}

/* [BA4] [BA5] [BA6] [BA7] */
int bump_alloc_aligned(struct bump *b, uint64_t size, uint64_t align, paddr_t *out)
{
	uint64_t room = bump_remaining(b);
	uint64_t padding;

	if (size == 0 || !is_pow2(align))
		return MM_EINVAL;
	padding = (0 - b->next) & (align - 1);
	if (padding > room || size > room - padding)
		return MM_ENOMEM;
	*out = paddr(b->next + padding);
	b->next += padding + size;
	return MM_OK;
}

/* [BA3] */
int bump_alloc_page(struct bump *b, paddr_t *out)
{
	return bump_alloc_aligned(b, PAGE_SIZE, PAGE_SIZE, out);
}

/* [BA8] */
int bump_alloc(struct bump *b, uint64_t size, paddr_t *out)
{
	return bump_alloc_aligned(b, size, 8, out);
}

/* [BA9] */
uint64_t bump_remaining(const struct bump *b)
{
	return b->end - b->next;
}

/* [BA9] */
uint64_t bump_allocated(const struct bump *b)
{
	return b->next - b->start;
}

/* [BA10] */
void bump_reset(struct bump *b)
{
	b->next = b->start;
}
