/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt controllers as far as an ordinary machine can say: which redistributor is whose, what is written where, what the
 * device tree says of them; registers are memory here. What only the real ones show is in tests/suites/smp.c.
 */
#define SUITE "gic"
#include "lib/tap.h"

#include "arch/aarch64/gic.h"
#include "boot/irq_tree.h"
#include "lib/string.h"
#include "tests/suites/fdt_writer.h"

#ifdef GRANULE_HOST
#include "arch/aarch64/timer.h"
#include "arch/host/host.h"
#include <stdlib.h>

#define FRAME 0x10000
#define TYPER 0x8
#define WAKER 0x14
#define PIDR2 0xffe8
#define LAST 0x10
#define VLPIS 0x2

static uint32_t *reg32(uintptr_t base, unsigned offset)
{
	return (uint32_t *)(base + offset);
}

/* A region of exactly that many bytes: the sanitizer sees a look past its end. */
static struct gic_range region_of(uint64_t size)
{
	void *p = aligned_alloc(FRAME, size);

	CHECK(p != NULL);
	memset(p, 0, size);
	return (struct gic_range){ (uintptr_t)p, size };
}

static void redistributor(struct gic_range r, uint64_t at, uint32_t affinity, uint32_t flags)
{
	*reg32(r.va, (unsigned)at + PIDR2) = 0x3b;
	*reg32(r.va, (unsigned)at + TYPER) = flags;
	*reg32(r.va, (unsigned)at + TYPER + 4) = affinity;
	*reg32(r.va, (unsigned)at + WAKER) = 2; /* asleep; ChildrenAsleep stays as it is, 0 */
}

static void cpu_with_system_registers(void)
{
	host_sysreg_reset();
	host_sysreg_set("id_aa64pfr0_el1", 1 << 24);
	host_sysreg_set("s3_0_c12_c12_4", 4 << 8 | 2); /* ICC_CTLR_EL1: five priority bits; EOImode set */
}

static const char *start_v3_on(uint64_t mpidr, struct cpu *cpu)
{
	memset(cpu, 0, sizeof(*cpu));
	cpu->mpidr = mpidr;
	return gic_v3.start_cpu(cpu);
}

/* ---- GICv2 ---------------------------------------------------------------------------------------------------------- */

TEST_ON(TAP_HOST, AR41,
	"GICv2: every shared interrupt that there is gets masked, none beyond, and the distributor goes on")
{
	struct gic_range interface = region_of(FRAME);
	struct gic_regs regs = { region_of(FRAME), &interface, 1, 0 };
	uintptr_t d = regs.dist.va;

	*reg32(d, 4) = 0xfc60 | 2; /* 96 interrupts */
	CHECK(gic_v2.start(&regs) == NULL);
	CHECK_EQ(*reg32(d, 0x180), 0);
	CHECK_EQ(*reg32(d, 0x184), UINT32_MAX);
	CHECK_EQ(*reg32(d, 0x188), UINT32_MAX);
	CHECK_EQ(*reg32(d, 0x18c), 0);
	CHECK_EQ(*reg32(d, 0), 1);
	*reg32(d, 4) = 0x1f; /* 1024: as many as there can be; the words behind belong to something else */
	CHECK(gic_v2.start(&regs) == NULL);
	CHECK_EQ(*reg32(d, 0x1fc), UINT32_MAX);
	CHECK_EQ(*reg32(d, 0x200), 0);
	regs.region_count = 0;
	CHECK(gic_v2.start(&regs) != NULL);
	free((void *)regs.dist.va);
	free((void *)interface.va);
}

TEST_ON(TAP_HOST, AR42,
	"GICv2: a CPU's private interrupts are masked and inactive, its interface lets all priorities through")
{
	struct gic_range interface = region_of(FRAME);
	struct gic_regs regs = { region_of(FRAME), &interface, 1, 0 };
	uintptr_t d = regs.dist.va, i = interface.va;
	struct cpu cpu = { 0 };

	CHECK(gic_v2.start(&regs) == NULL);
	*reg32(i, 0) = 0x7fe; /* a loader's: FIQs, EOImode, bypass */
	CHECK(gic_v2.start_cpu(&cpu) == NULL);
	CHECK_EQ(*reg32(d, 0x180), UINT32_MAX);
	CHECK_EQ(*reg32(d, 0x280), UINT32_MAX);
	CHECK_EQ(*reg32(d, 0x380), UINT32_MAX);
	for (unsigned n = 0; n < 8; n++)
		CHECK_EQ(*reg32(d, 0x400 + 4 * n), 0xa0a0a0a0);
	CHECK_EQ(*reg32(d, 0x420), 0); /* shared ones are nobody's business */
	CHECK_EQ(*reg32(i, 4), 0xf0);
	CHECK_EQ(*reg32(i, 0), 0x1e1); /* on, the bypass bits as they were */
	CHECK(gic_v2.enable(&cpu, 27));
	CHECK_EQ(*reg32(d, 0x100), 1u << 27);
	gic_v2.disable(&cpu, 27);
	CHECK_EQ(*reg32(d, 0x180), 1u << 27);
	free((void *)regs.dist.va);
	free((void *)interface.va);
}

