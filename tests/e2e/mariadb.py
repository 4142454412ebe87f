#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client of MariaDB's wire protocol, and ends without warning.

mariadb.py sql PORT QUERY [NAME=VALUE...]: print the rows; user, database and
password may be given. mariadb.py crash JIFFY HOME KIND POINTS SECONDS: see
crash.py; the image is "mariadb"."""
import hashlib
import socket
import struct
import time

from crash import ACCOUNTS, SCHEMA, Crash, SqlError, main

# LONG_PASSWORD, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS,
# SECURE_CONNECTION, PLUGIN_AUTH
CAPABILITIES = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000
PLUGIN = b"mysql_native_password"


def scrambled(password, salt):
    """SHA1(password) XOR SHA1(salt + SHA1(SHA1(password)))."""
    if not password:
        return b""
    once = hashlib.sha1(password.encode()).digest()
    mask = hashlib.sha1(salt + hashlib.sha1(once).digest()).digest()
    return bytes(a ^ b for a, b in zip(once, mask))


class Client:
    """One connection; text queries only."""

    def __init__(self, port, user="root", database="", password=""):
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.sock.settimeout(60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")
        self.number = 0
        hello = self.packet()
        at = hello.index(b"\0", 1) + 5
        salt = hello[at:at + 8] + hello[at + 27:at + 39]
        self.send(struct.pack("<IIB23x", CAPABILITIES, 1 << 24, 45) +
                  user.encode() + b"\0" + self.text(scrambled(password, salt)) +
                  database.encode() + b"\0" + PLUGIN + b"\0")
        answer = self.packet()
        if answer[:1] == b"\xfe":  # asked for once more, with another salt
            name, salt = answer[1:-1].split(b"\0", 1)
            if name != PLUGIN:
                raise SqlError(f"{name} is not written here")
            self.send(scrambled(password, salt))
            self.packet()

    @staticmethod
    def text(value):
        return bytes([len(value)]) + value

    def exactly(self, n):
        data = self.file.read(n)
        if len(data) != n:
            raise ConnectionError("closed")
        return data

    def packet(self):
        head = struct.unpack("<I", self.exactly(4))[0]
        self.number = (head >> 24) + 1
        body = self.exactly(head & 0xffffff)
        if body[:1] == b"\xff":
            raise SqlError(f"{struct.unpack('<H', body[1:3])[0]}: " +
                           body[3:].decode(errors="replace"))
        return body

    def send(self, body):
        self.sock.sendall(
            struct.pack("<I", len(body) | self.number << 24) + body)

    def is_end(self, body):
        return body[:1] == b"\xfe" and len(body) < 9

    def query(self, text):
        self.number = 0
        self.send(b"\3" + text.encode())
        columns = self.packet()[0]
        if not columns:
            return []
        while not self.is_end(self.packet()):
            pass
        rows = []
        while not self.is_end(body := self.packet()):
            rows.append(cells(body))
        return rows

    def close(self):
        self.file.close()
        self.sock.close()


def cells(body):
    values, at = [], 0
    while at < len(body):
        length = body[at]
        at += 1
        if length == 0xfb:
            values.append(None)
            continue
        if length > 0xfb:
            size = {0xfc: 2, 0xfd: 3, 0xfe: 8}[length]
            length = int.from_bytes(body[at:at + size], "little")
            at += size
        values.append(body[at:at + length].decode())
        at += length
    return values


def connect(port, seconds=60, **keys):
    """A connection, once the server takes one."""
    end = time.monotonic() + seconds
    while True:
        try:
            return Client(port, **keys)
        except (OSError, SqlError) as e:
            if time.monotonic() > end or isinstance(e, SqlError):
                raise
            time.sleep(0.02)


class MariaCrash(Crash):
    """Small logs and buffers, so that pages are written at all times."""
    IMAGE, MOUNT, PORT = "mariadb", "/srv/mariadb", 3306
    OPTIONS = ("-e", "MARIADB_ROOT_PASSWORD=crash",
               "-e", "MARIADB_DATABASE=crash")
    ARGUMENTS = ("--innodb-log-file-size=4M", "--innodb-buffer-pool-size=6M")
    SIZE = "384M"
    TOLD = ("InnoDB: IO Error: ", "sync() returned 5", "Errcode: 5 ",
            "Errcode: 30 ")

    def client(self):
        return Client(self.port, database="crash", password="crash")

    def fill(self, client):
        for statement in SCHEMA:
            client.query(statement)
        client.query("INSERT INTO accounts SELECT seq, 0, repeat('x', 80) "
                     f"FROM seq_1_to_{ACCOUNTS}")

    def commit(self, client, statements):
        for statement in ("BEGIN", *statements, "COMMIT"):
            client.query(statement)

    def check_server(self, client):
        tables = client.query(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE engine IN ('InnoDB', 'Aria') AND table_schema <> "
            "'information_schema'")
        names = ", ".join(f"`{a}`.`{b}`" for a, b in tables)
        bad = [r for r in client.query(f"CHECK TABLE {names} EXTENDED")
               if r[3] != "OK"]
        if bad or len(tables) < 10:
            raise AssertionError(f"CHECK TABLE: {len(tables)}, {bad[:9]}")


if __name__ == "__main__":
    main(MariaCrash, connect)
