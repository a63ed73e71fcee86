/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bring-up (mm/init.c) over machines that nobody has: fake physical memory behind phys_to_virt(), real page tables, the real
 * allocator. For each machine: every free byte is given, nothing else is, what is given is mapped, no-map and image are not, and
 * PT_POOL never needs more than 40 tables. Host only: on the target the boot itself is the test.
 */
#define SUITE "init"
#include "lib/tap.h"

#if __STDC_HOSTED__

#include "arch/host/host.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/heap.h"
#include "mm/init.h"
#include "mm/kspace.h"
#include "tests/host/panic.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define MAX_CLAIMS 4096
#define PHYS_BYTES TIB(2) /* of the fake machine */
#define MEMMAP_BYTES (PHYS_BYTES / PAGE_SIZE * sizeof(struct page))
#define KERNEL_TABLES 14 /* what the boot has used of PT_POOL before bring-up: image, identity map, fixmap */
#define PT_POOL_LIMIT 40

static struct frames frames;
static struct pgtable tables;
static struct pt_pool pool;
static struct ram_claim claims[MAX_CLAIMS];
static struct ram_extra range[MAX_CLAIMS];
static unsigned ranges;
static struct ram_map map;
static struct mm_bringup up;
static uint8_t pool_memory[PT_POOL_TABLES][PAGE_SIZE] __attribute__((aligned(4096)));
static uint8_t *phys, *memmap;

static void *reserve(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		abort();
	}
	return p;
}

static void release(void *p, uint64_t bytes)
{
	/* Keeps the addresses, gives the pages back: the next machine finds zeroes, and garbage where a test writes it. */
	if (madvise(p, bytes, MADV_DONTNEED))
		abort();
}

/* Each in level-0 entries of its own, as the layout's regions are: what is counted for one does not serve the other. */
static uint8_t *reserve_region(uint64_t bytes)
{
	return (uint8_t *)ALIGN_UP((uintptr_t)reserve(ALIGN_UP(bytes, GIB(512)) + GIB(512)), GIB(512));
}

static void machine_begin(void)
{
	if (!phys) {
		phys = reserve_region(PHYS_BYTES);
		memmap = reserve_region(MEMMAP_BYTES);
	}
	release(phys, PHYS_BYTES);
	release(memmap, MEMMAP_BYTES);
	arch_linear_base = (uintptr_t)phys;
	host_set_pa_bits(48);
	ranges = 0;
}

static void add(uint64_t base, uint64_t size, enum ram_kind kind)
{
	if (ranges == MAX_CLAIMS)
		abort();
	range[ranges++] = (struct ram_extra){ base, size, kind, "test" };
}

static void hand_over(void *ctx, const struct page_allocator *a)
{
	pgtable_set_allocator(ctx, a);
}

static void run_machine(void)
{
	struct pgtable_config config = {
		.format = &format_el1_stage1,
		.input_bits = 48,
		.tlb = { .regime = REGIME_EL1_GLOBAL },
		.pool = &pool,
	};
	struct mm_init_config c = {
		.ram = &map,
		.frames = &frames,
		.tables = &tables,
		.pool = &pool,
		.memmap_va = (uint64_t)(uintptr_t)memmap,
		.linear_bits = 47,
		.hand_over = hand_over,
		.ctx = &tables,
	};
	paddr_t used;

	/* The pool's physical address is far from the fake machine's memory, so that a mix-up shows. */
	pt_pool_init(&pool, pool_memory, paddr(TIB(64)), PT_POOL_TABLES);
	for (unsigned i = 1; i < KERNEL_TABLES; i++)
		if (pt_pool_alloc(&pool, &used))
			abort();
	if (pgtable_init(&tables, &config, NULL) || ram_build(&map, claims, MAX_CLAIMS, NULL, paddr(0), range, ranges))
		abort();
	mm_init(&c, &up);
}

static bool stolen(uint64_t a)
{
	for (unsigned i = 0; i < up.bank_count; i++)
		if (!up.banks[i].borrowed && a >= up.banks[i].metadata.v &&
		    a < up.banks[i].metadata.v + up.banks[i].metadata_bytes)
			return true;
	return false;
}

