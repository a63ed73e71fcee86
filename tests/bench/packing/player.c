/* SPDX-License-Identifier: BSD-2-Clause */
/* The player and its account of memory (tests/bench/packing/player.h). */
#include "tests/bench/packing/player.h"
#include <stdio.h>
#include <stdlib.h>

static _Noreturn void refute(const struct player *p, const char *what, uint64_t n)
{
	fprintf(stderr, "packing: %s: %s (0x%llx, request %llu)\n", p->name, what, (unsigned long long)n,
		(unsigned long long)p->requests);
	exit(2);
}

static void *zeroed(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory) {
		fprintf(stderr, "packing: no memory\n");
		exit(2);
	}
	return memory;
}

void player_init(struct player *p, const struct subject *s, const char *name, uint64_t start, uint64_t pages,
		 uint32_t blocks)
{
	*p = (struct player){ .subject = *s, .name = name, .start = start, .pages = pages, .blocks = blocks };
	p->pages = ALIGN_UP(pages, SECTION_PAGES);
	p->used = zeroed(p->pages, sizeof(*p->used));
	p->used_2m = zeroed(p->pages >> ORDER_2M, sizeof(*p->used_2m));
	p->used_1g = zeroed(p->pages >> MAX_ORDER, sizeof(*p->used_1g));
	p->block = zeroed(blocks, sizeof(*p->block));
	for (uint64_t i = 0; i < p->pages; i++)
		p->used[i] = 1;
	for (uint64_t i = 0; i < p->pages >> ORDER_2M; i++)
		p->used_2m[i] = 1 << ORDER_2M;
	for (uint64_t i = 0; i < p->pages >> MAX_ORDER; i++)
		p->used_1g[i] = 1 << MAX_ORDER;
}

void player_end(struct player *p)
{
	p->subject.end(p->subject.state);
	free(p->used);
	free(p->used_2m);
	free(p->used_1g);
	free(p->block);
}

/* Frames [n, n + pages) become used or free; they must all have been the other. */
static void account(struct player *p, uint64_t n, uint64_t pages, bool used)
{
	for (uint64_t i = n - p->start; i < n - p->start + pages; i++) {
		if (p->used[i] == used)
			refute(p, used ? "a frame that is in use was handed out" : "a frame that is free was freed", i);
		p->used[i] = used;
		p->used_2m[i >> ORDER_2M] = (uint16_t)(p->used_2m[i >> ORDER_2M] + (used ? 1 : -1));
		p->used_1g[i >> MAX_ORDER] += used ? 1 : -1U;
	}
	p->free_pages += used ? -pages : pages;
}

/* FNV-1a over what was asked and whether it was granted. */
static void digest(struct player *p, uint64_t word)
{
	p->digest = (p->digest ^ word) * UINT64_C(0x100000001b3);
}

/* [PK3] */
void player_give(struct player *p, uint64_t start, uint64_t pages)
{
	if (start < p->start || pages > p->pages || start - p->start > p->pages - pages)
		refute(p, "the trace gives memory outside its range", start);
	if (!p->subject.give(p->subject.state, start, pages))
		refute(p, "memory was not taken", start);
	account(p, start, pages, false);
	p->total_pages += pages;
	digest(p, start ^ pages << 32);
}

/* [PK3] */
bool player_alloc(struct player *p, unsigned cpu, uint32_t number, unsigned order)
{
	uint64_t n = 0;
	bool ok;

	if (number >= p->blocks || p->block[number].live)
		refute(p, "the trace allocates a block that is there", number);
	ok = p->subject.alloc(p->subject.state, cpu, order, &n);
	p->requests++;
	p->failures += !ok;
	digest(p, number | (uint64_t)order << 32 | (uint64_t)ok << 40);
	if (!ok)
		return false;
	if (n < p->start || n - p->start >= p->pages || !IS_ALIGNED(n, (uint64_t)1 << order))
		refute(p, "a block that is not aligned, or no memory", n);
	account(p, n, (uint64_t)1 << order, true);
	p->block[number] = (struct player_block){ .n = n, .order = (uint8_t)order, .live = true };
	return true;
}

