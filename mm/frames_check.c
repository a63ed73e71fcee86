/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to the page allocator as a whole: counters, owners, what came after a mark, and the check of everything. */
#include "arch/spinlock.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/buddy_fast.h"
#include "mm/frames_cache.h"

/* ---- counters ---------------------------------------------------------------------------------------------------- */

/* [B17] */
void frames_get_stats(struct frames *f, struct frames_stats *out)
{
	struct frames_cpu_stats cpu;

	*out = (struct frames_stats){ .banks = f->bank_count };
	out->failures = __atomic_load_n(&f->failures, __ATOMIC_RELAXED);
	out->bad_frees = __atomic_load_n(&f->bad_frees, __ATOMIC_RELAXED);
	for (; frames_get_cpu_stats(f, out->cpus, &cpu); out->cpus++) {
		out->refills += cpu.refills;
		out->drains += cpu.drains;
	}
	out->cached_pages = frames_cached(f);
	out->cache_limit_pages = frames_cache_limit(f);
	out->free_pages = out->cached_pages;
	for (struct buddy *b = f->banks; b; b = b->next) {
		unsigned long irq = spin_lock(&b->lock);

		buddy_settle_locked(b);
		out->total_pages += b->given_pages;
		out->free_pages += b->given_pages - b->used_pages;
		out->reserve_pages += b->reserve_pages;
		out->peak_used_pages += b->peak_used_pages;
		out->allocs += b->live + b->frees;
		out->frees += b->frees;
		spin_unlock(&b->lock, irq);
		out->metadata_bytes += b->metadata_bytes;
		buddy_count_free(b, out->free_blocks);
	}
}

/* [DG4] */
bool frames_get_bank_stats(struct frames *f, unsigned i, struct frames_bank_stats *out)
{
	struct buddy *b = f->banks;
	unsigned long irq;

	for (; b && i; i--)
		b = b->next;
	*out = (struct frames_bank_stats){ 0 };
	if (!b)
		return false;
	irq = spin_lock(&b->lock);
	buddy_settle_locked(b);
	out->total_pages = b->given_pages;
	out->used_pages = b->used_pages;
	out->reserve_pages = b->reserve_pages;
	out->peak_used_pages = b->peak_used_pages;
	out->allocs = b->live + b->frees;
	out->frees = b->frees;
	spin_unlock(&b->lock, irq);
	out->start = pfn(b->start);
	out->pages = b->end - b->start;
	out->node = b->numa_node;
	buddy_count_free(b, out->free_blocks);
	return true;
}

/* [FC1] */
unsigned frames_fragmentation(const struct frames_stats *stats, unsigned order)
{
	uint64_t free = 0, usable = 0;

	for (unsigned k = 0; k <= MAX_ORDER; k++) {
		free += stats->free_blocks[k] << k;
		if (k >= order)
			usable += stats->free_blocks[k] << k;
	}
	/* Fewer than 2^40 frames: no overflow. */
	return free ? (unsigned)((free - usable) * 1000 / free) : 1000;
}

int frames_largest_free(struct frames *f)
{
	int largest = -1;

	for (struct buddy *b = f->banks; b; b = b->next) {
		unsigned long irq = spin_lock(&b->lock);
		int order = buddy_largest_locked(b);

		spin_unlock(&b->lock, irq);
		if (order > largest)
			largest = order;
	}
	return largest;
}

/* ---- owners ------------------------------------------------------------------------------------------------------ */

/*
 * The next record of an allocated block at or after frame *n, before end; NULL at the end. *n becomes the block's first
 * frame, *word its record. Reads records as they change, without a lock: what is allocated all the while is found.
 */
static page_word_t *next_allocated(struct frames *f, uint64_t *n, uint64_t end, uint64_t *word)
{
	while (*n < end) {
		struct buddy *b = frames_bank_of(f, *n);
		uint64_t section = ALIGN_DOWN(*n, SECTION_PAGES), state = SECTION_NONE;
		page_word_t *record = (page_word_t *)(f->map + *n * sizeof(struct page));

		if (b)
			state = __atomic_load_n(&f->sections[*n >> MAX_ORDER], __ATOMIC_ACQUIRE) & SECTION_STATE_MASK;
		if (state != SECTION_LIVE && !(state == SECTION_WHOLE && *n == section)) {
			*n = section + SECTION_PAGES;
			continue;
		}
		*word = __atomic_load_n(record, __ATOMIC_RELAXED);
		if (page_word_state(*word) == PAGE_ALLOC)
			return record;
		*n += page_word_state(*word) == PAGE_NONE ? 1 : (uint64_t)1 << page_word_order(*word);
	}
	return NULL;
}

/* A bank's first frame may lie inside a section, so that the walk starts there. */
#define for_each_allocated(f, b, n, word, record)                                                              \
	for (struct buddy *b = (f)->banks; b; b = b->next)                                                     \
		for (uint64_t n = b->start, word = 0; (record = next_allocated(f, &n, b->end, &word)) != NULL; \
		     n += (uint64_t)1 << page_word_order(word))

