#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""postgres.py BUILD KILLS: PostgreSQL with a volume on platform `pc`: a cluster
is made, pgbench runs, the emulator is killed at random points while clients
write to a ledger (crash.py); what was acknowledged is looked for after each."""
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/../e2e")
# pylint: disable=wrong-import-position
from crash import free_port  # noqa: E402
from postgres import PostgresCrash  # noqa: E402


class OnPc(PostgresCrash):
    """The same server and ledger; what runs it is a machine, in the current
    directory."""

    def __init__(self, build):  # pylint: disable=super-init-not-called
        self.build, self.kind, self.name = build, "kill", "pc"
        self.disk, self.log = "disk", "log"
        self.acked = [0] * self.WRITERS
        self.total = 0
        self.machine = None
        with open(self.disk, "wb") as f:
            f.truncate(256 << 20)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", self.disk], check=True)

    def start(self, *_, **__):
        self.port = free_port()
        values = [v for o, v in zip(self.OPTIONS, self.OPTIONS[1:])
                  if o == "-e"]
        with open(self.log, "wb") as log:
            # pylint: disable=consider-using-with
            self.machine = subprocess.Popen(
                [HERE + "/machine", self.build, "-m", "512", "-P", "qemu.pid",
                 "-v", f"{self.disk}:{self.MOUNT}",
                 "-p", f"{self.port}:{self.PORT}", self.IMAGE,
                 "/usr/bin/env", *values, "/usr/local/bin/start-postgres",
                 *self.ARGUMENTS], stdout=log, stderr=log)

    def connect(self, seconds=300):
        return super().connect(seconds)

    def run(self, *args, check=True):
        """What crash.py asks of the command line: the log."""
        if args[0] == "logs":
            with open(self.log, encoding="utf8", errors="replace") as f:
                return subprocess.CompletedProcess(args, 0, f.read(), "")
        raise NotImplementedError(args)

    def lives(self):
        return self.machine.poll() is None

    def pid(self):
        with open("qemu.pid", encoding="ascii") as f:
            return int(f.read())

    def kill(self):
        os.kill(self.pid(), 9)
        self.machine.wait(30)

    def ended(self):
        self.machine.wait(30)
        self.check_disk()

    def pgbench(self, *args):
        done = subprocess.run(
            ["pgbench", "-h", "127.0.0.1", "-p", str(self.port), "-U",
             "postgres", *args, "postgres"], text=True, check=False,
            capture_output=True, timeout=300)
        if done.returncode:
            raise AssertionError(f"pgbench: {done.stdout}{done.stderr}")
        return done.stdout


def main():
    os.environ["PATH"] += ":/usr/sbin:/sbin:/usr/lib/postgresql/15/bin"
    pc = OnPc(sys.argv[1])
    try:
        began = time.monotonic()
        pc.prepare()
        print(f"ready after {time.monotonic() - began:.0f} s", flush=True)
        pc.pgbench("-i", "-q", "-s", "1")
        said = pc.pgbench("-c", "4", "-t", "50")
        if "actually processed: 200/200" not in said:
            raise AssertionError(said)
        print(said, flush=True)
        for seed in range(int(sys.argv[2])):
            pc.point(seed)
        print(f"{pc.total} commits acknowledged, 0 lost")
    finally:
        if pc.machine and pc.machine.poll() is None:
            pc.kill()


main()
