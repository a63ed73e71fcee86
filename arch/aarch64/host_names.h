/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included first, by tlb.c and cache.c only. A host test program holds both arch/host's answer to arch/arch.h and these
 * files with their instructions recorded; there the latter's public functions are called a64_... (declared in
 * arch/host/host.h).
 */
#ifndef ARCH_AARCH64_HOST_NAMES_H
#define ARCH_AARCH64_HOST_NAMES_H

#include "arch/aarch64/insn.h"

#if INSN_RECORDED
#define arch_pt_publish a64_pt_publish
#define arch_pt_table_ready a64_pt_table_ready
#define arch_tlb_flush_range a64_tlb_flush_range
#define arch_tlb_flush_all a64_tlb_flush_all
#define arch_dcache_clean a64_dcache_clean
#define arch_dcache_clean_inval a64_dcache_clean_inval
#define arch_zero a64_zero
#endif

#endif
