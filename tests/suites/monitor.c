/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor, the boot report and the tour, over the machine that runs the tests: the real one on the target, a small
 * one of 64 MiB on the host. Figures are compared with what the rooms themselves say, not with numbers of one machine.
 */
#define SUITE "monitor"
#include "lib/tap.h"

#include "arch/arch.h"
#include "boot/boot.h"
#include "boot/report.h"
#include "boot/tour.h"
#include "mm/heap.h"
#include "mm/mmu.h"
#include "tests/suites/monitor_say.h"
#ifdef GRANULE_HOST
#include "tests/host/panic.h"
#endif

TEST(BU31, "a line is a command and its words; empty lines do nothing; what is no command is named")
{
	machine();
	CHECK_EQ(strlen(say("%s", "")), 0);
	CHECK_EQ(result, MM_OK);
	CHECK_EQ(strlen(say(" \t ")), 0);
	CHECK_EQ(result, MM_OK);
	CHECK(has_text(say("frobnicate 1 2 3 4 5 6 7 8 9"), "'frobnicate' is no command; try help\n"));
	CHECK_EQ(result, MM_EINVAL);
	CHECK(has_text(say("MEM"), "no command"));
	CHECK(has_text(say("me"), "no command"));
	CHECK(has_text(say("memo"), "no command"));
	CHECK(has_text(say("  mem  "), "RAM "));
	CHECK_EQ(result, MM_OK);
}

TEST(BU31, "a command with too few or too many words shows its usage and does nothing")
{
	static const char *const wrong[] = {
		"alloc",     "alloc 1 2",    "free",	 "free 0x1000", "free 0x1000 1 2", "free 1 2 3 4 5",
		"pt",	     "pt 1 2",	     "ram 1 2",	 "mem 1",	"buddy 1 2",	   "check 1",
		"help help", "poweroff now", "owners 1", "mark 1",	"leaks 1 2",	   "stats --json 2",
	};
	uint64_t before;

	machine();
	before = stats_now().free_pages;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		const char *said = say("%s", wrong[i]);

		CHECK(strncmp(said, "usage: ", 7) == 0);
		CHECK_EQ(count_text(said, "\n"), 1);
		CHECK_EQ(result, MM_EINVAL);
	}
	CHECK_EQ(stats_now().free_pages, before);
	CHECK(has_text(say("free 1"), "usage: free ADDR ORDER\n"));
}

TEST(BU31, "numbers that are none, or too large, are refused by every command that takes one")
{
	static const char *const wrong[] = {
		"alloc x",
		"alloc -1",
		"alloc 19",
		"alloc 0x100000000",
		"alloc 99999999999999999999999",
		"alloc 1Q",
		"alloc 0x",
		"free x 0",
		"free 0x40000000 x",
		"free 0x40000000 19",
		"free zzzz 0",
		"ram 12ab",
		"ram -4",
		"ram 0x1ffffffffffffffff",
		"pt here",
		"pt 0x1 0x2 0x3",
		"free 0x40000000 4294967296",
	};
	uint64_t before;
	uint64_t bad;

	machine();
	before = stats_now().free_pages;
	bad = stats_now().bad_frees;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		const char *said = say("%s", wrong[i]);

		if (result != MM_EINVAL)
			tap_note("%s: %d, %s", wrong[i], result, said);
		CHECK_EQ(result, MM_EINVAL);
		CHECK_EQ(count_text(said, "\n"), 1);
	}
	CHECK_EQ(stats_now().free_pages, before);
	CHECK_EQ(stats_now().bad_frees, bad);
}

TEST(BU31, "help names every command, in eighty columns")
{
	static const char *const names[] = { "help",  "mem", "ram",   "buddy", "owners", "mark",    "leaks",
					     "stats", "pt",  "alloc", "free",  "check",	 "poweroff" };
	const char *said;

	machine();
	said = say("help");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char line[16];

		gr_snprintf(line, sizeof(line), "  %s ", names[i]);
		CHECK(has_text(said, line));
	}
	CHECK_EQ(count_text(said, "\n"), ARRAY_SIZE(names));
	CHECK(longest_line(said) <= 80);
}

