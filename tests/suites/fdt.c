/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device tree as a format: what is refused, and that what is accepted can be walked and asked. Every blob is put
 * so that its last byte is the last of its array: the sanitizers see the first byte that is read too far.
 */
#define SUITE "fdt"
#include "lib/fdt.h"
#include "lib/string.h"
#include "lib/tap.h"
#include "tests/suites/fdt_writer.h"

#define BLOB_MAX 8192

static uint8_t scratch[BLOB_MAX] __attribute__((aligned(8)));
static uint8_t tight[BLOB_MAX] __attribute__((aligned(8)));
static struct fdtw w;

/* The blob of n bytes at the very end of an array (or as near as alignment lets it). */
static uint8_t *placed(size_t n)
{
	uint8_t *at = tight + ALIGN_DOWN(BLOB_MAX - n, 8);

	memmove(at, scratch, n);
	return at;
}

static bool open_n(struct fdt *fdt, size_t n)
{
	return fdt_open(fdt, placed(n), n);
}

/* Whether the n bytes in scratch are refused with this sentence, and leave a tree in which nothing is found. */
static bool refused(size_t n, const char *why)
{
	struct fdt fdt;

	if (n == 0 || open_n(&fdt, n)) {
		tap_note("accepted (%zu bytes), expected: %s", n, why);
		return false;
	}
	if (strcmp(fdt.error, why) != 0) {
		tap_note("refused with: %s", fdt.error);
		return false;
	}
	return fdt_root(&fdt) == FDT_NONE && fdt_find(&fdt, "/", 1) == FDT_NONE && !fdt_prop(&fdt, 0, "a", NULL);
}

/* A tree with something of everything. */
static size_t sample(void)
{
	const uint64_t regs[] = { 0x1000, 0x100, 0x2000, 0x200 };
	static const uint32_t ranges[] = { 0, 0, 0x80000000, 0x10000000 };

	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_reserve(&w, 0x48000000, 0x10000);
	fdtw_reserve(&w, 0x1234567800000000, 0);
	fdtw_begin_root(&w, 2, 2);
	fdtw_prop(&w, "compatible", "vendor,board\0vendor,soc", 24);
	fdtw_word(&w, FDTW_NOP);
	fdtw_begin(&w, "aliases");
	fdtw_str(&w, "serial0", "/soc@0/serial@1000");
	fdtw_str(&w, "bad", "serial0");
	fdtw_prop(&w, "open", "/soc@0", 6);
	fdtw_end(&w);
	fdtw_begin(&w, "soc@0");
	fdtw_u32(&w, "#address-cells", 1);
	fdtw_u32(&w, "#size-cells", 1);
	fdtw_word(&w, FDTW_PROP);
	fdtw_word(&w, 16);
	fdtw_word(&w, fdtw_string(&w, "ranges"));
	for (unsigned i = 0; i < 4; i++)
		fdtw_word(&w, ranges[i]);
	fdtw_begin(&w, "serial@1000");
	fdtw_prop(&w, "compatible", "arm,pl011\0arm,primecell", 24);
	fdtw_reg(&w, "reg", 1, 1, 2, regs);
	fdtw_u32(&w, "phandle", 7);
	fdtw_end(&w);
	fdtw_word(&w, FDTW_NOP);
	fdtw_begin(&w, "serial@2000");
	fdtw_str(&w, "status", "disabled");
	fdtw_begin(&w, "deep");
	fdtw_u32(&w, "linux,phandle", 8);
	fdtw_end(&w);
	fdtw_end(&w);
	fdtw_end(&w);
	fdtw_begin(&w, "last");
	fdtw_end(&w);
	fdtw_end(&w);
	return fdtw_finish(&w);
}

/* Asks everything of every node and of offsets that are none. */
static unsigned exercise(struct fdt *fdt)
{
	uint64_t base, size;
	char path[32];
	unsigned seen = 0;
	int depth = 0;

	for (int node = fdt_root(fdt); node != FDT_NONE; node = fdt_next_node(fdt, node, &depth)) {
		seen++;
		(void)fdt_path(fdt, node, path, sizeof(path));
		(void)fdt_parent(fdt, node);
		(void)fdt_enabled(fdt, node);
		(void)fdt_compatible(fdt, node, "arm,primecell");
		for (unsigned i = 0; fdt_reg(fdt, node, i, &base, &size) > 0; i++)
			seen++;
	}
	for (int node = -8; node < (int)fdt->struct_len + 8; node++) {
		seen += fdt_prop(fdt, node, "reg", NULL) != NULL;
		seen += fdt_node_name(fdt, node)[0] != 0;
		seen += (unsigned)fdt_next_node(fdt, node, NULL) + (unsigned)fdt_next_sibling(fdt, node) +
			(unsigned)fdt_first_child(fdt, node);
	}
	(void)fdt_by_phandle(fdt, 9);
	(void)fdt_find(fdt, "serial0/x:y", SIZE_MAX);
	for (unsigned i = 0; fdt_memreserve(fdt, i, &base, &size); i++)
		seen++;
	return seen;
}

