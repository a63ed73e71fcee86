# SPDX-License-Identifier: BSD-2-Clause
"""The rows of the QEMU matrix: which machine, which layout, which words on the command line, and what must come of it.

A row is one boot. What every successful row must show (DTB found, buddy up, hand-over, first dynamic table, memory is up, in
that order, and status 0) stands in run.py; a row adds its own lines. The figures of RAM and no-map bytes that a layout
expects are computed here from the tree that the kernel gets, not by the kernel.
"""
import random
import struct

import fdt
from machine import GIB, MIB, RAM_BASE, Boot, Loader, Machine, image_header, late_cpu_stub, mmu_on_stub, mmu_on_table

KIB = 1 << 10
PAGE = 1 << 12
TIB = 1 << 40
SUITES = "machine,mapping"
LIGHT = "machine:BT4,machine:BT6,machine:BT33,mapping"  # without writing all memory
ALL = "all"
# With more CPUs than the host has processors, one of its threads plays them all in turn: each in a thread of its own would wait
# for one that the host does not run.
IN_TURN = ("-accel", "tcg,thread=single")


class Row:
    """name: of the row; ids: behaviours in docs/behavior-inventory.md; why: one sentence.

    boot: Boot, or function(build folder) -> Boot. words: command line besides `verbose` and test=. suites: test=...
    status: exit status. want: regular expressions that must match a line; never: that must match none.
    absent: tests of `suites` that this machine cannot run. panics: the row ends before "memory is up", with status 1 and these texts.
    dies: it ends after that, with status 1 and these texts. host_ram: MiB that the emulator will hold.
    once: regular expressions over the whole text, lines and all, that must match exactly once.
    stats: arguments of check_stats.judge(), which looks at what `stats --json` printed.
    """

    def __init__(self, name, ids, why, boot, words=("verbose",), suites=None, status=0, want=(), never=(), panics=None,
                 timeout=60, host_ram=0, golden=None, spine=True, absent=(), dies=None, stats=None, once=()):
        self.name, self.ids, self.why, self._boot = name, ids.split(), why, boot
        self.words = list(words) + (["test=" + suites] if suites else ["poweroff"] if words else [])
        self.suites, self.status = suites, 1 if panics or dies else status
        self.want, self.never = list(want) + list(panics or dies or ()), list(never)
        self.panics, self.dies = panics, dies
        self.timeout, self.host_ram, self.golden, self.spine = timeout, host_ram, golden, spine and not panics
        self.absent, self.stats, self.once = absent, stats, list(once)

    def boot(self, build):
        made = self._boot(build) if callable(self._boot) else self._boot
        if not made.args:
            made.args = " ".join(self.words)
        return made


def fnv1a(data):
    """The checksum that tests/suites/machine.c prints."""
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


# ---- what a list of ranges amounts to ----------------------------------------------------------------------------------


def union(ranges):
    """Sorted, disjoint [(start, end)] of (start, end) pairs."""
    out = []
    for start, end in sorted(r for r in ranges if r[0] < r[1]):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def inward(base, size):
    return (base + PAGE - 1) & -PAGE, (base + size) & -PAGE


def outward(base, size):
    return base & -PAGE, (base + size + PAGE - 1) & -PAGE


def common_bytes(a, b):
    return sum(max(0, min(e1, e2) - max(s1, s2)) for s1, e1 in a for s2, e2 in b)


class Layout:
    """Banks and reservations of one row, as a function on QEMU's tree, with the figures they amount to."""

    def __init__(self, banks, nomap=(), reserved=(), memreserve=(), dynamic=(), cells=None, split=False, change=None,
                 bad_nodes=(), initrd=None, initrd_cells=2):
        self.banks, self.nomap, self.reserved = list(banks), list(nomap), list(reserved)
        self.memreserve, self.dynamic, self.cells, self.split = memreserve, dynamic, cells, split
        self.change, self.bad_nodes, self.initrd, self.initrd_cells = change, bad_nodes, initrd, initrd_cells

    def __call__(self, tree):
        tree.clear_memory()
        if self.cells:
            strip(tree)
            fdt.recell(tree, *self.cells)
        if self.split:  # one node for each bank; otherwise all in one reg
            for i, bank in enumerate(self.banks):
                tree.bank(bank, name="memory@%x,%d" % (bank[0], i))
        elif self.banks:
            tree.bank(*self.banks)
        for i, bank in enumerate(self.bad_nodes):
            tree.bank(bank, name="memory@dead%d" % i, status="disabled")
        for i, r in enumerate(self.nomap):
            tree.reserve("hole%d" % i, r, no_map=True)
        for i, r in enumerate(self.reserved):
            tree.reserve("keep%d" % i, r, reusable=i % 5 == 4)
        for i, options in enumerate(self.dynamic):
            tree.reserve("pool%d" % i, **options)
        tree.memreserve = list(self.memreserve)
        if self.initrd:
            at, size = self.initrd
            tree.root.need("chosen").set("linux,initrd-start", fdt.cells(at, self.initrd_cells))
            tree.root.need("chosen").set("linux,initrd-end", fdt.cells(at + size, self.initrd_cells))
        if self.change:
            self.change(tree)
        return tree

    def figures(self):
        """The line that test=machine must print."""
        ram = union(inward(*b) for b in self.banks)
        holes = union(outward(*b) for b in self.nomap)
        nomap = common_bytes(ram, holes) + sum(d["size"] for d in self.dynamic if d.get("no_map"))
        return r"# machine: ram %d nomap %d " % (sum(e - s for s, e in ram), nomap)


def strip(tree):
    """Keeps of QEMU's tree what a kernel needs: the rest would not follow when the root's cells change."""
    keep = ("psci", "cpus", "timer", "chosen", "aliases", "apb-pclk", "pl011", "intc", "pmu", "memory")
    tree.root.remove(lambda c: c.name.split("@")[0] in keep)
    intc = tree.root.child("intc")
    intc.children = []
    intc.props.pop("ranges", None)
    return tree


# ---- builders --------------------------------------------------------------------------------------------------------

ROWS = []


def row(name, ids, why, boot, **options):
    ROWS.append(Row(name, ids, why, boot, **options))


def machine_row(name, ids, why, machine, suites=SUITES, initrd=None, **options):
    """A boot by -kernel: all of the machine's RAM is in the tree."""
    want = list(options.pop("want", []))
    if suites:
        want += [r"# machine: ram %d nomap 0 " % machine.ram]
        if initrd:
            want += [r"# machine: initrd %d bytes checksum %016x$" % (len(initrd), fnv1a(initrd))]
        else:
            want += [r"# machine: initrd 0 bytes "]
    row(name, ids, why, lambda build: Boot(machine, initrd=initrd), suites=suites, want=want, **options)


def used_bytes(blob):
    """The extent of a blob's blocks: what a careful reader maps."""
    h = dict(zip(fdt.HEADER_FIELDS, fdt.HEADER.unpack_from(blob)))
    return max(fdt.HEADER.size, h["off_struct"] + h["size_struct"], h["off_strings"] + h["size_strings"])


