/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What arch/aarch64 executes for a TLB request: instructions, operands, order. On the host the instructions are
 * recorded and held against rules of the architecture that are written down here a second time, independent of the
 * code; every barrier is also taken out of the recording, and the rules must notice. On the target the same requests
 * are executed: an encoding that the CPU does not know would fault.
 */
#define SUITE "arch_tlb"
#include "arch/aarch64/features.h"
#include "arch/aarch64/insn.h"
#include "arch/arch.h"
#include "lib/tap.h"

#define KERNEL_VA 0xffff000000000000

static const struct arch_tlb_ctx global = { REGIME_EL1_GLOBAL, 0 };

#if INSN_RECORDED
#include "arch/host/host.h"

static const struct arch_tlb_ctx one_asid = { REGIME_EL1_ASID, 0xabcd };
static const struct arch_tlb_ctx el2 = { REGIME_EL2, 0 };
static const struct arch_tlb_ctx stage2 = { REGIME_STAGE2, 0x1234 };
static const struct arch_tlb_ctx *const contexts[] = { &global, &one_asid, &el2, &stage2 };

static struct host_step steps[2048];

/* The features a test asks for, and no others. */
static void machine(struct cpu_features f)
{
	cpu_features = f;
	host_sysreg_reset();
}

static size_t record_range(const struct arch_tlb_ctx *ctx, uint64_t va, uint64_t pages, unsigned level, bool tables)
{
	host_record_start(steps, ARRAY_SIZE(steps));
	a64_tlb_flush_range(ctx, va, pages * PAGE_SIZE, level, tables);
	return host_record_stop();
}

/* ---- the rules of TLB maintenance -------------------------------------------------------------------------------- */

static bool is_barrier(enum insn i)
{
	return i == INSN_isb || (i >= INSN_dsb_sy && i <= INSN_dmb_ishst);
}

static bool is_tlbi(enum insn i)
{
	return i >= INSN_tlbi_vmalle1 && i <= INSN_tlbi_ripas2le1is;
}

static bool is_ipa_tlbi(enum insn i)
{
	return i >= INSN_tlbi_ipas2e1is && i <= INSN_tlbi_ripas2le1is;
}

/* The first rule that the recording breaks, or NULL. */
static const char *broken_tlb_rule(const struct host_step *s, size_t n, bool repeat)
{
	bool stores_visible = false, pending = false, ipa_pending = false, ipa_seen = false, stage1_after_ipa = false;
	unsigned completed = 0; /* groups of TLBI with a DSB ISH behind them */

	for (size_t i = 0; i < n; i++) {
		enum insn insn = s[i].insn;

		if (insn == INSN_dsb_ishst || insn == INSN_dsb_ish)
			stores_visible = true;
		if (is_tlbi(insn)) {
			if (!stores_visible)
				return "descriptor stores are visible before the TLBI";
			if (insn == INSN_tlbi_vmalle1)
				return "operations are broadcast";
			if (insn == INSN_tlbi_vmalle1is && ipa_seen) {
				if (ipa_pending)
					return "stage 2 is complete before stage 1 goes";
				stage1_after_ipa = true;
			}
			if (is_ipa_tlbi(insn))
				ipa_pending = ipa_seen = true;
			pending = true;
		}
		if (insn == INSN_dsb_ish) {
			completed += pending;
			pending = ipa_pending = false;
		}
	}
	if (pending || completed == 0)
		return "every TLBI is completed by a DSB ISH";
	if (ipa_seen && !stage1_after_ipa)
		return "combined entries go after an operation by IPA";
	if (repeat && completed < (ipa_seen ? 3u : 2u))
		return "the erratum's second TLBI and DSB";
	if (s[n - 1].insn != INSN_isb)
		return "context synchronization at the end";
	return NULL;
}

/* The recording keeps the rules, and no barrier of it could be left out. */
static void check_tlb_rules(size_t n, bool repeat)
{
	static struct host_step less[ARRAY_SIZE(steps)];
	const char *broken = broken_tlb_rule(steps, n, repeat);

	if (broken)
		tap_note("broken: %s", broken);
	CHECK(broken == NULL);
	for (size_t out = 0; out < n; out++) {
		size_t k = 0;

		if (!is_barrier(steps[out].insn))
			continue;
		for (size_t i = 0; i < n; i++) {
			if (i != out)
				less[k++] = steps[i];
		}
		CHECK(broken_tlb_rule(less, k, repeat) != NULL);
	}
}

