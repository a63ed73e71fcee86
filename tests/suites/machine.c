/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole machine's memory, on the target: everything that is free is taken, written, read back and given back, and what
 * the boot loader left in memory (device tree, initrd) is the same afterwards. tests/qemu/ runs this on every bank layout
 * and compares the figures that it prints ("# machine: ...") with its own.
 */
#define SUITE "machine"
#include "lib/tap.h"

#if defined(__aarch64__) && !__STDC_HOSTED__

#include "arch/arch.h"
#include "boot/boot.h"
#include "lib/fdt_mem.h"
#include "mm/mmu.h"
#include "tests/suites/at.h"

/* Blocks taken, in a list that lives in memory taken for it: no table of fixed size limits the machine. */
struct taken {
	uint64_t pfn;
	uint64_t order;
};

#define CHUNK_ORDER 4

struct chunk {
	struct chunk *next;
	uint64_t pfn;
	uint32_t order;
	uint32_t count;
	struct taken block[];
};

static uint64_t chunk_capacity(const struct chunk *c)
{
	return (((PAGE_SIZE << c->order) - sizeof(*c)) / sizeof(struct taken));
}

/* How much of each block is written: by what the emulating computer can be asked to keep in memory. */
enum density { EVERY_BYTE, EVERY_PAGE, FIRST_WORD };

static enum density density(void)
{
	uint64_t total = ram_total(&boot.ram);

	if (total <= GIB(2))
		return EVERY_BYTE;
	return total <= GIB(8) ? EVERY_PAGE : FIRST_WORD;
}

static const char *const density_name[] = { "every byte", "one word of every page", "the first word of every block" };

/* The serial number makes two blocks that overlap disagree about the same word. */
static uint64_t salt_of(uint64_t serial)
{
	return (serial + 1) * 0x9e3779b97f4a7c15;
}

static void fill(uint64_t pfn_, uint64_t order, uint64_t serial)
{
	uint64_t pa = pfn_ << PAGE_SHIFT, bytes = PAGE_SIZE << order, salt = salt_of(serial);
	volatile uint64_t *p = phys_to_virt(paddr(pa));

	switch (density()) {
	case EVERY_BYTE:
		for (uint64_t i = 0; i < bytes / 8; i += 8, pa += 64) {
			p[i] = pa ^ salt;
			p[i + 1] = (pa + 8) ^ salt;
			p[i + 2] = (pa + 16) ^ salt;
			p[i + 3] = (pa + 24) ^ salt;
			p[i + 4] = (pa + 32) ^ salt;
			p[i + 5] = (pa + 40) ^ salt;
			p[i + 6] = (pa + 48) ^ salt;
			p[i + 7] = (pa + 56) ^ salt;
		}
		break;
	case EVERY_PAGE:
		for (uint64_t i = 0; i < bytes; i += PAGE_SIZE)
			p[i / 8] = (pa + i) ^ salt;
		break;
	case FIRST_WORD:
		p[0] = pa ^ salt;
		break;
	}
}

static bool filled(uint64_t pfn_, uint64_t order, uint64_t serial)
{
	uint64_t pa = pfn_ << PAGE_SHIFT, bytes = PAGE_SIZE << order, salt = salt_of(serial), bad = 0;
	volatile const uint64_t *p = phys_to_virt(paddr(pa));

	switch (density()) {
	case EVERY_BYTE:
		for (uint64_t i = 0; i < bytes / 8; i += 8, pa += 64) {
			bad |= p[i] ^ pa ^ salt;
			bad |= p[i + 1] ^ (pa + 8) ^ salt;
			bad |= p[i + 2] ^ (pa + 16) ^ salt;
			bad |= p[i + 3] ^ (pa + 24) ^ salt;
			bad |= p[i + 4] ^ (pa + 32) ^ salt;
			bad |= p[i + 5] ^ (pa + 40) ^ salt;
			bad |= p[i + 6] ^ (pa + 48) ^ salt;
			bad |= p[i + 7] ^ (pa + 56) ^ salt;
		}
		break;
	case EVERY_PAGE:
		for (uint64_t i = 0; i < bytes; i += PAGE_SIZE)
			bad |= p[i / 8] ^ (pa + i) ^ salt;
		break;
	case FIRST_WORD:
		bad = p[0] ^ pa ^ salt;
		break;
	}
	return bad == 0;
}

static struct chunk *chunk_at(uint64_t pfn_, unsigned order, struct chunk *next)
{
	struct chunk *c = phys_to_virt(paddr(pfn_ << PAGE_SHIFT));

	*c = (struct chunk){ .next = next, .pfn = pfn_, .order = order };
	return c;
}

