# SPDX-License-Identifier: Apache-2.0
"""A long-lived interpreter with state: a thread and a running generator for
each connection, a child behind pipes, a thread that ticks. A request is a line;
the answer has the number of this connection's requests, of all, of ticks, and a
hash over all that this connection said."""
import hashlib
import os
import socket
import threading
import time

lock = threading.Lock()
total = ticks = 0


def child(requests, answers):
    """Adds up, one number at a time."""
    n = 0
    while True:
        n += len(os.read(requests, 1))
        os.write(answers, b"%20d" % n)


def start_child():
    to, back = os.pipe(), os.pipe()
    if os.fork() == 0:
        child(to[0], back[1])
    return to[1], back[0]


def chain():
    """What was said so far, as a generator's own state."""
    digest, own, line = "", 0, None
    while True:
        if line is not None:
            own += 1
            digest = hashlib.sha256((digest + line).encode()).hexdigest()
        line = yield own, digest


def ticker():
    global ticks
    while True:
        time.sleep(0.002)
        ticks += 1


def serve(conn):
    global total
    said = chain()
    next(said)
    for line in conn.makefile("r", encoding="ascii"):
        own, digest = said.send(line.strip())
        with lock:
            os.write(to_child, b"x")
            total = int(os.read(from_child, 20))
            text = f"{own} {total} {ticks} {digest}\n"
        conn.sendall(text.encode())
    conn.close()


to_child, from_child = start_child()
threading.Thread(target=ticker, daemon=True).start()
listener = socket.create_server(("", 8080), backlog=64)
while True:
    threading.Thread(target=serve, args=listener.accept()[:1],
                     daemon=True).start()
