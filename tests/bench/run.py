#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs the benchmarks in QEMU and on the host, and prints every row of table.py beside its target: `make bench`. Builds nothing.

    run.py [--build build] [--json FILE]      all rows; status 1 when a gated row is worse than its target
    run.py --markdown FILE                    the same, and the tables of docs/benchmarks.md
    run.py --ratchet                          TAP: the rows of ratchet.json against the committed counts (`make test`)
    run.py --update-ratchet                   writes today's counts there
    run.py --host PROGRAM                     `make bench-host`: nanoseconds of the host build
    run.py --curves FILE                      the data of the plots (tools/plot_bench.py)

Counts are executed instructions under -icount shift=0, exact and repeatable; a machine that does not end, fails a row, or leaves one
out fails the run. So does a trace of the packing benchmark on which ours is not ahead. The JSON is a flat object: row key -> the worse of
gcc and clang on neoverse-n1, key.a72 likewise, packing.* as `make packing` writes them.
"""
import argparse
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(ROOT, "tests", "qemu"))

import machine  # noqa: E402
import table  # noqa: E402

ICOUNT = ("-icount", "shift=0,sleep=off")
RATCHET = os.path.join(HERE, "ratchet.json")
RECORDED = os.path.join(HERE, "packing", "boot_load.trace")
# Boot counts grow with the image (relocations, cache lines), and so with every test added: their limits have room.
BOOT_ROOM = 1.05
BOOT_STEP = 10000
FIGURE = re.compile(r"^BENCH (\S+) ([0-9.]+)$", re.M)


class BenchError(Exception):
    """A machine that did not measure what it should."""


class LoaderBoot(machine.Boot):
    """The image of the boot rows has a name of its own."""

    def command(self, folder, build):
        return [word.replace("granule.img", "boot-bench.img") for word in super().command(folder, build)]


def figures(boot, build, timeout):
    with tempfile.TemporaryDirectory(prefix="granule-bench-") as folder:
        result = boot.run(folder, build, timeout)
    failed = re.findall(r"^FAIL (.*)$|^(.*\bPANIC\b.*)$", result.text, re.M)
    if result.timed_out or result.status != 0 or failed:
        tail = "\n".join("  | " + line for line in result.text.splitlines()[-12:])
        why = "timed out" if result.timed_out else "status %s" % result.status
        raise BenchError("%s %s\n%s" % (why, [a or b for a, b in failed], tail))
    return {key: float(value) for key, value in FIGURE.findall(result.text)}


def run_library(spec, cpu, build):
    """One boot of bench.elf."""
    board = machine.Machine(cpu, smp=spec.cpus, ram=spec.ram, options=["gic-version=3"], extra=ICOUNT)
    boot = machine.Boot(board, form="elf", args=spec.words, elf="bench.elf")
    return {key + spec.suffix: value for key, value in figures(boot, build, spec.timeout).items()}


def run_boot(ram, cpu, build):
    """One boot of the kernel: instructions until memory is up, and until the report is printed; RAM and what was taken of it."""
    with open(os.path.join(build, "tests", "bench", "boot", "stub.bin"), "rb") as file:
        code = file.read()[:-16]

    def tree(made):  # as long as the blob that QEMU's own loader makes
        made.bootargs("poweroff")
        made = made.build()
        return made[:4] + struct.pack(">I", machine.MIB) + made[8:] + bytes(machine.MIB - len(made))

    loader = machine.Loader(tree, dtb_at=0x43000000 if ram < 256 * machine.MIB else 0x48000000,
                            stub=lambda x0, image: code + struct.pack("<QQ", x0, image))
    board = machine.Machine(cpu, ram=ram, extra=ICOUNT)
    return figures(LoaderBoot(board, "loader", args="poweroff", loader=loader), build, 120)


def boot_rows(cpu, build, boots=None):
    out = {}
    for key, ram in boots or table.BOOTS:
        found = run_boot(ram, cpu, build)
        out[key], out[key + "_report"] = found["boot"], found["report"]
        if key == "boot.8g":
            out["boot.ram_percent_8g"] = 100 * found["taken"] / found["ram"]
    if "boot.1t" in out:
        rams = dict(table.BOOTS)
        out["boot.1t_minus_1g"] = out["boot.1t"] - out["boot.1g"]
        out["boot.slope"] = out["boot.1t_minus_1g"] / ((rams["boot.1t"] - rams["boot.1g"]) >> 12)
    return out


def run_storeset(cpu, build):
    """The rows of storeset.py, which says more when it is run alone (`make storeset`)."""
    argv = [sys.executable, os.path.join(HERE, "storeset.py"), os.path.join(build, "storeset.elf"), "--model", cpu]
    run = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=600)
    found = {key: float(value) for key, value in FIGURE.findall(run.stdout)}
    if not found:
        raise BenchError("\n".join(run.stdout.splitlines()[-12:]))
    return found


def run_packing(build):
    """({key: percent}, whether the program itself finds ours ahead), and packing.json and packing-memory.json of `make packing`."""
    program = os.path.join(build, "host-gcc", "packing")
    path = os.path.join(build, "packing.json")
    argv = [program, "--recorded", RECORDED, "--json", path, "--memory", os.path.join(build, "packing-memory.json")]
    run = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=3600)
    if run.returncode not in (0, 1):
        raise BenchError("packing: status %d\n%s" % (run.returncode, "\n".join(run.stdout.splitlines()[-12:])))
    with open(path, encoding="utf-8") as file:
        return json.load(file), run.returncode == 0


def measure(build, jobs):
    """({(toolchain, cpu): {key: figure}}, what run_packing() found)"""
    results = {(t, c): {} for c in table.CPUS for t in table.TOOLCHAINS}
    with ThreadPoolExecutor(jobs) as pool:
        work = []
        packing = pool.submit(run_packing, build)  # the longest
        for (t, c), out in results.items():
            folder = os.path.join(build, t + "-release")
            for spec in table.MACHINES:
                work.append(((t, c, spec.words), out, pool.submit(run_library, spec, c, folder)))
            work.append(((t, c, "boot"), out, pool.submit(boot_rows, c, folder)))
            work.append(((t, c, "storeset"), out, pool.submit(run_storeset, c, folder)))
        for name, out, future in work:
            try:
                out.update(future.result())
            except (BenchError, machine.MachineError, OSError) as e:
                raise BenchError("%s: %s" % (" ".join(name), e)) from e
        return results, packing.result()


# ---- what is shown -------------------------------------------------------------------------------------------------------


def number(value):
    if value is None:
        return "-"
    if value >= 100000:
        return "%.4f M" % (value / 1e6)
    if value >= 1000:
        return "%.0f" % value
    return ("%.4f" % value if value < 0.1 else "%.2f" % value).rstrip("0").rstrip(".")


def verdict(row, n1, a72):
    if n1 is None or a72 is None:
        return "MISSING" if row.gated else "absent"
    bad = n1 > row.target or a72 > row.target * table.A72_FACTOR
    if not row.gated:
        return "not gated" + (", above" if bad else "")
    return "MISS" if bad else "ok"


def worse(results, cpu, key):
    found = [results[t, cpu].get(key) for t in table.TOOLCHAINS]
    return None if None in found else max(found)


def show(results):
    """Prints the table; returns the keys of gated rows that miss."""
    missed = []
    n1, a72 = table.CPUS
    for section, (title, peers) in table.SECTIONS.items():
        print("\n%s%s" % (title, "" if section not in table.NOT_GATED else " (not gated yet, but for %s)" % (
            ", ".join(sorted(k for k in table.GATED if k.startswith(section))) or "nothing")))
        head = ["", "n1 clang", "gcc", "a72 clang", "gcc", "target", "", *peers]
        rows = [head]
        for row in (r for r in table.ROWS if r.section == section):
            state = verdict(row, worse(results, n1, row.key), worse(results, a72, row.key))
            if state in ("MISS", "MISSING"):
                missed.append(row.key)
            rows.append([row.key] + [number(results[t, c].get(row.key)) for c in table.CPUS for t in table.TOOLCHAINS] +
                        [number(row.target), state, *row.peers])
        columns(rows, left=(0, 6))
    print("\nAlso measured")
    columns([["", "n1 clang", "gcc", "a72 clang", "gcc"]] +
            [[key] + [number(results[t, c].get(key)) for c in table.CPUS for t in table.TOOLCHAINS] for key in others(results)], left=(0,))
    return missed


def judge_packing(figures, trace):
    """"ok", "MISS" or, when a figure that decides is not there, "MISSING"."""
    ours, ours_1g, lead = (figures.get(key % trace) for key in ("packing.2m.%s", "packing.1g.%s", "packing.2m.%s.ahead"))
    if None in (ours, ours_1g, lead):
        return "MISSING"
    good = lead >= table.PACKING_LEAD
    for n, suffix in enumerate(table.PACKING_REFERENCES):
        theirs, theirs_1g = (figures.get(key % (trace, suffix)) for key in ("packing.2m.%s%s", "packing.1g.%s%s"))
        if theirs is None or theirs_1g is None:
            if n == 0:
                return "MISSING"
            continue
        good = good and ours > theirs and ours_1g >= theirs_1g - table.PACKING_EQUAL
    return "ok" if good else "MISS"


PACKING_COLUMNS = [("ours", "2m", ""), ("caches off", "2m", ".uncached"), ("LIFO", "2m", ".lifo"), ("LIFO 4 MiB", "2m", ".lifo10"),
                   ("least lead", "2m", ".ahead"), ("1 GiB: ours", "1g", ""), ("LIFO", "1g", ".lifo"),
                   ("2 MiB requests: ours", "requests2m", ""), ("LIFO", "requests2m", ".lifo")]


def packing_cells(figures, trace):
    found = [figures.get("packing.%s.%s%s" % (what, trace, suffix)) for _, what, suffix in PACKING_COLUMNS]
    return ["-" if value is None else "%.1f" % value if what != "requests2m" else "%.0f" % value
            for value, (_, what, _) in zip(found, PACKING_COLUMNS)]


def show_packing(figures, ahead):
    """Prints the traces; returns the keys that miss, "packing" when only the program says so."""
    rows, missed = [["", *(title for title, _, _ in PACKING_COLUMNS), ""]], []
    for trace, _ in table.PACKING:
        state = judge_packing(figures, trace)
        rows.append(["packing.2m." + trace, *packing_cells(figures, trace), state])
        if state != "ok":
            missed.append("packing.2m." + trace)
    print("\nPacking: free memory in whole blocks of 2 MiB, %")
    columns(rows, left=(0, len(rows[0]) - 1))
    return missed or ([] if ahead else ["packing"])


def others(results):
    """Keys that are no row's."""
    return sorted({key for found in results.values() for key in found} - {row.key for row in table.ROWS})


