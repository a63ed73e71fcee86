/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate of a flattened tree: header and blocks, then one pass that checks every token. What passes here can be
 * walked without leaving the blob; what does not is refused with one sentence.
 *
 * Section numbers are those of the Devicetree Specification v0.4.
 */
#include "lib/fdt_blob.h"
#include "lib/string.h"

#define FDT_MAGIC 0xd00dfeedU

/* Header fields (5.2), byte offsets. */
enum {
	H_TOTALSIZE = 4,
	H_OFF_STRUCT = 8,
	H_OFF_STRINGS = 12,
	H_OFF_RSVMAP = 16,
	H_VERSION = 20,
	H_LAST_COMP_VERSION = 24,
	H_BOOT_CPU = 28,
	H_SIZE_STRINGS = 32,
	H_SIZE_STRUCT = 36, /* version 17 */
};

/* Where a block of unknown length that starts at off ends at the latest: at the next block, or with the blob. */
static size_t next_block(size_t off, size_t end, size_t a, size_t b)
{
	if (a >= off && a < end)
		end = a;
	if (b >= off && b < end)
		end = b;
	return end;
}

static size_t block_end(size_t so_far, size_t off, size_t len)
{
	return max_u64(so_far, off + len);
}

/*
 * [FD1] [FD2] [FD3] [FD4] Fills in what the header says and checks each block against totalsize, by subtraction: off +
 * len could wrap. rsv_count is left as the most entries for which there is room. Returns NULL or the reason.
 */
static const char *read_header(struct fdt *fdt, const uint8_t *h)
{
	uint32_t version;
	size_t header, strings;

	if (!h || ((uintptr_t)h & 7) != 0)
		return "the blob is not 8-byte aligned";
	if (be32(h) != FDT_MAGIC)
		return "no device tree magic";
	version = be32(h + H_VERSION);
	if (version < 16 || be32(h + H_LAST_COMP_VERSION) > 17 || be32(h + H_LAST_COMP_VERSION) > version)
		return "the version is older than 16 or cannot be read as 17";
	header = version >= 17 ? H_SIZE_STRUCT + 4 : H_SIZE_STRUCT;
	fdt->blob = h;
	fdt->totalsize = be32(h + H_TOTALSIZE);
	fdt->struct_off = be32(h + H_OFF_STRUCT);
	fdt->strings_off = be32(h + H_OFF_STRINGS);
	fdt->rsv_off = be32(h + H_OFF_RSVMAP);
	fdt->boot_cpu = be32(h + H_BOOT_CPU);
	fdt->strings_len = be32(h + H_SIZE_STRINGS);
	if (fdt->totalsize < header)
		return "totalsize is smaller than the header";
	if (fdt->totalsize > FDT_MAX_SIZE)
		return "totalsize is larger than 2 MiB";

	if (fdt->struct_off < header || fdt->struct_off > fdt->totalsize || fdt->strings_off < header ||
	    fdt->strings_off > fdt->totalsize || fdt->rsv_off < header || fdt->rsv_off > fdt->totalsize)
		return "a block starts outside the blob or inside its header";
	if ((fdt->struct_off & 3) != 0 || (fdt->rsv_off & 7) != 0)
		return "a block is not aligned";
	if (fdt->strings_len > fdt->totalsize - fdt->strings_off)
		return "the strings block runs out of the blob";

	/* An empty strings block bounds nothing. */
	strings = fdt->strings_len != 0 ? fdt->strings_off : fdt->totalsize;
	if (version >= 17)
		fdt->struct_len = be32(h + H_SIZE_STRUCT);
	else
		fdt->struct_len = next_block(fdt->struct_off, fdt->totalsize, fdt->rsv_off, strings) - fdt->struct_off;
	if (fdt->struct_len > fdt->totalsize - fdt->struct_off)
		return "the structure block runs out of the blob";
	fdt->rsv_count =
		(next_block(fdt->rsv_off, fdt->totalsize, fdt->struct_off, strings) - fdt->rsv_off) / FDT_RSV_ENTRY;

	fdt->used = block_end(header, fdt->struct_off, fdt->struct_len);
	fdt->used = block_end(fdt->used, fdt->strings_off, fdt->strings_len);
	fdt->used = block_end(fdt->used, fdt->rsv_off, fdt->rsv_count * FDT_RSV_ENTRY);
	return NULL;
}

/* [FD1] */
const char *fdt_probe(const void *header, size_t *used, size_t *totalsize)
{
	struct fdt fdt;
	const char *why = read_header(&fdt, header);

	if (why)
		return why;
	*used = fdt.used;
	*totalsize = fdt.totalsize;
	return NULL;
}

/*
 * [FD7] Counts the entries before the terminator (5.3.2: both fields zero; an entry with only a zero size is an
 * entry).
 */