TEST_ON(TAP_HOST, AR43, "GICv2: what is acknowledged is ended with the sender's number in it; 1020 to 1023 are nothing")
{
	struct gic_range interface = region_of(FRAME);
	struct gic_regs regs = { region_of(FRAME), &interface, 1, 0 };
	struct host_step steps[8];
	struct cpu cpu = { 0 };
	unsigned intid;
	uint32_t token;

	CHECK(gic_v2.start(&regs) == NULL);
	*reg32(interface.va, 0xc) = 5 << 10 | 3; /* SGI 3 of CPU 5 */
	host_record_start(steps, ARRAY_SIZE(steps));
	CHECK(gic_v2.acknowledge(&cpu, &intid, &token));
	CHECK_EQ(host_record_stop(), 1);
	CHECK(steps[0].insn == INSN_dsb_sy);
	CHECK_EQ(intid, 3);
	gic_v2.end(&cpu, token);
	CHECK_EQ(*reg32(interface.va, 0x10), 5 << 10 | 3);
	for (uint32_t none = 1020; none <= 1023; none++) {
		*reg32(interface.va, 0xc) = none;
		CHECK(!gic_v2.acknowledge(&cpu, &intid, &token));
	}
	*reg32(interface.va, 0xc) = 1019;
	CHECK(gic_v2.acknowledge(&cpu, &intid, &token));

	host_record_start(steps, ARRAY_SIZE(steps));
	gic_v2.send_others(7);
	CHECK_EQ(host_record_stop(), 1);
	CHECK(steps[0].insn == INSN_dsb_ishst); /* what is to be seen comes first */
	CHECK_EQ(*reg32(regs.dist.va, 0xf00), 1 << 24 | 7);
	free((void *)regs.dist.va);
	free((void *)interface.va);
}

/* ---- GICv3 ---------------------------------------------------------------------------------------------------------- */

TEST_ON(TAP_HOST, AR44, "GICv3: every shared interrupt gets masked, and the distributor routes group 1 by affinity")
{
	struct gic_range redist = region_of(2 * FRAME);
	struct gic_regs regs = { region_of(FRAME), &redist, 1, 0 };
	uintptr_t d = regs.dist.va;

	*reg32(d, 4) = 1;
	CHECK(gic_v3.start(&regs) == NULL);
	CHECK_EQ(*reg32(d, 0x180), 0);
	CHECK_EQ(*reg32(d, 0x184), UINT32_MAX);
	CHECK_EQ(*reg32(d, 0x188), 0);
	CHECK_EQ(*reg32(d, 0), 0x13);
	regs.region_count = 0;
	CHECK(gic_v3.start(&regs) != NULL);
	free((void *)regs.dist.va);
	free((void *)redist.va);
}

/* MPIDR_EL1 of an affinity as GICR_TYPER has it. */
static uint64_t mpidr_of(uint32_t affinity)
{
	return (uint64_t)(affinity >> 24) << 32 | (affinity & 0xffffff);
}

