#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The QEMU checks, checked: does a hang, a missing plan, a wrong status, a lost line fail, and only those? Prints TAP 13.

The kernels here are a few instructions long and say by semihosting whatever the case asks for.
"""
import os
import struct
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import fdt  # noqa: E402
import machine  # noqa: E402
import matrix  # noqa: E402
import run  # noqa: E402

GOOD = """Initializing MMU...
MMU: Allocated page table at PA 0x0000000040210000
Root PT at: 0x40210000
About to enable MMU...
MMU enabled with identity mapping.
MMU: running in the high half
DTB: found at 0x0000000048000000, 1048576 bytes (7521 used)
buddy: up on bank 0x40000000, 130000 pages free
MMU: hand-over to the page allocator
MMU: Allocated page table at PA 0x0000000044444000
memory is up: 500 MiB free of 512 MiB
"""
TAP = "TAP version 13\n1..2\nok 1 - X1 one\nok 2 - X2 two\n"


def image(text, status, hang=False):
    """An arm64 Image that writes text by semihosting and exits with status (or does not)."""
    code = [
        0x10000000 | (0x40 // 4) << 5 | 1,  # adr x1, text (0x80)
        0xD2800080, 0xD45E0000,  # mov x0, #4 (SYS_WRITE0); hlt #0xf000
        0x10000000 | (0x24 // 4) << 5 | 1,  # adr x1, block (0x70)
        0xD2800400, 0xD45E0000,  # mov x0, #0x20 (SYS_EXIT_EXTENDED); hlt
        0x14000000,  # b .
    ]
    if hang:
        code[3] = 0x14000000
    head = struct.pack("<II4Q", 0x14000010, 0xD503201F, 0, 0x200000, 0xA, 0) + bytes(16) + b"ARM\x64" + bytes(4)
    body = head + machine.words(*code)
    body += bytes(0x70 - len(body)) + struct.pack("<QQ", 0x20026, status) + text.encode() + b"\0"
    return body


def case(text, status=0, hang=False, words=("verbose",), suites=None, **options):
    """The problems that run.py finds in a boot of that kernel."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "granule.img"), "wb") as f:
            f.write(image(text, status, hang))
        row = matrix.Row("selftest", "X0", "", machine.Boot(machine.Machine(ram=64 << 20)), words=words, suites=suites,
                         timeout=2 if hang else 20, **options)
        result = row.boot(folder).run(os.path.join(folder, "log"), folder, row.timeout)
        return run.judge(row, result)


def without(line):
    return "".join(part for part in GOOD.splitlines(True) if not part.startswith(line))


def swapped(a, b):
    lines = GOOD.splitlines(True)
    i, k = (next(n for n, part in enumerate(lines) if part.startswith(p)) for p in (a, b))
    lines[i], lines[k] = lines[k], lines[i]
    return "".join(lines)


def tap_case(tap, status=0, **options):
    return case(GOOD + tap, status, suites="x", **options)


def parse_roundtrip():
    tree = matrix.raspi_tree()
    tree.memreserve = [(1, 2), (3 << 40, 4)]
    tree.reserve("a", (0x1000, 0x1000), no_map=True)
    again = fdt.Tree.parse(tree.build(pad=77))
    same = [(p, n.props) for p, n in again.root.walk()] == [(p, n.props) for p, n in tree.root.walk()]
    return [] if same and again.memreserve == tree.memreserve and again.build() == tree.build() else ["differs"]


def malformed_differ():
    good = matrix.raspi_tree().build()
    return [name for name, blob in fdt.malformed(good).items() if blob == good]


def figures():
    """The arithmetic that the kernel is compared with, on a case done by hand."""
    lay = matrix.Layout([(0x1800, 0x3000), (0x4000, 0x2000), (0x5000, 0x1000)], nomap=[(0x2FFF, 2), (0x9000, 0x1000)])
    return [] if lay.figures() == r"# machine: ram %d nomap %d " % (0x4000, 0x2000) else [lay.figures()]


