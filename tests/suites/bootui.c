/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What boot/ says and understands, without a machine: sizes, command line, symbols, exceptions in words, backtraces,
 * the line editor. The monitor and the report have a suite of their own (monitor.c), consoles as well (console.c).
 */
#define SUITE "bootui"
#include "lib/tap.h"

#include "boot/backtrace.h"
#include "boot/cmdline.h"
#include "boot/exception_report.h"
#include "boot/format_size.h"
#include "boot/line_edit.h"
#include "boot/symbols.h"
#include "tests/suites/capture.h"
#ifdef GRANULE_HOST
#include "tests/host/boot_fakes.h"
#endif

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static bool size_is(uint64_t bytes, const char *want)
{
	char buf[FORMAT_SIZE_MAX];
	const char *got = format_size(buf, bytes);

	if (got == buf && strcmp(got, want) == 0)
		return true;
	tap_note("%lu bytes: '%s', want '%s'", (unsigned long)bytes, got, want);
	return false;
}

TEST(BU1, "sizes stand in the largest whole unit, with a decimal only when they are not exact")
{
	CHECK(size_is(0, "0 B"));
	CHECK(size_is(1, "1 B"));
	CHECK(size_is(1023, "1023 B"));
	CHECK(size_is(1024, "1 KiB"));
	CHECK(size_is(1025, "1.0 KiB"));
	CHECK(size_is(1536, "1.5 KiB"));
	CHECK(size_is(MIB(1) - 1, "1023.9 KiB"));
	CHECK(size_is(MIB(126) + KIB(512), "126.5 MiB"));
	CHECK(size_is(GIB(2), "2 GiB"));
	CHECK(size_is(GIB(2) + 4096, "2.0 GiB"));
	CHECK(size_is(TIB(1), "1 TiB"));
	CHECK(size_is((uint64_t)1 << 63, "8 EiB"));
	CHECK(size_is(UINT64_MAX, "15.9 EiB"));
}

/* ---- command line ------------------------------------------------------------------------------------------------ */

/* Too large for a kernel stack's liking. */
static struct cmdline words;

static const char *parse(const char *bootargs)
{
	capture_begin();
	cmdline_parse(bootargs, &words);
	return capture_end();
}

TEST(BU2, "the words verbose, tour, stats, poweroff, test= and bump= are understood, in any order, between any blanks")
{
	CHECK_EQ(strlen(parse("")), 0);
	CHECK(!words.verbose && !words.tour && !words.poweroff && !words.bump && words.test[0] == '\0' &&
	      !words.test_refused);
	CHECK_EQ(strlen(parse(" \t\n ")), 0);
	CHECK_EQ(strlen(parse("verbose")), 0);
	CHECK(words.verbose && !words.tour && !words.stats && !words.poweroff);
	CHECK_EQ(strlen(parse("\tpoweroff\n  tour ")), 0);
	CHECK(!words.verbose && words.tour && !words.stats && words.poweroff);
	CHECK_EQ(strlen(parse("poweroff stats")), 0);
	CHECK(words.stats && words.poweroff && !words.tour);
	CHECK_EQ(strlen(parse("bump=0x41000000,16M verbose test=bump verbose")), 0);
	CHECK(words.verbose && words.bump && strcmp(words.test, "bump") == 0);
	CHECK_EQ(words.unknown + words.bad, 0);
}

TEST(BU3, "an unknown word is named once, however often it stands there, and changes nothing")
{
	const char *said =
		parse("console=ttyAMA0 quiet verbose console=ttyAMA0 quiet quie verboser VERBOSE \"verbose\"");

	CHECK_EQ(count_text(said, "cmdline: unknown word 'console=ttyAMA0' ignored\n"), 1);
	CHECK_EQ(count_text(said, "cmdline: unknown word 'quiet' ignored\n"), 1);
	CHECK_EQ(count_text(said, "cmdline: unknown word 'quie' ignored\n"), 1);
	CHECK_EQ(count_text(said, "'verboser'"), 1);
	CHECK_EQ(count_text(said, "'VERBOSE'"), 1);
	CHECK_EQ(count_text(said, "'\"verbose\"'"), 1);
	CHECK_EQ(count_text(said, "\n"), 6);
	CHECK_EQ(words.unknown, 6);
	CHECK(words.verbose);
	/* Known words with what they do not take are unknown ones. */
	parse("verbose=1 tour= poweroff,now tes bump");
	CHECK_EQ(words.unknown, 5);
	CHECK(!words.verbose && !words.tour && !words.poweroff && !words.bump);
}

