/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor: a person asks the memory subsystem questions over the console. `help` lists the commands. */
#ifndef BOOT_MONITOR_H
#define BOOT_MONITOR_H

#include "mm/error.h"

#define MONITOR_PROMPT "granule> "

/*
 * Executes one line and prints its answer through the log. An empty line does nothing. MM_OK, or the error that the
 * answer explains: MM_EINVAL for what cannot be understood, else what the room that was asked returned. Bad input
 * changes nothing.
 */
int monitor_execute(const char *line);

/* Reads lines from the console and executes them, until `poweroff`. Returns, saying so, when no console can be read. */
void monitor_run(void);

#endif
