/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vDSO that programs see: an ELF image of our own (cpu/vdso/), linked into
 * the kernel's text at a fixed address, which calls the host's clock functions
 * through the data below. On a platform without them it makes system calls.
 */
#ifndef JIFFY_KERNEL_CPU_VDSO_H
#define JIFFY_KERNEL_CPU_VDSO_H

#include "lib/compiler.h"

enum {
	CLOCK_REALTIME_ID = 0,
	CLOCK_MONOTONIC_ID = 1,
	CLOCK_MONOTONIC_RAW_ID = 4,
	CLOCK_REALTIME_COARSE_ID = 5,
	CLOCK_MONOTONIC_COARSE_ID = 6,
	CLOCK_BOOTTIME_ID = 7,
	CLOCK_TAI_ID = 11,
};

/* The clocks that the vDSO knows, as bits. */
#define VDSO_CLOCKS_REAL                                            \
	(1u << CLOCK_REALTIME_ID | 1u << CLOCK_REALTIME_COARSE_ID | \
	 1u << CLOCK_TAI_ID)
#define VDSO_CLOCKS_MONOTONIC                                      \
	(1u << CLOCK_MONOTONIC_ID | 1u << CLOCK_MONOTONIC_RAW_ID | \
	 1u << CLOCK_MONOTONIC_COARSE_ID | 1u << CLOCK_BOOTTIME_ID)

/* First bytes of the kernel's data; kernel.lds keeps it there. */
#define VDSO_DATA_ADDRESS 0x7d0000800000UL

struct vdso_timespec {
	s64 sec;
	s64 nsec;
};

struct vdso_timeval {
	s64 sec;
	s64 usec;
};

/* The host's functions; NULL: it has none. On success all of rax is 0. */
struct vdso_host {
	s64 (*clock_gettime)(int clock, struct vdso_timespec *ts);
	s64 (*gettimeofday)(struct vdso_timeval *tv, void *tz);
	int (*getcpu)(u32 *cpu, u32 *node, void *unused);
};

struct vdso_data {
	struct vdso_host host;
	/* A bit for each clock that is the host's as it is: not those that an
	 * offset is set for. */
	u32 direct;
	u32 ncpus; /* of the instance: the host may have more */
	/* Added to the host's clocks in an instance that slept. */
	nsec_t monotonic_offset;
	nsec_t boottime_offset;
	/* fast_entry (cpu/entry.h), for what has to become a system call. */
	const void *enter;
};

void vdso_init(const struct vdso_host *host, u32 ncpus);
/* Monotonic clocks are the host's plus these; real time is always right. */
void vdso_set_offsets(nsec_t monotonic, nsec_t boottime);
/* For AT_SYSINFO_EHDR. */
u64 vdso_base(void);
u64 vdso_size(void);

#endif
