/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 2 on the processor: the mapper's tables are installed by the EL2 stub under the running kernel, and reads, writes and
 * fetches are tried one by one. Every fault is EL2's to report, so what the descriptors grant is the processor's word, not ours.
 * Only where the boot entered at EL2 or above (elsewhere the tests say that they were skipped).
 */
#define SUITE "stage2_hw"
#include "lib/tap.h"

#if defined(__aarch64__) && !__STDC_HOSTED__

#include "arch/aarch64/el2.h"
#include "boot/boot.h"
#include "mm/layout.h"
#include "mm/mmu.h"
#include "mm/stage2.h"
#include "tests/suites/at.h"

#define EC(esr) (((esr) >> 26) & 0x3f)
#define EC_INSN_ABORT 0x20
#define EC_DATA_ABORT 0x24
#define FSC(esr) ((esr)&0x3f)
#define FSC_TRANSLATION_L3 0x07
#define FSC_PERMISSION_L3 0x0f
#define ESR_WNR(esr) (((esr) >> 6) & 1)
#define HPFAR_IPA(hpfar) (((hpfar) >> 4) << 12)

#define PAGE_NORMAL 0 /* pages of the test block, by what stage 2 grants */
#define PAGE_READONLY 1
#define PAGE_ABSENT 2
#define PAGE_XN 3

static struct stage2 s2;
static pfn_t block; /* 2 MiB that stage 2 maps page by page */

static bool alloc_roots(void *ctx, unsigned order, paddr_t *out)
{
	pfn_t f;

	if (frames_alloc(ctx, order, 0, TAG_STAGE2, &f))
		return false;
	*out = pfn_to_paddr(f);
	return true;
}

static paddr_t page_pa(unsigned i)
{
	return paddr(pfn_to_paddr(block).v + i * PAGE_SIZE);
}

static volatile uint32_t *page_va(unsigned i)
{
	return phys_to_virt(page_pa(i));
}

static int map(uint64_t base, uint64_t end, enum stage2_attr attr)
{
	return base < end ? stage2_map_region(&s2, ipaddr(base), end - base, attr) : MM_OK;
}

/* Everything the kernel touches one to one (RAM but the test block, the console), the test block by pages. */
static bool build(void)
{
	uint64_t hole = 0, hole_end = 0;
	struct pgtable_entry console;
	struct ram_range r;
	int err;

	if (frames_alloc(boot.frames, 9, 0, TAG_TEST, &block))
		return false;
	hole = pfn_to_paddr(block).v;
	hole_end = hole + MIB(2);
	err = stage2_init(&s2, arch_pa_bits(), 7, &mm_frame_allocator, alloc_roots, boot.frames);
	for (uint64_t a = 0; !err && ram_next_bank(&boot.ram, a, &r); a = r.base + r.size) {
		uint64_t end = r.base + r.size;

		if (hole >= r.base && hole < end) {
			err = map(r.base, hole, STAGE2_NORMAL);
			if (!err)
				err = map(hole_end, end, STAGE2_NORMAL);
		} else {
			err = map(r.base, end, STAGE2_NORMAL);
		}
	}
	if (!err && pgtable_query(&mmu_kernel, LAYOUT_FIXMAP_CONSOLE, &console) == MM_OK)
		err = map(console.pa.v, console.pa.v + PAGE_SIZE, STAGE2_DEVICE);
	if (!err)
		err = map(page_pa(PAGE_NORMAL).v, page_pa(PAGE_NORMAL + 1).v, STAGE2_NORMAL);
	if (!err)
		err = map(page_pa(PAGE_READONLY).v, page_pa(PAGE_READONLY + 1).v, STAGE2_READONLY);
	if (!err)
		err = map(page_pa(PAGE_XN).v, page_pa(PAGE_XN + 1).v, STAGE2_NORMAL_XN);
	return !err;
}

static void demolish(void)
{
	pgtable_destroy(&s2.pt);
	CHECK_EQ(frames_free_paddr(boot.frames, s2.roots, s2.root_order), MM_OK);
	CHECK_EQ(frames_free(boot.frames, block, 9), MM_OK);
}

/* Calls code in another mapping; the stub returns to our caller's line when the fetch faults. */
static noinline void call_at(uintptr_t va)
{
	((void (*)(void))va)();
}