TEST_ON(TAP_HOST, AR9,
	"every request keeps the order of barriers, with and without the repeat erratum; no barrier is spare")
{
	for (unsigned combination = 0; combination < 16; combination++) {
		bool repeat = combination & 1, range = combination & 2, tables = combination & 4, all = combination & 8;

		machine((struct cpu_features){ .repeat_tlbi = repeat, .tlb_range = range, .asid_bits = 16 });
		for (unsigned c = 0; c < ARRAY_SIZE(contexts); c++) {
			host_record_start(steps, ARRAY_SIZE(steps));
			if (all)
				a64_tlb_flush_all(contexts[c]);
			else
				a64_tlb_flush_range(contexts[c], 0x40000000, 7 * PAGE_SIZE, 3, tables);
			check_tlb_rules(host_record_stop(), repeat);
		}
	}
}

TEST_ON(TAP_HOST, AR9, "the erratum's TLBI is one that the regime's exception level may execute")
{
	machine((struct cpu_features){ .repeat_tlbi = true });
	CHECK_EQ(record_range(&global, 0x1000, 1, 3, false), 6);
	CHECK(steps[3].insn == INSN_tlbi_vale1is && steps[3].operand == 0);
	CHECK_EQ(record_range(&el2, 0x1000, 1, 3, false), 6);
	CHECK(steps[3].insn == INSN_tlbi_vale2is && steps[3].operand == 0);
	machine((struct cpu_features){ .repeat_tlbi = false });
	CHECK_EQ(record_range(&global, 0x1000, 1, 3, false), 4);
}

TEST_ON(TAP_HOST, AR5, "new mappings are published by DSB ISHST and ISB")
{
	host_record_start(steps, ARRAY_SIZE(steps));
	a64_pt_publish();
	CHECK_EQ(host_record_stop(), 2);
	CHECK(steps[0].insn == INSN_dsb_ishst && steps[1].insn == INSN_isb);
}

TEST_ON(TAP_HOST, AR6, "a new table is visible to walkers before it is linked: DSB ISHST")
{
	host_record_start(steps, ARRAY_SIZE(steps));
	a64_pt_table_ready();
	CHECK_EQ(host_record_stop(), 1);
	CHECK(steps[0].insn == INSN_dsb_ishst);
}

TEST_ON(TAP_HOST, AR10, "flushing a whole context is one operation of its regime")
{
	static const enum insn all[] = { INSN_tlbi_vmalle1is, INSN_tlbi_aside1is, INSN_tlbi_alle2is,
					 INSN_tlbi_vmalls12e1is };

	machine((struct cpu_features){ .asid_bits = 16 });
	for (unsigned c = 0; c < ARRAY_SIZE(contexts); c++) {
		host_record_start(steps, ARRAY_SIZE(steps));
		a64_tlb_flush_all(contexts[c]);
		CHECK_EQ(host_record_stop(), 4);
		CHECK_EQ(steps[0].insn, INSN_dsb_ishst);
		CHECK_EQ(steps[1].insn, all[c]);
		CHECK_EQ(steps[1].operand, contexts[c] == &one_asid ? (uint64_t)0xabcd << 48 : 0);
	}
	machine((struct cpu_features){ .asid_bits = 8 });
	host_record_start(steps, ARRAY_SIZE(steps));
	a64_tlb_flush_all(&one_asid);
	CHECK_EQ(host_record_stop(), 4);
	CHECK_EQ(steps[1].operand, (uint64_t)0x00cd << 48); /* ASID[15:8] is RES0 */
}

/* ---- what a TLBI operand says, decoded from the Arm ARM's description of each instruction ------------------------ */

struct decoded {
	enum arch_regime regime;
	bool last_level;
	bool range;
	uint64_t first, size; /* address as far as the operand holds it; bytes (by address: one page) */
	unsigned asid;
	unsigned level; /* hint; ARCH_LEVEL_UNKNOWN: none */
	bool res0_clear;
};

