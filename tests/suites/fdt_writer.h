/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes flattened device trees for the suites and fuzzers, in a buffer of the caller's: well-formed ones by the calls
 * below, malformed ones by raw words and by patching the header. It shares no code with lib/fdt, so that the two can
 * disagree.
 *
 * A header of its own because every suite is a program of its own. Layout: header, reservations, structure, strings.
 */
#ifndef TESTS_SUITES_FDT_WRITER_H
#define TESTS_SUITES_FDT_WRITER_H

#include "lib/defs.h"
#include "lib/string.h"

/* Byte offsets of the header's fields. */
enum {
	FDTW_MAGIC = 0,
	FDTW_TOTALSIZE = 4,
	FDTW_OFF_STRUCT = 8,
	FDTW_OFF_STRINGS = 12,
	FDTW_OFF_RSV = 16,
	FDTW_VERSION = 20,
	FDTW_LAST_COMP = 24,
	FDTW_BOOT_CPU = 28,
	FDTW_SIZE_STRINGS = 32,
	FDTW_SIZE_STRUCT = 36,
};

/* Tokens. */
enum {
	FDTW_BEGIN = 1,
	FDTW_END_NODE = 2,
	FDTW_PROP = 3,
	FDTW_NOP = 4,
	FDTW_END = 9,
};

struct fdtw {
	uint8_t *buf;
	size_t cap;
	size_t len;	   /* bytes written */
	size_t struct_off; /* 0: still in the reservation block */
	size_t strings_len;
	bool full; /* something did not fit: fdtw_finish() returns 0 */
	char strings[1024];
};

static inline void fdtw_poke(uint8_t *buf, size_t off, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		buf[off + i] = (uint8_t)(v >> (24 - 8 * i));
}

static inline uint32_t fdtw_peek(const uint8_t *buf, size_t off)
{
	return (uint32_t)buf[off] << 24 | (uint32_t)buf[off + 1] << 16 | (uint32_t)buf[off + 2] << 8 | buf[off + 3];
}

/* Raw bytes where the writer stands. */
static inline void fdtw_bytes(struct fdtw *w, const void *p, size_t n)
{
	if (n > w->cap - w->len) {
		w->full = true;
		return;
	}
	memcpy(w->buf + w->len, p, n);
	w->len += n;
}

static inline void fdtw_word(struct fdtw *w, uint32_t v)
{
	uint8_t b[4];

	fdtw_poke(b, 0, v);
	fdtw_bytes(w, b, 4);
}

static inline void fdtw_pad(struct fdtw *w)
{
	while ((w->len & 3) != 0 && !w->full)
		fdtw_bytes(w, "", 1);
}

/* buf must be 8-byte aligned for the reader. */
static inline void fdtw_start(struct fdtw *w, void *buf, size_t cap)
{
	memset(w, 0, sizeof(*w));
	w->buf = buf;
	w->cap = cap;
	for (unsigned i = 0; i < 10; i++)
		fdtw_word(w, 0);
}

static inline void fdtw_reserve(struct fdtw *w, uint64_t base, uint64_t size)
{
	fdtw_word(w, (uint32_t)(base >> 32));
	fdtw_word(w, (uint32_t)base);
	fdtw_word(w, (uint32_t)(size >> 32));
	fdtw_word(w, (uint32_t)size);
}

/* Ends the reservation block; the first node does it too. */
static inline void fdtw_structure(struct fdtw *w)
{
	if (w->struct_off == 0) {
		fdtw_reserve(w, 0, 0);
		w->struct_off = w->len;
	}
}

static inline void fdtw_begin(struct fdtw *w, const char *name)
{
	fdtw_structure(w);
	fdtw_word(w, FDTW_BEGIN);
	fdtw_bytes(w, name, strlen(name) + 1);
	fdtw_pad(w);
}

static inline void fdtw_end(struct fdtw *w)
{
	fdtw_word(w, FDTW_END_NODE);
}

/* The offset of the string in the strings block, where it is put once. */
static inline uint32_t fdtw_string(struct fdtw *w, const char *s)
{
	size_t n = strlen(s) + 1, at = 0;

	while (at < w->strings_len && strcmp(w->strings + at, s) != 0)
		at += strlen(w->strings + at) + 1;
	if (at < w->strings_len)
		return (uint32_t)at;
	if (n > sizeof(w->strings) - w->strings_len) {
		w->full = true;
		return 0;
	}
	memcpy(w->strings + at, s, n);
	w->strings_len += n;
	return (uint32_t)at;
}

