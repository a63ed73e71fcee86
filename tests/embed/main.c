/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel that had its own ways before it linked libgranule.a: checks from the outside that the library brings up memory under
 * somebody else's page tables, clashes with no name, and reports mistakes with the embedder's own addresses. Prints TAP.
 */
#include "mm/library/granule.h"
#include "tests/embed/kernel.h"

#define LINEAR 0xffffff8000000000ul
#define RECORDS 0xffffffc000000000ul
#define DTB_PA 0x40000000ul /* QEMU, for an ELF file */

extern char __image_start[], __image_end[], __text_end[];
void embed_main(void);

static unsigned number, failed;
static char log_text[1024];
static size_t log_length;
static uint64_t table_space[64];

void gr_host_log(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (log_length < sizeof(log_text) - 1)
			log_text[log_length++] = text[i];
	log_text[log_length] = '\0';
	printf("# ");
	for (size_t i = 0; i < n; i++)
		printf("%s", (char[]){ text[i], 0 });
}

static uint64_t escape[13];
static bool expecting_panic;
static const char *panicked;

_Noreturn void gr_host_panic(const char *text)
{
	if (!expecting_panic)
		panic(text);
	panicked = text;
	escape_take(escape);
}

static void check(bool ok, const char *what)
{
	number++;
	failed += !ok;
	printf("%s %u - %s\n", ok ? "ok" : "not ok", number, what);
}

static bool begins(const char *text, const char *word)
{
	while (*word && *text == *word) {
		text++;
		word++;
	}
	return !*word;
}

static bool logged(const char *word)
{
	for (size_t i = 0; i < log_length; i++)
		if (begins(&log_text[i], word))
			return true;
	return false;
}

/* A machine without RAM is not the embedder's mistake: the library says so through the hook that does not return. */
static void no_ram(const struct gr_config *good)
{
	struct gr_config config = *good;

	config.dtb = NULL;
	expecting_panic = true;
	if (!escape_set(escape))
		(void)gr_init(&config);
	expecting_panic = false;
	check(panicked && begins(panicked, "No RAM regions found"), "a machine without RAM ends in gr_host_panic");
}

/* The call that was logged last as "by 0x..." or "from 0x..." comes from that function, which is not longer than 4 KiB. */
static bool logged_call_from(uintptr_t function)
{
	uint64_t v = 0;

	for (size_t i = 0; i + 5 < log_length; i++) {
		if (!begins(&log_text[i], "by 0x") && !begins(&log_text[i], "from 0x"))
			continue;
		v = 0;
		for (size_t k = i + (log_text[i] == 'b' ? 5 : 7); k < log_length; k++) {
			char c = log_text[k];

			if (c >= '0' && c <= '9')
				v = v * 16 + (uint64_t)(c - '0');
			else if (c >= 'a' && c <= 'f')
				v = v * 16 + (uint64_t)(c - 'a' + 10);
			else
				break;
		}
	}
	return v > function && v < function + 4096 && v < (uintptr_t)__text_end;
}

