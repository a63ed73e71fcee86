/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many CPUs with caches: how they are told apart by their numbers, what they may hold together, and that nothing stays
 * with those that go. A thread of the host plays CPU after CPU; what has one CPU runs on the target as well.
 */
#define SUITE "frames_cpu"
#include "arch/arch.h"
#include "mm/frames_cache.h"
#include "tests/suites/frames_world.h"

#if __STDC_HOSTED__
#include "arch/host/host.h"
#include "tests/host/panic.h"
#include <pthread.h>
#endif

static struct world w;

static struct frames_stats stats(void)
{
	struct frames_stats s;

	frames_get_stats(&w.f, &s);
	return s;
}

static struct frames_cpu_stats cpu_stats(unsigned i)
{
	struct frames_cpu_stats s;

	CHECK(frames_get_cpu_stats(&w.f, i, &s));
	return s;
}

static struct {
	_Alignas(64) char bytes[FRAMES_CPU_BYTES];
} one_memory;

/* ---- one CPU ----------------------------------------------------------------------------------------------------- */

TEST(PC4, "an empty stack is filled by half, from the bank of the CPU's node; the lowest frame is on top")
{
	struct span banks[] = { { FRAME(GIB(1)), FRAME(MIB(16)) }, { FRAME(GIB(2)), FRAME(MIB(16)) } };
	unsigned far = 0;
	paddr_t pa;

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, banks[0].pages);
	world_add(&w, banks[1].start, banks[1].pages);
	/* Node 1 is the second bank, which comes after the first. */
	CHECK_EQ(frames_cpu_online(&w.f, 7, 1, &one_memory), MM_OK);
	CHECK_EQ(cpu_stats(0).page_limit, 128);
	CHECK_EQ(cpu_stats(0).node, 1);
	for (unsigned i = 0; i < 65; i++) {
		pa = frames_alloc_page(&w.f, TAG_TEST);
		CHECK_EQ(pa.v, GIB(2) + i * PAGE_SIZE);
		CHECK_EQ(cpu_stats(0).refills, 1 + i / 64);
		CHECK_EQ(cpu_stats(0).pages, 63 - i % 64);
	}
	/* When the near bank has nothing more, the far one. */
	for (uint64_t i = 65; i < banks[1].pages; i++)
		far += frames_alloc_page(&w.f, TAG_TEST).v < GIB(2);
	CHECK_EQ(far, 0);
	CHECK_EQ(frames_alloc_page(&w.f, TAG_TEST).v, GIB(1));
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(PC5, "a full stack gives half of what it holds back: what came first; what was in use last stays on top")
{
	struct span bank = { FRAME(GIB(1)), FRAME(MIB(64)) };
	static paddr_t pa[200];
	unsigned order = 0;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_alloc_bulk(&w.f, 200, 0, TAG_TEST, pa), MM_OK);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &one_memory), MM_OK);
	for (unsigned i = 0; i < 128; i++)
		CHECK_EQ(frames_free_page(&w.f, pa[i]), MM_OK);
	CHECK_EQ(cpu_stats(0).pages, 128);
	CHECK_EQ(cpu_stats(0).drains, 0);
	CHECK_EQ(frames_free_page(&w.f, pa[128]), MM_OK);
	CHECK_EQ(cpu_stats(0).pages, 65);
	CHECK_EQ(cpu_stats(0).drains, 1);
	CHECK_EQ(stats().drains, 1);
	CHECK_EQ(cpu_stats(0).remote_drains, 0);
	for (unsigned i = 0; i < 65; i++)
		order += frames_alloc_page(&w.f, TAG_TEST).v == pa[128 - i].v;
	CHECK_EQ(order, 65);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(PC5, "stacks of any size, odd ones too: half comes in, half goes out, and the others keep their order")
{
	static const unsigned limits[] = { 2, 3, 4, 5, 6, 7, 31, 32, 126, 127, 128, 129 };
	static paddr_t pa[320];

	for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
		struct span bank = { FRAME(GIB(1)), 64 * limits[i] };
		unsigned limit = limits[i] < 128 ? limits[i] : 128, in = (limit + 1) / 2, wrong = 0;
		uint64_t last = 0;

		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, bank.pages);
		CHECK_EQ(frames_alloc_bulk(&w.f, ALIGN_UP(2 * limit + 2, 64), 0, TAG_TEST, pa), MM_OK);
		CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &one_memory), MM_OK);
		CHECK_EQ(cpu_stats(0).page_limit, limit);
		/* In: the lowest on top; of a leaf, whole lines of records. */
		in = in > 8 ? in & ~7u : in;
		for (unsigned k = 0; k < in; k++) {
			uint64_t next = frames_alloc_page(&w.f, TAG_TEST).v;

			wrong += k && next != last + PAGE_SIZE;
			wrong += cpu_stats(0).pages != in - 1 - k;
			last = next;
		}
		CHECK_EQ(cpu_stats(0).refills, 1);
		/* Out: the first ones of what comes, when there is no room for one more. */
		for (unsigned k = 0; k < limit; k++) {
			wrong += frames_free_page(&w.f, pa[k]) != MM_OK;
			wrong += cpu_stats(0).pages != k + 1;
		}
		CHECK_EQ(cpu_stats(0).drains, 0);
		CHECK_EQ(frames_free_page(&w.f, pa[limit]), MM_OK);
		CHECK_EQ(cpu_stats(0).drains, 1);
		CHECK_EQ(cpu_stats(0).pages, limit / 2 + 1);
		CHECK_EQ(frames_validate(&w.f), MM_OK);
		CHECK_EQ(cpu_stats(0).pages, 0);
		for (unsigned k = 0; k <= limit / 2; k++)
			wrong += frames_free_page(&w.f, pa[limit + 1 + k]) != MM_OK;
		for (unsigned k = 0; k <= limit / 2; k++)
			wrong += frames_alloc_page(&w.f, TAG_TEST).v != pa[limit + 1 + limit / 2 - k].v;
		CHECK_EQ(cpu_stats(0).pages, 0);
		CHECK_EQ(wrong, 0);
		CHECK_EQ(frames_validate(&w.f), MM_OK);
	}
}

