local test = require "flowhost.test"

local INPUT = { body = { amount = 700 } }

test.case("charges the card", function()
    test.mock_request("POST", "/demo/cards", { json = { receipt = "R-700" } })
    test.equal(test.run("payment", INPUT).output, { paid = 700, receipt = "R-700" })
end)

test.case("fails when the card is declined", function()
    test.mock_request("POST", "/demo/cards", { status = 402, json = { reason = "over the limit" } })
    local run = test.run("payment", INPUT)
    test.equal(run.status, "failed")
    test.contains(run.error, { code = "CARD_DECLINED", message = "over the limit" })
end)

test.case("waits for a person when nobody knows whether the card was charged", function()
    test.mock_request("POST", "/demo/cards", { error = "NETWORK" })
    local run = test.run("payment", INPUT)
    test.equal(run.status, "suspended")
    test.contains(run.error, { code = "NETWORK", retryable = true })
end)

test.mock_request("POST", "/demo/cards", function(request)
    return { json = { receipt = "R-" .. request.json.amount } }
end)
test.crash_at_each_step("payment", INPUT)
