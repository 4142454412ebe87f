# SPDX-License-Identifier: Apache-2.0
# terminal.py COMMAND...: job control by hand. Runs a shell on a new terminal,
# types at it, waits for what it must say, prints one line per step.
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

END = time.monotonic() + float(os.environ.get('LIMIT', 60))


CAT = """sh -c 'echo sta""rted; exec cat'"""


class Session:
    def __init__(self, argv):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ['TERM'] = 'dumb'
            os.execvp(argv[0], argv)
        self.text = b''

    def expect(self, pattern):
        while not (m := re.search(pattern.encode(), self.text)):
            if not select.select([self.fd], [], [], END - time.monotonic())[0]:
                self.fail(pattern)
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b''
            if not data:
                self.fail(pattern)
            self.text += data
        self.text = self.text[m.end():]
        return m

    def fail(self, pattern):
        print('no', pattern, 'in', self.text)
        os.kill(self.pid, signal.SIGTERM)
        sys.exit(1)

    def size(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack('4H', rows, columns, 0, 0))

    def start(self, job):
        """Run a job that says so, after which the terminal is its."""
        self.type(job + '\r')
        self.expect('sta' + 'rted\r\n')

    def type(self, text):
        os.write(self.fd, text.encode())


def main():
    s = Session(sys.argv[1:])
    s.size(24, 80)
    s.type("PS1='rea''dy> '\r")
    s.expect('(^|[\r\nh])ready> ')

    def command(text, *patterns):
        s.type(text + '\r')
        for p in patterns:
            s.expect(p)
        s.expect('ready> ')
        print('ok', text)

    command('tty', '/dev/(pts/[0-9]+|console|tty)')
    command('test -t 0 && echo ye""s', 'yes')
    command('stty size', '24 80')
    s.start(CAT)
    s.type('typed\r')
    s.expect('typed\r\n')
    s.expect('typed\r\n')
    s.type('\x04')
    s.expect('ready> ')
    print('ok end of file')
    s.start(CAT)
    s.type('\x03')
    s.expect('ready> ')
    command('echo status $?', 'status 130')
    s.start(CAT)
    s.type('before\r')
    s.expect('before\r\nbefore\r\n')
    s.type('\x1a')
    s.expect('Stopped')
    s.expect('ready> ')
    print('ok stopped')
    command('jobs', 'Stopped.*cat')
    s.type('fg\r')
    s.expect('cat.*\r\n')
    s.type('after\r')
    s.expect('after\r\nafter\r\n')
    s.type('\x1a')
    s.expect('Stopped')
    s.expect('ready> ')
    print('ok stopped again')
    # in the background it may not read: it stops again by SIGTTIN
    command('bg', 'cat')
    s.type('until jobs | grep Stopped; do :; done\r')
    s.expect('Stopped.*cat')
    s.expect('ready> ')
    print('ok stopped by reading')
    command('kill -KILL %1; while jobs | grep Stopped; do :; done')
    s.start(CAT)
    s.type('through\r')
    s.expect('through\r\nthrough\r\n')
    s.type('\x1c')
    s.expect('ready> ')
    command('echo status $?', 'status 131')
    s.start('stty -echo; echo sta""rted; read -r secret; stty echo; '
            'echo "[$secret]"')
    s.type('hidden\r')
    s.expect('^\\[hidden\\]|\n\\[hidden\\]')
    s.expect('ready> ')
    print('ok stty -echo')
    s.size(33, 77)
    command('until test "$(stty size)" = "33 77"; do :; done')
    print('ok new size')
    s.type('exit 5\r')
    _, status = os.waitpid(s.pid, 0)
    print('exit', os.waitstatus_to_exitcode(status))


main()
