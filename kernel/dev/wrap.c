/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing stands between the kernel and its block devices. The kernel that
 * loses power (make powercut) has tests/powercut/device.c instead.
 */
#include "kernel/dev/block.h"

struct block_device *block_wrapped(struct block_device *d)
{
	return d;
}
