/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The public page allocator: all banks together, and a cache of single frames (and of 2 MiB blocks) for each CPU in
 * front of them.
 *
 * struct frames owns the section table (authority for every free), the banks sorted by limit class (memory at 4 GiB and
 * above is class 1 and is taken first; below is class 0 and is spent last), the caches and the counters. All functions
 * may be called from interrupt context and from any CPU unless they say "boot"; not from a handler that runs while
 * DAIF.I and F are masked by Granule itself (an NMI, a debug exception). A bad free changes nothing, prints one line
 * that names caller, page and owner, and returns the error.
 *
 * Locks, outermost first: the list of CPUs', a cache's (mm/frames_cache.h), a bank's (mm/buddy.h), the log's. Interrupts are
 * masked while one is held. Costs are executed instructions; docs/benchmarks.md has the figures.
 */
#ifndef MM_FRAMES_H
#define MM_FRAMES_H

#include "mm/buddy.h"
#include "mm/error.h"
#include "mm/page.h"

#define FRAMES_CLASS_SPLIT GIB(4) /* a bank never crosses it */
#define FRAMES_MAX_CPUS 512	  /* with a cache of their own; more share */
#define FRAMES_MAX_NODES 16	  /* with distances of their own; more count as equally far */
#define FRAMES_CPU_SLOTS 1024	  /* of the table from CPU to cache: a power of two */

struct frames_cpu; /* mm/frames_cache.h */
struct frames_cache;

/* What frames_watch() calls. */
enum frames_level {
	FRAMES_LEVEL_LOW,  /* free frames have fallen below the low mark */
	FRAMES_LEVEL_HIGH, /* they have risen above the high mark again */
};
typedef void (*frames_watch_fn)(void *ctx, enum frames_level level, uint64_t free_pages);

struct frames_watcher {
	frames_watch_fn call;
	void *ctx;
	uint64_t low, high; /* frames */
};

struct frames {
	/*
	 * Private to mm/frames*.[ch]. The first group is what the paths through a cache read: written at boot and when
	 * a CPU comes or goes. The tables map a hash of the CPU's number to its stacks and have no empty entry.
	 */
	struct frames_cache **pages;  /* page_slots[] */
	uint64_t cpu_hash;	      /* multiplier: the number's product with it, shifted right by 54, is the entry */
	struct frames_cache **blocks; /* block_slots[] */
	uintptr_t map;		      /* address of the record of frame 0 (may wrap: only banks' parts exist) */
	uint64_t block_word;	      /* record of an allocated 2 MiB block without its tag: no immediate of A64 */
	uint64_t *sections;	/* section table: for each GiB, bank | enum section_state; a power of two of entries */
	uint64_t address_check; /* bits of a physical address that no frame of the section table has */
	struct buddy *banks;	/* >= 4 GiB by address, then < 4 GiB by address */
	uint64_t watched;	/* 1: there is a watcher. This and the next are words for rare_load() */
	uint64_t blocks_cached; /* 1: CPUs that are online cache blocks of 2 MiB */

	struct frames_cache *page_slots[FRAMES_CPU_SLOTS];
	struct frames_cache *block_slots[FRAMES_CPU_SLOTS];
	uint64_t n_sections;
	struct buddy *low; /* the first of those below 4 GiB */
	unsigned bank_count;
	unsigned cpu_count;				      /* caches in use */
	struct frames_cpu *cpus;			      /* list of them */
	struct spinlock cpus_lock;			      /* of list and table; outermost */
	uint8_t distance[FRAMES_MAX_NODES][FRAMES_MAX_NODES]; /* 10: the same node; 0: not said */
	/* Relaxed atomics. */
	uint64_t failures;
	uint64_t bad_frees;
	unsigned moving; /* CPUs that have claimed blocks and hold no lock: what frames_validate() must not miss */
	/* Watermarks (mm/frames_watch.c). */
	struct spinlock watch_lock; /* outside a bank's, never with a cache's */
	struct frames_watcher watcher;
	bool watch_low; /* the last call said so */
};

/* ---- bring-up (boot: one CPU) ------------------------------------------------------------------------------------ */

/* Bytes of the section table when physical address space ends after n_sections GiB. */
#define FRAMES_SECTION_BYTES sizeof(uint64_t)
uint64_t frames_section_table_size(uint64_t n_sections);

