# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash

# free_port [udp]: a port of 127.0.0.1 that nobody has just now.
free_port() {
	python3 -c 'import socket, sys
s = socket.socket(type=socket.SOCK_DGRAM if sys.argv[1:] else
		  socket.SOCK_STREAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])' "$@"
}
