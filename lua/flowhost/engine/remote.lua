-- SPDX-License-Identifier: MIT
-- Calls between shards: a run is worked on by the shard that owns its partition, so what concerns it is sent there.
--
--   call(shard, verb, arguments, reply)   reply(result)   arguments and result are JSON values

local core = require "flowhost.core"

local json, shard, system = core.json, core.shard, core.system

local M = {}

local verbs = {}
local waiting = {}
local last = 0

---@param fn fun(arguments: table, reply: fun(result: table))
function M.on(verb, fn)
    verbs[verb] = fn
end

--- The shard that owns a run.
function M.owner(run_bytes)
    return system.partition(run_bytes) % system.shards
end

local FAILED = { status = 500, code = "INTERNAL", detail = "the shard that owns the run failed; see the log" }

--- Calls the verb; what it raises is its caller's answer.
local function perform(verb, arguments, reply)
    local ok, raised = xpcall(verbs[verb], debug.traceback, arguments, reply)
    if not ok then
        system.log("error", ("call '%s' failed: %s"):format(verb, tostring(raised)))
        reply(FAILED)
    end
end

function M.call(to, verb, arguments, reply)
    if to == system.shard then
        return perform(verb, arguments, reply)
    end
    last = last + 1
    waiting[last] = reply
    shard.post(to, json.encode_stored({ call = last, verb = verb, arguments = arguments }))
end

--- Calls the verb on every shard; done(results) with the results by shard when all have replied.
function M.call_all(verb, arguments, done)
    local results, missing = {}, system.shards
    for number = 0, system.shards - 1 do
        M.call(number, verb, arguments, function(result)
            results[number], missing = result, missing - 1
            if missing == 0 then
                done(results)
            end
        end)
    end
end

core.on("mail", function(from, bytes)
    local mail = json.decode_stored(bytes)
    if mail.reply then
        local reply = waiting[mail.reply]
        waiting[mail.reply] = nil
        return reply(mail.result)
    end
    perform(mail.verb, mail.arguments, function(result)
        local text = json.encode_stored({ reply = mail.call, result = result })
            or json.encode_stored({ reply = mail.call, result = FAILED })
        shard.post(from, text)
    end)
end)

return M
