/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine's RAM for the tests of page frames: banks at any physical address, their metadata and mem_map in the arena,
 * filled with garbage that looks like allocated pages; and beside it the reference model, which does the same and says
 * what the allocator must answer.
 */
#ifndef TESTS_SUITES_FRAMES_WORLD_H
#define TESTS_SUITES_FRAMES_WORLD_H

#include "lib/log.h"
#include "lib/string.h"
#include "lib/tap.h"
#include "mm/buddy_fast.h"
#include "mm/frames.h"
#include "tests/model/frames_pair.h"
#include "tests/suites/arena.h"

#define WORLD_BANKS MODEL_BANKS
#define WORLD_RUNS 8192
#define GARBAGE_FILL MIB(8) /* larger arrays are filled at the start of each section only */

/* Frame number of a physical address; frames of a size. */
#define FRAME(address) ((uint64_t)(address) >> PAGE_SHIFT)
#define GARBAGE page_word(1, 0, PAGE_ALLOC, TAG_USER + 13)

struct span {
	uint64_t start; /* frame */
	uint64_t pages;
};

struct world {
	struct frames f;
	struct buddy_model model;
	struct frames_pair pair;     /* both */
	void *metadata[WORLD_BANKS]; /* of the banks in the model's order */
	uint64_t metadata_bytes[WORLD_BANKS];
	uint64_t *sections;
	uint64_t n_sections;
	page_word_t *records; /* of frames first .. end - 1 */
	uint64_t first, end;
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
	struct model_run *runs;

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
	w->sections = test_arena(frames_section_table_size(w->n_sections));
	w->records = test_arena((w->end - w->first) * sizeof(struct page));
	runs = test_arena(sizeof(*runs) * WORLD_RUNS);
	if (!w->sections || !w->records || !runs) {
		CHECK(!"the arena has no room");
		return false;
	}
	model_init(&w->model, runs, WORLD_RUNS);
	pair_init(&w->pair, &w->f, &w->model);
	fill_garbage(w->records, (w->end - w->first) * sizeof(struct page));
	frames_init(&w->f, (struct page *)((uintptr_t)w->records - w->first * sizeof(struct page)), w->sections,
		    w->n_sections);

	for (unsigned i = 0; i < n; i++) {
		uint64_t bytes = frames_bank_metadata_size(pfn(banks[i].start), banks[i].pages);
		char *metadata = test_arena(bytes + 128);
		unsigned at;

		if (!metadata) {
			CHECK(!"the arena has no room");
			return false;
		}
		fill_garbage(metadata, bytes + 128);
		CHECK_EQ(frames_add_bank(&w->f, pfn(banks[i].start), banks[i].pages, i, metadata + 64), MM_OK);
		model_add_bank(&w->model, banks[i].start, banks[i].pages, i);
		at = model_find(&w->model, banks[i].start)->bank;
		memmove(&w->metadata[at + 1], &w->metadata[at], (i - at) * sizeof(w->metadata[0]));
		memmove(&w->metadata_bytes[at + 1], &w->metadata_bytes[at], (i - at) * sizeof(w->metadata_bytes[0]));
		w->metadata[at] = metadata + 64;
		w->metadata_bytes[at] = bytes;
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

/* Whether what surrounds the metadata and the records of banks is as it was. */
static inline void world_check_fences(struct world *w)
{
	unsigned touched = 0;

	for (unsigned i = 0; i < w->model.banks; i++)
		for (unsigned j = 0; j < 64; j += 8) {
			touched += *(page_word_t *)((char *)w->metadata[i] - 64 + j) != GARBAGE;
			if (w->metadata_bytes[i] + 128 <= GARBAGE_FILL)
				touched += *(page_word_t *)((char *)w->metadata[i] + w->metadata_bytes[i] + j) !=
					   GARBAGE;
		}
	if ((w->end - w->first) * sizeof(struct page) <= GARBAGE_FILL)
		for (uint64_t n = w->first; n < w->end; n++)
			touched += !model_find(&w->model, n) && *world_record(w, n) != GARBAGE;
	CHECK_EQ(touched, 0);
}

/* ---- operations on both, compared -------------------------------------------------------------------------------- */

static inline void world_add(struct world *w, uint64_t start, uint64_t pages)
{
	CHECK_EQ(frames_add_memory(&w->f, pfn(start), pages), MM_OK);
	CHECK_EQ(model_add_memory(&w->model, start, pages), MM_OK);
}

static inline bool world_query_agrees(struct world *w, uint64_t n)
{
	return pair_query(&w->pair, n);
}

static inline bool world_alloc(struct world *w, unsigned order, unsigned flags, unsigned tag, pfn_t *out)
{
	return pair_alloc(&w->pair, order, flags, tag, &out->n, NULL);
}

static inline bool world_free(struct world *w, uint64_t n, unsigned order)
{
	return pair_free(&w->pair, n, order, NULL);
}

static inline bool world_take(struct world *w, uint64_t n, unsigned order, unsigned tag)
{
	return pair_take(&w->pair, n, order, tag, NULL);
}

/* A block that is out, by chance; NULL when there is none. */
static inline struct model_run *world_random_used(struct world *w, uint64_t *seed)
{
	unsigned runs = w->model.runs, i = (unsigned)(chance(seed) % runs);

	for (unsigned k = 0; k < runs; k++)
		if (w->model.run[(i + k) % runs].state == MODEL_USED)
			return &w->model.run[(i + k) % runs];
	return NULL;
}

/* Everything that can be asked, against the model; caches are empty after it. */
static inline void world_check(struct world *w)
{
	CHECK(pair_validate(&w->pair) && pair_agrees(&w->pair));
	if (w->pair.wrong)
		tap_note("%s: %lld, must be %lld", w->pair.wrong, (long long)w->pair.got, (long long)w->pair.want);
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

	for (unsigned i = 0; i < w->model.banks; i++) {
		struct buddy *b = world_bank(w, i);
		const page_word_t *word = w->metadata[i];
		unsigned long irq = spin_lock(&b->lock);
		struct spinlock lock;

		/* What waits to be put back is put back by the next question: as if it had been before. */
		buddy_settle_locked(b);
		spin_unlock(&b->lock, irq);
		lock = b->lock;
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
