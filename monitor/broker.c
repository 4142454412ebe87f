/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker: opens host sockets on the instance's behalf under its network
 * policy and hands them in (abi/broker.h). A request is hostile: it is copied
 * once, its lengths are checked, then it is used.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi/broker.h"
#include "abi/deliver.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/log.h"
#include "monitor/instance.h"
#include "monitor/machine.h"

#define HIDDEN_PORT "port-"

struct call {
	struct broker_request req;
	struct broker_reply reply;
	int fd;			 /* to hand in, -1 none; closed after */
	int more[2];		 /* the same, behind fd */
	const uint8_t *payload;	 /* req.payload_len bytes */
	struct stdio_data *data; /* follows the reply */
};

/* A port that is a file in the state directory. The name of a hidden one, that
 * of a clone that is not published, is gone when this returns: nobody can reach
 * it. The name says which port a socket stands for. */
static int named_port(const struct instance *in, unsigned int i, int type)
{
	const struct spec_port *p = &in->spec.ports[i];
	cleanup_close int dir =
		open(in->spec.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int fd = socket(AF_UNIX, type, 0);
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	mode_t old;
	int r;

	if (dir < 0 || fd < 0)
		return -errno;
	/* The directory's own path may be longer than an address may be. */
	snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d/%s%u",
		 dir, p->is_hidden ? HIDDEN_PORT : DELIVER_SOCKET,
		 p->is_hidden ? i : p->guest);
	unlink(sun.sun_path);
	old = umask(0177);
	r = bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	umask(old);
	if (r)
		return -errno;
	if (p->is_hidden)
		unlink(sun.sun_path);
	return take_fd(&fd);
}

static int find_port(const struct instance *in, unsigned long guest,
		     bool is_udp)
{
	for (unsigned int i = 0; i < in->spec.nports; i++) {
		if (in->spec.ports[i].guest == guest &&
		    in->spec.ports[i].is_udp == is_udp)
			return (int)i;
	}
	return -1;
}

/* The number in text after the prefix. True if it is one. */
static bool name_number(const char *text, const char *prefix, unsigned long *n)
{
	char *end;

	if (strncmp(text, prefix, strlen(prefix)) != 0)
		return false;
	*n = strtoul(text + strlen(prefix), &end, 10);
	return end != text + strlen(prefix) && !*end;
}

int broker_named_port(const struct instance *in, int fd)
{
	struct sockaddr_un sun = { 0 };
	socklen_t len = sizeof(sun) - 1;
	const char *name;
	unsigned long n;

	if (getsockname(fd, (struct sockaddr *)&sun, &len) ||
	    sun.sun_family != AF_UNIX)
		return -1;
	name = strrchr(sun.sun_path, '/');
	if (!name)
		return -1;
	if (name_number(name + 1, DELIVER_SOCKET, &n))
		return find_port(in, n, false);
	return name_number(name + 1, HIDDEN_PORT, &n) && n < in->spec.nports
		       ? (int)n
		       : -1;
}

static bool is_delivered(const struct spec_port *p)
{
	return p->is_delivered && !p->is_hidden;
}

static int bind_port(struct instance *in, unsigned int i)
{
	const struct spec_port *p = &in->spec.ports[i];
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(p->host),
		.sin_addr = p->ip,
	};
	int type = (p->is_udp || is_delivered(p) ? SOCK_DGRAM : SOCK_STREAM) |
		   SOCK_CLOEXEC | SOCK_NONBLOCK;
	int fd, one = 1;

	if (p->is_hidden || p->is_delivered)
		return named_port(in, i, type);
	fd = socket(AF_INET, type, 0);
	if (fd < 0)
		return -errno;
	if (!p->is_udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin))) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

void broker_note_port(struct instance *in, unsigned int i, int fd)
{
	struct sockaddr_in sin = { 0 };
	socklen_t len = sizeof(sin);

	if (!in->spec.ports[i].host &&
	    getsockname(fd, (struct sockaddr *)&sin, &len) == 0 &&
	    sin.sin_family == AF_INET)
		in->spec.ports[i].host = ntohs(sin.sin_port);
}

