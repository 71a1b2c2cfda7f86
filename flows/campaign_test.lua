local test = require "flowhost.test"

local messages = test.mock_request("POST", "/demo/messages", function(request)
    return request.json.phone == "13800000013" and { status = 500 } or { json = { sent = true } }
end)

local INPUT = { body = { name = "spring", phones = { "13800000000", "13800000001" } } }

test.case("welcomes each, in a run of its own", function()
    local run = test.run("campaign", INPUT)
    test.equal(run.output, { reached = 2, of = 2 })
    test.equal(#test.runs { flow = "welcome", status = "succeeded" }, 2)
    test.equal(run.tags, { campaign = "spring" })
    test.equal(run.progress.done, 2)
    test.equal(messages.requests[1].json.text, "welcome")
end)

test.case("goes on when one is suspended for too long", function()
    local run = test.run("campaign", { body = { name = "autumn", phones = { "13800000013", "13800000001" } } })
    run:advance(60)
    test.equal(run.status, "waiting")
    test.equal(run.progress.done, 1)
    run:advance(3600)
    test.equal(run.output, { reached = 1, of = 2 })
    test.equal(#test.runs { flow = "welcome", status = "cancelled" }, 1)
end)

test.crash_at_each_step("campaign", INPUT)
