/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vDSO that programs see: an ELF image of our own (cpu/vdso/), linked into
 * the kernel's text at a fixed address, which calls the host's clock functions
 * through the data below. On a platform without them it makes system calls.
 */
#ifndef JIFFY_KERNEL_CPU_VDSO_H
#define JIFFY_KERNEL_CPU_VDSO_H

#include "lib/compiler.h"

/* First bytes of the kernel's data; kernel.lds keeps it there. */
#define VDSO_DATA_ADDRESS 0x7d0000800000UL

struct vdso_timespec {
	s64 sec;
	s64 nsec;
};

struct vdso_data {
	int (*clock_gettime)(int clock, struct vdso_timespec *ts);
	int (*getcpu)(u32 *cpu, u32 *node, void *unused);
	/* Added to the host's clocks: what a clone of a snapshot sees. */
	nsec_t monotonic_offset;
	nsec_t realtime_offset;
	u32 ncpus; /* of the instance: the host may have more */
	/* fast_entry (cpu/entry.h), for what has to become a system call. */
	const void *enter;
};

/* Set the host's functions; NULL: none. */
void vdso_init(int (*clock_gettime)(int, struct vdso_timespec *),
	       int (*getcpu)(u32 *, u32 *, void *), u32 ncpus);
/* For AT_SYSINFO_EHDR. */
u64 vdso_base(void);
u64 vdso_size(void);

#endif
