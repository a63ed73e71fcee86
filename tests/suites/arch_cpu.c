/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lock, interrupts and CPU numbers: the same in both worlds; and what the host writes down for other suites to
 * read.
 */
#define SUITE "arch_cpu"
#include "arch/aarch64/features.h"
#include "arch/aarch64/insn.h"
#include "arch/arch.h"
#include "arch/spinlock.h"
#include "lib/string.h"
#include "lib/tap.h"

#if INSN_RECORDED
#include "arch/host/host.h"
#include <pthread.h>

/* ---- the host's own answers -------------------------------------------------------------------------------------- */

static size_t hooked;
static void count_event(const struct host_event *event)
{
	hooked += event->op == HOST_TLB_FLUSH_RANGE;
}

TEST_ON(TAP_HOST, AR24,
	"the host writes down what mm/ asks of TLB, tables and caches, in order, and shows it as it happens")
{
	const struct arch_tlb_ctx ctx = { REGIME_EL1_ASID, 7 };
	static uint8_t memory[128] __attribute__((aligned(64)));
	struct host_event e[4];

	memset(memory, 1, sizeof(memory));
	hooked = 0;
	host_event_hook = count_event;
	host_journal_start(e, ARRAY_SIZE(e));
	arch_pt_publish();
	arch_tlb_flush_range(&ctx, 0x1000, 0x2000, 3, true);
	arch_zero(memory, 64);
	arch_tlb_flush_all(&ctx);
	arch_pt_table_ready(); /* no room: counted all the same */
	arch_dcache_clean(memory, 5);
	arch_dcache_clean_inval(memory, 6);
	CHECK_EQ(host_journal_count(), 7);
	CHECK_EQ(host_journal_stop(), 7);
	host_event_hook = NULL;
	CHECK_EQ(hooked, 1);
	arch_pt_publish();
	CHECK_EQ(host_journal_count(), 7);
	CHECK(e[0].op == HOST_PT_PUBLISH);
	CHECK(e[1].op == HOST_TLB_FLUSH_RANGE && e[1].ctx.regime == REGIME_EL1_ASID && e[1].ctx.id == 7);
	CHECK(e[1].va == 0x1000 && e[1].size == 0x2000 && e[1].level == 3 && e[1].tables_too);
	CHECK(e[2].op == HOST_ZERO && e[2].size == 64 && memory[63] == 0 && memory[64] == 1);
	CHECK(e[3].op == HOST_TLB_FLUSH_ALL);
	host_journal_start(e, ARRAY_SIZE(e));
	arch_pt_table_ready();
	arch_dcache_clean(memory, 5);
	arch_dcache_clean_inval(memory, 6);
	CHECK_EQ(host_journal_stop(), 3);
	CHECK(e[0].op == HOST_PT_TABLE_READY);
	CHECK(e[1].op == HOST_DCACHE_CLEAN && e[1].va == (uintptr_t)memory && e[1].size == 5);
	CHECK(e[2].op == HOST_DCACHE_CLEAN_INVAL && e[2].size == 6);
}

TEST_ON(TAP_HOST, AR24, "a recording keeps order, counts what it has no room for, and every instruction has a name")
{
	struct host_step s[2];

	host_record_start(s, ARRAY_SIZE(s));
	dsb_ish();
	tlbi_vae1is(5);
	isb();
	CHECK_EQ(host_record_count(), 3);
	CHECK_EQ(host_record_stop(), 3);
	isb();
	CHECK_EQ(host_record_count(), 3);
	CHECK(s[0].insn == INSN_dsb_ish && s[1].insn == INSN_tlbi_vae1is && s[1].operand == 5);
	CHECK(strcmp(host_insn_name(INSN_tlbi_vae1is), "tlbi_vae1is") == 0);
	CHECK(strcmp(host_insn_name(INSN_none), "none") == 0);
	CHECK(strcmp(host_insn_name(INSN_msr), "msr") == 0);
	CHECK(strcmp(host_insn_name(INSN_store_zero), "store_zero") == 0);
	CHECK(strcmp(host_insn_name(INSN_COUNT), "?") == 0);
	host_sysreg_set("par_el1", 3);
	CHECK_EQ(READ_SYSREG(par_el1), 3);
	WRITE_SYSREG(par_el1, 4);
	CHECK_EQ(host_mrs("par_el1"), 4);
	host_sysreg_reset();
	CHECK_EQ(READ_SYSREG(par_el1), 0);
}

