/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/arch.h over an ordinary process. Caches and TLBs are somebody else's business here: what mm/ asks for is written
 * to a journal that suites read, and shown to host_event_hook.
 */
#include "arch/host/host.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uintptr_t arch_linear_base;

void (*host_event_hook)(const struct host_event *event);
void (*host_between_hook)(void);

_Thread_local uint64_t host_cpu_number;
_Thread_local unsigned host_irq_nesting;
static unsigned pa_bits = 48;

static _Thread_local struct host_event *journal;
static _Thread_local size_t journal_capacity;
static _Thread_local size_t journaled;

/* There is nothing to learn about a process. */
void arch_init(void)
{
}

/* ---- this CPU: a thread ------------------------------------------------------------------------------------------ */

void host_set_cpu_id(uint64_t id)
{
	host_cpu_number = id;
}

/* [AR21] */
unsigned arch_cpu_id(void)
{
	return (unsigned)host_cpu_number;
}

unsigned host_irq_depth(void)
{
	return host_irq_nesting;
}

void host_irq_bad_restore(unsigned long state)
{
	fprintf(stderr, "host: arch_irq_restore(%lu) at depth %u\n", state, host_irq_nesting);
	abort();
}

void arch_cpu_relax(void)
{
	sched_yield();
}

void host_set_pa_bits(unsigned bits)
{
	pa_bits = bits;
}

/* [AR23] */
unsigned arch_pa_bits(void)
{
	return pa_bits;
}

/* ---- the journal ------------------------------------------------------------------------------------------------- */

void host_journal_start(struct host_event *events, size_t capacity)
{
	journal = events;
	journal_capacity = capacity;
	journaled = 0;
}

size_t host_journal_count(void)
{
	return journaled;
}

size_t host_journal_stop(void)
{
	journal = NULL;
	return journaled;
}

/* [AR24] */
static void note(struct host_event event)
{
	if (host_event_hook)
		host_event_hook(&event);
	if (!journal)
		return;
	if (journaled < journal_capacity)
		journal[journaled] = event;
	journaled++;
}

void arch_pt_publish(void)
{
	note((struct host_event){ .op = HOST_PT_PUBLISH });
}

void arch_pt_table_ready(void)
{
	note((struct host_event){ .op = HOST_PT_TABLE_READY });
}

void arch_tlb_flush_range(const struct arch_tlb_ctx *ctx, uint64_t va, uint64_t size, unsigned level, bool tables_too)
{
	if (size == 0 || !IS_ALIGNED(va | size, PAGE_SIZE)) {
		fprintf(stderr, "host: arch_tlb_flush_range(%#llx, %#llx)\n", (unsigned long long)va,
			(unsigned long long)size);
		abort();
	}
	note((struct host_event){ .op = HOST_TLB_FLUSH_RANGE,
				  .ctx = *ctx,
				  .va = va,
				  .size = size,
				  .level = level,
				  .tables_too = tables_too });
}

void arch_tlb_flush_all(const struct arch_tlb_ctx *ctx)
{
	note((struct host_event){ .op = HOST_TLB_FLUSH_ALL, .ctx = *ctx });
}

void arch_dcache_clean(const void *va, size_t size)
{
	note((struct host_event){ .op = HOST_DCACHE_CLEAN, .va = (uintptr_t)va, .size = size });
}

void arch_dcache_clean_inval(const void *va, size_t size)
{
	note((struct host_event){ .op = HOST_DCACHE_CLEAN_INVAL, .va = (uintptr_t)va, .size = size });
}

void arch_zero(void *va, size_t size)
{
	if (!IS_ALIGNED((uintptr_t)va | size, 64)) {
		fprintf(stderr, "host: arch_zero(%p, %zu)\n", va, size);
		abort();
	}
	memset(va, 0, size);
	note((struct host_event){ .op = HOST_ZERO, .va = (uintptr_t)va, .size = size });
}
