/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_INET and AF_INET6: addresses, ports and the struct of TCP and UDP
 * sockets. Inside the instance they talk to each other; what goes outside is
 * a socket of the host that the broker handed in (an hfd).
 */
#ifndef JIFFY_KERNEL_NET_INET_H
#define JIFFY_KERNEL_NET_INET_H

#include "kernel/linux/inet.h"
#include "kernel/net/activity.h"
#include "kernel/net/sock.h"

/* IPv4 as ::ffff:a.b.c.d, so that both are compared alike. */
struct inet_addr {
	u8 ip[16];
	u16 port; /* host order */
	u32 scope;
};

struct udp_cork;
enum { INET_NOPTS = 64, UDP_PEERS = 4 };

struct udp_peer { /* a connected UDP socket outside */
	struct inet_addr addr;
	int hfd; /* -1: free slot */
	bool is_resolver;
	u64 used; /* for choosing whom to give up */
};

struct inet_sock {
	struct sock sk;
	struct inet_addr local, remote; /* sk.lock; remote.port 0: none */
	struct list port_node;		/* in the port table, under its lock */
	bool is_bound;			/* in the table */
	bool is_child;			/* in the table, by accept() */
	bool is_active_closer; /* its end came first: TIME_WAIT after */
	bool has_user_port;    /* bound by bind(), not by us */
	bool is_v6only;
	bool is_connecting; /* the result of connect() was not seen yet */
	bool is_delivered;  /* hfd takes connections as abi/deliver.h says */
	int hfd; /* outside: listening, connected or bound; -1 none */
	struct udp_peer *peers; /* UDP_PEERS of them, NULL: none yet */
	u64 peer_clock;
	u64 opts_set;	    /* bit per row that was set */
	u32 wants;	    /* enum inet_wants: what recvmsg() adds */
	struct list groups; /* multicast: mcast.c; next NULL: none yet */
	struct list errors; /* struct msg; under rx_lock; udp_msg.c */
	u32 nerrors;
	struct udp_cork *cork; /* datagram in the making (udp.c), sk.lock */
	u32 mcast_ifindex, mcast_ip; /* IP_MULTICAST_IF; 0: any */
	s32 cscov_out, cscov_in; /* UDP-Lite: -1 as a receiver: not asked for */
	s32 opts[INET_NOPTS];	 /* by row of the option table */
	struct activity activity; /* of an hsock */
};

/* UDP whose checksum covers a part (RFC 3828): a protocol of its own, for the
 * inside only. */
static inline bool inet_is_udplite(const struct sock *sk)
{
	return sk->protocol == IPPROTO_UDPLITE;
}

/* Ancillary data the program asked for, by option. */
enum inet_wants {
	WANT_PKTINFO = 1,
	WANT_TTL = 2,
	WANT_TOS = 4,
	WANT_ORIGDST = 8,
	WANT_PKTINFO6 = 16,
	WANT_HOPLIMIT = 32,
	WANT_TCLASS = 64,
	WANT_ORIGDST6 = 128,
	WANT_INQ = 256,
};

static inline struct inet_sock *inet_of(struct sock *sk)
{
	return container_of(sk, struct inet_sock, sk);
}

/* --- inet_addr.c
 * --------------------------------------------------------------- */

/* The program's address for a socket of this domain. -EINVAL, -EAFNOSUPPORT. */
int inet_addr_parse(const struct sock_addr *a, u16 domain,
		    struct inet_addr *out);
void inet_addr_format(const struct inet_addr *in, u16 domain,
		      struct sock_addr *a);
/* As the host's sockaddr, v4 where it is v4: bytes written. */
u32 inet_addr_host(const struct inet_addr *in, void *buf);
void inet_addr_from_host(const void *buf, u32 len, struct inet_addr *out);
/* A peer outside that has a loopback address of the host's is shown as the
 * gateway: inside, loopback means the instance itself. And back, to answer. */
void inet_hide_loopback(struct inet_addr *peer);
void inet_show_loopback(struct inet_addr *peer);
void inet_addr_v4(struct inet_addr *a, u32 ip_network_order, u16 port);
bool inet_is_v4(const struct inet_addr *a);
bool inet_is_any(const struct inet_addr *a);
/* Inside the instance: loopback, its own address, or no address. */
bool inet_is_local(const struct inet_addr *a);
bool inet_is_multicast(const struct inet_addr *a); /* or broadcast */
bool inet_is_resolver(const struct inet_addr *a);
bool inet_ip_equal(const struct inet_addr *a, const struct inet_addr *b);
/* The interface by which what is for `to`, inside, comes in. */
u32 inet_ifindex(const struct inet_addr *to);
/* May a socket bind to it? 0, -EADDRNOTAVAIL. */
int inet_check_bind(const struct inet_addr *a);
/* The address a socket has towards dest, when bound to none. */
void inet_choose_source(const struct inet_addr *dest, struct inet_addr *src);
/* "no address" of a domain's sockets. */
void inet_addr_any(u16 domain, struct inet_addr *a);

/* --- port.c
 * --------------------------------------------------------------------- */

struct port_table;
extern struct port_table tcp_ports, udp_ports, udplite_ports;

/* Enter isk under isk->local, port 0: an ephemeral one. sk.lock held.
 * -EADDRINUSE. */
int port_bind(struct port_table *t, struct inet_sock *isk);
void port_unbind(struct port_table *t, struct inet_sock *isk);
/* An accepted connection holds its listener's port, too. */
void port_add_child(struct port_table *t, struct inet_sock *isk);
/* isk, bound or a child, is closed but its port stays taken for a while. */
void port_linger(struct port_table *t, struct inet_sock *isk);
u32 port_count_children(struct port_table *t); /* accepted ones */
/* Ports that are held by ends of connections that are gone. */
u32 port_count_lingering(struct port_table *t);
/* May isk listen here (nobody else does, or shares)? 0, -EADDRINUSE; on success
 * its state is SS_LISTEN. sk.lock held. */
