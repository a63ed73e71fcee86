/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes the RAM map: collects the claims, places the reservations that only name a size, and derives the edges between
 * owners. Every range of the tree becomes a claim or an error; nothing is dropped, merged or cut here.
 */
#include "lib/sort.h"
#include "mm/ram_edges.h"

/*
 * Appends a claim and fills in what every claim has; NULL when the storage is full. Its edges are not its own and
 * stay.
 */
static struct ram_claim *add(struct ram_map *map, uint64_t base, uint64_t size, enum ram_kind kind)
{
	struct ram_claim *c;

	if (map->count == map->capacity)
		return NULL;
	c = &map->claims[map->count++];
	c->base = base;
	c->size = size;
	c->kind = kind;
	c->reusable = false;
	c->dynamic = false;
	c->numa_node = 0;
	c->node = FDT_NONE;
	c->index = 0;
	c->symbol = NULL;
	return c;
}

static int malformed(struct fdt *fdt, const char *why)
{
	if (fdt && why)
		fdt->error = why;
	return MM_EINVAL;
}

static bool claim_less(const void *map, unsigned a, unsigned b)
{
	const struct ram_claim *claims = ((const struct ram_map *)map)->claims;

	return ram_claim_before(&claims[a], &claims[b]);
}

static void claim_swap(void *map, unsigned a, unsigned b)
{
	struct ram_claim *claims = ((struct ram_map *)map)->claims, c = claims[a];

	claims[a] = claims[b];
	claims[b] = c;
}

static bool edge_less(const void *map, unsigned a, unsigned b)
{
	return ram_edge(map, a)->page < ram_edge(map, b)->page;
}

static void edge_swap(void *map, unsigned a, unsigned b)
{
	struct ram_edge e = *ram_edge(map, a);

	*ram_edge(map, a) = *ram_edge(map, b);
	*ram_edge(map, b) = e;
}

/*
 * Writes two edges for each claim that has pages, sorted by page; `who` is twice the claim's number, plus one for its
 * end.
 */
static unsigned list_edges(struct ram_map *map)
{
	uint64_t first, end;
	unsigned n = 0;

	for (unsigned i = 0; i < map->count; i++) {
		if (!ram_claim_pages(&map->claims[i], &first, &end))
			continue;
		*ram_edge(map, n++) = (struct ram_edge){ .page = first, .who = 2 * i };
		*ram_edge(map, n++) = (struct ram_edge){ .page = end, .who = 2 * i + 1 };
	}
	sort_elements(map, n, edge_less, edge_swap);
	return n;
}

/*
 * [RM3] [RM4] [RM5] [RM15] The sweep. Between two edges the same claims cover every page, so the strongest kind among
 * them, and whether a bank is, is all there is to say. Done in place: an edge is written where at least as many have
 * been read. `bank` is the first claim that is a bank over the page; it only moves up, as banks start in the order of
 * the claims.
 */
static void derive(struct ram_map *map)
{
	unsigned n = list_edges(map), live[RAM_KINDS] = { 0 };
	unsigned bank = 0;

	map->edges = 0;
	for (unsigned i = 0; i < n;) {
		struct ram_edge here = { .page = ram_edge(map, i)->page };

		for (; i < n && ram_edge(map, i)->page == here.page; i++) {
			unsigned who = ram_edge(map, i)->who;

			live[map->claims[who / 2].kind] += (who & 1) ? -1U : 1U;
		}
		for (unsigned k = 0; k < RAM_KINDS; k++) {
			if (live[k] != 0)
				here.kind = (uint8_t)k;
		}
		here.ram = live[RAM_FREE] != 0;
		if (here.ram) {
			while (map->claims[bank].kind != RAM_FREE || !ram_claim_covers(&map->claims[bank], here.page))
				bank++;
			here.who = map->claims[bank].numa_node;
		}
		/* What lies outside RAM is no piece of it: one edge says so. */
		if (here.ram || (map->edges != 0 && ram_edge(map, map->edges - 1)->ram))
			*ram_edge(map, map->edges++) = here;
	}
}

static bool is_free(const struct ram_edge *e)
{
	return e->ram && e->kind == RAM_FREE;
}

/*
 * [RM11] The highest place for `pages` free pages, aligned, in [first, limit) and in one bank (adjacent banks of a
 * node are one). Returns false when there is none.
 */
