/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outside sockets: their beginning and end, addresses and options.
 */
#include "kernel/plat/pc/socket.h"

#include "kernel/linux/inet.h"
#include "kernel/linux/socket.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/pc/vnet.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

#define DATAGRAMS_MAX 256
#define BACKLOG_MAX 255 /* the stack's counter is of 8 bits */

int socket_errno(s8 err)
{
	switch (err) {
	case ERR_OK:
		return 0;
	case ERR_MEM:
	case ERR_BUF:
		return ENOMEM;
	case ERR_RTE:
		return ENETUNREACH;
	case ERR_USE:
		return EADDRINUSE;
	case ERR_RST:
		return ECONNRESET;
	case ERR_ABRT:
		return ETIMEDOUT;
	default:
		return EIO;
	}
}

/* --- Addresses
 * ------------------------------------------------------------------ */

struct linux_in {
	u16 family, port;
	u8 address[4];
	u8 zero[8];
};
struct linux_in6 {
	u16 family, port;
	u32 flow;
	u8 address[16];
	u32 scope;
};

static int address_in(const void *addr, u32 len, ip_addr_t *ip, u16 *port)
{
	const struct linux_in *in = addr;
	const struct linux_in6 *in6 = addr;

	memset(ip, 0, sizeof(*ip));
	if (len >= sizeof(*in) && in->family == AF_INET) {
		memcpy(ip_2_ip4(ip), in->address, 4);
		IP_SET_TYPE_VAL(*ip, IPADDR_TYPE_V4);
		*port = lwip_ntohs(in->port);
		return 0;
	}
	if (len >= sizeof(*in6) && in6->family == AF_INET6) {
		memcpy(ip_2_ip6(ip)->addr, in6->address, 16);
		IP_SET_TYPE_VAL(*ip, IPADDR_TYPE_V6);
		*port = lwip_ntohs(in6->port);
		return 0;
	}
	return -EAFNOSUPPORT;
}

/* Cut to *len bytes, as Linux does; *len becomes what it has. */
static void address_out(const ip_addr_t *ip, u16 port, void *addr, u32 *len)
{
	struct linux_in in = { .family = AF_INET, .port = lwip_htons(port) };
	struct linux_in6 in6 = { .family = AF_INET6, .port = lwip_htons(port) };

	if (IP_IS_V6(ip)) {
		memcpy(in6.address, ip_2_ip6(ip)->addr, 16);
		memcpy(addr, &in6, MIN(*len, (u32)sizeof(in6)));
		*len = sizeof(in6);
		return;
	}
	memcpy(in.address, ip_2_ip4(ip), 4);
	memcpy(addr, &in, MIN(*len, (u32)sizeof(in)));
	*len = sizeof(in);
}

/* --- The stack's callbacks
 * -------------------------------------------------------- */

static struct pbuf *last_of(struct pbuf *p)
{
	while (p->next)
		p = p->next;
	return p;
}

/* The chain's own counts are 16 bits: they are not kept. */
static void append(struct socket *s, struct pbuf *p)
{
	u32 left = s->left + p->tot_len;

	if (s->rx)
		s->rx_last->next = p;
	else
		s->rx = p;
	s->rx_last = last_of(p);
	/* Who reads so many finds them. */
	atomic_store_release(&s->left, left);
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p,
			 UNUSED err_t err)
{
	struct socket *s = arg;

	if (!s) {
		if (p) {
			tcp_recved(pcb, p->tot_len);
			pbuf_free(p);
		}
		return ERR_OK;
	}
	if (!p) {
		s->is_eof = true;
	} else {
		/* Several that were joined: the sender waits for no more. */
		if (p->tot_len > s->mss)
			tcp_ack_now(pcb);
		append(s, p);
	}
	hfd_changed(s->hfd);
	return ERR_OK;
}

static err_t on_sent(void *arg, UNUSED struct tcp_pcb *pcb, UNUSED u16 len)
{
	struct socket *s = arg;

	if (s && s->wants_room && socket_has_room(s)) {
		s->wants_room = false;
		hfd_changed(s->hfd);
	}
	return ERR_OK;
}

