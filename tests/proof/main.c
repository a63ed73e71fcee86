/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The large enumerations (`make prove`): one TAP point each, some half a million states, about a minute on one core. The
 * quick ones are the suite "enumerate".
 */
#include "tests/proof/enumerate.h"
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
