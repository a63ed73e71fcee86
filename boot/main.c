/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel_main(): from "the MMU is on" to "memory is up", in the order of docs/architecture.md; then what the command line asks for.
 */
#include "arch/aarch64/features.h"
#include "arch/aarch64/insn.h"
#include "arch/aarch64/percpu.h"
#include "arch/aarch64/probe.h"
#include "arch/aarch64/psci.h"
#include "boot/backtrace.h"
#include "boot/boot.h"
#include "boot/cmdline.h"
#include "boot/console/console.h"
#include "boot/early_hole.h"
#include "boot/early_map.h"
#include "boot/irq.h"
#include "boot/log_lock.h"
#include "boot/monitor.h"
#include "boot/power.h"
#include "boot/report.h"
#include "boot/smp.h"
#include "boot/stats.h"
#include "boot/symbols.h"
#include "boot/tour.h"
#include "lib/fdt_mem.h"
#include "lib/log.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "lib/tap.h"
#include "mm/bump.h"
#include "mm/heap.h"
#include "mm/kspace.h"
#include "mm/layout.h"
#include "mm/numa.h"

#define CLAIMS_IN_IMAGE 256

extern char suites_bss_start[];
extern char boot_stack[], boot_stack_top[], exception_stack[], exception_stack_top[];
_Noreturn void kernel_main(void);

static struct frames frames;
static struct kspace kspace;
static struct ram_claim claims[CLAIMS_IN_IMAGE];
static struct bump boot_bump;

bool stack_contains(uintptr_t a)
{
	struct pgtable_entry e;

	if ((a >= (uintptr_t)boot_stack && a < (uintptr_t)boot_stack_top) ||
	    (a >= (uintptr_t)exception_stack && a < (uintptr_t)exception_stack_top))
		return true;
	/* The other CPUs' stacks, and nothing unmapped: the caller is about to read there. */
	return a >= LAYOUT_VMALLOC && a < LAYOUT_VMALLOC + LAYOUT_VMALLOC_SIZE &&
	       pgtable_query(&mmu_kernel, a, &e) == MM_OK && e.attrs.memory == PT_NORMAL;
}

/* ---- the device tree ----------------------------------------------------------------------------------------------------- */

/* [BT19] */
static _Noreturn void bad_dtb(const char *why)
{
	if (!console_current())
		console_start(NULL, NULL);
	panic("Invalid DTB for memory init: %s (x0 = 0x%lx, looked at 0x%lx)", why, (unsigned long)boot.x[0],
	      (unsigned long)boot.dtb_pa.v);
}

/* Maps the pages of [pa, pa + size) that the fixmap window does not have yet. */
static void map_dtb_pages(paddr_t pa, uint64_t from, uint64_t size)
{
	uint64_t base = ALIGN_DOWN(pa.v, PAGE_SIZE);
	uint64_t a = ALIGN_UP(pa.v + from, PAGE_SIZE), end = ALIGN_UP(pa.v + size, PAGE_SIZE);
	int err;

	if (from == 0)
		a = base;
	if (a >= end)
		return;
	err = pgtable_map(&mmu_kernel, LAYOUT_FIXMAP_FDT + (a - base), paddr(a), end - a,
			  (struct pt_attrs){ 0, PT_NORMAL }, PGTABLE_PAGES_ONLY);
	if (err)
		bad_dtb(mm_strerror(err));
}

/* x0, or for an ELF loader that passes none the start of the image's GiB; read only, nothing else is probed. [BT13] [BT14] */
static void find_dtb(void)
{
	uint64_t limit = (uint64_t)1 << arch_pa_bits();
	const char *why;
	size_t used, totalsize;
	uint8_t *blob;
	uint32_t word;

	boot.dtb_pa = paddr(boot.x[0] ? boot.x[0] : ALIGN_DOWN(boot.image_pa, GIB(1)));
	if (boot.dtb_pa.v & 7)
		bad_dtb("not 8-byte aligned");
	if (boot.dtb_pa.v > limit - FDT_HEADER_SIZE)
		bad_dtb("beyond the physical address space");
	if (boot.dtb_pa.v < boot.image_pa + boot.image_size && boot.image_pa < boot.dtb_pa.v + FDT_HEADER_SIZE)
		bad_dtb("inside the kernel image");
	/* One page, so that nothing is mapped on the word of an unchecked header (two when the header straddles them). */
	map_dtb_pages(boot.dtb_pa, 0, FDT_HEADER_SIZE);
	blob = (uint8_t *)(uintptr_t)(LAYOUT_FIXMAP_FDT + (boot.dtb_pa.v & PAGE_MASK));
	if (!probe_read32((const volatile uint32_t *)(void *)blob, &word))
		bad_dtb("no memory answers there");
	why = fdt_probe(blob, &used, &totalsize);
	if (why)
		bad_dtb(why);
	if (boot.dtb_pa.v < boot.image_pa + boot.image_size && boot.image_pa < boot.dtb_pa.v + used)
		bad_dtb("overlaps the kernel image");
	if (used > limit - boot.dtb_pa.v)
		bad_dtb("runs past the end of the physical address space");
	map_dtb_pages(boot.dtb_pa, FDT_HEADER_SIZE, used);
	if (!fdt_open(&boot.fdt, blob, used))
		bad_dtb(boot.fdt.error);
}

