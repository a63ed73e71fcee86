#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs the models of this folder through Spin and prints TAP, one point for each run.

    spin.py [--large] [--only REGEX] [--cc COMPILER]
    spin.py --show NAME

First each setting is searched completely: every state that can be reached, no assertion violated, no deadlock, nothing cut
short by a limit. Then one precaution at a time is taken away by a macro WRONG_..., and Spin must find that this goes wrong, in the
way it is said to below; a search that finds nothing fails. Breadth first there, so that the counterexample is a shortest one;
--show NAME prints it step by step. --large takes settings with more states as well (about 2 GiB of memory).

Needs spin and a C compiler; works in a temporary folder.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

# (what is shown, macros, depth of the longest path at most)
SETTINGS = [
    ("two CPUs allocate, free and drain, one goes and comes", "FRAMES=3 INTERRUPTS=0", 1),
    ("CPU 0 and its interrupt allocate, free and drain, CPU 1 closes and opens stack 0", "FRAMES=3 CPU1_ONLY_RESIZES", 1),
    ("two CPUs and an interrupt free the same two frames", "DOUBLE FRAMES=2", 1),
    ("CPU 0 validates while CPU 1 allocates and frees: nothing is said to be lost", "VALIDATE FRAMES=3 INTERRUPTS=0", 1),
]
LARGE = [
    ("two CPUs and an interrupt do everything, with two frames", "FRAMES=2", 5),
    ("two CPUs do everything, with stacks of three and four frames", "FRAMES=4 LIMIT=3 INTERRUPTS=0", 5),
    ("two CPUs and an interrupt free the same three frames", "DOUBLE FRAMES=3", 1),
    ("CPU 0 validates while its interrupt and CPU 1 allocate and free", "VALIDATE FRAMES=2", 5),
]

# (what is taken away, macros, how it shows)
ASSERTION, DEADLOCK = "assertion", "deadlock"
CPUS = "FRAMES=3 INTERRUPTS=0"
INTERRUPT = "FRAMES=2 CPU1_ONLY_RESIZES"
RIVALS = "DOUBLE FRAMES=2"
CHECKER = "VALIDATE FRAMES=2 INTERRUPTS=0"
WRONG = [
    ("TAKE_IN_TWO_STEPS", "a level is loaded and stored, not taken by an exclusive pair", CPUS, ASSERTION),
    ("FULL_IS_NOT_SEEN", "a full stack is taken for a push like any other", CPUS, ASSERTION),
    ("RELEASE_BEFORE_STORE", "a push releases the level before it stores the frame", CPUS, ASSERTION),
    ("NO_MASK", "a stack is taken with interrupts on", INTERRUPT, DEADLOCK),
    ("DRAIN_WITHOUT_MASK", "a drain takes a stack with interrupts on", INTERRUPT, DEADLOCK),
    ("DRAIN_WITHOUT_LOCK", "a drain of another CPU's stack does not take its level", CPUS, ASSERTION),
    ("DRAIN_UNDER_BANK_LOCK", "stacks are drained while the bank is locked", CPUS, DEADLOCK),
    ("CLOSE_WITHOUT_SPILL", "a CPU that goes away leaves its frames in its stack", CPUS, ASSERTION),
    ("CLOSED_IS_WAITED_FOR", "who finds a stack closed waits for its level", CPUS, DEADLOCK),
    ("BANK_WITHOUT_LOCK", "the bank has no lock", CPUS, ASSERTION),
    ("CLAIM_IN_TWO_STEPS", "a record is loaded and stored, not flipped by an exclusive pair", RIVALS, ASSERTION),
    ("NO_CLAIM", "a free does not look at the record", RIVALS, ASSERTION),
    ("STACKS_GO_ON", "stacks are counted after the records, while their owners go on", CHECKER, ASSERTION),
    ("MOVING_IS_NOT_SAID", "who claims a frame without a lock does not say so", CHECKER, ASSERTION),
    ("MOVES_ARE_NOT_LOOKED_AT", "what reaches the bank while records are counted is not noticed", CHECKER, ASSERTION),
    ("MOVING_IS_LOOKED_AT_LAST", "what is on its way is looked at after what has arrived", CHECKER, ASSERTION),
]
# Contexts that may be held up inside of what is masked otherwise: partial order reduction does not know of that.
NO_REDUCTION = ("NO_MASK", "DRAIN_WITHOUT_MASK")


