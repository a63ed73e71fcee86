/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The paths through a CPU's cache, inline for the public functions of mm/frames.c and of the library. Every instruction
 * here is paid by every allocation: docs/benchmarks.md has the count. Whatever is out of the ordinary is a tail call, so
 * that these functions need no frame, and the caller that a complaint names is the right one. Private to mm/frames.c and
 * mm/library/.
 */
#ifndef MM_FRAMES_FAST_H
#define MM_FRAMES_FAST_H

#include "arch/exclusive.h"
#include "arch/irq.h"
#include "mm/buddy_fast.h"
#include "mm/frames_cache.h"

/* Both are loaded here, by one instruction; compilers would do it one by one, when each is needed. */
#define together(a, b) __asm__("" : "+r"(a), "+r"(b))

/*
 * The running CPU's. The caller may be moved to another CPU at any moment before interrupts are masked: then it works on
 * a stack that is not its own, under that stack's lock.
 */
static always_inline struct frames_cache *frames_my_cache(const struct frames *f, enum cache_kind kind)
{
	struct frames_cache *const *table = kind == CACHE_PAGE ? f->pages : f->blocks;
	uint64_t hash = rare_load(&f->cpu_hash);

	together(table, hash);
	return (struct frames_cache *)(uintptr_t)shared_load(table, arch_cpu_key() * hash >> CPU_HASH_SHIFT);
}

/* Whether blocks of 2 MiB are cached at all: without that, the bank is the shorter way. */
static always_inline bool frames_blocks_cached(const struct frames *f)
{
	return rare_load(&f->blocks_cached) != 0;
}

/* Where the records are, and what the record of a block that is allocated without a tag says. */
static always_inline uintptr_t frames_records(const struct frames *f, enum cache_kind kind, uint64_t *word)
{
	uintptr_t map = f->map;

	*word = page_word(1, 0, PAGE_ALLOC, 0);
	if (kind == CACHE_BLOCK) {
		uint64_t block_word = f->block_word;

		together(map, block_word);
		*word = block_word;
	}
	return map;
}

/* The top of the running CPU's stack, allocated to tag. False: there is none to be had so easily. [PC1] */
static always_inline bool frames_try_pop(struct frames *f, enum cache_kind kind, uint8_t tag, uint64_t *out)
{
	struct frames_cache *c = frames_my_cache(f, kind);
	unsigned long irq = arch_irq_save();
	uint64_t level, pa, word;
	uintptr_t records;

	if (unlikely(!exclusive_take(&c->word[0], &level))) {
		arch_irq_restore(irq);
		return false;
	}
	pa = c->word[level];
	if (unlikely(pa >> 63)) {
		exclusive_release(&c->word[0], level);
		arch_irq_restore(irq);
		return false;
	}
	records = frames_records(f, kind, &word);
	/* Owners write their records without a lock; hence the atomic word. */
	__atomic_store_n((page_word_t *)(records + (pa >> 9)), deposit_byte(word, tag, PAGE_WORD_TAG_SHIFT),
			 __ATOMIC_RELAXED);
	exclusive_release(&c->word[0], level + 1);
	arch_irq_restore(irq);
	*out = pa;
	return true;
}

static always_inline uint64_t frames_pop(struct frames *frames, enum cache_kind kind, uint8_t tag)
{
	struct frames *f = cheap_base(frames);
	uint64_t pa;

	if (unlikely(!frames_try_pop(f, kind, tag, &pa)))
		return frames_pop_slow(tag, f, kind);
	return pa;
}

/*
 * A jump, so that no frame is needed for it, and whom it finds in its return address is the caller of the public function.
 * NO_TAIL_CALLS: built with a compiler that would make a call of it.
 */
static always_inline int frames_push_refused(uint64_t pa, struct frames *f, enum cache_kind kind)
{
#ifdef NO_TAIL_CALLS
	return frames_free_late(f, pa, kind, caller_address());
#else
	return kind == CACHE_PAGE ? frames_free_page_slow(pa, f) : frames_free_2m_slow(pa, f);
#endif
}

/*
 * Section table, then record: no bank, no lock. Anything else (also a GiB of which a bank has only a part) is looked at
 * in frames_free_slow(). [PC3]
 */
