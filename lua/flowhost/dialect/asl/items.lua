-- SPDX-License-Identifier: MIT
-- What a Map goes over: its items from the input or from an ItemReader, in batches. Pure.

local data = require "flowhost.dialect.asl.data"
local failure = require "flowhost.dialect.asl.failure"
local query = require "flowhost.dialect.asl.query"

local M = {}

local function raise(cause)
    failure.raise("States.Runtime", cause)
end

--- A number of a field or at the path of FIELDPath; texts of numbers will do. fun(f, input, value) -> number; nil
--- without the field.
---@param kind "integer"|"float"
---@param place string?  see data.number
function M.number(given, field, c, kind, place)
    local path = given[field .. "Path"]
    if given[field] == nil and not path then
        return nil
    end
    local location = (place or "") .. field
    local read = data.number(given, field, c, function(value, path_text)
        local number = tonumber(type(value) ~= "table" and value ~= c.json.null and value or nil)
        local fail = path_text and raise or query.refuse_value
        if not number or (kind == "integer" and number % 1 ~= 0) then
            fail(("The %s field refers to value \"%s\" which is not a valid %s: %s"):format(
                path_text and field .. "Path" or field, data.show(value, c), kind, path_text or field), location)
        elseif field == "ToleratedFailurePercentage" and (number < 0 or number > 100) then
            fail("ToleratedFailurePercentage must be between 0 and 100.", location)
        elseif number < 0 then
            fail(("%s must be a positive integer or zero."):format(field), location)
        end
        return number
    end, place)
    return function(f, input, value)
        return read(f, path and value or input)
    end
end

-- items of the input ---------------------------------------------------------------------------------

local function compile_query_items(given, c)
    if given.Items == nil then
        return function(_, input)
            if not c.json.is_array(input) then
                error({ error = "States.QueryEvaluationError", cause = ("Map state input must be an array but was: %s")
                    :format(c.json.encode(input)) }, 0)
            end
            return input
        end
    end
    local compute = query.typed(given.Items, "Items", c, "array", c.json.is_array)
    return function(f, input)
        return compute(f, data.bindings(f, input))
    end
end

--- fun(f, input, value) -> list
function M.compile_inline(given, c)
    if c.is_jsonata then
        return compile_query_items(given, c)
    end
    local path = given.ItemsPath
    local read = data.reader(path, c)
    return function(f, _, value)
        local items = value
        if read then
            items = read(f, value)
        end
        if not c.json.is_array(items) then
            raise(("Reference path \"%s\" must point to array."):format(((path or "$"):gsub("^%$%$", "$"))))
        elseif f.inspect then
            f.inspect("afterItemsPath", items)
        end
        return items
    end
end

-- ItemReader -----------------------------------------------------------------------------------------

--- Where a reader reads or a writer writes: fun(f, input) -> parameters of the resource.
---@param field string  "ItemReader" or "ResultWriter"
function M.compile_arguments(reader, field, c)
    if c.is_jsonata then
        local make = query.compile(reader.Arguments or {}, field .. "/Arguments", c)
        return function(f, input)
            return make(f, data.bindings(f, input))
        end
    end
    return data.template(reader.Parameters or {}, c)
end

--- fun(f, input, value) -> { length, items() }: the length is known before a reader has been asked only without one.
function M.compile_distributed(given, c)
    local reader = given.ItemReader
    if not reader then
        local read = M.compile_inline(given, c)
        return function(f, input, value)
            local items = read(f, input, value)
            return { length = #items, items = function()
                return items
            end }
        end
    end
    local arguments = M.compile_arguments(reader, "ItemReader", c)
    local config = reader.ReaderConfig or {}
    local most = M.number(config, "MaxItems", c, "integer", "ItemReader/ReaderConfig/")
    return function(f, input, value)
        local limit = most and most(f, input, value)
        if limit == 0 then
            limit = nil
        end
        local parameters = arguments(f, c.is_jsonata and input or value)
        return { length = 0, items = function()
            return f.host:read_items(reader.Resource, parameters, config, limit)
        end }
    end
end

-- ItemBatcher ----------------------------------------------------------------------------------------

local function compile_batch_input(batcher, c)
    if batcher.BatchInput == nil then
        return nil
    elseif c.is_jsonata then
        local make = query.compile(batcher.BatchInput, "ItemBatcher/BatchInput", c)
        return function(f, input)
            return make(f, data.bindings(f, input))
        end
    end
    local make = data.template(batcher.BatchInput, c)
    return function(f, _, value)
        return make(f, value)
    end
end

--- fun(f, input, value, inputs) -> list of { Items, BatchInput }; nil without a batcher.
function M.compile_batcher(given, c)
    local batcher = given.ItemBatcher
    if not batcher then
        return nil
    end
    local most_items = M.number(batcher, "MaxItemsPerBatch", c, "integer", "ItemBatcher/")
    local most_bytes = M.number(batcher, "MaxInputBytesPerBatch", c, "integer", "ItemBatcher/")
    local shared = compile_batch_input(batcher, c)
    return function(f, input, value, inputs)
        local items = most_items and most_items(f, input, value) or math.huge
        local bytes = most_bytes and most_bytes(f, input, value) or 256 * 1024
        local common = shared and shared(f, input, value)
        local batches, size = {}, math.huge
        for i = 1, #inputs do
            local own = #c.json.encode(inputs[i])
            local last = batches[#batches]
            if not last or #last.Items >= items or size + own > bytes then
                last = { Items = c.json.array {}, BatchInput = common }
                batches[#batches + 1], size = last, 0
            end
            last.Items[#last.Items + 1] = inputs[i]
            size = size + own
        end
        if f.inspect then
            f.inspect("afterItemBatcher", c.json.array(batches))
        end
        return batches
    end
end

return M
