/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What arch/aarch64 executes to clean caches, to clear memory and to switch the MMU on: recorded on the host and held
 * against the rules, executed on the target (the switch itself has been executed when a suite runs there).
 */
#define SUITE "arch_cache"
#include "arch/aarch64/cache.h"
#include "arch/aarch64/features.h"
#include "arch/aarch64/insn.h"
#include "arch/aarch64/mmu_on.h"
#include "arch/arch.h"
#include "lib/string.h"
#include "lib/tap.h"

#if INSN_RECORDED
#include "arch/host/host.h"

static struct host_step steps[512];

/* The features a test asks for, and no others. */
static void machine(struct cpu_features f)
{
	if (f.dcache_line == 0)
		f.dcache_line = 64;
	cpu_features = f;
	host_sysreg_reset();
}

/* ---- caches ------------------------------------------------------------------------------------------------------ */

/* The recording is one `insn` for each line of [first, last], in order, then DSB SY. */
static void check_lines(size_t n, enum insn insn, uint64_t first, uint64_t last, uint64_t line)
{
	CHECK_EQ(n, (last - first) / line + 2);
	for (size_t i = 0; i + 1 < n && i < ARRAY_SIZE(steps); i++) {
		CHECK_EQ(steps[i].insn, insn);
		CHECK_EQ(steps[i].operand, first + i * line);
	}
	CHECK_EQ(steps[n - 1].insn, INSN_dsb_sy);
}

static const struct {
	uint64_t va, size, first, last;
} line_cases[] = {
	{ 0x1000, 64, 0x1000, 0x1000 },
	{ 0x1000, 65, 0x1000, 0x1040 },
	{ 0x103f, 1, 0x1000, 0x1000 },
	{ 0x103f, 2, 0x1000, 0x1040 },
	{ 0, 1, 0, 0 },
	{ 0x1001, 0x1000, 0x1000, 0x2000 },
	{ 0xffffffffffffffc1, 63, -64ull, -64ull },
	{ 0xffffffffffffff80, 128, -128ull, -64ull },
};

TEST_ON(TAP_HOST, AR11,
	"cleaning touches every line of the range once, to the last byte of the address space, then DSB SY")
{
	machine((struct cpu_features){ .dcache_line = 64 });
	for (unsigned i = 0; i < ARRAY_SIZE(line_cases); i++) {
		host_record_start(steps, ARRAY_SIZE(steps));
		a64_dcache_clean((const void *)(uintptr_t)line_cases[i].va, line_cases[i].size);
		check_lines(host_record_stop(), INSN_dc_cvac, line_cases[i].first, line_cases[i].last, 64);
	}
	host_record_start(steps, ARRAY_SIZE(steps));
	a64_dcache_clean((const void *)0x1000, 0);
	CHECK_EQ(host_record_stop(), 1); /* the barrier alone */
	CHECK_EQ(steps[0].insn, INSN_dsb_sy);
}

TEST_ON(TAP_HOST, AR12, "cleaning and invalidating likewise, with the line size of the machine")
{
	for (uint64_t line = 4; line <= 128; line *= 2) {
		machine((struct cpu_features){ .dcache_line = (uint16_t)line });
		host_record_start(steps, ARRAY_SIZE(steps));
		a64_dcache_clean_inval((const void *)0x1fff, 258);
		check_lines(host_record_stop(), INSN_dc_civac, 0x2000 - line, 0x2100, line);
	}
	machine((struct cpu_features){ .dcache_line = 64 });
	for (unsigned i = 0; i < ARRAY_SIZE(line_cases); i++) {
		host_record_start(steps, ARRAY_SIZE(steps));
		a64_dcache_clean_inval((const void *)(uintptr_t)line_cases[i].va, line_cases[i].size);
		check_lines(host_record_stop(), INSN_dc_civac, line_cases[i].first, line_cases[i].last, 64);
	}
	host_record_start(steps, ARRAY_SIZE(steps));
	a64_dcache_clean_inval((const void *)0x1000, 0);
	CHECK_EQ(host_record_stop(), 1);
}

