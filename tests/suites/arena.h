/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for a test, in both worlds. On the host it is reserved address space that costs nothing until it is touched,
 * so that the metadata of a terabyte can be laid out; in the kernel it comes from the kernel's own page frames, a few
 * MiB at most.
 */
#ifndef TESTS_SUITES_ARENA_H
#define TESTS_SUITES_ARENA_H

#include "lib/defs.h"

#define ARENA_PIECES 32

#if __STDC_HOSTED__

#include <sys/mman.h>

static struct {
	void *start;
	size_t bytes;
} arena_piece[ARENA_PIECES];
static unsigned arena_pieces;

/* At least `bytes` bytes, aligned to 4 KiB, zero; valid until test_arena_reset(). NULL when there is no more. */
static inline void *test_arena(size_t bytes)
{
	void *p = MAP_FAILED;

	if (arena_pieces < ARENA_PIECES)
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	arena_piece[arena_pieces].start = p;
	arena_piece[arena_pieces++].bytes = bytes;
	return p;
}

/* Gives everything back. */
static inline void test_arena_reset(void)
{
	while (arena_pieces) {
		arena_pieces--;
		munmap(arena_piece[arena_pieces].start, arena_piece[arena_pieces].bytes);
	}
}

/* Bytes of [p, p + bytes) that were ever touched, in whole pages. */
static inline size_t test_arena_touched(const void *p, size_t bytes)
{
	size_t touched = 0;
	uintptr_t end = ((uintptr_t)p + bytes + 4095) & ~(uintptr_t)4095;

	for (uintptr_t a = (uintptr_t)p & ~(uintptr_t)4095; a < end; a += MIB(64)) {
		static unsigned char resident[MIB(64) / 4096];
		size_t length = end - a < MIB(64) ? end - a : MIB(64);

		if (mincore((void *)a, length, resident))
			return SIZE_MAX;
		for (size_t i = 0; i < length / 4096; i++)
			touched += (resident[i] & 1u) * 4096;
	}
	return touched;
}

#else

#include "arch/arch.h"
#include "boot/boot.h"
#include "lib/string.h"
#include "mm/frames.h"

static struct {
	pfn_t first;
	unsigned order;
} arena_piece[ARENA_PIECES];
static unsigned arena_pieces;

static inline void *test_arena(size_t bytes)
{
	unsigned order = 0;
	pfn_t first;

	while (PAGE_SIZE << order < bytes)
		order++;
	if (arena_pieces == ARENA_PIECES || frames_alloc(boot.frames, order, FRAMES_ZERO, TAG_TEST, &first))
		return NULL;
	arena_piece[arena_pieces].first = first;
	arena_piece[arena_pieces++].order = order;
	return phys_to_virt(pfn_to_paddr(first));
}

static inline void test_arena_reset(void)
{
	while (arena_pieces) {
		arena_pieces--;
		if (frames_free(boot.frames, arena_piece[arena_pieces].first, arena_piece[arena_pieces].order))
			return;
	}
}

#endif
#endif
