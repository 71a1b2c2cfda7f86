# SPDX-License-Identifier: MIT
"""POST /v1/flows/{name}/runs: waiting, Prefer, Idempotency-Key; and what GET /v1/flows tells."""
import base64
import json
import threading
import unittest

from suite import (SECONDS, Background, HostCase, clients_by_shard, get_run, in_threads, recover, start_run,
                   wait_for_run, wait_until)

FLOWS = {
    "echo.lua": "return function(ctx, input) return input end",
    "hello.lua": "return { description = 'Greets.', http = 'GET /hello', durable = 'never', run = function() return 1 end }",
    "deep/er/named.lua": "return { http = 'PUT /things/{id}/parts/{part}', on_error = 'fail', run = function(ctx, input) return input.params end }",
    "calls.lua": """
return function(ctx, input)
    return { got = ctx.request { url = ctx.env.UPSTREAM .. "/call", json = input }, id = ctx.uuid() }
end
""",
    "answers.lua": """
return function(ctx, input)
    ctx.response({ early = ctx.uuid() }, { status = 201, headers = { ["X-Own"] = "1" } })
    ctx.request { url = ctx.env.UPSTREAM .. "/call", json = input }
    return { output = true }
end
""",
    "checked.lua": """
return {
    request = { body = { n = { type = "int", required = true, min = 1 } } },
    run = function(ctx, input) return input.body.n end,
}
""",
    "fails.lua": "return { on_error = 'fail', run = function(ctx) error('no') end }",
    "stops.lua": "return function(ctx) ctx.stop('enough') end",
    "never_calls.lua": """
return { durable = "never", run = function(ctx) return ctx.request { url = ctx.env.UPSTREAM .. "/call" } end }
""",
}


