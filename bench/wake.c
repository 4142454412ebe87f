/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest server: one thread, one answer to each connection, on port 80.
 */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	static const char answer[] = "HTTP/1.0 200 OK\r\n\r\nhello\n";
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(80) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char request[4096];

	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(fd, 64))
		return 1;
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (read(client, request, sizeof(request)) > 0 &&
		    write(client, answer, sizeof(answer) - 1) < 0)
			return 1;
		close(client);
	}
}
