-- SPDX-License-Identifier: MIT
-- Keys that flows give to crypto verbs, and what those verbs share. Not a verb.
--
-- What hangs on chance, on the time or on a secret of the keystore is a step, its error as well: a replay gets what was
-- recorded, though the secret may have been replaced since. What is computed from the arguments alone is none, and nor
-- is what decrypts: plain text does not go to disk by itself.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local secret = require "flowhost.engine.secret"
local step = require "flowhost.engine.step"

local keystore, system, timer = core.keystore, core.system, core.timer

local M = {}

function M.invalid(verb, message)
    error_object.raise("INVALID", ("ctx.%s: %s"):format(verb, message))
end

--- The name of a secret's handle, nil for anything else.
M.name_of = secret.name_of

local function check_kind(verb, key, what)
    if type(key) ~= "string" and not M.name_of(key) then
        M.invalid(verb, ("the key must be %s or a secret (ctx.secret)"):format(what))
    end
end

--- A key that is a string of bytes. Returns it, and the secret's name when it is one.
function M.shared(verb, key)
    check_kind(verb, key, "a string")
    return key, M.name_of(key)
end

--- What is no name may be a key, which no message shows.
local function no_secret(verb, name)
    local shown = #name <= 60 and name:find "^[%w_./-]+$" and (" '%s'"):format(name) or " of that name"
    error_object.raise("SECRET_MISSING", ("ctx.%s: there is no secret%s"):format(verb, shown))
end

--- A key pair: the name of a secret, or PEM text. As above.
function M.pair(verb, key)
    check_kind(verb, key, "a secret's name, PEM text")
    if type(key) == "string" and not key:find("-----BEGIN ", 1, true) then
        if not keystore.has(key) then
            no_secret(verb, key)
        end
        return secret.new(key), key
    end
    return key, M.name_of(key)
end

function M.check_text(verb, name, value)
    if type(value) ~= "string" then
        M.invalid(verb, ("the %s must be a string"):format(name))
    end
end

--- The seeds' verbs take two arguments, no more.
function M.check_count(verb, count)
    if count ~= 2 then
        M.invalid(verb, "two arguments are expected: a key and a text")
    end
end

--- Options are a table of known names. `checks`: name -> type or { value = anything }.
function M.options(verb, o, checks)
    if o == nil then
        return {}
    elseif type(o) ~= "table" then
        M.invalid(verb, "options must be a table")
    end
    local known = {}
    for name, value in next, o do
        local expected = checks[name]
        if not expected then
            M.invalid(verb, ("unknown option '%s'"):format(tostring(name):sub(1, 100)))
        elseif type(expected) == "table" and expected[value] == nil then
            M.invalid(verb, ("%s cannot be that"):format(name))
        elseif type(expected) == "string" and type(value) ~= expected then
            M.invalid(verb, ("%s must be a %s"):format(name, expected))
        end
        known[name] = value
    end
    return known
end

--- C knows a secret that was removed meanwhile as what is not found.
local function new_error(verb, code, detail)
    return error_object.new(code == "NOT_FOUND" and "SECRET_MISSING" or code, ("ctx.%s: %s"):format(verb, detail))
end

--- What core.crypto returned: the value, or its error is raised.
function M.check(verb, value, code, detail)
    if value == nil then
        error(new_error(verb, code, detail), 0)
    end
    return value
end

--- A step made at once. `produce() -> value | nil, code, detail`.
---@param name string?   the secret's
---@param arguments string?  what must be the same on replay; nil for what is to be encrypted: the hash of a short text
---  tells it
function M.record(verb, name, arguments, produce)
    local hash = arguments and system.hash64(arguments) or ""
    local fiber, path, entry = step.begin(verb, name or "", hash)
    if entry then
        return step.replay(fiber, entry)
    end
    local own = { path = path, kind = verb, name = name or "", hash = hash, started = timer.now_ms(), attempts = 1 }
    local value, code, detail = produce()
    if value == nil then
        local err = new_error(verb, code, detail)
        step.record_error(fiber, own, err)
        error(err, 0)
    end
    local _, result, text = step.normalize(value)
    step.record(fiber, own, "k", text, result)
    return result
end

--- A step when the key is a secret, else computed anew each time.
function M.record_of_secret(verb, name, arguments, produce)
    if name then
        return M.record(verb, name, arguments, produce)
    end
    return M.check(verb, produce())
end

--- Bytes of base64 or hex; nil when it is none.
M.from = { Base64 = system.base64_decode, Hex = core.crypto and core.crypto.unhex }
M.to = { Base64 = system.base64_encode, Hex = system.hex }

--- As above, raises INVALID.
function M.decode(verb, form, text)
    local bytes = M.from[form](text)
    if not bytes then
        M.invalid(verb, ("the text is not %s"):format(form:lower()))
    end
    return bytes
end

return M
