-- SPDX-License-Identifier: MIT
-- core.store in memory. Batches wait in a queue until `commit` applies them, as the commit thread does; every batch
-- that was applied is kept in `log`, so that the tables can be rebuilt as they were after any of them.

local M = {}
M.__index = M

local NAMES = { "meta", "blobs", "releases", "active", "runs", "journal", "runs_by_flow", "runs_by_status",
    "idempotency", "alarms", "runs_by_tag", "audit", "documents", "secrets", "users", "tokens", "apps",
    "activities", "tasks", "queues" }

local Batch = {}
Batch.__index = Batch

local function check(text)
    assert(type(text) == "string", "the store takes strings")
    return text
end

local function add(kind)
    return function(batch, table_id, key, value)
        assert(not batch.is_submitted, "batch was submitted already")
        assert(check(key) ~= "" and #key <= 511, "a key has 1 to 511 bytes")
        if kind == "put" or kind == "expect_value" then
            check(value)
        end
        batch.ops[#batch.ops + 1] = { kind = kind, table = assert(table_id), key = key, value = value }
    end
end

Batch.put, Batch.del = add "put", add "del"
Batch.expect_absent, Batch.expect_value = add "expect_absent", add "expect_value"

function Batch:set_intake()
    self.is_intake = true
end

function Batch:submit(token)
    assert(not self.is_submitted, "batch was submitted already")
    self.is_submitted = true
    local store = self.store
    if store.refuses then
        return nil, store.refuses, "refused"
    end
    self.token = token
    store.queue[#store.queue + 1] = self
    return true
end

local function apply(tables, ops)
    for _, op in ipairs(ops) do
        if op.kind == "put" then
            tables[op.table][op.key] = op.value
        elseif op.kind == "del" then
            tables[op.table][op.key] = nil
        end
    end
end

local function holds(tables, ops)
    for _, op in ipairs(ops) do
        local value = tables[op.table][op.key]
        if (op.kind == "expect_absent" and value ~= nil) or (op.kind == "expect_value" and value ~= op.value) then
            return false
        end
    end
    return true
end

local function new_tables()
    local tables = {}
    for i = 1, #NAMES do
        tables[i] = {}
    end
    return tables
end

--- A store that holds what the first `count` batches of `log` wrote; without a log an empty one.
function M.new(log, count)
    local store = setmetatable({
        tables = new_tables(), queue = {}, log = {}, damaged = {}, is_full = false, refuses = nil, commits = 0,
        ids = {},
    }, M)
    for i, name in ipairs(NAMES) do
        store.ids[name] = i
    end
    for i = 1, count or 0 do
        apply(store.tables, log[i])
        store.log[i] = log[i]
    end
    return store
end

--- Applies what is queued and returns the events { token, code, owner }. With a full disk intake is refused, the rest
--- is held.
function M:commit()
    local queue, events, held = self.queue, {}, {}
    self.queue = held
    self.commits = self.commits + (#queue > 0 and 1 or 0)
    for _, batch in ipairs(queue) do
        local code = table.remove(self.failures or {}, 1)
        if self.is_full and not batch.is_intake then
            held[#held + 1] = batch
        else
            if self.is_full then
                code = "DISK_FULL"
            elseif not code and not holds(self.tables, batch.ops) then
                code = "CONFLICT"
            end
            if not code then
                apply(self.tables, batch.ops)
                self.log[#self.log + 1] = batch.ops
            end
            events[#events + 1] = { token = batch.token, code = code, owner = batch.owner }
        end
    end
    return events
end

--- The next batches to be committed fail with these codes, one each.
function M:fail_next(...)
    self.failures = { ... }
end

--- Marks a value as damaged: reads report CORRUPT.
function M:damage(name, key)
    self.damaged[name .. "\0" .. key] = true
end

function M:is_damaged(table_id, key)
    return self.damaged[NAMES[table_id] .. "\0" .. key]
end

--- Sorted keys of a table that begin with the prefix.
function M:keys(table_id, prefix)
    local keys = {}
    for key in pairs(self.tables[table_id]) do
        if key:sub(1, #prefix) == prefix then
            keys[#keys + 1] = key
        end
    end
    table.sort(keys)
    return keys
end

--- How many rows all tables of runs hold: 0 when nothing of any run was left behind.
function M:run_rows()
    local count = 0
    for _, name in ipairs { "runs", "journal", "runs_by_flow", "runs_by_status", "idempotency" } do
        count = count + #self:keys(self.ids[name], "")
    end
    return count
end

local function scan(store, table_id, o)
    local keys, found, values = store:keys(table_id, o.prefix or ""), {}, {}
    local first, last, by = 1, #keys, 1
    if o.reverse then
        first, last, by = last, 1, -1
    end
    local after = o.after ~= "" and o.after or nil
    for i = first, last, by do
        local key = keys[i]
        local is_behind = not after or (o.reverse and key < after) or (not o.reverse and key > after)
        if is_behind and #found < (o.limit or 1000) then
            found[#found + 1] = key
            values[#values + 1] = not store:is_damaged(table_id, key) and store.tables[table_id][key]
        end
    end
    return found, values, #found
end

--- core.store of one shard; `owner` comes back with the events of its batches.
function M:bind(owner)
    return {
        tables = self.ids,
        batch = function()
            return setmetatable({ store = self, ops = {}, owner = owner }, Batch)
        end,
        get = function(table_id, key)
            if self:is_damaged(table_id, key) then
                return nil, "CORRUPT", ("table %s: damaged"):format(NAMES[table_id])
            end
            return self.tables[table_id][check(key)]
        end,
        scan = function(table_id, o)
            return scan(self, table_id, o)
        end,
        is_full = function()
            return self.is_full
        end,
        has_failed = function()
            return self.refuses ~= nil
        end,
        stats = function()
            return { commits = self.commits, batches = #self.log, bytes = 0 }
        end,
    }
end

return M
