# SPDX-License-Identifier: Apache-2.0
"""Before the scripts of deliver.bats: hands connections to an instance."""
import errno
import os
import select
import socket
import struct
import subprocess
import time

jiffy, home = os.environ["JIFFY"], os.environ["JIFFY_HOME"]
name = os.environ["name"]
PEER = ("203.0.113.9", 4321)


def state(of=None):
    return f"{home}/instances/{of or name}"


def message(version=1, length=16, peer=PEER):
    """struct deliver_message."""
    address = struct.pack("<H", socket.AF_INET) + \
        struct.pack(">H", peer[1]) + socket.inet_aton(peer[0])
    return struct.pack("<II32s", version, length, address)


class Port:
    """Delivers to one port of an instance."""

    def __init__(self, of=None, port=80):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.to = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.to.setblocking(False)
        directory = os.open(state(of), os.O_RDONLY)
        self.to.connect(f"/proc/self/fd/{directory}/deliver.{port}")
        os.close(directory)

    def pair(self):
        """A client and its accepted other end."""
        client = socket.create_connection(self.listener.getsockname(), 20)
        accepted, _ = self.listener.accept()
        accepted.setblocking(False)
        return client, accepted

    def send(self, fds, data=None):
        socket.send_fds(self.to, [message() if data is None else data], fds)

    def wait_room(self):
        poll = select.poll()
        poll.register(self.to, select.POLLOUT)
        assert poll.poll(20000), "no room"

    def connect(self, first=b""):
        """A client whose connection is on its way, however full the queue."""
        client, accepted = self.pair()
        client.sendall(first)
        while True:
            try:
                self.send([accepted.fileno()])
                accepted.close()
                return client
            except BlockingIOError:
                self.wait_room()


def until(what, condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, what


def answer(client, request=b"?"):
    client.sendall(request)
    client.shutdown(socket.SHUT_WR)
    got = b""
    while more := client.recv(65536):
        got += more
    client.close()
    return got.decode()


def command(*args):
    return subprocess.run([jiffy, *args], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def suspend(of=None):
    command("suspend", of or name)
    assert os.path.exists(f"{state(of)}/checkpoint")


def asleep(of=None):
    return os.path.exists(f"{state(of)}/checkpoint")