static bool mapped_right(uint64_t a, bool want)
{
	struct pgtable_entry e;
	int err = pgtable_query(&tables, (uintptr_t)phys + a, &e);

	if (!want)
		return err == MM_ENOENT;
	return err == MM_OK && e.pa.v == a && e.attrs.access == PT_WRITE && e.attrs.memory == PT_NORMAL;
}

/* First and last page of every piece, and around its edges. */
static void check_machine(const char *name)
{
	uint64_t given = 0, free_bytes = 0, own = 0;
	unsigned wrong_map = 0, wrong_role = 0;
	struct frames_stats stats;
	struct ram_range r;

	frames_get_stats(&frames, &stats);
	for (uint64_t a = 0; ram_next(&map, a, &r); a = r.base + r.size) {
		const uint64_t probes[] = { r.base, r.base + r.size - PAGE_SIZE,
					    r.base + ALIGN_DOWN(r.size / 2, PAGE_SIZE) };

		free_bytes += r.kind == RAM_FREE ? r.size : 0;
		for (unsigned i = 0; i < ARRAY_SIZE(probes); i++) {
			struct frame_info info;
			bool reachable = r.kind != RAM_NOMAP && r.kind != RAM_IMAGE;

			frames_query(&frames, paddr_to_pfn(paddr(probes[i])), &info);
			wrong_map += !mapped_right(probes[i], reachable);
			if (r.kind != RAM_FREE || stolen(probes[i]))
				wrong_role += info.role != FRAME_RESERVED;
			else
				wrong_role += info.role != FRAME_FREE && info.role != FRAME_ALLOC;
		}
		if (!ram_next(&map, r.base + r.size, &(struct ram_range){ 0 }))
			wrong_map += !mapped_right(r.base + r.size, false);
	}
	for (unsigned i = 0; i < up.bank_count; i++)
		if (!up.banks[i].borrowed)
			own += up.banks[i].metadata_bytes;
	given = stats.total_pages << PAGE_SHIFT;
	CHECK_EQ(wrong_map, 0);
	CHECK_EQ(wrong_role, 0);
	/* Free by the map = given + stolen; nothing is lost to rounding or to a bank that is too small. */
	CHECK_EQ(free_bytes, given + own);
	CHECK_EQ(frames_validate(&frames), MM_OK);
	CHECK_EQ(pgtable_validate(&tables), MM_OK);
	CHECK(pool.peak <= PT_POOL_LIMIT);
	CHECK_EQ(pool.peak, up.pool_tables_needed);
	tap_note("init: %s: %u banks, PT_POOL %u, %lu tables, %lu KiB stolen", name, up.bank_count, pool.peak,
		 (unsigned long)up.dynamic_tables, (unsigned long)(up.stolen_bytes >> 10));
}

static void image_and_dtb(uint64_t ram)
{
	add(ram + MIB(2), 0x98000, RAM_IMAGE);
	add(ram + MIB(128), MIB(1), RAM_DTB);
}

/* [IN1] */
TEST_ON(TAP_HOST, IN1, "64 MiB to 1 TiB in one bank: all free memory is given and mapped")
{
	static const uint64_t sizes[] = { MIB(64), MIB(128), MIB(512), GIB(1),	 GIB(3),
					  GIB(6),  GIB(8),   GIB(64),  GIB(512), TIB(1) };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		machine_begin();
		add(GIB(1), sizes[i], RAM_FREE);
		add(GIB(1) + MIB(2), 0x98000, RAM_IMAGE);
		add(GIB(1) + sizes[i] / 2, MIB(1), RAM_DTB);
		run_machine();
		check_machine("one bank");
	}
}

