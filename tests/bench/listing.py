#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Shows where the instructions of a row go: every one that a turn of its loop executes, or how many in which function.

    listing.py LOOP [--toolchain gcc] [--cpu neoverse-n1] [--turn 100]     one turn, instruction by instruction
    listing.py LOOP --functions [--turns 1000]                             so many turns, by function

LOOP is a loop of rows/loops.h (loop_pairs, loop_alloc ...), or any function of bench.elf that is called once for each operation
(gr_pgtable_map). QEMU says what it executed, one instruction at a time; nothing is counted twice or left out.
"""
import argparse
import bisect
import collections
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "qemu")]  # in this order: both have a run.py

import machine  # noqa: E402
import run  # noqa: E402

# The group of rows in which a loop is called first: (words, bytes of RAM).
GROUPS = [(r"loop_pairs$", "pair0", 8 * machine.GIB), (r"loop_pairs_order", "uncached", 8 * machine.GIB),
          (r"loop_touch", "touch", 8 * machine.GIB), (r"loop_heap|loop_churn|kmalloc|kfree", "heap", 8 * machine.GIB),
          (r"neighbours", "levels", 3 * machine.GIB), (r"pgtable", "pgtable", 8 * machine.GIB), (r"", "frames", 8 * machine.GIB)]
EXECUTED = re.compile(r"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/")


def code(elf, objdump):
    """({address: instruction text}, sorted [(address, function)])"""
    text, functions = {}, []
    dump = subprocess.run([objdump, "-d", "--no-show-raw-insn", elf], stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in dump.splitlines():
        label = re.match(r"([0-9a-f]+) <([^>]+)>:$", line)
        insn = re.match(r"\s*([0-9a-f]+):\s+(.*)$", line)
        if label:
            functions.append((int(label[1], 16), label[2]))
        elif insn:
            text[int(insn[1], 16)] = re.sub(r"\s*//.*", "", insn[2]).replace("\t", " ")
    return text, sorted(functions)


def executed(elf, cpu, words, ram):
    """Addresses, in order."""
    boot = machine.Boot(machine.Machine(cpu, ram=ram, options=["gic-version=3"], extra=run.ICOUNT), form="elf", args=words, elf=os.path.basename(elf))
    argv = boot.command("/nonexistent", os.path.dirname(elf))
    argv += ["-serial", "null", "-singlestep", "-d", "exec,nochain", "-D", "/dev/stdout"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1 << 20) as child:
        try:
            for line in child.stdout:
                match = EXECUTED.match(line)
                if match:
                    yield int(match[1], 16)
        finally:
            child.kill()


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("loop")
    p.add_argument("--build", default="build")
    p.add_argument("--toolchain", default="gcc")
    p.add_argument("--cpu", default="neoverse-n1")
    p.add_argument("--turn", type=int, default=100, help="the turn that is listed, counted from the loop's first")
    p.add_argument("--turns", type=int, default=1000, help="with --functions")
    p.add_argument("--functions", action="store_true")
    p.add_argument("--objdump", default="aarch64-linux-gnu-objdump")
    options = p.parse_args()
    elf = os.path.join(options.build, options.toolchain + "-release", "bench.elf")
    text, functions = code(elf, options.objdump)
    starts = [address for address, _ in functions]
    loop = [address for address, name in functions if name == options.loop]
    if not loop:
        sys.exit("%s: no function %s" % (elf, options.loop))
    end = next((address for address in starts if address > loop[0]), 1 << 64)
    # A turn begins where the loop's last backward branch leads, or at the function itself.
    back = [re.match(r"b\.ne ([0-9a-f]+)", text[a]) for a in sorted(text) if loop[0] <= a < end]
    heads = [int(m[1], 16) for m in back if m and loop[0] <= int(m[1], 16) < end] if options.loop.startswith("loop_") else []
    head = heads[-1] if heads else loop[0]
    _, words, ram = next(g for g in GROUPS if re.search(g[0], options.loop))

    turn, listed, counts = 0, [], collections.Counter()
    for address in executed(elf, options.cpu, words, ram):
        turn += address == head
        if not turn:
            continue
        if options.functions:
            if turn > options.turns:
                break
            counts[functions[bisect.bisect(starts, address) - 1][1]] += 1
        elif turn == options.turn:
            listed.append(address)
        elif turn > options.turn:
            break
    if options.functions:
        turns = min(turn, options.turns)
        for name, n in counts.most_common():
            print("%10.2f  %s" % (n / turns, name))
        print("%10.2f  in all, a turn" % (sum(counts.values()) / turns))
        return 0
    last = None
    for address in listed:
        name = functions[bisect.bisect(starts, address) - 1][1]
        if name != last:
            print(name)
        last = name
        print("    " + text[address])
    print("%d instructions" % len(listed))
    return 0 if listed else 1


if __name__ == "__main__":
    sys.exit(main())
