/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who wakes: monitors that are started before anybody needs them, so that a
 * wake costs neither their start nor the command line's, and where they fail
 * the command. About as many as the machine has processors are at work at once;
 * who comes then waits in line, so that a crowd is served in its order and none
 * of it waits for all others.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keeper/keeper.h"

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1u << 1)
#endif

/* Who comes right after another does not wait for one to start. */
#define SPARES 2

void wakers_init(struct keeper *k)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	for (int i = 0; i < WAKERS_MAX; i++)
		k->wakers[i].fd = -1;
	k->last_waiting = &k->waiting;
	k->nwakes_max = n < 2			  ? 2
			: n > WAKERS_MAX - SPARES ? WAKERS_MAX - SPARES
						  : (int)n;
	/* A number below those of the sockets. */
	k->low_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, KEEPER_LISTEN_FD + 1);
}

/* A process of its own that has no descriptors but those up to low_fd: with
 * some ten thousand open ones, copying and closing them would be most of the
 * work. We wait until it has left our table: low_fd is used again. */
static pid_t fork_lean(const struct keeper *k)
{
	pid_t pid = (pid_t)syscall(SYS_clone,
				   CLONE_FILES | CLONE_VFORK | SIGCHLD, NULL,
				   NULL, NULL, NULL);
	sigset_t none;

	if (pid)
		return pid;
	if (syscall(SYS_close_range, k->low_fd + 1, ~0U, CLOSE_RANGE_UNSHARE))
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	return 0;
}

static void exec_monitor(const struct keeper *k)
{
	char path[sizeof(k->self_dir) + 32], number[12];
	char name[] = "jiffy-monitor", option[] = "--wait";
	char *argv[] = { name, option, number, NULL };

	setsid();
	fcntl(k->low_fd, F_SETFD, 0);
	snprintf(number, sizeof(number), "%d", k->low_fd);
	snprintf(path, sizeof(path), "%s/%s", k->self_dir, name);
	execv(path, argv);
	_exit(127);
}

/* Beside us, or where it is installed. */
static void exec_jiffy(const struct keeper *k, const char *name)
{
	static const char *const places[] = { "", "../../bin/" };
	static char resume[] = "resume";
	char path[sizeof(k->self_dir) + 32], program[] = "jiffy", copy[256];
	char *argv[] = { program, resume, copy, NULL };

	snprintf(copy, sizeof(copy), "%s", name);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/%sjiffy", k->self_dir,
			 places[i]);
		execv(path, argv);
	}
	_exit(127);
}

static struct waker *free_waker(struct keeper *k)
{
	for (int i = 0; i < WAKERS_MAX; i++)
		if (k->wakers[i].fd < 0 && !k->wakers[i].pid)
			return &k->wakers[i];
	return NULL;
}

/* The spare one, or NULL. */
static struct waker *find_spare(struct keeper *k)
{
	for (int i = 0; i < WAKERS_MAX; i++)
		if (k->wakers[i].fd >= 0 && !k->wakers[i].is_used)
			return &k->wakers[i];
	return NULL;
}

static int count_wakes(const struct keeper *k)
{
	int n = 0;

	for (int i = 0; i < WAKERS_MAX; i++)
		n += k->wakers[i].is_used;
	return n;
}

/* The other end of the pair that it gets is closed where it lives on. */
static struct waker *start_spare(struct keeper *k)
{
	struct waker *w = free_waker(k);
	int pair[2];
	pid_t pid;

