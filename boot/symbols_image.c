/* SPDX-License-Identifier: BSD-2-Clause */
/* The symbol table that tools/symtab.py made of this image. Kernel only. */
#include "boot/boot.h"
#include "boot/symbols.h"

extern const uint32_t symtab_count;
extern const uint32_t symtab_offsets[];
extern const uint32_t symtab_name_offsets[];
extern const char symtab_names[];

void symbols_table(struct symbol_table *out)
{
	/* All addresses are PC-relative: right before the MMU is on and after. */
	out->base = (uintptr_t)image_start;
	out->size = (uintptr_t)image_text_end - (uintptr_t)image_start;
	out->offsets = symtab_offsets;
	out->name_offsets = symtab_name_offsets;
	out->names = symtab_names;
	out->count = symtab_count;
}
