-- SPDX-License-Identifier: MIT
-- Items of distributed Maps from files, and results into files. A bucket is a folder of the folder that the setting
-- aws_buckets names; a key is a file below it.
--
--   ItemReader    s3:getObject: InputType JSON (an array), JSONL, CSV (CSVHeaderLocation, CSVHeaders, CSVDelimiter)
--   ResultWriter  s3:putObject: Bucket/Prefix/UUID/ SUCCEEDED_0.json, FAILED_0.json (or .jsonl), manifest.json

local core = require "flowhost.core"
local csv = require "flowhost.codec.csv"
local step = require "flowhost.engine.step"

local json = core.json

local M = { buckets = "" }

local function fail_read(cause)
    error({ error = "States.ItemReaderFailed", cause = cause }, 0)
end

local function fail_write(cause)
    error({ error = "States.ResultWriterFailed", cause = cause, is_final = true }, 0)
end

--- The path of an object; nil for one that would lie elsewhere.
local function path_of(parameters, key)
    local bucket = parameters.Bucket
    local is_sound = type(bucket) == "string" and type(key) == "string" and bucket:find "^[%w][%w._-]*$"
        and not ("/" .. key .. "/"):find("/../", 1, true) and not key:find "^/"
    return is_sound and ("%s/%s/%s"):format(M.buckets, bucket, key) or nil
end

-- reading --------------------------------------------------------------------------------------------

local DELIMITERS = { COMMA = ",", PIPE = "|", SEMICOLON = ";", SPACE = " ", TAB = "\t" }

local function check_headers(headers)
    local seen = {}
    for _, name in ipairs(headers) do
        if seen[name] then
            fail_read "CSV headers cannot contain duplicates."
        end
        seen[name] = true
    end
end

local PARSERS = {}

function PARSERS.CSV(text, config)
    local rows, reason = csv.decode(text, DELIMITERS[config.CSVDelimiter or "COMMA"])
    if not rows then
        fail_read(reason)
    end
    local first, headers = 1, config.CSVHeaders
    if config.CSVHeaderLocation ~= "GIVEN" then
        headers, first = rows[1] or {}, 2
    end
    check_headers(headers)
    local items = {}
    for i = first, #rows do
        local item = {}
        for column, name in ipairs(headers) do
            item[name] = rows[i][column] or ""
        end
        items[#items + 1] = item
    end
    return items
end

--- What a JSON Pointer (RFC 6901) leads to; nil where there is nothing.
local function follow(value, pointer)
    for part in (pointer or ""):gmatch "/([^/]*)" do
        local name = part:gsub("~1", "/"):gsub("~0", "~")
        if type(value) ~= "table" then
            return nil
        end
        value = value[json.is_array(value) and (tonumber(name) or -1) + 1 or name]
    end
    return value
end

function PARSERS.JSON(text, config)
    local value, reason = json.decode(text)
    if value == nil then
        fail_read("The object is not JSON: " .. reason)
    end
    value = follow(value, config.ItemsPointer)
    if not json.is_array(value) then
        fail_read "Attempting to map over non-iterable node."
    end
    return value
end

function PARSERS.JSONL(text)
    local items = {}
    for line in text:gmatch "[^\r\n]+" do
        local value, reason = json.decode(line)
        if value == nil then
            fail_read(("Line %d of the object is not JSON: %s"):format(#items + 1, reason))
        end
        items[#items + 1] = value
    end
    return items
end

--- Items of a text as a ReaderConfig describes it, `limit` of them. Raises { error, cause }.
local function parse(text, config, limit)
    local items = PARSERS[config.InputType](text, config)
    local own = json.array {}
    for i = 1, math.min(#items, limit or #items) do
        own[i] = items[i]
    end
    return own
end

M.parse = parse

local function read_file(parameters, config, limit)
    local path = path_of(parameters, parameters.Key)
    local file = path and io.open(path, "rb")
    local text = file and file:read "*a"
    if file then
        file:close()
    end
    if not text then
        fail_read(("The object %s of the bucket %s cannot be read"):format(json.encode(parameters.Key or json.null),
            json.encode(parameters.Bucket or json.null)))
    end
    return parse(text, config, limit)
end

--- The items that a reader names: a recorded value, so that a replay goes over the same ones.
function M.read(_, resource, parameters, config, limit)
    if M.buckets == "" then
        fail_read "No folder of buckets is set: host.lua, aws = { buckets = \"DIR\" }"
    elseif not resource:find ":s3:getObject$" or not PARSERS[config.InputType or ""] then
        fail_read(("ItemReader: %s of %s is not read here"):format(config.InputType or "the list", resource))
    end
    local outcome = step.value("items", tostring(parameters.Key), function()
        local ok, items = pcall(read_file, parameters, config, limit)
        if not ok and (type(items) ~= "table" or not items.error) then
            error(items, 0)
        end
        return ok and { items = items } or { cause = items.cause }
    end)
    return outcome.items or fail_read(outcome.cause)
end

-- writing --------------------------------------------------------------------------------------------

local function write_file(path, text)
    local ok, reason = core.system.write_file(path, text)
    if not ok then
        fail_write("The results cannot be written: " .. reason)
    end
end

local ENCODERS = { JSON = json.encode }

function ENCODERS.JSONL(list)
    local lines = {}
    for i = 1, #list do
        lines[i] = json.encode(list[i]) .. "\n"
    end
    return table.concat(lines)
end

--- Writes a list of results unless it is empty; its entry in the manifest.
local function write_list(parameters, key, list, kind)
    if #list == 0 then
        return json.array {}
    end
    local text = ENCODERS[kind](list)
    write_file(path_of(parameters, key), text)
    return json.array { { Key = key, Size = #text } }
end

--- Writes what the children brought, { SUCCEEDED, FAILED }; what the Map state's result is.
---@param kind "JSON"|"JSONL"
function M.write(host, resource, parameters, arn, lists, kind)
    local folder = ("%s/%s"):format((parameters.Prefix or ""):gsub("/$", ""), arn:match "[^:]*$"):gsub("^/", "")
    local manifest = folder .. "/manifest.json"
    local path = M.buckets ~= "" and path_of(parameters, manifest)
    if not path or not resource:find ":s3:putObject$" then
        fail_write("The results cannot be written to the bucket " .. json.encode(parameters.Bucket or json.null))
    end
    local details = { Bucket = parameters.Bucket, Key = manifest }
    step.value("results", manifest, function()
        if host.run.probe then
            return true -- nobody but a run that is at work writes
        end
        local files = { PENDING = json.array {} }
        for status, list in pairs(lists) do
            files[status] = write_list(parameters, ("%s/%s_0.%s"):format(folder, status, kind:lower()), list, kind)
        end
        write_file(path, json.encode { DestinationBucket = parameters.Bucket, MapRunArn = arn, ResultFiles = files })
        return true
    end)
    return { MapRunArn = arn, ResultWriterDetails = details }
end

return M
