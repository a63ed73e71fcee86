/* SPDX-License-Identifier: BSD-2-Clause */
/* The bump allocator. Addresses are only numbers here: nothing is read or written through them. */
#define SUITE "bump"
#include "lib/tap.h"
#include "mm/bump.h"

/* The hypervisor's heap of the seed: 16 MiB at 0x41000000. */
#define HEAP_START 0x41000000u
#define HEAP_SIZE MIB(16)

static struct bump seed_heap(void)
{
	struct bump b;

	CHECK_EQ(bump_new(&b, paddr(HEAP_START), HEAP_SIZE), MM_OK);
	return b;
}

TEST(BA1, "[HEAP] bump: a new heap of 16 MiB at 0x41000000 has all of it free")
{
	struct bump b = seed_heap();

	CHECK_EQ(bump_remaining(&b), HEAP_SIZE);
	CHECK_EQ(bump_allocated(&b), 0);
	CHECK_EQ(b.start, HEAP_START);
	CHECK_EQ(b.end, HEAP_START + HEAP_SIZE);
}

TEST(BA2, "bump: size 0 and a range that wraps are refused, the object stays as it was")
{
	struct bump b = { .start = 1, .end = 2, .next = 1 };

	CHECK_EQ(bump_new(&b, paddr(0x1000), 0), MM_EINVAL);
	CHECK_EQ(bump_new(&b, paddr(UINT64_MAX), 1), MM_ERANGE);
	CHECK_EQ(bump_new(&b, paddr(0x1000), UINT64_MAX - 0xfff), MM_ERANGE);
	CHECK_EQ(bump_new(&b, paddr(UINT64_MAX), UINT64_MAX), MM_ERANGE);
	CHECK(b.start == 1 && b.end == 2 && b.next == 1);
	CHECK_EQ(bump_new(&b, paddr(UINT64_MAX - 1), 1), MM_OK);
	CHECK_EQ(bump_new(&b, paddr(0), UINT64_MAX), MM_OK);
	CHECK_EQ(bump_remaining(&b), UINT64_MAX);
}

TEST(BA3, "[ALLOC] bump: pages are 4 KiB-aligned and follow each other")
{
	struct bump b = seed_heap();
	paddr_t a, c;

	CHECK_EQ(bump_alloc_page(&b, &a), MM_OK);
	CHECK_EQ(bump_alloc_page(&b, &c), MM_OK);
	CHECK_EQ(a.v, HEAP_START);
	CHECK_EQ(c.v, HEAP_START + 0x1000);
	CHECK_EQ(bump_allocated(&b), 0x2000);
}

TEST(BA3, "bump: a page in a range that begins and ends off a page")
{
	struct bump b;
	paddr_t a = paddr(7);

	CHECK_EQ(bump_new(&b, paddr(0x1001), 0x2ffe), MM_OK); /* ends at 0x3fff: one whole page, 0x2000 */
	CHECK_EQ(bump_alloc_page(&b, &a), MM_OK);
	CHECK_EQ(a.v, 0x2000);
	CHECK_EQ(bump_alloc_page(&b, &a), MM_ENOMEM);
	CHECK_EQ(a.v, 0x2000);
	CHECK_EQ(bump_remaining(&b), 0xfff);
}

TEST(BA4, "[ALLOC] bump: every power of two is a valid alignment, up to 2^63")
{
	struct bump b;
	paddr_t a;

	for (unsigned shift = 0; shift < 64; shift++) {
		uint64_t align = (uint64_t)1 << shift;

		CHECK_EQ(bump_new(&b, paddr(1), UINT64_MAX - 1), MM_OK);
		CHECK_EQ(bump_alloc_aligned(&b, 3, align, &a), MM_OK);
		CHECK_EQ(a.v, align); /* the first multiple at or above 1 */
		CHECK_EQ(bump_allocated(&b), align - 1 + 3);
	}
}

TEST(BA5, "bump: size 0 and alignments that are no power of two are refused")
{
	static const uint64_t bad[] = { 0, 3, 5, 6, 7, 9, 12, 0x1001, 0x1800, UINT64_MAX, UINT64_MAX - 1 };
	struct bump b = seed_heap();
	paddr_t a = paddr(7);

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(bump_alloc_aligned(&b, 8, bad[i], &a), MM_EINVAL);
	CHECK_EQ(bump_alloc_aligned(&b, 0, 8, &a), MM_EINVAL);
	CHECK_EQ(bump_alloc(&b, 0, &a), MM_EINVAL);
	CHECK_EQ(a.v, 7);
	CHECK_EQ(bump_allocated(&b), 0);
}

