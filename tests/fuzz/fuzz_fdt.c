/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the device tree reader and the RAM map behind it. An input that starts with the magic is a blob as it stands.
 * Any other is a list of instructions for the suites' writer, so that well-formed trees with odd content come up from
 * nothing; its last bytes then damage a few words. Whatever opens is walked, asked everything, also for an interrupt
 * controller and a timer, and made a map of; the map must validate.
 */
#include "boot/irq_tree.h"
#include "mm/ram.h"
#include "tests/suites/fdt_writer.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_BLOB 65536
#define PAGE_RUN 64 /* pieces asked one by one */

/* A promise of the code under test does not hold: libFuzzer reports the input. */
static void must(bool ok)
{
	if (!ok)
		abort();
}

static unsigned long sink; /* what was read, so that nothing is optimised away */

static void read_string(const char *s)
{
	for (; *s; s++)
		sink += (unsigned char)*s;
}

static void ask_node(struct fdt *fdt, int node)
{
	static const char *const names[] = { "reg", "ranges", "alloc-ranges", "compatible", "status", "size" };
	uint64_t base, size;
	size_t len;
	char path[48];

	read_string(fdt_node_name(fdt, node));
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		const uint8_t *p = fdt_prop(fdt, node, names[i], &len);

		for (size_t j = 0; p && j < len; j++)
			sink += p[j];
		if (fdt_prop_string(fdt, node, names[i]))
			read_string(fdt_prop_string(fdt, node, names[i]));
	}
	sink += fdt_enabled(fdt, node) + fdt_compatible(fdt, node, "arm,pl011");
	(void)fdt_path(fdt, node, path, sizeof(path));
	read_string(path);
	for (unsigned i = 0; i < 16 && fdt_reg(fdt, node, i, &base, &size) > 0; i++)
		must(size == 0 || base <= UINT64_MAX - (size - 1));
}

/* A controller that was found has registers, all of them, and the timer's input is a private one. */
static void ask_interrupts(struct fdt *fdt)
{
	struct irq_timer_desc timer;
	struct irq_desc d;
	uint64_t base, size;

	if (irq_tree_controller(fdt, &d) != NULL)
		return;
	must(d.dist_size >= d.driver->dist_bytes && d.region_count != 0);
	for (unsigned i = 0; i < d.region_count; i++)
		must(irq_tree_region(fdt, &d, i, &base, &size) && size >= d.driver->region_bytes);
	must(irq_tree_timer(fdt, &d, &timer) != NULL || (timer.intid >= GIC_SGIS && timer.intid < GIC_PRIVATE));
}

static void walk(struct fdt *fdt)
{
	uint64_t base, size;
	int depth = 0, last = -1;
	size_t nodes = 0;

	for (int node = fdt_root(fdt); node != FDT_NONE; node = fdt_next_node(fdt, node, &depth)) {
		must(node > last && depth >= 0 && depth < FDT_MAX_DEPTH);
		must((fdt_parent(fdt, node) == FDT_NONE) == (depth == 0));
		last = node;
		if (nodes++ < 200)
			ask_node(fdt, node);
	}
	/* Offsets that are no nodes. */
	for (int node = -4; node < (int)min_u64(fdt->struct_len + 8, 2048); node += 2) {
		ask_node(fdt, node);
		sink += (unsigned)fdt_next_with(fdt, node, "reg") + (unsigned)fdt_next_node(fdt, node, NULL) +
			(unsigned)fdt_next_sibling(fdt, node) + (unsigned)fdt_first_child(fdt, node);
	}
	for (unsigned i = 0; fdt_memreserve(fdt, i, &base, &size); i++)
		sink += base;
	read_string(fdt_bootargs(fdt));
	sink += (unsigned)fdt_stdout(fdt) + (unsigned)fdt_by_phandle(fdt, 1);
	sink += (unsigned)fdt_find(fdt, "serial0:115200n8", SIZE_MAX) +
		(unsigned)fdt_find(fdt, "/soc/serial", SIZE_MAX);
	if (fdt_initrd(fdt, &base, &size) > 0)
		must(base < size);
}

static void iterate(struct fdt *fdt, int (*next)(struct fdt *, struct fdt_region_iter *, struct fdt_region *))
{
	struct fdt_region_iter it = { 0 };
	struct fdt_region r;
	uint64_t base, size;
	int more;

	while ((more = next(fdt, &it, &r)) > 0) {
		must(r.size != 0);
		if (r.kind != FDT_REGION_DYNAMIC) {
			must(r.base <= UINT64_MAX - (r.size - 1));
			continue;
		}
		must(is_pow2(r.alignment) && r.alignment >= 4096 && !(r.no_map && r.reusable));
		for (unsigned i = 0; fdt_alloc_range(fdt, &r, i, &base, &size) > 0; i++)
			sink += base;
	}
	must((more < 0) == (fdt->error != NULL));
}

