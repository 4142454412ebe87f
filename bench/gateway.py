# SPDX-License-Identifier: Apache-2.0
"""The gateway beside nginx as a reverse proxy in the same place: before one
instance of nginx, with the same certificate and key. Requests a second and
processor time per request of the proxy, handshakes likewise."""
import contextlib
import glob
import os
import re
import signal
import statistics
import subprocess
import tempfile
import time

from pair import (JIFFY, OUT, Server, cpu_ns, free_port, image, row, run,
                  save)

HOME = os.path.join(OUT, "gateway")
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS_EACH", "3"))
BACKEND_CONF = """daemon off; worker_processes 1; pid /tmp/nginx.pid;
error_log stderr; events { worker_connections 4096; }
http { access_log off; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p;
fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
keepalive_requests 1000000;
server { listen 80; listen 81; location / { return 200 "hello\\n"; }
location /big { alias /tmp/big; } } }
"""
PROXY_CONF = """daemon off; worker_processes 1; pid %(dir)s/pid;
error_log stderr; events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000;
client_body_temp_path %(dir)s/b; proxy_temp_path %(dir)s/p;
fastcgi_temp_path %(dir)s/f; uwsgi_temp_path %(dir)s/u;
scgi_temp_path %(dir)s/s;
upstream backend { server 127.0.0.1:%(backend)d; keepalive 128;
keepalive_requests 1000000; }
server { listen 127.0.0.1:%(http)d; listen 127.0.0.1:%(https)d ssl http2;
ssl_certificate %(ca)s.chain; ssl_certificate_key %(ca)s.key;
ssl_protocols TLSv1.2 TLSv1.3;
location / { proxy_pass http://backend; proxy_http_version 1.1;
proxy_set_header Connection ""; proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme; } } }
"""


class Gateway:
    """The gateway with one loop, as nginx has one worker."""

    def __init__(self, home, ca):
        program = os.path.join(OUT, "gateway-program")
        run(["gcc", "-O2", "-g", "-D_GNU_SOURCE", "-I.", "-o", program,
             "tests/e2e/gateway.c", *glob.glob("gateway/*.c"),
             *(f"host/{f}.c" for f in ("loop", "jobs", "err", "strv",
                                       "xmalloc")),
             "-lnghttp2", "-lssl", "-lcrypto", "-lpthread"])
        self.proc = subprocess.Popen(
            [program, home, "1", ca, "localhost"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self.proc.stdout.readline() == "ready\n"

    def say(self, line):
        self.proc.stdin.write(line + "\n")
        self.proc.stdin.flush()
        answer = self.proc.stdout.readline()
        assert answer == "ok\n", (line, answer)

    def close(self):
        self.proc.stdin.close()
        self.proc.wait(10)


def wrk(port, scheme="http", path="/"):
    """Requests a second."""
    out = run(["wrk", "-t1", "-c32", f"-d{SECONDS}s",
               f"{scheme}://127.0.0.1:{port}{path}"])
    assert "Non-2xx" not in out and "Socket errors" not in out, out
    return float(re.search(r"Requests/sec: +([0-9.]+)", out)[1])


def handshakes(port, scheme="https", path="/"):
    """Full handshakes a second, of two clients at once."""
    clients = [subprocess.Popen(
        ["openssl", "s_time", "-new", "-connect", f"127.0.0.1:{port}",
         "-time", str(SECONDS)], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True) for _ in range(2)]
    count = 0
    for c in clients:
        out = c.communicate(timeout=60)[0]
        count += int(re.search(r"(\d+) connections in [0-9]+ real", out)[1])
    return count / SECONDS


def compare(name, measure, sides, bar, unit, *args):
    """Both sides take turns; rates, and processor time each."""
    rates, cpus = {}, {}
    for _ in range(ROUNDS):
        for side, (pid, port) in sides.items():
            before = cpu_ns(pid)
            start = time.perf_counter()
            rate = measure(port, *args)
            took = time.perf_counter() - start
            rates.setdefault(side, []).append(rate)
            cpus.setdefault(side, []).append(
                (cpu_ns(pid) - before) / 1e3 / (rate * took))
    median = statistics.median
    row(name, median(rates["jiffy"]), median(rates["nginx"]), unit, bar,
        "nginx")
    row(name + " cpu", median(cpus["jiffy"]), median(cpus["nginx"]), "us",
        None, "nginx")


@contextlib.contextmanager
def instance(home):
    os.environ["JIFFY_HOME"] = home
    os.makedirs(home, exist_ok=True)
    image("bench-gateway", "deb:nginx-light,bash,coreutils")
    port = free_port()
    run([JIFFY, "run", "-d", "--name", "backend", "-p", "deliver:80", "-p",
         f"127.0.0.1:{port}:81", "bench-gateway", "bash", "-c",
         f"head -c 1000000 /dev/zero >/tmp/big; cat >/tmp/n.conf <<'END'\n"
         f"{BACKEND_CONF}END\nexec nginx -c /tmp/n.conf"])
    try:
        yield port
    finally:
        run([JIFFY, "rm", "-f", "backend"])


def bench_gateway():
    base = tempfile.mkdtemp()
    ca = os.path.join(base, "ca.pem")
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(instance(HOME))
        gateway = Gateway(HOME, ca)
        stack.callback(gateway.close)
        ours = dict(http=free_port(), https=free_port())
        gateway.say(f"service h {ours['http']} 80 http localhost")
        gateway.say("add h 1 backend")
        gateway.say(f"service s {ours['https']} 80 http+tls localhost")
        gateway.say("add s 2 backend")
        theirs = dict(http=free_port(), https=free_port())
        conf = os.path.join(base, "proxy.conf")
        with open(conf, "w") as f:
            f.write(PROXY_CONF % dict(theirs, dir=base, ca=ca,
                                      backend=backend))
        nginx = stack.enter_context(Server(
            ["/usr/sbin/nginx", "-c", conf], theirs["http"], signal.SIGTERM))

        def sides(scheme):
            return dict(jiffy=(gateway.proc.pid, ours[scheme]),
                        nginx=(nginx.proc.pid, theirs[scheme]))

        compare("http requests", wrk, sides("http"), ">= 0.8", "1/s")
        compare("https requests", wrk, sides("https"), ">= 0.8", "1/s",
                "https")
        compare("http 1 MB", wrk, sides("http"), ">= 0.8", "1/s", "http",
                "/big")
        compare("tls handshakes", handshakes, sides("https"), ">= 0.9", "1/s")
    save("gateway")
