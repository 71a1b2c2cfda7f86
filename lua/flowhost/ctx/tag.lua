-- SPDX-License-Identifier: MIT
-- ctx.tag(name, value): a tag by which the run is found (GET /v1/runs?tag=name:value). ctx.progress(done, total, text):
-- how far the run is, shown with it. Both are steps, so a replay does not set them again.

local error_object = require "flowhost.engine.error"
local step = require "flowhost.engine.step"

local MAX_NAME, MAX_VALUE, MAX_TAGS, MAX_TEXT = 60, 200, 50, 200

local function set_tag(run, name, value)
    run.tags = run.tags or {}
    local old = run.tags[name]
    if old == value then
        return
    end
    local count = 0
    for _ in pairs(run.tags) do
        count = count + 1
    end
    if not old and count >= MAX_TAGS then
        error_object.raise("INVALID", ("ctx.tag: a run has at most %d tags"):format(MAX_TAGS))
    end
    run.new_tags = run.new_tags or {}
    local change = run.new_tags[name]
    run.new_tags[name] = { old = not change and old or change and change.old or nil, new = value }
    run.tags[name], run.has_more, run.is_row_dirty = value, true, true
end

local function tag(name, value)
    if type(name) ~= "string" or #name > MAX_NAME or not name:find "^[%w_.-]+$" then
        error_object.raise("INVALID", ("ctx.tag: a name of letters, digits and _ . -, at most %d, is expected"):format(
            MAX_NAME))
    elseif type(value) ~= "string" and type(value) ~= "number" and type(value) ~= "boolean" then
        error_object.raise("INVALID", "ctx.tag: the value must be a text, a number or a boolean")
    end
    local text = tostring(value)
    if #text == 0 or #text > MAX_VALUE or text:find "[%z\1-\31\127-\255]" then
        error_object.raise("INVALID", ("ctx.tag: the value must be 1 to %d printable ASCII characters"):format(
            MAX_VALUE))
    end
    step.value("tag", name, function(fiber)
        set_tag(fiber.run, name, text)
        return text
    end)
end

local function is_count(value)
    return type(value) == "number" and value >= 0 and value < math.huge
end

local function progress(done, total, text)
    if not is_count(done) or (total ~= nil and not is_count(total)) then
        error_object.raise("INVALID", "ctx.progress: two numbers, 0 or more, are expected: done and total")
    elseif text ~= nil and (type(text) ~= "string" or #text > MAX_TEXT) then
        error_object.raise("INVALID", ("ctx.progress: the text has at most %d bytes"):format(MAX_TEXT))
    end
    step.value("progress", "", function(fiber)
        local run = fiber.run
        run.progress = { done = done, total = total, text = text }
        run.has_more, run.is_row_dirty = true, true
        return run.progress
    end)
end

return { tag = tag, progress = progress }
