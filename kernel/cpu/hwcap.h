/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What AT_HWCAP tells programs: the feature word of CPUID leaf 1.
 */
#ifndef JIFFY_KERNEL_CPU_HWCAP_H
#define JIFFY_KERNEL_CPU_HWCAP_H

#include "lib/compiler.h"

static inline u32 cpu_hwcap(void)
{
	u32 eax = 1, ebx, ecx = 0, edx;

	__asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return edx;
}

#endif