/* [BT25] */
static void start_console(void)
{
	struct console_desc desc;
	const char *why = console_find(&boot.fdt, &desc);
	uint64_t page;
	uint32_t word;

	if (!why) {
		page = ALIGN_DOWN(desc.pa.v, PAGE_SIZE);
		if (pgtable_map(&mmu_kernel, LAYOUT_FIXMAP_CONSOLE, paddr(page),
				ALIGN_UP(desc.pa.v + desc.driver->reg_bytes, PAGE_SIZE) - page,
				(struct pt_attrs){ PT_WRITE, PT_DEVICE_nGnRE }, PGTABLE_PAGES_ONLY) == MM_OK &&
		    probe_read32((const volatile uint32_t *)(LAYOUT_FIXMAP_CONSOLE + (desc.pa.v & PAGE_MASK)), &word) &&
		    console_start(&desc, (void *)(uintptr_t)(LAYOUT_FIXMAP_CONSOLE + (desc.pa.v & PAGE_MASK))))
			return;
		why = "its registers cannot be used";
	}
	console_start(NULL, NULL);
	log_info("console: %s; semihosting if somebody listens\n", why);
}

static void name_machine(void)
{
	const char *name = fdt_prop_string(&boot.fdt, fdt_root(&boot.fdt), "model");

	if (!name)
		name = fdt_prop_string(&boot.fdt, fdt_root(&boot.fdt), "compatible");
	gr_snprintf(boot.model, sizeof(boot.model), "%s", name ? name : "unnamed machine");
}

/* ---- the RAM map --------------------------------------------------------------------------------------------------------- */

/* [BT24] */
static void build_ram_map(const struct cmdline *words)
{
	struct ram_extra extra[3] = {
		{ boot.image_pa, boot.image_size, RAM_IMAGE, "image" },
	};
	unsigned n_extra = 1, capacity = ARRAY_SIZE(claims);
	struct ram_claim *storage = claims;
	int needed = ram_claims_needed(&boot.fdt, ARRAY_SIZE(extra));
	int err;

	if (needed < 0)
		bad_dtb(boot.fdt.error);
	if ((unsigned)needed > capacity) {
		uint64_t bytes = ALIGN_UP((uint64_t)needed * sizeof(*storage), MIB(2));
		paddr_t at;

		if (bytes > LAYOUT_FIXMAP_CLAIMS_SIZE)
			panic("the device tree names %d ranges: their records take %lu KiB, the window has %lu", needed,
			      (unsigned long)(bytes >> 10), (unsigned long)(LAYOUT_FIXMAP_CLAIMS_SIZE >> 10));
		if (!early_hole(&boot.fdt, extra, n_extra, boot.dtb_pa, bytes, MIB(2), &at))
			panic("no free %lu KiB for the records of %d ranges", (unsigned long)(bytes >> 10), needed);
		err = pgtable_map(&mmu_kernel, LAYOUT_FIXMAP_CLAIMS, at, bytes,
				  (struct pt_attrs){ PT_WRITE, PT_NORMAL }, 0);
		if (err)
			panic("records of the RAM map: %s", mm_strerror(err));
		extra[n_extra++] = (struct ram_extra){ at.v, bytes, RAM_IMAGE, "RAM map" };
		storage = (struct ram_claim *)LAYOUT_FIXMAP_CLAIMS;
		capacity = (unsigned)(bytes / sizeof(*storage));
	}
	err = ram_build(&boot.ram, storage, capacity, &boot.fdt, boot.dtb_pa, extra, n_extra);
	if (!err && words->bump) {
		struct ram_range r;

		/* The range becomes one more owner, but only when it is free RAM now: nothing is taken from anybody. */
		if (ram_next(&boot.ram, words->bump_base, &r) && r.kind == RAM_FREE && r.base <= words->bump_base &&
		    words->bump_size <= r.base + r.size - words->bump_base &&
		    bump_new(&boot_bump, paddr(words->bump_base), words->bump_size) == MM_OK) {
			extra[n_extra++] =
				(struct ram_extra){ words->bump_base, words->bump_size, RAM_RESERVED, "bump" };
			err = ram_build(&boot.ram, storage, capacity, &boot.fdt, boot.dtb_pa, extra, n_extra);
			log_info("bump: [INIT] Heap initialized, %lu KiB at 0x%lx\n",
				 (unsigned long)(words->bump_size >> 10), (unsigned long)words->bump_base);
		} else {
			log_error("bump: 0x%lx, %lu KiB is not free RAM: ignored\n", (unsigned long)words->bump_base,
				  (unsigned long)(words->bump_size >> 10));
		}
	}
	if (err)
		bad_dtb(boot.fdt.error ? boot.fdt.error : mm_strerror(err));
	err = ram_validate(&boot.ram);
	if (err)
		panic("the RAM map contradicts itself: %s", mm_strerror(err));
}

