#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The harness itself, tried with a small stand-in for flowhost."""
import os
import sys
import tempfile
import textwrap
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Client, Drop, HarnessError, Host, Upstream, wait_until  # noqa: E402

# Serves /echo, /close (an answer, then the connection is cut) and /die. FAKE=refuse: does not start; dirty: ends with 3.
STAND_IN = '''
import http.server, json, os, signal, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/die":
            os._exit(9)
        answer = json.dumps({"path": self.path, "body": body.decode(), "port": self.client_address[1]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        self.close_connection = self.path == "/close"
    def log_message(self, *_):
        pass

if os.environ.get("FAKE") == "refuse":
    sys.exit("data folder is locked")
signal.signal(signal.SIGTERM, lambda *_: os._exit(3 if os.environ.get("FAKE") == "dirty" else 0))
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
assert sys.argv[2:4] == ["--listen", "127.0.0.1:0"] and sys.argv[4] == "--data", sys.argv
print(f"listening on 127.0.0.1:{server.server_address[1]}", file=sys.stderr, flush=True)
server.serve_forever()
'''


class HostTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="harness-")
        self.addCleanup(self.folder.cleanup)
        self.binary = os.path.join(self.folder.name, "stand-in")
        with open(self.binary, "w", encoding="utf-8") as file:
            file.write(f"#!{sys.executable}\n" + textwrap.dedent(STAND_IN))
        os.chmod(self.binary, 0o755)

    def host(self, **options):
        return Host("flows", binary=self.binary, **options)

    def test_request_keeps_the_connection(self):
        with self.host() as host:
            _, _, first = host.request("POST", "/echo", {"a": [1]})
            status, headers, second = host.request("POST", "/echo", "text")
            self.assertEqual((status, headers["content-type"]), (200, "application/problem+json"))
            self.assertEqual((first["body"], second["body"]), ('{"a": [1]}', "text"))
            self.assertEqual(first["port"], second["port"])
            self.assertIsInstance(host.request("POST", "/echo", raw=True)[2], bytes)
        self.assertFalse(os.path.exists(host.scratch))

    def test_connection_closed_by_host_is_replaced(self):
        with self.host() as host:
            first = host.request("POST", "/close")[2]
            wait_until(lambda: host.local.connection.sock is None or host.request("POST", "/echo"), 5, "a new one")
            self.assertNotEqual(first["port"], host.request("POST", "/echo")[2]["port"])

    def test_kill_and_start_again(self):
        with self.host() as host:
            host.request("POST", "/echo")
            self.assertEqual(host.kill(), -9)
            host.start(env={"FAKE": ""})
            self.assertEqual(host.request("POST", "/echo")[0], 200)
            self.assertEqual(host.log.count("listening"), 2)
            with self.assertRaises(OSError):
                host.request("POST", "/die")
            self.assertEqual(host.wait(), 9)
            host.start()
            self.assertEqual(host.stop(), 0)

    def test_threads_have_their_own_connections(self):
        with self.host() as host:
            ports = []
            threads = [threading.Thread(target=lambda: ports.append(host.request("POST", "/echo")[2]["port"]))
                       for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(len(set(ports)), 4)

    def test_failed_start_shows_the_log(self):
        with self.assertRaisesRegex(HarnessError, "(?s)ended with 1 before it listened.*data folder is locked"):
            self.host(env={"FAKE": "refuse"})

    def test_bad_exit_code_fails_the_with(self):
        with self.assertRaisesRegex(HarnessError, "ended with 3 instead of 0"):
            with self.host(env={"FAKE": "dirty"}):
                pass


class UpstreamTest(unittest.TestCase):
    def client(self, upstream):
        client = Client(upstream.port)
        self.addCleanup(client.disconnect)
        return client

    def test_records_and_answers(self):
        def handler(request):
            return (201, {"id": request.json["n"]}, {"X-A": 1}) if request.body else 204
        with Upstream(handler) as upstream:
            client = self.client(upstream)
            status, headers, body = client.request("POST", "/users?x=1", {"n": 7}, {"Idempotency-Key": "k"})
            self.assertEqual((status, headers["X-A"], body), (201, "1", {"id": 7}))
            self.assertEqual(client.request("GET", "/empty")[0], 204)
            first, second = upstream.requests
            self.assertEqual((first.method, first.path, first.json), ("POST", "/users?x=1", {"n": 7}))
            self.assertEqual((first.headers["idempotency-key"], second.path), ("k", "/empty"))
            upstream.forget()
            self.assertEqual(upstream.requests, [])

    def test_drop_cuts_and_stop_refuses(self):
        def handler(request):
            raise Drop
        with Upstream(handler) as upstream:
            client = self.client(upstream)
            with self.assertRaises(ConnectionError):
                client.request("GET", "/")
        with self.assertRaises(ConnectionRefusedError):
            client.request("GET", "/")


class WaitTest(unittest.TestCase):
    def test_says_what_and_why(self):
        with self.assertRaisesRegex(HarnessError, "waited 0 s in vain for the moon; last error: ZeroDivisionError"):
            wait_until(lambda: 1 / 0, 0, "the moon")
        self.assertEqual(wait_until(lambda: 7, 0, "seven"), 7)


if __name__ == "__main__":
    unittest.main()
