-- SPDX-License-Identifier: MIT
-- A run as one document that replays anywhere (docs/formats.md, "Bundle of a run"):
--
--   GET  /v1/runs/{id}/export    the document
--   POST /v1/runs/import         stores it -> 201 the run; 409 RUN_EXISTS
--
-- Row and journal chunks are copied as they are stored, whatever is in them; release is the code that the run is pinned
-- to. What is not UTF-8 is { base64 = text }. A run that has not ended would go on at two places: it is imported as
-- suspended, and its former state is in its error.

local access = require "flowhost.api.access"
local audit = require "flowhost.engine.audit"
local collect = require "flowhost.engine.collect"
local core = require "flowhost.core"
local journal = require "flowhost.engine.journal"
local problem = require "flowhost.api.problem"
local release_module = require "flowhost.engine.release"
local rows = require "flowhost.engine.rows"
local runs = require "flowhost.api.runs"
local token = require "flowhost.engine.token"
local view = require "flowhost.api.view"

local json, store, system = core.json, core.store, core.system
local tables = store.tables

local M = {}

local FORMAT = 1
-- where a row has these (docs/formats.md)
local STATUS, ERROR, MORE = 4, 13, 18
local DEEP = { max_depth = 256, any_bytes = true }
local STRICT = { max_depth = 256 }
local MAX_NAME, MAX_TAG = 200, 480

-- export --------------------------------------------------------------------------------------------

local function base64(bytes)
    return json.encode { base64 = system.base64_encode(bytes) }
end

--- Stored JSON as part of a JSON document.
local function document_part(text)
    return json.decode(text, STRICT) ~= nil and text or base64(text)
end

--- Any bytes as part of a JSON document.
local function text_part(bytes)
    local text = json.encode(bytes)
    return json.decode(text) == bytes and text or base64(bytes)
end

--- Stored texts hold bodies of answers as they came: the same value as our codec writes it.
local function canonical(text)
    local value = json.decode(text, DEEP)
    return value ~= nil and json.encode(value, DEEP) or nil
end

--- What tells a whole bundle from one that was damaged or edited: of canonical texts.
local function checksum(row, chunks)
    return system.hex(system.sha256(row .. "\n" .. table.concat(chunks, "\n")))
end

