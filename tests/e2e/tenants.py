#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tenants.py BUILD HOME N SECONDS: N databases behind jiffyd, each with its own
password and volume, that sleep when nobody asks. All are asleep with an open
session; each is woken over it, then by a new connection, in random order, one
each TENANTS_PAUSE (0.2) seconds: milliseconds to the answer. Then for SECONDS
rows are committed to them while jiffyd and monitors are killed: nothing that
was acknowledged may be lost. The image "postgres" is in HOME, which must have
no daemon."""
import collections
import contextlib
import json
import os
import random
import signal
import sys
import threading
import time

from crash import SqlError, free_port
from daemon import Daemon, await_state, percentile
from postgres import Client, connect

BUILD, HOME, N, SECONDS = (sys.argv[1], sys.argv[2], int(sys.argv[3]),
                           float(sys.argv[4]))
PAUSE = float(os.environ.get("TENANTS_PAUSE", "0.2"))


def instance(name, volume, port, **more):
    return {"name": name, "image": "postgres", "memory_mb": 512,
            "volumes": [{"name": volume, "at": "/var/lib/postgresql"}],
            "service_group": {"services": [{
                "port": port, "destination_port": 5432, "ip": "127.0.0.1"}]},
            "scale_to_zero": {"policy": "idle", "stateful": True,
                              "cooldown_time_ms": 1000},
            "restart_policy": "always", "autostart": True, **more}


def make_seed(daemon):
    """A volume that pgbench -i would make like this, at scale 1."""
    port = free_port()
    daemon.call("POST", "/volumes", {"name": "seed", "size_mb": 256})
    daemon.call("POST", "/instances", instance("seed", "seed", port, env={
        "POSTGRES_PASSWORD": "seed",
        "POSTGRES_INITDB_ARGS": "--wal-segsize=1 --no-sync"}))
    client = connect(port, password="seed")
    for statement in (
            "CREATE TABLE pgbench_accounts(aid int PRIMARY KEY, bid int, "
            "abalance int, filler char(84))",
            "INSERT INTO pgbench_accounts SELECT i, 1, 0, '' FROM "
            "generate_series(1, 100000) i",
            "CREATE TABLE ledger(n int PRIMARY KEY)", "CHECKPOINT"):
        client.query(statement)
    client.close()
    daemon.call("PUT", "/instances/stop",
                {"name": "seed", "drain_timeout_ms": 60000})
    await_state(daemon, ["seed"], "stopped")
    daemon.call("DELETE", "/instances", {"name": "seed"})


class Tenant:
    def __init__(self, daemon, n):
        self.name, self.port = f"tenant-{n}", free_port()
        self.password = f"{n}-{random.random()}"
        self.acked, self.next = [], 0
        daemon.call("POST", "/volumes/clone",
                    {"name": "seed", "vol_name": self.name})
        daemon.call("POST", "/instances",
                    instance(self.name, self.name, self.port))
        client = connect(self.port, password="seed")
        client.query(f"ALTER ROLE postgres PASSWORD '{self.password}'")
        client.close()
        self.session = self.connect()

    def connect(self):
        return connect(self.port, password=self.password)

    def ask_open(self):
        start = time.monotonic()
        balance = self.session.query(
            f"SELECT abalance FROM pgbench_accounts WHERE aid = "
            f"{random.randrange(1, 100001)}")
        took = time.monotonic() - start
        assert balance == [["0"]], balance
        return took * 1000

    def ask_new(self):
        start = time.monotonic()
        client = Client(self.port, password=self.password)
        assert client.query("SELECT 1") == [["1"]]
        took = time.monotonic() - start
        client.close()
        return took * 1000

    def commit(self):
        """One row: acknowledged, or the connection breaks and is made anew."""
        self.next += 1
        try:
            self.session.query(f"INSERT INTO ledger VALUES ({self.next})")
            self.acked.append(self.next)
            return True
        except (OSError, SqlError):
            self.session.close()
            self.session = self.connect()
            return False

    def check(self):
        client = self.connect()
        have = {int(r[0]) for r in client.query("SELECT n FROM ledger")}
        client.close()
        missing = set(self.acked) - have
        if missing:
            raise AssertionError(f"{self.name}: lost {sorted(missing)[:5]} of "
                                 f"{len(self.acked)}")
        return len(self.acked)


def measure(daemon, tenants, how, ask):
    await_state(daemon, [t.name for t in tenants], "standby")
    os.sync()  # what was just made is some ten GB, for 200
    times = []
    for t in random.sample(tenants, len(tenants)):
        times.append(ask(t))
        time.sleep(PAUSE)  # or all fall asleep while the next ones wake
    print(f"{how}: p50 {percentile(times, 50):.1f} ms, "
          f"p99 {percentile(times, 99):.1f} ms, "
          f"max {max(times):.1f} ms of {len(times)}", flush=True)


def monitor_of(tenant):
    with contextlib.suppress(OSError, ValueError, KeyError):
        path = f"{HOME}/instances/{tenant.name}/state.json"
        with open(path, encoding="utf-8") as f:
            pid = json.load(f)["pid"]
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return pid if f.read().startswith(b"jiffy-monitor") else None


def storm(daemon, tenants, counts, until):
    """Kill one thing after the other."""
    while time.monotonic() < until:
        time.sleep(random.random())
        if random.random() < 0.3:
            daemon.kill()
            daemon.start()
            counts["jiffyd"] += 1
            continue
        pid = monitor_of(random.choice(tenants))
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                counts["monitors"] += 1


def ledger(daemon, tenants):
    counts, until = collections.Counter(), time.monotonic() + SECONDS
    killer = threading.Thread(target=storm,
                              args=(daemon, tenants, counts, until))
    killer.start()
    while time.monotonic() < until:
        counts["rows" if random.choice(tenants).commit()
               else "broken connections"] += 1
    killer.join()
    total = sum(t.check() for t in tenants)
    assert counts["rows"] == total
    print(f"ledger: {total} rows acknowledged, none lost; killed",
          ", ".join(f"{n} {what}" for what, n in sorted(counts.items())),
          flush=True)


def main():
    daemon = Daemon(BUILD, HOME)
    tenants = []
    try:
        make_seed(daemon)
        for n in range(N):
            tenants.append(Tenant(daemon, n))
        measure(daemon, tenants, "open session", Tenant.ask_open)
        measure(daemon, tenants, "new connection", Tenant.ask_new)
        await_state(daemon, [t.name for t in tenants], "standby")
        ledger(daemon, tenants)
    finally:
        with open(f"{HOME}/jiffyd.log", encoding="utf-8") as f:
            print(f.read()[-2000:], file=sys.stderr)
        for kind in ("instances", "volumes"):
            for name in [f"tenant-{n}" for n in range(N)] + ["seed"]:
                with contextlib.suppress(AssertionError, OSError):
                    daemon.call("DELETE", "/" + kind, {"name": name})
        daemon.kill()


main()
