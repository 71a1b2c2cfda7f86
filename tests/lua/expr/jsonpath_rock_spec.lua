-- SPDX-License-Identifier: MIT
-- The rockspec names every module that the rock's modules need, and each is there.

local function read(path)
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    return text
end

local rock = setfenv(assert(loadfile "rocks/flowhost-jsonpath-0.1-1.rockspec"), setmetatable({}, {
    __newindex = rawset }))
local env = getfenv(rock)
rock()

describe("the rock", function()
    it("has all that its modules require", function()
        for name, path in pairs(env.build.modules) do
            assert.equal("lua/" .. name:gsub("%.", "/") .. ".lua", path)
            for needed in read(path):gmatch 'require "(flowhost[%w_.]+)"' do
                assert.is_string(env.build.modules[needed], name .. " needs " .. needed)
            end
        end
    end)
end)
