-- SPDX-License-Identifier: MIT
-- The command line: words to { command, dir, ... , settings given as options }, or { command, arguments = JSON } for
-- those in commands/.

local argparse = require "argparse"
local commands = require "flowhost.cli.commands"
local core = require "flowhost.core"
local naming = require "flowhost.flow.naming"
local settings = require "flowhost.cli.settings"

local M = {}

local MAX_USAGE_BYTES = 300

local COMMANDS = { serve = true, check = true, run = true, test = true, version = true, help = true }

local EPILOG = [[
Settings come from, each winning over the one before: defaults, host.lua in the
flows folder, FLOWHOST_* in the environment (FLOWHOST_MAX_BODY=1m), options.

Exit codes: 0 ended as asked, 1 found problems (check, test), the run did not
succeed (run) or the command was not done (the others), 2 wrong usage, 3 could
not start, 4 could not reach the host.]]

local function option_name(setting)
    return "--" .. setting:gsub("_", "-")
end

local function add_settings(command)
    for _, row in ipairs(settings.LIST) do
        local option = command:option(option_name(row[1])):target(row[1]):argname(row[3]:upper())
        option:description(row[4] .. (row[2] ~= "" and (" (%s)"):format(row[2]) or ""))
    end
end

local function add_commands(parser)
    for _, group in ipairs(commands.GROUPS) do
        local added = {}
        for i = 2, #group do
            local command = commands.by_name[group[i]]
            added[#added + 1] = parser:command(command.name, command.summary)
            command.declare(added[#added])
        end
        parser:group(group[1], unpack(added))
    end
end

function M.new_parser()
    local parser = argparse "flowhost"
        :description "Serves a folder of Lua flows: durable, over HTTP, in one process."
        :epilog(EPILOG)
        :require_command(true)
        :command_target "command"
    parser:flag("--version", "Print the version and end."):action(function()
        error({ text = "flowhost " .. core.system.version .. "\n" }, 0)
    end)

    local serve = parser:command("serve", "Serve the flows of a folder (the default: flowhost DIR).")
    serve:argument("dir", "Folder with the flows.")
    add_settings(serve)

    local check = parser:command("check", "Load everything and report each problem as file:line.")
    check:argument("dir", "Folder with the flows.")
    commands.check_canonical.declare(check)
    commands.check_live.declare(check)

    local run = parser:command("run", "Run one flow without a server; print the result and its steps.")
    run:argument("file", "The flow, e.g. flows/hello.lua.")
    run:option("--input", "The input as JSON.", "null"):argname "JSON"
    run:option("--dir", "The flows folder, when FILE lies deeper in it."):argname "DIR"
    add_settings(run)

    local test = parser:command("test", "Run the tests beside the flows (NAME_test.lua), in memory.")
    test:argument("dir", "Folder with the flows.")
    test:argument("filter", "Only tests whose file or name contains it."):args "?"

    local version = parser:command("version", "Print the version.")
    parser:group("Serve and check", serve, check, run, test, version)
    add_commands(parser)
    return parser
end

--- "flowhost DIR" is "flowhost serve DIR".
local function with_command(words)
    local first = words[1]
    if first and not COMMANDS[first] and not commands.by_name[first] and first:sub(1, 1) ~= "-" then
        return { "serve", unpack(words) }
    elseif first == "help" then
        return { "--help" }
    end
    return words
end

--- flows/a/b.lua (or .rule.json, .asl.json) in flows -> "a/b"; without a folder given, the file's own.
local function split_file(result)
    local file = result.file:gsub("^%./", "")
    local dir = result.dir and result.dir:gsub("^%./", ""):gsub("/+$", "")
    if not dir then
        dir = file:match "^(.*)/[^/]*$" or "."
    end
    local name = dir == "." and file or file:sub(#dir + 2)
    if dir ~= "." and file:sub(1, #dir + 1) ~= dir .. "/" then
        return nil, ("the file %s does not lie in %s"):format(file, dir)
    end
    result.dir = dir
    result.flow = naming.flow_of(name) or name
    return result
end

--- What argparse says, the usage where it is short (settings are many), and where to read on.
local function usage_of(parser, message)
    local usage = parser:get_usage()
    local name = usage:match "^Usage: (.-) %[" or "flowhost"
    usage = #usage <= MAX_USAGE_BYTES and usage .. "\n" or ""
    return ("flowhost: %s\n%stry '%s --help'\n"):format(message, usage, name)
end

--- argparse ends the process on --help and errors; here it raises instead and the caller prints.
local function parse(parser, words)
    local stop = { exit = os.exit, stdout = io.stdout, print = print }
    local text = {}
    parser.error = function(self, message)
        error({ usage = usage_of(self, message), reason = message }, 0)
    end
    os.exit = function() -- luacheck: ignore 122
        error({ text = table.concat(text) }, 0)
    end
    print = function(line) -- luacheck: ignore 121
        text[#text + 1] = tostring(line) .. "\n"
    end
    local ok, result = pcall(parser.parse, parser, words)
    os.exit = stop.exit -- luacheck: ignore 122
    print = stop.print -- luacheck: ignore 121
    if ok then
        return result
    end
    return nil, type(result) == "table" and result or { usage = tostring(result) .. "\n" }
end

--- A word that was taken as the folder to serve was perhaps meant as a command.
local function parse_words(words)
    local with = with_command(words)
    local result, stop = parse(M.new_parser(), with)
    if stop and stop.reason == "too many arguments" and with[1] ~= words[1] then
        local _, unknown = parse(M.new_parser(), words)
        local sentence = "too many arguments: '%s' is no command, so it is the folder to serve%s"
        stop.usage = usage_of(M.new_parser(), sentence:format(words[1], unknown.reason:match "\n.*" or ""))
    end
    return result, stop
end

--- What C hands to command.lua; "listen" and "data" are settings of the host that the program opens for it.
local function command_options(command, result)
    local ok, reason = true, nil
    if command.check then
        ok, reason = command.check(result)
    end
    if not ok then
        return nil, { usage = ("flowhost: %s\ntry 'flowhost %s --help'\n"):format(reason, command.name) }
    end
    return { command = command.name, listen = result.listen, data = result.folder,
        arguments = core.json.encode(result) }
end

--- { command, dir, flow, input, arguments, and settings, all text }; nil, { text } to print and end, or { usage } for
--- wrong usage.
function M.parse(words)
    local result, stop = parse_words(words)
    if not result then
        return nil, stop
    elseif result.canonical then
        return command_options(commands.check_canonical, result)
    elseif result.against_live then
        return command_options(commands.check_live, result)
    elseif commands.by_name[result.command] then
        return command_options(commands.by_name[result.command], result)
    end
    local options = { command = result.command, dir = result.dir, input = result.input, filter = result.filter }
    for _, row in ipairs(settings.LIST) do
        local name = row[1]
        if result[name] ~= nil then
            local checked, reason = settings.check(name, result[name])
            if not checked then
                local sentence = reason:gsub("^[%w_]+", option_name)
                return nil, { usage = "flowhost: option " .. sentence .. "\n" }
            end
            options[name] = checked
        end
    end
    if result.command == "run" then
        local split, reason = split_file(result)
        local value, fault = core.json.decode(result.input)
        if split and value == nil and result.input ~= "" then
            split, reason = nil, "--input is not JSON: " .. fault
        end
        if not split then
            return nil, { usage = "flowhost: " .. reason .. "\n" }
        end
        options.dir, options.flow = split.dir, split.flow
    end
    return options
end

return M
