/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program for run.bats, run inside and on the host: how descriptors that
 * come from outside behave under poll and epoll, which CPUs there are, and a
 * datagram echo.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int show_poll(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN }, got;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int set = epoll_create1(0);
	int n = poll(&p, 1, 0);

	printf("poll %d %#x\n", n, (unsigned int)p.revents);
	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev)) {
		printf("epoll_ctl: %s\n", strerror(errno));
		return 0;
	}
	n = epoll_wait(set, &got, 1, 0);
	printf("epoll_wait %d %#x\n", n, n > 0 ? got.events : 0);
	epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL);
	n = epoll_wait(set, &got, 1, 0);
	printf("epoll_wait %d\n", n);
	return 0;
}

static int show_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	printf("%d %ld\n", CPU_COUNT(&set), sysconf(_SC_NPROCESSORS_ONLN));
	return 0;
}

static int echo_datagrams(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((unsigned short)port) };
	socklen_t len = sizeof(a);
	char buf[2048];
	ssize_t n;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)))
		return 1;
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		return 1;
	for (;;) {
		len = sizeof(a);
		n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&a,
			     &len);
		if (n < 0)
			return 1;
		sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&a, len);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "poll"))
		return show_poll(STDIN_FILENO);
	if (argc > 1 && !strcmp(argv[1], "cpus"))
		return show_cpus();
	if (argc > 2 && !strcmp(argv[1], "datagrams"))
		return echo_datagrams(atoi(argv[2]));
	return 2;
}
