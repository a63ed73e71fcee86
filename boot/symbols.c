/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks up code addresses in a symbol table. Needs no memory, lock or initialisation: the exception report calls it. */
#include "boot/symbols.h"

/* [BU7] */
const char *symbols_lookup(const struct symbol_table *table, uintptr_t addr, uintptr_t *offset)
{
	uintptr_t where = addr - table->base;
	uint32_t low = 0;
	uint32_t high = table->count;

	if (addr < table->base || where >= table->size)
		return NULL;
	/* The last symbol that does not start after `where`. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table->offsets[middle] <= where)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	if (offset != NULL)
		*offset = where - table->offsets[low - 1];
	return table->names + table->name_offsets[low - 1];
}

const char *symbols_find(uintptr_t addr, uintptr_t *offset)
{
	struct symbol_table table;

	symbols_table(&table);
	return symbols_lookup(&table, addr, offset);
}

/* addr as the function that contains addr - back, and addr's distance from its start; NULL where there is none. */
static const char *format(uintptr_t addr, unsigned back, char buf[SYMBOL_TEXT_MAX])
{
	uintptr_t offset = 0;
	const char *name = addr >= back ? symbols_find(addr - back, &offset) : NULL;

	if (name == NULL)
		return NULL;
	/* A long name is cut, its offset never: 42 + "+0x" + 16 digits and NUL are 62. */
	gr_snprintf(buf, SYMBOL_TEXT_MAX, "%.42s+0x%lx", name, (unsigned long)(offset + back));
	return buf;
}

static const char *or_unknown(const char *text, char buf[SYMBOL_TEXT_MAX])
{
	if (text == NULL)
		gr_snprintf(buf, SYMBOL_TEXT_MAX, "?");
	return buf;
}

/* [BU8] */
const char *symbols_format(uintptr_t addr, char buf[SYMBOL_TEXT_MAX])
{
	return or_unknown(format(addr, 0, buf), buf);
}

const char *symbols_format_return(uintptr_t addr, char buf[SYMBOL_TEXT_MAX])
{
	return or_unknown(format(addr, 4, buf), buf);
}

/* [DG1] */
const char *symbols_name_return(uintptr_t addr, char buf[SYMBOL_TEXT_MAX])
{
	return format(addr, 4, buf);
}
