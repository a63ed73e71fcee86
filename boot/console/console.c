/* SPDX-License-Identifier: BSD-2-Clause */
/* Chooses the console from the device tree and connects the log to it. Knows no register of any device. */
#include "boot/console/console.h"
#include "arch/aarch64/semihost.h"
#include "lib/fdt_mem.h"
#include "lib/log.h"
#include "lib/string.h"

static const struct console_driver *const drivers[] = {
	&console_pl011,
	&console_sbsa_uart,
};

static struct console console;

static const struct console_driver *driver_for(const struct fdt *fdt, int node)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (fdt_compatible(fdt, node, drivers[i]->compatible))
			return drivers[i];
	return NULL;
}

/* Whether a bank covers a byte of it: a tree that names such a device would have us write into memory. */
static bool in_ram(struct fdt *fdt, uint64_t base, uint64_t last)
{
	struct fdt_region_iter it = { 0 };
	struct fdt_region r;

	while (get_memory_regions(fdt, &it, &r) > 0)
		if (r.base <= last && base <= r.base + (r.size - 1))
			return true;
	return false;
}

static const char *describe(struct fdt *fdt, int node, const struct console_driver *driver, struct console_desc *out)
{
	uint64_t base = 0;
	uint64_t size = 0;

	if (fdt_reg(fdt, node, 0, &base, &size) != 1)
		return "the console's node has no usable reg";
	if (size < driver->reg_bytes || !IS_ALIGNED(base, 4) || base + (size - 1) < base)
		return "the console's reg is too small, not aligned, or wraps";
	if (in_ram(fdt, base, base + (driver->reg_bytes - 1)))
		return "the console's registers lie in RAM";
	out->driver = driver;
	out->pa = paddr(base);
	out->size = size;
	out->node = node;
	return NULL;
}

/* [BU10] [BU11] */
const char *console_find(struct fdt *fdt, struct console_desc *out)
{
	const struct console_driver *driver;
	int node = fdt_stdout(fdt);
	int only = FDT_NONE;

	if (node != FDT_NONE) {
		if (!fdt_enabled(fdt, node))
			return "stdout-path names a device that is disabled";
		driver = driver_for(fdt, node);
		if (driver == NULL)
			return "stdout-path names a device without a driver";
		return describe(fdt, node, driver, out);
	}
	for (node = fdt_root(fdt); node != FDT_NONE; node = fdt_next_node(fdt, node, NULL)) {
		if (!fdt_compatible(fdt, node, console_pl011.compatible) || !fdt_enabled(fdt, node))
			continue;
		if (only != FDT_NONE)
			return "no stdout-path, and more than one PL011";
		only = node;
	}
	if (only == FDT_NONE)
		return "no stdout-path, and no PL011";
	return describe(fdt, only, &console_pl011, out);
}

static void sink_console(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n')
			console.put(&console, '\r');
		console.put(&console, text[i]);
	}
}

static void sink_semihost(const char *text, size_t n)
{
	/* Nothing to be done when nobody listens any more. */
	(void)semihost_write(text, n);
}

/* [BU12] [BU13] */
bool console_start(const struct console_desc *desc, void *regs)
{
	struct console next;

	memset(&next, 0, sizeof(next));
	if (desc != NULL) {
		next.regs = (uintptr_t)regs;
		if (desc->driver->start(&next)) {
			console = next;
			log_set_sink(sink_console);
			return true;
		}
	}
	console.put = NULL;
	if (semihost_present()) {
		log_set_sink(sink_semihost);
		return true;
	}
	log_set_sink(NULL);
	return false;
}

void console_say(const char *text, size_t n)
{
	if (console.put != NULL)
		sink_console(text, n);
	else
		sink_semihost(text, n);
}

bool console_has_log(void)
{
	return log_sink() == sink_console || log_sink() == sink_semihost;
}

struct console *console_current(void)
{
	return console.put != NULL ? &console : NULL;
}
