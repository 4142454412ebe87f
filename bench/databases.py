# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL on a volume beside the same binaries on the host, whose data is
in the directory next to the volume's file: the same disk below both."""
import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import time

from pair import (JIFFY, OUT, Server, as_user, cold_start, cpu_ns, free_port,
                  image, pss, row, run, save, tree)

POSTGRES_DEBS = ("deb:postgresql-15,bash,coreutils,findutils,util-linux,gzip,"
                 "xz-utils")
INITDB = "--locale=C --encoding=UTF8"
VOLUME = f"bench-{os.getpid()}"
SIMPLE_QUERY = b"Q" + struct.pack("!I", 13) + b"SELECT 1\0"


class Cluster:
    """One side's server: its command and port. Data is made at the first
    start (Jiffy) or here (native)."""

    def __init__(self, argv, port):
        self.argv, self.port = argv, port

    def serve(self):
        return Server(self.argv, self.port, signal.SIGINT)

    def pgbench(self, *args):
        return run(["pgbench", "-h", "127.0.0.1", "-p", str(self.port), "-U",
                    "postgres", *args, "postgres"], timeout=600)

    def rate(self, seconds, clients, *args):
        """Transactions per second."""
        out = self.pgbench("-n", f"-T{seconds}", f"-c{clients}", "-j1", *args)
        return float(re.search(r"tps = ([0-9.]+)", out)[1])


def native_postgres(base):
    server = run(["pg_config", "--bindir"]).strip()
    data = os.path.join(base, "native")
    prefix = as_user("postgres", data)
    run([*prefix, f"{server}/initdb", "-D", data, "-U", "postgres", "-A",
         "trust", *INITDB.split()])
    port = free_port()
    return Cluster([*prefix, f"{server}/postgres", "-D", data, "-p", str(port),
                    "-c", f"unix_socket_directories={data}",
                    "-c", "recovery_init_sync_method=syncfs"], port)


def jiffy_postgres():
    image("bench-postgres", POSTGRES_DEBS, "--copy",
          "examples/postgres/image:/", "--entrypoint",
          "/usr/local/bin/start-postgres", "--stop-signal", "SIGINT")
    run([JIFFY, "volume", "create", "--size", "4G", VOLUME])
    port = free_port()
    return Cluster([JIFFY, "run", "--rm", "-m", "2G", "-v",
                    f"{VOLUME}:/var/lib/postgresql",
                    "-p", f"127.0.0.1:{port}:5432",
                    "-e", "POSTGRES_HOST_AUTH_METHOD=trust",
                    "-e", f"POSTGRES_INITDB_ARGS={INITDB}",
                    "bench-postgres"], port)


def first_answer(port, proc):
    """Until SELECT 1 is answered; tries again every half millisecond."""
    words = b"user\0postgres\0database\0postgres\0\0"
    start = struct.pack("!II", len(words) + 8, 196608) + words
    while proc.poll() is None:
        with socket.socket() as s:
            try:
                s.connect(("127.0.0.1", port))
                s.sendall(start + SIMPLE_QUERY)
                data = b""
                while more := s.recv(4096):
                    data += more
                    if b"SELECT 1\0" in data:
                        return
            except OSError:
                pass
        time.sleep(0.0005)
    raise RuntimeError("the server ended")


def pgbench_pair(native, jiffy):
    """All clients and both kinds of transaction; the sides take turns."""
    seconds, rounds = int(os.environ.get("SECONDS", "10")), 3
    for kind, args, bar in (("TPC-B", (), ">= 0.85"),
                            ("select", ("-S",), ">= 0.9"),
                            ("connect", ("-S", "-C"), None)):
        for clients in (1, 8, 32) if bar else (1,):
            rates, cpu = {native: [], jiffy: []}, {native: [], jiffy: []}
            with native.serve() as n, jiffy.serve() as j:
                for side, server in ((native, n), (jiffy, j)):
                    side.rate(1, clients, *args)
                for _ in range(rounds):
                    for side, server in ((native, n), (jiffy, j)):
                        before = cpu_ns(server.proc.pid)
                        rate = side.rate(seconds, clients, *args)
                        rates[side].append(rate)
                        cpu[side].append((cpu_ns(server.proc.pid) - before) /
                                         (rate * seconds))
            med = statistics.median
            if bar:
                name = f"postgres: {kind} {clients} clients"
                row(name, med(rates[jiffy]), med(rates[native]), "1/s", bar)
                row(name + " cpu", med(cpu[jiffy]), med(cpu[native]), "ns")
            else:
                row("postgres: connection", 1e6 / med(rates[jiffy]),
                    1e6 / med(rates[native]), "us", "<= 1.3")


def bench_postgres():
    """pgbench, connections, start of an existing cluster, idle memory."""
    base = tempfile.mkdtemp(dir=OUT)
    os.chmod(base, 0o755)
    try:
        native, jiffy = native_postgres(base), jiffy_postgres()
        init = {}
        for side in (native, jiffy):
            with side.serve() as server:
                first_answer(side.port, server.proc)
                start = time.perf_counter()
                side.pgbench("-i", "-q", "-s", "10")
                init[side] = (time.perf_counter() - start) * 1e3
        row("postgres: pgbench -i -s 10", init[jiffy], init[native], "ms")
        starts = [[cold_start(s.serve(), first_answer) for s in (jiffy, native)]
                  for _ in range(10)]
        j, n = [statistics.median(side) for side in zip(*starts)]
        row("postgres: start to answer", j, n, "ms", "<= 80 ms")
        memory = []
        for side in (jiffy, native):
            with side.serve() as server:
                first_answer(side.port, server.proc)
                time.sleep(2)  # the answer's own process ends
                memory.append(pss(tree(server.proc.pid), "\0"))
        row("postgres: idle PSS", *memory, "KiB", "<= 1.2")
        pgbench_pair(native, jiffy)
    finally:
        save("postgres")
        shutil.rmtree(base)
        subprocess.run([JIFFY, "volume", "rm", VOLUME], check=False)
