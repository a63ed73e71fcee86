/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's public face: gr_ names over the rooms. Thin on purpose: a wrapper is a tail call, so that the caller's address in a
 * complaint is the embedder's. One instance for each program, as in the kernel.
 */
#include "mm/library/granule.h"

#include "arch/arch.h"
#include "lib/log.h"
#include "mm/bump.h"
#include "mm/frames_fast.h"
#include "mm/heap.h"
#include "mm/init.h"
#include "mm/numa.h"
#include "mm/pgtable.h"

/* The public header repeats what the rooms define, so that it can stand alone: the compiler compares. */
#define SAME(a, b) _Static_assert((int)(a) == (int)(b), #a " and " #b)
SAME(GR_EINVAL, MM_EINVAL);
SAME(GR_ENOMEM, MM_ENOMEM);
SAME(GR_ERANGE, MM_ERANGE);
SAME(GR_EALIGN, MM_EALIGN);
SAME(GR_EVA_ALIGN, MM_EVA_ALIGN);
SAME(GR_EPA_ALIGN, MM_EPA_ALIGN);
SAME(GR_EPT_POOL, MM_EPT_POOL);
SAME(GR_EPT_ALLOC, MM_EPT_ALLOC);
SAME(GR_EEXIST, MM_EEXIST);
SAME(GR_ENOENT, MM_ENOENT);
SAME(GR_EPERM, MM_EPERM);
SAME(GR_EDOUBLE, MM_EDOUBLE);
SAME(GR_EORDER, MM_EORDER);
SAME(GR_EINTERIOR, MM_EINTERIOR);
SAME(GR_EFOREIGN, MM_EFOREIGN);
SAME(GR_ERESERVED, MM_ERESERVED);
SAME(GR_EBUSY, MM_EBUSY);
SAME(GR_EOVERFLOW, MM_EOVERFLOW);
SAME(GR_ECORRUPT, MM_ECORRUPT);
SAME(GR_EUNSUPPORTED, MM_EUNSUPPORTED);
SAME(GR_RAM, RAM_FREE);
SAME(GR_MEMRESERVE, RAM_MEMRESERVE);
SAME(GR_RESERVED, RAM_RESERVED);
SAME(GR_INITRD, RAM_INITRD);
SAME(GR_DTB, RAM_DTB);
SAME(GR_IMAGE, RAM_IMAGE);
SAME(GR_NOMAP, RAM_NOMAP);
SAME(GR_MAX_ORDER, MAX_ORDER);
SAME(GR_PAGE_SIZE, PAGE_SIZE);
SAME(GR_ZERO, FRAMES_ZERO);
SAME(GR_BELOW_4G, FRAMES_BELOW_4G);
SAME(GR_RESERVE, FRAMES_RESERVE);
SAME(GR_BEST_EFFORT, FRAMES_BEST_EFFORT);
SAME(GR_LEVEL_LOW, FRAMES_LEVEL_LOW);
SAME(GR_LEVEL_HIGH, FRAMES_LEVEL_HIGH);
SAME(GR_TAG_USER, TAG_USER);
SAME(GR_PT_WRITE, PT_WRITE);
SAME(GR_PT_EXEC, PT_EXEC);
SAME(GR_PT_USER, PT_USER);
SAME(GR_PT_NONGLOBAL, PT_NONGLOBAL);
SAME(GR_NORMAL, PT_NORMAL);
SAME(GR_NORMAL_NC, PT_NORMAL_NC);
SAME(GR_DEVICE_nGnRnE, PT_DEVICE_nGnRnE);
SAME(GR_DEVICE_nGnRE, PT_DEVICE_nGnRE);

static struct frames frames;
static struct fdt fdt;
static struct ram_map ram;
static struct ram_claim claims[GR_MAX_RANGES];
static struct mm_bringup up;
static bool done; /* gr_init() has returned GR_OK */

const char *gr_strerror(int err)
{
	return mm_strerror(err);
}

/* ---- bring-up ---------------------------------------------------------------------------------------------------------- */

static int map_records(void *ctx, uint64_t va, paddr_t pa, uint64_t size)
{
	(void)ctx;
	return gr_host_map((uintptr_t)va, pa.v, size);
}

