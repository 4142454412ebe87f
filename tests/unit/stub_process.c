/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process with one thread for tests of mm and ipc, and the calls of other
 * parts of the kernel that matter there.
 */
#include <errno.h>

#include "kernel/cpu/patch.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/resource.h"
#include "kernel/mm/mm.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "tests/unit/stub_process.h"

struct stub_process stub_process;
struct process_hooks process_hooks;

void stub_process_start(void)
{
	for (int i = 0; i < RLIM_NLIMITS; i++)
		stub_process.limits[i] = LINUX_RLIM_INFINITY;
	stub_process.is_capable = true;
	stub_process.process.pid = 42;
	stub_process.process.mm = mm_new();
	stub_process.thread.proc = &stub_process.process;
	stub_process.thread.cred = &stub_process.cred;
	list_init(&stub_process.thread.remote_work);
	unit_current = &stub_process.thread;
}

void inode_touch(struct inode *i, u32 which)
{
	(void)which;
	i->mtime.sec++;
}

u64 rlimit_current(unsigned int which)
{
	return stub_process.limits[which];
}

const struct cred *cred_current(void)
{
	return &stub_process.cred;
}

bool cred_capable(int cap)
{
	(void)cap;
	return stub_process.is_capable;
}

bool cred_in_group(const struct cred *c, u32 gid)
{
	return c->egid == gid;
}

void file_get(struct file *f)
{
	ref_get(&f->ref);
}

void file_put(struct file *f)
{
	ref_put(&f->ref);
}

long syscall_unsupported(const char *what, u64 value, int err);
long syscall_unsupported(const char *what, u64 value, int err)
{
	(void)what;
	(void)value;
	return -err;
}

struct process *process_next(s32 after)
{
	(void)after;
	return NULL;
}

struct thread *process_next_thread(struct process *p, s32 after)
{
	(void)p;
	(void)after;
	return NULL;
}

void process_put(struct process *p)
{
	(void)p;
}

void thread_put(struct thread *t)
{
	(void)t;
}

void thread_set_work(struct thread *t, u32 bits)
{
	(void)t;
	(void)bits;
}

void thread_unpark(struct thread *t)
{
	(void)t;
}

int thread_sleep(nsec_t deadline, bool interruptible)
{
	(void)deadline;
	(void)interruptible;
	return stub_process.on_sleep ? stub_process.on_sleep() : -EINTR;
}

int patch_fork(struct mm *parent, struct mm *child)
{
	(void)parent;
	(void)child;
	return 0;
}

void patch_reset(struct mm *mm)
{
	(void)mm;
}

void thread_get(struct thread *t);
void thread_get(struct thread *t)
{
	(void)t;
}

int user_load_u64(u64 *value, uaddr_t src)
{
	return user_copy_in(value, src, sizeof(*value));
}

int user_store_u64(uaddr_t dst, u64 value)
{
	return user_copy_out(dst, &value, sizeof(value));
}
