/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The recording of instructions that arch/aarch64/insn.h makes in a hosted program, and the system registers it reads
 * there.
 */
#include "arch/host/host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSREGS 64
#define NAME_MAX_LENGTH 31

struct sysreg {
	char name[NAME_MAX_LENGTH + 1];
	uint64_t value;
};

static _Thread_local struct host_step *buffer;
static _Thread_local size_t buffer_capacity;
static _Thread_local size_t recorded;

static _Thread_local struct sysreg sysregs[SYSREGS];
static _Thread_local size_t sysreg_count;

static struct sysreg *find_sysreg(const char *name)
{
	for (size_t i = 0; i < sysreg_count; i++) {
		if (strcmp(sysregs[i].name, name) == 0)
			return &sysregs[i];
	}
	return NULL;
}

void host_sysreg_set(const char *name, uint64_t value)
{
	struct sysreg *reg = find_sysreg(name);

	if (!reg) {
		if (sysreg_count == SYSREGS || strlen(name) > NAME_MAX_LENGTH) {
			fprintf(stderr, "host: no room for system register %s\n", name);
			abort();
		}
		reg = &sysregs[sysreg_count++];
		strcpy(reg->name, name);
	}
	reg->value = value;
}

void host_sysreg_reset(void)
{
	sysreg_count = 0;
}

uint64_t host_mrs(const char *name)
{
	const struct sysreg *reg = find_sysreg(name);

	return reg ? reg->value : 0;
}

/* [AR24] */
static void append(enum insn insn, uint64_t operand, const char *reg)
{
	if (!buffer)
		return;
	if (recorded < buffer_capacity)
		buffer[recorded] = (struct host_step){ insn, operand, reg };
	recorded++;
}

void host_msr(const char *name, uint64_t value)
{
	host_sysreg_set(name, value);
	append(INSN_msr, value, name);
}

void host_insn(enum insn insn, uint64_t operand)
{
	append(insn, operand, NULL);
	if (insn == INSN_dc_zva) {
		/* DCZID_EL0.BS: log2 of the block in words; the block that holds the address is cleared */
		uint64_t block = (uint64_t)4 << (host_mrs("dczid_el0") & 0xf);

		memset((void *)(uintptr_t)ALIGN_DOWN(operand, block), 0, (size_t)block);
	} else if (insn == INSN_store_zero) {
		memset((void *)(uintptr_t)operand, 0, 64);
	}
}

void host_record_start(struct host_step *steps, size_t capacity)
{
	buffer = steps;
	buffer_capacity = capacity;
	recorded = 0;
}

size_t host_record_count(void)
{
	return recorded;
}

size_t host_record_stop(void)
{
	buffer = NULL;
	return recorded;
}

const char *host_insn_name(enum insn insn)
{
#define NAME(name, text) #name,
	static const char *const names[] = { "none", INSN_LIST(NAME, NAME) "msr", "store_zero" };
#undef NAME
	_Static_assert(ARRAY_SIZE(names) == INSN_COUNT, "one name for each instruction");

	return (unsigned)insn < INSN_COUNT ? names[insn] : "?";
}
