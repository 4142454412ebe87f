/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channel to a kernel in a machine (abi/channel.h): to the rest of the
 * monitor this is the kernel, at the other end of the broker's sockets.
 * Requests and events pass as they are, descriptors that are handed in stay
 * here and are streams. Nothing here waits; what the kernel may have under way
 * is bounded by the room it is told of.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/broker.h"
#include "host/cleanup.h"
#include "host/xmalloc.h"
#include "monitor/machine.h"

#define ROOM (64u << 10)      /* of a stream to us */
#define CHUNK 16384u	      /* of one frame to the kernel */
#define BACKLOG (64u << 10)   /* so much waits for the kernel: no more events */
#define FLOOD (1u << 20)      /* ... nor anything more from it */
#define REPLY_MAX (32u << 10) /* what the kernel takes */
#define FDS_MAX 3
#define ROUNDS 64 /* then others have their turn */

struct stream {
	bool is_used;
	int fd;
	bool is_always_ready; /* a file that cannot be waited for */
	bool is_socket;
	uint32_t watched; /* events */
	/* To the kernel. */
	uint32_t room;
	bool has_ended;
	/* From the kernel: ROOM bytes at `bytes`. */
	uint8_t *bytes;
	uint32_t at, len, told; /* told: room that the kernel has */
	bool is_shut;	/* no more comes: after these, tell the descriptor */
	bool is_closed; /* the kernel has closed it */
	bool is_broken; /* we have */
};

struct channel {
	struct instance *in;
	int fd, epoll_fd;
	bool is_gone;
	uint8_t from[CHANNEL_FRAME_MAX + 4096];
	size_t nfrom;
	uint8_t *to;
	size_t to_at, to_len, to_size;
	uint32_t watched;
	struct stream streams[CHANNEL_STREAMS];
	unsigned int nstreams; /* one more than the last that is used */
	uint8_t exit[sizeof(struct broker_request) + 512]; /* held back */
	size_t nexit;
};

/* --- To the kernel -----------------------------------------------------------
 */

/* Room for n more bytes; the caller raises to_len. */
static uint8_t *to_room(struct channel *c, size_t n)
{
	if (c->to_at) {
		memmove(c->to, c->to + c->to_at, c->to_len - c->to_at);
		c->to_len -= c->to_at;
		c->to_at = 0;
	}
	if (c->to_size - c->to_len < n) {
		c->to_size = (c->to_len + n) * 2;
		c->to = xreallocarray(c->to, c->to_size, 1);
	}
	return c->to + c->to_len;
}

static void put_frame(struct channel *c, uint16_t kind, unsigned int stream,
		      const void *bytes, uint32_t len)
{
	struct channel_frame f = { kind, (uint16_t)stream, len };
	uint8_t *to = to_room(c, sizeof(f) + len);

	memcpy(to, &f, sizeof(f));
	if (len)
		memcpy(to + sizeof(f), bytes, len);
	c->to_len += sizeof(f) + len;
}

static void flush_to(struct channel *c)
{
	while (!c->is_gone && c->to_at < c->to_len) {
		ssize_t n = send(c->fd, c->to + c->to_at, c->to_len - c->to_at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n <= 0) {
			c->is_gone = n == 0 || errno != EAGAIN;
			return;
		}
		c->to_at += (size_t)n;
	}
	c->to_at = c->to_len = 0;
}

/* --- Streams -----------------------------------------------------------------
 */

/* What others share must not be made non-blocking: the same once more. */
static int own_description(int fd, bool is_read)
{
	char path[40];
	struct stat st;
	int again;

	if (fstat(fd, &st) || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, (is_read ? O_RDONLY : O_WRONLY) | O_NONBLOCK |
				   O_NOCTTY | O_CLOEXEC);
	return again;
}

/* Takes over fd. */
static void stream_begin(struct channel *c, unsigned int number, int fd)
{
	struct stream *s = &c->streams[number];
	struct stat st;

	*s = (struct stream){ .is_used = true, .fd = fd, .bytes = s->bytes };
	if (!s->bytes)
		s->bytes = xmalloc(ROOM);
	s->is_socket = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
	if (number >= c->nstreams)
		c->nstreams = number + 1;
}

