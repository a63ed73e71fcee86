/* SPDX-License-Identifier: BSD-2-Clause */
/* The textbook buddy with last-in, first-out lists (tests/bench/packing/lifo_buddy.h). Plain before fast. */
#include "tests/bench/packing/lifo_buddy.h"

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static void push(struct lifo_buddy *b, uint32_t i, unsigned order)
{
	struct lifo_frame *f = &b->frames[i];
	uint32_t next = b->head[order];

	*f = (struct lifo_frame){ .next = next, .prev = LIFO_NONE, .state = LIFO_FREE, .order = (uint8_t)order };
	if (next != LIFO_NONE)
		b->frames[next].prev = i;
	b->head[order] = i;
}

/* The block is inside another one, or allocated, in a moment: the caller says which. */
static void unlink_block(struct lifo_buddy *b, uint32_t i)
{
	const struct lifo_frame *f = &b->frames[i];

	if (f->prev == LIFO_NONE)
		b->head[f->order] = f->next;
	else
		b->frames[f->prev].next = f->next;
	if (f->next != LIFO_NONE)
		b->frames[f->next].prev = f->prev;
	b->frames[i].state = LIFO_INSIDE;
}

/* ---- the allocator ----------------------------------------------------------------------------------------------- */

int lifo_init(struct lifo_buddy *b, struct lifo_frame *frames, uint64_t start, uint64_t pages, unsigned max_order)
{
	if (!pages || max_order > MAX_ORDER)
		return MM_EINVAL;
	if (!IS_ALIGNED(start, SECTION_PAGES))
		return MM_EALIGN;
	if (pages >= LIFO_NONE)
		return MM_ERANGE;
	*b = (struct lifo_buddy){ .frames = frames, .start = start, .pages = (uint32_t)pages, .max_order = max_order };
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		b->head[order] = LIFO_NONE;
	for (uint64_t i = 0; i < pages; i++)
		frames[i] = (struct lifo_frame){ .state = LIFO_HOLE };
	return MM_OK;
}

/* [PK1] */
static void merge(struct lifo_buddy *b, uint32_t i, unsigned order)
{
	b->free_pages += (uint64_t)1 << order;
	for (; order < b->max_order; order++) {
		uint32_t buddy = i ^ (uint32_t)1 << order;

		if (buddy >= b->pages || b->frames[buddy].state != LIFO_FREE || b->frames[buddy].order != order)
			break;
		unlink_block(b, buddy);
		b->frames[i].state = LIFO_INSIDE;
		i &= ~((uint32_t)1 << order);
	}
	push(b, i, order);
}

int lifo_add_memory(struct lifo_buddy *b, uint64_t start, uint64_t pages)
{
	uint32_t first, end;

	if (start < b->start || start - b->start >= b->pages || pages > b->pages - (start - b->start))
		return MM_ERANGE;
	first = (uint32_t)(start - b->start);
	end = first + (uint32_t)pages;
	for (uint32_t i = first; i < end; i++)
		if (b->frames[i].state != LIFO_HOLE)
			return MM_EEXIST;
	for (uint32_t i = first, order; i < end; i += (uint32_t)1 << order) {
		for (order = 0; order < b->max_order; order++)
			if (i & (uint32_t)1 << order || end - i < (uint32_t)2 << order)
				break;
		for (uint32_t k = 0; k < (uint32_t)1 << order; k++)
			b->frames[i + k].state = LIFO_INSIDE;
		merge(b, i, order);
	}
	return MM_OK;
}

/* [PK1] */
int lifo_alloc(struct lifo_buddy *b, unsigned order, uint64_t *out)
{
	unsigned from = order;
	uint32_t i;

	if (order > b->max_order)
		return MM_EINVAL;
	while (from <= b->max_order && b->head[from] == LIFO_NONE)
		from++;
	if (from > b->max_order)
		return MM_ENOMEM;
	i = b->head[from];
	unlink_block(b, i);
	while (from > order) {
		from--;
		push(b, i + ((uint32_t)1 << from), from);
	}
	b->frames[i] = (struct lifo_frame){ .state = LIFO_USED, .order = (uint8_t)order };
	b->free_pages -= (uint64_t)1 << order;
	*out = b->start + i;
	return MM_OK;
}

