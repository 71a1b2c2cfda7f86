# SPDX-License-Identifier: MIT
"""ctx.all and ctx.map: what goes on at the same time, what comes back, which error is raised, which steps run again."""
import threading
import unittest

from suite import SECONDS, Background, HostCase, get_run, get_steps, recover, wait_for_run, wait_until

FLOWS = {
    "all.lua": """
return function(ctx)
    local a, b, c, d = ctx.all {
        function() ctx.sleep(0.03) return "slow" end,
        function() return nil end,
        function() return { n = 1 } end,
        function() return false end,
    }
    return { a = a, b = b == nil, c = c, d = d, count = select("#", ctx.all { function() end, function() end }),
        empty = select("#", ctx.all {}) }
end
""",
    "all_overlaps.lua": """
return function(ctx)
    local function call(name)
        return function() return ctx.request { url = ctx.env.UPSTREAM .. "/" .. name } end
    end
    return { ctx.all { call "a", call "b", call "c" } }
end
""",
    "all_fails.lua": """
return function(ctx)
    local ok, err = pcall(ctx.all, {
        function() ctx.sleep(0.03) error("first") end,
        function() error({ code = "SECOND", message = "second" }) end,
        function() ctx.step("done", function() return "third" end) end,
    })
    return { ok = ok, text = tostring(err) }
end
""",
    "all_arguments.lua": """
return function(ctx)
    local codes = {}
    for i, list in ipairs { 7, { 1 }, { function() end, "x" } } do
        local ok, err = pcall(ctx.all, list)
        codes[i] = ok and "ok" or err.code
    end
    local ok, err = pcall(ctx.map, { 1 }, function() end, { concurrency = 0 })
    codes[4] = ok and "ok" or err.code
    ok, err = pcall(ctx.map, 7, 8)
    codes[5] = ok and "ok" or err.code
    return codes
end
""",
    "map.lua": """
return function(ctx, input)
    return ctx.map(input.list, function(item, index)
        return ctx.request { url = ctx.env.UPSTREAM .. "/item", json = { item = item, index = index } }
    end, input.options)
end
""",
    "map_plain.lua": """
return function(ctx, input)
    return ctx.map(input, function(item, i) if i == 2 then return nil end return item * i end)
end
""",
    "nested.lua": """
return function(ctx)
    local left, right = ctx.all {
        function()
            local x = ctx.uuid()
            return ctx.map({ 1, 2 }, function(n)
                local a, b = ctx.all { function() return ctx.step("s", function() return n end) end,
                    function() ctx.sleep(0.01) return n * 10 end }
                return a + b
            end)
        end,
        function() return ctx.component("grouped", { n = 5 }) end,
    }
    return { left = left, right = right }
end
""",
    "components/grouped.lua": """
return function(ctx, input)
    local a, b = ctx.all { function() return ctx.uuid() end, function() return input.n end }
    return { b = b, long = #a }
end
""",
    "in_step.lua": """
return function(ctx)
    return ctx.step("outer", function()
        local a, b = ctx.all { function() return ctx.step("x", function() return 1 end) end, function() return 2 end }
        return a + b
    end)
end
""",
    "shared_locals.lua": """
-- Branches see each other's locals, as any closures do; each has its own steps.
return function(ctx)
    local order = {}
    ctx.all {
        function() ctx.sleep(0.03) order[#order + 1] = "late" end,
        function() order[#order + 1] = "early" end,
    }
    return order
end
""",
    "two_fail.lua": """
return function(ctx)
    local first = ctx.request { url = ctx.env.UPSTREAM .. "/first", method = "POST" }
    local a, b, c = ctx.all {
        function() return ctx.request { url = ctx.env.UPSTREAM .. "/a", method = "POST" } end,
        function() return ctx.request { url = ctx.env.UPSTREAM .. "/b", method = "POST" } end,
        function() return ctx.component("calls", {}) end,
    }
    return { first, a, b, c }
end
""",
    "components/calls.lua": """
return function(ctx)
    local one = ctx.request { url = ctx.env.UPSTREAM .. "/c1", method = "POST" }
    return { one, ctx.request { url = ctx.env.UPSTREAM .. "/c2", method = "POST" } }
end
""",
    "big_map.lua": """
return function(ctx, input)
    local list = {}
    for i = 1, input.n do list[i] = i end
    local sum = 0
    for _, n in ipairs(ctx.map(list, function(n) return ctx.step("s", function() return n end) end)) do sum = sum + n end
    return sum
end
""",
}