static inline void fdtw_prop(struct fdtw *w, const char *name, const void *data, size_t n)
{
	fdtw_word(w, FDTW_PROP);
	fdtw_word(w, (uint32_t)n);
	fdtw_word(w, fdtw_string(w, name));
	if (n != 0)
		fdtw_bytes(w, data, n);
	fdtw_pad(w);
}

static inline void fdtw_str(struct fdtw *w, const char *name, const char *value)
{
	fdtw_prop(w, name, value, strlen(value) + 1);
}

static inline void fdtw_empty(struct fdtw *w, const char *name)
{
	fdtw_prop(w, name, NULL, 0);
}

static inline void fdtw_cell(struct fdtw *w, unsigned cells, uint64_t v)
{
	while (cells-- > 0)
		fdtw_word(w, cells >= 2 ? 0 : (uint32_t)(v >> (32 * cells)));
}

/* One number of so many cells. */
static inline void fdtw_num(struct fdtw *w, const char *name, unsigned cells, uint64_t v)
{
	fdtw_word(w, FDTW_PROP);
	fdtw_word(w, cells * 4);
	fdtw_word(w, fdtw_string(w, name));
	fdtw_cell(w, cells, v);
}

static inline void fdtw_u32(struct fdtw *w, const char *name, uint32_t v)
{
	fdtw_num(w, name, 1, v);
}

/* n (address, size) pairs from an array of 2 * n numbers. */
static inline void fdtw_reg(struct fdtw *w, const char *name, unsigned address_cells, unsigned size_cells, unsigned n,
			    const uint64_t *pairs)
{
	fdtw_word(w, FDTW_PROP);
	fdtw_word(w, (address_cells + size_cells) * 4 * n);
	fdtw_word(w, fdtw_string(w, name));
	for (; n != 0; n--, pairs += 2) {
		fdtw_cell(w, address_cells, pairs[0]);
		fdtw_cell(w, size_cells, pairs[1]);
	}
}

#define FDTW_REG(w, address_cells, size_cells, ...)                                                  \
	do {                                                                                         \
		const uint64_t pairs_[] = { __VA_ARGS__ };                                           \
		fdtw_reg((w), "reg", (address_cells), (size_cells), ARRAY_SIZE(pairs_) / 2, pairs_); \
	} while (0)

/* A node named name with device_type "memory" is one; this writes all but reg and its end. */
static inline void fdtw_begin_memory(struct fdtw *w, const char *name)
{
	fdtw_begin(w, name);
	fdtw_str(w, "device_type", "memory");
}

/* The root with its cells. */
static inline void fdtw_begin_root(struct fdtw *w, uint32_t address_cells, uint32_t size_cells)
{
	fdtw_begin(w, "");
	fdtw_u32(w, "#address-cells", address_cells);
	fdtw_u32(w, "#size-cells", size_cells);
}

/* /reserved-memory with the root's cells and an empty ranges. */
static inline void fdtw_begin_reserved(struct fdtw *w, uint32_t address_cells, uint32_t size_cells)
{
	fdtw_begin(w, "reserved-memory");
	fdtw_u32(w, "#address-cells", address_cells);
	fdtw_u32(w, "#size-cells", size_cells);
	fdtw_empty(w, "ranges");
}

/*
 * Strings and header around what has been written (the caller has written FDT_END or left it out). 0 when it did not
 * fit.
 */
static inline size_t fdtw_seal(struct fdtw *w, uint32_t version)
{
	size_t strings_off = w->len;

	fdtw_bytes(w, w->strings, w->strings_len);
	if (w->full)
		return 0;
	fdtw_poke(w->buf, FDTW_MAGIC, 0xd00dfeed);
	fdtw_poke(w->buf, FDTW_TOTALSIZE, (uint32_t)w->len);
	fdtw_poke(w->buf, FDTW_OFF_STRUCT, (uint32_t)w->struct_off);
	fdtw_poke(w->buf, FDTW_OFF_STRINGS, (uint32_t)strings_off);
	fdtw_poke(w->buf, FDTW_OFF_RSV, 40);
	fdtw_poke(w->buf, FDTW_VERSION, version);
	fdtw_poke(w->buf, FDTW_LAST_COMP, 16);
	fdtw_poke(w->buf, FDTW_BOOT_CPU, 0);
	fdtw_poke(w->buf, FDTW_SIZE_STRINGS, (uint32_t)w->strings_len);
	fdtw_poke(w->buf, FDTW_SIZE_STRUCT, version >= 17 ? (uint32_t)(strings_off - w->struct_off) : 0xdeadbeefU);
	return w->len;
}

static inline size_t fdtw_finish(struct fdtw *w)
{
	fdtw_structure(w);
	fdtw_word(w, FDTW_END);
	return fdtw_seal(w, 17);
}

#endif
