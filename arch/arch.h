/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one list of what mm/ may ask of a processor. arch/aarch64 answers it with instructions, arch/host with an ordinary
 * process, so that the same mm/ runs in both worlds. Nothing else of a processor is visible in mm/.
 */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

#include "arch/addr.h"
#include "arch/irq.h"

/* ---- the linear map ------------------------------------------------------------------------------------------ */

/* Virtual address at which physical address 0 would appear in the linear map. Written once, before any other use. */
extern uintptr_t arch_linear_base;

/* The linear-map address of pa. Valid only for RAM that has been mapped there (never for no-map ranges or the image). */
static inline void *phys_to_virt(paddr_t pa)
{
	return (void *)(arch_linear_base + (uintptr_t)pa.v);
}

/* The inverse; va must be a linear-map address. */
static inline paddr_t virt_to_phys(const void *va)
{
	return (paddr_t){ (uint64_t)((uintptr_t)va - arch_linear_base) };
}

/*
 * Learns what the CPU can do. Called once, before the other functions here that depend on it (locks, caches, TLB,
 * arch_pa_bits()); until then those are slow and right. On AArch64 also with the MMU off.
 */
void arch_init(void);

/* ---- this CPU -------------------------------------------------------------------------------------------------- */

/*
 * Index of the running CPU, 0 .. number of CPUs - 1. Stable only while interrupts are masked or the caller is pinned. The
 * kernel's and the host's: libgranule.a has no such function, since nobody has numbered an embedder's CPUs for it.
 */
unsigned arch_cpu_id(void);

/* A pause inside a spin loop. */
void arch_cpu_relax(void);

/* ---- page-table memory and TLB (Arm ARM DDI 0487, D8.13 and D8.14) --------------------------------------------------- */

/* Which translations a TLB operation is about. */
enum arch_regime {
	REGIME_EL1_GLOBAL, /* EL1&0 stage 1, all ASIDs (kernel mappings) */
	REGIME_EL1_ASID,   /* EL1&0 stage 1, one ASID: id */
	REGIME_EL2,	   /* EL2 stage 1 */
	REGIME_STAGE2,	   /* EL1&0 stage 2 of the VMID that is current; addresses are IPAs */
};

struct arch_tlb_ctx {
	enum arch_regime regime;
	uint16_t id; /* ASID or VMID */
};

/* Not known at which level the entries lie: no TTL hint is given. */
#define ARCH_LEVEL_UNKNOWN 0xff

/*
 * Makes earlier descriptor stores (invalid -> valid, or contents of a new table) visible to every table walker before
 * anything later on this CPU: DSB ISHST, and ISB so that this CPU's next instruction may use the mapping.
 */
void arch_pt_publish(void);

/*
 * Makes the contents of a new, not yet linked table visible to walkers before the store that links it (DSB ISHST).
 */
void arch_pt_table_ready(void);

/*
 * Invalidates [va, va + size) on every CPU of the inner shareable domain: DSB ISHST; TLBI...; DSB ISH; ISB, with the
 * repeats that errata ask for. On return no CPU uses an old translation and no walk is under way in a removed table.
 * size > 0, both multiples of 4 KiB. level: level of the leaves that went (0..3) or ARCH_LEVEL_UNKNOWN.
 * tables_too: a table descriptor was removed, walk caches must go as well (otherwise last-level entries only).
 */
void arch_tlb_flush_range(const struct arch_tlb_ctx *ctx, uint64_t va, uint64_t size, unsigned level, bool tables_too);

/* The same for everything in the context. */
void arch_tlb_flush_all(const struct arch_tlb_ctx *ctx);

/* ---- caches and bulk memory ---------------------------------------------------------------------------------------- */

/* Data cache by address to the point of coherency; whole lines that [va, va + size) touches; DSB SY after it. */
void arch_dcache_clean(const void *va, size_t size);
void arch_dcache_clean_inval(const void *va, size_t size);

/* Zeroes size bytes of Normal cacheable memory; va and size multiples of 64. Uses DC ZVA where the CPU permits. */
void arch_zero(void *va, size_t size);

/* ---- limits ------------------------------------------------------------------------------------------------------- */

/* Bits of physical address that the page tables can name (at most 48: the kernel keeps TCR.DS = 0). */
unsigned arch_pa_bits(void);

#endif
