/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz ext4 with images of any size: the bytes are what
 * tests/suites/ext4-images/pack makes of e2fsprogs' broken images (its result
 * is the corpus), mounted, read, written and unmounted.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"
#include "kernel/vfs/vfs.h"
#include "tests/unit/ext4_walk.h"
#include "tests/unit/stub_proc.h"

#define UNITS_MAX 16384U /* of 4 KiB: 64 MiB */
#define SECTOR 512U
#define FILES_MAX 120U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static u32 take(const uint8_t *data)
{
	u32 n;

	memcpy(&n, data, sizeof(n));
	return n;
}

static void unpack(struct stub_disk *d, const uint8_t *data, size_t size)
{
	while (size > 4) {
		u64 at = (u64)take(data) * SECTOR;
		size_t n = MIN(size - 4, (size_t)SECTOR);

		if (at < d->size)
			memcpy(d->data + at, data + 4, n);
		data += 4 + n;
		size -= 4 + n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_started;
	struct stub_disk disk;

	if (!is_started && vfs_init())
		abort();
	if (!is_started)
		stub_proc_start();
	is_started = true;
	if (size < 8 || take(data) == 0)
		return 0;
	stub_disk_init(&disk, MIN(take(data), UNITS_MAX) * 4096UL);
	unpack(&disk, data + 4, size - 4);
	(void)ext4_walk(&disk.device, take(data) & 1 ? "ro" : NULL, FILES_MAX);
	stub_disk_fini(&disk);
	return 0;
}
