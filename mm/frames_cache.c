/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The caches' slow half: batches between a stack and the banks, draining other CPUs', CPUs that come and go. The fast
 * half is in mm/frames_fast.h.
 */
#include "mm/frames_cache.h"
#include "arch/arch.h"
#include "arch/irq.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/frames_fast.h"
#include "mm/frames_judge.h"

_Static_assert(sizeof(struct frames_cpu) <= FRAMES_CPU_BYTES, "a CPU's caches fit in one frame");
_Static_assert(CACHE_PAGES == 2 * FRAMES_CACHE_BATCH, "a batch in and a batch out leave a batch's room on either side");
_Static_assert(offsetof(struct frames_cpu, cache) == 0, "the address of its first stack is a CPU's");
_Static_assert(FRAMES_CPU_SLOTS == 1 << (64 - CPU_HASH_SHIFT), "the hash names one slot each");

static struct frames_cpu *my_cpu(struct frames *f)
{
	return (struct frames_cpu *)frames_my_cache(f, CACHE_PAGE);
}

/* Where CPUs without a cache are led, in every instance. Both stacks are closed, so it is never written. */
static const struct frames_cpu closed = { .node = FRAMES_ANY_NODE };

static struct frames_cpu *closed_cpu(void)
{
	return (struct frames_cpu *)(uintptr_t)&closed;
}

/* ---- one stack --------------------------------------------------------------------------------------------------- */

static uint64_t stack_limit(const struct frames_cache *c)
{
	return __atomic_load_n(&c->limit, __ATOMIC_RELAXED);
}

/*
 * Takes the stack whatever it holds; interrupts are masked. False: it is closed. No turn is kept: whoever holds it does
 * so for one push, pop or batch, and only drains come from elsewhere.
 */
static bool stack_lock(struct frames_cache *c, uint64_t *level)
{
	while (stack_limit(c)) {
		if (exclusive_take(&c->word[0], level))
			return true;
		arch_cpu_relax();
	}
	return false;
}

static void stack_unlock(struct frames_cache *c, uint64_t level)
{
	exclusive_release(&c->word[0], level);
}

static uint64_t stack_count(const struct frames_cache *c, uint64_t level)
{
	return c->limit + 1 - level;
}

