/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ways to die. A suite that runs only when it is named, one test a boot: none of them returns, and tests/qemu looks at
 * what the kernel says on its way out and at its exit status, which is never 0.
 */
#define SUITE "_crash"
#include "lib/tap.h"

#if defined(__aarch64__) && !__STDC_HOSTED__

#include "arch/aarch64/timer.h"
#include "arch/arch.h"
#include "boot/boot.h"
#include "boot/console/console.h"
#include "boot/irq.h"
#include "boot/smp.h"
#include "lib/log.h"
#include "lib/panic.h"
#include "mm/layout.h"

/* In the linear map, where no machine of the tests has RAM. */
#define NOWHERE (LAYOUT_LINEAR + TIB(127) + 0x1238)

extern char boot_stack[];

static noinline void write_to(uintptr_t a)
{
	*(volatile uint64_t *)a = 1;
	__asm__ volatile(""); /* no tail: the caller stays in the backtrace */
}

static void broken_sink(const char *text, size_t n)
{
	(void)text;
	(void)n;
	write_to(NOWHERE);
}

static noinline unsigned endless(unsigned n)
{
	volatile unsigned here = n;

	return n == UINT32_MAX ? 0 : endless(n + 1) + here;
}

TEST_ON(TAP_TARGET, write, "a write to an address that is not mapped")
{
	write_to(NOWHERE);
}

TEST_ON(TAP_TARGET, text, "a write to the kernel's text")
{
	write_to((uintptr_t)image_start);
}

TEST_ON(TAP_TARGET, fetch, "a jump to data")
{
	static uint64_t data;
	void (*volatile jump)(void) = (void (*)(void))(uintptr_t)&data;

	jump();
}

TEST_ON(TAP_TARGET, brk, "a BRK instruction")
{
	__asm__ volatile("brk #0x1234");
}

TEST_ON(TAP_TARGET, stack, "a stack that runs into its guard page")
{
	tap_note("%u", endless(0));
}

TEST_ON(TAP_TARGET, panic, "a broken promise")
{
	panic("the number is %d, the text %s", 42, "here");
}

/* ---- with interrupts, and on other CPUs ----------------------------------------------------------------------------- */

static void faulty_handler(void)
{
	write_to(NOWHERE);
}

/* The timer's interrupt is pending, and comes as soon as it is let in. */
static void make_pending(irq_fn fn)
{
	if (irq_handle(irq_timer(), fn) != MM_OK || !irq_enable(irq_timer()))
		panic("no timer");
	timer_set(timer_now());
}

static noinline void interrupted_here(void)
{
	irq_unmask();
	for (;;)
		__asm__ volatile("nop");
}

TEST_ON(TAP_TARGET, irq, "an interrupt handler that faults: the backtrace goes on in the interrupted code")
{
	make_pending(faulty_handler);
	interrupted_here();
}

TEST_ON(TAP_TARGET, irqstack, "an interrupt that finds no room on the stack")
{
	make_pending(faulty_handler);
	__asm__ volatile("mov	sp, %0\n\t"
			 "msr	daifclr, #2\n"
			 "1:	b	1b" ::"r"(boot_stack + 64)
			 : "memory");
}

static void fault_on_last(void *arg)
{
	(void)arg;
	if (arch_cpu_id() == boot.cpus_online - 1)
		write_to(NOWHERE);
}

TEST_ON(TAP_TARGET, cpu, "a fault on another CPU ends the machine as one on this CPU does")
{
	smp_run(fault_on_last, NULL);
}

/* Counts to the number of CPUs, and waits for the others to do so: what follows is done by all at once. */
static void meet(void)
{
	static uint32_t here;

	__atomic_fetch_add(&here, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&here, __ATOMIC_ACQUIRE) < boot.cpus_online)
		arch_cpu_relax();
}

static void fault_on_all(void *arg)
{
	(void)arg;
	meet();
	write_to(NOWHERE);
}

TEST_ON(TAP_TARGET, cpus, "a fault on every CPU at once: one of them is reported")
{
	smp_run(fault_on_all, NULL);
}

static void overflow_on_all(void *arg)
{
	(void)arg;
	meet();
	if (endless(0))
		panic("an endless recursion has ended");
}

TEST_ON(TAP_TARGET, stacks,
	"a stack that runs into its guard page on every CPU at once: one is reported, from a stack of its own")
{
	smp_run(overflow_on_all, NULL);
}

static void panic_on_all(void *arg)
{
	(void)arg;
	meet();
	panic("CPU %u of %u", arch_cpu_id(), boot.cpus_online);
}

TEST_ON(TAP_TARGET, panics, "a broken promise on every CPU at once: one of them is reported")
{
	smp_run(panic_on_all, NULL);
}

/* How far CPU 0 is with a line, and the last CPU with its fault. */
static uint32_t in_line, faulting;

/* CPU 0 is slow enough to be in the middle of its line when the last CPU faults, and for some time after that. */
static void slow_sink(const char *text, size_t n)
{
	uint64_t start;

	if (arch_cpu_id() != 0) {
		console_say(text, n);
		return;
	}
	console_say(text, n / 2);
	__atomic_store_n(&in_line, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&faulting, __ATOMIC_ACQUIRE))
		arch_cpu_relax();
	for (start = timer_now(); timer_now() - start < timer_hz() / 100;)
		arch_cpu_relax();
	console_say(text + n / 2, n - n / 2);
}

static void fault_among_talk(void *arg)
{
	(void)arg;
	if (arch_cpu_id() == boot.cpus_online - 1) {
		while (!__atomic_load_n(&in_line, __ATOMIC_ACQUIRE))
			arch_cpu_relax();
		__atomic_store_n(&faulting, 1, __ATOMIC_RELEASE);
		write_to(NOWHERE);
	}
	for (;;)
		log_info("CPU %u has something to say\n", arch_cpu_id());
}

TEST_ON(TAP_TARGET, talk,
	"a fault while the other CPUs log: what is being said ends, the report is whole, and no more is said")
{
	log_set_sink(slow_sink);
	smp_run(fault_among_talk, NULL);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void more_work(void *arg)
{
	if (arch_cpu_id() == 0)
		smp_run(nothing, arg);
}

TEST_ON(TAP_TARGET, nested, "work for all CPUs inside such work")
{
	smp_run(more_work, NULL);
}

TEST_ON(TAP_TARGET, sink, "a console that faults: the report of the fault goes to semihosting")
{
	log_set_sink(broken_sink);
	log_info("this line is what faults\n");
}

TEST_ON(TAP_TARGET, again, "a panic whose console faults")
{
	log_set_sink(broken_sink);
	panic("the first");
}

#endif