/* [IN2] The limit class: a bank is cut at 4 GiB, and the upper part is taken first. */
TEST_ON(TAP_HOST, IN2, "memory above 4 GiB is handed out before memory below")
{
	pfn_t f;

	machine_begin();
	add(GIB(1), GIB(8), RAM_FREE);
	image_and_dtb(GIB(1));
	run_machine();
	check_machine("8 GiB");
	CHECK_EQ(up.bank_count, 2);
	CHECK_EQ(frames_alloc(&frames, 0, 0, TAG_TEST, &f), MM_OK);
	CHECK(pfn_to_paddr(f).v >= GIB(4));
	CHECK_EQ(frames_free(&frames, f, 0), MM_OK);
	CHECK_EQ(frames_alloc(&frames, 0, FRAMES_BELOW_4G, TAG_TEST, &f), MM_OK);
	CHECK(pfn_to_paddr(f).v < GIB(4));
	CHECK_EQ(frames_free(&frames, f, 0), MM_OK);
}

/* [IN3] */
TEST_ON(TAP_HOST, IN3, "holes, odd ends, RAM at 0, two banks in one GiB, tiny banks: nothing is lost")
{
	machine_begin();
	add(0, MIB(256), RAM_FREE);
	add(0, 0x98000, RAM_IMAGE);
	run_machine();
	check_machine("RAM at 0");

	machine_begin();
	add(GIB(1), MIB(200), RAM_FREE);
	add(GIB(1) + MIB(300), MIB(100) + 0x3000, RAM_FREE);
	image_and_dtb(GIB(1));
	run_machine();
	check_machine("two banks in one GiB");
	CHECK_EQ(up.bank_count, 1);

	machine_begin();
	add(GIB(1) + 0x1234, MIB(300) + 0x777, RAM_FREE);
	add(GIB(1) + MIB(2), 0x98001, RAM_IMAGE);
	run_machine();
	check_machine("ends off a page");

	machine_begin();
	add(GIB(1), MIB(512), RAM_FREE);
	image_and_dtb(GIB(1));
	for (unsigned i = 0; i < 16; i++)
		add(GIB(8) + i * GIB(2) + i * 0x5000, PAGE_SIZE * (i + 1), RAM_FREE);
	run_machine();
	check_machine("tiny banks");
	CHECK_EQ(up.bank_count, 17);
	unsigned borrowed = 0;
	for (unsigned i = 0; i < up.bank_count; i++)
		borrowed += up.banks[i].borrowed;
	CHECK(borrowed > 0);

	machine_begin();
	add(GIB(2) - MIB(64), MIB(128), RAM_FREE);
	add(GIB(4) - MIB(64), MIB(128), RAM_FREE);
	add(GIB(2) - MIB(62), 0x98000, RAM_IMAGE);
	run_machine();
	check_machine("banks across GiB and class boundaries");
}

/* The phone: four nodes, two of them adjacent pairs, many no-map ranges (docs name the source of the figures). */
static void phone(void)
{
	static const struct {
		uint64_t base, size;
	} nomap[] = {
		{ 0x90200000, 0x400000 },  { 0x93000000, 0x1000000 }, { 0x94000000, 0x3000000 },
		{ 0xf8800000, 0x2000000 }, { 0xfac00000, 0x9e3400 },  { 0xfd3f0000, 0xe000 },
		{ 0xfd3fe000, 0x1000 },	   { 0xfd800000, 0x100000 },  { 0xfd900000, 0x2000 },
		{ 0x8b000000, 0xc4000 },   { 0xe0000000, 0x2500000 }, { 0xb7200000, 0x8e00000 },
		{ 0xfd3fe000, 0x1000 },
	};

	add(0x80000000, GIB(2), RAM_FREE);
	add(0x880000000, GIB(2), RAM_FREE);
	add(0x900000000, GIB(2), RAM_FREE);
	add(0x980000000, GIB(2), RAM_FREE);
	for (unsigned i = 0; i < ARRAY_SIZE(nomap); i++)
		add(nomap[i].base, nomap[i].size, RAM_NOMAP);
	add(0x80000000, 0x98000, RAM_IMAGE);
	add(0x8a000000, 0x60000, RAM_DTB);
	add(0x84000000, 0x1800000, RAM_INITRD);
	add(0xfd400000, 0x400000, RAM_RESERVED);
}

