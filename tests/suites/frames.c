/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The public page allocator: banks, limits, errors, statistics, long random sequences against the model, several CPUs
 * at once.
 */
#define SUITE "frames"
#include "arch/arch.h"
#include "tests/suites/frames_world.h"

#if __STDC_HOSTED__
#include <pthread.h>
#endif

static struct world w;

/* ---- banks ------------------------------------------------------------------------------------------------------- */

TEST(B14, "the section table has a power of two of entries, and no more than are needed for that")
{
	static const unsigned entries[] = { 1, 1, 2, 4, 4, 8, 8, 8, 8, 16 };

	for (unsigned i = 0; i < ARRAY_SIZE(entries); i++)
		CHECK_EQ(frames_section_table_size(i), 8 * entries[i]);
	CHECK_EQ(frames_section_table_size(512), 8 * 512);
	CHECK_EQ(frames_section_table_size(513), 8 * 1024);
}

TEST(B14, "a bank that makes no sense is refused and nothing changes")
{
	static _Alignas(64) char spare[4096];
	struct span bank = { FRAME(GIB(1)), 0x100 };
	uint64_t before;

	WORLD_OR_RETURN(&w, &bank, 1);
	before = world_sum(&w);
	CHECK_EQ(frames_add_bank(&w.f, pfn(0), 0, 0, spare), MM_EINVAL);
	CHECK_EQ(frames_add_bank(&w.f, pfn(0), 1, 0, NULL), MM_EINVAL);
	CHECK_EQ(frames_add_bank(&w.f, pfn(0), 1, 0, spare + 8), MM_EALIGN);
	CHECK_EQ(frames_add_bank(&w.f, pfn(FRAME(GIB(2))), 1, 0, spare),
		 MM_ERANGE); /* the table has sections 0 and 1 */
	CHECK_EQ(frames_add_bank(&w.f, pfn(FRAME(GIB(1)) - 1), FRAME(GIB(1)) + 2, 0, spare), MM_ERANGE);
	CHECK_EQ(frames_add_bank(&w.f, pfn(UINT64_MAX), 1, 0, spare), MM_ERANGE);
	CHECK_EQ(frames_add_bank(&w.f, pfn(UINT64_MAX), 2, 0, spare), MM_ERANGE);
	CHECK_EQ(frames_add_bank(&w.f, pfn(1), UINT64_MAX, 0, spare), MM_ERANGE);
	CHECK_EQ(frames_add_bank(&w.f, pfn(5), UINT64_MAX - 1, 0, spare),
		 MM_ERANGE); /* ends in the section it starts in */
	CHECK_EQ(frames_add_bank(&w.f, pfn(FRAME(GIB(1)) + 0x200), 1, 0, spare), MM_EEXIST);
	CHECK_EQ(frames_add_bank(&w.f, pfn(FRAME(GIB(1)) - 1), 2, 0, spare), MM_EEXIST);
	CHECK(world_sum(&w) == before);
	CHECK_EQ(w.f.bank_count, 1);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	for (unsigned i = 0; i < sizeof(spare); i++)
		CHECK_OR_RETURN(spare[i] == 0);
}

TEST(B14, "a bank never crosses 4 GiB")
{
	static _Alignas(64) char spare[4096];
	struct span banks[] = { { FRAME(GIB(4)) - 64, 64 }, { FRAME(GIB(4)), 64 } };
	static struct frames f; /* too large for a kernel stack */
	static uint64_t sections[8];

	frames_init(&f, NULL, sections, 8);
	CHECK_EQ(frames_add_bank(&f, pfn(FRAME(GIB(4)) - 1), 2, 0, spare), MM_EINVAL);
	CHECK_EQ(frames_add_bank(&f, pfn(0), FRAME(GIB(8)), 0, spare), MM_EINVAL);
	for (unsigned i = 0; i < 8; i++)
		CHECK_EQ(sections[i], 0);
	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, 64);
	world_add(&w, banks[1].start, 64);
	world_check(&w);
}

TEST(B14, "an allocator without banks, and a bank to which nothing was given, have nothing")
{
	struct span bank = { FRAME(GIB(1)), 0x100 };
	static struct frames f; /* too large for a kernel stack */
	struct frames_stats stats;
	struct frame_info info;
	pfn_t out;

	frames_init(&f, NULL, NULL, 0);
	CHECK_EQ(frames_alloc(&f, 0, 0, TAG_TEST, &out), MM_ENOMEM);
	CHECK_EQ(frames_largest_free(&f) + 1, 0);
	CHECK_EQ(frames_validate(&f), MM_OK);
	CHECK_EQ(frames_add_memory(&f, pfn(0), 1), MM_EINVAL);
	frames_query(&f, pfn(0), &info);
	CHECK_EQ(info.role, FRAME_FOREIGN);
	frames_get_stats(&f, &stats);
	CHECK_EQ(stats.total_pages + stats.banks + stats.metadata_bytes, 0);

	WORLD_OR_RETURN(&w, &bank, 1);
	CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &out), MM_ENOMEM);
	CHECK_EQ(frames_largest_free(&w.f) + 1, 0);
	world_check(&w);
}