static int refuse(int err, const char *why)
{
	log_error("granule: %s\n", why);
	return err;
}

/* The embedder's ranges as the RAM map wants them; on the stack of one call, so at most this many at once. */
static int build_map(const struct gr_config *c, struct fdt *tree)
{
	static struct ram_extra extra[GR_MAX_RANGES];

	if (c->range_count > GR_MAX_RANGES)
		return MM_ENOMEM;
	for (unsigned i = 0; i < c->range_count; i++)
		extra[i] = (struct ram_extra){ c->ranges[i].base, c->ranges[i].size, (enum ram_kind)c->ranges[i].kind,
					       c->ranges[i].name };
	return ram_build(&ram, claims, GR_MAX_RANGES, tree, paddr(c->dtb_pa), extra, c->range_count);
}

/* [EM1] */
int gr_init(const struct gr_config *c)
{
	struct mm_init_config config = {
		.ram = &ram,
		.frames = &frames,
		.memmap_va = c->records_base,
		.linear_bits = 48,
		.map_memmap = map_records,
	};
	int err;

	log_set_verbose(c->verbose);
	log_set_sink(gr_host_log);
	if (done)
		return refuse(MM_EBUSY, "gr_init() was called before");
	if (!IS_ALIGNED(c->records_base, MIB(2)) || (c->range_count && !c->ranges))
		return refuse(MM_EINVAL, "records_base must be 2 MiB-aligned, and ranges there when counted");
	arch_init();
	arch_linear_base = c->linear_base;
	if (c->dtb && !fdt_open(&fdt, c->dtb, c->dtb_size))
		return refuse(MM_EINVAL, fdt.error);
	err = build_map(c, c->dtb ? &fdt : NULL);
	if (err)
		return refuse(err, c->dtb && fdt.error ? fdt.error : mm_strerror(err));
	mm_init(&config, &up);
	if (c->dtb)
		numa_read_distances(&frames, &fdt);
	err = frames_cpu_start(&frames, 0, 0);
	if (err)
		return refuse(err, "no page for the boot CPU's cache");
	mm_init_heap(&up);
	done = true;
	return MM_OK;
}

/* ---- page frames ------------------------------------------------------------------------------------------------------- */

int gr_alloc_pages(unsigned order, unsigned flags, unsigned tag, uint64_t *pa)
{
	return frames_alloc_any(&frames, order, flags, tag, pa);
}

int gr_free_pages(uint64_t pa, unsigned order)
{
	return frames_free_any(&frames, pa, order);
}

uint64_t gr_alloc_page(uint8_t tag)
{
	return frames_pop(&frames, CACHE_PAGE, tag);
}

int gr_free_page(uint64_t pa)
{
	return frames_push(&frames, pa, CACHE_PAGE);
}

uint64_t gr_alloc_2m(uint8_t tag)
{
	return frames_pop(&frames, CACHE_BLOCK, tag);
}

int gr_free_2m(uint64_t pa)
{
	return frames_push(&frames, pa, CACHE_BLOCK);
}

/* The compiler has no objection to an array of one-member structs: it is the same array. */
_Static_assert(sizeof(paddr_t) == sizeof(uint64_t), "arrays of addresses are arrays of numbers");

int gr_alloc_bulk(unsigned n, unsigned flags, uint8_t tag, uint64_t *pa)
{
	return frames_alloc_bulk(&frames, n, flags, tag, (paddr_t *)pa);
}

int gr_free_bulk(unsigned n, const uint64_t *pa)
{
	return frames_free_bulk(&frames, n, (const paddr_t *)pa);
}

int gr_cpu_online(unsigned cpu, unsigned node)
{
	return frames_cpu_start(&frames, cpu, node);
}

int gr_cpu_offline(void)
{
	return frames_cpu_offline(&frames);
}

int gr_cpu_dead(unsigned cpu)
{
	return frames_cpu_dead(&frames, cpu);
}

static struct frames_request request(const struct gr_request *r)
{
	return (struct frames_request){
		.flags = r->flags,
		.tag = r->tag,
		.address_bits = r->address_bits,
		.has_node = r->has_node,
		.only_node = r->only_node,
		.node = r->node,
	};
}

