# SPDX-License-Identifier: Apache-2.0
"""Waking: an instance is suspended, then one request comes to its published
port; the time to the first byte of the answer, the steps of the wake, the time
a suspension takes and the size of its file, beside the same request to an
instance that is started for it. CYCLES and TARGETS (names) choose."""
import contextlib
import glob
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from databases import INITDB, POSTGRES_DEBS, SIMPLE_QUERY
from pair import JIFFY, OUT, free_port, image, row, run, save

WAKE_HOME = os.path.join(OUT, "wake")
AT_ONCE = "AT_ONCE" in os.environ
HTTP = b"GET / HTTP/1.0\r\n\r\n"
STEPS = ("monitor", "read", "copied", "spawn", "kernel", "mapped", "first",
         "processes", "threads")
SESSIONS = 20

PYTHON = """import socket
s = socket.create_server(("", 80))
while True:
    c = s.accept()[0]
    c.recv(4096)
    c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nhello\\n")
    c.close()
"""
NODE = """require("http").createServer(
    (request, answer) => answer.end("hello\\n")).listen(80)
"""
JAVA = """import java.net.*;
public class Server {
    public static void main(String[] args) throws Exception {
        ServerSocket s = new ServerSocket(80);
        for (;;) {
            Socket c = s.accept();
            c.getInputStream().read(new byte[4096]);
            c.getOutputStream().write(
                "HTTP/1.0 200 OK\\r\\n\\r\\nhello\\n".getBytes());
            c.close();
        }
    }
}
"""
NGINX_CONF = """daemon off; worker_processes 2; pid /tmp/nginx.pid;
error_log stderr; events { worker_connections 1024; }
http { access_log off; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p;
fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
server { listen 80; location / { return 200 "hello\\n"; } } }
"""


def http(port, request=HTTP):
    """When it was asked and when the first byte came."""
    with socket.socket() as s:
        s.settimeout(30)
        start = time.monotonic_ns()
        s.connect(("127.0.0.1", port))
        s.sendall(request)
        if not s.recv(1):
            raise ConnectionError("closed")
        end = time.monotonic_ns()
        while s.recv(4096):  # what is unread at a suspension would wake
            pass
        return start, end


class Target:
    """A program with a port; make() builds its image."""
    port, command, options, cycles = 80, (), (), 1000

    def __init__(self, name, bars):
        self.name, self.bars = name, bars
        self.ends = 0  # wakes by the end of a connection

    def make(self, base):
        raise NotImplementedError

    def start(self, host_port):
        """After the program answered for the first time."""

    def request(self, host_port):
        return http(host_port)

    def end(self):
        pass


class Static(Target):
    command = ("/bin/server",)

    def make(self, base):
        os.makedirs(f"{base}/bin")
        run(["gcc", "-O2", "-static", "bench/wake.c", "-o",
             f"{base}/bin/server"])
        image("wake-static", "dir:" + base)


class Script(Target):
    """A file of the program's own in a Debian image."""

    def __init__(self, name, bars, packages, path, text, command, options=()):
        super().__init__(name, bars)
        self.packages, self.path, self.text = packages, path, text
        self.command, self.options = command, options

    def make(self, base):
        with open(os.path.join(base, self.path), "w") as f:
            f.write(self.text)
        if self.path.endswith(".java"):
            run(["javac", "--release", "17", os.path.join(base, self.path)])
        image("wake-" + self.name, "deb:" + self.packages, "--copy",
              base + ":/srv")


class Weights(Target):
    """A server of our own with 200 MiB of weights in its image."""
    command = ("/inference", "/model")

    def make(self, base):
        run(["gcc", "-O2", "-static", "bench/inference.c", "-lm", "-o",
             f"{base}/inference"])
        run([f"{base}/inference", "--make", f"{base}/model"])
        image("wake-" + self.name, "dir:" + base)

    def request(self, host_port):
        return http(host_port, b"GET /hello HTTP/1.0\r\n\r\n")


