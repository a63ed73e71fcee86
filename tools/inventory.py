#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Keeps docs/behavior-inventory.md true: every behaviour has a source, a test, and the test reaches the source.

    inventory.py check [--build build]    TAP: one point for each row, and some for the whole
    inventory.py list                     the IDs, and where each stands

A row of the inventory is `| ID | behaviour | source | test |`. The source column names functions as `file: function, function`,
several files apart by `;` or `<br>`; the test column names the suites or the QEMU checks. For each row:

  * the ID stands in brackets, [B12], in every source file that the row names, and each function exists there;
  * it is the ID of a test in every test file that the row names;
  * some test of that ID enters each function that the row names, and each test of that ID enters one of them.

The last is measured. $BUILD/host-trace holds the host suites compiled with a hook at every function's start (tests/trace/host.c),
$BUILD/gcc-trace the kernel likewise (tests/trace/target.c); the matrix of tests/qemu is run once over that kernel. For
assembly files the hook is QEMU's own list of the code it translated. IDs that stand in source or tests and have no row are faults.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

INVENTORY = "docs/behavior-inventory.md"
ID = r"[A-Z]{1,3}\d+[a-z]?"
SOURCE_GLOBS = ["lib/*.[chS]", "mm/*.[chS]", "mm/*/*.[chS]", "arch/*.h", "arch/*/*.[chS]", "boot/*.[chS]", "boot/*/*.[chS]", "linker.ld",
                "tests/bench/packing/*.[ch]"]
# Code that runs where the recorder is not, and is compiled without hooks; a linker script has no functions at all.
UNHOOKED = {"arch/aarch64/mmu_on.c"}
ROW = re.compile(r"^\|\s*(%s)\s*\|(.*)\|\s*$" % ID)
BRACKETED = re.compile(r"\[((?:%s)(?:\s*,\s*(?:%s))*)\]" % (ID, ID))
TEST = re.compile(r"\bTEST(?:_ON\(\s*(TAP_\w+)\s*,\s*|\(\s*)(%s)\s*," % ID)
PLACE = re.compile(r"([\w./-]+\.(?:c|h|S|ld))\s*:\s*([\w\s,()*]+)")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Row:
    def __init__(self, ident, line, cells):
        self.id, self.line = ident, line
        self.behaviour, source, test = cells
        self.places = []  # (file, function)
        for part in re.split(r"<br>|;", source.replace("`", "")):
            for path, names in PLACE.findall(part):
                self.places += [(path, name) for name in re.findall(r"[A-Za-z_]\w*", names)]
        self.tests = sorted(set(re.findall(r"tests/[\w./-]+", test)))


def parse_inventory(path):
    rows, faults = {}, []
    for number, line in enumerate(read(path).splitlines(), 1):
        match = ROW.match(line)
        if not match:
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", match[2])]
        if len(cells) != 3:
            faults.append(f"{path}:{number}: {len(cells) + 1} columns, not 4")
            continue
        row = Row(match[1], number, cells)
        if row.id in rows:
            faults.append(f"{path}:{number}: {row.id} stands there already in line {rows[row.id].line}")
            continue
        rows[row.id] = row
    return rows, faults


def source_ids():
    """{ID: {files that have it in brackets}}"""
    found = {}
    for pattern in SOURCE_GLOBS:
        for path in glob.glob(pattern):
            for group in BRACKETED.findall(read(path)):
                for ident in re.findall(ID, group):
                    found.setdefault(ident, set()).add(path)
    return found


def test_ids():
    """{ID: {files with a test of it}}"""
    found = {}
    for path in glob.glob("tests/suites/*.[ch]"):
        for _, ident in TEST.findall(read(path)):
            found.setdefault(ident, set()).add(path)
    for row in load_matrix():
        for ident in row.ids:
            found.setdefault(ident, set()).add("tests/qemu/matrix.py")
    return found


# ---- traces -------------------------------------------------------------------------------------------------------------------


class Trace:
    """Which functions the tests of an ID entered: {ID: {test: {(file, function)}}}."""

    def __init__(self):
        self.tests = {}
        self.faults = []

    def add(self, ident, test, entered):
        self.tests.setdefault(ident, {}).setdefault(test, set()).update(entered)