TEST(FD1, "fdt_probe() answers from the header alone")
{
	size_t n = sample(), used = 0, total = 0;
	uint8_t header[FDT_HEADER_SIZE] __attribute__((aligned(8)));

	memcpy(header, scratch, sizeof(header));
	CHECK(fdt_probe(header, &used, &total) == NULL);
	CHECK_EQ(used, n);
	CHECK_EQ(total, n);
	fdtw_poke(header, FDTW_TOTALSIZE, FDT_MAX_SIZE);
	CHECK(fdt_probe(header, &used, &total) == NULL);
	CHECK_EQ(used, n);
	CHECK_EQ(total, FDT_MAX_SIZE);
	fdtw_poke(header, FDTW_TOTALSIZE, FDT_MAX_SIZE + 1);
	CHECK(fdt_probe(header, &used, &total) != NULL);
	fdtw_poke(header, FDTW_TOTALSIZE, (uint32_t)n);
	header[3] ^= 1;
	used = 77;
	CHECK(fdt_probe(header, &used, &total) != NULL);
	CHECK_EQ(used, 77);
}

TEST(FD1, "magic, versions, alignment and sizes that are no device tree are refused")
{
	size_t n = sample();
	struct fdt fdt;
	uint32_t v;

	CHECK(open_n(&fdt, n));
	CHECK(fdt.error == NULL);
	CHECK(!fdt_open(&fdt, NULL, n));
	for (unsigned off = 1; off < 8; off++) {
		memmove(tight + off, scratch, n);
		CHECK(!fdt_open(&fdt, tight + off, n));
	}
	CHECK(!fdt_open(&fdt, placed(n), 0));
	CHECK(!fdt_open(&fdt, placed(n), FDT_HEADER_SIZE - 1));
	for (v = 0; v < 20; v++) {
		fdtw_poke(scratch, FDTW_VERSION, v);
		fdtw_poke(scratch, FDTW_LAST_COMP, v < 16 ? v : 16);
		CHECK_EQ(open_n(&fdt, n), v >= 16);
	}
	fdtw_poke(scratch, FDTW_LAST_COMP, 17);
	CHECK(open_n(&fdt, n));
	fdtw_poke(scratch, FDTW_LAST_COMP, 18);
	CHECK(refused(n, "the version is older than 16 or cannot be read as 17"));
	fdtw_poke(scratch, FDTW_VERSION, 16);
	fdtw_poke(scratch, FDTW_LAST_COMP, 17);
	CHECK(refused(n, "the version is older than 16 or cannot be read as 17"));
	n = sample();
	fdtw_poke(scratch, FDTW_MAGIC, 0xedfe0dd0);
	CHECK(refused(n, "no device tree magic"));
	n = sample();
	fdtw_poke(scratch, FDTW_TOTALSIZE, 39);
	CHECK(refused(n, "totalsize is smaller than the header"));
	fdtw_poke(scratch, FDTW_TOTALSIZE, FDT_MAX_SIZE + 1);
	CHECK(refused(n, "totalsize is larger than 2 MiB"));
	fdtw_poke(scratch, FDTW_TOTALSIZE, UINT32_MAX);
	CHECK(refused(n, "totalsize is larger than 2 MiB"));
}

TEST(FD2, "blocks that wrap, leave the blob, overlap the header or are not aligned are refused")
{
	static const unsigned offs[] = { FDTW_OFF_STRUCT, FDTW_OFF_STRINGS, FDTW_OFF_RSV };
	static const uint32_t bad[] = { 0, 39, UINT32_MAX, UINT32_MAX - 7, 0x80000000U };
	size_t n;
	uint32_t keep;

	for (unsigned i = 0; i < ARRAY_SIZE(offs); i++) {
		for (unsigned j = 0; j <= ARRAY_SIZE(bad); j++) {
			n = sample();
			fdtw_poke(scratch, offs[i], j < ARRAY_SIZE(bad) ? bad[j] : (uint32_t)n + 1);
			CHECK(refused(n, "a block starts outside the blob or inside its header"));
		}
	}
	n = sample();
	fdtw_poke(scratch, FDTW_OFF_STRUCT, fdtw_peek(scratch, FDTW_OFF_STRUCT) + 2);
	CHECK(refused(n, "a block is not aligned"));
	n = sample();
	fdtw_poke(scratch, FDTW_OFF_RSV, 44);
	CHECK(refused(n, "a block is not aligned"));
	n = sample();
	keep = fdtw_peek(scratch, FDTW_SIZE_STRINGS);
	fdtw_poke(scratch, FDTW_SIZE_STRINGS, keep + 1);
	CHECK(refused(n, "the strings block runs out of the blob"));
	fdtw_poke(scratch, FDTW_SIZE_STRINGS, 0U - fdtw_peek(scratch, FDTW_OFF_STRINGS) + 8); /* off + len wraps to 8 */
	CHECK(refused(n, "the strings block runs out of the blob"));
	fdtw_poke(scratch, FDTW_SIZE_STRINGS, keep);
	fdtw_poke(scratch, FDTW_SIZE_STRUCT, (uint32_t)n - fdtw_peek(scratch, FDTW_OFF_STRUCT) + 1);
	CHECK(refused(n, "the structure block runs out of the blob"));
	fdtw_poke(scratch, FDTW_SIZE_STRUCT, 0U - fdtw_peek(scratch, FDTW_OFF_STRUCT) + 4);
	CHECK(refused(n, "the structure block runs out of the blob"));
}

