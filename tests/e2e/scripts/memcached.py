# SPDX-License-Identifier: Apache-2.0
# memcached over TCP, UDP and a Unix socket, with many clients at a time.
import os
import pwd
import signal
import socket
import subprocess
import tempfile
import threading

with socket.create_server(('127.0.0.1', 0)) as free:
    PORT = free.getsockname()[1]
USER = [] if os.getuid() else ['-u', pwd.getpwuid(0).pw_name]


def start(*args):
    return subprocess.Popen(['memcached', *USER, '-t', '4', '-m', '64', *args])


def connect(address, family=socket.AF_INET):
    while True:
        s = socket.socket(family)
        try:
            s.connect(address)
            return s
        except (ConnectionRefusedError, FileNotFoundError):
            s.close()


def ask(s, text, end=b'\r\n'):
    s.sendall(text)
    got = b''
    while not got.endswith(end):
        data = s.recv(65536)
        if not data:
            raise EOFError(got)
        got += data
    return got


def hammer(n, results):
    with connect(('127.0.0.1', PORT)) as s:
        for i in range(300):
            key = b'%d-%d' % (n, i)
            assert ask(s, b'set %s 0 0 5\r\nvalue\r\n' % key) == b'STORED\r\n'
            assert b'value' in ask(s, b'get %s\r\n' % key, b'END\r\n')
        results.append(n)


def main():
    p = start('-p', str(PORT), '-U', str(PORT), '-l', '127.0.0.1')
    s = connect(('127.0.0.1', PORT))
    print(ask(s, b'set k 7 0 5\r\nhello\r\n'), ask(s, b'get k\r\n', b'END\r\n'))
    print(ask(s, b'add k 0 0 1\r\nx\r\n'), ask(s, b'delete k\r\n'),
          ask(s, b'get k\r\n', b'END\r\n'))
    print(ask(s, b'set n 0 0 1\r\n5\r\n'), ask(s, b'incr n 37\r\n'))
    big = b'b' * 500000
    print(ask(s, b'set big 0 0 500000\r\n' + big + b'\r\n'),
          len(ask(s, b'get big\r\n', b'END\r\n')))
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.connect(('127.0.0.1', PORT))
    u.settimeout(20)
    u.send(b'\0\1\0\0\0\1\0\0get n\r\n')
    print(u.recv(2000))
    u.send(b'\0\2\0\0\0\1\0\0set u 0 0 3\r\nudp\r\n')
    print(u.recv(2000), ask(s, b'get u\r\n', b'END\r\n'))
    results = []
    threads = [threading.Thread(target=hammer, args=(n, results))
               for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(sorted(results))
    stats = ask(s, b'stats\r\n', b'END\r\n').decode().split('\r\n')
    print([line for line in stats if line.split()[1:2] in
           (['threads'], ['curr_items'], ['cmd_set'])])
    s.close()
    p.send_signal(signal.SIGTERM)
    print('exit', p.wait())
    with tempfile.TemporaryDirectory() as d:
        p = start('-s', d + '/sock')
        s = connect(d + '/sock', socket.AF_UNIX)
        print(ask(s, b'set k 0 0 1\r\nx\r\n'), ask(s, b'get k\r\n', b'END\r\n'))
        s.close()
        p.send_signal(signal.SIGTERM)
        print('exit', p.wait())


main()
