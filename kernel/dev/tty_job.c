/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Job control: controlling terminals of sessions, foreground groups, and the
 * signals that background processes get. The session lock protects
 * session->tty, tty->session and tty->fg_pgid of all terminals.
 */
#include "kernel/dev/tty.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/file.h"

static struct mutex session_lock;

static bool is_session_leader(const struct process *p)
{
	return p->session && p->session->sid == p->pid;
}

static int send_group(s32 pgid, int sig)
{
	struct linux_siginfo info;

	if (pgid <= 0)
		return -ESRCH;
	siginfo_kernel(&info, sig);
	return signal_send_group(pgid, sig, &info);
}

int tty_signal_foreground(struct tty *t, int sig)
{
	s32 pgid;

	mutex_lock(&session_lock);
	pgid = t->fg_pgid;
	mutex_unlock(&session_lock);
	return send_group(pgid, sig);
}

int tty_set_controlling(struct process *p, struct tty *t, bool steal)
{
	struct session *s = p->session;
	int err = -EPERM;

	mutex_lock(&session_lock);
	if (s && is_session_leader(p) && s->tty == t) {
		err = 0;
	} else if (s && is_session_leader(p) && !s->tty) {
		if (t->session && steal) {
			t->session->tty = NULL;
			t->session = NULL;
			tty_put(t); /* the caller's file holds another */
		}
		if (!t->session) {
			tty_get(t);
			s->tty = t;
			t->session = s;
			t->fg_pgid = p->pgid;
			err = 0;
		}
	}
	mutex_unlock(&session_lock);
	return err;
}

void tty_forget_session(struct tty *t, s32 *fg_pgid, s32 *leader)
{
	bool had_session = false;

	mutex_lock(&session_lock);
	*fg_pgid = t->fg_pgid;
	*leader = 0;
	if (t->session) {
		*leader = t->session->sid;
		t->session->tty = NULL;
		t->session = NULL;
		had_session = true;
	}
	t->fg_pgid = 0;
	mutex_unlock(&session_lock);
	if (had_session)
		tty_put(t);
}

void tty_session_exit(struct process *leader)
{
	struct tty *t;
	s32 fg_pgid = 0;

	if (!is_session_leader(leader))
		return;
	mutex_lock(&session_lock);
	t = leader->session->tty;
	if (t) {
		fg_pgid = t->fg_pgid;
		t->session = NULL;
		t->fg_pgid = 0;
		leader->session->tty = NULL;
	}
	mutex_unlock(&session_lock);
	if (!t)
		return;
	if (fg_pgid > 0) {
		send_group(fg_pgid, LINUX_SIGHUP);
		send_group(fg_pgid, LINUX_SIGCONT);
	}
	tty_put(t);
}

int tty_open_controlling(struct file *f)
{
	struct session *s = process_current()->session;
	struct tty *t = NULL;
	int err;

	mutex_lock(&session_lock);
	if (s && s->tty) {
		t = s->tty;
		tty_get(t);
	}
	mutex_unlock(&session_lock);
	if (!t)
		return -ENXIO;
	err = tty_open(t, f);
	tty_put(t);
	return err;
}

void tty_of_process(struct process *p, u32 *rdev, s32 *fg_pgid)
{
	struct session *s;

	*rdev = 0;
	*fg_pgid = -1;
	process_tree_lock(); /* keeps the session */
	s = p->session;
	mutex_lock(&session_lock);
	if (s && s->tty) {
		*rdev = s->tty->rdev;
		*fg_pgid = s->tty->fg_pgid;
	}
	mutex_unlock(&session_lock);
	process_tree_unlock();
}

/* --- Background processes
 * ------------------------------------------------------- */

static bool is_ignored_or_blocked(int sig)
{
	struct process *p = process_current();
	bool ignored;

	if (current()->sig_blocked & SIG_BIT(sig))
		return true;
	mutex_lock(&p->sig_lock);
	ignored = p->sighand->action[sig - 1].handler == LINUX_SIG_IGN;
	mutex_unlock(&p->sig_lock);
	return ignored;
}

int tty_check_background(struct tty *t, int sig)
{
	struct process *p = process_current();
	bool is_background, is_orphaned;

	mutex_lock(&session_lock);
	is_background = t->session && t->session == p->session &&
			t->fg_pgid > 0 && t->fg_pgid != p->pgid;
	mutex_unlock(&session_lock);
	if (likely(!is_background))
		return 0;
	if (is_ignored_or_blocked(sig))
		return sig == LINUX_SIGTTIN ? -EIO : 0;
	process_tree_lock();
	is_orphaned = process_group_is_orphaned(p->pgid, NULL);
	process_tree_unlock();
	if (is_orphaned)
		return -EIO;
	send_group(p->pgid, sig);
	return -ERESTARTSYS;
}

/* --- ioctls
 * ----------------------------------------------------------------------- */

/* Is there a process of group pgid in the current session? */
static int check_group(s32 pgid)
{
	int err = 0;

	process_tree_lock();
	if (!process_group_exists(pgid, process_current()->session))
		err = process_group_exists(pgid, NULL) ? -EPERM : -ESRCH;
	process_tree_unlock();
	return err;
}

static long set_foreground(struct tty *t, uaddr_t arg)
{
	s32 pgid;
	int err;

	err = tty_check_background(t, LINUX_SIGTTOU);
	if (err)
		return err;
	if (user_get(&pgid, arg))
		return -EFAULT;
	if (pgid < 0)
		return -EINVAL;
	mutex_lock(&session_lock);
	err = t->session && t->session == process_current()->session ? 0
								     : -ENOTTY;
	mutex_unlock(&session_lock);
	if (!err)
		err = check_group(pgid);
	if (err)
		return err;
	mutex_lock(&session_lock);
	if (t->session == process_current()->session)
		t->fg_pgid = pgid;
	mutex_unlock(&session_lock);
	return 0;
}

static long get_foreground(struct tty *t, uaddr_t arg, u32 cmd, bool is_master)
{
	u32 value = 0;
	int err = -ENOTTY;

	mutex_lock(&session_lock);
	if (t->session &&
	    (is_master || t->session == process_current()->session)) {
		value = (u32)(cmd == TIOCGSID ? t->session->sid : t->fg_pgid);
		err = 0;
	} else if (is_master && cmd == TIOCGPGRP) {
		err = 0;
	}
	mutex_unlock(&session_lock);
	return err ? err : user_store_u32(arg, value);
}

static long give_up_controlling(struct tty *t)
{
	struct process *p = process_current();
	bool is_mine;

	mutex_lock(&session_lock);
	is_mine = p->session && p->session->tty == t;
	mutex_unlock(&session_lock);
	if (!is_mine)
		return -ENOTTY;
	if (!is_session_leader(p)) /* terminals belong to sessions here */
		return syscall_unsupported("TIOCNOTTY of a member", 0, ENOTTY);
	tty_session_exit(p);
	return 0;
}

long tty_ioctl_job(struct tty *t, struct file *f, u32 cmd, uaddr_t arg,
		   bool is_master)
{
	switch (cmd) {
	case TIOCSCTTY:
		if (is_master || !f->can_read)
			return -EPERM;
		return tty_set_controlling(process_current(), t,
					   arg == 1 &&
						   cred_capable(CAP_SYS_ADMIN));
	case TIOCNOTTY:
		return give_up_controlling(t);
	case TIOCSPGRP:
		return set_foreground(t, arg);
	case TIOCGPGRP:
	case TIOCGSID:
		return get_foreground(t, arg, cmd, is_master);
	default:
		return -ENOIOCTLCMD;
	}
}
