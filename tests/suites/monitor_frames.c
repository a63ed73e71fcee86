/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the monitor says about page frames: free blocks, the CPUs' caches, owners, what came after a mark, and all figures at
 * once. Compared with what mm/frames.h says; on the host also of memory that is full, or has caches of 2 MiB blocks.
 */
#define SUITE "monitor_frames"
#include "lib/tap.h"

#include "boot/format_size.h"
#include "mm/heap.h"
#include "mm/mmu.h"
#include "tests/suites/monitor_say.h"
#ifdef GRANULE_HOST
#include "arch/host/host.h"
#include "tests/suites/frames_world.h"
#endif

/* The cell of an order in `buddy`: two columns of ten orders, forty-one characters apart. */
static const char *order_cell(const char *said, unsigned order)
{
	const char *p = next_line(said);

	for (unsigned i = 0; i < order % 10; i++)
		p = next_line(p);
	return p + (order >= 10 ? 41 : 0);
}

TEST(BU33,
     "buddy shows every order's free blocks, bytes and fragmentation, and the largest; they add up to the free pages")
{
	struct frames_stats f;
	const char *said;
	uint64_t pages = 0;

	machine();
	f = stats_now();
	said = say("buddy");
	CHECK_EQ(result, MM_OK);
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		char size[FORMAT_SIZE_MAX];
		char all[FORMAT_SIZE_MAX];
		char want[64];
		unsigned permille = frames_fragmentation(&f, order);

		gr_snprintf(want, sizeof(want), "%3u %7s %10lu %10s %3u.%u", order,
			    format_size(size, PAGE_SIZE << order), (unsigned long)f.free_blocks[order],
			    format_size(all, (f.free_blocks[order] << order) * PAGE_SIZE), permille / 10,
			    permille % 10);
		CHECK(strncmp(order_cell(said, order), want, strlen(want)) == 0);
		pages += f.free_blocks[order] << order;
	}
	CHECK_EQ(pages, f.free_pages - f.cached_pages);
	CHECK_EQ(number_after(said, "largest free block: order "), (uint64_t)frames_largest_free(boot.frames));
	CHECK_EQ(number_after(said, "allocations "), f.allocs);
	CHECK_EQ(number_after(said, "failed "), f.failures);
	CHECK_EQ(number_after(said, "refused frees "), f.bad_frees);
	CHECK(longest_line(said) <= 80);
	if (f.cpus <= 4)
		CHECK(count_text(said, "\n") <= 22);
}

#define CACHE_TITLE "\n     CPU         4 KiB       2 MiB      refills       drains    by others\n"

/* The cache of one CPU, as `buddy` shows it. */
static const char *cache_line(char buf[128], const char *name, const struct frames_cpu_stats *c)
{
	char pages[24];
	char blocks[24];

	gr_snprintf(pages, sizeof(pages), "%u/%u", c->pages, c->page_limit);
	gr_snprintf(blocks, sizeof(blocks), "%u/%u", c->blocks, c->block_limit);
	gr_snprintf(buf, 128, "\n%8s %13s %11s %12lu %12lu %12lu\n", name, pages, blocks, (unsigned long)c->refills,
		    (unsigned long)c->drains, (unsigned long)c->remote_drains);
	return buf;
}

/* Whether `said` shows the caches: those of the first `lines`, and the sum. */
static bool caches_shown(const char *said, unsigned lines)
{
	unsigned cpus = stats_now().cpus;
	struct frames_cpu_stats c;
	struct frames_cpu_stats all = { 0 };
	char name[16];
	char line[128];
	bool ok = true;

	for (unsigned i = 0, from = 0; i < cpus; i++, from = c.cpu + 1) {
		ok = ok && frames_next_cpu_stats(boot.frames, from, &c);
		gr_snprintf(name, sizeof(name), "%u", c.cpu);
		ok = ok && has_text(said, cache_line(line, name, &c)) == (i < lines);
		all.pages += c.pages;
		all.page_limit += c.page_limit;
		all.blocks += c.blocks;
		all.block_limit += c.block_limit;
		all.refills += c.refills;
		all.drains += c.drains;
		all.remote_drains += c.remote_drains;
	}
	gr_snprintf(name, sizeof(name), "all %u", cpus);
	return ok && has_text(said, cache_line(line, name, &all)) == (cpus > 1);
}