TEST(BU3, "a complaint shows no byte that a terminal would obey, and no more than sixty of them")
{
	char line[200];
	const char *said = parse("a\033[2Jb\x07\xff");

	CHECK(has_text(said, "'a?[2Jb?"
			     "?'"));
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	said = parse(line);
	CHECK(has_text(said, "x...' ignored\n"));
	CHECK_EQ(longest_line(said), strlen("cmdline: unknown word '' ignored") + 60 + 3);
	line[60] = '\0';
	CHECK(has_text(parse(line), "x' ignored\n"));
}

TEST(BU3, "a command line that is too long loses whole words, and says so")
{
	static char line[CMDLINE_MAX + 100];
	const char *said;

	/* "tour" lies across the limit: neither it nor "to" is taken. */
	memset(line, ' ', sizeof(line));
	memcpy(line, "verbose", 7);
	memcpy(line + CMDLINE_MAX - 2, "tour poweroff", 14);
	said = parse(line);
	CHECK(has_text(said, "cmdline: longer than 4096 bytes, what comes after byte 4094 is ignored\n"));
	CHECK_EQ(count_text(said, "\n"), 1);
	CHECK(words.verbose && !words.tour && !words.poweroff);
	CHECK_EQ(words.bad, 1);
	/* Exactly as long as allowed. */
	memset(line, ' ', sizeof(line));
	memcpy(line + CMDLINE_MAX - 4, "tour", 5);
	CHECK_EQ(strlen(parse(line)), 0);
	CHECK(words.tour);
	/* One word and nothing else. */
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	said = parse(line);
	CHECK(has_text(said, "after byte 0 is ignored"));
	CHECK_EQ(words.unknown, 0);
}

TEST(BU4, "test= takes a list, several test= words add up, and one that cannot be obeyed is refused aloud")
{
	static char line[CMDLINE_TEST_MAX + 20] = "test=";

	CHECK_EQ(strlen(parse("test=buddy,frames:B4")), 0);
	CHECK(strcmp(words.test, "buddy,frames:B4") == 0);
	CHECK_EQ(strlen(parse("test=buddy test=heap,ram verbose test=all")), 0);
	CHECK(strcmp(words.test, "buddy,heap,ram,all") == 0);
	CHECK(!words.test_refused);
	CHECK(has_text(parse("test="), "cmdline: test= names no suite\n"));
	CHECK(words.test_refused && words.bad == 1 && words.test[0] == '\0');

	memset(line + 5, 's', CMDLINE_TEST_MAX - 1);
	line[5 + CMDLINE_TEST_MAX - 1] = '\0';
	CHECK_EQ(strlen(parse(line)), 0);
	CHECK_EQ(strlen(words.test), CMDLINE_TEST_MAX - 1);
	line[5 + CMDLINE_TEST_MAX - 1] = 's';
	line[5 + CMDLINE_TEST_MAX] = '\0';
	CHECK(has_text(parse(line), "cmdline: test=... is longer than 1023 bytes"));
	CHECK(words.test_refused && words.test[0] == '\0');
}

TEST(BU5, "bump=ADDR,SIZE takes K, M and G; every value that makes no sense gets one line and is ignored")
{
	static const char *const bad[] = {
		"bump=",
		"bump=,",
		"bump=0x41000000",
		"bump=0x41000000,",
		"bump=x,16M",
		"bump=0x41000000,16Q",
		"bump=0x41000000,16M,",
		"bump=0x41000000,0",
		"bump=0x41000001,16M",
		"bump=0x41000000,1000",
		"bump=0xfffffffffffff000,8K",
		"bump=0x10000000000000000,4K",
		"bump=4K,17179869184G",
		"bump=-4K,4K",
	};

	CHECK_EQ(strlen(parse("bump=0x41000000,16M")), 0);
	CHECK(words.bump);
	CHECK_EQ(words.bump_base, 0x41000000);
	CHECK_EQ(words.bump_size, MIB(16));
	CHECK_EQ(strlen(parse("bump=0,4K")), 0);
	CHECK(words.bump && words.bump_base == 0 && words.bump_size == 4096);
	CHECK_EQ(strlen(parse("bump=1G,4096")), 0);
	CHECK_EQ(words.bump_base, GIB(1));
	/* The last page of the address space does not wrap. */
	CHECK_EQ(strlen(parse("bump=0xfffffffffffff000,4K")), 0);
	CHECK(words.bump);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *said = parse(bad[i]);
		bool ok = !words.bump && words.bad == 1 && words.unknown == 0 && count_text(said, "\n") == 1 &&
			  has_text(said, "cmdline: 'bump=");

		if (!ok)
			tap_note("%s: %s", bad[i], said);
		CHECK(ok);
	}
	CHECK(has_text(parse("bump=1M,1M bump=2M,1M"), "comes after another bump="));
	CHECK_EQ(words.bump_base, MIB(1));
}

