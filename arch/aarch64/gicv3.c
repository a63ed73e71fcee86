/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GICv3 and later (Arm IHI 0069H): a distributor, a redistributor for each CPU, and the CPU interface in system registers. Which
 * redistributor is whose is written in GICR_TYPER and nowhere else: the regions that the device tree names are walked, frame
 * by frame and never past their ends. We are the non-secure side, or there is only one.
 *
 * Interrupts at EL1 come through ICC_*_EL1; entry.S has allowed them where it was entered at EL2 or EL3 (ICC_SRE_ELx).
 */
#include "arch/aarch64/gic.h"
#include "arch/aarch64/insn.h"

#define GICD_CTLR 0x0000
#define GICD_TYPER 0x0004
#define GICD_ICENABLER(n) (0x0180 + 4 * (n))
/* Non-secure view, and with GICD_CTLR.DS the only one: group 1 on, affinity routing (12.9.4). */
#define GICD_ENABLE_GROUP1 (1u << 0 | 1u << 1)
#define GICD_ARE (1u << 4)
#define GICD_RWP (1u << 31)

#define GICR_CTLR 0x0000
#define GICR_TYPER 0x0008 /* 64 bits */
#define GICR_WAKER 0x0014
#define GICR_PIDR2 0xffe8
#define GICR_RWP (1u << 3)
#define TYPER_VLPIS (1u << 1) /* GICv4: four frames instead of two */
#define TYPER_LAST (1u << 4)
#define WAKER_PROCESSOR_SLEEP (1u << 1)
#define WAKER_CHILDREN_ASLEEP (1u << 2)

#define FRAME 0x10000 /* bytes: GICR_*, and behind it the frame of SGIs and PPIs */
#define SGI_IGROUPR0 (FRAME + 0x0080)
#define SGI_ISENABLER0 (FRAME + 0x0100)
#define SGI_ICENABLER0 (FRAME + 0x0180)
#define SGI_ICPENDR0 (FRAME + 0x0280)
#define SGI_ICACTIVER0 (FRAME + 0x0380)
#define SGI_IPRIORITYR(n) (FRAME + 0x0400 + 4 * (n))

/* System registers by encoding: an armv8-a assembler does not name them. */
#define ICC_PMR_EL1 s3_0_c4_c6_0
#define ICC_AP1R0_EL1 s3_0_c12_c9_0
#define ICC_AP1R1_EL1 s3_0_c12_c9_1
#define ICC_AP1R2_EL1 s3_0_c12_c9_2
#define ICC_AP1R3_EL1 s3_0_c12_c9_3
#define ICC_SGI1R_EL1 s3_0_c12_c11_5
#define ICC_IAR1_EL1 s3_0_c12_c12_0
#define ICC_EOIR1_EL1 s3_0_c12_c12_1
#define ICC_BPR1_EL1 s3_0_c12_c12_3
#define ICC_CTLR_EL1 s3_0_c12_c12_4
#define ICC_SRE_EL1 s3_0_c12_c12_5
#define ICC_IGRPEN1_EL1 s3_0_c12_c12_7
#define READ_ICC(reg) READ_SYSREG(reg)
#define WRITE_ICC(reg, value) WRITE_SYSREG(reg, value)
#define SRE_SRE 1u
#define CTLR_EOIMODE (1u << 1) /* dropping priority does not deactivate */
#define CTLR_PRIBITS(ctlr) (((ctlr) >> 8 & 7) + 1)
#define SGI1R_ALL_BUT_SELF ((uint64_t)1 << 40)
#define SGI1R_INTID_SHIFT 24

#define INTID_MASK 0xffffffu
#define INTID_SPECIAL 1020 /* to 1023: nothing to acknowledge */
#define PRIORITIES 0xa0a0a0a0u
#define PRIORITY_LOWEST 0xf0

/* Looks at a register that should change within microseconds; each takes 50 ns at the very least. */
#define POLLS 1000000u

static const struct gic_regs *gic;
/* Where the search for the next CPU's redistributor begins: CPUs come up in the order in which they are wired, mostly. */
static unsigned next_region;
static uint64_t next_offset;

