/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page-table objects: where tables come from and go to, how they are reached, what is read from them, start levels,
 * the seeds' names and the verbose line.
 */
#define SUITE "pgtable_objects"
#include "lib/tap.h"

#include "tests/suites/capture.h"
#include "tests/suites/pgtable_world.h"

#if __STDC_HOSTED__
#include "tests/host/panic.h"
#endif

/* ---- addresses of tables ----------------------------------------------------------------------------------------- */

TEST(M20, "a table's physical address becomes a pointer by phys_to_virt(), and back")
{
	paddr_t pa;

	arena_reset_linear();
	CHECK(arena_allocator.alloc_page(arena_allocator.ctx, &pa));
	pt = (struct pgtable){ .format = &format_el1_stage1 };
	CHECK((uint8_t *)pgtable_table_virt(&pt, pa) == (uint8_t *)phys_to_virt(pa));
	CHECK((uintptr_t)phys_to_virt(pa) == arch_linear_base + (uintptr_t)pa.v);
	CHECK_EQ(virt_to_phys(pgtable_table_virt(&pt, pa)).v, pa.v);
	*pgtable_table_virt(&pt, pa) = 0x1122334455667788;
	CHECK_EQ(*(uint64_t *)arena_table_virt(&pt, pa), 0x1122334455667788);
	arena_allocator.free_page(arena_allocator.ctx, pa);
	CHECK_EQ(arena.errors, 0);
}

TEST(M21, "a pool table is reached through the pool, wherever the pool is, other tables are not")
{
	static uint8_t memory[2][PAGE_SIZE] __attribute__((aligned(4096)));
	paddr_t pa = paddr(0x41001000);

	pt_pool_init(&pool, memory, paddr(0x41000000), 2);
	pt = (struct pgtable){ .format = &format_el1_stage1, .pool = &pool };
	CHECK((uint8_t *)pgtable_table_virt(&pt, pa) == memory[1]);
	CHECK((uint8_t *)pgtable_table_virt(&pt, paddr(0x41002000)) == (uint8_t *)phys_to_virt(paddr(0x41002000)));
	CHECK_EQ(virt_to_phys(phys_to_virt(paddr(0xfedcba987654))).v, 0xfedcba987654);
}

/* ---- allocators -------------------------------------------------------------------------------------------------- */

static const struct page_allocator other_allocator; /* never called: only its address matters */

TEST(M23, "the allocator that is registered is the one that answers; NULL is refused")
{
	struct pgtable saved = mmu_kernel;
	const char *said;

	mmu_kernel = (struct pgtable){ .format = &format_el1_stage1 };
	CHECK(mmu_page_allocator() == NULL);
	mmu_set_page_allocator(&arena_allocator);
	CHECK(mmu_page_allocator() == &arena_allocator);
	capture_begin();
	mmu_set_page_allocator(NULL);
	said = capture_end();
	CHECK(mmu_page_allocator() == &arena_allocator);
	CHECK(strlen(said) > 0);
	mmu_kernel = saved;
}

TEST(M24, "after the hand-over tables are alloc_page()'s and go back by free_page()")
{
	CHECK_EQ(make_pooled(8), MM_OK);
	CHECK_EQ(map_page(&pt, 0x40000000, paddr(0x40000000), data), MM_OK);
	CHECK_EQ(pool.used, 4);
	CHECK_EQ(arena.allocs, 0);
	pgtable_set_allocator(&pt, &arena_allocator);
	CHECK_EQ(map_page(&pt, 0x80000000, paddr(0x40000000), data), MM_OK);
	CHECK_EQ(pool.used, 4);
	CHECK_EQ(arena.allocs, 2);
	CHECK_EQ(pt.pool_tables, 4);
	CHECK_EQ(pt.dynamic_tables, 2);
	CHECK_EQ(unmap_page(&pt, 0x80000000), MM_OK);
	CHECK_EQ(arena.frees, 2);
	CHECK_EQ(pt.dynamic_tables, 0);
	CHECK_EQ(pgtable_validate(&pt), MM_OK);
}