TEST_ON(TAP_HOST, AR45,
	"GICv3: a CPU's redistributor is found by its affinity, in any order, in any region, at any stride")
{
	/* A region of four in no order; one of GICv4 frames; one that ends before its last redistributor says so. */
	struct gic_range regions[3] = { region_of(8 * FRAME), region_of(9 * FRAME), region_of(4 * FRAME) };
	struct gic_regs regs = { region_of(FRAME), regions, 3, 0 };
	static const struct {
		uint32_t affinity;
		unsigned region;
		uint64_t at;
	} want[] = {
		{ 0x0103, 0, 0 }, { 0x0101, 0, 2 * FRAME }, { 0x01000000, 0, 4 * FRAME }, { 0x0102, 0, 6 * FRAME },
		{ 0x0201, 1, 0 }, { 0x0200, 1, 4 * FRAME }, { 0x030000, 2, 0 },		  { 0x030001, 2, 2 * FRAME },
	};
	struct cpu cpu;

	for (unsigned i = 0; i < ARRAY_SIZE(want); i++)
		redistributor(regions[want[i].region], want[i].at, want[i].affinity,
			      (want[i].region == 1 ? VLPIS : 0) | (i == 3 || i == 5 ? LAST : 0));
	cpu_with_system_registers();
	CHECK(gic_v3.start(&regs) == NULL);
	for (unsigned step = 1; step <= 7; step += 2) { /* each order starts the search elsewhere */
		for (unsigned n = 0; n < ARRAY_SIZE(want); n++) {
			unsigned i = n * step % ARRAY_SIZE(want);

			CHECK(start_v3_on(mpidr_of(want[i].affinity), &cpu) == NULL);
			CHECK_EQ(cpu.gic_redist, regions[want[i].region].va + want[i].at);
		}
	}
	/* 0x0100 is none's, and bits that are no affinity do not make it one's; the search ends, and the next one finds. */
	CHECK(start_v3_on(0x0100, &cpu) != NULL);
	CHECK(start_v3_on(mpidr_of(0x0101), &cpu) == NULL);
	CHECK_EQ(cpu.gic_redist, regions[0].va + 2 * FRAME);
	CHECK(start_v3_on(0x0100, &cpu) != NULL);
	CHECK_EQ(cpu.gic_redist, 0);

	/* With the tree's own stride only every fourth frame is looked at. */
	regs.stride = 4 * FRAME;
	CHECK(gic_v3.start(&regs) == NULL);
	CHECK(start_v3_on(mpidr_of(0x01000000), &cpu) == NULL);
	CHECK(start_v3_on(mpidr_of(0x0101), &cpu) != NULL);

	/* What does not call itself a redistributor is none, and nothing behind it is looked at. */
	regs.stride = 0;
	*reg32(regions[0].va, 2 * FRAME + PIDR2) = 0x2b;
	CHECK(gic_v3.start(&regs) == NULL);
	CHECK(start_v3_on(mpidr_of(0x0101), &cpu) != NULL);
	CHECK(start_v3_on(mpidr_of(0x0102), &cpu) != NULL);
	CHECK(start_v3_on(mpidr_of(0x030001), &cpu) == NULL);
	for (unsigned i = 0; i < 3; i++)
		free((void *)regions[i].va);
	free((void *)regs.dist.va);
}

TEST_ON(TAP_HOST, AR46,
	"GICv3: a CPU wakes its redistributor, masks its private interrupts and turns its interface on, in order")
{
	struct gic_range redist = region_of(2 * FRAME);
	struct gic_regs regs = { region_of(FRAME), &redist, 1, 0 };
	static const struct {
		const char *reg;
		uint64_t value;
	} want[] = {
		{ "s3_0_c12_c12_5", 1 },      { "s3_0_c4_c6_0", 0xf0 }, { "s3_0_c12_c12_3", 0 },
		{ "s3_0_c12_c12_4", 4 << 8 }, { "s3_0_c12_c9_0", 0 },	{ "s3_0_c12_c12_7", 1 },
	};
	struct host_step steps[32];
	unsigned writes = 0;
	struct cpu cpu;
	size_t n;

	redistributor(redist, 0, 7, LAST);
	host_sysreg_reset();
	CHECK(gic_v3.start(&regs) == NULL);
	CHECK(start_v3_on(7, &cpu) != NULL); /* no system registers */
	cpu_with_system_registers();
	host_record_start(steps, ARRAY_SIZE(steps));
	CHECK(start_v3_on(7, &cpu) == NULL);
	n = host_record_stop();
	for (size_t i = 0; i < n; i++) {
		if (steps[i].insn != INSN_msr)
			continue;
		CHECK_OR_RETURN(writes < ARRAY_SIZE(want));
		CHECK(strcmp(steps[i].reg, want[writes].reg) == 0);
		CHECK_EQ(steps[i].operand, want[writes].value);
		writes++;
	}
	CHECK_EQ(writes, ARRAY_SIZE(want));
	CHECK(n > 0 && steps[n - 1].insn == INSN_isb);
	CHECK_EQ(*reg32(redist.va, WAKER), 0);
	CHECK_EQ(*reg32(redist.va, FRAME + 0x80), UINT32_MAX);
	CHECK_EQ(*reg32(redist.va, FRAME + 0x180), UINT32_MAX);
	CHECK_EQ(*reg32(redist.va, FRAME + 0x280), UINT32_MAX);
	CHECK_EQ(*reg32(redist.va, FRAME + 0x380), UINT32_MAX);
	for (unsigned k = 0; k < 8; k++)
		CHECK_EQ(*reg32(redist.va, FRAME + 0x400 + 4 * k), 0xa0a0a0a0);
	CHECK(gic_v3.enable(&cpu, 27));
	CHECK_EQ(*reg32(redist.va, FRAME + 0x100), 1u << 27);
	gic_v3.disable(&cpu, 27);
	CHECK_EQ(*reg32(redist.va, FRAME + 0x180), 1u << 27);
	/* All active priorities that seven bits make. */
	host_sysreg_set("s3_0_c12_c12_4", 6 << 8);
	host_record_start(steps, ARRAY_SIZE(steps));
	CHECK(start_v3_on(7, &cpu) == NULL);
	n = host_record_stop();
	writes = 0;
	for (size_t i = 0; i < n; i++)
		writes += steps[i].insn == INSN_msr && strncmp(steps[i].reg, "s3_0_c12_c9_", 12) == 0;
	CHECK_EQ(writes, 4);
	free((void *)regs.dist.va);
	free((void *)redist.va);
}

