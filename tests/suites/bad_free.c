/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every way to give frames back, with every mistake one can make: the error, the exact line, the caller that it names, and
 * that nothing has changed. Each way is a function of its own, so that the caller's address can be told.
 */
#define SUITE "bad_free"
#include "boot/symbols.h"
#include "lib/printf.h"
#include "tests/suites/frames_world.h"
#ifdef GRANULE_HOST
#include "tests/host/boot_fakes.h"
#endif

#define BASE GIB(1)
#define RESERVED_FRAMES 16
#define TAG_NET (TAG_USER + 15)

/* A whole GiB, whose last frames are never given; and a piece of the next one. */
static const struct span banks[] = { { FRAME(BASE), SECTION_PAGES }, { FRAME(GIB(2)) + 64, 64 } };

static struct world w;
static struct {
	_Alignas(64) char bytes[FRAMES_CPU_BYTES];
} cpu_memory;

/* ---- who calls --------------------------------------------------------------------------------------------------- */

#ifdef GRANULE_HOST
/* Alone in a section, whose ends the linker names. */
#define CALLER(name_)                                                    \
	extern const char __start_code_##name_[], __stop_code_##name_[]; \
	static int noinline __attribute__((section("code_" #name_))) name_(uint64_t pa, unsigned order)
#define WAY(name_) name_, __start_code_##name_, __stop_code_##name_
#else
#define CALLER(name_) static int noinline name_(uint64_t pa, unsigned order)
#define WAY(name_) name_, NULL, NULL
#endif

/* What comes after the call, so that it is not the function's last: who is jumped to has its caller's caller. */
static inline int stay(int err)
{
	__asm__ volatile("" : "+r"(err));
	return err;
}

CALLER(by_frame)
{
	return stay(frames_free(&w.f, pfn(pa >> PAGE_SHIFT), order));
}

CALLER(by_address)
{
	return stay(frames_free_paddr(&w.f, paddr(pa), order));
}

CALLER(by_page)
{
	(void)order;
	return stay(frames_free_page(&w.f, paddr(pa)));
}

CALLER(by_2m)
{
	(void)order;
	return stay(frames_free_2m(&w.f, paddr(pa)));
}

CALLER(by_bulk)
{
	const paddr_t one = paddr(pa);

	(void)order;
	return stay(frames_free_bulk(&w.f, 1, &one));
}

CALLER(by_put)
{
	bool freed = true;
	int err = stay(frames_put(&w.f, pfn(pa >> PAGE_SHIFT), &freed));

	(void)order;
	CHECK(!freed);
	return err;
}

CALLER(by_put_address)
{
	bool freed = true;
	int err = stay(frames_put_paddr(&w.f, paddr(pa), &freed));

	(void)order;
	CHECK(!freed);
	return err;
}

/* order: how many frames */
CALLER(by_range)
{
	return stay(frames_free_exact(&w.f, pfn(pa >> PAGE_SHIFT), order));
}

#define ANY_ORDER 100 /* the caller says */
#define ITS_ORDER 101 /* nobody says: the block's own */

static const struct way {
	const char *name;
	int (*free)(uint64_t pa, unsigned order);
	const char *begin, *end; /* of its code, where the linker says */
	unsigned order;
	bool by_frame; /* cannot say an address that is not aligned */
} ways[] = {
	{ "frames_free", WAY(by_frame), ANY_ORDER, true },
	{ "frames_free_paddr", WAY(by_address), ANY_ORDER, false },
	{ "frames_free_page", WAY(by_page), 0, false },
	{ "frames_free_2m", WAY(by_2m), 9, false },
	{ "frames_free_bulk", WAY(by_bulk), 0, false },
	{ "frames_put", WAY(by_put), ITS_ORDER, true },
	{ "frames_put_paddr", WAY(by_put_address), ITS_ORDER, false },
};

/* Whether the address follows a call in the way's function. */
static bool called_from(const struct way *way, uintptr_t address)
{
	if (way->begin)
		return address > (uintptr_t)way->begin && address <= (uintptr_t)way->end;
	return symbols_find(address - 4, NULL) &&
	       symbols_find(address - 4, NULL) == symbols_find((uintptr_t)way->free, NULL);
}

/* ---- what is wrong ----------------------------------------------------------------------------------------------- */

enum block { PAGE, EIGHT, BIG, SHARED, RETURNED, GHOST, NOBODYS, PIECE, BLOCKS };

/* What stands in memory; filled by prepare(). */
static struct {
	uint64_t pa;
	unsigned order;
	unsigned tag;
	const char *tag_name;
	const char *state;
	unsigned ref;
} block[BLOCKS];

static const struct mistake {
	uint64_t offset; /* from the block, or the address itself */
	int of;		 /* block, or -1: no block has it */
	int err;	 /* of frames_free() with the block's own order; MM_OK: that is no mistake */
} mistakes[] = {
	/* The block itself: wrong by its order only. */
	{ 0, PAGE, MM_OK },
	{ 0, EIGHT, MM_OK },
	{ 0, BIG, MM_OK },
	{ 0, PIECE, MM_OK },
	/* Unaligned. */
	{ 1, PAGE, MM_EALIGN },
	{ 0xfff, PAGE, MM_EALIGN },
	{ 0x1800, EIGHT, MM_EALIGN },
	{ 0x10, RETURNED, MM_EALIGN },
	{ 8, PIECE, MM_EALIGN },
	/* Interior. */
	{ 0x1000, EIGHT, MM_EINTERIOR },
	{ 0x7000, EIGHT, MM_EINTERIOR },
	{ 0x1000, BIG, MM_EINTERIOR },
	{ 0x1ff000, BIG, MM_EINTERIOR },
	{ 0x1000, PIECE, MM_EINTERIOR },
	/* References that others hold, or none, which cannot be. */
	{ 0, SHARED, MM_EBUSY },
	{ 0, GHOST, MM_EBUSY },
	/* Free: in a cache, where there is one; never handed out. */
	{ 0, RETURNED, MM_EDOUBLE },
	{ 0, NOBODYS, MM_EDOUBLE },
	{ 0x5000, NOBODYS, MM_EDOUBLE },
	/* Never given, in a section that is open and in one that is not. */
	{ BASE + GIB(1) - PAGE_SIZE, -1, MM_ERESERVED },
	{ BASE + GIB(1) - RESERVED_FRAMES * PAGE_SIZE, -1, MM_ERESERVED },
	{ GIB(2) + 127 * PAGE_SIZE, -1, MM_ERESERVED },
	/* No RAM: section 0, beside the piece, behind the table, the last page of all. */
	{ 0, -1, MM_EFOREIGN },
	{ BASE - PAGE_SIZE, -1, MM_EFOREIGN },
	{ GIB(2) + 63 * PAGE_SIZE, -1, MM_EFOREIGN },
	{ GIB(2) + 128 * PAGE_SIZE, -1, MM_EFOREIGN },
	{ GIB(5), -1, MM_EFOREIGN },
	{ UINT64_MAX & ~PAGE_MASK, -1, MM_EFOREIGN },
	{ UINT64_MAX, -1, MM_EALIGN },
	{ GIB(5) + 0x10, -1, MM_EALIGN },
};

static void set_references(uint32_t shared, uint32_t ghost)
{
	frames_page(&w.f, pfn(FRAME(block[SHARED].pa)))->ref = block[SHARED].ref = shared;
	frames_page(&w.f, pfn(FRAME(block[GHOST].pa)))->ref = block[GHOST].ref = ghost;
}

static bool prepare(bool cached)
{
	static const unsigned order[] = { [EIGHT] = 3, [BIG] = 9, [NOBODYS] = 16 };
	static const unsigned tag[] = {
		[PAGE] = TAG_STACK, [EIGHT] = TAG_NET, [BIG] = 255, [RETURNED] = TAG_HEAP, [GHOST] = 0
	};
	pfn_t f;

	CHECK_EQ(page_tag_set_name(TAG_NET, "net"), MM_OK);
	world_add(&w, banks[0].start, banks[0].pages - RESERVED_FRAMES);
	world_add(&w, banks[1].start, 32);
	if (cached)
		CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &cpu_memory), MM_OK);
	memset(block, 0, sizeof(block));
	/* Lowest first: RETURNED lies between allocated frames, and merges with none. */
	for (enum block i = PAGE; i <= GHOST; i++) {
		if (frames_alloc(&w.f, order[i], 0, (enum page_tag)tag[i], &f))
			return false;
		block[i].pa = pfn_to_paddr(f).v;
		block[i].order = order[i];
		block[i].tag = tag[i];
		block[i].tag_name = i == EIGHT ? "net" : i == BIG ? "user" : page_tag_name(tag[i]);
		block[i].state = "allocated";
		block[i].ref = 1;
	}
	set_references(2, 0);
	CHECK_EQ(frames_free(&w.f, pfn(FRAME(block[RETURNED].pa)), 0), MM_OK);
	block[RETURNED].ref = 0;
	block[RETURNED].state = cached ? "cached" : "free";
	block[PIECE] = block[EIGHT];
	block[PIECE].pa = GIB(2) + 72 * PAGE_SIZE;
	CHECK_EQ(frames_take(&w.f, pfn(FRAME(block[PIECE].pa)), 3, TAG_NET), MM_OK);
	/* The frames that were never given keep it from being half of a GiB. */
	block[NOBODYS].pa = BASE + MIB(512);
	block[NOBODYS].order = order[NOBODYS];
	block[NOBODYS].tag_name = "none";
	block[NOBODYS].state = "free";
	return true;
}

/* ---- the one check ----------------------------------------------------------------------------------------------- */

static uint64_t sum_of(uint64_t sum, const void *p, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i += 8)
		sum = (sum ^ *(const page_word_t *)((const char *)p + i)) * 0x100000001b3 + (sum >> 47);
	return sum;
}