TEST(B9, "memory at 4 GiB and above is taken first, lowest bank first; below on request or when nothing else is left")
{
	struct span banks[] = {
		{ FRAME(GIB(4)) - 2, 2 },
		{ FRAME(GIB(5)), 2 },
		{ FRAME(GIB(3)) - 3, 3 },
		{ FRAME(GIB(4)) + 100, 1 },
	};
	static const uint64_t order[] = {
		FRAME(GIB(4)) + 100, FRAME(GIB(5)),	FRAME(GIB(5)) + 1, FRAME(GIB(3)) - 3,
		FRAME(GIB(3)) - 2,   FRAME(GIB(3)) - 1, FRAME(GIB(4)) - 2, FRAME(GIB(4)) - 1
	};
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, ARRAY_SIZE(banks));
	for (unsigned i = 0; i < ARRAY_SIZE(banks); i++)
		world_add(&w, banks[i].start, banks[i].pages);
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		CHECK(world_alloc(&w, 0, 0, TAG_TEST, &f));
		CHECK_EQ(f.n, order[i]);
	}
	CHECK(world_alloc(&w, 0, 0, TAG_TEST, &f));
	world_check(&w);
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
		CHECK(world_free(&w, order[i], 0));
	for (unsigned i = 3; i < ARRAY_SIZE(order); i++) {
		CHECK(world_alloc(&w, 0, FRAMES_BELOW_4G, TAG_TEST, &f));
		CHECK_EQ(f.n, order[i]);
	}
	/* High memory is free, but not what was asked for. */
	CHECK_EQ(frames_alloc(&w.f, 0, FRAMES_BELOW_4G, TAG_TEST, &f), MM_ENOMEM);
	CHECK(world_alloc(&w, 1, 0, TAG_TEST, &f));
	CHECK_EQ(f.n, FRAME(GIB(5)));
	world_check(&w);
}

/* ---- arguments and failures -------------------------------------------------------------------------------------- */

TEST(B7, "arguments that make no sense are MM_EINVAL, no memory is MM_ENOMEM, and a failure changes nothing")
{
	struct span bank = { FRAME(GIB(1)), 0x80 };
	struct frames_stats stats;
	uint64_t before;
	pfn_t f = pfn(0x1234);

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	before = world_sum(&w);
	CHECK_EQ(frames_alloc(&w.f, MAX_ORDER + 1, 0, TAG_TEST, &f), MM_EINVAL);
	CHECK_EQ(frames_alloc(&w.f, UINT32_MAX, 0, TAG_TEST, &f), MM_EINVAL);
	CHECK_EQ(frames_alloc(&w.f, 64, 0, TAG_TEST, &f), MM_EINVAL);
	CHECK_EQ(frames_alloc(&w.f, 0, 8, TAG_TEST, &f), MM_EINVAL);
	CHECK_EQ(frames_alloc(&w.f, 0, 1u << 31, TAG_TEST, &f), MM_EINVAL);
	CHECK_EQ(frames_alloc(&w.f, 0, 0, (enum page_tag)256, &f), MM_EINVAL);
	for (unsigned order = 8; order <= MAX_ORDER; order++)
		CHECK_EQ(frames_alloc(&w.f, order, 0, TAG_TEST, &f), MM_ENOMEM);
	CHECK_EQ(f.n, 0x1234);
	CHECK(world_sum(&w) == before);
	frames_get_stats(&w.f, &stats);
	CHECK_EQ(stats.failures, MAX_ORDER - 8 + 1);
	CHECK_EQ(stats.allocs, 0);
	world_check(&w);
}

TEST(B1, "blocks are naturally aligned, disjoint, owned by their tag with one reference")
{
	struct span bank = { FRAME(GIB(1)) + 1, 0x3fff };
	struct page *page;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned order = 0; order <= 12; order++) {
		CHECK(world_alloc(&w, order, 0, TAG_USER + order, &f));
		CHECK_EQ(f.n & (((uint64_t)1 << order) - 1), 0);
		page = frames_page(&w.f, f);
		CHECK_OR_RETURN(page != NULL);
		CHECK_EQ(page->ref, 1);
		CHECK_EQ(page->order, order);
		CHECK_EQ(page->state, PAGE_ALLOC);
		CHECK_EQ(page->tag, TAG_USER + order);
		CHECK_EQ(page->aux, 0);
	}
	world_check(&w);
}