TEST(DG8, "buddy shows every CPU's cache where that fits a screen, the first and the sum where it does not")
{
	const char *said;
	unsigned cpus;

	machine();
	cpus = stats_now().cpus;
	said = say("buddy");
	CHECK_EQ(result, MM_OK);
	CHECK_EQ(has_text(said, "no CPU has a cache of frames\n"), cpus == 0);
	CHECK_EQ(has_text(said, CACHE_TITLE), cpus != 0);
	CHECK(caches_shown(said, cpus > 8 ? 7 : cpus));
	CHECK(longest_line(said) <= 80);
	CHECK(count_text(said, "\n") <= 24);
	said = say("buddy cpus");
	CHECK_EQ(result, MM_OK);
	CHECK(caches_shown(said, cpus));
	said = say("buddy all");
	CHECK_EQ(result, MM_EINVAL);
	CHECK(strcmp(said, "'all' is not 'cpus', which shows the cache of every CPU\n") == 0);
}

#ifdef GRANULE_HOST
#define CPUS 20

static struct world w;

/* The monitor asks about the world's frames until the scope ends. */
static void give_machine_back(struct frames **old)
{
	boot.frames = *old;
	host_set_cpu_id(0);
}

#define WORLD_ON_SHOW(banks_, n_)                                                                         \
	WORLD_OR_RETURN(&w, banks_, n_);                                                                  \
	__attribute__((cleanup(give_machine_back), unused)) struct frames *machines_frames = boot.frames; \
	boot.frames = &w.f

TEST_ON(TAP_HOST, DG8, "four CPUs have a line each, eight too; of twenty seven are shown, and all on request")
{
	static const struct span bank = { FRAME(GIB(1)), SECTION_PAGES };
	static struct {
		_Alignas(64) char bytes[FRAMES_CPU_BYTES];
	} memory[CPUS];
	static const unsigned steps[] = { 1, 2, 4, 8, 9, CPUS };
	static paddr_t pa[500];
	struct frames_stats all;
	unsigned online = 0;
	const char *said;

	machine();
	WORLD_ON_SHOW(&bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK(caches_shown(say("buddy"), 0));
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		for (; online < steps[i]; online++) {
			host_set_cpu_id(100 + online);
			CHECK_EQ(frames_cpu_online(boot.frames, online, 0, &memory[online]), MM_OK);
		}
		/* Each has done another number of things: refills, drains, drained by others, blocks of 2 MiB. */
		for (unsigned k = 0; k < online; k++) {
			host_set_cpu_id(100 + k);
			CHECK_EQ(frames_alloc_bulk(boot.frames, 200 + 15 * k, 0, TAG_TEST, pa), MM_OK);
			for (unsigned n = 0; n < 200 + 15 * k; n++)
				CHECK_EQ(frames_free_page(boot.frames, pa[n]), MM_OK);
			if (k % 3 == 1)
				(void)frames_drain(boot.frames);
			CHECK_EQ(frames_free_2m(boot.frames, frames_alloc_2m(boot.frames, TAG_TEST)), MM_OK);
		}
		said = say("buddy");
		CHECK(caches_shown(said, online > 8 ? 7 : online));
		/* No sum is nothing. */
		all = stats_now();
		CHECK(online != 2 || (all.cached_pages > 512 && all.refills > 0 && all.drains > 0));
		CHECK(has_text(said, CACHE_TITLE));
		CHECK_EQ(has_text(said, " more (buddy cpus shows them)\n"), online > 8);
		CHECK(count_text(said, "\n") <= (online <= 4 ? 21 : 24));
		CHECK(longest_line(said) <= 80);
		said = say("buddy cpus");
		CHECK(caches_shown(said, online));
		CHECK(!has_text(said, " more ("));
	}
	CHECK(has_text(say("buddy"), "\n     ... and 13 more (buddy cpus shows them)\n"));
}