/* Gives frames first + offset[0 .. n) back in this order, through the stack and a drain: these are free, and no others. */
static void give_back(uint64_t first, const unsigned *offset, unsigned n)
{
	static bool gone[256];
	unsigned wrong = 0;

	memset(gone, 0, sizeof(gone));
	for (unsigned i = 0; i < n; i++) {
		gone[offset[i]] = true;
		wrong += frames_free_page(&w.f, pfn_to_paddr(pfn(first + offset[i]))) != MM_OK;
	}
	frames_drain(&w.f);
	for (unsigned i = 0; i < 256; i++) {
		struct frame_info info;

		frames_query(&w.f, pfn(first + i), &info);
		wrong += (info.role == FRAME_FREE) != gone[i];
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	for (unsigned i = 0; i < 256; i++)
		wrong += gone[i] && frames_take(&w.f, pfn(first + i), 0, TAG_TEST) != MM_OK;
	CHECK_EQ(wrong, 0);
	CHECK_EQ(stats().free_pages, 64 * 128 - 256);
}

TEST(PC5,
     "pages in any order in a stack: neighbours or not, up or down, leaf by leaf or across: these go back, no others")
{
	static const unsigned counts[] = { 1,	2,   3,	  4,   5,   31,	 63,  64,  65, 100,
					   127, 128, 129, 130, 160, 192, 193, 255, 256 },
			      starts[] = { 0, 1, 3, 32, 63, 64, 127 };
	struct span bank = { FRAME(GIB(1)), 64 * 128 };
	uint64_t first = bank.start + 0x400;
	unsigned offset[256];

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned i = 0; i < 256; i++)
		CHECK_EQ(frames_take(&w.f, pfn(first + i), 0, TAG_TEST), MM_OK);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &one_memory), MM_OK);
	for (unsigned c = 0; c < ARRAY_SIZE(counts); c++)
		for (unsigned k = 0; k < 2 * ARRAY_SIZE(starts); k++) {
			unsigned n = counts[c], start = starts[k / 2];

			if (start + n > 256)
				continue;
			for (unsigned i = 0; i < n; i++)
				offset[i] = start + (k % 2 ? i : n - 1 - i);
			give_back(first, offset, n);
		}
	/* Some here and there first, then many in a row: what goes out of a full stack is a leaf of these. */
	for (unsigned some = 1; some < 128; some++)
		for (unsigned up = 0; up < 2; up++) {
			for (unsigned i = 0; i < some / 2; i++)
				offset[i] = 254 - 2 * i;
			for (unsigned i = 0; i < 128; i++)
				offset[some / 2 + i] = up ? i : 127 - i;
			give_back(first, offset, some / 2 + 128 - some % 3);
		}
	/* Of 64 that would be a leaf one is another frame, or two have changed places. */
	for (unsigned at = 0; at < 4 * 64; at++) {
		for (unsigned i = 0; i < 64; i++)
			offset[i] = 64 + (at / 64 % 2 ? i : 63 - i);
		if (at < 128) {
			offset[at % 64] = at % 3 ? 128 + at % 64 : 63 - at % 64;
		} else {
			unsigned old = offset[at % 64];

			offset[at % 64] = offset[(at * 7 + 1) % 64];
			offset[(at * 7 + 1) % 64] = old;
		}
		give_back(first, offset, 64);
	}
}

TEST(PC9, "who comes to memory that a CPU has left begins with counters of its own")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };
	static paddr_t pa[200];

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned kind = 0; kind < 2; kind++) {
		unsigned n = kind ? 12 : 200;

		CHECK_EQ(frames_cpu_online(&w.f, 3, 0, &one_memory), MM_OK);
		CHECK_EQ(cpu_stats(0).refills + cpu_stats(0).drains + cpu_stats(0).remote_drains, 0);
		for (unsigned i = 0; i < n; i++)
			pa[i] = kind ? frames_alloc_2m(&w.f, TAG_TEST) : frames_alloc_page(&w.f, TAG_TEST);
		for (unsigned i = 0; i < n; i++)
			CHECK_EQ(kind ? frames_free_2m(&w.f, pa[i]) : frames_free_page(&w.f, pa[i]), MM_OK);
		CHECK(frames_drain(&w.f) > 0);
		CHECK(cpu_stats(0).refills > 1 && cpu_stats(0).drains > 0 && cpu_stats(0).remote_drains == 1);
		CHECK_EQ(frames_cpu_offline(&w.f), MM_OK);
		CHECK_EQ(frames_cpu_online(&w.f, 4, 1, &one_memory), MM_OK);
		CHECK_EQ(cpu_stats(0).cpu, 4);
		CHECK_EQ(cpu_stats(0).node, 1);
		CHECK_EQ(cpu_stats(0).refills, 0);
		CHECK_EQ(cpu_stats(0).drains, 0);
		CHECK_EQ(cpu_stats(0).remote_drains, 0);
		CHECK_EQ(frames_cpu_offline(&w.f), MM_OK);
	}
	world_check(&w);
}

TEST(B18, "a stack without its end mark is told, whatever else is wrong")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };
	struct frames_cpu *cpu = (void *)&one_memory;
	struct buddy *b;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	b = world_bank(&w, 0);
	CHECK_EQ(frames_cpu_online(&w.f, 3, 0, &one_memory), MM_OK);
	for (unsigned kind = 0; kind < CACHE_KINDS; kind++)
		for (unsigned more = 0; more < 2; more++) {
			uint64_t *end = &cpu->cache[kind].word[cpu->cache[kind].limit + 1];

			*end = GIB(1);
			b->used_pages += more;
			b->peak_used_pages += more;
			world_log_begin();
			CHECK_EQ(frames_validate(&w.f), MM_ECORRUPT);
			CHECK_EQ(world_log_end(), 1 + more);
			CHECK(more || contains(world_line, "frames: 1 entries of CPU 3's stack"));
			*end = CACHE_BOTTOM;
			b->used_pages -= more;
			b->peak_used_pages -= more;
			CHECK_EQ(frames_validate(&w.f), MM_OK);
		}
	/* Entries that are not what they should be, one and two of them. */
	for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
		struct frames_cache *c = &cpu->cache[kind];
		paddr_t pa = kind ? frames_alloc_2m(&w.f, TAG_TEST) : frames_alloc_page(&w.f, TAG_TEST);
		page_word_t *top = world_record(&w, c->word[c->word[0]] >> PAGE_SHIFT);
		page_word_t *last = world_record(&w, c->word[c->limit] >> PAGE_SHIFT), old[2] = { *top, *last };

		CHECK_EQ(frames_cache_validate(&w.f), 0);
		*top = page_word(1, kind * 9, PAGE_ALLOC, TAG_TEST);
		world_log_begin();
		CHECK_EQ(frames_cache_validate(&w.f), 1);
		CHECK_EQ(world_log_end(), 1);
		CHECK(contains(world_line, "frames: 1 entries of CPU 3's stack"));
		*last = page_word(1, kind * 9 + 1, PAGE_CACHED, TAG_TEST);
		world_log_begin();
		CHECK_EQ(frames_cache_validate(&w.f), 1);
		CHECK_EQ(world_log_end(), 1);
		CHECK(contains(world_line, "frames: 2 entries of CPU 3's stack"));
		*top = old[0];
		*last = old[1];
		CHECK_EQ(kind ? frames_free_2m(&w.f, pa) : frames_free_page(&w.f, pa), MM_OK);
		CHECK_EQ(frames_validate(&w.f), MM_OK);
	}
}

