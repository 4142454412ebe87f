// SPDX-License-Identifier: Apache-2.0
/* Scheduling policies and their parameters. Whatever changes how this program
 * is scheduled happens in children. Affinity and nice values have thread.c. */
#include "tap.h"

#include <linux/sched.h>
#include <linux/sched/types.h>

struct param {
	int priority;
};

static int setscheduler(pid_t pid, int policy, int priority)
{
	struct param p = { priority };

	return (int)syscall(SYS_sched_setscheduler, pid, policy, &p);
}

static int setparam(pid_t pid, int priority)
{
	struct param p = { priority };

	return (int)syscall(SYS_sched_setparam, pid, &p);
}

static int getparam(pid_t pid)
{
	struct param p = { -1 };

	return syscall(SYS_sched_getparam, pid, &p) < 0 ? -1 : p.priority;
}

static int getscheduler(pid_t pid)
{
	return (int)syscall(SYS_sched_getscheduler, pid);
}

static void check_read(void)
{
	static const int policies[] = {
		SCHED_NORMAL, SCHED_FIFO, SCHED_RR,
		SCHED_BATCH,  SCHED_IDLE, SCHED_DEADLINE
	};
	static const int max[] = { 0, 99, 99, 0, 0, 0 };
	static const int min[] = { 0, 1, 1, 0, 0, 0 };
	struct timespec ts = { -1, -1 };

	tap_group("reading");
	for (unsigned i = 0; i < ARRAY_SIZE(policies); i++) {
		is_int(syscall(SYS_sched_get_priority_max, policies[i]), max[i],
		       "the highest priority of a policy");
		is_int(syscall(SYS_sched_get_priority_min, policies[i]), min[i],
		       "the lowest priority of a policy");
	}
	is_errno(syscall(SYS_sched_get_priority_max, 99), EINVAL,
		 "no such policy: highest");
	is_errno(syscall(SYS_sched_get_priority_min, -1), EINVAL,
		 "no such policy: lowest");
	is_int(getscheduler(0), SCHED_NORMAL, "the policy");
	is_int(getscheduler(getpid()), SCHED_NORMAL, "by number");
	is_int(getparam(0), 0, "the priority");
	is_int(syscall(SYS_sched_rr_get_interval, 0, &ts), 0,
	       "sched_rr_get_interval");
	ok(ts.tv_sec == 0 && ts.tv_nsec >= 0, "less than a second");
	is_errno(getscheduler(-1), EINVAL, "policy of -1");
	is_errno(getscheduler(0x7fffffff), ESRCH, "policy of no one");
	is_errno(getparam(-1), EINVAL, "priority of -1");
	is_errno(getparam(0x7fffffff), ESRCH, "priority of no one");
	is_errno(syscall(SYS_sched_getparam, 0, NULL), EINVAL, "to nowhere");
	is_errno(syscall(SYS_sched_rr_get_interval, -1, &ts), EINVAL,
		 "interval of -1");
	is_errno(syscall(SYS_sched_rr_get_interval, 0x7fffffff, &ts), ESRCH,
		 "interval of no one");
	is_efault(syscall(SYS_sched_getparam, 0, bp),
		  "getparam to bad addresses");
	is_efault(syscall(SYS_sched_rr_get_interval, 0, bp),
		  "interval to bad addresses");
}

static int realtime(void)
{
	struct timespec ts = { -1, -1 };

	must(setscheduler(0, SCHED_RR, 7) == 0);
	must(getscheduler(0) == SCHED_RR && getparam(0) == 7);
	must(syscall(SYS_sched_rr_get_interval, 0, &ts) == 0);
	must(ts.tv_sec == 0 && ts.tv_nsec > 0);
	must(setparam(0, 8) == 0 && getparam(0) == 8);
	must(setparam(0, 100) < 0 && errno == EINVAL);
	must(setparam(0, 0) < 0 && errno == EINVAL);
	must(setscheduler(0, SCHED_FIFO, 1) == 0);
	must(getscheduler(0) == SCHED_FIFO);
	must(syscall(SYS_sched_rr_get_interval, 0, &ts) == 0);
	must(ts.tv_sec == 0 && ts.tv_nsec == 0);
	must(setscheduler(0, SCHED_NORMAL, 0) == 0);
	must(getparam(0) == 0);
	return 0;
}

static int fair(void)
{
	must(setscheduler(0, SCHED_BATCH, 0) == 0);
	must(getscheduler(0) == SCHED_BATCH);
	must(setscheduler(0, SCHED_IDLE, 0) == 0);
	must(getscheduler(0) == SCHED_IDLE);
	must(setscheduler(0, SCHED_IDLE, 1) < 0 && errno == EINVAL);
	return 0;
}

