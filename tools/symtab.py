#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# Turns the output of `nm -n kernel.elf` (standard input) into an assembly file (standard output) with the kernel's own
# symbol table, which boot/symbols.c searches:
#
#	symtab_count		u32	number of functions
#	symtab_offsets		u32[]	start of each, relative to image_start, ascending
#	symtab_name_offsets	u32[]	where its name starts in symtab_names
#	symtab_names		bytes	NUL-terminated names
#
# Only text symbols (t, T, w, W) count; the mapping symbols $x and $d of the assembler and local labels do not. Of several names for
# one address one stays: a global before a local, then the alphabet. The same input gives the same output. With empty input the
# table is empty: that is what the first of the two links uses.

import sys

BASE = "image_start"
# linker.ld's marks stand at addresses of functions and would hide their names.
MARKS = {"image_start", "image_text_end", "image_rodata_end", "image_data_end", "image_end"}


def parse(lines):
    """Returns (address of image_start or None, {address: (rank, name)})."""
    base = None
    best = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        if len(words) == 2 and words[0] in ("U", "w", "v"):
            continue  # undefined: no address
        if len(words) != 3 or len(words[1]) != 1:
            raise ValueError(f"line {number}: not a line of nm: {line.rstrip()!r}")
        try:
            address = int(words[0], 16)
        except ValueError:
            raise ValueError(f"line {number}: no address: {line.rstrip()!r}") from None
        kind, name = words[1], words[2]
        if name == BASE:
            base = address
        if kind not in "tTwW" or name in MARKS or name.startswith("$") or name.startswith(".L"):
            continue
        candidate = (kind not in "TW", name)
        if address not in best or candidate < best[address]:
            best[address] = candidate
    return base, best


def emit(out, offsets, names):
    out.write("/* SPDX-License-Identifier: BSD-2-Clause */\n")
    out.write("/* Written by tools/symtab.py: the functions of this image, for the exception report. */\n")
    out.write('\t.section .rodata.symtab, "a"\n')

    def label(name, align):
        out.write(f"\n\t.balign {align}\n\t.globl {name}\n\t.hidden {name}\n{name}:\n")

    label("symtab_count", 4)
    out.write(f"\t.long {len(offsets)}\n")
    label("symtab_offsets", 4)
    for offset in offsets:
        out.write(f"\t.long 0x{offset:x}\n")
    label("symtab_name_offsets", 4)
    where = 0
    for name in names:
        out.write(f"\t.long 0x{where:x}\n")
        where += len(name.encode()) + 1
    label("symtab_names", 1)
    for name in names:
        out.write(f'\t.asciz "{name}"\n')
    if not names:
        out.write('\t.asciz ""\n')
    # An assembler file without this note asks GNU ld for an executable stack.
    out.write('\n\t.section .note.GNU-stack, "", %progbits\n')


def main():
    if len(sys.argv) != 1:
        sys.exit("usage: nm -n kernel.elf | symtab.py > symtab.S")
    try:
        base, best = parse(sys.stdin)
    except ValueError as error:
        sys.exit(f"symtab.py: {error}")
    if best and base is None:
        sys.exit(f"symtab.py: there are functions but no {BASE}")
    addresses = [a for a in sorted(best) if a >= base] if best else []
    offsets = [a - base for a in addresses] if addresses else []
    if offsets and offsets[-1] > 0xFFFFFFFF:
        sys.exit(f"symtab.py: {best[addresses[-1]][1]} is more than 4 GiB above {BASE}")
    names = [best[a][1] for a in addresses]
    for name in names:
        if '"' in name or "\\" in name:
            sys.exit(f"symtab.py: cannot write the name {name!r}")
    emit(sys.stdout, offsets, names)


main()
