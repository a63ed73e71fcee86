/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Other CPUs of the bench kernel, and the rows that need them. A CPU is switched on by PSCI for one job and off after it, so
 * that nobody else executes instructions while CPU 0 measures: under -icount the counters count all CPUs.
 */
#ifndef TESTS_BENCH_KERNEL_CPUS_H
#define TESTS_BENCH_KERNEL_CPUS_H

#include <stdint.h>

#define BENCH_CPUS 64

/* Starts PMCCNTR_EL0 and INST_RETIRED of the calling CPU from 0. */
void bench_counter_start(void);

/* frames.remote0: what CPU 1 allocated is freed by CPU 0. */
void bench_remote(void);

/*
 * cpus.pair0 and cpus.batch0: n CPUs, each with frames of its own, all at once; instructions of all CPUs for each pair of alloc
 * and free, one after the other or 1024 at a time.
 */
void bench_cpus(unsigned n);

#endif
