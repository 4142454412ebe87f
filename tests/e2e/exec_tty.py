# SPDX-License-Identifier: Apache-2.0
# jiffy exec -it as somebody at a terminal sees it: size, its changes, ^C, the
# name of the terminal, end of file, and the status of the end.
import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

jiffy, instance = sys.argv[1:3]


class Session:
    def __init__(self, *command):
        read, write = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.read(read, 1)
            os.execv(jiffy, (jiffy, "exec", "-it", instance) + command)
        self.resize(33, 101)
        os.write(write, b"x")
        self.text = b""

    def resize(self, rows, cols):
        size = struct.pack("HHHH", rows, cols, 0, 0)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, size)

    def await_(self, text):
        until = time.monotonic() + 20
        while text not in self.text:
            left = until - time.monotonic()
            assert left > 0, f"no {text!r} in {self.text!r}"
            if select.select([self.fd], [], [], left)[0]:
                self.text += os.read(self.fd, 4096)
        self.text = self.text.split(text, 1)[1]

    def type(self, text):
        os.write(self.fd, text)

    def end(self):
        try:
            while os.read(self.fd, 4096):
                pass
        except OSError:  # the terminal's last user has gone
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


s = Session("sh", "-c", "tty; stty size; echo $TERM; exec sh")
s.await_(b"/dev/pts/")
s.await_(b"33 101\r\n")
s.await_(b"xterm")
s.type(b"(trap 'stty size; exit' WINCH; echo trap''ped; "
       b"while :; do sleep 0.1; done)\n")
s.await_(b"trapped")
s.resize(40, 90)
s.await_(b"40 90")
s.type(b"sh -c 'echo sleep\"\"ing; sleep 1000'\n")
s.await_(b"sleeping")
s.type(b"\x03")
s.await_(b"^C")
s.type(b"echo still''here\n")
s.await_(b"stillhere")
s.type(b"echo cat''ting; cat; echo cat''ted\n")
s.await_(b"catting")
s.type(b"line\n")
s.await_(b"line\r\nline\r\n")
s.type(b"\x04")
s.await_(b"catted")
s.type(b"exit 9\n")
assert s.end() == 9

# What was written last arrives, however much it is.
s = Session("sh", "-c", "yes | head -c 300000; echo the''end")
s.await_(b"theend")
assert s.end() == 0

# The one at the terminal goes away.
s = Session("sh", "-c", "trap 'echo hup >/tmp/hung; exit' HUP; echo ready; "
            "while :; do sleep 0.1; done")
s.await_(b"ready")
os.close(s.fd)
os.waitpid(s.pid, 0)
until = time.monotonic() + 20
while os.system(f"{jiffy} exec {instance} test -e /tmp/hung"):
    assert time.monotonic() < until