/* [IN4] */
TEST_ON(TAP_HOST, IN4, "the memory map of a Pixel 6: no-map is left out to 4 KiB, every other byte is used")
{
	machine_begin();
	phone();
	run_machine();
	check_machine("Pixel 6");
	CHECK(mapped_right(0xfd3ef000, true));
	CHECK(mapped_right(0xfd3f0000, false));
	CHECK(mapped_right(0xfd3fd000, false));
	CHECK(mapped_right(0xfd3fe000, false));
	CHECK(mapped_right(0xfd3ff000, true));
	/* The splash ends inside a page: rounded outwards. */
	CHECK(mapped_right(0xfb5e3000, false));
	CHECK(mapped_right(0xfb5e4000, true));
}

static uint64_t seed;

static uint64_t rnd(uint64_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % n;
}

/* [IN5] The worst tree for PT_POOL: nothing aligned, a hole in every GiB; and a few hundred random ones. */
TEST_ON(TAP_HOST, IN5, "no tree takes more than 40 tables of PT_POOL")
{
	unsigned worst = 0;

	machine_begin();
	add(0, TIB(1), RAM_FREE);
	add(MIB(2), 0x98000, RAM_IMAGE);
	for (uint64_t g = 0; g < 1024; g++)
		add(g * GIB(1) + MIB(2) * (g & 255) + 0x3000, PAGE_SIZE, RAM_NOMAP);
	run_machine();
	check_machine("a hole in every GiB");

	/* The window and mem_map across a 512 GiB boundary, where one more table of each level is needed. */
	machine_begin();
	add(GIB(511) + MIB(3), GIB(300) + 0x5000, RAM_FREE);
	add(GIB(511) + MIB(4), 0x98000, RAM_IMAGE);
	run_machine();
	check_machine("across 512 GiB");

	for (unsigned n = 0; n < 120; n++) {
		unsigned banks = 1 + (unsigned)rnd(6);

		seed = n * 77 + 5;
		machine_begin();
		for (unsigned i = 0; i < banks; i++) {
			uint64_t base = rnd(1 << 20) << 20, size = (1 + rnd(3000)) << 20;

			if (rnd(2))
				base += rnd(256) << 12;
			if (rnd(3) == 0)
				size += rnd(4096);
			add(base, size, RAM_FREE);
		}
		add(range[0].base + MIB(1), MIB(1), RAM_IMAGE);
		/* Whatever becomes of the others: one that nobody claims. */
		add(TIB(1) + GIB(512), MIB(64), RAM_FREE);
		for (unsigned i = rnd(30); i > 0; i--) {
			const struct ram_extra *c = &range[rnd(banks)];
			uint64_t size = rnd(2) ? rnd(MIB(8)) + 1 : (rnd(64) + 1) << 12;

			add(c->base + rnd(c->size), size,
			    (enum ram_kind)(RAM_MEMRESERVE + rnd(RAM_KINDS - RAM_MEMRESERVE)));
		}
		run_machine();
		check_machine("random");
		worst = pool.peak > worst ? pool.peak : worst;
	}
	CHECK(worst <= PT_POOL_LIMIT);
}

/* [IN6] */
TEST_ON(TAP_HOST, IN6, "what cannot go on panics with the seed's text and its numbers")
{
	const char *text;

	machine_begin();
	text = expect_panic(run_machine);
	CHECK(text && !strncmp(text, "No RAM regions found in DTB", 27));

	machine_begin();
	add(GIB(1), MIB(64), RAM_FREE);
	add(GIB(1), MIB(64), RAM_RESERVED);
	text = expect_panic(run_machine);
	CHECK(text && !strncmp(text, "All RAM is reserved - no free memory", 36));

	machine_begin();
	add(GIB(1), MIB(64), RAM_FREE);
	for (unsigned i = 0; i < 32; i++)
		add(GIB(1) + i * MIB(2) + 0x1000, MIB(2) - 0x2000, RAM_RESERVED);
	text = expect_panic(run_machine);
	CHECK(text && !strncmp(text, "Cannot allocate mem_map - insufficient contiguous memory", 55));
}

