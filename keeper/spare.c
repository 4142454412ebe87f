/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spare monitor: started while nobody waits, so that a wake costs neither
 * its start nor the command line's.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper/keeper.h"

static void exec_monitor(const struct keeper *k, int fd)
{
	char path[sizeof(k->self_dir) + 32], number[12];
	char name[] = "jiffy-monitor", option[] = "--wait";
	char *argv[] = { name, option, number, NULL };
	sigset_t none;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	fcntl(fd, F_SETFD, 0);
	snprintf(number, sizeof(number), "%d", fd);
	snprintf(path, sizeof(path), "%s/%s", k->self_dir, name);
	execv(path, argv);
	_exit(127);
}

void spare_start(struct keeper *k)
{
	int pair[2];
	pid_t pid;

	if (k->spare_fd >= 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return;
	pid = fork();
	if (pid == 0)
		exec_monitor(k, pair[1]);
	close(pair[1]);
	if (pid < 0 || keeper_watch(k, pair[0])) {
		close(pair[0]);
		return;
	}
	k->spare_fd = pair[0];
	k->is_spare_used = false;
}

bool spare_wake(struct keeper *k, struct sleeper *s, uint64_t now_ns)
{
	struct keeper_message m = { .op = KEEPER_WAKE, .asked_ns = now_ns };

	if (k->spare_fd < 0 || k->is_spare_used)
		return false;
	memcpy(m.state_dir, s->state_dir, sizeof(m.state_dir));
	if (!keeper_send(k->spare_fd, &m, s)) {
		keeper_close(k, k->spare_fd); /* it ends */
		k->spare_fd = -1;
		return false;
	}
	k->is_spare_used = true;
	k->spare_for = s;
	return true;
}

void spare_ended(struct keeper *k)
{
	keeper_close(k, k->spare_fd);
	k->spare_fd = -1;
	if (k->spare_for)
		keeper_spare_let_go(k, k->spare_for);
	/* One that ended unasked is not replaced now: so would the next. */
	if (k->is_spare_used && k->sleepers)
		spare_start(k);
}