static const char *check_reservations(struct fdt *fdt)
{
	const uint8_t *p = fdt->blob + fdt->rsv_off;

	for (size_t i = 0; i < fdt->rsv_count; i++, p += FDT_RSV_ENTRY) {
		if ((load32(p) | load32(p + 4) | load32(p + 8) | load32(p + 12)) == 0) {
			fdt->rsv_count = i;
			return NULL;
		}
	}
	return "the reservation block has no terminator";
}

/* Checks the name of the node that starts at off; *end is the token after it. */
static const char *check_name(const struct fdt *fdt, size_t off, bool root, size_t *end)
{
	const uint8_t *s = structure(fdt);
	size_t i = off + 4;

	for (; i < fdt->struct_len && s[i] != 0; i++) {
		if (s[i] == '/' && !root)
			return "a node's name holds a slash";
	}
	if (i == fdt->struct_len)
		return "a node's name is not terminated";
	if (i == off + 4 && !root)
		return "a node has no name";
	*end = ALIGN_UP(i + 1, 4);
	return NULL;
}

/* Notes a child of the root that has one of the names; the first of each counts. */
static void note_child(struct fdt *fdt, size_t off)
{
	const char *name = (const char *)structure(fdt) + off + 4;

	if (fdt->aliases == FDT_NONE && strcmp(name, "aliases") == 0)
		fdt->aliases = (int)off;
	else if (fdt->chosen == FDT_NONE && strcmp(name, "chosen") == 0)
		fdt->chosen = (int)off;
	else if (fdt->reserved_memory == FDT_NONE && strcmp(name, "reserved-memory") == 0)
		fdt->reserved_memory = (int)off;
}

static void no_nodes(struct fdt *fdt)
{
	fdt->root = FDT_NONE;
	fdt->aliases = FDT_NONE;
	fdt->chosen = FDT_NONE;
	fdt->reserved_memory = FDT_NONE;
}

/*
 * [FD5] [FD6] The one full pass over the structure block. Afterwards struct_len ends with FDT_END and strings_len with
 * a NUL, so that any name offset below strings_len is a terminated name.
 */
static const char *check_structure(struct fdt *fdt)
{
	const uint8_t *s = structure(fdt);
	size_t off = 0, end, len = fdt->struct_len;
	const char *why;
	int depth = -1;
	bool properties = false; /* may one stand here (5.4.2: before the children) */

	while (fdt->strings_len != 0 && *string_at(fdt, fdt->strings_len - 1) != 0)
		fdt->strings_len--;
	no_nodes(fdt);
	for (;;) {
		if (off > len || len - off < 4)
			return "the structure block ends without FDT_END";
		switch (be32(s + off)) {
		case FDT_NOP:
			off += 4;
			break;
		case FDT_BEGIN_NODE:
			if (depth < 0 && fdt->root != FDT_NONE)
				return "there are two root nodes";
			if (depth + 1 >= FDT_MAX_DEPTH)
				return "the nodes are nested too deeply";
			if (depth < 0)
				fdt->root = (int)off;
			why = check_name(fdt, off, depth < 0, &end);
			if (why)
				return why;
			if (++depth == 1)
				note_child(fdt, off);
			off = end;
			properties = true;
			break;
		case FDT_END_NODE:
			if (depth < 0)
				return "FDT_END_NODE without a node";
			depth--;
			properties = false;
			off += 4;
			break;
		case FDT_PROP:
			if (!properties)
				return depth < 0 ? "a property stands outside any node"
						 : "a property follows a child node";
			if (len - off < 12 || be32(s + off + 4) > len - off - 12)
				return "a property runs out of the structure block";
			if (be32(s + off + 8) >= fdt->strings_len)
				return "a property's name is outside the strings block or not terminated";
			off += 12 + ALIGN_UP((size_t)be32(s + off + 4), 4);
			break;
		case FDT_END:
			if (depth >= 0)
				return "FDT_END inside a node";
			if (fdt->root == FDT_NONE)
				return "there is no root node";
			fdt->struct_len = off + 4;
			return NULL;
		default:
			return "there is an unknown token in the structure block";
		}
	}
}

/* [FD1] [FD3] */
bool fdt_open(struct fdt *fdt, const void *blob, size_t readable)
{
	const char *why;
	size_t strings_end;

	memset(fdt, 0, sizeof(*fdt));
	if (readable < FDT_HEADER_SIZE)
		why = "the blob is shorter than a header";
	else
		why = read_header(fdt, blob);
	if (!why && fdt->used > readable)
		why = "the blob is longer than what may be read of it";
	strings_end = fdt->strings_off + fdt->strings_len;
	if (!why)
		why = check_reservations(fdt);
	if (!why)
		why = check_structure(fdt);
	if (why)
		memset(fdt, 0, sizeof(*fdt));
	fdt->error = why;
	fdt->error_node = FDT_NONE;
	fdt->cursor.depth = -1;
	if (why) {
		no_nodes(fdt);
		return false;
	}
	fdt->used = block_end(strings_end, fdt->struct_off, fdt->struct_len);
	fdt->used = block_end(fdt->used, fdt->rsv_off, (fdt->rsv_count + 1) * FDT_RSV_ENTRY);
	return true;
}