/*
 * map: the vmemmap's base (address of the record of frame 0; only parts that describe banks are ever touched).
 * sections: frames_section_table_size(n_sections) zeroed bytes, 8-byte aligned; n_sections: one for each GiB of physical
 * address space from 0 to the end of the last bank.
 */
void frames_init(struct frames *f, struct page *map, uint64_t *sections, uint64_t n_sections);

/* Bytes of metadata (without mem_map) that a bank of frames [start, start + pages) needs; alignment 64. */
uint64_t frames_bank_metadata_size(pfn_t start, uint64_t pages);

/*
 * Registers a bank: frames [start, start + pages), which shares no section with another bank and does not cross
 * FRAMES_CLASS_SPLIT. metadata: mapped, frames_bank_metadata_size() bytes, contents garbage, 64-byte aligned. A
 * section's part of mem_map that lies in the bank must be mapped before frames of that section are added. No frame is
 * free yet: frames_add_memory() gives them. Cost independent of the bank's size, but for a few words a section.
 * MM_EINVAL, MM_EALIGN (metadata), MM_ERANGE (wraps, or behind the section table), MM_EEXIST (a section of another
 * bank).
 */
must_check int frames_add_bank(struct frames *f, pfn_t start, uint64_t pages, uint32_t numa_node, void *metadata);

/*
 * Gives frames [start, start + pages) to the allocator: they must lie in one bank and never have been given before
 * (MM_EINVAL / MM_EEXIST, nothing changed). Whole sections stay untouched.
 */
must_check int frames_add_memory(struct frames *f, pfn_t start, uint64_t pages);

/*
 * How far memory of node `to` is from a CPU of node `from` (10 is local, as in a device tree's distance-map); both
 * directions are set apart. Nodes without a distance count as 10 from themselves and 20 from each other. MM_EINVAL:
 * distance below 10; MM_ERANGE: a node at or above FRAMES_MAX_NODES, or distance above 255.
 */
must_check int frames_set_distance(struct frames *f, uint32_t from, uint32_t to, unsigned distance);

/* ---- CPUs -------------------------------------------------------------------------------------------------------- */

#define FRAMES_CACHE_BATCH 64 /* frames that move between a cache and the banks at a time, at most */

/*
 * The calling CPU gets a cache: from now on most of its order-0 requests and frees touch nothing that other CPUs use. A
 * CPU that never calls this works without, through the banks' locks. cpu: for reports; node: whose memory it prefers;
 * memory: FRAMES_CPU_BYTES, 64-byte aligned, the allocator's from now on, also when the CPU goes away (a CPU that comes
 * again may bring it again). All caches together hold at most 1/64 of the frames given: limits shrink as CPUs come.
 * Order-9 blocks are cached from 1 GiB of memory on. MM_EINVAL, MM_EALIGN; MM_EEXIST: it has one; MM_EBUSY: memory is
 * another CPU's.
 */
#define FRAMES_CPU_BYTES PAGE_SIZE
must_check int frames_cpu_online(struct frames *f, unsigned cpu, uint32_t node, void *memory);
/* The same in memory that a CPU before it has left, or in a frame of the node (through phys_to_virt). MM_ENOMEM too. */
must_check int frames_cpu_start(struct frames *f, unsigned cpu, uint32_t node);

/*
 * The calling CPU gives all that its cache holds back and works without from now on. MM_ENOENT: it has none.
 */
must_check int frames_cpu_offline(struct frames *f);
/* The same for a CPU that has stopped: cpu as it said to frames_cpu_online(). */
must_check int frames_cpu_dead(struct frames *f, unsigned cpu);

/*
 * Gives what all caches hold back to the banks, also those of other CPUs: each is locked for it, no interrupt is sent.
 * Returns the number of frames.
 */
uint64_t frames_drain(struct frames *f);

/* ---- allocation -------------------------------------------------------------------------------------------------- */

#define FRAMES_ZERO (1u << 0)	     /* contents zeroed (through phys_to_virt) */
#define FRAMES_BELOW_4G (1u << 1)    /* last byte below 4 GiB */
#define FRAMES_RESERVE (1u << 2)     /* may use what frames_set_reserve() keeps back: page tables */
#define FRAMES_BEST_EFFORT (1u << 3) /* frames_alloc_runs() only */
#define FRAMES_ANY_NODE UINT32_MAX

/* No frame has this address: what frames_alloc_page() and frames_alloc_2m() return when there is none. */
#define FRAMES_NO_PAGE ((paddr_t){ UINT64_MAX })
static inline bool frames_is_page(paddr_t pa)
{
	return pa.v != UINT64_MAX;
}

