#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sleepkill.py JIFFY POINTS SECONDS: kill -9 at random points while an instance
is suspended and resumed: of its monitor, of one of its kernel's processes, of
jiffy-keeper. It has a ledger (ledger.c, image "ledger") on a volume. Afterwards
the instance runs, or can be resumed, or boots anew with its volume intact; never
two of these, never none, and no acknowledged line is lost or there twice. At
least three points; no more than fit in SECONDS."""
import collections
import contextlib
import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import time

from crash import checked_copy, free_port
from sleepers import HOME, Program, host_process, jiffy

JIFFY = sys.argv[1]
LINE = 9


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().split(b"\0")
    except OSError:
        return []


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


class Ledger(Program):
    """One instance, and what it has acknowledged."""
    IMAGE = "ledger"

    def __init__(self, seed):
        super().__init__()
        self.random = random.Random(seed)
        self.disk = f"{HOME}/volumes/{self.name}/disk"
        self.file = self.dir + "/checkpoint"
        self.counts = collections.Counter()
        self.port = free_port()
        jiffy("volume", "create", "--size", "16M", self.name)
        jiffy("run", "-d", "--name", self.name, "-v", f"{self.name}:/data",
              "-p", f"127.0.0.1:{self.port}:8080", "ledger", "/ledger",
              "/data/ledger")

    def lives(self):
        with open(self.dir + "/lock", "rb") as f:
            try:
                fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def sleeps(self):
        return os.path.exists(self.file) and not self.lives()

    def answer(self):
        """The number that is next, or None."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as s:
                s.settimeout(5)
                return int(s.makefile().readline())
        except (OSError, ValueError):
            return None

    def acked(self):
        last = [x for x in jiffy("logs", self.name).splitlines()
                if x.startswith("ack ")][-1:]
        return int(last[0].split()[1]) if last else 0

    def keepers(self):
        return [int(p) for p in filter(str.isdigit, os.listdir("/proc"))
                if command_of(p)[:2] == [b"jiffy-keeper", HOME.encode()]
                and host_process(p)]

    def monitors(self, command):
        """Of the instance: running, being started, or waiting to wake it."""
        found = [self.state()["pid"]] if self.lives() else []
        if command:
            found += children(command.pid)
        for keeper in self.keepers():
            for pid in children(keeper):
                found.append(pid)
                found += children(pid)
        return [p for p in found if b"jiffy-monitor" in command_of(p)[:1]]

    def victims(self, what, command):
        if what == "keeper":
            return self.keepers()
        monitors = self.monitors(command)
        if what == "monitor":
            return monitors
        return [c for m in monitors for c in children(m)]

    def strike(self, what, command):
        """Kill one of them, a moment from now."""
        time.sleep(self.random.random() ** 2 * 0.04)
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            victims = self.victims(what, command)
            if victims:
                return kill(self.random.choice(victims))
        return False

    def point(self):
        what = self.random.choice(("monitor", "monitor", "monitor", "kernel",
                                   "keeper"))
        how = "wake"
        command = knock = None
        if not self.sleeps():
            how = "suspend"
        elif self.random.random() < 0.5:
            how = "resume"
        if how == "wake":  # by a connection, through the keeper
            knock = socket.socket()
            knock.setblocking(False)
            knock.connect_ex(("127.0.0.1", self.port))
        else:
            command = subprocess.Popen(
                [JIFFY, how, self.name], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
        hit = self.strike(what, command)
        if command:
            command.wait(60)
        if knock:
            knock.close()
        self.counts[f"{what} at {how}" if hit else "missed"] += 1
        self.settle()

    def settle(self):
        """What it has become, and that this is one of three things."""
        end = time.monotonic() + 120
        while True:
            if not self.lives():
                break
            number = self.answer()
            if number:
                if os.path.exists(self.file):
                    raise AssertionError("runs, and can be resumed")
                return self.check_running("runs", number)
            if time.monotonic() > end:
                raise AssertionError("neither ends nor answers")
        state = self.state()
        while self.left(state):
            if time.monotonic() > end:
                raise AssertionError("processes are left")
        # The keeper may wake it at any moment, as a connection has come.
        with self.held() as is_held:
            if not is_held:
                return self.settle()
            can_resume = os.path.exists(self.file)
            self.check_disk()
        if can_resume and self.random.random() < 0.5:
            return None  # the next point wakes it
        try:
            jiffy("resume", *([] if can_resume else ["--or-boot"]), self.name)
        except AssertionError as e:
            if "is running" not in str(e):
                raise
            return self.settle()
        return self.check_running("resumes" if can_resume else "boots",
                                  self.await_answer())

    @contextlib.contextmanager
    def held(self):
        """Nobody starts it meanwhile; False: somebody has."""
        with open(self.dir + "/lock", "rb") as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def await_answer(self):
        for _ in range(1500):
            number = self.answer()
            if number:
                return number
            time.sleep(0.02)
        raise AssertionError(f"does not answer: lives {self.lives()}, sleeps "
                             f"{self.sleeps()}, state {self.state()}")

    def check_running(self, how, number):
        self.counts[how] += 1
        if number <= self.last:
            raise AssertionError(f"{number} after {self.last}")
        self.last = number

    def check_disk(self):
        """Nothing to find, and every line that was acknowledged, in order."""
        with checked_copy(self.disk) as copy:
            text = subprocess.run(["debugfs", "-R", "cat /ledger", copy],
                                  capture_output=True, check=True).stdout
        have = [int(x) for x in text.split()]
        if have != list(range(1, len(have) + 1)) or len(text) % LINE:
            raise AssertionError(f"ledger: {have[-3:]} of {len(have)}")
        if len(have) < self.acked():
            raise AssertionError(f"ledger: {len(have)}, but {self.acked()} "
                                 "were acknowledged")

    def run(self, points, seconds):
        self.last = 0
        end = time.monotonic() + seconds
        done = 0
        self.await_answer()
        while done < points and (done < 3 or time.monotonic() < end):
            self.point()
            done += 1
        if self.sleeps():
            jiffy("resume", self.name)
        self.check_running("runs at the end", self.await_answer())
        jiffy("kill", "-s", "KILL", self.name)
        while self.lives():
            time.sleep(0.01)
        self.check_disk()
        print(f"{done} points, {self.last} lines:", ", ".join(
            f"{n} x {what}" for what, n in sorted(self.counts.items())))


def main():
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    ledger = Ledger(int(os.environ.get("SEED", "1")))
    try:
        ledger.run(int(sys.argv[2]), float(sys.argv[3]))
    except BaseException:
        print(ledger.counts, *[x for x in jiffy("logs", ledger.name).split("\n")
                               if not x.startswith("ack ")][-20:],
              *jiffy("events", ledger.name).split("\n")[-30:], sep="\n")
        raise
    finally:
        jiffy("rm", "-f", ledger.name)
        jiffy("volume", "rm", ledger.name)


main()
