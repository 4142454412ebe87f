# SPDX-License-Identifier: Apache-2.0
"""Many services of one sleeping instance each, clones of a template of nginx:
what they cost at rest, each asked once in random order, many in the same
moment, idle connections over sleeping ones. SERVICES, CROWD, CONNECTIONS and
REST (seconds) choose how many; with KEEP the instances stay for the next
run."""
import glob
import json
import os
import random
import re
import resource
import selectors
import socket
import statistics
import subprocess
import time

from pair import (BUILD, JIFFY, OUT, cpu_ns, free_port, image, row, run, save,
                  tree)
from wake import NGINX_CONF

HOME = os.path.join(OUT, "services")
SERVICES = int(os.environ.get("SERVICES", 1000))
CROWD = int(os.environ.get("CROWD", 200))
CONNECTIONS = int(os.environ.get("CONNECTIONS", 10000))
OVER = 100
SECONDS = 1  # of each rate
REST = int(os.environ.get("REST", 300))
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
TEMPLATE = "services"


class Front:
    """The services of the gateway, as a program of its own."""

    def __init__(self):
        path = os.path.join(OUT, "front")
        run(["gcc", "-O2", "-D_GNU_SOURCE", "-I.", "-o", path,
             "tests/e2e/front.c",
             *(f"gateway/{f}.c" for f in (
                 "service", "link", "limits", "balance", "listen", "preface",
                 "proxy", "route", "status")),
             "host/loop.c", "host/jobs.c", "host/err.c", "host/xmalloc.c", "-lpthread"])
        self.process = subprocess.Popen([path, HOME], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        bufsize=1)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        return self.process.stdout.readline().strip()

    def do(self, line):
        answer = self.ask(line)
        assert answer == "ok", (line, answer)

    def totals(self, names):
        totals = {}
        for n in names:
            for key, value in json.loads(self.ask(f"stats {n}")).items():
                totals[key] = totals.get(key, 0) + value
        return totals


def each(command, names, **kw):
    """At most a few at once."""
    jobs = []
    for n in names:
        while len(jobs) >= 4:
            assert jobs.pop(0).wait() == 0, n
        jobs.append(subprocess.Popen([JIFFY, *command(n)],
                                     stdout=subprocess.DEVNULL, **kw))
    for job in jobs:
        assert job.wait() == 0


def sleep_all(names):
    each(lambda n: ["suspend", n],
         [n for n in names if not checkpoint_of(n)])


def checkpoint_of(name):
    path = f"{HOME}/instances/{name}/checkpoint"
    return os.path.exists(path) and path


def template(name, publish, workers=2):
    image("nginx", "deb:nginx-light")
    conf = NGINX_CONF.replace("access_log off;", HOLD).replace(
        "worker_processes 2;", f"worker_processes {workers};")
    run([JIFFY, "run", "-d", "--name", name, "-p", publish, "nginx",
         "sh", "-c", f"echo '{conf}' "
         ">/tmp/nginx.conf && exec nginx -c /tmp/nginx.conf"])


HOLD = "access_log off; keepalive_timeout 1d; keepalive_requests 1000000;"


def await_answer(port):
    end = time.monotonic() + 30
    while True:
        try:
            return ask(port)
        except OSError:
            assert time.monotonic() < end


def make(names):
    remove([*names, "first"])
    template("first", "deliver:80")
    front = Front()
    port = free_port()
    front.do(f"service first {port} 80")
    front.do("add first 999999 first")
    await_answer(port)
    front.process.kill()
    run([JIFFY, "snapshot", "first", "-t", TEMPLATE])
    run([JIFFY, "rm", "-f", "first"])
    for at in range(0, len(names), 50):
        some = names[at:at + 50]
        each(lambda n: ["run", "-d", "--name", n, "--from", TEMPLATE, "-p",
                        "deliver:80"], some)
        sleep_all(some)


