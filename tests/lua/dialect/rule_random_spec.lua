-- SPDX-License-Identifier: MIT
-- Random rules against a model that runs them one component after the other: same answer, same calls of services, also
-- when the host dies at some commit. FLOWHOST_FIRST_SEED and FLOWHOST_LAST_SEED choose others.
local rules = require "support.rules"

local json = rules.json
local null = json.null

local FILES = {
    ["components/add.lua"] = rules.handler "return { n = (input.a or 0) + 1, got = input }",
    ["components/fail.lua"] = rules.handler "error 'it fails'",
}

--- A sequence of numbers that a seed gives: 1..n.
local function new_draw(seed)
    local state = seed
    return function(n)
        state = (state * 1103515245 + 12345) % 2 ^ 31
        return math.floor(state / 2 ^ 16) % n + 1
    end
end

-- rules --------------------------------------------------------------------------------------------

--- A path to something that an earlier component may have brought.
local function make_path(draw, names)
    local from = { "request.body.n", "request.body.flag", "request.query.none" }
    for _, name in ipairs(names) do
        from[#from + 1] = name .. ".n"
        from[#from + 1] = name
    end
    return from[draw(#from)]
end

local CONDITIONS = { "{request.body.n} > 5", "{request.body.flag} == true", "{%s} == null", "{%s} != null || 1 > 2" }

local function make_component(draw, name, names)
    local component = { name = name, outputName = name, input = { a = "{request.body.n}",
        x = ("{%s}"):format(make_path(draw, names)), text = ("<{%s}>"):format(make_path(draw, names)) } }
    local kind = draw(6)
    if kind <= 3 then
        component.type, component.method, component.url = "api", "POST", "http://u/" .. name
    else
        component.type, component.url = "script", kind == 6 and "fail" or "add"
        component.ignoreError = kind == 6
    end
    if draw(3) == 1 then
        component.condition = CONDITIONS[draw(#CONDITIONS)]:format(make_path(draw, names))
    end
    if draw(4) == 1 then
        component.outputData = { n = "{n}", again = "{got.a}" }
    end
    return component
end

local function make_rule(draw)
    local names, body, layers = {}, { n = "{request.body.n}" }, {}
    for layer = 1, draw(4) do
        local added, components = {}, {}
        for column = 1, draw(3) do
            local name = ("c%d_%d"):format(layer, column)
            components[column], added[column] = make_component(draw, name, names), name
            body[name] = ("{%s}"):format(name)
        end
        layers[layer] = components
        for _, name in ipairs(added) do
            names[#names + 1] = name
        end
    end
    return { record = true, request = { type = "json" }, components = layers, response = { body = body } }
end

-- the model ----------------------------------------------------------------------------------------

local function look_up(store, path)
    local value = store
    for part in path:gmatch "[^.]+" do
        if type(value) ~= "table" then
            return nil
        end
        value = value[part]
    end
    return value
end

local function resolve(value, store)
    if type(value) == "table" then
        local own = {}
        for name, inner in pairs(value) do
            own[name] = resolve(inner, store)
        end
        return own
    end
    local whole = value:match "^{([%w_.]+)}$"
    if whole then
        local found = look_up(store, whole)
        if found == nil then
            return null
        end
        return found
    end
    return (value:gsub("{([%w_.]+)}", function(path)
        local found = look_up(store, path)
        if found == nil or found == null then
            return ""
        elseif type(found) == "table" then
            return (json.encode(found))
        end
        return tostring(found)
    end))
end

local function holds(condition, store)
    local path = condition:match "{([%w_.]+)}"
    local value = look_up(store, path)
    if value == null then
        value = nil
    end
    if condition:find "> 5" then
        return value > 5
    elseif condition:find "== true" then
        return value == true
    elseif condition:find "== null" then
        return value == nil
    end
    return value ~= nil
end

--- What a service or a script makes of an input.
local function result_of(component, input)
    if component.type == "api" then
        return { n = input.a * 2, got = input, by = component.name }
    elseif component.url == "add" then
        return { n = input.a + 1, got = input }
    end
end

local function run_model(rule, body)
    local store, called = { request = { body = body } }, {}
    for _, layer in ipairs(rule.components) do
        local seen = {} -- components of a layer do not see each other's output here
        for name, value in pairs(store) do
            seen[name] = value
        end
        for _, component in ipairs(layer) do
            if not component.condition or holds(component.condition, seen) then
                local input = resolve(component.input, seen)
                local result = result_of(component, input)
                if component.type == "api" then
                    called[component.name] = json.encode(input)
                end
                store[component.name] = component.outputData and resolve(component.outputData, result or {})
                    or result or null
            end
        end
    end
    return resolve(rule.response.body, store), called
end

-- the comparison -----------------------------------------------------------------------------------

local function answer(call)
    local input = json.decode(call.body)
    return 200, nil, { n = input.a * 2, got = input, by = call.url:match "[^/]*$" }
end

describe("a random rule", function()
    for seed = tonumber(os.getenv "FLOWHOST_FIRST_SEED" or 1), tonumber(os.getenv "FLOWHOST_LAST_SEED" or 60) do
        it("runs as the model does: " .. seed, function()
            local draw = new_draw(seed)
            local rule = make_rule(draw)
            local body = { n = draw(10), flag = draw(2) == 1 }
            local expected, expected_calls = run_model(rule, body)
            local w = rules.new({ a = rule }, { files = FILES, upstream = answer })
            local _, got = rules.call(w, "a", { body = body })
            assert.same(json.decode(json.encode(expected)), got)
            local calls = {}
            for _, call in ipairs(w.calls) do
                calls[call.url:match "[^/]*$"] = call.body
            end
            assert.same(expected_calls, calls)
            local count = draw(w:applied())
            local again = w:crash(count)
            again:settle()
            if again:run() then
                assert.equal("succeeded", again:run().status)
                assert.same(got, again:run().output)
            end
        end)
    end
end)
