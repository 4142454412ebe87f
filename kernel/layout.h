/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one map of an instance's 47-bit address space. The program has
 * everything below USER_END; the kernel owns the rest. Shared by the linker
 * script, the platforms and the memory manager; abi/boot.h tells the monitor.
 */
#ifndef JIFFY_KERNEL_LAYOUT_H
#define JIFFY_KERNEL_LAYOUT_H

#define USER_START 0x0000000000010000UL /* lowest mappable (mmap_min_addr) */
#define USER_END 0x00007d0000000000UL	/* first address the program lacks */

#define KERNEL_BASE 0x00007d0000000000UL /* text, rodata, data, bss */
#define KERNEL_IMAGE_MAX 0x0000000010000000UL

#define KERNEL_DATA_BASE 0x00007d0000800000UL /* as in kernel.lds */
#define LARGE_PAGE 0x0000000000200000UL

/* Host vDSO and its data, moved here by platform `process`. */
#define KERNEL_HOSTVDSO_BASE 0x00007d0010000000UL
/* Boot block (abi/boot.h), shared with the monitor. */
#define KERNEL_BOOT_BASE 0x00007d0020000000UL

/* Thread slots: kernel stack and signal stack of each thread. */
#define KERNEL_SLOTS_BASE 0x00007d0100000000UL
#define KERNEL_SLOT_SIZE 0x0000000000010000UL /* 64 KiB, virtual */
#define KERNEL_SLOTS_MAX 0x0000000000010000UL /* 65,536 threads: 4 GiB */

/* Kernel heap. */
#define KERNEL_HEAP_BASE 0x00007d0200000000UL
#define KERNEL_HEAP_SIZE 0x0000004000000000UL /* 256 GiB, virtual */

/* Page-cache windows (shared memory object `cache`). */
#define KERNEL_CACHE_BASE 0x00007d8000000000UL
#define KERNEL_CACHE_SIZE 0x0000010000000000UL /* 1 TiB, virtual */

/* The root image, read-only. */
#define KERNEL_IMAGE_BASE 0x00007e8000000000UL
#define KERNEL_IMAGE_SIZE 0x0000004000000000UL /* 256 GiB */

#endif
