/* SPDX-License-Identifier: BSD-2-Clause */
/* PT_POOL: order, exhaustion, peak, and every wrong way to give a table back. */
#define SUITE "ptpool"
#include "lib/tap.h"

#include "mm/ptpool.h"

static uint8_t tables[3][PAGE_SIZE] __attribute__((aligned(4096)));
#define BASE 0x40200000
static struct pt_pool pool;

/* A pool's size has no influence on its memory being real: only pt_pool_virt() of what is used is ever reached. */
static void make(unsigned n)
{
	pool = (struct pt_pool){ .used = 77, .peak = 99, .busy = { UINT64_MAX, UINT64_MAX } };
	pt_pool_init(&pool, tables, paddr(BASE), n);
}

TEST(PP1, "a new pool has all its tables, whatever was in the memory")
{
	make(PT_POOL_TABLES);
	CHECK_EQ(PT_POOL_TABLES, 80);
	CHECK_EQ(pt_pool_available(&pool), 80);
	CHECK_EQ(pool.used, 0);
	CHECK_EQ(pool.peak, 0);
	for (unsigned i = 0; i < PT_POOL_TABLES; i++)
		CHECK(!pt_pool_busy(&pool, paddr(BASE + i * PAGE_SIZE)));
}

TEST(PP2, "every table is handed out once, lowest first, then the pool is exhausted")
{
	static const unsigned sizes[] = { 0, 1, 3, 63, 64, 65, 79, 80 };
	paddr_t pa = paddr(1);

	for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
		make(sizes[s]);
		for (unsigned i = 0; i < sizes[s]; i++) {
			CHECK_EQ(pt_pool_alloc(&pool, &pa), MM_OK);
			CHECK_EQ(pa.v, BASE + i * PAGE_SIZE);
			CHECK(pt_pool_busy(&pool, pa));
			CHECK_EQ(pt_pool_available(&pool), sizes[s] - i - 1);
		}
		CHECK_EQ(pt_pool_alloc(&pool, &pa), MM_EPT_POOL);
		CHECK_EQ(pool.used, sizes[s]);
		CHECK_EQ(pool.peak, sizes[s]);
	}
}

TEST(PP3, "the peak stays when tables come back")
{
	paddr_t pa[10];

	make(20);
	for (unsigned i = 0; i < 10; i++)
		CHECK_EQ(pt_pool_alloc(&pool, &pa[i]), MM_OK);
	for (unsigned i = 0; i < 10; i++)
		CHECK_EQ(pt_pool_free(&pool, pa[i]), MM_OK);
	CHECK_EQ(pool.peak, 10);
	CHECK_EQ(pool.used, 0);
	CHECK_EQ(pt_pool_alloc(&pool, &pa[0]), MM_OK);
	CHECK_EQ(pa[0].v, BASE);
	CHECK_EQ(pool.peak, 10);
}

TEST(PP4, "a table comes back once; foreign, unaligned and free ones are refused and change nothing")
{
	struct pt_pool before;
	paddr_t pa;
	static const struct {
		uint64_t pa;
		int err;
	} bad[] = {
		{ 0, MM_EFOREIGN },
		{ BASE - PAGE_SIZE, MM_EFOREIGN },
		{ BASE - 1, MM_EFOREIGN },
		{ BASE + 70 * PAGE_SIZE, MM_EFOREIGN },
		{ UINT64_MAX & ~PAGE_MASK, MM_EFOREIGN },
		{ BASE + 1, MM_EALIGN },
		{ BASE + 8, MM_EALIGN },
		{ BASE + 69 * PAGE_SIZE + 0xfff, MM_EALIGN },
		{ BASE + 69 * PAGE_SIZE, MM_EDOUBLE },
		{ BASE + 64 * PAGE_SIZE, MM_EDOUBLE },
	};

	make(70);
	for (unsigned i = 0; i < 64; i++)
		CHECK_EQ(pt_pool_alloc(&pool, &pa), MM_OK);
	before = pool;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(pt_pool_free(&pool, paddr(bad[i].pa)), bad[i].err);
		CHECK(pool.used == before.used && pool.busy[0] == before.busy[0] && pool.busy[1] == before.busy[1]);
	}
	CHECK_EQ(pt_pool_free(&pool, pa), MM_OK);
	CHECK_EQ(pt_pool_free(&pool, pa), MM_EDOUBLE);
	CHECK_EQ(pool.used, 63);
	CHECK(pt_pool_owns(&pool, paddr(BASE)) && pt_pool_owns(&pool, paddr(BASE + 70 * PAGE_SIZE - 1)));
	CHECK(!pt_pool_owns(&pool, paddr(BASE - 1)) && !pt_pool_owns(&pool, paddr(BASE + 70 * PAGE_SIZE)));
}

TEST(PP5, "a pool's table is reached beside the pool's base, before and after the base has moved")
{
	paddr_t first, second;

	make(3);
	CHECK_EQ(pt_pool_alloc(&pool, &first), MM_OK);
	CHECK_EQ(pt_pool_alloc(&pool, &second), MM_OK);
	CHECK(pt_pool_virt(&pool, first) == tables[0]);
	CHECK(pt_pool_virt(&pool, second) == tables[1]);
	CHECK(pt_pool_virt(&pool, paddr(second.v + 0x123)) == &tables[1][0x123]);
	pool.base = tables[1];
	CHECK(pt_pool_virt(&pool, first) == tables[1]);
}
