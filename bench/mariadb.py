# SPDX-License-Identifier: Apache-2.0
"""MariaDB on a volume beside the same package on the host, whose data is in
the directory next to the volume's file: the same disk below both. Settings
are Debian's: every commit is flushed. SECONDS is the length of one run."""
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

from pair import (JIFFY, OUT, Server, as_user, cold_start, cpu_ns, free_port,
                  image, pss, row, run, save, tree)

DEBS = ("deb:mariadb-server,mariadb-client,bash,coreutils,findutils,"
        "util-linux,gzip,xz-utils")
VOLUME = f"bench-mariadb-{os.getpid()}"
TABLES = ("--tables=4", "--table-size=100000")  # fits the buffer pool
ACCOUNT = """CREATE DATABASE IF NOT EXISTS bench;
CREATE OR REPLACE USER bench@'%' IDENTIFIED BY 'bench';
GRANT ALL ON bench.* TO bench@'%';
"""


class Side:
    """One side's server: its command and port."""

    def __init__(self, argv, port):
        self.argv, self.port = argv, port

    def serve(self):
        return Server(self.argv, self.port, signal.SIGTERM)

    def sysbench(self, test, *args):
        return run(["sysbench", test, "--db-driver=mysql",
                    "--mysql-host=127.0.0.1", f"--mysql-port={self.port}",
                    "--mysql-user=bench", "--mysql-password=bench",
                    "--mysql-db=bench", *TABLES, *args], timeout=900)

    def rate(self, test, threads, seconds):
        """Transactions per second and the 95th percentile in ms. Deadlocks
        are part of the test; other errors end it."""
        out = self.sysbench(test, f"--threads={threads}", f"--time={seconds}",
                            "run")
        return (float(re.search(r"transactions: .*\(([0-9.]+) per", out)[1]),
                float(re.search(r"95th percentile: +([0-9.]+)", out)[1]))


def native_mariadb(base):
    data = os.path.join(base, "native")
    prefix = as_user("mysql", data)
    port = free_port()
    run([*prefix, "mariadb-install-db", f"--datadir={data}",
         "--auth-root-authentication-method=normal", "--skip-test-db"])
    argv = [*prefix, "/usr/sbin/mariadbd", f"--datadir={data}"]
    run([*argv, "--bootstrap", "--skip-grant-tables=0"], input=ACCOUNT)
    return Side([*argv, f"--port={port}", f"--socket={data}/socket",
                 f"--pid-file={data}/pid", "--bind-address=0.0.0.0",
                 "--skip-name-resolve"], port)


def jiffy_mariadb():
    image("bench-mariadb", DEBS, "--copy", "examples/mariadb/image:/",
          "--entrypoint", "/usr/local/bin/start-mariadb")
    run([JIFFY, "volume", "create", "--size", "4G", VOLUME])
    port = free_port()
    return Side([JIFFY, "run", "--rm", "-m", "2G",
                 "-v", f"{VOLUME}:/srv/mariadb",
                 "-p", f"127.0.0.1:{port}:3306",
                 "-e", "MARIADB_ROOT_PASSWORD=bench",
                 "-e", "MARIADB_DATABASE=bench", "-e", "MARIADB_USER=bench",
                 "-e", "MARIADB_PASSWORD=bench", "bench-mariadb"], port)


def first_answer(port, proc):
    """Until the server greets; tries again every half millisecond."""
    while proc.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                if s.recv(1):
                    return
        except OSError:
            pass
        time.sleep(0.0005)
    raise RuntimeError("the server ended")


def turns(sides, test, threads):
    """Rows of one kind of load; the sides take turns."""
    seconds = int(os.environ.get("SECONDS", "5"))
    rates, late, cpu = [{s: [] for s in sides} for _ in range(3)]
    servers = [s.serve() for s in sides]
    with servers[0], servers[1]:
        for side, server in zip(sides, servers):
            first_answer(side.port, server.proc)
            side.rate(test, threads, 2)
        for _ in range(int(os.environ.get("ROUNDS", "3"))):
            for side, server in zip(sides, servers):
                before = cpu_ns(server.proc.pid)
                rate, percentile = side.rate(test, threads, seconds)
                cpu[side].append((cpu_ns(server.proc.pid) - before) / 1e3 /
                                 (rate * seconds))
                rates[side].append(rate)
                late[side].append(percentile)
    name = f"mariadb: {test[5:]} {threads} threads"
    for values, what, unit, bar in (
            (rates, "", "1/s", ">= 0.8"), (late, " p95", "ms", None),
            (cpu, " cpu", "us", None)):
        row(name + what, *(statistics.median(values[s]) for s in sides), unit,
            bar)


def bench_mariadb():
    """sysbench, start of an existing server, idle memory."""
    base = tempfile.mkdtemp(dir=OUT)
    os.chmod(base, 0o755)
    try:
        sides = jiffy_mariadb(), native_mariadb(base)
        made = []
        for side in sides:
            with side.serve() as server:
                first_answer(side.port, server.proc)
                start = time.perf_counter()
                side.sysbench("oltp_read_write", "prepare")
                made.append((time.perf_counter() - start) * 1e3)
        row("mariadb: sysbench prepare", *made, "ms")
        starts = [[cold_start(s.serve(), first_answer) for s in sides]
                  for _ in range(5)]
        row("mariadb: start to greeting",
            *(statistics.median(t) for t in zip(*starts)), "ms")
        memory = []
        for side in sides:
            with side.serve() as server:
                first_answer(side.port, server.proc)
                time.sleep(2)  # background threads have begun
                memory.append(pss(tree(server.proc.pid), "\0"))
        row("mariadb: idle PSS", *memory, "KiB")
        for test in os.environ.get("TESTS", "oltp_read_write,oltp_read_only,"
                                   "oltp_point_select").split(","):
            for threads in 1, 8:
                turns(sides, test, threads)
    finally:
        save("mariadb")
        shutil.rmtree(base)
        subprocess.run([JIFFY, "volume", "rm", VOLUME], check=False)
