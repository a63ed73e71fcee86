#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks of the checks: what run.py must call a miss, and what the ratchet must refuse. TAP; boots nothing."""
import contextlib
import io
import sys

sys.dont_write_bytecode = True

import run  # noqa: E402
import table  # noqa: E402

N1, A72 = table.CPUS


def results(**changes):
    """Every row exactly at its target, but for KEY__TOOLCHAIN__CPU=value (None: not measured)."""
    out = {(t, c): {row.key: row.target * (1 if c == N1 else table.A72_FACTOR) for row in table.ROWS}
           for t in table.TOOLCHAINS for c in table.CPUS}
    for name, value in changes.items():
        key, t, cpu = name.split("__")
        out[t, {"n1": N1, "a72": A72}[cpu]][key.replace("_", ".", 1)] = value
    for found in out.values():
        for key in [k for k, value in found.items() if value is None]:
            del found[key]
    return out


def missed(**changes):
    with contextlib.redirect_stdout(io.StringIO()):
        return run.show(results(**changes))


def packing(**changes):
    """Ours 10 points above both references in whole 2 MiB, level with them in whole 1 GiB, but for TRACE__WHAT[__SUFFIX]=value."""
    out = {}
    for trace, _ in table.PACKING:
        for what, ours in (("2m", 60), ("1g", 20)):
            out["packing.%s.%s" % (what, trace)] = ours
            for suffix in table.PACKING_REFERENCES:
                out["packing.%s.%s%s" % (what, trace, suffix)] = ours - 10 * (what == "2m")
        out["packing.2m.%s.ahead" % trace] = 10
    for name, value in changes.items():
        trace, what, *suffix = name.split("__")
        out["packing.%s.%s%s" % (what, trace, "".join("." + word for word in suffix))] = value
    return {key: value for key, value in out.items() if value is not None}


def packing_missed(ahead=True, **changes):
    with contextlib.redirect_stdout(io.StringIO()):
        return run.show_packing(packing(**changes), ahead)


def flat(**changes):
    return run.flat(results(**changes), packing())


def keys_without(found):
    """Rows of the table of which bench.json has no figure."""
    return {row.key for row in table.ROWS} - set(found)


COUNTS = {t: {"frames.pair0": 60, "pt.map4k": 3, "boot.1g": 500000} for t in table.TOOLCHAINS}
COMMITTED = {"compilers": {"clang": "14", "gcc": "12"}, "limits": COUNTS}


def ratchet(versions=("14", "12"), **changes):
    """How many points do not hold when gcc's counts change so."""
    counts = {"clang": COUNTS["clang"], "gcc": {**COUNTS["gcc"], **{k.replace("_", ".", 1): v for k, v in changes.items()}}}
    points = run.judge_ratchet(counts, dict(zip(("clang", "gcc"), versions)), COMMITTED)
    return [sentence for holds, sentence in points if not holds]


CASES = [
    ("rows at their targets pass", missed() == []),
    ("worse with gcc alone is a miss", missed(frames_pair0__gcc__n1=64.001) == ["frames.pair0"]),
    ("worse with clang alone is a miss", missed(frames_pair0__clang__n1=65) == ["frames.pair0"]),
    ("worse on cortex-a72 alone is a miss", missed(frames_level__gcc__a72=33.7) == ["frames.level"]),
    ("4 % above on cortex-a72 is none", missed(frames_level__gcc__a72=33.2) == []),
    ("one line shared is a miss", missed(frames_shared_lines__gcc__n1=1) == ["frames.shared_lines"]),
    ("a boot above its target is a miss", missed(boot_8g__clang__n1=700001) == ["boot.8g"]),
    ("a gated row that was not measured is a miss", missed(frames_bulk64__gcc__a72=None) == ["frames.bulk64"]),
    ("a row of a section that is not gated is shown only", missed(heap_pair64__gcc__n1=1000) == []),
    ("one that is gated within such a section is a miss", missed(pt_map4k__gcc__n1=3.6) == ["pt.map4k"]),
    ("the file holds the worse compiler", flat(frames_pair0__gcc__n1=70, frames_pair0__clang__n1=50)["frames.pair0"] == 70),
    ("the file holds cortex-a72 beside it", flat(frames_pair0__clang__a72=71)["frames.pair0.a72"] == 71),
    ("the file leaves out what one compiler did not measure", "heap.pair64" not in flat(heap_pair64__gcc__n1=None)),
    ("the file holds every row, and cortex-a72 beside it", not keys_without(flat()) and
     all(row.key + ".a72" in flat() for row in table.ROWS)),
    ("the file is flat: keys to numbers", all(isinstance(value, (int, float)) for value in flat().values())),
    ("the file holds ours and the reference of every trace", all(
        "packing.2m." + trace + suffix in flat() for trace, _ in table.PACKING for suffix in ("", *table.PACKING_REFERENCES))),
    ("traces on which ours is ahead pass", packing_missed() == []),
    ("level with the reference is a miss", packing_missed(fill__2m=50) == ["packing.2m.fill"]),
    ("below the smaller LIFO buddy alone is a miss", packing_missed(spaces__2m__lifo10=61) == ["packing.2m.spaces"]),
    ("level with it on the recorded trace is a miss", packing_missed(recorded__2m__lifo=60) == ["packing.2m.recorded"]),
    ("one seed on which the lead is small is a miss", packing_missed(long_lived__2m__ahead=0.4) == ["packing.2m.long_lived"]),
    ("fewer whole GiB are a miss", packing_missed(fill__1g=19.8) == ["packing.2m.fill"]),
    ("a tenth of a point of them is none", packing_missed(fill__1g=19.9) == []),
    ("a trace without its reference is a miss", packing_missed(fill__2m__lifo=None) == ["packing.2m.fill"]),
    ("a trace that was not played is a miss", packing_missed(recorded__2m=None) == ["packing.2m.recorded"]),
    ("a reference that cannot play a trace is none", packing_missed(recorded__2m__lifo10=None, recorded__1g__lifo10=None) == []),
    ("what the program alone finds is a miss", packing_missed(ahead=False) == ["packing"]),
    ("the page has a line for each row and trace", all(
        "| `%s`" % key in run.markdown(results(), packing())
        for key in [row.key for row in table.ROWS] + ["packing.2m." + trace for trace, _ in table.PACKING])),
    ("every gated key is a row", table.GATED <= {row.key for row in table.ROWS}),
    ("every key of the ratchet is a gated row", set(table.RATCHET) <= {row.key for row in table.ROWS if row.gated}),
    ("no row stands twice", len({row.key for row in table.ROWS}) == len(table.ROWS)),
    ("every row has as many peers as its section names", all(len(r.peers) == len(table.SECTIONS[r.section][1]) for r in table.ROWS)),
    ("the ratchet holds at its counts", ratchet() == []),
    ("one instruction more is refused", len(ratchet(frames_pair0=61)) == 1),
    ("fewer are not", ratchet(frames_pair0=59, boot_1g=1) == []),
    ("each row of it is looked at", len(ratchet(frames_pair0=61, pt_map4k=3.01, boot_1g=500001)) == 3),
    ("another compiler is held to the targets", ratchet(("14", "13"), frames_pair0=64) == [] and
     len(ratchet(("14", "13"), frames_pair0=65)) == 1),
]


def main():
    print("TAP version 13\n1..%d" % len(CASES))
    for n, (name, good) in enumerate(CASES, 1):
        print("%s %d - %s" % ("ok" if good else "not ok", n, name))
    return 0 if all(good for _, good in CASES) else 1


if __name__ == "__main__":
    sys.exit(main())
