/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets: what all families share. A socket is a file whose data is a struct
 * sock; struct sock is the first part of the family's own struct. Families are
 * rows of families[] in sock.c.
 */
#ifndef JIFFY_KERNEL_NET_SOCK_H
#define JIFFY_KERNEL_NET_SOCK_H

#include "kernel/linux/socket.h"
#include "kernel/net/scm.h"
#include "kernel/net/stream.h"
#include "kernel/proc/waitq.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/poll.h"

struct cred;
struct fmt_buf;
struct object;
struct sock;

#define SOCK_BUF_DEFAULT 212992	 /* net.core.[rw]mem_default and _max */
#define TCP_SNDBUF_DEFAULT 16384 /* net.ipv4.tcp_wmem, tcp_rmem */
#define TCP_RCVBUF_DEFAULT 131072
#define EV_READ (EV_IN | EV_RDNORM)
#define EV_WRITE (EV_OUT | EV_WRNORM)

/* An address as the program gives and gets it; len 0: none. */
struct sock_addr {
	u32 len;
	union {
		u16 family;
		u8 bytes[SOCK_ADDR_MAX];
		struct linux_sockaddr_in in;
		struct linux_sockaddr_in6 in6;
		struct linux_sockaddr_un un;
		struct linux_sockaddr_nl nl;
	};
};

/* Ancillary data out: a cursor over the program's control buffer. */
struct control_out {
	uaddr_t buf;
	u64 len, used;
	bool is_cut; /* MSG_CTRUNC */
};

/* One sendmsg or recvmsg. */
struct sock_msg {
	struct uio uio;
	struct sock_addr *addr; /* send: destination, len 0 none; recv: filled
				 * in, NULL if not wanted */
	u32 flags;     /* MSG_* of the call; MSG_DONTWAIT also for O_NONBLOCK */
	u32 out_flags; /* recv: MSG_TRUNC, ... */
	struct scm scm; /* send: owned by the message; recv: received */
	struct control_out *control; /* recv: for pktinfo and such, or NULL */
	u64 control_in, control_in_len; /* send: the control buffer */
};

/* Calls of one type of socket. NULL: EOPNOTSUPP. Blocking calls sleep unless
 * nonblock; they return -ERESTARTSYS or -EINTR when interrupted. */
struct sock_ops {
	const char *name;
	int (*bind)(struct sock *sk, const struct sock_addr *a);
	int (*connect)(struct sock *sk, const struct sock_addr *a,
		       bool nonblock);
	int (*listen)(struct sock *sk, int backlog);
	/* A connected socket with one reference, its peer's name in *a. */
	int (*accept)(struct sock *sk, bool nonblock, struct sock **new_sk,
		      struct sock_addr *a);
	int (*name_get)(struct sock *sk, bool peer, struct sock_addr *a);
	s64 (*send)(struct sock *sk, struct sock_msg *m);
	s64 (*recv)(struct sock *sk, struct sock_msg *m);
	/* Plain read and write, when they are simpler. */
	s64 (*read)(struct sock *sk, struct uio *u, bool nonblock);
	s64 (*write)(struct sock *sk, struct uio *u, bool nonblock);
	int (*shutdown)(struct sock *sk, int how);
	u32 (*poll)(struct sock *sk, struct poll_table *pt);
	/* Options beyond SOL_SOCKET's; -ENOPROTOOPT. value is in kernel
	 * memory, *len its size and what was written. */
	int (*setsockopt)(struct sock *sk, int level, int name,
			  const void *value, u32 len);
	int (*getsockopt)(struct sock *sk, int level, int name, void *value,
			  u32 *len);
	/* A SOL_SOCKET option was stored: pass it on. */
	void (*option_changed)(struct sock *sk, int name);
	int (*take_error)(struct sock *sk); /* SO_ERROR beyond sk->error */
	long (*ioctl)(struct sock *sk, u32 cmd, uaddr_t arg);
	s64 (*sendfile)(struct sock *sk, struct object *o, u64 offset, u64 len,
			bool nonblock);
	/* The last descriptor is closed: part from peers and names. The
	 * struct may live on by references. */
	void (*close)(struct sock *sk);
	/* The last reference is gone: free what the type added. */
	void (*free)(struct sock *sk);
};

enum sock_state { SS_CLOSED, SS_CONNECTING, SS_CONNECTED, SS_LISTEN };

