# SPDX-License-Identifier: MIT
"""SIGTERM and SIGINT: running work ends, new work is refused, what waits for long is left to the next start."""
import os
import signal
import socket
import threading
import unittest

from suite import (SECONDS, Background, Client, FolderCase, Host, Problems, Upstream, ask, get_run, get_steps, start_run,
                   wait_for_run, wait_until)

FLOWS = {
    "host.lua": 'return { env = { UPSTREAM = os.getenv "UPSTREAM" } }',
    "calls.lua": """
return { http = "POST /calls", run = function(ctx)
    local first = ctx.request { url = ctx.env.UPSTREAM .. "/first" }
    return { first, ctx.request { url = ctx.env.UPSTREAM .. "/second", method = "POST" } }
end }
""",
    "never.lua": "return { http = 'GET /never', durable = 'never', run = function(ctx) return ctx.request { url = ctx.env.UPSTREAM } end }",
    "hello.lua": "return { http = 'GET /hello', durable = 'never', run = function() return 'hello' end }",
    "sleeps.lua": "return function(ctx) ctx.sleep(3600) end",
}


class Shutdown(Problems, FolderCase):
    FLOWS = FLOWS
    SHARDS = 1
    DRAIN = "600"

    def setUp(self):
        super().setUp()
        self.release, self.called = threading.Event(), threading.Event()
        self.addCleanup(self.release.set)
        self.upstream = self.enterContext(Upstream(self.handle))
        self.data = os.path.join(self.scratch, "data")
        self.host = self.start()

    def start(self):
        return self.enterContext(Host(self.folder, data_dir=self.data, env={"UPSTREAM": self.upstream.url},
                                      args=["--shards", str(self.SHARDS), "--drain-timeout", self.DRAIN]))

    def handle(self, _):
        self.called.set()
        self.release.wait(SECONDS)
        return 200, {}

    def call(self, method, path):
        """Begins a call that waits for the upstream."""
        client = Client(self.host.port)
        self.addCleanup(client.disconnect)
        call = Background(lambda: ask(client, method, path))
        self.assertTrue(self.called.wait(SECONDS))
        return call

    def connected(self):
        """A client with an open connection."""
        client = Client(self.host.port)
        self.addCleanup(client.disconnect)
        self.assertEqual(ask(client, "GET", "/healthz").status, 200)
        return client

    def can_connect(self):
        try:
            socket.create_connection(("127.0.0.1", self.host.port)).close()
            return True
        except OSError:
            return False

    def wait_until_closing(self):
        wait_until(lambda: "closing down" in self.host.log, SECONDS, "the host to close down")

    def test_idle_host_ends_at_once(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.assertEqual(ask(self.host, "GET", "/hello").body, "hello")
            self.host.signal(number)
            self.assertEqual(self.host.wait(), 0)
            self.host.start()

    def test_running_requests_end(self):
        for method, path in (("POST", "/calls"), ("GET", "/never")):
            self.called.clear()
            self.release.clear()
            call = self.call(method, path)
            self.host.signal(signal.SIGTERM)
            self.wait_until_closing()
            self.release.set()
            self.assertEqual(call.result().status, 200)
            self.assertEqual(self.host.wait(), 0)
            self.host.start()

    def test_new_work_is_refused(self):
        call = self.call("POST", "/calls")
        requests = (("GET", "/readyz"), ("GET", "/hello"), ("POST", "/v1/flows/calls/runs"))
        kept = [(self.connected(), *request) for request in requests for _ in range(4)]
        others = self.connected(), self.connected()
        self.host.signal(signal.SIGTERM)
        self.wait_until_closing()
        # Shards are told one after the other; each connection is answered once more and closed.
        wait_until(lambda: not self.can_connect(), SECONDS, "the shards to stop listening")
        for client, method, path in kept:
            self.assert_problem(ask(client, method, path), 503, "DRAINING")
        for client, path in zip(others, ("/healthz", "/v1/runs")):
            self.assertEqual(ask(client, "GET", path).status, 200)
        with self.assertRaises(OSError):
            ask(Client(self.host.port), "GET", "/healthz")
        self.release.set()
        self.assertEqual(call.result().status, 200)
        self.assertEqual(self.host.wait(), 0)

    def test_second_signal_leaves_at_once(self):
        call = self.call("POST", "/calls")
        self.host.signal(signal.SIGTERM)
        self.wait_until_closing()
        self.host.signal(signal.SIGTERM)
        self.assertEqual(self.host.wait(), 0)
        try:
            self.assertNotEqual(call.result().status, 200)
        except OSError:
            pass
        self.release.set()
        self.host.start()
        (run,) = ask(self.host, "GET", "/v1/runs?flow=calls").body["items"]
        self.assertEqual(wait_for_run(self.host, run["id"])["status"], "succeeded")

    def test_a_sleeping_run_is_left_to_the_next_start(self):
        run = start_run(self.host, "sleeps", Prefer="respond-async").run
        wait_until(lambda: get_steps(self.host, run), SECONDS, "the sleep")
        self.assertEqual(self.host.stop(), 0)
        self.host.start()
        self.assertEqual(get_run(self.host, run)["status"], "running")
        self.assertEqual(ask(self.host, "POST", f"/v1/runs/{run}/cancel").status, 202)


class ShutdownOfTwoShards(Shutdown):
    SHARDS = 2


class DrainTimeout(Shutdown):
    """Only this much patience: what does not end in time goes on after the next start."""

    DRAIN = "0.2"
    test_idle_host_ends_at_once = test_running_requests_end = test_new_work_is_refused = None
    test_second_signal_leaves_at_once = test_a_sleeping_run_is_left_to_the_next_start = None

    def test_the_host_does_not_wait_for_ever(self):
        self.call("POST", "/calls").thread.name = "cut"
        self.assertEqual(self.host.stop(), 0)
        self.release.set()
        self.host.start()
        (run,) = ask(self.host, "GET", "/v1/runs?flow=calls").body["items"]
        self.assertEqual(wait_for_run(self.host, run["id"])["status"], "succeeded")
        keys = {request.headers["Idempotency-Key"] for request in self.upstream.requests if request.path == "/second"}
        self.assertEqual(keys, {f"{run['id']}/2"})


if __name__ == "__main__":
    unittest.main()