TEST(PK6, "a leaf that has half a batch is batch enough; of less, the next whole leaf is begun")
{
	static uint64_t pa[64];

	for (unsigned have = 0; have <= 64; have++) {
		struct span bank = { FRAME(GIB(1)), 0x100 };
		struct buddy *b;
		unsigned long irq;
		unsigned got;

		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, bank.pages);
		b = world_bank(&w, 0);
		/* Free are the last `have` frames of the first leaf, and all others. */
		for (unsigned i = have; i < 64; i++)
			CHECK_EQ(frames_take(&w.f, pfn(bank.start + 63 - i), 0, TAG_TEST), MM_OK);
		irq = spin_lock(&b->lock);
		got = buddy_take_batch_locked(b, pa, 64, page_word(1, 0, PAGE_ALLOC, TAG_TEST));
		spin_unlock(&b->lock, irq);
		/* The whole leaf is cut between two lines of records. */
		CHECK_EQ(got, have == 0 ? 64 : have < 32 ? have + ((64 - have) & ~7u) : have);
		CHECK_EQ(stats().free_pages, 0xc0 + have - got);
		CHECK_EQ(frames_validate(&w.f), MM_OK);
	}
}

TEST(PC5,
     "64 neighbours that are a leaf go out of a full stack together, as one block, wherever in its middle they lie")
{
	struct span bank = { FRAME(GIB(1)), 64 * 128 };
	uint64_t leaf = bank.start + 0x400;

	/* `below` single pages came before them, the rest of 128 after them; then one more. */
	for (unsigned below = 1; below < 64; below++)
		for (unsigned up = 0; up < 2; up++) {
			unsigned wrong = 0;
			struct frame_info info;

			WORLD_OR_RETURN(&w, &bank, 1);
			world_add(&w, bank.start, bank.pages);
			for (unsigned i = 0; i < 65; i++)
				wrong += frames_take(&w.f, pfn(leaf + 0x100 + 2 * i), 0, TAG_TEST) != MM_OK;
			for (unsigned i = 0; i < 64; i++)
				wrong += frames_take(&w.f, pfn(leaf + i), 0, TAG_TEST) != MM_OK;
			CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &one_memory), MM_OK);
			for (unsigned i = 0; i < below; i++)
				wrong += frames_free(&w.f, pfn(leaf + 0x100 + 2 * i), 0) != MM_OK;
			for (unsigned i = 0; i < 64; i++)
				wrong += frames_free(&w.f, pfn(leaf + (up ? i : 63 - i)), 0) != MM_OK;
			for (unsigned i = below; i < 65; i++)
				wrong += frames_free(&w.f, pfn(leaf + 0x100 + 2 * i), 0) != MM_OK;
			CHECK_EQ(cpu_stats(0).drains, 1);
			CHECK_EQ(cpu_stats(0).pages, 65);
			frames_query(&w.f, pfn(leaf), &info);
			wrong += info.role != FRAME_FREE || info.cached || info.order < 6;
			/* The others are there as they came, the last on top. */
			for (unsigned i = 65; i-- > 0;)
				wrong += frames_alloc_page(&w.f, TAG_TEST).v >> PAGE_SHIFT != leaf + 0x100 + 2 * i;
			CHECK_EQ(wrong, 0);
			CHECK_EQ(frames_validate(&w.f), MM_OK);
		}
}

TEST(PC5, "where only one end of a leaf is where it should be, what came first goes out of a full stack")
{
	struct span bank = { FRAME(GIB(1)), 64 * 128 };
	const uint64_t leaf = bank.start + 0x400;
	uint64_t frame[129];

	for (unsigned i = 1; i < 63; i += i % 2 ? 6 : 7)
		for (unsigned ends = 0; ends < 4; ends++) {
			unsigned wrong = 0;

			WORLD_OR_RETURN(&w, &bank, 1);
			world_add(&w, bank.start, bank.pages);
			for (unsigned k = 0; k < 129; k++)
				frame[k] = leaf + 0x100 + 2 * k;
			/* The frame in the middle would be one of a leaf; the lowest or the highest is there, up or down. */
			frame[63] = leaf + i;
			if (ends == 0)
				frame[63 - i] = leaf;
			else if (ends == 1)
				frame[126 - i] = leaf + 63;
			else if (ends == 2)
				frame[63 + i] = leaf;
			else
				frame[i] = leaf + 63;
			for (unsigned k = 0; k < 129; k++)
				wrong += frames_take(&w.f, pfn(frame[k]), 0, TAG_TEST) != MM_OK;
			CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &one_memory), MM_OK);
			for (unsigned k = 0; k < 129; k++)
				wrong += frames_free(&w.f, pfn(frame[k]), 0) != MM_OK;
			CHECK_EQ(cpu_stats(0).drains, 1);
			CHECK_EQ(cpu_stats(0).pages, 65);
			for (unsigned k = 128; k >= 64; k--)
				wrong += frames_alloc_page(&w.f, TAG_TEST).v >> PAGE_SHIFT != frame[k];
			CHECK_EQ(wrong, 0);
			CHECK_EQ(frames_validate(&w.f), MM_OK);
		}
}

TEST(PV4, "a freeze holds every stack, counts what is in all of them, and leaves them as they were")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };
	struct frames_cpu *cpu = (void *)&one_memory;
	uint64_t level[CACHE_KINDS];
	unsigned long irq;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &one_memory), MM_OK);
	CHECK_EQ(frames_free_page(&w.f, frames_alloc_page(&w.f, TAG_TEST)), MM_OK);
	CHECK_EQ(frames_free_2m(&w.f, frames_alloc_2m(&w.f, TAG_TEST)), MM_OK);
	for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
		level[kind] = cpu->cache[kind].word[0];
		CHECK(level[kind] > 0);
	}
	CHECK_EQ(frames_cache_freeze(&w.f, &irq), 64 + 4 * 512);
	for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
		CHECK_EQ(cpu->cache[kind].word[0], 0);
		CHECK_EQ(cpu->frozen[kind], level[kind]);
	}
	frames_cache_thaw(&w.f, irq);
	for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
		CHECK_EQ(cpu->cache[kind].word[0], level[kind]);
		CHECK_EQ(cpu->frozen[kind], 0);
	}
	CHECK_EQ(stats().cached_pages, 64 + 4 * 512);
	world_check(&w);
}

