#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boots random machines in QEMU and prints TAP 13, one point for each batch. Deterministic by seed.

machines  Random banks, reservations, positions, cells, CPUs, entry levels and registers left behind, that a kernel must
          come up on: status 0, the boot's spine in order, the guest's own suites, and the figures of RAM and no-map
          bytes computed here.
trees     The device tree of such a machine with bytes flipped, words replaced, pieces cut out, doubled or moved. The
          boot is either good, or ends in one PANIC line with a non-zero status: never an exception report, silence or
          a hang.

A case is named KIND:SEED:NUMBER; --case runs that one alone, with its command line and text kept.
"""
import argparse
import os
import random
import re
import shutil
import struct
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import fdt  # noqa: E402
import machine  # noqa: E402
import matrix  # noqa: E402
import run  # noqa: E402
from machine import GIB, MIB, RAM_BASE, Boot, Loader, Machine  # noqa: E402

KIB = 1 << 10
PAGE = 1 << 12
BLOCK = 2 * MIB
BATCH = 10
KINDS = {"machines": "BT1,BT7", "trees": "BT19"}  # and the behaviours that each is about
QEMU_TREE = (RAM_BASE, MIB)  # QEMU puts its own tree there, whatever else it is told to load
GOOD_BYTES = 48 * MIB  # one run of memory that nothing is taken from: so much any machine that must boot has
LIGHT = "machine:BT4,machine:BT6,machine:BT33,mapping"
CPUS = ("cortex-a35", "cortex-a53", "cortex-a57", "cortex-a72", "cortex-a76", "neoverse-n1", "a64fx", "max",
        "max,lpa2=off")


# ---- machines ------------------------------------------------------------------------------------------------------


class CachedMachine(Machine):
    """QEMU's own tree costs as much as a boot: asked for once for each kind of machine."""

    trees = {}

    def tree(self, folder, more=()):
        # The memory nodes are replaced in any case, so the size does not matter.
        key = (self.cpu, self.el, self.smp, self.options)
        if key not in self.trees:
            small = Machine(self.cpu, self.el, self.smp, 128 * MIB, options=self.options)
            self.trees[key] = small.tree(folder, more).build()
        return fdt.Tree.parse(self.trees[key])


# Registers that a loader may leave in any state (op1, CRn, CRm, op2), by the level that it ran at.
# What the boot protocol asks of it is kept: MMU and data cache off, little-endian, at the level of entry.
EL1_REGISTERS = {
    "sctlr": (0, 1, 0, 0), "cpacr": (0, 1, 0, 2), "ttbr0": (0, 2, 0, 0), "ttbr1": (0, 2, 0, 1), "tcr": (0, 2, 0, 2),
    "spsr": (0, 4, 0, 0), "elr": (0, 4, 0, 1), "far": (0, 6, 0, 0), "esr": (0, 5, 2, 0), "par": (0, 7, 4, 0),
    "mair": (0, 10, 2, 0), "vbar": (0, 12, 0, 0), "contextidr": (0, 13, 0, 1), "tpidr": (0, 13, 0, 4),
    "tpidr_el0": (3, 13, 0, 2), "tpidrro_el0": (3, 13, 0, 3), "cntkctl": (0, 14, 1, 0), "mdscr": (0, 0, 2, 2),
    "pmuserenr": (3, 9, 14, 0),
}
EL2_REGISTERS = {
    "sctlr": (4, 1, 0, 0), "mdcr": (4, 1, 1, 1), "cptr": (4, 1, 1, 2), "hstr": (4, 1, 1, 3), "ttbr0": (4, 2, 0, 0),
    "tcr": (4, 2, 0, 2), "vttbr": (4, 2, 1, 0), "vtcr": (4, 2, 1, 2), "mair": (4, 10, 2, 0), "vbar": (4, 12, 0, 0),
    "tpidr": (4, 13, 0, 2), "cntvoff": (4, 14, 0, 3), "cnthctl": (4, 14, 1, 0), "vpidr": (4, 0, 0, 0),
    "vmpidr": (4, 0, 0, 5), "hcr": (4, 1, 1, 0), "sp_el1": (4, 4, 1, 0), "spsr": (4, 4, 0, 0), "elr": (4, 4, 0, 1),
}
EL3_REGISTERS = {"mdcr": (6, 1, 3, 1), "cptr": (6, 1, 1, 2), "ttbr0": (6, 2, 0, 0), "tcr": (6, 2, 0, 2),
                 "mair": (6, 10, 2, 0), "vbar": (6, 12, 0, 0), "tpidr": (6, 13, 0, 2)}
