/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a template of an instance that goes on: it stands still while its
 * memory is copied; sums, tables and syncing come after, in a thread, so that
 * the monitor serves the instance meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"
#include "monitor/suspend.h"

/* Memory that is made ready for copies before the instance stands still, for
 * what is touched for the first time takes its time. */
#define EXPECTED_MAX (256ULL << 20)

struct snapshot {
	int dir_fd, fd; /* where it goes; the file */
	int kernels_fd; /* the lock of kernels.c */
	bool is_copied;
	pthread_t finisher; /* has all but done_fd, if that is not -1 */
	int done_fd;	    /* eventfd: it is about to end */
	uint64_t asked_ns;  /* the freeze; it may stand still from then on */
	int objects[CHECKPOINT_OBJECTS]; /* copies */
	uint64_t asleep[BOOT_SPACES_MAX / 64];
	uint64_t taken[BOOT_LEFT_MAX / 64];
	struct checkpoint_range unneeded;
	struct checkpoint_out out;
	struct checkpoint_header h;
	struct err e;
};

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void discard(struct instance *in)
{
	struct snapshot *s = in->snapshot;

	in->snapshot = NULL;
	checkpoint_drop_copied(&s->out);
	checkpoint_out_close(&s->out);
	close_all(s->objects, CHECKPOINT_OBJECTS);
	close_all(&s->fd, 1);
	close_all(&s->dir_fd, 1);
	close_all(&s->kernels_fd, 1);
	close_all(&s->done_fd, 1);
	free(s);
}

void snapshot_fail(struct instance *in, const char *why)
{
	char text[ERR_MSG_SIZE + 32];

	snprintf(text, sizeof(text), "cannot be copied: %s", why);
	unlinkat(in->snapshot->dir_fd, CHECKPOINT_TEMP, 0);
	discard(in);
	control_suspend_failed(in, text);
}

static const char *refusal(const struct instance *in)
{
	for (unsigned int i = 0; i < in->spec.nvolumes; i++)
		if (!in->spec.volumes[i].is_readonly)
			return "it writes to a volume, which can have only one "
			       "writer";
	return suspend_refusal(in);
}

static int open_file(struct snapshot *s, const char *dir, struct err *e)
{
	s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		return err_sys(e, errno, "%s", dir);
	unlinkat(s->dir_fd, CHECKPOINT_TEMP, 0);
	s->fd = openat(s->dir_fd, CHECKPOINT_TEMP,
		       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       0600);
	if (s->fd < 0)
		return err_sys(e, errno, "%s/" CHECKPOINT_TEMP, dir);
	if (checkpoint_out_open(&s->out, s->fd, &s->e)) {
		unlinkat(s->dir_fd, CHECKPOINT_TEMP, 0);
		return err_set(e, s->e.code, "%s", s->e.msg);
	}
	return 0;
}

int snapshot_start(struct instance *in, const char *dir, struct err *e)
{
	const char *why = refusal(in);
	struct snapshot *s;

	if (why)
		return err_set(e, EBUSY, "cannot be copied: %s", why);
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_sys(e, ENOMEM, "template");
	s->dir_fd = s->fd = s->kernels_fd = s->done_fd = -1;
	for (int i = 0; i < CHECKPOINT_OBJECTS; i++)
		s->objects[i] = -1;
	in->snapshot = s;
	if (open_file(s, dir, e) || kernels_keep(in, &s->kernels_fd, e)) {
		discard(in);
		return -e->code;
	}
	checkpoint_expect_copies(&s->out,
				 MIN(limit_usage(in, NULL), EXPECTED_MAX));
	s->asked_ns = clock_now_ns();
	suspend_freeze(in);
	return 0;
}

static int copy_objects(struct snapshot *s, const struct instance *in)
{
	const int from[CHECKPOINT_OBJECTS] = {
		[CHECKPOINT_KERNEL] = in->kernel_fd,
		[CHECKPOINT_CACHE] = in->cache_fd,
		[CHECKPOINT_BOOT] = in->boot_fd,
	};

	for (int i = 0; i < CHECKPOINT_OBJECTS; i++) {
		s->objects[i] = checkpoint_copy_object(from[i], &s->e);
		if (s->objects[i] < 0)
			return -s->e.code;
	}
	memcpy(s->asleep, in->boot->asleep, sizeof(s->asleep));
	memcpy(s->taken, in->boot->taken, sizeof(s->taken));
	s->unneeded = suspend_unneeded(in);
	return 0;
}

void snapshot_frozen(struct instance *in)
{
	struct snapshot *s = in->snapshot;

	s->h.flags = CHECKPOINT_TEMPLATE;
	if (suspend_begin(&s->out, &s->h, in) || copy_objects(s, in) ||
	    suspend_processes(&s->out, in, checkpoint_copy_process) ||
	    volumes_sleep(in, &s->out))
		return; /* s->e says why */
	s->is_copied = true;
}

static int add_copies(struct snapshot *s)
{
	if (suspend_objects(&s->out, s->objects, s->taken, s->unneeded) ||
	    checkpoint_compare(&s->out) || checkpoint_add_copied(&s->out))
		return -s->e.code;
	return suspend_parked(&s->out, s->asleep);
}

/* The file has its name; else s->e says why not. */
static void finish(const struct instance *in)
{
	struct snapshot *s = in->snapshot;

	if (add_copies(s) || suspend_finish(&s->out, &s->h, in))
		return;
	if (fdatasync(s->fd) ||
	    renameat(s->dir_fd, CHECKPOINT_TEMP, s->dir_fd, CHECKPOINT_NAME))
		err_sys(&s->e, errno, "template");
}

static void *finisher(void *arg)
{
	const struct instance *in = arg;
	const uint64_t one = 1;

	finish(in);
	if (write(in->snapshot->done_fd, &one, sizeof(one)) != sizeof(one))
		perror("jiffy: template");
	return NULL;
}

static bool start_finisher(struct instance *in)
{
	struct snapshot *s = in->snapshot;
	struct epoll_event ev = { .events = EPOLLIN };

	s->done_fd = ev.data.fd = eventfd(0, EFD_CLOEXEC);
	if (s->done_fd >= 0 &&
	    epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, s->done_fd, &ev) == 0 &&
	    pthread_create(&s->finisher, NULL, finisher, in) == 0)
		return true;
	close_all(&s->done_fd, 1);
	s->done_fd = -1;
	return false;
}

static void answer(struct instance *in)
{
	char why[ERR_MSG_SIZE];

	if (in->snapshot->e.code) {
		snprintf(why, sizeof(why), "%s", in->snapshot->e.msg);
		snapshot_fail(in, why);
		return;
	}
	discard(in);
	control_snapshot_made(in);
}

void snapshot_thawed(struct instance *in)
{
	struct snapshot *s = in->snapshot;

	if (!s || s->done_fd >= 0 || (!s->is_copied && !s->e.code))
		return;
	in->pause_ns = clock_now_ns() - s->asked_ns;
	if (s->is_copied) {
		if (start_finisher(in))
			return;
		finish(in);
	}
	answer(in);
}

bool snapshot_owns(const struct instance *in, int fd)
{
	return in->snapshot && in->snapshot->done_fd == fd;
}

void snapshot_end(struct instance *in)
{
	if (!in->snapshot || in->snapshot->done_fd < 0)
		return;
	pthread_join(in->snapshot->finisher, NULL);
	answer(in);
}