TEST(PV4, "whatever comes and goes moves a bank's count of moves on, and looking does not")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };
	static paddr_t pa[64];
	uint64_t moves;
	struct buddy *b;
	pfn_t f;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	b = world_bank(&w, 0);
	moves = frames_count_bank(b).moves;
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		CHECK_EQ(frames_alloc(&w.f, order, 0, TAG_TEST, &f), MM_OK);
		CHECK_EQ(frames_count_bank(b).used, (uint64_t)1 << order);
		CHECK_EQ(frames_count_bank(b).moves, ++moves);
		CHECK_EQ(frames_free(&w.f, f, order), MM_OK);
		CHECK_EQ(frames_count_bank(b).used, 0);
		CHECK_EQ(frames_count_bank(b).moves, ++moves);
	}
	for (unsigned n = 1; n <= 64; n += 21) {
		CHECK_EQ(frames_alloc_bulk(&w.f, n, 0, TAG_TEST, pa), MM_OK);
		CHECK_EQ(frames_count_bank(b).moves, moves += n);
		CHECK_EQ(frames_free_bulk(&w.f, n, pa), MM_OK);
		CHECK_EQ(frames_count_bank(b).moves, moves += n);
	}
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	CHECK_EQ(frames_count_bank(b).moves, moves);
}

TEST(PC5, "neighbours in a stack that are of two banks go back each to its own")
{
	struct span banks[] = { { FRAME(GIB(2)) - 0x1000, 0x1000 }, { FRAME(GIB(2)), 0x1000 } };

	for (unsigned below = 0; below <= 70; below++)
		for (unsigned up = 0; up < 2; up++) {
			unsigned wrong = 0, n = below + (below % 3 ? 64 - below % 64 : 5);
			uint64_t first = FRAME(GIB(2)) - below;

			WORLD_OR_RETURN(&w, banks, 2);
			world_add(&w, banks[0].start, banks[0].pages);
			world_add(&w, banks[1].start, banks[1].pages);
			for (unsigned i = 0; i < n; i++)
				wrong += frames_take(&w.f, pfn(first + i), 0, TAG_TEST) != MM_OK;
			CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &one_memory), MM_OK);
			for (unsigned i = 0; i < n; i++)
				wrong += frames_free(&w.f, pfn(first + (up ? i : n - 1 - i)), 0) != MM_OK;
			CHECK_EQ(frames_drain(&w.f), n);
			CHECK_EQ(wrong, 0);
			CHECK_EQ(frames_validate(&w.f), MM_OK);
			CHECK_EQ(stats().free_blocks[12], 2);
		}
}

TEST(PC5, "what goes back from a stack keeps its last owner, merged or not")
{
	struct span bank = { FRAME(GIB(1)), 64 * 128 };
	unsigned wrong = 0;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &one_memory), MM_OK);
	for (unsigned tag = 1; tag < 256; tag *= 2)
		for (unsigned step = 1; step < 4; step++) {
			for (unsigned i = 0; i < 12; i++)
				wrong += frames_take(&w.f, pfn(bank.start + i), 0, (enum page_tag)tag) != MM_OK;
			for (unsigned i = 0; i < 12; i += step)
				wrong += frames_free(&w.f, pfn(bank.start + i), 0) != MM_OK;
			frames_drain(&w.f);
			for (unsigned i = 0; i < 12; i += step) {
				struct frame_info info;

				frames_query(&w.f, pfn(bank.start + i), &info);
				wrong += info.role != FRAME_FREE || info.tag != tag;
			}
			for (unsigned i = 0; i < 12; i++)
				wrong += i % step && frames_free(&w.f, pfn(bank.start + i), 0) != MM_OK;
			CHECK_EQ(frames_validate(&w.f), MM_OK);
		}
	CHECK_EQ(wrong, 0);
}

TEST(PC5, "frames that make a leaf one after the other, in any order, keep their last owner as one block")
{
	struct span bank = { FRAME(GIB(1)), 64 * 128 };
	unsigned wrong = 0;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &one_memory), MM_OK);
	for (unsigned tag = 1; tag < 256; tag *= 2)
		for (unsigned step = 5; step < 64; step += 6) {
			struct frame_info info;

			for (unsigned i = 0; i < 64; i++)
				wrong += frames_take(&w.f, pfn(bank.start + i), 0, (enum page_tag)tag) != MM_OK;
			for (unsigned i = 0; i < 64; i++)
				wrong += frames_free(&w.f, pfn(bank.start + i * step % 64), 0) != MM_OK;
			frames_drain(&w.f);
			frames_query(&w.f, pfn(bank.start + step), &info);
			wrong += info.role != FRAME_FREE || info.order < 6 || info.tag != tag || info.ref ||
				 info.cached;
		}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(PC6, "a drain is counted where it found something, and says how many frames that was")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	CHECK_EQ(frames_drain(&w.f), 0);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &one_memory), MM_OK);
	CHECK_EQ(frames_drain(&w.f), 0);
	CHECK_EQ(cpu_stats(0).remote_drains, 0);
	CHECK_EQ(frames_free_page(&w.f, frames_alloc_page(&w.f, TAG_TEST)), MM_OK);
	CHECK_EQ(frames_drain(&w.f), 64);
	CHECK_EQ(cpu_stats(0).remote_drains, 1);
	CHECK_EQ(frames_drain(&w.f), 0);
	CHECK_EQ(cpu_stats(0).remote_drains, 1);
	CHECK_EQ(frames_free_2m(&w.f, frames_alloc_2m(&w.f, TAG_TEST)), MM_OK);
	CHECK_EQ(frames_drain(&w.f), 4 * 512);
	CHECK_EQ(cpu_stats(0).remote_drains, 2);
	CHECK_EQ(frames_free_page(&w.f, frames_alloc_page(&w.f, TAG_TEST)), MM_OK);
	CHECK_EQ(frames_free_2m(&w.f, frames_alloc_2m(&w.f, TAG_TEST)), MM_OK);
	CHECK_EQ(frames_drain(&w.f), 64 + 4 * 512);
	CHECK_EQ(cpu_stats(0).remote_drains, 4);
	CHECK_EQ(cpu_stats(0).refills, 4);
	CHECK_EQ(cpu_stats(0).drains, 0);
	CHECK_EQ(stats().refills, 4);
	CHECK_EQ(stats().drains, 0);
	world_check(&w);
}

