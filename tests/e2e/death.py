#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kill host processes of instances at random moments under load.

death.py KIND ROUNDS: KIND is nginx or shell (a random host process of the
instance is killed) or monitor (the monitor is). Each time the monitor must end
within a second (an event is waited for, nothing sleeps), report the crash, and
leave no process and no record. With JIFFY_PLATFORM=qemu the host process is QEMU.
"""
import contextlib
import http.client
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time

JIFFY = os.environ["JIFFY"]
HOME = os.environ["JIFFY_HOME"]
IN_QEMU = os.environ.get("JIFFY_PLATFORM") == "qemu"
PATIENCE = 1.0  # seconds from the kill to the end
LOOP = "while :; do for i in 1 2 3; do (/bin/true; echo x | cat) & done; wait; done"


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(word) for word in f.read().split()]


def stat(pid):
    """(state, session), or None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[3])


def in_session(session):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            s = stat(int(name))
            if s and s[1] == session and s[0] not in "ZX":
                found.append(int(name))
    return found


def stop_one(monitor, deadline):
    """A random host process that is alive for certain: it is stopped."""
    while time.monotonic() < deadline:
        pid = random.choice(children(monitor) or [0])
        if not pid:
            continue
        try:
            os.kill(pid, signal.SIGSTOP)
        except ProcessLookupError:
            continue
        while True:
            s = stat(pid)
            if not s or s[0] in "ZX":
                break
            if s[0] in "Tt":
                return pid
    raise SystemExit("no living host process to kill")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    c.request("GET", "/")
    assert c.getresponse().status == 200


def first_get(port):
    """It listens when it has started: until then connections are refused, or
    reset by QEMU, which accepts for it."""
    end = time.monotonic() + 20
    while True:
        try:
            return get(port)
        except (ConnectionRefusedError, ConnectionResetError):
            if time.monotonic() > end:
                raise
            os.sched_yield()


def start_nginx(name):
    port = free_port()
    jiffy = subprocess.Popen(
        [JIFFY, "run", "--rm", "--name", name, "-p", f"127.0.0.1:{port}:80",
         "death", "/usr/sbin/nginx", "-g", "daemon off;"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    first_get(port)
    load = subprocess.Popen(
        ["ab", "-q", "-r", "-n", "1000000", "-c", "8",
         f"http://127.0.0.1:{port}/"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(random.randrange(1, 40)):
        get(port)
    return jiffy, load


def start_shell(name):
    jiffy = subprocess.Popen(
        [JIFFY, "run", "--rm", "--name", name, "death", "/bin/sh", "-c", LOOP],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    for _ in range(random.randrange(1, 60)):
        assert jiffy.stdout.readline() == "x\n", jiffy.stderr.read()
    # From here on nobody needs its output.
    return jiffy, subprocess.Popen(["cat"], stdin=jiffy.stdout,
                                   stdout=subprocess.DEVNULL)


def watch(pids):
    """A pidfd of each process; the load forks, so one may be gone by now."""
    fds = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            fds.append(os.pidfd_open(pid))
    return fds


def one_round(kind, name):
    start = start_nginx if kind == "nginx" or (
        kind == "monitor" and random.random() < 0.3) else start_shell
    jiffy, load = start(name)
    # The shell loop writes on: whoever closes our end must not be first.
    session = children(jiffy.pid)[0]
    try:
        session = stat(session)[1]
        if kind == "monitor":
            watched = watch(children(jiffy.pid))
            jiffy.kill()
        else:
            victim = stop_one(jiffy.pid, time.monotonic() + 10)
            os.kill(victim, signal.SIGKILL)
        began = time.monotonic()
        try:
            code = jiffy.wait(timeout=30)
        except subprocess.TimeoutExpired:
            raise SystemExit(f"{name}: hangs after the kill of {victim}")
        took = time.monotonic() - began
        if kind == "monitor":
            for fd in watched:
                ready = select.select([fd], [], [], PATIENCE)[0]
                os.close(fd)
                assert ready, f"{name}: a host process outlives its monitor"
            # One that was being forked then: dies as soon as it runs.
            end = time.monotonic() + PATIENCE
            while in_session(session) and time.monotonic() < end:
                os.sched_yield()
            subprocess.run([JIFFY, "rm", name], check=True, timeout=20)
        else:
            text = jiffy.stderr.read()
            victim = "QEMU" if IN_QEMU else f"host process {victim}"
            want = f"crashed: {victim} was killed by signal 9"
            assert code == 125 and want in text, f"{code}: {text}"
            assert took < PATIENCE, f"{name}: took {took:.2f} s"
        left = in_session(session)
        assert not left, f"{name}: processes left: {left}"
        assert not os.path.exists(f"{HOME}/instances/{name}"), "record left"
        return took
    finally:
        load.kill()
        load.wait()
        for pid in in_session(session):
            os.kill(pid, signal.SIGKILL)


def main():
    kind, rounds = sys.argv[1], int(sys.argv[2])
    times = [one_round(kind, f"{kind}-{i}") for i in range(rounds)]
    print(f"{rounds} kills, longest {max(times) * 1000:.0f} ms")


main()
