/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The large enumerations (`make prove`): one TAP point each, at most half a million states, some five minutes of one
 * processor in all. The quick ones are the suite "enumerate".
 */
#include "tests/proof/enumerate.h"
#include "arch/host/host.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define FRAME(address) ((address) >> 12)
#define MEMORY ((size_t)GIB(1)) /* reserved; some 130 MiB of it are touched */

static const struct {
	const char *title;
	struct enumeration e;
	uint64_t states;
} run[] = {
	{ "16 pages", { .bank = { { FRAME(GIB(1)) + 0x540, 16 } } }, 458330 },
	{ "16 blocks of 8 pages: orders 3 to 7, leaf and mid",
	  { .bank = { { FRAME(GIB(1)) + 0x80, 16 } }, .unit = 3 },
	  458330 },
	{ "16 pages, 8 on either side of a leaf, a mid and a section",
	  { .bank = { { FRAME(GIB(2)) - 8, 16 } } },
	  677 * 677 },
	{ "8 pages below and 8 pages above 4 GiB",
	  { .bank = { { FRAME(GIB(4)) - 8, 8 }, { FRAME(GIB(4)), 8 } } },
	  677 * 677 },
	{ "8 pages that are given one range at a time",
	  { .bank = { { FRAME(GIB(1)) + 0x540, 8 } }, .grow = true },
	  10202 },
	/* 256 frames, of which 248 are in use all the time: 1/64 is 4. */
	{ "8 pages and two CPUs whose caches hold two of them, or four alone",
	  { .bank = { { FRAME(GIB(1)) + 0x40, 8 } },
	    .beside = 0x40,
	    .behind = 256 - 0x48,
	    .cpus = 2,
	    .alone = 4,
	    .shared = 2,
	    .be_cpu = host_set_cpu_id,
	    .validate_states = true },
	  198948 },
	/* A section that is there as a whole: frees take the short way. */
	{ "5 pages of a whole section and two CPUs",
	  { .bank = { { FRAME(GIB(1)) + 0x400, 5 } },
	    .beside = 0x400,
	    .behind = 0x40000 - 0x405,
	    .cpus = 2,
	    .alone = 128,
	    .shared = 128,
	    .be_cpu = host_set_cpu_id,
	    .validate_states = true },
	  5704 },
	{ "6 blocks of 2 MiB of a whole section and two CPUs",
	  { .bank = { { FRAME(GIB(1)) + 0x400, 6 } },
	    .beside = 0x400,
	    .behind = 0x40000 - 0x1000,
	    .unit = 9,
	    .cpus = 2,
	    .alone = 7,
	    .shared = 3,
	    .be_cpu = host_set_cpu_id,
	    .validate_states = true },
	  27000 },
};

int main(void)
{
	void *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned failed = 0;

	if (memory == MAP_FAILED) {
		perror("mmap");
		return EXIT_FAILURE;
	}
	printf("TAP version 13\n1..%u\n", (unsigned)ARRAY_SIZE(run));
	for (unsigned i = 0; i < ARRAY_SIZE(run); i++) {
		struct enumerated result;
		bool ok = enumerate(&run[i].e, memory, MEMORY, &result);

		printf("# %llu states, %llu operations, of which %llu accepted; %llu MiB\n",
		       (unsigned long long)result.states, (unsigned long long)result.operations,
		       (unsigned long long)result.steps, (unsigned long long)(result.bytes >> 20));
		if (!ok)
			printf("# %s\n", result.wrong);
		ok = ok && result.states == run[i].states;
		printf("%s %u - %s\n", ok ? "ok" : "not ok", i + 1, run[i].title);
		fflush(stdout);
		failed += !ok;
	}
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
