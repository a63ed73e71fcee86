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
#include "mm/frames_cache.h"
#include "tests/model/frames_pair.h"

#define MAX_REGIONS 16
#define MAX_WORDS 4096 /* of an image */
#define MASK_WORDS (MAX_WORDS / 64)
#define MAX_RUNS 128 /* of a model */
#define FENCE 16     /* records beside the banks' that nobody may touch */
#define GARBAGE page_word(1, 0, PAGE_ALLOC, TAG_USER + 13)
#define OWNER TAG_TEST

/*
 * How a unit is written down, beside the words: 0 free, order + 1 of an allocated block that begins there, in which CPU's
 * cache and how deep.
 */
#define UNIT_CACHED 0x40
#define UNIT_CACHED_ON(cpu, depth) (UNIT_CACHED | (cpu) << 4 | (depth))
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
	uint64_t online; /* bit for each CPU */
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
	struct frames_cpu *cpu[ENUMERATE_CPUS];
	uint64_t unit_frame[ENUMERATE_UNITS];
	unsigned units;
	unsigned on_cpu;

	struct region region[MAX_REGIONS];
	unsigned regions;
	unsigned words, masks;
	uint64_t base[MAX_WORDS], here[MAX_WORDS], now[MAX_WORDS];

	struct buddy_model before, after; /* the model in this state, and after the operation */
	struct model_run before_runs[MAX_RUNS], after_runs[MAX_RUNS];
	struct frames_pair pair; /* allocator and one of them */

	uint64_t *store;
	uint32_t store_used, store_size; /* 8-byte units; the first unit is not used */
	uint32_t *table;
	uint32_t table_mask;
} g;

static uint64_t units_end(unsigned bank)
{
	return g.e->bank[bank].start + ((uint64_t)g.e->bank[bank].units << g.e->unit);
}

/* The bank's first frame, and the one behind its last. */
static uint64_t bank_start(unsigned bank)
{
	return g.e->bank[bank].start - (bank ? 0 : g.e->beside);
}

static uint64_t bank_end(unsigned bank)
{
	return units_end(bank) + (bank ? 0 : g.e->behind);
}

/* ---- what went wrong --------------------------------------------------------------------------------------------- */

static char last_line[256];

static void keep_line(const char *text, size_t n)
{
	size_t keep = n < sizeof(last_line) - 1 ? n : sizeof(last_line) - 1;

	memcpy(last_line, text, keep);
	last_line[keep] = '\0';
}

static char draw_unit(const struct model_run *r, uint64_t n)
{
	switch (r->state) {
	case MODEL_RESERVED:
		return '-';
	case MODEL_FREE:
		return '.';
	case MODEL_CACHED:
		return 'c';
	default:
		return (char)(r->n == n ? '0' + r->order - (int)g.e->unit : '+');
	}
}

/* With the state before the operation: one letter for each unit. */
static bool wrong(const char *what, const char *operation, uint64_t n, unsigned order, long got, long want)
{
	char state[ENUMERATE_UNITS + 1] = { 0 };

	if (g.out->wrong[0])
		return false;
	for (unsigned u = 0; u < g.units; u++)
		state[u] = draw_unit(model_find(&g.before, g.unit_frame[u]), g.unit_frame[u]);
	gr_snprintf(g.out->wrong, sizeof(g.out->wrong),
		    "%s after %s(0x%llx, order %u) on CPU %u in state [%s]: %ld, must be %ld; last line: %s", what,
		    operation, (unsigned long long)n, order, g.on_cpu, state, got, want, last_line);
	return false;
}

/* ---- images ------------------------------------------------------------------------------------------------------ */

static void add_region(void *words, size_t n, size_t stride, uint64_t mask)
{
	g.region[g.regions++] = (struct region){ words, n, stride, mask };
	g.words += (unsigned)n;
}

static bool is_plain(const struct region *r)
{
	return r->stride == 1 && r->mask == UINT64_MAX;
}

