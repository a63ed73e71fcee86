/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other half of the proof that clang's thread-safety analysis is on: wrong locking, which must be refused. `make lint`
 * counts the warnings: exactly one for each line that says MUST WARN, and no other error.
 */
#include "arch/spinlock.h"

struct counter {
	struct spinlock lock;
	uint64_t value; /* lock */
};

void without_lock(struct counter *c);
void wrong_lock(struct counter *c, struct counter *other);
void after_unlock(struct counter *c);
void never_unlocked(struct counter *c);
void twice(struct counter *c);
void not_held(struct counter *c);

static inline uint64_t *counter_value(struct counter *c) REQUIRES(c->lock)
{
	return &c->value;
}

void without_lock(struct counter *c)
{
	*counter_value(c) = 1; /* MUST WARN */
}

void wrong_lock(struct counter *c, struct counter *other)
{
	unsigned long state = spin_lock(&other->lock);

	*counter_value(c) = 1; /* MUST WARN */
	spin_unlock(&other->lock, state);
}

void after_unlock(struct counter *c)
{
	unsigned long state = spin_lock(&c->lock);

	spin_unlock(&c->lock, state);
	*counter_value(c) = 1; /* MUST WARN */
}

void never_unlocked(struct counter *c)
{
	(void)spin_lock(&c->lock);
} /* MUST WARN */

void twice(struct counter *c)
{
	unsigned long state = spin_lock(&c->lock);

	(void)spin_lock(&c->lock); /* MUST WARN */
	spin_unlock(&c->lock, state);
}

void not_held(struct counter *c)
{
	spin_unlock(&c->lock, 0); /* MUST WARN */
}
