#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""inference.py JIFFY COUNT: instances of one model image (bench/inference.c,
image "inference") share its weights: the memory of all is one copy and what each
has to itself, awake and woken, and what sleeps does not store them. All give the
same answers before and after."""
import os
import socket
import sys
import time

from crash import free_port
from sleepers import HOME, host_process, jiffy

MODEL = (50944 + 256) * 1024 * 4  # bench/inference.c
PRIVATE = 8 << 20  # at most, of one instance
TEXTS = ("hello", "a_second_text", "one_that_is_a_little_longer_than_these")


class Instance:
    def __init__(self, number):
        self.name, self.port = f"infer-{os.getpid()}-{number}", free_port()
        self.dir = f"{HOME}/instances/{self.name}"
        jiffy("run", "-d", "--name", self.name, "-p",
              f"127.0.0.1:{self.port}:80", "inference", "/inference", "/model")

    def ask(self, text):
        end = time.monotonic() + 150
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as s:
                    s.settimeout(60)
                    s.sendall(f"GET /{text} HTTP/1.0\r\n\r\n".encode())
                    return s.makefile().read().split("\n\n")[1]
            except (OSError, IndexError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def answers(self):
        return [self.ask(text) for text in TEXTS]


def pss(instances):
    """Of all their host processes: each shared page counted once."""
    sessions = {int(open(i.dir + "/state.json", encoding="utf-8").read()
                    .split('"host_pid":')[1].split(",")[0])
                for i in instances}
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if host_process(pid)[1:] and host_process(pid)[1] in sessions:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                total += sum(int(x.split()[1]) for x in f
                             if x.startswith("Pss:"))
    return total * 1024


def check_memory(when, instances):
    used, most = pss(instances), MODEL + len(instances) * PRIVATE
    print(f"{len(instances)} {when}: {used >> 20} MiB in all; the model has "
          f"{MODEL >> 20} MiB")
    if used > most:
        raise AssertionError(f"{when}: {used} bytes, at most {most}")


def main():
    instances = []
    try:
        for n in range(int(sys.argv[2])):
            instances.append(Instance(n))
        right = instances[0].answers()
        if len(set(right)) != len(right):
            raise AssertionError(f"the same answer to all: {right}")
        for i in instances:
            if i.answers() != right:
                raise AssertionError(f"another answer than {right}")
        check_memory("awake", instances)
        sizes = []
        for i in instances:
            jiffy("suspend", i.name)
            st = os.stat(i.dir + "/checkpoint")
            sizes.append(st.st_size)
        print(f"asleep: {sum(sizes) / len(sizes) / 2**20:.2f} MiB each")
        if max(sizes) > PRIVATE:
            raise AssertionError(f"a checkpoint of {max(sizes)} bytes")
        for i in instances:
            if i.answers() != right:
                raise AssertionError(f"another answer than {right}")
        check_memory("woken", instances)
    finally:
        for i in instances:
            jiffy("rm", "-f", i.name)


main()
