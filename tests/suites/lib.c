/* SPDX-License-Identifier: BSD-2-Clause */
/* The small things of lib/: formatting, strings, numbers, words of bits, error texts. */
#define SUITE "lib"
#include "lib/tap.h"
#include "lib/bitmap.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/error.h"
#if __STDC_HOSTED__
#include <stdio.h>
#endif

static uint64_t random_state = 88172645463325252u;

static uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* ---- formatting -------------------------------------------------------------------------------------------------------- */

static char text[256];

static void formats(const char *want, const char *fmt, ...) printf_like(2, 3);
static void formats(const char *want, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = gr_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (strcmp(text, want) != 0) {
		tap_note("\"%s\" gave \"%s\", not \"%s\"", fmt, text, want);
		CHECK(strcmp(text, want) == 0);
	}
	CHECK_EQ(n, strlen(want));
}

TEST(L5, "printf: integers of every length and base")
{
	formats("0 -1 2147483647 -2147483648", "%d %d %d %i", 0, -1, 2147483647, -2147483647 - 1);
	formats("0 4294967295", "%u %u", 0u, 4294967295u);
	formats("deadbeef DEADBEEF 0", "%x %X %x", 0xdeadbeefu, 0xdeadbeefu, 0u);
	formats("777 0", "%o %o", 0777u, 0u);
	formats("-1 255 -128", "%hhd %hhu %hhd", (signed char)-1, (unsigned char)255, (signed char)-128);
	formats("-1 65535 -32768", "%hd %hu %hd", (short)-1, (unsigned short)65535, (short)-32768);
	formats("9223372036854775807 -9223372036854775808", "%ld %lld", INT64_MAX, (long long)INT64_MIN);
	formats("18446744073709551615 ffffffffffffffff", "%lu %llx", UINT64_MAX, (unsigned long long)UINT64_MAX);
	formats("1777777777777777777777", "%lo", UINT64_MAX);
	formats("18446744073709551615 -5 7", "%zu %td %jd", SIZE_MAX, (ptrdiff_t)-5, (intmax_t)7);
}

TEST(L5, "printf: flags, width and precision as C has them")
{
	formats("    42|42    |00042|+42| 42", "%6d|%-6d|%05d|%+d|% d", 42, 42, 42, 42, 42);
	formats("   -42|-42   |-0042|-42|-42", "%6d|%-6d|%05d|%+d|% d", -42, -42, -42, -42, -42);
	formats("0x2a|0X2A|052|0|0|0", "%#x|%#X|%#o|%#x|%#o|%#X", 42u, 42u, 42u, 0u, 0u, 0u);
	formats("0x0000000000001000", "0x%016lx", 0x1000ul);
	formats("0x001000|  0x1000|0x1000  ", "%#08x|%#8x|%-#8x", 0x1000u, 0x1000u, 0x1000u);
	formats("00042|  00042|00042  |+00042", "%.5d|%7.5d|%-7.5d|%+.5d", 42, 42, 42, 42);
	formats("||0|", "%.0d|%.0x|%#.0o|%.d", 0, 0u, 0u, 0);
	formats("  042|   42", "%#5o|%5.2d", 042u, 42);
	formats("   42|42   |042", "%*d|%*d|%.*d", 5, 42, -5, 42, 3, 42);
	formats("42", "%.*d", -1, 42);
	formats("0000000000000000000000000000000042", "%034d", 42);
}

/* Two flags that contradict each other: C says which wins, and compilers warn, so the formats are no literals. */
TEST(L5, "printf: '-' wins over '0', '+' over space, a precision over '0'")
{
	static const char *const fmt[] = { "%-05d|", "%+ d|", "%05.3d|", "% +d|" };
	static const char *const want[] = { "42   |", "+42|", "  042|", "+42|" };

	for (unsigned i = 0; i < ARRAY_SIZE(fmt); i++) {
		gr_snprintf(text, sizeof(text), fmt[i], 42);
		CHECK(strcmp(text, want[i]) == 0);
	}
}

