/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections on their way to an instance (abi/deliver.h). What its host's
 * queue has no room for waits here, in order; a connected datagram socket says
 * when there is room, and when an instance took what was sent, by which the
 * latency of a wake is known. A link is closed a second after its last use, so
 * that an idle service costs no descriptor.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/limits.h"
#include "gateway/service_int.h"
#include "host/cleanup.h"

#define IDLE_NS 1000000000ULL
#define RETRY_NS 10000000ULL /* no notice comes: short of descriptors */

struct waiter {
	struct list node;
	int fd;
	uint64_t since_ns;
	void (*give_up)(int fd, int status);
	struct deliver_message m;
};

static void fill(struct deliver_message *m,
		 const struct sockaddr_storage *client)
{
	uint32_t len = 0;

	memset(m, 0, sizeof(*m));
	m->version = DELIVER_VERSION;
	if (client && client->ss_family == AF_INET)
		len = sizeof(struct sockaddr_in);
	else if (client && client->ss_family == AF_INET6)
		len = sizeof(struct sockaddr_in6);
	m->peer_len = len;
	if (len)
		memcpy(m->peer, client, len);
}

static int send_message(int to, const struct deliver_message *m, int fd)
{
	struct iovec iov = { (void *)m, fd < 0 ? 0 : sizeof(*m) };
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(int));
	}
	return sendmsg(to, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* Is there nobody, so that a new socket or a start may help? */
static bool is_gone(int err)
{
	return err == -ECONNREFUSED || err == -ENOENT || err == -EPIPE ||
	       err == -ENOTCONN || err == -ECONNRESET;
}

static void on_ready(struct loop_watch *w, uint32_t events);
static void on_due(struct loop_timer *t);

/* The store's own path may be longer than an address may be. */
static int name_of(const struct link *l, struct sockaddr_un *sun)
{
	int n = snprintf(sun->sun_path, sizeof(sun->sun_path),
			 "/proc/self/fd/%d/instances/%s/" DELIVER_SOCKET "%u",
			 services.store, l->member->name, l->guest);

	return n < (int)sizeof(sun->sun_path) ? 0 : -ENAMETOOLONG;
}

/* On the lane's thread. */
static int open_link(struct link *l)
{
	cleanup_close int fd =
		socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int r;

	if (fd < 0)
		return -errno;
	r = name_of(l, &sun);
	if (r)
		return r;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		return -errno;
	r = loop_watch_start(l->lane->loop, &l->watch, fd, EPOLLOUT | EPOLLET,
			     on_ready);
	if (r)
		return r;
	l->fd = take_fd(&fd);
	limits_hold_file();
	return 0;
}

static void close_link(struct link *l)
{
	if (l->fd < 0)
		return;
	loop_watch_stop(&l->watch);
	close(take_fd(&l->fd));
	limits_release_file();
	l->in_flight = 0;
	l->wake_ns = 0;
}

static void free_link(struct link *l)
{
	struct member *m = l->member;

	close_link(l);
	loop_timer_cancel(&l->timer);
	list_del(&l->node);
	free(l);
	member_put(m);
}

static struct link *get_link(struct lane *lane, struct member *m,
			     uint16_t guest)
{
	struct link *l;

	list_for_each (l, &m->links, node)
		if (l->guest == guest)
			return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->member = m;
	l->lane = lane;
	l->guest = guest;
	l->fd = -1;
	list_init(&l->waiting);
	list_append(&m->links, &l->node);
	m->refs++;
	loop_timer_set(lane->loop, &l->timer, IDLE_NS, IDLE_NS, on_due);
	return l;
}

static void note_wake(struct link *l, uint64_t now)
{
	struct service_stats *st = &l->member->service->stats;

	if (l->wake_ns || !member_sleeps(l->member, now))
		return;
	for (struct list *p = l->member->links.next; p != &l->member->links;
	     p = p->next)
		if (list_entry(p, struct link, node)->wake_ns)
			return; /* by another port */
	l->wake_ns = now;
	st->wakes++;
}

/* What was sent has left the queue: because it was taken, or because nobody has
 * the queue any more? */
static bool is_there(const struct link *l)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	return name_of(l, &sun) == 0 &&
	       connect(l->fd, (struct sockaddr *)&sun, sizeof(sun)) == 0;
}

