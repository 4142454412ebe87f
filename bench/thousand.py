# SPDX-License-Identifier: Apache-2.0
"""Many services behind jiffyd, each one instance of nginx that falls asleep
COOLDOWN ms after it was asked: what they cost at rest, each asked once in
random order, one after the other as fast as answers come, then many in the
same second. SERVICES, CROWD and REST (seconds) choose how many; KEEP leaves
jiffyd's store for the next run."""
import contextlib
import glob
import os
import random
import resource
import selectors
import shutil
import socket
import statistics
import sys
import time

from pair import BUILD, OUT, image, save
from services import ask, await_answer, cpu_s, percentiles, say, status
from wake import NGINX_CONF

sys.path.append("tests/e2e")
from daemon import Daemon  # noqa: E402

HOME = os.environ.get("STORE", os.path.join(OUT, "thousand"))
SERVICES = int(os.environ.get("SERVICES", 1000))
CROWD = int(os.environ.get("CROWD", 200))
COOLDOWN = int(os.environ.get("COOLDOWN", 1000))
REST = int(os.environ.get("REST", 300))
GET = b"GET / HTTP/1.0\r\n\r\n"
TEMPLATE = "services"


def keeper():
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with open(path, "rb") as f:
            words = f.read().split(b"\0")
        if words[:2] == [b"jiffy-keeper", HOME.encode()]:
            return int(path.split("/")[2])
    return None


class Services:
    """jiffyd and its services; names[i] is reached at ports[i]."""

    def __init__(self):
        self.daemon = Daemon(BUILD, HOME)
        self.empty = status(self.daemon.process.pid, "VmRSS")
        self.names = [f"n{i}" for i in range(SERVICES)]
        base = 20000 + random.randrange(2000)
        self.ports = [base + i for i in range(SERVICES)]

    def make_template(self):
        port = self.ports[0]
        self.daemon.call("POST", "/instances", {
            "name": "first", "image": "nginx", "memory_mb": 64,
            "args": ["sh", "-c", f"echo '{NGINX_CONF}' >/tmp/nginx.conf && "
                     "exec nginx -c /tmp/nginx.conf"],
            "service_group": {"services": [{
                "port": port, "destination_port": 80, "ip": "127.0.0.1"}]},
            "autostart": True})
        await_answer(port)
        time.sleep(1)  # both workers have begun
        self.daemon.call("POST", "/instances/templates",
                         {"name": "first", "template_name": TEMPLATE})
        self.daemon.call("DELETE", "/instances", {"name": "first"})

    def make(self):
        self.make_template()
        start = time.perf_counter()
        for name, port in zip(self.names, self.ports):
            self.daemon.call("POST", "/instances", {
                "name": name, "template": {"name": TEMPLATE},
                "service_group": {"services": [{
                    "port": port, "destination_port": 80,
                    "ip": "127.0.0.1"}]},
                "scale_to_zero": {"policy": "on", "stateful": True,
                                  "cooldown_time_ms": COOLDOWN},
                "autostart": True})
        say("made", (time.perf_counter() - start) / SERVICES * 1e3, "ms")
        self.await_sleep()
        say("a checkpoint", statistics.median(
            os.stat(self.path(n, "checkpoint")).st_blocks / 2
            for n in self.names), "KiB")

    def path(self, name, file):
        return f"{HOME}/instances/{name}/{file}"

    def await_sleep(self):
        """All have a checkpoint, and the monitors that wrote them are gone."""
        end = time.monotonic() + 300
        while self.awake() or self.monitors() > 2:
            assert time.monotonic() < end, (self.awake(), self.monitors())
            time.sleep(0.2)

    def awake(self):
        return sum(not os.path.exists(self.path(n, "checkpoint"))
                   for n in self.names)

    def monitors(self):
        """Of this build, with the one or two that wait to wake somebody."""
        n = 0
        for path in glob.glob("/proc/[0-9]*/exe"):
            with contextlib.suppress(OSError):
                n += os.readlink(path) == f"{BUILD}/jiffy-monitor"
        return n

    def wakes(self):
        n = 0
        for name in self.names:
            for file in ("events", "events.1"):
                if os.path.exists(self.path(name, file)):
                    with open(self.path(name, file), encoding="utf-8") as f:
                        n += f.read().count('"event":"wake"')
        return n

    def at_rest(self):
        pids = (self.daemon.process.pid, keeper())
        used = [status(p, "VmRSS") for p in pids]
        say("jiffyd", used[0], "KiB", 65536 + 32 * SERVICES)
        say("a service: jiffyd", (used[0] - self.empty) / SERVICES, "KiB")
        say("a service: keeper", used[1] / SERVICES, "KiB")
        before, cpu = self.wakes(), [cpu_s(p) for p in pids]
        time.sleep(REST)
        cpu = [cpu_s(p) - c for p, c in zip(pids, cpu)]
        say("at rest: for", REST, "s", 300)
        say("at rest: jiffyd", 100 * cpu[0] / REST, "% cpu", 1)
        say("at rest: keeper", 100 * cpu[1] / REST, "% cpu")
        say("at rest: wakes", self.wakes() - before, "", 0)

    def one_by_one(self):
        times, errors, before = [], 0, self.wakes()
        start = time.perf_counter()
        for port in random.sample(self.ports, SERVICES):
            try:
                times.append(ask(port))
            except (OSError, AssertionError):
                errors += 1
        took = time.perf_counter() - start
        percentiles("one by one", times, (5, 25, None))
        say("one by one: rate", SERVICES / took, "/s")
        say("one by one: errors", errors, "", 0)
        self.await_sleep()
        say("one by one: wakes", self.wakes() - before, "", SERVICES)

    def crowd(self):
        some = random.sample(self.ports, min(CROWD, SERVICES))
        before, start = self.wakes(), time.perf_counter()
        ready, times, errors = selectors.DefaultSelector(), [], 0
        for port in some:
            s = socket.create_connection(("127.0.0.1", port), 30)
            s.sendall(GET)
            ready.register(s, selectors.EVENT_READ)
        say("crowd: asked within", (time.perf_counter() - start) * 1e3, "ms",
            1000)
        while ready.get_map():
            events = ready.select(30)
            assert events, f"{len(ready.get_map())} without an answer"
            for key, _ in events:
                ready.unregister(key.fileobj)
                try:
                    answer = key.fileobj.recv(4096)
                except OSError:
                    answer = b""
                errors += not answer.startswith(b"HTTP/1.1 200")
                times.append((time.perf_counter() - start) * 1e3)
                key.fileobj.close()
        percentiles("crowd", times, (None, None, None))
        say("crowd: errors", errors, "", 0)
        self.await_sleep()
        say("crowd: wakes", self.wakes() - before, "", len(some))

    def end(self):
        for path, name in [("", n) for n in self.names] + [
                ("/templates", TEMPLATE)]:
            with contextlib.suppress(AssertionError, OSError):
                self.daemon.call("DELETE", "/instances" + path,
                                 {"name": name})
        self.daemon.kill()
        if "KEEP" not in os.environ:
            shutil.rmtree(HOME)


def bench_thousand():
    os.environ["JIFFY_HOME"] = HOME
    os.makedirs(HOME, exist_ok=True)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    image("nginx", "deb:nginx-light")
    services = Services()
    try:
        services.make()
        services.at_rest()
        services.one_by_one()
        services.crowd()
        save("thousand")
    finally:
        services.end()