TEST_ON(TAP_HOST, AR13,
	"invalidation after stores past the caches: DMB first, IVAC for whole lines, CIVAC for partial ones")
{
	static const struct {
		uint64_t start, end;
	} cases[] = { { 0x1000, 0x1100 }, { 0x1010, 0x1100 }, { 0x1000, 0x10f0 }, { 0x1010, 0x1020 },
		      { 0x103f, 0x1041 }, { 0x1000, 0x1000 }, { 0, 0x40 } };

	machine((struct cpu_features){ .dcache_line = 16 }); /* a smaller one elsewhere does not count here */
	host_sysreg_set("ctr_el0", 4 << 16);		     /* DminLine: 16 words */
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t start = cases[i].start, end = cases[i].end, line = start & ~(uint64_t)63;
		size_t n, at = 1;

		host_record_start(steps, ARRAY_SIZE(steps));
		dcache_inval_poc(start, end);
		n = host_record_stop();
		CHECK_EQ(steps[0].insn, INSN_dmb_sy);
		for (; line < end; line += 64, at++) {
			bool whole = line >= start && line + 64 <= end;

			CHECK_EQ(steps[at].insn, whole ? INSN_dc_ivac : INSN_dc_civac);
			CHECK_EQ(steps[at].operand, line);
		}
		CHECK_EQ(steps[at].insn, INSN_dsb_sy);
		CHECK_EQ(n, at + 1);
	}
}

TEST_ON(TAP_HOST, AR14,
	"zeroing clears the range and nothing else, for every DC ZVA block size, alignment and length to 1 KiB")
{
	static uint8_t arena[4096] __attribute__((aligned(2048)));
	static const struct {
		uint16_t block;
		uint64_t dczid;
	} zva[] = { { 0, 0x10 }, { 16, 2 }, { 64, 4 }, { 128, 5 }, { 256, 6 }, { 2048, 9 } };
	unsigned wrong = 0;

	for (unsigned z = 0; z < ARRAY_SIZE(zva); z++) {
		machine((struct cpu_features){ .zva_size = zva[z].block });
		host_sysreg_set("dczid_el0", zva[z].dczid);
		for (size_t start = 0; start < 1024; start += 64) {
			for (size_t size = 0; size <= 1024 + 2048 * (start == 0); size += 64) {
				size_t n, blocks = 0;

				memset(arena, 0xa5, sizeof(arena));
				host_record_start(steps, ARRAY_SIZE(steps));
				a64_zero(arena + start, size);
				n = host_record_stop();
				for (size_t i = 0; i < sizeof(arena); i++)
					wrong += arena[i] != (i >= start && i < start + size ? 0 : 0xa5);
				for (size_t i = 0; i < n; i++)
					blocks += steps[i].insn == INSN_dc_zva;
				/* and it is used for every block that lies inside */
				if (zva[z].block) {
					size_t first = ALIGN_UP(start, zva[z].block);
					size_t end = ALIGN_DOWN(start + size, zva[z].block);

					wrong += blocks != (end > first ? (end - first) / zva[z].block : 0);
				} else {
					wrong += blocks != 0;
				}
			}
		}
	}
	CHECK_EQ(wrong, 0);
}

/* ---- switching the MMU on ---------------------------------------------------------------------------------------- */

static bool writes(const struct host_step *s, const char *reg)
{
	return s->insn == INSN_msr && strcmp(s->reg, reg) == 0;
}

static const char *broken_switch_rule(const struct host_step *s, size_t n)
{
	static const char *const before_m[] = { "mair_el1", "tcr_el1", "ttbr0_el1", "ttbr1_el1" };
	bool stores_complete = false, tlb_clean = false, icache_clean = false;
	bool tlbi_pending = false, ic_pending = false;
	bool written[4] = { false }, in_force[4] = { false };

	for (size_t i = 0; i < n; i++) {
		if (s[i].insn == INSN_dsb_sy || s[i].insn == INSN_dsb_nsh) {
			tlb_clean = tlb_clean || tlbi_pending;
			icache_clean = icache_clean || ic_pending;
			stores_complete = stores_complete || s[i].insn == INSN_dsb_sy;
		}
		if (s[i].insn == INSN_tlbi_vmalle1) {
			if (!stores_complete)
				return "stores to the tables are complete before the TLB is cleaned";
			tlbi_pending = true;
		}
		if (s[i].insn == INSN_ic_iallu)
			ic_pending = true;
		for (unsigned r = 0; r < 4; r++) {
			written[r] = written[r] || writes(&s[i], before_m[r]);
			in_force[r] = in_force[r] || (written[r] && s[i].insn == INSN_isb);
		}
		if (writes(&s[i], "sctlr_el1")) {
			if (!stores_complete)
				return "stores to the tables are complete before walks begin";
			if (!tlb_clean)
				return "the TLB is clean before walks begin";
			if (!icache_clean)
				return "the instruction cache is clean before it is used";
			for (unsigned r = 0; r < 4; r++) {
				if (!in_force[r])
					return "MAIR, TCR and TTBRs are in force before M";
			}
			if (i + 2 != n || s[i + 1].insn != INSN_isb)
				return "an ISB follows at once, and is the end";
			return NULL;
		}
	}
	return "SCTLR is written";
}

