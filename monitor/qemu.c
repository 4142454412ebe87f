/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine made by QEMU: its command line from struct machine, and what its
 * end means. It opens nothing by name but its own firmware and /dev/kvm: the
 * rest are descriptors that it inherits, and its own filter keeps it from
 * starting anything.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/xmalloc.h"
#include "monitor/launch.h"
#include "monitor/machine.h"

#define QEMU "qemu-system-x86_64"
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"
#define DEBUG_EXIT 0xf4
/* Where the instance is, as on platform `process`; whoever forwards ports. */
#define GATEWAY_IP "10.0.2.4"
#define DNS_IP "10.0.2.3"
#define NETWORK "10.0.2.0/24"

/* $JIFFY_QEMU, or the first in $PATH. */
static int find(struct err *e)
{
	const char *named = getenv("JIFFY_QEMU"), *path = getenv("PATH");
	cleanup_free char *all = xstrdup(path && *path ? path : DEFAULT_PATH);
	char *rest = all, *dir;
	int fd = -1;

	if (named && *named) {
		fd = open(named, O_RDONLY | O_CLOEXEC);
		return fd >= 0 ? fd : err_sys(e, errno, "QEMU %s", named);
	}
	while (fd < 0 && (dir = strsep(&rest, ":"))) {
		cleanup_free char *file = xasprintf("%s/" QEMU, dir);

		if (*dir == '/' && access(file, X_OK) == 0)
			fd = open(file, O_RDONLY | O_CLOEXEC);
	}
	return fd >= 0 ? fd
		       : err_set(e, ENOENT,
				 "--platform=qemu: there is no " QEMU
				 " (Debian: package qemu-system-x86)");
}

static void add(struct strv *argv, const char *option, char *value)
{
	strv_add(argv, option);
	strv_take(argv, value);
}

static void add_disk(struct strv *argv, const struct machine *m, unsigned int i)
{
	const char *access = m->disks[i].is_readonly ? "on"
						     : "off,discard=unmap";

	add(argv, "-add-fd", xasprintf("fd=%d,set=%u", m->disks[i].fd, i));
	add(argv, "-blockdev",
	    xasprintf("driver=raw,node-name=disk%u,file.driver=file,"
		      "file.filename=/dev/fdset/%u,file.locking=off,"
		      "read-only=%s",
		      i, i, access));
	add(argv, "-device", xasprintf("virtio-blk-device,drive=disk%u", i));
}

static char *forwards(const struct spec *s)
{
	char ip[INET_ADDRSTRLEN], to[INET_ADDRSTRLEN];
	struct in_addr guest = { htonl(INSTANCE_IP) };
	char *all = xstrdup("");

	inet_ntop(AF_INET, &guest, to, sizeof(to));
	for (unsigned int i = 0; i < s->nports; i++) {
		const struct spec_port *p = &s->ports[i];
		char *more;

		inet_ntop(AF_INET, &p->ip, ip, sizeof(ip));
		more = xasprintf("%s,hostfwd=%s:%s:%u-%s:%u", all,
				 p->is_udp ? "udp" : "tcp", ip, p->host, to,
				 p->guest);
		free(all);
		all = more;
	}
	return all;
}

static void add_nic(struct strv *argv, const struct instance *in,
		    const struct machine *m)
{
	cleanup_free char *ports = forwards(&in->spec);
	struct in_addr guest = { htonl(INSTANCE_IP) };
	char ip[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &guest, ip, sizeof(ip));
	add(argv, "-netdev",
	    xasprintf("user,id=net,ipv6=off,net=" NETWORK ",host=" GATEWAY_IP
		      ",dns=" DNS_IP ",dhcpstart=%s,restrict=%s%s",
		      ip, m->has_egress ? "off" : "on", ports));
	add(argv, "-device", xstrdup("virtio-net-device,netdev=net"));
	add(argv, "-append", xasprintf("jiffy.ip=%s/24," GATEWAY_IP, ip));
}