def layout_row(name, ids, why, layout, machine=None, suites=SUITES, **options):
    """A boot by the loader stub with the banks of `layout`; figures and checksums are compared."""
    machine = machine or Machine(ram=2 * GIB)
    place = {k: options.pop(k) for k in ("image_at", "dtb_at", "stub_at", "files", "stub", "all_cpus", "x0") if k in options}
    want = list(options.pop("want", []))
    files = list(place.pop("files", []))
    figures = options.pop("figures", True)  # test=machine is among the suites
    if suites and figures:
        want.append(layout.figures())
    if layout.initrd:
        data = blob_of(layout.initrd[1], seed=7)
        files.append((layout.initrd[0], data))
        want.append(r"# machine: initrd %d bytes checksum %016x$" % (len(data), fnv1a(data)))
    made = Row(name, ids, why, None, suites=suites, want=want, **options)

    def boot(_build):
        def tree(base):
            blob = layout(base).bootargs(" ".join(made.words)).build()
            if suites and figures and used_bytes(blob) < 64 * KIB:
                made.want.append(r"# machine: dtb checksum %016x$" % fnv1a(blob[:used_bytes(blob)]))
            return blob

        return Boot(machine, form="loader", loader=Loader(tree, files=files, **place))

    made._boot = boot
    ROWS.append(made)


def blob_of(size, seed):
    return random.Random(seed).randbytes(size)


NO_RESERVE_64G = Machine("cortex-a76", ram=64 * GIB)

# ---- entry levels, CPUs, sizes of RAM ----------------------------------------------------------------------------------

machine_row("golden-el1-a53", "BT21 BT22", "The verbose boot log is the known one, masked by meaning.",
            Machine("cortex-a53", 1, 1, 512 * MIB), suites=None, golden="virt-512m.txt")
machine_row("el1-a53-64m", "BT1 BT2 BT4", "The smallest machine.", Machine("cortex-a53", 1, 1, 64 * MIB))
machine_row("el2-a53-smp4-128m", "BT1 BT3 BT4", "Entry at EL2, four CPUs, little RAM.",
            Machine("cortex-a53", 2, 4, 128 * MIB))
machine_row("el1-a57-smp4-512m", "BT2 BT3", "Cortex-A57 (erratum 822227: TG1).", Machine("cortex-a57", 1, 4))
machine_row("el2-a57-smp8-1g", "BT1 BT3", "EL2 and eight CPUs.", Machine("cortex-a57", 2, 8, GIB))
machine_row("el1-a72-smp8-3g", "BT2 BT4", "RAM up to the last byte below 4 GiB.", Machine("cortex-a72", 1, 8, 3 * GIB),
            suites=LIGHT)
machine_row("el2-a72-6g", "BT4", "RAM across the 4 GiB limit class.", Machine("cortex-a72", 2, 1, 6 * GIB),
            suites=LIGHT)
machine_row("el1-a76-smp4-8g", "BT30", "One word of every page of 8 GiB.", Machine("cortex-a76", 1, 4, 8 * GIB),
            want=[r"# machine: one word of every page of \d+ pages"], timeout=240, host_ram=8192)
machine_row("el2-a76-smp8-gic3", "BT1 BT2", "The Pixel's core, GICv3.",
            Machine("cortex-a76", 2, 8, 512 * MIB, options=("gic-version=3",)))
machine_row("el1-n1-64g", "BT4", "64 GiB in one bank.", Machine("neoverse-n1", 1, 1, 64 * GIB), host_ram=256)
machine_row("el2-n1-smp4-1t", "BT4", "1 TiB: bring-up does not depend on the amount of RAM.",
            Machine("neoverse-n1", 2, 4, TIB), host_ram=4096, timeout=120)
machine_row("el1-max-smp4-1t", "BT4 BT2", "1 TiB with every feature of the architecture.", Machine("max", 1, 4, TIB),
            host_ram=4096, timeout=120)
machine_row("el2-max", "BT1 BT2", "EL2 where E2H can be set: it is not used.", Machine("max", 2, 1))
machine_row("el1-max-nolpa2", "BT2", "52-bit PARange without LPA2.", Machine("max,lpa2=off", 1, 1))
machine_row("el1-a64fx", "BT2", "DC ZVA of 256 bytes.", Machine("a64fx", 1, 1))
machine_row("el1-mte-secure", "BT2", "MTE memory and a secure-only memory node that is disabled in the tree.",
            Machine("max", 1, 2, 512 * MIB, options=("mte=on", "secure=on")))
machine_row("el1-a53-2g-every-byte", "BT30", "Every byte of 2 GiB is taken, written and read back.",
            Machine("cortex-a53", 1, 4, 2 * GIB), want=[r"# machine: every byte of \d+ pages"], timeout=300, host_ram=2048)

# ---- all suites, in four worlds --------------------------------------------------------------------------------------------

STAGE2_ON_HARDWARE = ("ST20", "ST21")  # they switch stage 2 on, for which the boot must have had EL2
for title, m in (("el1-a53", Machine("cortex-a53", 1, 1)), ("el2-max-smp4", Machine("max", 2, 4, GIB, extra=IN_TURN)),
                 ("el1-n1-smp4", Machine("neoverse-n1", 1, 4, extra=IN_TURN)), ("el2-a57", Machine("cortex-a57", 2, 1, 256 * MIB))):
    machine_row("suites-" + title, "BT23", "Every suite that runs on the target.", m, suites=ALL, words=(), timeout=300,
                absent=STAGE2_ON_HARDWARE if m.el == 1 else ())

# ---- many CPUs, interrupts -------------------------------------------------------------------------------------------------


def gic(n):
    return ("gic-version=%d" % n,)


# One thread as well, on a clock that counts instructions: every interrupt comes at the same place in every run, and the CPUs
# take turns often.
COUNTED = ("-icount", "shift=3,sleep=off")
# There the interrupt is where it was meant to be: hundreds of places in each operation, but dozens in what is done at once.
PLACES = [r"^# places: \d{2,} in: %s$" % name for name in ("page", "refill", "spill", "drain", "8 pages", "2 MiB", "150 pages",
                                                           "references", "offline and online")]


def stress_row(cpu, el, smp, version, how=(), ram=512 * MIB, **options):
    m = Machine(cpu, el, smp, ram, options=gic(version), extra=how)
    row("stress-%s-el%d-smp%d-gic%d" % (cpu.replace("cortex-", "").replace("neoverse-", ""), el, smp, version),
        "BT52 BT53 BT54 BT55 BT58 BT60" + (" BT56" if smp > 1 else ""), "Every CPU and its interrupt handler take and free page frames at once.",
        Boot(m), suites="smp,stress",
        want=[r"^interrupts: GICv%d at 0x8000000" % version, r"^entered   at EL%d; %d CPUs? described, %d online$" % (el, smp, smp),
              r"^# stress: %d CPUs, " % smp] + (PLACES if how is COUNTED else []), **options)


stress_row("cortex-a53", 1, 1, 2)
stress_row("neoverse-n1", 2, 2, 3)
stress_row("cortex-a72", 1, 2, 2)
stress_row("max", 1, 4, 2, COUNTED)
stress_row("cortex-a53", 2, 4, 3, IN_TURN, ram=96 * MIB)
stress_row("neoverse-n1", 1, 8, 2, IN_TURN)
stress_row("cortex-a72", 2, 8, 3, COUNTED)
stress_row("max", 2, 16, 3, IN_TURN)
stress_row("cortex-a53", 1, 16, 3, COUNTED)
stress_row("cortex-a72", 1, 64, 3, IN_TURN)
stress_row("neoverse-n1", 2, 64, 3, COUNTED)
row("el1-smp512", "BT3 BT53 BT55 BT56", "512 CPUs come up and do work together; their redistributors lie in two regions.",
    Boot(Machine("neoverse-n1", 1, 512, GIB, options=gic(3), extra=IN_TURN)), suites="smp", timeout=240,
    want=[r"^interrupts: GICv3 at 0x8000000, 2 regions", r"512 CPUs described, 512 online$"])


