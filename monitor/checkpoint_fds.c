/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptor table of a frozen instance, which all its host processes
 * share: what each number is, so that the same can be put there again. What is
 * found there is the instance's work: anything that it cannot have by the
 * kernel's own ways ends the freeze.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"

#define FDINFO_MAX (1u << 20)

struct look {
	struct checkpoint_out *out;
	const struct instance *in;
	int dir_fd; /* /proc/PID/fd */
	int pid_fd; /* to take copies by; -1: not open yet */
};

static bool is_same_file(const struct stat *a, int fd)
{
	struct stat b;

	return fd >= 0 && fstat(fd, &b) == 0 && a->st_dev == b.st_dev &&
	       a->st_ino == b.st_ino;
}

/* A copy of descriptor n of the instance. */
static int take_copy(struct look *l, int n)
{
	if (l->pid_fd < 0)
		l->pid_fd = (int)syscall(SYS_pidfd_open, l->in->group, 0);
	return (int)syscall(SYS_pidfd_getfd, l->pid_fd, n, 0);
}

/* The published port that a socket is bound to, or -1. */
static int find_port(const struct instance *in, int fd, bool is_udp)
{
	struct sockaddr_in sin = { 0 };
	socklen_t len = sizeof(sin);

	if (getsockname(fd, (struct sockaddr *)&sin, &len) ||
	    sin.sin_family != AF_INET)
		return -1;
	for (unsigned int i = 0; i < in->spec.nports; i++) {
		const struct spec_port *p = &in->spec.ports[i];

		if (p->is_udp == is_udp && htons(p->host) == sin.sin_port &&
		    p->ip.s_addr == sin.sin_addr.s_addr)
			return (int)i;
	}
	return -1;
}

static int socket_option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) ? -1 : value;
}

/* What the program asked for; the host keeps it where connections have the
 * segments that were answered. */
static uint32_t socket_backlog(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len)
		       ? SOMAXCONN
		       : info.tcpi_sacked;
}

static bool has_peer(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return getpeername(fd, (struct sockaddr *)&ss, &len) == 0;
}

static int look_at_socket(struct look *l, struct checkpoint_fd *f)
{
	cleanup_close int fd = take_copy(l, f->number);
	int port;

	f->kind = CHECKPOINT_FD_SOCKET;
	f->a = CHECKPOINT_SOCKET_CONNECTED;
	if (fd < 0)
		return err_sys(l->out->e, errno, "descriptor %d", f->number);
	port = broker_named_port(l->in, fd);
	if (port >= 0) {
		f->a = !l->in->spec.ports[port].is_udp
			       ? CHECKPOINT_SOCKET_LISTENING
			       : CHECKPOINT_SOCKET_PORT;
		f->b = (uint64_t)SOMAXCONN << 32 | (uint32_t)port;
	} else if (socket_option(fd, SO_DOMAIN) == AF_UNIX) {
		f->a = CHECKPOINT_SOCKET_RESOLVER;
	} else if (socket_option(fd, SO_ACCEPTCONN) == 1) {
		port = find_port(l->in, fd, false);
		if (port < 0)
			return err_set(l->out->e, ENOTSUP,
				       "descriptor %d listens at a port that "
				       "is not published",
				       f->number);
		f->a = CHECKPOINT_SOCKET_LISTENING;
		f->b = (uint64_t)socket_backlog(fd) << 32 | (uint32_t)port;
	} else if (socket_option(fd, SO_TYPE) == SOCK_DGRAM && !has_peer(fd)) {
		port = find_port(l->in, fd, true);
		if (port >= 0) {
			f->a = CHECKPOINT_SOCKET_PORT;
			f->b = (uint32_t)port;
		}
	}
	return 0;
}

/* The host's description of what is special in descriptor n. */
static int read_fdinfo(const struct look *l, int n, char **text)
{
	cleanup_close int fd = -1;
	cleanup_free char *buf = malloc(FDINFO_MAX);
	size_t len = 0;
	char path[64];
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)l->in->group,
		 n);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !buf)
		return err_sys(l->out->e, buf ? errno : ENOMEM, "%s", path);
	while (len < FDINFO_MAX - 1 &&
	       (got = read(fd, buf + len, FDINFO_MAX - 1 - len)) > 0)
		len += (size_t)got;
	buf[len] = '\0';
	if (len == FDINFO_MAX - 1)
		return err_set(l->out->e, E2BIG,
			       "descriptor %d has too many "
			       "members",
			       n);
	*text = take_ptr(buf);
	return 0;
}

static int look_at_set(struct look *l, struct checkpoint_fd *f)
{
	cleanup_free char *text = NULL;
	const char *p;

	f->kind = CHECKPOINT_FD_EPOLL;
	f->a = l->out->members.count;
	if (read_fdinfo(l, f->number, &text))
		return -l->out->e->code;
	for (p = strstr(text, "tfd:"); p; p = strstr(p + 1, "tfd:")) {
		struct checkpoint_member *m;
		unsigned int events;
		uint64_t data;
		int number;

		if (sscanf(p, "tfd: %d events: %x data: %" SCNx64, &number,
			   &events, &data) != 3)
			continue;
		m = checkpoint_add(&l->out->members, sizeof(*m), 1);
		if (!m)
			return err_sys(l->out->e, ENOMEM, "epoll sets");
		*m = (struct checkpoint_member){ number, events, data };
	}
	f->b = l->out->members.count - f->a;
	return 0;
}

