/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts in the device tree. Bindings: Linux, Documentation/devicetree/bindings: interrupt-controller/arm,gic.yaml,
 * arm,gic-v3.yaml, timer/arm,arch_timer.yaml.
 */
#include "boot/irq_tree.h"
#include "arch/addr.h"
#include "lib/string.h"

#define TIMER_VIRTUAL 2 /* the order without interrupt-names: secure, physical, virtual, hypervisor */
#define CELLS_MIN 3	/* of an interrupt specifier: type, number, flags; what follows says nothing of a timer */
#define CELLS_MAX 8
#define TYPE_PPI 1
#define PPIS 16

static const struct {
	const char *compatible;
	const struct gic_driver *driver;
} drivers[] = {
	{ "arm,gic-v3", &gic_v3 },
	{ "arm,gic-400", &gic_v2 },
	{ "arm,cortex-a15-gic", &gic_v2 },
};

static const struct gic_driver *driver_for(const struct fdt *fdt, int node)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		if (fdt_compatible(fdt, node, drivers[i].compatible))
			return drivers[i].driver;
	}
	return NULL;
}

/* reg[i] of the node, when it is a piece of device registers of `least` bytes or more. */
static bool registers(struct fdt *fdt, int node, unsigned i, uint64_t least, uint64_t *base, uint64_t *size)
{
	return fdt_reg(fdt, node, i, base, size) == 1 && *size >= least && IS_ALIGNED(*base, PAGE_SIZE);
}

bool irq_tree_region(struct fdt *fdt, const struct irq_desc *desc, unsigned i, uint64_t *base, uint64_t *size)
{
	if (i >= desc->region_count || !registers(fdt, desc->node, i + 1, desc->driver->region_bytes, base, size))
		return false;
	*size = min_u64(*size, IRQ_REGION_MAX);
	return true;
}

/* GICv3: how many of reg are redistributors, and how far apart these are. */
static const char *redistributors(const struct fdt *fdt, struct irq_desc *d)
{
	uint32_t count = 1;
	size_t len;
	const void *p;

	if (fdt_prop(fdt, d->node, "#redistributor-regions", &len) &&
	    (!fdt_prop_u32(fdt, d->node, "#redistributor-regions", &count) || count == 0))
		return "its #redistributor-regions is no number of regions";
	d->region_count = count;
	p = fdt_prop(fdt, d->node, "redistributor-stride", &len);
	if (!p)
		return NULL;
	/* Two cells by the binding; one occurs. */
	if (len % 4 != 0 || !fdt_read_cells(p, (unsigned)min_u64(len / 4, 5), &d->stride) || d->stride < KIB(128) ||
	    !IS_ALIGNED(d->stride, KIB(64)) || d->stride > IRQ_REGION_MAX)
		return "its redistributor-stride is none";
	return NULL;
}

/* [BT50] */
const char *irq_tree_controller(struct fdt *fdt, struct irq_desc *out)
{
	struct irq_desc d = { .region_count = 1 };
	const char *why = NULL;
	uint64_t base, size;

	d.node = fdt_next_with(fdt, fdt_root(fdt), "interrupt-controller");
	while (d.node != FDT_NONE) {
		d.driver = driver_for(fdt, d.node);
		if (d.driver && fdt_enabled(fdt, d.node))
			break;
		d.node = fdt_next_with(fdt, fdt_next_node(fdt, d.node, NULL), "interrupt-controller");
	}
	if (d.node == FDT_NONE)
		return "the device tree names none that has a driver";
	if (!registers(fdt, d.node, 0, d.driver->dist_bytes, &d.dist_base, &d.dist_size))
		return "its distributor has no usable reg";
	if (d.driver == &gic_v3)
		why = redistributors(fdt, &d);
	if (why)
		return why;
	/* Each of them, before anything is mapped. The tree is finite, whatever number it gives. */
	for (unsigned i = 0; i < d.region_count; i++) {
		if (!irq_tree_region(fdt, &d, i, &base, &size))
			return "its CPU interface or redistributors have no usable reg";
	}
	*out = d;
	return NULL;
}

/* The index of the string in a list of strings, or -1. */
static int string_index(const char *list, size_t len, const char *name)
{
	int index = 0;

	for (size_t at = 0; at < len; index++) {
		size_t n = strnlen(list + at, len - at);

		if (n == strlen(name) && memcmp(list + at, name, n) == 0)
			return index;
		at += n + 1;
	}
	return -1;
}

/* The nearest interrupt-parent on the way up says whose the node's interrupts are (2.4.1). above: its parent. */
static bool interrupts_go_to(const struct fdt *fdt, int node, int above, int controller)
{
	uint32_t parent, phandle;

	while (!fdt_prop_u32(fdt, node, "interrupt-parent", &parent)) {
		if (above == FDT_NONE)
			return false;
		node = above;
		above = fdt_parent(fdt, node);
	}
	return (fdt_prop_u32(fdt, controller, "phandle", &phandle) ||
		fdt_prop_u32(fdt, controller, "linux,phandle", &phandle)) &&
	       phandle == parent;
}

static bool is_timer(const struct fdt *fdt, int node)
{
	return fdt_compatible(fdt, node, "arm,armv8-timer") && fdt_enabled(fdt, node);
}

/* [BT51] */
const char *irq_tree_timer(const struct fdt *fdt, const struct irq_desc *controller, struct irq_timer_desc *out)
{
	struct irq_timer_desc d = { 0 };
	uint64_t type, number;
	uint32_t cells;
	size_t names_len, len, at;
	const char *names;
	const uint8_t *p;
	int node, above, index = TIMER_VIRTUAL;

	node = fdt_find(fdt, "/timer", SIZE_MAX); /* where it nearly always is */
	above = fdt_root(fdt);
	if (!is_timer(fdt, node)) {
		node = fdt_next_with(fdt, fdt_root(fdt), "interrupts");
		while (node != FDT_NONE && !is_timer(fdt, node))
			node = fdt_next_with(fdt, fdt_next_node(fdt, node, NULL), "interrupts");
		above = fdt_parent(fdt, node);
	}
	if (node == FDT_NONE)
		return "the device tree names none";
	if (!interrupts_go_to(fdt, node, above, controller->node))
		return "it is wired to another controller";
	names = fdt_prop(fdt, node, "interrupt-names", &names_len);
	if (names)
		index = string_index(names, names_len, "virt");
	if (index < 0)
		return "no virtual one is wired";
	if (!fdt_prop_u32(fdt, controller->node, "#interrupt-cells", &cells) || cells < CELLS_MIN || cells > CELLS_MAX)
		return "the controller's #interrupt-cells is not three or more";
	p = fdt_prop(fdt, node, "interrupts", &len);
	at = (size_t)index * cells * 4;
	if (!p || len < at || len - at < (size_t)cells * 4)
		return "no virtual one is wired";
	if (!fdt_read_cells(p + at, 1, &type) || !fdt_read_cells(p + at + 4, 1, &number) || type != TYPE_PPI ||
	    number >= PPIS)
		return "its interrupt is no PPI";
	d.intid = GIC_SGIS + (unsigned)number;
	(void)fdt_prop_u32(fdt, node, "clock-frequency", &d.frequency);
	*out = d;
	return NULL;
}
