/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ways to die. A suite that runs only when it is named, one test a boot: none of them returns, and tests/qemu looks at
 * what the kernel says on its way out and at its exit status, which is never 0.
 */
#define SUITE "_crash"
#include "lib/tap.h"

#if defined(__aarch64__) && !__STDC_HOSTED__

#include "boot/boot.h"
#include "lib/log.h"
#include "lib/panic.h"
#include "mm/layout.h"

/* In the linear map, where no machine of the tests has RAM. */
#define NOWHERE (LAYOUT_LINEAR + TIB(127) + 0x1238)

static noinline void write_to(uintptr_t a)
{
	*(volatile uint64_t *)a = 1;
	__asm__ volatile(""); /* no tail: the caller stays in the backtrace */
}

static void broken_sink(const char *text, size_t n)
{
	(void)text;
	(void)n;
	write_to(NOWHERE);
}

static noinline unsigned endless(unsigned n)
{
	volatile unsigned here = n;

	return n == UINT32_MAX ? 0 : endless(n + 1) + here;
}

TEST_ON(TAP_TARGET, write, "a write to an address that is not mapped")
{
	write_to(NOWHERE);
}

TEST_ON(TAP_TARGET, text, "a write to the kernel's text")
{
	write_to((uintptr_t)image_start);
}

TEST_ON(TAP_TARGET, fetch, "a jump to data")
{
	static uint64_t data;
	void (*volatile jump)(void) = (void (*)(void))(uintptr_t)&data;

	jump();
}

TEST_ON(TAP_TARGET, brk, "a BRK instruction")
{
	__asm__ volatile("brk #0x1234");
}

TEST_ON(TAP_TARGET, stack, "a stack that runs into its guard page")
{
	tap_note("%u", endless(0));
}

TEST_ON(TAP_TARGET, panic, "a broken promise")
{
	panic("the number is %d, the text %s", 42, "here");
}

TEST_ON(TAP_TARGET, sink, "a console that faults: the report of the fault goes to semihosting")
{
	log_set_sink(broken_sink);
	log_info("this line is what faults\n");
}

TEST_ON(TAP_TARGET, again, "a panic whose console faults")
{
	log_set_sink(broken_sink);
	panic("the first");
}

#endif