/* [EM4] */
int gr_alloc_request(unsigned order, const struct gr_request *r, uint64_t *pa)
{
	const struct frames_request wishes = request(r);
	pfn_t f;
	int err = frames_alloc_request(&frames, order, &wishes, &f);

	if (!err)
		*pa = pfn_to_paddr(f).v;
	return err;
}

/* [EM4] */
int gr_alloc_exact(uint64_t pages, const struct gr_request *r, uint64_t *pa)
{
	const struct frames_request wishes = request(r);
	pfn_t f;
	int err = frames_alloc_exact(&frames, pages, &wishes, &f);

	if (!err)
		*pa = pfn_to_paddr(f).v;
	return err;
}

/* A run begins at an address where frames count: the same memory serves for both, one after the other. */
_Static_assert(sizeof(struct gr_run) == sizeof(struct frames_run) &&
		       offsetof(struct gr_run, pages) == offsetof(struct frames_run, pages),
	       "struct gr_run is struct frames_run");

/* [EM4] */
int gr_alloc_runs(uint64_t pages, uint64_t align, const struct gr_request *r, struct gr_run *runs, unsigned max_runs,
		  unsigned *n_runs)
{
	const struct frames_request wishes = request(r);
	int err =
		frames_alloc_runs(&frames, pages, align, &wishes, (struct frames_run *)(void *)runs, max_runs, n_runs);

	for (unsigned i = 0; !err && i < *n_runs; i++)
		runs[i].pa <<= PAGE_SHIFT;
	return err;
}

/* [EM4] */
int gr_free_exact(uint64_t pa, uint64_t pages)
{
	return frames_free_exact_paddr(&frames, paddr(pa), pages);
}

/* [EM4] */
int gr_take_pages(uint64_t pa, unsigned order, uint8_t tag)
{
	return pa & PAGE_MASK ? MM_EALIGN : frames_take(&frames, paddr_to_pfn(paddr(pa)), order, (enum page_tag)tag);
}

/* [EM4] */
uint64_t gr_drain(void)
{
	return frames_drain(&frames);
}

int gr_get_pages(uint64_t pa)
{
	return pa & PAGE_MASK ? MM_EALIGN : frames_get(&frames, paddr_to_pfn(paddr(pa)));
}

int gr_put_pages(uint64_t pa)
{
	return frames_put_paddr(&frames, paddr(pa), NULL);
}

int gr_tag_name(unsigned tag, const char *name)
{
	return page_tag_set_name(tag, name);
}

int gr_set_reserve(uint64_t n)
{
	return frames_set_reserve(&frames, n);
}

/* An enumeration without negative numbers is an unsigned int: the function types are compatible. [EM4] */
int gr_watch(uint64_t low, uint64_t high, gr_watch_fn watch, void *ctx)
{
	return frames_watch(&frames, low, high, watch, ctx);
}

/* [EM4] */
void gr_mark(void)
{
	frames_mark(&frames);
}

struct show {
	gr_show_fn call;
	void *ctx;
};

static void show_block(void *ctx, const struct frame_info *block)
{
	const struct show *show = ctx;

	show->call(show->ctx, pfn_to_paddr(block->head).v, block->order, block->tag, block->ref);
}

/* [EM4] */
uint64_t gr_leaks(gr_show_fn show, void *ctx)
{
	struct show s = { show, ctx };

	return frames_leaks(&frames, show ? show_block : NULL, &s);
}

void *gr_phys_to_virt(uint64_t pa)
{
	return phys_to_virt(paddr(pa));
}

uint64_t gr_virt_to_phys(const void *va)
{
	return virt_to_phys(va).v;
}

void gr_get_stats(struct gr_stats *out)
{
	struct frames_stats f;
	struct heap_stats h;

	frames_get_stats(&frames, &f);
	heap_get_stats(&h);
	*out = (struct gr_stats){
		.ram_bytes = ram_total(&ram),
		.total_pages = f.total_pages,
		.free_pages = f.free_pages,
		.heap_reserved = h.reserved_bytes,
		.heap_used = h.reserved_used_bytes,
	};
	for (unsigned i = 0; i <= GR_MAX_ORDER; i++)
		out->free_blocks[i] = f.free_blocks[i];
}

int gr_validate(void)
{
	int err = ram_validate(&ram);

	if (!err)
		err = frames_validate(&frames);
	return err ? err : heap_validate();
}