/* One more, in a locked stack. */
static void count_one(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/* The empty, locked stack gets another limit; 0 closes it, and leaves it locked for ever. Returns the level. */
static uint64_t stack_resize(struct frames_cache *c, uint64_t limit)
{
	c->word[limit + 1] = CACHE_BOTTOM;
	__atomic_store_n(&c->limit, limit, __ATOMIC_RELAXED);
	return limit ? limit + 1 : 0;
}

/* A CPU that is led to another's stack may meet one that comes. */
static uint32_t node_of(const struct frames_cpu *cpu)
{
	return __atomic_load_n(&cpu->node, __ATOMIC_RELAXED);
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

/* 2 MiB blocks, out of the bitmaps one by one. */
static unsigned take_blocks(struct buddy *b, uint64_t *pa, unsigned want) REQUIRES(b->lock)
{
	unsigned got = 0;

	for (; got < want; got++) {
		uint64_t n = buddy_alloc_locked(b, CACHE_BLOCK_ORDER, TAG_NONE);

		if (n == BUDDY_NONE)
			break;
		record_store(b, n, page_word(1, CACHE_BLOCK_ORDER, PAGE_CACHED, TAG_NONE));
		pa[got] = n << PAGE_SHIFT;
	}
	return got;
}

/*
 * Fills half of the empty, locked stack from the first bank that has something: then the next batch is as far away in
 * either direction. The lowest frame ends on top. Returns the level. [PC4] [PV1] [PV2]
 */
static uint64_t refill(struct frames *f, struct frames_cpu *cpu, enum cache_kind kind)
{
	struct frames_cache *c = &cpu->cache[kind];
	unsigned want = (unsigned)(c->limit + 1) / 2, got = 0;
	uint64_t *slot = &c->word[c->limit + 1 - want];
	uint64_t cursor = 0;
	struct buddy *b;

	while (!got && (b = frames_next_bank(f, node_of(cpu), &cursor)) != NULL) {
		unsigned long irq = spin_lock(&b->lock);
		uint64_t room = frames_bank_room(b, (uint64_t)want << cache_order(kind), 0) >> cache_order(kind);

		if (kind == CACHE_PAGE)
			got = buddy_take_batch_locked(b, slot, (unsigned)room, page_word(1, 0, PAGE_CACHED, TAG_NONE));
		else
			got = take_blocks(b, slot, (unsigned)room);
		spin_unlock(&b->lock, irq);
	}
	if (!got)
		return c->limit + 1;
	if (got < want)
		memmove(&c->word[c->limit + 1 - got], slot, got * sizeof(slot[0]));
	count_one(&c->refills);
	return c->limit + 1 - got;
}

/*
 * The entry from which a batch of a full stack of pages goes back. A bank merges 64 neighbours that are a leaf of it at
 * once; who frees many pages in a row has such in the stack, somewhere: the middle entry says where its leaf would begin and
 * end. When that is not so, it is the entry behind which the oldest 64 are.
 */
static uint64_t *batch_to_give(struct frames_cache *c)
{
	uint64_t *middle = &c->word[CACHE_PAGES + 1 - FRAMES_CACHE_BATCH];
	uint64_t i = *middle >> PAGE_SHIFT & (FRAMES_CACHE_BATCH - 1), leaf = *middle - (i << PAGE_SHIFT);
	const uint64_t top = (FRAMES_CACHE_BATCH - 1) * PAGE_SIZE;
	uint64_t *up = middle + i - (FRAMES_CACHE_BATCH - 1), *down = middle - i;

	/* Given back upwards: the last, on top, is the highest. Or downwards. */
	if (up[0] == leaf + top && up[FRAMES_CACHE_BATCH - 1] == leaf)
		return up;
	if (down[0] == leaf && down[FRAMES_CACHE_BATCH - 1] == leaf + top)
		return down;
	return middle;
}

/*
 * The locked stack has room for one more block: half of it goes back when it is full. Those that came first; those that were
 * in use last stay, and are still in the CPU's data cache. Returns the level. [PC5] [PV1]
 */
static uint64_t make_room(struct frames *f, struct frames_cache *c, enum cache_kind kind, uint64_t level)
{
	uint64_t keep = c->limit / 2, out = c->limit - keep, *from = &c->word[keep + 1];

	if (level > 1)
		return level;
	if (kind == CACHE_PAGE && likely(c->limit == CACHE_PAGES))
		from = batch_to_give(c);
	frames_give_batch(f, from, (unsigned)out, kind);
	memmove(&c->word[1 + out], &c->word[1], (size_t)(from - &c->word[1]) * sizeof(from[0]));
	count_one(&c->drains);
	return 1 + out;
}

/* All of the locked stack goes back. Returns the level. [PV1] */
static uint64_t give_all(struct frames *f, struct frames_cache *c, enum cache_kind kind, uint64_t level)
{
	frames_give_batch(f, &c->word[level], (unsigned)stack_count(c, level), kind);
	return c->limit + 1;
}

/* [PC1] */
uint64_t frames_pop_slow(uint8_t tag, struct frames *f, enum cache_kind kind)
{
	const unsigned order = cache_order(kind);
	unsigned long irq = arch_irq_save();
	struct frames_cpu *cpu = my_cpu(f);
	struct frames_cache *c = &cpu->cache[kind];
	uint64_t level, n;

	if (stack_lock(c, &level)) {
		uint64_t pa;

		if (!stack_count(c, level))
			level = refill(f, cpu, kind);
		pa = c->word[level];
		if (pa != CACHE_BOTTOM) {
			__atomic_store_n((page_word_t *)(f->map + (pa >> 9)), page_word(1, order, PAGE_ALLOC, tag),
					 __ATOMIC_RELAXED);
			stack_unlock(c, level + 1);
			arch_irq_restore(irq);
			frames_watch_moved(f);
			return pa;
		}
		stack_unlock(c, level);
	}
	arch_irq_restore(irq);
	n = frames_alloc_from_banks(f, order, 0, tag, node_of(cpu));
	return n == BUDDY_NONE ? FRAMES_NO_PAGE.v : n << PAGE_SHIFT;
}

/* [PC2] */
int frames_push_slow(uint64_t pa, struct frames *f, enum cache_kind kind)
{
	unsigned long irq = arch_irq_save();
	struct frames_cpu *cpu = my_cpu(f);
	struct frames_cache *c = &cpu->cache[kind];
	uint64_t level;
	bool kept = stack_lock(c, &level);

	if (kept) {
		level = make_room(f, c, kind, level) - 1;
		c->word[level] = pa;
		stack_unlock(c, level);
	}
	arch_irq_restore(irq);
	if (!kept)
		frames_give_block(f, pa >> PAGE_SHIFT, cache_order(kind));
	frames_watch_moved(f);
	return MM_OK;
}

/*
 * Frees the block at pa into the running CPU's stack, which is emptied first when it is full; also in a GiB that a bank has
 * in part. False, and nothing done: the stack is closed, or there is something odd about the block.
 */
static always_inline bool push_full(struct frames *f, uint64_t pa, enum cache_kind kind)
{
	struct frames_cache *c;
	unsigned long irq;
	uint64_t level;
	bool taken = false;

	if (unlikely(!frames_has_record(f, pa)))
		return false;
	irq = arch_irq_save();
	c = frames_my_cache(f, kind);
	if (stack_lock(c, &level)) {
		/* Under the stack's lock, so that nobody finds the block nowhere. */
		taken = frames_claim(f, pa >> PAGE_SHIFT, cache_order(kind));
		if (taken) {
			level = make_room(f, c, kind, level) - 1;
			c->word[level] = pa;
		}
		stack_unlock(c, level);
	}
	arch_irq_restore(irq);
	if (taken)
		frames_watch_moved(f);
	return taken;
}

static always_inline int free_late(struct frames *f, uint64_t pa, enum cache_kind kind, uintptr_t caller)
{
	if (likely(push_full(f, pa, kind)))
		return MM_OK;
	return frames_free_slow(f, pa, cache_order(kind), caller);
}

/* [PC2] [PC3] */
noinline int frames_free_page_slow(uint64_t pa, struct frames *f)
{
	return free_late(f, pa, CACHE_PAGE, caller_address());
}

noinline int frames_free_2m_slow(uint64_t pa, struct frames *f)
{
	return free_late(f, pa, CACHE_BLOCK, caller_address());
}

int frames_free_late(struct frames *f, uint64_t pa, enum cache_kind kind, uintptr_t caller)
{
	return free_late(f, pa, kind, caller);
}

/* ---- draining ---------------------------------------------------------------------------------------------------- */

/* Everything in the CPU's stacks, whoever it is. Returns how many frames that were. */
static uint64_t drain_cpu(struct frames *f, struct frames_cpu *cpu)
{
	uint64_t frames = 0, level;

	for (enum cache_kind kind = 0; kind < CACHE_KINDS; kind++) {
		struct frames_cache *c = &cpu->cache[kind];
		unsigned long irq = arch_irq_save();

		if (stack_lock(c, &level)) {
			uint64_t count = stack_count(c, level);

			frames += count << cache_order(kind);
			if (count)
				count_one(&c->remote_drains);
			stack_unlock(c, give_all(f, c, kind, level));
		}
		arch_irq_restore(irq);
	}
	return frames;
}

/* Entries never leave the list and are complete before they enter it. */
static struct frames_cpu *first_cpu(struct frames *f)
{
	return __atomic_load_n(&f->cpus, __ATOMIC_ACQUIRE);
}

/* [PC6] [PV1] */
uint64_t frames_drain(struct frames *f)
{
	uint64_t frames = 0;

	for (struct frames_cpu *cpu = first_cpu(f); cpu; cpu = cpu->next)
		frames += drain_cpu(f, cpu);
	if (frames)
		frames_watch_moved(f);
	return frames;
}

uint64_t frames_cached(struct frames *f)
{
	uint64_t frames = 0;

	for (struct frames_cpu *cpu = first_cpu(f); cpu; cpu = cpu->next)
		for (enum cache_kind kind = 0; kind < CACHE_KINDS; kind++) {
			struct frames_cache *c = &cpu->cache[kind];
			uint64_t level = __atomic_load_n(&c->word[0], __ATOMIC_RELAXED), limit = stack_limit(c);

			if (level && level <= limit)
				frames += (limit + 1 - level) << cache_order(kind);
		}
	return frames;
}

uint64_t frames_cache_limit(struct frames *f)
{
	uint64_t frames = 0;

	for (struct frames_cpu *cpu = first_cpu(f); cpu; cpu = cpu->next)
		for (enum cache_kind kind = 0; kind < CACHE_KINDS; kind++)
			frames += stack_limit(&cpu->cache[kind]) << cache_order(kind);
	return frames;
}

unsigned frames_cache_validate(struct frames *f)
{
	unsigned findings = 0;
	uint64_t level;

	for (struct frames_cpu *cpu = first_cpu(f); cpu; cpu = cpu->next)
		for (enum cache_kind kind = 0; kind < CACHE_KINDS; kind++) {
			struct frames_cache *c = &cpu->cache[kind];
			unsigned long irq = arch_irq_save();
			uint64_t wrong = 0;

			if (stack_lock(c, &level)) {
				for (uint64_t i = level; i <= c->limit; i++) {
					page_word_t *record = (page_word_t *)(f->map + (c->word[i] >> 9));

					wrong += (__atomic_load_n(record, __ATOMIC_RELAXED) & PAGE_WORD_CHECKED) !=
						 page_word(1, cache_order(kind), PAGE_CACHED, 0);
				}
				wrong += c->word[c->limit + 1] != CACHE_BOTTOM;
				stack_unlock(c, level);
			}
			arch_irq_restore(irq);
			if (wrong)
				log_error("frames: %llu entries of CPU %u's stack of order %u are not cached blocks\n",
					  (unsigned long long)wrong, cpu->cpu, cache_order(kind));
			findings += wrong != 0;
		}
	return findings;
}

/* Whoever has one stack waits for no other, so the order in which they are taken does not matter. [PV4] */
uint64_t frames_cache_freeze(struct frames *f, unsigned long *irq)
{
	uint64_t frames = 0;

	*irq = spin_lock(&f->cpus_lock);
	for (struct frames_cpu *cpu = f->cpus; cpu; cpu = cpu->next)
		for (enum cache_kind kind = 0; kind < CACHE_KINDS; kind++)
			if (stack_lock(&cpu->cache[kind], &cpu->frozen[kind]))
				frames += stack_count(&cpu->cache[kind], cpu->frozen[kind]) << cache_order(kind);
	return frames;
}

/* [PV4] */
void frames_cache_thaw(struct frames *f, unsigned long irq)
{
	for (struct frames_cpu *cpu = f->cpus; cpu; cpu = cpu->next)
		for (enum cache_kind kind = 0; kind < CACHE_KINDS; kind++)
			if (cpu->frozen[kind]) {
				stack_unlock(&cpu->cache[kind], cpu->frozen[kind]);
				cpu->frozen[kind] = 0;
			}
	spin_unlock(&f->cpus_lock, irq);
}

/* cpu may be NULL: false. */
static bool describe(struct frames_cpu *cpu, struct frames_cpu_stats *out)
{
	unsigned *count[CACHE_KINDS] = { &out->pages, &out->blocks };
	unsigned *limit[CACHE_KINDS] = { &out->page_limit, &out->block_limit };
	uint64_t level;

	*out = (struct frames_cpu_stats){ 0 };
	if (!cpu)
		return false;
	for (enum cache_kind kind = 0; kind < CACHE_KINDS; kind++) {
		struct frames_cache *c = &cpu->cache[kind];

		if (stack_lock(c, &level)) {
			*count[kind] = (unsigned)stack_count(c, level);
			stack_unlock(c, level);
		}
		*limit[kind] = (unsigned)stack_limit(c);
		out->refills += __atomic_load_n(&c->refills, __ATOMIC_RELAXED);
		out->drains += __atomic_load_n(&c->drains, __ATOMIC_RELAXED);
		out->remote_drains += __atomic_load_n(&c->remote_drains, __ATOMIC_RELAXED);
	}
	out->cpu = cpu->cpu;
	out->node = cpu->node;
	return true;
}

bool frames_get_cpu_stats(struct frames *f, unsigned i, struct frames_cpu_stats *out)
{
	unsigned long irq = spin_lock(&f->cpus_lock);
	struct frames_cpu *cpu = f->cpus;
	bool found;

	while (cpu && (!cpu->used || i)) {
		i -= cpu->used;
		cpu = cpu->next;
	}
	found = describe(cpu, out);
	spin_unlock(&f->cpus_lock, irq);
	return found;
}

/* [DG11] */
bool frames_next_cpu_stats(struct frames *f, unsigned from, struct frames_cpu_stats *out)
{
	unsigned long irq = spin_lock(&f->cpus_lock);
	struct frames_cpu *next = NULL;
	bool found;

	for (struct frames_cpu *cpu = f->cpus; cpu; cpu = cpu->next)
		if (cpu->used && cpu->cpu >= from && (!next || cpu->cpu < next->cpu))
			next = cpu;
	found = describe(next, out);
	spin_unlock(&f->cpus_lock, irq);
	return found;
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

/* What was in a stack whose limit changes goes back to the banks. */
static void resize(struct frames *f, struct frames_cpu *cpu, enum cache_kind kind, uint64_t limit)
{
	struct frames_cache *c = &cpu->cache[kind];
	unsigned long irq = arch_irq_save();
	uint64_t level;

	if (stack_limit(c) != limit) {
		/* A closed one is nobody's until its level says otherwise. */
		if (stack_lock(c, &level))
			give_all(f, c, kind, level);
		stack_unlock(c, stack_resize(c, limit));
	}
	arch_irq_restore(irq);
}

/* Locks of stacks and banks are taken inside cpus_lock. [PC7] */
static void share_out_locked(struct frames *f) REQUIRES(f->cpus_lock)
{
	uint64_t total = 0, share, limit[CACHE_KINDS] = { 0 };

	for (struct buddy *b = f->banks; b; b = b->next)
		total += frames_count_bank(b).given;
	share = f->cpu_count ? total / CACHE_SHARE / f->cpu_count : 0;
	limit[CACHE_PAGE] = min_u64(share, CACHE_PAGES);
	if (total >= CACHE_BLOCKS_FROM)
		limit[CACHE_BLOCK] = min_u64((share - limit[CACHE_PAGE]) >> CACHE_BLOCK_ORDER, CACHE_BLOCKS);
	__atomic_store_n(&f->blocks_cached, limit[CACHE_BLOCK] >= 2, __ATOMIC_RELAXED);
	for (struct frames_cpu *cpu = f->cpus; cpu; cpu = cpu->next)
		for (enum cache_kind kind = 0; kind < CACHE_KINDS; kind++)
			/* A stack of one would move a batch of one each time. */
			resize(f, cpu, kind, cpu->used && limit[kind] >= 2 ? limit[kind] : 0);
}

void frames_cache_share_out(struct frames *f)
{
	unsigned long irq;

	if (!__atomic_load_n(&f->cpus, __ATOMIC_ACQUIRE))
		return;
	irq = spin_lock(&f->cpus_lock);
	share_out_locked(f);
	spin_unlock(&f->cpus_lock, irq);
}

/* ---- from CPU to stack ------------------------------------------------------------------------------------------- */

/* Release: the CPU that uses it may be another one, that has no cache and the same hash. */
static void set_slot(struct frames *f, uint64_t i, struct frames_cpu *cpu)
{
	__atomic_store_n(&f->page_slots[i], &cpu->cache[CACHE_PAGE], __ATOMIC_RELEASE);
	__atomic_store_n(&f->block_slots[i], &cpu->cache[CACHE_BLOCK], __ATOMIC_RELEASE);
}

static bool slot_is_closed(const struct frames *f, uint64_t i)
{
	return f->page_slots[i] == &closed.cache[CACHE_PAGE];
}

void frames_cache_init(struct frames *f)
{
	f->pages = f->page_slots;
	f->blocks = f->block_slots;
	f->cpu_hash = 0;
	for (unsigned i = 0; i < FRAMES_CPU_SLOTS; i++)
		set_slot(f, i, closed_cpu());
}

/*
 * The i-th multiplier to try, 0 at the end. MPIDR_EL1 has small numbers in bytes of their own (Aff0, Aff1, Aff2, Aff3 in
 * bits 7:0, 15:8, 23:16, 39:32); the first candidates lay them side by side for every width of Aff0 and Aff1, the others
 * scatter them. What stands in bits 31:24 leaves the product at its upper end.
 */
static uint64_t hash_candidate(unsigned i)
{
	const uint64_t unit = (uint64_t)1 << CPU_HASH_SHIFT;
	uint64_t z;

	if (i < 64) {
		/* Four bits each first: what most machines have. */
		unsigned a0 = (i % 8 + 4) % 8, a1 = (i / 8 + 4) % 8;

		return unit + (unit >> 8 << a0) + (unit >> 16 << (a0 + a1)) + (unit >> 32 << (a0 + a1));
	}
	if (i >= 1024)
		return 0;
	z = i * 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	return (z ^ z >> 27) | 1;
}

/* How many CPUs would share an entry with another. */
static unsigned collisions(struct frames *f, uint64_t hash) REQUIRES(f->cpus_lock)
{
	uint64_t taken[FRAMES_CPU_SLOTS / 64] = { 0 };
	unsigned n = 0;

	for (struct frames_cpu *cpu = f->cpus; cpu; cpu = cpu->next) {
		uint64_t i = cpu->key * hash >> CPU_HASH_SHIFT;

		if (!cpu->used)
			continue;
		n += taken[i / 64] >> (i % 64) & 1;
		taken[i / 64] |= (uint64_t)1 << (i % 64);
	}
	return n;
}

static void enter(struct frames *f, uint64_t hash, struct frames_cpu *cpu) REQUIRES(f->cpus_lock)
{
	uint64_t i = cpu->key * hash >> CPU_HASH_SHIFT;

	if (cpu->used && slot_is_closed(f, i))
		set_slot(f, i, cpu);
}

/*
 * Writes the table anew, with the multiplier that tells most CPUs apart (all, but for strange numberings). CPUs that look
 * their stack up meanwhile find the right one, another's, or the closed one. [PC8]
 */
static void rebuild_table(struct frames *f) REQUIRES(f->cpus_lock)
{
	uint64_t best = f->cpu_hash;
	unsigned fewest = best ? collisions(f, best) : UINT32_MAX;

	for (unsigned i = 0; fewest && hash_candidate(i); i++) {
		unsigned n = collisions(f, hash_candidate(i));

		if (n < fewest) {
			fewest = n;
			best = hash_candidate(i);
		}
	}
	for (unsigned i = 0; i < FRAMES_CPU_SLOTS; i++)
		set_slot(f, i, closed_cpu());
	__atomic_store_n(&f->cpu_hash, best, __ATOMIC_RELAXED);
	for (struct frames_cpu *cpu = f->cpus; cpu; cpu = cpu->next)
		enter(f, best, cpu);
}

/* ---- CPUs that come and go --------------------------------------------------------------------------------------- */

static struct frames_cpu *cpu_with_key(struct frames *f, uint64_t key) REQUIRES(f->cpus_lock)
{
	struct frames_cpu *cpu = f->cpus;

	while (cpu && !(cpu->used && cpu->key == key))
		cpu = cpu->next;
	return cpu;
}

static bool in_list(struct frames *f, const struct frames_cpu *cpu) REQUIRES(f->cpus_lock)
{
	const struct frames_cpu *c = f->cpus;

	while (c && c != cpu)
		c = c->next;
	return c != NULL;
}

/* [PC9] [PV1] */
int frames_cpu_online(struct frames *f, unsigned number, uint32_t node, void *memory)
{
	struct frames_cpu *cpu = memory;
	uint64_t key = arch_cpu_key();
	unsigned long irq;
	int err = MM_OK;
	bool known;

	if (!memory)
		return MM_EINVAL;
	if (!IS_ALIGNED((uintptr_t)memory, 64))
		return MM_EALIGN;
	irq = spin_lock(&f->cpus_lock);
	known = in_list(f, cpu);
	if (cpu_with_key(f, key))
		err = MM_EEXIST;
	else if (known && cpu->used)
		err = MM_EBUSY;
	if (!err) {
		/* Both stacks are closed: by the CPU before, or because they are all zero. */
		if (!known) {
			memset(cpu, 0, sizeof(*cpu));
			cpu->next = f->cpus;
		}
		cpu->key = key;
		cpu->cpu = number;
		__atomic_store_n(&cpu->node, node, __ATOMIC_RELAXED);
		for (enum cache_kind kind = 0; kind < CACHE_KINDS; kind++) {
			__atomic_store_n(&cpu->cache[kind].refills, 0, __ATOMIC_RELAXED);
			__atomic_store_n(&cpu->cache[kind].drains, 0, __ATOMIC_RELAXED);
			__atomic_store_n(&cpu->cache[kind].remote_drains, 0, __ATOMIC_RELAXED);
		}
		cpu->used = true;
		f->cpu_count++;
		if (!known)
			__atomic_store_n(&f->cpus, cpu, __ATOMIC_RELEASE);
		if (f->cpu_hash && slot_is_closed(f, key * f->cpu_hash >> CPU_HASH_SHIFT))
			enter(f, f->cpu_hash, cpu);
		else
			rebuild_table(f);
		share_out_locked(f);
	}
	spin_unlock(&f->cpus_lock, irq);
	return err;
}

/* Memory that a CPU has left, or NULL. */
static struct frames_cpu *left_behind(struct frames *f)
{
	unsigned long irq = spin_lock(&f->cpus_lock);
	struct frames_cpu *cpu = f->cpus;

	while (cpu && cpu->used)
		cpu = cpu->next;
	spin_unlock(&f->cpus_lock, irq);
	return cpu;
}

int frames_cpu_start(struct frames *f, unsigned number, uint32_t node)
{
	struct frames_cpu *cpu;
	uint64_t n;
	int err;

	/* Another CPU may be faster with what was left behind; there may be more of it, and none of it may be forgotten. */
	while ((cpu = left_behind(f)) != NULL) {
		err = frames_cpu_online(f, number, node, cpu);
		if (err != MM_EBUSY)
			return err;
	}
	n = frames_alloc_from_banks(f, 0, 0, TAG_MEMMAP, node);
	if (n == BUDDY_NONE)
		return MM_ENOMEM;
	err = frames_cpu_online(f, number, node, phys_to_virt(pfn_to_paddr(pfn(n))));
	if (err)
		frames_give_block(f, n, 0);
	return err;
}

/* [PC10] */
static int retire(struct frames *f, struct frames_cpu *cpu) REQUIRES(f->cpus_lock)
{
	if (!cpu)
		return MM_ENOENT;
	cpu->used = false;
	f->cpu_count--;
	rebuild_table(f);
	share_out_locked(f);
	return MM_OK;
}

int frames_cpu_offline(struct frames *f)
{
	unsigned long irq = spin_lock(&f->cpus_lock);
	int err = retire(f, cpu_with_key(f, arch_cpu_key()));

	spin_unlock(&f->cpus_lock, irq);
	return err;
}

int frames_cpu_dead(struct frames *f, unsigned number)
{
	unsigned long irq = spin_lock(&f->cpus_lock);
	struct frames_cpu *cpu = f->cpus;
	int err;

	while (cpu && !(cpu->used && cpu->cpu == number))
		cpu = cpu->next;
	err = retire(f, cpu);
	spin_unlock(&f->cpus_lock, irq);
	return err;
}
