/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bring-up. The one difficulty is that the linear map needs tables, tables need frames, and frames need the linear map: it is
 * cut by a window of the first good bank that PT_POOL can map, large enough for that bank's records and for every table that the
 * rest will take.
 */
#include "mm/init.h"

#include "lib/log.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mm/heap.h"

#define BLOCK MIB(2) /* what one level-2 entry maps */
#define SECTION GIB(1)
#define WINDOW_SPARE \
	KIB(256) /* free memory that the window must hold beside the records: every later table comes from it */
#define WINDOW_AHEAD \
	MIB(2) /* how far behind the records the window reaches, when there is that much, before its section ends */
#define RECORD_BYTES sizeof(struct page)

struct page_allocator mm_frame_allocator;

struct range {
	uint64_t base;
	uint64_t end;
};

static uint64_t min64(uint64_t a, uint64_t b)
{
	return min_u64(a, b);
}

static bool intersect(struct range a, struct range b, struct range *out)
{
	out->base = max_u64(a.base, b.base);
	out->end = min64(a.end, b.end);
	return out->base < out->end;
}

static struct range bank_range(const struct mm_bank *bank)
{
	return (struct range){ pfn_to_paddr(bank->start).v, pfn_to_paddr(pfn(bank->start.n + bank->pages)).v };
}

/* ---- what the RAM map says, in the cuts that bring-up needs ------------------------------------------------------------- */

/* [BT7] [BT8] */
bool mm_plan_bank(const struct ram_map *ram, uint64_t from, uint64_t limit, struct mm_bank *out)
{
	struct ram_range r;
	uint64_t base, end, top;

	if (!ram_next_bank(ram, from, &r))
		return false;
	base = max_u64(r.base, from);
	if (base >= limit)
		return false;
	top = base < FRAMES_CLASS_SPLIT ? min64(limit, FRAMES_CLASS_SPLIT) : limit;
	end = min64(r.base + r.size, top);
	*out = (struct mm_bank){ .start = paddr_to_pfn(paddr(base)), .numa_node = r.numa_node };
	/* Blocks never cross a section, so banks may not share one: what begins in this bank's last section belongs to it. */
	while (end < top && ram_next_bank(ram, end, &r) && r.base < min64(top, ALIGN_UP(end, SECTION)))
		end = min64(r.base + r.size, top);
	out->pages = (end - base) >> PAGE_SHIFT;
	return true;
}

/* Contiguous RAM that the linear map may hold (everything but no-map ranges and the image), at or after from, inside `in`. [BT9] [BT37] */
static bool next_mappable(const struct ram_map *ram, uint64_t from, struct range in, struct range *out)
{
	struct ram_range r;
	bool found = false;

	for (uint64_t a = max_u64(from, in.base); a < in.end && ram_next(ram, a, &r); a = r.base + r.size) {
		struct range piece;

		if (!intersect((struct range){ max_u64(r.base, a), r.base + r.size }, in, &piece))
			break;
		if (r.kind == RAM_NOMAP || r.kind == RAM_IMAGE || (found && piece.base != out->end)) {
			if (found)
				break;
			if (r.kind == RAM_NOMAP || r.kind == RAM_IMAGE)
				continue;
		}
		if (!found)
			out->base = piece.base;
		out->end = piece.end;
		found = true;
	}
	return found;
}

/* Free RAM at or after from, inside `in`. */
static bool next_free(const struct ram_map *ram, uint64_t from, struct range in, struct range *out)
{
	struct ram_range r;
	uint64_t a = max_u64(from, in.base);

	return a < in.end && ram_next_of(ram, a, RAM_FREE, &r) &&
	       intersect((struct range){ max_u64(r.base, a), r.base + r.size }, in, out);
}

/* ---- a bank's records ------------------------------------------------------------------------------------------------- */

/* The pages of mem_map that hold the bank's records, as virtual addresses. */
static struct range memmap_range(const struct mm_init_config *c, const struct mm_bank *bank)
{
	return (struct range){
		ALIGN_DOWN(c->memmap_va + bank->start.n * RECORD_BYTES, PAGE_SIZE),
		ALIGN_UP(c->memmap_va + (bank->start.n + bank->pages) * RECORD_BYTES, PAGE_SIZE),
	};
}

/*
 * Where the bank's records would lie in free memory [at.base, at.end): mem_map first, congruent to its virtual address modulo
 * 2 MiB when it is that long (so that blocks map it), then the bitmaps, then `extra` bytes. False when there is no room. [BT33]
 */
