/* SPDX-License-Identifier: BSD-2-Clause */
/* The synthetic traces of the packing benchmark (tests/bench/packing/traces.h). */
#include "tests/bench/packing/traces.h"
#include "tests/bench/packing/subjects.h"
#include <stdio.h>
#include <stdlib.h>

const struct trace traces[] = {
	{ "fill", "90 % filled, a random half freed, then in use", trace_fill },
	{ "long_lived", "long-lived among short-lived", trace_long_lived },
	{ "spaces", "address spaces", trace_spaces },
};
const unsigned n_traces = ARRAY_SIZE(traces);

/* ---- chance ------------------------------------------------------------------------------------------------------ */

/* splitmix64 */
static uint64_t chance(uint64_t *seed)
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* 0 .. n - 1 */
static uint32_t below(uint64_t *seed, uint64_t n)
{
	return (uint32_t)(chance(seed) % n);
}

/* 0 to 1 */
static double fraction(uint64_t *seed)
{
	return (double)(chance(seed) >> 11) / (double)(UINT64_C(1) << 53);
}

static unsigned some_cpu(uint64_t *seed)
{
	return below(seed, SUBJECT_CPUS);
}

/* ---- numbers for blocks ------------------------------------------------------------------------------------------ */

uint32_t trace_blocks(uint64_t pages)
{
	return (uint32_t)pages;
}

static void *array(size_t count, size_t size)
{
	void *a = calloc(count, size);

	if (!a) {
		fprintf(stderr, "packing: no memory\n");
		exit(2);
	}
	return a;
}

/* The traces leave enough memory free that no request fails. */
static void request(struct player *p, unsigned cpu, uint32_t number, unsigned order)
{
	if (!player_alloc(p, cpu, number, order)) {
		fprintf(stderr, "packing: %s has no block of order %u\n", p->name, order);
		exit(2);
	}
}

/* Numbers that no block has, last used first. */
struct numbers {
	uint32_t *spare;
	uint32_t count;
};

static struct numbers numbers_make(uint32_t n)
{
	struct numbers out = { .spare = array(n, sizeof(uint32_t)), .count = n };

	for (uint32_t i = 0; i < n; i++)
		out.spare[i] = n - 1 - i;
	return out;
}

static uint32_t ask(struct player *p, struct numbers *numbers, unsigned cpu, unsigned order)
{
	uint32_t number = numbers->spare[--numbers->count];

	request(p, cpu, number, order);
	return number;
}

static void give_back(struct player *p, struct numbers *numbers, unsigned cpu, uint32_t number)
{
	player_free(p, cpu, number);
	numbers->spare[numbers->count++] = number;
}

/* ---- fill -------------------------------------------------------------------------------------------------------- */

/* A random choice of k of the n blocks comes to the front. */
static void choose(uint32_t *block, uint32_t n, uint32_t k, uint64_t *seed)
{
	for (uint32_t i = 0; i < k; i++) {
		uint32_t j = i + below(seed, n - i), block_i = block[i];

		block[i] = block[j];
		block[j] = block_i;
	}
}

void trace_fill(struct player *p, uint64_t seed)
{
	uint32_t n = (uint32_t)(p->free_pages / 10 * 9), half = n / 2;
	uint32_t *block = array(n, sizeof(*block));

	for (uint32_t i = 0; i < n; i++) {
		block[i] = i;
		request(p, some_cpu(&seed), i, 0);
	}
	choose(block, n, half, &seed);
	for (uint32_t i = 0; i < half; i++)
		player_free(p, some_cpu(&seed), block[i]);
	player_point(p, "half");

	for (uint32_t i = half; i < n; i++)
		block[i - half] = block[i];
	n -= half;
	for (unsigned round = 1; round <= 128; round++) {
		uint32_t tenth = n / 10;

		choose(block, n, tenth, &seed);
		for (uint32_t i = 0; i < tenth; i++)
			player_free(p, some_cpu(&seed), block[i]);
		for (uint32_t i = 0; i < tenth; i++)
			request(p, some_cpu(&seed), block[i], 0);
	}
	free(block);
}

/* ---- long-lived among short-lived -------------------------------------------------------------------------------- */

