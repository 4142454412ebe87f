/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the file layer needs of processes: the current one, its limits and
 * credentials, sleeping (which a signal always interrupts here).
 */
#include "tests/unit/stub_proc.h"

#include <errno.h>
#include <string.h>

#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/vfs/vfs.h"

struct stub_proc stub_proc;

void stub_proc_start(void)
{
	struct stub_proc *s = &stub_proc;

	memset(s, 0, sizeof(*s));
	s->process.pid = 1;
	s->process.nthreads = 1;
	for (int i = 0; i < RLIM_NLIMITS; i++)
		s->process.rlimits[i].cur = ~0UL;
	s->process.rlimits[7].cur = 1024;
	s->thread.proc = &s->process;
	s->thread.cred = &s->cred;
	unit_current = &s->thread;
	stub_proc_user(0);
	s->process.files = fdtable_new();
	s->process.fs = fs_context_new();
}

void stub_proc_stop(void)
{
	fdtable_put(stub_proc.process.files);
	fs_context_put(stub_proc.process.fs);
	unit_current = NULL;
}

void stub_proc_user(u32 id)
{
	struct cred *c = &stub_proc.cred;

	c->uid = c->euid = c->suid = c->fsuid = id;
	c->gid = c->egid = c->sgid = c->fsgid = id;
	c->cap_effective = id ? 0 : ~0UL;
	c->cap_permitted = c->cap_effective;
}

long stub_call(syscall_fn *fn, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	struct frame frame = {
		.rdi = a, .rsi = b, .rdx = c, .r10 = d, .r8 = e, .r9 = f
	};

	return fn(&frame);
}

/* --- What is called from below ------------------------------------------- */

long syscall_unsupported(const char *what, u64 value, int err)
{
	(void)what;
	(void)value;
	stub_proc.nunsupported++;
	return -err;
}

s64 user_string_in(char *dst, uaddr_t src, size_t size)
{
	size_t n = user_copy_in_some(dst, src, size);
	char *end = memchr(dst, '\0', n);

	if (end)
		return end - dst;
	return n < size ? -EFAULT : -ENAMETOOLONG;
}

int user_load_u64(u64 *value, uaddr_t src)
{
	return user_copy_in(value, src, sizeof(*value));
}

int user_store_u64(uaddr_t dst, u64 value)
{
	return user_copy_out(dst, &value, sizeof(value));
}

int user_store_u32(uaddr_t dst, u32 value)
{
	return user_copy_out(dst, &value, sizeof(value));
}

u64 rlimit_current(unsigned int which)
{
	return stub_proc.process.rlimits[which].cur;
}

void siginfo_kernel(struct linux_siginfo *info, int sig)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
}

int signal_send_thread(struct thread *t, int sig,
		       const struct linux_siginfo *info)
{
	(void)t;
	(void)info;
	stub_proc.nsignals++;
	stub_proc.signal = sig;
	return 0;
}

void waitq_init(struct waitq *q)
{
	list_init(&q->waiters);
}

void waiter_init(struct waiter *w)
{
	memset(w, 0, sizeof(*w));
	list_init(&w->node);
}

void waitq_add(struct waitq *q, struct waiter *w)
{
	list_append(&q->waiters, &w->node);
}

void waitq_remove(struct waiter *w)
{
	list_del(&w->node);
}

void waitq_wake_slow(struct waitq *q, u32 events, u32 n)
{
	(void)q;
	(void)events;
	(void)n;
}

int thread_sleep(nsec_t deadline, bool interruptible)
{
	(void)deadline;
	(void)interruptible;
	return stub_proc.is_sleeping_ok ? 0 : -EINTR;
}

struct mm *mm_current(void)
{
	static struct mm mm;

	return &mm;
}

void mm_object_shrunk(struct object *o, u64 new_size)
{
	(void)o;
	(void)new_size;
}