def columns(rows, left):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(w) if i in left else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))).rstrip())


MARKS = ("<!-- figures: written by `make bench-docs` -->\n", "<!-- end of figures -->\n")


def markdown(results, figures):
    """The tables of docs/benchmarks.md."""
    n1, a72 = table.CPUS
    out = []
    for section, (title, peers) in table.SECTIONS.items():
        out += ["", "### " + title, "", "| row | what | n1 | a72 | at most | " + " | ".join(peers) + " |",
                "| --- | --- | ---: | ---: | ---: |" + " ---: |" * len(peers)]
        for row in (r for r in table.ROWS if r.section == section):
            found = [worse(results, cpu, row.key) for cpu in (n1, a72)]
            state = verdict(row, *found)
            note = {"ok": "", "not gated": " ○"}.get(state, " ●" if "MISS" in state or "above" in state else " –")
            out.append("| " + " | ".join(["`%s`" % row.key, row.what, *(number(f) for f in found), number(row.target) + note, *row.peers]) + " |")
    out += ["", "### Free memory in whole 2 MiB", "", "| row | trace | " + " | ".join(title for title, _, _ in PACKING_COLUMNS) + " |",
            "| --- | --- |" + " ---: |" * len(PACKING_COLUMNS)]
    for trace, what in table.PACKING:
        mark = "" if judge_packing(figures, trace) == "ok" else " ●"
        out.append("| " + " | ".join(["`packing.2m.%s`%s" % (trace, mark), what, *packing_cells(figures, trace)]) + " |")
    out += ["", "### Also measured", "", "| key | n1 | a72 |", "| --- | ---: | ---: |"]
    for key in others(results):
        out.append("| `%s` | %s | %s |" % (key, number(worse(results, n1, key)), number(worse(results, a72, key))))
    return "\n".join(out) + "\n\n"


