-- SPDX-License-Identifier: MIT
-- The log of a rule's run, made of its journal (SEEDS 1.13).
local rules = require "support.rules"

local api, call, handler, script = rules.api, rules.call, rules.handler, rules.script
local null = rules.json.null

local function new(rule, o)
    rule.record, rule.request = true, { type = "json" }
    local w = rules.new({ a = rule }, o)
    assert.same({}, w.problems)
    return w
end

local function log_of(w, id)
    local request = w:request("GET", ("/v1/runs/%s/log"):format(id or w:ids()[1]))
    assert.equal(200, request.status)
    return rules.json.decode(request.body)
end

local function run(w, body)
    call(w, "a", { body = body or {} })
    return log_of(w)
end

--- Component entries of all layers as "layer.column name".
local function outline(log)
    local list = {}
    for _, layer in ipairs(log.step_logs) do
        for _, one in ipairs(layer.component_logs) do
            list[#list + 1] = ("%d.%d %s"):format(one.step, one.action, one.name)
        end
    end
    return list
end

describe("the log of a run", function()
    it("has layers, their components, and the requests of those", function()
        local log = run(new({ components = {
            { api("x", { input = { n = 1 }, desc = "asks", timeout = 3 }) },
            { script("s"), api("y") },
        } }, { files = { ["components/s.lua"] = handler
            "ctx.request{ method='PUT', url='http://u/in', json={} } return ctx.request{ url='http://u/two' }" } }),
            { q = 1 })
        local names = outline(log)
        table.sort(names)
        assert.same({ "1.1 x", "2.1 s", "2.2 y" }, names)
        assert.same({ q = 1 }, log.request.body)
        assert.equal(2, log.step)
        local x = log.step_logs[1].component_logs[1]
        assert.same({ "asks", "api", "POST", 3, "x" }, { x.desc, x.type, x.method, x.timeout, x.output_name })
        assert.same({ n = 1 }, x.request_logs[1].body)
        assert.equal(200, x.request_logs[1].resp_code)
        assert.equal(null, x.version)
        for _, one in ipairs(log.step_logs[2].component_logs) do
            assert.equal(one.name == "s" and 2 or 1, #one.request_logs)
            if one.name == "s" then
                assert.equal("PUT", one.request_logs[1].method)
                assert.equal("http://u/in", one.request_logs[1].url)
                assert.equal("http://u/two", one.request_logs[2].url)
                assert.equal(200, one.request_logs[2].resp_code)
                assert.is_string(one.version)
            end
        end
    end)

    it("has each attempt with its own requests, and counts the component once", function()
        local count = 0
        local w = new({ components = { { api("x", { retryMaxCount = 2 }) } } }, { upstream = function()
            count = count + 1
            if count < 3 then
                return "NETWORK", "cut"
            end
            return 200, nil, { id = 7 }
        end })
        local layer = run(w).step_logs[1]
        assert.equal(1, layer.action_count)
        assert.equal(3, #layer.component_logs)
        assert.equal(null, layer.error)
        for i, one in ipairs(layer.component_logs) do
            assert.equal(i - 1, one.retry_count)
            assert.equal(1, #one.request_logs)
            assert.equal(i < 3 and "110007: cut" or null, one.error)
            assert.equal(i < 3 and "NETWORK: cut" or null, one.request_logs[1].error)
        end
        assert.same({ id = 7 }, layer.component_logs[3].response)
        assert.same({ id = 7 }, layer.component_logs[3].request_logs[1].resp_body)
    end)

    it("shows what was skipped and what was ignored", function()
        local log = run(new({ components = { {
            script("no", { condition = "1 == 2" }), script("bad", { ignoreError = true }),
        } } }, { files = { ["components/no.lua"] = handler "return 1",
            ["components/bad.lua"] = handler "error('x')" } }))
        local by_name = {}
        for _, one in ipairs(log.step_logs[1].component_logs) do
            by_name[one.name] = one
        end
        assert.is_true(by_name.no.is_skip)
        assert.is_true(by_name.bad.ignore_error)
        assert.is_string(by_name.bad.error)
        assert.equal(null, log.step_logs[1].error)
        assert.equal("成功执行", log.status)
    end)

    it("has the layer once more for each time that the run went on in it", function()
        local is_mended = false
        local w = new({ suspend = true, components = { { api("x") }, { api("y", {
            responseCondition = "{ok} == true" }) } } }, { upstream = function()
            return 200, nil, { ok = is_mended }
        end })
        local log = run(w)
        assert.same({ "1.1 x", "2.1 y" }, outline(log))
        assert.same({ "错误挂起", 2, null }, { log.status, log.cur_step, log.end_datetime })
        assert.is_string(log.step_logs[2].error)
        is_mended = true
        w:request("POST", ("/v1/runs/%s/recover"):format(w:ids()[1]), { body = "" })
        w:settle()
        log = log_of(w)
        assert.same({ "1.1 x", "2.1 y", "2.1 y" }, outline(log))
        assert.same({ "成功执行", 3, null }, { log.status, log.cur_step, log.error })
        assert.equal(null, log.step_logs[3].error)
    end)

    it("says the times in UTC, and how long it took", function()
        local w = new({ components = { { api("x") } } }, { upstream = function() end })
        w:request("POST", "/ps/a", { body = {} })
        w:rest()
        assert.equal(null, log_of(w).status)
        w:advance(1234)
        w:answer(w:open_calls()[1], 200, nil, { ok = true })
        w:settle()
        local log = log_of(w)
        assert.equal("2023-11-14 22:13:20.000", log.start_datetime)
        assert.equal("2023-11-14 22:13:21.234", log.end_datetime)
        assert.equal("1.234s", log.run_time)
        assert.equal("1.234s", log.resp_time)
        assert.equal("1.234s", log.step_logs[1].run_time)
        assert.equal("1.234s", log.step_logs[1].component_logs[1].request_logs[1].run_time)
    end)

    it("tells that the caller was answered before the end", function()
        local w = new({ components = { { api("x", { nowResponse = true }) }, { api("y") } },
            response = { body = { done = true } } })
        local log = run(w)
        assert.is_string(log.resp_datetime)
        assert.same({ done = true }, log.response)
    end)

    it("is there for runs of other flows, without layers", function()
        local w = rules.new({}, { files = { ["b.lua"] = "return function(ctx) ctx.stop('enough') end" } })
        w:request("POST", "/v1/flows/b/runs", { body = "" })
        w:settle()
        local log = log_of(w)
        assert.same({ {}, 0, "主动中断" }, { log.step_logs, log.step, log.status })
    end)
end)
