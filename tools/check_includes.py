#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks what the compiler does not: who may include whom, that no includes go in circles, and how each file begins.

    check_includes.py [--self-test] [ROOT]

The floors, upward only: lib <- arch <- mm <- boot <- tests. A directory's rule is the list of what it may include; the most
specific directory decides. System headers are the freestanding ones outside of arch/host and tests.
"""

import fnmatch
import os
import re
import sys
import tempfile

RULES = {
    "lib": ["lib/"],
    "arch": ["lib/", "arch/*", "arch/aarch64/*_inline.h"],
    "arch/aarch64": ["lib/", "arch/*", "arch/aarch64/", "mm/error.h", "mm/layout.h"],
    "arch/host": ["lib/", "arch/*", "arch/aarch64/", "arch/host/", "tests/host/"],
    "mm": ["lib/", "arch/*", "mm/"],
    "boot": ["lib/", "arch/*", "arch/aarch64/", "mm/", "boot/"],
    "tests": ["lib/", "arch/", "mm/", "boot/", "tests/"],
}
FREESTANDING = {"float.h", "iso646.h", "limits.h", "stdalign.h", "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h",
                "stdint.h", "stdnoreturn.h"}
HOSTED = ("arch/host/", "tests/")
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)
SPDX = "SPDX-License-Identifier: BSD-2-Clause"
CODE_SUFFIXES = (".c", ".h", ".S")
COMMENTED = CODE_SUFFIXES + (".py", ".sh", ".ld", ".mk")


def allowed(rule, path):
    for prefix in rule:
        if "*" in prefix:  # files of that directory itself
            if os.path.dirname(path) == os.path.dirname(prefix) and fnmatch.fnmatch(path, prefix):
                return True
        elif path == prefix or (prefix.endswith("/") and path.startswith(prefix)):
            return True
    return False


def rule_for(path):
    directory = os.path.dirname(path)
    while directory:
        if directory in RULES:
            return RULES[directory]
        directory = os.path.dirname(directory)
    return None


def check_includes(root, path, text, complaints, graph):
    rule = rule_for(path)
    # Between one of these and its end stands code that is compiled for the host only.
    host_only = False
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"#\s*(if\s+(__STDC_HOSTED__|INSN_RECORDED)|ifdef\s+GRANULE_HOST)\s*$", line):
            host_only = True
        elif host_only and re.match(r"#\s*(else|endif|elif)", line):
            host_only = False
        match = INCLUDE.match(line)
        if not match:
            continue
        where = f"{path}:{number}"
        if match[2]:
            if match[2] not in FREESTANDING and not host_only and not path.startswith(HOSTED):
                complaints.append(f"{where}: <{match[2]}> is no freestanding header")
            continue
        target = match[1]
        # The public headers are installed side by side, without this tree around them.
        if path.startswith("mm/library/granule") and path.endswith(".h"):
            target = os.path.join(os.path.dirname(path), target)
        if not os.path.exists(os.path.join(root, target)):
            complaints.append(f'{where}: "{target}" is no path from the root')
            continue
        graph.setdefault(path, []).append(target)
        if rule is not None and not host_only and not allowed(rule, target):
            complaints.append(f"{where}: {os.path.dirname(path)}/ may not include {target}")


def check_circles(graph, complaints):
    done = set()

    def visit(path, trail):
        if path in trail:
            complaints.append("includes in a circle: " + " -> ".join(trail[trail.index(path):] + [path]))
            return
        if path in done:
            return
        for target in graph.get(path, []):
            visit(target, trail + [path])
        done.add(path)

    for path in sorted(graph):
        visit(path, [])


def check_head(path, text, complaints):
    lines = text.splitlines()[:3]
    if not any(SPDX in line for line in lines):
        complaints.append(f"{path}: no SPDX line at the top")
        return
    if not path.endswith(COMMENTED) and not text.startswith("#!"):
        return
    rest = text.split(SPDX, 1)[1]
    rest = rest.split("\n", 1)[1] if "\n" in rest else ""
    rest = rest.lstrip()
    if path.endswith(CODE_SUFFIXES) or path.endswith(".ld"):
        block = re.match(r"/\*(.*?)\*/", rest, re.S)
        words = block[1] if block else ""
    elif rest.startswith(('"""', 'r"""')):
        words = rest.split('"""', 2)[1]
    else:
        words = ""
        for line in rest.splitlines():
            if not line.startswith("#"):
                break
            words += line[1:] + " "
    if len(re.findall(r"\w+", words)) < 3:
        complaints.append(f"{path}: no paragraph under the SPDX line that says what lives here")


