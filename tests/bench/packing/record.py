#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes the recorded trace of the packing benchmark: boots the recording kernel (record.c) and packs what it wrote.

    record.py --kernel build/clang-release/record.elf --objcopy llvm-objcopy -o boot_load.trace
    record.py --dump boot_load.trace | head

The trace is a line of text, "granule packing trace 1: frames START+PAGES, NUMBERS blocks, EVENTS events", and one byte or
more for each event, after the kind in bits 1:0 of the first:

    0 alloc  order in bits 6:2; bit 7: a number follows, how many times again
    1 free   from bit 2 on: the number of the block, less that of the block that this CPU freed before (0 at first), as
             2 n for n >= 0 and -2 n - 1 below
    2 CPU    of what follows, in bits 4:2; 0 at first. Bits 6:5: 1 and an alloc of order 0, 2 and a free with the same
             difference as this CPU's last one
    3 other  bits 7:2 are 0: memory is given, first frame and number of frames follow
                      1: the CPU's last free with the same difference again, as often as the number that follows says

A block's number is not written when it is allocated: it is the one that was free last of those of its CPU, which are its own
number (at first), that and 8, and 16, ...

Numbers are little-endian groups of seven bits with bit 7 set in all but the last byte; one that begins in bit 2 has five
bits there.
"""
import argparse
import os
import struct
import subprocess
import sys
import tempfile

# Counted time and one thread for all CPUs: the same trace each time, and no CPU waits for a lock whose owner does not run.
MACHINE = ["-M", "virt", "-cpu", "max", "-m", "256M", "-smp", "4", "-icount", "shift=0,sleep=off"]
WORDS = "test=record"
ALLOC, FREE, REFUSED, GIVE = range(4)
KIND_ALLOC, KIND_FREE, KIND_CPU, KIND_OTHER = range(4)
SECTION = 1 << 18
CPUS = 8


def boot(kernel, objcopy, folder, words, timeout):
    """The raw words that the kernel wrote, and the serial line's text."""
    image = os.path.join(folder, "record.img")
    subprocess.run([objcopy, "-O", "binary", os.path.abspath(kernel), image], check=True)
    command = [os.environ.get("QEMU", "qemu-system-aarch64")] + MACHINE + [
        "-nic", "none", "-display", "none", "-no-reboot", "-monitor", "none", "-semihosting-config", "enable=on,target=native",
        "-kernel", image, "-append", words, "-serial", "file:serial.log"]
    run = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=timeout, check=False)
    with open(os.path.join(folder, "serial.log"), encoding="utf-8", errors="replace") as log:
        text = log.read()
    if run.returncode or "memory is up" not in text:
        sys.exit("record: status %d\n%s" % (run.returncode, text[-2000:]))
    with open(os.path.join(folder, "packing.raw"), "rb") as raw:
        data = raw.read()
    return struct.unpack("<%dQ" % (len(data) // 8), data)


def number(value):
    out = bytearray()
    while value > 127:
        out.append(128 | value & 127)
        value >>= 7
    out.append(value)
    return bytes(out)


def first_byte(kind, value):
    if value < 32:
        return bytes([kind | value << 2])
    return bytes([kind | (value & 31) << 2 | 128]) + number(value >> 5)


class Packer:
    """Turns frames into numbers of blocks."""

    def __init__(self):
        self.out = bytearray()
        self.live = {}  # first frame: number
        self.spare = [[] for _ in range(CPUS)]
        self.numbers = list(range(CPUS))  # the next ones that were never used
        self.freed, self.step = [0] * CPUS, [None] * CPUS  # of each CPU: what it freed last, how far from the one before
        self.cpu, self.events = 0, 0
        self.low, self.high = None, 0
        self.repeat = None  # [kind, order or difference, how often]: not yet written

    def flush(self):
        kind, value, times = self.repeat or (None, 0, 0)
        self.repeat = None
        if kind == KIND_ALLOC:
            self.out += bytes([KIND_ALLOC | value << 2 | (128 if times > 1 else 0)])
            if times > 1:
                self.out += number(times - 1)
        elif kind == KIND_FREE:
            if value != self.step[self.cpu]:
                self.step[self.cpu] = value
                self.out += first_byte(KIND_FREE, 2 * value if value >= 0 else -2 * value - 1)
                times -= 1
            if times:
                self.out += bytes([KIND_OTHER | 1 << 2]) + number(times)

    def event(self, cpu, kind, value):
        self.events += 1
        if cpu != self.cpu:
            self.flush()
            self.cpu = cpu
            then = 1 if (kind, value) == (KIND_ALLOC, 0) else 2 if (kind, value) == (KIND_FREE, self.step[cpu]) else 0
            self.out.append(KIND_CPU | cpu << 2 | then << 5)
            if then:
                return
        if self.repeat and self.repeat[:2] == [kind, value]:
            self.repeat[2] += 1
        else:
            self.flush()
            self.repeat = [kind, value, 1]

    def alloc(self, cpu, frame, order):
        if frame in self.live:
            return  # one public function by way of another
        if not self.spare[cpu]:
            self.spare[cpu].append(self.numbers[cpu])
            self.numbers[cpu] += CPUS
        self.live[frame] = self.spare[cpu].pop()
        self.event(cpu, KIND_ALLOC, order)

    def free(self, cpu, frame):
        block = self.live.pop(frame)
        self.spare[block % CPUS].append(block)
        self.event(cpu, KIND_FREE, block - self.freed[cpu])
        self.freed[cpu] = block

    def give(self, frame, pages):
        self.flush()
        self.out += bytes([KIND_OTHER]) + number(frame) + number(pages)
        self.low = frame if self.low is None else min(self.low, frame)
        self.high = max(self.high, frame + pages)

    def file(self):
        self.flush()
        start = self.low // SECTION * SECTION
        head = "granule packing trace 1: frames %d+%d, %d blocks, %d events\n" % (
            start, self.high - start, max(self.numbers), self.events)
        return head.encode() + bytes(self.out)


def events_of(words):
    """(kind, cpu, order, frame, pages), without the frees that were refused."""
    events = []
    waiting = {}  # frame: index of its last free
    i = 0
    while i < len(words):
        word = words[i]
        kind, order, cpu, frame = word & 15, word >> 4 & 31, word >> 9 & 1023, word >> 19
        if kind == GIVE:
            i += 1
            events.append((GIVE, cpu, 0, frame, words[i]))
        elif kind == REFUSED:
            events[waiting.pop(frame)] = None
        else:
            if kind == FREE:
                waiting[frame] = len(events)
            events.append((kind, cpu, order, frame, 0))
        i += 1
    return [e for e in events if e]


def pack(words, limit):
    packer = Packer()
    seen = set()
    for kind, cpu, order, frame, pages in events_of(words):
        if packer.events >= limit:
            break
        if kind == GIVE:
            packer.give(frame, pages)
        elif kind == ALLOC:
            seen.add(frame)
            packer.alloc(cpu, frame, order)
        elif frame in packer.live:
            packer.free(cpu, frame)
        elif frame not in seen:
            sys.exit("record: frame %#x is freed, and nobody was seen to allocate it: record.c misses a function" % frame)
    return packer.file()


def dump(path):
    with open(path, "rb") as file:
        print(file.readline().decode().rstrip())
        data = file.read()
    at = cpu = 0
    freed, step = [0] * CPUS, [0] * CPUS

    def more(value, shift):
        nonlocal at
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                return value

    def free(times):
        for _ in range(times):
            freed[cpu] += step[cpu]
            print("%d free %d" % (cpu, freed[cpu]))

    while at < len(data):
        byte = data[at]
        at += 1
        kind, value = byte & 3, byte >> 2 & 31
        if kind == KIND_ALLOC:
            print("%d alloc %d x %d" % (cpu, value, 1 + (more(0, 0) if byte & 128 else 0)))
        elif kind == KIND_FREE:
            value = more(value, 5) if byte & 128 else value
            step[cpu] = value // 2 if value % 2 == 0 else -(value + 1) // 2
            free(1)
        elif kind == KIND_CPU:
            cpu = value & 7
            if value >> 3 == 1:
                print("%d alloc 0 x 1" % cpu)
            elif value >> 3 == 2:
                free(1)
        elif value == 0:
            print("give %#x + %d" % (more(0, 0), more(0, 0)))
        else:
            free(more(0, 0))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kernel", help="record.elf")
    parser.add_argument("--objcopy", default="llvm-objcopy")
    parser.add_argument("--words", default=WORDS, help="the kernel's command line")
    parser.add_argument("--events", type=int, default=1000000, help="the first so many are kept, at most")
    parser.add_argument("--timeout", type=int, default=600)
    parser.add_argument("--raw", help="words that were recorded before, instead of a boot")
    parser.add_argument("-o", "--output", help="the trace")
    parser.add_argument("--dump", metavar="TRACE")
    args = parser.parse_args()
    if args.dump:
        dump(args.dump)
        return 0
    if args.raw:
        with open(args.raw, "rb") as raw:
            data = raw.read()
        words = struct.unpack("<%dQ" % (len(data) // 8), data)
    else:
        with tempfile.TemporaryDirectory() as folder:
            words = boot(args.kernel, args.objcopy, folder, args.words, args.timeout)
    trace = pack(words, args.events)
    with open(args.output, "wb") as file:
        file.write(trace)
    print("%s: %d bytes, %s" % (args.output, len(trace), trace.split(b"\n")[0].decode().split(": ")[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
