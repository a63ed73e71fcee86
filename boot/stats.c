/* SPDX-License-Identifier: BSD-2-Clause */
/* The rooms' figures as one JSON object. Its keys are a contract: docs/stats.md, and tests/qemu/check_stats.py checks them. */
#include "boot/stats.h"
#include "boot/boot.h"
#include "boot/json.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/heap.h"
#include "mm/mmu.h"

#define SOURCE_MAX 512 /* of a claim; the end of a longer one is missing */

/* One line of the object: the longest is a claim whose source is escaped to six times its length. */
static struct line {
	size_t n;
	char text[6 * SOURCE_MAX + 512];
} line;

static void flush(struct line *l)
{
	log_info("%.*s", (int)l->n, l->text);
	l->n = 0;
}

static void put(void *ctx, const char *s, size_t n)
{
	struct line *l = ctx;

	for (size_t i = 0; i < n; i++) {
		/* A tag may have any name: a line that is longer still is two messages. */
		if (l->n == sizeof(l->text))
			flush(l);
		l->text[l->n++] = s[i];
		if (s[i] == '\n')
			flush(l);
	}
}

static void put_extent(struct json *j, const char *key, uint64_t base, uint64_t size)
{
	json_object(j, key);
	json_u64(j, "base", base);
	json_u64(j, "size", size);
	json_close(j);
}

static void put_machine(struct json *j)
{
	json_object(j, "machine");
	json_string(j, "model", boot.model);
	json_u64(j, "entry_el", boot.entry_el);
	json_u64(j, "cpus_described", boot.cpus_described);
	json_u64(j, "cpus_online", boot.cpus_online);
	json_u64(j, "page_size", PAGE_SIZE);
	put_extent(j, "image", boot.image_pa, boot.image_size);
	put_extent(j, "dtb", boot.dtb_pa.v, boot.fdt.totalsize);
	json_close(j);
}

/* ---- the RAM map ------------------------------------------------------------------------------------------------- */

static void put_claim(struct json *j, const struct ram_claim *c)
{
	char source[SOURCE_MAX];

	if (ram_source(&boot.ram, c, source, sizeof(source)) < 0)
		source[0] = '\0';
	json_object(j, NULL);
	json_u64(j, "base", c->base);
	json_u64(j, "size", c->size);
	json_string(j, "kind", c->kind == RAM_FREE ? "bank" : ram_kind_name(c->kind));
	json_string(j, "source", source);
	if (c->kind == RAM_FREE)
		json_u64(j, "node", c->numa_node);
	json_bool(j, "placed", c->dynamic);
	json_bool(j, "reusable", c->reusable);
	json_close(j);
}

static void put_piece(struct json *j, const struct ram_range *r)
{
	json_object(j, NULL);
	json_u64(j, "base", r->base);
	json_u64(j, "size", r->size);
	json_string(j, "kind", ram_kind_name(r->kind));
	json_u64(j, "node", r->numa_node);
	json_close(j);
}

static void put_ram(struct json *j)
{
	struct ram_range r;

	json_object(j, "ram");
	json_u64(j, "total", ram_total(&boot.ram));
	for (unsigned kind = 0; kind < RAM_KINDS; kind++)
		json_u64(j, ram_kind_name((enum ram_kind)kind), ram_total_of(&boot.ram, (enum ram_kind)kind));
	json_close(j);
	json_array(j, "claims");
	for (unsigned i = 0; i < boot.ram.count; i++)
		put_claim(j, &boot.ram.claims[i]);
	json_close(j);
	json_array(j, "pieces");
	for (uint64_t a = 0; ram_next(&boot.ram, a, &r); a = r.base + r.size)
		put_piece(j, &r);
	json_close(j);
}

/* ---- page frames ------------------------------------------------------------------------------------------------- */

static void put_frames(struct json *j, const struct frames_stats *s)
{
	int largest = frames_largest_free(boot.frames);

	json_object(j, "frames");
	json_u64(j, "total_pages", s->total_pages);
	json_u64(j, "free_pages", s->free_pages);
	json_u64(j, "cached_pages", s->cached_pages);
	json_u64(j, "cache_limit_pages", s->cache_limit_pages);
	json_u64(j, "reserve_pages", s->reserve_pages);
	json_u64(j, "peak_used_pages", s->peak_used_pages);
	json_u64(j, "new_pages", frames_leaks(boot.frames, NULL, NULL));
	if (largest < 0)
		json_null(j, "largest_free_order");
	else
		json_u64(j, "largest_free_order", (uint64_t)largest);
	json_u64(j, "allocs", s->allocs);
	json_u64(j, "frees", s->frees);
	json_u64(j, "refills", s->refills);
	json_u64(j, "drains", s->drains);
	json_u64(j, "failures", s->failures);
	json_u64(j, "bad_frees", s->bad_frees);
	json_close(j);
	json_array(j, "orders");
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		json_object(j, NULL);
		json_u64(j, "order", order);
		json_u64(j, "free_blocks", s->free_blocks[order]);
		json_u64(j, "fragmentation_permille", frames_fragmentation(s, order));
		json_close(j);
	}
	json_close(j);
}

