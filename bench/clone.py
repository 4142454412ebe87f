# SPDX-License-Identifier: Apache-2.0
"""Clones of a warm Python: from the command to the first output, the memory
that each of many has to itself, and how long an instance stands still for a
fork. CLONES says how many there are at once."""
import glob
import json
import os
import re
import statistics
import subprocess
import tempfile
import time

from pair import JIFFY, OUT, image, row, run, save, tree

PROGRAM = """import os, random, secrets, select, signal, socket, ssl, uuid
generation = open("/dev/generation", "rb", buffering=0)
poll = select.poll()
poll.register(generation, select.POLLPRI)
print("ready", flush=True)
poll.poll()
random.seed()
print("clone", random.random(), uuid.uuid4(), socket.gethostname(), flush=True)
signal.pause()
"""
NATIVE = PROGRAM.replace("/dev/generation", "/dev/null").replace(
    "poll.register", "0 and poll.register").replace("poll.poll()", "0")


def first_output(argv):
    """Milliseconds until the first byte."""
    start = time.perf_counter()
    with subprocess.Popen(argv, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as proc:
        os.read(proc.stdout.fileno(), 1)
        took = (time.perf_counter() - start) * 1e3
        proc.terminate()
        proc.wait(30)
    return took


def private_kib(monitor):
    """Of a monitor and its host processes, with the memory objects that they
    share with each other and nobody else."""
    total = 0
    for pid in tree(monitor):
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
            total += sum(int(n) for n in re.findall(
                r"^Private_\w+: *(\d+)", f.read(), re.M))
    for fd in glob.glob(f"/proc/{monitor}/fd/*"):
        if os.readlink(fd).startswith(("/memfd:kernel", "/memfd:cache")):
            total += os.stat(fd).st_blocks // 2
    return total


def state(name, key):
    path = os.path.join(os.environ["JIFFY_HOME"], "instances", name,
                        "state.json")
    with open(path, encoding="utf-8") as f:
        return json.load(f)[key]


def await_line(name, word):
    while word not in run([JIFFY, "logs", name]):
        time.sleep(0.01)


def many(template, n):
    names = [f"{template}-{i}" for i in range(n)]
    try:
        for name in names:
            run([JIFFY, "run", "-d", "--from", template, "--name", name])
        for name in names:
            await_line(name, "clone")
        drawn = [word for name in names
                 for word in run([JIFFY, "logs", name]).split()[-3:]]
        if len(set(drawn)) != 3 * n:
            raise RuntimeError("two clones have drawn the same")
        row(f"{n} clones: private memory", statistics.median(
            private_kib(state(name, "pid")) for name in names), 2048, "KiB",
            "<= 2 MB", "bar")
    finally:
        run([JIFFY, "rm", "-f", *names])


def bench_clone():
    base = tempfile.mkdtemp(dir=OUT)
    with open(os.path.join(base, "warm.py"), "w", encoding="utf-8") as f:
        f.write(PROGRAM)
    image("clone", "deb:python3", "--copy", base + ":/")
    name = f"warm-{os.getpid()}"
    run([JIFFY, "run", "-d", "--name", name, "clone", "/usr/bin/python3",
         "/warm.py"])
    try:
        await_line(name, "ready")
        run([JIFFY, "snapshot", name, "-t", name])
        command = [JIFFY, "run", "--rm", "--from", name]
        times = [first_output(command) for _ in range(100)]
        native = statistics.median(
            first_output(["python3", "-c", NATIVE]) for _ in range(10))
        row("clone: first output p50", statistics.median(times), native, "ms",
            "<= 8 ms")
        row("clone: first output p99", sorted(times)[-2], native, "ms")
        pauses = []
        for _ in range(10):
            clone = run([JIFFY, "fork", name]).strip()
            live = json.loads(run([JIFFY, "inspect", name]))[0]["live"]
            pauses.append(live["pause_us"] / 1e3)
            run([JIFFY, "rm", "-f", clone])
        row("fork: pause p50", statistics.median(pauses), 0, "ms",
            "a few ms", "none")
        many(name, int(os.environ.get("CLONES", "500")))
    finally:
        run([JIFFY, "rm", "-f", name])
        run([JIFFY, "snapshot", "rm", name])
        save("clone")