static always_inline int frames_push(struct frames *frames, uint64_t pa, enum cache_kind kind)
{
	struct frames *f = cheap_base(frames);
	uint64_t *sections = f->sections, check = f->address_check, level, word;
	uintptr_t records;
	struct frames_cache *c;
	unsigned long irq;

	together(sections, check);
	if (unlikely(pa & check))
		return frames_push_refused(pa, f, kind);
	/*
	 * No order with the record is needed. Whoever frees a block has its address from somebody who saw the section
	 * open. Whoever frees what he does not have, while another CPU opens the section, may load a record from before
	 * it was zeroed; but then his store exclusive fails, since that store came in between.
	 */
	if (unlikely(!(shared_load(sections, pa >> SECTION_SHIFT) & SECTION_OPEN)))
		return frames_push_refused(pa, f, kind);
	c = frames_my_cache(f, kind);
	irq = arch_irq_save();
	if (unlikely(!exclusive_take_above(&c->word[0], 1, &level))) {
		arch_irq_restore(irq);
		return frames_push_refused(pa, f, kind);
	}
	/* From here on the block is ours to bring somewhere; under the stack's lock, so that nobody finds it nowhere. [PC2] */
	records = frames_records(f, kind, &word);
	if (unlikely(!exclusive_flip((page_word_t *)(records + (pa >> 9)), word, PAGE_WORD_CHECKED,
				     PAGE_WORD_CACHED_BIT))) {
		exclusive_release(&c->word[0], level);
		arch_irq_restore(irq);
		return frames_push_refused(pa, f, kind);
	}
	level--;
	c->word[level] = pa;
	exclusive_release(&c->word[0], level);
	arch_irq_restore(irq);
	return MM_OK;
}

/* ---- blocks that no cache takes ----------------------------------------------------------------------------------- */

/* The rest of both: the bank is locked and has to look; the request or the block is unusual. */
int frames_alloc_search(struct frames *f, struct buddy *b, unsigned order, unsigned tag, uint64_t *out,
			unsigned long irq) RELEASE(b->lock);
int frames_alloc_odd(struct frames *f, unsigned order, unsigned flags, unsigned tag, uint64_t *out);
int frames_free_search(struct frames *f, struct buddy *b, uint64_t n, unsigned order, unsigned long irq)
	RELEASE(b->lock);
int frames_free_odd(uint64_t pa, unsigned order, struct frames *f);
/* frames_watch_look(), MM_OK. */
int frames_watch_tail(struct frames *f);

/* frames_alloc(), by address. [PC4] */
static always_inline int frames_alloc_any(struct frames *frames, unsigned order, unsigned flags, unsigned tag,
					  uint64_t *out)
{
	struct frames *f = cheap_base(frames);
	struct buddy *b;
	unsigned long irq;
	uint64_t n;

	if (likely(!(order | flags | tag >> 8)) && likely(frames_try_pop(f, CACHE_PAGE, (uint8_t)tag, out)))
		return MM_OK;
	b = f->banks;
	if (unlikely(order - 1 > MAX_ORDER - 1 || flags | tag >> 8 || !b) ||
	    (likely(order == CACHE_BLOCK_ORDER) && unlikely(frames_blocks_cached(f))))
		return frames_alloc_odd(f, order, flags, tag, out);
	irq = spin_lock(&b->lock);
	if (unlikely(!buddy_alloc_last_locked(b, order, tag, &n)))
		return frames_alloc_search(f, b, order, tag, out, irq);
	spin_unlock(&b->lock, irq);
	*out = n << PAGE_SHIFT;
	if (unlikely(rare_load(&f->watched)))
		return frames_watch_tail(f);
	return MM_OK;
}

/* A jump, as in frames_push_refused(). */
static always_inline int frames_free_refused(uint64_t pa, unsigned order, struct frames *f)
{
#ifdef NO_TAIL_CALLS
	return frames_free_slow(f, pa, order, caller_address());
#else
	return frames_free_odd(pa, order, f);
#endif
}

/* frames_free_paddr(). */
static always_inline int frames_free_any(struct frames *frames, uint64_t pa, unsigned order)
{
	struct frames *f = cheap_base(frames);
	uint64_t *sections = f->sections, check = f->address_check, n = pa >> PAGE_SHIFT, entry;
	struct buddy *b;
	unsigned long irq;

	if (likely(order == 0))
		return frames_push(f, pa, CACHE_PAGE);
	if (likely(order == CACHE_BLOCK_ORDER) && unlikely(frames_blocks_cached(f)))
		return frames_push(f, pa, CACHE_BLOCK);
	together(sections, check);
	if (unlikely(pa & check || order > MAX_ORDER))
		return frames_free_refused(pa, order, f);
	entry = shared_load(sections, pa >> SECTION_SHIFT);
	b = (struct buddy *)(uintptr_t)(entry & SECTION_BANK_MASK);
	/* A section that was handed out whole has the record of its first frame. */
	if (unlikely(!(entry & SECTION_OPEN)) &&
	    ((entry & SECTION_STATE_MASK) != SECTION_WHOLE || n & (SECTION_PAGES - 1)))
		return frames_free_refused(pa, order, f);
	irq = spin_lock(&b->lock);
	if (unlikely(!exclusive_flip((page_word_t *)(f->map + (pa >> 9)), page_word(1, order, PAGE_ALLOC, 0),
				     PAGE_WORD_CHECKED, PAGE_WORD_CACHED_BIT))) {
		spin_unlock(&b->lock, irq);
		return frames_free_refused(pa, order, f);
	}
	if (unlikely(!buddy_free_last_locked(b, n, order)))
		return frames_free_search(f, b, n, order, irq);
	spin_unlock(&b->lock, irq);
	if (unlikely(rare_load(&f->watched)))
		return frames_watch_tail(f);
	return MM_OK;
}

#endif
