/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restartable sequences. Only the machine knows when a thread is moved or
 * interrupted, so the program's area is registered with it; the kernel takes
 * it back before the memory goes or another thread runs in its place.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/proc_int.h"

#define RSEQ_SIZE 32
#define RSEQ_ALIGN 32
#define RSEQ_CPU_ID 4

int rseq_register(uaddr_t area, u32 len, u32 sig)
{
	struct thread *t = current();
	u32 cpu;
	int err;

	if (t->rseq) {
		if (t->rseq != area || len != RSEQ_SIZE)
			return -EINVAL;
		return t->rseq_sig == sig ? -EBUSY : -EPERM;
	}
	if (len != RSEQ_SIZE || !IS_ALIGNED(area, RSEQ_ALIGN))
		return -EINVAL;
	/* The machine would end a thread that names no memory. */
	if (area >= USER_END || user_load_u32(&cpu, area + RSEQ_CPU_ID) ||
	    user_store_u32(area + RSEQ_CPU_ID, cpu))
		return -EFAULT;
	err = plat_rseq(area, len, true, sig);
	if (err)
		return err;
	t->rseq = area;
	t->rseq_sig = sig;
	return 0;
}

int rseq_unregister(uaddr_t area, u32 len, u32 sig)
{
	struct thread *t = current();
	int err;

	if (!t->rseq || t->rseq != area || len != RSEQ_SIZE)
		return -EINVAL;
	if (t->rseq_sig != sig)
		return -EPERM;
	err = plat_rseq(area, len, false, sig);
	if (!err)
		t->rseq = 0;
	return err;
}

void rseq_drop(struct thread *t)
{
	if (!t->rseq)
		return;
	(void)plat_rseq(t->rseq, RSEQ_SIZE, false, t->rseq_sig);
	t->rseq = 0;
}

void rseq_drop_range(uaddr_t addr, u64 len)
{
	struct thread *t = current();

	if (t->rseq && t->rseq + RSEQ_SIZE > addr &&
	    (t->rseq < addr || t->rseq - addr < len))
		rseq_drop(t);
}

void rseq_suspend(struct thread *t)
{
	if (t->rseq)
		(void)plat_rseq(t->rseq, RSEQ_SIZE, false, t->rseq_sig);
}

void rseq_resume(struct thread *t)
{
	if (t->rseq && plat_rseq(t->rseq, RSEQ_SIZE, true, t->rseq_sig))
		t->rseq = 0;
}
