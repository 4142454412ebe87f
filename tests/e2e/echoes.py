# SPDX-License-Identifier: Apache-2.0
"""Services behind jiffyd whose instances echo (holds.c): for restart.py and
idle.py. The image "holds" is in the store."""
import json
import socket
import ssl
import subprocess

from crash import free_port

WAIT = 60


class Service:
    """handlers as in the API; it sleeps that many milliseconds after the last
    byte, or never."""

    def __init__(self, daemon, name, handlers=(), cooldown=0):
        self.daemon, self.name, self.handlers = daemon, name, list(handlers)
        self.port, self.cooldown = free_port(), cooldown
        body = {"name": name, "image": "holds", "memory_mb": 64,
                "args": ["/bin/holds"], "autostart": True,
                "service_group": {"services": [{
                    "port": self.port, "destination_port": 80,
                    "ip": "127.0.0.1", "handlers": self.handlers}]}}
        if cooldown:
            body["scale_to_zero"] = {"policy": "idle", "stateful": True,
                                     "cooldown_time_ms": cooldown}
        daemon.call("POST", "/instances", body)

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), WAIT)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if "tls" in self.handlers:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            s = context.wrap_socket(s)
        return s

    def events(self, what):
        """How often that has happened."""
        lines = subprocess.run(
            [f"{self.daemon.build}/jiffy", "events", self.name], check=True,
            env={"JIFFY_HOME": self.daemon.home}, capture_output=True,
            text=True).stdout.splitlines()
        return sum(json.loads(line)["event"] == what for line in lines)


def echo(s, text=b"x"):
    s.sendall(text)
    got = b""
    while len(got) < len(text):
        more = s.recv(len(text) - len(got))
        if not more:
            raise ConnectionError("closed")
        got += more
    assert got == text, got
