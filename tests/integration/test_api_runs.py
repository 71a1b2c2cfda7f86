# SPDX-License-Identifier: MIT
"""/v1/runs: lists and their pages, one run, its steps, recover, cancel; and runs that meet failing services."""
import threading
import unittest

from suite import (RUN_ID, SECONDS, TIME, Background, HostCase, clients_by_shard, closed_port, get_run, get_steps,
                   in_threads, partition_of, recover, start_run, wait_for_run, wait_until)

FLOWS = {
    "echo.lua": "return function(ctx, input) return input end",
    "other.lua": "return function(ctx, input) return ctx.uuid() end",
    "a.lua": "return function(ctx) return 1 end",
    "a/b.lua": "return function(ctx) return 2 end",
    "fails.lua": "return function(ctx) error('bad luck') end",
    "sleeps.lua": "return function(ctx) ctx.log.info('before') ctx.sleep(3600) return 'woken' end",
    "three.lua": """
return function(ctx, input)
    local one = ctx.request { url = ctx.env.UPSTREAM .. "/one", json = input }
    local two = ctx.request { url = ctx.env.UPSTREAM .. "/two", json = one, timeout = input.timeout }
    return { one = one, two = two, three = ctx.request { url = ctx.env.UPSTREAM .. "/three", method = "DELETE" } }
end
""",
    "elsewhere.lua": "return function(ctx, input) return ctx.request { url = input.url } end",
    "steps.lua": """
return function(ctx)
    for i = 1, 12 do ctx.step("s" .. i, function() return i end) end
    ctx.component("inner", { a = 1 })
    pcall(ctx.request, { url = ctx.env.UPSTREAM .. "/404" })
    ctx.sleep(0)
end
""",
    "components/inner.lua": "return function(ctx, input) local one = ctx.random(1, 1) return one end",
    "never.lua": "return { durable = 'never', run = function() return 1 end }",
    "local_failure.lua": """
return function(ctx)
    local made = ctx.step("make", function() return ctx.uuid() end)
    ctx.request { url = ctx.env.UPSTREAM .. "/keep", json = made }
    ctx.component("may_fail", {})
    return made
end
""",
    "components/may_fail.lua": """
return function(ctx)
    ctx.request { url = ctx.env.UPSTREAM .. "/inside", method = "POST" }
    local answer = ctx.request { url = ctx.env.UPSTREAM .. "/decides" }
    if answer.refuse then error("refused") end
end
""",
}
RUN_FIELDS = {"id", "flow", "version", "release", "status", "durable", "error", "created_at", "started_at", "ended_at", "trace_id"}


