/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions to the RAM map: its pieces, its banks, who owns an address and by whose word. Reads only; mm/ram_build.c
 * made the map.
 */
#include "lib/log.h"
#include "lib/printf.h"
#include "mm/ram_edges.h"

/* [RM10] */
const char *ram_kind_name(enum ram_kind kind)
{
	static const char names[RAM_KINDS][12] = {
		[RAM_FREE] = "free",	     [RAM_MEMRESERVE] = "memreserve",
		[RAM_RESERVED] = "reserved", [RAM_INITRD] = "initrd",
		[RAM_DTB] = "dtb",	     [RAM_IMAGE] = "image",
		[RAM_NOMAP] = "nomap",
	};

	return (unsigned)kind < RAM_KINDS ? names[kind] : "unknown";
}

/* The piece of RAM that holds the page or is the first after it; map->edges when there is none. */
static unsigned piece_from(const struct ram_map *map, uint64_t page)
{
	unsigned i = ram_edges_upto(map, page);

	if (i != 0)
		i--;
	while (i < map->edges && !ram_edge(map, i)->ram)
		i++;
	return i;
}

/* Pieces i to j - 1 as one. The last edge is never RAM, so that there is an edge j. */
static void fill(const struct ram_map *map, unsigned i, unsigned j, struct ram_range *out)
{
	const struct ram_edge *e = ram_edge(map, i);

	out->base = e->page << PAGE_SHIFT;
	out->size = (ram_edge(map, j)->page - e->page) << PAGE_SHIFT;
	out->kind = (enum ram_kind)e->kind;
	out->numa_node = e->who;
}

/* [RM6] */
bool ram_next(const struct ram_map *map, uint64_t from, struct ram_range *out)
{
	unsigned i = piece_from(map, from >> PAGE_SHIFT);

	if (i == map->edges)
		return false;
	fill(map, i, i + 1, out);
	return true;
}

/* [RM7] */
bool ram_next_of(const struct ram_map *map, uint64_t from, enum ram_kind kind, struct ram_range *out)
{
	for (unsigned i = piece_from(map, from >> PAGE_SHIFT); i < map->edges; i++) {
		if (ram_edge(map, i)->ram && ram_edge(map, i)->kind == kind) {
			fill(map, i, i + 1, out);
			return true;
		}
	}
	return false;
}

/* [RM7] */
bool ram_next_bank(const struct ram_map *map, uint64_t from, struct ram_range *out)
{
	unsigned i = piece_from(map, from >> PAGE_SHIFT), j = i;
	uint32_t node;

	if (i == map->edges)
		return false;
	node = ram_edge(map, i)->who;
	while (i != 0 && ram_edge(map, i - 1)->ram && ram_edge(map, i - 1)->who == node)
		i--;
	while (ram_edge(map, j)->ram && ram_edge(map, j)->who == node)
		j++;
	fill(map, i, j, out);
	out->kind = RAM_FREE;
	return true;
}

/* [RM8] */
uint64_t ram_total(const struct ram_map *map)
{
	uint64_t total = 0;

	for (unsigned k = 0; k < RAM_KINDS; k++)
		total += ram_total_of(map, (enum ram_kind)k);
	return total;
}

/* [RM8] */
uint64_t ram_total_of(const struct ram_map *map, enum ram_kind kind)
{
	uint64_t pages = 0;

	for (unsigned i = 0; i < map->edges; i++) {
		if (ram_edge(map, i)->ram && ram_edge(map, i)->kind == kind)
			pages += ram_edge(map, i + 1)->page - ram_edge(map, i)->page;
	}
	return pages << PAGE_SHIFT;
}

/* [RM9] */
unsigned ram_owners(const struct ram_map *map, uint64_t a, const struct ram_claim **out, unsigned n)
{
	unsigned found = 0;

	for (unsigned k = RAM_KINDS; k-- > 0;) {
		for (unsigned i = 0; i < map->count && map->claims[i].base <= (a | PAGE_MASK); i++) {
			if (map->claims[i].kind != k || !ram_claim_covers(&map->claims[i], a >> PAGE_SHIFT))
				continue;
			if (found < n)
				out[found] = &map->claims[i];
			found++;
		}
	}
	return found;
}

