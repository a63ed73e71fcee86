/* SPDX-License-Identifier: BSD-2-Clause */
/* Many single frames in one call: all or nothing wherever the last one lies, and frees of lists with mistakes in them. */
#define SUITE "frames_bulk"
#include "arch/arch.h"
#include "tests/suites/frames_world.h"

#if __STDC_HOSTED__
#include "arch/host/host.h"
#endif

static struct world w;
static struct {
	_Alignas(64) char bytes[FRAMES_CPU_BYTES];
} memory[3];

#define MOST 0x1000

static paddr_t pa[MOST + 1];

static struct frames_stats stats(void)
{
	struct frames_stats s;

	frames_get_stats(&w.f, &s);
	return s;
}

/* n frames of the bulk are single, allocated, owned by tag, and no two are the same. */
static void check_frames(unsigned n, unsigned tag)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < n; i++) {
		struct page *page = frames_page(&w.f, paddr_to_pfn(pa[i]));

		/* aux marks the frames that were seen. */
		wrong += !page || page->ref != 1 || page->order != 0 || page->tag != tag || page->aux != 0 || page->old;
		if (page)
			page->aux = 1;
	}
	CHECK_EQ(wrong, 0);
}

TEST(FB1, "any number of frames, each its owner's, and as many fewer are left")
{
	struct span banks[] = { { FRAME(GIB(1)) + 3, 0x800 }, { FRAME(GIB(4)), 0x500 } };
	static const unsigned sizes[] = { 0, 1, 2, 63, 64, 65, 127, 128, 129, 500, 1000 };
	uint64_t left = 0x800 + 0x500 - 1;

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, 0x400);
	world_add(&w, banks[0].start + 0x401, 0x3ff);
	world_add(&w, banks[1].start, 0x500);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		CHECK_EQ(frames_alloc_bulk(&w.f, sizes[i], 0, (uint8_t)(TAG_USER + i), pa), MM_OK);
		check_frames(sizes[i], TAG_USER + i);
		left -= sizes[i];
		CHECK_EQ(stats().free_pages, left);
		CHECK_EQ(frames_validate(&w.f), MM_OK);
		/* Half of them go back, so that the next one finds a memory with holes. */
		CHECK_EQ(frames_free_bulk(&w.f, sizes[i] / 2, pa), MM_OK);
		left += sizes[i] / 2;
	}
	CHECK_EQ(stats().free_pages, left);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(FB1, "high memory first, below 4 GiB on request; unknown flags are refused")
{
	struct span banks[] = { { FRAME(GIB(1)), 0x80 }, { FRAME(GIB(4)), 0x80 } };
	unsigned low = 0;

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, 0x80);
	world_add(&w, banks[1].start, 0x80);
	CHECK_EQ(frames_alloc_bulk(&w.f, 0x20, FRAMES_BELOW_4G, TAG_TEST, pa), MM_OK);
	for (unsigned i = 0; i < 0x20; i++)
		low += pa[i].v < GIB(4);
	CHECK_EQ(low, 0x20);
	CHECK_EQ(frames_alloc_bulk(&w.f, 0x90, 0, TAG_TEST, pa), MM_OK);
	for (unsigned i = 0; i < 0x90; i++)
		low += pa[i].v < GIB(4);
	CHECK_EQ(low, 0x30);
	CHECK_EQ(frames_alloc_bulk(&w.f, 0x51, FRAMES_BELOW_4G, TAG_TEST, pa), MM_ENOMEM);
	CHECK_EQ(frames_alloc_bulk(&w.f, 1, FRAMES_BEST_EFFORT, TAG_TEST, pa), MM_EINVAL);
	CHECK_EQ(frames_alloc_bulk(&w.f, 1, 1u << 31, TAG_TEST, pa), MM_EINVAL);
	CHECK_EQ(stats().free_pages, 0x50);
	CHECK_EQ(stats().failures, 1);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(FB1, "without any memory there are no frames, however many are asked for; none are always had")
{
	static const unsigned sizes[] = { 1, 63, 64, 65, 1000 };

	frames_init(&w.f, NULL, NULL, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		CHECK_EQ(frames_alloc_bulk(&w.f, sizes[i], 0, TAG_TEST, pa), MM_ENOMEM);
		CHECK_EQ(frames_alloc_bulk(&w.f, sizes[i], FRAMES_RESERVE, TAG_TEST, pa), MM_ENOMEM);
		CHECK_EQ(stats().failures, 2 * (i + 1));
	}
	CHECK_EQ(frames_alloc_bulk(&w.f, 0, 0, TAG_TEST, pa), MM_OK);
	CHECK_EQ(frames_free_bulk(&w.f, 0, pa), MM_OK);
	CHECK_EQ(stats().bad_frees, 0);
}