	if (!w || k->low_fd < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return NULL;
	pid = dup3(pair[1], k->low_fd, O_CLOEXEC) < 0 ? -1 : fork_lean(k);
	if (pid == 0)
		exec_monitor(k);
	dup3(STDIN_FILENO, k->low_fd, O_CLOEXEC);
	close(pair[1]);
	if (pid < 0 || keeper_watch(k, pair[0])) {
		close(pair[0]);
		return NULL;
	}
	*w = (struct waker){ .fd = pair[0] };
	return w;
}

static int count_spares(const struct keeper *k)
{
	int n = 0;

	for (int i = 0; i < WAKERS_MAX; i++)
		n += k->wakers[i].fd >= 0 && !k->wakers[i].is_used;
	return n;
}

void spare_start(struct keeper *k)
{
	for (int n = count_spares(k); n < SPARES; n++)
		if (!start_spare(k))
			break;
}

void spare_drop(struct keeper *k)
{
	struct waker *w;

	while ((w = find_spare(k))) {
		keeper_close(k, w->fd);
		w->fd = -1;
	}
}

bool wakes_are_over(const struct keeper *k)
{
	for (int i = 0; i < WAKERS_MAX; i++)
		if (k->wakers[i].is_used && k->wakers[i].fd >= 0)
			return false;
	return !k->waiting;
}

static bool wake_by_spare(struct keeper *k, struct sleeper *s)
{
	struct keeper_message m = { .op = KEEPER_WAKE,
				    .asked_ns = s->asked_ns };
	struct waker *w = find_spare(k);

	if (!w)
		w = start_spare(k);
	if (!w)
		return false;
	memcpy(m.state_dir, s->state_dir, sizeof(m.state_dir));
	if (!keeper_send(w->fd, &m, s)) {
		keeper_close(k, w->fd); /* it ends */
		w->fd = -1;
		return false;
	}
	w->is_used = true;
	w->of = s;
	return true;
}

/* Why it fails is in the instance's log. */
static void open_log(const struct sleeper *s)
{
	char path[sizeof(s->state_dir) + 8];
	int fd;

	snprintf(path, sizeof(path), "%s/log", s->state_dir);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
}

/* The new monitor asks for the sockets. */
static bool wake_by_command(struct keeper *k, struct sleeper *s)
{
	struct waker *w = free_waker(k);
	pid_t pid = w ? fork_lean(k) : -1;

	if (pid == 0) {
		open_log(s);
		exec_jiffy(k, strrchr(s->state_dir, '/') + 1);
	}
	if (pid < 0)
		return false;
	*w = (struct waker){ .fd = -1, .pid = pid, .of = s, .is_used = true };
	s->child = pid;
	return true;
}

static void begin(struct keeper *k, struct sleeper *s)
{
	if (!wake_by_spare(k, s) && !wake_by_command(k, s))
		keeper_forget(k, s);
}

void wake_adopt(struct keeper *k, struct sleeper *s, pid_t child)
{
	struct waker *w = free_waker(k);

	s->child = child;
	if (w)
		*w = (struct waker){
			.fd = -1, .pid = child, .of = s, .is_used = true
		};
}

void wake(struct keeper *k, struct sleeper *s)
{
	if (count_wakes(k) < k->nwakes_max) {
		begin(k, s);
		return;
	}
	s->is_waiting = true;
	s->next_waiting = NULL;
	*k->last_waiting = s;
	k->last_waiting = &s->next_waiting;
}

static void leave_line(struct keeper *k, struct sleeper *s)
{
	struct sleeper **p = &k->waiting;

	while (*p != s)
		p = &(*p)->next_waiting;
	*p = s->next_waiting;
	if (!*p)
		k->last_waiting = p;
	s->is_waiting = false;
}

void wake_forget(struct keeper *k, struct sleeper *s)
{
	if (s->is_waiting)
		leave_line(k, s);
	for (int i = 0; i < WAKERS_MAX; i++)
		if (k->wakers[i].of == s)
			k->wakers[i].of = NULL;
}

static void serve_line(struct keeper *k)
{
	struct sleeper *s;

	while ((s = k->waiting) && count_wakes(k) < k->nwakes_max) {
		leave_line(k, s);
		begin(k, s);
	}
}

bool spare_ended(struct keeper *k, int fd)
{
	struct waker ended, *w = k->wakers;

	while (w < k->wakers + WAKERS_MAX && w->fd != fd)
		w++;
	if (w == k->wakers + WAKERS_MAX)
		return false;
	ended = *w;
	keeper_close(k, fd);
	*w = (struct waker){ .fd = -1 };
	if (ended.of && keeper_still_sleeps(ended.of)) {
		if (!wake_by_command(k, ended.of))
			keeper_forget(k, ended.of);
	} else if (ended.of) {
		keeper_forget(k, ended.of);
	}
	serve_line(k);
	/* One that ended unasked is not replaced now: so would the next. */
	if (ended.is_used && k->sleepers)
		spare_start(k);
	return true;
}

/* Nobody will ask for the sockets any more: whoever is at their other ends
 * learns it now. */
void wake_command_ended(struct keeper *k, pid_t pid)
{
	struct waker *w = k->wakers;

	while (w < k->wakers + WAKERS_MAX && w->pid != pid)
		w++;
	if (w == k->wakers + WAKERS_MAX)
		return;
	if (w->of)
		keeper_forget(k, w->of);
	*w = (struct waker){ .fd = -1 };
	serve_line(k);
}
