/* SPDX-License-Identifier: BSD-2-Clause */
/* What this kernel had before Granule came: the very names that a library may not take. */
#ifndef TESTS_EMBED_KERNEL_H
#define TESTS_EMBED_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int semihost(int op, void *arg);
bool escape_set(uint64_t context[13]) __attribute__((returns_twice));
_Noreturn void escape_take(uint64_t context[13]);
void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memset(void *dst, int c, size_t n);
int printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void panic(const char *why);
/* A bump of 4 KiB: the kernel's own, from before there was memory. */
void *kmalloc(size_t size);

/* names.c: the optional names, in a file that does not have its own. */
int use_names(void);

#endif
