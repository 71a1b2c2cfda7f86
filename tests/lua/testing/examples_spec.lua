-- SPDX-License-Identifier: MIT
-- The tests of the examples hold, and each example is crashed at each of its steps.
local runner = require "flowhost.testing.runner"

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

local function read_folder()
    local files = {}
    local list = assert(io.popen "find flows -name '*.lua' -o -name '*.json'")
    for path in list:lines() do
        files[path:gsub("^flows/", "")] = read(path)
    end
    list:close()
    return files
end

local function host_file(text)
    local chunk = assert(loadstring(text))
    setfenv(chunk, { os = { getenv = function() end } })
    return chunk()
end

describe("the examples", function()
    local files, parts = read_folder(), {}
    local failed = runner.run(files, {
        dir = "flows", env = host_file(files["host.lua"]).env,
        now_us = function()
            return 0
        end,
        write = function(...)
            for i = 1, select("#", ...) do
                parts[#parts + 1] = (select(i, ...))
            end
        end,
    })
    local text = table.concat(parts)

    it("hold their tests", function()
        assert.equal(0, failed, text)
    end)

    for path in pairs(files) do
        local name = path:match "^(.*)%.lua$"
        if name and name ~= "host" and not name:find "_test$" and not name:find "^components/"
            and not name:find "^lib/" then
            it(name .. " is crashed at each step", function()
                assert.matches("ok    " .. name .. ": crash at each step", text, 1, true)
            end)
        end
    end
end)
