/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ancillary data of AF_UNIX: reading it from the program (on the sender's
 * thread), owning the files while they are queued, giving it to the receiver.
 */
#include "kernel/net/scm.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/mm/heap.h"
#include "kernel/net/scm_int.h"
#include "kernel/net/sock.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/file.h"

#define RLIMIT_NOFILE_NR 7

struct scm_state scm_state = {
	.socks = LIST_INIT(scm_state.socks),
	.work = LIST_INIT(scm_state.work),
	.gc_at = 1024,
	.dead = LIST_INIT(scm_state.dead),
};

void scm_current_cred(struct linux_ucred *cred)
{
	const struct cred *c = cred_current();

	cred->pid = process_current()->pid;
	cred->uid = c->euid;
	cred->gid = c->egid;
}

/* Append n descriptors of the program to scm->files. */
static int take_rights(struct scm *scm, uaddr_t data, u64 n)
{
	struct scm_files *f;
	u32 old = scm->files ? scm->files->n : 0;

	if (n == 0)
		return 0;
	if (n > SCM_MAX_FD || old + n > SCM_MAX_FD)
		return -EINVAL;
	f = krealloc(scm->files,
		     sizeof(*f) + (old + n) * sizeof(struct file *));
	if (!f)
		return -ENOMEM;
	if (old == 0)
		f->n = 0;
	list_init(&f->node);
	f->uid = cred_current()->uid;
	scm->files = f;
	for (u64 i = 0; i < n; i++) {
		struct fdref r;
		u32 fd;

		if (user_load_u32(&fd, data + i * 4))
			return -EFAULT;
		r = fd_get_any((int)fd);
		if (!r.file)
			return -EBADF;
		file_get(r.file);
		f->file[f->n++] = r.file;
		fd_put(r);
	}
	return 0;
}

/* A sender may lie about itself only with the right to. */
static int take_cred(struct scm *scm, uaddr_t data)
{
	const struct cred *c = cred_current();
	struct linux_ucred u;

	if (user_get(&u, data))
		return -EFAULT;
	if ((u.pid != process_current()->pid && !cred_capable(CAP_SYS_ADMIN)) ||
	    (u.uid != c->uid && u.uid != c->euid && u.uid != c->suid &&
	     !cred_capable(CAP_SETUID)) ||
	    (u.gid != c->gid && u.gid != c->egid && u.gid != c->sgid &&
	     !cred_capable(CAP_SETGID)))
		return -EPERM;
	scm->cred = u;
	scm->has_cred = true;
	return 0;
}

static int scm_parse(struct scm *scm, uaddr_t control, u64 len)
{
	struct linux_cmsghdr h;

	while (len >= sizeof(h)) {
		int err = 0;

		if (user_get(&h, control))
			return -EFAULT;
		if (h.len < sizeof(h) || h.len > len)
			return -EINVAL;
		if (h.level == SOL_SOCKET && h.type == SCM_RIGHTS)
			err = take_rights(scm, control + sizeof(h),
					  (h.len - sizeof(h)) / 4);
		else if (h.level == SOL_SOCKET && h.type == SCM_CREDENTIALS)
			err = h.len == sizeof(h) + sizeof(struct linux_ucred)
				      ? take_cred(scm, control + sizeof(h))
				      : -EINVAL;
		else if (h.level == SOL_SOCKET)
			err = syscall_unsupported("cmsg SOL_SOCKET",
						  (u64)h.type, EINVAL);
		if (err)
			return err;
		if (CMSG_ROUND(h.len) >= len)
			break;
		control += CMSG_ROUND(h.len);
		len -= CMSG_ROUND(h.len);
	}
	return 0;
}

int scm_send(struct scm *scm, uaddr_t control, u64 len)
{
	int err = scm_parse(scm, control, len);

	if (err && scm->files) {
		scm_free(scm->files);
		scm->files = NULL;
	}
	return err;
}

struct sock *scm_unix_sock(struct file *f)
{
	struct sock *sk = sock_from_file(f);

	return sk && sk->domain == AF_UNIX ? sk : NULL;
}

int scm_begin_flight(struct scm_files *f)
{
	u64 limit = rlimit_current(RLIMIT_NOFILE_NR);
	int err = 0;

	if (atomic_load(&scm_state.nfiles) >= atomic_load(&scm_state.gc_at))
		scm_gc();
	mutex_lock(&scm_state.lock);
	if (scm_state.nfiles + f->n > limit && !cred_capable(CAP_SYS_ADMIN) &&
	    !cred_capable(CAP_SYS_RESOURCE)) {
		err = -ETOOMANYREFS;
	} else {
		scm_state.nfiles += f->n;
		for (u32 i = 0; i < f->n; i++)
			scm_count(f->file[i], true);
	}
	mutex_unlock(&scm_state.lock);
	return err;
}

void scm_end_flight(struct scm_files *f)
{
	mutex_lock(&scm_state.lock);
	scm_state.nfiles -= f->n;
	for (u32 i = 0; i < f->n; i++)
		scm_count(f->file[i], false);
	mutex_unlock(&scm_state.lock);
}

struct scm_files *scm_dup(const struct scm_files *f)
{
	size_t size = sizeof(*f) + f->n * sizeof(f->file[0]);
	struct scm_files *copy = kmalloc(size);

	if (!copy)
		return NULL;
	memcpy(copy, f, size);
	list_init(&copy->node);
	for (u32 i = 0; i < f->n; i++)
		file_get(copy->file[i]);
	return copy;
}

void scm_peek_barrier(void)
{
	mutex_lock(&scm_state.lock);
	mutex_unlock(&scm_state.lock);
}

void scm_free(struct scm_files *f)
{
	for (u32 i = 0; i < f->n; i++)
		file_put(f->file[i]);
	kfree(f);
}

/* Under dead_lock, which is dropped meanwhile: all there is to bury. */
static void bury_all(void)
{
	struct scm_files *f;
	struct list found;

	scm_state.is_burying = true;
	for (;;) {
		while (!list_empty(&scm_state.dead)) {
			f = list_first(&scm_state.dead, struct scm_files, node);
			list_del(&f->node);
			mutex_unlock(&scm_state.dead_lock);
			scm_end_flight(f);
			scm_free(f);
			mutex_lock(&scm_state.dead_lock);
		}
		if (!scm_state.gc_wanted)
			break;
		scm_state.gc_wanted = false;
		mutex_unlock(&scm_state.dead_lock);
		list_init(&found);
		scm_collect(&found);
		mutex_lock(&scm_state.dead_lock);
		list_splice(&scm_state.dead, &found);
	}
	scm_state.is_burying = false;
}

void scm_bury(struct list *dead)
{
	if (list_empty(dead))
		return;
	mutex_lock(&scm_state.dead_lock);
	list_splice(&scm_state.dead, dead);
	if (!scm_state.is_burying)
		bury_all();
	mutex_unlock(&scm_state.dead_lock);
}

void scm_gc(void)
{
	if (atomic_load(&scm_state.nsocks) == 0)
		return;
	mutex_lock(&scm_state.dead_lock);
	scm_state.gc_wanted = true;
	if (!scm_state.is_burying)
		bury_all();
	mutex_unlock(&scm_state.dead_lock);
}