TEST_ON(TAP_HOST, BU33, "buddy of memory of which nothing is free, one page is free, some is kept back")
{
	static const struct span bank = { FRAME(GIB(1)), 64 };
	const char *said;

	machine();
	WORLD_ON_SHOW(&bank, 1);
	said = say("buddy");
	CHECK(has_text(said, "\nno CPU has a cache of frames\nnothing is free outside of caches; reserve 0 B\n"
			     "used 0 B, at most 0 B so far; cached 0 B of 0 B\n"
			     "allocations 0, frees 0, failed 0, refused frees 0\n"));
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_take(&w.f, pfn(bank.start), 5, TAG_TEST), MM_OK);
	CHECK_EQ(frames_take(&w.f, pfn(bank.start + 32), 4, TAG_TEST), MM_OK);
	for (unsigned i = 48; i < 63; i++)
		CHECK_EQ(frames_take(&w.f, pfn(bank.start + i), 0, TAG_TEST), MM_OK);
	CHECK_EQ(frames_free(&w.f, pfn(bank.start + 32), 4), MM_OK);
	CHECK_EQ(frames_take(&w.f, pfn(bank.start + 32), 4, TAG_TEST), MM_OK);
	said = say("buddy");
	CHECK(has_text(said, "\nlargest free block: order 0, 4 KiB; reserve 0 B\n"
			     "used 252 KiB, at most 252 KiB so far; cached 0 B of 0 B\n"
			     "allocations 18, frees 1, failed 0, refused frees 0\n"));
	CHECK_EQ(frames_free(&w.f, pfn(bank.start), 5), MM_OK);
	CHECK_EQ(frames_set_reserve(&w.f, 8), MM_OK);
	said = say("buddy");
	CHECK(has_text(said, "\nlargest free block: order 5, 128 KiB; reserve 32 KiB\n"
			     "used 124 KiB, at most 252 KiB so far; "));
}

TEST_ON(TAP_HOST, DG9, "owners and leaks of the first tag and the last")
{
	static const struct span bank = { FRAME(GIB(1)), 64 };
	const char *said;

	machine();
	WORLD_ON_SHOW(&bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_take(&w.f, pfn(bank.start), 0, TAG_NONE), MM_OK);
	CHECK_EQ(frames_take(&w.f, pfn(bank.start + 8), 3, (enum page_tag)255), MM_OK);
	said = say("owners");
	CHECK(strcmp(said, "  tag  owner                             pages        bytes\n"
			   "    0  none                                  1        4 KiB\n"
			   "  255  user                                  8       32 KiB\n"
			   "       all                                   9       36 KiB\n"
			   "       free                                 55      220 KiB\n") == 0);
	said = say("leaks 2");
	CHECK(strncmp(said,
		      "  0x000040000000  order  0     4 KiB  tag none (0)\n"
		      "  0x000040008000  order  3    32 KiB  tag user (255)\n"
		      "  none (0)                            1 block               1 page       4 KiB\n"
		      "  user (255)                          1 block               8 pages     32 KiB\n"
		      "  all",
		      250) == 0);
}
#endif

TEST(DG9, "owners shows each owner's pages, by tag and name; with what is free they are all there is")
{
	static uint64_t pages[256];
	struct frames_stats f;
	const char *said;
	pfn_t block;
	uint64_t all = 0;
	unsigned lines = 3;

	machine();
	CHECK_OR_RETURN(frames_alloc(boot.frames, 2, 0, (enum page_tag)200, &block) == MM_OK);
	CHECK_EQ(page_tag_set_name(200, "a name that is far longer than its column"), MM_OK);
	said = say("owners");
	CHECK_EQ(result, MM_OK);
	f = stats_now();
	frames_count_owners(boot.frames, pages);
	for (unsigned tag = 0; tag < 256; tag++) {
		char size[FORMAT_SIZE_MAX];
		char want[96];

		gr_snprintf(want, sizeof(want), "\n%5u  %-24.24s %14lu %12s\n", tag, page_tag_name(tag),
			    (unsigned long)pages[tag], format_size(size, pages[tag] * PAGE_SIZE));
		CHECK_EQ(has_text(said, want), pages[tag] != 0);
		lines += pages[tag] != 0;
		all += pages[tag];
	}
	CHECK_EQ(pages[200], 4);
	CHECK_EQ(count_text(said, "\n"), lines);
	CHECK_EQ(number_after(said, "\n       all "), all);
	CHECK_EQ(number_after(said, "\n       free "), f.free_pages);
	CHECK_EQ(all, f.total_pages - f.free_pages);
	CHECK(longest_line(said) <= 80);
	CHECK_EQ(page_tag_set_name(200, NULL), MM_OK);
	CHECK_EQ(frames_free(boot.frames, block, 2), MM_OK);
}

