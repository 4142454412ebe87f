/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The volumes of a kernel that loses power. The name of the instance's host
 * says when: `jiffy run --hostname cut-SEED-N` ends at the Nth write or flush
 * of a volume, all volumes at once, with what a power cut would have left in
 * their files. Any other name: never.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "tests/unit/powercut.h"

#define MAX_CUTS 16
#define UNFLUSHED_MAX MIB(64) /* a disk's own memory, as it were */
#define STATUS (133 << 8)     /* tools/run-powercut looks for it */

static struct powercut *cuts[MAX_CUTS];
static u32 ncuts;
static u64 nops; /* of all, atomic */
static u64 seed, cut_at, fail_at;

/* "cut-SEED-N" or "eio-SEED-N" */
static void read_name(void)
{
	const char *name = kernel.hostname;
	bool is_cut = strncmp(name, "cut-", 4) == 0;
	const char *end;

	if (!is_cut && strncmp(name, "eio-", 4) != 0)
		return;
	name += 4;
	end = strchr(name, '-');
	if (!end || str_to_u64(name, (size_t)(end - name), 10, &seed) ||
	    str_to_u64(end + 1, strlen(end + 1), 10,
		       is_cut ? &cut_at : &fail_at))
		kpanic("hostname %s: not cut-SEED-N", kernel.hostname);
}

static void copy(void *dst, u64 src, u64 n)
{
	if (user_range_ok(src, n))
		kassert(user_copy_in(dst, src, n) == 0);
	else
		memcpy(dst, (const void *)src, n);
}

static void on_op(struct powercut *p)
{
	(void)p;
	if (atomic_fetch_add(&nops, 1) + 1 != cut_at)
		return;
	for (u32 i = 0; i < ncuts; i++)
		powercut_cut(cuts[i]);
	plat_power_off(STATUS);
}

struct block_device *block_wrapped(struct block_device *d)
{
	struct powercut *p;

	if (ncuts == 0)
		read_name();
	if ((!cut_at && !fail_at) || d->is_readonly || ncuts == MAX_CUTS)
		return d;
	p = kzalloc(sizeof(*p));
	if (!p)
		kpanic("no memory for a device that loses power");
	powercut_init(p, d, seed + ncuts);
	p->device.number = d->number;
	memcpy(p->device.name, d->name, sizeof(d->name));
	p->copy = copy;
	p->on_op = on_op;
	p->max_bytes = UNFLUSHED_MAX;
	p->fail_at = ncuts == 0 ? fail_at : 0;
	p->fail_with = -EIO;
	cuts[ncuts++] = p;
	return &p->device;
}
