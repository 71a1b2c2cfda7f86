-- SPDX-License-Identifier: MIT
-- Texts by key for a while, in this shard's memory, up to so many bytes; the oldest leave first.
--
--   local cache = memory_cache.new { max_bytes = 1048576, ttl_ms = 300000 }
--   cache:put(key, text)   cache:get(key) -> text or nil

local timer = require("flowhost.core").timer

local M = {}

local Cache = {}
Cache.__index = Cache

local function size_of(key, text)
    return #key + #text + 100
end

local function drop(cache, key)
    local entry = cache.entries[key]
    cache.bytes = cache.bytes - size_of(key, entry.text)
    cache.entries[key] = nil
end

--- Keys in the order in which they came; one that was put again stands there twice, its number says which counts.
local function drop_oldest(cache)
    local slot = cache.order[cache.first]
    cache.order[cache.first] = nil
    cache.first = cache.first + 1
    local entry = cache.entries[slot.key]
    if entry and entry.number == slot.number then
        drop(cache, slot.key)
    end
end

function Cache:get(key)
    local entry = self.entries[key]
    if entry and entry.till > timer.now_ms() then
        return entry.text
    elseif entry then
        drop(self, key)
    end
end

function Cache:put(key, text)
    if self.entries[key] then
        drop(self, key)
    end
    local size = size_of(key, text)
    if size > self.max_bytes / 4 then
        return
    end
    while self.bytes + size > self.max_bytes and self.first <= self.last do
        drop_oldest(self)
    end
    self.last, self.bytes = self.last + 1, self.bytes + size
    self.entries[key] = { text = text, till = timer.now_ms() + self.ttl_ms, number = self.last }
    self.order[self.last] = { key = key, number = self.last }
    if self.last - self.first > 2 * self.count_limit then
        drop_oldest(self)
    end
end

---@param o { max_bytes: integer, ttl_ms: integer }
function M.new(o)
    return setmetatable({ max_bytes = o.max_bytes, ttl_ms = o.ttl_ms, entries = {}, order = {}, first = 1, last = 0,
        bytes = 0, count_limit = o.max_bytes / 100 }, Cache)
end

return M
