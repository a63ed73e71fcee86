/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walking a flattened tree that fdt_open() has accepted: nodes, names, paths, properties by name. Each step over a
 * token checks its bounds again, so that even an offset that is no node cannot lead a lookup out of the blob.
 *
 * Section numbers are those of the Devicetree Specification v0.4.
 */
#include "lib/fdt_blob.h"
#include "lib/string.h"

/*
 * The token at off, and where the next one starts; FDT_END where the block ends or nothing sensible stands. The structure
 * block's length is a multiple of 4 here. Inlined because every walk consists of it: calls would double the cost.
 */
static always_inline uint32_t step(const struct fdt *fdt, size_t off, size_t *next)
{
	size_t len = fdt->struct_len;
	const uint8_t *s;
	uint32_t token, n;

	if (off >= len)
		return FDT_END;
	s = structure(fdt);
	token = be32(s + off);
	off += 4;
	if (token == FDT_PROP) {
		if (len - off < 8)
			return FDT_END;
		n = be32(s + off);
		if (n > len - off - 8)
			return FDT_END;
		off += 8 + ALIGN_UP((size_t)n, 4);
	} else if (token == FDT_BEGIN_NODE) {
		do {
			if (off >= len)
				return FDT_END;
			n = load32(s + off);
			off += 4;
		} while (((n - 0x01010101U) & ~n & 0x80808080U) == 0); /* until a byte of the word is zero */
	} else if (token != FDT_END_NODE && token != FDT_NOP) {
		return FDT_END;
	}
	*next = off;
	return token;
}

/* [FD23] Whether a walk may start here, and the offset after the node's name. */
static bool enter(const struct fdt *fdt, int node, size_t *next)
{
	return node >= 0 && (node & 3) == 0 && step(fdt, (size_t)node, next) == FDT_BEGIN_NODE;
}

/* [FD8] */
int fdt_root(const struct fdt *fdt)
{
	return fdt->struct_len != 0 ? fdt->root : FDT_NONE;
}

/* [FD8] */
int fdt_next_node(const struct fdt *fdt, int node, int *depth)
{
	size_t off, next = 0;
	int d = depth ? *depth : 0;

	if (!enter(fdt, node, &off))
		return FDT_NONE;
	for (;; off = next) {
		switch (step(fdt, off, &next)) {
		case FDT_BEGIN_NODE:
			if (depth)
				*depth = d + 1;
			return (int)off;
		case FDT_END_NODE:
			d--;
			break;
		case FDT_END:
			return FDT_NONE;
		default:
			break;
		}
	}
}

/* [FD8] */
int fdt_first_child(const struct fdt *fdt, int node)
{
	size_t off, next = 0;
	uint32_t token;

	if (!enter(fdt, node, &off))
		return FDT_NONE;
	for (;; off = next) {
		token = step(fdt, off, &next);
		if (token == FDT_BEGIN_NODE)
			return (int)off;
		if (token != FDT_PROP && token != FDT_NOP)
			return FDT_NONE;
	}
}

/* [FD8] */
int fdt_next_sibling(const struct fdt *fdt, int node)
{
	size_t off, next = 0;
	int depth = 1;

	if (!enter(fdt, node, &off))
		return FDT_NONE;
	for (;; off = next) {
		switch (step(fdt, off, &next)) {
		case FDT_BEGIN_NODE:
			if (depth == 0)
				return (int)off;
			depth++;
			break;
		case FDT_END_NODE:
			if (depth == 0)
				return FDT_NONE;
			depth--;
			break;
		case FDT_END:
			return FDT_NONE;
		default:
			break;
		}
	}
}

/* [FD24] */
bool fdt_locate(const struct fdt *fdt, struct fdt_cursor *c, int node)
{
	int depth, next;

	if (c->depth < 0 || node < c->path[c->depth]) {
		c->depth = -1;
		if (fdt_root(fdt) == FDT_NONE)
			return false;
		c->depth = 0;
		c->path[0] = fdt_root(fdt);
	}
	while (c->path[c->depth] < node) {
		depth = c->depth;
		next = fdt_next_node(fdt, c->path[c->depth], &depth);
		if (next == FDT_NONE || depth < 0 || depth >= FDT_MAX_DEPTH)
			return false;
		c->depth = depth;
		c->path[depth] = next;
	}
	return c->path[c->depth] == node;
}

/* [FD8] */
int fdt_parent(const struct fdt *fdt, int node)
{
	struct fdt_cursor c = { .depth = -1 };

	if (!fdt_locate(fdt, &c, node) || c.depth == 0)
		return FDT_NONE;
	return c.path[c.depth - 1];
}

/* [FD8] "" for what is no node. */
const char *fdt_node_name(const struct fdt *fdt, int node)
{
	size_t next;

	return enter(fdt, node, &next) ? (const char *)structure(fdt) + node + 4 : "";
}

/* Appends as much of the text as fits, keeping room for the NUL; *len counts what was wanted. */
static void put(char *buf, size_t n, size_t *len, char ch)
{
	if (*len + 1 < n)
		buf[*len] = ch;
	(*len)++;
}

/* [FD10] */
int fdt_path(const struct fdt *fdt, int node, char *buf, size_t n)
{
	struct fdt_cursor c = { .depth = -1 };
	size_t len = 0;

	if (fdt_locate(fdt, &c, node)) {
		for (int d = 1; d <= c.depth; d++) {
			put(buf, n, &len, '/');
			for (const char *name = fdt_node_name(fdt, c.path[d]); *name; name++)
				put(buf, n, &len, *name > ' ' && *name <= '~' ? *name : '?');
		}
		if (c.depth == 0)
			put(buf, n, &len, '/');
	}
	if (n != 0)
		buf[min_u64(len, n - 1)] = 0;
	return (int)len;
}