static void make_map(struct fdt *fdt, uint64_t dtb_pa)
{
	static const struct ram_extra image = { 0x40200000, 0x234567, RAM_IMAGE, "image" };
	const struct ram_claim *owners[4];
	struct ram_claim *storage;
	struct ram_map map = { 0 };
	struct ram_range r;
	uint64_t total = 0;
	unsigned pieces = 0;
	char source[64];
	int needed = ram_claims_needed(fdt, 1), err;

	if (needed < 0)
		return;
	storage = malloc((size_t)needed * sizeof(*storage));
	must(storage != NULL);
	err = ram_build(&map, storage, (unsigned)needed, fdt, paddr(dtb_pa), &image, 1);
	must(err == MM_OK || (map.claims == NULL && fdt->error != NULL));
	if (err == MM_OK) {
		must(map.count <= (unsigned)needed);
		must(ram_validate(&map) == MM_OK);
		for (uint64_t a = 0; ram_next(&map, a, &r); a = r.base + r.size) {
			must(r.base >= a && r.size != 0 && r.base + r.size > r.base);
			total += r.size;
			if (pieces++ < PAGE_RUN)
				must(ram_owners(&map, r.base, owners, 4) >= 1 && owners[0]->kind == r.kind);
		}
		must(total == ram_total(&map));
		for (unsigned i = 0; i < map.count && i < 256; i++) {
			(void)ram_source(&map, &map.claims[i], source, sizeof(source));
			read_string(source);
		}
	}
	free(storage);
}

/* ---- trees from instructions ---- */

struct script {
	const uint8_t *p;
	size_t left;
};

static uint8_t take(struct script *s)
{
	if (s->left == 0)
		return 0;
	s->left--;
	return *s->p++;
}

static uint64_t number(struct script *s)
{
	static const uint64_t bases[] = { 0,	      0x1000,	   0x40000000, 0x40200000,	   0x80000000,
					  1ULL << 32, 0x880000000, 1ULL << 47, UINT64_MAX - 0xffff };
	uint8_t a = take(s);

	return bases[a % ARRAY_SIZE(bases)] + ((uint64_t)take(s) << (take(s) % 32)) - (a >> 6);
}

/* An interrupt controller that is nearly right; what comes next may go into its node. */
static void begin_controller(struct fdtw *w, unsigned kind, unsigned cells_a, unsigned cells_s, struct script *s)
{
	static const char *const kinds[] = { "arm,gic-v3", "arm,gic-400", "arm,cortex-a15-gic" };
	uint64_t pairs[12];
	unsigned n = 1 + take(s) % 6;

	fdtw_begin(w, "intc@8000000");
	fdtw_str(w, "compatible", kinds[kind]);
	fdtw_empty(w, "interrupt-controller");
	fdtw_u32(w, "#interrupt-cells", 2 + take(s) % 3);
	fdtw_u32(w, "phandle", 1);
	if (n > 2)
		fdtw_num(w, "#redistributor-regions", 1, take(s) % 8);
	if (n > 4)
		fdtw_num(w, "redistributor-stride", 1 + n % 2, number(s));
	for (unsigned i = 0; i < n; i++) {
		pairs[2 * i] = number(s) & ~(uint64_t)0xfff;
		pairs[2 * i + 1] = (uint64_t)take(s) << 14;
	}
	fdtw_reg(w, "reg", cells_a, cells_s, n, pairs);
}

/* The same of a timer, wired to that controller. */
static void begin_timer(struct fdtw *w, struct script *s)
{
	static const char names[] = "phys\0virt\0sec-phys\0hyp-phys";
	uint8_t cells[4 * 12] = { 0 };
	unsigned n = 1 + take(s) % 12;

	fdtw_begin(w, "timer");
	fdtw_str(w, "compatible", "arm,armv8-timer");
	fdtw_u32(w, "interrupt-parent", 1 + take(s) % 8 / 7);
	for (unsigned i = 0; i < n; i++)
		cells[4 * i + 3] = i % 3 ? take(s) % 20 : 1;
	fdtw_prop(w, "interrupts", cells, (size_t)n * 4);
	if (take(s) % 2)
		fdtw_prop(w, "interrupt-names", names, 1 + take(s) % sizeof(names));
}