TEST(BU32, "mem shows the totals that frames and heap keep")
{
	struct frames_stats f;
	struct heap_stats h;
	const char *said;
	char want[40];

	machine();
	f = stats_now();
	heap_get_stats(&h);
	said = say("mem");
	CHECK_EQ(result, MM_OK);
	gr_snprintf(want, sizeof(want), "(%lu pages)", (unsigned long)f.free_pages);
	CHECK(has_text(said, want));
	CHECK_EQ(number_after(said, "objects "), h.live_objects);
	CHECK_EQ(number_after(said, "kmalloc "), h.allocs);
	CHECK(longest_line(said) <= 80);
}

TEST(BU34, "ram lists every piece of RAM with its owner")
{
	struct ram_range piece;
	const char *said;
	char want[80];
	unsigned n = 0;

	machine();
	said = say("ram");
	CHECK_EQ(result, MM_OK);
	for (uint64_t a = 0; ram_next(&boot.ram, a, &piece) && n < 100; a = piece.base + piece.size, n++) {
		const char *line;

		gr_snprintf(want, sizeof(want), "  0x%012lx  ", (unsigned long)piece.base);
		line = find_text(said, want);
		CHECK_OR_RETURN(line != NULL);
		CHECK(strncmp(line + 30, ram_kind_name(piece.kind), strlen(ram_kind_name(piece.kind))) == 0);
	}
	CHECK(n >= 3);
	gr_snprintf(want, sizeof(want), "  0x%012lx  ", (unsigned long)boot.image_pa);
	CHECK(has_text(find_text(said, want), "image       image\n"));
	CHECK(longest_line(said) <= 80);
}

TEST(BU34, "ram ADDR tells who claims an address, what its frame is, and which records lie there")
{
	const char *said;
	char *object;
	pfn_t block;

	machine();
	said = say("ram 0x%lx", (unsigned long)boot.image_pa + 0x1234);
	CHECK_EQ(result, MM_OK);
	CHECK(has_text(said, " is RAM, image, in a piece at 0x"));
	CHECK(has_text(said, "  is 0x"));
	CHECK(has_text(said, ", image: image\n"));
	CHECK(has_text(said, "  and 0x")); /* the bank */
	CHECK(has_text(said, ", bank: "));
	CHECK(has_text(said, "never given to the allocator"));

	said = say("ram 0x%lx", (unsigned long)boot.mm.banks[0].metadata.v);
	CHECK(has_text(said, "holds mem_map of the bank at 0x"));
	said = say("ram 0x%lx", (unsigned long)(boot.mm.banks[0].metadata.v + boot.mm.banks[0].memmap_bytes - 1));
	CHECK(has_text(said, "holds mem_map of the bank at 0x"));
	said = say("ram 0x%lx", (unsigned long)(boot.mm.banks[0].metadata.v + boot.mm.banks[0].memmap_bytes));
	CHECK(has_text(said, "holds the bitmaps of the bank at 0x"));
	said = say("ram 0x%lx", (unsigned long)(boot.mm.banks[0].metadata.v + boot.mm.banks[0].metadata_bytes - 1));
	CHECK(has_text(said, "holds the bitmaps of the bank at 0x"));
	said = say("ram 0x%lx", (unsigned long)boot.mm.section_table.v);
	CHECK(has_text(said, "holds the section table"));

	CHECK_OR_RETURN(frames_alloc(boot.frames, 4, 0, TAG_TEST, &block) == MM_OK);
	said = say("ram 0x%lx", (unsigned long)pfn_to_paddr(block).v + 0x5678);
	CHECK(has_text(said, "in use by 'test', block of order 4 (64 KiB) at 0x"));
	CHECK_EQ(number_after(said, "(64 KiB) at "), pfn_to_paddr(block).v);
	CHECK(has_text(said, ", 1 reference\n"));
	CHECK_EQ(frames_free(boot.frames, block, 4), MM_OK);
	said = say("ram 0x%lx", (unsigned long)pfn_to_paddr(block).v);
	CHECK(has_text(said, ": free, in a block of order "));

	object = kmalloc(64);
	CHECK_OR_RETURN(object != NULL);
	said = say("ram 0x%lx", (unsigned long)virt_to_phys(object).v);
	CHECK(has_text(said, "in use by '"));
	CHECK_EQ(kfree(object), MM_OK);

	/* The last byte that an address can name, and the first. */
	said = say("ram 0xffffffffffffffff");
	CHECK_EQ(result, MM_OK);
	CHECK(has_text(said, "is no RAM\n  nobody names it\n"));
	CHECK(has_text(said, "not the allocator's\n"));
	(void)say("ram 0");
	CHECK_EQ(result, MM_OK);
}