TEST(B2, "a freed block may be had again, and its record keeps the last owner and nothing else")
{
	struct span bank = { FRAME(GIB(1)), 4 };
	struct frame_info info;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, 1);
	world_add(&w, bank.start + 3, 1);
	for (unsigned i = 0; i < 5; i++) {
		CHECK(world_alloc(&w, 0, 0, TAG_SLAB, &f));
		CHECK_EQ(f.n, bank.start);
		frames_page(&w.f, f)->aux = 0xffff;
		CHECK(world_free(&w, f.n, 0));
		frames_query(&w.f, f, &info);
		CHECK_EQ(info.role, FRAME_FREE);
		CHECK_EQ(info.tag, TAG_SLAB);
		CHECK_EQ(*world_record(&w, f.n), page_word(0, 0, PAGE_FREE, TAG_SLAB));
		world_check(&w);
	}
}

TEST_ON(TAP_HOST, B8, "a block that is asked for zeroed is zero to its last byte, and only it")
{
	struct span bank = { FRAME(GIB(1)), 64 };
	uintptr_t base = arch_linear_base;
	char *memory;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	memory = test_arena(64 * PAGE_SIZE);
	CHECK_OR_RETURN(memory != NULL);
	memset(memory, 0xa5, 64 * PAGE_SIZE);
	arch_linear_base = (uintptr_t)memory - GIB(1);
	CHECK(world_take(&w, bank.start, 0, TAG_TEST));
	for (unsigned order = 0; order < 5; order++) {
		size_t at, dirty = 0, size = PAGE_SIZE << order;

		CHECK(world_alloc(&w, order, FRAMES_ZERO, TAG_TEST, &f));
		at = (size_t)(f.n - bank.start) * PAGE_SIZE;
		for (size_t i = 0; i < size; i++)
			dirty += memory[at + i] != 0;
		CHECK_EQ(dirty, 0);
		CHECK_EQ(memory[at - 1] & 0xff, 0xa5);
		CHECK(at + size == 64 * PAGE_SIZE || (memory[at + size] & 0xff) == 0xa5);
		memset(memory, 0xa5, 64 * PAGE_SIZE);
	}
	/* Without the flag a page is not touched. */
	CHECK(world_alloc(&w, 0, 0, TAG_TEST, &f));
	CHECK_EQ(memory[(f.n - bank.start) * PAGE_SIZE] & 0xff, 0xa5);
	arch_linear_base = base;
}

TEST_ON(TAP_HOST, B8, "a block that is asked for zeroed is zero also when the first bank had none")
{
	struct span banks[] = { { FRAME(GIB(1)), 4 }, { FRAME(GIB(4)), 1 } };
	uintptr_t base = arch_linear_base;
	unsigned dirty = 0;
	char *memory;
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, 4);
	memory = test_arena(4 * PAGE_SIZE);
	CHECK_OR_RETURN(memory != NULL);
	memset(memory, 0xa5, 4 * PAGE_SIZE);
	arch_linear_base = (uintptr_t)memory - GIB(1);
	CHECK(world_alloc(&w, 1, FRAMES_ZERO, TAG_TEST, &f));
	for (unsigned i = 0; i < 2 * PAGE_SIZE; i++)
		dirty += memory[i] != 0;
	CHECK_EQ(dirty, 0);
	CHECK_EQ(memory[2 * PAGE_SIZE] & 0xff, 0xa5);
	arch_linear_base = base;
}

/* Three frames, or the order of four, in each way that takes flags. How many were had; 0: refused with err. */
static unsigned take_with(unsigned way, unsigned flags, paddr_t *pa, int *err)
{
	const struct frames_request r = { .flags = flags, .tag = TAG_TEST };
	struct frames_run run = { { 0 }, 0 };
	pfn_t f = { 0 };
	unsigned n = way < 2 ? 4u >> 2 * way : 3;

	switch (way) {
	case 0:
	case 1:
		*err = frames_alloc(&w.f, way ? 0 : 2, flags, TAG_TEST, &f);
		break;
	case 2:
		*err = frames_alloc_bulk(&w.f, n, flags, TAG_TEST, pa);
		return *err ? 0 : n;
	case 3:
		*err = frames_alloc_exact(&w.f, n, &r, &f);
		break;
	default:
		*err = frames_alloc_runs(&w.f, n, 1, &r, &run, 1, &n);
		f = run.first;
		n = 3;
		break;
	}
	for (unsigned i = 0; i < n; i++)
		pa[i] = pfn_to_paddr(pfn(f.n + i));
	return *err ? 0 : n;
}

