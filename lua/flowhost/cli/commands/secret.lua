-- SPDX-License-Identifier: MIT
-- flowhost secret: sealed secrets of a folder, and the key that opens them. No host is needed. Values come from stdin,
-- never from the command line, which others can read.

local core = require "flowhost.core"
local output = require "flowhost.cli.output"
local stop = require "flowhost.cli.stop"

local command, keystore = core.command, core.keystore

local M = { name = "secret", summary = "Seal secrets, make and rotate the key that opens them." }

local ACTIONS = { "init", "seal", "list", "rotate", "verify", "rm" }
local NEEDS_NAME = { seal = true, rm = true }

function M.declare(words)
    words:argument("action", "init: make a key; seal: stdin becomes secret NAME; list; rotate: make another key and "
        .. "seal all for it; verify: open all; rm: remove NAME."):choices(ACTIONS)
    words:argument("name", "The secret."):args "?"
    words:option("--dir", "The secrets folder (FLOWHOST_SECRETS; secrets)."):argname "DIR"
    words:option("--key", "The key file (FLOWHOST_KEY; data.key)."):argname "FILE"
end

function M.check(o)
    if NEEDS_NAME[o.action] and not o.name then
        return nil, ("secret %s needs the name of a secret"):format(o.action)
    elseif not NEEDS_NAME[o.action] and o.name then
        return nil, ("secret %s takes no name"):format(o.action)
    elseif o.name and (#o.name > 128 or not o.name:find "^[%w_-][%w._-]*$") then
        return nil, ("'%s' cannot be a secret's name: letters, digits and . _ - only, at most 128"):format(o.name)
    end
    return true
end

-- files --------------------------------------------------------------------------------------------

local function fail(...)
    stop.with(stop.PROBLEM, (...):format(select(2, ...)))
end

local function given(value, variable, default)
    local from_environment = os.getenv(variable)
    return value or (from_environment ~= "" and from_environment) or default
end

local function folder_of(o)
    return (given(o.dir, "FLOWHOST_SECRETS", "secrets"):gsub("(.)/+$", "%1"))
end

local function key_path(o)
    return given(o.key, "FLOWHOST_KEY", "data.key")
end

local function passphrase()
    return os.getenv "FLOWHOST_KEY_PASSPHRASE" or ""
end

local function read(path)
    local text, _, detail = command.read(path)
    if not text then
        stop.with(stop.PROBLEM, detail)
    end
    return text
end

local function write(path, text, is_private)
    local ok, _, detail = command.replace(path, text, is_private)
    if not ok then
        stop.with(stop.PROBLEM, detail)
    end
end

local function public_path(o)
    return folder_of(o) .. "/host.pub"
end

local function read_public(o)
    local path = public_path(o)
    if not command.exists(path) then
        fail("there is no %s: 'flowhost secret init' makes it, or ask whoever runs the host for it", path)
    end
    return read(path)
end

local function read_key(o)
    local path = key_path(o)
    if not command.exists(path) then
        fail("there is no key file %s; --key names another", path)
    elseif not command.is_private(path) then
        fail("the key file %s can be read by others: chmod 600 %s", path, path)
    end
    return read(path)
end

--- The names of all sealed files.
local function sealed_names(o)
    local entries, _, detail = command.list(folder_of(o))
    if not entries then
        stop.with(stop.PROBLEM, detail)
    end
    local names = {}
    for _, entry in ipairs(entries) do
        names[#names + 1] = entry:match "^(.+)%.sealed$"
    end
    table.sort(names)
    return names
end

local function sealed_path(o, name)
    return ("%s/%s.sealed"):format(folder_of(o), name)
end

local function now()
    return os.date "!%Y-%m-%dT%H:%M:%SZ"
end

-- actions ------------------------------------------------------------------------------------------

local actions = {}

--- The public text of the key file, which is made when it is not there.
local function ensure_key(o)
    local path = key_path(o)
    if command.exists(path) then
        local public, _, detail = keystore.check_keys(read_key(o), passphrase())
        if not public then
            fail("the key in %s cannot be used: %s", path, detail)
        end
        return public, false
    end
    local text, public, detail = keystore.make_keys("", passphrase())
    if not text then
        fail("no key was made: %s", detail)
    end
    local ok, _, reason = command.create(path, text, true)
    if not ok then
        stop.with(stop.PROBLEM, reason)
    end
    return public, true
end

function actions.init(o)
    local ok, _, detail = command.make_folder(folder_of(o))
    if not ok then
        stop.with(stop.PROBLEM, detail)
    end
    local public, is_new = ensure_key(o)
    write(public_path(o), public)
    if is_new then
        output.line("made the key %s: keep it out of git, and keep a copy", key_path(o))
    else
        output.line("the key %s is there", key_path(o))
    end
    output.line("wrote %s: whoever has it can seal; it belongs into git", public_path(o))
end

function actions.seal(o)
    local public = read_public(o)
    local value = io.stdin:read "*a" or ""
    value = value:gsub("\r?\n$", "") -- of echo and editors
    if value == "" then
        fail("nothing came on stdin: printf %%s VALUE | flowhost secret seal %s", o.name)
    end
    local sealed, _, detail = keystore.seal_for(public, o.name, value, now())
    if not sealed then
        fail("%s was not sealed: %s", o.name, detail)
    end
    local path = sealed_path(o, o.name)
    local is_there = command.exists(path)
    write(path, sealed)
    output.line("%s %s for the key %s", is_there and "replaced" or "wrote", path, keystore.public_id(public))
end

function actions.list(o)
    for _, name in ipairs(sealed_names(o)) do
        local stored, key_id, created = keystore.parse(read(sealed_path(o, name)))
        output.line("%-32s %s  %s", output.clean(name), stored and key_id or "damaged", stored and created or key_id)
    end
end

function actions.verify(o)
    local key, bad = read_key(o), 0
    for _, name in ipairs(sealed_names(o)) do
        local sealed, _, detail = keystore.reseal(key, passphrase(), name, read(sealed_path(o, name)), now())
        output.line("%-32s %s", output.clean(name), sealed and "opens" or detail)
        bad = bad + (sealed and 0 or 1)
    end
    if bad > 0 then
        fail("%d secret%s cannot be opened by %s", bad, bad == 1 and "" or "s", key_path(o))
    end
end

--- The new key is on disk before anything is sealed for it; the old one stays behind it.
function actions.rotate(o)
    local old = read_key(o)
    local key, public, detail = keystore.make_keys(old, passphrase())
    if not key then
        fail("the key in %s cannot be used: %s", key_path(o), detail)
    end
    write(key_path(o), key, true)
    write(public_path(o), public)
    local count = 0
    for _, name in ipairs(sealed_names(o)) do
        local path = sealed_path(o, name)
        local sealed, _, reason = keystore.reseal(key, passphrase(), name, read(path), now())
        if not sealed then
            fail("%s cannot be opened: %s; %d were sealed for the new key, run rotate again when it is mended", path,
                reason, count)
        end
        write(path, sealed)
        count = count + 1
    end
    output.line("made the key %s in %s; the former ones still open what they sealed", keystore.public_id(public),
        key_path(o))
    output.line("sealed %d secret%s for it; commit the folder, then send the host SIGHUP or restart it", count,
        count == 1 and "" or "s")
end

function actions.rm(o)
    local path = sealed_path(o, o.name)
    local ok, _, detail = command.remove(path)
    if not ok then
        stop.with(stop.PROBLEM, detail)
    end
    output.line("removed %s; what it held is still in git's history", path)
end

function M.run(o)
    actions[o.action](o)
end

return M
