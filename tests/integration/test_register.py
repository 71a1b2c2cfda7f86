# SPDX-License-Identifier: MIT
"""The demo: POST /register calls three services, the second and third at the same time."""
import os
import re
import threading
import unittest

from suite import (ROOT, RUN_ID, SECONDS, TIME, Host, Problems, Upstream, ask, closed_port, get_run, get_steps,
                   in_threads, partition_of)

FLOWS = os.path.join(ROOT, "flows")
PHONE = "13800000000"


class Services:
    """User, coupon and message service. The latter two answer only once both have been asked: each call of one must
    overlap with one of the other."""

    def __init__(self):
        self.both = threading.Barrier(2)

    def __call__(self, request):
        if request.path == "/users":
            return 201, {"id": 17, "phone": request.json["phone"]}
        self.both.wait(SECONDS)
        if request.path == "/coupons":
            return 200, {"code": f"C-{request.json['user_id']}"}
        return 200, {"sent": True, "to": request.json["phone"]}


def env_for(url, prefix=""):
    return {"USER_URL": f"{url}{prefix}/users", "COUPON_URL": f"{url}{prefix}/coupons",
            "MESSAGE_URL": f"{url}{prefix}/messages"}


def register(host, headers=None):
    return ask(host, "POST", "/register", {"phone": PHONE}, headers)


class Demo(Problems, unittest.TestCase):
    """Against the demo's own services, which are flows of the same host."""

    SHARDS = 1

    def setUp(self):
        port = closed_port()
        self.host = self.enterContext(Host(FLOWS, env=env_for(f"http://127.0.0.1:{port}", "/demo"), args=[
            "--listen", f"127.0.0.1:{port}", "--shards", str(self.SHARDS)]))

    def test_registers(self):
        answer = register(self.host)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(answer.body, {"code": 200, "msg": "success", "data": {
            "user": {"id": 17, "phone": PHONE},
            "coupon": {"code": "WELCOME-17", "percent": 10},
            "message": {"sent": True, "to": PHONE},
        }})

    def test_registers_many_at_once(self):
        answers = in_threads(16, lambda _: [register(self.host) for _ in range(8)])
        self.assertEqual({answer.status for list_ in answers for answer in list_}, {200})
        runs = {answer.run for list_ in answers for answer in list_}
        self.assertEqual(len(runs), 128)
        self.assertEqual({get_run(self.host, run)["status"] for run in runs}, {"succeeded"})

    def test_refuses_a_body_without_phone(self):
        answer = ask(self.host, "POST", "/register", {})
        problem = self.assert_problem(answer, 400, "INPUT_INVALID")
        self.assertEqual([error["pointer"] for error in problem["errors"]], ["/body/phone"])

    def test_greets_by_query(self):
        self.assertEqual(ask(self.host, "GET", "/hello?name=Ada%20L").body, {"hello": "Ada L"})
        self.assertEqual(ask(self.host, "GET", "/hello").body, {"hello": "world"})


class DemoOnFourShards(Demo):
    SHARDS = 4


class Outside(Problems, unittest.TestCase):
    """Against services put in by environment variable."""

    SHARDS = 1

    def setUp(self):
        self.upstream = self.enterContext(Upstream(Services()))
        self.host = self.enterContext(Host(FLOWS, env=env_for(self.upstream.url), args=["--shards", str(self.SHARDS)]))

    def by_path(self):
        return {request.path: request for request in self.upstream.requests}

    def test_calls_coupon_and_message_at_the_same_time(self):
        answer = register(self.host)
        self.assertEqual((answer.status, answer.body["data"]), (200, {
            "user": {"id": 17, "phone": PHONE}, "coupon": {"code": "C-17"}, "message": {"sent": True, "to": PHONE}}))
        self.assertEqual(self.upstream.requests[0].path, "/users")
        self.assertEqual({(r.method, r.path) for r in self.upstream.requests},
                         {("POST", "/users"), ("POST", "/coupons"), ("POST", "/messages")})

    def test_sends_keys_of_run_and_step(self):
        run = register(self.host).run
        keys = {path: request.headers["Idempotency-Key"] for path, request in self.by_path().items()}
        self.assertEqual(keys, {"/users": f"{run}/1", "/coupons": f"{run}/2.1.1", "/messages": f"{run}/2.2.1"})

    def test_hands_the_trace_on(self):
        trace = "0af7651916cd43dd8448eb211c80319c"
        answer = register(self.host, {"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
        self.assertEqual(get_run(self.host, answer.run)["trace_id"], trace)
        parents = [request.headers["traceparent"] for request in self.upstream.requests]
        for parent in parents:
            self.assertRegex(parent, rf"^00-{trace}-[0-9a-f]{{16}}-[0-9a-f]{{2}}$")
        self.assertEqual(len(set(parents)), 3, "each call is a span of its own")

    def test_makes_a_trace_up(self):
        trace = get_run(self.host, register(self.host).run)["trace_id"]
        self.assertRegex(trace, r"^[0-9a-f]{32}$")
        for request in self.upstream.requests:
            self.assertEqual(request.headers["traceparent"].split("-")[1], trace)

    def test_row_and_steps(self):
        answer = register(self.host)
        run = get_run(self.host, answer.run)
        self.assertRegex(run["id"], rf"^{RUN_ID.pattern}$")
        self.assertEqual((run["id"], run["flow"], run["status"], run["durable"], run["error"], run["attempt"]),
                         (answer.run, "register", "succeeded", "always", None, 1))
        self.assertEqual(run["output"], answer.body)
        self.assertEqual((run["input"]["body"], run["input"]["method"], run["input"]["path"]),
                         ({"phone": PHONE}, "POST", "/register"))
        for name in ("created_at", "started_at", "ended_at"):
            self.assertRegex(run[name], rf"^{TIME.pattern}$")
        self.assertLessEqual(run["created_at"], run["ended_at"])
        self.assertTrue(re.fullmatch(r"[0-9a-f]+", run["version"]))
        steps = get_steps(self.host, answer.run)
        self.assertEqual([(p, s["kind"], s["status"]) for p, s in steps.items()], [
            ("1", "request", "succeeded"), ("2", "all", "succeeded"), ("2.1.1", "request", "succeeded"),
            ("2.2.1", "request", "succeeded")])
        self.assertEqual(steps["1"]["name"], f"POST {self.upstream.url}/users")
        self.assertEqual(steps["1"]["output"], {"id": 17, "phone": PHONE})
        self.assertEqual(steps["2.1.1"]["output"], {"code": "C-17"})
        self.assertRegex(steps["1"]["line"], r"^register\.lua:\d+$")
        for step in steps.values():
            self.assertRegex(step["started_at"], rf"^{TIME.pattern}$")
            self.assertGreaterEqual(step["started_at"], steps["1"]["started_at"])

    def test_many_at_once(self):
        answers = in_threads(16, lambda _: register(self.host))
        self.assertEqual({answer.status for answer in answers}, {200})
        runs = {answer.run for answer in answers}
        keys = [request.headers["Idempotency-Key"] for request in self.upstream.requests]
        self.assertEqual(sorted(keys), sorted(f"{run}/{path}" for run in runs for path in ("1", "2.1.1", "2.2.1")))


class OutsideOnTwoShards(Outside):
    SHARDS = 2

    def test_both_shards_take_runs(self):
        shards = {partition_of(answer.run) % 2 for answer in in_threads(32, lambda _: register(self.host))}
        self.assertEqual(shards, {0, 1})


class OutsideOnFourShards(Outside):
    SHARDS = 4


if __name__ == "__main__":
    unittest.main()
