/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals: the part that is the same for the console and the slave side of
 * pseudo-terminals. A tty holds the line discipline, a ring of output on its
 * way to the line, and which session and foreground group it controls.
 *
 * Locks, in order: the session lock (tty.c), tty->lock. Signals are sent and
 * drivers called with neither held where that can block.
 */
#ifndef JIFFY_KERNEL_DEV_TTY_H
#define JIFFY_KERNEL_DEV_TTY_H

#include "kernel/dev/ldisc.h"
#include "kernel/proc/waitq.h"
#include "lib/atomic.h"

struct file;
struct process;
struct session;
struct tty;

#define TTY_OUT_SIZE 8192U /* of the output ring, a power of two */

struct tty_ops {
	const char *name; /* "console", "pts" */
	/* Output was put into the ring (no lock held): move it on to the line.
	 * may_block is false for echo. */
	void (*drain)(struct tty *t, bool may_block);
	/* Input was read or flushed: the line may send more. Or NULL. */
	void (*unthrottle)(struct tty *t);
	/* The last open file of this side is gone. Or NULL. */
	void (*closed)(struct tty *t);
	/* The last reference is gone. Or NULL. */
	void (*free)(struct tty *t);
};

struct tty {
	struct ref ref; /* one per open file, one per session, one of driver */
	const struct tty_ops *ops;
	u32 rdev;
	u32 index; /* of a pts */
	u32 major;

	struct mutex lock; /* everything below, except session */
	struct ldisc ldisc;
	struct linux_winsize winsize;
	u8 out[TTY_OUT_SIZE];
	u32 out_head, out_tail; /* run freely */
	u32 nopen;		/* open files of this side */
	bool is_hungup;		/* reads give end of file, writes EIO */
	bool is_exclusive;	/* TIOCEXCL */
	bool is_packet;	   /* the master of a pty wants packets (TIOCPKT) */
	u32 packet_events; /* PACKET_* that it has not read */
	u32 signals;	   /* SIG_BIT()s to send to the group once unlocked */
	bool has_echo; /* echo was put into the ring, drain after unlocking */
	struct waitq read_wait;	 /* input, or hangup */
	struct waitq write_wait; /* room in the ring, or hangup */

	struct session *session; /* under the session lock, as is fg_pgid */
	s32 fg_pgid;
	void *data; /* of the driver */
};

enum { /* first byte of a packet: TIOCPKT_* */
       PACKET_FLUSHREAD = 1,
       PACKET_FLUSHWRITE = 2,
       PACKET_STOP = 4,
       PACKET_START = 8,
       PACKET_NOSTOP = 16,
       PACKET_DOSTOP = 32,
};

void tty_init(struct tty *t, const struct tty_ops *ops, u32 rdev);
void tty_get(struct tty *t);
void tty_put(struct tty *t);

/* Finish an open(): f becomes a file of t (a reference is taken). A session
 * leader without a terminal gets t as controlling one unless O_NOCTTY. */
int tty_open(struct tty *t, struct file *f);
/* Open of /dev/tty: the controlling terminal, or -ENXIO. */
int tty_open_controlling(struct file *f);

/* Bytes from the line: how many were taken. Sends signals and echo. */
size_t tty_input(struct tty *t, const u8 *bytes, size_t n);
/* The line is gone: wake everybody, SIGHUP and SIGCONT to the session. */
void tty_hangup(struct tty *t);
void tty_set_winsize(struct tty *t, const struct linux_winsize *ws);
/* Take up to n bytes off the output ring for the line. */
size_t tty_output_take(struct tty *t, u8 *dst, size_t n);
bool tty_has_output(struct tty *t);
/* A signal to the foreground group; -ESRCH if there is none. */
int tty_signal_foreground(struct tty *t, int sig);

/* ioctls of the line shared by both ends of a pty (termios, winsize, pgrp):
 * -ENOIOCTLCMD (515) when cmd is none of them. */
#define ENOIOCTLCMD 515
long tty_ioctl_common(struct tty *t, struct file *f, u32 cmd, uaddr_t arg);
/* The job-control part (tty_job.c); same result. */
long tty_ioctl_job(struct tty *t, struct file *f, u32 cmd, uaddr_t arg,
		   bool is_master);
/* May the current process use t now? sig is SIGTTIN for reads, SIGTTOU for
 * changes. 0, -EIO, or -ERESTARTSYS after the signal was sent. */
int tty_check_background(struct tty *t, int sig);
/* Make t the controlling terminal of p's session if p is its leader and neither
 * has one (steal: take it from another session). 0 or -EPERM. */
int tty_set_controlling(struct process *p, struct tty *t, bool steal);
/* Forget the session; *sid_pgid gets the foreground group it had. */
void tty_forget_session(struct tty *t, s32 *fg_pgid, s32 *leader);

/* Device number and foreground group of p's controlling terminal for
 * /proc/PID/stat: 0 and -1 if it has none. */
void tty_of_process(struct process *p, u32 *rdev, s32 *fg_pgid);

/* A session leader exits (or setsid() leaves the session's terminal): SIGHUP
 * and SIGCONT to the foreground group, the terminal is free. For
 * process_hooks.session_leader_exit: called without the tree lock. */
void tty_session_exit(struct process *leader);

#endif