enum urg_state { URG_NONE, URG_VALID, URG_READ /* by MSG_OOB */ };

enum { SHUT_BIT_RD = 1, SHUT_BIT_WR = 2, SHUT_BITS = 3 };

enum sock_flags { /* boolean SOL_SOCKET options */
		  SF_REUSEADDR = 1 << 0,
		  SF_REUSEPORT = 1 << 1,
		  SF_KEEPALIVE = 1 << 2,
		  SF_BROADCAST = 1 << 3,
		  SF_PASSCRED = 1 << 4,
		  SF_DONTROUTE = 1 << 5,
		  SF_OOBINLINE = 1 << 6,
		  SF_LINGER = 1 << 7,
		  SF_DEBUG = 1 << 8,
		  SF_NO_CHECK = 1 << 9,
		  SF_TIMESTAMP = 1 << 10,     /* SO_TIMESTAMP, microseconds */
		  SF_TIMESTAMPNS = 1 << 11,   /* SO_TIMESTAMPNS */
		  SF_TIMESTAMP_NEW = 1 << 12, /* by the _NEW number */
		  SF_PASSSEC = 1 << 13,
		  SF_RXQ_OVFL = 1 << 14,
		  SF_WIFI_STATUS = 1 << 15,
		  SF_NOFCS = 1 << 16,
		  SF_LOCK_FILTER = 1 << 17,
		  SF_SELECT_ERR_QUEUE = 1 << 18,
		  SF_PREFER_BUSY_POLL = 1 << 19,
		  SF_RCVMARK = 1 << 20,
		  SF_PASSPIDFD = 1 << 21,
};
#define SF_TIMESTAMPS (SF_TIMESTAMP | SF_TIMESTAMPNS)
/* The sender's credentials are wanted. */
#define SF_PASS (SF_PASSCRED | SF_PASSPIDFD)

struct sock {
	struct ref ref;		    /* the file, the peer, queues */
	const struct sock_ops *ops; /* changes when it connects outside */
	struct file *file;	    /* borrowed; NULL: none yet, or closed */
	u64 ino; /* of the file, for /proc/net; 0: not accepted yet */
	u16 domain, type;
	u16 protocol;
	u32 state;		   /* enum sock_state; written under lock */
	u32 shut;		   /* SHUT_BIT_* from either side, atomic */
	s32 error;		   /* SO_ERROR: positive errno, atomic */
	u32 flags;		   /* enum sock_flags, atomic */
	struct waitq rwait, wwait; /* readable, acceptable; writable */

	struct mutex lock; /* state, names, accept queue, options */
	struct sock *peer; /* reference; datagrams: may change under lock */
	struct list accept_queue; /* struct sock.accept_node */
	struct list accept_node;
	u32 naccept, backlog;
	struct linux_ucred cred; /* of the owner */
	struct linux_ucred peer_cred;
	struct cred *peer_groups; /* the peer's: reference, AF_UNIX, or NULL */
	u32 rcvbuf, sndbuf, rcvlowat;
	s32 linger, priority, mark, busy_poll, incoming_cpu;
	s32 busy_budget, buf_lock, txrehash;
	s32 timestamping; /* SOF_TIMESTAMPING_* */
	s32 peek_off;	  /* where MSG_PEEK looks next; -1: at the start */
	u32 peek_skip;	  /* that, from the start of the message */
	u32 ndrops;	  /* messages lost for lack of room, atomic */
	u64 pacing_rate, cookie;
	nsec_t rcvtimeo, sndtimeo; /* 0: none */

	/* What has arrived: stream or messages. */
	struct mutex rx_lock;
	struct stream rx; /* connected streams */
	u64 urg_pos;	  /* of the urgent byte in rx, by urg_state */
	u32 urg_state;	  /* enum urg_state */
	struct list msgs; /* struct msg.node */
	u64 msg_bytes;
	u32 nmsgs;
	bool rx_closed;	       /* nobody will read: drop, tell the writer */
	bool want_space;       /* a writer was refused */
	u64 wmem;	       /* datagrams of ours queued elsewhere, atomic */
	u32 gc_refs, gc_state; /* scm_gc.c, under its lock */
	u32 inflight;
	struct list inflight_node;
};

struct sock_family {
	u16 domain;
	int (*create)(u32 type, u32 protocol, struct sock **sk);
};

