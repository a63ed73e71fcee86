/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLB maintenance, all of it. The template is
 *
 *	dsb ishst	the descriptor stores before the TLBI are visible to every walker
 *	tlbi ...is	one or many
 *	dsb ish		they are complete on every CPU of the inner shareable domain, walks under way included
 *	isb		nothing fetched or translated before is used after
 *
 * (Arm ARM DDI 0487, D8 "TLB maintenance instructions" and "Using break-before-make when updating translation table
 * entries"). Which CPU features may be used is asked of cpu_features at each call.
 */
#include "arch/aarch64/host_names.h"
#include "arch/arch.h"
#include "arch/aarch64/features.h"

/* More operations than this and everything goes: each one is a message to all CPUs, refilling a TLB is cheaper. */
#define MAX_OPERATIONS 512

#define FIELD_MASK(bits) (((uint64_t)1 << (bits)) - 1)

/* TLBI by address: ASID 63:48, TTL 47:44, VA[55:12] or IPA[51:12] from bit 0. */
#define OPERAND_ASID_SHIFT 48
#define OPERAND_TTL_SHIFT 44
#define OPERAND_VA_BITS 44
#define OPERAND_IPA_BITS 40
#define TTL_4K 0x4 /* TTL[3:2]: the granule; TTL[1:0]: the level */

/* TLBI by range: ASID 63:48, TG 47:46, SCALE 45:44, NUM 43:39, TTL 38:37, address[48:12] from bit 0 (TCR.DS = 0). */
#define RANGE_TG_4K ((uint64_t)1 << 46)
#define RANGE_SCALE_SHIFT 44
#define RANGE_NUM_SHIFT 39
#define RANGE_TTL_SHIFT 37
#define RANGE_ADDRESS_BITS 37
#define RANGE_UNITS 32 /* NUM + 1 at most */
#define RANGE_SCALE_LAST 3

/* Pages in one unit of a scale: the range is (NUM + 1) * 2^(5 * SCALE + 1) pages. */
#define RANGE_UNIT_SHIFT(scale) (5 * (scale) + 1)
#define RANGE_MAX_PAGES ((uint64_t)RANGE_UNITS << RANGE_UNIT_SHIFT(RANGE_SCALE_LAST))

/* ---- what a request becomes -------------------------------------------------------------------------------------- */

struct flush {
	enum arch_regime regime;
	bool last_level; /* no table entry went: entries of walk caches may stay */
	uint16_t asid;
	uint8_t ttl; /* level hint, 0: none */
};

static uint64_t va_operand(const struct flush *f, uint64_t va)
{
	unsigned bits = f->regime == REGIME_STAGE2 ? OPERAND_IPA_BITS : OPERAND_VA_BITS;
	uint64_t operand = (va >> PAGE_SHIFT) & FIELD_MASK(bits);

	operand |= (uint64_t)f->asid << OPERAND_ASID_SHIFT;
	if (f->ttl)
		operand |= (uint64_t)(TTL_4K | f->ttl) << OPERAND_TTL_SHIFT;
	return operand;
}

static uint64_t range_operand(const struct flush *f, uint64_t va, unsigned scale, unsigned num)
{
	uint64_t operand = (va >> PAGE_SHIFT) & FIELD_MASK(RANGE_ADDRESS_BITS);

	operand |= (uint64_t)f->asid << OPERAND_ASID_SHIFT;
	operand |= RANGE_TG_4K;
	operand |= (uint64_t)scale << RANGE_SCALE_SHIFT;
	operand |= (uint64_t)num << RANGE_NUM_SHIFT;
	operand |= (uint64_t)f->ttl << RANGE_TTL_SHIFT;
	return operand;
}

static void tlbi_page(const struct flush *f, uint64_t va)
{
	uint64_t operand = va_operand(f, va);

	switch (f->regime) {
	case REGIME_EL1_GLOBAL:
		f->last_level ? tlbi_vaale1is(operand) : tlbi_vaae1is(operand);
		break;
	case REGIME_EL1_ASID:
		f->last_level ? tlbi_vale1is(operand) : tlbi_vae1is(operand);
		break;
	case REGIME_EL2:
		f->last_level ? tlbi_vale2is(operand) : tlbi_vae2is(operand);
		break;
	case REGIME_STAGE2:
		f->last_level ? tlbi_ipas2le1is(operand) : tlbi_ipas2e1is(operand);
		break;
	}
}

static void tlbi_range(const struct flush *f, uint64_t va, unsigned scale, unsigned num)
{
	uint64_t operand = range_operand(f, va, scale, num);

	switch (f->regime) {
	case REGIME_EL1_GLOBAL:
		f->last_level ? tlbi_rvaale1is(operand) : tlbi_rvaae1is(operand);
		break;
	case REGIME_EL1_ASID:
		f->last_level ? tlbi_rvale1is(operand) : tlbi_rvae1is(operand);
		break;
	case REGIME_EL2:
		f->last_level ? tlbi_rvale2is(operand) : tlbi_rvae2is(operand);
		break;
	case REGIME_STAGE2:
		f->last_level ? tlbi_ripas2le1is(operand) : tlbi_ripas2e1is(operand);
		break;
	}
}

static uint16_t asid_of(const struct arch_tlb_ctx *ctx)
{
	if (ctx->regime != REGIME_EL1_ASID)
		return 0; /* RES0, or ignored: all ASIDs */
	return cpu_features.asid_bits == 16 ? ctx->id : ctx->id & 0xff;
}

/*
 * Waits until every CPU is done. Some cores need a second broadcast TLBI, of anything, and its DSB (peers call it the
 * repeat-TLBI workaround; features.c says which): the first DSB may come back before accesses through the old
 * translation are complete. [AR9]
 */
static void sync(enum arch_regime regime)
{
	dsb_ish();
	if (cpu_features.repeat_tlbi) {
		if (regime == REGIME_EL2)
			tlbi_vale2is(0);
		else
			tlbi_vale1is(0);
		dsb_ish();
	}
	isb();
}

/* ---- arch.h ------------------------------------------------------------------------------------------------------ */

/* [AR5] (a64_pt_publish on the host: host_names.h; likewise below) */
void arch_pt_publish(void)
{
	dsb_ishst();
	isb();
}

/* [AR6] a64_pt_table_ready */
void arch_pt_table_ready(void)
{
	dsb_ishst();
}

/* [AR10] a64_tlb_flush_all */
void arch_tlb_flush_all(const struct arch_tlb_ctx *ctx)
{
	dsb_ishst();
	switch (ctx->regime) {
	case REGIME_EL1_GLOBAL:
		tlbi_vmalle1is();
		break;
	case REGIME_EL1_ASID:
		tlbi_aside1is((uint64_t)asid_of(ctx) << OPERAND_ASID_SHIFT);
		break;
	case REGIME_EL2:
		tlbi_alle2is();
		break;
	case REGIME_STAGE2:
		tlbi_vmalls12e1is(); /* stage 1 too: combined entries are not hit by a stage-2 operation alone */
		break;
	}
	sync(ctx->regime);
}

/*
 * a64_tlb_flush_range: page by page [AR7], or by range [AR8]: from va up, ranges of falling scale, each as long as
 * possible. They are exact for an even number of pages; a single page that is left over goes by address.
 */
void arch_tlb_flush_range(const struct arch_tlb_ctx *ctx, uint64_t va, uint64_t size, unsigned level, bool tables_too)
{
	struct flush f = { .regime = ctx->regime, .last_level = !tables_too, .asid = asid_of(ctx) };
	uint64_t pages = size >> PAGE_SHIFT;
	unsigned stride_shift = PAGE_SHIFT;
	bool by_range;

	/*
	 * A leaf of a known level is one entry, whatever its size: one operation for each. A wrong level hint means
	 * that nothing need be invalidated, so what the alignment contradicts is not believed; and the hint is about
	 * leaves, so with tables there is none.
	 */
	if (level >= 1 && level <= 3) {
		unsigned leaf_shift = PAGE_SHIFT + 9 * (3 - level);

		if (IS_ALIGNED(va | size, (uint64_t)1 << leaf_shift)) {
			stride_shift = leaf_shift;
			if (cpu_features.ttl && !tables_too)
				f.ttl = (uint8_t)level;
		}
	}

	/* One range operation does not pay for one or two leaves. */
	by_range = cpu_features.tlb_range && size >> stride_shift > 2;
	if (by_range ? pages > RANGE_MAX_PAGES : size >> stride_shift > MAX_OPERATIONS) {
		arch_tlb_flush_all(ctx);
		return;
	}

	dsb_ishst();
	if (by_range) {
		for (unsigned scale = RANGE_SCALE_LAST + 1; scale-- > 0;) {
			uint64_t units = pages >> RANGE_UNIT_SHIFT(scale);

			if (units == 0)
				continue;
			tlbi_range(&f, va, scale, (unsigned)units - 1);
			va += units << (RANGE_UNIT_SHIFT(scale) + PAGE_SHIFT);
			pages -= units << RANGE_UNIT_SHIFT(scale);
		}
		if (pages)
			tlbi_page(&f, va);
	} else {
		for (uint64_t leaves = size >> stride_shift; leaves > 0; leaves--) {
			tlbi_page(&f, va);
			va += (uint64_t)1 << stride_shift;
		}
	}

	/*
	 * An operation by IPA leaves the entries alone that combine both stages: they are indexed by virtual address.
	 * Once the stage-2 entries are gone everywhere, all of stage 1 of this VMID goes, so that no entry is built
	 * again from an old one.
	 */
	if (ctx->regime == REGIME_STAGE2) {
		dsb_ish();
		tlbi_vmalle1is();
	}
	sync(ctx->regime);
}
