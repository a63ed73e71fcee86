/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The enumeration: see enumerate.h. Breadth first; a state is stored once, as the words in which it differs from the
 * first, and is put back by writing these words into the allocator's own memory.
 */
#include "tests/proof/enumerate.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/buddy_fast.h"
#include "tests/model/buddy_model.h"

#define MAX_REGIONS 16
#define MAX_WORDS 2048 /* of an image */
#define MASK_WORDS (MAX_WORDS / 64)
#define FENCE 16 /* records beside the banks' that nobody may touch */
#define GARBAGE page_word(1, 0, PAGE_ALLOC, TAG_USER + 13)
#define OWNER TAG_TEST

/* How a unit is written down, beside the words: 0 free, order above the unit + 1 of an allocated block that begins there. */
#define UNIT_RESERVED 0xfe
#define UNIT_INSIDE 0xff

/* Memory of the allocator under test that makes its state. */
struct region {
	uint64_t *words;
	size_t n;
	size_t stride; /* in words */
	uint64_t mask; /* bits that count */
};

/* A state in the store, followed by its mask and the words that differ from the first state's. */
struct node {
	uint32_t next; /* in the chain of its hash; 8-byte units from the store's start, 0: none */
	uint32_t size; /* with what follows, in 8-byte units */
	uint64_t hash;
	uint8_t unit[ENUMERATE_UNITS];
};

static struct {
	const struct enumeration *e;
	struct enumerated *out;
	struct frames f;
	uint64_t *sections;
	uint64_t n_sections;
	page_word_t *records; /* of frame first, ... */
	uint64_t first, end;
	struct buddy *bank[ENUMERATE_BANKS];
	uint64_t unit_frame[ENUMERATE_UNITS];
	unsigned units;

	struct region region[MAX_REGIONS];
	unsigned regions;
	unsigned words, masks;
	uint64_t base[MAX_WORDS], here[MAX_WORDS], now[MAX_WORDS];

	struct buddy_model before, after; /* the model in this state, and after the operation */
	struct model_run before_runs[4 * ENUMERATE_UNITS], after_runs[4 * ENUMERATE_UNITS];

	uint64_t *store;
	uint32_t store_used, store_size; /* 8-byte units; the first unit is not used */
	uint32_t *table;
	uint32_t table_mask;
} g;

/* ---- what went wrong --------------------------------------------------------------------------------------------- */

static char last_line[256];

static void keep_line(const char *text, size_t n)
{
	size_t keep = n < sizeof(last_line) - 1 ? n : sizeof(last_line) - 1;

	memcpy(last_line, text, keep);
	last_line[keep] = '\0';
}

/* What the state looks like: one letter for each unit. */
static void draw(const struct buddy_model *m, char *to)
{
	for (unsigned u = 0; u < g.units; u++) {
		const struct model_run *r = model_find(m, g.unit_frame[u]);

		to[u] = (char)(r->state == MODEL_RESERVED ? '-'
			       : r->state == MODEL_FREE	  ? '.'
			       : r->n == g.unit_frame[u]  ? '0' + r->order - (int)g.e->unit
							  : '+');
	}
	to[g.units] = '\0';
}

static bool wrong(const char *what, const char *operation, uint64_t n, unsigned order, long got, long want)
{
	char state[ENUMERATE_UNITS + 1];

	if (g.out->wrong[0])
		return false;
	draw(&g.before, state);
	gr_snprintf(g.out->wrong, sizeof(g.out->wrong),
		    "%s after %s(0x%llx, order %u) in state [%s]: %ld, must be %ld; last line: %s", what, operation,
		    (unsigned long long)n, order, state, got, want, last_line);
	return false;
}

/* ---- images ------------------------------------------------------------------------------------------------------ */

static void add_region(void *words, size_t n, size_t stride, uint64_t mask)
{
	g.region[g.regions++] = (struct region){ words, n, stride, mask };
	g.words += (unsigned)n;
}

static void image_read(uint64_t *to)
{
	for (const struct region *r = g.region; r < g.region + g.regions; r++)
		for (size_t i = 0; i < r->n; i++)
			*to++ = r->words[i * r->stride] & r->mask;
}

