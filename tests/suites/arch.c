/* SPDX-License-Identifier: BSD-2-Clause */
/* Processor features and errata, and the values of the translation registers that follow from them. */
#define SUITE "arch"
#include "arch/aarch64/features.h"
#include "arch/aarch64/insn.h"
#include "arch/aarch64/mmu_on.h"
#include "arch/arch.h"
#include "arch/format.h"
#include "lib/string.h"
#include "lib/tap.h"

static uint64_t bits(uint64_t value, unsigned low, unsigned count)
{
	return value >> low & (((uint64_t)1 << count) - 1);
}

/* ---- translation registers --------------------------------------------------------------------------------------- */

static const struct cpu_features plain = { .pa_bits = 40, .asid_bits = 8, .granule_4k = true };

TEST_ON(TAP_HOST, AR15, "TCR: 48-bit halves of 4 KiB pages, write-back inner-shareable walks, no top byte ignored")
{
	struct mmu_config c;
	struct cpu_features f = plain;

	CHECK_OR_RETURN(mmu_config_make(&c, &f, paddr(0x40001000), paddr(0x40002000)));
	CHECK_EQ(bits(c.tcr, 0, 6), 16);  /* T0SZ */
	CHECK_EQ(bits(c.tcr, 7, 1), 0);	  /* EPD0 */
	CHECK_EQ(bits(c.tcr, 8, 2), 1);	  /* IRGN0 */
	CHECK_EQ(bits(c.tcr, 10, 2), 1);  /* ORGN0 */
	CHECK_EQ(bits(c.tcr, 12, 2), 3);  /* SH0 */
	CHECK_EQ(bits(c.tcr, 14, 2), 0);  /* TG0 */
	CHECK_EQ(bits(c.tcr, 16, 6), 16); /* T1SZ */
	CHECK_EQ(bits(c.tcr, 22, 1), 0);  /* A1 */
	CHECK_EQ(bits(c.tcr, 23, 1), 0);  /* EPD1 */
	CHECK_EQ(bits(c.tcr, 24, 2), 1);  /* IRGN1 */
	CHECK_EQ(bits(c.tcr, 26, 2), 1);  /* ORGN1 */
	CHECK_EQ(bits(c.tcr, 28, 2), 3);  /* SH1 */
	CHECK_EQ(bits(c.tcr, 30, 2), 2);  /* TG1: 4 KiB is 0b10 here */
	CHECK_EQ(bits(c.tcr, 32, 3), 2);  /* IPS: 40 bits */
	CHECK_EQ(bits(c.tcr, 35, 1), 0);  /* RES0 */
	CHECK_EQ(bits(c.tcr, 36, 1), 0);  /* AS */
	CHECK_EQ(bits(c.tcr, 37, 27), 0); /* TBI, HA, HD, DS and what came later */
	CHECK_EQ(c.ttbr0, 0x40001000);
	CHECK_EQ(c.ttbr1, 0x40002000);
	CHECK_EQ(c.mair, format_mair());
}

TEST_ON(TAP_HOST, AR15, "TCR follows the CPU: IPS is never more than it has, 16-bit ASIDs where there are")
{
	static const struct {
		uint8_t pa_bits, ips;
	} cases[] = { { 32, 0 }, { 36, 1 }, { 40, 2 }, { 42, 3 }, { 44, 4 }, { 48, 5 } };
	struct mmu_config c;
	struct cpu_features f = plain;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		f.pa_bits = cases[i].pa_bits;
		for (unsigned asid = 8; asid <= 16; asid += 8) {
			f.asid_bits = (uint8_t)asid;
			CHECK_OR_RETURN(mmu_config_make(&c, &f, paddr(0), paddr(0x1000)));
			CHECK_EQ(bits(c.tcr, 32, 3), cases[i].ips);
			CHECK_EQ(bits(c.tcr, 36, 1), asid == 16);
		}
	}
	/* nothing else depends on features: hardware access flag and dirty state stay off */
	f = plain;
	f.hafdbs = 2;
	f.lpa2 = true;
	CHECK_OR_RETURN(mmu_config_make(&c, &f, paddr(0), paddr(0x1000)));
	CHECK_EQ(bits(c.tcr, 37, 27), 0);
}

