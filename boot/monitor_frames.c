/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's commands about page frames: free blocks and caches, owners, what came after a mark. */
#include "boot/monitor_words.h"
#include "boot/boot.h"
#include "boot/format_size.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/error.h"

#define CPU_LINES 8	/* of `buddy`, which then fills a terminal of 24 lines */
#define BLOCKS_SHOWN 16 /* by `leaks` */

static unsigned long pages_to_bytes(uint64_t pages)
{
	return pages << PAGE_SHIFT;
}

/* ---- buddy ------------------------------------------------------------------------------------------------------- */

static void show_order(const struct frames_stats *stats, unsigned order)
{
	char size[FORMAT_SIZE_MAX];
	char all[FORMAT_SIZE_MAX];
	unsigned permille = frames_fragmentation(stats, order);

	log_info("%3u %7s %10lu %10s %3u.%u", order, format_size(size, PAGE_SIZE << order),
		 (unsigned long)stats->free_blocks[order],
		 format_size(all, pages_to_bytes(stats->free_blocks[order] << order)), permille / 10, permille % 10);
}

/* Two columns of half the orders, so that there is room for the CPUs below. */
static void show_orders(const struct frames_stats *stats)
{
	static const char title[] = "ord   block       free      bytes frag%";
	const unsigned rows = (MAX_ORDER + 2) / 2;

	log_info("%s  %s\n", title, title);
	for (unsigned row = 0; row < rows; row++) {
		show_order(stats, row);
		if (row + rows <= MAX_ORDER) {
			log_info("  ");
			show_order(stats, row + rows);
		}
		log_info("\n");
	}
}

static void show_cache(const char *name, const struct frames_cpu_stats *c)
{
	char pages[24];
	char blocks[24];

	gr_snprintf(pages, sizeof(pages), "%u/%u", c->pages, c->page_limit);
	gr_snprintf(blocks, sizeof(blocks), "%u/%u", c->blocks, c->block_limit);
	log_info("%8s %13s %11s %12lu %12lu %12lu\n", name, pages, blocks, (unsigned long)c->refills,
		 (unsigned long)c->drains, (unsigned long)c->remote_drains);
}

static void add_cache(struct frames_cpu_stats *all, const struct frames_cpu_stats *c)
{
	all->pages += c->pages;
	all->page_limit += c->page_limit;
	all->blocks += c->blocks;
	all->block_limit += c->block_limit;
	all->refills += c->refills;
	all->drains += c->drains;
	all->remote_drains += c->remote_drains;
}

/* A line for each CPU, at most `lines` of them, and one for all together. */
static void show_caches(unsigned cpus, unsigned lines)
{
	unsigned most = cpus > lines ? lines - 1 : cpus;
	struct frames_cpu_stats all = { 0 };
	struct frames_cpu_stats c;
	unsigned seen = 0;
	char name[24];

	if (cpus == 0) {
		log_info("no CPU has a cache of frames\n");
		return;
	}
	log_info("%8s %13s %11s %12s %12s %12s\n", "CPU", "4 KiB", "2 MiB", "refills", "drains", "by others");
	for (unsigned from = 0; frames_next_cpu_stats(boot.frames, from, &c); from = c.cpu + 1) {
		add_cache(&all, &c);
		gr_snprintf(name, sizeof(name), "%u", c.cpu);
		if (seen++ < most)
			show_cache(name, &c);
	}
	if (seen > most)
		log_info("     ... and %u more (buddy cpus shows them)\n", seen - most);
	gr_snprintf(name, sizeof(name), "all %u", seen);
	if (seen > 1)
		show_cache(name, &all);
}

/* [BU33] [DG8] */
int command_buddy(const struct word *words, unsigned n)
{
	struct frames_stats stats;
	char a[FORMAT_SIZE_MAX];
	char b[FORMAT_SIZE_MAX];
	char c[FORMAT_SIZE_MAX];
	char d[FORMAT_SIZE_MAX];
	int largest = frames_largest_free(boot.frames);

	if (n == 2 && !word_is(&words[1], "cpus"))
		return complain(&words[1], "not 'cpus', which shows the cache of every CPU");
	frames_get_stats(boot.frames, &stats);
	show_orders(&stats);
	show_caches(stats.cpus, n == 2 ? UINT32_MAX : CPU_LINES);
	if (largest < 0)
		log_info("nothing is free outside of caches; ");
	else
		log_info("largest free block: order %d, %s; ", largest, format_size(a, PAGE_SIZE << largest));
	log_info("reserve %s\n", format_size(a, pages_to_bytes(stats.reserve_pages)));
	log_info("used %s, at most %s so far; cached %s of %s\n",
		 format_size(a, pages_to_bytes(stats.total_pages - stats.free_pages)),
		 format_size(b, pages_to_bytes(stats.peak_used_pages)),
		 format_size(c, pages_to_bytes(stats.cached_pages)),
		 format_size(d, pages_to_bytes(stats.cache_limit_pages)));
	log_info("allocations %lu, frees %lu, failed %lu, refused frees %lu\n", (unsigned long)stats.allocs,
		 (unsigned long)stats.frees, (unsigned long)stats.failures, (unsigned long)stats.bad_frees);
	return MM_OK;
}

