-- SPDX-License-Identifier: MIT
-- The rockspec names every module that the rock's modules need, and each is there or in the rock it depends on.

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
        assert.equal("flowhost-jsonata >= 0.1", env.dependencies[3])
        for name, path in pairs(env.build.modules) do
            assert.equal("lua/" .. name:gsub("%.", "/") .. ".lua", path)
            for needed in read(path):gmatch 'require "(flowhost[%w_.]+)"' do
                local is_of_rock = env.build.modules[needed] or needed:find "^flowhost%.expr%.jsonata"
                    or needed == "flowhost.expr.number_text" or needed == "flowhost.expr.utf8_char"
                assert.is_truthy(is_of_rock, name .. " needs " .. needed)
            end
        end
    end)
end)