TEST_ON(TAP_HOST, AR17,
	"switching on keeps the order that the architecture wants; no instruction of the sequence is spare")
{
	struct mmu_config config = { 0x11, 0x22, 0x33000, 0x44000, 0x55 };
	struct host_step less[32];
	const char *broken;
	size_t n;

	host_record_start(steps, ARRAY_SIZE(steps));
	mmu_switch_on(&config);
	n = host_record_stop();
	CHECK_OR_RETURN(n <= ARRAY_SIZE(less));
	broken = broken_switch_rule(steps, n);
	if (broken)
		tap_note("broken: %s", broken);
	CHECK(broken == NULL);
	for (size_t out = 0; out < n; out++) {
		size_t k = 0;

		for (size_t i = 0; i < n; i++) {
			if (i != out)
				less[k++] = steps[i];
		}
		CHECK(broken_switch_rule(less, k) != NULL);
	}
	CHECK_EQ(host_mrs("mair_el1"), 0x11);
	CHECK_EQ(host_mrs("tcr_el1"), 0x22);
	CHECK_EQ(host_mrs("ttbr0_el1"), 0x33000);
	CHECK_EQ(host_mrs("ttbr1_el1"), 0x44000);
	CHECK_EQ(host_mrs("sctlr_el1"), 0x55);
}

TEST_ON(TAP_HOST, AR18, "taking the identity map away: table visible, TTBR0 in force, TLB cleaned here and complete")
{
	static const enum insn order[] = {
		INSN_dsb_ishst, INSN_msr, INSN_isb, INSN_tlbi_vmalle1, INSN_dsb_nsh, INSN_isb
	};

	host_sysreg_reset();
	host_record_start(steps, ARRAY_SIZE(steps));
	mmu_ttbr0_clear(paddr(0x40123000));
	CHECK_EQ(host_record_stop(), ARRAY_SIZE(order));
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
		CHECK_EQ(steps[i].insn, order[i]);
	CHECK(writes(&steps[1], "ttbr0_el1"));
	CHECK_EQ(host_mrs("ttbr0_el1"), 0x40123000);
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

TEST_ON(TAP_TARGET, AR11, "cleaning keeps the contents, at any alignment")
{
	uint32_t before;

	fill();
	before = sum();
	for (size_t i = 0; i < 130; i++)
		arch_dcache_clean(area + i, sizeof(area) - 2 * i);
	CHECK_EQ(sum(), before);
}

TEST_ON(TAP_TARGET, AR12, "cleaning and invalidating keeps the contents, at any alignment")
{
	uint32_t before;

	fill();
	before = sum();
	for (size_t i = 0; i < 130; i++)
		arch_dcache_clean_inval(area + i, sizeof(area) - 2 * i);
	CHECK_EQ(sum(), before);
}

TEST_ON(TAP_TARGET, AR14, "zeroing clears the range and nothing else, with this CPU's DC ZVA and without")
{
	uint16_t zva = cpu_features.zva_size;
	unsigned wrong = 0;

	for (unsigned with = 0; with < 2; with++) {
		cpu_features.zva_size = with ? zva : 0;
		for (size_t start = 0; start < 512; start += 64) {
			for (size_t size = 0; size <= 4096; size += 448) {
				memset(area, 0xa5, sizeof(area));
				arch_zero(area + start, size);
				for (size_t i = 0; i < sizeof(area); i++)
					wrong += area[i] != (i >= start && i < start + size ? 0 : 0xa5);
			}
		}
	}
	cpu_features.zva_size = zva;
	CHECK_EQ(wrong, 0);
}

#endif