static void image_write(const uint64_t *from)
{
	for (const struct region *r = g.region; r < g.region + g.regions; r++)
		for (size_t i = 0; i < r->n; i++)
			r->words[i * r->stride] = *from++;
}

/* Counters as they would be if this state were the beginning: they are compared, but are no part of a state. */
static void reset_counters(void)
{
	for (unsigned i = 0; i < ENUMERATE_BANKS && g.bank[i]; i++) {
		struct buddy *b = g.bank[i];

		memset(&b->lock, 0, sizeof(b->lock));
		b->allocs = 1;
		b->frees = 0;
		b->peak_used_pages = b->used_pages;
	}
	g.f.failures = 0;
	g.f.bad_frees = 0;
}

static void model_reset_counters(struct buddy_model *m)
{
	m->allocs = m->banks;
	m->frees = m->failures = m->bad_frees = 0;
	for (unsigned i = 0; i < m->banks; i++)
		m->bank[i].peak = m->bank[i].used;
}

/* Only the locks may have changed. */
static bool image_unchanged(void)
{
	for (unsigned i = 0; i < ENUMERATE_BANKS && g.bank[i]; i++)
		memset(&g.bank[i]->lock, 0, sizeof(g.bank[i]->lock));
	image_read(g.now);
	return memcmp(g.now, g.here, g.words * sizeof(g.now[0])) == 0;
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 29;
}

static struct node *node_at_unit(uint32_t at)
{
	return (struct node *)(g.store + at);
}

static void encode_units(const struct buddy_model *m, uint8_t *unit)
{
	for (unsigned u = 0; u < g.units; u++) {
		const struct model_run *r = model_find(m, g.unit_frame[u]);

		unit[u] = r->state == MODEL_RESERVED ? UNIT_RESERVED
			  : r->state == MODEL_FREE   ? 0
			  : r->n == g.unit_frame[u]  ? (uint8_t)(r->order - g.e->unit + 1)
						     : UNIT_INSIDE;
	}
}

/* The state in g.now (model: g.after) is known from now on. False: there is no more memory. */
static bool intern(void)
{
	uint64_t mask[MASK_WORDS] = { 0 }, hash = 0;
	unsigned differ = 0;
	struct node *node;
	uint64_t *words;
	uint32_t *slot;

	for (unsigned i = 0; i < g.words; i++)
		if (g.now[i] != g.base[i]) {
			mask[i / 64] |= (uint64_t)1 << i % 64;
			hash = mix(hash, g.now[i]);
			differ++;
		}
	for (unsigned i = 0; i < g.masks; i++)
		hash = mix(hash, mask[i]);

	slot = &g.table[hash & g.table_mask];
	for (uint32_t at = *slot; at; at = node->next) {
		node = node_at_unit(at);
		words = (uint64_t *)(node + 1);
		if (node->hash != hash || memcmp(words, mask, g.masks * 8))
			continue;
		words += g.masks;
		for (unsigned i = 0; i < g.words; i++)
			if (mask[i / 64] >> i % 64 & 1 && *words++ != g.now[i])
				goto other;
		return true;
other:;
	}

	node = node_at_unit(g.store_used);
	if (g.store_size - g.store_used < sizeof(*node) / 8 + g.masks + differ)
		return wrong("no memory for another state", "-", 0, 0, (long)g.out->states, 0);
	*node = (struct node){ .next = *slot, .size = (uint32_t)(sizeof(*node) / 8) + g.masks + differ, .hash = hash };
	encode_units(&g.after, node->unit);
	words = (uint64_t *)(node + 1);
	memcpy(words, mask, g.masks * 8);
	words += g.masks;
	for (unsigned i = 0; i < g.words; i++)
		if (mask[i / 64] >> i % 64 & 1)
			*words++ = g.now[i];
	*slot = g.store_used;
	g.store_used += node->size;
	g.out->states++;
	return true;
}

