/* SPDX-License-Identifier: BSD-2-Clause */
/* How fast the architected timer counts. Kernel only. */
#include "arch/aarch64/timer.h"

static uint64_t corrected;

void timer_start(uint32_t frequency)
{
	corrected = frequency;
}

/* Firmware that leaves CNTFRQ_EL0 at 0 is common enough. [AR48] */
uint64_t timer_hz(void)
{
	uint64_t hz = corrected ? corrected : READ_SYSREG(cntfrq_el0);

	return hz ? hz : TIMER_HZ_UNKNOWN;
}
