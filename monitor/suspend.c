/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Suspending: asks the kernel to reach its quiet point, writes the checkpoint
 * while it waits there, and then never answers. What fails before the file has
 * its name leaves the instance running. A template is made the same way, but
 * answered as soon as memory has been copied: snapshot.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "abi/broker.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"
#include "monitor/suspend.h"

#define FREEZE_NS 10000000000ULL
#define SPEC_MAX (4u << 20)
#define CHILDREN_MAX (64u << 10)

const char *suspend_refusal(const struct instance *in)
{
	const char *why = NULL;

	if (in->machine)
		why = "platform qemu cannot do that yet";
	else if (!in->spec.state_dir)
		why = "it has no record";
	else if (!in->spec.is_detached)
		why = "it is in the foreground";
	else if (in->spec.has_tty || in->spec.has_stdin)
		why = "its standard input is connected";
	else if (!in->is_ready && !in->is_resumed)
		why = "it has not started yet";
	else if (in->stop_deadline_ns || in->is_shut_down)
		why = "it is being stopped";
	else if (in->snapshot)
		why = "it is being copied";
	else if (in->freeze_deadline_ns)
		why = "it is being suspended already";
	else if (exec_count(in))
		why = "a command runs in it";
	return why;
}

void suspend_freeze(struct instance *in)
{
	in->freeze_deadline_ns = clock_now_ns() + FREEZE_NS;
	broker_event(in, EVENT_FREEZE, 0, 0);
}

int suspend_start(struct instance *in, struct err *e)
{
	const char *why = NULL;

	if (in->sleep.is_falling) { /* then it is asked for, too */
		in->sleep.is_falling = false;
		sleep_changed(in); /* if it fails */
		return 0;
	}
	why = suspend_refusal(in);
	if (why)
		return err_set(e, EBUSY, "cannot be suspended: %s", why);
	in->sleep.asked_ns = clock_now_ns();
	suspend_freeze(in);
	return 0;
}

/* EAGAIN: there is something to do. */
static void failed(struct instance *in, int code, const char *why)
{
	char text[ERR_MSG_SIZE + 32];

	turn_end(in);
	snprintf(text, sizeof(text), "cannot be suspended: %s", why);
	control_suspend_failed(in, text);
	sleep_failed(in, code, why);
}

int suspend_check(struct instance *in)
{
	uint64_t now = clock_now_ns();

	if (!in->freeze_deadline_ns)
		return -1;
	if (now < in->freeze_deadline_ns)
		return (int)((in->freeze_deadline_ns - now) / 1000000) + 1;
	in->freeze_deadline_ns = 0;
	if (in->snapshot)
		snapshot_fail(in, "not quiet in time");
	else
		failed(in, ETIMEDOUT, "not quiet in time");
	return -1;
}

static void set_file(struct checkpoint_file *f, int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
}

int suspend_objects(struct checkpoint_out *out,
		    const int fds[CHECKPOINT_OBJECTS], const uint64_t *taken,
		    struct checkpoint_range unneeded)
{
	const struct checkpoint_range nothing = { 0, 0 };

	if (checkpoint_object(out, CHECKPOINT_KERNEL, fds[CHECKPOINT_KERNEL],
			      unneeded) ||
	    checkpoint_cache(out, fds[CHECKPOINT_CACHE], taken) ||
	    checkpoint_object(out, CHECKPOINT_BOOT, fds[CHECKPOINT_BOOT],
			      nothing))
		return -out->e->code;
	out->private_pages = checkpoint_at(out);
	return 0;
}

/* Our children are the instance's host processes. */
int suspend_processes(struct checkpoint_out *out, const struct instance *in,
		      int (*add)(struct checkpoint_out *out, pid_t pid))
{
	cleanup_free char *text = NULL;
	char path[64], *p, *end;
	size_t len;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children",
		 (int)getpid());
	if (io_read_file(AT_FDCWD, path, CHILDREN_MAX, &text, &len, out->e))
		return -out->e->code;
	for (p = text;; p = end) {
		pid_t pid = (pid_t)strtol(p, &end, 10);

		if (end == p)
			return 0;
		if (pid == in->group || getpgid(pid) != in->group)
			continue;
		if (add(out, pid))
			return -out->e->code;
	}
}

/* Those that have no host process: the instance says which of a table that was
 * checked. Its word is read once. */
int suspend_parked(struct checkpoint_out *out, const uint64_t *asleep)
{
	uint64_t n = out->older ? out->older->h.spaces.count : 0, word = 0;

	for (uint32_t i = 0; i < MIN(n, BOOT_SPACES_MAX); i++) {
		if (i % 64 == 0)
			word = __atomic_load_n(&asleep[i / 64],
					       __ATOMIC_RELAXED);
		if (word >> i % 64 & 1 && checkpoint_parked(out, i))
			return -out->e->code;
	}
	return 0;
}

static int add_clocks(struct checkpoint_header *h, struct err *e)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_REALTIME, &ts))
		return err_sys(e, errno, "clock");
	h->frozen_realtime_ns =
		(uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	h->frozen_monotonic_ns = clock_now_ns();
	return 0;
}