/* [IN7] Memory at boot is garbage, and after a warm reset garbage that looks right. */
TEST_ON(TAP_HOST, IN7, "records that lie in memory before the boot are never believed")
{
	machine_begin();
	add(GIB(1), MIB(256), RAM_FREE);
	image_and_dtb(GIB(1));
	/* Two boots over the same memory: the second finds the first one's records, with everything allocated. */
	run_machine();
	pfn_t f;
	unsigned taken = 0;
	while (frames_alloc(&frames, 0, 0, TAG_TEST, &f) == MM_OK)
		taken++;
	CHECK(taken > 60000);
	run_machine();
	check_machine("second boot over the first one's memory");
}

/* [IN8] */
TEST_ON(TAP_HOST, IN8, "RAM beyond the CPU's physical addresses is left out and named")
{
	machine_begin();
	host_set_pa_bits(40);
	add(GIB(1), GIB(1), RAM_FREE);
	add(TIB(1) - GIB(1), GIB(2), RAM_FREE);
	image_and_dtb(GIB(1));
	run_machine();
	host_set_pa_bits(48);
	CHECK(mapped_right(TIB(1) - PAGE_SIZE, true));
	CHECK(mapped_right(TIB(1), false));
	CHECK_EQ(frames_validate(&frames), MM_OK);
}

/* [IN9] */
TEST_ON(TAP_HOST, IN9, "the heap takes its recommended size from the frames")
{
	machine_begin();
	add(GIB(1), GIB(3), RAM_FREE);
	image_and_dtb(GIB(1));
	run_machine();
	mm_init_heap(&up);
	CHECK_EQ(up.heap_bytes, MIB(16));
	void *p = kmalloc(100);
	CHECK(p != NULL);
	CHECK_EQ(kfree(p), MM_OK);
	CHECK_EQ(heap_validate(), MM_OK);
}

/* [FX12] */
TEST_ON(TAP_HOST, FX12,
	"1/1024 of memory, 1 MiB at most, is kept back: page tables come from it when nothing else is left")
{
	static const struct {
		uint64_t ram, least, most; /* bytes */
	} machines[] = {
		{ MIB(64), KIB(56), KIB(64) },
		{ MIB(512), KIB(504), KIB(512) },
		{ GIB(64), MIB(1), MIB(1) },
	};
	const struct pt_attrs data = { PT_WRITE, PT_NORMAL };
	struct frames_stats stats, full;
	struct pgtable_entry e;
	uint64_t mapped = 0, va = TIB(200);
	unsigned errors = 0;
	pfn_t f;

	for (unsigned i = 0; i < ARRAY_SIZE(machines); i++) {
		machine_begin();
		add(GIB(1), machines[i].ram, RAM_FREE);
		run_machine();
		mm_init_reserve(&up);
		frames_get_stats(&frames, &stats);
		CHECK(stats.reserve_pages * PAGE_SIZE >= machines[i].least);
		CHECK(stats.reserve_pages * PAGE_SIZE <= machines[i].most);
	}
	machine_begin();
	add(GIB(1), MIB(64), RAM_FREE);
	run_machine();
	mm_init_reserve(&up);
	while (frames_alloc(&frames, 0, 0, TAG_TEST, &f) == MM_OK)
		;
	frames_get_stats(&frames, &full);
	CHECK_EQ(full.free_pages, full.reserve_pages);
	/* Every mapping needs two tables of its own. */
	while (pgtable_map(&tables, va + mapped * GIB(1), paddr(0x9000000), PAGE_SIZE, data, 0) == MM_OK)
		mapped++;
	frames_get_stats(&frames, &stats);
	CHECK_EQ(stats.free_pages, (full.free_pages - 1) % 2);
	CHECK_EQ(mapped, (full.free_pages - 1) / 2);
	/* The one that failed left nothing; the others go again, and their tables with them. */
	CHECK_EQ(pgtable_query(&tables, va + mapped * GIB(1), &e), MM_ENOENT);
	while (mapped--)
		errors += pgtable_unmap(&tables, va + mapped * GIB(1), PAGE_SIZE) != MM_OK;
	CHECK_EQ(errors, 0);
	frames_get_stats(&frames, &stats);
	CHECK_EQ(stats.free_pages, full.free_pages);
	CHECK_EQ(frames_validate(&frames), MM_OK);
}

