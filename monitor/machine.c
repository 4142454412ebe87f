/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An instance in a machine of its own: what the machine has, from the spec; its
 * serial line, which is the kernel's log, and its end.
 */
#include "monitor/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/xmalloc.h"
#include "monitor/launch.h"

#define KERNEL "jiffy-kernel-pc"
#define CODE_CRASH 125
#define VOLUMES_MAX 5 /* microvm's eight devices, less image, channel, card */
enum { SERIAL, SAID };

int machine_open_kernel(struct instance *in, struct err *e)
{
	cleanup_free char *path = xasprintf("%s/" KERNEL, in->self_dir);

	if (in->kernel_exe_fd >= 0)
		close(in->kernel_exe_fd);
	in->kernel_exe_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (in->kernel_exe_fd < 0)
		return err_sys(e, errno, "kernel %s (made by 'make pc')", path);
	return 0;
}

static bool has_egress(const struct spec *s)
{
	return s->is_packet && !s->egress.is_limited;
}

static int refuse(const struct spec *s, struct err *e)
{
	const char *what = NULL;

	for (unsigned int i = 0; i < s->nports; i++)
		if (s->ports[i].is_delivered || s->ports[i].is_hidden)
			what = "a port that is delivered";
		/* QEMU forwards none where it keeps the rest out. */
		else if (s->ports[i].is_udp && !has_egress(s))
			what = "a UDP port without --net=packet";
	if (s->sleep.policy != SLEEP_OFF)
		what = "scale to zero";
	if (s->core)
		what = "--core";
	if (s->nvolumes > VOLUMES_MAX)
		what = "more than five volumes";
	if (s->egress.nnetworks || s->egress.names.count)
		what = "a list of networks for --egress";
	return what ? err_set(e, ENOTSUP,
			      "platform qemu: %s is not in this version", what)
		    : 0;
}

int machine_open(struct instance *in, struct err *e)
{
	const struct spec *s = &in->spec;
	uid_t uid = geteuid() == 0 ? 1 : (uid_t)-1;
	struct machine *m;

	if (refuse(s, e) || machine_open_kernel(in, e))
		return -e->code;
	m = in->machine = xcalloc(1, sizeof(*m));
	m->lines_fd[SERIAL] = m->lines_fd[SAID] = -1;
	m->memory = s->memory_bytes ? s->memory_bytes : MACHINE_MEMORY;
	m->memory = (m->memory + (1 << 20) - 1) >> 20 << 20;
	m->ncpus = s->ncpus ? s->ncpus : 1;
	m->has_kvm = kvm_is_usable(uid, &m->kvm_group, &m->accel_why);
	m->has_egress = has_egress(s);
	m->has_nic = s->nports || m->has_egress;
	in->spec.ncpus = m->ncpus;
	return 0;
}

static void fill_block(struct instance *in)
{
	struct boot_block *b = in->boot;
	const struct spec *s = &in->spec;

	b->stdio_hfd[0] = s->has_stdin || s->has_tty ? CHANNEL_STDIN : -1;
	b->stdio_hfd[1] = CHANNEL_STDOUT;
	b->stdio_hfd[2] = CHANNEL_STDERR;
	b->trace_fd = in->trace_fd >= 0 ? CHANNEL_TRACE : -1;
	b->broker_fd = CHANNEL_PORT;
	b->host_memory = in->machine->memory;
	b->memory_limit = 0; /* it is the machine's */
	b->flags &= ~(uint32_t)BOOT_HOST_CPUS;
	volumes_place(in);
}

static void add_disks(struct instance *in)
{
	struct machine *m = in->machine;

	if (in->image_fd >= 0) {
		m->disks[m->ndisks].fd = in->image_fd;
		m->disks[m->ndisks++].is_readonly = true;
	}
	for (unsigned int i = 0; i < in->spec.nvolumes; i++) {
		m->disks[m->ndisks].fd = in->volume_fds[i];
		m->disks[m->ndisks++].is_readonly =
			in->spec.volumes[i].is_readonly;
	}
}

static int watch(struct instance *in, int fd, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, fd, &ev)
		       ? err_sys(e, errno, "watch the machine")
		       : 0;
}

/* Whoever makes the machine binds the TCP ports once more, which the host
 * allows while nobody listens: ours keep them for it. UDP it does not. */
static void give_ports(struct instance *in)
{
	for (unsigned int i = 0; i < in->spec.nports; i++)
		if (in->spec.ports[i].is_udp)
			close(take_fd(&in->port_fds[i]));
}

