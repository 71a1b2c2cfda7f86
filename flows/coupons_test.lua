local test = require "flowhost.test"

local coupons = test.mock_request("POST", "/demo/coupons", function(request)
    return { json = { code = "C-" .. request.json.user_id }, delay = 1 }
end)

local INPUT = { body = { users = { 3, 1, 2 } } }

test.case("grants two at a time, and answers in the order of the list", function()
    local run = test.run("coupons", INPUT)
    test.equal(#coupons.requests, 2)
    run:advance(1)
    test.equal(#coupons.requests, 3)
    run:finish()
    test.equal(run.output.coupons, { { code = "C-3" }, { code = "C-1" }, { code = "C-2" } })
end)

test.case("grants nothing to nobody", function()
    test.equal(test.run("coupons", { body = { users = {} } }).output, { coupons = {} })
end)

test.crash_at_each_step("coupons", INPUT)
