#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Shows that CPUs that allocate and free single pages through their own caches share no cache line.

    storeset.py ELF... [--cpus 2 4] [--model neoverse-n1 cortex-a53] [--verbose]

ELF is the guest of tests/bench/storeset ($(OUT)/storeset.elf). Builds the plugin tests/bench/storeset.c with the host's compiler,
runs the guest under it on each model with each number of CPUs, and compares the 64-byte lines (physical addresses) that the CPUs store to and load from in
each round. First it is shown that sharing is found: CPUs without caches must meet at the bank, and a counter that all of them write must be
found by its name.

    BENCH frames.shared_lines N     lines that one CPU stores to and another one stores to or loads from, outside of batch moves
    BENCH frames.locks_per_64 N     how often 64 operations take a lock that other CPUs take, too, batch moves included

Both are the worst of all machines, ELFs and rounds. The exit status is 0 only when nothing is shared and the lock is taken at most
once in 64 operations.
"""

import argparse
import bisect
import collections
import os
import struct
import subprocess
import sys
import tempfile

QEMU = "qemu-system-aarch64"
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WORDS_PA = 0x40300000
CACHED, UNCACHED, COUNTER = range(3)
HOT = ("storeset_work", "gr_alloc_page", "gr_free_page")
BATCH = ("frames_pop_slow", "frames_push_slow", "frames_free_page_slow")
OPS = ("gr_alloc_page", "gr_free_page")
ROUNDS = ("pairs", "takes", "frees")
LIMIT_LOCKS = 1.0


class Broken(Exception):
    """No figure: a tool or the guest fails."""


# ---- symbols -----------------------------------------------------------------------------------------------------------------


class Symbols:
    """Names of a guest whose code and data are where they were linked, by the ELF file's symbol table."""

    def __init__(self, path):
        with open(path, "rb") as f:
            data = f.read()
        if data[:6] != b"\x7fELF\x02\x01":
            raise Broken("%s is no little-endian ELF64 file" % path)
        offset, = struct.unpack_from("<Q", data, 0x28)
        size, count = struct.unpack_from("<HH", data, 0x3A)
        sections = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size) for i in range(count)]
        self.by_name, found = {}, []
        for kind, start, length, link in ((s[1], s[4], s[5], s[6]) for s in sections):
            if kind != 2:  # SHT_SYMTAB
                continue
            names = sections[link][4]
            for at in range(start, start + length, 24):
                name, info, _, index, value, extent = struct.unpack_from("<IBBHQQ", data, at)
                if index == 0 or info & 15 not in (0, 1, 2):
                    continue
                text = data[names + name:data.index(b"\0", names + name)].decode()
                if text and not text.startswith(("$", ".")):
                    self.by_name[text] = (value, extent)
                    found.append((value, extent, text))
        found.sort()
        self.values, self.found = [f[0] for f in found], found

    def range(self, name):
        if name not in self.by_name or not self.by_name[name][1]:
            raise Broken("the guest has no function " + name)
        value, extent = self.by_name[name]
        return value, value + extent

    def name(self, address):
        """NAME+OFFSET of what contains the address, or None."""
        i = bisect.bisect_right(self.values, address) - 1
        while i >= 0 and address - self.values[i] < 1 << 20:
            value, extent, text = self.found[i]
            if address < value + max(extent, 1):
                return text if address == value else "%s+%#x" % (text, address - value)
            i -= 1
        return None


# ---- runs --------------------------------------------------------------------------------------------------------------------


class Line:
    """What one CPU did to one line in one round."""

    def __init__(self, words):
        (self.pa, self.va, self.hot_stores, self.hot_loads, self.batch_stores, self.batch_loads, self.locks, self.store_pc,
         self.load_pc) = words


class Round:
    """cpu -> {physical address: Line}; cpu -> operations."""

    def __init__(self):
        self.lines, self.ops = collections.defaultdict(dict), {}


