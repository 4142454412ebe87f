# SPDX-License-Identifier: Apache-2.0
"""The instance behind the gateway in gateway.bats: HTTP/1.1 with bodies of both
framings, a WebSocket that echoes, and on port 81 an echo of plain TCP."""
import base64
import hashlib
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Via", self.headers["X-Forwarded-For"] + " " +
                         self.headers["X-Forwarded-Proto"])
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path == "/ws":
            return self.websocket()
        if self.path.startswith("/chunked/"):
            return self.chunked(int(self.path.split("/")[2]))
        if self.path.startswith("/bytes/"):
            return self.answer(b"x" * int(self.path.split("/")[2]))
        return self.answer(f"hello {self.path}\n".encode())

    do_HEAD = do_GET

    def do_POST(self):
        body = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(hashlib.sha256(body).hexdigest().encode() + b"\n")

    def chunked(self, count):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(count):
            self.wfile.write(b"400\r\n" + b"y" * 1024 + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def websocket(self):
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(
            hashlib.sha1(key + GUID).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while True:
            head = self.rfile.read(2)
            if len(head) < 2 or head[0] & 15 == 8:
                return
            size = head[1] & 127
            if size == 126:
                size = struct.unpack(">H", self.rfile.read(2))[0]
            mask = self.rfile.read(4)
            data = bytes(b ^ mask[i % 4]
                         for i, b in enumerate(self.rfile.read(size)))
            length = bytes([size]) if size < 126 else \
                b"\x7e" + struct.pack(">H", size)
            self.wfile.write(b"\x82" + length + data)

    def log_message(self, *_):
        pass


def echo():
    def serve(c):
        while data := c.recv(65536):
            c.sendall(data)
        c.close()

    server = socket.create_server(("0.0.0.0", 81), backlog=64)
    while True:
        threading.Thread(target=serve, args=server.accept()[:1],
                         daemon=True).start()


threading.Thread(target=echo, daemon=True).start()
ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("0.0.0.0", 80), Handler).serve_forever()
