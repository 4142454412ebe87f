/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the memory objects an instance shares with its monitor and fills the
 * boot block (abi/boot.h). Runs once, before the kernel starts.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"

/* A shared object that the instance cannot shrink under us. */
static int shared_object(const char *name, uint64_t size, struct err *e)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_sys(e, errno, "memory object %s", name);
	if (ftruncate(fd, (off_t)size) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		err_sys(e, errno, "memory object %s of %llu bytes", name,
			(unsigned long long)size);
		close(fd);
		return -e->code;
	}
	return fd;
}

int boot_open_image(struct instance *in, struct err *e)
{
	struct stat st;

	in->image_fd = -1;
	if (!in->spec.image)
		return 0;
	in->image_fd = open(in->spec.image, O_RDONLY | O_CLOEXEC);
	if (in->image_fd < 0 || fstat(in->image_fd, &st))
		return err_sys(e, errno, "image %s", in->spec.image);
	if (!S_ISREG(st.st_mode) || st.st_size < 4096)
		return err_set(e, EINVAL,
			       "image %s: not an EROFS file system: %lld bytes",
			       in->spec.image, (long long)st.st_size);
	in->image_size = (uint64_t)st.st_size;
	return 0;
}

/* Add len bytes and a terminator to the data area; its place, or zeros. */
static int put_string(struct boot_block *b, const char *s,
		      struct boot_string *out, struct err *e)
{
	size_t len = strlen(s);

	if (len + 1 > BOOT_DATA_SIZE - b->data_len)
		return err_set(e, E2BIG,
			       "arguments and environment over %u "
			       "bytes",
			       BOOT_DATA_SIZE);
	out->offset = b->data_len;
	out->len = (uint32_t)len;
	memcpy(b->data + b->data_len, s, len + 1);
	b->data_len += (uint32_t)len + 1;
	return 0;
}

static uint32_t put_room(struct boot_block *b, size_t size)
{
	uint32_t at = (b->data_len + 7) & ~7u;

	if (size > BOOT_DATA_SIZE - at)
		return UINT32_MAX;
	b->data_len = at + (uint32_t)size;
	return at;
}

static int put_strings(struct boot_block *b, const struct strv *v,
		       uint32_t *table, uint64_t *count, struct err *e)
{
	uint32_t at = put_room(b, v->count * sizeof(struct boot_string));
	size_t i;

	if (at == UINT32_MAX)
		return err_set(e, E2BIG, "too many arguments");
	for (i = 0; i < v->count; i++) {
		struct boot_string s;

		if (put_string(b, v->items[i], &s, e))
			return -e->code;
		memcpy(b->data + at + i * sizeof(s), &s, sizeof(s));
	}
	*table = at;
	*count = v->count;
	return 0;
}

static void put_ports(struct boot_block *b, const struct spec *s)
{
	uint32_t at = put_room(b, s->nports * sizeof(struct boot_port));
	unsigned int i;

	if (at == UINT32_MAX)
		return;
	b->ports = at;
	b->nports = s->nports;
	for (i = 0; i < s->nports; i++) {
		struct boot_port p = {
			.guest = s->ports[i].guest,
			.proto = s->ports[i].is_udp ? IPPROTO_UDP : IPPROTO_TCP,
			.flags = s->ports[i].is_postgres ? BOOT_PORT_POSTGRES
							 : 0,
			.id = i,
		};

		memcpy(b->data + at + i * sizeof(p), &p, sizeof(p));
	}
}

size_t boot_hosts(const struct spec *s, char *buf, size_t size)
{
	struct in_addr ip = { htonl(INSTANCE_IP) };
	char ip_text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &ip, ip_text, sizeof(ip_text));
	return (size_t)snprintf(
		buf, size,
		"127.0.0.1\tlocalhost\n"
		"::1\tlocalhost ip6-localhost ip6-loopback\n%s\t%s\n",
		ip_text, s->hostname);
}

static int put_files(struct boot_block *b, const struct spec *s, struct err *e)
{
	char hosts[512], resolv[64];
	struct in_addr resolver = { htonl(RESOLVER_IP) };
	char resolver_text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &resolver, resolver_text, sizeof(resolver_text));
	boot_hosts(s, hosts, sizeof(hosts));
	snprintf(resolv, sizeof(resolv), "nameserver %s\n", resolver_text);
	if (put_string(b, hosts, &b->hosts, e))
		return -e->code;
	return put_string(b, resolv, &b->resolv_conf, e);
}