static bool place_records(const struct mm_init_config *c, struct mm_bank *bank, struct range at, uint64_t extra)
{
	struct range map = memmap_range(c, bank);
	uint64_t map_bytes = map.end - map.base;
	uint64_t bytes = ALIGN_UP(map_bytes + ALIGN_UP(frames_bank_metadata_size(bank->start, bank->pages), 64) + extra,
				  PAGE_SIZE);
	uint64_t start = ALIGN_UP(at.base, PAGE_SIZE);

	if (map_bytes >= BLOCK)
		start += (map.base - start) & (BLOCK - 1);
	if (start < at.base || start > at.end || at.end - start < bytes)
		return false;
	bank->metadata = paddr(start);
	bank->memmap_bytes = map_bytes;
	bank->metadata_bytes = bytes;
	return true;
}

static struct range records_range(const struct mm_bank *bank)
{
	return (struct range){ bank->metadata.v, bank->metadata.v + bank->metadata_bytes };
}

/* ---- mapping ------------------------------------------------------------------------------------------------------------ */

static const struct pt_attrs data_attrs = { PT_WRITE, PT_NORMAL };

static void must(int err, const char *what, struct range r)
{
	if (err)
		panic("%s at 0x%lx-0x%lx: %s", what, (unsigned long)r.base, (unsigned long)r.end, mm_strerror(err));
}

static uint64_t linear_va(uint64_t pa)
{
	return (uint64_t)(uintptr_t)phys_to_virt(paddr(pa));
}

/* An embedder's linear map is there already. [BT35] [BT38] [IN4] */
static void map_linear(struct mm_bringup *up, struct range r)
{
	if (up->tables)
		must(pgtable_map(up->tables, linear_va(r.base), paddr(r.base), r.end - r.base, data_attrs, 0),
		     "linear map", r);
	up->linear_bytes += r.end - r.base;
}

static void map_memmap_at(const struct mm_init_config *c, struct range va, paddr_t pa)
{
	if (c->tables)
		must(pgtable_map(c->tables, va.base, pa, va.end - va.base, data_attrs, 0), "mem_map", va);
	else
		must(c->map_memmap(c->ctx, va.base, pa, va.end - va.base), "mem_map", va);
}

/* Maps the part of the bank's mem_map (stolen as one run) that lies in [va.base, va.end). [BT39] */
static void map_memmap(const struct mm_init_config *c, const struct mm_bank *bank, struct range va)
{
	uint64_t offset = va.base - memmap_range(c, bank).base;

	if (va.base < va.end)
		map_memmap_at(c, va, paddr(bank->metadata.v + offset));
}

/* ---- the frames as table allocator ------------------------------------------------------------------------------------- */

/* What frees memory may need a table first. [FX12] */
static bool alloc_table(void *ctx, paddr_t *out)
{
	pfn_t f;

	if (frames_alloc(ctx, 0, 0, TAG_PGTABLE, &f) && frames_alloc(ctx, 0, FRAMES_RESERVE, TAG_PGTABLE, &f))
		return false;
	*out = pfn_to_paddr(f);
	return true;
}

static void free_table(void *ctx, paddr_t pa)
{
	if (frames_free_paddr(ctx, pa, 0))
		panic("a page table at 0x%lx cannot be freed", (unsigned long)pa.v);
}

/* ---- giving memory ------------------------------------------------------------------------------------------------------ */

static void give(struct mm_bringup *up, struct range r)
{
	if (r.base < r.end)
		must(frames_add_memory(up->frames, paddr_to_pfn(paddr(r.base)), (r.end - r.base) >> PAGE_SHIFT),
		     "add_memory", r);
}

/* Gives the free memory inside `in` but for [except.base, except.end). [BT4] [BT30] [IN3] */
static void give_free(struct mm_bringup *up, struct range in, struct range except)
{
	struct range r;

	for (uint64_t a = in.base; next_free(up->ram, a, in, &r); a = r.end) {
		struct range before = { r.base, min64(r.end, max_u64(r.base, except.base)) };
		struct range after = { max_u64(r.base, min64(r.end, except.end)), r.end };

		if (except.base >= except.end || except.end <= r.base || except.base >= r.end) {
			give(up, r);
		} else {
			give(up, before);
			give(up, after);
		}
	}
}