--- The stored texts of a run: row, chunks; nil, reason when one is damaged.
local function read_texts(bytes)
    local row, _, detail = store.get(tables.runs, bytes)
    if not row then
        return nil, detail or "its row is gone"
    end
    local chunks, after = {}, nil
    repeat
        local keys, values, count = store.scan(tables.journal, { prefix = bytes, after = after, limit = 1000 })
        if not keys then
            return nil, values
        end
        for i = 1, count do
            if not values[i] then
                return nil, ("table journal, key %s is damaged"):format(system.hex(keys[i]))
            end
            chunks[#chunks + 1] = values[i]
        end
        after = keys[count]
    until count < 1000
    return row, chunks
end

--- nil, reason when the code is not in the store.
local function release_part(hash)
    local files, env = release_module.read_files(hash)
    if not files then
        return nil, env
    end
    local parts = {}
    for path, text in pairs(files) do
        parts[#parts + 1] = json.encode(path) .. ":" .. text_part(text)
    end
    table.sort(parts)
    return ('{"hash":%s,"env":%s,"files":{\n%s\n}}'):format(json.encode(hash), json.encode(env),
        table.concat(parts, ",\n"))
end

--- nil when a stored text is no JSON.
local function bundle_text(row, row_text, chunks, release)
    local parts, texts = {}, {}
    for i, text in ipairs(chunks) do
        parts[i], texts[i] = document_part(text), canonical(text)
        if not texts[i] then
            return nil
        end
    end
    local canonical_row = canonical(row_text)
    if not canonical_row then
        return nil
    end
    return table.concat {
        '{"format":', FORMAT, ',"kind":"flowhost run","flowhost":', json.encode(system.version),
        ',"id":', json.encode(row.id), ',"flow":', json.encode(row.flow),
        ',"sha256":"', checksum(canonical_row, texts), '",\n"row":', document_part(row_text),
        ',\n"journal":[\n', table.concat(parts, ",\n"), '\n],\n"release":', release, "}\n",
    }
end

function M.export(request, captures)
    local row = runs.find_row(request, captures.id)
    if not row then
        return
    end
    local row_text, chunks = read_texts(row.bytes)
    if not row_text then
        return problem.send(request, 500, "CORRUPT", chunks, { run = row.id })
    end
    local release, reason = release_part(row.release)
    if not release then
        return problem.send(request, 409, "RELEASE_MISSING", reason, { run = row.id })
    end
    local text = bundle_text(row, row_text, chunks, release)
    if not text then
        return problem.send(request, 500, "CORRUPT", "its row or journal is not JSON", { run = row.id })
    end
    request:respond(200, {
        "Content-Type", "application/json", "Content-Disposition", ('attachment; filename="%s.json"'):format(row.id),
    }, text)
end

-- import --------------------------------------------------------------------------------------------

local function is_object(value)
    return type(value) == "table" and not json.is_array(value)
end

--- The bytes of text_part, or nil.
local function bytes_of(part)
    if type(part) == "string" then
        return part
    elseif is_object(part) and type(part.base64) == "string" then
        return system.base64_decode(part.base64)
    end
end

--- The text of document_part as the engine writes it, and its value; nil when it is none.
local function stored_of(part)
    local value = part
    if is_object(part) then
        local text = bytes_of(part)
        value = text and json.decode(text, DEEP)
    end
    if type(value) ~= "table" or not json.is_array(value) then
        return nil
    end
    return json.encode(value, DEEP), value
end

local function read_head(body)
    local bundle, reason = json.decode(body, DEEP)
    if bundle == nil then
        return nil, "it is not JSON: " .. reason
    elseif not is_object(bundle) or bundle.kind ~= "flowhost run" then
        return nil, "it is not a run that flowhost has exported"
    elseif bundle.format ~= FORMAT then
        return nil, ("it has format %s, this version knows %d"):format(tostring(bundle.format), FORMAT)
    end
    return bundle
end

local function read_run(bundle)
    local run = { id = bundle.id, chunks = {} }
    run.bytes = type(bundle.id) == "string" and system.id_bytes(bundle.id) or nil
    run.row_text, run.row = stored_of(bundle.row)
    if not run.bytes or not run.row_text or type(bundle.journal) ~= "table" then
        return nil, "its id, row or journal is missing"
    end
    for i, part in ipairs(bundle.journal) do
        run.chunks[i] = stored_of(part)
        if not run.chunks[i] then
            return nil, ("chunk %d of its journal is damaged"):format(i)
        end
    end
    if bundle.sha256 ~= checksum(run.row_text, run.chunks) then
        return nil, "its row or journal has been changed: the checksum does not match"
    end
    return run
end

local function read_release(part, hash)
    if not is_object(part) or not is_object(part.files) or not is_object(part.env) then
        return nil, "its release is missing"
    end
    local files = {}
    for path, content in pairs(part.files) do
        files[path] = bytes_of(content)
        if not files[path] then
            return nil, ("file %s of its release is damaged"):format(path)
        end
    end
    local release = release_module.make(files, part.env)
    if release.hash ~= hash then
        return nil, "its release has been changed: its files do not give its hash"
    end
    return release
end

--- Whether what goes into indexes can.
local function is_sound(fields)
    for name, value in pairs(is_object(fields.tags) and fields.tags or {}) do
        if type(value) ~= "string" or #name + #value > MAX_TAG then
            return false
        end
    end
    return not fields.corrupt and type(fields.flow) == "string" and #fields.flow <= MAX_NAME
        and rows.STATUSES[fields.status] and type(fields.release) == "string"
        and (fields.tags == nil or is_object(fields.tags))
end

--- run { id, bytes, row (list), chunks, release }; nil, sentence when the bundle cannot be used.
local function read_bundle(body)
    local bundle, reason = read_head(body)
    if not bundle then
        return nil, reason
    end
    local run
    run, reason = read_run(bundle)
    if not run then
        return nil, reason
    end
    run.fields = rows.decode(run.bytes, run.row_text)
    if not is_sound(run.fields) then
        return nil, "its row cannot be read"
    end
    run.release, reason = read_release(bundle.release, run.fields.release)
    return run.release and run, reason
end

--- A run that has not ended waits for a person; what tied it to the other host's alarms and keys is left out.
local function settle(run)
    local row, status, more = run.row, run.fields.status, run.row[MORE]
    if not rows.TERMINAL[status] and status ~= "suspended" then
        row[STATUS], run.fields.status = "suspended", "suspended"
        row[ERROR] = { code = "IMPORTED",
            message = ("the run was %s when it was exported; recover lets it go on here"):format(status) }
    end
    if is_object(more) then
        more.key, more.alarm, more.waiting = nil, nil, nil
        row[MORE] = next(more) and more or json.null
    end
    run.row_text = assert(json.encode(row, DEEP))
end

local function batch_of(run, actor)
    local batch, fields = store.batch(), run.fields
    batch:set_intake()
    batch:expect_absent(tables.runs, run.bytes)
    release_module.put(batch, run.release)
    batch:put(tables.runs, run.bytes, run.row_text)
    batch:put(tables.runs_by_flow, fields.flow .. "\0" .. run.bytes, fields.status)
    batch:put(tables.runs_by_status, fields.status .. "\0" .. run.bytes, fields.flow)
    for name, value in pairs(fields.tags or {}) do
        batch:put(tables.runs_by_tag, rows.tag_key(name, value, run.bytes), fields.flow)
    end
    for i, text in ipairs(run.chunks) do
        batch:put(tables.journal, journal.key(run.bytes, i - 1), text)
    end
    local entry = { id = run.id, flow = fields.flow }
    audit.add(entry, { actor = actor, action = "import", after = { status = fields.status } })
    for _, write in ipairs(entry.also) do
        batch[write[1]](batch, unpack(write, 2))
    end
    return batch
end

local function send_stored(request, run, code)
    if code == "CONFLICT" then
        return problem.send(request, 409, "RUN_EXISTS", ("run %s is here already"):format(run.id), { run = run.id })
    elseif code then
        return problem.send(request, code == "DISK_FULL" and 507 or 503, code, "the run could not be stored: " .. code)
    end
    request:respond(201, { "Content-Type", "application/json", "Location", "/v1/runs/" .. run.id },
        json.encode(view.run(rows.read(run.bytes)), STRICT) .. "\n")
end

function M.import(request, _, _, _, body)
    local run, reason = read_bundle(body)
    if not run then
        return problem.send(request, 422, "BUNDLE_INVALID", "the bundle cannot be used: " .. reason)
    end
    settle(run)
    local function done(code)
        send_stored(request, run, code)
    end
    system.fault "api.import"
    collect.when_idle(run.release.hash, function()
        token.submit(batch_of(run, access.actor(request)), done)
    end)
end

return M