TEST(FD3, "only what the blocks use must be readable, whatever totalsize claims")
{
	size_t n = sample();
	struct fdt fdt;

	fdtw_poke(scratch, FDTW_TOTALSIZE, MIB(1));
	CHECK_OR_RETURN(open_n(&fdt, n));
	CHECK_EQ(fdt.used, n);
	CHECK_EQ(fdt.totalsize, MIB(1));
	CHECK(fdt_find(&fdt, "/soc/serial@2000/deep", SIZE_MAX) != FDT_NONE);
	for (size_t cut = 0; cut < n; cut++) {
		CHECK_OR_RETURN(!fdt_open(&fdt, placed(n), cut));
		CHECK_OR_RETURN(fdt.error != NULL);
	}
}

TEST(FD3, "used shrinks to FDT_END and to the reservations' terminator")
{
	size_t n, end;
	struct fdt fdt;

	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_end(&w);
	fdtw_word(&w, FDTW_END);
	end = w.len;
	for (unsigned i = 0; i < 64; i++)
		fdtw_word(&w, 0x55555555);
	n = fdtw_seal(&w, 17);
	fdtw_poke(scratch, FDTW_OFF_STRINGS, 40);
	CHECK_OR_RETURN(open_n(&fdt, n));
	CHECK_EQ(fdt.used, end);
	CHECK_EQ(fdt.struct_len, end - fdtw_peek(scratch, FDTW_OFF_STRUCT));

	/* Reservations last: from there on the header cannot say where they end. */
	end = ALIGN_UP(end, 8);
	memset(scratch + end, 0, 64);
	fdtw_poke(scratch, FDTW_OFF_RSV, (uint32_t)end);
	fdtw_poke(scratch, FDTW_SIZE_STRUCT, (uint32_t)end - fdtw_peek(scratch, FDTW_OFF_STRUCT));
	scratch[end] = 1;
	CHECK_OR_RETURN(open_n(&fdt, n));
	CHECK_EQ(fdt.rsv_count, 1);
	CHECK_EQ(fdt.used, end + 32);
}

TEST(FD4, "version 16 has no structure size: the block ends with FDT_END, at the next block or with the blob")
{
	size_t n = sample();
	struct fdt fdt;
	int soc;

	fdtw_poke(scratch, FDTW_VERSION, 16);
	fdtw_poke(scratch, FDTW_SIZE_STRUCT, 0xfffffff0);
	CHECK_OR_RETURN(open_n(&fdt, n));
	CHECK_EQ(fdt.used, n);
	CHECK_EQ(fdt.struct_len, fdtw_peek(scratch, FDTW_OFF_STRINGS) - fdtw_peek(scratch, FDTW_OFF_STRUCT));
	soc = fdt_find(&fdt, "/soc@0", SIZE_MAX);
	CHECK(soc != FDT_NONE && fdt_parent(&fdt, soc) == fdt_root(&fdt));

	/* FDT_END taken away: the walk must stop where the strings start. */
	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_u32(&w, "a", 1);
	fdtw_end(&w);
	n = fdtw_seal(&w, 16);
	CHECK(refused(n, "the structure block ends without FDT_END"));
	/* The structure last, no strings at all: it may reach to totalsize. */
	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_end(&w);
	fdtw_word(&w, FDTW_END);
	n = fdtw_seal(&w, 16);
	CHECK(open_n(&fdt, n));
	fdtw_poke(scratch, FDTW_OFF_STRINGS, fdtw_peek(scratch, FDTW_OFF_STRUCT));
	CHECK(open_n(&fdt, n));
}

TEST(FD5, "names that are missing, unterminated or hold a slash are refused")
{
	size_t n;

	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_structure(&w);
	fdtw_word(&w, FDTW_BEGIN);
	fdtw_bytes(&w, "root", 4);
	n = fdtw_seal(&w, 17);
	CHECK(refused(n, "a node's name is not terminated"));
	/* Terminated, but the padding is cut off. */
	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_structure(&w);
	fdtw_word(&w, FDTW_BEGIN);
	fdtw_bytes(&w, "", 1);
	n = fdtw_seal(&w, 17);
	CHECK(refused(n, "the structure block ends without FDT_END"));

	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_begin(&w, "");
	fdtw_end(&w);
	fdtw_end(&w);
	CHECK(refused(fdtw_finish(&w), "a node has no name"));
	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_begin(&w, "a/b");
	fdtw_end(&w);
	fdtw_end(&w);
	CHECK(refused(fdtw_finish(&w), "a node's name holds a slash"));
}

