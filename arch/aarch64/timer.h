/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The architected timer of each CPU (Arm ARM DDI 0487, D12): the virtual one, CNTV_*_EL0. A hypervisor may keep the
 * physical timer for itself (CNTHCTL_EL2), and the virtual one is made for what runs under it; where EL2 is ours,
 * CNTVOFF_EL2 is 0 (entry.S) and both are the same. Its interrupt is level-sensitive: it stays asserted until the timer is
 * set again or stopped.
 */
#ifndef ARCH_AARCH64_TIMER_H
#define ARCH_AARCH64_TIMER_H

#include "arch/aarch64/insn.h"

#define CNTV_CTL_ENABLE 1

/* Ticks a second when neither firmware nor tree says: the architecture's, the fastest there is (D12.1.1). */
#define TIMER_HZ_UNKNOWN 1000000000

/* Boot CPU, before timer_hz(): the tree's correction of CNTFRQ_EL0, or 0. */
void timer_start(uint32_t frequency);
/* Ticks a second, never 0. */
uint64_t timer_hz(void);

/* Ticks since some moment. ISB: not read earlier than it stands. */
static inline uint64_t timer_now(void)
{
	isb();
	return READ_SYSREG(cntvct_el0);
}

/* The calling CPU's timer fires when timer_now() reaches `then`: at once when it has. Replaces what was set before. */
static inline void timer_set(uint64_t then)
{
	WRITE_SYSREG(cntv_cval_el0, then);
	WRITE_SYSREG(cntv_ctl_el0, CNTV_CTL_ENABLE);
	isb();
}

static inline void timer_stop(void)
{
	WRITE_SYSREG(cntv_ctl_el0, 0);
	isb();
}

#endif
