-- SPDX-License-Identifier: MIT
-- Turns the files of a flows folder into a release that can be run: flows by name, components, lib modules.
-- A file that cannot be used is reported as { file, line, message } and left out; the others stand.
--
--   release: hash, env, files (path -> chunk, of what is compiled), flows (name -> flow), problems, units (by path)
--   flow:    name, file, version, release (hash), description, http { method, path }, request, durable, on_error, code
--   code:    files, env, on_error, timeout_ms, record, retention { age_ms, count }, main(run),
--            component(run, name) -> body | nil, flow(name) -> flow | nil             what a run needs
--   unit:    kind ("flow" | "part"), component (name), chunk or problem { line, message }, trial (what running its top
--            level brought), of one file; shared by releases that hold the same text at the same path
--
-- A release is filled at once (`fill`: what is served), or as far as one flow needs it (`flow`: what an old run needs).

local asl = require "flowhost.dialect.asl"
local fields = require "flowhost.schema.fields"
local naming = require "flowhost.flow.naming"
local retention = require "flowhost.flow.retention"
local rule = require "flowhost.dialect.rule"
local source = require "flowhost.flow.source"

local M = {}

local FIELDS = { description = "string", http = "string", request = "table", durable = "string", on_error = "string",
    run = "function", timeout = "number", record = "boolean", retention = "table",
    raw = "boolean" }
local DURABLE = { always = true, on_error = true, never = true }
local ON_ERROR = { suspend = true, fail = true }
local METHODS = { GET = true, HEAD = true, POST = true, PUT = true, PATCH = true, DELETE = true }

local MAX_DEPTH = 50 -- of the table that a file returns

local RESERVED_PREFIXES = { "/v1/", "/console/", "/ps/" }
local RESERVED_PATHS = { ["/"] = true, ["/v1"] = true, ["/console"] = true, ["/ps"] = true, ["/healthz"] = true,
    ["/readyz"] = true, ["/metrics"] = true }

--- Of the seeds' own APIs: exact paths, the rest below /api/ is free.
local FACADES = { ["/check_healthy"] = "", ["/api/v1/rule"] = "page switch_version", ["/api/v1/secret"] = "page",
    ["/api/v1/script"] = "page switch_version", ["/api/v1/suspend"] = "page recover", ["/api/v1/run_log"] = "" }
for path, rest in pairs(FACADES) do
    RESERVED_PATHS[path] = true
    for part in rest:gmatch "%S+" do
        RESERVED_PATHS[path .. "/" .. part] = true
    end
end

