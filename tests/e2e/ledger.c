/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger FILE: appends number after number to FILE, on a volume, and prints
 * "ack N" when N is durable. Goes on after the last one that is there. Whoever
 * connects to port 8080 gets the number that is next.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE 9 /* bytes: 8 digits */

static int listen_at(unsigned short port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(fd, 16)) {
		perror("ledger: port");
		exit(1);
	}
	return fd;
}

static void answer(int listener, long next)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		return;
	dprintf(fd, "%ld\n", next);
	close(fd);
}

int main(int argc, char **argv)
{
	struct pollfd p = { .fd = listen_at(8080), .events = POLLIN };
	int fd = open(argc > 1 ? argv[1] : "", O_RDWR | O_CREAT | O_APPEND,
		      0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		perror("ledger");
		return 1;
	}
	for (long n = st.st_size / LINE + 1;; n++) {
		char line[32];

		snprintf(line, sizeof(line), "%08ld\n", n);
		if (write(fd, line, LINE) != LINE || fdatasync(fd)) {
			perror("ledger");
			return 1;
		}
		printf("ack %ld\n", n);
		fflush(stdout);
		if (poll(&p, 1, 1) > 0)
			answer(p.fd, n + 1);
	}
}
