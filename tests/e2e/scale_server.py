# SPDX-License-Identifier: Apache-2.0
"""A server for scale.py: a line in, a line out, a thread for each connection."""
import os
import signal
import socket
import threading

released = threading.Event()
spins = threading.Event()
notes = []
counted = []


def listen():
    with open("/dev/jiffy/notify", "rb", buffering=0) as f:
        while True:
            notes.append(f.read(100).decode().strip())


def spin():
    while True:
        spins.wait()
        for _ in range(100000):
            pass


def device(how, text=b""):
    fd = os.open("/dev/jiffy/keepawake", os.O_RDWR)
    try:
        if how == "read":
            return os.read(fd, 100).decode().strip()
        return str(os.write(fd, text))
    except OSError as e:
        return os.strerror(e.errno)
    finally:
        os.close(fd)


def answer(word, rest, talk):
    if word == "slow":
        released.clear()
        released.wait()
    elif word == "release":
        released.set()
    elif word == "keepawake":
        return device("write", rest.encode()) if rest else device("read")
    elif word == "spin":
        (spins.set if rest == "on" else spins.clear)()
    elif word == "notes":
        return " ".join(n.split()[0] for n in notes)
    elif word == "alias":
        return os.readlink("/uk/libukp/scale_to_zero_disable")
    elif word == "count":
        counted.append(1)
        return str(len(counted))
    elif word == "stops":
        with open("/data/stops", encoding="ascii") as f:
            return f.read()
    elif word == "early":  # an answer, before the line has come
        talk.sendall(b"early\n")
    return "ok"


def serve(talk):
    with talk, talk.makefile("rb") as lines:
        for line in lines:
            word, _, rest = line.decode().strip().partition(" ")
            talk.sendall(answer(word, rest, talk).encode() + b"\n")


def stop(*_):
    if os.path.isdir("/data"):
        with open("/data/stops", "a", encoding="ascii") as f:
            f.write("x")
    os._exit(0)


signal.signal(signal.SIGTERM, stop)  # the image's stop signal
for loop in (listen, spin):
    threading.Thread(target=loop, daemon=True).start()
server = socket.create_server(("", 8080))
while True:
    threading.Thread(target=serve, args=(server.accept()[0],),
                     daemon=True).start()