static void tell_room(struct channel *c, unsigned int number)
{
	struct stream *s = &c->streams[number];
	uint32_t n = ROOM - s->len - s->told;

	s->told += n;
	put_frame(c, CHANNEL_ROOM, number, &n, sizeof(n));
}

static void stream_close(struct channel *c, unsigned int number)
{
	struct stream *s = &c->streams[number];

	if (s->watched && !s->is_always_ready)
		epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
	s->watched = 0;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->len = 0;
	if (!s->is_broken)
		put_frame(c, CHANNEL_CLOSE, number, NULL, 0);
	s->is_broken = true;
	if (s->is_closed)
		s->is_used = false;
}

static bool is_ready(const struct stream *s, short events)
{
	struct pollfd p = { .fd = s->fd, .events = events };

	return s->is_always_ready || poll(&p, 1, 0) > 0;
}

static ssize_t write_to(const struct stream *s)
{
	uint32_t at = s->at, n = s->len < ROOM - at ? s->len : ROOM - at;

	if (s->is_socket)
		return send(s->fd, s->bytes + at, n,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	/* A pipe that is ready takes so much, whoever else has it open. */
	if (!is_ready(s, POLLOUT)) {
		errno = EAGAIN;
		return -1;
	}
	return write(s->fd, s->bytes + at, n < 4096 ? n : 4096);
}

/* Has it moved anything? */
static bool stream_write(struct channel *c, unsigned int number)
{
	struct stream *s = &c->streams[number];
	bool any = false;

	while (s->len) {
		ssize_t n = write_to(s);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno != EINTR) {
			stream_close(c, number);
			return true;
		}
		s->at = (s->at + (uint32_t)(n > 0 ? n : 0)) % ROOM;
		s->len -= (uint32_t)(n > 0 ? n : 0);
		any = true;
	}
	if (any)
		logfile_told(c->in); /* perhaps it was the log */
	if (!s->len && s->is_closed) {
		stream_close(c, number);
		return true;
	}
	if (!s->len && s->is_shut) {
		s->is_shut = false;
		if (s->is_socket)
			shutdown(s->fd, SHUT_WR);
	}
	if (ROOM - s->len - s->told >= ROOM / 2)
		tell_room(c, number);
	return any;
}

static bool stream_read(struct channel *c, unsigned int number)
{
	struct stream *s = &c->streams[number];
	uint32_t max = s->room < CHUNK ? s->room : CHUNK;
	struct channel_frame f = { CHANNEL_DATA, (uint16_t)number, 0 };
	uint8_t *to;
	ssize_t n;

	if (!max || s->has_ended || s->is_closed || !is_ready(s, POLLIN))
		return false;
	to = to_room(c, sizeof(f) + max);
	n = read(s->fd, to + sizeof(f), max);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		s->has_ended = true;
		put_frame(c, CHANNEL_END, number, NULL, 0);
		return true;
	}
	f.len = (uint32_t)n;
	memcpy(to, &f, sizeof(f));
	c->to_len += sizeof(f) + (size_t)n;
	s->room -= (uint32_t)n;
	return true;
}

static void stream_watch(struct channel *c, struct stream *s)
{
	uint32_t want = (s->room && !s->has_ended ? EPOLLIN : 0) |
			(s->len ? EPOLLOUT : 0);
	struct epoll_event ev = { .events = want, .data.fd = s->fd };
	int op = !s->watched ? EPOLL_CTL_ADD
		 : !want     ? EPOLL_CTL_DEL
			     : EPOLL_CTL_MOD;

	if (s->fd < 0 || s->watched == want || s->is_always_ready)
		return;
	if (epoll_ctl(c->epoll_fd, op, s->fd, &ev) && errno == EPERM)
		s->is_always_ready = true;
	s->watched = want;
}

/* --- From the kernel ---------------------------------------------------------
 */

static void lies(struct channel *c, const char *what)
{
	instance_end(c->in, END_CRASH, 0, "channel: %s", what);
	c->is_gone = true;
}

