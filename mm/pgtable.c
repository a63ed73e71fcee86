/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page-table objects and the tables they are made of: where a table comes from, where it goes back to, how it is
 * reached. Nothing here maps or unmaps. Runs with the MMU and caches off, too: aligned plain accesses only.
 */
#include "mm/pgtable_internal.h"

#include "lib/log.h"
#include "lib/panic.h"

#define INPUT_BITS_MIN 16
#define INPUT_BITS_MAX 48

/* ---- one table --------------------------------------------------------------------------------------------------- */

/* [M20] [M21] */
uint64_t *pgtable_table_virt(const struct pgtable *pt, paddr_t pa)
{
	if (pt->table_virt)
		return pt->table_virt(pt, pa);
	if (pt->pool && pt_pool_owns(pt->pool, pa))
		return pt_pool_virt(pt->pool, pa);
	return phys_to_virt(pa);
}

/* The seeds' verbose line, unless the owner wants to say it himself. [M48] */
static void tell(const struct pgtable *pt, paddr_t pa, bool made)
{
	if (pt->table_event)
		pt->table_event(pt, pa, made);
	else if (made)
		log_verbose("MMU: Allocated page table at PA 0x%016llx\n", (unsigned long long)pa.v);
}

static bool table_address_ok(const struct pgtable_format *f, paddr_t pa)
{
	return IS_ALIGNED(pa.v, (uint64_t)1 << f->page_shift) && pa.v >> f->max_pa_bits == 0;
}

/*
 * Acquire: who sees the allocator sees what its owner set up before registering it. Contents arbitrary. [M24] [M26]
 * [M27]
 */
static int table_alloc(struct pgtable *pt, paddr_t *out)
{
	const struct page_allocator *a = __atomic_load_n(&pt->allocator, __ATOMIC_ACQUIRE);

	if (a) {
		if (!a->alloc_page(a->ctx, out))
			return MM_EPT_ALLOC;
		if (!table_address_ok(pt->format, *out)) {
			log_error("pgtable: the page allocator gave PA 0x%llx, which cannot be a table\n",
				  (unsigned long long)out->v);
			a->free_page(a->ctx, *out);
			return MM_EPT_ALLOC;
		}
		pt->dynamic_tables++;
	} else {
		if (!pt->pool || pt_pool_alloc(pt->pool, out))
			return MM_EPT_POOL;
		pt->pool_tables++;
	}
	tell(pt, *out, true);
	return MM_OK;
}

/* A pool table goes to the pool, whatever is registered by now. [M25] [M57] */
void pgtable_table_free(struct pgtable *pt, paddr_t pa)
{
	tell(pt, pa, false);
	if (pt->pool && pt_pool_owns(pt->pool, pa)) {
		int err = pt_pool_free(pt->pool, pa);

		if (err)
			panic("pgtable: PT_POOL table 0x%llx: %s", (unsigned long long)pa.v, mm_strerror(err));
		pt->pool_tables--;
	} else {
		const struct page_allocator *a = __atomic_load_n(&pt->allocator, __ATOMIC_ACQUIRE);

		if (!a)
			panic("pgtable: table 0x%llx came from nowhere", (unsigned long long)pa.v);
		a->free_page(a->ctx, pa);
		pt->dynamic_tables--;
	}
}

/* The count in desc says how many entries are left to be found. [M42] [M45] */
void pgtable_subtree_free(struct pgtable *pt, uint64_t desc, unsigned level)
{
	const struct pgtable_format *f = pt->format;
	paddr_t pa = paddr(f->decode_pa(desc, level, true));
	unsigned left = level + 1 < f->last_level ? count_of(f, desc) : 0;
	const uint64_t *table = pgtable_table_virt(pt, pa);

	for (unsigned i = 0; left && i < table_entries(f); i++) {
		uint64_t d = pte_load(&table[i]);

		if (d == f->invalid)
			continue;
		left--;
		if (!f->is_valid(d))
			d ^= f->valid_bit;
		if (f->is_table(d, level + 1))
			pgtable_subtree_free(pt, d, level + 1);
	}
	pgtable_table_free(pt, pa);
}

/* [M14] [M58] */
void pgtable_table_clear(const struct pgtable *pt, uint64_t *table, unsigned from, unsigned to)
{
	const struct pgtable_format *f = pt->format;
	unsigned n = table_entries(f), enough = n / 8;

	if (from + (n - to) > enough && f->invalid == 0 && pt->allocator && !pt->table_virt) {
		arch_zero(table, n * sizeof(*table));
	} else {
		pte_store_series(table, f->invalid, 0, from);
		pte_store_series(table + to, f->invalid, 0, n - to);
	}
}

/* ---- tables taken ahead ------------------------------------------------------------------------------------------ */