TEST(L5, "printf: characters, strings, pointers, percent")
{
	/* Volatile: the compilers must not see what they would refuse. */
	static const char *const volatile wrong[] = { "%s|%5.3s", "a%qb%5" };
	const char *volatile no_string = NULL;

	formats("a|  a|a  ", "%c|%3c|%-3c", 'a', 'a', 'a');
	formats("abc|  abc|abc  |ab|   ab", "%s|%5s|%-5s|%.2s|%5.2s", "abc", "abc", "abc", "abc", "abc");
	formats("||abc", "%s|%.0s|%.9s", "", "abc", "abc");
	formats("xy", "%.*s", 2, (const char[]){ 'x', 'y' }); /* no NUL within the precision */
	formats("0x1234|0x0|          0x12", "%p|%p|%14p", (void *)0x1234, (void *)0, (void *)0x12);
	formats("100%", "%d%%", 100);
	formats("", "%s", "");
	/* Not what C defines, but what a person at the console should see. */
	gr_snprintf(text, sizeof(text), wrong[0], no_string, no_string);
	CHECK(strcmp(text, "(null)|  (nu") == 0);
	CHECK_EQ(gr_snprintf(text, sizeof(text), wrong[1], 0), 6);
	CHECK(strcmp(text, "a%qb%5") == 0);
}

TEST(L6, "printf: cut to the buffer with a NUL; the length that was wanted comes back; size 0 writes nothing")
{
	/* Volatile: compilers know what C would do with these. */
	volatile int least = INT32_MIN, most = INT32_MAX;
	char b[8];

	for (size_t n = 0; n <= sizeof(b); n++) {
		memset(b, 'z', sizeof(b));
		CHECK_EQ(gr_snprintf(b, n, "%s%d", "abc", 123), 6);
		for (size_t i = 0; i < sizeof(b); i++) {
			char want = i < n && i < 6 && i + 1 < n	      ? "abc123"[i]
				    : n > 0 && i == min_u64(n - 1, 6) ? '\0'
								      : 'z';

			CHECK_EQ(b[i], want);
		}
	}
	CHECK_EQ(gr_snprintf(NULL, 0, "%070d", 1), 70);
	CHECK_EQ(gr_snprintf(b, sizeof(b), "%*d", least, 1), 100000);
	CHECK(memcmp(b, "1      ", 8) == 0);
	CHECK_EQ(gr_snprintf(NULL, 0, "%*d|%.*d", most, 1, most, 1), 200001);
	CHECK_EQ(gr_snprintf(NULL, 0, "%100000d", 1), 100000);
	CHECK_EQ(gr_snprintf(NULL, 0, "%.99999u", 1u), 99999);
}

#if __STDC_HOSTED__
/* Every combination of what a conversion may carry, against the C library. */
TEST_ON(TAP_HOST, L5, "printf: the same as the C library's for a hundred thousand random conversions")
{
	static const char *const lengths[] = { "hh", "h", "", "l", "ll", "z", "t", "j" };

	for (unsigned round = 0; round < 100000; round++) {
		char fmt[64], ours[512], theirs[512];
		size_t n = 0;
		char conversion = "diuxXoc s"[random_u64() % 9];
		uint64_t value = random_u64() >> (random_u64() % 64);
		int width = (int)(random_u64() % 40) - 10, precision = (int)(random_u64() % 40) - 10;
		int a, b;

		fmt[n++] = '%';
		for (unsigned i = 0; i < 5; i++) {
			if (random_u64() % 3 == 0)
				fmt[n++] = "-+ #0"[i];
		}
		if (conversion == ' ')
			conversion = 'd';
		if (random_u64() % 2)
			fmt[n++] = '*';
		else
			width = INT32_MIN;
		if (random_u64() % 2) {
			fmt[n++] = '.';
			fmt[n++] = '*';
		} else {
			precision = INT32_MIN;
		}
		if (conversion != 'c' && conversion != 's') {
			const char *length = lengths[random_u64() % ARRAY_SIZE(lengths)];

			while (*length)
				fmt[n++] = *length++;
		}
		fmt[n++] = conversion;
		fmt[n] = '\0';
		if (random_u64() % 8 == 0)
			value = 0;

/* The value's type does not matter to the calling convention beyond its 64 bits. */
#define BOTH(...) \
	(a = gr_snprintf(ours, sizeof(ours), fmt, __VA_ARGS__), b = snprintf(theirs, sizeof(theirs), fmt, __VA_ARGS__))
#define WITH(v)                                                                           \
	(width == INT32_MIN	  ? precision == INT32_MIN ? BOTH(v) : BOTH(precision, v) \
	       : precision == INT32_MIN ? BOTH(width, v)                                  \
				  : BOTH(width, precision, v))
		if (conversion == 's')
			WITH("some words that are longer than the precision");
		else if (conversion == 'c')
			WITH((int)('a' + value % 26));
		else
			WITH(value);
		if (a != b || strcmp(ours, theirs) != 0) {
			tap_note("%s of %llx: \"%s\", the C library: \"%s\"", fmt, (unsigned long long)value, ours,
				 theirs);
			CHECK(false);
		}
	}
}
#endif