/* A chunk's own memory is tried before the list goes into it. */
static bool new_chunk(struct chunk **head, uint64_t pfn_, unsigned order)
{
	fill(pfn_, order, pfn_);
	if (!filled(pfn_, order, pfn_))
		return false;
	*head = chunk_at(pfn_, order, *head);
	return true;
}

/* Takes blocks, largest first, until nothing of any order is left. *pages: how many, chunks included. */
static bool take_all(struct chunk **head, uint64_t *pages)
{
	pfn_t f;

	*head = NULL;
	*pages = 0;
	for (int order = MAX_ORDER; order >= 0; order--) {
		while (!*head || (*head)->count < chunk_capacity(*head) || order > CHUNK_ORDER) {
			if (!*head || (*head)->count == chunk_capacity(*head)) {
				if (frames_alloc(boot.frames, CHUNK_ORDER, 0, TAG_TEST, &f) != MM_OK) {
					if (!*head)
						return false;
					break; /* so nothing larger is left either */
				}
				*pages += (uint64_t)1 << CHUNK_ORDER;
				if (!new_chunk(head, f.n, CHUNK_ORDER))
					return false;
			}
			if (frames_alloc(boot.frames, (unsigned)order, 0, TAG_TEST, &f) != MM_OK)
				break;
			*pages += (uint64_t)1 << order;
			(*head)->block[(*head)->count++] = (struct taken){ f.n, (uint64_t)order };
		}
		/* The list is full and the blocks are small: the next one becomes part of the list. */
		if ((*head)->count == chunk_capacity(*head) &&
		    frames_alloc(boot.frames, (unsigned)order, 0, TAG_TEST, &f) == MM_OK) {
			*pages += (uint64_t)1 << order;
			if (!new_chunk(head, f.n, (unsigned)order))
				return false;
			order++; /* this order again */
		}
	}
	return true;
}

static void give_back(struct chunk *head, unsigned *errors)
{
	while (head) {
		struct chunk *next = head->next;

		for (uint64_t i = 0; i < head->count; i++)
			*errors += frames_free(boot.frames, pfn(head->block[i].pfn), (unsigned)head->block[i].order) !=
				   MM_OK;
		*errors += frames_free(boot.frames, pfn(head->pfn), head->order) != MM_OK;
		head = next;
	}
}

/* Whether pages [first, last] (byte addresses, inclusive) lie in RAM that nobody but the free list owns. Two ways: the
 * claims themselves with our own rounding, and the map's answer. */
static bool only_free_ram(uint64_t first, uint64_t last)
{
	const struct ram_claim *owner[4];
	struct ram_range r;

	for (unsigned i = 0; i < boot.ram.count; i++) {
		const struct ram_claim *c = &boot.ram.claims[i];

		if (c->kind == RAM_FREE || c->size == 0)
			continue;
		if ((c->base & ~PAGE_MASK) <= last && ((c->base + c->size - 1) | PAGE_MASK) >= first)
			return false;
	}
	for (uint64_t a = first; a <= last; a = r.base + r.size) {
		if (!ram_next(&boot.ram, a, &r) || r.base > a || r.kind != RAM_FREE)
			return false;
		if (r.base + r.size <= a)
			break; /* the end of the address space */
	}
	for (unsigned i = 0; i < 2; i++) {
		unsigned n = ram_owners(&boot.ram, i ? last : first, owner, ARRAY_SIZE(owner));

		if (n == 0)
			return false;
		for (unsigned k = 0; k < n && k < ARRAY_SIZE(owner); k++) {
			if (owner[k]->kind != RAM_FREE)
				return false;
		}
	}
	return true;
}

static bool overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a_size && b_size && a <= b + b_size - 1 && b <= a + a_size - 1;
}

/* The contiguous part of a bank's records: all of them, but for a bank that borrows the bitmaps only (its mem_map is
 * borrowed page by page). */
static uint64_t records_size(const struct mm_bank *b)
{
	return b->metadata_bytes - (b->borrowed ? b->memmap_bytes : 0);
}

/* Nor may it be what the allocator keeps its own records in. */
static bool in_metadata(uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < boot.mm.bank_count; i++) {
		const struct mm_bank *b = &boot.mm.banks[i];

		if (overlaps(b->metadata.v, records_size(b), first, last - first + 1))
			return true;
	}
	return overlaps(boot.mm.section_table.v, boot.mm.section_table_bytes, first, last - first + 1);
}