static void note_awake(struct link *l)
{
	struct service_stats *st = &l->member->service->stats;
	uint64_t now = loop_now_ns(l->lane->loop);
	uint64_t took = now > l->wake_ns ? now - l->wake_ns : 0;
	int i = 0;

	if (!is_there(l)) {
		st->wakes_failed++;
		l->wake_ns = 0;
		return;
	}
	while (i < SERVICE_BUCKETS - 1 && took >= 250000ULL << i)
		i++;
	st->wake_buckets[i]++;
	st->wake_ns += took;
	l->member->stats.wake_buckets[i]++;
	l->member->stats.wake_ns += took;
	l->wake_ns = 0;
	l->member->is_asleep = false;
}

/* Send at once: 0 or -errno. Nobody is there: on the lane's thread a new socket
 * is tried, once. now is that of the caller's loop: the lane's may have stood
 * still for long. */
static int try_send(struct link *l, bool is_ours, uint64_t now,
		    const struct deliver_message *m, int fd)
{
	int r = 0;

	for (int i = 0; i < 2; i++) {
		if (l->fd < 0 && is_ours)
			r = open_link(l);
		if (l->fd < 0)
			return r ? r : -ENOTCONN;
		note_wake(l, now);
		r = send_message(l->fd, m, fd);
		if (!is_gone(r) || !is_ours)
			break;
		close_link(l);
	}
	if (!r) {
		l->used_ns = now;
		l->in_flight++;
		l->member->sent += fd >= 0;
		l->member->down_ns = 0;
	}
	return r;
}

static int keep_waiting(struct link *l, uint64_t now,
			const struct deliver_message *m, int fd,
			void (*give_up)(int fd, int status))
{
	struct waiter *w = NULL;

	if (l->nwaiting < SERVICE_WAITING_MAX &&
	    limits_admits_call(l->member->service->stats.waiting))
		w = malloc(sizeof(*w));
	if (!w)
		return -EAGAIN;
	*w = (struct waiter){
		.fd = fd, .since_ns = now, .give_up = give_up, .m = *m
	};
	limits_hold_file();
	list_append(&l->waiting, &w->node);
	l->nwaiting++;
	l->member->service->stats.waiting++;
	return 0;
}

static void end_wait(struct link *l, struct waiter *w)
{
	close(w->fd);
	limits_release_file();
	list_del(&w->node);
	free(w);
	l->nwaiting--;
	l->member->service->stats.waiting--;
}

/* Those that wait since then or longer. */
static void give_up_since(struct link *l, uint64_t since_ns, int status)
{
	struct waiter *w, *tmp;

	list_for_each_safe (w, tmp, &l->waiting, node) {
		if (w->since_ns > since_ns)
			return;
		l->member->service->stats.refused++;
		if (w->give_up)
			w->give_up(w->fd, status);
		end_wait(l, w);
	}
}

static void give_up_all(struct link *l)
{
	give_up_since(l, UINT64_MAX, -EHOSTUNREACH);
}

static void give_up_late(struct link *l, uint64_t now_ns)
{
	uint64_t limit_ns = services.ops.wait_ms * 1000000ULL;

	if (now_ns > limit_ns)
		give_up_since(l, now_ns - limit_ns, -ETIMEDOUT);
}

/* Nobody takes what is sent. True if that may change soon. */
static bool ask_start(struct member *m, uint64_t now)
{
	if (m->is_starting)
		return true;
	m->down_ns = now;
	if (!services.ops.start || m->is_dropped)
		return false;
	m->is_starting = true;
	m->service->stats.starts++;
	services.ops.start(services.ops.arg, m->number);
	return true;
}

