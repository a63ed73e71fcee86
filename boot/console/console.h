/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Early consoles. Which one: the device that /chosen stdout-path names; when there is no stdout-path (or it names no
 * node), the PL011 of a tree that has exactly one enabled PL011. A stdout-path that names a device without a driver
 * here means no console: some other UART of the machine may talk to a radio.
 *
 * The boot loader has set the baud rate and enabled the device; the drivers leave that alone. A new driver is one file
 * and one row of the table in console.c.
 */
#ifndef BOOT_CONSOLE_CONSOLE_H
#define BOOT_CONSOLE_CONSOLE_H

#include "arch/addr.h"
#include "lib/fdt.h"

struct console {
	const char *name;
	/* Sends one byte; waits a bounded time and then drops it: a dead UART must not stop the boot. */
	void (*put)(struct console *c, char byte);
	/* The next byte that was received, or -1: nothing there now. NULL: output only. */
	int (*get)(struct console *c);
	uintptr_t regs; /* where the registers are mapped as device memory */
	bool stuck;	/* the driver's: the last wait ran out, the next is one look */
};

struct console_driver {
	const char *compatible; /* as in the tree */
	uint32_t reg_bytes;	/* of registers the driver needs */
	/* Fills name, put and get; regs is set. Returns false when this is not the device after all. */
	bool (*start)(struct console *c);
};

/* A console that was found but not yet mapped. */
struct console_desc {
	const struct console_driver *driver;
	paddr_t pa;    /* of the registers; 4-byte aligned */
	uint64_t size; /* bytes; at least driver->reg_bytes */
	int node;
};

/*
 * Chooses the console. Returns NULL and fills *out; or a sentence that says why there is none (constant; *out is
 * unchanged). The caller maps [pa, pa + reg_bytes) as device memory and calls console_start().
 */
const char *console_find(struct fdt *fdt, struct console_desc *out);

/*
 * From here the log goes to the console whose registers are at regs (the mapping of desc->pa itself, offset in the page
 * included). desc NULL, or a device that does not start: to semihosting when somebody listens, else the lines stay in
 * the log's ring. Returns whether a person (or a test) can read the log.
 */
bool console_start(const struct console_desc *desc, void *regs);

/* The console in use, or NULL. */
struct console *console_current(void);

/* Text straight to the console (or by semihosting), whatever the log's sink is just now: for a panic while a test listens to the log. */
void console_say(const char *text, size_t n);
/* Whether that is where the log goes. */
bool console_has_log(void);

/* pl011.c */
extern const struct console_driver console_pl011, console_sbsa_uart;

#endif