TEST_ON(TAP_HOST, AR15, "SCTLR: MMU, caches and checks on, writable never executable, RES1 bits set, the rest clear")
{
	static const uint8_t set[] = { 0, 1, 2, 3, 4, 7, 8, 11, 12, 19, 20, 22, 23, 28, 29 };
	uint64_t want = 0;
	struct mmu_config c;

	for (unsigned i = 0; i < ARRAY_SIZE(set); i++)
		want |= (uint64_t)1 << set[i];
	CHECK_OR_RETURN(mmu_config_make(&c, &plain, paddr(0), paddr(0x1000)));
	CHECK_EQ(c.sctlr, want);
}

TEST_ON(TAP_HOST, AR16,
	"a CPU without 4 KiB pages, and roots that no TTBR can hold, are refused and nothing is written")
{
	struct mmu_config c, before;
	struct cpu_features f = plain;

	memset(&c, 0x5a, sizeof(c));
	before = c;
	CHECK(!mmu_config_make(&c, &f, paddr(0x1008), paddr(0x2000)));
	CHECK(!mmu_config_make(&c, &f, paddr(0x1000), paddr(0x2800)));
	CHECK(!mmu_config_make(&c, &f, paddr((uint64_t)1 << 40), paddr(0x2000)));
	CHECK(!mmu_config_make(&c, &f, paddr(0x1000), paddr(0xfffffffffffff000)));
	f.granule_4k = false;
	CHECK(!mmu_config_make(&c, &f, paddr(0x1000), paddr(0x2000)));
	f = plain;
	f.pa_bits = 0; /* features were never read */
	CHECK(!mmu_config_make(&c, &f, paddr(0), paddr(0)));
	f.pa_bits = 52;
	CHECK(!mmu_config_make(&c, &f, paddr(0x1000), paddr(0x2000)));
	CHECK(memcmp(&c, &before, sizeof(c)) == 0);
	f = plain;
	CHECK(mmu_config_make(&c, &f, paddr(0), paddr(((uint64_t)1 << 40) - PAGE_SIZE)));
}

/* ---- features: several CPUs -------------------------------------------------------------------------------------- */

/* Field by field: padding is nobody's. */
static bool same_features(const struct cpu_features *a, const struct cpu_features *b)
{
	return a->pa_bits == b->pa_bits && a->asid_bits == b->asid_bits && a->vmid_bits == b->vmid_bits &&
	       a->hafdbs == b->hafdbs && a->bbm == b->bbm && a->dcache_line == b->dcache_line &&
	       a->icache_line == b->icache_line && a->zva_size == b->zva_size && a->granule_4k == b->granule_4k &&
	       a->lpa2 == b->lpa2 && a->lse == b->lse && a->tlb_range == b->tlb_range && a->ttl == b->ttl &&
	       a->cnp == b->cnp && a->pan == b->pan && a->bti == b->bti && a->fwb == b->fwb && a->idc == b->idc &&
	       a->dic == b->dic && a->repeat_tlbi == b->repeat_tlbi;
}

static const struct cpu_features everything = { .pa_bits = 48,
						.asid_bits = 16,
						.vmid_bits = 16,
						.hafdbs = 2,
						.bbm = 2,
						.dcache_line = 64,
						.icache_line = 64,
						.zva_size = 64,
						.granule_4k = true,
						.lpa2 = true,
						.lse = true,
						.tlb_range = true,
						.ttl = true,
						.cnp = true,
						.pan = true,
						.bti = true,
						.fwb = true,
						.idc = true,
						.dic = true,
						.repeat_tlbi = false };

