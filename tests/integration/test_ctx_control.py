# SPDX-License-Identifier: MIT
"""ctx.stop, ctx.break, ctx.fail, ctx.response; what pcall catches; what an unhandled error leaves behind."""
import threading
import unittest

from suite import SECONDS, HostCase, get_run, get_steps, recover, wait_for_run

ENDS = {
    "stop": "ctx.stop('enough')", "break": "ctx['break']('enough')", "rewritten_break": "ctx.break('enough')",
    "fail": "ctx.fail('NO_STOCK', 'sold out')",
}
FLOWS = {
    **{f"{name}.lua": f"return function(ctx) {call} ctx.request {{ url = ctx.env.UPSTREAM }} end"
       for name, call in ENDS.items()},
    **{f"{name}_in_pcall.lua": f"""
return function(ctx)
    local ok = pcall(function() {call} end)
    ctx.request {{ url = ctx.env.UPSTREAM }}
    return "went on"
end
""" for name, call in ENDS.items()},
    **{f"{name}_in_branch.lua": f"""
return function(ctx)
    ctx.all {{
        function() ctx.request {{ url = ctx.env.UPSTREAM .. "/slow" }} ctx.request {{ url = ctx.env.UPSTREAM .. "/next" }} end,
        function() ctx.component("ends", "{name}") end,
    }}
    return "went on"
end
""" for name in ENDS},
    "components/ends.lua": "return function(ctx, name)\n" + "".join(
        f"    if name == '{name}' then {call} end\n" for name, call in ENDS.items()) + "end",
    "stop_without_reason.lua": "return function(ctx) ctx.stop() end",
    "fail_without_message.lua": "return function(ctx) ctx.fail('CODE') end",
    "response.lua": """
return {
    http = "POST /response",
    run = function(ctx, input)
        ctx.response({ taken = true }, { status = 202, headers = { ["X-Order"] = "7", ["content-type"] = "application/vnd.shop+json" } })
        ctx.response({ second = true })
        ctx.request { url = ctx.env.UPSTREAM .. "/later", method = "POST" }
        return { output = true }
    end,
}
""",
    "response_text.lua": """
return { http = "GET /text", run = function(ctx)
    ctx.response("<b>hi</b>", { headers = { ["Content-Type"] = "text/html" } })
end }
""",
    "response_plain.lua": "return { http = 'GET /plain', run = function(ctx) ctx.response({ 1, 2 }) return 'other' end }",
    "response_never.lua": """
return { http = "GET /never", durable = "never", run = function(ctx) ctx.response("x", { status = 418 }) return 'other' end }
""",
    "response_then_error.lua": "return function(ctx) ctx.response({ taken = true }) error('after the answer') end",
    "response_empty.lua": "return { http = 'GET /empty', run = function(ctx) ctx.response(nil, { status = 204 }) end }",
    "response_arguments.lua": """
return function(ctx)
    local codes, many = {}, {}
    for i = 1, 100 do many["X-" .. i] = i end
    for i, o in ipairs { { headers = many }, { status = 199 }, { status = 600 }, { status = "x" }, { headers = { A = "b\\r\\nC: d" } }, { headers = 7 } } do
        local ok, err = pcall(ctx.response, {}, o)
        codes[i] = ok and "ok" or err.code
    end
    return codes
end
""",
    "errors.lua": """
return function(ctx)
    local ok, err = pcall(ctx.request, { url = ctx.env.UPSTREAM .. "/404" })
    local names = {}
    for _, name in ipairs { "code", "message", "retryable", "cause", "step", "status" } do names[name] = err[name] end
    local ok2, again = pcall(error, err)
    local ok3, own = pcall(error, { code = "OWN", message = "mine" })
    return { ok = ok, names = names, text = tostring(err), same = again == err, own = own.code, plain = select(2, pcall(error, "x", 0)) }
end
""",
    "lua_error.lua": """
local function deepest(value)
    return value.missing.field
end
return function(ctx, input)
    local function middle()
        local result = deepest({})
        return result
    end
    local got = middle()
    return got
end
""",
    "rethrown.lua": "return function(ctx) local ok, err = pcall(ctx.request, { url = ctx.env.UPSTREAM .. '/404' }) error(err) end",
    "own_error.lua": "return function(ctx) error({ code = 'OUT_OF_STOCK', message = 'none left', data = { sku = 7 } }) end",
    "odd_error.lua": "return function(ctx) error(setmetatable({}, { __tostring = function() error('twice') end })) end",
    "index_error.lua": "return function(ctx) error(setmetatable({}, { __index = function() while true do end end })) end",
    "nil_error.lua": "return function(ctx) error(nil) end",
    "on_error_fail.lua": "return { on_error = 'fail', run = function(ctx) error('bad luck') end }",
    "never_error.lua": "return { durable = 'never', run = function(ctx) error('bad luck') end }",
    "bad_output.lua": "return function(ctx) return { f = print } end",
    "mixed_output.lua": "return function(ctx) return { 1, 2, x = 3 } end",
    "lib/waits.lua": "wait()",
    "inside_functions.lua": """
-- The first two take a function of the flow and are Lua themselves, so that it may wait; a file must not while it loads.
return function(ctx)
    function wait() ctx.sleep(0) end
    local list = { 3, 1, 2 }
    table.sort(list, function(a, b) ctx.sleep(0) return a < b end)
    return { list, (("ab"):gsub(".", function(c) ctx.sleep(0) return c:upper() end)), tostring(select(2, pcall(require, "waits"))) }
end
""",
    "inside_handler.lua": """
return function(ctx)
    local ok, err = xpcall(function() error("x", 0) end, function(raised)
        local slept, why = pcall(ctx.sleep, 0)
        return { raised = raised, slept = slept, why = tostring(why) }
    end)
    return err
end
""",
    "inside_coroutine.lua": """
return function(ctx)
    local co = coroutine.create(function() ctx.sleep(0) end)
    local ok, err = coroutine.resume(co)
    local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
    return { ok = ok, text = tostring(err), sum = gen() + gen() + gen() }
end
""",
    "yields.lua": "return function(ctx) coroutine.yield({ start = function() end }) return 1 end",
    "kept_ctx.lua": """
local kept
return function(ctx)
    kept = kept or ctx
    return { mine = ctx.trx(), kept = kept.trx() }
end
""",
    "deep.lua": "local function down(n) return 1 + down(n + 1) end return function(ctx) return down(1) end",
}
STATUS = {"stop": "broken", "break": "broken", "rewritten_break": "broken", "fail": "failed"}


