/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Falling asleep by policy is nobody's hurry, and others wake meanwhile: it is
 * done by a few at a time, those who find no place staying awake for a while,
 * and with processor time that nobody else wants. The latter not for long, as
 * the instance stands still: a thread of ours ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "monitor/instance.h"

#define LOCK_FILE "suspend.lock" /* in the store: a byte per place */
#define MS 1000000ULL
#define LATEST_NS (10000 * MS) /* so long it is put off, then place or not */
#define RETRY_MIN_MS 20
#define RETRY_MAX_MS 160
#define LOW_NS (100 * MS) /* so long it stands back */
#define STACK_SIZE (64u << 10)

static struct {
	pthread_t thread;
	pid_t tid;	  /* of the main thread */
	uint32_t is_over; /* a futex: the thread is to end */
	bool has_thread;
} turn;

/* Who may not go back must not begin. */
static bool may_be_low(void)
{
	static const struct sched_param zero;

	/* The calls: musl's do nothing. */
	return syscall(SYS_sched_getscheduler, 0) == SCHED_OTHER &&
	       syscall(SYS_sched_setscheduler, 0, SCHED_IDLE, &zero) == 0 &&
	       syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &zero) == 0;
}

static void *watch(void *arg)
{
	static const struct sched_param zero;
	const struct timespec time = { .tv_nsec = (long)LOW_NS };

	(void)arg;
	if (!may_be_low())
		return NULL;
	syscall(SYS_sched_setscheduler, turn.tid, SCHED_IDLE, &zero);
	if (!__atomic_load_n(&turn.is_over, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &turn.is_over, FUTEX_WAIT_PRIVATE, 0, &time,
			NULL, 0);
	syscall(SYS_sched_setscheduler, turn.tid, SCHED_OTHER, &zero);
	return NULL;
}

void turn_leave(void)
{
	static const struct sched_param zero;

	if (syscall(SYS_sched_getscheduler, 0) == SCHED_IDLE)
		syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &zero);
}

static void stand_back(void)
{
	pthread_attr_t attr;

	turn.tid = (pid_t)syscall(SYS_gettid);
	turn.is_over = 0;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	turn.has_thread = !pthread_create(&turn.thread, &attr, watch, NULL);
}

static int nplaces(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN) / 2;

	return n > 1 ? (int)n : 1;
}

/* A descriptor whose closing gives the place back; -EAGAIN: none is free. A
 * store without such a file has places for all. */
static int take_place(const struct instance *in)
{
	cleanup_close int store = instance_open_store(in);
	cleanup_close int fd = store < 0 ? -1
					 : openat(store, LOCK_FILE,
						  O_RDWR | O_CREAT | O_CLOEXEC,
						  0600);
	int n = nplaces();

	if (fd < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		struct flock place = { .l_type = F_WRLCK,
				       .l_whence = SEEK_SET,
				       .l_start = i,
				       .l_len = 1 };

		if (fcntl(fd, F_OFD_SETLK, &place) == 0)
			return take_fd(&fd);
		if (errno != EAGAIN && errno != EACCES)
			return -1;
	}
	return -EAGAIN;
}

uint64_t turn_take(struct instance *in, uint64_t now)
{
	struct turn_state *t = &in->turn;
	int fd = take_place(in);

	if (!t->since_ns) {
		t->since_ns = now;
		t->retry_ms = RETRY_MIN_MS;
	}
	if (fd == -EAGAIN && now - t->since_ns < LATEST_NS) {
		uint64_t ms = t->retry_ms;

		t->retry_ms = MIN(t->retry_ms * 2, RETRY_MAX_MS);
		/* Not all at once. */
		return now + (ms + (now / 1000 + (uint64_t)getpid()) % ms) * MS;
	}
	t->since_ns = 0;
	t->fd = MAX(fd, -1);
	stand_back();
	return 0;
}

void turn_end(struct instance *in)
{
	in->turn.since_ns = 0;
	if (in->turn.fd >= 0)
		close(take_fd(&in->turn.fd));
	if (!turn.has_thread)
		return;
	turn.has_thread = false;
	__atomic_store_n(&turn.is_over, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &turn.is_over, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	pthread_join(turn.thread, NULL);
}
