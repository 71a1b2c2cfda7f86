-- SPDX-License-Identifier: MIT
-- Conditions, templates and request blocks by themselves: `luajit tests/bench/bench_expr.lua` with LUA_PATH on lua/ and
-- tests/lua/. One line a figure: name, tab, microseconds a call with the JIT (as in the program), tab, without it.
local condition = require "flowhost.expr.condition"
local fields = require "flowhost.schema.fields"
local json = require "support.json"
local rule_document = require "flowhost.schema.rule_document"
local template = require "flowhost.expr.template"

local ROUNDS, SECONDS = 5, 0.1
local FIELDS = 20

--- Microseconds a call: the best of a few rounds.
local function measure(fn)
    local best = math.huge
    for _ = 1, ROUNDS do
        local calls, begin = 0, os.clock()
        repeat
            for _ = 1, 100 do
                fn()
            end
            calls = calls + 100
        until os.clock() - begin > SECONDS
        best = math.min(best, (os.clock() - begin) / calls)
    end
    return best * 1e6
end

local O = { encode = json.encode, is_array = json.is_array, array = json.array, null = json.null }
--- One of many, so that the JIT finds nothing that is always the same.
local roots, turn = {}, 0
for i = 1, 100 do
    roots[i] = { request = { body = { phone = "1380000" .. i, age = 21 + i, country = "DE" }, query = {}, header = {} },
        user = { id = i, name = "Bo" } }
end

local function next_root()
    turn = turn % 100 + 1
    return roots[turn]
end

local function new_condition(text)
    local run = assert(condition.compile(text))
    return function()
        return run(next_root())
    end
end

--- Half of the fields are whole references, a quarter text with references, a quarter constant.
local function new_template()
    local input = {}
    for i = 1, FIELDS do
        input["field" .. i] = ({ "{request.body.phone}", "{user.id}", "user {user.name} of {request.body.country}", i })
            [(i - 1) % 4 + 1]
    end
    local make = template.compile(input, O)
    return function()
        return make(next_root())
    end
end

local function new_request(is_wide)
    local rules, body = {}, {}
    for i = 1, FIELDS do
        local name = "field" .. i
        rules[name] = ({ { type = "string", required = true, minLen = 2, maxLen = 40 },
            { type = "int", min = 0, max = 100 }, { type = "string", enum = { "a", "b", "c" }, default = "a" },
            { type = "bool" } })[(i - 1) % 4 + 1]
        body[name] = ({ "some text", 17, "b", true })[(i - 1) % 4 + 1]
    end
    local request, input = { body = rules, is_wide = is_wide }, { body = body, query = {}, header = {} }
    return function()
        assert(not fields.check(request, input, json))
    end
end

--- A rule of ten components as it is checked when it is saved.
local function new_document()
    local layers = {}
    for i = 1, 5 do
        local component = { type = "api", url = "http://h/{user.id}", method = "GET", condition = "{user.id} > 5",
            input = { a = "{request.body.phone}" }, outputName = "out" .. i }
        layers[i] = json.array { {}, {} }
        for j = 1, 2 do
            for name, value in pairs(component) do
                layers[i][j][name] = value
            end
            layers[i][j].name = "c" .. j
        end
    end
    local rule = { components = json.array(layers) }
    return function()
        assert(not rule_document.find_problems(rule, json)[1])
    end
end

local CASES = {
    { "condition {request.body.phone} != '0000'", new_condition "{request.body.phone} != '0000'" },
    { "condition of four comparisons", new_condition
        "{request.body.age} >= 18 && {request.body.country} == 'DE' && ({user.id} > 5 || {user.name} === 'x')" },
    { "template of 20 fields", new_template() },
    { "request block of 20 fields, flow", new_request(false) },
    { "request block of 20 fields, rule", new_request(true) },
    { "check of a rule of 10 components", new_document() },
}

local compiled = {}
for i, case in ipairs(CASES) do
    compiled[i] = measure(case[2])
end
jit.off()
jit.flush()
for i, case in ipairs(CASES) do
    io.write(("%s\t%.3f\t%.3f\n"):format(case[1], compiled[i], measure(case[2])))
end