/* Processes of a monitor that was killed may hold the port until they have
 * ended, which the host is about to do. */
static int bind_port_again(struct instance *in, unsigned int i)
{
	int fd = bind_port(in, i);

	for (int ms = 0; fd == -EADDRINUSE && in->is_again && ms < 2000;
	     ms += 5) {
		usleep(5000);
		fd = bind_port(in, i);
	}
	return fd;
}

int broker_bind_ports(struct instance *in, struct err *e)
{
	for (unsigned int i = 0; i < in->spec.nports; i++) {
		const struct spec_port *p = &in->spec.ports[i];

		if ((in->ports_out | in->ports_kept) >> i & 1)
			continue;
		in->port_fds[i] = bind_port_again(in, i);
		if (in->port_fds[i] < 0)
			return err_sys(e, -in->port_fds[i], "publish %s:%u/%s",
				       inet_ntoa(p->ip), p->host,
				       p->is_udp ? "udp" : "tcp");
		broker_note_port(in, i, in->port_fds[i]);
	}
	return 0;
}

/* The port of a sockaddr_in or _in6, host order; -1 if it is neither. */
static int request_port(const struct broker_request *r)
{
	uint16_t family, port;

	if (r->addr_len < sizeof(struct sockaddr_in))
		return -1;
	memcpy(&family, r->addr, 2);
	memcpy(&port, r->addr + 2, 2);
	if (family != AF_INET &&
	    (family != AF_INET6 || r->addr_len < sizeof(struct sockaddr_in6)))
		return -1;
	return ntohs(port);
}

int broker_take_port(struct instance *in, unsigned int i, int backlog)
{
	int fd = in->port_fds[i] >= 0 ? in->port_fds[i] : bind_port(in, i);

	/* Ours stays where the port outlives the program. */
	in->port_fds[i] = fd >= 0 && in->spec.sleep.is_stateless
				  ? fcntl(fd, F_DUPFD_CLOEXEC, 10)
				  : -1;
	if (fd >= 0 && !is_delivered(&in->spec.ports[i]) &&
	    listen(fd, backlog)) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

static void set_local_address(struct call *c)
{
	socklen_t len = sizeof(c->reply.addr);

	if (getsockname(c->fd, (struct sockaddr *)c->reply.addr, &len) == 0)
		c->reply.addr_len = len;
}

/* When somebody asked for the start. */
static uint64_t asked_ns(const struct instance *in)
{
	uint64_t from = in->is_again ? in->asked_ns : in->spec.started_ns;

	return from ? from : in->started_ns;
}

static void set_listening(struct instance *in)
{
	if (in->is_listening)
		return;
	in->is_listening = true;
	sleep_changed(in);
	if (in->is_resumed)
		return;
	in->net_us = (clock_now_ns() - asked_ns(in)) / 1000;
	if (in->boot_us) /* else it is about to be known */
		state_write_times(in);
}

/* The first listener gets the socket bound at start; later ones (the program
 * closed it, or listens twice) a new one. We keep none: closing inside must
 * close outside. */
static int op_listen(struct instance *in, struct call *c)
{
	int port = request_port(&c->req);
	int i = port < 0 ? -1 : find_port(in, (uint16_t)port, false);
	int backlog = (int)(c->req.arg > 4096 ? 4096 : c->req.arg);

	if (i < 0)
		return ENOENT;
	c->fd = broker_take_port(in, (unsigned int)i, backlog);
	set_listening(in);
	return c->fd < 0 ? -c->fd : 0;
}

static bool is_resolver(const struct broker_request *r)
{
	struct sockaddr_in sin;

	memcpy(&sin, r->addr, sizeof(sin));
	return sin.sin_family == AF_INET &&
	       sin.sin_addr.s_addr == htonl(RESOLVER_IP);
}

/* The host's own loopback, and what the host takes for it: services there trust
 * whoever can reach them, and to the instance it is its own. */
static bool is_host_itself(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in6 *sin6 = (const void *)ss;
	const struct sockaddr_in *sin = (const void *)ss;
	const uint8_t *a = sin6->sin6_addr.s6_addr;
	uint32_t ip = ntohl(sin->sin_addr.s_addr);

	if (ss->ss_family == AF_INET6) {
		if (IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr) ||
		    IN6_IS_ADDR_UNSPECIFIED(&sin6->sin6_addr))
			return true;
		if (!IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr))
			return false;
		memcpy(&ip, a + 12, 4);
		ip = ntohl(ip);
	}
	return ip >> 24 == 127 || ip >> 24 == 0;
}