TEST(PC1, "a block has the owner that asked for it, from a stack or not, whatever number he has")
{
	struct span bank = { FRAME(GIB(1)), SECTION_PAGES };

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned cached = 0; cached < 2; cached++) {
		if (cached)
			CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &one_memory), MM_OK);
		for (unsigned tag = 0; tag < 256; tag = tag ? 2 * tag : 1)
			for (unsigned round = 0; round < 2; round++) {
				paddr_t pa[2] = { frames_alloc_page(&w.f, (uint8_t)tag),
						  frames_alloc_2m(&w.f, (uint8_t)tag) };

				for (unsigned i = 0; i < 2; i++) {
					struct frame_info info;

					frames_query(&w.f, paddr_to_pfn(pa[i]), &info);
					CHECK(info.role == FRAME_ALLOC && info.ref == 1 && info.order == i * 9);
					CHECK_EQ(info.tag, tag);
				}
				CHECK_EQ(frames_free_page(&w.f, pa[0]), MM_OK);
				CHECK_EQ(frames_free_2m(&w.f, pa[1]), MM_OK);
			}
	}
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

TEST(PC2, "what is claimed goes to the bank when the stack is closed, or taken away in between; records, order and all")
{
	struct span banks[] = { { FRAME(GIB(1)), SECTION_PAGES }, { FRAME(GIB(2)), 0x400 } };
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, banks[0].pages);
	world_add(&w, banks[1].start, banks[1].pages);
	CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &one_memory), MM_OK);
	/* Of a bank that is a part of a GiB as well: checked on the slow way, kept in the cache all the same. */
	CHECK_EQ(frames_take(&w.f, pfn(banks[1].start + 3), 0, TAG_HEAP), MM_OK);
	CHECK_EQ(frames_free(&w.f, pfn(banks[1].start + 3), 0), MM_OK);
	CHECK_EQ(cpu_stats(0).pages, 1);
	CHECK_EQ(frames_alloc(&w.f, 0, 0, TAG_TEST, &f), MM_OK);
	CHECK_EQ(f.n, banks[1].start + 3);
	CHECK_EQ(frames_cpu_offline(&w.f), MM_OK);
	CHECK_EQ(frames_free(&w.f, f, 0), MM_OK);
	CHECK_EQ(stats().cached_pages, 0);
	/* Every order on either way, with and without a cache. */
	for (unsigned cached = 0; cached < 2; cached++) {
		if (cached)
			CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &one_memory), MM_OK);
		for (unsigned i = 0; i < 2; i++)
			for (unsigned order = 0; order <= (i ? 10 : MAX_ORDER); order++) {
				CHECK_EQ(frames_take(&w.f, pfn(banks[i].start), order, TAG_TEST), MM_OK);
				CHECK_EQ(frames_free(&w.f, pfn(banks[i].start), order), MM_OK);
			}
		CHECK_EQ(frames_validate(&w.f), MM_OK);
	}
	world_check(&w);
}

#if __STDC_HOSTED__

/* ---- the machine with many --------------------------------------------------------------------------------------- */

#define CPUS 512

static struct {
	_Alignas(64) char bytes[FRAMES_CPU_BYTES];
} memory[FRAMES_CPU_SLOTS];
static uint64_t keys[FRAMES_CPU_SLOTS];

static void play(unsigned cpu)
{
	host_set_cpu_id(keys[cpu]);
}

static bool online(unsigned cpu)
{
	play(cpu);
	return frames_cpu_online(&w.f, cpu, cpu % 3, &memory[cpu]) == MM_OK;
}

/* The stack that the CPU's number leads to; closed ones have no limit. */
static const struct frames_cache *stack_of(unsigned cpu)
{
	return w.f.pages[keys[cpu] * w.f.cpu_hash >> CPU_HASH_SHIFT];
}

/* How many CPUs have a stack of their own, and none is led to one that is closed. */
static unsigned alone(unsigned n)
{
	unsigned count = 0, lost = 0;

	for (unsigned i = 0; i < n; i++) {
		count += stack_of(i) == &((struct frames_cpu *)(void *)&memory[i])->cache[CACHE_PAGE];
		lost += stack_of(i)->limit == 0;
	}
	CHECK_EQ(lost, 0);
	return count;
}

