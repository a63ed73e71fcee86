/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The RAM map: what becomes a claim, who owns a page, where size-only reservations go. Single rules are tested one by
 * one; their sum is held against a model that looks at every page of a small address space by itself.
 */
#define SUITE "ram"
#include "lib/log.h"
#include "lib/sort.h"
#include "lib/string.h"
#include "lib/tap.h"
#include "mm/ram.h"
#include "tests/suites/fdt_writer.h"

#define CLAIMS 64

#ifdef GRANULE_HOST
#define MODEL_ROUNDS 4000
#define MANY 20000
#else
#define MODEL_ROUNDS 150
#define MANY 500
#endif

#define DTB_PA 0xd0000000ULL /* in none of the banks below */

static uint8_t blob[MANY * 48 + 8192] __attribute__((aligned(8)));
static struct fdtw w;
static struct fdt fdt;
static struct ram_claim storage[CLAIMS];
static struct ram_map map;

static void start(void)
{
	fdtw_start(&w, blob, sizeof(blob));
	fdtw_begin_root(&w, 2, 2);
}

static bool done(void)
{
	size_t n;

	fdtw_end(&w);
	n = fdtw_finish(&w);
	return n != 0 && fdt_open(&fdt, blob, n);
}

static void bank(uint64_t base, uint64_t size, uint32_t numa_node)
{
	fdtw_begin_memory(&w, "memory");
	FDTW_REG(&w, 2, 2, base, size);
	if (numa_node)
		fdtw_u32(&w, "numa-node-id", numa_node);
	fdtw_end(&w);
}

static void reserved(const char *name, uint64_t base, uint64_t size, bool no_map)
{
	fdtw_begin(&w, name);
	FDTW_REG(&w, 2, 2, base, size);
	if (no_map)
		fdtw_empty(&w, "no-map");
	fdtw_end(&w);
}

/* Opens the tree and builds the map from it and the extras, in storage that is exactly as large as asked for. */
static int build_in(struct ram_claim *claims, unsigned room, const struct ram_extra *extra, unsigned n_extra)
{
	int needed = ram_claims_needed(&fdt, n_extra);

	if (needed < 0 || (unsigned)needed > room)
		return needed < 0 ? needed : MM_EOVERFLOW;
	return ram_build(&map, claims, (unsigned)needed, &fdt, paddr(DTB_PA), extra, n_extra);
}

static int build(const struct ram_extra *extra, unsigned n_extra)
{
	return done() ? build_in(storage, CLAIMS, extra, n_extra) : MM_EINVAL;
}

/* The pieces must be exactly these. */
struct piece {
	uint64_t base, size;
	enum ram_kind kind;
};

static void pieces_are(const struct piece *want, unsigned n)
{
	struct ram_range r;
	unsigned i = 0;

	for (uint64_t a = 0; ram_next(&map, a, &r); a = r.base + r.size, i++) {
		if (i >= n) {
			CHECK_EQ(i, n);
			return;
		}
		CHECK_EQ(r.base, want[i].base);
		CHECK_EQ(r.size, want[i].size);
		CHECK_EQ(r.kind, want[i].kind);
	}
	CHECK_EQ(i, n);
	CHECK_EQ(ram_validate(&map), MM_OK);
}

#define PIECES(...)                                                  \
	do {                                                         \
		static const struct piece want_[] = { __VA_ARGS__ }; \
		pieces_are(want_, ARRAY_SIZE(want_));                \
	} while (0)

/* A tree with a claim of every sort. */
static void full_tree(void)
{
	fdtw_start(&w, blob, sizeof(blob));
	fdtw_reserve(&w, 0x50000000, 0x1000);
	fdtw_reserve(&w, 0x60000000, 0);
	fdtw_reserve(&w, 0x50004000, 0x1000);
	fdtw_begin_root(&w, 2, 2);
	fdtw_begin(&w, "chosen");
	fdtw_num(&w, "linux,initrd-start", 1, 0x48000000);
	fdtw_num(&w, "linux,initrd-end", 1, 0x48001800);
	fdtw_end(&w);
	fdtw_begin_reserved(&w, 2, 2);
	reserved("splash@fac00000", 0x41000000, 0x2000, true);
	fdtw_begin(&w, "pool");
	fdtw_num(&w, "size", 1, 0x200000);
	fdtw_num(&w, "alignment", 1, 0x200000);
	fdtw_empty(&w, "reusable");
	fdtw_end(&w);
	fdtw_begin(&w, "ramoops@42000000");
	FDTW_REG(&w, 2, 2, 0x42000000, 0x1000, 0x42002000, 0x1000);
	fdtw_end(&w);
	fdtw_end(&w);
	fdtw_begin_memory(&w, "memory@40000000");
	FDTW_REG(&w, 2, 2, 0x80000000, 0x10000000, 0x40000000, 0x20000000);
	fdtw_u32(&w, "numa-node-id", 2);
	fdtw_end(&w);
}

static const struct ram_extra image = { 0x40200000, 0x123456, RAM_IMAGE, "image" };