HCR_E2H = 1 << 34
SCTLR_OWN = 1 << 0 | 1 << 2 | 1 << 24 | 1 << 25  # M, C, E0E, EE


def dirty_stub(el, rnd):
    """A loader that leaves registers as chance will have it, all bits set, or clear."""
    registers = [(1, n, e) for n, e in EL1_REGISTERS.items()]
    if el >= 2:
        registers += [(2, n, e) for n, e in EL2_REGISTERS.items()]
    if el == 3:
        registers += [(3, n, e) for n, e in EL3_REGISTERS.items()]
    values = []
    for level, name, where in registers:
        value = rnd.choice((rnd.getrandbits(64), rnd.getrandbits(64), (1 << 64) - 1, 0))
        if name == "sctlr" and level == el:
            value = (value & 0xFFFFFFFF & ~SCTLR_OWN) | 0x30C50830
            if level == 1:
                value &= ~(1 << 19)
        if name == "hcr":
            # E2H changes what the names of EL1 registers mean at EL2: the last to be written.
            value = value if rnd.random() < 0.5 else value & ~HCR_E2H
        values.append((name == "hcr", level, where, value))
    values.sort(key=lambda v: v[0])

    def stub(x0, image):
        code, pool = [], []
        literals = 2 * len(values) + 8
        for _, _, (op1, crn, crm, op2), value in values:
            op0 = 2 if (op1, crn, crm, op2) == EL1_REGISTERS["mdscr"] else 3
            code.append(0x58000009 | (literals + 2 * len(pool) - len(code)) << 5)  # ldr x9, =value
            code.append(0xD5100009 | (op0 - 2) << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5)
            pool.append(value)
        for register, value in ((0, x0), (4, image)):
            code.append(0x58000000 | (literals + 2 * len(pool) - len(code)) << 5 | register)
            pool.append(value)
        code += [0xD2800001, 0xD2800002, 0xD2800003, 0xD5033FDF, 0xD61F0080]  # x1 = x2 = x3 = 0; isb; br x4
        code += [0xD503201F] * (literals - len(code))
        return machine.words(*code) + struct.pack("<%dQ" % len(pool), *pool)

    return stub


def touches(a, b):
    return a[0] < b[0] + b[1] and b[0] < a[0] + a[1]