/* ---- memory and strings -------------------------------------------------------------------------------------------------- */

#define AREA 160

/* Every pair of offsets in a word, every length over a few words: which bytes change, and which do not. */
TEST(L7, "memcpy: every alignment of both sides and every length up to 40; the bytes around stay")
{
	static uint8_t from[AREA], to[AREA];

	for (unsigned i = 0; i < AREA; i++)
		from[i] = (uint8_t)(i * 7 + 1);
	for (unsigned s = 0; s < 9; s++) {
		for (unsigned d = 0; d < 9; d++) {
			for (unsigned n = 0; n <= 40; n++) {
				bool ok = true;

				for (unsigned i = 0; i < AREA; i++)
					to[i] = 0xee;
				CHECK(granule_memcpy(to + 16 + d, from + s, n) == to + 16 + d);
				for (unsigned i = 0; i < AREA; i++)
					ok &= to[i] == (i >= 16 + d && i < 16 + d + n ? from[i - 16 - d + s] : 0xee);
				CHECK(ok);
			}
		}
	}
}

TEST(L8, "memmove: every overlap, forwards and backwards")
{
	static uint8_t area[AREA];

	for (unsigned s = 40; s < 56; s++) {
		for (unsigned d = 20; d < 80; d++) {
			for (unsigned n = 0; n <= 40; n += n < 18 ? 1 : 11) {
				bool ok = true;

				for (unsigned i = 0; i < AREA; i++)
					area[i] = (uint8_t)(i * 7 + 1);
				CHECK(granule_memmove(area + d, area + s, n) == area + d);
				for (unsigned i = 0; i < AREA; i++)
					ok &= area[i] == (uint8_t)((i >= d && i < d + n ? i - d + s : i) * 7 + 1);
				CHECK(ok);
			}
		}
	}
}

