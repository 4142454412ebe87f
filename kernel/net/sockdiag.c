/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NETLINK_SOCK_DIAG: lists of sockets as ss(8) asks for them: TCP, UDP and
 * AF_UNIX, all of some states or the one with given addresses. The byte code
 * of filters is not run: programs check what they get.
 */
#include "kernel/linux/sockdiag.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/net/inet.h"
#include "kernel/net/netlink.h"
#include "kernel/net/unix.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"

#define CHUNK 4096     /* what is queued at once */
#define RECORD_MAX 320 /* of one socket, a name included */
#define AF_MAX 46
#define STATE_CLOSE 7
#define STATE_LISTEN 10

struct dump {
	struct fmt_buf out; /* first: port_show() gives it to row() */
	struct sock *sk;    /* who asked */
	u32 port, seq;
	u16 flags; /* NLM_F_MULTI, or 0: one is wanted */
	const struct inet_diag_req_v2 *inet;
	const struct unix_diag_req *unix_req;
	u32 found;
	u32 start; /* of the record */
	u32 len;
	u8 *buf;
	int err;
};

static struct dump *dump_of(struct fmt_buf *out)
{
	return container_of(out, struct dump, out);
}

/* --- Records ------------------------------------------------------------- */

static void flush(struct dump *d)
{
	if (d->len && !d->err)
		d->err = netlink_queue(d->sk, d->buf, d->len);
	d->len = 0;
}

static void *room(struct dump *d, u32 n)
{
	void *p = d->buf + d->len;

	kassert(d->len + NLMSG_ALIGN(n) <= CHUNK);
	memset(p, 0, NLMSG_ALIGN(n));
	d->len += NLMSG_ALIGN(n);
	return p;
}

static void *record_begin(struct dump *d, u16 type, u16 flags, u32 size)
{
	struct nlmsghdr *h;

	if (d->len + RECORD_MAX > CHUNK)
		flush(d);
	d->start = d->len;
	h = room(d, sizeof(*h));
	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
	h->nlmsg_seq = d->seq;
	h->nlmsg_pid = d->port;
	return room(d, size);
}

static void attr(struct dump *d, u16 type, const void *data, u32 n)
{
	struct rtattr *a = room(d, (u32)RTA_LENGTH(n));

	a->rta_type = type;
	a->rta_len = (u16)RTA_LENGTH(n);
	memcpy(a + 1, data, n);
}

static void record_end(struct dump *d)
{
	struct nlmsghdr *h = (void *)(d->buf + d->start);

	h->nlmsg_len = d->len - d->start;
}

static void put_cookie(u32 *cookie, u64 value)
{
	cookie[0] = (u32)value;
	cookie[1] = (u32)(value >> 32);
}

/* --- TCP and UDP --------------------------------------------------------- */

static void put_ip(__be32 *to, const struct inet_addr *a, bool v6)
{
	if (v6)
		memcpy(to, a->ip, 16);
	else
		memcpy(to, a->ip + 12, 4);
}

static void fill_id(struct inet_diag_sockid *id, const struct inet_sock *s)
{
	bool v6 = s->sk.domain == AF_INET6;

	id->idiag_sport = __builtin_bswap16(s->local.port);
	id->idiag_dport = __builtin_bswap16(s->remote.port);
	put_ip(id->idiag_src, &s->local, v6);
	put_ip(id->idiag_dst, &s->remote, v6);
	put_cookie(id->idiag_cookie, s->sk.cookie);
}

static bool id_matches(const struct dump *d, const struct inet_diag_sockid *id)
{
	const struct inet_diag_sockid *want = &d->inet->id;

	if (d->flags) /* a list: of ports, if they are given */
		return (!want->idiag_sport ||
			want->idiag_sport == id->idiag_sport) &&
		       (!want->idiag_dport ||
			want->idiag_dport == id->idiag_dport);
	return want->idiag_sport == id->idiag_sport &&
	       want->idiag_dport == id->idiag_dport &&
	       memcmp(want->idiag_src, id->idiag_src, 16) == 0 &&
	       memcmp(want->idiag_dst, id->idiag_dst, 16) == 0;
}

static u32 received(struct sock *sk)
{
	u64 n;

	mutex_lock(&sk->rx_lock);
	n = sk->type == SOCK_STREAM ? stream_used(&sk->rx) : sk->msg_bytes;
	mutex_unlock(&sk->rx_lock);
	return (u32)n;
}

static void inet_row(struct fmt_buf *out, UNUSED u32 n, struct inet_sock *s)
{
	struct dump *d = dump_of(out);
	u32 state = inet_state(s);
	struct inet_diag_sockid id = { 0 };
	struct inet_diag_msg *m;
	u8 shut = (u8)(atomic_load(&s->sk.shut) & SHUT_BITS);

	fill_id(&id, s);
	if (!(d->inet->idiag_states & (1U << state)) || !id_matches(d, &id) ||
	    (!d->flags && d->found))
		return;
	d->found++;
	m = record_begin(d, SOCK_DIAG_BY_FAMILY, d->flags, sizeof(*m));
	m->idiag_family = (u8)s->sk.domain;
	m->idiag_state = (u8)state;
	m->id = id;
	if (state == STATE_LISTEN) {
		m->idiag_rqueue = atomic_load(&s->sk.naccept);
		m->idiag_wqueue = s->sk.backlog;
	} else {
		m->idiag_rqueue = received(&s->sk);
	}
	m->idiag_uid = s->sk.cred.uid;
	m->idiag_inode = (u32)s->sk.ino;
	attr(d, INET_DIAG_SHUTDOWN, &shut, 1);
	record_end(d);
}

