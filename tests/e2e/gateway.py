# SPDX-License-Identifier: Apache-2.0
"""Clients of gateway.bats: gateway.py WHAT PORT [CA [JIFFY NAME]]."""
import base64
import os
import socket
import ssl
import struct
import subprocess
import sys


def connect(port, ca=None, alpn=None, name="a.test"):
    s = socket.create_connection(("127.0.0.1", port), timeout=20)
    if not ca:
        return s
    context = ssl.create_default_context(cafile=ca)
    if alpn:
        context.set_alpn_protocols([alpn])
    return context.wrap_socket(s, server_hostname=name)


def exactly(s, size):
    data = b""
    while len(data) < size:
        more = s.recv(size - len(data))
        assert more, data
        data += more
    return data


def echo(port, ca):
    """Bytes through a TLS port, more than fits in between."""
    s = connect(port, ca)
    block = os.urandom(100000)
    for _ in range(20):
        s.sendall(block)
        assert exactly(s, len(block)) == block
    s.unwrap()


def head(s):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += exactly(s, 1)
    return data.decode()


def frame(data):
    mask = os.urandom(4)
    size = len(data)
    length = bytes([0x80 | size]) if size < 126 else \
        b"\xfe" + struct.pack(">H", size)
    return b"\x82" + length + mask + bytes(
        b ^ mask[i % 4] for i, b in enumerate(data))


def websocket(port, ca=None):
    """A minimal client of a WebSocket that echoes."""
    s = connect(port, ca)
    key = base64.b64encode(os.urandom(16)).decode()
    s.sendall(f"GET /ws HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\n"
              f"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13"
              f"\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
    answer = head(s)
    assert answer.startswith("HTTP/1.1 101 "), answer
    assert "Sec-WebSocket-Accept: " in answer, answer
    for size in (1, 125, 126, 60000):
        data = os.urandom(size)
        s.sendall(frame(data))
        first = exactly(s, 2)
        assert first[0] == 0x82, first
        got = first[1]
        if got == 126:
            got = struct.unpack(">H", exactly(s, 2))[0]
        assert exactly(s, got) == data
    s.sendall(b"\x88\x80" + os.urandom(4))
    assert s.recv(1) == b""


def get(port, ca, path="/x"):
    s = connect(port, ca)
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: a.test\r\n"
              "Connection: close\r\n\r\n".encode())
    data = b""
    while more := s.recv(65536):
        data += more
    return data


def stalled(port, ca=None):
    """Slow ones of three kinds; then others are served as if alone."""
    slow = []
    for _ in range(50):  # heads that never end
        s = connect(port, ca)
        s.sendall(b"GET / HTTP/1.1\r\nHost: a.te")
        slow.append(s)
    for _ in range(10):  # responses that nobody reads
        s = connect(port, ca)
        s.sendall(b"GET /bytes/20000000 HTTP/1.1\r\nHost: a.test\r\n\r\n")
        slow.append(s)
    for _ in range(10):  # bodies that never come
        s = connect(port, ca)
        s.sendall(b"POST / HTTP/1.1\r\nHost: a.test\r\n"
                  b"Content-Length: 1000\r\n\r\nx")
        slow.append(s)
    if ca:
        for _ in range(50):  # handshakes that never go on
            s = connect(port)
            s.sendall(b"\x16\x03\x01\x02")
            slow.append(s)
    for i in range(20):
        assert b"hello /x" in get(port, ca), i
    # A slow one that goes on is not lost.
    slow[0].sendall(b"st\r\n\r\n")
    assert " 200 " in head(slow[0])
    assert " 200 " in head(slow[50])
    exactly(slow[50], 1000000)
    for s in slow:
        s.close()


V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + \
    bytes([192, 0, 2, 7, 198, 51, 100, 1, 0x13, 0x88, 1, 0xbb])


def proxied(port, plain, relayed):
    """PROXY headers taken and given: HTTP, plain TCP with one taken out, and
    plain TCP to an instance that is told."""
    for header in (V1, V2):
        for cut in (0, 1, 20, len(header)):
            s = connect(port)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for part in (header[:cut], header[cut:] +
                         b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"):
                if part:
                    s.sendall(part)
            assert "x-via: 192.0.2.7 http" in head(s).lower()
            s.close()
        s = connect(int(plain))
        s.sendall(header + b"hello")
        assert exactly(s, 5) == b"hello"
    for bad in (b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", V1[:-2] + b"\n"):
        s = connect(port)
        s.sendall(bad)
        try:
            assert s.recv(1) == b""
        except ConnectionResetError:
            pass
    s = connect(int(relayed))
    s.sendall(b"hello")
    mine = s.getsockname()
    want = V2[:16] + socket.inet_aton(mine[0]) + socket.inet_aton(
        "127.0.0.1") + struct.pack(">HH", mine[1], int(relayed)) + b"hello"
    assert exactly(s, len(want)) == want


STARTUP = b"user\0postgres\0database\0postgres\0\0"
STARTUP = struct.pack(">II", len(STARTUP) + 8, 196608) + STARTUP


def message(s):
    kind, size = struct.unpack(">cI", exactly(s, 5))
    return kind, exactly(s, size - 4)


def ready(s):
    """Read until the server is ready; what came, by kind."""
    seen = {}
    while b"Z" not in seen:
        kind, body = message(s)
        assert kind != b"E", body
        seen[kind] = body
    return seen


def query(s, text):
    body = text.encode() + b"\0"
    s.sendall(b"Q" + struct.pack(">I", len(body) + 4) + body)
    seen = ready(s)
    return seen[b"D"][6:].decode()


def postgres(port, ca):
    """TLS without asking, by ALPN."""
    s = connect(port, ca, "postgresql")
    assert s.selected_alpn_protocol() == "postgresql"
    s.sendall(STARTUP)
    seen = ready(s)
    assert len(seen[b"K"]) == 8
    assert query(s, "SELECT 5") == "5"


def asleep(port, ca, jiffy, name):
    """Sessions that are open while it sleeps; their ends do not wake it."""
    sessions = []
    for _ in range(3):
        s = connect(port, ca, "postgresql")
        s.sendall(STARTUP)
        ready(s)
        query(s, "SET application_name = 'kept'; SELECT 1")
        sessions.append(s)
    subprocess.run([jiffy, "suspend", name], check=True,
                   stdout=subprocess.DEVNULL)
    assert query(sessions[0], "SHOW application_name") == "kept"
    print("ok")


WHAT = {"echo": echo, "proxied": proxied, "websocket": websocket, "stalled": stalled,
        "postgres": postgres, "asleep": asleep}

if __name__ == "__main__":
    WHAT[sys.argv[1]](int(sys.argv[2]), *sys.argv[3:])
