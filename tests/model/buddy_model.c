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

	if (i + 1 >= m->runs || r[0].state != r[1].state || r[0].bank != r[1].bank || r[0].state == MODEL_CACHED ||
	    r[0].state == MODEL_USED)
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

/* Gives frames [n, n + pages), all of which lie in one run, a state of their own; order and tag: of a block. */
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
	r->order = (uint8_t)order;
	r->tag = (uint8_t)tag;
	r->ref = state == MODEL_USED;
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

static unsigned distance(const struct buddy_model *m, uint32_t from, uint32_t to)
{
	if (from < FRAMES_MAX_NODES && to < FRAMES_MAX_NODES && m->distance[from][to])
		return m->distance[from][to];
	return from == to ? 10 : 20;
}

uint64_t model_room(const struct buddy_model *m, unsigned b, unsigned flags)
{
	uint64_t free = 0, kept = flags & FRAMES_RESERVE ? 0 : m->bank[b].reserve;

	for (unsigned i = 0; i < m->runs; i++)
		if (m->run[i].bank == b && m->run[i].state == MODEL_FREE)
			free += m->run[i].pages;
	return free > kept ? free - kept : 0;
}

/* The lowest free block of the smallest sufficient order in bank b whose first `pages` frames end at or before `end`. */
static uint64_t choose_block(const struct buddy_model *m, unsigned b, uint64_t pages, uint64_t end)
{
	uint64_t best = BUDDY_NONE;
	unsigned best_order = MAX_ORDER + 1;

	for (unsigned i = 0; i < m->runs; i++) {
		const struct model_run *r = &m->run[i];
		unsigned k;

		if (r->bank != b || r->state != MODEL_FREE)
			continue;
		for (uint64_t n = r->n; n < run_end(r); n += (uint64_t)1 << k) {
			k = free_order(r, n);
			if ((uint64_t)1 << k >= pages && k < best_order && n + pages <= end) {
				best = n;
				best_order = k;
			}
		}
	}
	return best;
}

/* The first frame behind what a request allows. */
static uint64_t limit_of(const struct frames_request *r)
{
	uint64_t end = UINT64_MAX;

	if (r->address_bits && r->address_bits < 64)
		end = ((uint64_t)1 << r->address_bits) >> PAGE_SHIFT;
	return r->flags & FRAMES_BELOW_4G ? min_u64(end, FRAMES_CLASS_SPLIT >> PAGE_SHIFT) : end;
}

static bool may_use(const struct buddy_model *m, unsigned b, const struct frames_request *r)
{
	return !r->only_node || r->node == m->bank[b].node;
}

/* Nearest banks first; among equally near ones, high memory first, then by address. */
#define for_each_bank(m, r, b)                            \
	for (unsigned d_ = 0; d_ <= UINT8_MAX; d_++)      \
		for (unsigned b = 0; b < (m)->banks; b++) \
			if (d_ == ((r)->has_node ? distance(m, (r)->node, (m)->bank[b].node) : 0) && may_use(m, b, r))

uint64_t model_choose(const struct buddy_model *m, uint64_t pages, const struct frames_request *r)
{
	for_each_bank(m, r, b)
	{
		uint64_t n = model_room(m, b, r->flags) < pages ? BUDDY_NONE : choose_block(m, b, pages, limit_of(r));

		if (n != BUDDY_NONE)
			return n;
	}
	return BUDDY_NONE;
}

/* How many frames from *n on, the first multiple of align in the run, are free and below `end`. */
static uint64_t range_in_run(const struct model_run *r, uint64_t align, uint64_t end, uint64_t *n)
{
	*n = ALIGN_UP(r->n, align);
	end = min_u64(end, run_end(r));
	return r->state == MODEL_FREE && *n < end ? end - *n : 0;
}

uint64_t model_choose_range(const struct buddy_model *m, uint64_t pages, uint64_t align, const struct frames_request *r)
{
	for_each_bank(m, r, b)
	{
		if (model_room(m, b, r->flags) < pages)
			continue;
		for (unsigned i = 0; i < m->runs; i++) {
			uint64_t n;

			if (m->run[i].bank == b && range_in_run(&m->run[i], align, limit_of(r), &n) >= pages)
				return n;
		}
	}
	return BUDDY_NONE;
}

