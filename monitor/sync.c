/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checkpoint reaches the disk after the answer to whoever asked for it. Until
 * then its header has the number of the host's boot: as long as the host runs,
 * its cache has the file whole; after a power cut the number is another, and
 * the file is refused. So it is with the volumes that the checkpoint relies on.
 * Those that fall asleep by policy within a while are synced together: the
 * host's journal, for which those who wake may have to wait, is written once
 * for all of them, and nothing of one that woke meanwhile is written at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "lib/compiler.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"

#define FILES_MAX (BOOT_VOLUMES_MAX + 5)
#define TOGETHER_S 2

/* The same file as another open one: locks of the first go when it is closed.
 */
static int open_again(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_all_but(const int *keep, size_t n)
{
	int sorted[FILES_MAX], next = 3;

	memcpy(sorted, keep, n * sizeof(*keep));
	qsort(sorted, n, sizeof(*sorted), compare);
	for (size_t i = 0; i < n; i++) {
		if (sorted[i] > next)
			syscall(SYS_close_range, next, sorted[i] - 1, 0);
		next = MAX(next, sorted[i] + 1);
	}
	syscall(SYS_close_range, next, ~0U, 0);
}

/* No host has this number. */
#define NEVER UINT64_MAX

static int set_mark(const struct instance *in, uint64_t mark)
{
	const off_t at = offsetof(struct checkpoint_header, unsynced_boot);

	return pwrite(in->checkpoint_fd, &mark, sizeof(mark), at) ==
			       sizeof(mark)
		       ? fdatasync(in->checkpoint_fd)
		       : -1;
}

/* Used up already? Its name may come back with a power cut. */
static bool is_gone(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

/* The mark in the header goes once all else is there. */
static int sync_all(const struct instance *in, const int *volumes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (volumes[i] < 0 || fsync(volumes[i]))
			return -1;
	if (fsync(in->checkpoint_fd) || fsync(in->checkpoint_dir))
		return -1;
	return is_gone(in->checkpoint_fd) ? 0 : set_mark(in, 0);
}

/* What the host could not write it may forget: nobody may rely on it. */
static void give_up(const struct instance *in)
{
	fprintf(stderr,
		"jiffy: instance %s: the checkpoint is not on disk: %s\n",
		in->spec.name, strerror(errno));
	(void)set_mark(in, NEVER);
}

/* Until the time that is the same for all. */
static void wait_for_others(void)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TOGETHER_S - until.tv_sec % TOGETHER_S;
	until.tv_nsec = 0;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
	       EINTR)
		;
}

void sync_let_go(struct instance *in)
{
	int keep[FILES_MAX];
	size_t n = 0;

	turn_end(in);
	for (unsigned int i = 0; i < in->spec.nvolumes; i++)
		if (!in->spec.volumes[i].is_readonly)
			keep[n++] = open_again(in->volume_fds[i]);
	keep[n] = in->checkpoint_fd;
	keep[n + 1] = in->checkpoint_dir;
	keep[n + 2] = in->lock_fd;
	keep[n + 3] = in->keeper_fd;
	keep[n + 4] = in->suspend_client;
	close_all_but(keep, n + 5);
	/* The keeper may have it resumed from the moment we let go. */
	close(take_fd(&in->lock_fd));
	keeper_let_go(in);
	control_suspended(in);
	group_end(in);
	if (in->checkpoint_fd < 0)
		return;
	if (in->sleep.is_falling) {
		/* The pages now, and with no commit. */
		sync_file_range(in->checkpoint_fd, 0, 0, SYNC_FILE_RANGE_WRITE);
		wait_for_others();
	}
	if (!is_gone(in->checkpoint_fd) && sync_all(in, keep, n))
		give_up(in);
}
