/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The caches in front of the banks: for each CPU a stack of single frames and one of 2 MiB blocks. Private to
 * mm/frames*.c and mm/library/.
 *
 * A stack grows downwards, and its level is its lock as well: 0 while somebody works on it, otherwise 1 + the room that
 * is left, which is also the word of the stack that holds the top. Below the last block stands CACHE_BOTTOM, which
 * nobody takes for an address.
 *
 *	word	0	1 .. level - 1	level .. limit	limit + 1
 *		level	room		blocks		CACHE_BOTTOM
 *
 * Its CPU takes a stack for a push or a pop with interrupts masked, so that nobody on that CPU ever finds it taken;
 * another CPU takes it to drain it. Who finds it taken by another waits for a few dozen instructions, or for one batch.
 * A stack with limit 0 is closed: its level stays 0, which sends everybody to the banks.
 *
 * What is in a stack has the record PAGE_CACHED, with whatever else it had when it came. Whoever turns a record from
 * PAGE_ALLOC to PAGE_CACHED (exclusive_flip()) owns the block and brings it to a stack or to its bank: of two CPUs that
 * free one block, one finds it cached.
 *
 * Which stack a CPU uses is no matter of correctness: the number of the CPU, hashed, leads to one through a table
 * without empty entries. A CPU that never came online finds a closed one.
 */
#ifndef MM_FRAMES_CACHE_H
#define MM_FRAMES_CACHE_H

#include "arch/exclusive.h"
#include "mm/frames.h"

#define CACHE_PAGES 128 /* single frames, at most: two batches */
#define CACHE_BLOCKS 8	/* blocks of 2 MiB, at most */
#define CACHE_BLOCK_ORDER 9
#define CACHE_BLOCKS_FROM (GIB(1) >> PAGE_SHIFT) /* frames of memory from which blocks are cached */
#define CACHE_SHARE 64				 /* all caches together: at most 1/64 of memory */
#define CACHE_BOTTOM UINT64_MAX
#define CPU_HASH_SHIFT 54

enum cache_kind { CACHE_PAGE, CACHE_BLOCK, CACHE_KINDS };

struct frames_cache {
	uint64_t word[CACHE_PAGES + 2];		 /* level, addresses, CACHE_BOTTOM */
	uint64_t limit;				 /* how many at most; 0: closed. Changes under the stack's lock */
	uint64_t refills, drains, remote_drains; /* written under the stack's lock, read without */
};

/* One CPU's, alone in its cache lines. */
struct frames_cpu {
	struct frames_cache cache[CACHE_KINDS];
	/* Under frames->cpus_lock. */
	struct frames_cpu *next;
	uint64_t key; /* arch_cpu_key() of the CPU */
	bool used;    /* false: the CPU went away; kept for the next one that comes */
	unsigned cpu;
	uint32_t node;		      /* relaxed atomic */
	uint64_t frozen[CACHE_KINDS]; /* level of a stack that frames_cache_freeze() has locked, or 0 */
};

static inline unsigned cache_order(enum cache_kind kind)
{
	return kind == CACHE_PAGE ? 0 : CACHE_BLOCK_ORDER;
}

/* Fills the table from CPU to stack with a closed one. */
void frames_cache_init(struct frames *f);

/* Sets all limits anew: memory was added, or a CPU came or went. Drains stacks whose limit changes. */
void frames_cache_share_out(struct frames *f);

/* Frames in all caches, and what they may hold; without locks. */
uint64_t frames_cached(struct frames *f);
uint64_t frames_cache_limit(struct frames *f);

/* How many stacks hold what is no cached block of their order, logged; for frames_validate(). */
unsigned frames_cache_validate(struct frames *f);

/*
 * Locks all stacks until frames_cache_thaw(), with interrupts masked: nothing enters or leaves one. Returns how many frames
 * they hold. Other CPUs wait meanwhile, so this is for when something seems to be wrong.
 */
uint64_t frames_cache_freeze(struct frames *f, unsigned long *irq) ACQUIRE(f->cpus_lock);
void frames_cache_thaw(struct frames *f, unsigned long irq) RELEASE(f->cpus_lock);

/*
 * The rest of a pop or push that did not end in the stack. The block of a push is PAGE_CACHED and the caller's; MM_OK.
 * What the public function got comes first: it is in its register already.
 */
