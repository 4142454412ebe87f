/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C by the processor's instruction (SSE 4.2, which the kernel needs,
 * too).
 */
#ifndef JIFFY_HOST_CRC32C_H
#define JIFFY_HOST_CRC32C_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Go on with a sum: 0 for the first bytes. */
static inline uint32_t crc32c(uint32_t crc, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t wide = ~crc;
	uint32_t tail;

	for (; n >= 8; p += 8, n -= 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		__asm__("crc32q %1, %0" : "+r"(wide) : "rm"(word));
	}
	tail = (uint32_t)wide;
	for (; n; n--)
		__asm__("crc32b %1, %0" : "+r"(tail) : "rm"(*p++));
	return ~tail;
}

#endif
