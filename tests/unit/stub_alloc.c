/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel heap of unit tests that are not about it: the C library's, so that
 * the sanitizers see every object.
 */
#include <stdlib.h>

#include "kernel/mm/heap.h"

void *kmalloc(size_t size)
{
	return malloc(size);
}

void *kzalloc(size_t size)
{
	return calloc(1, size);
}

void kfree(void *p)
{
	free(p);
}