TEST(L9, "memset: every alignment and length; only the low byte of the value counts")
{
	static uint8_t area[AREA];

	for (unsigned d = 0; d < 9; d++) {
		for (unsigned n = 0; n <= 40; n++) {
			bool ok = true;

			for (unsigned i = 0; i < AREA; i++)
				area[i] = 0xee;
			CHECK(granule_memset(area + 16 + d, 0x12345, n) == area + 16 + d);
			for (unsigned i = 0; i < AREA; i++)
				ok &= area[i] == (i >= 16 + d && i < 16 + d + n ? 0x45 : 0xee);
			CHECK(ok);
		}
	}
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

TEST(L10, "memcmp: the first difference decides, as unsigned bytes, at every alignment")
{
	static uint8_t a[AREA], b[AREA];

	for (unsigned x = 0; x < 9; x++) {
		for (unsigned y = 0; y < 9; y++) {
			for (unsigned n = 0; n <= 26; n++) {
				for (unsigned i = 0; i < n; i++)
					a[x + i] = b[y + i] = (uint8_t)(i * 5);
				a[x + n] = 1; /* behind the end: does not count */
				b[y + n] = 2;
				CHECK_EQ(granule_memcmp(a + x, b + y, n), 0);
				for (unsigned i = 0; i < n; i++) {
					b[y + i] = (uint8_t)(i * 5 + 0x80);
					CHECK_EQ(sign(granule_memcmp(a + x, b + y, n)), a[x + i] < b[y + i] ? -1 : 1);
					CHECK_EQ(sign(granule_memcmp(b + y, a + x, n)), a[x + i] < b[y + i] ? 1 : -1);
					b[y + i] = a[x + i];
				}
			}
		}
	}
}

TEST(L10, "strcmp, strncmp: order, prefixes, length 0, bytes above 127")
{
	static const struct {
		const char *a, *b;
		int want;
	} t[] = {
		{ "", "", 0 },	      { "a", "", 1 },	    { "", "a", -1 },	{ "abc", "abc", 0 },
		{ "abc", "abd", -1 }, { "abcd", "abc", 1 }, { "\xff", "a", 1 }, { "a\x80", "a\x7f", 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		CHECK_EQ(sign(granule_strcmp(t[i].a, t[i].b)), t[i].want);
		CHECK_EQ(sign(granule_strncmp(t[i].a, t[i].b, 100)), t[i].want);
	}
	CHECK_EQ(granule_strncmp("abc", "xyz", 0), 0);
	CHECK_EQ(granule_strncmp("abc", "abd", 2), 0);
	CHECK_EQ(sign(granule_strncmp("abc", "abd", 3)), -1);
	CHECK_EQ(granule_strncmp("ab\0c", "ab\0d", 4), 0);
}

TEST(L11, "memchr, strchr, strlen, strnlen: found first, not found, not looked at beyond the end")
{
	const char *s = "banana";

	CHECK(granule_memchr(s, 'a', 6) == s + 1);
	CHECK(granule_memchr(s, 'a', 1) == NULL);
	CHECK(granule_memchr(s, 'x', 6) == NULL);
	CHECK(granule_memchr(s, 0, 7) == s + 6);
	CHECK(granule_memchr(s, 'b', 0) == NULL);
	CHECK(granule_memchr(s, 'n' | 0x500, 6) == s + 2);
	CHECK(granule_strchr(s, 'n') == s + 2);
	CHECK(granule_strchr(s, 'x') == NULL);
	CHECK(granule_strchr(s, 0) == s + 6);
	CHECK_EQ(granule_strlen(""), 0);
	CHECK_EQ(granule_strlen(s), 6);
	CHECK_EQ(granule_strnlen(s, 0), 0);
	CHECK_EQ(granule_strnlen(s, 3), 3);
	CHECK_EQ(granule_strnlen(s, 100), 6);
}

TEST(L12, "numbers: decimal, hexadecimal, suffixes; the rest comes back")
{
	static const struct {
		const char *s;
		uint64_t want;
		unsigned used; /* 0: refused */
	} t[] = {
		{ "0", 0, 1 },
		{ "42", 42, 2 },
		{ "0042", 42, 4 },
		{ "0x0", 0, 3 },
		{ "0x41000000,16M", 0x41000000, 10 },
		{ "16M", MIB(16), 3 },
		{ "16m rest", MIB(16), 3 },
		{ "4k", 4096, 2 },
		{ "0x4K", 4096, 4 },
		{ "1G", GIB(1), 2 },
		{ "0xABCDEFabcdef", 0xabcdefabcdef, 14 },
		{ "18446744073709551615", UINT64_MAX, 20 },
		{ "18446744073709551616", 0, 0 },
		{ "18446744073709551620", 0, 0 },
		{ "99999999999999999999999", 0, 0 },
		{ "0xffffffffffffffff", UINT64_MAX, 18 },
		{ "0x10000000000000000", 0, 0 },
		{ "17179869183G", (uint64_t)17179869183 << 30, 12 },
		{ "17179869184G", 0, 0 },
		{ "18014398509481983K", (uint64_t)18014398509481983 << 10, 18 },
		{ "18014398509481984K", 0, 0 },
		{ "0G", 0, 2 },
		{ "", 0, 0 },
		{ "x", 0, 0 },
		{ "K", 0, 0 },
		{ "-1", 0, 0 },
		{ " 1", 0, 0 },
		{ "0x", 0, 1 }, /* a zero, and then an x */
		{ "0xg", 0, 1 },
		{ "12ab", 12, 2 },
		{ "1KK", 1024, 2 },
		{ "1T", 1, 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		uint64_t v = 77;
		const char *end = parse_u64(t[i].s, t[i].s + strlen(t[i].s), &v);

		if (t[i].used == 0) {
			CHECK(end == NULL);
			CHECK_EQ(v, 77);
		} else {
			CHECK(end == t[i].s + t[i].used);
			CHECK_EQ(v, t[i].want);
		}
	}
}

TEST(L12, "numbers: nothing is read at or behind the end")
{
	uint64_t v;

	for (unsigned n = 0; n <= 6; n++) {
		static const uint64_t want[] = { 77, 0, 0, 1, 0x12, 0x123, 0x123 << 10 };
		const char *s = "0x123K9";
		const char *end;

		v = 77;
		end = parse_u64(s, s + n, &v);
		CHECK_EQ(v, want[n]);
		CHECK(end == (n == 0 ? NULL : n == 2 ? s + 1 : s + n));
	}
}

/* ---- words of bits --------------------------------------------------------------------------------------------------------- */

TEST(L19, "bits: count, lowest, highest, mask against a loop")
{
	for (unsigned round = 0; round < 3000; round++) {
		uint64_t w = round < 64	   ? (uint64_t)1 << round
			     : round == 64 ? UINT64_MAX
					   : random_u64() & random_u64() << round % 64;
		unsigned count = 0, lowest = 64, highest = 64;

		for (unsigned i = 0; i < 64; i++) {
			if ((w >> i) & 1) {
				count++;
				highest = i;
				lowest = lowest == 64 ? i : lowest;
			}
		}
		CHECK_EQ(word_popcount(w), count);
		if (w) {
			CHECK_EQ(word_lowest(w), lowest);
			CHECK_EQ(word_highest(w), highest);
		}
	}
	CHECK_EQ(word_popcount(0), 0);
	CHECK_EQ(word_mask(0), 0);
	CHECK_EQ(word_mask(1), 1);
	CHECK_EQ(word_mask(63), UINT64_MAX >> 1);
	CHECK_EQ(word_mask(64), UINT64_MAX);
}

TEST(L19, "bits: aligned runs of every order against a loop")
{
	for (unsigned round = 0; round < 2000; round++) {
		uint64_t w = 0;

		/* Dense words: runs of 16 and more must occur. */
		for (unsigned i = 0; i < 2 + round % 6; i++)
			w |= random_u64();
		if (round == 0)
			w = UINT64_MAX;
		for (unsigned order = 0; order <= 6; order++) {
			uint64_t want = 0;

			for (unsigned i = 0; i < 64; i += 1u << order) {
				uint64_t run = word_mask(1u << order) << i;

				if ((w & run) == run)
					want |= (uint64_t)1 << i;
			}
			CHECK_EQ(word_runs(w, order), want);
		}
	}
}

TEST(L19, "bits: set, clear and test in a map of words")
{
	uint64_t map[3] = { 0 };

	CHECK_EQ(BITMAP_WORDS(0), 0);
	CHECK_EQ(BITMAP_WORDS(1), 1);
	CHECK_EQ(BITMAP_WORDS(64), 1);
	CHECK_EQ(BITMAP_WORDS(65), 2);
	for (unsigned i = 0; i < 192; i++) {
		bitmap_set(map, i);
		for (unsigned k = 0; k < 192; k++)
			CHECK_EQ(bitmap_test(map, k), k == i);
		bitmap_clear(map, i);
	}
	CHECK(map[0] == 0 && map[1] == 0 && map[2] == 0);
}

/* ---- errors ---------------------------------------------------------------------------------------------------------------- */

TEST(L20, "errors: a sentence for each, no two the same, the seed's word for word; others are unknown")
{
	for (int a = MM_OK; a >= MM_EUNSUPPORTED; a--) {
		CHECK(strcmp(mm_strerror(a), "unknown error") != 0);
		for (int b = MM_OK; b > a; b--)
			CHECK(strcmp(mm_strerror(a), mm_strerror(b)) != 0);
	}
	CHECK(strcmp(mm_strerror(MM_EVA_ALIGN), "VA not 2MB aligned for block mapping") == 0);
	CHECK(strcmp(mm_strerror(MM_EPA_ALIGN), "PA not 2MB aligned for block mapping") == 0);
	CHECK(strcmp(mm_strerror(MM_EPT_POOL), "Page table pool exhausted") == 0);
	CHECK(strcmp(mm_strerror(MM_EPT_ALLOC), "Page table allocation failed") == 0);
	CHECK(strcmp(mm_strerror(1), "unknown error") == 0);
	CHECK(strcmp(mm_strerror(MM_EUNSUPPORTED - 1), "unknown error") == 0);
	CHECK(strcmp(mm_strerror(-2147483647 - 1), "unknown error") == 0);
}
