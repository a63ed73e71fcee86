/* SPDX-License-Identifier: BSD-2-Clause */
/* Consoles: which device a tree makes the console, the PL011 driver over ordinary memory, and where the log goes. */
#define SUITE "console"
#include "lib/tap.h"

#include "boot/console/console.h"
#include "lib/fdt_mem.h"
#include "tests/suites/capture.h"
#include "tests/suites/fdt_writer.h"
#ifdef GRANULE_HOST
#include "boot/monitor.h"
#include "tests/host/boot_fakes.h"
#include "tests/host/panic.h"
#else
#include "arch/aarch64/semihost.h"
#endif

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

static uint8_t blob[4096] __attribute__((aligned(8)));
static struct fdtw w;
static struct fdt fdt;

/* A tree with 2/2 cells whose devices stand in /soc, which adds 0x100000000 to their addresses. */
static void tree_start(void)
{
	fdtw_start(&w, blob, sizeof(blob));
	fdtw_begin_root(&w, 2, 2);
	fdtw_begin(&w, "soc");
	fdtw_u32(&w, "#address-cells", 1);
	fdtw_u32(&w, "#size-cells", 1);
	fdtw_word(&w, FDTW_PROP);
	fdtw_word(&w, 16);
	fdtw_word(&w, fdtw_string(&w, "ranges"));
	fdtw_cell(&w, 1, 0);
	fdtw_cell(&w, 2, GIB(4));
	fdtw_cell(&w, 1, GIB(1));
}

static void tree_uart(const char *name, const char *compatible, uint64_t base, uint64_t size, const char *status)
{
	fdtw_begin(&w, name);
	fdtw_prop(&w, "compatible", compatible, strlen(compatible) + 1);
	FDTW_REG(&w, 1, 1, base, size);
	if (status != NULL)
		fdtw_str(&w, "status", status);
	fdtw_end(&w);
}

static const char *choose(const char *stdout_path, struct console_desc *out)
{
	size_t n;

	fdtw_end(&w); /* soc */
	if (stdout_path != NULL) {
		fdtw_begin(&w, "chosen");
		fdtw_str(&w, "stdout-path", stdout_path);
		fdtw_end(&w);
	}
	fdtw_end(&w);
	n = fdtw_finish(&w);
	memset(out, 0xee, sizeof(*out));
	if (n == 0 || !fdt_open(&fdt, blob, n))
		return "the test's own tree is malformed";
	return console_find(&fdt, out);
}

static bool untouched(const struct console_desc *d)
{
	const uint8_t *p = (const uint8_t *)d;

	for (size_t i = 0; i < sizeof(*d); i++)
		if (p[i] != 0xee)
			return false;
	return true;
}

TEST(BU10,
     "the device of stdout-path is the console, its address translated by its bus, whatever other UARTs there are")
{
	struct console_desc d;

	tree_start();
	tree_uart("a@9000000", "arm,pl011", 0x9000000, 0x1000, NULL);
	tree_uart("b@9040000", "arm,pl011", 0x9040000, 0x200, "okay");
	CHECK(choose("/soc/b@9040000:115200n8", &d) == NULL);
	CHECK(d.driver == &console_pl011);
	CHECK_EQ(d.pa.v, GIB(4) + 0x9040000);
	CHECK_EQ(d.size, 0x200);
	CHECK_EQ(d.node, fdt_find(&fdt, "/soc/b@9040000", 14));

	tree_start();
	tree_uart("s@60000000", "arm,sbsa-uart", 0x30000000, 0x1000, NULL);
	CHECK(choose("/soc/s@60000000", &d) == NULL);
	CHECK(d.driver == &console_sbsa_uart);
}

TEST(BU10,
     "a stdout-path device that is unknown, disabled or has no usable registers means no console, with the reason")
{
	static const struct {
		const char *compatible;
		uint64_t base, size;
		const char *status;
		const char *why;
	} bad[] = {
		{ "ns16550a", 0x9000000, 0x1000, NULL, "without a driver" },
		{ "arm,pl011x", 0x9000000, 0x1000, NULL, "without a driver" },
		{ "arm,pl011", 0x9000000, 0x1000, "disabled", "disabled" },
		{ "arm,pl011", 0x9000000, 0x44, NULL, "too small" },
		{ "arm,pl011", 0x9000000, 0, NULL, "too small" },
		{ "arm,pl011", 0x9000002, 0x1000, NULL, "not aligned" },
		{ "arm,pl011", 0x50000000, 0x1000, NULL, "no usable reg" }, /* outside the bus */
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct console_desc d;
		const char *why;

		tree_start();
		tree_uart("u", bad[i].compatible, bad[i].base, bad[i].size, bad[i].status);
		tree_uart("other", "arm,pl011", 0xa000000, 0x1000, NULL);
		why = choose("/soc/u", &d);
		if (why == NULL || !has_text(why, bad[i].why))
			tap_note("row %u: %s", (unsigned)i, why != NULL ? why : "found");
		CHECK(why != NULL && has_text(why, bad[i].why));
		CHECK(untouched(&d));
	}
}

