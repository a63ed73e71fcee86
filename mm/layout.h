/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual layout of the Granule kernel: 48-bit TTBR1, one 512 GiB-aligned region for each purpose. (An embedder has its
 * own layout and never includes this.)
 *
 *	0xffff000000000000  linear map	128 TiB	physical address + LAYOUT_LINEAR: all RAM but no-map ranges and the image
 *	0xffff800000000000  mem_map	256 GiB	8 bytes for each page frame of the 128 TiB
 *	0xffff900000000000  vmalloc/ioremap  1 TiB
 *	0xffffa00000000000  image	  1 GiB	link address; the image may run at any 2 MiB-aligned address in the region
 *	0xffffb00000000000  fixmap	 32 MiB	device tree, early console, and other things at compile-time addresses
 */
#ifndef MM_LAYOUT_H
#define MM_LAYOUT_H

#define LAYOUT_VA_BITS 48
#define LAYOUT_KERNEL_BASE 0xffff000000000000
#define LAYOUT_LINEAR 0xffff000000000000
#define LAYOUT_LINEAR_BITS 47 /* physical addresses that the linear map can hold */
#define LAYOUT_MEMMAP 0xffff800000000000
#define LAYOUT_VMALLOC 0xffff900000000000
#define LAYOUT_VMALLOC_SIZE 0x0000010000000000
#define LAYOUT_IMAGE 0xffffa00000000000
#define LAYOUT_FIXMAP 0xffffb00000000000

/* Inside the fixmap. The device tree is mapped with its offset in the first page kept: at most 2 MiB and one page. */
#define LAYOUT_FIXMAP_FDT 0xffffb00000000000
#define LAYOUT_FIXMAP_FDT_SIZE 0x400000
#define LAYOUT_FIXMAP_CONSOLE 0xffffb00000400000 /* 64 KiB of device registers */
#define LAYOUT_FIXMAP_CLAIMS 0xffffb00001000000	 /* records of the RAM map when they outgrow the image's */
#define LAYOUT_FIXMAP_CLAIMS_SIZE 0x1000000

#endif
