/* SPDX-License-Identifier: BSD-2-Clause */
/* The reference allocator: see buddy_model.h. To be read as a specification; plain wherever it could be fast. */
#include "tests/model/buddy_model.h"
#include "lib/panic.h"
#include "lib/string.h"

static uint64_t run_end(const struct model_run *r)
{
	return r->n + r->pages;
}

static bool is_high(uint64_t n)
{
	return n >= FRAMES_CLASS_SPLIT >> PAGE_SHIFT;
}

/* ---- states of frames -------------------------------------------------------------------------------------------- */

struct model_run *model_find(const struct buddy_model *m, uint64_t n)
{
	for (unsigned i = 0; i < m->runs; i++)
		if (n >= m->run[i].n && n - m->run[i].n < m->run[i].pages)
			return &m->run[i];
	return NULL;
}

/* Run i and the one behind it are one when nothing tells their frames apart. */
static void join(struct buddy_model *m, unsigned i)
{
	struct model_run *r = &m->run[i];

	if (i + 1 >= m->runs || r[0].state != r[1].state || r[0].state == MODEL_USED || r[0].bank != r[1].bank)
		return;
	r[0].pages += r[1].pages;
	m->runs--;
	memmove(r + 1, r + 2, (m->runs - i - 1) * sizeof(*r));
}

static void insert(struct buddy_model *m, unsigned i, struct model_run run)
{
	if (!run.pages)
		return;
	if (m->runs == m->max_runs)
		panic("model: no room for %u runs", m->runs + 1);
	memmove(&m->run[i + 1], &m->run[i], (m->runs - i) * sizeof(run));
	m->run[i] = run;
	m->runs++;
}

/* Gives frames [n, n + pages), all of which lie in one run, a state of their own; order, tag, ref: of a used block. */
static void paint(struct buddy_model *m, uint64_t n, uint64_t pages, enum model_state state, unsigned order,
		  unsigned tag)
{
	struct model_run *r = model_find(m, n);
	struct model_run before = *r, after = *r;
	unsigned i = (unsigned)(r - m->run);

	before.pages = n - r->n;
	after.n = n + pages;
	after.pages = run_end(r) - after.n;
	*r = (struct model_run){ .n = n, .pages = pages, .state = (uint8_t)state, .bank = r->bank };
	if (state == MODEL_USED) {
		r->order = (uint8_t)order;
		r->tag = (uint8_t)tag;
		r->ref = 1;
	}
	insert(m, i + 1, after);
	insert(m, i, before);
	/* At most three runs have new neighbours; joining from behind keeps the numbers of those before. */
	for (unsigned k = i + 2; k-- > (i ? i - 1 : 0);)
		join(m, k);
}

/* ---- what a buddy is --------------------------------------------------------------------------------------------- */

/* The order of the free block around frame n of free run r: the largest aligned block in which all is free. */
static unsigned free_order(const struct model_run *r, uint64_t n)
{
	unsigned order = 0;

	while (order < MAX_ORDER) {
		uint64_t size = (uint64_t)2 << order, first = ALIGN_DOWN(n, size);

		if (first < r->n || first + size > run_end(r))
			break;
		order++;
	}
	return order;
}