/* ---- symbols ----------------------------------------------------------------------------------------------------- */

static const uint32_t test_offsets[] = { 0x100, 0x180, 0x180 + 4 };
static const uint32_t test_name_offsets[] = { 6, 0, 11 };
static const char test_names[] = "gamma\0beta\0delta";
static const struct symbol_table test_table = {
	.base = 0x40000,
	.size = 0x1000,
	.offsets = test_offsets,
	.name_offsets = test_name_offsets,
	.names = test_names,
	.count = ARRAY_SIZE(test_offsets),
};

static bool found(uintptr_t addr, const char *want, uintptr_t want_offset)
{
	uintptr_t offset = 0;
	const char *name = symbols_lookup(&test_table, addr, &offset);

	if (want == NULL)
		return name == NULL && symbols_lookup(&test_table, addr, NULL) == NULL;
	return name != NULL && strcmp(name, want) == 0 && offset == want_offset;
}

TEST(BU7, "an address is found in the last function that starts at or before it, and only inside the text")
{
	struct symbol_table empty = { .base = 0, .size = UINTPTR_MAX };

	CHECK(found(0, NULL, 0));
	CHECK(found(0x3ffff, NULL, 0));
	CHECK(found(0x40000, NULL, 0));
	CHECK(found(0x400ff, NULL, 0));
	CHECK(found(0x40100, "beta", 0));
	CHECK(found(0x4017f, "beta", 0x7f));
	CHECK(found(0x40180, "gamma", 0));
	CHECK(found(0x40183, "gamma", 3));
	CHECK(found(0x40184, "delta", 0));
	CHECK(found(0x40fff, "delta", 0xe7b));
	CHECK(found(0x41000, NULL, 0));
	CHECK(found(0x140100, NULL, 0)); /* the offset's low bits would fit */
	CHECK(found(UINTPTR_MAX, NULL, 0));
	CHECK(symbols_lookup(&empty, 0x1000, NULL) == NULL);
}

TEST(BU7, "every start and end of a thousand functions is found")
{
	static uint32_t offsets[1000];
	static uint32_t names[1000];
	struct symbol_table table = {
		.base = 0xffffa00000000000,
		.size = 0x100000,
		.offsets = offsets,
		.name_offsets = names,
		.names = "f",
		.count = 1000,
	};
	unsigned wrong = 0;

	for (unsigned i = 0; i < 1000; i++)
		offsets[i] = i * 100 + i % 7;
	for (unsigned i = 0; i < 1000; i++) {
		uintptr_t offset = 77;
		uintptr_t last = i < 999 ? offsets[i + 1] - 1 : 0xfffff;

		wrong += !symbols_lookup(&table, table.base + offsets[i], &offset) || offset != 0;
		wrong += !symbols_lookup(&table, table.base + last, &offset) || offset != last - offsets[i];
	}
	CHECK_EQ(wrong, 0);
}

