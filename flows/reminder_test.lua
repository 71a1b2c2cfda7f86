local test = require "flowhost.test"

local messages = test.mock_request("POST", "/demo/messages", { json = { sent = true } })

test.case("answers at once and sends the message a year later", function()
    local run = test.run("reminder", { body = { phone = "13800000000", after = 365 * 86400 } })
    test.equal(run.response.status, 202)
    test.equal(run.status, "waiting")
    run:advance(364 * 86400)
    test.equal(#messages.requests, 0)
    run:advance(86400)
    test.equal(#messages.requests, 1)
    test.equal(run.output, { sent = true })
end)

test.crash_at_each_step("reminder", { body = { phone = "13800000000", after = 60 } })