TEST_ON(TAP_HOST, AR47, "GICv3: acknowledge, end and broadcast by system register; 1020 to 1023 are nothing")
{
	struct host_step steps[8];
	struct cpu cpu = { 0 };
	unsigned intid;
	uint32_t token;

	host_sysreg_reset();
	host_sysreg_set("s3_0_c12_c12_0", 27);
	CHECK(gic_v3.acknowledge(&cpu, &intid, &token));
	CHECK_EQ(intid, 27);
	gic_v3.end(&cpu, token);
	CHECK_EQ(host_mrs("s3_0_c12_c12_1"), 27);
	for (uint32_t none = 1020; none <= 1023; none++) {
		host_sysreg_set("s3_0_c12_c12_0", none);
		CHECK(!gic_v3.acknowledge(&cpu, &intid, &token));
	}
	host_record_start(steps, ARRAY_SIZE(steps));
	gic_v3.send_others(9);
	CHECK_EQ(host_record_stop(), 3);
	CHECK(steps[0].insn == INSN_dsb_ishst && steps[1].insn == INSN_msr && steps[2].insn == INSN_isb);
	CHECK_EQ(host_mrs("s3_0_c12_c11_5"), (uint64_t)1 << 40 | 9 << 24);
	host_sysreg_reset();
}

TEST_ON(TAP_HOST, AR48, "the timer's frequency is CNTFRQ_EL0's, corrected by the tree, never 0")
{
	host_sysreg_reset();
	timer_start(0);
	CHECK_EQ(timer_hz(), 1000000000);
	host_sysreg_set("cntfrq_el0", 62500000);
	CHECK_EQ(timer_hz(), 62500000);
	timer_start(19200000);
	CHECK_EQ(timer_hz(), 19200000);
	timer_start(0);
	host_sysreg_reset();
}

#endif

/* ---- the device tree ------------------------------------------------------------------------------------------------ */

static uint8_t blob[4096] __attribute__((aligned(8)));
static struct fdtw w;
static struct fdt fdt;

static bool tree_end(void)
{
	size_t n;

	fdtw_end(&w);
	n = fdtw_finish(&w);
	return n != 0 && fdt_open(&fdt, blob, n);
}

/* The root with two cells each and an interrupt-parent; left open. */
static void tree_start(void)
{
	fdtw_start(&w, blob, sizeof(blob));
	fdtw_begin_root(&w, 2, 2);
	fdtw_u32(&w, "interrupt-parent", 7);
}

/* A controller without reg; left open. */
static void tree_controller(const char *compatible)
{
	fdtw_begin(&w, "intc");
	fdtw_str(&w, "compatible", compatible);
	fdtw_empty(&w, "interrupt-controller");
	fdtw_u32(&w, "#interrupt-cells", 3);
	fdtw_u32(&w, "phandle", 7);
}