static uint32_t big_endian(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t sum(const volatile unsigned char *p, size_t n)
{
	uint64_t s = 0;

	while (n--)
		s = s * 31 + *p++;
	return s;
}

/* Everything, in the largest blocks there are, chained through their first words; and back. */
static void take_and_write_all(const unsigned char *dtb)
{
	struct gr_stats before, empty, after;
	uint64_t head = 0, pa, pages = 0, dtb_sum = sum(dtb, 8192);
	bool wrote = true;

	gr_get_stats(&before);
	for (int order = GR_MAX_ORDER; order >= 0; order--) {
		while (gr_alloc_pages((unsigned)order, 0, GR_TAG_USER, &pa) == GR_OK) {
			uint64_t *p = gr_phys_to_virt(pa);

			for (uint64_t i = 0; i < (GR_PAGE_SIZE << order) / 8; i += 64)
				p[i] = pa + i;
			p[1] = head;
			p[2] = (uint64_t)order;
			head = pa;
			pages += 1ul << order;
		}
	}
	gr_get_stats(&empty);
	check(empty.free_pages == 0 && pages == before.free_pages, "every free page can be had");
	check(sum(dtb, 8192) == dtb_sum, "the device tree is as it was");
	while (head) {
		uint64_t *p = gr_phys_to_virt(head), next = p[1];
		unsigned order = (unsigned)p[2];

		wrote = wrote && p[0] == head && p[64] == head + 64;
		if (gr_free_pages(head, order))
			wrote = false;
		head = next;
	}
	gr_get_stats(&after);
	check(wrote && after.free_pages == before.free_pages,
	      "what was written is read back, and all of it is free again");
}

/* Refused with this error, one line that names us and the owner, by every way to free. */
static __attribute__((noinline)) bool refused(uint64_t pa, int want)
{
	const uintptr_t us = (uintptr_t)refused;
	bool ok;

	log_length = 0;
	ok = gr_free_page(pa) == want && logged_call_from(us) && logged("tag driver (9)");
	log_length = 0;
	ok = gr_free_2m(pa) == want && logged_call_from(us) && logged("tag driver (9)") && ok;
	log_length = 0;
	ok = gr_free_pages(pa, 2) == want && logged_call_from(us) && logged("tag driver (9)") && ok;
	log_length = 0;
	ok = gr_free_bulk(1, &pa) == want && logged_call_from(us) && logged("tag driver (9)") && ok;
	return ok;
}

static __attribute__((noinline)) void mistakes(void)
{
	const uintptr_t us = (uintptr_t)mistakes;
	uint64_t pa;
	struct gr_stats before, after;

	check(gr_tag_name(GR_TAG_USER - 1, "mine") == GR_EINVAL && gr_tag_name(256, "mine") == GR_EINVAL &&
		      gr_tag_name(9, "driver") == GR_OK,
	      "a tag of the embedder's own has a name");
	check(gr_alloc_pages(3, GR_ZERO, 9, &pa) == GR_OK, "eight zeroed pages");
	gr_get_stats(&before);
	check(refused(pa, GR_EORDER), "a wrong order is refused, and the line names the embedder's caller and tag");
	check(refused(pa + 4096, GR_EINTERIOR), "an inner page is refused");
	check(refused(pa + 1, GR_EALIGN), "an odd address is refused");
	log_length = 0;
	check(gr_put_pages(pa + 1) == GR_EALIGN && logged_call_from(us), "also as the last reference");
	log_length = 0;
	check(gr_free_pages(0x1000, 0) == GR_EFOREIGN && logged_call_from(us), "an address without RAM is refused");
	log_length = 0;
	check(gr_free_pages((uintptr_t)__image_start, 0) == GR_ERESERVED && logged_call_from(us),
	      "the kernel's own image is refused");
	gr_get_stats(&after);
	check(before.free_pages == after.free_pages, "and nothing changed");
	check(gr_free_pages(pa, 3) == GR_OK, "the right order is accepted");
	check(gr_free_pages(pa, 3) == GR_EDOUBLE, "a double free is refused");
	check(gr_alloc_pages(3, 0, 9, &pa) == GR_OK && gr_put_pages(pa) == GR_OK, "the last reference frees");
	log_length = 0;
	check(gr_put_pages(pa) == GR_EDOUBLE && logged_call_from(us), "once");
}

static unsigned heard[2];

static void watcher(void *ctx, unsigned level, uint64_t free_pages)
{
	uint64_t pa = gr_alloc_page(GR_TAG_USER);

	heard[level] += ctx == heard && free_pages && pa != GR_NO_PAGE && gr_free_page(pa) == GR_OK;
}

static uint64_t leaked;

static void show_leak(void *ctx, uint64_t pa, unsigned order, unsigned tag, uint32_t references)
{
	if (ctx == &leaked && order == 2 && tag == GR_TAG_USER + 7 && references == 2)
		leaked = pa;
}

/* Requests with wishes, ranges, and who hears of them. */
static __attribute__((noinline)) void ranges(void)
{
	struct gr_request r = { .tag = GR_TAG_USER };
	struct gr_stats before, now;
	struct gr_run runs[64];
	uint64_t pa, sum = 0;
	unsigned n = 0;
	bool back = true;

	gr_get_stats(&before);
	check(gr_alloc_exact(37, &r, &pa) == GR_OK && pa % (64 * GR_PAGE_SIZE) == 0, "37 pages, aligned to 64");
	gr_get_stats(&now);
	check(now.free_pages == before.free_pages - 37, "and no page more");
	log_length = 0;
	check(gr_free_exact(pa, 36) == GR_OK && gr_free_exact(pa, 37) == GR_EDOUBLE && logged("Double free") &&
		      logged_call_from((uintptr_t)ranges),
	      "a range is freed in parts or as a whole, and not twice");
	check(gr_free_exact(pa + 36 * GR_PAGE_SIZE + 1, 1) == GR_EALIGN &&
		      gr_free_exact(pa + 36 * GR_PAGE_SIZE, 2) == GR_EDOUBLE &&
		      gr_free_exact(pa + 36 * GR_PAGE_SIZE, 1) == GR_OK,
	      "what is wrong with a range is said before anything is freed");
	r.address_bits = 31;
	check(gr_alloc_request(3, &r, &pa) == GR_OK && pa + 8 * GR_PAGE_SIZE <= 0x80000000 &&
		      gr_free_pages(pa, 3) == GR_OK,
	      "eight pages below 2 GiB");
	r.address_bits = 30;
	check(gr_alloc_request(0, &r, &pa) == GR_ENOMEM, "below 1 GiB this machine has none");
	r = (struct gr_request){ .tag = GR_TAG_USER, .has_node = true, .only_node = true, .node = 5 };
	check(gr_alloc_request(0, &r, &pa) == GR_ENOMEM, "nor on a node that is not there");
	r.only_node = false;
	check(gr_alloc_request(0, &r, &pa) == GR_OK && gr_free_page(pa) == GR_OK, "but near it");
	r = (struct gr_request){ .tag = GR_TAG_USER };
	check(gr_alloc_runs(1000, 512, &r, runs, 1, &n) == GR_OK && n == 1 && runs[0].pa % 0x200000 == 0 &&
		      runs[0].pages == 1000 && gr_free_exact(runs[0].pa, 1000) == GR_OK,
	      "a range across blocks");
	gr_drain();
	check(gr_drain() == 0, "nothing is left in the caches");
	r.flags = GR_BEST_EFFORT;
	check(gr_alloc_runs(before.free_pages, 1, &r, runs, 64, &n) == GR_OK && n > 1, "all of memory in some ranges");
	for (unsigned i = 0; i < n; i++) {
		sum += runs[i].pages;
		back = back && (i == 0 || runs[i].pages <= runs[i - 1].pages) &&
		       gr_free_exact(runs[i].pa, runs[i].pages) == GR_OK;
	}
	check(back && sum == before.free_pages, "the longest first, and all of them go back");
	check(gr_alloc_pages(4, 0, GR_TAG_USER, &pa) == GR_OK && gr_free_pages(pa, 4) == GR_OK &&
		      gr_take_pages(pa, 4, GR_TAG_USER) == GR_OK && gr_take_pages(pa, 4, GR_TAG_USER) == GR_EBUSY &&
		      gr_take_pages(pa + 1, 0, GR_TAG_USER) == GR_EALIGN && gr_free_pages(pa, 4) == GR_OK,
	      "one block and no other");

	check(gr_watch(2, 1, watcher, heard) == GR_EINVAL &&
		      gr_watch(before.free_pages - 100, before.free_pages - 50, watcher, heard) == GR_OK,
	      "a watcher");
	check(gr_alloc_pages(7, 0, GR_TAG_USER, &pa) == GR_OK && heard[GR_LEVEL_LOW] == 1 && heard[GR_LEVEL_HIGH] == 0,
	      "hears that memory is low");
	check(gr_free_pages(pa, 7) == GR_OK && heard[GR_LEVEL_LOW] == 1 && heard[GR_LEVEL_HIGH] == 1,
	      "and that it is not any more");
	check(gr_watch(0, 0, NULL, NULL) == GR_OK && gr_alloc_pages(7, 0, GR_TAG_USER, &pa) == GR_OK &&
		      gr_free_pages(pa, 7) == GR_OK && heard[GR_LEVEL_LOW] == 1,
	      "until he is sent home");

	gr_mark();
	check(gr_leaks(show_leak, &leaked) == 0, "after a mark nothing is new");
	check(gr_alloc_pages(2, 0, GR_TAG_USER + 7, &pa) == GR_OK && gr_get_pages(pa) == GR_OK &&
		      gr_leaks(show_leak, &leaked) == 4 && leaked == pa,
	      "then a block is, with its owner");
	check(gr_put_pages(pa) == GR_OK && gr_put_pages(pa) == GR_OK && gr_leaks(NULL, NULL) == 0, "until it is freed");

	check(gr_set_reserve(before.total_pages) == GR_ENOMEM && gr_set_reserve(before.free_pages) == GR_OK &&
		      gr_alloc_pages(0, 0, GR_TAG_USER, &pa) == GR_ENOMEM &&
		      gr_alloc_pages(0, GR_RESERVE, GR_TAG_USER, &pa) == GR_OK && gr_free_pages(pa, 0) == GR_OK &&
		      gr_set_reserve(0) == GR_OK,
	      "what is kept back is for those who may have it");
	check(gr_cpu_dead(9) == GR_ENOENT, "a CPU that never was has nothing");
	gr_get_stats(&now);
	check(now.free_pages == before.free_pages, "and all is as before");
}

static __attribute__((noinline)) void heap(void)
{
	char *mine = kmalloc(40), *theirs = gr_kmalloc(40);

	check(mine && theirs && mine != theirs && (uintptr_t)mine < LINEAR && (uintptr_t)theirs >= LINEAR,
	      "two kmallocs live side by side");
	check(gr_kfree(theirs) == GR_OK, "an object goes back");
	log_length = 0;
	check(gr_kfree(theirs) == GR_EDOUBLE && logged_call_from((uintptr_t)heap),
	      "twice is an error that names the embedder's caller");
	check(gr_kfree(mine) == GR_EFOREIGN, "the embedder's own object is foreign");
	check(use_names() == 0, "the optional names work where the embedder has none of its own");
}

/* A new TTBR0 made by the library: the kernel goes on running under it. */
static void tables(void)
{
	struct gr_pgtable *pt = (struct gr_pgtable *)(void *)table_space;
	uint64_t pa, at, old;
	const uint64_t va = 0x7000001000;
	volatile uint32_t *window = (volatile uint32_t *)va, *page;

	check(gr_pgtable_size() <= sizeof(table_space), "the object fits its storage");
	check(gr_pgtable_init(pt, GR_EL1_STAGE1, 39, 0, 0) == GR_OK, "a 39-bit address space");
	check(gr_pgtable_map(pt, 0x09000000, 0x09000000, 4096, GR_PT_WRITE, GR_DEVICE_nGnRnE) == GR_OK &&
		      gr_pgtable_map(pt, 0x40000000, 0x40000000, (uintptr_t)__image_start - 0x40000000, GR_PT_WRITE,
				     GR_NORMAL) == GR_OK,
	      "device and RAM below the image");
	uint64_t text = (uintptr_t)__image_start, data = ((uintptr_t)__text_end + 4095) & ~4095ul;
	check(gr_pgtable_map(pt, text, text, data - text, GR_PT_EXEC, GR_NORMAL) == GR_OK &&
		      gr_pgtable_map(pt, data, data, (uintptr_t)__image_end - data, GR_PT_WRITE, GR_NORMAL) == GR_OK,
	      "the image, text read-only");
	check(gr_pgtable_map(pt, va, 0, 4096, GR_PT_WRITE | GR_PT_EXEC, GR_NORMAL) == GR_EPERM,
	      "writable and executable is refused");
	check(gr_alloc_pages(0, GR_ZERO, GR_TAG_USER, &pa) == GR_OK &&
		      gr_pgtable_map(pt, va, pa, 4096, GR_PT_WRITE, GR_NORMAL) == GR_OK,
	      "a page in a window");
	check(gr_pgtable_map(pt, va, pa, 4096, GR_PT_WRITE, GR_NORMAL) == GR_EEXIST, "not twice");
	check(gr_pgtable_query(pt, va + 5, &at) == GR_OK && at == pa + 5, "a question about it");

	__asm__ volatile("mrs %0, ttbr0_el1" : "=r"(old));
	gr_pgtable_set_live(pt, true);
	__asm__ volatile(
		"dsb ishst\n\tmsr ttbr0_el1, %0\n\tisb\n\ttlbi vmalle1\n\tdsb nsh\n\tisb" ::"r"(gr_pgtable_root(pt))
		: "memory");
	page = gr_phys_to_virt(pa);
	*window = 0x600d;
	check(*page == 0x600d, "written through the window, read through the linear map");
	check(gr_pgtable_unmap(pt, va, 4096) == GR_OK, "the window closes");
	__asm__ volatile("at s1e1r, %1\n\tisb\n\tmrs %0, par_el1" : "=r"(at) : "r"(va) : "memory");
	check((at & 1) == 1, "for the processor, too");
	__asm__ volatile("msr ttbr0_el1, %0\n\tisb\n\ttlbi vmalle1\n\tdsb nsh\n\tisb" ::"r"(old) : "memory");
	gr_pgtable_set_live(pt, false);
	gr_pgtable_destroy(pt);
	check(gr_free_pages(pa, 0) == GR_OK, "the page goes back");
}

void embed_main(void)
{
	const unsigned char *dtb = (const unsigned char *)(LINEAR + DTB_PA);
	const struct gr_range image = { (uintptr_t)__image_start, (uint64_t)(__image_end - __image_start), GR_IMAGE,
					"embedder" };
	struct gr_config config = {
		.linear_base = LINEAR,
		.records_base = RECORDS,
		.dtb = dtb,
		.dtb_pa = DTB_PA,
		.dtb_size = 64,
		.ranges = &image,
		.range_count = 1,
	};
	struct gr_stats first, last;
	struct gr_bump bump;
	uint64_t pa;

	printf("TAP version 13\n");
	check(gr_init(&config) == GR_EINVAL, "a device tree that is cut off is refused with a line");
	config.dtb_size = big_endian(dtb + 4);
	no_ram(&config);
	check(gr_init(&config) == GR_OK, "memory is up under the embedder's page tables");
	check(gr_init(&config) == GR_EBUSY, "only once");
	gr_get_stats(&first);
	check(first.ram_bytes >= 0x10000000 && first.free_pages > 0, "RAM was found in the device tree");
	mistakes();
	ranges();
	heap();
	tables();
	check(gr_bump_new(&bump, 0x50000000, 0x3000) == GR_OK && gr_bump_alloc(&bump, 0x2000, 0x1000, &pa) == GR_OK &&
		      pa == 0x50000000 && gr_bump_alloc(&bump, 0x2000, 8, &pa) == GR_ENOMEM,
	      "the bump allocator");
	take_and_write_all(dtb);
	check(gr_validate() == GR_OK, "every structure is sound");
	gr_get_stats(&last);
	check(first.free_pages == last.free_pages, "nothing leaked");
	printf("1..%u\n", number);
	uint64_t block[2] = { 0x20026, failed != 0 };
	semihost(0x20, block);
}
