#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client of PostgreSQL's wire protocol, and ends without warning.

postgres.py sql PORT QUERY [NAME=VALUE...]: print the rows; user, database and
password may be given. postgres.py crash JIFFY HOME KIND POINTS SECONDS: run
the image "postgres" on a volume, write with a ledger of the commits that were
acknowledged (pgbench's load, but pgbench does not tell them), end it at random
points, and look whether all is there that was promised: the rows, e2fsck,
pg_amcheck. KIND: kill, the monitor gets SIGKILL; or, with the kernel of
build/powercut, power, what was not flushed is lost in part, or fail, one write
or flush of the host's fails. Stops after SECONDS, but not before three points.
"""
import fcntl
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time


class SqlError(Exception):
    """What the server said."""


class Client:
    """One connection; simple queries only."""

    def __init__(self, port, user="postgres", database="postgres",
                 password=None):
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.sock.settimeout(60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""
        words = ("user", user, "database", database, "", "")
        body = struct.pack("!I", 196608) + "\0".join(words).encode()
        self.sock.sendall(struct.pack("!I", len(body) + 4) + body)
        self.password = password
        self.rows_until_ready()

    def exactly(self, n):
        while len(self.data) < n:
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionError("closed")
            self.data += more
        head, self.data = self.data[:n], self.data[n:]
        return head

    def message(self):
        kind, length = struct.unpack("!cI", self.exactly(5))
        return kind, self.exactly(length - 4)

    def send(self, kind, body):
        self.sock.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def authenticate(self, body):
        how = struct.unpack("!I", body[:4])[0]
        if how == 3:
            self.send(b"p", (self.password or "").encode() + b"\0")
        elif how != 0:
            raise SqlError(f"authentication {how} is not written here")

    def rows_until_ready(self):
        rows, error = [], None
        while True:
            kind, body = self.message()
            if kind == b"R":
                self.authenticate(body)
            elif kind == b"D":
                rows.append(row(body))
            elif kind == b"E":
                fields = body.split(b"\0")
                error = "; ".join(f[1:].decode() for f in fields
                                  if f[:1] in (b"S", b"C", b"M"))
                if error.startswith("FATAL"):
                    raise SqlError(error)
            elif kind == b"Z":
                if error:
                    raise SqlError(error)
                return rows

    def query(self, text):
        self.send(b"Q", text.encode() + b"\0")
        return self.rows_until_ready()

    def close(self):
        self.sock.close()


def row(body):
    cells, at = [], 2
    for _ in range(struct.unpack("!H", body[:2])[0]):
        length = struct.unpack("!i", body[at:at + 4])[0]
        at += 4
        cells.append(None if length < 0 else body[at:at + length].decode())
        at += max(length, 0)
    return cells


def connect(port, seconds=60, **keys):
    """A connection, once the server takes one."""
    end = time.monotonic() + seconds
    while True:
        try:
            return Client(port, **keys)
        except (OSError, SqlError) as e:
            if time.monotonic() > end or "28P01" in str(e):
                raise
            time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


SCHEMA = """CREATE EXTENSION amcheck;
CREATE TABLE accounts(id int PRIMARY KEY, balance bigint NOT NULL, filler text);
INSERT INTO accounts SELECT n, 0, repeat('x', 80) FROM generate_series(1, 5000) n;
CREATE TABLE ledger(worker int, n int, account int, delta int,
	PRIMARY KEY (worker, n));"""
# All tables and B-trees of the database, run by the server: the program of its
# own version. Each a transaction of its own, or it waits for their locks.
AMCHECK = ("DROP TABLE IF EXISTS amcheck", "CREATE TABLE amcheck(line text)",
           "COPY amcheck FROM PROGRAM '/usr/lib/postgresql/15/bin/pg_amcheck "
           "-U postgres -d postgres --heapallindexed --parent-check 2>&1; "
           "echo status $?'", "SELECT line FROM amcheck")
SETTINGS = ("-c", "max_wal_size=4MB", "-c", "min_wal_size=2MB",
            "-c", "checkpoint_timeout=30s", "-c", "wal_recycle=off")


class Writer(threading.Thread):
    """Commits rows until the connection breaks; acked is the last number the
    server said is committed."""

    def __init__(self, crash, worker, first, seed):
        super().__init__(daemon=True)
        self.crash, self.worker, self.n = crash, worker, first
        self.acked, self.random = first - 1, random.Random(seed)
        self.error = None

    def run(self):
        try:
            client = self.connect()
            while client:
                self.commit(client)
        except (OSError, TimeoutError):
            pass
        except SqlError as e:
            self.error = str(e)

    def connect(self):
        while self.crash.lives():
            try:
                return Client(self.crash.port)
            except (OSError, SqlError):
                time.sleep(0.02)
        return None

    def commit(self, client):
        account, delta = self.random.randint(1, 5000), self.random.randint(1, 9)
        client.query(
            f"BEGIN; UPDATE accounts SET balance = balance + {delta} WHERE id "
            f"= {account}; INSERT INTO ledger VALUES({self.worker}, {self.n}, "
            f"{account}, {delta}); COMMIT")
        self.acked = self.n
        self.n += 1


class Crash:
    """A cluster on a volume and what it has promised."""
    WRITERS = 3

    def __init__(self, jiffy, home, kind):
        self.jiffy, self.kind = jiffy, kind
        self.env = dict(os.environ, JIFFY_HOME=home)
        self.disk = f"{home}/volumes/crash/disk"
        self.state = f"{home}/instances/crash/state.json"
        self.acked = [0] * self.WRITERS
        self.total = 0
        self.refused = ""
        self.said = {}
        self.run("volume", "create", "--size", "256M", "crash")

    def run(self, *args, check=True):
        return subprocess.run([self.jiffy, *args], env=self.env, check=check,
                              capture_output=True, text=True, timeout=60)

    def start(self, *options, check=True):
        self.port = free_port()
        return self.run(
                 "run", "-d", "--name", "crash", "-m", "1G", *options,
                 "-v", "crash:/var/lib/postgresql",
                 "-p", f"127.0.0.1:{self.port}:5432",
                 "-e", "POSTGRES_HOST_AUTH_METHOD=trust",
                 "-e", "POSTGRES_INITDB_ARGS=--wal-segsize=1 --no-sync",
                 "postgres", *SETTINGS, check=check).stderr

    def prepare(self):
        self.start()
        client = connect(self.port)
        client.query(SCHEMA)
        client.close()

    def pid(self):
        with open(self.state) as f:
            return json.load(f)["pid"]

    def gone(self):
        """All processes of the instance have left the volume."""
        with open(self.disk, "rb") as f:
            fcntl.flock(f, fcntl.LOCK_EX)

    def point(self, seed):
        """Write, end, check the file system, start again, check the rows."""
        rand = random.Random(seed)
        if self.kind != "kill":  # tests/powercut/device.c; recovery, too
            self.restart(rand)
        writers = [Writer(self, i, self.acked[i] + 1, seed * 16 + i)
                   for i in range(self.WRITERS)]
        before = sum(self.acked)
        for w in writers:
            w.start()
        self.end(writers, rand)
        for w in writers:
            w.join()
        self.total += sum(w.acked for w in writers) - before
        self.ended()
        self.start()
        self.check_rows(writers)

    def ended(self):
        self.gone()
        self.run("rm", "-f", "crash", check=False)
        self.check_disk()

    def end(self, writers, rand):
        if self.kind != "kill":
            for w in writers:
                w.join(20 if self.kind == "power" else 5)
            if self.kind == "fail":
                self.fail()
            elif any(w.is_alive() for w in writers):
                raise AssertionError("the power stayed on")
            return
        enough = sum(w.acked for w in writers) + rand.randint(1, 150)
        end = time.monotonic() + 10
        while (sum(w.acked for w in writers) < enough and
               time.monotonic() < end):
            time.sleep(0.001)
        os.kill(self.pid(), 9)

    def restart(self, rand):
        self.run("stop", "crash")
        self.gone()
        self.run("rm", "crash")
        name = "cut" if self.kind == "power" else "eio"
        self.refused = self.start(
            "--hostname", f"{name}-{rand.randint(1, 10 ** 6)}-"
            f"{rand.randint(1, 1 << rand.randint(3, 12))}", check=False)

    def fail(self):
        """One write or flush failed: the log says so, and the server was told,
        or, when it was to be mounted, the user. Then the end."""
        log = self.refused or self.run("logs", "crash", check=False).stdout
        for name, lines in (
                ("said", ("read-only from now on", "input/output error")),
                ("told", ("Input/output error", "Read-only file system",
                          "input/output error"))):
            if not any(line in log for line in lines):
                raise AssertionError(f"not {name}:\n{log}")
            self.said[name] = self.said.get(name, 0) + 1
        self.run("kill", "-s", "KILL", "crash", check=False)

    def lives(self):
        with open(self.disk, "rb") as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def check_disk(self):
        """On a copy: the journal replayed, and then nothing to find."""
        copy = self.disk + ".copy"
        subprocess.run(["cp", "--sparse=always", self.disk, copy], check=True)
        done = subprocess.run(["e2fsck", "-p", copy], capture_output=True,
                              text=True)
        if done.returncode not in (0, 1):
            raise AssertionError(f"e2fsck -p: {done.stdout}{done.stderr}")
        done = subprocess.run(["e2fsck", "-fn", copy], capture_output=True,
                              text=True)
        if done.returncode:
            raise AssertionError(f"e2fsck -fn: {done.stdout}{done.stderr}")
        os.unlink(copy)

    def check_rows(self, writers):
        try:
            client = connect(self.port)
        except (OSError, SqlError) as e:
            raise AssertionError(f"does not start: {e}\n" +
                                 self.run("logs", "crash").stdout[-4000:]) from e
        for w in writers:
            have, last = client.query(
                "SELECT count(*), coalesce(max(n), 0) FROM ledger WHERE "
                f"worker = {w.worker}")[0]
            if int(last) < w.acked or have != last:
                raise AssertionError(f"lost: writer {w.worker} was told "
                                     f"{w.acked}, there are {have} to {last}")
            self.acked[w.worker] = int(last)
        wrong = client.query(
            "SELECT id FROM accounts a WHERE balance <> (SELECT coalesce(sum("
            "delta), 0) FROM ledger l WHERE l.account = a.id)"
            if self.total < 500 else
            "SELECT 1 WHERE (SELECT sum(balance) FROM accounts) <> "
            "(SELECT sum(delta) FROM ledger)")
        if wrong:
            raise AssertionError(f"balances are not those of the ledger: "
                                 f"{wrong[:9]}")
        said = [r[0] for q in AMCHECK for r in client.query(q)]
        if said != ["status 0"]:
            raise AssertionError(f"pg_amcheck: {said[:9]}")
        client.close()


def crash(jiffy, home, kind, points, seconds):
    c = Crash(jiffy, home, kind)
    end = time.monotonic() + float(seconds)
    c.prepare()
    done = 0
    try:
        while done < int(points) and (done < 3 or time.monotonic() < end):
            done += 1
            c.point(int(os.environ.get("SEED", "0")) + done)
    except BaseException:
        print(f"point {done}:", flush=True)
        shutil.copy(c.disk, c.disk + ".failed")
        raise
    c.run("stop", "crash")
    c.gone()
    c.check_disk()
    c.run("rm", "crash")
    c.run("volume", "rm", "crash")
    print(f"{done} points, {c.total} commits acknowledged, 0 lost",
          *(f"; {n} x {what}" for what, n in c.said.items()))


def main():
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if sys.argv[1] == "crash":
        crash(*sys.argv[2:])
        return
    keys = dict(a.split("=", 1) for a in sys.argv[4:])
    try:
        for cells in connect(int(sys.argv[2]), **keys).query(sys.argv[3]):
            print("\t".join("" if c is None else c for c in cells))
    except SqlError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()