TEST(BT50, "the controller is the first enabled one with a driver; its registers are those that the tree names")
{
	struct irq_desc d;
	uint64_t base, size;

	tree_start();
	tree_controller("arm,gic-v3");
	fdtw_str(&w, "status", "disabled");
	fdtw_end(&w);
	tree_controller("vendor,intc");
	fdtw_end(&w);
	tree_controller("arm,gic-400");
	FDTW_REG(&w, 2, 2, 0x8000000, 0x1000, 0x8010000, 0x2000, 0x8040000, 0x2000);
	fdtw_end(&w);
	tree_controller("arm,gic-v3");
	FDTW_REG(&w, 2, 2, 0x9000000, 0x10000, 0x9080000, 0x20000);
	fdtw_end(&w);
	CHECK_OR_RETURN(tree_end());
	CHECK(irq_tree_controller(&fdt, &d) == NULL);
	CHECK(d.driver == &gic_v2 && d.region_count == 1 && d.stride == 0);
	CHECK(d.dist_base == 0x8000000 && d.dist_size == 0x1000);
	CHECK(irq_tree_region(&fdt, &d, 0, &base, &size));
	CHECK(base == 0x8010000 && size == 0x2000);
	CHECK(!irq_tree_region(&fdt, &d, 1, &base, &size)); /* the hypervisor's interface */
}

TEST(BT50, "GICv3: as many regions of redistributors as the tree says, and its stride")
{
	struct irq_desc d;
	uint64_t base, size;

	tree_start();
	tree_controller("arm,gic-v3");
	FDTW_REG(&w, 2, 2, 0x8000000, 0x10000, 0x80a0000, 0xf60000, 0x4000000000, GIB(3), 0x9000000, 0x1000);
	fdtw_u32(&w, "#redistributor-regions", 2);
	fdtw_num(&w, "redistributor-stride", 2, 0x40000);
	fdtw_end(&w);
	CHECK_OR_RETURN(tree_end());
	CHECK(irq_tree_controller(&fdt, &d) == NULL);
	CHECK(d.driver == &gic_v3 && d.region_count == 2 && d.stride == 0x40000);
	CHECK(irq_tree_region(&fdt, &d, 0, &base, &size));
	CHECK(base == 0x80a0000 && size == 0xf60000);
	CHECK(irq_tree_region(&fdt, &d, 1, &base, &size));
	CHECK(base == 0x4000000000 && size == IRQ_REGION_MAX); /* no tree makes us map all there is */
	CHECK(!irq_tree_region(&fdt, &d, 2, &base, &size));
}

