/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first program of the Linux guest that bench/vm.py compares with: loads
 * the drivers named in /modules, gives eth0 its address, and becomes the
 * program of its arguments (those of the kernel's command line after "--").
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ADDRESS "10.77.0.2"
#define MASK "255.255.255.0"

static void load_modules(void)
{
	char path[256];
	FILE *f = fopen("/modules", "r");

	while (f && fgets(path, sizeof(path), f)) {
		int fd;

		path[strcspn(path, "\n")] = '\0';
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			perror(path);
		close(fd);
	}
	if (f)
		fclose(f);
}

static int set(int fd, unsigned long what, struct ifreq *r, const char *text)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&r->ifr_addr;

	in->sin_family = AF_INET;
	inet_pton(AF_INET, text, &in->sin_addr);
	return ioctl(fd, what, r);
}

static int up(int fd, const char *name)
{
	struct ifreq r = { 0 };

	strncpy(r.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFFLAGS, &r))
		return -1;
	r.ifr_flags |= IFF_UP | IFF_RUNNING;
	return ioctl(fd, SIOCSIFFLAGS, &r);
}

static void begin_network(void)
{
	struct ifreq r = { .ifr_name = "eth0" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	up(fd, "lo");
	if (set(fd, SIOCSIFADDR, &r, ADDRESS) ||
	    set(fd, SIOCSIFNETMASK, &r, MASK) || up(fd, "eth0"))
		perror("eth0");
	close(fd);
}

int main(int argc, char **argv)
{
	static char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
			       "HOME=/root", NULL };

	mount("none", "/proc", "proc", 0, NULL);
	mount("none", "/sys", "sysfs", 0, NULL);
	mount("none", "/dev", "devtmpfs", 0, NULL);
	mkdir("/dev/shm", 01777);
	mount("none", "/dev/shm", "tmpfs", 0, NULL);
	load_modules();
	begin_network();
	if (argc > 1)
		execve(argv[1], argv + 1, env);
	perror("init");
	return 1;
}
