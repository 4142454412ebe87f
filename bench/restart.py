# SPDX-License-Identifier: Apache-2.0
"""jiffyd killed under load and started again (tests/e2e/restart.py): how long
until its API answers and until a service serves a new connection."""
import json
import os
import sys
import tempfile

from pair import BUILD, JIFFY, row, run, save

SERVICES = int(os.environ.get("SERVICES", 100))
KILLS = int(os.environ.get("KILLS", 20))


def bench_restart():
    with tempfile.TemporaryDirectory() as home:
        os.makedirs(f"{home}/root/bin")
        run(["gcc", "-O2", "-static", "-pthread", "tests/e2e/holds.c", "-o",
             f"{home}/root/bin/holds"])
        run([JIFFY, "build", "-q", "-t", "holds", f"dir:{home}/root"],
            env={**os.environ, "JIFFY_HOME": home})
        times = json.loads(run([sys.executable, "tests/e2e/restart.py", BUILD,
                                home, str(SERVICES), str(KILLS)],
                               timeout=900))
    for what, label in (("api_ms", "its API"),
                        ("services_ms", f"one of {SERVICES} services")):
        row(f"jiffyd killed: {label}: p50", times[what][0], 1000, "ms",
            rival_name="bar")
        row(f"jiffyd killed: {label}: longest", times[what][1], 1000, "ms",
            "<= 1 s", "bar")
    save("restart")
