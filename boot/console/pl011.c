/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arm PrimeCell UART (PL011, Arm DDI 0183), and the Server Base System Architecture's generic UART, which is the part
 * of it that this driver uses: data and flag register. Polled; baud rate, FIFOs and enable bits are the boot loader's.
 */
#include "boot/console/console.h"

#define UARTDR 0x00 /* 11:8 receive errors, 7:0 data */
#define UARTFR 0x18
#define UARTFR_RXFE (1u << 4) /* nothing received */
#define UARTFR_TXFF (1u << 5) /* no room to send */

/*
 * Looks at the flag register before a byte is dropped. At 9600 baud a full FIFO makes room for a byte after 1 ms; a
 * read of a device register takes 50 ns at the very least, so this is 50 ms or more.
 */
#define SPIN_MAX 1000000u

static volatile uint32_t *reg(const struct console *c, unsigned offset)
{
	/* 32-bit accesses: some integrations (reg-io-width = <4>) fault on narrower ones, none on these. */
	return (volatile uint32_t *)(c->regs + offset);
}

/* [BU12] */
static void pl011_put(struct console *c, char byte)
{
	unsigned spins = c->stuck ? 1 : SPIN_MAX;

	while (*reg(c, UARTFR) & UARTFR_TXFF) {
		if (--spins == 0) {
			c->stuck = true;
			return;
		}
	}
	c->stuck = false;
	*reg(c, UARTDR) = (uint8_t)byte;
}

static int pl011_get(struct console *c)
{
	if (*reg(c, UARTFR) & UARTFR_RXFE)
		return -1;
	return (int)(*reg(c, UARTDR) & 0xff);
}

static bool pl011_start(struct console *c)
{
	c->name = "pl011";
	c->put = pl011_put;
	c->get = pl011_get;
	return true;
}

/* Up to UARTICR. Trees name between 0x200 bytes and 64 KiB. */
const struct console_driver console_pl011 = { "arm,pl011", 0x48, pl011_start };
const struct console_driver console_sbsa_uart = { "arm,sbsa-uart", 0x48, pl011_start };
