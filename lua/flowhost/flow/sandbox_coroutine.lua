-- SPDX-License-Identifier: MIT
-- The `coroutine` table of flows. LuaJIT resumes on the C stack without a limit, so that endless
-- nesting would end the process: here it is an error at MAX_NESTED. Only threads that the flow made
-- can be resumed: coroutine.running() also shows those of the engine.

local M = {}

local create, resume, running = coroutine.create, coroutine.resume, coroutine.running
local error, setmetatable, type = error, setmetatable, type

M.MAX_NESTED = 200

local WEAK = { __mode = "k" }

local function unwrap(ok, ...)
    if not ok then error((...), 0) end
    return ...
end

--- The functions, to be copied for each run.
---@param finish fun(ok: boolean, ...): ... passes the results of a protected call, raises fatal errors
---@return table<string, function>
function M.new(finish)
    -- Threads of flows → how deep they were nested when last resumed. Derived anew at each resume, so
    -- that an error at any place leaves it right.
    local depths = setmetatable({}, WEAK)
    local library = {
        isyieldable = coroutine.isyieldable, running = running, status = coroutine.status,
        yield = coroutine.yield,
    }

    local function safe_create(fn)
        if type(fn) ~= "function" then
            error("bad argument #1 to 'create' (function expected, got " .. type(fn) .. ")", 2)
        end
        local thread = create(fn)
        depths[thread] = 0
        return thread
    end

    local function safe_resume(thread, ...)
        if not depths[thread] then
            if type(thread) ~= "thread" then return resume(thread, ...) end
            return false, "cannot resume a coroutine that coroutine.create did not make"
        end
        local current = running()
        local depth = (current and depths[current] or 0) + 1
        if depth > M.MAX_NESTED then
            return false, "too many nested coroutines, the limit is " .. M.MAX_NESTED
        end
        depths[thread] = depth
        return finish(resume(thread, ...))
    end

    function library.wrap(fn)
        if type(fn) ~= "function" then
            error("bad argument #1 to 'wrap' (function expected, got " .. type(fn) .. ")", 2)
        end
        local thread = safe_create(fn)
        return function(...) return unwrap(safe_resume(thread, ...)) end
    end

    library.create, library.resume = safe_create, safe_resume
    return library
end

return M
