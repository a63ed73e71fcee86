/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several CPUs and interrupts, on the machine itself: who runs where, work for all of them, and that an interrupt between
 * any two instructions leaves no trace in the code that it came to. Every test runs on however many CPUs there are.
 */
#define SUITE "smp"
#include "lib/tap.h"

#if defined(__aarch64__) && !__STDC_HOSTED__

#include "arch/aarch64/insn.h"
#include "arch/aarch64/probe.h"
#include "arch/aarch64/timer.h"
#include "arch/arch.h"
#include "boot/boot.h"
#include "boot/irq.h"
#include "boot/smp.h"
#include "lib/string.h"
#include "mm/heap.h"
#include "mm/layout.h"

/* In the linear map, where no machine of the tests has RAM. */
#define NOWHERE (LAYOUT_LINEAR + TIB(127) + 0x1238)

/* What each CPU found out; checked by the boot CPU. */
struct seen {
	struct cpu *cpu;
	uint64_t index, mpidr, el, sp, affinity;
	uint64_t runs;
	uint64_t irqs;
	uint64_t bad;
};
static struct seen *seen;

static bool begin(void)
{
	seen = kcalloc(boot.cpus_online, sizeof(*seen));
	return seen != NULL;
}

static void end(void)
{
	CHECK_EQ(kfree(seen), MM_OK);
}

static struct seen *mine(void)
{
	return &seen[arch_cpu_id()];
}

static void look_around(void *arg)
{
	struct seen *s = mine();

	(void)arg;
	s->cpu = this_cpu();
	s->index = arch_cpu_id();
	s->mpidr = this_cpu()->mpidr;
	s->affinity = READ_SYSREG(mpidr_el1) & MPIDR_AFFINITY;
	s->el = READ_SYSREG(CurrentEL) >> 2;
	__asm__ volatile("mov %0, sp" : "=r"(s->sp));
	s->runs++;
}

/* [BT56] */
TEST_ON(TAP_TARGET, BT56, "every CPU runs at EL1 on a stack of its own, and knows its number and affinity")
{
	unsigned wrong = 0;

	CHECK_OR_RETURN(begin());
	smp_run(look_around, NULL);
	for (unsigned i = 0; i < boot.cpus_online; i++) {
		const struct seen *s = &seen[i];

		wrong += s->cpu != smp_cpu(i) || s->index != i || s->mpidr != s->affinity || s->el != 1 || s->runs != 1;
		wrong += i != 0 && (s->sp > (uintptr_t)s->cpu || s->sp < (uintptr_t)s->cpu - KIB(16));
		for (unsigned k = 0; k < i; k++)
			wrong += seen[k].cpu == s->cpu || seen[k].mpidr == s->mpidr;
	}
	CHECK_EQ(wrong, 0);
	CHECK(smp_cpu(0) == &boot_cpu && smp_cpu(boot.cpus_online) == NULL);
	end();
}

static void add_arg(void *arg)
{
	const uint64_t *value = arg;

	mine()->runs += *value;
	mine()->bad += (READ_SYSREG(daif) & 0x80) == 0;
	/* What it leaves unmasked is nobody else's business. */
	if (this_cpu()->irq_ready)
		irq_unmask();
}

TEST_ON(TAP_TARGET, BT55,
	"work is done once by every CPU, all of it before the call returns, with interrupts masked at first")
{
	uint64_t daif = READ_SYSREG(daif), want = 0, wrong = 0;

	CHECK_OR_RETURN(begin());
	for (uint64_t round = 1; round <= (boot.cpus_online > 16 ? 5 : 50); round++) {
		uint64_t value = round * round;

		smp_run(add_arg, &value);
		want += value;
		for (unsigned i = 0; i < boot.cpus_online; i++)
			wrong += seen[i].runs != want;
	}
	CHECK_EQ(wrong, 0);
	for (unsigned i = 0; i < boot.cpus_online; i++)
		wrong += seen[i].bad;
	CHECK_EQ(wrong, 0);
	CHECK_EQ(READ_SYSREG(daif), daif);
	end();
}

/* ---- the timer's interrupt ------------------------------------------------------------------------------------------ */

#define TICKS (boot.cpus_online > 16 ? 4u : 64u)

static void tick(void)
{
	struct seen *s = mine();

	s->bad += (READ_SYSREG(cntv_ctl_el0) & 5) != 5; /* enabled and expired */
	s->irqs++;
	timer_set(timer_now() + timer_hz() / 20000);
}