/* ---- owners ------------------------------------------------------------------------------------------------------ */

static void show_pages(const char *tag, const char *name, uint64_t pages)
{
	char size[FORMAT_SIZE_MAX];

	log_info("%5s  %-24.24s %14lu %12s\n", tag, name, (unsigned long)pages,
		 format_size(size, pages_to_bytes(pages)));
}

/* [DG9] */
int command_owners(const struct word *words, unsigned n)
{
	static uint64_t pages[256];
	struct frames_stats stats;
	uint64_t all = 0;
	char tag[8];

	(void)words;
	(void)n;
	frames_get_stats(boot.frames, &stats);
	frames_count_owners(boot.frames, pages);
	log_info("%5s  %-24s %14s %12s\n", "tag", "owner", "pages", "bytes");
	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
		if (pages[i] == 0)
			continue;
		all += pages[i];
		gr_snprintf(tag, sizeof(tag), "%u", i);
		show_pages(tag, page_tag_name(i), pages[i]);
	}
	show_pages("", "all", all);
	show_pages("", "free", stats.free_pages);
	return MM_OK;
}

/* ---- mark, leaks ------------------------------------------------------------------------------------------------- */

static bool marked;

/* [DG10] */
int command_mark(const struct word *words, unsigned n)
{
	(void)words;
	(void)n;
	frames_mark(boot.frames);
	marked = true;
	log_info("marked: leaks shows what is allocated from now on\n");
	return MM_OK;
}

/* What frames_leaks() has found so far. One CPU runs the monitor. */
static struct found {
	uint64_t most; /* blocks that are shown */
	uint64_t blocks;
	uint64_t owner_blocks[256];
	uint64_t owner_pages[256];
} found;

static void show_leak(void *ctx, const struct frame_info *block)
{
	struct found *all = ctx;
	char size[FORMAT_SIZE_MAX];

	if (all->blocks++ < all->most)
		log_info("  0x%012lx  order %2u  %8s  tag %s (%u)%s\n", (unsigned long)pfn_to_paddr(block->head).v,
			 block->order, format_size(size, PAGE_SIZE << block->order), page_tag_name(block->tag),
			 block->tag, block->ref == 1 ? "" : ", shared");
	all->owner_blocks[block->tag & 0xff]++;
	all->owner_pages[block->tag & 0xff] += (uint64_t)1 << block->order;
}

static void show_totals(const char *name, uint64_t blocks, uint64_t pages)
{
	char size[FORMAT_SIZE_MAX];

	log_info("  %-24.24s %12lu block%s %14lu page%s %10s\n", name, (unsigned long)blocks, blocks == 1 ? " " : "s",
		 (unsigned long)pages, pages == 1 ? " " : "s", format_size(size, pages_to_bytes(pages)));
}

/* [DG10] */
int command_leaks(const struct word *words, unsigned n)
{
	uint64_t most = BLOCKS_SHOWN;
	uint64_t pages;
	char name[40];
	int err = n == 2 ? parse_number(&words[1], &most) : MM_OK;

	if (err != MM_OK)
		return err;
	memset(&found, 0, sizeof(found));
	found.most = most;
	pages = frames_leaks(boot.frames, show_leak, &found);
	if (found.blocks > most)
		log_info("  ... and %lu more blocks\n", (unsigned long)(found.blocks - most));
	for (unsigned tag = 0; tag < ARRAY_SIZE(found.owner_pages); tag++) {
		if (found.owner_blocks[tag] == 0)
			continue;
		gr_snprintf(name, sizeof(name), "%.18s (%u)", page_tag_name(tag), tag);
		show_totals(name, found.owner_blocks[tag], found.owner_pages[tag]);
	}
	show_totals(marked ? "all since the mark" : "all, nothing was marked", found.blocks, pages);
	return MM_OK;
}
