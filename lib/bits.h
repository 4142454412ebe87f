/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bit counting without a compiler library and without assuming POPCNT.
 */
#ifndef JIFFY_LIB_BITS_H
#define JIFFY_LIB_BITS_H

#include "lib/compiler.h"

/* How many bits of x are set. */
static inline u32 bits_count(u64 x)
{
	x -= (x >> 1) & 0x5555555555555555UL;
	x = (x & 0x3333333333333333UL) + ((x >> 2) & 0x3333333333333333UL);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fUL;
	return (u32)((x * 0x0101010101010101UL) >> 56);
}

#endif
