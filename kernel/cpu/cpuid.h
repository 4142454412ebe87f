/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CPUID instruction (the compiler's macros), for feature lists.
 */
#ifndef JIFFY_KERNEL_CPU_CPUID_H
#define JIFFY_KERNEL_CPU_CPUID_H

#include <cpuid.h>

#endif