def parse_trace(text):
    """[(name, {address})] of the T and F lines."""
    found = []
    for line in text.splitlines():
        if line.startswith("T "):
            found.append((line[2:].strip(), set()))
        elif line.startswith("F ") and found and re.fullmatch(r"F [0-9a-f]+", line):
            found[-1][1].add(int(line[2:], 16))
    return found


def resolve(program, addresses, addr2line):
    """{address: (file, function)} by the program's debug information."""
    addresses = sorted(addresses)
    if not addresses:
        return {}
    text = "".join(f"{a:x}\n" for a in addresses)
    out = subprocess.run([addr2line, "-f", "-e", program], input=text, stdout=subprocess.PIPE, check=True, text=True)
    lines = out.stdout.splitlines()
    here = os.getcwd() + os.sep
    names = {}
    for i, address in enumerate(addresses):
        path = lines[2 * i + 1].split(":")[0]
        path = os.path.normpath(path[len(here):] if path.startswith(here) else path)
        # A compiler's clone (.part.0, .constprop.0) is the function.
        names[address] = (path, lines[2 * i].split(".")[0])
    return names


def run_traced(program, log):
    if os.path.exists(log):
        os.remove(log)
    return subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=dict(os.environ, GRANULE_TRACE=log), timeout=300, check=False)


def trace_host(build, trace, jobs):
    programs = []
    for path in sorted(glob.glob("tests/suites/*.c")):
        if any(where != "TAP_TARGET" for where, _ in TEST.findall(read(path))):
            programs.append(os.path.join(build, "host-trace", "suites", os.path.splitext(os.path.basename(path))[0]))
    with ThreadPoolExecutor(jobs) as pool:
        runs = []
        for program in programs:
            log = os.path.join(build, "host-trace", os.path.basename(program) + ".trace")
            runs.append((program, log, pool.submit(run_traced, program, log)))
    for program, log, future in runs:
        if future.exception():
            trace.faults.append(f"{program}: {future.exception()}")
            continue
        run = future.result()
        if run.returncode != 0 or not os.path.exists(log):
            tail = run.stdout.decode(errors="replace").splitlines()[-5:]
            trace.faults.append(f"{program}: status {run.returncode}: " + " / ".join(tail))
            continue
        found = parse_trace(read(log))
        names = resolve(program, set().union(*(entered for _, entered in found)), "addr2line")
        for name, entered in found:
            trace.add(name.split(":", 1)[1], name + " on the host", {names[a] for a in entered})


# QEMU with a list of the code it translates, for the rows in TRACE_ASM_ROWS; the folder of a row is that of its log on standard error.
QEMU_WITH_ASM = """#!/bin/sh
log=$(readlink /proc/self/fd/2)
folder=${log%/stderr.log}
if [ "$folder" != "$log" ]; then
	case " $TRACE_ASM_ROWS " in
	*" ${folder##*/} "*) set -- "$@" -d in_asm -D "$folder/asm.log" ;;
	esac
fi
exec "$TRACE_QEMU" "$@"
"""
IMAGE_ALIGN = 1 << 21


def load_matrix():
    sys.dont_write_bytecode = True
    sys.path.insert(0, "tests/qemu")
    import matrix  # pylint: disable=import-outside-toplevel,import-error

    return matrix.ROWS


def choose(matrix_rows, rows):
    """The boots to trace: for each ID the cheapest few that carry it."""
    chosen = {}
    for ident in rows:
        carrying = [r for r in matrix_rows if ident in r.ids]
        for row in sorted(carrying, key=lambda r: (r.host_ram > 1024, r.suites == "all", r.timeout))[:3]:
            chosen[row.name] = row
    return list(chosen.values())


def target_suites():
    """Those with tests that run on the target alone; the host traces the others in less time."""
    found = []
    for path in sorted(glob.glob("tests/suites/*.c")):
        if any(where == "TAP_TARGET" for where, _ in TEST.findall(read(path))):
            found.append(os.path.splitext(os.path.basename(path))[0])
    return found


def boot_traced(row, folder, kernel, suites):
    """Boots a row of the matrix; returns whether it came as far as it should, and where its image was (modulo IMAGE_ALIGN).

    What it shows means nothing here: the recorder makes the image larger and slower, and a machine laid out to the byte around
    the image may have no room for it.
    """
    boot = row.boot(kernel)
    if row.suites == "all":
        boot.args = boot.args.replace("test=all", "test=" + ",".join(suites))
    result = boot.run(folder, kernel, max(row.timeout, 240))
    far = result.status == row.status or re.search(r"^(not )?ok 1 ", result.text, re.M) is not None
    return far, boot.loader.image_at % IMAGE_ALIGN if boot.loader else 0