/* Puts allocator and model into the state of the node; g.here is its image. */
static void enter(const struct node *node)
{
	const uint64_t *mask = (const uint64_t *)(node + 1), *words = mask + g.masks;
	struct buddy_model *m = &g.before;

	for (unsigned i = 0; i < g.words; i++)
		g.here[i] = mask[i / 64] >> i % 64 & 1 ? *words++ : g.base[i];
	image_write(g.here);
	reset_counters();

	model_init(m, g.before_runs, ARRAY_SIZE(g.before_runs));
	for (unsigned i = 0; i < ENUMERATE_BANKS && g.e->bank[i].units; i++)
		model_add_bank(m, g.e->bank[i].start, (uint64_t)g.e->bank[i].units << g.e->unit);
	for (unsigned u = 0; u < g.units; u++)
		if (node->unit[u] != UNIT_RESERVED)
			(void)!model_add_memory(m, g.unit_frame[u], (uint64_t)1 << g.e->unit);
	for (unsigned u = 0; u < g.units; u++)
		if (node->unit[u] && node->unit[u] < UNIT_RESERVED)
			(void)!model_take(m, g.unit_frame[u], g.e->unit + node->unit[u] - 1u, 0);
	model_reset_counters(m);
}

/* Back to the state that was entered; the model: a fresh copy to work on. */
static void again(void)
{
	image_write(g.here);
	reset_counters();
}