TEST(BU10, "a console whose registers lie in RAM is none: printing would write into memory")
{
	static const struct {
		uint64_t base, size;
		bool found;
	} bank[] = {
		{ GIB(4) + 0x9000000, 0x1000, false },
		{ GIB(4), GIB(1), false },
		{ GIB(4) + 0x9000000 + 0x47, 1, false },
		{ GIB(4) + 0x9000000 + 0x48, 0x1000, true }, /* behind the registers that are used */
		{ GIB(4) + 0x8fff000, 0x1000, true },
		{ 0, UINT64_MAX, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bank); i++) {
		struct console_desc d;
		const char *why;

		tree_start();
		tree_uart("u", "arm,pl011", 0x9000000, 0x1000, NULL);
		fdtw_end(&w); /* soc */
		fdtw_begin(&w, "memory");
		fdtw_str(&w, "device_type", "memory");
		FDTW_REG(&w, 2, 2, bank[i].base, bank[i].size);
		why = choose("/soc/u", &d);
		CHECK_EQ(why == NULL, bank[i].found);
		CHECK(why == NULL || (has_text(why, "lie in RAM") && untouched(&d)));
	}
}

TEST(BU11, "without a stdout-path the only enabled PL011 is the console; two, or none, are not")
{
	struct console_desc d;
	const char *why;

	tree_start();
	tree_uart("off@1000", "arm,pl011", 0x1000, 0x1000, "disabled");
	tree_uart("on@2000", "arm,pl011", 0x2000, 0x1000, NULL);
	tree_uart("x@3000", "ns16550a", 0x3000, 0x1000, NULL);
	CHECK(choose(NULL, &d) == NULL);
	CHECK_EQ(d.pa.v, GIB(4) + 0x2000);

	/* A stdout-path that names no node is none. */
	tree_start();
	tree_uart("on@2000", "arm,pl011", 0x2000, 0x1000, NULL);
	CHECK(choose("/soc/gone", &d) == NULL);

	tree_start();
	tree_uart("on@2000", "arm,pl011", 0x2000, 0x1000, NULL);
	tree_uart("too@3000", "arm,pl011", 0x3000, 0x1000, NULL);
	why = choose(NULL, &d);
	CHECK(why != NULL && has_text(why, "more than one"));
	CHECK(untouched(&d));

	tree_start();
	why = choose(NULL, &d);
	CHECK(why != NULL && has_text(why, "no PL011"));
}

/* ---- the PL011 over ordinary memory ------------------------------------------------------------------------------ */

#define DR 0
#define FR (0x18 / 4)
#define FR_TXFF (1u << 5)
#define FR_RXFE (1u << 4)

static uint32_t regs[0x1000 / 4];

TEST(BU12, "the PL011 driver sends when there is room, drops a byte after a bounded wait, and recovers by itself")
{
	struct console c = { .regs = (uintptr_t)regs };

	memset(regs, 0, sizeof(regs));
	CHECK(console_pl011.start(&c));
	CHECK(c.put != NULL && c.get != NULL && strcmp(c.name, "pl011") == 0);
	/* Nothing is set up that the boot loader has set up. */
	for (size_t i = 0; i < ARRAY_SIZE(regs); i++)
		if (regs[i] != 0)
			CHECK_EQ(i, SIZE_MAX);
	c.put(&c, 'g');
	CHECK_EQ(regs[DR], 'g');
	c.put(&c, (char)0xe9);
	CHECK_EQ(regs[DR], 0xe9); /* no sign in the error bits */
	regs[FR] = FR_TXFF;
	c.put(&c, 'x');
	CHECK_EQ(regs[DR], 0xe9);
	CHECK(c.stuck);
	/* Not another million looks for each byte of a page of text. */
	for (unsigned i = 0; i < 100000; i++)
		c.put(&c, 'x');
	CHECK_EQ(regs[DR], 0xe9);
	regs[FR] = 0;
	c.put(&c, 'y');
	CHECK_EQ(regs[DR], 'y');
	CHECK(!c.stuck);
}

TEST(BU12, "the PL011 driver receives bytes without their error bits, and says when there is none")
{
	struct console c = { .regs = (uintptr_t)regs };

	memset(regs, 0, sizeof(regs));
	CHECK(console_sbsa_uart.start(&c));
	regs[FR] = FR_RXFE;
	CHECK_EQ(c.get(&c), -1);
	regs[FR] = 0;
	regs[DR] = 0xf00 | 'q';
	CHECK_EQ(c.get(&c), 'q');
	regs[DR] = 0xff;
	CHECK_EQ(c.get(&c), 0xff);
}