def write_markdown(path, results, figures):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    before, rest = text.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + MARKS[0] + markdown(results, figures) + MARKS[1] + after)


def flat(results, figures):
    """What bench.json holds."""
    n1, a72 = table.CPUS
    keys = sorted({k for found in results.values() for k in found})
    out = dict(sorted(figures.items()))
    for key in keys:
        for cpu, suffix in ((n1, ""), (a72, ".a72")):
            value = worse(results, cpu, key)
            if value is not None:
                out[key + suffix] = round(value, 6)
    return out


# ---- the ratchet -----------------------------------------------------------------------------------------------------------


def compiler(build):
    """Major version of the compiler that made this folder."""
    with open(os.path.join(build, "flags"), encoding="utf-8") as file:
        return re.findall(r"(\d+)\.\d+\.\d+", file.read())[-1]


def measure_ratchet(build):
    """{toolchain: {key: count}} on neoverse-n1"""
    out = {}
    for t in table.TOOLCHAINS:
        folder = os.path.join(build, t + "-release")
        out[t] = {}
        for key, spec in table.RATCHET.items():
            found = run_library(spec, table.CPUS[0], folder) if spec else boot_rows(table.CPUS[0], folder, [(key, dict(table.BOOTS)[key])])
            out[t][key] = found[key]
    return out