TEST(BU35, "pt shows one line for each level and the translation, as a query has it")
{
	struct pgtable_entry e;
	const char *said;
	uint64_t va;

	machine();
	va = mmu_kernel.input_base + boot.mm.window.v + 0x1238; /* the linear map begins where the tables do */
	CHECK_OR_RETURN(pgtable_query(&mmu_kernel, va, &e) == MM_OK);
	said = say("pt 0x%lx", (unsigned long)va);
	CHECK_EQ(result, MM_OK);
	CHECK_EQ(count_text(said, "  level "), e.level - mmu_kernel.start_level + 1);
	CHECK_EQ(count_text(said, "  table at 0x"), e.level - mmu_kernel.start_level);
	CHECK_EQ(count_text(said, "leaf: maps to 0x"), 1);
	CHECK_EQ(number_after(said, "root table at "), mmu_kernel.root.v);
	CHECK_EQ(number_after(said, "\n  is "), boot.mm.window.v + 0x1238);
	CHECK(has_text(said, "\n  read-write, never executable, Normal write-back\n"));
	CHECK(longest_line(said) <= 80);
	/* Unmapped, at which level; and outside. */
	said = say("pt 0xffffffffffffffff");
	CHECK_EQ(result, MM_ENOENT);
	CHECK(has_text(said, "  level 0  invalid: not mapped\n"));
	said = say("pt 0x1000");
	CHECK_EQ(result, MM_ERANGE);
	CHECK(has_text(said, "outside the kernel's tables"));
	(void)say("pt 0xfffeffffffffffff");
	CHECK_EQ(result, MM_ERANGE);
}

TEST(BU35, "pt names the level at which a walk ends, and what is executable")
{
	static const struct pt_attrs code = { PT_EXEC, PT_NORMAL };
	const char *said;
	uint64_t va = 0xffff980000000000; /* in the vmalloc region, far behind what boot maps there */

	machine();
	CHECK_OR_RETURN(pgtable_map(&mmu_kernel, va, paddr(boot.mm.window.v), PAGE_SIZE, code, 0) == MM_OK);
	said = say("pt 0x%lx", (unsigned long)va + 8);
	CHECK_EQ(result, MM_OK);
	CHECK(has_text(said, "  level 3  0x"));
	CHECK(has_text(said, "in a leaf of 4 KiB\n  read-only, executable, Normal write-back\n"));
	said = say("pt 0x%lx", (unsigned long)va + 0x1000);
	CHECK_EQ(result, MM_ENOENT);
	CHECK_EQ(count_text(said, "  table at 0x"), 3 - mmu_kernel.start_level);
	CHECK(has_text(said, "  level 3  invalid: not mapped\n"));
	said = say("pt 0x%lx", (unsigned long)va + GIB(1));
	CHECK(has_text(said, "  level 1  invalid: not mapped\n"));
	CHECK_EQ(pgtable_unmap(&mmu_kernel, va, PAGE_SIZE), MM_OK);
}

TEST(BU36, "alloc takes a block of the order, prints its address, and says when there is none")
{
	struct frame_info info;
	struct frames_stats before;
	const char *said;
	uint64_t pa;

	machine();
	before = stats_now();
	said = say("alloc 3");
	CHECK_EQ(result, MM_OK);
	pa = number_after(said, "");
	frames_query(boot.frames, paddr_to_pfn(paddr(pa)), &info);
	CHECK_EQ(info.role, FRAME_ALLOC);
	CHECK_EQ(info.order, 3);
	CHECK_EQ(pfn_to_paddr(info.head).v, pa);
	CHECK(has_text(said, "32 KiB"));
	CHECK_EQ(stats_now().free_pages, before.free_pages - 8);
	/* The line that it proposes works as it stands. */
	said = find_text(said, "free 0x");
	CHECK_OR_RETURN(said != NULL);
	(void)say("%.*s", (int)(find_text(said, ")") - said), said);
	CHECK_EQ(result, MM_OK);
	CHECK_EQ(stats_now().free_pages, before.free_pages);
	if (frames_largest_free(boot.frames) < MAX_ORDER) {
		said = say("alloc 18");
		CHECK_EQ(result, MM_ENOMEM);
		CHECK(has_text(said, mm_strerror(MM_ENOMEM)));
		CHECK_EQ(stats_now().free_pages, before.free_pages);
	}
}

