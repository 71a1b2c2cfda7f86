-- SPDX-License-Identifier: MIT
-- Random conditions and templates against models that take the long way.
local condition = require "flowhost.expr.condition"
local json = require "support.json"
local template = require "flowhost.expr.template"

local SEED = tonumber(os.getenv "FLOWHOST_TEST_SEED") or 20261126
local ROUNDS = 3000

local function pick(list)
    return list[math.random(#list)]
end

-- conditions -------------------------------------------------------------------------------------------
-- A tree is { text, value } for an operand or { op, left, right }; its text is written with as many parentheses and
-- spaces as chance wants, but at least those that it needs.

local NULL = {}
local ROOT = json.decode '{"n":7,"s":"text","d":"12","t":true,"f":false,"z":0,"e":"","o":{"n":-2.5}}'

local OPERANDS = { { "{n}", 7 }, { "{s}", "text" }, { "{d}", "12" }, { "{t}", true }, { "{f}", false }, { "{z}", 0 },
    { "{e}", "" }, { "{o.n}", -2.5 }, { "{x.y}", NULL }, { "3", 3 }, { "0.5", 0.5 }, { "'7'", "7" }, { '"b"', "b" },
    { "''", "" }, { "true", true }, { "false", false }, { "null", NULL } }

local LEVEL = { ["?"] = 0, ["||"] = 1, ["&&"] = 2, ["=="] = 3, ["!="] = 3, ["==="] = 3, ["!=="] = 3, ["<"] = 4,
    ["<="] = 4, [">"] = 4, [">="] = 4, ["+"] = 5, ["-"] = 5, ["*"] = 6, ["/"] = 6, ["%"] = 6, ["!"] = 7, ["neg"] = 7 }
local BINARY, UNARY = {}, { "!", "neg" }
for op, level in pairs(LEVEL) do
    if level > 0 and level < 7 then
        BINARY[#BINARY + 1] = op
    end
end
table.sort(BINARY)

local function random_tree(depth)
    local what = math.random(10)
    if depth == 0 or what <= 2 then
        return pick(OPERANDS)
    elseif what == 3 then
        return { op = pick(UNARY), random_tree(depth - 1) }
    elseif what == 4 then
        return { op = "?", random_tree(depth - 1), random_tree(depth - 1), random_tree(depth - 1) }
    end
    return { op = pick(BINARY), random_tree(depth - 1), random_tree(depth - 1) }
end

local function gap()
    return pick { "", " ", " ", "\n", " /* c */ " }
end

local write

--- The text of an inner tree that must bind at least as tightly as `least`.
local function inside(tree, least)
    local level = tree.op and LEVEL[tree.op] or 8
    local text = write(tree)
    return (level < least or math.random(8) == 1) and "(" .. gap() .. text .. gap() .. ")" or text
end

function write(tree)
    local op = tree.op
    if not op then
        return tree[1]
    elseif op == "?" then
        return inside(tree[1], 1) .. gap() .. "?" .. gap() .. inside(tree[2], 0) .. gap() .. ":" .. gap()
            .. inside(tree[3], 0)
    elseif LEVEL[op] == 7 then
        return (op == "neg" and "- " or "!") .. gap() .. inside(tree[1], 7)
    end
    return inside(tree[1], LEVEL[op]) .. gap() .. op .. " " .. gap() .. inside(tree[2], LEVEL[op] + 1)
end

local function truth(v)
    return v ~= NULL and v ~= false and v ~= 0 and v ~= "" and v == v
end

local function number(v)
    if type(v) == "boolean" then
        return v and 1 or 0
    elseif type(v) == "string" then
        return v == "" and 0 or tonumber(v) or 0 / 0
    end
    return v == NULL and 0 or v
end

local function text_of(v)
    if type(v) ~= "number" then
        return v == NULL and "null" or tostring(v)
    elseif v ~= v then
        return "NaN"
    elseif math.abs(v) == math.huge then
        return v > 0 and "Infinity" or "-Infinity"
    end
    for digits = 1, 17 do
        local text = ("%." .. digits .. "g"):format(v)
        if tonumber(text) == v and not text:find "e" then
            return text == "-0" and "0" or text
        end
    end
    error "NOT PRINTED" -- by the model
end

local function equal(a, b)
    if a == NULL or b == NULL then
        return a == b
    elseif type(a) == type(b) then
        return a == b
    end
    return number(a) == number(b)
end

local function less(a, b)
    if type(a) == "string" and type(b) == "string" then
        return a < b
    end
    return number(a) < number(b)
end

local function less_or_equal(a, b)
    if type(a) == "string" and type(b) == "string" then
        return a <= b
    end
    return number(a) <= number(b)
end

local MODEL = {
    ["=="] = equal, ["!="] = function(a, b) return not equal(a, b) end,
    ["==="] = function(a, b) return a == b end, ["!=="] = function(a, b) return a ~= b end,
    ["<"] = less, [">"] = function(a, b) return less(b, a) end,
    ["<="] = less_or_equal, [">="] = function(a, b) return less_or_equal(b, a) end,
    ["+"] = function(a, b)
        if type(a) == "string" or type(b) == "string" then
            return text_of(a) .. text_of(b)
        end
        return number(a) + number(b)
    end,
    ["-"] = function(a, b) return number(a) - number(b) end,
    ["*"] = function(a, b) return number(a) * number(b) end,
    ["/"] = function(a, b) return number(a) / number(b) end,
    ["%"] = function(a, b) return math.fmod(number(a), number(b)) end,
}

local function model(tree)
    local op = tree.op
    if not op then
        return tree[2]
    elseif op == "?" then
        return model(truth(model(tree[1])) and tree[2] or tree[3])
    end
    local left = model(tree[1])
    if op == "!" then
        return not truth(left)
    elseif op == "neg" then
        return -number(left)
    elseif op == "&&" or op == "||" then
        if truth(left) == (op == "||") then
            return left
        end
        return model(tree[2])
    end
    return MODEL[op](left, model(tree[2]))
end

--- false for what the model cannot print.
local function expected_of(tree)
    local ok, value = pcall(model, tree)
    if not ok and not tostring(value):find "NOT PRINTED" then
        error(value, 0)
    end
    return ok, value
end

describe("a random condition", function()
    it("gives what the model gives", function()
        math.randomseed(SEED)
        local compared = 0
        for _ = 1, ROUNDS do
            local tree = random_tree(5)
            local text = write(tree)
            local known, expected = expected_of(tree)
            local run = assert(condition.compile(text))
            local ok, got = pcall(run, ROOT)
            if known and type(expected) == "boolean" then
                compared = compared + 1
                assert.is_true(ok, text)
                assert.equal(text .. " is " .. tostring(expected), text .. " is " .. tostring(got))
            elseif known then
                assert.is_false(ok, text)
                assert.equal("110004", got.code)
            end
        end
        assert.is_true(compared > ROUNDS / 4)
    end)

    it("of words in any order is read or refused at a place in it", function()
        math.randomseed(SEED)
        local words = { "(", ")", "!", "-", "+", "*", "?", ":", "==", "=", "&&", "&", "1", "'a'", "'", '"', "{a}", "{",
            "}", "x", "null", " ", "\n", "\\", "/*", "*/", "//", ";", "1e", "0x", ".", "\255", "ü" }
        local read = 0
        for _ = 1, ROUNDS do
            local parts = {}
            for i = 1, math.random(12) do
                parts[i] = pick(words)
            end
            local text = table.concat(parts)
            local run, err = condition.compile(text)
            read = read + (run and 1 or 0)
            if not run then
                assert.is_true(err.position >= 1 and err.position <= #text + 1, text)
                assert.matches(" at position " .. err.position .. " of \"", err.message, 1, true)
            end
        end
        assert.is_true(read > 10 and read < ROUNDS / 2)
    end)
end)

-- templates --------------------------------------------------------------------------------------------

local O = { encode = json.encode, is_array = json.is_array, array = json.array, null = json.null }
local VALUES = json.decode [==[[5, "text", true, false, null, 1.5, [], {}, [1, [2], { "a": null }], { "k": "{v0}" }]]==]
local LITERALS = { "", "x y", "{", "}", "{}", "{ v0 }", "{v-0}", "é", "\\", "{v0 }" }

--- A piece of text and what stands for it in the result.
local function random_piece()
    if math.random(2) == 1 then
        local literal = pick(LITERALS)
        return literal, literal
    end
    local index = math.random(0, #VALUES) -- of one more than there are
    local value = VALUES[index + 1]
    if type(value) == "string" then
        return "{v.list." .. index .. "}", value
    elseif value == nil or value == json.null then
        return "{v.list." .. index .. "}", ""
    end
    return "{v.list." .. index .. "}", json.encode(value), value
end

local function random_string()
    local texts, results = {}, {}
    for i = 1, math.random(0, 5) do
        texts[i], results[i] = random_piece()
    end
    return table.concat(texts), table.concat(results)
end

--- A template and the JSON that it gives.
local function random_template(depth)
    local what = math.random(depth > 0 and 6 or 4)
    if what == 1 then
        local value = pick(VALUES)
        if type(value) ~= "table" then
            return value, json.encode(value)
        end
    elseif what == 2 then
        local index = math.random(#VALUES)
        return "{v.list." .. (index - 1) .. "}", json.encode(VALUES[index])
    elseif what == 5 then
        local list, texts = {}, {}
        for i = 1, math.random(0, 4) do
            list[i], texts[i] = random_template(depth - 1)
        end
        return json.array(list), "[" .. table.concat(texts, ",") .. "]"
    elseif what == 6 then
        local object, texts = {}, {}
        for i = 1, math.random(0, 4) do
            local text
            object["{v" .. i .. "}"], text = random_template(depth - 1)
            texts[i] = '"{v' .. i .. '}":' .. text
        end
        return object, "{" .. table.concat(texts, ",") .. "}"
    end
    local text, result = random_string()
    if text:find "^{[%w_.]+}$" then
        return random_template(0) -- one reference is what == 2
    end
    return text, json.encode(result)
end

describe("a random template", function()
    it("gives what the model gives, each time anew", function()
        math.randomseed(SEED)
        local root = { v = { list = VALUES } }
        for _ = 1, ROUNDS do
            local value, expected = random_template(4)
            local make = template.compile(value, O)
            assert.equal(expected, json.encode(make(root)))
            assert.equal(expected, json.encode(make(root)))
        end
    end)
end)