TEST_ON(TAP_HOST, B8, "all flags in all combinations, in every call that takes them")
{
	struct span banks[] = { { FRAME(GIB(1)), 8 }, { FRAME(GIB(4)), 8 } };
	uintptr_t base = arch_linear_base;
	paddr_t pa[4];
	char *memory;
	int err;

	for (unsigned way = 0; way < 5; way++)
		for (unsigned flags = 0; flags < 8; flags++) {
			unsigned clean = 0, low = 0, n;

			WORLD_OR_RETURN(&w, banks, 2);
			world_add(&w, banks[0].start, 8);
			world_add(&w, banks[1].start, 8);
			memory = test_arena(GIB(3) + 8 * PAGE_SIZE);
			CHECK_OR_RETURN(memory != NULL);
			arch_linear_base = (uintptr_t)memory - GIB(1);
			memset(memory, 0xa5, 8 * PAGE_SIZE);
			memset(memory + GIB(3), 0xa5, 8 * PAGE_SIZE);
			CHECK_EQ(frames_set_reserve(&w.f, 16), MM_OK);
			n = take_with(way, flags, pa, &err);
			CHECK_EQ(err, flags & FRAMES_RESERVE ? MM_OK : MM_ENOMEM);
			if (err) {
				CHECK_EQ(frames_set_reserve(&w.f, 0), MM_OK);
				n = take_with(way, flags, pa, &err);
				CHECK_EQ(err, MM_OK);
			}
			for (unsigned i = 0; i < n; i++) {
				low += pa[i].v < GIB(4);
				for (unsigned k = 0; k < PAGE_SIZE; k++)
					clean += memory[pa[i].v - GIB(1) + k] == 0;
			}
			CHECK_EQ(low, flags & FRAMES_BELOW_4G ? n : 0);
			CHECK_EQ(clean, flags & FRAMES_ZERO ? n * PAGE_SIZE : 0);
			CHECK_EQ(take_with(way, flags | 1u << 4, pa, &err), 0);
			CHECK_EQ(err, MM_EINVAL);
			if (way < 4) {
				CHECK_EQ(take_with(way, flags | FRAMES_BEST_EFFORT, pa, &err), 0);
				CHECK_EQ(err, MM_EINVAL);
			}
			CHECK_EQ(frames_validate(&w.f), MM_OK);
			arch_linear_base = base;
		}
}

/* ---- bad frees --------------------------------------------------------------------------------------------------- */

static noinline int bad_free(uint64_t n, unsigned order)
{
	uint64_t before = world_sum(&w);
	int err;

	world_log_begin();
	err = frames_free(&w.f, pfn(n), order);
	CHECK_EQ(world_log_end(), 1);
	CHECK(world_sum(&w) == before);
	CHECK(contains(world_line, "frames: bad free of 0x"));
	return err;
}

TEST(B11, "each kind of bad free has its error and one line, and changes nothing")
{
	/*
	 * Section 1: a part with a hole in it; section 2: no RAM; section 3: untouched, all of it; section 4: absent.
	 */
	struct span banks[] = { { FRAME(GIB(1)) + 0x100, 0x200 },
				{ FRAME(GIB(3)), SECTION_PAGES },
				{ FRAME(GIB(4)), 16 } };
	struct frames_stats stats;
	uint64_t n;
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, 0x80);
	world_add(&w, banks[1].start, SECTION_PAGES);
	CHECK(world_take(&w, banks[0].start + 8, 3, TAG_HEAP));
	n = banks[0].start + 8;
	f = pfn(n);

	CHECK_EQ(bad_free(n, MAX_ORDER + 1), MM_EINVAL);
	CHECK_EQ(bad_free(n, UINT32_MAX), MM_EINVAL);
	CHECK_EQ(bad_free(n, 3 + 32), MM_EINVAL); /* the order's field has five bits */
	CHECK_EQ(bad_free(n, 3 + 64), MM_EINVAL);
	CHECK_EQ(bad_free(0, 0), MM_EFOREIGN);
	CHECK_EQ(bad_free(FRAME(GIB(2)), 0), MM_EFOREIGN);
	CHECK_EQ(bad_free(FRAME(GIB(4)), 0), MM_EFOREIGN); /* behind the table */
	CHECK_EQ(bad_free(UINT64_MAX >> PAGE_SHIFT, 0), MM_EFOREIGN);
	CHECK_EQ(bad_free(UINT64_MAX, 0), MM_EFOREIGN);
	CHECK_EQ(bad_free(banks[0].start - 1, 0),
		 MM_EFOREIGN); /* in a live section, outside the bank: garbage, not read */
	CHECK_EQ(bad_free(banks[0].start + 0x200, 0), MM_EFOREIGN);
	CHECK_EQ(bad_free(FRAME(GIB(1)), MAX_ORDER), MM_EFOREIGN);
	CHECK_EQ(bad_free(banks[0].start + 0x80, 0), MM_ERESERVED);
	CHECK_EQ(bad_free(banks[0].start + 0x1ff, 0), MM_ERESERVED);
	CHECK_EQ(bad_free(n, 2), MM_EORDER);
	CHECK_EQ(bad_free(n, 4), MM_EORDER);
	CHECK_EQ(bad_free(n, MAX_ORDER), MM_EORDER);
	CHECK_EQ(bad_free(n + 1, 0), MM_EINTERIOR);
	CHECK_EQ(bad_free(n + 4, 2), MM_EINTERIOR);
	CHECK_EQ(bad_free(n + 7, 3), MM_EINTERIOR);
	CHECK_EQ(bad_free(n - 8, 3), MM_EDOUBLE); /* never allocated: free all the same */
	CHECK_EQ(bad_free(n + 8, 0), MM_EDOUBLE);
	CHECK_EQ(bad_free(n + 13, 0), MM_EDOUBLE);
	CHECK_EQ(bad_free(banks[1].start, MAX_ORDER), MM_EDOUBLE);
	CHECK_EQ(bad_free(banks[1].start + 1000, 0), MM_EDOUBLE);
	frames_page(&w.f, f)->ref = 2;
	CHECK_EQ(bad_free(n, 3), MM_EBUSY);
	CHECK(contains(world_line, "2 references"));
	frames_page(&w.f, f)->ref = 0;
	CHECK_EQ(bad_free(n, 3), MM_EBUSY);
	frames_page(&w.f, f)->ref = UINT32_MAX;
	CHECK_EQ(bad_free(n, 3), MM_EBUSY);
	frames_page(&w.f, f)->ref = 1;
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	CHECK(world_free(&w, n, 3));
	CHECK_EQ(bad_free(n, 3), MM_EDOUBLE);
	CHECK_EQ(bad_free(n + 5, 0), MM_EDOUBLE);
	frames_get_stats(&w.f, &stats);
	CHECK_EQ(stats.bad_frees, 30);
	CHECK_EQ(stats.frees, 1);
	world_check(&w);
}

