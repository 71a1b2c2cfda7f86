# SPDX-License-Identifier: MIT
"""A flow that never ends or takes all memory ends itself, and nothing else."""
import threading
import time
import unittest

from suite import SECONDS, Background, HostCase, get_run, in_threads, wait_for_run, wait_until

LIMIT_S = 0.2
LOOPS = {
    "plain": "while true do end",
    "counting": "local n = 0 for i = 1, 1e300 do n = n + i end",
    "recursive": "local function f() return f() end f()",
    "pcall": "while true do pcall(function() while true do end end) end",
    "xpcall": "while true do xpcall(function() while true do end end, function(err) while true do end end) end",
    "wrap": "local w = coroutine.wrap(function() while true do end end) while true do pcall(w) end",
    "create": "while true do local c = coroutine.create(function() while true do end end) coroutine.resume(c) end",
    "yielding": "local w = coroutine.wrap(function() while true do coroutine.yield() end end) while true do w() end",
    "sort": "table.sort({ 3, 2, 1 }, function() while true do end end)",
    "gsub": "(('x'):rep(100)):gsub('x', function() while true do end end)",
    "pattern": "(('a'):rep(2000000)):find(('a-'):rep(40) .. 'b')",
    "rep": "while true do local s = ('x'):rep(1000000) end",
    "tostring": "local t = setmetatable({}, { __tostring = function() while true do end end }) tostring(t)",
    "iterator": "for _ in function() return 1 end do end",
    "steps": "while true do ctx.now() end",
    "step": "ctx.step('s', function() while true do pcall(function() while true do end end) end end)",
    "component": "ctx.component('spins', {})",
    "branch": "ctx.all { function() while true do end end, function() ctx.sleep(0) end }",
    "load": "while true do pcall(loadstring('while true do end')) end",
    "concat": "local s = '' while true do s = ('x' .. s):sub(1, 1000) end",
}
# Near the end of the stack nothing can watch the time: an overflow ends the run, whatever it is in.
OVERFLOWS = {
    "plain": "local function f() return 1 + f() end f()",
    "pcall": "local function f() return 1 + f() end pcall(f) while true do end",
    "pcalls": "local function f() pcall(f) while true do pcall(function() while true do end end) end end f()",
    "xpcalls": "local function f() xpcall(f, f) while true do xpcall(f, f) end end f()",
    "coroutines": "local function f() coroutine.wrap(f)() while true do pcall(f) end end f()",
    "near": "local function f(n) if n == 0 then while true do pcall(function() while true do end end) end end return 1 + f(n - 1) end for n = 5000, 100000, 100 do pcall(f, n) end",
    "step": "local function f() return 1 + f() end while true do pcall(ctx.step, 's', f) end",
    "format": "local t = setmetatable({}, {}) getmetatable(t).__tostring = function(t) return tostring(t) end tostring(t)",
    "metamethod": "local t = setmetatable({}, { __index = function(t, k) return t[k .. 'x'] end }) pcall(function() return t.x end) while true do end",
    "json": "local t = {} t.t = t return ctx.json.encode(t)",
}
BOMBS = {
    "table": "local t = {} while true do t[#t + 1] = {} end",
    "strings": "local t = {} while true do t[#t + 1] = ('x'):rep(1000000) .. #t end",
    "doubling": "local s = 'x' while true do s = s .. s end",
    "rep": "return ('x'):rep(1e9)",
    "pcall": "local t = {} while true do pcall(function() while true do t[#t + 1] = ('x'):rep(1000000) .. #t end end) end",
    "array": "local t = {} for i = 1, 1e9 do t[i] = i end",
    "closures": "local f = function() end while true do local g = f f = function() return g end end",
    "coroutines": "local t = {} while true do local c = coroutine.create(function() coroutine.yield() end) coroutine.resume(c) t[#t + 1] = c end",
    "json": "local t = {} for i = 1, 22 do t = { t, t } end return ctx.json.encode(t)",
    "concat": "local t = {} for i = 1, 100 do t[i] = ('x'):rep(1000000) end local u = {} while true do u[#u + 1] = table.concat(t) end",
    "component": "ctx.component('bursts', {})",
}


def flow(body):
    return "return function(ctx, input)\n    " + body + "\nend"


