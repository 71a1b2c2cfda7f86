-- SPDX-License-Identifier: MIT
-- What compiled expressions and functions share: kinds of values, sequences, errors, the budget. One runtime per
-- JSON library; the state of the evaluation that runs now is `rt.state`, because closures that need no argument for it
-- are faster. An evaluation does not yield; one inside another (a host's function) keeps the outer one's state.
--
-- Arrays that an evaluation makes carry one of these metatables; they are turned into the host's arrays at the end:
--   SEQ     a sequence: what a path gives; one item stands for itself, none for undefined
--   KEEP    a sequence that stays an array with one item, too (the [] of a[])
--   CONS    an array that a step constructs; not flattened
--   OUTER   the input, if an array, as the one item of a sequence
--   TUPLES  items with the bindings of @, # and %: { ["@"] = item, name = value }
-- Functions carry FUNCTION: { invoke(count, context, ...), raw(...), arity, name }.

local message = require "flowhost.expr.jsonata.message"
local runtime_value = require "flowhost.expr.jsonata.runtime_value"

local M = {}

local getmetatable, setmetatable, type = getmetatable, setmetatable, type
local huge = math.huge
local sort = table.sort

M.TOO_DEEP = "the expression calls functions too deeply; look for a recursion without end"

local SLICE = 10000 -- ticks between two looks at the clock
local MAX_TICKS = 1e8
local MAX_TEXT = 2 ^ 26
local MAX_RANGE = 1e7

local ARRAY, SEQ, KEEP, CONS, OUTER, TUPLES = {}, {}, {}, {}, {}, {} -- ARRAY only where the host has no mark
local FUNCTION = {}
M.SEQ, M.KEEP, M.CONS, M.OUTER, M.TUPLES, M.FUNCTION = SEQ, KEEP, CONS, OUTER, TUPLES, FUNCTION

local INTERNAL = { [ARRAY] = true, [SEQ] = true, [KEEP] = true, [CONS] = true, [OUTER] = true, [TUPLES] = true }

--- The metatable by which the host's arrays are told; nil where only o.is_array knows.
local function find_mark(o)
    local sample = o.array {}
    local mark = debug and debug.getmetatable(sample)
    return mark and o.is_array(setmetatable({}, mark)) and mark or nil
end

local function add_kinds(rt, o)
    local null = o.null
    local mark = find_mark(o)
    local seen_mark = mark and getmetatable(setmetatable({}, mark)) -- what a protected metatable shows of itself
    local host_is_array = o.is_array
    local plain_is_array = not mark and host_is_array or nil

    local function is_array(value)
        if type(value) ~= "table" then
            return false
        end
        local mt = getmetatable(value)
        if mt == nil then
            return plain_is_array ~= nil and plain_is_array(value)
        end
        return mark ~= nil and mt == seen_mark or INTERNAL[mt] or mt ~= FUNCTION and host_is_array(value)
    end

    local function is_object(value)
        if type(value) ~= "table" then
            return false
        end
        local mt = getmetatable(value)
        if mt == nil then
            return plain_is_array == nil or not plain_is_array(value)
        elseif mark ~= nil and mt == seen_mark or INTERNAL[mt] or mt == FUNCTION then
            return false
        end
        return not host_is_array(value)
    end

    --- The letter of signatures for a value.
    local function letter_of(value)
        local kind = type(value)
        if kind == "string" then
            return "s"
        elseif kind == "number" or kind == "cdata" then
            return "n"
        elseif kind == "table" then
            return is_array(value) and "a" or getmetatable(value) == FUNCTION and "f" or "o"
        elseif kind == "boolean" then
            return "b"
        end
        return value == nil and "m" or value == null and "l" or "f"
    end

    --- Marks a fresh table as an array.
    local function new_array(list)
        if mark then
            return setmetatable(list, mark)
        end
        return setmetatable(list, ARRAY)
    end

    --- A sequence as the array that the host knows.
    local function to_host(list)
        if mark then
            return setmetatable(list, mark)
        end
        return o.array(setmetatable(list, nil))
    end

    rt.null, rt.is_array, rt.is_object, rt.letter_of, rt.new_array = null, is_array, is_object, letter_of, new_array
    rt.mark, rt.to_host = mark, to_host
end

local function processor_ms()
    return os.clock() * 1000
end

--- Errors and the budget.
local function add_control(rt, o)
    local state = rt.state

    --- Raises an error of JSONata. The position is that of the outermost call that runs, else `fields.position`; the
    --- token is its own, else the innermost call's.
    local function fail(code, fields)
        local err = fields or {}
        err.code = code
        err.position = state.outer and state.outer.position or err.position or state.inner and state.inner.position
        err.token = err.token or state.inner and state.inner.token
        error(err, 0)
    end

    local function stop(text)
        error({ code = "U1001", message = text, position = state.outer and state.outer.position,
            token = state.inner and state.inner.token }, 0)
    end

    --- Called when the ticks of a slice are used up.
    local function check_budget()
        state.used = state.used + SLICE - state.ticks
        state.ticks = SLICE
        if state.used > state.max_ticks then
            stop "the expression takes too many steps; look for a loop without end"
        elseif state.deadline and state.clock() > state.deadline then
            stop(("the expression takes longer than %d ms; look for a loop without end"):format(state.max_ms))
        end
    end

    --- Counts `count` steps of work.
    function rt.tick(count)
        local left = state.ticks - count
        state.ticks = left
        if left < 0 then
            check_budget()
        end
    end

    --- Counts the making of a text of `bytes` bytes.
    function rt.tick_text(bytes)
        if bytes > MAX_TEXT then
            stop(("a text of the expression is longer than %d bytes"):format(MAX_TEXT))
        end
        rt.tick(bytes / 16)
    end

    function rt.start_budget(env)
        state.ticks, state.used, state.max_ticks = SLICE, 0, env.max_ticks or MAX_TICKS
        state.clock = env.clock or processor_ms
        state.max_ms = env.max_ms
        state.deadline = env.max_ms and state.clock() + env.max_ms
        state.level, state.max_depth = 0, env.max_depth or huge
    end

    function rt.explain(err)
        return message.explain(err, function(value)
            local ok, text = pcall(rt.stringify, value)
            return ok and text or tostring(value)
        end)
    end

    rt.fail, rt.stop = fail, stop
    rt.keys_given, rt.added = o.keys, o.added
end

local function add_sequences(rt)
    local is_array, is_object, new_array, tick = rt.is_array, rt.is_object, rt.new_array, rt.tick
    local state, fail = rt.state, rt.fail
    local keys_given = rt.keys_given

    --- What a node gives for a sequence: nothing for none, the item for one.
    function rt.collapse(value)
        if type(value) == "table" then
            local mt = getmetatable(value)
            if mt == SEQ or mt == OUTER then
                if value[2] == nil then
                    return value[1]
                end
            elseif mt == KEEP and value[1] == nil then
                return nil
            end
        end
        return value
    end

    --- Says that a value goes into an array or object, so that the end has to look for sequences in there.
    function rt.note(value)
        if type(value) == "table" and INTERNAL[getmetatable(value)] then
            state.is_dirty = true
        end
    end

    --- Keys of an object in order.
    function rt.keys(object)
        if keys_given then
            return keys_given(object)
        end
        local list, count = {}, 0
        for key in next, object do
            count = count + 1
            list[count] = key
        end
        if count > 1 then
            sort(list)
        end
        tick(count)
        return list
    end

    --- a and b as one array; undefined ones do not count.
    function rt.append(a, b)
        if a == nil then
            return b
        elseif b == nil then
            return a
        end
        local list = {}
        if is_array(a) then
            for i = 1, #a do
                list[i] = a[i]
            end
        else
            list[1] = a
        end
        local count = #list
        if is_array(b) then
            for i = 1, #b do
                list[count + i] = b[i]
            end
        else
            list[count + 1] = b
        end
        tick(#list)
        state.is_dirty = true
        return new_array(list)
    end

    function rt.range(from, to)
        if from == nil or to == nil or from > to then
            return nil
        elseif to - from + 1 > MAX_RANGE then
            fail("D2014", { value = to - from + 1, token = "..", position = state.range_position })
        end
        tick(to - from)
        local list = {}
        for i = from, to do
            list[i - from + 1] = i
        end
        return setmetatable(list, SEQ)
    end

    --- Turns what an evaluation made inside a result into the host's arrays. Input is passed through untouched.
    local function finish(value, depth)
        if type(value) ~= "table" then
            return value
        end
        local mt = getmetatable(value)
        if INTERNAL[mt] then
            rt.to_host(value)
        elseif mt == FUNCTION or not state.is_dirty then
            return value
        end
        if state.is_dirty and depth < 600 then
            for _, inner in next, value do
                if type(inner) == "table" then
                    finish(inner, depth + 1)
                end
            end
        end
        return value
    end

    function rt.finish(value)
        if is_array(value) and getmetatable(value) == OUTER then
            value = value[1]
        end
        return finish(value, 0)
    end

    rt.is_object = is_object
end

---@param o table { null, array, is_array, keys?, added? }
function M.new(o)
    local rt = { state = { ticks = 0, level = 0 } }
    for name, value in pairs(M) do
        rt[name] = value
    end
    add_kinds(rt, o)
    add_control(rt, o)
    add_sequences(rt)
    runtime_value.add(rt)
    return rt
end

return M