/* With `free` frames free somewhere: one more is refused and changes nothing, all of them are had. */
static void at_the_edge(unsigned free)
{
	struct frames_stats s = stats();
	unsigned wrong = 0;

	CHECK_EQ(s.free_pages, free);
	wrong += frames_alloc_bulk(&w.f, free + 1, 0, TAG_TEST, pa) != MM_ENOMEM;
	wrong += stats().free_pages != free;
	wrong += frames_validate(&w.f) != MM_OK;
	wrong += frames_alloc_bulk(&w.f, free, 0, TAG_TEST, pa) != MM_OK;
	wrong += stats().free_pages != 0;
	CHECK_EQ(wrong, 0);
}

TEST(FB1, "all or nothing, whichever frame is the first that is not there")
{
	struct span banks[] = { { FRAME(GIB(1)), 0x100 }, { FRAME(GIB(4)), 0x80 } };
	static paddr_t all[0x180];
	uint64_t seed = 1;
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, 0x100);
	world_add(&w, banks[1].start, 0x80);
	for (unsigned free = 0; free < 0x180; free += free < 4 ? 1 : 7) {
		CHECK_EQ(frames_alloc_bulk(&w.f, 0x180, 0, TAG_TEST, all), MM_OK);
		CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &f), MM_ENOMEM);
		/* Any of them. */
		for (unsigned i = 0; i < free; i++) {
			unsigned k = i + (unsigned)(chance(&seed) % (0x180 - i));
			paddr_t one = all[k];

			all[k] = all[i];
			all[i] = one;
		}
		CHECK_EQ(frames_free_bulk(&w.f, free, all), MM_OK);
		at_the_edge(free);
		/* All are out again. */
		CHECK_EQ(frames_free_bulk(&w.f, 0x180, all), MM_OK);
	}
	CHECK_EQ(stats().bad_frees, 0);
	world_check(&w);
}

TEST(FB1, "frames that only caches hold are had, also when it takes all of them; a refused request leaves as many")
{
	struct span bank = { FRAME(GIB(1)), FRAME(MIB(16)) };

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned cpu = 0; cpu < ARRAY_SIZE(memory); cpu++) {
#if __STDC_HOSTED__
		host_set_cpu_id(cpu);
#else
		if (cpu)
			break;
#endif
		CHECK_EQ(frames_cpu_online(&w.f, cpu, 0, &memory[cpu]), MM_OK);
		pa[0] = frames_alloc_page(&w.f, TAG_TEST);
		CHECK_EQ(frames_free_page(&w.f, pa[0]), MM_OK);
	}
#if __STDC_HOSTED__
	host_set_cpu_id(0);
#endif
	CHECK(stats().cached_pages > 0);
	CHECK_EQ(frames_alloc_bulk(&w.f, MOST, 0, TAG_TEST, pa), MM_OK);
	CHECK_EQ(stats().free_pages, 0);
	CHECK_EQ(frames_free_bulk(&w.f, MOST, pa), MM_OK);
	pa[0] = frames_alloc_page(&w.f, TAG_TEST);
	CHECK_EQ(frames_alloc_bulk(&w.f, MOST, 0, TAG_TEST, pa + 1), MM_ENOMEM);
	CHECK_EQ(stats().free_pages, MOST - 1);
	CHECK_EQ(frames_free_page(&w.f, pa[0]), MM_OK);
	CHECK_EQ(stats().free_pages, MOST);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	world_check(&w);
}

TEST_ON(TAP_HOST, FB1, "frames that are asked for zeroed are, and no others")
{
	struct span bank = { FRAME(GIB(1)), 0x100 };
	uintptr_t base = arch_linear_base;
	size_t zeroes = 0;
	char *ram;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, 0x100);
	ram = test_arena(0x100 * PAGE_SIZE);
	CHECK_OR_RETURN(ram != NULL);
	memset(ram, 0xa5, 0x100 * PAGE_SIZE);
	arch_linear_base = (uintptr_t)ram - GIB(1);
	CHECK_EQ(frames_alloc_bulk(&w.f, 0x101, FRAMES_ZERO, TAG_TEST, pa), MM_ENOMEM);
	CHECK_EQ(frames_alloc_bulk(&w.f, 77, FRAMES_ZERO, TAG_TEST, pa), MM_OK);
	for (unsigned i = 0; i < 77; i++)
		for (size_t k = 0; k < PAGE_SIZE; k++)
			zeroes += ram[pa[i].v - GIB(1) + k] == 0;
	CHECK_EQ(zeroes, 77 * PAGE_SIZE);
	CHECK_EQ(frames_alloc_bulk(&w.f, 77, 0, TAG_TEST, pa), MM_OK);
	for (size_t k = 0; k < 0x100 * PAGE_SIZE; k++)
		zeroes -= ram[k] == 0;
	CHECK_EQ(zeroes, 0);
	arch_linear_base = base;
}

/* ---- frees ------------------------------------------------------------------------------------------------------- */

/*
 * Among good frames every kind of bad one, at the first, the last and a middle place of the list. Each is reported, the
 * first error is returned, the good ones are freed. A bank that is a whole GiB takes another way than a part of one.
 */