/* [FC2] */
void frames_count_owners(struct frames *f, uint64_t pages[256])
{
	page_word_t *record;

	memset(pages, 0, 256 * sizeof(pages[0]));
	for_each_allocated(f, b, n, word, record) pages[page_word_tag(word)] += (uint64_t)1 << page_word_order(word);
}

/* [FC3] */
void frames_mark(struct frames *f)
{
	page_word_t *record;

	for_each_allocated(f, b, n, word, record)
		/* A block that is freed, or whose references are counted, meanwhile: its new word is looked at. */
		while (page_word_state(word) == PAGE_ALLOC &&
		       !__atomic_compare_exchange_n(record, &word, word | PAGE_WORD_OLD, true, __ATOMIC_RELAXED,
						    __ATOMIC_RELAXED));
}

uint64_t frames_leaks(struct frames *f, frames_show_fn show, void *ctx)
{
	page_word_t *record;
	uint64_t pages = 0;

	for_each_allocated(f, b, n, word, record)
	{
		struct frame_info info = {
			.role = FRAME_ALLOC,
			.head = pfn(n),
			.order = page_word_order(word),
			.tag = page_word_tag(word),
			.ref = page_word_ref(word),
		};

		if (word & PAGE_WORD_OLD)
			continue;
		pages += (uint64_t)1 << info.order;
		if (show)
			show(ctx, &info);
	}
	return pages;
}

/* ---- the check --------------------------------------------------------------------------------------------------- */

static bool banks_in_order(const struct buddy *a, const struct buddy *b)
{
	bool a_high = a->start >= FRAMES_CLASS_SPLIT >> PAGE_SHIFT,
	     b_high = b->start >= FRAMES_CLASS_SPLIT >> PAGE_SHIFT;

	return a_high != b_high ? a_high : a->start < b->start;
}

/* All banks. *cached: frames whose records say that they are in a cache. */
static unsigned validate_banks(struct frames *f, uint64_t *cached)
{
	unsigned findings = 0;

	*cached = 0;
	for (struct buddy *b = f->banks; b; b = b->next) {
		unsigned long irq = spin_lock(&b->lock);

		findings += buddy_validate_locked(b, cached);
		spin_unlock(&b->lock, irq);
	}
	return findings;
}

/* Changes whenever a frame moves between a bank and anybody. */
static uint64_t moves(struct frames *f)
{
	uint64_t n = 0;

	for (struct buddy *b = f->banks; b; b = b->next)
		n += frames_count_bank(b).moves;
	return n;
}

/* Frames in all caches. */
static uint64_t held_now(struct frames *f)
{
	struct frames_cpu_stats cpu;
	uint64_t held = 0;

	for (unsigned i = 0; frames_get_cpu_stats(f, i, &cpu); i++)
		held += cpu.pages + ((uint64_t)cpu.blocks << CACHE_BLOCK_ORDER);
	return held;
}

/*
 * Whether frames are in no cache although their records say so. Their owners may have taken them from a stack since their
 * records were read, so all stacks stand still for this. What was claimed before and is on its way to a bank arrives, which
 * counts as a move, or is still on its way.
 */
static unsigned find_lost(struct frames *f)
{
	unsigned findings = 0;
	uint64_t cached = 0, held = 0;
	bool quiet = false;

	/* With the other CPUs at work it may never be quiet. */
	for (unsigned tries = 0; tries < 5 && !quiet; tries++) {
		unsigned long irq;
		uint64_t before;

		held = frames_cache_freeze(f, &irq);
		before = moves(f);
		findings = validate_banks(f, &cached);
		/* In this order: what arrives between the two looks has been a move by the second. */
		quiet = findings || cached <= held ||
			(!__atomic_load_n(&f->moving, __ATOMIC_ACQUIRE) && moves(f) == before);
		frames_cache_thaw(f, irq);
	}
	if (findings || !quiet || cached <= held)
		return findings;
	log_error("frames: %llu frames are cached by their records, but in no cache\n",
		  (unsigned long long)(cached - held));
	return 1;
}

/* [B18] [PV4] */
int frames_validate(struct frames *f)
{
	uint64_t owned = 0, entries = 0, cached;
	unsigned findings, banks = 0;

	frames_drain(f);
	findings = frames_cache_validate(f) + validate_banks(f, &cached);
	if (!findings && cached > held_now(f))
		findings = find_lost(f);
	for (struct buddy *b = f->banks; b; b = b->next) {
		banks++;
		owned += b->n_sections;
		if (b->next && !banks_in_order(b, b->next)) {
			log_error("frames: banks at frames 0x%llx and 0x%llx are out of order\n",
				  (unsigned long long)b->start, (unsigned long long)b->next->start);
			findings++;
		}
	}
	for (uint64_t s = 0; s < f->n_sections; s++)
		entries += __atomic_load_n(&f->sections[s], __ATOMIC_RELAXED) != 0;
	if (entries != owned || banks != f->bank_count) {
		log_error("frames: %u of %u banks with %llu sections, the table has %llu\n", banks, f->bank_count,
			  (unsigned long long)owned, (unsigned long long)entries);
		findings++;
	}
	return findings ? MM_ECORRUPT : MM_OK;
}
