/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PROXY protocol. Version 1 is a line of text of at most 107 bytes; version
 * 2 has a signature, a length and addresses in binary, behind which there may
 * be fields, which are skipped. A header is refused as soon as it cannot become
 * one.
 */
#include "gateway/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lib/compiler.h"

#define LINE_MAX_1 107
#define HEAD_2 16

static const uint8_t signature[12] = { '\r', '\n', '\r', '\n', 0,   '\r',
				       '\n', 'Q',  'U',	 'I',  'T', '\n' };

enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };
enum { FAMILY_NONE = 0x00, FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21 };

static void set_end(struct sockaddr_storage *ss, int family, const void *ip,
		    uint16_t port)
{
	struct sockaddr_in *sin = (void *)ss;
	struct sockaddr_in6 *sin6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		memcpy(&sin->sin_addr, ip, 4);
		sin->sin_port = htons(port);
	} else {
		memcpy(&sin6->sin6_addr, ip, 16);
		sin6->sin6_port = htons(port);
	}
}

/* The next word, up to a space or the end; NULL: there is none. */
static char *next_word(char **p)
{
	char *word = *p, *space;

	if (!word || !*word)
		return NULL;
	space = strchr(word, ' ');
	*p = space ? space + 1 : NULL;
	if (space)
		*space = '\0';
	return *word ? word : NULL;
}

