/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The string helpers that libc does not have: bounded copy, hash, number
 * parsing. Shared by the kernel and host programs.
 */
#include "lib/errno.h"
#include "lib/ckd.h"
#include "lib/string.h"

size_t str_copy(char *dst, size_t size, const char *src)
{
	size_t len = strlen(src);
	size_t n = MIN(len, size - 1);

	memcpy(dst, src, n);
	dst[n] = '\0';
	return len;
}

u32 str_hash(const char *s, size_t n)
{
	u64 h = 0xcbf29ce484222325UL;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (u8)s[i]) * 0x100000001b3UL;
	return (u32)(h ^ (h >> 32));
}

static unsigned int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (unsigned int)(c - 'A' + 10);
	return 99;
}

int str_to_u64(const char *s, size_t n, unsigned int base, u64 *value)
{
	u64 v = 0;
	bool too_big = false;

	if (n == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		unsigned int digit = digit_value(s[i]);

		if (digit >= base)
			return -EINVAL;
		if (ckd_mul(&v, v, (u64)base) || ckd_add(&v, v, (u64)digit))
			too_big = true;
	}
	if (too_big)
		return -ERANGE;
	*value = v;
	return 0;
}