TEST(FD5, "property lengths and name offsets are held against their blocks")
{
	static const uint32_t lengths[] = { 5, 9, 0x1000, 0x7fffffff, 0xfffffff0, UINT32_MAX };
	struct fdt fdt;
	size_t n, at;

	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		fdtw_start(&w, scratch, BLOB_MAX);
		fdtw_begin(&w, "");
		at = w.len;
		fdtw_u32(&w, "a", 1);
		n = fdtw_seal(&w, 17);
		fdtw_poke(scratch, at + 4, lengths[i]);
		CHECK(refused(n, "a property runs out of the structure block"));
	}
	/* A property token with nothing behind it. */
	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_word(&w, FDTW_PROP);
	fdtw_word(&w, 0);
	CHECK(refused(fdtw_seal(&w, 17), "a property runs out of the structure block"));

	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	at = w.len;
	fdtw_u32(&w, "abc", 1);
	fdtw_end(&w);
	n = fdtw_finish(&w);
	CHECK(open_n(&fdt, n));
	fdtw_poke(scratch, at + 8, 3); /* the NUL itself: an empty name, harmless */
	CHECK(open_n(&fdt, n));
	fdtw_poke(scratch, at + 8, 4);
	CHECK(refused(n, "a property's name is outside the strings block or not terminated"));
	fdtw_poke(scratch, at + 8, UINT32_MAX);
	CHECK(refused(n, "a property's name is outside the strings block or not terminated"));
	fdtw_poke(scratch, at + 8, 1);
	CHECK(open_n(&fdt, n));
	scratch[n - 1] = 'x'; /* "abcx" without its end */
	CHECK(refused(n, "a property's name is outside the strings block or not terminated"));
}

TEST(FD6, "depth: 64 levels are walked, a 65th is refused, and so is one end too many or too few")
{
	struct fdt fdt;
	size_t n;
	int depth = 0, last = FDT_NONE;

	for (int levels = FDT_MAX_DEPTH; levels <= FDT_MAX_DEPTH + 1; levels++) {
		fdtw_start(&w, scratch, BLOB_MAX);
		for (int i = 0; i < levels; i++)
			fdtw_begin(&w, i == 0 ? "" : "n");
		for (int i = 0; i < levels; i++)
			fdtw_end(&w);
		n = fdtw_finish(&w);
		if (levels > FDT_MAX_DEPTH) {
			CHECK(refused(n, "the nodes are nested too deeply"));
			break;
		}
		CHECK_OR_RETURN(open_n(&fdt, n));
		for (int node = fdt_root(&fdt); node != FDT_NONE; node = fdt_next_node(&fdt, node, &depth))
			last = node;
		CHECK_EQ(depth, FDT_MAX_DEPTH - 1);
		CHECK_EQ(fdt_path(&fdt, last, NULL, 0), 2 * (FDT_MAX_DEPTH - 1));
	}
	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_end(&w);
	fdtw_end(&w);
	CHECK(refused(fdtw_finish(&w), "FDT_END_NODE without a node"));
	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_begin(&w, "a");
	fdtw_end(&w);
	CHECK(refused(fdtw_finish(&w), "FDT_END inside a node"));
}

TEST(FD6, "one root, properties before children, known tokens, FDT_END")
{
	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_end(&w);
	fdtw_begin(&w, "");
	fdtw_end(&w);
	CHECK(refused(fdtw_finish(&w), "there are two root nodes"));

	fdtw_start(&w, scratch, BLOB_MAX);
	CHECK(refused(fdtw_finish(&w), "there is no root node"));

	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_structure(&w);
	fdtw_u32(&w, "a", 1);
	fdtw_begin(&w, "");
	fdtw_end(&w);
	CHECK(refused(fdtw_finish(&w), "a property stands outside any node"));

	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_end(&w);
	fdtw_u32(&w, "a", 1);
	CHECK(refused(fdtw_finish(&w), "a property stands outside any node"));

	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_begin(&w, "child");
	fdtw_end(&w);
	fdtw_u32(&w, "a", 1);
	fdtw_end(&w);
	CHECK(refused(fdtw_finish(&w), "a property follows a child node"));

	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_word(&w, 5);
	fdtw_end(&w);
	CHECK(refused(fdtw_finish(&w), "there is an unknown token in the structure block"));

	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_end(&w);
	CHECK(refused(fdtw_seal(&w, 17), "the structure block ends without FDT_END"));
}

TEST(FD7, "a reservation block without terminator is refused")
{
	size_t n;

	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_reserve(&w, 0x1000, 0x1000);
	w.struct_off = w.len; /* no terminator is written */
	fdtw_begin(&w, "");
	fdtw_end(&w);
	n = fdtw_finish(&w);
	CHECK(refused(n, "the reservation block has no terminator"));
	n = sample();
	fdtw_poke(scratch, FDTW_OFF_RSV, (uint32_t)ALIGN_DOWN(n, 8));
	CHECK(refused(n, "the reservation block has no terminator"));
}