#ifdef GRANULE_HOST
TEST_ON(TAP_HOST, BU8,
	"an address in words: a return address belongs to the call before it, a long name is cut before its offset")
{
	static const uint32_t zero[] = { 0 };
	struct symbol_table long_name = {
		.base = 0,
		.size = UINTPTR_MAX,
		.offsets = zero,
		.name_offsets = zero,
		.count = 1,
		.names = "a_function_whose_name_is_so_long_that_no_line_of_eighty_columns_could_hold_it",
	};
	char buf[SYMBOL_TEXT_MAX];

	fake_symbols(&test_table);
	CHECK(strcmp(symbols_format(0x40110, buf), "beta+0x10") == 0);
	CHECK(strcmp(symbols_format(0x40180, buf), "gamma+0x0") == 0);
	CHECK(strcmp(symbols_format_return(0x40180, buf), "beta+0x80") == 0);
	CHECK(strcmp(symbols_format_return(0x41000, buf), "delta+0xe7c") == 0);
	CHECK(strcmp(symbols_format(0x41000, buf), "?") == 0);
	CHECK(strcmp(symbols_format_return(3, buf), "?") == 0);
	fake_symbols(&long_name);
	CHECK(strcmp(symbols_format(UINTPTR_MAX - 1, buf),
		     "a_function_whose_name_is_so_long_that_no_l+0xfffffffffffffffe") == 0);
	fake_symbols(NULL);
}
#else
TEST_ON(TAP_TARGET, BU8, "the image's own table names the functions of the image")
{
	char buf[SYMBOL_TEXT_MAX];
	struct symbol_table table;
	unsigned wrong = 0;

	CHECK(strcmp(symbols_format((uintptr_t)symbols_format, buf), "symbols_format+0x0") == 0);
	CHECK(strcmp(symbols_format((uintptr_t)symbols_lookup + 4, buf), "symbols_lookup+0x4") == 0);
	CHECK(strcmp(symbols_format_return((uintptr_t)cmdline_parse + 4, buf), "cmdline_parse+0x4") == 0);
	CHECK(symbols_find((uintptr_t)buf, NULL) == NULL);
	symbols_table(&table);
	CHECK(table.count > 100);
	for (uint32_t i = 1; i < table.count; i++)
		wrong += table.offsets[i] <= table.offsets[i - 1] || table.offsets[i] >= table.size;
	CHECK_EQ(wrong, 0);
}
#endif

/* ---- exceptions in words ----------------------------------------------------------------------------------------- */

#define ESR(ec, iss) ((uint64_t)(ec) << 26 | 1u << 25 | (iss))

TEST(BU22, "every exception class has its name, the others are reserved")
{
	static const uint8_t reserved[] = { 0x02, 0x0b, 0x0f, 0x10, 0x23, 0x29, 0x2a, 0x2b,
					    0x2e, 0x36, 0x37, 0x39, 0x3b, 0x3e, 0x3f };
	unsigned n = 0;

	for (unsigned ec = 0; ec < 64; ec++) {
		bool is_reserved = strcmp(exception_class_name(ec), "reserved exception class") == 0;

		if (n < sizeof(reserved) && reserved[n] == ec) {
			CHECK(is_reserved);
			n++;
		} else {
			CHECK(!is_reserved);
		}
	}
	CHECK(strcmp(exception_class_name(64), "reserved exception class") == 0);
	CHECK(strcmp(exception_class_name(0x25), "data abort from the current EL") == 0);
	CHECK(strcmp(exception_class_name(0x20), "instruction abort from a lower EL") == 0);
	CHECK(strcmp(exception_class_name(0x3c), "BRK") == 0);
	CHECK(strcmp(exception_class_name(0x2f), "SError") == 0);
}

TEST(BU23, "the sixteen vectors are named by kind and origin")
{
	CHECK(strcmp(exception_vector_name(0), "Synchronous, current EL with SP0") == 0);
	CHECK(strcmp(exception_vector_name(4), "Synchronous, current EL with SPx") == 0);
	CHECK(strcmp(exception_vector_name(7), "SError, current EL with SPx") == 0);
	CHECK(strcmp(exception_vector_name(9), "IRQ, lower EL in AArch64") == 0);
	CHECK(strcmp(exception_vector_name(14), "FIQ, lower EL in AArch32") == 0);
	CHECK(strcmp(exception_vector_name(16), "no such vector") == 0);
}

static bool fault_is(unsigned fsc, const char *want)
{
	char buf[EXCEPTION_TEXT_MAX];

	if (strcmp(exception_fault_name(fsc, buf), want) == 0)
		return true;
	tap_note("0x%02x: '%s', want '%s'", fsc, buf, want);
	return false;
}

