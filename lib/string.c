/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory and string functions that a compiler may call by itself. Every access is naturally aligned (Device memory, which
 * is what all memory is while the MMU is off, faults otherwise), and no loop may be turned back into a call of the function it
 * implements: the attributes below say so to both compilers.
 *
 * The functions are called granule_memcpy and so on; freestanding, the standard names are aliases of them.
 */
#include "lib/string.h"

#if defined(__clang__)
#define NO_IDIOM __attribute__((no_builtin))
#else
#define NO_IDIOM __attribute__((optimize("no-tree-loop-distribute-patterns")))
#endif

typedef uint64_t __attribute__((may_alias)) word;
#define WORD sizeof(word)

/* Both addresses are a multiple of the word at the same moments. */
static inline bool same_phase(const void *a, const void *b)
{
	return (((uintptr_t)a ^ (uintptr_t)b) & (WORD - 1)) == 0;
}

static inline bool word_aligned(const void *p)
{
	return ((uintptr_t)p & (WORD - 1)) == 0;
}

/* Eight words; all are loaded before any is stored, so that the two may overlap. */
NO_IDIOM static inline void copy_eight(word *d, const word *s)
{
	word a = s[0], b = s[1], c = s[2], e = s[3], f = s[4], g = s[5], h = s[6], i = s[7];

	d[0] = a;
	d[1] = b;
	d[2] = c;
	d[3] = e;
	d[4] = f;
	d[5] = g;
	d[6] = h;
	d[7] = i;
}

/* Upwards. */
NO_IDIOM static inline void copy(uint8_t *d, const uint8_t *s, size_t n)
{
	if (same_phase(d, s)) {
		for (; n > 0 && !word_aligned(d); n--)
			*d++ = *s++;
		for (; n >= 8 * WORD; n -= 8 * WORD, d += 8 * WORD, s += 8 * WORD)
			copy_eight((word *)d, (const word *)s);
		for (; n >= WORD; n -= WORD, d += WORD, s += WORD)
			*(word *)d = *(const word *)s;
	}
	for (; n > 0; n--)
		*d++ = *s++;
}

/* [L7] */
NO_IDIOM void *granule_memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	copy(dst, src, n);
	return dst;
}

/* [L8] */
NO_IDIOM void *granule_memmove(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	/* One unsigned comparison: true also where dst is before src. */
	if ((uintptr_t)d - (uintptr_t)s >= n) {
		copy(d, s, n);
		return dst;
	}
	d += n;
	s += n;
	if (same_phase(d, s)) {
		for (; n > 0 && !word_aligned(d); n--)
			*--d = *--s;
		for (; n >= 8 * WORD; n -= 8 * WORD) {
			d -= 8 * WORD;
			s -= 8 * WORD;
			copy_eight((word *)d, (const word *)s);
		}
		for (; n >= WORD; n -= WORD) {
			d -= WORD;
			s -= WORD;
			*(word *)d = *(const word *)s;
		}
	}
	for (; n > 0; n--)
		*--d = *--s;
	return dst;
}

/* [L9] */
NO_IDIOM void *granule_memset(void *dst, int c, size_t n)
{
	uint8_t *d = dst;
	word w = (uint8_t)c * 0x0101010101010101u;

	for (; n > 0 && !word_aligned(d); n--)
		*d++ = (uint8_t)c;
	for (; n >= WORD; n -= WORD, d += WORD)
		*(word *)d = w;
	for (; n > 0; n--)
		*d++ = (uint8_t)c;
	return dst;
}

/* [L10] */
NO_IDIOM int granule_memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	if (same_phase(x, y)) {
		for (; n > 0 && !word_aligned(x) && *x == *y; n--, x++, y++)
			;
		if (word_aligned(x)) {
			for (; n >= WORD && *(const word *)x == *(const word *)y; n -= WORD, x += WORD, y += WORD)
				;
		}
	}
	for (; n > 0; n--, x++, y++) {
		if (*x != *y)
			return *x < *y ? -1 : 1;
	}
	return 0;
}

/* [L11] */
NO_IDIOM void *granule_memchr(const void *s, int c, size_t n)
{
	const uint8_t *p = s;

	for (; n > 0; n--, p++) {
		if (*p == (uint8_t)c)
			return (void *)(uintptr_t)p;
	}
	return NULL;
}

/* [L11] */
NO_IDIOM size_t granule_strlen(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

/* [L11] */
NO_IDIOM size_t granule_strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != '\0')
		n++;
	return n;
}

/* [L10] */
NO_IDIOM int granule_strcmp(const char *a, const char *b)
{
	for (; *a != '\0' && *a == *b; a++, b++)
		;
	return (unsigned char)*a - (unsigned char)*b;
}

/* [L10] */
NO_IDIOM int granule_strncmp(const char *a, const char *b, size_t n)
{
	for (; n > 0 && *a != '\0' && *a == *b; n--, a++, b++)
		;
	return n == 0 ? 0 : (unsigned char)*a - (unsigned char)*b;
}

/* [L11] */
NO_IDIOM char *granule_strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (*s == '\0')
			return NULL;
	}
}

#if !__STDC_HOSTED__
#define STANDARD_NAME(name) __typeof__(granule_##name) name __attribute__((alias("granule_" #name)))
STANDARD_NAME(memcpy);
STANDARD_NAME(memmove);
STANDARD_NAME(memset);
STANDARD_NAME(memcmp);
STANDARD_NAME(memchr);
STANDARD_NAME(strlen);
STANDARD_NAME(strnlen);
STANDARD_NAME(strcmp);
STANDARD_NAME(strncmp);
STANDARD_NAME(strchr);
#endif

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

static unsigned suffix_shift(char c)
{
	switch (c) {
	case 'k':
	case 'K':
		return 10;
	case 'm':
	case 'M':
		return 20;
	case 'g':
	case 'G':
		return 30;
	default:
		return 0;
	}
}

/* [L12] */
const char *parse_u64(const char *s, const char *end, uint64_t *out)
{
	int base = 10;
	uint64_t v = 0;
	unsigned shift;
	const char *digits;

	if (end - s > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit_value(s[2]) < 16) {
		base = 16;
		s += 2;
	}
	digits = s;
	for (; s < end && digit_value(*s) < base; s++) {
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)digit_value(*s), &v))
			return NULL;
	}
	if (s == digits)
		return NULL;
	shift = s < end ? suffix_shift(*s) : 0;
	if (shift != 0) {
		if (v > UINT64_MAX >> shift)
			return NULL;
		v <<= shift;
		s++;
	}
	*out = v;
	return s;
}