def controller(change):
    """A function on QEMU's tree: change(node of the interrupt controller)."""
    return lambda tree: change(tree.root.child("intc"))


NO_TIMER = ("BT53", "BT54", "BT60")  # what needs its interrupt is skipped
layout_row("smp-no-controller", "BT52 BT55", "Without an interrupt controller the CPUs wait by WFE and work all the same.",
           Layout([(RAM_BASE, 512 * MIB)], change=controller(lambda n: n.set("compatible", "vendor,unknown"))),
           Machine("cortex-a72", 1, 4, extra=IN_TURN), suites="smp,stress", absent=NO_TIMER, figures=False,
           want=[r"^interrupts: none: the device tree names none that has a driver$", r"4 CPUs described, 4 online$"])
for title, reg, text in (("nowhere", 0x0F000000, "nothing answers there"), ("in-ram", 0x50000000, "its registers lie in RAM")):
    layout_row("gic-" + title, "BT52", "A controller whose registers are not where the tree says is not used.",
               Layout([(RAM_BASE, GIB)], change=controller(lambda n, at=reg: n.set("reg", 0, at, 0, 0x10000, 0, at + 0x10000, 0, 0x10000))),
               Machine("cortex-a53", 1, 2), suites="smp", absent=NO_TIMER, figures=False,
               want=[r"^interrupts: none: %s$" % text, r"2 CPUs described, 2 online$"])
layout_row("timer-elsewhere", "BT52", "A timer that is wired to another controller is not used.",
           Layout([(RAM_BASE, 512 * MIB)], change=lambda t: t.root.child("timer").set("interrupt-parent", 0x1234)),
           Machine("cortex-a53", 1, 2), suites="smp", absent=NO_TIMER, figures=False,
           want=[r"^timer: none: it is wired to another controller$"])


def one_more_cpu(tree):
    """A cpu node that firmware knows nothing of, in front of the others."""
    cpus = tree.root.child("cpus")
    ghost = cpus.add("cpu@77").set("device_type", "cpu").set("reg", 0x77).set("enable-method", "psci")
    cpus.children.insert(0, cpus.children.pop())
    assert cpus.children[0] is ghost


layout_row("cpu-not-there", "BT57", "A CPU that firmware refuses is left out, and those behind it come up.",
           Layout([(RAM_BASE, 512 * MIB)], change=one_more_cpu), Machine("cortex-a72", 1, 4), suites="smp", figures=False,
           want=[r"^cpu \(MPIDR 0x77\): PSCI CPU_ON says -2$", r"5 CPUs described, 4 online$"])

for title, late, why in (("absent", False, "never comes is given up after a second: no other is tried, and the boot goes on."),
                         ("late", True, "comes after it has been given up parks, and disturbs nobody.")):
    layout_row("cpu-" + title, "BT57", "A CPU that " + why,
               Layout([(RAM_BASE, 512 * MIB)], reserved=[(0x40100000, PAGE)], change=lambda t: t.root.child("psci").set("method", "hvc")),
               Machine("cortex-a72", 2, 4, extra=IN_TURN), suites="smp,stress", figures=False, stub=late_cpu_stub(late),
               want=[r"^cpu \(MPIDR 0x1\): did not come up$", r"^entered   at EL1; 4 CPUs described, 1 online$", r"^# stress: 1 CPUs, "],
               once=[r"did not come up"])

# ---- the command line ------------------------------------------------------------------------------------------------------

PLAIN = Machine("cortex-a72", 1, 1)
row("quiet", "BT26 BU28", "Without `verbose`: report and errors only.", Boot(PLAIN), words=("poweroff",),
    never=[r"^MMU: Allocated page table", r"^Root PT at", r"^About to enable MMU"])
row("tour", "BT22", "The tour ends with status 0.", Boot(PLAIN), words=("verbose", "tour"))
row("unknown-word", "BT22", "An unknown word is named once and ignored.", Boot(PLAIN), words=("verbose", "frobnicate"),
    want=[r"^cmdline: unknown word 'frobnicate' ignored$"], never=[r"unknown word 'verbose'"])
row("unknown-suite", "BT22", "A suite that does not exist is a failure, not an empty success.", Boot(PLAIN),
    words=("verbose", "test=nosuchsuite"), status=1, want=[r"^not ok 1 "], never=[r"^ok "])
row("bump", "BT24", "bump= reserves its range before anything else is handed out.", Boot(Machine(ram=512 * MIB)),
    words=("verbose", "bump=0x41000000,16M"), suites=SUITES, want=[r"(?i)bump"])

# ---- EL3, ELF, U-Boot, odd ways in -------------------------------------------------------------------------------------------

WHOLE = Layout([(RAM_BASE, 512 * MIB)])
for cpu, smp, version in (("cortex-a53", 1, 2), ("cortex-a57", 1, 3), ("max", 1, 3), ("cortex-a72", 4, 2)):
    layout_row("el3-%s%s" % (cpu.replace("cortex-", ""), "-all-enter" if smp > 1 else ""), "BT1 BT3 BT52",
               "Entry at EL3: one CPU, no PSCI, the interrupts are the secure side's; others that enter are parked.", WHOLE,
               Machine(cpu, 3, smp, options=gic(version)), all_cpus=smp > 1, want=[r"^cpu 0: no interrupts: "])
PROMPT = r"granule> $"
row("el3-direct", "BT1 BT13 BT27", "Entry at EL3 with x0 = 0 and no command line: a person is left at the monitor.",
    Boot(Machine("cortex-a57", 3), form="direct",
         talk=[(PROMPT, "mem"), (PROMPT, "check"), (PROMPT, "nonsense"), (PROMPT, "poweroff")]), words=())
row("monitor", "BT27", "The monitor reads the serial line and powers off with status 0.",
    Boot(Machine("cortex-a72", 1, 4, GIB), args="verbose",
         talk=[(PROMPT, "help"), (PROMPT, "ram"), (PROMPT, "alloc 3"), (PROMPT, "free last 2"), (PROMPT, "free last 3"),
               (PROMPT, "free last 3"), (PROMPT, "buddy"), (PROMPT, "check"), (PROMPT, "poweroff")]))
for el in (1, 2, 3):
    row("elf-el%d" % el, "BT13", "ELF boot: x0 = 0, the tree is found at the image's GiB.",
        Boot(Machine("cortex-a53", el), form="elf"), suites=SUITES, want=[r"# machine: ram %d " % (512 * MIB)])
for el in (1, 2):
    row("uboot-el%d" % el, "BT14", "U-Boot's booti, with its own rewritten tree.",
        Boot(Machine("cortex-a57", el, 1, GIB), form="uboot"), suites=SUITES, timeout=120)
for el in (1, 2):
    layout_row("mmu-on-el%d" % el, "BT15", "Entered with MMU and caches on: cleaned and switched off.", WHOLE,
               Machine("cortex-a53", el), stub=mmu_on_stub(el, 0x40110000), files=[(0x40110000, mmu_on_table())])
for at in (0x40600000, 0x5FE00000, 0x7FE00000, 0x80000000):
    layout_row("image-at-%x" % at, "BT15", "The image runs at any 2 MiB-aligned address, at a GiB's end as well.",
               Layout([(RAM_BASE, 2 * GIB)]), image_at=at, suites=LIGHT)