TEST(RM1, "the bound on claims is true for every sort, with one more for an initrd that is not there")
{
	full_tree();
	CHECK_OR_RETURN(done());
	/* 2 banks, 2 memreserve, initrd, blob, splash, pool, ramoops twice, and the extras */
	CHECK_EQ(ram_claims_needed(&fdt, 1), 11);
	CHECK_EQ(ram_claims_needed(&fdt, 7), 17);
	CHECK_EQ(build_in(storage, CLAIMS, &image, 1), MM_OK);
	CHECK_EQ(map.count, 11);
	start();
	CHECK_OR_RETURN(done());
	CHECK_EQ(ram_claims_needed(&fdt, 0), 2);
	CHECK_EQ(ram_claims_needed(NULL, 3), 3);
	CHECK_EQ(ram_claims_needed(&fdt, UINT32_MAX), MM_EOVERFLOW);
	CHECK_EQ(ram_claims_needed(&fdt, INT32_MAX - 2), INT32_MAX);
	CHECK_EQ(ram_claims_needed(&fdt, INT32_MAX - 1), MM_EOVERFLOW);
	start();
	bank(UINT64_MAX, 2, 0);
	CHECK_OR_RETURN(done());
	CHECK_EQ(ram_claims_needed(&fdt, 0), MM_EINVAL);
	CHECK(fdt.error != NULL);
}

TEST(RM2, "every range of the tree and every extra is one claim, in order, with where it came from")
{
	const struct ram_claim *c;

	full_tree();
	CHECK_OR_RETURN(build(&image, 1) == MM_OK);
	for (unsigned i = 1; i < map.count; i++)
		CHECK(map.claims[i - 1].base <= map.claims[i].base);
	CHECK_EQ(ram_owners(&map, 0x40000000, &c, 1), 1);
	CHECK_EQ(c->base, 0x40000000);
	CHECK_EQ(c->size, 0x20000000);
	CHECK_EQ(c->numa_node, 2);
	CHECK_EQ(c->index, 1);
	CHECK_EQ(c->node, fdt_find(&fdt, "/memory", SIZE_MAX));
	CHECK_EQ(ram_owners(&map, 0x48001fff, &c, 1), 2);
	CHECK_EQ(c->kind, RAM_INITRD);
	CHECK_EQ(c->size, 0x1800);
	CHECK_EQ(ram_owners(&map, 0x50004000, &c, 1), 2);
	CHECK_EQ(c->kind, RAM_MEMRESERVE);
	CHECK_EQ(c->index, 2); /* the empty entry keeps its number */
	CHECK_EQ(c->node, FDT_NONE);
	CHECK_EQ(ram_owners(&map, 0x42002000, &c, 1), 2);
	CHECK_EQ(c->kind, RAM_RESERVED);
	CHECK_EQ(c->index, 1);
	CHECK(!c->dynamic && !c->reusable);
	CHECK_EQ(ram_owners(&map, 0x40200000, &c, 1), 2);
	CHECK(c->kind == RAM_IMAGE && c->symbol && strcmp(c->symbol, "image") == 0);
	CHECK_EQ(ram_owners(&map, DTB_PA, &c, 1), 1); /* outside RAM, and still known */
	CHECK_EQ(c->kind, RAM_DTB);
	CHECK_EQ(c->size, fdt.totalsize);
	CHECK_EQ(ram_owners(&map, 0x8fe00000, &c, 1), 2);
	CHECK(c->dynamic && c->reusable && c->kind == RAM_RESERVED);
	CHECK_EQ(ram_validate(&map), MM_OK);
}

TEST(RM3, "overlaps: nomap, image, dtb, initrd, reserved, memreserve, free, in this order, for every pair")
{
	static const enum ram_kind order[] = { RAM_FREE, RAM_MEMRESERVE, RAM_RESERVED, RAM_INITRD,
					       RAM_DTB,	 RAM_IMAGE,	 RAM_NOMAP };
	struct ram_extra extra[3] = { { 0, 0x10000, RAM_FREE, "ram" } };
	struct ram_range r;

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		for (unsigned j = 0; j < ARRAY_SIZE(order); j++) {
			extra[1] = (struct ram_extra){ 0x1000, 0x3000, order[i], "a" };
			extra[2] = (struct ram_extra){ 0x2000, 0x3000, order[j], "b" };
			CHECK_OR_RETURN(ram_build(&map, storage, 3, NULL, paddr(0), extra, 3) == MM_OK);
			CHECK(ram_next(&map, 0x1000, &r) && r.kind == order[i]);
			CHECK(ram_next(&map, 0x2000, &r) && r.kind == order[i > j ? i : j]);
			CHECK_EQ(r.base, 0x2000);
			CHECK_EQ(r.size, 0x2000);
			CHECK(ram_next(&map, 0x4000, &r) && r.kind == order[j]);
			CHECK_EQ(ram_validate(&map), MM_OK);
		}
	}
}

TEST(RM3, "a reservation that swallows or touches several others leaves each piece its strongest owner")
{
	start();
	bank(0x40000000, 0x100000, 0);
	fdtw_begin_reserved(&w, 2, 2);
	reserved("a", 0x40010000, 0x1000, false);
	reserved("b", 0x40011000, 0x1000, true); /* touches a */
	reserved("c", 0x40020000, 0x1000, false);
	reserved("around", 0x40010000, 0x20000, false); /* starts with a, swallows all */
	reserved("again", 0x40011000, 0x1000, false);	/* b's range once more, weaker */
	fdtw_end(&w);
	CHECK_OR_RETURN(build(NULL, 0) == MM_OK);
	PIECES({ 0x40000000, 0x10000, RAM_FREE }, { 0x40010000, 0x1000, RAM_RESERVED },
	       { 0x40011000, 0x1000, RAM_NOMAP }, { 0x40012000, 0xe000, RAM_RESERVED },
	       { 0x40020000, 0x1000, RAM_RESERVED }, { 0x40021000, 0xf000, RAM_RESERVED },
	       { 0x40030000, 0xd0000, RAM_FREE });
	CHECK_EQ(ram_owners(&map, 0x40011000, NULL, 0), 4);
}

