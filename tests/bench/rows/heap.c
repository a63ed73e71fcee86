/* SPDX-License-Identifier: BSD-2-Clause */
/* The rows of the heap on one CPU, at the hardening level that the library has. */
#include "tests/bench/rows/bench.h"

#define PAIRS 1000
#define BATCH 4096
#define SLOTS 512
#define TURNS 8192

static void *objects[BATCH];
static uint16_t turn_slot[TURNS], turn_size[TURNS];

/* gr_kfree(NULL) is no error: that there are objects is seen here. */
static int any_missing(const struct loop *l)
{
	int missing = 0;

	for (uint64_t i = 0; i < l->n; i++)
		missing |= !objects[i];
	return missing;
}

static int free_all(const struct loop *l)
{
	return any_missing(l) | loop_heap_free(l);
}

static void pair(const char *key, uint64_t size)
{
	const struct loop l = { .n = PAIRS, .argument = size };
	int bad = 0;
	int64_t cost = bench_loop(&l, NULL, loop_heap_pairs, loop_heap_pairs_empty, NULL, &bad);
	void *p = gr_kmalloc(size);

	bad |= !p || gr_kfree(p);
	bench_row(key, cost, PAIRS, bad);
}

static void batch64(void)
{
	const struct loop l = { .n = BATCH, .array = objects, .argument = 64 };
	int bad = 0;
	int64_t cost;

	cost = bench_loop(&l, NULL, loop_heap_alloc, loop_heap_alloc_empty, free_all, &bad);
	bench_row("heap.batch64_alloc", cost, BATCH, bad);
	cost = bench_loop(&l, loop_heap_alloc, loop_heap_free, loop_heap_free_empty, NULL, &bad);
	bench_row("heap.batch64_free", cost, BATCH, bad);
}

static int fill_slots(const struct loop *l)
{
	(void)l;
	for (unsigned i = 0; i < SLOTS; i++)
		objects[i] = gr_kmalloc(16 + i * 16);
	return 0;
}

static int empty_slots(const struct loop *l)
{
	const struct loop slots = { .n = SLOTS, .array = objects };

	(void)l;
	return free_all(&slots);
}

/* 512 objects of 16 to 8192 bytes; each turn frees one at random and allocates another in its place. The dice are cast before. */
static void churn(void)
{
	const struct loop l = { .n = TURNS, .array = objects, .slot = turn_slot, .size = turn_size };
	uint64_t seed = 1;
	int bad = 0;
	int64_t cost;

	for (unsigned i = 0; i < TURNS; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		turn_slot[i] = (uint16_t)((seed >> 33) % SLOTS);
		turn_size[i] = (uint16_t)(16 + (seed >> 42) % (8192 - 16 + 1));
	}
	cost = bench_loop(&l, fill_slots, loop_churn, loop_churn_empty, empty_slots, &bad);
	bench_row("heap.churn", cost, TURNS, bad);
}

void bench_heap(void)
{
	pair("heap.pair64", 64);
	pair("heap.pair1024", 1024);
	pair("heap.pair8192", 8192);
	batch64();
	churn();
}