TEST(B11, "the line of a bad free names page, order, owner, and the caller")
{
	struct span bank = { FRAME(GIB(1)), 0x80 };
	const char *by;
	uint64_t caller = 0;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK(world_alloc(&w, 2, 0, TAG_STACK, &f));
	CHECK_EQ(bad_free(f.n, 1), MM_EORDER);
	CHECK(contains(world_line, "0x40000000, order 1, by 0x"));
	CHECK(contains(world_line, mm_strerror(MM_EORDER)));
	CHECK(contains(world_line, "allocated block at 0x40000000, order 2, tag stack (4), 1 references"));
	for (by = world_line; memcmp(by, "by 0x", 5) != 0; by++)
		;
	for (by += 5; (*by >= '0' && *by <= '9') || (*by >= 'a' && *by <= 'f'); by++)
		caller = caller << 4 | (uint64_t)(*by <= '9' ? *by - '0' : *by - 'a' + 10);
	CHECK(caller > (uint64_t)(uintptr_t)bad_free && caller < (uint64_t)(uintptr_t)bad_free + 0x400);
}

TEST(B11, "by address: 4 KiB alignment first, then as by frame")
{
	struct span bank = { FRAME(GIB(1)), 0x80 };
	uint64_t before;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK(world_alloc(&w, 0, 0, TAG_TEST, &f));
	before = world_sum(&w);
	world_log_begin();
	CHECK_EQ(frames_free_paddr(&w.f, paddr(GIB(1) + 1), 0), MM_EALIGN);
	CHECK(contains(world_line, "0x40000001"));
	CHECK_EQ(frames_free_paddr(&w.f, paddr(GIB(1) + 0xfff), 0), MM_EALIGN);
	CHECK_EQ(frames_free_paddr(&w.f, paddr(UINT64_MAX), 0), MM_EALIGN);
	CHECK_EQ(frames_free_paddr(&w.f, paddr(GIB(1) + 0x1000), 0), MM_EDOUBLE);
	CHECK_EQ(frames_free_paddr(&w.f, paddr(0), 0), MM_EFOREIGN);
	CHECK_EQ(world_log_end(), 5);
	CHECK(world_sum(&w) == before);
	CHECK_EQ(frames_free_paddr(&w.f, pfn_to_paddr(f), 0), MM_OK);
	CHECK_EQ(frames_largest_free(&w.f), 7);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(B26, "the record of a block is had by its first frame only, while it is allocated")
{
	struct span bank = { FRAME(GIB(1)) + 4, 0x80 };
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	CHECK(frames_page(&w.f, pfn(bank.start)) == NULL);
	world_add(&w, bank.start, bank.pages - 1);
	CHECK(frames_page(&w.f, pfn(bank.start)) == NULL);
	CHECK(world_alloc(&w, 2, 0, TAG_TEST, &f));
	CHECK(frames_page(&w.f, f) == (struct page *)world_record(&w, f.n));
	CHECK(frames_page(&w.f, pfn(f.n + 1)) == NULL);
	CHECK(frames_page(&w.f, pfn(bank.start - 1)) == NULL);
	CHECK(frames_page(&w.f, pfn(bank.start + bank.pages - 1)) == NULL);
	CHECK(frames_page(&w.f, pfn(UINT64_MAX)) == NULL);
	CHECK(world_free(&w, f.n, 2));
	CHECK(frames_page(&w.f, f) == NULL);
}

/* ---- statistics -------------------------------------------------------------------------------------------------- */

TEST(B17, "statistics: given, free, peak, blocks by order, calls")
{
	struct span banks[] = { { FRAME(GIB(1)), 0x1000 }, { FRAME(GIB(2)), 0x40 } };
	struct frames_stats stats;
	pfn_t f[8];

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, 0x1000);
	world_add(&w, banks[1].start + 1, 0x3f);
	for (unsigned i = 0; i < 8; i++)
		CHECK(world_alloc(&w, i, 0, TAG_TEST, &f[i]));
	for (unsigned i = 0; i < 7; i++)
		CHECK(world_free(&w, f[i].n, i));
	frames_get_stats(&w.f, &stats);
	CHECK_EQ(stats.banks, 2);
	CHECK_EQ(stats.total_pages, 0x103f);
	CHECK_EQ(stats.free_pages, 0x103f - 0x80);
	CHECK_EQ(stats.peak_used_pages, 0xff);
	CHECK_EQ(stats.allocs, 8);
	CHECK_EQ(stats.frees, 7);
	CHECK_EQ(stats.failures, 0);
	CHECK_EQ(stats.bad_frees, 0);
	CHECK_EQ(stats.metadata_bytes, w.metadata_bytes[0] + w.metadata_bytes[1]);
	world_check(&w);
	CHECK(world_alloc(&w, 7, 0, TAG_TEST, &f[0]));
	frames_get_stats(&w.f, &stats);
	CHECK_EQ(stats.peak_used_pages, 0x100);
	CHECK(world_free(&w, f[0].n, 7));
	CHECK(world_alloc(&w, 0, 0, TAG_TEST, &f[0]));
	frames_get_stats(&w.f, &stats);
	CHECK_EQ(stats.peak_used_pages, 0x100);
}