TEST(RM4, "RAM is rounded inwards, reservations outwards, each claim by itself")
{
	start();
	bank(0x40000001, 0x9fff, 0); /* to 0x4000a000 */
	bank(0x50000000, 0x1fff, 0);
	bank(0x60000800, 0x1000, 0); /* no whole page */
	fdtw_begin_reserved(&w, 2, 2);
	reserved("byte", 0x40003fff, 2, true); /* a byte on either side of a page's edge */
	reserved("tail", 0x40009fff, 1, false);
	fdtw_end(&w);
	CHECK_OR_RETURN(build(NULL, 0) == MM_OK);
	PIECES({ 0x40001000, 0x2000, RAM_FREE }, { 0x40003000, 0x2000, RAM_NOMAP }, { 0x40005000, 0x4000, RAM_FREE },
	       { 0x40009000, 0x1000, RAM_RESERVED }, { 0x50000000, 0x1000, RAM_FREE });
	CHECK_EQ(ram_total(&map), 0xa000);
}

TEST(RM5, "banks may be unsorted, adjacent, overlapping, inside each other, empty, and at address 0")
{
	struct ram_range r;

	start();
	bank(0x90000, 0x10000, 1);
	bank(0x40000, 0x10000, 0);
	bank(0, 0x4000, 0);
	bank(0x50000, 0x10000, 0); /* adjacent to 0x40000 */
	bank(0x48000, 0x1000, 0);  /* inside */
	bank(0x70000, 0, 0);
	bank(0x58000, 0x10000, 0); /* overlaps the end of 0x50000 */
	bank(0x94000, 0x10000, 2); /* overlaps another node's: the first named by address keeps the common part */
	CHECK_OR_RETURN(build(NULL, 0) == MM_OK);
	CHECK_EQ(ram_validate(&map), MM_OK);
	CHECK_EQ(ram_total(&map), 0x4000 + 0x28000 + 0x14000);
	CHECK(ram_next_bank(&map, 0, &r));
	CHECK_EQ(r.base, 0);
	CHECK_EQ(r.size, 0x4000);
	CHECK(ram_next_bank(&map, 0x4000, &r));
	CHECK_EQ(r.base, 0x40000);
	CHECK_EQ(r.size, 0x28000);
	CHECK(ram_next_bank(&map, 0x68000, &r));
	CHECK_EQ(r.base, 0x90000);
	CHECK_EQ(r.size, 0x10000);
	CHECK_EQ(r.numa_node, 1);
	CHECK(ram_next_bank(&map, 0xa0000, &r));
	CHECK_EQ(r.base, 0xa0000);
	CHECK_EQ(r.size, 0x4000);
	CHECK_EQ(r.numa_node, 2);
	CHECK(!ram_next_bank(&map, 0xa4000, &r));
}

TEST(RM5, "RAM and reservations may reach the last byte of the address space; the last page is no RAM")
{
	struct ram_range r;

	start();
	bank(UINT64_MAX - 0xffff, 0x10000, 0);
	fdtw_begin_reserved(&w, 2, 2);
	reserved("top", UINT64_MAX - 0x1800, 0x1801, true);
	fdtw_end(&w);
	CHECK_OR_RETURN(build(NULL, 0) == MM_OK);
	PIECES({ 0xffffffffffff0000, 0xe000, RAM_FREE }, { 0xffffffffffffe000, 0x1000, RAM_NOMAP });
	CHECK_EQ(ram_owners(&map, UINT64_MAX, NULL, 0), 1);
	CHECK(!ram_next(&map, UINT64_MAX, &r));
	start();
	bank(1, UINT64_MAX, 0);
	CHECK_OR_RETURN(build(NULL, 0) == MM_OK);
	CHECK_EQ(ram_total(&map), UINT64_MAX - 0x1fff);
	start();
	bank(UINT64_MAX, 1, 0);
	CHECK_OR_RETURN(build(NULL, 0) == MM_OK);
	CHECK(!ram_next(&map, 0, &r));
}

TEST(RM5, "a tree without RAM, and no tree at all, make an empty map")
{
	struct ram_range r;

	start();
	CHECK_OR_RETURN(build(&image, 1) == MM_OK);
	CHECK_EQ(map.count, 2);
	CHECK(!ram_next(&map, 0, &r) && !ram_next_bank(&map, 0, &r) && !ram_next_of(&map, 0, RAM_IMAGE, &r));
	CHECK_EQ(ram_total(&map), 0);
	CHECK_EQ(ram_validate(&map), MM_OK);
	CHECK_EQ(ram_build(&map, storage, 0, NULL, paddr(0), NULL, 0), MM_OK);
	CHECK_EQ(map.count, 0);
	CHECK(!ram_next(&map, 0, &r));
	CHECK_EQ(ram_validate(&map), MM_OK);
}

/* ---- the model ---- */

#define MODEL_PAGES 48

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % n;
}

static uint64_t model_origin; /* address of the model's page 0 */

