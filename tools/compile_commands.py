#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Prints compile_commands.json.

Arguments: the compiler's command line as one word, then the files it compiles; `--` starts another such group.
"""

import json
import os
import shlex
import sys


def main(argv):
    entries = []
    group = []
    for word in argv + ["--"]:
        if word != "--":
            group.append(word)
            continue
        if group:
            command = shlex.split(group[0])
            entries += [
                {"directory": os.getcwd(), "file": name, "arguments": command + ["-c", name]} for name in group[1:]
            ]
        group = []
    json.dump(entries, sys.stdout, indent=1)
    print()


main(sys.argv[1:])
