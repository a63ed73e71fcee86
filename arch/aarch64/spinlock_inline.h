/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What arch/spinlock.h asks, for AArch64. A number is taken with one LSE instruction where every CPU has them, with
 * load/store exclusive elsewhere; both work on the same word, so which one a CPU uses is its own business (Arm ARM DDI
 * 0487, "Synchronization and semaphores"). Included there only.
 */
#ifndef ARCH_AARCH64_SPINLOCK_INLINE_H
#define ARCH_AARCH64_SPINLOCK_INLINE_H

#include "arch/aarch64/features.h"

static always_inline uint32_t ticket_take(uint32_t *word)
{
	uint32_t one = (uint32_t)1 << 16;
	uint32_t before, after, failed;

	if (likely(cpu_features.lse)) {
		__asm__ volatile(".arch_extension lse\n\t"
				 "ldadda	%w[one], %w[before], %[word]"
				 : [before] "=r"(before), [word] "+Q"(*word)
				 : [one] "r"(one)
				 : "memory");
	} else {
		__asm__ volatile(
			"1:	ldaxr	%w[before], %[word]\n\t"
			"add	%w[after], %w[before], %w[one]\n\t"
			"stxr	%w[failed], %w[after], %[word]\n\t"
			"cbnz	%w[failed], 1b"
			: [before] "=&r"(before), [after] "=&r"(after), [failed] "=&r"(failed), [word] "+Q"(*word)
			: [one] "r"(one)
			: "memory");
	}
	return before;
}

/* The word against itself, rotated by 16: one instruction, but not one that compilers find. */
static always_inline uint32_t ticket_taken(uint32_t before)
{
	uint32_t differ;

	__asm__("eor	%w0, %w1, %w1, ror #16" : "=r"(differ) : "r"(before));
	return differ;
}

/* Only the owner writes the lower half (little-endian: the first two bytes), so a plain store-release does. */
static always_inline void ticket_serve_next(uint32_t *word)
{
	uint32_t serving;

	__asm__ volatile("ldrh	%w[serving], %[word]\n\t"
			 "add	%w[serving], %w[serving], #1\n\t"
			 "stlrh	%w[serving], %[word]"
			 : [serving] "=&r"(serving), [word] "+Q"(*word)
			 :
			 : "memory");
}

/*
 * Waiting is WFE: the load-acquire exclusive arms this CPU's monitor on the word, the owner's store to it clears the
 * monitor, and that is the event. No SEV is needed. SEVL: the first WFE falls through to the load that arms the monitor.
 */
static always_inline void ticket_wait(uint32_t *word, uint32_t mine)
{
	uint32_t serving;

	__asm__ volatile("	sevl\n"
			 "1:	wfe\n\t"
			 "ldaxrh	%w[serving], %[word]\n\t"
			 "cmp	%w[serving], %w[mine]\n\t"
			 "b.ne	1b"
			 : [serving] "=&r"(serving), [word] "+Q"(*word)
			 : [mine] "r"(mine)
			 : "memory", "cc");
}

#endif
