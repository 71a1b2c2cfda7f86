local test = require "flowhost.test"

local PHONE = "13800000000"

local users = test.mock_request("POST", "/demo/users", { json = { id = 17, phone = PHONE } })
local coupons = test.mock_request("POST", "/demo/coupons", { json = { code = "WELCOME-17" } })
local messages = test.mock_request("POST", "/demo/messages", { json = { sent = true } })

local function sign_up(phone)
    return test.http("POST", "/ps/signup", { json = { phone = phone } }).json
end

test.case("answers with what all three brought", function()
    local answer = sign_up(PHONE)
    test.equal(answer.data, {
        user = { id = 17, phone = PHONE }, coupon = { code = "WELCOME-17" }, message = { sent = true },
    })
    test.equal(coupons.requests[1].json, { user_id = 17 })
    test.equal(messages.requests[1].json, { phone = PHONE, text = "welcome" })
end)

test.case("names the field that is wrong", function()
    test.equal(sign_up("12345").msg, "request.body.phone must have a length of at least 6")
    test.equal(#users.requests, 0)
end)

test.case("goes on where it stood when a service is back", function()
    test.mock_request("POST", "/demo/users", { { json = { id = 0 } }, { json = { id = 18 } } })
    local run = test.run("signup", { body = { phone = PHONE } })
    test.equal(run.status, "suspended")
    test.equal(run.error.message, "no user was made")
    run:recover()
    test.equal(run.status, "succeeded")
    test.equal(coupons.requests[1].json, { user_id = 18 })
end)

test.crash_at_each_step("signup", { body = { phone = PHONE } })