--- What a path is the host's own by, or may become so: "the path /v1 is", "paths under /v1/ are"; nil for those of
--- flows.
function M.find_reserved(path)
    if RESERVED_PATHS[path] then
        return ("the path %s is"):format(path)
    end
    for _, prefix in ipairs(RESERVED_PREFIXES) do
        if path:sub(1, #prefix) == prefix then
            return ("paths under %s are"):format(prefix)
        end
    end
end

--- The dialects that are JSON documents.
local DOCUMENTS = { rule = rule, asl = asl }

--- What a chunk exports: the function to run and the table of options (nil for a plain function).
local function instantiate(o, chunk, env)
    local exported = o.call_chunk(chunk, env)
    if type(exported) == "function" then
        return exported
    elseif type(exported) == "table" then
        return rawget(exported, "run"), exported
    end
    return rawget(env, "handler")
end

--- A table as plain data, read past its metatables: what a flow returned is looked at outside of its limits later.
--- JSON arrays stay arrays.
local function copy_raw(o, value, depth)
    if type(value) ~= "table" then
        return value
    elseif depth > MAX_DEPTH then
        error(("the returned table is nested deeper than %d"):format(MAX_DEPTH), 0)
    end
    local own = o.json.is_array(value) and o.json.array {} or {}
    for key, inner in next, value do
        rawset(own, key, copy_raw(o, inner, depth + 1))
    end
    return own
end

local OF_COMPONENTS = { description = true, run = true }

local function check_fields(options, is_component)
    for name, value in pairs(options) do
        local expected = FIELDS[name]
        if expected and is_component and not OF_COMPONENTS[name] then
            return ("field '%s' is one of flows: a component has none"):format(name)
        elseif not expected then
            return ("unknown field '%s'"):format(tostring(name))
        elseif type(value) ~= expected then
            return ("field '%s' must be a %s"):format(name, expected)
        end
    end
    if options.durable and not DURABLE[options.durable] then
        return ("durable = '%s': use \"always\", \"on_error\" or \"never\""):format(options.durable)
    elseif options.on_error and not ON_ERROR[options.on_error] then
        return ("on_error = '%s': use \"suspend\" or \"fail\""):format(options.on_error)
    end
    if options.timeout and not (options.timeout > 0 and options.timeout <= 1e9) then
        return "field 'timeout' must be a number of seconds above 0, at most 1e9"
    end
    local _, reason = retention.parse(options.retention)
    return reason or (options.request and fields.find_problem(options.request))
end

--- A pattern such as /{rest+} may cover paths of the host's own; it is not asked for those.
local function parse_route(text)
    local method, path = text:match "^(%u+) (/%S*)$"
    if not method or not METHODS[method] then
        return nil, ("http = '%s': write it as \"POST /path\""):format(text)
    end
    local reserved = M.find_reserved(path)
    if reserved then
        return nil, ("http = '%s': %s the host's own, choose another"):format(text, reserved)
    end
    return { method = method, path = path }
end

---@param faults table[]?  of a document: { pointer, message }
local function add_problem(release, file, line, message, faults)
    release.problems[#release.problems + 1] = { file = file, line = line, message = message, faults = faults }
end

--- "file:12: text" raised by the chunk itself.
local function split_position(file, raised)
    local text = raised
    if type(raised) ~= "string" then
        local has_message = type(raised) == "table" and type(raised.message) == "string"
        text = has_message and raised.message or "error value is a " .. type(raised)
    end
    local prefix = file .. ":"
    if text:sub(1, #prefix) == prefix then
        local line, message = text:match("^(%d+): (.*)$", #prefix + 1)
        if line then
            return tonumber(line), message
        end
    end
    return 1, text
end

--- nil for a file that flows neither are nor use.
local function new_unit(o, path)
    local _, dialect = naming.flow_of(path)
    local kind = dialect and "flow" or naming.is_part(path) and "part"
    local text = kind and o.read(path)
    if not text then
        return nil
    elseif DOCUMENTS[dialect] then
        local document, problem = DOCUMENTS[dialect].compile(text, { json = o.json, file = path, digest = o.digest })
        return { kind = kind, dialect = dialect, document = document, problem = problem }
    end
    local chunk, problem = source.compile(text, "@" .. path, { jit = o.is_jit })
    return { kind = kind, dialect = dialect, chunk = chunk, problem = problem,
        component = path:match "^components/(.*)%.lua$" }
end

--- What the release knows of a file that flows are or use; nil when it has none of that path.
local function unit_of(release, path)
    local unit = release.units[path]
    if unit == nil then
        unit = release.o.find_unit(path) or false
        local made = not unit and new_unit(release.o, path)
        if made then
            unit = made
            release.o.keep_unit(path, unit)
        end
        release.units[path] = unit
        release.files[path] = unit and unit.chunk
    end
    return unit or nil
end

--- The compiled file, or nil when the release has none of that path that flows may use, or none that compiles.
function M.chunk(release, path)
    local unit = unit_of(release, path)
    return unit and unit.chunk
end

local function new_code(release, unit, options, o)
    local code = {
        dialect = unit.dialect, outline = unit.document and unit.document.outline,
        machine = unit.document and unit.document.machine,
        files = release.files, env = release.env, on_error = options.on_error or "suspend",
        timeout_ms = options.timeout and math.max(1, math.ceil(options.timeout * 1000)) or nil,
        record = options.record, retention = retention.parse(options.retention) or o.retention,
    }

    function code.flow(name)
        return (M.flow(release, name))
    end

    --- The body of a run's first fiber.
    function code.main(run)
        if unit.document then
            return unit.document.main(o.new_document_host(run))
        end
        local fn = instantiate(o, unit.chunk, o.new_env(release, run))
        return fn(o.new_ctx(), run.input)
    end

    --- A component as a function of its input, in an environment of its own. nil when the release has none of that
    --- name.
    function code.component(run, name)
        local component = M.chunk(release, ("components/%s.lua"):format(naming.to_path(name)))
        if not component then
            return nil
        end
        local fn = instantiate(o, component, o.new_env(release, run))
        return function(input)
            return fn(o.new_ctx(), input)
        end
    end
    return code
end

--- What a flow is called and where it is served, as far as its file alone decides: sets name, route and route_key of
--- the trial, or message.
local function describe(file, trial)
    local name, http = naming.flow_of(file), trial.options.http
    trial.name = name
    if http then
        trial.route, trial.message = parse_route(http)
        trial.route_key = http:gsub("{[%w_]+(%+?)}", "{%1}") -- whatever the parameters are called
    end
    if trial.message then
        return
    elseif name:find "^flowhost/" then
        trial.message = "the folder name flowhost/ is the host's own, choose another"
    elseif #name > naming.MAX_NAME or name:find "[^%w/_.%%-]" then
        trial.message = ("a flow's name has letters, digits and / _ . - only, at most %d"):format(naming.MAX_NAME)
    end
end

local function add_flow(release, file, unit, trial)
    local o = release.o
    local options, key = trial.options, trial.route_key
    local namesake = release.flows[trial.name]
    if namesake and namesake.file ~= file then
        return add_problem(release, file, 1, ("flow '%s' is %s already"):format(trial.name, namesake.file))
    end
    if key then
        local other = release.routes[key]
        if other then
            return add_problem(release, file, 1, ("http = '%s' is taken by %s"):format(options.http, other))
        end
        release.routes[key] = file
    end
    release.flows[trial.name] = {
        name = trial.name, file = file, version = o.version_of(file), release = release.hash,
        description = options.description, http = trial.route, request = options.request, raw = options.raw,
        durable = options.durable or "always", dialect = unit.dialect, rule = options.rule,
        on_error = options.on_error or "suspend", code = new_code(release, unit, options, o),
    }
end

--- Runs the top level of a file once, to see what it exports. It depends on the file and on the modules it may ask for:
--- a trial among the same ones is as good.
local function try(release, file, unit)
    local o = release.o
    if unit.trial and unit.trial.libs == o.libs then
        return unit.trial
    end
    local trial = { libs = o.libs }
    local fn
    local ok, raised, is_borrowed = o.limited(function()
        local exported
        fn, exported = instantiate(o, unit.chunk, o.new_env(release, nil))
        trial.options = copy_raw(o, exported or {}, 1)
        trial.message = check_fields(trial.options, unit.component ~= nil)
    end)
    if not ok then
        trial.line, trial.message = split_position(file, raised)
    elseif not trial.message and type(fn) ~= "function" then
        trial.message = "no handler: return function(ctx, input) ... end, or a table with `run`, or define `handler`"
    elseif not trial.message and unit.kind == "flow" then
        describe(file, trial)
    end
    if ok or not is_borrowed then
        unit.trial = trial
    end
    return trial
end

--- A document was checked whole when it was compiled.
local function describe_document(file, unit)
    local trial = { options = unit.document.options }
    describe(file, trial)
    return trial
end

--- Looks at one file: a flow is added, what is wrong with it, or with a part that flows use, is noted.
local function add_file(release, path, unit)
    local o = release.o
    if unit.problem then
        return add_problem(release, path, unit.problem.line, unit.problem.message, unit.problem.faults)
    elseif unit.component and o.taken and o.taken[unit.component] then
        return add_problem(release, path, 1,
            ("component '%s' is registered by the program as well"):format(unit.component))
    elseif not unit.component and unit.kind ~= "flow" then
        return
    end
    local trial = unit.document and describe_document(path, unit) or try(release, path, unit)
    if trial.message then
        add_problem(release, path, trial.line or 1, trial.message)
    elseif unit.kind == "flow" then
        add_flow(release, path, unit, trial)
    end
end

--- A flow of a document that is no file: it uses what the release has, and is not in it.
---@param document table  { main(host), options? }, as a dialect's compile gives it
function M.one_off(release, name, dialect, document)
    local options = document.options or {}
    local unit = { kind = "flow", dialect = dialect, document = document }
    return { name = name, version = "", release = release.hash, durable = "never", is_one_off = true,
        dialect = dialect, on_error = "fail", code = new_code(release, unit, options, release.o) }
end

local function nothing() end

--- A release of which nothing is compiled yet.
---@param o table  hash, env; read(path) -> text or nil; new_env(release, run), new_ctx(), new_document_host(run): what
--- documents run on; limited(fn) -> ok, raised:
--- runs it under a flow's limits; call_chunk(chunk, env): runs a file's top level; json: core.json; version_of(file);
--- is_jit; digest(algorithm, text) -> hex, what documents hash with; taken: set of the names of components that the
--- embedding program has registered; find_unit(path), keep_unit(path, unit): what other releases have compiled; libs:
--- what tells one set of modules from another
function M.new(o)
    o.find_unit, o.keep_unit = o.find_unit or nothing, o.keep_unit or nothing
    return { hash = o.hash, env = o.env, files = {}, flows = {}, routes = {}, problems = {}, units = {}, o = o }
end

--- Compiles what flows use: no run then does it on its own time.
function M.compile_parts(release, paths)
    for _, path in ipairs(paths) do
        if naming.is_part(path) then
            unit_of(release, path)
        end
    end
    return release
end

--- Compiles all files and adds the flows in this order: where two want the same route, the first one has it.
---@param paths string[]
---@param pause function?  called between two files
function M.fill(release, paths, pause)
    M.compile_parts(release, paths)
    for _, path in ipairs(paths) do
        local unit = unit_of(release, path)
        if unit then
            add_file(release, path, unit)
        end
        if pause then
            pause()
        end
    end
    return release
end

--- A flow of a release that need not be filled; nil, { line, message } when it has none of that name that loads.
function M.flow(release, name)
    if release.flows[name] then
        return release.flows[name]
    end
    for _, kind in ipairs(naming.KINDS) do
        local path = name .. kind.suffix
        local unit = unit_of(release, path)
        if unit and unit.kind == "flow" then
            local count = #release.problems
            add_file(release, path, unit)
            local problem = release.problems[count + 1]
            release.problems[count + 1] = nil
            return release.flows[name], problem
        end
    end
end

--- Compiles a folder.
---@param files table<string, string>  path below the folder -> text
---@param o table  as for `new`, without read
function M.load(files, o)
    local paths = {}
    for path in pairs(files) do
        paths[#paths + 1] = path
    end
    table.sort(paths)
    function o.read(path)
        return files[path]
    end
    return M.fill(M.new(o), paths)
end

return M