class Start(HostCase):
    FLOWS = FLOWS

    def setUp(self):
        super().setUp()
        self.release = threading.Event()
        self.addCleanup(self.release.set)
        self.key = f"key {self.id()} {self.SHARDS}"

    def block(self):
        def handle(_):
            self.release.wait(SECONDS)
            return 200, {"done": True}
        self.upstream.handler = handle

    def wait_for_call(self, count=1):
        wait_until(lambda: len(self.upstream.requests) >= count, SECONDS, "the call")

    # --- waiting

    def test_answers_with_the_output(self):
        for value in ({"a": [1, None]}, [], {}, "text", 7, True, False, None, 9007199254740993, 0.1):
            answer = self.ask("POST", "/v1/flows/echo/runs", json.dumps(value), raw=True)
            self.assertEqual((answer.status, answer.headers["Content-Type"], answer.body.strip()), (
                200, "application/json", json.dumps(value, separators=(",", ":")).encode()))
            run = get_run(self.host, answer.run)
            self.assertEqual((run["input"], run["output"], run["status"]), (value, value, "succeeded"))

    def test_no_body_is_null(self):
        answer = self.ask("POST", "/v1/flows/echo/runs")
        self.assertEqual((answer.status, answer.body), (200, None))

    def test_names_with_a_slash(self):
        answer = self.start_run("deep/er/named", {"params": {"x": 1}})
        self.assertEqual((answer.status, answer.body, get_run(self.host, answer.run)["flow"]),
                         (200, {"x": 1}, "deep/er/named"))

    def test_unknown_flow(self):
        for name in ("nobody", "deep/er", "deep/er/named/more", "host", "..%2fhost"):
            self.assert_problem(self.start_run(name), 404, "NO_FLOW")

    def test_respond_async(self):
        self.block()
        answer = self.start_run("calls", {"n": 1}, Prefer="respond-async")
        self.assertEqual((answer.status, answer.headers["Location"]), (202, f"/v1/runs/{answer.run}"))
        self.assertEqual((answer.body["id"], answer.body["status"], answer.body["flow"], answer.body["input"]),
                         (answer.run, "running", "calls", {"n": 1}))
        self.assertEqual(get_run(self.host, answer.run)["status"], "running")
        self.release.set()
        run = wait_for_run(self.host, answer.run)
        self.assertEqual((run["status"], run["output"]["got"]), ("succeeded", {"done": True}))

    def test_respond_async_of_a_run_that_ends_at_once(self):
        for flow, status in (("echo", "succeeded"), ("fails", "failed"), ("stops", "broken")):
            answer = self.start_run(flow, {}, Prefer="respond-async")
            self.assertEqual((answer.status, answer.headers["Location"]), (202, f"/v1/runs/{answer.run}"), flow)
            self.assertEqual(wait_for_run(self.host, answer.run)["status"], status)

    def test_wait_over(self):
        self.block()
        answer = self.start_run("calls", {}, Prefer="wait=1")
        self.assertEqual((answer.status, answer.body["status"], answer.headers["Location"]),
                         (202, "running", f"/v1/runs/{answer.run}"))
        self.release.set()
        self.assertEqual(wait_for_run(self.host, answer.run)["status"], "succeeded")

    def test_wait_not_over(self):
        answer = self.start_run("calls", {}, Prefer="wait=30")
        self.assertEqual((answer.status, answer.body["got"]), (200, {}))

    def test_never_cannot_be_asked_for_later(self):
        for prefer in ("respond-async", "wait=0"):
            answer = self.start_run("never_calls", {}, Prefer=prefer)
            self.assertEqual((answer.status, answer.body), (200, {}))

    def test_a_caller_who_leaves_does_not_end_the_run(self):
        self.block()
        with self.assertRaises(TimeoutError):
            self.ask("POST", "/v1/flows/calls/runs", {"left": 1}, timeout=0.2)
        self.wait_for_call()
        (run,) = self.ask("GET", "/v1/runs?flow=calls&status=running").body["items"]
        self.release.set()
        self.assertEqual(wait_for_run(self.host, run["id"])["status"], "succeeded")

    # --- what is wrong

    def test_body_that_is_not_json(self):
        for body, place in (('{"a":', "line 1 column 6"), ('{"a":1,\n  b}', "line 2 column 3"), ("nul", "line 1 column 1"),
                            ("[1,]", "line 1 column 4"), ('"\xff"', "line 1 column 2"), ("{} x", "line 1 column 4")):
            problem = self.assert_problem(
                self.ask("POST", "/v1/flows/echo/runs", body.encode("latin-1")), 400, "BODY_NOT_JSON")
            self.assertIn(place, problem["detail"], body)

    def test_input_that_breaks_the_rules(self):
        problem = self.assert_problem(self.start_run("checked", {"body": {"n": 0}}), 400, "INPUT_INVALID")
        self.assertEqual([error["pointer"] for error in problem["errors"]], ["/body/n"])
        for value in (7, [1], {"body": [1]}, None, {}):
            self.assert_problem(self.start_run("checked", value), 400, "INPUT_INVALID")
        problem = self.assert_problem(self.start_run("checked", 7), 400, "INPUT_INVALID")
        self.assertEqual(problem["detail"], "the input must be a JSON object")
        self.assertEqual(self.output_of("checked", {"body": {"n": 3}}), 3)

    def test_ends_badly(self):
        self.assert_problem(self.start_run("fails"), 500, "LUA_ERROR")
        self.assert_problem(self.start_run("stops"), 409, "BROKEN")

    # --- Idempotency-Key

    def same(self, answers):
        first = answers[0]
        for answer in answers:
            self.assertEqual((answer.status, answer.body, answer.run), (first.status, first.body, first.run))
        return first

    def test_the_same_key_joins_later(self):
        answers = [self.start_run("calls", {"n": 1}, Idempotency_Key=self.key) for _ in range(3)]
        self.assertEqual(self.same(answers).status, 200)
        self.assertEqual(len(self.upstream.requests), 1)

    def test_the_same_key_joins_at_the_same_time(self):
        self.block()
        calls = [Background(lambda: self.start_run("calls", {"n": 1}, Idempotency_Key=self.key)) for _ in range(12)]
        self.wait_for_call()
        calls.append(Background(lambda: self.start_run("calls", {"n": 1}, Idempotency_Key=self.key)))
        self.release.set()
        self.assertEqual(self.same([call.result() for call in calls]).status, 200)
        self.assertEqual(len(self.upstream.requests), 1)

    def test_the_same_key_joins_on_every_shard(self):
        clients = list(clients_by_shard(self.host, self.SHARDS, "echo").values())
        for client in clients:
            self.addCleanup(client.disconnect)
        self.block()
        calls = [Background(lambda c=client: start_run(c, "calls", {"n": 2}, Idempotency_Key=self.key)) for client in clients]
        self.wait_for_call()
        self.release.set()
        first = self.same([call.result() for call in calls])
        later = [start_run(client, "calls", {"n": 2}, Idempotency_Key=self.key) for client in clients]
        self.assertEqual(self.same([first, *later]).status, 200)
        self.assertEqual(len(self.upstream.requests), 1)

    def test_many_keys_at_once(self):
        def work(_):
            return [start_run(self.host, "calls", {"n": n}, Idempotency_Key=f"{self.key}/{n}") for n in range(20)]
        lists = in_threads(8, work)
        for answers in zip(*lists):
            self.assertEqual(self.same(answers).status, 200)
        self.assertEqual(len(self.upstream.requests), 20)

    def test_another_input_is_a_conflict(self):
        first = self.start_run("calls", {"n": 1}, Idempotency_Key=self.key)
        answer = self.start_run("calls", {"n": 2}, Idempotency_Key=self.key)
        self.assert_problem(answer, 409, "IDEMPOTENCY_CONFLICT", first.run)
        self.assertEqual(len(self.upstream.requests), 1)

    def test_another_input_is_a_conflict_while_the_first_runs(self):
        self.block()
        call = Background(lambda: self.start_run("calls", {"n": 1}, Idempotency_Key=self.key))
        self.wait_for_call()
        self.assert_problem(self.start_run("calls", {"n": 2}, Idempotency_Key=self.key), 409, "IDEMPOTENCY_CONFLICT")
        self.release.set()
        self.assertEqual(call.result().status, 200)

    def test_a_key_is_one_flow_s(self):
        one = self.start_run("calls", {}, Idempotency_Key=self.key)
        other = self.start_run("echo", {}, Idempotency_Key=self.key)
        self.assertEqual((one.status, other.status), (200, 200))
        self.assertNotEqual(one.run, other.run)

    def test_joins_with_respond_async(self):
        self.block()
        first = self.start_run("calls", {}, Idempotency_Key=self.key, Prefer="respond-async")
        again = self.start_run("calls", {}, Idempotency_Key=self.key, Prefer="respond-async")
        self.assertEqual((first.status, again.status, again.run), (202, 202, first.run))
        waiting = self.start_run("calls", {}, Idempotency_Key=self.key, Prefer="wait=1")
        self.assertEqual((waiting.status, waiting.run), (202, first.run))
        self.release.set()
        last = self.start_run("calls", {}, Idempotency_Key=self.key)
        self.assertEqual((last.status, last.run), (200, first.run))
        self.assertEqual(len(self.upstream.requests), 1)

    def test_joins_what_failed(self):
        for flow, status, code in (("fails", 500, "LUA_ERROR"), ("stops", 409, "BROKEN")):
            answers = [self.start_run(flow, {}, Idempotency_Key=self.key) for _ in range(2)]
            self.assert_problem(self.same(answers), status, code)

    def test_joins_a_suspended_run_and_its_end(self):
        self.upstream.handler = lambda _: (500, {})
        answers = [self.start_run("calls", {}, Idempotency_Key=self.key) for _ in range(2)]
        first = self.same(answers)
        self.assert_problem(first, 502, "HTTP_STATUS", first.run)
        self.upstream.handler = self.handle
        self.assertEqual(recover(self.host, first.run).status, 202)
        wait_for_run(self.host, first.run)
        last = self.start_run("calls", {}, Idempotency_Key=self.key)
        self.assertEqual((last.status, last.run, last.body["got"]), (200, first.run, {}))

    def test_joins_an_early_answer(self):
        self.block()
        answers = [self.start_run("answers", {}, Idempotency_Key=self.key) for _ in range(2)]
        self.release.set()
        wait_for_run(self.host, answers[0].run)
        answers.append(self.start_run("answers", {}, Idempotency_Key=self.key))
        first = self.same(answers)
        self.assertEqual((first.status, list(first.body), [a.headers["X-Own"] for a in answers]), (201, ["early"], ["1"] * 3))

    def test_keys_that_cannot_be(self):
        self.assert_problem(self.start_run("never_calls", {}, Idempotency_Key="k"), 422, "NOT_DURABLE")
        self.assert_problem(self.start_run("echo", {}, Idempotency_Key="k" * 256), 422, "KEY_TOO_LONG")
        self.assertEqual(self.start_run("echo", {}, Idempotency_Key="k" * 255).status, 200)

    # --- flows

    def test_flows(self):
        flows = self.ask("GET", "/v1/flows").body
        self.assertEqual([flow["name"] for flow in flows["items"]], sorted(name[:-4] for name in FLOWS))
        self.assertEqual((flows["next"], flows["problems"]), (None, []))
        for flow in flows["items"]:
            self.assertEqual(self.ask("GET", "/v1/flows/" + flow["name"]).body, flow)

    def test_one_flow(self):
        flow = self.ask("GET", "/v1/flows/hello").body
        self.assertEqual((flow["name"], flow["file"], flow["description"], flow["http"], flow["durable"], flow["on_error"]),
                         ("hello", "hello.lua", "Greets.", "GET /hello", "never", "suspend"))
        flow = self.ask("GET", "/v1/flows/deep/er/named").body
        self.assertEqual((flow["name"], flow["description"], flow["durable"], flow["on_error"]),
                         ("deep/er/named", None, "always", "fail"))
        self.assert_problem(self.ask("GET", "/v1/flows/nobody"), 404, "NO_FLOW")

    def test_route_with_parameters(self):
        answer = self.ask("PUT", "/things/7/parts/a%20b", {})
        self.assertEqual((answer.status, answer.body), (200, {"id": "7", "part": "a b"}))

    def test_health(self):
        self.assertEqual(self.ask("GET", "/healthz").status, 200)
        self.assertEqual(self.ask("GET", "/readyz").status, 200)
        self.assertEqual(self.ask("HEAD", "/healthz").status, 200)