/* Everything of the bank outside the window that is mapped already: linear map first, then the frames. [BT9] */
static void map_and_give(struct mm_bringup *up, struct range bank, struct range done, struct range records)
{
	const struct range sides[] = { { bank.base, min64(bank.end, done.base) },
				       { max_u64(bank.base, done.end), bank.end } };

	for (unsigned i = 0; i < ARRAY_SIZE(sides); i++) {
		struct range r;

		if (sides[i].base >= sides[i].end)
			continue;
		for (uint64_t a = sides[i].base; next_mappable(up->ram, a, sides[i], &r); a = r.end)
			map_linear(up, r);
		give_free(up, sides[i], records);
	}
}

/* ---- the first bank ------------------------------------------------------------------------------------------------------ */

struct first {
	struct mm_bank bank;
	unsigned index;
	struct range window;
};

/* Free memory in the window beside the bank's records: every later table comes from it. */
static uint64_t spare_in(const struct mm_init_config *c, const struct mm_bank *bank, struct range window)
{
	uint64_t spare = 0;
	struct range r;

	for (uint64_t a = window.base; next_free(c->ram, a, window, &r); a = r.end)
		spare += r.end - r.base;
	return spare - bank->metadata_bytes;
}

/*
 * The window of a bank: 2 MiB blocks of mappable RAM around the records, to the end of the section in which records and spare
 * memory end. Whole blocks, so that it costs at most two level-2 tables whatever lies around it.
 */
static bool choose_window(const struct mm_init_config *c, struct mm_bank *bank, uint64_t extra, struct range *window)
{
	struct range in = bank_range(bank), run, piece;

	for (uint64_t a = in.base; next_mappable(c->ram, a, in, &run); a = run.end) {
		struct range blocks = { ALIGN_UP(run.base, BLOCK), ALIGN_DOWN(run.end, BLOCK) };

		for (uint64_t b = blocks.base; next_free(c->ram, b, blocks, &piece); b = piece.end) {
			if (!place_records(c, bank, piece, extra))
				continue;
			window->base = max_u64(blocks.base, ALIGN_DOWN(bank->metadata.v, SECTION));
			window->end = min64(blocks.end,
					    ALIGN_UP(bank->metadata.v + bank->metadata_bytes + WINDOW_AHEAD, SECTION));
			if (spare_in(c, bank, *window) >= WINDOW_SPARE)
				return true;
		}
	}
	return false;
}

/* mem_map of the sections that the window touches: what the first bank needs before it can give frames. */
static struct range window_memmap(const struct mm_init_config *c, const struct mm_bank *bank, struct range window)
{
	struct range in = bank_range(bank);
	struct mm_bank part = {
		.start = paddr_to_pfn(paddr(max_u64(in.base, ALIGN_DOWN(window.base, SECTION)))),
	};

	part.pages = (min64(in.end, ALIGN_UP(window.end, SECTION)) >> PAGE_SHIFT) - part.start.n;
	return memmap_range(c, &part);
}

/* Counted before anything is built: a boot that cannot finish says so with the number. [BT11] [IN5] */
static void count_tables(const struct mm_init_config *c, struct mm_bringup *up, const struct first *first,
			 struct range memmap)
{
	uint64_t memmap_pa = first->bank.metadata.v + (memmap.base - memmap_range(c, &first->bank).base);
	uint64_t missing =
		pgtable_tables_missing(c->tables, linear_va(first->window.base), paddr(first->window.base),
				       first->window.end - first->window.base, 0) +
		pgtable_tables_missing(c->tables, memmap.base, paddr(memmap_pa), memmap.end - memmap.base, 0);

	up->pool_tables_needed = (unsigned)missing + c->pool->used;
	if (missing > pt_pool_available(c->pool))
		panic("PT_POOL exhausted - the first window needs %lu tables, %u of %u are left",
		      (unsigned long)missing, pt_pool_available(c->pool), c->pool->tables);
}

/* [BT20] [IN7] */
static void start_first_bank(const struct mm_init_config *c, struct mm_bringup *up, const struct first *first,
			     uint64_t n_sections)
{
	struct range memmap = window_memmap(c, &first->bank, first->window);
	uint64_t bitmaps = frames_bank_metadata_size(first->bank.start, first->bank.pages);
	uint64_t bitmaps_pa = first->bank.metadata.v + first->bank.memmap_bytes;

	if (c->tables)
		count_tables(c, up, first, memmap);
	map_linear(up, first->window);
	map_memmap(c, &first->bank, memmap);

	up->section_table = paddr(bitmaps_pa + ALIGN_UP(bitmaps, 64));
	up->section_table_bytes = frames_section_table_size(n_sections);
	memset(phys_to_virt(up->section_table), 0, up->section_table_bytes);
	frames_init(c->frames, (struct page *)(uintptr_t)c->memmap_va, phys_to_virt(up->section_table), n_sections);
	must(frames_add_bank(c->frames, first->bank.start, first->bank.pages, first->bank.numa_node,
			     phys_to_virt(paddr(bitmaps_pa))),
	     "bank", bank_range(&first->bank));
	give_free(up, first->window, records_range(&first->bank));
}