TEST(M25, "a table of the pool goes back to the pool even after the hand-over, never to the allocator")
{
	CHECK_EQ(make_pooled(8), MM_OK);
	CHECK_EQ(map_page(&pt, 0x40000000, paddr(0x40000000), data), MM_OK);
	pgtable_set_allocator(&pt, &arena_allocator);
	CHECK_EQ(unmap_page(&pt, 0x40000000), MM_OK);
	CHECK_EQ(arena.frees, 0);
	CHECK_EQ(pool.used, 1);
	CHECK_EQ(pool.peak, 4);
	CHECK_EQ(pt.pool_tables, 1);
	pgtable_destroy(&pt);
	CHECK_EQ(pool.used, 0);
	CHECK_EQ(arena.errors, 0);
}

TEST(M26,
     "get_or_create_table: the registered allocator supplies it, cleared; a second call follows it; none left is an error")
{
	paddr_t l1 = paddr(0), again = paddr(0), out = paddr(0);
	uint64_t before;

	make_el1();
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 5, 0, &l1), MM_OK);
	CHECK_EQ(arena.allocs, 2);
	for (unsigned i = 0; i < 512; i++)
		CHECK_EQ(entry_at(l1, i), 0);
	CHECK_EQ(below(pt.root, 5).v, l1.v);
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 5, 0, &again), MM_OK);
	CHECK_EQ(again.v, l1.v);
	CHECK_EQ(arena.allocs, 2);
	CHECK_EQ(pgtable_get_or_create_table(&pt, l1, 511, 1, &out), MM_OK);
	CHECK_EQ(below(l1, 511).v, out.v);
	sound();

	arena_fail_at(0);
	before = state();
	CHECK_EQ(pgtable_get_or_create_table(&pt, l1, 0, 1, &out), MM_EPT_ALLOC);
	CHECK(strcmp(mm_strerror(MM_EPT_ALLOC), "Page table allocation failed") == 0);
	arena_fail_at(ARENA_NEVER);
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 512, 0, &out), MM_ERANGE);
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 0, 3, &out), MM_EINVAL);
	CHECK_EQ(pgtable_get_or_create_table(&pt, l1, 0, 0, &out), MM_EINVAL);
	CHECK_EQ(pgtable_get_or_create_table(&pt, l1, 0, 2, &out), MM_EINVAL);
	CHECK_EQ(pgtable_get_or_create_table(&pt, paddr(0x1000), 0, 1, &out), MM_EINVAL);
	CHECK_EQ(pgtable_get_or_create_table(&pt, paddr(pt.root.v + 8), 0, 0, &out), MM_EINVAL);
	CHECK_EQ(state(), before);
	CHECK_EQ(pgtable_map(&pt, 0, paddr(0), GIB(1), data, 0), MM_OK);
	CHECK_EQ(pgtable_get_or_create_table(&pt, below(pt.root, 0), 0, 1, &out), MM_EEXIST);
	sound();
	/* The tables that were made empty take mappings, and go when the last one goes. */
	CHECK_EQ(map_page(&pt, ((uint64_t)5 << 39) + ((uint64_t)511 << 30), paddr(0), data), MM_OK);
	sound();
	CHECK_EQ(unmap_page(&pt, ((uint64_t)5 << 39) + ((uint64_t)511 << 30)), MM_OK);
	sound();
	CHECK_EQ(entry_at(pt.root, 5), 0);
	destroy();

	/* The root of 40 bits has two entries that mean something. */
	make(&format_el1_stage1, 40, 0);
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 1, 0, &out), MM_OK);
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 2, 0, &out), MM_ERANGE);
	sound();
	destroy();
}

TEST(M27, "get_or_create_table: PT_POOL supplies it while no allocator is registered, until it is exhausted")
{
	paddr_t out = paddr(0);

	CHECK_EQ(make_pooled(2), MM_OK);
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 1, 0, &out), MM_OK);
	CHECK(pt_pool_busy(&pool, out));
	CHECK_EQ(pool.used, 2);
	CHECK_EQ(pgtable_get_or_create_table(&pt, pt.root, 2, 0, &out), MM_EPT_POOL);
	CHECK_EQ(entry_at(pt.root, 2), 0);
	CHECK_EQ(make_pooled(0), MM_EPT_POOL);
	CHECK_EQ(pgtable_init(&pt, &(struct pgtable_config){ .format = &format_el1_stage1, .input_bits = 48 }, NULL),
		 MM_EPT_POOL);
}

static bool give_bad(void *ctx, paddr_t *out)
{
	*out = paddr(*(uint64_t *)ctx);
	return true;
}

