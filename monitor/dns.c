/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resolver behind the instance's nameserver address. Names of this
 * instance are answered here; all else is forwarded to the host's first
 * nameserver over UDP (RFC 1035 §4) with message ids of our own, so that an
 * instance never sees another's answers. Datagrams from the instance are
 * hostile and reach only the forwarder's packet.
 */
#include "monitor/instance.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/cleanup.h"

#define DNS_PACKET_MAX 4096
#define DNS_HEADER 12
#define DNS_PENDING 64
#define DNS_CLIENTS 256

struct dns {
	int upstream; /* connected UDP socket, -1: none configured */
	uint16_t next_id;
	int clients[DNS_CLIENTS];
	unsigned int nclients;
	struct {
		int client; /* -1: free */
		uint16_t id, client_id;
	} pending[DNS_PENDING];
	unsigned int next_pending;
};

static int open_upstream(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(53) };
	cleanup_file FILE *f = fopen("/etc/resolv.conf", "re");
	char line[256], word[128];
	bool found = false;
	int fd;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "nameserver %127s", word) == 1 &&
			inet_pton(AF_INET, word, &sin.sin_addr) == 1;
	if (!found)
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sin, sizeof(sin))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void watch(struct instance *in, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static struct dns *dns_get(struct instance *in)
{
	if (in->dns)
		return in->dns;
	in->dns = calloc(1, sizeof(*in->dns));
	if (!in->dns)
		return NULL;
	in->dns->upstream = open_upstream();
	if (in->spec.egress.names.count)
		in->egress_known = calloc(1, sizeof(*in->egress_known));
	if (in->dns->upstream >= 0)
		watch(in, in->dns->upstream);
	for (unsigned int i = 0; i < DNS_PENDING; i++)
		in->dns->pending[i].client = -1;
	return in->dns;
}

int dns_open_client(struct instance *in)
{
	struct dns *d = dns_get(in);
	int pair[2];

	if (!d || d->nclients == DNS_CLIENTS)
		return -EMFILE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, pair))
		return -errno;
	d->clients[d->nclients++] = pair[0];
	watch(in, pair[0]);
	return pair[1];
}

bool dns_owns(const struct instance *in, int fd)
{
	const struct dns *d = in->dns;

	if (!d)
		return false;
	for (unsigned int i = 0; i < d->nclients; i++) {
		if (d->clients[i] == fd)
			return true;
	}
	return d->upstream == fd;
}

static void drop_client(struct dns *d, int fd)
{
	for (unsigned int i = 0; i < d->nclients; i++) {
		if (d->clients[i] == fd)
			d->clients[i] = d->clients[--d->nclients];
	}
	for (unsigned int i = 0; i < DNS_PENDING; i++) {
		if (d->pending[i].client == fd)
			d->pending[i].client = -1;
	}
	close(fd);
}

/* The question's name as text and where its type starts; 0 if malformed. */
static size_t question_name(const uint8_t *p, size_t n, char *name, size_t size)
{
	size_t at = DNS_HEADER, out = 0;

	while (at < n && p[at] != 0) {
		size_t len = p[at++];

		if (len > 63 || at + len > n || out + len + 2 > size)
			return 0;
		/* Such a name would look like another one as text. */
		if (memchr(p + at, '\0', len) || memchr(p + at, '.', len))
			return 0;
		if (out)
			name[out++] = '.';
		memcpy(name + out, p + at, len);
		out += len;
		at += len;
	}
	name[out] = '\0';
	return at + 5 <= n ? at + 1 : 0;
}

/* Turn the query in p into an answer: rcode, and an A record if ip is not 0. */
static size_t make_answer(uint8_t *p, size_t question_end, int rcode,
			  uint32_t ip)
{
	static const uint8_t a_record[12] = { 0xc0, DNS_HEADER, 0, 1,  0, 1,
					      0,    0,		0, 60, 0, 4 };
	uint32_t wire = htonl(ip);

	p[2] = (uint8_t)(0x80 | (p[2] & 1)); /* answer, recursion desired */
	p[3] = (uint8_t)(0x80 | rcode);	     /* recursion available */
	memset(p + 6, 0, 6);
	p[7] = ip ? 1 : 0;
	if (!ip)
		return question_end;
	memcpy(p + question_end, a_record, sizeof(a_record));
	memcpy(p + question_end + sizeof(a_record), &wire, sizeof(wire));
	return question_end + sizeof(a_record) + sizeof(wire);
}

static void forward(struct dns *d, int client, uint8_t *p, size_t n)
{
	unsigned int slot = d->next_pending++ % DNS_PENDING;
	uint16_t id = ++d->next_id;

	memcpy(&d->pending[slot].client_id, p, 2);
	d->pending[slot].client = client;
	d->pending[slot].id = id;
	memcpy(p, &id, 2);
	if (send(d->upstream, p, n, MSG_NOSIGNAL) < 0)
		d->pending[slot].client = -1; /* the client times out */
}

static void serve_client(struct instance *in, int fd)
{
	uint8_t p[DNS_PACKET_MAX + 64];
	struct dns *d = in->dns;
	char name[256];
	ssize_t n = recv(fd, p, DNS_PACKET_MAX, 0);
	size_t type_at, end;
	bool is_a;

	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		drop_client(d, fd);
		return;
	}
	if (n < DNS_HEADER || p[4] || p[5] != 1 || (p[2] & 0x80))
		return;
	type_at = question_name(p, (size_t)n, name, sizeof(name));
	if (!type_at)
		return;
	end = type_at + 4;
	is_a = p[type_at] == 0 && p[type_at + 1] == 1;
	if (strcasecmp(name, in->spec.hostname) == 0)
		end = make_answer(p, end, 0, is_a ? INSTANCE_IP : 0);
	else if (strcasecmp(name, "localhost") == 0)
		end = make_answer(p, end, 0, is_a ? INADDR_LOOPBACK : 0);
	else if (d->upstream < 0 || !in->spec.has_net)
		end = make_answer(p, end, 3, 0); /* NXDOMAIN */
	else if (!egress_allows_name(&in->spec.egress, name))
		end = make_answer(p, end, 5, 0); /* REFUSED */
	else {
		forward(d, fd, p, (size_t)n);
		return;
	}
	send(fd, p, end, MSG_NOSIGNAL);
}

static void serve_upstream(struct instance *in)
{
	uint8_t p[DNS_PACKET_MAX];
	struct dns *d = in->dns;
	ssize_t n = recv(d->upstream, p, sizeof(p), 0);
	uint16_t id;

	if (n < DNS_HEADER)
		return;
	memcpy(&id, p, 2);
	for (unsigned int i = 0; i < DNS_PENDING; i++) {
		if (d->pending[i].client < 0 || d->pending[i].id != id)
			continue;
		if (in->egress_known)
			egress_learn(in->egress_known, p, (size_t)n,
				     clock_now_ns());
		memcpy(p, &d->pending[i].client_id, 2);
		send(d->pending[i].client, p, (size_t)n, MSG_NOSIGNAL);
		d->pending[i].client = -1;
		return;
	}
}

void dns_serve(struct instance *in, int fd)
{
	if (fd == in->dns->upstream)
		serve_upstream(in);
	else
		serve_client(in, fd);
}
