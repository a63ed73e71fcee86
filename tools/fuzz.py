#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs libFuzzer programs one after the other and prints TAP, one point for each.

    fuzz.py --seconds TOTAL PROGRAM...

Inputs that reached something new stay in build/fuzz/NAME/ for the next run; seeds are read from tests/fuzz/seeds/NAME/ and
words of the input's language from tests/fuzz/WORD.dict (NAME is fuzz_WORD) when they exist; an input that crashed is left
beside the corpus. A run that executed nothing is a failure.
"""

import os
import re
import subprocess
import sys


def fuzz(program, seconds):
    name = os.path.basename(program)
    corpus = os.path.join("build", "fuzz", name)
    seeds = os.path.join("tests", "fuzz", "seeds", name)
    os.makedirs(corpus, exist_ok=True)
    command = [program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
               f"-artifact_prefix={corpus}.", corpus]
    dictionary = os.path.join("tests", "fuzz", name.replace("fuzz_", "", 1) + ".dict")
    if os.path.exists(dictionary):
        command.insert(-1, f"-dict={dictionary}")
    if os.path.isdir(seeds):
        command.append(seeds)
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=seconds + 60, check=False)
    except subprocess.TimeoutExpired:
        return False, f"{name}: did not end", ""
    text = run.stdout.decode(errors="replace")
    units = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
    executed = int(units[1]) if units else 0
    if run.returncode != 0 or executed == 0:
        return False, f"{name}: status {run.returncode}, {executed} inputs", text
    return True, f"{name}: {executed} inputs in {seconds} s", ""


def main(argv):
    if len(argv) < 3 or argv[0] != "--seconds":
        sys.exit(__doc__)
    programs = argv[2:]
    seconds = max(1, int(argv[1]) // len(programs))
    print(f"TAP version 13\n1..{len(programs)}", flush=True)
    failed = 0
    for number, program in enumerate(programs, 1):
        ok, title, text = fuzz(program, seconds)
        failed += not ok
        for line in text.splitlines()[-60:]:
            print("#", line)
        print(f"{'ok' if ok else 'not ok'} {number} - {title}", flush=True)
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
