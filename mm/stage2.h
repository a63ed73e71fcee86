/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage-2 identity mapper: a guest's intermediate physical addresses are mapped to the same physical addresses, range
 * by range, on the general page-table code (the seed's DynamicIdentityMapper without its limit of four tables and
 * with encodings that the architecture accepts: Arm ARM DDI 0487, D8.3.1 and D8.5.5, HCR_EL2.FWB = 0).
 *
 * The caller serialises calls on one object, and sets pt.live when VTTBR_EL2 has been written (its VMID must be the
 * current one whenever a live object is changed: TLB maintenance names no VMID).
 */
#ifndef MM_STAGE2_H
#define MM_STAGE2_H

#include "mm/pgtable.h"

enum stage2_attr {
	STAGE2_NORMAL,	  /* Normal write-back, read-write, executable: block 0x7FD, page 0x7FF */
	STAGE2_NORMAL_XN, /* the same, never executable */
	STAGE2_DEVICE,	  /* Device-nGnRnE, read-write, never executable: 0x4C1 / 0x4C3 with XN */
	STAGE2_READONLY,  /* Normal write-back, read-only, never executable: 0x77D / 0x77F with XN */
};

struct stage2 {
	struct pgtable pt;
	uint16_t vmid;
	uint8_t pa_bits;
	paddr_t roots;
	unsigned root_order; /* frames order of the concatenated roots */
	const struct page_allocator *allocator;
};

/*
 * An empty stage 2 for IPAs of pa_bits: what ID_AA64MMFR0_EL1.PARange can say up to 48 bits (32, 36, 40, 42, 44, 48),
 * and at most what this CPU has. Start level and concatenation as SL0 allows (up to 34 bits level 2, up to 43 level
 * 1, above level 0). vmid above 255 needs FEAT_VMID16. alloc_roots: 2^order contiguous pages aligned to their size,
 * contents arbitrary; false on failure (MM_EPT_ALLOC). MM_EINVAL; MM_EALIGN when the roots are not aligned (they stay
 * the caller's).
 */
must_check int stage2_init(struct stage2 *s, unsigned pa_bits, uint16_t vmid, const struct page_allocator *a,
			   bool (*alloc_roots)(void *ctx, unsigned order, paddr_t *out), void *ctx);
/* Frees every table; the roots (s->roots, s->root_order) go to free_roots. The object must not be live (refused). */
void stage2_destroy(struct stage2 *s, void (*free_roots)(void *ctx, unsigned order, paddr_t roots), void *ctx);
/* IPA [ipa, ipa + size) to the same PA. Refused: unaligned, zero size, wrapping, out of range, over a mapping. */
must_check int stage2_map_region(struct stage2 *s, ipaddr_t ipa, uint64_t size, enum stage2_attr attr);
must_check int stage2_unmap_region(struct stage2 *s, ipaddr_t ipa, uint64_t size);
/* Register values to install (Arm ARM D19.2: VTTBR_EL2, VTCR_EL2 with bit 31 RES1). */
uint64_t stage2_vttbr(const struct stage2 *s);
uint64_t stage2_vtcr(const struct stage2 *s);

#endif