/* Every now and then: what is held back for more is sent. */
static err_t on_poll(UNUSED void *arg, struct tcp_pcb *pcb)
{
	if (pcb->unsent)
		tcp_output(pcb);
	return ERR_OK;
}

static void on_error(void *arg, err_t err)
{
	struct socket *s = arg;

	if (!s)
		return;
	s->tcp = NULL; /* it is freed already */
	s->error = s->is_connecting && err == ERR_RST ? ECONNREFUSED
						      : socket_errno(err);
	s->is_connecting = false;
	s->is_eof = true;
	hfd_changed(s->hfd);
}

#define FIRST_SEGMENTS 10 /* RFC 6928 */

/* The handshake is over. The stack need not know that the device makes several
 * segments of one. */
static void set_sizes(struct socket *s)
{
	struct tcp_pcb *pcb = s->tcp;

	s->mss = pcb->mss;
	s->segment = vnet_segment_max(s->mss);
	tcp_ext_arg_set(pcb, 0, (void *)(u64)s->mss);
	pcb->mss = s->segment;
	pcb->cwnd = MAX(pcb->cwnd, (tcpwnd_size_t)MAX(s->mss * FIRST_SEGMENTS,
						      s->segment));
	/* socket_push() decides. */
	tcp_nagle_disable(pcb);
}

static err_t on_connected(void *arg, UNUSED struct tcp_pcb *pcb,
			  UNUSED err_t err)
{
	struct socket *s = arg;

	s->is_connecting = false;
	s->is_connected = true;
	set_sizes(s);
	hfd_changed(s->hfd);
	return ERR_OK;
}

static struct socket *socket_new(void)
{
	struct socket *s = kzalloc(sizeof(*s));

	if (!s)
		return NULL;
	s->hfd = -1;
	s->linger = -1;
	s->mss = s->segment = TCP_MSS;
	list_init(&s->accepted);
	list_init(&s->node);
	list_init(&s->datagrams);
	return s;
}

static void take_pcb(struct socket *s, struct tcp_pcb *pcb)
{
	s->tcp = pcb;
	tcp_arg(pcb, s);
	tcp_recv(pcb, on_received);
	tcp_sent(pcb, on_sent);
	tcp_err(pcb, on_error);
	tcp_poll(pcb, on_poll, 1);
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct socket *listener = arg, *s;

	if (err != ERR_OK || !pcb || !listener)
		return ERR_VAL;
	s = socket_new();
	if (!s)
		return ERR_MEM;
	take_pcb(s, pcb);
	set_sizes(s);
	s->is_connected = true;
	tcp_backlog_delayed(pcb);
	list_append(&listener->accepted, &s->node);
	hfd_changed(listener->hfd);
	return ERR_OK;
}

static void on_datagram(void *arg, UNUSED struct udp_pcb *pcb, struct pbuf *p,
			const ip_addr_t *from, u16 port)
{
	struct socket *s = arg;
	struct datagram *d = NULL;

	if (s->ndatagrams < DATAGRAMS_MAX)
		d = kmalloc(sizeof(*d));
	if (!d) {
		pbuf_free(p);
		return;
	}
	d->p = p;
	d->from_len = sizeof(d->from);
	address_out(from, port, d->from, &d->from_len);
	list_append(&s->datagrams, &d->node);
	s->ndatagrams++;
	hfd_changed(s->hfd);
}

/* --- Beginning and end
 * --------------------------------------------------------------- */

void socket_drop(struct socket *s, struct datagram *d)
{
	list_del(&d->node);
	s->ndatagrams--;
	pbuf_free(d->p);
	kfree(d);
}

/* Under net_lock. */
static void tcp_end(struct socket *s)
{
	struct tcp_pcb *pcb = s->tcp;

	s->tcp = NULL;
	if (!pcb)
		return;
	tcp_arg(pcb, NULL);
	/* Data that nobody will read: the other is told so. */
	if (!s->is_listener && (s->left || s->linger == 0))
		tcp_abort(pcb);
	else if (tcp_close(pcb) != ERR_OK && !s->is_listener)
		tcp_abort(pcb);
}

