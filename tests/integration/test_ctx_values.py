# SPDX-License-Identifier: MIT
"""ctx verbs that stay inside: step, component, values, time, data, log, codecs, what a run knows about itself."""
import base64
import time
import unittest

from suite import RUN_ID, HostCase, get_run, recover, wait_for_run

FLOWS = {
    "step.lua": """
return function(ctx, input)
    local sum = ctx.step("add", function() return 1 + 2 end)
    local nested = ctx.step("outer", function()
        local inner = ctx.step("inner", function() return { sum = sum } end)
        return { inner, ctx.step("nothing", function() end) == nil }
    end)
    return { sum = sum, nested = nested }
end
""",
    "step_results.lua": """
-- A result is what JSON makes of it, live as in a replay: the caller's table is not the step's.
return function(ctx)
    local own = { list = ctx.json.array {}, object = {}, big = 9007199254740993LL, null = ctx.json.null }
    local got = ctx.step("table", function() return own end)
    own.list[1] = "changed"
    got.same = got.list == own.list
    return got
end
""",
    "step_fails.lua": """
return function(ctx)
    local ok, err = pcall(ctx.step, "bad", function() error("no luck") end)
    local ok2, err2 = pcall(ctx.step, "coded", function() error({ code = "MINE", message = "own", data = { 1 } }) end)
    local ok3, err3 = pcall(ctx.step, "function", function() return function() end end)
    return { ok = ok, text = tostring(err), code = err.code, step = err.step,
        ok2 = ok2, code2 = err2.code, message2 = err2.message, data2 = err2.data, step2 = err2.step,
        ok3 = ok3, code3 = err3.code }
end
""",
    "step_arguments.lua": """
return function(ctx)
    local codes = {}
    for _, arguments in ipairs { { 1, print }, { "name" }, { "name", 7 }, {} } do
        local ok, err = pcall(ctx.step, arguments[1], arguments[2])
        codes[#codes + 1] = ok and "ok" or err.code
    end
    return codes
end
""",
    "components/double.lua": "return function(ctx, input) return { n = input.n * 2 } end",
    "components/deep/quad.lua": """
return function(ctx, input)
    local once = ctx.component("double", input)
    local seen = ctx.step("between", function() return "seen" end)
    return { n = ctx.component("double", once).n, seen = seen }
end
""",
    "components/globals.lua": "count = (count or 0) + 1 return function(ctx, input) input.changed = true return count end",
    "components/handler.lua": "function handler(ctx, input) return { got = input == nil } end",
    "components/fails.lua": "return function(ctx, input) error('component broke') end",
    "component.lua": "return function(ctx, input) return ctx.component('deep/quad', input) end",
    "component_environment.lua": """
return function(ctx)
    local input = {}
    return { ctx.component("globals", input), ctx.component("globals", input), input.changed == nil, count == nil }
end
""",
    "component_handler.lua": "return function(ctx) return ctx.component('handler') end",
    "component_fails.lua": """
return function(ctx)
    local ok, err = pcall(ctx.component, "fails", {})
    local ok2, err2 = pcall(ctx.component, "nobody", {})
    return { ok = ok, text = tostring(err), step = err.step, code2 = err2.code, text2 = tostring(err2) }
end
""",
    "values.lua": """
return function(ctx)
    local faces = {}
    for i = 1, 200 do faces[ctx.random(6)] = true end
    local count = 0
    for face in pairs(faces) do assert(face >= 1 and face <= 6 and face == math.floor(face)) count = count + 1 end
    local fraction = ctx.random()
    assert(fraction >= 0 and fraction < 1)
    local range = ctx.random(-3, -1)
    assert(range >= -3 and range <= -1)
    return { uuid = ctx.uuid(), other = ctx.uuid(), now = ctx.now(), faces = count, one = ctx.random(5, 5) }
end
""",
    "random_arguments.lua": """
return function(ctx)
    local codes = {}
    for _, pair in ipairs { { 0 }, { 2, 1 }, { 1.5 }, { "x" }, { 0/0 } } do
        local ok, err = pcall(ctx.random, pair[1], pair[2])
        codes[#codes + 1] = ok and "ok" or err.code
    end
    return codes
end
""",
    "sleep.lua": """
return function(ctx, input)
    local before = ctx.now()
    ctx.sleep(input.s)
    return { waited_ms = math.floor((ctx.now() - before) * 1000 + 0.5), clock = os.time() >= math.floor(before) }
end
""",
    "sleep_arguments.lua": """
return function(ctx)
    local codes = {}
    for i, seconds in ipairs { -1, "x", 0/0, 1/0, false } do
        local ok, err = pcall(ctx.sleep, seconds)
        codes[i] = ok and "ok" or err.code
    end
    return codes
end
""",
    "data.lua": """
return function(ctx)
    local unknown = ctx.data.load("k")
    ctx.data.store("k", { list = { 1, 2 } })
    ctx.data.store("other", 7)
    local first = ctx.data.load("k")
    first.list[1] = "changed"
    local again = ctx.data.load("k")
    ctx.data.store("k", nil)
    local ok, err = pcall(ctx.data.store, 7, 1)
    return { unknown = unknown == nil, list = again.list, gone = ctx.data.load("k") == nil, other = ctx.data.load("other"),
        from_component = ctx.component("reads", {}), code = err.code }
end
""",
    "components/reads.lua": "return function(ctx) ctx.data.store('set', 1) return ctx.data.load('other') end",
    "log.lua": """
return function(ctx)
    ctx.log.debug("quiet")
    ctx.log.info("a line", 7, { a = 1 }, nil, true)
    ctx.log.warn("a warning")
    ctx.log.error("an error")
    print("printed", 1)
    return {}
end
""",
    "json.lua": """
return function(ctx, input)
    local value = ctx.json.decode(input.text)
    return { again = ctx.json.encode(value), null = ctx.json.encode(nil), array = ctx.json.encode(ctx.json.array {}),
        object = ctx.json.encode {}, is_null = ctx.json.decode("null") == ctx.json.null }
end
""",
    "json_errors.lua": """
return function(ctx)
    local out = {}
    for i, case in ipairs { { ctx.json.decode, "{" }, { ctx.json.decode, 7 }, { ctx.json.encode, print },
        { ctx.json.encode, { 0/0 } }, { ctx.base64.decode, "?" }, { ctx.base64.encode, 7 } } do
        local ok, err = pcall(case[1], case[2])
        out[i] = { ok, err.code, err.message }
    end
    return out
end
""",
    "base64.lua": """
return function(ctx, input)
    return { encoded = ctx.base64.encode(input.text), decoded = ctx.base64.decode(input.encoded),
        bytes = #ctx.base64.decode("AP8="), empty = ctx.base64.encode("") }
end
""",
    "info.lua": """
return function(ctx, input)
    ctx.env.SCRIBBLE = "mine"
    ctx.run.flow = "changed"
    ctx.log.own = 1
    return { trx = ctx.trx(), log_id = ctx.logId(), run = ctx.run, env = ctx.env, in_component = ctx.component("info", {}) }
end
""",
    "components/info.lua": "return function(ctx) return { trx = ctx.trx(), env = ctx.env, run = ctx.run, own = ctx.log.own } end",
    "sub/folder/named.lua": "return function(ctx, input) return { flow = ctx.run.flow, input = input } end",
    "handler.lua": "function handler(ctx, input) return { seed = true, input = input } end",
    "lib/shop/prices.lua": "local M = {} function M.of(n) return n * 10 end return M",
    "lib/flat.lua": "return { value = 'flat' }",
    "requires.lua": """
local prices = require "shop.prices"
return function(ctx, input)
    local ok, err = pcall(require, "nowhere")
    return { price = prices.of(input.n), flat = require("flat").value, cjson = require("cjson").encode({ a = 1 }),
        same = require("flat") == require("flat"), ok = ok, reason = tostring(err) }
end
""",
    "breaks.lua": """
return function(ctx, input)
    local text = "ctx.break" -- ctx.break in a comment
    for i = 1, 3 do if i == 2 then break end end
    if input.stop then ctx.break(text) end
    return text
end
""",
    # Everything that is recorded, then a call that may fail: a recover runs it all again.
    "replay.lua": """
return function(ctx, input)
    local seen = {
        uuid = ctx.uuid(), random = ctx.random(1, 1000000), fraction = ctx.random(), now = ctx.now(), time = os.time(),
        date = os.date("!%Y-%m-%d %H:%M:%S"), math_random = math.random(), clock = os.clock(),
        step = ctx.step("make", function() return { math.random(), ctx.uuid() } end),
        component = ctx.component("rolls", {}), table_text = tostring({}), function_text = tostring(function() end),
    }
    seen.all = { ctx.all {
        function() ctx.sleep(0.02) return { ctx.uuid(), math.random() } end,
        function() return { ctx.uuid(), math.random(), ctx.now() } end,
    } }
    seen.map = ctx.map({ "a", "b", "c" }, function(item, i) return item .. i .. ctx.uuid() .. math.random() end,
        { concurrency = 2 })
    ctx.data.store("k", ctx.uuid())
    seen.data = ctx.data.load("k")
    local keys = {}
    for key in pairs { z = 1, a = 1, [10] = 1, [2] = 1, m = 1 } do keys[#keys + 1] = tostring(key) end
    seen.keys = keys
    ctx.log.info("the log line of", ctx.trx())
    local ok, err = pcall(ctx.request, { url = ctx.env.UPSTREAM .. "/missing" })
    seen.caught = { ok, err.code, err.status, err.message, err.step }
    ctx.request { url = ctx.env.UPSTREAM .. "/check", json = seen }
    return seen
end
""",
    "components/rolls.lua": "return function(ctx) return { ctx.random(1000000), math.random(), ctx.now() } end",
}