TEST(BU24, "fault status codes are words with the level of the lookup")
{
	CHECK(fault_is(0x00, "address size fault, level 0"));
	CHECK(fault_is(0x04, "translation fault, level 0"));
	CHECK(fault_is(0x07, "translation fault, level 3"));
	CHECK(fault_is(0x09, "access flag fault, level 1"));
	CHECK(fault_is(0x0f, "permission fault, level 3"));
	CHECK(fault_is(0x10, "external abort, not on table walk"));
	CHECK(fault_is(0x11, "tag check fault"));
	CHECK(fault_is(0x15, "external abort on table walk, level 1"));
	CHECK(fault_is(0x1d, "parity or ECC error on table walk, level 1"));
	CHECK(fault_is(0x21, "alignment fault"));
	CHECK(fault_is(0x2b, "translation fault, level -1"));
	CHECK(fault_is(0x30, "TLB conflict abort"));
	CHECK(fault_is(0x31, "unsupported atomic hardware update"));
	CHECK(fault_is(0x3f, "reserved fault status 0x3f"));
	CHECK(fault_is(0x1a, "reserved fault status 0x1a"));
}

static bool iss_is(uint64_t esr, const char *want)
{
	char buf[EXCEPTION_TEXT_MAX];

	if (strcmp(exception_iss_words(esr, buf), want) == 0)
		return true;
	tap_note("ESR 0x%lx: '%s', want '%s'", (unsigned long)esr, buf, want);
	return false;
}

TEST(BU25, "the syndrome of aborts says read or write, the fault, and whether FAR holds")
{
	CHECK(iss_is(ESR(0x25, 0x07), "read, translation fault, level 3"));
	CHECK(iss_is(ESR(0x25, 0x4f), "write, permission fault, level 3"));
	CHECK(iss_is(ESR(0x24, 0x144), "cache maintenance, translation fault, level 0"));
	CHECK(iss_is(ESR(0x25, 0x87), "read, translation fault, level 3, stage 2 of a stage-1 walk"));
	CHECK(iss_is(ESR(0x21, 0x0d), "fetch, permission fault, level 1"));
	CHECK(iss_is(ESR(0x24, 1u << 24 | 3u << 22 | 5u << 16 | 0x46),
		     "write, translation fault, level 2, 8 bytes, x5"));
	CHECK(iss_is(ESR(0x24, 1u << 24 | 31u << 16 | 0x06), "read, translation fault, level 2, 1 byte, x31"));
	CHECK(iss_is(ESR(0x25, 0x410), "read, external abort, not on table walk, FAR not valid"));
	CHECK(iss_is(ESR(0x25, 0x210), "read, external abort, not on table walk, EA set"));
	/* QEMU's MTE faults (asynchronous and synchronous tag checks share the code). */
	CHECK(iss_is(0x96000051, "write, tag check fault"));
	CHECK(exception_far_valid(ESR(0x25, 0x10)));
	CHECK(!exception_far_valid(ESR(0x25, 0x410)));
	CHECK(exception_far_valid(ESR(0x21, 0x407))); /* FnV means nothing for this fault */
	CHECK(exception_far_valid(ESR(0x22, 0)));
	CHECK(exception_far_valid(ESR(0x35, 0)));
	CHECK(!exception_far_valid(ESR(0x00, 0)));
	CHECK(!exception_far_valid(ESR(0x3c, 7)));
}

TEST(BU25, "the syndrome of other classes: immediates, system registers, waits, SError")
{
	CHECK(iss_is(ESR(0x3c, 0x1f01234), "#0x1234"));
	CHECK(iss_is(ESR(0x15, 0), "#0x0"));
	CHECK(iss_is(ESR(0x16, 0xffff), "#0xffff"));
	CHECK(iss_is(ESR(0x01, 1), "WFE"));
	/* MRS x3, SCTLR_EL1: S3_0_C1_C0_0. */
	CHECK(iss_is(ESR(0x18, 3u << 20 | 1u << 10 | 3u << 5 | 1), "read of S3_0_C1_C0_0, x3"));
	/* MSR ICC_SRE_EL2, x31: S3_4_C12_C9_5. */
	CHECK(iss_is(ESR(0x18, 3u << 20 | 5u << 17 | 4u << 14 | 12u << 10 | 31u << 5 | 9u << 1),
		     "write to S3_4_C12_C9_5, x31"));
	CHECK(iss_is(ESR(0x2f, 0), "uncategorised"));
	CHECK(iss_is(ESR(0x2f, 1u << 24 | 0x42), "IMPLEMENTATION DEFINED syndrome 0x42"));
	CHECK(iss_is(ESR(0x2f, 3u << 10 | 0x11), "asynchronous error, recoverable"));
	CHECK(iss_is(ESR(0x2f, 7u << 10 | 0x11), "asynchronous error, reserved severity"));
	CHECK(iss_is(ESR(0x34, 0x40), "write"));
	CHECK(iss_is(ESR(0x00, 0), ""));
	CHECK(iss_is(ESR(0x0e, 0), ""));
	CHECK(iss_is(ESR(0x3f, 0x1ffffff), ""));
}