class Raw(HostCase):
    """Flows that ask for the body as it came."""
    FLOWS = {
        "raw.lua": """return { http = "POST /raw", raw = true, run = function(ctx, input)
            return { body = input.body, raw = input.raw and ctx.base64.encode(input.raw) } end }""",
        "plain.lua": """return { http = "POST /plain", run = function(ctx, input) return { raw = input.raw == nil } end }""",
        "wrong.lua": """return { http = "POST /wrong", raw = 1, run = function() end }""",
    }

    def test_gets_the_bytes(self):
        for body, value in ((b'{ "a" : 1 }', {"a": 1}), (b"a=1&b=2", None), (b"<a/>", None), (b"\xff\x00\xfe", None),
                            (b"null", None), (b"", None)):
            answer = self.ask("POST", "/raw", body)
            self.assertEqual((answer.status, base64.b64decode(answer.body["raw"]), answer.body.get("body")),
                             (200, body, value))
            self.assertEqual(get_run(self.host, answer.run)["status"], "succeeded")

    def test_others_do_not(self):
        self.assertEqual(self.ask("POST", "/plain", b"{}").body, {"raw": True})
        self.assert_problem(self.ask("POST", "/plain", b"a=1"), 400, "BODY_NOT_JSON")
        (problem,) = self.ask("GET", "/v1/flows").body["problems"]
        self.assertEqual((problem["file"], problem["message"]), ("wrong.lua", "field 'raw' must be a boolean"))


class StartOnTwoShards(Start):
    SHARDS = 2


class StartOnFourShards(Start):
    SHARDS = 4


if __name__ == "__main__":
    unittest.main()
