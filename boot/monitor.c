/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's commands. Each is one function; the table at the end is all that knows their names. */
#include "boot/monitor.h"
#include "arch/arch.h"
#include "boot/boot.h"
#include "boot/console/console.h"
#include "boot/format_size.h"
#include "boot/line_edit.h"
#include "boot/monitor_words.h"
#include "boot/power.h"
#include "boot/report.h"
#include "boot/stats.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/heap.h"
#include "mm/mmu.h"

#define WORDS_MAX 4

/* What `last` means: the block that `alloc` gave last. */
static bool have_last;
static paddr_t last_block;

/* ---- words and numbers ------------------------------------------------------------------------------------------- */

/* Cuts the line into words; returns how many there are, at most WORDS_MAX + 1 (then not all are stored). */
static unsigned split(const char *line, struct word words[WORDS_MAX])
{
	unsigned n = 0;

	for (;;) {
		while (*line == ' ' || *line == '\t')
			line++;
		if (*line == '\0')
			return n;
		if (n == WORDS_MAX)
			return n + 1;
		words[n].s = line;
		while (*line != '\0' && *line != ' ' && *line != '\t')
			line++;
		words[n].n = (size_t)(line - words[n].s);
		n++;
	}
}

bool word_is(const struct word *w, const char *s)
{
	return w->n == strlen(s) && memcmp(w->s, s, w->n) == 0;
}

int complain(const struct word *w, const char *what)
{
	log_info("'%.*s' is %s\n", (int)w->n, w->s, what);
	return MM_EINVAL;
}

int parse_number(const struct word *w, uint64_t *out)
{
	if (parse_u64(w->s, w->s + w->n, out) != w->s + w->n)
		return complain(w, "no number (decimal or 0x..., with K, M or G)");
	return MM_OK;
}

static int parse_address(const struct word *w, uint64_t *out)
{
	if (!word_is(w, "last"))
		return parse_number(w, out);
	if (!have_last)
		return complain(w, "nothing yet: alloc has given no block");
	*out = last_block.v;
	return MM_OK;
}

static int parse_order(const struct word *w, unsigned *out)
{
	uint64_t order = 0;
	int err = parse_number(w, &order);

	if (err != MM_OK)
		return err;
	if (order > MAX_ORDER)
		return complain(w, "no order (0 is 4 KiB, 9 is 2 MiB, 18 is 1 GiB)");
	*out = (unsigned)order;
	return MM_OK;
}

static unsigned long pages_to_bytes(uint64_t pages)
{
	return pages << PAGE_SHIFT;
}

/* ---- mem, stats -------------------------------------------------------------------------------------------------- */

/* [BU32] */
static int command_mem(const struct word *words, unsigned n)
{
	struct frames_stats stats;
	struct heap_stats heap;
	char a[FORMAT_SIZE_MAX];
	char b[FORMAT_SIZE_MAX];
	char c[FORMAT_SIZE_MAX];

	(void)words;
	(void)n;
	frames_get_stats(boot.frames, &stats);
	heap_get_stats(&heap);
	log_info("RAM       %s, %s of it the allocator's, in %u bank%s\n", format_size(a, ram_total(&boot.ram)),
		 format_size(b, pages_to_bytes(stats.total_pages)), stats.banks, stats.banks == 1 ? "" : "s");
	log_info("free      %s (%lu pages)\n", format_size(a, pages_to_bytes(stats.free_pages)),
		 (unsigned long)stats.free_pages);
	log_info("used      %s, at most %s so far\n",
		 format_size(a, pages_to_bytes(stats.total_pages - stats.free_pages)),
		 format_size(b, pages_to_bytes(stats.peak_used_pages)));
	log_info("heap      %s reserved, %s of it in slabs\n", format_size(a, heap.reserved_bytes),
		 format_size(b, heap.reserved_used_bytes));
	log_info("objects   %lu live in %s, %lu of them straight from frames\n", (unsigned long)heap.live_objects,
		 format_size(a, heap.live_bytes), (unsigned long)heap.large_objects);
	log_info("          so far %s asked for, %s given\n", format_size(b, heap.requested_bytes),
		 format_size(c, heap.granted_bytes));
	log_info("kmalloc   %lu, kfree %lu, failed %lu, refused frees %lu\n", (unsigned long)heap.allocs,
		 (unsigned long)heap.frees, (unsigned long)heap.failures, (unsigned long)heap.bad_frees);
	log_info("records   %s, of it %s bitmaps\n", format_size(c, boot.mm.stolen_bytes),
		 format_size(b, stats.metadata_bytes));
	return MM_OK;
}

