/* SPDX-License-Identifier: BSD-2-Clause */
/* How CPUs take turns with the log, and how one of them gets it for good. Kernel only. */
#ifndef BOOT_LOG_LOCK_H
#define BOOT_LOG_LOCK_H

#include "lib/defs.h"

/* From here on messages of several CPUs are not mixed. With the MMU on. */
void log_lock_start(void);

/*
 * For a CPU that reports the end of everything: true when no other CPU has asked before. Then the others log no more (who tries
 * stops there); a message that one of them is at comes to its end first, within a second. The log has no lock from then on, since
 * the caller may have been inside it. Masked interrupts; any time, also before the MMU is on; again and again by the same CPU.
 */
must_check bool log_lock_seize(void);

#endif