class Groups(HostCase):
    FLOWS = FLOWS

    def test_results_in_order(self):
        self.assertEqual(self.output_of("all"), {
            "a": "slow", "b": True, "c": {"n": 1}, "d": False, "count": 2, "empty": 0})

    def test_all_overlaps(self):
        barrier = threading.Barrier(3)

        def handle(request):
            barrier.wait(SECONDS)
            return 200, {"path": request.path}
        self.upstream.handler = handle
        self.assertEqual(self.output_of("all_overlaps"), [{"path": "/a"}, {"path": "/b"}, {"path": "/c"}])

    def test_error_of_the_lowest_branch(self):
        answer = self.start_run("all_fails")
        self.assertEqual(answer.body["ok"], False)
        self.assertRegex(answer.body["text"], r"^LUA_ERROR: all_fails\.lua:4: first$")
        self.assertEqual(self.steps_of(answer)["1.3.1"]["output"], "third")

    def test_arguments(self):
        self.assertEqual(self.output_of("all_arguments"), ["INVALID"] * 5)

    def test_map(self):
        self.upstream.handler = lambda request: (200, request.json)
        self.assertEqual(self.output_of("map", {"list": ["a", "b", "c"]}), [
            {"item": item, "index": index} for index, item in enumerate("abc", 1)])
        self.assertEqual(self.output_of("map", {"list": []}), [])
        self.assertEqual(self.output_of("map_plain", [5, 6, 7]), [5, None, 21])

    def test_map_keeps_to_its_concurrency(self):
        lock, barrier, now, most = threading.Lock(), threading.Barrier(3), [0], [0]

        def handle(request):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            barrier.wait(SECONDS)  # three at a time, each time
            with lock:
                now[0] -= 1
            return 200, request.json["item"]
        self.upstream.handler = handle
        list_ = list(range(9))
        self.assertEqual(self.output_of("map", {"list": list_, "options": {"concurrency": 3}}), list_)
        self.assertEqual(most[0], 3)

    def test_map_one_at_a_time_in_order(self):
        self.upstream.handler = lambda request: (200, request.json["item"])
        self.output_of("map", {"list": ["a", "b", "c", "d"], "options": {"concurrency": 1}})
        self.assertEqual([request.json["item"] for request in self.upstream.requests], ["a", "b", "c", "d"])

    def test_nested(self):
        answer = self.start_run("nested")
        self.assertEqual(answer.body, {"left": [11, 22], "right": {"b": 5, "long": 32}})
        self.assertEqual([(p, s["kind"]) for p, s in self.steps_of(answer).items()], [
            ("1", "all"), ("1.1.1", "uuid"), ("1.1.2", "map"), ("1.1.2.1.1", "all"), ("1.1.2.1.1.1.1", "step"),
            ("1.1.2.1.1.2.1", "sleep"), ("1.1.2.2.1", "all"), ("1.1.2.2.1.1.1", "step"), ("1.1.2.2.1.2.1", "sleep"),
            ("1.2.1", "component"), ("1.2.1.1", "all"), ("1.2.1.1.1.1", "uuid")])

    def test_group_inside_a_step(self):
        answer = self.start_run("in_step")
        self.assertEqual(answer.body, 3)
        self.assertEqual(list(self.steps_of(answer)), ["1", "1.1", "1.1.1.1"])

    def test_branches_share_locals(self):
        self.assertEqual(self.output_of("shared_locals"), ["early", "late"])

    def test_a_large_group(self):
        self.assertEqual(self.output_of("big_map", {"n": 5000}), 5000 * 5001 // 2)

    def test_an_error_waits_for_the_other_branches(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def handle(request):
            if request.path == "/b":
                release.wait(SECONDS)
            return (500, {}) if request.path == "/a" else (200, {"path": request.path})
        self.upstream.handler = handle
        call = Background(lambda: self.start_run("two_fail"))
        wait_until(lambda: any(r.path == "/c2" for r in self.upstream.requests), SECONDS, "the third branch")
        (run,) = self.ask("GET", "/v1/runs?flow=two_fail&status=running").body["items"]
        release.set()
        answer = call.result()
        self.assertEqual((answer.status, answer.body["code"], answer.run), (502, "HTTP_STATUS", run["id"]))
        self.assertEqual(self.steps_of(answer)["2.2.1"]["status"], "succeeded")

    def test_recover_runs_again_what_failed_in_any_branch(self):
        failing = {"/a", "/c2"}
        self.upstream.handler = lambda r: (503, {}) if r.path in failing else (200, {"path": r.path})
        answer = self.start_run("two_fail")
        self.assertEqual((answer.status, answer.body["code"], answer.body["step"]), (502, "HTTP_STATUS", "2.1.1"))
        self.assertEqual(get_run(self.host, answer.run)["status"], "suspended")
        before = [(r.path, r.headers["Idempotency-Key"]) for r in self.upstream.requests]
        self.assertEqual(sorted(path for path, _ in before), ["/a", "/b", "/c1", "/c2", "/first"])
        failing.clear()
        self.upstream.forget()
        self.assertEqual(recover(self.host, answer.run).status, 202)
        run = wait_for_run(self.host, answer.run)
        self.assertEqual((run["status"], run["output"]), ("succeeded", [
            {"path": "/first"}, {"path": "/a"}, {"path": "/b"}, [{"path": "/c1"}, {"path": "/c2"}]]))
        again = [(r.path, r.headers["Idempotency-Key"]) for r in self.upstream.requests]
        self.assertEqual(sorted(again), sorted(item for item in before if item[0] in ("/a", "/c2")))
        self.assertEqual({s["status"] for s in get_steps(self.host, answer.run).values()}, {"succeeded"})


class GroupsOnTwoShards(Groups):
    SHARDS = 2


if __name__ == "__main__":
    unittest.main()
