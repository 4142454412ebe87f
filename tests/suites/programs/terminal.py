# SPDX-License-Identifier: Apache-2.0
# image: terminal
"""A shell at a terminal feels like one: interrupts, jobs, the window's size,
programs that paint the whole screen. argv is a command that starts a command."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time


class Terminal:
    def __init__(self, argv):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.execvp(argv[0], argv)
        self.resize(30, 90)

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, cols, 0, 0))

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def expect(self, pattern):
        end = time.monotonic() + 20
        while not (found := re.search(pattern, self.seen)):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                os.kill(self.pid, signal.SIGKILL)
                sys.exit(f"no {pattern!r} in {self.seen!r}")
            try:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                sys.exit(f"ended before {pattern!r} in {self.seen!r}")
        self.seen = self.seen[found.end():]
        return found

    def run(self, command, pattern):
        """A command, what it must say, and the prompt again."""
        self.type(command + "\r")
        found = self.expect(pattern)
        self.expect(r"ready> ")
        return found


t = Terminal([*sys.argv[1:], "env", "TERM=xterm", "PS1=ready> ", "bash",
              "--norc", "--noprofile", "-i"])
t.expect("ready> ")
t.run("bind 'set enable-bracketed-paste off'; stty -a | head -n 1", "speed")

# interrupts
t.type("sleep 100; echo no\r")
t.expect("\n")
time.sleep(0.3)
t.type("\x03")
t.expect("ready> ")
t.run("echo status $?", "status 130")
t.type("cat\r")
t.expect("\n")
t.type("abc\x15line\r")
t.expect("line\r\n.*line\r\n")
t.type("\x1c")
t.expect("Quit|ready> ")
t.run("echo status $?", "status 131")
t.type("cat >/tmp/typed\r")
t.expect("\n")
time.sleep(0.3)
t.type("one\rtwo\r\x04")
t.expect("ready> ")
t.run("tr '\\n' , </tmp/typed", "one,two,")

# jobs
t.type("sleep 100\r")
t.expect("\n")
time.sleep(0.3)
t.type("\x1a")
t.expect("Stopped")
t.run("jobs", r"\[1\]\+  Stopped +sleep 100")
t.run("bg", "sleep 100 &")
t.run("jobs", r"\[1\]\+  Running +sleep 100")
t.type("fg\r")
t.expect("sleep 100\r\n")
time.sleep(0.3)
t.type("\x03")
t.expect("ready> ")
t.run("jobs; echo none left", "none left")
t.run("cat & sleep 0.3", r"Stopped +cat")
t.run("kill -9 %1; wait %1; echo; jobs; echo gone", "gone")

# the window
t.run("stty size", "30 90")
t.run("trap 'echo resized' WINCH; echo set", "set\r\n")
t.resize(40, 120)
t.run("sleep 0.1; stty size", "40 120")
t.run("trap - WINCH; tput lines 2>&1; echo $COLUMNS", "40\r\n120")

# programs that paint
t.run("seq 1000 >/tmp/lines", "")
t.type("less /tmp/lines\r")
t.expect("38\r\n")
t.type("/^777\r")
t.expect("777")
t.type("Gq")
t.expect("1000")
t.expect("ready> ")
t.type("vi /tmp/new\r")
t.expect("~")
t.type("ihello from vi\x1byyp:%s/from/in/\r:wq\r")
t.expect("ready> ")
t.run("cat /tmp/new; echo done", "hello in vi\r\nhello in vi\r\ndone")
t.type("top -d 0.2\r")
t.expect("PID USER")
t.expect("bash")
t.type("q")
t.expect("ready> ")
t.type("htop -d 2\r")
t.expect("Load average")
t.expect("bash")
t.resize(25, 80)
time.sleep(0.3)
t.type("q")
t.expect("ready> ")
t.run("stty -a | grep -o ' icanon.*echo '", "icanon")
t.type("exit 7\r")
status = os.waitstatus_to_exitcode(os.waitpid(t.pid, 0)[1])
if status != 7:
    sys.exit(f"status {status}")
print("all well")
