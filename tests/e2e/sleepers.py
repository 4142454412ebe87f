#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sleepers.py JIFFY CYCLES PROGRAM...: servers that are suspended, and resumed
by the first bytes of an old connection, over and over; each session goes on
where it was, with its state. PROGRAM is redis, nginx, python, node, java or
postgres; the images "sleepers" and "postgres" are in JIFFY_HOME. What a program
must keep is told by its class. sleepers.py files DIR: what nginx serves."""
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import time

from crash import SqlError, free_port
from postgres import Client

JIFFY = sys.argv[1]
HOME = os.environ.get("JIFFY_HOME", "")
LARGE = 24 << 20


def jiffy(*args):
    done = subprocess.run([JIFFY, *args], capture_output=True, text=True,
                          timeout=60, check=False)
    if done.returncode:
        raise AssertionError(f"jiffy {args}: {done.stderr}")
    return done.stdout


def dial(port):
    s = socket.socket()
    s.settimeout(20)
    s.connect(("127.0.0.1", port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def host_process(pid):
    """Its number and its session's, if it is alive."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            state, _, _, session = f.read().rsplit(")", 1)[1].split()[:4]
        return () if state in "ZX" else (int(pid), int(session))
    except OSError:
        return ()


def open_files():
    """What all processes have open, and the memory they map of files."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
                who = pid + " " + f.read().replace("\0", " ")
            for fd in os.listdir(f"/proc/{pid}/fd"):
                yield who, os.readlink(f"/proc/{pid}/fd/{fd}")
            with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
                for line in f:
                    yield who, line[line.find("/"):]
        except OSError:
            pass


class Program:
    """One server. begin() opens connections and asserts that they answer;
    before() leaves something in flight; wake() sends `first` bytes, then the
    rest, and looks at the answer; check() looks at all connections."""
    IMAGE, PORT = "sleepers", 8080
    OPTIONS, COMMAND = (), ()

    def __init__(self):
        self.name = f"{type(self).__name__.lower()}-{os.getpid()}"
        self.dir = f"{HOME}/instances/{self.name}"
        self.port = free_port()

    def begin(self):
        raise NotImplementedError

    def before(self, cycle):
        pass

    def wake(self, cycle, first):
        raise NotImplementedError

    def check(self, cycle):
        raise NotImplementedError

    def start(self):
        jiffy("run", "-d", "--name", self.name, "-m", "1G", *self.OPTIONS,
              "-p", f"127.0.0.1:{self.port}:{self.PORT}", self.IMAGE,
              *self.COMMAND)
        end = time.monotonic() + 60
        while True:
            try:
                return self.begin()
            except (ConnectionError, EOFError, SqlError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def state(self):
        with open(self.dir + "/state.json", encoding="utf-8") as f:
            return json.load(f)

    def suspend(self):
        """And nothing is left but the file and the keeper's sockets. What comes
        late from before may wake it at once: then again."""
        for _ in range(3):
            before = self.state()
            jiffy("suspend", self.name)
            end = time.monotonic() + 10  # it answers, then ends
            while (found := self.left(before) + [
                    x for x in open_files() if x[1].startswith(self.dir)]):
                if (time.monotonic() > end or
                        not os.path.exists(self.dir + "/checkpoint")):
                    break
                time.sleep(0.001)
            if os.path.exists(self.dir + "/checkpoint"):
                if found:
                    raise AssertionError(f"left of a suspended one: {found}")
                return
            print(f"{self.name}: woken before a byte came")
        raise AssertionError("does not sleep")

    def left(self, state):
        return [p for p in filter(str.isdigit, os.listdir("/proc"))
                if {state["pid"], state["host_pid"]} & {*host_process(p)}]

    def cycle(self, n):
        self.before(n)
        self.suspend()
        self.wake(n, 1 if n % 2 else 1 << 30)
        self.check(n)

    def send(self, s, data, first):
        """The first bytes, and when they have woken it, the others."""
        s.sendall(data[:first])
        if len(data) <= first:
            return
        end = time.monotonic() + 20
        while os.path.exists(self.dir + "/checkpoint"):
            if time.monotonic() > end:
                raise AssertionError("a byte does not wake it")
            time.sleep(0.001)
        s.sendall(data[first:])

    def run(self, cycles):
        start = time.monotonic()
        try:
            self.start()
            for n in range(cycles):
                self.cycle(n)
        except BaseException as e:
            print(f"{self.name}: {type(e).__name__}: {e}\n"
                  + "".join(jiffy("logs", self.name)[-4000:]))
            raise
        finally:
            jiffy("rm", "-f", self.name)
        print(f"{self.name}: {cycles} cycles, "
              f"{time.monotonic() - start:.1f} s", flush=True)


class Line:
    """A connection to one of the counters of sleepers/."""

    def __init__(self, port):
        self.sock = dial(port)
        self.file = self.sock.makefile("r", encoding="ascii")
        self.own, self.digest = 0, ""

    def expect(self, text, counter):
        self.own += 1
        self.digest = hashlib.sha256(
            (self.digest + text).encode()).hexdigest()
        counter.total += 1
        line = self.file.readline()
        if not line:
            raise EOFError(f"connection closed after {self.own - 1} lines")
        own, total, ticks, digest = line.split()
        got = int(own), int(total), digest
        if got != (self.own, counter.total, self.digest):
            raise AssertionError(f"{got} instead of "
                                 f"{(self.own, counter.total, self.digest)}")
        if int(ticks) < counter.ticks:
            raise AssertionError(f"ticks {ticks} after {counter.ticks}")
        counter.ticks = int(ticks)


class Counter(Program):
    """The interpreter's state: all that was ever said, in every connection."""

    def begin(self):
        self.total = self.ticks = 0
        self.lines = [Line(self.port) for _ in range(5)]
        self.check(-1)

    def wake(self, cycle, first):
        line = self.lines[cycle % len(self.lines)]
        self.send(line.sock, b"wake\n", first)
        line.expect("wake", self)

    def check(self, cycle):
        for i, line in enumerate(self.lines):
            text = f"{i} {cycle} {random.random()}"
            line.sock.sendall(text.encode() + b"\n")
            line.expect(text, self)


