# SPDX-License-Identifier: Apache-2.0
"""A database server on a volume that ends without warning.

Writers commit rows to a ledger and remember what was acknowledged; the
instance is ended at random points, and what was promised is looked for: the
rows, e2fsck, the server's own checks. KIND: kill, the monitor gets SIGKILL;
or, with the kernel of build/powercut, power, what was not flushed is lost in
part, or fail, one write or flush of the host's fails. A server is a class made
from Crash."""
import contextlib
import fcntl
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time


class SqlError(Exception):
    """What the server said."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def checked_copy(disk):
    """A copy of a volume: the journal replayed, and then nothing to find."""
    copy = disk + ".copy"
    subprocess.run(["cp", "--sparse=always", disk, copy], check=True)
    for argv, good in ((["e2fsck", "-p", copy], (0, 1)),
                       (["e2fsck", "-fn", copy], (0,))):
        done = subprocess.run(argv, capture_output=True, text=True,
                              check=False)
        if done.returncode not in good:
            raise AssertionError(f"{argv}: {done.stdout}{done.stderr}")
    yield copy
    os.unlink(copy)


SCHEMA = ("CREATE TABLE accounts(id int PRIMARY KEY, balance bigint NOT NULL, "
          "filler text)",
          "CREATE TABLE ledger(worker int, n int, account int, delta int, "
          "PRIMARY KEY (worker, n))")
ACCOUNTS = 5000


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
                return self.crash.client()
            except (OSError, SqlError):
                time.sleep(0.02)
        return None

    def commit(self, client):
        account = self.random.randint(1, ACCOUNTS)
        delta = self.random.randint(1, 9)
        self.crash.commit(client, (
            f"UPDATE accounts SET balance = balance + {delta} "
            f"WHERE id = {account}",
            f"INSERT INTO ledger VALUES({self.worker}, {self.n}, {account}, "
            f"{delta})"))
        self.acked = self.n
        self.n += 1


class Crash:
    """A server on a volume and what it has promised."""
    WRITERS = 3
    IMAGE = MOUNT = None
    PORT = 0
    OPTIONS = ARGUMENTS = ()  # of `jiffy run`, of the server
    SIZE = "256M"
    TOLD = ()  # how the server says that I/O failed

    def client(self):
        """A connection, or an error at once."""
        raise NotImplementedError

    def fill(self, client):
        """Make SCHEMA and ACCOUNTS rows."""
        raise NotImplementedError

    def commit(self, client, statements):
        """One transaction."""
        raise NotImplementedError

    def check_server(self, client):
        """What the server's own tools find; AssertionError."""

    def __init__(self, jiffy, home, kind):
        self.jiffy, self.kind = jiffy, kind
        self.env = dict(os.environ, JIFFY_HOME=home)
        self.name = "crash"
        self.disk = f"{home}/volumes/{self.name}/disk"
        self.state = f"{home}/instances/{self.name}/state.json"
        self.acked = [0] * self.WRITERS
        self.total = 0
        self.refused = ""
        self.said = {}
        self.run("volume", "create", "--size", self.SIZE, self.name)

    def run(self, *args, check=True):
        done = subprocess.run([self.jiffy, *args], env=self.env, text=True,
                              check=False, capture_output=True, timeout=60)
        if check and done.returncode:
            raise AssertionError(f"jiffy {args}: {done.stderr}")
        return done

    def start(self, *options, check=True):
        self.port = free_port()
        return self.run(
            "run", "-d", "--name", self.name, "-m", "1G", *options,
            "-v", f"{self.name}:{self.MOUNT}",
            "-p", f"127.0.0.1:{self.port}:{self.PORT}", *self.OPTIONS,
            self.IMAGE, *self.ARGUMENTS, check=check).stderr

    def connect(self, seconds=60):
        """A connection, once the server takes one."""
        end = time.monotonic() + seconds
        while True:
            try:
                return self.client()
            except (OSError, SqlError) as e:
                if time.monotonic() > end or not self.lives():
                    log = self.run("logs", self.name, check=False).stdout
                    raise AssertionError(f"does not start: {e}\n"
                                         f"{log[-4000:]}") from e
                time.sleep(0.02)

    def prepare(self):
        self.start()
        client = self.connect()
        self.fill(client)
        client.close()

    def pid(self):
        with open(self.state) as f:
            return json.load(f)["pid"]

    def gone(self):
        """All processes of the instance have left the volume."""
        with open(self.disk, "rb") as f:
            fcntl.flock(f, fcntl.LOCK_EX)

    def lives(self):
        with open(self.disk, "rb") as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

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

    def restart(self, rand):
        self.run("stop", self.name)
        self.gone()
        self.run("rm", self.name)
        kind = "cut" if self.kind == "power" else "eio"
        self.refused = self.start(
            "--hostname", f"{kind}-{rand.randint(1, 10 ** 6)}-"
            f"{rand.randint(1, 1 << rand.randint(3, 11))}", check=False)

    def end(self, writers, rand):
        if self.kind != "kill":
            for w in writers:
                w.join(50 if self.kind == "power" else 5)
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

    def fail(self):
        """One write or flush failed: the log says so, and the server was told,
        or, when it was to be mounted, the user. Then the end."""
        log = self.refused or self.run("logs", self.name, check=False).stdout
        for name, lines in (
                ("said", ("read-only from now on", "input/output error")),
                ("told", ("input/output error", *self.TOLD))):
            if not any(line in log for line in lines):
                raise AssertionError(f"not {name}:\n{log}")
            self.said[name] = self.said.get(name, 0) + 1
        self.run("kill", "-s", "KILL", self.name, check=False)

    def ended(self):
        self.gone()
        # The last process may be gone a moment before its monitor.
        end = time.monotonic() + 20
        while True:
            done = self.run("rm", "-f", self.name, check=False)
            if not os.path.exists(self.state):
                break
            print(f"not removed yet: {done.stderr}", flush=True)
            if time.monotonic() > end:
                raise AssertionError("its record cannot be removed")
            time.sleep(0.2)
        self.check_disk()

    def check_disk(self):
        with checked_copy(self.disk):
            pass

    def check_rows(self, writers):
        client = self.connect()
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
            "SELECT 1 FROM (SELECT sum(balance) AS b FROM accounts) a, "
            "(SELECT sum(delta) AS d FROM ledger) l WHERE b <> d")
        if wrong:
            raise AssertionError(f"balances are not those of the ledger: "
                                 f"{wrong[:9]}")
        self.check_server(client)
        client.close()


def crash(server, jiffy, home, kind, points, seconds):
    """POINTS ends of a `server`; stops after SECONDS, but not before three."""
    c = server(jiffy, home, kind)
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
    c.run("stop", c.name)
    c.gone()
    c.check_disk()
    c.run("rm", c.name)
    c.run("volume", "rm", c.name)
    print(f"{done} points, {c.total} commits acknowledged, 0 lost",
          *(f"; {n} x {what}" for what, n in c.said.items()))


def main(server, connect):
    """The command line of a server's client: ends of it, or a query."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if sys.argv[1] == "crash":
        crash(server, *sys.argv[2:])
        return
    keys = dict(a.split("=", 1) for a in sys.argv[4:])
    try:
        for cells in connect(int(sys.argv[2]), **keys).query(sys.argv[3]):
            print("\t".join("" if c is None else c for c in cells))
    except SqlError as e:
        sys.exit(str(e))
