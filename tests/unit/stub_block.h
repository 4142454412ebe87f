/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block devices of unit tests, and what filesystems on them need of the rest of
 * the kernel: memory, kernel threads (host threads), waiting.
 */
#ifndef JIFFY_TESTS_UNIT_STUB_BLOCK_H
#define JIFFY_TESTS_UNIT_STUB_BLOCK_H

#include "kernel/dev/block.h"

/* A device in memory, zeroed, or one that is a file of the host (read whole at
 * first, written back by stub_disk_save()). */
struct stub_disk {
	struct block_device device;
	u8 *data;
	u64 size;
};

void stub_disk_init(struct stub_disk *d, u64 size);
void stub_disk_load(struct stub_disk *d, const char *path);
void stub_disk_save(const struct stub_disk *d, const char *path);
void stub_disk_fini(struct stub_disk *d);

#endif
