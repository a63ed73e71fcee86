/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/arch.h over an ordinary process, and what tests may turn and read there: which CPU a thread plays, a journal of
 * TLB and cache calls (what mm/ asked for), and a recording of instructions (what arch/aarch64 would have executed for
 * it). Journal, recording and system registers belong to the calling thread, as they would to a CPU.
 */
#ifndef ARCH_HOST_HOST_H
#define ARCH_HOST_HOST_H

#include "arch/aarch64/insn.h"
#include "arch/arch.h"

/* ---- the machine ------------------------------------------------------------------------------------------------ */

/* What arch_cpu_id() and arch_cpu_key() say in this thread (0 in a new one); as a key it may be any number. */
void host_set_cpu_id(uint64_t id);
/* How deep this thread is in arch_irq_save(): 0 when interrupts would be on. A restore out of order aborts. */
unsigned host_irq_depth(void);
/* What arch_pa_bits() says (48 at first). */
void host_set_pa_bits(unsigned bits);

/* ---- journal of what was asked of arch.h ------------------------------------------------------------------------- */

enum host_op {
	HOST_PT_PUBLISH,
	HOST_PT_TABLE_READY,
	HOST_TLB_FLUSH_RANGE,
	HOST_TLB_FLUSH_ALL,
	HOST_DCACHE_CLEAN,
	HOST_DCACHE_CLEAN_INVAL,
	HOST_ZERO,
};

struct host_event {
	enum host_op op;
	struct arch_tlb_ctx ctx; /* TLB operations */
	uint64_t va;		 /* TLB range, or address of cache operation and zero */
	uint64_t size;
	unsigned level; /* HOST_TLB_FLUSH_RANGE */
	bool tables_too;
};

/* From now on events of this thread go to events[0..capacity); replaces an earlier buffer. */
void host_journal_start(struct host_event *events, size_t capacity);
/* Events since start, also those for which the buffer had no room. */
size_t host_journal_count(void);
/* Ends the journal and returns that count. */
size_t host_journal_stop(void);

/*
 * When not NULL, sees every event at the moment it happens (a TLB model). Called by all threads; set while only one
 * runs.
 */
extern void (*host_event_hook)(const struct host_event *event);

/* ---- recording of instructions ----------------------------------------------------------------------------------- */

struct host_step {
	enum insn insn;
	uint64_t operand;
	const char *reg; /* INSN_msr: which system register; otherwise NULL */
};

/*
 * Like the journal. Reads of system registers are not recorded. Two instructions also have their effect, so that
 * arch_zero() can be checked by its result: DC ZVA clears the block that DCZID_EL0 describes, INSN_store_zero its 64
 * bytes.
 */
void host_record_start(struct host_step *steps, size_t capacity);
size_t host_record_count(void);
size_t host_record_stop(void);
/* The name of an instruction, as in INSN_LIST. */
const char *host_insn_name(enum insn insn);

/*
 * System registers by name (lower case, as READ_SYSREG() has it). One that was never set reads as 0; a write is kept.
 */
void host_sysreg_set(const char *name, uint64_t value);
/* All read as 0 again. */
void host_sysreg_reset(void);

/* ---- arch/aarch64/{tlb,cache}.c as compiled for the host (arch/aarch64/host_names.h) ----------------------------- */

void a64_pt_publish(void);
void a64_pt_table_ready(void);
void a64_tlb_flush_range(const struct arch_tlb_ctx *ctx, uint64_t va, uint64_t size, unsigned level, bool tables_too);
void a64_tlb_flush_all(const struct arch_tlb_ctx *ctx);
void a64_dcache_clean(const void *va, size_t size);
void a64_dcache_clean_inval(const void *va, size_t size);
void a64_zero(void *va, size_t size);

#endif