static bool decode(const struct host_step *s, struct decoded *d)
{
	static const struct {
		enum insn insn;
		enum arch_regime regime;
		bool last_level, range;
	} table[] = {
		{ INSN_tlbi_vaae1is, REGIME_EL1_GLOBAL, false, false },
		{ INSN_tlbi_vaale1is, REGIME_EL1_GLOBAL, true, false },
		{ INSN_tlbi_rvaae1is, REGIME_EL1_GLOBAL, false, true },
		{ INSN_tlbi_rvaale1is, REGIME_EL1_GLOBAL, true, true },
		{ INSN_tlbi_vae1is, REGIME_EL1_ASID, false, false },
		{ INSN_tlbi_vale1is, REGIME_EL1_ASID, true, false },
		{ INSN_tlbi_rvae1is, REGIME_EL1_ASID, false, true },
		{ INSN_tlbi_rvale1is, REGIME_EL1_ASID, true, true },
		{ INSN_tlbi_vae2is, REGIME_EL2, false, false },
		{ INSN_tlbi_vale2is, REGIME_EL2, true, false },
		{ INSN_tlbi_rvae2is, REGIME_EL2, false, true },
		{ INSN_tlbi_rvale2is, REGIME_EL2, true, true },
		{ INSN_tlbi_ipas2e1is, REGIME_STAGE2, false, false },
		{ INSN_tlbi_ipas2le1is, REGIME_STAGE2, true, false },
		{ INSN_tlbi_ripas2e1is, REGIME_STAGE2, false, true },
		{ INSN_tlbi_ripas2le1is, REGIME_STAGE2, true, true },
	};
	uint64_t x = s->operand;

	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].insn != s->insn)
			continue;
		*d = (struct decoded){ .regime = table[i].regime,
				       .last_level = table[i].last_level,
				       .range = table[i].range,
				       .level = ARCH_LEVEL_UNKNOWN,
				       .asid = (unsigned)(x >> 48),
				       .res0_clear = true };
		if (d->range) {
			unsigned scale = x >> 44 & 3, num = x >> 39 & 0x1f, ttl = x >> 37 & 3;

			d->first = (x & 0x1fffffffff) << 12;
			d->size = (uint64_t)(num + 1) << (5 * scale + 1 + 12);
			d->res0_clear = (x >> 46 & 3) == 1; /* TG: 4 KiB */
			if (ttl)
				d->level = ttl;
		} else {
			unsigned ttl = x >> 44 & 0xf;

			d->first = (x & 0xfffffffffff) << 12;
			d->size = PAGE_SIZE;
			if (ttl >> 2 == 1)
				d->level = ttl & 3;
			else
				d->res0_clear = ttl == 0;
			if (d->regime == REGIME_STAGE2)
				d->res0_clear = d->res0_clear && (x >> 40 & 0xf) == 0;
		}
		if (d->regime != REGIME_EL1_ASID)
			d->res0_clear = d->res0_clear && d->asid == 0;
		return true;
	}
	return false;
}

/* Bits of an address that the operand of this form and regime holds. */
static uint64_t held(const struct decoded *d, uint64_t va)
{
	unsigned top = d->range ? 49 : d->regime == REGIME_STAGE2 ? 52 : 56;

	return va & (((uint64_t)1 << top) - 1);
}

/*
 * The recording's operations are of the right kind and, one after the other, cover [va, va + pages) and nothing else.
 * stride: bytes from one operation by address to the next. False without a word: the caller counts, millions of cases
 * go through here.
 */
static bool covers_exactly(size_t n, const struct arch_tlb_ctx *ctx, uint64_t va, uint64_t pages, uint64_t stride,
			   unsigned level, bool tables)
{
	uint64_t at = va, left = pages * PAGE_SIZE;

	for (size_t i = 0; i < n; i++) {
		struct decoded d;

		if (!is_tlbi(steps[i].insn) || steps[i].insn == INSN_tlbi_vmalle1is)
			continue;
		if (!decode(&steps[i], &d) || d.regime != ctx->regime || d.last_level == tables || !d.res0_clear)
			return false;
		if (d.first != held(&d, at) || d.level != level)
			return false;
		if (ctx->regime == REGIME_EL1_ASID && d.asid != ctx->id)
			return false;
		if (d.range && level != ARCH_LEVEL_UNKNOWN && !IS_ALIGNED(d.first | d.size, stride))
			return false; /* the hint makes it match leaves of that level only */
		if ((d.range ? d.size : stride) > left)
			return false;
		at += d.range ? d.size : stride;
		left -= d.range ? d.size : stride;
	}
	return left == 0;
}