/* Who owns page p, asked of every claim; false: no RAM. */
static bool model(unsigned p, enum ram_kind *kind, uint32_t *node)
{
	uint64_t from = model_origin + p * PAGE_SIZE, last = from + (PAGE_SIZE - 1);
	bool ram = false;

	*kind = RAM_FREE;
	for (unsigned i = 0; i < map.count; i++) {
		const struct ram_claim *c = &map.claims[i];
		uint64_t c_last = c->base + (c->size - 1);

		if (c->kind == RAM_FREE) {
			if (c->base <= from && c_last >= last && !ram && last != UINT64_MAX) {
				ram = true;
				*node = c->numa_node;
			}
		} else if (c->base <= last && c_last >= from && c->kind > *kind) {
			*kind = c->kind;
		}
	}
	return ram;
}

static void random_range(uint64_t *base, uint64_t *size, bool rough)
{
	uint64_t grain = rough && random_below(2) ? 0x400 : PAGE_SIZE;
	uint64_t span = MODEL_PAGES * PAGE_SIZE / grain;
	uint64_t at = random_below(span);

	*base = model_origin + at * grain;
	*size = (1 + random_below(min_u64(span - at, random_below(4) ? span / 8 : span))) * grain;
}

static void random_tree(unsigned dynamic)
{
	uint64_t base, size;
	unsigned n;

	fdtw_start(&w, blob, sizeof(blob));
	for (n = (unsigned)random_below(3); n != 0; n--) {
		random_range(&base, &size, true);
		fdtw_reserve(&w, base, size);
	}
	fdtw_begin_root(&w, 2, 2);
	for (n = (unsigned)random_below(5); n != 0; n--) {
		random_range(&base, &size, true);
		bank(base, size, (uint32_t)random_below(3));
	}
	fdtw_begin_reserved(&w, 2, 2);
	for (n = (unsigned)random_below(8); n != 0; n--) {
		random_range(&base, &size, true);
		reserved("r", base, size, random_below(3) == 0);
	}
	for (; dynamic != 0; dynamic--) {
		fdtw_begin(&w, "d");
		fdtw_num(&w, "size", 2, 1 + random_below(6 * PAGE_SIZE));
		if (random_below(2))
			fdtw_num(&w, "alignment", 2, PAGE_SIZE << random_below(4));
		if (random_below(2)) {
			uint64_t ranges[4];

			random_range(&ranges[0], &ranges[1], true);
			random_range(&ranges[2], &ranges[3], true);
			fdtw_reg(&w, "alloc-ranges", 2, 2, 2, ranges);
		}
		if (random_below(2))
			fdtw_empty(&w, "no-map");
		fdtw_end(&w);
	}
	fdtw_end(&w);
}

static uint64_t random_origin(void)
{
	static const uint64_t origins[] = { 0, 0x40000000, 0xfffff000, UINT64_MAX - MODEL_PAGES * PAGE_SIZE + 1 };

	return origins[random_below(ARRAY_SIZE(origins))];
}

TEST(RM6, "page by page, pieces agree with a model that asks every claim, from every starting address")
{
	struct ram_range r;
	enum ram_kind kind;
	uint32_t node = 0;
	uint64_t bytes[RAM_KINDS], a;

	for (unsigned round = 0; round < MODEL_ROUNDS; round++) {
		model_origin = random_origin();
		random_tree(0);
		CHECK_OR_RETURN(build(NULL, 0) == MM_OK);
		CHECK_OR_RETURN(ram_validate(&map) == MM_OK);
		memset(bytes, 0, sizeof(bytes));
		for (unsigned p = 0; p < MODEL_PAGES; p++) {
			bool ram = model(p, &kind, &node);

			a = model_origin + p * PAGE_SIZE;
			if (!ram) {
				CHECK_OR_RETURN(!ram_next(&map, a, &r) || r.base > a);
				continue;
			}
			bytes[kind] += PAGE_SIZE;
			CHECK_OR_RETURN(ram_next(&map, a + random_below(PAGE_SIZE), &r));
			CHECK_OR_RETURN(r.base <= a && a - r.base < r.size);
			CHECK_OR_RETURN(r.kind == kind && r.numa_node == node);
			CHECK_OR_RETURN(ram_next_bank(&map, a, &r) && r.base <= a && a - r.base < r.size);
			CHECK_OR_RETURN(r.numa_node == node);
		}
		for (unsigned k = 0; k < RAM_KINDS; k++)
			CHECK_OR_RETURN(ram_total_of(&map, (enum ram_kind)k) == bytes[k]);
		/* A walk over pieces or banks sees all of it once, in order. */
		a = 0;
		for (uint64_t at = 0; ram_next(&map, at, &r); at = r.base + r.size) {
			CHECK_OR_RETURN(r.base >= at && r.size != 0);
			a += r.size;
		}
		CHECK_OR_RETURN(a == ram_total(&map));
		a = 0;
		for (uint64_t at = 0; ram_next_bank(&map, at, &r); at = r.base + r.size)
			a += r.size;
		CHECK_OR_RETURN(a == ram_total(&map));
	}
}

/* The highest place by looking at every page; false: none. */
static bool model_fit(uint64_t size, uint64_t align, uint64_t lo, uint64_t last, uint64_t *base)
{
	unsigned pages = (unsigned)((size + PAGE_MASK) >> PAGE_SHIFT);

	for (unsigned p = MODEL_PAGES; p-- > 0;) {
		uint64_t a = model_origin + p * PAGE_SIZE;
		uint32_t first_node = 0, node = 0;
		unsigned n = 0;
		enum ram_kind kind;

		if ((a & (align - 1)) != 0 || a < lo)
			continue;
		while (n < pages && p + n < MODEL_PAGES && model(p + n, &kind, &node) && kind == RAM_FREE &&
		       a + n * PAGE_SIZE + (PAGE_SIZE - 1) <= last && (n == 0 || node == first_node)) {
			first_node = node;
			n++;
		}
		if (n == pages) {
			*base = a;
			return true;
		}
	}
	return false;
}