int machine_start(struct instance *in, struct err *e)
{
	struct machine *m = in->machine;
	int serial[2];

	fill_block(in);
	add_disks(in);
	m->kernel_fd = in->kernel_exe_fd;
	m->module_fd = in->boot_fd;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, serial))
		return err_sys(e, errno, "serial line");
	m->lines_fd[SERIAL] = serial[0];
	m->serial_fd = serial[1];
	m->channel = channel_new(in, &m->channel_fd, e);
	if (!m->channel)
		return -e->code;
	give_ports(in);
	if (qemu_launch(in, e))
		return -e->code;
	close(m->serial_fd);
	close(m->channel_fd);
	launch_drop_stdio(in);
	if (watch(in, m->lines_fd[SERIAL], e) ||
	    watch(in, m->lines_fd[SAID], e) ||
	    watch(in, channel_epoll_fd(m->channel), e))
		return -e->code;
	channel_serve(m->channel);
	return 0;
}

json_t *machine_describe(const struct instance *in)
{
	const struct machine *m = in->machine;
	json_t *o = json_pack("{s:s, s:s, s:I, s:i}", "by", "qemu", "accel",
			      m->has_kvm ? "kvm" : "tcg", "memory_bytes",
			      (json_int_t)m->memory, "cpus", (int)m->ncpus);

	if (m->accel_why)
		json_object_set_new(o, "why_not_kvm",
				    json_string(m->accel_why));
	return o;
}

void machine_full(struct instance *in)
{
	unsigned long long kib = in->machine->memory >> 10;

	instance_end(in, END_OOM, 0,
		     "out of memory: all is used, limit %llu KiB", kib);
}

/* --- Lines -------------------------------------------------------------------
 */

static void take_char(struct machine *m, int i, char c)
{
	char *line = m->line[i];
	size_t *len = &m->line_len[i];

	if (c == '\r')
		return;
	if (c != '\n') {
		line[(*len)++] = (c >= ' ' && c <= '~') || c == '\t' ? c : '?';
		if (*len < sizeof(m->line[i]) - 1)
			return;
	}
	line[*len] = '\0';
	/* What QEMU says is told when it ends. */
	if (i == SERIAL)
		fprintf(stderr, "%s\n", line);
	/* Its callers follow what a crash says. */
	if (*len && !strstr(line, ":   0x"))
		memcpy(m->said[i], line, *len + 1);
	*len = 0;
}

static bool take_lines(struct machine *m, int i)
{
	char buf[4096];
	ssize_t n = m->lines_fd[i] < 0 ? 0
				       : read(m->lines_fd[i], buf, sizeof(buf));

	for (ssize_t k = 0; k < n; k++)
		take_char(m, i, buf[k]);
	if (n == 0 && m->lines_fd[i] >= 0)
		close(take_fd(&m->lines_fd[i]));
	return n > 0;
}

bool machine_owns(const struct instance *in, int fd)
{
	const struct machine *m = in->machine;

	return m && m->channel &&
	       (fd == m->lines_fd[SERIAL] || fd == m->lines_fd[SAID] ||
		fd == channel_epoll_fd(m->channel));
}

/* --- The end
 * ------------------------------------------------------------------- */

static const char *without_prefix(const char *line)
{
	const char *colon = strstr(line, ": ");

	return colon ? colon + 2 : line;
}

static void judge(struct instance *in)
{
	struct machine *m = in->machine;
	int status = m->died_status, code = qemu_exit_code(status);

	if (WIFSIGNALED(status))
		instance_end(in, END_CRASH, 0, "QEMU was killed by signal %d",
			     WTERMSIG(status));
	else if (code == CODE_CRASH)
		instance_end(in, END_CRASH, 0, "kernel: %s",
			     without_prefix(m->said[SERIAL]));
	else if (m->said[SAID][0])
		instance_end(in, END_CRASH, 0, "QEMU: %s",
			     without_prefix(m->said[SAID]));
	else if (code > 0 || (code == 0 && in->is_ready))
		instance_end(in, END_EXIT, code << 8, "exited");
	else
		instance_end(in, END_CRASH, 0,
			     "the machine was reset: the kernel died without "
			     "a word (a triple fault)");
}

/* Its last words may still be on their way. */
void machine_died(struct instance *in, int status)
{
	struct machine *m = in->machine;

	m->has_died = true;
	m->died_status = status;
	while (take_lines(m, SERIAL) || take_lines(m, SAID))
		;
	channel_serve(m->channel);
	(void)broker_serve(in);
	if (in->end == END_NONE && channel_is_silent(m->channel))
		judge(in);
}

void machine_serve(struct instance *in, int fd)
{
	struct machine *m = in->machine;

	if (fd == m->lines_fd[SERIAL])
		take_lines(m, SERIAL);
	else if (fd == m->lines_fd[SAID])
		take_lines(m, SAID);
	else
		channel_serve(m->channel);
}

void machine_end(struct instance *in)
{
	struct machine *m = in->machine;

	if (!m)
		return;
	while (take_lines(m, SERIAL))
		;
	if (m->channel)
		channel_free(m->channel);
	m->channel = NULL;
}