static void take_ticks(void *arg)
{
	struct seen *s = mine();
	uint64_t before = this_cpu()->irqs;

	(void)arg;
	s->bad += !irq_enable(irq_timer());
	timer_set(timer_now());
	irq_unmask();
	while (__atomic_load_n(&s->irqs, __ATOMIC_RELAXED) < TICKS)
		__asm__ volatile("wfi");
	(void)arch_irq_save();
	timer_stop();
	irq_disable(irq_timer());
	s->bad += this_cpu()->irqs - before < s->irqs;
}

/* What the machine has; nothing to test where the row of the matrix says that there is no controller. */
static bool has_timer(void)
{
	if (irq_timer() == 0)
		tap_skip("no interrupt controller, or no timer");
	return irq_timer() != 0;
}

TEST_ON(TAP_TARGET, BT53, "the timer of each CPU interrupts that CPU, as often as it is set")
{
	if (!has_timer())
		return;
	CHECK_OR_RETURN(begin());
	CHECK_EQ(irq_handle(irq_timer(), tick), MM_OK);
	smp_run(take_ticks, NULL);
	for (unsigned i = 0; i < boot.cpus_online; i++) {
		CHECK(seen[i].irqs >= TICKS);
		CHECK_EQ(seen[i].bad, 0);
		CHECK_EQ(smp_cpu(i)->unwanted, 0);
	}
	CHECK_EQ(irq_handle(irq_timer(), NULL), MM_OK);
	end();
}

/* One tick a few hundred instructions after the last: some come into every part of the loop below. */
static volatile uint64_t register_ticks;
static unsigned answered;
static void dirty_tick(void)
{
	uint32_t word;

	/* Everything that AAPCS64 lets a C function change, and the flags; PAR_EL1 by a translation. */
	__asm__ volatile(
		"mov x0, #-1\n\t mov x1, #-1\n\t mov x2, #-1\n\t mov x3, #-1\n\t mov x4, #-1\n\t mov x5, #-1\n\t"
		"mov x6, #-1\n\t mov x7, #-1\n\t mov x8, #-1\n\t mov x9, #-1\n\t mov x10, #-1\n\t mov x11, #-1\n\t"
		"mov x12, #-1\n\t mov x13, #-1\n\t mov x14, #-1\n\t mov x15, #-1\n\t mov x16, #-1\n\t"
		"mov x17, #-1\n\t mov x18, #-1\n\t cmp x0, #0"
		:
		:
		: "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
		  "x16", "x17", "x18", "cc");
	/* And an exception in the handler, which changes ELR_EL1 and SPSR_EL1. */
	answered += probe_read32((const volatile uint32_t *)NOWHERE, &word);
	register_ticks++;
	timer_set(timer_now() + timer_hz() / 20000);
}

/*
 * uint64_t registers_survive(ticks, n, par): fills x0 to x30 but x29 with numbers of their own, sets the flags and PAR_EL1 and
 * looks at all of them, again and again until *ticks has grown by n. Returns how often something was not as it was left.
 */
