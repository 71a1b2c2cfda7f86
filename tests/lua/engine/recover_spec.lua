-- SPDX-License-Identifier: MIT
-- Suspend, recover with edits, dry runs, the audit.
local standing = require "support.standing"
local world = require "support.world"

local flow = world.flow

local new, post = standing.new, standing.post

local function audit(w)
    return w:request("GET", "/v1/audit"):json().items
end

describe("ctx.suspend", function()
    it("stops for a person and returns what recover gives", function()
        local w = new [[ local v = ctx.suspend("CHECK", "please look") return { got = v } ]]
        local request = w:play "a"
        assert.equal(500, request.status)
        assert.equal("CHECK", w:run().error.code)
        assert.equal("please look", w:run().error.message)
        assert.equal(202, post(w, "recover", { value = { a = 1 } }).status)
        assert.same({ got = { a = 1 } }, w:run().output)
    end)

    it("without a value returns nil; no pcall catches it; on_error = fail suspends all the same", function()
        local w = new([[ local ok, v = pcall(ctx.suspend, "CHECK") return { ok = ok, is_nil = v == nil } ]], nil,
            'on_error = "fail"')
        w:play "a"
        assert.equal("suspended", w:run().status)
        post(w, "recover")
        assert.same({ ok = true, is_nil = true }, w:run().output)
    end)

    it("in a branch lets what the others have begun come to its end", function()
        local w = new([[
            return { ctx.all {
                function() return ctx.request { url = "http://u/1", json = 1 }.n end,
                function() return ctx.suspend("CHECK") end,
            } }
        ]], { upstream = function() return 200, nil, { n = 1 } end })
        w:start "a"
        while w:commit() do end
        assert.equal("running", w:run().status)
        w:settle()
        assert.equal("suspended", w:run().status)
        assert.equal(1, w:entries()["1.1.1"].value.n)
        post(w, "recover", { value = 7 })
        assert.same({ 1, 7 }, w:run().output)
        assert.equal(1, #w.calls)
    end)

    it("survives restarts, twice", function()
        local w = new [[ return { ctx.suspend("A"), ctx.suspend("B") } ]]
        w:play "a"
        w = w:crash()
        post(w, "recover", { value = 1 })
        assert.equal("B", w:run().error.code)
        w = w:crash()
        post(w, "recover", { value = 2 })
        assert.same({ 1, 2 }, w:run().output)
        assert.equal(3, w:run().attempt)
    end)
end)

local STEPS, broken = standing.STEPS, standing.broken

describe("recover", function()
    it("with the result of the step that failed", function()
        local w = new(STEPS, { upstream = broken })
        w:play("a", { x = 1 })
        post(w, "recover", { value = { n = 33 } })
        assert.same({ 1, 2, 33, 1 }, w:run().output)
        assert.equal(3, #w.calls)
        local entry = audit(w)[1]
        assert.equal("recover", entry.action)
        assert.same({ n = 33 }, entry.after.value)
        assert.equal("HTTP_STATUS", entry.before.error.code)
    end)

    it("with another result of an earlier step: what is recorded after it stays, its arguments are compared", function()
        local w = new(STEPS, { upstream = broken })
        w:play("a", { x = 1 })
        post(w, "recover", { steps = { ["3"] = { output = { n = 20 } } }, value = { n = 3 } })
        assert.equal("DIVERGED", w:run().error.code) -- the failed request had been asked with { 1, 2 }
        w = new(STEPS, { upstream = broken })
        w:play("a", { x = 1 })
        w.upstream = function() return 200, nil, { n = 9 } end
        post(w, "recover", { steps = { ["3"] = { output = { n = 20 } } } })
        assert.same({ 1, 20, 9, 1 }, w:run().output)
        assert.same({ n = 2 }, audit(w)[1].before.steps["3"])
        local journal = w:request("GET", "/v1/runs/" .. w:ids()[1] .. "/journal"):json().items
        local values = {}
        for _, entry in ipairs(journal) do
            if entry.path == "3" then
                values[#values + 1] = entry.value.n
            end
        end
        assert.same({ 2, 20 }, values)
    end)

    it("edits a step inside of one that had ended", function()
        local w = new(STEPS, { upstream = broken })
        w:play("a", { x = 1 })
        w.upstream = function() return 200, nil, { n = 9 } end
        post(w, "recover", { steps = { ["1.1"] = { output = { n = 10 } } }, from = "2" })
        assert.same({ 10, 9, 9, 10 }, w:run().output)
    end)

    it("edits a step of the branch that had decided: it stays the one, even if it fails now", function()
        for _, verb in ipairs { "race", "any" } do
            local w = new(([[
                local ok, won = pcall(ctx.%s, {
                    function() ctx.wait "never" end,
                    function() local n = ctx.request { url = "http://u/1" }.n
                        return n < 100 and n or error { code = "TOO_MUCH", message = "no" } end,
                })
                ctx.suspend "X"
                return ok and won or won.code
            ]]):format(verb), { upstream = function() return 200, nil, { n = 1 } end })
            w:play "a"
            post(w, "recover", { steps = { ["1.2.1"] = { output = { n = 2 } } } })
            assert.equal(2, w:run().output)
            w:play "a"
            local id = w:ids()[2]
            post(w, "recover", { steps = { ["1.2.1"] = { output = { n = 200 } } } }, id)
            assert.equal("TOO_MUCH", w:run(id).output)
        end
    end)

    it("from a step: that and all behind it run again", function()
        local w = new(STEPS, { upstream = broken })
        w:play("a", { x = 1 })
        w.upstream = function() return 200, nil, { n = 5 } end
        post(w, "recover", { from = "1", input = { x = 2 } })
        assert.same({ 5, 5, 5, 5 }, w:run().output)
        assert.equal(6, #w.calls)
        assert.equal('{"x":2}', w.calls[4].body)
        assert.same({ x = 2 }, w:run().input)
        assert.same({ x = 1 }, audit(w)[1].before.input)
    end)

    it("from a step in a branch leaves the other branches", function()
        local w = new([[
            local list = ctx.map({ 1, 2, 3 }, function(n)
                local first = ctx.request { url = "http://u/" .. n, json = n }.n
                return first + ctx.request { url = "http://u/1" .. n, json = n }.n
            end)
            return { list, ctx.request { url = "http://u/bad", json = list }.n }
        ]], { upstream = broken })
        w:play "a"
        local before = #w.calls
        w.upstream = function() return 200, nil, { n = 100 } end
        post(w, "recover", { from = "1.2.2" })
        assert.same({ { 12, 102, 16 }, 100 }, w:run().output)
        assert.equal(before + 2, #w.calls)
    end)

    it("from a step in a race that was decided: the whole race runs again", function()
        local w = world.new { files = { ["b.lua"] = flow [[ ctx.wait "never" ]], ["a.lua"] = flow [[
            local won = { ctx.race {
                function() return ctx.call("b") end,
                function() return ctx.request { url = "http://u/1" }.n + ctx.request { url = "http://u/2" }.n end,
            } }
            ctx.suspend "X"
            return won
        ]] }, upstream = function() return 200, nil, { n = 1 } end }
        w:play "a"
        local id = w:ids()[1]
        w.upstream = function() return 200, nil, { n = 5 } end
        post(w, "recover", { from = "1.2.2" })
        post(w, "recover", { value = 1 })
        assert.same({ 10, 2 }, w:run(id).output)
        assert.equal(3, #w:ids())
        for i = 2, 3 do
            assert.equal("cancelled", w:run(w:ids()[i]).status)
        end
    end)

    it("from a step: the children that were waited for behind it are cancelled", function()
        local w = world.new { files = { ["b.lua"] = flow [[ return ctx.wait "end" ]], ["a.lua"] = flow [[
            return { ctx.all {
                function() return ctx.call("b") end,
                function() ctx.sleep(1) return ctx.suspend "X" end,
            } }
        ]] } }
        w:play "a"
        local ids = w:ids()
        post(w, "recover", { from = "1.2.1" })
        assert.equal("waiting", w:run(ids[2]).status)
        assert.equal(2, #w:ids())
        post(w, "recover", { from = "1" })
        assert.equal("cancelled", w:run(ids[2]).status)
        ids = w:ids()
        w:request("POST", "/v1/runs/" .. ids[3] .. "/signal/end", { body = "7" })
        w:settle()
        post(w, "recover", { value = 8 })
        assert.same({ 7, 8 }, w:run(ids[1]).output)
        assert.equal(3, #w:ids())
    end)

    it("with shared data, merged at the top level", function()
        local w = new([[
            ctx.data.store("a", 1)
            ctx.data.store("b", 1)
            ctx.suspend "X"
            local a = ctx.data.load "a"
            ctx.data.store("b", 3)
            ctx.suspend "Y"
            return { a, ctx.data.load "b", ctx.data.load "c" }
        ]])
        w:play "a"
        post(w, "recover", { data = { a = 2, b = 2, c = 2 } })
        w = w:crash()
        post(w, "recover")
        assert.same({ 2, 3, 2 }, w:run().output)
    end)

    it("on the newer code, with a dry run that tells whether it fits", function()
        local w = new([[ local a = ctx.request { url = "http://u/1", json = 1 }.n error("bug " .. a) ]],
            { upstream = broken })
        w:play "a"
        local old = w:run().version
        local fixed = w:crash(nil, { files = { ["a.lua"] = flow
            [[ local a = ctx.request { url = "http://u/1", json = 1 }.n return a + 1 ]] } })
        local id = fixed:ids()[1]
        local report = post(fixed, "recover", { release = "active", dry_run = true })
        assert.equal(200, report.status)
        assert.is_false(report:json().diverges)
        assert.equal("suspended", fixed:run().status)
        assert.equal(202, post(fixed, "recover", { release = "active" }).status)
        assert.equal(2, fixed:run(id).output)
        assert.not_equal(old, fixed:run(id).version)
        assert.equal(0, #fixed.calls)

        local other = w:crash(nil, { files = { ["a.lua"] = flow
            [[ local a = ctx.request { url = "http://u/2", json = 1 } return a ]] } })
        report = post(other, "recover", { release = "active", dry_run = true }):json()
        assert.is_true(report.diverges)
        assert.equal("1", report.divergence.step)
        assert.equal("POST http://u/1", report.divergence.recorded.name)
        assert.equal("POST http://u/2", report.divergence.asked.name)
        assert.equal("a.lua:1", report.divergence.asked.line)
        post(other, "recover", { release = "active" })
        assert.equal("DIVERGED", other:run().error.code)

        local gone = w:crash(nil, { files = {} })
        for _, dry_run in ipairs { true, false } do
            report = post(gone, "recover", { release = "active", dry_run = dry_run })
            assert.same({ 409, "NO_FLOW" }, { report.status, report:json().code })
        end
        local replay = gone:request("GET", "/v1/runs/" .. id .. "/replay", { query = { release = "active" } })
        assert.same({ 409, "NO_FLOW" }, { replay.status, replay:json().code })
    end)

    it("dry runs look at what the edits make of the run, and change nothing", function()
        local w = new(STEPS, { upstream = broken })
        w:play("a", { x = 1 })
        local before, applied = w:run(), w:applied()
        local function dry(edits)
            edits.dry_run = true
            local report = post(w, "recover", edits):json()
            return report["end"], report.divergence ~= world.json.null and report.divergence.step, report.steps
        end
        assert.same({ "stands at its last recorded step", false, 4 }, { dry {} })
        assert.same({ "succeeded", false, 5 }, { dry { value = { n = 33 } } })
        assert.same({ "diverged", "4", 3 }, { dry { steps = { ["3"] = { output = { n = 20 } } }, value = { n = 3 } } })
        assert.same({ "stands at its last recorded step", false, 2 }, { dry { from = "1", input = { x = 2 } } })
        assert.same(before, w:run())
        assert.equal(applied, w:applied())
        assert.equal(3, #w.calls)
    end)

    it("cancel and fork leave an audit entry as well, with their reasons", function()
        local w = new [[ ctx.suspend "X" ]]
        w:play "a"
        local id = w:ids()[1]
        local fork = post(w, "fork", { reason = "to try" }, id):json().id
        post(w, "cancel", { reason = "no more" }, id)
        post(w, "cancel", nil, fork)
        local list = {}
        for i, entry in ipairs(audit(w)) do
            list[i] = { entry.action, entry.run, entry.reason }
        end
        assert.same({ { "cancel", fork, world.json.null }, { "cancel", id, "no more" }, { "fork", fork, "to try" } },
            list)
        assert.equal(id, audit(w)[3].before.run)
    end)

    it("the audit has what was done in the same millisecond in its order", function()
        local w = new [[ ctx.suspend "X" ]]
        w:play "a"
        local id, wanted = w:ids()[1], {}
        for i = 1, 12 do
            wanted[13 - i] = post(w, "fork", { reason = "r" .. i }, id):json().id
        end
        local found = {}
        for i, entry in ipairs(audit(w)) do
            found[i] = entry.run
        end
        assert.same(wanted, found)
    end)

    it("of a run that is not suspended: 409 with its state; unknown: 404", function()
        local w = new [[ return 1 ]]
        w:play "a"
        local request = post(w, "recover")
        assert.equal(409, request.status)
        assert.matches("is succeeded, not suspended", request:json().detail)
        assert.equal(404, post(w, "recover", nil, ("0"):rep(26)).status)
    end)

    it("null is no edit, but as value and input", function()
        local w = new [[
            ctx.data.store("a", 1)
            local v = ctx.suspend "X"
            return { v == nil, ctx.data.load "a", input == nil }
        ]]
        w:play("a", {})
        local null = world.json.null
        local request = post(w, "recover", { value = null, input = null, data = null, steps = null, from = null,
            release = null, dry_run = null, reason = null })
        assert.equal(202, request.status)
        assert.same({ true, 1, true }, w:run().output)
        local fork = post(w, "fork", { from = null, steps = null, data = null, allow_effects = null })
        assert.equal(201, fork.status)
        assert.equal("succeeded", w:run(fork:json().id).status)
    end)

    it("edits that cannot be: 422, and nothing has changed", function()
        local w = new(STEPS, { upstream = broken })
        w:play("a", { x = 1 })
        local before, applied = w:run(), w:applied()
        for _, edits in ipairs {
            { steps = { ["9"] = { output = 1 } } }, { steps = { ["1"] = 5 } }, { steps = { ["1"] = {} } },
            { steps = { ["1"] = { output = 1, more = 2 } } }, { steps = 1 }, { from = "9" }, { from = 1 },
            { from = "1.1.1" }, { data = 5 }, { release = "newest" }, { nope = 1 }, { dry_run = "yes" },
        } do
            local request = post(w, "recover", edits)
            assert.equal(422, request.status, world.json.encode(edits))
            assert.is_string(request:json().errors[1].pointer)
        end
        assert.same(before, w:run())
        assert.equal(applied, w:applied())
    end)
end)
