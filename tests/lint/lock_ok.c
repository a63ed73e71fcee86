/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Half of the proof that clang's thread-safety analysis is on: correct locking in the style of mm/, which must compile without
 * a warning. tests/lint/lock_bad.c is the other half. Compiled by `make lint` only, never linked.
 */
#include "arch/spinlock.h"

struct counter {
	struct spinlock lock;
	uint64_t value; /* lock */
};

void counter_add(struct counter *c, uint64_t n);
uint64_t counter_swap(struct counter *c, uint64_t value) EXCLUDES(c->lock);

static inline uint64_t *counter_value(struct counter *c) REQUIRES(c->lock)
{
	return &c->value;
}

static void add_locked(struct counter *c, uint64_t n) REQUIRES(c->lock)
{
	*counter_value(c) += n;
}

void counter_add(struct counter *c, uint64_t n)
{
	unsigned long state = spin_lock(&c->lock);

	add_locked(c, n);
	spin_unlock(&c->lock, state);
}

uint64_t counter_swap(struct counter *c, uint64_t value)
{
	unsigned long state = spin_lock(&c->lock);
	uint64_t old = *counter_value(c);

	*counter_value(c) = value;
	spin_unlock(&c->lock, state);
	return old;
}
