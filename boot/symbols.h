/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names for code addresses. The kernel is linked twice: tools/symtab.py turns `nm -n` of the first link into a table in
 * .rodata.symtab, behind the text, so that the second link moves no function.
 */
#ifndef BOOT_SYMBOLS_H
#define BOOT_SYMBOLS_H

#include "lib/printf.h"

/* Function i starts at base + offsets[i] and is called names + name_offsets[i]. */
struct symbol_table {
	uintptr_t base;		 /* where the running code reaches the first byte of the image */
	uintptr_t size;		 /* bytes of text from base */
	const uint32_t *offsets; /* ascending */
	const uint32_t *name_offsets;
	const char *names; /* NUL-terminated strings */
	uint32_t count;
};

/*
 * The name of the function that contains addr, and addr's distance from its start; NULL when addr is outside
 * [base, base + size) or before the first symbol. offset may be NULL.
 */
const char *symbols_lookup(const struct symbol_table *table, uintptr_t addr, uintptr_t *offset);

/* The same in the running image's own table. */
const char *symbols_find(uintptr_t addr, uintptr_t *offset);

#define SYMBOL_TEXT_MAX GR_NAME_MAX
/* "name+0x1c", a long name cut; "?" where no symbol is known. Returns buf. */
const char *symbols_format(uintptr_t addr, char buf[SYMBOL_TEXT_MAX]);
/*
 * The same for a return address, which belongs to the function of the instruction before it: a call that never returns
 * may be the last instruction of its function.
 */
const char *symbols_format_return(uintptr_t addr, char buf[SYMBOL_TEXT_MAX]);
/* The same, but NULL where no symbol is known: the namer of %pB. */
const char *symbols_name_return(uintptr_t addr, char buf[SYMBOL_TEXT_MAX]);

/* The running image's table: in the kernel the embedded one (boot/symbols_image.c); the host tests supply their own. */
void symbols_table(struct symbol_table *out);

#endif