int suspend_begin(struct checkpoint_out *out, struct checkpoint_header *h,
		  const struct instance *in)
{
	const struct checkpoint *older = resume_checkpoint(in);

	for (int i = 0; i < CORE_OPEN_MAX; i++)
		if (in->core.dir_fd >= 0 && in->core.fds[i] >= 0)
			return err_set(out->e, EBUSY,
				       "a core file is being written");
	set_file(&out->image, in->image_fd);
	set_file(&out->cache, in->cache_fd);
	set_file(&out->older_file, resume_file(in));
	if (older && checkpoint_older_open(out, older))
		return -out->e->code;
	return add_clocks(h, out->e) ? -out->e->code
				     : checkpoint_descriptors(out, in);
}

struct checkpoint_range suspend_unneeded(const struct instance *in)
{
	uint64_t at =
		__atomic_load_n(&in->boot->unneeded.offset, __ATOMIC_RELAXED);
	uint64_t len =
		__atomic_load_n(&in->boot->unneeded.len, __ATOMIC_RELAXED);

	at = MIN(ROUND_DOWN(at, PAGE_SIZE), KERNEL_MEMORY_SIZE);
	len = MIN(ROUND_DOWN(len, PAGE_SIZE), KERNEL_MEMORY_SIZE - at);
	return (struct checkpoint_range){ at, at + len };
}

static int add_memory(struct checkpoint_out *out, const struct instance *in)
{
	const int objects[CHECKPOINT_OBJECTS] = {
		[CHECKPOINT_KERNEL] = in->kernel_fd,
		[CHECKPOINT_CACHE] = in->cache_fd,
		[CHECKPOINT_BOOT] = in->boot_fd,
	};

	if (suspend_objects(out, objects, in->boot->taken,
			    suspend_unneeded(in)) ||
	    checkpoint_compare(out) ||
	    suspend_processes(out, in, checkpoint_process))
		return -out->e->code;
	return suspend_parked(out, in->boot->asleep);
}

int suspend_finish(struct checkpoint_out *out, struct checkpoint_header *h,
		   const struct instance *in)
{
	cleanup_close int dir =
		open(in->spec.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *spec = NULL;
	size_t spec_len;

	if (io_read_file(dir, "spec.json", SPEC_MAX, &spec, &spec_len, out->e))
		return -out->e->code;
	h->image_size = in->image_size;
	memcpy(h->build, in->build_id, sizeof(h->build));
	checkpoint_processor(h);
	return checkpoint_finish(out, h, spec, spec_len);
}

static int fill(struct checkpoint_out *out, struct instance *in, struct err *e)
{
	struct checkpoint_header h = { .unsynced_boot = checkpoint_boot() };

	if (suspend_begin(out, &h, in) ||
	    (in->sleep.is_falling && keeper_refuse_unread(in, out)) ||
	    add_memory(out, in) ||
	    keeper_keep(in, out->fds.items, out->fds.count, e) ||
	    volumes_sleep(in, out))
		return -e->code;
	return suspend_finish(out, &h, in);
}

static int write_file(struct instance *in, int dir, int fd, struct err *e)
{
	struct checkpoint_out out;
	int r = checkpoint_out_open(&out, fd, e);

	if (!r)
		r = fill(&out, in, e);
	checkpoint_out_close(&out);
	if (!r && !checkpoint_boot() && fdatasync(fd))
		r = err_sys(e, errno, "checkpoint");
	if (!r && renameat(dir, CHECKPOINT_TEMP, dir, CHECKPOINT_NAME))
		r = err_sys(e, errno, "checkpoint");
	return r;
}

static int write_checkpoint(struct instance *in, struct err *e)
{
	cleanup_close int dir = -1, fd = -1, kernels = -1;

	dir = open(in->spec.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, errno, "%s", in->spec.state_dir);
	if (kernels_keep(in, &kernels, e))
		return -e->code;
	unlinkat(dir, CHECKPOINT_TEMP, 0);
	fd = openat(dir, CHECKPOINT_TEMP,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, errno, "checkpoint");
	if (write_file(in, dir, fd, e)) {
		unlinkat(dir, CHECKPOINT_TEMP, 0);
		keeper_let_go(in);
		return -e->code;
	}
	in->checkpoint_fd = take_fd(&fd);
	in->checkpoint_dir = take_fd(&dir);
	return 0;
}

void suspend_frozen(struct instance *in, uint32_t error, const char *why,
		    size_t why_len)
{
	bool is_wanted = in->freeze_deadline_ns != 0;
	struct err e = ERR_INIT;

	in->freeze_deadline_ns = 0;
	if (!is_wanted || in->end != END_NONE)
		return;
	if (in->snapshot) {
		char text[ERR_MSG_SIZE + 32];

		if (error) {
			snprintf(text, sizeof(text), "%.*s", (int)why_len, why);
			snapshot_fail(in, text);
		} else {
			snapshot_frozen(in);
		}
		return;
	}
	if (error)
		err_set(&e, EBUSY, "%.*s", (int)why_len, why);
	else if (in->stop_deadline_ns || in->is_shut_down)
		err_set(&e, EBUSY, "it is being stopped");
	else if (in->sleep.is_falling && !sleep_may(in))
		err_set(&e, EAGAIN, "it is at work again");
	else if (in->sleep.is_falling && in->spec.sleep.is_stateless)
		stateless_stop(in, &e);
	else
		write_checkpoint(in, &e);
	if (e.code)
		failed(in, e.code, e.msg);
	else if (in->sleep.is_stopping)
		turn_end(in); /* its program may take long */
	if (e.code || in->sleep.is_stopping)
		return;
	in->spec.is_removed_at_exit = false;
	in->suspended_ns = clock_now_ns();
	instance_end(in, END_SUSPENDED, 0, "suspended");
}
