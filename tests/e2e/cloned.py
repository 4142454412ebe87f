# SPDX-License-Identifier: Apache-2.0
"""A warm program that waits to be cloned: what each clone draws must be its
own. The signal handler is what docs/clones.md asks of such a program."""
import os
import random
import secrets
import select
import signal
import socket
import ssl
import sys
import uuid


def on_clone(_signal, _frame):
    random.seed()
    ssl.RAND_add(os.urandom(48), 48.0)


def line(path):
    with open(path) as f:
        return f.read().split()[-1]


random.seed(7)
ssl.RAND_bytes(8)  # a generator that has its state already
signal.signal(signal.SIGUSR2, on_clone)
generation = open("/dev/generation", "rb", buffering=0)
poll = select.poll()
poll.register(generation, select.POLLPRI)
print("ready", flush=True)
poll.poll()
drawn = [os.urandom(8).hex(), uuid.uuid4(), ssl.RAND_bytes(8).hex(),
         random.random(), secrets.token_hex(8), socket.gethostname(),
         line("/dev/generation"), line("/proc/sys/kernel/random/boot_id")]
print("clone", *drawn, flush=True)
print("to stderr", file=sys.stderr)
sys.exit(3)
