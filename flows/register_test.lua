-- Tests lie beside the flow: flowhost test flows/
local test = require "flowhost.test"

local users = test.mock_request("POST", "/demo/users", { json = { id = 17 } })
local coupons = test.mock_request("POST", "/demo/coupons", { json = { code = "WELCOME-17" } })
local messages = test.mock_request("POST", "/demo/messages", { json = { sent = true } })

local INPUT = { body = { phone = "13800000000" } }

test.case("asks three services", function()
    local run = test.run("register", INPUT)
    test.equal(run.output, { code = 200, msg = "success", data = {
        user = { id = 17 }, coupon = { code = "WELCOME-17" }, message = { sent = true },
    } })
    test.equal(users.requests[1].json, { phone = "13800000000" })
    test.equal(coupons.requests[1].json, { user_id = 17 })
    test.equal(messages.requests[1].json, { phone = "13800000000", text = "welcome" })
end)

test.case("goes on where it stood when a service is back", function()
    test.mock_request("POST", "/demo/coupons", { { status = 503 }, { json = { code = "LATE" } } })
    local run = test.run("register", INPUT)
    test.equal(run.status, "suspended")
    test.equal(run.error.code, "HTTP_STATUS")
    run:recover()
    test.equal(run.status, "succeeded")
    test.equal(run.output.data.coupon.code, "LATE")
    test.equal(#users.requests, 1)
end)

test.case("wants a phone number", function()
    local answer = test.http("POST", "/register", { json = { phone = "138" } })
    test.equal(answer.status, 400)
    test.equal(answer.json.code, "INPUT_INVALID")
end)

test.crash_at_each_step("register", INPUT)