SPINE_LINES = ("DTB: found", "buddy: up", "MMU: hand-over", "MMU: Allocated page table at PA 0x0000000044444000",
               "memory is up", "MMU enabled", "Root PT", "Initializing", "About to", "MMU: running")
# (name, must it fail?, function)
CASES = [
    ("a good boot passes", False, lambda: case(GOOD)),
    ("a hang fails", True, lambda: case(GOOD, hang=True)),
    ("status 1 fails", True, lambda: case(GOOD, status=1)),
    ("silence with status 0 fails", True, lambda: case("")),
    ("PANIC with status 0 fails", True, lambda: case(GOOD + "PANIC: x\n")),
    ("an exception report with status 0 fails", True, lambda: case(GOOD + "EXCEPTION: synchronous, current EL, SPx\n")),
    ("hand-over before the buddy fails", True, lambda: case(swapped("buddy: up", "MMU: hand-over"))),
    ("a table before the hand-over only fails", True, lambda: case(swapped("MMU: hand-over", "MMU: Allocated page table at PA 0x0000000044"))),
    ("a buddy without pages fails", True, lambda: case(GOOD.replace("130000 pages", "0 pages"))),
    ("a wanted line that is missing fails", True, lambda: case(GOOD, want=["^never printed$"])),
    ("a line that must not be fails", True, lambda: case(GOOD, never=["^Root PT"])),
    ("a good TAP passes", False, lambda: tap_case(TAP)),
    ("no TAP fails", True, lambda: tap_case("")),
    ("a TAP without plan fails", True, lambda: tap_case(TAP.replace("1..2\n", ""))),
    ("a TAP cut off fails", True, lambda: tap_case(TAP.replace("ok 2 - X2 two\n", ""))),
    ("an empty plan fails", True, lambda: tap_case("TAP version 13\n1..0\n")),
    ("two plans fail", True, lambda: tap_case(TAP + "1..2\n")),
    ("a number out of order fails", True, lambda: tap_case(TAP.replace("ok 2", "ok 3"))),
    ("not ok with status 0 fails", True, lambda: tap_case(TAP.replace("ok 2", "not ok 2"))),
    ("a skip fails", True, lambda: tap_case(TAP.replace("two", "two # SKIP because"))),
    ("a skip that the row names passes", False, lambda: tap_case(TAP.replace("two", "two # SKIP because"), absent=["X2"])),
    ("a skip of another test fails", True, lambda: tap_case(TAP.replace("two", "two # SKIP because"), absent=["X1", "X"])),
    ("an expected panic passes", False, lambda: case("PANIC: x y\n", status=1, panics=["^PANIC: x"])),
    ("an expected panic with another text fails", True, lambda: case("PANIC: z\n", status=1, panics=["^PANIC: x"])),
    ("an expected panic with status 0 fails", True, lambda: case("PANIC: x y\n", panics=["^PANIC: x"])),
    ("an expected panic after memory is up fails", True, lambda: case(GOOD + "PANIC: x\n", status=1, panics=["^PANIC: x"])),
    ("an expected panic that hangs fails", True, lambda: case("PANIC: x\n", hang=True, panics=["^PANIC: x"])),
    ("trees survive writing and reading", False, parse_roundtrip),
    ("malformed trees are not the good one", False, malformed_differ),
    ("the figures of a layout are right", False, figures),
    ("row names are unique", False, lambda: [n for n in {r.name for r in matrix.ROWS} if [r.name for r in matrix.ROWS].count(n) > 1]),
] + [("without '%s' it fails" % line, True, lambda line=line: case(without(line))) for line in SPINE_LINES]


def main():
    print("TAP version 13\n1..%d" % len(CASES))
    failed = 0
    for number, (name, must_fail, check) in enumerate(CASES, 1):
        problems = check()
        ok = bool(problems) == must_fail
        failed += not ok
        print("%s %d - %s" % ("ok" if ok else "not ok", number, name))
        if not ok:
            for line in problems or ["nothing was found"]:
                print("# " + line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