static int inherits(void)
{
	return getscheduler(0);
}

/* A child has its parent's policy, unless the parent asked otherwise. */
static int forked(void)
{
	must(setscheduler(0, SCHED_BATCH, 0) == 0);
	must(tap_child(inherits) == SCHED_BATCH);
	must(setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, 3) == 0);
	must(getscheduler(0) == (SCHED_RR | SCHED_RESET_ON_FORK));
	must(tap_child(inherits) == SCHED_NORMAL);
	return 0;
}

static int denied(void)
{
	struct rlimit none = { 0, 0 };

	must(setrlimit(RLIMIT_RTPRIO, &none) == 0);
	must(setscheduler(0, SCHED_FIFO, 1) < 0 && errno == EPERM);
	must(setscheduler(0, SCHED_RR, 99) < 0 && errno == EPERM);
	must(setscheduler(getppid(), SCHED_BATCH, 0) < 0 && errno == EPERM);
	must(setparam(getppid(), 0) < 0 && errno == EPERM);
	must(getscheduler(getppid()) == SCHED_NORMAL);
	return 0;
}

static void check_set(void)
{
	struct param p = { 0 };

	tap_group("setting");
	is_int(tap_child(realtime), 0, "real-time policies");
	is_int(tap_child(fair), 0, "other policies");
	is_int(tap_child(forked), 0, "policies and fork");
	is_int(tap_user_child(denied), 0, "what others may not");
	is_int(tap_user_child(fair), 0, "what everyone may");
	is_errno(setscheduler(0, 99, 0), EINVAL, "no such policy");
	is_errno(setscheduler(0, -1, 0), EINVAL, "policy -1");
	is_errno(setscheduler(0, SCHED_NORMAL, 1), EINVAL, "a priority");
	is_errno(setscheduler(0, SCHED_RR, 0), EINVAL, "no priority");
	is_errno(setscheduler(0, SCHED_RR, 100), EINVAL, "too high");
	is_errno(setscheduler(0, SCHED_RR, -5), EINVAL, "priority -5");
	is_errno(setscheduler(-1, SCHED_NORMAL, 0), EINVAL, "of -1");
	is_errno(setscheduler(0x7fffffff, SCHED_NORMAL, 0), ESRCH, "of no one");
	is_errno(setparam(-1, 0), EINVAL, "priority of -1");
	is_errno(setparam(0x7fffffff, 0), ESRCH, "priority of no one");
	is_errno(syscall(SYS_sched_setscheduler, 0, 0, NULL), EINVAL, "NULL");
	is_errno(syscall(SYS_sched_setparam, 0, NULL), EINVAL, "NULL, too");
	is_efault(syscall(SYS_sched_setscheduler, 0, 0, bp),
		  "setscheduler from bad addresses");
	is_efault(syscall(SYS_sched_setparam, 0, bp),
		  "setparam from bad addresses");
	is_int(syscall(SYS_sched_setparam, 0, &p), 0, "the same again");
}

static int setattr(pid_t pid, struct sched_attr *a, unsigned flags)
{
	return (int)syscall(SYS_sched_setattr, pid, a, flags);
}

static int getattr(pid_t pid, struct sched_attr *a, unsigned size,
		   unsigned flags)
{
	return (int)syscall(SYS_sched_getattr, pid, a, size, flags);
}

static int with_attr(void)
{
	struct sched_attr a, b;

	memset(&a, 0, sizeof(a));
	a.size = 48;
	a.sched_policy = SCHED_BATCH;
	a.sched_nice = 5;
	must(setattr(0, &a, 0) == 0);
	must(getattr(0, &b, 48, 0) == 0);
	must(b.size == 48 && b.sched_policy == SCHED_BATCH);
	must(b.sched_nice == 5 && b.sched_priority == 0);
	must(syscall(SYS_getpriority, PRIO_PROCESS, 0) == 15);
	a.size = 0; /* the first version */
	a.sched_nice = 6;
	must(setattr(0, &a, 0) == 0);
	a.sched_policy = SCHED_FIFO;
	a.sched_priority = 4;
	a.sched_flags = SCHED_FLAG_RESET_ON_FORK;
	must(setattr(0, &a, 0) == 0);
	must(getattr(0, &b, 48, 0) == 0);
	must(b.sched_policy == SCHED_FIFO && b.sched_priority == 4);
	must(b.sched_flags & SCHED_FLAG_RESET_ON_FORK);
	return 0;
}