/* What a free could change: bitmaps, counters, records around the blocks, the cache. The whole world is summed more rarely. */
static uint64_t state_now(void)
{
	uint64_t sum = sum_of(0, &cpu_memory, sizeof(cpu_memory));

	for (unsigned i = 0; i < w.model.banks; i++) {
		struct buddy *b = world_bank(&w, i);
		unsigned long irq = spin_lock(&b->lock);
		struct spinlock lock;

		/* What waits to be put back is put back by the next question: as if it had been before. */
		buddy_settle_locked(b);
		spin_unlock(&b->lock, irq);
		lock = b->lock;

		memset(&b->lock, 0, sizeof(b->lock));
		sum = sum_of(sum, w.metadata[i], w.metadata_bytes[i]);
		b->lock = lock;
	}
	sum = sum_of(sum, w.records, KIB(16));
	sum = sum_of(sum, world_record(&w, FRAME(block[NOBODYS].pa)), KIB(1));
	return sum_of(sum, world_record(&w, w.end) - 1024, KIB(8));
}

/* The number behind " by 0x". */
static uintptr_t caller_in_line(void)
{
	const char *p = world_line;
	uintptr_t n = 0;

	while (*p && strncmp(p, " by 0x", 6) != 0)
		p++;
	for (p += *p ? 6 : 0; (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f'); p++)
		n = n << 4 | (uintptr_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
	return n;
}

static int error_of(const struct mistake *m, unsigned order)
{
	bool its = order == ITS_ORDER;

	if (!its && order > MAX_ORDER)
		return MM_EINVAL;
	/* One reference of two is given back. */
	if (its && m->of == SHARED)
		return MM_OK;
	if (m->err && m->err != MM_EBUSY)
		return m->err;
	return its || order == block[m->of].order ? m->err : MM_EORDER;
}

static bool tell(const struct way *way, const struct mistake *m, uint64_t pa, unsigned order)
{
	static unsigned told;

	/* The first few say enough. */
	if (told++ < 8)
		tap_note("%s of 0x%lx (block %d + 0x%lx), order %u: %s", way->name, (unsigned long)pa, m->of,
			 (unsigned long)m->offset, order, world_line);
	return false;
}

/* Frees wrongly; false, with a note, when anything is not as it must be. */
static bool refused(const struct way *way, const struct mistake *m, unsigned order)
{
	uint64_t pa = m->offset + (m->of < 0 ? 0 : block[m->of].pa), before = state_now(), bad = w.f.bad_frees;
	int want = error_of(m, order), err;
	unsigned said = order, lines;
	uintptr_t caller;
	char text[512];
	int n;

	if (order == ITS_ORDER)
		said = m->of >= 0 && !m->offset && !strcmp(block[m->of].state, "allocated") ? block[m->of].order : 0;
	world_log_begin();
	err = way->free(pa, order);
	lines = world_log_end();
	if (err != want || lines != 1 || state_now() != before || w.f.bad_frees != bad + 1)
		return tell(way, m, pa, order);
	caller = caller_in_line();
	if (!called_from(way, caller))
		return tell(way, m, pa, order);
	n = gr_snprintf(text, sizeof(text), "frames: bad free of 0x%lx, order %u, by 0x%lx", (unsigned long)pa, said,
			(unsigned long)caller);
#ifndef GRANULE_HOST
	n += gr_snprintf(text + n, sizeof(text) - (size_t)n, " (%s+0x%lx)", symbols_find((uintptr_t)way->free, NULL),
			 (unsigned long)(caller - (uintptr_t)way->free));
#endif
	n += gr_snprintf(text + n, sizeof(text) - (size_t)n, ": %s", mm_strerror(want));
	if (m->of >= 0)
		n += gr_snprintf(text + n, sizeof(text) - (size_t)n,
				 " (%s block at 0x%lx, order %u, tag %s (%u), %u references)", block[m->of].state,
				 (unsigned long)block[m->of].pa, block[m->of].order, block[m->of].tag_name,
				 block[m->of].tag, block[m->of].ref);
	gr_snprintf(text + n, sizeof(text) - (size_t)n, "\n");
	return !strcmp(text, world_line) || tell(way, m, pa, order);
}

/* All mistakes by all ways; returns how many there were. */
static unsigned make_mistakes(void)
{
	static const unsigned orders[] = { 0, 1, 3, 9, 10, 18, 19, 32, 35, 64, UINT32_MAX };
	uint64_t before = world_sum(&w);
	unsigned wrong = 0, made = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		for (size_t k = 0; k < ARRAY_SIZE(mistakes); k++) {
			const struct way *way = &ways[i];
			const struct mistake *m = &mistakes[k];
			bool any = way->order == ANY_ORDER;

			if (way->by_frame && m->err == MM_EALIGN)
				continue;
			for (size_t o = 0; o < (any ? ARRAY_SIZE(orders) : 1); o++) {
				unsigned order = any ? orders[o] : way->order;

				if (error_of(m, order) == MM_OK)
					continue;
				wrong += !refused(way, m, order);
				made++;
			}
		}
	CHECK_EQ(wrong, 0);
	CHECK(world_sum(&w) == before);
	return made;
}

TEST(DG3, "every mistake by every way has its error and its exact line, names the caller, and changes nothing")
{
	WORLD_OR_RETURN(&w, banks, 2);
	CHECK_OR_RETURN(prepare(false));
	CHECK(make_mistakes() > 400);
	set_references(1, 1);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(DG3, "the same for a CPU with a cache, where a frame may be free and in nobody's bitmap")
{
	WORLD_OR_RETURN(&w, banks, 2);
	CHECK_OR_RETURN(prepare(true));
	CHECK(make_mistakes() > 400);
	set_references(1, 1);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(DG3, "a GiB that was handed out as one block, before it has records of its own")
{
	static const struct span two[] = { { FRAME(GIB(1)), 2 * SECTION_PAGES } };
	static const struct mistake its_order = { 0, BIG, MM_OK }, interior = { 0x200000, BIG, MM_EINTERIOR },
				    odd = { 0x200001, BIG, MM_EALIGN }, shared = { 0, BIG, MM_EBUSY },
				    untouched = { GIB(2), -1, MM_EDOUBLE };
	static const unsigned orders[] = { 0, 9, 17, 19 };
	unsigned wrong = 0;
	pfn_t f;

	WORLD_OR_RETURN(&w, two, 1);
	world_add(&w, two[0].start, two[0].pages);
	memset(block, 0, sizeof(block));
	CHECK_OR_RETURN(frames_alloc(&w.f, MAX_ORDER, 0, TAG_STAGE2, &f) == MM_OK);
	block[BIG].pa = pfn_to_paddr(f).v;
	block[BIG].order = MAX_ORDER;
	block[BIG].tag = TAG_STAGE2;
	block[BIG].tag_name = "stage2";
	block[BIG].state = "allocated";
	block[BIG].ref = 1;
	block[NOBODYS].pa = block[BIG].pa;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		const struct way *way = &ways[i];
		bool any = way->order == ANY_ORDER;

		wrong += !refused(way, &interior, any ? MAX_ORDER : way->order);
		if (!way->by_frame)
			wrong += !refused(way, &odd, any ? MAX_ORDER : way->order);
		for (size_t o = 0; any && o < ARRAY_SIZE(orders); o++)
			wrong += !refused(way, &its_order, orders[o]);
		if (!any && way->order != ITS_ORDER)
			wrong += !refused(way, &its_order, way->order);
	}
	/* Somebody else's reference: the order is right, and the section's lock was taken to look. */
	frames_page(&w.f, f)->ref = block[BIG].ref = 2;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (ways[i].order == ANY_ORDER)
			wrong += !refused(&ways[i], &shared, MAX_ORDER);
	frames_page(&w.f, f)->ref = 1;
	CHECK_EQ(wrong, 0);
	/* The section beside it, of which nothing was ever needed. */
	world_log_begin();
	CHECK_EQ(by_address(untouched.offset, MAX_ORDER), MM_EDOUBLE);
	CHECK_EQ(world_log_end(), 1);
	CHECK(contains(world_line, "Double free (free block at 0x80000000, order 18, tag none (0), 0 references)"));
	CHECK_EQ(frames_free(&w.f, f, MAX_ORDER), MM_OK);
	world_check(&w);
}

TEST(DG3, "in one call, the bad ones are named and left, whatever stands around them")
{
	paddr_t pa[200];
	struct frames_stats before, after;
	unsigned bad = 0;

	WORLD_OR_RETURN(&w, banks, 2);
	CHECK_OR_RETURN(prepare(true));
	CHECK_OR_RETURN(frames_alloc_bulk(&w.f, ARRAY_SIZE(pa), 0, TAG_TEST, pa) == MM_OK);
	frames_get_stats(&w.f, &before);
	/* The same twice, an odd address, a block of eight, nobody's. */
	pa[1] = pa[0];
	pa[70] = paddr(pa[71].v + 8);
	pa[199] = paddr(block[EIGHT].pa);
	pa[130] = paddr(0x1000);
	world_log_begin();
	CHECK_EQ(frames_free_bulk(&w.f, ARRAY_SIZE(pa), pa), MM_EDOUBLE);
	CHECK_EQ(world_log_end(), 4);
	CHECK(contains(world_line, mm_strerror(MM_EORDER)));
	CHECK(contains(world_line, "order 3, tag net (23), 1 references"));
	frames_get_stats(&w.f, &after);
	CHECK_EQ(after.free_pages, before.free_pages + 196);
	CHECK_EQ(after.bad_frees, before.bad_frees + 4);
	for (unsigned i = 0; i < ARRAY_SIZE(pa); i++) {
		struct frame_info info;

		frames_query(&w.f, paddr_to_pfn(pa[i]), &info);
		bad += info.role == FRAME_ALLOC;
	}
	/* The frame of the odd address was freed by its own entry. */
	CHECK_EQ(bad, 1);
	set_references(1, 1);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(DG3, "of a range of blocks, the one that must not be freed is named, and none is freed")
{
	static const struct way range = { "frames_free_exact", WAY(by_range), ANY_ORDER, true };
	uintptr_t caller;
	uint64_t before;
	char text[300];
	int n;

	WORLD_OR_RETURN(&w, banks, 2);
	CHECK_OR_RETURN(prepare(true));
	before = state_now();
	/* The first frame is in order, the one behind it is shared. */
	world_log_begin();
	CHECK_EQ(block[SHARED].pa, block[PAGE].pa + PAGE_SIZE);
	CHECK_EQ(by_range(block[PAGE].pa, 2), MM_EBUSY);
	CHECK_EQ(world_log_end(), 1);
	CHECK(state_now() == before);
	caller = caller_in_line();
	CHECK(called_from(&range, caller));
	n = gr_snprintf(text, sizeof(text), "frames: bad free of 0x%lx, in 2 frames from 0x%lx on, by 0x%lx",
			(unsigned long)block[SHARED].pa, (unsigned long)block[PAGE].pa, (unsigned long)caller);
#ifndef GRANULE_HOST
	n += gr_snprintf(text + n, sizeof(text) - (size_t)n, " (by_range+0x%lx)",
			 (unsigned long)(caller - (uintptr_t)by_range));
#endif
	gr_snprintf(text + n, sizeof(text) - (size_t)n,
		    ": Still in use (allocated block at 0x%lx, order 0, tag none (0), 2 references)\n",
		    (unsigned long)block[SHARED].pa);
	CHECK(!strcmp(world_line, text));
	world_log_begin();
	CHECK_EQ(by_range(block[EIGHT].pa, 7), MM_EORDER);
	CHECK(contains(world_line, "order 3, tag net (23), 1 references"));
	CHECK_EQ(by_range(block[EIGHT].pa + PAGE_SIZE, 7), MM_EINTERIOR);
	CHECK_EQ(by_range(block[RETURNED].pa, 1), MM_EDOUBLE);
	CHECK(contains(world_line, "cached block at"));
	CHECK_EQ(by_range(block[EIGHT].pa, 0), MM_EINVAL);
	CHECK_EQ(by_range(BASE + GIB(1) - PAGE_SIZE, 1), MM_ERESERVED);
	CHECK_EQ(by_range(0, 1), MM_EFOREIGN);
	CHECK_EQ(world_log_end(), 6);
	CHECK(state_now() == before);
	CHECK_EQ(by_range(block[EIGHT].pa, 8), MM_OK);
	set_references(1, 1);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(DG3, "a frame number too large for an address is not taken for the frame that its lower bits name")
{
	uint64_t before;
	bool freed = true;

	WORLD_OR_RETURN(&w, banks, 2);
	CHECK_OR_RETURN(prepare(false));
	before = state_now();
	for (unsigned bit = 64 - PAGE_SHIFT; bit < 64; bit++) {
		uint64_t high = (uint64_t)1 << bit;

		world_log_begin();
		CHECK_EQ(frames_free(&w.f, pfn(high | FRAME(block[PAGE].pa)), 0), MM_EFOREIGN);
		CHECK_EQ(frames_free(&w.f, pfn(high | FRAME(block[EIGHT].pa)), 3), MM_EFOREIGN);
		CHECK_EQ(frames_free(&w.f, pfn(high | FRAME(block[BIG].pa)), 9), MM_EFOREIGN);
		CHECK_EQ(frames_put(&w.f, pfn(high | FRAME(block[PAGE].pa)), &freed), MM_EFOREIGN);
		CHECK(!freed);
		CHECK_EQ(world_log_end(), 4);
		CHECK_EQ(frames_get(&w.f, pfn(high | FRAME(block[PAGE].pa))), MM_EFOREIGN);
	}
	CHECK(state_now() == before);
}

/* ---- the last reference ------------------------------------------------------------------------------------------ */

static unsigned level_calls[2];

static void level_seen(void *ctx, enum frames_level level, uint64_t free_pages)
{
	(void)ctx;
	(void)free_pages;
	level_calls[level]++;
}

TEST(FW2, "a GiB that comes back with its last reference is seen by who watches")
{
	static const struct span two[] = { { FRAME(GIB(1)), 2 * SECTION_PAGES } };
	bool freed = false;
	pfn_t f;

	WORLD_OR_RETURN(&w, two, 1);
	world_add(&w, two[0].start, two[0].pages);
	memset(level_calls, 0, sizeof(level_calls));
	CHECK_EQ(frames_watch(&w.f, SECTION_PAGES + 1, SECTION_PAGES + 2, level_seen, NULL), MM_OK);
	CHECK_OR_RETURN(frames_alloc(&w.f, MAX_ORDER, 0, TAG_TEST, &f) == MM_OK);
	CHECK_EQ(level_calls[FRAMES_LEVEL_LOW], 1);
	CHECK_EQ(frames_put(&w.f, f, &freed), MM_OK);
	CHECK(freed);
	CHECK_EQ(level_calls[FRAMES_LEVEL_HIGH], 1);
	world_check(&w);
}

TEST(DG3, "the last reference by address frees, one of two does not")
{
	bool freed = false;

	WORLD_OR_RETURN(&w, banks, 2);
	CHECK_OR_RETURN(prepare(false));
	CHECK_EQ(frames_put_paddr(&w.f, paddr(block[EIGHT].pa), &freed), MM_OK);
	CHECK(freed);
	CHECK_EQ(frames_put_paddr(&w.f, paddr(block[SHARED].pa), &freed), MM_OK);
	CHECK(!freed);
	CHECK_EQ(frames_put_paddr(&w.f, paddr(block[SHARED].pa), NULL), MM_OK);
	CHECK(frames_page(&w.f, pfn(FRAME(block[EIGHT].pa))) == NULL);
	CHECK(frames_page(&w.f, pfn(FRAME(block[SHARED].pa))) == NULL);
	frames_page(&w.f, pfn(FRAME(block[GHOST].pa)))->ref = 1;
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

TEST(DG2, "an embedder's tags have the names it gives; Granule's own keep theirs")
{
	CHECK_EQ(page_tag_set_name(TAG_USER, "driver"), MM_OK);
	CHECK_EQ(page_tag_set_name(255, "last"), MM_OK);
	CHECK(!strcmp(page_tag_name(TAG_USER), "driver"));
	CHECK(!strcmp(page_tag_name(255), "last"));
	CHECK(!strcmp(page_tag_name(TAG_USER + 1), "user"));
	CHECK(!strcmp(page_tag_name(256), "user"));
	CHECK_EQ(page_tag_set_name(255, NULL), MM_OK);
	CHECK_EQ(page_tag_set_name(TAG_USER, NULL), MM_OK);
	CHECK(!strcmp(page_tag_name(TAG_USER), "user"));
	CHECK(!strcmp(page_tag_name(255), "user"));
	CHECK_EQ(page_tag_set_name(TAG_USER - 1, "mine"), MM_EINVAL);
	CHECK_EQ(page_tag_set_name(TAG_NONE, "mine"), MM_EINVAL);
	CHECK_EQ(page_tag_set_name(256, "mine"), MM_EINVAL);
	CHECK_EQ(page_tag_set_name(UINT32_MAX, "mine"), MM_EINVAL);
	CHECK(!strcmp(page_tag_name(TAG_TEST), "test"));
	CHECK(!strcmp(page_tag_name(TAG_NONE), "none"));
}

#ifdef GRANULE_HOST
/* One function that reaches over everything, so that every address has its name. */
static const struct symbol_table *everything(uintptr_t start)
{
	static const uint32_t offsets[] = { 0 }, name_offsets[] = { 0 };
	static struct symbol_table table = {
		.offsets = offsets, .name_offsets = name_offsets, .names = "someone", .count = 1
	};

	table.base = start;
	table.size = GIB(2);
	return &table;
}

TEST_ON(TAP_HOST, DG1, "with a namer, the line of a bad free has the caller's name and the distance from its start")
{
	uintptr_t start = (uintptr_t)&by_page - MIB(16), caller;
	char want[64];

	WORLD_OR_RETURN(&w, banks, 2);
	CHECK_OR_RETURN(prepare(false));
	fake_symbols(everything(start));
	gr_set_namer(symbols_name_return);
	world_log_begin();
	CHECK_EQ(by_page(block[EIGHT].pa, 0), MM_EORDER);
	CHECK_EQ(world_log_end(), 1);
	gr_set_namer(NULL);
	fake_symbols(NULL);
	caller = caller_in_line();
	gr_snprintf(want, sizeof(want), ", by 0x%lx (someone+0x%lx): ", (unsigned long)caller,
		    (unsigned long)(caller - start));
	CHECK(contains(world_line, want));
}
#endif

static const char *namer_of_even(uintptr_t address, char buf[GR_NAME_MAX])
{
	gr_snprintf(buf, GR_NAME_MAX, "f%lu", (unsigned long)address);
	return address & 1 ? NULL : buf;
}

TEST_ON(TAP_HOST, DG1, "%pB prints an address, and its name where the namer knows one; nothing else changes")
{
	char text[128];

	/* In the kernel the namer is the kernel's. */
	gr_snprintf(text, sizeof(text), "%pB|%p B|%pX", (void *)0x10, (void *)0x11, (void *)0x12);
	CHECK(!strcmp(text, "0x10|0x11 B|0x12X"));
	gr_set_namer(namer_of_even);
	CHECK_EQ(gr_snprintf(text, sizeof(text), "<%pB> <%pB> <%p> %d", (void *)0x10, (void *)0x11, (void *)0x12, 7),
		 28);
	gr_set_namer(NULL);
	CHECK(!strcmp(text, "<0x10 (f16)> <0x11> <0x12> 7"));
	gr_snprintf(text, sizeof(text), "%pB", (void *)0);
	CHECK(!strcmp(text, "0x0"));
}

TEST_ON(TAP_TARGET, DG1, "the kernel names its own functions, and leaves other addresses alone")
{
	char text[128], want[128];

	gr_snprintf(text, sizeof(text), "%pB", (void *)((uintptr_t)by_page + 8));
	gr_snprintf(want, sizeof(want), "0x%lx (by_page+0x8)", (unsigned long)((uintptr_t)by_page + 8));
	CHECK(!strcmp(text, want));
	gr_snprintf(text, sizeof(text), "%pB", (void *)0x1234);
	CHECK(!strcmp(text, "0x1234"));
}
