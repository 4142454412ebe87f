// SPDX-License-Identifier: Apache-2.0
/*
 * The gateway's services without a daemon: front STORE [LOOPS [WAIT_MS]],
 * commands on standard input, an answer each: "ok", "error TEXT" or numbers.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "gateway/limits.h"
#include "gateway/service.h"
#include "host/loop.h"

static void start(void *arg, uint64_t number)
{
	(void)arg;
	printf("start %lu\n", (unsigned long)number);
	fflush(stdout);
}

static void *run(void *loop)
{
	loop_run(loop);
	return NULL;
}

static int set(char **w, int n)
{
	struct err e = ERR_INIT;
	struct service_port p = { .port = (uint16_t)atoi(w[2]),
				  .guest = (uint16_t)atoi(w[3]),
				  .ip.s_addr = htonl(INADDR_LOOPBACK) };
	struct service_config c = { .name = w[1], .nports = 1, .ports = &p };

	if (n > 5) {
		c.soft_limit = (uint32_t)atoi(w[4]);
		c.hard_limit = (uint32_t)atoi(w[5]);
	}
	if (service_set(&c, &e) == 0)
		return 0;
	printf("error %s\n", e.msg);
	return 1;
}

static int stats(const char *name)
{
	struct service_stats st;
	int r = service_stats(name, &st);

	if (r)
		return r;
	printf("{\"connections\":%lu,\"refused\":%lu,\"wakes\":%lu,"
	       "\"starts\":%lu,\"wake_ns\":%lu,\"waiting\":%u,"
	       "\"in_flight\":%u,\"open\":%u,\"ninstances\":%u,"
	       "\"wakes_failed\":%lu}\n",
	       (unsigned long)st.connections, (unsigned long)st.refused,
	       (unsigned long)st.wakes, (unsigned long)st.starts,
	       (unsigned long)st.wake_ns, st.waiting, st.in_flight, st.open,
	       st.ninstances, (unsigned long)st.wakes_failed);
	return 1;
}

static int serve(char **w, int n)
{
	uint64_t number = n > 2 ? strtoull(w[2], NULL, 10) : 0;

	if (n > 3 && !strcmp(w[0], "service"))
		return set(w, n);
	if (n > 3 && !strcmp(w[0], "add"))
		return service_add(w[1], number, w[3]);
	if (n > 2 && !strcmp(w[0], "drop"))
		return service_drop(w[1], number);
	if (n > 2 && !strcmp(w[0], "started"))
		service_instance_started(number, atoi(w[1]));
	else if (n > 1 && !strcmp(w[0], "remove"))
		return service_remove(w[1]);
	else if (n > 1 && !strcmp(w[0], "limit"))
		limits_set((uint32_t)atoi(w[1]), 1 << 20);
	else if (n > 1 && !strcmp(w[0], "stats"))
		return stats(w[1]);
	return 0;
}

int main(int argc, char **argv)
{
	const struct service_ops ops = {
		.start = start,
		.wait_ms = argc > 3 ? (uint32_t)atoi(argv[3]) : 0,
	};
	unsigned int nloops = argc > 2 ? (unsigned int)atoi(argv[2]) : 2;
	struct jobs *jobs;
	struct rlimit lim;
	struct loop *loops[16];
	struct err e = ERR_INIT;
	char line[1024];

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	for (unsigned int i = 0; i < nloops; i++)
		if (loop_new(&loops[i]))
			return 1;
	if (argc < 2 || jobs_new(2, 64, &jobs) ||
	    services_start(argv[1], loops, nloops, jobs, &ops, &e))
		return 1;
	for (unsigned int i = 0; i < nloops; i++) {
		pthread_t t;

		pthread_create(&t, NULL, run, loops[i]);
	}
	while (fgets(line, sizeof(line), stdin)) {
		char *w[8];
		int n = 0, r;

		for (char *p = strtok(line, " \n"); p && n < 8;
		     p = strtok(NULL, " \n"))
			w[n++] = p;
		r = n ? serve(w, n) : 0;
		if (r <= 0)
			printf(r ? "error %s\n" : "ok\n", strerror(-r));
		fflush(stdout);
	}
	return 0;
}