uint64_t registers_survive(const volatile uint64_t *ticks, uint64_t n, uint64_t par);
__asm__("	.pushsection .text.registers_survive, \"ax\"\n"
	"	.balign	16\n"
	"	.global	registers_survive\n"
	"	.hidden	registers_survive\n"
	"	.type	registers_survive, %function\n"
	"registers_survive:\n"
	"	stp	x29, x30, [sp, #-144]!\n"
	"	mov	x29, sp\n"
	"	stp	x19, x20, [sp, #16]\n"
	"	stp	x21, x22, [sp, #32]\n"
	"	stp	x23, x24, [sp, #48]\n"
	"	stp	x25, x26, [sp, #64]\n"
	"	stp	x27, x28, [sp, #80]\n"
	"	ldr	x3, [x0]\n"
	"	add	x1, x1, x3\n"
	"	stp	x0, x1, [sp, #96]\n"
	"	stp	xzr, x2, [sp, #112]\n"
	"1:	ldr	x0, [sp, #120]\n"
	"	msr	par_el1, x0\n"
	"	.irp	r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,30\n"
	"	mov	x\\r, #(100 + \\r)\n"
	"	.endr\n"
	"	adds	xzr, x0, #0\n" /* clears N, Z, C and V */
	"	nop\n	nop\n	nop\n	nop\n	nop\n	nop\n	nop\n	nop\n"
	"	b.eq	2f\n"
	"	b.cs	2f\n"
	"	b.mi	2f\n"
	"	b.vs	2f\n"
	"	.irp	r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,30\n"
	"	cmp	x\\r, #(100 + \\r)\n"
	"	b.ne	2f\n"
	"	.endr\n"
	"	cmp	sp, x29\n"
	"	b.ne	2f\n"
	"	mrs	x0, par_el1\n"
	"	ldr	x1, [sp, #120]\n"
	"	cmp	x0, x1\n"
	"	b.eq	3f\n"
	"2:	ldr	x0, [sp, #112]\n"
	"	add	x0, x0, #1\n"
	"	str	x0, [sp, #112]\n"
	"3:	ldp	x0, x1, [sp, #96]\n"
	"	ldr	x0, [x0]\n"
	"	cmp	x0, x1\n"
	"	b.lo	1b\n"
	"	ldr	x0, [sp, #112]\n"
	"	ldp	x19, x20, [sp, #16]\n"
	"	ldp	x21, x22, [sp, #32]\n"
	"	ldp	x23, x24, [sp, #48]\n"
	"	ldp	x25, x26, [sp, #64]\n"
	"	ldp	x27, x28, [sp, #80]\n"
	"	ldp	x29, x30, [sp], #144\n"
	"	ret\n"
	"	.size	registers_survive, . - registers_survive\n"
	"	.popsection\n");

TEST_ON(TAP_TARGET, BT53,
	"an interrupt leaves every register, the flags and PAR_EL1 as they were, a fault in its handler too")
{
	unsigned long state;
	uint64_t par;

	if (!has_timer())
		return;
	CHECK_EQ(irq_handle(irq_timer(), dirty_tick), MM_OK);
	CHECK(irq_enable(irq_timer()));
	__asm__ volatile("msr par_el1, %1\n\tmrs %0, par_el1"
			 : "=r"(par)
			 : "r"((uint64_t)0x5000)); /* RES1 bits are ones */
	state = arch_irq_save();
	timer_set(timer_now());
	irq_unmask();
	CHECK_EQ(registers_survive(&register_ticks, 200, par), 0);
	CHECK_EQ(answered, 0);
	arch_irq_restore(state);
	timer_stop();
	irq_disable(irq_timer());
	CHECK_EQ(irq_handle(irq_timer(), NULL), MM_OK);
}

void irq_entry(void);

TEST_ON(TAP_TARGET, BT54,
	"an interrupt that is no longer there is counted and not ended; one that nobody handles is masked")
{
	struct cpu *cpu = this_cpu();
	uint64_t irqs = cpu->irqs, spurious = cpu->spurious, unwanted = cpu->unwanted;
	unsigned long state;

	if (!has_timer())
		return;
	irq_entry();
	CHECK_EQ(cpu->spurious, spurious + 1);
	CHECK_EQ(cpu->irqs, irqs);

	state = arch_irq_save();
	CHECK(irq_enable(irq_timer()));
	timer_set(timer_now());
	irq_unmask();
	while (cpu->irqs == irqs)
		isb();
	for (unsigned i = 0; i < 1000; i++)
		isb(); /* still asserted, and does not come again */
	arch_irq_restore(state);
	timer_stop();
	CHECK_EQ(cpu->irqs, irqs + 1);
	CHECK_EQ(cpu->unwanted, unwanted + 1);
	CHECK_EQ(cpu->spurious, spurious + 1);
	cpu->unwanted = unwanted;
}

TEST_ON(TAP_TARGET, BT54, "only private interrupts can be handled, each by one function, and the wake-up by none")
{
	CHECK_EQ(irq_handle(32, tick), MM_EINVAL);
	CHECK_EQ(irq_handle(IRQ_WAKE, tick), MM_EINVAL);
	CHECK_EQ(irq_handle(5, tick), MM_OK);
	CHECK_EQ(irq_handle(5, dirty_tick), MM_EEXIST);
	CHECK_EQ(irq_handle(5, NULL), MM_OK);
	CHECK_EQ(irq_handle(5, dirty_tick), MM_OK);
	CHECK_EQ(irq_handle(5, NULL), MM_OK);
	CHECK(!irq_enable(32));
}

#endif
