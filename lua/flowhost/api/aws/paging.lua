-- SPDX-License-Identifier: MIT
-- Pages of lists. A nextToken says of which list it is and where the next page begins: hex of the operation's name, a
-- hash of what was asked for, and that place.

local core = require "flowhost.core"

local crypto, system = core.crypto, core.system

local M = {}

local DEFAULT = 100

--- How many entries a page has; 0 stands for the default.
function M.limit(call)
    local asked = call.params.maxResults
    return asked and asked > 0 and asked or DEFAULT
end

--- What a list is of: its pages may differ in size only.
local function scope(call)
    local asked = {}
    for name, value in pairs(call.params) do
        if name ~= "maxResults" and name ~= "nextToken" then
            asked[name] = value
        end
    end
    return call.operation .. " " .. system.hash64(core.json.encode(asked))
end

--- The place at which the page begins: nil for the first; false after an answer.
function M.place(call)
    local token = call.params.nextToken
    if not token then
        return nil
    end
    local text = crypto.unhex(token)
    local own, place = (text or ""):match "^(%w+ %x+)\n(.*)$"
    if own ~= scope(call) then
        call:fail("InvalidToken", "Invalid Token: 'Invalid token'")
        return false
    end
    return place
end

function M.token(call, place)
    return system.hex(scope(call) .. "\n" .. place)
end

--- Answers with a page of a list in memory, ordered by what `place_of` says (texts that compare).
---@param field string  of the answer
---@param o { place_of: fun(item: table): string, show: fun(item: table): table, is_descending: boolean? }
function M.send(call, field, list, o)
    local place = M.place(call)
    if place == false then
        return
    end
    local limit, shown, last = M.limit(call), core.json.array {}, nil
    for _, item in ipairs(list) do
        local at = o.place_of(item)
        local is_after = place == nil or (o.is_descending and at < place) or (not o.is_descending and at > place)
        if is_after and #shown == limit then
            return call:reply { [field] = shown, nextToken = M.token(call, last) }
        elseif is_after then
            shown[#shown + 1], last = o.show(item), at
        end
    end
    call:reply { [field] = shown }
end

return M
