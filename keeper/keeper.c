/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping instances: their sockets are held, watched, and given back.
 */
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECKPOINT "checkpoint"

static void watch_sockets(struct keeper *k, struct sleeper *s, bool on)
{
	if (s->is_watched == on)
		return;
	s->is_watched = on;
	for (uint32_t i = 0; i < s->n; i++) {
		struct kept *socket = &s->sockets[i];
		struct epoll_event ev = { .events = socket->events,
					  .data.ptr = socket };

		epoll_ctl(k->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
			  socket->fd, &ev);
	}
}

void keeper_forget(struct keeper *k, struct sleeper *s)
{
	struct sleeper **p = &k->sleepers;

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	wake_forget(k, s);
	watch_sockets(k, s, false);
	for (uint32_t i = 0; i < s->n; i++)
		close(s->sockets[i].fd);
	if (s->watch >= 0)
		inotify_rm_watch(k->notify_fd, s->watch);
	free(s->sockets);
	free(s);
}

static struct sleeper *find(const struct keeper *k, const char *state_dir)
{
	struct sleeper *s = k->sleepers;

	while (s && strcmp(s->state_dir, state_dir) != 0)
		s = s->next;
	return s;
}

/* What wakes: something to read; where there is no room for more to send, room.
 */
static uint32_t wanted_events(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return EPOLLIN | EPOLLRDHUP | (poll(&p, 1, 0) == 0 ? EPOLLOUT : 0u);
}

static void close_all(const int *fds, uint32_t nfds)
{
	for (uint32_t i = 0; i < nfds; i++)
		close(fds[i]);
}

static struct sleeper *add_sleeper(struct keeper *k, const char *state_dir)
{
	struct sleeper *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	memcpy(s->state_dir, state_dir, sizeof(s->state_dir));
	s->client = s->watch = -1;
	s->next = k->sleepers;
	k->sleepers = s;
	return s;
}

/* Those that there is no memory for are closed. */
static void add_sockets(struct sleeper *s, const int *fds,
			const uint64_t *known, uint32_t nfds)
{
	struct kept *all =
		s ? reallocarray(s->sockets, s->n + nfds + 1, sizeof(*all))
		  : NULL;

	if (!all) {
		close_all(fds, nfds);
		return;
	}
	s->sockets = all;
	for (uint32_t i = 0; i < nfds; i++)
		all[s->n++] = (struct kept){
			.of = s,
			.fd = fds[i],
			.events = wanted_events(fds[i]) |
				  (known[i] ? (uint32_t)EPOLLET : 0u),
			.known = known[i],
		};
}

static void keep(struct keeper *k, int client, const struct keeper_message *m,
		 const int *fds, uint32_t nfds)
{
	struct sleeper *s = find(k, m->state_dir);

	/* What an earlier suspension left. */
	if (s && s->client != client) {
		keeper_forget(k, s);
		s = NULL;
	}
	if (!s)
		s = add_sleeper(k, m->state_dir);
	if (s)
		s->client = client;
	add_sockets(s, fds, m->known, nfds);
}

static bool send_batch(int to, struct keeper_message *m,
		       const struct kept *sockets, uint32_t n)
{
	struct iovec iov = { m, sizeof(*m) };
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(KEEPER_BATCH * sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	m->n = n;
	if (n) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN(n * sizeof(int));
		for (uint32_t i = 0; i < n; i++)
			memcpy(CMSG_DATA(&control.hdr) + i * sizeof(int),
			       &sockets[i].fd, sizeof(int));
	}
	return sendmsg(to, &msg, MSG_NOSIGNAL) == sizeof(*m);
}

bool keeper_send(int to, struct keeper_message *m, const struct sleeper *s)
{
	uint32_t total = s ? s->n : 0, at = 0;

	m->total = total;
	do {
		uint32_t n = total - at < KEEPER_BATCH ? total - at
						       : KEEPER_BATCH;

		if (!send_batch(to, m, n ? s->sockets + at : NULL, n))
			return false;
		at += n;
	} while (at < total);
	return true;
}

