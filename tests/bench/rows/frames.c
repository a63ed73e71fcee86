/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rows of page frames on one CPU. Each says in which state of the allocator it is measured; where a state matters (no CPU
 * cache, a busy neighbour, a merged section) it is made with public calls before, and taken away after.
 */
#include "tests/bench/rows/bench.h"

#define PAIRS 1000
#define BATCH 4096

/* ---- pairs ------------------------------------------------------------------------------------------------------------- */

void bench_pair0(void)
{
	const struct loop l = { .n = PAIRS };
	int bad = 0;
	int64_t cost = bench_loop(&l, NULL, loop_pairs, loop_pairs_empty, NULL, &bad);

	bench_row("frames.pair0", cost, PAIRS, bad);
}

static void pair9_cached(void)
{
	const struct loop l = { .n = PAIRS };
	int bad = 0;
	int64_t cost = bench_loop(&l, NULL, loop_pairs_2m, loop_pairs_2m_empty, NULL, &bad);

	bench_row("frames.pair9_cached", cost, PAIRS, bad);
}

/* PAIRS pairs by the general functions. */
static int64_t pairs_of(unsigned order, int *bad)
{
	const struct loop l = { .n = PAIRS, .argument = order };

	return bench_loop(&l, NULL, loop_pairs_order, loop_pairs_order_empty, NULL, bad);
}

static void pair(const char *key, unsigned order)
{
	int bad = 0;
	int64_t cost = pairs_of(order, &bad);

	bench_row(key, cost, PAIRS, bad);
}

/*
 * A pair of blocks whose neighbour is busy: neither split nor merge. Blocks are taken until two in a row are neighbours; the second
 * is given back, and is the one that every request finds.
 */
static void neighbour_busy(const char *key, unsigned order)
{
	const uint64_t bytes = GR_PAGE_SIZE << order;
	unsigned n = 0;
	int bad = gr_alloc_pages(order, 0, TAG, &bench_pages[n]);
	int64_t cost;

	do {
		n++;
		bad |= gr_alloc_pages(order, 0, TAG, &bench_pages[n]);
	} while (!bad && n < PAGES_MAX - 1 && bench_pages[n] != (bench_pages[n - 1] ^ bytes));
	bad |= gr_free_pages(bench_pages[n], order);
	cost = pairs_of(order, &bad);
	while (n-- && !bad)
		bad |= gr_free_pages(bench_pages[n], order);
	bench_row(key, cost, PAIRS, bad);
}

/* A CPU without a cache: every request goes to the banks. Order 18 first, while there are GiBs that were never in pieces. */
void bench_frames_uncached(void)
{
	int bad = gr_cpu_offline();

	pair("frames.pair18", 18);
	neighbour_busy("frames.pair9", 9);
	neighbour_busy("frames.pair10", 10);
	neighbour_busy("frames.pair0_uncached", 0);
	bad |= gr_cpu_online(0, 0);
	if (bad)
		bench_fail("gr_cpu_offline, gr_cpu_online");
}

/* ---- many -------------------------------------------------------------------------------------------------------------- */

/* All allocated in a row, then all freed in the order in which they came. */
static void batch0(void)
{
	const struct loop l = { .n = BATCH, .array = bench_pages };
	int bad = 0;
	int64_t cost;

	cost = bench_loop(&l, NULL, loop_alloc, loop_alloc_empty, loop_free, &bad);
	bench_row("frames.batch0_alloc", cost, BATCH, bad);
	cost = bench_loop(&l, loop_alloc, loop_free, loop_free_empty, NULL, &bad);
	bench_row("frames.batch0_free", cost, BATCH, bad);
}

/* Many more than a cache holds, freed in another order than they came. */
static void stride0(void)
{
	const struct loop l = { .n = PAGES_MAX, .array = bench_pages, .argument = PAGES_MAX - 1 };
	int bad = 0;
	int64_t cost;

	cost = bench_loop(&l, NULL, loop_alloc, loop_alloc_empty, loop_free_strided, &bad);
	bench_row("frames.stride0_alloc", cost, PAGES_MAX, bad);
	cost = bench_loop(&l, loop_alloc, loop_free_strided, loop_free_strided_empty, NULL, &bad);
	bench_row("frames.stride0_free", cost, PAGES_MAX, bad);
}

