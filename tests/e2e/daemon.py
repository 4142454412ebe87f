# SPDX-License-Identifier: Apache-2.0
"""A jiffyd of a test's own, and its API."""
import contextlib
import json
import subprocess
import time
import urllib.request

from crash import free_port

TOKEN = "secret"


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


class Daemon:
    def __init__(self, build, home):
        self.build, self.home, self.port = build, home, free_port()
        self.log = open(f"{home}/jiffyd.log", "wb")
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [f"{self.build}/jiffyd", "--state", self.home, "--token", TOKEN, "--listen",
             f"127.0.0.1:{self.port}"], stdout=self.log, stderr=self.log)
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                return self.call("GET", "/healthz")
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError("jiffyd does not answer")
            time.sleep(0.002)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def call(self, method, path, body=None):
        """The first item of the answer, or all of it."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            answer = json.load(answer)
        if answer["status"] != "success":
            raise AssertionError(f"{method} {path} {body}: {answer}")
        return answer.get("data")

    def instances(self):
        return self.call("GET", "/instances?count=1000")["instances"]


def await_state(daemon, names, state):
    names, end = set(names), time.monotonic() + 120
    while True:
        others = [f"{i['name']}: {i['state']}" for i in daemon.instances()
                  if i["name"] in names and i["state"] != state]
        if not others:
            return
        if time.monotonic() > end:
            raise AssertionError(f"not {state}: {others[:5]} ({len(others)})")
        time.sleep(0.2)