TEST(AR3, "a field that one CPU has less of is less for all, whichever CPU comes first; the others keep theirs")
{
	struct cpu_features less = { .pa_bits = 40,
				     .asid_bits = 8,
				     .vmid_bits = 8,
				     .hafdbs = 1,
				     .bbm = 1,
				     .dcache_line = 32,
				     .icache_line = 16,
				     .repeat_tlbi = true };
	struct cpu_features one, a, b;
	unsigned fields = 0;

#define LOSE(field_)                                                       \
	do {                                                               \
		one = everything;                                          \
		one.field_ = less.field_;                                  \
		a = everything;                                            \
		features_merge(&a, &one);                                  \
		b = one;                                                   \
		features_merge(&b, &everything);                           \
		CHECK(a.field_ == less.field_ && b.field_ == less.field_); \
		CHECK(same_features(&a, &one) && same_features(&b, &one)); \
		fields++;                                                  \
	} while (0)
	LOSE(pa_bits);
	LOSE(asid_bits);
	LOSE(vmid_bits);
	LOSE(hafdbs);
	LOSE(bbm);
	LOSE(dcache_line);
	LOSE(icache_line);
	LOSE(zva_size);
	LOSE(granule_4k);
	LOSE(lpa2);
	LOSE(lse);
	LOSE(tlb_range);
	LOSE(ttl);
	LOSE(cnp);
	LOSE(pan);
	LOSE(bti);
	LOSE(fwb);
	LOSE(idc);
	LOSE(dic);
	LOSE(repeat_tlbi); /* an erratum: what one CPU needs, all do */
#undef LOSE
	CHECK_EQ(fields, 20);

	/* DC ZVA: one size for all or none, not the smaller one */
	one = everything;
	one.zva_size = 256;
	a = everything;
	features_merge(&a, &one);
	CHECK_EQ(a.zva_size, 0);
	a = everything;
	features_merge(&a, &everything);
	CHECK(same_features(&a, &everything));
}

#if INSN_RECORDED
#include "arch/host/host.h"

/* ---- features: one CPU (registers as QEMU 7.2 shows them for -cpu NAME) ------------------------------------------ */

struct id_registers {
	const char *cpu;
	uint64_t midr, mmfr0, mmfr1, mmfr2, isar0, pfr1, ctr, dczid;
};

static void set_registers(const struct id_registers *r)
{
	host_sysreg_set("midr_el1", r->midr);
	host_sysreg_set("id_aa64mmfr0_el1", r->mmfr0);
	host_sysreg_set("id_aa64mmfr1_el1", r->mmfr1);
	host_sysreg_set("id_aa64mmfr2_el1", r->mmfr2);
	host_sysreg_set("id_aa64isar0_el1", r->isar0);
	host_sysreg_set("id_aa64pfr1_el1", r->pfr1);
	host_sysreg_set("ctr_el0", r->ctr);
	host_sysreg_set("dczid_el0", r->dczid);
}

static const struct id_registers a53 = { "cortex-a53", 0x410fd034, 0x1122, 0, 0, 0x11120, 0, 0x84448004, 4 };
static const struct id_registers a57 = { "cortex-a57", 0x411fd070, 0x1124, 0, 0, 0x11120, 0, 0x8444c004, 4 };
static const struct id_registers a76 = { "cortex-a76",	 0x414fd0b1, 0x101122,	 0x10212122, 0x1011,
					 0x100010211120, 0x10,	     0x8444c004, 4 };
static const struct id_registers n1 = { "neoverse-n1",	0x414fd0c1, 0x101125,	0x10212122, 0x1011,
					0x100010211120, 0x20,	    0x8444c004, 4 };
static const struct id_registers a64fx = {
	"a64fx", 0x461f0010, 0x1122, 0x11212100, 0x1011, 0x10211120, 0, 0x86668006, 6
};
static const struct id_registers max = {
	"max", 0xf0510, 0x32310201126, 0x11010211122, 0x1021011010011011, 0x1221111110212120, 0x1000021, 0x8444c004, 4
};