static size_t count_tlbi(size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += is_tlbi(steps[i].insn);
	return count;
}

TEST_ON(TAP_HOST, AR7, "page by page: each page of the range once, address, ASID and kind right, for all sizes to 512")
{
	static const uint64_t starts[] = { 0, 0x1000, 0x7fffff000, KERNEL_VA, 0xffff9000001ff000, 0xffffffffffe00000 };
	unsigned wrong = 0;

	machine((struct cpu_features){ .asid_bits = 16 });
	for (unsigned c = 0; c < ARRAY_SIZE(contexts); c++) {
		for (unsigned s = 0; s < ARRAY_SIZE(starts); s++) {
			for (uint64_t pages = 1; pages <= 512; pages++) {
				bool tables = pages & 1;
				size_t n = record_range(contexts[c], starts[s], pages, 3, tables);

				wrong += !covers_exactly(n, contexts[c], starts[s], pages, PAGE_SIZE,
							 ARCH_LEVEL_UNKNOWN, tables);
				wrong += count_tlbi(n) != pages + (contexts[c] == &stage2);
			}
		}
	}
	CHECK_EQ(wrong, 0);
}

TEST_ON(TAP_HOST, AR7, "more than 512 operations become one of the whole context; 512 do not")
{
	machine((struct cpu_features){ .asid_bits = 16 });
	CHECK_EQ(record_range(&global, 0, 512, 3, false), 512 + 3);
	CHECK_EQ(record_range(&global, 0, 513, 3, false), 4);
	CHECK_EQ(steps[1].insn, INSN_tlbi_vmalle1is);
	CHECK_EQ(record_range(&stage2, 0, (uint64_t)1 << 36, ARCH_LEVEL_UNKNOWN, true), 4);
	CHECK_EQ(steps[1].insn, INSN_tlbi_vmalls12e1is);
	/* blocks count once each */
	CHECK_EQ(record_range(&global, 0, 512 * 512, 2, false), 512 + 3);
	CHECK_EQ(record_range(&global, 0, 512 * 513, 2, false), 4);
}

TEST_ON(TAP_HOST, AR7, "operands hold no bit of an address outside VA[55:12] or IPA[51:12]")
{
	machine((struct cpu_features){ .asid_bits = 8 });
	record_range(&global, 0xffffffffffff0000, 1, 3, false);
	CHECK_EQ(steps[1].operand, 0x00000ffffffffff0);
	record_range(&el2, 0xffffffffffff0000, 1, 3, true);
	CHECK_EQ(steps[1].operand, 0x00000ffffffffff0);
	record_range(&stage2, 0xffffffffffff0000, 1, 3, true);
	CHECK_EQ(steps[1].operand, 0x000000fffffffff0);
	record_range(&one_asid, 0xffffffffffff0000, 1, 3, true);
	CHECK_EQ(steps[1].operand, 0x00cd0ffffffffff0);
	machine((struct cpu_features){ .asid_bits = 16, .tlb_range = true });
	record_range(&one_asid, 0xfffffffffff00000, 256, ARCH_LEVEL_UNKNOWN, true);
	CHECK_EQ(steps[1].operand, 0xabcd000000000000 | 1ull << 46 | 1ull << 44 | 3ull << 39 | 0x1fffffff00);
}

