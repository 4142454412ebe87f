#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""idle.py BUILD HOME SERVICES CONNECTIONS: so many idle connections over so many
services behind jiffyd, all asleep. What they cost is printed; none wakes by
itself; a byte on one wakes that one and no other; each is good at the end.
Everything is removed afterwards."""
import contextlib
import os
import random
import resource
import sys

from daemon import Daemon, await_state
from echoes import Service, echo

BUILD, HOME, SERVICES, CONNECTIONS = (sys.argv[1], sys.argv[2],
                                      int(sys.argv[3]), int(sys.argv[4]))
ONES = 10


def keeper():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), \
                open(f"/proc/{pid}/cmdline", "rb") as f:
            if f.read().startswith(b"jiffy-keeper\0" + HOME.encode()):
                return int(pid)
    raise AssertionError("no keeper")


def usage(pid):
    """Its own memory in KiB, and its descriptors."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        fields = dict(line.split(":") for line in f if ":" in line[:30])
    return (sum(int(fields[k].split()[0]) for k in
                ("Private_Clean", "Private_Dirty")),
            len(os.listdir(f"/proc/{pid}/fd")))


def say(daemon, when):
    for who, pid in (("jiffyd", daemon.process.pid), ("keeper", keeper())):
        print("%s: %s: %d KiB, %d descriptors" % (when, who, *usage(pid)),
              flush=True)


def sleepers(daemon):
    return {i["name"] for i in daemon.instances() if i["state"] == "standby"}


def run(daemon):
    names = [f"idle-{n}" for n in range(SERVICES)]
    services = [Service(daemon, n, cooldown=100) for n in names]
    await_state(daemon, names, "standby")
    say(daemon, "asleep")
    open_ones = []
    for s in services:
        for _ in range(CONNECTIONS // SERVICES):
            c = s.connect()
            echo(c)
            open_ones.append((s, c))
    await_state(daemon, names, "standby")
    say(daemon, f"{len(open_ones)} connections over {SERVICES} that sleep")
    wakes = {s.name: s.events("wake") for s in services}

    woken = 0
    for s, c in random.sample(open_ones, ONES):
        echo(c)
        wakes[s.name] += 1
        woken += 1
        await_state(daemon, names, "standby")
        seen = {s.name: s.events("wake") for s in services}
        assert seen == wakes, (seen, wakes)
    print(f"{woken} bytes, {woken} wakes of {SERVICES} services")

    random.shuffle(open_ones)
    for s, c in open_ones:
        echo(c, b"still")
        c.close()
    print(f"{len(open_ones)} connections are good")


def main():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    daemon = Daemon(BUILD, HOME)
    try:
        run(daemon)
    finally:
        with open(f"{HOME}/jiffyd.log", encoding="utf-8") as f:
            print(f.read()[-2000:], file=sys.stderr)
        for n in range(SERVICES):
            with contextlib.suppress(AssertionError, OSError):
                daemon.call("DELETE", "/instances", {"name": f"idle-{n}"})
        daemon.kill()


main()