/* [KS1] [KS2] */
TEST_ON(TAP_HOST, KS1, "a kernel stack stands between two unmapped pages; a failure leaves nothing behind")
{
	struct kspace k;
	struct pgtable_entry e;
	uintptr_t top, second;
	struct frames_stats before, after;

	machine_begin();
	add(GIB(1), MIB(256), RAM_FREE);
	image_and_dtb(GIB(1));
	run_machine();
	kspace_init(&k, &tables, &frames, TIB(200), 8 * PAGE_SIZE + (PAGE_SIZE << 2));
	CHECK_EQ(kspace_stack(&k, 2, &top), MM_OK);
	CHECK_EQ(pgtable_query(&tables, top - 1, &e), MM_OK);
	CHECK_EQ(pgtable_query(&tables, top - (PAGE_SIZE << 2), &e), MM_OK);
	CHECK_EQ(pgtable_query(&tables, top, &e), MM_ENOENT);
	CHECK_EQ(pgtable_query(&tables, top - (PAGE_SIZE << 2) - 1, &e), MM_ENOENT);
	frames_get_stats(&frames, &before);
	CHECK_EQ(kspace_stack(&k, 10, &second), MM_ERANGE);
	CHECK_EQ(kspace_stack(&k, 19, &second), MM_EINVAL);
	frames_get_stats(&frames, &after);
	CHECK_EQ(before.free_pages, after.free_pages);
	CHECK_EQ(kspace_stack(&k, 1, &second), MM_OK);
	CHECK_EQ(second - (PAGE_SIZE << 1), top + PAGE_SIZE);
}

TEST_ON(TAP_HOST, KS2, "registers are mapped as device memory, wherever they lie in a page")
{
	struct kspace k;
	struct pgtable_entry e;
	void *va;

	machine_begin();
	add(GIB(1), MIB(256), RAM_FREE);
	image_and_dtb(GIB(1));
	run_machine();
	kspace_init(&k, &tables, &frames, TIB(200), GIB(1));
	CHECK_EQ(kspace_map(&k, paddr(0x9000ffc), 8, PT_DEVICE_nGnRE, &va), MM_OK);
	CHECK_EQ(pgtable_query(&tables, (uintptr_t)va + 7, &e), MM_OK);
	CHECK_EQ(e.pa.v, 0x9001003);
	CHECK_EQ(e.attrs.memory, PT_DEVICE_nGnRE);
	CHECK_EQ(e.attrs.access & PT_EXEC, 0);
	/* Several megabytes, off the grid of blocks: as few tables as there can be. */
	uint64_t tables_before = tables.dynamic_tables;

	CHECK_EQ(kspace_map(&k, paddr(0x80a0000), 0xf60000, PT_DEVICE_nGnRE, &va), MM_OK);
	CHECK_EQ(pgtable_query(&tables, (uintptr_t)va + MIB(2), &e), MM_OK);
	CHECK_EQ(e.pa.v, 0x80a0000 + MIB(2));
	CHECK_EQ(e.size, MIB(2));
	CHECK_EQ(pgtable_query(&tables, (uintptr_t)va + 0xf5ffff, &e), MM_OK);
	CHECK_EQ(pgtable_query(&tables, (uintptr_t)va + 0xf60000, &e), MM_ENOENT);
	CHECK_EQ(pgtable_query(&tables, (uintptr_t)va - 1, &e), MM_ENOENT);
	CHECK(tables.dynamic_tables - tables_before <= 1);
	CHECK_EQ(kspace_map(&k, paddr(0x9000000), 0, PT_DEVICE_nGnRE, &va), MM_EINVAL);
	CHECK_EQ(kspace_map(&k, paddr(UINT64_MAX - 10), 100, PT_DEVICE_nGnRE, &va), MM_ERANGE);
}

#endif
