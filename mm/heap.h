/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmalloc: objects of any size over slab caches, large ones straight from page frames. State of every object stands
 * outside it (one byte each), so double free and foreign pointers are always found and no pointer lives in a free object.
 * Safe in interrupt context.
 */
#ifndef MM_HEAP_H
#define MM_HEAP_H

#include "mm/error.h"
#include "mm/frames.h"

#define HEAP_MIN_ALIGN 16
#define HEAP_ZERO_SIZE_PTR NULL /* kmalloc(0): NULL, and kfree(NULL) does nothing */

/*
 * total_ram / 128, clamped to [16 MiB, 64 MiB], rounded down to a power of two; below 128 MiB of RAM an eighth of it, rounded
 * down to a power of two; never more than half of the largest free block (largest_free bytes). All in bytes.
 */
uint64_t recommended_heap_size(uint64_t total_ram, uint64_t largest_free);

/* Takes the heap's reservation (size bytes: a power of two, at least 64 KiB) from f. MM_EINVAL; MM_ENOMEM "Failed to allocate heap". */
must_check int heap_init(struct frames *f, uint64_t size);

/* At least size bytes, aligned to 16 (sizes of 2^k from 16 to 4096: to their size). NULL: no memory, or size 0. */
void *kmalloc(size_t size) __attribute__((malloc));
void *kzalloc(size_t size) __attribute__((malloc));
/* n * size with overflow check (NULL). */
void *kcalloc(size_t n, size_t size) __attribute__((malloc));
/* align: a power of two, up to 4 KiB. */
void *kmalloc_aligned(size_t size, size_t align) __attribute__((malloc));
/* Grows or shrinks; NULL p: kmalloc; size 0: frees and returns NULL. On failure p stays valid and NULL is returned. */
void *krealloc(void *p, size_t size);
/* MM_OK (also for NULL); MM_EDOUBLE, MM_EFOREIGN, MM_EINTERIOR: logged with the caller's address, nothing changed. */
int kfree(void *p);
/* Usable bytes of an object; 0 for NULL or what is no object. */
size_t ksize(const void *p);

struct heap_stats {
	uint64_t reserved_bytes; /* the reservation */
	uint64_t reserved_used_bytes; /* of it, in slabs */
	uint64_t live_objects;
	uint64_t live_bytes;	 /* rounded to their classes */
	uint64_t requested_bytes;
	uint64_t large_objects;	 /* straight from frames */
	uint64_t allocs, frees, failures, bad_frees;
};
void heap_get_stats(struct heap_stats *out);

/* Re-derives every counter and object state. MM_OK or MM_ECORRUPT (logged). */
must_check int heap_validate(void);

#endif