def read_symbols(program, cross):
    """[(name, address)] of the code; a static name may come more than once."""
    symbols = []
    for line in subprocess.run([cross + "nm", program], stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines():
        words = line.split()
        if len(words) == 3 and (words[1] in "tTwW" or words[2] == "image_start") and not words[2].startswith("$"):
            symbols.append((words[2], int(words[0], 16)))
    return symbols


def parse_asm(folder):
    """Addresses of the code that QEMU translated; the log is large and goes."""
    log = os.path.join(folder, "asm.log")
    found = set()
    if os.path.exists(log):
        with open(log, encoding="utf-8", errors="replace") as file:
            for line in file:
                match = re.match(r"0x([0-9a-f]+):", line)
                if match:
                    found.add(int(match[1], 16))
        os.remove(log)
    return found


def trace_embedded(row, folder, program, cross, trace):
    entered = parse_asm(folder) & {address for _, address in read_symbols(program, cross)}
    if not entered:
        trace.faults.append(f"the boot {row.name} over {program} left no trace")
    functions = set(resolve(program, entered, cross + "addr2line").values())
    for ident in row.ids:
        trace.add(ident, f"the boot {row.name}", functions)


def trace_target(build, cross, rows, trace, jobs):
    matrix_rows = load_matrix()
    chosen = choose(matrix_rows, rows)
    suites = target_suites()
    # Somebody else's kernel with the library in it has no hooks: QEMU's list serves, and the release build.
    embedded = {r.name for r in chosen if r.suites == "embed"}
    # One boot for the suites, at EL2: there the tests of stage 2 find what they need.
    for row in matrix_rows:
        if row.suites == "all" and row not in chosen and "el2" in row.name:
            chosen.append(row)
            break
    untraced = {r for r in rows if any(path.endswith(".S") or path in UNHOOKED for path, _ in rows[r].places)}
    kernel = os.path.join(build, "gcc-trace")
    release = os.path.join(build, "gcc-release")
    keep = os.path.abspath(os.path.join(build, "trace-qemu"))
    shutil.rmtree(keep, ignore_errors=True)
    os.makedirs(keep)
    wrapper = os.path.join(keep, "qemu")
    with open(wrapper, "w", encoding="utf-8") as file:
        file.write(QEMU_WITH_ASM)
    os.chmod(wrapper, 0o755)
    import machine  # pylint: disable=import-outside-toplevel,import-error

    os.environ.update(TRACE_QEMU=machine.QEMU, TRACE_ASM_ROWS=" ".join(r.name for r in chosen if untraced & set(r.ids) or r.name in embedded))
    machine.QEMU = wrapper
    with ThreadPoolExecutor(jobs) as pool:
        futures = {row.name: pool.submit(boot_traced, row, os.path.join(keep, row.name), release if row.name in embedded else kernel, suites) for row in chosen}
        image_at = {}
        for name, future in futures.items():
            if future.exception():
                trace.faults.append(f"the boot {name}: {future.exception()}")
                chosen = [row for row in chosen if row.name != name]
                continue
            far, image_at[name] = future.result()
            if not far:
                print(f"# the boot {name} ends otherwise with the recorder in it: it is not counted")
                chosen = [row for row in chosen if row.name != name]

    program = os.path.join(kernel, "granule.elf")
    symbols = read_symbols(program, cross)
    start = dict(symbols)["image_start"]
    at_offset = {address - start for _, address in symbols}

    boots = []  # (row, [(name, {address})])
    for row in chosen:
        folder = os.path.join(keep, row.name)
        if row.name in embedded:
            trace_embedded(row, folder, os.path.join(release, "embed.elf"), cross, trace)
            continue
        log = os.path.join(folder, "stderr.log")
        found = parse_trace(read(log)) if os.path.exists(log) else []
        # The image may be on any 2 MiB border (or off it, and refused), and is in the high half once the MMU is on.
        translated = parse_asm(folder)
        for base in {0, image_at[row.name]}:
            found.append(("boot", {(address - base) % IMAGE_ALIGN for address in translated} & at_offset))
        if not any(name == "boot" and entered for name, entered in found):
            trace.faults.append(f"the boot {row.name} over {kernel} left no trace")
        boots.append((row, found))
    everything = set().union(*(entered for _, found in boots for _, entered in found))
    names = resolve(program, {start + offset for offset in everything}, cross + "addr2line")
    # addr2line names a global symbol near by for a label of an assembly file: there the symbol table knows better.
    labels = {}
    for name, address in symbols:
        labels.setdefault(address, set()).add(name)

    def functions_at(offsets):
        found = set()
        for offset in offsets:
            path, name = names[start + offset]
            found.add((path, name))
            if path.endswith(".S"):
                found |= {(path, label) for label in labels.get(start + offset, ())}
        return found

    for row, found in boots:
        # A test of the BT series looks at what the boot before it did.
        booted = set().union(*(functions_at(entered) for name, entered in found if name == "boot"))
        for name, entered in found:
            functions = functions_at(entered)
            if name == "boot":
                for ident in row.ids:
                    trace.add(ident, f"the boot {row.name}", functions)
                continue
            suite, ident = name.split(":", 1)
            if suite.startswith("_"):
                continue  # a fixture that the runner's own tests run
            trace.add(ident, f"{name} on the target", functions | (booted if ident.startswith("BT") else set()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["check", "list"])
    parser.add_argument("--build", default="build")
    parser.add_argument("--cross", default="aarch64-linux-gnu-", help="prefix of the binutils that know AArch64")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    rows, faults = parse_inventory(INVENTORY)
    sources, tests = source_ids(), test_ids()
    if args.command == "list":
        for ident in sorted(set(rows) | set(sources) | set(tests), key=order):
            print(ident, "row" if ident in rows else "-", sorted(sources.get(ident, "-")), sorted(tests.get(ident, "-")))
        return 0
    trace = Trace()
    trace_host(args.build, trace, args.jobs)
    trace_target(args.build, args.cross, rows, trace, args.jobs)
    return check(rows, faults, sources, tests, trace)


def order(ident):
    series, number = re.match(r"([A-Z]+)(\d+)", ident).groups()
    return series, int(number), ident


def check_row(row, sources, tests, trace):
    faults = []
    if not row.behaviour:
        faults.append("no behaviour")
    if not row.places:
        faults.append("no `file: function` in the source column")
    if not row.tests:
        faults.append("no tests/ file in the test column")
    for path in sorted({path for path, _ in row.places}):
        if not os.path.exists(path):
            faults.append(f"{path} does not exist")
        elif path not in sources.get(row.id, ()):
            faults.append(f"[{row.id}] does not stand in {path}")
    for path, name in row.places:
        if os.path.exists(path) and not re.search(r"\b%s\b" % name, read(path)):
            faults.append(f"{path} has no {name}")
    for path in row.tests:
        if path not in tests.get(row.id, ()):
            faults.append(f"{path} has no test of {row.id}")
    if faults:
        return faults
    measured = trace.tests.get(row.id)
    if not measured:
        return [f"no traced run has a test of {row.id}"]
    wanted = {(path, name) for path, name in row.places if not path.endswith(".ld")}
    for path, name in sorted(wanted - set().union(*measured.values())):
        faults.append(f"no test of {row.id} reaches {path}: {name}")
    for test, entered in sorted(measured.items()):
        # What is compiled without hooks in the kernel is seen in the boots that QEMU lists the code of.
        if test.endswith("on the target") and any(path in UNHOOKED for path, _ in wanted):
            continue
        if wanted and not wanted & entered:
            faults.append(f"{test} reaches none of {row.id}'s functions")
    return faults


def check(rows, faults, sources, tests, trace):
    points = [
        ("the table is well-formed, no ID twice", faults if rows else ["no rows"]),
        ("the traced runs passed", trace.faults),
        ("every ID in the source has a row", [f"{i} in {', '.join(sorted(sources[i]))}" for i in sorted(sources) if i not in rows]),
        ("every ID in the tests has a row", [f"{i} in {', '.join(sorted(tests[i]))}" for i in sorted(tests) if i not in rows]),
    ]
    points += [(f"{row.id} {row.behaviour}", check_row(row, sources, tests, trace)) for row in rows.values()]
    print(f"TAP version 13\n1..{len(points)}")
    failed = 0
    for number, (title, found) in enumerate(points, 1):
        for fault in found:
            print("#", fault)
        failed += bool(found)
        print("not ok" if found else "ok", number, "-", title.replace("#", "\\#"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
