/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the firmware's tables are on this machine.
 */
#include "kernel/plat/pc/firmware.h"
#include "kernel/plat/pc/pc.h"

#define BIOS_START 0xe0000UL
#define BIOS_END 0x100000UL
#define EBDA_SEGMENT 0x40eUL /* of the extended BIOS data area, by 16 */
#define EBDA_SIZE KIB(1)
#define LOW_END 0xa0000UL /* of low memory; MP tables are just below */

struct firmware firmware;

/* The first 4 GiB are always mapped. */
static const void *look(u64 address, u64 len)
{
	u64 end;

	if (!address || ckd_add(&end, address, len) || end > GIB(4))
		return NULL;
	return physical(address);
}

static u64 search(const char *signature, u32 len, u32 n)
{
	u64 ebda = (u64) * (const u16 *)physical(EBDA_SEGMENT) << 4;
	u64 found = 0;

	if (ebda >= KIB(4) && ebda <= LOW_END - EBDA_SIZE)
		found = firmware_search(look, ebda, ebda + EBDA_SIZE, signature,
					len, n);
	if (!found)
		found = firmware_search(look, LOW_END - KIB(4), LOW_END,
					signature, len, n);
	if (!found)
		found = firmware_search(look, BIOS_START, BIOS_END, signature,
					len, n);
	return found;
}

void firmware_find(u64 rsdp)
{
	if (!rsdp)
		rsdp = search("RSD PTR ", 8, 20);
	if (!(rsdp && acpi_read(look, rsdp, &firmware)))
		mptable_read(look, search("_MP_", 4, 16), &firmware);
	if (firmware.nbroken)
		klog("ACPI: %u broken tables are not used, %s among them",
		     firmware.nbroken, firmware.broken);
}
