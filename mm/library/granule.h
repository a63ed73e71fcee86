/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Granule as a library: what libgranule.a offers to somebody else's kernel, hypervisor or firmware. This header stands alone
 * (only the compiler's own headers), every name begins with gr_ or GR_. Optional: granule_names.h gives kmalloc() and the seeds'
 * names on top.
 *
 * The embedder's MMU is on, all RAM that may be managed is mapped in one linear map (virtual = physical + linear_base),
 * Normal write-back cacheable; caches are on. Then:
 *
 *	1. supply the gr_host_ functions below;
 *	2. gr_init() with the device tree, or with a list of ranges;
 *	3. gr_alloc_pages(), gr_kmalloc(), gr_pgtable_map() ...
 *
 * Unless a function says otherwise it may be called from any CPU and from interrupt context, returns 0 or a negative GR_E...,
 * and a call that fails changes nothing. Sizes and addresses are bytes, orders are log2 of 4 KiB pages.
 */
#ifndef GRANULE_H
#define GRANULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GR_PAGE_SIZE ((uint64_t)4096)
#define GR_MAX_ORDER 18 /* 1 GiB */

/* Errors; gr_strerror() has a sentence for each. */
enum {
	GR_OK = 0,
	GR_EINVAL = -1,
	GR_ENOMEM = -2,
	GR_ERANGE = -3,
	GR_EALIGN = -4,
	GR_EVA_ALIGN = -5,
	GR_EPA_ALIGN = -6,
	GR_EPT_POOL = -7,
	GR_EPT_ALLOC = -8,
	GR_EEXIST = -9,
	GR_ENOENT = -10,
	GR_EPERM = -11,
	GR_EDOUBLE = -12,
	GR_EORDER = -13,
	GR_EINTERIOR = -14,
	GR_EFOREIGN = -15,
	GR_ERESERVED = -16,
	GR_EBUSY = -17,
	GR_EOVERFLOW = -18,
	GR_ECORRUPT = -19,
	GR_EUNSUPPORTED = -20,
};
const char *gr_strerror(int err);

/* ---- what the embedder supplies ----------------------------------------------------------------------------------------- */

/* Shows n bytes of text to a person (errors and, when asked, verbose lines). Must not call Granule. Any context. */
void gr_host_log(const char *text, size_t n);

/* A broken promise of Granule's own, or a machine that cannot be managed (gr_init() only). Must not return. */
_Noreturn void gr_host_panic(const char *text);

/*
 * Maps [pa, pa + size) read-write, Normal write-back, never executable, at va in the embedder's kernel address space: the
 * page records (8 bytes for each 4 KiB page of RAM) at gr_config.records_base. Multiples of 4 KiB; called during gr_init() only.
 * Returns 0, or a negative error, on which gr_init() panics.
 */
int gr_host_map(uintptr_t va, uint64_t pa, uint64_t size);

/* ---- bring-up ------------------------------------------------------------------------------------------------------------ */

enum gr_range_kind { /* ascending strength: where ranges overlap the strongest wins */
		     GR_RAM,
		     GR_MEMRESERVE,
		     GR_RESERVED,
		     GR_INITRD,
		     GR_DTB,
		     GR_IMAGE,
		     GR_NOMAP, /* never touched, never handed out */
};

struct gr_range {
	uint64_t base;
	uint64_t size;
	enum gr_range_kind kind;
	const char *name; /* for reports; kept, not copied */
};

struct gr_config {
	uintptr_t linear_base; /* virtual address of physical address 0 in the linear map */
	/*
	 * Address space for page records: record of page n at records_base + 8 * n; 2 MiB-aligned, 8 bytes for each 4 KiB of
	 * physical address space up to the end of RAM. Only what describes RAM is backed, through gr_host_map().
	 */
	uintptr_t records_base;
	const void *dtb;	       /* flattened device tree, mapped for dtb_size bytes; NULL: ranges only */
	uint64_t dtb_pa;	       /* its physical address: it is reserved */
	size_t dtb_size;	       /* readable bytes */
	const struct gr_range *ranges; /* added to what the tree says: at least the kernel's own image (GR_IMAGE) */
	unsigned range_count;
	bool verbose; /* log every step */
};

#define GR_MAX_RANGES \
	1024 /* banks and reservations of tree and list together; more are refused with GR_ENOMEM, none is dropped */

/*
 * Takes over all RAM that nobody claims: records, buddy allocator, heap. Once, on one CPU. GR_EINVAL: malformed tree or config (a
 * line says what); panics with the reason when there is no usable memory.
 */
int gr_init(const struct gr_config *config);

/* ---- page frames ------------------------------------------------------------------------------------------------------------ */

#define GR_ZERO (1u << 0)
#define GR_BELOW_4G (1u << 1)
#define GR_RESERVE (1u << 2)	 /* may use what gr_set_reserve() keeps back */
#define GR_BEST_EFFORT (1u << 3) /* gr_alloc_runs() only */

/* Owner tags: 0..7 are Granule's, 8..255 the embedder's. */
#define GR_TAG_USER 8u
/* Reports call the embedder's tag so from now on; the text is kept, not copied; NULL: "user" again. GR_EINVAL: not an embedder's. */
int gr_tag_name(unsigned tag, const char *name);

/* 2^order pages, naturally aligned; *pa gets the physical address. GR_ENOMEM, GR_EINVAL. */
int gr_alloc_pages(unsigned order, unsigned flags, unsigned tag, uint64_t *pa);
/* The whole block again. GR_EALIGN, GR_EFOREIGN, GR_ERESERVED, GR_EINTERIOR, GR_EDOUBLE, GR_EORDER, GR_EBUSY: one line names the caller. */
int gr_free_pages(uint64_t pa, unsigned order);

/*
 * One page, the shortest way: its physical address, or GR_NO_PAGE. Most calls touch only the CPU's own cache of pages
 * (gr_cpu_online()).
 */
#define GR_NO_PAGE UINT64_MAX
uint64_t gr_alloc_page(uint8_t tag);
/* Errors as gr_free_pages(). */
int gr_free_page(uint64_t pa);
/* The same for 2 MiB (order 9). */
uint64_t gr_alloc_2m(uint8_t tag);
int gr_free_2m(uint64_t pa);

/*
 * n single pages into pa[], all or nothing; each 64 of them are neighbours while there are such. flags as gr_alloc_pages().
 * GR_ENOMEM, GR_EINVAL.
 */
int gr_alloc_bulk(unsigned n, unsigned flags, uint8_t tag, uint64_t *pa);
/* Bad ones are reported and left alone, the others freed; the first error. */
int gr_free_bulk(unsigned n, const uint64_t *pa);

/*
 * The calling CPU gets a cache of pages in front of the common allocator; `node`: the NUMA node of its memory. The CPU
 * that called gr_init() has one. Found by MPIDR_EL1: no register of the embedder's is used. GR_ENOMEM, GR_EEXIST.
 */
int gr_cpu_online(unsigned cpu, unsigned node);
/* Gives it back; call on the CPU that goes. GR_ENOENT. */
int gr_cpu_offline(void);
/* The same for a CPU that has stopped. */
int gr_cpu_dead(unsigned cpu);

/* What a request may say beyond its size; zero-initialise, then set. */
struct gr_request {
	unsigned flags;
	uint8_t tag;
	uint8_t address_bits; /* last byte below 2^address_bits (12 to 64); 0: anywhere */
	bool has_node;	      /* NUMA node `node` is asked first, then the others by distance */
	bool only_node;	      /* the others not at all */
	uint32_t node;
};

/* Like gr_alloc_pages(), with wishes. */
int gr_alloc_request(unsigned order, const struct gr_request *r, uint64_t *pa);

/*
 * Any number of pages up to 1 GiB in one range, which begins at a multiple of the next power of two; the tail stays free.
 * It is a series of blocks, largest first, of which each could be freed by itself. GR_ENOMEM, GR_EINVAL.
 */
int gr_alloc_exact(uint64_t pages, const struct gr_request *r, uint64_t *pa);

struct gr_run {
	uint64_t pa;
	uint64_t pages;
};

/*
 * `pages` pages in one range of any length, aligned to `align` pages (a power of two). With GR_BEST_EFFORT, when there is
 * no such range, in as few ranges as possible, at most max_runs, the longest first. runs[0] to runs[*n_runs - 1] say what
 * was had; runs[] is used on the way. All or nothing. Walks through what is free: milliseconds when many GiB are in
 * pieces; interrupts stay off for some ten microseconds at a time. GR_ENOMEM, GR_EINVAL.
 */
int gr_alloc_runs(uint64_t pages, uint64_t align, const struct gr_request *r, struct gr_run *runs, unsigned max_runs,
		  unsigned *n_runs);

/*
 * Gives back what gr_alloc_exact() or one run of gr_alloc_runs() handed out. All of it is checked before the first block
 * is freed. Errors as gr_free_pages(); GR_EORDER: a block goes on behind the end.
 */
int gr_free_exact(uint64_t pa, uint64_t pages);

/* The block of 2^order pages at pa and no other. GR_EBUSY: not all of it is free; GR_EALIGN, GR_EFOREIGN, GR_ERESERVED. */
int gr_take_pages(uint64_t pa, unsigned order, uint8_t tag);

/* Gives back what the caches of all CPUs hold; returns how many pages. Requests that would fail do so by themselves. */
uint64_t gr_drain(void);

/* One reference more, or less (the last one frees): a page starts with one. GR_EOVERFLOW, and errors as gr_free_pages(). */
int gr_get_pages(uint64_t pa);
int gr_put_pages(uint64_t pa);

/*
 * Keeps n pages back for requests with GR_RESERVE, and for the page tables that gr_pgtable_map() needs when there are no
 * others. 0 at first. GR_ENOMEM: fewer are free.
 */
int gr_set_reserve(uint64_t n);

/*
 * watch(ctx, GR_LEVEL_LOW, free) is called once when free pages fall below `low`, watch(ctx, GR_LEVEL_HIGH, free) once
 * when they rise above `high` again: by the CPU that moved them, after its call, without a lock. It may allocate and free
 * pages, but no objects. One watcher, a second replaces it; 0, 0, NULL ends it. GR_EINVAL: low is not below high.
 */
#define GR_LEVEL_LOW 0u
#define GR_LEVEL_HIGH 1u
typedef void (*gr_watch_fn)(void *ctx, unsigned level, uint64_t free_pages);
int gr_watch(uint64_t low, uint64_t high, gr_watch_fn watch, void *ctx);

/*
 * gr_mark(): everything allocated now is old. gr_leaks(): calls show for each block that came after that and is still
 * there, and returns their pages. show may be NULL. Both walk all page records.
 */
typedef void (*gr_show_fn)(void *ctx, uint64_t pa, unsigned order, unsigned tag, uint32_t references);
void gr_mark(void);
uint64_t gr_leaks(gr_show_fn show, void *ctx);

/* Linear-map address of a physical one, and back. */
void *gr_phys_to_virt(uint64_t pa);
uint64_t gr_virt_to_phys(const void *va);

struct gr_stats {
	uint64_t ram_bytes;   /* found */
	uint64_t total_pages; /* given to the allocator */
	uint64_t free_pages;
	uint64_t free_blocks[GR_MAX_ORDER + 1];
	uint64_t heap_reserved, heap_used; /* bytes */
};
void gr_get_stats(struct gr_stats *out);
/* Walks the whole state; GR_OK, or GR_ECORRUPT with every finding logged. Not for interrupt context. */
int gr_validate(void);

/* ---- heap ------------------------------------------------------------------------------------------------------------------ */

void *gr_kmalloc(size_t size) __attribute__((malloc));
void *gr_kzalloc(size_t size) __attribute__((malloc));
void *gr_kcalloc(size_t n, size_t size) __attribute__((malloc));
void *gr_kmalloc_aligned(size_t size, size_t align) __attribute__((malloc));
void *gr_krealloc(void *p, size_t size);
/* GR_OK (also for NULL), GR_EDOUBLE, GR_EFOREIGN, GR_EINTERIOR: logged, nothing changed. */
int gr_kfree(void *p);
size_t gr_ksize(const void *p);

/* ---- page tables ------------------------------------------------------------------------------------------------------------ */

#define GR_PT_WRITE (1u << 0)
#define GR_PT_EXEC (1u << 1)
#define GR_PT_USER (1u << 2)
#define GR_PT_NONGLOBAL (1u << 3)

enum gr_memory { GR_NORMAL, GR_NORMAL_NC, GR_DEVICE_nGnRnE, GR_DEVICE_nGnRE };
enum gr_stage { GR_EL1_STAGE1, GR_EL2_STAGE1, GR_STAGE2 };

/* A set of tables. Storage is the embedder's: gr_pgtable_size() bytes, 8-byte aligned. Calls on one object are the caller's to serialise. */
struct gr_pgtable;
size_t gr_pgtable_size(void);
/* Tables come from gr_alloc_pages(). input_bits 16..48; input_base: first input address (TTBR1: 0xffff000000000000). */
int gr_pgtable_init(struct gr_pgtable *pt, enum gr_stage stage, unsigned input_bits, uint64_t input_base,
		    uint16_t asid_or_vmid);
void gr_pgtable_destroy(struct gr_pgtable *pt);
/* Physical address of the root, for TTBRn_ELx or VTTBR_EL2. */
uint64_t gr_pgtable_root(const struct gr_pgtable *pt);
/* Say true before a CPU first walks the tables, false when none does any more: changes in between come with TLB maintenance. */
void gr_pgtable_set_live(struct gr_pgtable *pt, bool live);
int gr_pgtable_map(struct gr_pgtable *pt, uint64_t va, uint64_t pa, uint64_t size, unsigned access,
		   enum gr_memory memory);
int gr_pgtable_unmap(struct gr_pgtable *pt, uint64_t va, uint64_t size);
int gr_pgtable_protect(struct gr_pgtable *pt, uint64_t va, uint64_t size, unsigned access, enum gr_memory memory);
/* GR_OK and the physical address of va, or GR_ENOENT. */
int gr_pgtable_query(const struct gr_pgtable *pt, uint64_t va, uint64_t *pa);

/* ---- bump allocator ---------------------------------------------------------------------------------------------------------- */

struct gr_bump {
	uint64_t start, end, next;
};
int gr_bump_new(struct gr_bump *b, uint64_t start, uint64_t size);
int gr_bump_alloc(struct gr_bump *b, uint64_t size, uint64_t align, uint64_t *pa);
void gr_bump_reset(struct gr_bump *b);

#endif
