/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The public page allocator: which bank is asked, who may give a frame back, and what is said when somebody must not.
 * What happens inside a bank is mm/buddy*.
 */
#include "mm/frames.h"
#include "arch/arch.h"
#include "lib/log.h"
#include "mm/buddy_fast.h"

_Static_assert(BUDDY_ALIGN > (SECTION_STATE_MASK | SECTION_OPEN),
	       "a section's state stands in the low bits of its bank's address");

/* ---- bring-up ---------------------------------------------------------------------------------------------------- */

/* [B14] */
void frames_init(struct frames *f, struct page *map, uint64_t *sections, uint64_t n_sections)
{
	*f = (struct frames){ .map = (uintptr_t)map, .sections = sections, .n_sections = n_sections };
}

uint64_t frames_bank_metadata_size(pfn_t start, uint64_t pages)
{
	return buddy_metadata_size(start.n, pages);
}

static bool above_split(uint64_t n)
{
	return n >= FRAMES_CLASS_SPLIT >> PAGE_SHIFT;
}

/* Where the bank belongs in the order in which banks are asked: memory below 4 GiB last, then by address. [B9] */
static bool comes_before(const struct buddy *a, const struct buddy *b)
{
	if (above_split(a->start) != above_split(b->start))
		return above_split(a->start);
	return a->start < b->start;
}

/* [B14] [B22] */
int frames_add_bank(struct frames *f, pfn_t start, uint64_t pages, uint32_t numa_node, void *metadata)
{
	uint64_t end = start.n + pages, last = end - 1;
	struct buddy *b, **link;

	if (!pages || !metadata)
		return MM_EINVAL;
	if (last < start.n || last >> MAX_ORDER >= f->n_sections ||
	    (last >> MAX_ORDER) - (start.n >> MAX_ORDER) >= BUDDY_MAX_SECTIONS)
		return MM_ERANGE;
	if (above_split(start.n) != above_split(last))
		return MM_EINVAL;
	if (!IS_ALIGNED((uintptr_t)metadata, BUDDY_ALIGN))
		return MM_EALIGN;
	for (uint64_t s = start.n >> MAX_ORDER; s <= last >> MAX_ORDER; s++)
		if (f->sections[s])
			return MM_EEXIST;

	b = buddy_init(metadata, start.n, pages, f->map, f->sections, numa_node);
	for (uint64_t s = start.n >> MAX_ORDER; s <= last >> MAX_ORDER; s++)
		f->sections[s] = (uintptr_t)b | SECTION_ABSENT;
	for (link = &f->banks; *link && comes_before(*link, b); link = &(*link)->next)
		;
	b->next = *link;
	*link = b;
	for (b = f->banks; b && above_split(b->start); b = b->next)
		;
	f->low = b;
	f->bank_count++;
	return MM_OK;
}

/* The state of frame n's section, which is in the table. Under the lock of its bank it stays. */
static enum section_state section_of(struct frames *f, uint64_t n)
{
	uint64_t entry = __atomic_load_n(&f->sections[n >> MAX_ORDER], __ATOMIC_RELAXED);

	return (enum section_state)(entry & SECTION_STATE_MASK);
}

/* The bank that has frame n, or NULL. */
static struct buddy *bank_of(struct frames *f, uint64_t n)
{
	uint64_t entry;
	struct buddy *b;

	if (n >> MAX_ORDER >= f->n_sections)
		return NULL;
	entry = __atomic_load_n(&f->sections[n >> MAX_ORDER], __ATOMIC_RELAXED);
	b = (struct buddy *)(uintptr_t)(entry & SECTION_BANK_MASK);
	return b && n - b->start < b->end - b->start ? b : NULL;
}

/* [BT30] */
int frames_add_memory(struct frames *f, pfn_t start, uint64_t pages)
{
	struct buddy *b = bank_of(f, start.n);
	unsigned long irq;
	int err;

	if (!b || !pages || pages > b->end - start.n)
		return MM_EINVAL;
	irq = spin_lock(&b->lock);
	err = buddy_add_locked(b, start.n, start.n + pages);
	spin_unlock(&b->lock, irq);
	return err;
}

/* ---- allocation -------------------------------------------------------------------------------------------------- */

static noinline uint64_t alloc_from(struct buddy *b, unsigned order, unsigned tag)
{
	unsigned long irq = spin_lock(&b->lock);
	uint64_t n = buddy_alloc_locked(b, order, tag);

	spin_unlock(&b->lock, irq);
	return n;
}

/* The first bank had none: b and those after it. */
static noinline int alloc_next(struct frames *f, struct buddy *b, unsigned order, unsigned flags, unsigned tag,
			       pfn_t *out)
{
	for (; b; b = b->next) {
		uint64_t n = alloc_from(b, order, tag);

		if (n == BUDDY_NONE)
			continue;
		out->n = n;
		if (flags & FRAMES_ZERO)
			arch_zero(phys_to_virt(pfn_to_paddr(pfn(n))), PAGE_SIZE << order);
		return MM_OK;
	}
	__atomic_fetch_add(&f->failures, 1, __ATOMIC_RELAXED);
	return MM_ENOMEM;
}

