/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/cpu/vdso.h"

#include "kernel/cpu/entry.h"
#include "kernel/kernel.h"

extern const char vdso_image[], vdso_image_end[];

/* In a section of its own at the start of the data. */
static struct vdso_data vdso_data SECTION(".vdsodata") ALIGNED(4096) = { 0 };

void vdso_init(int (*clock_gettime)(int, struct vdso_timespec *),
	       int (*getcpu)(u32 *, u32 *, void *), u32 ncpus)
{
	kassert((u64)&vdso_data == VDSO_DATA_ADDRESS);
	vdso_data.clock_gettime = clock_gettime;
	vdso_data.getcpu = getcpu;
	vdso_data.ncpus = ncpus;
	vdso_data.enter = fast_entry;
}

u64 vdso_base(void)
{
	return (u64)vdso_image;
}

u64 vdso_size(void)
{
	return (u64)(vdso_image_end - vdso_image);
}
