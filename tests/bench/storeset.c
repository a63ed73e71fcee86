/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A QEMU plugin that writes down which 64-byte lines each CPU of the guest loads from and stores to, between two marks.
 * tests/bench/storeset.py builds it, runs it and compares the sets.
 *
 * Arguments, addresses in hexadecimal, all but the first three as often as wanted:
 *
 *	out=FILE	where the sets are written when the guest ends
 *	begin=PC	a CPU that executes this begins its next round; end=PC: it ends it. Outside of rounds nothing is noted
 *	batch=PC-PC	code (end excluded) that moves frames between a cache and a bank
 *	hot=PC-PC	code that is not. What is in neither belongs to whoever has called it
 *	op=PC		executing this is one operation
 *
 * Lines of the output, all numbers hexadecimal:
 *
 *	round CPU ROUND OPS
 *	line CPU ROUND PHYS VA HOT_STORES HOT_LOADS BATCH_STORES BATCH_LOADS LOCKS STORE_PC LOAD_PC
 *
 * The PCs are those of the first hot store and load, or of the first at all; LOCKS counts how often a lock in the line
 * was held: an atomic read-modify-write with acquire semantics (an LSE instruction, or a store exclusive after a
 * load-acquire exclusive), and after it a store-release by the same CPU. DC ZVA is not seen (QEMU tells plugins of no
 * access of its own helpers).
 */
#include "tests/bench/qemu_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CPUS 64
#define MAX_RANGES 64
#define LINE_SHIFT 6

int qemu_plugin_version = QEMU_PLUGIN_VERSION;

struct range {
	uint64_t begin, end;
};

enum place { PLACE_INHERITED, PLACE_HOT, PLACE_BATCH };
enum atomic { ATOMIC_NO, ATOMIC_ACQUIRE, ATOMIC_LOAD_ACQUIRE, ATOMIC_STORE, ATOMIC_RELEASE };

struct insn {
	uint64_t pc;
	enum place place;
	enum atomic atomic;
	bool begin, end, op;
};

struct line {
	uint64_t pa, va;      /* pa: with bit 0 set, so that 0 is an empty slot */
	uint64_t count[2][2]; /* [batch][store] */
	uint64_t locks;
	uint64_t pc[2]; /* [store] */
	bool hot[2];	/* [store]: pc is a hot one */
	bool acquired;	/* and not released yet */
};

struct cpu {
	struct line *slot; /* open addressing */
	size_t slots, used;
	uint64_t round; /* 1 is the first */
	uint64_t ops;
	uint64_t exclusive; /* line of the last load-acquire exclusive */
	bool open, batch;
};

static struct cpu cpus[MAX_CPUS];
static struct range batch_range[MAX_RANGES], hot_range[MAX_RANGES], op_range[MAX_RANGES];
static unsigned batch_ranges, hot_ranges, op_ranges;
static uint64_t begin_pc = 1, end_pc = 1; /* no PC */
static FILE *out;

static _Noreturn void die(const char *why, const char *what)
{
	fprintf(stderr, "storeset: %s%s\n", why, what);
	exit(2);
}

static bool within(const struct range *range, unsigned n, uint64_t pc)
{
	for (unsigned i = 0; i < n; i++)
		if (pc >= range[i].begin && pc < range[i].end)
			return true;
	return false;
}

/* ---- the sets ---------------------------------------------------------------------------------------------------- */

static struct line *slot_of(struct line *slot, size_t slots, uint64_t key)
{
	size_t i = (size_t)((key >> LINE_SHIFT) * 0x9e3779b97f4a7c15u >> 20) & (slots - 1);

	while (slot[i].pa && slot[i].pa != key)
		i = (i + 1) & (slots - 1);
	return &slot[i];
}

static void grow(struct cpu *c)
{
	size_t slots = c->slots ? 2 * c->slots : 1024;
	struct line *bigger = calloc(slots, sizeof(*bigger));

	if (!bigger)
		die("no memory", "");
	for (size_t i = 0; i < c->slots; i++)
		if (c->slot[i].pa)
			*slot_of(bigger, slots, c->slot[i].pa) = c->slot[i];
	free(c->slot);
	c->slot = bigger;
	c->slots = slots;
}

static void note(struct cpu *c, const struct insn *insn, uint64_t pa, uint64_t va, bool store)
{
	uint64_t key = (pa >> LINE_SHIFT << LINE_SHIFT) | 1;
	struct line *line;

	if (2 * (c->used + 1) > c->slots)
		grow(c);
	line = slot_of(c->slot, c->slots, key);
	if (!line->pa) {
		line->pa = key;
		line->va = va >> LINE_SHIFT << LINE_SHIFT;
		c->used++;
	}
	line->count[c->batch][store]++;
	if (!line->pc[store] || (!c->batch && !line->hot[store]))
		line->pc[store] = insn->pc;
	line->hot[store] |= !c->batch;

	/* A read-modify-write is told twice, as the load and then as the store; so may a store exclusive be. */
	if (store && (insn->atomic == ATOMIC_ACQUIRE || (insn->atomic == ATOMIC_STORE && c->exclusive == key)))
		line->acquired = true;
	if (insn->atomic == ATOMIC_RELEASE && line->acquired) {
		line->acquired = false;
		line->locks++;
	}
	if (insn->atomic == ATOMIC_LOAD_ACQUIRE)
		c->exclusive = key;
	else if (store)
		c->exclusive = 0;
}