TEST(BA6, "[ALLOC] bump: the last byte can be had and not one more")
{
	struct bump b = seed_heap();
	paddr_t a = paddr(7);

	CHECK_EQ(bump_alloc_aligned(&b, HEAP_SIZE + 1, 1, &a), MM_ENOMEM);
	CHECK_EQ(bump_alloc_aligned(&b, HEAP_SIZE - 1, 1, &a), MM_OK);
	CHECK_EQ(bump_alloc_aligned(&b, 2, 1, &a), MM_ENOMEM);
	CHECK_EQ(bump_alloc_aligned(&b, 1, 2, &a), MM_ENOMEM); /* the padding alone uses the byte up */
	CHECK_EQ(bump_remaining(&b), 1);
	CHECK_EQ(bump_alloc_aligned(&b, 1, 1, &a), MM_OK);
	CHECK_EQ(a.v, HEAP_START + HEAP_SIZE - 1);
	CHECK_EQ(bump_remaining(&b), 0);
	CHECK_EQ(bump_alloc_aligned(&b, 1, 1, &a), MM_ENOMEM);
	CHECK_EQ(a.v, HEAP_START + HEAP_SIZE - 1);
}

TEST(BA6, "[ALLOC] bump: exactly as many pages as fit")
{
	struct bump b = seed_heap();
	paddr_t a;

	for (uint64_t i = 0; i < HEAP_SIZE / PAGE_SIZE; i++) {
		CHECK_EQ(bump_alloc_page(&b, &a), MM_OK);
		CHECK_EQ(a.v, HEAP_START + i * PAGE_SIZE);
	}
	CHECK_EQ(bump_alloc_page(&b, &a), MM_ENOMEM);
	CHECK_EQ(bump_remaining(&b), 0);
}

TEST(BA7, "bump: sums that would wrap at the top of the address space are no memory")
{
	struct bump b;
	paddr_t a = paddr(7);

	CHECK_EQ(bump_new(&b, paddr(UINT64_MAX - 0x100), 0x100), MM_OK);
	CHECK_EQ(bump_alloc_aligned(&b, 1, 0x1000, &a), MM_ENOMEM); /* the next multiple is 2^64 */
	CHECK_EQ(bump_alloc_aligned(&b, 1, (uint64_t)1 << 63, &a), MM_ENOMEM);
	CHECK_EQ(bump_alloc_aligned(&b, UINT64_MAX, 1, &a), MM_ENOMEM);
	CHECK_EQ(bump_alloc_aligned(&b, UINT64_MAX - 0x80, 1, &a), MM_ENOMEM);
	CHECK_EQ(a.v, 7);
	CHECK_EQ(bump_allocated(&b), 0);
	CHECK_EQ(bump_alloc_aligned(&b, 0x100, 1, &a), MM_OK);
	CHECK_EQ(a.v, UINT64_MAX - 0x100);
}

TEST(BA7, "bump: address 0 is an address like any other")
{
	struct bump b;
	paddr_t a = paddr(7);

	CHECK_EQ(bump_new(&b, paddr(0), 0x2000), MM_OK);
	CHECK_EQ(bump_alloc_page(&b, &a), MM_OK);
	CHECK_EQ(a.v, 0);
}

TEST(BA8, "[ALLOC] bump: plain allocations are 8-byte aligned")
{
	struct bump b = seed_heap();
	paddr_t a;

	CHECK_EQ(bump_alloc(&b, 1, &a), MM_OK);
	CHECK_EQ(a.v, HEAP_START);
	CHECK_EQ(bump_alloc(&b, 9, &a), MM_OK);
	CHECK_EQ(a.v, HEAP_START + 8);
	CHECK_EQ(bump_alloc(&b, 8, &a), MM_OK);
	CHECK_EQ(a.v, HEAP_START + 24);
}

TEST(BA9, "bump: allocated and remaining add up to the range, padding counted as allocated")
{
	struct bump b = seed_heap();
	uint64_t seed = 1;
	paddr_t a;

	for (unsigned i = 0; i < 2000; i++) {
		uint64_t before = bump_allocated(&b), size, align;
		int err;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		size = (seed >> 40) % 20000;
		align = (uint64_t)1 << ((seed >> 33) % 16);
		err = bump_alloc_aligned(&b, size, align, &a);
		CHECK_EQ(bump_allocated(&b) + bump_remaining(&b), HEAP_SIZE);
		if (err == MM_OK) {
			CHECK(IS_ALIGNED(a.v, align));
			CHECK(a.v >= HEAP_START + before && a.v - (HEAP_START + before) < align);
			CHECK_EQ(a.v + size, HEAP_START + bump_allocated(&b));
		} else {
			CHECK_EQ(err, size == 0 ? MM_EINVAL : MM_ENOMEM);
			CHECK_EQ(bump_allocated(&b), before);
		}
	}
}

TEST(BA10, "[ALLOC] bump: reset returns to the start, whatever padding there was")
{
	struct bump b = seed_heap();
	paddr_t a;

	CHECK_EQ(bump_alloc_page(&b, &a), MM_OK);
	CHECK_EQ(bump_alloc_page(&b, &a), MM_OK);
	CHECK_EQ(bump_alloc_aligned(&b, 256, 2048, &a), MM_OK);
	CHECK_EQ(bump_alloc_page(&b, &a), MM_OK);
	CHECK_EQ(a.v, HEAP_START + 0x3000);
	bump_reset(&b);
	CHECK_EQ(bump_allocated(&b), 0);
	CHECK_EQ(bump_remaining(&b), HEAP_SIZE);
	CHECK_EQ(bump_alloc_page(&b, &a), MM_OK);
	CHECK_EQ(a.v, HEAP_START);
}