/* [PK3] */
void player_free(struct player *p, unsigned cpu, uint32_t number)
{
	struct player_block *b = &p->block[number];

	if (number >= p->blocks || !b->live)
		refute(p, "the trace frees a block that is not there", number);
	if (!p->subject.free(p->subject.state, cpu, b->n, b->order))
		refute(p, "a good free was refused", b->n);
	account(p, b->n, (uint64_t)1 << b->order, false);
	b->live = false;
	digest(p, number);
}

void player_point(struct player *p, const char *name)
{
	if (p->point)
		p->point(p, name);
}

/* ---- the account ------------------------------------------------------------------------------------------------- */

static double share(uint64_t part, uint64_t all)
{
	return all ? (double)part / (double)all : 1;
}

double packing_share_2m(const struct packing *p)
{
	return share(p->whole_2m << ORDER_2M, p->free_pages);
}

double packing_share_1g(const struct packing *p)
{
	return share(p->whole_1g << MAX_ORDER, p->free_pages);
}

/* Free blocks as a buddy of largest order `top` must have them: the largest aligned ranges that are free. */
static void blocks_of(const struct player *p, unsigned top, uint64_t blocks[MAX_ORDER + 1])
{
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		blocks[order] = 0;
	for (uint64_t i = 0; i < p->pages;) {
		unsigned order = 0;

		/* Whole used ranges need no look at their frames. */
		if (IS_ALIGNED(i, 1 << ORDER_2M) && p->used_2m[i >> ORDER_2M] == 1 << ORDER_2M) {
			i += 1 << ORDER_2M;
			continue;
		}
		if (p->used[i]) {
			i++;
			continue;
		}
		for (; order < top && IS_ALIGNED(i, (uint64_t)2 << order); order++) {
			uint64_t n = i + ((uint64_t)1 << order), end = n + ((uint64_t)1 << order);
			bool all = true;

			if (order >= ORDER_2M)
				for (; n < end && all; n += 1 << ORDER_2M)
					all = !p->used_2m[n >> ORDER_2M];
			else
				for (; n < end && all; n++)
					all = !p->used[n];
			if (!all)
				break;
		}
		blocks[order]++;
		i += (uint64_t)1 << order;
	}
}

/* [PK4] */
struct packing player_packing(const struct player *p)
{
	struct packing out = { .free_pages = p->free_pages, .largest = -1 };
	uint64_t blocks[MAX_ORDER + 1];

	for (uint64_t i = 0; i < p->pages >> ORDER_2M; i++)
		out.whole_2m += !p->used_2m[i];
	for (uint64_t i = 0; i < p->pages >> MAX_ORDER; i++)
		out.whole_1g += !p->used_1g[i];
	blocks_of(p, MAX_ORDER, blocks);
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		if (blocks[order])
			out.largest = (int)order;
	return out;
}

/* [PK4] */
struct packing player_packing_undrained(struct player *p)
{
	struct packing out = { .free_pages = p->free_pages, .largest = -1 };
	uint64_t blocks[MAX_ORDER + 1];

	out.whole_2m = p->subject.count(p->subject.state, blocks);
	for (unsigned order = 0; order <= p->subject.max_order; order++) {
		if (blocks[order])
			out.largest = (int)order;
		if (order >= ORDER_2M)
			out.whole_2m += blocks[order] << (order - ORDER_2M);
	}
	out.whole_1g = blocks[MAX_ORDER];
	return out;
}

/* [PK3] */
void player_check(struct player *p)
{
	uint64_t want[MAX_ORDER + 1], got[MAX_ORDER + 1];

	p->subject.drain(p->subject.state);
	if (!p->subject.validate(p->subject.state))
		refute(p, "its state is not valid", 0);
	blocks_of(p, p->subject.max_order, want);
	if (p->subject.count(p->subject.state, got))
		refute(p, "caches hold blocks that were drained", 0);
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		if (want[order] != got[order])
			refute(p, "its free blocks are not those of the account, order", order);
}

uint64_t player_probe_2m(struct player *p)
{
	uint64_t limit = p->pages >> ORDER_2M, count = 0;
	uint64_t *n = zeroed(limit, sizeof(*n));

	while (count < limit && p->subject.alloc(p->subject.state, 0, ORDER_2M, &n[count]))
		count++;
	for (uint64_t i = 0; i < count; i++)
		if (!p->subject.free(p->subject.state, 0, n[i], ORDER_2M))
			refute(p, "a good free was refused", n[i]);
	free(n);
	return count;
}
