-- SPDX-License-Identifier: MIT
-- Task tokens: what a worker shows to finish a task. base64url of
--
--   kind (1 byte: "a" a task of a queue, "c" a callback)    run (16 bytes)    task (16 random bytes)    code (32 bytes)
--
-- The code is keyed with the data folder's secret (signal_link.lua), so a token of this host is known from any other
-- text, also after its task is over. Who has it may finish the task.

local signal_link = require "flowhost.engine.signal_link"

local system = require("flowhost.core").system

local M = {}

local PURPOSE = "task"
local BODY_BYTES, TOKEN_BYTES = 33, 65

local function make(kind, run_bytes, id)
    local body = kind .. run_bytes .. id
    return system.base64url_encode(body .. signal_link.code_of(PURPOSE, body))
end

--- Of a task that a worker took.
function M.of_task(run_bytes, id)
    return make("a", run_bytes, id)
end

--- Of a task that somebody else than a worker of a queue finishes.
function M.of_callback(run_bytes, id)
    return make("c", run_bytes, id)
end

--- What a token says: { run (bytes), id (16 bytes), is_callback }; nil when it is none of this host.
function M.read(text)
    local bytes = type(text) == "string" and text:find "^[%w_-]+$" and system.base64_decode(text)
    if not bytes or #bytes ~= TOKEN_BYTES then
        return nil
    end
    local body = bytes:sub(1, BODY_BYTES)
    if not system.equal(signal_link.code_of(PURPOSE, body), bytes:sub(BODY_BYTES + 1)) then
        return nil
    end
    return { run = body:sub(2, 17), id = body:sub(18), is_callback = body:sub(1, 1) == "c" }
end

return M