TEST(B6, "every frame can be asked at any time: what it is, its block, its order")
{
	struct span bank = { FRAME(GIB(1)) + 0x35, 0x400 };
	uint64_t seed = 6;
	unsigned wrong = 0;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start + 3, 0x2f0);
	world_add(&w, bank.start + 0x2f9, 0x107);
	for (unsigned i = 0; i < 60; i++) {
		CHECK(world_alloc(&w, (unsigned)(chance(&seed) % 6), 0, TAG_TEST, &f));
		for (uint64_t n = bank.start - 20; n < bank.start + bank.pages + 20; n++)
			wrong += !world_query_agrees(&w, n);
	}
	CHECK_EQ(wrong, 0);
	CHECK(world_query_agrees(&w, 0));
	CHECK(world_query_agrees(&w, UINT64_MAX));
}

/* ---- random sequences -------------------------------------------------------------------------------------------- */

/* Long sequences of everything; the share of allocations swings, so that memory runs full and empty. */
static void random_walk(uint64_t seed, unsigned steps, unsigned max_order)
{
	unsigned wrong = 0;
	pfn_t f;

	world_log_begin();
	for (unsigned i = 0; i < steps && !wrong; i++) {
		unsigned dice = (unsigned)(chance(&seed) % 100), growing = i / 512 % 2 ? 30 : 65;
		unsigned order = (unsigned)(chance(&seed) % (max_order + 1));
		const struct model_bank *bank = &w.model.bank[chance(&seed) % w.model.banks];
		/* Somewhere in a bank, or a little outside. */
		uint64_t n = bank->start + chance(&seed) % (bank->pages + 2) - (bank->start != 0);
		struct model_run *b;

		if (w.model.runs > WORLD_RUNS - 64)
			growing = 0;
		/* Small blocks more often than large ones. */
		if (chance(&seed) % 4)
			order = (unsigned)(chance(&seed) % (order + 1));
		if (dice < growing) {
			bool below = chance(&seed) % 8 == 0;

			wrong += !world_alloc(&w, order, below ? FRAMES_BELOW_4G : 0, TAG_USER + i % 100, &f);
		} else if (dice < 90) {
			b = world_random_used(&w, &seed);
			if (b)
				wrong += !world_free(&w, b->n, b->order);
		} else if (dice < 95) {
			wrong += !world_free(&w, n, order);
		} else if (dice < 98) {
			wrong += !world_take(&w, n & ~(((uint64_t)1 << order) - 1), order, TAG_TEST);
		} else {
			wrong += !world_query_agrees(&w, n);
		}
		if (wrong)
			tap_note("step %u: %s", i, w.pair.wrong);
		if (i % (steps / 4 + 1) == 7) {
			world_log_end();
			world_check(&w);
			world_log_begin();
		}
	}
	world_log_end();
	CHECK_EQ(wrong, 0);
	world_check(&w);
	/* Everything back: as in the beginning. */
	for (struct model_run *b = world_random_used(&w, &seed); b; b = world_random_used(&w, &seed))
		CHECK(world_free(&w, b->n, b->order));
	world_check(&w);
	CHECK(pair_counters_agree(&w.pair));
	tap_note("%llu requests found no memory", (unsigned long long)w.model.failures);
}

