/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page-table suites' physical memory: pages, a pool, roots. Contracts in the header; the fake format is in
 * fake_format.c.
 */
#include "tests/suites/table_arena.h"

static uint8_t memory[ARENA_PAGES][PAGE_SIZE] __attribute__((aligned(65536)));

struct arena arena;

static uint8_t *page(uint64_t i)
{
	return memory[i];
}

/* Garbage that looks like valid descriptors to the architecture: whoever reads it will not get away with it. */
static void spoil(uint64_t i, uint64_t pattern)
{
	uint64_t *words = (uint64_t *)(void *)page(i);

	for (unsigned w = 0; w < PAGE_SIZE / sizeof(*words); w++)
		words[w] = pattern | (uint64_t)w << 13;
}

static uint64_t index_of(paddr_t pa)
{
	if (pa.v < arena.base.v || pa.v - arena.base.v >= sizeof(memory) || (pa.v & PAGE_MASK)) {
		arena.errors++;
		return 0;
	}
	return (pa.v - arena.base.v) >> PAGE_SHIFT;
}

void arena_reset(void)
{
	arena = (struct arena){ .base = paddr(ARENA_PA), .fail_at = ARENA_NEVER };
}

void arena_reset_linear(void)
{
	arena_reset();
	arena.base = virt_to_phys(memory);
}

void arena_fail_at(uint64_t k)
{
	arena.fail_at = k;
	arena.tried = 0;
}

static bool take(unsigned order, paddr_t *out)
{
	uint64_t n = (uint64_t)1 << order;

	if (arena.tried++ >= arena.fail_at)
		return false;
	for (uint64_t i = 0; i + n <= ARENA_PAGES; i += n) {
		bool free = true;

		for (uint64_t k = i; k < i + n; k++)
			free = free && !arena.busy[k];
		if (!free)
			continue;
		for (uint64_t k = i; k < i + n; k++) {
			arena.busy[k] = true;
			spoil(k, 0x00400000000007ff);
		}
		arena.in_use += n;
		arena.allocs++;
		*out = paddr(arena.base.v + i * PAGE_SIZE);
		return true;
	}
	return false;
}

static void give(unsigned order, paddr_t pa)
{
	if (arena.on_free)
		arena.on_free(pa);
	for (uint64_t k = 0; k < (uint64_t)1 << order; k++) {
		uint64_t i = index_of(paddr(pa.v + k * PAGE_SIZE));

		if (!arena.busy[i]) {
			arena.errors++;
			return;
		}
		arena.busy[i] = false;
		arena.in_use--;
		spoil(i, 0x0000000000000003);
	}
	arena.frees++;
}

static bool alloc_page(void *ctx, paddr_t *out)
{
	if (ctx != &arena)
		arena.errors++;
	return take(0, out);
}

static void free_page(void *ctx, paddr_t pa)
{
	if (ctx != &arena)
		arena.errors++;
	give(0, pa);
}

const struct page_allocator arena_allocator = { alloc_page, free_page, &arena };

void *arena_table_virt(const struct pgtable *pt, paddr_t pa)
{
	uint64_t i = index_of(pa);

	(void)pt;
	if (!arena.busy[i])
		arena.errors++;
	return page(i);
}

bool arena_alloc_roots(void *ctx, unsigned order, paddr_t *out)
{
	(void)ctx;
	return take(order, out);
}

void arena_free_roots(void *ctx, unsigned order, paddr_t roots)
{
	(void)ctx;
	give(order, roots);
}

void arena_make_pool(struct pt_pool *pool, unsigned n)
{
	for (uint64_t i = ARENA_PAGES - n; i < ARENA_PAGES; i++) {
		if (arena.busy[i])
			arena.errors++;
		arena.busy[i] = true;
		arena.in_use++;
		spoil(i, 0x00400000000007ff);
	}
	pt_pool_init(pool, page(ARENA_PAGES - n), paddr(arena.base.v + (ARENA_PAGES - n) * PAGE_SIZE), n);
}

uint64_t arena_hash(void)
{
	uint64_t h = 0xcbf29ce484222325;

	for (uint64_t i = 0; i < ARENA_PAGES; i++) {
		const uint64_t *words = (const uint64_t *)(const void *)page(i);

		if (!arena.busy[i])
			continue;
		h = (h ^ i) * 0x100000001b3;
		for (unsigned w = 0; w < PAGE_SIZE / sizeof(*words); w++)
			h = (h ^ words[w] ^ h >> 29) * 0x9e3779b97f4a7c15;
	}
	return h;
}

uint64_t rng_next(struct rng *r)
{
	uint64_t x = r->state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	r->state = x;
	return x * 0x2545f4914f6cdd1d;
}