static unsigned bad_returned;

static void take_bad(void *ctx, paddr_t pa)
{
	bad_returned += pa.v == *(uint64_t *)ctx;
}

TEST(M51, "an allocator is not replaced while its tables are in use, and its garbage is refused")
{
	uint64_t bad = 0x40000008;
	const struct page_allocator liar = { give_bad, take_bad, &bad };
	const char *said;

	make_el1();
	capture_begin();
	pgtable_set_allocator(&pt, &other_allocator);
	CHECK(pt.allocator == &arena_allocator);
	pgtable_set_allocator(&pt, &arena_allocator);
	CHECK(pt.allocator == &arena_allocator);
	pgtable_set_allocator(&pt, NULL);
	CHECK(pt.allocator == &arena_allocator);
	said = capture_end();
	CHECK(strlen(said) > 0);
	destroy();

	capture_begin();
	CHECK_EQ(make_pooled(1), MM_OK);
	pgtable_set_allocator(&pt, &liar);
	CHECK_EQ(map_page(&pt, 0, paddr(0), data), MM_EPT_ALLOC);
	bad = (uint64_t)1 << 48;
	CHECK_EQ(map_page(&pt, 0, paddr(0), data), MM_EPT_ALLOC);
	(void)capture_end();
	CHECK_EQ(bad_returned, 2);
	CHECK_EQ(pt.dynamic_tables, 0);
	CHECK_EQ(pgtable_validate(&pt), MM_OK);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

TEST(M38, "query names the leaf around any address, or says that there is none")
{
	struct pgtable_entry e = { .size = 0 };

	make_el1();
	CHECK_EQ(pgtable_map(&pt, GIB(2), paddr(GIB(5)), GIB(1) + MIB(2) + PAGE_SIZE, device, 0), MM_OK);
	CHECK_EQ(pgtable_query(&pt, GIB(2) + 0x12345678, &e), MM_OK);
	CHECK(e.va == GIB(2) && e.size == GIB(1) && e.level == 1 && e.pa.v == GIB(5) + 0x12345678);
	CHECK_EQ(pgtable_query(&pt, GIB(3) + MIB(2) - 1, &e), MM_OK);
	CHECK(e.va == GIB(3) && e.size == MIB(2) && e.level == 2 && e.pa.v == GIB(6) + MIB(2) - 1);
	CHECK_EQ(pgtable_query(&pt, GIB(3) + MIB(2) + 7, &e), MM_OK);
	CHECK(e.va == GIB(3) + MIB(2) && e.size == PAGE_SIZE && e.level == 3 && e.pa.v == GIB(6) + MIB(2) + 7);
	CHECK_EQ(e.desc, 0x006000018020040b);
	CHECK(e.attrs.access == PT_WRITE && e.attrs.memory == PT_DEVICE_nGnRnE);
	CHECK_EQ(pgtable_query(&pt, GIB(2) - 1, &e), MM_ENOENT);
	CHECK_EQ(pgtable_query(&pt, GIB(3) + MIB(2) + PAGE_SIZE, &e), MM_ENOENT);
	CHECK_EQ(pgtable_query(&pt, (uint64_t)1 << 48, &e), MM_ERANGE);
	CHECK_EQ(pgtable_query(&pt, UINT64_MAX, &e), MM_ERANGE);
	destroy();
}

TEST(M39, "walk shows leaves in order and tables around them, in any range, and stops when told")
{
	struct tally t = { .ordered = true, .last = UINT64_MAX };

	make_el1();
	CHECK_EQ(pgtable_map(&pt, MIB(2), paddr(0), GIB(2), data, 0), MM_OK);
	CHECK_EQ(pgtable_map(&pt, 0x7fff00000000, paddr(0), 3 * PAGE_SIZE, data, 0), MM_OK);
	t = tally();
	CHECK(t.ordered);
	CHECK_EQ(t.depth, 0);
	CHECK_EQ(t.deepest, 3);
	CHECK_EQ(t.leaves[2], 1024);
	CHECK_EQ(t.leaves[3], 3);
	CHECK_EQ(t.tables, pt.dynamic_tables - 1);
	t = (struct tally){ .ordered = true, .last = UINT64_MAX };
	CHECK_EQ(pgtable_walk(&pt, MIB(4) + 5, MIB(2), tally_visit, &t), MM_OK);
	CHECK_EQ(t.leaves[2], 2);
	CHECK_EQ(t.last, MIB(6));
	t = (struct tally){ .stop_after = 5 };
	CHECK_EQ(pgtable_walk(&pt, 0, (uint64_t)1 << 48, tally_visit, &t), 77);
	CHECK_EQ(t.leaves[2], 3); /* two tables before them */
	t = (struct tally){ .stop_after = 0 };
	CHECK_EQ(pgtable_walk(&pt, 0, 0, tally_visit, &t), MM_EINVAL);
	CHECK_EQ(pgtable_walk(&pt, 0, ((uint64_t)1 << 48) + 1, tally_visit, &t), MM_ERANGE);
	CHECK_EQ(pgtable_walk(&pt, (uint64_t)1 << 48, 1, tally_visit, &t), MM_ERANGE);
	destroy();
}

/* What is stored there instead, and must be found. */
TEST(M41,
     "validate finds a wrong count, a malformed or switched-off entry, a table linked twice or lost, bad attributes")
{
	static const struct {
		unsigned level, index;
		uint64_t flip;
	} rows[] = {
		{ 0, 0, 1 << 2 },	      /* count of the level-1 table */
		{ 2, 0, 1 << 11 },	      /* count of the level-3 table */
		{ 3, 1, 1 },		      /* a page switched off */
		{ 3, 1, 2 },		      /* type 0b01 at level 3 */
		{ 3, 1, (uint64_t)1 << 52 },  /* contiguous hint */
		{ 3, 1, (uint64_t)1 << 54 },  /* executable at EL0, too */
		{ 3, 2, 0x0040000000000703 }, /* writable and executable, in an empty entry */
		{ 3, 2, 0x00000000deadbee0 }, /* not valid, not empty */
		{ 1, 3, 0x0060000000001701 }, /* a block off its boundary */
		{ 0, 9, 0x0060000000000701 }, /* a block at level 0 */
		{ 2, 0, 0x1000 },	      /* another table */
	};

	make_el1();
	CHECK_EQ(pgtable_map(&pt, 0, paddr(0), 2 * PAGE_SIZE, data, 0), MM_OK);
	CHECK_EQ(pgtable_map(&pt, MIB(4), paddr(0), PAGE_SIZE, data, 0), MM_OK);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		paddr_t table = pt.root;
		uint64_t *entry;
		const char *said;
		uint64_t errors = arena.errors;

		for (unsigned level = 0; level < rows[i].level; level++)
			table = below(table, 0);
		entry = (uint64_t *)arena_table_virt(&pt, table) + rows[i].index;
		capture_begin();
		pte_store(entry, *entry ^ rows[i].flip);
		CHECK_EQ(pgtable_validate(&pt), MM_ECORRUPT);
		pte_store(entry, *entry ^ rows[i].flip);
		said = capture_end();
		CHECK(strlen(said) > 0);
		arena.errors = errors; /* looking at a table that is not there is what the last rows do */
		CHECK_EQ(pgtable_validate(&pt), MM_OK);
	}
	sound();
	capture_begin();
	pt.dynamic_tables++;
	CHECK_EQ(pgtable_validate(&pt), MM_ECORRUPT);
	pt.dynamic_tables--;
	destroy();

	CHECK_EQ(make_pooled(8), MM_OK);
	CHECK_EQ(map_page(&pt, 0, paddr(0), data), MM_OK);
	CHECK_EQ(pgtable_validate(&pt), MM_OK);
	pool.busy[0] ^= 2;
	CHECK_EQ(pgtable_validate(&pt), MM_ECORRUPT);
	pool.busy[0] ^= 2;
	((uint64_t *)arena_table_virt(&pt, pt.root))[1] = entry_at(pt.root, 0);
	CHECK_EQ(pgtable_validate(&pt), MM_ECORRUPT);
	CHECK_EQ(count_text(capture_end(), "pgtable: "), 6);
}

