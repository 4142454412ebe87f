/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/cpu/vdso.h"

#include "kernel/cpu/entry.h"
#include "kernel/kernel.h"

extern const char vdso_image[], vdso_image_end[];

/* In a section of its own at the start of the data. */
static struct vdso_data vdso_data SECTION(".vdsodata") ALIGNED(4096) = { 0 };

void vdso_init(const struct vdso_host *host, u32 ncpus)
{
	kassert((u64)&vdso_data == VDSO_DATA_ADDRESS);
	vdso_data.host = *host;
	if (host->clock_gettime)
		vdso_data.direct = VDSO_CLOCKS_REAL | VDSO_CLOCKS_MONOTONIC;
	vdso_data.ncpus = ncpus;
	vdso_data.enter = fast_entry;
}

void vdso_set_offsets(nsec_t monotonic, nsec_t boottime)
{
	vdso_data.monotonic_offset = monotonic;
	vdso_data.boottime_offset = boottime;
	if (monotonic || boottime)
		vdso_data.direct &= ~VDSO_CLOCKS_MONOTONIC;
}

u64 vdso_base(void)
{
	return (u64)vdso_image;
}

u64 vdso_size(void)
{
	return (u64)(vdso_image_end - vdso_image);
}
