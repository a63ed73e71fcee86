/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log, on an instance of its own: the file is compiled once more here, its public names changed, so that each test starts
 * with an empty ring and nothing decided, and the log of the world around stays as it is.
 */
#define SUITE "log"
#include "lib/tap.h"
#include "lib/string.h"

#define log_printf tested_log_printf
#define log_vprintf tested_log_vprintf
#define log_set_verbose tested_log_set_verbose
#define log_is_verbose tested_log_is_verbose
#define log_set_sink tested_log_set_sink
#define log_sink tested_log_sink
#define log_set_lock tested_log_set_lock
#define log_drops_verbose tested_log_drops_verbose
#include "lib/log.c" // NOLINT(bugprone-suspicious-include)

static char seen[32768];
static size_t seen_n;
static unsigned calls;

static void sink(const char *text, size_t n)
{
	calls++;
	for (size_t i = 0; i < n && seen_n < sizeof(seen) - 1; i++)
		seen[seen_n++] = text[i];
	seen[seen_n] = '\0';
}

static void forget(void)
{
	seen_n = 0;
	seen[0] = '\0';
	calls = 0;
}

static void fresh_log(void)
{
	forget();
	memset(&state, 0, sizeof(state));
	memset(ring, 0xa5, sizeof(ring));
	log_drops_verbose = false;
}

static bool saw(const char *want)
{
	if (strcmp(seen, want) == 0)
		return true;
	tap_note("seen: %s", seen);
	return false;
}

TEST(L13, "log: with a sink, errors and information go straight out, in one piece; verbose lines only when asked for")
{
	fresh_log();
	log_set_verbose(false);
	log_set_sink(sink);
	CHECK(log_sink() == sink);
	log_error("a %d\n", 1);
	CHECK_EQ(calls, 1);
	log_info("b\n");
	log_verbose("c\n");
	CHECK(saw("a 1\nb\n"));
	CHECK_EQ(state.head, 0); /* and nothing is kept */
	log_set_verbose(true);
	CHECK(log_is_verbose());
	log_verbose("d\n");
	log_set_verbose(false);
	CHECK(!log_is_verbose());
	log_verbose("e\n");
	CHECK(saw("a 1\nb\nd\n"));
}

TEST(L13, "log: a text longer than the buffer comes out whole, straight and through the ring")
{
	for (unsigned kept = 0; kept < 2; kept++) {
		fresh_log();
		log_set_verbose(false);
		if (!kept)
			log_set_sink(sink);
		log_info("%0239d|%0240d|%0241d|%01000d\n", 1, 2, 3, 4);
		log_set_sink(sink);
		CHECK_EQ(seen_n, 239 + 1 + 240 + 1 + 241 + 1 + 1000 + 1);
		CHECK(seen[238] == '1' && seen[239] == '|' && seen[479] == '2' && seen[721] == '3' &&
		      seen[1722] == '4');
		CHECK(seen[1723] == '\n');
	}
}

TEST(L14, "log: until it is known whether verbose lines are wanted they are kept, also where there is a sink")
{
	for (unsigned wanted_later = 0; wanted_later < 2; wanted_later++) {
		fresh_log();
		log_verbose("early\n");
		log_info("hello\n");
		CHECK(saw(""));
		log_set_sink(sink);
		CHECK(saw("hello\n"));
		log_verbose("still early\n");
		log_info("two\n");
		CHECK(saw("hello\ntwo\n"));
		log_set_verbose(wanted_later);
		CHECK(saw(wanted_later ? "hello\ntwo\nearly\nstill early\n" : "hello\ntwo\n"));
		CHECK_EQ(state.head, state.tail); /* none is kept any more */
		log_set_verbose(true);
		log_set_sink(sink);
		CHECK(saw(wanted_later ? "hello\ntwo\nearly\nstill early\n"
				       : "hello\ntwo\n")); /* decided against is gone */
	}
}