/* Once at start, after vfs_init(): /proc/net. */
void net_init(void);

/* socket(): a socket with one reference. */
int sock_create(u32 domain, u32 type, u32 protocol, struct sock **sk);
/* Allocate and fill the shared part of a struct of size bytes. */
int sock_alloc(size_t size, const struct sock_ops *ops, u32 domain, u32 type,
	       u32 protocol, struct sock **sk);
void sock_get(struct sock *sk);
bool sock_tryget(struct sock *sk);
void sock_put(struct sock *sk);
/* A file on sk; takes over the reference also on failure. */
int sock_file_new(struct sock *sk, u32 flags, struct file **f);
/* The socket behind f, or NULL. */
struct sock *sock_from_file(const struct file *f);
/* Socket has got outside descriptors, or lost them: epoll sets look anew. */
void sock_sources_changed(struct sock *sk);

/* The error stored for SO_ERROR, cleared; negative errno or 0. */
int sock_take_error(struct sock *sk);
void sock_set_error(struct sock *sk, int err);
/* A signal to whom the socket's file belongs (F_SETOWN), if to anybody. */
void sock_signal_owner(struct sock *sk, int sig);
/* Everything may have changed: wake all. */
void sock_wake_all(struct sock *sk);

/* Sleep on q until woken, with `held` dropped meanwhile (NULL: none). 0, or the
 * call's result: -EAGAIN (timeout), -ERESTARTSYS, -EINTR. *deadline is 0 at
 * first and holds the deadline of `timeout` later. */
int sock_sleep(struct waitq *q, struct mutex *held, nsec_t timeout,
	       nsec_t *deadline);
/* The same for what several sleepers may have a part of: bytes of a stream. */
int sock_sleep_shared(struct waitq *q, struct mutex *held, nsec_t timeout,
		      nsec_t *deadline);
/* Also until the outside descriptor has one of events. */
int sock_sleep_hfd(struct waitq *q, int hfd, u32 events, nsec_t timeout,
		   nsec_t *deadline);
/* Result of an interrupted or timed out sleep. */
int sock_sleep_error(int err, nsec_t timeout);
/* The pipe is broken: SIGPIPE unless MSG_NOSIGNAL; -EPIPE. */
int sock_broken(u32 flags);

/* Outgoing control messages (recv). */
void control_put(struct control_out *c, int level, int type, const void *data,
		 u64 len);
/* Give received descriptors and credentials to the program. */
void control_put_scm(struct control_out *c, struct sock *sk, struct scm *scm,
		     bool cloexec);

/* The calls, with sk->ops checked (sockcall.c). flags as MSG_*. */
s64 sock_send(struct sock *sk, struct sock_msg *m);
s64 sock_recv(struct sock *sk, struct sock_msg *m);
int sock_setsockopt(struct sock *sk, int level, int name, uaddr_t value,
		    s32 len);
int sock_getsockopt(struct sock *sk, int level, int name, uaddr_t value,
		    uaddr_t len);
/* The bytes [offset, offset+len) of an object to a socket that can take them
 * without a copy: file_ops.splice_from_object. -EOPNOTSUPP: it cannot. */
s64 sock_sendfile(struct file *f, struct object *o, u64 offset, u64 len);

/* An integer option value: at least 4 bytes. */
int sockopt_int(const void *value, u32 len, s32 *out);

/* Families. */
int unix_create(u32 type, u32 protocol, struct sock **sk);
int inet_create4(u32 type, u32 protocol, struct sock **sk);
int inet_create6(u32 type, u32 protocol, struct sock **sk);
int netlink_create(u32 type, u32 protocol, struct sock **sk);
/* Put len bytes of the kernel's own into a netlink socket's queue; nothing if
 * it is closed. */
void netlink_deliver(struct sock *sk, const void *data, u32 len);
int unix_socketpair(u32 type, u32 protocol, struct sock *pair[2]);
/* ioctls on network interfaces, for any socket. -ENOTTY: not one of them. */
long netdev_ioctl(u32 cmd, uaddr_t arg);

/* Rows of /proc/net. */
void unix_show(struct fmt_buf *out);
void tcp4_show(struct fmt_buf *out);
void tcp6_show(struct fmt_buf *out);
void udp4_show(struct fmt_buf *out);
void udp6_show(struct fmt_buf *out);
u64 sock_count(void); /* sockets that exist */

#endif
