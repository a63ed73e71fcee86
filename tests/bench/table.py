# SPDX-License-Identifier: BSD-2-Clause
"""The rows of `make bench`: what each is, what it must not exceed, what others need for it, and the machines that measure it.

Unit: executed AArch64 instructions per operation, unless a row says otherwise. The peers' figures were measured with the same
recipe (QEMU, -icount shift=0, neoverse-n1, warm caches, loop subtracted): Linux 6.1 lean (no hardening, no preemption) and as a
distribution builds it, LLFree (C), pKVM's EL2 buddy without its zeroing, page-table code of KVM, TF-A and Hafnium, mimalloc 3.4.
"""

# Sections: (name, columns of peers). A row's peers stand in that order.
SECTIONS = {
    "frames": ("Page frames", ("Linux lean", "Linux distro", "LLFree", "pKVM", "floor")),
    "heap": ("Heap", ("Linux lean", "Linux distro", "mimalloc", "floor")),
    "pt": ("Page tables", ("Linux", "KVM 1/2", "TF-A", "Hafnium", "floor")),
    "boot": ("Bring-up", ("Linux block map", "Linux 4 KiB map")),
}

# Rows that are measured and shown, and do not yet fail the run: a section, or a key. Everything else is gated.
NOT_GATED = {"heap", "pt"}
GATED = {"pt.map4k"}  # though its section is not

A72_FACTOR = 1.05  # how much more than on neoverse-n1 a row may cost on cortex-a72


class Row:
    def __init__(self, key, what, target, *peers):
        self.key, self.what, self.target, self.peers = key, what, target, peers
        self.section = key.split(".")[0]

    @property
    def gated(self):
        return self.key in GATED or not {self.key, self.section} & NOT_GATED


ROWS = [
    Row("frames.pair0", "order 0, alloc + free, warm CPU cache", 64, "413", "667", "583", "157-973", "38-60"),
    Row("frames.batch0_alloc", "4096 x alloc", 40, "243", "563", "361", "112", "~35"),
    Row("frames.batch0_free", "4096 x free", 48, "176", "423", "269", "135", "~35"),
    Row("frames.stride0_alloc", "65536 x alloc", 60, "348", "562", "-", "-", "~40"),
    Row("frames.stride0_free", "65536 x free, strided", 66, "362", "421", "-", "-", "~40"),
    Row("frames.bulk64", "64 at once, per page", 4, "44", "42", "-", "-", "~2"),
    Row("frames.pair9", "order 9, caches off, neighbour busy", 120, "16595", "10450", "491", "217", "60-100"),
    Row("frames.pair9_cached", "order 9, 2 MiB cache", 64, "16595", "10450", "491", "217", "60-100"),
    Row("frames.pair10", "order 10, neighbour busy", 120, "17891", "36704", "537", "-", "60-100"),
    Row("frames.pair18", "order 18, whole sections", 120, "-", "-", "-", "-", "60-100"),
    Row("frames.level", "one level of split + merge", 32, "-", "-", "-", "82", "24-40"),
    Row("frames.remote0", "free what CPU 1 allocated", 48, "370", "384", "-", "-", "~30"),
    Row("frames.first_touch", "8 GiB as order 0 after boot, per page", 48, "67-100+348", "74-109+562", "361", "-", "~40"),
    Row("frames.bytes_per_page", "metadata at 8 GiB, bytes", 8.5, "64", "64", "0.14", "4", "0.125"),
    Row("frames.bytes_per_page_64m", "metadata at 64 MiB, bytes", 9, "64", "64", "-", "-", "-"),
    Row("frames.shared_lines", "cache lines that two CPUs' hot paths share", 0, "-", "-", "-", "-", "0"),
    Row("frames.locks_per_64", "locks of the zone in 64 operations", 1, "-", "-", "-", "-", "-"),
    Row("heap.pair64", "kmalloc(64) + kfree", 72, "193", "359", "59", "40-55"),
    Row("heap.pair64_l0", "the same, level 0", 48, "193", "359", "59", "40-55"),
    Row("heap.cache64", "own cache, 64 B pair", 64, "122", "301", "-", "~40"),
    Row("heap.cache64_l0", "the same, level 0", 44, "122", "301", "-", "~40"),
    Row("heap.batch64_alloc", "4096 x kmalloc(64)", 40, "143", "529", "67 pair", "~30"),
    Row("heap.batch64_free", "4096 x kfree", 56, "175", "264", "67 pair", "~30"),
    Row("heap.pair1024", "kmalloc(1024) + kfree", 72, "193", "361", "153", "~45"),
    Row("heap.pair8192", "kmalloc(8192) + kfree", 84, "193", "361", "239", "~45"),
    Row("heap.churn", "512 slots, 16..8192 B, free + alloc", 150, "461", "681", "209", "~100"),
    Row("heap.bulk64_alloc", "64 objects at once, per object", 8, "21", "26", "-", "~3"),
    Row("heap.bulk64_free", "the same, freed", 12, "37", "57", "-", "~3"),
    Row("pt.map4k", "1 GiB as 4 KiB pages, map, per entry", 3.5, "18-50", "88/130", "96", "255", "2.0"),
    Row("pt.unmap4k", "unmap, tables freed, per entry", 0.6, "11.1", "-", "38", "29", "0.5"),
    Row("pt.unmap4k_sparse", "the same, every other entry valid", 3, "-", "-", "-", "-", "-"),
    Row("pt.protect4k", "protect, per entry", 5, "-", "-", "-", "-", "~3"),
    Row("pt.map8g_blocks", "8 GiB in 1 GiB blocks, the call", 400, "1831", "1245", "1087", "12916", "~100"),
    Row("pt.vmalloc1m", "vmalloc(1 MiB)", 8000, "25461", "-", "-", "-", "~2500"),
    Row("pt.vfree1m", "vfree(1 MiB)", 6000, "54705", "-", "-", "-", "~2500"),
    Row("boot.1g", "first instruction to memory is up, 1 GiB", 700000, "28.4 M", "36.9 M"),
    Row("boot.8g", "8 GiB", 700000, "160 M", "229 M"),
    Row("boot.64g", "64 GiB", 800000, "1143 M", "1692 M"),
    Row("boot.1t", "1 TiB", 1200000, "~18000 M", "-"),
    Row("boot.1t_minus_1g", "1 TiB less 1 GiB", 500000, "-", "-"),
    Row("boot.slope", "per 4 KiB page, 1 GiB to 1 TiB", 0.002, "66.9", "99.6"),
    Row("boot.ram_percent_8g", "RAM taken at boot, 8 GiB, %", 0.25, "2.57", "2.57"),
]

