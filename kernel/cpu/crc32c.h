/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C by the CPU's own instruction (SSE 4.2, which x86-64-v2 has).
 */
#ifndef JIFFY_KERNEL_CPU_CRC32C_H
#define JIFFY_KERNEL_CPU_CRC32C_H

#include "lib/compiler.h"

/* Go on with a sum over n bytes: not inverted before or after. */
static inline u32 crc32c(u32 crc, const u8 *p, u64 n)
{
	u64 wide;

	for (; n && (u64)p % 8; n--)
		__asm__("crc32b %1, %0" : "+r"(crc) : "rm"(*p++));
	for (wide = crc; n >= 8; p += 8, n -= 8)
		__asm__("crc32q %1, %0" : "+r"(wide) : "rm"(*(const u64 *)p));
	crc = (u32)wide;
	for (; n; n--)
		__asm__("crc32b %1, %0" : "+r"(crc) : "rm"(*p++));
	return crc;
}

#endif