TEST(BU26, "SPSR in words")
{
	char buf[EXCEPTION_TEXT_MAX];

	CHECK(strcmp(exception_spsr_words(0x600003c5, buf), "EL1h, mask DAIF, flags nZCv") == 0);
	CHECK(strcmp(exception_spsr_words(0x0, buf), "EL0t, mask daif, flags nzcv") == 0);
	CHECK(strcmp(exception_spsr_words(0x9, buf), "EL2h, mask daif, flags nzcv") == 0);
	CHECK(strcmp(exception_spsr_words(0x8000024d, buf), "EL3h, mask DaiF, flags Nzcv") == 0);
	CHECK(strcmp(exception_spsr_words(0x50000145, buf), "EL1h, mask dAiF, flags nZcV") == 0);
	CHECK(strcmp(exception_spsr_words(0xa0000284, buf), "EL1t, mask DaIf, flags NzCv") == 0);
	CHECK(strcmp(exception_spsr_words(0x10, buf), "AArch32, mode 0x0, mask daif, flags nzcv") == 0);
	CHECK(strcmp(exception_spsr_words(0x00700002, buf),
		     "reserved mode 0x2, mask daif, flags nzcv, illegal state, single step, PAN") == 0);
}

static struct exception_frame test_frame(uint64_t vector, uint64_t esr)
{
	struct exception_frame f;

	memset(&f, 0, sizeof(f));
	for (unsigned i = 0; i < 31; i++)
		f.x[i] = 0x1111111100000000 + i;
	f.x[29] = 0;
	f.sp = 0xffffa0000012fff0;
	f.elr = 0x40184;
	f.spsr = 0x3c5;
	f.esr = esr;
	f.far = 0xdead0000beef;
	f.vector = vector;
	return f;
}

TEST(BU20, "the exception report holds vector, syndrome, FAR, ELR, SPSR and every register, in 80 columns")
{
	struct exception_frame f = test_frame(4, ESR(0x25, 0x47));
	const char *said;

	capture_begin();
	exception_report(&f);
	said = capture_end();
	CHECK(has_text(said, "EXCEPTION: Synchronous, current EL with SPx\n"));
	CHECK(has_text(said, "0x0000000096000047 EC 0x25: data abort from the current EL\n"));
	CHECK(has_text(said, "write, translation fault, level 3\n"));
	CHECK(has_text(said, "FAR     0x0000dead0000beef\n"));
	CHECK(has_text(said, "ELR     0x0000000000040184 "));
	CHECK(has_text(said, "EL1h, mask DAIF"));
	CHECK(has_text(said, "SP      0xffffa0000012fff0\n"));
	CHECK(has_text(said, "x0  1111111100000000  x1  1111111100000001"));
	CHECK(has_text(said, "x29 0000000000000000"));
	CHECK(has_text(said, "x30 111111110000001e\n"));
	for (unsigned i = 0; i < 29; i++) {
		char want[17] = "1111111100000000";

		want[14] = (char)('0' + i / 16);
		want[15] = "0123456789abcdef"[i % 16];
		CHECK(has_text(said, want));
	}
	CHECK(has_text(said, "backtrace:\n"));
	CHECK(!has_text(said, "STACK"));
	CHECK(longest_line(said) <= 80);
}

TEST(BU20,
     "an interrupt's report takes no syndrome from ESR, a lost stack is named, an impossible vector harms nothing")
{
	struct exception_frame f = test_frame(5, ESR(0x25, 0x47));
	const char *said;

	capture_begin();
	exception_report(&f);
	said = capture_end();
	CHECK(has_text(said, "EXCEPTION: IRQ, current EL with SPx\n"));
	CHECK(!has_text(said, "data abort"));
	CHECK(has_text(said, "FAR     0x0000dead0000beef (says nothing about this exception)\n"));

	f = test_frame(EXCEPTION_STACK_LOST + 4, ESR(0x25, 0x47));
	capture_begin();
	exception_report(&f);
	said = capture_end();
	CHECK(has_text(said, "EXCEPTION: Synchronous, current EL with SPx\n"));
	CHECK(has_text(said, "STACK   overflow"));
	CHECK(has_text(said, "data abort"));

	f = test_frame((uint64_t)1 << 32, 0);
	capture_begin();
	exception_report(&f);
	CHECK(has_text(capture_end(), "EXCEPTION: no such vector\n"));
}