uint64_t frames_pop_slow(uint8_t tag, struct frames *f, enum cache_kind kind);
int frames_push_slow(uint64_t pa, struct frames *f, enum cache_kind kind);

/*
 * A free of the block of 2^order at pa that is not as simple as it should be: found out, and refused with a line or
 * done. caller: for the line. frames_free_late() is for what a cache takes; the other two are for tail calls, whose caller
 * is the one to name.
 */
int frames_free_slow(struct frames *f, uint64_t pa, unsigned order, uintptr_t caller);
int frames_free_late(struct frames *f, uint64_t pa, enum cache_kind kind, uintptr_t caller);
int frames_free_page_slow(uint64_t pa, struct frames *f);
int frames_free_2m_slow(uint64_t pa, struct frames *f);

/* ---- banks (mm/frames.c) ----------------------------------------------------------------------------------------- */

/* The bank of frame n, which is in one. */
static inline struct buddy *frames_its_bank(const struct frames *f, uint64_t n)
{
	return (struct buddy *)(uintptr_t)(shared_load(f->sections, n >> MAX_ORDER) & SECTION_BANK_MASK);
}

/* The bank of frame n, or NULL. */
static inline struct buddy *frames_bank_of(const struct frames *f, uint64_t n)
{
	struct buddy *b;

	if (n >> MAX_ORDER >= f->n_sections)
		return NULL;
	b = frames_its_bank(f, n);
	return b && buddy_has(b, n) ? b : NULL;
}

/*
 * Whether there is a frame at pa, any number, whose record may be looked at. No lock: a section that is live stays so. A GiB
 * of which a bank has only a part is never open: there it has to be asked whether it has this frame.
 */
static always_inline bool frames_has_record(const struct frames *f, uint64_t pa)
{
	uint64_t entry;

	if (pa & f->address_check)
		return false;
	entry = shared_load(f->sections, pa >> SECTION_SHIFT);
	return likely(entry & SECTION_OPEN) || ((entry & SECTION_STATE_MASK) == SECTION_LIVE &&
						buddy_has(frames_its_bank(f, pa >> PAGE_SHIFT), pa >> PAGE_SHIFT));
}

/*
 * The banks in the order in which a CPU or request of `node` asks them (FRAMES_ANY_NODE: by limit class and address);
 * *cursor starts at 0. NULL at the end.
 */
struct buddy *frames_next_bank(struct frames *f, uint32_t node, uint64_t *cursor);

/* A block from the banks, drained caches included: its first frame, or BUDDY_NONE (counted as a failure). */
uint64_t frames_alloc_from_banks(struct frames *f, unsigned order, unsigned flags, unsigned tag, uint32_t node);

/* How many frames of bank b a request with these flags may take, at most `want`. */
static inline uint64_t frames_bank_room(struct buddy *b, uint64_t want, unsigned flags) REQUIRES(b->lock)
{
	uint64_t free;

	if (likely(!b->reserve_pages) || flags & FRAMES_RESERVE)
		return want; /* the bank itself says when there is nothing left */
	buddy_settle_locked(b);
	free = b->given_pages - b->used_pages;
	free = free > b->reserve_pages ? free - b->reserve_pages : 0;
	return free < want ? free : want;
}

/* A bank's counters, taken together. */
struct bank_counts {
	uint64_t given, used; /* frames */
	uint64_t moves;	      /* changes whenever a frame comes or goes */
};
struct bank_counts frames_count_bank(struct buddy *b) EXCLUDES(b->lock);

/* A claimed block of 2^order frames at frame n goes back to its bank. */
void frames_give_block(struct frames *f, uint64_t n, unsigned order);
/* n claimed blocks of a stack, any banks. */
void frames_give_batch(struct frames *f, const uint64_t *pa, unsigned n, enum cache_kind kind);

/* ---- watermarks (mm/frames_watch.c) ------------------------------------------------------------------------------ */

void frames_watch_look(struct frames *f);

/* After frames have moved between banks and users; no lock held. */
static inline void frames_watch_moved(struct frames *f)
{
	if (unlikely(rare_load(&f->watched)))
		frames_watch_look(f);
}

#endif
