/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records what the kernel asks of its page allocator, for the packing benchmark. The linker's --wrap puts these functions
 * in front of the allocator's public ones (make record-packing; the kernel's own objects are those of the release build),
 * and semihosting writes one 64-bit word for each event to the file RECORD_FILE on the host: tests/bench/packing/record.py
 * makes a trace of them.
 *
 *	bits 3:0 what (enum what), 8:4 order, 18:9 CPU, 63:19 frame
 *	RECORD_GIVE: another word follows, the number of frames
 *
 * An allocation is written after it, a free before it: so no frame is seen to change hands before it was free. A free that
 * is refused is taken back. What a public function does by way of another one is written twice, and the converter sees
 * that the block is known.
 */
#include "arch/aarch64/semihost.h"
#include "arch/arch.h"
#include "arch/spinlock.h"
#include "boot/boot.h"
#include "lib/panic.h"
#include "mm/frames.h"

#define RECORD_FILE "packing.raw"
#define BUFFERED 512
#define ORDER_2M 9

#define SYS_OPEN 0x01
#define SYS_WRITE 0x05
#define OPEN_WB 5

enum what { RECORD_ALLOC, RECORD_FREE, RECORD_REFUSED, RECORD_GIVE };

uint64_t semihost_insn(uint64_t operation, const void *argument);

static struct spinlock lock = SPINLOCK_INIT;
static uint64_t buffer[BUFFERED];
static uint64_t buffered;
static uint64_t handle;

static void flush(void) REQUIRES(lock)
{
	static const char name[] = RECORD_FILE;

	if (!handle) {
		const uint64_t open[3] = { (uintptr_t)name, OPEN_WB, sizeof(name) - 1 };

		handle = semihost_insn(SYS_OPEN, open);
		if ((int64_t)handle <= 0)
			panic("record: cannot open " RECORD_FILE);
	}
	const uint64_t write[3] = { handle, (uintptr_t)buffer, buffered * sizeof(buffer[0]) };

	if (semihost_insn(SYS_WRITE, write))
		panic("record: cannot write " RECORD_FILE);
	buffered = 0;
}

static void put(uint64_t word) REQUIRES(lock)
{
	buffer[buffered++] = word;
	if (buffered == BUFFERED)
		flush();
}

static void note(enum what what, uint64_t frame, unsigned order)
{
	unsigned long irq = spin_lock(&lock);

	put((uint64_t)what | (uint64_t)order << 4 | (uint64_t)arch_cpu_id() << 9 | frame << 19);
	spin_unlock(&lock, irq);
}

/* The suites have allocators of their own. */
static bool ours(const struct frames *f)
{
	return f == boot.frames;
}

/* ---- in front of the allocator ----------------------------------------------------------------------------------- */

#define WRAP(type, name, ...)            \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

WRAP(int, frames_add_memory, struct frames *f, pfn_t start, uint64_t pages)
{
	int err = __real_frames_add_memory(f, start, pages);

	if (!err && ours(f)) {
		unsigned long irq = spin_lock(&lock);

		put(RECORD_GIVE | start.n << 19);
		put(pages);
		spin_unlock(&lock, irq);
	}
	return err;
}

WRAP(int, frames_alloc, struct frames *f, unsigned order, unsigned flags, enum page_tag tag, pfn_t *out)
{
	int err = __real_frames_alloc(f, order, flags, tag, out);

	if (!err && ours(f))
		note(RECORD_ALLOC, out->n, order);
	return err;
}

WRAP(paddr_t, frames_alloc_page, struct frames *f, uint8_t tag)
{
	paddr_t pa = __real_frames_alloc_page(f, tag);

	if (frames_is_page(pa) && ours(f))
		note(RECORD_ALLOC, paddr_to_pfn(pa).n, 0);
	return pa;
}

WRAP(paddr_t, frames_alloc_2m, struct frames *f, uint8_t tag)
{
	paddr_t pa = __real_frames_alloc_2m(f, tag);

	if (frames_is_page(pa) && ours(f))
		note(RECORD_ALLOC, paddr_to_pfn(pa).n, ORDER_2M);
	return pa;
}

WRAP(int, frames_alloc_bulk, struct frames *f, unsigned n, unsigned flags, uint8_t tag, paddr_t *out)
{
	int err = __real_frames_alloc_bulk(f, n, flags, tag, out);

	for (unsigned i = 0; !err && ours(f) && i < n; i++)
		note(RECORD_ALLOC, paddr_to_pfn(out[i]).n, 0);
	return err;
}

WRAP(int, frames_take, struct frames *f, pfn_t first, unsigned order, enum page_tag tag)
{
	int err = __real_frames_take(f, first, order, tag);

	if (!err && ours(f))
		note(RECORD_ALLOC, first.n, order);
	return err;
}

/* ---- frees ------------------------------------------------------------------------------------------------------- */

/* call: the free of the block at pfn, as an expression. */
#define NOTE_FREE(f, pfn, call)                       \
	({                                            \
		int err_;                             \
		if (ours(f))                          \
			note(RECORD_FREE, pfn, 0);    \
		err_ = (call);                        \
		if (err_ && ours(f))                  \
			note(RECORD_REFUSED, pfn, 0); \
		err_;                                 \
	})

WRAP(int, frames_free, struct frames *f, pfn_t first, unsigned order)
{
	return NOTE_FREE(f, first.n, __real_frames_free(f, first, order));
}

WRAP(int, frames_free_paddr, struct frames *f, paddr_t pa, unsigned order)
{
	return NOTE_FREE(f, paddr_to_pfn(pa).n, __real_frames_free_paddr(f, pa, order));
}

WRAP(int, frames_free_page, struct frames *f, paddr_t pa)
{
	return NOTE_FREE(f, paddr_to_pfn(pa).n, __real_frames_free_page(f, pa));
}

WRAP(int, frames_free_2m, struct frames *f, paddr_t pa)
{
	return NOTE_FREE(f, paddr_to_pfn(pa).n, __real_frames_free_2m(f, pa));
}

/* One by one, so that each frame has its own answer. */
WRAP(int, frames_free_bulk, struct frames *f, unsigned n, const paddr_t *pages)
{
	int first = MM_OK;

	for (unsigned i = 0; i < n; i++) {
		int err = NOTE_FREE(f, paddr_to_pfn(pages[i]).n, __real_frames_free_bulk(f, 1, &pages[i]));

		first = first ? first : err;
	}
	return first;
}

WRAP(int, frames_put, struct frames *f, pfn_t first, bool *freed)
{
	bool gone = false;
	int err;

	if (ours(f))
		note(RECORD_FREE, first.n, 0);
	err = __real_frames_put(f, first, &gone);
	if (!gone && ours(f))
		note(RECORD_REFUSED, first.n, 0);
	if (freed)
		*freed = gone;
	return err;
}

/* The end of the recording. */
WRAP(void, semihost_exit, int status)
{
	unsigned long irq = spin_lock(&lock);

	flush();
	spin_unlock(&lock, irq);
	__real_semihost_exit(status);
}
