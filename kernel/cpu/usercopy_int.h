/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The assembly below usercopy.c and fpu.c (usercopy_asm.S). No checks:
 * addresses must be the program's or the kernel's own valid ones.
 */
#ifndef JIFFY_KERNEL_CPU_USERCOPY_INT_H
#define JIFFY_KERNEL_CPU_USERCOPY_INT_H

#include "lib/compiler.h"

size_t usercopy_raw(void *dst, const void *src, size_t n);
size_t usercopy_zero_raw(void *dst, size_t n);
s64 usercopy_string_raw(char *dst, const void *src, size_t max);
s64 usercopy_strlen_raw(const void *src, size_t max);
int usercopy_load32_raw(u32 *value, uaddr_t src);
int usercopy_load64_raw(u64 *value, uaddr_t src);
int usercopy_store32_raw(uaddr_t dst, u32 value);
int usercopy_store64_raw(uaddr_t dst, u64 value);
int usercopy_cmpxchg32_raw(uaddr_t dst, u32 expected, u32 desired, u32 *old);

int fpu_xsave_raw(uaddr_t buf, u64 mask);
int fpu_xrstor_raw(uaddr_t buf, u64 mask);
int fpu_fxrstor_raw(uaddr_t buf);

#endif