/* ---- heap -------------------------------------------------------------------------------------------------------------- */

void *gr_kmalloc(size_t size)
{
	return kmalloc(size);
}

void *gr_kzalloc(size_t size)
{
	return kzalloc(size);
}

void *gr_kcalloc(size_t n, size_t size)
{
	return kcalloc(n, size);
}

void *gr_kmalloc_aligned(size_t size, size_t align)
{
	return kmalloc_aligned(size, align);
}

void *gr_krealloc(void *p, size_t size)
{
	return krealloc(p, size);
}

int gr_kfree(void *p)
{
	return kfree(p);
}

size_t gr_ksize(const void *p)
{
	return ksize(p);
}

/* ---- page tables ------------------------------------------------------------------------------------------------------- */

struct gr_pgtable {
	struct pgtable pt;
};

size_t gr_pgtable_size(void)
{
	return sizeof(struct gr_pgtable);
}

/* [EM2] */
int gr_pgtable_init(struct gr_pgtable *pt, enum gr_stage stage, unsigned input_bits, uint64_t input_base, uint16_t id)
{
	struct pgtable_config c = {
		.input_bits = input_bits,
		.input_base = input_base,
		.allocator = &mm_frame_allocator,
	};

	switch (stage) {
	case GR_EL1_STAGE1:
		c.format = &format_el1_stage1;
		/* The upper half is everybody's: its mappings are global. */
		c.tlb = (struct arch_tlb_ctx){ input_base ? REGIME_EL1_GLOBAL : REGIME_EL1_ASID, id };
		break;
	case GR_EL2_STAGE1:
		c.format = &format_el2_stage1;
		c.tlb = (struct arch_tlb_ctx){ REGIME_EL2, 0 };
		break;
	case GR_STAGE2:
		c.format = &format_stage2;
		c.tlb = (struct arch_tlb_ctx){ REGIME_STAGE2, id };
		break;
	default:
		return MM_EINVAL;
	}
	return pgtable_init(&pt->pt, &c, NULL);
}

void gr_pgtable_destroy(struct gr_pgtable *pt)
{
	pgtable_destroy(&pt->pt);
}

uint64_t gr_pgtable_root(const struct gr_pgtable *pt)
{
	return pt->pt.root.v;
}

void gr_pgtable_set_live(struct gr_pgtable *pt, bool live)
{
	pt->pt.live = live;
}

int gr_pgtable_map(struct gr_pgtable *pt, uint64_t va, uint64_t pa, uint64_t size, unsigned access,
		   enum gr_memory memory)
{
	return pgtable_map(&pt->pt, va, paddr(pa), size, (struct pt_attrs){ access, (enum pt_memory)memory }, 0);
}

int gr_pgtable_unmap(struct gr_pgtable *pt, uint64_t va, uint64_t size)
{
	return pgtable_unmap(&pt->pt, va, size);
}

int gr_pgtable_protect(struct gr_pgtable *pt, uint64_t va, uint64_t size, unsigned access, enum gr_memory memory)
{
	return pgtable_protect(&pt->pt, va, size, (struct pt_attrs){ access, (enum pt_memory)memory });
}

int gr_pgtable_query(const struct gr_pgtable *pt, uint64_t va, uint64_t *pa)
{
	struct pgtable_entry e;
	int err = pgtable_query(&pt->pt, va, &e);

	if (!err)
		*pa = e.pa.v;
	return err;
}

/* ---- bump allocator ------------------------------------------------------------------------------------------------------ */

_Static_assert(sizeof(struct gr_bump) == sizeof(struct bump), "struct gr_bump is struct bump");

int gr_bump_new(struct gr_bump *b, uint64_t start, uint64_t size)
{
	return bump_new((struct bump *)(void *)b, paddr(start), size);
}

int gr_bump_alloc(struct gr_bump *b, uint64_t size, uint64_t align, uint64_t *pa)
{
	paddr_t out;
	int err = bump_alloc_aligned((struct bump *)(void *)b, size, align, &out);

	if (!err)
		*pa = out.v;
	return err;
}

void gr_bump_reset(struct gr_bump *b)
{
	bump_reset((struct bump *)(void *)b);
}