static void take_data(struct channel *c, const struct channel_frame *f,
		      const uint8_t *p)
{
	struct stream *s = &c->streams[f->stream];
	uint32_t left = f->len;

	if (!s->is_used || s->is_broken)
		return;
	if (f->len > s->told || s->is_closed) {
		lies(c, "more bytes than there is room for");
		return;
	}
	s->told -= f->len;
	while (left) {
		uint32_t at = (s->at + s->len) % ROOM;
		uint32_t n = left < ROOM - at ? left : ROOM - at;

		memcpy(s->bytes + at, p, n);
		s->len += n;
		p += n;
		left -= n;
	}
}

static void take_room(struct channel *c, const struct channel_frame *f,
		      const uint8_t *p)
{
	struct stream *s = &c->streams[f->stream];
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	if (!s->is_used)
		return;
	if (n > CHANNEL_ROOM_MAX || s->room + n > CHANNEL_ROOM_MAX)
		lies(c, "too much room");
	else
		s->room += n;
}

static void take_close(struct channel *c, const struct channel_frame *f)
{
	struct stream *s = &c->streams[f->stream];

	if (!s->is_used)
		return;
	s->is_shut = true;
	if (f->kind == CHANNEL_END)
		return;
	s->is_closed = true;
	if (s->is_broken)
		s->is_used = false;
	else if (!s->len)
		stream_close(c, f->stream);
}

/* The word of the program's end waits until all that it wrote has gone its way.
 */
static void take_request(struct channel *c, const uint8_t *p, uint32_t len)
{
	struct broker_request r;

	memcpy(&r, p, sizeof(r));
	if (r.op == BROKER_EXIT && len <= sizeof(c->exit)) {
		memcpy(c->exit, p, len);
		c->nexit = len;
	} else if (send(c->in->broker_guest_fd, p, len,
			MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		lies(c, "too many requests");
	}
}

/* Its clock is not ours: the last phase was just now. */
static void shift_phases(struct boot_block *b)
{
	uint64_t last = 0, now = clock_now_ns();

	for (int i = BOOT_T_KERNEL; i <= BOOT_T_USER; i++)
		if (b->phase_ns[i] > last)
			last = b->phase_ns[i];
	for (int i = BOOT_T_KERNEL; i <= BOOT_T_USER; i++)
		if (b->phase_ns[i])
			b->phase_ns[i] += now - last;
}

static void take_block(struct channel *c, const uint8_t *p, uint32_t len)
{
	static const struct {
		size_t at, size;
	} parts[] = {
#define PART(member)                           \
	{ offsetof(struct boot_block, member), \
	  sizeof(((struct boot_block *)0)->member) }
		PART(phase_ns),
		PART(crash),
		PART(stats),
#undef PART
	};
	struct boot_block *b = c->in->boot;
	uint64_t ours[BOOT_T_KERNEL];
	uint32_t at;

	memcpy(&at, p, sizeof(at));
	len -= (uint32_t)sizeof(at);
	memcpy(ours, b->phase_ns, sizeof(ours));
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (at < parts[i].at || at - parts[i].at > parts[i].size ||
		    len > parts[i].size - (at - parts[i].at))
			continue;
		memcpy((uint8_t *)b + at, p + sizeof(at), len);
		if (i == 0)
			shift_phases(b);
		memcpy(b->phase_ns, ours, sizeof(ours));
		return;
	}
	lies(c, "a part of the boot block that is not the kernel's");
}

static const struct {
	uint32_t min, max;
} lengths[] = {
	[CHANNEL_REQUEST] = { sizeof(struct broker_request),
			      sizeof(struct broker_request) +
				      BROKER_PAYLOAD_MAX },
	[CHANNEL_EVENT] = { sizeof(struct broker_event),
			    sizeof(struct broker_event) },
	[CHANNEL_DATA] = { 0, ROOM },
	[CHANNEL_ROOM] = { sizeof(uint32_t), sizeof(uint32_t) },
	[CHANNEL_END] = { 0, 0 },
	[CHANNEL_CLOSE] = { 0, 0 },
	[CHANNEL_BLOCK] = { sizeof(uint32_t), CHANNEL_FRAME_MAX },
};