/* Whether the string is the n bytes at name (which hold no NUL), wholly or (at != 0) up to that character. */
static bool name_is(const char *have, const char *name, size_t n, char at)
{
	for (; n != 0; n--) {
		if (*have++ != *name++)
			return false;
	}
	return *have == 0 || *have == at;
}

/* Whether the property token at p has this name. */
static inline bool prop_is(const struct fdt *fdt, const uint8_t *p, const char *name, size_t n)
{
	uint32_t off = be32(p + 8);

	return off < fdt->strings_len && *string_at(fdt, off) == *name && name_is(string_at(fdt, off), name, n, 0);
}

/* [FD11] The value of the property named by n bytes, or NULL. */
static const uint8_t *find_prop(const struct fdt *fdt, int node, const char *name, size_t n, size_t *len)
{
	size_t off, next = 0;
	uint32_t token;

	if (!enter(fdt, node, &off))
		return NULL;
	for (;; off = next) {
		const uint8_t *p = structure(fdt) + off;

		token = step(fdt, off, &next);
		if (token == FDT_PROP && prop_is(fdt, p, name, n)) {
			*len = be32(p + 4);
			return p + 12;
		}
		if (token != FDT_PROP && token != FDT_NOP)
			return NULL;
	}
}

/* [FD25] */
int fdt_next_with(const struct fdt *fdt, int node, const char *name)
{
	size_t off, next, n = strlen(name);

	if (!enter(fdt, node, &off))
		return FDT_NONE;
	for (;; off = next) {
		switch (step(fdt, off, &next)) {
		case FDT_BEGIN_NODE:
			node = (int)off;
			break;
		case FDT_PROP:
			if (prop_is(fdt, structure(fdt) + off, name, n))
				return node;
			break;
		case FDT_END:
			return FDT_NONE;
		default:
			break;
		}
	}
}

/* [FD11] */
const void *fdt_prop(const struct fdt *fdt, int node, const char *name, size_t *len)
{
	size_t ignored;

	return find_prop(fdt, node, name, strlen(name), len ? len : &ignored);
}

/* [FD11] */
bool fdt_prop_u32(const struct fdt *fdt, int node, const char *name, uint32_t *out)
{
	size_t len;
	const uint8_t *p = fdt_prop(fdt, node, name, &len);

	if (!p || len != 4)
		return false;
	*out = be32(p);
	return true;
}

/* [FD11] */
const char *fdt_prop_string(const struct fdt *fdt, int node, const char *name)
{
	size_t len;
	const char *p = fdt_prop(fdt, node, name, &len);

	return p && strnlen(p, len) < len ? p : NULL;
}

/* [FD11] */
bool fdt_compatible(const struct fdt *fdt, int node, const char *name)
{
	size_t len, n;
	const char *p = fdt_prop(fdt, node, "compatible", &len);

	if (!p)
		return false;
	for (; len != 0; p += n + 1, len -= n + 1) {
		n = strnlen(p, len);
		if (n == len)
			return false;
		if (strcmp(p, name) == 0)
			return true;
	}
	return false;
}

/* [FD12] */
bool fdt_enabled(const struct fdt *fdt, int node)
{
	const char *status = fdt_prop_string(fdt, node, "status");

	if (!status)
		return !fdt_prop(fdt, node, "status", NULL);
	return strcmp(status, "okay") == 0 || strcmp(status, "ok") == 0;
}

static int child_named(const struct fdt *fdt, int node, const char *name, size_t n)
{
	char at = memchr(name, '@', n) ? 0 : '@';
	int child;

	for (child = fdt_first_child(fdt, node); child != FDT_NONE; child = fdt_next_sibling(fdt, child)) {
		if (name_is(fdt_node_name(fdt, child), name, n, at))
			break;
	}
	return child;
}

static const char *component_end(const char *path, const char *end)
{
	while (path < end && *path != '/')
		path++;
	return path;
}

/* Follows the components of [path, end) down from the node. */
static int descend(const struct fdt *fdt, int node, const char *path, const char *end)
{
	const char *next;

	for (; node != FDT_NONE; path = next) {
		while (path < end && *path == '/')
			path++;
		if (path == end)
			return node;
		next = component_end(path, end);
		node = child_named(fdt, node, path, (size_t)(next - path));
	}
	return FDT_NONE;
}

/* [FD9] An alias (3.3) is an absolute path and not another alias, so there is nothing to recurse into. */
int fdt_find(const struct fdt *fdt, const char *path, size_t len)
{
	const char *end = path, *alias_end, *target;
	int node = fdt_root(fdt);
	size_t n;

	while ((size_t)(end - path) < len && *end != 0 && *end != ':')
		end++;
	if (path == end)
		return FDT_NONE;
	if (*path != '/') {
		alias_end = component_end(path, end);
		target = (const char *)find_prop(fdt, fdt->aliases, path, (size_t)(alias_end - path), &n);
		if (!target || n == 0 || target[n - 1] != 0 || *target != '/')
			return FDT_NONE;
		node = descend(fdt, node, target, target + strnlen(target, n));
		path = alias_end;
	}
	return descend(fdt, node, path, end);
}

/* [FD16] 0 and -1 are no phandles (2.3.3). */
int fdt_by_phandle(const struct fdt *fdt, uint32_t phandle)
{
	uint32_t value;
	int node;

	if (phandle == 0 || phandle == UINT32_MAX)
		return FDT_NONE;
	for (node = fdt_root(fdt); node != FDT_NONE; node = fdt_next_node(fdt, node, NULL)) {
		if (fdt_prop_u32(fdt, node, "phandle", &value) && value == phandle)
			break;
		if (fdt_prop_u32(fdt, node, "linux,phandle", &value) && value == phandle)
			break;
	}
	return node;
}