/* [M33] [M56] */
int pgtable_reserve(struct pgtable *pt, struct pt_reserve *r, uint64_t n)
{
	r->first = paddr(0);
	r->n = 0;
	r->last = &r->first.v;
	while (r->n < n) {
		paddr_t pa;
		int err = table_alloc(pt, &pa);

		if (err) {
			while (r->n)
				pgtable_table_free(pt, pgtable_reserve_take(pt, r));
			return err;
		}
		*r->last = pa.v;
		r->last = pgtable_table_virt(pt, pa);
		r->n++;
	}
	return MM_OK;
}

paddr_t pgtable_reserve_take(struct pgtable *pt, struct pt_reserve *r)
{
	paddr_t pa = r->first;

	if (r->n == 0)
		panic("pgtable: more tables are needed than were counted");
	if (--r->n)
		r->first.v = *pgtable_table_virt(pt, pa);
	return pa;
}

void pgtable_reserve_end(const struct pt_reserve *r)
{
	if (r->n)
		panic("pgtable: %llu tables were counted and not needed", (unsigned long long)r->n);
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

/* [M31] */
int pgtable_check_range(const struct pgtable *pt, uint64_t va, uint64_t size, uint64_t *ia)
{
	uint64_t page = (uint64_t)1 << pt->format->page_shift;
	uint64_t limit = (uint64_t)1 << pt->input_bits;

	if (size == 0)
		return MM_EINVAL;
	if (!IS_ALIGNED(va | size, page))
		return MM_EALIGN;
	*ia = va - pt->input_base;
	if (va < pt->input_base || *ia >= limit || size > limit - *ia)
		return MM_ERANGE;
	return MM_OK;
}

/* W^X, and no execution from device memory: instruction fetch may have side effects there (Arm ARM B2.7.2). [M31] */
int pgtable_check_attrs(const struct pgtable_format *f, struct pt_attrs attrs)
{
	if ((unsigned)attrs.memory >= PT_MEMORY_KINDS)
		return MM_EINVAL;
	if (attrs.access & ~(unsigned)f->access_mask)
		return MM_EUNSUPPORTED;
	if (!(attrs.access & PT_EXEC))
		return MM_OK;
	if (attrs.memory == PT_DEVICE_nGnRnE || attrs.memory == PT_DEVICE_nGnRE)
		return MM_EPERM;
	return (attrs.access & PT_WRITE) && !f->write_exec ? MM_EPERM : MM_OK;
}

/* ---- objects ----------------------------------------------------------------------------------------------------- */

/*
 * Where a walk of input_bits starts: the fewest levels that resolve them, one fewer when concatenation makes up for it.
 * Stage 2 must not start deeper than last_start_level, and needs one bit at least there (D8.2.2). [M46]
 */
static int start_level(const struct pgtable_format *f, unsigned input_bits, unsigned *level)
{
	unsigned deepest = f->page_shift + f->max_concatenated_shift;
	unsigned n = 1;

	if (input_bits < INPUT_BITS_MIN || input_bits > INPUT_BITS_MAX)
		return MM_EINVAL;
	while (deepest + n * f->bits_per_level < input_bits)
		n++;
	if (n > f->last_level + 1u)
		return MM_EINVAL;
	*level = f->last_level + 1u - n;
	if (*level > f->last_start_level)
		*level = f->last_start_level;
	return input_bits > level_shift(f, *level) ? MM_OK : MM_EINVAL;
}

int pgtable_root_shift(const struct pgtable_format *format, unsigned input_bits)
{
	unsigned level, one_table;
	int err = start_level(format, input_bits, &level);

	if (err)
		return err;
	one_table = level_shift(format, level) + format->bits_per_level;
	return input_bits > one_table ? (int)(input_bits - one_table) : 0;
}

int pgtable_init(struct pgtable *pt, const struct pgtable_config *config, const paddr_t *roots)
{
	const struct pgtable_format *f = config->format;
	unsigned level;
	int shift, err;

	if (!f || config->pa_bits > f->max_pa_bits)
		return MM_EINVAL;
	shift = pgtable_root_shift(f, config->input_bits);
	if (shift < 0 || start_level(f, config->input_bits, &level))
		return MM_EINVAL;
	if (config->input_base & (((uint64_t)1 << config->input_bits) - 1))
		return MM_EINVAL;
	if (shift > 0 && !roots)
		return MM_EINVAL;
	if (roots && (!table_address_ok(f, *roots) || !IS_ALIGNED(roots->v, (uint64_t)1 << (f->page_shift + shift))))
		return MM_EALIGN;

	*pt = (struct pgtable){
		.format = f,
		.start_level = (uint8_t)level,
		.input_bits = (uint8_t)config->input_bits,
		.pa_bits = (uint8_t)(config->pa_bits ? config->pa_bits : f->max_pa_bits),
		.root_shift = (uint8_t)shift,
		.root_borrowed = roots != NULL,
		.input_base = config->input_base,
		.tlb = config->tlb,
		.pool = config->pool,
		.allocator = config->allocator,
		.table_virt = config->table_virt,
		.table_event = config->table_event,
	};
	if (roots) {
		pt->root = *roots;
	} else {
		err = table_alloc(pt, &pt->root);
		if (err)
			return err;
	}
	pte_store_series(root_table(pt), f->invalid, 0, entries_at(pt, level));
	arch_pt_table_ready();
	return MM_OK;
}

/* [M45] */
void pgtable_destroy(struct pgtable *pt)
{
	const struct pgtable_format *f = pt->format;
	uint64_t *root = root_table(pt);

	if (pt->live) {
		log_error("pgtable: a live table set cannot be destroyed (root 0x%llx)\n",
			  (unsigned long long)pt->root.v);
		return;
	}
	for (unsigned i = 0; i < entries_at(pt, pt->start_level); i++) {
		uint64_t d = pte_load(&root[i]);

		if (f->is_table(d, pt->start_level))
			pgtable_subtree_free(pt, d, pt->start_level);
		pte_store(&root[i], f->invalid);
	}
	if (!pt->root_borrowed)
		pgtable_table_free(pt, pt->root);
}

/* [M23] [M24] [M51] */
void pgtable_set_allocator(struct pgtable *pt, const struct page_allocator *a)
{
	const struct page_allocator *present = pt->allocator;

	if (!a) {
		log_error("pgtable: NULL is no page allocator; the present one stays\n");
		return;
	}
	if (present && present != a && pt->dynamic_tables) {
		log_error("pgtable: %llu tables belong to the present page allocator; it stays\n",
			  (unsigned long long)pt->dynamic_tables);
		return;
	}
	__atomic_store_n(&pt->allocator, a, __ATOMIC_RELEASE);
}

/* ---- the seed's get_or_create_table() ---------------------------------------------------------------------------- */

/* The entry that points to `wanted`, a table of wanted_level, among those below `table`; NULL when there is none. */
static uint64_t *find_link(const struct pgtable *pt, uint64_t *table, unsigned level, paddr_t wanted,
			   unsigned wanted_level)
{
	const struct pgtable_format *f = pt->format;

	for (unsigned i = 0; i < entries_at(pt, level); i++) {
		uint64_t d = pte_load(&table[i]);
		uint64_t *found = NULL;

		if (!f->is_table(d, level))
			continue;
		if (level + 1 < wanted_level)
			found = find_link(pt, table_below(pt, d, level), level + 1, wanted, wanted_level);
		else if (f->decode_pa(d, level, true) == wanted.v)
			found = &table[i];
		if (found)
			return found;
	}
	return NULL;
}

/* [M26] [M27] */
int pgtable_get_or_create_table(struct pgtable *pt, paddr_t table, unsigned index, unsigned level, paddr_t *out)
{
	const struct pgtable_format *f = pt->format;
	uint64_t root_bytes = (uint64_t)1 << (f->page_shift + pt->root_shift);
	uint64_t *link = NULL, *entry;
	uint64_t d;
	int err;

	if (level < pt->start_level || level >= f->last_level)
		return MM_EINVAL;
	if (index >= table_entries(f))
		return MM_ERANGE;
	if (level == pt->start_level) {
		if (table.v - pt->root.v >= root_bytes || !IS_ALIGNED(table.v, (uint64_t)1 << f->page_shift))
			return MM_EINVAL;
		if ((((table.v - pt->root.v) >> f->page_shift << f->bits_per_level) + index) >>
		    (pt->input_bits - level_shift(f, level)))
			return MM_ERANGE; /* the root of a small input space is not used to its end */
	} else {
		link = find_link(pt, root_table(pt), pt->start_level, table, level);
		if (!link)
			return MM_EINVAL;
	}

	entry = pgtable_table_virt(pt, table) + index;
	d = pte_load(entry);
	if (f->is_table(d, level)) {
		*out = paddr(f->decode_pa(d, level, true));
		return MM_OK;
	}
	if (d != f->invalid)
		return MM_EEXIST;
	err = table_alloc(pt, out);
	if (err)
		return err;
	pgtable_table_clear(pt, pgtable_table_virt(pt, *out), 0, 0);
	arch_pt_table_ready();
	pte_store(entry, f->table() | f->encode_pa(out->v));
	if (link)
		pte_store(link, pte_load(link) + count_bits(f, 1));
	arch_pt_publish();
	return MM_OK;
}
