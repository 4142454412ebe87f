/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spec: what the CLI or the daemon asks a monitor to run, as JSON on a
 * descriptor. Trusted (it comes from the same user), but checked all the same.
 */
#ifndef JIFFY_MONITOR_SPEC_H
#define JIFFY_MONITOR_SPEC_H

#include <netinet/in.h>
#include <stdint.h>

#include "host/err.h"
#include "host/strv.h"
#include "monitor/egress.h"
#include "monitor/idle.h"

#define SPEC_PORTS_MAX 64

struct spec_port {
	struct in_addr ip; /* host address to listen on */
	uint16_t host;
	uint16_t guest;
	bool is_udp;
	bool is_hidden;	   /* not published: a clone's may be so */
	bool is_delivered; /* abi/deliver.h; ip and host mean nothing */
	bool is_postgres;  /* who listens there speaks its protocol */
};

#define SPEC_VOLUMES_MAX 16

struct spec_volume {
	char *name; /* for messages */
	char *file; /* on the host */
	char *path; /* in the instance */
	bool is_readonly;
};

struct spec {
	char *name;
	char *image; /* path of the EROFS root, NULL: none */
	struct strv argv;
	struct strv env;
	char *cwd;
	char *user;
	char *hostname;
	uint64_t memory_bytes; /* 0: no limit */
	unsigned int ncpus;    /* 0: all of the host */
	unsigned int nports;
	struct spec_port ports[SPEC_PORTS_MAX];
	unsigned int nvolumes;
	struct spec_volume volumes[SPEC_VOLUMES_MAX];
	struct egress egress;
	bool has_tty, has_stdin, is_detached, is_removed_at_exit, has_net;
	bool no_patch;
	bool is_machine; /* platform qemu */
	bool is_packet;	 /* network: all of the outside, by packets */
	struct sleep_spec sleep;
	char *trace; /* NULL, "-" or a path */
	char *stats;
	char *core;	 /* directory for core files, NULL: none outside */
	char *state_dir; /* NULL: none is kept */
	int stop_signal;
	int64_t ends_at;     /* seconds of real time; 0: by itself */
	uint64_t started_ns; /* CLOCK_MONOTONIC of the CLI's start, or 0 */
	int clone_signal;    /* to pid 1 of a clone, or 0 */
};

/* Read and check the spec on fd. Everything in *s is owned by it. */
int spec_read(int fd, struct spec *s, struct err *e);
/* The same from text; free what it owns. */
int spec_parse(const char *text, size_t len, struct spec *s, struct err *e);
void spec_free(struct spec *s);

#endif
