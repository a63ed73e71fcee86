# SPDX-License-Identifier: BSD-2-Clause
"""One boot in QEMU: from a description of the machine to exit status and text. Knows QEMU's ways in, not what is expected.

Ways in (form):
  image   -kernel granule.img: QEMU's own Linux boot protocol, x0 = its device tree.
  elf     -kernel granule.elf: QEMU leaves x0 = 0 and puts its tree at the start of RAM.
  loader  the image, a tree of ours and a six-instruction stub by `-device loader`: any bank layout, any address, any EL.
          (Not -dtb: QEMU rewrites the memory nodes of what it is given there.)
  direct  the image by `-device loader`, entered at its first byte with all registers zero.
  uboot   U-Boot as firmware, told by its prompt to `booti`.
"""
import os
import re
import shutil
import struct
import subprocess
import threading
import time

import fdt

QEMU = os.environ.get("QEMU", "qemu-system-aarch64")
UBOOT = os.environ.get("UBOOT", "/usr/lib/u-boot/qemu_arm64/u-boot.bin")
RAM_BASE = 0x40000000
MIB = 1 << 20
GIB = 1 << 30


class MachineError(Exception):
    """The check itself cannot run (QEMU, U-Boot or the image is missing): a failure, never a skip."""


class Machine:
    """A QEMU machine without anything in it. el: 1, 2 or 3, the level at which the first instruction runs."""

    def __init__(self, cpu="cortex-a53", el=1, smp=1, ram=512 * MIB, board="virt", options=(), extra=()):
        self.cpu, self.el, self.smp, self.ram, self.board = cpu, el, smp, ram, board
        self.options, self.extra = tuple(options), tuple(extra)

    def argv(self, dumpdtb=None):
        m = [self.board] + list(self.options)
        if self.board == "virt":
            m += {1: [], 2: ["virtualization=on"], 3: ["secure=on"]}[self.el]
        backend = []
        own_memory = any("memdev" in e or "maxmem" in e for e in self.extra)
        if self.ram >= 4 * GIB and self.board == "virt" and not own_memory:
            # Not backed until touched: a TiB costs what the guest writes.
            backend = ["-object", "memory-backend-ram,id=m0,size=%dM,reserve=off" % (self.ram // MIB)]
            m.append("memory-backend=m0")
        if dumpdtb:
            m.append("dumpdtb=" + dumpdtb)
        out = [QEMU, "-M", ",".join(m)] + backend
        if self.cpu:
            out += ["-cpu", self.cpu]
        if "maxmem" not in " ".join(self.extra):
            out += ["-m", "%dM" % (self.ram // MIB)]
        return out + ["-smp", str(self.smp), "-display", "none", "-nic", "none", "-no-reboot", "-monitor", "none",
                      "-parallel", "none"] + list(self.extra)

    def tree(self, folder, more=()):
        """QEMU's own device tree of this machine (with more arguments), parsed."""
        path = os.path.join(folder, "qemu.dtb")
        run = subprocess.run(self.argv(dumpdtb=path) + list(more), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, timeout=60, check=False)
        if run.returncode or not os.path.exists(path):
            raise MachineError("dumpdtb: " + run.stdout.decode(errors="replace"))
        with open(path, "rb") as f:
            return fdt.Tree.parse(f.read())


class Loader:
    """What goes where in the form `loader`. tree: function(Tree of QEMU) -> Tree or bytes. files: [(address, bytes)].

    firmware: the stub is the machine's firmware, in flash at address 0. QEMU allows a pc-dimm only where there is some.
    """

    def __init__(self, tree, image_at=0x40200000, dtb_at=0x48000000, stub_at=0x40100000, x0=None, files=(), stub=None,
                 all_cpus=False, firmware=False):
        self.tree, self.image_at, self.dtb_at, self.stub_at = tree, image_at, dtb_at, stub_at
        self.x0 = dtb_at if x0 is None else x0
        self.files, self.stub, self.all_cpus, self.firmware = files, stub, all_cpus, firmware


def words(*values):
    return struct.pack("<%dI" % len(values), *values)


def plain_stub(x0, image):
    """ldr x0, =x0; mov x1, #0; mov x2, #0; mov x3, #0; ldr x4, =image; br x4."""
    return words(0x580000C0, 0xD2800001, 0xD2800002, 0xD2800003, 0x58000084, 0xD61F0080) + struct.pack("<QQ", x0, image)


def mmu_on_stub(el, table_at):
    """A loader that leaves the MMU and the caches on: identity map in 1 GiB blocks (table_at: mmu_on_table())."""
    common = 25 | 1 << 8 | 1 << 10 | 3 << 12  # T0SZ 39 bits, write-back, inner shareable, 4 KiB
    tcr = common | 1 << 23 | 2 << 32 if el == 1 else common | 2 << 16 | 1 << 23 | 1 << 31
    base = 0xD5180000 if el == 1 else 0xD51C0000

    def stub(x0, image):
        code = [
            base | 0xA200 | 5,       # msr mair_elN, x5
            base | 0x2040 | 6,       # msr tcr_elN, x6
            base | 0x2000 | 7,       # msr ttbr0_elN, x7
            0xD508871F if el == 1 else 0xD50C871F,  # tlbi vmalle1 / alle2
            0xD5033F9F, 0xD5033FDF,  # dsb sy; isb
            base | 0x200000 | 0x1000 | 8,  # mrs x8, sctlr_elN
            0xAA090108,              # orr x8, x8, x9
            base | 0x1000 | 8,       # msr sctlr_elN, x8
            0xD5033FDF,              # isb
            0xD2800001, 0xD2800002, 0xD2800003,
            0xD61F0080,              # br x4
        ]
        # Literals behind the code: x0, x4 = image, x5 = MAIR, x6 = TCR, x7 = table, x9 = SCTLR.{I,C,M}.
        values = ((0, x0), (4, image), (5, 0x00FF), (6, tcr), (7, table_at), (9, 1 | 1 << 2 | 1 << 12))
        n = len(values) + len(code)
        n += n & 1
        loads = [0x58000000 | (n + 2 * i - i) << 5 | reg for i, (reg, _) in enumerate(values)]
        text = loads + code + [0xD503201F] * (n - len(loads) - len(code))
        return words(*text) + b"".join(struct.pack("<Q", v) for _, v in values)

    return stub


def mmu_on_table():
    """512 blocks of 1 GiB, identity: the first Device, the others Normal (MAIR 0x00ff: index 0 write-back, 1 Device)."""
    return b"".join(struct.pack("<Q", i << 30 | 1 << 10 | (1 << 2 if i == 0 else 3 << 8) | 1) for i in range(512))


def late_cpu_stub(late):
    """A hypervisor below the kernel, which is entered at EL1 and calls PSCI by HVC. It tells the truth but for CPU_ON, which
    succeeds: the CPU stays off, or (late) is started and waits 1.25 s before it goes where it was sent, at EL2. 4 KiB."""

    def stub(x0, image):
        start = words(
            0x10004009, 0xD51CC009,  # adr x9, vectors; msr vbar_el2, x9
            0xD2B00009, 0xD51C1109,  # mov x9, #1 << 31 (RW); msr hcr_el2, x9
            0xD28078A9, 0xD51C4009,  # mov x9, #0x3c5 (EL1h, DAIF); msr spsr_el2, x9
            0x58000200, 0x58000224,  # ldr x0, dtb; ldr x4, image
            0xD51C4024, 0xD2800001, 0xD2800002, 0xD2800003, 0xD69F03E0,  # msr elr_el2, x4; mov x1 to x3, #0; eret
            # late, at 0x34
            0xD53BE029, 0xD53BE00A,  # mrs x9, cntpct_el0; mrs x10, cntfrq_el0
            0x8B0A0129, 0x8B4A0929,  # add x9, x9, x10; add x9, x9, x10, lsr #2
            0xD53BE02A, 0xEB09015F, 0x54FFFFC3,  # 1: mrs x10, cntpct_el0; cmp x10, x9; b.lo 1b
            0x580000C9, 0xD61F0120,  # ldr x9, entry; br x9
        ) + struct.pack("<QQQ", x0, image, 0)  # dtb, image, entry
        call = words(  # vectors + 0x400: a synchronous exception of EL1
            0x52800069, 0x72B88009, 0x6B09001F, 0x54000060,  # mov w9, #CPU_ON; cmp w0, w9; b.eq 2f
            0xD4000003, 0xD69F03E0)  # smc #0; eret
        if late:  # 2: adr x9, entry; str x2, [x9]; adr x2, late; smc #0; eret
            call += words(0xD503201F, 0x10FFA269, 0xF9000122, 0x10FFA082, 0xD4000003, 0xD69F03E0)
        else:  # 2: mov x0, #0; eret
            call += words(0xD2800000, 0xD69F03E0)
        return start.ljust(0x800 + 0x400, b"\0") + call

    return stub


class Result:
    """status: of QEMU; serial: what came over the serial line; text: that, then standard error with semihosting's."""

    def __init__(self, status, serial, text, seconds, timed_out):
        self.status, self.serial, self.text, self.seconds, self.timed_out = status, serial, text, seconds, timed_out


def image_header(path):
    """(text_offset, image_size, flags) of an arm64 Linux Image."""
    with open(path, "rb") as f:
        head = f.read(64)
    if len(head) < 64 or head[56:60] != b"ARM\x64":
        raise MachineError("%s is no arm64 Image" % path)
    return struct.unpack_from("<QQQ", head, 8)


class Boot:
    """machine + form + what the form needs. run() boots once in `folder`, which keeps every file and log of it."""

    def __init__(self, machine, form="image", args="", initrd=None, loader=None, dtb=None, talk=(), elf="granule.elf"):
        """talk: [(regular expression, line)]: what is typed when the text since the last line ends like that. elf: the file that form "elf" boots."""
        self.machine, self.form, self.args, self.initrd = machine, form, args, initrd
        self.loader, self.dtb, self.talk, self.elf = loader, dtb, list(talk), elf

    def command(self, folder, build):
        """The QEMU command line; writes the files it names into folder."""
        img, elf = os.path.join(build, "granule.img"), os.path.join(build, self.elf)

        def put(name, data):
            path = os.path.join(folder, name)
            with open(path, "wb") as f:
                f.write(data)
            return path

        argv = self.machine.argv() + ["-semihosting-config", "enable=on,target=native"]
        if self.form in ("image", "elf"):
            argv += ["-kernel", img if self.form == "image" else elf]
            if self.args:
                argv += ["-append", self.args]
            if self.initrd is not None:
                argv += ["-initrd", put("initrd", self.initrd)]
            if self.dtb is not None:  # boards that make no tree of their own
                argv += ["-dtb", put("board.dtb", self.dtb.build(pad=4096))]
        elif self.form == "direct":
            at = 0x40200000
            argv += ["-device", "loader,file=%s,addr=%#x,force-raw=on" % (img, at),
                     "-device", "loader,addr=%#x,cpu-num=0" % at]
        elif self.form == "loader":
            lay = self.loader
            stub = (lay.stub or plain_stub)(lay.x0, lay.image_at)
            firmware = ["-bios", put("firmware.bin", stub)] if lay.firmware else []
            argv += firmware
            made = lay.tree(self.machine.tree(folder, firmware))
            if isinstance(made, fdt.Tree):
                if made.root.need("chosen").get("bootargs") is None:
                    made.bootargs(self.args)
                made = made.build()
            files = [(lay.dtb_at, made)] + list(lay.files) + ([] if firmware else [(lay.stub_at, stub)])
            for i, (at, data) in enumerate(files):
                argv += ["-device", "loader,file=%s,addr=%#x,force-raw=on" % (put("file%d" % i, data), at)]
            argv += ["-device", "loader,file=%s,addr=%#x,force-raw=on" % (img, lay.image_at)]
            for cpu in range(0 if firmware else self.machine.smp if lay.all_cpus else 1):
                argv += ["-device", "loader,addr=%#x,cpu-num=%d" % (lay.stub_at, cpu)]
        elif self.form == "uboot":
            if not os.path.exists(UBOOT):
                raise MachineError("%s is missing (package u-boot-qemu)" % UBOOT)
            argv += ["-bios", UBOOT, "-device", "loader,file=%s,addr=0x42000000,force-raw=on" % img]
        else:
            raise ValueError(self.form)
        return argv

    def run(self, folder, build, timeout):
        if not shutil.which(QEMU):
            raise MachineError("%s is missing (package qemu-system-arm)" % QEMU)
        os.makedirs(folder, exist_ok=True)
        argv = self.command(folder, build)
        talk = list(self.talk)
        if self.form == "uboot":
            prompt = r"(^|\n|\r)=> $"
            talk = [(r"stop autoboot:", ""), (prompt, "setenv bootargs " + self.args),
                    (prompt, "booti 0x42000000 - ${fdtcontroladdr}")] + talk
        serial = os.path.join(folder, "serial.log")
        argv += ["-serial", "stdio" if talk else "file:" + serial]
        with open(os.path.join(folder, "command"), "w", encoding="utf-8") as f:
            f.write(" ".join(argv) + "\n")
        start = time.monotonic()
        with open(os.path.join(folder, "stderr.log"), "wb") as err, open(serial, "wb") as log:
            child = subprocess.Popen(argv, stdin=subprocess.PIPE if talk else subprocess.DEVNULL,
                                     stdout=subprocess.PIPE if talk else err, stderr=err)
            speaker = None
            if talk:
                speaker = threading.Thread(target=self._converse, args=(child, log, talk), daemon=True)
                speaker.start()
            timed_out = False
            try:
                child.wait(timeout)
            except subprocess.TimeoutExpired:
                timed_out = True
                child.kill()
                child.wait()
            if speaker:
                speaker.join(5)
        texts = []
        for name in ("serial.log", "stderr.log"):
            with open(os.path.join(folder, name), "rb") as f:
                texts.append(f.read().decode("utf-8", errors="replace").replace("\r", ""))
        both = "\n".join(part for part in texts if part)
        return Result(child.returncode, texts[0], both, time.monotonic() - start, timed_out)

    @staticmethod
    def _converse(child, log, talk):
        """Copies the serial line to the log and types what `talk` says, each line after its prompt."""
        fd = child.stdout.fileno()
        seen = b""
        while True:
            data = os.read(fd, 4096)
            if not data:
                return
            log.write(data)
            log.flush()
            seen += data
            if talk and re.search(talk[0][0].encode(), seen):
                seen = b""
                try:
                    child.stdin.write(talk.pop(0)[1].encode() + b"\r")
                    child.stdin.flush()
                except BrokenPipeError:
                    return