static void model_begin(void)
{
	g.after = g.before;
	g.after.run = g.after_runs;
	memcpy(g.after_runs, g.before_runs, g.before.runs * sizeof(g.after_runs[0]));
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

static bool query_agrees(uint64_t n)
{
	struct frame_info info;

	frames_query(&g.f, pfn(n), &info);
	return model_query_agrees(&g.after, n, &info);
}

/* Everything that can be asked, and the check. */
static bool agrees(const char *operation, uint64_t n, unsigned order)
{
	struct frames_stats is, should;
	unsigned inner = g.e->unit ? 1u << g.e->unit : 0;

	for (unsigned u = 0; u < g.units; u++) {
		if (!query_agrees(g.unit_frame[u]))
			return wrong("query of this unit", operation, n, order, u, -1);
		if (inner && !query_agrees(g.unit_frame[u] + inner - 1))
			return wrong("query inside this unit", operation, n, order, u, -1);
	}
	frames_get_stats(&g.f, &is);
	model_get_stats(&g.after, &should);
	is.metadata_bytes = 0;
	if (memcmp(&is, &should, sizeof(is)) != 0)
		return wrong("statistics, free pages", operation, n, order, (long)is.free_pages,
			     (long)should.free_pages);
	if (frames_largest_free(&g.f) != model_largest_free(&g.after))
		return wrong("largest free order", operation, n, order, frames_largest_free(&g.f),
			     model_largest_free(&g.after));
	if (frames_validate(&g.f) != MM_OK)
		return wrong("validate", operation, n, order, MM_ECORRUPT, MM_OK);
	return true;
}

/*
 * The operation was done on both. A refusal must have changed nothing (but counters); anything else must agree, and leads
 * to a state.
 */
static bool step(const char *operation, uint64_t n, unsigned order, int got, int want)
{
	g.out->operations++;
	if (got != want)
		return wrong("result", operation, n, order, got, want);
	if (want != MM_OK) {
		if (g.f.failures != g.after.failures || g.f.bad_frees != g.after.bad_frees)
			return wrong("counters of refusals", operation, n, order, (long)g.f.bad_frees,
				     (long)g.after.bad_frees);
		g.f.failures = g.f.bad_frees = 0;
		return image_unchanged() || wrong("a refusal changed something", operation, n, order, 1, 0);
	}
	g.out->steps++;
	if (!agrees(operation, n, order))
		return false;
	reset_counters();
	image_read(g.now);
	if (!intern())
		return false;
	again();
	return true;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static bool try_alloc(unsigned order, unsigned flags)
{
	uint64_t want_n = 0;
	pfn_t got_n = pfn(0);
	int want, got;

	model_begin();
	want = model_alloc(&g.after, order, flags, OWNER, &want_n);
	got = frames_alloc(&g.f, order, flags, OWNER, &got_n);
	if (got == MM_OK && want == MM_OK && got_n.n != want_n)
		return wrong("first frame", flags ? "alloc below 4 GiB" : "alloc", want_n, order, (long)got_n.n,
			     (long)want_n);
	return step(flags ? "alloc below 4 GiB" : "alloc", want_n, order, got, want);
}

static bool try_free(uint64_t n, unsigned order)
{
	int want;

	model_begin();
	want = model_free(&g.after, n, order);
	return step("free", n, order, frames_free(&g.f, pfn(n), order), want);
}

static bool try_take(uint64_t n, unsigned order)
{
	int want;

	model_begin();
	want = model_take(&g.after, n, order, OWNER);
	return step("take", n, order, frames_take(&g.f, pfn(n), order, OWNER), want);
}

static bool try_add(uint64_t n, uint64_t pages)
{
	int want;

	model_begin();
	want = model_add_memory(&g.after, n, pages);
	return step("add_memory", n, 0, frames_add_memory(&g.f, pfn(n), pages), want);
}

/* A second reference to an allocated block: it must not be freed. */
static bool try_busy(const struct model_run *r)
{
	struct page *page = frames_page(&g.f, pfn(r->n));

	if (!page)
		return wrong("no record of an allocated block", "page", r->n, r->order, 0, 1);
	page->ref = 2;
	g.out->operations++;
	if (frames_free(&g.f, pfn(r->n), r->order) != MM_EBUSY)
		return wrong("free of a block with two references", "free", r->n, r->order, MM_OK, MM_EBUSY);
	page->ref = 1;
	g.f.bad_frees = 0;
	return image_unchanged() || wrong("a refusal changed something", "free", r->n, r->order, 1, 0);
}

/* Every operation in the state that was entered. */
static bool try_all(void)
{
	unsigned unit = g.e->unit, top = unit;
	uint64_t size = (uint64_t)1 << unit;

	while (1u << (top - unit) < g.units)
		top++;
	/* One order more than there can be. */
	for (unsigned order = unit; order <= top + 1; order++) {
		if (!try_alloc(order, 0))
			return false;
		if (g.bank[1] && !try_alloc(order, FRAMES_BELOW_4G))
			return false;
	}
	for (unsigned u = 0; u < g.units; u++) {
		uint64_t n = g.unit_frame[u];

		for (unsigned order = unit; order <= top + 1; order++)
			if (!try_free(n, order) || !try_take(n, order))
				return false;
		if (unit && (!try_free(n + 1, unit) || !try_free(n + size - 1, 0) || !try_free(n, 0)))
			return false;
	}
	for (unsigned i = 0; i < g.before.runs; i++)
		if (g.before.run[i].state == MODEL_USED && !try_busy(&g.before.run[i]))
			return false;
	for (unsigned i = 0; i < ENUMERATE_BANKS && g.bank[i]; i++) {
		uint64_t start = g.e->bank[i].start, pages = (uint64_t)g.e->bank[i].units << unit;

		/* The neighbours of the bank. */
		if (!try_free(start - 1, 0) || !try_free(start + pages, 0) || !try_take(start + pages, 0))
			return false;
		for (uint64_t n = start; g.e->grow && n < start + pages; n += size)
			for (uint64_t p = size; p <= start + pages - n + size; p += size)
				if (!try_add(n, p))
					return false;
	}
	return true;
}

/* ---- setting up -------------------------------------------------------------------------------------------------- */

/* Memory from the caller's, filled with garbage that looks like records in use. */
static void *carve(char **memory, char *end, size_t bytes)
{
	char *p = *memory;

	bytes = ALIGN_UP(bytes, 64);
	if ((size_t)(end - p) < bytes)
		return NULL;
	*memory = p + bytes;
	for (size_t i = 0; i < bytes; i += 8)
		*(page_word_t *)(p + i) = GARBAGE;
	return p;
}

static bool set_up(char **memory, char *memory_end)
{
	const struct enumeration *e = g.e;
	unsigned u = 0;

	g.first = UINT64_MAX;
	for (unsigned i = 0; i < ENUMERATE_BANKS && e->bank[i].units; i++) {
		g.first = min_u64(g.first, e->bank[i].start);
		g.end = max_u64(g.end, e->bank[i].start + ((uint64_t)e->bank[i].units << e->unit));
	}
	g.first -= FENCE;
	g.end += FENCE;
	for (g.n_sections = 1; g.n_sections << MAX_ORDER < g.end;)
		g.n_sections *= 2;
	g.sections = carve(memory, memory_end, g.n_sections * FRAMES_SECTION_BYTES);
	/* Banks may be far apart: the records between them are never touched, and on the host cost nothing. */
	g.records = carve(memory, memory_end, (g.end - g.first) * sizeof(struct page));
	if (!g.sections || !g.records)
		return false;
	memset(g.sections, 0, g.n_sections * FRAMES_SECTION_BYTES);
	frames_init(&g.f, (struct page *)((uintptr_t)g.records - g.first * sizeof(struct page)), g.sections,
		    g.n_sections);

	for (unsigned i = 0; i < ENUMERATE_BANKS && e->bank[i].units; i++) {
		uint64_t start = e->bank[i].start, pages = (uint64_t)e->bank[i].units << e->unit;
		uint64_t bytes = frames_bank_metadata_size(pfn(start), pages);
		uint64_t first_section = start >> MAX_ORDER, last_section = (start + pages - 1) >> MAX_ORDER;
		char *metadata = carve(memory, memory_end, bytes);

		if (!metadata || frames_add_bank(&g.f, pfn(start), pages, i, metadata) != MM_OK)
			return false;
		g.bank[i] = (struct buddy *)metadata;
		model_add_bank(&g.after, start, pages);
		/*
		 * The leaves stand at the end and hold orders 0 to 5: when units are larger, nothing in them changes
		 * while a section is live, and the check looks at them anyway.
		 */
		if (e->unit >= NODE_ORDERS)
			bytes = ALIGN_DOWN((uintptr_t)leaf_at(g.bank[i], start), 64) - (uintptr_t)metadata;
		add_region(metadata, (size_t)bytes / 8, 1, UINT64_MAX);
		add_region((void *)&g.records[start - g.first], e->bank[i].units, (size_t)1 << e->unit,
			   ~(PAGE_WORD_TAG_MASK));
		add_region(&g.sections[first_section], last_section - first_section + 1, 1, UINT64_MAX);
		for (unsigned k = 0; k < e->bank[i].units; k++)
			g.unit_frame[u++] = start + ((uint64_t)k << e->unit);
	}
	g.units = u;
	/* What was never given stays garbage until a section comes to life; the records beside the banks for ever. */
	add_region((void *)&g.records[0], FENCE, 1, UINT64_MAX);
	add_region((void *)&g.records[g.end - g.first - FENCE], FENCE, 1, UINT64_MAX);
	g.masks = (g.words + 63) / 64;
	if (g.words > MAX_WORDS)
		return false;

	/* As much as possible at once: a section that is given as a whole stays untouched. */
	u = 0;
	for (unsigned i = 0; i < ENUMERATE_BANKS && !e->grow; u += e->bank[i++].units)
		for (unsigned from = 0, to; from < e->bank[i].units; from = to + 1) {
			uint64_t start = e->bank[i].start + ((uint64_t)from << e->unit), pages;

			for (to = from; to < e->bank[i].units && !(e->holes >> (u + to) & 1);)
				to++;
			pages = (uint64_t)(to - from) << e->unit;
			if (pages && (frames_add_memory(&g.f, pfn(start), pages) != MM_OK ||
				      model_add_memory(&g.after, start, pages) != MM_OK))
				return false;
		}
	reset_counters();
	model_reset_counters(&g.after);
	return true;
}

/* ---- how many there must be -------------------------------------------------------------------------------------- */

/*
 * States of the block of 2^order units that begins at unit u. It is allocated as a whole, or it is two halves in any of
 * their states, of which "both free" is the block free as a whole. A unit that is never given has one state; one that is
 * given by an operation has one more than others; neither is in a block that is allocated.
 */
static uint64_t count_block(const struct enumeration *e, unsigned u, unsigned order)
{
	uint64_t units = ((uint64_t)1 << (1u << order)) - 1;

	if (order == 0)
		return e->holes >> u & 1 ? 1 : 2u + e->grow;
	return count_block(e, u, order - 1) * count_block(e, u + (1u << (order - 1)), order - 1) +
	       !(e->holes >> u & units);
}

/* The bank whose first unit is u is a product of the largest aligned blocks in it. */
static uint64_t count_bank(const struct enumeration *e, unsigned bank, unsigned u)
{
	uint64_t start = e->bank[bank].start >> e->unit, states = 1;
	unsigned order;

	for (unsigned k = 0; k < e->bank[bank].units; k += 1u << order) {
		uint64_t block;

		for (order = 0; e->unit + order < MAX_ORDER; order++)
			if ((start + k) & ((2u << order) - 1) || k + (2u << order) > e->bank[bank].units)
				break;
		block = count_block(e, u + k, order);
		/*
		 * A section that is given as a whole has no nodes at first. It can be fresh, out, or back with the
		 * record of its last owner; if there is nothing smaller to ask for, that is all.
		 */
		if (e->unit + order == MAX_ORDER && !e->grow && !(e->holes >> (u + k) & ((1u << (1u << order)) - 1)))
			block = order ? block + 3 : 3;
		states *= block;
	}
	return states;
}

uint64_t enumerate_expected(const struct enumeration *e)
{
	uint64_t states = 1;
	unsigned u = 0;

	for (unsigned i = 0; i < ENUMERATE_BANKS; i++) {
		states *= count_bank(e, i, u);
		u += e->bank[i].units;
	}
	return states;
}

bool enumerate(const struct enumeration *e, void *memory, size_t bytes, struct enumerated *out)
{
	char *p = memory, *end = p + bytes;
	log_sink_fn sink = log_sink();
	bool ok = true;

	memset(&g, 0, sizeof(g));
	memset(out, 0, sizeof(*out));
	last_line[0] = '\0';
	g.e = e;
	g.out = out;
	model_init(&g.after, g.after_runs, ARRAY_SIZE(g.after_runs));
	model_init(&g.before, g.before_runs, 0);
	if (!set_up(&p, end)) {
		gr_snprintf(out->wrong, sizeof(out->wrong), "cannot be set up in %llu bytes",
			    (unsigned long long)bytes);
		return false;
	}

	/* A table with about one entry for each state that fits. */
	for (g.table_mask = 1; (uint64_t)g.table_mask * 512 < (uint64_t)(end - p);)
		g.table_mask *= 2;
	g.table = (uint32_t *)p;
	p += (size_t)g.table_mask * sizeof(g.table[0]);
	memset(g.table, 0, (size_t)g.table_mask * sizeof(g.table[0]));
	g.table_mask--;
	g.store = (uint64_t *)p;
	g.store_size = (uint32_t)min_u64((uint64_t)(end - p) / 8, UINT32_MAX);
	g.store_used = 1;

	log_set_sink(keep_line);
	g.before = g.after;
	ok = agrees("set-up", 0, 0);
	reset_counters();
	image_read(g.base);
	memcpy(g.now, g.base, sizeof(g.now));
	ok = ok && intern();
	for (uint32_t at = 1; ok && at < g.store_used; at += node_at_unit(at)->size) {
		enter(node_at_unit(at));
		ok = try_all();
	}
	log_set_sink(sink);
	out->bytes = (uint64_t)(p - (char *)memory) + g.store_used * 8ull;
	if (ok && out->states != enumerate_expected(e)) {
		gr_snprintf(out->wrong, sizeof(out->wrong), "%llu states, must be %llu",
			    (unsigned long long)out->states, (unsigned long long)enumerate_expected(e));
		ok = false;
	}
	return ok;
}