/* ---- where the log goes ------------------------------------------------------------------------------------------ */

#ifdef GRANULE_HOST

static char sent[4096];
static size_t sent_bytes;
static const char *input;

static void fake_put(struct console *c, char byte)
{
	(void)c;
	if (sent_bytes < sizeof(sent) - 1) {
		sent[sent_bytes++] = byte;
		sent[sent_bytes] = '\0';
	}
}

static int fake_get(struct console *c)
{
	static bool busy;

	(void)c;
	/* Now and then there is nothing yet. */
	busy = !busy;
	return busy || *input == '\0' ? -1 : (uint8_t)*input++;
}

static bool fake_start(struct console *c)
{
	c->name = "fake";
	c->put = fake_put;
	c->get = fake_get;
	return c->regs != 0;
}

static const struct console_driver fake_driver = { "granule,fake", 4, fake_start };
static const struct console_desc fake_desc = { .driver = &fake_driver, .size = 4 };

static void fake_console(const char *typed)
{
	sent_bytes = 0;
	sent[0] = '\0';
	input = typed;
}

TEST_ON(TAP_HOST, BU13, "the log goes to the console with carriage returns; without one to semihosting; else it waits")
{
	log_sink_fn before = log_sink();

	fake_semihost(false);
	fake_console("");
	CHECK(!console_start(NULL, NULL));
	CHECK(log_sink() == NULL);
	CHECK(console_current() == NULL);
	log_info("early\n");
	CHECK_EQ(sent_bytes, 0);
	/* The line that waited comes first. */
	CHECK(console_start(&fake_desc, regs));
	log_info("two\nlines\n");
	CHECK(strcmp(sent, "early\r\ntwo\r\nlines\r\n") == 0);
	CHECK(console_current() != NULL && console_current()->regs == (uintptr_t)regs);

	/* A device that does not start falls back. */
	fake_semihost(true);
	CHECK(console_start(&fake_desc, NULL));
	CHECK(console_current() == NULL);
	fake_console("");
	log_info("to semihosting\n");
	CHECK_EQ(sent_bytes, 0);
	CHECK(strcmp(fake_semihost_text(), "to semihosting\n") == 0);
	fake_semihost(false);
	log_set_sink(before);
}

static void run_monitor(void)
{
	monitor_run();
}

TEST_ON(TAP_HOST, BU31, "the monitor reads lines from the console, echoes and answers, until poweroff")
{
	log_sink_fn before = log_sink();
	const char *end;

	fake_machine();
	fake_console("hepl\b\x7flp\r\nfoo\x03\nbogus one\rpoweroff\rnever\r");
	CHECK(console_start(&fake_desc, regs));
	end = expect_panic(run_monitor);
	log_set_sink(before);
	CHECK(end != NULL && strcmp(end, FAKE_POWEROFF "0") == 0);
	CHECK(has_text(sent, "granule> hepl\b \b\b \blp\r\n  help "));
	CHECK(has_text(
		sent,
		"granule> foo^C\r\ngranule> \r\ngranule> bogus one\r\n'bogus' is no command; try help\r\ngranule> "));
	CHECK(has_text(sent, "granule> poweroff\r\n"));
	CHECK(!has_text(sent, "never"));
}

TEST_ON(TAP_HOST, BU31, "without a console that can be read the monitor returns")
{
	log_sink_fn before = log_sink();

	fake_semihost(true);
	CHECK(console_start(NULL, NULL));
	CHECK(expect_panic(run_monitor) == NULL);
	CHECK(has_text(fake_semihost_text(), "monitor: no console that could be read\n"));
	fake_semihost(false);
	log_set_sink(before);
}

#else

TEST_ON(TAP_TARGET, BU14, "semihosting answers the same each time, and text of any length goes through")
{
	char text[300];
	bool present = semihost_present();

	/* Where nobody listens the undefined instruction has come back as -1: that this line is reached is the test. */
	CHECK_EQ(semihost_present(), present);
	memset(text, '.', sizeof(text));
	memcpy(text, "\n# semihosting ", 15);
	text[128] = '\0';
	text[299] = '\n';
	CHECK_EQ(semihost_write(text, sizeof(text)), present);
	CHECK_EQ(semihost_write(text, 0), present);
}

TEST_ON(TAP_TARGET, BU13, "the machine's log has a reader, and a console that stdout-path names is the one in use")
{
	CHECK(log_sink() != NULL);
	if (console_current() != NULL) {
		CHECK(console_current()->put != NULL);
		CHECK(console_current()->regs != 0);
	}
}

#endif