/* Each of the first n CPUs takes some frames, gives back some of its own, and some that the one before it has. */
static void work(unsigned n)
{
	static paddr_t held[CPUS + 1][3];
	unsigned wrong = 0;

	for (unsigned i = 0; i < n; i++) {
		play(i);
		for (unsigned k = 0; k < 3; k++) {
			held[i][k] = frames_alloc_page(&w.f, TAG_TEST);
			wrong += !frames_is_page(held[i][k]);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		play((i + 1) % n);
		wrong += frames_free_page(&w.f, held[i][0]) != MM_OK;
		play(i);
		wrong += frames_free_page(&w.f, held[i][1]) != MM_OK;
		wrong += frames_free_page(&w.f, held[i][2]) != MM_OK;
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
}

/* MPIDR_EL1 of the i-th CPU, in the ways in which processors are numbered. */
static uint64_t flat(unsigned i)
{
	return 0x80000000 | i % 256 | (uint64_t)(i / 256) << 8;
}

static uint64_t clusters_of_4(unsigned i)
{
	return 0x80000000 | i % 4 | (uint64_t)(i / 4) << 8;
}

/* Threads in Aff0, cores in Aff1: what DynamIQ clusters have. */
static uint64_t cores_in_aff1(unsigned i)
{
	return 0x81000000 | (uint64_t)(i % 16) << 8 | (uint64_t)(i / 16) << 16;
}

static uint64_t clusters_of_16(unsigned i)
{
	return 0x80000000 | i % 16 | (uint64_t)(i / 16) << 8;
}

static uint64_t sockets_in_aff3(unsigned i)
{
	return 0x80000000 | i % 8 | (uint64_t)(i / 8 % 8) << 8 | (uint64_t)(i / 64 % 2) << 16 |
	       (uint64_t)(i / 128) << 32;
}

static uint64_t any_number(unsigned i)
{
	uint64_t seed = i * 77;

	return chance(&seed) & 0xffc1ffffff;
}

/* Only bits that a product with an odd number leaves where they are. */
static uint64_t upper_end(unsigned i)
{
	return (uint64_t)i << 55;
}

static const struct {
	const char *name;
	uint64_t (*key)(unsigned i);
	unsigned cpus, least; /* that have a stack of their own, at least */
} numberings[] = {
	{ "one after the other", flat, 512, 512 },
	{ "clusters of 4", clusters_of_4, 512, 512 },
	{ "cores in Aff1", cores_in_aff1, 256, 256 },
	{ "clusters of 16", clusters_of_16, 512, 512 },
	{ "two sockets in Aff3", sockets_in_aff3, 256, 256 },
	{ "at random", any_number, 24, 24 },
	{ "at random, many", any_number, 512, 415 }, /* the best of a thousand; 403 are to be expected of one */
	{ "the upper end", upper_end, 512, 512 },
};

TEST_ON(TAP_HOST, PC8, "CPUs have stacks of their own however they are numbered; where two must share one, both work")
{
	struct span bank = { FRAME(GIB(4)), 2 * SECTION_PAGES };

	for (unsigned t = 0; t < ARRAY_SIZE(numberings); t++) {
		unsigned n = numberings[t].cpus, wrong = 0, own;

		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, bank.pages);
		for (unsigned i = 0; i < n; i++)
			keys[i] = numberings[t].key(i);
		for (unsigned i = 0; i < n; i++)
			wrong += !online(i);
		CHECK_EQ(wrong, 0);
		CHECK_EQ(stats().cpus, n);
		own = alone(n);
		CHECK(own >= numberings[t].least);
		tap_note("%s: %u of %u have a stack of their own", numberings[t].name, own, n);
		work(n);
		/* One that never came online, and has somebody's hash or nobody's. */
		keys[n] = 0x12345;
		work(n + 1);
		for (unsigned i = 0; i < n; i += 2) {
			play(i);
			wrong += frames_cpu_offline(&w.f) != MM_OK;
		}
		CHECK_EQ(wrong, 0);
		work(n);
		CHECK_EQ(stats().free_pages, bank.pages);
		world_check(&w);
	}
	host_set_cpu_id(0);
}

/* Aff0 has a0 bits, Aff1 the next a1, Aff2 or Aff3 the rest. */
static uint64_t affinities(unsigned i, unsigned a0, unsigned a1, unsigned rest)
{
	return 0x80000000 | (i & ((1u << a0) - 1)) | (uint64_t)(i >> a0 & ((1u << a1) - 1)) << 8 |
	       (uint64_t)(i >> a0 >> a1) << rest;
}

TEST_ON(TAP_HOST, PC8,
	"as many CPUs as there may be have stacks of their own, however wide the fields of their numbers are")
{
	struct span bank = { FRAME(GIB(4)), 2 * SECTION_PAGES };

	for (unsigned t = 0; t < 2 * 8 * 9; t++) {
		unsigned a0 = t % 8, a1 = t / 8 % 9, rest = t < 8 * 9 ? 16 : 32, wrong = 0;

		/* Eight bits are all that a field has. */
		if (a1 > 7 || a0 + a1 > 9 || a0 + a1 < 1)
			continue;
		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, bank.pages);
		for (unsigned i = 0; i < CPUS; i++) {
			keys[i] = affinities(i, a0, a1, rest);
			wrong += !online(i);
		}
		CHECK_EQ(wrong, 0);
		if (alone(CPUS) != CPUS)
			tap_note("%u, %u and %u bits, shift %u", a0, a1, 9 - a0 - a1, rest);
		CHECK_EQ(alone(CPUS), CPUS);
	}
	host_set_cpu_id(0);
}

TEST_ON(TAP_HOST, PC8,
	"clusters of six, of three by five, or of five leave gaps in the numbers: all have stacks of their own")
{
	struct span bank = { FRAME(GIB(4)), 2 * SECTION_PAGES };

	for (unsigned t = 0; t < 3; t++) {
		unsigned wrong = 0;

		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, bank.pages);
		for (unsigned i = 0; i < CPUS; i++) {
			keys[i] = 0x80000000 | (t == 0	 ? i % 6 | i / 6 << 8
						: t == 1 ? i % 3 | i / 3 % 5 << 8 | i / 15 << 16
							 : i % 5 | i / 5 << 8);
			wrong += !online(i);
		}
		CHECK_EQ(wrong, 0);
		CHECK_EQ(alone(CPUS), CPUS);
	}
	host_set_cpu_id(0);
}

TEST_ON(TAP_HOST, PC8,
	"numbers that need all ten bits of the table, in every division: only one way to lay them side by side")
{
	struct span bank = { FRAME(GIB(4)), 2 * SECTION_PAGES };

	for (unsigned t = 0; t < 2 * 8 * 7; t++) {
		unsigned a0 = t % 8, a1 = t / 8 % 7 + 1, wrong = 0;
		unsigned cores = 1u << a0, clusters = (1u << (a1 - 1)) + 1;

		/* One more than half of what Aff1 could say; Aff2 or Aff3 has the rest of ten bits. */
		if (a0 + a1 < 2 || a0 + a1 > 9)
			continue;
		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, bank.pages);
		for (unsigned i = 0; i < CPUS; i++) {
			keys[i] = 0x80000000 | i % cores | i / cores % clusters << 8 |
				  (uint64_t)(i / cores / clusters) << (t < 8 * 7 ? 16 : 32);
			wrong += !online(i);
		}
		CHECK_EQ(wrong, 0);
		if (alone(CPUS) != CPUS)
			tap_note("%u and %u bits: %u", a0, a1, alone(CPUS));
		CHECK_EQ(alone(CPUS), CPUS);
	}
	host_set_cpu_id(0);
}

TEST_ON(TAP_HOST, PC8,
	"as many CPUs as the table has entries have stacks of their own, where their fields can be laid side by side")
{
	static const unsigned widths[][2] = { { 0, 3 }, { 2, 2 }, { 2, 3 }, { 3, 1 },
					      { 3, 2 }, { 3, 7 }, { 4, 0 }, { 7, 0 } };
	struct span bank = { FRAME(GIB(4)), 2 * SECTION_PAGES };

	for (unsigned t = 0; t < 2 * ARRAY_SIZE(widths); t++) {
		unsigned wrong = 0;

		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, bank.pages);
		for (unsigned i = 0; i < FRAMES_CPU_SLOTS; i++) {
			keys[i] = affinities(i, widths[t / 2][0], widths[t / 2][1], t % 2 ? 32 : 16);
			wrong += !online(i);
		}
		CHECK_EQ(wrong, 0);
		CHECK_EQ(alone(FRAMES_CPU_SLOTS), FRAMES_CPU_SLOTS);
	}
	host_set_cpu_id(0);
}