static void take(struct keeper *k, int client, const struct keeper_message *m)
{
	struct sleeper *s = find(k, m->state_dir);
	struct keeper_message answer = { .op = KEEPER_TAKE };

	keeper_send(client, &answer, s);
	if (s)
		keeper_forget(k, s);
}

void keeper_serve(struct keeper *k, int client, const struct keeper_message *m,
		  const int *fds, uint32_t nfds)
{
	if (!memchr(m->state_dir, '\0', sizeof(m->state_dir)) ||
	    m->state_dir[0] != '/' || m->n != nfds) {
		close_all(fds, nfds);
	} else if (m->op == KEEPER_KEEP) {
		keep(k, client, m, fds, nfds);
	} else {
		close_all(fds, nfds);
		if (m->op == KEEPER_TAKE)
			take(k, client, m);
	}
}

bool keeper_still_sleeps(const struct sleeper *s)
{
	char path[sizeof(s->state_dir) + 16];

	snprintf(path, sizeof(path), "%s/" CHECKPOINT, s->state_dir);
	return access(path, F_OK) == 0;
}

/* All its sockets are here, and its monitor has gone. */
static void falls_asleep(struct keeper *k, struct sleeper *s)
{
	s->client = -1;
	s->watch = inotify_add_watch(k->notify_fd, s->state_dir,
				     IN_DELETE | IN_MOVE_SELF | IN_DELETE_SELF);
	if (!keeper_still_sleeps(s)) {
		keeper_forget(k, s);
		return;
	}
	spare_start(k);
	watch_sockets(k, s, true);
}

void keeper_hung_up(struct keeper *k, int client)
{
	struct sleeper *s, *next;

	for (s = k->sleepers; s; s = next) {
		next = s->next;
		if (s->client == client)
			falls_asleep(k, s);
	}
}

void keeper_adopt(struct keeper *k, const char *state_dir, int fd,
		  uint64_t known)
{
	struct sleeper *s = find(k, state_dir);

	if (!s)
		s = add_sleeper(k, state_dir);
	add_sockets(s, &fd, &known, 1);
}

void keeper_adopted(struct keeper *k, const char *state_dir, pid_t child)
{
	struct sleeper *s = find(k, state_dir);

	if (!s)
		return;
	if (child)
		wake_adopt(k, s, child);
	else
		falls_asleep(k, s);
}

void keeper_ready(struct keeper *k, const struct kept *socket, uint32_t events,
		  uint64_t now_ns)
{
	struct sleeper *s = socket->of;

	if (!(events & EPOLLOUT) && socket->known &&
	    keeper_mark(socket->fd) == socket->known)
		return;
	/* Once. The sockets are ours, too, until the checkpoint is used up: who
	 * has it may be another than the one who is asked here. */
	watch_sockets(k, s, false);
	s->asked_ns = now_ns;
	wake(k, s);
}

/* Its directory has changed. A wake that has used the checkpoint up asks for
 * the sockets before. */
static void look_again(struct keeper *k, struct sleeper *s)
{
	if (s->client < 0 && !keeper_still_sleeps(s))
		keeper_forget(k, s);
}

static void look_at(struct keeper *k, const struct inotify_event *ev)
{
	struct sleeper *s, *next;

	for (s = k->sleepers; s; s = next) {
		next = s->next;
		if (s->watch == ev->wd || ev->mask & IN_Q_OVERFLOW)
			look_again(k, s);
	}
}

void keeper_notified(struct keeper *k)
{
	char buf[4096]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n, at;

	while ((n = read(k->notify_fd, buf, sizeof(buf))) > 0) {
		for (at = 0; at < n;) {
			const struct inotify_event *ev = (void *)(buf + at);

			look_at(k, ev);
			at += (ssize_t)(sizeof(*ev) + ev->len);
		}
	}
}
