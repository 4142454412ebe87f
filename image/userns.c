/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entering a user namespace. Only newuidmap and newgidmap (set-user-ID
 * programs) may map more than the caller's own number, and they must be run
 * from outside: by a helper that is forked before and told when to start.
 */
#include "image/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/proc.h"
#include "host/strv.h"
#include "host/xmalloc.h"

#define SUBID_FILE_MAX (1 << 20)

/* Numbers that a user may hand out. */
struct range {
	unsigned long start;
	unsigned long count;
};

/* The first range of the user in /etc/subuid or /etc/subgid. */
static int find_range(const char *file, struct range *range, struct err *e)
{
	cleanup_strv struct strv lines = STRV_INIT;
	cleanup_free char *text = NULL;
	struct passwd *user = getpwuid(getuid());
	char number[24];
	char name[64];
	int r;

	snprintf(number, sizeof(number), "%lu", (unsigned long)getuid());
	r = io_read_file(AT_FDCWD, file, SUBID_FILE_MAX, &text, NULL, e);
	if (r < 0)
		return r;
	strv_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.count; i++) {
		if (sscanf(lines.items[i], "%63[^:]:%lu:%lu", name,
			   &range->start, &range->count) != 3)
			continue;
		if ((user && !strcmp(name, user->pw_name)) ||
		    !strcmp(name, number))
			return 0;
	}
	return err_set(e, ENOENT, "%s has no range for this user", file);
}

/* Run newuidmap or newgidmap for process pid. */
static int run_map(const char *program, pid_t pid, unsigned long own,
		   const struct range *range, struct err *e)
{
	cleanup_strv struct strv argv = STRV_INIT;
	struct proc p = { .argv = &argv };
	int r;

	strv_add(&argv, program);
	strv_addf(&argv, "%ld", (long)pid);
	strv_addf(&argv, "0");
	strv_addf(&argv, "%lu", own);
	strv_addf(&argv, "1");
	strv_addf(&argv, "1");
	strv_addf(&argv, "%lu", range->start);
	strv_addf(&argv, "%lu", range->count);
	r = proc_run(&p, e);
	if (r == 127)
		return err_set(e, ENOENT,
			       "%s is not installed (package uidmap)", program);
	return r > 0 ? -e->code : r;
}

/* The helper: waits for the namespace, writes the maps, tells the result. */
static NORETURN void helper(int go, int result, pid_t target,
			    const struct range *uids, const struct range *gids)
{
	struct err e = ERR_INIT;
	char byte;

	if (io_read_full(go, &byte, 1) == 1 &&
	    run_map("newuidmap", target, getuid(), uids, &e) == 0)
		run_map("newgidmap", target, getgid(), gids, &e);
	io_write_full(result, &e, sizeof(e));
	_exit(0);
}

static int become_root(struct err *e)
{
	if (setresgid(0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
	    setresuid(0, 0, 0) < 0)
		return err_sys(e, errno, "user namespace");
	return 0;
}

static int enter(int go, int result, struct err *e)
{
	struct err told = ERR_INIT;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return err_sys(e, errno, "user namespace");
	if (io_write_full(go, "", 1) < 0 ||
	    io_read_full(result, &told, sizeof(told)) != sizeof(told))
		return err_set(e, EIO, "user namespace: its helper died");
	if (told.code) {
		*e = told;
		return -told.code;
	}
	return become_root(e);
}

static int with_helper(const struct range *uids, const struct range *gids,
		       struct err *e)
{
	int go[2], result[2];
	pid_t target = getpid();
	pid_t pid;
	int r;

	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(result, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		helper(go[0], result[1], target, uids, gids);
	}
	close(go[0]);
	close(result[1]);
	r = pid < 0 ? err_sys(e, errno, "fork") : enter(go[1], result[0], e);
	close(go[1]);
	close(result[0]);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	return r;
}

/* Whether a program is in one of PATH's directories. */
static bool is_installed(const char *program)
{
	cleanup_strv struct strv dirs = STRV_INIT;
	const char *path = getenv("PATH");

	strv_split(&dirs, path ? path : "/usr/bin:/bin", ':');
	for (size_t i = 0; i < dirs.count; i++) {
		cleanup_free char *file =
			xasprintf("%s/%s", dirs.items[i], program);

		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

int userns_enter(struct err *e)
{
	struct range uids, gids;
	int r;

	if (geteuid() == 0)
		return 0;
	if (!is_installed("newuidmap") || !is_installed("newgidmap"))
		return err_set(e, ENOENT,
			       "newuidmap is not installed (package uidmap)");
	r = find_range("/etc/subuid", &uids, e);
	if (!r)
		r = find_range("/etc/subgid", &gids, e);
	return r ? r : with_helper(&uids, &gids, e);
}
