/* SPDX-License-Identifier: BSD-2-Clause */
/* More than one block of a bank: below a limit, across blocks and sections, and a walk over everything that is free. */
#include "lib/bitmap.h"
#include "lib/panic.h"
#include "mm/buddy.h"
#include "mm/buddy_fast.h"

/* ---- taking ------------------------------------------------------------------------------------------------------ */

/* The first frame of the lowest free block of the order; there is one. */
static uint64_t lowest_free(struct buddy *b, unsigned order) REQUIRES(b->lock)
{
	uint64_t n = (top_find(b, order, b->depth == 1) + b->first_section) << MAX_ORDER;

	if (order == MAX_ORDER)
		return n;
	if (order >= 2 * NODE_ORDERS)
		return n + ((uint64_t)lowest_bit(section_at(b, n)[order]) << order);
	n += (uint64_t)lowest_bit(section_at(b, n)[order]) << (2 * NODE_ORDERS);
	if (order >= NODE_ORDERS)
		return n + ((uint64_t)lowest_bit(mid_at(b, n)[order]) << order);
	n += (uint64_t)lowest_bit(mid_at(b, n)[order]) << NODE_ORDERS;
	/* Higher orders stand above the field, lower ones are shifted out. */
	return n + ((uint64_t)lowest_bit(leaf_at(b, n)[order != 0] >> leaf_shift(order)) << order);
}

/* [FX3] */
int buddy_take_range_locked(struct buddy *b, uint64_t n, uint64_t pages, unsigned tag)
{
	uint64_t end = n + pages;
	struct frame_info info;
	unsigned order;

	/* Free blocks that can be merged are merged: what is free and aligned lies in one of them. */
	for (uint64_t at = n; at < end; at += (uint64_t)1 << order) {
		order = fitting_order(at, end);
		buddy_query_locked(b, at, &info);
		if (info.role != FRAME_FREE || info.cached || info.order < order)
			return MM_EBUSY;
	}
	for (uint64_t at = n; at < end; at += (uint64_t)1 << order) {
		int err;

		order = fitting_order(at, end);
		err = buddy_take_locked(b, at, order, tag);
		if (err)
			panic("frames: block of order %u at frame 0x%llx was free: %s", order, (unsigned long long)at,
			      mm_strerror(err));
	}
	return MM_OK;
}

/* The lowest block of an order that ends too late: then all others of the order do. [FX1] */
uint64_t buddy_take_lowest_locked(struct buddy *b, uint64_t pages, uint64_t end, unsigned tag)
{
	unsigned order = pages > 1 ? word_highest(pages - 1) + 1 : 0;

	buddy_settle_locked(b);
	for (; order <= MAX_ORDER; order++) {
		uint64_t n = b->top[order] ? lowest_free(b, order) : end;

		if (n < end && end - n >= pages) {
			int err = buddy_take_range_locked(b, n, pages, tag);

			if (err)
				panic("frames: bit of order %u at frame 0x%llx, but no such free block", order,
				      (unsigned long long)n);
			return n;
		}
	}
	return BUDDY_NONE;
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

/* Each of the lower 32 bits of x twice, side by side. */
static uint64_t twice(uint64_t x)
{
	x = (x | x << 16) & 0x0000ffff0000ffff;
	x = (x | x << 8) & 0x00ff00ff00ff00ff;
	x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
	x = (x | x << 2) & 0x3333333333333333;
	x = (x | x << 1) & 0x5555555555555555;
	return x | x << 1;
}

/* What of the 64 children of a node is free: as a whole, or in parts. */
struct children {
	uint64_t whole, parts;
};

/* The leaf's blocks are a tree, stored bottom up: from the top down each bit stands for both of its halves. */
static struct children children_of_leaf(const uint64_t *leaf)
{
	struct children c = { 0, 0 };

	if (leaf[1])
		for (unsigned k = NODE_ORDERS - 1; k; k--)
			c.whole = twice(c.whole | (leaf[1] & leaf_field[k]) >> leaf_shift(k));
	c.whole |= leaf[0];
	return c;
}

/* Words of a mid or section: those below order `from` say which child has some, the next six are its own blocks. */
static struct children children_of(const uint64_t *words, unsigned from)
{
	struct children c = { 0, 0 };

	for (unsigned k = from + NODE_ORDERS - 1; k > from; k--)
		c.whole = twice(c.whole | words[k]);
	c.whole |= words[from];
	for (unsigned k = 0; k < from; k++)
		c.parts |= words[k];
	return c;
}

/* The lowest child: how many from it on are free as a whole; 0: it is free in parts. They are struck out. */
static unsigned next_children(struct children *c, unsigned *first)
{
	unsigned length = 0;
	uint64_t rest;

	*first = lowest_bit(c->whole | c->parts);
	rest = ~(c->whole >> *first);
	if (!rest)
		length = 64;
	else
		length = lowest_bit(rest);
	c->whole &= ~(word_mask(length) << *first);
	if (!length)
		c->parts &= ~bit64(*first);
	return length;
}

static bool walk_leaf(struct buddy *b, uint64_t n, buddy_see_fn see, void *ctx) REQUIRES(b->lock)
{
	struct children c = children_of_leaf(leaf_at(b, n));
	unsigned i, length;

	while (c.whole) {
		length = next_children(&c, &i);
		if (see(ctx, n + i, length))
			return true;
	}
	return false;
}

static bool walk_mid(struct buddy *b, uint64_t n, buddy_see_fn see, void *ctx) REQUIRES(b->lock)
{
	struct children c = children_of(mid_at(b, n), NODE_ORDERS);
	unsigned i, length;

	while (c.whole | c.parts) {
		length = next_children(&c, &i);
		if (length ? see(ctx, n + ((uint64_t)i << 6), (uint64_t)length << 6)
			   : walk_leaf(b, n + ((uint64_t)i << 6), see, ctx))
			return true;
	}
	return false;
}

static struct children children_of_section(struct buddy *b, uint64_t n) REQUIRES(b->lock)
{
	const struct children all = { UINT64_MAX, 0 }, none = { 0, 0 };
	uint64_t word;

	buddy_settle_locked(b);
	switch (b->section_table[n >> MAX_ORDER] & SECTION_STATE_MASK) {
	case SECTION_UNTOUCHED:
		return all;
	case SECTION_LIVE:
		/* Free as a whole: the section's node has no bit then. */
		word = n >= b->start ? record_load(b, n) : 0;
		if (page_word_state(word) == PAGE_FREE && page_word_order(word) == MAX_ORDER)
			return all;
		return children_of(section_at(b, n), 2 * NODE_ORDERS);
	default:
		return none;
	}
}

/* [FX4] */
void buddy_walk_free(struct buddy *b, buddy_see_fn see, void *ctx)
{
	for (uint64_t s = b->first_section; s < b->first_section + b->n_sections; s++) {
		uint64_t n = s << MAX_ORDER;
		unsigned long irq = spin_lock(&b->lock);
		struct children c = children_of_section(b, n);
		unsigned i, length;

		spin_unlock(&b->lock, irq);
		while (c.whole | c.parts) {
			bool enough;

			length = next_children(&c, &i);
			if (length) {
				enough = see(ctx, n + ((uint64_t)i << 12), (uint64_t)length << 12);
			} else {
				irq = spin_lock(&b->lock);
				buddy_settle_locked(b);
				enough = walk_mid(b, n + ((uint64_t)i << 12), see, ctx);
				spin_unlock(&b->lock, irq);
			}
			if (enough)
				return;
		}
	}
}