TEST(DG10, "leaks shows what came after the mark: addresses, as many as one wants, and totals by owner")
{
	static pfn_t block[40];
	const char *said;
	char want[96];

	machine();
	said = say("mark");
	CHECK_EQ(result, MM_OK);
	CHECK(strcmp(said, "marked: leaks shows what is allocated from now on\n") == 0);
	said = say("leaks");
	CHECK_EQ(result, MM_OK);
	CHECK(strcmp(said, "  all since the mark                  0 blocks              0 pages        0 B\n") == 0);
	for (unsigned i = 0; i < 40; i++)
		CHECK_OR_RETURN(frames_alloc(boot.frames, i % 2, 0, i % 4 ? TAG_TEST : (enum page_tag)99, &block[i]) ==
				MM_OK);
	CHECK_EQ(frames_get(boot.frames, block[1]), MM_OK);
	said = say("leaks");
	CHECK_EQ(result, MM_OK);
	CHECK_EQ(count_text(said, "\n"), 16 + 1 + 2 + 1);
	CHECK_EQ(count_text(said, "  0x0000"), 16);
	CHECK(has_text(said, "\n  ... and 24 more blocks\n"));
	CHECK(has_text(said, "\n  test (7)                           30 blocks             50 pages    200 KiB\n"));
	CHECK(has_text(said, "\n  user (99)                          10 blocks             10 pages     40 KiB\n"));
	CHECK(has_text(said, "\n  all since the mark                 40 blocks             60 pages    240 KiB\n"));
	CHECK(longest_line(said) <= 80);
	said = say("leaks 100");
	CHECK_EQ(count_text(said, "  0x0000"), 40);
	CHECK(!has_text(said, "more blocks"));
	for (unsigned i = 0; i < 40; i++) {
		gr_snprintf(want, sizeof(want), "  0x%012lx  order %2u  %8s  tag %s%s\n",
			    (unsigned long)pfn_to_paddr(block[i]).v, i % 2, i % 2 ? "8 KiB" : "4 KiB",
			    i % 4 ? "test (7)" : "user (99)", i == 1 ? ", shared" : "");
		CHECK(has_text(said, want));
	}
	said = say("leaks 0");
	CHECK_EQ(count_text(said, "\n"), 4);
	CHECK(has_text(said, "  ... and 40 more blocks\n"));
	CHECK_EQ(frames_put(boot.frames, block[1], NULL), MM_OK);
	for (unsigned i = 1; i < 40; i++)
		CHECK_EQ(frames_free(boot.frames, block[i], i % 2), MM_OK);
	said = say("leaks");
	CHECK(has_text(said, "\n  user (99)                           1 block               1 page       4 KiB\n"));
	CHECK_EQ(frames_free(boot.frames, block[0], 0), MM_OK);
	CHECK_EQ(frames_leaks(boot.frames, NULL, NULL), 0);
	(void)say("leaks x");
	CHECK_EQ(result, MM_EINVAL);
	CHECK_EQ(frames_validate(boot.frames), MM_OK);
}

