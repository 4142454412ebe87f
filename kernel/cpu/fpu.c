/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/cpu/fpu.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/cpu/usercopy_int.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"

#define FX_SIZE 512u
#define XSAVE_HEADER 64u
#define FX_MXCSR 24u
#define FX_SW_BYTES 464u
#define MAGIC1 0x46505853u
#define MAGIC2 0x46505845u
#define FEATURE_PKRU (1UL << 9)
/* AMX tiles need a permission of their own; programs do not get it. */
#define FEATURES_AMX (3UL << 17)

struct fpu_sw_bytes { /* Linux's struct _fpx_sw_bytes */
	u32 magic1;
	u32 extended_size;
	u64 features;
	u32 xstate_size;
	u32 pad[7];
};
_Static_assert(sizeof(struct fpu_sw_bytes) == 48, "Linux ABI");

static struct {
	u64 features; /* XCR0 bits in use */
	u32 xsave_size;
	u8 reset[FX_SIZE + XSAVE_HEADER] ALIGNED(64);
} fpu;

static void cpuid(u32 leaf, u32 sub, u32 *a, u32 *b, u32 *c, u32 *d)
{
	__asm__ volatile("cpuid"
			 : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d)
			 : "a"(leaf), "c"(sub));
}

static u64 xcr0(void)
{
	u32 low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (u64)high << 32 | low;
}

void fpu_init(void)
{
	u32 a, b, c, d;
	u32 mxcsr = 0x1f80;

	fpu.features = xcr0() & ~FEATURES_AMX;
	fpu.xsave_size = FX_SIZE + XSAVE_HEADER;
	for (u32 i = 2; i < 63; i++) {
		if (!(fpu.features >> i & 1))
			continue;
		cpuid(0xd, i, &a, &b, &c, &d);
		fpu.xsave_size = MAX(fpu.xsave_size, a + b);
	}
	memcpy(fpu.reset + FX_MXCSR, &mxcsr, sizeof(mxcsr));
}

u32 fpu_size(void)
{
	return fpu.xsave_size + (u32)sizeof(u32);
}

int fpu_save_user(uaddr_t buf, u32 size)
{
	struct fpu_sw_bytes sw = {
		.magic1 = MAGIC1,
		.extended_size = fpu_size(),
		.features = fpu.features,
		.xstate_size = fpu.xsave_size,
	};
	int err;

	if (size < fpu_size() || !IS_ALIGNED(buf, 64))
		return -EFAULT;
	/* XSAVE leaves the rest of its header as it is. */
	err = user_zero(buf, fpu.xsave_size);
	if (!err)
		err = fpu_xsave_raw(buf, fpu.features);
	if (!err)
		err = user_copy_out(buf + FX_SW_BYTES, &sw, sizeof(sw));
	if (!err)
		err = user_store_u32(buf + fpu.xsave_size, MAGIC2);
	return err;
}

/* True if the frame has all of our XSAVE area. */
static bool is_extended(uaddr_t buf, u32 size)
{
	struct fpu_sw_bytes sw;
	u32 magic2;

	if (size < fpu_size())
		return false;
	if (user_get(&sw, buf + FX_SW_BYTES) || sw.magic1 != MAGIC1 ||
	    sw.xstate_size != fpu.xsave_size)
		return false;
	return !user_load_u32(&magic2, buf + fpu.xsave_size) &&
	       magic2 == MAGIC2;
}

int fpu_restore_user(uaddr_t buf, u32 size)
{
	if (!buf) {
		fpu_reset();
		return 0;
	}
	if (!IS_ALIGNED(buf, 64) || size < FX_SIZE || !user_range_ok(buf, size))
		return -EFAULT;
	if (is_extended(buf, size))
		return fpu_xrstor_raw(buf, fpu.features);
	fpu_reset();
	return fpu_fxrstor_raw(buf);
}

void fpu_reset(void)
{
	/* Protection keys are not the program's to lose by exec. */
	fpu_xrstor_raw((u64)fpu.reset, fpu.features & ~FEATURE_PKRU);
}

void *fpu_save_kernel(void)
{
	u8 *area = kmalloc(fpu.xsave_size + 64);
	u64 at = ROUND_UP((u64)area, 64);

	if (!area)
		return NULL;
	memset((void *)(at + FX_SIZE), 0, XSAVE_HEADER);
	fpu_xsave_raw(at, fpu.features);
	return area;
}

void fpu_save_area(void *area)
{
	memset((u8 *)area + FX_SIZE, 0, XSAVE_HEADER);
	fpu_xsave_raw((u64)area, fpu.features);
}

void fpu_restore_area(void *area)
{
	fpu_xrstor_raw((u64)area, fpu.features);
}

u32 fpu_dump_size(void)
{
	return fpu.xsave_size;
}

void fpu_dump(void *buf)
{
	u8 *area = kzalloc(fpu.xsave_size + 64);
	u64 at = ROUND_UP((u64)area, 64);

	memset(buf, 0, fpu.xsave_size);
	if (!area)
		return;
	fpu_xsave_raw(at, fpu.features);
	memcpy((u8 *)at + FX_SW_BYTES, &fpu.features, sizeof(fpu.features));
	memcpy(buf, (void *)at, fpu.xsave_size);
	kfree(area);
}

void fpu_restore_kernel(void *area)
{
	if (!area)
		return;
	fpu_xrstor_raw(ROUND_UP((u64)area, 64), fpu.features);
	kfree(area);
}