layout_row("image-second-bank", "BT15 BT7", "The image is not in the first bank.",
           Layout([(RAM_BASE, 256 * MIB), (0x80000000, 512 * MIB)]), image_at=0x82200000)

# ---- initrd ------------------------------------------------------------------------------------------------------------------

machine_row("initrd-1g", "BT6", "Initrd and DTB are the same after all free memory was written.",
            Machine("cortex-a53", 1, 1, GIB), initrd=blob_of(5 * MIB + 123, 3))
layout_row("initrd-odd", "BT6", "An initrd at an odd address, one cell each, touching the tree's page.",
           Layout([(RAM_BASE, GIB)], initrd=(0x48010123, 300001), initrd_cells=1))
layout_row("initrd-memreserve", "BT6 BT10", "Initrd and DTB named again in /memreserve/: normal, not an error.",
           Layout([(RAM_BASE, GIB)], initrd=(0x4C000000, 70000),
                  memreserve=[(0x4C000000, 70000), (0x48000000, 0x4000), (0x50000001, 1)]))

# ---- layouts of banks ----------------------------------------------------------------------------------------------------------

layout_row("hole", "BT7", "Two banks with a hole.", Layout([(RAM_BASE, 128 * MIB), (0x50000000, 256 * MIB)]), dtb_at=0x44000000)
layout_row("odd-ends", "BT7", "Banks whose ends are off-page and off-GiB: RAM rounds inwards.",
           Layout([(0x40000800, 0x0FFFE400), (0x60001001, 0x12344FFF)]))
layout_row("two-banks-one-gib", "BT7", "Several banks in one GiB, unsorted.",
           Layout([(0x60000000, 64 * MIB), (RAM_BASE, 64 * MIB), (0x48000000, 64 * MIB), (0x7FFFF000, 8 * KIB)], split=True))
layout_row("tiny-banks", "BT7", "Banks too small for their own records: nothing is dropped.",
           Layout([(RAM_BASE, 64 * MIB), (0x48000000, MIB), (0x50001000, 4 * KIB), (0x50003000, 4 * KIB), (0x80000000, 4 * KIB),
                   (0x90000000, 64 * KIB), (0xBFFFF000, 4 * KIB)]))
layout_row("tiny-first", "BT7", "The lowest bank is one page: another one comes up first.",
           Layout([(0x40000000, 4 * KIB), (0x80000000, 512 * MIB)]), image_at=0x80200000, dtb_at=0x90000000)
layout_row("overlapping-banks", "BT7", "Banks that overlap, repeat and touch are counted once.",
           Layout([(RAM_BASE, 128 * MIB), (0x44000000, 128 * MIB), (0x44000000, 128 * MIB), (0x4C000000, 64 * MIB),
                   (0x41000000, MIB)], split=True))
layout_row("zero-and-disabled", "BT7", "Zero-size place-holders and disabled nodes are passed over.",
           Layout([(RAM_BASE, 256 * MIB), (0, 0), (0x80000000, 0)], bad_nodes=[(0x90000000, 256 * MIB)]))
layout_row("cells-1-1", "BT7", "Root cells 1/1.", Layout([(RAM_BASE, 512 * MIB)], nomap=[(0x50000000, 0x3000)], cells=(1, 1)))
layout_row("cells-2-1", "BT7", "Root cells 2/1.", Layout([(RAM_BASE, 512 * MIB)], nomap=[(0x50000000, 0x3000)], cells=(2, 1)))
layout_row("high-and-low", "BT7", "A low bank and one above 4 GiB; the higher is named first.",
           Layout([(0x1C0000000, 2 * GIB), (RAM_BASE, GIB)], split=True), NO_RESERVE_64G, suites=LIGHT)
layout_row("across-4g", "BT7", "A bank that crosses 4 GiB off a GiB border.",
           Layout([(0x40000000, 128 * MIB), (0xE8000000, 0x20001000)]), NO_RESERVE_64G, dtb_at=0x47000000)
layout_row("across-512g", "BT7", "A bank that crosses a level-0 entry's border.",
           Layout([(0x40000000, 512 * MIB), (0x7FC0100000, 2 * GIB)]), Machine("neoverse-n1", ram=TIB), suites=LIGHT)
layout_row("only-bank-across-512g", "BT7 BT11", "The first bank crosses a level-0 entry's border, off-GiB at both ends.",
           Layout([(0x7FC0300000, 2 * GIB + 0x5000)]), Machine("neoverse-n1", ram=TIB), suites=LIGHT,
           image_at=0x7FFFE00000, dtb_at=0x80007FF008)
layout_row("dtb-outside-ram", "BT7", "The tree lies where the tree names no RAM.", Layout([(RAM_BASE, 64 * MIB)]),
           dtb_at=0x60000000)
layout_row("dtb-off-2m", "BT7", "A tree across a 2 MiB border, 8 bytes aligned.", Layout([(RAM_BASE, 256 * MIB)]),
           dtb_at=0x481FFFF8)
layout_row("dtb-last-bytes", "BT7", "A tree at the end of RAM.", Layout([(RAM_BASE, 128 * MIB)]), dtb_at=0x47FFC000)

# ---- holes and reservations --------------------------------------------------------------------------------------------------------

HOLES = [(0x44000000, 0x1000), (0x45FFF000, 0x2000), (0x46000800, 0x1000), (0x46200FFF, 1), (0x48100000, 0x200000),
         (0x4A0FF123, 0x201234), (0x50000000, 0x1000), (0x5FFFF000, 0x1000), (0x47E00000, 0x3000)]
layout_row("nomap-holes", "BT9 BT37", "No-map holes of one page, off-page, across 2 MiB borders, and at RAM's last page.",
           Layout([(RAM_BASE, 512 * MIB)], nomap=HOLES))
layout_row("nomap-first-page", "BT9 BT37", "The first and the second page of RAM are no-map.",
           Layout([(RAM_BASE, 512 * MIB)], nomap=[(RAM_BASE, 0x1001)]))
layout_row("nomap-beside-image", "BT9 BT37", "No-map touches the image's first page from below.",
           Layout([(RAM_BASE, 512 * MIB)], nomap=[(0x409FF000, 0x1000)]), image_at=0x40A00000)
layout_row("nomap-outside-ram", "BT9", "No-map where there is no RAM.",
           Layout([(RAM_BASE, 128 * MIB)], nomap=[(0x60000000, 0x1000), (0x47FFF000, 0x3000)]), dtb_at=0x44000000)


def fifty():
    """50 reservations as they occur in the wild: overlapping, off-page, outside RAM, adjacent."""
    rnd = random.Random(50)
    out = []
    for i in range(50):
        base = 0x50000000 + rnd.randrange(0, 0x60000000, 0x100)
        size = rnd.choice((1, 0x123, 0x1000, 0x2000, 0x10000, 0x200000, 0x345678))
        out.append((base, size) if i % 7 else (0xC0000000 + base - 0x40000000 & ~0xFFF, size))
    out[10] = (out[9][0], out[9][1] + 0x1000)
    out[20] = (out[19][0] + out[19][1], 0x3000)
    return out


layout_row("fifty-reservations", "BT10", "50 reservations, overlapping, off-page, some outside RAM: none is dropped.",
           Layout([(RAM_BASE, 2 * GIB)], reserved=fifty(), nomap=[(b + 0x800, 0x1000) for b, _ in fifty()[:12]]),
           timeout=120, host_ram=2048)