static void end(struct socket *s)
{
	struct socket *other, *next;
	struct datagram *d, *later;

	list_for_each_safe (other, next, &s->accepted, node) {
		list_del(&other->node);
		if (other->tcp)
			tcp_backlog_accepted(other->tcp);
		end(other);
	}
	list_for_each_safe (d, later, &s->datagrams, node)
		socket_drop(s, d);
	tcp_end(s);
	if (s->udp)
		udp_remove(s->udp);
	while (s->rx) {
		struct pbuf *p = s->rx;

		s->rx = p->next;
		p->next = NULL;
		pbuf_free(p);
	}
	kfree(s);
}

void socket_close(struct socket *s)
{
	net_enter();
	end(s);
	net_leave();
	net_look();
}

/* A number for s, which is ended if there is none. Under net_lock. */
static int give_number(struct socket *s)
{
	int hfd = hfd_new(HFD_SOCKET, s);

	if (hfd < 0)
		end(s);
	else
		s->hfd = hfd;
	return hfd;
}

static int listen_at(const ip_addr_t *ip, u16 port, u32 backlog)
{
	/* All our addresses are one; one of IPv6 means both kinds. */
	const ip_addr_t *at = IP_IS_V4(ip) ? IP4_ADDR_ANY : IP_ANY_TYPE;
	struct tcp_pcb *pcb = tcp_new_ip_type(IP_GET_TYPE(at)), *listener;
	struct socket *s = socket_new();
	err_t err = pcb && s ? ERR_OK : ERR_MEM;

	if (!err)
		err = tcp_bind(pcb, at, port);
	if (err) {
		if (pcb)
			tcp_abort(pcb);
		kfree(s);
		return -socket_errno(err);
	}
	listener = tcp_listen_with_backlog(
		pcb, (u8)MIN(MAX(backlog, 1u), BACKLOG_MAX));
	if (!listener) {
		tcp_abort(pcb);
		kfree(s);
		return -ENOMEM;
	}
	s->tcp = listener;
	s->is_listener = true;
	tcp_arg(listener, s);
	tcp_accept(listener, on_accept);
	return give_number(s);
}

int socket_listen(const void *addr, u32 len, u32 backlog)
{
	ip_addr_t ip;
	u16 port;
	int hfd = address_in(addr, len, &ip, &port);

	if (hfd)
		return hfd;
	net_enter();
	hfd = listen_at(&ip, port, backlog);
	net_leave();
	return hfd;
}

static int connect_to(const ip_addr_t *ip, u16 port, void *local,
		      u32 *local_len)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(IP_GET_TYPE(ip));
	struct socket *s = socket_new();
	err_t err = pcb && s ? ERR_OK : ERR_MEM;

	if (!err) {
		take_pcb(s, pcb);
		s->is_connecting = true;
		err = tcp_connect(pcb, ip, port, on_connected);
	}
	if (err) {
		if (pcb) {
			tcp_arg(pcb, NULL);
			tcp_abort(pcb);
		}
		kfree(s);
		return -socket_errno(err);
	}
	address_out(&pcb->local_ip, pcb->local_port, local, local_len);
	return give_number(s);
}

int socket_connect(const void *addr, u32 len, void *local, u32 *local_len)
{
	ip_addr_t ip;
	u16 port;
	int hfd = address_in(addr, len, &ip, &port);

	if (hfd)
		return hfd;
	net_enter();
	hfd = connect_to(&ip, port, local, local_len);
	net_leave();
	net_look();
	return hfd;
}

