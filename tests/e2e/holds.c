/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server on port 80 by the first byte of a connection: 'h' holds it, and
 * nothing of it is read or closed any more; with anything else the connection
 * is echoed from then on, as one of many. With an argument a thread serves, and
 * the one that the process began with is gone.
 */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define MANY 4096

static void *serve(void *unused)
{
	(void)unused;
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(80) };
	static struct pollfd fds[MANY];
	nfds_t n = 1;
	char buf[4096];

	fds[0].fd = socket(AF_INET, SOCK_STREAM, 0);
	fds[0].events = POLLIN;
	if (bind(fds[0].fd, (struct sockaddr *)&sin, sizeof(sin)) ||
	    listen(fds[0].fd, 64))
		_exit(1);
	for (;;) {
		if (poll(fds, n, -1) < 0)
			_exit(1);
		for (nfds_t i = n - 1; i > 0; i--) {
			ssize_t got;

			if (!fds[i].revents)
				continue;
			got = read(fds[i].fd, buf, sizeof(buf));
			if (got > 0 && buf[0] == 'h')
				fds[i].fd = ~fds[i].fd; /* poll skips it */
			if (got > 0 && write(fds[i].fd, buf, (size_t)got) < 0)
				continue;
			if (got <= 0) {
				close(fds[i].fd);
				fds[i] = fds[--n];
			}
		}
		if (fds[0].revents && n < MANY) {
			fds[n].fd = accept(fds[0].fd, NULL, NULL);
			fds[n++].events = POLLIN;
		}
	}
}

int main(int argc, char **argv)
{
	pthread_t thread;

	(void)argv;
	if (argc == 1)
		serve(NULL);
	if (pthread_create(&thread, NULL, serve, NULL))
		return 1;
	pthread_exit(NULL);
}
