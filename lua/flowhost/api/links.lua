-- SPDX-License-Identifier: MIT
-- /v1/signals/{token}: links made by ctx.signal_url. GET shows a page with one button (programs that look at the links
-- of a mail use nothing up by that), POST sends the signal, once. No other proof is asked for: the link is one.

local core = require "flowhost.core"
local problem = require "flowhost.api.problem"
local remote = require "flowhost.engine.remote"
local signal_link = require "flowhost.engine.signal_link"

local json, system = core.json, core.system

local M = {}

local STATUS = { NO_LINK = 404, LINK_EXPIRED = 410 }
local OVER = { WRONG_STATE = true, NO_RUN = true }

local PAGE = [[<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>%s</title>
<style>body{font:1.1rem system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}
button{font:inherit;padding:.6rem 1.4rem}</style>
<h1>%s</h1><p>%s</p>%s</html>
]]

local HEADERS = { "Content-Type", "text/html; charset=utf-8", "Cache-Control", "no-store", "Referrer-Policy",
    "no-referrer", "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'" }

local function escape(text)
    return (tostring(text):gsub("[&<>\"']", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;",
        ["'"] = "&#39;" }))
end

local function send_page(request, status, title, text, form)
    title = escape(title)
    request:respond(status, HEADERS, PAGE:format(title, title, escape(text), form or ""))
end

local function wants_page(request)
    return (request:headers().accept or ""):find("text/html", 1, true) ~= nil
end

local function refuse(request, status, code, detail, errors)
    if wants_page(request) then
        return send_page(request, status, "This did not work", detail)
    end
    problem.send(request, status, code, detail, { errors = errors })
end

--- What the link says; nil after an answer.
local function read(request, token)
    local link, code, sentence = signal_link.read(token)
    if not link then
        refuse(request, STATUS[code], code, sentence)
    end
    return link
end

function M.show(request, captures)
    local link = read(request, captures.token)
    if link and not wants_page(request) then
        request:respond(200, { "Content-Type", "application/json" }, json.encode {
            run = link.run, signal = link.name, title = link.title, data = link.data, method = "POST" } .. "\n")
    elseif link then
        local label = escape(link.title or link.name)
        send_page(request, 200, link.title or ("Send '" .. link.name .. "'"),
            "Nothing is sent before you press the button. It works once.",
            ('<form method="post"><button>%s</button></form>'):format(label))
    end
end

--- The link's own data wins over the body.
local function data_of(request, link, body)
    if link.data ~= nil then
        return link.data
    end
    local kind = request:headers()["content-type"] or ""
    if body == "" or not kind:find("json", 1, true) then
        return json.null
    end
    local data, reason = json.decode(body)
    if data == nil then
        refuse(request, 400, "BODY_NOT_JSON", "the body is not JSON: " .. reason)
    end
    return data
end

function M.use(request, captures, _, _, body)
    local link = read(request, captures.token)
    local data = link and data_of(request, link, body)
    if data == nil then
        return
    end
    local bytes = system.id_bytes(link.run)
    remote.call(remote.owner(bytes), "signal", { id = link.run, name = link.name, data = data, key = link.id },
        function(result)
            if OVER[result.code] then
                return refuse(request, result.status, result.code, "nobody waits for this any more")
            elseif result.status then
                return refuse(request, result.status, result.code, result.detail, result.errors)
            elseif result.is_repeated then
                return refuse(request, 410, "LINK_USED", "this link was used already")
            elseif wants_page(request) then
                return send_page(request, 200, "Done", "Thank you. You can close this page.")
            end
            request:respond(202, { "Content-Type", "application/json" }, json.encode { run = link.run,
                signal = link.name } .. "\n")
        end)
end

return M