static bool highest_fit(const struct ram_map *map, uint64_t pages, uint64_t align, uint64_t first, uint64_t limit,
			uint64_t *at)
{
	unsigned i = map->edges;

	/* Between edge i - 2 and edge i - 1 lies a piece; the last edge ends RAM. */
	while (i > 1) {
		uint64_t lo, hi = min_u64(ram_edge(map, i - 1)->page, limit);
		uint32_t node = ram_edge(map, i - 2)->who;

		if (!is_free(ram_edge(map, i - 2))) {
			i--;
			continue;
		}
		while (i > 1 && is_free(ram_edge(map, i - 2)) && ram_edge(map, i - 2)->who == node)
			i--;
		lo = max_u64(ram_edge(map, i - 1)->page, first);
		if (hi < lo || hi - lo < pages)
			continue;
		*at = ALIGN_DOWN(hi - pages, align);
		if (*at >= lo)
			return true;
	}
	return false;
}

/* Makes sure that an edge stands at the page, which lies in RAM or at its end. */
static void split(struct ram_map *map, uint64_t page)
{
	unsigned i = ram_edges_upto(map, page);

	if (ram_edge(map, i - 1)->page == page)
		return;
	for (unsigned j = map->edges++; j > i; j--)
		*ram_edge(map, j) = *ram_edge(map, j - 1);
	*ram_edge(map, i) = *ram_edge(map, i - 1);
	ram_edge(map, i)->page = page;
}

/*
 * Keeps the edges true while claims are appended, until derive() runs again: pages [first, end) are not free any more.
 */
static void take(struct ram_map *map, uint64_t first, uint64_t end)
{
	split(map, first);
	split(map, end);
	for (unsigned i = ram_edges_upto(map, first) - 1; ram_edge(map, i)->page < end; i++)
		ram_edge(map, i)->kind = RAM_RESERVED;
}

/* [RM12] Places one size-only reservation. */
static int place(struct ram_map *map, struct fdt *fdt, const struct fdt_region *r)
{
	uint64_t pages = ((r->size - 1) >> PAGE_SHIFT) + 1, align = r->alignment >> PAGE_SHIFT;
	uint64_t base, size, first, limit, at = 0;
	bool found = false;
	struct ram_claim *c;
	int more = 0;

	for (unsigned i = 0; !found; i++) {
		more = fdt_alloc_range(fdt, r, i, &base, &size);
		if (more < 0)
			return MM_EINVAL;
		if (more == 0)
			break;
		if (size == 0)
			continue;
		ram_inner_pages(base, size, &first, &limit);
		found = highest_fit(map, pages, align, first, limit, &at);
	}
	if (!found && !fdt_prop(fdt, r->node, "alloc-ranges", NULL))
		found = highest_fit(map, pages, align, 0, RAM_LAST_PAGE, &at);
	if (!found) {
		fdt->error = "there is no place for a size-only reservation";
		fdt->error_node = r->node;
		return MM_ENOMEM;
	}
	c = add(map, at << PAGE_SHIFT, r->size, r->no_map ? RAM_NOMAP : RAM_RESERVED);
	if (!c)
		return MM_ENOMEM;
	c->dynamic = true;
	c->reusable = r->reusable;
	c->node = r->node;
	take(map, at, at + pages);
	return MM_OK;
}

/* After every static claim is known, in tree order. */
static int place_dynamic(struct ram_map *map, struct fdt *fdt)
{
	struct fdt_region_iter it = { 0 };
	struct fdt_region r;
	int more, err;

	sort_elements(map, map->count, claim_less, claim_swap);
	derive(map);
	while ((more = get_reserved_regions(fdt, &it, &r)) > 0) {
		if (r.kind != FDT_REGION_DYNAMIC)
			continue;
		err = place(map, fdt, &r);
		if (err)
			return err;
	}
	return more < 0 ? MM_EINVAL : MM_OK;
}

/* [BT5] */
static int add_memory_nodes(struct ram_map *map, struct fdt *fdt)
{
	struct fdt_region_iter it = { 0 };
	struct fdt_region r;
	struct ram_claim *c;
	int more;

	while ((more = get_memory_regions(fdt, &it, &r)) > 0) {
		c = add(map, r.base, r.size, RAM_FREE);
		if (!c)
			return MM_ENOMEM;
		c->numa_node = r.numa_node;
		c->node = r.node;
		c->index = r.index;
	}
	return more < 0 ? MM_EINVAL : MM_OK;
}

