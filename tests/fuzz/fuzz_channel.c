/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the channel to a kernel in a machine (monitor/channel.c), which
 * may send anything. Four bytes of the input make a frame (how the other ends
 * behave then, its kind, its stream, its length), with the bytes after them for
 * its contents: the broker answers with descriptors or not at all, the machine
 * reads or does not. What comes back must be frames.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi/boot.h"
#include "abi/broker.h"
#include "host/xmalloc.h"
#include "monitor/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_open(const char *path, int flags, ...);
int __real_open(const char *path, int flags, ...);

static int machine, broker, events;
static uint8_t back[1u << 20];
static size_t nback;

/* Standard output is the fuzzer's own. */
int __wrap_open(const char *path, int flags, ...)
{
	(void)path;
	return __real_open("/dev/null", flags & ~O_CREAT);
}

void instance_end(struct instance *in, enum instance_end end, int status,
		  const char *format, ...)
{
	(void)status;
	(void)format;
	in->end = end;
}

void logfile_told(struct instance *in)
{
	(void)in;
}

uint64_t clock_now_ns(void)
{
	return 1;
}

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void make_pair(int type, int *ours, int *theirs)
{
	int pair[2];

	check(!socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, pair));
	*ours = pair[0];
	*theirs = pair[1];
}

/* With n descriptors: ends of pairs whose other end is gone, or echoes. */
static void answer(unsigned int n)
{
	struct broker_reply reply = { 0 };
	struct iovec iov = { &reply, sizeof(reply) };
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(3 * sizeof(int))];
	} control = { .hdr = { .cmsg_len = CMSG_LEN(n * sizeof(int)),
			       .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS } };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[3] = { 0 }, other;

	for (unsigned int i = 0; i < n; i++) {
		make_pair(SOCK_STREAM, &fds[i], &other);
		check(write(other, "hello", 5) == 5);
		close(other);
	}
	if (n) {
		memcpy(CMSG_DATA(&control.hdr), fds, n * sizeof(int));
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	(void)sendmsg(broker, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
}

static void take_back(void)
{
	size_t at = 0;
	struct channel_frame f;
	ssize_t n;

	while ((n = read(machine, back + nback, sizeof(back) - nback)) > 0) {
		nback += (size_t)n;
		for (at = 0; nback - at >= sizeof(f); at += sizeof(f) + f.len) {
			memcpy(&f, back + at, sizeof(f));
			check(f.kind && f.kind <= CHANNEL_BLOCK);
			check(f.stream < CHANNEL_STREAMS);
			check(f.len <= CHANNEL_FRAME_MAX);
			if (nback - at - sizeof(f) < f.len)
				break;
		}
		nback -= at;
		memmove(back, back + at, nback);
	}
}

static void behave(uint8_t how)
{
	char request[sizeof(struct broker_request) + BROKER_PAYLOAD_MAX];

	while (how & 4 && recv(broker, request, sizeof(request), 0) > 0)
		answer(how & 3);
	if (how & 8)
		(void)send(events, request, sizeof(struct broker_event), 0);
	if (how & 16)
		take_back();
}

/* Most are as long as their kind is. */
static uint32_t length(uint8_t kind, uint8_t wish)
{
	static const uint32_t lengths[] = {
		[CHANNEL_REQUEST] = sizeof(struct broker_request),
		[CHANNEL_EVENT] = sizeof(struct broker_event),
		[CHANNEL_ROOM] = sizeof(uint32_t),
		[CHANNEL_BLOCK] = sizeof(uint32_t) + 8,
	};
	uint32_t usual = kind < CHANNEL_BLOCK + 1 ? lengths[kind] : 0;

	return wish < 128 ? usual : usual + (wish - 128U) * (wish - 128U);
}

/* The bytes used. */
static size_t send_frame(const uint8_t *data, size_t size)
{
	struct channel_frame f = { data[1] % (CHANNEL_BLOCK + 2), data[2], 0 };
	static uint8_t bytes[1u << 16];
	size_t n;

	f.len = length((uint8_t)f.kind, data[3]);
	n = f.len < size - 4 ? f.len : size - 4;
	memcpy(bytes, &f, sizeof(f));
	memset(bytes + sizeof(f), 0, f.len);
	memcpy(bytes + sizeof(f), data + 4, n);
	(void)send(machine, bytes, sizeof(f) + f.len, MSG_NOSIGNAL);
	return 4 + n;
}

static void feed(struct channel *c, const uint8_t *data, size_t size)
{
	for (size_t n; size >= 4; data += n, size -= n) {
		n = send_frame(data, size);
		channel_serve(c);
		behave(data[0]);
		channel_serve(c);
	}
	behave(4 | 16);
	channel_serve(c);
	take_back();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct instance *in = xcalloc(1, sizeof(*in));
	struct err e = { 0 };
	struct channel *c;

	in->trace_fd = -1;
	in->boot = aligned_alloc(4096, sizeof(*in->boot));
	check(in->boot);
	memset(in->boot, 0, sizeof(*in->boot));
	make_pair(SOCK_SEQPACKET, &in->broker_guest_fd, &broker);
	make_pair(SOCK_SEQPACKET, &in->event_guest_fd, &events);
	c = channel_new(in, &machine, &e);
	check(c);
	fcntl(machine, F_SETFL, O_NONBLOCK);
	nback = 0;
	feed(c, data, size);
	channel_free(c);
	close(machine);
	close(broker);
	close(events);
	close(in->broker_guest_fd);
	close(in->event_guest_fd);
	free(in->boot);
	free(in);
	return 0;
}
