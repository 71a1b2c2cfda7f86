-- SPDX-License-Identifier: MIT
-- Checks where the states of a definition lead to: targets that do not exist, states that nothing leads to, and whether
-- there is an end. As AWS has it, a state is reachable when any StartAt, Next or Default names it, and a container
-- without a terminal state is told so instead of that.
--
-- Only for definitions whose objects are those of the schema.

local report = require "flowhost.dialect.asl.check.report"

local M = {}

local CODE = "MISSING_TRANSITION_TARGET"

--- Calls visit(name, location) for each state that a state leads to.
function M.each_target(state, location, visit)
    local function add(value, at)
        for _, name in ipairs(type(value) == "table" and value or { value }) do
            visit(name, at)
        end
    end
    for i, rule in ipairs(state.Choices or {}) do
        add(rule.Next, ("%s/Choices[%d]/Next"):format(location, i - 1))
    end
    add(state.Default, location .. "/Default")
    add(state.Next, location .. "/Next")
    for i, catcher in ipairs(state.Catch or {}) do
        add(catcher.Next, ("%s/Catch[%d]/Next"):format(location, i - 1))
    end
end

--- Calls visit(container, location) for each container inside of a state.
function M.each_container(state, location, visit)
    for i, branch in ipairs(state.Branches or {}) do
        visit(branch, ("%s/Branches[%d]"):format(location, i - 1))
    end
    for _, name in ipairs { "ItemProcessor", "Iterator" } do
        if state[name] then
            visit(state[name], location .. "/" .. name)
        end
    end
end

--- What a Join waits for are states of the same container.
local function check_join(ctx, state, location, states)
    for i, name in ipairs(state.JoinOn or {}) do
        if not states[name] then
            report.add(ctx, CODE, ("%s/JoinOn[%d]"):format(location, i - 1), "Missing 'JoinOn' target: %s", name)
        end
    end
end

local function is_terminal(state)
    return state.End == true or state.Type == "Succeed" or state.Type == "Fail"
end

local function check_reached(ctx, container, location, reached)
    for _, name in ipairs(report.sorted_keys(container.States)) do
        if not reached[name] then
            report.add(ctx, CODE, location .. "/States/" .. name, "State \"%s\" is not reachable.", name)
        end
    end
end

local function has_terminal(container)
    for _, state in pairs(container.States) do
        if is_terminal(state) then
            return true
        end
    end
    return false
end

--- Checks a container and those inside of its states; `location` is "" for the whole definition.
function M.check(ctx, container, location)
    local reached, states = {}, container.States
    local function visit(name, at)
        reached[name] = true
        if not states[name] then
            report.add(ctx, CODE, at, "Missing 'Next' target: %s", name)
        end
    end
    visit(container.StartAt, location .. "/StartAt")
    local names = report.sorted_keys(states)
    for _, name in ipairs(names) do
        M.each_target(states[name], location .. "/States/" .. name, visit)
        check_join(ctx, states[name], location .. "/States/" .. name, states)
    end
    if has_terminal(container) then
        check_reached(ctx, container, location, reached)
    else
        report.add(ctx, "MISSING_END_STATE", nil, "Workflow has no terminal state")
    end
    for _, name in ipairs(names) do
        M.each_container(states[name], location .. "/States/" .. name, function(inner, at)
            M.check(ctx, inner, at)
        end)
    end
end

return M