/* On the lane's thread. */
static void drain(struct link *l)
{
	struct waiter *w, *tmp;
	int r;

	list_for_each_safe (w, tmp, &l->waiting, node) {
		r = try_send(l, true, loop_now_ns(l->lane->loop), &w->m, w->fd);
		if (!r) {
			end_wait(l, w);
			continue;
		}
		if (is_gone(r) &&
		    !ask_start(l->member, loop_now_ns(l->lane->loop)))
			give_up_all(l);
		else if (r != -EAGAIN && !is_gone(r))
			loop_timer_set(l->lane->loop, &l->timer, RETRY_NS,
				       IDLE_NS, on_due);
		return;
	}
}

static void on_ready(struct loop_watch *w, uint32_t events)
{
	struct link *l = container_of(w, struct link, watch);
	struct service *s = l->member->service;
	int left = 0;

	(void)events;
	pthread_mutex_lock(&s->lock);
	/* The host tells of room one byte before all is free. */
	if (ioctl(l->fd, SIOCOUTQ, &left) == 0 && left <= 1)
		l->in_flight = 0;
	if (l->wake_ns && !l->in_flight)
		note_awake(l);
	drain(l);
	pthread_mutex_unlock(&s->lock);
}

static void on_due(struct loop_timer *t)
{
	struct link *l = container_of(t, struct link, timer);
	struct service *s = l->member->service;
	uint64_t now = loop_now_ns(l->lane->loop);

	service_get(s);
	pthread_mutex_lock(&s->lock);
	drain(l);
	give_up_late(l, now);
	if (!l->nposted &&
	    (l->member->is_dropped ||
	     (!l->nwaiting && !l->wake_ns && now - l->used_ns >= IDLE_NS)))
		free_link(l);
	pthread_mutex_unlock(&s->lock);
	service_put(s);
}

static void retry(void *arg)
{
	struct link *l = arg;
	struct service *s = l->member->service;

	pthread_mutex_lock(&s->lock);
	l->nposted--;
	pthread_mutex_unlock(&s->lock);
	on_due(&l->timer);
}

/* Have it tried on its own thread; until then it stays. */
static void post_retry(struct link *l)
{
	l->nposted++;
	loop_post(l->lane->loop, retry, l);
}

int link_send(struct lane *lane, struct member *m, uint16_t guest, int fd,
	      const struct sockaddr_storage *client, unsigned int flags,
	      void (*give_up)(int fd, int status))
{
	struct link *l = get_link(lane, m, guest);
	uint64_t now = loop_now_ns(lane->loop);
	struct deliver_message message;
	int r = -EAGAIN;

	if (!l)
		return -EAGAIN;
	l->used_ns = now;
	fill(&message, client);
	if (!l->nwaiting)
		r = try_send(l, l->lane == lane, now, &message, fd);
	if (!r && fd >= 0)
		close(fd);
	if (fd < 0 && is_gone(r)) /* the connection that follows waits */
		return l->lane != lane || ask_start(m, now) ? 0 : r;
	if (!r || fd < 0)
		return r == -EAGAIN ? 0 : r;
	if (is_gone(r)) {
		bool comes = l->lane != lane || ask_start(m, now);

		if (!comes)
			return -ECONNREFUSED;
		if (!(flags & LINK_MAY_WAIT))
			return -EAGAIN;
	} else if (!(flags & LINK_MAY_WAIT)) {
		return -EAGAIN;
	}
	if (keep_waiting(l, now, &message, fd, give_up))
		return -EAGAIN;
	if (l->lane != lane && is_gone(r)) {
		/* Only its own thread opens it. The timer keeps it. */
		post_retry(l);
	} else if (r != -EAGAIN && !is_gone(r)) {
		if (l->lane == lane)
			loop_timer_set(lane->loop, &l->timer, RETRY_NS, IDLE_NS,
				       on_due);
	}
	return 0;
}

void links_retry(struct member *m, int status)
{
	struct link *l;

	list_for_each (l, &m->links, node) {
		if (status)
			give_up_all(l);
		else if (l->nwaiting)
			post_retry(l);
	}
}

void links_drop(struct member *m)
{
	struct link *l;

	list_for_each (l, &m->links, node)
		give_up_all(l);
}
