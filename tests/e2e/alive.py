# SPDX-License-Identifier: Apache-2.0
"""Runs in an instance that is suspended and resumed over and over: threads that
sleep, fork, and push bytes through pipes, and see nothing of it. Prints a line
each round: number, rounds of forking, errors, processor time, random bytes."""
import os
import subprocess
import threading
import time

forks, errors = 0, []


def sleeper():
    last = time.monotonic()
    while True:
        time.sleep(0.005)
        now = time.monotonic()
        # The time of a sleep is none of ours: three seconds are the test's.
        if not last <= now < last + 3:
            errors.append(f"monotonic {last} {now}")
        if abs(time.clock_gettime(time.CLOCK_BOOTTIME) - now) < 0:
            errors.append("boottime")
        last = now


def forker():
    global forks
    while True:
        done = subprocess.run(["/bin/sh", "-c", "echo hi | cat"],
                              capture_output=True)
        if done.stdout != b"hi\n" or done.returncode:
            errors.append(str(done))
        forks += 1


def pusher():
    r, w = os.pipe()
    x, n = 0.5, 0
    while True:
        n += 1
        y = (n % 1000) / 7.0  # the same in other registers, later
        os.write(w, b"%d" % n)
        if os.read(r, 100) != b"%d" % n or y != (n % 1000) / 7.0:
            errors.append(f"pipe {n}")
        x = 3.9 * x * (1 - x)
        if not 0 < x < 1:
            errors.append(f"floating point {x}")


for f in (sleeper, forker, pusher):
    threading.Thread(target=f, daemon=True).start()
number, used = 0, 0.0
while True:
    time.sleep(0.02)
    number += 1
    if time.process_time() < used:
        errors.append("processor time")
    used = time.process_time()
    print("round", number, forks, len(errors), *errors[:1],
          os.urandom(8).hex(), flush=True)