static bool is_allowed(const struct instance *in,
		       const struct sockaddr_storage *to)
{
	return egress_allows(&in->spec.egress, in->egress_known, to,
			     clock_now_ns());
}

static int connect_host(const struct instance *in, struct call *c, int type)
{
	struct sockaddr_storage ss;
	int port = request_port(&c->req);

	if (port < 0 || c->req.addr_len > sizeof(c->req.addr))
		return EAFNOSUPPORT;
	memset(&ss, 0, sizeof(ss));
	memcpy(&ss, c->req.addr, c->req.addr_len);
	if (is_host_itself(&ss) || !is_allowed(in, &ss))
		return EACCES;
	c->fd = socket(ss.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return errno;
	if (connect(c->fd, (struct sockaddr *)&ss, c->req.addr_len) &&
	    errno != EINPROGRESS)
		return errno;
	set_local_address(c);
	return 0;
}

static int op_connect(struct instance *in, struct call *c)
{
	if (!in->spec.has_net)
		return ENETUNREACH;
	if (request_port(&c->req) < 0)
		return EAFNOSUPPORT;
	if (is_resolver(&c->req))
		return ECONNREFUSED; /* DNS over TCP is not served */
	return connect_host(in, c, SOCK_STREAM);
}

static int op_udp_connect(struct instance *in, struct call *c)
{
	if (request_port(&c->req) < 0)
		return EAFNOSUPPORT;
	if (is_resolver(&c->req)) {
		c->fd = dns_open_client(in);
		return c->fd < 0 ? -c->fd : 0;
	}
	if (!in->spec.has_net)
		return ENETUNREACH;
	return connect_host(in, c, SOCK_DGRAM);
}

static int op_udp_bind(struct instance *in, struct call *c)
{
	int port = request_port(&c->req);
	int i = port < 0 ? -1 : find_port(in, (uint16_t)port, true);

	if (i < 0)
		return ENOENT;
	/* Ours stays: answers to unconnected peers go through it. */
	c->fd = dup(in->port_fds[i]);
	set_listening(in);
	return c->fd < 0 ? errno : 0;
}

static int op_udp_send(struct instance *in, struct call *c)
{
	struct sockaddr_storage ss = { 0 };
	int i = find_port(in, (uint16_t)c->req.arg, true);

	if (i < 0 || c->req.addr_len > sizeof(c->req.addr))
		return ENOENT;
	if (in->spec.ports[i].is_hidden)
		return ENETUNREACH;
	memcpy(&ss, c->req.addr, c->req.addr_len);
	if (!is_allowed(in, &ss))
		return EACCES;
	if (sendto(in->port_fds[i], c->payload, c->req.payload_len,
		   MSG_NOSIGNAL | MSG_DONTWAIT, (void *)c->req.addr,
		   c->req.addr_len) < 0)
		return errno;
	return 0;
}

static void tell_started(const struct instance *in)
{
	const uint64_t *phase = in->boot->phase_ns;
	uint64_t from = asked_ns(in), now = clock_now_ns();
	bool is_woken = in->is_resumed || in->is_anew;
	json_t *o = json_object();

	if (is_woken)
		json_object_update(o, in->woken_by);
	if (in->is_anew)
		json_object_set_new(o, "stateful", json_false());
	/* All of a wake's processes come a while after its first thread. */
	if (in->is_resumed && phase[BOOT_T_USER] > from &&
	    phase[BOOT_T_USER] < now)
		now = phase[BOOT_T_USER];
	json_object_set_new(o, "duration_us",
			    json_integer((json_int_t)(now - from) / 1000));
	event_add(in, is_woken ? "wake" : "start", o);
}

static int op_ready(struct instance *in)
{
	if (!in->is_ready && in->ready_fd >= 0) {
		if (write(in->ready_fd, "ok\n", 3) == 3)
			close(in->ready_fd);
		in->ready_fd = -1;
	}
	if (!in->is_ready && in->wait_fd >= 0)
		close(take_fd(&in->wait_fd));
	if (in->is_ready)
		return 0;
	in->is_ready = true;
	if ((in->is_resumed || in->is_anew) && !in->woken_by)
		in->woken_by = json_pack("{s:s}", "by", "command");
	sleep_begin(in);
	tell_started(in);
	if (!in->is_resumed) {
		in->boot_us = (clock_now_ns() - asked_ns(in)) / 1000;
		state_write_times(in);
	}
	return 0;
}

static int op_exit(struct instance *in, const struct call *c)
{
	if (in->spec.stats) {
		uint64_t used = limit_usage(in, NULL);

		if (used > in->memory_peak)
			in->memory_peak = used;
	}
	if (c->req.payload_len && !in->is_ready)
		instance_end(in, END_REFUSED, (int)c->req.arg, "%.*s",
			     (int)c->req.payload_len, (const char *)c->payload);
	else
		instance_end(in, END_EXIT, (int)c->req.arg, "exited");
	return 0;
}

static int op_winsize(struct call *c)
{
	struct winsize ws;

	if (ioctl(0, TIOCGWINSZ, &ws))
		return errno;
	c->reply.arg = (uint32_t)ws.ws_row << 16 | ws.ws_col;
	return 0;
}

/* The kernel cannot look into /proc. Only at its own host processes. */
static int op_memory(struct instance *in, struct call *c)
{
	if (getpgid((pid_t)c->req.arg) != in->group)
		return ESRCH;
	c->reply.arg = (uint32_t)(limit_private_bytes((int)c->req.arg) / 1024);
	return 0;
}

/* The kernel killed a process since memory is short, or cannot. */
static int op_oom(struct instance *in, const struct call *c)
{
	char name[16] = "";

	for (uint32_t i = 0; i < c->req.payload_len && i < 15; i++)
		name[i] = (char)(c->payload[i] > ' ' && c->payload[i] < 127
					 ? c->payload[i]
					 : '?');
	if (!in->over_since_ns && !in->machine)
		return 0;
	if (c->req.arg)
		log_warning(
			"instance %s: out of memory: killed process %u (%s)",
			in->spec.name, c->req.arg, name);
	else if (in->machine)
		machine_full(in);
	else
		limit_end(in, limit_usage(in, NULL));
	return 0;
}

/* The number of 8 bytes that a request has in its address. */
static uint64_t request_number(const struct call *c)
{
	uint64_t n;

	memcpy(&n, c->req.addr, sizeof(n));
	return n;
}

static int op_stdio(struct instance *in, struct call *c)
{
	uint64_t answer[4] = { 0 };
	int err = stdio_serve(in, &c->req, c->payload, answer, c->data);

	memcpy(c->reply.addr, answer, sizeof(c->reply.addr));
	return err;
}

static int op_exec_take(struct instance *in, struct call *c)
{
	int fds[3] = { -1, -1, -1 };
	int err = exec_take(in, c->req.arg, request_number(c), c->data,
			    &c->reply.arg, fds);

	c->fd = fds[0];
	c->more[0] = fds[1];
	c->more[1] = fds[2];
	return err;
}

static int dispatch(struct instance *in, struct call *c)
{
	switch (c->req.op) {
	case BROKER_LISTEN:
		return op_listen(in, c);
	case BROKER_CONNECT:
		return op_connect(in, c);
	case BROKER_UDP_BIND:
		return op_udp_bind(in, c);
	case BROKER_UDP_CONNECT:
		return op_udp_connect(in, c);
	case BROKER_UDP_SEND:
		return op_udp_send(in, c);
	case BROKER_READY:
		return op_ready(in);
	case BROKER_EXIT:
		return op_exit(in, c);
	case BROKER_WINSIZE_GET:
		return op_winsize(c);
	case BROKER_SETNAME:
		return 0;
	case BROKER_MEMORY:
		return op_memory(in, c);
	case BROKER_OOM:
		return op_oom(in, c);
	case BROKER_CORE_OPEN:
		return core_open(in, c->req.arg, c->payload, c->req.payload_len,
				 &c->reply.arg);
	case BROKER_CORE_WRITE:
		return core_write(in, c->req.arg, request_number(c), c->payload,
				  c->req.payload_len);
	case BROKER_CORE_CLOSE:
		return core_close(in, c->req.arg, request_number(c));
	case BROKER_STDIO:
		return op_stdio(in, c);
	case BROKER_FROZEN:
		suspend_frozen(in, c->req.arg, (const char *)c->payload,
			       c->req.payload_len);
		return 0;
	case BROKER_WOKEN:
		return in->is_resumed ? op_ready(in) : EINVAL;
	case BROKER_LESS:
		sleep_less(in);
		return 0;
	case BROKER_OUTPUT:
		logfile_told(in);
		return 0;
	case BROKER_EXEC_TAKE:
		return op_exec_take(in, c);
	case BROKER_EXEC_RUNS:
		return exec_runs(in, c->req.arg, request_number(c));
	case BROKER_EXEC_END:
		return exec_end(in, c->req.arg, request_number(c), c->payload,
				c->req.payload_len);
	default:
		return ENOSYS;
	}
}

/* The descriptors to hand in: how many. */
static uint32_t reply_fds(const struct call *c, int fds[3])
{
	const int all[3] = { c->fd, c->more[0], c->more[1] };
	uint32_t n = 0;

	while (n < 3 && all[n] >= 0 && !c->reply.error) {
		fds[n] = all[n];
		n++;
	}
	return n;
}

static void send_reply(struct instance *in, struct call *c)
{
	struct iovec iov[] = { { &c->reply, sizeof(c->reply) },
			       { c->data->bytes, c->data->len } };
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(3 * sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	int fds[3];
	uint32_t n = reply_fds(c, fds);

	if (n) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.hdr), fds, n * sizeof(int));
		c->reply.nfds = n;
	}
	/* The instance waits for this reply; if it is gone, so be it. */
	if (sendmsg(in->broker_fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	    in->end == END_NONE)
		instance_end(in, END_CRASH, 0, "broker: reply not taken: %s",
			     strerror(errno));
}