static void add_lines(struct strv *argv, const struct machine *m)
{
	add(argv, "-chardev",
	    xasprintf("socket,id=console,fd=%d", m->serial_fd));
	add(argv, "-serial", xstrdup("chardev:console"));
	add(argv, "-chardev",
	    xasprintf("socket,id=monitor,fd=%d", m->channel_fd));
	add(argv, "-device", xstrdup("virtio-serial-device,max_ports=2"));
	add(argv, "-device",
	    xasprintf("virtserialport,nr=%d,chardev=monitor,name=jiffy",
		      CHANNEL_PORT));
}

static void fill(struct strv *argv, const struct instance *in,
		 const struct machine *m)
{
	static const char *const fixed[] = {
		QEMU,
		"-nodefaults",
		"-no-user-config",
		"-no-reboot",
		"-display",
		"none",
		"-M",
		"microvm,acpi=off",
		"-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
		"resourcecontrol=deny",
		"-global",
		"virtio-mmio.force-legacy=false",
	};

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		strv_add(argv, fixed[i]);
	add(argv, "-accel", xstrdup(m->has_kvm ? "kvm" : "tcg"));
	add(argv, "-cpu", xstrdup(m->has_kvm ? "host" : "max"));
	add(argv, "-smp", xasprintf("%u", m->ncpus));
	add(argv, "-m",
	    xasprintf("%lluM", (unsigned long long)(m->memory >> 20)));
	add(argv, "-kernel", xasprintf("/proc/self/fd/%d", m->kernel_fd));
	add(argv, "-initrd", xasprintf("/proc/self/fd/%d", m->module_fd));
	add(argv, "-device",
	    xasprintf("isa-debug-exit,iobase=%#x,iosize=4", DEBUG_EXIT));
	for (unsigned int i = 0; i < m->ndisks; i++)
		add_disk(argv, m, i);
	add_lines(argv, m);
	if (m->has_nic)
		add_nic(argv, in, m);
}

/* The descriptors that it inherits; what it says on its own comes to us. */
static int place(struct launch *l, const struct machine *m, int said,
		 struct err *e)
{
	const int keep[] = { m->kernel_fd, m->module_fd, m->channel_fd,
			     m->serial_fd };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return err_sys(e, errno, "/dev/null");
	l->fds[l->nfds++] = (struct launch_fd){ null, STDIN_FILENO };
	l->fds[l->nfds++] = (struct launch_fd){ fcntl(null, F_DUPFD_CLOEXEC, 3),
						STDOUT_FILENO };
	l->fds[l->nfds++] = (struct launch_fd){ said, STDERR_FILENO };
	for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
		l->fds[l->nfds++] = (struct launch_fd){ keep[i], keep[i] };
	for (unsigned int i = 0; i < m->ndisks; i++)
		l->fds[l->nfds++] =
			(struct launch_fd){ m->disks[i].fd, m->disks[i].fd };
	return 0;
}

int qemu_launch(struct instance *in, struct err *e)
{
	struct launch_fd fds[8 + MACHINE_DISKS_MAX];
	struct machine *m = in->machine;
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_close int exe = find(e);
	struct launch l = {
		.in = in, .exe_fd = exe, .group = m->kvm_group, .fds = fds
	};
	int said[2];

	if (exe < 0)
		return -e->code;
	if (pipe2(said, O_CLOEXEC))
		return err_sys(e, errno, "pipe");
	m->lines_fd[1] = said[0];
	fill(&argv, in, m);
	l.argv = argv.items;
	if (place(&l, m, said[1], e))
		return -e->code;
	return launch_start(&l, e);
}

/* isa-debug-exit: twice the code plus one, of which 8 bits are left. */
int qemu_exit_code(int status)
{
	if (!WIFEXITED(status) || !(WEXITSTATUS(status) & 1))
		return -1;
	return WEXITSTATUS(status) >> 1;
}
