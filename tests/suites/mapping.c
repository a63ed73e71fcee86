/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's own translations on the target, asked of the processor (AT, PAR_EL1) and not of the code that made them:
 * linear map, image, mem_map, holes, the empty TTBR0, and the state in which the boot left the control registers.
 */
#define SUITE "mapping"
#include "lib/tap.h"

#if defined(__aarch64__) && !__STDC_HOSTED__

#include "arch/arch.h"
#include "boot/boot.h"
#include "mm/layout.h"
#include "mm/mmu.h"
#include "tests/suites/at.h"

#define DESC_PXN ((uint64_t)1 << 53)
#define DESC_UXN ((uint64_t)1 << 54)

static uintptr_t linear(uint64_t pa)
{
	return (uintptr_t)LAYOUT_LINEAR + pa;
}

/* Every page up to 16 MiB; above, every page near both ends and one odd page in each 2 MiB. */
static uint64_t next_sample(uint64_t base, uint64_t size, uint64_t a)
{
	if (size <= MIB(16) || a - base < MIB(4) || base + size - a <= MIB(4))
		return a + PAGE_SIZE;
	a += size > GIB(16) ? GIB(1) - PAGE_SIZE : MIB(2) - PAGE_SIZE;
	return a > base + size - MIB(4) ? base + size - MIB(4) : a;
}

/* [BT35] */
TEST_ON(TAP_TARGET, BT35,
	"the linear map reaches every kind of RAM but image and no-map, read-write, cacheable, not executable")
{
	unsigned wrong = 0, executable = 0, pages = 0;
	struct ram_range r;

	for (uint64_t a = 0; ram_next(&boot.ram, a, &r); a = r.base + r.size) {
		if (r.kind == RAM_IMAGE || r.kind == RAM_NOMAP)
			continue;
		for (uint64_t p = r.base; p < r.base + r.size; p = next_sample(r.base, r.size, p)) {
			uint64_t par = at_s1e1w(linear(p));
			struct pgtable_entry e;

			pages++;
			wrong += (par & PAR_F) || PAR_PA(par) != p || PAR_ATTR(par) != PAR_ATTR_NORMAL_WB;
			executable += pgtable_query(&mmu_kernel, linear(p), &e) != MM_OK || !(e.desc & DESC_PXN) ||
				      !(e.desc & DESC_UXN) || e.pa.v != p;
		}
		if (r.base + r.size == 0)
			break;
	}
	CHECK(pages > 0);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(executable, 0);
	CHECK((uintptr_t)phys_to_virt(paddr(0)) == LAYOUT_LINEAR);
	tap_note("mapping: %u pages of the linear map asked", pages);
}

/* [BT37] [BT9] */
TEST_ON(TAP_TARGET, BT37, "no-map holes are mapped nowhere in the linear map, to the page, and their neighbours are")
{
	unsigned mapped = 0, lost = 0, holes = 0;
	struct ram_range r, n;

	for (uint64_t a = 0; ram_next_of(&boot.ram, a, RAM_NOMAP, &r); a = r.base + r.size) {
		holes++;
		for (uint64_t p = r.base; p < r.base + r.size; p = next_sample(r.base, r.size, p))
			mapped += !at_unmapped(linear(p));
		if (r.base > 0 && ram_next(&boot.ram, r.base - PAGE_SIZE, &n) && n.base < r.base &&
		    n.kind != RAM_IMAGE && n.kind != RAM_NOMAP)
			lost += !at_writes(linear(r.base - PAGE_SIZE), r.base - PAGE_SIZE);
		if (ram_next(&boot.ram, r.base + r.size, &n) && n.base == r.base + r.size && n.kind != RAM_IMAGE &&
		    n.kind != RAM_NOMAP)
			lost += !at_writes(linear(n.base), n.base);
	}
	/* The same from the claims, with our own rounding: whatever a no-map claim touches is gone, be it RAM or not. */
	for (unsigned i = 0; i < boot.ram.count; i++) {
		const struct ram_claim *c = &boot.ram.claims[i];

		if (c->kind != RAM_NOMAP || c->size == 0)
			continue;
		mapped += !at_unmapped(linear(c->base));
		mapped += !at_unmapped(linear(c->base + c->size - 1));
	}
	CHECK_EQ(mapped, 0);
	CHECK_EQ(lost, 0);
	tap_note("mapping: %u no-map holes", holes);
}

