# SPDX-License-Identifier: BSD-2-Clause
"""A flattened device tree in Python (Devicetree Specification v0.4, chapter 5): parse, change, write, and break on purpose.

The trees that the QEMU checks boot with are QEMU's own (so that CPUs, PSCI, GIC, timer and UART are true) with other
memory, reservations and command line. What lives here knows the format; layouts stand in matrix.py.
"""
import struct

MAGIC = 0xD00DFEED
BEGIN_NODE, END_NODE, PROP, NOP, END = 1, 2, 3, 4, 9
HEADER = struct.Struct(">10I")
HEADER_FIELDS = ("magic", "totalsize", "off_struct", "off_strings", "off_rsvmap", "version", "last_comp", "boot_cpu",
                 "size_strings", "size_struct")


class FdtError(ValueError):
    """The blob is no device tree that this reader understands."""


def cells(value, n):
    """value as n big-endian cells; refuses one that does not fit."""
    return value.to_bytes(4 * n, "big")


def _encode(value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode() + b"\0"
    if isinstance(value, bool):
        raise TypeError("a flag property is set(name) without a value")
    if isinstance(value, int):
        return cells(value, 1)
    return b"".join(_encode(v) for v in value)


class Node:
    """A node: ordered properties (raw bytes) and children."""

    def __init__(self, name):
        self.name = name
        self.props = {}
        self.children = []

    def set(self, name, *values):
        """Sets a property: ints are cells, strings end in NUL, bytes stand as they are. Returns self, for chaining."""
        self.props[name] = b"".join(_encode(v) for v in values)
        return self

    def get(self, name):
        return self.props.get(name)

    def u32(self, name, default=None):
        raw = self.props.get(name)
        return default if raw is None else int.from_bytes(raw, "big")

    def add(self, name):
        child = Node(name)
        self.children.append(child)
        return child

    def child(self, name):
        """The child of that name, or whose name without its unit address it is; None when there is none."""
        for c in self.children:
            if c.name == name or c.name.split("@")[0] == name:
                return c
        return None

    def need(self, name):
        return self.child(name) or self.add(name)

    def remove(self, keep):
        """Keeps the children for which keep(child) is true."""
        self.children = [c for c in self.children if keep(c)]

    def walk(self, path=""):
        """(path, node) of this node and all below it, in document order."""
        yield path or "/", self
        for c in self.children:
            yield from c.walk(path + "/" + c.name)


class Tree:
    def __init__(self):
        self.root = Node("")
        self.memreserve = []
        self.boot_cpu = 0

    @classmethod
    def parse(cls, blob):
        """Reads a version 17 blob. The input is our own or QEMU's: what is odd raises FdtError."""
        if len(blob) < HEADER.size:
            raise FdtError("shorter than a header")
        h = dict(zip(HEADER_FIELDS, HEADER.unpack_from(blob)))
        if h["magic"] != MAGIC or h["version"] < 17:
            raise FdtError("magic %#x, version %d" % (h["magic"], h["version"]))
        tree = cls()
        tree.boot_cpu = h["boot_cpu"]
        at = h["off_rsvmap"]
        while True:
            base, size = struct.unpack_from(">QQ", blob, at)
            at += 16
            if not base and not size:
                break
            tree.memreserve.append((base, size))
        at = h["off_struct"]
        stack = []
        root = None
        while True:
            token, = struct.unpack_from(">I", blob, at)
            at += 4
            if token == BEGIN_NODE:
                end = blob.index(b"\0", at)
                node = Node(blob[at:end].decode())
                at = (end + 4) & ~3
                if stack:
                    stack[-1].children.append(node)
                elif root is None:
                    root = node
                else:
                    raise FdtError("two roots")
                stack.append(node)
            elif token == END_NODE:
                stack.pop()
            elif token == PROP:
                size, name_at = struct.unpack_from(">II", blob, at)
                name_at += h["off_strings"]
                name = blob[name_at:blob.index(b"\0", name_at)].decode()
                stack[-1].props[name] = blob[at + 8:at + 8 + size]
                at = (at + 8 + size + 3) & ~3
            elif token == END:
                break
            elif token != NOP:
                raise FdtError("token %#x at %#x" % (token, at - 4))
        if stack or root is None:
            raise FdtError("nodes left open")
        tree.root = root
        return tree

    def build(self, pad=0, totalsize=None):
        """The blob: header, reservations, structure, strings, then `pad` bytes (or up to totalsize) of zero."""
        strings = bytearray()
        names = {}
        body = bytearray()

        def name_offset(name):
            if name not in names:
                names[name] = len(strings)
                strings.extend(name.encode() + b"\0")
            return names[name]

        def emit(node):
            raw = node.name.encode() + b"\0"
            body.extend(struct.pack(">I", BEGIN_NODE) + raw + b"\0" * (-len(raw) % 4))
            for name, value in node.props.items():
                body.extend(struct.pack(">III", PROP, len(value), name_offset(name)) + value + b"\0" * (-len(value) % 4))
            for c in node.children:
                emit(c)
            body.extend(struct.pack(">I", END_NODE))

        emit(self.root)
        body.extend(struct.pack(">I", END))
        rsv = b"".join(struct.pack(">QQ", b, s) for b, s in self.memreserve) + bytes(16)
        off_rsv = HEADER.size
        off_struct = off_rsv + len(rsv)
        off_strings = off_struct + len(body)
        size = off_strings + len(strings) + pad
        if totalsize is not None:
            if totalsize < size:
                raise FdtError("totalsize %d < %d" % (totalsize, size))
            size = totalsize
        header = HEADER.pack(MAGIC, size, off_struct, off_strings, off_rsv, 17, 16, self.boot_cpu, len(strings),
                             len(body))
        blob = header + rsv + bytes(body) + bytes(strings)
        return blob + bytes(size - len(blob))

    # What the layouts say about memory, in the cells of the tree they change.

    def at(self, path):
        node = self.root
        for part in path.strip("/").split("/"):
            if part:
                node = node.child(part)
                if node is None:
                    return None
        return node

    def _reg(self, ranges, parent):
        ac, sc = parent.u32("#address-cells", 2), parent.u32("#size-cells", 1)
        return b"".join(cells(b, ac) + cells(s, sc) for b, s in ranges)

    def clear_memory(self):
        """No memory nodes, no /reserved-memory, no /memreserve/."""
        self.root.remove(lambda c: c.get("device_type") != b"memory\0" and c.name != "reserved-memory")
        self.memreserve = []
        return self

    def bank(self, *ranges, **options):
        """A memory node with these (base, size) tuples in one reg; options: name, status, numa."""
        node = self.root.add(options.get("name", "memory@%x" % (ranges[0][0] if ranges else 0)))
        node.set("device_type", "memory")
        node.set("reg", self._reg(ranges, self.root))
        if "status" in options:
            node.set("status", options["status"])
        if "numa" in options:
            node.set("numa-node-id", options["numa"])
        return node

    def reserve(self, name, *ranges, **options):
        """A child of /reserved-memory: static with ranges; options: no_map, reusable, size, alignment, alloc_ranges, status."""
        parent = self.root.child("reserved-memory")
        if parent is None:
            parent = self.root.add("reserved-memory")
            for p in ("#address-cells", "#size-cells"):
                parent.set(p, self.root.u32(p, 2 if p.startswith("#a") else 1))
            parent.set("ranges")
        node = parent.add("%s@%x" % (name, ranges[0][0]) if ranges else name)
        if ranges:
            node.set("reg", self._reg(ranges, parent))
        sc = parent.u32("#size-cells")
        for p in ("size", "alignment"):
            if p in options:
                node.set(p, cells(options[p], sc))
        if "alloc_ranges" in options:
            node.set("alloc-ranges", self._reg(options["alloc_ranges"], parent))
        for p in ("no_map", "reusable"):
            if options.get(p):
                node.set(p.replace("_", "-"))
        if "status" in options:
            node.set("status", options["status"])
        return node

    def bootargs(self, text):
        self.root.need("chosen").set("bootargs", text)
        return self


def recell(tree, address_cells, size_cells):
    """Gives the root other #address-cells/#size-cells and rewrites the reg of its children; call before adding banks."""
    root = tree.root
    old_a, old_s = root.u32("#address-cells", 2), root.u32("#size-cells", 1)
    for node in root.children:
        raw = node.get("reg")
        if raw is None:
            continue
        step = 4 * (old_a + old_s)
        out = b""
        for i in range(0, len(raw), step):
            base = int.from_bytes(raw[i:i + 4 * old_a], "big")
            size = int.from_bytes(raw[i + 4 * old_a:i + step], "big")
            out += cells(base, address_cells) + cells(size, size_cells)
        node.set("reg", out)
    root.set("#address-cells", address_cells)
    root.set("#size-cells", size_cells)
    return tree


def patch_header(blob, **fields):
    """The blob with header fields overwritten."""
    values = list(HEADER.unpack_from(blob))
    for name, value in fields.items():
        values[HEADER_FIELDS.index(name)] = value
    return HEADER.pack(*values) + blob[HEADER.size:]


def malformed(blob):
    """{name: broken blob}: each breaks one promise of chapter 5 that a reader must check for itself."""
    h = dict(zip(HEADER_FIELDS, HEADER.unpack_from(blob)))
    s, n, total = h["off_struct"], h["size_struct"], h["totalsize"]
    put = lambda at, word: blob[:at] + struct.pack(">I", word) + blob[at + 4:]
    first_prop = next(at for at in range(s, s + n, 4) if blob[at:at + 4] == struct.pack(">I", PROP))
    end_at = s + n - 4
    return {
        "magic": patch_header(blob, magic=0xFEEDFACE),
        "zeroes": bytes(len(blob)),
        "version-1": patch_header(blob, version=1, last_comp=1),
        "last-comp-18": patch_header(blob, version=18, last_comp=18),
        "totalsize-small": patch_header(blob, totalsize=HEADER.size - 1),
        "totalsize-huge": patch_header(blob, totalsize=0xFFFFFFF8),
        "struct-outside": patch_header(blob, off_struct=total + 0x1000),
        "struct-wraps": patch_header(blob, off_struct=0xFFFFFFF0, size_struct=0x20),
        "struct-unaligned": patch_header(blob, off_struct=s + 2),
        "strings-outside": patch_header(blob, size_strings=0x7FFFFFFF),
        "rsvmap-outside": patch_header(blob, off_rsvmap=total),
        "prop-length": put(first_prop + 4, 0xFFFFFFF0),
        "name-offset": put(first_prop + 8, h["size_strings"] + 4),
        "no-end": put(end_at, NOP),
        "unknown-token": put(first_prop, 0x55),
        "two-roots": _move_struct(blob, blob[s:end_at] + struct.pack(">IIII", BEGIN_NODE, 0, END_NODE, END)),
        "end-node-first": put(s, END_NODE),
        "empty-struct": put(s, END),
        "name-unterminated": patch_header(blob[:s + 4] + b"x" * (n - 4) + blob[s + n:]),
        "too-deep": _deep(5000),
    }


def _move_struct(blob, body):
    """The blob with another structure block, put behind everything else."""
    blob += bytes(-len(blob) % 8)
    return patch_header(blob + body, off_struct=len(blob), size_struct=len(body), totalsize=len(blob) + len(body))


def _deep(depth):
    """A blob of nothing but nested nodes; written flat, as build() would overflow Python's own stack."""
    body = struct.pack(">I", BEGIN_NODE) + bytes(4)
    body += (struct.pack(">I", BEGIN_NODE) + b"n\0\0\0") * depth + struct.pack(">I", END_NODE) * (depth + 1)
    body += struct.pack(">I", END)
    off_struct = HEADER.size + 16
    size = off_struct + len(body)
    return HEADER.pack(MAGIC, size, off_struct, size, HEADER.size, 17, 16, 0, 0, len(body)) + bytes(16) + body
