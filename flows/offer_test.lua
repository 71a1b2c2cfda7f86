local test = require "flowhost.test"

test.mock_request("POST", "/demo/coupons", { json = { code = "WELCOME-17", percent = 10 } })

local INPUT = { body = { user_id = 17, within = 0.5 } }

test.case("with the coupon", function()
    test.equal(test.run("offer", INPUT).output, { price = 90 })
end)

test.case("without, when it takes too long", function()
    test.mock_request("POST", "/demo/coupons", test.never)
    test.equal(test.run("offer", INPUT):advance(0.5).output, { price = 100 })
end)

test.case("without, when there is none", function()
    test.mock_request("POST", "/demo/coupons", { status = 404 })
    test.equal(test.run("offer", INPUT):advance(0.5).output, { price = 100 })
end)

test.crash_at_each_step("offer", INPUT)