/* [B1] [B7] [B8] [B9] [B20] [B21] [B23] */
int frames_alloc(struct frames *f, unsigned order, unsigned flags, enum page_tag tag, pfn_t *out)
{
	struct buddy *b = flags & FRAMES_BELOW_4G ? f->low : f->banks;
	unsigned long irq;
	uint64_t n;

	if (unlikely(order > MAX_ORDER || flags > (FRAMES_ZERO | FRAMES_BELOW_4G) || (unsigned)tag > 0xff))
		return MM_EINVAL;
	/* The first bank is written out: most requests end here, and a loop around it would cost them dear. */
	if (unlikely(!b))
		return alloc_next(f, b, order, flags, (unsigned)tag, out);
	irq = spin_lock(&b->lock);
	n = buddy_alloc_locked(b, order, (unsigned)tag);
	spin_unlock(&b->lock, irq);
	if (unlikely(n == BUDDY_NONE))
		return alloc_next(f, b->next, order, flags, (unsigned)tag, out);
	out->n = n;
	if (unlikely(flags & FRAMES_ZERO))
		arch_zero(phys_to_virt(pfn_to_paddr(pfn(n))), PAGE_SIZE << order);
	return MM_OK;
}

/* [B16] [B20] */
int frames_take(struct frames *f, pfn_t first, unsigned order, enum page_tag tag)
{
	struct buddy *b = bank_of(f, first.n);
	unsigned long irq;
	int err;

	if (order > MAX_ORDER || (unsigned)tag > 0xff)
		return MM_EINVAL;
	if (!IS_ALIGNED(first.n, (uint64_t)1 << order))
		return MM_EALIGN;
	if (!b)
		return MM_EFOREIGN;
	irq = spin_lock(&b->lock);
	err = buddy_take_locked(b, first.n, order, (unsigned)tag);
	spin_unlock(&b->lock, irq);
	return err;
}

/* ---- free -------------------------------------------------------------------------------------------------------- */

/* Why the block must not be freed, or MM_OK. */
static int judge(const struct frame_info *info, uint64_t n, unsigned order)
{
	switch (info->role) {
	case FRAME_FOREIGN:
		return MM_EFOREIGN;
	case FRAME_RESERVED:
		return MM_ERESERVED;
	case FRAME_FREE:
		return MM_EDOUBLE;
	case FRAME_ALLOC:
		break;
	}
	if (info->head.n != n)
		return MM_EINTERIOR;
	if (info->order != order)
		return MM_EORDER;
	return info->ref == 1 ? MM_OK : MM_EBUSY;
}

/* One line for a free that was refused. No lock is held: the sink may be slow. [B11] */
static void report(struct frames *f, uint64_t pa, unsigned order, int err, const struct frame_info *info,
		   uintptr_t caller)
{
	__atomic_fetch_add(&f->bad_frees, 1, __ATOMIC_RELAXED);
	if (info->role == FRAME_ALLOC || info->role == FRAME_FREE)
		log_error("frames: bad free of 0x%llx, order %u, by 0x%llx: %s (%s block at 0x%llx, order %u, "
			  "tag %s, %u references)\n",
			  (unsigned long long)pa, order, (unsigned long long)caller, mm_strerror(err),
			  info->role == FRAME_FREE ? "free" : "allocated",
			  (unsigned long long)pfn_to_paddr(info->head).v, info->order, page_tag_name(info->tag),
			  info->ref);
	else
		log_error("frames: bad free of 0x%llx, order %u, by 0x%llx: %s\n", (unsigned long long)pa, order,
			  (unsigned long long)caller, mm_strerror(err));
}

/* A block that must not be freed; or one that may, after all, when the section table has changed meanwhile. */
static noinline int free_slow(struct frames *f, uint64_t n, unsigned order, uintptr_t caller)
{
	struct frame_info info = { .role = FRAME_FOREIGN };
	struct buddy *b = bank_of(f, n);
	int err = order > MAX_ORDER ? MM_EINVAL : MM_EFOREIGN;

	if (b && order <= MAX_ORDER) {
		unsigned long irq = spin_lock(&b->lock);

		buddy_query_locked(b, n, &info);
		err = judge(&info, n, order);
		if (err == MM_OK && section_of(f, n) == SECTION_WHOLE)
			buddy_free_whole_locked(b, n);
		else if (err == MM_OK)
			buddy_free_locked(b, n, order, record_load(b, n));
		spin_unlock(&b->lock, irq);
	}
	if (err)
		report(f, n << PAGE_SHIFT, order, err, &info, caller);
	return err;
}