TEST(RM11, "a size-only reservation goes to the highest place that a page-by-page model finds, range by range")
{
	unsigned placed = 0, unplaced = 0;

	for (unsigned round = 0; round < MODEL_ROUNDS; round++) {
		struct fdt_region_iter it = { 0 };
		struct fdt_region r;
		uint64_t base, size, want = 0;
		bool found = false, ranges = false;
		int err, static_claims, blamed;

		model_origin = random_origin();
		random_tree(1);
		CHECK_OR_RETURN(done());
		err = build_in(storage, CLAIMS, NULL, 0);
		CHECK_OR_RETURN((err != MM_OK) == (fdt.error != NULL));
		blamed = fdt.error_node;
		while (get_reserved_regions(&fdt, &it, &r) > 0 && r.kind != FDT_REGION_DYNAMIC)
			;
		CHECK_OR_RETURN(r.kind == FDT_REGION_DYNAMIC);
		if (err == MM_OK) {
			/* Take the placed claim out to let the model see what was there before. */
			for (static_claims = 0; !map.claims[static_claims].dynamic; static_claims++)
				;
			base = map.claims[static_claims].base;
			CHECK_OR_RETURN(map.claims[static_claims].size == r.size);
			CHECK_OR_RETURN(ram_validate(&map) == MM_OK);
			memmove(&map.claims[static_claims], &map.claims[static_claims + 1],
				(map.count - (unsigned)static_claims - 1) * sizeof(map.claims[0]));
			map.count--;
		} else {
			/* Where nothing was placed the claims are scratch: make the same map without the pool. */
			CHECK_OR_RETURN(err == MM_ENOMEM && blamed == r.node);
			base = 0;
		}
		if (err != MM_OK) {
			int status = fdt_find(&fdt, "/reserved-memory/d", SIZE_MAX);
			const uint8_t *p = fdt_prop(&fdt, status, "size", &size);

			CHECK_OR_RETURN(p != NULL);
			memset(blob + (p - blob), 0, 8); /* size = 0: passed over */
			CHECK_OR_RETURN(build_in(storage, CLAIMS, NULL, 0) == MM_OK);
		}
		for (unsigned i = 0; !found; i++) {
			uint64_t lo, n;

			if (fdt_alloc_range(&fdt, &r, i, &lo, &n) <= 0)
				break;
			ranges = true;
			found = model_fit(r.size, r.alignment, lo, lo + (n - 1), &want);
		}
		if (!ranges)
			found = model_fit(r.size, r.alignment, 0, UINT64_MAX, &want);
		CHECK_OR_RETURN(found == (err == MM_OK));
		if (found) {
			CHECK_OR_RETURN(base == want);
			placed++;
		} else {
			unplaced++;
		}
	}
	CHECK(placed > MODEL_ROUNDS / 8 && unplaced > MODEL_ROUNDS / 16);
}

TEST(RM11, "several size-only reservations share RAM without touching each other or any claim")
{
	const struct ram_extra extra[] = { image, { 0x4ff00000, 0x100000, RAM_RESERVED, "console" } };
	const uint64_t low[] = { 0x40000000, 0x8000000 };
	const struct ram_claim *owners[4];
	struct ram_range r;
	unsigned n = 0;

	fdtw_start(&w, blob, sizeof(blob));
	fdtw_reserve(&w, 0x4fc00000, 0x1000);
	fdtw_begin_root(&w, 2, 2);
	bank(0x40000000, 0x10000000, 0);
	fdtw_begin_reserved(&w, 2, 2);
	for (unsigned i = 0; i < 4; i++) {
		fdtw_begin(&w, "pool");
		fdtw_num(&w, "size", 2, 0x200000 - 1);
		fdtw_num(&w, "alignment", 2, 0x200000);
		if (i == 3)
			fdtw_reg(&w, "alloc-ranges", 2, 2, 1, low);
		if (i == 1)
			fdtw_empty(&w, "no-map");
		fdtw_end(&w);
	}
	fdtw_end(&w);
	CHECK_OR_RETURN(build(extra, 2) == MM_OK);
	CHECK_EQ(ram_validate(&map), MM_OK);
	for (unsigned i = 0; i < map.count; i++) {
		/* 0x4fe00000 has the console in it, 0x4fc00000 the memreserve */
		static const uint64_t want[] = { 0x47e00000, 0x4f600000, 0x4f800000, 0x4fa00000 };

		if (!map.claims[i].dynamic)
			continue;
		CHECK_OR_RETURN(n < 4);
		CHECK_EQ(map.claims[i].base, want[n]);
		CHECK_EQ(map.claims[i].size, 0x1fffff);
		CHECK_EQ(ram_owners(&map, want[n], owners, 4), 2);
		CHECK(ram_next(&map, want[n], &r));
		CHECK_EQ(r.base, want[n]);
		CHECK_EQ(r.size, 0x200000);
		CHECK_EQ(r.kind, n == 2 ? RAM_NOMAP : RAM_RESERVED);
		n++;
	}
	CHECK_EQ(n, 4);
}

