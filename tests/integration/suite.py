# SPDX-License-Identifier: MIT
"""What the integration tests share: flows in a temporary folder, one host a class, runs started and watched over /v1.

    class MyTest(HostCase):
        FLOWS = {"hello.lua": "return function(ctx, input) return { hello = input.name } end"}
        SHARDS = 2

        def test_it(self):
            answer = self.start_run("hello", {"name": "Ada"})
            self.assertEqual((answer.status, answer.body), (200, {"hello": "Ada"}))
"""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from typing import NamedTuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import ROOT, Client, Drop, Host, Upstream, wait_until  # noqa: E402,F401 pylint: disable=wrong-import-position

SECONDS = 30  # no answer in this time is none
ENDED = ("succeeded", "failed", "broken", "cancelled", "timed_out", "suspended")
BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RUN_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Answer(NamedTuple):
    """What a request brought; `run` is the id of the run that answered it."""
    status: int
    headers: dict
    body: object

    @property
    def run(self):
        return self.headers["Flowhost-Run"]


def binary():
    return os.environ.get("FLOWHOST_BINARY") or os.path.join(ROOT, "build", "debug", "flowhost")


def run_program(*args, env=None, cwd=None):
    """The program to its end: exit code, stdout, stderr."""
    done = subprocess.run([binary(), *args], capture_output=True, text=True, timeout=SECONDS, check=False, cwd=cwd,
                          env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def write_files(folder, files):
    """Writes { path: text } below folder; a text of None removes the file."""
    for path, text in files.items():
        full = os.path.join(folder, path)
        if text is None:
            os.remove(full)
            continue
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)


def closed_port():
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def partition_of(run_id):
    """The partition that a run id carries: 48 bits of time, then these 8."""
    number = 0
    for char in run_id:
        number = number * 32 + BASE32.index(char)
    return number >> 72 & 0xFF


def ask(client, method, path, body=None, headers=None, **options):
    return Answer(*client.request(method, path, body, headers, **options))


def start_run(client, flow, value=None, **headers):
    """POST /v1/flows/{flow}/runs; headers by name with _ for -, e.g. prefer="respond-async"."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return ask(client, "POST", f"/v1/flows/{flow}/runs", json.dumps(value),
               {"Content-Type": "application/json", **named})


def get_run(client, run_id):
    return ask(client, "GET", f"/v1/runs/{run_id}").body


def get_steps(client, run_id):
    """path -> step."""
    return {step["path"]: step for step in ask(client, "GET", f"/v1/runs/{run_id}/steps").body["items"]}


def wait_for_run(client, run_id, *statuses):
    """Waits until the run has one of the statuses (any end when none is given); the run."""
    def look():
        run = get_run(client, run_id)
        return run if run["status"] in (statuses or ENDED) else None
    return wait_until(look, SECONDS, f"run {run_id} to be {' or '.join(statuses) or 'over'}")


def recover(client, run_id):
    return ask(client, "POST", f"/v1/runs/{run_id}/recover")


def in_threads(count, call):
    """call(i) for i in range(count), all at the same time, each on its own thread; the results in order."""
    results, barrier = [None] * count, threading.Barrier(count)

    def work(index):
        barrier.wait(SECONDS)
        try:
            results[index] = call(index)
        except Exception as error:  # pylint: disable=broad-except
            results[index] = error
    threads = [threading.Thread(target=work, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


class Background:
    """A call on a thread of its own; result() waits for it."""

    def __init__(self, call):
        self.value = self.error = None
        self.thread = threading.Thread(target=self.work, args=(call,))
        self.thread.start()

    def work(self, call):
        try:
            self.value = call()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def result(self):
        self.thread.join(SECONDS)
        assert not self.thread.is_alive(), "the call has not ended"
        if self.error:
            raise self.error
        return self.value


def clients_by_shard(host, shards, flow):
    """A client connected to each shard: shard -> Client. `flow` is one whose runs end at once."""
    found = {}
    for _ in range(50 * shards):
        client = Client(host.port)
        shard = partition_of(start_run(client, flow).run) % shards
        if shard in found:
            client.disconnect()
        else:
            found[shard] = client
            if len(found) == shards:
                return found
    raise AssertionError(f"connections reached only the shards {sorted(found)} of {shards}")


class FolderCase(unittest.TestCase):
    """self.folder: a temporary folder with the files of FLOWS."""

    FLOWS = {}

    def setUp(self):
        super().setUp()
        scratch = self.enterContext(tempfile.TemporaryDirectory(prefix="flowhost-test-"))
        self.scratch = scratch
        self.folder = os.path.join(scratch, "flows")
        os.makedirs(self.folder)
        write_files(self.folder, self.FLOWS)

    def write(self, files):
        write_files(self.folder, files)

    def serve(self, **options):
        """A host on the folder until the test ends; it must then end with 0."""
        return self.enterContext(Host(self.folder, **options))


class Problems:
    """Assertions on problem+json answers."""

    def assert_problem(self, answer, status, code, run=None):
        self.assertEqual((answer.status, answer.body.get("code") if isinstance(answer.body, dict) else answer.body),
                         (status, code), answer.body)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        self.assertEqual(answer.body["status"], status)
        for member in ("type", "title", "detail"):
            self.assertIsInstance(answer.body[member], str)
            self.assertTrue(answer.body[member])
        if run is not None:
            self.assertEqual((answer.body["run"], answer.run), (run, run))
        return answer.body


class HostCase(Problems, unittest.TestCase):
    """One host for all tests of the class, on FLOWS; and an Upstream that `handle` answers, its url in ctx.env.UPSTREAM."""

    FLOWS = {}
    SHARDS = 1
    ARGS = ()
    HOST_LUA = 'return { env = { UPSTREAM = os.getenv "UPSTREAM" } }'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="flowhost-test-"))
        write_files(folder, {"host.lua": cls.HOST_LUA, **cls.FLOWS})
        cls.upstream = cls.enterClassContext(Upstream())
        cls.host = cls.enterClassContext(Host(folder, args=["--shards", str(cls.SHARDS), *cls.ARGS],
                                              env={"UPSTREAM": cls.upstream.url}))

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        if cls.host.process.poll() is not None:
            print(cls.host.log_tail(), file=sys.stderr)

    def setUp(self):
        super().setUp()
        self.upstream.handler = self.handle
        self.upstream.forget()

    def handle(self, _):
        return 200, {}

    def ask(self, method, path, body=None, headers=None, **options):
        return ask(self.host, method, path, body, headers, **options)

    def start_run(self, flow, value=None, **headers):
        return start_run(self.host, flow, value, **headers)

    def output_of(self, flow, value=None):
        """The output of a run that must succeed."""
        answer = self.start_run(flow, value)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.body

    def steps_of(self, answer):
        return get_steps(self.host, answer.run)
