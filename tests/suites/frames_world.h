/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine's RAM for the tests of page frames: banks at any physical address, their metadata and mem_map in the arena,
 * filled with garbage that looks like allocated pages; and beside it a model that states what an allocator of this
 * design must do in the plainest words: a list of blocks, searched from end to end.
 */
#ifndef TESTS_SUITES_FRAMES_WORLD_H
#define TESTS_SUITES_FRAMES_WORLD_H

#include "lib/log.h"
#include "lib/string.h"
#include "lib/tap.h"
#include "mm/buddy_fast.h"
#include "mm/frames.h"
#include "tests/suites/arena.h"

#define WORLD_BANKS 8
#define WORLD_BLOCKS 8192
#define GARBAGE_FILL MIB(8) /* larger arrays are filled at the start of each section only */

/* Frame number of a physical address; frames of a size. */
#define FRAME(address) ((uint64_t)(address) >> PAGE_SHIFT)
#define GARBAGE page_word(1, 0, PAGE_ALLOC, TAG_USER + 13)

struct span {
	uint64_t start; /* frame */
	uint64_t pages;
};

struct block {
	uint64_t n;
	unsigned order;
	bool used;
	unsigned tag;
};

struct world {
	struct frames f;
	struct span bank[WORLD_BANKS]; /* in the order in which they must be asked */
	unsigned n_banks;
	void *metadata[WORLD_BANKS];
	uint64_t metadata_bytes[WORLD_BANKS];
	uint64_t *sections;
	uint64_t n_sections;
	page_word_t *records; /* of frames first .. end - 1 */
	uint64_t first, end;
	/* the model */
	struct block *block;
	unsigned blocks;
};

/* ---- log --------------------------------------------------------------------------------------------------------- */

static unsigned world_lines;
static char world_line[512]; /* the last one */
static size_t world_line_length;
static log_sink_fn world_old_sink;

static inline void world_sink(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (world_line_length && world_line[world_line_length - 1] == '\n')
			world_line_length = 0;
		if (world_line_length < sizeof(world_line) - 1)
			world_line[world_line_length++] = text[i];
		world_line[world_line_length] = 0;
		world_lines += text[i] == '\n';
	}
}

/* From now on log lines are counted and the last one is kept; until world_log_end(). */
static inline void world_log_begin(void)
{
	world_old_sink = log_sink();
	log_set_sink(world_sink);
	world_lines = 0;
	world_line_length = 0;
	world_line[0] = 0;
}

static inline unsigned world_log_end(void)
{
	log_set_sink(world_old_sink);
	return world_lines;
}

static inline bool contains(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (; strlen(text) >= n; text++)
		if (!memcmp(text, word, n))
			return true;
	return false;
}

/* ---- chance ------------------------------------------------------------------------------------------------------ */

