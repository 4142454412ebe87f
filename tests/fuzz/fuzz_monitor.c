/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz what the monitor reads of an instance: broker requests (odd inputs) and
 * the part of the boot block that the kernel writes, through the crash report
 * and the statistics (even inputs). Nothing leaves this process: the calls that
 * would are wrapped by the linker (files.mk).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi/broker.h"
#include "host/json.h"
#include "monitor/instance.h"
#include "monitor/machine.h"
#include "monitor/symbols.h"
#include "monitor/syscall_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len);
int __wrap_listen(int fd, int backlog);
ssize_t __wrap_sendto(int fd, const void *buf, size_t n, int flags,
		      const struct sockaddr *addr, socklen_t len);

int __wrap_socket(int domain, UNUSED int type, UNUSED int protocol)
{
	if (domain != AF_INET && domain != AF_INET6)
		abort(); /* the policy knows no other */
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

int __wrap_connect(UNUSED int fd, const struct sockaddr *addr, socklen_t len)
{
	const struct sockaddr_in *sin = (const void *)addr;

	if (len < sizeof(*sin))
		abort();
	if (addr->sa_family == AF_INET &&
	    ntohl(sin->sin_addr.s_addr) >> 24 == 127)
		abort(); /* never the host's own loopback */
	return 0;
}

int __wrap_bind(UNUSED int fd, UNUSED const struct sockaddr *addr,
		UNUSED socklen_t len)
{
	return 0;
}

int __wrap_listen(UNUSED int fd, UNUSED int backlog)
{
	return 0;
}

ssize_t __wrap_sendto(UNUSED int fd, const void *buf, size_t n,
		      UNUSED int flags, const struct sockaddr *addr,
		      socklen_t len)
{
	/* All of both can be read. */
	for (size_t i = 0; i < n; i++)
		if (((const volatile uint8_t *)buf)[i] > 255)
			return -1;
	for (size_t i = 0; i < len; i++)
		if (((const volatile uint8_t *)addr)[i] > 255)
			return -1;
	return (ssize_t)n;
}

int dns_open_client(UNUSED struct instance *in)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

uint64_t limit_usage(UNUSED const struct instance *in, uint64_t *pss)
{
	if (pss)
		*pss = 0;
	return 0;
}

uint64_t limit_private_bytes(UNUSED int pid)
{
	return 0;
}

void sleep_begin(UNUSED struct instance *in)
{
}

void sleep_changed(UNUSED struct instance *in)
{
}

void logfile_told(UNUSED struct instance *in)
{
}

void sleep_less(UNUSED struct instance *in)
{
}

void sleep_hold(UNUSED struct instance *in)
{
}

void sleep_let(UNUSED struct instance *in)
{
}

void state_write_times(UNUSED const struct instance *in)
{
}

void event_add(UNUSED const struct instance *in, UNUSED const char *what,
	       json_t *more)
{
	json_decref(more);
}

uint64_t clock_now_ns(void)
{
	return 1000000000;
}

void machine_full(struct instance *in)
{
	in->end = END_OOM;
}

json_t *machine_describe(UNUSED const struct instance *in)
{
	return json_object();
}

void snapshot_thawed(UNUSED struct instance *in)
{
}

void suspend_frozen(UNUSED struct instance *in, UNUSED uint32_t error,
		    const char *why, size_t why_len)
{
	for (size_t i = 0; i < why_len; i++)
		if (((const volatile uint8_t *)why)[i] > 255)
			abort();
}

void limit_end(struct instance *in, UNUSED uint64_t used)
{
	in->end = END_OOM;
}

void instance_end(struct instance *in, enum instance_end end, int status,
		  const char *fmt, ...)
{
	va_list ap;

	in->end = end;
	in->status = status;
	va_start(ap, fmt);
	vsnprintf(in->reason, sizeof(in->reason), fmt, ap);
	va_end(ap);
}

struct symbols *symbols_load(UNUSED const char *path)
{
	return NULL;
}

void symbols_name(UNUSED const struct symbols *s, UNUSED uint64_t address,
		  char *buf, size_t size)
{
	snprintf(buf, size, "?");
}

void symbols_free(UNUSED struct symbols *s)
{
}

const char *syscall_name(size_t nr)
{
	return nr == 0 ? "read" : NULL;
}

/* A core file being written and a regular file as stdout, in memory. */
static void open_files(struct instance *in)
{
	if (!in->core.dir_fd) {
		in->core.dir_fd = -1;
		for (int i = 0; i < CORE_OPEN_MAX; i++)
			in->core.fds[i] = -1;
		in->regular_fds[0] = in->regular_fds[2] = -1;
		in->regular_fds[1] = memfd_create("out", MFD_CLOEXEC);
	}
	if (in->core.fds[0] < 0)
		in->core.fds[0] = memfd_create("core", MFD_CLOEXEC);
	/* What one input wrote is not kept. */
	if (ftruncate(in->core.fds[0], 0) || ftruncate(in->regular_fds[1], 0))
		abort();
	in->core.bytes = 0;
}

/* A command, whose id is 1, whenever the last one has ended. */
static void open_command(struct instance *in)
{
	cleanup_json json_t *request = json_pack("{s:s,s:[s],s:b}", "op",
						 "exec", "argv", "/bin/true",
						 "stdout", 1);
	int pair[2], ends[2], fds[3] = { -1, -1, -1 };
	struct err e = ERR_INIT;
	char buf[64];

	if (in->commands)
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ||
	    pipe2(ends, O_CLOEXEC))
		abort();
	fds[0] = ends[1];
	in->is_started = in->is_resumed = true;
	in->last_command = 0;
	if (exec_start(in, &pair[0], request, fds, &e))
		abort();
	in->is_resumed = false;
	close(ends[0]);
	close(pair[1]);
	(void)!read(in->event_guest_fd, buf, sizeof(buf));
}