# The traces of `make packing`, in percent of the free memory. Gated: packing.2m.TRACE stands above each reference, and with every seed by
# PACKING_LEAD points at least (packing.2m.TRACE.ahead); packing.1g.TRACE does not stand below one by more than PACKING_EQUAL.
PACKING = [
    ("fill", "90 % filled, a random half freed, then in use"),
    ("long_lived", "long-lived among short-lived"),
    ("spaces", "page tables, stacks and slabs of address spaces"),
    ("recorded", "a recorded boot and load of the kernel"),
]
PACKING_REFERENCES = (".lifo", ".lifo10")  # the first plays every trace, the other those that it can
PACKING_LEAD = 0.5
PACKING_EQUAL = 0.1

MIB = 1 << 20
GIB = 1 << 30


class BenchMachine:
    """One boot of bench.elf: RAM, CPUs, the words on its command line, and what is added to its keys."""

    def __init__(self, ram, words, cpus=1, suffix="", timeout=120):
        self.ram, self.words, self.cpus, self.suffix, self.timeout = ram, words, cpus, suffix, timeout


# One bank (below 4 GiB) for the levels; two limit classes for the rest.
MACHINES = [
    BenchMachine(8 * GIB, "metadata uncached frames remote", cpus=2),
    BenchMachine(3 * GIB, "levels"),
    BenchMachine(8 * GIB, "touch"),
    BenchMachine(64 * MIB, "metadata pair0", suffix="_64m"),
    BenchMachine(8 * GIB, "pgtable heap"),
    BenchMachine(8 * GIB, "cpus1", suffix="_1"),
    BenchMachine(8 * GIB, "cpus8", cpus=8, suffix="_8"),
]

# Boots of the kernel itself: key, RAM.
BOOTS = [("boot.1g", GIB), ("boot.8g", 8 * GIB), ("boot.64g", 64 * GIB), ("boot.1t", 1024 * GIB)]

CPUS = ("neoverse-n1", "cortex-a72")
TOOLCHAINS = ("clang", "gcc")

# What `make test` holds: the few boots that give these keys.
RATCHET = {
    "frames.pair0": BenchMachine(8 * GIB, "pair0"),
    "pt.map4k": BenchMachine(8 * GIB, "map4k"),
    "boot.1g": None,
}

# The curves: RAM for boots, RAM for the library, and CPUs.
CURVE_BOOT_RAM = [64 * MIB << i for i in range(15)]
CURVE_RAM = [64 * MIB << i for i in range(11)]
CURVE_CPUS = [1, 2, 4, 8, 16, 32, 64]