static int udp_to(const ip_addr_t *ip, u16 remote, bool is_connected, u16 port)
{
	struct udp_pcb *pcb = udp_new_ip_type(is_connected ? IP_GET_TYPE(ip)
							   : IPADDR_TYPE_ANY);
	struct socket *s = socket_new();
	err_t err = pcb && s ? ERR_OK : ERR_MEM;

	if (!err)
		err = udp_bind(pcb, is_connected ? NULL : IP_ANY_TYPE,
			       is_connected ? port : remote);
	if (!err && is_connected)
		err = udp_connect(pcb, ip, remote);
	if (err) {
		if (pcb)
			udp_remove(pcb);
		kfree(s);
		return -socket_errno(err);
	}
	s->udp = pcb;
	s->is_connected = is_connected;
	udp_recv(pcb, on_datagram, s);
	return give_number(s);
}

int socket_udp(const void *addr, u32 len, bool is_connected, u16 port)
{
	ip_addr_t ip;
	u16 remote;
	int hfd = address_in(addr, len, &ip, &remote);

	if (hfd)
		return hfd;
	net_enter();
	hfd = udp_to(&ip, remote, is_connected, port);
	net_leave();
	return hfd;
}

static struct udp_pcb *bound_to(u16 port)
{
	struct udp_pcb *pcb = udp_pcbs;

	while (pcb && pcb->local_port != port)
		pcb = pcb->next;
	return pcb;
}

int socket_udp_send(u16 port, const void *addr, u32 len, const void *data,
		    u32 n)
{
	struct udp_pcb *pcb;
	ip_addr_t ip;
	u16 remote;
	int err = address_in(addr, len, &ip, &remote);
	struct pbuf *p;

	if (err || n > UINT16_MAX)
		return err ? err : -EMSGSIZE;
	net_enter();
	pcb = bound_to(port);
	p = pcb ? pbuf_alloc(PBUF_TRANSPORT, (u16)n, PBUF_RAM) : NULL;
	err = pcb ? -ENOMEM : -ENOENT;
	if (p) {
		pbuf_take(p, data, (u16)n);
		err = -socket_errno(udp_sendto(pcb, p, &ip, remote));
		pbuf_free(p);
	}
	net_leave();
	return err;
}

/* --- The rest
 * -----------------------------------------------------------------------------
 */

int plat_hfd_accept(int hfd, void *addr, u32 *addr_len)
{
	struct socket *listener = hfd_object(hfd, HFD_SOCKET), *s;
	int got;

	if (!listener || !listener->is_listener)
		return -EINVAL;
	net_enter();
	if (list_empty(&listener->accepted)) {
		net_leave();
		return -EAGAIN;
	}
	s = list_first(&listener->accepted, struct socket, node);
	list_del(&s->node);
	if (s->tcp) {
		tcp_backlog_accepted(s->tcp);
		address_out(&s->tcp->remote_ip, s->tcp->remote_port, addr,
			    addr_len);
	}
	got = s->tcp ? give_number(s) : -ECONNABORTED;
	if (!s->tcp && got == -ECONNABORTED)
		end(s);
	net_leave();
	return got;
}

s64 plat_hfd_recv_fd(UNUSED int hfd, UNUSED void *buf, UNUSED u64 size,
		     int *got)
{
	*got = -1;
	return -EOPNOTSUPP;
}

int plat_hfd_shutdown(int hfd, int how)
{
	struct socket *s = hfd_object(hfd, HFD_SOCKET);
	bool rd = how == SHUT_RD || how == SHUT_RDWR;
	bool wr = how == SHUT_WR || how == SHUT_RDWR;

	if (!s)
		return -EBADF;
	net_enter();
	s->no_read |= rd;
	if (wr && !s->no_write && s->tcp && s->is_connected)
		tcp_shutdown(s->tcp, 0, 1);
	s->no_write |= wr;
	net_leave();
	hfd_changed(hfd);
	net_look();
	return 0;
}

/* --- Options: those that inet_opt.c passes on --------------------------------
 */

static void set_nodelay(struct socket *s, s32 value)
{
	s->is_nodelay = value;
	socket_push(s);
}

static void set_cork(struct socket *s, s32 value)
{
	s->is_corked = value;
	socket_push(s);
}

