/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The public page allocator: which bank is asked, who may give a frame back, and what is said when somebody must not.
 * What happens inside a bank is mm/buddy*.
 */
#include "mm/frames.h"
#include "arch/arch.h"
#include "lib/log.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/frames_fast.h"
#include "mm/frames_judge.h"

_Static_assert(BUDDY_ALIGN > (SECTION_STATE_MASK | SECTION_OPEN),
	       "a section's state stands in the low bits of its bank's address");

/* ---- bring-up ---------------------------------------------------------------------------------------------------- */

/* A power of two: an address is behind the table when one of its upper bits is set. */
static uint64_t section_table_entries(uint64_t n_sections)
{
	uint64_t n = 1;

	while (n < n_sections)
		n <<= 1;
	return n;
}

uint64_t frames_section_table_size(uint64_t n_sections)
{
	return section_table_entries(n_sections) * FRAMES_SECTION_BYTES;
}

/* [B14] */
void frames_init(struct frames *f, struct page *map, uint64_t *sections, uint64_t n_sections)
{
	memset(f, 0, sizeof(*f));
	f->map = (uintptr_t)map;
	f->block_word = page_word(1, CACHE_BLOCK_ORDER, PAGE_ALLOC, 0);
	f->sections = sections;
	f->n_sections = n_sections;
	f->address_check = ~((section_table_entries(n_sections) << SECTION_SHIFT) - 1) | PAGE_MASK;
	frames_cache_init(f);
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

/* [BT30] */
int frames_add_memory(struct frames *f, pfn_t start, uint64_t pages)
{
	struct buddy *b = frames_bank_of(f, start.n);
	unsigned long irq;
	int err;

	if (!b || !pages || pages > b->end - start.n)
		return MM_EINVAL;
	irq = spin_lock(&b->lock);
	err = buddy_add_locked(b, start.n, start.n + pages);
	spin_unlock(&b->lock, irq);
	if (!err) {
		frames_cache_share_out(f);
		frames_watch_moved(f);
	}
	return err;
}

/* ---- which bank -------------------------------------------------------------------------------------------------- */

/* [FX8] */
int frames_set_distance(struct frames *f, uint32_t from, uint32_t to, unsigned distance)
{
	if (distance < 10)
		return MM_EINVAL;
	if (from >= FRAMES_MAX_NODES || to >= FRAMES_MAX_NODES || distance > UINT8_MAX)
		return MM_ERANGE;
	f->distance[from][to] = (uint8_t)distance;
	return MM_OK;
}

static unsigned distance(const struct frames *f, uint32_t from, uint32_t to)
{
	if (from == FRAMES_ANY_NODE)
		return 0;
	if (from < FRAMES_MAX_NODES && to < FRAMES_MAX_NODES && f->distance[from][to])
		return f->distance[from][to];
	return from == to ? 10 : 20;
}

/* Nearest first; among equally near ones, high memory first, then by address. *cursor: one more than the last one's rank. */
struct buddy *frames_next_bank(struct frames *f, uint32_t node, uint64_t *cursor)
{
	uint64_t best = UINT64_MAX, position = 0;
	struct buddy *found = NULL;

	for (struct buddy *b = f->banks; b; b = b->next, position++) {
		uint64_t rank = (uint64_t)distance(f, node, b->numa_node) << 32 | position;

		if (rank >= *cursor && rank < best) {
			best = rank;
			found = b;
		}
	}
	*cursor = best + 1;
	return found;
}

/* ---- allocation -------------------------------------------------------------------------------------------------- */

static always_inline uint64_t alloc_from(struct buddy *b, unsigned order, unsigned flags, unsigned tag)
{
	unsigned long irq = spin_lock(&b->lock);
	uint64_t size = (uint64_t)1 << order, n = BUDDY_NONE;

	if (likely(frames_bank_room(b, size, flags) == size))
		n = buddy_alloc_locked(b, order, tag);
	spin_unlock(&b->lock, irq);
	return n;
}

static uint64_t alloc_once(struct frames *f, unsigned order, unsigned flags, unsigned tag, uint32_t node)
{
	uint64_t n = BUDDY_NONE, cursor = 0;
	struct buddy *b;

	while (n == BUDDY_NONE && (b = frames_next_bank(f, node, &cursor)) != NULL)
		if (!(flags & FRAMES_BELOW_4G) || !above_split(b->start))
			n = alloc_from(b, order, flags, tag);
	return n;
}

/*
 * Before it gives up, what lies in caches is given back, in case it is, or completes, what is missing. Other CPUs may fill
 * theirs again at once: hence once more, not until it works.
 */
uint64_t frames_alloc_from_banks(struct frames *f, unsigned order, unsigned flags, unsigned tag, uint32_t node)
{
	uint64_t n = alloc_once(f, order, flags, tag, node);

	for (unsigned tries = 0; n == BUDDY_NONE && tries < 2 && frames_drain(f); tries++)
		n = alloc_once(f, order, flags, tag, node);
	if (n == BUDDY_NONE)
		__atomic_fetch_add(&f->failures, 1, __ATOMIC_RELAXED);
	frames_watch_moved(f);
	return n;
}

/* The first bank had none, or there is more to do. */
static noinline int alloc_rest(struct frames *f, unsigned order, unsigned flags, unsigned tag, pfn_t *out)
{
	uint64_t n;

	if (!(flags & ~FRAMES_ZERO) && (order == 0 || order == CACHE_BLOCK_ORDER)) {
		paddr_t pa = order ? frames_alloc_2m(f, (uint8_t)tag) : frames_alloc_page(f, (uint8_t)tag);

		if (!frames_is_page(pa))
			return MM_ENOMEM;
		n = paddr_to_pfn(pa).n;
	} else {
		n = frames_alloc_from_banks(f, order, flags, tag, FRAMES_ANY_NODE);
		if (n == BUDDY_NONE)
			return MM_ENOMEM;
	}
	if (flags & FRAMES_ZERO)
		arch_zero(phys_to_virt(pfn_to_paddr(pfn(n))), PAGE_SIZE << order);
	out->n = n;
	return MM_OK;
}

paddr_t frames_alloc_page(struct frames *f, uint8_t tag)
{
	return paddr(frames_pop(f, CACHE_PAGE, tag));
}

paddr_t frames_alloc_2m(struct frames *f, uint8_t tag)
{
	return paddr(frames_pop(f, CACHE_BLOCK, tag));
}

int frames_watch_tail(struct frames *f)
{
	frames_watch_look(f);
	return MM_OK;
}

/* Bank b is locked, and its free blocks have to be searched. */
int frames_alloc_search(struct frames *f, struct buddy *b, unsigned order, unsigned tag, uint64_t *out,
			unsigned long irq)
{
	uint64_t size = (uint64_t)1 << order, n = BUDDY_NONE;
	pfn_t first;
	int err;

	if (likely(frames_bank_room(b, size, 0) == size))
		n = buddy_alloc_locked(b, order, tag);
	spin_unlock(&b->lock, irq);
	if (unlikely(n == BUDDY_NONE)) {
		err = alloc_rest(f, order, 0, tag, &first);
		if (err)
			return err;
		n = first.n;
	}
	*out = n << PAGE_SHIFT;
	frames_watch_moved(f);
	return MM_OK;
}

int frames_alloc_odd(struct frames *f, unsigned order, unsigned flags, unsigned tag, uint64_t *out)
{
	pfn_t first;
	int err;

	if (unlikely(order > MAX_ORDER || flags > (FRAMES_ZERO | FRAMES_BELOW_4G | FRAMES_RESERVE) || tag > 0xff))
		return MM_EINVAL;
	err = alloc_rest(f, order, flags, tag, &first);
	if (!err)
		*out = first.n << PAGE_SHIFT;
	return err;
}

/* [B1] [B7] [B8] [B9] [B20] [B21] [B23] */
int frames_alloc(struct frames *f, unsigned order, unsigned flags, enum page_tag tag, pfn_t *out)
{
	uint64_t pa = 0;
	int err = frames_alloc_any(f, order, flags, (unsigned)tag, &pa);

	if (!err)
		out->n = pa >> PAGE_SHIFT;
	return err;
}

/* [B16] [B20] */
int frames_take(struct frames *f, pfn_t first, unsigned order, enum page_tag tag)
{
	struct buddy *b = frames_bank_of(f, first.n);
	int err;

	if (order > MAX_ORDER || (unsigned)tag > 0xff)
		return MM_EINVAL;
	if (!IS_ALIGNED(first.n, (uint64_t)1 << order))
		return MM_EALIGN;
	if (!b)
		return MM_EFOREIGN;
	for (unsigned tries = 0;; tries++) {
		unsigned long irq = spin_lock(&b->lock);

		err = buddy_take_locked(b, first.n, order, (unsigned)tag);
		spin_unlock(&b->lock, irq);
		/* It, or a part of it, may lie in a cache. */
		if (err != MM_EBUSY || tries == 2 || !frames_drain(f))
			break;
	}
	frames_watch_moved(f);
	return err;
}

struct bank_counts frames_count_bank(struct buddy *b)
{
	unsigned long irq = spin_lock(&b->lock);
	struct bank_counts counts;

	buddy_settle_locked(b);
	counts = (struct bank_counts){ b->given_pages, b->used_pages, b->live + 2 * b->frees };
	spin_unlock(&b->lock, irq);
	return counts;
}

/* ---- giving back what was claimed -------------------------------------------------------------------------------- */

void frames_give_block(struct frames *f, uint64_t n, unsigned order)
{
	struct buddy *b = frames_bank_of(f, n);
	unsigned long irq = spin_lock(&b->lock);

	buddy_free_locked(b, n, order);
	spin_unlock(&b->lock, irq);
}

/* Blocks of 2 MiB go back one by one: as many as are in bank b. */
static noinline unsigned give_blocks(struct buddy *b, const uint64_t *pa, unsigned n) REQUIRES(b->lock)
{
	unsigned done = 0;

	for (; done < n && buddy_has(b, pa[done] >> PAGE_SHIFT); done++)
		buddy_free_locked(b, pa[done] >> PAGE_SHIFT, CACHE_BLOCK_ORDER);
	return done;
}

/* Neighbours in a stack are mostly of one section, so of one bank: its lock is taken once for all of these. [PC11] */
void frames_give_batch(struct frames *f, const uint64_t *pa, unsigned n, enum cache_kind kind)
{
	while (n) {
		struct buddy *b = frames_its_bank(f, *pa >> PAGE_SHIFT);
		unsigned long irq = spin_lock(&b->lock);
		unsigned done = likely(kind == CACHE_PAGE) ? buddy_put_batch_locked(b, pa, n) : give_blocks(b, pa, n);

		spin_unlock(&b->lock, irq);
		if (unlikely(!done))
			panic("frames: 0x%llx was claimed, and is in no bank", (unsigned long long)*pa);
		pa += done;
		n -= done;
	}
}

/* ---- free -------------------------------------------------------------------------------------------------------- */

/* No lock is held: the sink may be slow. [B11] [DG3] */
void frames_report(struct frames *f, uint64_t pa, const char *what, int err, const struct frame_info *info,
		   uintptr_t caller)
{
	const char *state = info->role == FRAME_ALLOC ? "allocated" : info->cached ? "cached" : "free";

	__atomic_fetch_add(&f->bad_frees, 1, __ATOMIC_RELAXED);
	if (info->role == FRAME_ALLOC || info->role == FRAME_FREE)
		log_error("frames: bad free of 0x%llx, %s, by %pB: %s (%s block at 0x%llx, order %u, tag %s (%u), "
			  "%u references)\n",
			  (unsigned long long)pa, what, (void *)caller, mm_strerror(err), state,
			  (unsigned long long)pfn_to_paddr(info->head).v, info->order, page_tag_name(info->tag),
			  info->tag, info->ref);
	else
		log_error("frames: bad free of 0x%llx, %s, by %pB: %s\n", (unsigned long long)pa, what, (void *)caller,
			  mm_strerror(err));
}

/* What became of a block that nobody else has claimed. */
static void give(struct frames *f, uint64_t n, unsigned order)
{
	if (order == 0 || order == CACHE_BLOCK_ORDER)
		(void)frames_push_slow(n << PAGE_SHIFT, f, order ? CACHE_BLOCK : CACHE_PAGE);
	else
		frames_give_block(f, n, order);
}

bool frames_try_free(struct frames *f, uint64_t n, unsigned order)
{
	enum section_state state = section_of(f, n);
	bool freed = false;

	/* A section that was handed out whole has the record of its first frame. */
	frames_moving(f, 1);
	if ((state == SECTION_LIVE || (state == SECTION_WHOLE && IS_ALIGNED(n, SECTION_PAGES))) &&
	    frames_claim(f, n, order)) {
		give(f, n, order);
		freed = true;
	}
	frames_moving(f, -1);
	if (freed)
		frames_watch_moved(f);
	return freed;
}

/* [PC3] [PV3] */
noinline int frames_free_slow(struct frames *f, uint64_t pa, unsigned order, uintptr_t caller)
{
	struct frame_info info = { .role = FRAME_FOREIGN };
	uint64_t n = pa >> PAGE_SHIFT;
	struct buddy *b = frames_bank_of(f, n);
	char what[24];
	int err = order > MAX_ORDER ? MM_EINVAL : !IS_ALIGNED(pa, PAGE_SIZE) ? MM_EALIGN : MM_EFOREIGN;
	bool sensible = err == MM_EFOREIGN;

	while (b) {
		if (sensible && frames_try_free(f, n, order))
			return MM_OK;
		frames_query(f, pfn(n), &info);
		/* Whatever is wrong with the arguments, whose block it is belongs into the line. */
		if (!sensible)
			break;
		err = frames_judge(&info, n, order);
		/* When all is well now, it has changed in between: somebody else works on this block. Once more. */
		if (err)
			break;
	}
	gr_snprintf(what, sizeof(what), "order %u", order);
	frames_report(f, pa, what, err, &info, caller);
	return err;
}

int frames_free_search(struct frames *f, struct buddy *b, uint64_t n, unsigned order, unsigned long irq)
{
	buddy_free_locked(b, n, order);
	spin_unlock(&b->lock, irq);
	frames_watch_moved(f);
	return MM_OK;
}

noinline int frames_free_odd(uint64_t pa, unsigned order, struct frames *f)
{
	return frames_free_slow(f, pa, order, caller_address());
}

/* [B2] [B11] [B20] [B21] [B23] */
int frames_free(struct frames *f, pfn_t first, unsigned order)
{
	/* A frame number too large for an address must not become another one. */
	if (unlikely(first.n >> (64 - PAGE_SHIFT)))
		return frames_free_refused(frames_address(first.n), order, f);
	return frames_free_any(f, first.n << PAGE_SHIFT, order);
}

int frames_free_paddr(struct frames *f, paddr_t pa, unsigned order)
{
	return frames_free_any(f, pa.v, order);
}

int frames_free_page(struct frames *f, paddr_t pa)
{
	return frames_push(f, pa.v, CACHE_PAGE);
}

int frames_free_2m(struct frames *f, paddr_t pa)
{
	return frames_push(f, pa.v, CACHE_BLOCK);
}

/* ---- one frame ---------------------------------------------------------------------------------------------------- */

/* [B6] [B20] */
void frames_query(struct frames *f, pfn_t frame, struct frame_info *out)
{
	struct buddy *b = frames_bank_of(f, frame.n);
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