/* ---- backtraces -------------------------------------------------------------------------------------------------- */

struct record {
	uintptr_t next;
	uintptr_t return_address;
};

/* In the kernel the test runs on a stack that is known; the host is told which one this is. */
static const char *trace(struct record *stack, size_t n, uintptr_t fp)
{
#ifdef GRANULE_HOST
	fake_stack(stack, n * sizeof(*stack));
	fake_symbols(&test_table);
#else
	(void)stack;
	(void)n;
#endif
	capture_begin();
	backtrace_print(fp);
#ifdef GRANULE_HOST
	fake_stack(NULL, 0);
	fake_symbols(NULL);
#endif
	return capture_end();
}

TEST(BU21, "a backtrace follows the frame records to the zero at the end")
{
	struct record stack[4] __attribute__((aligned(16)));
	const char *said;

	stack[0] = (struct record){ (uintptr_t)&stack[1], 0x40104 };
	stack[1] = (struct record){ (uintptr_t)&stack[3], 0x40184 };
	stack[2] = (struct record){ 0xbad, 0xbad };
	stack[3] = (struct record){ 0, 0 };
	said = trace(stack, 4, (uintptr_t)&stack[0]);
	CHECK_EQ(count_text(said, "\n"), 2);
	CHECK(has_text(said, "  0x0000000000040104 "));
	CHECK(has_text(said, "  0x0000000000040184 "));
#ifdef GRANULE_HOST
	CHECK(has_text(said, "0x0000000000040104 beta+0x4\n"));
	CHECK(has_text(said, "0x0000000000040184 gamma+0x4\n"));
#endif
	CHECK_EQ(strlen(trace(stack, 4, 0)), 0);
}

TEST(BU21,
     "a damaged chain ends the backtrace: outside the stack, unaligned, backwards, circular, at the top of the world")
{
	struct record stack[3] __attribute__((aligned(16)));
	uintptr_t self = (uintptr_t)&stack[0];
	const uintptr_t bad[] = { 8,	       self + 8,	 self + 1,	  self,
				  UINTPTR_MAX, UINTPTR_MAX - 15, UINTPTR_MAX - 7, 0x8000000000000000 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *said;

		stack[0] = (struct record){ bad[i], 0x40104 };
		stack[1] = (struct record){ 0, 0 };
		stack[2] = (struct record){ 0, 0 };
		said = trace(stack, 3, self);
		CHECK_EQ(count_text(said, "0x0000000000040104"), 1);
		CHECK(has_text(said, "leads out of the stack"));
		CHECK_EQ(count_text(said, "\n"), 2);
	}
	/* Backwards, into the stack. */
	stack[1] = (struct record){ self, 0x40108 };
	stack[0] = (struct record){ (uintptr_t)&stack[1], 0x40104 };
	CHECK(has_text(trace(stack, 3, self), "leads out of the stack"));
	CHECK(has_text(trace(stack, 3, 0x123450), "leads out of the stack"));
}

#ifdef GRANULE_HOST
TEST_ON(TAP_HOST, BU21,
	"a record that sticks out of the stack is not read; a long chain is cut with a line that says so")
{
	static struct record chain[BACKTRACE_MAX + 3] __attribute__((aligned(16)));
	const char *said;

	for (unsigned i = 0; i < ARRAY_SIZE(chain) - 1; i++)
		chain[i] = (struct record){ (uintptr_t)&chain[i + 1], 0x40104 };
	said = trace(chain, ARRAY_SIZE(chain), (uintptr_t)chain);
	CHECK_EQ(count_text(said, "beta+0x4"), BACKTRACE_MAX);
	CHECK(has_text(said, "(more than 64 frames)"));
	/* The stack ends in the middle of the third record. */
	fake_stack(chain, 2 * sizeof(chain[0]) + 8);
	capture_begin();
	backtrace_print((uintptr_t)chain);
	said = capture_end();
	fake_stack(NULL, 0);
	CHECK_EQ(count_text(said, "0x0000000000040104"), 2);
	CHECK(has_text(said, "leads out of the stack"));
}
#else
static noinline void leaf_of_backtrace(void)
{
	backtrace_print((uintptr_t)__builtin_frame_address(0));
	__asm__ volatile(""); /* no tail call */
}

