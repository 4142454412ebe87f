/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User copies of tests that give no bad addresses: of the test's own memory.
 */
#include <string.h>

#include "kernel/cpu/usercopy.h"

int user_copy_in(void *dst, uaddr_t src, size_t n)
{
	memcpy(dst, (const void *)src, n);
	return 0;
}

int user_copy_out(uaddr_t dst, const void *src, size_t n)
{
	memcpy((void *)dst, src, n);
	return 0;
}