TEST(FD8, "the walk sees every node once, in order, with its depth, and parents and siblings agree with it")
{
	static const struct {
		const char *name;
		int depth;
	} want[] = {
		{ "", 0 },     { "aliases", 1 }, { "soc@0", 1 }, { "serial@1000", 2 }, { "serial@2000", 2 },
		{ "deep", 3 }, { "last", 1 },
	};
	int path[4], depth = 0, node;
	unsigned i = 0;
	struct fdt fdt;
	size_t n = sample();

	CHECK_OR_RETURN(open_n(&fdt, n));
	for (node = fdt_root(&fdt); node != FDT_NONE; node = fdt_next_node(&fdt, node, &depth), i++) {
		CHECK_OR_RETURN(i < ARRAY_SIZE(want));
		CHECK_EQ(depth, want[i].depth);
		CHECK(strcmp(fdt_node_name(&fdt, node), want[i].name) == 0);
		path[depth] = node;
		CHECK_EQ(fdt_parent(&fdt, node), depth ? path[depth - 1] : FDT_NONE);
	}
	CHECK_EQ(i, ARRAY_SIZE(want));
	node = fdt_first_child(&fdt, fdt_root(&fdt));
	CHECK(strcmp(fdt_node_name(&fdt, node), "aliases") == 0);
	CHECK_EQ(fdt_first_child(&fdt, node), FDT_NONE);
	node = fdt_next_sibling(&fdt, node);
	CHECK(strcmp(fdt_node_name(&fdt, node), "soc@0") == 0);
	CHECK(strcmp(fdt_node_name(&fdt, fdt_first_child(&fdt, node)), "serial@1000") == 0);
	CHECK_EQ(fdt_next_sibling(&fdt, path[3]), FDT_NONE); /* deep */
	node = fdt_next_sibling(&fdt, node);
	CHECK(strcmp(fdt_node_name(&fdt, node), "last") == 0);
	CHECK_EQ(fdt_next_sibling(&fdt, node), FDT_NONE);
	CHECK_EQ(fdt_next_sibling(&fdt, fdt_root(&fdt)), FDT_NONE);
	CHECK_EQ(fdt_next_node(&fdt, FDT_NONE, NULL), FDT_NONE);
	CHECK_EQ(fdt_parent(&fdt, fdt_root(&fdt) + 4), FDT_NONE);
}

TEST(FD8, "NOPs before the root and between everything change nothing")
{
	struct fdt fdt;
	size_t n;
	int a;

	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_structure(&w);
	fdtw_word(&w, FDTW_NOP);
	fdtw_begin(&w, "");
	fdtw_word(&w, FDTW_NOP);
	fdtw_u32(&w, "x", 3);
	fdtw_word(&w, FDTW_NOP);
	fdtw_begin(&w, "a");
	fdtw_word(&w, FDTW_NOP);
	fdtw_end(&w);
	fdtw_word(&w, FDTW_NOP);
	fdtw_begin(&w, "b");
	fdtw_end(&w);
	fdtw_word(&w, FDTW_NOP);
	fdtw_end(&w);
	fdtw_word(&w, FDTW_NOP);
	n = fdtw_finish(&w);
	CHECK_OR_RETURN(open_n(&fdt, n));
	CHECK_EQ(fdt_root(&fdt), 4);
	CHECK(fdt_prop(&fdt, fdt_root(&fdt), "x", NULL) != NULL);
	a = fdt_find(&fdt, "/a", SIZE_MAX);
	CHECK_EQ(fdt_parent(&fdt, a), 4);
	CHECK_EQ(fdt_next_sibling(&fdt, a), fdt_find(&fdt, "/b", SIZE_MAX));
}

