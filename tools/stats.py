#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Takes the objects of `stats --json` out of a console's log.

    stats.py [LOG]        the last object of LOG (or standard input), as JSON on standard output
    stats.py --all [LOG]  all of them, one a line

The object begins with a line "{" and ends with a line "}"; its other lines begin with a blank. What else stands between them
was said by another CPU, and is left out. docs/stats.md describes the object.
"""
import json
import re
import sys


def objects(text):
    """Every object in the log, parsed. ValueError: one of them is no JSON, or has no end."""
    found, lines = [], None
    for line in text.replace("\r", "").split("\n"):
        if line == "{":
            if lines is not None:
                raise ValueError("an object that has no end")
            lines = []
        if lines is not None and re.match(r"[{} ]", line):
            lines.append(line)
        if line == "}" and lines is not None:
            found.append(json.loads("\n".join(lines)))
            lines = None
    if lines is not None:
        raise ValueError("an object that has no end")
    return found


def main(argv):
    every = "--all" in argv
    paths = [a for a in argv if a != "--all"]
    if len(paths) > 1:
        print(__doc__, file=sys.stderr)
        return 2
    if paths:
        with open(paths[0], encoding="utf-8", errors="replace") as file:
            text = file.read()
    else:
        text = sys.stdin.read()
    try:
        found = objects(text)
    except ValueError as e:
        print("stats.py: %s" % e, file=sys.stderr)
        return 1
    if not found:
        print("stats.py: the log has no object of stats --json", file=sys.stderr)
        return 1
    for one in found if every else found[-1:]:
        print(json.dumps(one))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