class Python(Counter):
    COMMAND = ("/usr/bin/python3", "-u", "/sleepers/count.py")


class Node(Counter):
    COMMAND = ("/usr/bin/node", "/sleepers/count.js")


class Java(Counter):
    COMMAND = ("/usr/bin/java", "-Xmx256m", "-cp", "/sleepers", "Count")


class Http:
    """A kept connection to nginx."""

    def __init__(self, port):
        self.sock = dial(port)
        self.file = self.sock.makefile("rb")

    def head(self):
        status = self.file.readline()
        if not status:
            raise EOFError("connection closed")
        if status != b"HTTP/1.1 200 OK\r\n":
            raise AssertionError(status)
        length = 0
        while (line := self.file.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return length


def request(path):
    return b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path


class Nginx(Program):
    """Kept connections, half a request, and a file half sent: one that reads on
    while the server sleeps gets all of it."""
    COMMAND = ("/usr/sbin/nginx", "-c", "/sleepers/nginx.conf")
    PAGE = b"<p>awake</p>\n"

    def begin(self):
        self.large = hashlib.sha256(large())
        self.kept = [Http(self.port) for _ in range(8)]
        for c in self.kept:
            c.sock.sendall(request(b"/page.html"))
            self.page(c)

    def page(self, c):
        body = c.file.read(c.head())
        if body != self.PAGE:
            raise AssertionError(body)

    def before(self, cycle):
        self.half = Http(self.port)
        self.half.sock.sendall(request(b"/page.html")[:20])
        self.slow = Http(self.port)
        self.slow.sock.sendall(request(b"/large"))
        if self.slow.head() != LARGE:
            raise AssertionError("large")
        self.sum = hashlib.sha256(self.slow.file.read(1000))

    def wake(self, cycle, first):
        if cycle % 3 == 2:  # by what it has still to send
            self.download()
            return
        c = self.kept[cycle % len(self.kept)]
        self.send(c.sock, request(b"/page.html"), first)
        self.page(c)
        self.download()

    def download(self):
        left = LARGE - 1000
        while left:
            data = self.slow.file.read(min(left, 1 << 20))
            if not data:
                raise EOFError(f"{left} bytes missing")
            self.sum.update(data)
            left -= len(data)
        if self.sum.digest() != self.large.digest():
            raise AssertionError("another file")

    def check(self, cycle):
        self.half.sock.sendall(request(b"/page.html")[20:])
        self.page(self.half)
        for c in self.kept:
            c.sock.sendall(request(b"/page.html"))
            self.page(c)
        for c in (self.half, self.slow):  # an end that comes late would wake
            c.sock.shutdown(socket.SHUT_WR)
            if c.file.read():
                raise AssertionError("more than was asked for")
            c.sock.close()


class Resp:
    """A connection to Redis."""

    def __init__(self, port):
        self.sock = dial(port)
        self.file = self.sock.makefile("rb")

    @staticmethod
    def pack(words):
        return b"*%d\r\n" % len(words) + b"".join(
            b"$%d\r\n%s\r\n" % (len(w), w)
            for w in (str(w).encode() for w in words))

    def ask(self, *words):
        self.sock.sendall(self.pack(words))
        return self.answer()

    def answer(self):
        line = self.file.readline()
        if not line:
            raise EOFError("connection closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return (None if rest == b"-1" else
                    self.file.read(int(rest) + 2)[:-2].decode())
        if kind == b"*":
            return (None if rest == b"-1" else
                    [self.answer() for _ in range(int(rest))])
        if rest.startswith(b"LOADING"):
            raise ConnectionError(rest)
        raise AssertionError(rest)

    def must(self, wanted, *words):
        got = self.ask(*words) if words else self.answer()
        if got != wanted:
            raise AssertionError(f"{words}: {got!r} instead of {wanted!r}")


class Redis(Program):
    """Names, databases, transactions half queued, who waits for a list's next
    item, who listens to a channel, and a child that saves all to disk."""
    PORT = 6379
    COMMAND = ("/usr/bin/redis-server", "--protected-mode", "no", "--dir",
               "/tmp", "--save", "")

    def begin(self):
        self.clients = [Resp(self.port) for _ in range(10)]
        for i, c in enumerate(self.clients):
            c.must("OK", "SELECT", i)
            c.must("OK", "CLIENT", "SETNAME", f"c{i}")
            c.must("OK", "SET", "count", 0)
        self.waits, self.listens = Resp(self.port), Resp(self.port)
        self.listens.must(["subscribe", "channel", 1], "SUBSCRIBE", "channel")
        self.clients[0].ask("EVAL", "for i = 1, 20000 do redis.call('SET', "
                            "'k' .. i, string.rep('x', 100)) end", 0)
        self.script = self.clients[0].ask(
            "SCRIPT", "LOAD", "return redis.call('INCR', KEYS[1])")

    def before(self, cycle):
        for c in self.clients[5:]:
            c.must("OK", "WATCH", "count")
            c.must("OK", "MULTI")
            c.must("QUEUED", "INCR", "count")
        self.waits.sock.sendall(Resp.pack(("BLPOP", "list", 0)))
        while "blocked_clients:1" not in self.info():
            pass
        self.clients[0].must("Background saving started", "BGSAVE")

    def info(self):
        return self.clients[0].ask("INFO")

    def wake(self, cycle, first):
        c = self.clients[1 + cycle % 4]
        self.send(c.sock, Resp.pack(("ECHO", f"wake {cycle}")), first)
        c.must(f"wake {cycle}")

    def check(self, cycle):
        self.clients[0].must(1, "RPUSH", "list", f"item {cycle}")
        self.waits.must(["list", f"item {cycle}"])
        self.clients[0].must(1, "PUBLISH", "channel", f"news {cycle}")
        self.listens.must(["message", "channel", f"news {cycle}"])
        for i, c in enumerate(self.clients):
            if i < 5:
                c.must(cycle + 1, "EVALSHA", self.script, 1, "count")
            else:
                c.must("QUEUED", "GET", "count")
                c.must([cycle + 1, str(cycle + 1)], "EXEC")
            c.must(f"c{i}", "CLIENT", "GETNAME")
        while "rdb_bgsave_in_progress:1" in (info := self.info()):
            pass
        if "rdb_last_bgsave_status:ok" not in info:
            raise AssertionError("a save failed")


class Session(Client):
    """A connection to PostgreSQL that keeps what it is notified of."""

    def message(self):
        while True:
            kind, body = super().message()
            if kind != b"A":
                return kind, body
            self.notes.append(body[4:].split(b"\0")[1].decode())

    def begin(self, number):
        self.number, self.notes, self.at = number, [], 0
        self.pid = self.one("SELECT pg_backend_pid()")
        self.query(f"CREATE TEMP TABLE mine AS SELECT {number} AS s, n "
                   "FROM generate_series(1, 100) n")
        self.query("PREPARE p(int) AS SELECT s * $1 FROM mine WHERE n = $1")
        self.query(f"LISTEN news; SET application_name = 's{number}'")
        self.one(f"SELECT pg_advisory_lock({number})")
        self.is_in_transaction = number < 10
        self.open()

    def one(self, text):
        return self.query(text)[0][0]

    def open(self):
        """A cursor: of a transaction with a row that nobody sees yet, or one
        that outlives its transaction."""
        hold = "" if self.is_in_transaction else "WITH HOLD "
        self.query("BEGIN")
        self.query(f"DECLARE c CURSOR {hold}FOR SELECT n FROM "
                   "generate_series(1, 100000) n")
        if self.is_in_transaction:
            self.query(f"INSERT INTO shared VALUES({self.number})")
            self.xid = self.one("SELECT txid_current()")
            self.query("SAVEPOINT sp")
        else:
            self.query("COMMIT")

    def must(self, wanted, text):
        got = self.one(text)
        if got != str(wanted):
            raise AssertionError(f"session {self.number}: {text}: {got!r} "
                                 f"instead of {wanted!r}")

    def check(self):
        n = self.at % 100 + 1
        self.at += 1
        self.must(self.pid, "SELECT pg_backend_pid()")
        self.must(5050, "SELECT sum(n) FROM mine")
        self.must(self.number * n, f"EXECUTE p({n})")
        self.must(self.at, "FETCH c")
        self.must(f"s{self.number}", "SHOW application_name")
        self.must(1, "SELECT count(*) FROM pg_locks WHERE locktype = "
                  f"'advisory' AND pid = {self.pid} AND granted "
                  f"AND objid = {self.number}")
        if self.is_in_transaction:
            self.must(self.xid, "SELECT txid_current()")
            self.query("INSERT INTO shared VALUES(-1)")
            self.query("ROLLBACK TO sp")

    def renew(self):
        """The end of the transaction, and a new one."""
        self.query("COMMIT" if self.is_in_transaction else "CLOSE c")
        self.at = 0
        self.open()


class Postgres(Program):
    """Twenty sessions: temporary tables, prepared statements, settings, cursors,
    advisory locks, LISTEN; half of them within a transaction, one waits for
    a lock that another has."""
    IMAGE, PORT = "postgres", 5432
    OPTIONS = ("-e", "POSTGRES_HOST_AUTH_METHOD=trust",
               "-e", "POSTGRES_INITDB_ARGS=--wal-segsize=1 --no-sync")

    def begin(self):
        first = Session(self.port)
        first.query("CREATE TABLE shared(n int)")
        self.committed = 0
        self.sessions = [first] + [Session(self.port) for _ in range(19)]
        for i, s in enumerate(self.sessions):
            s.begin(i)

    def before(self, cycle):
        # 18 waits for what 17 has.
        has, waits = self.sessions[17:19]
        has.one("SELECT pg_advisory_lock(1000)")
        waits.send(b"Q", b"SELECT pg_advisory_xact_lock(1000), 7\0")
        while has.one("SELECT count(*) FROM pg_locks WHERE NOT granted "
                      f"AND pid = {waits.pid}") != "1":
            pass

    def wake(self, cycle, first):
        s = self.sessions[cycle % 17]
        text = b"SELECT 'wake'\0"
        self.send(s.sock, b"Q" + (len(text) + 4).to_bytes(4, "big") + text,
                  first)
        if s.rows_until_ready() != [["wake"]]:
            raise AssertionError("another answer")

    def check(self, cycle):
        has, waits = self.sessions[17:19]
        has.must("t", "SELECT pg_advisory_unlock(1000)")
        if waits.rows_until_ready()[0][1] != "7":
            raise AssertionError("the waiting query")
        self.sessions[19].query(f"NOTIFY news, '{cycle}'")
        for s in self.sessions:
            s.check()
        if cycle % 5 == 4:
            self.end_transactions()
        for s in self.sessions[10:]:
            s.one("SELECT 1")
            if s.notes[-1:] != [str(cycle)]:
                raise AssertionError(f"notified of {s.notes}")

    def end_transactions(self):
        self.committed += 10
        for s in self.sessions:
            s.renew()
        self.sessions[10].must(self.committed, "SELECT count(*) FROM shared")
        for s in self.sessions[:10]:
            if len(s.notes) % 5:
                raise AssertionError(f"notified of {s.notes}")


def large():
    """The contents of a file that takes long to send."""
    return random.Random(1).randbytes(LARGE)


def make_files(directory):
    """What the image has at /sleepers, beside this directory's own."""
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/large", "wb") as f:
        f.write(large())
    with open(f"{directory}/page.html", "wb") as f:
        f.write(Nginx.PAGE)


def main():
    if sys.argv[1] == "files":
        make_files(sys.argv[2])
        return
    for name in sys.argv[3:]:
        {c.__name__.lower(): c for c in (
            Redis, Nginx, Python, Node, Java, Postgres)}[name]().run(
                int(sys.argv[2]))


if __name__ == "__main__":
    main()