static struct instance *instance(void)
{
	static struct instance in;
	static char name[] = "fuzz", path[] = "/dev/null", root[] = "/";
	int pair[2];

	if (in.boot)
		return &in;
	in.boot = aligned_alloc(4096, BOOT_BLOCK_SIZE);
	in.spec.name = name;
	in.spec.stats = path;
	in.spec.cwd = in.spec.user = root;
	in.spec.has_net = true;
	in.spec.nports = 2;
	in.spec.ports[0].guest = 80;
	in.spec.ports[1].guest = 53;
	in.spec.ports[1].is_udp = true;
	in.ready_fd = in.wait_fd = in.port_fds[0] = -1;
	in.port_fds[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (!in.boot || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		abort();
	memset(in.boot, 0, BOOT_BLOCK_SIZE);
	in.broker_fd = pair[0];
	in.broker_guest_fd = pair[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		abort();
	in.event_fd = pair[0];
	in.event_guest_fd = pair[1];
	in.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	stderr = fopen("/dev/null", "we");
	return &in;
}

/* The reply and what came with it. */
static void drain(int fd)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control;
	char buf[256];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };

	if (recvmsg(fd, &m, MSG_DONTWAIT) < 0 || !m.msg_controllen)
		return;
	for (size_t i = 0;
	     i < (control.hdr.cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
		int got;

		memcpy(&got, CMSG_DATA(&control.hdr) + i * sizeof(int),
		       sizeof(int));
		close(got);
	}
}

static void fuzz_broker(struct instance *in, const uint8_t *data, size_t size)
{
	uint8_t message[sizeof(struct broker_request) + 256] = { 0 };
	struct broker_request r;

	if (size > sizeof(message))
		size = sizeof(message);
	memcpy(message, data, size);
	memcpy(&r, message, sizeof(r));
	/* Mostly the right length: the fuzzer need not find it. */
	if (size >= sizeof(r) && !(r.payload_len & 0x80000000u)) {
		r.payload_len = (uint32_t)(size - sizeof(r));
		r.op %= 24;
		memcpy(message, &r, sizeof(r));
	}
	open_files(in);
	open_command(in);
	if (write(in->broker_guest_fd, message, size) < 0)
		return;
	in->end = END_NONE;
	(void)broker_serve(in);
	drain(in->broker_guest_fd);
}

static void fuzz_report(struct instance *in, const uint8_t *data, size_t size)
{
	size_t at = offsetof(struct boot_block, phase_ns);
	size_t room = offsetof(struct boot_block, data) - at;

	/* Repeated, so that short inputs reach everything. */
	for (size_t i = 0; size && i < room; i++)
		((uint8_t *)in->boot)[at + i] = data[i % size];
	in->boot->crash.magic = CRASH_MAGIC;
	report_crash(in);
	report_stats(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct instance *in = instance();

	if (size && data[0] & 1)
		fuzz_broker(in, data + 1, size - 1);
	else if (size)
		fuzz_report(in, data + 1, size - 1);
	return 0;
}
