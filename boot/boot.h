/* SPDX-License-Identifier: BSD-2-Clause */
/* What the boot learned about the machine: one object, filled in order by entry.S, boot/main.c and mm/init.c. */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include "lib/fdt.h"
#include "mm/init.h"
#include "mm/ram.h"

#define MAX_CPUS 512

struct boot_info {
	/* from entry.S */
	uint64_t x[4];	      /* x0-x3 as the loader left them */
	uint64_t entry_el;    /* 1, 2 or 3 */
	uint64_t entry_sctlr; /* SCTLR of that level at entry */
	uint64_t image_pa;    /* where the first byte of the image is */
	uint64_t el2_stub;    /* non-zero: EL2 is ours and answers HVC */
	/* from main.c */
	uint64_t image_size; /* with BSS; that of the suites only when tests were asked for */
	paddr_t dtb_pa;
	struct fdt fdt;
	struct ram_map ram;
	struct frames *frames;
	struct mm_bringup mm;
	const char *bootargs;
	char model[64];
	unsigned cpus_described; /* enabled cpu nodes in the tree */
	unsigned cpus_online;
	bool up; /* "memory is up" was reached */
};

extern struct boot_info boot;

/* Symbols of linker.ld, as the running code reaches them. */
extern char image_start[], image_text_end[], image_rodata_end[], image_data_end[], image_end[];

#endif
