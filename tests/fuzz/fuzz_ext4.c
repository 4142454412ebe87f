/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz ext4: the bytes are patches (offset and value) to an image of mke2fs
 * without checksums, which is then mounted, read, written and unmounted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"
#include "kernel/vfs/vfs.h"
#include "tests/unit/ext4_walk.h"
#include "tests/unit/stub_proc.h"

#define SIZE (4U << 20)
#define FILES_MAX 120U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char make[] =
	"set -e; d=$(mktemp -d); cd $d; mkdir -p root/sub root/many;"
	"printf hello >root/a; ln -s a root/link; seq 1 3000 >root/sub/n; i=0;"
	"while [ $i -lt 60 ]; do : >root/many/a_long_name_of_a_file_$i;"
	"i=$((i+1)); done; mke2fs -q -t ext4 -b 1024 -O ^metadata_csum "
	"-J size=1 -N 128 -d root img 4M >/dev/null 2>&1; cat img; rm -rf $d";
static u8 image[SIZE];
static u32 used[SIZE], nused; /* bytes that are not zero: metadata, mostly */
static struct stub_disk disk;

static void start(void)
{
	FILE *f = popen(make, "r");

	if (!f || fread(image, 1, SIZE, f) != SIZE || pclose(f)) {
		fprintf(stderr, "mke2fs failed\n");
		abort();
	}
	for (u32 at = 0; at < SIZE; at++)
		if (image[at])
			used[nused++] = at;
	stub_disk_init(&disk, SIZE);
	if (vfs_init())
		abort();
	stub_proc_start();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!disk.data)
		start();
	memcpy(disk.data, image, SIZE);
	for (; size >= 4; size -= 4, data += 4) {
		u32 at = data[0] | (u32)data[1] << 8 | (u32)data[2] << 16;

		if (data[2] & 0x80)
			at = at % SIZE;
		else
			at = used[at % nused] + (data[2] >> 5 & 3);
		disk.data[at % SIZE] = data[3];
	}
	(void)ext4_walk(&disk.device, NULL, FILES_MAX);
	return 0;
}