TEST(BU37, "free refuses every block that is not exactly as alloc gave it, with the error's words, and changes nothing")
{
	static const struct {
		const char *how; /* printf format of the block's address */
		int64_t offset;
		int want;
	} wrong[] = {
		{ "free 0x%lx 3", 0, MM_EORDER },	  { "free 0x%lx 1", 0, MM_EORDER },
		{ "free 0x%lx 18", 0, MM_EORDER },	  { "free 0x%lx 2", 0x1000, MM_EINTERIOR },
		{ "free 0x%lx 0", 0x3000, MM_EINTERIOR }, { "free 0x%lx 2", 1, MM_EALIGN },
		{ "free 0x%lx 2", 0xfff, MM_EALIGN },
	};
	const char *said;
	uint64_t pa;
	uint64_t free_pages;

	machine();
	pa = number_after(say("alloc 2"), "");
	CHECK_OR_RETURN(result == MM_OK);
	free_pages = stats_now().free_pages;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char line[64];

		/* One format for each row would be a format from a variable: the address is the only %. */
		gr_snprintf(line, sizeof(line), "free 0x%lx%s", (unsigned long)(pa + (uint64_t)wrong[i].offset),
			    wrong[i].how + strlen("free 0x%lx"));
		said = say("%s", line);
		if (result != wrong[i].want)
			tap_note("%s: %d: %s", line, result, said);
		CHECK_EQ(result, wrong[i].want);
		CHECK(has_text(said, mm_strerror(wrong[i].want)));
		CHECK_EQ(stats_now().free_pages, free_pages);
	}
	said = say("free last 2");
	CHECK_EQ(result, MM_OK);
	CHECK(has_text(said, "freed\n"));
	CHECK_EQ(stats_now().free_pages, free_pages + 4);
	(void)say("free last 2");
	CHECK_EQ(result, MM_EDOUBLE);
	(void)say("free 0x%lx 2", (unsigned long)pa);
	CHECK_EQ(result, MM_EDOUBLE);
	/* Reserved, foreign, and the ends of the address space. */
	(void)say("free 0x%lx 0", (unsigned long)boot.image_pa);
	CHECK_EQ(result, MM_ERESERVED);
	(void)say("free 0xfffffffffffff000 0");
	CHECK_EQ(result, MM_EFOREIGN);
	(void)say("free 0 18");
	CHECK(result == MM_EFOREIGN || result == MM_ERESERVED || result == MM_EORDER || result == MM_EDOUBLE ||
	      result == MM_EPERM);
	CHECK_EQ(stats_now().free_pages, free_pages + 4);
}

TEST(BU37, "free does not take what the kernel itself holds")
{
	struct frame_info info;
	void *object;
	uint64_t pa;
	uint64_t free_pages;
	const char *said;

	machine();
	object = kmalloc(64);
	CHECK_OR_RETURN(object != NULL);
	pa = virt_to_phys(object).v;
	frames_query(boot.frames, paddr_to_pfn(paddr(pa)), &info);
	CHECK_OR_RETURN(info.role == FRAME_ALLOC);
	free_pages = stats_now().free_pages;
	said = say("free 0x%lx %u", (unsigned long)pfn_to_paddr(info.head).v, info.order);
	CHECK_EQ(result, MM_EPERM);
	CHECK(has_text(said, "only what alloc gave can be freed\n"));
	CHECK_EQ(stats_now().free_pages, free_pages);
	CHECK_EQ(kfree(object), MM_OK);
}

TEST(BU38, "check validates all four rooms")
{
	const char *said;

	machine();
	said = say("check");
	CHECK_EQ(result, MM_OK);
	CHECK_EQ(count_text(said, "consistent\n"), 4);
	CHECK(has_text(said, "RAM map     consistent\n"));
	CHECK(has_text(said, "page frames consistent\n"));
	CHECK(has_text(said, "page tables consistent\n"));
	CHECK(has_text(said, "heap        consistent\n"));
}

TEST(BU38, "check reports the room that is not consistent")
{
	const char *said;
	struct ram_range piece;
	struct ram_claim *claim;
	uint64_t size;

	machine();
	/* A claim that has changed behind the map's back. */
	CHECK_OR_RETURN(ram_next_of(&boot.ram, 0, RAM_IMAGE, &piece));
	claim = boot.ram.claims;
	while (claim < boot.ram.claims + boot.ram.count && claim->kind != RAM_IMAGE)
		claim++;
	CHECK_OR_RETURN(claim < boot.ram.claims + boot.ram.count);
	size = claim->size;
	claim->size = size + MIB(4);
	said = say("check");
	claim->size = size;
	CHECK_EQ(result, MM_ECORRUPT);
	CHECK(has_text(said, mm_strerror(MM_ECORRUPT)));
	CHECK_EQ(count_text(said, "consistent\n"), 3);
	(void)say("check");
	CHECK_EQ(result, MM_OK);
}

