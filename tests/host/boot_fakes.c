/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine below boot/ in a host program. See boot_fakes.h. */
#include "tests/host/boot_fakes.h"
#include "arch/aarch64/semihost.h"
#include "arch/arch.h"
#include "boot/backtrace.h"
#include "boot/power.h"
#include "lib/panic.h"
#include "mm/mmu.h"
#include <stdlib.h>
#include <string.h>

struct boot_info boot;

static uintptr_t stack_base;
static size_t stack_size;

void fake_stack(const void *base, size_t size)
{
	stack_base = (uintptr_t)base;
	stack_size = size;
}

bool stack_contains(uintptr_t a)
{
	return a - stack_base < stack_size;
}

static const struct symbol_table *table;

void fake_symbols(const struct symbol_table *t)
{
	table = t;
}

void symbols_table(struct symbol_table *out)
{
	if (table != NULL)
		*out = *table;
	else
		memset(out, 0, sizeof(*out));
}

static bool listens;
static char heard[4096];

void fake_semihost(bool on)
{
	listens = on;
	heard[0] = '\0';
}

const char *fake_semihost_text(void)
{
	return heard;
}

bool semihost_present(void)
{
	return listens;
}

bool semihost_write(const char *text, size_t n)
{
	size_t have = strlen(heard);

	if (listens && have + n < sizeof(heard)) {
		memcpy(heard + have, text, n);
		heard[have + n] = '\0';
	}
	return listens;
}

_Noreturn void machine_poweroff(int status)
{
	panic(FAKE_POWEROFF "%d", status);
}

/* ---- the machine ------------------------------------------------------------------------------------------------- */

#define RAM_BASE GIB(1)
#define RAM_SIZE MIB(64)
#define SYMBOL_IMAGE "image"

static struct frames frames;
static struct ram_claim claims[16];
/* mem_map for the frames of the first 2 GiB; only the part that describes the RAM is touched. */
static struct page *memmap;

/* All of mem_map is there already. */
static int map_memmap(void *ctx, uint64_t va, paddr_t pa, uint64_t size)
{
	(void)ctx;
	(void)pa;
	if (va < (uintptr_t)memmap || va + size > (uintptr_t)(memmap + (GIB(2) >> PAGE_SHIFT)))
		panic("mem_map wanted at 0x%lx", (unsigned long)va);
	return MM_OK;
}

static void must(int err, const char *what)
{
	if (err != MM_OK)
		panic("fake machine: %s: %s", what, mm_strerror(err));
}

void fake_machine(void)
{
	static const struct ram_extra extra[] = {
		{ RAM_BASE, RAM_SIZE, RAM_FREE, "bank" },
		{ RAM_BASE + MIB(2), MIB(2), RAM_IMAGE, SYMBOL_IMAGE },
		{ RAM_BASE + MIB(8), 0x2345, RAM_DTB, "dtb" },
		{ RAM_BASE + MIB(16), MIB(1), RAM_NOMAP, "secure" },
	};
	static struct mm_init_config config;
	static struct pgtable_config tables;
	void *ram;

	if (boot.up)
		return;
	ram = aligned_alloc(MIB(2), RAM_SIZE);
	memmap = aligned_alloc(PAGE_SIZE, (GIB(2) >> PAGE_SHIFT) * sizeof(*memmap));
	if (ram == NULL || memmap == NULL)
		panic("fake machine: no memory");
	memset(ram, 0xa5, RAM_SIZE);
	memset(memmap, 0xa5, (GIB(2) >> PAGE_SHIFT) * sizeof(*memmap));
	arch_linear_base = (uintptr_t)ram - RAM_BASE;

	strcpy(boot.model, "a fake machine");
	boot.entry_el = 1;
	boot.image_pa = RAM_BASE + MIB(2);
	boot.image_size = MIB(2);
	boot.dtb_pa = paddr(RAM_BASE + MIB(8));
	boot.fdt.totalsize = 0x2345;
	boot.fdt.used = 0x2000;
	boot.cpus_described = 2;
	boot.cpus_online = 1;
	must(ram_build(&boot.ram, claims, ARRAY_SIZE(claims), NULL, boot.dtb_pa, extra, ARRAY_SIZE(extra)), "RAM map");
	config.ram = &boot.ram;
	config.frames = &frames;
	config.memmap_va = (uintptr_t)memmap;
	config.linear_bits = 47;
	config.map_memmap = map_memmap;
	mm_init(&config, &boot.mm);
	boot.frames = &frames;

	tables.format = &format_el1_stage1;
	tables.input_bits = 48;
	tables.input_base = 0xffff000000000000;
	tables.allocator = &mm_frame_allocator;
	must(pgtable_init(&mmu_kernel, &tables, NULL), "page tables");
	must(pgtable_map(&mmu_kernel, 0xffff000000000000 + RAM_BASE, paddr(RAM_BASE), RAM_SIZE,
			 (struct pt_attrs){ PT_WRITE, PT_NORMAL }, 0),
	     "linear map");
	must(pgtable_map(&mmu_kernel, 0xffffa00000000000, paddr(boot.image_pa), MIB(2),
			 (struct pt_attrs){ PT_EXEC, PT_NORMAL }, PGTABLE_PAGES_ONLY),
	     "image");
	mm_init_heap(&boot.mm);
	boot.up = true;
}
