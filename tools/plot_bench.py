#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Draws the plots of docs/benchmarks.md from measured data, with gnuplot: `make plots`.

    plot_bench.py CURVES OUT        CURVES: what tests/bench/run.py --curves wrote; OUT: folder of the SVG files

Each line has its own mark and dash beside its colour (Okabe and Ito's palette), so that it is told apart in print and by every eye.
"""
import json
import os
import subprocess
import sys

MIB = 1 << 20
GIB = 1 << 30

# Linux 6.1 lean, the same machine and counter: block map, and 4 KiB linear map. (RAM, instructions)
LINUX_BLOCKS = [(GIB, 28.4e6), (8 * GIB, 160e6), (64 * GIB, 1143e6)]
LINUX_PAGES = [(GIB, 36.9e6), (8 * GIB, 229e6), (64 * GIB, 1692e6)]

STYLES = [
    'lc rgb "#0072B2" lw 2.5 dt 1 pt 7 ps 0.8',
    'lc rgb "#D55E00" lw 2.5 dt 2 pt 5 ps 0.8',
    'lc rgb "#009E73" lw 2.5 dt 4 pt 9 ps 0.9',
]

HEAD = """set terminal svg size 760,420 dynamic font "Helvetica,15" background "#ffffff"
set output "{out}"
set title "{title}"
set xlabel "{xlabel}"
set ylabel "{ylabel}"
set border 3 lw 1.2
set tics nomirror out
set grid ytics lc rgb "#c8c8c8" lw 0.8
set key {key} spacing 1.2
set logscale x 2
set xtics ({xtics})
set xrange [{left}:{right}]
"""


def ram_name(size):
    for unit, name in ((1024 * GIB, "TiB"), (GIB, "GiB"), (MIB, "MiB")):
        if size >= unit:
            return "%d %s" % (size // unit, name)
    raise ValueError(size)


class Plot:
    def __init__(self, name, title, xlabel, ylabel, key="top right", setup=""):
        self.name, self.title, self.xlabel, self.ylabel, self.key, self.setup = name, title, xlabel, ylabel, key, setup
        self.lines = []  # (label, [(x, y)])

    def add(self, label, points):
        self.lines.append((label, sorted(points)))
        return self

    def draw(self, folder, tick):
        """tick(x): the label of x, or None for none."""
        xs = sorted({x for _, points in self.lines for x, _ in points})
        out = os.path.join(folder, self.name + ".svg")
        text = HEAD.format(out=out, title=self.title, xlabel=self.xlabel, ylabel=self.ylabel, key=self.key,
                           left=xs[0] / 1.2, right=xs[-1] * 1.2,
                           xtics=", ".join('"%s" %d' % (tick(x), x) for x in xs if tick(x)))
        text += self.setup
        text += "plot " + ", ".join("'-' using 1:2 with linespoints %s title \"%s\"" % (style, label)
                                    for style, (label, _) in zip(STYLES, self.lines)) + "\n"
        for _, points in self.lines:
            text += "".join("%d %.6f\n" % point for point in points) + "e\n"
        subprocess.run(["gnuplot"], input=text, text=True, check=True)
        print(out)


def points(curve):
    return [(int(x), y) for x, y in curve.items()]


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding="utf-8") as file:
        data = json.load(file)
    folder = sys.argv[2]
    os.makedirs(folder, exist_ok=True)

    def every_fourth(x):
        return ram_name(x) if (x.bit_length() - (64 * MIB).bit_length()) % 2 == 0 else None

    log_y = 'set logscale y 10\nset format y "10^{%L}"\n'
    from_zero = "set yrange [0:*]\nset offsets graph 0, graph 0, graph 0.25, graph 0\n"
    Plot("boot-ram", "From the first instruction to \\\"memory is up\\\"", "RAM", "instructions", key="center right",
         setup=log_y + "set yrange [1e5:3e9]\n") \
        .add("Granule", points(data["boot"])).add("Linux 6.1, block map", LINUX_BLOCKS) \
        .add("Linux 6.1, 4 KiB linear map", LINUX_PAGES).draw(folder, every_fourth)
    Plot("frames-ram", "Cost of a page frame against RAM, one CPU", "RAM", "instructions", key="top right", setup=from_zero) \
        .add("alloc + free, warm CPU cache", points(data["pair0"])) \
        .add("alloc, all RAM once after boot", points(data["first_touch"])).draw(folder, every_fourth)
    Plot("frames-cpus", "Cost of a page frame against CPUs, each with its own frames", "CPUs", "instructions per pair",
         key="top right", setup=from_zero) \
        .add("alloc + free, warm CPU cache", points(data["cpus_pair0"])) \
        .add("alloc + free, 1024 at a time", points(data["cpus_batch0"])).draw(folder, str)
    return 0


if __name__ == "__main__":
    sys.exit(main())
