/* SPDX-License-Identifier: BSD-2-Clause */
/* The embedder's own C library, console and tables. */
#include "tests/embed/kernel.h"

#include "mm/library/granule.h"

#include <stdarg.h>

#define UART 0x09000000ul /* identity-mapped as device memory */
#define GIB 0x40000000ul
#define MIB2 0x200000ul
#define BLOCK_NORMAL 0x0060000000000701ul /* AF, inner shareable, index 0, XN, block */
#define BLOCK_TEXT 0x0000000000000701ul
#define BLOCK_DEVICE 0x0060000000000405ul
#define TABLE 3ul
#define PAGE_DESC (BLOCK_NORMAL | 2ul)

static uint64_t low[512] __attribute__((aligned(4096)));
static uint64_t high[512] __attribute__((aligned(4096)));
static uint64_t records_l2[512] __attribute__((aligned(4096)));
static uint64_t records_l3[8][512] __attribute__((aligned(4096)));
static unsigned used_l3;

struct roots {
	uint64_t low, high;
};
struct roots build_tables(void);

/* Low half: one to one. High half: linear map in its lower 256 GiB, page records in the next GiB. */
struct roots build_tables(void)
{
	low[0] = BLOCK_DEVICE;
	for (uint64_t i = 1; i < 512; i++)
		low[i] = (i * GIB) | BLOCK_TEXT;
	for (uint64_t i = 0; i < 256; i++)
		high[i] = (i * GIB) | (i ? BLOCK_NORMAL : BLOCK_DEVICE);
	high[256] = (uint64_t)(uintptr_t)records_l2 | TABLE;
	return (struct roots){ (uint64_t)(uintptr_t)low, (uint64_t)(uintptr_t)high };
}

/* Granule's hook: page records go where high[256] leads, in blocks where they fit. */
int gr_host_map(uintptr_t va, uint64_t pa, uint64_t size)
{
	uint64_t step;

	for (uint64_t i = 0; i < size; i += step) {
		uint64_t *l2 = &records_l2[((va + i) >> 21) & 511];
		uint64_t *l3;

		step = ((va + i) | (pa + i)) & (MIB2 - 1) || size - i < MIB2 ? 4096 : MIB2;
		if (step == MIB2) {
			*l2 = (pa + i) | BLOCK_NORMAL;
			continue;
		}
		if (!*l2) {
			if (used_l3 == 8)
				return GR_ENOMEM;
			*l2 = (uint64_t)(uintptr_t)records_l3[used_l3++] | TABLE;
		}
		l3 = (uint64_t *)(uintptr_t)(*l2 & ~4095ul);
		l3[((va + i) >> 12) & 511] = (pa + i) | PAGE_DESC;
	}
	__asm__ volatile("dsb ishst\n\tisb" ::: "memory");
	return 0;
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)dst)[i] = ((const char *)src)[i];
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)dst)[i] = (char)c;
	return dst;
}

static void put(char c)
{
	*(volatile uint32_t *)UART = (unsigned char)c;
}

static void put_number(uint64_t n, unsigned base)
{
	char digits[24];
	unsigned i = 0;

	do
		digits[i++] = "0123456789abcdef"[n % base];
	while (n /= base);
	while (i)
		put(digits[--i]);
}

/* %s, %u, %lx: a kernel of this size needs no more. */
int printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			put(*fmt);
		} else if (*++fmt == 's') {
			for (const char *s = va_arg(ap, const char *); *s; s++)
				put(*s);
		} else if (*fmt == 'u') {
			put_number(va_arg(ap, unsigned), 10);
		} else if (*fmt == 'l') {
			fmt++;
			put_number(va_arg(ap, unsigned long), 16);
		}
	}
	va_end(ap);
	return 0;
}

static _Noreturn void stop(uint64_t status)
{
	uint64_t block[2] = { 0x20026, status };

	semihost(0x20, block);
	for (;;)
		__asm__ volatile("wfe");
}

_Noreturn void panic(const char *why)
{
	printf("embedder's panic: %s\n", why);
	stop(1);
}

void *kmalloc(size_t size)
{
	static char arena[4096];
	static size_t next;
	void *p = &arena[next];

	next += (size + 15) & ~(size_t)15;
	return next <= sizeof(arena) ? p : NULL;
}
