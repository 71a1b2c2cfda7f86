-- SPDX-License-Identifier: MIT
-- Checks where variables are assigned: what a scope assigns, no scope inside of it (a branch, a map's processor) may
-- assign as well. Only for definitions whose objects are those of the schema.

local graph = require "flowhost.dialect.asl.check.graph"
local report = require "flowhost.dialect.asl.check.report"

local M = {}

--- Calls visit(name, location) for each variable that a state assigns, whichever way it ends.
local function each_assigned(state, location, visit)
    local function add(assign, at)
        for _, name in ipairs(report.sorted_keys(assign or {})) do
            visit((name:gsub("%.%$$", "")), at .. "/Assign")
        end
    end
    add(state.Assign, location)
    for _, list in ipairs { "Choices", "Catch" } do
        for i, entry in ipairs(state[list] or {}) do
            add(entry.Assign, ("%s/%s[%d]"):format(location, list, i - 1))
        end
    end
end

--- Checks a container whose outer scopes assign the names of `outer`.
local function check(ctx, container, location, outer)
    local names, own = report.sorted_keys(container.States), setmetatable({}, { __index = outer })
    for _, name in ipairs(names) do
        each_assigned(container.States[name], location .. "/States/" .. name, function(variable, at)
            if outer[variable] then
                report.schema(ctx, at, "Variable '%s' is assigned in an outer scope already", variable)
            end
            own[variable] = true
        end)
    end
    for _, name in ipairs(names) do
        graph.each_container(container.States[name], location .. "/States/" .. name, function(inner, at)
            check(ctx, inner, at, own)
        end)
    end
end

--- Checks a whole definition.
function M.check(ctx, definition)
    check(ctx, definition, "", {})
end

return M