TEST_ON(TAP_HOST, PC7,
	"all caches together hold at most 1/64 of memory, fewer each as CPUs come, more again as they go")
{
	struct span bank = { FRAME(GIB(1)), FRAME(MIB(64)) };
	unsigned wrong = 0;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned n = 1; n <= 200; n++) {
		unsigned share = 256 / n < 128 ? 256 / n : 128;

		keys[n - 1] = n;
		CHECK(online(n - 1));
		/* A stack of one would go to the bank each time. */
		wrong += cpu_stats(0).page_limit != (share >= 2 ? share : 0);
		wrong += cpu_stats(0).block_limit != 0;
		wrong += stats().cache_limit_pages != (share >= 2 ? share * n : 0);
		wrong += stats().cached_pages > bank.pages / 64;
		for (unsigned i = 0; i < n; i += 7) {
			paddr_t pa;

			play(i);
			pa = frames_alloc_page(&w.f, TAG_TEST);
			wrong += frames_free_page(&w.f, pa) != MM_OK;
		}
		wrong += stats().cached_pages > stats().cache_limit_pages;
		wrong += stats().free_pages != bank.pages;
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	for (unsigned n = 200; n > 1; n--) {
		play(n - 1);
		wrong += frames_cpu_offline(&w.f) != MM_OK;
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(cpu_stats(0).page_limit, 128);
	world_check(&w);
	host_set_cpu_id(0);
}

TEST_ON(TAP_HOST, PC7, "with room for two blocks of 2 MiB a CPU keeps them, by whichever call; with room for one, none")
{
	struct span bank = { FRAME(GIB(4)), SECTION_PAGES };
	pfn_t f;

	for (unsigned n = 2; n < 6; n++) {
		unsigned room = (4096 / n - 128) / 512;

		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, bank.pages);
		for (unsigned i = 0; i < n; i++) {
			keys[i] = i;
			CHECK(online(i));
		}
		CHECK_EQ(cpu_stats(0).block_limit, room < 2 ? 0 : room);
		CHECK_EQ(frames_alloc(&w.f, 9, 0, TAG_TEST, &f), MM_OK);
		CHECK_EQ(frames_free(&w.f, f, 9), MM_OK);
		CHECK_EQ(stats().cached_pages, room < 2 ? 0 : (room + 1) / 2 * 512);
		world_check(&w);
	}
	host_set_cpu_id(0);
}

TEST_ON(TAP_HOST, PC7, "memory that is added makes the shares larger, up to what a stack can hold")
{
	struct span bank = { FRAME(GIB(4)), 4 * SECTION_PAGES };

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, FRAME(MIB(8)));
	for (unsigned i = 0; i < 2; i++) {
		keys[i] = i;
		CHECK(online(i));
	}
	CHECK_EQ(cpu_stats(0).page_limit, 16);
	CHECK(frames_is_page(frames_alloc_page(&w.f, TAG_TEST)));
	world_add(&w, bank.start + FRAME(MIB(8)), FRAME(MIB(24)));
	CHECK_EQ(cpu_stats(0).page_limit, 64);
	world_add(&w, bank.start + SECTION_PAGES, SECTION_PAGES);
	CHECK_EQ(cpu_stats(1).page_limit, 128);
	CHECK_EQ(cpu_stats(1).block_limit, 3);
	world_add(&w, bank.start + 2 * SECTION_PAGES, 2 * SECTION_PAGES);
	CHECK_EQ(cpu_stats(0).block_limit, 8);
	CHECK_EQ(stats().cache_limit_pages, 2 * (128 + 8 * 512));
	host_set_cpu_id(0);
}

TEST_ON(TAP_HOST, PC6, "64 CPUs share 64 MiB to the last frame; what lies in their caches is found by whoever needs it")
{
	struct span bank = { FRAME(GIB(1)), FRAME(MIB(64)) };
	static paddr_t all[FRAME(MIB(64))];
	uint64_t got = 0;
	paddr_t pa;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned i = 0; i < 64; i++) {
		keys[i] = clusters_of_4(i);
		CHECK(online(i));
	}
	CHECK_EQ(alone(64), 64);
	for (unsigned i = 0;; i = (i + 1) % 64) {
		play(i);
		pa = frames_alloc_page(&w.f, (uint8_t)(TAG_USER + i));
		if (!frames_is_page(pa))
			break;
		all[got++] = pa;
	}
	CHECK_EQ(got, bank.pages);
	CHECK_EQ(stats().failures, 1);
	/* Each gives back what another one had; the last frame is anybody's. */
	for (uint64_t i = 0; i < got; i++) {
		play((unsigned)((i * 37 + 11) % 64));
		CHECK_OR_RETURN(frames_free_page(&w.f, all[i]) == MM_OK);
	}
	CHECK(stats().cached_pages > 0);
	CHECK(stats().cached_pages <= bank.pages / 64);
	play(5);
	CHECK_EQ(frames_alloc(&w.f, 14, 0, TAG_TEST, &(pfn_t){ 0 }), MM_OK);
	CHECK_EQ(stats().free_pages, 0);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	host_set_cpu_id(0);
}

/* ---- coming and going -------------------------------------------------------------------------------------------- */

TEST_ON(TAP_HOST, PC10, "numbers that come and go: what a CPU held is free again, its memory serves the next one")
{
	struct span bank = { FRAME(GIB(1)), FRAME(MIB(64)) };
	uint64_t seed = 10;
	bool is_online[12] = { false };
	struct frames_cpu *memory_of[12];
	unsigned n = 0, wrong = 0;

	WORLD_OR_RETURN(&w, &bank, 1);
	world_add(&w, bank.start, bank.pages);
	for (unsigned i = 0; i < 12; i++)
		keys[i] = chance(&seed);
	for (unsigned step = 0; step < 600; step++) {
		unsigned i = (unsigned)(chance(&seed) % 12), m = (unsigned)(chance(&seed) % 12);
		bool taken = false;
		paddr_t pa;
		int err;

		for (unsigned k = 0; k < 12; k++)
			taken |= is_online[k] && memory_of[k] == (struct frames_cpu *)(void *)&memory[m];
		play(i);
		if (!is_online[i]) {
			err = frames_cpu_online(&w.f, 100 + i, i % 2, &memory[m]);
			wrong += err != (taken ? MM_EBUSY : MM_OK);
			if (!err) {
				is_online[i] = true;
				memory_of[i] = (struct frames_cpu *)(void *)&memory[m];
				n++;
			}
		} else if (chance(&seed) % 3 == 0) {
			wrong += frames_cpu_online(&w.f, 100 + i, 0, &memory[m]) != MM_EEXIST;
		} else {
			pa = frames_alloc_page(&w.f, TAG_TEST);
			wrong += frames_free_page(&w.f, pa) != MM_OK;
			if (chance(&seed) % 2) {
				wrong += frames_cpu_offline(&w.f) != MM_OK;
			} else {
				/* It has stopped: another one says so. */
				play((i + 1) % 12);
				wrong += frames_cpu_dead(&w.f, 100 + i) != MM_OK;
				wrong += frames_cpu_dead(&w.f, 100 + i) != MM_ENOENT;
				play(i);
			}
			is_online[i] = false;
			n--;
			wrong += frames_cpu_offline(&w.f) != MM_ENOENT;
		}
		wrong += stats().cpus != n || stats().free_pages != bank.pages;
		if (step % 50 == 0)
			CHECK_EQ(frames_validate(&w.f), MM_OK);
	}
	CHECK_EQ(wrong, 0);
	frames_drain(&w.f);
	world_check(&w);
	host_set_cpu_id(0);
}

