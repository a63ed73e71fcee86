#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Adds up the TAP logs that tools/tap_run.py left: prints what did not pass, then `N passed, N failed` as the last line.

    tap_count.py [--also-failed N] FILE...

A skip and a TODO count as failures; so do a missing plan, a plan that does not agree with the points, a point number
that comes twice, "Bail out!", and a non-zero exit status that no failed point explains. No file at all is a failure.
"""

import re
import sys

POINT = re.compile(r"(not )?ok\b(?:\s+(\d+))?(.*)$")
PLAN = re.compile(r"1\.\.(\d+)\s*(#.*)?$")
DIRECTIVE = re.compile(r"(?<!\\)#\s*(skip|todo)\b", re.IGNORECASE)


def count(path):
    passed = 0
    complaints = []
    plan = None
    seen = set()
    status = None
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            line = line.rstrip("\n")
            point = POINT.match(line)
            planned = PLAN.match(line)
            if planned:
                if plan is not None:
                    complaints.append("a second plan")
                plan = int(planned[1])
            elif point:
                number = int(point[2]) if point[2] else len(seen) + 1
                if number in seen:
                    complaints.append(f"point {number} comes twice")
                seen.add(number)
                if point[1] or DIRECTIVE.search(point[3]):
                    complaints.append(line)
                else:
                    passed += 1
            elif line.startswith("Bail out!"):
                complaints.append(line)
            elif line.startswith("# exit status "):
                status = int(line.split()[-1])
    if plan is None:
        complaints.append("no plan")
    elif plan != len(seen):
        complaints.append(f"{plan} points planned, {len(seen)} seen")
    if status is None:
        complaints.append("the program's end was not recorded")
    elif status != 0 and not complaints:
        complaints.append(f"exit status {status}")
    return passed, complaints


def main(argv):
    failed = 0
    if argv[:1] == ["--also-failed"]:
        failed = int(argv[1])
        argv = argv[2:]
    passed = 0
    if not argv:
        print("no TAP logs: nothing was tested")
        failed += 1
    for path in argv:
        good, complaints = count(path)
        passed += good
        failed += len(complaints)
        for complaint in complaints:
            print(f"{path}: {complaint}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
