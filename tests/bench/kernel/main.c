/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bench kernel: somebody else's kernel (the start, tables and printf of tests/embed) with libgranule.a in it, which
 * measures the library through its public functions. The words on its command line name the groups of rows; each is a line
 * `BENCH key value`, and the status is not 0 when one of them failed.
 *
 * The counter is PMCCNTR_EL0 under QEMU's -icount shift=0, where a cycle is an executed instruction (of all CPUs), exactly and
 * repeatably. INST_RETIRED counts beside it: a machine on which the two differ measures something else, and fails.
 */
#include "tests/bench/kernel/cpus.h"
#include "tests/bench/rows/bench.h"
#include "tests/embed/kernel.h"

#define LINEAR 0xffffff8000000000ul
#define RECORDS 0xffffffc000000000ul
#define DTB_PA 0x40000000ul /* QEMU, for an ELF file */
#define SYS_GET_CMDLINE 0x15
#define COUNTERS_TOLERANCE 64 /* instructions between reading one counter and the other */

extern char __image_start[], __image_end[];
void embed_main(void);

static unsigned failures;
static uint64_t dtb_bytes;
static uint64_t first_cycles, first_retired;

void gr_host_log(const char *text, size_t n)
{
	printf("# ");
	for (size_t i = 0; i < n; i++)
		printf("%s", (char[]){ text[i], 0 });
}

_Noreturn void gr_host_panic(const char *text)
{
	panic(text);
}

/* ---- the counter --------------------------------------------------------------------------------------------------------- */

/* Arm ARM DDI 0487, D19.5: PMCR_EL0 E, P, C and LC; event 8 is INST_RETIRED. */
void bench_counter_start(void)
{
	__asm__ volatile("msr pmccfiltr_el0, xzr\n\t"
			 "msr pmevtyper0_el0, %0\n\t"
			 "msr pmcntenset_el0, %1\n\t"
			 "msr pmcr_el0, %2\n\t"
			 "isb" ::"r"(8ul),
			 "r"(1ul << 31 | 1), "r"(0x47ul));
}

static uint64_t retired(void)
{
	uint64_t n;

	__asm__ volatile("isb\n\tmrs %0, pmevcntr0_el0" : "=r"(n)::"memory");
	return n;
}

uint64_t bench_now(void)
{
	uint64_t n;

	__asm__ volatile("isb\n\tmrs %0, pmccntr_el0" : "=r"(n)::"memory");
	return n;
}

/* An event counter has 32 bits. */
static bool counters_agree(void)
{
	uint32_t cycles = (uint32_t)(bench_now() - first_cycles), events = (uint32_t)(retired() - first_retired);

	return cycles && events - cycles < COUNTERS_TOLERANCE;
}

/* ---- what is printed ------------------------------------------------------------------------------------------------------ */

static void put_decimal(uint64_t value, uint64_t divisor)
{
	uint64_t fraction = value % divisor;
	char digits[] = ".0000";

	for (unsigned i = 1; i < sizeof(digits) - 1; i++) {
		fraction *= 10;
		digits[i] = (char)('0' + fraction / divisor);
		fraction %= divisor;
	}
	if (value / divisor > UINT32_MAX)
		bench_fail("a figure beyond 32 bits");
	printf("%u%s\n", (unsigned)(value / divisor), digits);
}

void bench_fail(const char *why)
{
	failures++;
	printf("FAIL %s\n", why);
}

void bench_figure(const char *key, uint64_t value, uint64_t divisor)
{
	printf("BENCH %s ", key);
	put_decimal(value, divisor);
}

void bench_row(const char *key, int64_t cost, uint64_t operations, int error)
{
	if (error || operations == 0 || cost <= 0)
		bench_fail(key);
	else
		bench_figure(key, (uint64_t)cost, operations);
}

uint64_t bench_usable_bytes(void)
{
	struct gr_stats s;

	gr_get_stats(&s);
	return s.ram_bytes - (uint64_t)(__image_end - __image_start) - dtb_bytes;
}

/* ---- bring-up -------------------------------------------------------------------------------------------------------------- */

static uint64_t big_endian(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool start_library(void)
{
	const unsigned char *dtb = (const unsigned char *)(LINEAR + DTB_PA);
	const struct gr_range image = { (uintptr_t)__image_start, (uint64_t)(__image_end - __image_start), GR_IMAGE,
					"bench" };
	struct gr_config config = {
		.linear_base = LINEAR,
		.records_base = RECORDS,
		.dtb = dtb,
		.dtb_pa = DTB_PA,
		.dtb_size = big_endian(dtb + 4),
		.ranges = &image,
		.range_count = 1,
	};

	dtb_bytes = (config.dtb_size + GR_PAGE_SIZE - 1) & ~(GR_PAGE_SIZE - 1);
	return gr_init(&config) == GR_OK;
}

/* The groups of rows that words name. One that is balanced leaves as many frames free as it found. */
static const struct {
	const char *name;
	void (*run)(void);
	bool balanced;
} groups[] = {
	{ "metadata", bench_metadata, true }, { "uncached", bench_frames_uncached, true },
	{ "pair0", bench_pair0, true },	      { "frames", bench_frames, true },
	{ "remote", bench_remote, false }, /* CPU 1 keeps its cache */
	{ "levels", bench_levels, false },    { "touch", bench_first_touch, false },
	{ "map4k", bench_map4k, true },	      { "pgtable", bench_pgtable, true },
	{ "heap", bench_heap, false }, /* may keep slabs */
};

static void run_group(unsigned i)
{
	struct gr_stats before, after;

	gr_get_stats(&before);
	groups[i].run();
	gr_get_stats(&after);
	if (groups[i].balanced && before.free_pages != after.free_pages) {
		printf("# %s: %lx pages free before, %lx after\n", groups[i].name, before.free_pages, after.free_pages);
		bench_fail("frames were lost");
	}
}

static bool same(const char *name, const char *word, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (name[i] != word[i])
			return false;
	return name[n] == '\0';
}

/* One word: a group, or cpusN for as many CPUs at once. */
static void run_word(const char *word, size_t n)
{
	unsigned cpus = 0;

	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (same(groups[i].name, word, n)) {
			run_group(i);
			return;
		}
	}
	if (n > 4 && same("cpus", word, 4))
		for (size_t i = 4; i < n && word[i] >= '0' && word[i] <= '9'; i++)
			cpus = cpus * 10 + (unsigned)(word[i] - '0');
	if (cpus >= 1 && cpus <= BENCH_CPUS)
		bench_cpus(cpus);
	else
		bench_fail("no such group of rows");
}

/* The first word is the program. */
static void run(const char *words)
{
	for (unsigned i = 0; *words; i++) {
		size_t n = 0;

		while (words[n] && words[n] != ' ')
			n++;
		if (i)
			run_word(words, n);
		words += n;
		while (*words == ' ')
			words++;
	}
}

void embed_main(void)
{
	static char words[256];
	uint64_t line[2] = { (uintptr_t)words, sizeof(words) };

	bench_counter_start();
	first_cycles = bench_now();
	first_retired = retired();
	bench_counter();
	if (semihost(SYS_GET_CMDLINE, line) != 0)
		bench_fail("no command line");
	else if (!start_library())
		bench_fail("gr_init");
	else
		run(words);
	if (gr_validate() != GR_OK)
		bench_fail("gr_validate");
	if (!counters_agree())
		bench_fail("PMCCNTR_EL0 and INST_RETIRED differ: not under -icount shift=0?");
	uint64_t block[2] = { 0x20026, failures != 0 };
	semihost(0x20, block);
}
