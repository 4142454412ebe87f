/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that stand for a process: readable once it has ended.
 */
#include "kernel/proc/pidfd.h"

#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/file.h"

static u32 pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct process *p = f->data;

	poll_wait(pt, &p->exit_wait);
	return atomic_load(&p->is_zombie) ? EV_IN | EV_RDNORM : 0;
}

static void pidfd_release(struct file *f)
{
	process_put(f->data);
}

static void pidfd_show_fdinfo(struct file *f, struct fmt_buf *out)
{
	struct process *p = f->data;
	s32 pid = atomic_load(&p->is_reaped) ? -1 : p->pid;

	fmt_buf_add(out, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

static const struct file_ops pidfd_fops = {
	.name = "pidfd",
	.poll = pidfd_poll,
	.release = pidfd_release,
	.show_fdinfo = pidfd_show_fdinfo,
};

int pidfd_new(struct process *p, u32 flags, struct file **f)
{
	int err = file_new_anon("anon_inode:[pidfd]", 0600, &pidfd_fops, p,
				O_RDWR | flags, f);

	if (!err)
		process_get(p);
	return err;
}

struct process *pidfd_process(struct file *f)
{
	if (f->ops != &pidfd_fops)
		return NULL;
	process_get(f->data);
	return f->data;
}