def build_plugin(folder):
    path = os.path.join(folder, "storeset.so")
    run = subprocess.run([os.environ.get("HOST_GCC", "gcc"), "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-I", ROOT, "-shared", "-fPIC",
                          "-fvisibility=hidden", os.path.join(HERE, "storeset.c"), "-o", path], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, check=False)
    if run.returncode:
        raise Broken("the plugin does not compile:\n" + run.stdout.decode(errors="replace"))
    return path


def run_guest(plugin, elf, symbols, model, cpus, scenario, folder, batches=True):
    """[Round]"""
    out, words = os.path.join(folder, "sets"), os.path.join(folder, "words")
    with open(words, "wb") as f:
        f.write(struct.pack("<QQ", cpus, scenario))
    arguments = ["out=" + out, "begin=%x" % symbols.range("storeset_begin")[0], "end=%x" % symbols.range("storeset_end")[0]]
    arguments += ["hot=%x-%x" % symbols.range(name) for name in HOT]
    arguments += ["batch=%x-%x" % symbols.range(name) for name in BATCH if batches]
    arguments += ["op=%x" % symbols.range(name)[0] for name in OPS]
    run = subprocess.run(
        [QEMU, "-M", "virt", "-cpu", model, "-m", "1G", "-smp", str(cpus), "-icount", "shift=0,sleep=off", "-display", "none", "-nic", "none",
         "-serial", "stdio", "-monitor", "none", "-parallel", "none", "-no-reboot", "-semihosting-config", "enable=on,target=native",
         "-kernel", elf, "-device", "loader,file=%s,addr=%#x,force-raw=on" % (words, WORDS_PA),
         "-plugin", ",".join(["file=" + plugin] + arguments)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False)
    text = run.stdout.decode(errors="replace")
    if run.returncode or "\nnot ok" in text or "\n1.." not in text:
        raise Broken("the guest fails (status %d):\n%s" % (run.returncode, text))
    rounds, ended = {}, False
    with open(out, encoding="ascii") as f:
        for text in f:
            words = text.split()
            ended = words[0] == "end"
            if ended:
                continue
            numbers = [int(w, 16) for w in words[1:]]
            this = rounds.setdefault(numbers[1], Round())
            if words[0] == "round":
                this.ops[numbers[0]] = numbers[2]
            else:
                this.lines[numbers[0]][numbers[2]] = Line(numbers[2:])
    result = [rounds[n] for n in sorted(rounds)]
    # Every CPU took part in every round, and what it did was seen.
    if not ended or len(result) != len(ROUNDS) or any(
            len(r.ops) != cpus or not all(r.ops.values()) or not all(any(l.hot_stores for l in r.lines[c].values()) for c in r.ops)
            for r in result):
        raise Broken("the plugin did not see every CPU in every round")
    return result


# ---- what it means -----------------------------------------------------------------------------------------------------------


def shared_lines(this):
    """{physical address: [(cpu, Line)]}: stored to by one CPU and stored to or loaded by another, outside of batch moves."""
    users = collections.defaultdict(list)
    for cpu, lines in sorted(this.lines.items()):
        for pa, line in lines.items():
            if line.hot_stores or line.hot_loads:
                users[pa].append((cpu, line))
    return {pa: who for pa, who in sorted(users.items()) if len(who) > 1 and any(line.hot_stores for _, line in who)}


def locks(this):
    """How often locks were taken, in lines that at least two CPUs store to."""
    stores = collections.Counter(pa for lines in this.lines.values() for pa, l in lines.items() if l.hot_stores or l.batch_stores)
    return sum(line.locks for lines in this.lines.values() for pa, line in lines.items() if stores[pa] > 1)


def describe(symbols, pa, who):
    name = symbols.name(pa) or symbols.name(pa + 63)
    if name is None:
        inside = [n for v, e, n in symbols.found if pa <= v < pa + 64]
        name = inside[0] if inside else "no symbol: page record, metadata or page"
    text = ["line %#x (%s)" % (pa, name)]
    for cpu, line in who:
        what = []
        if line.hot_stores:
            what.append("%d stores, first in %s" % (line.hot_stores, symbols.name(line.store_pc) or "%#x" % line.store_pc))
        if line.hot_loads:
            what.append("%d loads, first in %s" % (line.hot_loads, symbols.name(line.load_pc) or "%#x" % line.load_pc))
        text.append("    CPU %d: %s" % (cpu, "; ".join(what)))
    return "\n".join(text)


def names_counter(symbols, rounds):
    """Whether the counter is found in every round, by its name, and as what every CPU stores to."""
    for this in rounds:
        found = {describe(symbols, pa, who).split("\n")[0].split("(")[1]: who for pa, who in shared_lines(this).items()}
        who = found.get("shared_counter)", [])
        if len(who) != len(this.ops) or any(line.hot_stores != this.ops[cpu] for cpu, line in who):
            return False
    return True


def main():
    parser = argparse.ArgumentParser(description="which cache lines do CPUs share that allocate and free?")
    parser.add_argument("elf", nargs="+")
    parser.add_argument("--cpus", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--model", nargs="+", default=["neoverse-n1", "cortex-a53"])
    parser.add_argument("--verbose", action="store_true", help="every run, and all that is shared where it is meant to be")
    options = parser.parse_args()

    most, worst, good = 0, 0.0, True
    with tempfile.TemporaryDirectory(prefix="storeset-") as folder:
        plugin = build_plugin(folder)
        for elf in options.elf:
            symbols = Symbols(elf)
            for model in options.model:
                for cpus in options.cpus:
                    where = "%s, %s, %d CPUs" % (elf, model, cpus)
                    met = run_guest(plugin, elf, symbols, model, cpus, UNCACHED, folder, batches=False)
                    counted = run_guest(plugin, elf, symbols, model, cpus, COUNTER, folder)
                    if not all(shared_lines(r) and 64 * locks(r) / sum(r.ops.values()) > 16 for r in met):
                        raise Broken(where + ": CPUs without caches meet nowhere: the sets are not to be believed")
                    if not names_counter(symbols, counted):
                        raise Broken(where + ": a counter that all CPUs write is not what is found:\n" + "\n".join(
                            describe(symbols, pa, who) for r in counted for pa, who in shared_lines(r).items()))
                    if options.verbose:
                        for name, this in zip(ROUNDS, met):
                            print("# %s, %s, without caches: %d lines, %.1f locks in 64" %
                                  (where, name, len(shared_lines(this)), 64 * locks(this) / sum(this.ops.values())))
                            for pa, who in list(shared_lines(this).items())[:5]:
                                print("# " + describe(symbols, pa, who).replace("\n", "\n# "))
                    for name, this in zip(ROUNDS, run_guest(plugin, elf, symbols, model, cpus, CACHED, folder)):
                        found, rate = shared_lines(this), 64 * locks(this) / sum(this.ops.values())
                        most, worst = max(most, len(found)), max(worst, rate)
                        if options.verbose:
                            hot = sum(1 for lines in this.lines.values() for l in lines.values() if l.hot_stores)
                            print("# %s, %s: %d operations, %d lines stored to, %d of them shared, %.3f locks in 64" %
                                  (where, name, sum(this.ops.values()), hot, len(found), rate))
                        if found:
                            print("%s, %s:" % (where, name))
                            for pa, who in list(found.items())[:20]:
                                print(describe(symbols, pa, who))
    good = most == 0 and worst <= LIMIT_LOCKS
    print("BENCH frames.shared_lines %d" % most)
    print("BENCH frames.locks_per_64 %.3f" % worst)
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Broken, subprocess.TimeoutExpired) as broken:
        print("storeset.py: %s" % broken, file=sys.stderr)
        sys.exit(2)
