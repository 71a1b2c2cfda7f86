# SPDX-License-Identifier: MIT
"""kill -9 and a restart on the same data: runs end, what was recorded is not done again, what was not is done again with
the same key, on the code and env that the run began with."""
import os
import threading
import unittest

from suite import (SECONDS, FolderCase, Host, Upstream, ask, get_run, get_steps, recover, start_run,
                   wait_for_run, wait_until)

HOST_LUA = 'return { env = { UPSTREAM = os.getenv "UPSTREAM", COLOUR = os.getenv "COLOUR" } }'
FLOWS = {
    "host.lua": HOST_LUA,
    "two.lua": """
return function(ctx, input)
    local seen = { uuid = ctx.uuid(), random = math.random(), now = ctx.now(), made = ctx.step("make", function() return ctx.uuid() end) }
    local first = ctx.request { url = ctx.env.UPSTREAM .. "/first", json = seen }
    local second = ctx.request { url = ctx.env.UPSTREAM .. "/second", json = seen }
    return { first = first, second = second, seen = seen, colour = ctx.env.COLOUR, component = ctx.component("version", {}) }
end
""",
    "components/version.lua": "return function() return require('version') end",
    "lib/version.lua": "return 'old'",
    "sleeps.lua": """
return function(ctx, input)
    local before = ctx.now()
    ctx.request { url = ctx.env.UPSTREAM .. "/before", method = "POST" }
    ctx.sleep(input.s)
    ctx.request { url = ctx.env.UPSTREAM .. "/after", method = "POST" }
    return math.floor((ctx.now() - before) * 1000 + 0.5)
end
""",
    "branches.lua": """
return function(ctx)
    local results = ctx.map({ 1, 2, 3, 4 }, function(n)
        local a = ctx.request { url = ctx.env.UPSTREAM .. "/a" .. n, method = "POST" }
        return { a, ctx.request { url = ctx.env.UPSTREAM .. "/b" .. n, method = "POST" } }
    end)
    return #results
end
""",
    "answers.lua": """
return { http = "POST /answers", run = function(ctx)
    ctx.response({ taken = true })
    ctx.request { url = ctx.env.UPSTREAM .. "/later", method = "POST" }
    return "done"
end }
""",
    "fails.lua": "return function(ctx) ctx.step('made', function() return ctx.uuid() end) error('bad luck') end",
}