TEST_ON(TAP_HOST, AR7,
	"the level hint is given with FEAT_TTL, for leaves alone, when the alignment bears the level out")
{
	static const struct {
		uint64_t va, pages;
		unsigned level;
		bool tables;
		unsigned hint;
		uint64_t stride;
	} cases[] = {
		{ KERNEL_VA, 1, 3, false, 3, PAGE_SIZE },
		{ KERNEL_VA, 1024, 2, false, 2, MIB(2) },
		{ KERNEL_VA, 3 * 262144, 1, false, 1, GIB(1) },
		{ KERNEL_VA, 1024, 2, true, ARCH_LEVEL_UNKNOWN, MIB(2) },
		{ KERNEL_VA + PAGE_SIZE, 16, 2, false, ARCH_LEVEL_UNKNOWN, PAGE_SIZE },
		{ KERNEL_VA, 16, 2, false, ARCH_LEVEL_UNKNOWN, PAGE_SIZE },
		{ KERNEL_VA, 512, 1, false, ARCH_LEVEL_UNKNOWN, PAGE_SIZE },
		{ KERNEL_VA, 16, 0, false, ARCH_LEVEL_UNKNOWN, PAGE_SIZE },
		{ KERNEL_VA, 16, 4, false, ARCH_LEVEL_UNKNOWN, PAGE_SIZE },
		{ KERNEL_VA, 16, ARCH_LEVEL_UNKNOWN, false, ARCH_LEVEL_UNKNOWN, PAGE_SIZE },
	};

	for (unsigned ttl = 0; ttl < 2; ttl++) {
		machine((struct cpu_features){ .ttl = ttl, .asid_bits = 16 });
		for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
			unsigned hint = ttl ? cases[i].hint : ARCH_LEVEL_UNKNOWN;

			for (unsigned c = 0; c < ARRAY_SIZE(contexts); c++) {
				size_t n = record_range(contexts[c], cases[i].va, cases[i].pages, cases[i].level,
							cases[i].tables);

				CHECK(covers_exactly(n, contexts[c], cases[i].va, cases[i].pages, cases[i].stride, hint,
						     cases[i].tables));
			}
		}
	}
	/* the bits themselves: TTL in 47:44, granule 4 KiB */
	record_range(&global, 0x1000, 1, 3, false);
	CHECK_EQ(steps[1].operand, (uint64_t)7 << 44 | 1);
	record_range(&global, 0, 512, 2, false);
	CHECK_EQ(steps[1].operand, (uint64_t)6 << 44);
}

TEST_ON(TAP_HOST, AR8, "by range: exactly the range, for all sizes of 1 to 2000 pages at 64 alignments")
{
	unsigned wrong = 0, longest = 0;

	machine((struct cpu_features){ .tlb_range = true, .asid_bits = 16 });
	for (uint64_t pages = 1; pages <= 2000; pages++) {
		for (uint64_t start = 0; start < 64; start++) {
			const struct arch_tlb_ctx *ctx = contexts[(start + pages) % ARRAY_SIZE(contexts)];
			uint64_t va = KERNEL_VA + start * PAGE_SIZE;
			size_t n = record_range(ctx, va, pages, ARCH_LEVEL_UNKNOWN, start & 1);

			wrong += !covers_exactly(n, ctx, va, pages, PAGE_SIZE, ARCH_LEVEL_UNKNOWN, start & 1);
			if (count_tlbi(n) > longest)
				longest = (unsigned)count_tlbi(n);
		}
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(longest, 4); /* scales 1 and 0, a single page, and stage 2's VMALLE1IS */
}

TEST_ON(TAP_HOST, AR8, "by range: large and odd sizes, blocks with a level hint, the end of the address space")
{
	uint64_t state = 1;
	unsigned wrong = 0;

	machine((struct cpu_features){ .tlb_range = true, .ttl = true, .asid_bits = 16 });
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t pages, va;
		const struct arch_tlb_ctx *ctx = contexts[i % ARRAY_SIZE(contexts)];

		state = state * 6364136223846793005 + 1442695040888963407;
		pages = (state >> 40 & 0x1fffff) + 1; /* to 8 GiB, which one operation of scale 3 holds */
		state = state * 6364136223846793005 + 1442695040888963407;
		va = KERNEL_VA + (state >> 28 << 12);
		wrong += !covers_exactly(record_range(ctx, va, pages, ARCH_LEVEL_UNKNOWN, true), ctx, va, pages,
					 PAGE_SIZE, ARCH_LEVEL_UNKNOWN, true);
	}
	for (uint64_t blocks = 1; blocks <= 4096; blocks++) {
		uint64_t va = KERNEL_VA + MIB(2) * (blocks % 7);

		wrong += !covers_exactly(record_range(&global, va, blocks * 512, 2, false), &global, va, blocks * 512,
					 MIB(2), 2, false);
	}
	for (uint64_t blocks = 1; blocks <= 8; blocks++)
		wrong += !covers_exactly(record_range(&global, KERNEL_VA, blocks << 18, 1, false), &global, KERNEL_VA,
					 blocks << 18, GIB(1), 1, false);
	for (uint64_t pages = 1; pages < 100; pages++) {
		uint64_t va = -(pages * PAGE_SIZE);

		wrong += !covers_exactly(record_range(&global, va, pages, 3, false), &global, va, pages, PAGE_SIZE, 3,
					 false);
	}
	CHECK_EQ(wrong, 0);
	/* 8 GiB is the most that SCALE 3, NUM 31 says; beyond it everything goes */
	CHECK_EQ(record_range(&global, KERNEL_VA, (uint64_t)1 << 21, ARCH_LEVEL_UNKNOWN, true), 4);
	CHECK_EQ(steps[1].operand, 1ull << 46 | 3ull << 44 | 31ull << 39 | 0x1000000000);
	CHECK_EQ(record_range(&global, KERNEL_VA, ((uint64_t)1 << 21) + 1, ARCH_LEVEL_UNKNOWN, true), 4);
	CHECK_EQ(steps[1].insn, INSN_tlbi_vmalle1is);
}