/* Lowest address of the smallest sufficient order, in the first bank that has any. */
uint64_t model_choose(const struct buddy_model *m, unsigned order, unsigned flags)
{
	for (unsigned b = 0; b < m->banks; b++) {
		uint64_t best = BUDDY_NONE;
		unsigned best_order = MAX_ORDER + 1;

		if (flags & FRAMES_BELOW_4G && is_high(m->bank[b].start))
			continue;
		for (unsigned i = 0; i < m->runs; i++) {
			const struct model_run *r = &m->run[i];
			unsigned k;

			if (r->bank != b || r->state != MODEL_FREE)
				continue;
			for (uint64_t n = r->n; n < run_end(r); n += (uint64_t)1 << k) {
				k = free_order(r, n);
				if (k >= order && k < best_order) {
					best = n;
					best_order = k;
				}
			}
		}
		if (best != BUDDY_NONE)
			return best;
	}
	return BUDDY_NONE;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

void model_init(struct buddy_model *m, struct model_run *runs, unsigned max_runs)
{
	*m = (struct buddy_model){ .run = runs, .max_runs = max_runs };
}

void model_add_bank(struct buddy_model *m, uint64_t start, uint64_t pages)
{
	struct model_run run = { .n = start, .pages = pages, .state = MODEL_RESERVED };
	unsigned at = 0, i = 0;

	if (m->banks == MODEL_BANKS)
		panic("model: no room for %u banks", m->banks + 1);
	while (at < m->banks &&
	       (is_high(start) == is_high(m->bank[at].start) ? m->bank[at].start < start : is_high(m->bank[at].start)))
		at++;
	memmove(&m->bank[at + 1], &m->bank[at], (m->banks - at) * sizeof(m->bank[0]));
	m->bank[at] = (struct model_bank){ .start = start, .pages = pages };
	m->banks++;
	while (i < m->runs && m->run[i].bank < at)
		i++;
	for (unsigned k = i; k < m->runs; k++)
		m->run[k].bank++;
	run.bank = (uint8_t)at;
	insert(m, i, run);
}

int model_add_memory(struct buddy_model *m, uint64_t start, uint64_t pages)
{
	const struct model_run *r = model_find(m, start);
	const struct model_bank *b;

	if (!r || !pages)
		return MM_EINVAL;
	b = &m->bank[r->bank];
	if (pages > b->start + b->pages - start)
		return MM_EINVAL;
	if (r->state != MODEL_RESERVED || pages > run_end(r) - start)
		return MM_EEXIST;
	paint(m, start, pages, MODEL_FREE, 0, 0);
	return MM_OK;
}

/* The block of `order` at n, all of it free, goes out. */
static void hand_out(struct buddy_model *m, uint64_t n, unsigned order, unsigned tag)
{
	struct model_bank *b = &m->bank[model_find(m, n)->bank];

	paint(m, n, (uint64_t)1 << order, MODEL_USED, order, tag);
	b->used += (uint64_t)1 << order;
	if (b->used > b->peak)
		b->peak = b->used;
	m->allocs++;
}

int model_alloc(struct buddy_model *m, unsigned order, unsigned flags, unsigned tag, uint64_t *out)
{
	uint64_t n;

	if (order > MAX_ORDER || flags & ~(FRAMES_ZERO | FRAMES_BELOW_4G) || tag > 255)
		return MM_EINVAL;
	n = model_choose(m, order, flags);
	if (n == BUDDY_NONE) {
		m->failures++;
		return MM_ENOMEM;
	}
	hand_out(m, n, order, tag);
	*out = n;
	return MM_OK;
}

int model_take_error(const struct buddy_model *m, uint64_t n, unsigned order)
{
	const struct model_run *r;

	if (order > MAX_ORDER)
		return MM_EINVAL;
	if (!IS_ALIGNED(n, (uint64_t)1 << order))
		return MM_EALIGN;
	r = model_find(m, n);
	if (!r)
		return MM_EFOREIGN;
	if (r->state == MODEL_RESERVED)
		return MM_ERESERVED;
	return r->state == MODEL_FREE && free_order(r, n) >= order ? MM_OK : MM_EBUSY;
}

int model_take(struct buddy_model *m, uint64_t n, unsigned order, unsigned tag)
{
	int err = tag > 255 ? MM_EINVAL : model_take_error(m, n, order);

	if (err == MM_OK)
		hand_out(m, n, order, tag);
	return err;
}

int model_free_error(const struct buddy_model *m, uint64_t n, unsigned order)
{
	const struct model_run *r = model_find(m, n);

	if (order > MAX_ORDER)
		return MM_EINVAL;
	if (!r)
		return MM_EFOREIGN;
	if (r->state == MODEL_RESERVED)
		return MM_ERESERVED;
	if (r->state == MODEL_FREE)
		return MM_EDOUBLE;
	if (r->n != n)
		return MM_EINTERIOR;
	if (r->order != order)
		return MM_EORDER;
	return r->ref == 1 ? MM_OK : MM_EBUSY;
}

int model_free(struct buddy_model *m, uint64_t n, unsigned order)
{
	int err = model_free_error(m, n, order);

	if (err) {
		m->bad_frees++;
		return err;
	}
	m->bank[model_find(m, n)->bank].used -= (uint64_t)1 << order;
	m->frees++;
	paint(m, n, (uint64_t)1 << order, MODEL_FREE, 0, 0);
	return MM_OK;
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

void model_query(const struct buddy_model *m, uint64_t n, struct frame_info *out)
{
	const struct model_run *r = model_find(m, n);

	*out = (struct frame_info){ .role = FRAME_FOREIGN };
	if (!r)
		return;
	switch (r->state) {
	case MODEL_RESERVED:
		out->role = FRAME_RESERVED;
		break;
	case MODEL_FREE:
		out->role = FRAME_FREE;
		out->order = free_order(r, n);
		out->head = pfn(ALIGN_DOWN(n, (uint64_t)1 << out->order));
		break;
	default:
		out->role = FRAME_ALLOC;
		out->order = r->order;
		out->head = pfn(r->n);
		out->tag = r->tag;
		out->ref = r->ref;
		break;
	}
}

bool model_query_agrees(const struct buddy_model *m, uint64_t n, const struct frame_info *got)
{
	struct frame_info want;

	model_query(m, n, &want);
	return got->role == want.role && got->head.n == want.head.n && got->order == want.order &&
	       got->ref == want.ref && (want.role != FRAME_ALLOC || got->tag == want.tag);
}

void model_get_stats(const struct buddy_model *m, struct frames_stats *out)
{
	*out = (struct frames_stats){ .banks = m->banks,
				      .allocs = m->allocs,
				      .frees = m->frees,
				      .failures = m->failures,
				      .bad_frees = m->bad_frees };
	for (unsigned b = 0; b < m->banks; b++)
		out->peak_used_pages += m->bank[b].peak;
	for (unsigned i = 0; i < m->runs; i++) {
		const struct model_run *r = &m->run[i];
		unsigned k;

		if (r->state != MODEL_RESERVED)
			out->total_pages += r->pages;
		if (r->state != MODEL_FREE)
			continue;
		out->free_pages += r->pages;
		for (uint64_t n = r->n; n < run_end(r); n += (uint64_t)1 << k) {
			k = free_order(r, n);
			out->free_blocks[k]++;
		}
	}
}

int model_largest_free(const struct buddy_model *m)
{
	struct frames_stats stats;

	model_get_stats(m, &stats);
	for (int order = MAX_ORDER; order >= 0; order--)
		if (stats.free_blocks[order])
			return order;
	return -1;
}
