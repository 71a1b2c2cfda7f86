#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A login storm: RATE logins a second for some seconds, while one caller on a connection of his own asks for a constant
flow at a steady pace. What he waits for (p50, p99) without the storm and in it, and what became of the logins.

`measure()` is called by run.py; alone it prints what it found. The pace is open: a slow answer does not thin the storm
out, and what is asked late counts from when it should have been asked.
"""
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import ROOT, Client, Host  # noqa: E402

BINARY = os.path.join(ROOT, "build", "flowhost")
RATE, ASK_RATE, SECONDS, THREADS = 50, 200, 8, 16
PASSWORD = "correct horse battery"
CONST = 'return { http = "GET /const", durable = "never", run = function() return { code = 200 } end }'


def pace(rate, seconds):
    """The moments of `rate` a second, each waited for."""
    begin = time.monotonic()
    for number in range(int(rate * seconds)):
        due = begin + number / rate
        time.sleep(max(0, due - time.monotonic()))
        yield due


def ask(host, seconds):
    """(p50, p99) in ms of a caller who asks for /const."""
    client, times = Client(host.port), []
    for due in pace(ASK_RATE, seconds):
        status = client.request("GET", "/const")[0]
        assert status == 200, status
        times.append((time.monotonic() - due) * 1000)
    client.disconnect()
    times.sort()
    return times[len(times) // 2], times[int(len(times) * 0.99)]


class Storm(threading.Thread):
    """Logins by THREADS callers, each with its share of RATE; every tenth password is wrong."""

    def __init__(self, host):
        super().__init__()
        self.host, self.statuses, self.lock = host, collections.Counter(), threading.Lock()

    def work(self, index):
        client = Client(self.host.port)
        for number, _ in enumerate(pace(RATE / THREADS, SECONDS)):
            wrong = (number + index) % 10 == 0
            body = {"name": f"user{number % 20}" if not wrong else f"none{index}-{number}",
                    "password": "wrong" if wrong else PASSWORD}
            status = client.request("POST", "/v1/session", body)[0]
            with self.lock:
                self.statuses[status] += 1
        client.disconnect()

    def run(self):
        workers = [threading.Thread(target=self.work, args=(index,)) for index in range(THREADS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


def make_users(data):
    for number in range(20):
        subprocess.run([BINARY, "user", "create", f"user{number}", "--role", "viewer", "--data", data],
                       input=PASSWORD + "\n", text=True, check=True, capture_output=True)


def measure():
    """{ p50, p99: in the storm; calm_p99; statuses: of the logins, by HTTP status }."""
    scratch = tempfile.mkdtemp(prefix="flowhost-bench-")
    try:
        with open(os.path.join(scratch, "const.lua"), "w", encoding="utf-8") as file:
            file.write(CONST)
        data = os.path.join(scratch, "data")
        make_users(data)
        with Host(scratch, data_dir=data, binary=BINARY) as host:
            ask(host, 1)
            _, calm_p99 = ask(host, SECONDS / 2)
            storm = Storm(host)
            storm.start()
            p50, p99 = ask(host, SECONDS)
            storm.join()
        return {"p50": p50, "p99": p99, "calm_p99": calm_p99, "statuses": dict(storm.statuses)}
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