static void show_machine(void)
{
	struct frames_bank_stats bank;
	char size[FORMAT_SIZE_MAX];
	char used[FORMAT_SIZE_MAX];
	char peak[FORMAT_SIZE_MAX];

	log_info("machine   %.68s\n", boot.model);
	log_info("CPUs      %u described, %u online\n", boot.cpus_described, boot.cpus_online);
	for (unsigned i = 0; frames_get_bank_stats(boot.frames, i, &bank); i++)
		log_info("bank      0x%012lx  %-10s  node %u  %s used, at most %s\n",
			 (unsigned long)pfn_to_paddr(bank.start).v, format_size(size, pages_to_bytes(bank.pages)),
			 bank.node, format_size(used, pages_to_bytes(bank.used_pages)),
			 format_size(peak, pages_to_bytes(bank.peak_used_pages)));
	log_info("tables    PT_POOL peak %u of %u; %lu from the allocator\n", boot.mm.pool_peak, PT_POOL_TABLES,
		 (unsigned long)mmu_kernel.dynamic_tables);
}

/* [DG5] */
static int command_stats(const struct word *words, unsigned n)
{
	if (n == 1) {
		show_machine();
		(void)command_mem(words, n);
		(void)command_buddy(words, n);
		(void)command_owners(words, n);
		return MM_OK;
	}
	if (!word_is(&words[1], "--json"))
		return complain(&words[1], "not '--json', which prints for tools");
	stats_print_json();
	return MM_OK;
}

/* ---- ram --------------------------------------------------------------------------------------------------------- */

static bool inside(uint64_t a, uint64_t base, uint64_t size)
{
	return a >= base && a - base < size;
}

/* What bring-up put there, when it did. */
static void tell_records(uint64_t a)
{
	const struct mm_bringup *mm = &boot.mm;

	if (inside(a, mm->section_table.v, mm->section_table_bytes))
		log_info("  holds the section table\n");
	for (unsigned i = 0; i < mm->bank_count; i++) {
		const struct mm_bank *bank = &mm->banks[i];

		if (inside(a, bank->metadata.v, bank->metadata_bytes))
			log_info("  holds %s of the bank at 0x%lx\n",
				 a - bank->metadata.v < bank->memmap_bytes ? "mem_map" : "the bitmaps",
				 (unsigned long)pfn_to_paddr(bank->start).v);
	}
}

static void tell_frame(uint64_t a)
{
	struct frame_info info;
	char size[FORMAT_SIZE_MAX];

	frames_query(boot.frames, paddr_to_pfn(paddr(a)), &info);
	switch (info.role) {
	case FRAME_FOREIGN:
		log_info("  frame 0x%lx: not the allocator's\n", (unsigned long)(a >> PAGE_SHIFT));
		break;
	case FRAME_RESERVED:
		log_info("  frame 0x%lx: never given to the allocator\n", (unsigned long)(a >> PAGE_SHIFT));
		break;
	case FRAME_FREE:
		log_info("  frame 0x%lx: free, in a block of order %u (%s) at 0x%lx\n",
			 (unsigned long)(a >> PAGE_SHIFT), info.order, format_size(size, PAGE_SIZE << info.order),
			 (unsigned long)pfn_to_paddr(info.head).v);
		break;
	case FRAME_ALLOC:
		log_info("  frame 0x%lx: in use by '%s', block of order %u (%s) at 0x%lx, %u reference%s\n",
			 (unsigned long)(a >> PAGE_SHIFT), page_tag_name(info.tag), info.order,
			 format_size(size, PAGE_SIZE << info.order), (unsigned long)pfn_to_paddr(info.head).v, info.ref,
			 info.ref == 1 ? "" : "s");
		break;
	}
}

/* Every claim that covers a, one line each. */
static void tell_claims(uint64_t a)
{
	const struct ram_claim *owners[32];
	unsigned n = ram_owners(&boot.ram, a, owners, ARRAY_SIZE(owners));
	char source[200];
	char size[FORMAT_SIZE_MAX];

	for (unsigned i = 0; i < n && i < ARRAY_SIZE(owners); i++) {
		if (ram_source(&boot.ram, owners[i], source, sizeof(source)) < 0)
			source[0] = '\0';
		log_info("  %s 0x%lx + %s, %s: %s%s%s\n", i == 0 ? "is" : "and", (unsigned long)owners[i]->base,
			 format_size(size, owners[i]->size),
			 owners[i]->kind == RAM_FREE ? "bank" : ram_kind_name(owners[i]->kind), source,
			 owners[i]->dynamic ? ", placed by us" : "", owners[i]->reusable ? ", reusable" : "");
	}
	if (n > ARRAY_SIZE(owners))
		log_info("  and %u more claims\n", n - (unsigned)ARRAY_SIZE(owners));
	if (n == 0)
		log_info("  nobody names it\n");
}

