/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program for egress.bats: connect tcp|udp ADDRESS PORT; sends a line and
 * prints what comes back, or the error's name.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int failed(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	char buf[256];
	ssize_t n;
	int fd;

	if (argc != 4 || inet_pton(AF_INET, argv[2], &sin.sin_addr) != 1)
		return 2;
	sin.sin_port = htons((uint16_t)atoi(argv[3]));
	fd = socket(AF_INET, argv[1][0] == 'u' ? SOCK_DGRAM : SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		return failed("connect");
	if (write(fd, "hello\n", 6) != 6)
		return failed("write");
	n = read(fd, buf, sizeof(buf));
	if (n < 0)
		return failed("read");
	printf("%.*s", (int)n, buf);
	return 0;
}