TEST(FD9, "nodes are found by path, by alias, without unit address, up to ':' or a length")
{
	struct fdt fdt;
	size_t n = sample();
	int uart, soc, deep;

	CHECK_OR_RETURN(open_n(&fdt, n));
	soc = fdt_first_child(&fdt, fdt_root(&fdt));
	soc = fdt_next_sibling(&fdt, soc);
	uart = fdt_first_child(&fdt, soc);
	deep = fdt_first_child(&fdt, fdt_next_sibling(&fdt, uart));
	CHECK_EQ(fdt_find(&fdt, "/", SIZE_MAX), fdt_root(&fdt));
	CHECK_EQ(fdt_find(&fdt, "/soc@0", SIZE_MAX), soc);
	CHECK_EQ(fdt_find(&fdt, "/soc", SIZE_MAX), soc);
	CHECK_EQ(fdt_find(&fdt, "/so", SIZE_MAX), FDT_NONE);
	CHECK_EQ(fdt_find(&fdt, "/soc@", SIZE_MAX), FDT_NONE);
	CHECK_EQ(fdt_find(&fdt, "/soc@00", SIZE_MAX), FDT_NONE);
	CHECK_EQ(fdt_find(&fdt, "/soc@0/serial@1000", SIZE_MAX), uart);
	CHECK_EQ(fdt_find(&fdt, "//soc@0//serial@1000/", SIZE_MAX), uart);
	CHECK_EQ(fdt_find(&fdt, "/soc@0/serial@1000garbage", 18), uart);
	CHECK_EQ(fdt_find(&fdt, "/soc/serial@2000/deep", SIZE_MAX), deep);
	CHECK_EQ(fdt_find(&fdt, "/soc/serial@2000/deep/er", SIZE_MAX), FDT_NONE);
	CHECK_EQ(fdt_find(&fdt, "serial0", SIZE_MAX), uart);
	CHECK_EQ(fdt_find(&fdt, "serial0:115200n8", SIZE_MAX), uart);
	CHECK_EQ(fdt_find(&fdt, "serial0/", SIZE_MAX), uart);
	CHECK_EQ(fdt_find(&fdt, "serial0/none", SIZE_MAX), FDT_NONE);
	CHECK_EQ(fdt_find(&fdt, "serial", SIZE_MAX), FDT_NONE);
	CHECK_EQ(fdt_find(&fdt, "bad", SIZE_MAX), FDT_NONE);  /* an alias of an alias */
	CHECK_EQ(fdt_find(&fdt, "open", SIZE_MAX), FDT_NONE); /* not terminated */
	CHECK_EQ(fdt_find(&fdt, "", SIZE_MAX), FDT_NONE);
	CHECK_EQ(fdt_find(&fdt, ":x", SIZE_MAX), FDT_NONE);
	CHECK_EQ(fdt_find(&fdt, "/soc", 0), FDT_NONE);
}

TEST(FD10, "paths are written whole or cut, and never play with the terminal")
{
	struct fdt fdt;
	size_t n = sample();
	char buf[32];
	int uart;

	CHECK_OR_RETURN(open_n(&fdt, n));
	uart = fdt_find(&fdt, "serial0", SIZE_MAX);
	CHECK_EQ(fdt_path(&fdt, uart, buf, sizeof(buf)), 18);
	CHECK(strcmp(buf, "/soc@0/serial@1000") == 0);
	CHECK_EQ(fdt_path(&fdt, uart, buf, 8), 18);
	CHECK(strcmp(buf, "/soc@0/") == 0);
	CHECK_EQ(fdt_path(&fdt, uart, buf, 1), 18);
	CHECK_EQ(buf[0], 0);
	CHECK_EQ(fdt_path(&fdt, uart, NULL, 0), 18);
	CHECK_EQ(fdt_path(&fdt, fdt_root(&fdt), buf, sizeof(buf)), 1);
	CHECK(strcmp(buf, "/") == 0);
	CHECK_EQ(fdt_path(&fdt, uart + 4, buf, sizeof(buf)), 0);
	CHECK_EQ(buf[0], 0);
	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_begin(&w, "a\033[2J\n\x80");
	fdtw_end(&w);
	fdtw_end(&w);
	n = fdtw_finish(&w);
	CHECK_OR_RETURN(open_n(&fdt, n));
	CHECK_EQ(fdt_path(&fdt, fdt_first_child(&fdt, 0), buf, sizeof(buf)), 8);
	CHECK(strcmp(buf, "/a?[2J??") == 0);
}

TEST(FD11, "properties by name: bytes, one cell, strings and string lists, each within its length")
{
	struct fdt fdt;
	uint32_t v = 5;
	size_t n = sample(), len = 0;
	int uart, aliases;

	CHECK_OR_RETURN(open_n(&fdt, n));
	uart = fdt_find(&fdt, "serial0", SIZE_MAX);
	aliases = fdt_find(&fdt, "/aliases", SIZE_MAX);
	CHECK(fdt_prop(&fdt, uart, "reg", &len) != NULL);
	CHECK_EQ(len, 16);
	CHECK(fdt_prop(&fdt, uart, "re", NULL) == NULL);
	CHECK(fdt_prop(&fdt, uart, "regs", NULL) == NULL);
	CHECK(fdt_prop(&fdt, uart, "status", NULL) == NULL);			/* its sibling's */
	CHECK(fdt_prop(&fdt, fdt_parent(&fdt, uart), "phandle", NULL) == NULL); /* its child's */
	CHECK(fdt_prop_u32(&fdt, uart, "phandle", &v));
	CHECK_EQ(v, 7);
	CHECK(!fdt_prop_u32(&fdt, uart, "reg", &v));
	CHECK(!fdt_prop_u32(&fdt, uart, "none", &v));
	CHECK_EQ(v, 7);
	CHECK(strcmp(fdt_prop_string(&fdt, uart, "compatible"), "arm,pl011") == 0);
	CHECK(fdt_prop_string(&fdt, aliases, "open") == NULL);
	CHECK(fdt_prop_string(&fdt, uart, "none") == NULL);
	CHECK(fdt_compatible(&fdt, uart, "arm,pl011"));
	CHECK(fdt_compatible(&fdt, uart, "arm,primecell"));
	CHECK(!fdt_compatible(&fdt, uart, "arm,pl01"));
	CHECK(!fdt_compatible(&fdt, uart, "primecell"));
	CHECK(!fdt_compatible(&fdt, aliases, "arm,pl011"));
	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_prop(&w, "compatible", "one\0two", 7);
	fdtw_empty(&w, "empty");
	fdtw_empty(&w, "size@2"); /* only nodes have unit addresses */
	fdtw_end(&w);
	n = fdtw_finish(&w);
	CHECK_OR_RETURN(open_n(&fdt, n));
	CHECK(fdt_prop(&fdt, 0, "size", NULL) == NULL);
	CHECK(fdt_compatible(&fdt, 0, "one"));
	CHECK(!fdt_compatible(&fdt, 0, "two"));
	CHECK(fdt_prop_string(&fdt, 0, "empty") == NULL);
	CHECK(fdt_prop(&fdt, 0, "empty", &len) != NULL);
	CHECK_EQ(len, 0);
}

