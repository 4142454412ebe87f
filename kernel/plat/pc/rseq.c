/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restartable sequences, as Linux's kernel/rseq.c has them for programs: the
 * CPU's number in the area, and who is interrupted in a sequence goes on at its
 * abort address.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/plat/pc/pc.h"

struct rseq { /* Linux's uapi/linux/rseq.h */
	u32 cpu_id_start, cpu_id;
	u64 sequence;
	u32 flags, node_id, mm_cid;
};
struct rseq_sequence {
	u32 version, flags;
	u64 start, len, abort;
};
#define CPU_ID_NONE (~0u)

static int store_cpu(uaddr_t area, u32 start, u32 id)
{
	int err = user_store_u32(area + offsetof(struct rseq, cpu_id_start),
				 start);

	return err ? err
		   : user_store_u32(area + offsetof(struct rseq, cpu_id), id);
}

/* The CPU that it is on: load() of sched.c looks what it was told last. */
static int tell_cpu(struct plat_slot *s)
{
	int err;

	do {
		atomic_store(&s->rseq_cpu, plat_cpu());
		err = store_cpu(s->rseq, s->rseq_cpu, s->rseq_cpu);
	} while (!err && plat_cpu() != atomic_load(&s->rseq_cpu));
	return err;
}

int plat_rseq(uaddr_t area, UNUSED u32 len, bool is_register, u32 sig)
{
	struct plat_slot *s = slot_now();

	if (!is_register) {
		s->rseq = 0;
		return store_cpu(area, 0, CPU_ID_NONE);
	}
	s->rseq = area;
	s->rseq_sig = sig;
	return tell_cpu(s);
}

/* Where to go on; 0: as it was. */
static int find_abort(const struct plat_slot *s, u64 rip, u64 *to)
{
	uaddr_t at = s->rseq + offsetof(struct rseq, sequence);
	struct rseq_sequence q;
	uaddr_t sequence;
	u32 sig;

	*to = 0;
	if (user_load_u64(&sequence, at))
		return -EFAULT;
	if (!sequence)
		return 0;
	if (user_get(&q, sequence) || user_store_u64(at, 0))
		return -EFAULT;
	if (rip - q.start >= q.len)
		return 0;
	if (q.version || q.abort - q.start < q.len || q.abort >= USER_END ||
	    user_load_u32(&sig, q.abort - sizeof(sig)) || sig != s->rseq_sig)
		return -EINVAL;
	*to = q.abort;
	return 0;
}

void rseq_interrupted(struct frame *f)
{
	struct plat_slot *s = slot_now();
	struct plat_fault fault = { .kind = PLAT_FAULT_SEGV_GENERAL };
	u64 to;

	if (likely(!s->rseq))
		return;
	if (tell_cpu(s) || find_abort(s, f->rip, &to)) {
		s->rseq = 0;
		on_fault(f, &fault);
		return;
	}
	if (to)
		f->rip = to;
}

void rseq_moved(void)
{
	struct plat_slot *s = slot_now();
	struct plat_fault fault = { .kind = PLAT_FAULT_SEGV_GENERAL };

	if (!s->rseq || tell_cpu(s) == 0)
		return;
	s->rseq = 0;
	on_fault(slot_frame(s), &fault);
}