static void check_attr(void)
{
	union {
		struct sched_attr a;
		char bytes[256];
	} u;
	struct sched_attr *a = &u.a;

	tap_group("sched_setattr and sched_getattr");
	is_int(tap_child(with_attr), 0, "set and read back");
	memset(&u, 0, sizeof(u));
	is_int(getattr(0, a, 48, 0), 0, "48 bytes");
	is_int(a->size, 48, "are filled");
	is_int(getattr(0, a, 256, 0), 0, "256 bytes");
	ok(a->size >= 48 && a->size <= 256, "as many as the kernel has");
	is_errno(getattr(0, a, 47, 0), EINVAL, "too few bytes");
	is_errno(getattr(0, a, 5000, 0), EINVAL, "more than a page");
	is_errno(getattr(0, a, 48, 1), EINVAL, "a flag");
	is_errno(getattr(-1, a, 48, 0), EINVAL, "of -1");
	is_errno(getattr(0x7fffffff, a, 48, 0), ESRCH, "of no one");
	is_errno(getattr(0, NULL, 48, 0), EINVAL, "to nowhere");
	is_efault(syscall(SYS_sched_getattr, 0, bp, 48, 0), "bad addresses");
	memset(&u, 0, sizeof(u));
	a->size = 48;
	is_errno(setattr(0, a, 1), EINVAL, "set: a flag");
	is_errno(setattr(-1, a, 0), EINVAL, "set: of -1");
	is_errno(setattr(0x7fffffff, a, 0), ESRCH, "set: of no one");
	is_errno(setattr(0, NULL, 0), EINVAL, "set: from nowhere");
	is_efault(syscall(SYS_sched_setattr, 0, bp, 0), "set: bad addresses");
	a->size = 20;
	is_errno(setattr(0, a, 0), E2BIG, "set: too small");
	ok(a->size >= 48, "and says how much");
	a->size = 256;
	is_int(setattr(0, a, 0), 0, "set: larger, all 0");
	u.bytes[250] = 1;
	a->size = 256;
	is_errno(setattr(0, a, 0), E2BIG, "set: larger, not all 0");
	a->size = 48;
	a->sched_flags = 1ULL << 40;
	is_errno(setattr(0, a, 0), EINVAL, "set: an unknown flag");
	a->sched_flags = 0;
	a->sched_policy = 99;
	is_errno(setattr(0, a, 0), EINVAL, "set: no such policy");
	a->sched_policy = SCHED_NORMAL;
	a->sched_priority = 1;
	is_errno(setattr(0, a, 0), EINVAL, "set: a priority");
}

static long ioprio_get(int which, int who)
{
	return syscall(SYS_ioprio_get, which, who);
}

static long ioprio_set(int which, int who, long ioprio)
{
	return syscall(SYS_ioprio_set, which, who, ioprio);
}

static int ioprio_child(void)
{
	must(setpgid(0, 0) == 0);
	must(ioprio_set(1, 0, 2 << 13 | 3) == 0);
	must(ioprio_get(1, 0) == (2 << 13 | 3));
	if (tap_fork() == 0)
		_exit(ioprio_get(1, 0) != (2 << 13 | 3));
	must(tap_wait(-1) == 0);
	must(ioprio_get(1, getpid()) == (2 << 13 | 3));
	must(ioprio_set(2, 0, 3 << 13) == 0);
	must(ioprio_get(2, getpid()) == 3 << 13);
	must(ioprio_set(1, 0, 0) == 0);
	must(ioprio_get(1, 0) == 0);
	must(ioprio_get(2, 0) == (2 << 13 | 4)); /* what nice makes of it */
	return 0;
}

static void check_ioprio(void)
{
	tap_group("I/O priorities");
	is_int(tap_child(ioprio_child), 0, "are kept and inherited");
	is_errno(ioprio_set(1, 0, 5), EINVAL, "no class, but a level");
	is_errno(ioprio_set(1, 0, 4 << 13), EINVAL, "a class of 4");
	is_errno(ioprio_set(1, 0x7fffffff, 2 << 13), ESRCH, "of no one");
	is_errno(ioprio_set(0, 0, 2 << 13), EINVAL, "who is 0");
	is_errno(ioprio_get(4, 0), EINVAL, "who is 4");
	is_errno(ioprio_get(1, -1), ESRCH, "of -1");
	is_errno(ioprio_get(2, 0x7fffffff), ESRCH, "of no group");
}

int main(void)
{
	tap_start();
	check_read();
	check_set();
	check_attr();
	check_ioprio();
	return tap_done();
}
