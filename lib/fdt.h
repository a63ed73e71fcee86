/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flattened device tree, read only (Devicetree Specification v0.4, chapter 5). Bounded: no length, offset or name in
 * the blob is believed before it has been checked against the blob; no recursion; nothing is written or allocated.
 * Knows the format, not the meaning: lib/fdt_mem.h says what memory nodes and reservations are.
 */
#ifndef LIB_FDT_H
#define LIB_FDT_H

#include "lib/defs.h"

#define FDT_HEADER_SIZE 40
#define FDT_MAX_SIZE MIB(2) /* Linux arm64 boot protocol */
#define FDT_MAX_DEPTH 64

/* Where a walk stands, with the way there: path[0] is the root, path[depth] the node itself. Private to lib/fdt.c. */
struct fdt_cursor {
	int depth; /* < 0: nowhere yet */
	int path[FDT_MAX_DEPTH];
};

/* A checked view of a blob. Fill it with fdt_open(); do not write the fields. */
struct fdt {
	const uint8_t *blob;
	size_t used;	   /* bytes from blob that header, blocks and strings really occupy: at most totalsize */
	size_t totalsize;  /* what the header claims */
	size_t struct_off; /* structure block */
	size_t struct_len;
	size_t strings_off;
	size_t strings_len;
	size_t rsv_off;	  /* memory reservation block */
	size_t rsv_count; /* entries before its terminator */
	int root;
	int aliases; /* the root's children that are asked for again and again, or FDT_NONE (chapters 3.3, 3.5, 3.6) */
	int chosen;
	int reserved_memory;
	uint32_t boot_cpu;
	const char *error;	  /* why the last call that could set it failed: a constant sentence; or NULL */
	int error_node;		  /* the node it speaks of, or FDT_NONE */
	struct fdt_cursor cursor; /* of fdt_tuple(): tuples asked for in tree order cost one pass over the blob */
};

/*
 * What the header alone says, for a caller that has only FDT_HEADER_SIZE bytes mapped: how many bytes of the blob must
 * be readable (*used: the blocks' extent) and how many belong to it (*totalsize). Returns NULL, or why the blob is not
 * one. The header must be 8-byte aligned. Versions 16 and 17, and later ones that say they can be read as 17. The
 * header does not tell the length of the reservation block, nor in version 16 that of the structure block: each may
 * reach the next block or totalsize.
 */
must_check const char *fdt_probe(const void *header, size_t *used, size_t *totalsize);

/*
 * Opens a blob of which `readable` bytes may be read. Checks header, block bounds, the whole structure block (tokens,
 * names, property lengths, name offsets, depth, one root, FDT_END) and the reservation block's terminator once, so
 * that what follows cannot leave the blob, and makes fdt->used exact. Returns true; or false with fdt->error set and a
 * tree without nodes. After it no function here reads outside the blob, whatever integer it is given as a node.
 */
must_check bool fdt_open(struct fdt *fdt, const void *blob, size_t readable);

/* A node is the offset of its FDT_BEGIN_NODE token in the structure block; FDT_NONE where there is none. */
#define FDT_NONE (-1)

int fdt_root(const struct fdt *fdt);
/* The next node in document order, or FDT_NONE; *depth (may be NULL) is updated: root is 0. */
int fdt_next_node(const struct fdt *fdt, int node, int *depth);
/*
 * The first node in document order, from `node` on and that one too, that has the property. One pass over what lies
 * between, where fdt_next_node() and fdt_prop() would make two.
 */
int fdt_next_with(const struct fdt *fdt, int node, const char *prop);
int fdt_first_child(const struct fdt *fdt, int node);
int fdt_next_sibling(const struct fdt *fdt, int node);
int fdt_parent(const struct fdt *fdt, int node);
const char *fdt_node_name(const struct fdt *fdt, int node);
/*
 * Absolute path ("/soc@0/serial@1"), or one that starts at an alias; ends at NUL, ':' or len. A component without '@'
 * also names the first child that has a unit address ("/memory"). FDT_NONE when absent.
 */
int fdt_find(const struct fdt *fdt, const char *path, size_t len);
int fdt_by_phandle(const struct fdt *fdt, uint32_t phandle);
/*
 * Writes the node's path with NUL, cut to n bytes; returns the length wanted (0: no such node). A byte that does not
 * print is written '?', so that a name cannot play with a terminal.
 */
int fdt_path(const struct fdt *fdt, int node, char *buf, size_t n);

/* The property's bytes and length, or NULL. */
const void *fdt_prop(const struct fdt *fdt, int node, const char *name, size_t *len);
/* A cell or two; false when absent or of another length. */
bool fdt_prop_u32(const struct fdt *fdt, int node, const char *name, uint32_t *out);
/* A NUL-terminated string inside the property, or NULL. */
const char *fdt_prop_string(const struct fdt *fdt, int node, const char *name);
/* Whether one of the node's `compatible` strings is name. */
bool fdt_compatible(const struct fdt *fdt, int node, const char *name);
/* status absent, "okay" or "ok" (chapter 2.3.4). */
bool fdt_enabled(const struct fdt *fdt, int node);

/*
 * #address-cells / #size-cells that apply to the node's children (defaults 2 and 1, chapter 2.3.5). Any number: who
 * uses one above 4 refuses it. UINT32_MAX when the property is not one cell.
 */
unsigned fdt_address_cells(const struct fdt *fdt, int node);
unsigned fdt_size_cells(const struct fdt *fdt, int node);
/* Big-endian number of `cells` (0..4) cells at p, of any alignment; false when it does not fit 64 bits or cells > 4. */
bool fdt_read_cells(const void *p, unsigned cells, uint64_t *out);

/*
 * The i-th (address, size) tuple of the property (fdt_reg: of `reg`), cells as the parent says, translated through
 * every ancestor's `ranges` to the CPU's addresses: empty is identity, and a bus without one cannot be seen through
 * (chapter 2.3.8). 1: stored, and base + size - 1 does not wrap (size may be 0); 0: no such tuple or property; -1:
 * malformed or not translatable (fdt->error says how, fdt->error_node where).
 */
must_check int fdt_tuple(struct fdt *fdt, int node, const char *name, unsigned i, uint64_t *base, uint64_t *size);
must_check int fdt_reg(struct fdt *fdt, int node, unsigned i, uint64_t *base, uint64_t *size);

/* The i-th /memreserve/ entry: 1, or 0 at the end. */
int fdt_memreserve(const struct fdt *fdt, unsigned i, uint64_t *base, uint64_t *size);

#endif
