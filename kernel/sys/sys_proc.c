/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identity of processes: ids, groups, sessions; and their end.
 */
#include "kernel/kernel.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"

SYSCALL0(getpid)
{
	return process_current()->pid;
}

SYSCALL0(gettid)
{
	return current()->tid;
}

SYSCALL0(getppid)
{
	/* A process object outlives its children: no lock for one word. */
	return atomic_load(&process_current()->parent)->pid;
}

SYSCALL0(getpgrp)
{
	return process_current()->pgid;
}

SYSCALL1(set_tid_address, uaddr_t, addr)
{
	current()->clear_child_tid = addr;
	return current()->tid;
}

/* pid 0 is the caller. NULL: no such process. */
static struct process *find_or_self(s32 pid)
{
	if (pid != 0)
		return process_find(pid);
	process_get(process_current());
	return process_current();
}

SYSCALL1(getpgid, s32, pid)
{
	struct process *p = find_or_self(pid);
	long pgid;

	if (!p)
		return -ESRCH;
	pgid = p->pgid;
	process_put(p);
	return pgid;
}

SYSCALL1(getsid, s32, pid)
{
	struct process *p = find_or_self(pid);
	long sid;

	if (!p)
		return -ESRCH;
	sid = p->sid;
	process_put(p);
	return sid;
}

/* Tree lock held. */
static long check_setpgid(struct process *p, s32 pgid)
{
	struct process *self = process_current();

	if (p->parent == self) {
		if (p->sid != self->sid)
			return -EPERM;
		if (p->did_exec)
			return -EACCES;
	} else if (p != self) {
		return -ESRCH;
	}
	if (p->pid == p->sid)
		return -EPERM;
	if (pgid != p->pid && !process_group_exists(pgid, self->session))
		return -EPERM;
	return 0;
}

SYSCALL2(setpgid, s32, pid, s32, pgid)
{
	struct process *p;
	long err;

	if (pgid == 0)
		pgid = pid;
	if (pgid < 0)
		return -EINVAL;
	p = find_or_self(pid);
	if (!p)
		return -ESRCH;
	process_tree_lock();
	if (pgid == 0)
		pgid = p->pid;
	err = check_setpgid(p, pgid);
	if (!err)
		atomic_store(&p->pgid, pgid);
	process_tree_unlock();
	process_put(p);
	return err;
}

SYSCALL0(setsid)
{
	struct process *p = process_current();
	struct session *s = session_new(p->pid);
	struct session *old;

	if (!s)
		return -ENOMEM;
	process_tree_lock();
	if (p->pid == p->sid || process_group_exists(p->pid, NULL)) {
		process_tree_unlock();
		session_put(s);
		return -EPERM;
	}
	old = p->session;
	p->session = s;
	atomic_store(&p->sid, p->pid);
	atomic_store(&p->pgid, p->pid);
	process_tree_unlock();
	session_put(old);
	return p->pid;
}

SYSCALL1(exit, int, code)
{
	thread_exit((code & 0xff) << 8);
}

SYSCALL1(exit_group, int, code)
{
	process_exit((code & 0xff) << 8);
}