/* [BT38] */
TEST_ON(TAP_TARGET, BT38, "what is not RAM is not in the linear map: the gaps between banks, and below and above them")
{
	unsigned mapped = 0, gaps = 0;
	uint64_t end = 0;
	struct ram_range b;

	for (uint64_t a = 0; ram_next_bank(&boot.ram, a, &b); a = end) {
		if (b.base > end) {
			gaps++;
			mapped += !at_unmapped(linear(b.base - PAGE_SIZE));
			mapped += !at_unmapped(linear(end));
			mapped += !at_unmapped(linear(end + (b.base - end) / 2));
		}
		end = b.base + b.size;
		if (end == 0)
			break;
	}
	if (end != 0 && end < ((uint64_t)1 << LAYOUT_LINEAR_BITS))
		mapped += !at_unmapped(linear(end));
	CHECK_EQ(mapped, 0);
	tap_note("mapping: %u gaps", gaps);
}

extern char boot_stack_guard[]; /* linker.ld: one page below the boot stack that is never mapped */

/* Asks each page of [from, to): counts those that are not as wanted. */
static unsigned section_faults(const char *from, const char *to, bool writable, bool executable)
{
	unsigned wrong = 0;

	for (uintptr_t va = (uintptr_t)from & ~PAGE_MASK; va < (uintptr_t)to; va += PAGE_SIZE) {
		uint64_t pa = boot.image_pa + (va - (uintptr_t)image_start);
		struct pgtable_entry e;

		if (va == (uintptr_t)boot_stack_guard) {
			wrong += !at_unmapped(va);
			continue;
		}
		wrong += !at_reads(va, pa);
		wrong += writable ? !at_writes(va, pa) : !at_write_refused(va);
		wrong += pgtable_query(&mmu_kernel, va, &e) != MM_OK || e.pa.v != pa ||
			 !(e.desc & DESC_PXN) != executable || !(e.desc & DESC_UXN);
	}
	return wrong;
}

/* [BT36] */
TEST_ON(TAP_TARGET, BT36,
	"the image is mapped by section: text read and execute, rodata read, data and BSS read-write; no alias")
{
	unsigned aliases = 0;

	CHECK_EQ(section_faults(image_start, image_text_end, false, true), 0);
	CHECK_EQ(section_faults(image_text_end, image_rodata_end, false, false), 0);
	CHECK_EQ(section_faults(image_rodata_end, image_end, true, false), 0);
	CHECK_EQ((uint64_t)(image_end - image_start), boot.image_size);
	CHECK(IS_ALIGNED((uintptr_t)image_text_end, PAGE_SIZE) && IS_ALIGNED((uintptr_t)image_rodata_end, PAGE_SIZE));
	for (uint64_t a = boot.image_pa; a < boot.image_pa + boot.image_size; a += PAGE_SIZE)
		aliases += !at_unmapped(linear(a));
	CHECK_EQ(aliases, 0);
	/* WXN, so that a slip in one descriptor does not make data executable (Arm ARM D8.4.1). */
	CHECK(read_sysreg(sctlr_el1) & ((uint64_t)1 << 19));
}

/* Whether pa is where the bank keeps mem_map: in what it stole from itself, or in a frame borrowed for that. */
static bool is_memmap(const struct mm_bank *b, uint64_t pa)
{
	struct frame_info info;

	if (!b->borrowed)
		return pa + PAGE_SIZE > b->metadata.v && pa < b->metadata.v + b->memmap_bytes;
	frames_query(boot.frames, pfn(pa >> PAGE_SHIFT), &info);
	return info.role == FRAME_ALLOC && info.tag == TAG_MEMMAP;
}