class Cpu(HostCase):
    FLOWS = {
        **{f"loop/{name}.lua": flow(body) for name, body in LOOPS.items()},
        **{f"overflow/{name}.lua": flow(body) for name, body in OVERFLOWS.items()},
        "components/spins.lua": flow("while true do end"),
        "hello.lua": "return { durable = 'never', run = function() return 'hello' end }",
        "calls.lua": "return function(ctx) local a = ctx.request { url = ctx.env.UPSTREAM } for i = 1, 10 do ctx.uuid() end return a end",
        "busy.lua": "return function(ctx) local n = 0 for i = 1, 2e5 do n = n + i % 7 end ctx.sleep(0.001) return n end",
    }
    ARGS = ("--cpu-limit", str(LIMIT_S))

    def test_loops_end(self):
        for name in LOOPS:
            with self.subTest(name):
                before = time.monotonic()
                answer = self.start_run(f"loop/{name}")
                took = time.monotonic() - before
                self.assert_problem(answer, 500, "CPU_LIMIT", answer.run)
                self.assertGreaterEqual(took, LIMIT_S)
                run = get_run(self.host, answer.run)
                self.assertEqual((run["status"], run["error"]["code"]), ("suspended", "CPU_LIMIT"))
                self.assertEqual(self.output_of("hello"), "hello")

    def test_overflows_end(self):
        for name in OVERFLOWS:
            with self.subTest(name):
                answer = self.start_run(f"overflow/{name}")
                self.assertEqual(answer.status, 500, answer.body)
                self.assertIn(answer.body["code"], ("LUA_ERROR", "CPU_LIMIT", "INVALID"))
                self.assertEqual(get_run(self.host, answer.run)["status"], "suspended")
                self.assertEqual(self.output_of("hello"), "hello")

    def test_the_error_tells_the_line(self):
        answer = self.start_run("loop/counting")
        self.assertRegex(get_run(self.host, answer.run)["error"]["stack"][0], r"^loop/counting\.lua:2")

    def test_others_go_on(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def handle(_):
            release.wait(SECONDS)
            return 200, "done", {"Content-Type": "text/plain"}
        self.upstream.handler = handle
        waiting = [Background(lambda: self.start_run("calls")) for _ in range(4)]
        wait_until(lambda: len(self.upstream.requests) == 4, SECONDS, "the calls")
        loops = [Background(lambda: self.start_run("loop/pcall")) for _ in range(3)]
        self.assertEqual({self.start_run("hello").status for _ in range(5)}, {200})
        release.set()
        self.assertEqual({call.result().body for call in waiting}, {"done"})
        self.assertEqual({call.result().body["code"] for call in loops}, {"CPU_LIMIT"})

    def test_the_budget_is_between_two_waits(self):
        answers = in_threads(4, lambda _: [self.start_run("busy").status for _ in range(10)])
        self.assertEqual({status for list_ in answers for status in list_}, {200})

    def test_suspended_loop_can_be_cancelled(self):
        run = self.start_run("loop/plain").run
        self.assertEqual(self.ask("POST", f"/v1/runs/{run}/cancel").status, 202)
        self.assertEqual(wait_for_run(self.host, run)["status"], "cancelled")


class CpuOnTwoShards(HostCase):
    FLOWS = {"loop.lua": flow("while true do end"), "hello.lua": "return function() return 'hello' end"}
    SHARDS = 2
    ARGS = ("--cpu-limit", str(LIMIT_S))

    def test_loops_end(self):
        self.assertEqual({answer.body["code"] for answer in in_threads(8, lambda _: self.start_run("loop"))}, {"CPU_LIMIT"})
        self.assertEqual({answer.body for answer in in_threads(8, lambda _: self.start_run("hello"))}, {"hello"})


class Memory(HostCase):
    FLOWS = {
        **{f"bomb/{name}.lua": flow(body) for name, body in BOMBS.items()},
        "components/bursts.lua": flow(BOMBS["strings"]),
        "hello.lua": "return { durable = 'never', run = function() return 'hello' end }",
        "echo.lua": "return function(ctx, input) return { input, ctx.uuid() } end",
    }
    ARGS = ("--memory-limit", "48m", "--cpu-limit", "20")

    def test_bombs_end(self):
        for name in BOMBS:
            with self.subTest(name):
                answer = self.start_run(f"bomb/{name}")
                self.assertEqual(answer.status, 500, answer.body)
                self.assertEqual(answer.body["code"], "LUA_ERROR" if name == "rep" else "MEMORY_LIMIT")
                if "run" in answer.body:  # not when it could not even be stored
                    self.assertEqual(get_run(self.host, answer.run)["status"], "suspended")
                self.assertEqual(self.output_of("hello"), "hello")
                self.assertEqual(self.output_of("echo", {"a": 1})[0], {"a": 1})

    def test_again_and_again(self):
        for _ in range(10):
            self.assert_problem(self.start_run("bomb/strings"), 500, "MEMORY_LIMIT")
        answers = in_threads(4, lambda _: [self.start_run("echo", i).status for i in range(50)])
        self.assertEqual({status for list_ in answers for status in list_}, {200})


if __name__ == "__main__":
    unittest.main()