/* [BU34] */
static int command_ram(const struct word *words, unsigned n)
{
	struct ram_range piece;
	uint64_t a = 0;
	char size[FORMAT_SIZE_MAX];
	int err;

	if (n == 1) {
		report_owners(&boot.ram, true);
		return MM_OK;
	}
	err = parse_address(&words[1], &a);
	if (err != MM_OK)
		return err;
	if (ram_next(&boot.ram, a, &piece) && inside(a, piece.base, piece.size))
		log_info("0x%lx is RAM, %s, in a piece at 0x%lx + %s, node %u\n", (unsigned long)a,
			 piece.kind == RAM_FREE ? "not reserved" : ram_kind_name(piece.kind), (unsigned long)piece.base,
			 format_size(size, piece.size), piece.numa_node);
	else
		log_info("0x%lx is no RAM\n", (unsigned long)a);
	tell_claims(a);
	tell_frame(a);
	tell_records(a);
	return MM_OK;
}

/* ---- pt ---------------------------------------------------------------------------------------------------------- */

struct pt_story {
	int next_level; /* the level that has not been shown yet */
};

static int show_entry(void *ctx, enum pgtable_event event, const struct pgtable_entry *e)
{
	struct pt_story *story = ctx;

	if (event == PGTABLE_TABLE_AFTER)
		return 0;
	log_info("  level %u  0x%016lx  %s 0x%lx\n", e->level, (unsigned long)e->desc,
		 event == PGTABLE_LEAF ? "leaf: maps to" : "table at", (unsigned long)e->pa.v);
	story->next_level = (int)e->level + 1;
	return 0;
}

static const char *memory_name(enum pt_memory memory)
{
	switch (memory) {
	case PT_NORMAL:
		return "Normal write-back";
	case PT_NORMAL_NC:
		return "Normal non-cacheable";
	case PT_DEVICE_nGnRnE:
		return "Device-nGnRnE";
	case PT_DEVICE_nGnRE:
		return "Device-nGnRE";
	}
	return "unknown memory type";
}

/* [BU35] */
static int command_pt(const struct word *words, unsigned n)
{
	struct pgtable_entry e;
	struct pt_story story;
	uint64_t va = 0;
	char size[FORMAT_SIZE_MAX];
	int err = parse_number(&words[1], &va);

	(void)n;
	if (err != MM_OK)
		return err;
	if (mmu_kernel.format == NULL) {
		log_info("there are no kernel tables\n");
		return MM_ENOENT;
	}
	err = pgtable_query(&mmu_kernel, va, &e);
	if (err == MM_ERANGE) {
		log_info("0x%lx is outside the kernel's tables, which begin at 0x%lx\n", (unsigned long)va,
			 (unsigned long)mmu_kernel.input_base);
		return err;
	}
	log_info("0x%lx, root table at 0x%lx\n", (unsigned long)va, (unsigned long)mmu_kernel.root.v);
	story.next_level = mmu_kernel.start_level;
	(void)pgtable_walk(&mmu_kernel, ALIGN_DOWN(va, PAGE_SIZE), PAGE_SIZE, show_entry, &story);
	if (err != MM_OK) {
		log_info("  level %d  invalid: not mapped\n", story.next_level);
		return err;
	}
	log_info("  is 0x%lx, in a leaf of %s\n", (unsigned long)e.pa.v, format_size(size, e.size));
	log_info("  %s, %s%s%s, %s\n", e.attrs.access & PT_WRITE ? "read-write" : "read-only",
		 e.attrs.access & PT_EXEC ? "executable" : "never executable", e.attrs.access & PT_USER ? ", EL0" : "",
		 e.attrs.access & PT_NONGLOBAL ? ", one ASID" : "", memory_name(e.attrs.memory));
	return MM_OK;
}

/* ---- alloc, free ------------------------------------------------------------------------------------------------- */

/* [BU36] */
static int command_alloc(const struct word *words, unsigned n)
{
	char size[FORMAT_SIZE_MAX];
	unsigned order = 0;
	pfn_t first;
	int err = parse_order(&words[1], &order);

	(void)n;
	if (err != MM_OK)
		return err;
	err = frames_alloc(boot.frames, order, 0, TAG_USER, &first);
	if (err != MM_OK) {
		log_info("alloc: %s\n", mm_strerror(err));
		return err;
	}
	last_block = pfn_to_paddr(first);
	have_last = true;
	log_info("0x%lx, %s (free it with: free 0x%lx %u)\n", (unsigned long)last_block.v,
		 format_size(size, PAGE_SIZE << order), (unsigned long)last_block.v, order);
	return MM_OK;
}

