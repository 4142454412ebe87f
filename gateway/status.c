/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many connections from outside an instance has open: its kernel counts
 * them (abi/status.h), in memory that its monitor hands out and that is mapped
 * here to be read only. Wanted where there is a choice or a limit. What an
 * instance says is about itself, and is cut to what can be.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi/status.h"
#include "gateway/service_int.h"
#include "host/cleanup.h"

#define AGAIN_NS 100000000ULL /* before it is asked, or looked at, again */
#define OPEN_MAX 1000000

struct fetch {
	struct member *member; /* a reference */
	const struct status_block *block;
	struct status_owner owner;
};

/* Which monitor has the instance; false: none. */
static bool look(const struct member *m, struct status_owner *out)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "instances/%s/control.sock", m->name);
	if (fstatat(services.store, path, &st, 0))
		return false;
	*out = (struct status_owner){ st.st_ino, st.st_ctim.tv_sec,
				      st.st_ctim.tv_nsec };
	return true;
}

static int connect_monitor(const struct member *m)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 1 };
	int n = snprintf(sun.sun_path, sizeof(sun.sun_path),
			 "/proc/self/fd/%d/instances/%s/control.sock",
			 services.store, m->name);

	if (fd < 0 || n >= (int)sizeof(sun.sun_path))
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return connect(fd, (struct sockaddr *)&sun, sizeof(sun)) ? -1
								 : take_fd(&fd);
}

/* The descriptor that comes with the answer, and where the block is in it. */
static int ask_block(int monitor, unsigned long *offset)
{
	static const char request[] = "{\"op\":\"status\",\"block\":true}\n";
	char answer[8192] = "", *at;
	struct iovec iov = { answer, sizeof(answer) - 1 };
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fd;

	if (send(monitor, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0 ||
	    recvmsg(monitor, &msg, MSG_CMSG_CLOEXEC) <= 0 ||
	    msg.msg_controllen < sizeof(control.hdr) ||
	    control.hdr.cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(&control.hdr), sizeof(fd));
	at = strstr(answer, "\"offset\":");
	*offset = at ? strtoul(at + strlen("\"offset\":"), NULL, 10) : 0;
	return fd;
}

static const struct status_block *map_block(int fd, unsigned long offset)
{
	const struct status_block *b;
	struct stat st;

	if (offset % sizeof(*b) || fstat(fd, &st) ||
	    (unsigned long)st.st_size < offset + sizeof(*b))
		return NULL;
	b = mmap(NULL, sizeof(*b), PROT_READ, MAP_SHARED, fd, (off_t)offset);
	if (b == MAP_FAILED)
		return NULL;
	if (b->version == STATUS_VERSION)
		return b;
	munmap((void *)b, sizeof(*b));
	return NULL;
}

/* A job. */
static void fetch_block(void *arg)
{
	struct fetch *f = arg;
	cleanup_close int monitor = -1, fd = -1;
	unsigned long offset = 0;

	if (!look(f->member, &f->owner))
		return;
	monitor = connect_monitor(f->member);
	if (monitor >= 0)
		fd = ask_block(monitor, &offset);
	if (fd >= 0)
		f->block = map_block(fd, offset);
}

static void fetched(void *arg)
{
	struct fetch *f = arg;
	struct member *m = f->member;
	struct service *s = m->service;

	service_get(s);
	pthread_mutex_lock(&s->lock);
	member_close_status(m);
	m->status = f->block;
	m->status_owner = f->owner;
	m->is_fetching = false;
	member_put(m);
	pthread_mutex_unlock(&s->lock);
	service_put(s);
	free(f);
}

void member_close_status(struct member *m)
{
	if (m->status)
		munmap((void *)m->status, sizeof(*m->status));
	m->status = NULL;
}

void member_look_at_status(struct member *m, struct loop *l)
{
	uint64_t now = loop_now_ns(l);
	struct status_owner owner;
	struct fetch *f;

	if (m->is_fetching || !services.jobs || m->is_asleep ||
	    (m->status_ns && now - m->status_ns < AGAIN_NS))
		return;
	m->status_ns = now;
	if (m->status && look(m, &owner) &&
	    memcmp(&owner, &m->status_owner, sizeof(owner)) == 0)
		return;
	member_close_status(m);
	f = calloc(1, sizeof(*f));
	if (!f)
		return;
	f->member = m;
	if (jobs_submit(services.jobs, l, fetch_block, fetched, f)) {
		free(f);
		return;
	}
	m->is_fetching = true;
	m->refs++;
}

uint32_t member_open(const struct member *m)
{
	int64_t n = 0;

	for (int i = 0; m->status && i < STATUS_PORTS; i++)
		n += __atomic_load_n(&m->status->connections[i],
				     __ATOMIC_RELAXED);
	return n < 0 ? 0 : n > OPEN_MAX ? OPEN_MAX : (uint32_t)n;
}