/* Whether frame i, which begins no block, is in a free one. */
static bool inside_free(const struct lifo_buddy *b, uint32_t i)
{
	for (unsigned order = 1; order <= b->max_order; order++) {
		const struct lifo_frame *f = &b->frames[i & ~(((uint32_t)1 << order) - 1)];

		if ((f->state == LIFO_FREE || f->state == LIFO_USED) && f->order >= order)
			return f->state == LIFO_FREE;
	}
	return false;
}

/* [PK1] */
int lifo_free(struct lifo_buddy *b, uint64_t n, unsigned order)
{
	uint32_t i;

	if (n < b->start || n - b->start >= b->pages)
		return MM_EFOREIGN;
	i = (uint32_t)(n - b->start);
	switch (b->frames[i].state) {
	case LIFO_USED:
		if (b->frames[i].order != order)
			return MM_EORDER;
		merge(b, i, order);
		return MM_OK;
	case LIFO_FREE:
		return MM_EDOUBLE;
	case LIFO_INSIDE:
		return inside_free(b, i) ? MM_EDOUBLE : MM_EINTERIOR;
	default:
		return MM_EFOREIGN;
	}
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

uint64_t lifo_count_blocks(const struct lifo_buddy *b, unsigned order)
{
	uint64_t count = 0;

	for (uint32_t i = b->head[order]; i != LIFO_NONE; i = b->frames[i].next)
		count++;
	return count;
}

/* The list of `order`: links go both ways, and every block in it is a free one of that order. Adds to *blocks. */
static bool list_is_good(const struct lifo_buddy *b, unsigned order, uint64_t *blocks)
{
	uint32_t prev = LIFO_NONE;

	for (uint32_t i = b->head[order]; i != LIFO_NONE; prev = i, i = b->frames[i].next) {
		if (i >= b->pages || b->frames[i].state != LIFO_FREE || b->frames[i].order != order ||
		    b->frames[i].prev != prev)
			return false;
		/* A ring has more blocks than there are frames. */
		if (++*blocks > b->pages)
			return false;
	}
	return true;
}

/* [PK2] */
int lifo_validate(const struct lifo_buddy *b)
{
	uint64_t listed = 0, found = 0, free_pages = 0;

	for (unsigned order = 0; order <= MAX_ORDER; order++)
		if ((order > b->max_order && b->head[order] != LIFO_NONE) || !list_is_good(b, order, &listed))
			return MM_ECORRUPT;
	for (uint32_t i = 0; i < b->pages;) {
		const struct lifo_frame *f = &b->frames[i];
		uint32_t size = (uint32_t)1 << (f->order & 31), buddy = i ^ size;

		if (f->state == LIFO_HOLE) {
			i++;
			continue;
		}
		/* The tiling is left when a block's inside begins one of its own, or a block begins with an inside. */
		if (f->state == LIFO_INSIDE || f->order > b->max_order || (i & (size - 1)) || size > b->pages - i)
			return MM_ECORRUPT;
		for (uint32_t k = 1; k < size; k++)
			if (b->frames[i + k].state != LIFO_INSIDE)
				return MM_ECORRUPT;
		if (f->state == LIFO_FREE) {
			found++;
			free_pages += size;
			if (f->order < b->max_order && buddy < b->pages && b->frames[buddy].state == LIFO_FREE &&
			    b->frames[buddy].order == f->order)
				return MM_ECORRUPT;
		}
		i += size;
	}
	return listed == found && free_pages == b->free_pages ? MM_OK : MM_ECORRUPT;
}
