// SPDX-License-Identifier: Apache-2.0
/* NETLINK_SOCK_DIAG: sockets as ss asks for them, and what is refused. */
#include "tap.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

struct inet_request {
	struct nlmsghdr h;
	struct inet_diag_req_v2 r;
};

struct unix_request {
	struct nlmsghdr h;
	struct unix_diag_req r;
};

static int nl;
static unsigned seq;

static void ask(void *request, size_t size, unsigned flags)
{
	struct nlmsghdr *h = request;
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };

	h->nlmsg_len = (unsigned)size;
	if (!h->nlmsg_type)
		h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	h->nlmsg_flags = (unsigned short)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = ++seq;
	must(sendto(nl, request, size, 0, (void *)&to, sizeof(to)) ==
	     (ssize_t)size);
}

/* Each message of the answer to fn, to the end of it. The error, or 0. */
static int answers(void (*fn)(struct nlmsghdr *h, void *arg), void *arg)
{
	static char buf[65536] __attribute__((aligned(8)));

	for (;;) {
		ssize_t n = recv(nl, buf, sizeof(buf), 0);
		struct nlmsghdr *h = (void *)buf;

		must(n > 0);
		for (; NLMSG_OK(h, (unsigned)n); h = NLMSG_NEXT(h, n)) {
			must(h->nlmsg_seq == seq);
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(h))
					->error;
			if (fn)
				fn(h, arg);
			if (!(h->nlmsg_flags & NLM_F_MULTI))
				return 0;
		}
	}
}

static const struct rtattr *find_attr(const struct nlmsghdr *h, size_t size,
				      int type)
{
	unsigned left = h->nlmsg_len - (unsigned)NLMSG_SPACE(size);
	struct rtattr *a = (void *)((char *)h + NLMSG_SPACE(size));

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == type)
			return a;
	return NULL;
}

struct inet_found {
	int port; /* whose */
	int n;
	struct inet_diag_msg m;
	bool all_match; /* those of other ports did not come */
};

static void take_inet(struct nlmsghdr *h, void *arg)
{
	struct inet_found *f = arg;
	struct inet_diag_msg *m = NLMSG_DATA(h);

	if (ntohs(m->id.idiag_sport) != f->port) {
		f->all_match = false;
		return;
	}
	f->n++;
	f->m = *m;
}