/* [BU37] */
static int command_free(const struct word *words, unsigned n)
{
	struct frame_info info;
	uint64_t a = 0;
	unsigned order = 0;
	int err = parse_address(&words[1], &a);

	(void)n;
	if (err == MM_OK)
		err = parse_order(&words[2], &order);
	if (err != MM_OK)
		return err;
	/* The kernel's own blocks are allocated, so frames would take them; but they are not ours to give. */
	frames_query(boot.frames, paddr_to_pfn(paddr(a)), &info);
	if (info.role == FRAME_ALLOC && info.tag != TAG_USER) {
		log_info("free: 0x%lx is in use by '%s': only what alloc gave can be freed\n", (unsigned long)a,
			 page_tag_name(info.tag));
		return MM_EPERM;
	}
	err = frames_free_paddr(boot.frames, paddr(a), order);
	if (err != MM_OK)
		log_info("free: %s\n", mm_strerror(err));
	else
		log_info("freed\n");
	return err;
}

/* ---- check, poweroff, help --------------------------------------------------------------------------------------- */

static int show_check(const char *room, int err)
{
	log_info("%-12s%s\n", room, err == MM_OK ? "consistent" : mm_strerror(err));
	return err;
}

/* [BU38] */
static int command_check(const struct word *words, unsigned n)
{
	int first = MM_OK;
	const int results[] = {
		show_check("RAM map", ram_validate(&boot.ram)),
		show_check("page frames", frames_validate(boot.frames)),
		show_check("page tables", mmu_kernel.format == NULL ? MM_OK : pgtable_validate(&mmu_kernel)),
		show_check("heap", heap_validate()),
	};

	(void)words;
	(void)n;
	for (size_t i = ARRAY_SIZE(results); i-- > 0;)
		if (results[i] != MM_OK)
			first = results[i];
	return first;
}

static int command_poweroff(const struct word *words, unsigned n)
{
	(void)words;
	(void)n;
	machine_poweroff(0);
}

static int command_help(const struct word *words, unsigned n);

static const struct command {
	const char *name;
	const char *arguments;
	const char *what;
	int (*run)(const struct word *words, unsigned n);
	uint8_t min; /* words, the command's own included */
	uint8_t max;
	bool needs_memory;
} commands[] = {
	{ "help", "", "this list", command_help, 1, 1, false },
	{ "mem", "", "totals: RAM, free, used, heap", command_mem, 1, 1, true },
	{ "ram", "[ADDR]", "who owns what; the story of one address", command_ram, 1, 2, true },
	{ "buddy", "[cpus]", "free blocks, fragmentation, the CPUs' caches", command_buddy, 1, 2, true },
	{ "owners", "", "pages of each owner", command_owners, 1, 1, true },
	{ "mark", "", "what is allocated now is old", command_mark, 1, 1, true },
	{ "leaks", "[N]", "blocks that came after the mark: N of them, totals", command_leaks, 1, 2, true },
	{ "stats", "[--json]", "all figures; as one JSON object for tools", command_stats, 1, 2, true },
	{ "pt", "VA", "walk the kernel's page tables", command_pt, 2, 2, false },
	{ "alloc", "ORDER", "take a block of 2^ORDER pages", command_alloc, 2, 2, true },
	{ "free", "ADDR ORDER", "give it back; ADDR may be 'last'", command_free, 3, 3, true },
	{ "check", "", "validate every structure", command_check, 1, 1, true },
	{ "poweroff", "", "end the machine with status 0", command_poweroff, 1, 1, false },
};

static int command_help(const struct word *words, unsigned n)
{
	(void)words;
	(void)n;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		log_info("  %-9s%-11s %s\n", commands[i].name, commands[i].arguments, commands[i].what);
	return MM_OK;
}

/* [BU31] */
int monitor_execute(const char *line)
{
	struct word words[WORDS_MAX];
	unsigned n = split(line, words);

	if (n == 0)
		return MM_OK;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];

		if (!word_is(&words[0], c->name))
			continue;
		if (n < c->min || n > c->max) {
			log_info("usage: %s %s\n", c->name, c->arguments);
			return MM_EINVAL;
		}
		if (c->needs_memory && boot.frames == NULL) {
			log_info("memory is not up\n");
			return MM_ENOENT;
		}
		return c->run(words, n);
	}
	return complain(&words[0], "no command; try help");
}

/* [BT27] */
void monitor_run(void)
{
	struct console *console = console_current();
	struct line_edit edit = { 0 };

	if (console == NULL || console->get == NULL) {
		log_info("monitor: no console that could be read\n");
		return;
	}
	log_info("\nThe monitor: help lists the commands.\n" MONITOR_PROMPT);
	for (;;) {
		const char *echo;
		enum line_event event;
		int byte = console->get(console);

		if (byte < 0) {
			arch_cpu_relax();
			continue;
		}
		event = line_feed(&edit, byte, &echo);
		if (*echo != '\0')
			log_info("%s", echo);
		if (event == LINE_READY) {
			(void)monitor_execute(edit.text);
			line_reset(&edit);
		}
		if (event != LINE_MORE)
			log_info(MONITOR_PROMPT);
	}
}