static int inet_dump(struct dump *d, const struct nlmsghdr *h)
{
	struct inet_diag_req_v2 req;
	struct port_table *t;

	if (h->nlmsg_len < sizeof(*h) + sizeof(req))
		return -EINVAL;
	memcpy(&req, h + 1, sizeof(req));
	d->inet = &req;
	switch (req.sdiag_protocol) {
	case IPPROTO_TCP:
		t = &tcp_ports;
		break;
	case IPPROTO_UDP:
		t = &udp_ports;
		break;
	case IPPROTO_UDPLITE:
		t = &udplite_ports;
		break;
	default:
		return -ENOENT;
	}
	if (!d->flags)
		req.idiag_states = ~0U;
	port_show(t, req.sdiag_family, &d->out, inet_row);
	return 0;
}

/* --- AF_UNIX ------------------------------------------------------------- */

static u32 unix_state(const struct sock *sk)
{
	if (sk->state == SS_LISTEN)
		return STATE_LISTEN;
	return sk->state == SS_CONNECTED ? 1 : STATE_CLOSE;
}

static void unix_row(void *arg, struct unix_sock *u)
{
	struct dump *d = arg;
	struct sock *sk = &u->sk;
	u32 state = unix_state(sk), show = d->unix_req->udiag_show;
	struct unix_diag_rqlen len = { 0 };
	struct unix_diag_msg *m;
	u8 shut = (u8)(atomic_load(&sk->shut) & SHUT_BITS);

	if (d->flags ? !(d->unix_req->udiag_states & (1U << state))
		     : d->unix_req->udiag_ino != (u32)sk->ino)
		return;
	d->found++;
	m = record_begin(d, SOCK_DIAG_BY_FAMILY, d->flags, sizeof(*m));
	m->udiag_family = AF_UNIX;
	m->udiag_type = (u8)sk->type;
	m->udiag_state = (u8)state;
	m->udiag_ino = (u32)sk->ino;
	put_cookie(m->udiag_cookie, sk->cookie);
	if ((show & UDIAG_SHOW_NAME) && u->name)
		attr(d, UNIX_DIAG_NAME, u->name->addr.path,
		     u->name->len - 2 - (u->name->addr.path[0] != '\0'));
	if (show & UDIAG_SHOW_RQLEN) {
		len.udiag_rqueue = state == STATE_LISTEN
					   ? atomic_load(&sk->naccept)
					   : received(sk);
		len.udiag_wqueue = state == STATE_LISTEN ? sk->backlog : 0;
		attr(d, UNIX_DIAG_RQLEN, &len, sizeof(len));
	}
	if (show & UDIAG_SHOW_UID)
		attr(d, UNIX_DIAG_UID, &sk->cred.uid, sizeof(u32));
	attr(d, UNIX_DIAG_SHUTDOWN, &shut, 1);
	record_end(d);
}

static int unix_dump(struct dump *d, const struct nlmsghdr *h)
{
	struct unix_diag_req req;

	if (h->nlmsg_len < sizeof(*h) + sizeof(req))
		return -EINVAL;
	memcpy(&req, h + 1, sizeof(req));
	if (!d->flags && !req.udiag_ino)
		return -EINVAL;
	d->unix_req = &req;
	unix_walk(unix_row, d);
	return 0;
}

/* --- Requests ------------------------------------------------------------ */

static int dump_family(struct dump *d, const struct nlmsghdr *h)
{
	switch (*(const u8 *)(h + 1)) {
	case AF_INET:
	case AF_INET6:
		return inet_dump(d, h);
	case AF_UNIX:
		return unix_dump(d, h);
	default:
		return *(const u8 *)(h + 1) < AF_MAX ? -ENOENT : -EINVAL;
	}
}

int sockdiag_answer(struct sock *sk, u32 port, const struct nlmsghdr *h)
{
	bool is_list = (h->nlmsg_flags & NLM_F_DUMP) != 0;
	struct dump d = { .sk = sk,
			  .port = port,
			  .seq = h->nlmsg_seq,
			  .flags = is_list ? NLM_F_MULTI : 0 };
	int err;

	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return h->nlmsg_type == SOCK_DESTROY
			       ? (int)syscall_unsupported("SOCK_DESTROY", 0,
							  EOPNOTSUPP)
			       : -EINVAL;
	if (h->nlmsg_len < sizeof(*h) + sizeof(struct sock_diag_req))
		return -EINVAL;
	d.buf = kmalloc(CHUNK);
	if (!d.buf)
		return -ENOMEM;
	err = dump_family(&d, h);
	if (!err && !is_list && !d.found)
		err = -ENOENT;
	if (!err && is_list) {
		(void)record_begin(&d, NLMSG_DONE, NLM_F_MULTI, sizeof(int));
		record_end(&d);
	}
	if (!err)
		flush(&d);
	kfree(d.buf);
	return err ? err : d.err;
}