static void *other_thread(void *out)
{
	unsigned *seen = out;

	seen[0] = arch_cpu_id();
	host_set_cpu_id(5);
	seen[1] = arch_cpu_id();
	return NULL;
}

TEST_ON(TAP_HOST, AR21, "each thread is a CPU of its own")
{
	unsigned seen[2] = { 99, 99 };
	pthread_t t;

	host_set_cpu_id(3);
	CHECK_OR_RETURN(pthread_create(&t, NULL, other_thread, seen) == 0);
	pthread_join(t, NULL);
	CHECK_EQ(seen[0], 0);
	CHECK_EQ(seen[1], 5);
	CHECK_EQ(arch_cpu_id(), 3);
	host_set_cpu_id(0);
}

TEST_ON(TAP_HOST, AR23, "physical address bits are what the test says")
{
	CHECK_EQ(arch_pa_bits(), 48);
	host_set_pa_bits(36);
	CHECK_EQ(arch_pa_bits(), 36);
	host_set_pa_bits(48);
}

#define THREADS 4
#define ROUNDS 20000

static struct spinlock shared_lock = SPINLOCK_INIT;
static uint64_t shared_count;
static unsigned inside;

static void *contend(void *arg)
{
	uint64_t *bad = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned long state = spin_lock(&shared_lock);

		*bad += inside++ != 0;
		shared_count++;
		if (i % 64 == 0)
			arch_cpu_relax(); /* let others run into the lock */
		*bad += --inside != 0;
		*bad += host_irq_depth() != 1;
		spin_unlock(&shared_lock, state);
	}
	return NULL;
}

TEST_ON(TAP_HOST, AR19,
	"four threads count to 80,000 under one lock, one inside at a time, past the wrap of the tickets")
{
	pthread_t t[THREADS];
	uint64_t bad[THREADS] = { 0 };

	shared_lock.ticket = 0xfff0fff0;
	shared_count = 0;
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_OR_RETURN(pthread_create(&t[i], NULL, contend, &bad[i]) == 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		CHECK_EQ(bad[i], 0);
	}
	CHECK_EQ(shared_count, THREADS * ROUNDS);
	CHECK_EQ(shared_lock.ticket >> 16, shared_lock.ticket & 0xffff);
}

#define WAITERS 8

static unsigned turn_order[WAITERS], turns;
static struct waiter {
	pthread_t thread;
	unsigned index;
} waiters[WAITERS];

static void *wait_in_line(void *arg)
{
	unsigned long state = spin_lock(&shared_lock);

	turn_order[turns] = ((struct waiter *)arg)->index;
	__atomic_store_n(&turns, turns + 1, __ATOMIC_RELAXED);
	spin_unlock(&shared_lock, state);
	return NULL;
}

TEST_ON(TAP_HOST, AR19, "who waits is served in the order of coming")
{
	unsigned long state;
	bool started = true;

	shared_lock.ticket = 0;
	turns = 0;
	state = spin_lock(&shared_lock);
	for (unsigned i = 0; i < WAITERS; i++) {
		waiters[i].index = i;
		started = pthread_create(&waiters[i].thread, NULL, wait_in_line, &waiters[i]) == 0 && started;
		while (started && __atomic_load_n(&shared_lock.ticket, __ATOMIC_RELAXED) >> 16 != i + 2)
			arch_cpu_relax();
	}
	for (unsigned i = 0; i < 100; i++)
		arch_cpu_relax();
	CHECK_EQ(__atomic_load_n(&turns, __ATOMIC_RELAXED), 0); /* nobody is in while we are */
	spin_unlock(&shared_lock, state);
	CHECK_OR_RETURN(started);
	for (unsigned i = 0; i < WAITERS; i++)
		pthread_join(waiters[i].thread, NULL);
	for (unsigned i = 0; i < WAITERS; i++)
		CHECK_EQ(turn_order[i], i);
}

