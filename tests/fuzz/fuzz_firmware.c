/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware's tables out of arbitrary bytes, which stand for all physical
 * memory. Sums are made right, as they would keep everything else out.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/plat/pc/firmware.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *memory;
static size_t memory_size;

static void check(int ok)
{
	if (!ok)
		abort();
}

static const void *at(u64 address, u64 len)
{
	if (address > memory_size || len > memory_size - address)
		return NULL;
	return memory + address;
}

static void mend_sum(size_t start, size_t len, size_t where)
{
	uint8_t sum = 0;

	if (start > memory_size || len > memory_size - start || where >= len)
		return;
	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + memory[start + i]);
	memory[start + where] = (uint8_t)(memory[start + where] - sum);
}

/* Whatever looks like a table. */
static void mend(void)
{
	for (size_t i = 0; i + 44 <= memory_size; i++) {
		uint8_t *p = memory + i;

		if (!memcmp(p, "RSD PTR ", 8)) {
			mend_sum(i, 20, 8);
			mend_sum(i, 36, 32);
		} else if (!memcmp(p, "_MP_", 4)) {
			mend_sum(i, 16, 10);
		} else if (!memcmp(p, "PCMP", 4)) {
			mend_sum(i, le16_at(p + 4), 7);
		} else if (p[0] >= 'A' && p[0] <= 'X' && p[3] >= 'A' &&
			   p[3] <= 'T') {
			mend_sum(i, le32_at(p + 4), 9);
		}
	}
}

static void check_firmware(const struct firmware *fw)
{
	check(fw->ncpus <= FIRMWARE_CPUS && fw->nioapics <= FIRMWARE_IOAPICS);
	check(fw->noverrides <= FIRMWARE_OVERRIDES);
	check(fw->nvirtio <= FIRMWARE_VIRTIO && fw->off_type <= 7);
	check(!fw->ecam || fw->first_bus <= fw->last_bus);
	for (u32 i = 0; i < fw->nvirtio; i++)
		check(fw->virtio[i].address && fw->virtio[i].size);
	check(!fw->sleep.address || fw->sleep.width);
	check(!fw->nbroken || strlen(fw->broken) == 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct firmware fw;

	memory = malloc(size ? size : 1); /* exact: reads past it are seen */
	memory_size = size;
	memcpy(memory, data, size);
	mend();
	memset(&fw, 0, sizeof(fw));
	if (acpi_read(at, 0, &fw))
		check_firmware(&fw);
	memset(&fw, 0, sizeof(fw));
	if (mptable_read(at, firmware_search(at, 0, size, "_MP_", 4, 16), &fw))
		check_firmware(&fw);
	free(memory);
	return 0;
}