TEST(B20, "random sequences against the model: one small bank")
{
	struct span bank = { FRAME(GIB(1)) + 0x123, 0x777 };

	for (uint64_t seed = 1; seed <= 3; seed++) {
		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, 0x300);
		world_add(&w, bank.start + 0x301, 0x476);
		random_walk(seed, 3000, 9);
	}
}

TEST(B20, "random sequences against the model: banks on both sides of a section's end")
{
	struct span banks[] = { { FRAME(GIB(2)) - 0x1001, 0x1001 }, { FRAME(GIB(2)), 0x2fff } };

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, banks[0].pages);
	world_add(&w, banks[1].start + 5, banks[1].pages - 5);
	random_walk(77, 4000, 11);
}

TEST_ON(TAP_HOST, B20, "random sequences against the model: eight banks of every shape, high and low, orders to 18")
{
	struct span banks[] = {
		{ FRAME(GIB(9)) + 0x3, 3 * SECTION_PAGES },
		{ 0, 1 },
		{ FRAME(GIB(1)), SECTION_PAGES },
		{ FRAME(GIB(3)) + 0x2ffff, 0x10001 },
		{ FRAME(GIB(4)), 2 * SECTION_PAGES + 7 },
		{ FRAME(GIB(2)) + 0x3ffff, 1 },
		{ FRAME(GIB(7)) + 77, 2 },
		{ FRAME(GIB(40)) - 0x11111, 0x11111 },
	};

	for (uint64_t seed = 1; seed <= 2; seed++) {
		WORLD_OR_RETURN(&w, banks, ARRAY_SIZE(banks));
		for (unsigned i = 0; i < ARRAY_SIZE(banks); i++) {
			uint64_t half = banks[i].pages / 3;

			world_add(&w, banks[i].start + half, banks[i].pages - half);
			if (half > 1)
				world_add(&w, banks[i].start, half - 1);
		}
		random_walk(seed, 20000, 18);
	}
}

TEST_ON(TAP_HOST, B20, "random sequences against the model: 64 GiB in which sections come to life one by one")
{
	struct span bank = { FRAME(GIB(8)), 64 * SECTION_PAGES };

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	random_walk(64, 6000, 18);
}

/* ---- size -------------------------------------------------------------------------------------------------------- */

#if __STDC_HOSTED__

TEST_ON(TAP_HOST, B22, "1 TiB costs a few pages of metadata to bring up, and one section's worth for the first page")
{
	static struct frames f;
	uint64_t start = FRAME(TIB(1)), pages = FRAME(TIB(1)), n_sections = 2048;
	uint64_t bytes = frames_bank_metadata_size(pfn(start), pages), map_bytes = pages * sizeof(struct page);
	void *metadata, *map;
	uint64_t *sections;
	pfn_t out;

	test_arena_reset();
	metadata = test_arena(bytes);
	map = test_arena(map_bytes);
	sections = test_arena(frames_section_table_size(n_sections));
	CHECK_OR_RETURN(metadata && map && sections);
	frames_init(&f, (struct page *)((uintptr_t)map - start * sizeof(struct page)), sections, n_sections);
	CHECK_EQ(frames_add_bank(&f, pfn(start), pages, 0, metadata), MM_OK);
	CHECK_EQ(frames_add_memory(&f, pfn(start), pages), MM_OK);
	CHECK(test_arena_touched(metadata, bytes) <= KIB(8));
	CHECK_EQ(test_arena_touched(map, map_bytes), 0);

	/* A whole section: one record. */
	CHECK_EQ(frames_alloc(&f, MAX_ORDER, 0, TAG_TEST, &out), MM_OK);
	CHECK_EQ(out.n, start);
	CHECK(test_arena_touched(metadata, bytes) <= KIB(8));
	CHECK_EQ(test_arena_touched(map, map_bytes), KIB(4));

	/* A page: the nodes and the records of the next section. */
	CHECK_EQ(frames_alloc(&f, 0, 0, TAG_TEST, &out), MM_OK);
	CHECK_EQ(out.n, start + SECTION_PAGES);
	CHECK(test_arena_touched(metadata, bytes) <= KIB(8 + 64 + 4 + 4 + 12));
	CHECK_EQ(test_arena_touched(map, map_bytes), KIB(4) + MIB(2));
	CHECK_EQ(frames_validate(&f), MM_OK);
	CHECK_EQ(frames_free(&f, out, 0), MM_OK);
	CHECK_EQ(frames_free(&f, pfn(start), MAX_ORDER), MM_OK);
	CHECK_EQ(frames_validate(&f), MM_OK);
	test_arena_reset();
}