TEST_ON(TAP_TARGET, BU21, "a backtrace of the running kernel names its callers")
{
	const char *said;

	capture_begin();
	leaf_of_backtrace();
	said = capture_end();
	CHECK(has_text(said, " tap_run+0x"));
	CHECK(has_text(said, " kernel_main+0x"));
	CHECK(!has_text(said, "leads out"));
	CHECK(!has_text(said, " ?"));
}
#endif

/* ---- the line editor --------------------------------------------------------------------------------------------- */

static char echoed[2048];

/* Types text; returns what the last byte did. */
static enum line_event type(struct line_edit *e, const char *text)
{
	enum line_event event = LINE_MORE;
	size_t n = strlen(echoed);

	for (; *text != '\0'; text++) {
		const char *echo;
		size_t length;

		event = line_feed(e, (uint8_t)*text, &echo);
		length = strlen(echo);
		if (n + length < sizeof(echoed)) {
			memcpy(echoed + n, echo, length + 1);
			n += length;
		}
	}
	return event;
}

TEST(BU30, "the line editor echoes, takes back bytes, words for lines of either ending")
{
	struct line_edit e = { 0 };

	echoed[0] = '\0';
	CHECK_EQ(type(&e, "memx\b y\x7fz"), LINE_MORE);
	CHECK(strcmp(e.text, "mem z") == 0);
	CHECK(strcmp(echoed, "memx\b \b y\b \bz") == 0);
	CHECK_EQ(type(&e, "\r"), LINE_READY);
	CHECK(strcmp(e.text, "mem z") == 0);
	line_reset(&e);
	/* The LF of CR LF is not an empty line, but a second LF is one. */
	CHECK_EQ(type(&e, "\n"), LINE_MORE);
	CHECK_EQ(type(&e, "\n"), LINE_READY);
	CHECK_EQ(type(&e, "ab\n"), LINE_READY);
	CHECK(strcmp(e.text, "ab") == 0);
	line_reset(&e);
	CHECK_EQ(type(&e, "\b\x7f"), LINE_MORE);
	CHECK_EQ(e.length, 0);
}

TEST(BU30, "^U takes back the line, ^C abandons it, cursor keys and other control bytes are passed over")
{
	struct line_edit e = { 0 };

	echoed[0] = '\0';
	CHECK_EQ(type(&e, "ab\x15"
			  "c"),
		 LINE_MORE);
	CHECK(strcmp(e.text, "c") == 0);
	CHECK(strcmp(echoed, "ab\b \b\b \bc") == 0);
	CHECK_EQ(type(&e, "\x03"), LINE_ABANDONED);
	CHECK(strcmp(e.text, "") == 0);
	CHECK_EQ(type(&e, "a\033[Ab\033OPc\033[1;5Dd\033xe\x01\tf\xc3\xa9g"), LINE_MORE);
	CHECK(strcmp(e.text, "abcdefg") == 0);
	/* A sequence that is broken off by Return does not swallow it. */
	CHECK_EQ(type(&e, "\033[1\r"), LINE_READY);
	CHECK(strcmp(e.text, "abcdefg") == 0);
}

TEST(BU30, "a line that is too long rings the bell and keeps what it has; ^U reaches its beginning")
{
	struct line_edit e = { 0 };
	unsigned bells;

	for (unsigned i = 0; i < LINE_EDIT_MAX - 1; i++)
		type(&e, "x");
	echoed[0] = '\0';
	type(&e, "yyy");
	bells = count_text(echoed, "\a");
	CHECK_EQ(bells, 3);
	CHECK_EQ(strlen(e.text), LINE_EDIT_MAX - 1);
	CHECK(!has_text(e.text, "y"));
	echoed[0] = '\0';
	type(&e, "\x15");
	CHECK_EQ(strlen(echoed), 3 * (LINE_EDIT_MAX - 1));
	CHECK_EQ(e.length, 0);
}