static inline uint64_t chance(uint64_t *seed)
{
	/* splitmix64 */
	uint64_t z = (*seed += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* ---- building ---------------------------------------------------------------------------------------------------- */

static inline void fill_garbage(void *start, uint64_t bytes)
{
	uint64_t step = bytes <= GARBAGE_FILL ? bytes : MIB(2), run = bytes <= GARBAGE_FILL ? bytes : KIB(4);

	for (uint64_t a = 0; a < bytes; a += step)
		for (uint64_t i = a; i < a + run && i + 8 <= bytes; i += 8)
			*(page_word_t *)((char *)start + i) = GARBAGE;
}

/*
 * Banks as given, registered in the order given, nothing added to them yet. Every byte that the allocator gets is
 * garbage, but the section table. False (checked) when there is no memory.
 */
static inline bool world_make(struct world *w, const struct span *banks, unsigned n)
{
	test_arena_reset();
	memset(w, 0, sizeof(*w));
	w->first = UINT64_MAX;
	for (unsigned i = 0; i < n; i++) {
		uint64_t end = banks[i].start + banks[i].pages;

		w->first = min_u64(w->first, banks[i].start);
		w->end = max_u64(w->end, end);
	}
	w->n_sections = ((w->end - 1) >> MAX_ORDER) + 1;
	/* Some words around the records, to see that nobody touches them. */
	w->first -= min_u64(w->first, 16);
	w->end += 16;
	w->sections = test_arena(w->n_sections * FRAMES_SECTION_BYTES);
	w->records = test_arena((w->end - w->first) * sizeof(struct page));
	w->block = test_arena(sizeof(struct block) * WORLD_BLOCKS);
	if (!w->sections || !w->records || !w->block) {
		CHECK(!"the arena has no room");
		return false;
	}
	fill_garbage(w->records, (w->end - w->first) * sizeof(struct page));
	frames_init(&w->f, (struct page *)((uintptr_t)w->records - w->first * sizeof(struct page)), w->sections,
		    w->n_sections);

	for (unsigned i = 0; i < n; i++) {
		uint64_t bytes = frames_bank_metadata_size(pfn(banks[i].start), banks[i].pages);
		char *metadata = test_arena(bytes + 128);
		unsigned at = w->n_banks;

		if (!metadata) {
			CHECK(!"the arena has no room");
			return false;
		}
		fill_garbage(metadata, bytes + 128);
		CHECK_EQ(frames_add_bank(&w->f, pfn(banks[i].start), banks[i].pages, i, metadata + 64), MM_OK);
		/* High memory first, then by address. */
		for (; at; at--) {
			const struct span *before = &w->bank[at - 1];
			bool high = banks[i].start >= FRAME(GIB(4)), before_high = before->start >= FRAME(GIB(4));

			if (high == before_high ? before->start < banks[i].start : before_high)
				break;
			w->bank[at] = w->bank[at - 1];
			w->metadata[at] = w->metadata[at - 1];
			w->metadata_bytes[at] = w->metadata_bytes[at - 1];
		}
		w->bank[at] = banks[i];
		w->metadata[at] = metadata + 64;
		w->metadata_bytes[at] = bytes;
		w->n_banks++;
	}
	return true;
}

/* Gives the arena back when the scope ends in which the world was made. */
static inline void world_end(struct world **scope)
{
	(void)scope;
	test_arena_reset();
}

#define WORLD_OR_RETURN(w_, banks_, n_)                                       \
	__attribute__((cleanup(world_end))) struct world *world_scope = (w_); \
	CHECK_OR_RETURN(world_make(world_scope, banks_, n_))

static inline page_word_t *world_record(struct world *w, uint64_t n)
{
	return &w->records[n - w->first];
}

static inline struct buddy *world_bank(struct world *w, unsigned i)
{
	return w->metadata[i];
}

static inline int world_bank_of(const struct world *w, uint64_t n)
{
	for (unsigned i = 0; i < w->n_banks; i++)
		if (n >= w->bank[i].start && n - w->bank[i].start < w->bank[i].pages)
			return (int)i;
	return -1;
}

/* Whether what surrounds the metadata and the records of banks is as it was. */
static inline void world_check_fences(struct world *w)
{
	unsigned touched = 0;

	for (unsigned i = 0; i < w->n_banks; i++)
		for (unsigned j = 0; j < 64; j += 8) {
			touched += *(page_word_t *)((char *)w->metadata[i] - 64 + j) != GARBAGE;
			if (w->metadata_bytes[i] + 128 <= GARBAGE_FILL)
				touched += *(page_word_t *)((char *)w->metadata[i] + w->metadata_bytes[i] + j) !=
					   GARBAGE;
		}
	if ((w->end - w->first) * sizeof(struct page) <= GARBAGE_FILL)
		for (uint64_t n = w->first; n < w->end; n++)
			touched += world_bank_of(w, n) < 0 && *world_record(w, n) != GARBAGE;
	CHECK_EQ(touched, 0);
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

/* The block around frame n, or NULL. */
static inline struct block *model_find(struct world *w, uint64_t n)
{
	for (unsigned i = 0; i < w->blocks; i++)
		if (n >= w->block[i].n && n - w->block[i].n < (uint64_t)1 << w->block[i].order)
			return &w->block[i];
	return NULL;
}

/* A free block more, merged while its buddy is a free block of the same order. */
static inline void model_put(struct world *w, uint64_t n, unsigned order)
{
	for (unsigned i = 0; i < w->blocks && order < MAX_ORDER; i++) {
		struct block *b = &w->block[i];

		if (!b->used && b->order == order && b->n == (n ^ (uint64_t)1 << order)) {
			n = b->n < n ? b->n : n;
			order++;
			*b = w->block[--w->blocks];
			i = UINT32_MAX; /* from the start again */
		}
	}
	if (w->blocks < WORLD_BLOCKS)
		w->block[w->blocks++] = (struct block){ .n = n, .order = order };
}

static inline void model_add(struct world *w, uint64_t start, uint64_t pages)
{
	for (uint64_t n = start, size; n < start + pages; n += size) {
		unsigned order = 0;

		while (order < MAX_ORDER && !(n & (((uint64_t)2 << order) - 1)) &&
		       n + ((uint64_t)2 << order) <= start + pages)
			order++;
		size = (uint64_t)1 << order;
		model_put(w, n, order);
	}
}

/* Takes the block of `order` at n out of free block *b. */
static inline void model_carve(struct world *w, struct block *b, uint64_t n, unsigned order, unsigned tag)
{
	while (b->order > order) {
		uint64_t half = (uint64_t)1 << --b->order;
		uint64_t other = b->n;

		if (n - b->n < half)
			other += half;
		else
			b->n += half;
		w->block[w->blocks++] = (struct block){ .n = other, .order = b->order };
	}
	b->used = true;
	b->tag = tag;
}

/*
 * The block that the allocator must hand out next, or NULL: first bank that has one; in it smallest order, lowest
 * address.
 */
static inline struct block *model_choose(struct world *w, unsigned order, unsigned flags)
{
	for (unsigned i = 0; i < w->n_banks; i++) {
		struct block *best = NULL;

		if (flags & FRAMES_BELOW_4G && w->bank[i].start >= FRAME(GIB(4)))
			continue;
		for (unsigned k = 0; k < w->blocks; k++) {
			struct block *b = &w->block[k];

			if (!b->used && b->order >= order && world_bank_of(w, b->n) == (int)i &&
			    (!best || b->order < best->order || (b->order == best->order && b->n < best->n)))
				best = b;
		}
		if (best)
			return best;
	}
	return NULL;
}

static inline int model_free_error(struct world *w, uint64_t n, unsigned order)
{
	struct block *b;

	if (order > MAX_ORDER)
		return MM_EINVAL;
	if (world_bank_of(w, n) < 0)
		return MM_EFOREIGN;
	b = model_find(w, n);
	if (!b)
		return MM_ERESERVED;
	if (!b->used)
		return MM_EDOUBLE;
	if (b->n != n)
		return MM_EINTERIOR;
	return b->order == order ? MM_OK : MM_EORDER;
}

static inline int model_take_error(struct world *w, uint64_t n, unsigned order)
{
	struct block *b;

	if (order > MAX_ORDER)
		return MM_EINVAL;
	if (n & (((uint64_t)1 << order) - 1))
		return MM_EALIGN;
	if (world_bank_of(w, n) < 0)
		return MM_EFOREIGN;
	b = model_find(w, n);
	if (!b)
		return MM_ERESERVED;
	return b->used || b->order < order ? MM_EBUSY : MM_OK;
}

/* ---- operations on both, compared -------------------------------------------------------------------------------- */

static inline void world_add(struct world *w, uint64_t start, uint64_t pages)
{
	CHECK_EQ(frames_add_memory(&w->f, pfn(start), pages), MM_OK);
	model_add(w, start, pages);
}

/* What frames_query() must say of frame n. */
static inline bool world_query_agrees(struct world *w, uint64_t n)
{
	struct block *b = model_find(w, n);
	struct frame_info info;

	frames_query(&w->f, pfn(n), &info);
	if (world_bank_of(w, n) < 0)
		return info.role == FRAME_FOREIGN;
	if (!b)
		return info.role == FRAME_RESERVED;
	if (info.role != (b->used ? FRAME_ALLOC : FRAME_FREE) || info.head.n != b->n || info.order != b->order)
		return false;
	return b->used ? info.tag == b->tag && info.ref == 1 : info.ref == 0;
}

static inline bool world_alloc(struct world *w, unsigned order, unsigned flags, unsigned tag, pfn_t *out)
{
	struct block *want = model_choose(w, order, flags);
	int err = frames_alloc(&w->f, order, flags, tag, out);

	if (!want)
		return err == MM_ENOMEM;
	if (err || out->n != want->n)
		return false;
	model_carve(w, want, want->n, order, tag);
	return true;
}

static inline bool world_free(struct world *w, uint64_t n, unsigned order)
{
	int want = model_free_error(w, n, order);
	int err = frames_free(&w->f, pfn(n), order);

	if (err == MM_OK && want == MM_OK) {
		*model_find(w, n) = w->block[w->blocks - 1];
		w->blocks--;
		model_put(w, n, order);
	}
	return err == want;
}

static inline bool world_take(struct world *w, uint64_t n, unsigned order, unsigned tag)
{
	int want = model_take_error(w, n, order);
	int err = frames_take(&w->f, pfn(n), order, tag);

	if (err == MM_OK && want == MM_OK)
		model_carve(w, model_find(w, n), n, order, tag);
	return err == want;
}

/* Everything that can be asked, against the model. */
static inline void world_check(struct world *w)
{
	struct frames_stats stats;
	uint64_t count[MAX_ORDER + 1] = { 0 }, free = 0, total = 0;
	unsigned wrong = 0;
	int largest = -1;

	for (unsigned i = 0; i < w->blocks; i++) {
		struct block *b = &w->block[i];
		uint64_t size = (uint64_t)1 << b->order;

		total += size;
		if (!b->used) {
			count[b->order]++;
			free += size;
			largest = (int)b->order > largest ? (int)b->order : largest;
		}
		wrong += !world_query_agrees(w, b->n);
		wrong += !world_query_agrees(w, b->n + size - 1);
		wrong += !world_query_agrees(w, b->n + size / 2);
		wrong += !world_query_agrees(w, b->n + size);
		if (b->n)
			wrong += !world_query_agrees(w, b->n - 1);
	}
	for (unsigned i = 0; i < w->n_banks; i++) {
		wrong += !world_query_agrees(w, w->bank[i].start);
		wrong += !world_query_agrees(w, w->bank[i].start + w->bank[i].pages);
		wrong += w->bank[i].start && !world_query_agrees(w, w->bank[i].start - 1);
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(frames_validate(&w->f), MM_OK);
	frames_get_stats(&w->f, &stats);
	CHECK_EQ(stats.total_pages, total);
	CHECK_EQ(stats.free_pages, free);
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		CHECK_EQ(stats.free_blocks[order], count[order]);
	CHECK_EQ(frames_largest_free(&w->f) + 1, largest + 1);
	world_check_fences(w);
}

/* ---- snapshots: "nothing changed" -------------------------------------------------------------------------------- */

/*
 * A sum over everything the allocator keeps: metadata, records, section table; locks and the counters of bad frees and
 * failures left out. For small worlds.
 */
static inline uint64_t world_sum(struct world *w)
{
	uint64_t sum = 0xcbf29ce484222325;

	for (unsigned i = 0; i < w->n_banks; i++) {
		struct buddy *b = world_bank(w, i);
		struct spinlock lock = b->lock;
		const page_word_t *word = w->metadata[i];

		memset(&b->lock, 0, sizeof(b->lock));
		for (uint64_t k = 0; k < w->metadata_bytes[i] / 8; k++)
			sum = (sum ^ word[k]) * 0x100000001b3 + (sum >> 47);
		b->lock = lock;
	}
	for (uint64_t n = w->first; n < w->end; n++)
		sum = (sum ^ *world_record(w, n)) * 0x100000001b3 + (sum >> 47);
	for (uint64_t s = 0; s < w->n_sections; s++)
		sum = (sum ^ w->sections[s]) * 0x100000001b3 + (sum >> 47);
	return sum;
}

#endif