static uint32_t read32(uintptr_t base, unsigned offset)
{
	return *(volatile uint32_t *)(base + offset);
}

static void write32(uintptr_t base, unsigned offset, uint32_t value)
{
	*(volatile uint32_t *)(base + offset) = value;
}

static uint64_t read64(uintptr_t base, unsigned offset)
{
	return *(volatile uint64_t *)(base + offset);
}

static bool wait_clear(uintptr_t base, unsigned offset, uint32_t bit)
{
	for (unsigned n = 0; n < POLLS; n++) {
		if (!(read32(base, offset) & bit))
			return true;
	}
	return false;
}

/* [AR44] */
static const char *start(const struct gic_regs *regs)
{
	uintptr_t dist = regs->dist.va;
	unsigned lines;

	if (regs->region_count < 1)
		return "its node names no redistributors";
	gic = regs;
	next_region = 0;
	next_offset = 0;
	write32(dist, GICD_CTLR, 0);
	if (!wait_clear(dist, GICD_CTLR, GICD_RWP))
		return "its distributor does not answer";
	lines = (read32(dist, GICD_TYPER) & 0x1f) + 1;
	for (unsigned n = 1; n < lines && n < 32; n++)
		write32(dist, GICD_ICENABLER(n), UINT32_MAX);
	write32(dist, GICD_CTLR, GICD_ARE | GICD_ENABLE_GROUP1);
	return wait_clear(dist, GICD_CTLR, GICD_RWP) ? NULL : "its distributor does not answer";
}

/* ---- which redistributor is whose ----------------------------------------------------------------------------------- */

/* GICR_TYPER has Aff3 to Aff0 in one piece, MPIDR_EL1 has not. */
static uint32_t affinity_of(uint64_t mpidr)
{
	return (uint32_t)((mpidr & 0xffffff) | (mpidr >> 32 & 0xff) << 24);
}

/* Bytes from this redistributor to the next. */
static uint64_t stride_of(uint64_t typer)
{
	if (gic->stride)
		return gic->stride;
	return typer & TYPER_VLPIS ? 4 * FRAME : 2 * FRAME;
}

/*
 * The redistributor at the search's place, and the search goes on to the one behind it. 0: there is none any more in this region,
 * and the search goes on at the next one.
 */
static uintptr_t next_redistributor(uint64_t *typer)
{
	const struct gic_range *region = &gic->regions[next_region];
	uintptr_t found = 0;
	unsigned arch;

	*typer = TYPER_LAST;
	if (next_offset <= region->size && region->size - next_offset >= 2 * FRAME) {
		found = region->va + next_offset;
		arch = read32(found, GICR_PIDR2) >> 4 & 0xf;
		if (arch < 3 || arch > 4) /* ArchRev: GICv3 or GICv4; nothing else is a redistributor */
			found = 0;
		else
			*typer = read64(found, GICR_TYPER);
	}
	next_offset += stride_of(*typer);
	if (*typer & TYPER_LAST) {
		next_region = (next_region + 1) % gic->region_count;
		next_offset = 0;
	}
	return found;
}

/*
 * Once around: what is left of the region where the last search ended, the other regions, and that one from its start. 0: none
 * is of this CPU. [AR45]
 */
static uintptr_t find_redistributor(uint32_t affinity)
{
	uint64_t typer;

	for (unsigned ends = 0; ends <= gic->region_count; ends += next_offset == 0) {
		uintptr_t redist = next_redistributor(&typer);

		if (redist && typer >> 32 == affinity)
			return redist;
	}
	return 0;
}

/* ---- one CPU -------------------------------------------------------------------------------------------------------- */

