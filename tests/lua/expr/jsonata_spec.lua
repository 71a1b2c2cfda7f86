-- SPDX-License-Identifier: MIT
-- jsonata/suite.json: the tests of jsonata 1.0.8 with the results of 2.2.2; jsonata/own.json: more expressions for the
-- groups of the 2.x suite (jsonata/record.js makes both). Objects are compared without the order of keys.
local json = require "support.json"
local jsonata = require "flowhost.expr.jsonata"
local exceptions = require "expr.jsonata_exceptions"

--- Order of keys where it shows: that of the text, kept beside the objects.
local order = setmetatable({}, { __mode = "k" })

local function added(object, key)
    local list = order[object]
    if not list then
        list = {}
        order[object] = list
    end
    for _, known in ipairs(list) do
        if known == key then
            return
        end
    end
    list[#list + 1] = key
end

--- JavaScript's order: indices first, then as the keys came.
local function keys(object)
    local list, seen, indices = {}, {}, {}
    for _, key in ipairs(order[object] or {}) do
        if object[key] ~= nil then
            seen[key] = true
            list[#list + 1] = key
        end
    end
    local rest = {}
    for key in pairs(object) do
        rest[#rest + 1] = not seen[key] and key or nil
    end
    table.sort(rest)
    for _, key in ipairs(rest) do
        list[#list + 1] = key
    end
    for i = #list, 1, -1 do
        if list[i]:find "^%d+$" then
            table.insert(indices, 1, table.remove(list, i))
        end
    end
    table.sort(indices, function(a, b) return tonumber(a) < tonumber(b) end)
    for i, key in ipairs(indices) do
        table.insert(list, i, key)
    end
    return list
end

local engine = jsonata.new { null = json.null, array = json.array, is_array = json.is_array, keys = keys,
    added = added }

local function read(name)
    local folder = debug.getinfo(1, "S").source:match "^@(.*/)" or ""
    local file = assert(io.open(folder .. "jsonata/" .. name))
    local text = file:read "*a"
    file:close()
    return text
end

--- Notes the order in which the keys of decoded objects stand in their text.
local function note_order(value, text, at)
    local first = text:sub(at, at)
    if first == "{" then
        at = at + 1
        while text:sub(at, at) ~= "}" do
            local stop = at + 1
            while text:sub(stop, stop) ~= '"' do
                stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
            end
            local key = json.decode(text:sub(at, stop))
            added(value, key)
            at = note_order(value[key], text, stop + 2)
            at = at + (text:sub(at, at) == "," and 1 or 0)
        end
        return at + 1
    elseif first == "[" then
        at = at + 1
        local index = 1
        while text:sub(at, at) ~= "]" do
            at, index = note_order(value[index], text, at), index + 1
            at = at + (text:sub(at, at) == "," and 1 or 0)
        end
        return at + 1
    elseif first == '"' then
        local stop = at + 1
        while text:sub(stop, stop) ~= '"' do
            stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
        end
        return stop + 1
    end
    return text:match("^[^,%]}]*()", at)
end

local function load_inputs(text)
    local inputs = {}
    for name, json_text in text:match '"inputs": {\n(.-)\n},\n"cases"':gmatch '"(i%d+)": ([^\n]*[^\n,])' do
        inputs[name] = json.decode(json_text, { max_depth = 2000 })
        if type(inputs[name]) == "table" then
            note_order(inputs[name], json_text, 1)
        end
    end
    return inputs
end

local function same(a, b)
    if type(a) == "number" and type(b) == "number" then
        return a == b or math.abs(a - b) <= 1e-12 * math.max(math.abs(a), math.abs(b))
    elseif type(a) ~= "table" or type(b) ~= "table" then
        return a == b
    elseif json.is_array(a) ~= json.is_array(b) then
        return false
    end
    for key, value in pairs(a) do
        if not same(value, b[key]) then
            return false
        end
    end
    for key in pairs(b) do
        if a[key] == nil then
            return false
        end
    end
    return true
end

local function given(now)
    return { now = function() return now end, max_ticks = 2e6, max_depth = 2000 }
end

--- value, error of an expression.
local function run(text, input, bindings, now)
    local expression, err = engine.compile(text)
    if not expression then
        return nil, err
    end
    local ok, value = pcall(expression.evaluate, input, bindings, given(now))
    if ok then
        return value
    end
    return nil, type(value) == "table" and value or { message = value }
end

local function check(case, inputs, now)
    local _, text, input, bindings, expected = unpack(case)
    if input == json.null then
        input = nil
    end
    local value, err = run(text, inputs[input], bindings ~= json.null and bindings or nil, now)
    if expected.code then
        local is_timeout = expected.code == "D1011" or expected.code == "D1012"
        if not err then
            return "no error " .. expected.code .. " but " .. tostring(json.encode(value))
        elseif err.code ~= (is_timeout and "U1001" or expected.code) then
            return ("error %s (%s), not %s"):format(tostring(err.code), tostring(err.message), expected.code)
        elseif not is_timeout and (err.position ~= expected.position or
            type(expected.token) == "string" and err.token ~= expected.token) then
            return ("error at %s %s, not %s %s"):format(tostring(err.position), tostring(err.token),
                tostring(expected.position), tostring(expected.token))
        end
    elseif err then
        return ("error %s: %s"):format(tostring(err.code), tostring(err.message))
    elseif not same(value, expected.value) then
        return ("%s, not %s"):format(tostring(json.encode(value)), tostring(json.encode(expected.value)))
    end
end

--- Runs the cases of a file, group by group.
local function describe_file(name)
    local text = read(name)
    local data, inputs = assert(json.decode(text, { max_depth = 2000 })), load_inputs(text)
    local groups, names = {}, {}
    for _, case in ipairs(data.cases) do
        if not groups[case[1]] then
            groups[case[1]] = {}
            names[#names + 1] = case[1]
        end
        table.insert(groups[case[1]], case)
    end
    for _, group in ipairs(names) do
        it(name .. ": " .. group, function()
            local wrong = {}
            for _, case in ipairs(groups[group]) do
                local reason = exceptions[case[2]]
                if not case[5].skip and not reason then
                    local problem = check(case, inputs, data.now)
                    if problem then
                        wrong[#wrong + 1] = case[2] .. "\n    " .. problem
                    end
                end
            end
            assert(#wrong == 0, #wrong .. " wrong:\n" .. table.concat(wrong, "\n"))
        end)
    end
end

describe("jsonata", function()
    describe_file "suite.json"
    describe_file "own.json"
end)