/* A section that was handed out whole, b's, may become touched until the lock is ours. */
static noinline int free_whole(struct frames *f, struct buddy *b, uint64_t n, unsigned order, uintptr_t caller)
{
	if (likely(order == MAX_ORDER && IS_ALIGNED(n, SECTION_PAGES))) {
		unsigned long irq = spin_lock(&b->lock);
		bool good = section_of(f, n) == SECTION_WHOLE &&
			    (record_load(b, n) & PAGE_WORD_CHECKED) == page_word(1, MAX_ORDER, PAGE_ALLOC, 0);

		if (likely(good))
			buddy_free_whole_locked(b, n);
		spin_unlock(&b->lock, irq);
		if (likely(good))
			return MM_OK;
	}
	return free_slow(f, n, order, caller);
}

/* Section table, bank, record; then nothing else can be wrong. */
static always_inline int free_block(struct frames *f, uint64_t n, unsigned order, uintptr_t caller)
{
	if (likely(n >> MAX_ORDER < f->n_sections && order <= MAX_ORDER)) {
		uint64_t entry = __atomic_load_n(&f->sections[n >> MAX_ORDER], __ATOMIC_RELAXED);
		struct buddy *b = (struct buddy *)(uintptr_t)(entry & SECTION_BANK_MASK);

		/* LIVE is for ever, and its records were written before our lock was released to us. */
		if (likely((entry & SECTION_STATE_MASK) == SECTION_LIVE && n - b->start < b->end - b->start)) {
			unsigned long irq = spin_lock(&b->lock);
			uint64_t record = record_load(b, n);
			bool good = (record & PAGE_WORD_CHECKED) == page_word(1, order, PAGE_ALLOC, 0);

			if (likely(good))
				buddy_free_locked(b, n, order, record);
			spin_unlock(&b->lock, irq);
			if (likely(good))
				return MM_OK;
		} else if ((entry & SECTION_STATE_MASK) == SECTION_WHOLE) {
			return free_whole(f, b, n, order, caller);
		}
	}
	return free_slow(f, n, order, caller);
}

/* [B2] [B11] [B20] [B21] [B23] */
int frames_free(struct frames *f, pfn_t first, unsigned order)
{
	return free_block(f, first.n, order, caller_address());
}

int frames_free_paddr(struct frames *f, paddr_t pa, unsigned order)
{
	if (unlikely(!IS_ALIGNED(pa.v, PAGE_SIZE))) {
		struct frame_info info = { .role = FRAME_FOREIGN };

		report(f, pa.v, order, MM_EALIGN, &info, caller_address());
		return MM_EALIGN;
	}
	return free_block(f, paddr_to_pfn(pa).n, order, caller_address());
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

/* [B6] [B20] */
void frames_query(struct frames *f, pfn_t frame, struct frame_info *out)
{
	struct buddy *b = bank_of(f, frame.n);
	unsigned long irq;

	*out = (struct frame_info){ .role = FRAME_FOREIGN };
	if (!b)
		return;
	irq = spin_lock(&b->lock);
	buddy_query_locked(b, frame.n, out);
	spin_unlock(&b->lock, irq);
}

/* [B26] */
struct page *frames_page(struct frames *f, pfn_t first)
{
	struct frame_info info;

	frames_query(f, first, &info);
	if (info.role != FRAME_ALLOC || info.head.n != first.n)
		return NULL;
	return (struct page *)(f->map + first.n * sizeof(struct page));
}

/* [B17] */
void frames_get_stats(struct frames *f, struct frames_stats *out)
{
	*out = (struct frames_stats){ .banks = f->bank_count };
	out->failures = __atomic_load_n(&f->failures, __ATOMIC_RELAXED);
	out->bad_frees = __atomic_load_n(&f->bad_frees, __ATOMIC_RELAXED);
	for (struct buddy *b = f->banks; b; b = b->next) {
		unsigned long irq = spin_lock(&b->lock);

		out->total_pages += b->given_pages;
		out->free_pages += b->given_pages - b->used_pages;
		out->peak_used_pages += b->peak_used_pages;
		out->allocs += b->allocs;
		out->frees += b->frees;
		spin_unlock(&b->lock, irq);
		out->metadata_bytes += b->metadata_bytes;
		buddy_count_free(b, out->free_blocks);
	}
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

/* [B18] */
int frames_validate(struct frames *f)
{
	uint64_t owned = 0, entries = 0;
	unsigned findings = 0, banks = 0;

	for (struct buddy *b = f->banks; b; b = b->next) {
		unsigned long irq = spin_lock(&b->lock);

		findings += buddy_validate_locked(b);
		spin_unlock(&b->lock, irq);
		banks++;
		owned += b->n_sections;
		if (b->next && !comes_before(b, b->next)) {
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