layout_row("many-reservations", "BT10", "600 reservations and 300 /memreserve/ entries.",
           Layout([(RAM_BASE, 2 * GIB)], reserved=[(0x60000000 + i * 0x21000, 0x1800) for i in range(600)],
                  memreserve=[(0xA0000000 + i * 0x3000, 0x1000) for i in range(300)]), suites=LIGHT)
layout_row("memreserve", "BT10", "/memreserve/ entries over the image, each other and the end of RAM.",
           Layout([(RAM_BASE, 512 * MIB)], memreserve=[(0x40200000, 0x200000), (0x4F000000, 0x1001), (0x4F000800, 0x4000),
                                                        (0x5FFFF800, 0x10000)]))
layout_row("dynamic", "BT10", "Size-only reservations are placed after the static ones, aligned and in their ranges.",
           Layout([(RAM_BASE, 512 * MIB)], reserved=[(0x5F000000, 0x1000000)],
                  dynamic=[{"size": 0x200000, "alignment": 0x10000}, {"size": 0x400000, "reusable": True},
                           {"size": 0x100000, "no_map": True, "alignment": 0x100000},
                           {"size": 0x800000, "alignment": 0x400000, "alloc_ranges": [(0x50000000, 0x4000000)]}]))

# ---- the worst tree for PT_POOL ------------------------------------------------------------------------------------------------------


def big_tree(tree):
    """A tree that fills almost the 2 MiB that the boot protocol allows."""
    tree.root.add("ballast").set("data", bytes(FDT_LIMIT - 64 * KIB))


FDT_LIMIT = 2 * MIB
WORST = [(RAM_BASE + i * GIB + 0x10001000 + (i % 5) * 0x601000, 0x1000 + (i % 3) * 0x1000) for i in range(62)]
layout_row("worst-pool", "BT11 BT40", "A no-map page in each GiB of 62, off-GiB ends, a tree of 2 MiB across 2 MiB borders.",
           Layout([(RAM_BASE + 0x3000, 62 * GIB + 0x12345000)], nomap=WORST, change=big_tree), NO_RESERVE_64G,
           dtb_at=0x481FF008, image_at=0x7FE00000, timeout=120, host_ram=1024)
layout_row("worst-pool-split", "BT11 BT40", "200 single-page holes in the first two GiB: every 2 MiB block is broken.",
           Layout([(RAM_BASE, 2 * GIB)], nomap=[(0x4A000000 + i * 0x500000 + 0x1000, 0x1000) for i in range(200)]), suites=LIGHT)
layout_row("big-tree", "BT11", "A tree of almost 2 MiB.", Layout([(RAM_BASE, 512 * MIB)], change=big_tree), dtb_at=0x48000008)

# ---- NUMA ----------------------------------------------------------------------------------------------------------------------------