static bool read_port(const char *word, uint16_t *port)
{
	unsigned int n = 0;
	size_t len = word ? strlen(word) : 0;

	if (!len || len > 5 || (word[0] == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (word[i] < '0' || word[i] > '9')
			return false;
		n = n * 10 + (unsigned int)(word[i] - '0');
	}
	*port = (uint16_t)n;
	return n <= UINT16_MAX;
}

/* What is behind "PROXY ", without its CRLF. */
static int parse_line(char *line, struct proxy_ends *out)
{
	char *rest = line, *kind = next_word(&rest), *words[4];
	uint8_t from[16], to[16];
	uint16_t ports[2];
	int family;

	if (kind && !strcmp(kind, "UNKNOWN"))
		return 0;
	if (!kind || (strcmp(kind, "TCP4") && strcmp(kind, "TCP6")))
		return -EBADMSG;
	family = kind[3] == '4' ? AF_INET : AF_INET6;
	for (int i = 0; i < 4; i++)
		words[i] = next_word(&rest);
	if (rest || !words[0] || !words[1] ||
	    inet_pton(family, words[0], from) != 1 ||
	    inet_pton(family, words[1], to) != 1 ||
	    !read_port(words[2], &ports[0]) || !read_port(words[3], &ports[1]))
		return -EBADMSG;
	set_end(&out->from, family, from, ports[0]);
	set_end(&out->to, family, to, ports[1]);
	out->is_known = true;
	return 0;
}

static ssize_t parse_1(const uint8_t *buf, size_t len, struct proxy_ends *out)
{
	static const char word[] = "PROXY ";
	const size_t nword = sizeof(word) - 1;
	const uint8_t *end;
	char line[LINE_MAX_1];
	size_t n;

	if (memcmp(buf, word, MIN(len, nword)) != 0)
		return -EBADMSG;
	end = memchr(buf, '\n', MIN(len, (size_t)LINE_MAX_1));
	if (!end)
		return len < LINE_MAX_1 ? 0 : -EBADMSG;
	n = (size_t)(end - buf) + 1;
	if (n < nword + 2 || end[-1] != '\r' || memchr(buf, '\0', n))
		return -EBADMSG;
	memcpy(line, buf + nword, n - nword - 2);
	line[n - nword - 2] = '\0';
	return parse_line(line, out) ? -EBADMSG : (ssize_t)n;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Addresses of nip bytes each, then the ports. */
static int parse_ends(const uint8_t *p, size_t len, int family, size_t nip,
		      struct proxy_ends *out)
{
	if (len < 2 * nip + 4)
		return -EBADMSG;
	set_end(&out->from, family, p, get16(p + 2 * nip));
	set_end(&out->to, family, p + nip, get16(p + 2 * nip + 2));
	out->is_known = true;
	return 0;
}

static ssize_t parse_2(const uint8_t *buf, size_t len, struct proxy_ends *out)
{
	size_t n;
	int status = 0;

	if (memcmp(buf, signature, MIN(len, sizeof(signature))) != 0)
		return -EBADMSG;
	if (len < HEAD_2)
		return 0;
	n = HEAD_2 + (size_t)get16(buf + 14);
	if (n > PROXY_READ_MAX ||
	    (buf[12] != COMMAND_LOCAL && buf[12] != COMMAND_PROXY))
		return -EBADMSG;
	if (len < n)
		return 0;
	if (buf[12] == COMMAND_LOCAL || buf[13] == FAMILY_NONE)
		status = 0;
	else if (buf[13] == FAMILY_TCP4)
		status = parse_ends(buf + HEAD_2, n - HEAD_2, AF_INET, 4, out);
	else if (buf[13] == FAMILY_TCP6)
		status =
			parse_ends(buf + HEAD_2, n - HEAD_2, AF_INET6, 16, out);
	else
		status = -EBADMSG;
	return status ? status : (ssize_t)n;
}

ssize_t proxy_parse(const uint8_t *buf, size_t len, struct proxy_ends *out)
{
	out->is_known = false;
	if (!len)
		return 0;
	return buf[0] == signature[0] ? parse_2(buf, len, out)
				      : parse_1(buf, len, out);
}

/* The address and port of one end. */
static const void *end_of(const struct sockaddr_storage *ss, uint16_t *port)
{
	const struct sockaddr_in *sin = (const void *)ss;
	const struct sockaddr_in6 *sin6 = (const void *)ss;

	*port = ntohs(ss->ss_family == AF_INET ? sin->sin_port
					       : sin6->sin6_port);
	return ss->ss_family == AF_INET ? (const void *)&sin->sin_addr
					: &sin6->sin6_addr;
}

static size_t write_1(const struct sockaddr_storage *from,
		      const struct sockaddr_storage *to, uint8_t *out)
{
	char a[INET6_ADDRSTRLEN], b[INET6_ADDRSTRLEN];
	uint16_t p, q;
	int n;

	if (!inet_ntop(from->ss_family, end_of(from, &p), a, sizeof(a)) ||
	    !inet_ntop(to->ss_family, end_of(to, &q), b, sizeof(b)))
		return 0;
	n = snprintf((char *)out, PROXY_WRITE_MAX,
		     "PROXY TCP%c %s %s %u %u\r\n",
		     from->ss_family == AF_INET ? '4' : '6', a, b, p, q);
	return (size_t)n;
}

static size_t write_2(const struct sockaddr_storage *from,
		      const struct sockaddr_storage *to, uint8_t *out)
{
	size_t nip = from->ss_family == AF_INET ? 4 : 16;
	uint8_t *at = out + HEAD_2;
	uint16_t p, q;

	out[13] = from->ss_family == AF_INET ? FAMILY_TCP4 : FAMILY_TCP6;
	memcpy(at, end_of(from, &p), nip);
	memcpy(at + nip, end_of(to, &q), nip);
	at += 2 * nip;
	at[0] = (uint8_t)(p >> 8);
	at[1] = (uint8_t)p;
	at[2] = (uint8_t)(q >> 8);
	at[3] = (uint8_t)q;
	return 2 * nip + 4;
}

size_t proxy_write(unsigned int version, const struct sockaddr_storage *from,
		   const struct sockaddr_storage *to,
		   uint8_t out[PROXY_WRITE_MAX])
{
	static const char unknown[] = "PROXY UNKNOWN\r\n";
	bool is_known =
		from->ss_family == to->ss_family &&
		(from->ss_family == AF_INET || from->ss_family == AF_INET6);
	size_t n = 0;

	if (version == 1) {
		n = is_known ? write_1(from, to, out) : 0;
		if (n)
			return n;
		memcpy(out, unknown, sizeof(unknown) - 1);
		return sizeof(unknown) - 1;
	}
	memcpy(out, signature, sizeof(signature));
	out[12] = COMMAND_PROXY;
	out[13] = FAMILY_NONE;
	if (is_known)
		n = write_2(from, to, out);
	out[14] = (uint8_t)(n >> 8);
	out[15] = (uint8_t)n;
	return HEAD_2 + n;
}
