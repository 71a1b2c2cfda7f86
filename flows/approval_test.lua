local test = require "flowhost.test"

local messages = test.mock_request("POST", "/demo/messages", { json = { sent = true } })

local INPUT = { body = { phone = "13800000000", amount = 70 } }
local DAY = 86400

test.case("somebody approves over the API", function()
    local run = test.run("approval", INPUT)
    test.equal(run.response.status, 202)
    test.equal(run.status, "waiting")
    test.matches(run.why, "waiting for the signal 'approve'")
    run:advance(2 * DAY):signal("approve", { by = "Ada" })
    test.equal(run.output, { approved = true, by = "Ada" })
end)

test.case("somebody opens the link in the message", function()
    local run = test.run("approval", INPUT)
    local link = messages.requests[1].json.text:match "http%S+"
    test.http("POST", link)
    test.equal(run.output, { approved = true, by = "link" })
end)

test.case("nobody answers", function()
    test.equal(test.run("approval", INPUT):advance(3 * DAY).output, { approved = false })
end)

test.case("tries the message again", function()
    local failing = test.mock_request("POST", "/demo/messages", { { status = 503 }, { json = { sent = true } } })
    local run = test.run("approval", INPUT):advance(1)
    test.equal(#failing.requests, 2)
    test.equal(run.status, "waiting")
end)

test.crash_at_each_step("approval", INPUT, function(run)
    run:signal("approve", { by = "Ada" })
end)
