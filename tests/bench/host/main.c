/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rows of `make bench` over the host build: mm/ and mm/library with the host's processor behind them, in nanoseconds. For
 * orientation only: what arch/host does for a barrier or a TLB operation is not what a processor does.
 *
 * RAM is a file in memory, physical address 1 GiB at its start; it is written where it is used. Each list of groups runs in a
 * process of its own, so that one leaves nothing behind for the next.
 */
#define _GNU_SOURCE /* memfd_create */
#include "tests/bench/rows/bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GIB ((uint64_t)1 << 30)
#define MIB2 ((uintptr_t)2 << 20)
#define RAM_BASE GIB
#define RECORDS_SPACE ((size_t)64 << 20)

static int ram_file = -1;
static unsigned failures;
static uint64_t ram_bytes;

void gr_host_log(const char *text, size_t n)
{
	printf("# %.*s", (int)n, text);
}

_Noreturn void gr_host_panic(const char *text)
{
	fprintf(stderr, "PANIC: %s\n", text);
	abort();
}

int gr_host_map(uintptr_t va, uint64_t pa, uint64_t size)
{
	void *at = mmap((void *)va, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram_file,
			(off_t)(pa - RAM_BASE));

	return at == MAP_FAILED ? GR_ENOMEM : GR_OK;
}

uint64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void bench_fail(const char *why)
{
	failures++;
	printf("FAIL %s\n", why);
}

void bench_figure(const char *key, uint64_t value, uint64_t divisor)
{
	printf("BENCH %s %.4f\n", key, (double)value / (double)divisor);
}

/* A clock may say that the empty loop took longer than the full one; the counter of the target may not. */
void bench_row(const char *key, int64_t cost, uint64_t operations, int error)
{
	if (error || operations == 0)
		bench_fail(key);
	else
		bench_figure(key, cost > 0 ? (uint64_t)cost : 0, operations);
}

uint64_t bench_usable_bytes(void)
{
	return ram_bytes;
}

static void *reserve(size_t bytes, int fd)
{
	void *p = mmap(NULL, bytes, fd < 0 ? PROT_NONE : PROT_READ | PROT_WRITE,
		       fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (p == MAP_FAILED) {
		perror("bench: mmap");
		exit(1);
	}
	return p;
}

static bool start_library(uint64_t ram)
{
	const struct gr_range range = { RAM_BASE, ram, GR_RAM, "RAM" };
	struct gr_config config = { .ranges = &range, .range_count = 1 };

	ram_file = memfd_create("granule-bench", 0);
	if (ram_file < 0 || ftruncate(ram_file, (off_t)ram) != 0) {
		perror("bench: memory file");
		exit(1);
	}
	ram_bytes = ram;
	config.linear_base = (uintptr_t)reserve(ram, ram_file) - RAM_BASE;
	config.records_base = ((uintptr_t)reserve(RECORDS_SPACE, -1) + MIB2 - 1) & ~(MIB2 - 1);
	return gr_init(&config) == GR_OK;
}

/* Runs the groups over that much RAM; returns whether all went well. */
static bool run(uint64_t ram, void (*const groups[])(void))
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child < 0) {
		perror("bench: fork");
		return false;
	}
	if (child == 0) {
		bench_counter();
		if (start_library(ram)) {
			for (unsigned i = 0; groups[i]; i++)
				groups[i]();
		} else {
			bench_fail("gr_init");
		}
		fflush(stdout);
		_exit(failures != 0);
	}
	return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(void)
{
	bool good = true;

	good &= run(8 * GIB, (void (*const[])(void)){ bench_frames_uncached, bench_frames, NULL });
	good &= run(3 * GIB, (void (*const[])(void)){ bench_levels, NULL });
	good &= run(8 * GIB, (void (*const[])(void)){ bench_first_touch, NULL });
	good &= run(8 * GIB, (void (*const[])(void)){ bench_pgtable, bench_heap, NULL });
	return good ? 0 : 1;
}