TEST_ON(TAP_HOST, B22, "the whole of a 48-bit address space can be one bank")
{
	static struct frames f;
	uint64_t start = FRAME(GIB(4)), pages = FRAME(TIB(256)) - start, n_sections = 262144;
	uint64_t bytes = frames_bank_metadata_size(pfn(start), pages), map_bytes = pages * sizeof(struct page);
	void *metadata, *map;
	uint64_t *sections;
	pfn_t out;

	test_arena_reset();
	metadata = test_arena(bytes);
	map = test_arena(map_bytes);
	sections = test_arena(frames_section_table_size(n_sections));
	if (!metadata || !map || !sections) {
		tap_skip("this machine does not lend 600 GiB of addresses");
		test_arena_reset();
		return;
	}
	frames_init(&f, (struct page *)((uintptr_t)map - start * sizeof(struct page)), sections, n_sections);
	CHECK_EQ(frames_add_bank(&f, pfn(start), pages, 0, metadata), MM_OK);
	CHECK_EQ(frames_add_memory(&f, pfn(start), pages), MM_OK);
	CHECK_EQ(frames_take(&f, pfn(FRAME(TIB(256)) - 1), 0, TAG_TEST), MM_OK);
	CHECK_EQ(frames_alloc(&f, 3, 0, TAG_TEST, &out), MM_OK);
	CHECK_EQ(out.n, FRAME(TIB(256)) - 16);
	CHECK_EQ(frames_alloc(&f, MAX_ORDER, 0, TAG_TEST, &out), MM_OK);
	CHECK_EQ(out.n, start);
	CHECK_EQ(frames_validate(&f), MM_OK);
	test_arena_reset();
}

/* ---- several CPUs ------------------------------------------------------------------------------------------------ */

#define THREADS 4

static unsigned thread_wrong[THREADS];

static void *thread_run(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg, held = 0;
	uint64_t seed = id + 1;
	struct {
		uint64_t n;
		unsigned order;
	} mine[64];

	for (unsigned i = 0; i < 20000; i++) {
		if (held < 64 && chance(&seed) % 2) {
			struct frame_info info;
			pfn_t f;

			mine[held].order = (unsigned)(chance(&seed) % 10);
			if (frames_alloc(&w.f, mine[held].order, 0, TAG_USER + id, &f))
				continue;
			mine[held++].n = f.n;
			frames_query(&w.f, f, &info);
			thread_wrong[id] += info.role != FRAME_ALLOC || info.head.n != f.n || info.tag != TAG_USER + id;
			__atomic_store_n(&frames_page(&w.f, f)->ref, 2, __ATOMIC_RELAXED);
		} else if (held) {
			unsigned k = (unsigned)(chance(&seed) % held);

			__atomic_store_n(&frames_page(&w.f, pfn(mine[k].n))->ref, 1, __ATOMIC_RELAXED);
			thread_wrong[id] += frames_free(&w.f, pfn(mine[k].n), mine[k].order) != MM_OK;
			mine[k] = mine[--held];
		}
	}
	while (held--) {
		__atomic_store_n(&frames_page(&w.f, pfn(mine[held].n))->ref, 1, __ATOMIC_RELAXED);
		thread_wrong[id] += frames_free(&w.f, pfn(mine[held].n), mine[held].order) != MM_OK;
	}
	return NULL;
}

TEST_ON(TAP_HOST, B23, "four CPUs allocate and free at once; nothing is handed out twice and nothing is lost")
{
	struct span banks[] = { { FRAME(GIB(4)) + 1, 0x3000 }, { FRAME(GIB(1)), SECTION_PAGES } };
	pthread_t thread[THREADS];
	struct frames_stats stats;

	WORLD_OR_RETURN(&w, banks, 2);
	for (unsigned i = 0; i < 2; i++)
		world_add(&w, banks[i].start, banks[i].pages);
	for (unsigned i = 0; i < THREADS; i++) {
		thread_wrong[i] = 0;
		CHECK_OR_RETURN(!pthread_create(&thread[i], NULL, thread_run, (void *)(uintptr_t)i));
	}
	for (unsigned i = 0; i < 50; i++) {
		frames_get_stats(&w.f, &stats);
		CHECK_EQ(frames_validate(&w.f), MM_OK);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		CHECK_EQ(thread_wrong[i], 0);
	}
	world_check(&w);
	CHECK_EQ(frames_largest_free(&w.f), MAX_ORDER);
}

#endif