/* A block that waits to be put back is put back: what any question would do. */
static void settle_banks(void)
{
	for (unsigned i = 0; i < ENUMERATE_BANKS && g.bank[i]; i++) {
		unsigned long irq = spin_lock(&g.bank[i]->lock);

		buddy_settle_locked(g.bank[i]);
		spin_unlock(&g.bank[i]->lock, irq);
		memset(&g.bank[i]->lock, 0, sizeof(g.bank[i]->lock));
	}
}

static void image_read(uint64_t *to)
{
	settle_banks();
	for (const struct region *r = g.region; r < g.region + g.regions; to += r->n, r++)
		if (is_plain(r))
			memcpy(to, r->words, r->n * sizeof(*to));
		else
			for (size_t i = 0; i < r->n; i++)
				to[i] = r->words[i * r->stride] & r->mask;
}

static void image_write(const uint64_t *from)
{
	for (const struct region *r = g.region; r < g.region + g.regions; from += r->n, r++)
		if (is_plain(r))
			memcpy(r->words, from, r->n * sizeof(*from));
		else
			for (size_t i = 0; i < r->n; i++)
				r->words[i * r->stride] = from[i];
}

/* Words of a stack that are in no use may hold anything, and counters count. */
static void clear_stack(struct frames_cache *c)
{
	uint64_t level = c->limit ? c->word[0] : 1, end = c->limit + 2;

	memset(&c->word[1], 0, (level - 1) * sizeof(c->word[0]));
	memset(&c->word[end], 0, (ARRAY_SIZE(c->word) - end) * sizeof(c->word[0]));
	c->refills = c->drains = c->remote_drains = 0;
}

/* What may change without a change of state, and has been compared already. */
static void clear_noise(void)
{
	g.f.failures = 0;
	g.f.bad_frees = 0;
	memset(&g.f.cpus_lock, 0, sizeof(g.f.cpus_lock));
	for (unsigned i = 0; i < ENUMERATE_BANKS && g.bank[i]; i++)
		memset(&g.bank[i]->lock, 0, sizeof(g.bank[i]->lock));
	for (unsigned i = 0; i < g.e->cpus; i++)
		for (enum cache_kind kind = 0; kind < CACHE_KINDS; kind++)
			clear_stack(&g.cpu[i]->cache[kind]);
}

/*
 * What is no part of a state: counters become what they would be if this state were the beginning (they are compared all
 * the same), a CPU that is gone has no number.
 */
static void reset_counters(void)
{
	settle_banks();
	clear_noise();
	for (unsigned i = 0; i < ENUMERATE_BANKS && g.bank[i]; i++) {
		struct buddy *b = g.bank[i];

		b->frees = 0;
		b->peak_used_pages = b->used_pages;
	}
	for (unsigned i = 0; i < g.e->cpus; i++) {
		struct frames_cpu *cpu = g.cpu[i];

		if (!cpu->used) {
			cpu->key = 0;
			cpu->cpu = 0;
		}
	}
}

static void model_reset_counters(struct buddy_model *m)
{
	m->allocs -= m->frees;
	m->frees = m->failures = m->bad_frees = 0;
	for (unsigned i = 0; i < m->banks; i++)
		m->bank[i].peak = m->bank[i].used;
}