TEST(FD12, "a node is enabled when status is absent, \"okay\" or \"ok\", and by nothing else")
{
	static const struct {
		const char *text;
		size_t len;
		bool enabled;
	} cases[] = {
		{ "okay", 5, true },	  { "ok", 3, true },	{ "disabled", 9, false }, { "fail", 5, false },
		{ "fail-sss", 9, false }, { "okay", 4, false }, { "okays", 6, false },	  { "", 0, false },
		{ "", 1, false },	  { "OK", 3, false },	{ "reserved", 9, false },
	};
	struct fdt fdt;
	size_t n;

	for (unsigned i = 0; i <= ARRAY_SIZE(cases); i++) {
		fdtw_start(&w, scratch, BLOB_MAX);
		fdtw_begin(&w, "");
		if (i < ARRAY_SIZE(cases))
			fdtw_prop(&w, "status", cases[i].text, cases[i].len);
		fdtw_end(&w);
		n = fdtw_finish(&w);
		CHECK_OR_RETURN(open_n(&fdt, n));
		CHECK_EQ(fdt_enabled(&fdt, 0), i == ARRAY_SIZE(cases) || cases[i].enabled);
	}
}

TEST(FD16, "a node is found by its phandle, old spelling too; 0 and -1 are nobody's")
{
	struct fdt fdt;
	size_t n = sample();

	CHECK_OR_RETURN(open_n(&fdt, n));
	CHECK_EQ(fdt_by_phandle(&fdt, 7), fdt_find(&fdt, "serial0", SIZE_MAX));
	CHECK_EQ(fdt_by_phandle(&fdt, 8), fdt_find(&fdt, "/soc/serial@2000/deep", SIZE_MAX));
	CHECK_EQ(fdt_by_phandle(&fdt, 9), FDT_NONE);
	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_u32(&w, "phandle", 0);
	fdtw_begin(&w, "a");
	fdtw_u32(&w, "phandle", UINT32_MAX);
	fdtw_end(&w);
	fdtw_end(&w);
	n = fdtw_finish(&w);
	CHECK_OR_RETURN(open_n(&fdt, n));
	CHECK_EQ(fdt_by_phandle(&fdt, 0), FDT_NONE);
	CHECK_EQ(fdt_by_phandle(&fdt, UINT32_MAX), FDT_NONE);
}

TEST(FD17, "/memreserve/ entries are counted to the terminator, zero sizes among them")
{
	uint64_t base = 0, size = 0;
	struct fdt fdt;
	size_t n = sample();

	CHECK_OR_RETURN(open_n(&fdt, n));
	CHECK_EQ(fdt_memreserve(&fdt, 0, &base, &size), 1);
	CHECK_EQ(base, 0x48000000);
	CHECK_EQ(size, 0x10000);
	CHECK_EQ(fdt_memreserve(&fdt, 1, &base, &size), 1);
	CHECK_EQ(base, 0x1234567800000000);
	CHECK_EQ(size, 0);
	CHECK_EQ(fdt_memreserve(&fdt, 2, &base, &size), 0);
	CHECK_EQ(fdt_memreserve(&fdt, UINT32_MAX, &base, &size), 0);
}

TEST(FD23, "whatever word of a blob is broken, it is refused or can be asked everything without leaving it")
{
	static const uint32_t words[] = { 0, 1, 2, 3, 4, 9, 0x7fffffff, 0xfffffffc, UINT32_MAX, 0x2f2f2f2f };
	size_t n = sample();
	unsigned accepted = 0, rejected = 0;
	struct fdt fdt;
	uint32_t keep;

	for (size_t off = 0; off + 4 <= n; off += 4) {
		keep = fdtw_peek(scratch, off);
		for (unsigned i = 0; i < ARRAY_SIZE(words) + 2; i++) {
			fdtw_poke(scratch, off,
				  i < ARRAY_SIZE(words) ? words[i] : keep + 4 * (i - ARRAY_SIZE(words)) - 2);
			if (open_n(&fdt, n)) {
				accepted++;
				CHECK(fdt.error == NULL && fdt.used <= n);
				CHECK_OR_RETURN(exercise(&fdt) != 0);
			} else {
				rejected++;
				CHECK(fdt.error != NULL);
			}
		}
		fdtw_poke(scratch, off, keep);
	}
	CHECK(accepted > 100 && rejected > 100);
}

