#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boots the rows of matrix.py in QEMU and prints TAP 13: the QEMU half of `make test`.

A row fails on a time-out, another exit status, a missing or misplaced line of the boot's spine, a line that must not be
there, a guest TAP without plan, with a wrong count, a failure or a skip (but of tests that the row names because its
machine cannot run them: another row does). There is no way for a row to be skipped.
"""
import argparse
import difflib
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import check_stats  # noqa: E402
import machine  # noqa: E402
import matrix  # noqa: E402

# What every boot must show, in this order.
SPINE = [
    ("DTB found", r"^DTB: found at 0x[0-9a-f]{16}, \d+ bytes \(\d+ used\)$"),
    ("buddy up", r"^buddy: up on bank 0x[0-9a-f]+, [1-9]\d* pages free$"),
    ("hand-over", r"^MMU: hand-over to the page allocator$"),
    ("first dynamic table", r"^MMU: Allocated page table at PA 0x[0-9a-f]{16}$"),
    ("memory is up", r"^memory is up: "),
]
SEED_LINES = [r"^Initializing MMU\.\.\.$", r"^Root PT at: 0x[0-9a-f]+$", r"^About to enable MMU\.\.\.$",
              r"^MMU enabled with identity mapping\.$", r"^MMU: running in the high half$"]
NEVER = [r"PANIC", r"^EXCEPTION:", r"(?i)ROM regions are overlapping", r"^qemu-system-\S+: (?!warning|info)"]
PANIC_NEVER = [r"^EXCEPTION:", r"(?i)ROM regions are overlapping", r"^memory is up"]
DIES_NEVER = [r"(?i)ROM regions are overlapping", r"^qemu-system-\S+: (?!warning|info)"]

# The golden log is masked by meaning: what the size of the image decides differs between compilers, the rest is exact.
# (pattern, replacement), applied to every line in this order.
MASKS = [
    (r"(Allocated page table at PA|Root PT at:) 0x[0-9a-f]+", r"\1 <pa>"),
    (r"^(DTB: found at 0x[0-9a-f]+,) \d+ bytes \(\d+ used\)", r"\1 <n> bytes (<n> used)"),  # differs between QEMUs
    (r"^(dtb +0x[0-9a-f]+) .*", r"\1  <n>"),
    (r"^(image +0x[0-9a-f]+) .*", r"\1  <n>"),
    (r"^(  0x[0-9a-f]+) .*  (image +image|dtb +dtb)$", r"\1  <n>  \2"),
    (r"(timer \d+ at) \d+ Hz", r"\1 <n> Hz"),  # differs between QEMUs
    (r"(\d+) needed, peak \1 of", "<n> needed, peak <n> of"),  # the same number twice
    (r"^(mapped +)\S+ (\S+ of RAM)", r"\1<n> \2"),
    (r"^(stolen .*, bitmaps) [\d.]+ KiB", r"\1 <n> KiB"),
    (r"^(free +order:blocks)( \d+:\d+)+$|^ {10}(\d+:\d+ ?)+$", r"\1 <n>:<n>"),
    (r" \d+ MiB free of", " <n> MiB free of"),
]


def in_order(lines, wanted):
    """Problems: each (title, pattern) must match a line after the one before."""
    at = 0
    out = []
    for title, pattern in wanted:
        for i in range(at, len(lines)):
            if re.search(pattern, lines[i]):
                at = i + 1
                break
        else:
            anywhere = any(re.search(pattern, line) for line in lines)
            out.append("%s line %s: /%s/" % (title, "out of order" if anywhere else "missing", pattern))
    return out


def check_tap(lines, absent=()):
    """Problems of the TAP that the guest printed. absent: IDs of tests that this machine cannot run."""
    plans = [int(m.group(1)) for m in (re.match(r"1\.\.(\d+)$", line) for line in lines) if m]
    results = [m.groups() for m in (re.match(r"(not )?ok (\d+)\b(.*)", line) for line in lines) if m]
    if not any(line == "TAP version 13" for line in lines):
        return ["no TAP from the guest"]
    if len(plans) != 1:
        return ["%d plans in the guest's TAP" % len(plans)]
    out = []
    if plans[0] < 1 or [int(n) for _, n, _ in results] != list(range(1, plans[0] + 1)):
        out.append("the guest planned %d tests and reported %d" % (plans[0], len(results)))
    for failed, number, rest in results:
        if failed:
            out.append("guest: not ok %s%s" % (number, rest))
        elif re.search(r"(?i)# *skip", rest) and not any(rest.startswith(" - %s " % i) for i in absent):
            out.append("guest: skipped %s%s" % (number, rest))
    return out


def judge(row, result):
    """All that is wrong with this boot, as sentences; empty: it is as it must be."""
    lines = [line.rstrip() for line in result.text.split("\n")]
    if result.timed_out:
        return ["no end within %d s: a hang" % result.seconds]
    out = []
    if result.status != row.status:
        out.append("exit status %s, want %d" % (result.status, row.status))
    verbose = "verbose" in row.words
    if row.spine:
        spine = [s for s in SPINE if verbose or s[0] != "first dynamic table"]
        out += in_order(lines, spine)
        if verbose:
            out += in_order(lines, [("the seeds'", p) for p in SEED_LINES])
    for pattern in row.want:
        if not any(re.search(pattern, line) for line in lines):
            out.append("missing line: /%s/" % pattern)
    for pattern in row.never + (PANIC_NEVER if row.panics else DIES_NEVER if row.dies else NEVER):
        bad = [line for line in lines if re.search(pattern, line) and not re.match(r"(not )?ok \d|#", line)]
        if bad:
            out.append("line that must not be: " + bad[0])
    for pattern in row.once:
        count = len(re.findall(pattern, result.text))
        if count != 1:
            out.append("%d times, want once: /%s/" % (count, pattern))
    if row.suites:
        out += check_tap(lines, row.absent)
    if row.stats is not None:
        out += check_stats.judge(result.text, **row.stats)
    return out


def masked(text):
    lines = [line.rstrip() for line in text.split("\n")]
    for pattern, replacement in MASKS:
        lines = [re.sub(pattern, replacement, line) for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    # How many tables there are is the image's size, too: any number of them in a row is one line; and so is the length
    # of the list of free blocks.
    return [line + "\n" for i, line in enumerate(lines)
            if line != " <n>:<n>" and (i == 0 or line != lines[i - 1] or "page table" not in line)]


def golden(row, result, update):
    path = os.path.join(HERE, "golden", row.golden)
    got = masked(result.serial)
    if update:
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(got)
        return []
    if not os.path.exists(path):
        return ["no golden log %s: look at the log, then run with --update-golden" % row.golden]
    with open(path, encoding="utf-8") as f:
        want = f.readlines()
    if got == want:
        return []
    diff = [line.rstrip("\n") for line in difflib.unified_diff(want, got, "golden/" + row.golden, "this boot", n=1)]
    return ["the boot log differs from the golden one (--update-golden, if it is meant):"] + diff[:60]


class HostMemory:
    """Rows that make the emulator hold a lot of memory wait for each other."""

    def __init__(self):
        self.free = self.total = self._available() * 8 // 10
        self.changed = threading.Condition()

    @staticmethod
    def _available():
        with open("/proc/meminfo", encoding="ascii") as f:
            for line in f:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) // 1024
        return 4096

    def take(self, mib):
        if mib > self.total:
            raise machine.MachineError("needs %d MiB of this computer's memory, %d are free" % (mib, self.total))
        with self.changed:
            self.changed.wait_for(lambda: self.free >= mib)
            self.free -= mib

    def give(self, mib):
        with self.changed:
            self.free += mib
            self.changed.notify_all()


def run_row(row, options, folder, memory):
    """(problems, seconds, log tail) of one row."""
    try:
        need = row.host_ram + 256
        memory.take(need)
        try:
            boot = row.boot(options.build)
            start = time.monotonic()
            result = boot.run(folder, options.build, row.timeout * options.slow)
            seconds = time.monotonic() - start
        finally:
            memory.give(need)
    except (machine.MachineError, OSError) as e:
        return ["cannot run: %s" % e], 0.0, []
    problems = judge(row, result)
    if row.golden and (not problems or options.update_golden):
        problems += golden(row, result, options.update_golden)
    tail = [line for line in result.text.split("\n") if line.strip()][-options.tail:]
    return problems, seconds, tail


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--toolchain", default="clang", help="named in the output; and build/TOOLCHAIN-release is the default folder")
    p.add_argument("--build", help="the folder that holds granule.img and granule.elf")
    p.add_argument("--only", metavar="REGEX", default="", help="rows whose name or behaviour IDs match")
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--keep", metavar="DIR", help="keep files and logs of every row there")
    p.add_argument("--list", action="store_true", help="name, behaviour IDs and sentence of each row")
    p.add_argument("--slow", type=float, default=1.0, metavar="FACTOR", help="time-outs times this")
    p.add_argument("--tail", type=int, default=25, help="log lines shown of a row that fails")
    p.add_argument("--update-golden", action="store_true", help="rewrite the golden logs")
    options = p.parse_args()
    rows = [r for r in matrix.ROWS if re.search(options.only, r.name + " " + " ".join(r.ids))]
    if options.list:
        for r in rows:
            print("%-26s %-12s %s" % (r.name, ",".join(r.ids), r.why))
        return 0
    options.build = options.build or os.path.join(HERE, "..", "..", "build", options.toolchain + "-release")
    print("TAP version 13\n1..%d" % max(1, len(rows)))
    if not rows:
        print("not ok 1 - no row matches %s" % options.only)
        return 1
    keep = options.keep or tempfile.mkdtemp(prefix="granule-qemu-")
    memory = HostMemory()
    failed = 0
    begin = time.monotonic()
    try:
        with ThreadPoolExecutor(max(1, options.jobs)) as pool:
            futures = [pool.submit(run_row, r, options, os.path.join(keep, r.name), memory) for r in rows]
            for number, (r, future) in enumerate(zip(rows, futures), 1):
                problems, seconds, tail = future.result()
                print("%s %d - %s %s (%s, %.2f s)" % ("not ok" if problems else "ok", number, ",".join(r.ids), r.name,
                                                    options.toolchain, seconds))
                failed += bool(problems)
                if problems:
                    for line in ["  " + r.why] + problems + ["  | " + line for line in tail]:
                        print("# " + line)
                sys.stdout.flush()
                if not options.keep:
                    shutil.rmtree(os.path.join(keep, r.name), ignore_errors=True)
    finally:
        if not options.keep:
            shutil.rmtree(keep, ignore_errors=True)
    print("# %d of %d rows failed, %.0f s" % (failed, len(rows), time.monotonic() - begin))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
