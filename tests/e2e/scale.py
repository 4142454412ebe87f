#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scale.py JIFFY CASE: instances that sleep by themselves. What happens is
awaited by `jiffy events -f`; that something does not happen is shown by another
instance with the same cool-down that falls asleep again and again meanwhile."""
import contextlib
import json
import os
import random
import select
import socket
import subprocess
import sys
import threading

from crash import SqlError, free_port
from postgres import Client

JIFFY = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))
COOLDOWN = 150
NAMES = []


def jiffy(*args):
    done = subprocess.run([JIFFY, *args], capture_output=True, text=True,
                          timeout=60, check=False)
    if done.returncode:
        raise AssertionError(f"jiffy {args}: {done.stderr}")
    return done.stdout


def same(what, wanted):
    if what != wanted:
        raise AssertionError(f"{what!r}, not {wanted!r}")


class Instance:
    """One that runs, and its events, each seen once."""

    def __init__(self, policy, image, port, *command, options=()):
        self.name = f"scale-{os.getpid()}-{len(NAMES)}"
        NAMES.append(self.name)
        self.port = free_port()
        self.talk = None
        jiffy("run", "-d", "--name", self.name,
              "-p", f"127.0.0.1:{self.port}:{port}",
              "--scale-to-zero", policy if "cooldown" in policy else
              f"{policy},cooldown={COOLDOWN}", *options,
              image, *command)
        self.follow = subprocess.Popen([JIFFY, "events", "-f", self.name],
                                       stdout=subprocess.PIPE)
        self.data = b""
        self.seen = []

    def next_event(self):
        while b"\n" not in self.data:
            if not select.select([self.follow.stdout], [], [], 90)[0]:
                raise AssertionError(f"{self.name}: nothing after "
                                     f"{self.seen[-3:]}: {self.live()}")
            more = os.read(self.follow.stdout.fileno(), 65536)
            if not more:
                raise AssertionError("the events ended")
            self.data += more
        line, self.data = self.data.split(b"\n", 1)
        self.seen.append(json.loads(line))
        return self.seen[-1]

    def await_event(self, what):
        while True:
            event = self.next_event()
            if event["event"] == what:
                return event

    def inspect(self):
        return json.loads(jiffy("inspect", self.name))[0]

    def live(self):
        return self.inspect().get("live", {})

    def why(self):
        return [w.split("=")[0] for w in self.live()["why_awake"]]

    def await_sleep(self):
        """Until its monitor has let go of it."""
        while self.inspect()["status"] != "suspended":
            pass

    def await_why(self, word):
        """Until it is awake for that."""
        while word not in self.why():
            pass

    def count(self, what):
        return sum(json.loads(line)["event"] == what for line in
                   jiffy("events", self.name).splitlines())

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), 90)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def close(self):
        self.follow.terminate()
        self.follow.wait()


class Server(Instance):
    """scale_server.py."""

    def __init__(self, policy, options=()):
        with open(f"{HERE}/scale_server.py", encoding="ascii") as f:
            super().__init__(policy, "sleepers", 8080, "/usr/bin/python3",
                             "-c", f.read(), options=options)

    def ask(self, line, talk=None):
        """Over its own connection, which is closed, or over an open one."""
        with contextlib.ExitStack() as stack:
            if talk is None:
                talk = stack.enter_context(self.connect())
            talk.sendall(line.encode() + b"\n")
            return self.answer(talk)

    @staticmethod
    def answer(talk):
        text = b""
        while not text.endswith(b"\n"):
            more = talk.recv(1000)
            if not more:
                raise AssertionError("closed")
            text += more
        return text.decode().strip()


class Canary(Server):
    """Tells the time in cool-downs."""

    def __init__(self):
        super().__init__("on")
        self.await_event("suspend")

    def sleeps(self, times):
        for _ in range(times):
            same(self.ask("x"), "ok")
            self.await_event("suspend")


def stays_awake(instance, why, canary, times=3):
    """While it is awake for that reason it does not sleep."""
    before = instance.count("suspend")
    canary.sleeps(times)
    same(why in instance.why(), True)
    same(instance.count("suspend"), before)


def page(talk):
    talk.sendall(b"GET /page.html HTTP/1.1\r\nHost: x\r\n\r\n")
    text = b""
    while not text.endswith(b"<p>awake</p>\n"):
        more = talk.recv(65536)
        if not more:
            raise AssertionError(text)
        text += more


def nginx():
    """By itself to sleep, awake for a request; an open connection keeps it
    awake under `on`, not under `idle`, where it outlives the sleep."""
    command = ("/usr/sbin/nginx", "-c", "/sleepers/nginx.conf")
    canary = Canary()
    on = Instance("on", "sleepers", 8080, *command)
    same(on.await_event("suspend")["by"], "policy")
    for _ in range(3):
        with on.connect() as talk:
            page(talk)
            event = on.await_event("wake")
            same((event["by"], event["port"]), ("connection", 8080))
        on.await_event("suspend")
    with on.connect() as talk:
        page(talk)
        on.await_event("wake")
        stays_awake(on, "connections", canary)
        same(on.live()["why_woken"]["by"], "connection")
    on.await_event("suspend")
    idle = Instance("idle", "sleepers", 8080, *command)
    idle.await_event("suspend")  # so it listens
    kept = [idle.connect() for _ in range(4)]
    same(idle.await_event("wake")["by"], "connection")
    for cycle in range(4):
        page(kept[cycle])
        if cycle:
            event = idle.await_event("wake")
            same((event["by"], event["port"]), ("data", 8080))
            same(event["peer"],
                 "127.0.0.1:%d" % kept[cycle].getsockname()[1])
        for talk in kept:
            page(talk)
        idle.await_event("suspend")
    idle.await_sleep()


def server():
    """Requests in flight, the counter, notifications, computing."""
    canary = Canary()
    s = Server("idle", ())
    s.await_event("suspend")
    talk = s.connect()
    talk.sendall(b"slow\n")
    s.await_event("wake")
    s.await_why("request in flight")
    stays_awake(s, "request in flight", canary)
    same(s.ask("release"), "ok")
    same(s.answer(talk), "ok")
    s.await_event("suspend")

    for line, wanted in (("=0", "2"), ("+", "1"), ("+2", "2"), ("-", "1"),
                         ("x", "Invalid argument"),
                         ("+x", "Invalid argument"),
                         ("=", "Invalid argument"),
                         ("-9", "Numerical result out of range"),
                         ("=4294967296", "Numerical result out of range"),
                         ("+2147483647", "Numerical result out of range")):
        same(s.ask(f"keepawake {line}", talk), wanted)
    same(s.ask("keepawake", talk), "=2")
    stays_awake(s, "keepawake", canary)
    same(s.ask("alias", talk), "/dev/jiffy/keepawake")
    same(s.ask("keepawake =0", talk), "2")
    s.await_event("suspend")

    same(s.ask("spin on", talk), "ok")
    s.await_why("running")
    stays_awake(s, "running", canary, 1)
    same(s.ask("spin off", talk), "ok")
    s.await_event("suspend")


def stateless():
    """It is stopped, as by `jiffy stop`, and booted by who comes next; of those
    who come together nobody is refused, and one has it booted."""
    volume = f"scale-{os.getpid()}"
    jiffy("volume", "create", "--size", "16M", volume)
    s = Server("on,stateful=no", ("-v", f"{volume}:/data"))
    for cycle in range(1, 4):
        event = s.await_event("suspend")
        same((event["by"], event["stateful"]), ("policy", False))
        s.await_sleep()
        same(s.inspect()["state"]["stateful"], False)
        answers = []
        threads = [threading.Thread(
            target=lambda: answers.append(s.ask("count"))) for _ in range(9)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        same(sorted(answers), list("123456789"))
        event = s.await_event("wake")
        same((event["by"], event["port"], event["stateful"]),
             ("connection", 8080, False))
        same(s.live()["why_woken"]["by"], "connection")
        same(s.ask("stops"), cycle * "x")
    same(s.count("wake"), 3)
    # A power cut may have taken what says how it slept.
    s.await_event("suspend")
    s.await_sleep()
    home = os.environ["JIFFY_HOME"]
    os.truncate(f"{home}/instances/{s.name}/checkpoint", 0)
    jiffy("resume", s.name)
    same(s.await_event("wake")["by"], "command")
    while True:
        with contextlib.suppress(OSError):
            same(s.ask("count"), "1")
            break
    jiffy("stop", s.name)
    same(s.await_event("stop")["by"], "exit")
    same(s.inspect()["status"], "exited (0)")


def notify():
    """A line before each sleep and after each wake; what is done then counts,
    too; a request that comes meanwhile calls it off."""
    s = Server("idle,notify=100")
    for cycle in range(1, 4):
        s.await_event("suspend")
        with s.connect() as talk:
            notes = []
            while len(notes) < cycle * 2:  # by another thread
                notes = [n for n in s.ask("notes", talk).split()
                         if n != "stay"]
            same(notes, ["sleep", "wake"] * cycle)


def races():
    """Requests that come about when it falls asleep: none is lost, and each is
    answered over the connection it came on."""
    s = Server("idle,cooldown=20")
    s.await_event("suspend")
    failed = []

    def client(seed):
        delays = random.Random(seed)
        try:
            with s.connect() as talk:
                for i in range(60):
                    select.select([], [], [], delays.uniform(0.02, 0.08))
                    same(s.ask("x", talk), "ok")
                    if i % 3 == 0:
                        same(s.ask("x"), "ok")
        except Exception as e:  # pylint: disable=broad-except
            failed.append(repr(e))

    for clients in (1, 3):
        threads = [threading.Thread(target=client, args=(clients * 10 + i,))
                   for i in range(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    same(failed, [])
    s.await_sleep()
    slept = s.count("suspend")
    print(f"{slept} sleeps, {s.count('stay')} called off")
    if slept < 10:
        raise AssertionError("it hardly slept")
    same(s.count("crash"), 0)


def postgres():
    """Sessions stay open; a query, and a transaction for its grace, keep it
    awake; its own timers neither keep it awake nor wake it."""
    canary = Canary()
    options = ("-e", "POSTGRES_HOST_AUTH_METHOD=trust", "-m", "512M",
               "-e", "POSTGRES_INITDB_ARGS=--wal-segsize=1 --no-sync")
    p = Instance("idle,grace=2000", "postgres", 5432, options=options)
    p.talk = [session(p) for _ in range(5)]
    p.talk[0].query("LISTEN news")
    p.await_event("suspend")
    for i in range(3):
        same(p.talk[i].query("SELECT 1 + 1"), [["2"]])
        same(p.await_event("wake")["by"], "data")
        p.await_event("suspend")
    canary.sleeps(8)
    p.await_sleep()
    same(p.count("wake"), 3)

    long = threading.Thread(target=p.talk[1].query,
                            args=("SELECT pg_advisory_lock(1)",))
    p.talk[0].query("SELECT pg_advisory_lock(1)")
    p.await_event("wake")
    long.start()
    p.await_why("request in flight")
    stays_awake(p, "request in flight", canary)
    p.talk[0].query("SELECT pg_advisory_unlock(1)")
    long.join()
    p.await_event("suspend")

    p.talk[2].query("BEGIN")
    p.await_event("wake")
    p.talk[2].query("CREATE TABLE t AS SELECT 7 AS n")
    p.await_why("transaction")
    stays_awake(p, "transaction", canary, 1)
    p.await_event("suspend")
    same(p.talk[2].query("SELECT n FROM t"), [["7"]])
    p.talk[2].query("COMMIT")
    p.talk[0].query("NOTIFY news, 'x'")
    p.await_event("suspend")


def session(p):
    """Of a server that may be starting still."""
    while True:
        try:
            return Client(p.port)
        except (OSError, SqlError):
            pass


def main():
    cases = {f.__name__: f for f in (nginx, server, notify, races,
                                        stateless, postgres)}
    try:
        cases[sys.argv[2]]()
    except BaseException:
        for name in NAMES:
            print(subprocess.run([JIFFY, "events", name], text=True,
                                 capture_output=True, check=False).stdout)
        raise
    finally:
        if NAMES:
            jiffy("rm", "-f", *NAMES)


main()