static void with_mistakes(const struct span *bank)
{
	static const unsigned places[] = { 0, 63, 64, 100, 199 };
	static paddr_t list[200];
	uint64_t first_free;
	pfn_t block, two;

	CHECK_EQ(frames_alloc(&w.f, 3, 0, TAG_STACK, &block), MM_OK);
	CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_HEAP, &two), MM_OK);
	CHECK_EQ(frames_get(&w.f, two), MM_OK);
	for (unsigned p = 0; p < ARRAY_SIZE(places); p++) {
		struct {
			uint64_t pa;
			int err;
		} bad[] = {
			{ pfn_to_paddr(block).v, MM_EORDER },
			{ pfn_to_paddr(block).v + PAGE_SIZE, MM_EINTERIOR },
			{ pfn_to_paddr(two).v, MM_EBUSY },
			{ pfn_to_paddr(pfn(bank->start + bank->pages)).v, MM_EFOREIGN },
			{ 0, MM_EFOREIGN },
			{ UINT64_MAX, MM_EALIGN },
			{ UINT64_MAX & ~PAGE_MASK, MM_EFOREIGN },
			{ 0, MM_EDOUBLE }, /* filled in: a frame of the list a second time */
			{ 0, MM_EDOUBLE }, /* and one that is free */
		};

		for (unsigned b = 0; b < ARRAY_SIZE(bad); b++) {
			uint64_t before = stats().free_pages;

			CHECK_EQ(frames_alloc_bulk(&w.f, 200, 0, TAG_TEST, list), MM_OK);
			first_free = list[places[p]].v;
			if (b == 7)
				bad[b].pa = list[places[p] ? 0 : 199].v;
			if (b == 8)
				bad[b].pa = pfn_to_paddr(pfn(bank->start + bank->pages - 1)).v;
			list[places[p]].v = bad[b].pa;
			world_log_begin();
			CHECK_EQ(frames_free_bulk(&w.f, 200, list), bad[b].err);
			CHECK_EQ(world_log_end(), 1);
			CHECK_EQ(stats().free_pages, before - 1);
			CHECK_EQ(frames_free_page(&w.f, paddr(first_free)), MM_OK);
			CHECK_EQ(stats().free_pages, before);
		}
	}
	/* Several: all are reported, the first one's error is it. */
	CHECK_EQ(frames_alloc_bulk(&w.f, 200, 0, TAG_TEST, list), MM_OK);
	list[150].v += 1;
	list[160] = pfn_to_paddr(block);
	list[170] = list[0];
	world_log_begin();
	CHECK_EQ(frames_free_bulk(&w.f, 200, list), MM_EALIGN);
	CHECK_EQ(world_log_end(), 3);
	CHECK_EQ(frames_free_bulk(&w.f, 0, NULL), MM_OK);
	CHECK_EQ(frames_put(&w.f, two, NULL), MM_OK);
	CHECK_EQ(frames_put(&w.f, two, NULL), MM_OK);
	CHECK_EQ(frames_free(&w.f, block, 3), MM_OK);
	CHECK_EQ(stats().free_pages, bank->pages - 3);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(FB2, "a list with mistakes: each is reported and left alone, the others are freed; a bank that is part of a GiB")
{
	struct span bank = { FRAME(GIB(1)), 0x400 };

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	with_mistakes(&bank);
}

TEST(FB2, "a list with mistakes: each is reported and left alone, the others are freed; a whole GiB, with caches")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory[0]), MM_OK);
	with_mistakes(&bank);
}

TEST(FB2, "frames of several banks go back each to its own")
{
	struct span banks[] = { { FRAME(GIB(1)), 0x60 }, { FRAME(GIB(2)), SECTION_PAGES }, { FRAME(GIB(3)), 0x33 } };
	static paddr_t mixed[0x60 + 0x33 + 0x70];
	unsigned n = 0;

	WORLD_OR_RETURN(&w, banks, 3);
	for (unsigned i = 0; i < 3; i++) {
		unsigned pages = i == 1 ? 0x70 : (unsigned)banks[i].pages;

		world_add(&w, banks[i].start, banks[i].pages);
		for (unsigned k = 0; k < pages; k++) {
			CHECK(world_take(&w, banks[i].start + k, 0, TAG_TEST));
			CHECK_EQ(model_free(&w.model, banks[i].start + k, 0), MM_OK);
			mixed[n++] = pfn_to_paddr(pfn(banks[i].start + k));
		}
	}
	/* Neighbours in the list are not of one bank. */
	for (unsigned i = 0; i < n / 2; i += 2) {
		paddr_t other = mixed[i];

		mixed[i] = mixed[n - 1 - i];
		mixed[n - 1 - i] = other;
	}
	CHECK_EQ(frames_free_bulk(&w.f, n, mixed), MM_OK);
	world_check(&w);
}