TEST(RM11, "what alignment leaves free above a placed reservation serves the next one")
{
	unsigned n = 0;

	start();
	bank(0x40000000, 0x3ff000, 0);
	fdtw_begin_reserved(&w, 2, 2);
	for (unsigned i = 0; i < 2; i++) {
		fdtw_begin(&w, "pool");
		fdtw_num(&w, "size", 2, 0x1000);
		fdtw_num(&w, "alignment", 2, i == 0 ? 0x200000 : 0x1000);
		fdtw_end(&w);
	}
	fdtw_end(&w);
	CHECK_OR_RETURN(build(NULL, 0) == MM_OK);
	for (unsigned i = 0; i < map.count; i++) {
		if (!map.claims[i].dynamic)
			continue;
		CHECK_EQ(map.claims[i].base, n == 0 ? 0x40200000 : 0x403fe000);
		n++;
	}
	CHECK_EQ(n, 2);
}

TEST(RM12, "no place for a size-only reservation is an error that names the node, and changes nothing")
{
	const struct ram_map before = map = (struct ram_map){ .count = 7, .edges = 3 };
	const uint64_t outside[] = { 0x80000000, 0x10000000 }, empty[] = { 0, 0 };

	for (unsigned i = 0; i < 5; i++) {
		start();
		bank(0x40000000, 0x100000, 0);
		bank(0x40100000, 0x100000, 1); /* adjacent, another node: not one bank */
		fdtw_begin_reserved(&w, 2, 2);
		fdtw_begin(&w, "fits");
		fdtw_num(&w, "size", 2, 0x1000);
		fdtw_end(&w);
		fdtw_begin(&w, "pool");
		fdtw_num(&w, "size", 2, i == 0 ? 0x100001 : i == 1 ? UINT64_MAX : 0x1000);
		if (i == 2)
			fdtw_num(&w, "alignment", 2, 0x80000000);
		if (i == 3)
			fdtw_reg(&w, "alloc-ranges", 2, 2, 1, outside);
		if (i == 4)
			fdtw_reg(&w, "alloc-ranges", 2, 2, 1, empty);
		fdtw_end(&w);
		fdtw_end(&w);
		CHECK_EQ(build(NULL, 0), MM_ENOMEM);
		CHECK(fdt.error != NULL);
		CHECK_EQ(fdt.error_node, fdt_find(&fdt, "/reserved-memory/pool", SIZE_MAX));
		CHECK(memcmp(&map, &before, sizeof(map)) == 0);
	}
}

TEST(RM7, "pieces of one kind are found from any address")
{
	struct ram_range r;
	unsigned n = 0;

	full_tree();
	CHECK_OR_RETURN(build(&image, 1) == MM_OK);
	CHECK(ram_next_of(&map, 0, RAM_NOMAP, &r));
	CHECK_EQ(r.base, 0x41000000);
	CHECK_EQ(r.size, 0x2000);
	CHECK(ram_next_of(&map, 0x41001fff, RAM_NOMAP, &r));
	CHECK(!ram_next_of(&map, 0x41002000, RAM_NOMAP, &r));
	CHECK(!ram_next_of(&map, 0, RAM_DTB, &r)); /* outside RAM */
	for (uint64_t a = 0; ram_next_of(&map, a, RAM_MEMRESERVE, &r); a = r.base + r.size)
		n++;
	CHECK_EQ(n, 2);
	CHECK(ram_next_bank(&map, 0x50000123, &r)); /* from the middle: the whole bank, whoever owns its parts */
	CHECK_EQ(r.base, 0x40000000);
	CHECK_EQ(r.size, 0x20000000);
	CHECK_EQ(r.kind, RAM_FREE);
	CHECK_EQ(r.numa_node, 2);
}

TEST(RM8, "totals add up, by kind and in all")
{
	uint64_t sum = 0;

	full_tree();
	CHECK_OR_RETURN(build(&image, 1) == MM_OK);
	for (unsigned k = 0; k < RAM_KINDS; k++)
		sum += ram_total_of(&map, (enum ram_kind)k);
	CHECK_EQ(sum, ram_total(&map));
	CHECK_EQ(sum, 0x30000000);
	CHECK_EQ(ram_total_of(&map, RAM_IMAGE), 0x124000);
	CHECK_EQ(ram_total_of(&map, RAM_INITRD), 0x2000);
	CHECK_EQ(ram_total_of(&map, RAM_RESERVED), 0x202000);
	CHECK_EQ(ram_total_of(&map, RAM_MEMRESERVE), 0x2000);
	CHECK_EQ(ram_total_of(&map, RAM_NOMAP), 0x2000);
	CHECK_EQ(ram_total_of(&map, RAM_DTB), 0);
}

