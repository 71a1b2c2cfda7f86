-- SPDX-License-Identifier: MIT
-- ctx.all{ fn, ... } -> as many values as functions, in order.
-- ctx.map(list, fn, { concurrency = n }) -> list of fn(item, index), in order, nil as json.null; all at once unless n
-- is given.
-- ctx.any{ fn, ... } -> the value of the first that succeeds, its index; ALL_FAILED when none does.
-- ctx.race{ fn, ... } -> the value of the first that ends, its index; raises when that one raised.
-- At most 100,000 branches.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local group = require "flowhost.engine.group"

local json = core.json

local MAX_BRANCHES = 100000

local function check_size(verb, count)
    if count > MAX_BRANCHES then
        error_object.raise("INVALID", ("ctx.%s: %d branches, at most %d can be; call it on parts of the list"):format(
            verb, count, MAX_BRANCHES))
    end
end

--- The list as it is now: what a branch gets must not hang on what the others did to it meanwhile.
local function copy(list, count)
    local own = {}
    for i = 1, count do
        own[i] = list[i]
    end
    return own
end

local function check_functions(verb, functions)
    if type(functions) ~= "table" then
        error_object.raise("INVALID", ("ctx.%s: a list of functions is expected"):format(verb))
    end
    local count = #functions
    check_size(verb, count)
    for i = 1, count do
        if type(functions[i]) ~= "function" then
            error_object.raise("INVALID", ("ctx.%s: entry %d is a %s, not a function"):format(verb, i,
                type(functions[i])))
        end
    end
    return count
end

local function all(functions)
    local count = check_functions("all", functions)
    local results = group.run("all", count, count, copy(functions, count))
    return unpack(results, 1, count)
end

local function first_of(verb)
    return function(functions)
        local count = check_functions(verb, functions)
        if count == 0 then
            error_object.raise("INVALID", ("ctx.%s: without a function there is nothing to wait for"):format(verb))
        end
        local winner = group.run(verb, count, count, copy(functions, count))
        return winner.value, winner.index
    end
end

--- How many at the same time, nil for all.
local function concurrency_of(o)
    if o == nil then
        return nil
    elseif type(o) ~= "table" then
        error_object.raise("INVALID", "ctx.map: options must be a table { concurrency = n }")
    end
    for name in next, o do
        if name ~= "concurrency" then
            error_object.raise("INVALID", ("ctx.map: unknown option '%s'"):format(tostring(name)))
        end
    end
    local concurrency = rawget(o, "concurrency")
    if concurrency ~= nil and (type(concurrency) ~= "number" or concurrency ~= concurrency or concurrency < 1) then
        error_object.raise("INVALID", "ctx.map: concurrency must be a number of at least 1")
    end
    return concurrency
end

local function map(list, fn, o)
    if type(list) ~= "table" or type(fn) ~= "function" then
        error_object.raise("INVALID", "ctx.map: a list and a function are expected")
    end
    local count = #list
    check_size("map", count)
    local concurrency = concurrency_of(o) or math.max(count, 1)
    local results = group.run("map", count, concurrency, { fn }, copy(list, count))
    for i = 1, count do
        if results[i] == nil then
            results[i] = json.null -- a list with holes has no length, nor a JSON form
        end
    end
    return json.array(results)
end

return { all = all, any = first_of "any", race = first_of "race", map = map }