TEST(FD23, "a property's bytes that look like a node, taken for one, lead nowhere outside the structure block")
{
	/* BEGIN_NODE "", a property of n bytes whose name is the first string: all of it inside a real property's value */
	uint32_t words[5] = { 0 };
	struct fdt fdt;
	size_t n, at, len;
	const uint8_t *p;

	for (unsigned claim = 0; claim < 64; claim++) {
		fdtw_start(&w, scratch, BLOB_MAX);
		fdtw_begin(&w, "");
		at = w.len + 12 - w.struct_off;
		fdtw_prop(&w, "fake", words, sizeof(words));
		fdtw_end(&w);
		n = fdtw_finish(&w);
		fdtw_poke(scratch, w.struct_off + at, FDTW_BEGIN);
		fdtw_poke(scratch, w.struct_off + at + 8, FDTW_PROP);
		fdtw_poke(scratch, w.struct_off + at + 12, claim);
		CHECK_OR_RETURN(open_n(&fdt, n));
		p = fdt_prop(&fdt, (int)at, "fake", &len);
		CHECK_EQ(p != NULL, claim <= 8); /* FDT_END_NODE and FDT_END are all that is left */
		CHECK_EQ(fdt_next_node(&fdt, (int)at, NULL), FDT_NONE);
		CHECK_EQ(fdt_parent(&fdt, (int)at), FDT_NONE);
	}
}

TEST(FD24, "asked in any order, the cursor gives each node its own way up")
{
	struct fdt fdt;
	uint64_t base, size;
	size_t n = sample();
	int uart, nodes[8], count = 0;

	CHECK_OR_RETURN(open_n(&fdt, n));
	uart = fdt_find(&fdt, "serial0", SIZE_MAX);
	for (int node = fdt_root(&fdt); node != FDT_NONE; node = fdt_next_node(&fdt, node, NULL))
		nodes[count++] = node;
	for (int i = 0; i < count; i++) {
		for (int back = count - 1; back >= 0; back--) {
			CHECK(fdt_reg(&fdt, nodes[back], 0, &base, &size) >= 0);
			CHECK_EQ(fdt_reg(&fdt, uart, 1, &base, &size), 1);
			CHECK_EQ(base, 0x80002000);
			CHECK_EQ(size, 0x200);
			CHECK_EQ(fdt_tuple(&fdt, nodes[i], "none", 0, &base, &size), 0);
		}
	}
	/* An offset between two nodes is nobody, and does not lose the way. */
	CHECK_EQ(fdt_parent(&fdt, uart), fdt_find(&fdt, "/soc", SIZE_MAX));
	CHECK_EQ(fdt_reg(&fdt, uart, 0, &base, &size), 1);
	CHECK_EQ(base, 0x80001000);
}

TEST(FD25, "the next node with a property, from a node on, is the one that a walk finds")
{
	static const char *const names[] = { "reg", "compatible", "phandle", "status", "linux,phandle", "none", "" };
	struct fdt fdt;
	size_t n = sample();

	CHECK_OR_RETURN(open_n(&fdt, n));
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		for (int node = fdt_root(&fdt); node != FDT_NONE; node = fdt_next_node(&fdt, node, NULL)) {
			int want = node;

			while (want != FDT_NONE && !fdt_prop(&fdt, want, names[i], NULL))
				want = fdt_next_node(&fdt, want, NULL);
			CHECK_EQ(fdt_next_with(&fdt, node, names[i]), want);
		}
	}
	CHECK_EQ(fdt_next_with(&fdt, FDT_NONE, "reg"), FDT_NONE);
	CHECK_EQ(fdt_next_with(&fdt, fdt_root(&fdt) + 4, "reg"), FDT_NONE);
}

TEST(FD5, "the pass notes /aliases, /chosen and /reserved-memory: of the root alone, the first of a name")
{
	struct fdt fdt;
	size_t n;

	fdtw_start(&w, scratch, BLOB_MAX);
	fdtw_begin(&w, "");
	fdtw_begin(&w, "soc");
	fdtw_begin(&w, "chosen");
	fdtw_end(&w);
	fdtw_end(&w);
	for (unsigned i = 0; i < 2; i++) {
		fdtw_begin(&w, "chosen");
		fdtw_u32(&w, "n", i);
		fdtw_end(&w);
		fdtw_begin(&w, "reserved-memory");
		fdtw_end(&w);
	}
	fdtw_end(&w);
	n = fdtw_finish(&w);
	CHECK_OR_RETURN(open_n(&fdt, n));
	CHECK_EQ(fdt.chosen, fdt_find(&fdt, "/chosen", SIZE_MAX));
	CHECK_EQ(fdt.reserved_memory, fdt_next_sibling(&fdt, fdt.chosen));
	CHECK_EQ(fdt.aliases, FDT_NONE);
}