TEST(DG5, "stats shows machine, banks, totals, free blocks and owners, in eighty columns")
{
	struct frames_bank_stats bank;
	const char *said;
	char want[96];
	char buddy[8192];

	machine();
	gr_snprintf(buddy, sizeof(buddy), "%s", say("buddy"));
	said = say("stats");
	CHECK_EQ(result, MM_OK);
	CHECK(has_text(said, boot.model));
	CHECK(has_text(said, buddy));
	CHECK(has_text(said, "\n  tag  owner "));
	CHECK(has_text(said, "\nobjects "));
	for (unsigned i = 0; frames_get_bank_stats(boot.frames, i, &bank); i++) {
		gr_snprintf(want, sizeof(want), "\nbank      0x%012lx  ", (unsigned long)pfn_to_paddr(bank.start).v);
		CHECK(has_text(said, want));
		gr_snprintf(want, sizeof(want), "  node %u  ", bank.node);
		CHECK(has_text(said, want));
	}
	CHECK_EQ(count_text(said, "\nbank "), stats_now().banks);
	CHECK(longest_line(said) <= 80);
	CHECK(strcmp(say("stats --yaml"), "'--yaml' is not '--json', which prints for tools\n") == 0);
	CHECK_EQ(result, MM_EINVAL);
}

static unsigned long ul(uint64_t n)
{
	return (unsigned long)n;
}

/* "key": number, for each; the names are those of the struct's fields. */
#define FIELD(struct_, field) "\"" #field "\": %lu", ul((struct_)->field)

TEST(DG5, "stats --json has every figure under its own name")
{
	struct frames_stats f;
	struct heap_stats h;
	const struct mm_bringup *mm = &boot.mm;
	const char *said;
	const char *line;
	char want[160];

	machine();
	said = say("stats --json");
	CHECK_EQ(result, MM_OK);
	f = stats_now();
	heap_get_stats(&h);
	line = find_text(said, "\n \"frames\": ");
	CHECK_OR_RETURN(line != NULL);
#define IN_LINE(...)                                                                                 \
	do {                                                                                         \
		gr_snprintf(want, sizeof(want), __VA_ARGS__);                                        \
		CHECK(find_text(line, want) != NULL && find_text(line, want) < next_line(line + 1)); \
	} while (0)
	IN_LINE(FIELD(&f, total_pages));
	IN_LINE(FIELD(&f, free_pages));
	IN_LINE(FIELD(&f, cached_pages));
	IN_LINE(FIELD(&f, cache_limit_pages));
	IN_LINE(FIELD(&f, reserve_pages));
	IN_LINE(FIELD(&f, peak_used_pages));
	IN_LINE(FIELD(&f, allocs));
	IN_LINE(FIELD(&f, frees));
	IN_LINE(FIELD(&f, refills));
	IN_LINE(FIELD(&f, drains));
	IN_LINE(FIELD(&f, failures));
	IN_LINE(FIELD(&f, bad_frees));
	IN_LINE("\"new_pages\": %lu", ul(frames_leaks(boot.frames, NULL, NULL)));
	line = find_text(said, "\n \"heap\": ");
	CHECK_OR_RETURN(line != NULL);
	IN_LINE(FIELD(&h, reserved_bytes));
	IN_LINE(FIELD(&h, grown_bytes));
	IN_LINE("\"slab_bytes\": %lu", ul(h.reserved_used_bytes));
	IN_LINE(FIELD(&h, live_objects));
	IN_LINE(FIELD(&h, live_bytes));
	IN_LINE(FIELD(&h, large_objects));
	IN_LINE(FIELD(&h, large_bytes));
	IN_LINE(FIELD(&h, requested_bytes));
	IN_LINE(FIELD(&h, granted_bytes));
	IN_LINE(FIELD(&h, allocs));
	IN_LINE(FIELD(&h, frees));
	IN_LINE(FIELD(&h, failures));
	IN_LINE(FIELD(&h, bad_frees));
	line = find_text(said, "\n \"tables\": ");
	CHECK_OR_RETURN(line != NULL);
	IN_LINE("\"pool_needed\": %u, \"pool_peak\": %u, \"pool_size\": %u", mm->pool_tables_needed, mm->pool_peak,
		PT_POOL_TABLES);
	IN_LINE("\"dynamic\": %lu, \"linear_bytes\": %lu", ul(mmu_kernel.dynamic_tables), ul(mm->linear_bytes));
	line = find_text(said, "\n \"records\": ");
	CHECK_OR_RETURN(line != NULL);
	IN_LINE("{\"stolen_bytes\": %lu, \"section_table\": {\"base\": %lu, \"size\": %lu}}", ul(mm->stolen_bytes),
		ul(mm->section_table.v), ul(mm->section_table_bytes));
	line = find_text(said, "\n \"machine\": ");
	CHECK_OR_RETURN(line != NULL);
	IN_LINE("\"entry_el\": %lu, \"cpus_described\": %u, \"cpus_online\": %u, \"page_size\": 4096",
		ul(boot.entry_el), boot.cpus_described, boot.cpus_online);
	IN_LINE("\"image\": {\"base\": %lu, \"size\": %lu}", ul(boot.image_pa), ul(boot.image_size));
	IN_LINE("\"dtb\": {\"base\": %lu, \"size\": %lu}", ul(boot.dtb_pa.v), ul(boot.fdt.totalsize));
	line = find_text(said, "\n \"banks\": ");
	CHECK_OR_RETURN(line != NULL);
	for (unsigned i = 0; i < mm->bank_count; i++) {
		const struct mm_bank *b = &mm->banks[i];
		char records[160];

		gr_snprintf(records, sizeof(records),
			    "\"records\": {\"base\": %lu, \"size\": %lu, \"mem_map_bytes\": %lu, \"borrowed\": %s}}",
			    ul(b->metadata.v), ul(b->metadata_bytes), ul(b->memmap_bytes),
			    b->borrowed ? "true" : "false");
		gr_snprintf(want, sizeof(want), "\n  {\"base\": %lu, \"pages\": %lu, \"node\": %u, ",
			    ul(pfn_to_paddr(b->start).v), ul(b->pages), b->numa_node);
		line = find_text(said, want);
		CHECK_OR_RETURN(line != NULL && has_text(line, records));
		CHECK(find_text(line, records) < next_line(line + 1));
	}
#undef IN_LINE
}

