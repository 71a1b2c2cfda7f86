-- SPDX-License-Identifier: MIT
-- The rockspec of JSONata names every module that its modules need and no other part of flowhost.

local function read(path)
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    return text
end

local env = {}
setfenv(assert(loadfile "rocks/flowhost-jsonata-0.1-1.rockspec"), env)()

describe("the rock of jsonata", function()
    it("has all that its modules require", function()
        for name, path in pairs(env.build.modules) do
            assert.equal("lua/" .. name:gsub("%.", "/") .. ".lua", path)
            for needed in read(path):gmatch 'require[ (]+"(flowhost[%w_.]+)"' do
                assert.is_truthy(env.build.modules[needed], name .. " needs " .. needed)
            end
        end
    end)
end)
