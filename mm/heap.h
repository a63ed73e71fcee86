/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kmalloc: objects of any size over slab caches, large ones straight from page frames. State of every object stands
 * outside it (one bit each, mm/slab.h), so double free and foreign pointers are always found and no pointer lives in a free object.
 * Safe in interrupt context.
 *
 * Sizes up to 8 KiB have classes in four steps per doubling (16, 32, 48, 64, 80, 96, 112, 128, 160, ...): less than a fifth of an
 * object is lost to rounding from 65 bytes up. Above that a block of 2^n frames with TAG_HEAP. Slabs come from the
 * reservation; when it is full, from regions of frames that go back with their last slab.
 *
 * Locks, outermost first: one cache's, the pool's, those of frames. The counters' own lock is taken alone.
 */
#ifndef MM_HEAP_H
#define MM_HEAP_H

#include "mm/error.h"
#include "mm/frames.h"

#define HEAP_MIN_ALIGN 16
#define HEAP_MIN_SIZE KIB(64)
#define HEAP_ZERO_SIZE_PTR NULL /* kmalloc(0): NULL, and kfree(NULL) does nothing */

/*
 * total_ram / 128, clamped to [16 MiB, 64 MiB], rounded down to a power of two; below 128 MiB of RAM an eighth of it, rounded
 * down to a power of two; never more than half of the largest free block (largest_free bytes). All in bytes; 0 when nothing is
 * free.
 */
uint64_t recommended_heap_size(uint64_t total_ram, uint64_t largest_free);

/*
 * Takes the heap's reservation (size bytes: a power of two, HEAP_MIN_SIZE to 1 GiB) from f; tag TAG_SLAB, as later regions have.
 * MM_EINVAL; MM_EEXIST: there is a heap already; MM_ENOMEM, "Failed to allocate heap". Boot: one CPU.
 */
must_check int heap_init(struct frames *f, uint64_t size);

/* Gives everything back to frames. MM_EBUSY: objects are live, nothing changed; MM_EINVAL: there is no heap. One CPU. */
must_check int heap_destroy(void);

/* At least size bytes, aligned to 16 (sizes of 2^k from 16 to 4096: to their size). NULL: no memory, or size 0. */
void *kmalloc(size_t size) __attribute__((malloc));
void *kzalloc(size_t size) __attribute__((malloc));
/* n * size with overflow check (NULL); zeroed. */
void *kcalloc(size_t n, size_t size) __attribute__((malloc));
/* align: a power of two, up to 4 KiB; otherwise NULL. */
void *kmalloc_aligned(size_t size, size_t align) __attribute__((malloc));
/* Grows or shrinks; NULL p: kmalloc; size 0: frees and returns NULL. On failure (no memory; p is no object: logged) p stays
 * as it is and NULL is returned; shrinking a live object does not fail. */
void *krealloc(void *p, size_t size);
/*
 * MM_OK (also for NULL); logged with the caller's address, nothing changed: MM_EDOUBLE (a free object, or memory of the heap or
 * of frames that is free now), MM_EINTERIOR, MM_EFOREIGN, MM_EBUSY (somebody holds a reference to the frames).
 */
int kfree(void *p);
/* Usable bytes of an object; 0 for NULL or what is no object. */
size_t ksize(const void *p);

/* Gives empty slabs back, and with them regions that were added. Returns the bytes of the slabs. kmalloc does it by itself
 * before it fails. */
uint64_t heap_shrink(void);

struct heap_stats {
	uint64_t reserved_bytes;      /* the reservation */
	uint64_t grown_bytes;	      /* further regions */
	uint64_t reserved_used_bytes; /* of both, in slabs */
	uint64_t live_objects;	      /* large ones too */
	uint64_t live_bytes;	      /* rounded to their classes */
	uint64_t large_objects;	      /* live, straight from frames */
	uint64_t large_bytes;
	uint64_t requested_bytes; /* asked for by all allocations so far */
	uint64_t granted_bytes;	  /* the same, rounded to their classes: the difference is what rounding cost */
	uint64_t allocs, frees, failures, bad_frees;
};
void heap_get_stats(struct heap_stats *out);

/* Re-derives the state of every slab and object, and the counters from them (those of large objects, which only frames knows,
 * are compared with each other). Exact while other CPUs go on. MM_OK or MM_ECORRUPT (logged). */
must_check int heap_validate(void);

#endif
