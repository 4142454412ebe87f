#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""servicesoak.py BUILD HOME N SECONDS: N services of nginx behind jiffyd, which
sleep after 50 ms, and one that stays awake, asked at random for SECONDS: TCP,
HTTP and TLS, kept connections and closed ones. None fails, and nothing grows:
memory, descriptors, processes and files of jiffyd, the keeper, the monitor and
instance that stay and the store are at the end what they were after the first
fifth of the time. What is asked while the machine stands still (all of us are
stopped) or takes very long may fail, as time limits end then, but not more than
one in a hundred. The image "programs" is in HOME."""
import collections
import contextlib
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import threading
import time

from crash import free_port
from daemon import Daemon, await_state

BUILD, HOME, N, SECONDS = (sys.argv[1], sys.argv[2], int(sys.argv[3]),
                           float(sys.argv[4]))
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CLIENTS = 4
ROUNDS = 5 if SECONDS > 100 else 2
TICK, STALL, REST = 0.2, 3, 3  # seconds; monitors sync every two
LIMIT = 9  # seconds; what takes longer may run into a limit of the gateway
IDLE = 20  # seconds; a server may close what is idle for longer
AWAKE = "soak-awake"
CONF = """daemon off; pid /tmp/nginx.pid; error_log stderr;
events { worker_connections 1024; }
http { access_log off; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p;
fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
server { listen 80; location / { return 200 "hello\\n"; } } }
"""
KINDS = ([], ["http"], ["tls"])


class Service:
    def __init__(self, daemon, name, handlers, sleeps):
        self.name, self.port, self.handlers = name, free_port(), handlers
        daemon.call("POST", "/instances", {
            "name": self.name, "image": "programs", "memory_mb": 64,
            "args": ["bash", "-c", 'echo "$CONF" >/tmp/conf; '
                     "exec /usr/sbin/nginx -c /tmp/conf"],
            "env": {"CONF": CONF},
            "service_group": {"services": [{
                "port": self.port, "destination_port": 80, "ip": "127.0.0.1",
                "handlers": self.handlers}]},
            "scale_to_zero": {"policy": "idle" if sleeps else "off",
                              "stateful": True, "cooldown_time_ms": 50},
            "autostart": True})

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), 60)
        if "tls" in self.handlers:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            s = context.wrap_socket(s)
        return s


def ask(s):
    s.sendall(GET)
    data = b""
    while b"\r\n\r\nhello\n" not in data:
        more = s.recv(4096)
        if not more:
            raise ConnectionError(f"closed after {data}")
        data += more
    assert data.startswith(b"HTTP/1.1 200"), data


class Clock:
    """Tells whether the machine has stood still."""

    def __init__(self):
        self.seen, self.stalled = time.monotonic(), 0.0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            time.sleep(TICK)
            now = time.monotonic()
            if now - self.seen > STALL:
                self.stalled = now
            self.seen = now

    def stood_since(self, begin):
        time.sleep(2 * TICK)
        return self.stalled > begin


def exchange(services, kept, counts):
    while kept and time.monotonic() - kept[0][1] > IDLE:
        kept.popleft()[0].close()
    if kept and random.random() < 0.5:
        s = kept.popleft()[0]
        counts["over a kept connection"] += 1
    else:
        s = random.choice(services).connect()
        counts["anew"] += 1
    with contextlib.ExitStack() as stack:
        stack.callback(s.close)
        ask(s)
        if len(kept) < 20 and random.random() < 0.8:
            kept.append((s, time.monotonic()))
            stack.pop_all()


def excuse(clock, begin, kept_since):
    """Why a request that failed may do so on a machine that is too busy."""
    took = time.monotonic() - begin
    if clock.stood_since(kept_since):
        return "that failed as the machine stood still"
    return took > LIMIT and "that failed after its time limit"


def client(services, counts, errors, until, clock):
    kept = collections.deque()
    kept_since = time.monotonic()
    while time.monotonic() < until and not errors:
        begin = time.monotonic()
        try:
            exchange(services, kept, counts)
        except (OSError, AssertionError) as e:
            why = excuse(clock, begin, kept_since)
            if not why:
                errors.append(f"{e!r} in {time.monotonic() - begin} s")
                return
            counts[why] += 1
            while kept:
                kept.pop()[0].close()
            kept_since = time.monotonic()
    for s, _ in kept:
        s.close()


def keeper():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), \
                open(f"/proc/{pid}/cmdline", "rb") as f:
            if f.read().startswith(b"jiffy-keeper\0" + HOME.encode()):
                return int(pid)
    return None


def monitor():
    with open(f"{HOME}/instances/{AWAKE}/state.json", encoding="ascii") as f:
        return json.load(f)["pid"]


def instance_kib():
    said = subprocess.run([f"{BUILD}/jiffy", "inspect", AWAKE], check=True,
                          env=os.environ | {"JIFFY_HOME": HOME},
                          stdout=subprocess.PIPE)
    return json.loads(said.stdout)[0]["live"]["memory_bytes"] // 1024


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return len(f.read().split())


def files():
    found = []
    for place, _, names in os.walk(HOME):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                found.append(os.lstat(f"{place}/{name}").st_blocks // 2)
    return found


def usage(daemon):
    """What could grow, when those that can sleep do."""
    found = {}
    for who, pid in (("jiffyd", daemon.process.pid), ("keeper", keeper()),
                     ("a monitor", monitor())):
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            found[f"{who}: KiB"] = next(int(line.split()[1]) for line in f
                                        if line.startswith("VmRSS"))
        found[f"{who}: descriptors"] = len(os.listdir(f"/proc/{pid}/fd"))
        found[f"{who}: processes"] = children(pid)
    found["its instance: KiB"] = instance_kib()
    sizes = files()
    found["files"], found["files: KiB"] = len(sizes), sum(sizes)
    return found


def at_rest(daemon):
    """The same, when it has not changed for a while."""
    end, since, seen = time.monotonic() + 30, time.monotonic(), usage(daemon)
    while time.monotonic() < min(end, since + REST):
        time.sleep(TICK)
        now = usage(daemon)
        if now != seen:
            since, seen = time.monotonic(), now
    return seen


def load(daemon, services, seconds, counts, clock):
    errors, until = [], time.monotonic() + seconds
    clients = [threading.Thread(target=client, args=(services, counts, errors,
                                                     until, clock))
               for _ in range(CLIENTS)]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    if errors:
        raise AssertionError(errors[0])
    await_state(daemon, [s.name for s in services if s.name != AWAKE],
                "standby")
    return at_rest(daemon)


def soak(daemon, services):
    counts, clock = collections.Counter(), Clock()
    seen = []
    for n in range(ROUNDS):
        seen.append(load(daemon, services, SECONDS / ROUNDS, counts, clock))
        print(f"after {SECONDS * (n + 1) / ROUNDS:.0f} s:", dict(counts),
              seen[-1], flush=True)
    for what, at_first in seen[0].items():
        room = at_first // 10 + 2048 if what.endswith("KiB") else 2
        print(f"{what}: {at_first}, {seen[-1][what]} at the end")
        assert seen[-1][what] <= at_first + room, what
    print("requests", ", ".join(f"{n} {how}" for how, n in counts.items()))
    failed = sum(n for how, n in counts.items() if "failed" in how)
    assert failed * 100 < counts["anew"], "too many have failed"


def main():
    daemon = Daemon(BUILD, HOME)
    names = [(f"soak-{n}", KINDS[n % len(KINDS)], True) for n in range(N)]
    names.append((AWAKE, [], False))
    try:
        soak(daemon, [Service(daemon, *name) for name in names])
    finally:
        with open(f"{HOME}/jiffyd.log", encoding="utf-8") as f:
            print(f.read()[-2000:], file=sys.stderr)
        for name, _, _ in names:
            with contextlib.suppress(AssertionError, OSError):
                daemon.call("DELETE", "/instances", {"name": name})
        daemon.kill()


main()
