# SPDX-License-Identifier: Apache-2.0
"""Before the scripts of keeper.bats: an instance of holds.c, its keeper."""
import glob
import os
import signal
import socket
import subprocess
import time

jiffy, home = os.environ["JIFFY"], os.environ["JIFFY_HOME"]
name, port = os.environ["name"], int(os.environ["port"])
checkpoint = f"{home}/instances/{name}/checkpoint"


def until(what, condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, what


def echo(s):
    s.sendall(b"echo")
    got = b""
    while len(got) < 4:
        more = s.recv(4)
        assert more, "closed"
        got += more
    assert got == b"echo", got


def connect(first):
    """A connection that has been answered; the server may be starting."""
    end = time.monotonic() + 20
    while True:
        try:
            s = socket.create_connection(("127.0.0.1", port), 20)
            s.settimeout(20)
            s.sendall(first)
            if s.recv(1) != first:
                raise OSError("closed")
            return s
        except OSError:
            if time.monotonic() > end:
                raise


def command(*args):
    subprocess.run([jiffy, *args, name], check=True, stdout=subprocess.DEVNULL)


def suspend():
    command("suspend")


def resume():
    command("resume")


def awake():
    until("it sleeps on", lambda: not os.path.exists(checkpoint))


def processes(start):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                words = f.read().split(b"\0")
            if words[:len(start)] == start and \
                    os.readlink(path.replace("cmdline", "cwd")) == home:
                yield int(path.split("/")[2])
        except OSError:
            pass


def keeper():
    return next(processes([b"jiffy-keeper"]))


def table_of(pid):
    """Did it take over from another? It may be executing just now."""
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        return len(f.read().split(b"\0")) > 3


def waits(pid):
    try:
        with open(f"/proc/{pid}/syscall", "r") as f:
            return f.read().startswith("47 ")  # recvmsg
    except OSError:
        return False


def asleep():
    """The keeper watches, has seen to what was ready at once, and none of that
    made it wake the instance."""
    def waiting():
        return sum(waits(pid)
                   for pid in processes([b"jiffy-monitor", b"--wait"]))

    until("no spare monitors", lambda: waiting() == 2)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(20)
        directory = os.open(home, os.O_RDONLY)
        s.connect(f"/proc/self/fd/{directory}/keeper.sock")
        os.close(directory)
        # Nobody's sockets: it answers when it has come to us.
        s.sendall(ask())
        s.recv(8192)
    assert waiting() == 2, "woken"
    assert os.path.exists(checkpoint), "woken"


def ask():
    """struct keeper_message: KEEPER_TAKE for nobody."""
    return ((2).to_bytes(4, "little") + bytes(20) +
            b"/nobody".ljust(1024, b"\0") + bytes(8 * 250))