/* ---- objects ----------------------------------------------------------------------------------------------------- */

TEST(M45, "destroy gives every table back and keeps its hands off a live object and a borrowed root")
{
	paddr_t root;
	struct pgtable_config config = {
		.format = &format_el1_stage1,
		.input_bits = 48,
		.allocator = &arena_allocator,
		.table_virt = arena_table_virt,
	};
	const char *said;

	make_el1();
	CHECK_EQ(pgtable_map(&pt, MIB(1), paddr(MIB(1)), GIB(3), data, 0), MM_OK);
	CHECK_EQ(map_page(&pt, ((uint64_t)1 << 48) - PAGE_SIZE, paddr(0), data), MM_OK);
	pt.live = true;
	capture_begin();
	pgtable_destroy(&pt);
	said = capture_end();
	CHECK(strlen(said) > 0);
	sound();
	destroy();

	arena_reset();
	CHECK(arena_alloc_roots(NULL, 0, &root));
	CHECK_EQ(pgtable_init(&pt, &config, &root), MM_OK);
	CHECK_EQ(map_page(&pt, 0, paddr(0), data), MM_OK);
	CHECK_EQ(pt.dynamic_tables, 3);
	CHECK_EQ(pgtable_validate(&pt), MM_OK);
	pgtable_destroy(&pt);
	CHECK_EQ(arena.in_use, 1);
	for (unsigned i = 0; i < 512; i++)
		CHECK_EQ(entry_at(root, i), 0);
}

