// SPDX-License-Identifier: Apache-2.0
/*
 * The gateway's services and protocols without a daemon: gateway STORE LOOPS
 * CERTIFICATE [NAME...], commands on standard input, "ok" or "error TEXT" each:
 *   service NAME PORT GUEST HANDLER[+HANDLER...] [DOMAIN...]
 *     (also: from: PROXY headers come from loopback; to1, to2: are sent)
 *   add SERVICE NUMBER INSTANCE
 * A certificate for the names, of an authority whose own is written to
 * CERTIFICATE, is used for all; its chain and key are CERTIFICATE.chain, .key.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "gateway/certs.h"
#include "gateway/protocols.h"
#include "gateway/service.h"
#include "host/loop.h"

#define LOOPS_MAX 16

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
	struct service_config c = { .name = w[1],
				    .nports = 1,
				    .ports = &p,
				    .ndomains = (uint32_t)(n - 5),
				    .domains = (const char *const *)w + 5 };
	const char *handlers[8];
	size_t nhandlers = 0;
	int status;

	for (char *h = strtok(w[4], "+"); h && nhandlers < 8;
	     h = strtok(NULL, "+"))
		if (!strncmp(h, "to", 2))
			p.proxy_to = (uint32_t)atoi(h + 2);
		else if (!strcmp(h, "from"))
			p.proxy_from[p.nproxy_from++] =
				(struct service_net){ 0x7f000000, 0xff000000 };
		else if (strcmp(h, "plain"))
			handlers[nhandlers++] = h;
	status = protocol_find(handlers, nhandlers, &p.protocol);
	if (!p.protocol && p.proxy_to)
		p.protocol = protocol_relay;
	return status ? status : service_set(&c, &e);
}

static void save(const char *path, const char *suffix, const char *text)
{
	char name[4096];
	FILE *f;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	f = fopen(name, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		exit(1);
}

static void make_certificate(struct certs *certs, const char *path,
			     char *const *names, int nnames)
{
	struct cert_pem ca, pem;
	struct err e = ERR_INIT;

	if (cert_make_authority("Jiffy test", &ca, &e) ||
	    cert_make((const char *const *)names, (size_t)nnames, 2, &ca, &pem,
		      &e) ||
	    certs_put(certs, "test", &pem, true, NULL, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		exit(1);
	}
	save(path, "", ca.chain);
	save(path, ".chain", pem.chain);
	save(path, ".key", pem.key);
	cert_pem_free(&ca);
	cert_pem_free(&pem);
}

static int serve(char **w, int n)
{
	if (n > 4 && !strcmp(w[0], "service"))
		return set(w, n);
	if (n > 3 && !strcmp(w[0], "add"))
		return service_add(w[1], strtoull(w[2], NULL, 10), w[3]);
	return 0;
}

static void serve_all(void)
{
	char line[1024];

	while (fgets(line, sizeof(line), stdin)) {
		char *w[32];
		int n = 0, r;

		for (char *p = strtok(line, " \n"); p && n < 32;
		     p = strtok(NULL, " \n"))
			w[n++] = p;
		r = serve(w, n);
		printf(r ? "error %s\n" : "ok\n", strerror(-r));
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	const struct service_ops ops = { .start = NULL };
	unsigned int nloops = argc > 2 ? (unsigned int)atoi(argv[2]) : 0;
	struct certs *certs = certs_new();
	struct loop *loops[LOOPS_MAX];
	pthread_t threads[LOOPS_MAX];
	struct err e = ERR_INIT;

	if (argc < 5 || !nloops || nloops > LOOPS_MAX)
		return 2;
	make_certificate(certs, argv[3], argv + 4, argc - 4);
	for (unsigned int i = 0; i < nloops; i++)
		if (loop_new(&loops[i]))
			return 1;
	if (protocols_start(loops, nloops, certs, &e) ||
	    services_start(argv[1], loops, nloops, NULL, &ops, &e))
		return 1;
	for (unsigned int i = 0; i < nloops; i++)
		pthread_create(&threads[i], NULL, run, loops[i]);
	puts("ready");
	fflush(stdout);
	serve_all();
	for (unsigned int i = 0; i < nloops; i++) {
		loop_stop(loops[i]);
		pthread_join(threads[i], NULL);
	}
	protocols_stop();
	services_stop();
	for (unsigned int i = 0; i < nloops; i++)
		loop_free(loops[i]);
	certs_free(certs);
	return 0;
}
