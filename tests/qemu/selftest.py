#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The QEMU checks, checked: does a hang, a missing plan, a wrong status, a lost line fail, and only those? Prints TAP 13.

The kernels here are a few instructions long and say by semihosting whatever the case asks for.
"""
import json
import os
import struct
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import check_stats  # noqa: E402
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


def sample():
    """What `stats --json` would print of a machine with two banks, made up by hand, with figures that agree."""
    def bank(base, node, free):
        blocks = [0] * 19
        blocks[10] = free
        return {"base": base, "pages": 4096, "node": node, "total_pages": 4096, "used_pages": 4096 - 1024 * free,
                "peak_used_pages": 4096, "reserve_pages": 0, "allocs": 5, "frees": 1, "free_blocks": blocks,
                "records": {"base": base, "size": 32768, "mem_map_bytes": 32000, "borrowed": False}}

    heap = dict.fromkeys(check_stats.SCHEMA["heap"], 0)
    blocks = [0] * 10 + [4] + [0] * 8
    mib16 = 16 << 20
    return {
        "schema": "granule-stats", "version": 1,
        "machine": {"model": "m", "entry_el": 1, "cpus_described": 2, "cpus_online": 2, "page_size": 4096,
                    "image": {"base": 0, "size": 4096}, "dtb": {"base": 4096, "size": 4096}},
        "ram": dict(dict.fromkeys(check_stats.KINDS, 0), total=2 * mib16, image=4096, dtb=4096, free=2 * mib16 - 8192),
        "claims": [{"base": 0, "size": mib16, "kind": "bank", "source": "/memory reg[0]", "node": 0, "placed": False, "reusable": False},
                   {"base": 0, "size": 4096, "kind": "image", "source": "image", "placed": False, "reusable": False},
                   {"base": 4096, "size": 4096, "kind": "dtb", "source": "dtb", "placed": False, "reusable": False}],
        "pieces": [{"base": 0, "size": 4096, "kind": "image", "node": 0}, {"base": 4096, "size": 4096, "kind": "dtb", "node": 0},
                   {"base": 8192, "size": mib16 - 8192, "kind": "free", "node": 0},
                   {"base": 1 << 32, "size": mib16, "kind": "free", "node": 1}],
        "frames": {"total_pages": 8192, "free_pages": 4160, "cached_pages": 64, "cache_limit_pages": 256, "reserve_pages": 0,
                   "peak_used_pages": 8192, "new_pages": 4032, "largest_free_order": 10, "allocs": 10, "frees": 2, "refills": 1,
                   "drains": 0, "failures": 0, "bad_frees": 0},
        "orders": [{"order": k, "free_blocks": n, "fragmentation_permille": 0 if k <= 10 else 1000} for k, n in enumerate(blocks)],
        "banks": [bank(1 << 32, 1, 3), bank(0, 0, 1)],
        "cpus": [{"cpu": 0, "node": None, "pages": 64, "page_limit": 128, "blocks": 0, "block_limit": 0, "refills": 1, "drains": 0,
                  "remote_drains": 0},
                 {"cpu": 1, "node": 1, "pages": 0, "page_limit": 128, "blocks": 0, "block_limit": 0, "refills": 0, "drains": 0,
                  "remote_drains": 0}],
        "owners": [{"tag": 3, "name": "slab", "pages": 4000}, {"tag": 9, "name": "net", "pages": 32}],
        "tables": dict.fromkeys(check_stats.SCHEMA["tables"], 1),
        "records": {"stolen_bytes": 1, "section_table": {"base": 0, "size": 8}}, "heap": heap}


def stats_case(change=None, text=None, **options):
    """Problems of a log with the sample in it, after change(sample)."""
    one = sample()
    if change:
        change(one)
    printed = json.dumps(one, indent=1)
    return check_stats.judge(text(printed) if text else "before\n%s\nafter\n" % printed, **options)


def leaves(value, path=()):
    """Paths of every number in it."""
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in leaves(v, path + (k,))]
    if isinstance(value, list):
        return [p for i, v in enumerate(value) for p in leaves(v, path + (i,))]
    return [path] if type(value) is int else []


def unjudged():
    """Numbers of the sample that may be one more without anybody seeing it: those that nothing else says."""
    alone = {"page_size", "entry_el", "cpus_online", "failures", "bad_frees", "remote_drains", "node", "cpu", "tag"}
    out = []
    for path in leaves(sample()):
        def change(one, path=path):
            for key in path[:-1]:
                one = one[key]
            one[path[-1]] += 1

        free_to_vary = path[-1] in alone or path[0] in ("tables", "records", "heap", "claims", "machine") or "records" in path or \
            path[-1] in ("base", "pages") and path[0] in ("banks", "pieces")
        if not free_to_vary and not stats_case(change):
            out.append("a wrong %s is not seen" % ".".join(map(str, path)))
    return out


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
    ("what must be there once passes, over several lines", False, lambda: case(GOOD, once=[r"(?m)^memory is up: .*\n"])),
    ("what must be there once and is twice fails", True, lambda: case(GOOD + GOOD, once=[r"(?m)^memory is up: .*\n"])),
    ("what must be there once and is not fails", True, lambda: case(GOOD, once=[r"(?m)^memory is down"])),
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
    ("figures that agree pass", False, stats_case),
    ("figures among other lines pass", False, lambda: stats_case(text=lambda t: t.replace("\n", "\nframes: bad free\n", 3))),
    ("other figures than the row's fail", True, lambda: stats_case(ram=5)),
    ("other CPUs than the row's fail", True, lambda: stats_case(cpus=5)),
    ("other nodes than the row's fail", True, lambda: stats_case(nodes=[0])),
    ("another model than the row's fails", True, lambda: stats_case(model="x")),
    ("a claim that is missing fails", True, lambda: stats_case(claims=[("nomap", 0, 4096, "image")])),
    ("no object fails", True, lambda: stats_case(text=lambda t: "nothing")),
    ("two objects fail", True, lambda: stats_case(text=lambda t: t + "\n" + t)),
    ("an object without end fails", True, lambda: stats_case(text=lambda t: t[:-2])),
    ("an object that is no JSON fails", True, lambda: stats_case(text=lambda t: t.replace(",", ",,", 1))),
    ("a key that is missing fails", True, lambda: stats_case(lambda o: o["frames"].pop("drains"))),
    ("a key that nobody described fails", True, lambda: stats_case(lambda o: o["heap"].update(x=1))),
    ("a number with a point fails", True, lambda: stats_case(lambda o: o["heap"].update(allocs=1.0))),
    ("a negative number fails", True, lambda: stats_case(lambda o: o["heap"].update(allocs=-1))),
    ("a flag that is a number fails", True, lambda: stats_case(lambda o: o["claims"][0].update(placed=0))),
    ("a number that is text fails", True, lambda: stats_case(lambda o: o["cpus"][0].update(pages="64"))),
    ("pieces that overlap fail", True, lambda: stats_case(lambda o: o["pieces"][2].update(base=4096))),
    ("a bank's node on another claim fails", True, lambda: stats_case(lambda o: o["claims"][1].update(node=0))),
    ("what a row asks besides is asked", True, lambda: stats_case(then=lambda found: ["no"])),
    ("a figure that contradicts another one fails", False, unjudged),
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