TEST_ON(TAP_HOST, AR8, "range operations are never issued without FEAT_TLBIRANGE, and not for one or two leaves")
{
	struct decoded d;

	machine((struct cpu_features){ .tlb_range = false, .ttl = true });
	for (uint64_t pages = 1; pages < 600; pages++) {
		size_t n = record_range(&global, 0, pages, 3, false);

		for (size_t i = 0; i < n; i++)
			CHECK(!decode(&steps[i], &d) || !d.range);
	}
	machine((struct cpu_features){ .tlb_range = true });
	CHECK_EQ(record_range(&global, 0, 2, 3, false), 5);
	CHECK_EQ(steps[1].insn, INSN_tlbi_vaale1is);
	CHECK_EQ(record_range(&global, 0, 1024, 2, false), 5);
	CHECK_EQ(steps[1].insn, INSN_tlbi_vaale1is);
	CHECK_EQ(record_range(&global, 0, 4, 3, false), 4);
	CHECK_EQ(steps[1].insn, INSN_tlbi_rvaale1is);
}

#else /* on the machine */

static uint8_t area[8192] __attribute__((aligned(2048)));

static uint32_t sum(void)
{
	uint32_t s = 0;

	for (size_t i = 0; i < sizeof(area); i++)
		s = s * 31 + area[i];
	return s;
}

static void fill(void)
{
	for (size_t i = 0; i < sizeof(area); i++)
		area[i] = (uint8_t)(i * 7 + 1);
}

TEST_ON(TAP_TARGET, AR7, "page operations of EL1 execute, and what is mapped stays mapped")
{
	const struct arch_tlb_ctx asid = { REGIME_EL1_ASID, 1 };
	bool range = cpu_features.tlb_range;
	uint32_t before;

	fill();
	before = sum();
	cpu_features.tlb_range = false;
	for (unsigned tables = 0; tables < 2; tables++) {
		arch_tlb_flush_range(&global, (uintptr_t)area & ~PAGE_MASK, 3 * PAGE_SIZE, 3, tables);
		arch_tlb_flush_range(&global, (uintptr_t)area & ~(MIB(2) - 1), MIB(2), 2, tables);
		arch_tlb_flush_range(&global, (uintptr_t)area & ~PAGE_MASK, 3 * PAGE_SIZE, ARCH_LEVEL_UNKNOWN, tables);
		arch_tlb_flush_range(&asid, 0x1000, 3 * PAGE_SIZE, 3, tables);
	}
	cpu_features.tlb_range = range;
	CHECK_EQ(sum(), before);
}

TEST_ON(TAP_TARGET, AR8, "range operations of EL1 execute where the CPU has them")
{
	const struct arch_tlb_ctx asid = { REGIME_EL1_ASID, 1 };
	uint32_t before;

	fill();
	before = sum();
	for (unsigned tables = 0; tables < 2; tables++) {
		for (uint64_t pages = 1; pages < 5000; pages = pages * 3 + 1) {
			arch_tlb_flush_range(&global, KERNEL_VA, pages * PAGE_SIZE, ARCH_LEVEL_UNKNOWN, tables);
			arch_tlb_flush_range(&asid, 0x1000, pages * PAGE_SIZE, 3, tables);
		}
	}
	CHECK_EQ(sum(), before);
}

TEST_ON(TAP_TARGET, AR10, "flushing everything of EL1 executes")
{
	const struct arch_tlb_ctx asid = { REGIME_EL1_ASID, 1 };
	uint32_t before;

	fill();
	before = sum();
	arch_tlb_flush_all(&global);
	arch_tlb_flush_all(&asid);
	arch_pt_publish();
	arch_pt_table_ready();
	CHECK_EQ(sum(), before);
}

#endif