def ask(port, connection=None):
    """Milliseconds to the first byte of the answer."""
    start = time.perf_counter()
    s = connection or socket.create_connection(("127.0.0.1", port), 30)
    s.sendall(GET)
    assert s.recv(4096).startswith(b"HTTP/1.1 200"), "no answer"
    took = (time.perf_counter() - start) * 1e3
    if not connection:
        s.close()
    return took


def status(pid, field):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(field + r":\s+(\d+)", f.read())[1])


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def keeper():
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with open(path, "rb") as f:
            words = f.read().split(b"\0")
        if words[:2] == [b"jiffy-keeper", HOME.encode()]:
            return int(path.split("/")[2])
    raise RuntimeError("no keeper")


def say(name, value, unit, bar=None):
    row(name, value, float("nan"), unit, bar, "")


def percentiles(name, times, bars):
    times.sort()
    for what, at, bar in zip(("p50", "p99", "max"),
                             (len(times) // 2, len(times) * 99 // 100, -1),
                             bars):
        say(f"{name} {what}", times[at], "ms", bar)


def at_rest(front, names):
    empty = status(front.process.pid, "VmRSS")
    ports = {}
    for i, n in enumerate(names):
        ports[n] = free_port()
        front.do(f"service {n} {ports[n]} 80")
        front.do(f"add {n} {i + 1} {n}")
    pids = (front.process.pid, keeper())
    say("gateway", status(pids[0], "VmRSS"), "KiB", 65536)
    say("a service: gateway", (status(pids[0], "VmRSS") - empty) / len(names),
        "KiB", 32)
    say("a service: keeper", status(pids[1], "VmRSS") / len(names), "KiB")
    before = [cpu_s(p) for p in pids]
    time.sleep(REST)
    say("at rest", 100 * (sum(cpu_s(p) for p in pids) - sum(before)) / REST,
        "% cpu", 1)
    say("woken at rest", sum(not checkpoint_of(n) for n in names), "", 0)
    return ports


def one_by_one(front, names, ports):
    times, errors = [], 0
    for n in random.sample(names, len(names)):
        try:
            times.append(ask(ports[n]))
        except (OSError, AssertionError):
            errors += 1
    percentiles("one by one", times, (5, 25, None))
    say("one by one: errors", errors, "", 0)
    say("one by one: wakes", front.totals(names)["wakes"], "", len(names))


def crowd(front, names, ports):
    some = random.sample(names, min(CROWD, len(names)))
    before = front.totals(names)["wakes"]
    begin, waiting = time.perf_counter(), []
    for n in some:
        s = socket.create_connection(("127.0.0.1", ports[n]), 30)
        s.sendall(GET)
        waiting.append((time.perf_counter(), s))
    say("crowd: asked within", (time.perf_counter() - begin) * 1e3, "ms", 1000)
    errors, times = 0, []
    ready = selectors.DefaultSelector()
    for at, s in waiting:
        ready.register(s, selectors.EVENT_READ, at)
    while ready.get_map():
        events = ready.select(30)
        if not events:
            errors += len(ready.get_map())
            break
        for key, _ in events:
            ready.unregister(key.fileobj)
            try:
                errors += not key.fileobj.recv(4096).startswith(b"HTTP/1.1 200")
            except OSError:
                errors += 1
            times.append((time.perf_counter() - key.data) * 1e3)
            key.fileobj.close()
    percentiles("crowd", times, (None, None, None))
    say("crowd: errors", errors, "", 0)
    say("crowd: wakes", front.totals(names)["wakes"] - before, "", len(some))


def idle_connections(front, names, ports):
    some = names[:OVER]
    held = []
    for i in range(CONNECTIONS):
        s = socket.create_connection(
            ("127.0.0.1", ports[some[i % len(some)]]), 30)
        held.append(s)
    for s in held:
        ask(0, s)
    sleep_all(some)
    time.sleep(min(REST, 30))
    say("held: woken", sum(not checkpoint_of(n) for n in some), "", 0)
    say("held: keeper", status(keeper(), "VmRSS"), "KiB")
    times, errors = [], 0
    for s in random.sample(held, len(held)):
        try:
            times.append(ask(0, s))
        except (OSError, AssertionError):
            errors += 1
    percentiles("held", times, (None, None, None))
    say("held: errors", errors, "", 0)
    for s in held:
        s.close()


def rate(port, seconds, *more):
    """Requests per second of 16 connections."""
    out = run(["taskset", "-c", "1", "wrk", "-t1", "-c16", f"-d{seconds}s",
               *more, f"http://127.0.0.1:{port}/"])
    assert "Socket errors" not in out and "Non-2xx" not in out, out
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", out)[1])


def monitor(name):
    with open(f"{HOME}/instances/{name}/state.json", encoding="ascii") as f:
        return json.load(f)["pid"]


def pin(pids, cpu):
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), {cpu})