def update_ratchet(build):
    limits = measure_ratchet(build)
    for found in limits.values():
        for key in found:
            if key.startswith("boot."):
                found[key] = -(-int(found[key] * BOOT_ROOM) // BOOT_STEP) * BOOT_STEP
    versions = {t: compiler(os.path.join(build, t + "-release")) for t in limits}
    with open(RATCHET, "w", encoding="utf-8") as file:
        json.dump({"compilers": versions, "limits": limits}, file, indent="\t")
        file.write("\n")


def judge_ratchet(counts, versions, committed):
    """[(holds, sentence)]. A compiler of another version makes other code: then the row's target is the limit."""
    targets = {row.key: row.target for row in table.ROWS}
    out = []
    for t, found in counts.items():
        same = versions[t] == committed["compilers"][t]
        for key in table.RATCHET:
            limit = committed["limits"][t][key] if same else targets[key]
            note = "" if same else " (its target: %s %s is not the %s of the ratchet)" % (t, versions[t], committed["compilers"][t])
            out.append((found[key] <= limit, "%s, %s: %.10g, at most %.10g%s" % (key, t, found[key], limit, note)))
    return out


def ratchet(build):
    with open(RATCHET, encoding="utf-8") as file:
        committed = json.load(file)
    print("TAP version 13\n1..%d" % (len(table.TOOLCHAINS) * len(table.RATCHET)), flush=True)
    versions = {t: compiler(os.path.join(build, t + "-release")) for t in table.TOOLCHAINS}
    points = judge_ratchet(measure_ratchet(build), versions, committed)
    for n, (holds, sentence) in enumerate(points, 1):
        print("%s %d - %s" % ("ok" if holds else "not ok", n, sentence))
    return 0 if all(holds for holds, _ in points) else 1


# ---- the host build ----------------------------------------------------------------------------------------------------------


def host(program):
    """Nanoseconds of the host build beside the operation; nothing is judged."""
    run = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=False)
    found = dict(FIGURE.findall(run.stdout))
    what = {row.key: row.what for row in table.ROWS}
    for key, value in found.items():
        print("%-24s %12s ns  %s" % (key, number(float(value)), what.get(key, "")))
    for line in re.findall(r"^FAIL .*$", run.stdout, re.M):
        print(line)
    return 1 if run.returncode or not found else 0


# ---- curves ------------------------------------------------------------------------------------------------------------------


def curves(build, path):
    """Data of the plots: clang, neoverse-n1."""
    folder, cpu = os.path.join(build, "clang-release"), table.CPUS[0]
    out = {"boot": {}, "pair0": {}, "first_touch": {}, "cpus_pair0": {}, "cpus_batch0": {}}
    for ram in table.CURVE_BOOT_RAM:
        out["boot"][ram] = run_boot(ram, cpu, folder)["boot"]
    for ram in table.CURVE_RAM:
        out["pair0"][ram] = run_library(table.BenchMachine(ram, "pair0"), cpu, folder)["frames.pair0"]
        out["first_touch"][ram] = run_library(table.BenchMachine(ram, "touch"), cpu, folder)["frames.first_touch"]
    for n in table.CURVE_CPUS:
        found = run_library(table.BenchMachine(8 * machine.GIB, "cpus%d" % n, cpus=n), cpu, folder)
        out["cpus_pair0"][n], out["cpus_batch0"][n] = found["cpus.pair0"], found["cpus.batch0"]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(out, file, indent="\t")
        file.write("\n")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--build", default="build", help="holds clang-release and gcc-release, made by `make bench-kernels`")
    p.add_argument("--json", metavar="FILE", help="default: bench.json in the build folder")
    p.add_argument("--markdown", metavar="FILE", help="write the tables into this page, between its marks")
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--ratchet", action="store_true")
    p.add_argument("--update-ratchet", action="store_true")
    p.add_argument("--curves", metavar="FILE")
    p.add_argument("--host", metavar="PROGRAM", help="the rows of the host build, in nanoseconds")
    options = p.parse_args()
    try:
        if options.ratchet:
            return ratchet(options.build)
        if options.update_ratchet:
            update_ratchet(options.build)
            return 0
        if options.host:
            return host(options.host)
        if options.curves:
            curves(options.build, options.curves)
            return 0
        results, (packing, ahead) = measure(options.build, options.jobs)
    except (BenchError, machine.MachineError) as e:
        for line in str(e).splitlines():
            print(("# " if options.ratchet else "") + line)
        if options.ratchet:
            print("Bail out! a benchmark cannot be measured")
        return 1
    missed = show(results) + show_packing(packing, ahead)
    with open(options.json or os.path.join(options.build, "bench.json"), "w", encoding="utf-8") as file:
        json.dump(flat(results, packing), file, indent="\t")
        file.write("\n")
    if options.markdown:
        write_markdown(options.markdown, results, packing)
    print("\nworse than the target: %s" % ", ".join(missed) if missed else "\nevery gated row is within its target")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