uint64_t model_longest_range(const struct buddy_model *m, uint64_t pages, uint64_t align,
			     const struct frames_request *r, uint64_t *n)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < m->runs; i++) {
		unsigned b = m->run[i].bank;
		uint64_t first, length = range_in_run(&m->run[i], align, limit_of(r), &first);

		length = min_u64(min_u64(length, pages), model_room(m, b, r->flags));
		if (!may_use(m, b, r) || length < longest || (length == longest && (!length || first > *n)))
			continue;
		longest = length;
		*n = first;
	}
	return longest;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

void model_init(struct buddy_model *m, struct model_run *runs, unsigned max_runs)
{
	*m = (struct buddy_model){ .run = runs, .max_runs = max_runs };
}

void model_add_bank(struct buddy_model *m, uint64_t start, uint64_t pages, uint32_t node)
{
	struct model_run run = { .n = start, .pages = pages, .state = MODEL_RESERVED };
	unsigned at = 0, i = 0;

	if (m->banks == MODEL_BANKS)
		panic("model: no room for %u banks", m->banks + 1);
	while (at < m->banks &&
	       (is_high(start) == is_high(m->bank[at].start) ? m->bank[at].start < start : is_high(m->bank[at].start)))
		at++;
	memmove(&m->bank[at + 1], &m->bank[at], (m->banks - at) * sizeof(m->bank[0]));
	m->bank[at] = (struct model_bank){ .start = start, .pages = pages, .node = node };
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

/* Whether the block of `order` at n is free in one piece: in a bank, or in a cache as just this block. */
static bool is_free_block(const struct model_run *r, uint64_t n, unsigned order)
{
	if (!r || !IS_ALIGNED(n, (uint64_t)1 << order))
		return false;
	if (r->state == MODEL_CACHED)
		return r->n == n && r->order == order;
	return r->state == MODEL_FREE && free_order(r, n) >= order;
}

bool model_cache(struct buddy_model *m, uint64_t n, unsigned order)
{
	if (!is_free_block(model_find(m, n), n, order))
		return false;
	paint(m, n, (uint64_t)1 << order, MODEL_CACHED, order, 0);
	return true;
}

bool model_hand_out(struct buddy_model *m, uint64_t n, unsigned order, unsigned tag)
{
	const struct model_run *r = model_find(m, n);
	struct model_bank *b;

	if (!is_free_block(r, n, order))
		return false;
	b = &m->bank[r->bank];
	paint(m, n, (uint64_t)1 << order, MODEL_USED, order, tag);
	b->used += (uint64_t)1 << order;
	if (b->used > b->peak)
		b->peak = b->used;
	m->allocs++;
	return true;
}

/* The order of the largest block that begins at n and ends at or before `end`. */
static unsigned fitting(uint64_t n, uint64_t end)
{
	unsigned order = 0;

	while (order < MAX_ORDER && IS_ALIGNED(n, (uint64_t)2 << order) && n + ((uint64_t)2 << order) <= end)
		order++;
	return order;
}

bool model_hand_out_range(struct buddy_model *m, uint64_t n, uint64_t pages, unsigned tag)
{
	uint64_t end = n + pages;

	while (n < end) {
		unsigned order = fitting(n, end);

		if (!model_hand_out(m, n, order, tag))
			return false;
		n += (uint64_t)1 << order;
	}
	return true;
}

uint64_t model_drain(struct buddy_model *m)
{
	uint64_t pages = 0;

	for (unsigned i = 0; i < m->runs; i++) {
		const struct model_run *r = &m->run[i];

		if (r->state != MODEL_CACHED)
			continue;
		pages += r->pages;
		paint(m, r->n, r->pages, MODEL_FREE, 0, 0);
		i = UINT32_MAX; /* runs have joined: from the start again */
	}
	return pages;
}

/* What no request may say, with the flags that this one knows. */
static bool makes_sense(const struct frames_request *r, unsigned flags)
{
	return !(r->flags & ~flags) && (!r->address_bits || r->address_bits >= PAGE_SHIFT) && r->address_bits <= 64 &&
	       (!r->only_node || r->has_node);
}

int model_alloc_exact(struct buddy_model *m, uint64_t pages, const struct frames_request *r, uint64_t *out)
{
	uint64_t n;

	if (!pages || pages > SECTION_PAGES || !makes_sense(r, FRAMES_ZERO | FRAMES_BELOW_4G | FRAMES_RESERVE))
		return MM_EINVAL;
	n = model_choose(m, pages, r);
	if (n == BUDDY_NONE && model_drain(m))
		n = model_choose(m, pages, r);
	if (n == BUDDY_NONE) {
		m->failures++;
		return MM_ENOMEM;
	}
	(void)model_hand_out_range(m, n, pages, r->tag);
	*out = n;
	return MM_OK;
}

int model_alloc_request(struct buddy_model *m, unsigned order, const struct frames_request *r, uint64_t *out)
{
	return order > MAX_ORDER ? MM_EINVAL : model_alloc_exact(m, (uint64_t)1 << order, r, out);
}

int model_alloc(struct buddy_model *m, unsigned order, unsigned flags, unsigned tag, uint64_t *out)
{
	const struct frames_request r = { .flags = flags, .tag = (uint8_t)tag };

	return tag > UINT8_MAX ? MM_EINVAL : model_alloc_request(m, order, &r, out);
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
	int err = tag > UINT8_MAX ? MM_EINVAL : model_take_error(m, n, order);

	if (err == MM_EBUSY && model_drain(m))
		err = model_take_error(m, n, order);
	if (err == MM_OK)
		(void)model_hand_out(m, n, order, tag);
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
	if (r->state != MODEL_USED)
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

int model_free_exact(struct buddy_model *m, uint64_t first, uint64_t pages)
{
	uint64_t end = first + pages, size;
	int err = pages && end > first ? MM_OK : MM_EINVAL;

	for (uint64_t n = first; n < end && !err; n += size) {
		const struct model_run *r = model_find(m, n);
		unsigned order = r && r->state == MODEL_USED ? r->order : 0;

		size = (uint64_t)1 << order;
		err = model_free_error(m, n, order);
		if (!err && size > end - n)
			err = MM_EORDER;
	}
	if (err) {
		m->bad_frees++;
		return err;
	}
	for (uint64_t n = first; n < end; n += size) {
		unsigned order = model_find(m, n)->order;

		size = (uint64_t)1 << order;
		(void)model_free(m, n, order);
	}
	return MM_OK;
}

int model_get(struct buddy_model *m, uint64_t n)
{
	struct model_run *r = model_find(m, n);
	int err = model_free_error(m, n, r && r->state == MODEL_USED ? r->order : 0);

	if (!r || (err != MM_OK && err != MM_EBUSY))
		return err;
	if (r->ref == UINT32_MAX)
		return MM_EOVERFLOW;
	r->ref++;
	return MM_OK;
}

int model_put(struct buddy_model *m, uint64_t n, bool *freed)
{
	struct model_run *r = model_find(m, n);
	int err;

	*freed = false;
	if (r && r->state == MODEL_USED && r->n == n && r->ref > 1) {
		r->ref--;
		return MM_OK;
	}
	err = model_free(m, n, r && r->state == MODEL_USED ? r->order : 0);
	*freed = err == MM_OK;
	return err;
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

void model_query(const struct buddy_model *m, uint64_t n, struct frame_info *out)
{
	model_query_run(model_find(m, n), n, out);
}

void model_query_run(const struct model_run *r, uint64_t n, struct frame_info *out)
{
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
	case MODEL_CACHED:
		out->role = FRAME_FREE;
		out->order = r->order;
		out->head = pfn(r->n);
		out->cached = true;
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

bool model_info_agrees(const struct frame_info *want, const struct frame_info *got)
{
	return got->role == want->role && got->head.n == want->head.n && got->order == want->order &&
	       got->ref == want->ref && got->cached == want->cached &&
	       (want->role != FRAME_ALLOC || got->tag == want->tag);
}

void model_get_stats(const struct buddy_model *m, struct frames_stats *out)
{
	*out = (struct frames_stats){ .banks = m->banks,
				      .allocs = m->allocs,
				      .frees = m->frees,
				      .failures = m->failures,
				      .bad_frees = m->bad_frees };
	for (unsigned b = 0; b < m->banks; b++) {
		out->peak_used_pages += m->bank[b].peak;
		out->reserve_pages += m->bank[b].reserve;
	}
	for (unsigned i = 0; i < m->runs; i++) {
		const struct model_run *r = &m->run[i];
		unsigned k;

		if (r->state != MODEL_RESERVED)
			out->total_pages += r->pages;
		if (r->state == MODEL_CACHED)
			out->cached_pages += r->pages;
		if (r->state == MODEL_FREE || r->state == MODEL_CACHED)
			out->free_pages += r->pages;
		if (r->state != MODEL_FREE)
			continue;
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
