-- SPDX-License-Identifier: MIT
-- /v1/machines: state machines by their definitions.
local executions = require "support.executions"

local json = executions.json

local function pass(result)
    return { StartAt = "P", States = { P = { Type = "Pass", Result = result, End = true } } }
end

local function ask(w, method, name, body, query)
    local request = w:request(method, "/v1/machines" .. (name and "/" .. name or ""), {
        body = body and (type(body) == "string" and body or json.encode(body)) or "", query = query })
    w:settle()
    return request.status, request.body ~= "" and request.body and json.decode(request.body) or nil
end

local function output(w, name)
    return json.decode(w:play(name, {}).body)
end

describe("/v1/machines", function()
    it("makes, changes, shows and deletes a machine", function()
        local w = executions.new {}
        assert.equal(201, (ask(w, "PUT", "a", pass(1))))
        assert.equal(1, output(w, "a"))
        local status, shown = ask(w, "PUT", "a", pass(2))
        assert.equal(200, status)
        assert.equal("arn:aws:states:us-east-1:123456789012:stateMachine:a", shown.arn)
        assert.equal(2, output(w, "a"))
        assert.same(pass(2), select(2, ask(w, "GET", "a")).definition)
        assert.equal("a", select(2, ask(w, "GET")).items[1].name)
        assert.equal(204, (ask(w, "DELETE", "a")))
        assert.equal(404, (ask(w, "GET", "a")))
        assert.equal(404, (ask(w, "DELETE", "a")))
        assert.equal(404, w:play("a", {}).status)
    end)

    it("takes SFC's spelling", function()
        local w = executions.new {}
        assert.equal(201, (ask(w, "PUT", "s", { start = "a", states = { a = { type = "succeed" } } })))
        assert.equal(200, w:play("s", {}).status)
    end)

    it("keeps the type, and leaves files alone", function()
        local w = executions.new { f = pass(1) }
        assert.equal(201, (ask(w, "PUT", "e", pass(1), { type = "EXPRESS" })))
        assert.equal(409, (ask(w, "PUT", "e", pass(2))))
        assert.equal(200, (ask(w, "PUT", "e", pass(2), { type = "EXPRESS" })))
        assert.equal(409, (ask(w, "PUT", "f", pass(2))))
        assert.equal(409, (ask(w, "DELETE", "f")))
        assert.is_true(select(2, ask(w, "GET", "f")).is_file)
    end)

    it("says what is wrong", function()
        local w = executions.new {}
        local status, body = ask(w, "PUT", "a", { StartAt = "Z", States = pass(1).States })
        assert.same({ 422, "MACHINE_INVALID" }, { status, body.code })
        assert.matches("/StartAt", body.detail)
        assert.equal(400, (ask(w, "PUT", "a", "{")))
        assert.equal(422, (ask(w, "PUT", "a b", pass(1))))
        assert.equal(422, (ask(w, "PUT", "a", pass(1), { type = "FAST" })))
    end)
end)