static bool irqs_masked(void)
{
	return host_irq_depth() != 0;
}

#else

#define DAIF_IF 0xc0

static bool irqs_masked(void)
{
	return (READ_SYSREG(daif) & DAIF_IF) == DAIF_IF;
}

TEST_ON(TAP_TARGET, AR21, "the boot CPU is number 0")
{
	CHECK_EQ(arch_cpu_id(), 0);
}

TEST_ON(TAP_TARGET, AR23, "physical address bits are the CPUs', at most 48")
{
	CHECK(arch_pa_bits() >= 32 && arch_pa_bits() <= 48);
	CHECK_EQ(arch_pa_bits(), cpu_features.pa_bits);
}

TEST_ON(TAP_TARGET, AR40, "arch_init() makes known what this CPU's ID registers say")
{
	struct cpu_features all = cpu_features, mine;

	features_read(&mine);
	cpu_features.pa_bits = 1;
	cpu_features.dcache_line = 4;
	cpu_features.lse = !mine.lse;
	arch_init();
	CHECK_EQ(cpu_features.pa_bits, mine.pa_bits);
	CHECK_EQ(cpu_features.dcache_line, mine.dcache_line);
	CHECK_EQ(cpu_features.lse, mine.lse);
	cpu_features = all;
}

TEST_ON(TAP_TARGET, AR19, "load/store exclusive and LSE make the same lock")
{
	bool lse = cpu_features.lse;

	for (unsigned with = 0; with <= (lse ? 1u : 0u); with++) {
		struct spinlock lock = { 0xffffffff };
		unsigned long state;

		cpu_features.lse = with;
		state = spin_lock(&lock);
		CHECK_EQ(lock.ticket, 0x0000ffff);
		spin_unlock(&lock, state);
		CHECK_EQ(lock.ticket, 0);
	}
	cpu_features.lse = lse;
}

#endif

/* ---- lock and interrupts, both worlds ---------------------------------------------------------------------------- */

TEST(AR19, "taking a lock draws a ticket and masks interrupts; giving it back serves the next one and restores them")
{
	struct spinlock lock = SPINLOCK_INIT;
	bool masked_before = irqs_masked();

	for (uint32_t i = 0; i < 1000; i++) {
		unsigned long state = spin_lock(&lock);

		CHECK_EQ(lock.ticket, (i + 1) << 16 | i);
		CHECK(irqs_masked());
		spin_unlock(&lock, state);
		CHECK_EQ(lock.ticket, (i + 1) << 16 | (i + 1));
		CHECK_EQ(irqs_masked(), masked_before);
	}
}

TEST(AR20, "tickets wrap: serving 0xffff is followed by 0 and carries nothing into the next ticket")
{
	struct spinlock lock = { 0xffffffff };
	unsigned long state = spin_lock(&lock);

	CHECK_EQ(lock.ticket, 0x0000ffff);
	spin_unlock(&lock, state);
	CHECK_EQ(lock.ticket, 0);
	state = spin_lock(&lock);
	lock.ticket = 0x0005ffff; /* five wait behind the owner */
	spin_unlock(&lock, state);
	CHECK_EQ(lock.ticket, 0x00050000);
}

TEST(AR22, "masking interrupts nests")
{
	bool before = irqs_masked();
	unsigned long outer = arch_irq_save(), inner;

	CHECK(irqs_masked());
	inner = arch_irq_save();
	CHECK(irqs_masked());
	arch_irq_restore(inner);
	CHECK(irqs_masked());
	arch_irq_restore(outer);
	CHECK_EQ(irqs_masked(), before);
}
