-- SPDX-License-Identifier: MIT
-- Makes of the tree that was written the tree that is compiled: `.`, `[]`, `^()`, `{}`, `@` and `#` become paths of
-- steps, each `%` gets the step whose context it stands for, calls in tail position are marked.
--
--   path    { steps, keep_singleton, is_tuple, group }
--   step    any node, or { type = "sort", terms }; with stages (filters and indices behind it), focus (@), index (#),
--           ancestor (the slot of a % that stands for its input), is_tuple (carries bindings)
--   slot    { label, level }: where the input of a step is kept for a %; level counts the steps still to go back

local M = {}

local process

local function raise(code, position, fields)
    fields = fields or {}
    fields.code, fields.position = code, position
    error(fields, 0)
end

-- parents -------------------------------------------------------------------------------------------

local seek_parent = {}

local function seek(node, slot)
    local kind = seek_parent[node.type]
    if not kind then
        raise("S0217", node.position, { token = node.type })
    end
    kind(node, slot)
end

function seek_parent.name(node, slot)
    slot.level = slot.level - 1
    if slot.level == 0 then
        if node.ancestor then
            slot.label = node.ancestor.label
        end
        node.ancestor, node.is_tuple = slot, true
    end
end
seek_parent.wildcard = seek_parent.name

function seek_parent.parent(_, slot)
    slot.level = slot.level + 1
end

function seek_parent.block(node, slot)
    local count = #node.expressions
    if count > 0 then
        node.is_tuple = true
        seek(node.expressions[count], slot)
    end
end

function seek_parent.path(node, slot)
    node.is_tuple = true
    local index = #node.steps
    seek(node.steps[index], slot)
    while slot.level > 0 and index > 1 do
        index = index - 1
        seek(node.steps[index], slot)
    end
end

--- `node` contains `inner`: what % inner still looks for, node looks for.
local function push_ancestry(node, inner)
    if not inner.seeking and inner.type ~= "parent" then
        return
    end
    local slots = inner.seeking or {}
    if inner.type == "parent" then
        slots[#slots + 1] = inner.slot
    end
    node.seeking = node.seeking or {}
    for i = 1, #slots do
        node.seeking[#node.seeking + 1] = slots[i]
    end
end

local function resolve_slot(path, slot)
    local index = #path.steps - 1
    while slot.level > 0 do
        if index < 1 then
            path.seeking = path.seeking or {}
            path.seeking[#path.seeking + 1] = slot
            return
        end
        local step = path.steps[index]
        index = index - 1
        while index >= 1 and step.focus and path.steps[index].focus do
            step, index = path.steps[index], index - 1
        end
        seek(step, slot)
    end
end

local function resolve_ancestry(path)
    local last = path.steps[#path.steps]
    local slots = {}
    for _, slot in ipairs(last.seeking or {}) do
        slots[#slots + 1] = slot
    end
    if last.type == "parent" then
        slots[#slots + 1] = last.slot
    end
    for _, slot in ipairs(slots) do
        resolve_slot(path, slot)
    end
end

-- paths ---------------------------------------------------------------------------------------------

local function as_path(node)
    return node.type == "path" and node or { type = "path", steps = { node } }
end

local function last_step(node)
    return node.type == "path" and node.steps[#node.steps] or node
end

local function check_steps(path)
    for _, step in ipairs(path.steps) do
        if step.type == "number" or step.type == "value" then
            raise("S0213", step.position, { value = step.value })
        elseif step.type == "string" then
            step.type = "name"
        end
        path.keep_singleton = path.keep_singleton or step.keep_array
    end
end

local function is_array_constructor(node)
    return node.type == "unary" and node.value == "["
end

local binary = {}

binary["."] = function(expr, state)
    local left = process(expr.lhs, state)
    local path = as_path(left)
    if left.type == "parent" then
        path.seeking = { left.slot }
    end
    local rest = process(expr.rhs, state)
    if rest.type == "path" then
        for _, step in ipairs(rest.steps) do
            path.steps[#path.steps + 1] = step
        end
    else
        rest.stages, rest.predicate = rest.predicate or rest.stages, nil
        path.steps[#path.steps + 1] = rest
    end
    check_steps(path)
    local first, last = path.steps[1], path.steps[#path.steps]
    first.is_cons = first.is_cons or is_array_constructor(first)
    last.is_cons = last.is_cons or is_array_constructor(last)
    resolve_ancestry(path)
    return path
end

binary["["] = function(expr, state)
    local result = process(expr.lhs, state)
    local step = last_step(result)
    local kind = result.type == "path" and "stages" or "predicate"
    if step.group or result.group and result.type ~= "path" then
        raise("S0209", expr.position)
    end
    local predicate = process(expr.rhs, state)
    if predicate.seeking then
        for _, slot in ipairs(predicate.seeking) do
            if slot.level == 1 then
                seek(step, slot)
            else
                slot.level = slot.level - 1
            end
        end
        push_ancestry(step, predicate)
    end
    step[kind] = step[kind] or {}
    table.insert(step[kind], { type = "filter", expr = predicate, position = expr.position })
    return result
end

local function process_pairs(node, list, state)
    local made = {}
    for i, pair in ipairs(list) do
        local key, value = process(pair[1], state), process(pair[2], state)
        if node then
            push_ancestry(node, key)
            push_ancestry(node, value)
        end
        made[i] = { key, value }
    end
    return made
end

binary["{"] = function(expr, state)
    local result = process(expr.lhs, state)
    if result.group then
        raise("S0210", expr.position)
    end
    result.group = { pairs = process_pairs(nil, expr.rhs, state), position = expr.position }
    return result
end

binary["^"] = function(expr, state)
    local path = as_path(process(expr.lhs, state))
    local step = { type = "sort", position = expr.position, terms = {} }
    for i, term in ipairs(expr.rhs) do
        local expression = process(term.expression, state)
        push_ancestry(step, expression)
        step.terms[i] = { is_descending = term.is_descending, expression = expression }
    end
    path.steps[#path.steps + 1] = step
    resolve_ancestry(path)
    return path
end

binary[":="] = function(expr, state)
    local result = { type = "bind", name = expr.lhs.value, position = expr.position }
    state.bound[expr.lhs.value] = true
    result.rhs = process(expr.rhs, state)
    push_ancestry(result, result.rhs)
    return result
end

binary["@"] = function(expr, state)
    local result = process(expr.lhs, state)
    local step = last_step(result)
    if step.stages or step.predicate then
        raise("S0215", expr.position)
    elseif step.type == "sort" then
        raise("S0216", expr.position)
    end
    step.keep_array = step.keep_array or expr.keep_array
    step.focus, step.is_tuple = expr.rhs.value, true
    state.bound[step.focus] = true
    return result
end

binary["#"] = function(expr, state)
    local result = process(expr.lhs, state)
    local step = last_step(result)
    if result.type ~= "path" then
        result = as_path(result)
        step.stages, step.predicate = step.predicate or step.stages, nil
    end
    if step.stages then
        table.insert(step.stages, { type = "index", name = expr.rhs.value })
    else
        step.index = expr.rhs.value
    end
    state.bound[expr.rhs.value] = true
    step.is_tuple = true
    return result
end

binary["~>"] = function(expr, state)
    local result = { type = "apply", position = expr.position }
    result.lhs, result.rhs = process(expr.lhs, state), process(expr.rhs, state)
    result.keep_array = result.lhs.keep_array or result.rhs.keep_array
    return result
end

-- other nodes ---------------------------------------------------------------------------------------

--- The call that ends a lambda's body runs after the lambda has returned.
local function mark_tail(node)
    if node.predicate or node.group or node.keep_array then
        return
    elseif node.type == "function" then
        node.is_tail = true
    elseif node.type == "condition" then
        mark_tail(node.yes)
        if node.no then
            mark_tail(node.no)
        end
    elseif node.type == "default" then
        mark_tail(node.rhs)
    elseif node.type == "block" and #node.expressions > 0 then
        mark_tail(node.expressions[#node.expressions])
    end
end

local nodes = {}

function nodes.binary(expr, state)
    local special = binary[expr.value]
    if special then
        return special(expr, state)
    end
    local result = { type = "binary", value = expr.value, position = expr.position }
    result.lhs, result.rhs = process(expr.lhs, state), process(expr.rhs, state)
    push_ancestry(result, result.lhs)
    push_ancestry(result, result.rhs)
    return result
end

local function process_list(result, list, state)
    local made = {}
    for i, item in ipairs(list) do
        made[i] = process(item, state)
        push_ancestry(result, made[i])
    end
    return made
end

function nodes.unary(expr, state)
    local result = { type = "unary", value = expr.value, position = expr.position }
    if expr.value == "[" then
        result.expressions = process_list(result, expr.expressions, state)
    elseif expr.value == "{" then
        result.pairs = process_pairs(result, expr.pairs, state)
    else
        result.expression = process(expr.expression, state)
        if result.expression.type == "number" then
            result = result.expression
            result.value = -result.value
        else
            push_ancestry(result, result.expression)
        end
    end
    return result
end

nodes["function"] = function(expr, state)
    local result = { type = expr.type, position = expr.position }
    result.arguments = process_list(result, expr.arguments, state)
    result.procedure = process(expr.procedure, state)
    return result
end
nodes.partial = nodes["function"]

function nodes.lambda(expr, state)
    local result = { type = "lambda", signature = expr.signature, position = expr.position, parameters = {} }
    for i, argument in ipairs(expr.arguments) do
        result.parameters[i] = argument.value
        state.bound[argument.value] = true
    end
    result.body = process(expr.body, state)
    mark_tail(result.body)
    return result
end

function nodes.condition(expr, state)
    local result = { type = "condition", position = expr.position }
    result.condition = process(expr.condition, state)
    push_ancestry(result, result.condition)
    result.yes = process(expr.yes, state)
    push_ancestry(result, result.yes)
    if expr.no then
        result.no = process(expr.no, state)
        push_ancestry(result, result.no)
    end
    return result
end

function nodes.default(expr, state)
    local result = { type = "default", value = expr.value, position = expr.position }
    result.lhs, result.rhs = process(expr.lhs, state), process(expr.rhs, state)
    push_ancestry(result, result.lhs)
    push_ancestry(result, result.rhs)
    return result
end

function nodes.transform(expr, state)
    return { type = "transform", position = expr.position, pattern = process(expr.pattern, state),
        update = process(expr.update, state), delete = expr.delete and process(expr.delete, state) }
end

function nodes.block(expr, state)
    local result = { type = "block", position = expr.position }
    result.expressions = process_list(result, expr.expressions, state)
    for _, part in ipairs(result.expressions) do
        result.is_cons = result.is_cons or part.is_cons or part.type == "path" and part.steps[1].is_cons
    end
    return result
end

function nodes.name(expr)
    return { type = "path", steps = { expr }, keep_singleton = expr.keep_array }
end

function nodes.operator(expr)
    expr.type = "name"
    return nodes.name(expr)
end

function nodes.parent(_, state)
    state.labels = state.labels + 1
    return { type = "parent", slot = { label = "!" .. state.labels, level = 1 } }
end

local function same(expr)
    return expr
end
for _, kind in ipairs { "string", "number", "value", "wildcard", "descendant", "variable", "regex", "hole" } do
    nodes[kind] = same
end

function process(expr, state)
    local make = nodes[expr.type]
    if not make then
        raise(expr.id == "(end)" and "S0207" or "S0206", expr.position, { token = expr.value })
    end
    local result = make(expr, state)
    result.keep_array = result.keep_array or expr.keep_array
    return result
end

--- The tree to compile and the set of the variable names that it binds.
function M.process(expr)
    local state = { labels = 0, bound = {} }
    local tree = process(expr, state)
    if tree.type == "parent" or tree.seeking then
        raise("S0217", tree.position, { token = tree.type })
    end
    return tree, state.bound
end

return M
