/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds the tables for the switch. Runs twice removed from comfort: at a physical address, without caches, before anything but
 * BSS is set up. entry.S has relocated the image for this address, so pointers work; none may be kept for later.
 */
#include "boot/early_map.h"

#include "arch/aarch64/features.h"
#include "boot/boot.h"
#include "lib/log.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mm/layout.h"

struct boot_info boot;
struct mmu_config boot_mmu;
struct pt_pool boot_pool;

static uint8_t pool_tables[PT_POOL_TABLES][PAGE_SIZE] __attribute__((section(".bss.noinit"), aligned(4096)));

/* What TTBR0 points to when nothing is mapped in the low half. */
const uint8_t empty_table[PAGE_SIZE] __attribute__((aligned(4096))) = { 0 };

extern char boot_stack_guard[], suites_bss_start[];

static const struct pt_attrs text_attrs = { PT_EXEC, PT_NORMAL };
static const struct pt_attrs rodata_attrs = { 0, PT_NORMAL };
static const struct pt_attrs data_attrs = { PT_WRITE, PT_NORMAL };

/* [BT21] [BT26] */
static void table_event(const struct pgtable *pt, paddr_t pa, bool made)
{
	(void)pt;
	if (made)
		log_verbose("MMU: Allocated page table at PA 0x%016lx\n", (unsigned long)pa.v);
}

static void *early_table_virt(const struct pgtable *pt, paddr_t pa)
{
	(void)pt;
	return (void *)(uintptr_t)pa.v;
}

static void must(int err)
{
	if (err)
		panic("cannot build the first page tables: %s (%u of %u tables used)", mm_strerror(err), boot_pool.used,
		      boot_pool.tables);
}

/* Maps the image's bytes [from, to) (addresses as this code reaches them now, one to one) in the high half. [BT36] */
static void map_section(const char *from, const char *to, struct pt_attrs attrs)
{
	uint64_t offset = (uint64_t)(uintptr_t)from - boot.image_pa;

	if (to > from)
		must(pgtable_map(&mmu_kernel, LAYOUT_IMAGE + offset, paddr((uintptr_t)from), (uint64_t)(to - from),
				 attrs, PGTABLE_PAGES_ONLY));
}

/* [BT21] [BT36] */
struct mmu_config *early_map(void)
{
	struct pgtable identity;
	struct pgtable_config config = {
		.format = &format_el1_stage1,
		.input_bits = LAYOUT_VA_BITS,
		.input_base = 0,
		.tlb = { .regime = REGIME_EL1_GLOBAL },
		.pool = &boot_pool,
		.table_virt = early_table_virt,
		.table_event = table_event,
	};
	uint64_t text_bytes = (uint64_t)(image_text_end - image_start);

	log_verbose("Initializing MMU...\n");
	arch_init();
	pt_pool_init(&boot_pool, pool_tables, paddr((uintptr_t)pool_tables), PT_POOL_TABLES);

	must(pgtable_init(&identity, &config, NULL));
	must(identity_map_range(&identity, paddr(boot.image_pa), text_bytes, text_attrs));

	config.input_base = LAYOUT_KERNEL_BASE;
	must(pgtable_init(&mmu_kernel, &config, NULL));
	map_section(image_start, image_text_end, text_attrs);
	map_section(image_text_end, image_rodata_end, rodata_attrs);
	map_section(image_rodata_end, boot_stack_guard, data_attrs);
	map_section(boot_stack_guard + PAGE_SIZE, suites_bss_start, data_attrs);

	if (!mmu_config_make(&boot_mmu, &cpu_features, identity.root, mmu_kernel.root))
		panic("this CPU has no 4 KiB pages, or the image lies beyond its %u-bit physical addresses",
		      cpu_features.pa_bits);
	log_verbose("Root PT at: 0x%08lx\n", (unsigned long)identity.root.v);
	log_verbose("About to enable MMU...\n");
	return &boot_mmu;
}

paddr_t image_paddr(const void *p)
{
	return paddr((uint64_t)(uintptr_t)p - LAYOUT_IMAGE + boot.image_pa);
}

void early_map_suites(void)
{
	must(pgtable_map(&mmu_kernel, (uintptr_t)suites_bss_start, image_paddr(suites_bss_start),
			 (uint64_t)(image_end - suites_bss_start), data_attrs, PGTABLE_PAGES_ONLY));
	memset(suites_bss_start, 0, (size_t)(image_end - suites_bss_start));
}

/* [BT40] */
void early_map_adopt(void)
{
	boot_pool.base = (uint8_t *)pool_tables;
	mmu_kernel.format = &format_el1_stage1;
	mmu_kernel.pool = &boot_pool;
	mmu_kernel.table_virt = NULL;
	mmu_kernel.table_event = table_event;
	mmu_kernel.live = true;
}
