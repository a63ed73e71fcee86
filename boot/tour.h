/* SPDX-License-Identifier: BSD-2-Clause */
/* The tour: what a person would type into the monitor first, with a sentence each. */
#ifndef BOOT_TOUR_H
#define BOOT_TOUR_H

/* Runs it. Returns how many commands did not end as they should: 0 on a healthy machine. */
unsigned tour_run(void);

#endif