class Lists(HostCase):
    FLOWS = FLOWS

    def pages(self, query, limit):
        """All items of a list, page by page."""
        items, cursor = [], ""
        while True:
            answer = self.ask("GET", f"/v1/runs?limit={limit}{query}{cursor}")
            self.assertEqual(answer.status, 200, answer.body)
            self.assertLessEqual(len(answer.body["items"]), limit)
            items += answer.body["items"]
            if answer.body["next"] is None:
                return items
            cursor = "&cursor=" + answer.body["next"]

    def test_pages_are_complete_and_without_repeats(self):
        started = {}
        for flow in ("echo", "other", "fails"):
            started[flow] = {answer.run for answers in in_threads(
                5, lambda _, flow=flow: [self.start_run(flow, {}) for _ in range(5)]) for answer in answers}
        for flow, ids in started.items():
            for limit in (1, 7, 25, 26, 1000):
                listed = [run["id"] for run in self.pages(f"&flow={flow}", limit)]
                self.assertEqual(len(listed), len(set(listed)))
                self.assertLessEqual(ids, set(listed))
                self.assertEqual(listed, sorted(listed, reverse=True), "newest first")
        every = {run["id"]: run for run in self.pages("", 10)}
        self.assertLessEqual(set().union(*started.values()), set(every))
        suspended = {run["id"] for run in self.pages("&status=suspended", 4)}
        self.assertEqual(suspended, {id_ for id_, run in every.items() if run["status"] == "suspended"})
        self.assertLessEqual(started["fails"], suspended)
        both = {run["id"] for run in self.pages("&flow=echo&status=succeeded", 3)}
        self.assertEqual(both, {id_ for id_, run in every.items() if (run["flow"], run["status"]) == ("echo", "succeeded")})
        self.assertEqual(self.pages("&flow=echo&status=suspended", 3), [])
        self.assertEqual(self.pages("&flow=nobody", 3), [])

    def test_items(self):
        self.start_run("echo", {"secret": 1})
        (item,) = self.ask("GET", "/v1/runs?flow=echo&limit=1").body["items"]
        self.assertLessEqual(RUN_FIELDS, set(item))
        self.assertNotIn("input", item)
        self.assertNotIn("output", item)

    def test_a_flow_whose_name_begins_another(self):
        self.start_run("a")
        self.start_run("a/b")
        self.assertEqual({run["flow"] for run in self.pages("&flow=a", 1)}, {"a"})
        self.assertEqual({run["flow"] for run in self.pages("&flow=a%2Fb", 1)}, {"a/b"})

    def test_never_is_not_listed(self):
        self.assertEqual(self.start_run("never").status, 200)
        self.assertEqual(self.pages("&flow=never", 10), [])

    def test_wrong_queries(self):
        for query in ("limit=0", "limit=x", "limit=1001", "limit=1.5", "limit=-1", "status=nothing", "cursor=x", "cursor="):
            self.assert_problem(self.ask("GET", "/v1/runs?" + query), 422, "QUERY_INVALID")
        self.assertIn("use broken, cancelled, ", self.ask("GET", "/v1/runs?status=nothing").body["detail"])