static uint64_t fnv1a(const void *data, uint64_t n)
{
	const uint8_t *p = data;
	uint64_t h = 0xcbf29ce484222325;

	for (uint64_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h;
}

/* Sums of what the loader left: 0 and 0 where there is no initrd; false when one cannot be read. */
static bool loader_sums(uint64_t *dtb, uint64_t *initrd, uint64_t *initrd_size)
{
	uint64_t start, end;
	int got = fdt_initrd(&boot.fdt, &start, &end);

	*dtb = fnv1a(boot.fdt.blob, boot.fdt.used);
	*initrd = 0;
	*initrd_size = 0;
	if (got < 0)
		return false;
	if (got == 0)
		return true;
	for (uint64_t a = start & ~PAGE_MASK; a < end; a += PAGE_SIZE) {
		if (!at_reads((uintptr_t)phys_to_virt(paddr(a)), a))
			return false;
	}
	*initrd = fnv1a(phys_to_virt(paddr(start)), end - start);
	*initrd_size = end - start;
	return true;
}

/* [BT6] */
TEST_ON(TAP_TARGET, BT6, "device tree and initrd are as the loader left them")
{
	uint64_t dtb, initrd, initrd_size;

	CHECK_OR_RETURN(loader_sums(&dtb, &initrd, &initrd_size));
	tap_note("machine: dtb checksum %016llx", (unsigned long long)dtb);
	tap_note("machine: initrd %llu bytes checksum %016llx", (unsigned long long)initrd_size,
		 (unsigned long long)initrd);
}

/* [BT30] [BT6] */
TEST_ON(TAP_TARGET, BT30, "all free memory can be taken, written, read back and given back")
{
	uint64_t dtb[2], initrd[2], initrd_size, pages, pages2, blocks = 0, serial = 0;
	unsigned wrong = 0, claimed = 0, records = 0, errors = 0;
	struct frames_stats before, empty, after;
	struct chunk *head;
	bool complete;
	pfn_t f;

	CHECK_OR_RETURN(boot.up);
	CHECK(loader_sums(&dtb[0], &initrd[0], &initrd_size));
	/* Also what is kept back for page tables, until the end. What lies in caches is in no block. */
	(void)frames_drain(boot.frames);
	frames_get_stats(boot.frames, &before);
	CHECK(before.free_pages > 0);
	CHECK_EQ(frames_set_reserve(boot.frames, 0), MM_OK);

	complete = take_all(&head, &pages);
	CHECK(complete);
	CHECK_EQ(pages, before.free_pages);
	frames_get_stats(boot.frames, &empty);
	CHECK_EQ(empty.free_pages, 0);
	CHECK_EQ(frames_largest_free(boot.frames), -1);
	CHECK_EQ(frames_alloc(boot.frames, 0, 0, TAG_TEST, &f), MM_ENOMEM);

	/* Address in every word, and the block's number: a block handed out twice is seen. */
	for (struct chunk *c = head; c; c = c->next) {
		for (uint64_t i = 0; i < c->count; i++)
			fill(c->block[i].pfn, c->block[i].order, serial++);
	}
	blocks = serial;
	serial = 0;
	for (struct chunk *c = head; c; c = c->next) {
		for (uint64_t i = 0; i < c->count; i++) {
			uint64_t first = c->block[i].pfn << PAGE_SHIFT;
			uint64_t last = first + (PAGE_SIZE << c->block[i].order) - 1;

			wrong += !filled(c->block[i].pfn, c->block[i].order, serial++);
			claimed += !only_free_ram(first, last);
			records += in_metadata(first, last);
		}
		claimed += !only_free_ram(c->pfn << PAGE_SHIFT, (c->pfn << PAGE_SHIFT) + (PAGE_SIZE << c->order) - 1);
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(claimed, 0);
	CHECK_EQ(records, 0);
	CHECK(loader_sums(&dtb[1], &initrd[1], &initrd_size));
	CHECK_EQ(dtb[1], dtb[0]);
	CHECK_EQ(initrd[1], initrd[0]);
	CHECK_EQ(frames_validate(boot.frames), MM_OK);

	give_back(head, &errors);
	CHECK_EQ(errors, 0);
	(void)frames_drain(boot.frames);
	frames_get_stats(boot.frames, &after);
	CHECK_EQ(after.free_pages, before.free_pages);
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		CHECK_EQ(after.free_blocks[order], before.free_blocks[order]);
	CHECK_EQ(frames_validate(boot.frames), MM_OK);

	/* Whatever happened above, a second time gives as much. */
	CHECK(take_all(&head, &pages2));
	CHECK_EQ(pages2, pages);
	give_back(head, &errors);
	CHECK_EQ(errors, 0);
	CHECK_EQ(frames_set_reserve(boot.frames, before.reserve_pages), MM_OK);
	tap_note("machine: %s of %llu pages in %llu blocks written and read back", density_name[density()],
		 (unsigned long long)pages, (unsigned long long)blocks);
}

/* [BT4] The figures that the checks outside compare with their own arithmetic on the tree. */
TEST_ON(TAP_TARGET, BT4, "every byte of RAM has one owner, and all free RAM is the allocator's or its records'")
{
	uint64_t sum = 0, total = ram_total(&boot.ram), nomap = ram_total_of(&boot.ram, RAM_NOMAP), own = 0, all = 0;
	unsigned images = 0;
	struct frames_stats st;
	struct frame_info list;

	CHECK_EQ(ram_validate(&boot.ram), MM_OK);
	frames_get_stats(boot.frames, &st);
	for (int k = 0; k < RAM_KINDS; k++)
		sum += ram_total_of(&boot.ram, (enum ram_kind)k);
	CHECK_EQ(sum, total);
	for (unsigned i = 0; i < boot.mm.bank_count; i++) {
		all += boot.mm.banks[i].metadata_bytes;
		own += boot.mm.banks[i].borrowed ? 0 : boot.mm.banks[i].metadata_bytes;
	}
	/* What was never given to the allocator: records that a bank took from itself. Borrowed ones, and the list of
	 * banks, are the allocator's own blocks. */
	CHECK_EQ(st.total_pages * PAGE_SIZE + own, ram_total_of(&boot.ram, RAM_FREE));
	frames_query(boot.frames, paddr_to_pfn(virt_to_phys(boot.mm.banks)), &list);
	CHECK(list.role == FRAME_ALLOC && list.tag == TAG_MEMMAP);
	CHECK_EQ(boot.mm.stolen_bytes, all + (PAGE_SIZE << list.order));
	for (unsigned i = 0; i < boot.ram.count; i++) {
		const struct ram_claim *c = &boot.ram.claims[i];

		images += c->kind == RAM_IMAGE && c->base == boot.image_pa && c->size == boot.image_size;
	}
	CHECK_EQ(images, 1);
	tap_note("machine: ram %llu nomap %llu banks %u", (unsigned long long)total, (unsigned long long)nomap,
		 boot.mm.bank_count);
}

/* [BT33] */
TEST_ON(TAP_TARGET, BT33, "mem_map and bitmaps overlap no claim, no other bank's records, and lie in RAM")
{
	const struct mm_bank *first = &boot.mm.banks[boot.mm.first_bank];
	unsigned bad_claim = 0, bad_pair = 0, outside = 0;
	const struct ram_claim *owner;
	uint64_t par;
	uintptr_t sp;

	for (unsigned i = 0; i < boot.mm.bank_count; i++) {
		const struct mm_bank *b = &boot.mm.banks[i];
		uint64_t base = b->metadata.v, size = records_size(b);

		CHECK_OR_RETURN(size > 0);
		outside += !only_free_ram(base & ~PAGE_MASK, (base + size - 1) | PAGE_MASK);
		for (unsigned k = 0; k < boot.ram.count; k++) {
			const struct ram_claim *c = &boot.ram.claims[k];

			bad_claim += c->kind != RAM_FREE && overlaps(base, size, c->base, c->size);
		}
		for (unsigned k = 0; k < i; k++)
			bad_pair += overlaps(base, size, boot.mm.banks[k].metadata.v, records_size(&boot.mm.banks[k]));
		/* None of its frames is for hand-out. */
		for (uint64_t a = base & ~PAGE_MASK; a < base + size; a += PAGE_SIZE) {
			struct frame_info info;

			frames_query(boot.frames, pfn(a >> PAGE_SHIFT), &info);
			outside += info.role != (b->borrowed ? FRAME_ALLOC : FRAME_RESERVED);
		}
	}
	/* The section table stands at the end of the first bank's records, behind its mem_map. */
	CHECK(boot.mm.section_table_bytes > 0);
	CHECK(boot.mm.section_table.v >= first->metadata.v + first->memmap_bytes);
	CHECK(boot.mm.section_table.v + boot.mm.section_table_bytes <= first->metadata.v + first->metadata_bytes);
	CHECK_EQ(bad_claim, 0);
	CHECK_EQ(bad_pair, 0);
	CHECK_EQ(outside, 0);
	/* The image's own memory is claimed whole, and with it the stack we run on and the page-table pool. */
	__asm__ volatile("mov %0, sp" : "=r"(sp));
	par = at_s1e1r(sp);
	CHECK(!(par & PAR_F));
	if (sp >= (uintptr_t)image_start &&
	    sp < (uintptr_t)image_end) /* else it came from the allocator, as any block */
		CHECK(ram_owners(&boot.ram, PAR_PA(par), &owner, 1) > 0 && owner->kind >= RAM_IMAGE);
	CHECK(ram_owners(&boot.ram, mmu_kernel.pool->pa.v, &owner, 1) > 0 && owner->kind >= RAM_IMAGE);
	CHECK(ram_owners(&boot.ram, boot.dtb_pa.v, &owner, 1) > 0 && owner->kind >= RAM_DTB);
}

#endif