static void set_flags(struct boot_block *b, const struct spec *s)
{
	struct winsize ws;

	b->flags =
		(s->trace ? BOOT_TRACE : 0) | (s->stats ? BOOT_STATS : 0) |
		(s->has_tty ? BOOT_TTY : 0) | (s->has_stdin ? BOOT_STDIN : 0) |
		(s->no_patch ? BOOT_NO_PATCH : 0) | (s->core ? BOOT_CORES : 0) |
		(s->sleep.policy != SLEEP_OFF ? BOOT_SLEEPS : 0);
	if (s->has_tty && ioctl(0, TIOCGWINSZ, &ws) == 0) {
		b->tty_rows = ws.ws_row;
		b->tty_cols = ws.ws_col;
	}
}

/* One more than the host's highest CPU number; large if it does not say. */
static unsigned int host_cpus_end(void)
{
	cleanup_close int fd =
		open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
	char line[1024];
	size_t digits;
	ssize_t n;

	if (fd < 0)
		return UINT32_MAX;
	n = read(fd, line, sizeof(line) - 1);
	line[n > 0 ? n : 0] = '\0';
	digits = strcspn(line, "\n");
	while (digits && line[digits - 1] >= '0' && line[digits - 1] <= '9')
		digits--;
	if (line[digits] < '0' || line[digits] > '9')
		return UINT32_MAX;
	return (unsigned int)strtoul(line + digits, NULL, 10) + 1;
}

int boot_fill(struct instance *in, struct err *e)
{
	struct boot_block *b = in->boot;
	const struct spec *s = &in->spec;
	const char *path = strv_getenv(&s->env, "PATH");

	b->magic = BOOT_MAGIC;
	b->version = BOOT_VERSION;
	b->size = BOOT_BLOCK_SIZE;
	b->gate = BOOT_GATE_VOLUMES;
	b->status.version = STATUS_VERSION;
	b->ncpus = s->ncpus ? s->ncpus
			    : (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	b->memory_limit = s->memory_bytes;
	b->host_memory = (uint64_t)sysconf(_SC_PHYS_PAGES) *
			 (uint64_t)sysconf(_SC_PAGESIZE);
	b->image_size = in->image_size;
	b->resolver_ip = htonl(RESOLVER_IP);
	b->instance_ip = htonl(INSTANCE_IP);
	set_flags(b, s);
	if (host_cpus_end() <= b->ncpus)
		b->flags |= BOOT_HOST_CPUS;
	if (getrandom(b->entropy, sizeof(b->entropy), 0) < 0)
		return err_sys(e, errno, "entropy");
	if (put_strings(b, &s->argv, &b->argv, &b->argc, e) ||
	    put_strings(b, &s->env, &b->envp, &b->envc, e) ||
	    put_string(b, s->cwd, &b->cwd, e) ||
	    put_string(b, s->hostname, &b->hostname, e) ||
	    put_string(b, s->user, &b->user, e) ||
	    put_string(b, path ? path : "", &b->env_path, e) ||
	    put_files(b, s, e))
		return -e->code;
	put_ports(b, s);
	for (unsigned int i = 0; i < s->nvolumes; i++) {
		const struct spec_volume *v = &s->volumes[i];

		if (put_string(b, v->name, &b->volumes[i].name, e) ||
		    put_string(b, v->path, &b->volumes[i].path, e))
			return -e->code;
	}
	return 0;
}

int boot_prepare_objects(struct instance *in, struct err *e)
{
	int pair[2];

	/* First, while descriptor BOOT_FD is the lowest free one. */
	in->boot_fd = shared_object("boot", BOOT_BLOCK_SIZE, e);
	if (in->boot_fd < 0)
		return -e->code;
	in->kernel_fd = shared_object("kernel", KERNEL_MEMORY_SIZE, e);
	in->cache_fd = shared_object("cache", CACHE_MEMORY_SIZE, e);
	if (in->kernel_fd < 0 || in->cache_fd < 0)
		return -e->code;
	in->boot = mmap(NULL, BOOT_BLOCK_SIZE, PROT_READ | PROT_WRITE,
			MAP_SHARED, in->boot_fd, 0);
	if (in->boot == MAP_FAILED)
		return err_sys(e, errno, "boot block");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_sys(e, errno, "broker socket");
	in->broker_fd = pair[0];
	in->broker_guest_fd = pair[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_sys(e, errno, "event socket");
	in->event_fd = pair[0];
	in->event_guest_fd = pair[1];
	return 0;
}