static void start_interface(void)
{
	uint64_t ctlr = READ_ICC(ICC_CTLR_EL1);

	WRITE_ICC(ICC_PMR_EL1, PRIORITY_LOWEST);
	WRITE_ICC(ICC_BPR1_EL1, 0);
	WRITE_ICC(ICC_CTLR_EL1, ctlr & ~(uint64_t)CTLR_EOIMODE);
	isb();
	/* What whoever ran before has acknowledged and not ended would hold everything of its priority back. */
	if (CTLR_PRIBITS(ctlr) > 6) {
		WRITE_ICC(ICC_AP1R3_EL1, 0);
		WRITE_ICC(ICC_AP1R2_EL1, 0);
	}
	if (CTLR_PRIBITS(ctlr) > 5)
		WRITE_ICC(ICC_AP1R1_EL1, 0);
	WRITE_ICC(ICC_AP1R0_EL1, 0);
	WRITE_ICC(ICC_IGRPEN1_EL1, 1);
	isb();
}

/* [AR46] */
static const char *start_cpu(struct cpu *cpu)
{
	uintptr_t redist;

	if ((READ_SYSREG(id_aa64pfr0_el1) >> 24 & 0xf) == 0)
		return "this CPU has no system registers for it";
	redist = find_redistributor(affinity_of(cpu->mpidr));
	if (!redist)
		return "no redistributor has this CPU's affinity";
	WRITE_ICC(ICC_SRE_EL1, READ_ICC(ICC_SRE_EL1) | SRE_SRE);
	isb();
	if (!(READ_ICC(ICC_SRE_EL1) & SRE_SRE))
		return "its system registers are kept from EL1";

	write32(redist, GICR_WAKER, read32(redist, GICR_WAKER) & ~WAKER_PROCESSOR_SLEEP);
	if (!wait_clear(redist, GICR_WAKER, WAKER_CHILDREN_ASLEEP))
		return "its redistributor does not wake";
	write32(redist, SGI_ICENABLER0, UINT32_MAX);
	if (!wait_clear(redist, GICR_CTLR, GICR_RWP))
		return "its redistributor does not answer";
	write32(redist, SGI_IGROUPR0, UINT32_MAX);
	write32(redist, SGI_ICPENDR0, UINT32_MAX);
	write32(redist, SGI_ICACTIVER0, UINT32_MAX);
	for (unsigned n = 0; n < GIC_PRIVATE / 4; n++)
		write32(redist, SGI_IPRIORITYR(n), PRIORITIES);
	cpu->gic_redist = redist;
	start_interface();
	return NULL;
}

static bool enable(struct cpu *cpu, unsigned intid)
{
	write32(cpu->gic_redist, SGI_ISENABLER0, (uint32_t)1 << intid);
	return read32(cpu->gic_redist, SGI_ISENABLER0) >> intid & 1;
}

static void disable(struct cpu *cpu, unsigned intid)
{
	write32(cpu->gic_redist, SGI_ICENABLER0, (uint32_t)1 << intid);
	(void)wait_clear(cpu->gic_redist, GICR_CTLR, GICR_RWP);
}

/* [AR47] */
static bool acknowledge(struct cpu *cpu, unsigned *intid, uint32_t *token)
{
	(void)cpu;
	*token = (uint32_t)READ_ICC(ICC_IAR1_EL1);
	*intid = *token & INTID_MASK;
	/* The acknowledgement has reached the redistributor, and what an SGI's sender stored before is read after this. */
	dsb_sy();
	return *intid < INTID_SPECIAL || *intid > 1023;
}

static void end(struct cpu *cpu, uint32_t token)
{
	(void)cpu;
	WRITE_ICC(ICC_EOIR1_EL1, token);
	isb();
}

static void send_others(unsigned intid)
{
	dsb_ishst();
	WRITE_ICC(ICC_SGI1R_EL1, SGI1R_ALL_BUT_SELF | (uint64_t)intid << SGI1R_INTID_SHIFT);
	isb();
}

const struct gic_driver gic_v3 = {
	.name = "GICv3",
	.dist_bytes = 0x10000,
	.region_bytes = 2 * FRAME,
	.dist_probe = GICD_TYPER,
	.region_probe = GICR_PIDR2,
	.start = start,
	.start_cpu = start_cpu,
	.enable = enable,
	.disable = disable,
	.acknowledge = acknowledge,
	.end = end,
	.send_others = send_others,
};
