/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest of tests/bench/storeset.py: a kernel over libgranule.a in which several CPUs allocate and free single pages, all
 * at once, between storeset_begin() and storeset_end(). Everything of this program that is used in between is one CPU's
 * alone, but for what a scenario shares on purpose, so that finding nothing has been shown to mean something.
 *
 * It is brought up by the files of tests/embed. Two words at WORDS_PA say how many CPUs and which scenario. Prints TAP.
 */
#include "mm/library/granule.h"
#include "tests/embed/kernel.h"

#define LINEAR 0xffffff8000000000ul
#define RECORDS 0xffffffc000000000ul
#define DTB_PA 0x40000000ul   /* QEMU, for an ELF file */
#define WORDS_PA 0x40300000ul /* storeset.py; between the device tree and this image */
#define MAX_CPUS 8
#define PAIRS 512
#define BATCH 1024
#define STACK_BYTES 16384
#define LINE __attribute__((aligned(64)))

enum scenario {
	CACHED,	  /* every CPU has its cache */
	UNCACHED, /* only the first has: the others meet at the bank */
	COUNTER,  /* as CACHED, and each operation counts in one word for all */
};

struct secondary {
	uint64_t ttbr0, ttbr1, mair, tcr, sctlr;
	uint64_t stack;
	uint64_t cpu;
};

struct worker {
	uint64_t page[BATCH] LINE;
	bool failed;
	unsigned char stack[STACK_BYTES] __attribute__((aligned(4096)));
};

extern char __image_start[], __image_end[];
void embed_main(void);
void secondary_start(void);
int64_t psci_cpu_on(uint64_t mpidr, void (*entry)(void), void *context);
_Noreturn void secondary_main(uint64_t cpu);
void storeset_begin(void);
void storeset_end(void);
void storeset_work(uint64_t cpu);

static struct worker worker[MAX_CPUS];
static struct secondary secondary[MAX_CPUS] LINE;
static uint64_t arrived LINE; /* at barriers, ever */
static uint64_t cpus LINE;
static enum scenario scenario;
uint64_t shared_counter LINE;
static unsigned number, failed;

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

static void check(bool ok, const char *what)
{
	number++;
	failed += !ok;
	printf("%s %u - %s\n", ok ? "ok" : "not ok", number, what);
}

/* ---- what is looked at --------------------------------------------------------------------------------------------- */

/* The plugin sees them executed. */
__attribute__((noinline)) void storeset_begin(void)
{
	__asm__ volatile("");
}

__attribute__((noinline)) void storeset_end(void)
{
	__asm__ volatile("");
}

static inline void count(void)
{
	if (scenario == COUNTER)
		__atomic_fetch_add(&shared_counter, 1, __ATOMIC_RELAXED);
}

static inline uint64_t take(struct worker *w)
{
	uint64_t pa = gr_alloc_page(GR_TAG_USER);

	if (pa == GR_NO_PAGE)
		w->failed = true;
	count();
	return pa;
}

static inline void give(struct worker *w, uint64_t pa)
{
	if (gr_free_page(pa))
		w->failed = true;
	count();
}

/* Nobody passes before everybody has come; the n-th one of this program. */
static void barrier(uint64_t n)
{
	__atomic_fetch_add(&arrived, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < n * cpus)
		__asm__ volatile("yield");
}

/*
 * Round 1: pairs, which the cache serves by itself. Round 2: more than the cache holds, taken and then given back; the
 * barrier between keeps what one CPU gives back from coming to another one that still takes.
 */
__attribute__((noinline)) void storeset_work(uint64_t cpu)
{
	struct worker *w = &worker[cpu];

	barrier(1);
	storeset_begin();
	for (unsigned i = 0; i < PAIRS; i++)
		give(w, take(w));
	storeset_end();
	barrier(2);
	storeset_begin();
	for (unsigned i = 0; i < BATCH; i++)
		w->page[i] = take(w);
	storeset_end();
	barrier(3);
	storeset_begin();
	for (unsigned i = 0; i < BATCH; i++)
		give(w, w->page[i]);
	storeset_end();
	barrier(4);
}

/* ---- CPUs ---------------------------------------------------------------------------------------------------------- */

_Noreturn void secondary_main(uint64_t cpu)
{
	if (scenario != UNCACHED && gr_cpu_online((unsigned)cpu, 0))
		worker[cpu].failed = true;
	storeset_work(cpu);
	for (;;)
		__asm__ volatile("wfi");
}

#define READ_REGISTER(name)                                        \
	({                                                         \
		uint64_t value_;                                   \
		__asm__ volatile("mrs %0, " #name : "=r"(value_)); \
		value_;                                            \
	})

static bool start(uint64_t cpu)
{
	struct secondary *s = &secondary[cpu];

	*s = (struct secondary){
		.ttbr0 = READ_REGISTER(ttbr0_el1),
		.ttbr1 = READ_REGISTER(ttbr1_el1),
		.mair = READ_REGISTER(mair_el1),
		.tcr = READ_REGISTER(tcr_el1),
		.sctlr = READ_REGISTER(sctlr_el1),
		.stack = (uintptr_t)(worker[cpu].stack + STACK_BYTES),
		.cpu = cpu,
	};
	/* It is read with the MMU off. */
	for (uintptr_t p = (uintptr_t)s & ~(uintptr_t)63; p < (uintptr_t)(s + 1); p += 16)
		__asm__ volatile("dc cvac, %0" ::"r"(p) : "memory");
	__asm__ volatile("dsb sy" ::: "memory");
	return psci_cpu_on(cpu, secondary_start, s) == 0;
}

void embed_main(void)
{
	const volatile uint64_t *words = (const volatile uint64_t *)WORDS_PA;
	const struct gr_range ranges[] = {
		{ (uintptr_t)__image_start, (uint64_t)(__image_end - __image_start), GR_IMAGE, "storeset" },
		{ WORDS_PA, 4096, GR_RESERVED, "words" },
	};
	struct gr_config config = {
		.linear_base = LINEAR,
		.records_base = RECORDS,
		.dtb = (const void *)(LINEAR + DTB_PA),
		.dtb_pa = DTB_PA,
		.dtb_size = 1 << 20,
		.ranges = ranges,
		.range_count = 2,
	};
	struct gr_stats before, after;
	bool good = true;

	cpus = words[0];
	scenario = (enum scenario)words[1];
	printf("TAP version 13\n");
	check(cpus >= 1 && cpus <= MAX_CPUS && scenario <= COUNTER, "the words make sense");
	check(gr_init(&config) == GR_OK, "memory is up");
	gr_get_stats(&before);
	for (uint64_t cpu = 1; cpu < cpus; cpu++)
		good = good && start(cpu);
	check(good, "the other CPUs start");
	if (good)
		storeset_work(0);
	for (uint64_t cpu = 0; cpu < cpus; cpu++)
		good = good && !worker[cpu].failed;
	check(good, "every page came and went");
	check(shared_counter == (scenario == COUNTER ? cpus * 2 * (PAIRS + BATCH) : 0),
	      "the counter, where there is one");
	check(gr_validate() == GR_OK, "every structure is sound");
	gr_get_stats(&after);
	/* A CPU's cache lives in a page of its own. */
	check(before.free_pages == after.free_pages + (scenario == UNCACHED ? 0 : cpus - 1), "nothing leaked");
	printf("1..%u\n", number);
	uint64_t block[2] = { 0x20026, failed != 0 };
	semihost(0x20, block);
}
