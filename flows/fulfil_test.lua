local test = require "flowhost.test"

local cards = test.mock_request("POST", "/demo/cards", { json = { receipt = "R-18" } })
local messages = test.mock_request("POST", "/demo/messages", { json = { sent = true } })

local PEN, INK = { item = "pen", count = 2 }, { item = "ink", count = 1 }

local function order(...)
    return { phone = "13800000000", lines = test.json.array { ... } }
end

test.case("charges what the lines cost, and says so", function()
    local run = test.run("fulfil", order(PEN, INK))
    test.equal(run.output, { told = "paid 18, R-18" })
    test.equal(cards.requests[1].json, { amount = 18 })
    test.equal(messages.requests[1].json, { phone = "13800000000", text = "paid 18, R-18" })
end)

test.case("tells what there is not, and charges nothing", function()
    local run = test.run("fulfil", order(PEN, { item = "ghost", count = 1 }))
    test.equal(run.output, { told = "there is no ghost" })
    test.equal(#cards.requests, 0)
end)

test.case("tells that the card was declined", function()
    test.mock_request("POST", "/demo/cards", { status = 402, json = { reason = "over the limit of 100" } })
    test.equal(test.run("fulfil", order(INK)).output, { told = "the card was declined" })
end)

test.case("asks again when the card service is away", function()
    local back = test.mock_request("POST", "/demo/cards", { { status = 503 }, { status = 503 },
        { json = { receipt = "R" } } })
    local run = test.run("fulfil", order(INK)):advance(5 + 10)
    test.equal(run.output, { told = "paid 12, R" })
    test.equal(#back.requests, 3)
end)

test.case("refuses an empty order", function()
    local run = test.run("fulfil", order())
    test.equal({ run.status, run.error.data.error, run.error.data.cause }, { "failed", "Empty", "nothing was ordered" })
end)

test.crash_at_each_step("fulfil", order(PEN, INK))
