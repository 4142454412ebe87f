/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing of -p arguments.
 */
#include "engine/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse_number(const char *text, size_t len, uint16_t *out)
{
	unsigned long n = 0;

	if (!len || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		n = n * 10 + (unsigned long)(text[i] - '0');
	}
	*out = (uint16_t)n;
	return n <= 65535;
}

/* Cut "/tcp" or "/udp" off the end: the length that remains, 0 if neither. */
static size_t cut_protocol(const char *text, bool *is_udp)
{
	const char *slash = strchr(text, '/');

	*is_udp = slash && !strcmp(slash, "/udp");
	if (!slash)
		return strlen(text);
	return *is_udp || !strcmp(slash, "/tcp") ? (size_t)(slash - text) : 0;
}

/* The last colon in text before end, or NULL. */
static const char *find_colon(const char *text, const char *end)
{
	while (end > text)
		if (*--end == ':')
			return end;
	return NULL;
}

static int set_ip(const char *text, size_t len, struct port *port,
		  struct err *e)
{
	struct in_addr ip;

	if (len && text[0] == '[')
		return err_set(e, EAFNOSUPPORT,
			       "'%.60s': IPv6 addresses are not supported",
			       text);
	if (len >= sizeof(port->ip))
		return -EINVAL;
	memcpy(port->ip, text, len);
	port->ip[len] = '\0';
	return inet_pton(AF_INET, port->ip, &ip) == 1 ? 0 : -EINVAL;
}

/* "deliver:80" */
static int parse_delivered(const char *text, const char *number,
			   struct port *port, struct err *e)
{
	port->is_udp = false;
	port->host = 0;
	snprintf(port->ip, sizeof(port->ip), "0.0.0.0");
	if (!parse_number(number, strlen(number), &port->guest) || !port->guest)
		return err_set(e, EINVAL, "'%.60s' is not deliver:GUEST", text);
	return 0;
}

int port_parse(const char *text, struct port *port, struct err *e)
{
	static const char deliver[] = "deliver:";
	size_t len = cut_protocol(text, &port->is_udp);
	const char *end = text + len;
	const char *last = find_colon(text, end);
	const char *first = last ? find_colon(text, last) : NULL;
	int r = 0;

	port->is_delivered = !strncmp(text, deliver, sizeof(deliver) - 1);
	if (port->is_delivered)
		return parse_delivered(text, text + sizeof(deliver) - 1, port,
				       e);
	if (!last)
		return err_set(e, EINVAL,
			       "'%.60s' is not [IP:]HOST:GUEST[/udp]", text);
	snprintf(port->ip, sizeof(port->ip), "0.0.0.0");
	if (first)
		r = set_ip(text, (size_t)(first - text), port, e);
	first = first ? first + 1 : text;
	if (r == -EAFNOSUPPORT)
		return r;
	if (r < 0 ||
	    !parse_number(first, (size_t)(last - first), &port->host) ||
	    !parse_number(last + 1, (size_t)(end - last - 1), &port->guest) ||
	    !port->guest)
		return err_set(e, EINVAL,
			       "'%.60s' is not [IP:]HOST:GUEST[/udp]", text);
	return 0;
}
