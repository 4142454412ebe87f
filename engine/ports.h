/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published ports: [IP:]HOST:GUEST[/udp], or deliver:GUEST.
 */
#ifndef JIFFY_ENGINE_PORTS_H
#define JIFFY_ENGINE_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "host/err.h"

#define PORT_IP_SIZE 16 /* a dotted IPv4 address and its NUL */

struct port {
	char ip[PORT_IP_SIZE];
	uint16_t host; /* 0: the host chooses */
	uint16_t guest;
	bool is_udp;
	bool is_delivered; /* abi/deliver.h; ip and host are for show */
};

/* Parse one -p argument. The address defaults to 0.0.0.0; IPv6 addresses are
 * refused (-EAFNOSUPPORT). */
int port_parse(const char *text, struct port *port, struct err *e);

#endif