TEST(L15, "log: the ring drops the oldest lines, whole, and the replay says how many")
{
	unsigned first, lines = 0, lost = 0;
	const char *s;

	fresh_log();
	log_set_verbose(false);
	for (unsigned i = 0; i < 3000; i++)
		log_info("line %u of many\n", i);
	CHECK(state.head - state.tail <= RING_SIZE);
	log_set_sink(sink);
	CHECK(strncmp(seen, "log: ", 5) == 0);
	for (s = seen + 5; *s >= '0' && *s <= '9'; s++)
		lost = lost * 10 + (unsigned)(*s - '0');
	CHECK(strncmp(s, " early messages lost\n", 21) == 0);
	s += 21;
	/* The lines that follow are the last ones, all of them, in order. */
	first = lost;
	for (; *s != '\0'; lines++) {
		char want[32];
		int n = gr_snprintf(want, sizeof(want), "line %u of many\n", first + lines);

		CHECK_OR_RETURN(strncmp(s, want, (size_t)n) == 0);
		s += n;
	}
	CHECK_EQ(lines + lost, 3000);
	CHECK(lines > 700 && lost > 700);
	/* Told once. */
	forget();
	log_set_sink(sink);
	CHECK(saw(""));
}

TEST(L15, "log: every length of record, across the end of the ring and of the index, comes back unchanged")
{
	/* The running index itself wraps after 4 GiB of early log: started shortly before. */
	fresh_log();
	log_set_verbose(false);
	state.head = state.tail = UINT32_MAX - 20000;
	for (unsigned round = 0; round < 300; round++) {
		unsigned length = round * 7 % 256;

		log_set_sink(NULL);
		forget();
		log_info("%.*s%0*u\n", 0, "", length ? (int)length : 1, round);
		log_info("[%u]\n", round);
		log_set_sink(sink);
		char want[300];
		gr_snprintf(want, sizeof(want), "%0*u\n[%u]\n", length ? (int)length : 1, round, round);
		CHECK(saw(want));
		CHECK_EQ(state.head, state.tail);
	}
	CHECK(state.head < UINT32_MAX / 2); /* it did wrap */
}

TEST(L16, "log: a sink that comes later sees what none has seen, once and in order")
{
	fresh_log();
	log_set_verbose(true);
	log_info("one\n");
	log_verbose("two\n");
	log_error("three\n");
	log_set_sink(sink);
	CHECK(saw("one\ntwo\nthree\n"));
	log_set_sink(NULL);
	CHECK(log_sink() == NULL);
	log_info("four\n");
	log_info("%s", ""); /* nothing to keep */
	CHECK(saw("one\ntwo\nthree\n"));
	log_set_sink(sink);
	log_set_sink(sink);
	CHECK(saw("one\ntwo\nthree\nfour\n"));
	log_info("five\n");
	CHECK(saw("one\ntwo\nthree\nfour\nfive\n"));
}

static unsigned held, takes, given_back;
static bool sunk_unlocked;

static unsigned long take(void)
{
	CHECK_EQ(held, 0);
	held = 1;
	takes++;
	return 0x5a;
}

static void give(unsigned long flags)
{
	CHECK_EQ(flags, 0x5a);
	CHECK_EQ(held, 1);
	held = 0;
	given_back++;
}

static void locked_sink(const char *text, size_t n)
{
	sunk_unlocked |= !held;
	sink(text, n);
}

TEST(L17,
     "log: with a lock set, it is held over the whole of a call and given back with its state; without one all works")
{
	fresh_log();
	held = takes = given_back = 0;
	sunk_unlocked = false;
	log_set_verbose(false);
	log_info("early\n");
	log_set_lock(take, give);
	log_set_sink(locked_sink);
	log_info("%01000d\n", 7);
	log_verbose("unseen\n");
	log_set_verbose(true);
	CHECK(!sunk_unlocked);
	CHECK_EQ(held, 0);
	CHECK_EQ(takes, given_back);
	CHECK(takes >= 3);
	log_set_lock(NULL, NULL);
	takes = 0;
	log_info("panic\n");
	CHECK_EQ(takes, 0);
	CHECK(sunk_unlocked);
}