/* ---- the other banks ----------------------------------------------------------------------------------------------------- */

/* Records from the bank's own memory: the lowest free piece that holds them. */
static bool own_records(const struct mm_init_config *c, struct mm_bank *bank)
{
	struct range in = bank_range(bank), piece;

	for (uint64_t a = in.base; next_free(c->ram, a, in, &piece); a = piece.end)
		if (place_records(c, bank, piece, 0))
			return true;
	return false;
}

/* Records from other banks' frames: mem_map page by page, the bitmaps as one block. */
static void *borrow_records(const struct mm_init_config *c, struct mm_bank *bank)
{
	struct range map = memmap_range(c, bank);
	uint64_t bitmaps = frames_bank_metadata_size(bank->start, bank->pages);
	unsigned order = 0;
	pfn_t f;

	for (uint64_t va = map.base; va < map.end; va += PAGE_SIZE) {
		must(frames_alloc(c->frames, 0, 0, TAG_MEMMAP, &f), "borrowed mem_map", bank_range(bank));
		map_memmap_at(c, (struct range){ va, va + PAGE_SIZE }, pfn_to_paddr(f));
	}
	while ((PAGE_SIZE << order) < bitmaps)
		order++;
	must(frames_alloc(c->frames, order, 0, TAG_MEMMAP, &f), "borrowed bitmaps", bank_range(bank));
	bank->borrowed = true;
	bank->metadata = pfn_to_paddr(f);
	bank->memmap_bytes = map.end - map.base;
	bank->metadata_bytes = bank->memmap_bytes + (PAGE_SIZE << order);
	return phys_to_virt(bank->metadata);
}

static void start_bank(const struct mm_init_config *c, struct mm_bringup *up, struct mm_bank *bank)
{
	struct range in = bank_range(bank), r, records = { 0, 0 };
	void *bitmaps;

	for (uint64_t a = in.base; next_mappable(c->ram, a, in, &r); a = r.end)
		map_linear(up, r);
	if (bank->metadata_bytes) {
		map_memmap(c, bank, memmap_range(c, bank));
		bitmaps = phys_to_virt(paddr(bank->metadata.v + bank->memmap_bytes));
		records = records_range(bank);
	} else {
		bitmaps = borrow_records(c, bank);
	}
	must(frames_add_bank(c->frames, bank->start, bank->pages, bank->numa_node, bitmaps), "bank", in);
	give_free(up, in, records);
	up->stolen_bytes += bank->metadata_bytes;
}

/* ---- all of it --------------------------------------------------------------------------------------------------------- */

/* [IN8] */
static void report_unreachable(const struct ram_map *ram, uint64_t limit)
{
	struct ram_range r;

	for (uint64_t a = limit; ram_next_bank(ram, a, &r); a = r.base + r.size)
		log_error("ram: 0x%lx-0x%lx lies beyond the %u-bit physical addresses of this CPU or map: left out\n",
			  (unsigned long)max_u64(r.base, limit), (unsigned long)(r.base + r.size - 1),
			  (unsigned)__builtin_ctzll(limit));
}

