/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleep of which nothing is kept but the published ports: at a quiet point the
 * program is told to stop and the kernel to accept nothing more; when it has
 * ended, the ports go to the keeper, which has the instance booted anew when
 * somebody connects. In place of a checkpoint there is a short text.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi/broker.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "lib/compiler.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"

#define STOP_NS 10000000000ULL /* then it is killed, as by jiffy stop */

/* Then the numbers of the ports whose sockets the keeper has, in its order. */
#define MARKER "nothing is kept but these ports:"
#define MARKER_MAX (sizeof(MARKER) + 4 * SPEC_PORTS_MAX)

/* Has something come that its program has not read? */
static int refuse_unread(struct instance *in, struct err *e)
{
	cleanup_close int fd = memfd_create("descriptors", MFD_CLOEXEC);
	struct checkpoint_out out;

	if (!checkpoint_out_open(&out, fd, e) &&
	    !checkpoint_descriptors(&out, in))
		keeper_refuse_unread(in, &out);
	checkpoint_out_close(&out);
	return -e->code;
}

int stateless_stop(struct instance *in, struct err *e)
{
	struct sleep_state *s = &in->sleep;

	if (refuse_unread(in, e))
		return -e->code;
	__atomic_store_n(&in->boot->status.is_closed, 1, __ATOMIC_RELAXED);
	broker_event(in, EVENT_SIGNAL, (uint32_t)in->spec.stop_signal, 0);
	s->is_stopping = true;
	in->stop_deadline_ns = clock_now_ns() + STOP_NS;
	return 0;
}

/* One that nobody listens at would wake it at once. */
static bool is_open(int fd)
{
	int listens = 0, type = 0;
	socklen_t len = sizeof(listens);

	getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len);
	len = sizeof(type);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	return listens || type == SOCK_DGRAM;
}

/* Not synced, as others may want the disk: after a power cut there are no ports
 * to come back, either. */
static int write_marker(int dir, const char *text, size_t len, struct err *e)
{
	cleanup_close int fd = -1;

	unlinkat(dir, CHECKPOINT_TEMP, 0);
	fd = openat(dir, CHECKPOINT_TEMP,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || io_write_full(fd, text, len) ||
	    renameat(dir, CHECKPOINT_TEMP, dir, CHECKPOINT_NAME))
		return err_sys(e, errno, "checkpoint");
	return 0;
}

static int keep(struct instance *in, struct err *e)
{
	cleanup_close int dir =
		open(in->spec.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char text[MARKER_MAX] = MARKER;
	int fds[SPEC_PORTS_MAX];
	size_t len = strlen(text);
	uint32_t n = 0;

	for (unsigned int i = 0; i < in->spec.nports; i++) {
		if (in->port_fds[i] < 0 || !is_open(in->port_fds[i]))
			continue;
		fds[n++] = in->port_fds[i];
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %u",
					i);
	}
	if (keeper_keep_ports(in, fds, n, e))
		return -e->code;
	return write_marker(dir, text, len, e);
}

void stateless_ended(struct instance *in)
{
	struct err e = ERR_INIT;

	if (!in->sleep.is_stopping ||
	    (in->end != END_EXIT && in->end != END_KILLED))
		return;
	if (keep(in, &e)) {
		fprintf(stderr, "jiffy: instance %s: cannot sleep: %s\n",
			in->spec.name, e.msg);
		keeper_let_go(in);
		return;
	}
	in->spec.is_removed_at_exit = false;
	in->suspended_ns = clock_now_ns();
	in->end = END_SUSPENDED;
}

/* What is in place of the checkpoint: the list of ports; nothing if a power cut
 * took it. False: there is none, or a real one. */
static bool read_marker(const struct instance *in, char text[MARKER_MAX])
{
	cleanup_close int dir =
		open(in->spec.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int fd =
		openat(dir, CHECKPOINT_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = read(fd, text, MARKER_MAX - 1);

	text[MAX(n, 0)] = '\0';
	return n == 0 || strncmp(text, MARKER, strlen(MARKER)) == 0;
}

bool stateless_slept(const struct instance *in)
{
	char text[MARKER_MAX];

	return in->spec.state_dir && read_marker(in, text);
}

void stateless_take_ports(struct instance *in)
{
	char text[MARKER_MAX], *p = text + strlen(MARKER), *end;
	uint32_t n = 0;

	if (!in->has_kept)
		keeper_take(in);
	if (!read_marker(in, text) || !text[0])
		*p = '\0';
	keeper_note_known(in);
	for (; n < in->nkept; p = end) {
		unsigned long i = strtoul(p, &end, 10);

		if (end == p || i >= in->spec.nports)
			break;
		in->port_fds[i] = in->kept_fds[n++];
		in->ports_kept |= 1ULL << i;
		broker_note_port(in, (unsigned int)i, in->port_fds[i]);
	}
	while (n < in->nkept)
		close(in->kept_fds[n++]);
	in->nkept = 0;
}

int stateless_begin(struct instance *in, struct err *e)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/" CHECKPOINT_NAME, in->spec.state_dir);
	if (unlink(path))
		return err_sys(e, errno, "%s", path);
	in->is_anew_begun = true;
	return 0;
}