TEST(RM9, "owners come strongest first, all of them counted, no more written than there is room for")
{
	const struct ram_extra extra[] = {
		{ 0x40000000, 0x10000, RAM_FREE, "ram" },     { 0x40001000, 0x1000, RAM_MEMRESERVE, "m" },
		{ 0x40001800, 0x1, RAM_NOMAP, "n" },	      { 0x40000000, 0x8000, RAM_INITRD, "i" },
		{ 0x40001fff, 0x1000, RAM_RESERVED, "r" },    { 0x40001000, 0x1000, RAM_MEMRESERVE, "m2" },
		{ 0x40008000, 0x800, RAM_FREE, "small ram" }, /* no whole page: owns nothing */
	};
	static const enum ram_kind want[] = { RAM_NOMAP,      RAM_INITRD,     RAM_RESERVED,
					      RAM_MEMRESERVE, RAM_MEMRESERVE, RAM_FREE };
	const struct ram_claim *out[8] = { NULL };

	CHECK_OR_RETURN(ram_build(&map, storage, CLAIMS, NULL, paddr(0), extra, ARRAY_SIZE(extra)) == MM_OK);
	CHECK_EQ(ram_owners(&map, 0x40001234, out, 8), 6);
	for (unsigned i = 0; i < 6; i++)
		CHECK_EQ(out[i]->kind, want[i]);
	CHECK(out[6] == NULL);
	out[2] = NULL;
	CHECK_EQ(ram_owners(&map, 0x40001000, out, 2), 6);
	CHECK(out[2] == NULL);
	CHECK_EQ(ram_owners(&map, 0x40008400, NULL, 0), 1);
	CHECK_EQ(ram_owners(&map, 0x3fffffff, NULL, 0), 0);
	CHECK_EQ(ram_owners(&map, 0x40010000, NULL, 0), 0);
}

TEST(RM10, "every claim says where it comes from, cut to the buffer")
{
	static const struct {
		uint64_t at;
		const char *text;
	} cases[] = {
		{ 0x40200000, "image" },
		{ 0x41000000, "/reserved-memory/splash@fac00000 reg[0]" },
		{ 0x42002000, "/reserved-memory/ramoops@42000000 reg[1]" },
		{ 0x8fe00000, "/reserved-memory/pool size" },
		{ 0x50004000, "/memreserve/[2]" },
		{ 0x48000000, "/chosen linux,initrd-start" },
		{ 0x40000000, "/memory@40000000 reg[1]" },
		{ DTB_PA, "dtb" },
	};
	const struct ram_claim *c;
	char buf[64];
	int len;

	full_tree();
	CHECK_OR_RETURN(build(&image, 1) == MM_OK);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_OR_RETURN(ram_owners(&map, cases[i].at, &c, 1) >= 1);
		len = (int)strlen(cases[i].text);
		CHECK_EQ(ram_source(&map, c, buf, sizeof(buf)), len);
		CHECK(strcmp(buf, cases[i].text) == 0);
		for (int n = 0; n <= len; n++) {
			memset(buf, 'x', sizeof(buf));
			CHECK_EQ(ram_source(&map, c, buf, (size_t)n), len);
			CHECK_EQ(buf[n], 'x');
			CHECK(n == 0 || (buf[n - 1] == 0 && memcmp(buf, cases[i].text, (size_t)n - 1) == 0));
		}
	}
	CHECK(strcmp(ram_kind_name(RAM_FREE), "free") == 0);
	CHECK(strcmp(ram_kind_name(RAM_NOMAP), "nomap") == 0);
	CHECK(strcmp(ram_kind_name((enum ram_kind)99), "unknown") == 0);
}

/* Takes the log lines that are provoked by the hundred, and counts them. */
static unsigned lines;

static void count_lines(const char *text, size_t n)
{
	lines += memchr(text, '\n', n) != NULL;
}

TEST(RM13, "validate finds whatever is changed in claims or pieces")
{
	static struct ram_claim claims[CLAIMS];
	unsigned caught = 0, tried = 0;
	log_sink_fn sink = log_sink();

	full_tree();
	CHECK_OR_RETURN(build(&image, 1) == MM_OK);
	CHECK_EQ(ram_validate(&map), MM_OK);
	lines = 0;
	log_set_sink(count_lines);
	memcpy(claims, storage, sizeof(claims));
	for (unsigned i = 0; i < map.edges; i++) {
		struct ram_edge *e = &storage[i / 2].edge[i % 2];

		for (unsigned fault = 0; fault < 6; fault++) {
			const struct ram_edge keep = *e;

			if (fault == 0)
				e->page++;
			else if (fault == 1)
				e->page--;
			else if (fault == 2)
				e->ram = !e->ram;
			else if (!e->ram)
				continue; /* what is no RAM has no owner to be wrong */
			else if (fault == 3)
				e->kind = e->kind == RAM_NOMAP ? RAM_FREE : e->kind + 1;
			else if (fault == 4)
				e->kind = e->kind == RAM_FREE ? RAM_IMAGE : RAM_FREE;
			else
				e->who ^= 1;
			tried++;
			caught += ram_validate(&map) == MM_ECORRUPT;
			*e = keep;
		}
	}
	CHECK(tried > 60);
	CHECK_EQ(caught, tried);
	CHECK_EQ(lines, tried); /* each says what is wrong */
	CHECK_EQ(ram_validate(&map), MM_OK);
	storage[3].size = 0;
	CHECK_EQ(ram_validate(&map), MM_ECORRUPT);
	memcpy(storage, claims, sizeof(claims));
	storage[1].base = 0;
	CHECK_EQ(ram_validate(&map), MM_ECORRUPT);
	memcpy(storage, claims, sizeof(claims));
	storage[map.count - 1].size = UINT64_MAX;
	CHECK_EQ(ram_validate(&map), MM_ECORRUPT);
	memcpy(storage, claims, sizeof(claims));
	map.edges--;
	CHECK_EQ(ram_validate(&map), MM_ECORRUPT);
	map.edges++;
	map.capacity = map.count - 1;
	CHECK_EQ(ram_validate(&map), MM_ECORRUPT);
	log_set_sink(sink);
}

