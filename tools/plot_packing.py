#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Draws the pictures of docs/benchmarks.md's section Packing from measured data: `make packing-plots`.

    plot_packing.py PACKING MEMORY OUT     PACKING, MEMORY: packing.json and packing-memory.json of `make packing`; OUT: folder

packing.svg: bars, ours against the LIFO buddy. packing-memory.svg: memory after the first trace, a cell for each 2 MiB. Bars differ
in hatching as well as in colour (Okabe and Ito's palette); cells differ in lightness alone.
"""
import json
import os
import sys

TRACES = [
    ("fill", "90 % filled, half freed, in use"),
    ("long_lived", "long-lived among short-lived"),
    ("spaces", "address spaces"),
    ("recorded", "recorded boot and load (mean)"),
]
BARS = [("", "Granule", "#0072B2"), (".lifo", "LIFO buddy", "url(#hatch)")]
INK, RULE = "#222222", "#c8c8c8"
FRAMES = 512  # of 2 MiB

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" font-family="Helvetica, Arial, sans-serif" font-size="15" fill="{ink}">
<title>{title}</title>
<rect width="{w}" height="{h}" fill="#ffffff"/>
"""


class Picture:
    def __init__(self, width, height, title):
        self.lines = [HEAD.format(w=width, h=height, ink=INK, title=title)]

    def text(self, x, y, text, anchor="start", more=""):
        self.lines.append('<text x="%g" y="%g" text-anchor="%s"%s>%s</text>\n' % (x, y, anchor, more, text))

    def rect(self, x, y, w, h, fill, more=""):
        self.lines.append('<rect x="%g" y="%g" width="%g" height="%g" fill="%s"%s/>\n' % (x, y, w, h, fill, more))

    def line(self, x1, y1, x2, y2, colour, width=1):
        self.lines.append('<line x1="%g" y1="%g" x2="%g" y2="%g" stroke="%s" stroke-width="%g"/>\n' % (x1, y1, x2, y2, colour, width))

    def raw(self, text):
        self.lines.append(text)

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(self.lines) + "</svg>\n")
        print(path)


def bars(packing, path):
    left, top, scale, bar, gap = 262, 70, 4.2, 20, 22
    step = len(BARS) * bar + gap
    bottom = top + len(TRACES) * step - gap + 12
    p = Picture(760, bottom + 52, "Share of the free memory that lies in whole 2 MiB")
    p.raw('<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
          '<rect width="6" height="6" fill="#ffffff"/><rect width="3" height="6" fill="#D55E00"/></pattern></defs>\n')
    p.text(380, 26, "Free memory that lies in whole 2 MiB", "middle")
    for i, (_, name, fill) in enumerate(BARS):
        p.rect(left + 150 * i, 42, 18, 13, fill, ' stroke="%s"' % INK)
        p.text(left + 150 * i + 26, 54, name)
    for percent in range(0, 101, 20):
        x = left + percent * scale
        p.line(x, top - 6, x, bottom, RULE, 0.8)
        p.text(x, bottom + 20, "%d %%" % percent, "middle")
    for t, (trace, title) in enumerate(TRACES):
        y = top + t * step
        p.text(left - 12, y + bar + 5, title, "end")
        for i, (suffix, _, fill) in enumerate(BARS):
            share = packing["packing.2m." + trace + suffix]
            p.rect(left, y + i * bar, share * scale, bar - 2, fill, ' stroke="%s" stroke-width="0.8"' % INK)
            p.text(left + share * scale + 6, y + i * bar + 14, "%.1f" % share)
    p.line(left, top - 6, left, bottom, INK, 1.2)
    p.write(path)


def shade(used):
    """White when free, nearly black when full, in 16 steps; the first one is wide, so that a single frame shows."""
    level = 255 - (25 + 200 * round(15 * (used / FRAMES) ** 0.7) // 15 if used else 0)
    return "#%02x%02x%02x" % (level, level, level)


def memory(data, packing, path):
    columns, cell, top, gap = 32, 11, 78, 36
    names = [("granule", "Granule", ""), ("lifo", "LIFO buddy", ".lifo")]
    rows = (len(data["granule"]) + columns - 1) // columns
    width = columns * cell
    p = Picture(2 * width + gap + 40, top + rows * cell + 60, "Memory after the first trace")
    p.text(width + gap / 2 + 20, 26, "Memory after the first trace: a cell for each 2 MiB, by address", "middle")
    for i, (key, name, suffix) in enumerate(names):
        x = 20 + i * (width + gap)
        p.text(x, 62, "%s: %.1f %% of the free memory whole" % (name, packing["packing.2m.fill" + suffix]))
        # Equal neighbours are one rectangle.
        for row in range(rows):
            cells = data[key][row * columns:(row + 1) * columns]
            start = 0
            for at in range(1, len(cells) + 1):
                if at == len(cells) or shade(cells[at]) != shade(cells[start]):
                    p.rect(x + start * cell, top + row * cell, (at - start) * cell, cell, shade(cells[start]))
                    start = at
        p.rect(x, top, width, rows * cell, "none", ' stroke="%s"' % INK)
        for row in range(1, rows):
            p.line(x, top + row * cell, x + width, top + row * cell, RULE, 0.4)
        for column in range(1, columns):
            p.line(x + column * cell, top, x + column * cell, top + rows * cell, RULE, 0.4)
    y = top + rows * cell + 22
    for i, (used, name) in enumerate([(0, "free"), (1, "1 frame"), (64, "1/8"), (128, "1/4"), (256, "half"), (512, "full")]):
        p.rect(20 + i * 118, y, 22, 16, shade(used), ' stroke="%s"' % INK)
        p.text(48 + i * 118, y + 13, name)
    p.write(path)


def main():
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding="utf-8") as file:
        packing = json.load(file)
    with open(sys.argv[2], encoding="utf-8") as file:
        data = json.load(file)
    os.makedirs(sys.argv[3], exist_ok=True)
    bars(packing, os.path.join(sys.argv[3], "packing.svg"))
    memory(data, packing, os.path.join(sys.argv[3], "packing-memory.svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