/* [RM10] */
int ram_source(const struct ram_map *map, const struct ram_claim *c, char *buf, size_t n)
{
	int path, rest;

	if (c->symbol)
		return gr_snprintf(buf, n, "%s", c->symbol);
	if (c->node == FDT_NONE || !map->fdt) {
		if (c->kind == RAM_MEMRESERVE)
			return gr_snprintf(buf, n, "/memreserve/[%u]", c->index);
		return gr_snprintf(buf, n, "%s", ram_kind_name(c->kind));
	}
	path = fdt_path(map->fdt, c->node, buf, n);
	if ((size_t)path < n) {
		buf += path;
		n -= (size_t)path;
	} else {
		n = 0;
	}
	if (c->kind == RAM_INITRD)
		rest = gr_snprintf(buf, n, " linux,initrd-start");
	else if (c->dynamic)
		rest = gr_snprintf(buf, n, " size");
	else
		rest = gr_snprintf(buf, n, " reg[%u]", c->index);
	return path + rest;
}

static int corrupt(const char *what, unsigned i)
{
	log_error("ram: %s %u\n", what, i);
	return MM_ECORRUPT;
}

/*
 * From the claims' side: each is sane and in order, and no piece under it is weaker than it, or is no RAM under a
 * bank.
 */
static int check_claims(const struct ram_map *map)
{
	uint64_t first, end;

	if (map->count > map->capacity || map->edges > 2 * (uint64_t)map->count)
		return corrupt("the storage does not hold all claims:", map->count);
	for (unsigned i = 0; i < map->count; i++) {
		const struct ram_claim *c = &map->claims[i];

		if (c->size == 0 || c->base > UINT64_MAX - (c->size - 1) || (unsigned)c->kind >= RAM_KINDS)
			return corrupt("no range or no kind: claim", i);
		if (i != 0 && ram_claim_before(c, c - 1))
			return corrupt("not in order: claim", i);
		if (!ram_claim_pages(c, &first, &end))
			continue;
		unsigned e = ram_edges_upto(map, first);

		/* Its first page may lie before all edges, or in a gap, only where no bank covers it. */
		if (c->kind == RAM_FREE && (e == 0 || ram_edge(map, e - 1)->page != first))
			return corrupt("a bank does not start a piece: claim", i);
		for (e = e != 0 ? e - 1 : 0; e < map->edges && ram_edge(map, e)->page < end; e++) {
			const struct ram_edge *here = ram_edge(map, e);

			if (!here->ram && c->kind == RAM_FREE)
				return corrupt("a hole in the bank: claim", i);
			if (here->ram && here->kind < c->kind)
				return corrupt("a piece is weaker than a reservation of it: claim", i);
			if (here->ram && here->page < first && e + 1 < map->edges && ram_edge(map, e + 1)->page > first)
				return corrupt("a piece lies across the start of a reservation: claim", i);
			if (here->ram && e + 1 < map->edges && ram_edge(map, e + 1)->page > end)
				return corrupt("a piece lies across the end of a claim:", i);
		}
	}
	return MM_OK;
}

/* Whether a claim of the kind covers the page (for a bank: of this NUMA node). *hint is where the last search ended. */
static bool has_claim(const struct ram_map *map, uint64_t page, unsigned kind, uint32_t node, unsigned *hint)
{
	for (unsigned n = 0; n < map->count; n++) {
		unsigned i = *hint + n < map->count ? *hint + n : *hint + n - map->count;
		const struct ram_claim *c = &map->claims[i];

		if (c->kind == kind && (kind != RAM_FREE || c->numa_node == node) && ram_claim_covers(c, page)) {
			*hint = i;
			return true;
		}
	}
	return false;
}

/* From the pieces' side: in order, and each has a bank and a claim that make it what it is. */
static int check_pieces(const struct ram_map *map)
{
	unsigned bank = 0, other = 0;

	if (map->edges != 0 && ram_edge(map, map->edges - 1)->ram)
		return corrupt("RAM does not end: piece", map->edges - 1);
	for (unsigned i = 0; i < map->edges; i++) {
		const struct ram_edge *e = ram_edge(map, i);

		if (i != 0 && e->page <= ram_edge(map, i - 1)->page)
			return corrupt("not in order: piece", i);
		if (!e->ram)
			continue;
		if (!has_claim(map, e->page, RAM_FREE, e->who, &bank))
			return corrupt("no bank: piece", i);
		if (e->kind != RAM_FREE && !has_claim(map, e->page, e->kind, 0, &other))
			return corrupt("no such reservation: piece", i);
	}
	return MM_OK;
}

/* [RM13] */
int ram_validate(const struct ram_map *map)
{
	int err = check_claims(map);

	return err ? err : check_pieces(map);
}