/* ---- what was asked for -------------------------------------------------------------------------------------------------- */

/* [BT23] */
static void print_tap(const char *text, size_t n)
{
	log_info("%.*s", (int)n, text);
}

static void hand_over(void *ctx, const struct page_allocator *a)
{
	(void)ctx;
	mmu_set_page_allocator(a);
}

/* [BT22] [BT34] */
_Noreturn void kernel_main(void)
{
	static struct cmdline words;
	struct mm_init_config config = {
		.ram = &boot.ram,
		.frames = &frames,
		.tables = &mmu_kernel,
		.pool = &boot_pool,
		.memmap_va = LAYOUT_MEMMAP,
		.linear_bits = LAYOUT_LINEAR_BITS,
		.hand_over = hand_over,
	};
	int status = 0;
	bool console;

	boot_cpu.mpidr = READ_SYSREG(mpidr_el1) & MPIDR_AFFINITY;
	arch_linear_base = LAYOUT_LINEAR;
	early_map_adopt();
	log_verbose("MMU enabled with identity mapping.\n");
	mmu_ttbr0_clear(image_paddr(empty_table));
	log_verbose("MMU: running in the high half\n");
	log_lock_start();
	gr_set_namer(symbols_name_return);
	boot.image_size = (uint64_t)(image_end - image_start);
	boot.cpus_online = 1;
	boot.frames = &frames;

	find_dtb();
	boot.bootargs = fdt_bootargs(&boot.fdt);
	psci_init(&boot.fdt, boot.el2_stub == 0, boot.entry_el != 3);
	/* Verbose lines are in the ring: whether to show them must be known before the console replays it. */
	cmdline_parse(boot.bootargs, &words);
	log_set_verbose(words.verbose);
	if (words.test[0])
		early_map_suites();
	else /* free memory like any other */
		boot.image_size = (uint64_t)(suites_bss_start - image_start);
	start_console();
	/* From here somebody can read what an asynchronous abort has to say: a write to memory that is not there, for one. */
	__asm__ volatile("msr daifclr, #4" ::: "memory");
	console = console_current() != NULL;
	name_machine();
	log_info("DTB: found at 0x%016lx, %lu bytes (%lu used)\n", (unsigned long)boot.dtb_pa.v,
		 (unsigned long)boot.fdt.totalsize, (unsigned long)boot.fdt.used);

	build_ram_map(&words);
	mm_init(&config, &boot.mm);
	numa_read_distances(&frames, &boot.fdt);
	mm_init_heap(&boot.mm);
	mm_init_reserve(&boot.mm);
	kspace_init(&kspace, &mmu_kernel, &frames, LAYOUT_VMALLOC, LAYOUT_VMALLOC_SIZE);
	irq_init(&boot.fdt, &kspace);
	smp_start(&boot.fdt, &kspace);
	boot.mm.dynamic_tables = mmu_kernel.dynamic_tables;
	boot.up = true;
	report_boot(&boot);
	if (words.stats)
		stats_print_json();

	if (words.test_refused)
		machine_poweroff(1);
	if (words.test[0])
		machine_poweroff(tap_run(words.test, TAP_TARGET, print_tap) ? 1 : 0);
	if (words.tour)
		status = tour_run() ? 1 : 0;
	if (words.poweroff || (words.tour && !console))
		machine_poweroff(status);
	if (console)
		monitor_run();
	machine_poweroff(status);
}