TEST(M46, "start level and concatenation follow the input size, as TCR and VTCR can say it")
{
	static const struct {
		const struct pgtable_format *f;
		unsigned bits;
		int level, shift; /* -1: refused */
	} rows[] = {
		{ &format_el1_stage1, 48, 0, 0 },
		{ &format_el1_stage1, 40, 0, 0 },
		{ &format_el1_stage1, 39, 1, 0 },
		{ &format_el1_stage1, 36, 1, 0 },
		{ &format_el1_stage1, 31, 1, 0 },
		{ &format_el1_stage1, 30, 2, 0 },
		{ &format_el1_stage1, 25, 2, 0 },
		{ &format_el1_stage1, 16, 3, 0 },
		{ &format_el1_stage1, 15, -1, 0 },
		{ &format_el1_stage1, 49, -1, 0 },
		{ &format_el2_stage1, 48, 0, 0 },
		{ &format_stage2, 48, 0, 0 },
		{ &format_stage2, 44, 0, 0 },
		{ &format_stage2, 43, 1, 4 },
		{ &format_stage2, 42, 1, 3 },
		{ &format_stage2, 40, 1, 1 },
		{ &format_stage2, 39, 1, 0 },
		{ &format_stage2, 36, 1, 0 },
		{ &format_stage2, 35, 1, 0 },
		{ &format_stage2, 34, 2, 4 },
		{ &format_stage2, 32, 2, 2 },
		{ &format_stage2, 30, 2, 0 },
		{ &format_stage2, 25, 2, 0 },
		{ &format_stage2, 21, -1, 0 },
		{ &format_fake, 24, 0, 0 },
		{ &format_fake, 25, -1, 0 },
		{ &format_fake_concatenated, 23, 1, 2 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pgtable_config config = {
			.format = rows[i].f,
			.input_bits = rows[i].bits,
			.allocator = &arena_allocator,
			.table_virt = arena_table_virt,
		};
		uint64_t top = ((uint64_t)1 << (rows[i].bits & 63)) - PAGE_SIZE;
		paddr_t roots = paddr(0);

		arena_reset();
		CHECK_EQ(pgtable_root_shift(rows[i].f, rows[i].bits), rows[i].level < 0 ? MM_EINVAL : rows[i].shift);
		if (rows[i].level < 0) {
			CHECK_EQ(pgtable_init(&pt, &config, NULL), MM_EINVAL);
			continue;
		}
		if (rows[i].shift) {
			CHECK_EQ(pgtable_init(&pt, &config, NULL), MM_EINVAL);
			CHECK(arena_alloc_roots(NULL, (unsigned)rows[i].shift, &roots));
			CHECK_EQ(pgtable_init(&pt, &config, &(paddr_t){ roots.v + PAGE_SIZE }), MM_EALIGN);
		}
		CHECK_EQ(pgtable_init(&pt, &config, rows[i].shift ? &roots : NULL), MM_OK);
		CHECK_EQ(pt.start_level, rows[i].level);
		CHECK_EQ(pt.root_shift, rows[i].shift);
		/* First and last page, and in the last root table the last entry. */
		CHECK_EQ(map_page(&pt, top, paddr(0x5000), data), MM_OK);
		CHECK_EQ(map_page(&pt, 0, paddr(0x6000), data), MM_OK);
		maps(top, 0x5000, 3, data);
		maps(0, 0x6000, 3, data);
		CHECK_EQ(map_page(&pt, top + PAGE_SIZE, paddr(0), data), MM_ERANGE);
		CHECK_EQ(pgtable_validate(&pt), MM_OK);
		if (rows[i].shift) {
			unsigned n = table_entries(pt.format) << rows[i].shift;

			CHECK(((uint64_t *)arena_table_virt(&pt, roots))[n - 1] != pt.format->invalid);
			CHECK_EQ(pgtable_get_or_create_table(&pt, paddr(roots.v + (PAGE_SIZE << rows[i].shift)), 0,
							     pt.start_level, &roots),
				 MM_EINVAL);
		}
		pgtable_destroy(&pt);
		CHECK_EQ(arena.in_use, rows[i].shift ? 1u << rows[i].shift : 0);
		CHECK_EQ(arena.errors, 0);
	}
}

TEST(M47, "TTBR1: input addresses from 0xffff000000000000 to the last page of all")
{
	const uint64_t base = 0xffff000000000000, last = 0xfffffffffffff000;

	make(&format_el1_stage1, 48, base);
	CHECK_EQ(map_page(&pt, last, paddr(0x7000), data), MM_OK);
	CHECK_EQ(pgtable_map(&pt, base, paddr(0), GIB(1), data, 0), MM_OK);
	maps(UINT64_MAX, 0x7fff, 3, data);
	maps(base + 5, 5, 1, data);
	CHECK_EQ(tally().last, last);
	CHECK_EQ(map_page(&pt, base - PAGE_SIZE, paddr(0), data), MM_ERANGE);
	CHECK_EQ(map_page(&pt, 0, paddr(0), data), MM_ERANGE);
	CHECK_EQ(pgtable_map(&pt, last, paddr(0), 2 * PAGE_SIZE, data, 0), MM_ERANGE);
	CHECK_EQ(pgtable_protect(&pt, last, PAGE_SIZE, rodata), MM_OK);
	maps(last, 0x7000, 3, rodata);
	CHECK_EQ(pgtable_unmap(&pt, last, PAGE_SIZE), MM_OK);
	CHECK_EQ(pgtable_unmap(&pt, base, GIB(1)), MM_OK);
	CHECK_EQ(arena.in_use, 1);
	sound();
	destroy();
}

static unsigned events_made, events_gone;

static void count_event(const struct pgtable *p, paddr_t pa, bool made)
{
	(void)p;
	(void)pa;
	events_made += made;
	events_gone += !made;
}

TEST(M48, "every new table has its verbose line, only when verbose, and only once; an owner may say it himself")
{
	static const char wanted[] = "MMU: Allocated page table at PA 0x000000007fe00000\n"
				     "MMU: Allocated page table at PA 0x000000007fe01000\n"
				     "MMU: Allocated page table at PA 0x000000007fe02000\n"
				     "MMU: Allocated page table at PA 0x000000007fe03000\n";
	bool verbose = log_is_verbose();
	const char *said;

	for (unsigned on = 0; on < 2; on++) {
		capture_begin();
		log_set_verbose(on);
		make_el1();
		CHECK_EQ(map_page(&pt, 0, paddr(0), data), MM_OK);
		CHECK_EQ(map_page(&pt, PAGE_SIZE, paddr(0), data), MM_OK);
		said = capture_end();
		CHECK(strcmp(said, on ? wanted : "") == 0);
		destroy();
	}
	capture_begin();
	make_el1();
	pt.table_event = count_event;
	events_made = events_gone = 0;
	CHECK_EQ(map_page(&pt, 0, paddr(0), data), MM_OK);
	CHECK_EQ(unmap_page(&pt, 0), MM_OK);
	(void)capture_end();
	log_set_verbose(verbose);
	CHECK_EQ(events_made, 3);
	CHECK_EQ(events_gone, 3);
	destroy();
}

TEST(M58, "new tables in the linear map are cleared whatever was in them, whether few or many entries are used")
{
	struct pgtable_config config = { .format = &format_el1_stage1,
					 .input_bits = 48,
					 .allocator = &arena_allocator };
	static const struct {
		uint64_t va, size;
	} rows[] = {
		{ 5 * PAGE_SIZE, PAGE_SIZE },
		{ 0, 448 * PAGE_SIZE },
		{ 0, 447 * PAGE_SIZE },
		{ 64 * PAGE_SIZE, 448 * PAGE_SIZE },
		{ 65 * PAGE_SIZE, 447 * PAGE_SIZE },
		{ 0, MIB(2) },
		{ 511 * PAGE_SIZE, PAGE_SIZE },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tally t = { .ordered = true, .last = UINT64_MAX };

		arena_reset_linear();
		CHECK_EQ(pgtable_init(&pt, &config, NULL), MM_OK);
		CHECK_EQ(pgtable_map(&pt, rows[i].va, paddr(0), rows[i].size, data, PGTABLE_PAGES_ONLY), MM_OK);
		CHECK_EQ(pgtable_walk(&pt, 0, (uint64_t)1 << 48, tally_visit, &t), MM_OK);
		CHECK_EQ(t.leaves[3], rows[i].size / PAGE_SIZE);
		CHECK_EQ(t.tables, 3);
		sound();
		destroy();
	}
}

TEST(M52, "map_page maps one page and nothing wider")
{
	make_el1();
	CHECK_EQ(map_page(&pt, GIB(1), paddr(GIB(2)), data), MM_OK);
	maps(GIB(1), GIB(2), 3, data);
	CHECK_EQ(map_page(&pt, GIB(1), paddr(GIB(3)), data), MM_EEXIST);
	CHECK_EQ(map_page(&pt, GIB(1) + 1, paddr(GIB(3)), data), MM_EALIGN);
	maps(GIB(1), GIB(2), 3, data);
	sound();
	destroy();
}

TEST(M53, "identity_map_range rounds outwards to 4 KiB and refuses what is empty or wraps")
{
	make_el1();
	CHECK_EQ(identity_map_range(&pt, paddr(0x40000fff), 2, data), MM_OK);
	maps(0x40000000, 0x40000000, 3, data);
	maps(0x40001fff, 0x40001fff, 3, data);
	maps_nothing(0x40002000);
	maps_nothing(0x3ffff000);
	CHECK_EQ(identity_map_range(&pt, paddr(0), 0, data), MM_EINVAL);
	CHECK_EQ(identity_map_range(&pt, paddr(UINT64_MAX), 2, data), MM_ERANGE);
	CHECK_EQ(identity_map_range(&pt, paddr(0), UINT64_MAX, data), MM_ERANGE);
	CHECK_EQ(identity_map_range(&pt, paddr((uint64_t)1 << 48), 1, data), MM_ERANGE);
	CHECK_EQ(identity_map_range(&pt, paddr(((uint64_t)1 << 48) - 1), 1, data), MM_OK);
	CHECK_EQ(identity_map_range(&pt, paddr(GIB(4)), GIB(1), data), MM_OK);
	CHECK_EQ(tally().leaves[2], 512); /* never wider than 2 MiB */
	sound();
	destroy();
}

TEST(M54, "unmap_page takes one page, splits a block around it, and gives empty tables back")
{
	make_el1();
	CHECK_EQ(map_block_2mb(&pt, MIB(2), paddr(MIB(8)), data), MM_OK);
	CHECK_EQ(unmap_page(&pt, MIB(2) + 1), MM_EALIGN);
	CHECK_EQ(unmap_page(&pt, MIB(4)), MM_ENOENT);
	for (unsigned i = 0; i < 512; i++) {
		CHECK_EQ(unmap_page(&pt, MIB(2) + i * PAGE_SIZE), MM_OK);
		CHECK_EQ(pt.dynamic_tables, i < 511 ? 4 : 1);
	}
	sound();
	destroy();
}

#if __STDC_HOSTED__
/* Broken promises: a pool table that the pool does not know, and a table from nowhere. */
static void free_twice(void)
{
	pgtable_table_free(&pt, paddr(pool.pa.v + PAGE_SIZE));
}

TEST_ON(TAP_HOST, M57, "a table that its source does not know is a broken promise: panic with the address")
{
	const char *said;

	CHECK_EQ(make_pooled(4), MM_OK);
	said = expect_panic(free_twice);
	CHECK(said && strlen(said) > 0);
	pt.pool = NULL;
	said = expect_panic(free_twice);
	CHECK(said && strlen(said) > 0);
}
#endif