/* [ST20] */
TEST_ON(TAP_TARGET, ST20, "[DYN PT] under stage 2 the processor reads, writes and faults as the mapper was told")
{
	struct frames_stats before, after;
	struct el2_fault fault;
	uint64_t irq, par;
	uint32_t value;

	if (!boot.el2_stub) {
		tap_skip("EL2 is not ours");
		return;
	}
	CHECK_EQ(el2_call(EL2_VERSION, 0, 0), 0x47520001);
	frames_get_stats(boot.frames, &before);
	CHECK_OR_RETURN(build());
	*page_va(PAGE_NORMAL) = 0x11111111;
	*page_va(PAGE_READONLY) = 0x22222222;
	*page_va(PAGE_ABSENT) = 0x33333333;
	CHECK(stage2_vttbr(&s2) >> 48 == 7);
	CHECK((stage2_vtcr(&s2) >> 31 & 1) == 1);

	irq = arch_irq_save();
	CHECK_EQ(el2_call(EL2_STAGE2_ON, stage2_vtcr(&s2), stage2_vttbr(&s2)), 0);

	/* Granted. */
	CHECK_EQ(*page_va(PAGE_NORMAL), 0x11111111);
	*page_va(PAGE_NORMAL) = 0x44444444;
	CHECK_EQ(*page_va(PAGE_NORMAL), 0x44444444);
	CHECK_EQ(*page_va(PAGE_READONLY), 0x22222222);
	CHECK_EQ(el2_last_fault().esr, 0);

	/* A write to a read-only page: permission fault, nothing written. */
	*page_va(PAGE_READONLY) = 0x55555555;
	fault = el2_last_fault();
	CHECK_EQ(EC(fault.esr), EC_DATA_ABORT);
	CHECK_EQ(FSC(fault.esr), FSC_PERMISSION_L3);
	CHECK_EQ(ESR_WNR(fault.esr), 1);
	CHECK_EQ(fault.far, (uintptr_t)page_va(PAGE_READONLY));
	CHECK_EQ(*page_va(PAGE_READONLY), 0x22222222);

	/* An absent page: translation fault at the level of pages, with its IPA. */
	__asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(page_va(PAGE_ABSENT)) : "memory");
	fault = el2_last_fault();
	CHECK_EQ(EC(fault.esr), EC_DATA_ABORT);
	CHECK_EQ(FSC(fault.esr), FSC_TRANSLATION_L3);
	CHECK_EQ(ESR_WNR(fault.esr), 0);
	CHECK_EQ(HPFAR_IPA(fault.hpfar), page_pa(PAGE_ABSENT).v);

	/* The processor's own walk of both stages. */
	par = el2_call(EL2_AT_S12, (uintptr_t)page_va(PAGE_NORMAL), 1);
	CHECK((par & PAR_F) == 0);
	CHECK_EQ(PAR_PA(par), page_pa(PAGE_NORMAL).v);
	CHECK((el2_call(EL2_AT_S12, (uintptr_t)page_va(PAGE_READONLY), 0) & PAR_F) == 0);
	CHECK((el2_call(EL2_AT_S12, (uintptr_t)page_va(PAGE_READONLY), 1) & PAR_F) != 0);
	CHECK((el2_call(EL2_AT_S12, (uintptr_t)page_va(PAGE_ABSENT), 0) & PAR_F) != 0);

	/* A page that goes away: gone for the processor after the TLB maintenance. */
	CHECK_EQ(stage2_unmap_region(&s2, ipaddr(page_pa(PAGE_NORMAL).v), PAGE_SIZE), MM_OK);
	CHECK_EQ(el2_call(EL2_TLBI_IPA, page_pa(PAGE_NORMAL).v, 0), 0);
	__asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(page_va(PAGE_NORMAL)) : "memory");
	CHECK_EQ(FSC(el2_last_fault().esr), FSC_TRANSLATION_L3);

	CHECK_EQ(el2_call(EL2_STAGE2_OFF, 0, 0), 0);
	arch_irq_restore(irq);
	CHECK_EQ(*page_va(PAGE_READONLY), 0x22222222);
	CHECK_EQ(*page_va(PAGE_ABSENT), 0x33333333);
	demolish();
	frames_get_stats(boot.frames, &after);
	CHECK_EQ(after.free_pages, before.free_pages);
}

/* [ST21] Execution: stage 1 lets the page be fetched from, so that only stage 2 can refuse. */
TEST_ON(TAP_TARGET, ST21, "stage 2 refuses to fetch from data, and allows it where it was told to")
{
	const uint64_t va = LAYOUT_VMALLOC + LAYOUT_VMALLOC_SIZE - MIB(4);
	struct el2_fault fault;
	uint64_t irq;

	if (!boot.el2_stub) {
		tap_skip("EL2 is not ours");
		return;
	}
	CHECK_OR_RETURN(build());
	*page_va(PAGE_NORMAL) = 0xd65f03c0; /* ret */
	*page_va(PAGE_XN) = 0xd65f03c0;
	arch_dcache_clean((const void *)page_va(PAGE_NORMAL), 64);
	arch_dcache_clean((const void *)page_va(PAGE_XN), 64);
	__asm__ volatile("ic ialluis\n\tdsb ish\n\tisb" ::: "memory");
	CHECK_EQ(map_page(&mmu_kernel, va, page_pa(PAGE_NORMAL), (struct pt_attrs){ PT_EXEC, PT_NORMAL }), MM_OK);
	CHECK_EQ(map_page(&mmu_kernel, va + PAGE_SIZE, page_pa(PAGE_XN), (struct pt_attrs){ PT_EXEC, PT_NORMAL }),
		 MM_OK);

	irq = arch_irq_save();
	CHECK_EQ(el2_call(EL2_STAGE2_ON, stage2_vtcr(&s2), stage2_vttbr(&s2)), 0);
	call_at(va);
	CHECK_EQ(el2_last_fault().esr, 0);
	call_at(va + PAGE_SIZE);
	fault = el2_last_fault();
	CHECK_EQ(EC(fault.esr), EC_INSN_ABORT);
	CHECK_EQ(FSC(fault.esr), FSC_PERMISSION_L3);
	CHECK_EQ(el2_call(EL2_STAGE2_OFF, 0, 0), 0);
	arch_irq_restore(irq);

	CHECK_EQ(unmap_page(&mmu_kernel, va), MM_OK);
	CHECK_EQ(unmap_page(&mmu_kernel, va + PAGE_SIZE), MM_OK);
	demolish();
}

#endif