def numa(nodes, ram, smp):
    each = ram // nodes
    extra = []
    for n in range(nodes):
        cpus = smp // nodes
        extra += ["-object", "memory-backend-ram,id=n%d,size=%dM,reserve=off" % (n, each // MIB), "-numa",
                  "node,nodeid=%d,cpus=%d-%d,memdev=n%d" % (n, n * cpus, (n + 1) * cpus - 1, n)]
    return Machine("cortex-a57", 1, smp, ram, extra=extra)


machine_row("numa-2", "BT5", "Two NUMA nodes: QEMU names the higher bank first.", numa(2, GIB, 4))
machine_row("numa-4", "BT5", "Four NUMA nodes, eight CPUs, across 4 GiB.", numa(4, 8 * GIB, 8), suites=LIGHT)


def numa_far(sizes, distances):
    """Nodes of some GiB with a CPU each; distances: {(node, node): distance}, for both directions."""
    extra = []
    for n, size in enumerate(sizes):
        extra += ["-object", "memory-backend-ram,id=n%d,size=%dG,reserve=off" % (n, size), "-numa",
                  "node,nodeid=%d,cpus=%d,memdev=n%d" % (n, n, n)]
    for (a, b), far in distances.items():
        extra += ["-numa", "dist,src=%d,dst=%d,val=%d" % (a, b, far)]
    return Machine("cortex-a57", 1, len(sizes), sum(sizes) * GIB, extra=extra)


machine_row("numa-far", "FX11 BT5", "A request for memory near a node falls back by the distances of the tree.",
            numa_far((1, 2, 2), {(0, 1): 40, (0, 2): 15, (1, 2): 25}), suites="numa," + LIGHT,
            want=[r"^numa: 9 distances$", r"# numa: a GiB for node 0 comes from node 2, at distance 15$",
                  r"# numa: a GiB for node 1 comes from node 1, at distance 10$"])

# ---- the Pixel 6 -----------------------------------------------------------------------------------------------------------------------

PIXEL_MACHINE = Machine("cortex-a76", 2, 8, 9 * GIB, options=("gic-version=3",), extra=(
    "-m", "3G,slots=4,maxmem=64G", "-object", "memory-backend-ram,id=d1,size=6G,reserve=off", "-device",
    "pc-dimm,memdev=d1,addr=0x880000000"))
PIXEL_BANKS = [(0x80000000, 0x80000000), (0x880000000, 0x80000000), (0x900000000, 0x80000000), (0x980000000, 0x80000000)]
PIXEL_NOMAP = [  # mainline tree
    ("gsa", 0x90200000, 0x400000), ("tpu-fw", 0x93000000, 0x1000000), ("aoc", 0x94000000, 0x3000000),
    ("abl", 0xF8800000, 0x2000000), ("splash", 0xFAC00000, 0x9E3400), ("dss-log", 0xFD3F0000, 0xE000),
    ("debug-kinfo", 0xFD3FE000, 0x1000), ("bldr-log", 0xFD800000, 0x100000), ("bldr-log-hist", 0xFD900000, 0x2000),
    # added by the boot loader; one names a range a second time
    ("pkvm_guest_firmware", 0x8B000000, 0xC4000), ("sec_pt", 0xE0000000, 0x2500000), ("sec_dram", 0xB7200000, 0x8E00000),
    ("debug_kinfo_reserved", 0xFD3FE000, 0x1000)]
PIXEL_STOCK = [  # mapped reservations of the stock tree
    ("ect_binary", 0x90000000, 0x3A000), ("ramoops", 0xFD400000, 0x400000), ("cp_rmem", 0xF0000000, 0x800000),
    ("cp_msi", 0xF6200000, 0x1000), ("cp_rmem_1", 0xE8000000, 0x1C00000), ("cp_rmem_2", 0xEE000000, 0x400000),
    ("seclog", 0xC3000000, 0x80000), ("debug_snapshot", 0xD8100000, 0x710000)]


def pixel(stock):
    """The phone's memory, cells and /chosen on QEMU's CPUs, GIC, timer and UART. Returns (tree function, figures)."""
    nomap = list(PIXEL_NOMAP)
    if stock:
        nomap += [("log_s2d", 0xD8810000, 0x1500000), ("suspend_diag", 0xFD90C000, 0x1000)]

    def change(tree):
        tree.clear_memory()
        strip(tree)
        fdt.recell(tree, 2, 1)
        tree.root.set("compatible", "google,gs101-oriole" if not stock else "google,GS101 ORIOLE", "google,gs101")
        tree.root.set("model", "Oriole")
        # The UART under a bus whose addresses must be translated, as on the phone.
        soc = tree.root.add("soc@0")
        soc.set("compatible", "simple-bus").set("#address-cells", 1).set("#size-cells", 1).set("ranges", 0, 0, 0, 0x40000000)
        uart = tree.root.child("pl011")
        tree.root.remove(lambda c: c is not uart)
        uart.set("reg", 0x09000000, 0x1000)
        soc.children.append(uart)
        chosen = tree.root.need("chosen")
        chosen.set("stdout-path", "/soc@0/" + uart.name)
        if stock:
            for bank in PIXEL_BANKS:
                tree.bank(bank)
        else:  # the boot loader's one node
            tree.bank(*PIXEL_BANKS, name="memory")
        for name, base, size in nomap:
            node = tree.reserve(name, (base, size), no_map=True)
            if name == "splash":
                node.set("phandle", 0x51)
        if stock:
            for name, base, size in PIXEL_STOCK:
                tree.reserve(name, (base, size))
            tree.reserve("mfc_fw_rmem", size=0x200000, alignment=0x10000, reusable=True)
            tree.reserve("vframe", size=0x4000000, alignment=0x400000, reusable=True)
        else:
            fb = chosen.add("framebuffer-0")
            fb.set("compatible", "simple-framebuffer").set("memory-region", 0x51).set("width", 1080).set("height", 2400)
            fb.set("stride", 4320).set("format", "a8r8g8b8").set("status", "disabled")
        chosen.set("kaslr-seed", bytes(8)).set("linux,initrd-start", fdt.cells(0x84000000, 2))
        chosen.set("linux,initrd-end", fdt.cells(0x84000000 + 70001, 2))
        return tree

    figures = Layout(PIXEL_BANKS, nomap=[(b, s) for _, b, s in nomap]).figures()
    return change, figures


for kind in ("mainline", "stock"):
    pixel_tree, pixel_figures = pixel(kind == "stock")
    pixel_initrd = blob_of(70001, 6)
    row("pixel6-" + kind, "BT12 BT9", "The Pixel 6 map with a faulting hole, cells 2/1, the %s tree's reservations." % kind,
        lambda build, t=pixel_tree: Boot(PIXEL_MACHINE, form="loader", loader=Loader(
            t, image_at=0x80000000, dtb_at=0x8A000000, firmware=True, files=[(0x84000000, pixel_initrd)])),
        suites=LIGHT, want=[pixel_figures, r"# machine: initrd 70001 bytes checksum %016x$" % fnv1a(pixel_initrd)])

# ---- other boards ---------------------------------------------------------------------------------------------------------------------


def raspi_tree():
    """A Raspberry Pi 3 as far as a kernel's memory goes: QEMU has no tree for it, and RAM begins at address 0."""
    tree = fdt.Tree()
    root = tree.root
    root.set("#address-cells", 1).set("#size-cells", 1).set("compatible", "raspberrypi,3-model-b", "brcm,bcm2837")
    root.set("model", "Raspberry Pi 3 Model B")
    cpus = root.add("cpus").set("#address-cells", 1).set("#size-cells", 0)
    for n in range(4):
        cpus.add("cpu@%d" % n).set("device_type", "cpu").set("compatible", "arm,cortex-a53").set("reg", n) \
            .set("enable-method", "spin-table").set("cpu-release-addr", 0, 0xD8 + 8 * n)
    soc = root.add("soc").set("compatible", "simple-bus").set("#address-cells", 1).set("#size-cells", 1)
    soc.set("ranges", 0x7E000000, 0x3F000000, 0x1000000)
    soc.add("serial@7e201000").set("compatible", "arm,pl011", "arm,primecell").set("reg", 0x7E201000, 0x1000)
    root.add("chosen").set("stdout-path", "/soc/serial@7e201000")
    tree.bank((0, 0x3C000000))
    return tree


row("raspi3b-ram-at-0", "BT8 BT25", "RAM begins at address 0; a bus translates the UART's address; spin-table CPUs.",
    lambda build: Boot(Machine(None, 2, 4, GIB, board="raspi3b"), dtb=raspi_tree()), suites=SUITES,
    want=[r"# machine: ram %d nomap 0 " % 0x3C000000], timeout=180, host_ram=1024)
row("versal-4g", "BT8 BT25", "Xilinx Versal: RAM at 0 and above 32 GiB in one reg, PL011 elsewhere.",
    Boot(Machine(None, 2, 4, 4 * GIB, board="xlnx-versal-virt")), suites=LIGHT,
    want=[r"# machine: ram %d nomap 0 " % (4 * GIB)])

# ---- garbage in RAM ------------------------------------------------------------------------------------------------------------------------


def garbage(pattern):
    """All RAM of a 128 MiB machine but image, stub and tree, filled with 8-byte records; BSS too."""

    def boot(build):
        image_at, dtb_at = 0x40200000, 0x44000000
        with open(build + "/granule.img", "rb") as f:
            length = len(f.read())
        assert image_header(build + "/granule.img")[1] >= length
        tree = Layout([(RAM_BASE, 128 * MIB)])
        size = 64 * KIB
        spans = [(0x40101000, image_at), (image_at + ((length + 15) & ~15), dtb_at), (dtb_at + size, RAM_BASE + 128 * MIB)]
        files = [(start, pattern(start, end - start)) for start, end in spans]
        return Boot(Machine(ram=128 * MIB), form="loader",
                    loader=Loader(tree, image_at=image_at, dtb_at=dtb_at, files=files))

    return boot


def records(state, ref):
    """struct page as mm/page.h has it: ref; order:5 state:3 tag:8 aux:16. Heads of every order, at aligned indices."""

    def pattern(start, size):
        one = b"".join(struct.pack("<II", ref, (min(18, ((i & -i).bit_length() - 1) if i else 18)) | state << 5 | 7 << 8)
                       for i in range(512))
        return (one * (size // len(one) + 1))[:size]

    return pattern


for title, pattern in (("allocated", records(2, 1)), ("free", records(1, 0)),
                       ("ones", lambda start, size: b"\xff" * size),
                       ("random", lambda start, size: (blob_of(MIB, start) * (size // MIB + 1))[:size])):
    row("garbage-" + title, "BT20", "RAM is full of what looks like records of an earlier run (%s)." % title,
        garbage(pattern), suites=SUITES, want=[r"# machine: ram %d nomap 0 " % (128 * MIB)])

# ---- what cannot go on: the exact texts ---------------------------------------------------------------------------------------------------


def panic_row(name, ids, why, text, layout, **place):
    def boot(_build):
        return Boot(Machine(ram=2 * GIB), form="loader", loader=Loader(layout, **place))

    row(name, ids, why, boot, panics=[text], timeout=20)


NO_RAM = r"^PANIC: No RAM regions found in DTB"
ALL_RESERVED = r"^PANIC: All RAM is reserved - no free memory"
NO_MEMMAP = r"^PANIC: Cannot allocate mem_map - insufficient contiguous memory"
panic_row("panic-no-ram", "BT16", "No memory node.", NO_RAM, Layout([]))
panic_row("panic-no-ram-disabled", "BT16", "Only a disabled memory node.", NO_RAM, Layout([], bad_nodes=[(RAM_BASE, GIB)]))
panic_row("panic-no-ram-zero", "BT16", "Only zero-size banks.", NO_RAM, Layout([(RAM_BASE, 0), (0, 0)]))
panic_row("panic-no-ram-subpage", "BT16", "A bank without one whole page.", NO_RAM, Layout([(0x40000800, 0x1000)]))
panic_row("panic-all-reserved", "BT17", "One reservation over all RAM.", ALL_RESERVED,
          Layout([(RAM_BASE, 512 * MIB)], reserved=[(RAM_BASE, 512 * MIB)]))
panic_row("panic-all-nomap", "BT17", "No-map over all RAM but the image.", ALL_RESERVED,
          Layout([(RAM_BASE, 512 * MIB)], nomap=[(RAM_BASE, 0x200000), (0x41000000, 496 * MIB)],
                 reserved=[(0x40200000, 0xE00000)]))
panic_row("panic-all-memreserve", "BT17", "/memreserve/ over all RAM, in pieces that overlap.", ALL_RESERVED,
          Layout([(RAM_BASE, 512 * MIB)], memreserve=[(RAM_BASE, 300 * MIB), (RAM_BASE + 200 * MIB, 312 * MIB)]))
panic_row("panic-no-memmap", "BT18", "Free memory in pieces, none large enough for the records of a GiB.", NO_MEMMAP,
          Layout([(RAM_BASE, GIB)], reserved=[(RAM_BASE, 0x20000000), (0x60010000, 0x8000000), (0x68020000, 0x17FE0000)]))

# ---- malformed trees ---------------------------------------------------------------------------------------------------------------------------

BAD_DTB = r"Invalid DTB for memory init"
BAD_NAMES = sorted(fdt.malformed(raspi_tree().build()))


def bad_tree(name):
    def make(tree):
        tree.bootargs("verbose")
        return fdt.malformed(tree.build())[name]

    return make


for bad in BAD_NAMES:
    panic_row("bad-dtb-" + bad, "BT19", "A malformed tree ends in one clear line, never in a fault.", BAD_DTB, bad_tree(bad))
panic_row("bad-dtb-unaligned", "BT19", "x0 is not 8-byte aligned.", BAD_DTB, Layout([(RAM_BASE, GIB)]), dtb_at=0x48000004)
panic_row("bad-dtb-nothing-there", "BT19", "x0 points at RAM without a tree.", BAD_DTB, Layout([(RAM_BASE, GIB)]),
          x0=0x50000000)
panic_row("bad-memory-reg", "BT19", "A memory node whose reg is no whole number of tuples.", BAD_DTB,
          Layout([(RAM_BASE, GIB)], change=lambda t: t.root.child("memory").set("reg", 0, RAM_BASE, 0)))
panic_row("bad-memory-wraps", "BT19", "A bank that wraps around the end of the address space.", BAD_DTB,
          Layout([(RAM_BASE, GIB), (0xFFFFFFFFFFFFF000, 0x2000)]))
panic_row("bad-cells", "BT19", "#address-cells of 5.", BAD_DTB,
          Layout([(RAM_BASE, GIB)], change=lambda t: t.root.set("#address-cells", 5)))

# ---- what is not as the loader says ------------------------------------------------------------------------------------------

panic_row("image-misaligned", "BT1", "An image that is not at a multiple of 2 MiB says so.",
          r"the image must lie at a multiple of 2 MiB", Layout([(RAM_BASE, GIB)]), image_at=0x40300000)
panic_row("ram-not-there", "BT28", "A bank that the machine does not have ends in a sentence with its address.",
          r"^PANIC: no memory answers at physical address 0x2[0-9a-f]{8}:", Layout([(RAM_BASE, 2 * GIB), (0x200000000, GIB)]))
layout_row("console-not-there", "BT25", "A console where nothing answers: semihosting speaks instead.",
           Layout([(RAM_BASE, GIB)], change=lambda t: t.root.child("pl011").set("reg", 0, 0x0F000000, 0, 0x1000)),
           suites=LIGHT, want=[r"^console: .*semihosting"])
layout_row("console-in-ram", "BT25", "A console whose registers lie in a bank is none.",
           Layout([(RAM_BASE, GIB)], change=lambda t: t.root.child("pl011").set("reg", 0, 0x50000000, 0, 0x1000)),
           suites=LIGHT, want=[r"^console: the console's registers lie in RAM"])

# ---- the kernel's own end --------------------------------------------------------------------------------------------------

REPORT = [r"^EXCEPTION: Synchronous, current EL with SPx", r"^ELR +0xffffa0", r"^backtrace:", r"^PANIC: unexpected exception"]


# From the first line to the last with nothing of anybody else's between, and only one.
WHOLE_REPORT = (r"(?m)^EXCEPTION: .*\n(STACK  .*\n)?ESR  .*\n( {8}\S.*\n)?FAR  .*\nELR  .*\nSPSR .*\nSP   .*\n(x\d.*\n){11}"
                r"backtrace:\n(  [0(].*\n)+PANIC: unexpected exception on CPU \d+$")


def crash_row(ident, why, texts, ids="BU29", machine=PLAIN, once=(), never=(), name=None):
    row("crash-" + (name or ident), ids, why, Boot(machine), words=("test=_crash:" + ident,), dies=texts, timeout=20, once=once,
        never=never)


crash_row("write", "A write to an address that is not mapped.",
          REPORT + [r"EC 0x25: data abort", r"write, translation fault", r"\bwrite_to\+0x"])
crash_row("text", "A write to the kernel's text.", REPORT + [r"write, permission fault, level 3"])
crash_row("fetch", "A jump to data.", REPORT + [r"EC 0x21: instruction abort", r"permission fault, level 3"])
crash_row("brk", "A BRK instruction.", REPORT + [r"EC 0x3c"])
crash_row("stack", "An endless recursion runs into the guard page and is reported from another stack.",
          REPORT + [r"^STACK +overflow", r"\bendless\+0x"])
crash_row("sink", "The console breaks during the report: semihosting has both reports.",
          [r"^PANIC: again, while the first was being reported", r"^the first: ESR 0x"])
crash_row("again", "A panic in the middle of a panic.", [r"^PANIC: again, while the first was being reported"])
crash_row("irq", "An interrupt handler that faults is reported with the code that it interrupted.",
          REPORT + [r"\bwrite_to\+0x", r"\birq_entry\+0x", r"\binterrupted_here\+0x"], ids="BU29 BT53")
crash_row("irqstack", "An interrupt that finds no room on the stack is reported from another stack.",
          [r"^EXCEPTION: IRQ, current EL with SPx", r"^STACK +overflow", r"^PANIC: unexpected exception"])
crash_row("cpu", "A fault on another CPU ends the machine, and says on which.",
          REPORT + [r"^PANIC: unexpected exception on CPU 3$", r"\bsecondary_main\+0x"], machine=Machine("cortex-a72", 2, 4))
for how, extra in (("", ()), ("-in-turn", IN_TURN)):
    for ident, why in (("cpus", "Every CPU faults at once: one report comes out, whole."),
                       ("talk", "A CPU faults in the middle of another's line: that ends first, and nobody says more.")):
        crash_row(ident, why, REPORT, ids="BT59", machine=Machine("cortex-a72", 2, 4, extra=extra), name=ident + how,
                  once=[WHOLE_REPORT, r"EXCEPTION:", r"PANIC:"], never=[r"^(?!CPU \d has something to say$).*something"])
    crash_row("stacks", "Every stack runs over at once: each CPU has another for the report.",
              [r"^EXCEPTION: Synchronous", r"^STACK +overflow", r"\bendless\+0x"], ids="BT59", machine=Machine("cortex-a53", 1, 4, extra=extra),
              name="stacks" + how, once=[WHOLE_REPORT, r"EXCEPTION:", r"PANIC:"])
    crash_row("panics", "Every CPU panics at once: one of them is heard, to the end.", [r"^PANIC: CPU \d of 4$", r"\bpanic_on_all\+0x"],
              ids="BT59", machine=Machine("neoverse-n1", 1, 4, extra=extra), name="panics" + how,
              once=[r"(?m)^PANIC: CPU \d of 4\nbacktrace:\n(  0x[0-9a-f]{16} .*\n)+", r"(?m)^PANIC:"])
crash_row("nested", "Work for all CPUs from inside such work is refused.", [r"^PANIC: smp_run: on CPU 0, inside such work$"], ids="BT55",
          machine=Machine("cortex-a53", 1, 2))
crash_row("panic", "panic() says why, shows who called, and ends with status 1.",
          [r"^PANIC: ", r"^backtrace:", r"\+0x"], ids="BU27")

# ---- figures for tools -------------------------------------------------------------------------------------------------------


def stats_row(name, why, boot, words=("stats",), **options):
    """The boot ends with the word `stats`; options of check_stats.judge() in `stats`."""
    row("stats-" + name, "DG5 DG6", why, boot, words=words, **options)


stats_row("64m", "One bank, one CPU, little memory.", Boot(Machine("cortex-a53", ram=64 * MIB)),
          stats={"ram": 64 * MIB, "cpus": 1, "nodes": [0], "model": "linux,dummy-virt"})
stats_row("smp4-6g", "Banks on both sides of 4 GiB, verbose lines before it.", Boot(Machine("neoverse-n1", 2, 4, 6 * GIB)),
          words=("verbose", "stats"), stats={"ram": 6 * GIB, "cpus": 4, "nodes": [0]})
stats_row("numa4", "Four nodes.", Boot(numa(4, 8 * GIB, 8)), stats={"ram": 8 * GIB, "cpus": 8, "nodes": range(4)})
stats_row("1t", "1 TiB.", Boot(Machine("neoverse-n1", 1, 1, TIB)), stats={"ram": TIB, "cpus": 1}, timeout=120, host_ram=4096)
stats_row("smp512", "512 CPUs: all of them for tools, the first and the sum for a person.",
          Boot(Machine("neoverse-n1", 1, 512, GIB, options=gic(3), extra=IN_TURN), args="quiet", talk=[(PROMPT, line) for line in (
              "stats --json", "buddy", "poweroff")]), words=(), timeout=240,
          stats={"ram": GIB, "cpus": 512, "then": lambda found: [] if [c["cpu"] for c in found[0]["cpus"]] == list(range(512)) else [
              "not every CPU's cache is there"]},
          want=[r"^       6 +\d+/\d +0/0 ", r"^     \.\.\. and 505 more \(buddy cpus shows them\)$", r"^ all 512 +\d+/\d+ "],
          never=[r"^       7 +\d+/"])
stats_row("el3", "No other CPU, no PSCI.", lambda build: Boot(
    Machine("cortex-a57", 3, 2), form="loader", loader=Loader(WHOLE)), stats={"ram": 512 * MIB, "cpus": 2})
stats_row("raspi3b", "RAM at address 0.", lambda build: Boot(Machine(None, 2, 4, GIB, board="raspi3b"), dtb=raspi_tree()),
          stats={"ram": 0x3C000000, "cpus": 4, "model": "Raspberry Pi 3 Model B"}, timeout=180, host_ram=1024)

MANY = Layout([(RAM_BASE, GIB), (0x100000000, GIB)], nomap=[(0x4A000000 + i * 0x300000 + 0x1001, 0x1000) for i in range(100)],
              reserved=[(0x60000000 + i * 0x100000, 0x2345) for i in range(150)], memreserve=[(0x50000123, 77)],
              dynamic=[{"size": 0x200000, "alignment": 0x10000, "reusable": True}])
stats_row("claims", "Some 250 ranges, more than the image has room for: each with its source, as it was named.",
          lambda build: Boot(Machine(ram=8 * GIB), form="loader", loader=Loader(MANY)), stats={"ram": 2 * GIB, "claims": [
              ("bank", RAM_BASE, GIB, "/memory@40000000 reg[0]"), ("bank", 0x100000000, GIB, "/memory@40000000 reg[1]"),
              ("memreserve", 0x50000123, 77, "/memreserve/[0]")] + [
              ("nomap", b, s, "/reserved-memory/hole%d@%x reg[0]" % (i, b)) for i, (b, s) in enumerate(MANY.nomap)] + [
              ("reserved", b, s, "/reserved-memory/keep%d@%x reg[0]" % (i, b)) for i, (b, s) in enumerate(MANY.reserved)],
              "then": lambda found: [] if [c["size"] for c in found[0]["claims"] if c["placed"]] == [0x200000] else ["placed"]})

# Bytes that JSON must escape, in names that the kernel does not choose: in the model each as Latin-1, in a source as "?".
ODD_MODEL = b'a "quoted"\\model\x01\x1b[2J\x7f\xc3\xa9\xff'
ODD_NAME = 'x"\\\t\n{},\u00e9'


def odd_names(tree):
    tree.root.set("model", ODD_MODEL + b"\0")
    tree.reserve(ODD_NAME, (0x50000000, 0x1000))
    tree.reserve("long" * 200, (0x51000000, 0x1000))


stats_row("names", "Names with quotes, control bytes, bytes of no charset, and one that is too long.", lambda build: Boot(
    Machine(ram=GIB), form="loader", loader=Loader(Layout([(RAM_BASE, GIB)], change=odd_names))),
    stats={"ram": GIB, "model": ODD_MODEL.decode("latin-1"), "claims": [
        ("reserved", 0x50000000, 0x1000, "/reserved-memory/x\"\\??{},??@50000000 reg[0]"),
        ("reserved", 0x51000000, 0x1000, ("/reserved-memory/" + "long" * 200)[:511])]})


def after_mistakes(found):
    """Between the first object and the second: mark, eight pages taken, one free refused."""
    a, b = found
    pages = {o["name"]: o["pages"] for o in b["owners"]}
    ok = b["frames"]["new_pages"] == 8 and b["frames"]["bad_frees"] == a["frames"]["bad_frees"] + 1 and \
        b["frames"]["free_pages"] == a["frames"]["free_pages"] - 8 and pages.get("user") == 8
    return [] if ok else ["the second object does not tell what happened after the first"]


stats_row("monitor", "What a person does at the monitor is in the figures; a refused free names the function that made it.",
          Boot(Machine("cortex-a72", 1, 4, GIB), args="verbose", talk=[(PROMPT, line) for line in (
              "stats --json", "mark", "alloc 3", "free last 2", "stats --json", "leaks", "owners", "buddy", "buddy cpus",
              "free last 3", "leaks 5", "stats", "stats --yaml", "poweroff")]), words=(), stats={
                  "ram": GIB, "count": 2, "then": after_mistakes},
          want=[r"^frames: bad free of 0x[0-9a-f]+, order 2, by 0xffffa0[0-9a-f]+ \(command_free\+0x[0-9a-f]+\): Freed with "
                r"another order than allocated \(allocated block at 0x[0-9a-f]+, order 3, tag user \(8\), 1 references\)$",
                r"^  all since the mark +1 block +8 pages +32 KiB$", r"^  all since the mark +0 blocks +0 pages +0 B$",
                r"^    8  user +8 +32 KiB$", r"^'--yaml' is not '--json', which prints for tools$"])

# ---- somebody else's kernel --------------------------------------------------------------------------------------------------

for cpu in ("cortex-a53", "max"):
    row("embed-" + cpu, "EM1 EM2 EM3 EM4", "A kernel of another shape links libgranule.a: its own tables, names and hooks.",
        Boot(Machine(cpu, ram=512 * MIB), form="elf", elf="embed.elf"), words=(), suites="embed", spine=False, timeout=30)