def tree(root):
    for directory, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in (".git", "build", "__pycache__"))
        for name in sorted(files):
            path = os.path.relpath(os.path.join(directory, name), root)
            yield path


def is_code(root, path):
    if path.endswith(COMMENTED) or os.path.basename(path) == "Makefile":
        return True
    if path.startswith(("tools/", ".ci/", "tests/")):
        with open(os.path.join(root, path), "rb") as file:
            return file.read(2) == b"#!"
    return False


def check(root):
    complaints = []
    graph = {}
    files = 0
    for path in tree(root):
        if not is_code(root, path):
            continue
        files += 1
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = file.read()
        check_head(path, text, complaints)
        if path.endswith(CODE_SUFFIXES):
            check_includes(root, path, text, complaints, graph)
    check_circles(graph, complaints)
    return files, complaints


def self_test():
    """Makes a small tree with one of each fault, and fails unless exactly those are found."""
    head = f"/* {SPDX} */\n/* A file that says in a sentence what lives there. */\n"
    tree_files = {
        "lib/good.h": head + "#include <stdint.h>\n",
        "lib/up.c": head + '#include "mm/a.h"\n',
        "lib/hosted.c": head + "#include <stdio.h>\n",
        "lib/unlicensed.h": "/* nothing */\n",
        "lib/silent.h": f"/* {SPDX} */\n#include <stdint.h>\n",
        "mm/a.h": head + '#include "mm/b.h"\n',
        "mm/b.h": head + '#include "mm/a.h"\n',
        "mm/deep.c": head + '#include "arch/aarch64/x.h"\n#include "arch/arch.h"\n',
        "mm/above.c": head + '#include "boot/boot.h"\n',
        "mm/lost.c": head + '#include "nowhere.h"\n',
        "arch/arch.h": head + '#include "lib/good.h"\n#include "arch/aarch64/x_inline.h"\n',
        "arch/deep.h": head + '#include "arch/aarch64/x.h"\n',
        "arch/aarch64/x.h": head,
        "arch/aarch64/x_inline.h": head,
        "boot/boot.h": head + '#include "mm/a.h"\n#include "arch/aarch64/x.h"\n',
        "tools/tool": f"#!/bin/sh\n# {SPDX}\n#\n# Does this and that for nobody.\n",
        "tools/bare.py": "print()\n",
    }
    wanted = [
        "arch/deep.h:3: arch/ may not include arch/aarch64/x.h",
        "includes in a circle: mm/a.h -> mm/b.h -> mm/a.h",
        "lib/hosted.c:3: <stdio.h> is no freestanding header",
        "lib/silent.h: no paragraph under the SPDX line that says what lives here",
        "lib/unlicensed.h: no SPDX line at the top",
        "lib/up.c:3: lib/ may not include mm/a.h",
        "mm/above.c:3: mm/ may not include boot/boot.h",
        "mm/deep.c:3: mm/ may not include arch/aarch64/x.h",
        'mm/lost.c:3: "nowhere.h" is no path from the root',
        "tools/bare.py: no SPDX line at the top",
    ]
    with tempfile.TemporaryDirectory() as root:
        for path, text in tree_files.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        _, found = check(root)
    for text in sorted(set(wanted) ^ set(found)):
        print(("missed: " if text in wanted else "invented: ") + text)
    return sorted(found) == wanted


def main(argv):
    if "--self-test" in argv:
        return 0 if self_test() else 1
    files, complaints = check(argv[0] if argv else ".")
    for text in complaints:
        print(text)
    if files == 0:
        print("no files to check")
    return 1 if complaints or files == 0 else 0


sys.exit(main(sys.argv[1:]))
