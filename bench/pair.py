# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: table rows and result files, the two sides'
commands, servers that are stopped at the end, processor time and memory."""
import glob
import json
import os
import pwd
import re
import signal
import socket
import statistics
import subprocess
import sys
import time

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
JIFFY = os.path.join(BUILD, "jiffy")
OUT = os.path.join(BUILD, "bench")
rows = []


def run(argv, **kw):
    return subprocess.run(argv, check=True, capture_output=True, text=True,
                          timeout=kw.pop("timeout", 180), **kw).stdout


def row(name, jiffy, rival, unit, bar=None, rival_name="native"):
    ratio = jiffy / rival if rival else float("nan")
    rows.append(dict(name=name, jiffy=jiffy, rival=rival, unit=unit,
                     rival_name=rival_name, ratio=ratio, bar=bar))
    print(f"{name:28} {jiffy:12.1f} {rival:12.1f} {unit:6} "
          f"{ratio:7.3f} x {rival_name:8} {bar or ''}", flush=True)


def save(name):
    os.makedirs(OUT, exist_ok=True)
    with open(os.path.join(OUT, name + ".json"), "w") as f:
        json.dump(dict(time=time.strftime("%FT%TZ", time.gmtime()),
                       host=os.uname().release, cpus=os.cpu_count(),
                       rows=rows), f, indent=1)
    rows.clear()


def image(tag, source, *args):
    run([JIFFY, "build", "-t", tag, *args, source], timeout=900)


def time_pair(argvs, clean, rounds, **kw):
    """Median milliseconds of each command, taking turns."""
    times = [[] for _ in argvs]
    for _ in range(rounds):
        for into, argv in zip(times, argvs):
            start = time.perf_counter()
            run(argv, **kw)
            into.append((time.perf_counter() - start) * 1e3)
            clean()
    return [statistics.median(t) for t in times]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, proc, deadline=30):
    """Until a connection is answered; seconds since the epoch of perf."""
    end = time.perf_counter() + deadline
    while time.perf_counter() < end:
        if proc.poll() is not None:
            raise RuntimeError("server ended: " +
                               (proc.stderr.read() or b"").decode())
        try:
            return socket.create_connection(("127.0.0.1", port), 5)
        except OSError:
            time.sleep(0.0005)
    raise TimeoutError(port)


class Server:
    """A server process that is stopped at the end of the block."""

    def __init__(self, argv, port, stop=signal.SIGTERM):
        self.argv, self.port, self.stop = argv, port, stop

    def __enter__(self):
        self.start = time.perf_counter()
        # A session of its own, as an instance is: the host's scheduler gives
        # each session a share (sched_autogroup), the client's is another.
        self.proc = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL,
                                     stderr=subprocess.PIPE,
                                     start_new_session=True)
        wait_port(self.port, self.proc).close()
        return self

    def __exit__(self, *exc):
        self.proc.send_signal(self.stop)
        try:
            self.proc.wait(30)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        self.proc.stderr.close()


def as_user(name, data):
    """Make the directory `data` the user's; what to put before a command that
    root runs as that user."""
    os.makedirs(data)
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(name)
    os.chown(data, user.pw_uid, user.pw_gid)
    return ["setpriv", "--reuid", name, "--regid", name, "--init-groups"]


def cold_start(server, first_answer):
    """Milliseconds from the start of a Server's command to first_answer(port,
    process)."""
    start = time.perf_counter()
    proc = subprocess.Popen(server.argv, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    try:
        first_answer(server.port, proc)
        return (time.perf_counter() - start) * 1e3
    finally:
        proc.send_signal(server.stop)
        proc.wait(30)


def tree(pid):
    pids = [pid]
    for p in pids:
        try:
            with open(f"/proc/{p}/task/{p}/children") as f:
                pids += [int(x) for x in f.read().split()]
        except OSError:
            pass
    return pids


def cpu_ns(pid):
    """Processor time of a process and its children so far; that of those that
    have ended comes in the host's ticks."""
    total = 0
    for p in tree(pid):
        try:
            with open(f"/proc/{p}/stat") as f:
                ended = f.read().rsplit(")", 1)[1].split()[13:15]
        except OSError:  # it ended just now
            continue
        total += sum(int(t) for t in ended) * 10**9 // os.sysconf("SC_CLK_TCK")
        for stat in glob.glob(f"/proc/{p}/task/*/schedstat"):
            with open(stat) as f:
                total += int(f.read().split()[0])
    return total


def pss(pids, skip):
    """KiB of all processes; of mappings of the image file only the pages
    that were written (they are the instance's own)."""
    total = share = 0
    for pid in pids:
        is_image = False
        with open(f"/proc/{pid}/smaps") as f:
            for line in f:
                key = line.split()[0]
                if not key.endswith(":"):
                    is_image = skip in line
                elif key == "Pss:":
                    share = int(line.split()[1])
                    total += 0 if is_image else share
                elif key == "Anonymous:" and is_image:
                    total += min(share, int(line.split()[1]))
    return total