class Runs(HostCase):
    FLOWS = FLOWS

    def setUp(self):
        super().setUp()
        self.release = threading.Event()
        self.addCleanup(self.release.set)

    def handle(self, request):
        return (404, {}) if request.path == "/404" else (200, {"path": request.path})

    def start_async(self, flow, value=None):
        answer = self.start_run(flow, value, Prefer="respond-async")
        self.assertEqual(answer.status, 202, answer.body)
        return answer.run

    def cancel(self, run, body=None):
        return self.ask("POST", f"/v1/runs/{run}/cancel", body)

    # --- one run

    def test_one_run(self):
        answer = self.start_run("echo", {"a": [1, None]})
        run = self.ask("GET", f"/v1/runs/{answer.run}").body
        self.assertLessEqual(RUN_FIELDS | {"input", "output"}, set(run))
        self.assertEqual((run["input"], run["output"], run["status"]), ({"a": [1, None]}, {"a": [1, None]}, "succeeded"))
        for name in ("created_at", "started_at", "ended_at"):
            self.assertRegex(run[name], rf"^{TIME.pattern}$")

    def test_unknown_runs(self):
        for run in ("0" * 26, "nonsense", "x" * 200, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "U" * 26):
            for method, suffix in (("GET", ""), ("GET", "/steps"), ("POST", "/recover"), ("POST", "/cancel")):
                self.assert_problem(self.ask(method, f"/v1/runs/{run}{suffix}"), 404, "NO_RUN")

    def test_ids_are_time_ordered(self):
        ids = [self.start_run("echo", {}).run for _ in range(20)]
        for run in ids:
            self.assertRegex(run, rf"^{RUN_ID.pattern}$")
        self.assertEqual([id_[:10] for id_ in ids], sorted(id_[:10] for id_ in ids))

    # --- steps

    def test_steps(self):
        answer = self.start_run("steps")
        steps = get_steps(self.host, answer.run)
        self.assertEqual(list(steps), [*map(str, range(1, 14)), "13.1", "14", "15"])
        step = steps["13"]
        self.assertEqual((step["kind"], step["name"], step["status"], step["output"], step["error"], step["attempts"]),
                         ("component", "inner", "succeeded", 1, None, 1))
        self.assertRegex(step["line"], r"^steps\.lua:4$")
        self.assertRegex(steps["13.1"]["line"], r"^components/inner\.lua:1$")
        failed = steps["14"]
        self.assertEqual((failed["status"], failed["output"], failed["error"]["code"]), ("failed", None, "HTTP_STATUS"))
        self.assertEqual(steps["15"]["kind"], "sleep")
        for one in steps.values():
            self.assertGreaterEqual(one["ms"], 0)
            self.assertLessEqual(one["started_at"], one["ended_at"])

    def test_steps_as_text(self):
        answer = self.start_run("steps")
        for path, headers in ((f"/v1/runs/{answer.run}/steps", {"Accept": "text/plain"}),
                              (f"/v1/runs/{answer.run}/steps?format=text", {})):
            text = self.ask("GET", path, headers=headers)
            self.assertTrue(text.headers["Content-Type"].startswith("text/plain"))
            lines = text.body.decode().splitlines()
            self.assertEqual(lines[0].split(), ["path", "kind", "name", "ms", "ok"])
            self.assertEqual(lines[1].split()[:3], ["1", "step", "s1"])
            self.assertEqual(lines[1].split()[-1], "yes")
            self.assertEqual(len(lines), 17)
            self.assertIn("HTTP_STATUS", next(line for line in lines if line.startswith("14 ")))

    def test_steps_of_a_waiting_run(self):
        run = self.start_async("sleeps")
        step = wait_until(lambda: get_steps(self.host, run).get("1"), SECONDS, "the sleep to be recorded")
        self.assertIn(step["status"], ("running", "waiting"))
        self.assertEqual((step["kind"], step["ended_at"], step["ms"]), ("sleep", None, None))
        self.assertEqual(self.cancel(run).status, 202)

    # --- recover

    def test_recover_sends_only_the_failed_step_again(self):
        self.upstream.handler = lambda r: (500, {"no": 1}) if r.path == "/two" else self.handle(r)
        answer = self.start_run("three", {"n": 1})
        problem = self.assert_problem(answer, 502, "HTTP_STATUS", answer.run)
        self.assertEqual(problem["step"], "2")
        run = get_run(self.host, answer.run)
        self.assertEqual((run["status"], run["error"]["code"], run["error"]["step"], run["ended_at"]),
                         ("suspended", "HTTP_STATUS", "2", None))
        before = self.upstream.requests
        self.upstream.handler = self.handle
        self.upstream.forget()
        answer = recover(self.host, answer.run)
        self.assertEqual((answer.status, answer.body["id"]), (202, run["id"]))
        self.assertIn(answer.body["status"], ("running", "succeeded"))
        done = wait_for_run(self.host, run["id"])
        self.assertEqual((done["status"], done["error"], done["attempt"]), ("succeeded", None, 2))
        self.assertEqual(done["output"], {name: {"path": "/" + name} for name in ("one", "two", "three")})
        again = self.upstream.requests
        self.assertEqual([r.path for r in again], ["/two", "/three"])
        for name in ("Idempotency-Key",):
            self.assertEqual(again[0].headers[name], before[1].headers[name])
        self.assertEqual(again[0].body, before[1].body)

    def test_recover_when_it_fails_again(self):
        self.upstream.handler = lambda r: (503, {}) if r.path == "/two" else self.handle(r)
        run = self.start_run("three", {}).run
        for attempt in (2, 3, 4):
            self.assertEqual(recover(self.host, run).status, 202)
            seen = wait_for_run(self.host, run)
            self.assertEqual((seen["status"], seen["attempt"]), ("suspended", attempt))
        self.assertEqual([r.path for r in self.upstream.requests], ["/one"] + ["/two"] * 4)
        self.assertEqual(len({r.headers["Idempotency-Key"] for r in self.upstream.requests}), 2)

    def test_recover_of_a_component_keeps_what_is_inside(self):
        refuse = [True]
        self.upstream.handler = lambda r: (200, {"refuse": refuse[0]})
        answer = self.start_run("local_failure")
        self.assertEqual((answer.status, answer.body["code"], answer.body["step"]), (500, "LUA_ERROR", "3"))
        self.assertEqual([r.path for r in self.upstream.requests], ["/keep", "/inside", "/decides"])
        self.assertEqual(recover(self.host, answer.run).status, 202)
        self.assertEqual(wait_for_run(self.host, answer.run)["attempt"], 2)
        self.assertEqual([r.path for r in self.upstream.requests].count("/keep"), 1)
        self.assertEqual([r.path for r in self.upstream.requests].count("/inside"), 1)

    def test_recover_of_what_is_not_suspended(self):
        done = self.start_run("echo").run
        waiting = self.start_async("sleeps")
        for run in (done, waiting):
            self.assert_problem(recover(self.host, run), 409, "WRONG_STATE", run)
        self.cancel(waiting)
        self.assert_problem(recover(self.host, waiting), 409, "WRONG_STATE", waiting)

    def test_recover_bodies(self):
        run = self.start_run("fails").run
        path = f"/v1/runs/{run}/recover"
        problem = self.assert_problem(self.ask("POST", path, {"nonsense": 1}), 422, "UNKNOWN_FIELD")
        self.assertEqual(problem["errors"][0]["pointer"], "/nonsense")
        self.assert_problem(self.ask("POST", path, "{"), 400, "BODY_NOT_JSON")
        self.assert_problem(self.ask("POST", path, "[]"), 400, "BODY_NOT_OBJECT")
        self.assertEqual(get_run(self.host, run)["attempt"], 1)
        self.assertEqual(self.ask("POST", path, {}).status, 202)

    def test_recovers_at_once_count_once(self):
        blocked = threading.Event()

        def handle(request):
            if request.path == "/two" and len([r for r in self.upstream.requests if r.path == "/two"]) > 1:
                blocked.set()
                self.release.wait(SECONDS)
                return 200, {}
            return (500, {}) if request.path == "/two" else (200, {})
        self.upstream.handler = handle
        run = self.start_run("three", {}).run
        answers = in_threads(8, lambda _: recover(self.host, run))
        self.assertEqual(sorted(a.status for a in answers), [202] + [409] * 7)
        self.assertTrue(blocked.wait(SECONDS))
        self.assert_problem(recover(self.host, run), 409, "WRONG_STATE")
        self.release.set()
        self.assertEqual(wait_for_run(self.host, run)["status"], "succeeded")
        self.assertEqual([r.path for r in self.upstream.requests], ["/one", "/two", "/two", "/three"])

    # --- cancel

    def test_cancel_a_waiting_run(self):
        call = Background(lambda: self.start_run("sleeps"))
        (run,) = wait_until(lambda: self.ask("GET", "/v1/runs?flow=sleeps&status=running").body["items"], SECONDS, "the run")
        answer = self.cancel(run["id"], {"reason": "not needed"})
        self.assertEqual((answer.status, answer.body["status"], answer.body["reason"]), (202, "cancelled", "not needed"))
        self.assert_problem(call.result(), 409, "CANCELLED", run["id"])
        seen = get_run(self.host, run["id"])
        self.assertEqual((seen["status"], seen["error"]["code"]), ("cancelled", "CANCELLED"))
        self.assertIsNotNone(seen["ended_at"])

    def test_cancel_a_run_in_a_request(self):
        def handle(_):
            self.release.wait(SECONDS)
            return 200, {}
        self.upstream.handler = handle
        run = self.start_async("three", {})
        wait_until(lambda: self.upstream.requests, SECONDS, "the call")
        self.assertEqual(self.cancel(run).status, 202)
        self.release.set()
        self.assertEqual(get_run(self.host, run)["status"], "cancelled")
        self.assertEqual([r.path for r in self.upstream.requests], ["/one"])

    def test_cancel_a_suspended_run(self):
        run = self.start_run("fails").run
        self.assertEqual(self.cancel(run).status, 202)
        self.assertEqual(get_run(self.host, run)["status"], "cancelled")
        self.assert_problem(recover(self.host, run), 409, "WRONG_STATE")

    def test_cancel_an_ended_run(self):
        run = self.start_run("echo", 1).run
        self.assert_problem(self.cancel(run), 409, "WRONG_STATE", run)
        self.assertEqual(get_run(self.host, run)["status"], "succeeded")
        run = self.start_async("sleeps")
        self.assertEqual(self.cancel(run).status, 202)
        self.assert_problem(self.cancel(run), 409, "WRONG_STATE", run)

    def test_cancel_bodies(self):
        run = self.start_run("fails").run
        self.assert_problem(self.cancel(run, {"why": 1}), 422, "UNKNOWN_FIELD")
        self.assert_problem(self.cancel(run, "x"), 400, "BODY_NOT_JSON")
        self.assertEqual(get_run(self.host, run)["status"], "suspended")

    # --- services that fail

    def test_service_down(self):
        answer = self.start_run("elsewhere", {"url": f"http://127.0.0.1:{closed_port()}/"})
        problem = self.assert_problem(answer, 502, "NETWORK", answer.run)
        self.assertEqual((problem["step"], get_run(self.host, answer.run)["status"]), ("1", "suspended"))
        self.assertTrue(get_run(self.host, answer.run)["error"]["retryable"])
        self.assertIn(f"/v1/runs/{answer.run}/recover", problem["detail"])

    def test_service_too_slow(self):
        def handle(request):
            if request.path == "/two":
                self.release.wait(SECONDS)
            return 200, {}
        self.upstream.handler = handle
        answer = self.start_run("three", {"timeout": 0.1})
        self.assert_problem(answer, 504, "TIMEOUT", answer.run)
        self.assertEqual(get_run(self.host, answer.run)["status"], "suspended")
        self.release.set()
        self.assertEqual(recover(self.host, answer.run).status, 202)
        self.assertEqual(wait_for_run(self.host, answer.run)["status"], "succeeded")

    def test_service_answers_nonsense(self):
        for body, headers, code in (("<html>", {"Content-Type": "application/json"}, "NOT_JSON"),
                                    ("x" * (8 << 20) + "x", {"Content-Type": "text/plain"}, "TOO_LARGE")):
            self.upstream.handler = lambda r, body=body, headers=headers: (200, body, headers)
            answer = self.start_run("three", {})
            self.assert_problem(answer, 502, code, answer.run)
            self.assertEqual(get_run(self.host, answer.run)["status"], "suspended")


class ListsOnTwoShards(Lists):
    SHARDS = 2


class RunsOnTwoShards(Runs):
    SHARDS = 2

    def test_from_every_shard(self):
        clients = clients_by_shard(self.host, 2, "echo")
        for client in clients.values():
            self.addCleanup(client.disconnect)
        self.upstream.handler = lambda r: (500, {}) if r.path == "/two" else (200, {})
        for shard, client in clients.items():
            other = clients[1 - shard]
            run = start_run(client, "three", {}).run
            self.assertEqual(partition_of(run) % 2, shard)
            self.assertEqual(get_run(other, run)["status"], "suspended")
            self.assertEqual(recover(other, run).status, 202)
            self.assertEqual(wait_for_run(other, run)["attempt"], 2)
            answer = other.request("POST", f"/v1/runs/{run}/cancel")
            self.assertEqual((answer[0], get_run(client, run)["status"]), (202, "cancelled"))
            answer = other.request("POST", f"/v1/runs/{run}/cancel")
            self.assertEqual((answer[0], answer[2]["code"]), (409, "WRONG_STATE"))


if __name__ == "__main__":
    unittest.main()