class Onnx(Target):
    """The ONNX runtime in node, a digit to be recognised by each request."""
    port, command = 8080, ("/usr/bin/node", "/srv/inference/server.js")

    def make(self, base):
        run(["examples/inference/prepare", base], timeout=600)
        image("wake-" + self.name, "deb:nodejs", "--copy",
              base + ":/srv/inference")

    def request(self, host_port):
        body = json.dumps({"images": [[0.5] * 784]}).encode()
        return http(host_port, b"POST /predict HTTP/1.0\r\n"
                    b"Content-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(body) + body)


class Postgres(Target):
    """A request on each of the open sessions in turn."""
    port, cycles = 5432, 200
    options = ("-m", "2G", "-e", "POSTGRES_HOST_AUTH_METHOD=trust",
               "-e", f"POSTGRES_INITDB_ARGS={INITDB}")

    def make(self, base):
        image("wake-postgres", POSTGRES_DEBS, "--copy",
              "examples/postgres/image:/", "--entrypoint",
              "/usr/local/bin/start-postgres", "--stop-signal", "SIGINT")
        self.volume = f"wake-{os.getpid()}"
        run([JIFFY, "volume", "create", "--size", "1G", self.volume])
        self.options += ("-v", f"{self.volume}:/var/lib/postgresql")
        self.sessions = []

    def start(self, host_port):
        self.sessions = [self.connect(host_port) for _ in range(SESSIONS)]

    @staticmethod
    def connect(port):
        words = b"user\0postgres\0database\0postgres\0\0"
        s = socket.create_connection(("127.0.0.1", port), 60)
        s.sendall(struct.pack("!II", len(words) + 8, 196608) + words +
                  SIMPLE_QUERY)
        data = b""
        while b"SELECT 1\0" not in data or not data.endswith(b"Z\0\0\0\5I"):
            more = s.recv(4096)
            if not more:
                raise ConnectionError("closed")
            data += more
        return s

    def request(self, host_port):
        if not self.sessions:
            return Session.request(self, host_port)
        s = self.sessions.pop(0)
        self.sessions.append(s)
        start = time.monotonic_ns()
        s.sendall(SIMPLE_QUERY)
        data = s.recv(4096)
        end = time.monotonic_ns()
        while not data.endswith(b"Z\0\0\0\5I"):
            data += s.recv(4096)
        return start, end

    def end(self):
        for s in self.sessions:
            s.close()
        self.sessions = []
        run([JIFFY, "volume", "rm", self.volume])


class Session(Postgres):
    """A new connection, to the answer of its first query; 20 are open."""

    def request(self, host_port):
        start = time.monotonic_ns()
        s = self.connect(host_port)
        end = time.monotonic_ns()
        s.sendall(b"X\0\0\0\4")
        while s.recv(4096):  # until its backend has ended
            pass
        s.close()
        return start, end


TARGETS = (
    Static("static", (2, 6)),
    Script("nginx", (3, 8), "nginx-light", "nginx.conf", NGINX_CONF,
           ("/usr/sbin/nginx", "-c", "/srv/nginx.conf")),
    Script("python", (None, None), "python3-minimal", "server.py", PYTHON,
           ("/usr/bin/python3", "/srv/server.py")),
    Script("node", (10, 25), "nodejs", "server.js", NODE,
           ("/usr/bin/node", "/srv/server.js")),
    Script("java", (15, 40), "default-jre-headless", "Server.java", JAVA,
           ("/usr/bin/java", "-cp", "/srv", "Server"), ("-m", "1G")),
    Weights("weights", (10, 25)),
    Onnx("onnx", (10, 25)),
    Postgres("postgres", (10, 40)),
    Session("session", (20, 60)),
)


def until_answer(target, port, proc=None):
    while proc is None or proc.poll() is None:
        with contextlib.suppress(OSError):
            return target.request(port)[1]
        time.sleep(0.0005)
    raise RuntimeError(f"{target.name} ended")


def cold_starts(target, argv, port):
    """Milliseconds from the command to the first byte."""
    times = []
    for _ in range(5):
        start = time.monotonic_ns()
        proc = subprocess.Popen([JIFFY, "run", "--rm", *argv],
                                stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        times.append((until_answer(target, port, proc) - start) / 1e6)
        proc.terminate()
        proc.wait(60)
    return times


def is_asleep():
    """A spare monitor is there and has nothing more to do, and the one that
    has suspended the instance has brought its file to the disk and ended:
    whoever sleeps for a second is in that state. AT_ONCE asks before."""
    waits, others = False, 0
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError), open(path, "rb") as f:
            command = f.read()
            if not command.startswith(b"jiffy-monitor\0"):
                continue
            with open(path.replace("cmdline", "environ"), "rb") as env:
                if f"JIFFY_HOME={WAKE_HOME}\0".encode() not in env.read():
                    continue
            with open(path.replace("cmdline", "syscall"), "rb") as call:
                if (command.startswith(b"jiffy-monitor\0--wait") and
                        call.read().startswith(b"47 ")):  # recvmsg
                    waits = True
                else:
                    others += 1
    return waits and (AT_ONCE or not others)


def suspend(target, name):
    """Milliseconds of a suspension, and bytes of the file. A program that has
    not yet seen the end of the last connection is woken by it at once: that is
    no wake by a request, and it is suspended again."""
    path = f"{WAKE_HOME}/instances/{name}/checkpoint"
    while True:
        start = time.monotonic_ns()
        # Without a time limit, with which Python would look only now and then;
        # the command has its own.
        subprocess.run([JIFFY, "suspend", name], check=True,
                       stdout=subprocess.DEVNULL)
        took = time.monotonic_ns() - start
        with contextlib.suppress(FileNotFoundError):
            size = os.stat(path).st_blocks * 512
            while not is_asleep():
                os.stat(path)
                time.sleep(0.001)
            return took / 1e6, size
        target.ends += 1


def cycle(target, name, port, stats):
    """Milliseconds of a suspension, of the answer, and of each step; bytes of
    the file. The steps are those of the wake before."""
    took, size = suspend(target, name)
    with open(stats, encoding="utf-8") as f:
        steps = json.load(f).get("wake")
    start, end = target.request(port)
    return took, (end - start) / 1e6, steps, size, start


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


def report(target, cold, cycles):
    suspends, wakes, steps, sizes, starts = zip(*cycles)
    for p, bar in zip((50, 99), target.bars):
        row(f"{target.name}: wake p{p}", percentile(wakes, p), cold, "ms",
            bar and f"<= {bar} ms", "cold")
    row(f"{target.name}: wake max", max(wakes), cold, "ms", None, "cold")
    row(f"{target.name}: suspend p50", percentile(suspends, 50), cold, "ms",
        None, "cold")
    row(f"{target.name}: file", percentile(sizes, 50) / 2**20, 0, "MiB")
    print("  steps, us from the request:", end="")
    # Those of wake i are in the report of suspension i + 1.
    pairs = list(zip(starts, steps[1:]))
    print(" asked", round(statistics.median(
        (s["asked_ns"] - start) / 1e3 for start, s in pairs)), end="")
    for step in STEPS:
        print(f", {step}", round(statistics.median(
            s[step + "_us"] + (s["asked_ns"] - start) / 1e3
            for start, s in pairs)), end="")
    print()
    if target.ends:
        print(f"  woken {target.ends} times by the end of the last connection")
    sys.stdout.flush()


def wake(target):
    base = tempfile.mkdtemp(dir=OUT)
    os.chmod(base, 0o755)
    target.make(base)
    port, name = free_port(), f"wake-{target.name}-{os.getpid()}"
    tag = "wake-postgres" if target.port == 5432 else "wake-" + target.name
    argv = [*target.options, "-p", f"127.0.0.1:{port}:{target.port}",
            tag, *target.command]
    stats = os.path.join(base, "stats")
    try:
        cold = statistics.median(cold_starts(target, argv, port))
        run([JIFFY, "run", "-d", "--name", name, "--stats=" + stats, *argv])
        until_answer(target, port)
        target.start(port)
        n = int(os.environ.get("CYCLES", target.cycles))
        report(target, cold, [cycle(target, name, port, stats)
                              for _ in range(n)])
    finally:
        subprocess.run([JIFFY, "rm", "-f", name], check=False,
                       capture_output=True)
        target.end()


def bench_wake():
    only = os.environ.get("TARGETS")
    old = os.environ["JIFFY_HOME"]
    # A home on a disk: files are synced there.
    os.environ["JIFFY_HOME"] = WAKE_HOME
    os.makedirs(WAKE_HOME, exist_ok=True)
    try:
        for target in TARGETS:
            if not only or target.name in only.split(","):
                wake(target)
    finally:
        os.environ["JIFFY_HOME"] = old
        save("wake")
