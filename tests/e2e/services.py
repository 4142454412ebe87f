# SPDX-License-Identifier: Apache-2.0
"""Before the scripts of services.bats: services of the gateway, by front.c."""
import json
import os
import socket
import subprocess
import threading
import time

jiffy, home = os.environ["JIFFY"], os.environ["JIFFY_HOME"]
name, front = os.environ["name"], os.environ["FRONT"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def command(*args):
    return subprocess.run([jiffy, *args], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def asleep(of):
    return os.path.exists(f"{home}/instances/{of}/checkpoint")


def suspend(of):
    command("suspend", of)
    assert asleep(of)


def until(what, condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, what


class Front:
    """The gateway, as a program of its own."""

    def __init__(self, *args):
        self.process = subprocess.Popen(
            [front, home, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1)
        self.answers, self.starts = [], []
        self.news = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with self.news:
                if line.startswith("start "):
                    self.starts.append(int(line.split()[1]))
                else:
                    self.answers.append(line.rstrip())
                self.news.notify_all()

    def ask(self, line):
        with self.news:
            self.answers.clear()
            self.process.stdin.write(line + "\n")
            assert self.news.wait_for(lambda: self.answers, 20), line
            return self.answers.pop(0)

    def do(self, line):
        assert self.ask(line) == "ok", line

    def service(self, of, instances, limits="", guest=80):
        port = free_port()
        self.do(f"service {of} {port} {guest} {limits}")
        for number, instance in instances:
            self.do(f"add {of} {number} {instance}")
        return port

    def stats(self, of):
        return json.loads(self.ask(f"stats {of}"))

    def await_start(self):
        with self.news:
            assert self.news.wait_for(lambda: self.starts, 20)
            return self.starts.pop(0)

    def kill(self):
        self.process.kill()
        self.process.wait()


def connect(port, first=b""):
    s = socket.create_connection(("127.0.0.1", port), 20)
    s.sendall(first)
    return s


def answer(client, request=b"?"):
    client.sendall(request)
    client.shutdown(socket.SHUT_WR)
    got = b""
    while more := client.recv(65536):
        got += more
    client.close()
    return got.decode()
