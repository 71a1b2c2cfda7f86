local test = require "flowhost.test"

local INPUT = { query = { phone = "13800000000" } }

test.mock_request("POST", "/demo/users", { json = { id = 17 } })

test.case("answers", function()
    test.mock_request("POST", "/demo/coupons", { json = { code = "WELCOME-17" } })
    test.equal(test.http("GET", "/profile", INPUT).json, { id = 17, coupon = "WELCOME-17" })
end)

test.case("is kept, and goes on, when it does not", function()
    local coupons = test.mock_request("POST", "/demo/coupons",
        { { status = 400 }, { json = { code = "WELCOME-17" } } })
    local run = test.run("profile", INPUT)
    test.equal(run.status, "suspended")
    test.equal(run.steps[1].output, { id = 17 })
    run:recover()
    test.equal(run.output, { id = 17, coupon = "WELCOME-17" })
    test.equal(#coupons.requests, 2)
end)

test.mock_request("POST", "/demo/coupons", { json = { code = "WELCOME-17" } })
test.crash_at_each_step("profile", INPUT)
