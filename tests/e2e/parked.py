# SPDX-License-Identifier: Apache-2.0
"""Suspends an instance of parked.c over and over and wakes one child at a time:
parked.py JIFFY NAME STATE_JSON PORT80 PORT81 PORT82 PORT83. Every child
must have been woken as often as it was asked to, with its memory whole, and a
child that was not needed since the last wake must have no process on the
host."""
import glob
import json
import os
import socket
import subprocess
import sys
import time

jiffy, name, state = sys.argv[1:4]
ports = {80 + i: int(p) for i, p in enumerate(sys.argv[4:])}
KINDS = ("futex pipe signalfd sigwait sigsuspend sleep waitpid msg sem flock "
         "unix eventfd timerfd inside threads vfork poll epoll alarm").split()
# Always there: process 0, the server, and the one that cannot be parked.
ALWAYS = 3
count = dict.fromkeys(KINDS, 0)


def connect(port):
    end = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", ports[port]), 20)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def touch(kind):
    outside = {"poll": 81, "epoll": 82, "alarm": 83}.get(kind)
    if outside:
        connect(outside)
    s = connect(80)
    s.sendall(kind.encode())
    answer = s.recv(100).decode()
    count[kind] += 1
    assert answer == f"{kind} {count[kind]} 0", (answer, count[kind])


def monitor():
    """Its number; the record is written a moment after a wake's answer."""
    end = time.monotonic() + 20
    while True:
        with open(state) as f:
            record = json.load(f)
        if record["state"] == "running":
            return record["pid"]
        assert time.monotonic() < end, record
        time.sleep(0.001)


def processes():
    """The host processes of the instance."""
    pid = monitor()
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return f.read().split()


def awake():
    """What the host says of threads that do not sleep."""
    lines = []
    for pid in processes():
        for stat in glob.glob(f"/proc/{pid}/task/*/stat"):
            with open(stat) as f:
                line = f.read()
            if line.rsplit(")", 1)[1].split()[0] != "S":
                lines.append(line)
    return lines


def wait_for(what, text):
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, text()
        time.sleep(0.001)


def expect(n, more=0):
    wait_for(lambda: n <= len(processes()) <= n + more,
             lambda: f"{kind}: {len(processes())} processes, not {n}")


def suspend():
    # Those that were woken are in their waits again.
    for _ in range(3):
        wait_for(lambda: not awake(), awake)
    subprocess.run([jiffy, "suspend", name], check=True, timeout=60)


def quiet():
    """All stop at the quiet point and go on, those without a process too."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(os.path.join(os.path.dirname(state), "control.sock"))
        s.sendall(b'{"op":"quiet"}\n')
        answer = s.recv(100)
        assert b"ok" in answer, answer


for kind in KINDS:
    touch(kind)
for i, kind in enumerate(KINDS * 2):
    suspend()
    touch(kind)
    # The one that waits for its child has a new one.
    # After quiet() some may not be back in their waits, though they sleep.
    expect(ALWAYS + (2 if kind == "waitpid" else kind != "vfork"),
           2 if i % 3 == 0 and i else 0)
    if i % 3 == 2:
        n = len(processes())
        for _ in range(3):
            quiet()
        expect(n)
    if i % 5 == 4:  # some that were woken before and some that were not
        for other in (KINDS[(i + 3) % 7], KINDS[(i * 3) % len(KINDS)], kind):
            touch(other)
suspend()
for kind in KINDS:
    touch(kind)
expect(len(KINDS) + 3)