TEST(BT50, "a controller that is not there, or whose registers cannot be used, is none; nothing is filled in")
{
	static const struct {
		const char *compatible;
		uint64_t reg[6];
		unsigned tuples;
		uint32_t regions; /* 0: not said */
		uint64_t stride;
		unsigned stride_cells;
	} bad[] = {
		{ "arm,pl390x", { 0x8000000, 0x1000, 0x8010000, 0x1000 }, 2, 0, 0, 0 },
		{ "arm,gic-400", { 0 }, 0, 0, 0, 0 },
		{ "arm,gic-400", { 0x8000000, 0x1000 }, 1, 0, 0, 0 },
		{ "arm,gic-400", { 0x8000000, 0xfff, 0x8010000, 0x1000 }, 2, 0, 0, 0 },
		{ "arm,gic-400", { 0x8000000, 0x1000, 0x8010000, 0xff }, 2, 0, 0, 0 },
		{ "arm,gic-400", { 0x8000800, 0x1000, 0x8010000, 0x1000 }, 2, 0, 0, 0 },
		{ "arm,gic-v3", { 0x8000000, 0x8000, 0x80a0000, 0xf60000 }, 2, 0, 0, 0 },
		{ "arm,gic-v3", { 0x8000000, 0x10000, 0x80a0000, 0x10000 }, 2, 0, 0, 0 },
		{ "arm,gic-v3", { 0x8000000, 0x10000, 0x80a0000, 0xf60000 }, 2, 2, 0, 0 },
		{ "arm,gic-v3", { 0x8000000, 0x10000, 0x80a0000, 0xf60000 }, 2, UINT32_MAX, 0, 0 },
		{ "arm,gic-v3", { 0x8000000, 0x10000, 0x80a0000, 0xf60000 }, 2, 0, 0x10000, 2 },
		{ "arm,gic-v3", { 0x8000000, 0x10000, 0x80a0000, 0xf60000 }, 2, 0, 0x28000, 1 },
		{ "arm,gic-v3", { 0x8000000, 0x10000, 0x80a0000, 0xf60000 }, 2, 0, 0x20000, 5 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct irq_desc d = { .node = 77 };

		tree_start();
		tree_controller(bad[i].compatible);
		if (bad[i].tuples)
			fdtw_reg(&w, "reg", 2, 2, bad[i].tuples, bad[i].reg);
		if (bad[i].regions)
			fdtw_u32(&w, "#redistributor-regions", bad[i].regions);
		if (bad[i].stride_cells)
			fdtw_num(&w, "redistributor-stride", bad[i].stride_cells, bad[i].stride);
		fdtw_end(&w);
		CHECK_OR_RETURN(tree_end());
		CHECK(irq_tree_controller(&fdt, &d) != NULL);
		CHECK_EQ(d.node, 77);
	}
}

/* interrupts of a timer node: n specifiers of three cells, the i-th PPI 10 + i. */
static void timer_interrupts(unsigned n, uint32_t type)
{
	fdtw_word(&w, FDTW_PROP);
	fdtw_word(&w, n * 12);
	fdtw_word(&w, fdtw_string(&w, "interrupts"));
	for (unsigned i = 0; i < n; i++) {
		fdtw_word(&w, type);
		fdtw_word(&w, 10 + i);
		fdtw_word(&w, 4);
	}
}

static const char *find_timer(struct irq_timer_desc *out)
{
	struct irq_desc d;

	memset(out, 0xee, sizeof(*out));
	if (!tree_end() || irq_tree_controller(&fdt, &d) != NULL)
		return "the test's own tree is malformed";
	return irq_tree_timer(&fdt, &d, out);
}

static void timer_tree(const char *name)
{
	tree_start();
	tree_controller("arm,gic-400");
	FDTW_REG(&w, 2, 2, 0x8000000, 0x1000, 0x8010000, 0x1000);
	fdtw_end(&w);
	fdtw_begin(&w, name);
	fdtw_str(&w, "compatible", "arm,armv8-timer");
}

TEST(BT51, "the virtual timer's interrupt is the third, or the one that interrupt-names calls virt")
{
	struct irq_timer_desc t;

	timer_tree("timer");
	timer_interrupts(4, 1);
	fdtw_end(&w);
	CHECK(find_timer(&t) == NULL);
	CHECK_EQ(t.intid, 16 + 12);
	CHECK_EQ(t.frequency, 0);

	/* Elsewhere, behind another node with interrupts. */
	tree_start();
	fdtw_begin(&w, "timer");
	fdtw_str(&w, "compatible", "arm,sp804");
	timer_interrupts(4, 0);
	fdtw_end(&w);
	tree_controller("arm,gic-400");
	FDTW_REG(&w, 2, 2, 0x8000000, 0x1000, 0x8010000, 0x1000);
	fdtw_end(&w);
	fdtw_begin(&w, "soc");
	fdtw_begin(&w, "arch-timer");
	fdtw_str(&w, "compatible", "arm,armv8-timer");
	timer_interrupts(3, 1);
	fdtw_u32(&w, "clock-frequency", 24000000);
	fdtw_prop(&w, "interrupt-names", "phys\0virt\0hyp-virt", 19);
	fdtw_end(&w);
	fdtw_end(&w);
	CHECK(find_timer(&t) == NULL);
	CHECK_EQ(t.intid, 16 + 11);
	CHECK_EQ(t.frequency, 24000000);
}

TEST(BT51, "a timer that is not wired to this controller's PPIs is none")
{
	struct irq_timer_desc t;

	for (unsigned kind = 0; kind < 7; kind++) {
		timer_tree("timer");
		if (kind == 0)
			timer_interrupts(2, 1); /* no third one */
		else if (kind != 1)
			timer_interrupts(4, kind == 2 ? 0 : 1); /* a shared one */
		if (kind == 3)
			fdtw_u32(&w, "interrupt-parent", 8);
		if (kind == 4)
			fdtw_str(&w, "status", "disabled");
		if (kind == 5)
			fdtw_prop(&w, "interrupt-names", "phys\0virtual", 13);
		if (kind == 6)
			fdtw_prop(&w, "interrupt-names", "a\0b\0c\0d\0virt", 13); /* beyond what is wired */
		fdtw_end(&w);
		CHECK(find_timer(&t) != NULL);
		CHECK_EQ(t.intid, 0xeeeeeeee);
	}
}
