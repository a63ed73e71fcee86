/* SPDX-License-Identifier: BSD-2-Clause */
/* Death tests on the host: run something that must panic, and go on. */
#ifndef TESTS_HOST_PANIC_H
#define TESTS_HOST_PANIC_H

/*
 * Calls fn() and returns the text it panicked with (valid until the next call), or NULL when it returned. One thread, not
 * nested. Interrupts are as before. A lock that fn() held when it panicked stays held: such a test uses objects of its
 * own.
 */
const char *expect_panic(void (*fn)(void));

#endif