static int look_at_bell(struct look *l, struct checkpoint_fd *f)
{
	static const char name[] = "eventfd-count:";
	cleanup_free char *text = NULL;
	const char *p;

	f->kind = CHECKPOINT_FD_BELL;
	if (read_fdinfo(l, f->number, &text))
		return -l->out->e->code;
	p = strstr(text, name);
	f->a = p ? strtoull(p + sizeof(name) - 1, NULL, 16) : 0;
	return 0;
}

static int look_at_nameless(struct look *l, struct checkpoint_fd *f)
{
	char name[16], to[64];
	ssize_t n;

	snprintf(name, sizeof(name), "%d", f->number);
	n = readlinkat(l->dir_fd, name, to, sizeof(to) - 1);
	to[n > 0 ? n : 0] = '\0';
	if (strcmp(to, "anon_inode:[eventpoll]") == 0)
		return look_at_set(l, f);
	if (strcmp(to, "anon_inode:[eventfd]") == 0)
		return look_at_bell(l, f);
	return err_set(l->out->e, ENOTSUP, "descriptor %d (%s) cannot be kept",
		       f->number, to);
}

/* Each volume may be there twice: boot_volume.direct_fd. */
static bool is_direct(struct look *l, int n)
{
	cleanup_close int fd = take_copy(l, n);

	return fd >= 0 && (fcntl(fd, F_GETFL) & O_DIRECT);
}

/* True if it is a file or socket that the monitor gave at the start. */
static bool is_given(struct look *l, const struct stat *st,
		     struct checkpoint_fd *f)
{
	const struct instance *in = l->in;

	for (unsigned int i = 0; i < in->spec.nvolumes; i++) {
		if (is_same_file(st, in->volume_fds[i])) {
			f->kind = CHECKPOINT_FD_VOLUME;
			f->a = i;
			f->b = is_direct(l, f->number);
			return true;
		}
	}
	if (is_same_file(st, in->image_fd))
		f->kind = CHECKPOINT_FD_IMAGE; /* also in place of stdio */
	else if (is_same_file(st, in->cache_fd))
		f->kind = CHECKPOINT_FD_CACHE;
	else if (f->number <= 2)
		f->kind = CHECKPOINT_FD_STDIO;
	else if (f->number == in->guest.trace)
		f->kind = CHECKPOINT_FD_TRACE;
	else if (f->number == in->guest.broker && S_ISSOCK(st->st_mode))
		f->kind = CHECKPOINT_FD_BROKER;
	else if (f->number == in->guest.event && S_ISSOCK(st->st_mode))
		f->kind = CHECKPOINT_FD_EVENT;
	else
		return false;
	return true;
}

/* It was woken from that, and not all of its processes were made yet. */
static bool is_older(const struct look *l, const struct stat *st)
{
	return is_same_file(st, resume_file(l->in));
}

static int look_at(struct look *l, const char *name)
{
	struct checkpoint_fd *f = checkpoint_add(&l->out->fds, sizeof(*f), 1);
	struct stat st;

	if (!f)
		return err_sys(l->out->e, ENOMEM, "descriptors");
	f->number = (int32_t)strtol(name, NULL, 10);
	if (fstatat(l->dir_fd, name, &st, 0))
		return err_sys(l->out->e, errno, "descriptor %s", name);
	if (is_older(l, &st)) {
		l->out->fds.count--;
		return 0;
	}
	if (is_given(l, &st, f))
		return 0;
	if (S_ISSOCK(st.st_mode))
		return look_at_socket(l, f);
	return look_at_nameless(l, f);
}

static int by_number(const void *a, const void *b)
{
	return ((const struct checkpoint_fd *)a)->number -
	       ((const struct checkpoint_fd *)b)->number;
}

static int look_at_all(struct look *l)
{
	cleanup_dir DIR *dir = NULL;
	struct checkpoint_array *fds = &l->out->fds;
	struct dirent *d;
	int r = 0;

	dir = fdopendir(dup(l->dir_fd));
	if (!dir)
		return err_sys(l->out->e, errno, "list of descriptors");
	while (!r && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			r = look_at(l, d->d_name);
	if (!r)
		qsort(fds->items, fds->count, sizeof(struct checkpoint_fd),
		      by_number);
	return r;
}

int checkpoint_descriptors(struct checkpoint_out *out,
			   const struct instance *in)
{
	struct look l = { .out = out, .in = in, .pid_fd = -1 };
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)in->group);
	l.dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l.dir_fd < 0)
		return err_sys(out->e, errno, "%s", path);
	r = look_at_all(&l);
	if (l.pid_fd >= 0)
		close(l.pid_fd);
	close(l.dir_fd);
	return r;
}