int broker_serve(struct instance *in)
{
	static uint8_t buf[sizeof(struct broker_request) + BROKER_PAYLOAD_MAX];
	static struct stdio_data data;
	struct call c = { .fd = -1, .more = { -1, -1 }, .data = &data };
	ssize_t n = recv(in->broker_fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n < (ssize_t)sizeof(c.req)) {
		if (n > 0)
			instance_end(in, END_CRASH, 0,
				     "broker: request of %zd bytes", n);
		return n > 0 ? 0 : -EPIPE;
	}
	data.len = 0;
	memcpy(&c.req, buf, sizeof(c.req));
	c.payload = buf + sizeof(c.req);
	if (c.req.payload_len != (size_t)n - sizeof(c.req))
		c.reply.error = EBADMSG;
	else
		c.reply.error = dispatch(in, &c);
	/* It is the reply that would let a suspended instance go on. */
	if (in->end != END_SUSPENDED && c.req.op != BROKER_WOKEN &&
	    c.req.op != BROKER_LESS && c.req.op != BROKER_OUTPUT)
		send_reply(in, &c);
	if (c.req.op == BROKER_FROZEN)
		snapshot_thawed(in);
	if (c.fd >= 0)
		close(c.fd);
	for (int i = 0; i < 2; i++)
		if (c.more[i] >= 0)
			close(c.more[i]);
	return 0;
}

int broker_event(struct instance *in, uint32_t type, uint32_t arg,
		 uint32_t arg2)
{
	struct broker_event ev = { .type = type, .arg = arg, .arg2 = arg2 };

	if (!in->is_started)
		return -ENOTCONN;
	return send(in->event_fd, &ev, sizeof(ev),
		    MSG_NOSIGNAL | MSG_DONTWAIT) < 0
		       ? -errno
		       : 0;
}