/* [BT4] [BT12] [BT16] [BT17] [BT18] [IN1] [IN2] [IN6] */
void mm_init(const struct mm_init_config *c, struct mm_bringup *up)
{
	uint64_t limit = (uint64_t)1 << (arch_pa_bits() < c->linear_bits ? arch_pa_bits() : c->linear_bits);
	uint64_t n_sections = 0, from, largest = 0;
	struct first first = { .index = 0 };
	struct mm_bank bank;
	struct frames_stats stats;
	struct range piece, all, part;
	bool found = false;
	unsigned order = 0;
	pfn_t f;

	*up = (struct mm_bringup){ .ram = c->ram, .frames = c->frames, .tables = c->tables };
	if (ram_total(c->ram) == 0)
		panic("No RAM regions found in DTB (%u records read)", c->ram->count);
	if (ram_total_of(c->ram, RAM_FREE) == 0)
		panic("All RAM is reserved - no free memory (%lu KiB of RAM, %u records)",
		      (unsigned long)(ram_total(c->ram) >> 10), c->ram->count);
	report_unreachable(c->ram, limit);

	for (from = 0; mm_plan_bank(c->ram, from, limit, &bank); from = bank_range(&bank).end) {
		n_sections = ALIGN_UP(bank_range(&bank).end, SECTION) / SECTION;
		up->bank_count++;
	}
	for (from = 0; !found && mm_plan_bank(c->ram, from, limit, &bank); from = bank_range(&bank).end) {
		first.bank = bank;
		found = choose_window(c, &first.bank, ALIGN_UP(frames_section_table_size(n_sections), 64),
				      &first.window);
		if (!found)
			first.index++;
	}
	if (!found) {
		for (from = 0; next_free(c->ram, from, (struct range){ 0, limit }, &piece); from = piece.end)
			largest = max_u64(largest, piece.end - piece.base);
		panic("Cannot allocate mem_map - insufficient contiguous memory (%u banks, largest free range %lu KiB)",
		      up->bank_count, (unsigned long)(largest >> 10));
	}
	up->first_bank = first.index;
	up->window = paddr(first.window.base);
	up->window_bytes = first.window.end - first.window.base;

	start_first_bank(c, up, &first, n_sections);
	up->stolen_bytes = first.bank.metadata_bytes;
	frames_get_stats(c->frames, &stats);
	log_info("buddy: up on bank 0x%lx, %lu pages free\n", (unsigned long)bank_range(&first.bank).base,
		 (unsigned long)stats.free_pages);

	mm_frame_allocator = (struct page_allocator){ alloc_table, free_table, c->frames };
	if (c->tables) {
		c->hand_over(c->ctx, &mm_frame_allocator);
		log_info("MMU: hand-over to the page allocator\n");
	}

	while ((PAGE_SIZE << order) < up->bank_count * sizeof(struct mm_bank))
		order++;
	if (frames_alloc(c->frames, order, 0, TAG_MEMMAP, &f))
		panic("no memory for the records of %u banks", up->bank_count);
	up->stolen_bytes += PAGE_SIZE << order;
	up->banks = phys_to_virt(pfn_to_paddr(f));

	/* The rest of the first bank. */
	all = memmap_range(c, &first.bank);
	part = window_memmap(c, &first.bank, first.window);
	map_memmap(c, &first.bank, (struct range){ all.base, part.base });
	map_memmap(c, &first.bank, (struct range){ part.end, all.end });
	map_and_give(up, bank_range(&first.bank), first.window, records_range(&first.bank));

	/* Banks that hold their own records first, so that the others find something to borrow. */
	unsigned i = 0;
	for (from = 0; mm_plan_bank(c->ram, from, limit, &bank); from = bank_range(&bank).end, i++) {
		up->banks[i] = i == first.index ? first.bank : bank;
		if (i == first.index)
			continue;
		if (own_records(c, &up->banks[i]))
			start_bank(c, up, &up->banks[i]);
	}
	for (i = 0; i < up->bank_count; i++)
		if (!up->banks[i].metadata_bytes)
			start_bank(c, up, &up->banks[i]);

	if (c->tables) {
		up->pool_peak = c->pool->peak;
		up->dynamic_tables = c->tables->dynamic_tables;
	}
}

/* [FX12] */
void mm_init_reserve(struct mm_bringup *up)
{
	struct frames_stats stats;
	uint64_t pages;

	frames_get_stats(up->frames, &stats);
	pages = min64(stats.total_pages / MM_RESERVE_SHARE, MM_RESERVE_MAX);
	if (frames_set_reserve(up->frames, pages))
		log_error("frames: %lu pages cannot be kept back for page tables, %lu are free\n", (unsigned long)pages,
			  (unsigned long)stats.free_pages);
}

/* [IN9] */
void mm_init_heap(struct mm_bringup *up)
{
	int order = frames_largest_free(up->frames);
	uint64_t size = recommended_heap_size(ram_total(up->ram), order < 0 ? 0 : PAGE_SIZE << order);
	uint64_t *first;
	int err = heap_init(up->frames, size);

	if (err)
		panic("Failed to allocate heap: %lu KiB wanted, largest free block of order %d: %s",
		      (unsigned long)(size >> 10), order, mm_strerror(err));
	up->heap_bytes = size;

	/* The first object: what is promised from here on has worked once. */
	first = kmalloc(sizeof(*first));
	if (first)
		*first = size;
	if (!first || kfree(first))
		panic("Failed to allocate heap: %lu KiB are there, but an object cannot be had and given back",
		      (unsigned long)(size >> 10));
	log_verbose("heap: up with %lu KiB, a first object had and given back\n", (unsigned long)(size >> 10));
}