static void take_frame(struct channel *c, const struct channel_frame *f,
		       const uint8_t *p)
{
	switch ((enum channel_kind)f->kind) {
	case CHANNEL_REQUEST:
		take_request(c, p, f->len);
		break;
	case CHANNEL_EVENT:
		(void)send(c->in->event_guest_fd, p, f->len,
			   MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case CHANNEL_DATA:
		take_data(c, f, p);
		break;
	case CHANNEL_ROOM:
		take_room(c, f, p);
		break;
	case CHANNEL_END:
	case CHANNEL_CLOSE:
		take_close(c, f);
		break;
	case CHANNEL_BLOCK:
		take_block(c, p, f->len);
		break;
	case CHANNEL_REPLY:
		break;
	}
}

static void take_frames(struct channel *c)
{
	size_t at = 0;
	struct channel_frame f;

	while (c->nfrom - at >= sizeof(f) && c->in->end == END_NONE) {
		memcpy(&f, c->from + at, sizeof(f));
		if (f.kind == 0 || f.kind == CHANNEL_REPLY ||
		    f.kind >= ARRAY_SIZE(lengths) ||
		    f.stream >= CHANNEL_STREAMS ||
		    f.len < lengths[f.kind].min ||
		    f.len > lengths[f.kind].max) {
			lies(c, "a frame that there is not");
			break;
		}
		if (c->nfrom - at - sizeof(f) < f.len)
			break;
		take_frame(c, &f, c->from + at + sizeof(f));
		at += sizeof(f) + f.len;
	}
	c->nfrom -= at;
	memmove(c->from, c->from + at, c->nfrom);
}

/* It asks and asks, and reads no answer. */
static bool is_flooded(const struct channel *c)
{
	return c->to_len - c->to_at > FLOOD;
}

static bool receive(struct channel *c)
{
	ssize_t n;

	if (c->is_gone || is_flooded(c))
		return false;
	n = recv(c->fd, c->from + c->nfrom, sizeof(c->from) - c->nfrom,
		 MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		c->is_gone = true;
		return true;
	}
	c->nfrom += (size_t)n;
	take_frames(c);
	return true;
}

/* --- The broker's sockets, from the other end
 * ----------------------------------- */

/* So many numbers in a row; 0: there are none. */
static unsigned int find_numbers(const struct channel *c, unsigned int n)
{
	unsigned int first = CHANNEL_FIRST;

	for (unsigned int i = first; i < CHANNEL_STREAMS; i++) {
		if (c->streams[i].is_used)
			first = i + 1;
		else if (i + 1 - first == n)
			return first;
	}
	return 0;
}

static unsigned int take_fds(struct msghdr *m, int fds[FDS_MAX])
{
	struct cmsghdr *h = CMSG_FIRSTHDR(m);
	size_t n;

	if (!h || h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
		return 0;
	n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(h), n * sizeof(int));
	return (unsigned int)n;
}

static bool take_reply(struct channel *c)
{
	static uint8_t bytes[REPLY_MAX];
	struct iovec iov = { bytes, sizeof(bytes) };
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(c->in->broker_guest_fd, &m,
			    MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	unsigned int nfds, first;
	int fds[FDS_MAX];

	if (n < (ssize_t)sizeof(struct broker_reply))
		return false;
	nfds = take_fds(&m, fds);
	first = nfds ? find_numbers(c, nfds) : 0;
	put_frame(c, CHANNEL_REPLY, first, bytes, (uint32_t)n);
	for (unsigned int i = 0; i < nfds; i++) {
		if (first) {
			stream_begin(c, first + i, fds[i]);
			tell_room(c, first + i);
		} else {
			close(fds[i]);
		}
	}
	return true;
}

static bool take_event(struct channel *c)
{
	struct broker_event ev;

	if (recv(c->in->event_guest_fd, &ev, sizeof(ev), MSG_DONTWAIT) !=
	    (ssize_t)sizeof(ev))
		return false;
	/* A kernel that does not listen misses some. */
	if (c->to_len - c->to_at <= BACKLOG)
		put_frame(c, CHANNEL_EVENT, 0, &ev, sizeof(ev));
	return true;
}

/* --- Serving
 * -------------------------------------------------------------------- */

static bool move_streams(struct channel *c)
{
	bool any = false;

	for (unsigned int i = 0; i < c->nstreams; i++) {
		struct stream *s = &c->streams[i];

		if (!s->is_used || s->fd < 0)
			continue;
		any |= stream_write(c, i);
		if (s->fd >= 0 && c->to_len - c->to_at <= BACKLOG)
			any |= stream_read(c, i);
	}
	return any;
}

static bool has_output(const struct channel *c)
{
	for (unsigned int i = 0; i < c->nstreams; i++)
		if (c->streams[i].is_used && c->streams[i].len)
			return true;
	return false;
}

static void watch_all(struct channel *c)
{
	uint32_t want = (is_flooded(c) ? 0 : EPOLLIN) |
			(c->to_len > c->to_at ? EPOLLOUT : 0);
	struct epoll_event ev = { .events = want, .data.fd = c->fd };

	for (unsigned int i = 0; i < c->nstreams; i++)
		if (c->streams[i].is_used)
			stream_watch(c, &c->streams[i]);
	if (c->is_gone)
		epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	else if (want != c->watched)
		epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
	c->watched = want;
}

void channel_serve(struct channel *c)
{
	bool any = true;

	for (int i = 0; i < ROUNDS && any && c->in->end == END_NONE; i++) {
		any = receive(c);
		any |= move_streams(c);
		any |= take_reply(c);
		any |= take_event(c);
		flush_to(c);
	}
	if (c->nexit && !has_output(c)) {
		(void)send(c->in->broker_guest_fd, c->exit, c->nexit,
			   MSG_DONTWAIT | MSG_NOSIGNAL);
		c->nexit = 0;
	}
	if (c->in->end == END_NONE)
		watch_all(c);
}

bool channel_is_silent(const struct channel *c)
{
	return !c->nexit;
}

int channel_epoll_fd(const struct channel *c)
{
	return c->epoll_fd;
}

static void begin_stdio(struct channel *c)
{
	const struct spec *s = &c->in->spec;
	const bool wanted[CHANNEL_FIRST] = { s->has_stdin || s->has_tty, true,
					     true, c->in->trace_fd >= 0 };

	for (int i = 0; i < CHANNEL_FIRST; i++) {
		int fd = i == CHANNEL_TRACE ? c->in->trace_fd : i;
		int own = wanted[i] ? own_description(fd, i == 0) : -1;

		if (!wanted[i])
			continue;
		if (own < 0)
			own = fcntl(fd, F_DUPFD_CLOEXEC, 10);
		stream_begin(c, (unsigned int)i, own);
		if (i)
			tell_room(c, (unsigned int)i);
	}
}

struct channel *channel_new(struct instance *in, int *fd, struct err *e)
{
	struct channel *c = xcalloc(1, sizeof(*c));
	struct epoll_event ev = { .events = EPOLLIN };
	int pair[2];

	c->in = in;
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll_fd < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		err_sys(e, errno, "channel");
		free(c);
		return NULL;
	}
	c->fd = pair[0];
	*fd = pair[1];
	ev.data.fd = c->fd;
	epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev);
	c->watched = EPOLLIN;
	ev.data.fd = in->broker_guest_fd;
	epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, in->broker_guest_fd, &ev);
	ev.data.fd = in->event_guest_fd;
	epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, in->event_guest_fd, &ev);
	begin_stdio(c);
	return c;
}

void channel_free(struct channel *c)
{
	for (unsigned int i = 0; i < CHANNEL_STREAMS; i++) {
		if (c->streams[i].is_used && c->streams[i].fd >= 0)
			close(c->streams[i].fd);
		free(c->streams[i].bytes);
	}
	close(c->fd);
	close(c->epoll_fd);
	free(c->to);
	free(c);
}
