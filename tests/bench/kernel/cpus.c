/* SPDX-License-Identifier: BSD-2-Clause */
/* Jobs on other CPUs, by PSCI, and the rows that need them. */
#include "tests/bench/kernel/cpus.h"
#include "tests/bench/rows/bench.h"
#include "tests/embed/kernel.h"

#define CPU_OFF 0x84000002u
#define CPU_ON 0xc4000003u
#define AFFINITY_INFO 0xc4000004u
#define AFFINITY_OFF 1

#define STACK_BYTES 4096
#define REMOTE 4096
#define TURNS 32   /* of BATCH pairs */
#define BATCH 1024 /* many times what moves between a cache and the banks at once */
#define TICK 16	   /* instructions to a tick of CNTVCT_EL0, which all CPUs share: 62.5 MHz at 1 ns an instruction */

/* For second.S, by offset. */
struct {
	uint64_t ttbr0, ttbr1, mair, tcr, sctlr;
	uintptr_t stacks;
} bench_registers;

extern char bench_second[];
int64_t bench_psci(uint64_t function, uint64_t a, uint64_t b, uint64_t c);
_Noreturn void bench_second_main(unsigned cpu);

static char stacks[BENCH_CPUS][STACK_BYTES] __attribute__((aligned(16)));
static bool online[BENCH_CPUS] = { true }; /* gr_init() sees to CPU 0 */
static void (*job)(unsigned cpu);

/* GICv3 on the virt machine: sixteen CPUs to a cluster. */
static uint64_t mpidr(unsigned cpu)
{
	return (uint64_t)(cpu / 16) << 8 | cpu % 16;
}

_Noreturn void bench_second_main(unsigned cpu)
{
	if (!online[cpu] && gr_cpu_online(cpu, 0))
		bench_fail("gr_cpu_online on another CPU");
	online[cpu] = true;
	job(cpu);
	bench_psci(CPU_OFF, 0, 0, 0);
	panic("a CPU cannot be switched off");
}

static void save_registers(void)
{
	__asm__ volatile("mrs %0, ttbr0_el1" : "=r"(bench_registers.ttbr0));
	__asm__ volatile("mrs %0, ttbr1_el1" : "=r"(bench_registers.ttbr1));
	__asm__ volatile("mrs %0, mair_el1" : "=r"(bench_registers.mair));
	__asm__ volatile("mrs %0, tcr_el1" : "=r"(bench_registers.tcr));
	__asm__ volatile("mrs %0, sctlr_el1" : "=r"(bench_registers.sctlr));
	bench_registers.stacks = (uintptr_t)stacks;
}

static void cpu_start(unsigned cpu)
{
	save_registers();
	__asm__ volatile("dsb sy" ::: "memory");
	if (bench_psci(CPU_ON, mpidr(cpu), (uintptr_t)bench_second, cpu) != 0)
		panic("PSCI CPU_ON");
}

static void cpu_wait_off(unsigned cpu)
{
	while (bench_psci(AFFINITY_INFO, mpidr(cpu), 0, 0) != AFFINITY_OFF)
		__asm__ volatile("yield");
}

static void run_on(unsigned cpu, void (*what)(unsigned cpu))
{
	job = what;
	cpu_start(cpu);
	cpu_wait_off(cpu);
}

/* ---- freed elsewhere ------------------------------------------------------------------------------------------------------- */

static const struct loop remote = { .n = REMOTE, .array = bench_pages };

static void remote_allocate(unsigned cpu)
{
	(void)cpu;
	loop_alloc(&remote);
}

static int allocate_on_1(const struct loop *l)
{
	(void)l;
	run_on(1, remote_allocate);
	return 0;
}

void bench_remote(void)
{
	int bad = 0;
	int64_t cost = bench_loop(&remote, allocate_on_1, loop_free, loop_free_empty, NULL, &bad);

	bench_row("frames.remote0", cost, REMOTE, bad);
}

/* ---- all at once ------------------------------------------------------------------------------------------------------------ */

static unsigned expected;
static uint32_t arrived, left, go, errors;
static uint64_t first_tick, last_tick;
static uint64_t own_pages[BENCH_CPUS][BATCH];

static uint64_t ticks(void)
{
	uint64_t n;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(n)::"memory");
	return n;
}

/* The last CPU that comes starts the clock and lets all go; the last that is done stops it. */
static void all_start(void)
{
	if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) == expected) {
		first_tick = ticks();
		__atomic_store_n(&go, 1, __ATOMIC_RELEASE);
	}
	while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE))
		__asm__ volatile("yield");
}

static void all_stop(int bad)
{
	if (bad)
		__atomic_fetch_or(&errors, 1, __ATOMIC_RELAXED);
	if (__atomic_add_fetch(&left, 1, __ATOMIC_ACQ_REL) == expected)
		last_tick = ticks();
}

/* One loop that does as many pairs as all turns of the other. */
static int pairs(unsigned cpu, loop_fn *both)
{
	const struct loop l = { .n = TURNS * BATCH };

	(void)cpu;
	return both(&l);
}

static int batches(unsigned cpu, loop_fn *alloc, loop_fn *release)
{
	const struct loop l = { .n = BATCH, .array = own_pages[cpu] };
	int bad = 0;

	for (unsigned i = 0; i < TURNS; i++) {
		alloc(&l);
		bad |= release(&l);
	}
	return bad;
}

static void run_pairs(unsigned cpu)
{
	all_start();
	all_stop(pairs(cpu, loop_pairs));
}

static void run_pairs_empty(unsigned cpu)
{
	all_start();
	pairs(cpu, loop_pairs_empty);
	all_stop(0);
}

static void run_batches(unsigned cpu)
{
	all_start();
	all_stop(batches(cpu, loop_alloc, loop_free));
}

static void run_batches_empty(unsigned cpu)
{
	all_start();
	batches(cpu, loop_alloc_empty, loop_free_empty);
	all_stop(0);
}

/* Instructions of all n CPUs between the first and the last of `what`. */
static int64_t all_run(unsigned n, void (*what)(unsigned cpu))
{
	expected = n;
	arrived = left = go = 0;
	job = what;
	for (unsigned cpu = 1; cpu < n; cpu++)
		cpu_start(cpu);
	what(0);
	for (unsigned cpu = 1; cpu < n; cpu++)
		cpu_wait_off(cpu);
	return (int64_t)(last_tick - first_tick) * TICK;
}

void bench_cpus(unsigned n)
{
	uint64_t operations = (uint64_t)n * TURNS * BATCH;
	int64_t cost;

	/* Once for nothing: caches are filled, sections live. */
	all_run(n, run_batches);
	cost = all_run(n, run_pairs) - all_run(n, run_pairs_empty);
	bench_row("cpus.pair0", cost, operations, (int)errors);
	cost = all_run(n, run_batches) - all_run(n, run_batches_empty);
	bench_row("cpus.batch0", cost, operations, (int)errors);
}
