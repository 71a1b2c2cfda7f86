local test = require "flowhost.test"

local cards = test.mock_request("POST", "/demo/cards", { json = { receipt = "R-50" } })
local messages = test.mock_request("POST", "/demo/messages", { json = { sent = true } })

local INPUT = { body = { phone = "13800000000", amount = 50 } }

test.case("charges and confirms", function()
    local run = test.run("order", INPUT)
    test.equal(run.output, { receipt = "R-50" })
    test.equal(#cards.requests, 1)
end)

test.case("gives the money back when it cannot confirm", function()
    local failing = test.mock_request("POST", "/demo/messages", { status = 503 })
    local run = test.run("order", INPUT):finish()
    test.equal(run.status, "failed")
    test.equal(#failing.requests, 3)
    test.equal(cards.requests[2].json, { amount = -50, receipt = "R-50" })
end)

test.case("gives the money back when it is cancelled", function()
    test.mock_request("POST", "/demo/messages", test.never)
    local run = test.run("order", INPUT):cancel "changed their mind"
    test.equal(run.status, "cancelled")
    test.equal(cards.requests[2].json.amount, -50)
end)

test.case("a message that never comes back is tried again", function()
    local slow = test.mock_request("POST", "/demo/messages", { test.never, { json = { sent = true } } })
    local run = test.run("order", INPUT):advance(30 + 60)
    test.equal(run.status, "succeeded")
    test.equal(#slow.requests, 2)
    test.equal(#messages.requests, 0)
end)

test.crash_at_each_step("order", INPUT)

-- and so when it comes to undoing
test.case("undoes the same wherever it dies", function()
    test.mock_request("POST", "/demo/messages", { status = 400 })
    test.crash_at_each_step("order", INPUT)
end)