static int bound(int type, int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, type, 0);

	must(bind(fd, (void *)&a, sizeof(a)) == 0);
	must(getsockname(fd, (void *)&a, &len) == 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static int list(int protocol, unsigned states, struct inet_found *f)
{
	struct inet_request q = { .r = { .sdiag_family = AF_INET,
					 .sdiag_protocol = (uint8_t)protocol,
					 .idiag_states = states } };

	f->n = 0;
	f->all_match = true;
	ask(&q, sizeof(q), NLM_F_DUMP);
	return answers(take_inet, f);
}

static void check_inet(void)
{
	struct inet_found f = { 0 };
	struct inet_request q = { .r = { .sdiag_family = AF_INET,
					 .sdiag_protocol = IPPROTO_TCP,
					 .idiag_states = 1 << 10 } };
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct stat st;
	int fd = bound(SOCK_STREAM, &f.port), conn, udp;

	tap_group("TCP");
	must(listen(fd, 7) == 0);
	fstat(fd, &st);
	is_int(list(IPPROTO_TCP, 1 << 10, &f), 0, "who listens");
	is_int(f.n, 1, "the listener is there");
	is_int(f.m.idiag_state, 10, "in its state");
	is_int(f.m.id.idiag_src[0], htonl(INADDR_LOOPBACK), "at its address");
	is_int(f.m.id.idiag_dport, 0, "with no peer");
	is_int(f.m.idiag_inode, st.st_ino, "with its inode");
	is_int(f.m.idiag_wqueue, 7, "with its backlog");
	is_int(f.m.idiag_rqueue, 0, "where nobody waits");
	is_int(list(IPPROTO_TCP, 1 << 1, &f), 0, "who is connected");
	is_int(f.n, 0, "not the listener");
	q.r.id.idiag_sport = htons(f.port);
	f.all_match = true;
	ask(&q, sizeof(q), NLM_F_DUMP);
	is_int(answers(take_inet, &f), 0, "a list of one port");
	is_int(f.all_match && f.n == 1, 1, "has no others");
	a.sin_port = htons(f.port);
	conn = socket(AF_INET, SOCK_STREAM, 0);
	must(connect(conn, (void *)&a, sizeof(a)) == 0);
	must(write(conn, "12345", 5) == 5);
	list(IPPROTO_TCP, 1 << 10, &f);
	is_int(f.m.idiag_rqueue, 1, "one waits to be accepted");
	close(accept(fd, NULL, NULL));
	close(conn);
	close(fd);
	tap_group("UDP");
	udp = bound(SOCK_DGRAM, &f.port);
	is_int(list(IPPROTO_UDP, 1 << 7, &f), 0, "who is bound");
	is_int(f.n, 1, "the socket is there");
	close(udp);
	list(IPPROTO_UDP, ~0U, &f);
	is_int(f.n, 0, "and then it is not");
}

struct unix_found {
	const char *name;
	size_t len;
	int n;
	struct unix_diag_msg m;
	unsigned backlog;
};

static void take_unix(struct nlmsghdr *h, void *arg)
{
	struct unix_found *f = arg;
	const struct rtattr *a =
		find_attr(h, sizeof(struct unix_diag_msg), UNIX_DIAG_NAME);

	if (!a || RTA_PAYLOAD(a) != f->len ||
	    memcmp(RTA_DATA(a), f->name, f->len) != 0)
		return;
	f->n++;
	f->m = *(struct unix_diag_msg *)NLMSG_DATA(h);
	a = find_attr(h, sizeof(struct unix_diag_msg), UNIX_DIAG_RQLEN);
	if (a)
		f->backlog =
			((struct unix_diag_rqlen *)RTA_DATA(a))->udiag_wqueue;
}

static void check_unix(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct unix_request q = { .r = { .sdiag_family = AF_UNIX,
					 .udiag_states = 1 << 10,
					 .udiag_show = UDIAG_SHOW_NAME |
						       UDIAG_SHOW_RQLEN } };
	struct unix_found f = { .name = a.sun_path, .n = 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat st;

	tap_group("AF_UNIX");
	f.len = (size_t)snprintf(a.sun_path + 1, 90, "diag-%d", getpid()) + 1;
	must(bind(fd, (void *)&a,
		  (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
			      f.len)) == 0);
	must(listen(fd, 3) == 0);
	fstat(fd, &st);
	ask(&q, sizeof(q), NLM_F_DUMP);
	is_int(answers(take_unix, &f), 0, "who listens");
	is_int(f.n, 1, "the listener is there");
	is_int(f.m.udiag_type, SOCK_STREAM, "with its type");
	is_int(f.m.udiag_state, 10, "in its state");
	is_int(f.m.udiag_ino, st.st_ino, "with its inode");
	is_int(f.backlog, 3, "with its backlog");
	q.r.udiag_ino = (unsigned)st.st_ino;
	q.r.udiag_cookie[0] = q.r.udiag_cookie[1] = ~0U;
	f.n = 0;
	ask(&q, sizeof(q), 0);
	is_int(answers(take_unix, &f), 0, "the one with an inode");
	is_int(f.n, 1, "is that");
	q.r.udiag_ino = 0x7ffffff0;
	ask(&q, sizeof(q), 0);
	is_int(answers(NULL, NULL), -ENOENT, "there is no other");
	q.r.udiag_ino = 0;
	ask(&q, sizeof(q), 0);
	is_int(answers(NULL, NULL), -EINVAL, "nor one without");
	close(fd);
	f.n = 0;
	ask(&q, sizeof(q), NLM_F_DUMP);
	answers(take_unix, &f);
	is_int(f.n, 0, "gone when it is closed");
}

static void check_refusals(void)
{
	struct inet_request q = { .r = { .sdiag_family = 77 } };

	tap_group("what is refused");
	ask(&q, sizeof(q), NLM_F_DUMP);
	is_int(answers(NULL, NULL), -EINVAL, "a family that cannot be");
	q.r.sdiag_family = AF_X25;
	ask(&q, sizeof(q), NLM_F_DUMP);
	is_int(answers(NULL, NULL), -ENOENT, "a family without sockets");
	q.r.sdiag_family = AF_INET;
	q.r.sdiag_protocol = 200;
	ask(&q, sizeof(q), 0);
	is_int(answers(NULL, NULL), -ENOENT, "an unknown protocol");
	q.r.sdiag_protocol = IPPROTO_TCP;
	q.r.id.idiag_sport = htons(1);
	q.r.id.idiag_dport = htons(1);
	q.r.id.idiag_cookie[0] = q.r.id.idiag_cookie[1] = ~0U;
	ask(&q, sizeof(q), 0);
	is_int(answers(NULL, NULL), -ENOENT, "no such socket");
	ask(&q, sizeof(q.h) + 8, NLM_F_DUMP);
	is_int(answers(NULL, NULL), -EINVAL, "a short request");
	ask(&q, sizeof(q.h), NLM_F_DUMP);
	is_int(answers(NULL, NULL), -EINVAL, "an empty one");
	q.h.nlmsg_type = 99;
	ask(&q, sizeof(q), NLM_F_DUMP);
	is_int(answers(NULL, NULL), -EINVAL, "an unknown one");
	is_efault(send(nl, bp, 72, 0), "from bad addresses");
}

int main(void)
{
	tap_start();
	nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	must(nl >= 0);
	check_inet();
	check_unix();
	check_refusals();
	return tap_done();
}