TEST_ON(TAP_HOST, AR1, "the features of six real CPUs are read from their ID registers")
{
	static const struct {
		const struct id_registers *regs;
		struct cpu_features want;
	} cpus[] = {
		{ &a53,
		  { .pa_bits = 40,
		    .asid_bits = 16,
		    .vmid_bits = 8,
		    .dcache_line = 64,
		    .icache_line = 64,
		    .zva_size = 64,
		    .granule_4k = true } },
		{ &a57,
		  { .pa_bits = 44,
		    .asid_bits = 16,
		    .vmid_bits = 8,
		    .dcache_line = 64,
		    .icache_line = 64,
		    .zva_size = 64,
		    .granule_4k = true } },
		{ &a76,
		  { .pa_bits = 40,
		    .asid_bits = 16,
		    .vmid_bits = 16,
		    .hafdbs = 2,
		    .dcache_line = 64,
		    .icache_line = 64,
		    .zva_size = 64,
		    .granule_4k = true,
		    .lse = true,
		    .cnp = true,
		    .pan = true,
		    .repeat_tlbi = true } },
		{ &n1,
		  { .pa_bits = 48,
		    .asid_bits = 16,
		    .vmid_bits = 16,
		    .hafdbs = 2,
		    .dcache_line = 64,
		    .icache_line = 64,
		    .zva_size = 64,
		    .granule_4k = true,
		    .lse = true,
		    .cnp = true,
		    .pan = true,
		    .repeat_tlbi = true } },
		{ &a64fx,
		  { .pa_bits = 40,
		    .asid_bits = 16,
		    .vmid_bits = 8,
		    .dcache_line = 256,
		    .icache_line = 256,
		    .zva_size = 256,
		    .granule_4k = true,
		    .lse = true,
		    .cnp = true,
		    .pan = true } },
		{ &max,
		  { .pa_bits = 48,
		    .asid_bits = 16,
		    .vmid_bits = 16,
		    .hafdbs = 2,
		    .bbm = 2,
		    .dcache_line = 64,
		    .icache_line = 64,
		    .zva_size = 64,
		    .granule_4k = true,
		    .lpa2 = true,
		    .lse = true,
		    .tlb_range = true,
		    .ttl = true,
		    .cnp = true,
		    .pan = true,
		    .bti = true,
		    .fwb = true } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cpus); i++) {
		struct cpu_features got;
		bool same;

		host_sysreg_reset();
		set_registers(cpus[i].regs);
		features_read(&got);
		same = same_features(&got, &cpus[i].want);
		if (!same)
			tap_note("%s", cpus[i].regs->cpu);
		CHECK(same);
		features_init();
		CHECK(same_features(&cpu_features, &cpus[i].want));
	}
}

static struct cpu_features read_with(const char *reg, uint64_t value)
{
	struct cpu_features f;

	host_sysreg_reset();
	host_sysreg_set(reg, value);
	features_read(&f);
	return f;
}

