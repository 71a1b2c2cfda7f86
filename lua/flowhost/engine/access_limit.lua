-- SPDX-License-Identifier: MIT
-- Counts of failures by key (an address, a user's name), so that who guesses is slowed down: after `threshold` failures
-- the next try has to wait base_ms, then twice as long each time, up to max_ms. A success forgets the key, so does
-- forget_ms without a failure. At most 2 * max_keys are kept; older ones go first.

local M = {}

local Limit = {}
Limit.__index = Limit

---@param o { threshold: integer, base_ms: number, max_ms: number, forget_ms: number, max_keys: integer }
function M.new(o)
    return setmetatable({ o = o, young = {}, old = {}, count = 0, total = 0 }, Limit)
end

local function find(limit, key, now)
    local entry = limit.young[key] or limit.old[key]
    if entry and now - entry.last < limit.o.forget_ms and now >= entry.last then
        return entry
    end
end

--- How long the key has to wait yet; 0: not at all.
function Limit:wait_ms(key, now)
    local entry = find(self, key, now)
    local over = entry and entry.failures - self.o.threshold or -1
    if over < 0 then
        return 0
    end
    return math.max(0, entry.last + math.min(self.o.max_ms, self.o.base_ms * 2 ^ math.min(over, 30)) - now)
end

function Limit:fail(key, now)
    local entry = find(self, key, now) or { failures = 0 }
    entry.failures, entry.last = entry.failures + 1, now
    self.total = self.total + 1
    if not self.young[key] then
        if self.count == self.o.max_keys then
            self.old, self.young, self.count = self.young, {}, 0
        end
        self.count = self.count + 1
        self.young[key] = entry
    end
    self.old[key] = nil
    self.young[key] = entry
end

function Limit:clear(key)
    if self.young[key] then
        self.young[key], self.count = nil, self.count - 1
    end
    self.old[key] = nil
end

return M
