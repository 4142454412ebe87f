// SPDX-License-Identifier: Apache-2.0
/* Built with -no-pie: runs at its link address, under 2 GiB, with absolute
 * data addresses and a heap behind it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int data = 42;
static char zeroes[100000];

int main(int argc, char **argv)
{
	char *heap = malloc(100000);
	uintptr_t low = (uintptr_t)&data | (uintptr_t)zeroes | (uintptr_t)main;

	if (!heap || argc < 1 || !argv[0] || data != 42 || zeroes[99999])
		return 1;
	memset(heap, 1, 100000);
	if (low >> 31)
		return 2;
	free(heap);
	return puts("hello from a fixed address") < 0;
}