TEST_ON(TAP_HOST, PC9,
	"a CPU that starts without memory gets what another has left, or a frame of its node; MM_ENOMEM changes nothing")
{
	struct span banks[] = { { FRAME(GIB(1)), FRAME(MIB(1)) }, { FRAME(GIB(2)), FRAME(MIB(1)) } };
	uintptr_t base = arch_linear_base;
	struct frame_info info;
	char *ram;
	pfn_t f;

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, banks[0].pages);
	world_add(&w, banks[1].start, banks[1].pages);
	ram = test_arena(GIB(1) + MIB(1));
	CHECK_OR_RETURN(ram != NULL);
	arch_linear_base = (uintptr_t)ram - GIB(1);
	host_set_cpu_id(1);
	CHECK_EQ(frames_cpu_start(&w.f, 1, 1), MM_OK);
	frames_query(&w.f, pfn(banks[1].start), &info);
	CHECK(info.role == FRAME_ALLOC && info.tag == TAG_MEMMAP && info.order == 0);
	CHECK_EQ(frames_cpu_start(&w.f, 1, 1), MM_EEXIST);
	CHECK_EQ(stats().free_pages, banks[0].pages + banks[1].pages - 1);
	CHECK_EQ(frames_cpu_offline(&w.f), MM_OK);
	/* Left behind: no other frame is needed. */
	host_set_cpu_id(77);
	CHECK_EQ(frames_cpu_start(&w.f, 2, 0), MM_OK);
	CHECK_EQ(stats().free_pages, banks[0].pages + banks[1].pages - 1);
	CHECK_EQ(cpu_stats(0).cpu, 2);
	CHECK_EQ(cpu_stats(0).node, 0);
	host_set_cpu_id(78);
	while (frames_alloc(&w.f, 0, 0, TAG_TEST, &f) == MM_OK)
		;
	CHECK_EQ(frames_cpu_start(&w.f, 3, 0), MM_ENOMEM);
	CHECK_EQ(stats().cpus, 1);
	CHECK_EQ(frames_free(&w.f, pfn(banks[0].start + 9), 0), MM_OK);
	CHECK_EQ(frames_cpu_start(&w.f, 3, 1), MM_OK);
	CHECK_EQ(stats().cpus, 2);
	CHECK_EQ(frames_validate(&w.f), MM_OK);
	arch_linear_base = base;
	host_set_cpu_id(0);
}

/* ---- at once ----------------------------------------------------------------------------------------------------- */

#define THREADS 4

static unsigned thread_wrong;

/* Comes and goes with ever another number, works in between, drains everybody now and then. */
static void *wanderer(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg, wrong = 0;
	uint64_t seed = id + 5;

	for (unsigned i = 0; i < 150; i++) {
		paddr_t held[150];
		unsigned n = 0;

		host_set_cpu_id(chance(&seed) % 50 * THREADS + id);
		wrong += frames_cpu_online(&w.f, id, 0, &memory[id]) != MM_OK;
		while (n < 150 && chance(&seed) % 100)
			wrong += !frames_is_page(held[n++] = frames_alloc_page(&w.f, (uint8_t)(TAG_USER + id)));
		if (chance(&seed) % 4 == 0)
			frames_drain(&w.f);
		while (n > 5)
			wrong += frames_free_page(&w.f, held[--n]) != MM_OK;
		wrong += frames_cpu_offline(&w.f) != MM_OK;
		while (n)
			wrong += frames_free_page(&w.f, held[--n]) != MM_OK;
	}
	__atomic_fetch_add(&thread_wrong, wrong, __ATOMIC_RELAXED);
	return NULL;
}

TEST_ON(TAP_HOST, PC10, "four CPUs come and go at once and drain each other: nothing is lost")
{
	struct span banks[] = { { FRAME(GIB(1)), SECTION_PAGES }, { FRAME(GIB(3)), 0x1000 } };
	pthread_t thread[THREADS];

	WORLD_OR_RETURN(&w, banks, 2);
	world_add(&w, banks[0].start, banks[0].pages);
	world_add(&w, banks[1].start, banks[1].pages);
	thread_wrong = 0;
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_OR_RETURN(!pthread_create(&thread[i], NULL, wanderer, (void *)(uintptr_t)i));
	for (unsigned i = 0; i < 20; i++)
		CHECK_EQ(frames_validate(&w.f), MM_OK);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(thread_wrong, 0);
	CHECK_EQ(stats().cpus, 0);
	CHECK_EQ(stats().bad_frees, 0);
	CHECK_EQ(stats().free_pages, banks[0].pages + banks[1].pages);
	world_check(&w);
}

static void drain(void)
{
	(void)frames_drain(&w.f);
}

TEST_ON(TAP_HOST, PC11,
	"an entry of a stack in no bank stops the machine when it goes back: a page's and a 2 MiB block's")
{
	struct span bank = { FRAME(GIB(1)) + 0x200, SECTION_PAGES };
	struct frames_cpu *cpu = (void *)&memory[0];

	host_set_cpu_id(0);
	for (enum cache_kind kind = 0; kind < CACHE_KINDS; kind++) {
		struct frames_cache *c = &cpu->cache[kind];
		unsigned order = cache_order(kind);
		const char *said;
		pfn_t f;

		WORLD_OR_RETURN(&w, &bank, 1);
		world_add(&w, bank.start, bank.pages);
		CHECK_EQ(frames_cpu_online(&w.f, 0, 0, &memory[0]), MM_OK);
		CHECK_EQ(frames_alloc(&w.f, order, 0, TAG_TEST, &f), MM_OK);
		CHECK_EQ(frames_free(&w.f, f, order), MM_OK);
		CHECK_OR_RETURN(c->word[0] >= 1 && c->word[0] <= c->limit);
		/* In the bank's first GiB, below its beginning. */
		c->word[c->word[0]] = GIB(1);
		said = expect_panic(drain);
		CHECK_OR_RETURN(said != NULL);
		CHECK(contains(said, "frames: 0x40000000 was claimed, and is in no bank"));
	}
}

#endif
