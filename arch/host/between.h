/* SPDX-License-Identifier: BSD-2-Clause */
/* The places at which a test may play another CPU, or an interrupt: around locks, and between a load and its exchange. */
#ifndef ARCH_HOST_BETWEEN_H
#define ARCH_HOST_BETWEEN_H

#include "lib/defs.h"

/* Called at each of them when not NULL. Set while only one thread runs. */
extern void (*host_between_hook)(void);

static always_inline void host_between(void)
{
	if (unlikely(host_between_hook != NULL))
		host_between_hook();
}

#endif
