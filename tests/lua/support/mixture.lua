-- SPDX-License-Identifier: MIT
-- Made-up flows out of every kind of step, from a seed. What they return depends on nothing but the answers of
-- `upstream`, so that a run that dies on its way must end with the same output.

local random = require "flowhost.flow.random"

local M = {}

local COMPONENT = [[
return function(ctx, input)
    local answer = ctx.request { url = "http://u/" .. input.n, json = input }
    return { answer = answer.n, twice = ctx.step("twice", function() return input.n * 2 end) }
end
]]

--- What every call is answered with: a function of its URL alone.
function M.upstream(call)
    local number = tonumber(call.url:match "/(%d+)$")
    if call.url:find("/fail/", 1, true) then
        return 500, nil, { failed = number }
    elseif call.url:find("/cut/", 1, true) then
        return "NETWORK", "cut " .. number
    end
    return 200, nil, { n = number }
end

--- A flow that others call.
local CHILD = [[
return function(ctx, input)
    ctx.sleep(input.n % 3)
    return ctx.step("thrice", function() return input.n * 3 end)
end
]]

local function native(input)
    return nil, '{"took":' .. input .. "}"
end

local block

local LEAVES = {
    function(n) return ('ctx.request { url = "http://u/%d", json = { n = %d } }.n'):format(n, n) end,
    function(n) return ('ctx.request { url = "http://u/" .. base .. "/%d" }'):format(n) end,
    function(n) return ('ctx.request { url = "http://u/%d", method = "PUT", onlyData = false }.status'):format(n) end,
    function(n) return ('ctx.component("c", { n = %d })'):format(n) end,
    function(n) return ('ctx.component("native", { n = %d })'):format(n) end,
    function(n) return ('ctx.sleep(%d)'):format(n % 4) end,
    function(n) return ('(ctx.data.store("k%d", { %d }) or ctx.data.load("k%d"))'):format(n, n, n) end,
    function(n)
        return ('ctx.request { url = "http://u/%d", json = { ctx.uuid(), ctx.now(), ctx.random(9) } }.n'):format(n)
    end,
    function(n) return ('caught(ctx.request, { url = "http://u/fail/%d", json = 1 })'):format(n) end,
    function(n) return ('caught(ctx.request, { url = "http://u/cut/%d", json = 1 })'):format(n) end,
    function(n) return ('ctx.step("pure %d", function() return %d end)'):format(n, n) end,
    function(n) return ('ctx.log.info("line", %d)'):format(n) end,
    function() return "math.random(1000)" end,
    function(n) return ('ctx.sleep(%d)'):format(20 + n) end,
    function(n) return ('(ctx.sleep_until(1700000000 + %d) or "past")'):format(n) end,
    function(n) return ('ctx.call("child", { n = %d })'):format(n) end,
    function(n) return ('(ctx.start("child", { n = %d }) and "started")'):format(n) end,
    function(n) return ('caught(ctx.wait, "never%d", { timeout = %d })'):format(n, n % 9 + 1) end,
    function(n) return ('(ctx.race { function() ctx.sleep(%d) return "r" end, function() ctx.wait "never" end,'
        .. ' function() ctx.sleep(%d) return "r" end })'):format(n % 3 + 1, n % 8 + 1) end,
    function(n) return ('(ctx.any { function() error "no" end, function() ctx.call("child", { n = %d }) return "a" end,'
        .. ' function() ctx.sleep(1) return "a" end })'):format(n) end,
    function(n) return ('(ctx.race { function() ctx.wait "x" end, function() return ctx.component("c", { n = %d }) '
        .. 'end })'):format(n) end,
    function(n) return ([[caught(ctx.step, "t%d", function() ctx.sleep(1) error { code = "E%d", message = "m" } end,
        { retry = { max = 2, on = { "E%d" }, base = %d } })]]):format(n, n, n, n % 4) end,
    function(n) return ([[caught(ctx.step, "out%d", function()
            ctx.all { function() ctx.sleep(100) end, function() ctx.wait "never" end }
        end, { timeout = %d })]]):format(n, n % 10 + 1) end,
    function(n) return ('(ctx.tag("t%d", %d) or ctx.progress(%d, 100) or '
        .. 'pcall(ctx.defer, function() end) ~= nil and %d)')
        :format(n % 50, n, n, n) end,
}

local INNER = {
    function(m, depth) return ('ctx.step("s%d", function() %s end)'):format(m.last, block(m, depth)) end,
    function(m, depth)
        return ("{ ctx.all { function() %s end, function() %s end, function() %s end } }")
            :format(block(m, depth), block(m, depth), block(m, depth))
    end,
    function(m, depth)
        local items = ("%d, %d, %d"):format(m:next(), m:next(), m:next())
        local width = m:roll(3)
        return ([[ctx.map({ %s }, function(item)
            local own = ctx.request { url = "http://u/" .. item, json = item }.n
            local function more(base) %s end
            return { own, more(base .. "-" .. item) }
        end, { concurrency = %d })]]):format(items, block(m, depth), width)
    end,
    function(m, depth)
        return ([[caught(function()
            ctx.all { function() %s end, function() error { code = "E%d", message = "m" } end }
        end)]]):format(block(m, depth), m:next())
    end,
}

local Maker = {}
Maker.__index = Maker

function Maker:roll(n)
    return random.random(self.state, 1, n)
end

function Maker:next()
    self.last = self.last + 1
    return self.last
end

--- Statements that return the list of what 1 to 3 steps gave.
function block(m, depth)
    local lines = { "local out = {}" }
    for _ = 1, m:roll(3) do
        local text
        if depth > 0 and m:roll(3) > 1 then
            text = INNER[m:roll(#INNER)](m, depth - 1)
        else
            text = LEAVES[m:roll(#LEAVES)](m:next())
        end
        lines[#lines + 1] = "out[#out + 1] = " .. text .. " or 0"
    end
    lines[#lines + 1] = "return out"
    return table.concat(lines, "\n")
end

--- Options for world.new, and flow and input.
function M.new(seed)
    local m = setmetatable({ state = random.seed("mixture " .. seed), last = 0 }, Maker)
    local text = ([[
return function(ctx, input)
    local function caught(fn, ...)
        local ok, err = pcall(fn, ...)
        return { ok, err and err.code }
    end
    local base = "top"
    ctx.request { url = "http://u/0", json = input }
%s
end]]):format(block(m, 2))
    return {
        files = { ["a.lua"] = text, ["components/c.lua"] = COMPONENT, ["child.lua"] = CHILD },
        natives = { native = native }, flow = "a",
        input = { seed = seed }, upstream = M.upstream,
    }
end

return M
