/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the processors can do, read from the ID registers at run time, and which of their errata matter to memory
 * management. On a machine with different cores (GS101: Cortex-A55, A76 and X1) a feature is used only when every CPU
 * has it, and a workaround is applied when one CPU needs it.
 */
#ifndef ARCH_AARCH64_FEATURES_H
#define ARCH_AARCH64_FEATURES_H

#include "lib/defs.h"

struct cpu_features {
	/* Sizes. Merged: the smallest. */
	uint8_t pa_bits;      /* physical address bits, at most 48: TCR.DS stays 0, so 52-bit CPUs count as 48 */
	uint8_t asid_bits;    /* 8 or 16 */
	uint8_t vmid_bits;    /* 8 or 16 */
	uint8_t hafdbs;	      /* 0 none, 1 access flag, 2 and dirty state by hardware (errata taken off) */
	uint8_t bbm;	      /* FEAT_BBM level 0..2: what a block size change without break costs */
	uint16_t dcache_line; /* bytes, smallest line of any data or unified cache */
	uint16_t icache_line; /* bytes */
	uint16_t zva_size;    /* bytes that DC ZVA clears; 0: prohibited, or not the same on all CPUs */

	/* Features. Merged: and. */
	bool granule_4k; /* 4 KiB pages in stage 1 (without them nothing of this works) */
	bool lpa2;	 /* 52-bit addresses with 4 KiB pages (reported; not used) */
	bool lse;	 /* FEAT_LSE atomics */
	bool tlb_range;	 /* FEAT_TLBIRANGE */
	bool ttl;	 /* FEAT_TTL: level hints in TLBI operands */
	bool cnp;	 /* FEAT_TTCNP */
	bool pan;	 /* FEAT_PAN */
	bool bti;	 /* FEAT_BTI */
	bool fwb;	 /* FEAT_S2FWB */
	bool idc;	 /* CTR_EL0.IDC: no data cache clean to PoU for instructions */
	bool dic;	 /* CTR_EL0.DIC: no instruction cache invalidation for new instructions */

	/* Errata. Merged: or. */
	bool repeat_tlbi; /* a broadcast TLBI and its DSB must be followed by a second pair */
};

/*
 * The minimum over the CPUs that have joined. Before features_init(): no features, and the smallest cache line that the
 * architecture can describe, so that the functions that read it are slow and right.
 */
extern struct cpu_features cpu_features;

/* What this CPU has. Uses only stack and registers: callable before the MMU is on, and on a CPU that has not joined. */
void features_read(struct cpu_features *out);

/*
 * Sets cpu_features from the boot CPU. Callable before the MMU is on (the caller then invalidates the lines, as for all
 * it wrote).
 */
void features_init(void);

/* *into becomes what it and cpu have in common. */
void features_merge(struct cpu_features *into, const struct cpu_features *cpu);

/*
 * The calling secondary CPU joins: cpu_features becomes what all have in common. False, and nothing changes, when the
 * CPU lacks what cannot be given up any more (physical address bits, ASID bits, 4 KiB pages, atomics, instructions of
 * FEAT_TLBIRANGE): it must park. Called with the MMU on, before the CPU takes its first lock, while the CPU that
 * started it waits.
 */
must_check bool features_join(void);

#endif