TEST_ON(TAP_HOST, AR1,
	"every value of every field means what the Arm ARM says, and unknown larger ones at least as much")
{
	static const uint8_t pa[16] = { 32, 36, 40, 42, 44, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48 };

	for (uint64_t v = 0; v < 16; v++) {
		CHECK_EQ(read_with("id_aa64mmfr0_el1", v).pa_bits, pa[v]);
		CHECK_EQ(read_with("id_aa64mmfr0_el1", v << 4).asid_bits, v >= 2 ? 16 : 8);
		CHECK_EQ(read_with("id_aa64mmfr0_el1", v << 28).granule_4k, v < 8); /* signed */
		CHECK_EQ(read_with("id_aa64mmfr0_el1", v << 28).lpa2, v >= 1 && v < 8);
		CHECK_EQ(read_with("id_aa64mmfr1_el1", v << 0).hafdbs, v < 2 ? v : 2);
		CHECK_EQ(read_with("id_aa64mmfr1_el1", v << 4).vmid_bits, v >= 2 ? 16 : 8);
		CHECK_EQ(read_with("id_aa64mmfr1_el1", v << 20).pan, v >= 1);
		CHECK_EQ(read_with("id_aa64mmfr2_el1", v << 0).cnp, v >= 1);
		CHECK_EQ(read_with("id_aa64mmfr2_el1", v << 40).fwb, v >= 1);
		CHECK_EQ(read_with("id_aa64mmfr2_el1", v << 48).ttl, v >= 1);
		CHECK_EQ(read_with("id_aa64mmfr2_el1", v << 52).bbm, v < 2 ? v : 2);
		CHECK_EQ(read_with("id_aa64isar0_el1", v << 20).lse, v >= 2);
		CHECK_EQ(read_with("id_aa64isar0_el1", v << 56).tlb_range, v >= 2);
		CHECK_EQ(read_with("id_aa64pfr1_el1", v).bti, v >= 1);
		CHECK_EQ(read_with("ctr_el0", v << 16).dcache_line, (uint64_t)4 << v & 0xffff);
		CHECK_EQ(read_with("ctr_el0", v).icache_line, (uint64_t)4 << v & 0xffff);
		CHECK_EQ(read_with("dczid_el0", v).zva_size, v <= 9 ? 4 << v : 0);
		CHECK_EQ(read_with("dczid_el0", v | 0x10).zva_size, 0); /* DZP: prohibited */
	}
	CHECK(read_with("ctr_el0", 1 << 28).idc && !read_with("ctr_el0", 1 << 28).dic);
	CHECK(read_with("ctr_el0", 1 << 29).dic && !read_with("ctr_el0", 1 << 29).idc);
}

TEST_ON(TAP_HOST, AR2,
	"errata follow MIDR: A55, A510 and the big cores from A76 on repeat TLBIs, A55 has no hardware dirty state, nobody else")
{
	static const struct {
		uint32_t part;
		bool repeat, dbm;
	} cores[] = {
		{ 0xd05, true, false },				/* A55 */
		{ 0xd0b, true, true },	{ 0xd0c, true, true },	/* A76, N1 */
		{ 0xd0d, true, true },	{ 0xd0e, true, true },	/* A77, A76AE */
		{ 0xd40, true, true },	{ 0xd41, true, true },	/* V1, A78 */
		{ 0xd42, true, true },	{ 0xd44, true, true },	/* A78AE, X1 */
		{ 0xd46, true, true },	{ 0xd47, true, true },	/* A510, A710 */
		{ 0xd48, true, true },	{ 0xd49, true, true },	/* X2, N2 */
		{ 0xd4b, true, true },	{ 0xd4c, true, true },	/* A78C, X1C */
		{ 0xd4e, true, true },	{ 0xd4f, true, true },	/* X3, V2 */
		{ 0xd82, true, true },	{ 0xd83, true, true },	/* X4, V3AE */
		{ 0xd84, true, true },	{ 0xd85, true, true },	/* V3, X925 */
		{ 0xd8c, true, true },	{ 0xd90, true, true },	/* C1-Ultra, C1-Premium */
		{ 0xd03, false, true }, { 0xd07, false, true }, /* A53, A57 */
		{ 0xd08, false, true }, { 0xd4d, false, true }, /* A72, A715 */
		{ 0xd80, false, true }, { 0xd8b, false, true }, /* A520, C1-Pro */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cores); i++) {
		for (uint32_t revision = 0; revision < 256; revision++) {
			struct cpu_features f;

			host_sysreg_reset();
			host_sysreg_set("id_aa64mmfr1_el1", 2);
			host_sysreg_set("midr_el1",
					0x410f0000 | (revision >> 4) << 20 | cores[i].part << 4 | (revision & 0xf));
			features_read(&f);
			CHECK_EQ(f.repeat_tlbi, cores[i].repeat);
			CHECK_EQ(f.hafdbs, cores[i].dbm ? 2 : 1);
		}
	}
	/* another implementer's part of the same number */
	CHECK(!read_with("midr_el1", 0x510fd050).repeat_tlbi);
	CHECK(read_with("midr_el1", 0x412fd050).repeat_tlbi);
	CHECK(read_with("midr_el1", 0x6d0fd490).repeat_tlbi); /* Cobalt 100 is an N2 by another name */
	CHECK(read_with("midr_el1", 0x4e0f0100).repeat_tlbi); /* Olympus */
}

