/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log's lock. A CPU that holds it writes its number down, so that one that reports the end can wait for the message to be
 * complete, and looks whether somebody does: each writes before it reads, so one of the two sees the other.
 */
#include "boot/log_lock.h"
#include "arch/aarch64/insn.h"
#include "arch/aarch64/timer.h"
#include "arch/arch.h"
#include "arch/spinlock.h"
#include "lib/log.h"

#define NOBODY UINT32_MAX
#define SCTLR_M 1
#define WAIT_SECONDS 1

static struct spinlock lock;
static uint32_t holder = NOBODY;
static uint32_t reporter = NOBODY;

/* For good, when another CPU reports. */
static void stop_for_reporter(void)
{
	uint32_t first = __atomic_load_n(&reporter, __ATOMIC_SEQ_CST);

	while (first != NOBODY && first != arch_cpu_id())
		__asm__ volatile("wfe");
}

static unsigned long take(void) NO_THREAD_SAFETY_ANALYSIS
{
	unsigned long state = spin_lock(&lock);

	__atomic_store_n(&holder, arch_cpu_id(), __ATOMIC_SEQ_CST);
	/* The next in line stops as well: nobody gets the lock from a CPU that stops here. */
	if (__atomic_load_n(&reporter, __ATOMIC_SEQ_CST) != NOBODY) {
		__atomic_store_n(&holder, NOBODY, __ATOMIC_RELEASE);
		stop_for_reporter();
	}
	return state;
}

static void release(unsigned long state) NO_THREAD_SAFETY_ANALYSIS
{
	__atomic_store_n(&holder, NOBODY, __ATOMIC_RELEASE);
	spin_unlock(&lock, state);
}

void log_lock_start(void)
{
	log_set_lock(take, release);
}

/* Instead of the lock: there is one CPU left. */
static unsigned long keep_out(void)
{
	stop_for_reporter();
	return 0;
}

static bool become_reporter(uint32_t me)
{
	uint32_t first = NOBODY;

	/* There is no other CPU in C code yet, and exclusives would fault. */
	if (!(READ_SYSREG(sctlr_el1) & SCTLR_M)) {
		reporter = me;
		return true;
	}
	return __atomic_compare_exchange_n(&reporter, &first, me, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) ||
	       first == me;
}

/* [BT59] */
bool log_lock_seize(void)
{
	uint32_t me = arch_cpu_id(), other;
	uint64_t start, ticks;

	if (!become_reporter(me)) {
		/* If this CPU was at a message, that has come to its end. */
		if (__atomic_load_n(&holder, __ATOMIC_RELAXED) == me)
			__atomic_store_n(&holder, NOBODY, __ATOMIC_RELEASE);
		return false;
	}
	start = timer_now();
	ticks = timer_hz() * WAIT_SECONDS;
	do
		other = __atomic_load_n(&holder, __ATOMIC_SEQ_CST);
	while (other != NOBODY && other != me && timer_now() - start < ticks);
	log_set_lock(keep_out, NULL);
	return true;
}
