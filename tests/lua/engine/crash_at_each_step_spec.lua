-- SPDX-License-Identifier: MIT
local crash = require "support.crash"
local mixture = require "support.mixture"
local world = require "support.world"

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

--- The examples' folder, as the host reads it.
local function example_files()
    local files = {}
    local list = assert(io.popen "find flows -name '*.lua'")
    for path in list:lines() do
        files[path:gsub("^flows/", "")] = read(path)
    end
    list:close()
    return files
end

local COUPON = { code = "W", percent = 10 }
local PHONE = { body = { phone = "123456", user_id = 17 } }

-- What is checked here are calls of one run: flows/campaign_test.lua crashes this one.
local HAS_CHILDREN = { campaign = true }

-- An example that is not here is played with the input that most take, and has to end, whatever it returns.
local EXAMPLES = {
    hello = { input = { query = { name = "Ada" } }, output = { hello = "Ada" } },
    register = { output = { code = 200, msg = "success", data = {
        user = { id = 17 }, coupon = COUPON, message = { sent = true },
    } } },
    coupons = { input = { body = { users = { 1, 2, 3, 4, 5 } } },
        output = { coupons = { COUPON, COUPON, COUPON, COUPON, COUPON } } },
    offer = { input = { body = { user_id = 17, within = 60 } }, output = { price = 90 } },
    profile = { input = { query = { phone = "123456" } }, output = { id = 17, coupon = "W" } },
    -- printf '1700000000.{ "order": 17 }' | openssl dgst -sha256 -hmac 'good for nothing but the demo'
    signed_callback = { input = { body = { order = 17 }, raw = '{ "order": 17 }', header = { ["x-time"] = "1700000000",
        ["x-signature"] = "7e730c27f6863cac606b1b52f617bc6be82b5b0585c7d96d321d877e992d2b95" } },
        output = { paid = 17 } },
    payment = { input = { body = { amount = 100 } }, output = { paid = 100, receipt = "R" } },
    ["demo/cards"] = { input = { body = { amount = 100 } }, output = { receipt = "R-100" } },
    ["demo/coupons"] = { output = { code = "WELCOME-17", percent = 10 } },
    ["demo/messages"] = { output = { sent = true, to = "123456" } },
    ["demo/users"] = { output = { id = 17, phone = "123456" } },
    welcome = { output = { sent = true } },
}

local ANSWERS = { users = { id = 17 }, coupons = COUPON, messages = { sent = true }, cards = { receipt = "R" } }

local function example_upstream(call)
    return 200, nil, ANSWERS[call.url:match "/(%w+)$"] or {}
end

local ENV = { CALLBACK_KEY = "good for nothing but the demo" }
for name in pairs(ANSWERS) do
    ENV[name:gsub("s$", ""):upper() .. "_URL"] = "http://u/" .. name
end

local MODES = {
    { name = "one answer a commit", options = {} },
    { name = "newest first", options = { is_reversed = true } },
    { name = "all answers before a commit", options = { answers_together = true } },
    { name = "parked at once", options = { settings = { park_after = "0.001" } } },
}

local function play(o, mode)
    for name, value in pairs(mode.options) do
        if type(value) == "table" then
            for key, inner in pairs(o[name] or {}) do
                value[key] = value[key] or inner
            end
        end
        o[name] = value
    end
    return crash.at_each_step(o)
end

describe("an example", function()
    local files = example_files()

    local function check(name, record_all, mode)
        local example = EXAMPLES[name] or {}
        local first, request = play({
            files = files, flow = name, input = example.input or PHONE, upstream = example_upstream, env = ENV,
            settings = { record_all = record_all },
        }, mode)
        assert.same({}, first.problems)
        assert.is_true(request.status < 300)
        assert.same(example.output or request:json(), request:json())
    end

    local function is_flow(path)
        return not path:find "^components/" and not path:find "_test%.lua$" and path ~= "host.lua"
    end

    for path in pairs(files) do
        local name = path:match "^(.*)%.lua$"
        for _, mode in ipairs(is_flow(path) and not HAS_CHILDREN[name] and MODES or {}) do
            it(("ends the same wherever it dies: %s, %s"):format(name, mode.name), function()
                check(name, "false", mode)
                check(name, "true", mode)
            end)
        end
    end
end)

describe("a mixture", function()
    for seed = tonumber(os.getenv "FLOWHOST_FIRST_SEED" or 1), tonumber(os.getenv "FLOWHOST_LAST_SEED" or 12) do
        local mode = MODES[seed % #MODES + 1]
        it(("ends the same wherever it dies: %d, %s"):format(seed, mode.name), function()
            local o = mixture.new(seed)
            local ok, first, request, deaths = pcall(play, o, mode)
            if not ok then
                error(("%s\n%s"):format(first, o.files["a.lua"]), 0)
            end
            assert.same({}, first.problems)
            assert.equal(200, request.status)
            assert.is_true(deaths > 0)
        end)
    end
end)

describe("a run that does not succeed", function()
    local function ends_as(status, text, options)
        for _, mode in ipairs(MODES) do
            local first = play({
                files = { ["a.lua"] = world.flow(text, options) }, flow = "a", upstream = mixture.upstream,
            }, mode)
            assert.equal(status, first:run().status)
        end
    end

    it("is suspended wherever it dies", function()
        ends_as("suspended", [[
            ctx.request { url = "http://u/1", json = 1 }
            ctx.all {
                function() return ctx.request { url = "http://u/2", json = 1 } end,
                function() return ctx.request { url = "http://u/fail/3", json = 1 } end,
                function() ctx.sleep(2) return ctx.request { url = "http://u/fail/4", json = 1 } end,
            }
        ]])
    end)

    it("fails wherever it dies", function()
        ends_as("failed", [[ ctx.request { url = "http://u/1", json = 1 } error { code = "MINE", message = "no" } ]],
            [[ on_error = "fail" ]])
        ends_as("failed", [[ ctx.request { url = "http://u/1", json = 1 } pcall(ctx.fail, "MINE", "no") ]])
    end)

    it("is broken wherever it dies", function()
        ends_as("broken", [[ ctx.request { url = "http://u/1", json = 1 } pcall(ctx.stop, "no more") ]])
    end)
end)

describe("the check", function()
    local function try(break_it)
        return pcall(crash.at_each_step, {
            files = { ["a.lua"] = world.flow [[
                ctx.request { url = "http://u/1", json = ctx.uuid() }
                return ctx.request { url = "http://u/2", json = ctx.uuid() }.n
            ]] }, flow = "a", upstream = mixture.upstream, before_start = break_it,
        })
    end

    it("notices a request that is sent before what was recorded is on disk", function()
        local ok, message = try(function(w)
            local commit = w:module "flowhost.engine.commit"
            commit.when_durable = function(run, fn)
                commit.flush(run)
                fn()
            end
        end)
        assert.is_false(ok)
        assert.matches("sent though nothing of the run is on disk", message)
    end)

    it("notices a result that is not recorded", function()
        local ok, message = try(function(w)
            local journal = w:module "flowhost.engine.journal"
            local encode = journal.encode
            journal.encode = function(path, kind, ...)
                return encode(kind == "request" and path .. "-lost" or path, kind == "request" and "?" or kind, ...)
            end
        end)
        assert.is_false(ok)
        assert.matches("has no result on disk", message)
    end)
end)
