/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot IMAGE PROGRAM [ARGUMENT]...: writes to standard output the module that
 * the kernel of platform `pc` is started with: a boot block as the monitor
 * fills it. With VOLUMES="PATH ..." disks after the image's are mounted there,
 * PORTS="PORT ..." may be listened on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/io.h"
#include "monitor/instance.h"

static void add_volumes(struct spec *s, char *paths)
{
	for (char *p = strtok(paths, " "); p; p = strtok(NULL, " ")) {
		struct spec_volume *v = &s->volumes[s->nvolumes++];

		v->name = p;
		v->path = p;
	}
}

static void add_ports(struct spec *s, char *ports)
{
	for (char *p = strtok(ports, " "); p; p = strtok(NULL, " "))
		s->ports[s->nports++].guest = (uint16_t)atoi(p);
}

int main(int argc, char **argv)
{
	static struct instance in;
	char empty[] = "", root[] = "/", name[] = "pc";
	struct err e = ERR_INIT;

	if (argc < 3) {
		fprintf(stderr, "boot IMAGE PROGRAM [ARGUMENT]...\n");
		return 2;
	}
	in.spec.image = argv[1];
	in.spec.cwd = root;
	in.spec.user = empty;
	in.spec.hostname = name;
	in.spec.ncpus = 1;
	strv_add(&in.spec.env, "PATH=/usr/local/sbin:/usr/local/bin:"
			       "/usr/sbin:/usr/bin:/sbin:/bin");
	strv_add(&in.spec.env, "HOME=/root");
	for (int i = 2; i < argc; i++)
		strv_add(&in.spec.argv, argv[i]);
	if (getenv("VOLUMES"))
		add_volumes(&in.spec, getenv("VOLUMES"));
	if (getenv("PORTS"))
		add_ports(&in.spec, getenv("PORTS"));
	in.boot = calloc(1, BOOT_BLOCK_SIZE);
	if (!in.boot || boot_open_image(&in, &e) || boot_fill(&in, &e)) {
		fprintf(stderr, "boot: %s\n", e.msg);
		return 1;
	}
	in.boot->nvolumes = in.spec.nvolumes;
	for (unsigned int i = 1; i < 3; i++)
		in.boot->stdio_hfd[i] = (int)i;
	return write(1, in.boot, BOOT_BLOCK_SIZE) != BOOT_BLOCK_SIZE;
}