static void set_keepalive(struct socket *s, s32 value)
{
	if (value)
		ip_set_option(s->tcp, SOF_KEEPALIVE);
	else
		ip_reset_option(s->tcp, SOF_KEEPALIVE);
}

static void set_keep_idle(struct socket *s, s32 value)
{
	s->tcp->keep_idle = (u32)value * 1000;
}

static void set_keep_interval(struct socket *s, s32 value)
{
	s->tcp->keep_intvl = (u32)value * 1000;
}

static void set_keep_count(struct socket *s, s32 value)
{
	s->tcp->keep_cnt = (u32)value;
}

static const struct {
	int level, name;
	void (*set)(struct socket *s, s32 value);
} options[] = {
	{ SOL_TCP, TCP_NODELAY, set_nodelay },
	{ SOL_TCP, TCP_CORK, set_cork },
	{ SOL_SOCKET, SO_KEEPALIVE, set_keepalive },
	{ SOL_TCP, TCP_KEEPIDLE, set_keep_idle },
	{ SOL_TCP, TCP_KEEPINTVL, set_keep_interval },
	{ SOL_TCP, TCP_KEEPCNT, set_keep_count },
};

int plat_hfd_setsockopt(int hfd, int level, int name, const void *v, u32 len)
{
	struct socket *s = hfd_object(hfd, HFD_SOCKET);
	s32 values[2] = { 0 };

	if (!s)
		return -EBADF;
	memcpy(values, v, MIN(len, (u32)sizeof(values)));
	net_enter();
	/* struct linger: on or off, seconds. */
	if (level == SOL_SOCKET && name == SO_LINGER)
		s->linger = values[0] ? values[1] : -1;
	for (u32 i = 0; i < ARRAY_SIZE(options); i++)
		if (s->tcp && !s->is_listener && options[i].level == level &&
		    options[i].name == name)
			options[i].set(s, values[0]);
	net_leave();
	return 0;
}

static u8 tcp_info_state(const struct socket *s)
{
	if (s->is_connecting)
		return 2;      /* TCP_SYN_SENT */
	return s->tcp ? 1 : 7; /* TCP_ESTABLISHED, TCP_CLOSE */
}

int plat_hfd_getsockopt(int hfd, int level, int name, void *v, u32 *len)
{
	struct socket *s = hfd_object(hfd, HFD_SOCKET);
	s32 value = 0;
	u8 info[104] = { 0 };

	if (!s)
		return -EBADF;
	net_enter();
	if (level == SOL_SOCKET && name == SO_ERROR) {
		value = s->error;
		s->error = 0;
	}
	info[0] = tcp_info_state(s);
	net_leave();
	if (level == SOL_TCP && name == TCP_INFO) {
		*len = MIN(*len, (u32)sizeof(info));
		memcpy(v, info, *len);
		return 0;
	}
	*len = MIN(*len, (u32)sizeof(value));
	memcpy(v, &value, *len);
	return 0;
}

int plat_hfd_sockname(int hfd, void *addr, u32 *len, bool peer)
{
	struct socket *s = hfd_object(hfd, HFD_SOCKET);
	int err = 0;

	if (!s)
		return -EBADF;
	net_enter();
	if (s->tcp && !s->is_listener)
		address_out(peer ? &s->tcp->remote_ip : &s->tcp->local_ip,
			    peer ? s->tcp->remote_port : s->tcp->local_port,
			    addr, len);
	else if (s->udp)
		address_out(peer ? &s->udp->remote_ip : &s->udp->local_ip,
			    peer ? s->udp->remote_port : s->udp->local_port,
			    addr, len);
	else
		err = -ENOTCONN;
	net_leave();
	return err;
}

int plat_hfd_readable_bytes(int hfd)
{
	struct socket *s = hfd_object(hfd, HFD_SOCKET);
	int n = 0;

	if (!s)
		return -EBADF;
	net_enter();
	if (!s->udp)
		n = (int)s->left;
	else if (!list_empty(&s->datagrams))
		n = list_first(&s->datagrams, struct datagram, node)
			    ->p->tot_len;
	net_leave();
	return n;
}
