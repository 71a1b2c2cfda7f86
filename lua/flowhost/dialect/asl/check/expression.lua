-- SPDX-License-Identifier: MIT
-- Checks the expressions of a definition: paths, intrinsic functions, payload templates and JSONata between {% and %}.

local asl_template = require "flowhost.expr.asl_template"
local jsonata_names = require "flowhost.dialect.asl.jsonata_names"
local jsonata_texts = require "flowhost.dialect.asl.jsonata_texts"
local object = require "flowhost.dialect.asl.check.object"
local report = require "flowhost.dialect.asl.check.report"

local M = {}

local INTRINSIC = "^States%."

--- The JSONata text of "{% ... %}"; nil for other values.
function M.jsonata_text(value)
    return type(value) == "string" and value:match "^{%%(.*)%%}$" or nil
end

local function syntax_text(ctx, err)
    return jsonata_texts.find(err, ctx.o) or ("%s at position %s"):format(err.message, err.position)
end

--- Fields of $states that only some fields of states have; `offers` names the one that this field has.
local OFFERED = { "errorOutput", "result" }

local function check_names(ctx, text, location, offers)
    local names = jsonata_names.find(text, ctx.o.null)
    for _, name in ipairs(names.top_level) do
        report.add(ctx, "UNSUPPORTED_JSONATA_EXPRESSION", location,
            "Reference to '%s' at the top level is not supported.", name)
    end
    for _, name in ipairs(OFFERED) do
        if names.states[name] and name ~= offers then
            report.add(ctx, "UNSUPPORTED_JSONATA_EXPRESSION", location,
                "Reference to '$states.%s' is not supported in this field.", name)
        end
    end
end

--- Checks the expression that a value holds; false when it holds none.
function M.check_dynamic(ctx, value, location, offers)
    local text = ctx.language == "JSONata" and M.jsonata_text(value)
    if not text then
        return false
    end
    local expression, err = ctx.o.jsonata.compile(text)
    if expression then
        check_names(ctx, text, location, offers)
    else
        report.add(ctx, "INVALID_JSONATA_EXPRESSION", location, "%s", syntax_text(ctx, err))
    end
    return true
end

--- Whether a text is a path: one of AWS's dialect of JSONPath.
function M.path_of(ctx, value)
    if type(value) ~= "string" then
        return nil, "Expected value of type String"
    end
    return ctx.o.jsonpath.compile(value)
end

local function is_intrinsic(ctx, value)
    return type(value) == "string" and value:find(INTRINSIC) and ctx.o.intrinsic.check(value) ~= nil
end

local function check_template_field(ctx, name, value, location)
    if not M.path_of(ctx, value) and not is_intrinsic(ctx, value) then
        report.schema(ctx, location, "%s", asl_template.invalid_value(name, value, ctx.o))
    end
end

local check_path_template

local function check_path_entry(ctx, name, value, location)
    if type(name) == "string" and name:sub(-2) == ".$" then
        return check_template_field(ctx, name, value, location)
    elseif type(value) == "string" and (value:find "^%$%$?%." or value:find(INTRINSIC)) then
        report.warn(ctx, "NO_DOLLAR", object.at(location, name),
            "The field '%s' looks like a path or an intrinsic function but its name does not end with '.$'", name)
    end
    return check_path_template(ctx, value, object.at(location, name))
end

local function check_items(ctx, value, location, check, offers)
    for i, inner in ipairs(value) do
        check(ctx, inner, ("%s[%d]"):format(location, i - 1), offers)
    end
end

function check_path_template(ctx, value, location)
    if type(value) ~= "table" then
        return
    elseif ctx.o.is_array(value) then
        return check_items(ctx, value, location, check_path_template)
    end
    for _, name in ipairs(report.sorted_keys(value)) do
        check_path_entry(ctx, name, value[name], location)
    end
end

local function check_jsonata_template(ctx, value, location, offers)
    if type(value) ~= "table" then
        M.check_dynamic(ctx, value, location, offers)
    elseif ctx.o.is_array(value) then
        check_items(ctx, value, location, check_jsonata_template, offers)
    else
        for _, name in ipairs(report.sorted_keys(value)) do
            check_jsonata_template(ctx, value[name], object.at(location, name), offers)
        end
    end
end

--- A payload template of the language in use; `offers`: the field of $states that is there in this one only.
function M.check_template(ctx, value, location, offers)
    local check = ctx.language == "JSONata" and check_jsonata_template or check_path_template
    return check(ctx, value, location, offers)
end

--- A Reference Path: names one place. `o`: context = it may begin with $$, variable = with $name.
function M.check_reference(ctx, value, location, o)
    local path, reason = M.path_of(ctx, value)
    if not path then
        return report.schema(ctx, location, "Value is not a Reference Path: %s", reason)
    end
    local root = path.root
    local is_allowed = root == "$" or (root == "$$" and o.context) or (root ~= "$$" and o.variable)
    if not path.is_reference or not is_allowed then
        report.schema(ctx, location, "Value is not a Reference Path")
    end
end

--- A reference path or an intrinsic function that gives a text.
function M.check_reference_or_intrinsic(ctx, value, location)
    if not is_intrinsic(ctx, value) then
        M.check_reference(ctx, value, location, { context = true, variable = true })
    end
end

return M