int port_listen(struct port_table *t, struct inet_sock *isk);
/* Who gets what is for dest, with a reference, or NULL. */
struct inet_sock *port_find_listener(struct port_table *t,
				     const struct inet_addr *dest);
struct inet_sock *port_find_receiver(struct port_table *t,
				     const struct inet_addr *dest,
				     const struct inet_addr *from);
/* All that are to get a datagram for a group or for everybody that comes in on
 * this interface: up to max of them, with references. */
u32 port_find_all(struct port_table *t, const struct inet_addr *dest,
		  const struct inet_addr *from, u32 ifindex,
		  struct inet_sock **found, u32 max);
/* As Linux numbers the states of TCP; UDP: connected or not. */
u32 inet_state(const struct inet_sock *s);
void port_show(struct port_table *t, u16 domain, struct fmt_buf *out,
	       void (*row)(struct fmt_buf *out, u32 n, struct inet_sock *isk));
u32 port_count(struct port_table *t);

/* --- inet.c
 * ----------------------------------------------------------------------- */

/* A TCP or UDP socket of a domain, nothing bound. */
int inet_new(u16 domain, u16 type, const struct sock_ops *ops,
	     struct sock **sk);
/* Fill the inet part of a socket that is new. */
void inet_setup(struct inet_sock *isk);
int inet_bind(struct sock *sk, const struct sock_addr *a);
int inet_name_get(struct sock *sk, bool peer, struct sock_addr *a);
struct port_table *inet_ports(const struct sock *sk);
/* An ephemeral port if there is none. sk.lock held. */
int inet_autobind(struct inet_sock *isk);
void inet_unbind(struct inet_sock *isk);
/* shutdown() of sockets without a connection to end. */
int inet_shutdown_datagram(struct sock *sk, int how);
void inet_free(struct sock *sk);
/* Once at start: read the published ports. */
void inet_start(void);
/* Is this port of the instance reachable from outside? */
bool inet_is_published(u16 port, u32 protocol);
/* What the monitor said of it, or NULL. */
const struct boot_port *inet_published(u16 port, u32 protocol);
/* Options of the parent for an accepted socket. */
void inet_inherit(struct inet_sock *child, const struct inet_sock *parent);

/* --- inet_opt.c
 * ------------------------------------------------------------------- */

void inet_opt_init(struct inet_sock *isk);
int inet_setsockopt(struct sock *sk, int level, int name, const void *value,
		    u32 len);
int inet_getsockopt(struct sock *sk, int level, int name, void *value,
		    u32 *len);
/* The stored value of an option that is in the table. */
s32 inet_opt_value(const struct inet_sock *isk, int level, int name);
/* Pass all that was set on to isk->hfd. */
void inet_opt_replay(struct inet_sock *isk);
/* SOL_SOCKET options that the host should know. */
void inet_option_changed(struct sock *sk, int name);

/* --- mcast.c
 * ---------------------------------------------------------------------------
 */

/* Is isk to get what is sent to the group on this interface? */
bool mcast_is_member(struct inet_sock *isk, const struct inet_addr *group,
		     u32 ifindex);
void mcast_leave_all(struct inet_sock *isk);
void mcast_show(struct fmt_buf *out);	 /* /proc/net/igmp */
void mcast_show_v6(struct fmt_buf *out); /* /proc/net/igmp6 */
/* Options about groups; 1: not one of them. */
int mcast_setsockopt(struct inet_sock *isk, int level, int name,
		     const void *value, u32 len);
int mcast_getsockopt(struct inet_sock *isk, int level, int name, void *value,
		     u32 *len);

/* --- tcp.c, udp.c, hsock.c
 * ---------------------------------------------------------- */

extern const struct sock_ops tcp_ops, udp_ops, hsock_ops;
/* tcp.c: an hsock whose connect failed is a fresh socket again. */
int tcp_connect(struct sock *sk, const struct sock_addr *a, bool nonblock);
/* Both sides of this connection inside have ended it, or one has reset it. */
bool tcp_is_over(struct sock *sk);
/* hsock.c: sk, unconnected TCP, connects to dest outside. sk.lock held by
 * nobody. */
int hsock_connect(struct sock *sk, const struct inet_addr *dest, bool nonblock);
/* A connection that was accepted on listener. Takes over hfd. */
int hsock_accepted(struct inet_sock *listener, int hfd,
		   const struct inet_addr *peer, struct sock **out);
/* The rest of u as an array for the platform: how many, -EFAULT. */
#define HSOCK_IOV 64
int hsock_iov(const struct uio *u, struct plat_iovec *tmp,
	      const struct plat_iovec **iov);
/* Ready now, without waiting. */
u32 hsock_ready_now(int hfd, u32 events);

/* --- raw.c
 * -------------------------------------------------------------------------- */

int raw_create(u16 domain, u32 protocol, struct sock **sk);

/* --- broker.c
 * ------------------------------------------------------------------------- */

/* One request; *hfd (if wanted) receives the descriptor, *local the address the
 * host chose (may be NULL). 0 or -errno. */
int broker_socket(u32 op, u32 arg, const struct inet_addr *addr, int *hfd,
		  struct inet_addr *local);
/* A datagram from a published port. */
int broker_udp_send(u16 port, const struct inet_addr *to, struct uio *u);

#endif