static void print_round(unsigned number, struct cpu *c)
{
	fprintf(out, "round %x %llx %llx\n", number, (unsigned long long)c->round, (unsigned long long)c->ops);
	for (size_t i = 0; i < c->slots; i++) {
		const struct line *l = &c->slot[i];

		if (l->pa)
			fprintf(out, "line %x %llx %llx %llx %llx %llx %llx %llx %llx %llx %llx\n", number,
				(unsigned long long)c->round, (unsigned long long)(l->pa & ~(uint64_t)1),
				(unsigned long long)l->va, (unsigned long long)l->count[0][1],
				(unsigned long long)l->count[0][0], (unsigned long long)l->count[1][1],
				(unsigned long long)l->count[1][0], (unsigned long long)l->locks,
				(unsigned long long)l->pc[1], (unsigned long long)l->pc[0]);
	}
	fflush(out);
}

/* ---- what QEMU calls --------------------------------------------------------------------------------------------- */

static void on_insn(unsigned number, void *data)
{
	const struct insn *insn = data;
	struct cpu *c = &cpus[number];

	if (insn->begin) {
		memset(c->slot, 0, c->slots * sizeof(*c->slot));
		c->used = 0;
		c->ops = 0;
		c->exclusive = 0;
		c->round++;
		c->open = true;
	}
	if (insn->end && c->open) {
		c->open = false;
		print_round(number, c);
	}
	if (insn->op)
		c->ops++;
	if (insn->place != PLACE_INHERITED)
		c->batch = insn->place == PLACE_BATCH;
}

static void on_access(unsigned number, qemu_plugin_meminfo_t info, uint64_t va, void *data)
{
	const struct insn *insn = data;
	struct cpu *c = &cpus[number];
	struct qemu_plugin_hwaddr *address;
	uint64_t pa, last;

	if (!c->open)
		return;
	address = qemu_plugin_get_hwaddr(info, va);
	if (!address || qemu_plugin_hwaddr_is_io(address))
		return;
	pa = qemu_plugin_hwaddr_phys_addr(address);
	last = pa + ((uint64_t)1 << qemu_plugin_mem_size_shift(info)) - 1;
	note(c, insn, pa, va, qemu_plugin_mem_is_store(info));
	if (last >> LINE_SHIFT != pa >> LINE_SHIFT)
		note(c, insn, last, va + (last - pa), qemu_plugin_mem_is_store(info));
}

/* Arm ARM C4.1.94, "Loads and stores": the encodings of which locks are made. */
static enum atomic atomic_of(uint32_t op)
{
	if ((op & 0x3b200c00) == 0x38200000) /* LDADD .. LDUMIN, SWP; bit 23: acquire */
		return op & 1u << 23 ? ATOMIC_ACQUIRE : ATOMIC_NO;
	if ((op & 0x3fa07c00) == 0x08a07c00) /* CAS; bit 22: acquire */
		return op & 1u << 22 ? ATOMIC_ACQUIRE : ATOMIC_NO;
	if ((op & 0x3fe08000) == 0x08408000) /* LDAXR */
		return ATOMIC_LOAD_ACQUIRE;
	if ((op & 0x3fe08000) == 0x08808000) /* STLR */
		return ATOMIC_RELEASE;
	if ((op & 0x3fe00000) == 0x08000000) /* STXR, STLXR */
		return ATOMIC_STORE;
	return ATOMIC_NO;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *q = qemu_plugin_tb_get_insn(tb, i);
		struct insn *insn = calloc(1, sizeof(*insn)); /* kept: the code may run until the end */
		uint32_t op;

		if (!insn)
			die("no memory", "");
		memcpy(&op, qemu_plugin_insn_data(q), sizeof(op));
		insn->pc = qemu_plugin_insn_vaddr(q);
		insn->atomic = atomic_of(op);
		insn->begin = insn->pc == begin_pc;
		insn->end = insn->pc == end_pc;
		insn->op = within(op_range, op_ranges, insn->pc);
		if (within(batch_range, batch_ranges, insn->pc))
			insn->place = PLACE_BATCH;
		else if (within(hot_range, hot_ranges, insn->pc))
			insn->place = PLACE_HOT;
		if (insn->begin || insn->end || insn->op || insn->place != PLACE_INHERITED)
			qemu_plugin_register_vcpu_insn_exec_cb(q, on_insn, QEMU_PLUGIN_CB_NO_REGS, insn);
		qemu_plugin_register_vcpu_mem_cb(q, on_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, insn);
	}
}

static void on_end(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	fprintf(out, "end\n");
	fclose(out);
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static void add_range(struct range *range, unsigned *n, const char *text)
{
	char *rest;

	if (*n == MAX_RANGES)
		die("too many ranges: ", text);
	range[*n].begin = strtoull(text, &rest, 16);
	range[*n].end = *rest == '-' ? strtoull(rest + 1, NULL, 16) : range[*n].begin + 1;
	(*n)++;
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	if (!info->system_emulation || info->system.max_vcpus > MAX_CPUS)
		die("a machine of at most 64 CPUs is wanted", "");
	for (int i = 0; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (!value)
			die("what is ", argv[i]);
		*value++ = 0;
		if (!strcmp(argv[i], "out"))
			out = fopen(value, "w");
		else if (!strcmp(argv[i], "begin"))
			begin_pc = strtoull(value, NULL, 16);
		else if (!strcmp(argv[i], "end"))
			end_pc = strtoull(value, NULL, 16);
		else if (!strcmp(argv[i], "batch"))
			add_range(batch_range, &batch_ranges, value);
		else if (!strcmp(argv[i], "hot"))
			add_range(hot_range, &hot_ranges, value);
		else if (!strcmp(argv[i], "op"))
			add_range(op_range, &op_ranges, value);
		else
			die("what is ", argv[i]);
	}
	if (!out)
		die("out=FILE is missing, or cannot be written", "");
	for (unsigned i = 0; i < MAX_CPUS; i++)
		grow(&cpus[i]);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, on_end, NULL);
	return 0;
}