static bool image_unchanged(void)
{
	clear_noise();
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

static uint8_t encode_unit(const struct model_run *r, uint64_t n)
{
	if (r->state == MODEL_RESERVED)
		return UNIT_RESERVED;
	if (r->state != MODEL_USED)
		return 0;
	return r->n == n ? (uint8_t)(r->order + 1) : UNIT_INSIDE;
}

/* What the state looks like from outside, caches included. */
static void encode(struct node *node)
{
	for (unsigned u = 0; u < g.units; u++)
		node->unit[u] = encode_unit(model_find(g.pair.model, g.unit_frame[u]), g.unit_frame[u]);
	for (unsigned i = 0; i < g.e->cpus; i++) {
		node->online |= (uint64_t)g.cpu[i]->used << i;
		for (enum cache_kind kind = 0; kind < CACHE_KINDS; kind++) {
			const struct frames_cache *c = &g.cpu[i]->cache[kind];

			for (uint64_t k = c->limit ? c->word[0] : 1; k <= c->limit; k++)
				for (unsigned u = 0; u < g.units; u++)
					if (g.unit_frame[u] == c->word[k] >> PAGE_SHIFT)
						node->unit[u] = (uint8_t)UNIT_CACHED_ON(i, c->limit - k);
		}
	}
}

/* Whether the node has these words; their mask and hash do agree. */
static bool node_has(const struct node *node, const uint64_t *mask)
{
	const uint64_t *words = (const uint64_t *)(node + 1) + g.masks;

	for (unsigned m = 0; m < g.masks; m++)
		for (uint64_t bits = mask[m]; bits; bits &= bits - 1)
			if (*words++ != g.now[m * 64 + (unsigned)__builtin_ctzll(bits)])
				return false;
	return true;
}

/*
 * The state in g.now (and in the model) is known from now on. *is_new: it was not before. False: there is no more memory;
 * or, with CPUs, there is another state that looks just so from outside. (Without, their number is known.)
 */
static bool intern(bool *is_new)
{
	uint64_t mask[MASK_WORDS] = { 0 }, hash = 0, *words;
	struct node *node, looks = { 0 };
	unsigned differ = 0;
	uint32_t *slot;

	for (unsigned m = 0; m < g.masks; m++) {
		const uint64_t *now = g.now + m * 64ul, *base = g.base + m * 64ul;

		/* Words behind the last are 0 in both. */
		if (!memcmp(now, base, 64 * sizeof(*now)))
			continue;
		for (unsigned i = 0; i < 64; i++)
			if (now[i] != base[i]) {
				mask[m] |= (uint64_t)1 << i;
				hash = mix(hash, now[i]);
				differ++;
			}
		hash = mix(hash, mask[m]);
	}

	encode(&looks);
	if (g.e->cpus) {
		/* By its looks alone. */
		hash = looks.online;
		for (unsigned u = 0; u < g.units; u++)
			hash = mix(hash, looks.unit[u]);
	}
	*is_new = false;
	slot = &g.table[hash & g.table_mask];
	for (uint32_t at = *slot; at; at = node->next) {
		node = node_at_unit(at);
		if (node->hash != hash || node->online != looks.online ||
		    memcmp(node->unit, looks.unit, sizeof(looks.unit)) != 0)
			continue;
		if (!memcmp(node + 1, mask, g.masks * 8) && node_has(node, mask))
			return true;
		if (g.e->cpus)
			return wrong("another state looks like this one", "-", 0, 0, 1, 0);
	}

	node = node_at_unit(g.store_used);
	if (g.store_size - g.store_used < sizeof(*node) / 8 + g.masks + differ)
		return wrong("no memory for another state", "-", 0, 0, (long)g.out->states, 0);
	looks.next = *slot;
	looks.size = (uint32_t)(sizeof(*node) / 8) + g.masks + differ;
	looks.hash = hash;
	*node = looks;
	words = (uint64_t *)(node + 1);
	memcpy(words, mask, g.masks * 8);
	words += g.masks;
	for (unsigned m = 0; m < g.masks; m++)
		for (uint64_t bits = mask[m]; bits; bits &= bits - 1)
			*words++ = g.now[m * 64 + (unsigned)__builtin_ctzll(bits)];
	*slot = g.store_used;
	g.store_used += node->size;
	g.out->states++;
	*is_new = true;
	return true;
}

/* ---- entering a state -------------------------------------------------------------------------------------------- */

/* Frames [n, end) go out, as blocks as large as possible: from the model and, when both, from the allocator. */
static bool take_range(struct buddy_model *m, uint64_t n, uint64_t end, bool both)
{
	while (n < end) {
		unsigned order = 0;

		while (order < MAX_ORDER && !(n & (((uint64_t)2 << order) - 1)) && n + ((uint64_t)2 << order) <= end)
			order++;
		if (model_take(m, n, order, TAG_NONE) != MM_OK ||
		    (both && frames_take(&g.f, pfn(n), order, TAG_NONE) != MM_OK))
			return false;
		n += (uint64_t)1 << order;
	}
	return true;
}

/* Frames [n, n + pages) are given: to the model and, when both, to the allocator. */
static bool give_range(struct buddy_model *m, uint64_t n, uint64_t pages, bool both)
{
	return model_add_memory(m, n, pages) == MM_OK && (!both || frames_add_memory(&g.f, pfn(n), pages) == MM_OK);
}

/* All banks, with what is in use all the time; and when both, in the allocator too, which has them already. */
static bool begin_banks(struct buddy_model *m, bool both)
{
	bool ok = true;

	for (unsigned i = 0; i < ENUMERATE_BANKS && g.e->bank[i].units; i++) {
		uint64_t first = bank_start(i), end = bank_end(i);

		model_add_bank(m, first, end - first, 0);
		/* All at once: a section that is given as a whole stays untouched. */
		if (!g.e->grow && !g.e->holes)
			ok = ok && give_range(m, first, end - first, both) &&
			     take_range(m, first, g.e->bank[i].start, both) && take_range(m, units_end(i), end, both);
	}
	return ok;
}

/* Puts allocator and model into the state of the node; g.here is its image. */
static bool enter(const struct node *node)
{
	const uint64_t *mask = (const uint64_t *)(node + 1), *words = mask + g.masks;
	struct buddy_model *m = &g.before;
	bool ok;

	memcpy(g.here, g.base, g.words * sizeof(g.here[0]));
	for (unsigned k = 0; k < g.masks; k++)
		for (uint64_t bits = mask[k]; bits; bits &= bits - 1)
			g.here[k * 64 + (unsigned)__builtin_ctzll(bits)] = *words++;
	image_write(g.here);
	reset_counters();

	model_init(m, g.before_runs, ARRAY_SIZE(g.before_runs));
	pair_init(&g.pair, &g.f, m);
	ok = begin_banks(m, false);
	for (unsigned u = 0; u < g.units && (g.e->grow || g.e->holes); u++)
		if (node->unit[u] != UNIT_RESERVED)
			ok = ok && give_range(m, g.unit_frame[u], (uint64_t)1 << g.e->unit, false);
	for (unsigned u = 0; u < g.units; u++)
		if (node->unit[u] && node->unit[u] < UNIT_CACHED)
			ok = ok && model_take(m, g.unit_frame[u], node->unit[u] - 1u, TAG_NONE) == MM_OK;
	/* What is cached is learned. */
	ok = ok && pair_learn(&g.pair);
	model_reset_counters(m);
	return ok || wrong("cannot enter", "-", 0, 0, 0, 0);
}

/* Back to the state that was entered. */
static void again(void)
{
	image_write(g.here);
	reset_counters();
}

/* Before each operation: the model in a fresh copy. */
static struct frames_pair *begin(void)
{
	g.after = g.before;
	g.after.run = g.after_runs;
	pair_init(&g.pair, &g.f, &g.after);
	memcpy(g.after_runs, g.before_runs, g.before.runs * sizeof(g.after_runs[0]));
	return &g.pair;
}

/* ---- one step ---------------------------------------------------------------------------------------------------- */

/*
 * The operation was done on both; ok: they agreed. A refusal must have changed nothing (but counters), unless it drained
 * caches on its way; anything else must agree in all that can be asked, and leads to a state.
 */
static bool step(const char *operation, uint64_t n, unsigned order, bool ok, int err, bool may_drain)
{
	struct frames_pair *p = &g.pair;
	bool is_new;

	g.out->operations++;
	if (!ok)
		return wrong(p->wrong, operation, n, order, p->got, p->want);
	if (g.f.failures != p->model->failures || g.f.bad_frees != p->model->bad_frees)
		return wrong("counters of failures", operation, n, order, (long)(g.f.failures + g.f.bad_frees),
			     (long)(p->model->failures + p->model->bad_frees));
	if (err != MM_OK && image_unchanged())
		return true;
	if (err != MM_OK && !(may_drain && g.e->cpus))
		return wrong("a refusal changed something", operation, n, order, 1, 0);
	g.out->steps++;
	if ((err == MM_OK && !pair_counters_agree(p)) || !pair_agrees(p))
		return wrong(p->wrong, operation, n, order, p->got, p->want);
	reset_counters();
	image_read(g.now);
	if (!intern(&is_new))
		return false;
	if ((is_new || !g.e->validate_states) && !pair_validate(p))
		return wrong("validate", operation, n, order, p->got, p->want);
	again();
	return true;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static bool try_alloc(unsigned order, unsigned flags)
{
	uint64_t n = 0;
	int err = 0;
	bool ok = pair_alloc(begin(), order, flags, OWNER, &n, &err);

	return step(flags ? "alloc below 4 GiB" : "alloc", n, order, ok, err, true);
}

static bool try_free(uint64_t n, unsigned order)
{
	int err = 0;
	bool ok = pair_free(begin(), n, order, &err);

	return step("free", n, order, ok, err, false);
}

static bool try_take(uint64_t n, unsigned order)
{
	int err = 0;
	bool ok = pair_take(begin(), n, order, OWNER, &err);

	return step("take", n, order, ok, err, true);
}

static bool try_add(uint64_t n, uint64_t pages)
{
	int err = 0;
	bool ok = pair_add_memory(begin(), n, pages, &err);

	return step("add_memory", n, 0, ok, err, false);
}

static bool try_put(uint64_t n)
{
	int err = 0;
	bool ok = pair_put(begin(), n, &err);

	return step("put", n, 0, ok, err, false);
}

/* A second reference: the block cannot be freed, and is as before when it is gone. */
static bool try_references(const struct model_run *r)
{
	uint64_t n = r->n;
	unsigned order = r->order;
	struct frames_pair *p = begin();
	int get = 0, busy = 0, put = 0;
	bool ok = pair_get(p, n, &get) && pair_free(p, n, order, &busy) && pair_put(p, n, &put);

	g.out->operations += 3;
	if (!ok || get || busy != MM_EBUSY || put)
		return wrong(p->wrong ? p->wrong : "result", "get, free, put", n, order, p->got, p->want);
	return image_unchanged() || wrong("something changed", "get, free, put", n, order, 1, 0);
}

static bool try_bulk(unsigned count)
{
	paddr_t pages[ENUMERATE_UNITS];
	int err = 0;
	bool ok = pair_alloc_bulk(begin(), count, 0, OWNER, pages, &err);

	return step("alloc_bulk", count, 0, ok, err, true);
}

/* Two frames at once; the same twice: then one of them is freed, and an error returned. */
static bool try_free_bulk(uint64_t n, uint64_t other)
{
	const paddr_t pages[] = { pfn_to_paddr(pfn(n)), pfn_to_paddr(pfn(other)) };
	int err = 0;
	bool ok = pair_free_bulk(begin(), 2, pages, &err);

	return step("free_bulk", n, 0, ok, err, true);
}

static bool try_online(unsigned cpu)
{
	int err = 0;
	bool ok = pair_online(begin(), cpu, 0, g.cpu[cpu], &err);

	return step("online", cpu, 0, ok, err, false);
}

static bool try_offline(void)
{
	int err = 0;
	bool ok = pair_offline(begin(), &err);

	return step("offline", 0, 0, ok, err, false);
}

static bool try_dead(unsigned cpu)
{
	int err = 0;
	bool ok = pair_dead(begin(), cpu, &err);

	return step("dead", cpu, 0, ok, err, false);
}

/* ---- every operation --------------------------------------------------------------------------------------------- */

/* Requests and frees, in all sizes and of all units. thorough: with what must be refused for the same reason on any CPU. */
static bool try_requests(unsigned top, bool thorough)
{
	unsigned unit = g.e->unit;
	uint64_t size = (uint64_t)1 << unit;

	/* One order more than there can be. */
	for (unsigned order = unit; order <= top + 1; order++)
		if (!try_alloc(order, 0) || ((g.bank[1] || g.e->cpus) && !try_alloc(order, FRAMES_BELOW_4G)))
			return false;
	for (unsigned u = 0; u < g.units; u++) {
		uint64_t n = g.unit_frame[u];

		for (unsigned order = unit; order <= top + thorough; order++)
			if (!try_free(n, order) || (thorough && !try_take(n, order)))
				return false;
		if (!try_put(n))
			return false;
		if (thorough && unit && (!try_free(n + 1, unit) || !try_free(n + size - 1, 0) || !try_free(n, 0)))
			return false;
	}
	return true;
}

static bool try_bulks(void)
{
	for (unsigned u = 0; u < g.units; u++)
		if (!try_free_bulk(g.unit_frame[u], g.unit_frame[(u + 1) % g.units]) ||
		    !try_free_bulk(g.unit_frame[u], g.unit_frame[u]))
			return false;
	return try_bulk(1) && try_bulk(2) && try_bulk(g.units);
}

/* What lies around the banks; giving, where that is an operation. */
static bool try_banks(void)
{
	for (unsigned i = 0; i < ENUMERATE_BANKS && g.bank[i]; i++) {
		uint64_t start = g.e->bank[i].start, end = units_end(i), size = (uint64_t)1 << g.e->unit;

		if (!try_free(bank_start(i) - 1, 0) || !try_free(bank_end(i), 0) || !try_take(bank_end(i), 0))
			return false;
		for (uint64_t n = start; g.e->grow && n < end; n += size)
			for (uint64_t pages = size; pages <= end - n + size; pages += size)
				if (!try_add(n, pages))
					return false;
	}
	return true;
}

/* Every operation in the state that was entered. */
static bool try_all(void)
{
	unsigned top = g.e->unit;

	while (1u << (top - g.e->unit) < g.units)
		top++;
	for (unsigned cpu = 0; cpu < g.e->cpus; cpu++) {
		g.on_cpu = cpu;
		g.e->be_cpu(cpu);
		if (!try_requests(top, cpu == 0) || !try_online(cpu) || !try_offline() || !try_dead(cpu))
			return false;
	}
	if (g.e->cpus && (!step("drain", 0, 0, pair_drain(begin()), MM_OK, true) || !try_dead(0)))
		return false;
	if (!g.e->cpus && !try_requests(top, true))
		return false;
	if (!g.e->unit && g.e->cpus && !try_bulks())
		return false;
	for (unsigned i = 0; i < g.before.runs; i++)
		if (g.before.run[i].state == MODEL_USED && !try_references(&g.before.run[i]))
			return false;
	return try_banks();
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

static bool set_up_bank(unsigned i, char **memory, char *memory_end)
{
	const struct enumeration *e = g.e;
	uint64_t start = e->bank[i].start, end = units_end(i), first = bank_start(i), last = bank_end(i) - 1;
	char *metadata = carve(memory, memory_end, frames_bank_metadata_size(pfn(first), last - first + 1));
	uint64_t *leaf, *last_leaf;

	if (!metadata || frames_add_bank(&g.f, pfn(first), last - first + 1, 0, metadata) != MM_OK)
		return false;
	g.bank[i] = (struct buddy *)metadata;
	/*
	 * The leaves stand at the end. Those of the units hold orders 0 to 5; in the others, and in all when units are
	 * larger, nothing changes while a section is live, and the check looks at them anyway.
	 */
	leaf = leaf_at(g.bank[i], start);
	last_leaf = leaf_at(g.bank[i], end - 1);
	add_region(metadata, (ALIGN_DOWN((uintptr_t)leaf_at(g.bank[i], first), 64) - (uintptr_t)metadata) / 8, 1,
		   UINT64_MAX);
	if (e->unit < NODE_ORDERS)
		add_region(leaf, (size_t)(last_leaf - leaf) + LEAF_WORDS, 1, UINT64_MAX);
	add_region((void *)&g.records[start - g.first], e->bank[i].units, (size_t)1 << e->unit, ~PAGE_WORD_TAG_MASK);
	add_region(&g.sections[first >> MAX_ORDER], (last >> MAX_ORDER) - (first >> MAX_ORDER) + 1, 1, UINT64_MAX);
	for (unsigned k = 0; k < e->bank[i].units; k++)
		g.unit_frame[g.units++] = start + ((uint64_t)k << e->unit);
	return true;
}

/* Each has been there once, so that the list of them is always in the same order. */
static bool set_up_cpus(char **memory, char *memory_end)
{
	const struct enumeration *e = g.e;

	for (unsigned i = 0; i < e->cpus; i++) {
		g.cpu[i] = carve(memory, memory_end, FRAMES_CPU_BYTES);
		if (!g.cpu[i])
			return false;
		e->be_cpu(i);
		if (frames_cpu_online(&g.f, i, 0, g.cpu[i]) != MM_OK)
			return false;
		add_region(g.cpu[i], sizeof(*g.cpu[i]) / 8, 1, UINT64_MAX);
	}
	for (unsigned i = 0; i < e->cpus; i++) {
		e->be_cpu(i);
		if (frames_cpu_offline(&g.f) != MM_OK)
			return false;
	}
	if (e->cpus)
		add_region(&g.f, sizeof(g.f) / 8, 1, UINT64_MAX);
	return true;
}

static bool set_up(char **memory, char *memory_end)
{
	const struct enumeration *e = g.e;
	struct buddy_model *m = &g.before;

	g.first = UINT64_MAX;
	for (unsigned i = 0; i < ENUMERATE_BANKS && e->bank[i].units; i++) {
		g.first = min_u64(g.first, bank_start(i));
		g.end = max_u64(g.end, bank_end(i));
	}
	g.first -= FENCE;
	g.end += FENCE;
	g.n_sections = (g.end >> MAX_ORDER) + 1;
	g.sections = carve(memory, memory_end, frames_section_table_size(g.n_sections));
	g.records = carve(memory, memory_end, (g.end - g.first) * sizeof(struct page));
	if (!g.sections || !g.records)
		return false;
	memset(g.sections, 0, frames_section_table_size(g.n_sections));
	frames_init(&g.f, (struct page *)((uintptr_t)g.records - g.first * sizeof(struct page)), g.sections,
		    g.n_sections);
	for (unsigned i = 0; i < ENUMERATE_BANKS && e->bank[i].units; i++)
		if (!set_up_bank(i, memory, memory_end))
			return false;
	add_region((void *)&g.records[0], FENCE, 1, UINT64_MAX);
	add_region((void *)&g.records[g.end - g.first - FENCE], FENCE, 1, UINT64_MAX);

	if (!begin_banks(m, true))
		return false;
	for (unsigned u = 0; u < g.units && e->holes; u++)
		if (!(e->holes >> u & 1) && !give_range(m, g.unit_frame[u], (uint64_t)1 << e->unit, true))
			return false;
	if (!set_up_cpus(memory, memory_end))
		return false;
	g.masks = (g.words + 63) / 64;
	reset_counters();
	model_reset_counters(m);
	return g.words <= MAX_WORDS && g.regions <= MAX_REGIONS;
}

/* ---- how many there must be -------------------------------------------------------------------------------------- */

#define MAX_CACHED 8 /* units in a cache at once, as far as is counted */

/* In how many ways some units can be as they are, by how many of them lie in the first and in the second CPU's cache. */
struct ways {
	uint64_t n[MAX_CACHED + 1][MAX_CACHED + 1];
};

/* *x becomes the ways of its units and those of *y together. */
static void multiply(struct ways *x, const struct ways *y)
{
	struct ways p = { 0 };

	for (unsigned a = 0; a <= MAX_CACHED; a++)
		for (unsigned b = 0; b <= MAX_CACHED; b++)
			for (unsigned c = 0; x->n[a][b] && a + c <= MAX_CACHED; c++)
				for (unsigned d = 0; b + d <= MAX_CACHED; d++)
					p.n[a + c][b + d] += x->n[a][b] * y->n[c][d];
	*x = p;
}

/*
 * The block of 2^order units that begins at unit u. It is allocated as a whole, or it is two halves in any of their
 * states, of which "both free" is the block free as a whole. A unit that is never given has one state; one that is given
 * by an operation has one more than others; neither is in a block that is allocated. A unit in a cache is in no larger
 * block.
 */
static void count_block(const struct enumeration *e, unsigned u, unsigned order, struct ways *ways)
{
	static struct ways part[ENUMERATE_UNITS];

	for (unsigned i = 0; i < 1u << order; i++) {
		part[i] = (struct ways){ 0 };
		part[i].n[0][0] = e->holes >> (u + i) & 1 ? 1 : 2u + e->grow;
		part[i].n[1][0] = part[i].n[0][1] = e->cpus != 0;
	}
	for (unsigned k = 1; k <= order; k++)
		for (unsigned i = 0; i < 1u << order; i += 1u << k) {
			uint64_t units = ((uint64_t)1 << (1u << k)) - 1;

			multiply(&part[i], &part[i + (1u << (k - 1))]);
			part[i].n[0][0] += !(e->holes >> (u + i) & units);
		}
	*ways = part[0];
}

/* The bank whose first unit is u is a product of the largest aligned blocks in it: *ways becomes theirs too. */
static void count_bank(const struct enumeration *e, unsigned bank, unsigned u, struct ways *ways)
{
	uint64_t start = e->bank[bank].start >> e->unit;
	unsigned order;

	for (unsigned k = 0; k < e->bank[bank].units; k += 1u << order) {
		struct ways block;

		for (order = 0; e->unit + order < MAX_ORDER; order++)
			if ((start + k) & ((2u << order) - 1) || k + (2u << order) > e->bank[bank].units)
				break;
		count_block(e, u + k, order, &block);
		/*
		 * A section that is given as a whole has no nodes at first. It can be fresh, out, or back with the
		 * record of its last owner; if there is nothing smaller to ask for, that is all.
		 */
		if (e->unit + order == MAX_ORDER && !e->grow && !(e->holes >> (u + k) & ((1u << (1u << order)) - 1)))
			block.n[0][0] = order ? block.n[0][0] + 3 : 3;
		multiply(ways, &block);
	}
}

/* With at most so many units in the two caches, in any order. */
static uint64_t count_caches(const struct ways *ways, unsigned first, unsigned second)
{
	uint64_t states = 0, orders = 1;

	for (unsigned a = 0; a <= first && a <= MAX_CACHED; a++) {
		uint64_t other_orders = 1;

		orders *= a ? a : 1;
		for (unsigned b = 0; b <= second && b <= MAX_CACHED; b++) {
			other_orders *= b ? b : 1;
			states += ways->n[a][b] * orders * other_orders;
		}
	}
	return states;
}

uint64_t enumerate_expected(const struct enumeration *e)
{
	struct ways ways = { .n = { { 1 } } };
	unsigned u = 0;

	for (unsigned i = 0; i < ENUMERATE_BANKS; i++) {
		count_bank(e, i, u, &ways);
		u += e->bank[i].units;
	}
	if (!e->cpus)
		return ways.n[0][0];
	/* Nobody is there, the one, the other, both. */
	return count_caches(&ways, 0, 0) + count_caches(&ways, e->alone, 0) + count_caches(&ways, 0, e->alone) +
	       count_caches(&ways, e->shared, e->shared);
}

bool enumerate(const struct enumeration *e, void *memory, size_t bytes, struct enumerated *out)
{
	char *p = memory, *end = p + bytes;
	log_sink_fn sink = log_sink();
	bool ok, is_new;

	memset(&g, 0, sizeof(g));
	memset(out, 0, sizeof(*out));
	last_line[0] = '\0';
	g.e = e;
	g.out = out;
	model_init(&g.before, g.before_runs, ARRAY_SIZE(g.before_runs));
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
	image_read(g.base);
	memcpy(g.now, g.base, sizeof(g.now));
	ok = pair_agrees(begin()) || wrong(g.pair.wrong, "set-up", 0, 0, g.pair.got, g.pair.want);
	ok = ok && intern(&is_new);
	for (uint32_t at = 1; ok && at < g.store_used; at += node_at_unit(at)->size)
		ok = enter(node_at_unit(at)) && try_all();
	log_set_sink(sink);
	if (e->cpus)
		e->be_cpu(0);
	out->bytes = (uint64_t)(p - (char *)memory) + g.store_used * 8ull;
	if (ok && out->states != enumerate_expected(e)) {
		gr_snprintf(out->wrong, sizeof(out->wrong), "%llu states, must be %llu",
			    (unsigned long long)out->states, (unsigned long long)enumerate_expected(e));
		ok = false;
	}
	return ok;
}
