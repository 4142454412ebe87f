#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client of PostgreSQL's wire protocol, and ends without warning.

postgres.py sql PORT QUERY [NAME=VALUE...]: print the rows; user, database and
password may be given. postgres.py crash JIFFY HOME KIND POINTS SECONDS: see
crash.py; the image is "postgres"."""
import base64
import hashlib
import hmac
import os
import socket
import struct
import time

from crash import ACCOUNTS, SCHEMA, Crash, SqlError, main


class Client:
    """One connection; simple queries only."""

    def __init__(self, port, user="postgres", database="postgres",
                 password=None):
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.sock.settimeout(60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""
        words = ("user", user, "database", database, "", "")
        body = struct.pack("!I", 196608) + "\0".join(words).encode()
        self.sock.sendall(struct.pack("!I", len(body) + 4) + body)
        self.password = password
        self.rows_until_ready()

    def exactly(self, n):
        while len(self.data) < n:
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionError("closed")
            self.data += more
        head, self.data = self.data[:n], self.data[n:]
        return head

    def message(self):
        kind, length = struct.unpack("!cI", self.exactly(5))
        return kind, self.exactly(length - 4)

    def send(self, kind, body):
        self.sock.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def authenticate(self, body):
        how = struct.unpack("!I", body[:4])[0]
        password = (self.password or "").encode()
        if how == 3:
            self.send(b"p", password + b"\0")
        elif how == 10:
            self.nonce = base64.b64encode(os.urandom(18))
            first = b"n,,n=,r=" + self.nonce
            self.send(b"p", b"SCRAM-SHA-256\0" +
                      struct.pack("!I", len(first)) + first)
        elif how == 11:
            self.send(b"p", scram_final(password, self.nonce, body[4:]))
        elif how not in (0, 12):
            raise SqlError(f"authentication {how} is not written here")

    def rows_until_ready(self):
        rows, error = [], None
        while True:
            kind, body = self.message()
            if kind == b"R":
                self.authenticate(body)
            elif kind == b"D":
                rows.append(row(body))
            elif kind == b"E":
                fields = body.split(b"\0")
                error = "; ".join(f[1:].decode() for f in fields
                                  if f[:1] in (b"S", b"C", b"M"))
                if error.startswith("FATAL"):
                    raise SqlError(error)
            elif kind == b"Z":
                if error:
                    raise SqlError(error)
                return rows

    def query(self, text):
        self.send(b"Q", text.encode() + b"\0")
        return self.rows_until_ready()

    def close(self):
        self.sock.close()


def scram_final(password, nonce, first):
    """RFC 5802, section 3: the client's last message; first is the server's."""
    words = dict(w.split(b"=", 1) for w in first.split(b","))
    salted = hashlib.pbkdf2_hmac("sha256", password,
                                 base64.b64decode(words[b"s"]),
                                 int(words[b"i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    last = b"c=biws,r=" + words[b"r"]
    signed = b",".join((b"n=,r=" + nonce, first, last))
    signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature))
    return last + b",p=" + base64.b64encode(proof)


def row(body):
    cells, at = [], 2
    for _ in range(struct.unpack("!H", body[:2])[0]):
        length = struct.unpack("!i", body[at:at + 4])[0]
        at += 4
        cells.append(None if length < 0 else body[at:at + length].decode())
        at += max(length, 0)
    return cells


def connect(port, seconds=60, **keys):
    """A connection, once the server takes one."""
    end = time.monotonic() + seconds
    while True:
        try:
            return Client(port, **keys)
        except (OSError, SqlError) as e:
            if time.monotonic() > end or "28P01" in str(e):
                raise
            time.sleep(0.02)


# All tables and B-trees of the database, run by the server: the program of its
# own version. Each a transaction of its own, or it waits for their locks.
AMCHECK = ("DROP TABLE IF EXISTS amcheck", "CREATE TABLE amcheck(line text)",
           "COPY amcheck FROM PROGRAM '/usr/lib/postgresql/15/bin/pg_amcheck "
           "-U postgres -d postgres --heapallindexed --parent-check 2>&1; "
           "echo status $?'", "SELECT line FROM amcheck")


class PostgresCrash(Crash):
    """Small logs, so that there are checkpoints at all times."""
    IMAGE, MOUNT, PORT = "postgres", "/var/lib/postgresql", 5432
    OPTIONS = ("-e", "POSTGRES_HOST_AUTH_METHOD=trust",
               "-e", "POSTGRES_INITDB_ARGS=--wal-segsize=1 --no-sync")
    ARGUMENTS = ("-c", "max_wal_size=4MB", "-c", "min_wal_size=2MB",
                 "-c", "checkpoint_timeout=30s", "-c", "wal_recycle=off")
    TOLD = ("Input/output error", "Read-only file system")

    def client(self):
        return Client(self.port)

    def fill(self, client):
        client.query("; ".join((
            "CREATE EXTENSION amcheck", *SCHEMA,
            "INSERT INTO accounts SELECT n, 0, repeat('x', 80) "
            f"FROM generate_series(1, {ACCOUNTS}) n")))

    def commit(self, client, statements):
        client.query("; ".join(("BEGIN", *statements, "COMMIT")))

    def check_server(self, client):
        said = [r[0] for q in AMCHECK for r in client.query(q)]
        if said != ["status 0"]:
            raise AssertionError(f"pg_amcheck: {said[:9]}")


if __name__ == "__main__":
    main(PostgresCrash, connect)