class Restart(FolderCase):
    FLOWS = FLOWS
    SHARDS = (1, 1)  # before and after

    def setUp(self):
        super().setUp()
        self.release = threading.Event()
        self.addCleanup(self.release.set)
        self.blocked = set()
        self.upstream = self.enterContext(Upstream(self.handle))
        self.host = self.enterContext(Host(self.folder, data_dir=os.path.join(self.scratch, "data"), env=self.env("red"),
                                           args=["--shards", str(self.SHARDS[0])]))

    def env(self, colour):
        return {"UPSTREAM": self.upstream.url, "COLOUR": colour}

    def handle(self, request):
        if request.path in self.blocked:
            self.release.wait(SECONDS)
        return 200, {"path": request.path}

    def start_async(self, flow, value=None):
        answer = start_run(self.host, flow, value, Prefer="respond-async")
        self.assertEqual(answer.status, 202, answer.body)
        return answer.run

    def wait_for_calls(self, *paths):
        def look():
            seen = [request.path for request in self.upstream.requests]
            return all(path in seen for path in paths)
        wait_until(look, SECONDS, f"the calls of {paths}")

    def crash(self, colour="red"):
        """Killed; then started again, with services that answer."""
        self.assertEqual(self.host.kill(), -9)
        self.blocked.clear()
        self.release.set()
        self.host.start(args=["--shards", str(self.SHARDS[1])], env=self.env(colour))

    def keys_of(self, path):
        return [request.headers["Idempotency-Key"] for request in self.upstream.requests if request.path == path]

    def test_in_a_request(self):
        self.blocked = {"/second"}
        run = self.start_async("two")
        self.wait_for_calls("/second")
        self.crash()
        done = wait_for_run(self.host, run)
        self.assertEqual(done["status"], "succeeded", done["error"])
        self.assertEqual((self.keys_of("/first"), self.keys_of("/second")), ([f"{run}/4"], [f"{run}/5"] * 2))
        bodies = [request.json for request in self.upstream.requests]
        self.assertEqual(bodies, [done["output"]["seen"]] * 3)
        self.assertEqual(done["output"]["second"], {"path": "/second"})

    def test_before_the_first_answer(self):
        self.blocked = {"/first"}
        run = self.start_async("two")
        self.wait_for_calls("/first")
        self.crash()
        self.assertEqual(wait_for_run(self.host, run)["status"], "succeeded")
        self.assertEqual((self.keys_of("/first"), self.keys_of("/second")), ([f"{run}/4"] * 2, [f"{run}/5"]))

    def test_again_and_again(self):
        self.blocked = {"/second"}
        run = self.start_async("two")
        for count in (1, 2, 3):
            wait_until(lambda n=count: len(self.keys_of("/second")) == n, SECONDS, "the call")
            self.release = threading.Event()
            self.assertEqual(self.host.kill(), -9)
            if count == 3:
                self.blocked = set()
            self.host.start(args=["--shards", str(self.SHARDS[count % 2])])
        self.assertEqual(wait_for_run(self.host, run)["status"], "succeeded")
        self.assertEqual((self.keys_of("/first"), self.keys_of("/second")), ([f"{run}/4"], [f"{run}/5"] * 4))

    def test_in_a_sleep(self):
        run = self.start_async("sleeps", {"s": 0.5})
        wait_until(lambda: "3" in get_steps(self.host, run), SECONDS, "the sleep to be recorded")
        self.crash()
        done = wait_for_run(self.host, run)
        self.assertEqual(done["status"], "succeeded", done["error"])
        self.assertGreaterEqual(done["output"], 500)
        self.assertEqual((self.keys_of("/before"), self.keys_of("/after")), ([f"{run}/2"], [f"{run}/4"]))

    def test_in_a_long_sleep(self):
        run = self.start_async("sleeps", {"s": 3600})
        before = wait_until(lambda: get_steps(self.host, run).get("3"), SECONDS, "the sleep to be recorded")
        self.crash()
        self.assertEqual(get_run(self.host, run)["status"], "running")
        self.assertEqual(get_steps(self.host, run)["3"]["started_at"], before["started_at"])
        self.assertEqual(ask(self.host, "POST", f"/v1/runs/{run}/cancel").status, 202)
        self.assertEqual(get_run(self.host, run)["status"], "cancelled")
        self.assertEqual(self.keys_of("/after"), [])

    def test_in_branches(self):
        self.blocked = {"/b2", "/b4", "/a3"}
        run = self.start_async("branches")
        self.wait_for_calls("/b1", "/b2", "/a3", "/b4")
        self.crash()
        done = wait_for_run(self.host, run)
        self.assertEqual((done["status"], done["output"]), ("succeeded", 4), done["error"])
        for path, step in (("/b2", "1.2.2"), ("/a3", "1.3.1"), ("/b4", "1.4.2")):
            self.assertEqual(self.keys_of(path), [f"{run}/{step}"] * 2)
        for path in ("/a1", "/a2", "/a4", "/b3"):
            self.assertEqual(len(self.keys_of(path)), 1, path)
        # Its result had not to be on disk yet: nothing came after it.
        self.assertEqual(set(self.keys_of("/b1")), {f"{run}/1.1.2"})

    def test_after_an_early_answer(self):
        self.blocked = {"/later"}
        answer = ask(self.host, "POST", "/answers")
        self.assertEqual((answer.status, answer.body), (200, {"taken": True}))
        self.wait_for_calls("/later")
        self.crash()
        done = wait_for_run(self.host, answer.run)
        self.assertEqual((done["status"], done["output"]), ("succeeded", "done"))

    def test_many_runs(self):
        self.blocked = {"/second"}
        runs = [self.start_async("two") for _ in range(40)]
        wait_until(lambda: len(self.keys_of("/second")) == 40, SECONDS, "all to wait")
        self.crash()
        for run in runs:
            self.assertEqual(wait_for_run(self.host, run)["status"], "succeeded")
        self.assertEqual(sorted(self.keys_of("/first")), sorted(f"{run}/4" for run in runs))
        self.assertEqual(sorted(self.keys_of("/second")), sorted(f"{run}/5" for run in runs for _ in range(2)))

    def test_a_run_ends_on_the_code_and_env_it_began_with(self):
        self.blocked = {"/second"}
        run = self.start_async("two")
        self.wait_for_calls("/second")
        self.write({"two.lua": "return function(ctx) return { new = true, colour = ctx.env.COLOUR } end",
                    "lib/version.lua": "return 'new'", "sleeps.lua": "not even lua"})
        self.crash(colour="blue")
        done = wait_for_run(self.host, run)
        self.assertEqual(done["status"], "succeeded", done["error"])
        self.assertEqual((done["output"]["colour"], done["output"]["component"]), ("red", "old"))
        self.assertEqual((self.keys_of("/first"), self.keys_of("/second")), ([f"{run}/4"], [f"{run}/5"] * 2))
        fresh = start_run(self.host, "two")
        self.assertEqual(fresh.body, {"new": True, "colour": "blue"})
        self.assertNotEqual(get_run(self.host, fresh.run)["version"], done["version"])
        self.assertNotEqual(get_run(self.host, fresh.run)["release"], done["release"])

    def test_a_run_of_a_deleted_flow_ends(self):
        self.blocked = {"/second"}
        run = self.start_async("two")
        self.wait_for_calls("/second")
        self.write({"two.lua": None, "components/version.lua": None})
        self.crash()
        self.assertEqual(wait_for_run(self.host, run)["output"]["component"], "old")
        self.assertEqual(start_run(self.host, "two").status, 404)

    def test_a_suspended_run_stays_until_it_is_recovered(self):
        answer = start_run(self.host, "fails")
        self.assertEqual(answer.status, 500)
        before, steps = get_run(self.host, answer.run), get_steps(self.host, answer.run)
        self.write({"fails.lua": "return function(ctx) return 'new code' end"})
        self.crash()
        self.assertEqual((get_run(self.host, answer.run), get_steps(self.host, answer.run)), (before, steps))
        self.assertEqual(recover(self.host, answer.run).status, 202)
        self.assertEqual((wait_for_run(self.host, answer.run)["attempt"], get_run(self.host, answer.run)["status"]), (2, "suspended"))
        self.assertEqual(start_run(self.host, "fails").body, "new code")

    def test_ended_runs_and_keys_stay(self):
        first = start_run(self.host, "two", {}, Idempotency_Key="order 7")
        before, steps = get_run(self.host, first.run), get_steps(self.host, first.run)
        self.crash()
        self.assertEqual((get_run(self.host, first.run), get_steps(self.host, first.run)), (before, steps))
        again = start_run(self.host, "two", {}, Idempotency_Key="order 7")
        self.assertEqual((again.status, again.run, again.body), (200, first.run, first.body))
        self.assertEqual(len(self.upstream.requests), 2)

    def test_a_key_of_a_run_under_way_joins_it_after_the_restart(self):
        self.blocked = {"/second"}
        first = start_run(self.host, "two", {}, Idempotency_Key="order 8", Prefer="respond-async")
        self.wait_for_calls("/second")
        self.crash()
        again = start_run(self.host, "two", {}, Idempotency_Key="order 8")
        self.assertEqual((again.status, again.run, again.body["first"]), (200, first.run, {"path": "/first"}))


class RestartOnTwoShards(Restart):
    SHARDS = (2, 2)


class RestartWithMoreShards(Restart):
    SHARDS = (1, 4)


class RestartWithFewerShards(Restart):
    SHARDS = (4, 1)


if __name__ == "__main__":
    unittest.main()