class Case:
    """One random machine: what QEMU is, what the tree says, and where everything lies. All of it drawn from `rnd`."""

    def __init__(self, rnd, image_size):
        self.rnd = rnd
        self.image_size = image_size
        self.ram = rnd.choice((128 * MIB, 192 * MIB, 256 * MIB, 512 * MIB, GIB, 3 * GIB - 32 * MIB, 5 * GIB,
                               9 * GIB, 33 * GIB))
        self.end = RAM_BASE + self.ram
        self.cells = rnd.choice((None, None, (2, 2), (2, 1), (1, 1)))
        if self.cells == (1, 1) and self.end > 4 * GIB:
            self.cells = (2, 1)
        # Entered at EL3 there is no PSCI: other CPUs run from QEMU's reset address.
        el = rnd.choice((1, 1, 2, 2, 3))
        cpus = tuple(c for c in CPUS if c != "a64fx") if el == 3 else CPUS  # QEMU's A64FX has no EL3
        self.machine = CachedMachine(rnd.choice(cpus), el, 1 if el == 3 else rnd.randint(1, 4), self.ram,
                                     options=rnd.choice(((), ("gic-version=3",))))
        self.stub = dirty_stub(el, rnd) if rnd.random() < 0.5 else None
        self.taken = [QEMU_TREE]  # (base, size) that the loader fills
        self.place_image()
        self.place_good()
        self.draw_banks()
        self.initrd = None
        if rnd.random() < 0.5:
            size = rnd.choice((1, 4095, 4096, 70001, rnd.randrange(1, 3 * MIB)))
            at = self.spot(size, 1, True)
            # The suite reads it through the linear map: its pages must be RAM.
            if at is not None and self.all_ram(*matrix.outward(at, size)):
                self.initrd = (at, size)
                self.taken.append(self.initrd)
        self.draw_reservations()
        self.pad = rnd.choice((0, 0, 1, 7, 4096, rnd.randrange(0, 64 * KIB)))

    def offset(self, limit):
        """A size or distance: any magnitude is as likely as any other, off-page as often as not."""
        value = int(2 ** self.rnd.uniform(0, limit.bit_length() - 1))
        align = self.rnd.choice((1, 1, 8, PAGE, PAGE, PAGE, 64 * KIB, BLOCK))
        return max(1, min(limit, value // align * align or align))

    def place_image(self):
        slots = (self.ram - self.image_size) // BLOCK
        slot = self.rnd.choice((1, 2, slots, self.rnd.randint(1, slots), self.rnd.randint(1, slots)))
        self.image = (RAM_BASE + slot * BLOCK, self.image_size)
        self.taken.append(self.image)

    def place_good(self):
        """The run of free memory: anywhere beside the image, at a GiB's border more often than by chance."""
        while True:
            at = RAM_BASE + self.rnd.randrange(0, self.ram - GOOD_BYTES + 1, PAGE)
            if self.rnd.random() < 0.3:
                at = max(RAM_BASE, min(self.end - GOOD_BYTES, matrix.outward(at, 0)[0] // GIB * GIB - GOOD_BYTES // 2))
            self.good = (at, GOOD_BYTES)
            if not touches(self.good, self.image):
                return

    def draw_banks(self):
        rnd = self.rnd
        low = max(RAM_BASE, self.good[0] - self.offset(self.ram))
        high = min(self.end, self.good[0] + GOOD_BYTES + self.offset(self.ram))
        # All of RAM is written and read back when there is little of it: a machine of many GiB is mostly holes.
        most = rnd.choice((96 * MIB, 160 * MIB, 300 * MIB, 4 * GIB)) if self.ram > GIB else self.ram
        if high - low > most:
            low = max(low, self.good[0] - rnd.randint(0, most - GOOD_BYTES))
            high = min(high, low + most)
        main = (low, high - low)
        banks = [main]
        for _ in range(rnd.choice((0, 1, 1, 2, 3, 6, 12))):
            size = min(self.offset(64 * MIB), self.ram // 4)
            kind = rnd.random()
            last = rnd.choice(banks)
            if kind < 0.2:  # adjacent
                base = last[0] + last[1] if rnd.random() < 0.5 else last[0] - size
            elif kind < 0.35:  # overlapping
                base = last[0] + rnd.randint(-size, last[1])
            elif kind < 0.45:  # around a GiB's border
                base = RAM_BASE + rnd.randint(0, self.ram // GIB) * GIB - rnd.randint(0, size)
            else:
                base = RAM_BASE + rnd.randrange(0, self.ram, rnd.choice((1, PAGE, BLOCK)))
            base = max(RAM_BASE, base)
            if base < self.end:
                banks.append((base, min(size, self.end - base)))
        if rnd.random() < 0.2:
            banks.append((rnd.choice((0, RAM_BASE, self.end)), 0))
        rnd.shuffle(banks)
        limit = 1 << 32
        if self.cells and self.cells[1] == 1:
            banks = [(b, min(s, limit - PAGE)) for b, s in banks]
        self.banks = banks
        self.split = rnd.random() < 0.6
        self.nodes = [rnd.choice((None, 0, 0, 1, 2, 255)) if rnd.random() < 0.5 else None for _ in banks]

    def spot(self, size, align, in_bank):
        """An address where `size` bytes touch nothing that is taken; None when chance finds none."""
        for _ in range(50):
            base, length = self.rnd.choice(self.banks) if in_bank else (RAM_BASE, self.ram)
            if length < size:
                continue
            at = self.rnd.choice((base, base + length - size, base + self.rnd.randint(0, length - size)))
            if self.rnd.random() < 0.2:  # right behind or before something
                near = self.rnd.choice(self.taken)
                at = self.rnd.choice((near[0] + near[1], near[0] - size))
            at = at // align * align
            if at < RAM_BASE or at + size > self.end:
                continue
            if not any(touches((at, size), t) for t in self.taken + [self.good]):
                return at
        return None

    def draw_reservations(self):
        rnd = self.rnd
        self.nomap, self.reserved, self.memreserve, self.dynamic, self.files = [], [], [], [], []
        for _ in range(rnd.choice((0, 1, 3, 8, 20, 60))):
            base, length = rnd.choice(self.banks)
            r = (base + rnd.randint(0, max(0, length - 1)), self.offset(8 * MIB))
            if rnd.random() < 0.1:
                r = (rnd.choice(self.taken)[0] + rnd.choice((-PAGE, 0, 1, PAGE)), self.offset(BLOCK))
            elif rnd.random() < 0.1:  # outside RAM
                r = (self.end + self.offset(GIB), r[1])
            if r[0] < RAM_BASE or touches(r, self.good):
                continue
            if self.cells and self.cells[0] == 1 and r[0] + r[1] > 1 << 32:
                continue
            kind = rnd.random()
            # What holds the image, the initrd or (placed later, elsewhere) the tree must stay readable.
            outer = matrix.outward(*r)
            if kind < 0.4 and not any(touches((outer[0], outer[1] - outer[0]), t) for t in self.taken):
                self.nomap.append(r)
            elif kind < 0.8:
                self.reserved.append(r)
            else:
                self.memreserve.append(r)
        for _ in range(rnd.choice((0, 0, 1, 4))):
            d = {"size": rnd.choice((PAGE, 16 * KIB, 256 * KIB, MIB))}
            if rnd.random() < 0.5:
                d["alignment"] = rnd.choice((PAGE, 64 * KIB, MIB))
            if rnd.random() < 0.4:
                d["alloc_ranges"] = [self.good]
            elif rnd.random() < 0.3:
                d["alloc_ranges"] = [(self.good[0] + 0x123, 0x1001), self.good]
            d[rnd.choice(("no_map", "reusable", "plain"))] = True
            d.pop("plain", None)
            self.dynamic.append(d)

    def build_tree(self, tree, words):
        """QEMU's tree with this case's memory, as bytes."""
        rnd = random.Random(self.pad)
        tree.clear_memory()
        if self.cells:
            matrix.strip(tree)
            fdt.recell(tree, *self.cells)
        if self.split:
            for i, (bank, node) in enumerate(zip(self.banks, self.nodes)):
                tree.bank(bank, name="memory@%x,%d" % (bank[0], i), **({} if node is None else {"numa": node}))
        else:
            tree.bank(*self.banks)
        for i, r in enumerate(self.nomap):
            tree.reserve("hole%d" % i, r, no_map=True)
        for i, r in enumerate(self.reserved):
            tree.reserve("keep%d" % i, r, reusable=rnd.random() < 0.3)
        for i, options in enumerate(self.dynamic):
            tree.reserve("pool%d" % i, **options)
        tree.memreserve = list(self.memreserve)
        if self.initrd:
            cells = 1 if self.initrd[0] + self.initrd[1] < 1 << 32 and rnd.random() < 0.5 else 2
            chosen = tree.root.need("chosen")
            chosen.set("linux,initrd-start", fdt.cells(self.initrd[0], cells))
            chosen.set("linux,initrd-end", fdt.cells(sum(self.initrd), cells))
        tree.bootargs(words)
        return tree.build(pad=self.pad)

    def place_blob(self, blob):
        """The tree: 8-byte aligned, anywhere in QEMU's RAM, in a bank or not, in its last bytes too; in no hole."""
        holes = [(o[0], o[1] - o[0]) for o in (matrix.outward(*r) for r in self.nomap)]
        spread = self.taken
        self.taken = self.taken + holes
        at = self.spot(len(blob) + 7, 8, self.rnd.random() < 0.7)
        if at is None:
            at = self.good[0] + BLOCK + 8 * self.rnd.randint(0, 512)
        self.taken = spread + [(at, len(blob))]
        return at

    def place_stub(self):
        while True:
            at = RAM_BASE + self.rnd.randrange(0, self.ram - PAGE, PAGE)
            if not any(touches((at, PAGE), t) for t in self.taken):
                return at

    def boot(self, words, change=None):
        """(Boot, blob). change: function(blob) -> blob."""
        with tempfile.TemporaryDirectory(prefix="granule-fuzz-") as folder:
            blob = self.build_tree(self.machine.tree(folder), words)
        dtb_at = self.place_blob(blob)
        if change:
            blob = change(blob)
        files = [(self.initrd[0], matrix.blob_of(self.initrd[1], 7))] if self.initrd else []
        loader = Loader(lambda _tree: blob, image_at=self.image[0], dtb_at=dtb_at, stub_at=self.place_stub(),
                        files=files, stub=self.stub)
        return Boot(self.machine, form="loader", loader=loader, talk=self.talk(change)), blob

    @staticmethod
    def talk(change):
        # A tree whose command line is gone leaves a person at the monitor.
        return [(r"granule> $", "poweroff")] * 3 if change else ()

    def whole_pages(self):
        return matrix.union(matrix.inward(*b) for b in self.banks)

    def all_ram(self, start, end):
        return any(s <= start and end <= e for s, e in self.whole_pages())

    def total(self):
        return sum(e - s for s, e in self.whole_pages())


# ---- what must come of it ------------------------------------------------------------------------------------------


def judge_machine(case, blob, result):
    lines = [line.rstrip() for line in result.text.split("\n")]
    if result.timed_out:
        return ["no end within %d s: a hang" % result.seconds]
    out = []
    if result.status != 0:
        out.append("exit status %s" % result.status)
    out += run.in_order(lines, [s for s in run.SPINE if s[0] != "first dynamic table"])
    for pattern in run.NEVER:
        out += ["line that must not be: " + line for line in lines
                if re.search(pattern, line) and not line.startswith("#")][:1]
    out += run.check_tap(lines)
    ram = case.whole_pages()
    holes = matrix.union(matrix.outward(*b) for b in case.nomap)
    nomap = matrix.common_bytes(ram, holes) + sum(d["size"] for d in case.dynamic if d.get("no_map"))
    want = ["# machine: ram %d nomap %d " % (sum(e - s for s, e in ram), nomap)]
    if case.initrd:
        data = matrix.blob_of(case.initrd[1], 7)
        want.append("# machine: initrd %d bytes checksum %016x" % (len(data), matrix.fnv1a(data)))
    used = matrix.used_bytes(blob)
    if used < 64 * KIB:
        want.append("# machine: dtb checksum %016x" % matrix.fnv1a(blob[:used]))
    out += ["missing line: " + w for w in want if not any(line.startswith(w) for line in lines)]
    return out


def judge_tree(result):
    lines = [line.rstrip() for line in result.text.split("\n")]
    if result.timed_out:
        return ["no end within %d s: a hang" % result.seconds]
    panics = [line for line in lines if line.startswith("PANIC:")]
    good = result.status == 0 and any(line.startswith("memory is up") for line in lines)
    refused = any(line.startswith("not ok ") for line in lines)  # the command line asks for a suite that does not exist
    out = []
    if good and panics:
        out.append("status 0 after a panic")
    if not good and not refused and (result.status != 1 or len(panics) != 1 or len(panics[0]) < 20):
        out.append("status %s with %d lines of PANIC, and memory is not up" % (result.status, len(panics)))
    for pattern in (r"^EXCEPTION", r"unexpected exception", r"PANIC: again", r"(?i)ROM regions are overlapping",
                    r"contradicts itself"):
        out += ["line that must not be: " + line for line in lines if re.search(pattern, line)][:1]
    return out


# ---- broken trees --------------------------------------------------------------------------------------------------


WORDS = (0, 1, 2, 3, 4, 8, 9, 0x10, 0x7F, 0x80, 0xFF, 0x100, 0xFFF, 0x1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0,
         0xFFFFFFF8, 0xFFFFFFFC, 0xFFFFFFFE, 0xFFFFFFFF, 0x40000000, 0x200000, 0xD00DFEED)


def mutate(rnd, blob):
    """The blob with one to four things wrong."""
    length = len(blob)
    out = bytearray(blob)
    struct_at, = struct.unpack_from(">I", blob, 8)
    struct_size, = struct.unpack_from(">I", blob, 36)

    def anywhere():
        where = rnd.random()
        if where < 0.15:
            return rnd.randrange(0, 40)
        if where < 0.75:
            return rnd.randrange(struct_at, struct_at + struct_size)
        return rnd.randrange(0, len(out))

    for _ in range(rnd.choice((1, 1, 1, 2, 4))):
        at = min(anywhere(), len(out) - 8)
        word = at & ~3
        kind = rnd.random()
        if kind < 0.2:
            out[at] ^= 1 << rnd.randrange(8)
        elif kind < 0.3:
            out[at] = rnd.randrange(256)
        elif kind < 0.5:
            struct.pack_into(">I", out, word, rnd.choice(WORDS))
        elif kind < 0.65:  # a length or number that is a little off, or much
            value, = struct.unpack_from(">I", out, word)
            struct.pack_into(">I", out, word, (value + rnd.choice((-8, -4, -1, 1, 4, 8, 0x1000, length))) & 0xFFFFFFFF)
        elif kind < 0.75:  # cut off: what lies behind it in memory is zero, or not
            del out[max(8, at):]
        elif kind < 0.9:  # a piece over another
            n = min(rnd.choice((4, 8, 16, 64, 256)), len(out) - 8)
            source = rnd.randrange(0, len(out) - n + 1) & ~3
            word = min(word, len(out) - n)
            out[word:word + n] = out[source:source + n]
        elif kind < 0.95:  # a piece taken out
            del out[word:word + rnd.choice((4, 8, 12, 64))]
        else:  # a piece doubled
            out[word:word] = out[word:word + rnd.choice((4, 8, 12, 64))]
        if len(out) < 48:
            out += bytes(48 - len(out))
    return bytes(out[:length])


def banks_of(blob):
    """The memory that a blob names, as [(base, size)]; None when this reader cannot tell."""
    try:
        tree = fdt.Tree.parse(blob)
        out = []
        for parent in [tree.root] + [n for _, n in tree.root.walk()]:
            a, s = parent.u32("#address-cells", 2), parent.u32("#size-cells", 1)
            for node in parent.children:
                if node.get("device_type") != b"memory\0":
                    continue
                raw = node.get("reg") or b""
                step = 4 * (a + s)
                for i in range(0, len(raw) - step + 1, step):
                    out.append((int.from_bytes(raw[i:i + 4 * a], "big"),
                                int.from_bytes(raw[i + 4 * a:i + step], "big")))
        return out
    except (fdt.FdtError, ValueError, IndexError, struct.error, UnicodeDecodeError, KeyError, ZeroDivisionError):
        return None


def lies(blob, case):
    """Whether the tree names RAM where the machine has none: what comes of that is the tree's doing."""
    return any(s and (b < RAM_BASE or b + s > case.end) for b, s in banks_of(blob) or ())


# ---- running -------------------------------------------------------------------------------------------------------


def one(kind, seed, number, options):
    """(name, problems, text, command) of one case."""
    name = "%s:%d:%d" % (kind, seed, number)
    rnd = random.Random(name)
    folder = os.path.join(options.keep or options.folder, name.replace(":", "-"))
    build = os.path.dirname(os.path.abspath(options.image))
    try:
        case = Case(rnd, machine.image_header(options.image)[1])
        if kind == "machines":
            # Writing every byte twice takes the emulator a second for 100 MiB.
            words = "test=machine,mapping" if case.total() <= 160 * MIB else "test=" + LIGHT
            boot, blob = case.boot(words)
            result = boot.run(folder, build, 60 * options.slow)
            problems = judge_machine(case, blob, result)
        else:
            words = rnd.choice(("poweroff", "verbose poweroff"))

            def change(blob):
                while True:
                    broken = mutate(rnd, blob)
                    if broken != blob and not lies(broken, case):
                        return broken

            boot, blob = case.boot(words, change)
            result = boot.run(folder, build, 10 * options.slow)
            problems = judge_tree(result)
    except (machine.MachineError, OSError) as e:
        return name, ["cannot run: %s" % e], "", ""
    with open(os.path.join(folder, "command"), encoding="utf-8") as f:
        command = f.read()
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return name, problems, result.text, command


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--count", type=int, default=40, help="boots, half of each kind")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--image", default=os.path.join(HERE, "..", "..", "build", "granule.img"))
    p.add_argument("--kind", choices=(*KINDS, "both"), default="both")
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--case", metavar="KIND:SEED:NUMBER", help="this one alone, its files kept in --keep")
    p.add_argument("--keep", metavar="DIR", help="keep files and logs of every boot there")
    p.add_argument("--slow", type=float, default=1.0, metavar="FACTOR", help="time-outs times this")
    options = p.parse_args()
    if os.path.basename(options.image) != "granule.img":
        p.error("--image is the path of a granule.img")
    if options.case:
        kind, seed, number = options.case.split(":")
        cases = [(kind, int(seed), int(number))]
    else:
        kinds = KINDS if options.kind == "both" else (options.kind,)
        share = -(-options.count // len(kinds))
        cases = [(kind, options.seed, n) for kind in kinds for n in range(share)]
    batches = []
    for kind in KINDS:
        same = [c for c in cases if c[0] == kind]
        batches += [same[i:i + BATCH] for i in range(0, len(same), BATCH)]
    print("TAP version 13\n1..%d" % len(batches), flush=True)
    options.folder = tempfile.mkdtemp(prefix="granule-bootfuzz-")
    failed = 0
    try:
        with ThreadPoolExecutor(max(1, options.jobs)) as pool:
            for number, batch in enumerate(batches, 1):
                bad = []
                for name, problems, text, command in pool.map(lambda c: one(*c, options), batch):
                    if problems:
                        bad.append((name, problems, text, command))
                first, last = batch[0], batch[-1]
                print("%s %d - %s random %s, seed %d, %d to %d" % ("not ok" if bad else "ok", number, KINDS[first[0]],
                                                               first[0], first[1], first[2], last[2]))
                for name, problems, text, command in bad:
                    failed += 1
                    print("# %s" % name)
                    for line in problems + ["  | " + line for line in text.split("\n") if line.strip()][-25:]:
                        print("# " + line)
                    if options.case:
                        print("# " + command)
                sys.stdout.flush()
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)
    print("# %d of %d boots failed" % (failed, len(cases)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