/* One call for 64 frames, the whole call in the price. */
static void bulk64(void)
{
	int bad = 0;
	uint64_t cost;

	cost = LEAST((void)0, bad |= gr_alloc_bulk(64, 0, TAG, bench_pages), bad |= gr_free_bulk(64, bench_pages));
	bench_row("frames.bulk64", (int64_t)cost, 64, bad);
	cost = LEAST(bad |= gr_alloc_bulk(64, 0, TAG, bench_pages), bad |= gr_free_bulk(64, bench_pages), (void)0);
	bench_row("frames.bulk64_free", (int64_t)cost, 64, bad);
}

void bench_frames(void)
{
	bench_pair0();
	pair("frames.pair0_general", 0);
	pair9_cached();
	batch0();
	stride0();
	bulk64();
}

/* ---- what laziness put off ----------------------------------------------------------------------------------------------- */

/* Everything there is, as single frames, straight after gr_init(): not given back, and so measured once. */
void bench_first_touch(void)
{
	struct gr_stats before, after;
	struct loop l = { 0 };
	uint64_t start, cost, empty;
	int addresses;

	gr_get_stats(&before);
	l.n = before.free_pages;
	start = bench_now();
	addresses = loop_touch(&l);
	cost = bench_now() - start;
	start = bench_now();
	loop_touch_empty(&l);
	empty = bench_now() - start;
	gr_get_stats(&after);
	bench_row("frames.first_touch", (int64_t)(cost - empty), l.n, (addresses & 1) || after.free_pages);
}

/* ---- split and merge ------------------------------------------------------------------------------------------------------ */

/* Two neighbours: the first splits a merged GiB down to `order`, and when it comes back as the last, all is merged again. */
static __attribute__((noinline)) int neighbours(unsigned order)
{
	uint64_t a = 0, b = 0;
	int bad = gr_alloc_pages(order, 0, TAG, &a);

	bad |= gr_alloc_pages(order, 0, TAG, &b);
	bad |= a + (GR_PAGE_SIZE << order) != b;
	bad |= gr_free_pages(b, order);
	return bad | gr_free_pages(a, order);
}

/*
 * One level of a split and of the merge that undoes it, in a machine with one bank. Every block below a GiB is taken first, so
 * that each round splits a whole, merged GiB: order k goes 18 - k levels down and up. A block alone would not do: the bank
 * puts one that comes straight back into the bitmaps only when something else is asked of it. Orders 1 and 17 are compared,
 * which take the same way to the bank; single frames ask for a CPU's cache first.
 */
void bench_levels(void)
{
	int64_t cost[GR_MAX_ORDER] = { 0 };
	unsigned taken = 0;
	struct gr_stats s;
	int bad = gr_cpu_offline();

	for (int order = GR_MAX_ORDER - 1; order >= 0; order--) {
		for (gr_get_stats(&s); s.free_blocks[order] && !bad; gr_get_stats(&s)) {
			bad |= gr_alloc_pages((unsigned)order, 0, TAG, &bench_pages[taken]);
			taken++;
		}
	}
	bad |= s.free_blocks[GR_MAX_ORDER] == 0 || s.free_pages != s.free_blocks[GR_MAX_ORDER] << GR_MAX_ORDER;
	for (unsigned order = 1; order < GR_MAX_ORDER; order++)
		cost[order] = (int64_t)LEAST((void)0, bad |= neighbours(order), (void)0);
	bench_row("frames.level", cost[1] - cost[GR_MAX_ORDER - 1], GR_MAX_ORDER - 2, bad);
}

/* ---- metadata ----------------------------------------------------------------------------------------------------------- */

/* Straight after gr_init(): what is neither free nor the heap's, nor the embedder's, is metadata, the CPU's cache included. */
void bench_metadata(void)
{
	struct gr_stats s;

	gr_get_stats(&s);
	bench_figure("frames.bytes_per_page", bench_usable_bytes() - s.free_pages * GR_PAGE_SIZE - s.heap_reserved,
		     s.ram_bytes / GR_PAGE_SIZE);
}