/*
 * One frame, reference count 1, owned by tag (0..255): the shortest way, from the CPU's cache. FRAMES_NO_PAGE when there
 * is none. Takes a bank's lock once in FRAMES_CACHE_BATCH calls.
 */
must_check paddr_t frames_alloc_page(struct frames *f, uint8_t tag);
/* Gives it back; errors as frames_free(). */
must_check int frames_free_page(struct frames *f, paddr_t pa);

/* The same for a block of 2 MiB (order 9). */
must_check paddr_t frames_alloc_2m(struct frames *f, uint8_t tag);
must_check int frames_free_2m(struct frames *f, paddr_t pa);

/*
 * 2^order frames, naturally aligned, reference count 1, owned by tag. Orders 0 and 9 without flags (but FRAMES_ZERO)
 * come from the CPU's cache. MM_ENOMEM (only after the caches of all CPUs were drained); MM_EINVAL for order > MAX_ORDER,
 * a tag above 255 or an unknown flag.
 */
must_check int frames_alloc(struct frames *f, unsigned order, unsigned flags, enum page_tag tag, pfn_t *out);

/*
 * What a request may say beyond its size; zero-initialise, then set. MM_EINVAL: an unknown flag, address_bits of 1 to 11
 * or above 64, only_node without has_node.
 */
struct frames_request {
	unsigned flags;
	uint8_t tag;
	uint8_t address_bits; /* last byte below 2^address_bits; 0: anywhere */
	bool has_node;	      /* `node` is asked first, then the others by distance */
	bool only_node;	      /* the others not at all */
	uint32_t node;
};

/*
 * Like frames_alloc(), from the banks (never from a cache, but these are drained before MM_ENOMEM). Banks are asked by
 * their distance from `node`, equally near ones (and all, without a node) as by frames_alloc(); in a bank that the limit
 * cuts, the block is the lowest of the smallest sufficient order that begins below it.
 */
must_check int frames_alloc_request(struct frames *f, unsigned order, const struct frames_request *r, pfn_t *out);

/*
 * `pages` frames in one contiguous range, which begins at a multiple of the next power of two, out of one free block. Up
 * to SECTION_PAGES (MM_EINVAL: more, or 0). What is had is a series of blocks, largest first, each of which is an owner's
 * block of its own, with a reference of its own; frames_free_exact() gives all of it back.
 */
must_check int frames_alloc_exact(struct frames *f, uint64_t pages, const struct frames_request *r, pfn_t *first);

/*
 * Gives back [first, first + pages): what frames_alloc_exact() or one run of frames_alloc_runs() handed out, or any
 * frames that allocated blocks with one reference each cover exactly. Every block is checked and claimed before the first
 * is freed: on an error nothing has changed, but another CPU that wrongly frees one of the blocks meanwhile may have been
 * told MM_EDOUBLE. Errors as frames_free(); MM_EORDER: a block goes on behind the end; MM_EINVAL: 0 frames, or the range
 * wraps. One line names the frame, the range and the caller. Takes a bank's lock once for FRAMES_CACHE_BATCH blocks.
 */
must_check int frames_free_exact(struct frames *f, pfn_t first, uint64_t pages);
/* The same by address, which must be a multiple of 4 KiB (MM_EALIGN). */
must_check int frames_free_exact_paddr(struct frames *f, paddr_t pa, uint64_t pages);

/* A range of frames. */
struct frames_run {
	pfn_t first;
	uint64_t pages;
};

/*
 * `pages` frames as one contiguous range of any length, across blocks and sections of one bank, aligned to `align`
 * frames (a power of two; 1: any): the lowest of the first bank that has one. With FRAMES_BEST_EFFORT, when no bank has,
 * as few runs as the free blocks allow (each aligned, each in one bank; `node` does not matter then, only_node does), at
 * most max_runs. runs[0] to runs[*n_runs - 1] say what was had, the longest first; runs[] is used on the way. All or
 * nothing: MM_ENOMEM when neither is possible, caches drained. MM_EINVAL also for pages or max_runs of 0.
 *
 * Cost: one walk over the free blocks, about 15 instructions for each free range, 300 for each 256 KiB that is free in
 * parts, and as much for each 16 MiB and 1 GiB; with FRAMES_BEST_EFFORT some dozen more for each range that is longer
 * than the max_runs longest before it. A bank's lock is held for 16 MiB of the walk at a time, and while a range is taken:
 * some hundred instructions for each of its blocks, of which there are two of each order at most and one for each whole
 * GiB. When others took what was found, it looks again, eight times at most: under such a storm MM_ENOMEM may be wrong.
 */