TEST(BU31, "lines of garbage harm nothing")
{
	static const char *const words[] = {
		"mem",
		"ram",
		"buddy",
		"leaks",
		"owners",
		"stats",
		"--json",
		"pt",
		"free",
		"help",
		"0",
		"1",
		"18",
		"19",
		"-1",
		"0xffff000040000000",
		"0x40200000",
		"0xffffffffffffffff",
		"18446744073709551615",
		"99999999999999999999",
		"last",
		"x",
		"0x",
		"\t",
		"G",
		"%s%n",
		"4G",
	};
	uint64_t seed = 42;
	uint64_t free_pages;

	machine();
	free_pages = stats_now().free_pages;
	for (unsigned i = 0; i < 1000; i++) {
		char line[200] = "";

		for (unsigned n = 0; n < 1 + i % 4; n++) {
			seed = seed * 6364136223846793005 + 1442695040888963407;
			gr_snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s ",
				    words[(seed >> 33) % ARRAY_SIZE(words)]);
		}
		(void)say("%s", line);
	}
	CHECK_EQ(stats_now().free_pages, free_pages);
	(void)say("check");
	CHECK_EQ(result, MM_OK);
}

/* ---- the tour ---------------------------------------------------------------------------------------------------- */

TEST(BU39, "the tour shows a dozen commands, each of which ends as it should, and leaves nothing behind")
{
	const char *said;
	uint64_t free_pages;
	unsigned wrong;

	machine();
	free_pages = stats_now().free_pages;
	capture_begin();
	wrong = tour_run();
	said = capture_end();
	CHECK_EQ(wrong, 0);
	CHECK(count_text(said, "granule> ") >= 12);
	CHECK_EQ(count_text(said, "\n-- "), count_text(said, "granule> "));
	CHECK(!has_text(said, "usage:") && !has_text(said, "no command"));
	CHECK(has_text(said, mm_strerror(MM_EDOUBLE)));
	CHECK_EQ(stats_now().free_pages, free_pages);
}

/* ---- the report -------------------------------------------------------------------------------------------------- */

static unsigned lines_below(const char *text, const char *header)
{
	const char *p = find_text(text, header);
	unsigned n = 0;

	if (p == NULL)
		return 0;
	p += strlen(header);
	while (p[0] == ' ' && p[1] == ' ') {
		n++;
		while (*p != '\0' && *p++ != '\n')
			;
	}
	return n;
}

TEST(BU40, "the boot report shows every bank and owner and ends with the memory that is up, in eighty columns")
{
	struct frames_stats f;
	struct ram_range piece;
	const char *said;
	char want[80];
	unsigned banks = 0;
	unsigned owned = 0;

	machine();
	f = stats_now();
	capture_begin();
	report_boot(&boot);
	said = capture_end();
	CHECK(longest_line(said) <= 80);
	for (uint64_t a = 0; ram_next_bank(&boot.ram, a, &piece); a = piece.base + piece.size)
		banks++;
	for (uint64_t a = 0; ram_next(&boot.ram, a, &piece); a = piece.base + piece.size)
		owned += piece.kind != RAM_FREE;
	CHECK_EQ(lines_below(said, "\nbanks\n"), banks);
	CHECK(lines_below(said, "\nowners\n") >= owned);
	CHECK(has_text(said, boot.model));
	CHECK_EQ(number_after(said, "\nentered   at EL"), boot.entry_el);
	CHECK_EQ(number_after(said, "PT_POOL "), boot.mm.pool_tables_needed);
	CHECK_EQ(number_after(said, " needed, peak "), boot.mm.pool_peak);
	CHECK(has_text(said, " of 80; "));
	CHECK(has_text(said, "\nstolen "));
	CHECK(has_text(said, "\nheap "));
	gr_snprintf(want, sizeof(want), "\nmemory is up: %lu MiB free of %lu MiB\n",
		    (unsigned long)(f.free_pages / 256), (unsigned long)(ram_total(&boot.ram) / MIB(1)));
	CHECK_OR_RETURN(has_text(said, want));
	CHECK_EQ(strlen(find_text(said, want)), strlen(want));
	/* A simple machine's report fits on a screen. */
	if (banks == 1 && owned <= 3)
		CHECK(count_text(said, "\n") <= 24);
}