/* [BT39] */
TEST_ON(TAP_TARGET, BT39, "mem_map: the record of every frame of RAM is mapped, writable, in memory kept for that")
{
	unsigned wrong = 0, asked = 0;

	for (unsigned i = 0; i < boot.mm.bank_count; i++) {
		const struct mm_bank *b = &boot.mm.banks[i];
		uint64_t step = b->pages > SECTION_PAGES * 16 ? SECTION_PAGES / 2 - 1 : PAGE_SIZE / sizeof(struct page);

		for (uint64_t n = 0; n < b->pages; n += step) {
			uint64_t par = at_s1e1w((uintptr_t)LAYOUT_MEMMAP + (b->start.n + n) * sizeof(struct page));

			asked++;
			wrong += (par & PAR_F) || !is_memmap(b, PAR_PA(par));
		}
		wrong += at_s1e1w((uintptr_t)LAYOUT_MEMMAP + (b->start.n + b->pages - 1) * sizeof(struct page)) & PAR_F;
	}
	CHECK(asked > 0);
	CHECK_EQ(wrong, 0);
}

static int count_table(void *ctx, enum pgtable_event event, const struct pgtable_entry *e)
{
	uint64_t *n = ctx;

	(void)e;
	*n += event == PGTABLE_TABLE_BEFORE;
	return 0;
}

/* [BT11] [BT40] */
TEST_ON(TAP_TARGET, BT40, "the tables were counted before they were built, fit in half of PT_POOL, and none is lost")
{
	uint64_t tables = 1; /* the root */

	CHECK(boot.mm.pool_tables_needed > 0);
	CHECK(boot.mm.pool_tables_needed <= 40);
	CHECK(boot.mm.pool_peak > 0);
	CHECK(boot.mm.pool_peak <= 40);
	CHECK(boot.mm.pool_peak <= boot.mm.pool_tables_needed);
	CHECK(mmu_kernel.pool_tables <= boot.mm.pool_peak);
	/* A machine that lies in the first window and starts no CPU needs no table after the hand-over. */
	CHECK(mmu_kernel.dynamic_tables > 0 || (boot.mm.linear_bytes == boot.mm.window_bytes && boot.cpus_online == 1));
	CHECK_EQ(pgtable_walk(&mmu_kernel, LAYOUT_KERNEL_BASE, (uint64_t)1 << LAYOUT_VA_BITS, count_table, &tables), 0);
	CHECK_EQ(tables, mmu_kernel.pool_tables + mmu_kernel.dynamic_tables);
	CHECK_EQ(pgtable_validate(&mmu_kernel), MM_OK);
	CHECK(mmu_page_allocator() != NULL);
	/* Root and pool are the image's own memory, which is claimed: nobody else gets it. */
	CHECK(mmu_kernel.root.v - boot.image_pa < boot.image_size);
	CHECK(mmu_kernel.pool && mmu_kernel.pool->pa.v - boot.image_pa < boot.image_size);
	CHECK_EQ(read_sysreg(ttbr1_el1) & 0x0000fffffffff000, mmu_kernel.root.v);
	tap_note("mapping: needed %u peak %u pool %llu dynamic %llu", boot.mm.pool_tables_needed, boot.mm.pool_peak,
		 (unsigned long long)mmu_kernel.pool_tables, (unsigned long long)mmu_kernel.dynamic_tables);
}

