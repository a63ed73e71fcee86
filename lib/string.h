/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of <string.h> that a freestanding compiler may call by itself, and the few we use. Byte-safe: they make no
 * unaligned access, so that they work before the MMU is on. */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#include "lib/defs.h"

/*
 * Freestanding, these are the standard functions too. In a hosted program the C library (or a sanitizer) owns the standard names, and
 * ours stand beside them; the tests call them by these names in both worlds.
 */
void *granule_memcpy(void *restrict dst, const void *restrict src, size_t n);
void *granule_memmove(void *dst, const void *src, size_t n);
void *granule_memset(void *dst, int c, size_t n);
int granule_memcmp(const void *a, const void *b, size_t n);
void *granule_memchr(const void *s, int c, size_t n);
size_t granule_strlen(const char *s);
size_t granule_strnlen(const char *s, size_t max);
int granule_strcmp(const char *a, const char *b);
int granule_strncmp(const char *a, const char *b, size_t n);
char *granule_strchr(const char *s, int c);

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

/* Parses a number in [s, end): decimal or 0x hexadecimal, with an optional K, M or G suffix (powers of 1024).
 * On success stores the value and returns the first byte after it; otherwise (no digit, overflow) returns NULL. */
const char *parse_u64(const char *s, const char *end, uint64_t *out);

#endif