class Broken(Exception):
    pass


def call(command, folder):
    run = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         check=False)
    return run.returncode, run.stdout.decode(errors="replace")


def search(folder, cc, macros, flags, depth):
    """Builds and runs the verifier in `folder`: what it says."""
    shutil.copy(os.path.join(HERE, "cache.pml"), folder)
    for command in (["spin"] + ["-D" + m for m in macros] + ["-a", "cache.pml"],
                    [cc, "-w", "-DSAFETY", "-DMEMLIM=6000"] + flags + ["-o", "pan", "pan.c"]):
        status, text = call(command, folder)
        if status:
            raise Broken(" ".join(command) + ":\n" + text)
    return call(["./pan", "-n", "-w22", "-m%d" % (depth * 1000000)], folder)


def counted(text):
    """(errors, states, transitions) of a verifier's report."""
    found = [re.search(p, text) for p in (r"errors: (\d+)", r"(\d+) states, stored", r"(\d+) transitions")]
    if not all(found):
        raise Broken("no figures in:\n" + text)
    return [int(m[1]) for m in found]


def complete(folder, cc, macros, depth):
    status, text = search(folder, cc, macros, ["-O1"], depth)
    errors, states, transitions = counted(text)
    cut = re.search(r"max search depth too small|Search not completed|reached -DMEMLIM|out of memory", text)
    if status or errors or cut:
        raise Broken(text)
    took = re.search(r"elapsed time ([\d.]+)", text)
    return "%d states, %d transitions in %s s" % (states, transitions, took[1] if took else "?")


def wrong(folder, cc, name, macros, how):
    flags = ["-DBFS"] + (["-DNOREDUCE"] if name in NO_REDUCTION else [])
    _, text = search(folder, cc, macros + ["WRONG_" + name], flags, 1)
    errors, _, _ = counted(text)
    found = re.search(r"pan:1: (assertion violated|invalid end state).*\(at depth (\d+)\)", text)
    if not errors or not found:
        raise Broken("Spin found nothing wrong:\n" + text)
    got = ASSERTION if found[1].startswith("assertion") else DEADLOCK
    if got != how:
        raise Broken("found, but by %s and not by %s:\n%s" % (got, how, text))
    return "%s after %s steps" % (got, found[2])


def show(name, cc):
    for other, title, macros, how in WRONG:
        if name in (other, "WRONG_" + other):
            with tempfile.TemporaryDirectory(prefix="spin-") as folder:
                print("%s: %s" % (title, wrong(folder, cc, other, macros.split(), how)))
                defines = ["-D" + m for m in macros.split() + ["WRONG_" + other]]
                print(call(["spin"] + defines + ["-t", "-p", "-g", "-l", "cache.pml"], folder)[1])
            return 0
    sys.exit("no such precaution: " + name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="more states")
    parser.add_argument("--only", default="", metavar="REGEX", help="only points whose title matches")
    parser.add_argument("--cc", default="gcc", metavar="COMPILER")
    parser.add_argument("--show", metavar="NAME", help="print the counterexample of WRONG_NAME")
    args = parser.parse_args()
    if args.show:
        return show(args.show, args.cc)

    points = []
    for title, macros, depth in SETTINGS + (LARGE if args.large else []):
        points.append((title, lambda folder, m=macros.split(), d=depth: complete(folder, args.cc, m, d)))
    for name, title, macros, how in WRONG:
        points.append(("found out: " + title,
                       lambda folder, n=name, m=macros.split(), h=how: wrong(folder, args.cc, n, m, h)))
    points = [p for p in points if re.search(args.only, p[0])]
    if not points:
        sys.exit("nothing to do")

    print("TAP version 13\n1..%d" % len(points), flush=True)
    failed = 0
    for number, (title, run) in enumerate(points, 1):
        with tempfile.TemporaryDirectory(prefix="spin-") as folder:
            try:
                print("#", run(folder))
                verdict = "ok"
            except (Broken, OSError) as e:
                print("".join("# %s\n" % line for line in str(e).splitlines()[-40:]), end="")
                verdict = "not ok"
                failed += 1
        print("%s %d - %s" % (verdict, number, title), flush=True)
    return 1 if failed else 0


sys.exit(main())