/* [BT34] */
TEST_ON(TAP_TARGET, BT34, "TTBR0 holds no translation, and the console still prints")
{
	uint64_t ttbr0 = read_sysreg(ttbr0_el1), pa = ttbr0 & 0x0000fffffffff000, valid = 0;
	bool off = read_sysreg(tcr_el1) & ((uint64_t)1 << 7); /* EPD0: no walks at all */

	CHECK_OR_RETURN(off || pa - boot.image_pa < boot.image_size);
	if (!off) {
		const volatile uint64_t *table = (const volatile uint64_t *)(image_start + (pa - boot.image_pa));

		for (unsigned i = 0; i < 512; i++)
			valid += table[i] & 1;
	}
	CHECK_EQ(valid, 0);
	CHECK(at_s1e1r((uintptr_t)boot.image_pa) & PAR_F);
	CHECK(at_s1e1r((uintptr_t)boot.dtb_pa.v) & PAR_F);
	CHECK(at_s1e1r(0x09000000) & PAR_F);
	CHECK(at_s1e1r(0) & PAR_F);
	tap_note("mapping: console alive, TTBR0_EL1 %#llx%s has no valid entry", (unsigned long long)ttbr0,
		 off ? " (EPD0)" : "");
}

static const void *const pointer_in_rodata = image_start; /* needs a relocation */

/* [BT41] */
TEST_ON(TAP_TARGET, BT41,
	"code, stack, vectors and relocated pointers are in the high half; no FP; EL1; MMU and caches on")
{
	uint64_t sctlr = read_sysreg(sctlr_el1), here, sp;
	const void *const volatile *pointer = (const void *const volatile *)&pointer_in_rodata;

	__asm__ volatile("adr %0, ." : "=r"(here));
	__asm__ volatile("mov %0, sp" : "=r"(sp));
	CHECK(here >= (uintptr_t)image_start && here < (uintptr_t)image_text_end);
	CHECK((uintptr_t)image_start >= LAYOUT_IMAGE && (uintptr_t)image_end <= LAYOUT_IMAGE + GIB(1));
	CHECK(*pointer == (const void *)image_start);
	CHECK(sp >= LAYOUT_KERNEL_BASE && !(at_s1e1w((uintptr_t)sp) & PAR_F));
	CHECK(read_sysreg(vbar_el1) >= (uintptr_t)image_start && read_sysreg(vbar_el1) < (uintptr_t)image_text_end);
	CHECK_EQ(read_sysreg(currentel), 1 << 2);
	CHECK_EQ(sctlr & ((1 << 0) | (1 << 2) | (1 << 12)), (1 << 0) | (1 << 2) | (1 << 12));
	CHECK_EQ(read_sysreg(cpacr_el1) & (3 << 20), 0);
	CHECK_EQ(read_sysreg(daif) & (1 << 8), 0); /* SErrors are taken */
	CHECK_EQ(read_sysreg(mair_el1) & 0xff, PAR_ATTR_NORMAL_WB);
}

static uint64_t take_block(unsigned order)
{
	pfn_t f;

	return frames_alloc(boot.frames, order, FRAMES_ZERO, TAG_TEST, &f) == MM_OK ? f.n : 0;
}

static const struct pt_attrs rw = { .access = PT_WRITE, .memory = PT_NORMAL };

/* [BT42] */
TEST_ON(TAP_TARGET, BT42, "mapping over a live mapping is refused and changes nothing: page, block, read-only image")
{
	const uintptr_t targets[] = { linear(boot.mm.window.v), (uintptr_t)image_start, (uintptr_t)boot.frames };

	for (unsigned i = 0; i < ARRAY_SIZE(targets); i++) {
		uintptr_t va = targets[i] & ~PAGE_MASK;
		uint64_t read = at_s1e1r(va), write = at_s1e1w(va);

		CHECK(!(read & PAR_F));
		CHECK_EQ(map_page(&mmu_kernel, va, paddr(PAR_PA(read)), rw), MM_EEXIST);
		CHECK_EQ(map_page(&mmu_kernel, va, paddr(PAR_PA(read) ^ PAGE_SIZE), rw), MM_EEXIST);
		CHECK_EQ(map_block_2mb(&mmu_kernel, va & ~(MIB(2) - 1), paddr(0), rw), MM_EEXIST);
		CHECK_EQ(at_s1e1r(va), read);
		CHECK_EQ(at_s1e1w(va), write);
	}
}

