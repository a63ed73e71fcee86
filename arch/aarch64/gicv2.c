/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GICv2 (Arm IHI 0048B): one distributor and, for at most eight CPUs, an interface of memory-mapped registers of which each CPU
 * sees its own. With the Security Extensions we are the non-secure side: bit 0 of GICD_CTLR and GICC_CTLR is then group 1, and
 * what belongs to group 0 reads as zero and ignores writes (4.4.3). Without them it is group 0, where everything is after reset.
 */
#include "arch/aarch64/gic.h"
#include "arch/aarch64/insn.h"

#define GICD_CTLR 0x000
#define GICD_TYPER 0x004
#define GICD_ISENABLER0 0x100
#define GICD_ICENABLER(n) (0x180 + 4 * (n))
#define GICD_ICPENDR0 0x280
#define GICD_ICACTIVER0 0x380
#define GICD_IPRIORITYR(n) (0x400 + 4 * (n))
#define GICD_SGIR 0xf00
#define GICD_ENABLE 1u
#define SGIR_ALL_BUT_SELF (1u << 24)

#define GICC_CTLR 0x00
#define GICC_PMR 0x04
#define GICC_BPR 0x08
#define GICC_IAR 0x0c
#define GICC_EOIR 0x10
#define GICC_ENABLE 1u
#define GICC_BYPASS \
	0x1e0u /* firmware's; what else there is stays 0: IRQ and not FIQ, and dropping priority deactivates */

#define INTID_MASK 0x3ffu
#define INTID_SPECIAL 1020 /* to 1023: nothing to acknowledge */
#define PRIORITIES 0xa0a0a0a0u
#define PRIORITY_LOWEST 0xf0

static uintptr_t dist;
static uintptr_t interface;

static uint32_t read32(uintptr_t base, unsigned offset)
{
	return *(volatile uint32_t *)(base + offset);
}

static void write32(uintptr_t base, unsigned offset, uint32_t value)
{
	*(volatile uint32_t *)(base + offset) = value;
}

/* [AR41] */
static const char *start(const struct gic_regs *regs)
{
	unsigned lines;

	if (regs->region_count < 1)
		return "its node names no CPU interface";
	dist = regs->dist.va;
	interface = regs->regions[0].va;
	write32(dist, GICD_CTLR, 0);
	/* GICD_TYPER.ITLinesNumber: how many times 32, less one. The first 32 are each CPU's own. */
	lines = (read32(dist, GICD_TYPER) & 0x1f) + 1;
	for (unsigned n = 1; n < lines; n++)
		write32(dist, GICD_ICENABLER(n), UINT32_MAX);
	write32(dist, GICD_CTLR, GICD_ENABLE);
	return NULL;
}

/* [AR42] */
static const char *start_cpu(struct cpu *cpu)
{
	(void)cpu;
	write32(dist, GICD_ICENABLER(0), UINT32_MAX);
	write32(dist, GICD_ICPENDR0, UINT32_MAX);
	write32(dist, GICD_ICACTIVER0, UINT32_MAX);
	for (unsigned n = 0; n < GIC_PRIVATE / 4; n++)
		write32(dist, GICD_IPRIORITYR(n), PRIORITIES);
	write32(interface, GICC_PMR, PRIORITY_LOWEST);
	write32(interface, GICC_BPR, 0);
	if (read32(interface, GICC_PMR) == 0)
		return "its CPU interface keeps nothing that is written";
	write32(interface, GICC_CTLR, (read32(interface, GICC_CTLR) & GICC_BYPASS) | GICC_ENABLE);
	return NULL;
}

static bool enable(struct cpu *cpu, unsigned intid)
{
	(void)cpu;
	write32(dist, GICD_ISENABLER0, (uint32_t)1 << intid);
	return read32(dist, GICD_ISENABLER0) >> intid & 1;
}

static void disable(struct cpu *cpu, unsigned intid)
{
	(void)cpu;
	write32(dist, GICD_ICENABLER(0), (uint32_t)1 << intid);
}

/* [AR43] */
static bool acknowledge(struct cpu *cpu, unsigned *intid, uint32_t *token)
{
	(void)cpu;
	*token = read32(interface, GICC_IAR);
	*intid = *token & INTID_MASK;
	/* What the sender of an SGI stored before it is read after this. */
	dsb_sy();
	return *intid < INTID_SPECIAL;
}

/* For an SGI the sender's number, too, must be as GICC_IAR gave it (4.4.5). */
static void end(struct cpu *cpu, uint32_t token)
{
	(void)cpu;
	write32(interface, GICC_EOIR, token);
}

static void send_others(unsigned intid)
{
	dsb_ishst();
	write32(dist, GICD_SGIR, SGIR_ALL_BUT_SELF | intid);
}

const struct gic_driver gic_v2 = {
	.name = "GICv2",
	.dist_bytes = 0x1000,
	.region_bytes = 0x100,
	.dist_probe = GICD_TYPER,
	.region_probe = GICC_PMR,
	.start = start,
	.start_cpu = start_cpu,
	.enable = enable,
	.disable = disable,
	.acknowledge = acknowledge,
	.end = end,
	.send_others = send_others,
};
