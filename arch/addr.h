/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kinds of address, kept apart by the compiler: physical, intermediate physical (a guest's), page frame number.
 * Virtual addresses are pointers or uintptr_t. phys_to_virt() in arch/arch.h is the only bridge to them.
 */
#ifndef ARCH_ADDR_H
#define ARCH_ADDR_H

#include "lib/defs.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE ((uint64_t)1 << PAGE_SHIFT)
#define PAGE_MASK (PAGE_SIZE - 1)

typedef struct {
	uint64_t v;
} paddr_t; /* physical address, bytes */

typedef struct {
	uint64_t v;
} ipaddr_t; /* intermediate physical address (stage-2 input), bytes */

typedef struct {
	uint64_t n;
} pfn_t; /* page frame number: physical address >> PAGE_SHIFT */

static inline paddr_t paddr(uint64_t v)
{
	return (paddr_t){ v };
}

static inline ipaddr_t ipaddr(uint64_t v)
{
	return (ipaddr_t){ v };
}

static inline pfn_t pfn(uint64_t n)
{
	return (pfn_t){ n };
}

/* The frame that holds the byte at pa. */
static inline pfn_t paddr_to_pfn(paddr_t pa)
{
	return (pfn_t){ pa.v >> PAGE_SHIFT };
}

/* The first byte of the frame. */
static inline paddr_t pfn_to_paddr(pfn_t f)
{
	return (paddr_t){ f.n << PAGE_SHIFT };
}

#endif
