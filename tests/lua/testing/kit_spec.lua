-- SPDX-License-Identifier: MIT
-- rocks/flowhost-kit names what there is: verbs of ctx, options, fields of a flow, functions of flowhost.test.
local suite = require "flowhost.testing.suite"
local world = require "flowhost.testing.world"

local KIT = "rocks/flowhost-kit/"

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    return text
end

local function sorted(set)
    local names = {}
    for name in pairs(set) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

--- Names that a definition file gives: "request", "json.encode" ...
local function defined(file)
    local names = {}
    for name in read(KIT .. "library/" .. file):gmatch "\nfunction %l+%.([%w_.]+)%(" do
        names[name] = true
    end
    for name in read(KIT .. "library/" .. file):gmatch "\n%l+%.([%w_.]+) = [^\n]" do
        names[name] = true
    end
    for name in read(KIT .. "library/" .. file):gmatch "\n%l+%[\"([%w_]+)\"%] = [^\n]" do
        names[name] = true
    end
    return names
end

--- Names in a table of functions and tables of functions.
local function found(api)
    local names = {}
    for name, value in pairs(api) do
        names[name] = true
        if type(value) == "table" and next(value) and debug.getmetatable(value) == nil then
            for inner in pairs(value) do
                names[name .. "." .. inner] = true
            end
        end
    end
    return names
end

--- name -> true of the ---@field lines of a class.
local function fields_of(file, class)
    local names, text = {}, read(KIT .. "library/" .. file)
    local block = text:match("%-%-%-@class " .. class:gsub("%.", "%%.") .. "\n(.-)\n[^-]") or ""
    for name in ("\n" .. block):gmatch "\n%-%-%-@field ([%w_]+)" do
        names[name] = true
    end
    return names
end

describe("the editor's types", function()
    local w = world.new { files = {} }

    --- What runs find in ctx: ctx/init.lua keeps it from them.
    local function verbs()
        local metatable = debug.getmetatable(w:module("flowhost.ctx").new())
        local i = 1
        while true do
            local name, value = debug.getupvalue(metatable.__index, i)
            assert(name, "ctx/init.lua has no upvalue `verbs`")
            if name == "verbs" then
                return value
            end
            i = i + 1
        end
    end

    it("name the verbs of ctx", function()
        local given, wanted = defined "ctx.lua", {}
        for name in pairs(fields_of("ctx.lua", "flowhost.Ctx")) do
            given[name] = true -- run and env are values
        end
        for name in pairs(found(verbs())) do
            wanted[name:gsub("%.of_run$", "")] = true
        end
        assert.same(sorted(wanted), sorted(given))
    end)

    it("name the functions of flowhost.test", function()
        local api = found(suite.api(suite.new("x_test.lua", { files = {}, env = {} })))
        assert.same(sorted(api), sorted(defined "test.lua"))
    end)

    it("name what a run of a test can do", function()
        local methods, text = {}, read "lua/flowhost/testing/run.lua"
        for name in text:gmatch "\nfunction Run:([%w_]+)" do
            methods[name] = true
        end
        local given = {}
        for name in read(KIT .. "library/test.lua"):gmatch "\nfunction Run:([%w_]+)" do
            given[name] = true
        end
        assert.same(sorted(methods), sorted(given))
    end)

    it("name the options of ctx.request", function()
        local known = {}
        for name in read("lua/flowhost/ctx/request_build.lua"):match "local KNOWN = (%b{})":gmatch "([%w_]+) = true" do
            known[name] = true
        end
        assert.same(sorted(known), sorted(fields_of("ctx.lua", "flowhost.Request")))
    end)

    it("name the options that verbs share", function()
        local function known_in(path, name)
            local known = {}
            for key in read(path):match("local " .. name .. " = (%b{})"):gmatch "([%w_]+) = " do
                known[key] = true
            end
            return sorted(known)
        end
        assert.same(known_in("lua/flowhost/ctx/step.lua", "ALLOWED"),
            sorted(fields_of("ctx.lua", "flowhost.StepOptions")))
        assert.same(known_in("lua/flowhost/ctx/child.lua", "ALLOWED"),
            sorted(fields_of("ctx.lua", "flowhost.CallOptions")))
        assert.same(known_in("lua/flowhost/ctx/signal.lua", "WAIT_OPTIONS"),
            sorted(fields_of("ctx.lua", "flowhost.WaitOptions")))
        assert.same(known_in("lua/flowhost/ctx/signal.lua", "URL_OPTIONS"),
            sorted(fields_of("ctx.lua", "flowhost.SignalUrlOptions")))
        assert.same(known_in("lua/flowhost/engine/retry.lua", "KNOWN"),
            sorted(fields_of("ctx.lua", "flowhost.Retry")))
    end)

    it("name the fields of a flow", function()
        local known = {}
        for name in read("lua/flowhost/flow/loader.lua"):match "local FIELDS = (%b{})":gmatch "([%w_]+) = " do
            known[name] = true
        end
        assert.same(sorted(known), sorted(fields_of("flow.lua", "flowhost.Flow")))
    end)

    --- Functions without a line that says what they do; those of codecs speak for themselves.
    local function undocumented(text)
        local names, is_told = {}, false
        for line in text:gmatch "([^\n]*)\n" do
            local name = line:match "^function ([%w_.:]+)"
            if name and not is_told and not name:find "%.json%." and not name:find "%.base64%." then
                names[#names + 1] = name
            end
            is_told = line:find "^%-%-%-[^@]" ~= nil or (is_told and line:find "^%-%-%-@" ~= nil)
        end
        return names
    end

    it("say of each function what it does", function()
        assert.same({ "b" }, undocumented "---What a does.\n---@param x any\nfunction a(x) end\n\nfunction b() end\n")
        for _, file in ipairs { "ctx.lua", "test.lua" } do
            assert.same({}, undocumented(read(KIT .. "library/" .. file)))
        end
    end)

    it("are Lua", function()
        for _, file in ipairs { "ctx.lua", "flow.lua", "test.lua" } do
            assert(loadfile(KIT .. "library/" .. file))
        end
    end)
end)

describe("the rockspec", function()
    it("names files that are there", function()
        local spec = {}
        setfenv(assert(loadfile "rocks/flowhost-kit-0.1-1.rockspec"), spec)()
        assert.equal("flowhost-kit", spec.package)
        for _, path in pairs(spec.build.modules) do
            read(KIT .. path)
        end
        for _, folder in ipairs(spec.build.copy_directories) do
            read(KIT .. folder .. "/ctx.lua")
        end
    end)

    it("has a flowhost.test that says how tests are run", function()
        local ok, raised = pcall(assert(loadfile(KIT .. "lua/flowhost/test.lua")))
        assert.is_false(ok)
        assert.matches("flowhost test DIR", raised, 1, true)
    end)
end)
