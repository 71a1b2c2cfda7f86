-- The services that stand for real ones, each through its own route.
local test = require "flowhost.test"

test.case("a user has a number", function()
    test.equal(test.http("POST", "/demo/users", { json = { phone = "1" } }).json, { id = 17, phone = "1" })
end)

test.case("a coupon has a code", function()
    test.equal(test.http("POST", "/demo/coupons", { json = { user_id = 3 } }).json,
        { code = "WELCOME-3", percent = 10 })
end)

test.case("a message is sent", function()
    test.equal(test.http("POST", "/demo/messages", { json = { phone = "1" } }).json, { sent = true, to = "1" })
end)

test.case("a card takes up to 100", function()
    local answer = test.http("POST", "/demo/cards", { json = { amount = 100 } })
    test.equal(answer.json, { receipt = "R-100" })
    answer = test.http("POST", "/demo/cards", { json = { amount = 101 } })
    test.equal(answer.status, 402)
end)

for name, body in pairs { users = { phone = "1" }, coupons = { user_id = 3 }, messages = { phone = "1" },
    cards = { amount = 101 } } do
    test.crash_at_each_step("demo/" .. name, { body = body })
end
