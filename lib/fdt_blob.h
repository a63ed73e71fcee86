/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the words of a flattened tree are read: shared by the files that implement lib/fdt.h and lib/fdt_mem.h, for
 * nobody else. The blob is 8-byte aligned and an offset is checked before it is used, so every load here is an aligned
 * one.
 */
#ifndef LIB_FDT_BLOB_H
#define LIB_FDT_BLOB_H

#include "lib/fdt.h"

/* Structure block tokens (5.4.1). */
enum {
	FDT_BEGIN_NODE = 1,
	FDT_END_NODE = 2,
	FDT_PROP = 3,
	FDT_NOP = 4,
	FDT_END = 9,
};

#define FDT_RSV_ENTRY 16 /* bytes of a reservation entry: address, size (5.3.2) */

typedef uint32_t __attribute__((may_alias)) blob_word_t;

/* p is 4-byte aligned. */
static inline uint32_t load32(const uint8_t *p)
{
	return *(const blob_word_t *)(const void *)p;
}

static inline uint32_t be32(const uint8_t *p)
{
	uint32_t v = load32(p);

	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap32(v) : v;
}

static inline const uint8_t *structure(const struct fdt *fdt)
{
	return fdt->blob + fdt->struct_off;
}

static inline const char *string_at(const struct fdt *fdt, size_t off)
{
	return (const char *)fdt->blob + fdt->strings_off + off;
}

/* Moves the cursor to the node, forwards from where it stands if it can. False: there is no such node. */
bool fdt_locate(const struct fdt *fdt, struct fdt_cursor *c, int node);

/* At the start of every call that may fail. */
static inline void fdt_no_error(struct fdt *fdt)
{
	fdt->error = NULL;
	fdt->error_node = FDT_NONE;
}

static inline int fdt_fail(struct fdt *fdt, int node, const char *why)
{
	fdt->error = why;
	fdt->error_node = node;
	return -1;
}

#endif