#ifdef GRANULE_HOST
static unsigned messages;
static bool noisy;

/* Whoever waits for the log says something between any two messages. */
static unsigned long count_message(void)
{
	messages++;
	if (noisy)
		capture_sink("frames: bad free\n", 17);
	return 0;
}

static void count_nothing(unsigned long state)
{
	(void)state;
}

/* The parser is Python's, in the QEMU checks; this is what they cannot see. */
TEST_ON(TAP_HOST, DG5,
	"stats --json is one message of the log for each line, each of which a reader can tell from others'")
{
	static char quiet[sizeof(captured)];
	const char *said;
	const char *line;
	unsigned lines = 0;
	unsigned odd = 0;
	size_t n = 0;

	machine();
	CHECK_EQ(page_tag_set_name(123, "\"a\\\n"), MM_OK);
	messages = 0;
	noisy = false;
	log_set_lock(count_message, count_nothing);
	said = say("stats --json");
	CHECK_EQ(result, MM_OK);
	for (line = said; *line != '\0'; line = next_line(line), lines++) {
		bool last = *next_line(line) == '\0';

		odd += lines == 0 ? strncmp(line, "{\n", 2) != 0 : last ? strcmp(line, "}\n") != 0 : *line != ' ';
	}
	CHECK_EQ(odd, 0);
	CHECK(lines > 50);
	/* capture_begin() and capture_end() set the sink. */
	CHECK_EQ(messages, lines + 2);
	CHECK(has_text(said, "\n \"schema\": \"granule-stats\",\n \"version\": 1,\n"));
	memcpy(quiet, said, strlen(said) + 1);
	/* Taken out of a log in which others speak, it is the same. */
	noisy = true;
	said = say("stats --json");
	noisy = false;
	log_set_lock(NULL, NULL);
	CHECK_EQ(count_text(said, "frames: bad free\n"), lines + 1);
	for (line = said; *line != '\0'; line = next_line(line)) {
		size_t length = (size_t)(next_line(line) - line);

		if (*line != '{' && *line != ' ' && *line != '}')
			continue;
		CHECK(strncmp(quiet + n, line, length) == 0);
		n += length;
	}
	CHECK_EQ(n, strlen(quiet));
	CHECK_EQ(page_tag_set_name(123, NULL), MM_OK);
}
#endif
