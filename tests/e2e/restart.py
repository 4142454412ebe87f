#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""restart.py BUILD HOME SERVICES KILLS: jiffyd is killed under load and started
again, KILLS times. Connections that are handed over answer all the time, those
of sleeping instances wake them meanwhile; afterwards each service is back and
the API says what it said before. How long that took is printed, as JSON."""
import contextlib
import json
import random
import sys
import threading
import time

from daemon import Daemon, await_state, percentile
from echoes import Service, echo

BUILD, HOME, SERVICES, KILLS = (sys.argv[1], sys.argv[2], int(sys.argv[3]),
                                int(sys.argv[4]))
CLIENTS, KEPT, WAIT = 3, 5, 60
PAUSE = 0.005  # of who was refused
PROBES = 6  # services that are asked for until they are back
# What differs from moment to moment.
CHANGES = {"state", "uptime_ms", "started_at", "stopped_at", "live_instances",
           "live_vcpus", "live_memory_mb"}


class Load:
    """A client: its own connections, which never may break, and new ones, which
    may while there is no daemon."""

    def __init__(self, services):
        self.kept = [random.choice(services).connect() for _ in range(KEPT)]
        self.services = services
        self.rounds, self.new, self.refused = 0, 0, 0
        self.failed, self.ends = None, False
        self.thread = threading.Thread(target=self.loop)
        self.thread.start()

    def loop(self):
        try:
            while not self.ends:
                for c in self.kept:
                    echo(c)
                self.rounds += 1
                self.anew()
        except Exception as e:  # pylint: disable=broad-except
            self.failed = repr(e)

    def anew(self):
        with contextlib.suppress(OSError):
            with random.choice(self.services).connect() as c:
                echo(c)
                self.new += 1
                return
        self.refused += 1
        time.sleep(PAUSE)

    def go_on(self, rounds):
        """Until it has asked all of its own so many times more."""
        end, until = time.monotonic() + WAIT, self.rounds + rounds
        while self.rounds < until:
            assert not self.failed, self.failed
            assert time.monotonic() < end, "the load stands"
            time.sleep(0.001)

    def stop(self):
        self.ends = True
        self.thread.join()
        assert not self.failed, self.failed


def flat(value, at=""):
    """Each value, as a line."""
    if isinstance(value, (dict, list)):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for k, v in pairs:
            if k not in CHANGES:
                yield from flat(v, f"{at}/{k}")
    else:
        yield f"{at}: {value}"


def state(daemon):
    return [line for path in (
        "/instances?count=1000", "/services?count=1000", "/volumes",
        "/certificates", "/users/quotas")
            for line in flat(daemon.call("GET", path), path)]


def await_services(services, start, times):
    """Until each has served a new connection: when that was."""
    end, missing = time.monotonic() + WAIT, list(services)
    while missing:
        for s in list(missing):
            with contextlib.suppress(OSError):
                with s.connect() as c:
                    echo(c)
                times.append((time.monotonic() - start) * 1000)
                missing.remove(s)
        assert time.monotonic() < end, f"{missing[0].name} is not back"
        time.sleep(PAUSE)


def kill(daemon, services, loads, asleep):
    """Once: how long until the API answers, and until some services do."""
    sleepers = [s for s, _ in asleep]
    await_state(daemon, [s.name for s in sleepers], "standby")
    before, wakes = state(daemon), [s.events("wake") for s in sleepers]
    daemon.kill()
    for load in loads:
        load.go_on(5)
    for _, c in asleep:
        echo(c)
    start, times = time.monotonic(), []
    probes = random.sample(services, min(PROBES, len(services)))
    waits = threading.Thread(target=await_services,
                             args=(probes, start, times))
    waits.start()
    daemon.start()
    api = (time.monotonic() - start) * 1000
    waits.join()
    await_services(services, start, [])
    assert len(times) == len(probes)
    for load in loads:
        load.go_on(5)
    after = state(daemon)
    assert after == before, set(after) ^ set(before)
    for s, n in zip(sleepers, wakes):
        assert s.events("wake") > n, s.name
    return api, times


def run(daemon, services):
    direct = [s for s in services if not s.handlers]
    awake = [s for s in services if not s.cooldown]
    asleep = [(s, s.connect()) for s in direct if s.cooldown]
    for _, c in asleep:
        echo(c)
    loads = [Load([s for s in awake if not s.handlers])
             for _ in range(CLIENTS)]
    apis, times = [], []
    try:
        for _ in range(KILLS):
            api, services_times = kill(daemon, services, loads, asleep)
            apis.append(api)
            times += services_times
    finally:
        for load in loads:
            load.stop()
    print(json.dumps({
        "kills": KILLS, "services": len(services),
        "api_ms": [round(percentile(apis, p), 1) for p in (50, 100)],
        "services_ms": [round(percentile(times, p), 1) for p in (50, 100)],
        "rounds": sum(load.rounds for load in loads),
        "new": sum(load.new for load in loads),
        "refused": sum(load.refused for load in loads)}))


def main():
    daemon = Daemon(BUILD, HOME)
    services = []
    try:
        for n in range(SERVICES):
            handlers, cooldown = [(["tls"], 0), ([], 50), ([], 0)][n % 3]
            services.append(Service(daemon, f"restart-{n}", handlers,
                                    cooldown))
        for s in services:
            with s.connect() as c:
                echo(c)
        run(daemon, services)
    finally:
        with open(f"{HOME}/jiffyd.log", encoding="utf-8") as f:
            print(f.read()[-2000:], file=sys.stderr)
        for n in range(SERVICES):
            with contextlib.suppress(AssertionError, OSError):
                daemon.call("DELETE", "/instances", {"name": f"restart-{n}"})
        daemon.kill()


main()