/* [BT10] */
static int add_reservations(struct ram_map *map, struct fdt *fdt, bool *dynamic)
{
	struct fdt_region_iter it = { 0 };
	struct fdt_region r;
	struct ram_claim *c;
	int more;

	while ((more = get_reserved_regions(fdt, &it, &r)) > 0) {
		if (r.kind == FDT_REGION_DYNAMIC) {
			*dynamic = true;
			continue;
		}
		if (r.kind == FDT_REGION_MEMRESERVE)
			c = add(map, r.base, r.size, RAM_MEMRESERVE);
		else
			c = add(map, r.base, r.size, r.no_map ? RAM_NOMAP : RAM_RESERVED);
		if (!c)
			return MM_ENOMEM;
		c->reusable = r.reusable;
		c->node = r.node;
		c->index = r.index;
	}
	return more < 0 ? MM_EINVAL : MM_OK;
}

/* The initrd and the blob itself. [BT6] */
static int add_boot_files(struct ram_map *map, struct fdt *fdt, paddr_t dtb_pa)
{
	uint64_t start, end;
	struct ram_claim *c;
	int more = fdt_initrd(fdt, &start, &end);

	if (more < 0)
		return MM_EINVAL;
	if (more > 0) {
		c = add(map, start, end - start, RAM_INITRD);
		if (!c)
			return MM_ENOMEM;
		c->node = fdt->chosen;
	}
	if (dtb_pa.v > UINT64_MAX - (fdt->totalsize - 1))
		return malformed(fdt, "the blob runs past the end of the address space");
	return add(map, dtb_pa.v, fdt->totalsize, RAM_DTB) ? MM_OK : MM_ENOMEM;
}

static int add_extras(struct ram_map *map, struct fdt *fdt, const struct ram_extra *extra, unsigned n_extra)
{
	struct ram_claim *c;

	for (unsigned i = 0; i < n_extra; i++) {
		if (extra[i].size == 0 || extra[i].base > UINT64_MAX - (extra[i].size - 1) ||
		    (unsigned)extra[i].kind >= RAM_KINDS)
			return malformed(fdt, "a range that is not of the tree is empty, wraps or has no kind");
		c = add(map, extra[i].base, extra[i].size, extra[i].kind);
		if (!c)
			return MM_ENOMEM;
		c->symbol = extra[i].symbol;
		c->index = i;
	}
	return MM_OK;
}

/* [RM1] Counts by the same iterators that ram_build() fills from, so the bound is the number itself. */
int ram_claims_needed(struct fdt *fdt, unsigned n_extra)
{
	struct fdt_region_iter banks = { 0 }, reservations = { 0 };
	struct fdt_region r;
	uint64_t start, end;
	unsigned n = 0;
	int more;

	if (fdt) {
		while ((more = get_memory_regions(fdt, &banks, &r)) > 0)
			n++;
		if (more < 0)
			return MM_EINVAL;
		while ((more = get_reserved_regions(fdt, &reservations, &r)) > 0)
			n++;
		if (more < 0 || fdt_initrd(fdt, &start, &end) < 0)
			return MM_EINVAL;
		n += 2; /* the initrd, whether or not there is one, and the blob */
	}
	/* A tree is at most FDT_MAX_SIZE bytes and no claim of it takes less than a cell. */
	if (n_extra > (unsigned)INT32_MAX - n)
		return MM_EOVERFLOW;
	return (int)(n + n_extra);
}

/* [RM2] [RM14] */
int ram_build(struct ram_map *map, struct ram_claim *storage, unsigned capacity, struct fdt *fdt, paddr_t dtb_pa,
	      const struct ram_extra *extra, unsigned n_extra)
{
	struct ram_map m = { .claims = storage, .capacity = capacity, .fdt = fdt };
	bool dynamic = false;
	int err = MM_OK;

	if (fdt) {
		fdt->error = NULL;
		fdt->error_node = FDT_NONE;
		err = add_memory_nodes(&m, fdt);
		if (!err)
			err = add_reservations(&m, fdt, &dynamic);
		if (!err)
			err = add_boot_files(&m, fdt, dtb_pa);
	}
	if (!err)
		err = add_extras(&m, fdt, extra, n_extra);
	if (!err && dynamic)
		err = place_dynamic(&m, fdt);
	if (err)
		return err;
	sort_elements(&m, m.count, claim_less, claim_swap);
	derive(&m);
	*map = m;
	return MM_OK;
}