#define KEPT_EVERY 4096
#define BURST_LOG 12

struct group {
	uint32_t *block;
	uint32_t blocks, limit;
	uint32_t pages;
	unsigned cpu;
};

/* Frees all blocks of group i, in random order; the last group takes its place. */
static void group_dies(struct player *p, struct numbers *numbers, struct group *group, uint32_t *groups, uint32_t i,
		       uint64_t *seed)
{
	struct group *g = &group[i];

	choose(g->block, g->blocks, g->blocks, seed);
	for (uint32_t k = 0; k < g->blocks; k++)
		give_back(p, numbers, g->cpu, g->block[k]);
	free(g->block);
	*g = group[--*groups];
}

void trace_long_lived(struct player *p, uint64_t seed)
{
	struct numbers numbers = numbers_make(p->blocks);
	struct group *group = array(p->blocks, sizeof(*group));
	uint64_t total = p->free_pages, asked = 0, live = 0, target = 0, until = 0;
	uint32_t groups = 0;

	while (asked < 20 * total) {
		struct group g = { .cpu = some_cpu(&seed) };

		if (asked >= until) {
			double x = fraction(&seed);

			target = (uint64_t)((double)total * (0.1 + 0.7 * x * x * x * x));
			until = asked + total / 8;
		}
		g.limit = 1 + below(&seed, (uint64_t)1 << below(&seed, BURST_LOG));
		g.block = array(g.limit, sizeof(*g.block));
		for (uint32_t i = 0; i < g.limit; i++) {
			uint32_t number = ask(p, &numbers, g.cpu, 0);

			if (++asked % KEPT_EVERY)
				g.block[g.blocks++] = number;
		}
		live += g.blocks;
		group[groups++] = g;
		while (live > target && groups > 1) {
			uint32_t i = below(&seed, groups);

			live -= group[i].blocks;
			group_dies(p, &numbers, group, &groups, i, &seed);
		}
	}
	while (groups)
		group_dies(p, &numbers, group, &groups, groups - 1, &seed);
	free(group);
	free(numbers.spare);
}

/* ---- address spaces ---------------------------------------------------------------------------------------------- */

#define STACK_ORDER 2
#define SLAB_ORDER 3

static void group_grows(struct player *p, struct numbers *numbers, struct group *g, unsigned order)
{
	g->block[g->blocks++] = ask(p, numbers, g->cpu, order);
	g->pages += (uint32_t)1 << order;
}

void trace_spaces(struct player *p, uint64_t seed)
{
	struct numbers numbers = numbers_make(p->blocks);
	struct group *space = array(p->blocks, sizeof(*space));
	uint64_t total = p->free_pages, asked = 0, target = 0, until = 0;
	uint32_t spaces = 0;

	while (asked < 10 * total) {
		uint32_t i = below(&seed, (uint64_t)spaces + 1);
		struct group *g;

		if (asked >= until) {
			target = (uint64_t)((double)total * (0.2 + 0.6 * fraction(&seed)));
			until = asked + total / 8;
		}
		if (i == spaces || below(&seed, 64) == 0) {
			i = spaces++;
			space[i] = (struct group){ .cpu = some_cpu(&seed) };
			space[i].limit = (uint32_t)128 << below(&seed, 8);
			space[i].block = array(space[i].limit, sizeof(uint32_t));
			group_grows(p, &numbers, &space[i], STACK_ORDER);
		}
		g = &space[i];
		for (uint32_t n = 1 + below(&seed, 64), k = 0; k < n && g->blocks < g->limit; k++) {
			unsigned order = k == 7 ? SLAB_ORDER : 0;

			group_grows(p, &numbers, g, order);
			asked += (uint64_t)1 << order;
		}
		while (total - p->free_pages > target && spaces > 1)
			group_dies(p, &numbers, space, &spaces, below(&seed, spaces), &seed);
	}
	while (total - p->free_pages > total / 5 && spaces)
		group_dies(p, &numbers, space, &spaces, below(&seed, spaces), &seed);
	for (uint32_t i = 0; i < spaces; i++)
		free(space[i].block);
	free(space);
	free(numbers.spare);
}