/* A few operations on one tree; every byte means something. */
static size_t build_tree(uint8_t *buf, size_t cap, struct script *s)
{
	static const char *const nodes[] = { "memory@0", "reserved-memory", "chosen", "soc@0", "a", "pool", "aliases" };
	static const char *const props[] = { "reg",
					     "ranges",
					     "alloc-ranges",
					     "size",
					     "alignment",
					     "#address-cells",
					     "#size-cells",
					     "no-map",
					     "reusable",
					     "status",
					     "device_type",
					     "stdout-path",
					     "serial0",
					     "linux,initrd-start",
					     "linux,initrd-end",
					     "numa-node-id",
					     "phandle",
					     "interrupt-parent",
					     "#redistributor-regions",
					     "redistributor-stride",
					     "#interrupt-cells",
					     "interrupts",
					     "clock-frequency" };
	static const char *const texts[] = { "memory", "okay", "disabled", "/soc@0/a", "serial0:1", "virt" };
	struct fdtw w;
	unsigned depth = 0, cells_a, cells_s;
	uint64_t pairs[8];

	fdtw_start(&w, buf, cap);
	for (unsigned n = take(s) % 4; n != 0; n--) {
		pairs[0] = number(s);
		pairs[1] = number(s);
		if ((pairs[0] | pairs[1]) != 0)
			fdtw_reserve(&w, pairs[0], pairs[1]);
	}
	cells_a = 1 + take(s) % 3;
	cells_s = take(s) % 4;
	fdtw_begin_root(&w, cells_a, cells_s);
	while (s->left > 4) {
		uint8_t op = take(s);
		const char *prop = props[take(s) % ARRAY_SIZE(props)];

		switch (op % 12) {
		case 0:
		case 1:
			fdtw_begin(&w, nodes[op / 12 % ARRAY_SIZE(nodes)]);
			depth++;
			break;
		case 2:
			if (depth != 0) {
				fdtw_end(&w);
				depth--;
			}
			break;
		case 3:
			fdtw_begin_reserved(&w, cells_a, cells_s);
			depth++;
			break;
		case 4:
			fdtw_begin_memory(&w, "memory@0");
			depth++;
			__attribute__((fallthrough));
		case 5:
			for (unsigned i = 0; i < 8; i++)
				pairs[i] = number(s);
			fdtw_reg(&w, op & 0x80 ? prop : "reg", cells_a, cells_s, op / 12 % 5, pairs);
			break;
		case 6:
			fdtw_num(&w, prop, op / 12 % 5, number(s));
			break;
		case 7:
			fdtw_str(&w, prop, texts[op / 12 % ARRAY_SIZE(texts)]);
			break;
		case 8:
			fdtw_empty(&w, prop);
			break;
		case 9:
			begin_controller(&w, op / 12 % 3, cells_a, cells_s, s);
			depth++;
			break;
		case 10:
			begin_timer(&w, s);
			depth++;
			break;
		default:
			fdtw_word(&w, op & 0x80 ? FDTW_NOP : op);
			break;
		}
	}
	for (; depth != 0; depth--)
		fdtw_end(&w);
	fdtw_end(&w);
	return fdtw_finish(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[MAX_BLOB] __attribute__((aligned(8)));
	struct script s = { data, size };
	struct fdt fdt;
	size_t used, total;
	uint8_t *blob;

	if (size > MAX_BLOB)
		return 0;
	if (size >= 4 && fdtw_peek(data, 0) == 0xd00dfeed) {
		memcpy(buf, data, size);
	} else {
		size = build_tree(buf, MAX_BLOB, &s);
		if (s.left == 4 && size != 0)
			fdtw_poke(buf, (size_t)((s.p[0] << 8 | s.p[1]) % (size - 4)) & ~(size_t)3,
				  s.p[2] * (uint32_t)s.p[3]);
	}
	/* A block of its own, so that the sanitizer sees the first byte read behind it. */
	blob = malloc(size ? size : 1);
	must(blob != NULL && IS_ALIGNED((uintptr_t)blob, 8));
	memcpy(blob, buf, size);
	if (fdt_open(&fdt, blob, size)) {
		must(fdt.error == NULL && fdt.used <= size && fdt.used <= fdt.totalsize);
		must(fdt_probe(blob, &used, &total) == NULL && used >= fdt.used && total == fdt.totalsize);
		walk(&fdt);
		ask_interrupts(&fdt);
		iterate(&fdt, get_memory_regions);
		iterate(&fdt, get_reserved_regions);
		make_map(&fdt, 0x48000000);
	} else {
		must(fdt.error != NULL && fdt_root(&fdt) == FDT_NONE);
	}
	free(blob);
	return 0;
}