TEST(BU41,
     "the list of owners leaves nothing out: forty claims on one byte, names longer than a line, the last page of RAM")
{
	static char names[40][8];
	static char long_name[301];
	static struct ram_claim storage[64];
	static struct ram_extra extra[46];
	struct ram_map map;
	unsigned n = 0;
	const char *said;
	const char *p;
	unsigned xs = 0;
	int needed;

	machine();
	memset(long_name, 'x', sizeof(long_name) - 1);
	extra[n++] = (struct ram_extra){ GIB(2), MIB(16), RAM_FREE, "bank" };
	for (unsigned i = 0; i < 40; i++) {
		gr_snprintf(names[i], sizeof(names[i]), "owner%02u", i);
		extra[n++] = (struct ram_extra){ GIB(2) + MIB(1), MIB(1), RAM_RESERVED, names[i] };
	}
	extra[n++] = (struct ram_extra){ GIB(2) + MIB(4), 4096, RAM_NOMAP, long_name };
	extra[n++] = (struct ram_extra){ GIB(2) + MIB(16) - 1, 1, RAM_MEMRESERVE, "lastbyte" };
	needed = ram_claims_needed(NULL, n);
	CHECK_OR_RETURN(needed >= 0 && (unsigned)needed <= ARRAY_SIZE(storage));
	CHECK_OR_RETURN(ram_build(&map, storage, ARRAY_SIZE(storage), NULL, paddr(0), extra, n) == MM_OK);
	capture_begin();
	report_owners(&map, false);
	said = capture_end();
	for (unsigned i = 0; i < 40; i++)
		CHECK_EQ(count_text(said, names[i]), 1);
	CHECK(has_text(said, "  0x000080fff000  4 KiB       memreserve  lastbyte\n"));
	CHECK_EQ(count_text(said, "  0x0000"), 3);
	for (p = said; *p != '\0'; p++)
		xs += *p == 'x' && (p[1] == 'x' || p[1] == '\n') && p[-1] != '0';
	CHECK_EQ(xs, 300);
	CHECK(longest_line(said) <= 80);
	/* With what is free: two pieces between, before and behind. */
	capture_begin();
	report_owners(&map, true);
	said = capture_end();
	CHECK_EQ(count_text(said, "  0x0000"), 6);
	CHECK_EQ(count_text(said, "  free        bank\n"), 3);
}

TEST(BU42, "the free blocks are listed by order, only those that are there, wrapped at eighty columns")
{
	struct frames_stats s;
	const char *said;

	memset(&s, 0, sizeof(s));
	capture_begin();
	report_free_orders(&s);
	CHECK(strcmp(capture_end(), "free      order:blocks none\n") == 0);
	s.free_blocks[0] = 3;
	s.free_blocks[9] = 12;
	s.free_blocks[18] = 1;
	capture_begin();
	report_free_orders(&s);
	CHECK(strcmp(capture_end(), "free      order:blocks 0:3 9:12 18:1\n") == 0);
	for (unsigned i = 0; i <= MAX_ORDER; i++)
		s.free_blocks[i] = UINT64_MAX - i;
	capture_begin();
	report_free_orders(&s);
	said = capture_end();
	CHECK(longest_line(said) <= 80);
	CHECK(has_text(said, " 18:18446744073709551597\n"));
	CHECK_EQ(count_text(said, ":"), MAX_ORDER + 2);
}

#ifdef GRANULE_HOST
static void power_off(void)
{
	(void)monitor_execute("poweroff");
}

TEST_ON(TAP_HOST, BU31, "poweroff ends the machine with status 0")
{
	const char *end = expect_panic(power_off);

	CHECK(end != NULL && strcmp(end, FAKE_POWEROFF "0") == 0);
}

TEST_ON(TAP_HOST, BU31, "before memory is up the commands that need it say so")
{
	struct frames *frames = boot.frames;

	boot.frames = NULL;
	CHECK(has_text(say("mem"), "memory is not up\n"));
	CHECK_EQ(result, MM_ENOENT);
	CHECK(has_text(say("free 1 1"), "memory is not up\n"));
	(void)say("help");
	CHECK_EQ(result, MM_OK);
	boot.frames = frames;
}
#endif
