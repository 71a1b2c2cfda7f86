-- SPDX-License-Identifier: MIT
-- What a person may change before a run of a rule goes on from its snapshot: checked whole before anything is changed,
-- then written as another snapshot, in one batch with an audit entry. What was before stays in the journal.
--
--   data    merged at the top level, or (is_replaced) all of it     layer   number of the layer to go on with, from 1
--   names   components of that layer to run (default: those that failed; of another layer: all)
--   rule    another rule for this run, as text or as an object      release "pinned" | "active": the rule as it is now

local core = require "flowhost.core"
local audit = require "flowhost.engine.audit"
local rule_dialect = require "flowhost.dialect.rule"
local snapshot = require "flowhost.engine.snapshot"

local json = core.json

local M = {}

local KNOWN = { data = true, layer = true, names = true, rule = true, release = true, dry_run = true, actor = true,
    reason = true }

local function problem(pointer, message)
    return { status = 422, code = "EDIT_INVALID", detail = ("%s %s"):format(pointer, message),
        errors = json.array { { pointer = pointer, message = message } } }
end

local function is_object(value)
    return type(value) == "table" and not json.is_array(value)
end

local function to_text(rule)
    return is_object(rule) and json.encode(rule) or rule
end

--- The names of a rule's components by layer, of the rule that the run will go on with.
local function outline_of(latest, edits, code)
    local text = to_text(edits.rule) or (edits.release ~= "active" and latest.rule ~= json.null and latest.rule)
    if not text then
        return code.outline
    end
    local problems, decoded = rule_dialect.check(text, json)
    if problems[1] then
        local first = problems[1]
        return nil, problem("/rule" .. first.pointer, first.message)
    end
    return rule_dialect.outline(decoded)
end

--- The names of components that will run again; nil: all of the layer.
local function names_after(latest, edits, layer)
    if edits.names ~= nil then
        return edits.names
    end
    return layer == latest.layer and latest.names ~= json.null and latest.names or nil
end

--- Also when only the rule was changed: what failed and is not there any more would count as done.
local function check_names(names, layer)
    if names == nil then
        return nil
    elseif type(names) ~= "table" or not (json.is_array(names) or #names > 0) then
        return problem("/names", "must be a list of names of components")
    end
    local known = {}
    for _, name in ipairs(layer) do
        known[name] = true
    end
    for i, name in ipairs(names) do
        if not known[name] then
            return problem(("/names/%d"):format(i - 1), ("'%s' names no component of that layer"):format(
                tostring(name)))
        end
    end
end

--- What is wrong with the edits; nil when they can be applied.
---@param latest table   the snapshot in force
---@param code table     what the run will go on with
function M.check(latest, edits, code)
    for name in pairs(edits) do
        if not KNOWN[name] then
            return problem("/" .. name, "is not known here: a rule goes on by layer (data, layer, names, rule)")
        end
    end
    if edits.release ~= nil and edits.release ~= "pinned" and edits.release ~= "active" then
        return problem("/release", "must be \"pinned\" or \"active\"")
    elseif edits.data ~= nil and not is_object(edits.data) then
        return problem("/data", "must be an object")
    elseif edits.rule ~= nil and type(edits.rule) ~= "string" and not is_object(edits.rule) then
        return problem("/rule", "must be a rule")
    end
    local outline, wrong = outline_of(latest, edits, code)
    if not outline then
        return wrong
    end
    local layer = edits.layer == nil and latest.layer or edits.layer
    if type(layer) ~= "number" or layer ~= math.floor(layer) or not outline[layer] then
        return problem("/layer", ("must be the number of a layer, from 1 to %d"):format(#outline))
    end
    return check_names(names_after(latest, edits, layer), outline[layer])
end

--- The snapshot after the edits.
local function edited(latest, edits, is_replaced)
    local value = json.decode_stored(json.encode_stored(latest))
    for name, given in pairs(value) do
        value[name] = given ~= json.null and given or nil
    end
    if edits.data then
        local data = is_replaced and {} or value.data
        for key, given in pairs(edits.data) do
            data[key] = given
        end
        value.data = data
    end
    if edits.layer and edits.layer ~= value.layer then
        value.layer, value.names = edits.layer, nil
    end
    value.names = edits.names and json.array(edits.names) or value.names
    if edits.rule ~= nil then
        value.rule = to_text(edits.rule)
    elseif edits.release == "active" then
        value.rule = nil
    end
    return value
end

local EDITS = { "data", "layer", "names", "rule", "release" }

local function has_edits(edits)
    for _, name in ipairs(EDITS) do
        if edits[name] ~= nil and edits[name] ~= "pinned" then
            return true
        end
    end
    return false
end

--- Writes checked edits to a run that was just loaded.
---@param action "recover"|"edit"
function M.apply(run, edits, action)
    local latest = snapshot.latest(run.journal)
    local is_edited = has_edits(edits)
    audit.add(run, { actor = edits.actor or "admin", action = action, reason = edits.reason,
        before = is_edited and { layer = latest.layer, names = latest.names, data = latest.data, error = run.error }
            or { error = run.error },
        after = { layer = edits.layer, names = edits.names, data = edits.data, rule = edits.rule,
            release = edits.release } })
    if is_edited then
        snapshot.add(run, edited(latest, edits, action == "edit"), { edited = true })
    end
end

return M
