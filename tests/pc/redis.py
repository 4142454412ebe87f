#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""redis.py PORT write N: at least N counted writes until the server is gone or
has taken them; prints the last that it acknowledged. redis.py PORT check N:
those are there."""
import socket
import sys
import time


def connect(port):
    end = time.monotonic() + 100
    while True:
        try:
            sock = socket.create_connection(("127.0.0.1", port), 10)
            sock.sendall(b"PING\r\n")
            if sock.recv(100) == b"+PONG\r\n":
                sock.settimeout(60)
                return sock
        except OSError:
            pass
        if time.monotonic() > end:
            sys.exit("the server does not answer")
        time.sleep(0.1)


def ask(sock, line):
    sock.sendall(line.encode() + b"\r\n")
    data = b""
    while not data.endswith(b"\r\n"):
        more = sock.recv(4096)
        if not more:
            sys.exit(f"{line}: closed")
        data += more
    return data.decode().split()


def main():
    sock, n = connect(int(sys.argv[1])), int(sys.argv[3])
    if sys.argv[2] == "write":
        for i in range(1, n + 1):
            if ask(sock, f"SET key:{i} {i}") != ["+OK"]:
                sys.exit(f"write {i} was refused")
        print(n)
        return
    for i in range(1, n + 1):
        got = ask(sock, f"GET key:{i}")
        if got[1:] != [str(i)]:
            sys.exit(f"write {i} is lost: {got}")


main()