TEST(RM14, "storage that is too small, bad extras and a malformed tree fail and leave the map alone")
{
	struct ram_extra bad[] = { { 0x1000, 0, RAM_IMAGE, "empty" },
				   { UINT64_MAX, 2, RAM_IMAGE, "wraps" },
				   { 0, 1, RAM_KINDS, "no kind" } };
	const struct ram_map before = map = (struct ram_map){ .count = 7, .edges = 3 };

	full_tree();
	CHECK_OR_RETURN(done());
	for (unsigned room = 0; room < 11; room++) {
		CHECK_EQ(ram_build(&map, storage, room, &fdt, paddr(DTB_PA), &image, 1), MM_ENOMEM);
		CHECK(fdt.error == NULL);
		CHECK(memcmp(&map, &before, sizeof(map)) == 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(ram_build(&map, storage, CLAIMS, &fdt, paddr(DTB_PA), &bad[i], 1), MM_EINVAL);
		CHECK(fdt.error != NULL);
		CHECK_EQ(ram_build(&map, storage, CLAIMS, NULL, paddr(DTB_PA), &bad[i], 1), MM_EINVAL);
	}
	CHECK_EQ(ram_build(&map, storage, CLAIMS, &fdt, paddr(UINT64_MAX - 16), NULL, 0), MM_EINVAL);
	CHECK(fdt.error != NULL);
	for (unsigned i = 0; i < 3; i++) {
		start();
		bank(0x40000000, i == 0 ? UINT64_MAX : 0x10000000, 0);
		if (i == 1) {
			fdtw_begin(&w, "chosen");
			fdtw_u32(&w, "linux,initrd-start", 5);
			fdtw_end(&w);
		}
		if (i == 2) {
			fdtw_begin_reserved(&w, 2, 2);
			fdtw_begin(&w, "pool");
			fdtw_u32(&w, "size", 0x1000);
			fdtw_u32(&w, "alloc-ranges", 0);
			fdtw_end(&w);
			fdtw_end(&w);
		}
		CHECK_OR_RETURN(done());
		CHECK_EQ(ram_build(&map, storage, CLAIMS, &fdt, paddr(DTB_PA), NULL, 0), MM_EINVAL);
		CHECK(fdt.error != NULL);
		CHECK(memcmp(&map, &before, sizeof(map)) == 0);
	}
}

TEST(RM15, "claims by the thousand, in the worst order, are built and walked without taking for ever")
{
	static struct ram_claim many[MANY + 8];
	struct ram_range r;
	unsigned pieces = 0;

	fdtw_start(&w, blob, sizeof(blob));
	/* /memreserve/ entries are the densest: nested ones from the outside in, touching ones from the top down */
	for (unsigned i = 0; i < MANY; i++) {
		if (i % 2)
			fdtw_reserve(&w, 0x40000000 + i * 0x1000ULL, (MANY - i) * 0x2000ULL - 0x1000);
		else
			fdtw_reserve(&w, 0x80000000 + (MANY - i) * 0x2000ULL, 0x1000);
	}
	fdtw_begin_root(&w, 2, 2);
	bank(0x40000000, 0x80000000, 0);
	fdtw_begin_reserved(&w, 2, 2);
	for (unsigned i = 0; i < 4; i++) {
		fdtw_begin(&w, "pool");
		fdtw_num(&w, "size", 2, 0x1000);
		fdtw_end(&w);
	}
	fdtw_end(&w);
	CHECK_OR_RETURN(done());
	CHECK_OR_RETURN(build_in(many, MANY + 8, NULL, 0) == MM_OK);
	CHECK_EQ(map.count, MANY + 6);
	for (uint64_t a = 0; ram_next(&map, a, &r); a = r.base + r.size)
		pieces++;
	CHECK(pieces > MANY && pieces == map.edges - 1);
	CHECK_EQ(ram_total(&map), 0x80000000);
	CHECK_EQ(ram_validate(&map), MM_OK);
}

struct numbers {
	uint16_t v[64];
	unsigned n;
	unsigned compared;
};

static bool number_less(const void *what, unsigned a, unsigned b)
{
	struct numbers *s = (struct numbers *)(uintptr_t)what;

	s->compared++;
	CHECK(a < s->n && b < s->n);
	return s->v[a] < s->v[b];
}

static void number_swap(void *what, unsigned a, unsigned b)
{
	struct numbers *s = what;
	uint16_t v = s->v[a];

	s->v[a] = s->v[b];
	s->v[b] = v;
}

TEST(RM16, "the sort is a permutation in order, for every length up to 64 and any input, within its bound")
{
	static struct numbers s;
	uint64_t sum, after;

	for (unsigned round = 0; round < 8; round++) {
		for (s.n = 0; s.n <= ARRAY_SIZE(s.v); s.n++) {
			sum = after = 0;
			s.compared = 0;
			for (unsigned i = 0; i < s.n; i++) {
				s.v[i] = (uint16_t)(round == 0	 ? i
						    : round == 1 ? s.n - i
						    : round == 2 ? 7
								 : random_below(round * 20));
				sum += 1ULL << (s.v[i] % 58);
			}
			sort_elements(&s, s.n, number_less, number_swap);
			for (unsigned i = 0; i < s.n; i++) {
				CHECK(i == 0 || s.v[i - 1] <= s.v[i]);
				after += 1ULL << (s.v[i] % 58);
			}
			CHECK_EQ(after, sum);
			CHECK(s.compared <= 2 * s.n * 6 + 2);
		}
	}
}