must_check int frames_alloc_runs(struct frames *f, uint64_t pages, uint64_t align, const struct frames_request *r,
				 struct frames_run *runs, unsigned max_runs, unsigned *n_runs);

/*
 * n single frames at once into out[]: all or nothing (MM_ENOMEM; out[] is used on the way). For each 64 of them it takes 64
 * neighbours, under one lock, as long as there are free blocks of that size; a frame costs four instructions then. The rest
 * comes from the lowest holes. flags: FRAMES_ZERO, FRAMES_BELOW_4G, FRAMES_RESERVE.
 */
must_check int frames_alloc_bulk(struct frames *f, unsigned n, unsigned flags, uint8_t tag, paddr_t *out);
/*
 * Gives n single frames back. A frame that must not be freed is reported and skipped; the first error is returned and
 * the others are freed.
 */
must_check int frames_free_bulk(struct frames *f, unsigned n, const paddr_t *pages);

/*
 * The block of 2^order frames at first, like frames_alloc(). MM_EALIGN (first is no multiple of 2^order), MM_EFOREIGN,
 * MM_ERESERVED, MM_EBUSY (not all of it is free, caches drained), MM_EINVAL; nothing is logged.
 */
must_check int frames_take(struct frames *f, pfn_t first, unsigned order, enum page_tag tag);

/*
 * Gives the block back. first must be the first frame of a block that was allocated with this order and has one
 * reference. MM_EDOUBLE, MM_EORDER, MM_EINTERIOR, MM_EFOREIGN, MM_ERESERVED, MM_EBUSY: logged with the caller's
 * address and the owner, nothing changed. Of two CPUs that free one block at once, one gets the error.
 */
must_check int frames_free(struct frames *f, pfn_t first, unsigned order);
/* The same by address, which must be a multiple of 4 KiB (MM_EALIGN). */
must_check int frames_free_paddr(struct frames *f, paddr_t pa, unsigned order);

/* ---- references -------------------------------------------------------------------------------------------------- */

/*
 * One reference more to the allocated block that begins at first. MM_EOVERFLOW (2^32 - 1 are out), MM_EDOUBLE (free),
 * MM_EINTERIOR, MM_EFOREIGN, MM_ERESERVED, MM_EBUSY (no reference is out, or the block changes at this moment). Atomic
 * against frames_put(): a block is either had or found free; whose it is now is the caller's to know. Takes no lock when
 * all is well.
 */
must_check int frames_get(struct frames *f, pfn_t first);
/*
 * One reference less; the last one frees the block. Errors as frames_free() (but MM_EORDER), logged with the caller. *freed
 * may be NULL.
 */
must_check int frames_put(struct frames *f, pfn_t first, bool *freed);
/* The same by address, which must be a multiple of 4 KiB (MM_EALIGN). */
must_check int frames_put_paddr(struct frames *f, paddr_t pa, bool *freed);

/* ---- reserve and watermarks -------------------------------------------------------------------------------------- */

/*
 * Keeps `pages` frames back for requests with FRAMES_RESERVE: all others get MM_ENOMEM when fewer would be left (but
 * frames_take(), which wants one block and no other). Spread over the banks by size, as far as these have free frames; each
 * bank keeps its share. MM_ENOMEM: less than that is free now; nothing changed. 0: nothing is kept back any more.
 */
must_check int frames_set_reserve(struct frames *f, uint64_t pages);

/*
 * watch(ctx, FRAMES_LEVEL_LOW, free) is called once when free frames (cached ones included) fall below `low`, and
 * watch(ctx, FRAMES_LEVEL_HIGH, free) once when they rise above `high` again; by the CPU whose request or free it was,
 * after it, without a lock of the page allocator's, with interrupts as the caller had them. The callback may allocate and
 * free frames; the caller may be the heap in the middle of something, so no objects. Looked at when frames move between
 * banks and their users (batches of caches included) and by this call itself, so it may come up to one batch for each CPU
 * late; what other CPUs move at that moment may count as not free. Costs some dozen instructions for each bank and each
 * CPU then, with interrupts masked.
 *
 * low < high, or both 0 with watch NULL to end it (MM_EINVAL). One watcher; a second replaces the first, whose last call
 * may still be under way on another CPU when this returns.
 */
