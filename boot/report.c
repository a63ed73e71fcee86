/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot report. At most 80 columns; a label of ten columns, then text; ranges stand below their label. */
#include "boot/report.h"
#include "boot/format_size.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/heap.h"

#define COLUMNS 80
#define LABEL "%-10s"
#define SOURCE_MAX 512
#define OWNERS_MAX 16 /* claims of one byte; more come from the heap */

/* Prints text from column `column` on, and goes on at column `indent` when the line is full. Ends the line. */
static void print_wrapped(const char *text, unsigned column, unsigned indent)
{
	size_t n = strlen(text);
	size_t room = COLUMNS - column;

	while (n > room) {
		log_info("%.*s\n%*s", (int)room, text, (int)indent, "");
		text += room;
		n -= room;
		room = COLUMNS - indent;
	}
	log_info("%s\n", text);
}

/* "  base  size  kind  source": one claim of a piece of RAM; the base is left out for all but the first. */
static void print_owner(const struct ram_map *ram, const struct ram_range *piece, const struct ram_claim *claim,
			bool first)
{
	char source[SOURCE_MAX];
	char size[FORMAT_SIZE_MAX];
	char notes[32];
	size_t n;

	gr_snprintf(notes, sizeof(notes), "%s%s", claim->dynamic ? " (placed)" : "",
		    claim->reusable ? " (reusable)" : "");
	if (ram_source(ram, claim, source, sizeof(source)) < 0)
		source[0] = '\0';
	n = strnlen(source, sizeof(source) - 1);
	if (n + sizeof(notes) < sizeof(source))
		memcpy(source + n, notes, sizeof(notes));
	else /* a path of half a thousand bytes: its end is cut, visibly */
		memcpy(source + sizeof(source) - 4, "...", 4);
	if (first)
		log_info("  0x%012lx  %-10s  ", (unsigned long)piece->base, format_size(size, piece->size));
	else
		log_info("  %14s  %-10s  ", "", "");
	log_info("%-10s  ", ram_kind_name(claim->kind));
	print_wrapped(source, 42, 42);
}

static void print_piece(const struct ram_map *ram, const struct ram_range *piece)
{
	const struct ram_claim *few[OWNERS_MAX];
	const struct ram_claim **owners = few;
	const struct ram_claim **many = NULL;
	unsigned n = ram_owners(ram, piece->base, few, OWNERS_MAX);
	unsigned shown = n;

	if (n > OWNERS_MAX) {
		many = kcalloc(n, sizeof(*many));
		if (many != NULL) {
			(void)ram_owners(ram, piece->base, many, n);
			owners = many;
		} else {
			shown = OWNERS_MAX;
		}
	}
	for (unsigned i = 0; i < shown; i++) {
		/* The bank says where there is RAM; it owns nothing that somebody else names. */
		if (i != 0 && owners[i]->kind == RAM_FREE)
			continue;
		print_owner(ram, piece, owners[i], i == 0);
	}
	if (shown < n)
		log_info("%44s(%u more claims; no memory to list them)\n", "", n - shown);
	if (many != NULL && kfree(many) != MM_OK)
		log_error("report: cannot free the list of owners\n");
}

/* [BU41] */
void report_owners(const struct ram_map *ram, bool with_free)
{
	struct ram_range piece;

	for (uint64_t a = 0; ram_next(ram, a, &piece); a = piece.base + piece.size) {
		if (piece.kind != RAM_FREE || with_free)
			print_piece(ram, &piece);
	}
}

/* [BU42] */
void report_free_orders(const struct frames_stats *stats)
{
	unsigned column = 22;

	log_info(LABEL "order:blocks", "free");
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		char item[32];
		int n;

		if (stats->free_blocks[order] == 0)
			continue;
		n = gr_snprintf(item, sizeof(item), " %u:%lu", order, (unsigned long)stats->free_blocks[order]);
		if (column + (unsigned)n > COLUMNS) {
			log_info("\n%9s", "");
			column = 9;
		}
		log_info("%s", item);
		column += (unsigned)n;
	}
	log_info("%s\n", column == 22 ? " none" : "");
}

static void print_banks(const struct ram_map *ram)
{
	struct ram_range bank;
	char size[FORMAT_SIZE_MAX];

	for (uint64_t a = 0; ram_next_bank(ram, a, &bank); a = bank.base + bank.size)
		log_info("  0x%012lx  %-10s  node %u\n", (unsigned long)bank.base, format_size(size, bank.size),
			 bank.numa_node);
}

static void print_stolen(const struct mm_bringup *mm)
{
	char total[FORMAT_SIZE_MAX];
	char memmap[FORMAT_SIZE_MAX];
	char bitmaps[FORMAT_SIZE_MAX];
	char sections[FORMAT_SIZE_MAX];
	uint64_t map_bytes = 0;
	uint64_t all_bytes = 0;
	unsigned borrowed = 0;

	for (unsigned i = 0; i < mm->bank_count; i++) {
		map_bytes += mm->banks[i].memmap_bytes;
		all_bytes += mm->banks[i].metadata_bytes;
		borrowed += mm->banks[i].borrowed;
	}
	log_info(LABEL "%s: mem_map %s, bitmaps %s, section table %s\n", "stolen", format_size(total, mm->stolen_bytes),
		 format_size(memmap, map_bytes), format_size(bitmaps, all_bytes - map_bytes),
		 format_size(sections, mm->section_table_bytes));
	if (borrowed != 0)
		log_info("%10sthe records of %u small bank%s lie in another one\n", "", borrowed,
			 borrowed == 1 ? "" : "s");
}

/* [BU40] */
void report_boot(const struct boot_info *b)
{
	const struct mm_bringup *mm = &b->mm;
	struct frames_stats stats;
	struct heap_stats heap;
	char size[FORMAT_SIZE_MAX];
	char used[FORMAT_SIZE_MAX];

	frames_get_stats(b->frames, &stats);
	heap_get_stats(&heap);
	log_info(LABEL "%.68s\n", "machine", b->model[0] != '\0' ? b->model : "(the device tree gives no model)");
	log_info(LABEL "at EL%u; %u CPU%s described, %u online\n", "entered", (unsigned)b->entry_el, b->cpus_described,
		 b->cpus_described == 1 ? "" : "s", b->cpus_online);
	log_info(LABEL "0x%012lx  %s\n", "image", (unsigned long)b->image_pa, format_size(size, b->image_size));
	log_info(LABEL "0x%012lx  %s, %s of it used\n", "dtb", (unsigned long)b->dtb_pa.v,
		 format_size(size, b->fdt.totalsize), format_size(used, b->fdt.used));
	log_info("banks\n");
	print_banks(&b->ram);
	log_info("owners\n");
	report_owners(&b->ram, false);
	print_stolen(mm);
	log_info(LABEL "PT_POOL %u needed, peak %u of %u; %lu from the allocator\n", "tables", mm->pool_tables_needed,
		 mm->pool_peak, PT_POOL_TABLES, (unsigned long)mm->dynamic_tables);
	log_info(LABEL "%s of RAM, linearly\n", "mapped", format_size(size, mm->linear_bytes));
	log_info(LABEL "%s reserved, %s in use\n", "heap", format_size(size, heap.reserved_bytes),
		 format_size(used, heap.reserved_used_bytes));
	report_free_orders(&stats);
	log_info("memory is up: %lu MiB free of %lu MiB\n", (unsigned long)(stats.free_pages >> (20 - PAGE_SHIFT)),
		 (unsigned long)(ram_total(&b->ram) >> 20));
}
