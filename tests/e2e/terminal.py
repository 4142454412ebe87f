# SPDX-License-Identifier: Apache-2.0
"""jiffy run -t on a pseudo-terminal: what a person at the keyboard sees."""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

JIFFY = os.environ["JIFFY"]


class Session:
    """One jiffy run -t -i on a pty of its own."""

    def __init__(self, *command):
        self.main, self.side = pty.openpty()
        self.resize(33, 101)
        self.before = termios.tcgetattr(self.side)
        self.seen = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(self.side, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(self.side, fd)
            os.execv(JIFFY, [JIFFY, "run", "--rm", "-it", "t", *command])

    def resize(self, rows, cols):
        size = struct.pack("HHHH", rows, cols, 0, 0)
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, size)

    def send(self, keys):
        os.write(self.main, keys)

    def expect(self, text):
        """Read on until text comes; what came before it is forgotten."""
        end = time.monotonic() + 15
        while text not in self.seen:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.main], [], [], left)[0]:
                sys.exit(f"no {text!r} in {self.seen!r}")
            self.seen += os.read(self.main, 4096)
        self.seen = self.seen.split(text, 1)[1]

    def end(self, status):
        """Must end so and leave the terminal as it was."""
        _, got = os.waitpid(self.pid, 0)
        got = os.waitstatus_to_exitcode(got)
        if got != status:
            sys.exit(f"status {got}, not {status}; seen {self.seen!r}")
        if termios.tcgetattr(self.side) != self.before:
            sys.exit("the terminal is not as it was")
        os.close(self.main)
        os.close(self.side)


def size_and_status():
    # A signal just before a read is seen when that has ended.
    s = Session("sh", "-c", "trap 'stty size' WINCH; stty size; echo ready;"
                "while ! read -t 1 x; do :; done; exit 6")
    s.expect(b"33 101\r\n")
    s.expect(b"ready\r\n")
    s.resize(44, 55)
    os.kill(s.pid, signal.SIGWINCH)
    s.expect(b"44 55\r\n")
    s.send(b"\n")
    s.end(6)


def editing():
    s = Session("sh", "-c", "echo ready; cat; echo over")
    s.expect(b"ready\r\n")
    s.send(b"abX\x7fc\n")
    s.expect(b"c\r\nabc\r\n")
    s.send(b"wrong\x15right\n")
    s.expect(b"\r\nright\r\n")
    s.send(b"\x04")
    s.expect(b"over\r\n")
    s.end(0)


def interrupt():
    s = Session("sh", "-c", "trap 'echo caught; exit 7' INT; echo ready;"
                "while :; do sleep 0.05; done")
    s.expect(b"ready\r\n")
    s.send(b"\x03")
    s.expect(b"caught\r\n")
    s.end(7)


def jobs():
    s = Session("sh", "-i")
    s.send(b"PS1=pro'mpt '\n")
    s.expect(b"prompt ")
    s.send(b"sh -c 'echo go; exec cat'\n")
    s.expect(b"go\r\n")  # the shell's own line editing is over
    s.send(b"x1\n")
    s.expect(b"x1\r\nx1\r\n")
    s.send(b"\x1a")
    s.expect(b"Stopped")
    s.expect(b"prompt ")
    s.send(b"fg\n")
    s.expect(b"exec cat")
    s.send(b"x2\n")
    s.expect(b"x2\r\nx2\r\n")
    s.send(b"\x03")
    s.expect(b"prompt ")
    s.send(b"exit 5\n")
    s.end(5)


size_and_status()
editing()
interrupt()
jobs()