def compare(name, more, *sides):
    """Rates, and processor time of the instance, in turn; the bar is for kept
    connections."""
    seen = {n: [] for n, _ in sides}
    for i in range(int(os.environ.get("CYCLES", 5))):
        for n, port in sides[::1 if i % 2 else -1]:
            before = cpu_ns(monitor(n))
            got = rate(port, SECONDS, *more)
            spent = cpu_ns(monitor(n)) - before
            seen[n].append((got, spent / 1e3 / (got * SECONDS)))
    (rates, costs), (own_rates, own_costs) = (zip(*s) for s in seen.values())
    median = statistics.median
    row(name, median(rates), median(own_rates), "/s",
        "" if more else ">= 0.98", "direct")
    row(name + " cpu", median(costs), median(own_costs), "us", None, "direct")
    ratios = sorted(a / b for a, b in zip(rates, own_rates))
    print(f"  {len(ratios)} pairs: {ratios[0]:.3f} to {ratios[-1]:.3f}, median "
          f"{median(ratios):.3f}", flush=True)


def bench_passed():
    """Requests through a service beside those to a port of the instance, in
    turn; one worker each, on one processor and the clients on another, as the
    rate goes with how they fall on more."""
    os.environ["JIFFY_HOME"] = HOME
    os.makedirs(HOME, exist_ok=True)
    front, own, service = None, free_port(), free_port()
    remove(["direct", "first"])
    try:
        template("direct", f"127.0.0.1:{own}:80", 1)
        template("first", "deliver:80", 1)
        front = Front()
        front.do(f"service first {service} 80")
        front.do("add first 1 first")
        for port in (own, service):
            await_answer(port)
        pin(tree(monitor("first")) + tree(monitor("direct")), 0)
        for name, more in (("passed: requests/s", ()),
                           ("passed: connections/s",
                            ("-H", "Connection: close"))):
            compare(name, more, ("first", service), ("direct", own))
        save("passed")
    finally:
        if front:
            front.process.kill()
        remove(["direct", "first"])


def remove(names):
    for at in range(0, len(names), 50):
        subprocess.run([JIFFY, "rm", "-f", *names[at:at + 50]],
                       capture_output=True)
    subprocess.run([JIFFY, "snapshot", "rm", TEMPLATE], capture_output=True)


def bench_services():
    os.environ["JIFFY_HOME"] = HOME
    os.makedirs(HOME, exist_ok=True)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    names = [f"n{i}" for i in range(SERVICES)]
    front = None
    try:
        if not all(checkpoint_of(n) for n in names):
            start = time.perf_counter()
            make(names)
            say("made", (time.perf_counter() - start) / len(names) * 1e3, "ms")
        say("a checkpoint", statistics.median(
            os.stat(checkpoint_of(n)).st_blocks / 2 for n in names), "KiB")
        front = Front()
        ports = at_rest(front, names)
        one_by_one(front, names, ports)
        sleep_all(names)
        crowd(front, names, ports)
        sleep_all(names)
        idle_connections(front, names, ports)
        save("services")
    finally:
        if front:
            front.process.kill()
        if "KEEP" in os.environ:
            sleep_all(names)
        else:
            remove(names)
