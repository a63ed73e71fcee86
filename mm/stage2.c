/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage-2 identity mapper: attributes by name, the size of the address space, and the two register values. All
 * work on tables is pgtable's.
 */
#include "mm/stage2.h"

#include "lib/log.h"

/* VTCR_EL2 (Arm ARM D19.2.161), 4 KiB granule, walks Normal write-back inner-shareable. */
#define VTCR_T0SZ(bits) ((uint64_t)64 - (bits))
#define VTCR_SL0(start_level) ((uint64_t)(2 - (start_level)) << 6)
#define VTCR_IRGN0_WBWA ((uint64_t)1 << 8)
#define VTCR_ORGN0_WBWA ((uint64_t)1 << 10)
#define VTCR_SH0_INNER ((uint64_t)3 << 12)
#define VTCR_TG0_4K ((uint64_t)0 << 14)
#define VTCR_PS(n) ((uint64_t)(n) << 16)
#define VTCR_VS_16BIT ((uint64_t)1 << 19)
#define VTCR_RES1 ((uint64_t)1 << 31)

#define VMID_SHIFT 48

/* ID_AA64MMFR0_EL1.PARange and VTCR_EL2.PS use the same numbers; -1 for a size that is not among them. */
static int encode_ps(unsigned pa_bits)
{
	static const uint8_t sizes[] = { 32, 36, 40, 42, 44, 48 };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (sizes[i] == pa_bits)
			return (int)i;
	}
	return -1;
}

/* [ST2] [ST3] */
int stage2_init(struct stage2 *s, unsigned pa_bits, uint16_t vmid, const struct page_allocator *a,
		bool (*alloc_roots)(void *ctx, unsigned order, paddr_t *out), void *ctx)
{
	struct pgtable_config config = {
		.format = &format_stage2,
		.input_bits = pa_bits,
		.pa_bits = pa_bits,
		.tlb = { .regime = REGIME_STAGE2, .id = vmid },
		.allocator = a,
	};
	int shift;
	paddr_t roots;

	if (encode_ps(pa_bits) < 0 || !a || !alloc_roots)
		return MM_EINVAL;
	shift = pgtable_root_shift(&format_stage2, pa_bits);
	if (shift < 0)
		return shift;
	if (!alloc_roots(ctx, (unsigned)shift, &roots))
		return MM_EPT_ALLOC;
	*s = (struct stage2){
		.vmid = vmid,
		.pa_bits = (uint8_t)pa_bits,
		.roots = roots,
		.root_order = (unsigned)shift,
		.allocator = a,
	};
	return pgtable_init(&s->pt, &config, &roots);
}

/* [ST8] */
void stage2_destroy(struct stage2 *s, void (*free_roots)(void *ctx, unsigned order, paddr_t roots), void *ctx)
{
	if (s->pt.live) {
		log_error("stage2: VMID %u is live and cannot be destroyed\n", s->vmid);
		return;
	}
	pgtable_destroy(&s->pt);
	free_roots(ctx, s->root_order, s->roots);
}

/* [ST1] [ST4] [ST5] [ST20] [ST21] */
int stage2_map_region(struct stage2 *s, ipaddr_t ipa, uint64_t size, enum stage2_attr attr)
{
	struct pt_attrs attrs = { 0, PT_NORMAL };

	switch (attr) {
	case STAGE2_NORMAL:
		attrs.access = PT_WRITE | PT_EXEC;
		break;
	case STAGE2_NORMAL_XN:
		attrs.access = PT_WRITE;
		break;
	case STAGE2_DEVICE:
		attrs = (struct pt_attrs){ PT_WRITE, PT_DEVICE_nGnRnE };
		break;
	case STAGE2_READONLY:
		break;
	default:
		return MM_EINVAL;
	}
	return pgtable_map(&s->pt, ipa.v, paddr(ipa.v), size, attrs, 0);
}

/* [ST6] [ST20] */
int stage2_unmap_region(struct stage2 *s, ipaddr_t ipa, uint64_t size)
{
	return pgtable_unmap(&s->pt, ipa.v, size);
}

/* [ST7] */
uint64_t stage2_vttbr(const struct stage2 *s)
{
	return (uint64_t)s->vmid << VMID_SHIFT | s->roots.v;
}

/* VS only where the VMID needs it: without FEAT_VMID16 the bit is RES0. [ST7] */
uint64_t stage2_vtcr(const struct stage2 *s)
{
	return VTCR_RES1 | VTCR_PS(encode_ps(s->pa_bits)) | VTCR_TG0_4K | VTCR_SH0_INNER | VTCR_ORGN0_WBWA |
	       VTCR_IRGN0_WBWA | VTCR_SL0(s->pt.start_level) | VTCR_T0SZ(s->pa_bits) |
	       (s->vmid > 0xff ? VTCR_VS_16BIT : 0);
}
