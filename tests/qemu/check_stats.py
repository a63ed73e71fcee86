# SPDX-License-Identifier: BSD-2-Clause
"""What `stats --json` prints, judged: one JSON object with exactly the keys that docs/stats.md describes, whose figures agree.

tools/stats.py takes the object out of the log, and Python's json module parses it. The figures are compared with each other
and with what the row knows of its machine.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))

import stats as tool  # noqa: E402

ORDERS = 19
KINDS = ("free", "memreserve", "reserved", "initrd", "dtb", "image", "nomap")
EXTENT = {"base": int, "size": int}
NODE = (int, type(None))
# Key: type, or types; a dict: an object; a list: an array of what stands in it. A key that ends in ? may be missing.
SCHEMA = {
    "schema": str,
    "version": int,
    "machine": {"model": str, "entry_el": int, "cpus_described": int, "cpus_online": int, "page_size": int,
                "image": EXTENT, "dtb": EXTENT},
    "ram": dict([("total", int)] + [(kind, int) for kind in KINDS]),
    "claims": [{"base": int, "size": int, "kind": str, "source": str, "node?": int, "placed": bool, "reusable": bool}],
    "pieces": [{"base": int, "size": int, "kind": str, "node": int}],
    "frames": {"total_pages": int, "free_pages": int, "cached_pages": int, "cache_limit_pages": int,
               "reserve_pages": int, "peak_used_pages": int, "new_pages": int,
               "largest_free_order": (int, type(None)), "allocs": int, "frees": int, "refills": int, "drains": int,
               "failures": int, "bad_frees": int},
    "orders": [{"order": int, "free_blocks": int, "fragmentation_permille": int}],
    "banks": [{"base": int, "pages": int, "node": int, "total_pages": int, "used_pages": int, "peak_used_pages": int,
               "reserve_pages": int, "allocs": int, "frees": int, "free_blocks": [int],
               "records": {"base": int, "size": int, "mem_map_bytes": int, "borrowed": bool}}],
    "cpus": [{"cpu": int, "node": NODE, "pages": int, "page_limit": int, "blocks": int, "block_limit": int,
              "refills": int, "drains": int, "remote_drains": int}],
    "owners": [{"tag": int, "name": str, "pages": int}],
    "tables": {"pool_needed": int, "pool_peak": int, "pool_size": int, "dynamic": int, "linear_bytes": int},
    "records": {"stolen_bytes": int, "section_table": EXTENT},
    "heap": {"reserved_bytes": int, "grown_bytes": int, "slab_bytes": int, "live_objects": int, "live_bytes": int,
             "large_objects": int, "large_bytes": int, "requested_bytes": int, "granted_bytes": int, "allocs": int,
             "frees": int, "failures": int, "bad_frees": int},
}


def is_of(value, kind):
    kinds = kind if isinstance(kind, tuple) else (kind,)
    # A bool is an int in Python, and none here; integers are never negative.
    return any(type(value) is k for k in kinds) and not (type(value) is int and value < 0)


def shape(value, schema, path=""):
    """Problems with keys and types."""
    if isinstance(schema, list):
        if not isinstance(value, list):
            return ["%s is no array" % path]
        return [p for i, v in enumerate(value) for p in shape(v, schema[0], "%s[%d]" % (path, i))]
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            return ["%s is no object" % path]
        known = {key.rstrip("?"): (sub, key.endswith("?")) for key, sub in schema.items()}
        out = ["%s.%s is missing" % (path, key) for key, (_, optional) in known.items() if key not in value and not optional]
        out += ["%s.%s is not in the schema" % (path, key) for key in value if key not in known]
        return out + [p for key in value if key in known for p in shape(value[key], known[key][0], path + "." + key)]
    return [] if is_of(value, schema) else ["%s is %r" % (path, value)]


def keys(schema):
    """Every key of the schema, and of what stands in it."""
    if isinstance(schema, list):
        return keys(schema[0])
    if isinstance(schema, dict):
        return {k.rstrip("?") for k in schema} | {k for sub in schema.values() for k in keys(sub)}
    return set()


def undocumented():
    """Keys of which docs/stats.md says nothing."""
    with open(os.path.join(HERE, "..", "..", "docs", "stats.md"), encoding="utf-8") as f:
        text = f.read()
    return sorted(k for k in keys(SCHEMA) if "`%s`" % k not in text)


def permille(free_blocks, order):
    """Of free memory, what lies in smaller blocks."""
    free = sum(n << k for k, n in enumerate(free_blocks))
    usable = sum(n << k for k, n in enumerate(free_blocks) if k >= order)
    return (free - usable) * 1000 // free if free else 1000


def sums(o):
    """Problems with figures that must agree while nobody else is at work."""
    f, blocks, used = o["frames"], [e["free_blocks"] for e in o["orders"]], o["frames"]["total_pages"] - o["frames"]["free_pages"]
    cached = f["cached_pages"]
    out = []

    def same(what, got, want):
        if got != want:
            out.append("%s: %r, not %r" % (what, got, want))

    same("version", (o["schema"], o["version"]), ("granule-stats", 1))
    same("orders", [e["order"] for e in o["orders"]], list(range(ORDERS)))
    same("free blocks", sum(n << k for k, n in enumerate(blocks)), f["free_pages"] - cached)
    same("fragmentation", [e["fragmentation_permille"] for e in o["orders"]], [permille(blocks, k) for k in range(ORDERS)])
    same("largest", f["largest_free_order"], max([k for k, n in enumerate(blocks) if n], default=None))
    same("owners", sum(e["pages"] for e in o["owners"]), used)
    same("new pages are in use", f["new_pages"] <= used, True)
    same("owners' order", [e["tag"] for e in o["owners"]], sorted({e["tag"] for e in o["owners"]}))
    for key in ("total_pages", "peak_used_pages", "reserve_pages", "allocs", "frees"):
        same("banks' " + key, sum(b[key] for b in o["banks"]), f[key])
    same("banks' used_pages", sum(b["used_pages"] for b in o["banks"]), used + cached)
    for b in o["banks"]:
        same("free blocks of a bank", sum(n << k for k, n in enumerate(b["free_blocks"])), b["total_pages"] - b["used_pages"])
        same("orders of a bank", len(b["free_blocks"]), ORDERS)
    same("banks' blocks", [sum(b["free_blocks"][k] for b in o["banks"]) for k in range(ORDERS)], blocks)
    same("cached", sum(c["pages"] + (c["blocks"] << 9) for c in o["cpus"]), cached)
    same("cache limits", sum(c["page_limit"] + (c["block_limit"] << 9) for c in o["cpus"]), f["cache_limit_pages"])
    for key in ("refills", "drains"):
        same("CPUs' " + key, sum(c[key] for c in o["cpus"]), f[key])
    same("CPUs", [c["cpu"] for c in o["cpus"]], sorted({c["cpu"] for c in o["cpus"]}))
    same("pieces", sum(p["size"] for p in o["pieces"]), o["ram"]["total"])
    ends = [(p["base"], p["base"] + p["size"]) for p in o["pieces"]]
    same("pieces' order", all(a[1] <= b[0] for a, b in zip(ends, ends[1:])), True)
    for kind in KINDS:
        same("pieces " + kind, sum(p["size"] for p in o["pieces"] if p["kind"] == kind), o["ram"][kind])
    same("RAM", sum(o["ram"][kind] for kind in KINDS), o["ram"]["total"])
    for kind, extent in (("image", o["machine"]["image"]), ("dtb", o["machine"]["dtb"])):
        same(kind, [c for c in o["claims"] if c["kind"] == kind and c["base"] == extent["base"]][:1] != [], True)
    same("banks have nodes, others none", [c["kind"] == "bank" for c in o["claims"]], ["node" in c for c in o["claims"]])
    return out


def judge(text, ram=None, cpus=None, nodes=None, claims=(), count=1, model=None, then=None):
    """
    Problems of the objects in a log. ram: bytes; cpus: described; nodes: of the banks; claims: (kind, base, size, source) that
    must be there; count: how many objects; then: function(objects) -> problems.
    """
    try:
        found = tool.objects(text)
    except ValueError as e:
        return ["stats: %s" % e]
    if len(found) != count:
        return ["stats: %d objects, not %d" % (len(found), count)]
    out = undocumented()
    out = ["stats: docs/stats.md says nothing of `%s`" % k for k in out]
    for o in found:
        problems = shape(o, SCHEMA) or sums(o)
        if problems:
            return out + ["stats: " + p for p in problems]
        if ram is not None and o["ram"]["total"] != ram:
            out.append("stats: %d bytes of RAM, not %d" % (o["ram"]["total"], ram))
        if cpus is not None and o["machine"]["cpus_described"] != cpus:
            out.append("stats: %d CPUs, not %d" % (o["machine"]["cpus_described"], cpus))
        if nodes is not None and {b["node"] for b in o["banks"]} != set(nodes):
            out.append("stats: banks of nodes %s" % sorted({b["node"] for b in o["banks"]}))
        if model is not None and o["machine"]["model"] != model:
            out.append("stats: model %r" % o["machine"]["model"])
        have = {(c["kind"], c["base"], c["size"], c["source"]) for c in o["claims"]}
        out += ["stats: no claim %r" % (c,) for c in claims if c not in have]
    return out + ["stats: " + p for p in (then(found) if then else [])]