static void put_records(struct json *j, pfn_t start)
{
	for (unsigned i = 0; i < boot.mm.bank_count; i++) {
		const struct mm_bank *b = &boot.mm.banks[i];

		if (b->start.n != start.n)
			continue;
		json_object(j, "records");
		json_u64(j, "base", b->metadata.v);
		json_u64(j, "size", b->metadata_bytes);
		json_u64(j, "mem_map_bytes", b->memmap_bytes);
		json_bool(j, "borrowed", b->borrowed);
		json_close(j);
	}
}

static void put_banks(struct json *j)
{
	struct frames_bank_stats b;

	json_array(j, "banks");
	for (unsigned i = 0; frames_get_bank_stats(boot.frames, i, &b); i++) {
		json_object(j, NULL);
		json_u64(j, "base", pfn_to_paddr(b.start).v);
		json_u64(j, "pages", b.pages);
		json_u64(j, "node", b.node);
		json_u64(j, "total_pages", b.total_pages);
		json_u64(j, "used_pages", b.used_pages);
		json_u64(j, "peak_used_pages", b.peak_used_pages);
		json_u64(j, "reserve_pages", b.reserve_pages);
		json_u64(j, "allocs", b.allocs);
		json_u64(j, "frees", b.frees);
		json_array(j, "free_blocks");
		for (unsigned order = 0; order <= MAX_ORDER; order++)
			json_u64(j, NULL, b.free_blocks[order]);
		json_close(j);
		put_records(j, b.start);
		json_close(j);
	}
	json_close(j);
}

/* [DG5] */
static void put_cpus(struct json *j)
{
	struct frames_cpu_stats c;

	json_array(j, "cpus");
	for (unsigned from = 0; frames_next_cpu_stats(boot.frames, from, &c); from = c.cpu + 1) {
		json_object(j, NULL);
		json_u64(j, "cpu", c.cpu);
		if (c.node == FRAMES_ANY_NODE)
			json_null(j, "node");
		else
			json_u64(j, "node", c.node);
		json_u64(j, "pages", c.pages);
		json_u64(j, "page_limit", c.page_limit);
		json_u64(j, "blocks", c.blocks);
		json_u64(j, "block_limit", c.block_limit);
		json_u64(j, "refills", c.refills);
		json_u64(j, "drains", c.drains);
		json_u64(j, "remote_drains", c.remote_drains);
		json_close(j);
	}
	json_close(j);
}

static void put_owners(struct json *j)
{
	static uint64_t pages[256];

	frames_count_owners(boot.frames, pages);
	json_array(j, "owners");
	for (unsigned tag = 0; tag < ARRAY_SIZE(pages); tag++) {
		if (pages[tag] == 0)
			continue;
		json_object(j, NULL);
		json_u64(j, "tag", tag);
		json_string(j, "name", page_tag_name(tag));
		json_u64(j, "pages", pages[tag]);
		json_close(j);
	}
	json_close(j);
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void put_bringup(struct json *j)
{
	const struct mm_bringup *mm = &boot.mm;

	json_object(j, "tables");
	json_u64(j, "pool_needed", mm->pool_tables_needed);
	json_u64(j, "pool_peak", mm->pool_peak);
	json_u64(j, "pool_size", PT_POOL_TABLES);
	json_u64(j, "dynamic", mmu_kernel.dynamic_tables);
	json_u64(j, "linear_bytes", mm->linear_bytes);
	json_close(j);
	json_object(j, "records");
	json_u64(j, "stolen_bytes", mm->stolen_bytes);
	put_extent(j, "section_table", mm->section_table.v, mm->section_table_bytes);
	json_close(j);
}

static void put_heap(struct json *j)
{
	struct heap_stats h;

	heap_get_stats(&h);
	json_object(j, "heap");
	json_u64(j, "reserved_bytes", h.reserved_bytes);
	json_u64(j, "grown_bytes", h.grown_bytes);
	json_u64(j, "slab_bytes", h.reserved_used_bytes);
	json_u64(j, "live_objects", h.live_objects);
	json_u64(j, "live_bytes", h.live_bytes);
	json_u64(j, "large_objects", h.large_objects);
	json_u64(j, "large_bytes", h.large_bytes);
	json_u64(j, "requested_bytes", h.requested_bytes);
	json_u64(j, "granted_bytes", h.granted_bytes);
	json_u64(j, "allocs", h.allocs);
	json_u64(j, "frees", h.frees);
	json_u64(j, "failures", h.failures);
	json_u64(j, "bad_frees", h.bad_frees);
	json_close(j);
}

/* [DG5] */
void stats_print_json(void)
{
	struct frames_stats stats;
	struct json j;

	frames_get_stats(boot.frames, &stats);
	json_begin(&j, put, &line);
	json_string(&j, "schema", STATS_SCHEMA);
	json_u64(&j, "version", STATS_VERSION);
	put_machine(&j);
	put_ram(&j);
	put_frames(&j, &stats);
	put_banks(&j);
	put_cpus(&j);
	put_owners(&j);
	put_bringup(&j);
	put_heap(&j);
	json_end(&j);
}