class Values(HostCase):
    FLOWS = FLOWS

    def kinds(self, answer):
        return [(path, step["kind"], step["name"]) for path, step in self.steps_of(answer).items()]

    def test_step(self):
        answer = self.start_run("step")
        self.assertEqual(answer.body, {"sum": 3, "nested": [{"sum": 3}, True]})
        self.assertEqual(self.kinds(answer), [("1", "step", "add"), ("2", "step", "outer"), ("2.1", "step", "inner"),
                                              ("2.2", "step", "nothing")])
        self.assertEqual(self.steps_of(answer)["2.2"]["output"], None)

    def test_step_results_are_json(self):
        self.assertEqual(self.output_of("step_results"), {
            "list": [], "object": {}, "big": 9007199254740993, "null": None, "same": False})

    def test_step_fails(self):
        answer = self.start_run("step_fails")
        got = answer.body
        self.assertEqual((got["ok"], got["code"], got["step"]), (False, "LUA_ERROR", "1"))
        self.assertRegex(got["text"], r"^LUA_ERROR: step_fails\.lua:3: no luck$")
        self.assertEqual((got["ok2"], got["code2"], got["message2"], got["data2"], got["step2"]),
                         (False, "MINE", "own", [1], "2"))
        self.assertEqual((got["ok3"], got["code3"]), (False, "NOT_JSON"))
        self.assertEqual({s["status"] for s in self.steps_of(answer).values()}, {"failed"})

    def test_step_arguments(self):
        self.assertEqual(self.output_of("step_arguments"), ["INVALID"] * 4)

    def test_component(self):
        answer = self.start_run("component", {"n": 3})
        self.assertEqual(answer.body, {"n": 12, "seen": "seen"})
        self.assertEqual(self.kinds(answer), [
            ("1", "component", "deep/quad"), ("1.1", "component", "double"), ("1.2", "step", "between"),
            ("1.3", "component", "double")])

    def test_component_has_its_own_environment(self):
        self.assertEqual(self.output_of("component_environment"), [1, 1, True, True])

    def test_component_as_global_handler(self):
        self.assertEqual(self.output_of("component_handler"), {"got": True})

    def test_component_fails(self):
        got = self.output_of("component_fails")
        self.assertEqual((got["ok"], got["step"], got["code2"]), (False, "1", "NOT_FOUND"))
        self.assertEqual(got["text"], "LUA_ERROR: components/fails.lua:1: component broke")
        self.assertIn("components/nobody.lua", got["text2"])

    def test_values(self):
        before = time.time()
        got = self.output_of("values")
        self.assertRegex(got["uuid"], r"^[0-9A-F]{12}4[0-9A-F]{3}[89AB][0-9A-F]{15}$")
        self.assertNotEqual(got["uuid"], got["other"])
        self.assertEqual((got["faces"], got["one"]), (6, 5))
        self.assertTrue(int(before * 1000) / 1000 <= got["now"] <= time.time())

    def test_random_arguments(self):
        self.assertEqual(self.output_of("random_arguments"), ["INVALID"] * 5)

    def test_sleep(self):
        got = self.output_of("sleep", {"s": 0.05})
        self.assertGreaterEqual(got["waited_ms"], 50)
        self.assertTrue(got["clock"])
        self.assertEqual(self.start_run("sleep", {"s": 0}).status, 200)

    def test_sleep_arguments(self):
        self.assertEqual(self.output_of("sleep_arguments"), ["INVALID"] * 5)

    def test_data(self):
        self.assertEqual(self.output_of("data"), {
            "unknown": True, "list": [1, 2], "gone": True, "other": 7, "from_component": 7, "code": "INVALID"})

    def test_log(self):
        answer = self.start_run("log")
        self.assertEqual(answer.status, 200)
        lines = [line for line in self.host.log.splitlines() if answer.run in line]
        self.assertEqual(len(lines), 4, lines)
        self.assertIn('a line 7 {"a":1} nil true', lines[0])
        for line, word in zip(lines, ("info", "warn", "error", "info")):
            self.assertIn(word, line.lower())
            self.assertIn("log", line)
        self.assertNotIn("quiet", self.host.log)
        trace = get_run(self.host, answer.run)["trace_id"]
        self.assertIn(trace, lines[0])
        kept = [(s["kind"], s["name"], s["output"]) for s in self.steps_of(answer).values()]
        self.assertEqual(kept, [("log", "debug", "quiet"), ("log", "info", 'a line 7 {"a":1} nil true'),
                                ("log", "warn", "a warning"), ("log", "error", "an error"), ("log", "info", "printed\t1")])

    def test_json(self):
        got = self.output_of("json", {"text": '{"b":[],"a":{},"i":9007199254740993,"n":null}'})
        self.assertEqual(got, {"again": '{"a":{},"b":[],"i":9007199254740993,"n":null}', "null": "null", "array": "[]",
                               "object": "{}", "is_null": True})

    def test_codec_errors(self):
        for ok, code, message in self.output_of("json_errors"):
            self.assertEqual((ok, code), (False, "INVALID"))
            self.assertTrue(message)

    def test_base64(self):
        text = "flow \u00e9\u0000?>"
        got = self.output_of("base64", {"text": text, "encoded": base64.b64encode(text.encode()).decode()})
        self.assertEqual(got, {"encoded": base64.b64encode(text.encode()).decode(), "decoded": text, "bytes": 2, "empty": ""})

    def test_info(self):
        answer = self.start_run("info", traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        got, run = answer.body, get_run(self.host, answer.run)
        self.assertEqual((got["trx"], got["log_id"]), (answer.run, "0af7651916cd43dd8448eb211c80319c"))
        self.assertRegex(answer.run, RUN_ID)
        self.assertEqual(got["env"], {"UPSTREAM": self.upstream.url, "SCRIBBLE": "mine"})
        inner = got["in_component"]
        self.assertEqual((inner["trx"], inner["env"], inner.get("own")), (answer.run, {"UPSTREAM": self.upstream.url}, None))
        self.assertEqual((inner["run"]["id"], inner["run"]["flow"], inner["run"]["version"], set(inner["run"])),
                         (answer.run, "info", run["version"], {"id", "flow", "version", "started_at"}))
        self.assertIsInstance(inner["run"]["started_at"], float)
        self.assertEqual(self.output_of("info")["env"]["SCRIBBLE"], "mine")

    def test_names_with_folders(self):
        self.assertEqual(self.output_of("sub/folder/named", [1]), {"flow": "sub/folder/named", "input": [1]})

    def test_global_handler(self):
        self.assertEqual(self.output_of("handler", {"a": None}), {"seed": True, "input": {"a": None}})

    def test_require(self):
        got = self.output_of("requires", {"n": 4})
        self.assertEqual((got["price"], got["flat"], got["cjson"], got["same"], got["ok"]),
                         (40, "flat", '{"a":1}', True, False))
        self.assertIn("nowhere", got["reason"])

    def test_break_is_rewritten_only_where_it_is_code(self):
        self.assertEqual(self.output_of("breaks", {}), "ctx.break")
        answer = self.start_run("breaks", {"stop": True})
        self.assertEqual((answer.status, answer.body["code"], answer.body["detail"]), (409, "BROKEN", "ctx.break"))

    def test_a_replay_sees_what_was_recorded(self):
        bodies = []

        def handle(request):
            if request.path == "/missing":
                return 404, {"reason": "none"}
            bodies.append(request)
            return (503, {}) if len(bodies) < 3 else (200, {})
        self.upstream.handler = handle
        answer = self.start_run("replay")
        self.assertEqual((answer.status, answer.body["code"]), (502, "HTTP_STATUS"), answer.body)
        run = answer.run
        self.assertEqual(recover(self.host, run).status, 202)
        self.assertEqual(wait_for_run(self.host, run)["status"], "suspended")
        self.assertEqual(recover(self.host, run).status, 202)
        done = wait_for_run(self.host, run)
        self.assertEqual((done["status"], done["attempt"]), ("succeeded", 3), done["error"])
        self.assertEqual(len(bodies), 3)
        for body in bodies:
            self.assertEqual(body.json, bodies[0].json)
            self.assertEqual(body.headers["Idempotency-Key"], bodies[0].headers["Idempotency-Key"])
        self.assertEqual(done["output"], bodies[0].json)
        self.assertEqual([r.path for r in self.upstream.requests].count("/missing"), 1)
        self.assertEqual(self.host.log.count("the log line of " + run), 1)
        self.assertEqual(bodies[0].json["keys"], ["2", "10", "a", "m", "z"])
        self.assertNotIn("0x", bodies[0].json["table_text"])


class ValuesOnTwoShards(Values):
    SHARDS = 2


if __name__ == "__main__":
    unittest.main()