must_check int frames_watch(struct frames *f, uint64_t low, uint64_t high, frames_watch_fn watch, void *ctx);

/* ---- questions --------------------------------------------------------------------------------------------------- */

/* True for every frame at any time, also for frames that are no RAM. A frame in a cache is FREE. */
void frames_query(struct frames *f, pfn_t pfn, struct frame_info *out);

/*
 * The record of an allocated block by its first frame: the owner may keep its own number (aux) there. NULL when the
 * frame is not the first of an allocated block.
 */
struct page *frames_page(struct frames *f, pfn_t first);

struct frames_stats {
	uint64_t total_pages; /* ever given by frames_add_memory() */
	uint64_t free_pages;  /* cached ones included */
	uint64_t cached_pages;
	uint64_t cache_limit_pages; /* what all caches may hold together */
	uint64_t reserve_pages;
	uint64_t peak_used_pages; /* sum of the banks' peaks (cached frames count): exact for one bank without caches */
	uint64_t free_blocks[MAX_ORDER + 1]; /* of the banks: cached blocks are not in it */
	uint64_t metadata_bytes;	     /* bitmaps and section descriptors, without mem_map */
	unsigned banks;
	unsigned cpus; /* caches */
	/* Blocks that left and entered the banks; a cache moves batches of single frames. */
	uint64_t allocs, frees;
	uint64_t refills, drains; /* batches */
	uint64_t failures, bad_frees;
};
/*
 * free_blocks is counted from the bitmaps of what is in use (16 MiB under the lock at a time); everything else is kept.
 */
void frames_get_stats(struct frames *f, struct frames_stats *out);

/* What the cache of the i-th CPU (0 .. stats.cpus - 1) holds and has done. False: there is none. */
struct frames_cpu_stats {
	unsigned cpu;
	uint32_t node;
	unsigned pages, page_limit;   /* single frames */
	unsigned blocks, block_limit; /* of 2 MiB */
	uint64_t refills, drains, remote_drains;
};
bool frames_get_cpu_stats(struct frames *f, unsigned i, struct frames_cpu_stats *out);
/* The same of the lowest-numbered CPU that is not below `from`. */
bool frames_next_cpu_stats(struct frames *f, unsigned from, struct frames_cpu_stats *out);

/* The i-th bank (0 .. stats.banks - 1), in the order in which they are asked. False: there is none. */
struct frames_bank_stats {
	pfn_t start;
	uint64_t pages; /* that it covers */
	uint32_t node;
	uint64_t total_pages; /* given */
	uint64_t used_pages;  /* cached ones too */
	uint64_t reserve_pages, peak_used_pages;
	uint64_t allocs, frees;
	uint64_t free_blocks[MAX_ORDER + 1];
};
bool frames_get_bank_stats(struct frames *f, unsigned i, struct frames_bank_stats *out);

/* The order of the largest free block, or -1 when nothing is free. */
int frames_largest_free(struct frames *f);

/*
 * How much of the free memory a request of `order` could not use, in 1/1000: 0 when all of it lies in blocks of that
 * order or larger, 1000 when none does (and when nothing is free). From stats.
 */
unsigned frames_fragmentation(const struct frames_stats *stats, unsigned order);

/*
 * Frames allocated for each owner. Reads the records of live sections as they change, without a lock: exact when nobody
 * else allocates or frees.
 */
void frames_count_owners(struct frames *f, uint64_t pages[256]);

/* Marks everything that is allocated now as old: frames_leaks() tells what came after. Walks as frames_count_owners(). */
void frames_mark(struct frames *f);
/*
 * Calls show for each block that was allocated after the last frames_mark() (or ever, without one) and still is, bank by
 * bank, by address in each, without a lock. Returns how many frames they are. show may be NULL.
 */
typedef void (*frames_show_fn)(void *ctx, const struct frame_info *block);
uint64_t frames_leaks(struct frames *f, frames_show_fn show, void *ctx);

/*
 * Drains the caches and walks the whole state: tiling, bitmaps against mem_map, summaries, counters. MM_OK, or
 * MM_ECORRUPT with every finding logged. Exact when no other CPU allocates; otherwise what is on its way cannot be told from
 * what is lost, and counts as being on its way. Holds each bank's lock for the whole of its walk, which reads every record
 * of its live sections; when frames seem to be lost, all caches' for one more.
 */
must_check int frames_validate(struct frames *f);

#endif