class Control(HostCase):
    FLOWS = FLOWS

    def handle(self, request):
        return (404, {"reason": "none"}) if request.path == "/404" else (200, {})

    def ends_as(self, name, answer):
        if name == "fail":
            self.assert_problem(answer, 500, "NO_STOCK", answer.run)
            self.assertIn("sold out", answer.body["detail"])
        else:
            self.assert_problem(answer, 409, "BROKEN", answer.run)
            self.assertIn("enough", answer.body["detail"])
        run = get_run(self.host, answer.run)
        self.assertEqual((run["status"], run["output"], run["error"]["code"]), (STATUS[name], None, answer.body["code"]))
        self.assertIsNotNone(run["ended_at"])
        self.assert_problem(recover(self.host, answer.run), 409, "WRONG_STATE")

    def test_ends(self):
        for name in ENDS:
            self.ends_as(name, self.start_run(name))
        self.assertEqual(self.upstream.requests, [])

    def test_no_pcall_catches_them(self):
        for name in ENDS:
            self.ends_as(name, self.start_run(f"{name}_in_pcall"))
        self.assertEqual(self.upstream.requests, [])

    def test_they_end_all_branches(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def handle(_):
            release.wait(SECONDS)
            return 200, {}
        self.upstream.handler = handle
        for name in ENDS:
            self.ends_as(name, self.start_run(f"{name}_in_branch"))
        self.assertNotIn("/next", [request.path for request in self.upstream.requests])

    def test_without_words(self):
        self.assert_problem(self.start_run("stop_without_reason"), 409, "BROKEN")
        self.assert_problem(self.start_run("fail_without_message"), 500, "CODE")

    def test_response(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def handle(_):
            release.wait(SECONDS)
            return 200, {}
        self.upstream.handler = handle
        answer = self.ask("POST", "/response", {})
        self.assertEqual((answer.status, answer.body, answer.headers["X-Order"], answer.headers["Content-Type"]),
                         (202, {"taken": True}, "7", "application/vnd.shop+json"))
        self.assertEqual(get_run(self.host, answer.run)["status"], "running")
        release.set()
        run = wait_for_run(self.host, answer.run)
        self.assertEqual((run["status"], run["output"]), ("succeeded", {"output": True}))
        self.assertEqual([request.path for request in self.upstream.requests], ["/later"])

    def test_response_kinds(self):
        answer = self.ask("GET", "/text")
        self.assertEqual((answer.status, answer.body, answer.headers["Content-Type"]), (200, b"<b>hi</b>", "text/html"))
        answer = self.ask("GET", "/plain")
        self.assertEqual((answer.status, answer.body, answer.headers["Content-Type"]), (200, [1, 2], "application/json"))
        answer = self.ask("GET", "/never")
        self.assertEqual((answer.status, answer.body), (418, "x"))

    def test_response_without_a_body(self):
        for _ in range(2):  # on one connection: nothing is left of the first
            answer = self.ask("GET", "/empty")
            self.assertEqual((answer.status, answer.body, answer.headers.get("Content-Type")), (204, b"", None))

    def test_response_by_api(self):
        answer = self.start_run("response_plain")
        self.assertEqual((answer.status, answer.body), (200, [1, 2]))

    def test_response_then_error(self):
        answer = self.start_run("response_then_error")
        self.assertEqual((answer.status, answer.body), (200, {"taken": True}))
        self.assertEqual(wait_for_run(self.host, answer.run)["status"], "suspended")

    def test_response_arguments(self):
        self.assertEqual(self.output_of("response_arguments"), ["INVALID"] * 6)

    def test_error_tables(self):
        got = self.output_of("errors")
        self.assertEqual(got["names"], {"code": "HTTP_STATUS", "message": got["names"]["message"], "retryable": False,
                                        "step": "1", "status": 404})
        self.assertEqual(got["text"], "HTTP_STATUS: " + got["names"]["message"])
        self.assertEqual((got["ok"], got["same"], got["own"], got["plain"]), (False, True, "OWN", "x"))

    def test_lua_error_suspends_with_message_and_own_stack(self):
        answer = self.start_run("lua_error")
        problem = self.assert_problem(answer, 500, "LUA_ERROR", answer.run)
        self.assertIn("lua_error.lua:3:", problem["detail"])
        run = get_run(self.host, answer.run)
        self.assertEqual((run["status"], run["error"]["code"], run["ended_at"]), ("suspended", "LUA_ERROR", None))
        self.assertRegex(run["error"]["message"], r"^lua_error\.lua:3: .*missing.*nil")
        lines = [line.split(" ")[0] for line in run["error"]["stack"]]
        self.assertEqual(lines, ["lua_error.lua:3", "lua_error.lua:7", "lua_error.lua:10"])

    def test_rethrown_error_keeps_its_code(self):
        answer = self.start_run("rethrown")
        self.assert_problem(answer, 502, "HTTP_STATUS", answer.run)
        self.assertEqual(answer.body["step"], "1")

    def test_own_errors(self):
        answer = self.start_run("own_error")
        self.assert_problem(answer, 500, "OUT_OF_STOCK", answer.run)
        self.assertEqual(get_run(self.host, answer.run)["error"]["message"], "none left")
        for flow in ("odd_error", "index_error", "nil_error"):
            self.assert_problem(self.start_run(flow), 500, "LUA_ERROR")

    def test_on_error_fail(self):
        answer = self.start_run("on_error_fail")
        self.assert_problem(answer, 500, "LUA_ERROR", answer.run)
        self.assertEqual(get_run(self.host, answer.run)["status"], "failed")
        self.assertNotIn("recover", answer.body["detail"])

    def test_never_keeps_nothing(self):
        answer = self.start_run("never_error")
        self.assert_problem(answer, 500, "LUA_ERROR")
        self.assertNotIn("recover", answer.body["detail"])
        self.assert_problem(self.ask("GET", f"/v1/runs/{answer.headers.get('Flowhost-Run', '0' * 26)}"), 404, "NO_RUN")

    def test_outputs_that_json_cannot_hold(self):
        for flow in ("bad_output", "mixed_output"):
            answer = self.start_run(flow)
            self.assertEqual(answer.body["code"], "NOT_JSON", answer.body)
            self.assertEqual(answer.status, 500, "the flow's own fault, not an upstream's")
            self.assertEqual(get_run(self.host, answer.run)["status"], "suspended")

    def test_waiting_where_it_cannot(self):
        got = self.output_of("inside_handler")
        self.assertEqual((got["raised"], got["slept"]), ("x", False))
        self.assertRegex(got["why"], "^NOT_YIELDABLE: ")
        got = self.output_of("inside_coroutine")
        self.assertEqual((got["ok"], got["sum"]), (False, 6))
        self.assertIn("coroutine", got["text"])

    def test_waiting_in_callbacks(self):
        self.assertEqual(self.output_of("inside_functions"), [[1, 2, 3], "AB", "NOT_YIELDABLE: ctx.sleep cannot be called while a file is being loaded"])

    def test_a_yield_of_the_flow_is_an_error(self):
        self.assert_problem(self.start_run("yields"), 500, "LUA_ERROR")

    def test_nothing_is_shared_between_runs(self):
        for _ in range(3):
            got = self.output_of("kept_ctx")
            self.assertEqual(got["mine"], got["kept"])

    def test_stack_overflow(self):
        answer = self.start_run("deep")
        self.assert_problem(answer, 500, "LUA_ERROR", answer.run)
        self.assertIn("stack overflow", answer.body["detail"])

    def test_suspended_run_keeps_its_steps(self):
        answer = self.start_run("rethrown")
        (step,) = get_steps(self.host, answer.run).values()
        self.assertEqual((step["status"], step["error"]["code"], step["error"]["status"]), ("failed", "HTTP_STATUS", 404))


class ControlOnTwoShards(Control):
    SHARDS = 2


if __name__ == "__main__":
    unittest.main()