TEST_ON(TAP_HOST, AR4, "a CPU that has less than what is in use may not join, and changes nothing")
{
	static const struct {
		const char *reg;
		uint64_t value;
	} lacks[] = {
		{ "id_aa64mmfr0_el1", 0x10201125 & ~(uint64_t)1 }, /* 44 address bits */
		{ "id_aa64mmfr0_el1", 0x10201105 },		   /* 8-bit ASIDs */
		{ "id_aa64mmfr0_el1", 0xf0201125 },		   /* no 4 KiB pages */
		{ "id_aa64isar0_el1", 0x1221111110012120 },	   /* no LSE */
		{ "id_aa64isar0_el1", 0x1121111110212120 },	   /* no range TLBIs */
	};
	struct cpu_features before;

	host_sysreg_reset();
	set_registers(&max);
	features_init();
	before = cpu_features;
	for (unsigned i = 0; i < ARRAY_SIZE(lacks); i++) {
		set_registers(&max);
		host_sysreg_set(lacks[i].reg, lacks[i].value);
		CHECK(!features_join());
		CHECK(same_features(&cpu_features, &before));
	}
	/* the same CPU may; and one that lacks only what can be done without */
	set_registers(&max);
	CHECK(features_join());
	CHECK(same_features(&cpu_features, &before));
	host_sysreg_set("id_aa64mmfr2_el1", 0);
	CHECK(features_join());
	CHECK(!cpu_features.ttl && !cpu_features.fwb && cpu_features.bbm == 0 && cpu_features.lse);
	/* more is as good: an N1 beside an A53 that booted; the other way round LSE is in use */
	set_registers(&a53);
	features_init();
	set_registers(&n1);
	CHECK(features_join());
	CHECK(cpu_features.pa_bits == 40 && !cpu_features.lse);
	features_init();
	set_registers(&a53);
	CHECK(!features_join());
}

#else

TEST_ON(TAP_TARGET, AR1, "what was read of this CPU agrees with the registers that the machine runs with")
{
	struct cpu_features f;
	struct mmu_config c;
	uint64_t ttbr1 = READ_SYSREG(ttbr1_el1) & 0xfffffffff000;

	features_read(&f);
	CHECK(f.granule_4k); /* or this code would not run */
	CHECK(is_pow2(f.dcache_line) && is_pow2(f.icache_line));
	CHECK(f.zva_size == 0 || is_pow2(f.zva_size));
	/* the system has no more than this CPU, and runs with no wider output than it has */
	CHECK(cpu_features.pa_bits <= f.pa_bits);
	CHECK(bits(READ_SYSREG(tcr_el1), 32, 3) <= bits(READ_SYSREG(id_aa64mmfr0_el1), 0, 4));
	CHECK_OR_RETURN(mmu_config_make(&c, &cpu_features, paddr(0), paddr(ttbr1)));
	CHECK_EQ(READ_SYSREG(tcr_el1), c.tcr);
	CHECK_EQ(READ_SYSREG(mair_el1), c.mair);
	CHECK_EQ(READ_SYSREG(sctlr_el1) & c.sctlr, c.sctlr);
}

#endif