#define REMAP_ORDER 4
#define REMAP_PAGES (1u << REMAP_ORDER)

/* The block's n-th page begins with this, so that a page seen through a wrong or stale translation is known. */
static void label(uint64_t block, uint64_t mark)
{
	for (unsigned n = 0; n < REMAP_PAGES; n++)
		*(volatile uint64_t *)linear((block + n) << PAGE_SHIFT) = mark + n;
}

static unsigned mislabelled(uintptr_t va, uint64_t mark)
{
	unsigned wrong = 0;

	for (unsigned n = 0; n < REMAP_PAGES; n++)
		wrong += *(volatile uint64_t *)(va + n * PAGE_SIZE) != mark + n;
	return wrong;
}

/*
 * [BT43] A page beside the range keeps its tables in place, so that little is touched between unmap and remap: enough of
 * the old translations would still stand in the TLB if they were not invalidated.
 */
TEST_ON(TAP_TARGET, BT43,
	"after unmap and remap of kernel addresses the new pages are seen at once, and the tables come back")
{
	const uintptr_t anchor = (uintptr_t)LAYOUT_VMALLOC + LAYOUT_VMALLOC_SIZE - MIB(2), va = anchor + 5 * PAGE_SIZE;
	uint64_t a = take_block(REMAP_ORDER), b = take_block(REMAP_ORDER), tables = mmu_kernel.dynamic_tables;
	const uint64_t bytes = REMAP_PAGES * PAGE_SIZE;

	CHECK_OR_RETURN(a && b);
	label(a, 0xaaaa0000);
	label(b, 0xbbbb0000);
	CHECK(at_unmapped(anchor) && at_unmapped(va));
	CHECK_OR_RETURN(map_page(&mmu_kernel, anchor, paddr(a << PAGE_SHIFT), rw) == MM_OK);
	CHECK(mmu_kernel.dynamic_tables > tables);

	/* A range at a time. */
	CHECK_OR_RETURN(pgtable_map(&mmu_kernel, va, paddr(a << PAGE_SHIFT), bytes, rw, 0) == MM_OK);
	CHECK_EQ(mislabelled(va, 0xaaaa0000), 0);
	CHECK_EQ(pgtable_unmap(&mmu_kernel, va, bytes), MM_OK);
	CHECK_OR_RETURN(pgtable_map(&mmu_kernel, va, paddr(b << PAGE_SHIFT), bytes, rw, 0) == MM_OK);
	CHECK_EQ(mislabelled(va, 0xbbbb0000), 0);

	/* A page at a time, back again; and what is written arrives. */
	for (unsigned n = 0; n < REMAP_PAGES; n++) {
		CHECK_EQ(unmap_page(&mmu_kernel, va + n * PAGE_SIZE), MM_OK);
		CHECK_EQ(map_page(&mmu_kernel, va + n * PAGE_SIZE, paddr((a + n) << PAGE_SHIFT), rw), MM_OK);
	}
	CHECK_EQ(mislabelled(va, 0xaaaa0000), 0);
	*(volatile uint64_t *)va = 0xcccc;
	CHECK_EQ(*(volatile uint64_t *)linear(a << PAGE_SHIFT), 0xcccc);

	CHECK_EQ(pgtable_unmap(&mmu_kernel, va, bytes), MM_OK);
	CHECK(at_unmapped(va) && at_unmapped(va + bytes - 1) && !at_unmapped(anchor));
	CHECK_EQ(unmap_page(&mmu_kernel, anchor), MM_OK);
	CHECK_EQ(unmap_page(&mmu_kernel, anchor), MM_ENOENT);
	CHECK(at_unmapped(anchor));
	CHECK_EQ(mmu_kernel.dynamic_tables, tables);
	CHECK_EQ(frames_free(boot.frames, pfn(a), REMAP_ORDER), MM_OK);
	CHECK_EQ(frames_free(boot.frames, pfn(b), REMAP_ORDER), MM_OK);
}

#endif
